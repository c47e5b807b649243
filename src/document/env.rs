//! A document for one environment.

use serde_json::{Map, Value};

/// The document for an environment: into each experiment its `env` patch of that name is merged, and `env` goes.
///
/// Merging is JSON Merge Patch (RFC 7396): objects field by field, `null` takes a field back to its default, and all
/// else, lists included, is replaced. So is `audience`, since half of one condition and half of another is neither.
/// A document that is none comes back as it is.
///
/// ```
/// use serde_json::json;
/// use sortition_engine::document::merge_env;
///
/// let document = json!({"experiments": [{"id": "hero", "traffic": 5, "env": {"staging": {"traffic": 100}}}]});
/// assert_eq!(merge_env(document, "staging"), json!({"experiments": [{"id": "hero", "traffic": 100}]}));
/// ```
#[must_use]
pub fn merge_env(mut document: Value, env: &str) -> Value {
    let experiments = document.get_mut("experiments").and_then(Value::as_array_mut);
    for experiment in experiments.into_iter().flatten().filter_map(Value::as_object_mut) {
        if let Some(Value::Object(mut patches)) = experiment.remove("env")
            && let Some(Value::Object(patch)) = patches.remove(env)
        {
            for (field, value) in patch {
                if field == "audience" && !value.is_null() {
                    experiment.insert(field, value);
                } else {
                    merge_field(experiment, field, value);
                }
            }
        }
    }
    document
}

fn merge_field(target: &mut Map<String, Value>, field: String, patch: Value) {
    match patch {
        Value::Null => drop(target.remove(&field)),
        Value::Object(patch) => {
            let inner = target.entry(field).or_insert(Value::Null);
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            if let Value::Object(inner) = inner {
                for (field, value) in patch {
                    merge_field(inner, field, value);
                }
            }
        }
        other => drop(target.insert(field, other)),
    }
}
