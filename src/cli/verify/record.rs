//! Whether the record heard of the visits: exposures with the right ids, and the events of the metrics.

use super::people::People;
use super::{Arguments, Checklist};
use crate::cli::Failure;
use crate::cli::clock::{self, Stopwatch};
use crate::cli::store::Store;
use crate::cli::terminal::Status;
use crate::document::{Document, Experiment, Kind, Timestamp};
use crate::ledger::upkeep;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const OF_VISITORS: &str = "SELECT id, anonymous_id AS visitor, conversion_event AS name FROM conversions \
WHERE project = ?1 AND anonymous_id IN (SELECT value FROM json_each(?2))";

const OF_THE_DAY: &str = "SELECT conversion_event AS name, count(*) AS n FROM conversions \
WHERE project = ?1 AND converted_at >= ?2 GROUP BY conversion_event";

const DAY: i64 = 86_400_000;
const PAUSE: Duration = Duration::from_secs(1);

pub(super) fn ask(
    arguments: &Arguments,
    document: &Document,
    e: &Experiment,
    people: &People,
    has_steps: bool,
    list: &mut Checklist,
) -> Result<(), Failure> {
    if people.of.is_empty() {
        return Ok(());
    }
    let mut store = Store::open(&arguments.kv)?;
    let _status = Status::show("waiting for the record");
    let visitors: Vec<&str> = people.of.values().map(|person| person.visitor.as_str()).collect();
    let of_experiment = json!([document.project, e.id, e.iteration, json!(visitors).to_string()]);
    let of_visitors = json!([document.project, json!(visitors).to_string()]);
    let events = events(document, e);
    let watch = Stopwatch::start();
    let exposures_of = upkeep::exposures_of_visitors();
    let (mut exposures, mut outcomes);
    loop {
        exposures = store.rows(&exposures_of, &of_experiment)?;
        // why: rows that are carried to another database are in both for a moment
        exposures.sort_by_key(ToString::to_string);
        exposures.dedup();
        outcomes = store.rows(OF_VISITORS, &of_visitors)?;
        outcomes.sort_by_key(ToString::to_string);
        outcomes.dedup();
        let is_exposed = e.kind != Kind::Experiment || exposures.len() >= people.of.len();
        let seen: BTreeSet<&str> = outcomes.iter().map(|row| text(row, "name")).collect();
        let has_events = !has_steps || events.iter().all(|event| seen.contains(event.as_str()));
        if (is_exposed && has_events) || watch.elapsed() > Duration::from_secs(arguments.patience) {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    for (variant, person) in people.of.iter().filter(|_| e.kind == Kind::Experiment) {
        let theirs: Vec<&Value> = exposures.iter().filter(|row| text(row, "visitor") == person.visitor).collect();
        let found = match theirs.as_slice() {
            [] => Err(format!(
                "no exposure arrived within {} s: is the queue bound, is `expose` what the page does?",
                arguments.patience
            )),
            [one] if text(one, "variant") != variant => {
                Err(format!("{} is recorded as {}", person.visitor, text(one, "variant")))
            }
            [one] => match &person.user {
                Some(user) if text(one, "user") != user => {
                    Err(format!("the exposure names the user {:?}, not {user}", text(one, "user")))
                }
                _ => Ok(format!("recorded of {}", person.visitor)),
            },
            _ => Err(format!("{} is recorded in several variants", person.visitor)),
        };
        list.demand("exposure", Some(variant), found);
    }
    let since = Timestamp::from_millis(clock::now().millis() - DAY).to_string();
    let of_the_day = store.rows(OF_THE_DAY, &json!([document.project, since]))?;
    for event in events {
        let by_steps = outcomes.iter().filter(|row| text(row, "name") == event).count();
        // why: a row a database
        let today = of_the_day.iter().filter(|row| text(row, "name") == event);
        let today: u64 = today.filter_map(|row| row.get("n")?.as_u64()).sum();
        list.demand(
            "event",
            None,
            match (has_steps, by_steps, today) {
                (true, 0, _) => Err(format!("the steps made no `{event}` of these visitors")),
                (true, number, _) => Ok(format!("`{event}` came {number} times from the steps")),
                (false, _, 0) => {
                    Err(format!("no `{event}` came within a day: report it, or name what visitors do with --steps"))
                }
                (false, _, number) => Ok(format!("`{event}` came {number} times within a day")),
            },
        );
    }
    Ok(())
}

/// The events that the experiment's metrics are made of.
fn events(document: &Document, e: &Experiment) -> BTreeSet<String> {
    let Some(metrics) = &e.metrics else { return BTreeSet::new() };
    let guardrails = metrics.guardrails.iter().map(|guardrail| &guardrail.metric);
    let ids = metrics.primary.iter().chain(&metrics.secondary).chain(guardrails);
    ids.filter_map(|id| document.metrics.get(id))
        .flat_map(|metric| [Some(metric.event.clone()), metric.per.clone()])
        .flatten()
        .collect()
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row.get(field).and_then(Value::as_str).unwrap_or_default()
}
