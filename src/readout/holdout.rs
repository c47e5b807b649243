//! The holdout: what all experiments together changed, read as an experiment of its own.
//!
//! Who is held out is the control, and as many times more others are the treatment; the record knows both as the experiment
//! [`RECORD_NAME`]. Its metrics are the primary ones of the document's experiments, the most common first.

use crate::document::{Document, Experiment, Id};
use serde_json::json;

/// The name in the record, which no experiment's id can be.
pub(super) const RECORD_NAME: &str = "_holdout";

/// The document with the holdout as its only experiment; `None` where nobody is held out.
#[must_use]
pub fn holdout(document: &Document) -> Option<Document> {
    let percent = f64::from(document.holdout.percent);
    if percent <= 0.0 {
        return None;
    }
    let mut metrics: Vec<(&Id, usize)> = Vec::new();
    let primaries = document.experiments.iter().filter_map(|e| e.metrics.as_ref()?.primary.as_ref());
    for id in primaries {
        match metrics.iter_mut().find(|(known, _)| *known == id) {
            Some((_, times)) => *times += 1,
            None => metrics.push((id, 1)),
        }
    }
    metrics.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    let ids: Vec<&str> = metrics.iter().map(|(id, _)| id.as_str()).collect();
    let (primary, secondary) = ids.split_first().map_or((None, &[][..]), |(first, rest)| (Some(*first), rest));
    let experiment = json!({
        "id": "holdout",
        "key": RECORD_NAME,
        "name": "The holdout",
        "hypothesis": "All experiments together make the shop better for who meets them than for who is held out of all of them.",
        "status": "running",
        "metrics": {"primary": primary, "secondary": secondary},
        "variants": [
            {"id": "held_out", "weight": 1, "description": "No experiment touches them."},
            {"id": "not_held_out", "weight": document.holdout.compare, "description": "They meet the experiments like everybody else."}
        ]
    });
    let experiment: Experiment = serde_json::from_value(experiment).ok()?;
    Some(Document { experiments: vec![experiment], ..document.clone() })
}

/// What an experiment is called in the record.
pub(super) fn name_in_record(experiment: &Experiment) -> &str {
    match experiment.key.as_deref() {
        Some(RECORD_NAME) => RECORD_NAME,
        _ => experiment.id.as_str(),
    }
}
