//! `sortition events compact`.

use super::CompactArguments;
use crate::cli::kv::ScratchFolder;
use crate::cli::readout::{ARCHIVE, run_script};
use crate::cli::store::Store;
use crate::cli::terminal::good;
use crate::cli::{Failure, Report, clock, count};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

/// A line of the script's.
#[derive(Deserialize)]
struct Line {
    day: Option<String>,
    #[serde(default)]
    objects: u64,
    #[serde(default)]
    rows: u64,
    #[serde(default)]
    duplicates: u64,
    #[serde(default)]
    parts: Vec<String>,
    #[serde(default)]
    gone: Vec<String>,
    #[serde(default)]
    incomplete: Vec<String>,
    failed: Option<String>,
}

pub(super) fn run(arguments: &CompactArguments) -> Result<Report, Failure> {
    let today = clock::now().to_string();
    let until = arguments.until.clone().unwrap_or_else(|| today.get(..10).unwrap_or_default().to_owned());
    if format!("{until}T00:00:00.000Z").parse::<crate::document::Timestamp>().is_err() {
        return Err(Failure::Usage(format!("--until {until}: write a day as 2026-11-21")));
    }
    let lines = match &arguments.folder {
        Some(folder) => compact(folder, &until, arguments.remove)?,
        None => in_bucket(arguments, &until)?,
    };
    let (mut text, mut days, mut incomplete) = (String::new(), Vec::new(), Vec::new());
    for line in lines {
        incomplete.extend(line.incomplete);
        let Some(day) = line.day else { continue };
        let _ = writeln!(
            text,
            "{} {day}: {} of {}, {} dropped",
            good("compacted"),
            count(usize::try_from(line.rows).unwrap_or(usize::MAX), "row"),
            count(usize::try_from(line.objects).unwrap_or(usize::MAX), "object"),
            count(usize::try_from(line.duplicates).unwrap_or(usize::MAX), "duplicate"),
        );
        days.push(json!({"day": day, "objects": line.objects, "rows": line.rows, "duplicates": line.duplicates, "parts": line.parts}));
    }
    if days.is_empty() {
        text.push_str("nothing to compact\n");
    }
    if !incomplete.is_empty() {
        let why = format!("{} Such days stay as they lie: mend or remove these objects.", incomplete.join(" "));
        return Err(Failure::refused("archive", why));
    }
    Ok(Report { text, json: json!({"ok": true, "days": days}), problems: Vec::new() })
}

fn compact(folder: &Path, until: &str, remove: bool) -> Result<Vec<Line>, Failure> {
    let question = json!({"op": "compact", "folder": folder, "until": until, "remove": remove});
    let mut lines = Vec::new();
    run_script("DuckDB", ARCHIVE, &question, |line: Line| match line.failed {
        Some(why) => Err(why),
        None => {
            lines.push(line);
            Ok(())
        }
    })?;
    Ok(lines)
}

/// A day of the bucket after the other, through a folder of this machine.
fn in_bucket(arguments: &CompactArguments, until: &str) -> Result<Vec<Line>, Failure> {
    let mut store = Store::open(&arguments.place)?;
    let mut keys = store.list("events/")?;
    keys.extend(store.list("messages/")?);
    let day = |key: &str| key.split_once("dt=").and_then(|(_, rest)| rest.get(..10)).map(str::to_owned);
    let mut days: Vec<String> = keys.iter().filter_map(|key| day(key)).filter(|day| day.as_str() < until).collect();
    days.sort();
    days.dedup();
    let scratch = ScratchFolder::new()?;
    let manifest = "tables/manifest.json".to_owned();
    store.fetch(std::slice::from_ref(&manifest), &scratch.0)?;
    let mut all = Vec::new();
    for day_of in days {
        let (compacted, parts) = held(&scratch.0, &day_of);
        let is_open = |key: &&String| day(key).as_deref() == Some(day_of.as_str()) && !compacted.contains(*key);
        let open: Vec<String> = keys.iter().filter(is_open).cloned().collect();
        if open.is_empty() {
            continue;
        }
        store.fetch(&[open.clone(), parts].concat(), &scratch.0)?;
        for line in compact(&scratch.0, until, arguments.remove)? {
            // why: the manifest after the files that it names, and what nobody reads any more behind it
            store.send(&line.parts, &scratch.0)?;
            if line.day.is_some() {
                store.send(std::slice::from_ref(&manifest), &scratch.0)?;
            }
            for gone in line.gone.chunks(1000) {
                store.delete(gone)?;
            }
            all.push(line);
        }
        for key in open {
            let _ = std::fs::remove_file(scratch.0.join(key));
        }
    }
    Ok(all)
}

/// The objects of a day that the manifest says are compacted, and the files that they are in.
fn held(folder: &Path, day: &str) -> (HashSet<String>, Vec<String>) {
    #[derive(Default, Deserialize)]
    struct Day {
        objects: HashSet<String>,
        parts: Vec<String>,
    }
    let text = std::fs::read_to_string(folder.join("tables/manifest.json")).unwrap_or_default();
    let mut manifest: Value = serde_json::from_str(&text).unwrap_or_default();
    let day = manifest.get_mut("days").and_then(|days| days.get_mut(day)).map(Value::take);
    let Day { objects, parts } = day.and_then(|day| serde_json::from_value(day).ok()).unwrap_or_default();
    (objects, parts)
}
