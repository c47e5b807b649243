//! What KV said → the plan in force, and what a request is for.

use crate::support::{CHROME, Sent, compile, now, nth, running, shop, with};
use serde_json::{Value as Json, json};
use sortition_engine::configuration::{Configuration, CopyDue, DocumentValue, OLDEST_COPY_MS, Value, Values};
use sortition_engine::facts::Request;
use sortition_engine::url::Url;
use sortition_engine::visit::{self, RequestKind, World};
use sortition_engine::visitor::crawler::Crawlers;

const TTL: f64 = 30_000.0;
const HERE: &str = "https://shop.example";

/// What is read of the key `config`.
fn of(config: Value) -> DocumentValue {
    match config {
        Value::Absent => DocumentValue::Absent,
        Value::Unknown(problem) => DocumentValue::Unknown(problem),
        Value::Text(text) => DocumentValue::of_text(&text),
    }
}

fn text(json: &Json) -> Value {
    Value::Text(json.to_string())
}

fn unknown(key: &str) -> Value {
    Value::Unknown(format!("KV did not give `{key}`"))
}

fn values(config: Value, kill: Value, guard: Value) -> Values {
    Values { config: of(config), kill, guard }
}

fn document(revision: &str) -> Json {
    with(shop(&[running("hero", json!({})), running("price", json!({}))]), json!({"revision": revision}))
}

/// The experiments that are killed; `None` where no plan is in force.
fn killed(configuration: &Configuration) -> Option<Vec<String>> {
    let plan = &configuration.loaded()?.plan;
    Some(plan.experiments.iter().filter(|e| e.killed).map(|e| e.id.to_string()).collect())
}

#[test]
fn what_was_last_known_of_a_switch_stays_while_it_cannot_be_read() {
    let mut it = Configuration::default();
    let hero = text(&json!({"experiments": ["hero"]}));
    assert!(it.is_awaited());
    it.settle(values(text(&document("1")), hero.clone(), Value::Absent), 0.0, TTL);
    assert!(!it.is_awaited() && it.error().is_none());
    assert_eq!(killed(&it).unwrap(), ["hero"]);
    it.settle(values(text(&document("2")), unknown("kill"), unknown("kill-guard")), 0.0, TTL);
    assert_eq!(&*it.loaded().unwrap().plan.revision, "2");
    assert_eq!(killed(&it).unwrap(), ["hero"]);
    it.settle(values(unknown("config"), Value::Absent, text(&json!({"experiments": ["price"]}))), 0.0, TTL);
    assert_eq!(killed(&it).unwrap(), ["price"]);
    it.settle(values(unknown("config"), Value::Text("{".to_owned()), Value::Text("{".to_owned())), 0.0, TTL);
    assert_eq!(killed(&it).unwrap(), ["hero", "price"], "a kill that cannot be understood kills everything");
    it.settle(values(text(&document("2")), Value::Absent, Value::Text("{".to_owned())), 0.0, TTL);
    assert_eq!(killed(&it).unwrap(), ["price"], "of the guard the last that was understood stays");
    it.settle(values(text(&document("2")), Value::Absent, Value::Absent), 0.0, TTL);
    assert!(killed(&it).unwrap().is_empty() && it.error().is_none());
}

#[test]
fn while_a_switch_was_never_known_nothing_acts() {
    for (kill, guard) in [(unknown("kill"), Value::Absent), (Value::Absent, unknown("kill-guard"))] {
        let mut it = Configuration::default();
        let complaint = it.settle(values(text(&document("1")), kill, guard), 0.0, TTL).unwrap();
        assert!(complaint.contains("KV did not give"), "{complaint}");
        assert_eq!(killed(&it), None);
        it.settle(values(unknown("config"), Value::Absent, Value::Absent), 0.0, TTL);
        assert_eq!(killed(&it).unwrap(), [""; 0], "the document was read before");
    }
}

#[test]
fn the_guard_holds_traffic_and_moves_weights() {
    let mut it = Configuration::default();
    let guard = json!({"hold": {"hero": 25}, "weights": {"price": {"control": 20, "bold": 80}, "hero": {"bold": -1}}});
    it.settle(values(text(&document("1")), Value::Absent, text(&guard)), 0.0, TTL);
    let plan = &it.loaded().unwrap().plan;
    let (hero, price) = (nth(plan, 0), nth(plan, 1));
    assert_eq!((hero.traffic_at(now()), price.traffic_at(now())), (2500, 10_000));
    let bounds = |e: &sortition_engine::plan::Experiment| e.variants.iter().map(|it| it.below).collect::<Vec<_>>();
    assert_eq!((bounds(hero), bounds(price)), (vec![5000, 10_000], vec![2000, 10_000]));
    it.settle(values(text(&document("1")), Value::Absent, Value::Absent), 0.0, TTL);
    let plan = &it.loaded().unwrap().plan;
    assert_eq!((nth(plan, 0).traffic_at(now()), bounds(nth(plan, 1))), (10_000, vec![5000, 10_000]));
}

#[test]
fn a_copy_starts_an_isolate_only_where_nothing_better_is_known_and_for_a_week() {
    let copy = || values(text(&document("copy")), text(&json!({"experiments": ["hero"]})), Value::Absent);
    let now = 1e12;
    for (age, serves) in [(0.0, true), (OLDEST_COPY_MS, true), (OLDEST_COPY_MS + 1.0, false), (-3_600_000.0, false)] {
        let mut it = Configuration::default();
        assert_eq!(it.settle_by_copy(copy(), now - age, now), serves, "{age}");
        assert_eq!((it.is_of_copy(), it.is_awaited()), (serves, !serves));
        assert!(it.copy_due(HERE, now) == CopyDue::Nothing, "a copy of a copy would never grow old");
    }
    let mut it = Configuration::default();
    it.settle(values(text(&document("1")), Value::Absent, Value::Absent), now, TTL);
    assert!(!it.settle_by_copy(copy(), now, now));
    assert_eq!(&*it.loaded().unwrap().plan.revision, "1");
    let mut it = Configuration::default();
    it.settle(values(Value::Absent, Value::Absent, Value::Absent), now, TTL);
    assert!(!it.settle_by_copy(copy(), now, now), "KV says that there is none");

    let mut it = Configuration::default();
    assert!(it.settle_by_copy(copy(), now - 60_000.0, now));
    it.settle(values(unknown("config"), unknown("kill"), unknown("kill-guard")), now, TTL);
    assert!(it.is_of_copy() && it.error().is_some());
    assert_eq!(killed(&it).unwrap(), ["hero"]);
    it.settle(values(text(&document("2")), Value::Absent, Value::Absent), now, TTL);
    assert!(!it.is_of_copy() && killed(&it).unwrap().is_empty());
}

#[test]
fn a_copy_is_kept_when_something_changed_and_once_an_hour() {
    let mut it = Configuration::default();
    let settle = |it: &mut Configuration, revision: &str, kill: Value| {
        it.settle(values(text(&document(revision)), kill, Value::Absent), 0.0, TTL);
    };
    assert!(it.copy_due(HERE, 0.0) == CopyDue::Nothing);
    settle(&mut it, "1", Value::Absent);
    assert!(it.copy_due(HERE, 0.0) == CopyDue::Everything && it.copy_due(HERE, 0.0) == CopyDue::Nothing);
    settle(&mut it, "1", Value::Absent);
    assert!(it.copy_due(HERE, 1.0) == CopyDue::Nothing);
    settle(&mut it, "1", text(&json!({"all": true})));
    assert!(it.copy_due(HERE, 2.0) == CopyDue::Everything);
    assert!(it.copy_due("https://other.example", 2.0) == CopyDue::Everything, "another host has a copy of its own");
    settle(&mut it, "2", text(&json!({"all": true})));
    assert!(
        it.copy_due(HERE, 3.0) == CopyDue::Everything
            && it.copy_due(HERE, 4.0) == CopyDue::Nothing
            && it.copy_due(HERE, 3_700_000.0) == CopyDue::Everything
    );
    let refused = || text(&json!({"version": 1}));
    it.settle(values(refused(), Value::Absent, Value::Absent), 0.0, TTL);
    assert!(it.copy_due(HERE, 9e9) == CopyDue::Switches, "what is refused is not kept, and that a kill was lifted is");
    it.settle(values(refused(), text(&json!({"experiments": ["hero"]})), Value::Absent), 0.0, TTL);
    assert!(it.copy_due(HERE, 9e9) == CopyDue::Switches && it.copy_due(HERE, 9e9) == CopyDue::Nothing, "so is a kill");
    it.settle(values(unknown("config"), text(&json!({"all": true})), Value::Absent), 0.0, TTL);
    assert!(it.copy_due(HERE, 9e9) == CopyDue::Switches, "also while the document cannot be read");
    it.settle(values(unknown("config"), unknown("kill"), Value::Absent), 0.0, TTL);
    assert!(it.copy_due(HERE, 9e9) == CopyDue::Nothing, "what is not known of a switch is not kept");
}

#[test]
fn nobody_waits_twice_and_failures_are_asked_about_less_and_less_often() {
    let mut it = Configuration::default();
    it.begin(0.0);
    it.give_up(2000.0);
    assert!(!it.is_awaited() && it.error().is_some());
    assert!(!it.is_due(2500.0) && it.is_due(4001.0) && !it.is_due(4002.0));
    it.settle(values(text(&document("1")), Value::Absent, Value::Absent), 5000.0, TTL);
    it.give_up(6000.0);
    assert!(it.error().is_none());
    assert!(!it.is_due(34_000.0) && it.is_due(35_000.0));
    assert!(it.is_due(1000.0), "a clock that was turned back");
}

fn kind(method: &str, path: &str, headers: &[(&str, &str)]) -> RequestKind {
    let sent = headers.iter().fold(Sent::by(CHROME), |sent, (name, value)| sent.header(name, value));
    let url = format!("https://shop.example{path}");
    let crawlers = Crawlers::default();
    RequestKind::of(&Request::new(method, Url::split(&url), &sent, &crawlers))
}

#[test]
fn what_a_request_is_for() {
    use RequestKind::{Fetch, Navigation, Resource};
    let dest = |value| kind("GET", "/", &[("sec-fetch-dest", value)]);
    let all = [
        (Navigation, &["document", "iframe", "frame", "fencedframe"][..]),
        (Fetch, &["empty"]),
        (
            Resource,
            &[
                "audio",
                "audioworklet",
                "embed",
                "font",
                "image",
                "manifest",
                "object",
                "paintworklet",
                "report",
                "script",
                "serviceworker",
                "sharedworker",
                "style",
                "track",
                "video",
                "webidentity",
                "worker",
                "xslt",
                "json",
                "new",
            ],
        ),
    ];
    for (expected, values) in all {
        for value in values {
            assert_eq!(dest(value), expected, "{value}");
        }
    }
    let accept = |path, value| kind("GET", path, &[("accept", value)]);
    assert_eq!(accept("/a.png", "text/html,application/xhtml+xml,*/*;q=0.8"), Navigation);
    assert_eq!(accept("/", "image/avif,image/webp,*/*;q=0.8"), Resource);
    assert_eq!(accept("/", "text/css,*/*;q=0.1"), Resource);
    assert_eq!(accept("/", "application/json, */*"), Fetch);
    for path in ["/", "/p/tent", "/index.html", "/v1.2/page", "/a.b/c"] {
        assert_eq!((accept(path, "*/*"), kind("GET", path, &[])), (Navigation, Navigation), "{path}");
    }
    for path in ["/film.mp4", "/a/b/App.JS", "/font.woff2", "/x.png"] {
        assert_eq!((accept(path, "*/*"), kind("GET", path, &[])), (Resource, Resource), "{path}");
    }
    assert_eq!(accept("/feed.json", "*/*"), Fetch);
    assert_eq!(kind("GET", "/", &[("range", "bytes=0-99")]), Fetch);
    let ahead = [("sec-fetch-dest", "empty"), ("sec-purpose", "prefetch"), ("accept", "text/html")];
    assert_eq!(kind("GET", "/", &ahead), Navigation);
    assert_eq!(kind("GET", "/", &ahead[..2]), Fetch);
    // what a service worker does with a navigation: `fetch(event.request)`
    let passed_on = |mode| kind("GET", "/", &[("sec-fetch-dest", "empty"), ("sec-fetch-mode", mode)]);
    assert_eq!(passed_on("navigate"), Navigation);
    for mode in ["cors", "no-cors", "same-origin"] {
        assert_eq!(passed_on(mode), Fetch, "{mode}");
    }
}

/// Whatever is no page view passes, before anybody is given an identity: not even random numbers are asked for.
#[test]
fn what_is_no_page_view_gets_no_identity() {
    let wide = compile(&shop(&[running("hero", json!({}))]));
    let every = compile(&shop(&[running("hero", json!({"pages": ["/*"]}))]));
    let named = compile(&shop(&[running("hero", json!({"pages": ["/api/*"]}))]));
    let listed = compile(&shop(&[running("hero", json!({"pages": ["/api/*"], "methods": ["POST", "OPTIONS"]}))]));
    let begins = |plan, method: &str, dest: &str| {
        let sent = Sent::by(CHROME).header("sec-fetch-dest", dest);
        let crawlers = Crawlers::default();
        let request = Request::new(method, Url::split("https://shop.example/api/x"), &sent, &crawlers);
        let mut asked = 0;
        let world = World { now: now(), ..World::default() };
        let visit = visit::begin(plan, &request, world, || {
            asked += 1;
            [7; 16]
        });
        assert_eq!(visit.is_some(), asked > 0);
        visit.is_some()
    };
    for method in ["OPTIONS", "TRACE", "POST", "PUT", "DELETE", "PATCH", "CONNECT", "PROPFIND"] {
        for plan in [&wide, &every, &named] {
            assert!(!begins(plan, method, "document"), "{method}");
        }
    }
    for method in ["GET", "HEAD"] {
        assert!([&wide, &every, &named].iter().all(|plan| begins(plan, method, "document")));
        assert!([&wide, &every, &named, &listed].iter().all(|plan| !begins(plan, method, "image")));
        assert_eq!([&wide, &every, &named].map(|plan| begins(plan, method, "empty")), [false, false, true]);
        assert!(!begins(&listed, method, "document"));
    }
    assert!(begins(&listed, "POST", "empty") && begins(&listed, "POST", "document"));
    assert!(!begins(&listed, "OPTIONS", "document"));
}
