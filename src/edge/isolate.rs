//! What an isolate remembers: the plan, how it came by it, and counters. Nothing of a request.

pub(super) use crate::configuration::Loaded;

use crate::configuration::Configuration;
use crate::events::health::{OriginHealth, Tally};
use crate::events::identity::Told;
use crate::events::signature::Used;
use crate::events::{Batch, Event, Served};
use crate::execution::breaker::Breakers;
use crate::execution::once::Exposed;
use crate::execution::shared::Copies;
use crate::plan::MissingSecret;
use crate::visitor::token::Verified;
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
    /// The tokens of users that were found to be signed.
    pub(super) tokens: Verified,
    /// Whether there are objects that keep what users were assigned.
    pub(super) has_people: bool,
    /// Whether there is a queue for events.
    pub(super) has_queue: bool,
    /// Random bytes for ids that are yet to be made, each taken once.
    pub(super) random: Vec<[u8; 16]>,
    /// How many visits it told of, as whoever numbers them says.
    pub(super) messages: u64,
    /// The circuit breakers of variant origins.
    pub(super) breakers: Breakers,
    /// What it served.
    pub(super) counts: Counts,
    /// What it knows of shared copies.
    pub(super) copies: Copies,
    /// What it exposed today, where a cookie may not say so.
    pub(super) exposed: Exposed,
    /// Which secrets the document needs and does not have.
    pub(super) missing_secrets: Vec<MissingSecret>,
    /// What the rewriter's steps met, as JSON.
    pub(super) hits: Option<Box<serde_json::value::RawValue>>,
    /// How many crawlers its messages told of.
    pub(super) crawlers_told: u64,
    /// How often shadows agreed with the old tool.
    pub(super) shadows: crate::shadow::Tally,
    /// How the origin answered each variant's group.
    pub(super) health: Tally,
    /// Which visitors it told to be which users, by the origin's word.
    pub(super) identified: Told,
    /// The signatures of servers' requests that it accepted.
    pub(super) signatures: Used,
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
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    /// Requests of crawlers on pages with experiments.
    pub(super) crawlers: u64,
    /// Requests of people on pages with experiments.
    pub(super) visits: u64,
    /// Exposures put into messages.
    pub(super) exposures: u64,
    /// Calls that were told that nothing changed, without deciding anew.
    pub(super) unchanged: u64,
    /// Pages that could not be rewritten.
    pub(super) not_rewritten: NotRewrittenCounts,
}

/// Pages that left as they came although something of them was to be rewritten.
#[derive(Clone, Copy, Default, serde::Serialize)]
pub(super) struct NotRewrittenCounts {
    /// The origin forbade it.
    pub(super) forbidden: u64,
    /// By their charset.
    pub(super) charset: u64,
    /// By their content coding.
    pub(super) encoding: u64,
}

thread_local! {
    static ISOLATE: RefCell<Isolate> = RefCell::default();
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
pub(super) fn message(events: &[Event]) -> Option<String> {
    with(|isolate| sealed(isolate, &Batch::events(events), &[])).flatten()
}

/// What a page request at `now`, in milliseconds since 1970, has for the queue, with the origin's health where that is
/// due: visits in JSON, one a line. `None` where there is neither an event nor that.
pub(super) fn page_message(events: &Batch, now: i64) -> Option<String> {
    with(|isolate| page_visits(isolate, events, now)).flatten()
}

/// The same, for whoever has the isolate's memory at hand.
pub(super) fn page_visits(isolate: &mut Isolate, events: &Batch, now: i64) -> Option<String> {
    if events.is_empty() && !isolate.health.is_overdue(now) {
        return None;
    }
    let health = isolate.health.with_events(now);
    sealed(isolate, events, &health)
}

fn sealed(isolate: &mut Isolate, events: &Batch, health: &[OriginHealth]) -> Option<String> {
    if !isolate.has_queue {
        return None;
    }
    isolate.counts.exposures += events.exposures;
    // why: nothing else tells of crawlers, and a visit that has no news of them stays as short as it was
    let news = isolate.counts.crawlers > isolate.crawlers_told;
    isolate.crawlers_told = isolate.counts.crawlers;
    let served = news.then_some(Served { crawlers: isolate.counts.crawlers, visits: isolate.counts.visits });
    Some(events.visits(served, health))
}
