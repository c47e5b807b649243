//! `sortition events compact`.

use super::CompactArguments;
use crate::cli::kv::ScratchFolder;
use crate::cli::readout::{ARCHIVE, run_script};
use crate::cli::store::Store;
use crate::cli::terminal::good;
use crate::cli::{Failure, Report, clock, count};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;

/// The version of the tables, as archive.mjs writes it.
const SCHEMA: u64 = 1;

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
    let (lines, left) = match &arguments.folder {
        Some(folder) => {
            let lines = compact(folder, &until, arguments.remove)?;
            (lines, if arguments.remove { remove_from(folder)? } else { 0 })
        }
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
    if left > 0 {
        let _ = writeln!(text, "{} {} of days that were compacted before", good("removed"), count(left, "object"));
    } else if days.is_empty() {
        text.push_str("nothing to compact\n");
    }
    if !incomplete.is_empty() {
        let why = format!("{} Such days stay as they lie: mend or remove these objects.", incomplete.join(" "));
        return Err(Failure::refused("archive", why));
    }
    Ok(Report { text, json: json!({"ok": true, "days": days, "removed": left}), problems: Vec::new() })
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

/// Removes the objects of a folder that an earlier run compacted and left; returns how many.
fn remove_from(folder: &Path) -> Result<usize, Failure> {
    let mut gone = 0;
    for object in all_held(folder) {
        let path = folder.join(&object);
        // why: what names them was written by a program, but may have been changed by hand
        if !(object.starts_with("events/") || object.starts_with("messages/")) || object.contains("..") {
            continue;
        }
        match std::fs::remove_file(&path) {
            Ok(()) => gone += 1,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::Outside(format!("{} cannot be removed: {error}", path.display()))),
        }
    }
    Ok(gone)
}

/// A day of the bucket after the other, through a folder of this machine; and how many objects of earlier runs were removed.
fn in_bucket(arguments: &CompactArguments, until: &str) -> Result<(Vec<Line>, usize), Failure> {
    let mut store = Store::open(&arguments.place)?;
    let mut keys = store.list("events/")?;
    keys.extend(store.list("messages/")?);
    let day = |key: &str| key.split_once("dt=").and_then(|(_, rest)| rest.get(..10)).map(str::to_owned);
    let mut days: Vec<String> = keys.iter().filter_map(|key| day(key)).filter(|day| day.as_str() < until).collect();
    days.sort();
    days.dedup();
    let scratch = ScratchFolder::new()?;
    let manifest = "tables/manifest.json".to_owned();
    // why: before it is read, so that whatever is written in between is noticed
    let mut etag = store.etag(&manifest)?;
    store.fetch(std::slice::from_ref(&manifest), &scratch.0)?;
    let mut left = Vec::new();
    if arguments.remove {
        let held = all_held(&scratch.0);
        left.extend(keys.iter().filter(|key| held.contains(*key)).cloned());
        for keys in left.chunks(1000) {
            store.delete(keys)?;
        }
    }
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
                etag = store.swap(&manifest, &scratch.0, etag.as_deref())?;
                if etag.is_none() {
                    store.delete(&line.parts)?;
                    let why = "another run wrote it meanwhile; nothing of this day was removed: run it again";
                    return Err(Failure::refused(manifest, why.to_owned()));
                }
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
    Ok((all, left.len()))
}

/// A day of the manifest.
#[derive(Default, Deserialize)]
struct Day {
    objects: HashSet<String>,
    parts: Vec<String>,
}

/// All objects that the manifest of a folder says are compacted.
fn all_held(folder: &Path) -> HashSet<String> {
    let mut manifest = manifest(folder);
    // why: what another version's manifest means is not known here
    if manifest.get("schema").and_then(Value::as_u64) != Some(SCHEMA) {
        return HashSet::new();
    }
    let days = manifest.get_mut("days").map(Value::take).unwrap_or_default();
    let days: BTreeMap<String, Day> = serde_json::from_value(days).unwrap_or_default();
    days.into_values().flat_map(|day| day.objects).collect()
}

fn manifest(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("tables/manifest.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// The objects of a day that the manifest says are compacted, and the files that they are in.
fn held(folder: &Path, day: &str) -> (HashSet<String>, Vec<String>) {
    let mut manifest = manifest(folder);
    let day = manifest.get_mut("days").and_then(|days| days.get_mut(day)).map(Value::take);
    let Day { objects, parts } = day.and_then(|day| serde_json::from_value(day).ok()).unwrap_or_default();
    (objects, parts)
}
