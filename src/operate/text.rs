//! Actions as small changes of a document's text. `path` is the experiment's place: `experiments[2]`.

use crate::document::{DecisionRecord, Percent, Verdict};
use crate::edit;
use serde_json::Value;

/// Another traffic. A step of its own `ramp` that has come would overrule what was just said, so that goes.
#[must_use]
pub fn ramped(text: &str, path: &str, percent: Percent) -> Option<String> {
    let text = edit::remove(text, path, "ramp")?;
    edit::set(&text, path, "traffic", &number(percent))
}

/// A decision: a variant that goes to everybody, or else the end.
#[must_use]
pub fn decided(text: &str, path: &str, decision: &DecisionRecord) -> Option<String> {
    let text = edit::set(text, path, "decision", &serde_json::to_value(decision).ok()?)?;
    match decision.variant.as_ref().filter(|_| decision.what == Verdict::Ship) {
        Some(variant) => {
            let text = edit::set(&text, path, "winner", &variant.as_str().into())?;
            // why: past its end, or while it is not running, a winner would give everybody the control
            let text = edit::set(&text, path, "status", &"running".into())?;
            edit::remove(&text, path, "ends_at")
        }
        None => edit::set(&text, path, "status", &"completed".into()),
    }
}

/// `25` rather than `25.0`.
fn number(percent: Percent) -> Value {
    let number = f64::from(percent);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    if number.fract() == 0.0 { (number as u64).into() } else { number.into() }
}
