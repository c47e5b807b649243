//! What came out, in a few sentences: what a decision keeps of the results that it was taken on.

use super::gate_level::{Gate, GateLevel};
use super::number::{counted, lifts};
use super::shown::lift_text;
use super::types::{ComparisonResult, MetricRole, Results, noun};
use super::{date, progress};
use crate::document::Timestamp;

/// How many treatments it names.
const MOST_NAMED: usize = 5;

/// The verdict, how many units in how long, the primary metric's lifts with their intervals, the checks, and as of when. Of
/// results without a decision, which would stand in the verdict's place.
///
/// # Errors
///
/// Why nothing can be summed up.
pub fn summary(results: &Results) -> Result<String, String> {
    let missing = results.gates.iter().find(|gate| gate.name == "record" && gate.level == GateLevel::Red);
    if let Some(gate) = missing {
        return Err(gate.text.clone());
    }
    let mut sentences = vec![results.verdict.text.clone()];
    if results.units > 0 {
        let now = results.computed_at.parse().unwrap_or(Timestamp::from_millis(0));
        let days = progress::days_run(&results.days, now);
        let run = counted(days, ("whole day", "whole days"));
        sentences.push(format!("{} in {run}.", counted(results.units, noun(results.unit))));
        sentences.extend(lifts_of(results));
        sentences.push(checks(&results.gates));
    }
    let by = results.computed_by.as_ref().map_or_else(String::new, |engine| format!(" by {engine}"));
    sentences.push(format!("Computed{by} {}.", date::moment(&results.computed_at)));
    Ok(sentences.join(" "))
}

/// The primary metric's lifts, unless the verdict has said them.
fn lifts_of(results: &Results) -> Option<String> {
    let metric = results.metrics.iter().find(|metric| metric.role == MetricRole::Primary)?;
    let is_new = |one: &&ComparisonResult| {
        !one.lift_interval.is_some_and(|interval| results.verdict.text.contains(&lifts(interval)))
    };
    let told: Vec<String> = metric
        .comparisons
        .iter()
        .filter(is_new)
        .take(MOST_NAMED)
        .map(|one| format!("{} {}", one.variant, lift_text(one)))
        .collect();
    (!told.is_empty()).then(|| format!("{}: {}.", metric.id, told.join("; ")))
}

fn checks(gates: &[Gate]) -> String {
    let named = |level: GateLevel| -> Vec<&str> {
        gates.iter().filter(|gate| gate.level == level).map(|gate| gate.title).collect()
    };
    let (red, amber) = (named(GateLevel::Red), named(GateLevel::Amber));
    let mut told = Vec::new();
    if !red.is_empty() {
        told.push(format!("red: {}", red.join(", ")));
    }
    if !amber.is_empty() {
        told.push(format!("to look at: {}", amber.join(", ")));
    }
    if told.is_empty() { "All checks of the data are fine.".to_owned() } else { format!("Checks {}.", told.join("; ")) }
}
