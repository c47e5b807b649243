//! The statements and the archive as data. That the SQL does what it says is tested in workerd (tests/edge).

use serde_json::{Value, json};
use sortition_engine::events::Message;
use sortition_engine::ledger::{archive, statements};

fn message(seq: u64) -> Message {
    let at = "2026-11-21T12:00:00.000Z";
    let text = json!({"schema": 1, "source": "isolate", "seq": seq, "served": {"crawlers": 2, "visits": 9},
        "health": [{"project": "shop", "experiment_id": "hero", "iteration": 1, "variant": "bold", "hour": "2026-11-21T12",
            "requests": 3, "errors": 1, "latency": [1, 2, 0, 0, 0, 0, 0, 0]}],
        "events": [
        {"type": "experiment_exposed", "id": "0".repeat(32), "project": "shop", "config_revision": "r", "at": at,
         "anonymous_id": "visitor-1", "experiment_id": "hero", "iteration": 1, "variant": "bold", "reason": "split",
         "exposed_at": at, "request": {"host": "shop.example", "path": "/", "method": "GET"}},
        {"type": "experiment_converted", "id": "1".repeat(32), "project": "shop", "config_revision": "r", "at": at,
         "anonymous_id": "visitor-1", "conversion_event": "purchase", "value": 19.99, "currency": "EUR", "converted_at": at,
         "channel": "page", "properties": {}},
        {"type": "identified", "id": "2".repeat(32), "project": "shop", "config_revision": "r", "at": at,
         "anonymous_id": "visitor-1", "user_id": "u1"},
        {"type": "experiment_ended_early", "id": "3".repeat(32), "project": "shop", "config_revision": "r", "at": at,
         "experiment_id": "hero", "ended_reason": "harm", "ended_at": at}]});
    Message::parse(&text.to_string()).unwrap()
}

#[test]
fn a_batch_is_one_statement_a_table() {
    let messages: Vec<_> = (0..100).map(message).collect();
    let statements = statements(&messages, "2026-11-21T12:00:00.000Z");
    assert_eq!(statements.len(), 12);
    for statement in &statements {
        let rows: Vec<Vec<Value>> = serde_json::from_str(&statement.rows).unwrap();
        let names = |n: usize| {
            let field = format!("value ->> {n}");
            let mut after = statement.sql.match_indices(&field).map(|(at, _)| &statement.sql[at + field.len()..]);
            after.any(|rest| !rest.starts_with(|letter: char| letter.is_ascii_digit()))
        };
        let columns = (0..).take_while(|n| names(*n)).count();
        assert!(rows.iter().all(|row| row.len() == columns), "{columns} of {:?}: {}", rows[0], statement.sql);
        assert!(statement.sql.contains("ON CONFLICT"), "repeatable: {}", statement.sql);
        let is_arrivals = statement.sql.contains("INTO arrivals");
        let names = ["INTO iterations", "INTO variants", "INTO revisions", "INTO segments"];
        let is_once = is_arrivals || names.iter().any(|name| statement.sql.contains(name));
        assert_eq!(rows.len(), if is_once { 1 } else { 100 }, "{}", statement.sql);
        assert!(!statement.sql.contains('$'), "a call that the dialect does not know: {}", statement.sql);
        if is_arrivals {
            assert_eq!(rows[0], [json!("isolate"), json!("[[0,99]]"), json!(99), json!(100), json!("2026-11-21")]);
        }
    }
    assert!(statements.iter().any(|statement| statement.rows.contains(",1999,\"EUR\",")), "integer minor units");
}

/// Two batches once shared a name where they began with the same message and were as long, and the later one
/// overwrote what only the earlier held.
#[test]
fn archives_never_overwrite_each_other() {
    let at = "2026-11-21T12:34:56.000Z";
    let (mut other, first) = (message(1), message(0));
    other.visits[0].events.truncate(1);
    let (one, lines) = archive(&[first.clone(), message(1)], at).unwrap();
    let (two, _) = archive(&[first.clone(), other], at).unwrap();
    assert_ne!(one, two);
    assert_eq!(archive(&[first, message(1)], at).unwrap().0, one, "a batch that comes again overwrites itself");
    assert!(one.starts_with("events/dt=2026-11-21/hour=12/") && one.ends_with(".ndjson"), "{one}");
    assert_eq!(lines.lines().count(), 8);
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["id"].is_string()));
    assert_eq!(archive(&[], at), None);
}
