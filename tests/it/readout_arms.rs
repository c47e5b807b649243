//! What is said of several treatments, of those that nobody new gets, and of one in which all are alike.

use super::readout::{Arm, answer, document, known_with, told, told_of};
use serde_json::json;
use sortition_engine::document::Document;
use sortition_engine::readout::{Depth, GateLevel, Results, State, detail_page, results};

/// The document with these variants and weights.
fn with_arms(arms: &[(&str, f64)]) -> Document {
    document(|value| {
        let variant = |(id, weight): &(&str, f64)| json!({"id": id, "weight": weight});
        value["experiments"][0]["variants"] = arms.iter().map(variant).collect();
        value["experiments"][0]["metrics"] = json!({"primary": "buyers"});
    })
}

fn read(document: &Document, answers: &[Option<String>]) -> Results {
    let known = known_with(json!([]), json!([]));
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    results(document, &document.experiments[0], &known, answers, Depth::Detail, now)
}

/// The level and the sentence of a check.
#[track_caller]
fn check<'r>(results: &'r Results, name: &str) -> (GateLevel, &'r str) {
    let found = results.gates.iter().find(|gate| gate.name == name).unwrap_or_else(|| panic!("no {name}"));
    (found.level, &found.text)
}

const EVEN: Arm = Arm(500, 50, 1000);

#[test]
fn a_variant_that_nobody_new_gets_does_not_hold_up_the_others() {
    let document = with_arms(&[("control", 50.0), ("bold", 50.0), ("calm", 0.0)]);
    let told = told_of(&[("control", 14, EVEN), ("bold", 14, Arm(500, 65, 1000)), ("calm", 1, Arm(40, 40, 1000))]);
    let results = read(&document, &told[..2]);
    assert_eq!(check(&results, "units"), (GateLevel::Green, "The smallest variant has 7,000 visitors."));
    assert_eq!(
        check(&results, "without_traffic"),
        (
            GateLevel::Neutral,
            "calm (40 visitors) has weight 0 and fewer than 100 visitors: shown, not compared, and not waited for."
        )
    );
    assert!(results.verdict.text.starts_with("bold wins: buyers 13.0 % against 10.0 %"), "{:?}", results.verdict);
    let calm = &results.metrics[0].comparisons[1];
    assert_eq!((calm.variant.as_str(), calm.status, calm.lift, calm.significant), ("calm", "NO_TRAFFIC", None, false));
    assert_eq!(results.metrics[0].means[2], Some(1.0), "what it had is shown");
    assert!(results.metrics[0].series[1].points.is_empty());
    let mobile = results.segments.iter().flat_map(|segment| &segment.parts).find(|part| part.value == "mobile");
    let mobile = mobile.unwrap();
    assert!(!mobile.small && mobile.comparisons[0].lift.is_some() && mobile.comparisons[1].lift.is_none());
    assert!(results.progress.unwrap().detectable.is_some_and(|lift| lift < 0.3), "of 7,000, not of 40");
    let page = detail_page(&results);
    assert!(page.contains("not compared: weight 0, and too few") && !page.contains("NO_TRAFFIC"));
}

#[test]
fn one_that_had_enough_is_compared_with_a_warning() {
    let document = with_arms(&[("control", 50.0), ("bold", 50.0), ("calm", 0.0)]);
    let told = told_of(&[("control", 14, EVEN), ("bold", 14, Arm(500, 65, 1000)), ("calm", 2, EVEN)]);
    let results = read(&document, &told[..2]);
    assert_eq!(
        check(&results, "without_traffic"),
        (
            GateLevel::Amber,
            "calm (1,000 visitors) has weight 0: it is still compared, but its visitors are of earlier days than those who come now, and what differs may be the days."
        )
    );
    assert_eq!(results.metrics[0].comparisons[1].status, "OK");
    assert_eq!(results.verdict.variant.as_deref(), Some("bold"));
}

#[test]
fn what_was_dropped_still_counts_as_a_chance_to_be_fooled_and_what_nobody_met_does_not() {
    let width = |arms: &[(&str, f64)], calm: Option<Arm>| {
        let mut all = vec![("control", 14, EVEN), ("bold", 14, EVEN)];
        all.extend(calm.map(|calm| ("calm", 1, calm)));
        let [low, high] = read(&with_arms(arms), &told_of(&all)[..2]).metrics[0].comparisons[0].interval.unwrap();
        high - low
    };
    let (two, three) = ([("control", 50.0), ("bold", 50.0)], [("control", 50.0), ("bold", 50.0), ("calm", 0.0)]);
    let alone = width(&two, None);
    assert_eq!(width(&three, None), alone);
    assert!(width(&three, Some(Arm(40, 4, 1000))) > alone);
}

#[test]
fn nothing_is_compared_with_a_control_that_nobody_gets_nor_without_a_treatment() {
    let told =
        |control: i64, bold: i64| told_of(&[("control", 1, Arm(control, 5, 1000)), ("bold", 1, Arm(bold, 5, 1000))]);
    let control = read(&with_arms(&[("control", 0.0), ("bold", 100.0)]), &told(40, 500)[..2]);
    assert_eq!(
        check(&control, "units"),
        (
            GateLevel::Neutral,
            "Nothing can be compared: control, the control, has weight 0, so no new visitors get it, and 40 visitors; 100 are the least."
        )
    );
    assert!(control.verdict.text.starts_with("No winner is shown: nothing can be compared"), "{:?}", control.verdict);
    let treatment = read(&with_arms(&[("control", 100.0), ("bold", 0.0)]), &told(500, 40)[..2]);
    assert_eq!(
        check(&treatment, "units"),
        (GateLevel::Neutral, "Nothing can be compared: no treatment has a weight above 0, and none has 100 visitors.")
    );
}

#[test]
fn an_option_that_was_taken_out_of_a_bandit_gets_nothing_and_holds_up_nobody() {
    let mut document = with_arms(&[("control", 50.0), ("bold", 50.0), ("calm", 0.0)]);
    document.experiments[0].allocation = serde_json::from_value(json!("bandit")).unwrap();
    let told = told_of(&[("control", 14, EVEN), ("bold", 14, Arm(500, 65, 1000)), ("calm", 1, Arm(40, 40, 1000))]);
    let bandit = read(&document, &told[..2]).bandit.unwrap();
    assert_eq!((bandit.next.len(), bandit.next[2]), (3, 0.0), "{bandit:?}");
    assert!((bandit.next.iter().sum::<f64>() - 1.0).abs() < 1e-9 && bandit.next[1] > 0.9, "{bandit:?}");
    assert_eq!((bandit.shares[2], bandit.chances[2], bandit.means[2]), (0.0, 0.0, None));
}

#[test]
fn where_none_differs_all_are_spoken_of() {
    let shares: Vec<(String, f64)> =
        std::iter::once("control".to_owned()).chain((1..=7).map(|n| format!("t{n}"))).map(|id| (id, 1.0)).collect();
    let read_some = |treatments: usize| {
        let arms: Vec<(&str, f64)> = shares.iter().take(treatments + 1).map(|(id, one)| (id.as_str(), *one)).collect();
        let answers: Vec<(&str, i64, Arm)> = arms.iter().map(|(id, _)| (*id, 14, EVEN)).collect();
        read(&with_arms(&arms), &told_of(&answers)[..2]).verdict.text
    };
    let three = read_some(3);
    assert!(
        three.starts_with("No difference can be told yet: t1 changes buyers by 0 %, and anything from −"),
        "{three}"
    );
    assert!(three.contains("is compatible with the data of 28,000 visitors; t2 by 0 % (−"), "{three}");
    assert!(three.contains("; t3 by 0 % (−") && !three.contains("likewise"), "{three}");
    let seven = read_some(7);
    assert!(seven.contains("; t5 by 0 % (−") && seven.ends_with("; of 2 more likewise."), "{seven}");
    assert!(!seven.contains("t6"), "{seven}");
}

#[test]
fn of_losers_and_of_those_that_are_open_each_is_named() {
    let worse = Arm(500, 35, 1000);
    let document = with_arms(&[("control", 1.0), ("bold", 1.0), ("calm", 1.0)]);
    let verdict = |bold: Arm, calm: Arm| {
        read(&document, &told_of(&[("control", 14, EVEN), ("bold", 14, bold), ("calm", 14, calm)])[..2]).verdict
    };
    let both = verdict(worse, worse);
    assert!(both.text.starts_with("Keep control. bold loses: buyers 7.00 % against 10.0 %"), "{both:?}");
    assert!(both.text.contains(" calm loses: buyers 7.00 % against 10.0 %"), "{both:?}");
    let one = verdict(worse, EVEN);
    assert_eq!(one.state, State::Loser);
    assert!(
        one.text.starts_with("bold loses: ") && one.text.ends_with(" Of calm no difference can be told yet."),
        "{one:?}"
    );
    assert!(one.next.starts_with("Wait for calm"), "{one:?}");
}

#[test]
fn one_that_does_not_vary_is_compared_whether_it_decides_or_guards() {
    let compared = |arms: [Arm; 2]| {
        let both = document(|value| {
            value["experiments"][0]["metrics"] =
                json!({"primary": "buyers", "guardrails": [{"metric": "revenue", "min_relative": -0.02}]});
        });
        let results = read(&both, &told(1, arms));
        let of = |at: usize| results.metrics[at].comparisons[0].clone();
        (of(0), of(1), results.verdict)
    };
    let (buyers, revenue, _) = compared([Arm(500, 50, 9000), Arm(500, 0, 9000)]);
    assert_eq!((buyers.status, buyers.better, revenue.better, revenue.guardrail), ("OK", -1, -1, Some("harm")));
    let (buyers, revenue, _) = compared([Arm(99, 50, 9000), Arm(99, 0, 9000)]);
    assert_eq!(
        (buyers.status, revenue.status),
        ("ZERO_VARIANCE", "ZERO_VARIANCE"),
        "too few to take it from the other"
    );
    let (buyers, ..) = compared([Arm(1000, 8, 9000), Arm(1000, 0, 9000)]);
    assert_eq!((buyers.status, buyers.better), ("OK", 0), "eight against none is what chance does once in 128");
    let (buyers, ..) = compared([Arm(500, 0, 9000), Arm(500, 500, 9000)]);
    assert_eq!(buyers.status, "ZERO_VARIANCE", "there is no variance to take");

    let alone = document(|value| value["experiments"][0]["metrics"] = json!({"primary": "buyers"}));
    let verdict = |arms| read(&alone, &told(14, arms)[..2]).verdict;
    let loser = verdict([Arm(500, 50, 0), Arm(500, 0, 0)]);
    assert!(loser.text.starts_with("Keep control. bold loses: buyers 0.0 % against 10.0 %, −100.0 % ("), "{loser:?}");
    assert!(loser.next.contains("`sortition verify hero --url …`"), "first of all it may be a fault: {loser:?}");
    let winner = verdict([Arm(500, 0, 0), Arm(500, 50, 0)]);
    assert!(winner.text.starts_with("bold wins: buyers 10.0 % against 0.0 %; valid"), "{winner:?}");
    assert!(winner.next.contains("`sortition verify hero --url …`"), "{winner:?}");
}

#[test]
fn a_ratio_that_does_not_vary_takes_more_where_it_has_fewer_denominators() {
    let failing = document(|value| {
        value["metrics"]["failed"] = json!({"event": "payment", "kind": "ratio", "of": "count", "where": {"ok": false}, "per": "payment", "direction": "down"});
        value["experiments"][0]["metrics"] = json!({"primary": "failed"});
    });
    // units, failures, payments; each payer pays once
    let error = |payments: [i64; 2]| {
        let mut answers = told(14, [EVEN, EVEN]);
        answers.truncate(1);
        let row = |variant: &str, failed: i64, paid: i64| {
            json!(["sum", "", "", variant, 7000, 0, failed, failed, failed, paid, paid, failed, 0, 0, 0, 0])
        };
        answers.push(answer(&[row("control", 200, payments[0]), row("bold", 0, payments[1])]));
        let results = read(&failing, &answers);
        let one = &results.metrics[0].comparisons[0];
        assert_eq!((one.status, one.better), ("OK", 1), "{one:?}");
        one.std_error.unwrap()
    };
    let even = error([2000, 2000]);
    assert!(error([2000, 500]) > 2.0 * even, "a quarter of the payments says less");
    assert_eq!(error([2000, 4000]), even, "more of them are not taken to say more");
}
