//! The same histories for the built worker: what a browser sends, and what the engine gives it. `tests/edge/histories.test.mjs`
//! plays them in the runtime, with the real objects of users, and compares every page.

use super::STEPS;
use super::history::{History, PAGES};
use super::joined::{Objects, view};
use crate::support::Random;
use serde_json::{Value, json};

/// How many histories are told: each page of one costs the worker a request, and each change of its document several.
const HISTORIES: u64 = 24;

/// A history as JSON: its pages in order, each with the document and the kills where they changed.
fn told(seed: u64) -> Value {
    let mut history = History::new(seed);
    // why: the worker would make ids of sessions at random
    let mut sessions = Random(!seed);
    let mut objects = Objects::new();
    let mut pages = Vec::new();
    let (mut document, mut kill) = (Value::Null, Value::Null);
    // why: the history looked at its first pages in a world without objects
    for (browser, _) in &mut history.browsers {
        browser.cookies.remove("sortition_as");
    }
    for _ in 0..STEPS {
        history.step();
        let plan = history.plan();
        let at = history.at;
        for url in PAGES {
            let browser = &mut history.browsers[at].0;
            browser.cookies.entry("sortition_session".to_owned()).or_insert_with(|| sessions.uuid());
            let mut cookies = browser.cookies.clone();
            cookies.remove("sortition_as");
            let country = browser.sent.properties.get("country").cloned();
            let viewed = view(browser, &plan, url, &mut objects);
            let exposed: Vec<Value> = viewed.exposed.iter().map(exposure).collect();
            let mut page = json!({"browser": at, "url": url, "cookies": cookies, "country": country,
                "told": viewed.told, "exposed": exposed});
            let killed = json!({"all": history.kill_all, "experiments": history.killed});
            if (&document, &kill) != (&history.document, &killed) {
                (document, kill) = (history.document.clone(), killed);
                page["document"] = document.clone();
                page["kill"] = kill.clone();
            }
            pages.push(page);
        }
    }
    json!({"seed": seed, "pages": pages})
}

fn exposure(event: &Value) -> Value {
    let fields = ["experiment_id", "variant", "unit", "anonymous_id", "user_id", "session_id"];
    fields.iter().map(|field| event[field].clone()).collect()
}

/// Written to the file that `SORTITION_HISTORIES` names, if it names one.
#[test]
fn histories_for_the_worker() {
    let all: Vec<Value> = (1_000..1_000 + HISTORIES).map(told).collect();
    let count = |field: &str| {
        let pages = all.iter().flat_map(|history| history["pages"].as_array().unwrap());
        pages.filter(|page| page[field] != "" && page[field] != json!([]) && !page[field].is_null()).count()
    };
    let counts = ["told", "exposed", "document"].map(count);
    assert!(counts[0] > 500 && counts[1] > 50 && counts[2] > 200, "they are lively: {counts:?}");
    assert_eq!(all[0], told(1_000), "the same on every run");
    if let Ok(file) = std::env::var("SORTITION_HISTORIES") {
        std::fs::write(&file, Value::Array(all).to_string()).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}
