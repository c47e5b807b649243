//! What a bandit learned, and the shares that it asks for.

use super::compare::Rule;
use super::types::{Bandit, Day};
use crate::document::{Experiment, Metric, MetricKind};
use crate::ledger::answer::{Answer, Cells, DAY};
use crate::plan::KillGuard;
use crate::stats::{Direction, OptionDay, chances_to_be_best, option_means, thompson_weights};

/// The share of the traffic that every variant keeps.
const FLOOR: f64 = 0.05;
/// Units of the smallest variant before anything is moved.
const FEWEST: f64 = 100.0;

/// The state of a bandit by the days of its primary metric.
pub(super) fn of_answer(
    experiment: &Experiment,
    metric: &Metric,
    answer: &Answer,
    guard: &KillGuard,
    rule: Rule,
    days: &[Day],
) -> Bandit {
    let written = experiment.shares();
    // why: an option of weight 0 was taken out: it gets no traffic back, and the others do not wait for its units
    let takes_part =
        || experiment.variants.iter().zip(&written).filter(|(_, weight)| **weight > 0.0).map(|(one, _)| one);
    let day = |day: &Day| -> Vec<OptionDay> {
        let of = |variant: &crate::document::Variant| {
            let sums = answer.part(DAY, &day.day, variant.id.as_str());
            OptionDay { n: sums.units as f64, sum: sums.y as f64, sum_sq: sums.yy as f64 }
        };
        takes_part().map(of).collect()
    };
    let by_day: Vec<Vec<OptionDay>> = days.iter().map(day).collect();
    // why: of a ratio or a quantile the units' sums say nothing about which variant is best
    let is_usable = !matches!(metric.kind, MetricKind::Ratio | MetricKind::Quantile);
    let means = if is_usable { option_means(&by_day).unwrap_or_default() } else { Vec::new() };
    let sign = if rule.direction == Direction::HigherIsBetter { 1.0 } else { -1.0 };
    let enough = !means.is_empty() && means.iter().all(|one| one.n >= FEWEST);
    let moved = guard.weights.iter().find(|(id, _)| **id == experiment.id).map(|(_, weights)| weights);
    let in_force: Vec<f64> = match moved {
        Some(weights) => {
            let of = |(variant, written): (&crate::document::Variant, &f64)| {
                if *written > 0.0 { weights.get(&variant.id).copied().unwrap_or(0.0) } else { 0.0 }
            };
            experiment.variants.iter().zip(&written).map(of).collect()
        }
        None => written.clone(),
    };
    let total: f64 = in_force.iter().sum();
    let history = |day: &Day| {
        let all: i64 = day.units.iter().sum();
        (day.day.clone(), day.units.iter().map(|units| *units as f64 / (all as f64).max(1.0)).collect())
    };
    // each variant's of a list of those that take part
    let spread = |list: Vec<f64>| -> Vec<f64> {
        let mut list = list.into_iter();
        let of = |weight: &f64| if *weight > 0.0 { list.next().unwrap_or(0.0) } else { 0.0 };
        written.iter().map(of).collect()
    };
    let mut told = means.iter().map(|one| [one.mean / rule.scale, one.std_error / rule.scale]);
    Bandit {
        shares: in_force.iter().map(|weight| if total > 0.0 { weight / total } else { 0.0 }).collect(),
        chances: if means.is_empty() { Vec::new() } else { spread(chances_to_be_best(&means, sign)) },
        means: written.iter().map(|weight| if *weight > 0.0 { told.next() } else { None }).collect(),
        next: if enough { spread(thompson_weights(&means, sign, FLOOR)) } else { Vec::new() },
        history: days.iter().map(history).collect(),
    }
}
