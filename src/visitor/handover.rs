//! From one Sortition worker to the next: where a worker's origin is another one, the second takes the visitor and the
//! variants of the first over, so that both act for one person.
//!
//! To the second worker every `Sortition-*` header comes from outside. What tells the first worker's from a stranger's is
//! a tag under `SORTITION_SECRET`, which both share: `Sortition-Handover: known;4f1c…;TAG` says whether the visitor was
//! new to the first worker and what their session is, and the tag is over that, `Sortition-Visitor` and
//! `Sortition-Variants`. A tag that somebody reads at the origin is of no use for another visitor.

use super::VisitorId;
use crate::ascii;
use crate::hash::signature;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// The request header that carries it.
pub const HEADER: &str = "Sortition-Handover";
/// The response header by which the second worker hands its assignments back, for the first one's cookie.
pub const ASSIGNMENTS: &str = "Sortition-Assignments";

const TAG_BYTES: usize = 16;

/// The longest list of variants that is taken over, in bytes.
const LONGEST_VARIANTS: usize = 16 * 1024;

/// What a worker tells the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// The visitor.
    pub visitor: VisitorId,
    /// Whether the visitor brought the id along.
    pub returning: bool,
    /// The session, where the first worker asked for one.
    pub session: Option<VisitorId>,
    /// The first worker's variants, as an RFC 9651 dictionary; empty: it told none.
    pub variants: String,
}

impl Handover {
    /// The header's value.
    #[must_use]
    pub fn seal(&self, secret: &[u8]) -> String {
        let state = self.state();
        let tag = signature::sign(secret, &self.message(&state));
        format!("{state};{}", URL_SAFE_NO_PAD.encode(tag.get(..TAG_BYTES).unwrap_or(&tag)))
    }

    /// Reads what a request says; `None` where it says nothing, or where it is not from a worker that has the secret.
    #[must_use]
    pub fn open(header: &str, visitor: &str, variants: &str, secret: &[u8]) -> Option<Self> {
        let mut parts = ascii::pieces(header, b';');
        let (state, session, tag) = (parts.next()?, parts.next()?, parts.next()?);
        let returning = match state {
            "known" => true,
            "new" => false,
            _ => return None,
        };
        let session = if session.is_empty() { None } else { Some(VisitorId::accept(session)?) };
        let is_clean = variants.len() <= LONGEST_VARIANTS && variants.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if parts.next().is_some() || !is_clean {
            return None;
        }
        let handover =
            Self { visitor: VisitorId::accept_foreign(visitor)?, returning, session, variants: variants.to_owned() };
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        signature::verify(secret, &handover.message(&handover.state()), &tag).then_some(handover)
    }

    fn state(&self) -> String {
        let word = if self.returning { "known" } else { "new" };
        let session = self.session.as_ref().map_or("", VisitorId::as_str);
        format!("{word};{session}")
    }

    /// What the tag is over. No part has a line break, so none can run into the next.
    fn message<'a>(&'a self, state: &'a str) -> [&'a [u8]; 6] {
        [b"handover\n", state.as_bytes(), b"\n", self.visitor.as_str().as_bytes(), b"\n", self.variants.as_bytes()]
    }
}

/// The list of two workers' variants: the first's, then those of the second whose experiments the first does not name.
/// Only members that are what a worker writes: `key=token` or `key="string"`.
#[must_use]
pub fn joined(first: &str, second: &str) -> String {
    let mut list = first.to_owned();
    let known: Vec<&str> =
        ascii::pieces(first, b',').map(|member| ascii::trimmed(ascii::before(member, b'='))).collect();
    for member in ascii::pieces(second, b',').map(ascii::trimmed) {
        let key = ascii::before(member, b'=');
        if !is_member(member) || known.contains(&key) {
            continue;
        }
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push_str(member);
    }
    list
}

fn is_member(member: &str) -> bool {
    let Some((key, value)) = ascii::split_once(member, b'=') else { return false };
    let key = key.strip_prefix('*').unwrap_or(key);
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    crate::document::Id::new(key).is_some() && crate::document::Id::new(value).is_some()
}
