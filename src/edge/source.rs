//! Headers and Cloudflare's properties of a request of the runtime.

use crate::facts::Source;
use crate::visitor::client::Client;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/edge/request.js")]
unsafe extern "C" {
    fn header(request: &JsValue, name: &str) -> Option<String>;
    fn property(request: &JsValue, name: &str) -> Option<String>;
    fn learn(headers: &str, properties: &str);
    /// A header or property by its position in what [`learn`] was told.
    fn known_header(request: &JsValue, position: usize) -> Option<String>;
    fn known_property(request: &JsValue, position: usize) -> Option<String>;
    /// What was remembered of the request's user agent; see [`Client::code`].
    fn recall(request: &JsValue) -> Option<u32>;
    fn remember(request: &JsValue, code: u32);
    /// Forgets what was remembered of user agents: another document may have another rule for crawlers.
    pub(super) fn forget();
}

/// The headers that are asked for most, of which most requests have few.
const HEADERS: [&str; 16] = [
    "sec-fetch-dest",
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
    "accept",
    "if-match",
    "if-range",
    "sortition-handover",
];

/// The properties that are asked for most.
const PROPERTIES: [&str; 2] = ["verifiedBot", "country"];

/// Teaches JavaScript the names that go across the boundary as their position: to make a string of a name costs more than
/// to look the header up. Returns those of the headers; a header's position is also its bit in what `begin` takes.
#[wasm_bindgen]
pub fn teach_names() -> String {
    let headers = HEADERS.join(",");
    learn(&headers, &PROPERTIES.join(","));
    headers
}

/// A request of the runtime.
pub(super) struct Incoming<'a> {
    request: &'a JsValue,
    present: u32,
}

impl<'a> Incoming<'a> {
    /// A request of which it is known which of [`HEADERS`] it has, the first by the lowest bit.
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
        // why: to compare texts is a call, and few of them are as long
        match HEADERS.iter().position(|known| known.len() == name.len() && *known == name) {
            Some(bit) if self.present >> bit & 1 == 0 => None,
            Some(position) => known_header(self.request, position),
            None => header(self.request, name),
        }
    }

    fn recall(&self) -> Option<Client> {
        recall(self.request).and_then(Client::of_code)
    }

    // why: what is remembered is remembered in JavaScript, so that a text of a hundred bytes need not cross the boundary
    fn remember(&self, reading: Client) {
        remember(self.request, reading.code());
    }

    fn property(&self, name: &str) -> Option<String> {
        match PROPERTIES.iter().position(|known| *known == name) {
            Some(position) => known_property(self.request, position),
            None => property(self.request, name),
        }
    }
}
