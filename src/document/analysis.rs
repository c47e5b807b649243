//! What an experiment is read by, and how.

use super::Id;
use super::scalar::words;
use serde::{Deserialize, Serialize};

/// What an experiment is read by.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// The metric that decides.
    #[serde(default)]
    pub primary: Option<Id>,
    /// Metrics that explain.
    #[serde(default)]
    pub secondary: Vec<Id>,
    /// Metrics that must not get worse.
    #[serde(default)]
    pub guardrails: Vec<Guardrail>,
}

/// A metric that must not get worse.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Guardrail {
    /// The metric.
    pub metric: Id,
    /// The worst relative lift that is tolerated, such as -0.02, where more is better.
    #[serde(default)]
    pub min_relative: Option<f64>,
    /// The highest relative lift that is tolerated, such as 0.02, where less is better.
    #[serde(default)]
    pub max_relative: Option<f64>,
    /// What is done where it is broken; absent: as `rollback` says.
    #[serde(default)]
    pub act: Option<GuardrailAct>,
}

words! {
    /// What is done where a guardrail is broken.
    GuardrailAct {
        /// The experiment ends.
        #[default] Kill,
        /// The ramp waits.
        Hold,
        /// People are told.
        Tell,
    }
}

/// How an experiment is read.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Analysis {
    /// The kind of inference.
    pub method: Method,
    /// The confidence of intervals, between 0.5 and 1.
    pub confidence: f64,
    /// The power that the sample is planned for, between 0 and 1.
    pub power: f64,
    /// The smallest relative effect worth finding, such as 0.02; absent: not planned.
    pub mde: Option<f64>,
}

impl Default for Analysis {
    fn default() -> Self {
        Self { method: Method::Sequential, confidence: 0.95, power: 0.8, mde: None }
    }
}

words! {
    /// The kind of inference.
    Method {
        /// Always-valid intervals: may be looked at every day.
        #[default] Sequential,
        /// One look, at the planned end.
        Fixed,
        /// A posterior.
        Bayesian,
    }
}
