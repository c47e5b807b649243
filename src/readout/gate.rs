//! Trust gates: whether the data can be believed. While one is red, no winner is shown.

use super::number::{count, p_value, percent};
use super::types::{Ending, Segment, State, Variant};
use crate::document::Method;
use crate::stats::{self, DEFAULT_CONCENTRATION, Trend, srm, srm_sequential};
use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing to see.
    Green,
    /// Somebody should look; the answer stands.
    Amber,
    /// There is no answer while this lasts.
    Red,
}

/// A gate and what it says.
#[derive(Clone, Debug, Serialize)]
pub struct Gate {
    /// Its name: `record`, `srm`, `contamination`, `loss`, `treatment`, `units`, `ended_early`, `novelty`, `simpson`, `currency`,
    /// `crawlers`.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found, with the numbers.
    pub text: String,
}

/// Shares from which people are told, and from which nothing is believed.
const CONTAMINATION: [f64; 2] = [0.01, 0.1];
const LOSS: [f64; 2] = [0.01, 0.05];
const CONTRADICTIONS: [f64; 2] = [0.005, 0.05];

/// The χ² test of a single look is believed on any day below this: a thousand looks then raise a false alarm once in a
/// thousand experiments. The sequential test is slower to see a gross fault in few units.
const GROSS: f64 = 1e-6;

/// Units that each variant needs before anything is said.
pub(super) const FEWEST_UNITS: i64 = 100;

fn gate(name: &'static str, title: &'static str, level: Level, text: String) -> Gate {
    Gate { name, title, level, text }
}

/// Where a share stands between two limits.
fn level(share: f64, [amber, red]: [f64; 2]) -> Level {
    if share >= red {
        Level::Red
    } else if share >= amber {
        Level::Amber
    } else {
        Level::Green
    }
}

/// Whether the split is what the weights promise. `daily` holds new units by day and variant.
pub(super) fn ratio(variants: &[Variant], daily: &[Vec<f64>], is_over: bool) -> Gate {
    let weights: Vec<f64> = variants.iter().map(|variant| variant.share).collect();
    let counts: Vec<f64> = variants.iter().map(|variant| variant.units as f64).collect();
    let threshold = stats::Level::ONE_IN_A_THOUSAND;
    let once = srm(&counts, &weights, threshold);
    let daily = srm_sequential(daily, &weights, DEFAULT_CONCENTRATION, threshold);
    let expected: Vec<String> = weights.iter().map(|share| percent(*share)).collect();
    let found: Vec<String> = variants.iter().map(|variant| count(variant.units)).collect();
    let (level, tests) = match (&once, &daily) {
        (Ok(once), Ok(daily)) => {
            let gross = once.p.is_some_and(|p| p < GROSS);
            let level = match (daily.flagged_at.is_some() || gross, once.flagged) {
                (true, _) => Level::Red,
                (false, true) if is_over => Level::Red,
                (false, true) => Level::Amber,
                (false, false) => Level::Green,
            };
            let shown = |p: Option<f64>| p.map_or_else(|| "none".to_owned(), p_value);
            let tests = format!("χ² p {}, sequential p {}", shown(once.p), shown(daily.p.last().copied()));
            (level, tests)
        }
        _ => (Level::Green, "no test: fewer than two variants have a weight".to_owned()),
    };
    let text = format!("Units {} where the weights promise {}: {tests}.", found.join(" / "), expected.join(" / "));
    gate("srm", "Sample ratio", level, text)
}

pub(super) fn contamination(units: i64, contaminated: i64) -> Gate {
    let share = contaminated as f64 / ((units + contaminated) as f64).max(1.0);
    let text =
        format!("{} people met more than one variant ({}) and are left out.", count(contaminated), percent(share));
    gate("contamination", "Contamination", level(share, CONTAMINATION), text)
}

/// What arrived of the messages of all isolates.
pub(super) fn loss(sent: i64, lost: i64) -> Gate {
    let share = lost as f64 / (sent as f64).max(1.0);
    let text = format!("At least {} of {} messages never arrived ({}).", count(lost), count(sent), percent(share));
    gate("loss", "Loss of events", level(share, LOSS), text)
}

/// Outcomes that name another variant than the record has: the treatment was not what was shown.
pub(super) fn treatment(contradicting: i64, units: i64) -> Gate {
    let share = contradicting as f64 / (units as f64).max(1.0);
    let text = format!("{} people's outcomes name another variant than they were exposed to.", count(contradicting));
    gate("treatment", "Treatment delivered", level(share, CONTRADICTIONS), text)
}

pub(super) fn units(variants: &[Variant]) -> Gate {
    let fewest = variants.iter().filter(|variant| variant.share > 0.0).map(|variant| variant.units).min().unwrap_or(0);
    let level = match fewest {
        FEWEST_UNITS.. => Level::Green,
        // why: where nobody came yet nothing is wrong
        0 if variants.iter().all(|variant| variant.units == 0) => Level::Amber,
        _ => Level::Red,
    };
    let text = format!("The smallest variant has {} units; {FEWEST_UNITS} are the least.", count(fewest));
    gate("units", "Enough units", level, text)
}

pub(super) fn ended_early(endings: &[Ending], killed: bool, method: Method) -> Gate {
    let stopped = killed || !endings.is_empty();
    let level = match (stopped, method) {
        (false, _) => Level::Green,
        // why: an always-valid interval may be stopped at any look, though its estimate is inflated then
        (true, Method::Sequential) => Level::Amber,
        (true, _) => Level::Red,
    };
    let text = match endings.last() {
        Some(ending) => format!("Stopped before its time: {}.", ending.reason.trim_end_matches('.')),
        None if killed => "It is killed: everybody gets the control, and nobody new is exposed.".to_owned(),
        None => "It was not stopped before its time.".to_owned(),
    };
    gate("ended_early", "Runs its course", level, text)
}

/// Whether the effect fades or grows with the days since the exposure, for the first treatment where it does.
pub(super) fn novelty(trends: &[(String, Trend)]) -> Gate {
    let found = trends.iter().find(|(_, trend)| *trend != Trend::Stable);
    let (level, text) = match found {
        Some((variant, Trend::Novelty)) => {
            (Level::Amber, format!("The effect of {variant} fades with the days since people first met it."))
        }
        Some((variant, _)) => {
            (Level::Amber, format!("The effect of {variant} grows with the days since people first met it."))
        }
        None if trends.is_empty() => {
            (Level::Green, "Outcomes on four whole days since the exposure are needed to tell.".to_owned())
        }
        None => (Level::Green, "The effect is steady over the days since people first met it.".to_owned()),
    };
    gate("novelty", "Steady effect", level, text)
}

/// Whether every part of a dimension says the opposite of the whole.
pub(super) fn simpson(segments: &[Segment], overall: &[(String, f64, bool)]) -> Gate {
    for (position, (variant, difference, significant)) in overall.iter().enumerate() {
        for segment in segments {
            let parts: Vec<f64> =
                segment.parts.iter().filter_map(|part| part.comparisons.get(position)?.difference).collect();
            if parts.len() >= 2 && parts.iter().all(|part| part * difference < 0.0) {
                let level = if *significant { Level::Red } else { Level::Amber };
                let text = format!(
                    "{variant} against the control says the opposite in every part of {} of what it says overall: the parts are mixed unevenly.",
                    segment.dimension
                );
                return gate("simpson", "Same in all parts", level, text);
            }
        }
    }
    gate(
        "simpson",
        "Same in all parts",
        Level::Green,
        "No part of the audience reverses the result throughout.".to_owned(),
    )
}

pub(super) fn currency(mixed: Option<(&str, &[String])>) -> Gate {
    let (level, text) = match mixed {
        Some((metric, currencies)) => {
            (Level::Red, format!("The values of {metric} come in {}, which cannot be added up.", currencies.join(", ")))
        }
        None => (Level::Green, "Values come in one currency.".to_owned()),
    };
    gate("currency", "One currency", level, text)
}

pub(super) fn crawlers(crawlers: i64, visits: i64) -> Gate {
    let text = format!("{} requests of crawlers were kept out, beside {} of people.", count(crawlers), count(visits));
    gate("crawlers", "Crawlers kept out", Level::Green, text)
}

/// Whether the record answered everything: what it did not looks as if nothing had happened.
pub(super) fn record(failed: usize) -> Gate {
    let (level, text) = match failed {
        0 => (Level::Green, "Every question to the record was answered.".to_owned()),
        _ => (
            Level::Red,
            format!("{failed} questions to the record failed, so numbers are missing here: see the worker's log."),
        ),
    };
    gate("record", "Record complete", level, text)
}

/// Why there is no answer: the first red gate.
pub(super) fn first_red(gates: &[Gate]) -> Option<&Gate> {
    gates.iter().find(|gate| gate.level == Level::Red)
}

/// The state of a verdict that gates forbid.
pub(super) fn state_of(gate: &Gate) -> State {
    if gate.name == "units" { State::Empty } else { State::Untrusted }
}
