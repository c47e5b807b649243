//! `sortition events forget`.

use super::ForgetArguments;
use crate::cli::kv::Kv;
use crate::cli::store::Store;
use crate::cli::terminal::{good, strong};
use crate::cli::{Failure, Report, count};
use crate::ledger::upkeep::{self, Person};
use crate::person::object_name;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How many objects of the archive are read at a time.
const AT_A_TIME: usize = 32;

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
    let parameters = person.parameters();
    for (table, count, deletes) in upkeep::forget() {
        // why: D1 counts what triggers change along with what a statement deletes
        let mut statements = vec![(count.as_str(), parameters.clone())];
        if !arguments.dry_run {
            statements.extend(deletes.iter().map(|delete| (delete.as_str(), parameters.clone())));
        }
        let outcome = store.run(&statements)?.into_iter().next().unwrap_or_default();
        let counted = outcome.rows.first().and_then(|row| row.get("n")).and_then(Value::as_u64);
        tally.rows.push((table, counted.unwrap_or(0)));
    }
    let mut report = told(&person, &tally, arguments.dry_run);
    // why: the record is clean either way, and of a worker without these objects nobody needs to hear
    if !arguments.dry_run
        && let Err(failure) = empty_objects(arguments, &person)
    {
        let why = match failure {
            Failure::Usage(why) | Failure::Outside(why) => why,
            _ => "KV refused".to_owned(),
        };
        report.text.push_str(&format!("what users were assigned on their devices is still kept: {why}\n"));
    }
    Ok(report)
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
    let mut ids = BTreeSet::from([unit.clone()]);
    if !arguments.only {
        let users: Vec<String> = texts(store.rows(upkeep::USERS_OF, json!([unit, project]))?);
        if users.len() > 1 {
            let why = format!(
                "this visitor was identified as {}: name the user who is meant, or add --only",
                users.join(", ")
            );
            return Err(Failure::refused("unit", why));
        }
        ids.extend(users);
        for id in ids.clone() {
            ids.extend(texts(store.rows(upkeep::VISITORS_OF, json!([id, project]))?));
        }
    }
    let mut person = Person { ids, orders: BTreeSet::new(), project: project.clone() };
    person.orders.extend(texts(store.rows(upkeep::ORDERS_OF, person.parameters())?));
    Ok(person)
}

fn texts(rows: Vec<Value>) -> Vec<String> {
    rows.iter().filter_map(|row| Some(row.get("id")?.as_str()?.to_owned())).collect()
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
