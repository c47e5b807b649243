//! The switches beside the document: `kill`, by which people give the control to everybody, and `kill-guard`, where the
//! worker's own guard writes. Each is a key of its own, so that neither overrides the other; both apply.

use super::Plan;
use super::compile::bounds;
use crate::document::{Id, Percent};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

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

impl Kill {
    /// Reads the value of the key.
    ///
    /// # Errors
    ///
    /// What is wrong with it. Whoever wrote it wanted something stopped, and the control is never wrong: use
    /// [`Kill::everything`] in its place.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refused = |why: &dyn std::fmt::Display| {
            format!(
                "the KV key `kill` is neither {{\"all\": true}} nor {{\"experiments\": [\"id\"]}}: {why}; everything is killed until it is"
            )
        };
        // why: serde reads a list as the fields in their order, so `[]` would kill nothing
        if !text.trim_ascii_start().starts_with('{') {
            return Err(refused(&"it is no object"));
        }
        serde_json::from_str(text).map_err(|error| refused(&error))
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
    fn names(&self, experiment: &str) -> bool {
        self.experiments.iter().any(|id| id.as_str() == experiment)
    }
}

/// What the KV key `kill-guard` says: what the worker's guard ended, holds, or moved.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Guard {
    /// The experiments that it ended.
    #[serde(default)]
    pub experiments: Vec<Id>,
    /// The most that an experiment's traffic may be, by the experiment's id.
    #[serde(default)]
    pub hold: HashMap<String, Percent>,
    /// Weights of variants by their ids, by the experiment's id: those of bandits.
    #[serde(default)]
    pub weights: HashMap<String, HashMap<String, f64>>,
}

impl Guard {
    /// Reads the value of the key.
    ///
    /// # Errors
    ///
    /// What is wrong with it. No person writes the key, so what was last known of it stays in force.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| {
            format!(
                "the KV key `kill-guard` is not what the guard writes: {error}; delete it, and the guard writes it anew"
            )
        })
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it ended an experiment.
    #[must_use]
    pub fn ended(&self, experiment: &str) -> bool {
        self.experiments.iter().any(|id| id.as_str() == experiment)
    }
}

impl Plan {
    /// Ends, holds and weighs as the guard says, on top of what [`Plan::apply`] did; for a plan that no guard changed yet.
    pub fn apply_guard(&mut self, guard: &Guard) {
        for experiment in &mut self.experiments {
            experiment.killed |= guard.ended(&experiment.id);
            if let Some(hold) = guard.hold.get(&*experiment.id) {
                experiment.hold = hold.buckets();
            }
            let Some(weights) = guard.weights.get(&*experiment.id) else { continue };
            let weight = |id: &str| weights.get(id).copied().filter(|weight| weight.is_finite() && *weight >= 0.0);
            let shares: Vec<f64> = experiment.variants.iter().map(|it| weight(&it.id).unwrap_or(0.0)).collect();
            let sum: f64 = shares.iter().sum();
            if sum.is_finite() && sum > 0.0 {
                experiment.variants.iter_mut().zip(bounds(&shares)).for_each(|(it, below)| it.below = below);
            }
        }
    }

    /// Turns the kill switch of each experiment as the key says.
    pub fn apply(&mut self, kill: &Kill) {
        let all = kill.all || self.killed_by_document;
        for experiment in &mut self.experiments {
            experiment.killed = all || kill.names(&experiment.id);
        }
    }

    /// Whether applying the key would change anything.
    #[must_use]
    pub fn differs(&self, kill: &Kill) -> bool {
        let all = kill.all || self.killed_by_document;
        self.experiments.iter().any(|experiment| experiment.killed != (all || kill.names(&experiment.id)))
    }
}
