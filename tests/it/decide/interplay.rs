//! Experiments that look at each other: requirements, conflicts, layers.

use crate::support::{
    CHROME, HOME, Page, Random, Sent, compile, experiment_at, outcome, running, shop, variants, visitor, with,
};
use serde_json::{Value, json};
use sortition_engine::decide::Reason;
use sortition_engine::plan::Plan;

fn only(variant: &str) -> Value {
    let weight = |id: &str| f64::from(u8::from(id == variant));
    variants(&[("control", weight("control")), ("bold", weight("bold"))])
}

fn requires(parent: &str, variant: &str) -> Value {
    json!({"requires": [{"experiment": parent, "variant": variant}]})
}

#[track_caller]
fn reasons(plan: &Plan, ids: &[&str]) -> Vec<Reason> {
    let sent = Sent::by(CHROME);
    let intent = Page::new(plan, HOME, &sent).intent(|| [7; 16]);
    ids.iter().map(|id| outcome(plan, &intent.decisions, id).0).collect()
}

/// Wherever the required experiment is: on the page, on another, before or after in the document; and through a chain.
#[test]
fn a_requirement_holds_wherever_the_other_experiment_is() {
    for pages in [json!([]), json!(["/nav"])] {
        for (given, wanted, expected) in [("bold", "bold", Reason::Split), ("control", "bold", Reason::Requires)] {
            let nav = running("nav", json!({"pages": pages, "variants": only(given)}));
            let menu =
                running("menu", with(requires("nav", wanted), json!({"pages": pages, "variants": only("bold")})));
            let hero = running("hero", requires("menu", "bold"));
            for order in [[&nav, &menu, &hero], [&hero, &menu, &nav]] {
                let plan = compile(&shop(&order.map(Clone::clone)));
                assert_eq!(reasons(&plan, &["hero"]), [expected], "{pages} {given}");
            }
        }
    }
}

/// A required experiment must act: out of its traffic, paused or killed it gives nobody its variant.
#[test]
fn a_requirement_asks_for_an_experiment_that_acts() {
    for (more, expected) in [
        (json!({}), Reason::Split),
        (json!({"winner": "bold"}), Reason::Split),
        (json!({"overrides": [{"audience": {}, "variant": "bold"}]}), Reason::Split),
        (json!({"traffic": 0}), Reason::Requires),
        (json!({"status": "paused"}), Reason::Requires),
        (json!({"audience": {"country": "US"}}), Reason::Requires),
        (json!({"ends_at": "2026-11-01T00:00:00Z"}), Reason::Requires),
    ] {
        let nav = running("nav", with(json!({"pages": ["/nav"], "variants": only("bold")}), more.clone()));
        let plan = compile(&shop(&[nav, running("hero", requires("nav", "bold"))]));
        assert_eq!(reasons(&plan, &["hero"]), [expected], "{more}");
    }
}

/// Requirements on a user's or a session's experiment that is on another page: who the user is must be known here too.
#[test]
fn a_required_experiment_of_another_unit_finds_its_unit() {
    for unit in ["user", "session"] {
        let nav = running("nav", json!({"pages": ["/nav"], "unit": unit, "variants": only("bold")}));
        let menu = running("menu", with(requires("nav", "bold"), json!({"pages": ["/nav"], "variants": only("bold")})));
        let document = shop(&[nav, menu, running("hero", requires("menu", "bold"))]);
        let plan = compile(&with(document, json!({"visitor": {"user_cookie": "user"}})));
        let sent = Sent::by(CHROME).header("cookie", "user=u-1");
        let intent = Page::new(&plan, HOME, &sent).intent(|| [7; 16]);
        assert_eq!(outcome(&plan, &intent.decisions, "hero").0, Reason::Split, "{unit}");
    }
}

/// Every requirement must hold; the evidence names the first that does not.
#[test]
fn all_requirements_must_hold() {
    let parents = ["a", "b", "c"]
        .map(|id| running(id, json!({"pages": ["/x"], "variants": only(if id == "b" { "control" } else { "bold" })})));
    let all: Vec<Value> = ["a", "b", "c"].iter().map(|id| json!({"experiment": id, "variant": "bold"})).collect();
    let [a, b, c] = parents;
    let plan = compile(&shop(&[a, b, c, running("hero", json!({"requires": all}))]));
    let decisions = crate::support::decide_for(&plan, &[3], visitor("unit-00001"));
    assert_eq!((decisions[0].reason, decisions[0].evidence.other), (Reason::Requires, Some(experiment_at(1))));
}

#[test]
fn of_experiments_that_share_a_surface_the_highest_priority_acts() {
    let claims = |id: &str, priority: i32, keys: &[&str], more: Value| {
        running(id, with(json!({"priority": priority, "conflicts": keys}), more))
    };
    let forced = json!({"overrides": [{"audience": {}, "variant": "bold"}]});
    let (act, lose) = (Reason::Split, Reason::Conflict);
    let none = json!({});
    let cases: Vec<(&str, Vec<Value>, Vec<Reason>)> = vec![
        ("priority", vec![claims("a", 1, &["x"], none.clone()), claims("b", 2, &["x"], none.clone())], vec![lose, act]),
        (
            "of equals the first",
            vec![claims("a", 1, &["x"], none.clone()), claims("b", 1, &["x"], none.clone())],
            vec![act, lose],
        ),
        (
            "other surfaces",
            vec![claims("a", 1, &["x"], none.clone()), claims("b", 2, &["y"], none.clone())],
            vec![act, act],
        ),
        (
            "no surface",
            vec![running("a", json!({"priority": -5})), claims("b", 2, &["y"], none.clone())],
            vec![act, act],
        ),
        (
            "one key of several is enough",
            vec![claims("a", 1, &["x", "y"], none.clone()), claims("b", 2, &["y", "z"], none.clone())],
            vec![lose, act],
        ),
        (
            "who lost owns nothing",
            vec![
                claims("a", 3, &["x"], none.clone()),
                claims("b", 2, &["x", "y"], none.clone()),
                claims("c", 1, &["y"], none.clone()),
            ],
            vec![act, lose, act],
        ),
        (
            "who does not act owns nothing",
            vec![claims("a", 9, &["x"], json!({"traffic": 0})), claims("b", 1, &["x"], none.clone())],
            vec![Reason::Traffic, act],
        ),
        (
            "what is forced comes first",
            vec![claims("a", 9, &["x"], none.clone()), claims("b", 1, &["x"], forced.clone())],
            vec![lose, Reason::Forced],
        ),
        (
            "two that are forced are both shown",
            vec![claims("a", 9, &["x"], forced.clone()), claims("b", 1, &["x"], forced)],
            vec![Reason::Forced, Reason::Forced],
        ),
        (
            "negative priorities",
            vec![
                claims("a", -1, &["x"], none.clone()),
                claims("b", i32::MIN, &["x"], none.clone()),
                claims("c", 0, &["x"], none),
            ],
            vec![lose, lose, act],
        ),
    ];
    for (name, experiments, expected) in cases {
        let plan = compile(&shop(&experiments));
        let ids: Vec<&str> = plan.experiments.iter().map(|e| &*e.id).collect();
        assert_eq!(reasons(&plan, &ids), expected, "{name}");
    }
}

/// An experiment that lost its surface gives nobody its variant, so those that require it go too, down the chain; and
/// what had lost to one of those stays out.
#[test]
fn who_requires_a_loser_does_not_act_either() {
    let top = running("top", json!({"priority": 9, "conflicts": ["x"]}));
    let parent = running("parent", json!({"conflicts": ["x"], "variants": only("bold")}));
    let child = running(
        "child",
        with(requires("parent", "bold"), json!({"variants": only("bold"), "conflicts": ["y"], "priority": 3})),
    );
    let grandchild = running("grandchild", requires("child", "bold"));
    let beaten = running("beaten", json!({"conflicts": ["y"]}));
    let all = [top, parent, child, grandchild, beaten];
    let ids = ["top", "parent", "child", "grandchild", "beaten"];
    let mut random = Random(2);
    for _ in 0..20 {
        let mut order = all.clone();
        random.shuffle(&mut order);
        let plan = compile(&shop(&order));
        assert_eq!(
            reasons(&plan, &ids),
            [Reason::Split, Reason::Conflict, Reason::Requires, Reason::Requires, Reason::Conflict]
        );
    }
}

/// A chain may lead through experiments of other pages: whoever requires one that requires a loser has lost as well, unless
/// what stands between acts in any case.
#[test]
fn a_chain_through_other_pages_breaks_where_its_start_lost() {
    let top = running("top", json!({"priority": 9, "conflicts": ["x"]}));
    let parent = |rank: i32| running("parent", json!({"priority": rank, "conflicts": ["x"], "variants": only("bold")}));
    let away = |id: &str, of: &str, more: Value| {
        running(id, with(with(requires(of, "bold"), json!({"variants": only("bold"), "pages": ["/away"]})), more))
    };
    let child = running("child", requires("further", "bold"));
    for (rank, more, expected) in [
        (0, json!({}), Reason::Requires),
        (10, json!({}), Reason::Split),
        (0, json!({"winner": "bold"}), Reason::Split),
    ] {
        let all = [
            top.clone(),
            parent(rank),
            away("between", "parent", more.clone()),
            away("further", "between", json!({})),
            child.clone(),
        ];
        let plan = compile(&shop(&all));
        assert_eq!(reasons(&plan, &["child"]), [expected], "{rank} {more}");
        let reversed: Vec<Value> = all.into_iter().rev().collect();
        assert_eq!(reasons(&compile(&shop(&reversed)), &["child"]), [expected], "{rank} {more}");
    }
}

/// One of a thousand requirements deep, so that no document exhausts the stack; a chain of thirty is fine.
#[test]
fn chains_of_requirements_are_bounded() {
    for (length, expected) in [(30, Reason::Split), (1_000, Reason::Requires)] {
        let chain: Vec<Value> = (0..length)
            .map(|n| {
                let more = if n == 0 { json!({}) } else { requires(&format!("e{}", n - 1), "bold") };
                running(&format!("e{n}"), with(json!({"variants": only("bold"), "pages": ["/x"]}), more))
            })
            .collect();
        let plan = compile(&shop(&chain));
        let decisions = crate::support::decide_for(&plan, &[length - 1], visitor("unit-00001"));
        assert_eq!(decisions[0].reason, expected, "{length}");
    }
}
