//! Events → the text of a queue message.

use super::exposure::Met;
use super::health::OriginHealth;
use super::json::Object;
use super::{Event, SCHEMA, Served, What};
use crate::execution::Intent;
use crate::plan::Plan;

/// Events as JSON texts, for one message.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The events with commas between them.
    text: String,
    /// How many exposures are among them.
    pub exposures: u64,
}

impl Written {
    /// The exposures of an intent's decisions, by their positions among them. `view` is the page view as JSON.
    #[must_use]
    pub fn exposures(intent: &Intent, plan: &Plan, exposed: &[usize], view: &str) -> Self {
        let mut written = Self::default();
        written.text.reserve(exposed.len() * 1024);
        for decision in exposed.iter().filter_map(|&position| intent.decisions.get(position)) {
            if let Some(met) = Met::of(intent, plan, decision) {
                written.comma();
                met.write(plan, view, &mut written.text);
                written.exposures += 1;
            }
        }
        written
    }

    /// Events that somebody else reported.
    #[must_use]
    pub fn events(events: &[Event]) -> Self {
        let mut written = Self::default();
        events.iter().for_each(|event| written.push(event));
        written
    }

    /// Adds an event.
    pub fn push(&mut self, event: &Event) {
        if let Ok(text) = serde_json::to_string(event) {
            self.comma();
            self.text += &text;
            self.exposures += u64::from(matches!(event.what, What::Exposed(_)));
        }
    }

    /// An exposure that was written before, by [`Written::text`].
    #[must_use]
    pub fn exposure(text: String) -> Self {
        Self { exposures: u64::from(!text.is_empty()), text }
    }

    /// The events as JSON, with commas between them.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The message that carries them, as JSON: what [`super::Message`] is read from. `source` and `seq` are the isolate's.
    #[must_use]
    pub fn message(&self, source: &str, seq: u64, served: Option<Served>, health: &[OriginHealth]) -> String {
        let mut text = String::with_capacity(self.text.len() + 256);
        let mut object = Object::begin(&mut text);
        object.json("schema", &SCHEMA.to_string());
        object.text("source", source);
        object.json("seq", &seq.to_string());
        if let Some(served) = served.and_then(|served| serde_json::to_string(&served).ok()) {
            object.json("served", &served);
        }
        if !health.is_empty()
            && let Ok(health) = serde_json::to_string(health)
        {
            object.json("health", &health);
        }
        object.list("events", &self.text);
        object.end();
        text
    }

    fn comma(&mut self) {
        if !self.text.is_empty() {
            self.text += ",";
        }
    }
}
