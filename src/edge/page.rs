//! What the services ask the page's wasm for, which is another instance with a memory of its own; see `page.js`.

use wasm_bindgen::prelude::*;

// why: by its name and not by its path, for there is one page's wasm, and by the path it would be bundled a second time
#[wasm_bindgen(raw_module = "sortition-page")]
unsafe extern "C" {
    /// What `/health` says, as JSON. `exposures`, `unchanged`: what the services counted.
    pub(super) fn health(is_told: bool, exposures: f64, unchanged: f64, now: f64) -> Option<String>;
    /// Whether a page found that a token is signed; `key`: what it is remembered by.
    #[wasm_bindgen(js_name = knowsToken)]
    pub(super) fn knows_token(key: &str, now: f64) -> bool;
}
