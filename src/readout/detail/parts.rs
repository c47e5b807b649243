//! Parts of the audience, other experiments on the same units, and how long outcomes take.

use super::numbers::capital;
use crate::readout::number::{count, counted, lift, p_value, percent};
use crate::readout::overlap;
use crate::readout::page::{ROOT, cell, table};
use crate::readout::plot;
use crate::readout::segment::{part_name, title};
use crate::readout::shown::lift_text;
use crate::readout::types::{Results, noun};
use maud::{Markup, html};

pub(super) fn parts(results: &Results) -> Markup {
    let parts = || results.segments.iter().flat_map(|segment| &segment.parts);
    let domain = plot::domain(
        parts()
            .filter(|part| !part.small)
            .flat_map(|part| part.comparisons.iter().filter_map(|comparison| comparison.lift_interval)),
    );
    let mut many = String::from("#");
    many.push_str(&capital(noun(results.unit).1));
    html! {
        @if parts().next().is_some() {
            section {
                h2 { "Parts of the audience" }
                p class="soft" { "The primary metric in each. Many parts are many chances to be fooled: look for faults here, not for winners. Each has its own sample ratio test, after Holm over all of them." }
                @for segment in &results.segments {
                    @let flagged = segment.parts.iter().any(|part| part.ratio_flagged);
                    details open[flagged || segment.dimension == "device"] {
                        summary { "By " (title(&segment.dimension)) @if flagged { " " span class="badge amber" { "! look" } } }
                        @let rows: Vec<Vec<Markup>> = segment.parts.iter().flat_map(|part| {
                            let first = |at: usize, text: &str| if at == 0 { cell(text) } else { cell("") };
                            let of = move |at: usize, variant: Markup, shown: Markup| vec![
                                cell(part_name(&segment.dimension, &part.value)), first(at, &count(part.units)), variant, shown,
                                html! { @if at == 0 { @match part.ratio_p { Some(p) => { span class=(if part.ratio_flagged { "badge amber" } else { "soft" }) { @if part.ratio_flagged { "! " } "p " (p_value(p)) } } None => { span class="soft" { "–" } } } } },
                            ];
                            if part.small || part.comparisons.is_empty() {
                                let note = match (part.unknown, part.small) {
                                    (true, _) => "not told by whoever reported them: no part of its own",
                                    (false, true) => "fewer than 100 in a variant: it says nothing",
                                    (false, false) => "not computed in parts",
                                };
                                return vec![of(0, cell("all"), html! { span class="soft" { (note) } })];
                            }
                            part.comparisons.iter().enumerate().map(|(at, comparison)| of(at, cell(&comparison.variant), html! {
                                div class="lift" { (plot::interval(comparison, domain, at + 1)) span { (lift_text(comparison)) } }
                            })).collect::<Vec<_>>()
                        }).collect();
                        (table(&title(&segment.dimension), &["Part", &many, "Variant", "Lift", "Split"], &rows))
                    }
                }
            }
        }
    }
}

pub(super) fn interactions(results: &Results) -> Markup {
    let found: Vec<String> = results
        .interactions
        .iter()
        .flat_map(|overlap| overlap.tests.iter().filter(|test| test.found).map(move |test| (overlap, test)))
        .map(|(overlap, test)| {
            let p = test
                .p_bh
                .map_or_else(String::new, |p| format!(" (p {} after Benjamini–Hochberg over its pairs)", p_value(p)));
            format!("{}{p}", overlap::sentence(&results.id, overlap, test))
        })
        .collect();
    html! {
        @if !results.interactions.is_empty() {
            section {
                h2 { "Other experiments on the same " (noun(results.unit).1) }
                @if found.is_empty() { p { (counted(i64::try_from(results.interactions.len()).unwrap_or(0), ("other experiment", "other experiments"))) " met the same " (noun(results.unit).1) ", and none acts on this one, as far as can be told. " a href={(ROOT) "/interactions"} { "All pairs" } } }
                @for text in &found { p class="note" { (text) } }
                details open[!found.is_empty()] {
                    summary { "Overlap with each" }
                    @let rows: Vec<Vec<Markup>> = results.interactions.iter().flat_map(|overlap| overlap.tests.iter().map(move |test| vec![
                        html! { a href={(ROOT) "/" (overlap.experiment)} { (overlap.experiment) } }, cell(&count(overlap.units)), cell(&format!("{} × {}", test.variant, test.other)),
                        cell(&count(test.smallest)), cell(&test.relative.map_or_else(|| "too few".to_owned(), lift)), cell(&test.p_bh.map_or_else(|| "–".to_owned(), p_value)),
                    ])).collect();
                    (table("Overlaps", &["Experiment", "#In both", "Treatments", "#Smallest cell", "#Beyond the sum", "#p (BH)"], &rows))
                }
            }
        }
    }
}

pub(super) fn delays(results: &Results) -> Markup {
    html! {
        @if results.delays.len() > 1 {
            section {
                h2 { "How long outcomes take" }
                p class="soft" { "The share of the primary metric's outcomes that had come by then, counted from the exposure. While many are still to come, an experiment that ends now reads too low." }
                (plot::delays(&results.delays))
                p class="soft" { (percent(results.delays.first().map_or(0.0, |first| first.until))) " came at once." }
            }
        }
    }
}
