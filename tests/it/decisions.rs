//! Decisions by call: who may ask, what bodies say, what answers say, and that a call and a page decide alike.

use crate::support::{CHROME, Page, Sent, compile, experiment_at, now, running, shop, variants, with};
use serde_json::{Value, json};
use sortition_engine::condition::{Attributes, Fact, FactKey};
use sortition_engine::decide::Reason;
use sortition_engine::decisions::{
    Ask, Asked, Call, CallContext, Caller, Choose, Credentials, ErrorCode, Flag, Ofrep, Reading, Refusal, Route, Units,
    answered, bulk, decide_for_server, who_asks,
};
use sortition_engine::events::{CalledBy, Channel, PageView, called_exposure, reception};
use sortition_engine::plan::{Kill, Plan};
use sortition_engine::sender::{Proof, Sender, identify};
use sortition_engine::url::Url;
use sortition_engine::visitor::assignments::Assignments;

fn of_server(context: Value) -> Ofrep {
    Ofrep::parse(&json!({"context": context}).to_string(), Reading::Believed).unwrap()
}

/// The flags that a server is told, by key.
#[track_caller]
fn flags(plan: &Plan, context: Value) -> Value {
    let ofrep = of_server(context);
    let asked = Ask::default().find(plan).unwrap();
    let nobody = Assignments::default();
    let decisions =
        decide_for_server(plan, &asked, (&ofrep.units, &ofrep.attributes), ofrep.url.as_deref(), &nobody, now());
    let answer: Value = serde_json::from_str(&bulk(plan, &decisions)).unwrap();
    let by_key = |flag: &Value| (flag["key"].as_str().unwrap().to_owned(), flag.clone());
    answer["flags"].as_array().unwrap().iter().map(by_key).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn every_reason_has_its_word_and_value() {
    let winner = with(running("winner", json!({})), json!({"winner": "bold"}));
    let forced = running("forced", json!({"overrides": [{"audience": {"custom.staff": true}, "variant": "bold"}]}));
    let outside = running("outside", json!({"audience": {"country": "US"}}));
    let draft = with(running("draft", json!({})), json!({"status": "draft"}));
    let paused = with(running("paused", json!({})), json!({"status": "paused"}));
    let over = with(running("over", json!({})), json!({"status": "completed"}));
    let ended = running("ended", json!({"ends_at": "2026-01-01T00:00:00Z"}));
    let early = running("early", json!({"starts_at": "2027-01-01T00:00:00Z"}));
    let nobody = running("nobody", json!({"traffic": 0}));
    let split = with(running("split", json!({})), json!({"variants": variants(&[("control", 0.0), ("bold", 1.0)])}));
    let plan = compile(&shop(&[winner, forced, outside, draft, paused, over, ended, early, nobody, split]));
    let flags = flags(&plan, json!({"targetingKey": "somebody-1", "staff": true, "country": "CH"}));
    let told = |key: &str| {
        let flag = &flags[key];
        (
            flag["reason"].as_str().unwrap(),
            flag.get("value").and_then(Value::as_str),
            flag["metadata"]["reason"].as_str().unwrap(),
        )
    };
    assert_eq!(told("winner"), ("STATIC", Some("bold"), "winner"));
    assert_eq!(told("forced"), ("TARGETING_MATCH", Some("bold"), "forced"));
    assert_eq!(told("split"), ("SPLIT", Some("bold"), "split"));
    assert_eq!(told("outside"), ("DEFAULT", Some("control"), "audience"));
    assert_eq!(told("nobody"), ("DEFAULT", Some("control"), "traffic"));
    for (key, reason) in
        [("draft", "draft"), ("paused", "paused"), ("over", "completed"), ("ended", "ended"), ("early", "scheduled")]
    {
        assert_eq!(told(key), ("DISABLED", None, reason), "{key}");
        assert!(flags[key].get("variant").is_none(), "{key}");
    }
}

#[test]
fn what_is_killed_is_disabled() {
    let mut plan = compile(&shop(&[running("hero", json!({}))]));
    plan.apply(&Kill::parse(r#"{"experiments": ["hero"]}"#).unwrap());
    let flags = flags(&plan, json!({"targetingKey": "somebody-1"}));
    assert_eq!((&flags["hero"]["reason"], flags["hero"].get("value")), (&json!("DISABLED"), None));
}

#[test]
fn a_value_is_the_payload_or_on_or_the_id() {
    let only = |id: &str, control: Value, bold: Value| {
        with(running(id, json!({"winner": bold["id"]})), json!({"variants": [control, bold]}))
    };
    let payload = |id: &str, payload: Value| json!({"id": id, "weight": 1, "payload": payload});
    let plain = |id: &str| json!({"id": id, "weight": 1});
    let plan = compile(&shop(&[
        only("object", plain("control"), payload("bold", json!({"a": [1, "\u{2028}<"]}))),
        only("zero", plain("control"), payload("bold", json!(0))),
        only("empty", plain("control"), payload("bold", json!(""))),
        only("no", plain("control"), payload("bold", json!(false))),
        only("switch", plain("off"), plain("on")),
        only("truth", plain("true"), plain("false")),
        only("mixed", plain("control"), plain("on")),
        only("list", plain("control"), payload("bold", json!([1]))),
        only("null", plain("control"), payload("bold", Value::Null)),
    ]));
    let flags = flags(&plan, json!({"targetingKey": "somebody-1"}));
    let value = |key: &str| flags[key]["value"].clone();
    assert_eq!(value("object"), json!({"a": [1, "\u{2028}<"]}));
    assert_eq!(value("zero"), json!(0));
    assert_eq!(value("empty"), json!(""));
    assert_eq!(value("no"), json!(false));
    assert_eq!(value("switch"), json!(true));
    assert_eq!(value("truth"), json!(false));
    assert_eq!(value("mixed"), json!("on"));
    for key in ["list", "null"] {
        let flag = &flags[key];
        assert_eq!(
            (&flag["errorCode"], flag.get("value"), flag.get("reason")),
            (&json!("GENERAL"), None, None),
            "{key}"
        );
    }
}

#[test]
fn a_flag_is_found_by_its_key_then_by_its_id() {
    let plan = compile(&shop(&[running("hero", json!({"key": "Hero Banner"})), running("nav", json!({}))]));
    assert_eq!(Ofrep::flag(&plan, "Hero Banner").unwrap(), Asked(vec![experiment_at(0)]));
    assert_eq!(Ofrep::flag(&plan, "hero").unwrap(), Asked(vec![experiment_at(0)]));
    let failure = Ofrep::flag(&plan, &"x".repeat(10_000)).unwrap_err();
    assert_eq!((failure.code, failure.status()), (ErrorCode::FlagNotFound, 404));
    assert!(failure.to_json(Some(&"x".repeat(10_000))).len() < 1000);
}

/// Rules of one flag, of which audiences let at most one assign.
#[test]
fn of_experiments_that_share_a_key_the_one_that_assigns_speaks() {
    let rule = |id: &str, country: &str| running(id, json!({"key": "banner", "audience": {"country": country}}));
    let plan = compile(&shop(&[rule("banner-us", "US"), rule("banner-ch", "CH")]));
    let flags = flags(&plan, json!({"targetingKey": "somebody-1", "country": "CH"}));
    assert_eq!(flags.as_object().unwrap().len(), 1);
    assert_eq!(flags["banner"]["metadata"]["experiment"], "banner-ch");
    assert_eq!(flags["banner"]["reason"], "SPLIT");
}

#[test]
fn bodies_that_cannot_be_read_have_their_code() {
    let code = |body: &str, reading| Ofrep::parse(body, reading).unwrap_err().code;
    use ErrorCode::{InvalidContext, ParseError, TargetingKeyMissing};
    let deep = format!("{{\"context\":{}{}}}", "[".repeat(200), "]".repeat(200));
    for (body, expected) in [
        ("", ParseError),
        ("{", ParseError),
        ("[]", ParseError),
        ("null", ParseError),
        (&deep, ParseError),
        ("{}", InvalidContext),
        (r#"{"context": []}"#, InvalidContext),
        (r#"{"context": {}}"#, TargetingKeyMissing),
        (r#"{"context": {"targetingKey": ""}}"#, TargetingKeyMissing),
        (r#"{"context": {"targetingKey": null}}"#, TargetingKeyMissing),
        (r#"{"context": {"targetingKey": 7}}"#, InvalidContext),
        (r#"{"context": {"targetingKey": "a", "url": 7}}"#, InvalidContext),
        (r#"{"context": {"targetingKey": "a", "user_id": {}}}"#, InvalidContext),
        ("{\"context\": {\"targetingKey\": \"a\\u001fb\"}}", InvalidContext),
        (r#"{"context": {"targetingKey": "a", "expose": "yes"}}"#, InvalidContext),
    ] {
        assert_eq!(code(body, Reading::Believed), expected, "{body}");
    }
    assert!(Ofrep::parse(r#"{"context": {}}"#, Reading::Cookies).is_ok());
    // OFREP's schema of a request is open: a client of a later version may say more
    assert!(Ofrep::parse(r#"{"context": {"targetingKey": "a"}, "more": 1}"#, Reading::Believed).is_ok());
}

/// The key is the id of whichever unit an experiment is assigned by, and other ids say more.
#[test]
fn ids_of_a_context_are_read() {
    let units = |context: Value| of_server(context).units;
    let some = |id: &str| Some(id.to_owned());
    assert_eq!(units(json!({"targetingKey": "k"})), Units { visitor: some("k"), user: some("k"), session: some("k") });
    let of_both = units(json!({"targetingKey": "u", "user_id": "u", "visitor_id": "v"}));
    assert_eq!((of_both.visitor, of_both.user, of_both.session), (some("v"), some("u"), None));
    let of_visitor = units(json!({"targetingKey": "v", "visitor_id": "v"}));
    assert_eq!((of_visitor.visitor, of_visitor.user), (some("v"), None));
    let elsewhere = Ofrep::parse(r#"{"context": {"targetingKey": "v", "user_id": "u"}}"#, Reading::Visitor).unwrap();
    assert_eq!(elsewhere.units, Units { visitor: some("v"), user: None, session: None });
}

#[test]
fn facts_of_a_call_have_their_names() {
    let attributes = json!({
        "country": "US", "device": "mobile", "cookie": {"plan": "gold"}, "header.accept": "x", "plan": "free",
        "custom": {"tier": {"level": 3}}, "query.a": "said"
    });
    let units = Units { visitor: Some("v".into()), ..Units::default() };
    let url = Url::split("https://shop.example/p/1?a=1&b=2&utm_source=mail");
    let context = CallContext { units: &units, url: Some(url), attributes: attributes.as_object().unwrap() };
    let fact = |name: &str| match context.get(&FactKey::parse(name).unwrap()) {
        Fact::Text(text) => text.into_owned(),
        Fact::Number(number) => number.to_string(),
        Fact::Absent => "absent".to_owned(),
        other => panic!("{other:?}"),
    };
    for (name, value) in [
        ("country", "US"),
        ("device", "mobile"),
        ("cookie.plan", "gold"),
        ("header.Accept", "x"),
        ("custom.plan", "free"),
        ("custom.tier.level", "3"),
        ("query.a", "said"),
        ("query.b", "2"),
        ("utm.source", "mail"),
        ("path", "/p/1"),
        ("host", "shop.example"),
        ("visitor_id", "v"),
        ("user_id", "absent"),
        ("os", "absent"),
        ("custom.none", "absent"),
    ] {
        assert_eq!(fact(name), value, "{name}");
    }
}

#[test]
fn who_may_ask() {
    let own = Credentials { own_origin: "https://shop.example", ..Credentials::default() };
    let allowed = ["https://app.example".to_owned()];
    let asks = |sent: Credentials<'static>| who_asks(&sent, Some("token"), &allowed);
    let origin = |origin| Credentials { origin: Some(origin), ..own };
    assert_eq!(asks(Credentials { authorization: Some("Bearer token"), ..own }), Ok(Caller::Server));
    assert_eq!(asks(Credentials { authorization: Some("bearer  token"), ..own }), Ok(Caller::Server));
    assert_eq!(asks(Credentials { api_key: Some("token"), ..own }), Ok(Caller::Server));
    assert_eq!(asks(Credentials { api_key: Some("tokem"), ..own }), Err(Refusal::Unauthorized));
    assert_eq!(asks(Credentials { api_key: Some(""), ..own }), Err(Refusal::Unauthorized));
    assert_eq!(asks(origin("https://shop.example")), Ok(Caller::Browser));
    assert_eq!(asks(Credentials { fetch_site: Some("same-origin"), ..own }), Ok(Caller::Browser));
    assert_eq!(
        asks(Credentials { fetch_site: Some("same-site"), ..origin("https://www.shop.example") }),
        Ok(Caller::Browser)
    );
    assert_eq!(asks(origin("https://app.example")), Ok(Caller::OtherSite("https://app.example")));
    assert_eq!(asks(origin("https://evil.example")), Err(Refusal::Forbidden));
    assert_eq!(asks(origin("null")), Err(Refusal::Forbidden));
    assert_eq!(asks(Credentials { fetch_site: Some("cross-site"), ..own }), Err(Refusal::Forbidden));
    assert_eq!(asks(own), Err(Refusal::Unauthorized));
    // without the secret no token is right, an empty one least of all
    for unset in [None, Some("")] {
        assert_eq!(who_asks(&Credentials { api_key: Some(""), ..own }, unset, &[]), Err(Refusal::Unauthorized));
        assert_eq!(who_asks(&Credentials { api_key: Some("x"), ..own }, unset, &[]), Err(Refusal::Unauthorized));
    }
}

/// A page of another site that named somebody who is no visitor was told of no flag at all: 200 without flags, or 500.
#[test]
fn another_site_names_a_visitor_and_nobody_else() {
    let document = shop(&[running("hero", json!({})), running("pay", json!({"unit": "user"}))]);
    let plan = compile(&document);
    let read = |plan: &Plan, path: &str, body: Value| {
        let call =
            Call::read(plan, Route::of(path).unwrap(), Caller::OtherSite("https://app.example"), &body.to_string());
        let units = |call: Call| call.units().map(|(units, _)| units.clone()).collect::<Vec<_>>();
        call.map(units).map_err(|answer| (answer.status, serde_json::from_str::<Value>(&answer.body).unwrap()))
    };
    let flag = "ofrep/v1/evaluate/flags/hero";
    for id in ["u1", "a b", "größe", "me@example.org", &"a".repeat(129)] {
        for path in [flag, "ofrep/v1/evaluate/flags"] {
            let (status, problem) = read(&plan, path, json!({"context": {"targetingKey": id}})).unwrap_err();
            assert_eq!((status, &problem["errorCode"]), (400, &json!("INVALID_CONTEXT")), "{id}");
            assert!(problem["errorDetails"].as_str().unwrap().contains("no visitor id: 8 to 128"), "{problem}");
        }
        let (status, problem) = read(&plan, "choose", json!({"units": {"visitor": id}})).unwrap_err();
        assert_eq!((status, &problem["field"]), (400, &json!("units.visitor")), "{id}");
    }
    let visitor = Units { visitor: Some("visitor-1".to_owned()), user: None, session: None };
    let named = json!({"targetingKey": "visitor-1", "user_id": "u-9"});
    assert_eq!(read(&plan, flag, json!({"context": named})).unwrap(), std::slice::from_ref(&visitor));
    let named = json!({"visitor": "visitor-1", "user": "u-9", "session": "session-1"});
    assert_eq!(read(&plan, "choose", json!({"units": named})).unwrap(), [visitor]);
    let (status, problem) = read(&plan, "choose", json!({"units": {"user": "u-9"}})).unwrap_err();
    assert_eq!((status, &problem["field"]), (400, &json!("units.visitor")));
    let foreign = compile(&with(document, json!({"visitor": {"cookie": "gbuuid"}})));
    assert!(read(&foreign, flag, json!({"context": {"targetingKey": "u|1"}})).is_ok(), "an id of another tool");
}

/// Any text will do to decide by; what is to be recorded is refused at once where it is of an id that the record does not
/// take, by the same rule as `conversions` refuses what it is told later.
#[test]
fn choose_decides_for_any_id_and_records_those_that_can_be_reported() {
    let document = shop(&[
        running("hero", json!({})),
        running("pay", json!({"unit": "user"})),
        running("visit", json!({"unit": "session"})),
    ]);
    let ours = compile(&document);
    let foreign = compile(&with(document, json!({"visitor": {"cookie": "gbuuid"}})));
    let long = "a".repeat(129);
    for (plan, id, takes) in [
        (&ours, "visitor-1", [true, true, true]),
        (&ours, "v1", [false, true, false]),
        (&ours, "größe-12", [false, true, false]),
        (&ours, "a b c d e", [false, true, false]),
        (&ours, &*long, [false, true, false]),
        (&ours, "me@example.org", [false, false, false]),
        (&foreign, "u|1", [true, true, false]),
        (&foreign, "me@example.org", [false, false, false]),
        (&foreign, "größe-12", [false, true, false]),
    ] {
        for (unit, takes) in ["visitor", "user", "session"].into_iter().zip(takes) {
            let mut units = json!({"user": "user-1"});
            units[unit] = id.into();
            for (body, field) in [
                (json!({"units": units}), format!("units.{unit}")),
                (json!({"batch": [{"units": {"user": "u"}}, {"units": units}]}), format!("batch[1].units.{unit}")),
            ] {
                let read = |body: &Value| Call::read(plan, Route::Choose, Caller::Server, &body.to_string()).unwrap();
                let exposing = read(&with(body.clone(), json!({"expose": true}))).check_recordable(plan);
                let refused = exposing.err().map(|refused| {
                    let problem: Value = serde_json::from_str(&refused.body).unwrap();
                    (refused.status, problem["field"].as_str().unwrap().to_owned())
                });
                assert_eq!(refused, (!takes).then_some((400, field)), "{body}");
                let call = read(&body);
                assert_eq!(call.check_recordable(plan), Ok(()), "{body}");
                let nobody = Assignments::default();
                let decide = |(units, facts): (&Units, &_)| {
                    (units.clone(), decide_for_server(plan, call.asked(), (units, facts), None, &nobody, now()))
                };
                let decided: Vec<_> = call.units().map(decide).collect();
                let answer: Value = serde_json::from_str(&call.answer(plan, &decided, None).body).unwrap();
                let told = answer.pointer("/decisions").or(answer.pointer("/batch/1/decisions")).unwrap();
                let exposures: Vec<&Value> =
                    told.as_array().unwrap().iter().map(|one| &one["exposure"]).filter(|it| !it.is_null()).collect();
                assert!(!exposures.is_empty(), "{body}");
                let report = json!({"events": exposures}).to_string();
                let drafts = reception::read(report.as_bytes(), Channel::Server, now());
                let events = drafts.ok().and_then(|it| reception::from_server(&it, plan, &[7; 32], None, now()).ok());
                assert_eq!(events.map(|events| events.len()), takes.then_some(exposures.len()), "{report}");
            }
        }
    }
}

/// OFREP's key may be any unit's id, so what it need not be it may not be; what is recorded is looked at all the same.
#[test]
fn an_evaluation_is_recorded_only_of_an_id_that_can_be_reported() {
    let plan = compile(&shop(&[
        running("hero", json!({})),
        running("pay", json!({"unit": "user"})),
        running("both", json!({"unit": "user", "else_unit": "visitor"})),
        running("visit", json!({"unit": "session"})),
    ]));
    let refusal = |flag: &str, context: Value| {
        let route = Route::Flag(flag.to_owned());
        let call = Call::read(&plan, route, Caller::Server, &json!({"context": context}).to_string()).unwrap();
        let refused = call.check_recordable(&plan).err()?;
        let problem: Value = serde_json::from_str(&refused.body).unwrap();
        assert_eq!((refused.status, &problem["errorCode"]), (400, &json!("INVALID_CONTEXT")));
        Some(problem["errorDetails"].as_str().unwrap().split(": ").next().unwrap().to_owned())
    };
    let (key, own) = (Some("context.targetingKey".to_owned()), Some("context.visitor_id".to_owned()));
    for (flag, context, expected) in [
        ("hero", json!({"targetingKey": "u1"}), None),
        ("hero", json!({"targetingKey": "u1", "expose": true}), key.clone()),
        ("hero", json!({"targetingKey": "visitor-1", "expose": true}), None),
        ("hero", json!({"targetingKey": "u1", "visitor_id": "visitor-1", "expose": true}), None),
        ("hero", json!({"targetingKey": "visitor-1", "visitor_id": "v1", "expose": true}), own),
        ("pay", json!({"targetingKey": "u1", "expose": true}), None),
        ("pay", json!({"targetingKey": "me@example.org", "expose": true}), key.clone()),
        ("pay", json!({"targetingKey": "me@example.org"}), None),
        ("both", json!({"targetingKey": "u1", "expose": true}), None),
        (
            "both",
            json!({"targetingKey": "v1", "visitor_id": "v1", "expose": true}),
            Some("context.visitor_id".to_owned()),
        ),
        ("visit", json!({"targetingKey": "s1", "expose": true}), key),
        ("visit", json!({"targetingKey": "u1", "session_id": "session-1", "expose": true}), None),
    ] {
        assert_eq!(refusal(flag, context.clone()), expected, "{flag} {context}");
    }
    // the key of a user is no visitor's id
    let asked = Ask { names: vec!["pay".to_owned()], tags: Vec::new() }.find(&plan).unwrap();
    let nobody = Assignments::default();
    for (visitor, kept) in [("u1", None), ("visitor-1", Some("visitor-1"))] {
        let units = Units { visitor: Some(visitor.to_owned()), user: Some("u1".to_owned()), session: None };
        let decided = decide_for_server(&plan, &asked, (&units, &serde_json::Map::new()), None, &nobody, now());
        let who = CalledBy { visitor: units.visitor.as_deref(), user: units.user.as_deref(), session: None };
        let event = called_exposure(&plan, &decided[0], who, now(), &PageView::default()).unwrap();
        assert_eq!((event.anonymous_id.as_deref(), event.user_id.as_deref()), (kept, Some("u1")));
    }
}

/// Before consent what a browser's call met waits like what a page met: it is told with the consent, with its own time, and
/// is not told twice.
#[test]
fn what_a_call_met_before_consent_waits_for_it() {
    let consent = json!({"consent": {"cookie": "consent", "granted": ["yes"], "mode": "hold"}});
    let document = with(shop(&[running("hero", json!({})), running("nav", json!({}))]), consent);
    let plan = compile(&document);
    let asked = |name: &str| Ask { names: vec![name.to_owned()], tags: Vec::new() }.find(&plan).unwrap();
    let url = Url::split("https://shop.example/_sortition/choose");
    let call = |name: &str, cookies: &str, at: i64, expose: bool| {
        let sent = Sent::by(CHROME).header("cookie", cookies);
        let page = Page::new(&plan, "https://shop.example/", &sent);
        let request = page.request();
        let Sender::Person(visitor) = identify(&plan, &asked(name).0, &request, Proof::default(), || [7; 16]) else {
            panic!("nobody asks");
        };
        let person = sortition_engine::facts::Person::of(&visitor, &[]);
        let facts = sortition_engine::facts::Facts { request: &request, person: Some(person) };
        let asker = sortition_engine::decide::Asker::Person(person);
        let decisions = sortition_engine::decisions::decide_call(&plan, &asked(name), None, &facts, asker, at);
        let exposes = expose.then_some(|_: &sortition_engine::decide::Decision| true);
        let called = sortition_engine::execution::called(&plan, &visitor, (&decisions, exposes), &url, None, at);
        let kept = called.cookies.iter().find_map(|cookie| cookie.strip_prefix("sortition_as="));
        let kept = kept.map(|cookie| cookie.split(';').next().unwrap().to_owned());
        let besides: Vec<i64> = called.besides.iter().map(|one| one.at).collect();
        (called.first.len(), besides, kept, called.shown_to_user)
    };
    let id = "sortition_id=visitor-1";
    let met = now();
    let (first, besides, kept, shown) = call("hero", id, met, true);
    assert_eq!((first, besides, shown), (0, vec![], String::new()), "nothing is told before consent");
    let waits = format!("{id}; sortition_as={}", kept.unwrap());
    let (first, besides, kept, _) = call("hero", &waits, met + 60_000, true);
    assert_eq!((first, besides, kept), (0, vec![], None), "it waits since the first time");
    let consents = format!("{waits}; consent=yes");
    assert_eq!(call("nav", &consents, met + 120_000, false).1, Vec::<i64>::new(), "a call that exposes nothing");
    let (first, besides, kept, _) = call("nav", &consents, met + 120_000, true);
    assert_eq!((first, besides), (1, vec![met]), "told with the first call that may tell, with its time");
    let told = format!("{id}; consent=yes; sortition_as={}", kept.unwrap());
    assert_eq!(call("hero", &told, met + 180_000, true).0, 0, "and not once more");
    let (first, besides, ..) = call("nav", &consents, met + 86_400_001, true);
    assert_eq!((first, besides), (1, vec![]), "after a day it is dropped");
}

#[test]
fn choose_says_what_was_decided_and_what_to_send() {
    let hero = running("hero", json!({"tags": ["home"], "pages": ["/"], "winner": null}));
    let nav = running("nav", json!({"tags": ["home", "all"], "kind": "release"}));
    let user = running("checkout", json!({"unit": "user"}));
    let plan = compile(&shop(&[hero, nav, user]));
    let ask = |body: Value| {
        let choose = Choose::parse(&body.to_string(), Reading::Believed).unwrap();
        let asked = choose.ask.find(&plan).unwrap();
        let nobody = Assignments::default();
        let decided: Vec<_> = choose
            .choices
            .iter()
            .map(|one| {
                let of = (&one.units, &one.attributes);
                (one.units.clone(), decide_for_server(&plan, &asked, of, choose.url.as_deref(), &nobody, now()))
            })
            .collect();
        serde_json::from_str::<Value>(&answered(&plan, &choose, &decided)).unwrap()
    };
    let told = ask(json!({"units": {"visitor": "visitor-1"}, "tags": ["home"]}));
    assert_eq!(told["revision"], "1");
    assert_eq!(told["decisions"].as_array().unwrap().len(), 2);
    let hero = &told["decisions"][0];
    assert_eq!(
        (&hero["experiment"], &hero["reason"], &hero["iteration"]),
        (&json!("hero"), &json!("split"), &json!(1))
    );
    assert_eq!(
        hero["exposure"],
        json!({"type": "experiment_exposed", "experiment_id": "hero", "iteration": 1, "variant": hero["variant"], "anonymous_id": "visitor-1"})
    );
    assert_eq!(told["decisions"][1]["exposure"], Value::Null, "only experiments expose");

    let elsewhere = ask(json!({"units": {"visitor": "visitor-1"}, "names": ["hero"], "url": "https://shop.example/p"}));
    assert_eq!(
        (&elsewhere["decisions"][0]["reason"], &elsewhere["decisions"][0]["variant"]),
        (&json!("page"), &Value::Null)
    );

    let nobody = ask(json!({"units": {"visitor": "visitor-1"}, "names": ["checkout"]}));
    assert_eq!(nobody["decisions"][0]["reason"], "audience", "there is no user to assign");

    let batch = ask(json!({"names": ["checkout"], "batch": [{"units": {"user": "u1"}}, {"units": {"user": "u2"}}]}));
    assert_eq!(batch["batch"].as_array().unwrap().len(), 2);
    assert_eq!(batch["batch"][1]["decisions"][0]["exposure"]["user_id"], "u2");
    assert_eq!(batch["revision"], "1");
}

#[test]
fn what_is_wrong_with_a_choice_is_named() {
    let plan = compile(&shop(&[running("hero", json!({"tags": ["home"]}))]));
    let path = |body: &str, reading| Choose::parse(body, reading).unwrap_err().path;
    let many = json!({"batch": vec![json!({"units": {"user": "u"}}); 1001]}).to_string();
    for (body, expected) in [
        ("", ""),
        ("[1]", ""),
        (r#"{"units": {"visitor": "v"}, "nmaes": []}"#, "nmaes"),
        (r#"{"units": {"visitor": "v"}, "names": "hero"}"#, "names"),
        (r#"{"units": {"visitor": "v"}, "names": [1]}"#, "names[0]"),
        (r#"{"units": {"visitor": 1}}"#, "units.visitor"),
        (r#"{"units": {"guest": "1"}}"#, "units.guest"),
        ("{}", "units"),
        (r#"{"batch": []}"#, "batch"),
        (r#"{"batch": [1]}"#, "batch[0]"),
        (r#"{"batch": [{"units": {}}]}"#, "batch[0].units"),
        (r#"{"batch": [{"units": {"user": "u"}, "url": "x"}]}"#, "batch[0].url"),
        (r#"{"units": {"user": "u"}, "batch": [{"units": {"user": "u"}}]}"#, "units"),
        (&many, "batch"),
        (r#"{"units": {"visitor": "v"}, "expose": 1}"#, "expose"),
    ] {
        assert_eq!(path(body, Reading::Believed), expected, "{body}");
    }
    for reading in [Reading::Cookies, Reading::Visitor] {
        let batch = r#"{"batch": [{"units": {"user": "u"}}]}"#;
        assert_eq!(path(batch, reading), "batch", "a browser asks for itself alone");
    }
    let ask = |names: &[&str], tags: &[&str]| {
        let own = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        Ask { names: own(names), tags: own(tags) }.find(&plan).unwrap_err()
    };
    let unknown = ask(&["heroo"], &[]);
    assert_eq!(
        (unknown.path.as_str(), unknown.message.as_str()),
        ("names[0]", "there is no experiment `heroo`: did you mean `hero`?")
    );
    assert_eq!(ask(&["hero"], &["hmoe"]).message, "there is no tag `hmoe`: did you mean `home`?");
}

/// Decisions by call and by page are one: same unit, same variant, whether asked alone, with others, or by a page view.
#[test]
fn a_call_and_a_page_decide_alike() {
    let experiments: Vec<Value> = (0..12)
        .map(|n| {
            let more = match n % 4 {
                0 => json!({"traffic": 50}),
                1 => json!({"conflicts": ["area"], "priority": n}),
                2 => json!({"layer": "checkout", "slots": [n * 500, n * 500 + 500]}),
                _ => json!({"audience": {"country": "US"}}),
            };
            running(&format!("e{n}"), more)
        })
        .collect();
    let plan = compile(&with(shop(&experiments), json!({"layers": {"checkout": {}}, "holdout": {"percent": 10}})));
    let all = Ask::default().find(&plan).unwrap();
    let attributes = json!({"country": "US"});
    let attributes = attributes.as_object().unwrap();
    for n in 0..500 {
        let visitor = format!("visitor-{n}");
        let units = Units { visitor: Some(visitor.clone()), ..Units::default() };
        let nobody = Assignments::default();
        let ask = |asked: &Asked| decide_for_server(&plan, asked, (&units, attributes), None, &nobody, now());
        let by_call = ask(&all);
        for decision in &by_call {
            let alone = ask(&Asked(vec![decision.experiment]));
            assert_eq!((alone[0].reason, alone[0].variant), (decision.reason, decision.variant));
        }
        let sent = Sent::by(CHROME).header("cookie", &format!("sortition_id={visitor}")).property("country", "US");
        let intent = Page::new(&plan, "https://shop.example/", &sent).intent(|| [0; 16]);
        let on_page: Vec<_> = intent.decisions.iter().map(|one| (one.experiment, one.reason, one.variant)).collect();
        let called: Vec<_> = by_call.iter().map(|one| (one.experiment, one.reason, one.variant)).collect();
        assert_eq!(called, on_page, "{visitor}");
    }
    let decisions = decide_for_server(
        &plan,
        &all,
        (&Units { visitor: Some("visitor-1".into()), ..Units::default() }, attributes),
        None,
        &Assignments::default(),
        now(),
    );
    assert!(decisions.iter().any(|one| one.reason == Reason::Conflict), "the test would otherwise test less");
    assert_eq!(Flag::all(&plan, &decisions).len(), 12);
}

mod memory {
    use super::*;
    use sortition_engine::decisions::{CallKey, Unchanged, holds_until};
    use std::rc::Rc;

    #[test]
    fn an_answer_is_remembered_for_its_plan_and_its_time() {
        let (plan, other) = (Rc::new(1), Rc::new(1));
        let mut unchanged = Unchanged::default();
        let call = CallKey::of(&["flags", "", "{}"]);
        assert_eq!(unchanged.tag(&plan, call, 0), None);
        unchanged.remember(&plan, call, "\"a\"", 10);
        assert_eq!(unchanged.tag(&plan, call, 9), Some("\"a\""));
        assert_eq!(unchanged.tag(&plan, call, 10), None, "an experiment starts or ends then");
        assert_eq!(unchanged.tag(&plan, CallKey::of(&["flags", "{", "}"]), 0), None);
        assert_eq!(unchanged.tag(&other, call, 0), None, "an equal plan is another one");
        unchanged.remember(&other, call, "\"b\"", 10);
        assert_eq!(unchanged.tag(&plan, call, 0), None);
        drop(other);
        assert_eq!(unchanged.tag(&Rc::new(1), call, 0), None, "a plan that is gone leaves no answer to the next");
    }

    #[test]
    fn it_forgets_rather_than_grows() {
        let plan = Rc::new(());
        let mut unchanged = Unchanged::default();
        let key = |n: u32| CallKey::of(&[&n.to_string()]);
        for n in 0..10_000 {
            unchanged.remember(&plan, key(n), "\"a\"", 10);
        }
        let known = (0..10_000).filter(|n| unchanged.tag(&plan, key(*n), 0).is_some()).count();
        assert!((400..=512).contains(&known), "{known}");
    }

    #[test]
    fn it_holds_until_something_starts_ends_or_grows() {
        let at = |text: &str| text.parse::<sortition_engine::document::Timestamp>().unwrap().millis();
        let ramp = json!([{"at": "2026-12-02T00:00:00Z", "traffic": 50}]);
        let plan = compile(&shop(&[
            running("a", json!({"starts_at": "2026-12-01T00:00:00Z", "ramp": ramp})),
            running("b", json!({"ends_at": "2026-12-03T00:00:00Z"})),
        ]));
        let days = ["2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z", "2026-12-03T00:00:00Z"].map(at);
        assert_eq!(holds_until(&plan, days[0] - 1), days[0]);
        assert_eq!(holds_until(&plan, days[0]), days[1]);
        assert_eq!(holds_until(&plan, days[1]), days[2]);
        assert_eq!(holds_until(&plan, days[2]), i64::MAX);
    }
}

mod users {
    use super::*;
    use sortition_engine::decisions::{assignments_of, depends_on_people, shown};
    use sortition_engine::person::merge;

    fn plan_where(bold: f64) -> Plan {
        let hero = json!({"unit": "user", "variants": variants(&[("control", 1.0 - bold), ("bold", bold)])});
        compile(&shop(&[with(running("hero", json!({})), hero), running("nav", json!({}))]))
    }

    fn decided(plan: &Plan, known: &Assignments) -> Vec<sortition_engine::decide::Decision> {
        let units = Units { visitor: None, user: Some("anna".to_owned()), session: None };
        decide_for_server(plan, &Asked(vec![experiment_at(0)]), (&units, &serde_json::Map::new()), None, known, now())
    }

    #[test]
    fn what_a_server_has_shown_stays_and_is_told_once() {
        let (before, after) = (plan_where(1.0), plan_where(0.0));
        let nothing = Assignments::default();
        let first = decided(&before, &nothing);
        let told = shown(&before, "anna", &nothing, first.iter(), now());
        let kept = merge("", &told);
        assert_eq!(kept.len(), 11);
        let known = assignments_of(&after, "anna", &kept, now());
        let second = decided(&after, &known);
        assert_eq!((second[0].reason, second[0].variant), (Reason::Sticky, first[0].variant));
        assert_eq!(shown(&after, "anna", &known, second.iter(), now()), "", "it knows that");
        assert_eq!(decided(&after, &assignments_of(&after, "ben", "", now()))[0].reason, Reason::Split);
    }

    #[test]
    fn only_experiments_of_users_ask() {
        let plan = plan_where(1.0);
        assert!(depends_on_people(&plan, &Asked(vec![experiment_at(0)])));
        assert!(!depends_on_people(&plan, &Asked(vec![experiment_at(1)])));
        assert!(!depends_on_people(&compile(&shop(&[running("nav", json!({}))])), &Asked(vec![experiment_at(0)])));
    }
}
