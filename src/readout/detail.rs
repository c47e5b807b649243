//! One experiment, for whoever has to decide, to check, or to put it out.

use super::gate::Level;
use super::number::{confidence, count, grouped, lift, lifts, p_value, percent};
use super::page::{class, mark, page, status};
use super::plot;
use super::types::{Comparison, Metric, MetricRole, Results};
use super::verdict::mean;
use crate::document::{Method, MetricKind};
use maud::{Markup, html};

/// The page of an experiment.
#[must_use]
pub fn detail_page(results: &Results) -> String {
    let title = if results.name.is_empty() { &results.id } else { &results.name };
    let content = html! {
        nav aria-label="Where you are" { a href="/_sortition/experiments" { "All experiments" } }
        main id="content" {
            h1 { (title) }
            p class="soft" {
                (results.id) " · iteration " (results.iteration) " · " (status(results))
                @if let Some(days) = results.days_left { " · " (count(days)) " days left" }
                " · " (count(results.units)) " units"
            }
            p class=(class(results.verdict.state)) { strong { (results.verdict.text) } }
            @if let Some(progress) = progress(results) { (progress) }
            (gates(results))
            (metrics(results))
            (over_time(results))
            (bayes(results))
            (segments(results))
            (health(results))
            (registry(results))
            p class="soft" { "Computed " (results.computed_at) ", times are UTC." }
        }
    };
    page(title, &content)
}

/// A lift with its interval, in words.
pub(super) fn lift_text(comparison: &Comparison) -> String {
    match (comparison.lift, comparison.lift_interval) {
        (Some(value), Some(ends)) => format!("{} ({})", lift(value), lifts(ends)),
        (Some(value), None) => format!("{} (control too uncertain for an interval)", lift(value)),
        (None, _) if comparison.status != "OK" => reason(comparison.status).to_owned(),
        _ => "no relative lift".to_owned(),
    }
}

/// Why nothing can be inferred, in words.
fn reason(status: &'static str) -> &'static str {
    match status {
        "NO_UNITS" => "no units yet",
        "TOO_FEW_UNITS" => "too few units",
        "ZERO_DENOMINATOR" => "no denominators yet",
        "ZERO_VARIANCE" => "no two units differ yet",
        "ZERO_BASELINE" => "the control's mean is zero",
        _ => "cannot be computed",
    }
}

fn progress(results: &Results) -> Option<Markup> {
    let progress = results.progress?;
    let share = results.units as f64 / (progress.needed as f64).max(1.0);
    Some(html! {
        h2 { "Progress" }
        meter min="0" max="1" value={(format!("{:.3}", share.min(1.0)))} aria-label="Share of the needed sample" { (percent(share.min(1.0))) }
        p {
            (count(results.units)) " of " (grouped(progress.needed as f64, 0)) " units that a change by " (percent(progress.mde)) " needs"
            @if share < 1.0 {
                @match progress.days_to_go {
                    Some(days) => { "; at the pace of the last week " (grouped(days as f64, 0)) " more days" }
                    None => "; nobody new comes"
                }
            }
            "."
            @if let Some(effect) = progress.detectable { " One look now would find a change of " (percent(effect)) "." }
        }
    })
}

fn gates(results: &Results) -> Markup {
    let total: i64 = results.variants.iter().map(|variant| variant.units).sum();
    html! {
        h2 { "Can the data be trusted?" }
        div class="scroll" role="region" aria-label="Trust gates" tabindex="0" {
            table {
                thead { tr { th scope="col" { "Gate" } th scope="col" { "What was found" } } }
                tbody {
                    @for gate in &results.gates {
                        @let (class, mark) = mark(gate.level);
                        tr {
                            th scope="row" { span class=(class) { (mark) " " (gate.title) } }
                            td { (gate.text) }
                        }
                    }
                }
            }
        }
        table {
            caption { "Units by variant" }
            thead { tr { th scope="col" { "Variant" } th class="n" scope="col" { "Units" } th class="n" scope="col" { "Share" } th class="n" scope="col" { "Promised" } } }
            tbody {
                @for variant in &results.variants {
                    tr {
                        th scope="row" { (variant.id) }
                        td class="n" { (count(variant.units)) }
                        td class="n" { (percent(variant.units as f64 / (total as f64).max(1.0))) }
                        td class="n" { (percent(variant.share)) }
                    }
                }
            }
        }
    }
}

/// The heading of a metric's role.
fn role(role: MetricRole) -> &'static str {
    match role {
        MetricRole::Primary => "primary",
        MetricRole::Secondary => "secondary",
        MetricRole::Guardrail => "guardrail",
    }
}

fn metrics(results: &Results) -> Markup {
    let all = || results.metrics.iter().flat_map(|metric| &metric.comparisons);
    let domain = plot::domain(all().filter_map(|comparison| comparison.lift_interval));
    let trusted = results.gates.iter().all(|gate| gate.level != Level::Red);
    let kind = match results.method {
        Method::Fixed => "for one look",
        Method::Sequential | Method::Bayesian => "valid at every look",
    };
    html! {
        h2 { "Metrics" }
        @if !trusted { p class="note" { "A gate is red: these numbers are shown for finding the fault, not for deciding." } }
        p class="soft" {
            "Relative lift against the control with its " (confidence(results.confidence)) " interval, " (kind)
            ". The plots share one scale from " (lift(domain[0])) " to " (lift(domain[1])) "; the dashed line is no change."
        }
        div class="scroll" role="region" aria-label="Metrics" tabindex="0" {
            table {
                thead { tr {
                    th scope="col" { "Metric" } th scope="col" { "Variant" } th class="n" scope="col" { "Control" } th class="n" scope="col" { "Variant's" }
                    th scope="col" { "Lift" } th scope="col" { "p" }
                } }
                tbody {
                    @for metric in &results.metrics {
                        @for (position, comparison) in metric.comparisons.iter().enumerate() { (row(metric, comparison, position, domain)) }
                    }
                }
            }
        }
        @if results.metrics.is_empty() { p { "The document names no metrics for it." } }
        p class="soft" { "Decisions are taken on the absolute difference; p-values after Holm and Benjamini–Hochberg are corrected for all goal metrics and variants together, intervals are not." }
    }
}

fn row(metric: &Metric, comparison: &Comparison, position: usize, domain: plot::Domain) -> Markup {
    let shown =
        |at: usize| metric.means.get(at).copied().flatten().map_or_else(|| "–".to_owned(), |value| mean(metric, value));
    let p = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), p_value);
    let (mark, word) = match comparison.guardrail {
        Some("pass") => ("badge green", "✓ holds"),
        Some("harm") => ("badge red", "✕ broken"),
        Some(_) => ("badge amber", "not shown yet"),
        None => ("", ""),
    };
    html! {
        tr {
            th scope="row" {
                (metric.id) " " span class="soft" { (role(metric.role)) }
                @if let Some(margin) = comparison.margin {
                    div { span class=(mark) { (word) } " " span class="soft" { (percent(margin)) " worse is tolerated" } }
                }
            }
            td { (comparison.variant) }
            td class="n" { (shown(0)) }
            td class="n" { (shown(position + 1)) }
            td class="w" { (plot::interval(comparison, domain, position + 1)) (lift_text(comparison)) }
            td class="w" {
                (p(comparison.p))
                @if comparison.p_holm.is_some() { div class="soft" { "Holm " (p(comparison.p_holm)) } div class="soft" { "BH " (p(comparison.p_bh)) } }
            }
        }
    }
}

fn over_time(results: &Results) -> Markup {
    html! {
        @if let Some(drawn) = plot::cumulative(&results.series) {
            h2 { "Lift over time" }
            figure tabindex="0" aria-label="Lift over time" {
                (drawn)
                (plot::key(results.series.iter().enumerate().map(|(position, series)| (position + 1, series.variant.clone()))))
                figcaption { "What was known at the end of each day of the primary metric, with its always-valid interval. The intervals of the first days may go beyond the frame." }
            }
            (numbers("Lift by day", &["Day", "Variant", "Lift", "Interval"], results.series.iter().flat_map(|series| series.points.iter().map(|point| [
                point.day.clone(), series.variant.clone(), lift(point.lift), point.interval.map_or_else(|| "–".to_owned(), lifts)].to_vec()))))
        }
        @if let Some(drawn) = plot::exposures(&results.days, &results.variants) {
            h2 { "Exposures by day" }
            figure tabindex="0" aria-label="Exposures by day" {
                (drawn)
                (plot::key(results.variants.iter().enumerate().map(|(position, variant)| (position, variant.id.clone()))))
                figcaption { "People who met the experiment for the first time." }
            }
            @let heads: Vec<&str> = std::iter::once("Day").chain(results.variants.iter().map(|variant| variant.id.as_str())).collect();
            (numbers("Exposures by day", &heads, results.days.iter().map(|day| {
                std::iter::once(day.day.clone()).chain(day.units.iter().map(|units| count(*units))).collect()
            })))
        }
    }
}

/// A plot's numbers as a table, folded.
fn numbers(title: &str, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Markup {
    html! {
        details {
            summary { (title) " as a table" }
            div class="scroll" role="region" aria-label=(title) tabindex="0" {
                table {
                    thead { tr { @for head in heads { th scope="col" { (head) } } } }
                    tbody { @for row in rows { tr { @for cell in &row { td { (cell) } } } } }
                }
            }
        }
    }
}

fn bayes(results: &Results) -> Markup {
    let rows = || {
        let told = |metric: &'_ Metric| {
            let lines = metric.comparisons.iter().filter_map(|comparison| {
                let posterior = comparison.posterior?;
                let ends = posterior.interval.map_or_else(
                    || "–".to_owned(),
                    |[low, high]| format!("{} to {}", difference(metric, low), difference(metric, high)),
                );
                let losses = [posterior.loss_control, posterior.loss_treatment].map(|loss| difference(metric, loss));
                let [keep, take] = losses;
                Some(vec![
                    metric.id.clone(),
                    comparison.variant.clone(),
                    percent(posterior.chance_to_win),
                    ends,
                    keep,
                    take,
                ])
            });
            lines.collect::<Vec<_>>()
        };
        results.metrics.iter().filter(|metric| metric.role != MetricRole::Guardrail).flat_map(told)
    };
    html! {
        h2 { "The Bayesian view" }
        p class="note" {
            "For a decision at the planned end. A threshold of 90 % does not survive daily looks: without any difference it names a winner "
            "in 26 % of experiments within 14 days. The prior is N(0, 0.3²) on the relative lift; few conversions are compared by Beta(1, 1)."
        }
        @if rows().next().is_none() { p { "Nothing can be said yet." } } @else {
            div class="scroll" role="region" aria-label="Bayesian view" tabindex="0" {
                table {
                    thead { tr { @for head in ["Metric", "Variant", "Beats control", "Credible difference", "Cost of keeping control", "Cost of taking it"] { th scope="col" { (head) } } } }
                    tbody { @for row in rows() { tr { @for cell in &row { td { (cell) } } } } }
                }
            }
        }
    }
}

/// A difference of means with its unit.
fn difference(metric: &Metric, value: f64) -> String {
    match metric.kind {
        MetricKind::Proportion => format!("{} points", grouped(value * 100.0, 3)),
        _ => mean(metric, value),
    }
}

fn segments(results: &Results) -> Markup {
    let parts = || results.segments.iter().flat_map(|segment| &segment.parts);
    let domain = plot::domain(
        parts().flat_map(|part| part.comparisons.iter().filter_map(|comparison| comparison.lift_interval)),
    );
    html! {
        @if parts().next().is_some() {
            h2 { "Parts of the audience" }
            p class="soft" { "The primary metric in each. Many parts are many chances to be fooled: look for faults here, not for winners." }
            @for segment in &results.segments {
                div class="scroll" role="region" aria-label=(segment.dimension) tabindex="0" {
                    table {
                        caption { "By " (if segment.dimension == "visitor_type" { "new and returning visitors" } else { segment.dimension }) }
                        thead { tr { th scope="col" { "Part" } th class="n" scope="col" { "Units" } th scope="col" { "Variant" } th scope="col" { "Lift" } } }
                        tbody {
                            @for part in &segment.parts {
                                @for (position, comparison) in part.comparisons.iter().enumerate() {
                                    tr {
                                        th scope="row" { (if part.value.is_empty() { "unknown" } else { part.value.as_str() }) }
                                        td class="n" { (count(part.units)) }
                                        td { (comparison.variant) }
                                        td class="w" { (plot::interval(comparison, domain, position + 1)) (lift_text(comparison)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn health(results: &Results) -> Markup {
    let time = |value: Option<u32>| value.map_or_else(|| "over 3,200 ms".to_owned(), |ms| format!("within {ms} ms"));
    html! {
        h2 { "The origin, by variant" }
        @if results.health.is_empty() { p { "No request to the origin is on record yet." } } @else {
            div class="scroll" role="region" aria-label="The origin, by variant" tabindex="0" {
                table {
                    thead { tr { th scope="col" { "Variant" } th class="n" scope="col" { "Requests" } th class="n" scope="col" { "Errors" } th class="n" scope="col" { "Error rate" } th scope="col" { "Half of them" } th scope="col" { "95 %" } } }
                    tbody {
                        @for one in &results.health {
                            tr {
                                th scope="row" { (one.variant) }
                                td class="n" { (count(one.requests)) }
                                td class="n" { (count(one.errors)) }
                                td class="n" { (percent(one.errors as f64 / (one.requests as f64).max(1.0))) }
                                td { (time(one.p50_ms)) }
                                td { (time(one.p95_ms)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn registry(results: &Results) -> Markup {
    let [rollback_owner, rollback_when] = &results.rollback;
    let fields = [
        ("Hypothesis", &results.hypothesis),
        ("Owner", &results.owner),
        ("Taken back by", rollback_owner),
        ("Taken back when", rollback_when),
    ];
    let mut timeline: Vec<(&str, String)> = results
        .endings
        .iter()
        .map(|ending| {
            (
                ending.at.as_str(),
                format!(
                    "Ended early{}: {}",
                    ending.variant.as_ref().map_or_else(String::new, |variant| format!(" because of {variant}")),
                    ending.reason
                ),
            )
        })
        .chain(results.audit.iter().map(|entry| {
            (
                entry.at.as_str(),
                format!("{} by {}, revision {}: {}", entry.action, entry.who, entry.to, entry.summary.join("; ")),
            )
        }))
        .chain(results.starts_at.iter().map(|at| (at.as_str(), "Starts".to_owned())))
        .chain(results.ends_at.iter().map(|at| (at.as_str(), "Planned end".to_owned())))
        .chain(results.days.first().iter().map(|day| (day.day.as_str(), "First exposure".to_owned())))
        .collect();
    timeline.sort_unstable();
    timeline.reverse();
    html! {
        h2 { "In the registry" }
        dl {
            @for (name, value) in fields {
                dt { (name) }
                dd { @if value.is_empty() { "–" } @else { (value) } }
            }
        }
        h2 { "Timeline" }
        ul class="plain" {
            @for (at, what) in &timeline { li { time datetime=(at) { (at) } " " (what) } }
        }
        h2 { "Downloads" }
        p {
            a href={"/_sortition/experiments/" (results.id) ".json"} { "This page as JSON" } ", "
            a href={"/_sortition/experiments/" (results.id) ".csv"} { "units and their outcomes as CSV" } "."
        }
    }
}
