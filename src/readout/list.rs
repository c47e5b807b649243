//! The list of experiments.

use super::number::count;
use super::page::{badges, class, page, status};
use super::plot;
use super::types::{MetricRole, Results};
use maud::html;

/// The page with all experiments of a project, in the document's order.
#[must_use]
pub fn list_page(project: &str, experiments: &[Results]) -> String {
    let content = html! {
        main id="content" {
            h1 { "Experiments of " (project) }
            @if experiments.is_empty() { p { "The document has no experiment yet." } }
            ul class="cards" {
                @for results in experiments { li { (card(results)) } }
            }
            p class="soft" {
                "Times are UTC. Everything here as data: " a href="/_sortition/experiments.json" { "JSON" } "."
            }
        }
    };
    page(&format!("Experiments of {project}"), &content)
}

fn card(results: &Results) -> maud::Markup {
    let named = results.metrics.first().filter(|metric| metric.role == MetricRole::Primary);
    let primary = named.map_or(&[][..], |metric| &metric.comparisons);
    let domain = plot::domain(primary.iter().filter_map(|comparison| comparison.lift_interval));
    html! {
        h2 { a href={"/_sortition/experiments/" (results.id)} { @if results.name.is_empty() { (results.id) } @else { (results.name) } } }
        dl class="facts" {
            div { dt { "Id" } dd { (results.id) } }
            div { dt { "Status" } dd { (status(results)) } }
            div { dt { "Days left" } dd { @match results.days_left { Some(days) => (count(days)), None => "no end" } } }
            div { dt { "Units" } dd { (count(results.units)) } }
            @for (position, comparison) in primary.iter().enumerate() {
                div {
                    dt { (named.map_or("", |metric| metric.id.as_str())) ", " (comparison.variant) }
                    dd { (plot::interval(comparison, domain, position + 1)) }
                    dd { (super::detail::lift_text(comparison)) }
                }
            }
        }
        p class=(class(results.verdict.state)) { (results.verdict.text) }
        (badges(&results.gates))
    }
}
