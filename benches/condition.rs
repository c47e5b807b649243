//! What an audience costs: parsing it once, and evaluating it on every request.

use std::hint::black_box;

use divan::Bencher;
use serde_json::{Value, json};
use sortition_engine::condition::{Attributes, Condition, Fact, Groups};

fn main() {
    divan::main();
}

/// Facts as a request has them: texts and numbers at hand, named by small keys.
struct Request {
    facts: [(&'static str, Fact<'static>); 8],
}

impl Request {
    fn new() -> Self {
        Self {
            facts: [
                ("country", Fact::text("US")),
                ("device", Fact::text("mobile")),
                ("path", Fact::text("/p/winter-jacket-blue")),
                ("browser", Fact::text("chrome")),
                ("browser_version", Fact::text("131.0.6778.85")),
                ("visitor_type", Fact::text("returning")),
                ("timezone", Fact::text("America/New_York")),
                ("cookie.cart_value", Fact::text("120.50")),
            ],
        }
    }

    fn key(&self, name: &str) -> Result<usize, String> {
        self.facts.iter().position(|(fact, _)| *fact == name).ok_or_else(|| format!("no fact {name}"))
    }
}

impl Attributes<usize> for Request {
    fn get(&self, key: &usize) -> Fact<'_> {
        match self.facts.get(*key) {
            Some((_, Fact::Text(text))) => Fact::text(text),
            Some((_, Fact::Number(number))) => Fact::Number(*number),
            _ => Fact::Absent,
        }
    }
}

fn five_clauses() -> Value {
    json!({
        "country": {"$in": ["US", "CA", "GB", "AU"]},
        "device": "mobile",
        "visitor_type": {"$ne": "new"},
        "cookie.cart_value": {"$gte": 50},
        "browser_version": {"$vgte": "120"},
    })
}

fn with_regex() -> Value {
    json!({
        "country": {"$in": ["US", "CA", "GB", "AU"]},
        "device": "mobile",
        "visitor_type": {"$ne": "new"},
        "cookie.cart_value": {"$gte": 50},
        "path": {"$regex": "^/p/.*jacket"},
    })
}

#[allow(clippy::expect_used, reason = "a bench of a condition that does not parse measures nothing")]
fn compiled(condition: &Value, request: &Request) -> Condition<usize> {
    Condition::parse(condition, &Groups::default(), |name| request.key(name)).expect("the condition is well formed")
}

/// All five hold, so that all are evaluated.
#[divan::bench]
fn evaluate_five_clauses(bencher: Bencher<'_, '_>) {
    let request = Request::new();
    let condition = compiled(&five_clauses(), &request);
    assert!(condition.matches(&request));
    bencher.bench_local(|| black_box(&condition).matches(black_box(&request)));
}

#[divan::bench]
fn evaluate_five_clauses_with_a_regex(bencher: Bencher<'_, '_>) {
    let request = Request::new();
    let condition = compiled(&with_regex(), &request);
    assert!(condition.matches(&request));
    bencher.bench_local(|| black_box(&condition).matches(black_box(&request)));
}

#[divan::bench(args = [10, 1_000, 100_000])]
fn evaluate_in_a_list_of(bencher: Bencher<'_, '_>, length: usize) {
    let request = Request::new();
    let members: Vec<String> = (0..length).map(|i| format!("member-{i}")).chain(["US".into()]).collect();
    let condition = compiled(&json!({"country": {"$in": members.get(1..)}}), &request);
    assert!(condition.matches(&request));
    bencher.bench_local(|| black_box(&condition).matches(black_box(&request)));
}

#[divan::bench]
fn parse_five_clauses(bencher: Bencher<'_, '_>) {
    let request = Request::new();
    let condition = five_clauses();
    bencher.bench_local(|| compiled(black_box(&condition), &request));
}
