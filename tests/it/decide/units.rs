//! Who is assigned: visitors, users, sessions, and several people on one device.

use crate::support::{Browser, HOME, Random, compile, running, shop, with};
use serde_json::{Value, json};
use sortition_engine::decide::Reason;
use sortition_engine::document::UnitKind;
use sortition_engine::plan::Plan;

fn plan(hero: Value) -> Plan {
    compile(&with(shop(&[running("hero", hero)]), json!({"visitor": {"user_cookie": "user", "user_header": "X-User"}})))
}

fn told(browser: &mut Browser, plan: &Plan) -> String {
    browser.visit(plan, HOME).0.told_client
}

fn log_in(browser: &mut Browser, user: &str) {
    browser.cookies.insert("user".to_owned(), user.to_owned());
}

#[test]
fn a_users_experiment_waits_for_the_login() {
    let plan = plan(json!({"unit": "user"}));
    let mut browser = Browser::new(1);
    let (intent, _) = browser.visit(&plan, HOME);
    assert_eq!(intent.decisions[0].reason, Reason::Audience, "no user, no unit");
    log_in(&mut browser, "u-1");
    let (intent, _) = browser.visit(&plan, HOME);
    assert_eq!((intent.decisions[0].reason, intent.decisions[0].evidence.unit), (Reason::Split, Some(UnitKind::User)));
}

/// The same user on any number of devices gets the same variant.
#[test]
fn a_user_is_the_same_on_every_device() {
    let plan = plan(json!({"unit": "user", "else_unit": null}));
    for user in 0..50 {
        let variants: std::collections::BTreeSet<String> = (0..5)
            .map(|device| {
                let mut browser = Browser::new(device);
                log_in(&mut browser, &format!("u-{user}"));
                told(&mut browser, &plan)
            })
            .collect();
        assert_eq!(variants.len(), 1, "user {user}: {variants:?}");
    }
}

/// Login and logout move nobody; a second user on the device is a unit of their own, whatever the first was given.
#[test]
fn on_a_shared_device_everybody_keeps_their_own() {
    let plan = plan(json!({"unit": "user", "else_unit": "visitor"}));
    let alone = |user: &str| {
        let mut browser = Browser::new(999);
        log_in(&mut browser, user);
        told(&mut browser, &plan)
    };
    let mut differed = 0;
    for seed in 0..300 {
        let mut browser = Browser::new(seed);
        let anonymous = told(&mut browser, &plan);
        let (first, second) = (format!("first-{seed}"), format!("second-{seed}"));
        log_in(&mut browser, &first);
        assert_eq!(told(&mut browser, &plan), anonymous, "who logs in keeps the visitor's variant");
        assert_eq!(told(&mut browser, &plan), anonymous, "and keeps it");
        browser.cookies.remove("user");
        assert_eq!(told(&mut browser, &plan), anonymous, "and after logout");
        log_in(&mut browser, &second);
        assert_eq!(told(&mut browser, &plan), alone(&second), "another user has their own");
        differed += usize::from(alone(&second) != anonymous);
        browser.cookies.remove("user");
        assert_eq!(told(&mut browser, &plan), alone(&second), "the device keeps what was shown last");
    }
    assert!((100..200).contains(&differed), "{differed} of 300 second users differ from the first");
}

/// A visitor's experiment does not care who is logged in.
#[test]
fn a_visitor_is_one_whoever_logs_in() {
    let plan = plan(json!({}));
    for seed in 0..100 {
        let mut browser = Browser::new(seed);
        let before = told(&mut browser, &plan);
        for user in ["u-1", "u-2"] {
            log_in(&mut browser, user);
            assert_eq!(told(&mut browser, &plan), before);
        }
    }
}

#[test]
fn a_session_ends_with_the_browser() {
    let plan = plan(json!({"unit": "session"}));
    let mut changed = 0;
    for seed in 0..200 {
        let mut browser = Browser::new(seed);
        let first = told(&mut browser, &plan);
        assert_eq!(told(&mut browser, &plan), first, "within the session");
        let id = browser.cookies["sortition_id"].clone();
        browser.restart();
        let second = told(&mut browser, &plan);
        assert_eq!(browser.cookies["sortition_id"], id, "the visitor stays");
        changed += usize::from(second != first);
    }
    assert!((70..130).contains(&changed), "{changed} of 200 sessions were split anew to the other variant");
}

/// A user's header goes before the cookie; what may be an address or is too long is no user.
#[test]
fn what_counts_as_a_user() {
    let plan = plan(json!({"unit": "user"}));
    let long = "x".repeat(129);
    for (header, cookie, user) in [
        (Some("h-1"), Some("c-1"), Some("h-1")),
        (None, Some("c-1"), Some("c-1")),
        (None, Some("jane@shop.example"), None),
        (Some(&*long), None, None),
        (None, Some(""), None),
        (None, None, None),
    ] {
        let mut browser = Browser::new(1);
        if let Some(header) = header {
            browser.sent = browser.sent.header("x-user", header);
        }
        if let Some(cookie) = cookie {
            log_in(&mut browser, cookie);
        }
        let (intent, _) = browser.visit(&plan, HOME);
        assert_eq!(intent.visitor().unwrap().user.as_deref(), user, "{header:?} {cookie:?}");
    }
}

/// Conditions may ask for the user in an experiment of visitors.
#[test]
fn an_audience_may_ask_for_the_user() {
    let plan = plan(json!({"audience": {"user_id": {"$exists": true}}}));
    let mut browser = Browser::new(1);
    assert_eq!(browser.visit(&plan, HOME).0.decisions[0].reason, Reason::Audience);
    log_in(&mut browser, "u-1");
    assert_eq!(browser.visit(&plan, HOME).0.decisions[0].reason, Reason::Split);
}

#[test]
fn the_visit_tells_new_visitors_from_those_who_return() {
    let plan = plan(json!({"audience": {"visitor_type": "new"}, "sticky": false}));
    let mut browser = Browser::new(1);
    assert_eq!(browser.visit(&plan, HOME).0.decisions[0].reason, Reason::Split);
    assert_eq!(browser.visit(&plan, HOME).0.decisions[0].reason, Reason::Audience);
}

/// The treatment, by `response_headers`, on each visit of a browser that is closed after every second one.
fn shown(display: &str) -> Vec<bool> {
    let variants = json!([{"id": "control", "weight": 0},
        {"id": "bold", "weight": 1, "response_headers": {"x-shown": "1"}}]);
    let plan = plan(json!({"display": display, "variants": variants}));
    let mut browser = Browser::new(1);
    (0..6)
        .map(|visit| {
            if visit > 0 && visit % 2 == 0 {
                browser.restart();
            }
            let (intent, _) = browser.visit(&plan, HOME);
            assert_eq!(intent.told_client, "hero=bold");
            intent.treatments(&plan).next().is_some()
        })
        .collect()
}

#[test]
fn a_treatment_is_displayed_as_often_as_the_document_says() {
    assert_eq!(shown("always"), [true; 6]);
    assert_eq!(shown("once"), [true, false, false, false, false, false]);
    assert_eq!(shown("once_per_visit"), [true, false, true, false, true, false]);
}

/// A page with the treatment and one without are different pages, also to the browser's cache.
#[test]
fn validators_tell_whether_the_treatment_was_displayed() {
    let variants = json!([{"id": "bold", "weight": 1, "response_headers": {"x-shown": "1"}}]);
    let plan = plan(json!({"display": "once", "variants": variants}));
    let answer = sortition_engine::execution::Answer { etag: Some("\"page\""), ..crate::support::html() };
    let mut browser = Browser::new(1);
    let tags: Vec<String> = (0..3)
        .map(|_| crate::support::values(&browser.visit_answered(&plan, HOME, &answer).1.changes, "ETag")[0].to_owned())
        .collect();
    assert_ne!(tags[0], tags[1]);
    assert_eq!(tags[1], tags[2]);
}

/// Each exposure is sent once: what a visitor met stays the visitor's after login and logout, and another user of the
/// browser meets their own.
#[test]
fn a_unit_is_exposed_once() {
    let plan = plan(json!({"unit": "user", "else_unit": "visitor"}));
    let mut random = Random(8);
    for _ in 0..50 {
        let mut browser = Browser::new(random.next());
        let exposed = |browser: &mut Browser| browser.visit(&plan, HOME).1.exposed.len();
        assert_eq!([exposed(&mut browser), exposed(&mut browser)], [1, 0]);
        log_in(&mut browser, "u-1");
        let (intent, reply) = browser.visit(&plan, HOME);
        assert_eq!(reply.exposed.len(), 0, "it is the visitor's, who is this user");
        assert_eq!(intent.decisions[0].evidence.unit, Some(UnitKind::Visitor));
        browser.cookies.remove("user");
        assert_eq!(exposed(&mut browser), 0);
        log_in(&mut browser, "u-2");
        assert_eq!([exposed(&mut browser), exposed(&mut browser)], [1, 0], "another user is another unit");
        log_in(&mut browser, "u-1");
        assert_eq!(exposed(&mut browser), 0, "who comes back has what they had");
    }
}
