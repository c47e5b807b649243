//! What is wrong with documents: every message, pinned.

mod laws;

use serde_json::Value;
use sortition_engine::document::{Document, Severity, Timestamp, check, check_text, merge_env};

/// The cases of `fixtures/check/cases.json`, each as its name, the text of its document, and its problems.
struct Cases {
    now: Timestamp,
    base: Value,
    cases: Vec<(String, String, Vec<String>)>,
}

fn cases() -> Cases {
    let text = std::fs::read_to_string("fixtures/check/cases.json").unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let read = |case: &Value| {
        let name = case["name"].as_str().unwrap().to_owned();
        let text = match case.get("text") {
            Some(text) => text.as_str().unwrap().to_owned(),
            None => changed(&file["base"], case).to_string(),
        };
        let problems = case["problems"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned());
        (name, text, problems.collect())
    };
    Cases {
        now: file["now"].as_str().unwrap().parse().unwrap(),
        base: file["base"].clone(),
        cases: cases.iter().map(read).collect(),
    }
}

/// The base document with the case's fields set and removed.
fn changed(base: &Value, case: &Value) -> Value {
    let mut document = base.clone();
    for (pointer, value) in case.get("set").and_then(Value::as_object).into_iter().flatten() {
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        match document.pointer_mut(parent).unwrap() {
            Value::Array(items) => items[last.parse::<usize>().unwrap()] = value.clone(),
            parent => drop(parent.as_object_mut().unwrap().insert(last.to_owned(), value.clone())),
        }
    }
    for pointer in case.get("unset").and_then(Value::as_array).into_iter().flatten() {
        let (parent, last) = pointer.as_str().unwrap().rsplit_once('/').unwrap();
        let parent = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        parent.remove(last).unwrap();
    }
    document
}

#[test]
fn finds_every_problem_with_its_place_and_advice() {
    let Cases { now, cases, .. } = cases();
    assert!(cases.len() > 200);
    let mut wrong = Vec::new();
    for (name, text, problems) in cases {
        let found: Vec<String> = check_text(&text, now).problems.iter().map(ToString::to_string).collect();
        if found != problems {
            wrong.push((name, found, problems));
        }
    }
    assert!(wrong.is_empty(), "name, what is found, what should be: {wrong:#?}");
}

/// What the worker accepts and what the tool accepts are the same documents. Only the tool looks at patches of
/// environments, which `push` has merged, and refuses a list in the place of an object, which serde reads field by field.
#[test]
fn the_worker_and_the_tool_agree() {
    let Cases { now, cases, .. } = cases();
    for (name, text, _) in cases {
        let mut errors: Vec<_> = check_text(&text, now)
            .problems
            .into_iter()
            .filter(|problem| problem.severity == Severity::Error)
            .filter(|problem| !problem.path.contains(".env.") && !problem.message.contains("environment"))
            .filter(|problem| problem.message != "this is a list: write an object in { }")
            .collect();
        match Document::parse(&text) {
            Err(first) => assert!(!errors.is_empty(), "{name}: only the worker says {first}"),
            Ok(document) => {
                let mut found = check(&document);
                found.sort();
                errors.sort();
                assert_eq!(found, errors, "{name}");
            }
        }
    }
}

#[test]
fn says_more_than_25_mib() {
    let Cases { now, mut base, .. } = cases();
    base["experiments"][0]["hypothesis"] = "h".repeat(25 * 1024 * 1024).into();
    let text = base.to_string();
    let problems = check_text(&text, now).problems;
    let expected =
        format!("error document: {} bytes are more than a KV value holds (26214400): remove what is over", text.len());
    assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    assert!(Document::parse(&text).is_err());
}

#[test]
fn a_sound_document_is_given_back() {
    let Cases { now, base, .. } = cases();
    let checked = check_text(&base.to_string(), now);
    assert!(checked.is_sound());
    assert_eq!(checked.document.unwrap().experiments.len(), 2);
}

#[test]
fn merges_environments() {
    use serde_json::json;
    let document = json!({"project": "p", "experiments": [
        {"id": "a", "traffic": 5, "ends_at": "x", "audience": {"country": "US"}, "seo": {"allow": ["title"]},
         "variants": [1, 2],
         "env": {"staging": {"traffic": 100, "ends_at": null, "audience": {"device": "mobile"},
                             "seo": {"protect_h1": true}, "variants": [3], "rollback": {"owner": "ops", "when": null}},
                 "live": {"traffic": 1}}},
        {"id": "b", "env": {}}, {"id": "c"}, 5]});
    let staging = json!({"project": "p", "experiments": [
        {"id": "a", "traffic": 100, "audience": {"device": "mobile"}, "seo": {"allow": ["title"], "protect_h1": true},
         "variants": [3], "rollback": {"owner": "ops"}},
        {"id": "b"}, {"id": "c"}, 5]});
    assert_eq!(merge_env(document.clone(), "staging"), staging);
    assert_eq!(merge_env(document, "nowhere")["experiments"][0]["traffic"], 5);
    assert_eq!(merge_env(json!(7), "staging"), json!(7));
}
