//! What the engine costs: a decision among many experiments, a page that none is on, compiling a document, and the memory
//! of a plan. `alloc` and `max alloc` in the table are counted by the profiling allocator.

#![allow(clippy::panic, clippy::indexing_slicing, reason = "a benchmark may panic")]

use divan::{AllocProfiler, Bencher};
use serde_json::{Value, json};
use sortition_engine::document::{Document, UnitKind};
use sortition_engine::execution::Answer;
use sortition_engine::facts::{Request, Source};
use sortition_engine::hash::{Salt, TagKey};
use sortition_engine::plan::{Plan, Presence};
use sortition_engine::url::Url;
use sortition_engine::visit::{Visit, World};
use sortition_engine::visitor::assignments::{Assignments, Bearer, Entry, IdProof, tag_key};
use sortition_engine::visitor::cookies;
use sortition_engine::visitor::crawler::Crawlers;
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const NOW: i64 = 1_795_262_400_000;
const ID: &str = "7c1f8a52-8a0e-4b6c-9d3e-1f2a3b4c5d6e";
const AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

/// An experiment as shops have them: a page of its own, a condition, a rewrite.
fn experiment(number: usize, more: &Value) -> Value {
    let mut experiment = json!({
        "id": format!("experiment-{number}"), "status": "running", "owner": "shop", "name": "A headline",
        "hypothesis": "A shorter headline sells more", "pages": [format!("/category-{number}/*")],
        "audience": {"device": "desktop", "browser": {"$in": ["chrome", "safari", "firefox", "edge"]}},
        "variants": [
            {"id": "control", "weight": 50},
            {"id": "bold", "weight": 50, "rewrite": [{"select": "h2", "do": "set_text", "value": "Hello"}]},
        ],
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        experiment[name] = value.clone();
    }
    experiment
}

fn document(experiments: usize, more: &Value) -> String {
    let experiments: Vec<Value> = (0..experiments).map(|number| experiment(number, more)).collect();
    json!({"version": 1, "project": "shop", "revision": "1", "experiments": experiments}).to_string()
}

fn compile(text: &str) -> Plan {
    let document = Document::parse(text).unwrap_or_else(|problem| panic!("{problem}"));
    Plan::compile(&document).unwrap_or_else(|problems| panic!("{problems:?}"))
}

struct Sent;

impl Source for Sent {
    fn header(&self, name: &str) -> Option<String> {
        match name {
            "user-agent" => Some(AGENT.to_owned()),
            "cookie" => Some(format!("a=b; sortition_id={ID}; sortition_as=1~other.1.bold.gu2*; cart=1234567890")),
            _ => None,
        }
    }
    fn property(&self, _: &str) -> Option<String> {
        None
    }
}

/// From the URL to what the answer's headers become, as the worker goes through it.
fn whole_request(plan: &Plan, crawlers: &Crawlers, url: &str) -> usize {
    let request = Request::new("GET", Url::split(url), &Sent, crawlers);
    let visit = Visit::begin(plan, &request, World { now: NOW, ..World::default() }, || [7; 16]);
    let answer = Answer { status: 200, content_type: Some("text/html"), ..Answer::default() };
    visit.for_origin().len() + visit.finish(&answer).changes.len()
}

/// One experiment applies, of so many.
#[divan::bench(args = [1, 1_000, 10_000])]
fn request_with_one_applying_of(bencher: Bencher, experiments: usize) {
    let plan = compile(&document(experiments, &json!({})));
    let url = format!("https://shop.example/category-{}/shoes?page=2", experiments / 2);
    let crawlers = Crawlers::default();
    assert!(whole_request(&plan, &crawlers, &url) > 2);
    bencher.bench_local(|| whole_request(black_box(&plan), &crawlers, black_box(&url)));
}

/// One experiment applies; a thousand are on another host each.
#[divan::bench]
fn request_with_one_applying_and_1000_on_other_hosts(bencher: Bencher) {
    let mut experiments: Vec<Value> = (0..1_000)
        .map(|number| experiment(number, &json!({"pages": ["/*"], "hosts": [format!("shop-{number}.example")]})))
        .collect();
    experiments.push(experiment(1_000, &json!({})));
    let text = json!({"version": 1, "project": "shop", "revision": "1", "experiments": experiments}).to_string();
    let plan = compile(&text);
    let url = "https://shop.example/category-1000/shoes?page=2";
    let crawlers = Crawlers::default();
    assert!(whole_request(&plan, &crawlers, url) > 2);
    bencher.bench_local(|| whole_request(black_box(&plan), &crawlers, black_box(url)));
}

/// The question that every request is asked first, where the answer is no.
#[divan::bench(args = [1, 1_000, 10_000])]
fn nothing_applies_of(bencher: Bencher, experiments: usize) {
    let plan = compile(&document(experiments, &json!({})));
    let url = "https://shop.example/about/us?page=2";
    assert_eq!(plan.presence("GET", &Url::split(url), NOW), Presence::Nothing);
    bencher.bench(|| black_box(&plan).presence("GET", &Url::split(black_box(url)), NOW));
}

/// JSON text → document → plan. `max alloc` over the number of experiments is the memory that one needs at most.
#[divan::bench(args = [1, 1_000, 10_000], sample_count = 20)]
fn text_to_plan(bencher: Bencher, experiments: usize) {
    let text = document(experiments, &json!({}));
    bencher.bench(|| compile(black_box(&text)));
}

#[divan::bench(args = [1_000, 10_000], sample_count = 20)]
fn document_to_plan(bencher: Bencher, experiments: usize) {
    let document = Document::parse(&document(experiments, &json!({}))).unwrap_or_else(|problem| panic!("{problem}"));
    bencher.bench(|| Plan::compile(black_box(&document)));
}

/// The memory that a plan keeps: what a copy of it allocates.
#[divan::bench(args = [1_000, 10_000], sample_count = 20)]
fn memory_of_a_plan_of(bencher: Bencher, experiments: usize) {
    let plan = compile(&document(experiments, &json!({})));
    bencher.bench(|| black_box(&plan).clone());
}

#[divan::bench]
fn salt() -> Salt {
    Salt::new(black_box("acme-shop/hero/1/variant"))
}

#[divan::bench]
fn bucket(bencher: Bencher) {
    let salt = Salt::new("acme-shop/hero/1/variant");
    bencher.bench(|| black_box(&salt).bucket(black_box(ID)));
}

#[divan::bench]
fn cookie_lookup(bencher: Bencher) {
    let header = format!("a=b; c=d; _ga=GA1.1.1234567890.1234567890; sortition_id={ID}; cart=1234567890");
    bencher.bench(|| cookies::values(black_box(&header), "sortition_id").next().map(str::len));
}

fn assignments(entries: u32) -> Assignments {
    let mut assignments = Assignments::default();
    for number in 0..entries {
        assignments.put(Entry::new(number, number, UnitKind::Visitor, None, 20_778), |_| true);
    }
    assignments
}

#[divan::bench(args = [1, 10, 100, 300])]
fn assignments_read(bencher: Bencher, entries: u32) {
    let (plan, key) = (compile(&document(1, &json!({}))), tag_key(b"secret"));
    let text = assignments(entries).encode(ID, Some(&key), |_| true);
    let bearer = Bearer { visitor: ID, id: IdProof::Unsigned, key: Some(&key) };
    bencher.bench(|| Assignments::read(black_box(&text), &plan, bearer));
}

#[divan::bench(args = [1, 10, 100, 300])]
fn assignments_encode(bencher: Bencher, entries: u32) {
    let (assignments, key) = (assignments(entries), tag_key(b"secret"));
    bencher.bench(|| black_box(&assignments).encode(ID, Some(&key), |_| true));
}

#[divan::bench]
fn assignments_tag_key() -> TagKey {
    tag_key(black_box(b"a secret of some forty characters or more"))
}
