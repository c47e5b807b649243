//! Events → the texts of visits, of which the queue's messages are made.

use super::exposure::{Met, Shared};
use super::health::OriginHealth;
use super::identity::Identification;
use super::{Event, MAX_EVENTS, Served, What};
use crate::execution::{Besides, Intent};
use crate::json::write::{Object, member};
use crate::plan::Plan;

/// The events of one request as JSON texts. Those that do not fit one message are told as several visits.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The events of the visit that still takes some, with commas between them.
    text: String,
    /// How many those are.
    count: usize,
    /// The events of visits that take no more.
    full: Vec<String>,
    /// How many exposures are among them all.
    pub exposures: u64,
}

/// The most that the events of one visit take, in bytes. With the rows of [`super::health`], at most 20 KB, they fit a
/// message of 100 KB; a single event is never longer, since the body of a page or server is at most 64 KiB.
const MAX_BYTES: usize = 76_000;

impl Batch {
    /// The exposures of an intent's decisions, by their positions among them.
    #[must_use]
    pub fn exposures(intent: &Intent, plan: &Plan, exposed: &[usize], shared: Shared<'_>) -> Self {
        let mut written = Self::default();
        written.text.reserve(exposed.len().min(MAX_EVENTS) * 1024);
        for decision in exposed.iter().filter_map(|&position| intent.decisions.get(position)) {
            if let Some(met) = Met::of(intent, plan, decision) {
                written.add(|text| met.write(plan, shared, text));
                written.exposures += 1;
            }
        }
        written
    }

    /// Adds exposures beside those of the page's decisions.
    pub fn push_besides(&mut self, intent: &Intent, plan: &Plan, besides: &[Besides], shared: Shared<'_>) {
        for met in besides.iter().filter_map(|one| Met::besides(intent, plan, one)) {
            self.add(|text| met.write(plan, shared, text));
            self.exposures += 1;
        }
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
            self.add(|events| *events += &text);
            self.exposures += u64::from(matches!(event.what, What::Exposed(_)));
        }
    }

    /// Adds the origin's word on who the visitor is.
    pub fn push_identification(&mut self, identification: &Identification) {
        self.add(|events| identification.write(events));
    }

    /// An exposure that was written before; [`Batch::text`] gave it.
    #[must_use]
    pub fn exposure(text: String) -> Self {
        let count = usize::from(!text.is_empty());
        Self { exposures: u64::from(!text.is_empty()), text, count, full: Vec::new() }
    }

    /// The events of the visit that still takes some, as JSON with commas between them: all, where it is one event.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The visits that carry them, as JSON, one a line: what [`super::Visit`] is read from, but for the number, which
    /// whoever sends them gives them. The first also tells what the isolate served and how the origin is.
    #[must_use]
    #[inline(never)]
    pub fn visits(&self, served: Option<Served>, health: &[OriginHealth]) -> String {
        let mut text = String::with_capacity(self.text.len() + 64);
        for (index, events) in self.full.iter().chain([&self.text]).enumerate() {
            let first = index == 0;
            if !first {
                text += "\n";
            }
            let mut object = Object::begin(&mut text);
            if let Some(served) = served.filter(|_| first) {
                let mut text = String::new();
                let mut counts = Object::begin(&mut text);
                counts.number(member!("crawlers"), served.crawlers);
                counts.number(member!("visits"), served.visits);
                counts.end();
                object.json(member!("served"), &text);
            }
            if first && !health.is_empty() {
                let rows: Vec<String> = health.iter().map(OriginHealth::to_json).collect();
                object.list(member!("health"), &rows.join(","));
            }
            object.list(member!("events"), events);
            object.end();
        }
        text
    }

    /// Adds the event that `write` writes behind what a text holds.
    fn add(&mut self, write: impl FnOnce(&mut String)) {
        let before = self.text.len();
        if before > 0 {
            self.text += ",";
        }
        let start = self.text.len();
        write(&mut self.text);
        if before > 0 && (self.count >= MAX_EVENTS || self.text.len() > MAX_BYTES) {
            let event = self.text.split_off(start);
            self.text.truncate(before);
            self.full.push(core::mem::replace(&mut self.text, event));
            self.count = 0;
        }
        self.count += 1;
    }
}
