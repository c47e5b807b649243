//! What every page of the readout has.

use super::gate::{Gate, Level};
use super::types::{Results, State};
use crate::document::Status;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The pages' style, alone inside `<style>`: its hash is what the content security policy allows.
pub const STYLE: &str = include_str!("style.css");

/// A page around its content.
pub(super) fn page(title: &str, content: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a class="skip" href="#content" { "To the content" }
                (content)
            }
        }
    };
    page.into_string()
}

/// A document's status in words.
pub(super) fn status(results: &Results) -> &'static str {
    if results.killed {
        return "killed: control for everybody";
    }
    match results.status {
        Status::Draft => "draft",
        Status::Running if results.days_left == Some(0) => "ready for review",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Completed => "completed",
    }
}

/// The class of a verdict's box.
pub(super) fn class(state: State) -> &'static str {
    match state {
        State::Winner => "verdict winner",
        State::Loser => "verdict loser",
        State::Untrusted => "verdict untrusted",
        State::Empty | State::Open => "verdict",
    }
}

/// How bad a gate is, without relying on colour.
pub(super) fn mark(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::Green => ("badge green", "✓"),
        Level::Amber => ("badge amber", "! look:"),
        Level::Red => ("badge red", "✕ stop:"),
    }
}

/// Gates as badges; of the green ones only how many there are.
pub(super) fn badges(gates: &[Gate]) -> Markup {
    let green = gates.iter().filter(|gate| gate.level == Level::Green).count();
    html! {
        ul class="badges" aria-label="Trust gates" {
            @for gate in gates.iter().filter(|gate| gate.level != Level::Green) {
                @let (class, mark) = mark(gate.level);
                li class=(class) title=(gate.text) { (mark) " " (gate.title) }
            }
            li class="badge green" { "✓ " (green) " gates green" }
        }
    }
}
