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
use crate::visitor::VisitorId;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Map;

/// The cart attribute that holds the visitor id.
pub const VISITOR_ATTRIBUTE: &str = "sortition_id";

/// The largest webhook that is read, in bytes: orders of many lines are long.
pub const MAX_BODY: usize = 1024 * 1024;

/// Whether a webhook is Shopify's.
#[must_use]
pub fn is_genuine(tag: &str, body: &[u8], secret: &[u8]) -> bool {
    STANDARD.decode(tag.trim()).is_ok_and(|tag| tag.len() == 32 && signature::verify(secret, &[body], &tag))
}

#[derive(Deserialize)]
struct Order {
    id: u64,
    total_price: String,
    currency: String,
    processed_at: Option<String>,
    created_at: Option<String>,
    #[serde(default)]
    note_attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
struct Attribute {
    name: String,
    value: Option<String>,
}

#[derive(Deserialize)]
struct Refund {
    id: u64,
    order_id: u64,
    processed_at: Option<String>,
    created_at: Option<String>,
    #[serde(default)]
    transactions: Vec<Transaction>,
}

#[derive(Deserialize)]
struct Transaction {
    kind: String,
    status: String,
    amount: String,
    currency: Option<String>,
}

/// The events of a webhook: a `purchase` of `orders/paid` where the order names its visitor, a `refund` of
/// `refunds/create`, nothing of other topics. `secret` is the one that signs visitor cookies, where the document says
/// so; `now` in milliseconds since 1970.
///
/// # Errors
///
/// The field that is missing or wrong.
pub fn events(topic: &str, body: &[u8], plan: &Plan, secret: Option<&[u8]>, now: i64) -> Result<Vec<Event>, Problem> {
    let malformed = |error: serde_json::Error| Problem::new("", format!("it is not what {topic} sends: {error}"));
    match topic {
        "orders/paid" => {
            let order: Order = serde_json::from_slice(body).map_err(malformed)?;
            let named = order.note_attributes.iter().find(|attribute| attribute.name == VISITOR_ATTRIBUTE);
            let visitor = named.and_then(|attribute| visitor(attribute.value.as_deref()?, plan, secret));
            let Some(visitor) = visitor else { return Ok(Vec::new()) };
            let sale =
                Money { amount: amount("total_price", &order.total_price)?, currency: currency(&order.currency)? };
            let at = time(order.processed_at.or(order.created_at), now);
            Ok(vec![event(plan, now, Some(visitor), "purchase", order.id.to_string(), None, sale, at)?])
        }
        "refunds/create" => {
            let refund: Refund = serde_json::from_slice(body).map_err(malformed)?;
            let Some(back) = refunded(&refund.transactions)? else { return Ok(Vec::new()) };
            let at = time(refund.processed_at.or(refund.created_at), now);
            let (id, order) = (refund.id.to_string(), refund.order_id.to_string());
            Ok(vec![event(plan, now, None, "refund", id, Some(order), back, at)?])
        }
        _ => Ok(Vec::new()),
    }
}

#[derive(Clone, Copy)]
struct Money {
    amount: Decimal,
    currency: Currency,
}

/// The money that went back, below zero; `None` where none did (a return that is still to be paid).
fn refunded(transactions: &[Transaction]) -> Result<Option<Money>, Problem> {
    let mut total: Option<Money> = None;
    for transaction in transactions.iter().filter(|it| it.kind == "refund" && it.status == "success") {
        let back = amount("transactions.amount", &transaction.amount)?.negated();
        let code = currency(transaction.currency.as_deref().unwrap_or(""))?;
        total = Some(match total {
            None => Money { amount: back, currency: code },
            Some(sum) if sum.currency == code => {
                let amount = sum.amount.plus(back);
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

fn visitor(text: &str, plan: &Plan, secret: Option<&[u8]>) -> Option<VisitorId> {
    match (plan.visitor.signed, secret) {
        (true, Some(secret)) => VisitorId::accept_signed(text, secret).map(|(id, _)| id),
        _ => VisitorId::accept(text),
    }
}

fn amount(field: &str, text: &str) -> Result<Decimal, Problem> {
    text.parse().map_err(|message: String| Problem::new(field, message))
}

fn currency(code: &str) -> Result<Currency, Problem> {
    Currency::try_from(code.to_owned()).map_err(|message| Problem::new("currency", message))
}

fn time(text: Option<String>, now: i64) -> Timestamp {
    let told = text.and_then(|text| text.parse::<Timestamp>().ok());
    told.map_or(Timestamp::from_millis(now), |told| Timestamp::from_millis(told.millis().min(now)))
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
    money.amount.minor(money.currency.exponent()).map_err(|message| Problem::new("value", message))?;
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
            converted_at: converted_at.to_string(),
            experiment_id: None,
            variant: None,
            channel: Channel::Shopify,
            properties: Map::new(),
        }),
    })
}
