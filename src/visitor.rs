//! Who asks: visitor id, assignments, consent, crawler, prefetch, device.

pub mod adopted;
pub mod agent;
pub mod assignments;
pub mod cookies;
pub mod crawler;
pub mod foreign;
pub mod handover;
pub mod hops;
mod id;
pub mod kept;
pub mod preview;
pub mod client;
pub mod token;

pub use id::{MAX_ID, VisitorId};
pub use kept::{Kept, Marks};

use crate::document::{CookieForm, VisitorSettings};
use assignments::Assignments;
use handover::Handover;
use token::Unverified;

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
    /// What another Sortition worker before this one says of them.
    pub handover: Option<Handover>,
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

/// Whether the visitor cookie is another tool's, in a form that we do not write.
#[must_use]
pub fn is_foreign(settings: &VisitorSettings) -> bool {
    settings.read != CookieForm::default()
}

/// Whether visitor ids are of our making: a cookie of another name may be another tool's.
fn are_ids_ours(settings: &VisitorSettings) -> bool {
    settings.cookie == VISITOR_COOKIE && !is_foreign(settings)
}

/// A visitor id that is named: in its cookie, or by a server, a form, a page of another site. Where the cookie is another
/// tool's, ids of that tool are ids.
#[must_use]
pub fn named(settings: &VisitorSettings, text: &str) -> Option<VisitorId> {
    if are_ids_ours(settings) { VisitorId::accept(text) } else { VisitorId::accept_foreign(text) }
}

/// A visitor id that a server or an order reports: alone, as `Sortition-Visitor` and `sortition.visitorId` have it, or with
/// its tag, as the cookie has it. What carries a tag must carry a right one, else it is an id that nobody has.
#[must_use]
pub fn reported(settings: &VisitorSettings, text: &str, secret: Option<&[u8]>) -> Option<VisitorId> {
    match secret.filter(|_| settings.signed && VisitorId::has_tag(text)) {
        Some(secret) => VisitorId::accept_signed(text, secret).map(|(id, _)| id),
        None => named(settings, text),
    }
}

/// What a visitor id is made of, for whoever named another text.
#[must_use]
pub fn no_visitor_id(settings: &VisitorSettings) -> &'static str {
    if are_ids_ours(settings) {
        "it is no visitor id: 8 to 128 characters of A-Za-z0-9._~-"
    } else {
        "it is no visitor id: 1 to 256 visible ASCII characters without @ \" , ; and backslash"
    }
}

/// What a session id is made of, for whoever named another text.
#[must_use]
pub fn no_session_id() -> &'static str {
    "it is no session id: 8 to 128 characters of A-Za-z0-9._~-"
}

/// The cookie in which the worker keeps an id that it made: the document's, or its own beside another tool's.
#[must_use]
pub fn own_cookie(settings: &VisitorSettings) -> &str {
    if is_foreign(settings) { VISITOR_COOKIE } else { &settings.cookie }
}
