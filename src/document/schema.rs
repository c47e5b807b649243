//! The JSON Schema of a document, for editors and for the structural check.

use super::Document;
use std::sync::OnceLock;

/// The JSON Schema (draft 2020-12) of a document, made from the types, with the help text of every field.
///
/// `schema/experiments.schema.json` holds it; a document names it in `$schema`, and an editor completes and explains.
#[must_use]
pub fn schema() -> serde_json::Value {
    made().clone()
}

/// The same, made once.
pub(super) fn made() -> &'static serde_json::Value {
    static MADE: OnceLock<serde_json::Value> = OnceLock::new();
    MADE.get_or_init(|| schemars::schema_for!(Document).to_value())
}
