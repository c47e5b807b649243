//! Reads the fields of a JSON object that somebody sent, and collects what is wrong with them.

use super::Problem;
use crate::condition::called;
use crate::document::{Id, Timestamp};
use crate::suggestion;
use serde_json::{Map, Value};

/// How far a clock may be ahead of ours, in milliseconds: five minutes.
pub(super) const MAX_AHEAD: i64 = 5 * 60 * 1000;

const HOUR: i64 = 3600 * 1000;

/// The longest time that a report may come after the fact, in milliseconds: 400 days. What claims to be older was dated
/// by a broken clock.
pub(super) const MAX_BEHIND: i64 = 400 * 24 * HOUR;

/// The same for an exposure that a page reports: what it met it tells within a day.
pub(super) const MAX_BEHIND_OF_PAGE: i64 = 24 * HOUR;

/// Our clock, and by how much the sender's differs, both in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) now: i64,
    /// What to add to the sender's times.
    pub(super) correction: i64,
}

/// One object, and where it stands in the body.
pub(super) struct Reader<'a> {
    pub(super) path: String,
    pub(super) fields: &'a Map<String, Value>,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// Notes what is wrong with a field.
    pub(super) fn complain(&mut self, name: &str, message: impl Into<String>) {
        let dot = if self.path.is_empty() || name.is_empty() { "" } else { "." };
        self.problems.push(Problem::new(format!("{}{dot}{name}", self.path), message));
    }

    /// Complains about every field that is not among the known ones.
    pub(super) fn allow(&mut self, known: &[&[&str]]) {
        let known: Vec<&str> = known.concat();
        let unknown: Vec<String> = self.fields.keys().filter(|name| !known.contains(&name.as_str())).cloned().collect();
        for name in unknown {
            let meant = suggestion::suggest(&name, known.iter().copied());
            let hint =
                meant.map_or_else(|| format!("known are {}", known.join(", ")), |it| format!("is `{it}` meant?"));
            let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            self.complain(&shown, format!("this field is not known: {hint}"));
        }
    }

    /// A field that is there and not null.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// A text of 1 to `longest` bytes without control characters.
    pub(super) fn text(&mut self, name: &str, longest: usize) -> Option<String> {
        let problem = match self.get(name)? {
            Value::String(text) if text.is_empty() => "it is empty: leave it out or give it a value".to_owned(),
            Value::String(text) if text.len() > longest => format!("{} bytes are more than {longest}", text.len()),
            Value::String(text) if text.chars().any(char::is_control) => "it holds control characters".to_owned(),
            Value::String(text) => return Some(text.clone()),
            other => format!("it is {}, and a text is needed", called(other)),
        };
        self.complain(name, problem);
        None
    }

    /// An opaque text: as [`Reader::text`], and nothing that looks personal.
    pub(super) fn opaque(&mut self, name: &str, longest: usize) -> Option<String> {
        let text = self.text(name, longest)?;
        if super::personal::is_personal(&text) {
            self.complain(name, super::personal::NOT_OPAQUE);
            return None;
        }
        Some(text)
    }

    /// An id of the document.
    pub(super) fn id(&mut self, name: &str) -> Option<String> {
        let text = self.text(name, 64)?;
        match Id::try_from(text) {
            Ok(id) => Some(id.into()),
            Err(problem) => {
                self.complain(name, problem);
                None
            }
        }
    }

    /// The field, or a complaint that it is missing. `read` has complained itself where the field is there and wrong.
    pub(super) fn required<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.get(name).is_none() {
            self.complain(name, "it is missing");
            return None;
        }
        read(self)
    }

    /// A time, by our clock; absent: now.
    pub(super) fn time(&mut self, name: &str, clock: Clock) -> Option<Timestamp> {
        self.time_within(name, clock, MAX_BEHIND)
    }

    /// A time that is at most `behind` milliseconds ago, by our clock; absent: now.
    pub(super) fn time_within(&mut self, name: &str, clock: Clock, behind: i64) -> Option<Timestamp> {
        if self.get(name).is_none() {
            return Some(Timestamp::from_millis(clock.now));
        }
        let problem = match self.text(name, 64)?.parse::<Timestamp>() {
            Err(problem) => problem,
            Ok(time) => match time.millis().saturating_add(clock.correction) {
                at if at > clock.now.saturating_add(MAX_AHEAD) => format!("{time} is in the future"),
                at if at < clock.now.saturating_sub(behind) => match behind / (24 * HOUR) {
                    ..=1 => format!("{time} is more than 24 hours ago"),
                    days => format!("{time} is more than {days} days ago"),
                },
                // why: nothing happens after it was reported
                at => return Some(Timestamp::from_millis(at.min(clock.now))),
            },
        };
        self.complain(name, problem);
        None
    }

    /// An id of 128 bits: 32 hexadecimal digits, or a UUID.
    pub(super) fn hex_id(&mut self, name: &str) -> Option<String> {
        let text = self.text(name, 64)?;
        let digits: String = text.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
        if digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Some(digits);
        }
        self.complain(name, "it is no id of 128 bits: use 32 hexadecimal digits");
        None
    }
}
