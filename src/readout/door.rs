//! Who gets in: whoever has the token, and whoever guesses waits.

use crate::hash::signature;
use base64::Engine as _;

/// How long an answer waits after a wrong token; it is so much longer with each in a row.
const WAIT_MS: u32 = 300;
/// The longest that one waits.
const LONGEST_WAIT_MS: u32 = 3_000;
/// After so long without a wrong token they are forgiven.
const FORGIVEN_MS: i64 = 300_000;

/// What an isolate knows of those who tried to get in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Door {
    tries: u32,
    last: i64,
}

/// What becomes of who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// They have the token.
    Welcome,
    /// They brought none.
    Unknown,
    /// Theirs is wrong: the answer waits for so many milliseconds.
    Wrong(u32),
}

impl Door {
    /// Looks at an `Authorization` header: the token as the password of `Basic`, whatever the name, or as `Bearer`. `now`
    /// in milliseconds since 1970.
    pub fn enter(&mut self, authorization: Option<&str>, token: &str, now: i64) -> Entry {
        let Some((scheme, credentials)) = authorization.and_then(|value| value.trim().split_once(' ')) else {
            return Entry::Unknown;
        };
        let given = given(scheme, credentials.trim());
        if !token.is_empty() && given.is_some_and(|given| signature::same(token, &given)) {
            *self = Self::default();
            return Entry::Welcome;
        }
        if now.saturating_sub(self.last) > FORGIVEN_MS {
            self.tries = 0;
        }
        self.last = now;
        self.tries = self.tries.saturating_add(1);
        Entry::Wrong(WAIT_MS.saturating_mul(self.tries).min(LONGEST_WAIT_MS))
    }
}

fn given(scheme: &str, credentials: &str) -> Option<String> {
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(credentials).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    Some(text.split_once(':')?.1.to_owned())
}
