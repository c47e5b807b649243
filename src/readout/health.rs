//! How the origin answered, by variant.

use super::answers::{HealthRow, Known};
use super::types::Health;
use crate::document::Experiment;

/// The upper ends of the record's classes, in milliseconds.
const CLASSES: [u32; 7] = [50, 100, 200, 400, 800, 1600, 3200];

/// The rows of an experiment's iteration, in its variants' order; variants without a request are missing.
pub(super) fn of_experiment(known: &Known, experiment: &Experiment) -> Vec<Health> {
    let row = |variant: &str| {
        known
            .health
            .iter()
            .find(|row| row.0 == experiment.id.as_str() && row.1 == experiment.iteration && row.2 == variant)
    };
    experiment.variants.iter().filter_map(|variant| row(variant.id.as_str())).map(health).collect()
}

fn health(row: &HealthRow) -> Health {
    let counts = [row.5, row.6, row.7, row.8, row.9, row.10, row.11, row.12];
    Health {
        variant: row.2.clone(),
        requests: row.3,
        errors: row.4,
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
