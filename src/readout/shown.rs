//! A metric's numbers with their unit, and a lift in words.

use super::number::{grouped, lift, lifts, percent};
use super::types::{ComparisonResult, MetricResult};
use crate::document::MetricKind;

/// A mean with its unit.
#[must_use]
pub fn value(metric: &MetricResult, value: f64) -> String {
    match (metric.kind, metric.unit.as_deref()) {
        (MetricKind::Proportion | MetricKind::Retention, _) | (_, Some("%")) => percent(value),
        (_, Some("count")) => grouped(value, decimals(value)),
        // why: a duration is read in whole milliseconds
        (_, Some("ms")) => format!("{} ms", grouped(value, usize::from(value.abs() < 10.0))),
        (_, Some(unit)) => format!("{} {unit}", grouped(value, 2)),
        (MetricKind::Count, None) => grouped(value, decimals(value)),
        (_, None) => match &metric.currency {
            Some(currency) => format!("{} {currency}", grouped(value, 2)),
            None => grouped(value, decimals(value)),
        },
    }
}

/// A difference of means with its unit.
#[must_use]
pub fn difference(metric: &MetricResult, difference: f64) -> String {
    match (metric.kind, metric.unit.as_deref()) {
        (MetricKind::Proportion | MetricKind::Retention, _) | (_, Some("%")) => {
            format!("{} points", grouped(difference * 100.0, 3))
        }
        _ => value(metric, difference),
    }
}

/// Two decimals, and more for what they would round to nothing.
fn decimals(value: f64) -> usize {
    if value == 0.0 || value.abs() >= 0.1 { 2 } else { 4 }
}

/// A lift with its interval, in words.
#[must_use]
pub fn lift_text(comparison: &ComparisonResult) -> String {
    match (comparison.lift, comparison.lift_interval) {
        (Some(value), Some(ends)) => format!("{} ({})", lift(value), lifts(ends)),
        (Some(value), None) => format!("{} (control too uncertain for an interval)", lift(value)),
        (None, _) if comparison.status != "OK" => reason(comparison.status).to_owned(),
        _ => "no relative lift".to_owned(),
    }
}

/// Why nothing can be inferred, in words.
fn reason(status: &'static str) -> &'static str {
    match status {
        "NO_TRAFFIC" => "not compared: weight 0, and too few",
        "MIXED_CURRENCIES" => "several currencies cannot be added up",
        "NO_UNITS" => "nobody yet",
        "TOO_FEW_UNITS" => "too few yet",
        "ZERO_DENOMINATOR" => "no denominators yet",
        "ZERO_VARIANCE" => "all alike in a variant, so no interval",
        "ZERO_BASELINE" => "the control's mean is zero",
        _ => "cannot be computed",
    }
}

/// How a metric is computed, in words.
pub(super) fn kind(kind: MetricKind, (one, many): (&str, &str)) -> String {
    match kind {
        MetricKind::Proportion => format!("share of {many} who did it"),
        MetricKind::Mean => format!("value per {one}"),
        MetricKind::Ratio => "ratio of sums".to_owned(),
        MetricKind::Count => format!("number per {one}"),
        MetricKind::Quantile => "quantile of all values".to_owned(),
        MetricKind::Retention => format!("share of {many} who came back"),
    }
}
