//! How an isolate counts the origin's answers: once, under the right hour and plan, and told when it is time.

use crate::support::{experiment_at, variant_at};
use serde_json::{Value, json};
use sortition_engine::decide::{Decision, Evidence, Reason};
use sortition_engine::document::Document;
use sortition_engine::events::Message;
use sortition_engine::events::health::{Answered, MAX_HEALTH, OriginHealth, Tally};
use sortition_engine::plan::Plan;

/// 2026-11-21T12:00:00Z.
const NOON: i64 = 1_795_262_400_000;
const HOUR: i64 = 3_600_000;

fn plan(ids: &[&str]) -> Plan {
    let variants = json!([{"id": "control", "weight": 1}, {"id": "bold", "weight": 1}]);
    let one = |id: &&str| json!({"id": id, "status": "running", "variants": variants});
    let experiments: Vec<Value> = ids.iter().map(one).collect();
    let document = json!({"version": 1, "project": "shop", "experiments": experiments});
    Plan::compile(&Document::parse(&document.to_string()).unwrap()).unwrap()
}

fn decision(experiment: usize, reason: Reason, variant: usize) -> Decision {
    Decision {
        experiment: experiment_at(experiment),
        reason,
        variant: Some(variant_at(variant)),
        evidence: Evidence::default(),
    }
}

fn answered(status: u16, took: i64, at: i64) -> Answered {
    Answered { status, took, at }
}

fn numbers(row: &OriginHealth) -> (&str, &str, &str, u32, u32) {
    (&row.experiment_id, &row.variant, &row.hour, row.requests, row.errors)
}

#[test]
fn answers_count_for_the_groups_that_the_split_made() {
    let (plan, mut tally) = (plan(&["hero", "price"]), Tally::default());
    let decisions = [decision(0, Reason::Split, 1), decision(1, Reason::Sticky, 0)];
    for (status, took) in [(200, 0), (304, 50), (500, 51), (503, 3200), (404, 3201), (200, 90_000)] {
        tally.count(&plan, 1, &decisions, answered(status, took, NOON));
    }
    for reason in [Reason::Forced, Reason::Winner, Reason::Crawler, Reason::Killed] {
        tally.count(&plan, 1, &[decision(0, reason, 1)], answered(200, 1, NOON));
    }
    let told = tally.with_events(NOON + 10_000);
    let shown: Vec<_> = told.iter().map(numbers).collect();
    let hour = "2026-11-21T12";
    assert_eq!(shown, [("hero", "bold", hour, 6, 2), ("price", "control", hour, 6, 2)]);
    assert_eq!(told[0].latency, [2, 1, 0, 0, 0, 0, 1, 2]);
    assert_eq!(told[0].project, "shop");
    let message = json!({"schema": 1, "source": "isolate", "seq": 0, "health": told, "events": []});
    assert_eq!(Message::parse(&message.to_string()).unwrap().visits[0].health, told);
}

#[test]
fn counters_are_told_with_events_every_ten_seconds_and_alone_after_a_minute() {
    let (plan, mut tally) = (plan(&["hero"]), Tally::default());
    let hero = [decision(0, Reason::Split, 0)];
    assert!(tally.with_events(NOON).is_empty() && !tally.is_overdue(NOON + HOUR), "nothing was counted");
    tally.count(&plan, 1, &hero, answered(200, 1, NOON));
    assert!(tally.with_events(NOON + 9_999).is_empty());
    assert!(!tally.is_overdue(NOON + 59_999));
    assert!(tally.is_overdue(NOON + 60_000));
    assert_eq!(tally.with_events(NOON + 10_000)[0].requests, 1);
    assert!(tally.with_events(NOON + HOUR).is_empty() && !tally.is_overdue(NOON + HOUR), "it was told");
    tally.count(&plan, 1, &hero, answered(200, 1, NOON + 20_000));
    assert!(tally.with_events(NOON + 29_999).is_empty());
    assert_eq!(tally.with_events(NOON + 30_000)[0].requests, 2, "a running total");
}

#[test]
fn an_hour_starts_from_nothing_and_the_one_before_is_told_to_its_end() {
    let (plan, mut tally) = (plan(&["hero"]), Tally::default());
    let hero = [decision(0, Reason::Split, 0)];
    tally.count(&plan, 1, &hero, answered(200, 1, NOON));
    tally.count(&plan, 1, &hero, answered(200, 1, NOON + HOUR));
    tally.count(&plan, 1, &hero, answered(500, 1, NOON + HOUR));
    let told = tally.with_events(NOON + 2 * HOUR);
    let shown: Vec<_> = told.iter().map(numbers).collect();
    assert_eq!(shown, [("hero", "control", "2026-11-21T12", 1, 0), ("hero", "control", "2026-11-21T13", 2, 1)]);
}

/// Positions mean other experiments in the next plan, and an experiment that leaves and comes back within the hour must
/// not count from nothing again: the record would keep the larger of two totals in place of their sum.
#[test]
fn another_plan_moves_the_counters_along() {
    let mut tally = Tally::default();
    let (first, second) = (plan(&["hero", "price"]), plan(&["price"]));
    tally.count(&first, 1, &[decision(0, Reason::Split, 0)], answered(200, 1, NOON));
    tally.count(&first, 1, &[decision(1, Reason::Split, 0)], answered(200, 1, NOON));
    tally.count(&second, 2, &[decision(0, Reason::Split, 0)], answered(200, 1, NOON));
    // a request that began under the first plan ends
    tally.count(&first, 1, &[decision(0, Reason::Split, 0)], answered(200, 1, NOON));
    tally.count(&second, 2, &[decision(0, Reason::Split, 0)], answered(200, 1, NOON));
    let told = tally.with_events(NOON + 10_000);
    let shown: Vec<_> = told.iter().map(|row| (row.experiment_id.as_str(), row.requests)).collect();
    assert_eq!(shown, [("hero", 2), ("price", 3)]);
    tally.count(&first, 3, &[decision(0, Reason::Split, 0)], answered(200, 1, NOON + 20_000));
    assert_eq!(tally.with_events(NOON + 30_000)[0].requests, 3);
}

#[test]
fn what_does_not_fit_one_message_comes_with_the_next_and_everybody_has_a_turn() {
    let ids: Vec<String> = (0..100).map(|number| format!("e{number}")).collect();
    let plan = plan(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let mut tally = Tally::default();
    let all: Vec<_> = (0..100).map(|number| decision(number, Reason::Split, 0)).collect();
    let mut seen = std::collections::BTreeSet::new();
    for message in 0..2 {
        tally.count(&plan, 1, &all, answered(200, 1, NOON + message));
        let told = tally.with_events(NOON + 10_000 + message);
        assert_eq!(told.len(), MAX_HEALTH);
        seen.extend(told.into_iter().map(|row| row.experiment_id));
    }
    assert_eq!(seen.len(), 100);
}

#[test]
fn rows_are_bounded() {
    let ids: Vec<String> = (0..Tally::MOST_ROWS + 10).map(|number| format!("e{number}")).collect();
    let plan = plan(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let mut tally = Tally::default();
    let all: Vec<_> = (0..ids.len()).map(|number| decision(number, Reason::Split, 0)).collect();
    tally.count(&plan, 1, &all, answered(200, 1, NOON));
    let mut rows = 0;
    loop {
        let told = tally.with_events(NOON + 10_000);
        rows += told.len();
        if told.is_empty() {
            break;
        }
    }
    assert_eq!(rows, Tally::MOST_ROWS);
}

#[test]
fn what_does_not_add_up_is_no_message() {
    let row = json!({"project": "shop", "experiment_id": "hero", "iteration": 1, "variant": "bold",
        "hour": "2026-11-21T12", "requests": 3, "errors": 1, "latency": [1, 2, 0, 0, 0, 0, 0, 0]});
    let read = |change: &dyn Fn(&mut Value)| {
        let mut message = json!({"schema": 1, "source": "isolate", "seq": 0, "health": [row], "events": []});
        change(&mut message["health"]);
        Message::parse(&message.to_string()).map(|message| message.visits[0].health.len())
    };
    assert_eq!(read(&|_| {}), Ok(1));
    assert!(
        read(&|health| health[0]["requests"] = json!(4)).unwrap_err().to_string().starts_with("visits[0].health[0]")
    );
    assert!(read(&|health| health[0]["errors"] = json!(4)).unwrap_err().to_string().starts_with("visits[0].health[0]"));
    assert!(
        read(&|health| health[0]["hour"] = json!("2026-11-21"))
            .unwrap_err()
            .to_string()
            .starts_with("visits[0].health[0]")
    );
    assert!(
        read(&|health| health[0]["hour"] = json!("2026-11-21T24"))
            .unwrap_err()
            .to_string()
            .starts_with("visits[0].health[0]")
    );
    assert!(read(&|health| health[0]["latency"] = json!([3])).is_err());
    assert!(
        read(&|health| *health = json!(vec![row.clone(); MAX_HEALTH + 1]))
            .unwrap_err()
            .to_string()
            .starts_with("visits[0].health")
    );
}
