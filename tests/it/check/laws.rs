//! Laws of checking, for any document.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sortition_engine::document::{Document, check, check_text, warnings};
use std::sync::LazyLock;

/// So many cases, or as many more as `PROPTEST_CASES` asks for.
fn at_least(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(cases), ..default }
}

/// Every object's fields in another order. `serde_json` sorts fields, so the text is written here.
fn shuffled(value: &Value, turn: usize) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{}:{}", json!(name), shuffled(value, turn))).collect();
            let by = turn % fields.len().max(1);
            fields.rotate_left(by);
            if turn % 2 == 1 {
                fields.reverse();
            }
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(|item| shuffled(item, turn)).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// All places in a value, as JSON pointers.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            pointers(value, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), all);
        }),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| pointers(value, &format!("{at}/{index}"), all));
        }
        _ => {}
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    const WORDS: [&str; 9] =
        ["hero", "control", "running", "us", "h1", "/", "*", "https://a.example/b", "2026-11-22T00:00:00Z"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(&WORDS[..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z$.]{0,8}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Puts the values at places of the document that are chosen by number.
fn mutated(mut document: Value, changes: &[(usize, Value)]) -> Value {
    for (number, value) in changes {
        let mut all = Vec::new();
        pointers(&document, "", &mut all);
        let place = &all[number % all.len()];
        *document.pointer_mut(place).unwrap() = value.clone();
    }
    document
}

/// Documents to start from: the pinned cases, which touch every field.
static DOCUMENTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    super::cases().cases.into_iter().filter_map(|(_, text, _)| serde_json::from_str(&text).ok()).collect()
});

/// The document that the pinned cases change.
static BASE: LazyLock<Value> = LazyLock::new(|| super::cases().base);

proptest! {
    #![proptest_config(at_least(2_000))]

    #[test]
    fn any_text_has_an_answer(text in "\\PC{0,200}") {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let _ = Document::parse(&text);
        prop_assert!(!check_text(&text, now).is_sound() || Document::parse(&text).is_ok());
    }

    #[test]
    fn any_selector_and_pattern_has_an_answer(
        select in "[-a-z0-9*.#:>,+~ \\[\\]()=\"'|^$\\\\/é]{0,24}", glob in "[/*?ab#.]{0,24}", to in "[/*:?ab@.#\\\\h]{0,16}",
    ) {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let mut base = BASE.clone();
        base["experiments"][0]["variants"][1]["rewrite"][0]["select"] = select.into();
        base["experiments"][0]["pages"] = json!([glob, {"regex": glob}, {"glob": glob, "of": "url"}]);
        base["experiments"][1]["pages"] = json!([glob]);
        base["experiments"][1]["variants"][1]["redirect"] = json!({"to": to});
        let _ = check_text(&base.to_string(), now);
    }
}

proptest! {
    #![proptest_config(at_least(1_000))]

    /// And the answer is whole: a document, or why there is none. What the worker refuses, the tool refuses.
    #[test]
    fn any_changed_document_has_an_answer(
        start in any::<prop::sample::Index>(), changes in prop::collection::vec((any::<usize>(), any_json()), 1..4),
    ) {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let text = mutated(start.get(&DOCUMENTS).clone(), &changes).to_string();
        let checked = check_text(&text, now);
        match Document::parse(&text) {
            Ok(document) => {
                prop_assert!(checked.document.is_some() || !checked.problems.is_empty(), "{text}");
                let _ = check(&document);
                let _ = warnings(&document, now);
            }
            Err(first) => prop_assert!(!checked.problems.is_empty(), "{first}"),
        }
    }

    #[test]
    fn the_order_of_fields_changes_nothing(
        start in any::<prop::sample::Index>(), turn in 1usize..12, changes in prop::collection::vec((any::<usize>(), any_json()), 0..2),
    ) {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let document = mutated(start.get(&DOCUMENTS).clone(), &changes);
        let text = shuffled(&document, turn);
        prop_assert_eq!(check_text(&text, now).problems, check_text(&document.to_string(), now).problems);
    }

    /// A path in which parts are replaced by wildcards is a page of the glob, and two such globs meet there.
    #[test]
    fn globs_of_one_path_meet(path in "/[ab][ab/]{0,7}", cuts in prop::collection::vec((0usize..9, 0usize..9, any::<bool>()), 2)) {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let globs: Vec<String> = cuts.iter().map(|&(from, length, is_run)| {
            let letters: Vec<char> = path.chars().collect();
            let from = from.min(letters.len() - 1).max(1).min(letters.len());
            let to = (from + length).min(letters.len());
            let wild = if is_run { "*".to_owned() } else { "?".repeat(to - from) };
            letters[..from].iter().collect::<String>() + &wild + &letters[to..].iter().collect::<String>()
        }).collect();
        let mut base = BASE.clone();
        base["experiments"][0]["pages"] = json!([globs[0]]);
        base["experiments"][1]["pages"] = json!([globs[1]]);
        base["experiments"][1]["variants"][1]["rewrite"] = base["experiments"][0]["variants"][1]["rewrite"].clone();
        let met = check_text(&base.to_string(), now).problems;
        prop_assert!(met.iter().any(|problem| problem.message.starts_with("it changes")), "{globs:?} {met:?}");
        base["experiments"][1]["variants"][1]["rewrite"] = json!([]);
        base["experiments"][1]["variants"][1]["redirect"] = json!({"to": path});
        let own = check_text(&base.to_string(), now).problems;
        prop_assert!(own.iter().any(|problem| problem.message.contains("is a page of this experiment")), "{globs:?} {path}");
    }
}
