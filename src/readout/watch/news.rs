//! What people want to be told of an experiment, each once.

use super::Acts;
use crate::document::{Document, Experiment, Metric, News, NewsFormat, Timestamp};
use crate::readout::Known;
use crate::readout::gate_level::GateLevel;
use crate::readout::types::{Phase, Results, State};
use serde_json::json;

const HOUR_MS: i64 = 3_600_000;
/// How long after the start an event that never came is missed.
const UNSEEN_MS: i64 = 24 * HOUR_MS;

/// One piece of news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its name, by which it is told once.
    pub name: String,
    /// Its kind.
    pub news: News,
    /// The sentence.
    pub text: String,
}

impl Told {
    pub(super) fn new(experiment: &Experiment, news: News, detail: &str, text: String) -> Self {
        let name = format!("{}/{}/told/{}/{detail}", experiment.id, experiment.iteration, word(news));
        Self { name, news, text }
    }
}

fn word(news: News) -> String {
    serde_json::to_value(news).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Adds what the results have to tell.
pub(super) fn collect(
    document: &Document,
    experiment: &Experiment,
    results: &Results,
    known: &Known,
    now: Timestamp,
    acts: &mut Acts,
) {
    let mut say = |news: News, detail: &str, text: String| acts.told.push(Told::new(experiment, news, detail, text));
    // why: too few units are no fault, and a question that failed is the record's
    for gate in results.gates.iter().filter(|gate| gate.level == GateLevel::Red && gate.name != "record") {
        say(News::Gate, gate.name, format!("The check “{}” is red: {}", gate.title, gate.text));
    }
    for metric in &results.metrics {
        for broken in metric.comparisons.iter().filter(|one| one.guardrail == Some("harm")) {
            let detail = format!("{}/{}", metric.id, broken.variant);
            let lift =
                broken.lift.map_or_else(String::new, |lift| format!(" ({})", crate::readout::number::lift(lift)));
            say(
                News::Guardrail,
                &detail,
                format!("The guardrail {} is broken in {}{lift}.", metric.id, broken.variant),
            );
        }
    }
    if let (State::Winner, Some(variant)) = (results.verdict.state, &results.verdict.variant) {
        say(News::Winner, variant, results.verdict.text.clone());
    }
    if results.progress.is_some_and(|progress| results.units.unsigned_abs() >= progress.needed) {
        say(News::Size, "", format!("The planned size is reached: {}", results.verdict.text));
    }
    if results.phase == Phase::ReadyForReview {
        say(News::End, "", format!("The planned end is reached: {}", results.verdict.text));
    }
    let age = super::began(experiment, known).map(|start| now.millis() - start.millis());
    let runs = results.phase == Phase::Running;
    if runs && results.units == 0 && age.is_some_and(|age| age >= HOUR_MS) {
        say(
            News::Silent,
            "",
            "Nobody has met it in the hour since its start: look at its pages and audience.".to_owned(),
        );
    }
    let first = results.days.first().and_then(|day| crate::readout::date::number(&day.day));
    let since = first.map(|day| now.millis() - day * crate::readout::date::DAY_MS);
    if runs && since.is_some_and(|since| since >= UNSEEN_MS) {
        for shown in &results.metrics {
            let metric: Option<&Metric> =
                document.metrics.iter().find(|(id, _)| id.as_str() == shown.id).map(|(_, m)| m);
            let waits = shown.waiting > 0;
            if let Some(metric) = metric.filter(|_| !waits && shown.variants.iter().all(|arm| arm.converted == 0)) {
                let text = format!("The event {} of the metric {} was never seen.", metric.event, shown.id);
                say(News::Unseen, metric.event.as_str(), text);
            }
        }
    }
}

/// The body of a notice. `url` is where the readout is.
#[must_use]
pub fn body(told: &Told, format: NewsFormat, document: &Document, experiment: &Experiment, at: &str) -> String {
    let name = if experiment.name.is_empty() { experiment.id.as_str() } else { experiment.name.as_str() };
    match format {
        NewsFormat::Slack => {
            // why: Slack reads `<`, `>` and `&` as its own marks
            let safe = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            json!({"text": format!("*{}* ({}): {}", safe(name), experiment.id, safe(&told.text))}).to_string()
        }
        NewsFormat::Json => json!({
            "type": "experiment_news",
            "news": word(told.news),
            "project": document.project,
            "experiment_id": experiment.id,
            "iteration": experiment.iteration,
            "at": at,
            "text": told.text,
        })
        .to_string(),
    }
}
