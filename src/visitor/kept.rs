//! Which of a browser's assignments are those of the person who asks.
//!
//! What a visitor was given follows them into their login: the first user who comes after it takes it along. What a user
//! was given stays on the browser after logout, so that nobody changes variant in a checkout, but never for another user.
//! An assignment of a session ends with it.

use super::Visitor;
use super::assignments::{Assignments, Entry, mark_of};
use crate::document::UnitKind;
use crate::plan::{Experiment, ExperimentAt, Plan, VariantAt};

/// What tells a person's entries in a browser's assignments from those of others who use it: short hashes of their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
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
    /// The variant; `None`: held out.
    pub variant: Option<VariantAt>,
    /// What it was assigned by.
    pub unit: UnitKind,
}

impl Marks {
    /// A visitor's.
    #[must_use]
    pub fn of(visitor: &Visitor) -> Self {
        Self::new(visitor.user.as_deref(), visitor.session.as_ref().map(|(id, _)| id.as_str()))
    }

    /// Those of a user alone, of whose browser nothing is said.
    #[must_use]
    pub fn of_user(user: &str) -> Self {
        Self::new(Some(user), None)
    }

    /// The marks of these ids.
    #[must_use]
    pub fn new(user: Option<&str>, session: Option<&str>) -> Self {
        Self { user: user.map(mark_of), session: session.map(mark_of) }
    }

    /// What the person has of an experiment, at `now` in milliseconds since 1970.
    #[must_use]
    pub fn kept(self, plan: &Plan, at: ExperimentAt, assignments: &Assignments, now: i64) -> Option<Kept> {
        if assignments.is_empty() {
            return None;
        }
        let e = plan.experiments.get(at)?;
        let kept = self.own(e, assignments)?;
        // why: what somebody without a login was given must not bring the user who comes next into a second experiment of
        // a layer
        let whose = self.whose(assignments);
        let is_own = |kept: Kept| {
            let owner = assignments.entries().get(kept.position).and_then(|entry| entry.owner);
            owner.is_some() && owner == whose
        };
        let unclaimed = !is_own(kept);
        let displaced = unclaimed
            && e.unit == UnitKind::User
            && e.layer.and_then(|part| plan.layers.get(part.layer)).is_some_and(|layer| {
                layer.iter().filter(|other| **other != at).filter_map(|&other| plan.experiments.get(other)).any(
                    |other| {
                        let own = self.own(other, assignments).filter(|own| own.variant.is_some());
                        own.is_some_and(is_own) && other.holds_layer(now)
                    },
                )
            });
        if displaced { None } else { Some(kept) }
    }

    /// Whose the browser is: the user's who is logged in, else of the one who was here last.
    fn whose(self, assignments: &Assignments) -> Option<u32> {
        self.user.or(assignments.last_user())
    }

    /// The same without a look at other experiments: the entry that is most theirs, and of equals the youngest.
    fn own(self, e: &Experiment, assignments: &Assignments) -> Option<Kept> {
        let whose = self.whose(assignments);
        let mut best: Option<(u8, Kept)> = None;
        for (position, entry) in assignments.entries().iter().enumerate() {
            if entry.key != e.assignment_key {
                continue;
            }
            let variant = e.variant_of_code(entry.code);
            if variant.is_none() && entry.code != e.held_out_code {
                continue;
            }
            let Some(rank) = self.rank(e, entry, whose, assignments.session()) else { continue };
            if best.is_none_or(|(highest, _)| rank >= highest) {
                best = Some((rank, Kept { position, variant, unit: entry.unit }));
            }
        }
        best.map(|(_, kept)| kept)
    }

    /// How much an entry is theirs; `None`: not at all.
    fn rank(self, e: &Experiment, entry: &Entry, whose: Option<u32>, session: Option<u32>) -> Option<u8> {
        if entry.unit == UnitKind::Session && (self.session.is_none() || self.session != session) {
            return None;
        }
        // why: an experiment of visitors is the browser's, whoever uses it
        if e.unit != UnitKind::User || (entry.owner.is_some() && entry.owner == whose) {
            return Some(2);
        }
        match entry.owner {
            None => Some(1),
            // why: a user took it along, and yet it is the visitor id that was assigned: of one unit there is one variant
            Some(_) if self.user.is_none() && entry.unit == UnitKind::Visitor => Some(0),
            Some(_) => None,
        }
    }

    /// Another experiment of the same layer that the person has an assignment in, and that takes up the layer: they enter
    /// no second one. What is assigned to the browser is assigned to everybody who uses it, so for an experiment of
    /// visitors everybody's assignments count.
    #[must_use]
    pub fn holds_layer(
        self,
        plan: &Plan,
        at: ExperimentAt,
        assignments: &Assignments,
        now: i64,
    ) -> Option<ExperimentAt> {
        if assignments.is_empty() {
            return None;
        }
        let e = plan.experiments.get(at)?;
        let layer = plan.layers.get(e.layer?.layer)?;
        layer.iter().copied().find(|&other| {
            if other == at {
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
