//! The cookie's form: `2~TAG~USERS~SESSION~ENTRIES~WAITING`, numbers as characters of the URL-safe base64 alphabet.
//!
//! | part | what |
//! |---|---|
//! | `TAG` | 22 characters over the visitor id and all that follows; empty where there is no secret |
//! | `USERS` | for each user a fingerprint of 4, then 1 of the join; the one who was here last first |
//! | `SESSION` | a fingerprint of 4, or empty |
//! | `ENTRIES` | 11 each: key 4, code 4, then 18 bits: the day (9), exposed, shown, shown in the session, unit (2), owner (3: 0 nobody, else the place among the users), waiting |
//! | `WAITING` | for each waiting entry, in their order, the time in milliseconds since 1970: 7 |
//!
//! So 300 assignments fit where the names of 43 did. `sortition explain` reads the value.

use super::{Assignments, DAYS, Entry, Join, MAX_BYTES, MAX_USERS, User};
use crate::ascii;
use crate::document::UnitKind;
use crate::hash::{TagKey, push_digits, read_digits};
use crate::sort::sort;

const VERSION: &str = "2";
const TAG: usize = 22;
const USER: usize = 5;
const SESSION: usize = 4;
const ENTRY: usize = 11;
const WAITING: usize = 7;
const JOINED: u64 = 63;

/// A value's tag, and the text that it is of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tag<'a> {
    None,
    Some { tag: &'a str, of: &'a str },
}

/// Reads a value of this form; `None` where it is of another.
pub(super) fn parse(value: &str) -> Option<(Assignments, Tag<'_>)> {
    let (version, rest) = ascii::split_once(value, b'~')?;
    if version != VERSION || value.len() > MAX_BYTES {
        return None;
    }
    let (tag, body) = ascii::split_once(rest, b'~')?;
    let mut parts = ascii::pieces(body, b'~');
    let (users, session, entries) = (parts.next()?, parts.next()?, parts.next()?);
    let mut waiting = parts.next().unwrap_or("").as_bytes().chunks_exact(WAITING);
    let users: Vec<User> = users.as_bytes().chunks_exact(USER).take(MAX_USERS).filter_map(user).collect();
    let session = (session.len() == SESSION).then(|| number(session.as_bytes())).flatten();
    let mut assignments = Assignments { session, ..Assignments::default() };
    for digits in entries.as_bytes().chunks_exact(ENTRY) {
        let Some((mut entry, waits)) = entry(digits, &users) else { continue };
        if waits {
            entry.waits_since = waiting.next().and_then(read_digits).and_then(|time| i64::try_from(time).ok());
        }
        assignments.entries.push(entry);
    }
    assignments.users = users;
    let tag = if tag.is_empty() { Tag::None } else { Tag::Some { tag, of: body } };
    Some((assignments, tag))
}

fn number(digits: &[u8]) -> Option<u32> {
    read_digits(digits).and_then(|bits| u32::try_from(bits).ok())
}

fn user(digits: &[u8]) -> Option<User> {
    let (fingerprint, join) = digits.split_at_checked(USER - 1)?;
    let join = match read_digits(join)? {
        0 => Join::Never,
        JOINED => Join::Done,
        times => Join::Tried(u8::try_from(times).ok()?),
    };
    Some(User { fingerprint: number(fingerprint)?, join })
}

fn entry(digits: &[u8], users: &[User]) -> Option<(Entry, bool)> {
    let (key, rest) = digits.split_at_checked(4)?;
    let (code, rest) = rest.split_at_checked(4)?;
    let bits = number(rest)?;
    let flag = |bit: u32| bits >> bit & 1 == 1;
    let unit = match bits >> 12 & 3 {
        0 => UnitKind::Visitor,
        1 => UnitKind::User,
        2 => UnitKind::Session,
        _ => return None,
    };
    let owner = match bits >> 14 & 7 {
        0 => None,
        place => Some(users.get(place as usize - 1)?.fingerprint),
    };
    let entry = Entry {
        exposed: flag(9),
        shown: flag(10),
        shown_in_session: flag(11),
        ..Entry::new(number(key)?, number(code)?, unit, owner, bits % DAYS)
    };
    Some((entry, flag(17)))
}

pub(super) fn encode(
    assignments: &Assignments,
    visitor: &str,
    key: Option<&TagKey>,
    is_current: impl Fn(&Entry) -> bool,
) -> String {
    let left_out = without_room(assignments, is_current);
    let mut body = String::with_capacity(64 + ENTRY * assignments.entries.len());
    for user in &assignments.users {
        push_digits(user.fingerprint.into(), USER - 1, &mut body);
        let join = match user.join {
            Join::Never => 0,
            Join::Tried(times) => u64::from(times.min(62)),
            Join::Done => JOINED,
        };
        push_digits(join, 1, &mut body);
    }
    body.push('~');
    if let Some(session) = assignments.session {
        push_digits(session.into(), SESSION, &mut body);
    }
    body.push('~');
    let mut waiting = String::new();
    let mut left_out = left_out.iter().peekable();
    for (position, entry) in assignments.entries.iter().enumerate() {
        if left_out.next_if_eq(&&position).is_some() {
            continue;
        }
        push_entry(entry, &assignments.users, &mut body);
        if let Some(since) = entry.waits_since {
            push_digits(u64::try_from(since).unwrap_or(0), WAITING, &mut waiting);
        }
    }
    if !waiting.is_empty() {
        body.push('~');
        body.push_str(&waiting);
    }
    let tag = key.map(|key| key.tag(&[visitor, &body])).unwrap_or_default();
    [VERSION, "~", &tag, "~", &body].concat()
}

fn push_entry(entry: &Entry, users: &[User], body: &mut String) {
    push_digits(entry.key.into(), 4, body);
    push_digits(entry.code.into(), 4, body);
    let unit = match entry.unit {
        UnitKind::Visitor => 0,
        UnitKind::User => 1,
        UnitKind::Session => 2,
    };
    let owner = entry.owner.and_then(|owner| users.iter().position(|user| user.fingerprint == owner));
    let owner = owner.map_or(0, |place| place as u64 + 1);
    let bits = u64::from(entry.day % DAYS)
        | u64::from(entry.exposed) << 9
        | u64::from(entry.shown) << 10
        | u64::from(entry.shown_in_session) << 11
        | unit << 12
        | owner << 14
        | u64::from(entry.waits_since.is_some()) << 17;
    push_digits(bits, 3, body);
}

/// The positions of the entries that a value has no room for, in order.
pub(super) fn without_room(assignments: &Assignments, is_current: impl Fn(&Entry) -> bool) -> Vec<usize> {
    let size = |entry: &Entry| ENTRY + if entry.waits_since.is_some() { WAITING } else { 0 };
    let head = VERSION.len() + 1 + TAG + 1 + USER * assignments.users.len() + 1 + SESSION + 1 + 1;
    let mut length = head + assignments.entries.iter().map(size).sum::<usize>();
    if length <= MAX_BYTES {
        return Vec::new();
    }
    let mut order: Vec<(bool, usize)> =
        assignments.entries.iter().enumerate().map(|(position, entry)| (is_current(entry), position)).collect();
    sort(&mut order);
    let mut gone = Vec::new();
    for (_, position) in order {
        if length <= MAX_BYTES {
            break;
        }
        length -= assignments.entries.get(position).map_or(0, size);
        gone.push(position);
    }
    sort(&mut gone);
    gone
}
