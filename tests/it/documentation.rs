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
