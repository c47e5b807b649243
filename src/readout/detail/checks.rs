//! Whether the data can be trusted.

use super::numbers::{capital, name};
use crate::readout::gate_level::GateLevel;
use crate::readout::number::{count, percent};
use crate::readout::page::{cell, how_many, mark, table};
use crate::readout::types::{Results, noun};
use maud::{Markup, html};

/// The checks: open where somebody should look, folded where all that could be judged are green.
pub(super) fn checks(results: &Results) -> Markup {
    let total: i64 = results.variants.iter().map(|variant| variant.units).sum();
    let of = |level: GateLevel| how_many(&results.gates, level);
    let look = of(GateLevel::Amber) + of(GateLevel::Red);
    let summary = {
        let mut parts = Vec::new();
        for (level, word) in [
            (GateLevel::Red, "stop"),
            (GateLevel::Amber, "to look at"),
            (GateLevel::Green, "green"),
            (GateLevel::Neutral, "neutral"),
        ] {
            if of(level) > 0 {
                parts.push(format!("{} {word}", of(level)));
            }
        }
        parts.join(", ")
    };
    let rows: Vec<Vec<Markup>> = results
        .gates
        .iter()
        .map(|gate| {
            let (class, mark) = mark(gate.level);
            vec![html! { span class=(class) { (mark) " " (gate.title) } }, cell(&gate.text)]
        })
        .collect();
    let units: Vec<Vec<Markup>> = results
        .variants
        .iter()
        .enumerate()
        .map(|(at, variant)| {
            let share = variant.units as f64 / (total as f64).max(1.0);
            vec![name(results, at), cell(&count(variant.units)), cell(&percent(share)), cell(&percent(variant.share))]
        })
        .collect();
    let mut many = String::from("#");
    many.push_str(&capital(noun(results.unit).1));
    html! {
        section {
            h2 { "Can the data be trusted?" }
            details open[look > 0] {
                summary { (summary) }
                p class="soft" { "Checks speak of the data, not of the variants: all of them may be green while a variant does harm." }
                (table("Checks of the data", &["Check", "What was found"], &rows))
                h3 { "The split" }
                (table("The split", &["Variant", &many, "#Share", "#Promised"], &units))
            }
        }
    }
}
