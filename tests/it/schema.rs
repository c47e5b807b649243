//! The committed JSON Schema.

use sortition_engine::document::schema;

/// `UPDATE_SCHEMA=1 cargo test --test it schema` writes the file anew; anywhere else a difference is an error.
#[test]
fn the_committed_schema_is_that_of_the_types() {
    let path = "schema/experiments.schema.json";
    let mut text = serde_json::to_string_pretty(&schema()).unwrap();
    text.push('\n');
    if std::env::var_os("UPDATE_SCHEMA").is_some_and(|value| value == "1") {
        std::fs::create_dir_all("schema").unwrap();
        std::fs::write(path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == text,
        "{path} is not that of the types: run `UPDATE_SCHEMA=1 cargo test --test it schema` and commit it"
    );
}

/// An editor has a text to show for every field, and for every word of a list.
#[test]
fn every_field_is_explained() {
    fn walk(value: &serde_json::Value, at: &str, unexplained: &mut Vec<String>) {
        let fields = value.get("properties").and_then(|fields| fields.as_object());
        for (name, field) in fields.into_iter().flatten() {
            if field.get("description").is_none() {
                unexplained.push(format!("{at}/{name}"));
            }
        }
        for choice in value.get("oneOf").and_then(|choices| choices.as_array()).into_iter().flatten() {
            if choice.get("description").is_none() {
                unexplained.push(format!("{at}/{choice}"));
            }
        }
        for (name, inner) in value.as_object().into_iter().flatten() {
            walk(inner, &format!("{at}/{name}"), unexplained);
        }
    }
    let mut unexplained = Vec::new();
    walk(&schema(), "", &mut unexplained);
    assert_eq!(unexplained, [""; 0]);
}
