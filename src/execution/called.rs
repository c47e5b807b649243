//! What a decision by call leaves in the browser that asked: the same cookies that a page would.

use super::reply::visitor_cookies;
use super::{HeaderChange, sticky};
use crate::decide::Decision;
use crate::person;
use crate::plan::Plan;
use crate::url::Url;
use crate::visitor::{Marks, Visitor};

/// What follows of decisions for a browser's visitor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Called {
    /// The decisions, by position, that are the visitor's first exposure.
    pub first: Vec<usize>,
    /// The `Set-Cookie` values.
    pub cookies: Vec<String>,
    /// What the user's object is to hear; see [`crate::person`].
    pub shown_to_user: String,
}

/// What follows of the decisions of a call, of which `exposes` tells those that count as met. `url` is the call's own.
#[must_use]
pub fn called(
    plan: &Plan,
    visitor: &Visitor,
    (decisions, exposes): (&[Decision], impl Fn(&Decision) -> bool),
    url: &Url<'_>,
    secret: Option<&[u8]>,
    now: i64,
) -> Called {
    let met: Vec<Decision> = decisions.iter().filter(|decision| exposes(decision)).copied().collect();
    let mut assigned = sticky::assigned(plan, &met, visitor, now);
    let mut first = Vec::new();
    for (position, decision) in decisions.iter().enumerate().filter(|(_, decision)| exposes(decision)) {
        if sticky::is_first(plan, &assigned, decision, visitor, now) {
            first.push(position);
        }
        sticky::mark(plan, &mut assigned, decision, visitor, (true, true), now);
    }
    let mut changes = Vec::new();
    visitor_cookies(plan, (visitor, &assigned), url.whole, secret, now, &mut changes);
    let cookies = changes.into_iter().filter_map(|change| match change {
        HeaderChange::Append("Set-Cookie", cookie) => Some(cookie),
        _ => None,
    });
    let marks = Marks::of(visitor);
    let shown_to_user = person::news(plan, &visitor.assignments, &assigned, marks, now);
    Called { first, cookies: cookies.collect(), shown_to_user }
}
