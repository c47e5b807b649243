//! Secrets: the one place that reads them, so that an empty one is none everywhere.

use worker::Env;

/// A secret that is set and not empty.
pub(super) fn secret(env: &Env, name: &str) -> Option<String> {
    env.secret(name).ok().map(|secret| secret.to_string()).filter(|secret| !secret.is_empty())
}
