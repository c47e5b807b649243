//! What the tool asks an engine is what the worker asks the record, about the same experiments.

use super::{document, file, hero, run, run_with};
use serde_json::{Value, json};
use sortition_engine::document::{Document, Timestamp};
use sortition_engine::readout::{Depth, question_names, questions};

/// A running experiment, changed.
fn experiment(id: &str, metric: &str, rest: &Value) -> Value {
    let mut one = hero();
    let fields = one.as_object_mut().unwrap();
    fields.insert("id".to_owned(), json!(id));
    fields.insert("metrics".to_owned(), json!({"primary": metric, "secondary": ["typical", "revenue"]}));
    fields.extend(rest.as_object().unwrap().clone());
    one
}

#[test]
fn the_tool_and_the_worker_ask_about_the_same_others() {
    let mut written = document(&json!([
        experiment("hero", "revenue", &json!({})),
        experiment("beside", "revenue", &json!({"status": "completed"})),
        experiment("draft", "revenue", &json!({"status": "draft"})),
        experiment("account", "revenue", &json!({"unit": "user"})),
        experiment("speed", "typical", &json!({})),
    ]));
    written["metrics"] = json!({
        "revenue": {"event": "purchase", "kind": "mean", "currency": "EUR"},
        "typical": {"event": "payment", "kind": "quantile", "q": 0.5},
    });
    written["holdout"] = json!({"percent": 5});
    let path = file("asked.json", &written.to_string());
    let (at, document) = ("2026-11-21T18:00:00Z", Document::parse(&written.to_string()).unwrap());
    let now: Timestamp = at.parse().unwrap();
    let mut among = Vec::new();
    for e in &document.experiments {
        let told = run(&["readout", path.to_str().unwrap(), e.id.as_str(), "--sql", "d1", "--at", at, "--json"]).json();
        let asked = told["experiments"][0]["questions"].as_array().unwrap().clone();
        let names: Vec<&str> = asked.iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, question_names(&document, e, Depth::Detail), "{}", e.id);
        let worker = questions(&document, e, Depth::Detail, now);
        assert_eq!(names.len(), worker.len(), "{}", e.id);
        // the others are of one depth everywhere: it is the very same text, but for the name of what it answers
        let Some(last) = names.last().filter(|name| name.starts_with("interactions ")) else { continue };
        let sql = asked.last().unwrap()["sql"].as_str().unwrap().trim().trim_end_matches(';');
        let sql = sql.replace(&format!("SELECT 'end', '{} {last}'", e.id), "SELECT 'end', ''");
        assert_eq!(sql, worker.last().unwrap().sql, "{}", e.id);
        among.push((
            e.id.to_string(),
            ["hero", "beside", "draft", "account", "speed", "_holdout"].map(|id| sql.contains(&format!("'{id}'"))),
        ));
    }
    let ids: Vec<&str> = among.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["hero", "beside", "draft"], "the account's is alone, and a quantile has no sums");
    assert_eq!(among[0].1, [true, true, false, false, true, false]);
}

/// Exports quote what they like, the names of the columns too, and an id is any text: one that goes on in the next line was
/// "a quote is not closed".
#[test]
fn recorded_decisions_are_csv_as_rfc_4180_has_it() {
    let mut winner = hero();
    winner["winner"] = json!("bold");
    let document = file("compared.json", &document(&json!([winner])).to_string());
    let document = document.to_str().unwrap();
    for header in ["id,key,variant\n", "\"id\",\"key\",\"variant\"\r\n", "\u{feff}ID,Key,Variant\n", ""] {
        let rows = format!(
            "{header}plain,hero,bold\r\n\"a, \"\"b\"\"\",hero,bold\n\"two\nlines\",\"hero\",\"bold\"\nx\"y,hero,bold\n"
        );
        let compared = run_with(&["compare", document, "-"], &rows);
        assert_eq!((compared.out.as_str(), compared.code), ("0 of 4 differ\n", 0), "{header:?}: {}", compared.err);
    }
    let differs = run_with(&["compare", document, "-"], "id,key,variant\n\"two\nlines\",hero,bold\nx,hero,control\n");
    assert!(differs.out.contains("line 4: hero of \"x\""), "{}", differs.out);
    let open = format!("x,hero,bold\n\"y,hero,bold\n{}", "z,hero,bold\n".repeat(100_000));
    let refused = run_with(&["compare", document, "-"], &open);
    assert_eq!((refused.err.as_str(), refused.code), ("error: line 2: a quote is not closed\n", 2));
}
