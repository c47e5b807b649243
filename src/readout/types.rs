//! What a readout says, as data: the JSON of the endpoint, and what the pages are made of.

use super::gate_level::Gate;
use crate::document::{Allocation, DecisionRecord, Method, Status, UnitKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use super::measured::{Arm, ComparisonResult, MetricResult, MetricRole, Point, Posterior, Series};

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
    /// Who answers for what of it, by role.
    pub owners: BTreeMap<String, String>,
    /// Who takes it back, and when.
    pub rollback: [String; 2],
    /// Where it is in its life, as the document says.
    pub status: Status,
    /// Where it is in its life, with the clock and the kill switch in mind.
    pub phase: Phase,
    /// Whether the key `kill` gives everybody the control.
    pub killed: bool,
    /// Which start of it this is about.
    pub iteration: u32,
    /// Who is counted.
    pub unit: UnitKind,
    /// Who moves the weights.
    pub allocation: Allocation,
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
    /// Units that met a variant, contaminated ones left out.
    pub units: i64,
    /// Units left out because they met more than one variant.
    pub contaminated: i64,
    /// Units left out because the document does not have their variant (any more).
    pub unknown: i64,
    /// The variants, control first.
    pub variants: Vec<Variant>,
    /// The answer.
    pub verdict: Verdict,
    /// Whether the data can be trusted.
    pub gates: Vec<Gate>,
    /// Primary, secondary and guardrail metrics, in this order.
    pub metrics: Vec<MetricResult>,
    /// How far the sample is.
    pub progress: Option<Progress>,
    /// New units by day.
    pub days: Vec<Day>,
    /// The primary metric in parts of the audience.
    pub segments: Vec<Segment>,
    /// Outcomes of the primary metric's event by hours since the exposure.
    pub delays: Vec<Delay>,
    /// Experiments that ran on the same units, and whether they change each other's effect.
    pub interactions: Vec<Overlap>,
    /// How the origin answered, by variant.
    pub health: Vec<Health>,
    /// Whether its guard keeps the traffic below what the document says, and why.
    pub held: Option<Held>,
    /// Of a bandit: the weights that are in force.
    pub bandit: Option<Bandit>,
    /// What was decided.
    pub decision: Option<DecisionRecord>,
    /// Stops before the time.
    pub endings: Vec<Ending>,
    /// Who changed what, the newest first.
    pub audit: Vec<AuditEntry>,
    /// When this was computed, RFC 3339.
    pub computed_at: String,
    /// What added the numbers up, where it was not the record: `BigQuery`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub computed_by: Option<String>,
}

/// Where an experiment is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Being written.
    Draft,
    /// It starts later.
    Scheduled,
    /// On.
    Running,
    /// Everybody gets the control, by the kill switch.
    Killed,
    /// Off for now.
    Paused,
    /// Past its planned end, and nobody has decided.
    ReadyForReview,
    /// Over.
    Completed,
}

/// A variant and its units.
#[derive(Clone, Debug, Serialize)]
pub struct Variant {
    /// Its id.
    pub id: String,
    /// Its name for people; empty: none.
    pub name: String,
    /// What it shows, in the words of its makers.
    pub description: String,
    /// The share of units that the document's weights promise, 0 to 1.
    pub share: f64,
    /// Its units.
    pub units: i64,
    /// What it changes, a sentence each.
    pub changes: Vec<Change>,
    /// A link that shows it without assigning anybody, where one can be made.
    pub preview: Option<String>,
    /// Whether the archive has a picture of it.
    pub picture: bool,
}

/// What a variant changes.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// In words.
    pub text: String,
    /// How many elements the step changed in the isolate that answers, since it started; absent: not a step of the page,
    /// or not seen.
    pub hits: Option<u64>,
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
    /// The effect that it was planned for is excluded.
    Futile,
    /// The planned end is here, and no difference can be told.
    Inconclusive,
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
    /// What to do about it; empty: nothing.
    pub next: String,
}

/// How far the sample is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Progress {
    /// The relative effect that is planned for.
    pub mde: f64,
    /// Units needed, of all variants together.
    pub needed: u64,
    /// Days to go at the pace of the last seven days, until the end of a whole week; absent where nobody came.
    pub days_to_go: Option<u64>,
    /// Whole days since the first exposure.
    pub days_run: i64,
    /// The smallest relative lift that one look at the present units would find.
    pub detectable: Option<f64>,
    /// Whether the interval excludes the planned effect for every treatment: the always-valid one, or at the planned end the
    /// one of a single look.
    pub futile: bool,
}

/// New units on a day, per variant.
#[derive(Clone, Debug, Serialize)]
pub struct Day {
    /// The day, UTC.
    pub day: String,
    /// Per variant, in their order.
    pub units: Vec<i64>,
}

/// A dimension of the audience.
#[derive(Clone, Debug, Serialize)]
pub struct Segment {
    /// Such as `device` or `country`; `version.NAME` for the versions that an origin told.
    pub dimension: String,
    /// Its parts, the largest first.
    pub parts: Vec<Part>,
}

/// A part of the audience.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// Such as `mobile`; empty: unknown, or no referring site.
    pub value: String,
    /// Whether it is of those of whom it is not known: no part of its own, so nothing is tested in it.
    pub unknown: bool,
    /// Its units, of all variants.
    pub units: i64,
    /// Its units by variant, in their order.
    pub by_variant: Vec<i64>,
    /// The p-value of its sample ratio test after Holm, over all parts of all dimensions.
    pub ratio_p: Option<f64>,
    /// Whether that is below one in a thousand.
    pub ratio_flagged: bool,
    /// Whether a variant has fewer than 100 units in it: its lift says nothing.
    pub small: bool,
    /// Treatments against the control in it.
    pub comparisons: Vec<ComparisonResult>,
}

/// Outcomes by hours since the exposure.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Delay {
    /// From so many hours on, until the next one's.
    pub hours: i64,
    /// How many outcomes.
    pub outcomes: i64,
    /// Their share of all, from the exposure until the end of this row.
    pub until: f64,
}

/// Two experiments on the same units.
#[derive(Clone, Debug, Serialize)]
pub struct Overlap {
    /// The other experiment.
    pub experiment: String,
    /// The metric that is compared: this experiment's primary one.
    pub metric: String,
    /// Units that met both.
    pub units: i64,
    /// The tests, one for each treatment of one with each of the other.
    pub tests: Vec<OverlapTest>,
}

/// The difference of differences of a treatment of each.
#[derive(Clone, Debug, Serialize)]
pub struct OverlapTest {
    /// This experiment's treatment.
    pub variant: String,
    /// The other's.
    pub other: String,
    /// Units in the smallest of the four cells.
    pub smallest: i64,
    /// What the other treatment adds to this one's effect, relative to the mean of those who met neither.
    pub relative: Option<f64>,
    /// The p-value of one look.
    pub p: Option<f64>,
    /// The same after Benjamini and Hochberg over all pairs.
    pub p_bh: Option<f64>,
    /// Whether that is below 5 %.
    pub found: bool,
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

/// What the guard keeps back.
#[derive(Clone, Debug, Serialize)]
pub struct Held {
    /// The traffic that is in force, in per cent.
    pub percent: f64,
    /// What the document would have by now.
    pub wants: f64,
    /// What it waits for, a sentence.
    pub waits_for: String,
}

/// Weights that move.
#[derive(Clone, Debug, Serialize)]
pub struct Bandit {
    /// By variant, in their order: the share that is in force, 0 to 1.
    pub shares: Vec<f64>,
    /// By variant: how probable it is that it is the best.
    pub chances: Vec<f64>,
    /// By variant: the mean by inverse propensity weights, in the unit of the primary metric's means, and its error.
    pub means: Vec<Option<[f64; 2]>>,
    /// By variant: the shares that what is known by now asks for; empty where nothing can be told.
    pub next: Vec<f64>,
    /// By day and variant: the share of the new units.
    pub history: Vec<(String, Vec<f64>)>,
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
    /// Which experiments it was about; empty: all, or nobody knows.
    pub experiments: Vec<String>,
}

/// The words for one and for many of those who are counted.
#[must_use]
pub fn noun(unit: UnitKind) -> (&'static str, &'static str) {
    match unit {
        UnitKind::Visitor => ("visitor", "visitors"),
        UnitKind::User => ("user", "users"),
        UnitKind::Session => ("session", "sessions"),
    }
}
