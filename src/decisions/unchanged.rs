//! What callers who poll were told: where nothing changed they are told so without deciding anew.

use crate::hash;
use crate::plan::Plan;
use std::rc::{Rc, Weak};

/// How many answers are remembered; each takes 64 bytes.
const SLOTS: usize = 512;

/// What was answered to calls, of one plan. A call is known by everything that its decisions look at, so the answer to the
/// same one is the same until the plan changes or a time comes at which one of its experiments starts, ends or grows.
#[derive(Debug)]
pub struct Unchanged<P> {
    /// The plan that the answers are of. It may be dropped meanwhile; its place is not given to another one.
    of: Weak<P>,
    slots: Vec<Option<Slot>>,
}

#[derive(Clone, Debug)]
struct Slot {
    call: [u8; 16],
    tag: Box<str>,
    until: i64,
}

impl<P> Default for Unchanged<P> {
    fn default() -> Self {
        Self { of: Weak::new(), slots: Vec::new() }
    }
}

/// What a call is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallKey([u8; 16]);

impl CallKey {
    /// The key of everything that decisions look at.
    #[must_use]
    pub fn of(parts: &[&str]) -> Self {
        Self(hash::key_of(parts))
    }

    fn slot(self) -> usize {
        let [first, second, ..] = self.0;
        usize::from(u16::from_le_bytes([first, second])) % SLOTS
    }
}

/// Until when what is decided at a time holds, both in milliseconds since 1970: the next time at which an experiment
/// starts, ends or grows.
#[must_use]
pub fn holds_until(plan: &Plan, now: i64) -> i64 {
    let times = plan.experiments.iter().flat_map(|e| {
        let steps = e.ramp.iter().map(|(at, _)| *at);
        e.starts_at.into_iter().chain(e.ends_at).chain(steps)
    });
    times.filter(|at| *at > now).min().unwrap_or(i64::MAX)
}

impl<P> Unchanged<P> {
    /// The entity tag of what a call was answered at a time in milliseconds since 1970, where it still holds.
    #[must_use]
    pub fn tag(&self, plan: &Rc<P>, call: CallKey, now: i64) -> Option<&str> {
        if !core::ptr::eq(self.of.as_ptr(), Rc::as_ptr(plan)) {
            return None;
        }
        let slot = self.slots.get(call.slot())?.as_ref()?;
        (slot.call == call.0 && now < slot.until).then_some(&*slot.tag)
    }

    /// Remembers the entity tag of an answer, which holds until a time.
    pub fn remember(&mut self, plan: &Rc<P>, call: CallKey, tag: &str, until: i64) {
        if !core::ptr::eq(self.of.as_ptr(), Rc::as_ptr(plan)) {
            *self = Self { of: Rc::downgrade(plan), slots: vec![None; SLOTS] };
        }
        if let Some(slot) = self.slots.get_mut(call.slot()) {
            *slot = Some(Slot { call: call.0, tag: tag.into(), until });
        }
    }
}
