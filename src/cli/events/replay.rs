//! `sortition events replay`.

use super::ReplayArguments;
use crate::cli::store::Store;
use crate::cli::terminal::{good, strong};
use crate::cli::{Failure, Report, clock, count};
use crate::document::Problem;
use crate::events::Message;
use crate::hash::event_id;
use crate::ledger;
use serde_json::{Value, json};

/// How many messages go into the record at a time, as the queue delivers them.
const BATCH: usize = 100;

/// A message that waits in the archive.
struct Waiting {
    key: String,
    message: Message,
}

pub(super) fn run(arguments: &ReplayArguments) -> Result<Report, Failure> {
    let mut store = Store::open(&arguments.place)?;
    let databases = store.databases()?;
    let mut keys = store.list("dead/")?;
    keys.extend(store.list("spill/")?);
    let (mut messages, mut events, mut problems) = (0, 0, Vec::new());
    for keys in keys.chunks(BATCH) {
        let mut waiting = Vec::new();
        for (key, text) in keys.iter().zip(store.get(keys)?) {
            match text.map(|text| read(&text)) {
                Some(Ok(message)) => waiting.push(Waiting { key: key.clone(), message }),
                Some(Err(why)) => problems.push(Problem::warning(key, format!("it stays: {why}"))),
                None => {}
            }
        }
        messages += waiting.len();
        events += waiting.iter().map(|it| it.message.events().count()).sum::<usize>();
        if !arguments.dry_run {
            take(&mut store, waiting, databases)?;
        }
    }
    let verdict = match (arguments.dry_run, databases) {
        (true, 0) => "would be in the archive",
        (true, _) => "would be in the record",
        (false, 0) => "in the archive",
        (false, 1) => "in the record",
        (false, _) => "on the way into the record, with the next run of the schedule,",
    };
    let text = format!("{} {} with {}\n", good(verdict), strong(count(messages, "message")), count(events, "event"));
    let kept: Vec<Value> = problems.iter().map(|it| json!({"key": it.path, "reason": it.message})).collect();
    let json = json!({
        "ok": true,
        "messages": messages,
        "events": events,
        "kept": kept,
        "written": !arguments.dry_run,
    });
    Ok(Report { text, json, problems })
}

/// Whether the schedule brings an object back by itself.
fn is_spilled(key: &str) -> bool {
    key.strip_prefix("spill/").is_some_and(|name| !name.contains('/'))
}

/// A spilled message, or a dead letter `{reason, body}` that holds one.
fn read(text: &str) -> Result<Message, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
    match value.get("body") {
        None => Message::parse(text).map_err(|error| error.to_string()),
        Some(Value::String(body)) => Message::parse(body).map_err(|error| error.to_string()),
        Some(body) => Message::parse(&body.to_string()).map_err(|error| error.to_string()),
    }
}

/// As the consumer does it: archive first, then the record; only then they are gone from where they waited. Where the record
/// lies in several databases, the consumer itself does it: the schedule brings back what lies in spill/.
fn take(store: &mut Store, waiting: Vec<Waiting>, databases: u8) -> Result<(), Failure> {
    if waiting.is_empty() {
        return Ok(());
    }
    if databases > 1 {
        for Waiting { key, message } in waiting.iter().filter(|it| !is_spilled(&it.key)) {
            let body = serde_json::to_string(message).map_err(|error| Failure::Outside(error.to_string()))?;
            store.put(&format!("spill/{}.json", event_id(&[&body])), &body)?;
            store.delete(std::slice::from_ref(key))?;
        }
        return Ok(());
    }
    let (keys, messages): (Vec<_>, Vec<_>) = waiting.into_iter().map(|it| (it.key, it.message)).unzip();
    let now = clock::now().to_string();
    for (key, lines) in
        [ledger::archive(&messages, &now), ledger::archive_visits(&messages, &now)].into_iter().flatten()
    {
        store.put(&key, &lines)?;
    }
    if databases > 0 {
        let statements = ledger::statements(&messages, &now);
        let statements: Vec<_> = statements.iter().map(|it| (it.sql.as_str(), json!([it.rows]))).collect();
        store.run(&statements)?;
    }
    store.delete(&keys)
}
