//! What an isolate remembers: the plan, how it came by it, and counters. Nothing of a request.

pub(super) use crate::configuration::Loaded;

use crate::configuration::Configuration;
use crate::events::Batch;
use crate::execution::breaker::Breakers;
use crate::plan::Plan;
use crate::visit::World;
use crate::visitor::token::Verified;
#[cfg(not(feature = "services"))]
use crate::{
    events::{Served, health::Tally, identity::Told},
    execution::{once::Exposed, shared::Copies},
    plan::MissingSecret,
};
use std::cell::RefCell;
use std::rc::Rc;

/// The isolate's memory.
#[derive(Default)]
pub(super) struct Isolate {
    /// The plan in force, and how it came about.
    pub(super) config: Configuration,
    /// The signing secret.
    pub(super) secret: Option<Vec<u8>>,
    /// What users are checked with.
    pub(super) user_secrets: Rc<UserSecrets>,
    /// Whether there is a queue for events.
    pub(super) has_queue: bool,
    /// A plan that was read, and the hash of its document's text, which is handed over next.
    pub(super) plan_in_hand: Option<(String, Box<Plan>)>,
    /// Random bytes for ids that are yet to be made, each taken once.
    pub(super) random: Vec<[u8; 16]>,
    /// Exposures put into messages.
    pub(super) exposures: u64,
    /// Calls that were told that nothing changed, without deciding anew.
    #[cfg(feature = "services")]
    pub(super) unchanged: u64,
    /// The tokens of users that were found to be signed.
    pub(super) tokens: Verified,
    /// Whether there are objects that keep what users were assigned.
    pub(super) has_people: bool,
    /// The circuit breakers of variant origins, and of what keeps users' assignments.
    pub(super) breakers: Breakers,
    /// What visits of pages are remembered by.
    #[cfg(not(feature = "services"))]
    pub(super) pages: Pages,
}

/// What only visits of pages need.
#[cfg(not(feature = "services"))]
#[derive(Default)]
pub(super) struct Pages {
    /// What it served.
    pub(super) counts: Counts,
    /// What it knows of shared copies.
    pub(super) copies: Copies,
    /// What it exposed today, where a cookie may not say so.
    pub(super) exposed: Exposed,
    /// Which secrets the document needs and does not have.
    pub(super) missing_secrets: Vec<MissingSecret>,
    /// How many crawlers its messages told of.
    pub(super) crawlers_told: u64,
    /// How often shadows agreed with the old tool.
    pub(super) shadows: crate::shadow::Tally,
    /// How the origin answered each variant's group.
    pub(super) health: Tally,
    /// Which visitors it told to be which users, by the origin's word.
    pub(super) identified: Told,
}

/// What users are checked with; a secret that is empty is none.
#[derive(Default)]
pub(super) struct UserSecrets {
    /// `INGEST_SECRET`.
    pub(super) ingest: Option<Vec<u8>>,
    /// `USER_JWT_SECRET`.
    pub(super) token: Option<Vec<u8>>,
}

/// What an isolate served.
#[cfg(not(feature = "services"))]
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    /// Requests of crawlers on pages with experiments.
    pub(super) crawlers: u64,
    /// Requests of people on pages with experiments.
    pub(super) visits: u64,
    /// Pages that could not be rewritten.
    pub(super) not_rewritten: NotRewrittenCounts,
}

/// Pages that left as they came although something of them was to be rewritten.
#[cfg(not(feature = "services"))]
#[derive(Clone, Copy, Default)]
pub(super) struct NotRewrittenCounts {
    /// The origin forbade it.
    pub(super) forbidden: u64,
    /// By their charset.
    pub(super) charset: u64,
    /// By their content coding.
    pub(super) encoding: u64,
}

/// What ids are checked and signed with.
#[derive(Default)]
pub(super) struct Secrets {
    /// The signing secret.
    pub(super) own: Option<Vec<u8>>,
    /// What users are checked with.
    pub(super) users: Rc<UserSecrets>,
}

impl Secrets {
    /// The isolate's.
    pub(super) fn known() -> Self {
        with(|isolate| Self::of(isolate)).unwrap_or_default()
    }

    /// The same, for whoever has the isolate's memory at hand.
    pub(super) fn of(isolate: &Isolate) -> Self {
        Self { own: isolate.secret.clone(), users: Rc::clone(&isolate.user_secrets) }
    }

    /// The world of a request at `now`, in milliseconds since 1970, of which nobody was asked anything yet.
    pub(super) fn world(&self, now: i64) -> World<'_> {
        World {
            now,
            secret: self.own.as_deref(),
            ingest_secret: self.users.ingest.as_deref(),
            token_secret: self.users.token.as_deref(),
            ..World::default()
        }
    }
}

thread_local! {
    static ISOLATE: &'static RefCell<Isolate> = untouched();
}

// why: whoever works on the memory would have in it how it is made, and how it is dropped, which it never is
#[inline(never)]
fn untouched() -> &'static RefCell<Isolate> {
    Box::leak(Box::default())
}

/// Works on the isolate's memory. Never across an await, and never nested.
pub(super) fn with<T>(work: impl FnOnce(&mut Isolate) -> T) -> Option<T> {
    ISOLATE.with(|isolate| isolate.try_borrow_mut().ok().map(|mut isolate| work(&mut isolate)))
}

/// The last good plan.
pub(super) fn loaded() -> Option<Rc<Loaded>> {
    with(|isolate| isolate.config.loaded().cloned()).flatten()
}

/// Events for the queue, as visits in JSON, one a line; `None` where there is no queue.
#[cfg(feature = "services")]
pub(super) fn message(events: &[crate::events::Event]) -> Option<String> {
    with(|isolate| {
        let events = Batch::events(events);
        isolate.has_queue.then(|| {
            isolate.exposures += events.exposures;
            events.visits(None, &[])
        })
    })
    .flatten()
}

/// What a page request at `now`, in milliseconds since 1970, has for the queue, with the origin's health where that is
/// due: visits in JSON, one a line. `None` where there is neither an event nor that.
#[cfg(not(feature = "services"))]
pub(super) fn page_message(events: &Batch, now: i64) -> Option<String> {
    with(|isolate| page_visits(isolate, events, now)).flatten()
}

/// The same, for whoever has the isolate's memory at hand.
#[cfg(not(feature = "services"))]
pub(super) fn page_visits(isolate: &mut Isolate, events: &Batch, now: i64) -> Option<String> {
    if events.is_empty() && !isolate.pages.health.is_overdue(now) {
        return None;
    }
    let health = isolate.pages.health.with_events(now);
    if !isolate.has_queue {
        return None;
    }
    isolate.exposures += events.exposures;
    // why: nothing else tells of crawlers, and a visit that has no news of them stays as short as it was
    let counts = isolate.pages.counts;
    let news = counts.crawlers > isolate.pages.crawlers_told;
    isolate.pages.crawlers_told = counts.crawlers;
    let served = news.then_some(Served { crawlers: counts.crawlers, visits: counts.visits });
    Some(events.visits(served, &health))
}
