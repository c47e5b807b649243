//! Actions on the pages of results, in synchronous calls between what `operate.js` reads and writes.

use crate::document::{Document, Problem, Timestamp};
use crate::operate::{self, Acted, Action, Asked, Live, SignedForm};
use crate::readout;
use serde_json::{Map, Value, json};
use wasm_bindgen::prelude::*;

/// What becomes of an action: `{config, kill, guard, id, action, arguments, who, in_git}` →
/// `{acted, config?, kill?, guard?, audit}`, or `{problems}`.
#[wasm_bindgen]
pub fn operate(asked: &str, now: f64) -> String {
    let refused = |path: &str, message: &str| json!({"problems": [{"path": path, "message": message}]}).to_string();
    let asked: Value = match serde_json::from_str(asked) {
        Ok(asked) => asked,
        Err(error) => return refused("", &format!("what is asked cannot be read: {error}")),
    };
    let text = |field: &str| asked.get(field).and_then(Value::as_str);
    let nothing = Map::new();
    let Some(action) = text("action").and_then(Action::of) else {
        return refused("action", "there is no such action");
    };
    let Some(config) = text("config") else {
        return refused("config", "there is no experiment document yet: push one");
    };
    let live = Live { config, kill: text("kill"), guard: text("guard") };
    #[allow(clippy::cast_possible_truncation)]
    let now = Timestamp::from_millis(now as i64);
    let arguments = asked.get("arguments").and_then(Value::as_object).unwrap_or(&nothing);
    let in_git = asked.get("in_git") == Some(&Value::Bool(true));
    let (id, who) = (text("id").unwrap_or_default(), text("who").unwrap_or_default());
    let asked = Asked { action, id, arguments, who, now, in_git };
    match operate::act(live, &asked) {
        Ok(acted) => carried(&acted, action).to_string(),
        Err(problems) => {
            let of = |problem: &Problem| json!({"path": problem.path, "message": problem.message});
            json!({"problems": problems.iter().map(of).collect::<Vec<_>>()}).to_string()
        }
    }
}

fn carried(acted: &Acted, action: Action) -> Value {
    let mut out = Map::new();
    out.insert("acted".to_owned(), acted.to_json(action, true));
    if let Some(config) = &acted.config {
        out.insert("config".to_owned(), config.as_str().into());
    }
    for (name, change) in [("kill", &acted.kill), ("guard", &acted.guard)] {
        if let Some(value) = change {
            out.insert(name.to_owned(), value.clone().unwrap_or(Value::Null));
        }
    }
    out.insert("audit".to_owned(), json!([acted.audit.0, acted.audit.1]));
    Value::Object(out)
}

/// Where the document is kept: `{repository, path, branch, api}`, or nothing.
#[wasm_bindgen]
pub fn repository(config: &str) -> Option<String> {
    let git = Document::parse(config).ok()?.policy.git?;
    serde_json::to_string(&git).ok()
}

/// The token of a form, or of the one that confirms it.
#[wasm_bindgen]
pub fn form_token(secret: &str, id: &str, action: &str, content: &str, now: f64) -> String {
    SignedForm { secret, id, action, content }.token(seconds(now))
}

/// Whether a form has its token.
#[wasm_bindgen]
pub fn form_has(secret: &str, id: &str, action: &str, content: &str, token: &str, now: f64) -> bool {
    SignedForm { secret, id, action, content }.has(token, seconds(now))
}

/// Whether an operator's token is the right one.
#[wasm_bindgen]
pub fn is_operator(secret: &str, given: &str) -> bool {
    operate::confirms(secret, given)
}

/// What a shared link says; `until` in milliseconds since 1970.
#[wasm_bindgen]
pub fn share(secret: &str, id: &str, until: f64) -> String {
    operate::share(secret, id, seconds(until))
}

/// Whether a shared link is good for an experiment.
#[wasm_bindgen]
pub fn is_shared(secret: &str, id: &str, link: &str, now: f64) -> bool {
    operate::shares(secret, id, link, seconds(now))
}

/// The page that asks once more.
#[wasm_bindgen]
pub fn confirm_page(id: &str, action: &str, acted: &str, content: &str, token: &str, to_git: bool) -> String {
    let acted = serde_json::from_str(acted).unwrap_or_default();
    readout::confirm_page(id, action, &acted, content, token, to_git)
}

/// The page of what was done.
#[wasm_bindgen]
pub fn done_page(id: &str, action: &str, acted: &str) -> String {
    readout::done_page(id, action, &serde_json::from_str(acted).unwrap_or_default())
}

/// The page of what was refused.
#[wasm_bindgen]
pub fn refused_page(id: &str, action: &str, detail: &str) -> String {
    readout::refused_page(id, action, detail)
}

#[allow(clippy::cast_possible_truncation)]
fn seconds(now: f64) -> i64 {
    (now / 1000.0) as i64
}
