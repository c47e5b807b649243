//! How far the sample is, and whether the effect it was planned for is still possible.

use super::compare::{Measured, Rule};
use super::types::{ComparisonResult, Day, Progress, Variant};
use super::{date, sample};
use crate::document::{self, Experiment, Method, MetricKind, Timestamp};
use crate::stats::{Baseline, Direction, Level, Tuning, days_for, mde_at, sample_size, sequential_sample_size};

/// The progress towards the effect that the experiment plans for, by its control and its primary metric.
pub(super) fn progress(
    experiment: &Experiment,
    metric: &document::Metric,
    control: &Measured,
    comparisons: &[ComparisonResult],
    rule: Rule,
    (variants, days, now, is_over): (&[Variant], &[Day], Timestamp, bool),
) -> Option<Progress> {
    let analysis = experiment.analysis.unwrap_or_default();
    let mde = analysis.mde?;
    let weights: Vec<f64> = variants.iter().map(|variant| variant.share).filter(|share| *share > 0.0).collect();
    let power = Level::new(analysis.power)?;
    let first = variants.first()?;
    let moments = control.moments().ok()?;
    let baseline = match metric.kind {
        MetricKind::Proportion | MetricKind::Retention => Baseline::Proportion { rate: moments.mean },
        _ => Baseline::Mean { variance: moments.variance },
    };
    let effect = moments.mean * mde;
    let smallest = weights.iter().copied().fold(f64::INFINITY, f64::min);
    let needed = match analysis.method {
        Method::Sequential => {
            let pair = sequential_sample_size(baseline, effect, rule.alpha, power, Tuning::DEFAULT).ok()?;
            // why: the variant with the smallest share decides how long it takes
            (pair as f64 / 2.0 / smallest).ceil() as u64
        }
        Method::Fixed | Method::Bayesian => sample_size(baseline, effect, rule.alpha, power, &weights).ok()?.total,
    };
    let units: i64 = variants.iter().map(|variant| variant.units).sum();
    let week: i64 = days.iter().rev().take(7).flat_map(|day| &day.units).sum();
    let pace = week as f64 / days.len().clamp(1, 7) as f64;
    let compared = variants.iter().skip(1).filter(|variant| !sample::is_aside(variant.share, variant.units));
    let least = compared.map(|variant| variant.units).min().unwrap_or(0);
    let detectable = mde_at(baseline, rule.alpha, power, first.units as f64, least as f64).ok().flatten();
    let days_run = days_run(days, now);
    let to_go = days_for(needed.saturating_sub(units.unsigned_abs()), pace);
    Some(Progress {
        mde,
        needed,
        days_to_go: to_go.map(|days| whole_weeks(days, days_run)),
        days_run,
        detectable: detectable.map(|effect| effect / moments.mean.abs()).filter(|effect| effect.is_finite()),
        // why: an interval for one look excludes nothing before that look
        futile: (analysis.method != Method::Fixed || is_over) && is_futile(mde, comparisons, rule.direction),
    })
}

/// Days since the first exposure that are over.
pub(super) fn days_run(days: &[Day], now: Timestamp) -> i64 {
    let first = days.first().and_then(|day| date::number(&day.day));
    first.map_or(0, |first| (now.millis().div_euclid(date::DAY_MS) - first).max(0))
}

/// So many days more, until a week is full: people buy otherwise on weekends.
fn whole_weeks(days: u64, run: i64) -> u64 {
    /// Nobody waits for longer, and no sum of it runs over.
    const LONGEST: u64 = 1_000_000;
    let (days, run) = (days.min(LONGEST), run.unsigned_abs().min(LONGEST));
    if days == 0 && run > 0 && run.is_multiple_of(7) { 0 } else { (run + days).max(7).next_multiple_of(7) - run }
}

/// Whether every treatment's interval lies below the planned effect, in the direction that counts as better.
fn is_futile(mde: f64, comparisons: &[ComparisonResult], direction: Direction) -> bool {
    let excluded = |comparison: &ComparisonResult| {
        comparison.lift_interval.is_some_and(|[low, high]| match direction {
            Direction::HigherIsBetter => high < mde,
            Direction::LowerIsBetter => low > -mde,
        })
    };
    let mut made = comparisons.iter().filter(|comparison| comparison.is_made()).peekable();
    made.peek().is_some() && made.all(excluded)
}
