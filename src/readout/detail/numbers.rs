//! The metrics: what each variant's units did, the lifts, the lifts over time, and the Bayesian view.

use crate::document::{Allocation, Direction, Method, MetricKind};
use crate::readout::gate_level::GateLevel;
use crate::readout::number::{agreed, confidence, count, counted, lift, lifts, p_value, percent};
use crate::readout::page::{cell, table};
use crate::readout::shown::{difference, kind, lift_text, value};
use crate::readout::types::{MetricResult, MetricRole, Phase, Results, noun};
use crate::readout::{date, plot};
use maud::{Markup, html};

/// The heading of a metric's role.
fn role(role: MetricRole) -> &'static str {
    match role {
        MetricRole::Primary => "primary",
        MetricRole::Secondary => "secondary",
        MetricRole::Guardrail => "guardrail",
    }
}

pub(super) fn metrics(results: &Results) -> Markup {
    let all = || results.metrics.iter().flat_map(|metric| &metric.comparisons);
    let domain = plot::domain(all().filter_map(|comparison| comparison.lift_interval));
    let trusted = results.gates.iter().all(|gate| gate.level != GateLevel::Red);
    let look = match results.method {
        Method::Fixed => "for one look",
        Method::Sequential | Method::Bayesian => "valid at every look",
    };
    html! {
        section {
            h2 { "Metrics" }
            @if !trusted { p class="note" { "A check of the data is red: these numbers are shown for finding the fault, not for deciding." } }
            @if results.allocation == Allocation::Bandit { p class="note" { "Weights move towards the better variants: these lifts are not an experiment's." } }
            @if results.metrics.is_empty() { p { "The document names no metrics for it." } }
            @for metric in &results.metrics { (one(results, metric, domain)) }
            @if !results.metrics.is_empty() {
                p class="soft" {
                    "Lifts are relative to the control, with " (confidence(results.confidence)) " intervals, " (look) "."
                    @if all().any(|comparison| comparison.lift_interval.is_some()) {
                        " The plots share one scale, from " (lift(domain[0])) " to " (lift(domain[1])) "; the dashed line is no change."
                    }
                    " Decisions are taken on the absolute difference."
                    @if p_means_something(results) {
                        " p after Holm and Benjamini–Hochberg is corrected within the primary metric, and within the guardrails"
                        @if results.variants.len() > 2 { "; intervals share the error level among the treatments." } @else { "; intervals are not." }
                    }
                }
            }
        }
    }
}

fn one(results: &Results, metric: &MetricResult, domain: plot::Domain) -> Markup {
    let many = noun(results.unit).1;
    let mean_head = match metric.kind {
        MetricKind::Proportion | MetricKind::Retention => "#Rate",
        MetricKind::Quantile => "#Quantile",
        MetricKind::Ratio => "#Ratio",
        MetricKind::Mean | MetricKind::Count => "#Mean",
    };
    let has_p = p_means_something(results) && metric.comparisons.iter().any(|one| one.p.is_some());
    let mut units_head = String::from("#");
    units_head.push_str(&capital(many));
    let mut heads = vec!["Variant", &units_head, "#Converted", mean_head, "Lift"];
    if has_p {
        heads.push("#p");
    }
    let rows: Vec<Vec<Markup>> = metric.variants.iter().enumerate().map(|(at, arm)| {
        let comparison = at.checked_sub(1).and_then(|at| metric.comparisons.get(at));
        let mean = metric.means.get(at).copied().flatten();
        let mut row = vec![
            name(results, at),
            cell(&count(arm.n)),
            cell(&count(arm.converted)),
            cell(&mean.map_or_else(|| "–".to_owned(), |mean| value(metric, mean))),
            match comparison {
                None => html! { span class="soft" { "control" } },
                Some(comparison) => html! {
                    div class="lift" { (plot::interval(comparison, domain, at)) span { (lift_text(comparison)) } }
                    @if let Some(margin) = comparison.margin {
                        @let (class, word) = guarded(comparison.guardrail);
                        div { span class=(class) { (word) } " " span class="soft" { @if margin > 0.0 { (percent(margin)) " worse is tolerated" } @else { "no loss is tolerated" } } }
                    }
                },
            },
        ];
        if has_p {
            row.push(match comparison.filter(|one| one.p.is_some()) {
                None => cell("–"),
                Some(comparison) => html! {
                    (comparison.p.map_or_else(|| "–".to_owned(), p_value))
                    @if results.variants.len() > 2 || metric.role == MetricRole::Guardrail {
                        @if let (Some(holm), Some(bh)) = (comparison.p_holm, comparison.p_bh) {
                            div class="soft" { "Holm " (p_value(holm)) } div class="soft" { "BH " (p_value(bh)) }
                        }
                    }
                },
            });
        }
        row
    }).collect();
    let notes = notes(metric, noun(results.unit));
    html! {
        div class="metric" {
            h3 { (metric.id) " " span class="soft" { (role(metric.role)) " · " (kind(metric.kind, noun(results.unit))) @if metric.direction == Direction::Down { " · less is better" } } }
            (table(&metric.id, &heads, &rows))
            @if !notes.is_empty() { p class="soft" { (notes.join(" ")) } }
        }
    }
}

/// Whether a p-value says anything: not of weights that move, not beside a posterior probability, and of a test for one look
/// not before that look.
fn p_means_something(results: &Results) -> bool {
    let is_over = matches!(results.phase, Phase::ReadyForReview | Phase::Completed);
    let is_full = results.progress.is_some_and(|progress| results.units.unsigned_abs() >= progress.needed);
    results.allocation == Allocation::Fixed
        && match results.method {
            Method::Sequential => true,
            Method::Fixed => is_over || is_full,
            Method::Bayesian => false,
        }
}

/// What a reader must know of a metric beside its table.
fn notes(metric: &MetricResult, noun: (&str, &str)) -> Vec<String> {
    let many = noun.1;
    let mut notes = Vec::new();
    if metric.waiting > 0 {
        notes.push(format!(
            "{} {} for the end of the window, and {} not in it yet.",
            counted(metric.waiting, noun),
            agreed(metric.waiting, ("waits", "wait")),
            agreed(metric.waiting, ("is", "are"))
        ));
    }
    if let Some(saved) = metric.saved {
        notes.push(format!(
            "What they did before took {} of the variance (CUPED): as if there were {} times as many {many}.",
            percent(saved),
            crate::readout::number::grouped(1.0 / (1.0 - saved).max(0.01), 1)
        ));
    }
    if metric.other_currency > 0 {
        let verb = agreed(metric.other_currency, ("is", "are"));
        let outcomes = counted(metric.other_currency, ("outcome", "outcomes"));
        notes.push(format!("{outcomes} of another currency {verb} left out."));
    }
    if metric.means.first().copied().flatten().is_some_and(|mean| mean < 0.0) {
        notes.push("The control's mean is below zero, so a lift is of its absolute value: plus is more.".to_owned());
    }
    notes
}

fn guarded(guardrail: Option<&'static str>) -> (&'static str, &'static str) {
    match guardrail {
        Some("pass") => ("badge green", "✓ holds"),
        Some("harm") => ("badge red", "✕ broken"),
        _ => ("badge amber", "not shown yet"),
    }
}

/// A variant's name and id.
pub(super) fn name(results: &Results, at: usize) -> Markup {
    let variant = results.variants.get(at);
    html! {
        @if let Some(variant) = variant {
            span class={"s" (at.min(4)) " swatch"} {}
            @if variant.name.is_empty() { (variant.id) } @else { (variant.name) " " span class="soft" { (variant.id) } }
        }
    }
}

pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| std::iter::once(first.to_ascii_uppercase()).chain(letters).collect())
}

pub(super) fn over_time(results: &Results) -> Markup {
    let many = noun(results.unit).1;
    let drawn =
        || results.metrics.iter().filter_map(|metric| Some((metric, plot::cumulative(&metric.id, &metric.series)?)));
    html! {
        @if drawn().next().is_some() || !results.days.is_empty() {
            section {
                h2 { "Over time" }
                @for (at, (metric, plot)) in drawn().enumerate() {
                    details open[at == 0] {
                        summary { "Lift of " (metric.id) " so far, by day" }
                        figure {
                            (plot)
                            (plot::key(metric.series.iter().enumerate().map(|(position, series)| (position + 1, series.variant.clone()))))
                            figcaption { "What is known of those who came until the end of each day, with the always-valid interval. Intervals of the first days may go beyond the frame; days without anybody are gaps." }
                        }
                        (as_table(&format!("Lift of {} by day", metric.id), &["Day", "Variant", "#Lift", "#Interval"], metric.series.iter().flat_map(|series| series.points.iter().map(|point| vec![
                            cell(&date::long(&point.day)), cell(&series.variant), cell(&lift(point.lift)), cell(&point.interval.map_or_else(|| "–".to_owned(), lifts))])).collect()))
                    }
                }
                @if let Some(plot) = plot::exposures(&results.days, &results.variants, many) {
                    details open {
                        summary { "New " (many) " by day" }
                        figure {
                            (plot)
                            (plot::key(results.variants.iter().enumerate().map(|(position, variant)| (position, variant.id.clone()))))
                            figcaption { "Those who met the experiment for the first time on the day." }
                        }
                        @let heads: Vec<String> = std::iter::once("Day".to_owned()).chain(results.variants.iter().map(|variant| format!("#{}", variant.id))).collect();
                        @let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
                        (as_table(&format!("New {many} by day"), &heads, results.days.iter().map(|day| {
                            std::iter::once(cell(&date::long(&day.day))).chain(day.units.iter().map(|units| cell(&count(*units)))).collect()
                        }).collect()))
                    }
                }
            }
        }
    }
}

/// A plot's numbers as a table, folded.
fn as_table(title: &str, heads: &[&str], rows: Vec<Vec<Markup>>) -> Markup {
    html! { details class="inner" { summary { (title) " as a table" } (table(title, heads, &rows)) } }
}

pub(super) fn bandit(results: &Results) -> Markup {
    html! {
        @if let Some(bandit) = &results.bandit {
            section {
                h2 { "The bandit's weights" }
                p { "Once a day new " (noun(results.unit).1) " are shared by how probable it is of each variant to be the best, above a floor that all keep. Who has a variant keeps it. The means are by inverse propensity weights, which take out that weights moved." }
                @let rows: Vec<Vec<Markup>> = results.variants.iter().enumerate().map(|(at, _)| {
                    let percent_of = |list: &[f64]| list.get(at).map_or_else(|| "–".to_owned(), |share| percent(*share));
                    let mean = bandit.means.get(at).copied().flatten().zip(results.metrics.first());
                    vec![
                        name(results, at), cell(&percent_of(&bandit.shares)), cell(&percent_of(&bandit.chances)),
                        cell(&mean.map_or_else(|| "–".to_owned(), |([mean, error], metric)| format!("{} ± {}", value(metric, mean), difference(metric, 1.96 * error)))),
                    ]
                }).collect();
                (table("Weights", &["Variant", "#Share of new ones", "#Is the best", "#Mean by inverse weights"], &rows))
                @if let Some(plot) = plot::shares(&bandit.history, &results.variants) {
                    figure {
                        (plot)
                        (plot::key(results.variants.iter().enumerate().map(|(position, variant)| (position, variant.id.clone()))))
                        figcaption { "The share of the new ones that each variant got, by day." }
                    }
                }
            }
        }
    }
}

pub(super) fn bayes(results: &Results) -> Markup {
    let told = |metric: &MetricResult| -> Vec<Vec<Markup>> {
        let line = |comparison: &crate::readout::types::ComparisonResult| {
            let posterior = comparison.posterior?;
            let ends = posterior.interval.map_or_else(
                || "–".to_owned(),
                |[low, high]| format!("{} to {}", difference(metric, low), difference(metric, high)),
            );
            Some(vec![
                html! { (metric.id) },
                cell(&comparison.variant),
                cell(&percent(posterior.chance_to_win)),
                cell(&ends),
                cell(&difference(metric, posterior.loss_control)),
                cell(&difference(metric, posterior.loss_treatment)),
            ])
        };
        metric.comparisons.iter().filter_map(line).collect()
    };
    let rows: Vec<Vec<Markup>> =
        results.metrics.iter().filter(|metric| metric.role != MetricRole::Guardrail).flat_map(told).collect();
    html! {
        @if !rows.is_empty() && results.allocation != Allocation::Bandit {
            section {
                h2 { "The Bayesian view" }
                details open[results.method == Method::Bayesian] {
                    summary { "How probable it is that a variant is better, and what a wrong choice costs" }
                    p class="note" {
                        "For a decision at the planned end. A threshold of 90 % does not survive daily looks: without any difference it names a winner "
                        "in 26 % of experiments within 14 days. The prior is N(0, 0.3²) on the relative lift; few conversions are compared by Beta(1, 1)."
                    }
                    (table("Bayesian view", &["Metric", "Variant", "#Beats control", "#Credible difference", "#Cost of keeping control", "#Cost of taking it"], &rows))
                    p class="soft" { "Of " (counted(results.units, noun(results.unit))) "." }
                }
            }
        }
    }
}
