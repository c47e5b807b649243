//! What a page's forms and shared links are signed with: each is good for one thing and for a while.

use crate::hash::{hex, signature};

/// How long a form may lie open, in seconds.
const FORM_SECONDS: i64 = 3_600;

/// How long one may think before confirming, in seconds.
const CONFIRM_SECONDS: i64 = 300;

/// What a form's token is bound to.
#[derive(Clone, Copy, Debug)]
pub struct SignedForm<'a> {
    /// `OPERATOR_TOKEN`.
    pub secret: &'a str,
    /// The experiment of the page.
    pub id: &'a str,
    /// What the form does.
    pub action: &'a str,
    /// What a confirmation repeats: the fields, and what they were shown against. Empty: the form of the page itself.
    pub content: &'a str,
}

impl SignedForm<'_> {
    /// Its token at a time in seconds since 1970.
    #[must_use]
    pub fn token(&self, now: i64) -> String {
        format!("{now}.{}", tag(self.secret, &["form", self.id, self.action, self.content], now))
    }

    /// Whether a token is this form's, and young enough.
    #[must_use]
    pub fn has(&self, token: &str, now: i64) -> bool {
        let Some(at) = time_of(token) else { return false };
        let age = now.saturating_sub(at);
        let most = if self.content.is_empty() { FORM_SECONDS } else { CONFIRM_SECONDS };
        (-60..=most).contains(&age) && signature::same(&self.token(at), token)
    }
}

/// Whether an operator's secret is the right one.
#[must_use]
pub fn confirms(secret: &str, given: &str) -> bool {
    !secret.is_empty() && signature::same(secret, given)
}

/// What a shared link to the results of an experiment says: its end, in seconds since 1970, and a tag.
#[must_use]
pub fn share(secret: &str, id: &str, until: i64) -> String {
    format!("{until}.{}", tag(secret, &["share", id], until))
}

/// Whether a link is good for an experiment at a time.
#[must_use]
pub fn shares(secret: &str, id: &str, link: &str, now: i64) -> bool {
    // why: compared whole, so that of one link there is one spelling
    time_of(link)
        .is_some_and(|until| !secret.is_empty() && now < until && signature::same(&share(secret, id, until), link))
}

fn time_of(token: &str) -> Option<i64> {
    token.split_once('.')?.0.parse().ok()
}

/// Each part with its length before it, so that none can run into the next.
fn tag(secret: &str, parts: &[&str], at: i64) -> String {
    let mut message = format!("{at}");
    for part in parts {
        message.push_str(&format!("/{}:{part}", part.len()));
    }
    hex(&signature::sign(secret.as_bytes(), &[message.as_bytes()]))
}
