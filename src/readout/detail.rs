//! One experiment, for whoever has to decide, to check, or to put it out: verdict, hypothesis and owner, metrics, checks of
//! the data, then the rest.

mod checks;
mod context;
mod numbers;
mod parts;

use super::date;
use super::number::{count, counted, days, grouped, percent};
use super::page::{alone, class, page, phase};
use super::types::{Results, noun};
use maud::{Markup, html};

/// The page of an experiment.
#[must_use]
pub fn detail_page(results: &Results) -> String {
    detail_page_with(results, &Markup::default())
}

/// The same with what one may do about it.
#[must_use]
pub fn detail_page_with(results: &Results, acting: &Markup) -> String {
    let more = html! { (context::downloads(results)) (acting) };
    page(title_of(results), "/", &content(results, &more))
}

/// The same for whoever was sent a link to it, and to nothing else.
#[must_use]
pub fn shared_page(results: &Results) -> String {
    alone(title_of(results), &content(results, &Markup::default()))
}

fn title_of(results: &Results) -> &str {
    if results.name.is_empty() { &results.id } else { &results.name }
}

/// `more`: what only insiders see.
fn content(results: &Results, more: &Markup) -> Markup {
    let title = title_of(results);
    let (status, chip) = phase(results);
    html! {
        h1 { (title) " " span class=(chip) { (status) } }
        p class="soft" { (facts(results)) }
        div class=(class(results.verdict.state)) {
            p { strong { (results.verdict.text) } }
            @if !results.verdict.next.is_empty() { p class="next" { (with_code(&results.verdict.next)) } }
            @if let Some(summary) = results.decision.as_ref().and_then(|decision| decision.summary.as_ref()) {
                p class="next" { "What was known then: " (summary) }
            }
        }
        @if let Some(held) = &results.held {
            p class="note" { "Held at " (held.percent) " % of traffic, where the document would have " (held.wants) " %: " (held.waits_for) }
        }
        (hypothesis(results))
        @if let Some(progress) = progress(results) { (progress) }
        (numbers::metrics(results))
        (checks::checks(results))
        (context::seen(results))
        (numbers::over_time(results))
        (parts::parts(results))
        (parts::interactions(results))
        (parts::delays(results))
        (numbers::bandit(results))
        (numbers::bayes(results))
        (context::origin(results))
        (context::timeline(results))
        (more)
        p class="soft" {
            "Computed "
            @if let Some(engine) = &results.computed_by { "by " (engine) " on " }
            (date::moment(&results.computed_at)) "."
        }
    }
}

/// What one wants to know before anything else, in a line.
fn facts(results: &Results) -> Markup {
    let noun = noun(results.unit);
    html! {
        (results.id) " · iteration " (results.iteration) " · " (counted(results.units, noun))
        @if let Some(left) = results.days_left.filter(|left| *left > 0) { " · " (days(left)) " left" }
        @if let Some(end) = &results.ends_at { " · planned end " (date::long(end)) }
    }
}

/// A sentence in which commands stand between backticks.
fn with_code(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn hypothesis(results: &Results) -> Markup {
    let [rollback_owner, rollback_when] = &results.rollback;
    let fields: Vec<(&str, &str)> = [
        ("Hypothesis", results.hypothesis.as_str()),
        ("Owner", results.owner.as_str()),
        ("Taken back by", rollback_owner.as_str()),
        ("Taken back when", rollback_when.as_str()),
    ]
    .into_iter()
    .filter(|(name, value)| !value.is_empty() || *name == "Hypothesis" || *name == "Owner")
    .collect();
    html! {
        dl class="facts" {
            @for (name, value) in fields {
                div { dt { (name) } dd { @if value.is_empty() { span class="soft" { "not written down" } } @else { (value) } } }
            }
            @for (role, name) in &results.owners { div { dt { (role) } dd { (name) } } }
        }
    }
}

fn progress(results: &Results) -> Option<Markup> {
    let progress = results.progress?;
    let noun = noun(results.unit);
    let share = results.units as f64 / (progress.needed as f64).max(1.0);
    let to_go = progress.days_to_go.map(|left| i64::try_from(left).unwrap_or(i64::MAX));
    Some(html! {
        section {
            h2 { "Progress" }
            meter min="0" max="1" value={(format!("{:.3}", share.min(1.0)))} aria-label="Share of the needed sample" { (percent(share.min(1.0))) }
            p {
                (count(results.units)) " of " (grouped(progress.needed as f64, 0)) " " (noun.1) " that a change by " (percent(progress.mde)) " needs"
                @if share < 1.0 {
                    @match to_go {
                        Some(left) => { "; at the pace of the last week " (days(left)) " more, to the end of a week" }
                        None => "; nobody new comes"
                    }
                }
                ". It has run " (counted(progress.days_run, ("whole day", "whole days"))) "."
                @if let Some(effect) = progress.detectable { " One look now would find a change of " (percent(effect)) "." }
            }
        }
    })
}
