//! What a request for the readout's pages may see and is for, before any document is read.

use crate::readout::{self, Door, Entry, Route, Tokens};
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

/// The style's hash for the content security policy.
#[wasm_bindgen]
pub fn readout_policy() -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(readout::STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

/// Which page or action a request is for, as JSON: `{"page":"list","form":"html"}`, or a problem to answer with. `admin` and
/// `operator`: which tokens the worker has.
#[wasm_bindgen]
pub fn readout_route(method: &str, path: &str, admin: bool, operator: bool) -> String {
    serde_json::to_string(&Route::of(method, path, Tokens { admin, operator })).unwrap_or_default()
}

/// A page of the download's rows (JSON) as `{"lines":"…","next":[…]}`; empty where there are no rows any more.
#[wasm_bindgen]
pub fn readout_lines(rows: &str) -> String {
    let rows: Vec<Vec<Value>> = serde_json::from_str(rows).unwrap_or_default();
    let page = readout::csv::page(&rows);
    page.map(|(lines, next)| json!({"lines": lines, "next": next}).to_string()).unwrap_or_default()
}

/// The first line of the download.
#[wasm_bindgen]
pub fn readout_columns() -> String {
    readout::csv::HEAD.to_owned()
}

/// What this isolate knows of those who tried to get in.
#[derive(Default)]
#[wasm_bindgen]
pub struct ReadoutDoor(Door);

#[wasm_bindgen]
impl ReadoutDoor {
    /// An isolate's own.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at who asks: -1 lets them in, 0 asks for the token, and after a wrong one the answer waits for so many
    /// milliseconds.
    pub fn enter(&mut self, authorization: Option<String>, token: &str, now: f64) -> i32 {
        #[allow(clippy::cast_possible_truncation)]
        match self.0.enter(authorization.as_deref(), token, now as i64) {
            Entry::Welcome => -1,
            Entry::Unknown => 0,
            Entry::Wrong(wait) => i32::try_from(wait).unwrap_or(i32::MAX),
        }
    }
}

/// The page of what is not there.
#[wasm_bindgen]
pub fn readout_absent(title: &str, text: &str) -> String {
    readout::absent_page(title, text)
}
