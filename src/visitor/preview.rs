//! Previews: looking at a variant without being assigned to it.
//!
//! A token is `hero:bold.nav:new~1764000000~TAG`: experiments and variants, the second since 1970 at which it expires,
//! and 128 bits of HMAC-SHA256 under `SORTITION_SECRET` as URL-safe base64. A link carries it as a query parameter, and
//! then a session cookie does. All its characters are safe in both.

use crate::document::{Id, Preview};
use crate::hash::signature;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// The name of the query parameter and of the cookie.
pub const NAME: &str = "sortition_preview";

/// The response header that says why a token was ignored.
pub const HEADER: &str = "Sortition-Preview";

/// The most experiments that one token names.
const MAX_CHOICES: usize = 32;

const TAG_BYTES: usize = 16;

/// What a token asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Experiments and variants, by id.
    pub choices: Vec<(Id, Id)>,
    /// When it expires, in seconds since 1970; `None`: it is not signed.
    pub expires_at: Option<i64>,
}

/// Why a token is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// The document allows no previews.
    Off,
    /// It is no token.
    Malformed,
    /// Its tag is not ours, or there is no secret to check it with.
    Forged,
    /// It was ours once.
    Expired,
}

impl Ignored {
    /// The word in the response header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "ignored; reason=off",
            Self::Malformed => "ignored; reason=malformed",
            Self::Forged => "ignored; reason=forged",
            Self::Expired => "ignored; reason=expired",
        }
    }
}

impl Token {
    /// Reads a token. Under [`Preview::Open`] one without expiry and tag is good too.
    ///
    /// # Errors
    ///
    /// Why it is ignored.
    pub fn read(text: &str, mode: Preview, secret: Option<&[u8]>, now_ms: i64) -> Result<Self, Ignored> {
        if mode == Preview::Off {
            return Err(Ignored::Off);
        }
        let mut parts = text.split('~');
        let (choices, expiry, tag) = (parts.next().unwrap_or(""), parts.next(), parts.next());
        let token = Self { choices: read_choices(choices).ok_or(Ignored::Malformed)?, expires_at: None };
        let (Some(expiry), Some(tag), None) = (expiry, tag, parts.next()) else {
            return if mode == Preview::Open && expiry.is_none() { Ok(token) } else { Err(Ignored::Malformed) };
        };
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| Ignored::Malformed)?;
        let secret = secret.ok_or(Ignored::Forged)?;
        if !signature::verify(secret, &[b"preview~", choices.as_bytes(), b"~", expiry.as_bytes()], &tag) {
            return Err(Ignored::Forged);
        }
        let expires_at: i64 = expiry.parse().map_err(|_| Ignored::Malformed)?;
        if now_ms >= expires_at.saturating_mul(1000) {
            return Err(Ignored::Expired);
        }
        Ok(Self { expires_at: Some(expires_at), ..token })
    }

    /// The token's text; signed where it expires and there is a secret.
    #[must_use]
    pub fn write(&self, secret: Option<&[u8]>) -> String {
        let choices: Vec<String> =
            self.choices.iter().map(|(experiment, variant)| format!("{experiment}:{variant}")).collect();
        let choices = choices.join(".");
        let (Some(expires_at), Some(secret)) = (self.expires_at, secret) else { return choices };
        let expiry = expires_at.to_string();
        let tag = signature::sign(secret, &[b"preview~", choices.as_bytes(), b"~", expiry.as_bytes()]);
        format!("{choices}~{expiry}~{}", URL_SAFE_NO_PAD.encode(tag.get(..TAG_BYTES).unwrap_or(&tag)))
    }

    /// This token with another variant of one experiment.
    #[must_use]
    pub fn with(&self, experiment: &Id, variant: &Id) -> Self {
        let mut token = self.clone();
        token.choices.retain(|(id, _)| id != experiment);
        token.choices.push((experiment.clone(), variant.clone()));
        token
    }
}

fn read_choices(text: &str) -> Option<Vec<(Id, Id)>> {
    let choices = text.split('.').take(MAX_CHOICES + 1).map(|choice| {
        let (experiment, variant) = choice.split_once(':')?;
        Some((Id::new(experiment)?, Id::new(variant)?))
    });
    choices.collect::<Option<Vec<_>>>().filter(|choices| choices.len() <= MAX_CHOICES)
}
