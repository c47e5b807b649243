//! What every page of the readout has.

use super::gate_level::{Gate, GateLevel};
use super::types::{Phase, Results, State};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The pages' style, alone inside `<style>`: its hash is what the content security policy allows.
pub const STYLE: &str = include_str!("style.css");

/// Where the pages are.
pub(super) const ROOT: &str = "/_sortition/experiments";

/// The pages that every page leads to, by path and name.
const PLACES: [(&str, &str); 4] =
    [("", "Experiments"), ("/interactions", "Interactions"), ("/holdout", "Holdout"), ("/programme", "Programme")];

/// A page around its content. `here` is its path below the root.
pub(super) fn page(title: &str, here: &str, content: &Markup) -> String {
    around(title, Some(here), content)
}

/// A page for whoever may see no other: it leads nowhere.
pub(super) fn alone(title: &str, content: &Markup) -> String {
    around(title, None, content)
}

/// A page that says what is not there.
#[must_use]
pub fn absent_page(title: &str, text: &str) -> String {
    page(title, "/", &html! { h1 { (title) } p { (text) } p { a href=(ROOT) { "All experiments" } } })
}

fn around(title: &str, here: Option<&str>, content: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) " · Sortition" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a class="skip" href="#content" { "To the content" }
                @if let Some(here) = here { header {
                    nav aria-label="Pages" {
                        @for (path, name) in PLACES {
                            @if path == here { a href={(ROOT) (path)} aria-current="page" { (name) } }
                            @else { a href={(ROOT) (path)} { (name) } }
                        }
                    }
                } }
                main id="content" { (content) }
            }
        }
    };
    page.into_string()
}

/// A table that becomes cards on a phone. `heads` are the columns, those that start with `#` of numbers; the first cell of a
/// row names it.
///
/// Roles are written out, for a table that is laid out as blocks is none to a screen reader.
pub(super) fn table(caption: &str, heads: &[&str], rows: &[Vec<Markup>]) -> Markup {
    let head = |head: &str| head.trim_start_matches('#').to_owned();
    let class = |head: Option<&&str>| if head.is_some_and(|head| head.starts_with('#')) { "n" } else { "t" };
    html! {
        table role="table" aria-label=(caption) {
            thead role="rowgroup" { tr role="row" {
                @for name in heads { th role="columnheader" class=(class(Some(name))) scope="col" { (head(name)) } }
            } }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" {
                        @for (at, cell) in row.iter().enumerate() {
                            @if at == 0 { th role="rowheader" scope="row" { (cell) } } @else {
                                td role="cell" class=(class(heads.get(at))) data-h=(heads.get(at).map_or_else(String::new, |name| head(name))) { (cell) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A text as a cell.
pub(super) fn cell(text: &str) -> Markup {
    html! { (text) }
}

/// A status in words, with the class of its chip.
pub(super) fn phase(results: &Results) -> (&'static str, &'static str) {
    if results.decision.is_some() {
        return ("decided", "chip done");
    }
    match results.phase {
        Phase::Draft => ("draft", "chip"),
        Phase::Scheduled => ("scheduled", "chip"),
        Phase::Running => ("running", "chip live"),
        Phase::Killed => ("killed", "chip bad"),
        Phase::Paused => ("paused", "chip"),
        Phase::ReadyForReview => ("ready for review", "chip warn"),
        Phase::Completed => ("completed", "chip done"),
    }
}

/// The class of a verdict's box.
pub(super) fn class(state: State) -> &'static str {
    match state {
        State::Winner => "verdict winner",
        State::Loser => "verdict loser",
        State::Untrusted => "verdict untrusted",
        State::Futile | State::Inconclusive => "verdict shrug",
        State::Empty | State::Open => "verdict",
    }
}

/// How bad a gate is, without relying on colour.
pub(super) fn mark(level: GateLevel) -> (&'static str, &'static str) {
    match level {
        GateLevel::Neutral => ("badge", "–"),
        GateLevel::Green => ("badge green", "✓"),
        GateLevel::Amber => ("badge amber", "! look:"),
        GateLevel::Red => ("badge red", "✕ stop:"),
    }
}

/// How many gates are of a level.
pub(super) fn how_many(gates: &[Gate], level: GateLevel) -> usize {
    gates.iter().filter(|gate| gate.level == level).count()
}

/// Gates as badges: those that somebody should look at, and of the green ones how many there are.
pub(super) fn badges(gates: &[Gate]) -> Markup {
    let green = how_many(gates, GateLevel::Green);
    html! {
        ul class="badges" aria-label="Checks of the data" {
            @for gate in gates.iter().filter(|gate| gate.level >= GateLevel::Amber) {
                @let (class, mark) = mark(gate.level);
                li class=(class) title=(gate.text) { (mark) " " (gate.title) }
            }
            @if green > 0 { li class="badge green" { "✓ " (green) " data checks" } }
            @else { li class="badge" { "– no data yet" } }
        }
    }
}
