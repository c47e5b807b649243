//! One line for every flag, and the document written where all of it came, or what did was asked for.

use super::Arguments;
use super::settle::Outcome;
use super::target::Target;
use crate::cli::terminal::{bad, good, strong};
use crate::cli::{Failure, Report, count, input};
use crate::document::Problem;
use serde_json::{Value, json};

/// Writes the document, and says what came of each flag.
pub(super) fn finish(arguments: &Arguments, document: &Target, outcomes: Vec<Outcome>) -> Result<Report, Failure> {
    let mut report = Report::default();
    let (mut exact, mut needs, mut refused) = (0, 0, 0);
    let mut flags = Vec::new();
    for outcome in &outcomes {
        let key = strong(&outcome.key);
        let (result, path, reason, todo) = match &outcome.refusal {
            None => ("exact", outcome.path.as_str(), "", outcome.note.as_str()),
            Some(refusal) if refusal.asks => {
                ("needs", refusal.path.as_str(), refusal.reason.as_str(), refusal.todo.as_str())
            }
            Some(refusal) => ("refused", refusal.path.as_str(), refusal.reason.as_str(), refusal.todo.as_str()),
        };
        let path = if path.is_empty() { outcome.path.as_str() } else { path };
        match result {
            "exact" => {
                exact += 1;
                let ids: Vec<&str> = outcome.experiments.iter().map(|e| e.id.as_str()).collect();
                let note = if todo.is_empty() { String::new() } else { format!(" ({todo})") };
                report.text.push_str(&format!("{} {key} → {}{note}\n", good("exact"), ids.join(", ")));
            }
            "needs" => {
                needs += 1;
                report.text.push_str(&format!("{} {key} {path}: {reason}: {todo}\n", strong("needs you")));
            }
            _ => {
                refused += 1;
                report.text.push_str(&format!("{} {key} {path}: {reason}: {todo}\n", bad("refused")));
            }
        }
        flags.push(json!({"key": outcome.key, "result": result, "path": path, "reason": reason, "todo": todo}));
    }
    let experiments: Vec<Value> = outcomes
        .into_iter()
        .filter(|outcome| outcome.refusal.is_none())
        .flat_map(|outcome| outcome.experiments)
        .map(|experiment| Value::Object(experiment.value))
        .collect();
    let blocked = needs + refused > 0 && !arguments.partial;
    let text = document.with(&experiments);
    if text.len() > crate::document::MAX_BYTES {
        return Err(Failure::Usage(format!(
            "the document would have {} bytes, of {} at most: import fewer flags with --only",
            text.len(),
            crate::document::MAX_BYTES
        )));
    }
    if !blocked {
        // why: what is written is what the worker would take, or nothing is
        input::sound(&text)?;
        std::fs::write(&arguments.into, &text)
            .map_err(|error| Failure::Outside(format!("`{}` cannot be written: {error}", arguments.into)))?;
    }
    let wrote = if blocked {
        "nothing was written".to_owned()
    } else {
        format!("{} in {}", count(experiments.len(), "experiment"), arguments.into)
    };
    report.text.push_str(&format!("{exact} exact, {needs} need you, {refused} refused: {wrote}\n"));
    report.json = json!({
        "ok": !blocked, "vendor": arguments.vendor.word(), "flags": flags,
        "exact": exact, "needs": needs, "refused": refused, "written": !blocked,
    });
    if blocked {
        report.problems.push(Problem::error(
            "import",
            format!("{} cannot come over, so nothing was written: see above, leave them out with --only, or take the rest with --partial", count(needs + refused, "flag")),
        ));
    }
    Ok(report)
}
