//! What the guard does: ends, holds, releases, moves weights, tells, each once.

use super::readout::{Arm, document, known_with, told};
use crate::support::nth;
use serde_json::{Value, json};
use sortition_engine::document::{Document, News, Timestamp};
use sortition_engine::plan::{Kill, KillGuard, Plan};
use sortition_engine::readout::{Acts, Depth, Known, Results, body, results, tidy, watch};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The guard's look at the document's first experiment.
fn look(document: &Document, known: &Known, answers: &[Option<String>], now: &str) -> (Acts, KillGuard, Results) {
    let mut guard = known.guard.clone();
    let results = results(document, &document.experiments[0], known, answers, Depth::List, at(now));
    let acts = watch(document, &document.experiments[0], &results, known, &mut guard, at(now));
    tidy(document, known, &mut guard);
    (acts, guard, results)
}

/// A ramp from 5 % over 25 % to all, both steps waiting.
fn ramped(value: &mut Value) {
    value["experiments"][0]["traffic"] = json!(5);
    value["experiments"][0]["starts_at"] = json!("2026-11-01T00:00:00Z");
    value["experiments"][0]["ramp"] = json!([
        {"at": "2026-11-10T00:00:00Z", "traffic": 25, "if": "healthy", "min_hours": 24},
        {"at": "2026-11-12T00:00:00Z", "traffic": 100, "if": "healthy", "min_hours": 48}
    ]);
    value["notify"] = json!([{"url": "https://hooks.example/", "on": ["held", "released", "guardrail", "winner"]}]);
}

fn held(guard: &KillGuard) -> f64 {
    *guard.hold.values().next().unwrap()
}

fn traffic(document: &Document, guard: &KillGuard, now: &str) -> u16 {
    let mut plan = Plan::compile(document).unwrap();
    assert!(plan.differs_from(&Kill::default(), guard));
    plan.apply_guard(guard);
    assert!(!plan.differs_from(&Kill::default(), guard));
    nth(&plan, 0).traffic_at(at(now).millis())
}

#[test]
fn a_ramp_is_capped_before_its_time_released_when_healthy_and_not_before_the_hours_are_over() {
    let document = document(ramped);
    let fine = told(14, [Arm(500, 50, 1000), Arm(500, 50, 1000)]);
    let mut known = known_with(json!([]), json!([]));

    let (acts, guard, _) = look(&document, &known, &fine, "2026-11-09T00:00:00Z");
    assert_eq!((held(&guard), acts.told.len(), acts.notes.len()), (5.0, 0, 0), "capped before the clock could take it");
    assert_eq!(traffic(&document, &guard, "2026-11-10T00:01:00Z"), 500);

    let (acts, guard, _) = look(&document, &known, &fine, "2026-11-10T00:05:00Z");
    assert_eq!(held(&guard), 25.0);
    assert_eq!(acts.told.iter().map(|told| told.news).collect::<Vec<_>>(), [News::Released]);
    assert_eq!(traffic(&document, &guard, "2026-11-12T00:01:00Z"), 2500, "the next step waits");

    let notes: Vec<Value> = acts.notes.iter().map(|name| json!([name, "2026-11-10T00:05:00Z"])).collect();
    known = known_with(json!([]), json!(notes));
    known.guard = guard;
    let (acts, guard, results) = look(&document, &known, &fine, "2026-11-12T00:00:00Z");
    assert_eq!(held(&guard), 25.0, "48 hours from the release, not from the date");
    assert!(results.held.as_ref().unwrap().waits_for.contains("to have run 48 hours"), "{:?}", results.held);
    assert_eq!(acts.told.iter().map(|told| told.news).collect::<Vec<_>>(), [News::Held]);

    let (acts, guard, results) = look(&document, &known, &fine, "2026-11-12T00:06:00Z");
    assert_eq!(held(&guard), 100.0);
    assert!(results.held.is_some(), "until the guard has looked");
    assert_eq!(acts.told[0].news, News::Released);
    assert_eq!(traffic(&document, &guard, "2026-11-12T00:07:00Z"), 10_000);
}

#[test]
fn hours_count_from_when_the_guard_first_saw_it_run_where_no_start_is_written() {
    let document = document(|value| {
        ramped(value);
        value["experiments"][0].as_object_mut().unwrap().remove("starts_at");
    });
    let fine = told(14, [Arm(500, 50, 1000), Arm(500, 50, 1000)]);
    let (acts, guard, _) = look(&document, &known_with(json!([]), json!([])), &fine, "2026-11-10T00:05:00Z");
    assert_eq!((held(&guard), acts.notes.len()), (5.0, 2), "it has run for no hour that anybody knows of: {acts:?}");
    let notes: Vec<Value> = acts.notes.iter().map(|name| json!([name, "2026-11-10T00:05:00Z"])).collect();
    let known = known_with(json!([]), json!(notes));
    assert_eq!(held(&look(&document, &known, &fine, "2026-11-11T00:00:00Z").1), 5.0);
    assert_eq!(held(&look(&document, &known, &fine, "2026-11-11T00:06:00Z").1), 25.0);
}

#[test]
fn silence_is_told_without_a_written_start_and_nothing_after_a_decision() {
    let silent =
        |value: &mut Value| value["notify"] = json!([{"url": "https://hooks.example/", "on": ["silent", "winner"]}]);
    let nobody = told(0, [Arm(0, 0, 0), Arm(0, 0, 0)]);
    let known = known_with(json!([]), json!([["hero/1/begun", "2026-11-20T00:00:00Z"]]));
    let news = |acts: Acts| acts.told.iter().map(|told| told.news).collect::<Vec<_>>();
    assert_eq!(news(look(&document(silent), &known, &nobody, "2026-11-20T01:05:00Z").0), [News::Silent]);
    assert_eq!(news(look(&document(silent), &known, &nobody, "2026-11-20T00:55:00Z").0), []);
    let decided = document(|value| {
        silent(value);
        value["experiments"][0]["decision"] =
            json!({"what": "ship", "variant": "bold", "at": "2026-11-20T00:00:00Z", "why": "x"});
    });
    let winning = told(14, [Arm(500, 50, 1000), Arm(500, 65, 1000)]);
    assert_eq!(news(look(&document(silent), &known, &winning, "2026-11-21T00:00:00Z").0), [News::Winner]);
    assert_eq!(news(look(&decided, &known, &winning, "2026-11-21T00:00:00Z").0), [], "whoever decided knows");
}

#[test]
fn every_piece_of_news_is_told_once() {
    let all = ["gate", "guardrail", "ended", "held", "released", "size", "end", "winner", "silent", "unseen"];
    let wants = |value: &mut Value| value["notify"] = json!([{"url": "https://hooks.example/", "on": all}]);
    let ends = |value: &mut Value| {
        wants(value);
        value["experiments"][0]["rollback"] = json!({"on": ["guardrail"]});
        value["experiments"][0]["ends_at"] = json!("2026-11-20T00:00:00Z");
    };
    let silent = |value: &mut Value| {
        wants(value);
        value["experiments"][0]["starts_at"] = json!("2026-11-20T00:00:00Z");
    };
    let wins = told(14, [Arm(500, 50, 1000), Arm(500, 65, 1000)]);
    /// A document, what the record answers, and what is told of it.
    type Case<'a> = (Document, Vec<Option<String>>, &'a [News]);
    let cases: [Case<'_>; 5] = [
        (document(wants), told(14, [Arm(500, 50, 1000), Arm(300, 30, 1000)]), &[News::Gate]),
        (document(wants), wins, &[News::Winner]),
        (
            document(ends),
            told(40, [Arm(5000, 500, 9000), Arm(5000, 500, 3000)]),
            &[News::Ended, News::Guardrail, News::Size, News::End],
        ),
        (document(silent), told(0, [Arm(0, 0, 0), Arm(0, 0, 0)]), &[News::Silent]),
        (document(wants), told(14, [Arm(500, 0, 0), Arm(500, 0, 0)]), &[News::Unseen]),
    ];
    for (document, answers, wanted) in cases {
        let known = known_with(json!([]), json!([]));
        let (acts, ..) = look(&document, &known, &answers, "2026-11-21T00:00:00Z");
        let told: Vec<News> = acts.told.iter().map(|told| told.news).collect();
        for news in wanted {
            assert!(told.contains(news), "{news:?} in {:?}", acts.told);
        }
        let notes: Vec<Value> = acts.notes.iter().map(|name| json!([name, "2026-11-21T00:00:00Z"])).collect();
        let (again, ..) = look(&document, &known_with(json!([]), json!(notes)), &answers, "2026-11-21T00:05:00Z");
        assert!(again.told.is_empty(), "once: {:?}", again.told);
    }
}

#[test]
fn a_ramp_waits_while_a_check_is_red_or_a_guardrail_broken() {
    let document = document(ramped);
    let known = known_with(json!([]), json!([]));
    let lost = told(14, [Arm(500, 50, 1000), Arm(350, 35, 1000)]);
    let (acts, guard, results) = look(&document, &known, &lost, "2026-11-11T00:00:00Z");
    assert_eq!(held(&guard), 5.0);
    assert!(acts.told.iter().any(|told| told.news == News::Held && told.text.contains("Sample ratio")), "{acts:?}");
    assert!(results.held.is_none(), "the key does not hold anything yet");
    let broken = told(14, [Arm(500, 50, 9000), Arm(500, 50, 3000)]);
    let (acts, guard, _) = look(&document, &known, &broken, "2026-11-11T00:00:00Z");
    assert_eq!(held(&guard), 5.0);
    assert!(acts.told.iter().any(|told| told.text.contains("the guardrail revenue to hold")), "{acts:?}");
    assert!(acts.ended.is_empty(), "nothing names it as a reason to end");
}

#[test]
fn what_a_guardrail_says_of_itself_comes_before_the_rollback() {
    let broken = told(14, [Arm(500, 50, 9000), Arm(500, 50, 3000)]);
    let known = known_with(json!([]), json!([]));
    let with = |act: Value, on: Value| {
        document(|value| {
            value["experiments"][0]["metrics"]["guardrails"][0]["act"] = act.clone();
            value["experiments"][0]["rollback"] = json!({"owner": "a", "when": "when it hurts", "on": on.clone()});
        })
    };
    for (act, on, ends) in [
        (json!("kill"), json!([]), true),
        (json!("tell"), json!(["guardrail"]), false),
        (json!("hold"), json!(["guardrail"]), false),
        (Value::Null, json!(["guardrail"]), true),
        (Value::Null, json!(["srm"]), false),
    ] {
        let (acts, guard, _) = look(&with(act.clone(), on.clone()), &known, &broken, "2026-11-21T00:00:00Z");
        assert_eq!(!acts.ended.is_empty(), ends, "{act} {on}");
        assert_eq!(guard.experiments.len(), usize::from(ends));
    }
}

#[test]
fn an_end_is_said_once_and_stays_until_the_iteration_does() {
    let end = |value: &mut Value| value["experiments"][0]["rollback"] = json!({"on": ["guardrail"]});
    let broken = told(14, [Arm(500, 50, 9000), Arm(500, 50, 3000)]);
    let (acts, guard, _) = look(&document(end), &known_with(json!([]), json!([])), &broken, "2026-11-21T00:00:00Z");
    assert_eq!(acts.ended.len(), 1);
    let notes: Vec<Value> = acts.notes.iter().map(|name| json!([name, "2026-11-21T00:00:00Z"])).collect();
    // The event of it is not in the record yet, but the note is.
    let mut known = known_with(json!([]), json!(notes));
    known.guard = guard;
    let (acts, guard, results) = look(&document(end), &known, &broken, "2026-11-21T00:05:00Z");
    assert!(acts.ended.is_empty() && acts.told.is_empty(), "{acts:?}");
    assert_eq!(guard.experiments.len(), 1);
    assert!(results.killed);
    let again = |value: &mut Value| {
        end(value);
        value["experiments"][0]["iteration"] = json!(2);
    };
    let fine = told(14, [Arm(500, 50, 1000), Arm(500, 50, 1000)]);
    let (_, guard, _) = look(&document(again), &known, &fine, "2026-11-21T00:05:00Z");
    assert!(guard.is_empty(), "a new iteration was not ended");
}

#[test]
fn a_bandits_weights_move_once_a_day_and_keep_a_floor() {
    let document = document(|value| value["experiments"][0]["allocation"] = json!("bandit"));
    let better = told(14, [Arm(500, 50, 1000), Arm(500, 65, 1000)]);
    let (acts, guard, results) = look(&document, &known_with(json!([]), json!([])), &better, "2026-11-15T01:00:00Z");
    let weights: Vec<f64> = guard.weights.values().next().unwrap().values().copied().collect();
    assert!((weights.iter().sum::<f64>() - 100.0).abs() < 0.02, "{weights:?}");
    assert!(weights[0] > 90.0 && weights[1] >= 5.0, "bold, then control: {weights:?}");
    assert!(results.verdict.text.contains("not those of an experiment"), "{}", results.verdict.text);
    let notes: Vec<Value> = acts.notes.iter().map(|name| json!([name, "2026-11-15T01:00:00Z"])).collect();
    let known = known_with(json!([]), json!(notes));
    let (_, same_day, _) = look(&document, &known, &better, "2026-11-15T23:00:00Z");
    assert!(same_day.weights.is_empty(), "at most daily");
    let (_, next_day, _) = look(&document, &known, &better, "2026-11-16T00:05:00Z");
    assert_eq!(next_day.weights.len(), 1);
    let mut plan = Plan::compile(&document).unwrap();
    plan.apply_guard(&guard);
    assert!(nth(&plan, 0).variants[0].below < 1000, "the control's range shrinks");
    plan.apply_guard(&KillGuard::default());
    assert_eq!(nth(&plan, 0).variants[0].below, 5000, "and is as written again");
}

#[test]
fn moved_weights_give_nothing_to_what_the_document_gives_nothing() {
    let document = document(|value| {
        value["experiments"][0]["allocation"] = json!("bandit");
        value["experiments"][0]["variants"] =
            json!([{"id": "control", "weight": 50}, {"id": "calm", "weight": 0}, {"id": "bold", "weight": 50}]);
    });
    let mut plan = Plan::compile(&document).unwrap();
    // as the guard wrote them before a person took `calm` out
    plan.apply_guard(&KillGuard::parse(r#"{"weights": {"hero": {"control": 20, "calm": 60, "bold": 20}}}"#).unwrap());
    let below: Vec<u16> = nth(&plan, 0).variants.iter().map(|variant| variant.below).collect();
    assert_eq!(below, [5000, 5000, 10_000], "what is left is shared as the others were");
}

#[test]
fn news_reads_as_json_and_as_a_message() {
    let document = document(|value| value["experiments"][0]["name"] = json!("A <b> & c"));
    let winning = told(14, [Arm(500, 50, 1000), Arm(500, 65, 1000)]);
    let (acts, _, _) = look(&document, &known_with(json!([]), json!([])), &winning, "2026-11-21T00:00:00Z");
    let winner = acts.told.iter().find(|told| told.news == News::Winner).unwrap();
    let e = &document.experiments[0];
    use sortition_engine::document::NewsFormat::{Json, Slack};
    let json: Value = serde_json::from_str(&body(winner, Json, &document, e, "2026-11-21T00:00:00Z")).unwrap();
    assert_eq!((json["news"].as_str(), json["experiment_id"].as_str()), (Some("winner"), Some("hero")));
    let slack: Value = serde_json::from_str(&body(winner, Slack, &document, e, "2026-11-21T00:00:00Z")).unwrap();
    let text = slack["text"].as_str().unwrap();
    assert!(text.starts_with("*A &lt;b&gt; &amp; c* (hero): bold wins"), "{text}");
}

#[test]
fn a_key_that_is_half_right_moves_nothing() {
    let document = document(|_| ());
    for text in [
        r#"{"weights": {"hero": {"bold": 1}}}"#,
        r#"{"weights": {"hero": {"bold": 0, "control": 0}}}"#,
        r#"{"weights": {"hero": {"bold": -1, "control": 2}}}"#,
        r#"{"hold": {"other": 5}}"#,
        "{}",
    ] {
        let guard = KillGuard::parse(text).unwrap();
        let mut plan = Plan::compile(&document).unwrap();
        plan.apply_guard(&guard);
        assert_eq!((nth(&plan, 0).hold, nth(&plan, 0).variants[0].below), (10_000, 5000), "{text}");
    }
    assert!(KillGuard::parse("{broken").is_err());
}
