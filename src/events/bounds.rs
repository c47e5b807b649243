//! The bounds of an event's texts, in bytes. What no bound holds makes messages that the queue refuses.

use super::{Event, PageView, What};
use crate::visitor::MAX_ID as MAX_UNIT;

/// A host: what DNS allows.
pub(super) const MAX_HOST: usize = 253;
/// A path; longer ones are cut.
pub(super) const MAX_PATH: usize = 1024;
/// A method.
pub(super) const MAX_METHOD: usize = 32;
/// A word of a page view: country, region, device, browser.
pub(super) const MAX_WORD: usize = 64;
/// A project, a revision: what a document may say.
const MAX_NAME: usize = 200;
/// An id of a transaction.
pub(super) const MAX_KEY: usize = 128;
/// An id of an experiment, a variant, an event's name.
const MAX_ID: usize = 64;
/// Why an experiment ended.
const MAX_REASON: usize = 256;

/// The text, or as much of its beginning as fits.
pub(super) fn cut(mut text: String, longest: usize) -> String {
    text.truncate(beginning(&text, longest).len());
    text
}

/// The same of a text that is somebody else's.
pub(super) fn beginning(text: &str, longest: usize) -> &str {
    if text.len() <= longest {
        return text;
    }
    (0..=longest).rev().find_map(|end| text.get(..end)).unwrap_or("")
}

impl PageView {
    /// The view with every text within its bound: a path, a word is cut, a host that is too long is none.
    #[must_use]
    pub(super) fn bounded(self) -> Self {
        let word = |text: Option<String>| text.map(|text| cut(text, MAX_WORD));
        Self {
            host: cut(self.host, MAX_HOST),
            path: cut(self.path, MAX_PATH),
            method: cut(self.method, MAX_METHOD),
            country: word(self.country),
            region: word(self.region),
            device: word(self.device),
            browser: word(self.browser),
            referrer_host: self.referrer_host.filter(|host| host.len() <= MAX_HOST),
            visitor_type: word(self.visitor_type),
            logged_in: self.logged_in,
        }
    }
}

/// The first text of an event that is longer than its bound: the field, and the bound.
pub(super) fn too_long(event: &Event) -> Option<(&'static str, usize)> {
    let own = [
        ("project", Some(&event.project), MAX_NAME),
        ("config_revision", Some(&event.config_revision), MAX_NAME),
        ("anonymous_id", event.anonymous_id.as_ref(), MAX_UNIT),
        ("user_id", event.user_id.as_ref(), MAX_UNIT),
    ];
    let rest = match &event.what {
        What::Exposed(it) => [
            ("experiment_id", Some(&it.experiment_id), MAX_ID),
            ("variant", Some(&it.variant), MAX_ID),
            ("session_id", it.session_id.as_ref(), MAX_UNIT),
            ("reason", Some(&it.reason), MAX_ID),
            ("unit", Some(&it.unit), MAX_ID),
        ],
        What::Converted(it) => [
            ("conversion_event", Some(&it.conversion_event), MAX_ID),
            ("transaction_id", it.transaction_id.as_ref(), MAX_KEY),
            ("refund_of", it.refund_of.as_ref(), MAX_KEY),
            ("experiment_id", it.experiment_id.as_ref(), MAX_ID),
            ("variant", it.variant.as_ref(), MAX_ID),
        ],
        What::EndedEarly(it) => [
            ("experiment_id", Some(&it.experiment_id), MAX_ID),
            ("variant", it.variant.as_ref(), MAX_ID),
            ("ended_reason", Some(&it.ended_reason), MAX_REASON),
            ("", None, 0),
            ("", None, 0),
        ],
        What::Identified => [("", None, 0); 5],
    };
    own.into_iter()
        .chain(rest)
        .find(|(_, text, longest)| text.is_some_and(|text| text.len() > *longest))
        .map(|(field, _, longest)| (field, longest))
}
