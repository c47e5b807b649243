//! The readout as a whole: answers of the record in, sentences and gates out. That the answers are right is tested in D1.

use serde_json::{Value, json};
use sortition_engine::document::{Document, Timestamp, check_text};
use sortition_engine::readout::{
    Cause, Depth, GateLevel, Known, Results, State, View, breaches, causes, detail_page, list_page, questions, results,
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

/// A row of sums: units, those that converted, Σy, Σy².
pub(super) fn sums(dimension: &str, part: &str, variant: &str, [units, converted, y, yy]: [i64; 4]) -> Value {
    json!(["sum", dimension, part, variant, units, 0, converted, y, yy, 0, 0, 0, 0, 0, 0, 0])
}

/// The rows of an answer.
pub(super) fn answer(rows: &[Value]) -> Option<String> {
    let end = json!(["end", "", "", "", null, null, null, null, null, null, null, null, null, null, null, null]);
    Some(json!([rows, &[end]].concat()).to_string())
}

/// The rows of an answer, without its end.
pub(super) fn rows(answer: Option<&String>) -> Vec<Value> {
    let mut rows: Vec<Value> = serde_json::from_str(answer.unwrap()).unwrap();
    rows.pop();
    rows
}

/// 2026-11-01, in days since 1970.
const FIRST_DAY: i64 = 20_758;

/// The answers to the questions of an experiment with these arms, over `days` days: units, buyers, revenue.
pub(super) fn told(days: i64, [control, bold]: [Arm; 2]) -> Vec<Option<String>> {
    told_of(&[("control", days, control), ("bold", days, bold)])
}

/// The same of any variants, each with its own number of days from the first on.
pub(super) fn told_of(arms: &[(&str, i64, Arm)]) -> Vec<Option<String>> {
    let (mut units, mut buying, mut spending) = (Vec::new(), Vec::new(), Vec::new());
    for &(variant, days, Arm(people, buyers, cents)) in arms {
        let mut add = |dimension: &str, part: &str, times: i64| {
            let (people, buyers) = (people * times, buyers * times);
            units.push(sums(dimension, part, variant, [people, 0, 0, 0]));
            buying.push(sums(dimension, part, variant, [people, buyers, buyers, buyers]));
            spending.push(sums(dimension, part, variant, [people, buyers, buyers * cents, buyers * cents * cents]));
        };
        add("", "", days);
        for day in 0..days {
            add("day", &(FIRST_DAY + day).to_string(), 1);
        }
        for device in ["mobile", "desktop"] {
            add("device", device, days / 2);
        }
    }
    spending.push(json!(["currency", "", "EUR", "", 100, 0]));
    vec![answer(&units), answer(&buying), answer(&spending)]
}

fn known(endings: Value) -> Known {
    known_with(endings, json!([]))
}

/// What is known with these endings and notes of the guard.
pub(super) fn known_with(endings: Value, notes: Value) -> Known {
    Known::read(&[
        Some(endings.to_string()),
        Some("[[1000,0,3,5]]".to_owned()),
        Some("[]".to_owned()),
        Some(notes.to_string()),
    ])
}

fn read(document: &Document, answers: &[Option<String>]) -> Results {
    results(document, &document.experiments[0], &known(json!([])), answers, Depth::Detail, now())
}

#[track_caller]
fn level(results: &Results, name: &str) -> GateLevel {
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
    assert!(results.gates.iter().all(|gate| gate.level <= GateLevel::Green), "{:?}", results.gates);
    let neutral: Vec<&str> =
        results.gates.iter().filter(|gate| gate.level == GateLevel::Neutral).map(|gate| gate.name).collect();
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
    let mut mixed = told(14, winning);
    let mut spending = rows(mixed[2].as_ref());
    spending.push(json!(["currency", "", "USD", "", 3, 0]));
    mixed[2] = answer(&spending);
    let cases: [(&str, Results); 4] = [
        ("record", read(&document, &missing)),
        ("srm", read(&document, &told(14, [Arm(500, 50, 1000), Arm(400, 65, 1000)]))),
        ("units", read(&document, &told(1, [Arm(90, 9, 1000), Arm(90, 60, 1000)]))),
        ("currency", read(&document, &mixed)),
    ];
    for (name, results) in cases {
        assert_eq!(level(&results, name), if name == "units" { GateLevel::Neutral } else { GateLevel::Red }, "{name}");
        assert!(matches!(results.verdict.state, State::Untrusted | State::Empty), "{name}: {:?}", results.verdict);
        let yet = if name == "units" { " yet" } else { "" };
        let text = &results.verdict.text;
        assert!(text.starts_with(&format!("No winner is shown{yet}: ")), "{text}");
        assert!(!detail_page(&results).contains("wins"));
    }
}

#[test]
fn the_first_visitors_of_a_rare_variant_are_no_fault() {
    let careful = document(|value| {
        value["experiments"][0]["variants"] = json!([{"id": "control", "weight": 99}, {"id": "bold", "weight": 1}]);
        value["experiments"][0]["rollback"] = json!({"on": ["srm"], "owner": "ada"});
    });
    let of = |control, bold| read(&careful, &told(1, [Arm(control, 0, 1000), Arm(bold, 0, 1000)]));
    for (control, bold) in [(0, 1), (2, 1)] {
        let results = of(control, bold);
        assert_eq!(level(&results, "srm"), GateLevel::Green, "{control} and {bold}");
        let gate = results.gates.iter().find(|gate| gate.name == "srm").unwrap();
        assert!(gate.text.contains("1.00 %: too few for χ², sequential p "), "{}", gate.text);
        assert!(breaches(&careful.experiments[0], &results).is_empty(), "nobody is sent away for it");
    }
    assert_eq!(level(&of(450, 50), "srm"), GateLevel::Red, "ten times as many are one");
    let over = document(|value| value["experiments"][0]["status"] = json!("completed"));
    assert_eq!(level(&read(&over, &told(1, [Arm(0, 0, 0), Arm(9, 0, 0)])), "srm"), GateLevel::Green);
    assert_eq!(level(&read(&over, &told(1, [Arm(0, 0, 0), Arm(11, 0, 0)])), "srm"), GateLevel::Red);
}

#[test]
fn what_is_the_same_of_several_treatments_is_said_once() {
    let document = document(|value| {
        value["metrics"]["buyers"] = json!({"event": "purchase", "kind": "ratio", "per": "view"});
        value["experiments"][0]["variants"] =
            json!(["control", "bold", "calm"].map(|id| json!({"id": id, "weight": 1})));
    });
    let arm = Arm(500, 0, 1000);
    let results = read(&document, &told_of(&[("control", 14, arm), ("bold", 14, arm), ("calm", 14, arm)]));
    let said = "No difference can be told yet: not every variant has an outcome that buyers could be told of, after 21,000 visitors.";
    assert_eq!(results.verdict.text, said);
}

/// Answers whose buyers of each day since the exposure are these, for control and treatment.
fn by_age(buyers: [[i64; 7]; 2]) -> Vec<Option<String>> {
    let mut answers = told(14, [Arm(500, 50, 1000), Arm(500, 65, 1000)]);
    let mut buying = rows(answers[1].as_ref());
    for (variant, of_variant) in ["control", "bold"].into_iter().zip(buyers) {
        for (age, count) in of_variant.into_iter().enumerate() {
            buying.push(sums("age", &age.to_string(), variant, [0, count, count, count]));
        }
    }
    answers[1] = answer(&buying);
    answers
}

#[test]
fn an_effect_that_fades_or_grows_is_said_and_a_steady_one_is_not() {
    let level_at = [200; 7];
    let cases = [
        ([400, 360, 320, 280, 250, 220, 205], GateLevel::Amber, "The effect of bold fades"),
        ([205, 220, 250, 280, 320, 360, 400], GateLevel::Amber, "The effect of bold grows"),
        ([260, 258, 262, 259, 261, 260, 260], GateLevel::Green, "The effect is steady"),
    ];
    for (treated, expected, sentence) in cases {
        let results = read(&document(|_| ()), &by_age([level_at, treated]));
        let gate = results.gates.iter().find(|gate| gate.name == "novelty").unwrap();
        assert_eq!(gate.level, expected, "{treated:?}: {}", gate.text);
        assert!(gate.text.starts_with(sentence), "{}", gate.text);
    }
    let unknown = read(&document(|_| ()), &told(14, [Arm(500, 50, 1000), Arm(500, 65, 1000)]));
    let gate = unknown.gates.iter().find(|gate| gate.name == "novelty").unwrap();
    assert!(gate.level == GateLevel::Neutral && gate.text.contains("four whole days"), "{}", gate.text);
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
fn a_treatment_that_sells_nothing_breaks_its_guardrail() {
    let broken = read(&document(|_| ()), &told(14, [Arm(500, 50, 9000), Arm(500, 0, 9000)]));
    let text = &broken.verdict.text;
    assert!(
        text.starts_with("Take bold back: it breaks the guardrail revenue: revenue 0.00 EUR against 9.00 EUR"),
        "{text}"
    );
    let guardrail = |arms| read(&document(|_| ()), &told(1, arms)).metrics[1].comparisons[0].guardrail;
    assert_eq!(guardrail([Arm(110, 50, 9000), Arm(110, 0, 9000)]), Some("harm"));
    assert_eq!(guardrail([Arm(99, 50, 9000), Arm(99, 0, 9000)]), Some("inconclusive"), "too few to say anything");
    assert_eq!(guardrail([Arm(500, 0, 9000), Arm(500, 0, 9000)]), Some("inconclusive"), "nobody bought anything yet");
    assert_eq!(guardrail([Arm(500, 0, 9000), Arm(500, 1, 9000)]), Some("inconclusive"));
}

#[test]
fn where_nothing_varies_nothing_is_said_that_the_data_does_not_say() {
    let without = |value: &mut Value| value["experiments"][0]["metrics"] = json!({"primary": "buyers"});
    let verdict = |arms| read(&document(without), &told(14, arms)[..2]).verdict;
    let one = verdict([Arm(500, 500, 0), Arm(500, 0, 0)]);
    assert_eq!(one.state, State::Open);
    assert!(
        one.text.starts_with("No verdict can be given: buyers is 0.0 % in bold against 100.0 % in control"),
        "{one:?}"
    );
    assert!(one.next.contains("`sortition verify hero --url …`"), "{one:?}");
    let none = verdict([Arm(500, 0, 0), Arm(500, 0, 0)]);
    assert!(none.text.starts_with("No difference can be told yet: buyers is 0.0 % in bold against 0.0 %"), "{none:?}");
    assert!(!one.text.contains("too few") && !none.text.contains("too few"), "of 14,000");
}

#[test]
fn who_is_left_out_has_met_it_all_the_same() {
    for kind in ["contaminated", "unknown"] {
        let mut answers = told(0, [Arm(0, 0, 0), Arm(0, 0, 0)]);
        let row = json!([kind, "", "", "gone", 200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        answers[0] = answer(&[row]);
        let verdict = read(&document(|_| ()), &answers).verdict;
        assert_eq!(verdict.state, State::Untrusted, "{kind}");
        assert!(verdict.text.starts_with("No winner is shown: 200 visitors met"), "{verdict:?}");
    }
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
            let bought = [units, buyers, buyers, buyers];
            (sums("device", device, variant, [units, 0, 0, 0]), sums("device", device, variant, bought))
        })
    };
    let (mut units, mut buying) = (rows(answers[0].as_ref()), rows(answers[1].as_ref()));
    units.retain(|row| row[1] != "device");
    buying.retain(|row| row[1] != "device");
    for (unit, sum) in part(1000, [300, 250], "mobile").into_iter().chain(part(5000, [400, 390], "desktop")) {
        units.push(unit);
        buying.push(sum);
    }
    (answers[0], answers[1]) = (answer(&units), answer(&buying));
    let results = read(&document(|_| ()), &answers);
    assert_eq!(level(&results, "simpson"), GateLevel::Red);
    assert_eq!(results.verdict.state, State::Untrusted);
}

#[test]
fn a_handful_in_parts_does_not_speak_for_the_whole() {
    // why: whoever reported the others could not tell their device
    let of_devices = |n: i64, unknown: i64| {
        let mut answers = told(14, [Arm(500, 50, 1000), Arm(500, 65, 1000)]);
        let (mut units, mut buying) = (rows(answers[0].as_ref()), rows(answers[1].as_ref()));
        units.retain(|row| row[1] != "device");
        buying.retain(|row| row[1] != "device");
        for (device, n, [control, bold]) in
            [("mobile", n, [n / 5, n / 10]), ("desktop", n, [n / 5, n / 10]), ("", unknown, [500, 800])]
        {
            for (variant, buyers) in [("control", control), ("bold", bold)] {
                units.push(sums("device", device, variant, [n, 0, 0, 0]));
                buying.push(sums("device", device, variant, [n, buyers, buyers, buyers]));
            }
        }
        (answers[0], answers[1]) = (answer(&units), answer(&buying));
        read(&document(|_| ()), &answers)
    };
    let results = of_devices(20, 6960);
    assert_eq!(level(&results, "simpson"), GateLevel::Neutral, "parts of 20 units say nothing");
    assert_eq!(results.verdict.state, State::Winner);
    assert_eq!(level(&of_devices(1000, 5000), "simpson"), GateLevel::Neutral, "two parts of seven are not the whole");
    assert_eq!(level(&of_devices(2000, 3000), "simpson"), GateLevel::Red, "four are most of it");
}

#[test]
fn what_was_stopped_is_exploratory_unless_the_method_allows_it() {
    let endings =
        json!([["hero", "2026-11-10T00:00:00.000Z", "somebody's wish", null], ["other", "2026-11-10", "x", null]]);
    let arms = told(14, [Arm(500, 50, 1000), Arm(500, 65, 1000)]);
    for (method, expected) in
        [("sequential", GateLevel::Amber), ("fixed", GateLevel::Red), ("bayesian", GateLevel::Red)]
    {
        let document = document(|value| value["experiments"][0]["analysis"] = json!({"method": method}));
        let known = known(endings.clone());
        let results = results(&document, &document.experiments[0], &known, &arms, Depth::Detail, now());
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
        let results = results(document, &document.experiments[0], known, &broken, Depth::Detail, now());
        breaches(&document.experiments[0], &results)
    };
    let fresh = known(json!([]));
    assert_eq!(guard(&with("srm, errors"), &fresh), []);
    let document = with("guardrail");
    let [breach] = &guard(&document, &fresh)[..] else { panic!("one breach") };
    assert_eq!(breach.variant.as_deref(), Some("bold"));
    assert!(!fresh.was_ended(&document.experiments[0], Cause::Guardrail));
    let ended = known(json!([["hero", "2026-11-15T00:00:00.000Z", breach.reason, "bold"]]));
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
            for scope in [Depth::List, Depth::Detail] {
                let known = Known::read(&vec![Some(sums.to_owned()); 4]);
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
    let asked = questions(&document, &document.experiments[0], Depth::Detail, now());
    assert_eq!(asked.len(), 3);
    for question in &asked {
        assert!(question.sql.starts_with("WITH ") && question.values.is_empty(), "{}", question.sql);
        assert!(question.sql.contains("'2026-11-21T12:00:00.000Z'"), "what is later is not there yet");
    }
    let two = document_of_two();
    let asked = questions(&two, &two.experiments[0], Depth::Detail, now());
    assert_eq!(asked.len(), 4, "and one for the interactions");
    assert!(asked[3].sql.contains("'pair'") && asked[3].sql.contains("'nav'"), "{}", asked[3].sql);
    assert_eq!(questions(&two, &two.experiments[0], Depth::List, now()).len(), 3);
}

fn document_of_two() -> Document {
    document(|value| {
        let mut nav = value["experiments"][0].clone();
        nav["id"] = json!("nav");
        value["experiments"].as_array_mut().unwrap().push(nav);
    })
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

#[test]
fn a_published_answer_is_found_whenever_it_is_asked_for() {
    use sortition_engine::readout::published_key;
    let at =
        |ms: &str, text: &str| published_key(&format!(r#"["WITH x AS (SELECT {ms} - 0 > {ms}, '{text}', 'it''s')"]"#));
    let one = at("1795219200000", "2026-11-21T00:00:00.000Z");
    assert_eq!(one, at("1795219209999", "2026-11-22T00:00:00.123Z"));
    assert_ne!(one, at("179521920000", "2026-11-21T00:00:00.000Z"), "no time");
    assert_ne!(one, at("17952192000001", "2026-11-21T00:00:00.000Z"), "no time");
    assert_ne!(one, at("1795219200000", "2026-11-21"), "a day is no time");
}
