//! Shopify's webhooks → events.
//!
//! Shopify signs the raw body with the app's secret and sends the HMAC-SHA256 in base64 as `X-Shopify-Hmac-SHA256`
//! (<https://shopify.dev/docs/apps/build/webhooks/subscribe/https>). An order knows its visitor by the cart attribute
//! `sortition_id`, which arrives among its `note_attributes`; a refund knows its order.

use super::money::{Currency, Decimal};
use super::reception::conversion_id;
use super::{Channel, Conversion, Event, Problem, What};
use crate::document::Timestamp;
use crate::hash::{self, signature};
use crate::plan::Plan;
use crate::visitor::{VisitorId, reported};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

/// The cart attribute that holds the visitor id.
pub const VISITOR_ATTRIBUTE: &str = "sortition_id";

/// The cart attribute that holds the browser session's id, for experiments by session.
pub const SESSION_ATTRIBUTE: &str = "sortition_session";

/// The largest webhook that is read, in bytes: orders of many lines are long.
pub const MAX_BODY: usize = 1024 * 1024;

/// Whether a webhook is Shopify's.
#[must_use]
pub fn is_genuine(tag: &str, body: &[u8], secret: &[u8]) -> bool {
    STANDARD.decode(tag.trim()).is_ok_and(|tag| tag.len() == 32 && signature::verify(secret, &[body], &tag))
}

/// What Shopify sends, read field by field: its documentation shows texts where shops meet numbers and nulls, and what is
/// not asked for may be of any shape.
#[derive(Clone, Copy)]
struct Payload<'a>(&'a Value);

impl<'a> Payload<'a> {
    /// A field; `None` where there is none, or null.
    fn get(self, name: &str) -> Option<Payload<'a>> {
        self.0.get(name).filter(|value| !value.is_null()).map(Self)
    }

    /// The items of a list; none where there is none.
    fn items(self, name: &str) -> impl Iterator<Item = Payload<'a>> {
        self.get(name).and_then(|field| field.0.as_array()).into_iter().flatten().map(Self)
    }

    /// The values of a cart attribute.
    fn attribute(self, name: &str) -> impl Iterator<Item = String> {
        let named = self.items("note_attributes").filter(move |it| it.text("name").as_deref() == Some(name));
        named.filter_map(|it| it.text("value"))
    }

    /// A text, or a number as one.
    fn text(self, name: &str) -> Option<String> {
        match self.get(name)?.0 {
            Value::String(text) => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn required(self, name: &str) -> Result<String, Problem> {
        self.text(name).filter(|text| !text.is_empty()).ok_or_else(|| Problem::new(name, "it is missing"))
    }

    /// A number of Shopify's: digits, as a number or as a text.
    fn number(self, name: &str) -> Result<String, Problem> {
        let text = self.required(name)?;
        let sound = text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
        if sound { Ok(text) } else { Err(Problem::new(name, "it is no number of Shopify's")) }
    }

    /// Money: the field, or what its `_set` says in the shop's currency.
    fn money(self, name: &str, code: Option<String>) -> Result<Money, Problem> {
        let set = self.get(&format!("{name}_set")).and_then(|set| set.get("shop_money"));
        let amount = match (self.get(name).map(|field| field.0), set) {
            (Some(Value::Number(number)), _) => Decimal::from_json(number),
            (Some(Value::String(text)), _) => text.trim().parse(),
            (None, Some(set)) => set.required("amount")?.parse(),
            _ => return Err(Problem::new(name, "it is missing")),
        };
        let code = code.or_else(|| set?.text("currency_code"));
        Ok(Money {
            amount: amount.map_err(|error| Problem::new(name, error.to_string()))?,
            currency: currency(&code.unwrap_or_default())?,
        })
    }

    /// When it happened.
    fn at(self, now: i64) -> Timestamp {
        let told =
            ["processed_at", "created_at"].into_iter().find_map(|name| self.text(name)?.parse::<Timestamp>().ok());
        told.map_or(Timestamp::from_millis(now), |told| Timestamp::from_millis(told.millis().min(now)))
    }
}

/// The events of a webhook: a `purchase` of `orders/paid` where the order names its visitor, a `refund` of
/// `refunds/create`, nothing of other topics. `secret` is the one that signs visitor cookies, where the document says
/// so; `now` in milliseconds since 1970.
///
/// # Errors
///
/// The field that is missing or wrong.
pub fn events(topic: &str, body: &[u8], plan: &Plan, secret: Option<&[u8]>, now: i64) -> Result<Vec<Event>, Problem> {
    if !matches!(topic, "orders/paid" | "refunds/create") {
        return Ok(Vec::new());
    }
    let malformed = |message: String| Problem::new("", format!("it is not what {topic} sends: {message}"));
    let value: Value = serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
    if !value.is_object() {
        return Err(malformed("it is no object".to_owned()));
    }
    let payload = Payload(&value);
    if topic == "orders/paid" {
        let order = payload.number("id")?;
        let visitor = payload.attribute(VISITOR_ATTRIBUTE).find_map(|text| reported(&plan.visitor, &text, secret));
        let Some(visitor) = visitor else { return Ok(Vec::new()) };
        let sale = payload.money("total_price", payload.text("currency"))?;
        let mut event = event(plan, now, Some(visitor), "purchase", order, None, sale, payload.at(now))?;
        if let What::Converted(conversion) = &mut event.what {
            let session = payload.attribute(SESSION_ATTRIBUTE).find_map(|text| VisitorId::accept(&text));
            conversion.session_id = session.filter(|_| plan.assigns_sessions).map(|id| id.to_string());
        }
        return Ok(vec![event]);
    }
    let Some(back) = refunded(payload)? else { return Ok(Vec::new()) };
    let (refund, order) = (payload.number("id")?, payload.number("order_id")?);
    Ok(vec![event(plan, now, None, "refund", refund, Some(order), back, payload.at(now))?])
}

#[derive(Clone, Copy)]
struct Money {
    amount: Decimal,
    currency: Currency,
}

/// The money that went back, below zero; `None` where none did (a return that is still to be paid).
fn refunded(refund: Payload<'_>) -> Result<Option<Money>, Problem> {
    let is = |it: Payload<'_>, name: &str, word: &str| it.text(name).as_deref() == Some(word);
    // why: a transaction need not say what its lines say
    let of_lines = || {
        let lines = refund.items("refund_line_items");
        lines.filter_map(|line| line.get("subtotal_set")?.get("shop_money")?.text("currency_code")).next()
    };
    let mut total: Option<Money> = None;
    for transaction in
        refund.items("transactions").filter(|it| is(*it, "kind", "refund") && is(*it, "status", "success"))
    {
        let back = transaction.money("amount", transaction.text("currency").or_else(of_lines));
        let back = back.map_err(|problem| Problem::new(format!("transactions.{}", problem.field), problem.message))?;
        let back = Money { amount: back.amount.negated(), ..back };
        total = Some(match total {
            None => back,
            Some(sum) if sum.currency == back.currency => {
                let amount = sum.amount.plus(back.amount);
                Money {
                    amount: amount.ok_or_else(|| Problem::new("transactions", "their sum is out of range"))?,
                    ..sum
                }
            }
            Some(_) => return Err(Problem::new("transactions", "they are in different currencies")),
        });
    }
    Ok(total)
}

fn currency(code: &str) -> Result<Currency, Problem> {
    Currency::try_from(code.to_owned()).map_err(|message| Problem::new("currency", message))
}

#[allow(clippy::too_many_arguments)] // why: each is a field of the event, named at both calls
fn event(
    plan: &Plan,
    now: i64,
    visitor: Option<VisitorId>,
    conversion_event: &str,
    transaction: String,
    refund_of: Option<String>,
    money: Money,
    converted_at: Timestamp,
) -> Result<Event, Problem> {
    money.amount.minor(money.currency.exponent()).map_err(|error| Problem::new("value", error.to_string()))?;
    Ok(Event {
        id: match &refund_of {
            // why: `purchase` of this number, told by a page or another server, is the same sale
            None => conversion_id(&plan.project, conversion_event, &transaction),
            Some(order) => hash::event_id(&["refund", &plan.project, order, &transaction]),
        },
        project: plan.project.to_string(),
        config_revision: plan.revision.to_string(),
        at: Timestamp::from_millis(now).to_string(),
        anonymous_id: visitor.map(|id| id.to_string()),
        user_id: None,
        what: What::Converted(Conversion {
            conversion_event: conversion_event.to_owned(),
            value: Some(money.amount),
            currency: Some(money.currency),
            transaction_id: Some(transaction),
            refund_of,
            session_id: None,
            converted_at: converted_at.to_string(),
            experiment_id: None,
            variant: None,
            channel: Channel::Shopify,
            properties: Map::new(),
        }),
    })
}
