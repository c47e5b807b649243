//! What a team insists on, who agreed, what is overdue: `check`, `push` and `list` over the fields for people.

use super::{document, file, hero, run};
use crate::support::with;
use serde_json::{Value, json};

fn shop(policy: &Value, more: Value) -> Value {
    let mut shop = document(&json!([with(hero(), more)]));
    shop["policy"] = policy.clone();
    shop["metrics"] = json!({"purchase": {"event": "purchase", "kind": "proportion"},
        "revenue": {"event": "purchase", "kind": "mean"}});
    shop
}

fn problems(name: &str, document: &Value, more: &[&str]) -> (i32, Vec<String>) {
    let path = file(name, &document.to_string());
    let ran = run(&[&["check", path.to_str().unwrap()], more].concat());
    (ran.code, ran.err.lines().filter(|line| line.contains("policy")).map(str::to_owned).collect())
}

#[test]
fn check_holds_experiments_against_the_policy() {
    let policy = json!({"min_days": 14, "guardrails": ["revenue", "nothing"], "methods": ["sequential", "fixed"]});
    let broken = json!({"starts_at": "2998-12-20T00:00:00Z", "analysis": {"method": "bayesian"},
        "metrics": {"primary": "purchase", "guardrails": []}});
    let (code, told) = problems("broken", &shop(&policy, broken.clone()), &[]);
    assert_eq!(code, 1);
    let wanted = [
        "error policy.guardrails[1]: the document has no metric `nothing`: add it to `metrics`",
        "error experiments[0].metrics.guardrails: `revenue` is not among them, and `policy.guardrails` wants it in every experiment",
        "error experiments[0].metrics.guardrails: `nothing` is not among them, and `policy.guardrails` wants it in every experiment",
        "error experiments[0].analysis.method: `bayesian` is none of those that `policy.methods` allows: sequential, fixed",
        "error experiments[0].ends_at: it runs 12 days, and `policy.min_days` wants at least 14: end it later",
    ];
    assert_eq!(told, wanted);
    // why: a draft is still being written, and what is over cannot be mended
    for status in ["draft", "completed"] {
        let (_, told) = problems(status, &shop(&policy, with(broken.clone(), json!({"status": status}))), &[]);
        assert_eq!(told, wanted[..1]);
    }
    let kept =
        json!({"metrics": {"primary": "purchase", "guardrails": [{"metric": "revenue", "min_relative": -0.02}]}});
    let policy = json!({"guardrails": ["revenue"], "methods": ["sequential"], "approvals": 2});
    assert_eq!(problems("kept", &shop(&policy, kept), &["--strict"]).1, Vec::<String>::new());
    // why: nobody wrote that a week is the least
    assert_eq!(problems("short", &shop(&json!({}), json!({"starts_at": "2998-12-30T00:00:00Z"})), &[]).1.len(), 0);
}

#[test]
fn what_is_risky_wants_approvals() {
    let policy = json!({"approvals": 2});
    let risky = |approvals: Value| {
        let rollback = json!({"owner": "ops", "when": "it fails"});
        shop(
            &policy,
            json!({"risk": "high", "rollback": rollback, "approvals": approvals, "metrics": {"primary": "purchase"}}),
        )
    };
    let twice = risky(json!(["ada", {"by": "Ada ", "at": "2026-11-20T00:00:00Z"}]));
    let wanted = "experiments[0].approvals: the risk is high and 1 of 2 people approved it that `policy.approvals` wants: name who did";
    assert_eq!(problems("twice", &twice, &[]), (0, vec![format!("warning {wanted}")]));
    assert_eq!(problems("strict", &twice, &["--strict"]), (1, vec![format!("error {wanted}")]));
    let path = file("unapproved", &twice.to_string());
    // why: it is refused before anybody is asked what is live
    let pushed = run(&["push", path.to_str().unwrap(), "--local", "--persist-to", "/nonexistent"]);
    assert_eq!((pushed.code, pushed.err.contains(&format!("error {wanted}"))), (1, true), "{}", pushed.err);
    let agreed = risky(json!(["ada", "grace"]));
    assert_eq!(problems("agreed", &agreed, &["--strict"]).1.len(), 0);
}

#[test]
fn list_warns_of_what_should_be_gone_and_says_who_answers() {
    let late = json!({"cleanup_by": "2026-01-31T00:00:00Z", "owners": {"data": "grace"}, "services": ["search", "cart"],
        "data": ["order values"], "blast_radius": "every basket", "risk": "medium", "approvals": ["ada"]});
    let path = file("late", &shop(&json!({}), late).to_string());
    let listed = run(&["list", path.to_str().unwrap()]);
    assert_eq!(listed.code, 0, "{}", listed.err);
    let warning = "warning experiments[0].cleanup_by: hero: it was to be cleaned up by 2026-01-31";
    assert!(listed.err.contains(warning), "{}", listed.err);
    for said in
        ["data grace", "search, cart", "order values", "every basket", "medium, approved by ada", "by 2026-01-31"]
    {
        assert!(listed.out.contains(said), "{said}: {}", listed.out);
    }
    let row = run(&["list", path.to_str().unwrap(), "--json"]).json()["experiments"][0].clone();
    assert_eq!((&row["services"], &row["approvals"]), (&json!(["search", "cart"]), &json!(["ada"])));
    assert!(row["overdue"].as_str().unwrap().starts_with("it was to be cleaned up by"), "{row}");
    let later = file("later", &shop(&json!({}), json!({"cleanup_by": "2998-01-31T00:00:00Z"})).to_string());
    assert!(!run(&["list", later.to_str().unwrap()]).err.contains("cleanup_by"));
}

/// Before the start: how many of the simulated people are in the smallest cell of two experiments, and what that can tell.
#[test]
fn simulate_says_what_an_interaction_could_be_read_from() {
    let second = with(
        hero(),
        json!({"id": "price", "variants": [{"id": "control", "weight": 90}, {"id": "low", "weight": 10}]}),
    );
    let path = file("pair", &document(&json!([hero(), second])).to_string());
    let ask = |visitors: &str| {
        let arguments =
            ["simulate", path.to_str().unwrap(), "--visitors", visitors, "--url", "https://shop.example/", "--json"];
        run(&arguments).json()["overlap"][0].clone()
    };
    let many = ask("100000");
    assert_eq!((&many["visitors"], &many["smallest_cell"]), (&json!(100_000), &json!(5_000.0)), "half of a tenth");
    // (1.96 + 0.8416) · √(4 · 0.1 · 0.9 / 5,000) / 0.1
    let found = many["detectable_interaction"].as_f64().unwrap();
    assert!((found - 0.237_72).abs() < 1e-4, "{found}");
    assert_eq!(ask("1000")["detectable_interaction"], Value::Null, "not even a doubling");
}
