//! What a browser's people were assigned and exposed to, as the cookie `sortition_as` carries it.
//!
//! A browser is often shared and a person has several, so an assignment says whose it is: the visitor's, or a user's,
//! whom a fingerprint stands for. [`kept`](super::kept) tells which of them are those of the person who asks.

mod codec;
mod first_edition;

use crate::document::UnitKind;
use crate::hash::{TagKey, fingerprint_bits};
use crate::plan::Plan;
use std::cell::RefCell;

/// The cookie's name.
pub const COOKIE: &str = "sortition_as";

/// The longest value, in bytes. Browsers keep 4,096 for name, value and attributes together.
pub const MAX_BYTES: usize = 3_500;

/// How many users of one browser are told apart; of more the one who was here longest ago goes, with their assignments.
pub const MAX_USERS: usize = 7;

/// After how many joins without an answer a browser asks no more.
const MOST_TRIES: u8 = 3;

/// The days that an entry tells apart, about seventeen months: no cookie lives longer.
const DAYS: u32 = 512;

/// The assignments of one browser, in the order in which they last changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignments {
    users: Vec<User>,
    session: Option<u32>,
    entries: Vec<Entry>,
    /// Whether they were read in a form that is to be written anew.
    outdated: bool,
}

/// A user of the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// The fingerprint of the user's id.
    pub fingerprint: u32,
    /// What became of asking for the assignments that they have on other devices.
    pub join: Join,
}

/// What became of asking for a user's assignments on other devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Join {
    /// It was not asked.
    #[default]
    Never,
    /// It was asked so often, without an answer in time.
    Tried(u8),
    /// It was answered.
    Done,
}

/// One assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The experiment and its iteration, as [`crate::plan::Experiment::assignment_key`].
    pub key: u32,
    /// The variant, or having been held out, as a code of the experiment's.
    pub code: u32,
    /// What it was assigned by.
    pub unit: UnitKind,
    /// The fingerprint of the user whose it is; none: the visitor's, whoever logs in next.
    pub owner: Option<u32>,
    /// The day of its last change: days since 1970, of which the cookie keeps the rest of a division by 512.
    pub day: u32,
    /// Whether an exposure to this variant was sent.
    pub exposed: bool,
    /// Whether the treatment was shown; see `display`.
    pub shown: bool,
    /// Whether it was shown in the session that the cookie names.
    pub shown_in_session: bool,
    /// Since when an exposure waits for consent, in milliseconds since 1970.
    pub waits_since: Option<i64>,
}

impl Entry {
    /// An assignment that nobody has met yet.
    #[must_use]
    pub fn new(key: u32, code: u32, unit: UnitKind, owner: Option<u32>, day: u32) -> Self {
        Self {
            key,
            code,
            unit,
            owner,
            day: day % DAYS,
            exposed: false,
            shown: false,
            shown_in_session: false,
            waits_since: None,
        }
    }

    /// How many days ago it last changed, up to 511.
    #[must_use]
    pub fn age(&self, today: u32) -> u32 {
        (today % DAYS + DAYS - self.day % DAYS) % DAYS
    }
}

/// By whom a cookie's value was brought, and what its tag is checked with.
#[derive(Clone, Copy, Debug)]
pub struct Bearer<'a> {
    /// The visitor id.
    pub visitor: &'a str,
    /// How far the id can be trusted.
    pub id: IdProof,
    /// The key of the tag; none: there is no secret.
    pub key: Option<&'a TagKey>,
}

/// What speaks for a visitor id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdProof {
    /// It was made for this request.
    New,
    /// The cookie alone: anybody can write one.
    Unsigned,
    /// A signature of the first edition.
    SignedBefore,
    /// A signature of this one.
    Signed,
}

impl Assignments {
    /// Reads the cookie's value. Survives any text: what cannot be read is left out.
    ///
    /// With a key only what carries the visitor's own tag counts. A cookie from before there were tags is taken over
    /// where it cannot have been made up: from a visitor whose signed id is of that time, whole; from one whose id is not
    /// signed, as far as it says what the split gives to somebody.
    #[must_use]
    #[inline(never)]
    pub fn read(value: &str, plan: &Plan, bearer: Bearer<'_>) -> Self {
        let read =
            codec::parse(value).or_else(|| first_edition::parse(value, plan).map(|read| (read, codec::Tag::None)));
        let Some((mut read, tag)) = read else { return Self::default() };
        if let Some(key) = bearer.key {
            match tag {
                codec::Tag::Some { tag, of } if key.verify(&[bearer.visitor, of], tag) => {}
                codec::Tag::Some { .. } => return Self::default(),
                codec::Tag::None => match bearer.id {
                    IdProof::New | IdProof::Signed => return Self::default(),
                    IdProof::SignedBefore => read.outdated = true,
                    IdProof::Unsigned => {
                        read.entries.retain(|entry| is_given_to_somebody(plan, entry));
                        read.outdated = true;
                    }
                },
            }
        } else if bearer.id == IdProof::New {
            // why: the exposures were of another visitor id, which is lost
            read.entries.iter_mut().for_each(|entry| entry.exposed = false);
        }
        read
    }

    /// Takes in what a cookie of the same name says that was made later: a browser has two of them where `visitor.domain`
    /// changed, and sends the one that was made first before the other (RFC 6265, section 5.4), though only the other is
    /// written any more.
    pub fn take_in(&mut self, later: Self, plan: &Plan) {
        let nothing = Self::default();
        if later == nothing || *self == nothing {
            if later != nothing {
                *self = later;
            }
            return;
        }
        if self.session != later.session {
            self.entries.retain(|entry| entry.unit != UnitKind::Session);
            self.entries.iter_mut().for_each(|entry| entry.shown_in_session = false);
        }
        for entry in later.entries {
            let same = |old: &&mut Entry| old.key == entry.key && old.owner == entry.owner;
            match self.entries.iter_mut().find(same) {
                None => self.entries.push(entry),
                // why: what was sent or shown is not unsent because the other cookie does not know of it
                Some(old) if old.code == entry.code => {
                    let (exposed, shown) = (old.exposed || entry.exposed, old.shown || entry.shown);
                    *old = Entry { exposed, shown, ..entry };
                }
                Some(old) if !is_known(plan, old) && is_known(plan, &entry) => *old = entry,
                Some(_) => {}
            }
        }
        let mut users = later.users;
        for old in self.users.drain(..) {
            if users.len() < MAX_USERS && !users.iter().any(|user| user.fingerprint == old.fingerprint) {
                users.push(old);
            }
        }
        (self.users, self.session, self.outdated) = (users, later.session, later.outdated);
    }

    /// The cookie's value, at most [`MAX_BYTES`]. Where that is too little, the least valuable entries go first: those
    /// that `is_current` does not know, then the oldest.
    #[must_use]
    #[inline(never)]
    pub fn encode(&self, visitor: &str, key: Option<&TagKey>, is_current: impl Fn(&Entry) -> bool) -> String {
        codec::encode(self, visitor, key, is_current)
    }

    /// How many of the entries a value has room for, and which have none, by the same rule.
    #[must_use]
    pub fn without_room(&self, is_current: impl Fn(&Entry) -> bool) -> Vec<usize> {
        codec::without_room(self, is_current)
    }

    /// Whether the cookie that said `before` has to be written anew to say this.
    #[must_use]
    pub fn is_news_to(&self, before: &Self) -> bool {
        before.outdated
            || self.entries != before.entries
            || self.users != before.users
            || self.session != before.session
    }

    /// Has the cookie written anew, whatever else changes.
    pub fn outdate(&mut self) {
        self.outdated = true;
    }

    /// The entries, in the order in which they last changed.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry at a position.
    pub fn entry_mut(&mut self, position: usize) -> Option<&mut Entry> {
        self.entries.get_mut(position)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Writes an entry in the place of those of the same experiment and owner whose code `is_of_experiment` knows.
    pub fn put(&mut self, entry: Entry, is_of_experiment: impl Fn(u32) -> bool) {
        self.entries.retain(|old| old.key != entry.key || old.owner != entry.owner || !is_of_experiment(old.code));
        self.entries.push(entry);
    }

    /// Changes the entry at a position, which becomes the youngest if that changes it.
    pub fn change(&mut self, position: usize, day: u32, change: impl FnOnce(&mut Entry)) {
        let Some(old) = self.entries.get(position) else { return };
        let mut entry = old.clone();
        change(&mut entry);
        if entry != *old {
            entry.day = day % DAYS;
            self.entries.remove(position);
            self.entries.push(entry);
        }
    }

    /// The users, the one who was here last first.
    #[must_use]
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// The user who was here last.
    #[must_use]
    pub fn last_user(&self) -> Option<u32> {
        self.users.first().map(|user| user.fingerprint)
    }

    /// What became of a user's join.
    #[must_use]
    pub fn join_of(&self, user: u32) -> Join {
        self.users.iter().find(|it| it.fingerprint == user).map_or(Join::Never, |user| user.join)
    }

    /// Puts a user before the others.
    pub fn greet(&mut self, user: u32) {
        match self.users.iter().position(|it| it.fingerprint == user) {
            Some(0) => return,
            Some(place) => {
                if let Some(users) = self.users.get_mut(..=place) {
                    users.rotate_right(1);
                }
            }
            None => self.users.insert(0, User { fingerprint: user, join: Join::Never }),
        }
        while self.users.len() > MAX_USERS {
            let gone = self.users.pop().map(|user| user.fingerprint);
            self.entries.retain(|entry| entry.owner.is_none() || entry.owner != gone);
        }
    }

    /// Notes that a user's join was answered, or was not in time.
    pub fn note_join(&mut self, user: u32, answered: bool) {
        self.greet(user);
        if let Some(user) = self.users.first_mut() {
            user.join = match (answered, user.join) {
                (true, _) | (_, Join::Done) => Join::Done,
                (false, Join::Never) => Join::Tried(1),
                (false, Join::Tried(times)) if times + 1 < MOST_TRIES => Join::Tried(times + 1),
                (false, Join::Tried(_)) => Join::Done,
            };
        }
    }

    /// The fingerprint of the session that entries may speak of.
    #[must_use]
    pub fn session(&self) -> Option<u32> {
        self.session
    }

    /// Turns to another session: what belonged to the one before ends.
    pub fn turn_to_session(&mut self, session: u32) {
        if self.session != Some(session) {
            self.session = Some(session);
            self.entries.retain(|entry| entry.unit != UnitKind::Session);
            self.entries.iter_mut().for_each(|entry| entry.shown_in_session = false);
        }
    }
}

/// Whether the document has what the entry says.
fn is_known(plan: &Plan, entry: &Entry) -> bool {
    let mut experiments = plan.with_key(entry.key).filter_map(|index| plan.experiments.get(index));
    experiments.any(|e| entry.code == e.held_out_code || e.variant_of_code(entry.code).is_some())
}

/// Whether a variant of the document is what the entry says, and one that the split gives to somebody.
fn is_given_to_somebody(plan: &Plan, entry: &Entry) -> bool {
    plan.with_key(entry.key).filter_map(|index| plan.experiments.get(index)).any(|e| {
        if entry.code == e.held_out_code {
            return true;
        }
        let Some(variant) = e.variant_of_code(entry.code) else { return false };
        let from = variant.before().and_then(|before| e.variants.get(before)).map_or(0, |before| before.below);
        let has_share = e.variants.get(variant).is_some_and(|variant| variant.below > from);
        has_share && (e.traffic > 0 || e.ramp.iter().any(|(_, traffic)| *traffic > 0))
    })
}

thread_local! {
    /// The last key, and the secret that it was derived from.
    static DERIVED: RefCell<Option<(Vec<u8>, TagKey)>> = const { RefCell::new(None) };
}

/// The key of the cookie's tag. It costs a dozen rounds of SHA-256, and a worker has one secret, so the last one is kept.
#[must_use]
pub fn tag_key(secret: &[u8]) -> TagKey {
    let derived = || TagKey::derive(secret, COOKIE);
    DERIVED.with(|kept| {
        let Ok(mut kept) = kept.try_borrow_mut() else { return derived() };
        match &*kept {
            Some((of, key)) if of == secret => *key,
            _ => kept.insert((secret.to_vec(), derived())).1,
        }
    })
}

/// The fingerprint of a user's or session's id.
#[must_use]
pub fn mark_of(id: &str) -> u32 {
    fingerprint_bits(id)
}
