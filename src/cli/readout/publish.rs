//! What an engine said, put into the archive, where the worker's readout and its guard find it.

use super::Told;
use crate::cli::Failure;
use crate::cli::kv::KvArguments;
use crate::cli::store::Store;
use crate::document::{Document, Timestamp};
use crate::ledger::question::Question;
use crate::readout::{self, Depth, Known, Published};
use std::collections::BTreeMap;

/// Puts the answers about each experiment under `results/<project>/<experiment>/<iteration>.json`; returns the keys.
///
/// The worker asks its questions as the record is asked them, so answers are kept by what [`readout::published_key`] makes of
/// these: a metric that was defined anew since is not answered by what was published before.
pub(super) fn publish(
    document: &Document,
    told: &[Told<'_>],
    first: &[Option<String>],
    said: (&str, Option<u64>, &[String]),
    now: Timestamp,
    place: &KvArguments,
) -> Result<Vec<String>, Failure> {
    let (engine, read, incomplete) = said;
    let mut store = Store::open(place)?;
    let mut keys = Vec::new();
    for one in told {
        let mut answers = BTreeMap::new();
        let mut keep = |questions: Vec<Question>, said: &[Option<String>]| {
            for (question, said) in questions.into_iter().zip(said) {
                if let Some(said) = said {
                    answers.insert(readout::published_key(&question.to_json().to_string()), said.clone());
                }
            }
        };
        keep(Known::questions(document), first);
        for scope in [Depth::List, Depth::Detail] {
            keep(readout::questions(one.document, one.experiment, scope, now), &one.answers(scope));
        }
        let published = Published {
            schema: Published::SCHEMA,
            project: document.project.clone(),
            experiment: one.experiment.id.to_string(),
            iteration: one.experiment.iteration,
            engine: engine.to_owned(),
            computed_at: now.to_string(),
            rows_read: read,
            incomplete: incomplete.to_vec(),
            answers,
        };
        let key = readout::published_place(&document.project, one.experiment);
        let text = serde_json::to_string(&published).map_err(|error| Failure::Outside(error.to_string()))?;
        store.put(&key, &text)?;
        keys.push(key);
    }
    Ok(keys)
}
