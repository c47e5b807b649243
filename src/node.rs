//! **wasm32 with the feature `engine` only**: the engine for JavaScript outside a worker; see `clients/engine`.

// why: wasm_bindgen exports what is `pub`, and nothing here is reachable from Rust
#![allow(unreachable_pub)]

use wasm_bindgen::prelude::*;

/// A document, checked and compiled.
#[wasm_bindgen]
pub struct Engine(crate::engine::Engine);

#[wasm_bindgen]
impl Engine {
    /// Reads, checks and compiles a document; fails with every problem, one a line.
    #[wasm_bindgen(constructor)]
    pub fn new(document: &str) -> Result<Engine, JsValue> {
        let lines = |problems: Vec<crate::document::Problem>| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            JsValue::from(lines.join("\n"))
        };
        crate::engine::Engine::new(document).map(Engine).map_err(lines)
    }

    /// Sets the kill switch.
    pub fn kill(&mut self, kill: &str) -> Result<(), JsValue> {
        self.0.kill(kill).map_err(|error| JsValue::from(error.to_string()))
    }

    /// The document's revision.
    pub fn revision(&self) -> String {
        self.0.revision().to_owned()
    }

    /// The answer to a call: its status, its entity tag or nothing, and its body, with a line break between them; nothing
    /// where there is no such path.
    #[allow(clippy::cast_possible_truncation)]
    pub fn answer(&self, path: &str, body: &str, if_none_match: Option<String>, now: f64) -> Option<String> {
        let answer = self.0.answer(path, body.as_bytes(), if_none_match.as_deref(), now as i64)?;
        Some([&answer.status.to_string(), "\n", answer.tag().unwrap_or_default(), "\n", &answer.body].concat())
    }
}
