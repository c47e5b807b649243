//! Text → document, and what is wrong where it is none.

use super::{Document, VERSION};
use serde::Deserialize;
use serde_json::value::RawValue;
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
    #[inline(never)]
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

/// The parts of a document that are read again on their own, as text.
#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(default)]
    version: Option<u64>,
    #[serde(borrow, default)]
    experiments: Option<Vec<&'a RawValue>>,
}

/// The parts of an experiment that are read again on their own, as text.
#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(borrow, default)]
    variants: Option<Vec<&'a RawValue>>,
}

/// Finds the place of an error of serde, which knows lines but no paths: each part of the document is read again on
/// its own. Only ever done for a document that is refused. The parts are kept as text rather than as values, because
/// reading the types from values too would make the wasm a tenth larger.
fn locate(text: &str, error: &serde_json::Error) -> Problem {
    let Ok(parts) = serde_json::from_str::<Parts<'_>>(text) else {
        return Problem::error("", error.to_string());
    };
    // why: a newer version may have fields this build does not know; its number is the better answer
    if let Some(version) = parts.version.filter(|version| *version > u64::from(VERSION)) {
        return wrong_version(u32::try_from(version).unwrap_or(u32::MAX));
    }
    for (index, experiment) in parts.experiments.unwrap_or_default().into_iter().enumerate() {
        let Err(inner) = serde_json::from_str::<super::Experiment>(experiment.get()) else { continue };
        let variants = serde_json::from_str::<Inner<'_>>(experiment.get()).ok().and_then(|inner| inner.variants);
        let variant = variants.unwrap_or_default().into_iter().enumerate().find_map(|(place, variant)| {
            let inner = serde_json::from_str::<super::Variant>(variant.get()).err()?;
            Some(Problem::error(format!("experiments[{index}].variants[{place}]"), without_line(&inner)))
        });
        return variant.unwrap_or_else(|| Problem::error(format!("experiments[{index}]"), without_line(&inner)));
    }
    Problem::error("", error.to_string())
}

/// An error without its line, which would count from the start of the part.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(message, _)| message.to_owned())
}
