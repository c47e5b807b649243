//! Who asks: visitor id, assignments, consent, crawler, prefetch, device.

pub mod agent;
pub mod assignments;
pub mod cookies;
pub mod crawler;
mod id;
pub mod kept;
pub mod preview;
pub mod reading;
pub mod token;

pub use id::VisitorId;
pub use kept::{Kept, Viewer};

use assignments::Assignments;
use token::Unverified;

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
    /// What they consented to.
    pub consent: Consented,
    /// A token that names a user, of which only the runtime can tell whether it is signed.
    pub unproven: Option<Unverified>,
}

/// What a person consented to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consented {
    /// To all of it, or nobody asks.
    #[default]
    All,
    /// To nothing yet: they are assigned and keep their variant, and exposures wait.
    Waits,
    /// To nothing: only what is essential runs, and nothing is recorded.
    OnlyEssential,
}
