//! The programme: what all decided experiments brought, and what ran when.

use super::date;
use super::number::{count, counted, days, lift, percent};
use super::page::{ROOT, cell, page, table};
use crate::document::{Document, Experiment, Status, Timestamp};
use crate::stats::shrink;
use maud::{Markup, html};
use serde_json::Value;
use std::collections::BTreeMap;

/// A decided experiment: what the archive kept of it, or what the document says.
#[derive(Clone, Debug, Default)]
pub struct Decided {
    id: String,
    name: String,
    /// `ship`, `keep`, `inconclusive`, `abort`.
    what: String,
    variant: String,
    why: String,
    at: String,
    by: String,
    /// First exposure and decision, as days since 1970.
    from: Option<i64>,
    until: Option<i64>,
    units: i64,
    /// Why its numbers are not to be used: a red check, or an early stop by a method that does not allow it.
    invalid: Option<String>,
    metric: String,
    /// The primary metric's lift and its standard error: of the variant that shipped, or of the best.
    effect: Option<Effect>,
}

/// A lift and its standard error.
type Effect = (f64, f64);

impl Decided {
    /// Of the JSON that the archive keeps under `results/`; `None` where it is none.
    #[must_use]
    pub fn of_frozen(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let text = |at: &str| value.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let what = text("/decision/what");
        let known = ["ship", "keep", "inconclusive", "abort"].contains(&what.as_str());
        if !known {
            return None;
        }
        let list = |at: &str| value.pointer(at).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let red = list("/gates").iter().find(|gate| gate.get("level").and_then(Value::as_str) == Some("red"));
        let variant = text("/decision/variant");
        let metric = list("/metrics").iter().find(|one| one.get("role").and_then(Value::as_str) == Some("primary"));
        let down = metric.and_then(|one| one.get("direction")).and_then(Value::as_str) == Some("down");
        let at = text("/decision/at");
        Some(Self {
            id: text("/id"),
            name: text("/name"),
            what,
            why: text("/decision/why"),
            by: text("/decision/by"),
            from: value.pointer("/days/0/day").and_then(Value::as_str).and_then(date::number),
            until: date::number(&at),
            at,
            units: value.get("units").and_then(Value::as_i64).unwrap_or(0),
            invalid: red.and_then(|gate| gate.get("title")).and_then(Value::as_str).map(str::to_owned),
            metric: metric.and_then(|one| one.get("id")).and_then(Value::as_str).unwrap_or_default().to_owned(),
            effect: metric.and_then(|metric| effect(metric, &variant, down)),
            variant,
        })
    }

    /// Of an experiment whose results the archive does not have.
    #[must_use]
    pub fn of_document(experiment: &Experiment) -> Option<Self> {
        let decision = experiment.decision.as_ref()?;
        let at = decision.at.to_string();
        Some(Self {
            id: experiment.id.to_string(),
            name: experiment.name.clone(),
            what: serde_json::to_value(decision.what).ok()?.as_str()?.to_owned(),
            variant: decision.variant.as_ref().map(ToString::to_string).unwrap_or_default(),
            why: decision.why.clone(),
            by: decision.by.clone(),
            from: experiment.starts_at.and_then(|start| date::number(&start.to_string())),
            until: date::number(&at),
            at,
            ..Self::default()
        })
    }

    /// Whether its numbers count: it was judged, and by data that could be trusted.
    fn counts(&self) -> bool {
        self.what != "abort" && self.invalid.is_none()
    }

    fn title(&self) -> &str {
        if self.name.is_empty() { &self.id } else { &self.name }
    }
}

/// The lift of a metric's treatment with its standard error, by the delta method on the frozen difference.
fn effect(metric: &Value, variant: &str, down: bool) -> Option<(f64, f64)> {
    let sign = if down { -1.0 } else { 1.0 };
    let number = |one: &Value, name: &str| one.get(name).and_then(Value::as_f64);
    let all = metric.get("comparisons")?.as_array()?;
    let named = all.iter().find(|one| one.get("variant").and_then(Value::as_str) == Some(variant));
    let best = || {
        let gain = |one: &&Value| sign * number(one, "lift").unwrap_or(f64::NEG_INFINITY);
        all.iter().max_by(|a, b| gain(a).total_cmp(&gain(b)))
    };
    let one = named.or_else(best)?;
    let control = metric.get("means")?.get(0)?.as_f64()?.abs();
    let (lift, error) = (number(one, "lift")?, number(one, "std_error")? / control);
    (error.is_finite() && error > 0.0).then_some((lift, error))
}

/// What shipped brought, by metric: the plain sum, the shrunk sum and its standard deviation.
struct Brought {
    metric: String,
    shipped: usize,
    judged: usize,
    plain: f64,
    shrunk: f64,
    sd: f64,
}

fn brought(all: &[Decided]) -> Vec<Brought> {
    let mut by_metric: BTreeMap<&str, Vec<(&Decided, Effect)>> = BTreeMap::new();
    for one in all.iter().filter(|one| one.counts()) {
        if let Some(effect) = one.effect {
            by_metric.entry(one.metric.as_str()).or_default().push((one, effect));
        }
    }
    let of = |(metric, all): (&str, Vec<(&Decided, Effect)>)| {
        let estimates: Vec<(f64, f64)> = all.iter().map(|(_, effect)| *effect).collect();
        let shrunk = shrink(&estimates).ok()?;
        let shipped: Vec<(f64, (f64, f64))> = all
            .iter()
            .zip(&shrunk.posteriors)
            .filter(|((one, _), _)| one.what == "ship")
            .map(|((_, (effect, _)), posterior)| (*effect, *posterior))
            .collect();
        Some(Brought {
            metric: metric.to_owned(),
            shipped: shipped.len(),
            judged: all.len(),
            plain: shipped.iter().map(|(effect, _)| effect).sum(),
            shrunk: shipped.iter().map(|(_, (mean, _))| mean).sum(),
            sd: shipped.iter().map(|(_, (_, sd))| sd * sd).sum::<f64>().sqrt(),
        })
    };
    by_metric.into_iter().filter_map(of).collect()
}

/// The page over all decided experiments. `frozen` are the texts that the archive keeps; where it has several iterations
/// of one experiment, each was decided for itself.
#[must_use]
pub fn programme_page(document: &Document, frozen: &[String], now: Timestamp) -> String {
    let mut all: Vec<Decided> = frozen.iter().filter_map(|text| Decided::of_frozen(text)).collect();
    for decided in document.experiments.iter().filter_map(Decided::of_document) {
        if !all.iter().any(|one| one.id == decided.id && one.at == decided.at) {
            all.push(decided);
        }
    }
    all.sort_by(|a, b| b.at.cmp(&a.at));
    let of = |what: &str| all.iter().filter(|one| one.counts() && one.what == what).count();
    let judged = all.iter().filter(|one| one.counts()).count();
    let mut lengths: Vec<i64> = all.iter().filter_map(|one| Some((one.until? - one.from?).max(0))).collect();
    lengths.sort_unstable();
    let content = html! {
        h1 { "The programme of " (document.project) }
        @if all.is_empty() { p { "Nothing is decided yet: " code { "sortition decide EXPERIMENT ship VARIANT --why …" } " keeps a decision." } }
        @else {
            dl class="facts tiles" {
                div { dt { "Decided" } dd { (counted(i64::try_from(all.len()).unwrap_or(0), ("experiment", "experiments"))) } }
                div { dt { "Shipped" } dd { (of("ship")) " of " (judged) " judged" @if judged > 0 { " (" (percent(of("ship") as f64 / judged as f64)) ")" } } }
                div { dt { "Control kept" } dd { (of("keep")) } }
                div { dt { "Inconclusive" } dd { (of("inconclusive")) } }
                div { dt { "Not counted" } dd { (all.len() - judged) } }
                @if let Some(median) = lengths.get(lengths.len() / 2) { div { dt { "Half of them ran at least" } dd { (days(*median)) } } }
            }
            (effects(&all))
            (decisions(&all))
            (not_counted(&all))
        }
        (calendar(document, &all, now))
    };
    page(&format!("Programme of {}", document.project), "/programme", &content)
}

fn effects(all: &[Decided]) -> Markup {
    let brought = brought(all);
    let rows: Vec<Vec<Markup>> = brought
        .iter()
        .filter(|one| one.shipped > 0)
        .map(|one| {
            let ends = [one.shrunk - 1.96 * one.sd, one.shrunk + 1.96 * one.sd];
            vec![
                cell(&one.metric),
                html! { (one.shipped) " of " (one.judged) },
                cell(&lift(one.plain)),
                html! { strong { (lift(one.shrunk)) } " " span class="soft" { (super::number::lifts(ends)) } },
            ]
        })
        .collect();
    html! {
        @if !rows.is_empty() {
            section {
                h2 { "What was shipped brought" }
                (table("Effects that were shipped", &["Metric", "Shipped", "#Sum of estimates", "#Sum after shrinkage"], &rows))
                p class="soft" {
                    "Winners are chosen because their estimates are high, so the plain sum promises too much. After shrinkage each estimate is pulled towards the mean of all "
                    "judged experiments of its metric by how uncertain it is (empirical Bayes: normal effects, their variance after Paule and Mandel). Lifts are added up, as if "
                    "effects did not meet; the " a href={(ROOT) "/holdout"} { "holdout" } " measures them together. Aborted and invalid ones are not in it."
                }
            }
        }
    }
}

fn decisions(all: &[Decided]) -> Markup {
    let rows: Vec<Vec<Markup>> = all
        .iter()
        .filter(|one| one.counts())
        .map(|one| {
            let word = match one.what.as_str() {
                "ship" => format!("{} shipped", one.variant),
                "keep" => "control kept".to_owned(),
                _ => "inconclusive".to_owned(),
            };
            let ran = one.from.zip(one.until).map(|(from, until)| days((until - from).max(0)));
            vec![
                html! { a href={(ROOT) "/" (one.id)} { (one.title()) } },
                cell(&word),
                html! { (date::long(&one.at)) @if !one.by.is_empty() { div class="soft" { (one.by) } } },
                cell(&ran.unwrap_or_else(|| "–".to_owned())),
                cell(&count(one.units)),
                html! { @if let Some((effect, _)) = one.effect { (lift(effect)) " " span class="soft" { (one.metric) } } @else { "–" } },
                cell(&one.why),
            ]
        })
        .collect();
    html! {
        @if !rows.is_empty() {
            section {
                h2 { "Decisions" }
                (table("Decisions", &["Experiment", "Decision", "When", "#Ran", "#Size", "Lift", "Why"], &rows))
            }
        }
    }
}

fn not_counted(all: &[Decided]) -> Markup {
    let rows: Vec<Vec<Markup>> = all
        .iter()
        .filter(|one| !one.counts())
        .map(|one| {
            let why = one.invalid.as_ref().map_or_else(|| "aborted".to_owned(), |gate| format!("invalid: {gate}"));
            vec![
                html! { a href={(ROOT) "/" (one.id)} { (one.title()) } },
                cell(&why),
                cell(&date::long(&one.at)),
                cell(&one.why),
            ]
        })
        .collect();
    html! {
        @if !rows.is_empty() {
            section {
                h2 { "Aborted or invalid" }
                (table("Aborted or invalid", &["Experiment", "Not counted because", "When", "Why"], &rows))
            }
        }
    }
}

/// What ran when, on which pages and layers: a bar each.
fn calendar(document: &Document, all: &[Decided], now: Timestamp) -> Markup {
    let today = now.millis().div_euclid(date::DAY_MS);
    let day = |time: Option<Timestamp>| time.map(|at| at.millis().div_euclid(date::DAY_MS));
    let mut bars: Vec<(String, String, i64, i64)> = Vec::new();
    for e in document.experiments.iter().filter(|e| e.status != Status::Draft) {
        let decided = all.iter().find(|one| one.id == e.id.as_str());
        let from = decided.and_then(|one| one.from).or_else(|| day(e.starts_at));
        let until = decided.and_then(|one| one.until).or_else(|| day(e.ends_at).map(|end| end.min(today)));
        if let Some(from) = from {
            let mut place: Vec<String> = e.pages.iter().take(3).map(page_text).collect();
            place.extend(e.layer.iter().map(|layer| format!("layer {layer}")));
            let name = if e.name.is_empty() { e.id.to_string() } else { e.name.clone() };
            bars.push((name, place.join(", "), from, until.unwrap_or(today).max(from)));
        }
    }
    for one in all.iter().filter(|one| document.experiments.iter().all(|e| e.id.as_str() != one.id)) {
        if let Some((from, until)) = one.from.zip(one.until) {
            bars.push((one.title().to_owned(), String::new(), from, until.max(from)));
        }
    }
    bars.sort_by_key(|(_, _, from, _)| *from);
    let Some(first) = bars.iter().map(|(_, _, from, _)| *from).min() else { return html! {} };
    let last = bars.iter().map(|(.., until)| *until).max().unwrap_or(first).max(first + 1);
    let rows: Vec<Vec<Markup>> = bars
        .iter()
        .map(|(name, place, from, until)| {
            let x = |day: i64| (day - first) as f64 / (last - first) as f64 * 240.0;
            let label = format!("{} to {}", date::long(&date::of(*from)), date::long(&date::of(*until)));
            vec![
                cell(name),
                cell(if place.is_empty() { "–" } else { place }),
                html! {
                    svg class="s1" viewBox="0 0 240 14" width="240" height="14" role="img" aria-label=(label) {
                        line class="axis" x1="0" x2="240" y1="7" y2="7" {}
                        line class="bar" x1=(format!("{:.1}", x(*from))) x2=(format!("{:.1}", x(*until).max(x(*from) + 2.0))) y1="7" y2="7" {}
                    }
                    span class="soft" { (date::short(&date::of(*from))) " – " (date::long(&date::of(*until))) }
                },
            ]
        })
        .collect();
    html! {
        section {
            h2 { "What ran when" }
            (table("What ran when", &["Experiment", "Where", "When"], &rows))
        }
    }
}

fn page_text(page: &crate::document::Page) -> String {
    match serde_json::to_value(page) {
        Ok(Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}
