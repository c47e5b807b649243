//! Experiments that ran on the same units: does one change the other's effect?

use super::compare::Measured;
use super::number::{clamped, percent};
use super::sample::FEWEST_UNITS;
use super::types::{Overlap, OverlapTest};
use crate::document::{Document, Experiment, Metric};
use crate::ledger::answer::{Pair, Sums};
use crate::stats::{Level, benjamini_hochberg, interaction};

/// What a test found, in a sentence: `bold of hero and said of free-returns act on each other: …`.
pub(super) fn sentence(experiment: &str, overlap: &Overlap, test: &OverlapTest) -> String {
    let how = test.relative.map_or_else(String::new, |value| {
        let (size, side) = (percent(value.abs()), if value < 0.0 { "below" } else { "above" });
        format!(": where both were met, {} is {size} {side} what the two effects add up to", overlap.metric)
    });
    format!("{} of {experiment} and {} of {} act on each other{how}.", test.variant, test.other, overlap.experiment)
}

/// The overlaps of an experiment with others, by its own primary metric. Others that the document does not have (any more)
/// are left out: nobody knows their control.
pub(super) fn overlaps(document: &Document, experiment: &Experiment, metric: &Metric, pairs: &[Pair]) -> Vec<Overlap> {
    let mut others: Vec<(&str, u32)> = pairs.iter().map(|pair| (pair.experiment.as_str(), pair.iteration)).collect();
    others.sort_unstable();
    others.dedup();
    let known = |(id, iteration): (&str, u32)| {
        document.experiments.iter().find(|other| other.id.as_str() == id && other.iteration == iteration)
    };
    let mut all: Vec<Overlap> =
        others.into_iter().filter_map(known).map(|other| overlap(experiment, metric, pairs, other)).collect();
    let p_values: Vec<Option<f64>> = all.iter().flat_map(|one| one.tests.iter().map(|test| test.p)).collect();
    let corrected = benjamini_hochberg(&p_values, Level::FIVE_PERCENT);
    for (test, adjusted) in all.iter_mut().flat_map(|one| &mut one.tests).zip(corrected) {
        test.p_bh = adjusted.map(|adjusted| adjusted.p);
        test.found = adjusted.is_some_and(|adjusted| adjusted.rejected);
    }
    all
}

fn overlap(experiment: &Experiment, metric: &Metric, pairs: &[Pair], other: &Experiment) -> Overlap {
    let is_theirs = |pair: &&Pair| pair.experiment == other.id.as_str() && pair.iteration == other.iteration;
    let ours = || pairs.iter().filter(is_theirs);
    let cell = |variant: &str, theirs: &str| {
        let mut sums = Sums::default();
        ours().filter(|pair| pair.variant == variant && pair.other == theirs).for_each(|pair| sums += pair.sums);
        sums
    };
    let units = ours().map(|pair| clamped(pair.sums.units.saturating_add(pair.sums.waiting))).sum();
    let theirs: Vec<&str> = other.variants.iter().map(|variant| variant.id.as_str()).collect();
    let mut tests = Vec::new();
    let named = experiment.metrics.as_ref().and_then(|metrics| metrics.primary.as_ref());
    let name = named.map_or_else(String::new, ToString::to_string);
    let control = experiment.variants.first().map_or("", |variant| variant.id.as_str());
    let Some((their_control, their_treatments)) = theirs.split_first() else {
        return Overlap { experiment: other.id.to_string(), metric: name, units, tests };
    };
    for variant in experiment.variants.iter().skip(1).map(|variant| variant.id.as_str()) {
        for their in their_treatments {
            let sums = [
                [cell(control, their_control), cell(control, their)],
                [cell(variant, their_control), cell(variant, their)],
            ];
            let smallest = sums.iter().flatten().map(|sums| clamped(sums.units)).min().unwrap_or(0);
            let cells = sums.map(|row| row.map(|sums| Measured::of(&Metric { cuped: None, ..metric.clone() }, sums)));
            let [[Measured::Sums(none), Measured::Sums(second)], [Measured::Sums(first), Measured::Sums(both)]] =
                &cells
            else {
                continue;
            };
            // why: of a few people in a cell chance makes whatever it likes
            let tested =
                (smallest >= FEWEST_UNITS).then(|| interaction([[none, second], [first, both]]).ok()).flatten();
            tests.push(OverlapTest {
                variant: variant.to_owned(),
                other: (*their).to_owned(),
                smallest,
                relative: tested.and_then(|test| test.relative),
                p: tested.map(|test| test.p),
                p_bh: None,
                found: false,
            });
        }
    }
    Overlap { experiment: other.id.to_string(), metric: name, units, tests }
}
