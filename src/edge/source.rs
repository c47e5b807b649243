//! Headers and Cloudflare's properties of a request of the runtime.

use crate::facts::Source;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/edge/request.js")]
unsafe extern "C" {
    fn header(request: &JsValue, name: &str) -> Option<String>;
    fn property(request: &JsValue, name: &str) -> Option<String>;
}

/// A request of the runtime.
pub(super) struct Incoming<'a>(pub(super) &'a JsValue);

impl Source for Incoming<'_> {
    fn header(&self, name: &str) -> Option<String> {
        header(self.0, name)
    }

    fn property(&self, name: &str) -> Option<String> {
        property(self.0, name)
    }
}
