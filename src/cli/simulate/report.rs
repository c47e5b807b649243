//! What a simulation found, for people and as JSON.

use super::tally::{Counted, PAIRED, Stage, Tally};
use crate::cli::terminal::{bad, faint, good, strong, table};
use crate::cli::{Report, count};
use crate::decide::Reason;
use crate::document::{Document, Problem};
use crate::plan::{ExperimentAt, Position as _};
use crate::stats::{Level, RatioTest, srm};
use serde_json::{Map, Value, json};

/// How many overlaps people are shown.
const SHOWN: usize = 20;

#[allow(clippy::cast_precision_loss)]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

pub(super) fn report(document: &Document, stage: &Stage<'_>, tally: &Tally, visitors: u64) -> Report {
    let mut report = Report {
        text: format!("{} visitors at {}\n\n", visitors, crate::document::Timestamp::from_millis(stage.now)),
        ..Report::default()
    };
    let mut experiments = Vec::new();
    for (index, (e, counted)) in stage.plan.experiments.iter().zip(&tally.experiments).enumerate() {
        let bounds: Vec<f64> = widths(e);
        let test = tested(counted, &bounds);
        let acting: u64 = counted.variants.iter().sum();
        report.text.push_str(&format!(
            "{}  {} of visitors{}\n",
            strong(&e.id),
            percent(share(acting, visitors)),
            verdict(test.as_ref())
        ));
        let total: f64 = bounds.iter().sum();
        let mut rows = Vec::new();
        let mut variants = Vec::new();
        for ((variant, number), width) in e.variants.iter().zip(&counted.variants).zip(&bounds) {
            let (is, should) = (share(*number, acting), width / total);
            rows.push(vec![
                variant.id.to_string(),
                number.to_string(),
                percent(is),
                faint(format!("of {}", percent(should))),
            ]);
            variants.push(json!({"variant": variant.id, "visitors": number, "share": is, "expected": should}));
        }
        report.text.push_str(&table(&rows));
        let reasons: Vec<(&str, u64)> =
            Reason::ALL.iter().zip(&counted.reasons).filter(|(_, n)| **n > 0).map(|(r, n)| (r.as_str(), *n)).collect();
        let why: Vec<String> =
            reasons.iter().map(|(reason, number)| format!("{reason} {}", percent(share(*number, visitors)))).collect();
        report.text.push_str(&format!("  {}\n", faint(why.join(", "))));
        if let Some(test) = test.as_ref().filter(|test| test.flagged) {
            report.problems.push(Problem::error(
                format!("experiments[{index}].variants"),
                format!(
                    "the split does not come out as the weights say (χ² {:.1}, p {:.2e}): with given ids, they are perhaps no random sample",
                    test.chi2.unwrap_or_default(),
                    test.p.unwrap_or_default()
                ),
            ));
        }
        let reasons: Map<String, Value> = reasons.into_iter().map(|(r, n)| (r.to_owned(), n.into())).collect();
        experiments.push(json!({
            "experiment": e.id,
            "visitors": acting,
            "share": share(acting, visitors),
            "variants": variants,
            "reasons": reasons,
            "srm": test.map(|test| json!({"chi2": test.chi2, "df": test.df, "p": test.p, "flagged": test.flagged})),
        }));
    }
    let holdout = f64::from(stage.plan.holdout.below) / 10_000.0;
    if holdout > 0.0 {
        report.text.push_str(&format!(
            "\nholdout {} {}\n",
            percent(share(tally.held_out, visitors)),
            faint(format!("of {}", percent(holdout)))
        ));
    }
    let layers = layers(document, tally, visitors, &mut report);
    let overlap = overlap(stage, tally, visitors, &mut report.text);
    report.json = json!({
        "ok": report.problems.is_empty(),
        "visitors": visitors,
        "experiments": experiments,
        "holdout": {"visitors": tally.held_out, "share": share(tally.held_out, visitors), "expected": holdout},
        "layers": layers,
        "overlap": overlap,
    });
    report
}

/// The share that each variant's buckets are.
fn widths(e: &crate::plan::Experiment) -> Vec<f64> {
    let bounds = e.variants.iter().map(|variant| variant.below);
    bounds
        .scan(0_u16, |from, below| {
            let width = below.saturating_sub(*from);
            *from = below.max(*from);
            Some(f64::from(width))
        })
        .collect()
}

#[allow(clippy::cast_precision_loss)]
fn tested(counted: &Counted, widths: &[f64]) -> Option<RatioTest> {
    let counts: Vec<f64> = counted.split.iter().map(|&number| number as f64).collect();
    srm(&counts, widths, Level::ONE_IN_A_THOUSAND).ok().filter(|test| test.p.is_some())
}

fn verdict(test: Option<&RatioTest>) -> String {
    match test.and_then(|test| Some((test, test.p?))) {
        Some((test, p)) if test.flagged => format!(", {}", bad(format!("sample ratio mismatch, p = {p:.2e}"))),
        Some((_, p)) => format!(", {} p = {p:.3}", good("split as weighted,")),
        None => String::new(),
    }
}

fn layers(document: &Document, tally: &Tally, visitors: u64, report: &mut Report) -> Vec<Value> {
    let mut found = Vec::new();
    for layer in document.layers.keys() {
        let members: Vec<(usize, &crate::document::Experiment)> =
            document.experiments.iter().enumerate().filter(|(_, e)| e.layer.as_ref() == Some(layer)).collect();
        let mut twice = 0;
        for (place, (one, _)) in members.iter().enumerate() {
            twice += members.iter().skip(place + 1).map(|(other, _)| tally.both(*one, *other)).sum::<u64>();
        }
        let shares: Vec<(&str, u64)> = members
            .iter()
            .map(|(index, e)| (e.id.as_str(), tally.experiments.get(*index).map_or(0, |counted| counted.in_slots)))
            .collect();
        if shares.is_empty() {
            continue;
        }
        let told: Vec<String> =
            shares.iter().map(|(id, number)| format!("{id} {}", percent(share(*number, visitors)))).collect();
        report.text.push_str(&format!("\nlayer {}: {}; in two at once: {twice}\n", strong(layer), told.join(", ")));
        if twice > 0 {
            let message = format!("{} are in two of its experiments at once", count(twice as usize, "visitor"));
            report.problems.push(Problem::error(format!("layers.{layer}"), message));
        }
        let experiments: Vec<Value> =
            shares.iter().map(|(id, number)| json!({"experiment": id, "visitors": number})).collect();
        found.push(json!({"layer": layer, "experiments": experiments, "in_two_at_once": twice}));
    }
    found
}

/// How many visitors two experiments act for, the largest first.
fn overlap(stage: &Stage<'_>, tally: &Tally, visitors: u64, text: &mut String) -> Vec<Value> {
    let ids: Vec<&str> = stage.plan.experiments.iter().take(PAIRED).map(|e| &*e.id).collect();
    let mut pairs: Vec<(u64, &str, &str, f64)> = Vec::new();
    for (one, first) in ids.iter().enumerate() {
        for (other, second) in ids.iter().enumerate().skip(one + 1) {
            let both = tally.both(one, other);
            if both > 0 {
                pairs.push((both, first, second, smallest_cell(stage, both, one, other)));
            }
        }
    }
    pairs.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
    if !pairs.is_empty() {
        let rows: Vec<Vec<String>> = pairs
            .iter()
            .take(SHOWN)
            .map(|(both, one, other, cell)| {
                let seen = detectable(*cell).map_or_else(
                    || "too few to tell how they act on each other".to_owned(),
                    |effect| format!("their interaction is found from {:.0} % on", effect * 100.0),
                );
                let cell = faint(format!("smallest cell {cell:.0}, {seen}"));
                vec![format!("{one} and {other}"), percent(share(*both, visitors)), cell]
            })
            .collect();
        text.push_str(&format!(
            "\nin both {}\n{}",
            faint(format!("of these visitors, at a rate of {:.0} %, 95 % confidence, 80 % power", RATE * 100.0)),
            table(&rows)
        ));
        if pairs.len() > SHOWN {
            text.push_str(&format!("  and {} more: --json\n", count(pairs.len() - SHOWN, "pair")));
        }
    }
    pairs
        .into_iter()
        .map(|(both, one, other, cell)| {
            json!({"experiments": [one, other], "visitors": both, "share": share(both, visitors),
                "smallest_cell": cell.round(), "detectable_interaction": detectable(cell)})
        })
        .collect()
}

/// The rate that is assumed where nothing was measured yet: a generous one, so that what is too little for it is too
/// little for any rarer metric.
const RATE: f64 = 0.1;

/// How many of the visitors in both experiments are in the smallest cell: one variant of each.
#[allow(clippy::cast_precision_loss)]
fn smallest_cell(stage: &Stage<'_>, both: u64, one: usize, other: usize) -> f64 {
    let least = |index: usize| {
        let widths = stage.plan.experiments.get(ExperimentAt::from_number(index)).map(widths).unwrap_or_default();
        let sum: f64 = widths.iter().sum();
        widths.into_iter().filter(|width| *width > 0.0).fold(f64::INFINITY, f64::min) / sum
    };
    let share = least(one) * least(other);
    if share.is_finite() { both as f64 * share } else { 0.0 }
}

/// The smallest interaction, relative to the rate, that is found with 95 % confidence and 80 % power where every cell has
/// at least so many: a difference of differences has the variance of four cells. `None`: not even a doubling.
fn detectable(cell: f64) -> Option<f64> {
    const BOTH_SIDES_95: f64 = 1.959_963_984_540_054;
    const POWER_80: f64 = 0.841_621_233_572_914;
    let effect = (BOTH_SIDES_95 + POWER_80) * (4.0 * RATE * (1.0 - RATE) / cell).sqrt() / RATE;
    (cell > 0.0 && effect < 1.0).then_some(effect)
}
