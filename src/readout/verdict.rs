//! The answer in one plain sentence, and what to do about it.

use super::gate::first_red;
use super::gate_level::{Gate, GateLevel};
use super::number::{confidence, counted, days, lift, lifts, percent};
use super::shown::{difference, value};
use super::types::{ComparisonResult, MetricResult, MetricRole, Phase, Progress, State, Variant, Verdict};
use crate::document::{Allocation, DecisionRecord, Method, Verdict as Decided};
use crate::stats::Direction;

/// How many treatments a sentence names.
const MOST_NAMED: usize = 5;

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
        let text = match gate.text.strip_prefix("Not yet: ") {
            Some(why) => format!("No winner is shown yet: {why}"),
            None => format!("No winner is shown: {}", lower(&gate.text)),
        };
        return say(State::Empty, None, text);
    }
    if grounds.method == Method::Fixed && !grounds.is_over {
        let needed = grounds.progress.map(|progress| progress.needed as f64);
        if needed.is_none_or(|needed| (grounds.units as f64) < needed) {
            let share = needed
                .map_or_else(String::new, |n| format!(" {} of the sample is here.", percent(grounds.units as f64 / n)));
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
        let next = if has_none(grounds, primary, winner) { look_first(grounds) } else { patience(grounds, next) };
        return say(State::Winner, Some(&winner.variant), text).then(next);
    }
    if let Some(broken) = broken {
        return broken;
    }
    let control = grounds.variants.first().map_or("", |variant| &variant.id);
    let (losers, open): (Vec<_>, Vec<_>) =
        primary.comparisons.iter().filter(|one| one.is_made()).partition(|one| decided(one) < 0);
    if !losers.is_empty() {
        return losing(grounds, primary, control, &losers, &open);
    }
    undecided(grounds, primary, control)
}

/// Some treatments lose and none wins: `open` are those of which nothing can be told.
fn losing(
    grounds: &Grounds<'_>,
    primary: &MetricResult,
    control: &str,
    losers: &[&ComparisonResult],
    open: &[&ComparisonResult],
) -> Verdict {
    let mut said: Vec<String> = losers
        .iter()
        .take(MOST_NAMED)
        .map(|loser| format!("{} loses: {}", loser.variant, evidence(grounds, primary, loser)))
        .collect();
    if losers.len() > MOST_NAMED {
        said.push(format!("{} more lose.", losers.len() - MOST_NAMED));
    }
    let is_settled = open.is_empty() || grounds.is_over;
    if is_settled {
        said.insert(0, format!("Keep {control}."));
    }
    let still = names(open.iter().map(|one| one.variant.as_str()));
    if !open.is_empty() {
        let yet = if grounds.is_over { "" } else { " yet" };
        said.push(format!("Of {still} no difference can be told{yet}."));
    }
    let text = format!("{}{}", said.join(" "), haste(grounds));
    let next = match (losers.iter().any(|one| has_none(grounds, primary, one)), is_settled) {
        (true, _) => look_first(grounds),
        (false, true) => patience(grounds, format!("`sortition decide {} keep --why …` keeps the result.", grounds.id)),
        (false, false) => {
            patience(grounds, format!("Wait for {still}, or `sortition decide {} keep --why …`.", grounds.id))
        }
    };
    say(State::Loser, losers.first().map(|one| one.variant.as_str()), text).then(next)
}

/// Whether a treatment or its control has a mean of exactly nothing, which is a fault more often than a result.
fn has_none(grounds: &Grounds<'_>, metric: &MetricResult, one: &ComparisonResult) -> bool {
    let at = grounds.variants.iter().position(|variant| variant.id == one.variant);
    [Some(0), at].into_iter().flatten().any(|at| metric.means.get(at).copied().flatten() == Some(0.0))
}

/// What to do where a variant has no outcome at all.
fn look_first(grounds: &Grounds<'_>) -> String {
    format!(
        "Look whether every variant works, and whether its outcomes arrive: `sortition verify {} --url …`.",
        grounds.id
    )
}

/// A few names and how many more: `a, b and c`.
fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let mut all: Vec<String> = all.map(str::to_owned).collect();
    if all.len() > MOST_NAMED {
        let more = all.len() - MOST_NAMED;
        all.truncate(MOST_NAMED);
        all.push(format!("{more} more"));
    }
    match all.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => all.concat(),
    }
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
    let made: Vec<&ComparisonResult> = primary.comparisons.iter().filter(|one| one.is_made()).collect();
    if made.is_empty() {
        return say(State::Open, None, "There is no variant beside the control.".to_owned());
    }
    let compatible = compatible(grounds, primary, control, &made);
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
    let differ = primary.means.first().is_some_and(|base| primary.means.iter().any(|mean| mean != base));
    // why: a difference that is there for all to see is not said to be none
    if differ && made.iter().all(|one| one.status == "ZERO_VARIANCE") {
        let said = say(State::Open, None, format!("No verdict can be given: {compatible}."));
        let nobody = made.iter().any(|one| has_none(grounds, primary, one));
        return if nobody { said.then(look_first(grounds)) } else { said };
    }
    say(State::Open, None, format!("No difference can be told yet: {compatible}."))
}

/// Which effects of each treatment the data does not exclude.
fn compatible(grounds: &Grounds<'_>, metric: &MetricResult, control: &str, treatments: &[&ComparisonResult]) -> String {
    let units = counted(grounds.units, grounds.noun);
    let mut known = treatments.iter().filter_map(|one| Some((one.variant.as_str(), one.lift?, one.lift_interval?)));
    let mut clauses = Vec::new();
    if let Some((variant, value, interval)) = known.next() {
        clauses.push(format!(
            "{variant} changes {} by {}, and anything from {} is compatible with the data of {units}",
            metric.id,
            lift(value),
            lifts(interval)
        ));
        let others = known.by_ref().take(MOST_NAMED - 1);
        clauses.extend(others.map(|(variant, value, ends)| format!("{variant} by {} ({})", lift(value), lifts(ends))));
        let more = known.count();
        if more > 0 {
            clauses.push(format!("of {more} more likewise"));
        }
    }
    let unknown = treatments.iter().filter(|one| one.lift.is_none() || one.lift_interval.is_none());
    for clause in unknown.take(MOST_NAMED).map(|one| no_lift(grounds, metric, one, control)) {
        // why: of several treatments without an outcome the same is to be said
        if !clauses.contains(&clause) {
            clauses.push(clause);
        }
    }
    clauses.join("; ")
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
    letters
        .next()
        .map_or_else(String::new, |first| std::iter::once(first.to_ascii_lowercase()).chain(letters).collect())
}
