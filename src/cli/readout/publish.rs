//! What an engine said, put into the archive, where the worker's readout and its guard find it.

use super::Told;
use crate::cli::Failure;
use crate::cli::kv::KvArguments;
use crate::cli::store::Store;
use crate::document::{Document, Timestamp};
use crate::readout::{self, Published, Source};

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
        let told = Published::DEPTHS.map(|depth| one.answers(depth));
        let source = Source { engine, at: now, read, incomplete };
        let published = Published::new(one.document, one.experiment, source, first, told.each_ref().map(Vec::as_slice));
        let key = readout::published_place(&document.project, one.experiment);
        let text = serde_json::to_string(&published).map_err(|error| Failure::Outside(error.to_string()))?;
        store.put(&key, &text)?;
        keys.push(key);
    }
    Ok(keys)
}
