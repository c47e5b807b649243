//! Who a visitor is, by the origin's word: its response header `Sortition-User`.

use super::personal;
use crate::document::Timestamp;
use crate::hash;
use crate::json::write::{Object, member};
use crate::plan::Plan;
use crate::visitor::{VisitorId, token};
use std::collections::VecDeque;

/// The event of an origin's word that a visitor is a user.
#[derive(Clone, Debug)]
pub struct Identification {
    /// The event's id.
    pub id: String,
    project: Box<str>,
    revision: Box<str>,
    at: String,
    visitor: Box<str>,
    user: Box<str>,
}

impl Identification {
    /// The event as JSON, as serde writes an [`super::Event`].
    pub(super) fn write(&self, out: &mut String) {
        let mut object = Object::begin(out);
        object.text(member!("id"), &self.id);
        object.text(member!("project"), &self.project);
        object.text(member!("config_revision"), &self.revision);
        object.text(member!("at"), &self.at);
        object.text(member!("anonymous_id"), &self.visitor);
        object.text(member!("user_id"), &self.user);
        object.text(member!("type"), "identified");
        object.end();
    }
}

/// The event of an origin's word that a visitor is a user, at `now`, in milliseconds since 1970; `None` for what is no
/// opaque key: empty, longer than 128 bytes, with control characters or what was no UTF-8, or like an e-mail address or
/// other personal data.
#[must_use]
pub fn identified(plan: &Plan, visitor: &VisitorId, user: &str, now: i64) -> Option<Identification> {
    let user = token::user(user.trim())?;
    (!personal::is_personal(user)).then(|| Identification {
        id: identification_id(&plan.project, visitor.as_str(), user),
        project: (*plan.project).into(),
        revision: (*plan.revision).into(),
        at: Timestamp::from_millis(now).text(),
        visitor: visitor.as_str().into(),
        user: user.into(),
    })
}

/// The id of an identification: of one visitor as one user.
#[must_use]
pub fn identification_id(project: &str, visitor: &str, user: &str) -> String {
    hash::event_id(&["identified", project, visitor, user])
}

/// What an isolate told of lately, so that an origin may send its header with every page of a user who is logged in.
#[derive(Clone, Debug, Default)]
pub struct Told {
    ids: VecDeque<u64>,
}

impl Told {
    /// How many are remembered. One that was forgotten is told again, and stored once all the same.
    pub const MOST: usize = 1024;

    /// Whether an event's id is told of for the first time; remembers it.
    pub fn first(&mut self, id: &str) -> bool {
        let id = id.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0);
        if self.ids.contains(&id) {
            return false;
        }
        if self.ids.len() >= Self::MOST {
            self.ids.pop_front();
        }
        self.ids.push_back(id);
        true
    }
}
