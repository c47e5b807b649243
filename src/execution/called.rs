//! What a decision by call leaves in the browser that asked: the same cookies that a page would.

use super::sticky;
use crate::decide::Decision;
use crate::plan::Plan;
use crate::url::Url;
use crate::visitor::assignments::{self, Assignments};
use crate::visitor::cookies::Jar;
use crate::visitor::{SESSION_COOKIE, Visitor, own_cookie};

/// What follows of decisions for a browser's visitor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Called {
    /// The decisions, by position, that are the visitor's first exposure.
    pub first: Vec<usize>,
    /// The `Set-Cookie` values.
    pub cookies: Vec<String>,
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
    Called { first, cookies: visitor_cookies(plan, visitor, &assigned, &Jar::new(plan, url), secret, now) }
}

/// The cookies of a visitor that are new or changed.
pub(super) fn visitor_cookies(
    plan: &Plan,
    visitor: &Visitor,
    assigned: &Assignments,
    jar: &Jar<'_>,
    secret: Option<&[u8]>,
    now: i64,
) -> Vec<String> {
    let settings = &plan.visitor;
    let mut cookies = Vec::new();
    if !visitor.returning {
        let value = match secret.filter(|_| settings.signed) {
            Some(secret) => visitor.id.signed(secret),
            None => visitor.id.as_str().to_owned(),
        };
        cookies.push(if settings.http_only {
            jar.lasting_http_only(own_cookie(settings), &value)
        } else {
            jar.lasting(own_cookie(settings), &value)
        });
    }
    if let Some((session, false)) = &visitor.session {
        cookies.push(jar.until_closed(SESSION_COOKIE, session.as_str()));
    }
    if assigned.is_news_to(&visitor.assignments) {
        let key = secret.map(assignments::tag_key);
        let value = assigned.encode(visitor.id.as_str(), key.as_ref(), |entry| sticky::is_current(plan, entry, now));
        cookies.push(jar.lasting_http_only(assignments::COOKIE, &value));
    }
    cookies
}
