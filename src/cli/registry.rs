//! `sortition list` and `sortition new`: who owns what, what is overdue, and a good start.

use super::terminal::{bad, faint, strong};
use super::{Failure, Report, clock, edit, input, line};
use crate::document::{Document, Experiment, Id, Problem, Risk, Status, Timestamp};
use clap::Args;
use serde_json::{Value, json};

const DAY: i64 = 86_400_000;

/// List the experiments of a document, and what is overdue.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sortition list experiments.json
  sortition list experiments.json --json | jq '.experiments[] | select(.overdue != null)'")]
pub(super) struct ListArguments {
    /// The document; `-` reads standard input.
    file: String,
}

/// Write a well-formed experiment to start from.
#[derive(Debug, Args)]
#[command(after_help = "It is a draft that ends in four weeks; nobody sees it until its status is `running`.

Examples:
  sortition new hero                          to standard output
  sortition new hero --owner storefront --page '/p/*' --into experiments.json")]
pub(super) struct NewArguments {
    /// The new experiment's id.
    id: String,
    /// Who answers for it.
    #[arg(long, default_value = "")]
    owner: String,
    /// The page that it is on.
    #[arg(long, default_value = "/")]
    page: String,
    /// Add it to this document, which is made where it does not exist.
    #[arg(long, value_name = "FILE")]
    into: Option<String>,
    /// The project of a document that is made.
    #[arg(long, default_value = "shop")]
    project: String,
}

pub(super) fn list(arguments: &ListArguments) -> Result<Report, Failure> {
    let (document, _) = input::sound(&input::read(&arguments.file)?)?;
    let now = clock::now();
    let mut text = String::new();
    for e in &document.experiments {
        text.push_str(&told(e, now));
    }
    if text.is_empty() {
        text.push_str("no experiments: sortition new hero --into FILE\n");
    }
    let late = |(place, e): (usize, &Experiment)| {
        Some(Problem::warning(format!("experiments[{place}].cleanup_by"), format!("{}: {}", e.id, uncleaned(e, now)?)))
    };
    let problems = document.experiments.iter().enumerate().filter_map(late).collect();
    Ok(Report { text, json: json!({"experiments": rows(&document, now)}), problems })
}

fn told(e: &Experiment, now: Timestamp) -> String {
    let status = word(&e.status);
    let name = if e.name.is_empty() { String::new() } else { format!("  {}", e.name) };
    let mut text = format!("{}  {status}, traffic {} %{name}\n", strong(&e.id), f64::from(e.traffic));
    let mut field = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("    {} {value}\n", faint(format!("{name:<10}"))));
        }
    };
    field("owner", &e.owner);
    let owners: Vec<String> = e.owners.iter().map(|(role, name)| format!("{role} {name}")).collect();
    field("owners", &owners.join(", "));
    let date = |time: Option<Timestamp>| time.map_or_else(|| "open".to_owned(), day);
    field("dates", &format!("{} to {}", date(e.starts_at), date(e.ends_at)));
    if e.risk != Risk::Low {
        let by: Vec<&str> = e.approvals.iter().map(|approval| approval.by()).collect();
        let by = if by.is_empty() { "nobody".to_owned() } else { by.join(", ") };
        field("risk", &format!("{}, approved by {by}", word(&e.risk)));
    }
    field("services", &e.services.join(", "));
    field("data", &e.data.join(", "));
    field("harms", &e.blast_radius);
    if let Some(metrics) = &e.metrics {
        field("primary", metrics.primary.as_ref().map_or("", Id::as_str));
        field("guardrails", &metrics.guardrails.iter().map(|g| g.metric.as_str()).collect::<Vec<_>>().join(", "));
    }
    if let Some(rollback) = &e.rollback {
        field("rollback", &[rollback.owner.as_str(), rollback.when.as_str()].join(": "));
    }
    field("depends on", &e.depends_on.iter().map(Id::as_str).collect::<Vec<_>>().join(", "));
    if let Some(time) = e.cleanup_by {
        field("clean up", &format!("by {}", day(time)));
    }
    if let Some(overdue) = overdue(e, now) {
        field("overdue", &bad(overdue));
    }
    text
}

fn day(time: Timestamp) -> String {
    time.to_string().chars().take(10).collect()
}

/// That its code should have left the pages by now.
fn uncleaned(e: &Experiment, now: Timestamp) -> Option<String> {
    let by = e.cleanup_by.filter(|by| *by <= now)?;
    Some(format!("it was to be cleaned up by {}: take its code out of the pages, and it out of the document", day(by)))
}

/// What somebody should have done by now.
fn overdue(e: &Experiment, now: Timestamp) -> Option<String> {
    uncleaned(e, now).or_else(|| unfinished(e, now))
}

fn unfinished(e: &Experiment, now: Timestamp) -> Option<String> {
    let past = e.ends_at.filter(|end| *end <= now).map(|end| (now.millis() - end.millis()) / DAY);
    match (e.status, past) {
        (Status::Running, Some(days)) if e.winner.is_none() => {
            Some(format!("it ended {days} days ago: review it, then declare a `winner` or set it `completed`"))
        }
        (Status::Completed, _) => {
            Some("it is completed: remove it from the document and its code from the pages".to_owned())
        }
        (_, Some(days)) if e.winner.is_some() => Some(format!(
            "its winner is served by the edge {days} days after its end: build it into the pages, then remove it"
        )),
        (Status::Paused, Some(days)) => Some(format!("it is paused and ended {days} days ago: remove it")),
        _ => None,
    }
}

fn rows(document: &Document, now: Timestamp) -> Vec<Value> {
    let row = |e: &Experiment| {
        let metrics = e.metrics.as_ref();
        json!({
            "experiment": e.id,
            "name": e.name,
            "owner": e.owner,
            "status": e.status,
            "kind": e.kind,
            "risk": e.risk,
            "starts_at": e.starts_at,
            "ends_at": e.ends_at,
            "traffic": e.traffic,
            "winner": e.winner,
            "variants": e.variants.iter().map(|variant| variant.id.as_str()).collect::<Vec<_>>(),
            "primary": metrics.and_then(|metrics| metrics.primary.as_ref()),
            "guardrails": metrics.map(|m| m.guardrails.iter().map(|g| g.metric.as_str()).collect::<Vec<_>>()).unwrap_or_default(),
            "rollback": e.rollback.as_ref().map(|rollback| json!({"owner": rollback.owner, "when": rollback.when})),
            "depends_on": e.depends_on,
            "owners": e.owners,
            "approvals": e.approvals.iter().map(|approval| approval.by()).collect::<Vec<_>>(),
            "services": e.services,
            "data": e.data,
            "blast_radius": e.blast_radius,
            "cleanup_by": e.cleanup_by,
            "overdue": overdue(e, now),
        })
    };
    document.experiments.iter().map(row).collect()
}

fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

pub(super) fn new(arguments: &NewArguments) -> Result<Report, Failure> {
    let id = Id::new(&arguments.id).ok_or_else(|| {
        Failure::Usage(format!("`{}` is no id: use lower-case letters, digits, `-` and `_`", arguments.id))
    })?;
    let ends_at = Timestamp::from_millis((clock::now().millis() / DAY + 29) * DAY);
    let experiment = json!({
        "id": id,
        "name": "",
        "hypothesis": crate::document::HYPOTHESIS_TEMPLATE,
        "owner": arguments.owner,
        "risk": "low",
        "status": "draft",
        "ends_at": ends_at,
        "traffic": 5,
        "pages": [arguments.page],
        "metrics": {"primary": "purchase", "guardrails": []},
        "analysis": {"method": "sequential", "confidence": 0.95, "power": 0.8, "mde": 0.02},
        "rollback": {"owner": arguments.owner, "when": "A guardrail fails."},
        "variants": [
            {"id": "control", "weight": 50},
            {"id": "treatment", "weight": 50, "rewrite": [{"select": "#headline", "do": "set_text", "value": "…"}]},
        ],
    });
    let Some(file) = &arguments.into else {
        return Ok(Report { text: line(&experiment), json: experiment, problems: Vec::new() });
    };
    let text = match std::fs::exists(file) {
        Ok(true) => input::read(file)?,
        _ => line(&json!({
            "version": 1,
            "project": arguments.project,
            "metrics": {"purchase": {"event": "purchase", "kind": "proportion"}},
            "experiments": [],
        })),
    };
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        return Err(Failure::refused("", format!("`{file}` is no JSON: {error}")));
    }
    let text = edit::push(&text, "experiments", &experiment).ok_or_else(|| {
        Failure::refused(
            "experiments",
            format!("`{file}` has no list of experiments: write \"experiments\": [] into it"),
        )
    })?;
    let (_, problems) = input::sound(&text)?;
    std::fs::write(file, &text).map_err(|error| Failure::Outside(format!("`{file}` cannot be written: {error}")))?;
    super::complain_in(&text, &problems);
    Ok(Report { text: format!("added `{id}` to {file}, as a draft\n"), json: experiment, problems: Vec::new() })
}
