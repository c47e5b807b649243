//! The list of experiments as a board: what needs a person first, then by state.

use super::gate_level::GateLevel;
use super::number::{count, days};
use super::page::{ROOT, badges, cell, page, phase, table};
use super::shown::lift_text;
use super::types::{ComparisonResult, MetricRole, Phase, Results, State};
use super::{date, plot};
use crate::lower_case;
use maud::{Markup, html};

/// What a list is asked for, from the query parameters of its URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Only this status, as its chip says; empty: all.
    pub status: String,
    /// Only whose owner contains this.
    pub owner: String,
    /// Only whose name or id contains this.
    pub search: String,
    /// `name`, `end`, `units`, `lift`; empty: by what needs a person.
    pub sort: String,
}

impl View {
    /// Of a query such as `status=running&sort=end`; what it does not know is ignored.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let url = format!("https://board/?{}", query.trim_start_matches('?'));
        let url = crate::url::Url::split(&url);
        let of = |name: &str| -> String {
            let value = url.parameter(name).unwrap_or_default();
            value.trim().chars().take(100).collect()
        };
        Self { status: of("status"), owner: of("owner"), search: of("q"), sort: of("sort") }
    }

    fn shows(&self, results: &Results) -> bool {
        let holds = |text: &str, part: &str| lower_case::text(text).contains(&lower_case::text(part));
        (self.status.is_empty() || phase(results).0 == self.status || (self.status == "needs you" && needs(results)))
            && (self.owner.is_empty() || holds(&results.owner, &self.owner))
            && (self.search.is_empty() || holds(&results.name, &self.search) || holds(&results.id, &self.search))
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether somebody should do something.
fn needs(results: &Results) -> bool {
    if results.decision.is_some() || matches!(results.phase, Phase::Draft | Phase::Completed) {
        return false;
    }
    let broken =
        || results.metrics.iter().flat_map(|metric| &metric.comparisons).any(|one| one.guardrail == Some("harm"));
    let red = || results.gates.iter().any(|gate| gate.level == GateLevel::Red);
    matches!(results.phase, Phase::ReadyForReview | Phase::Killed)
        || matches!(results.verdict.state, State::Winner | State::Loser | State::Untrusted | State::Futile)
        || results.held.is_some()
        || broken()
        || red()
}

/// The groups of the board.
const GROUPS: [&str; 6] = ["Needs you", "Running", "Scheduled", "Paused", "Draft", "Over"];

fn group(results: &Results) -> usize {
    if needs(results) {
        return 0;
    }
    match results.phase {
        _ if results.decision.is_some() => 5,
        Phase::Running | Phase::Killed | Phase::ReadyForReview => 1,
        Phase::Scheduled => 2,
        Phase::Paused => 3,
        Phase::Draft => 4,
        Phase::Completed => 5,
    }
}

/// The page with all experiments of a project that a view shows.
#[must_use]
pub fn list_page(project: &str, experiments: &[Results], view: &View) -> String {
    let mut shown: Vec<&Results> = experiments.iter().filter(|results| view.shows(results)).collect();
    match view.sort.as_str() {
        "name" => shown.sort_by_key(|results| lower_case::text(title(results))),
        "end" => shown.sort_by_key(|results| results.ends_at.clone().unwrap_or_else(|| "9999".to_owned())),
        "units" => shown.sort_by_key(|results| std::cmp::Reverse(results.units)),
        "lift" => shown.sort_by(|a, b| best(b).total_cmp(&best(a))),
        _ => {}
    }
    let by_group = !["name", "end", "units", "lift"].contains(&view.sort.as_str());
    let content = html! {
        h1 { "Experiments of " (project) }
        (filters(experiments, view))
        @if experiments.is_empty() { p { "The document has no experiment yet: " code { "sortition new" } " writes one." } }
        @else if shown.is_empty() { p { "No experiment is like that. " a href=(ROOT) { "Show all" } } }
        @if by_group {
            @for (at, name) in GROUPS.iter().enumerate() {
                @let of_group: Vec<&Results> = shown.iter().copied().filter(|results| group(results) == at).collect();
                @if !of_group.is_empty() {
                    section {
                        h2 { (name) " " span class="soft" { (of_group.len()) } }
                        (board(name, &of_group))
                    }
                }
            }
        } @else if !shown.is_empty() {
            (board("Experiments", &shown))
        }
        p class="soft" { "Times are UTC. The same as data: " a href={(ROOT) ".json"} { "JSON" } "." }
    };
    page(&format!("Experiments of {project}"), "", &content)
}

fn title(results: &Results) -> &str {
    if results.name.is_empty() { &results.id } else { &results.name }
}

/// The largest lift of the primary metric.
fn best(results: &Results) -> f64 {
    primary(results).iter().filter_map(|one| one.lift).fold(f64::NEG_INFINITY, f64::max)
}

fn primary(results: &Results) -> &[ComparisonResult] {
    let first = results.metrics.first().filter(|metric| metric.role == MetricRole::Primary);
    first.map_or(&[], |metric| &metric.comparisons)
}

fn filters(experiments: &[Results], view: &View) -> Markup {
    let mut owners: Vec<&str> = experiments.iter().map(|results| results.owner.as_str()).collect();
    owners.retain(|owner| !owner.is_empty());
    owners.sort_unstable();
    owners.dedup();
    let mut states: Vec<&str> = experiments.iter().map(|results| phase(results).0).collect();
    states.sort_unstable();
    states.dedup();
    let sorts = [("", "what needs you"), ("name", "name"), ("end", "end"), ("units", "sample"), ("lift", "lift")];
    html! {
        form class="filters" method="get" action=(ROOT) role="search" aria-label="Which experiments" {
            label { "Search" input type="search" name="q" value=(view.search) size="14"; }
            label { "Status" select name="status" {
                option value="" selected[view.status.is_empty()] { "all" }
                option value="needs you" selected[view.status == "needs you"] { "needs you" }
                @for state in states { option value=(state) selected[view.status == state] { (state) } }
            } }
            label { "Owner" select name="owner" {
                option value="" selected[view.owner.is_empty()] { "anybody" }
                @for owner in owners { option value=(owner) selected[view.owner == owner] { (owner) } }
            } }
            label { "Sort by" select name="sort" {
                @for (value, name) in sorts { option value=(value) selected[view.sort == value] { (name) } }
            } }
            button type="submit" { "Show" }
            @if !view.is_default() { a href=(ROOT) { "Reset" } }
        }
    }
}

fn board(name: &str, all: &[&Results]) -> Markup {
    let intervals = all.iter().flat_map(|results| primary(results).iter().filter_map(|one| one.lift_interval));
    let domain = plot::domain(intervals);
    let rows: Vec<Vec<Markup>> = all.iter().map(|results| row(results, domain)).collect();
    html! { div class="board" { (table(name, &["Experiment", "Status", "Owner and dates", "#Sample", "Lift", "Verdict"], &rows)) } }
}

fn row(results: &Results, domain: plot::Domain) -> Vec<Markup> {
    let (status, class) = phase(results);
    let named = results.metrics.first().filter(|metric| metric.role == MetricRole::Primary);
    vec![
        html! {
            a href={(ROOT) "/" (results.id)} { (title(results)) }
            @if title(results) != results.id { div class="soft" { (results.id) } }
        },
        html! {
            span class=(class) { (status) }
            @if let Some(held) = &results.held { div class="soft" title=(held.waits_for) { "held at " (held.percent) " %" } }
        },
        html! {
            @if results.owner.is_empty() { span class="soft" { "nobody" } } @else { (results.owner) }
            div class="soft" { (dates(results)) }
        },
        cell(&count(results.units)),
        html! {
            @for (position, comparison) in primary(results).iter().enumerate() {
                div class="lift" {
                    (plot::interval(comparison, domain, position + 1))
                    span { @if results.variants.len() > 2 { span class="soft" { (comparison.variant) " " } } (lift_text(comparison)) }
                }
            }
            @if let Some(metric) = named { div class="soft" { (metric.id) } }
        },
        html! { div class=(super::page::class(results.verdict.state)) { (results.verdict.text) } (badges(&results.gates)) },
    ]
}

fn dates(results: &Results) -> String {
    let start = results.starts_at.as_deref().or_else(|| results.days.first().map(|day| day.day.as_str()));
    let nobody = if results.phase == Phase::Running { "nobody yet" } else { "not started" };
    let start = start.map_or_else(|| nobody.to_owned(), date::short);
    match (&results.ends_at, results.days_left) {
        (Some(end), Some(left)) if left > 0 => format!("{start} – {} ({} left)", date::long(end), days(left)),
        (Some(end), _) => format!("{start} – {}", date::long(end)),
        _ => format!("{start} – no end"),
    }
}
