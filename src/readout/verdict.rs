//! The answer in one plain sentence, and what to do about it.

use super::gate::first_red;
use super::gate_level::{Gate, GateLevel};
use super::number::{confidence, counted, days, lift, lifts, percent};
use super::shown::{difference, value};
use super::types::{ComparisonResult, MetricResult, MetricRole, Phase, Progress, State, Variant, Verdict};
use crate::document::{Allocation, DecisionRecord, Method, Verdict as Decided};
use crate::stats::Direction;

/// What a verdict rests on.
pub(super) struct Grounds<'a> {
    pub(super) id: &'a str,
    pub(super) gates: &'a [Gate],
    pub(super) metrics: &'a [MetricResult],
    pub(super) variants: &'a [Variant],
    pub(super) progress: Option<Progress>,
    pub(super) units: i64,
    pub(super) noun: (&'static str, &'static str),
    pub(super) method: Method,
    pub(super) confidence: f64,
    pub(super) allocation: Allocation,
    /// Whether the experiment is past its end.
    pub(super) is_over: bool,
    /// Whole days since the first exposure, and how many it runs at least.
    pub(super) days_run: i64,
    pub(super) min_days: i64,
    pub(super) direction: Direction,
    /// Whether the record was asked at all.
    pub(super) asked: bool,
    pub(super) phase: Phase,
    pub(super) starts_at: Option<&'a str>,
    pub(super) decision: Option<&'a DecisionRecord>,
}

fn say(state: State, variant: Option<&str>, text: String) -> Verdict {
    Verdict { state, variant: variant.map(str::to_owned), text, next: String::new() }
}

impl Verdict {
    fn then(mut self, next: String) -> Self {
        self.next = next;
        self
    }
}

pub(super) fn verdict(grounds: &Grounds<'_>) -> Verdict {
    if let Some(early) = before_any_number(grounds) {
        return early;
    }
    if let Some(gate) = first_red(grounds.gates) {
        let text = format!("No winner is shown: {}", lower(&gate.text));
        let next = "Find the fault first; the numbers below are for that, not for deciding.".to_owned();
        return say(State::Untrusted, None, text).then(next);
    }
    let Some(primary) = grounds.metrics.iter().find(|metric| metric.role == MetricRole::Primary) else {
        return say(State::Open, None, "No primary metric is named, so nothing can be decided.".to_owned())
            .then("Name one in metrics.primary.".to_owned());
    };
    let broken = breakers(grounds.metrics).next().map(|(metric, broken)| take_back(grounds, primary, metric, broken));
    if grounds.allocation == Allocation::Bandit {
        return broken.unwrap_or_else(|| bandit(grounds, primary));
    }
    if let Some(gate) = grounds.gates.iter().find(|gate| gate.name == "units" && gate.level == GateLevel::Neutral) {
        return say(State::Empty, None, format!("No winner is shown: {}", lower(&gate.text)));
    }
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
    let decided = |comparison: &ComparisonResult| match grounds.method {
        Method::Bayesian => match comparison.posterior.map(|posterior| posterior.decision) {
            Some("winner") => 1,
            Some("loser") => -1,
            _ => 0,
        },
        _ => comparison.better,
    };
    let best = primary
        .comparisons
        .iter()
        .filter(|one| decided(one) > 0 && !breakers(grounds.metrics).any(|(_, broken)| broken.variant == one.variant))
        .max_by(|a, b| (sign * a.difference.unwrap_or(0.0)).total_cmp(&(sign * b.difference.unwrap_or(0.0))));
    if let Some(winner) = best {
        let (caution, next) = caution(grounds, &winner.variant);
        let numbers = evidence(grounds, primary, winner);
        let text = format!("{} wins: {numbers}{caution}{}", winner.variant, haste(grounds));
        return say(State::Winner, Some(&winner.variant), text).then(patience(grounds, next));
    }
    if let Some(broken) = broken {
        return broken;
    }
    let control = grounds.variants.first().map_or("", |variant| &variant.id);
    if let Some(loser) = primary.comparisons.iter().find(|comparison| decided(comparison) < 0) {
        let numbers = evidence(grounds, primary, loser);
        let text = format!("Keep {control}. {} loses: {numbers}{}", loser.variant, haste(grounds));
        let next = format!("`sortition decide {} keep --why …` keeps the result.", grounds.id);
        return say(State::Loser, Some(&loser.variant), text).then(patience(grounds, next));
    }
    undecided(grounds, primary, control)
}

/// What is said of a treatment that breaks a guardrail, whatever else it does.
fn take_back(
    grounds: &Grounds<'_>,
    primary: &MetricResult,
    metric: &MetricResult,
    broken: &ComparisonResult,
) -> Verdict {
    let numbers = evidence(grounds, metric, broken);
    let gain = primary.comparisons.iter().find(|one| one.variant == broken.variant && one.better > 0);
    let gain = gain.and_then(|one| one.lift).map_or_else(String::new, |value| {
        format!(" That {} is better by it ({}) does not make up for it.", primary.id, lift(value))
    });
    let text = format!("Take {} back: it breaks the guardrail {}: {numbers}{gain}", broken.variant, metric.id);
    let next = match grounds.phase {
        Phase::Killed => format!(
            "Everybody has the control. Mend what {} lost and start over with a new iteration, or `sortition decide {} abort --why …`.",
            metric.id, grounds.id
        ),
        Phase::Completed => format!("`sortition decide {} keep --why …` keeps the result.", grounds.id),
        _ => format!("`sortition kill {}` gives everybody the control at once.", grounds.id),
    };
    say(State::Loser, Some(&broken.variant), text).then(next)
}

/// What is said where no number is needed.
fn before_any_number(grounds: &Grounds<'_>) -> Option<Verdict> {
    if let Some(decision) = grounds.decision {
        return Some(of_decision(grounds, decision));
    }
    match grounds.phase {
        Phase::Draft => return Some(say(State::Empty, None, "A draft: nobody meets it.".to_owned())),
        Phase::Scheduled => {
            let start = grounds.starts_at.map_or_else(String::new, super::date::moment);
            return Some(say(State::Empty, None, format!("Scheduled: it starts on {start}.")));
        }
        _ => {}
    }
    if !grounds.asked {
        return Some(say(State::Empty, None, "Open it for its numbers: the list is long.".to_owned()));
    }
    if let Some(gate) = grounds.gates.iter().find(|gate| gate.name == "record" && gate.level == GateLevel::Red) {
        return Some(say(State::Untrusted, None, format!("No winner is shown: {}", lower(&gate.text))));
    }
    // why: who met it and is left out is told by a gate
    let is_unmet = grounds.units == 0 && first_red(grounds.gates).is_none();
    is_unmet.then(|| say(State::Empty, None, "Nobody has met it yet.".to_owned()))
}

fn of_decision(grounds: &Grounds<'_>, decision: &DecisionRecord) -> Verdict {
    let control = grounds.variants.first().map_or("", |variant| &variant.id);
    let variant = decision.variant.as_ref().map_or(control, |variant| variant.as_str());
    let (state, what) = match decision.what {
        Decided::Ship => (State::Winner, format!("Decided: {variant} ships.")),
        Decided::Keep => (State::Loser, format!("Decided: {control} stays.")),
        Decided::Inconclusive => (State::Inconclusive, "Decided: it could not be told.".to_owned()),
        Decided::Abort => (State::Empty, "Stopped, and not judged.".to_owned()),
    };
    let by = if decision.by.is_empty() { String::new() } else { format!(" by {}", decision.by) };
    let at = super::date::long(&decision.at.to_string());
    let text = format!("{what} {} ({at}{by})", decision.why.trim());
    say(state, decision.variant.as_ref().map(|variant| variant.as_str()), text)
}

/// A bandit earns; it does not prove.
fn bandit(grounds: &Grounds<'_>, primary: &MetricResult) -> Verdict {
    let best = grounds.variants.iter().max_by(|a, b| a.units.cmp(&b.units)).map_or("", |variant| &variant.id);
    let text = format!(
        "A bandit: weights follow {}, and {best} has had the most {}. Its lifts are not those of an experiment.",
        primary.id, grounds.noun.1
    );
    say(State::Open, None, text)
}

/// Nothing was found: not yet, not any more, or not at all.
fn undecided(grounds: &Grounds<'_>, primary: &MetricResult, control: &str) -> Verdict {
    let Some(widest) = primary.comparisons.first() else {
        return say(State::Open, None, "There is no variant beside the control.".to_owned());
    };
    let compatible = match widest.lift_interval {
        Some(interval) => format!(
            "{} changes {} by {}, and anything from {} is compatible with the data of {}",
            widest.variant,
            primary.id,
            widest.lift.map_or_else(String::new, lift),
            lifts(interval),
            counted(grounds.units, grounds.noun)
        ),
        None => no_lift(grounds, primary, widest, control),
    };
    let planned = grounds.progress.map(|progress| {
        let sign = if grounds.direction == Direction::HigherIsBetter { 1.0 } else { -1.0 };
        (progress, lift(sign * progress.mde))
    });
    if let Some((_, effect)) = planned.as_ref().filter(|(progress, _)| progress.futile) {
        let text = format!("An effect of {effect} is excluded: {compatible}.{}", haste(grounds));
        let next = format!("Stop and keep {control}, unless an effect below {effect} is worth the wait.");
        return say(State::Futile, None, text).then(patience(grounds, next));
    }
    if grounds.is_over {
        let text = format!("Inconclusive at the planned end: {compatible}.");
        let next = match planned {
            Some((progress, effect)) if (grounds.units as f64) < progress.needed as f64 => {
                let more = progress.days_to_go.map_or_else(String::new, |left| {
                    format!(" (about {} more)", days(i64::try_from(left).unwrap_or(i64::MAX)))
                });
                format!(
                    "Keep {control}; or, where {effect} matters, extend it to {}{more}. Otherwise try something bolder.",
                    counted(i64::try_from(progress.needed).unwrap_or(i64::MAX), grounds.noun)
                )
            }
            _ => format!(
                "Keep {control}, or try something bolder: `sortition decide {} inconclusive --why …`.",
                grounds.id
            ),
        };
        return say(State::Inconclusive, None, text).then(next);
    }
    let is_none = |mean: &Option<f64>| *mean == Some(0.0);
    let differ = primary.means.first().is_some_and(|base| primary.means.iter().any(|mean| mean != base));
    // why: a difference that is there for all to see is not said to be none
    if widest.status == "ZERO_VARIANCE" && differ {
        let said = say(State::Open, None, format!("No verdict can be given: {compatible}."));
        let next = format!(
            "Look whether every variant works, and whether its outcomes arrive: `sortition verify {} --url …`.",
            grounds.id
        );
        return if primary.means.iter().any(is_none) { said.then(next) } else { said };
    }
    say(State::Open, None, format!("No difference can be told yet: {compatible}."))
}

/// What is known where there is no interval of the lift.
fn no_lift(grounds: &Grounds<'_>, metric: &MetricResult, one: &ComparisonResult, control: &str) -> String {
    let units = counted(grounds.units, grounds.noun);
    let at = grounds.variants.iter().position(|variant| variant.id == one.variant).unwrap_or(0);
    let mean = |at: usize| metric.means.get(at).copied().flatten();
    let (Some(treatment), Some(base)) = (mean(at), mean(0)) else {
        return format!("not every variant has an outcome that {} could be told of, after {units}", metric.id);
    };
    let (shown, against) = (value(metric, treatment), value(metric, base));
    let means = format!("{} is {shown} in {} against {against} in {control}", metric.id, one.variant);
    match (one.status, one.interval) {
        (_, Some([low, high])) => format!(
            "{means}, and any difference from {} to {} is compatible with the data of {units}",
            difference(metric, low),
            difference(metric, high)
        ),
        ("ZERO_VARIANCE", None) => format!("{means}, and of what does not vary in a variant there is no interval"),
        _ => format!("{units} are too few for an interval of {}", metric.id),
    }
}

/// Whether it has run for less than a whole week, or than the team insists on.
fn is_hasty(grounds: &Grounds<'_>) -> bool {
    grounds.days_run < grounds.min_days.max(7)
}

/// What to do next, which before one whole week is to wait.
fn patience(grounds: &Grounds<'_>, next: String) -> String {
    if is_hasty(grounds) { String::new() } else { next }
}

/// What a verdict before one whole week must say.
fn haste(grounds: &Grounds<'_>) -> String {
    let least = grounds.min_days.max(7);
    if !is_hasty(grounds) {
        return String::new();
    }
    let run = counted(grounds.days_run, ("whole day", "whole days"));
    format!(" It has run {run}: wait for {}, for people buy otherwise on other days of the week.", days(least))
}

/// The numbers behind a decision.
fn evidence(grounds: &Grounds<'_>, metric: &MetricResult, comparison: &ComparisonResult) -> String {
    let position = grounds.variants.iter().position(|variant| variant.id == comparison.variant).unwrap_or(0);
    let shown =
        |at: usize| metric.means.get(at).copied().flatten().map_or_else(|| "?".to_owned(), |mean| value(metric, mean));
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
fn breakers(metrics: &[MetricResult]) -> impl Iterator<Item = (&MetricResult, &ComparisonResult)> {
    metrics.iter().flat_map(|metric| {
        let broken = metric.comparisons.iter().filter(|comparison| comparison.guardrail == Some("harm"));
        broken.map(move |one| (metric, one))
    })
}

/// What stands against taking a winner, and what to do then.
fn caution(grounds: &Grounds<'_>, variant: &str) -> (String, String) {
    let guarded = |verdict: &'static str| {
        grounds.metrics.iter().find(|metric| {
            metric
                .comparisons
                .iter()
                .any(|comparison| comparison.variant == variant && comparison.guardrail == Some(verdict))
        })
    };
    let next = format!("`sortition decide {} ship {variant} --why …` keeps the result.", grounds.id);
    match guarded("inconclusive") {
        Some(metric) => {
            let wait = format!("Wait until the guardrail {} is shown to hold, or decide without it.", metric.id);
            (format!(" The guardrail {} is not shown to hold yet.", metric.id), wait)
        }
        None => (String::new(), next),
    }
}

/// A sentence in the middle of another.
fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
