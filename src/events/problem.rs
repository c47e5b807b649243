//! What is wrong with what somebody sent, and where.

use serde::Serialize;
use std::fmt;

/// What is wrong with a field, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where: `events[2].value`; empty: the whole body.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    /// A problem of a field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = if self.field.is_empty() { "body" } else { &self.field };
        write!(out, "{field}: {}", self.message)
    }
}
