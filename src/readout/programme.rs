//! The programme: what all decided experiments brought, and what ran when.

use super::date;
use super::number::{count, counted, days, lift, percent};
use super::page::{ROOT, cell, page, table};
use crate::document::{Document, Experiment, Kind, Status, Timestamp};
use crate::ledger::question::Question;
use crate::ledger::readout::{self as record, Row};
use crate::stats::shrink;
use maud::{Markup, html};
use serde_json::Value;
use std::collections::BTreeMap;

/// A decided experiment: what the archive kept of it, or what the document says.
#[derive(Clone, Debug, Default)]
pub struct Decided {
    id: String,
    iteration: u64,
    name: String,
    /// `ship`, `keep`, `inconclusive`, `abort`.
    what: String,
    variant: String,
    why: String,
    /// What was known when it was decided; empty: nobody wrote it down.
    summary: String,
    at: String,
    by: String,
    /// First exposure and decision, as days since 1970.
    from: Option<i64>,
    until: Option<i64>,
    /// How many units it had; absent: the archive has no results of it yet.
    units: Option<i64>,
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
            iteration: value.get("iteration").and_then(Value::as_u64).unwrap_or(1),
            name: text("/name"),
            what,
            why: text("/decision/why"),
            summary: text("/decision/summary"),
            by: text("/decision/by"),
            from: value.pointer("/days/0/day").and_then(Value::as_str).and_then(date::number),
            until: date::number(&at),
            at,
            units: value.get("units").and_then(Value::as_i64),
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
            iteration: experiment.iteration.into(),
            name: experiment.name.clone(),
            what: serde_json::to_value(decision.what).ok()?.as_str()?.to_owned(),
            variant: decision.variant.as_ref().map(ToString::to_string).unwrap_or_default(),
            why: decision.why.clone(),
            summary: decision.summary.clone().unwrap_or_default(),
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

/// What shipped brought, by metric, each with its standard deviation: the plain sum, and the shrunk one.
struct Brought {
    metric: String,
    shipped: usize,
    judged: usize,
    plain: Effect,
    /// Absent where too few were judged to know what effects have in common.
    shrunk: Option<Effect>,
}

/// Judged experiments of a metric from which their effects are shrunk: of two, their variance is a guess.
const FEWEST_TO_SHRINK: usize = 3;

fn brought(all: &[Decided]) -> Vec<Brought> {
    let mut by_metric: BTreeMap<&str, Vec<(&Decided, Effect)>> = BTreeMap::new();
    for one in all.iter().filter(|one| one.counts()) {
        if let Some(effect) = one.effect {
            by_metric.entry(one.metric.as_str()).or_default().push((one, effect));
        }
    }
    let of = |(metric, all): (&str, Vec<(&Decided, Effect)>)| {
        let estimates: Vec<Effect> = all.iter().map(|(_, effect)| *effect).collect();
        let is_shipped = |at: usize| all.get(at).is_some_and(|(one, _)| one.what == "ship");
        let shipped = || estimates.iter().enumerate().filter(|(at, _)| is_shipped(*at)).map(|(_, effect)| effect);
        let enough = estimates.len() >= FEWEST_TO_SHRINK;
        Brought {
            metric: metric.to_owned(),
            shipped: shipped().count(),
            judged: all.len(),
            plain: (
                shipped().map(|(effect, _)| effect).sum(),
                shipped().map(|(_, error)| error * error).sum::<f64>().sqrt(),
            ),
            shrunk: shrink(&estimates).ok().filter(|_| enough).map(|shrunk| shrunk.sum(&estimates, is_shipped)),
        }
    };
    by_metric.into_iter().map(of).collect()
}

/// A sum of lifts with its interval.
fn with_interval((effect, sd): Effect) -> Markup {
    let ends = [effect - 1.96 * sd, effect + 1.96 * sd];
    html! { strong { (lift(effect)) } " " span class="soft" { "(" (super::number::lifts(ends)) ")" } }
}

/// What the programme's page is made of besides the document.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sources<'a> {
    /// The texts that the archive keeps of decided experiments.
    pub frozen: &'a [String],
    /// The answer to [`courses`]; `None`: there is no record.
    pub courses: Option<&'a str>,
    /// The holdout's results as JSON; `None`: nobody is held out.
    pub holdout: Option<&'a str>,
}

/// What to ask the record for the programme's page: what ran when.
#[must_use]
pub fn courses(document: &Document) -> Question {
    record::courses(&document.project)
}

/// When units met an experiment, as days since 1970: of all its iterations.
struct Course {
    id: String,
    first: i64,
    last: i64,
}

fn ran(answer: Option<&str>) -> Vec<Course> {
    let rows: Vec<Row> = super::answers::rows(answer);
    let mut all: Vec<Course> = Vec::new();
    for row in rows.iter().filter(|row| row.number(2) > 0) {
        let (id, first, last) = (row.text(0), row.number(2), row.number(3));
        match all.iter_mut().find(|one| one.id == id) {
            Some(one) => (one.first, one.last) = (one.first.min(first), one.last.max(last)),
            None => all.push(Course { id: id.to_owned(), first, last }),
        }
    }
    all
}

/// The page over all decided experiments. Where the archive has several iterations of one experiment, each was decided for
/// itself.
#[must_use]
pub fn programme_page(document: &Document, from: Sources<'_>, now: Timestamp) -> String {
    let mut all: Vec<Decided> = from.frozen.iter().filter_map(|text| Decided::of_frozen(text)).collect();
    for decided in document.experiments.iter().filter_map(Decided::of_document) {
        // why: what is decided anew counts once, with what the archive keeps of it from its next run on
        let is_kept = |one: &Decided| one.id == decided.id && one.iteration == decided.iteration;
        if !all.iter().any(|one| is_kept(one) && one.at == decided.at) {
            all.retain(|one| !is_kept(one));
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
                @if let Some(median) = lengths.get(lengths.len() / 2) { div { dt { "Median length" } dd { (days(*median)) } } }
            }
            (effects(&all))
        }
        (together(from.holdout))
        (decisions(&all))
        (not_counted(&all))
        (calendar(document, &all, &ran(from.courses), now))
    };
    page(&format!("Programme of {}", document.project), "/programme", &content)
}

fn effects(all: &[Decided]) -> Markup {
    let brought = brought(all);
    let rows: Vec<Vec<Markup>> = brought
        .iter()
        .filter(|one| one.shipped > 0)
        .map(|one| {
            vec![
                cell(&one.metric),
                html! { (one.shipped) " of " (one.judged) },
                with_interval(one.plain),
                match one.shrunk {
                    Some(shrunk) => with_interval(shrunk),
                    None => html! { span class="soft" { "too few judged: " (FEWEST_TO_SHRINK) " are the least" } },
                },
            ]
        })
        .collect();
    html! {
        @if !rows.is_empty() {
            section {
                h2 { "What was shipped brought" }
                (table("Effects that were shipped", &["Metric", "Shipped of judged", "Sum of estimates (95 %)", "Sum after shrinkage (95 %)"], &rows))
                p class="soft" {
                    "Winners are chosen because their estimates are high, so the plain sum promises too much. After shrinkage each estimate is pulled towards the mean of all "
                    "judged experiments of its metric by how uncertain it is (empirical Bayes: normal effects, their variance after Paule and Mandel). Lifts are added up, as if "
                    "effects did not meet; a holdout measures them together. Aborted and invalid ones are not in it."
                }
            }
        }
    }
}

/// What all experiments together changed, against those who are held out of all.
fn together(holdout: Option<&str>) -> Markup {
    let value: Value = holdout.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let text = value.pointer("/verdict/text").and_then(Value::as_str);
    html! {
        section {
            h2 { "All experiments together" }
            @match text {
                Some(text) => { p { (text) " " a href={(ROOT) "/holdout"} { "The holdout" } } }
                None => { p class="soft" { "Nobody is held out, so what they brought together is not measured: " code { "holdout.percent" } " in the document keeps some visitors out of all experiments." } }
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
                cell(&one.units.map_or_else(|| "–".to_owned(), count)),
                html! { @if let Some((effect, _)) = one.effect { (lift(effect)) " " span class="soft" { (one.metric) } } @else { "–" } },
                why(one),
            ]
        })
        .collect();
    html! {
        @if !rows.is_empty() {
            section {
                h2 { "Decisions" }
                (table("Decisions", &["Experiment", "Decision", "When", "#Ran", "#Sample", "Lift", "Why"], &rows))
            }
        }
    }
}

/// Why it was decided so, and what was known then.
fn why(one: &Decided) -> Markup {
    html! { (one.why) @if !one.summary.is_empty() { div class="soft" { (one.summary) } } }
}

fn not_counted(all: &[Decided]) -> Markup {
    let rows: Vec<Vec<Markup>> = all
        .iter()
        .filter(|one| !one.counts())
        .map(|one| {
            let reason = one.invalid.as_ref().map_or_else(|| "aborted".to_owned(), |gate| format!("invalid: {gate}"));
            vec![
                html! { a href={(ROOT) "/" (one.id)} { (one.title()) } },
                cell(&reason),
                cell(&date::long(&one.at)),
                why(one),
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
fn calendar(document: &Document, all: &[Decided], courses: &[Course], now: Timestamp) -> Markup {
    let today = now.millis().div_euclid(date::DAY_MS);
    let day = |time: Option<Timestamp>| time.map(|at| at.millis().div_euclid(date::DAY_MS));
    let course = |id: &str| courses.iter().find(|one| one.id == id);
    let mut bars: Vec<(String, String, i64, i64)> = Vec::new();
    for e in document.experiments.iter().filter(|e| e.status != Status::Draft && e.kind == Kind::Experiment) {
        let decided = all.iter().find(|one| one.id == e.id.as_str());
        let met = course(e.id.as_str());
        let from = met.map(|one| one.first).or_else(|| decided.and_then(|one| one.from)).or_else(|| day(e.starts_at));
        let is_on = e.status == Status::Running && decided.is_none();
        let planned = day(e.ends_at).map_or(today, |end| end.min(today));
        let until = match (decided.and_then(|one| one.until), met) {
            (Some(until), _) => until,
            (None, _) if is_on => planned,
            (None, Some(met)) => met.last,
            (None, None) => planned,
        };
        // why: what starts later has not run
        if let Some(from) = from.filter(|from| *from <= today) {
            let mut place: Vec<String> = e.pages.iter().take(3).map(page_text).collect();
            if e.pages.len() > 3 {
                place.push(format!("{} more", e.pages.len() - 3));
            }
            place.extend(e.layer.iter().map(|layer| format!("layer {layer}")));
            let name = if e.name.is_empty() { e.id.to_string() } else { e.name.clone() };
            bars.push((name, place.join(", "), from, until.max(from)));
        }
    }
    let is_gone = |id: &str| document.experiments.iter().all(|e| e.id.as_str() != id);
    for one in all.iter().filter(|one| is_gone(&one.id)) {
        if let Some((from, until)) = one.from.zip(one.until) {
            bars.push((one.title().to_owned(), String::new(), from, until.max(from)));
        }
    }
    for one in courses.iter().filter(|one| is_gone(&one.id) && all.iter().all(|decided| decided.id != one.id)) {
        bars.push((one.id.clone(), String::new(), one.first, one.last));
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
                cell(if place.is_empty() { "every page, or not known any more" } else { place }),
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
