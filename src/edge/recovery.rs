//! What becomes of an instance that a panic ends: the log says why, and the next call starts a fresh one. The services have
//! the same of the crate `worker`.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
unsafe extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn log(text: &str);
}

#[wasm_bindgen(start, private)]
fn prepare() {
    std::panic::set_hook(Box::new(|panic| log(&format!("sortition: {panic}"))));
    // why: without it every later call of the isolate fails, and no experiment acts there again
    wasm_bindgen::handler::set_on_abort(wasm_bindgen::handler::schedule_reinit);
}
