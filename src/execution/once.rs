//! What an isolate exposed lately, so that it tells nobody twice a day what a cookie cannot say: that an element was met
//! after the page's headers were out, or that an assignment found no place in a full cookie.

use super::{Intent, sticky};
use crate::document::UnitKind;
use crate::hash;
use crate::plan::Plan;
use std::collections::{HashSet, VecDeque};

const DAY_MS: i64 = 86_400_000;

/// So many assignments always find a place in the cookie.
const ALWAYS_FIT: usize = 200;

/// The exposures of one day, by their keys, the newest of them.
#[derive(Clone, Debug, Default)]
pub struct Exposed {
    day: i64,
    keys: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Exposed {
    /// How many are remembered: 300 KB. What was forgotten is sent again, and stored once all the same.
    pub const MOST: usize = 8192;

    /// Whether this was exposed today. `now` in milliseconds since 1970.
    #[must_use]
    pub fn knows(&self, key: u64, now: i64) -> bool {
        self.day == now.div_euclid(DAY_MS) && self.keys.contains(&key)
    }

    /// Remembers an exposure; whether it is new.
    pub fn note(&mut self, key: u64, now: i64) -> bool {
        let day = now.div_euclid(DAY_MS);
        if self.day != day {
            *self = Self { day, ..Self::default() };
        }
        if !self.keys.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > Self::MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
        }
        true
    }
}

impl Intent {
    /// Takes from the isolate's memory which of the decisions were exposed today, to this very variant: they are not
    /// exposed again, and the cookie says so from now on.
    #[inline(never)]
    pub fn recall(&mut self, plan: &Plan, exposed: &Exposed) {
        // why: who has just been given an id cannot have met anything by it
        if !self.visitor().is_some_and(|visitor| visitor.returning) {
            return;
        }
        let is_open = |position: &usize| {
            let (Some(decision), Some(visitor)) = (self.decisions.get(*position), self.visitor()) else { return false };
            sticky::is_first(plan, &self.assignments, decision, visitor, self.now)
        };
        let known =
            |position: &usize| self.exposure_key(plan, *position).is_some_and(|key| exposed.knows(key, self.now));
        self.exposed_before = (0..self.decisions.len()).filter(is_open).filter(known).collect();
    }

    /// Whether the cookie of assignments may be too full to keep all of them.
    #[must_use]
    pub fn may_overflow(&self) -> bool {
        self.assignments.entries().len() > ALWAYS_FIT
    }

    /// What an exposure of a decision is remembered by: the unit, the experiment's iteration and the variant.
    #[must_use]
    pub fn exposure_key(&self, plan: &Plan, position: usize) -> Option<u64> {
        let decision = self.decisions.get(position)?;
        let (_, e, variant) = sticky::decided(plan, std::slice::from_ref(decision)).next()?;
        let visitor = self.visitor()?;
        let unit = match decision.evidence.unit? {
            UnitKind::Visitor => visitor.id.as_str(),
            UnitKind::User => visitor.user.as_deref()?,
            UnitKind::Session => visitor.session.as_ref().map(|(id, _)| id.as_str())?,
        };
        let id = hash::event_id(&["exposed", &plan.project, &e.id, &e.iteration.to_string(), unit, variant]);
        u64::from_str_radix(id.get(..16)?, 16).ok()
    }
}
