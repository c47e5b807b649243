//! What visitors see, how the origin answered, and what happened when.

use super::numbers::name;
use crate::readout::date;
use crate::readout::number::{count, counted, percent};
use crate::readout::page::{ROOT, cell, table};
use crate::readout::types::{AuditEntry, Results};
use maud::{Markup, html};

/// What each variant shows: in words, as a link, as a picture.
pub(super) fn seen(results: &Results) -> Markup {
    html! {
        section {
            h2 { "What visitors see" }
            div class="variants" {
                @for (at, variant) in results.variants.iter().enumerate() {
                    article {
                        h3 { (name(results, at)) }
                        @if !variant.description.is_empty() { p { (variant.description) } }
                        @if variant.picture {
                            a href={(ROOT) "/" (results.id) "/screens/" (variant.id) ".png"} {
                                img src={(ROOT) "/" (results.id) "/screens/" (variant.id) ".png"} alt={"The page with " (variant.id)} loading="lazy";
                            }
                        }
                        ul class="changes" {
                            @for change in &variant.changes {
                                li { (change.text) @if let Some(hits) = change.hits { " " span class="soft" { "matched " (counted(i64::try_from(hits).unwrap_or(i64::MAX), ("time", "times"))) " lately" } } }
                            }
                        }
                        @if let Some(link) = &variant.preview { p { a href=(link) rel="nofollow noreferrer" { "Look at " (variant.id) } } }
                    }
                }
            }
        }
    }
}

pub(super) fn origin(results: &Results) -> Markup {
    let time = |value: Option<u32>| value.map_or_else(|| "over 3,200 ms".to_owned(), |ms| format!("within {ms} ms"));
    let rows: Vec<Vec<Markup>> = results
        .health
        .iter()
        .map(|one| {
            let at = results.variants.iter().position(|variant| variant.id == one.variant).unwrap_or(0);
            vec![
                name(results, at),
                cell(&count(one.requests)),
                cell(&count(one.errors)),
                cell(&percent(one.errors as f64 / (one.requests as f64).max(1.0))),
                cell(&time(one.p50_ms)),
                cell(&time(one.p95_ms)),
            ]
        })
        .collect();
    html! {
        section {
            h2 { "The origin, by variant" }
            @if rows.is_empty() { p class="soft" { "No request to the origin is on record yet." } }
            @else { (table("The origin, by variant", &["Variant", "#Requests", "#Errors", "#Error rate", "#Half of them", "#95 %"], &rows)) }
        }
    }
}

pub(super) fn timeline(results: &Results) -> Markup {
    let ended = |ending: &crate::readout::types::Ending| {
        let variant = ending.variant.as_ref().map_or_else(String::new, |variant| format!(" because of {variant}"));
        format!("Ended early{variant}: {}", ending.reason)
    };
    let mut timeline: Vec<(&str, String)> =
        results.endings.iter().map(|ending| (ending.at.as_str(), ended(ending))).collect();
    let concerns = |entry: &&AuditEntry| entry.experiments.is_empty() || entry.experiments.contains(&results.id);
    timeline.extend(results.audit.iter().filter(concerns).map(|entry| {
        let text = format!("{} by {}, revision {}: {}", entry.action, entry.who, entry.to, entry.summary.join("; "));
        (entry.at.as_str(), text)
    }));
    timeline.extend(results.starts_at.iter().map(|at| (at.as_str(), "Starts".to_owned())));
    timeline.extend(results.ends_at.iter().map(|at| (at.as_str(), "Planned end".to_owned())));
    timeline.extend(results.days.first().iter().map(|day| (day.day.as_str(), "First exposure".to_owned())));
    timeline.sort_unstable();
    timeline.reverse();
    html! {
        section {
            h2 { "Timeline" }
            ul class="plain timeline" {
                @for (at, what) in &timeline { li { time datetime=(at) { (date::moment(at)) } " " (what) } }
            }
        }
    }
}

/// The page as data, for whoever may ask for it.
pub(super) fn downloads(results: &Results) -> Markup {
    html! {
        section {
            h2 { "Downloads" }
            p {
                a href={(ROOT) "/" (results.id) ".json"} { "This page as JSON" } ", "
                a href={(ROOT) "/" (results.id) ".csv"} { "units and their outcomes as CSV" } "."
            }
        }
    }
}
