//! The kill switch: a small KV value that gives the control to everybody without touching the document.

use crate::document::Id;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the KV key `kill` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kill {
    /// Every experiment.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub all: bool,
    /// These experiments.
    #[serde(default)]
    pub experiments: Vec<Id>,
}

/// Why the value of `kill` or `kill-guard` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KillError(Unreadable);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Unreadable {
    NoObject,
    Switch(String),
    Guard(String),
}

impl KillError {
    pub(super) fn of_guard(error: &serde_json::Error) -> Self {
        Self(Unreadable::Guard(error.to_string()))
    }
}

impl fmt::Display for KillError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match &self.0 {
            Unreadable::Guard(why) => return write!(out, "the KV key `kill-guard` cannot be read: {why}"),
            Unreadable::NoObject => "it is no object",
            Unreadable::Switch(why) => why,
        };
        write!(
            out,
            "the KV key `kill` is neither {{\"all\": true}} nor {{\"experiments\": [\"id\"]}}: {why}; everything is killed until it is"
        )
    }
}

impl std::error::Error for KillError {}

impl Kill {
    /// Reads the value of the key.
    ///
    /// # Errors
    ///
    /// What is wrong with it. Whoever wrote it wanted something stopped, and the control is never wrong: use
    /// [`Kill::everything`] in its place.
    pub fn parse(text: &str) -> Result<Self, KillError> {
        // why: serde reads a list as the fields in their order, so `[]` would kill nothing
        if !text.trim_ascii_start().starts_with('{') {
            return Err(KillError(Unreadable::NoObject));
        }
        serde_json::from_str(text).map_err(|error| KillError(Unreadable::Switch(error.to_string())))
    }

    /// These experiments too.
    #[must_use]
    pub fn with(mut self, experiments: &[Id]) -> Self {
        for id in experiments {
            if !self.experiments.contains(id) {
                self.experiments.push(id.clone());
            }
        }
        self
    }

    /// Every experiment.
    #[must_use]
    pub fn everything() -> Self {
        Self { all: true, experiments: Vec::new() }
    }
}

impl Kill {
    pub(super) fn names(&self, experiment: &str) -> bool {
        self.experiments.iter().any(|id| id.as_str() == experiment)
    }
}
