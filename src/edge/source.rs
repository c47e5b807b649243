//! Headers and Cloudflare's properties of a request of the runtime.

use super::wire::SEPARATOR;
use crate::facts::Source;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/edge/request.js")]
unsafe extern "C" {
    fn header(request: &JsValue, name: &str) -> Option<String>;
    fn property(request: &JsValue, name: &str) -> Option<String>;
}

/// The headers that most pages ask for. They come into wasm together, as one text: each would cost two strings across the
/// boundary on its own, its name and its value.
const ASKED: [&str; 8] = [
    "user-agent",
    "cookie",
    "referer",
    "sec-purpose",
    "purpose",
    "if-none-match",
    "if-modified-since",
    "accept-encoding",
];

/// The names of the headers that `begin` takes as one text, in its order.
#[wasm_bindgen]
pub fn asked_headers() -> String {
    ASKED.join(",")
}

/// A request of the runtime.
pub(super) struct Incoming<'a> {
    pub(super) request: &'a JsValue,
    /// The values of the asked headers, each behind a `=`, in their order; nothing where a header is absent.
    pub(super) asked: &'a str,
}

impl Source for Incoming<'_> {
    fn header(&self, name: &str) -> Option<String> {
        match ASKED.iter().position(|asked| *asked == name) {
            Some(place) => self.asked.split(SEPARATOR).nth(place)?.strip_prefix('=').map(str::to_owned),
            None => header(self.request, name),
        }
    }

    fn property(&self, name: &str) -> Option<String> {
        property(self.request, name)
    }
}
