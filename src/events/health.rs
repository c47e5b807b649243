//! How the origin answered each variant's group: counted in the isolate, told with the queue's messages.
//!
//! A treatment that makes the origin slow or break is a guardrail that needs no conversion: its group meets more 5xx or
//! waits longer. Every view counts here, exposed or not, since both groups are counted by the same rule.

use crate::decide::{Decision, Reason};
use crate::document::Timestamp;
use crate::json::write::{Object, member};
use crate::plan::{ExperimentAt, Plan, VariantAt};
use serde::{Deserialize, Serialize};

/// The most rows that one message carries. With the longest ids they take 20 KB, and the events of the largest body that
/// a page may send some 95: a queue takes 128.
pub const MAX_HEALTH: usize = 64;

/// The upper ends of the histogram's classes, in milliseconds, inclusive; what takes longer is in one more class.
pub const LATENCY_MS: [i64; 7] = [50, 100, 200, 400, 800, 1600, 3200];

/// How many classes the histogram has.
pub const CLASSES: usize = LATENCY_MS.len() + 1;

/// How the origin answered the group of one variant within one hour, as one isolate saw it. The numbers count from the
/// isolate's first request of that hour, so of two messages that differ the larger says more, in whatever order and
/// however often they arrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct OriginHealth {
    /// The project.
    pub project: String,
    /// The experiment's id.
    pub experiment_id: String,
    /// Its iteration.
    pub iteration: u32,
    /// The variant's id.
    pub variant: String,
    /// The hour in UTC: `2026-11-21T14`.
    pub hour: String,
    /// Answers of the origin, and failures to get one.
    pub requests: u32,
    /// How many of them were 5xx; that the origin was not reached counts as one.
    pub errors: u32,
    /// How many took at most 50, 100, 200, 400, 800, 1600 and 3200 milliseconds until their head was there, each counted
    /// in the first class that it fits, and how many took longer.
    pub latency: [u32; CLASSES],
}

impl OriginHealth {
    /// It as JSON, as serde writes it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = String::with_capacity(256);
        let mut object = Object::begin(&mut text);
        object.text(member!("project"), &self.project);
        object.text(member!("experiment_id"), &self.experiment_id);
        object.number(member!("iteration"), self.iteration.into());
        object.text(member!("variant"), &self.variant);
        object.text(member!("hour"), &self.hour);
        object.number(member!("requests"), self.requests.into());
        object.number(member!("errors"), self.errors.into());
        object.list(member!("latency"), &self.latency.map(|count| count.to_string()).join(","));
        object.end();
        text
    }
}

/// One of the origin's answers.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// Its status; 502 where there was none.
    pub status: u16,
    /// Milliseconds from the decision to its head.
    pub took: i64,
    /// When it came, in milliseconds since 1970.
    pub at: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    requests: u32,
    errors: u32,
    latency: [u32; CLASSES],
}

impl Counts {
    fn add(&mut self, answered: Answered) {
        let class = LATENCY_MS.iter().position(|&end| answered.took <= end).unwrap_or(CLASSES - 1);
        self.requests = self.requests.saturating_add(1);
        self.errors = self.errors.saturating_add(u32::from(answered.status >= 500));
        if let Some(count) = self.latency.get_mut(class) {
            *count = count.saturating_add(1);
        }
    }
}

/// What one variant of one iteration was answered within one hour.
#[derive(Clone, Debug)]
struct Row {
    project: Box<str>,
    experiment: Box<str>,
    iteration: u32,
    variant: Box<str>,
    hour: i64,
    counts: Counts,
    told: u32,
}

/// An isolate's counters.
///
/// A request finds its rows by the positions of experiment and variant in the plan; texts are compared only when there
/// is a new plan or a new hour. A row stays for its hour, also when its experiment leaves the plan: counting from zero
/// again would put less into the record than was there.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    rows: Vec<Row>,
    /// Experiment, variant, row: sorted.
    index: Vec<(ExperimentAt, VariantAt, usize)>,
    generation: u32,
    hour: i64,
    /// Where the next message goes on, so that every row has its turn.
    next: usize,
    /// When the oldest request was counted that was not told of.
    untold_since: Option<i64>,
}

const HOUR_MS: i64 = 3_600_000;

impl Tally {
    /// The most rows that are kept; what would need more is not counted.
    pub const MOST_ROWS: usize = 2000;
    /// A message that goes out anyway carries counts that are as old as this, in milliseconds.
    pub const WITH_EVENTS_MS: i64 = 10_000;
    /// Counts that are as old as this get a message of their own, in milliseconds.
    pub const ALONE_MS: i64 = 60_000;

    /// Counts an answer for every group that the visitor is in. `generation` tells plans apart: positions are only good
    /// within one.
    pub fn count(&mut self, plan: &Plan, generation: u32, decisions: &[Decision], answered: Answered) {
        for decision in decisions {
            if let (Reason::Split | Reason::Sticky, Some(variant)) = (decision.reason, decision.variant) {
                self.count_one(plan, generation, (decision.experiment, variant), answered);
            }
        }
    }

    fn count_one(&mut self, plan: &Plan, generation: u32, place: (ExperimentAt, VariantAt), answered: Answered) {
        let hour = answered.at.div_euclid(HOUR_MS);
        if (generation, hour) != (self.generation, self.hour) {
            self.begin_anew(generation, hour);
        }
        let row = match self.index.binary_search_by_key(&place, |&(experiment, variant, _)| (experiment, variant)) {
            Ok(found) => self.index.get(found).map(|&(_, _, row)| row),
            Err(gap) => self.add_row(plan, place, gap),
        };
        if let Some(row) = row.and_then(|row| self.rows.get_mut(row)) {
            row.counts.add(answered);
            self.untold_since.get_or_insert(answered.at);
        }
    }

    /// Begins another hour, or counts for another plan.
    #[inline(never)]
    fn begin_anew(&mut self, generation: u32, hour: i64) {
        (self.generation, self.hour) = (generation, hour);
        self.index.clear();
        self.forget_told();
    }

    /// The row of a group that the index does not have yet, with which it is put there.
    #[inline(never)]
    fn add_row(&mut self, plan: &Plan, place: (ExperimentAt, VariantAt), gap: usize) -> Option<usize> {
        let row = self.row_of(plan, place)?;
        self.index.insert(gap, (place.0, place.1, row));
        Some(row)
    }

    /// Rows of hours that are over and told of.
    fn forget_told(&mut self) {
        let hour = self.hour;
        self.rows.retain(|row| row.hour == hour || row.told != row.counts.requests);
        self.next = 0;
    }

    fn row_of(&mut self, plan: &Plan, (experiment, variant): (ExperimentAt, VariantAt)) -> Option<usize> {
        let e = plan.experiments.get(experiment)?;
        let variant = &e.variants.get(variant)?.id;
        let known = self.rows.iter().position(|row| {
            row.hour == self.hour
                && row.iteration == e.iteration
                && *row.experiment == *e.id
                && *row.variant == **variant
                && *row.project == *plan.project
        });
        if known.is_some() || self.rows.len() >= Self::MOST_ROWS {
            return known;
        }
        self.rows.push(Row {
            project: (*plan.project).into(),
            experiment: (*e.id).into(),
            iteration: e.iteration,
            variant: (**variant).into(),
            hour: self.hour,
            counts: Counts::default(),
            told: 0,
        });
        Some(self.rows.len() - 1)
    }

    /// What a message that goes out anyway should carry: nothing where there is no news, or only of a moment ago.
    pub fn with_events(&mut self, now: i64) -> Vec<OriginHealth> {
        if self.has_untold(now, Self::WITH_EVENTS_MS) { self.tell() } else { Vec::new() }
    }

    /// Whether it is time for a message of its own.
    #[must_use]
    pub fn is_overdue(&self, now: i64) -> bool {
        self.has_untold(now, Self::ALONE_MS)
    }

    fn has_untold(&self, now: i64, for_ms: i64) -> bool {
        self.untold_since.is_some_and(|since| now.saturating_sub(since) >= for_ms)
    }

    fn tell(&mut self) -> Vec<OriginHealth> {
        let mut told = Vec::new();
        let all = self.rows.len();
        let start = self.next;
        let mut looked = 0;
        while looked < all && told.len() < MAX_HEALTH {
            if let Some(row) = self.rows.get_mut((start + looked) % all)
                && row.told != row.counts.requests
            {
                row.told = row.counts.requests;
                told.push(row.shown());
            }
            looked += 1;
        }
        self.next = (start + looked).checked_rem(all).unwrap_or(0);
        // why: where rows are left over, the next message takes them along at once
        let left = self.rows.iter().any(|row| row.told != row.counts.requests);
        self.untold_since = self.untold_since.filter(|_| left);
        told
    }
}

impl Row {
    fn shown(&self) -> OriginHealth {
        let mut hour = Timestamp::from_millis(self.hour.saturating_mul(HOUR_MS)).text();
        hour.truncate("2026-11-21T14".len());
        OriginHealth {
            project: self.project.to_string(),
            experiment_id: self.experiment.to_string(),
            iteration: self.iteration,
            variant: self.variant.to_string(),
            hour,
            requests: self.counts.requests,
            errors: self.counts.errors,
            latency: self.counts.latency,
        }
    }
}
