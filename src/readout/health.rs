//! How the origin answered, by variant.

use super::answers::Known;
use super::types::Health;
use crate::document::{self, Experiment};
use crate::ledger::readout::Row;

/// The upper ends of the record's classes, in milliseconds.
const CLASSES: [u32; 7] = [50, 100, 200, 400, 800, 1600, 3200];

/// The rows of an experiment's iteration, in its variants' order; variants without a request are missing.
pub(super) fn of_experiment(known: &Known, experiment: &Experiment) -> Vec<Health> {
    let of = |variant: &document::Variant| row(known, experiment, variant.id.as_str());
    experiment.variants.iter().filter_map(of).map(health).collect()
}

/// What is known of a variant of the experiment's iteration.
fn row<'k>(known: &'k Known, experiment: &Experiment, variant: &str) -> Option<&'k Row> {
    known.health.iter().find(|row| {
        row.text(0) == experiment.id.as_str()
            && row.number(1) == i64::from(experiment.iteration)
            && row.text(2) == variant
    })
}

fn health(row: &Row) -> Health {
    let counts = [5, 6, 7, 8, 9, 10, 11, 12].map(|field| row.number(field));
    Health {
        variant: row.text(2).to_owned(),
        requests: row.number(3),
        errors: row.number(4),
        p50_ms: quantile(&counts, 0.5),
        p95_ms: quantile(&counts, 0.95),
    }
}

/// The upper end of the class that holds the quantile.
fn quantile(counts: &[i64; 8], share: f64) -> Option<u32> {
    let total: i64 = counts.iter().sum();
    if total == 0 {
        return None;
    }
    let mut seen = 0;
    for (count, end) in counts.iter().zip(CLASSES) {
        seen += count;
        if seen as f64 >= share * total as f64 {
            return Some(end);
        }
    }
    None
}

/// How many answers came within each class, for a variant of the experiment's iteration; the last: later than all.
pub(super) fn counts(known: &Known, experiment: &Experiment, variant: &str) -> Option<[i64; 8]> {
    let row = row(known, experiment, variant)?;
    Some([5, 6, 7, 8, 9, 10, 11, 12].map(|field| row.number(field)))
}

/// A variant's requests and errors, in how many isolates' hours, and the sums of their squares and of their products.
pub(super) fn clusters(known: &Known, experiment: &Experiment, variant: &str) -> Option<[i64; 6]> {
    let row = row(known, experiment, variant)?;
    Some([3, 4, 13, 14, 15, 16].map(|field| row.number(field)))
}

/// The ends of the class that holds a quantile, in milliseconds; the last has no upper end.
pub(super) fn class(counts: &[i64; 8], share: f64) -> Option<[f64; 2]> {
    let total: i64 = counts.iter().sum();
    if total == 0 {
        return None;
    }
    let (mut seen, mut low) = (0, 0.0);
    for (count, end) in counts.iter().zip(CLASSES) {
        seen += count;
        if seen as f64 >= share * total as f64 {
            return Some([low, f64::from(end)]);
        }
        low = f64::from(end);
    }
    Some([low, f64::INFINITY])
}

/// The upper ends of all classes.
pub(super) fn ends() -> impl Iterator<Item = f64> {
    CLASSES.into_iter().map(f64::from).chain([f64::INFINITY])
}
