//! Which secrets a document cannot do without.

use super::Plan;

/// A secret that is needed and missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingSecret {
    /// The secret's name, as `wrangler secret put` takes it.
    pub name: &'static str,
    /// The field of the document that needs it.
    pub field: &'static str,
    /// What is so until it is set.
    meanwhile: &'static str,
}

impl core::fmt::Display for MissingSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { name, field, meanwhile } = self;
        write!(f, "{field}: the secret {name} is missing or empty, {meanwhile}: set it by `wrangler secret put {name}`")
    }
}

impl Plan {
    /// The secrets that the document needs and that `is_set` does not know. An empty secret is none.
    pub fn missing_secrets(&self, is_set: impl Fn(&str) -> bool) -> Vec<MissingSecret> {
        let visitor = &self.visitor;
        let token_key = visitor.user_jwt.as_ref().is_some_and(|token| token.key.is_none());
        [
            (visitor.signed, "SORTITION_SECRET", "visitor.signed", "so anybody may choose an id"),
            (visitor.user_signed, "INGEST_SECRET", "visitor.user_signed", "so nobody counts as logged in"),
            (token_key, "USER_JWT_SECRET", "visitor.user_jwt", "so nobody counts as logged in"),
        ]
        .into_iter()
        .filter(|(needed, name, ..)| *needed && !is_set(name))
        .map(|(_, name, field, meanwhile)| MissingSecret { name, field, meanwhile })
        .collect()
    }
}
