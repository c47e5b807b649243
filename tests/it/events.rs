//! What outsiders send: what is taken, what is refused and by which field, and what the record would hold of it.

use crate::assignments::cases;
use crate::support::{CHROME, Page, Sent, compile};
use proptest::prelude::*;
use serde_json::{Value, json};
use sortition_engine::document::Document;
use sortition_engine::events::money::{Currency, Decimal, MAX_MINOR};
use sortition_engine::events::reception::{self, MAX_BODY};
use sortition_engine::events::{
    Batch, Channel, Event, Message, PageView, SCHEMA, Served, Shared, Visit, What, exposure, page_view, personal,
    shopify, signature, versions,
};
use sortition_engine::hash::{hex, signature as hmac};
use sortition_engine::plan::Plan;

/// 2026-11-21T12:00:00Z.
const NOW: i64 = 1_795_262_400_000;
const VISITOR: &str = "7c1f8a52-8a0e-4b6c-9d3e-1f2a3b4c5d6e";

fn document() -> Value {
    json!({
        "version": 1, "project": "shop", "revision": "r1",
        "experiments": [
            {"id": "hero", "status": "running", "variants": [{"id": "control", "weight": 1}, {"id": "bold", "weight": 1}]},
            {"id": "lamp", "kind": "ops", "status": "running", "variants": [{"id": "off", "weight": 1}, {"id": "on", "weight": 0}]},
        ],
    })
}

fn plan() -> Plan {
    Plan::compile(&Document::parse(&document().to_string()).unwrap()).unwrap()
}

fn server(body: &Value) -> Result<Vec<Event>, Vec<String>> {
    let told = |problems: Vec<_>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let drafts = reception::read(body.to_string().as_bytes(), Channel::Server, NOW).map_err(told)?;
    reception::from_server(&drafts, &plan(), &[7; 32], None, NOW).map_err(told)
}

fn converted(fields: &Value) -> Value {
    let mut event = json!({"type": "experiment_converted", "anonymous_id": VISITOR, "conversion_event": "purchase"});
    for (name, value) in fields.as_object().unwrap() {
        event[name] = value.clone();
    }
    json!({"events": [event]})
}

#[test]
fn money_is_read_digit_by_digit() {
    let cases = [
        (json!(19.99), "EUR", Ok(1999)),
        (json!("19.99"), "EUR", Ok(1999)),
        (json!(20), "EUR", Ok(2000)),
        (json!(0.1 + 0.2), "EUR", Ok(30)),
        (json!(19.99 * 3.0), "EUR", Ok(5997)),
        (json!(1.1), "USD", Ok(110)),
        (json!(1e3), "USD", Ok(100_000)),
        (json!(1e-2), "USD", Ok(1)),
        (json!(500), "JPY", Ok(500)),
        (json!("500.00"), "JPY", Ok(500)),
        (json!(1.234), "KWD", Ok(1234)),
        (json!(1.2345), "CLF", Ok(12345)),
        (json!(-19.99), "EUR", Ok(-1999)),
        (json!(30_370_004.99), "EUR", Ok(3_037_000_499)),
        (json!(10_000_000_000_000_i64), "EUR", Ok(MAX_MINOR)),
        (json!(9_999_999_999_999.99), "EUR", Ok(MAX_MINOR - 1)),
        (json!(123_456_789_012.34), "IDR", Ok(12_345_678_901_234)),
        (json!(0), "EUR", Ok(0)),
        (json!("-0.00"), "EUR", Ok(0)),
        (json!("10000000000000.01"), "EUR", Err("out of range")),
        (json!(500.5), "JPY", Err("has none")),
        (json!(19.999), "EUR", Err("2 digits")),
        (json!(1e300), "EUR", Err("out of range")),
        (json!("1e3"), "EUR", Err("not a decimal")),
        (json!("1,99"), "EUR", Err("not a decimal")),
        (json!(""), "EUR", Err("not a decimal")),
        (json!("."), "EUR", Err("not a decimal")),
        (json!(".5"), "EUR", Err("not a decimal")),
        (json!("NaN"), "EUR", Err("not a decimal")),
        (json!("99999999999999999999"), "EUR", Err("out of range")),
        (json!(true), "EUR", Err("true or false")),
        (json!([1]), "EUR", Err("a list")),
    ];
    for (value, currency, expected) in cases {
        let told = server(&converted(&json!({"value": value, "currency": currency})));
        match (told, expected) {
            (Ok(events), Ok(minor)) => {
                let What::Converted(conversion) = &events[0].what else { panic!("no conversion") };
                let exponent = conversion.currency.unwrap().exponent();
                assert_eq!(conversion.value.unwrap().minor(exponent), Ok(minor), "{value} {currency}");
            }
            (Err(problems), Err(words)) => {
                assert_eq!(problems.len(), 1, "{problems:?}");
                assert!(problems[0].starts_with("events[0].value: "), "{problems:?}");
                assert!(problems[0].contains(words), "{value} {currency}: {problems:?}");
            }
            (told, _) => panic!("{value} {currency}: {told:?}"),
        }
    }
}

proptest! {
    #[test]
    fn every_amount_survives_the_queue(minor in -MAX_MINOR..=MAX_MINOR, scale in 0_u32..=4) {
        let unit = 10_i64.pow(scale);
        let sign = if minor < 0 { "-" } else { "" };
        let fraction = if scale == 0 { String::new() } else { format!(".{:0width$}", minor.abs() % unit, width = scale as usize) };
        let text = format!("{sign}{}{fraction}", minor.abs() / unit);
        let decimal: Decimal = text.parse().unwrap();
        prop_assert_eq!(decimal.minor(u8::try_from(scale).unwrap()), Ok(minor));
        let wire = serde_json::to_string(&decimal).unwrap();
        let back: Decimal = serde_json::from_str(&wire).unwrap();
        prop_assert_eq!(back, decimal, "{} became {}", text, wire);
    }

    #[test]
    fn no_body_is_too_strange(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = reception::read(&body, Channel::Page, NOW);
    }

    #[test]
    fn no_value_is_too_strange(text in "\\PC{0,12}", name in "(type|value|currency|converted_at|properties|id|iteration)") {
        let mut body = converted(&json!({}));
        body["events"][0][&name] = json!(text);
        let _ = server(&body);
        body["events"][0][&name] = json!([text]);
        let _ = server(&body);
    }
}

/// What is wrong is named, field by field, and all of it.
#[test]
fn problems_name_their_fields() {
    let event = |fields: Value| {
        let mut event =
            json!({"type": "experiment_converted", "anonymous_id": VISITOR, "conversion_event": "purchase"});
        for (name, value) in fields.as_object().unwrap() {
            event[name] = value.clone();
        }
        event
    };
    let cases: Vec<(Value, &str)> = vec![
        (json!({}), "events: it is missing"),
        (json!({"events": []}), "events: it is empty"),
        (json!({"events": {}}), "events: it is an object"),
        (json!({"events": [], "event": 1}), "event: this field is not known: is `events` meant?"),
        (json!({"events": vec![event(json!({})); 101]}), "events: 101 events are more than 100"),
        (json!({"events": [7]}), "events[0]: it is a number"),
        (json!({"events": [{}]}), "events[0].type: it is missing"),
        (json!({"events": [{"type": "bought"}]}), "events[0].type: \"bought\" is none of"),
        (
            json!({"events": [event(json!({})), event(json!({"vlaue": 1}))]}),
            "events[1].vlaue: this field is not known: is `value` meant?",
        ),
        (json!({"events": [event(json!({"conversion_event": null}))]}), "events[0].conversion_event: it is missing"),
        (
            json!({"events": [event(json!({"conversion_event": "a".repeat(65)}))]}),
            "events[0].conversion_event: 65 bytes",
        ),
        (
            json!({"events": [event(json!({"conversion_event": "a\u{0}"}))]}),
            "events[0].conversion_event: it holds control",
        ),
        (
            json!({"events": [event(json!({"currency": "eur"}))]}),
            "events[0].currency: write the currency in upper case: EUR",
        ),
        (json!({"events": [event(json!({"currency": "EURO"}))]}), "events[0].currency: \"EURO\" is not a currency"),
        (
            json!({"events": [event(json!({"converted_at": "yesterday"}))]}),
            "events[0].converted_at: \"yesterday\" is not a time",
        ),
        (
            json!({"events": [event(json!({"converted_at": "2026-11-21T12:06:00Z"}))]}),
            "events[0].converted_at: 2026-11-21T12:06:00.000Z is in the future",
        ),
        (
            json!({"events": [event(json!({"converted_at": "1970-01-01T00:00:00Z"}))]}),
            "events[0].converted_at: 1970-01-01T00:00:00.000Z is more than 400 days ago",
        ),
        (
            json!({"events": [event(json!({"user_id": "alice@example.com"}))]}),
            "events[0].user_id: it looks like an e-mail",
        ),
        (
            json!({"events": [event(json!({"user_id": "alice%40example.com"}))]}),
            "events[0].user_id: it looks like an e-mail",
        ),
        (json!({"events": [event(json!({"anonymous_id": "x"}))]}), "events[0].anonymous_id: it is no visitor id"),
        (json!({"events": [event(json!({"anonymous_id": null}))]}), "events[0].anonymous_id: it is missing"),
        (json!({"events": [event(json!({"id": "12"}))]}), "events[0].id: it is no id of 128 bits"),
        (json!({"events": [event(json!({"properties": [1]}))]}), "events[0].properties: it is a list"),
        (
            json!({"events": [event(json!({"properties": {"a": {"b": {"c": {}}}}}))]}),
            "events[0].properties.a.b.c: the properties nest deeper",
        ),
        (
            json!({"events": [event(json!({"properties": {"a": "x".repeat(513)}}))]}),
            "events[0].properties.a: 513 bytes",
        ),
        (
            json!({"events": [event(json!({"properties": {"a": vec![0; 64]}}))]}),
            "events[0].properties.a[62]: the properties hold more than 64",
        ),
        (json!({"events": [{"type": "identified", "anonymous_id": VISITOR}]}), "events[0].user_id: it is missing"),
        (
            json!({"events": [{"type": "experiment_ended_early", "experiment_id": "hero"}]}),
            "events[0].ended_reason: it is missing",
        ),
        (
            json!({"events": [{"type": "experiment_ended_early", "experiment_id": "He", "ended_reason": "x"}]}),
            "events[0].experiment_id: \"He\" is not an id",
        ),
        (
            json!({"events": [{"type": "experiment_exposed", "anonymous_id": VISITOR, "experiment_id": "hero", "variant": "x"}]}),
            "events[0].variant: `hero` has no variant `x`",
        ),
        (
            json!({"events": [{"type": "experiment_exposed", "anonymous_id": VISITOR, "experiment_id": "lamp", "variant": "on"}]}),
            "events[0].experiment_id: `lamp` is no experiment",
        ),
        (
            json!({"events": [{"type": "experiment_exposed", "anonymous_id": VISITOR, "experiment_id": "hero", "variant": "bold", "iteration": 2}]}),
            "events[0].iteration: `hero` is in its iteration 1",
        ),
        (
            json!({"events": [{"type": "experiment_exposed", "user_id": "u", "experiment_id": "hero", "variant": "bold"}]}),
            "events[0].anonymous_id: it does not name a unit",
        ),
    ];
    for (body, expected) in cases {
        let problems = server(&body).expect_err(expected);
        assert!(problems.iter().any(|problem| problem.starts_with(expected)), "wanted `{expected}`, got {problems:?}");
    }
    let both = json!({"events": [event(json!({"value": "x"})), event(json!({"currency": "x"}))]});
    assert_eq!(server(&both).unwrap_err().len(), 2, "all problems at once");
}

/// A whole number that JSON's readers round came rounded to the record: an order number was then another order's.
#[test]
fn numbers_that_readers_round_are_refused() {
    let report = |number: &str| {
        let body = format!(
            r#"{{"events": [{{"type": "experiment_converted", "anonymous_id": "{VISITOR}", "conversion_event": "purchase",
                "properties": {{"order": [0, {number}]}}}}]}}"#
        );
        let drafts = reception::read(body.as_bytes(), Channel::Server, NOW).map_err(|it| it[0].to_string())?;
        let events = reception::from_server(&drafts, &plan(), &[7; 32], None, NOW).unwrap();
        let told: Value = serde_json::from_str(&serde_json::to_string(&events[0]).unwrap()).unwrap();
        Ok::<String, String>(told["properties"]["order"][1].to_string())
    };
    for kept in ["9007199254740991", "-9007199254740991", "0.1", "1.5e15", "-7", "0.30000000000000004"] {
        let told = report(kept).unwrap();
        assert_eq!(told.parse::<f64>().unwrap().to_bits(), kept.parse::<f64>().unwrap().to_bits(), "{kept}: {told}");
    }
    for rounded in [
        "9007199254740992",
        "9007199254740993",
        "-9007199254740993",
        "18446744073709551615",
        "18446744073709551617",
        "1e300",
    ] {
        let problem = report(rounded).unwrap_err();
        let expected = "events[0].properties.order[1]: numbers beyond 9007199254740991 (2^53 - 1) lose digits";
        assert!(problem.starts_with(expected), "{problem}");
    }
}

#[test]
fn bodies_that_are_none() {
    let cases: [(&[u8], &str); 5] = [
        (b"", "body: it is empty"),
        (b" \n", "body: it is empty"),
        (b"{", "body: it is not JSON"),
        (b"\xff\xfe", "body: it is not JSON"),
        (b"[]", "body: it is a list"),
    ];
    for (body, expected) in cases {
        let problems = reception::read(body, Channel::Page, NOW).unwrap_err();
        assert!(problems[0].to_string().starts_with(expected), "{problems:?}");
    }
    let large = vec![b' '; MAX_BODY + 1];
    assert!(reception::read(&large, Channel::Page, NOW).is_err());
}

/// A script that cuts a text in the middle of an emoji lost its outcome, and all beside it.
#[test]
fn halves_of_characters_lose_no_outcome() {
    let cases = [
        (r"tent \ud83d", "tent \u{fffd}"),
        (r"\ude00 tent", "\u{fffd} tent"),
        (r"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}"),
        (r"\\ud83d \ud83d\n", "\\ud83d \u{fffd}\n"),
        (r"\uD83Dx\u00e9", "\u{fffd}x\u{e9}"),
    ];
    for (written, read) in cases {
        let body = format!(
            r#"{{"events":[{{"type":"experiment_converted","conversion_event":"purchase","anonymous_id":"visitor-1","properties":{{"name":"{written}"}}}}]}}"#
        );
        let drafts = reception::read(body.as_bytes(), Channel::Server, NOW).unwrap();
        let plan = Plan::compile(&Document::parse(&document().to_string()).unwrap()).unwrap();
        let events = reception::from_server(&drafts, &plan, &[7; 32], None, NOW).unwrap();
        let What::Converted(converted) = &events[0].what else { panic!("{events:?}") };
        assert_eq!(converted.properties["name"], read, "{written}");
    }
    for broken in [r#"{"events": ["\ud83"]}"#, r#"{"events": ["\ud83d"#, r#"{"events": \ud83d}"#, "\\"] {
        assert!(reception::read(broken.as_bytes(), Channel::Server, NOW).is_err());
    }
}

#[test]
fn a_page_may_not_take_money_back_or_end_experiments() {
    let refund = converted(&json!({"value": -1, "currency": "EUR"})).to_string();
    let problems = reception::read(refund.as_bytes(), Channel::Page, NOW).unwrap_err();
    assert_eq!(problems[0].field, "events[0].value");
    let ended = json!({"events": [{"type": "experiment_ended_early", "experiment_id": "hero", "ended_reason": "x"}]});
    let problems = reception::read(ended.to_string().as_bytes(), Channel::Page, NOW).unwrap_err();
    assert_eq!(problems[0].field, "events[0].type");
}

#[test]
fn ids_follow_from_what_is_told() {
    let id = |fields: Value| server(&converted(&fields)).unwrap()[0].id.clone();
    let order = id(json!({"transaction_id": "1001", "value": 5}));
    assert_eq!(order, id(json!({"transaction_id": 1001, "value": 6})), "one order is one outcome");
    assert_ne!(order, id(json!({"transaction_id": "1002"})));
    assert_ne!(order, id(json!({"transaction_id": "1001", "conversion_event": "signup"})));
    assert_eq!(id(json!({"id": "00112233-4455-6677-8899-AABBCCDDEEFF"})), "00112233445566778899aabbccddeeff");
    assert_eq!(id(json!({})), id(json!({})), "the same signed request again is the same outcome");
    let two = json!({"events": [converted(&json!({}))["events"][0], converted(&json!({}))["events"][0]]});
    let events = server(&two).unwrap();
    assert_ne!(events[0].id, events[1].id, "two outcomes of one request are two");
}

#[test]
fn a_clock_that_is_wrong_is_corrected() {
    let mut body = converted(&json!({"converted_at": "2026-11-21T09:59:00Z"}));
    body["sent_at"] = json!("2026-11-21T10:00:00Z");
    let What::Converted(conversion) = &server(&body).unwrap()[0].what.clone() else { panic!("no conversion") };
    assert_eq!(conversion.converted_at, "2026-11-21T11:59:00.000Z");
}

#[test]
fn properties_lose_what_is_personal() {
    let properties = json!({"size": "XL", "mail": "write to bob@example.com", "ip": "from 203.0.113.9", "ipv6": "2001:db8::1",
        "agent": "Mozilla/5.0 (X11)", "url": "https://a.example/s?q=shoes", "why": "really?", "list": ["ok", "x@y.z"], "at": "12 @ 3"});
    let What::Converted(conversion) = &server(&converted(&json!({"properties": properties}))).unwrap()[0].what.clone()
    else {
        panic!("no conversion")
    };
    let removed = personal::REMOVED;
    let expected = json!({"size": "XL", "mail": removed, "ip": removed, "ipv6": removed, "agent": removed, "url": removed,
        "why": "really?", "list": ["ok", removed], "at": "12 @ 3"});
    assert_eq!(Value::Object(conversion.properties.clone()), expected);
    assert_eq!(personal::clean_path("/reset/bob@example.com/now"), format!("/reset/{removed}/now"));
    assert_eq!(personal::clean_path("/p/tent-2.1"), "/p/tent-2.1");
}

#[test]
fn signatures() {
    let (key, body) = (b"secret".as_slice(), b"{}".as_slice());
    let now = NOW / 1000;
    let sign = |time: i64| hex(&hmac::sign(key, &[time.to_string().as_bytes(), b".", body]));
    let right = format!("t={now},v1={}", sign(now));
    assert!(signature::verify(&right, body, key, now).is_ok());
    assert!(signature::verify(&right, body, key, now + 300).is_ok());
    assert!(signature::verify(&format!("t={now}, v1={}, v1={}", "0".repeat(64), sign(now)), body, key, now).is_ok());
    let wrong = [
        String::new(),
        format!("v1={}", sign(now)),
        format!("t={now}"),
        format!("t={now},v1="),
        format!("t={now},v1={}", &sign(now)[..32]),
        format!("t={},v1={}", now + 1, sign(now)),
        format!("t={},v1={}", now - 301, sign(now - 301)),
        format!("t={},v1={}", now + 301, sign(now + 301)),
        format!("t={},v1={}", i64::MIN, sign(i64::MIN)),
        format!("t={now},v1={}", "é".repeat(32)),
        format!("t={now},v0={}", sign(now)),
    ];
    for header in wrong {
        assert!(signature::verify(&header, body, key, now).is_err(), "{header}");
    }
    assert!(signature::verify(&right, b"{ }", key, now).is_err());
    assert!(signature::verify(&right, body, b"other", now).is_err());

    let mut used = signature::Used::default();
    assert!(used.first([1; 32], now));
    assert!(!used.first([1; 32], now + 300), "a replay");
    assert!(used.first([2; 32], now));
    assert!(used.first([1; 32], now + 601), "forgotten once no signature of that time is good");
}

/// Pages keep ids of another tool as they are; what a server said of the same people was refused, and orders were dropped.
#[test]
fn people_whose_ids_are_another_tools_convert_by_server_and_by_shopify() {
    let mut document = document();
    document["visitor"] = json!({"cookie": "ph_key_posthog", "read": {"json": "distinct_id"}});
    let plan = Plan::compile(&Document::parse(&document.to_string()).unwrap()).unwrap();
    for id in ["u|1", "17", &"x".repeat(200)] {
        let body = converted(&json!({"anonymous_id": id})).to_string();
        let drafts = reception::read(body.as_bytes(), Channel::Server, NOW).unwrap();
        let events = reception::from_server(&drafts, &plan, &[7; 32], None, NOW).unwrap();
        assert_eq!(events[0].anonymous_id.as_deref(), Some(id));
        let order = json!({"id": 1, "total_price": "1.00", "currency": "EUR", "processed_at": "2026-11-21T10:00:00+02:00",
            "note_attributes": [{"name": "sortition_id", "value": id}]});
        let events = shopify::events("orders/paid", order.to_string().as_bytes(), &plan, None, NOW).unwrap();
        assert_eq!(events[0].anonymous_id.as_deref(), Some(id));
    }
    for id in ["a b", "me@example.org", &"x".repeat(257)] {
        let body = converted(&json!({"anonymous_id": id})).to_string();
        let drafts = reception::read(body.as_bytes(), Channel::Server, NOW);
        assert!(
            drafts.is_err() || reception::from_server(&drafts.unwrap(), &plan, &[7; 32], None, NOW).is_err(),
            "{id}"
        );
    }
}

#[test]
fn shopify_orders_and_refunds() {
    let order = json!({"id": 820_982_911_946_154_500_u64, "total_price": "409.94", "currency": "JPY", "processed_at": "2026-11-21T10:00:00+02:00",
        "note_attributes": [{"name": "gift", "value": "yes"}, {"name": "sortition_id", "value": VISITOR}], "email": "jon@example.com"});
    let told = |topic: &str, body: &Value| shopify::events(topic, body.to_string().as_bytes(), &plan(), None, NOW);
    assert_eq!(told("orders/paid", &order).unwrap_err().field, "value", "no hundredths of a yen");
    let mut order = order;
    order["currency"] = json!("EUR");
    let events = told("orders/paid", &order).unwrap();
    assert_eq!(events[0].anonymous_id.as_deref(), Some(VISITOR));
    let wire = serde_json::to_value(&events[0]).unwrap();
    assert_eq!(wire["value"], json!(409.94));
    assert_eq!(wire["transaction_id"], json!("820982911946154500"));
    assert_eq!(wire["converted_at"], json!("2026-11-21T08:00:00.000Z"));
    assert_eq!(wire["channel"], json!("shopify"));
    assert!(!wire.to_string().contains("example.com"));
    order["note_attributes"] = json!([]);
    assert!(told("orders/paid", &order).unwrap().is_empty(), "nobody to count it for");

    let refund = json!({"id": 5, "order_id": 820_982_911_946_154_500_u64, "created_at": "2026-11-21T11:00:00Z", "transactions": [
        {"kind": "refund", "status": "success", "amount": "10.00", "currency": "EUR"},
        {"kind": "refund", "status": "failure", "amount": "99.00", "currency": "EUR"},
        {"kind": "refund", "status": "success", "amount": "0.50", "currency": "EUR"}]});
    let wire = serde_json::to_value(&told("refunds/create", &refund).unwrap()[0]).unwrap();
    assert_eq!((&wire["value"], &wire["refund_of"]), (&json!(-10.5), &json!("820982911946154500")));
    assert!(told("products/update", &json!({})).unwrap().is_empty());
    assert_eq!(told("orders/paid", &json!([])).unwrap_err().field, "");
    assert_eq!(told("orders/paid", &json!({})).unwrap_err().field, "id");
}

#[test]
fn currencies_are_all_three_letters() {
    for code in ["EUR", "JPY", "KWD", "CLF", "ZWL"] {
        assert_eq!(Currency::new(code).map(Currency::code), Some(code));
    }
    for code in ["", "EU", "EUR USD", "eur", "XXX"] {
        assert_eq!(Currency::new(code), None, "{code:?}");
    }
}

#[test]
fn messages_that_the_record_cannot_hold_are_refused() {
    let events = server(&converted(&json!({"value": 19.99, "currency": "EUR"}))).unwrap();
    let visit = |seq| Visit { seq, events: events.clone(), ..Visit::default() };
    let good = Message { schema: SCHEMA, source: "s".to_owned(), visits: vec![visit(0), visit(1)] };
    let text = serde_json::to_value(&good).unwrap();
    assert_eq!(Message::parse(&text.to_string()).unwrap(), good);
    let cases = [
        ("/schema", json!(3), "schema 3 is not known"),
        ("/source", json!(""), "source:"),
        ("/visits", json!(null), "not a message of schema 2"),
        ("/visits/1/seq", json!(-1), "not a message"),
        ("/visits/1/seq", json!(1_u64 << 63), "visits[1].seq:"),
        ("/visits/0/events/0/id", json!("x"), "visits[0].events[0].id:"),
        ("/visits/0/events/0/type", json!("else"), "not a message"),
        ("/visits/0/events/0/value", json!(19.999), "visits[0].events[0].value:"),
        ("/visits/0/events/0/currency", json!("EURO"), "not a message"),
        ("/visits/0/events/0/converted_at", json!("2026-11-21T12:00:00Z"), "visits[0].events[0].converted_at:"),
        ("/visits/0/events/0/at", json!("now"), "visits[0].events[0].at:"),
        ("/visits/0/events", json!(vec![text["visits"][0]["events"][0].clone(); 100]), "101 events"),
        ("/visits", json!(vec![json!({"seq": 1, "events": []}); 101]), "101 visits"),
    ];
    for (place, value, expected) in cases {
        let mut bad = text.clone();
        *bad.pointer_mut(place).unwrap() = value;
        let reason = Message::parse(&bad.to_string()).unwrap_err();
        assert!(reason.to_string().starts_with(expected), "{place}: {reason}");
    }
}

/// What was in the queue while the worker was replaced.
#[test]
fn a_message_of_schema_1_is_one_visit() {
    let events = server(&converted(&json!({"value": 5}))).unwrap();
    let served = Some(Served { crawlers: 1, visits: 2 });
    let old = json!({"schema": 1, "source": "s", "seq": 7, "served": served, "events": events});
    let visits = vec![Visit { seq: 7, served, health: Vec::new(), events }];
    let message = Message::parse(&old.to_string()).unwrap();
    assert_eq!(message, Message { schema: SCHEMA, source: "s".to_owned(), visits });
    let reason = Message::parse(&json!({"schema": 1, "source": "s", "visits": []}).to_string()).unwrap_err();
    assert!(reason.to_string().starts_with("not a message of schema 1: missing field `seq`"), "{reason}");
}

/// 101 experiments on a page once lost all their exposures, and so did twelve behind a `Referer` of 14 KB.
#[test]
fn what_does_not_fit_one_message_is_told_as_several_visits() {
    let event = |size: usize| {
        let properties = json!({"text": vec!["x".repeat(500); size / 500]});
        server(&converted(&json!({"properties": properties}))).unwrap().remove(0)
    };
    for (count, size, visits) in [(0, 0, 1), (1, 0, 1), (100, 0, 1), (101, 0, 2), (250, 0, 3), (20, 10_000, 3)] {
        let events = vec![event(size); count];
        let served = Some(Served { crawlers: 1, visits: 2 });
        let written = Batch::events(&events).visits(served, &[]);
        let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), visits, "{count} of {size} bytes");
        let told: Vec<Event> = lines
            .iter()
            .flat_map(|visit| serde_json::from_value::<Vec<Event>>(visit["events"].clone()).unwrap())
            .collect();
        assert_eq!(told, events);
        assert!(lines.iter().skip(1).all(|visit| visit.get("served").is_none()), "told once");
        assert!(written.lines().all(|line| line.len() < 80_000));
    }
}

/// The schema that warehouses and dashboards read is the types'. `UPDATE_SCHEMA=1 cargo test` writes it anew.
#[test]
fn the_schema_is_the_types() {
    let schema = schemars::schema_for!(Message);
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/events.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap_or_default(),
        text,
        "run UPDATE_SCHEMA=1 cargo test --test it schema"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(200), ..ProptestConfig::default() })]

    /// A page's message is written without serde, and reads like what serde writes: to the byte.
    #[test]
    fn messages_of_pages_are_written_as_serde_writes_them(
        // without dots: a page whose name ends like a file's is not exposed
        path in "/[ --/-~é雪]{0,30}",
        referrer in prop_oneof![Just(String::new()), "https://[a-z\"\\\\\u{1}-\u{7f}é]{0,20}/x"],
        user in prop_oneof![Just(String::new()), "[!-:A-~]{1,20}"],
        country in prop_oneof![Just(String::new()), "[A-Z\"]{2}"],
        crawlers in any::<Option<u64>>(),
    ) {
        let plan = compile(&json!({
            "version": 1, "project": "shop", "revision": "r \"1\" é",
            "visitor": {"user_header": "x-user"},
            "experiments": [
                {"id": "visitors", "status": "running", "iteration": 7,
                 "variants": [{"id": "control", "weight": 0}, {"id": "bold", "weight": 1}]},
                {"id": "users", "status": "running", "unit": "user", "else_unit": "visitor",
                 "variants": [{"id": "control", "weight": 1}, {"id": "bold", "weight": 0}]},
                {"id": "sessions", "status": "running", "unit": "session",
                 "variants": [{"id": "control", "weight": 0}, {"id": "bold", "weight": 1}]},
            ],
        }));
        let mut sent = Sent::default().header("user-agent", CHROME).property("country", &country);
        for (name, value) in [("referer", &referrer), ("x-user", &user)] {
            if !value.is_empty() {
                sent = sent.header(name, value);
            }
        }
        let url = format!("https://shop.example{path}");
        let page = Page::new(&plan, &url, &sent);
        let intent = page.intent(|| [7; 16]);
        let request = page.request();
        let view = page_view(&plan, &intent, &request);
        let text = view.to_json();
        let view = PageView::from(view);
        prop_assert_eq!(&text, &serde_json::to_string(&view).unwrap());

        let all: Vec<usize> = (0..intent.decisions.len()).collect();
        let events: Vec<Event> = all.iter().filter_map(|&at| exposure(&intent, &plan, at, &view)).collect();
        prop_assert_eq!(events.len(), 3);
        let served = crawlers.map(|crawlers| Served { crawlers, visits: 3 });
        let visit = Visit { seq: 0, served, health: Vec::new(), events };
        let expected = serde_json::to_string(&visit).unwrap().replacen("\"seq\":0,", "", 1);
        let shared = Shared { view: &text, versions: &versions::to_json(None) };
        let written = Batch::exposures(&intent, &plan, &all, shared);
        prop_assert_eq!(written.exposures, 3);
        prop_assert_eq!(written.visits(served, &[]), expected.clone());
        prop_assert_eq!(Batch::events(&visit.events).visits(served, &[]), expected);
    }
}
