//! What is measured, as it is written. What the numbers mean is told in one place, for every engine: docs/readout.md.

use super::scalar::words;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Metrics that need no event: they come from how the origin answered each variant's group.
pub const BUILT_IN_METRICS: [&str; 2] = ["origin_error_rate", "origin_latency_p95"];

/// Something measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// The conversion event that it counts.
    pub event: String,
    /// What is computed of it per unit.
    pub kind: MetricKind,
    /// Which way is better.
    #[serde(default)]
    pub direction: Direction,
    /// What the numerator of a ratio adds up: the values of `event`, or their number.
    #[serde(default)]
    pub of: Numerator,
    /// The event of a ratio's denominator.
    #[serde(default)]
    pub per: Option<String>,
    /// A quantile's share, such as 0.95: above 0 and below 1.
    #[serde(default)]
    pub q: Option<f64>,
    /// Retention: from how many days after the exposure an event counts.
    #[serde(default)]
    pub from_days: Option<u32>,
    /// Retention: until how many days after the exposure an event counts.
    #[serde(default)]
    pub to_days: Option<u32>,
    /// Which of the events count: a condition over their properties, such as `{"method": "card"}`.
    #[serde(default, rename = "where")]
    pub filter: Option<Map<String, Value>>,
    /// Which of the `per` events count.
    #[serde(default, rename = "where_per")]
    pub filter_per: Option<Map<String, Value>>,
    /// The currency whose outcomes count, such as `EUR`; others are left out and counted.
    #[serde(default)]
    pub currency: Option<String>,
    /// How many hours after the exposure outcomes count; absent: for ever.
    #[serde(default)]
    pub window_hours: Option<f64>,
    /// The most that one unit counts, in major units of the currency (winsorising).
    #[serde(default)]
    pub cap: Option<f64>,
    /// The same as a percentile of all units with a value above 0, such as 99.
    #[serde(default)]
    pub cap_percentile: Option<f64>,
    /// Reduces variance by what the person did before the exposure (CUPED).
    #[serde(default)]
    pub cuped: Option<Cuped>,
    /// Whether money that went back is taken off; absent: off for means and for ratios of values.
    #[serde(default)]
    pub refunds: Option<Refunds>,
    /// How numbers read: a currency, `ms`, `count`, `%`.
    #[serde(default)]
    pub unit: Option<String>,
}

words! {
    /// What is computed per unit.
    MetricKind {
        /// Whether it happened.
        #[default] Proportion,
        /// The sum of the values.
        Mean,
        /// The sum of the values, or the number of events, by the number of `per` events.
        Ratio,
        /// The number of events.
        Count,
        /// The value below which the share `q` of all values lies.
        Quantile,
        /// Whether it happened from `from_days` until `to_days` after the exposure.
        Retention,
    }
}

words! {
    /// Which way is better.
    Direction {
        /// More is better.
        #[default] Up,
        /// Less is better.
        Down,
    }
}

words! {
    /// What the numerator of a ratio adds up.
    Numerator {
        /// The values of the events.
        #[default] Value,
        /// The number of events.
        Count,
    }
}

words! {
    /// What becomes of money that went back.
    Refunds {
        /// It is taken off the order that it names.
        #[default] Subtract,
        /// It is left out.
        Ignore,
    }
}

/// Variance reduction by what was measured before the exposure.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cuped {
    /// How many days before the exposure are looked at.
    pub days: u32,
}

impl Metric {
    /// Whether refunds are taken off: as written, or else for a `mean`, and for a `ratio` of values.
    #[must_use]
    pub fn subtracts_refunds(&self) -> bool {
        let usual = match self.kind {
            MetricKind::Mean => true,
            MetricKind::Ratio => self.of == Numerator::Value,
            _ => false,
        };
        self.refunds.map_or(usual, |refunds| refunds == Refunds::Subtract)
    }
}
