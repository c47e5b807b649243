//! What is measured: one definition of every metric as data, from which each engine's question is made.
//!
//! A definition is a document's metric with everything decided: what its kind leaves open has its default, times are
//! milliseconds, conditions are in the terms that databases share. Nothing below asks the document what a number means.
//!
//! | kind | what a unit contributes (y) | estimate |
//! |---|---|---|
//! | proportion | 1 if an outcome counts, else 0 | share |
//! | count | the number of outcomes | mean |
//! | mean | the sum of their values | mean |
//! | ratio | the sum of their values, or their number; its denominator: the number of `per` events | ratio of sums |
//! | quantile | every value | the value of rank ⌈qN⌉ of all N values of a variant |
//! | retention | 1 if an outcome falls into the days asked for | share |

use crate::condition::{Condition, Groups, Plain};
use crate::document::{Metric, MetricKind, Numerator};
use serde_json::{Map, Value};

const HOUR_MS: f64 = 3_600_000.0;
const DAY_MS: i64 = 86_400_000;

/// A metric, with everything decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The event whose outcomes count.
    pub event: String,
    /// What is computed of them per unit.
    pub kind: Kind,
    /// Which of the outcomes count.
    pub filter: Plain,
    /// When after the exposure.
    pub window: Window,
    /// The currency whose outcomes count; others are left out and counted.
    pub currency: Option<String>,
    /// Whether money that went back is taken off the orders.
    pub subtracts_refunds: bool,
    /// The most that a unit contributes.
    pub cap: Cap,
    /// How many milliseconds before the exposure the covariate looks at; 0: there is none.
    pub lookback: i64,
}

/// What is computed per unit.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Whether it happened.
    Proportion,
    /// How often.
    Count,
    /// The sum of values.
    Mean,
    /// By the number of other events.
    Ratio {
        /// Whether the numerator is the number of outcomes, not the sum of their values.
        counts: bool,
        /// The event of the denominator.
        per: String,
        /// Which of those count.
        filter: Plain,
    },
    /// The value below which a share of all values lies.
    Quantile(Share),
    /// Whether it happened within the window, which has two ends.
    Retention,
}

/// When after the exposure an outcome counts, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// At or after it.
    Open,
    /// Until so long after it, inclusive.
    Until(i64),
    /// From so long after it, before so long after it.
    Between(i64, i64),
}

impl Window {
    /// How long after its exposure a unit's window is over.
    #[must_use]
    pub fn length(self) -> i64 {
        match self {
            Self::Open => 0,
            Self::Until(length) | Self::Between(_, length) => length,
        }
    }
}

/// A share between 0 and 1, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(pub u32);

impl Share {
    /// Of a number; rounded to a millionth.
    #[must_use]
    pub fn of(share: f64) -> Self {
        // why: a float cast saturates
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Self((share * 1_000_000.0).round() as u32)
    }
}

/// The most that a unit contributes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cap {
    /// There is none.
    None,
    /// So much, in major units of the currency; a number of outcomes where those are counted.
    Value(f64),
    /// What this share of the units above 0, of all variants together, does not pass.
    Percentile(Share),
}

impl Definition {
    /// What a document's metric means.
    ///
    /// # Errors
    ///
    /// A condition that databases cannot evaluate, with its field: `where: ...`.
    pub fn of(metric: &Metric) -> Result<Self, String> {
        let counts = metric.of == Numerator::Count;
        let kind = match metric.kind {
            MetricKind::Proportion => Kind::Proportion,
            MetricKind::Count => Kind::Count,
            MetricKind::Mean => Kind::Mean,
            MetricKind::Ratio => Kind::Ratio {
                counts,
                per: metric.per.clone().unwrap_or_else(|| metric.event.clone()),
                filter: filter("where_per", metric.filter_per.as_ref())?,
            },
            MetricKind::Quantile => Kind::Quantile(Share::of(metric.q.unwrap_or(0.5))),
            MetricKind::Retention => Kind::Retention,
        };
        // why: a float cast saturates, and the check bounds hours
        #[allow(clippy::cast_possible_truncation)]
        let hours = metric.window_hours.map(|hours| (hours * HOUR_MS).round() as i64);
        let days = |days: Option<u32>| i64::from(days.unwrap_or(0)).saturating_mul(DAY_MS);
        let window = match (kind == Kind::Retention, hours) {
            (true, _) => Window::Between(days(metric.from_days), days(metric.to_days)),
            (false, Some(hours)) => Window::Until(hours),
            (false, None) => Window::Open,
        };
        let cap = match (metric.cap, metric.cap_percentile) {
            (Some(cap), _) => Cap::Value(cap),
            (None, Some(percentile)) => Cap::Percentile(Share::of(percentile / 100.0)),
            (None, None) => Cap::None,
        };
        Ok(Self {
            event: metric.event.clone(),
            kind,
            filter: filter("where", metric.filter.as_ref())?,
            window,
            currency: metric.currency.clone(),
            subtracts_refunds: metric.subtracts_refunds(),
            cap,
            lookback: days(metric.cuped.map(|cuped| cuped.days)),
        })
    }

    /// Whether it adds up values, so that their currency matters.
    #[must_use]
    pub fn has_values(&self) -> bool {
        matches!(self.kind, Kind::Mean | Kind::Quantile(_) | Kind::Ratio { counts: false, .. })
    }

    /// Whether the properties of outcomes matter.
    #[must_use]
    pub fn reads_properties(&self) -> bool {
        let any = |filter: &Plain| *filter != Plain::All(Vec::new());
        any(&self.filter) || matches!(&self.kind, Kind::Ratio { filter, .. } if any(filter))
    }

    /// The event that the denominator counts.
    #[must_use]
    pub fn per(&self) -> Option<&str> {
        match &self.kind {
            Kind::Ratio { per, .. } => Some(per),
            _ => None,
        }
    }
}

fn filter(field: &str, condition: Option<&Map<String, Value>>) -> Result<Plain, String> {
    let Some(condition) = condition else { return Ok(Plain::All(Vec::new())) };
    let condition = Value::Object(condition.clone());
    let parsed = Condition::<Box<str>>::parse(&condition, &Groups::default(), |name| Ok::<_, String>(name.into()));
    let parsed = parsed
        .map_err(|problems| problems.first().map_or_else(String::new, |one| format!("{field}: {}", one.message)))?;
    parsed.plain().map_err(|what| format!("{field}: `{what}` cannot be asked of a database: compare plain values"))
}
