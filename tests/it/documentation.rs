//! The examples of the pages for people.

use serde_json::{Value, json};
use sortition_engine::document::check_text;

/// The ```json blocks of a page, with the words after `json`.
fn examples(page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for block in page.split("\n```json").skip(1) {
        let (info, rest) = block.split_once('\n').unwrap();
        let (text, _) = rest.split_once("\n```").unwrap();
        found.push((info.trim().to_owned(), text.to_owned()));
    }
    found
}

/// An example that is a whole document is checked as it is. One that says `experiment` is put into a document of its own,
/// with what the page's others name. No example has a problem, but one that says `problem: …` has just that.
#[test]
fn every_example_of_the_document_page_is_sound() {
    let page = std::fs::read_to_string("docs/document.md").unwrap();
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    let examples = examples(&page);
    assert!(examples.len() >= 9);
    let mut wrong = Vec::new();
    for (info, text) in examples {
        let (form, expected) = info.split_once("problem:").unwrap_or((&info, ""));
        let whole = match form.trim() {
            "experiment" => {
                let mut one: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
                // why: a fragment shows what it speaks of, and not everything that a whole experiment has
                one.as_object_mut().unwrap().entry("metrics").or_insert_with(|| json!({"primary": "purchase"}));
                json!({
                    "version": 1, "project": "acme-shop", "layers": {"checkout": {}}, "visitor": {"user_cookie": "uid"},
                    "metrics": {"purchase": {"event": "purchase", "kind": "proportion"},
                                "revenue": {"event": "purchase", "kind": "mean"}},
                    "experiments": [one]
                })
                .to_string()
            }
            "" => text.clone(),
            other => panic!("{other:?} after ```json"),
        };
        let problems: Vec<String> = check_text(&whole, now).problems.iter().map(ToString::to_string).collect();
        let expected: Vec<&str> = Some(expected.trim()).filter(|text| !text.is_empty()).into_iter().collect();
        if problems != expected {
            wrong.push(format!("{text}{problems:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Fragments of the readout's page have comments: without those each is a part of a document that has no problem.
#[test]
fn every_example_of_the_readout_page_is_sound() {
    let page = std::fs::read_to_string("docs/readout.md").unwrap();
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    let fragments: Vec<&str> =
        page.split("\n```jsonc\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect();
    assert_eq!(fragments.len(), 2, "the metrics, and a ramp");
    for fragment in fragments {
        let plain: String = fragment.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let members: Value =
            serde_json::from_str(&format!("{{{plain}}}")).unwrap_or_else(|error| panic!("{error}\n{plain}"));
        let mut experiment = json!({
            "id": "hero", "hypothesis": "h", "owner": "o", "status": "running", "ends_at": "2026-12-20T00:00:00Z",
            "metrics": {"primary": "purchase"}, "expose": "origin",
            "variants": [{"id": "control", "weight": 1}, {"id": "bold", "weight": 1}],
        });
        let mut metrics = json!({"purchase": {"event": "purchase", "kind": "proportion"}});
        for (name, value) in members.as_object().unwrap() {
            if name == "metrics" {
                experiment["metrics"]["secondary"] = value.as_object().unwrap().keys().cloned().collect();
                metrics.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
            } else {
                experiment[name] = value.clone();
            }
        }
        let whole = json!({"version": 1, "project": "p", "metrics": metrics, "experiments": [experiment]}).to_string();
        let problems: Vec<String> = check_text(&whole, now).problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, [""; 0], "{fragment}");
    }
}

/// Every field of the types is on the page.
#[test]
fn the_document_page_has_every_field() {
    let page = std::fs::read_to_string("docs/document.md").unwrap();
    let schema = sortition_engine::document::schema();
    let types = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let fields = types.filter_map(|one| one.get("properties")?.as_object()).flat_map(|fields| fields.keys());
    let missing: Vec<&String> = fields
        .filter(|field| !page.contains(&format!("`{field}`")) && !page.contains(&format!("\"{field}\"")))
        .collect();
    assert_eq!(missing, [""; 0]);
}
