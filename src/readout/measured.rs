//! A metric's results, as data.

use crate::document::{Direction, MetricKind};
use serde::Serialize;

/// What a metric is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricRole {
    /// Decides.
    Primary,
    /// Explains.
    Secondary,
    /// Must not get worse.
    Guardrail,
}

/// A metric's results.
#[derive(Clone, Debug, Serialize)]
pub struct MetricResult {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub role: MetricRole,
    /// How a unit's outcomes become a number.
    pub kind: MetricKind,
    /// Which way is better.
    pub direction: Direction,
    /// How its numbers read: `EUR`, `ms`, `count`, `%`.
    pub unit: Option<String>,
    /// The currency of its values; absent for proportions and where the values have none.
    pub currency: Option<String>,
    /// How many units wait for their window to be over, and are not in it yet.
    pub waiting: i64,
    /// Outcomes that were left out because they are of another currency than the metric's.
    pub other_currency: i64,
    /// The share of the variance that the covariate took (CUPED); absent without one.
    pub saved: Option<f64>,
    /// By variant, control first.
    pub variants: Vec<Arm>,
    /// Per variant: the mean (a share, a value per unit, a ratio, a quantile) in major units of the currency.
    pub means: Vec<Option<f64>>,
    /// Treatments against the control.
    pub comparisons: Vec<ComparisonResult>,
    /// The lift as it was at the end of each day, by treatment.
    pub series: Vec<Series>,
}

/// What a variant's units did.
#[derive(Clone, Debug, Serialize)]
pub struct Arm {
    /// The variant.
    pub variant: String,
    /// Units that count.
    pub n: i64,
    /// Units with an outcome.
    pub converted: i64,
    /// Units that wait for their window to be over.
    pub waiting: i64,
    /// Sum of what they contribute; money in minor units. Of a quantile: values at or below it.
    pub sum: i128,
    /// Sum of the squares.
    pub sum_sq: i128,
}

/// A treatment against the control. Differences are in the unit of the means, lifts relative to the control.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ComparisonResult {
    /// The treatment.
    pub variant: String,
    /// `OK`, or why nothing can be inferred: `NO_TRAFFIC`, `MIXED_CURRENCIES`, `NO_UNITS`, `TOO_FEW_UNITS`, `ZERO_VARIANCE`, …
    pub status: &'static str,
    /// Treatment minus control.
    pub difference: Option<f64>,
    /// The standard error of the difference.
    pub std_error: Option<f64>,
    /// The interval of the difference, which decides.
    pub interval: Option<[f64; 2]>,
    /// The p-value of the method: always-valid, or of one look.
    pub p: Option<f64>,
    /// The same, corrected after Holm: the primary metric over all treatments; guardrails are a family of their own.
    pub p_holm: Option<f64>,
    /// The same, corrected after Benjamini and Hochberg.
    pub p_bh: Option<f64>,
    /// Whether the interval excludes zero.
    pub significant: bool,
    /// Whether it is better (1) or worse (-1) with that, the direction in mind; else 0.
    pub better: i8,
    /// The relative lift: 0.1 is +10 %.
    pub lift: Option<f64>,
    /// Fieller's interval of the lift; absent where the control's mean is too uncertain.
    pub lift_interval: Option<[f64; 2]>,
    /// Of a guardrail: `pass`, `harm` or `inconclusive`.
    pub guardrail: Option<&'static str>,
    /// Of a guardrail: the relative change that is tolerated.
    pub margin: Option<f64>,
    /// The Bayesian view.
    pub posterior: Option<Posterior>,
}

impl ComparisonResult {
    /// Of a treatment that is shown and not compared.
    pub(super) fn without_traffic(variant: &str) -> Self {
        Self { variant: variant.to_owned(), status: NO_TRAFFIC, ..Self::default() }
    }

    /// Of values in several currencies, which cannot be added up.
    pub(super) fn mixed(variant: &str) -> Self {
        Self { variant: variant.to_owned(), status: MIXED_CURRENCIES, ..Self::default() }
    }

    /// Whether it is a comparison at all: not of a treatment that nobody new gets and that has too few units.
    pub(super) fn is_made(&self) -> bool {
        self.status != NO_TRAFFIC
    }
}

/// The status of a treatment with weight 0 and too few units.
const NO_TRAFFIC: &str = "NO_TRAFFIC";

/// The status of a metric whose values come in several currencies.
const MIXED_CURRENCIES: &str = "MIXED_CURRENCIES";

/// The Bayesian view of a comparison.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Posterior {
    /// The probability that the treatment is better.
    pub chance_to_win: f64,
    /// The credible interval of the difference; absent where only counts could be compared.
    pub interval: Option<[f64; 2]>,
    /// What keeping the control costs on average, in the unit of the means.
    pub loss_control: f64,
    /// What taking the treatment costs on average.
    pub loss_treatment: f64,
    /// `winner`, `loser` or `inconclusive`.
    pub decision: &'static str,
}

/// A treatment's lift over time.
#[derive(Clone, Debug, Serialize)]
pub struct Series {
    /// The treatment.
    pub variant: String,
    /// By day; days on which nothing could be inferred are missing.
    pub points: Vec<Point>,
}

/// A lift at the end of a day.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// The day.
    pub day: String,
    /// The relative lift until then.
    pub lift: f64,
    /// Its always-valid interval; absent where the control's mean is too uncertain.
    pub interval: Option<[f64; 2]>,
}
