//! Notes in the audit trail: who did what, when.

use crate::document::Timestamp;
use serde_json::json;

/// One note.
#[derive(Clone, Copy, Debug)]
pub struct Note<'a> {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: &'a str,
    /// What was done: `push`, `kill`, `ramp`, …
    pub action: &'a str,
    /// The revision before; `None`: nothing was live.
    pub from: Option<&'a str>,
    /// The revision after.
    pub to: &'a str,
    /// For which environment.
    pub env: Option<&'a str>,
    /// What changed, a line each.
    pub summary: &'a [String],
    /// Which experiments it is about; none: the whole document.
    pub experiments: &'a [String],
}

impl Note<'_> {
    /// The key in KV, and its value: a line.
    #[must_use]
    pub fn entry(&self) -> (String, String) {
        let Self { at, who, action, from, to, env, summary, experiments } = self;
        let entry = json!({"at": at, "who": who, "action": action, "from": from, "to": to, "env": env,
            "summary": summary, "experiments": experiments});
        (format!("audit:{at}:{to}"), format!("{entry}\n"))
    }
}
