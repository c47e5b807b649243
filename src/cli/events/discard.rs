//! `sortition events drop`.

use super::DropArguments;
use crate::cli::kv::Kv;
use crate::cli::store::Store;
use crate::cli::terminal::{good, strong};
use crate::cli::{Failure, Report, count, input};
use crate::document::Status;
use crate::ledger::upkeep;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write as _};

pub(super) fn run(arguments: &DropArguments) -> Result<Report, Failure> {
    let (experiment, iteration) = (&arguments.experiment, arguments.iteration);
    refuse_live(arguments)?;
    let mut store = Store::open(&arguments.place)?;
    let projects = store.rows(upkeep::PROJECTS_OF, &json!([experiment, iteration, arguments.project]))?;
    let projects: BTreeSet<&str> = projects.iter().filter_map(|row| row.get("project")?.as_str()).collect();
    let project = match projects.into_iter().collect::<Vec<_>>().as_slice() {
        [] => {
            let nothing = format!("the record holds nothing of iteration {iteration} of `{experiment}`");
            return Err(Failure::refused("experiment", nothing));
        }
        [one] => (*one).to_owned(),
        several => {
            let which = format!("it belongs to {}: choose one with --project", several.join(", "));
            return Err(Failure::refused("experiment", which));
        }
    };
    let of = json!([project, experiment, iteration]);
    // why: what is moved afterwards would be back
    let until = "try again when the readout says Record complete";
    if some(&store.rows(upkeep::IS_MOVING, &of)?) {
        let why = format!("its exposures are still being moved into the small record: {until}");
        return Err(Failure::refused("iteration", why));
    }
    if some(&store.rows(upkeep::IS_DIVIDING, &json!([]))?) {
        let why = format!("rows are still being carried from one database to another: {until}");
        return Err(Failure::refused("iteration", why));
    }
    let rows = export(&mut store, arguments, &of)?;
    for number in 0..store.databases()? {
        let drop = upkeep::DROP.map(|sql| (sql, of.clone()));
        while store.run_in(number, &drop)?.iter().any(|outcome| outcome.changes > 0) {}
    }
    let file = arguments.export.display().to_string();
    Ok(Report {
        text: format!(
            "{} iteration {iteration} of {}: {} in {file}\n",
            good("dropped"),
            strong(experiment),
            count(rows, "row")
        ),
        json: json!({"ok": true, "project": project, "experiment": experiment, "iteration": iteration, "rows": rows, "file": file}),
        problems: Vec::new(),
    })
}

/// Whether a database counts any.
fn some(rows: &[Value]) -> bool {
    rows.iter().any(|row| row.get("n").and_then(Value::as_i64) != Some(0))
}

/// An iteration that still collects must not lose what it has.
fn refuse_live(arguments: &DropArguments) -> Result<(), Failure> {
    let Some(text) = Kv(&arguments.place).get("config")? else { return Ok(()) };
    let Ok((document, _)) = input::sound(&text) else { return Ok(()) };
    let is_live = document.experiments.iter().any(|e| {
        e.id.as_str() == arguments.experiment
            && e.iteration == arguments.iteration
            && matches!(e.status, Status::Running | Status::Paused)
    });
    if !is_live {
        return Ok(());
    }
    let why = format!("iteration {} is live: complete it, or raise it, and push first", arguments.iteration);
    Err(Failure::refused("iteration", why))
}

/// Writes every row into the file; returns how many.
fn export(store: &mut Store, arguments: &DropArguments, of: &Value) -> Result<usize, Failure> {
    let path = &arguments.export;
    let failed = |error: std::io::Error| Failure::Outside(format!("{} cannot be written: {error}", path.display()));
    // why: an older export must not be lost
    let mut file = BufWriter::new(File::create_new(path).map_err(failed)?);
    let mut written = 0;
    let databases = store.databases()?;
    for (number, (table, sql)) in (0..databases).flat_map(|number| upkeep::EXPORT.map(|one| (number, one))) {
        let mut after = String::new();
        loop {
            let mut parameters = of.as_array().cloned().unwrap_or_default();
            parameters.push(json!(after));
            let rows = store.rows_in(number, sql, parameters.into())?;
            let Some(last) = rows.last().and_then(|row| row.get("place")).and_then(Value::as_str) else { break };
            after = last.to_owned();
            for mut row in rows {
                if let Some(fields) = row.as_object_mut() {
                    fields.remove("place");
                    fields.insert("table".to_owned(), json!(table));
                }
                writeln!(file, "{row}").map_err(failed)?;
                written += 1;
            }
        }
    }
    file.flush().and_then(|()| file.get_ref().sync_all()).map_err(failed)?;
    Ok(written)
}
