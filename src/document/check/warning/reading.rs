//! Whether an experiment can find the effect that it looks for.

use super::DAY_MILLIS;
use crate::document::{Document, Experiment, Kind, Status, Timestamp};

/// The conversion rate that is assumed: a generous one, so that what it says is too little is too little for any metric
/// that is rarer.
const RATE: f64 = 0.1;

/// More eligible units a day than this are taken for more than a shop has.
const MANY_A_DAY: f64 = 100_000.0;

/// How long an experiment without an end is taken to run, in days.
const LONG_DAYS: f64 = 90.0;

/// Says where a stated `mde` asks for more units than the traffic, split and time give.
///
/// The sample is that of a two-sided test of two proportions with equal variances: n = 2 (z₁₋α⁄₂ + z_power)² · (1 − p) /
/// (p · mde²) in the smaller group (Lehr, 1992, generalised). It is a lower bound: a sequential reading asks for more.
pub(super) fn check(
    document: &Document,
    experiment: &Experiment,
    now: Timestamp,
    report: &mut impl FnMut(&str, String),
) {
    let Some(analysis) = experiment.analysis else { return };
    let asked = analysis.mde.filter(|mde| mde.is_finite() && *mde > 0.0);
    let (Some(mde), Some(share)) = (asked, smallest_share(document, experiment)) else { return };
    let decides = experiment.kind == Kind::Experiment && experiment.winner.is_none();
    if !decides || experiment.status == Status::Completed {
        return;
    }
    let (Some(alpha), Some(beta)) = (quantile((1.0 + analysis.confidence) / 2.0), quantile(analysis.power)) else {
        return;
    };
    let units = 2.0 * (alpha + beta).powi(2) * (1.0 - RATE) / (RATE * mde * mde);
    let starts = experiment.starts_at.unwrap_or(now);
    #[allow(clippy::cast_precision_loss)]
    let days =
        experiment.ends_at.map_or(LONG_DAYS, |ends| (ends.millis() - starts.millis()) as f64 / DAY_MILLIS as f64);
    if days <= 0.0 {
        return;
    }
    let a_day = units / share / days;
    if a_day > MANY_A_DAY {
        report(
            "analysis.mde",
            format!(
                "to find {} % it would need about {} eligible units a day for {days:.0} days, at a rate of {:.0} %: raise `traffic`, the smallest weight or `mde`, or run longer",
                (mde * 1e5).round() / 1e3,
                rounded(a_day),
                RATE * 100.0
            ),
        );
    }
}

/// The share of eligible units in the smallest variant that has a weight; `None` where nobody is in it, or where there is
/// nothing to compare.
pub(super) fn smallest_share(document: &Document, experiment: &Experiment) -> Option<f64> {
    let weights: Vec<f64> = experiment.variants.iter().map(|v| v.weight.get()).filter(|weight| *weight > 0.0).collect();
    let sum: f64 = weights.iter().sum();
    let least = weights.iter().copied().fold(f64::INFINITY, f64::min);
    let traffic = experiment.ramp.iter().map(|step| step.traffic).max().unwrap_or(experiment.traffic);
    let part = |percent: crate::document::Percent| f64::from(percent.buckets()) / f64::from(crate::hash::BUCKETS);
    let slots = experiment.slots.map_or(1.0, |slots| {
        let (from, to) = slots.bounds();
        f64::from(to - from) / f64::from(crate::hash::BUCKETS)
    });
    let share = least / sum * part(traffic) * slots * (1.0 - part(document.holdout.percent));
    (weights.len() > 1 && share > 0.0).then_some(share)
}

/// The standard normal distribution's quantile, by halving: the tool asks for two of them per experiment.
fn quantile(probability: f64) -> Option<f64> {
    if !(probability > 0.0 && probability < 1.0) {
        return None;
    }
    let (mut low, mut high) = (-10.0_f64, 10.0_f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        let below = 0.5 * libm::erfc(-middle / std::f64::consts::SQRT_2);
        if below < probability { low = middle } else { high = middle }
    }
    Some(f64::midpoint(low, high))
}

/// Two significant digits, with commas: nobody plans by more.
fn rounded(number: f64) -> String {
    let step = 10_f64.powf((number.log10().floor() - 1.0).max(0.0));
    let digits = format!("{:.0}", (number / step).round() * step);
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
