//! What KV says beside the document: the kill switch, and what the worker's guard ended, holds and moves.

use super::{Experiment, Kill, KillGuard, Plan};

/// The switches of a plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Switches {
    /// Whether every experiment is killed, by the document or by the key.
    all: bool,
    kill: Kill,
    guard: KillGuard,
}

impl Switches {
    fn kills(&self, id: &str) -> bool {
        self.all || self.kill.names(id) || self.guard.ends(id)
    }

    /// Sets an experiment as the switches say: kills add up, traffic is capped, weights are moved.
    pub(super) fn turn(&self, experiment: &mut Experiment) {
        experiment.killed = self.kills(&experiment.id);
        experiment.hold = self.guard.cap(&experiment.id);
        let bounds = self.guard.bounds(experiment);
        for (variant, below) in experiment.variants.iter_mut().zip(bounds) {
            variant.below = below;
        }
    }
}

impl Plan {
    /// Puts in force what the key `kill` says; what the guard says stays.
    pub fn apply(&mut self, kill: &Kill) {
        let all = kill.all || self.killed_by_document;
        let guard = self.experiments.switches().guard.clone();
        self.experiments.switch(Switches { all, kill: kill.clone(), guard });
    }

    /// Puts in force what the key `kill-guard` says; what `kill` says stays.
    pub fn apply_guard(&mut self, guard: &KillGuard) {
        self.experiments.switch(Switches { guard: guard.clone(), ..self.experiments.switches().clone() });
    }

    /// Whether other switches are in force. Asked at every refresh, so it copies nothing and reads no experiment.
    #[must_use]
    pub fn differs_from(&self, kill: &Kill, guard: &KillGuard) -> bool {
        let switches = self.experiments.switches();
        switches.kill != *kill || switches.guard != *guard
    }

    /// The ids of the experiments that are killed, in the document's order.
    #[must_use]
    pub fn killed(&self) -> Vec<&str> {
        let switches = self.experiments.switches();
        let ids = self.experiments.positions().filter_map(|at| self.experiments.id(at));
        ids.filter(|id| switches.kills(id)).collect()
    }
}
