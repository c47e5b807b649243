//! What to ask the record, and its answers.

use super::holdout::name_in_record;
use super::types::AuditEntry;
use crate::document::{Document, Experiment, Id, Kind, Metric, MetricKind, Status, Timestamp};
use crate::events::money::{Currency, DEFAULT_EXPONENT};
use crate::ledger::answer::{Answer, Pair, Units, missing_of_metric, missing_of_units, pairs};
use crate::ledger::question::shared::{self, SharedQuestion, Whole};
use crate::ledger::question::{self, Extent, Iteration, Place, Question};
use crate::ledger::readout::{self as record, Row};
use crate::metrics::Definition;
use crate::plan::{Kill, KillGuard};
use std::collections::BTreeMap;

/// How much of an experiment is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What its verdict needs: the primary metric and the guardrails.
    List,
    /// Everything.
    Detail,
    /// How it meets the others.
    Pairs,
}

/// What is known of the project as a whole.
#[derive(Clone, Default)]
pub struct Known {
    /// Experiment, time, reason, variant.
    pub(super) endings: Vec<Row>,
    /// Messages sent and lost, requests of crawlers and of people.
    pub(super) delivery: [i64; 4],
    /// Experiment, iteration, variant; requests, errors, and how many answers came within 50, 100, …, 3,200 ms and later.
    pub(super) health: Vec<Row>,
    /// The audit trail, the newest first.
    pub audit: Vec<AuditEntry>,
    /// The kill switch.
    pub kill: Kill,
    /// What the worker's guard ended, held or moved.
    pub guard: KillGuard,
    /// What the guard has done and told, and when.
    pub(super) notes: BTreeMap<String, Timestamp>,
    /// How many of the first questions have no answer.
    pub(super) failed: usize,
    /// What else is known to be missing, in sentences.
    pub incomplete: Vec<String>,
}

/// The rows of an answer; none where it is missing or cannot be read.
pub(super) fn rows(answer: Option<&str>) -> Vec<Row> {
    answer.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// What the record says while it is moved into its new tables.
const MOVING: &str = "Exposures of before the upgrade are still being taken along, so some are missing here: each run of the \
schedule takes more.";

/// What the record says while rows of it lie in another database than they should.
const UNSETTLED: &str = "Some people's rows are still being carried to the database that they belong to, so somebody may be \
counted twice here: each run of the schedule carries more.";

/// What else the first answers say is missing: `delivered` is the row of [`record::delivery`], of one database or of
/// several.
fn incomplete(delivered: impl Fn(usize) -> i64) -> Vec<String> {
    let (databases, bound, misplaced) = (delivered(5).max(1), delivered(8).max(1), delivered(7));
    let mut said = Vec::new();
    if delivered(4) > 0 {
        said.push(MOVING.to_owned());
    }
    if databases > bound {
        let rest = "those that are not bound have people who are missing here.";
        said.push(format!("The record lies in {databases} databases, and the worker has {bound} of them: {rest}"));
    }
    if misplaced > 0 {
        said.push(
            "A database of the record is bound in the place of another: /_sortition/health says which.".to_owned(),
        );
    }
    if delivered(6) > 0 {
        said.push(UNSETTLED.to_owned());
    }
    said
}

impl Known {
    /// Whether the record answered what is asked first, and holds everything that it ever heard.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.incomplete.is_empty() && self.failed == 0
    }

    /// What to ask first.
    #[must_use]
    pub fn questions(document: &Document) -> Vec<Question> {
        let project = document.project.as_str();
        vec![record::endings(project), record::delivery(), record::health(project, ""), record::guard_notes()]
    }

    /// What of several databases makes the answers, in the questions' order.
    #[must_use]
    pub fn shared(document: &Document) -> Vec<SharedQuestion> {
        // why: what isolates tell, what was ended and what the guard noted is in the first database
        let wholes = [Whole::First, Whole::Delivery, Whole::First, Whole::First];
        let of = |(question, whole): (Question, Whole)| SharedQuestion { before: None, sql: question.sql, whole };
        Self::questions(document).into_iter().zip(wholes).map(of).collect()
    }

    /// Reads the answers, in the questions' order.
    #[must_use]
    pub fn read(answers: &[Option<String>]) -> Self {
        let answer = |index: usize| answers.get(index).and_then(Option::as_deref);
        let delivered = rows(answer(1));
        let delivered = |field| delivered.first().map_or(0, |row| row.number(field));
        Self {
            endings: rows(answer(0)),
            delivery: [delivered(0), delivered(1), delivered(2), delivered(3)],
            incomplete: incomplete(delivered),
            health: rows(answer(2)),
            notes: rows(answer(3))
                .iter()
                .filter_map(|row| Some((row.text(0).to_owned(), row.text(1).parse().ok()?)))
                .collect(),
            failed: answers.iter().filter(|answer| answer.is_none()).count(),
            ..Self::default()
        }
    }

    /// When the guard noted something.
    pub(super) fn note(&self, name: &str) -> Option<Timestamp> {
        self.notes.get(name).copied()
    }

    /// Whether the guard noted something.
    pub(super) fn has_note(&self, name: &str) -> bool {
        self.notes.contains_key(name)
    }
}

/// How many minor units make a major one; of values without a currency: hundredths.
pub(super) fn minor_units(currency: Option<&str>) -> f64 {
    let currency = currency.and_then(Currency::new);
    libm::pow(10.0, f64::from(currency.map_or(DEFAULT_EXPONENT, Currency::exponent)))
}

/// The metrics that an experiment is asked for, in the order of the answers.
#[must_use]
pub fn metrics<'d>(document: &'d Document, experiment: &'d Experiment, scope: Depth) -> Vec<(&'d Id, &'d Metric)> {
    let Some(metrics) = &experiment.metrics else { return Vec::new() };
    let guardrails = metrics.guardrails.iter().map(|guardrail| &guardrail.metric);
    let mut ids: Vec<&Id> = match scope {
        Depth::List => metrics.primary.iter().chain(guardrails).collect(),
        Depth::Pairs => Vec::new(),
        Depth::Detail => metrics.primary.iter().chain(&metrics.secondary).chain(guardrails).collect(),
    };
    let mut seen = Vec::new();
    ids.retain(|id| {
        !seen.contains(id) && {
            seen.push(id);
            true
        }
    });
    ids.into_iter().filter_map(|id| Some((id, document.metrics.get(id)?))).collect()
}

/// How many other experiments the interactions are asked for: the newest of the document.
const MOST_OTHERS: usize = 20;

/// The ids of an experiment's variants.
#[must_use]
pub fn variants(experiment: &Experiment) -> Vec<&str> {
    experiment.variants.iter().map(|variant| variant.id.as_str()).collect()
}

/// The iteration of an experiment that the document names.
#[must_use]
pub fn iteration<'a>(
    document: &'a Document,
    of: &'a Experiment,
    variants: &'a [&'a str],
    now: Timestamp,
) -> Iteration<'a> {
    Iteration {
        project: &document.project,
        experiment: name_in_record(of),
        iteration: of.iteration,
        variants,
        now: now.millis(),
    }
}

/// What to ask about an experiment: its units, then the outcomes of each of its metrics, and of the first among the people
/// of other experiments.
#[must_use]
pub fn questions(document: &Document, experiment: &Experiment, scope: Depth, now: Timestamp) -> Vec<Question> {
    let ask = |asked: Asked<'_>| match asked {
        Asked::Units(of, extent) => question::units(of, extent, Place::RECORD),
        Asked::Metric(of, definition, extent) => question::metric(of, &definition, extent, Place::RECORD),
        Asked::Pairs(of, others, definition) => question::interactions(of, others, &definition, Place::RECORD),
        Asked::Refused => refused(),
    };
    asked(document, experiment, scope, now, ask)
}

/// The same for several databases.
#[must_use]
pub fn shared_questions(
    document: &Document,
    experiment: &Experiment,
    scope: Depth,
    now: Timestamp,
) -> Vec<SharedQuestion> {
    let ask = |asked: Asked<'_>| match asked {
        Asked::Units(of, extent) => shared::units(of, extent),
        Asked::Metric(of, definition, extent) => shared::metric(of, &definition, extent),
        Asked::Pairs(of, others, definition) => shared::interactions(of, others, &definition),
        Asked::Refused => SharedQuestion { before: None, sql: refused().sql, whole: Whole::First },
    };
    asked(document, experiment, scope, now, ask)
}

/// One thing that is asked about an experiment.
enum Asked<'a> {
    Units(Iteration<'a>, Extent),
    Metric(Iteration<'a>, Definition, Extent),
    Pairs(Iteration<'a>, &'a [Iteration<'a>], Definition),
    /// A metric that the check refuses; a document that came in without it has no answer here.
    Refused,
}

fn refused() -> Question {
    Question { sql: "SELECT json_array('refused')".to_owned(), values: Vec::new() }
}

fn asked<T>(
    document: &Document,
    experiment: &Experiment,
    scope: Depth,
    now: Timestamp,
    ask: impl Fn(Asked<'_>) -> T,
) -> Vec<T> {
    let ids = variants(experiment);
    let of = iteration(document, experiment, &ids, now);
    let extent = if scope == Depth::Detail { Extent::Parts } else { Extent::Days };
    let mut questions = vec![ask(Asked::Units(of, extent))];
    for (position, (_, metric)) in metrics(document, experiment, scope).into_iter().enumerate() {
        // why: the parts of the audience are shown for the primary metric alone
        let extent = if position == 0 { extent } else { Extent::Days };
        questions.push(ask(match Definition::of(metric) {
            Ok(definition) => Asked::Metric(of, definition, extent),
            Err(_) => Asked::Refused,
        }));
    }
    if scope != Depth::List {
        questions.extend(interactions(document, experiment, of, now, ask));
    }
    questions
}

/// The names of what is asked about an experiment, in the order of [`questions`]: `units`, `metric ID`, `interactions ID`.
#[must_use]
pub fn question_names(document: &Document, experiment: &Experiment, scope: Depth) -> Vec<String> {
    let asked = metrics(document, experiment, scope);
    let mut names = vec!["units".to_owned()];
    names.extend(asked.iter().map(|(id, _)| format!("metric {id}")));
    if scope != Depth::List && !others(document, experiment).is_empty() {
        let primary = experiment.metrics.as_ref().and_then(|metrics| metrics.primary.as_ref());
        names.extend(primary.map(|id| format!("interactions {id}")));
    }
    names
}

/// Why an answer to the question of this name cannot be read; `None` where it can.
#[must_use]
pub fn unreadable(name: &str, answer: &str) -> Option<String> {
    let read = match name.split_once(' ').map_or(name, |(kind, _)| kind) {
        "units" => missing_of_units(answer),
        "metric" => missing_of_metric(answer),
        _ => pairs(answer).map(|_| None),
    };
    read.unwrap_or_else(|why| Some(why.to_string()))
}

/// The experiments among whose people an experiment's primary metric is asked: the newest others of the same unit that anybody
/// may have met. None where that cannot be asked.
#[must_use]
pub fn others<'d>(document: &'d Document, experiment: &Experiment) -> Vec<&'d Experiment> {
    let primary = experiment.metrics.as_ref().and_then(|metrics| metrics.primary.as_ref());
    let metric = primary.and_then(|id| document.metrics.get(id));
    if metric.is_none_or(|metric| metric.kind == MetricKind::Quantile) {
        return Vec::new();
    }
    let is_other = |other: &&Experiment| {
        other.id != experiment.id
            && other.kind == Kind::Experiment
            && other.status != Status::Draft
            && other.unit == experiment.unit
    };
    document.experiments.iter().rev().filter(is_other).take(MOST_OTHERS).collect()
}

/// What to ask about other experiments on the same people.
fn interactions<T>(
    document: &Document,
    experiment: &Experiment,
    of: Iteration<'_>,
    now: Timestamp,
    ask: impl Fn(Asked<'_>) -> T,
) -> Option<T> {
    let metric = document.metrics.get(experiment.metrics.as_ref()?.primary.as_ref()?)?;
    let others: Vec<(&Experiment, Vec<&str>)> =
        others(document, experiment).into_iter().map(|other| (other, variants(other))).collect();
    if others.is_empty() {
        return None;
    }
    let others: Vec<Iteration<'_>> =
        others.iter().map(|(other, variants)| iteration(document, other, variants, now)).collect();
    Some(ask(Asked::Pairs(of, &others, Definition::of(metric).ok()?)))
}

/// The answers about an experiment.
pub(super) struct Answers {
    /// Whether anything was asked.
    pub(super) asked: bool,
    /// How many questions have no answer: what is shown then is not all there is.
    pub(super) failed: usize,
    pub(super) units: Units,
    /// One a metric, in the order of [`metrics`].
    pub(super) outcomes: Vec<Answer>,
    pub(super) pairs: Vec<Pair>,
}

impl Answers {
    pub(super) fn read(document: &Document, experiment: &Experiment, scope: Depth, answers: &[Option<String>]) -> Self {
        let answer = |index: usize| answers.get(index).and_then(Option::as_deref);
        let asked = !answers.is_empty();
        let units = answer(0).and_then(|text| Units::read(text).ok());
        let all = metrics(document, experiment, scope);
        let outcomes: Vec<Option<Answer>> =
            (1..=all.len()).map(|index| answer(index).and_then(|text| Answer::read(text).ok())).collect();
        let failed = usize::from(units.is_none()) + outcomes.iter().filter(|answer| answer.is_none()).count();
        Self {
            asked,
            failed: if asked { failed } else { 0 },
            units: units.unwrap_or_default(),
            outcomes: outcomes.into_iter().map(Option::unwrap_or_default).collect(),
            pairs: answer(1 + all.len()).and_then(|text| pairs(text).ok()).unwrap_or_default(),
        }
    }
}
