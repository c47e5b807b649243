//! Whether an answer has lost rows on its way: an engine's tools print so many and no more.

use super::{AGE, ALL, Answer, Cell, DAY, Sums, Units, Unreadable, rows};
use std::collections::{BTreeMap, BTreeSet};

/// What is missing of an answer to the question about units.
///
/// # Errors
///
/// It cannot be read.
pub fn missing_of_units(text: &str) -> Result<Option<String>, Unreadable> {
    Ok(uncounted(text, &["contaminated"])?.or(missing(&Units::read(text)?.cells)))
}

/// What is missing of an answer to the question about a metric.
///
/// # Errors
///
/// It cannot be read.
pub fn missing_of_metric(text: &str) -> Result<Option<String>, Unreadable> {
    Ok(uncounted(text, &["cap", "contradicts"])?.or(missing(&Answer::read(text)?.cells)))
}

/// Which of the rows is not there that every answer has.
fn uncounted(text: &str, wanted: &[&str]) -> Result<Option<String>, Unreadable> {
    let rows = rows(text)?;
    let lost = wanted.iter().find(|what| rows.iter().all(|row| row.text(0) != **what));
    Ok(lost.map(|what| format!("rows are missing: there is no `{what}`")))
}

/// What is missing of an answer's cells: a dimension divides a variant's units, so that its parts add up to all of them.
/// Versions do not: a unit may have none. Each variant has days.
fn missing(cells: &[Cell]) -> Option<String> {
    let mut sums: BTreeMap<(&str, &str), Sums> = BTreeMap::new();
    for cell in cells {
        *sums.entry((cell.dimension.as_str(), cell.variant.as_str())).or_default() += cell.sums;
    }
    let variants: BTreeSet<&str> = sums.keys().map(|(_, variant)| *variant).collect();
    let divides = |name: &&str| *name != AGE && *name != ALL && !name.starts_with("version.");
    let dimensions: BTreeSet<&str> = sums.keys().map(|(name, _)| *name).filter(divides).chain([DAY]).collect();
    for variant in variants {
        let of = |dimension| sums.get(&(dimension, variant)).copied().unwrap_or_default();
        let all = of(ALL);
        if let Some(dimension) = dimensions.iter().find(|dimension| of(dimension) != all) {
            return Some(format!("rows are missing: those of `{variant}` by {dimension} do not add up to all of it"));
        }
    }
    None
}
