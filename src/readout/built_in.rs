//! Metrics that need no event: how the origin answered each variant's group, usable as guardrails.
//!
//! Errors are compared as shares of requests, at any look; an isolate's hour is the unit, for what fails together is one
//! failure. Of times only classes are counted, so a quantile is known to lie
//! between two ends, and a difference between the differences of those: nothing is concluded from within a class.

use super::answers::Known;
use super::compare::{Measured, Rule, compare, guard, margin};
use super::health::{class, clusters, counts, ends};
use super::sample::FEWEST_UNITS;
use super::types::{Arm, ComparisonResult, Health, MetricResult, MetricRole};
use crate::document::{self, BUILT_IN_METRICS, Experiment, Guardrail, Method, MetricKind};
use crate::stats::{Aggregate, Direction, Level, Refusal};

/// The built-in metrics that an experiment names, as guardrails or to explain.
pub(super) fn metrics(experiment: &Experiment, health: &[Health], known: &Known) -> Vec<MetricResult> {
    let Some(named) = &experiment.metrics else { return Vec::new() };
    let of = |id: &'static str| {
        let guardrail = named.guardrails.iter().find(|guardrail| guardrail.metric.as_str() == id);
        let explains = named.secondary.iter().any(|one| one.as_str() == id);
        (guardrail.is_some() || explains).then_some((id, guardrail))
    };
    BUILT_IN_METRICS
        .into_iter()
        .filter_map(of)
        .map(|(id, guardrail)| match id {
            "origin_error_rate" => errors(experiment, health, known, guardrail),
            _ => latency(experiment, known, guardrail),
        })
        .collect()
}

fn empty(id: &str, guardrail: Option<&Guardrail>, kind: MetricKind, unit: Option<&str>) -> MetricResult {
    MetricResult {
        id: id.to_owned(),
        role: if guardrail.is_some() { MetricRole::Guardrail } else { MetricRole::Secondary },
        kind,
        direction: document::Direction::Down,
        unit: unit.map(str::to_owned),
        currency: None,
        waiting: 0,
        other_currency: 0,
        saved: None,
        variants: Vec::new(),
        means: Vec::new(),
        comparisons: Vec::new(),
        series: Vec::new(),
    }
}

fn arm(variant: &str, requests: i64, hit: i64) -> Arm {
    Arm { variant: variant.to_owned(), n: requests, converted: hit, waiting: 0, sum: hit.into(), sum_sq: hit.into() }
}

/// Isolates' hours of a variant from which anything is concluded: of fewer the variance is not known well enough.
const FEWEST_CLUSTERS: i64 = 20;

fn errors(experiment: &Experiment, health: &[Health], known: &Known, guardrail: Option<&Guardrail>) -> MetricResult {
    let of = |id: &str| health.iter().find(|one| one.variant == id).map_or((0, 0), |one| (one.requests, one.errors));
    let ids: Vec<&str> = experiment.variants.iter().map(|variant| variant.id.as_str()).collect();
    let measured: Vec<Measured> = ids.iter().map(|id| clustered(known, experiment, id)).collect();
    let rule = Rule {
        method: Method::Sequential,
        alpha: Level::FIVE_PERCENT.shared_among(ids.len().saturating_sub(1)),
        scale: 1.0,
        direction: Direction::LowerIsBetter,
        fewest: FEWEST_CLUSTERS,
    };
    let mut metric = empty("origin_error_rate", guardrail, MetricKind::Proportion, Some("%"));
    metric.variants = ids.iter().map(|id| arm(id, of(id).0, of(id).1)).collect();
    let rate = |(requests, errors): (i64, i64)| (requests > 0).then(|| errors as f64 / requests as f64);
    metric.means = ids.iter().map(|id| rate(of(id))).collect();
    if let Some((control, treatments)) = measured.split_first() {
        for (id, treatment) in ids.iter().skip(1).zip(treatments) {
            let (mut comparison, _) = compare(id, control, treatment, rule);
            if let Some(guardrail) = guardrail {
                let watched = (Direction::LowerIsBetter, margin(guardrail, rule.direction).1);
                guard(&mut comparison, control, treatment, watched, rule.alpha, FEWEST_CLUSTERS);
            }
            metric.comparisons.push(comparison);
        }
    }
    metric
}

/// Errors by requests, of a variant's isolates' hours.
fn clustered(known: &Known, experiment: &Experiment, variant: &str) -> Measured {
    match clusters(known, experiment, variant) {
        Some([requests, errors, n, requests_sq, errors_sq, product]) if n >= FEWEST_CLUSTERS => {
            Measured::Sums(Aggregate::ratio(n, (errors, errors_sq), (requests, requests_sq), product))
        }
        Some(_) => Measured::Quantile(Err(Refusal::TooFewUnits)),
        None => Measured::Quantile(Err(Refusal::NoUnits)),
    }
}

fn latency(experiment: &Experiment, known: &Known, guardrail: Option<&Guardrail>) -> MetricResult {
    let classes: Vec<Option<[f64; 2]>> = experiment
        .variants
        .iter()
        .map(|variant| class(&counts(known, experiment, variant.id.as_str())?, 0.95))
        .collect();
    let mut metric = empty("origin_latency_p95", guardrail, MetricKind::Quantile, Some("ms"));
    metric.variants = experiment
        .variants
        .iter()
        .map(|variant| {
            let all = counts(known, experiment, variant.id.as_str()).map_or(0, |counts| counts.iter().sum());
            arm(variant.id.as_str(), all, all)
        })
        .collect();
    metric.means = classes.iter().map(|class| class.map(|[_, high]| high).filter(|high| high.is_finite())).collect();
    let control = classes.first().copied().flatten();
    let tolerated = guardrail.map(|guardrail| margin(guardrail, Direction::LowerIsBetter).1);
    for (variant, class) in experiment.variants.iter().zip(&classes).skip(1) {
        let mut comparison =
            ComparisonResult { variant: variant.id.to_string(), status: "NO_UNITS", ..ComparisonResult::default() };
        if let (Some([from, to]), Some([low, high])) = (control, *class) {
            comparison.status = "OK";
            let ends = [low - to, high - from];
            comparison.interval = ends.iter().all(|end| end.is_finite()).then_some(ends);
            // why: at the border of two classes chance alone moves a quantile from one to the other, so the share of answers
            // later than the control's class must differ too
            let late = late(known, experiment, variant.id.as_str(), to);
            comparison.better =
                if low >= to && late == Some(-1) { -1 } else { i8::from(high <= from && late == Some(1)) };
            comparison.significant = comparison.better != 0;
            if let Some(tolerated) = tolerated {
                comparison.margin = Some(tolerated);
                comparison.guardrail = Some(match comparison.better {
                    -1 => "harm",
                    _ if high <= from * (1.0 + tolerated) => "pass",
                    _ => "inconclusive",
                });
            }
        }
        metric.comparisons.push(comparison);
    }
    metric
}

/// Whether fewer (1) or more (-1) of a variant's answers than of the control's are later than a class's end, at any look.
fn late(known: &Known, experiment: &Experiment, variant: &str, end: f64) -> Option<i8> {
    let measured = |id: &str| {
        let counts = counts(known, experiment, id)?;
        let total: i64 = counts.iter().sum();
        let late: i64 = counts.iter().zip(ends()).filter(|(_, of)| *of > end).map(|(count, _)| count).sum();
        Some(Measured::Sums(Aggregate::proportion(total, late)))
    };
    let control = measured(experiment.variants.first()?.id.as_str())?;
    let rule = Rule {
        method: Method::Sequential,
        alpha: Level::FIVE_PERCENT.shared_among(experiment.variants.len().saturating_sub(1)),
        scale: 1.0,
        direction: Direction::LowerIsBetter,
        fewest: FEWEST_UNITS,
    };
    Some(compare(variant, &control, &measured(variant)?, rule).0.better)
}
