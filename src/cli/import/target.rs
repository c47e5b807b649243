//! The document that experiments are added to.

use super::written;
use crate::cli::{Failure, input};
use serde_json::{Value, json};

/// The document that is added to.
pub(super) struct Target {
    value: serde_json::Map<String, Value>,
}

impl Target {
    pub(super) fn open(file: &str, project: Option<&str>) -> Result<Self, Failure> {
        if !std::path::Path::new(file).exists() {
            let project = project.unwrap_or("my-shop");
            let value = serde_json::Map::from_iter([
                ("version".to_owned(), json!(1)),
                ("project".to_owned(), json!(project)),
                ("experiments".to_owned(), json!([])),
            ]);
            return Ok(Self { value });
        }
        let text = input::read(file)?;
        input::sound(&text)?;
        match serde_json::from_str(&text) {
            Ok(Value::Object(value)) => Ok(Self { value }),
            _ => Err(Failure::Usage(format!("`{file}` is no document"))),
        }
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        let experiments = self.value.get("experiments").and_then(Value::as_array);
        experiments.into_iter().flatten().filter_map(|e| e.get("id")?.as_str())
    }

    pub(super) fn has_key(&self, key: &str) -> bool {
        let experiments = self.value.get("experiments").and_then(Value::as_array);
        experiments
            .into_iter()
            .flatten()
            .any(|e| e.get("key").or_else(|| e.get("id")).and_then(Value::as_str) == Some(key))
    }

    /// The text of the document with these experiments besides.
    pub(super) fn with(&self, experiments: &[Value]) -> String {
        let mut value = self.value.clone();
        if let Some(list) = value.get_mut("experiments").and_then(Value::as_array_mut) {
            list.extend(experiments.iter().cloned());
        }
        written::pretty(&Value::Object(value))
    }
}
