//! What the worker's own guard ended, held or moved: the KV key `kill-guard`, beside what people wrote.

use super::Experiment;
use super::kill::{KillError, ids};
use crate::condition::read_decimal;
use crate::document::Id;
use crate::hash::BUCKETS;
use crate::json::{self, Value};
use serde::Serialize;
use std::collections::BTreeMap;

/// What the key says. No person writes it, and it never overrides a person's `kill`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Guard {
    /// Experiments that give everybody the control.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub experiments: Vec<Id>,
    /// The most traffic, in per cent, that an experiment gets, whatever its ramp says.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hold: BTreeMap<Id, f64>,
    /// The weights of a bandit's variants.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<Id, BTreeMap<Id, f64>>,
}

impl Guard {
    /// The key in KV that holds it.
    pub const KEY: &str = "kill-guard";

    /// Reads the value of the key. What it does not know is left alone: a newer worker may have written it.
    ///
    /// # Errors
    ///
    /// What is wrong with it; what was last known stays in force then.
    pub fn parse(text: &str) -> Result<Self, KillError> {
        json::read(text.as_bytes()).and_then(Self::of).map_err(KillError::of_guard)
    }

    fn of(value: Value<'_>) -> Result<Self, String> {
        let (mut experiments, mut hold, mut weights) = (None, None, None);
        for (name, value) in json::members(value).ok_or("it is no object")? {
            let is_first = match &*name {
                "experiments" => experiments.replace(ids(value)?).is_none(),
                "hold" => hold.replace(numbers(value)?).is_none(),
                "weights" => weights.replace(by_id(value, numbers)?).is_none(),
                _ => true,
            };
            if !is_first {
                return Err(format!("`{name}` stands there twice"));
            }
        }
        Ok(Self {
            experiments: experiments.unwrap_or_default(),
            hold: hold.unwrap_or_default(),
            weights: weights.unwrap_or_default(),
        })
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn ends(&self, experiment: &str) -> bool {
        self.experiments.iter().any(|id| id.as_str() == experiment)
    }

    /// The most buckets of traffic of an experiment.
    pub(super) fn cap(&self, experiment: &str) -> u16 {
        let percent = self.hold.iter().find(|(id, _)| id.as_str() == experiment).map(|(_, percent)| *percent);
        percent.filter(|percent| percent.is_finite()).map_or(BUCKETS, |percent| {
            // why: clamped, so the cast keeps the value
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let buckets = (percent * 100.0).round().clamp(0.0, f64::from(BUCKETS)) as u16;
            buckets
        })
    }

    /// The bounds of an experiment's variants: as written, or by the weights that were moved. Weights that do not name
    /// every variant, or that sum to nothing, are not used. What the document gives nothing gets nothing: moved weights may
    /// be of before a person took an option out.
    pub(super) fn bounds(&self, experiment: &Experiment) -> Vec<u16> {
        let written = || experiment.variants.iter().map(|variant| variant.written_below).collect();
        let Some((_, weights)) = self.weights.iter().find(|(id, _)| id.as_str() == &*experiment.id) else {
            return written();
        };
        let mut start = 0;
        let weight = |variant: &super::Variant| {
            let has_weight = variant.written_below > std::mem::replace(&mut start, variant.written_below);
            let found = weights.iter().find(|(id, _)| id.as_str() == &*variant.id).map(|(_, weight)| *weight)?;
            (found.is_finite() && found >= 0.0).then_some(if has_weight { found } else { 0.0 })
        };
        let Some(weights) = experiment.variants.iter().map(weight).collect::<Option<Vec<f64>>>() else {
            return written();
        };
        super::compile::bounds(&weights).unwrap_or_else(written)
    }
}

/// What an object says of ids.
fn by_id<T>(value: Value<'_>, read: impl Fn(Value<'_>) -> Result<T, String>) -> Result<BTreeMap<Id, T>, String> {
    let mut all = BTreeMap::new();
    for (id, value) in json::members(value).ok_or("what should name ids is no object")? {
        all.insert(Id::try_from(id.into_owned())?, read(value)?);
    }
    Ok(all)
}

/// The numbers of ids.
fn numbers(value: Value<'_>) -> Result<BTreeMap<Id, f64>, String> {
    by_id(value, |value| json::number(&value).and_then(read_decimal).ok_or_else(|| "an id has no number".to_owned()))
}
