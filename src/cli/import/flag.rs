//! A flag or experiment of another tool, whichever that is: variants, and rules of which the first that applies decides.

use super::cond::Cond;
use serde_json::{Map, Value};

/// Why a flag cannot come over as it is, and what to do about it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    /// Where in the payload.
    pub(super) path: String,
    pub(super) reason: String,
    pub(super) todo: String,
    /// Whether an answer of the person who imports would be enough.
    pub(super) asks: bool,
}

impl Refusal {
    pub(super) fn new(path: impl Into<String>, reason: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into(), todo: todo.into(), asks: false }
    }

    /// What only a person can say.
    pub(super) fn question(path: impl Into<String>, reason: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { asks: true, ..Self::new(path, reason, todo) }
    }

    /// An attribute that is not in the map.
    pub(super) fn unmapped(path: impl Into<String>, name: &str) -> Self {
        Self::new(
            path,
            format!("the attribute `{name}` is not mapped to a fact"),
            format!("name it in --attributes, such as {{\"{name}\": \"cookie.{name}\"}}"),
        )
    }
}

/// A flag or experiment.
#[derive(Clone, Debug, Default)]
pub(super) struct Flag {
    /// Its name in the old tool.
    pub(super) key: String,
    /// Where it stands in the payload.
    pub(super) path: String,
    /// Fields of every experiment that it becomes: `name`, `kind`, `status`, `pages`, `starts_at` …
    pub(super) fields: Map<String, Value>,
    pub(super) variants: Vec<Variant>,
    /// In the order in which they are asked. Who is in none of them is not assigned.
    pub(super) rules: Vec<Rule>,
    /// Prerequisites of the whole flag.
    pub(super) requires: Vec<Requirement>,
    /// What somebody should know, though nothing is lost.
    pub(super) note: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Variant {
    pub(super) key: String,
    /// `payload`, `rewrite`, `redirect`.
    pub(super) fields: Map<String, Value>,
}

impl Variant {
    pub(super) fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), fields: Map::new() }
    }

    /// A variant whose value is this; none where the tool says nothing.
    pub(super) fn with_payload(key: impl Into<String>, payload: &Value) -> Self {
        let mut variant = Self::new(key);
        if !payload.is_null() {
            variant.fields.insert("payload".to_owned(), payload.clone());
        }
        variant
    }
}

/// A variant of another flag that a unit must have.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Requirement {
    pub(super) path: String,
    pub(super) flag: String,
    pub(super) variant: String,
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) path: String,
    pub(super) when: Cond,
    pub(super) requires: Vec<Requirement>,
    pub(super) outcome: Outcome,
}

impl Rule {
    pub(super) fn new(path: impl Into<String>, when: Cond, outcome: Outcome) -> Self {
        Self { path: path.into(), when, requires: Vec::new(), outcome }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// Not assigned, whatever the rules below say.
    Nobody,
    /// This variant, for all of them.
    Given(usize),
    /// By a hash.
    Split(Split),
}

/// Half-open ranges of buckets.
pub(super) type Ranges = Vec<(f64, f64)>;

/// A hash with its number of buckets.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Recipe {
    pub(super) like: &'static str,
    pub(super) salt: String,
    pub(super) of: u32,
    pub(super) seed: Option<i64>,
    pub(super) suffix: &'static str,
}

impl Recipe {
    pub(super) fn new(like: &'static str, salt: impl Into<String>, of: u32) -> Self {
        Self { like, salt: salt.into(), of, seed: None, suffix: "" }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Gate {
    pub(super) recipe: Recipe,
    pub(super) within: Ranges,
}

#[derive(Clone, Debug)]
pub(super) struct Split {
    /// `visitor`, `user` or `session`.
    pub(super) unit: &'static str,
    pub(super) gates: Vec<Gate>,
    pub(super) recipe: Recipe,
    /// The ranges of each variant, by its position in the flag's list, the control first.
    pub(super) ranges: Vec<(usize, Ranges)>,
    /// Who goes on to the next rule, rather than being out.
    pub(super) falls: Falls,
    /// Whether it only takes units away from the rules below, which may split by another hash: a layer's share, or a
    /// traffic allocation.
    pub(super) coverage: bool,
}

/// Who goes on to the next rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Falls {
    /// Nobody.
    Nobody,
    /// Who fails a gate; who is in no range of the split is out.
    Gates,
    /// Who fails a gate or is in no range.
    All,
}

/// In place of a variant: in this range nobody is assigned.
pub(super) const NOBODY: usize = usize::MAX;

/// The runs of buckets for which a tool's own comparison holds: exact, whatever it rounds.
pub(super) fn runs(of: u32, mut holds: impl FnMut(u32) -> bool) -> Ranges {
    let mut ranges: Ranges = Vec::new();
    for bucket in (0..of).filter(|bucket| holds(*bucket)) {
        let from = f64::from(bucket);
        match ranges.last_mut() {
            Some((_, to)) if *to == from => *to = from + 1.0,
            _ => ranges.push((from, from + 1.0)),
        }
    }
    ranges
}

/// What these ranges leave of so many buckets.
pub(super) fn complement(ranges: &[(f64, f64)], of: u32) -> Ranges {
    let mut sorted: Ranges = ranges.iter().copied().filter(|(from, to)| from < to).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut from, mut left) = (0.0, Vec::new());
    for (start, end) in sorted {
        if from < start {
            left.push((from, start));
        }
        from = end.max(from);
    }
    if from < f64::from(of) {
        left.push((from, f64::from(of)));
    }
    left
}

/// What two lists of ranges have in common.
pub(super) fn common(one: &[(f64, f64)], other: &[(f64, f64)]) -> Ranges {
    let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))));
    let mut ranges: Ranges = pairs.filter(|(from, to)| from < to).collect();
    ranges.sort_by(|a, b| a.0.total_cmp(&b.0));
    ranges
}
