//! What checking a document costs: in the worker before each plan, and in the operator's tool.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may panic")]

use std::hint::black_box;

use divan::Bencher;
use serde_json::{Value, json};
use sortition_engine::document::{Document, check, check_text, warnings};

fn main() {
    divan::main();
}

/// A document as a large shop has it: half of the experiments have conditions of their own, a quarter owns slots, some
/// redirect, most rewrite.
fn document(experiments: usize) -> String {
    let one = |n: usize| -> Value {
        let mut experiment = json!({
            "id": format!("experiment-{n}"), "status": "running", "owner": "web", "hypothesis": "h",
            "ends_at": "2026-12-20T00:00:00Z", "pages": [format!("/p/{n}"), format!("/c/{n}/*")],
            "audience": "us-mobile", "metrics": {"primary": "purchase"},
            "variants": [{"id": "control", "weight": 50},
                         {"id": "bold", "weight": 50,
                          "rewrite": [{"select": format!(".block-{n} > .title"), "do": "set_text", "value": "Hello"},
                                      {"select": "#buy", "do": "add_class", "value": "big"}]}]
        });
        if n.is_multiple_of(2) {
            experiment["audience"] = json!({"country": {"$in": ["US", "CA"]}, "device": "mobile"});
        }
        if n % 4 == 1 {
            experiment["layer"] = format!("layer-{}", n / 40).into();
            experiment["slots"] = json!([(n % 40) / 4 * 1000, (n % 40) / 4 * 1000 + 1000]);
        }
        if n % 10 == 3 {
            experiment["variants"][1]["redirect"] = json!({"to": format!("/new/{n}")});
        }
        experiment
    };
    let layers: Value =
        (0..=experiments / 40).map(|n| (format!("layer-{n}"), json!({}))).collect::<serde_json::Map<_, _>>().into();
    json!({
        "version": 1, "project": "shop", "layers": layers,
        "audiences": {"us-mobile": {"country": "US", "device": "mobile"}},
        "metrics": {"purchase": {"event": "purchase", "kind": "proportion"}},
        "experiments": (0..experiments).map(one).collect::<Vec<_>>(),
    })
    .to_string()
}

#[divan::bench(args = [100, 1_000, 10_000])]
fn parse(bencher: Bencher<'_, '_>, experiments: usize) {
    let text = document(experiments);
    bencher.bench(|| Document::parse(black_box(&text)).unwrap());
}

#[divan::bench(args = [100, 1_000, 10_000])]
fn errors(bencher: Bencher<'_, '_>, experiments: usize) {
    let document = Document::parse(&document(experiments)).unwrap();
    assert_eq!(check(&document), []);
    bencher.bench(|| check(black_box(&document)));
}

#[divan::bench(args = [1_000])]
fn warn(bencher: Bencher<'_, '_>, experiments: usize) {
    let document = Document::parse(&document(experiments)).unwrap();
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    bencher.bench(|| warnings(black_box(&document), now));
}

#[divan::bench(args = [1_000])]
fn text(bencher: Bencher<'_, '_>, experiments: usize) {
    let text = document(experiments);
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    bencher.bench(|| check_text(black_box(&text), now));
}
