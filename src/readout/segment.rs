//! The primary metric in parts of the audience, and whether the split holds in each.

use super::compare::{Measured, Rule, compare};
use super::number::clamped;
use super::sample::{FEWEST_UNITS, is_aside};
use super::types::{ComparisonResult, Part, Segment, Variant};
use crate::document::{Metric, MetricKind};
use crate::ledger::answer::{Answer, Cells, PARTS, Units};
use crate::stats::{Level, holm, srm};

/// How many parts of a dimension are shown, the largest first.
const MOST: usize = 8;

/// The parts of each dimension. `primary` is the primary metric with its answer.
pub(super) fn segments(
    variants: &[Variant],
    units: &Units,
    primary: Option<(&Metric, &Answer)>,
    rule: Rule,
) -> Vec<Segment> {
    let versions = units.versions().into_iter().map(|name| format!("version.{name}"));
    let dimensions = PARTS.iter().map(|name| (*name).to_owned()).chain(versions);
    let mut segments: Vec<Segment> = dimensions
        .map(|dimension| segment(variants, units, primary, rule, dimension))
        .filter(is_worth_showing)
        .collect();
    test_ratios(variants, &mut segments);
    segments
}

fn segment(
    variants: &[Variant],
    units: &Units,
    primary: Option<(&Metric, &Answer)>,
    rule: Rule,
    dimension: String,
) -> Segment {
    let part = |(value, total): (String, i128)| {
        let of = |variant: &Variant| clamped(units.part(&dimension, &value, &variant.id).units);
        let by_variant: Vec<i64> = variants.iter().map(of).collect();
        let unknown = is_unknown(&dimension, &value);
        let aside: Vec<bool> =
            variants.iter().zip(&by_variant).map(|(one, units)| is_aside(one.share, *units)).collect();
        // why: nothing is compared without its control, whatever its weight
        let waits = |(at, units): (usize, &i64)| *units < FEWEST_UNITS && (at == 0 || aside.get(at) == Some(&false));
        let small = by_variant.iter().enumerate().any(waits);
        // why: a part's quantile would take the values of each part in their order, which no engine is asked for
        let comparisons = match primary.filter(|(metric, _)| metric.kind != MetricKind::Quantile && !unknown) {
            Some((metric, answer)) => {
                let arm = |id: &str| Measured::of(metric, answer.part(&dimension, &value, id));
                let control = arm(variants.first().map_or("", |control| &control.id));
                let one = |(variant, aside): (&Variant, &bool)| match aside {
                    true => ComparisonResult::without_traffic(&variant.id),
                    false => compare(&variant.id, &control, &arm(&variant.id), rule).0,
                };
                variants.iter().zip(&aside).skip(1).map(one).collect()
            }
            None => Vec::new(),
        };
        Part {
            value,
            unknown,
            units: clamped(total),
            by_variant,
            ratio_p: None,
            ratio_flagged: false,
            small,
            comparisons,
        }
    };
    let mut parts = units.parts(&dimension);
    parts.truncate(MOST);
    Segment { parts: parts.into_iter().map(part).collect(), dimension }
}

/// Whether a part is of those of whom it is not known: not told by whoever reported them. A page view without a referring
/// site is one of its own.
fn is_unknown(dimension: &str, value: &str) -> bool {
    value.is_empty() && dimension != "referrer_host"
}

/// A dimension of which nothing is known but "unknown" tells nothing: its producer could not know.
fn is_worth_showing(segment: &Segment) -> bool {
    segment.parts.iter().any(|part| !part.value.is_empty())
        && !(segment.dimension == "fallback" && segment.parts.iter().all(|part| !is_true(&part.value)))
}

/// Whether a part of a yes-or-no dimension is "yes".
fn is_true(value: &str) -> bool {
    matches!(value, "1" | "true")
}

/// Each part's own sample ratio test, after Holm over all of them.
fn test_ratios(variants: &[Variant], segments: &mut [Segment]) {
    let weights: Vec<f64> = variants.iter().map(|variant| variant.share).collect();
    let test = |part: &Part| {
        let counts: Vec<f64> = part.by_variant.iter().map(|units| *units as f64).collect();
        // why: a version or a fallback may belong to one variant alone, and parts of a few units are no test
        // why: an unknown part is no sample: whoever reported it may have known of one variant's people more often
        (!part.small && !part.unknown).then(|| srm(&counts, &weights, Level::ONE_IN_A_THOUSAND).ok()?.p).flatten()
    };
    let tested = |segment: &Segment| PARTS.contains(&segment.dimension.as_str()) && segment.dimension != "fallback";
    let p_values: Vec<Option<f64>> =
        segments.iter().filter(|one| tested(one)).flat_map(|one| one.parts.iter().map(test)).collect();
    let mut adjusted = holm(&p_values, Level::ONE_IN_A_THOUSAND).into_iter();
    for part in segments.iter_mut().filter(|one| tested(one)).flat_map(|one| &mut one.parts) {
        if let Some(adjusted) = adjusted.next().flatten() {
            part.ratio_p = Some(adjusted.p);
            part.ratio_flagged = adjusted.rejected;
        }
    }
}

/// A dimension in words.
pub(super) fn title(dimension: &str) -> String {
    match dimension {
        "visitor_type" => "new and returning".to_owned(),
        "referrer_host" => "referring site".to_owned(),
        "logged_in" => "login".to_owned(),
        "fallback" => "fallback to the control's origin".to_owned(),
        other => match other.strip_prefix("version.") {
            Some(name) => format!("version of {name}"),
            None => other.to_owned(),
        },
    }
}

/// A part in words.
pub(super) fn part_name<'v>(dimension: &str, value: &'v str) -> &'v str {
    match value {
        "" if !is_unknown(dimension, value) => "none, or not told",
        "" => "unknown",
        "1" | "true" => "yes",
        "0" | "false" => "no",
        other => other,
    }
}
