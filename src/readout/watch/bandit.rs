//! A bandit's weights: moved at most daily, by what the days that are over say.

use super::Acts;
use crate::document::{Experiment, Timestamp};
use crate::plan::KillGuard;
use crate::readout::Known;
use crate::readout::types::Results;

/// Moves the weights where today's have not been moved yet and there is something to learn from.
pub(super) fn advance(
    experiment: &Experiment,
    results: &Results,
    known: &Known,
    guard: &mut KillGuard,
    now: Timestamp,
    acts: &mut Acts,
) {
    let Some(bandit) = &results.bandit else { return };
    let today = now.to_string();
    let note = format!("{}/{}/weights/{}", experiment.id, experiment.iteration, today.get(..10).unwrap_or_default());
    if known.has_note(&note) || bandit.next.len() != experiment.variants.len() {
        return;
    }
    let weights = experiment.variants.iter().zip(&bandit.next).map(|(variant, share)| {
        // why: as the contract shows them, in per cent; more digits than buckets mean nothing
        (variant.id.clone(), (share * 10_000.0).round() / 100.0)
    });
    guard.weights.insert(experiment.id.clone(), weights.collect());
    acts.notes.push(note);
}
