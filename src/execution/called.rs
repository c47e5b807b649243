//! What a decision by call leaves in the browser that asked: the same cookies that a page would.

use super::reply::visitor_cookies;
use super::{Besides, HeaderChange, sticky};
use crate::decide::Decision;
use crate::person;
use crate::plan::Plan;
use crate::url::Url;
use crate::visitor::{Consented, Marks, Visitor};

/// What follows of decisions for a browser's visitor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Called {
    /// The decisions, by position, that are the visitor's first exposure.
    pub first: Vec<usize>,
    /// Exposures that waited for the consent that is there now.
    pub besides: Vec<Besides>,
    /// The `Set-Cookie` values.
    pub cookies: Vec<String>,
    /// What the user's object is to hear; see [`crate::person`].
    pub shown_to_user: String,
}

/// What follows of the decisions of a call, of which `exposes` tells those that count as met; none where it is absent. `url`
/// is the call's own. Who is asked to consent is recorded as on a page: what they met waits, and is told once they did.
#[must_use]
pub fn called(
    plan: &Plan,
    visitor: &Visitor,
    (decisions, exposes): (&[Decision], Option<impl Fn(&Decision) -> bool>),
    url: &Url<'_>,
    secret: Option<&[u8]>,
    now: i64,
) -> Called {
    let (consents, waits) = (visitor.consent == Consented::All, visitor.consent == Consented::Waits);
    let is_met = |decision: &Decision| (consents || waits) && exposes.as_ref().is_some_and(|exposes| exposes(decision));
    let met: Vec<Decision> = decisions.iter().filter(|decision| is_met(decision)).copied().collect();
    let mut assigned = sticky::assigned(plan, &met, visitor, now);
    let mut besides = Vec::new();
    if consents && exposes.is_some() {
        // why: before the call's own, of which some may have waited
        besides = sticky::released(plan, &mut assigned, visitor, now);
    }
    let mut first = Vec::new();
    for (position, decision) in decisions.iter().enumerate().filter(|(_, decision)| is_met(decision)) {
        if sticky::is_first(plan, &assigned, decision, visitor, now) {
            if waits {
                sticky::wait(plan, &mut assigned, decision, visitor, now);
            } else {
                first.push(position);
            }
        }
        sticky::mark(plan, &mut assigned, decision, visitor, (consents, true), now);
    }
    let mut changes = Vec::new();
    visitor_cookies(plan, (visitor, &assigned), url.whole, secret, now, &mut changes);
    let cookies = changes.into_iter().filter_map(|change| match change {
        HeaderChange::Append("Set-Cookie", cookie) => Some(cookie),
        _ => None,
    });
    let marks = Marks::of(visitor);
    let news = || person::news(plan, &visitor.assignments, &assigned, marks, now);
    let shown_to_user = if consents { news() } else { String::new() };
    Called { first, besides, cookies: cookies.collect(), shown_to_user }
}
