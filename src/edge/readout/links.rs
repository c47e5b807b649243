//! What the page of an experiment leads to: previews, pictures, and what the rewriter met.

use crate::document::{Experiment, Preview, Timestamp};
use crate::readout::Results;
use crate::visitor::preview::{NAME, Token};
use serde_json::Value;

/// What the page of an experiment leads to.
#[derive(Default)]
pub(super) struct Links {
    pub(super) secret: Option<String>,
    pub(super) origin: String,
    pub(super) pictures: Vec<String>,
    pub(super) hits: Value,
}

impl Links {
    /// Adds them to an experiment's results.
    pub(super) fn put(&self, e: &Experiment, preview: Preview, now: Timestamp, results: &mut Results) {
        const GOOD_FOR_SECONDS: i64 = 24 * 3600;
        // why: a page rule without a wildcard is a page
        let page = e.pages.iter().find_map(|page| match serde_json::to_value(page).ok()? {
            Value::String(path) if !path.contains(['*', '?']) => Some(path),
            _ => None,
        });
        let page = page.unwrap_or_else(|| "/".to_owned());
        for (shown, variant) in results.variants.iter_mut().zip(&e.variants) {
            shown.picture = self.pictures.contains(&shown.id);
            if let (Some(secret), false) = (&self.secret, preview == Preview::Off || self.origin.is_empty()) {
                let expires_at = Some(now.millis() / 1000 + GOOD_FOR_SECONDS);
                let token = Token { choices: vec![(e.id.clone(), variant.id.clone())], expires_at };
                let token = token.write(Some(secret.as_bytes()));
                shown.preview = Some(format!("{}{page}?{NAME}={token}", self.origin));
            }
            let name = format!("{}={}", e.id, shown.id);
            let of = |one: &&Value| one.get("variant").and_then(Value::as_str) == Some(&name);
            let steps = self.hits.as_array().into_iter().flatten().find(of).and_then(|one| one.get("steps"));
            for change in &mut shown.changes {
                let met = |step: &&Value| {
                    let select = step.get("select").and_then(Value::as_str).unwrap_or_default();
                    !select.is_empty() && change.text.starts_with(&format!("{select}: "))
                };
                let step = steps.and_then(Value::as_array).into_iter().flatten().find(met);
                change.hits = step.and_then(|step| step.get("hits")).and_then(Value::as_u64);
            }
        }
    }
}
