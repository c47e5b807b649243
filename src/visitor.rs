//! Who asks: visitor id, assignments, consent, crawler, prefetch, device.

pub mod agent;
pub mod assignments;
pub mod cookies;
pub mod crawler;
pub mod handover;
mod id;
pub mod kept;
pub mod preview;
pub mod reading;
pub mod token;

pub use id::VisitorId;
pub use kept::{Kept, Viewer};

use assignments::Assignments;
use handover::Handover;

/// The name of the session cookie.
pub const SESSION_COOKIE: &str = "sortition_session";

/// A person who asks, by everything that their request brought along.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The visitor id, brought along or made just now.
    pub id: VisitorId,
    /// Whether it was brought along.
    pub returning: bool,
    /// The shop's user id, of a person who is logged in.
    pub user: Option<String>,
    /// The session id and whether it was brought along; only where an experiment of the page asks for one.
    pub session: Option<(VisitorId, bool)>,
    /// What they were assigned before.
    pub assignments: Assignments,
    /// What another Sortition worker before this one says of them.
    pub handover: Option<Handover>,
}
