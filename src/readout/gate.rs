//! Trust gates: whether the data can be believed. While one is red, no winner is shown.

use super::gate_level::{Gate, GateLevel};
use super::number::{agreed, clamped, count, counted, p_value, percent};
use super::sample::{FEWEST_UNITS, is_aside};
use super::segment;
use super::types::{Ending, Part, Segment, Variant};
use crate::document::Method;
use crate::ledger::answer::Answer;
use crate::stats::{self, DEFAULT_CONCENTRATION, Trend, srm, srm_sequential};

/// Shares from which people are told, and from which nothing is believed.
const CONTAMINATION: [f64; 2] = [0.01, 0.1];
const LOSS: [f64; 2] = [0.01, 0.05];
const CONTRADICTIONS: [f64; 2] = [0.005, 0.05];

const IS: (&str, &str) = ("is", "are");

/// The χ² test of a single look is believed on any day below this: a thousand looks then raise a false alarm once in a
/// thousand experiments. The sequential test is slower to see a gross fault in few units.
const GROSS: f64 = 1e-6;

/// How many units each variant must be expected to have before the χ² test is believed: of fewer its statistic is not
/// distributed so, and the first visitor to a variant that one in a hundred gets would be a fault.
const FEWEST_EXPECTED: f64 = 5.0;

fn gate(name: &'static str, title: &'static str, level: GateLevel, text: String) -> Gate {
    Gate { name, title, level, text }
}

/// Where a share stands between two limits.
fn level(share: f64, [amber, red]: [f64; 2]) -> GateLevel {
    if share >= red {
        GateLevel::Red
    } else if share >= amber {
        GateLevel::Amber
    } else {
        GateLevel::Green
    }
}

/// Whether the split is what the weights promise. `daily` holds new units by day and variant.
pub(super) fn ratio(variants: &[Variant], daily: &[Vec<f64>], is_over: bool, many: &str) -> Gate {
    if variants.iter().all(|variant| variant.units == 0) {
        return gate("srm", "Sample ratio", GateLevel::Neutral, format!("Not yet: there are no {many}."));
    }
    let weights: Vec<f64> = variants.iter().map(|variant| variant.share).collect();
    if weights.iter().filter(|weight| **weight > 0.0).count() < 2 {
        let text = "Not tested: fewer than two variants have a weight.".to_owned();
        return gate("srm", "Sample ratio", GateLevel::Neutral, text);
    }
    let counts: Vec<f64> = variants.iter().map(|variant| variant.units as f64).collect();
    let threshold = stats::Level::ONE_IN_A_THOUSAND;
    let once = srm(&counts, &weights, threshold);
    let daily = srm_sequential(daily, &weights, DEFAULT_CONCENTRATION, threshold);
    // why: what has no weight is not in the test
    let tested = || variants.iter().filter(|variant| variant.share > 0.0);
    let expected: Vec<String> = tested().map(|variant| percent(variant.share)).collect();
    let found: Vec<String> = tested().map(|variant| count(variant.units)).collect();
    let total: f64 = tested().map(|variant| variant.units as f64).sum();
    let is_large = tested().all(|variant| total * variant.share >= FEWEST_EXPECTED);
    let (level, tests) = match (&once, &daily) {
        (Ok(once), Ok(daily)) => {
            let gross = is_large && once.p.is_some_and(|p| p < GROSS);
            let level = match (daily.flagged_at.is_some() || gross, is_large && once.flagged) {
                (true, _) => GateLevel::Red,
                (false, true) if is_over => GateLevel::Red,
                (false, true) => GateLevel::Amber,
                (false, false) => GateLevel::Green,
            };
            let shown = |p: Option<f64>| p.map_or_else(|| "none".to_owned(), p_value);
            let at_once = if is_large { format!("χ² p {}", shown(once.p)) } else { "too few for χ²".to_owned() };
            (level, format!("{at_once}, sequential p {}", shown(daily.p.last().copied())))
        }
        _ => (GateLevel::Neutral, "no test of such numbers".to_owned()),
    };
    let text = format!("{} {many} where the weights promise {}: {tests}.", found.join(" / "), expected.join(" / "));
    gate("srm", "Sample ratio", level, text)
}

/// The sample ratio of a bandit's variants means nothing, for its weights move.
pub(super) fn ratio_of_bandit() -> Gate {
    let text = "Not tested: the weights of a bandit move from day to day.".to_owned();
    gate("srm", "Sample ratio", GateLevel::Neutral, text)
}

pub(super) fn contamination(units: i64, contaminated: i64, noun: (&str, &str)) -> Gate {
    if units + contaminated == 0 {
        return gate(
            "contamination",
            "Contamination",
            GateLevel::Neutral,
            format!("Not yet: there are no {}.", noun.1),
        );
    }
    let share = contaminated as f64 / (units + contaminated).max(1) as f64;
    let text = format!(
        "{} met more than one variant ({}) and {} left out.",
        counted(contaminated, noun),
        percent(share),
        agreed(contaminated, IS)
    );
    gate("contamination", "Contamination", level(share, CONTAMINATION), text)
}

/// What arrived of the messages of all isolates.
pub(super) fn loss(sent: i64, lost: i64) -> Gate {
    if sent == 0 {
        return gate("loss", "Loss of events", GateLevel::Neutral, "Not yet: no message has arrived.".to_owned());
    }
    let share = lost as f64 / sent as f64;
    let sent = counted(sent, ("message", "messages"));
    let text = match lost {
        0 => format!("Of {sent} none is known to be lost."),
        _ => format!("At least {} of {sent} never arrived ({}).", count(lost), percent(share)),
    };
    gate("loss", "Loss of events", level(share, LOSS), text)
}

/// Whether outcomes name the variant that their unit was exposed to.
pub(super) fn treatment(contradicting: i64, units: i64, noun: (&str, &str)) -> Gate {
    if units == 0 {
        return gate(
            "treatment",
            "Treatment delivered",
            GateLevel::Neutral,
            format!("Not yet: there are no {}.", noun.1),
        );
    }
    let share = contradicting as f64 / units as f64;
    let text = match contradicting {
        0 => "No outcome names another variant than the exposure.".to_owned(),
        _ => format!(
            "Outcomes of {} name another variant than the exposure ({}).",
            counted(contradicting, noun),
            percent(share)
        ),
    };
    gate("treatment", "Treatment delivered", level(share, CONTRADICTIONS), text)
}

pub(super) fn units(variants: &[Variant], noun: (&str, &str)) -> Gate {
    const TITLE: &str = "Enough units";
    let (control, treatments) = variants.split_first().map_or((None, variants), |(first, rest)| (Some(first), rest));
    let aside = |variant: &Variant| is_aside(variant.share, variant.units);
    if let Some(control) = control.filter(|control| aside(control)) {
        let (found, many) = (counted(control.units, noun), noun.1);
        let text = format!(
            "Nothing can be compared: {}, the control, has weight 0, so no new {many} get it, and {found}; {FEWEST_UNITS} are the least.",
            control.id
        );
        return gate("units", TITLE, GateLevel::Neutral, text);
    }
    if !treatments.is_empty() && treatments.iter().all(aside) {
        let text = format!(
            "Nothing can be compared: no treatment has a weight above 0, and none has {FEWEST_UNITS} {}.",
            noun.1
        );
        return gate("units", TITLE, GateLevel::Neutral, text);
    }
    let compared = control.into_iter().chain(treatments.iter().filter(|variant| !aside(variant)));
    let fewest = compared.map(|variant| variant.units).min().unwrap_or(0);
    // why: of too few nothing can be said for or against: that is no fault of the data
    let level = if fewest < FEWEST_UNITS { GateLevel::Neutral } else { GateLevel::Green };
    let text = match (level, fewest) {
        (GateLevel::Neutral, _) => {
            format!("Not yet: the smallest variant has {}, {FEWEST_UNITS} are the least.", counted(fewest, noun))
        }
        _ => format!("The smallest variant has {}.", counted(fewest, noun)),
    };
    gate("units", TITLE, level, text)
}

/// What is done with treatments that nobody new gets: weight 0 stops the traffic, and leaves who had it.
pub(super) fn without_traffic(variants: &[Variant], noun: (&str, &str)) -> Option<Gate> {
    let stopped = || variants.iter().skip(1).filter(|variant| variant.share <= 0.0);
    let named = |is_aside_one: bool| -> Vec<String> {
        let of = |variant: &&Variant| is_aside(variant.share, variant.units) == is_aside_one;
        stopped().filter(of).map(|variant| format!("{} ({})", variant.id, counted(variant.units, noun))).collect()
    };
    let (aside, compared) = (named(true), named(false));
    let mut said = Vec::new();
    if !aside.is_empty() {
        let verb = agreed(clamped(aside.len() as i128), ("has", "have"));
        said.push(format!(
            "{} {verb} weight 0 and fewer than {FEWEST_UNITS} {}: shown, not compared, and not waited for.",
            aside.join(", "),
            noun.1
        ));
    }
    if !compared.is_empty() {
        let (verb, they, their) =
            if compared.len() == 1 { ("has", "it is", "its") } else { ("have", "they are", "their") };
        said.push(format!(
            "{} {verb} weight 0: {they} still compared, but {their} {} are of earlier days than those who come now, and what differs may be the days.",
            compared.join(", "),
            noun.1
        ));
    }
    let level = if compared.is_empty() { GateLevel::Neutral } else { GateLevel::Amber };
    (!said.is_empty()).then(|| gate("without_traffic", "Variants with traffic", level, said.join(" ")))
}

/// Whether a part of the audience lost units of one variant, after Holm over all parts.
pub(super) fn parts(segments: &[Segment]) -> Gate {
    let all = || segments.iter().flat_map(|segment| segment.parts.iter().map(move |part| (segment, part)));
    let tested = all().filter(|(_, part)| part.ratio_p.is_some()).count();
    let found: Vec<String> = all()
        .filter(|(_, part)| part.ratio_flagged)
        .map(|(segment, part)| {
            format!("{} ({})", segment::part_name(&segment.dimension, &part.value), segment::title(&segment.dimension))
        })
        .collect();
    let (level, text) = match (tested, found.is_empty()) {
        (0, _) => (GateLevel::Neutral, "Not yet: no part of the audience is large enough.".to_owned()),
        (1, true) => {
            (GateLevel::Green, "The split holds in the one part of the audience that is large enough.".to_owned())
        }
        (_, true) => (GateLevel::Green, format!("The split holds in all {tested} parts of the audience (after Holm).")),
        (_, false) => (GateLevel::Amber, format!("The split does not hold in {} (after Holm).", found.join(", "))),
    };
    gate("parts", "Split in parts", level, text)
}

/// Units whose variant the document does not have.
pub(super) fn unknown(unknown: i64, units: i64, noun: (&str, &str)) -> Option<Gate> {
    if unknown == 0 {
        return None;
    }
    // why: what an engine answers may be below nothing, and a share of nothing is none
    let share = unknown as f64 / (units + unknown).max(1) as f64;
    let text = format!(
        "{} met a variant that the document does not have ({}) and {} left out.",
        counted(unknown, noun),
        percent(share),
        agreed(unknown, IS)
    );
    Some(gate("unknown", "Known variants", level(share, CONTAMINATION), text))
}

pub(super) fn ended_early(endings: &[Ending], killed: bool, method: Method) -> Gate {
    let stopped = killed || !endings.is_empty();
    let level = match (stopped, method) {
        (false, _) => GateLevel::Green,
        // why: an always-valid interval may be stopped at any look, though its estimate is inflated then
        (true, Method::Sequential) => GateLevel::Amber,
        (true, _) => GateLevel::Red,
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
            (GateLevel::Amber, format!("The effect of {variant} fades with the days since people first met it."))
        }
        Some((variant, _)) => {
            (GateLevel::Amber, format!("The effect of {variant} grows with the days since people first met it."))
        }
        None if trends.is_empty() => (
            GateLevel::Neutral,
            "Not yet: outcomes on four whole days since the exposure are needed to tell.".to_owned(),
        ),
        None => (GateLevel::Green, "The effect is steady over the days since people first met it.".to_owned()),
    };
    gate("novelty", "Steady effect", level, text)
}

/// Whether every part of a dimension says the opposite of the whole, which has so many units. Of few units or of whom it is not
/// known a part says nothing, and what remains speaks for the whole where it is most of it.
pub(super) fn simpson(segments: &[Segment], overall: &[(String, f64, bool)], units: i64) -> Gate {
    const TITLE: &str = "Same in all parts";
    let mut judged = false;
    for (position, (variant, difference, significant)) in overall.iter().enumerate() {
        for segment in segments {
            let said = |part: &Part| part.comparisons.get(position)?.difference.filter(|_| !part.small);
            let parts: Vec<(f64, i64)> =
                segment.parts.iter().filter_map(|part| Some((said(part)?, part.units))).collect();
            let is_most = 2 * parts.iter().map(|(_, units)| units).sum::<i64>() > units;
            judged |= parts.len() >= 2 && is_most;
            if parts.len() >= 2 && is_most && parts.iter().all(|(part, _)| part * difference < 0.0) {
                let level = if *significant { GateLevel::Red } else { GateLevel::Amber };
                let text = format!(
                    "{variant} against the control says the opposite in every part of {} of what it says overall: the parts are mixed unevenly.",
                    segment::title(&segment.dimension)
                );
                return gate("simpson", TITLE, level, text);
            }
        }
    }
    if !judged {
        return gate(
            "simpson",
            TITLE,
            GateLevel::Neutral,
            "Not yet: too little of the audience is in parts that have a result.".to_owned(),
        );
    }
    gate("simpson", TITLE, GateLevel::Green, "No part of the audience reverses the result throughout.".to_owned())
}

/// Whether values come in one currency: of the experiment's outcomes, metric by metric.
pub(super) fn currency(metrics: &[(&str, &Answer)]) -> Gate {
    const TITLE: &str = "One currency";
    let codes = |answer: &Answer| {
        let code = |of: &crate::ledger::answer::OfCurrency| of.currency.clone().unwrap_or_else(|| "none".to_owned());
        answer.currencies.iter().map(code).collect::<Vec<_>>().join(", ")
    };
    if let Some((metric, answer)) = metrics.iter().find(|(_, answer)| answer.is_mixed()) {
        let text = format!("The values of {metric} come in {}, which cannot be added up.", codes(answer));
        return gate("currency", TITLE, GateLevel::Red, text);
    }
    let left_out =
        |answer: &Answer| answer.currencies.iter().filter(|of| of.left_out).map(|of| clamped(of.outcomes)).sum::<i64>();
    if let Some((metric, answer)) = metrics.iter().find(|(_, answer)| left_out(answer) > 0) {
        let outcomes = left_out(answer);
        let (found, verb) = (counted(outcomes, ("outcome", "outcomes")), agreed(outcomes, IS));
        let text = format!("{found} of {metric} {verb} of another currency and left out.");
        return gate("currency", TITLE, GateLevel::Amber, text);
    }
    if metrics.is_empty() {
        return gate("currency", TITLE, GateLevel::Neutral, "Not asked: no metric here adds up values.".to_owned());
    }
    if metrics.iter().all(|(_, answer)| answer.currencies.is_empty()) {
        return gate("currency", TITLE, GateLevel::Neutral, "Not yet: no outcome has a value.".to_owned());
    }
    gate("currency", TITLE, GateLevel::Green, "Values come in one currency.".to_owned())
}

pub(super) fn crawlers(crawlers: i64, visits: i64) -> Gate {
    let (asked, verb) = (counted(crawlers, ("request", "requests")), agreed(crawlers, ("was", "were")));
    let text = format!("{asked} of crawlers {verb} kept out, beside {} of people.", count(visits));
    gate("crawlers", "Crawlers kept out", GateLevel::Neutral, text)
}

/// Whether the record answered everything: what it did not looks as if nothing had happened.
pub(super) fn record(failed: usize, incomplete: &[String]) -> Gate {
    let mut missing = incomplete.to_vec();
    if failed > 0 {
        // why: what answered only in part has said which questions it failed at
        let log = if incomplete.is_empty() { ": see the worker's log" } else { "" };
        let questions = counted(i64::try_from(failed).unwrap_or(i64::MAX), ("question", "questions"));
        missing.push(format!("{questions} to the record failed, so numbers are missing here{log}."));
    }
    if missing.is_empty() {
        return gate(
            "record",
            "Record complete",
            GateLevel::Green,
            "Every question to the record was answered.".to_owned(),
        );
    }
    gate("record", "Record complete", GateLevel::Red, missing.join(" "))
}

/// Why there is no answer: the first red gate.
pub(super) fn first_red(gates: &[Gate]) -> Option<&Gate> {
    gates.iter().find(|gate| gate.level == GateLevel::Red)
}
