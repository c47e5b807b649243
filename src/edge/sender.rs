//! Who sent a request, by what the isolate knows, and the random numbers that an id is made of.

use super::isolate::{self, Secrets};
use crate::facts::{Request, Source};
use crate::plan::{ExperimentAt, Plan};
use crate::sender::{self, Proof, Sender};
use crate::visitor::token::Unverified;
use wasm_bindgen::prelude::*;

/// Whether a token's signature is known to hold.
fn is_known(token: &Unverified, now: i64) -> bool {
    let key = token.key();
    let is_known = isolate::with(|isolate| isolate.tokens.knows(&key, now)).unwrap_or(false);
    // why: most tokens are looked at by visits of pages
    #[cfg(feature = "services")]
    let is_known = is_known || super::page::knows_token(&key, now as f64);
    is_known
}

/// Whether a token's signature holds: as somebody just found out, or as it is known; `None`: it has to be looked at.
pub(super) fn token_holds(token: &Unverified, found: Option<bool>, now: i64) -> Option<bool> {
    if is_known(token, now) {
        return Some(true);
    }
    if found == Some(true) {
        isolate::with(|isolate| isolate.tokens.remember(token));
    }
    found
}

/// Who sent a request, by what the isolate knows: nothing is asked of anybody.
pub(super) fn recognised<S: Source>(
    plan: &Plan,
    on_page: &[ExperimentAt],
    request: &Request<'_, S>,
    now: i64,
) -> Sender {
    let secrets = Secrets::known();
    let proof = secrets.world(now).proof();
    let sender = sender::identify(plan, on_page, request, proof, entropy);
    let holds = match &sender {
        Sender::Person(visitor) => visitor.unproven.as_ref().and_then(|token| is_known(token, now).then_some(true)),
        _ => None,
    };
    if holds.is_some() {
        return sender::identify(plan, on_page, request, Proof { token_holds: holds, ..proof }, entropy);
    }
    sender
}

/// The number of the isolate's plan. A call that hands over no text, which is how a fresh instance takes the place of one
/// that a trap ended; see `revive` in entry.js.
#[wasm_bindgen]
pub fn generation() -> u32 {
    isolate::loaded().map_or(0, |loaded| loaded.generation)
}

pub(super) fn entropy() -> [u8; 16] {
    isolate::with(|isolate| isolate.random.pop()).flatten().unwrap_or_else(|| {
        // why: asking the runtime costs the same for one as for many
        let mut bytes = [0; 16 * 32];
        if getrandom::fill(&mut bytes).is_err() {
            // why: an error has no cause in the Workers runtime; ids made of the clock would collide less than zeros
            return js_sys::Date::now().to_bits().to_le_bytes().repeat(2).try_into().unwrap_or([0; 16]);
        }
        let (many, _) = bytes.as_chunks::<16>();
        let [first, rest @ ..] = many else { return [0; 16] };
        isolate::with(|isolate| isolate.random.extend_from_slice(rest));
        *first
    })
}

#[cfg(not(feature = "services"))]
#[allow(clippy::cast_possible_truncation)]
pub(super) fn millis(now: f64) -> i64 {
    now as i64
}
