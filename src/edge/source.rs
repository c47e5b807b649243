//! Headers and Cloudflare's properties of a request of the runtime.

use crate::facts::Source;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/edge/request.js")]
unsafe extern "C" {
    fn header(request: &JsValue, name: &str) -> Option<String>;
    fn property(request: &JsValue, name: &str) -> Option<String>;
}

/// The headers that requests are asked for most, of which most requests have few.
const ASKED_FOR: [&str; 11] = [
    "user-agent",
    "cookie",
    "referer",
    "accept-encoding",
    "sec-purpose",
    "purpose",
    "sec-gpc",
    "if-none-match",
    "if-modified-since",
    "range",
    "authorization",
];

/// The names of [`ASKED_FOR`], each for one bit of what [`Incoming::new`] takes, from the lowest on.
#[wasm_bindgen]
pub fn asked_for() -> String {
    ASKED_FOR.join(",")
}

/// A request of the runtime.
pub(super) struct Incoming<'a> {
    request: &'a JsValue,
    present: u32,
}

impl<'a> Incoming<'a> {
    /// A request of which it is known which headers it has, by the bits of [`asked_for`].
    // why: to ask for a header that is not there costs as much as to ask for one that is, and JavaScript has walked over
    // all names anyway
    pub(super) fn new(request: &'a JsValue, present: u32) -> Self {
        Self { request, present }
    }

    /// A request of which nothing is known yet.
    pub(super) fn unseen(request: &'a JsValue) -> Self {
        Self::new(request, u32::MAX)
    }
}

impl Source for Incoming<'_> {
    fn header(&self, name: &str) -> Option<String> {
        let bit = ASKED_FOR.iter().position(|known| *known == name);
        if bit.is_some_and(|bit| self.present >> bit & 1 == 0) {
            return None;
        }
        header(self.request, name)
    }

    fn property(&self, name: &str) -> Option<String> {
        property(self.request, name)
    }
}
