//! Shadow mode: decided as if it were live, compared with the old tool, and nothing else.

use crate::support::{Browser, HOME, Page, Sent, compile, running, shop, try_compile, values, with};
use serde_json::{Value, json};
use sortition_engine::decide::Reason;
use sortition_engine::plan::Plan;
use sortition_engine::sender::Proof;
use sortition_engine::shadow::{Counts, Tally, Watch};
use sortition_engine::url::Url;
use sortition_engine::visit::{Lane, lane};

fn hero(more: Value) -> Value {
    let variants = json!([
        {"id": "control", "weight": 0},
        {"id": "bold", "key": "B", "weight": 1, "rewrite": [{"select": "h1", "do": "set_text", "value": "Hello"}]}
    ]);
    let shadow = json!({"mode": "shadow", "shadow": {"compare": "cookie.old"}, "variants": variants});
    running("hero", with(shadow, more))
}

fn watch(plan: &Plan, cookie: &str, headers: &[(&str, &str)]) -> Option<Watch> {
    let mut sent = Sent::by(crate::support::CHROME).header("cookie", cookie).header("accept", "text/html");
    for (name, value) in headers {
        sent = sent.header(name, value);
    }
    let page = Page::new(plan, HOME, &sent);
    Watch::new(plan, &page.request(), Proof { now: page.now, ..Proof::default() })
}

fn counts(plan: &Plan, cookie: &str, headers: &[(&str, &str)]) -> Counts {
    let mut tally = Tally::default();
    if let Some(watch) = watch(plan, cookie, headers) {
        tally.count(plan, &watch);
    }
    tally.total().unwrap_or_default()
}

#[test]
fn a_shadow_changes_nothing() {
    let plan = compile(&shop(&[hero(json!({}))]));
    let (intent, finish) = Browser::new(1).visit(&plan, HOME);
    assert!(intent.decisions.is_empty() && finish.exposed.is_empty() && finish.rewriting.is_none());
    assert_eq!(values(&finish.changes, "Set-Cookie"), [""; 0]);
    let now = crate::support::now();
    assert_eq!(lane(Some(&plan), "GET", &Url::split(HOME), now), Lane::Previewable);
    assert!(plan.has_shadow_on("GET", &Url::split(HOME), now));
    // beside a live one, that one alone acts, and is told
    let plan = compile(&shop(&[hero(json!({})), running("price", json!({}))]));
    let (intent, _) = Browser::new(1).visit(&plan, HOME);
    assert_eq!(intent.decisions.len(), 1);
    assert!(intent.told_origin.starts_with("price="), "{}", intent.told_origin);
}

/// The mode is enough: with nothing to compare it with, a shadow is decided all the same, and counted as unanswered.
#[test]
fn a_shadow_of_nothing_is_decided_and_counted() {
    let mut alone = hero(json!({}));
    alone.as_object_mut().unwrap().remove("shadow");
    let plan = compile(&shop(&[alone]));
    let (intent, _) = Browser::new(1).visit(&plan, HOME);
    assert!(intent.decisions.is_empty());
    let counts = counts(&plan, "old=B; sortition_id=visitor-0001", &[]);
    assert_eq!(counts, Counts { silent: 1, ..Counts::default() });
}

#[test]
fn live_experiments_do_not_see_a_shadow() {
    // a conflict, a layer and a requirement with a shadow: as if it were a draft
    let surface = json!({"conflicts": ["top"], "priority": 9});
    let plan = compile(&shop(&[hero(surface), running("price", json!({"conflicts": ["top"]}))]));
    let (intent, _) = Browser::new(1).visit(&plan, HOME);
    assert!(intent.decisions[0].reason.acts());
    let needs = json!({"requires": [{"experiment": "hero", "variant": "bold"}]});
    let plan = compile(&shop(&[hero(json!({})), running("price", needs)]));
    let (intent, _) = Browser::new(1).visit(&plan, HOME);
    assert_eq!(intent.decisions[0].reason, Reason::Requires);
    // a shadow that requires a shadow is compared by it
    let child = json!({"id": "child", "requires": [{"experiment": "hero", "variant": "bold"}]});
    let plan = compile(&shop(&[hero(json!({})), hero(child)]));
    let both = counts(&plan, "sortition_id=visitor-0001; old=B", &[]);
    assert_eq!(both, Counts { agree: 2, ..Counts::default() });
}

#[test]
fn agreement_is_counted() {
    let plan = compile(&shop(&[hero(json!({}))]));
    let id = "sortition_id=visitor-0001";
    let one = |field: &str| {
        let mut counts = Counts::default();
        match field {
            "agree" => counts.agree = 1,
            "differ" => counts.differ = 1,
            "unknown" => counts.unknown = 1,
            "silent" => counts.silent = 1,
            "unidentified" => counts.unidentified = 1,
            _ => {}
        }
        counts
    };
    let by = |old: &str| counts(&plan, &format!("{id}{old}"), &[]);
    assert_eq!(by("; old=B"), one("agree"));
    assert_eq!(by("; old=bold"), one("agree"));
    assert_eq!(by("; old=control"), one("differ"));
    assert_eq!(by("; old=null"), one("differ"));
    assert_eq!(by("; old="), one("differ"));
    assert_eq!(by("; old=%3Cscript%3E"), one("unknown"));
    assert_eq!(by(""), one("silent"));
    assert_eq!(counts(&plan, "old=B", &[]), one("unidentified"));
    // nobody is compared who would not be decided for: a crawler, a prefetch
    assert_eq!(counts(&plan, &format!("{id}; old=B"), &[("user-agent", "Googlebot/2.1")]), one(""));
    assert_eq!(counts(&plan, &format!("{id}; old=B"), &[("sec-purpose", "prefetch")]), one(""));
    // who is not assigned agrees with a tool that assigned nobody
    let nobody = compile(&shop(&[hero(json!({"traffic": 0}))]));
    assert_eq!(counts(&nobody, &format!("{id}; old=null"), &[]), one("agree"));
    assert_eq!(counts(&nobody, &format!("{id}; old=B"), &[]), one("differ"));
    for off in
        [json!({"status": "paused"}), json!({"ends_at": "2020-01-01T00:00:00Z", "starts_at": "2019-01-01T00:00:00Z"})]
    {
        let plan = compile(&shop(&[hero(off)]));
        assert!(watch(&plan, &format!("{id}; old=B"), &[]).is_none());
    }
}

#[test]
fn a_header_is_the_requests_or_the_answers() {
    let plan = compile(&shop(&[hero(json!({"shadow": {"compare": "header.X-Old"}}))]));
    let id = "sortition_id=visitor-0001";
    assert_eq!(counts(&plan, id, &[("x-old", "B")]).agree, 1);
    let mut waiting = watch(&plan, id, &[]).unwrap();
    assert_eq!(waiting.headers().collect::<Vec<_>>(), ["x-old"]);
    let mut tally = Tally::default();
    tally.count(&plan, &waiting);
    assert_eq!(tally.total(), None);
    waiting.answered(&plan, [Some("control")].into_iter());
    tally.count(&plan, &waiting);
    assert_eq!(tally.total().unwrap().differ, 1);
    let shown: Vec<Value> = tally.differences().iter().map(|it| serde_json::from_str(&it.to_json()).unwrap()).collect();
    let expected =
        json!([{"experiment": "hero", "unit": "visitor-0001", "ours": "bold", "reason": "split", "theirs": "control"}]);
    assert_eq!(Value::from(shown), expected);
    let counts: Value = serde_json::from_str(&tally.total().unwrap().to_json()).unwrap();
    assert_eq!(counts, json!({"agree": 0, "differ": 1, "unknown": 0, "silent": 0, "unidentified": 0}));
}

/// Compared with a tool's own cookies, the hash is what decides: what they say must not be compared with itself. Compared
/// with anything else, what will be adopted is.
#[test]
fn what_would_be_adopted_counts_except_against_itself() {
    let document = |compare: &str| {
        let mut document = shop(&[hero(json!({"shadow": {"compare": compare}}))]);
        document["visitor"] = json!({"adopt": [{"from": "vwo"}]});
        compile(&document)
    };
    let cookie = "sortition_id=visitor-0001; _vis_opt_exp_hero_combi=1; old=control";
    assert_eq!(counts(&document("vwo"), cookie, &[]).differ, 1);
    assert_eq!(counts(&document("cookie.old"), cookie, &[]).agree, 1);
}

#[test]
fn counts_are_of_one_document_and_bounded() {
    let mut tally = Tally::default();
    let document = |revision: &str| with(shop(&[hero(json!({}))]), json!({"revision": revision}));
    let (first, second) = (compile(&document("r1")), compile(&document("r2")));
    for number in 0..50 {
        let cookie = format!("sortition_id=visitor-{number:04}; old={}", "x".repeat(3_000));
        tally.count(&first, &watch(&first, &cookie, &[]).unwrap());
    }
    assert_eq!(tally.total().unwrap().unknown, 50);
    assert_eq!(tally.differences().len(), 10);
    assert!(tally.differences().iter().map(|it| it.to_json().len()).sum::<usize>() < 3_000);
    tally.count(&second, &watch(&second, "sortition_id=visitor-0001; old=B", &[]).unwrap());
    assert_eq!((tally.total().unwrap().agree, tally.total().unwrap().unknown), (1, 0));
}

#[test]
fn a_shadow_says_with_what_it_is_compared() {
    let refused = |more: Value| try_compile(&shop(&[hero(more)])).is_none();
    for compare in ["cookie.old", "header.X-Old", "growthbook", "vwo"] {
        assert!(!refused(json!({"shadow": {"compare": compare}})), "{compare}");
    }
    for compare in ["cookie.", "cookie.a b", "header.x\ny", "mixpanel", "", "url"] {
        assert!(refused(json!({"shadow": {"compare": compare}})), "{compare}");
    }
    assert!(!refused(json!({"shadow": null})));
    assert!(refused(json!({"assigned_by": "growthbook"})));
}
