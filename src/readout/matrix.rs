//! Every pair of experiments that ran on shared units: does one change the other's effect?

use super::number::{count, lift, p_value};
use super::overlap;
use super::page::{ROOT, cell, page, table};
use super::types::{Overlap, Results};
use crate::stats::{Level, benjamini_hochberg};
use maud::{Markup, html};

/// Corrects the tests of all experiments together: a page about all pairs must count them all.
pub(super) fn corrected(all: &mut [Results]) {
    let tests = |results: &mut Results| results.interactions.iter_mut().flat_map(|one| one.tests.iter_mut()).count();
    let mut p_values = Vec::with_capacity(all.iter_mut().map(tests).sum());
    for results in all.iter() {
        p_values.extend(results.interactions.iter().flat_map(|one| one.tests.iter().map(|test| test.p)));
    }
    let mut adjusted = benjamini_hochberg(&p_values, Level::FIVE_PERCENT).into_iter();
    for results in all.iter_mut() {
        for test in results.interactions.iter_mut().flat_map(|one| &mut one.tests) {
            let adjusted = adjusted.next().flatten();
            test.p_bh = adjusted.map(|one| one.p);
            test.found = adjusted.is_some_and(|one| one.rejected);
        }
    }
}

/// The page of all pairs.
#[must_use]
pub fn interactions_page(project: &str, mut all: Vec<Results>) -> String {
    corrected(&mut all);
    all.retain(|results| !results.interactions.is_empty());
    let pairs: usize = all.iter().map(|results| results.interactions.len()).sum();
    let content = html! {
        h1 { "Interactions" }
        p { "Whether two experiments on the same people do more, or less, together than their effects add up to: the difference of the differences of the primary metric, for each treatment with each, in per cent of the mean of those who met neither. p after Benjamini and Hochberg over all pairs, at one look: a hint where to look, not a verdict." }
        @if pairs == 0 { p class="soft" { "No two experiments have met the same people yet." } }
        @else {
            (found(&all))
            (grid(&all))
            section {
                h2 { "All pairs" }
                @let pairs = || all.iter().flat_map(|results| results.interactions.iter().map(move |overlap| (results, overlap)));
                @let tests = pairs().filter(|(results, overlap)| !is_told_by_the_other(&all, results, overlap));
                @let tests = tests.flat_map(|(results, overlap)| overlap.tests.iter().map(move |test| (results, overlap, test)));
                @let rows: Vec<Vec<Markup>> = tests.map(|(results, overlap, test)| vec![
                    html! { a href={(ROOT) "/" (results.id)} { (results.id) } " · " (test.variant) },
                    html! { a href={(ROOT) "/" (overlap.experiment)} { (overlap.experiment) } " · " (test.other) },
                    cell(&overlap.metric), cell(&count(overlap.units)), cell(&count(test.smallest)),
                    cell(&test.relative.map_or_else(|| "too few".to_owned(), lift)),
                    html! { span class=(if test.found { "cell-found" } else { "" }) { (test.p_bh.map_or_else(|| "–".to_owned(), p_value)) } },
                ]).collect();
                (table("All pairs", &["Treatment", "With", "On", "#In both", "#Smallest cell", "#Beyond the sum", "#p (BH)"], &rows))
            }
        }
    };
    page(&format!("Interactions in {project}"), "/interactions", &content)
}

/// Whether an experiment before this one tells the same pair: of one metric both have the same test.
fn is_told_by_the_other(all: &[Results], results: &Results, overlap: &Overlap) -> bool {
    let before = all.iter().take_while(|one| one.id != results.id).find(|one| one.id == overlap.experiment);
    let theirs = before.and_then(|one| one.interactions.iter().find(|theirs| theirs.experiment == results.id));
    theirs.is_some_and(|theirs| theirs.metric == overlap.metric)
}

fn found(all: &[Results]) -> Markup {
    let texts: Vec<String> = all
        .iter()
        .flat_map(|results| results.interactions.iter().map(move |overlap| (results, overlap)))
        .filter(|(results, overlap)| !is_told_by_the_other(all, results, overlap))
        .flat_map(|(results, overlap)| overlap.tests.iter().map(move |test| (results, overlap, test)))
        .filter(|(_, _, test)| test.found)
        .map(|(results, overlap, test)| overlap::sentence(&results.id, overlap, test))
        .collect();
    html! {
        @if texts.is_empty() { p { strong { "No interaction was found." } } }
        @for text in &texts { p class="note" { strong { (text) } } }
    }
}

/// The strongest test of each pair, as a square.
fn grid(all: &[Results]) -> Markup {
    let mut columns: Vec<&str> = all.iter().map(|results| results.id.as_str()).collect();
    columns.extend(all.iter().flat_map(|results| results.interactions.iter().map(|one| one.experiment.as_str())));
    columns.sort_unstable();
    columns.dedup();
    let strongest = |overlap: &Overlap| {
        overlap.tests.iter().filter_map(|test| Some((test.p_bh?, test.found))).min_by(|a, b| a.0.total_cmp(&b.0))
    };
    let heads: Vec<&str> = std::iter::once("Experiment").chain(columns.iter().copied()).collect();
    let rows: Vec<Vec<Markup>> = all
        .iter()
        .map(|results| {
            let mut row = vec![cell(&results.id)];
            for column in &columns {
                let overlap = results.interactions.iter().find(|one| one.experiment == *column);
                row.push(match overlap.and_then(strongest) {
                    Some((p, true)) => html! { span class="cell-found" { "! p " (p_value(p)) } },
                    Some((p, false)) => html! { span class="soft" { "p " (p_value(p)) } },
                    None => cell(if results.id == *column { "·" } else { "–" }),
                });
            }
            row
        })
        .collect();
    html! {
        section {
            h2 { "The matrix" }
            p class="soft" { "The smallest p of each pair, on the primary metric of the row's experiment." }
            div class="matrix" role="region" aria-label="The matrix" tabindex="0" { (table("The matrix", &heads, &rows)) }
        }
    }
}
