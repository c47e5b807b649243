//! Assignments out of other tools' cookies: on first sight kept as ours, never for a variant that does not exist, and no
//! text of a cookie breaks anything.

use crate::support::{Browser, HOME, Page, Sent, at, compile, running, shop, try_compile, values, with};
use proptest::prelude::*;
use serde_json::{Value, json};
use sortition_engine::decide::Reason;
use sortition_engine::plan::{Plan, Position};

/// Everybody who is split gets the control, so that another variant is somebody's who was taken over.
fn hero(more: Value) -> Value {
    let variants = json!([
        {"id": "control", "weight": 1}, {"id": "bold", "key": "bold-key", "weight": 0}, {"id": "dark", "weight": 0}
    ]);
    running("hero", with(json!({"variants": variants}), more))
}

fn document(adopt: Value, experiments: &[Value]) -> Value {
    let mut document = shop(experiments);
    document["visitor"] = json!({"cookie": "gbuuid", "adopt": adopt});
    document
}

fn adopting(adopt: Value, more: Value) -> Plan {
    compile(&document(adopt, &[hero(more)]))
}

/// What a browser with these cookies is given.
fn given(plan: &Plan, cookies: &[(&str, &str)]) -> (Reason, Option<String>) {
    let mut browser = Browser::new(1);
    for (name, value) in cookies {
        browser.cookies.insert((*name).to_owned(), (*value).to_owned());
    }
    let (intent, _) = browser.visit(plan, HOME);
    crate::support::outcome(plan, &intent.decisions, "hero")
}

fn kept(variant: &str) -> (Reason, Option<String>) {
    (Reason::Sticky, Some(variant.to_owned()))
}

fn split() -> (Reason, Option<String>) {
    (Reason::Split, Some("control".to_owned()))
}

#[test]
fn growthbooks_sticky_bucket_is_kept_and_exposed_once() {
    let plan = adopting(json!([{"from": "growthbook"}]), json!({"key": "checkout"}));
    let bucket = "%7B%22attributeName%22%3A%22id%22%2C%22attributeValue%22%3A%22abc%22%2C%22assignments%22%3A%7B%22checkout__0%22%3A%22bold-key%22%7D%7D";
    let mut browser = Browser::new(1);
    browser.cookies.insert("gbuuid".to_owned(), "abc".to_owned());
    browser.cookies.insert("gbStickyBuckets__id||abc".to_owned(), bucket.to_owned());
    let (intent, finish) = browser.visit(&plan, HOME);
    assert_eq!(crate::support::outcome(&plan, &intent.decisions, "hero"), kept("bold"));
    assert_eq!(finish.exposed, [0]);
    let set = values(&finish.changes, "Set-Cookie");
    assert!(set.iter().any(|cookie| cookie.starts_with("sortition_as=")), "{set:?}");
    assert!(!set.iter().any(|cookie| cookie.starts_with("gb")), "{set:?}");
    // why: from now on it is ours, whatever the old tool's cookie says
    browser.cookies.insert("gbStickyBuckets__id||abc".to_owned(), bucket.replace("bold-key", "dark"));
    let (intent, finish) = browser.visit(&plan, HOME);
    assert_eq!(crate::support::outcome(&plan, &intent.decisions, "hero"), kept("bold"));
    assert!(finish.exposed.is_empty());
    browser.cookies.retain(|name, _| !name.starts_with("gbSticky"));
    let (intent, _) = browser.visit(&plan, HOME);
    assert_eq!(crate::support::outcome(&plan, &intent.decisions, "hero"), kept("bold"));
}

#[test]
fn growthbooks_buckets_are_those_of_the_id_and_the_version() {
    let bucket = |value: &str, assignments: Value| {
        json!({"attributeName": "id", "attributeValue": value, "assignments": assignments}).to_string()
    };
    let plan = adopting(json!([{"from": "growthbook"}]), json!({"key": "checkout"}));
    let by = |cookies: &[(&str, &str)]| given(&plan, cookies);
    let own = bucket("abc", json!({"checkout__0": "bold-key"}));
    let other = bucket("xyz", json!({"checkout__0": "dark"}));
    // why: servers encode the name of the cookie too
    for name in ["gbStickyBuckets__id||abc", "gbStickyBuckets__id%7C%7Cabc"] {
        assert_eq!(by(&[("gbuuid", "abc"), (name, &own)]), kept("bold"));
    }
    // another id's bucket is another person's, before and behind one's own
    assert_eq!(by(&[("gbuuid", "abc"), ("gbStickyBuckets__id||xyz", &other)]), split());
    let both = [("gbuuid", "abc"), ("gbStickyBuckets__id||a", &*other), ("gbStickyBuckets__id||b", &own)];
    assert_eq!(by(&both), kept("bold"));
    // of a browser that keeps its id where the edge cannot see it, the cookie is all there is
    assert_eq!(by(&[("gbStickyBuckets__id||xyz", &other)]), kept("dark"));
    // a bucket of another version is none of this one
    let older = bucket("abc", json!({"checkout__1": "bold-key", "other__0": "bold-key"}));
    assert_eq!(by(&[("gbuuid", "abc"), ("gbStickyBuckets__id||abc", &older)]), split());
    let names = json!([{"from": "growthbook", "names": {"hero": "checkout__1"}}]);
    let newer = adopting(names, json!({}));
    assert_eq!(given(&newer, &[("gbuuid", "abc"), ("gbStickyBuckets__id||abc", &older)]), kept("bold"));
    // a variation without a key has its number
    let number = bucket("abc", json!({"checkout__0": "2"}));
    assert_eq!(by(&[("gbuuid", "abc"), ("gbStickyBuckets__id||abc", &number)]), kept("dark"));
}

#[test]
fn a_users_bucket_is_the_users() {
    let mut document = document(json!([{"from": "growthbook"}]), &[hero(json!({"unit": "user"}))]);
    document["visitor"]["user_cookie"] = "uid".into();
    let plan = compile(&document);
    let bucket =
        json!({"attributeName": "id", "attributeValue": "u-1", "assignments": {"hero__0": "dark"}}).to_string();
    let cookie = ("gbStickyBuckets__id||u-1", &*bucket);
    assert_eq!(given(&plan, &[("gbuuid", "abc"), ("uid", "u-1"), cookie]), kept("dark"));
    assert_eq!(given(&plan, &[("gbuuid", "abc"), ("uid", "u-2"), cookie]), split());
    // nobody is logged in, so that there is nobody whose it would be
    assert_eq!(given(&plan, &[("gbuuid", "abc"), cookie]), (Reason::Audience, None));
}

#[test]
fn snippets_cookies_are_read() {
    let ids = json!({"key": "17", "variants": [
        {"id": "control", "weight": 1}, {"id": "bold", "key": "2002", "weight": 0}, {"id": "dark", "weight": 0}
    ]});
    let out = (Reason::Holdout, None);
    let convert = "vi:1*sc:2*cs:1374079443*exp:{16.{v.2001-g.{}}-17.{v.2002-g.{10001841.1}}-18.{v.1-g.{}}}*ps:1";
    let encoded = convert.replace('{', "%7B").replace('}', "%7D").replace(':', "%3A");
    let abtasty = "uid=zed&fst=1&th=16.5.1.1_17.2002.1.1.1.1_18.0.1";
    let cases = [
        ("vwo", "_vis_opt_exp_17_combi", "3", kept("dark")),
        ("vwo", "_vis_opt_exp_17_combi", "1", kept("control")),
        ("vwo", "_vis_opt_exp_17_combi", "4", split()),
        ("vwo", "_vis_opt_exp_17_combi", "0", split()),
        ("vwo", "_vis_opt_exp_17_combi", "-1", split()),
        ("vwo", "_vis_opt_exp_17_combi", "99999999999999999999", split()),
        ("vwo", "_vis_opt_exp_18_combi", "2", split()),
        ("vwo", "_vis_opt_exp_17_split", "2", split()),
        ("vwo", "_vis_opt_exp_17_exclude", "1", out.clone()),
        ("convert", "_conv_v", convert, kept("bold")),
        ("convert", "_conv_v", &encoded, kept("bold")),
        ("convert", "_conv_v", "exp:{17.{v.1-g.{}}}", out.clone()),
        ("convert", "_conv_v", "exp:{17.{v.2003-g.{}}}", split()),
        ("convert", "_conv_v", "exp:{117.{v.2002-g.{}}}", split()),
        ("convert", "_conv_v", "vi:1*exp:{17.{v.-g.{}}", split()),
        ("optimizely", "optimizelyBuckets", "%7B%2217%22%3A%222002%22%7D", kept("bold")),
        ("optimizely", "optimizelyBuckets", r#"{"17":2002}"#, kept("bold")),
        ("optimizely", "optimizelyBuckets", r#"{"17":"0"}"#, out.clone()),
        ("optimizely", "optimizelyBuckets", r#"{"17":["2002"]}"#, split()),
        ("abtasty", "ABTasty", abtasty, kept("bold")),
        ("abtasty", "ABTasty", "uid=zed&th=17.0.1", kept("control")),
        ("abtasty", "ABTasty", "uid=zed&th=17.-1.1", out),
        ("abtasty", "ABTasty", "uid=zed&th=17.3.1", split()),
    ];
    for (tool, cookie, value, expected) in cases {
        let plan = adopting(json!([{"from": tool}]), ids.clone());
        assert_eq!(given(&plan, &[("gbuuid", "abc"), (cookie, value)]), expected, "{tool} {cookie} {value}");
        // why: nothing is read that the document does not name
        let silent = adopting(json!([]), ids.clone());
        assert_eq!(given(&silent, &[("gbuuid", "abc"), (cookie, value)]), split(), "{tool} {cookie} {value}");
    }
    let renamed = adopting(json!([{"from": "vwo", "cookie": "shop_*_combi", "names": {"hero": "99"}}]), ids);
    assert_eq!(given(&renamed, &[("shop_99_combi", "3")]), kept("dark"));
    assert_eq!(given(&renamed, &[("shop_17_combi", "3")]), split());
    assert_eq!(given(&renamed, &[("shop_99_exclude", "1")]), (Reason::Holdout, None));
}

/// Only where it may be kept, and not before or after its time.
#[test]
fn what_does_not_run_or_keep_takes_nothing_over() {
    let cookie = [("gbuuid", "abc"), ("_vis_opt_exp_hero_combi", "3")];
    let adopt = || json!([{"from": "vwo"}]);
    let reason = |more: Value| given(&adopting(adopt(), more), &cookie).0;
    assert_eq!(reason(json!({})), Reason::Sticky);
    assert_eq!(reason(json!({"sticky": false})), Reason::Split);
    assert_eq!(reason(json!({"audience": {"country": "DE"}})), Reason::Sticky);
    assert_eq!(reason(json!({"unit": "session"})), Reason::Split);
    assert_eq!(reason(json!({"assigned_by": "vwo"})), Reason::Traffic);
    assert_eq!(reason(json!({"winner": "bold"})), Reason::Winner);
    let page = |more: Value| {
        let plan = adopting(adopt(), more);
        let mut browser = Browser::new(1);
        browser.cookies.insert("_vis_opt_exp_hero_combi".to_owned(), "3".to_owned());
        let (_, finish) = browser.visit(&plan, HOME);
        values(&finish.changes, "Set-Cookie").iter().any(|cookie| cookie.starts_with("sortition_as"))
    };
    assert!(page(json!({})));
    assert!(!page(json!({"status": "paused"})));
    assert!(!page(json!({"pages": ["/elsewhere"]})));
    assert!(!page(json!({"ends_at": "2020-01-01T00:00:00Z", "starts_at": "2019-01-01T00:00:00Z"})));
}

/// Without consent nothing is taken over; a crawler has no past.
#[test]
fn only_a_person_who_consents_brings_a_past_along() {
    let mut document = document(json!([{"from": "vwo"}]), &[hero(json!({}))]);
    document["consent"] = json!({"cookie": "consent", "granted": ["yes"]});
    let plan = compile(&document);
    let vwo = ("_vis_opt_exp_hero_combi", "3");
    assert_eq!(given(&plan, &[vwo]).0, Reason::NoConsent);
    assert_eq!(given(&plan, &[vwo, ("consent", "yes")]), kept("dark"));
    let bot = Sent::by("Googlebot/2.1").header("cookie", "consent=yes; _vis_opt_exp_hero_combi=3");
    let visit = Page::new(&plan, HOME, &bot).visit(|| [1; 16]);
    assert_eq!(visit.intent().decisions[0].reason, Reason::Crawler);
}

/// With a layer, what another tool gave does not bring anybody into a second experiment of it.
/// Buckets as somebody may write them, each once in its cookie.
#[test]
fn buckets_that_are_not_as_they_should_be_say_nothing() {
    let plan = adopting(json!([{"from": "growthbook"}, {"from": "optimizely"}]), json!({"key": "checkout"}));
    let sticky = |text: &str| given(&plan, &[("gbuuid", "abc"), ("gbStickyBuckets__id||abc", text)]);
    let good =
        r#"{"attributeName":"id","attributeValue":"abc","more":[1e400],"assignments":{"checkout__0":"bold-key"}}"#;
    assert_eq!(sticky(good), kept("bold"));
    assert_eq!(
        sticky(&good.replace("\"bold-key\"", "\"dark\",\"checkout__0\":\"bold-key\"")),
        kept("bold"),
        "the last counts"
    );
    for (from, to) in [
        ("\"abc\"", "1"),
        ("\"bold-key\"", "1"),
        ("\"bold-key\"", "\"bold-key\",\"x\":null"),
        ("\"more\"", "\"attributeValue\":\"abc\",\"more\""),
        ("\"more\"", "\"assignments\":{},\"more\""),
        ("\"attributeValue\"", "\"attributevalue\""),
        ("\"assignments\"", "\"Assignments\""),
        ("}}", "}"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        assert_eq!(sticky(&text), split(), "{text}");
    }
    let numbered = adopting(
        json!([{"from": "optimizely", "names": {"hero": "17"}}]),
        json!({"variants": [
        {"id": "control", "weight": 1}, {"id": "bold", "key": "4711", "weight": 0}]}),
    );
    let by = |text: &str| given(&numbered, &[("optimizelyBuckets", text)]);
    for text in ["{\"17\":4711}", "{\"17\":\"4711\",\"18\":null}", "{\"17\":1,\"17\":4711}"] {
        assert_eq!(by(text), kept("bold"), "{text}");
    }
    for text in ["{\"17\":4711.5}", "{\"17\":[4711]}", "[4711]", "{\"17\":04711}"] {
        assert_eq!(by(text), split(), "{text}");
    }
}

#[test]
fn a_layer_holds_against_what_is_taken_over() {
    let half = |id: &str, slots: [u16; 2]| {
        let variants = json!([{"id": "control", "weight": 1}, {"id": "bold", "weight": 1}]);
        running(id, json!({"layer": "top", "slots": slots, "variants": variants}))
    };
    let mut document = document(json!([{"from": "vwo"}]), &[half("one", [0, 5000]), half("two", [5000, 10_000])]);
    document["layers"] = json!({"top": {}});
    let plan = compile(&document);
    let mut browser = Browser::new(1);
    for id in ["one", "two"] {
        browser.cookies.insert(format!("_vis_opt_exp_{id}_combi"), "2".to_owned());
    }
    let (intent, _) = browser.visit(&plan, HOME);
    let acting = intent.decisions.iter().filter(|decision| decision.reason.acts()).count();
    assert_eq!(acting, 1, "{:?}", intent.decisions);
}

#[test]
fn the_document_says_what_makes_no_sense() {
    let refused = |adopt: Value| try_compile(&document(adopt, &[hero(json!({}))])).is_none();
    assert!(!refused(json!([{"from": "growthbook", "names": {"hero": "checkout__2"}}])));
    assert!(refused(json!([{"from": "growthbook", "names": {"hero": "checkout"}}])));
    assert!(refused(json!([{"from": "vwo", "names": {"nobody": "17"}}])));
    assert!(refused(json!([{"from": "vwo", "cookie": "combi"}])));
    assert!(refused(json!([{"from": "growthbook", "cookie": "a*b*c"}])));
    assert!(refused(json!([{"from": "growthbook", "cookie": "a b"}])));
    assert!(refused(json!([{"from": "convert", "cookie": ""}])));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::assignments::cases(300)))]

    /// Whatever a cookie says, there is a variant of the document's or none, and the cookie that we keep stays small.
    #[test]
    fn any_text_survives(
        name in prop_oneof![Just("_conv_v".to_owned()), Just("ABTasty".to_owned()), Just("optimizelyBuckets".to_owned()),
            "gbStickyBuckets__[ -~]{0,20}", "_vis_opt_exp_[0-9a-z%]{0,9}_combi"],
        value in prop_oneof![any::<String>(), "(exp:|th=|\\{|\\}|v\\.|-|\\*|_|&|\\[|[0-9]|%7B|\"){0,60}"],
    ) {
        let tools = json!([{"from": "growthbook"}, {"from": "vwo"}, {"from": "convert"}, {"from": "optimizely"}, {"from": "abtasty"}]);
        let plan = adopting(tools, json!({}));
        let header = format!("{name}={value}").replace(['\r', '\n'], " ");
        let sent = Sent::default().header("cookie", &header).header("accept", "text/html");
        let page = Page { now: at("2026-11-21T12:00:00Z"), ..Page::new(&plan, HOME, &sent) };
        let visit = page.visit(|| [7; 16]);
        for decision in visit.intent().decisions.iter() {
            prop_assert!(decision.variant.is_none_or(|variant| variant.number() < 3));
        }
    }
}

/// A header that is full of cookies of the tool: a bounded number is read, and none of them for too much.
#[test]
fn a_header_full_of_cookies_is_read_as_far_as_it_is_bounded() {
    let plan = adopting(json!([{"from": "growthbook"}, {"from": "vwo"}]), json!({}));
    let deep = "[".repeat(10_000);
    let mut cookies: Vec<String> = (0..2_000).map(|n| format!("gbStickyBuckets__{n}={deep}")).collect();
    cookies.extend((0..20_000).map(|n| format!("_vis_opt_exp_{n}_combi=2")));
    cookies.push("_vis_opt_exp_hero_combi=3".to_owned());
    let sent = Sent::default().header("cookie", &cookies.join("; ")).header("accept", "text/html");
    let visit = Page::new(&plan, HOME, &sent).visit(|| [7; 16]);
    assert_eq!(visit.intent().decisions[0].reason, Reason::Split);
}
