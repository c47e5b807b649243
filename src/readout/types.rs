//! What a readout says, as data: the JSON of the endpoint, and what the pages are made of.

use super::Gate;
use crate::document::{Method, Status};
use serde::{Deserialize, Serialize};

/// One experiment's readout.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What is expected to change, and why.
    pub hypothesis: String,
    /// Who answers for it.
    pub owner: String,
    /// Who takes it back, and when.
    pub rollback: [String; 2],
    /// Where it is in its life, as the document says.
    pub status: Status,
    /// Whether the key `kill` gives everybody the control.
    pub killed: bool,
    /// Which start of it this is about.
    pub iteration: u32,
    /// RFC 3339.
    pub starts_at: Option<String>,
    /// RFC 3339.
    pub ends_at: Option<String>,
    /// Whole days until `ends_at`; absent without one, 0 after it.
    pub days_left: Option<i64>,
    /// The kind of inference that decides.
    pub method: Method,
    /// The confidence of the intervals.
    pub confidence: f64,
    /// People who met a variant, contaminated ones left out.
    pub units: i64,
    /// People left out because they met more than one variant.
    pub contaminated: i64,
    /// The variants, control first.
    pub variants: Vec<Variant>,
    /// The answer.
    pub verdict: Verdict,
    /// Whether the data can be trusted.
    pub gates: Vec<Gate>,
    /// Primary, secondary and guardrail metrics, in this order.
    pub metrics: Vec<Metric>,
    /// How far the sample is.
    pub progress: Option<Progress>,
    /// New units by day.
    pub days: Vec<Day>,
    /// The primary metric's lift as it was at the end of each day.
    pub series: Vec<Series>,
    /// The primary metric in parts of the audience.
    pub segments: Vec<Segment>,
    /// How the origin answered, by variant.
    pub health: Vec<Health>,
    /// Stops before the time.
    pub endings: Vec<Ending>,
    /// Who changed what, the newest first.
    pub audit: Vec<AuditEntry>,
    /// When this was computed, RFC 3339.
    pub computed_at: String,
}

/// A variant and its units.
#[derive(Clone, Debug, Serialize)]
pub struct Variant {
    /// Its id.
    pub id: String,
    /// The share of units that the document's weights promise, 0 to 1.
    pub share: f64,
    /// Its units.
    pub units: i64,
}

/// What can be said about the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// There is nothing to say yet.
    Empty,
    /// A gate is red.
    Untrusted,
    /// No difference can be told.
    Open,
    /// A variant is better.
    Winner,
    /// Every variant is worse, or one is and none is better.
    Loser,
}

/// The answer, in one sentence.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// Its kind.
    pub state: State,
    /// The variant that it is about.
    pub variant: Option<String>,
    /// The sentence.
    pub text: String,
}

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
pub struct Metric {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub role: MetricRole,
    /// `proportion`, `mean` or `ratio`.
    pub kind: crate::document::MetricKind,
    /// The currency of its values; absent for proportions and where the values have none.
    pub currency: Option<String>,
    /// Per variant: the mean (a share, a value per unit, a ratio) in major units of the currency.
    pub means: Vec<Option<f64>>,
    /// Treatments against the control.
    pub comparisons: Vec<Comparison>,
}

/// A treatment against the control. Differences are in the unit of the means, lifts relative to the control.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Comparison {
    /// The treatment.
    pub variant: String,
    /// `OK`, or why nothing can be inferred.
    pub status: &'static str,
    /// Treatment minus control.
    pub difference: Option<f64>,
    /// The interval of the difference, which decides.
    pub interval: Option<[f64; 2]>,
    /// The p-value of the method: always-valid, or of one look.
    pub p: Option<f64>,
    /// The same, corrected after Holm for all treatments and metrics.
    pub p_holm: Option<f64>,
    /// The same, corrected after Benjamini and Hochberg.
    pub p_bh: Option<f64>,
    /// Whether the interval excludes zero.
    pub significant: bool,
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

/// How far the sample is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Progress {
    /// The relative effect that is planned for.
    pub mde: f64,
    /// Units needed, of all variants together.
    pub needed: u64,
    /// Days to go at the pace of the last seven days; absent where nobody came.
    pub days_to_go: Option<u64>,
    /// The smallest relative lift that one look at the present units would find.
    pub detectable: Option<f64>,
}

/// New units on a day, per variant.
#[derive(Clone, Debug, Serialize)]
pub struct Day {
    /// The day, UTC.
    pub day: String,
    /// Per variant, in their order.
    pub units: Vec<i64>,
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

/// A dimension of the audience.
#[derive(Clone, Debug, Serialize)]
pub struct Segment {
    /// `device`, `country` or `visitor_type`.
    pub dimension: &'static str,
    /// Its parts, the largest first.
    pub parts: Vec<Part>,
}

/// A part of the audience.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// Such as `mobile`; empty: unknown.
    pub value: String,
    /// Its units, of all variants.
    pub units: i64,
    /// Treatments against the control in it.
    pub comparisons: Vec<Comparison>,
}

/// How the origin answered a variant's page requests.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// The variant.
    pub variant: String,
    /// Requests.
    pub requests: i64,
    /// Those that failed or were answered with 5xx.
    pub errors: i64,
    /// Half of the answers came within so many milliseconds; absent: beyond 3,200.
    pub p50_ms: Option<u32>,
    /// 95 % did.
    pub p95_ms: Option<u32>,
}

/// A stop before the time.
#[derive(Clone, Debug, Serialize)]
pub struct Ending {
    /// When, RFC 3339.
    pub at: String,
    /// Why.
    pub reason: String,
    /// The variant; absent: all of it.
    pub variant: Option<String>,
}

/// A change of the document or of the kill switch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditEntry {
    /// When, RFC 3339.
    pub at: String,
    /// By whom.
    pub who: String,
    /// What was done: `push`, `rollback`, `kill`, …
    pub action: String,
    /// To which revision.
    pub to: String,
    /// What changed, a line each.
    pub summary: Vec<String>,
}
