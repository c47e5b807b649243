//! The kill switch: a small KV value that gives the control to everybody without touching the document.

use crate::document::Id;
use crate::json::{self, Value};
use serde::Serialize;
use std::fmt;

/// What the KV key `kill` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kill {
    /// Every experiment.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub all: bool,
    /// These experiments.
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
    pub(super) fn of_guard(why: String) -> Self {
        Self(Unreadable::Guard(why))
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
        match json::read(text.as_bytes()) {
            Ok(Value::Object(members)) => Self::of(members).map_err(|why| KillError(Unreadable::Switch(why))),
            Ok(_) => Err(KillError(Unreadable::NoObject)),
            Err(why) => Err(KillError(Unreadable::Switch(why))),
        }
    }

    fn of(members: json::Members<'_>) -> Result<Self, String> {
        let (mut all, mut experiments) = (None, None);
        for (name, value) in members {
            let is_first = match (&*name, value) {
                ("all", Value::Bool(is_all)) => all.replace(is_all).is_none(),
                ("all", _) => return Err("`all` is neither true nor false".to_owned()),
                ("experiments", value) => experiments.replace(ids(value)?).is_none(),
                (other, _) => return Err(format!("unknown field `{other}`, expected `all` or `experiments`")),
            };
            if !is_first {
                return Err(format!("`{name}` stands there twice"));
            }
        }
        Ok(Self { all: all.unwrap_or(false), experiments: experiments.unwrap_or_default() })
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

/// The ids of the field `experiments`.
pub(super) fn ids(value: Value<'_>) -> Result<Vec<Id>, String> {
    let Value::Array(ids) = value else { return Err("`experiments` is no list of ids".to_owned()) };
    ids.into_iter()
        .map(|id| match id {
            Value::String(text) => Id::try_from(text.into_owned()),
            _ => Err("`experiments` is no list of ids".to_owned()),
        })
        .collect()
}
