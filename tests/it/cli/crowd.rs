//! The commands that send many visitors through the engine: `simulate`, `diff`, and how many `plan` asks for.

use super::{DEMO, document, file, hero, run, run_with};
use serde_json::{Value, json};
use sortition_engine::plan::VariantAt;

#[test]
fn simulate_is_the_same_for_the_same_visitors() {
    let arguments = ["simulate", DEMO, "--visitors", "20000", "--at", "2026-11-22T00:00:00Z", "--json"];
    let (one, other) = (run(&arguments), run(&arguments));
    assert_eq!((one.code, &one.out), (0, &other.out));
    let answer = one.json();
    for experiment in answer["experiments"].as_array().unwrap() {
        let variants = experiment["variants"].as_array().unwrap();
        let sum: u64 = variants.iter().map(|variant| variant["visitors"].as_u64().unwrap()).sum();
        assert_eq!(experiment["visitors"], sum);
        assert_eq!(experiment["srm"]["flagged"], false);
    }
    assert_eq!(answer["layers"][0]["in_two_at_once"], 0);
    let seeded = run(&[&arguments[..], &["--seed", "2"]].concat());
    assert_ne!(seeded.out, one.out, "other visitors");
}

#[test]
fn simulate_takes_ids_in_any_order_and_finds_a_bad_sample() {
    let ids = |list: &[String]| format!("visitor_id,country\n{}\n", list.join(",DE\n"));
    let mut list: Vec<String> = (0..3000).map(|number| format!("visitor-{number:06}")).collect();
    let arguments = ["simulate", DEMO, "--ids", "-", "--at", "2026-11-22T00:00:00Z", "--json"];
    let one = run_with(&arguments, &ids(&list));
    list.reverse();
    assert_eq!((one.code, &one.out), (0, &run_with(&arguments, &ids(&list)).out));
    assert_eq!(one.json()["visitors"], 3000);

    // ids of one variant only are no random sample, and the test says so
    use sortition_engine::{document::Document, plan::Plan};
    let plan =
        Plan::compile(&Document::parse(include_str!("../../../fixtures/demo/experiments.json")).unwrap()).unwrap();
    let hero = plan.experiments.get(plan.experiment("hero").unwrap()).unwrap();
    list.retain(|id| hero.split(hero.variant_salt.bucket(id)) == VariantAt::CONTROL);
    let biased = run_with(&arguments, &ids(&list));
    assert_eq!(biased.code, 1);
    assert!(biased.err.starts_with("error experiments[0].variants: "), "{}", biased.err);
    assert_eq!(run_with(&arguments, "id\nshort\n").code, 2);
}

#[test]
fn simulate_reads_ids_as_exports_have_them() {
    let arguments = ["simulate", DEMO, "--ids", "-", "--at", "2026-11-22T00:00:00Z", "--json"];
    let plain = run_with(&arguments, "visitor-0001\nvisitor-0002\n");
    let exports = [
        "\u{feff}country,\"Visitor_ID\",page\r\nDE,\"visitor-0001\",/\r\nUS,visitor-0002,/p/1\r\nUS,visitor-0002,/\r\n",
        "anonymous_id\nvisitor-0002\nvisitor-0001\n\nvisitor-0001\n",
    ];
    for export in exports {
        let ran = run_with(&arguments, export);
        assert_eq!((ran.code, &ran.out), (0, &plain.out), "{export}: {}", ran.err);
    }
    let wrong = run_with(&arguments, "visitor_id,country\nvisitor-0001,DE\nDE,visitor-0002\n");
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("line 3 of the ids: \"DE\" is no visitor id"), "{}", wrong.err);
}

/// What is changed in the document of [`hero`], the danger that refuses it, and whether visitors change variant.
#[test]
fn diff_refuses_what_moves_visitors() {
    type Edit = fn(&mut Value);
    let cases: &[(&str, Edit, Option<&str>, bool)] = &[
        ("nothing", |_| {}, None, false),
        ("traffic", |d| d["experiments"][0]["traffic"] = json!(50), None, false),
        ("name", |d| d["experiments"][0]["name"] = json!("Hero"), None, false),
        ("status", |d| d["experiments"][0]["status"] = json!("paused"), None, false),
        ("salt", |d| d["salt"] = json!("other"), Some("salt"), false),
        ("iteration", |d| d["experiments"][0]["iteration"] = json!(2), Some("iteration"), true),
        ("sticky weights", |d| d["experiments"][0]["variants"][0]["weight"] = json!(80), None, false),
        (
            "weights",
            |d| {
                d["experiments"][0]["variants"][0]["weight"] = json!(80);
                d["experiments"][0]["sticky"] = json!(false);
            },
            Some("weights"),
            true,
        ),
        (
            "order",
            |d| d["experiments"][0]["variants"].as_array_mut().unwrap().reverse(),
            Some("variants,control"),
            false,
        ),
        (
            "removed",
            |d| d["experiments"][0]["variants"][1] = json!({"id": "calm", "weight": 50}),
            Some("variants"),
            true,
        ),
        (
            "layer",
            |d| {
                d["experiments"][0]["layer"] = json!("l");
                d["experiments"][0]["slots"] = json!([0, 5000]);
            },
            Some("layer"),
            false,
        ),
    ];
    let before = document(&json!([hero()]));
    for (name, edit, danger, moves) in cases {
        let mut after = before.clone();
        edit(&mut after);
        let old = file(&format!("old-{name}.json"), &before.to_string());
        let new = file(&format!("new-{name}.json"), &after.to_string());
        let arguments = ["diff", old.to_str().unwrap(), new.to_str().unwrap(), "--visitors", "2000", "--json"];
        let ran = run(&arguments);
        let answer = ran.json();
        assert_eq!(ran.code, i32::from(danger.is_some()), "{name}: {}", ran.err);
        assert_eq!(answer["ok"], danger.is_none(), "{name}");
        assert_eq!(answer["impact"][0]["changed_percent"].as_f64().unwrap() > 0.0, *moves, "{name}: {answer:#}");
        if let Some(danger) = danger {
            assert!(ran.err.lines().all(|line| line.starts_with("error ") && line.contains("--allow ")), "{}", ran.err);
            let allowed = run(&[&arguments[..], &["--allow", danger]].concat());
            assert_eq!((allowed.code, allowed.err.as_str()), (0, ""), "{name}");
        }
    }
    let mut staged = before.clone();
    staged["experiments"][0]["env"] = json!({"staging": {"traffic": 7}});
    let staged = file("staged.json", &staged.to_string());
    let old = file("unstaged.json", &before.to_string());
    let arguments = ["diff", old.to_str().unwrap(), staged.to_str().unwrap(), "--env", "staging", "--json"];
    let changes = run(&arguments).json()["changes"].to_string();
    assert!(changes.contains("traffic") && !changes.contains("env"), "{changes}");

    let same = file("same.json", &before.to_string());
    let same = same.to_str().unwrap();
    assert_eq!(run(&["diff", same, same]).out, "nothing changes\n");
}

#[test]
fn diff_counts_who_leaves_and_who_enters() {
    let mut after = hero();
    after["traffic"] = json!(25);
    let old = file("full.json", &document(&json!([hero()])).to_string());
    let new = file("quarter.json", &document(&json!([after])).to_string());
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    // who has an assignment keeps it when traffic falls
    let down = run(&["diff", old, new, "--json"]).json();
    assert_eq!((&down["impact"][0]["left_percent"], &down["impact"][0]["entered_percent"]), (&json!(0.0), &json!(0.0)));
    let up = run(&["diff", new, old, "--json"]).json();
    assert_eq!(up["impact"][0]["left_percent"], json!(0.0));
    let entered = up["impact"][0]["entered_percent"].as_f64().unwrap();
    assert!((70.0..80.0).contains(&entered), "{entered}");
}

#[test]
fn plan_counts_visitors_and_days() {
    let ask = |more: &[&str]| {
        let arguments = ["plan", DEMO, "hero", "--daily", "100000", "--json"];
        run(&[&arguments[..], more].concat()).json()
    };
    let rate = ask(&["--baseline", "0.1", "--mde", "0.1"]);
    // unpooled, two-sided: (1.959964 + 0.841621)² (0.1·0.9 + 0.11·0.89) / 0.01² = 14,748.2 a variant
    assert_eq!(rate["fixed"]["per_variant"], json!([14749, 14749]));
    assert_eq!(rate["fixed"]["days"], 7, "a day would do, and people buy otherwise on the other days of the week");
    assert_eq!(ask(&["--baseline", "0.1", "--mde", "0.002"])["fixed"]["days"].as_u64().unwrap() % 7, 0);
    assert!(rate["sequential"]["visitors"].as_u64() > rate["fixed"]["visitors"].as_u64());
    let mean = ask(&["--baseline", "50", "--sd", "70", "--mde", "0.02"]);
    // 2 (1.959964 + 0.841621)² 70² / 1² = 76,919.2
    let per = mean["fixed"]["per_variant"][0].as_u64().unwrap();
    assert!((76_900..76_940).contains(&per), "{per}");
}
