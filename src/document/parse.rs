//! Text → document, and what is wrong where it is none.

use super::{Document, VERSION};
use std::fmt;

/// The largest document, in bytes: what a KV value holds.
pub const MAX_BYTES: usize = 25 * 1024 * 1024;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The document is refused.
    Error,
    /// The document works, and somebody should look.
    Warning,
}

/// Something wrong with a document: where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Where: `experiments[2].variants[0].weight`; empty: the whole document.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    /// An error.
    pub fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, path: path.into(), message: message.into() }
    }

    /// A warning.
    pub fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    /// One line: `error experiments[2].variants[0].weight: …`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let path = if self.path.is_empty() { "document" } else { &self.path };
        write!(out, "{word} {path}: {}", self.message)
    }
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// The first thing that keeps the text from being a document: more than [`MAX_BYTES`], no JSON, a field that is
    /// unknown, missing or of the wrong kind, or a version newer than [`VERSION`]. It names the place.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if text.len() > MAX_BYTES {
            return Err(Problem::error(
                "",
                format!(
                    "{} bytes are more than a KV value holds ({MAX_BYTES}): remove experiments that are over",
                    text.len()
                ),
            ));
        }
        match serde_json::from_str::<Self>(text) {
            Ok(document) if document.version == VERSION => Ok(document),
            Ok(document) => Err(wrong_version(document.version)),
            Err(error) => Err(locate(text, &error)),
        }
    }
}

fn wrong_version(version: u32) -> Problem {
    let advice = if version > VERSION { "deploy a newer worker before pushing it" } else { "write version 1" };
    Problem::error("version", format!("version {version} is not known here (this build knows {VERSION}): {advice}"))
}

/// Finds the place of an error of serde, which knows lines but no paths: each part of the document is read again on
/// its own. Only ever done for a document that is refused.
fn locate(text: &str, error: &serde_json::Error) -> Problem {
    let Ok(serde_json::Value::Object(mut fields)) = serde_json::from_str(text) else {
        return Problem::error("", format!("not a JSON object: {error}"));
    };
    // why: a newer version may have fields this build does not know; its number is the better answer
    if let Some(version) = fields.get("version").and_then(serde_json::Value::as_u64)
        && version > u64::from(VERSION)
    {
        return wrong_version(u32::try_from(version).unwrap_or(u32::MAX));
    }
    if let Some(serde_json::Value::Array(experiments)) = fields.get_mut("experiments") {
        for (index, experiment) in std::mem::take(experiments).into_iter().enumerate() {
            let variants =
                experiment.get("variants").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
            if let Err(inner) = serde_json::from_value::<super::Experiment>(experiment) {
                let variant = variants.into_iter().enumerate().find_map(|(v, variant)| {
                    let inner = serde_json::from_value::<super::Variant>(variant).err()?;
                    Some(Problem::error(format!("experiments[{index}].variants[{v}]"), inner.to_string()))
                });
                return variant.unwrap_or_else(|| Problem::error(format!("experiments[{index}]"), inner.to_string()));
            }
        }
    }
    Problem::error("", error.to_string())
}
