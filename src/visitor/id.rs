//! The visitor id: made once, kept for a year, never derived from anything.

use super::assignments::IdProof;
use crate::hash::signature;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::fmt;
use std::net::IpAddr;

/// The longest id of a visitor, a user or a session that anybody made, in bytes.
pub const MAX_ID: usize = 256;

/// Whether a text is an e-mail address, as it is or in the escapes of a cookie, or an IP address: no opaque key, and it must
/// not reach an event.
pub(super) fn is_address(text: &str) -> bool {
    text.contains('@') || text.contains("%40") || text.parse::<IpAddr>().is_ok()
}

/// The id of a visitor or a session: 8 to 128 characters of `A-Za-z0-9._~-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VisitorId(Box<str>);

/// How many bytes of the HMAC a signed id carries: 128 bits.
const TAG_BYTES: usize = 16;

/// What is signed before the id. The first edition signed the id alone; that a signature is of a later time tells that
/// the visitor's assignments always had a tag. No id has a zero byte.
const SIGNED_AS: &[u8] = b"sortition_id\0";

impl VisitorId {
    /// An id that somebody sent, where it can be one.
    #[must_use]
    pub fn accept(text: &str) -> Option<Self> {
        let fits = (8..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-'));
        fits.then(|| Self(text.into()))
    }

    /// An id that another tool made, kept as it is: 1 to 256 visible ASCII characters that can stand in a header, and
    /// no address of a person.
    #[must_use]
    pub fn accept_foreign(text: &str) -> Option<Self> {
        let fits = (1..=MAX_ID).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\'))
            && !is_address(text);
        fits.then(|| Self(text.into()))
    }

    /// An id with a tag under the secret, as [`VisitorId::signed`] writes it or as the first edition did, and which of
    /// them; a wrong tag is no id.
    #[must_use]
    pub fn accept_signed(text: &str, secret: &[u8]) -> Option<(Self, IdProof)> {
        let (id, tag) = text.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let proof = if signature::verify(secret, &[SIGNED_AS, id.as_bytes()], &tag) {
            IdProof::Signed
        } else if signature::verify(secret, &[id.as_bytes()], &tag) {
            IdProof::SignedBefore
        } else {
            return None;
        };
        Some((Self::accept(id)?, proof))
    }

    /// Whether a text ends in what could be a tag, right or wrong.
    #[must_use]
    pub fn has_tag(text: &str) -> bool {
        let tag = text.rsplit_once('.').and_then(|(_, tag)| URL_SAFE_NO_PAD.decode(tag).ok());
        tag.is_some_and(|tag| tag.len() == TAG_BYTES)
    }

    /// A random UUIDv4 (RFC 9562) from 16 random bytes.
    #[must_use]
    pub fn from_random(mut bytes: [u8; 16]) -> Self {
        let [.., version, _, variant, _, _, _, _, _, _, _] = &mut bytes;
        *version = *version & 0x0f | 0x40;
        *variant = *variant & 0x3f | 0x80;
        let mut digits = &*crate::hash::hex(&bytes);
        let mut text = String::with_capacity(36);
        for length in [8, 4, 4, 4] {
            let (group, rest) = digits.split_at_checked(length).unwrap_or((digits, ""));
            text.push_str(group);
            text += "-";
            digits = rest;
        }
        text.push_str(digits);
        Self(text.into())
    }

    /// The id with its tag, as the cookie carries it where the document says `signed`.
    #[must_use]
    pub fn signed(&self, secret: &[u8]) -> String {
        let tag = signature::sign(secret, &[SIGNED_AS, self.0.as_bytes()]);
        let tag = tag.get(..TAG_BYTES).unwrap_or(&tag);
        format!("{}.{}", self.0, URL_SAFE_NO_PAD.encode(tag))
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VisitorId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}
