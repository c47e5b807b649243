//! What to ask the record, and its answers.

use super::types::AuditEntry;
use crate::document::{Document, Experiment, Id, Metric, MetricKind, Timestamp};
use crate::events::money::{Currency, DEFAULT_EXPONENT};
use crate::ledger::answer::{AGE, ALL, Answer, Cell, OfCurrency, Pair, Sums, Units};
use crate::ledger::readout::{self as record, Counted, Iteration, Question, Row, sum, unit};
use crate::plan::{Kill, KillGuard};
use std::collections::BTreeMap;

/// How much of an experiment is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What its verdict needs: the primary metric and the guardrails.
    List,
    /// Everything.
    Detail,
}

/// What is known of the project as a whole.
#[derive(Clone, Default)]
pub struct Known {
    /// By event: the currency of its latest outcomes, or several.
    pub(super) currencies: BTreeMap<String, Vec<String>>,
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
}

/// The rows of an answer; none where it is missing or cannot be read.
pub(super) fn rows(answer: Option<&str>) -> Vec<Row> {
    answer.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

impl Known {
    /// What to ask first.
    #[must_use]
    pub fn questions(document: &Document) -> Vec<Question> {
        let project = document.project.as_str();
        let mut events: Vec<&str> = document.metrics.values().map(|metric| metric.event.as_str()).collect();
        events.sort_unstable();
        events.dedup();
        vec![
            record::currencies(project, &events),
            record::endings(project),
            record::delivery(),
            record::health(project, ""),
            record::guard_notes(),
        ]
    }

    /// Reads the answers, in the questions' order.
    #[must_use]
    pub fn read(answers: &[Option<String>]) -> Self {
        let answer = |index: usize| answers.get(index).and_then(Option::as_deref);
        let currencies = |row: &Row| {
            let codes = row.text(1).split(',').filter(|code| !code.is_empty());
            (row.text(0).to_owned(), codes.map(str::to_owned).collect())
        };
        let delivered = rows(answer(2));
        let delivered = |field| delivered.first().map_or(0, |row| row.number(field));
        Self {
            currencies: rows(answer(0)).iter().map(currencies).collect(),
            endings: rows(answer(1)),
            delivery: [delivered(0), delivered(1), delivered(2), delivered(3)],
            health: rows(answer(3)),
            notes: rows(answer(4))
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

    /// The currencies of an event's values.
    fn currencies_of(&self, event: &str) -> &[String] {
        self.currencies.get(event).map_or(&[], Vec::as_slice)
    }

    /// How many minor units make a major one.
    fn minor_units(&self, event: &str) -> f64 {
        minor_units(self.currencies_of(event).first().map(String::as_str))
    }
}

/// How many minor units make a major one; of values without a currency: hundredths.
pub(super) fn minor_units(currency: Option<&str>) -> f64 {
    let currency = currency.and_then(Currency::new);
    libm::pow(10.0, f64::from(currency.map_or(DEFAULT_EXPONENT, Currency::exponent)))
}

/// The metrics that an experiment is asked for, in the order of the answers.
pub(super) fn metrics<'d>(
    document: &'d Document,
    experiment: &'d Experiment,
    scope: Scope,
) -> Vec<(&'d Id, &'d Metric)> {
    let Some(metrics) = &experiment.metrics else { return Vec::new() };
    let guardrails = metrics.guardrails.iter().map(|guardrail| &guardrail.metric);
    let mut ids: Vec<&Id> = match scope {
        Scope::List => metrics.primary.iter().chain(guardrails).collect(),
        Scope::Detail => metrics.primary.iter().chain(&metrics.secondary).chain(guardrails).collect(),
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

/// What to ask about an experiment: its units, then the outcomes of each of its metrics.
#[must_use]
pub fn questions(
    document: &Document,
    experiment: &Experiment,
    known: &Known,
    scope: Scope,
    now: Timestamp,
) -> Vec<Question> {
    let of =
        Iteration { project: &document.project, experiment: experiment.id.as_str(), iteration: experiment.iteration };
    let today = now.to_string();
    let today = today.get(..10).unwrap_or_default();
    let mut questions = vec![record::units(of)];
    let all = metrics(document, experiment, scope);
    for (_, metric) in &all {
        // why: whether somebody bought follows from any sums of the event, so one question may do for several metrics
        let richer = |other: &&&Metric| other.event == metric.event && other.kind != MetricKind::Proportion;
        let asked = match metric.kind {
            MetricKind::Proportion => all.iter().map(|(_, other)| other).find(richer).unwrap_or(metric),
            _ => metric,
        };
        let per = asked.per.as_deref().unwrap_or(&asked.event);
        // why: a float cast saturates, and the record bounds values at that
        #[allow(clippy::cast_possible_truncation)]
        let cap = asked.cap.map(|cap| (cap * known.minor_units(&asked.event)).round() as i64);
        questions.push(record::outcomes(of, Counted { event: &asked.event, per, cap }, today));
    }
    questions
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
    pub(super) fn read(
        document: &Document,
        experiment: &Experiment,
        known: &Known,
        scope: Scope,
        answers: &[Option<String>],
    ) -> Self {
        let (units, outcomes) = answers.split_first().map_or((None, &[][..]), |(units, rest)| (units.as_deref(), rest));
        let failed = answers.iter().filter(|answer| answer.is_none()).count();
        let asked = !answers.is_empty();
        let units = old::units(&rows(units));
        let of = |(position, (_, metric)): (usize, &(&Id, &Metric))| {
            let rows = rows(outcomes.get(position).and_then(|answer| answer.as_deref()));
            old::answer(&rows, &units, metric, known.currencies_of(&metric.event))
        };
        let outcomes = metrics(document, experiment, scope).iter().enumerate().map(of).collect();
        Self { asked, failed, units, outcomes, pairs: Vec::new() }
    }
}

/// Rows of the first edition's questions as answers.
mod old {
    use super::{AGE, ALL, Answer, Cell, Metric, MetricKind, OfCurrency, Row, Sums, Units, sum, unit};

    pub(super) fn units(rows: &[Row]) -> Units {
        let mut units = Units::default();
        for row in rows {
            let number = i128::from(row.number(unit::UNITS));
            if row.text(unit::DIMENSION) == "contaminated" {
                units.contaminated += number;
                continue;
            }
            let cell = |dimension: &str, part: &str| Cell {
                dimension: dimension.to_owned(),
                part: part.to_owned(),
                variant: row.text(unit::VARIANT).to_owned(),
                sums: Sums { units: number, ..Sums::default() },
            };
            if row.text(unit::DIMENSION) == "day" {
                units.cells.push(cell(ALL, ""));
            }
            units.cells.push(cell(row.text(unit::DIMENSION), row.text(unit::PART)));
        }
        units
    }

    pub(super) fn answer(rows: &[Row], units: &Units, metric: &Metric, currencies: &[String]) -> Answer {
        let mut answer = Answer { cells: units.cells.clone(), ..Answer::default() };
        for row in rows {
            let number = |field| i128::from(row.number(field));
            if row.text(unit::DIMENSION) == "contradicts" {
                answer.contradicting = answer.contradicting.max(number(sum::CONVERTED));
                continue;
            }
            let (y, yy) = match metric.kind {
                MetricKind::Count => (number(sum::D), number(sum::DD)),
                MetricKind::Proportion | MetricKind::Retention => (number(sum::CONVERTED), number(sum::CONVERTED)),
                _ => (number(sum::Y), (number(sum::YY_HIGH) << 32) + number(sum::YY_LOW)),
            };
            let sums = Sums {
                converted: number(sum::CONVERTED),
                y,
                yy,
                d: number(sum::D),
                dd: number(sum::DD),
                yd: number(sum::YD),
                ..Sums::default()
            };
            let cell = |dimension: &str, part: String| Cell {
                dimension: dimension.to_owned(),
                part,
                variant: row.text(unit::VARIANT).to_owned(),
                sums,
            };
            match row.text(unit::DIMENSION) {
                "age" => answer.cells.push(cell(AGE, row.number(unit::PART).to_string())),
                dimension => {
                    if dimension == "day" {
                        answer.cells.push(cell(ALL, String::new()));
                    }
                    answer.cells.push(cell(dimension, row.text(unit::PART).to_owned()));
                }
            }
        }
        let of = |code: &String| OfCurrency { currency: Some(code.clone()), outcomes: 1, left_out: false };
        if metric.kind != MetricKind::Proportion {
            answer.currencies = currencies.iter().map(of).collect();
        }
        answer
    }
}
