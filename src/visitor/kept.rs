//! Which of a browser's assignments are those of the person who asks.
//!
//! What a visitor was given follows them into their login: the first user who comes after it takes it along. What a user
//! was given stays on the browser after logout, so that nobody changes variant in a checkout, but never for another user.
//! An assignment of a session ends with it.

use super::assignments::{Assignments, Entry, mark_of};
use crate::document::UnitKind;
use crate::plan::{Experiment, Plan};

/// Who asks, by what tells their assignments from those of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Viewer {
    /// The fingerprint of the user who is logged in.
    pub user: Option<u32>,
    /// The fingerprint of the browser session.
    pub session: Option<u32>,
}

/// An assignment that the person has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its position among the entries.
    pub position: usize,
    /// The variant, by index; `None`: held out.
    pub variant: Option<usize>,
    /// What it was assigned by.
    pub unit: UnitKind,
}

impl Viewer {
    /// The viewer of these ids.
    #[must_use]
    pub fn new(user: Option<&str>, session: Option<&str>) -> Self {
        Self { user: user.map(mark_of), session: session.map(mark_of) }
    }

    /// What the person has of an experiment, at `now` in milliseconds since 1970.
    #[must_use]
    pub fn kept(self, plan: &Plan, index: usize, assignments: &Assignments, now: i64) -> Option<Kept> {
        if assignments.is_empty() {
            return None;
        }
        let e = plan.experiments.get(index)?;
        let kept = self.own(e, assignments)?;
        // why: what somebody without a login was given while nobody's turn it was must not bring the user who comes next
        // into a second experiment of a layer
        let unclaimed = assignments.entries().get(kept.position).is_some_and(|entry| entry.owner.is_none());
        let displaced = unclaimed
            && e.unit == UnitKind::User
            && e.layer.and_then(|part| plan.layers.get(part.layer)).is_some_and(|layer| {
                layer.iter().filter(|other| **other != index).filter_map(|&other| plan.experiments.get(other)).any(
                    |other| {
                        let own = self.own(other, assignments).filter(|own| own.variant.is_some());
                        let entry = own.and_then(|own| assignments.entries().get(own.position));
                        entry.is_some_and(|entry| entry.owner.is_some()) && other.holds_layer(now)
                    },
                )
            });
        if displaced { None } else { Some(kept) }
    }

    /// The same without a look at other experiments: the entry that is most theirs, and of equals the youngest.
    fn own(self, e: &Experiment, assignments: &Assignments) -> Option<Kept> {
        let whose = self.user.or(assignments.last_user());
        let mut best: Option<(bool, Kept)> = None;
        for (position, entry) in assignments.entries().iter().enumerate() {
            if entry.key != e.assignment_key || !self.belongs(e, entry, whose, assignments.session()) {
                continue;
            }
            let variant = e.variant_of_code(entry.code);
            if variant.is_none() && entry.code != e.held_out_code {
                continue;
            }
            let is_own = entry.owner.is_some();
            if best.is_none_or(|(own, _)| is_own || !own) {
                best = Some((is_own, Kept { position, variant, unit: entry.unit }));
            }
        }
        best.map(|(_, kept)| kept)
    }

    fn belongs(self, e: &Experiment, entry: &Entry, whose: Option<u32>, session: Option<u32>) -> bool {
        if entry.unit == UnitKind::Session && (self.session.is_none() || self.session != session) {
            return false;
        }
        // why: an experiment of visitors is the browser's, whoever uses it
        e.unit != UnitKind::User || entry.owner.is_none() || entry.owner == whose
    }

    /// Another experiment of the same layer that the person has an assignment in, and that takes up the layer: they enter
    /// no second one. What is assigned to the browser is assigned to everybody who uses it, so for an experiment of
    /// visitors everybody's assignments count.
    #[must_use]
    pub fn holds_layer(self, plan: &Plan, index: usize, assignments: &Assignments, now: i64) -> Option<usize> {
        if assignments.is_empty() {
            return None;
        }
        let e = plan.experiments.get(index)?;
        let layer = plan.layers.get(e.layer?.layer)?;
        layer.iter().copied().find(|&other| {
            if other == index {
                return false;
            }
            let Some(rival) = plan.experiments.get(other).filter(|rival| rival.sticky && rival.holds_layer(now)) else {
                return false;
            };
            let somebody_has = || {
                assignments.entries().iter().any(|entry| {
                    entry.key == rival.assignment_key
                        && entry.unit != UnitKind::Session
                        && rival.variant_of_code(entry.code).is_some()
                })
            };
            self.kept(plan, other, assignments, now).is_some_and(|kept| kept.variant.is_some())
                || (e.unit != UnitKind::User && somebody_has())
        })
    }
}
