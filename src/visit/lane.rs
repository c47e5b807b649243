//! Which way a request goes, by its method and URL alone: the question that every request is asked.

use crate::document::Preview;
use crate::plan::{Plan, Presence};
use crate::url::Url;
use crate::visitor::preview;

/// The path below which our own endpoints are.
pub const ENDPOINTS: &str = "/_sortition";

/// Which way a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Nothing applies: the origin's answer, byte for byte.
    Untouched,
    /// Something may apply: [`super::Visit::begin`] says what.
    Page,
    /// Nothing but what a preview shows: a page where the preview's cookie is there, else untouched.
    Previewable,
    /// One of our own endpoints.
    Endpoint,
}

/// Whether a path is one of ours.
#[must_use]
pub fn is_reserved(path: &str) -> bool {
    path.strip_prefix(ENDPOINTS).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Which way a request goes; without a plan nothing applies. `now` in milliseconds since 1970.
#[must_use]
pub fn lane(plan: Option<&Plan>, method: &str, url: &Url<'_>, now: i64) -> Lane {
    if is_reserved(url.path) {
        return Lane::Endpoint;
    }
    let Some(plan) = plan else { return Lane::Untouched };
    let previews = plan.preview != Preview::Off;
    match plan.presence(method, url, now) {
        Presence::Live => Lane::Page,
        _ if previews && url.query.contains(preview::NAME) => Lane::Page,
        Presence::Previewable if previews => Lane::Previewable,
        _ => Lane::Untouched,
    }
}
