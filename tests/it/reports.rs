//! Exposures, identifications and orders that somebody reports: what is kept of them, and what is not believed.

use crate::support::{CHROME, Page as Visit, Sent, at, compile, now, running, shop, with};
use proptest::prelude::*;
use serde_json::{Value, json};
use sortition_engine::events::limit::{Counts, Keys, OF_NETWORK, OF_VISITOR};
use sortition_engine::events::reception::{self, Page, proof};
use sortition_engine::events::{Channel, Event, PageView, What, page_view, shopify, versions};
use sortition_engine::execution::Intent;
use sortition_engine::plan::{ExperimentAt, Plan};
use sortition_engine::sender::{PreviewRequest, Proof, identify};
use sortition_engine::visitor::VisitorId;

const VISITOR: &str = "7c1f8a52-8a0e-4b6c-9d3e-1f2a3b4c5d6e";
const KEY: &[u8] = b"ingest-key";

fn plan(more: Value) -> Plan {
    let all = |id: &str, more: Value| {
        let variants = json!([{"id": "control", "weight": 0}, {"id": "bold", "weight": 1, "key": "Bold One"}]);
        running(id, with(json!({"variants": variants}), more))
    };
    let experiments = [
        all("hero", json!({"key": "Hero banner"})),
        all("theirs", json!({"assigned_by": "growthbook", "key": "their-flag"})),
        all("twin-a", json!({"assigned_by": "growthbook", "key": "twins", "audience": {"country": "CH"}})),
        all("twin-b", json!({"assigned_by": "growthbook", "key": "twins", "audience": {"country": "DE"}})),
        all("paused", json!({"assigned_by": "growthbook", "status": "paused"})),
        all("users", json!({"unit": "user"})),
        all("sessions", json!({"unit": "session"})),
    ];
    compile(&with(shop(&experiments), more))
}

/// What becomes of a page's body: its events, or what is wrong.
fn page_with(plan: &Plan, events: &Value, user: Option<&str>, key: Option<&[u8]>) -> Result<Vec<Event>, Vec<String>> {
    let told = |problems: Vec<_>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let body = json!({"events": events}).to_string();
    let drafts = reception::read(body.as_bytes(), Channel::Page, now()).map_err(told)?;
    let cookie = format!("sortition_id={VISITOR}");
    let sent = Sent::default().header("user-agent", CHROME).header("cookie", &cookie).property("country", "CH");
    let sent = user.map_or(sent.clone(), |user| sent.header("x-user", user));
    let visit = Visit { now: now(), ..Visit::new(plan, "https://shop.example/p/1", &sent) };
    let claimed = reception::claimed(&drafts, plan);
    let live: Vec<ExperimentAt> =
        claimed.into_iter().filter(|&it| plan.experiments.get(it).unwrap().is_live(now())).collect();
    let request = visit.request();
    let sender = identify(plan, &live, &request, Proof::default(), || [7; 16]);
    let intent = Intent::new(plan, &live, &request, sender, PreviewRequest::None, now());
    let view = PageView::from(page_view(plan, &intent, &request));
    let session = Some("session-0001");
    reception::from_page(drafts, plan, Page { intent: &intent, view: &view, user, session, key }, || [1; 16])
        .map_err(told)
}

fn page(events: &Value) -> Result<Vec<Event>, Vec<String>> {
    page_with(&plan(json!({})), events, None, Some(KEY))
}

fn server(events: &Value) -> Result<Vec<Event>, Vec<String>> {
    let told = |problems: Vec<_>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let body = json!({"events": events}).to_string();
    let drafts = reception::read(body.as_bytes(), Channel::Server, now()).map_err(told)?;
    reception::from_server(&drafts, &plan(json!({})), &[7; 32], None, now()).map_err(told)
}

fn exposed(more: Value) -> Value {
    json!([with(json!({"type": "experiment_exposed", "experiment_id": "hero", "variant": "bold"}), more)])
}

#[track_caller]
fn refused(told: Result<Vec<Event>, Vec<String>>, begin: &str) {
    let problems = told.expect_err(begin);
    assert!(problems.iter().any(|problem| problem.starts_with(begin)), "wanted `{begin}`, got {problems:?}");
}

/// Backfills and other tools' exposures once were all of the moment at which they were sent, on no page, so that no
/// conversion before that counted for them.
#[test]
fn what_is_reported_keeps_what_it_says() {
    let request = json!({"host": "app.example", "path": "/a/bob@example.com/b?q=secret", "method": "POST", "country": "FR",
        "region": "Bretagne", "device": "tablet", "browser": "safari", "referrer_host": "news.example",
        "visitor_type": "returning", "logged_in": true});
    let kept = PageView {
        host: "app.example".into(),
        path: "/a/[removed]/b".into(),
        method: "POST".into(),
        country: Some("FR".into()),
        region: Some("Bretagne".into()),
        device: Some("tablet".into()),
        browser: Some("safari".into()),
        referrer_host: Some("news.example".into()),
        visitor_type: Some("returning".into()),
        logged_in: Some(true),
    };
    let told = exposed(json!({"exposed_at": "2026-11-20T12:00:01Z", "request": request, "anonymous_id": VISITOR,
        "versions": {"pricing": "v7"}}));
    for events in [page(&told).unwrap(), server(&told).unwrap()] {
        let What::Exposed(exposure) = &events[0].what else { panic!("no exposure") };
        assert_eq!(exposure.exposed_at, "2026-11-20T12:00:01.000Z");
        assert_eq!(events[0].at, "2026-11-21T12:00:00.000Z");
        assert_eq!(exposure.request, kept);
        assert_eq!(exposure.reason, "reported");
        assert_eq!(exposure.versions["pricing"], "v7");
        assert_eq!(events[0].anonymous_id.as_deref(), Some(VISITOR));
    }
    // what a page leaves out is what the worker knows; of a server nothing is
    let events = page(&exposed(json!({"request": {"path": "/own"}}))).unwrap();
    let What::Exposed(exposure) = &events[0].what else { panic!("no exposure") };
    assert_eq!((&*exposure.request.path, exposure.request.country.as_deref()), ("/own", Some("CH")));
    assert_eq!(exposure.request.host, "shop.example");
    let events = server(&exposed(json!({"anonymous_id": VISITOR}))).unwrap();
    let What::Exposed(exposure) = &events[0].what else { panic!("no exposure") };
    assert_eq!(exposure.request, PageView::default());
}

#[test]
fn reported_times_have_bounds() {
    let told = |time: &str| exposed(json!({"exposed_at": time, "anonymous_id": VISITOR}));
    refused(
        page(&told("2026-11-20T11:59:59Z")),
        "events[0].exposed_at: 2026-11-20T11:59:59.000Z is more than 24 hours ago",
    );
    assert!(server(&told("2026-11-20T11:59:59Z")).is_ok());
    assert!(server(&told("2025-10-18T12:00:00Z")).is_ok());
    refused(
        server(&told("2025-10-17T11:00:00Z")),
        "events[0].exposed_at: 2025-10-17T11:00:00.000Z is more than 400 days",
    );
    for send in [page, server] {
        refused(send(&told("2026-11-21T12:05:01Z")), "events[0].exposed_at: 2026-11-21T12:05:01.000Z is in the future");
        let events = send(&told("2026-11-21T12:04:59Z")).unwrap();
        let What::Exposed(exposure) = &events[0].what else { panic!("no exposure") };
        assert_eq!(exposure.exposed_at, "2026-11-21T12:00:00.000Z", "by our clock");
        refused(send(&told("yesterday")), "events[0].exposed_at");
    }
}

#[test]
fn reported_views_have_bounds_too() {
    let told = |request: Value| exposed(json!({"request": request, "anonymous_id": VISITOR}));
    let long = "x".repeat(5000);
    let events = server(&told(json!({"path": format!("/{long}")}))).unwrap();
    let What::Exposed(exposure) = &events[0].what else { panic!("no exposure") };
    assert_eq!(exposure.request.path.len(), 1024);
    let cases = [
        (json!([]), "events[0].request: it is a list"),
        (json!({"host": long}), "events[0].request.host: 5000 bytes"),
        (json!({"browser": "Mozilla/5.0 (X11)"}), "events[0].request.browser: it looks like"),
        (json!({"referrer_host": "203.0.113.9"}), "events[0].request.referrer_host: it looks like"),
        (json!({"visitor_type": "old"}), "events[0].request.visitor_type"),
        (json!({"logged_in": "yes"}), "events[0].request.logged_in"),
        (json!({"ip": "203.0.113.9"}), "events[0].request.ip: this field is not known"),
        (json!({"country": 7}), "events[0].request.country: it is a number"),
    ];
    for (request, begin) in cases {
        refused(server(&told(request.clone())), begin);
        refused(page(&told(request)), begin);
    }
}

/// Names elsewhere lead to our ids; another tool's assignment is taken at its word, ours is not.
#[test]
fn names_elsewhere_and_assignments_of_other_tools() {
    let of = |events: Vec<Event>| {
        let What::Exposed(exposure) = &events[0].what else { panic!("no exposure") };
        (exposure.experiment_id.clone(), exposure.variant.clone())
    };
    let named = |experiment: &str, variant: &str| exposed(json!({"experiment_id": experiment, "variant": variant}));
    let wanted = |experiment: &str, variant: &str| (experiment.to_owned(), variant.to_owned());
    assert_eq!(of(page(&named("Hero banner", "Bold One")).unwrap()), wanted("hero", "bold"));
    refused(page(&named("Hero banner", "control")), "events[0].variant: this visitor is not in that variant of `hero`");
    for variant in ["control", "bold"] {
        assert_eq!(of(page(&named("theirs", variant)).unwrap()), wanted("theirs", variant));
        assert_eq!(of(page(&named("their-flag", variant)).unwrap()), wanted("theirs", variant));
    }
    let by_key = json!([{"type": "experiment_exposed", "key": "their-flag", "variant": "Bold One"}]);
    assert_eq!(of(page(&by_key).unwrap()), wanted("theirs", "bold"));
    assert!(matches!(of(page(&named("twins", "bold")).unwrap()).0.as_str(), "twin-a" | "twin-b"));
    refused(page(&named("paused", "bold")), "events[0].variant");
    refused(page(&named("their-flag", "none")), "events[0].variant: `their-flag` has no variant `none`");
    refused(page(&named("nobody's", "bold")), "events[0].experiment_id: there is no experiment `nobody's`");
    let signed = exposed(json!({"experiment_id": "twins", "anonymous_id": VISITOR}));
    refused(server(&signed), "events[0].experiment_id: several experiments are called so: name one of twin-a, twin-b");
    let session = exposed(json!({"experiment_id": "sessions", "session_id": "session-1", "anonymous_id": VISITOR}));
    let events = server(&session).unwrap();
    let What::Exposed(exposure) = &events[0].what else { panic!("no exposure") };
    assert_eq!((&*exposure.unit, exposure.session_id.as_deref()), ("session", Some("session-1")));
}

/// With an id and nothing more anybody could make themselves anybody, and take over their orders.
#[test]
fn a_page_proves_who_somebody_is() {
    let user = |more: Value| json!([with(json!({"type": "identified", "user_id": "user-77"}), more)]);
    let tag = proof(VISITOR, "user-77", KEY);
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/telemetry.md")).unwrap();
    assert!(docs.contains(&tag), "the example of docs/telemetry.md");
    let events = page(&user(json!({"proof": tag}))).unwrap();
    assert_eq!((events[0].anonymous_id.as_deref(), events[0].user_id.as_deref()), (Some(VISITOR), Some("user-77")));
    assert!(!serde_json::to_string(&events[0]).unwrap().contains(&tag), "the proof is not kept");
    refused(page(&user(json!({}))), "events[0].proof: it is missing");
    for wrong in [
        proof("another-visitor", "user-77", KEY),
        proof(VISITOR, "user-78", KEY),
        proof(VISITOR, "user-77", b"other"),
        tag[..32].to_owned(),
        tag[1..].to_owned(),
        "zz".repeat(32),
    ] {
        refused(page(&user(json!({"proof": wrong}))), "events[0].proof: it is not");
    }
    refused(page(&user(json!({"proof": 7}))), "events[0].proof: it is a number");
    let plan = plan(json!({"visitor": {"user_header": "x-user"}}));
    for key in [None, Some(b"".as_slice())] {
        refused(page_with(&plan, &user(json!({"proof": tag})), None, key), "events[0].proof: INGEST_SECRET is not set");
    }
    // an outcome joins as much as an identification does
    let bought = json!([{"type": "experiment_converted", "conversion_event": "purchase", "user_id": "user-77"}]);
    refused(page(&bought), "events[0].proof: it is missing");
    let proven = json!([with(bought[0].clone(), json!({"proof": tag}))]);
    assert_eq!(page(&proven).unwrap()[0].user_id.as_deref(), Some("user-77"));
    // whom the document's own header or cookie names needs none, but for an identification
    let known = page_with(&plan, &bought, Some("user-77"), Some(KEY)).unwrap();
    assert_eq!(known[0].user_id.as_deref(), Some("user-77"));
    refused(page_with(&plan, &bought, Some("user-1"), Some(KEY)), "events[0].user_id: this visitor is not logged in");
    refused(page_with(&plan, &user(json!({})), Some("user-77"), Some(KEY)), "events[0].proof: it is missing");
    let nobody = json!([{"type": "experiment_converted", "conversion_event": "purchase"}]);
    assert_eq!(page_with(&plan, &nobody, Some("user-9"), None).unwrap()[0].user_id.as_deref(), Some("user-9"));
}

#[test]
fn versions_are_a_dictionary_of_rfc_9651() {
    let read = |header: &str| {
        let versions: Vec<String> = versions::parse(header).into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        versions.join(" ")
    };
    let cases = [
        (r#"recommender="2026-11-20", pricing=v7"#, "pricing=v7 recommender=2026-11-20"),
        (
            r#"a="say \"hi\" \\";p=1;q, b=1.5, c=-3, d=@1659578233, e=*x/y:z"#,
            r#"a=say "hi" \ b=1.5 c=-3 d=1659578233 e=*x/y:z"#,
        ),
        ("a=1,\ta=2", "a=2"),
        ("flag, off=?0, bytes=v1;x=?1", "bytes=v1"),
        ("", ""),
        ("a=", ""),
        ("a=1,", ""),
        ("A=1", ""),
        ("a=1 b=2", ""),
        ("a=\"open", ""),
        ("a=\"t\u{e9}\"", ""),
        ("a=1.", ""),
        ("a=1.2345", ""),
        ("a=1234567890123456", ""),
        ("a=(1 2)", ""),
        ("a=;b", ""),
        ("mail=\"bob@example.com\", a=v1", "a=v1"),
        ("a=v1\u{1f}x", ""),
    ];
    for (header, expected) in cases {
        assert_eq!(read(header), expected, "{header}");
    }
    let many: Vec<String> = (0..40).map(|n| format!("v{n:02}=x")).collect();
    assert_eq!(versions::parse(&many.join(", ")).len(), 16);
    assert_eq!(read(&format!("a={}, b=x", "y".repeat(65))), "b=x");
    assert_eq!(read(&format!("{}=x, b=x", "y".repeat(65))), "b=x");
    assert_eq!(read(&format!("a=x{}", ", a=x".repeat(1000))), "", "a header of that size is none");
    assert_eq!(versions::to_json(Some("b=1, a=\"x\"")), r#"{"a":"x","b":"1"}"#);
    assert_eq!(versions::to_json(None), "{}");
}

#[test]
fn a_flood_is_kept_out() {
    let mut counts = Counts::default();
    let one = Keys::new(Some(VISITOR), Some("203.0.113.9"));
    let start = now();
    for _ in 0..OF_VISITOR {
        assert_eq!(counts.admit(&one, start + 15_000), Ok(()));
    }
    assert_eq!(counts.admit(&one, start + 15_000), Err(45));
    assert_eq!(counts.admit(&one, start + 15_001), Err(45), "the minute is over when they come");
    assert_eq!(counts.admit(&one, start + 59_999), Err(1));
    let neighbour = Keys::new(Some("another-visitor"), Some("203.0.113.200"));
    assert_eq!(counts.admit(&neighbour, start + 15_000), Ok(()));
    assert_eq!(counts.admit(&one, start + 60_000), Ok(()), "another minute");
    // ids that are made up do not help, and others are not harmed
    let mut taken = 0;
    for n in 0..5000 {
        let made_up = Keys::new(Some(&format!("made-up-{n}")), Some("2001:db8:1:2::9"));
        taken += u16::from(counts.admit(&made_up, start + 61_000).is_ok());
    }
    assert!(taken <= OF_NETWORK, "{taken}");
    assert_eq!(counts.admit(&Keys::new(Some("somebody-else"), Some("198.51.100.1")), start + 61_000), Ok(()));
    assert_eq!(counts.admit(&Keys::new(None, None), start), Ok(()));
    assert!(counts.admit(&Keys::new(Some(&"x".repeat(10_000)), Some("no address")), i64::MIN).is_ok());

    let texts = one.texts();
    assert_eq!(texts[0], format!("visitor:{VISITOR}"));
    assert!(texts[1].starts_with("network:203.0.113:"), "{texts:?}");
    assert!(Keys::new(None, Some("::ffff:203.0.113.9")).texts()[0].starts_with("network:203.0.113:"));
    assert!(Keys::new(None, Some("2001:db8:1:2::9")).texts()[0].starts_with("network:2001:db8:1:"));
}

/// Outcomes said nothing of their session, so that experiments by session hardly ever converted. A page speaks for the
/// session of its cookie, as for its visitor; a server and a shop are believed.
#[test]
fn outcomes_say_in_which_session_they_happened() {
    let session = |events: &[Event]| match &events[0].what {
        What::Converted(outcome) => outcome.session_id.clone(),
        other => panic!("{other:?} is no outcome"),
    };
    let told = json!([{"type": "experiment_converted", "conversion_event": "purchase", "anonymous_id": VISITOR,
        "session_id": "session-0002"}]);
    assert_eq!(session(&page(&told).unwrap()).as_deref(), Some("session-0001"), "the cookie's");
    assert_eq!(session(&server(&told).unwrap()).as_deref(), Some("session-0002"));
    let nameless = json!([{"type": "experiment_converted", "conversion_event": "purchase", "anonymous_id": VISITOR}]);
    assert_eq!(session(&server(&nameless).unwrap()), None, "it need not know");
    let wrong = json!([{"type": "experiment_converted", "conversion_event": "purchase", "session_id": "short"}]);
    refused(server(&wrong), "events[0].session_id: it is no session id");

    let attribute = |name: &str, value: &str| json!({"name": name, "value": value});
    let order = json!({"id": 7, "total_price": "1.00", "currency": "EUR",
        "note_attributes": [attribute("sortition_session", "session-0003"), attribute("sortition_id", VISITOR)]});
    let paid = |plan: &Plan| shopify::events("orders/paid", order.to_string().as_bytes(), plan, None, now()).unwrap();
    assert_eq!(session(&paid(&plan(json!({})))).as_deref(), Some("session-0003"));

    // why: what nobody asks for is not kept
    let of_visitors = compile(&shop(&[running("hero", json!({"display": "once_per_visit"}))]));
    assert_eq!(session(&page_with(&of_visitors, &told, None, None).unwrap()), None);
    assert_eq!(session(&paid(&of_visitors)), None);
}

/// The cart holds what the page's script or the server knows, which is the id without its tag: where ids are signed such
/// orders were dropped, with a 202.
#[test]
fn an_order_names_its_visitor_with_the_tag_or_without() {
    let secret = Some(b"secret".as_slice());
    let signed = compile(&with(shop(&[running("hero", json!({}))]), json!({"visitor": {"signed": true}})));
    let paid = |plan: &Plan, id: &str| {
        let order = json!({"id": 7, "total_price": "1.00", "currency": "EUR",
            "note_attributes": [{"name": "sortition_id", "value": id}]});
        let events = shopify::events("orders/paid", order.to_string().as_bytes(), plan, secret, now()).unwrap();
        events.first().and_then(|event| event.anonymous_id.clone())
    };
    let tagged = VisitorId::accept(VISITOR).unwrap().signed(b"secret");
    assert_eq!(paid(&signed, &tagged).as_deref(), Some(VISITOR));
    assert_eq!(paid(&signed, VISITOR).as_deref(), Some(VISITOR));
    let forged = VisitorId::accept(VISITOR).unwrap().signed(b"another");
    assert_eq!(paid(&signed, &forged), None, "nobody has this id");
    assert_eq!(paid(&plan(json!({})), "visitor.0001").as_deref(), Some("visitor.0001"), "a dot is no tag");

    // so does a server, which has the cookie at hand
    let told = |id: &str| {
        let body = json!({"events": [{"type": "experiment_converted", "conversion_event": "p", "anonymous_id": id}]});
        let drafts = reception::read(body.to_string().as_bytes(), Channel::Server, now()).unwrap();
        reception::from_server(&drafts, &signed, &[7; 32], secret, now())
    };
    for id in [VISITOR, &tagged] {
        assert_eq!(told(id).unwrap()[0].anonymous_id.as_deref(), Some(VISITOR));
    }
    assert_eq!(told(&forged).unwrap_err()[0].field, "events[0].anonymous_id");
}

/// Orders and refunds as Shopify's documentation shows them and as shops meet them.
#[test]
fn every_shape_of_shopifys_orders() {
    let order = |more: Value| {
        let base = json!({"id": 450_789_469, "total_price": "409.94", "currency": "EUR",
            "note_attributes": [{"name": "sortition_id", "value": VISITOR}], "processed_at": "2026-11-21T08:00:00Z"});
        with(base, more)
    };
    let told =
        |topic: &str, body: &Value| shopify::events(topic, body.to_string().as_bytes(), &plan(json!({})), None, now());
    let value = |body: &Value| {
        let events = told("orders/paid", body).unwrap_or_else(|problem| panic!("{problem}: {body}"));
        events.first().map(|event| serde_json::to_value(event).unwrap()["value"].to_string())
    };
    let shapes = [
        (json!({}), Some("409.94")),
        (json!({"note_attributes": null}), None),
        (json!({"note_attributes": []}), None),
        (json!({"note_attributes": {}}), None),
        (
            json!({"note_attributes": [{"name": "gift", "value": 5}, {"name": "sortition_id", "value": VISITOR}]}),
            Some("409.94"),
        ),
        (
            json!({"note_attributes": [{"name": "gift", "value": null}, {"name": null}, {}, 7, {"name": "sortition_id", "value": VISITOR}]}),
            Some("409.94"),
        ),
        (json!({"note_attributes": [{"name": "sortition_id", "value": 1_234_567_890}]}), Some("409.94")),
        (json!({"note_attributes": [{"name": "sortition_id", "value": null}]}), None),
        (json!({"note_attributes": [{"name": "sortition_id", "value": "short"}]}), None),
        (json!({"id": "450789469"}), Some("409.94")),
        (json!({"total_price": 409.94}), Some("409.94")),
        (json!({"total_price": " 409.94 "}), Some("409.94")),
        (
            json!({"total_price": null, "currency": null, "total_price_set": {"shop_money": {"amount": "12.50", "currency_code": "EUR"}}}),
            Some("12.5"),
        ),
        (json!({"total_price": "31000000.00", "currency": "IDR"}), Some("31000000")),
        (json!({"total_price": "9876543210.00", "currency": "VND"}), Some("9876543210")),
        (json!({"total_price": "1250000000000.50", "currency": "IRR"}), Some("1250000000000.5")),
        (json!({"total_price": "0.00"}), Some("0")),
        (json!({"processed_at": null, "created_at": "2026-11-21T08:00:00-05:00"}), Some("409.94")),
        (json!({"processed_at": null}), Some("409.94")),
        (json!({"line_items": [{"properties": null}], "customer": null, "test": true, "refunds": []}), Some("409.94")),
    ];
    for (more, expected) in shapes {
        assert_eq!(value(&order(more.clone())).as_deref(), expected, "{more}");
    }
    for (more, field) in [
        (json!({"id": null}), "id"),
        (json!({"id": {"a": 1}}), "id"),
        (json!({"total_price": null}), "total_price"),
        (json!({"total_price": "free"}), "total_price"),
        (json!({"currency": "BTCX"}), "currency"),
        (json!({"currency": null}), "currency"),
    ] {
        assert_eq!(told("orders/paid", &order(more.clone())).unwrap_err().field, field, "{more}");
    }
    let refund = |more: Value| {
        let base = json!({"id": 5, "order_id": 450_789_469, "created_at": "2026-11-21T11:00:00Z", "transactions":
            [{"kind": "refund", "status": "success", "amount": "10.00", "currency": "EUR"}]});
        with(base, more)
    };
    let transaction = |more: Value| {
        let base = json!({"kind": "refund", "status": "success", "amount": "10.00", "currency": "EUR"});
        json!({"transactions": [with(base, more)], "refund_line_items":
            [{"subtotal_set": {"shop_money": {"amount": "10.00", "currency_code": "CHF"}}}]})
    };
    for (more, expected) in [
        (json!({}), Some(("-10", "EUR"))),
        (json!({"transactions": null}), None),
        (json!({"transactions": []}), None),
        (transaction(json!({"amount": 10})), Some(("-10", "EUR"))),
        (transaction(json!({"currency": null})), Some(("-10", "CHF"))),
        (transaction(json!({"status": "pending"})), None),
        (transaction(json!({"kind": null})), None),
        (json!({"order_id": "450789469"}), Some(("-10", "EUR"))),
    ] {
        let events =
            told("refunds/create", &refund(more.clone())).unwrap_or_else(|problem| panic!("{problem}: {more}"));
        let event = events.first().map(|event| serde_json::to_value(event).unwrap());
        let seen =
            event.as_ref().map(|event| (event["value"].to_string(), event["currency"].as_str().unwrap().to_owned()));
        assert_eq!(seen, expected.map(|(value, code)| (value.to_owned(), code.to_owned())), "{more}");
        assert!(event.is_none_or(|event| event["refund_of"] == "450789469"));
    }
    assert!(told("orders/cancelled", &json!(7)).unwrap().is_empty());
    assert_eq!(at("2026-11-21T12:00:00Z"), now());
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!(VISITOR)),
        Just(json!("sortition_id")),
        Just(json!("2026-11-21T12:00:00Z")),
        Just(json!("hero")),
        Just(json!("bold")),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        let name = prop_oneof![
            Just("type".to_owned()),
            Just("events".to_owned()),
            Just("experiment_id".to_owned()),
            Just("variant".to_owned()),
            Just("request".to_owned()),
            Just("versions".to_owned()),
            Just("value".to_owned()),
            Just("name".to_owned()),
            Just("note_attributes".to_owned()),
            Just("transactions".to_owned()),
            Just("proof".to_owned()),
            ".{0,6}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..6).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::assignments::cases(300), ..ProptestConfig::default() })]

    /// Whatever is taken keeps to the bounds: the record reads it back.
    #[test]
    fn no_event_is_too_strange(
        kind in "(experiment_exposed|experiment_converted|experiment_ended_early|identified|else)",
        fields in prop::collection::vec(("(experiment_id|variant|key|request|versions|exposed_at|converted_at|conversion_event|value|currency|transaction_id|user_id|anonymous_id|proof|properties|iteration|session_id)", json_value()), 0..8),
    ) {
        let mut event = json!({"type": kind, "experiment_id": "hero", "variant": "bold", "conversion_event": "purchase", "anonymous_id": VISITOR});
        for (name, value) in fields {
            event[name] = value;
        }
        let body = json!([event]);
        for told in [page(&body), server(&body)] {
            let Ok(events) = told else { continue };
            let message = json!({"schema": 2, "source": "s", "visits": [{"seq": 0, "events": events}]}).to_string();
            let parsed = sortition_engine::events::Message::parse(&message);
            prop_assert!(parsed.is_ok(), "{:?}: {}", parsed, message);
            prop_assert!(message.len() < 100_000);
        }
    }

    #[test]
    fn no_webhook_is_too_strange(body in json_value(), order in json_value()) {
        let plan = plan(json!({}));
        for topic in ["orders/paid", "refunds/create"] {
            for body in [&body, &json!({"id": 1, "note_attributes": [{"name": "sortition_id", "value": VISITOR}], "total_price": order, "total_price_set": body, "order_id": 2, "transactions": order})] {
                let _ = shopify::events(topic, body.to_string().as_bytes(), &plan, None, now());
            }
        }
    }

    #[test]
    fn no_version_is_too_strange(header in prop_oneof![".{0,200}", "([a-z]=(\"[ -~]{0,9}\"|[a-z]{0,5}|[0-9.-]{1,5})[;,]? ?){0,12}"]) {
        for (name, version) in versions::parse(&header) {
            prop_assert!(name.len() <= 64 && version.len() <= 64);
            prop_assert!(version.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }
}
