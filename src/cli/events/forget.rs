//! `sortition events forget`.

use super::ForgetArguments;
use crate::cli::kv::{Kv, ScratchFolder};
use crate::cli::readout::{ARCHIVE, run_script};
use crate::cli::store::Store;
use crate::cli::terminal::{good, strong};
use crate::cli::{Failure, Report, count};
use crate::ledger::upkeep::{self, Person};
use crate::person::object_name;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How many objects of the archive are read at a time.
const AT_A_TIME: usize = 32;
/// How many of its compacted files, each of a day, lie on this machine at a time.
const FILES_AT_A_TIME: usize = 16;

/// What names the person, and where.
#[derive(Default)]
struct Tally {
    rows: Vec<(&'static str, u64)>,
    objects: usize,
    lines: usize,
}

pub(super) fn run(arguments: &ForgetArguments) -> Result<Report, Failure> {
    let mut store = Store::open(&arguments.place)?;
    let person = person(&mut store, arguments)?;
    let mut tally = Tally::default();
    // why: the record knows which ids and orders are the person's, so it goes last; what is stopped half way can be run
    // again
    for prefix in ["events/", "spill/", "dead/"] {
        clean(&mut store, prefix, &person, arguments.dry_run, &mut tally)?;
    }
    clean_tables(&mut store, &person, arguments.dry_run, &mut tally)?;
    let databases = store.databases()?;
    if databases == 0 {
        let mut report = told(&person, &tally, arguments.dry_run);
        if !arguments.dry_run {
            objects_of_users(arguments, &person, &mut report);
        }
        return Ok(report);
    }
    let parameters = person.parameters();
    for (table, count, deletes) in upkeep::forget() {
        // why: D1 counts what triggers change along with what a statement deletes
        let mut statements = vec![(count.as_str(), parameters.clone())];
        if !arguments.dry_run {
            statements.extend(deletes.iter().map(|delete| (delete.as_str(), parameters.clone())));
        }
        let mut counted = 0;
        for number in 0..databases {
            let outcome = store.run_in(number, &statements)?.into_iter().next().unwrap_or_default();
            counted += outcome.rows.first().and_then(|row| row.get("n")).and_then(Value::as_u64).unwrap_or(0);
        }
        tally.rows.push((table, counted));
    }
    if !arguments.dry_run {
        // why: where somebody lives is forgotten last; with one database nothing is known of that
        for number in 0..databases {
            store.run_in(number, &upkeep::AWAY.map(|sql| (sql, json!([person.homes()]))))?;
        }
    }
    let mut report = told(&person, &tally, arguments.dry_run);
    if !arguments.dry_run {
        objects_of_users(arguments, &person, &mut report);
    }
    Ok(report)
}

/// Has the objects of users emptied. The record is clean either way, and of a worker without these objects nobody needs to
/// hear.
fn objects_of_users(arguments: &ForgetArguments, person: &Person, report: &mut Report) {
    if let Err(failure) = empty_objects(arguments, person) {
        let why = match failure {
            Failure::Usage(why) | Failure::Outside(why) => why,
            _ => "KV refused".to_owned(),
        };
        report.text.push_str(&format!("what users were assigned on their devices is still kept: {why}\n"));
    }
}

/// What the archive says of a person, where there is no record.
#[derive(Default, Deserialize)]
struct Found {
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    ids: BTreeSet<String>,
    #[serde(default)]
    orders: BTreeSet<String>,
    /// What of the archive could not be read, so that nobody can tell whom it names.
    #[serde(default)]
    incomplete: Vec<String>,
    failed: Option<String>,
}

/// Everybody whom the id stands for, by the archive alone.
fn person_of_archive(store: &mut Store, arguments: &ForgetArguments) -> Result<Person, Failure> {
    let scratch = ScratchFolder::new()?;
    for prefix in ["events/", "tables/"] {
        let keys = store.list(prefix)?;
        store.fetch(&keys, &scratch.0)?;
    }
    let question = json!({
        "op": "people", "folder": scratch.0, "unit": arguments.unit, "only": arguments.only, "project": arguments.project,
    });
    let mut found = Found::default();
    run_script("DuckDB", ARCHIVE, &question, |line: Found| match line.failed {
        Some(why) => Err(why),
        None => {
            found = line;
            Ok(())
        }
    })?;
    if !found.incomplete.is_empty() {
        return Err(Failure::refused("archive", found.incomplete.join(" ")));
    }
    several(found.users.iter().map(String::as_str))?;
    Ok(Person { ids: found.ids, orders: found.orders, project: arguments.project.clone(), ..Person::default() })
}

/// Refuses a visitor who was several users: which one is meant?
fn several<'a>(users: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    let users: Vec<&str> = users.collect();
    if users.len() < 2 {
        return Ok(());
    }
    let why = format!("this visitor was identified as {}: name the user who is meant, or add --only", users.join(", "));
    Err(Failure::refused("unit", why))
}

/// A file of tables/ that named the person.
#[derive(Deserialize)]
struct Cleaned {
    path: Option<String>,
    #[serde(default)]
    gone: usize,
    failed: Option<String>,
}

/// Writes the compacted files that name the person anew without those rows, some at a time.
fn clean_tables(store: &mut Store, person: &Person, dry_run: bool, tally: &mut Tally) -> Result<(), Failure> {
    let files: Vec<String> = store
        .list("tables/")?
        .into_iter()
        .filter(|key| key.ends_with(".parquet") && !key.starts_with("tables/messages/"))
        .collect();
    for files in files.chunks(FILES_AT_A_TIME) {
        let scratch = ScratchFolder::new()?;
        store.fetch(files, &scratch.0)?;
        let question = json!({
            "op": "forget", "folder": scratch.0, "files": files, "ids": person.ids, "orders": person.orders,
            "project": person.project, "dry": dry_run,
        });
        let mut changed = Vec::new();
        run_script("DuckDB", ARCHIVE, &question, |line: Cleaned| match line.failed {
            Some(why) => Err(why),
            None => {
                tally.objects += usize::from(line.path.is_some());
                tally.lines += line.gone;
                changed.extend(line.path);
                Ok(())
            }
        })?;
        if !dry_run {
            store.send(&changed, &scratch.0)?;
        }
    }
    Ok(())
}

/// Has the worker empty the objects that keep what users were assigned: its schedule looks for such keys.
fn empty_objects(arguments: &ForgetArguments, person: &Person) -> Result<(), Failure> {
    let kv = Kv(&arguments.place);
    let project = match &arguments.project {
        Some(project) => Some(project.clone()),
        None => kv.get("config")?.and_then(|text| {
            let document: Value = serde_json::from_str(&text).ok()?;
            Some(document.get("project")?.as_str()?.to_owned())
        }),
    };
    let Some(project) = project else { return Ok(()) };
    person.ids.iter().try_for_each(|id| kv.put(&["forget:", &object_name(&project, id)].concat(), "1"))
}

/// Everybody whom the id stands for.
fn person(store: &mut Store, arguments: &ForgetArguments) -> Result<Person, Failure> {
    let (unit, project) = (&arguments.unit, &arguments.project);
    if unit.is_empty() {
        return Err(Failure::Usage("UNIT is empty: name a visitor id or a user id".to_owned()));
    }
    if store.databases()? == 0 {
        return person_of_archive(store, arguments);
    }
    let mut ids = BTreeSet::from([unit.clone()]);
    if !arguments.only {
        let users: BTreeSet<String> = texts(store.rows(upkeep::USERS_OF, &json!([unit, project]))?).collect();
        several(users.iter().map(String::as_str))?;
        ids.extend(users);
        for id in ids.clone() {
            ids.extend(texts(store.rows(upkeep::VISITORS_OF, &json!([id, project]))?));
        }
    }
    let mut person = Person { ids, project: project.clone(), ..Person::default() };
    person.orders.extend(texts(store.rows(upkeep::ORDERS_OF, &person.parameters())?));
    person.sessions.extend(texts(store.rows(&upkeep::sessions_of(), &person.parameters())?));
    Ok(person)
}

fn texts(rows: Vec<Value>) -> impl Iterator<Item = String> {
    rows.into_iter().filter_map(|row| Some(row.get("id")?.as_str()?.to_owned()))
}

/// Writes the objects that name the person anew without those lines.
fn clean(store: &mut Store, prefix: &str, person: &Person, dry_run: bool, tally: &mut Tally) -> Result<(), Failure> {
    for keys in store.list(prefix)?.chunks(AT_A_TIME) {
        for (key, text) in keys.iter().zip(store.get(keys)?) {
            let Some((rest, gone)) = text.and_then(|text| person.removed_from(&text)) else { continue };
            tally.objects += 1;
            tally.lines += gone;
            match rest {
                _ if dry_run => {}
                Some(rest) => store.put(key, &rest)?,
                None => store.delete(std::slice::from_ref(key))?,
            }
        }
    }
    Ok(())
}

fn told(person: &Person, tally: &Tally, dry_run: bool) -> Report {
    let verdict = if dry_run { "would be forgotten" } else { "forgotten" };
    let ids: Vec<&str> = person.ids.iter().map(String::as_str).collect();
    let rows: Vec<String> = tally.rows.iter().map(|(table, rows)| format!("{rows} of {table}")).collect();
    let text = format!(
        "{} {}\nrecord: {}\narchive: {} in {}\n",
        good(verdict),
        strong(ids.join(", ")),
        rows.join(", "),
        count(tally.lines, "event"),
        count(tally.objects, "object"),
    );
    let rows: serde_json::Map<String, Value> =
        tally.rows.iter().map(|(table, rows)| ((*table).into(), json!(rows))).collect();
    let json = json!({
        "ok": true,
        "ids": ids,
        "record": rows,
        "archive": {"events": tally.lines, "objects": tally.objects},
        "written": !dry_run,
    });
    Report { text, json, problems: Vec::new() }
}
