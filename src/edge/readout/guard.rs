//! What the scheduled guard does, as what is to be written and sent.

use super::Readout;
use crate::document::{Experiment, NewsFormat, Notify};
use crate::events::{Batch, EndedEarly, Event, What};
use crate::hash::{self, signature};
use crate::readout;
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
impl Readout {
    /// What the guard does: `guard`, the next value of `kill-guard` (absent: as it is; null: nothing is left of it);
    /// `audit`, `[key, entry]`s; `visits` for the queue, one a line; `notes`, `[name, at]`s to keep; `notify`, `[note, url, body,
    /// signature]`s, signed where there is a secret.
    pub fn act(&self, told: &str, secret: Option<String>) -> String {
        let at = self.now.to_string();
        let revision = self.document.revision.clone().unwrap_or_default();
        let mut guard = self.known.guard.clone();
        let (mut audit, mut events, mut notices, mut notes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (e, results) in self.experiments().zip(self.results(told, self.now.millis() as f64)) {
            let acts = readout::watch(&self.document, e, &results, &self.known, &mut guard, self.now);
            for breach in &acts.ended {
                let event = self.ended(e, breach, &at);
                let entry = json!({"at": at, "who": "sortition", "action": "kill", "from": revision, "to": revision,
                    "summary": [format!("killed: {}", e.id), breach.reason], "experiments": [e.id]});
                audit.push(json!([format!("audit:{at}:{revision}:{}", e.id), entry.to_string()]));
                events.push(event);
            }
            for told in &acts.told {
                let wanted = self.document.notify.iter().flat_map(Notify::all).filter(|to| to.on.contains(&told.news));
                for to in wanted {
                    // why: who was told of ends before there was other news reads the event itself
                    let ended = events.iter().find(|event| {
                        matches!(&event.what, What::EndedEarly(what)
                        if what.experiment_id == e.id.as_str() && what.ended_reason == told.text)
                    });
                    let body = match (ended, to.format) {
                        (Some(event), NewsFormat::Json) => serde_json::to_string(event).unwrap_or_default(),
                        _ => readout::body(told, to.format, &self.document, e, &at),
                    };
                    notices.push(json!([told.name, to.url, body, self.signed(&body, secret.as_deref())]));
                }
            }
            notes.extend(acts.notes.iter().map(|name| json!([name, at])));
        }
        readout::tidy(&self.document, &self.known, &mut guard);
        let mut acts = serde_json::Map::new();
        let visits = if events.is_empty() { String::new() } else { Batch::events(&events).visits(None, &[]) };
        for (name, value) in
            [("audit", json!(audit)), ("visits", json!(visits)), ("notify", json!(notices)), ("notes", json!(notes))]
        {
            acts.insert(name.to_owned(), value);
        }
        if guard != self.known.guard {
            acts.insert("guard".to_owned(), if guard.is_empty() { Value::Null } else { json!(guard) });
        }
        Value::Object(acts).to_string()
    }

    /// The event of an end.
    fn ended(&self, e: &Experiment, breach: &readout::Breach, at: &str) -> Event {
        let what = EndedEarly {
            experiment_id: e.id.to_string(),
            variant: breach.variant.clone(),
            ended_reason: breach.reason.clone(),
            ended_at: at.to_owned(),
        };
        let iteration = e.iteration.to_string();
        let id = ["ended", &self.document.project, e.id.as_str(), &iteration, breach.cause.word()];
        Event {
            id: hash::event_id(&id),
            project: self.document.project.clone(),
            config_revision: self.document.revision.clone().unwrap_or_default(),
            at: at.to_owned(),
            anonymous_id: None,
            user_id: None,
            what: What::EndedEarly(what),
        }
    }

    /// The header `Sortition-Signature` of a body; null without a secret.
    fn signed(&self, body: &str, secret: Option<&str>) -> Option<String> {
        let secret = secret.filter(|secret| !secret.is_empty())?.as_bytes();
        let seconds = self.now.millis().div_euclid(1000).to_string();
        let tag = signature::sign(secret, &[seconds.as_bytes(), b".", body.as_bytes()]);
        Some(format!("t={seconds},v1={}", hash::hex(&tag)))
    }
}
