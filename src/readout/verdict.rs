//! The answer in one plain sentence.

use super::gate::{Gate, Level, first_red, state_of};
use super::number::{confidence, count, grouped, lift, lifts, percent};
use super::types::{Comparison, Metric, MetricRole, Progress, State, Variant, Verdict};
use crate::document::{Method, MetricKind, Status};
use crate::stats::Direction;

/// What a verdict rests on.
pub(super) struct Grounds<'a> {
    pub(super) gates: &'a [Gate],
    pub(super) metrics: &'a [Metric],
    pub(super) variants: &'a [Variant],
    pub(super) progress: Option<Progress>,
    pub(super) units: i64,
    pub(super) method: Method,
    pub(super) confidence: f64,
    /// Whether the experiment is past its end.
    pub(super) is_over: bool,
    pub(super) direction: Direction,
    /// Whether the record was asked at all.
    pub(super) asked: bool,
    pub(super) status: Status,
}

fn say(state: State, variant: Option<&str>, text: String) -> Verdict {
    Verdict { state, variant: variant.map(str::to_owned), text }
}

/// A mean with its unit.
pub(super) fn mean(metric: &Metric, value: f64) -> String {
    match metric.kind {
        MetricKind::Proportion => percent(value),
        _ => match &metric.currency {
            Some(currency) => format!("{} {currency}", grouped(value, 2)),
            None => grouped(value, 2),
        },
    }
}

pub(super) fn verdict(grounds: &Grounds<'_>) -> Verdict {
    if !grounds.asked {
        let text = if grounds.status == Status::Draft {
            "A draft: nobody meets it."
        } else {
            "Open it for its numbers: the list is long."
        };
        return say(State::Empty, None, text.to_owned());
    }
    if let Some(gate) = grounds.gates.iter().find(|gate| gate.name == "record" && gate.level == Level::Red) {
        return say(State::Untrusted, None, format!("No winner is shown: {}", lower(&gate.text)));
    }
    if grounds.units == 0 {
        return say(State::Empty, None, "Nobody has met it yet.".to_owned());
    }
    if let Some(gate) = first_red(grounds.gates) {
        let text = format!("No winner is shown: {}", lower(&gate.text));
        return say(state_of(gate), None, text);
    }
    let Some(primary) = grounds.metrics.iter().find(|metric| metric.role == MetricRole::Primary) else {
        return say(State::Open, None, "No primary metric is named, so nothing can be decided.".to_owned());
    };
    let broken = breakers(grounds.metrics).next().map(|(metric, broken)| {
        let numbers = evidence(grounds, metric, broken);
        let text = format!("Take {} back: it breaks the guardrail {}: {numbers}", broken.variant, metric.id);
        say(State::Loser, Some(&broken.variant), text)
    });
    if grounds.method == Method::Fixed && !grounds.is_over {
        let needed = grounds.progress.map(|progress| progress.needed as f64);
        if needed.is_none_or(|needed| (grounds.units as f64) < needed) {
            let share = needed.map_or_else(String::new, |n| {
                format!(" {} of the sample are here.", percent(grounds.units as f64 / n))
            });
            let text = format!("It is read once, at its planned end.{share} Until then every number here moves.");
            // why: guardrails are watched by an interval that is valid at every look, whatever the method
            return broken.unwrap_or_else(|| say(State::Open, None, text));
        }
    }
    let sign = if grounds.direction == Direction::HigherIsBetter { 1.0 } else { -1.0 };
    let decided = |comparison: &Comparison| match grounds.method {
        Method::Bayesian => match comparison.posterior.map(|posterior| posterior.decision) {
            Some("winner") => 1.0,
            Some("loser") => -1.0,
            _ => 0.0,
        },
        _ if comparison.significant => sign * comparison.difference.unwrap_or(0.0),
        _ => 0.0,
    };
    let best = primary
        .comparisons
        .iter()
        .filter(|comparison| decided(comparison) > 0.0)
        .max_by(|a, b| (sign * a.difference.unwrap_or(0.0)).total_cmp(&(sign * b.difference.unwrap_or(0.0))));
    if let Some(winner) = best {
        let text = format!(
            "{} wins: {}{}",
            winner.variant,
            evidence(grounds, primary, winner),
            caution(grounds, &winner.variant)
        );
        return say(State::Winner, Some(&winner.variant), text);
    }
    if let Some(broken) = broken {
        return broken;
    }
    if let Some(loser) = primary.comparisons.iter().find(|comparison| decided(comparison) < 0.0) {
        let control = grounds.variants.first().map_or("", |variant| &variant.id);
        let text = format!("Keep {control}. {} loses: {}", loser.variant, evidence(grounds, primary, loser));
        return say(State::Loser, Some(&loser.variant), text);
    }
    let Some(widest) = primary.comparisons.first() else {
        return say(State::Open, None, "There is no variant beside the control.".to_owned());
    };
    let text = match widest.lift_interval {
        Some(interval) => format!(
            "No difference can be told yet: {} changes {} by {}, and anything from {} is compatible with the data of {} units.",
            widest.variant,
            primary.id,
            widest.lift.map_or_else(String::new, lift),
            lifts(interval),
            count(grounds.units)
        ),
        None => format!(
            "No difference can be told yet: {} units are too few for an interval of {}.",
            count(grounds.units),
            primary.id
        ),
    };
    say(State::Open, None, text)
}

/// The numbers behind a decision.
fn evidence(grounds: &Grounds<'_>, metric: &Metric, comparison: &Comparison) -> String {
    let position = grounds.variants.iter().position(|variant| variant.id == comparison.variant).unwrap_or(0);
    let shown =
        |at: usize| metric.means.get(at).copied().flatten().map_or_else(|| "?".to_owned(), |value| mean(metric, value));
    let change = comparison.lift.map_or_else(String::new, |value| format!(", {}", lift(value)));
    let interval = match comparison.lift_interval {
        Some(interval) => format!(" ({} interval {})", confidence(grounds.confidence), lifts(interval)),
        None => String::new(),
    };
    let strength = match grounds.method {
        Method::Bayesian => {
            let chance = comparison.posterior.map_or(0.0, |posterior| posterior.chance_to_win);
            format!("; {} probability to beat the control, which daily looks inflate", percent(chance))
        }
        Method::Sequential => "; valid at every look".to_owned(),
        Method::Fixed => "; valid for this one look".to_owned(),
    };
    format!("{} {} against {}{change}{interval}{strength}.", metric.id, shown(position), shown(0))
}

/// Treatments that break a guardrail, with it.
fn breakers(metrics: &[Metric]) -> impl Iterator<Item = (&Metric, &Comparison)> {
    metrics.iter().flat_map(|metric| {
        metric
            .comparisons
            .iter()
            .filter(|comparison| comparison.guardrail == Some("harm"))
            .map(move |one| (metric, one))
    })
}

/// What stands against taking a winner.
fn caution(grounds: &Grounds<'_>, variant: &str) -> String {
    let guarded = |verdict: &'static str| {
        grounds.metrics.iter().find(|metric| {
            metric
                .comparisons
                .iter()
                .any(|comparison| comparison.variant == variant && comparison.guardrail == Some(verdict))
        })
    };
    if let Some(metric) = guarded("harm") {
        return format!(" But it breaks the guardrail {}: do not ship it as it is.", metric.id);
    }
    match guarded("inconclusive") {
        Some(metric) => format!(" The guardrail {} is not shown to hold yet.", metric.id),
        None => String::new(),
    }
}

/// A sentence in the middle of another.
fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
