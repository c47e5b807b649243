//! What a visit needs beside the request.

use crate::execution::once::Exposed;
use crate::sender::Proof;

/// What a visit needs of the world beside the request.
#[derive(Clone, Copy, Debug, Default)]
pub struct World<'a> {
    /// The time, in milliseconds since 1970.
    pub now: i64,
    /// What signs cookies and previews: `SORTITION_SECRET`; an empty secret is none.
    pub secret: Option<&'a [u8]>,
    /// What signs users: `INGEST_SECRET`.
    pub ingest_secret: Option<&'a [u8]>,
    /// What signs users' tokens: `USER_JWT_SECRET`.
    pub token_secret: Option<&'a [u8]>,
    /// Whether the signature of the user's token holds, where the runtime was asked.
    pub token_holds: Option<bool>,
    /// What came of asking for the user's assignments on other devices.
    pub joined: Joined<'a>,
    /// What the isolate exposed today.
    pub exposed: Option<&'a Exposed>,
}

/// What came of asking for a user's assignments on other devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Joined<'a> {
    /// There is nobody to ask.
    #[default]
    Never,
    /// It was not asked yet.
    NotYet,
    /// No answer came in time.
    Late,
    /// The answer.
    Answer(&'a str),
}

impl<'a> World<'a> {
    /// The same without a secret that is empty, which is none.
    pub(super) fn checked(self) -> Self {
        Self { secret: self.secret.filter(|secret| !secret.is_empty()), ..self }
    }

    /// What ids are checked with.
    #[must_use]
    pub fn proof(&self) -> Proof<'a> {
        Proof {
            secret: self.secret,
            ingest: self.ingest_secret,
            token: self.token_secret,
            token_holds: self.token_holds,
            now: self.now,
        }
    }
}
