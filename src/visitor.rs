//! Who asks: visitor id, assignments, consent, crawler, prefetch, device.

pub mod agent;
pub mod assignments;
pub mod cookies;
pub mod crawler;
pub mod foreign;
mod id;
pub mod kept;
pub mod preview;
pub mod reading;
pub mod token;

pub use id::VisitorId;
pub use kept::{Kept, Viewer};

use crate::document::{CookieForm, VisitorSettings};
use assignments::Assignments;

/// The name of the visitor cookie, where the document gives it none.
pub const VISITOR_COOKIE: &str = "sortition_id";

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
}

/// Whether the visitor cookie is another tool's, in a form that we do not write.
#[must_use]
pub fn is_foreign(settings: &VisitorSettings) -> bool {
    settings.read != CookieForm::default()
}

/// The cookie in which the worker keeps an id that it made: the document's, or its own beside another tool's.
#[must_use]
pub fn own_cookie(settings: &VisitorSettings) -> &str {
    if is_foreign(settings) { VISITOR_COOKIE } else { &settings.cookie }
}
