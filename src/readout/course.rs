//! A metric in time: the lift at the end of each day, and whether effects fade with the days since the exposure.

use super::compare::{Measured, Rule, compare};
use super::date::{self, DAY_MS};
use super::sample::is_aside;
use super::types::{Day, Point, Series, Variant};
use crate::document::{Method, Metric, MetricKind, Timestamp};
use crate::ledger::answer::{AGE, Answer, Cells, DAY, Sums};
use crate::stats::{self, Effect, Level, TenureDay, Trend, novelty};

/// Days since the exposure that the check of novelty looks at.
const AGES: i64 = 28;

/// The lift as it was of the units exposed until the end of each day, with what they did until now.
pub(super) fn series(variants: &[Variant], metric: &Metric, answer: &Answer, rule: Rule) -> Vec<Series> {
    if metric.kind == MetricKind::Quantile {
        return Vec::new();
    }
    let mut days: Vec<&str> =
        answer.cells.iter().filter(|cell| cell.dimension == DAY).map(|cell| cell.part.as_str()).collect();
    days.sort_unstable();
    days.dedup();
    let rule = Rule { method: Method::Sequential, ..rule };
    let mut sums = vec![Sums::default(); variants.len()];
    let mut all: Vec<Series> =
        variants.iter().skip(1).map(|variant| Series { variant: variant.id.clone(), points: Vec::new() }).collect();
    for day in days {
        for (sums, variant) in sums.iter_mut().zip(variants) {
            *sums += answer.part(DAY, day, &variant.id);
        }
        let Some((control, treatments)) = sums.split_first() else { continue };
        let control = Measured::of(metric, *control);
        let compared = variants.iter().skip(1).map(|variant| !is_aside(variant.share, variant.units));
        for ((series, treatment), _) in all.iter_mut().zip(treatments).zip(compared).filter(|(_, compared)| *compared) {
            let shown = compare(&series.variant, &control, &Measured::of(metric, *treatment), rule).0;
            if let Some(lift) = shown.lift {
                series.points.push(Point { day: day.to_owned(), lift, interval: shown.lift_interval });
            }
        }
    }
    all
}

/// Whether effects fade or grow with the days since the exposure. `days` are the new units of each day.
pub(super) fn trends(
    metric: &Metric,
    answer: &Answer,
    variants: &[Variant],
    days: &[Day],
    now: Timestamp,
) -> Vec<(String, Trend)> {
    if metric.kind == MetricKind::Quantile {
        return Vec::new();
    }
    let today = now.millis().div_euclid(DAY_MS);
    let Some((control, treatments)) = variants.split_first() else { return Vec::new() };
    // why: a unit counts on the days since its exposure that are over
    let units_until = |position: usize, day: &str| -> i64 {
        days.iter().filter(|one| one.day.as_str() <= day).filter_map(|one| one.units.get(position)).sum()
    };
    let arm = |position: usize, id: &str, age: i64| {
        let units = units_until(position, &date::of(today - age - 1));
        let sums = Sums { units: units.into(), ..answer.part(AGE, &age.to_string(), id) };
        match Measured::of(&Metric { cuped: None, ..metric.clone() }, sums) {
            Measured::Sums(aggregate) => aggregate,
            Measured::Quantile(_) => stats::Aggregate::mean(0_u64, 0_u64, 0_u64),
        }
    };
    let trend = |(position, variant): (usize, &Variant)| {
        let day = |age: i64| TenureDay {
            day: age as f64,
            control: arm(0, &control.id, age),
            treatment: arm(position + 1, &variant.id, age),
        };
        let days: Vec<TenureDay> = (0..AGES).map(day).collect();
        Some((variant.id.clone(), novelty(&days, Effect::Absolute, Level::ONE_IN_A_THOUSAND).ok()?.trend))
    };
    let compared = |(_, variant): &(usize, &Variant)| !is_aside(variant.share, variant.units);
    treatments.iter().enumerate().filter(compared).filter_map(trend).collect()
}
