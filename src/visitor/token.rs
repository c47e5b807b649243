//! Who the user is, where the shop can prove it: a user id with a tag, or a JSON Web Token.

use super::id::is_address;
use crate::condition::read_decimal;
use crate::document::{TokenAlgorithm, UserToken};
use crate::hash::{self, signature};
use crate::json::{self, Members, Value};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::collections::VecDeque;

/// The longest user id of a shop that is taken, in bytes.
pub const MAX_USER: usize = 128;

/// The longest token that is read, in bytes: cookies are not longer.
const MAX_TOKEN: usize = 8_192;

/// How much too early a token may come, in seconds: the clocks of shop and edge differ.
const LEEWAY: f64 = 60.0;

/// A user id as it may be kept: an opaque key.
///
/// The runtime reads headers as UTF-8, so of `Zoë` and `Zoé` in Latin-1 nothing is left that tells one from the other:
/// who is called that is nobody, rather than somebody else.
#[must_use]
pub fn user(text: &str) -> Option<&str> {
    let is_lost = |c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER;
    let fits = (1..=MAX_USER).contains(&text.len()) && !is_address(text) && !text.chars().any(is_lost);
    fits.then_some(text)
}

/// The user of `<user>.<hex HMAC-SHA256 of "user." and the user>`; nobody where the tag is not that.
///
/// ```
/// use sortition_engine::{hash, visitor::token::signed_user};
/// let tag = hash::hex(&hash::signature::sign(b"key", &[b"user.", b"u-1"]));
/// assert_eq!(signed_user(&format!("u-1.{tag}"), b"key"), Some("u-1"));
/// assert_eq!(signed_user(&format!("u-2.{tag}"), b"key"), None);
/// ```
#[must_use]
pub fn signed_user<'a>(text: &'a str, key: &[u8]) -> Option<&'a str> {
    let (id, tag) = text.rsplit_once('.')?;
    let tag = of_hex(tag)?;
    signature::verify(key, &[b"user.", id.as_bytes()], &tag).then_some(id).and_then(user)
}

/// The 32 bytes of 64 hexadecimal digits.
fn of_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> =
        text.bytes().map(|digit| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().fold(0, |byte, digit| byte << 4 | digit);
    }
    Some(bytes)
}

/// What a token says, once its text is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserProof {
    /// Nothing that counts.
    Nobody,
    /// Who the user is.
    User(String),
    /// Who the user is, if the signature holds, which only the runtime can tell.
    IfSigned(Unverified),
}

/// A token whose claims hold, and whose signature is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified {
    /// The user that it names.
    pub user: String,
    /// What is signed: header and claims as they stand in the token.
    pub signed: String,
    /// The signature, as URL-safe base64.
    pub signature: String,
    /// When the token expires, in milliseconds since 1970.
    pub expires_at: i64,
}

impl UserProof {
    /// Reads a token. `secret` is `USER_JWT_SECRET`, `now` in milliseconds since 1970.
    #[must_use]
    pub fn read(text: &str, settings: &UserToken, secret: Option<&[u8]>, now: i64) -> Self {
        Self::try_read(text, settings, secret, now).unwrap_or(Self::Nobody)
    }

    fn try_read(text: &str, settings: &UserToken, secret: Option<&[u8]>, now: i64) -> Option<Self> {
        let text = text.trim();
        let text = text
            .get(..7)
            .filter(|start| start.eq_ignore_ascii_case("bearer "))
            .map_or(text, |start| text.get(start.len()..).unwrap_or("").trim());
        if text.len() > MAX_TOKEN {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header = decoded(header)?;
        let header = json::object(&header)?;
        let alg = match settings.alg {
            TokenAlgorithm::HS256 => "HS256",
            TokenAlgorithm::RS256 => "RS256",
            TokenAlgorithm::ES256 => "ES256",
        };
        // why: a token that chooses its own algorithm chooses none, or takes a public key for a secret (RFC 8725, 2.1);
        // extensions that must be understood are not (RFC 7515, 4.1.11)
        if json::text(&header, "alg") != Some(alg) || json::member(&header, "crit").is_some() {
            return None;
        }
        let claims = decoded(claims)?;
        let claims = json::object(&claims)?;
        let expires_at = holds(&claims, settings, now)?;
        let user = match json::member(&claims, &settings.claim)? {
            Value::String(text) => user(text)?.to_owned(),
            Value::Number((number, _)) if is_whole(number) => (*number).to_owned(),
            _ => return None,
        };
        if settings.alg != TokenAlgorithm::HS256 {
            let (signed, signature) = (signed.to_owned(), signature.to_owned());
            return Some(Self::IfSigned(Unverified { user, signed, signature, expires_at }));
        }
        let key = shared_key(settings, secret)?;
        let tag = decoded(signature).filter(|tag| tag.len() == 32)?;
        (!key.is_empty() && signature::verify(&key, &[signed.as_bytes()], &tag)).then_some(Self::User(user))
    }
}

impl Unverified {
    /// What it is remembered by.
    #[must_use]
    pub fn key(&self) -> String {
        hash::event_id(&[&self.signed, &self.signature])
    }
}

/// The tokens of which an isolate knows that they are signed, so that a user who is logged in is not verified on every
/// page.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    tokens: VecDeque<(String, i64)>,
}

impl Verified {
    /// How many are remembered.
    pub const MOST: usize = 1024;

    /// Whether the signature of the token with this [`Unverified::key`] is known to hold, at `now` in milliseconds since
    /// 1970.
    #[must_use]
    pub fn knows(&self, key: &str, now: i64) -> bool {
        self.tokens.iter().any(|(known, expires)| known == key && now < *expires)
    }

    /// Remembers that it holds.
    pub fn remember(&mut self, token: &Unverified) {
        if self.tokens.len() >= Self::MOST {
            self.tokens.pop_front();
        }
        self.tokens.push_back((token.key(), token.expires_at));
    }
}

/// Whether the registered claims hold, and until when, in milliseconds since 1970.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn holds(claims: &Members<'_>, settings: &UserToken, now: i64) -> Option<i64> {
    let seconds = now as f64 / 1000.0;
    let time = |name: &str| match json::member(claims, name) {
        None => Some(None),
        Some(value) => json::number(value).and_then(read_decimal).filter(|time| time.is_finite()).map(Some),
    };
    let (expires, not_before) = (time("exp")?, time("nbf")?);
    if expires.is_some_and(|expires| seconds >= expires) || not_before.is_some_and(|from| seconds < from - LEEWAY) {
        return None;
    }
    if let Some(issuer) = &settings.iss
        && json::text(claims, "iss") != Some(issuer)
    {
        return None;
    }
    if let Some(audience) = &settings.aud {
        let named = match json::member(claims, "aud")? {
            Value::String(one) => one == audience,
            Value::Array(several) => several.iter().any(|one| json::as_text(one) == Some(audience)),
            _ => false,
        };
        if !named {
            return None;
        }
    }
    Some(expires.map_or(i64::MAX, |expires| (expires * 1000.0) as i64))
}

fn decoded(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// Whether a number is a whole one of 64 bits, so that everybody writes it the same way.
fn is_whole(number: &str) -> bool {
    (number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok()) && number != "-0"
}

/// The key of HS256: a JSON Web Key of type `oct`, or the secret's own bytes.
fn shared_key(settings: &UserToken, secret: Option<&[u8]>) -> Option<Vec<u8>> {
    let of_jwk = |key: &Members<'_>| {
        let octets = json::text(key, "k").filter(|_| json::text(key, "kty") == Some("oct"))?;
        decoded(octets)
    };
    if let Some(key) = &settings.key {
        return of_jwk(&json::object(key.text().as_bytes())?);
    }
    let secret = secret?;
    json::object(secret).as_ref().map_or_else(|| Some(secret.to_vec()), of_jwk)
}
