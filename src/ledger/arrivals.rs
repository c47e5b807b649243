//! Which numbers of each isolate arrived, as ranges.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The rows of a batch: `[source, ranges, highest, arrived, day]`, one an isolate.
pub(super) fn rows<'a>(numbers: impl Iterator<Item = (&'a str, u64)>, day: &str) -> Vec<Value> {
    let mut of: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (source, number) in numbers {
        of.entry(source).or_default().push(number);
    }
    of.into_iter()
        .map(|(source, mut numbers)| {
            numbers.sort_unstable();
            numbers.dedup();
            let highest = numbers.last().copied().unwrap_or(0);
            let arrived = numbers.len();
            // why: the record takes a text apart itself, and JSON in JSON would be parsed twice
            json!([source, Value::from(ranges(&numbers)).to_string(), highest, arrived, day])
        })
        .collect()
}

/// Sorted numbers as `[first, last]`, both included.
fn ranges(numbers: &[u64]) -> Vec<Value> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    ranges.into_iter().map(|(first, last)| json!([first, last])).collect()
}
