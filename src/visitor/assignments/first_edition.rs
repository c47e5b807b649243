//! The cookie's form in the first edition, `1~hero.1.bold.gu2*~price.3.control.gu0@Ab3d`, which is still read: an entry
//! per experiment with its id, iteration and variant, the day in base 36, then marks: `*` exposed, `+` shown (with a
//! fingerprint of the session where it may be shown once in each), and `@` with a fingerprint of the user or session
//! whose it is.

use super::{Assignments, DAYS, Entry, Join, MAX_BYTES, MAX_USERS, User};
use crate::ascii;
use crate::document::{Id, UnitKind};
use crate::hash::read_digits;
use crate::plan::{Plan, assignment_code, assignment_key};
use crate::sort::sort_by_key;

const VERSION: &str = "1";

/// Reads a value of that form; `None` where it is of another.
pub(super) fn parse(value: &str, plan: &Plan) -> Option<Assignments> {
    // why: only a forger sends more
    let text = value.get(..MAX_BYTES.min(value.len())).unwrap_or("");
    let mut parts = ascii::pieces(text, b'~');
    if parts.next() != Some(VERSION) {
        return None;
    }
    let mut assignments = Assignments::default();
    let mut seen: Vec<&str> = Vec::new();
    let mut owners: Vec<(u32, u32)> = Vec::new();
    for (experiment, day, mut entry, mut session) in parts.filter_map(read) {
        if seen.contains(&experiment) {
            continue;
        }
        seen.push(experiment);
        if entry.owner.is_some() && is_of_sessions(plan, entry.key) {
            session = entry.owner.take();
            entry.unit = UnitKind::Session;
        }
        assignments.session = assignments.session.or(session);
        if let Some(owner) = entry.owner {
            owners.push((day, owner));
        }
        assignments.entries.push(entry);
    }
    // why: who was here last comes first
    sort_by_key(&mut owners, |owner| core::cmp::Reverse(*owner));
    for (_, fingerprint) in owners {
        if assignments.users.len() < MAX_USERS && assignments.users.iter().all(|it| it.fingerprint != fingerprint) {
            assignments.users.push(User { fingerprint, join: Join::Never });
        }
    }
    let known =
        |entry: &Entry| entry.owner.is_none_or(|owner| assignments.users.iter().any(|user| user.fingerprint == owner));
    assignments.entries = assignments.entries.iter().filter(|entry| known(entry)).cloned().collect();
    Some(assignments)
}

/// Whether the owner of an entry is a session: it did not say so itself.
fn is_of_sessions(plan: &Plan, key: u32) -> bool {
    plan.with_key(key).filter_map(|index| plan.experiments.get(index)).any(|e| e.unit == UnitKind::Session)
}

fn read(text: &str) -> Option<(&str, u32, Entry, Option<u32>)> {
    let mut parts = ascii::pieces(text, b'.');
    let (experiment, iteration, variant, last) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (experiment, variant) = (Id::new(experiment).map(|_| experiment)?, Id::new(variant).map(|_| variant)?);
    if parts.next().is_some() {
        return None;
    }
    let (last, owner) = mark(last, '@')?;
    let (last, shown) = mark(last, '+')?;
    let (day, exposed) = last.strip_suffix('*').map_or((last, false), |day| (day, true));
    let iteration = u32::from_str_radix(iteration, 36).ok()?;
    let day = u32::from_str_radix(day, 36).ok()?;
    let fingerprint = |digits: &str| read_digits(digits.as_bytes()).and_then(|bits| u32::try_from(bits).ok());
    let owner = match owner {
        Some(digits) => Some(fingerprint(digits)?),
        None => None,
    };
    let session = shown.filter(|session| !session.is_empty()).and_then(fingerprint);
    let entry = Entry {
        exposed,
        shown: shown.is_some(),
        shown_in_session: session.is_some(),
        ..Entry::new(
            assignment_key(experiment, iteration),
            assignment_code(experiment, iteration, variant),
            if owner.is_some() { UnitKind::User } else { UnitKind::Visitor },
            owner,
            day % DAYS,
        )
    };
    Some((experiment, day, entry, session))
}

/// What stands before a mark, and the fingerprint after it; `None` where that is none.
fn mark(text: &str, sign: char) -> Option<(&str, Option<&str>)> {
    let Some((before, fingerprint)) = text.split_once(sign) else { return Some((text, None)) };
    let fits =
        fingerprint.len() <= 8 && fingerprint.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it));
    fits.then_some((before, Some(fingerprint)))
}
