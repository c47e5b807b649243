//! What a visitor was assigned and exposed to, as the cookie `sortition_as` carries it.
//!
//! `1~hero.1.bold.gu2*~price.3.control.gu0@Ab3d`: the format's version, then an entry per experiment: its id, iteration
//! and variant, the day it was last written (days since 1970 in base 36), then marks: `*` exposed, `+` displayed (with a
//! fingerprint of the session where it may be displayed once in each), and `@` with a fingerprint of the user or session
//! that it belongs to. Readable on purpose: it is what support is asked about. No character needs quoting in a cookie, and none of the separators occurs in an id.

use crate::cut;

/// The cookie's name.
pub const COOKIE: &str = "sortition_as";

/// The longest value, in bytes. Browsers keep 4,096 for name, value and attributes together.
pub const MAX_BYTES: usize = 3_500;

const VERSION: &str = "1";

/// The assignments of one visitor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignments {
    entries: Vec<Entry>,
}

/// One assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The experiment's id.
    pub experiment: Box<str>,
    /// Its iteration.
    pub iteration: u32,
    /// The variant's id.
    pub variant: Box<str>,
    /// Days since 1970 when the entry was last changed.
    pub day: u32,
    /// Whether an exposure to this variant was sent.
    pub exposed: bool,
    /// That the treatment was shown, and in which session where that matters (else empty); see `display`.
    pub displayed: Option<Box<str>>,
    /// A fingerprint of the user or the session that it belongs to; none: the visitor.
    pub owner: Option<Box<str>>,
}

impl Assignments {
    /// Reads the cookie's value. Survives any text: what cannot be read is left out, and so is everything beyond
    /// [`MAX_BYTES`], since only a forger sends more.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        let text = value.get(..MAX_BYTES.min(value.len())).unwrap_or("");
        let mut parts = cut::pieces(text, b'~');
        if parts.next() != Some(VERSION) {
            return Self::default();
        }
        let mut assignments = Self::default();
        for entry in parts.filter_map(Entry::parse) {
            if assignments.of(&entry.experiment).is_none() {
                assignments.entries.push(entry);
            }
        }
        assignments
    }

    /// The entry of an experiment, of whichever iteration.
    #[must_use]
    pub fn of(&self, experiment: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| &*entry.experiment == experiment)
    }

    /// Writes an experiment's entry in place of the one it may have.
    pub fn set(&mut self, entry: Entry) {
        match self.entries.iter_mut().find(|old| old.experiment == entry.experiment) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, in the order in which they were made.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The cookie's value, at most [`MAX_BYTES`]. Where that is too little, the least valuable entries go first: those
    /// of experiments that `is_current` does not know, then the oldest.
    #[must_use]
    pub fn encode(&self, is_current: impl Fn(&Entry) -> bool) -> String {
        let texts: Vec<String> = self.entries.iter().map(Entry::encode).collect();
        let mut length = VERSION.len() + texts.iter().map(|text| text.len() + 1).sum::<usize>();
        let mut dropped = vec![false; texts.len()];
        if length > MAX_BYTES {
            let mut order: Vec<usize> = (0..texts.len()).collect();
            order.sort_by_key(|&index| self.entries.get(index).map(|entry| (is_current(entry), entry.day, index)));
            for index in order {
                if length <= MAX_BYTES {
                    break;
                }
                if let (Some(text), Some(flag)) = (texts.get(index), dropped.get_mut(index)) {
                    length -= text.len() + 1;
                    *flag = true;
                }
            }
        }
        let mut value = VERSION.to_owned();
        for (text, dropped) in texts.iter().zip(dropped) {
            if !dropped {
                value.push('~');
                value.push_str(text);
            }
        }
        value
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = cut::pieces(text, b'.');
        let (experiment, iteration, variant, last) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || !is_id(experiment) || !is_id(variant) {
            return None;
        }
        let (last, owner) = mark(last, '@')?;
        let (last, displayed) = mark(last, '+')?;
        let (day, exposed) = last.strip_suffix('*').map_or((last, false), |day| (day, true));
        if owner.as_deref() == Some("") {
            return None;
        }
        Some(Self {
            experiment: experiment.into(),
            iteration: u32::from_str_radix(iteration, 36).ok()?,
            variant: variant.into(),
            day: u32::from_str_radix(day, 36).ok()?,
            exposed,
            displayed,
            owner,
        })
    }

    fn encode(&self) -> String {
        let (iteration, day) = (base36(self.iteration), base36(self.day));
        let mut text = [&*self.experiment, ".", &iteration, ".", &self.variant, ".", &day].concat();
        if self.exposed {
            text.push('*');
        }
        if let Some(session) = &self.displayed {
            text.push('+');
            text.push_str(session);
        }
        if let Some(owner) = &self.owner {
            text.push('@');
            text.push_str(owner);
        }
        text
    }
}

/// What stands before a mark, and the fingerprint after it; `None` where that is none.
fn mark(text: &str, sign: char) -> Option<(&str, Option<Box<str>>)> {
    let Some((before, fingerprint)) = text.split_once(sign) else { return Some((text, None)) };
    (fingerprint.len() <= 8 && fingerprint.bytes().all(is_fingerprint)).then(|| (before, Some(fingerprint.into())))
}

fn is_id(text: &str) -> bool {
    crate::document::Id::new(text).is_some()
}

fn is_fingerprint(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn base36(mut number: u32) -> String {
    let mut digits = Vec::with_capacity(7);
    loop {
        let digit = u8::try_from(number % 36).unwrap_or(0);
        digits.push(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit });
        number /= 36;
        if number == 0 {
            break;
        }
    }
    digits.reverse();
    String::from_utf8(digits).unwrap_or_default()
}
