//! The readout as a whole: answers of the record in, sentences and gates out. That the answers are right is tested in D1.

use serde_json::{Value, json};
use sortition_engine::document::{Document, Timestamp, check_text};
use sortition_engine::readout::{
    Cause, Known, Level, Results, Scope, State, View, breaches, causes, detail_page, list_page, questions, results,
};

pub(super) fn document(change: impl Fn(&mut Value)) -> Document {
    let mut value = json!({
        "version": 1, "project": "shop", "revision": "r1",
        "metrics": {
            "buyers": {"event": "purchase", "kind": "proportion"},
            "revenue": {"event": "purchase", "kind": "mean"}
        },
        "experiments": [{
            "id": "hero", "status": "running", "pages": ["/"],
            "metrics": {"primary": "buyers", "guardrails": [{"metric": "revenue", "min_relative": -0.02}]},
            "analysis": {"mde": 0.1},
            "variants": [{"id": "control", "weight": 50}, {"id": "bold", "weight": 50}]
        }]
    });
    change(&mut value);
    Document::parse(&value.to_string()).unwrap()
}

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// What a variant did on each of `days` days: units, buyers, cents of each order.
#[derive(Clone, Copy)]
pub(super) struct Arm(pub(super) i64, pub(super) i64, pub(super) i64);

/// The answers to the questions of an experiment with these arms, over `days` days.
pub(super) fn told(days: i64, arms: [Arm; 2]) -> Vec<Option<String>> {
    let (mut units, mut sums) = (Vec::new(), Vec::new());
    for (variant, Arm(people, buyers, cents)) in ["control", "bold"].into_iter().zip(arms) {
        for day in 0..days {
            let day = format!("2026-11-{:02}", 1 + day);
            units.push(json!(["day", day, variant, people]));
            let squares = buyers * cents * cents;
            let sum = json!([
                "day",
                day,
                variant,
                buyers,
                buyers * cents,
                squares >> 32,
                squares & 0xffff_ffff,
                buyers,
                buyers,
                buyers * cents
            ]);
            sums.push(sum);
        }
        for device in ["mobile", "desktop"] {
            units.push(json!(["device", device, variant, people * days / 2]));
            sums.push(json!(["device", device, variant, buyers * days / 2, 0, 0, 0, 0, 0, 0]));
        }
    }
    units.push(json!(["contaminated", "", "", 0]));
    let sums = Some(json!(sums).to_string());
    vec![Some(json!(units).to_string()), sums.clone(), sums]
}

fn known(currencies: &str, endings: Value) -> Known {
    Known::read(&[
        Some(json!([["purchase", currencies]]).to_string()),
        Some(endings.to_string()),
        Some("[[1000,0,3,5]]".to_owned()),
        Some("[]".to_owned()),
        Some("[]".to_owned()),
    ])
}

/// What is known with these endings and notes of the guard.
pub(super) fn known_with(endings: Value, notes: Value) -> Known {
    Known::read(&[
        Some(json!([["purchase", "EUR"]]).to_string()),
        Some(endings.to_string()),
        Some("[[1000,0,3,5]]".to_owned()),
        Some("[]".to_owned()),
        Some(notes.to_string()),
    ])
}

fn read(document: &Document, answers: &[Option<String>]) -> Results {
    results(document, &document.experiments[0], &known("EUR", json!([])), answers, Scope::Detail, now())
}

#[track_caller]
fn level(results: &Results, name: &str) -> Level {
    results.gates.iter().find(|gate| gate.name == name).unwrap().level
}

#[test]
fn a_winner_is_said_with_its_numbers() {
    let results = read(&document(|_| ()), &told(14, [Arm(500, 50, 1000), Arm(500, 65, 1000)]));
    assert_eq!(results.verdict.state, State::Winner);
    assert!(
        results.verdict.text.starts_with("bold wins: buyers 13.0 % against 10.0 %, +30.0 % (95 % interval +"),
        "{}",
        results.verdict.text
    );
    assert!(results.gates.iter().all(|gate| gate.level <= Level::Green), "{:?}", results.gates);
    let neutral: Vec<&str> =
        results.gates.iter().filter(|gate| gate.level == Level::Neutral).map(|gate| gate.name).collect();
    assert_eq!(neutral, ["novelty", "crawlers"], "what cannot be judged is not counted as good");
    assert_eq!(results.metrics[0].series[0].points.len(), 14);
    let widths: Vec<f64> =
        results.metrics[0].series[0].points.iter().filter_map(|p| p.interval).map(|[a, b]| b - a).collect();
    assert!(widths.windows(2).all(|pair| pair[1] < pair[0]), "the sequence narrows: {widths:?}");
}

#[test]
fn no_winner_while_a_gate_is_red() {
    let document = document(|_| ());
    let winning = [Arm(500, 50, 1000), Arm(500, 65, 1000)];
    let mut missing = told(14, winning);
    missing[1] = None;
    let cases: [(&str, Results); 4] = [
        ("record", read(&document, &missing)),
        ("srm", read(&document, &told(14, [Arm(500, 50, 1000), Arm(400, 65, 1000)]))),
        ("units", read(&document, &told(1, [Arm(90, 9, 1000), Arm(90, 60, 1000)]))),
        (
            "currency",
            results(
                &document,
                &document.experiments[0],
                &known("EUR,USD", json!([])),
                &told(14, winning),
                Scope::Detail,
                now(),
            ),
        ),
    ];
    for (name, results) in cases {
        assert_eq!(level(&results, name), if name == "units" { Level::Neutral } else { Level::Red }, "{name}");
        assert!(matches!(results.verdict.state, State::Untrusted | State::Empty), "{name}: {:?}", results.verdict);
        assert!(results.verdict.text.starts_with("No winner is shown: "), "{}", results.verdict.text);
        assert!(!detail_page(&results).contains("wins"));
    }
}

/// Answers whose buyers of each day since the exposure are these, for control and treatment.
fn by_age(buyers: [[i64; 7]; 2]) -> Vec<Option<String>> {
    let mut answers = told(14, [Arm(500, 50, 1000), Arm(500, 65, 1000)]);
    let mut sums: Vec<Value> = serde_json::from_str(answers[1].as_ref().unwrap()).unwrap();
    for (variant, of_variant) in ["control", "bold"].into_iter().zip(buyers) {
        for (age, count) in of_variant.into_iter().enumerate() {
            sums.push(json!(["age", age, variant, count, 0, 0, 0, 0, 0, 0]));
        }
    }
    answers[1] = Some(json!(sums).to_string());
    answers
}

#[test]
fn an_effect_that_fades_or_grows_is_said_and_a_steady_one_is_not() {
    let level_at = [200; 7];
    let cases = [
        ([400, 360, 320, 280, 250, 220, 205], Level::Amber, "The effect of bold fades"),
        ([205, 220, 250, 280, 320, 360, 400], Level::Amber, "The effect of bold grows"),
        ([260, 258, 262, 259, 261, 260, 260], Level::Green, "The effect is steady"),
    ];
    for (treated, expected, sentence) in cases {
        let results = read(&document(|_| ()), &by_age([level_at, treated]));
        let gate = results.gates.iter().find(|gate| gate.name == "novelty").unwrap();
        assert_eq!(gate.level, expected, "{treated:?}: {}", gate.text);
        assert!(gate.text.starts_with(sentence), "{}", gate.text);
    }
    let unknown = read(&document(|_| ()), &told(14, [Arm(500, 50, 1000), Arm(500, 65, 1000)]));
    let gate = unknown.gates.iter().find(|gate| gate.name == "novelty").unwrap();
    assert!(gate.level == Level::Neutral && gate.text.contains("four whole days"), "{}", gate.text);
}

#[test]
fn a_broken_guardrail_is_said_first() {
    let results = read(&document(|_| ()), &told(14, [Arm(500, 50, 9000), Arm(500, 50, 3000)]));
    assert_eq!(results.verdict.state, State::Loser);
    assert!(
        results
            .verdict
            .text
            .starts_with("Take bold back: it breaks the guardrail revenue: revenue 3.00 EUR against 9.00 EUR")
    );
}

#[test]
fn a_fixed_horizon_is_read_at_its_end() {
    let early = |value: &mut Value| {
        value["experiments"][0]["analysis"] = json!({"method": "fixed", "mde": 0.02});
    };
    let over = |value: &mut Value| {
        early(value);
        value["experiments"][0]["ends_at"] = json!("2026-11-20T00:00:00Z");
    };
    let arms = [Arm(500, 50, 1000), Arm(500, 65, 1000)];
    let before = read(&document(early), &told(14, arms));
    assert_eq!(before.verdict.state, State::Open);
    assert!(before.verdict.text.starts_with("It is read once, at its planned end."), "{}", before.verdict.text);
    assert!(before.metrics[0].comparisons[0].significant, "though one look would have called it");
    assert_eq!(read(&document(over), &told(14, arms)).verdict.state, State::Winner);
}

#[test]
fn every_part_against_the_whole_is_told() {
    let mut answers = told(14, [Arm(500, 50, 1000), Arm(500, 65, 1000)]);
    let part = |units: i64, buyers: [i64; 2], device: &str| {
        [("control", buyers[0]), ("bold", buyers[1])].map(|(variant, buyers)| {
            (json!(["device", device, variant, units]), json!(["device", device, variant, buyers, 0, 0, 0, 0, 0, 0]))
        })
    };
    let mut units: Vec<Value> = serde_json::from_str(answers[0].as_ref().unwrap()).unwrap();
    let mut sums: Vec<Value> = serde_json::from_str(answers[1].as_ref().unwrap()).unwrap();
    units.retain(|row| row[0] != "device");
    sums.retain(|row| row[0] != "device");
    for (unit, sum) in part(1000, [300, 250], "mobile").into_iter().chain(part(5000, [400, 390], "desktop")) {
        units.push(unit);
        sums.push(sum);
    }
    answers[0] = Some(json!(units).to_string());
    answers[1] = Some(json!(sums).to_string());
    let results = read(&document(|_| ()), &answers);
    assert_eq!(level(&results, "simpson"), Level::Red);
    assert_eq!(results.verdict.state, State::Untrusted);
}

#[test]
fn what_was_stopped_is_exploratory_unless_the_method_allows_it() {
    let endings =
        json!([["hero", "2026-11-10T00:00:00.000Z", "somebody's wish", null], ["other", "2026-11-10", "x", null]]);
    let arms = told(14, [Arm(500, 50, 1000), Arm(500, 65, 1000)]);
    for (method, expected) in [("sequential", Level::Amber), ("fixed", Level::Red), ("bayesian", Level::Red)] {
        let document = document(|value| value["experiments"][0]["analysis"] = json!({"method": method}));
        let known = known("EUR", endings.clone());
        let results = results(&document, &document.experiments[0], &known, &arms, Scope::Detail, now());
        assert_eq!(level(&results, "ended_early"), expected, "{method}");
        assert_eq!(results.endings.len(), 1);
    }
}

#[test]
fn causes_are_named_in_a_list_or_in_a_sentence() {
    let of = |when: &str| {
        causes(&document(|value| value["experiments"][0]["rollback"] = json!({"when": when})).experiments[0])
    };
    assert_eq!(of("guardrail, srm, errors"), Cause::ALL);
    assert_eq!(of("A guardrail falls, or errors rise."), [Cause::Guardrail, Cause::Errors]);
    assert_eq!(of("SRM"), [Cause::Srm]);
    assert_eq!(of("the error rate doubles"), [Cause::Errors]);
    assert_eq!(of("somebody complains of terrors"), []);
    assert_eq!(of(""), []);
}

#[test]
fn only_what_is_named_ends_an_experiment_and_only_once() {
    let broken = told(14, [Arm(500, 50, 9000), Arm(500, 50, 3000)]);
    let with = |when: &str| document(|value| value["experiments"][0]["rollback"] = json!({"when": when}));
    let guard = |document: &Document, known: &Known| {
        let results = results(document, &document.experiments[0], known, &broken, Scope::Detail, now());
        breaches(&document.experiments[0], &results)
    };
    let fresh = known("EUR", json!([]));
    assert_eq!(guard(&with("srm, errors"), &fresh), []);
    let document = with("guardrail");
    let [breach] = &guard(&document, &fresh)[..] else { panic!("one breach") };
    assert_eq!(breach.variant.as_deref(), Some("bold"));
    assert!(!fresh.was_ended(&document.experiments[0], Cause::Guardrail));
    let ended = known("EUR", json!([["hero", "2026-11-15T00:00:00.000Z", breach.reason, "bold"]]));
    assert!(ended.was_ended(&document.experiments[0], Cause::Guardrail));
    assert!(!ended.was_ended(&document.experiments[0], Cause::Srm));
}

#[test]
fn an_answer_of_any_kind_makes_a_page() {
    let document = document(|_| ());
    let garbage =
        ["null", "[]", "[[]]", "{}", "[1]", "[[\"day\"]]", "[[\"day\",1,2,3.5]]", "[[\"day\",\"x\",\"bold\",-5]]", "x"];
    for units in garbage {
        for sums in garbage {
            let answers = vec![Some(units.to_owned()), Some(sums.to_owned()), None];
            for scope in [Scope::List, Scope::Detail] {
                let known = Known::read(&vec![Some(sums.to_owned()); 5]);
                let one = results(&document, &document.experiments[0], &known, &answers, scope, now());
                assert!(detail_page(&one).ends_with("</html>"));
                assert!(list_page("shop", std::slice::from_ref(&one), &View::default()).ends_with("</html>"));
                assert!(!serde_json::to_string(&one).unwrap().contains("NaN"));
                assert!(one.verdict.state != State::Winner);
            }
        }
    }
}

#[test]
fn the_questions_are_one_for_the_units_and_one_a_metric() {
    let document = document(|_| ());
    let asked = questions(&document, &document.experiments[0], &Known::default(), Scope::Detail, now());
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[1], asked[2], "whether somebody bought follows from what they spent");
    for question in &asked {
        let places = (1..).take_while(|n| question.sql.contains(&format!("?{n}"))).count();
        assert_eq!(places, question.values.len(), "{}", question.sql);
    }
}

#[test]
fn who_is_told_is_named_by_a_safe_url() {
    let problems = |url: &str| {
        let text = json!({"version": 1, "project": "shop", "notify": {"url": url}, "experiments": []}).to_string();
        check_text(&text, now()).problems.iter().filter(|problem| problem.path.starts_with("notify")).count()
    };
    for url in ["https://hooks.example/x?y=1", "http://127.0.0.1:9000/", "http://localhost/hook"] {
        assert_eq!(problems(url), 0, "{url}");
    }
    for url in [
        "",
        "hooks.example",
        "http://hooks.example/",
        "ftp://x",
        "https://",
        "https://a b",
        "https://a@b/",
        "http://127.0.0.1.example/",
        "javascript:alert(1)",
    ] {
        assert_eq!(problems(url), 1, "{url}");
    }
}
