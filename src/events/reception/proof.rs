//! What proves that a visitor is a user: the shop's server signs the pair, and the page passes the tag on.

use crate::events::signature::from_hex;
use crate::hash::{hex, signature};

/// The proof that a visitor is a user: the HMAC-SHA256 of `visitor.user` under `INGEST_SECRET`, in hexadecimal digits.
#[must_use]
pub fn proof(visitor: &str, user: &str, key: &[u8]) -> String {
    hex(&signature::sign(key, &[visitor.as_bytes(), b".", user.as_bytes()]))
}

/// Why a proof does not count; compared in constant time.
pub(super) fn check(proof: Option<&str>, visitor: &str, user: &str, key: Option<&[u8]>) -> Result<(), &'static str> {
    let Some(proof) = proof else {
        return Err("it is missing: the shop's server signs `anonymous_id.user_id` with INGEST_SECRET");
    };
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        return Err("INGEST_SECRET is not set on this worker, so nothing can be proven");
    };
    let message = [visitor.as_bytes(), b".", user.as_bytes()];
    let right = from_hex(proof).is_some_and(|tag| signature::verify(key, &message, &tag));
    if right { Ok(()) } else { Err("it is not the HMAC-SHA256 of this visitor and user under INGEST_SECRET") }
}
