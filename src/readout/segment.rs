//! The primary metric in parts of the audience.

use super::answers::Answers;
use super::metric::{Rule, Sums, compare};
use super::types::{Part, Segment};
use crate::document::{Experiment, MetricKind};
use crate::ledger::readout::{Row, unit};

/// The dimensions of the record, and how many parts of each are shown.
const DIMENSIONS: [(&str, usize); 3] = [("device", 4), ("country", 8), ("visitor_type", 3)];

/// The parts of each dimension, the largest first. `outcomes` are the primary metric's.
pub(super) fn segments(experiment: &Experiment, answers: &Answers, kind: MetricKind, rule: Rule) -> Vec<Segment> {
    let outcomes = answers.outcomes.first().map_or(&[][..], Vec::as_slice);
    let in_dimension = |dimension: &'static str, most: usize| {
        let rows = || answers.units.iter().filter(move |row| row.text(unit::DIMENSION) == dimension);
        let mut values: Vec<(String, i64)> = Vec::new();
        for row in rows() {
            match values.iter_mut().find(|(value, _)| *value == row.text(unit::PART)) {
                Some((_, units)) => *units += row.number(unit::UNITS),
                None => values.push((row.text(unit::PART).to_owned(), row.number(unit::UNITS))),
            }
        }
        values.retain(|(_, units)| *units > 0);
        values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        values.truncate(most);
        let part = |(value, units): (String, i64)| {
            let arm = |variant: &str| {
                let of = |row: &&Row| row.text(unit::PART) == value && row.text(unit::VARIANT) == variant;
                let units = rows().filter(of).map(|row| row.number(unit::UNITS)).sum();
                let sums = Sums::of(outcomes, variant, |row| {
                    row.text(unit::DIMENSION) == dimension && row.text(unit::PART) == value
                });
                sums.aggregate(kind, units)
            };
            let mut ids = experiment.variants.iter().map(|variant| variant.id.as_str());
            let control = arm(ids.next().unwrap_or_default());
            let comparisons = ids.map(|id| compare(id, &control, &arm(id), rule)).collect();
            Part { value, units, comparisons }
        };
        Segment { dimension, parts: values.into_iter().map(part).collect() }
    };
    DIMENSIONS.into_iter().map(|(dimension, most)| in_dimension(dimension, most)).collect()
}
