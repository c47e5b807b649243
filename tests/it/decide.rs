//! Which rule decides: every reason, and of every two rules that apply the earlier one.

use crate::support::{
    Browser, CHROME, GOOGLEBOT, HOME, Page, Sent, at, compile, decide_one, experiment_at, nth, outcome, running, shop,
    variants, visitor, with,
};
use serde_json::{Value, json};
use sortition_engine::decide::{Asker, Reason, decide};
use sortition_engine::hash::Salt;
use sortition_engine::plan::Kill;
use std::sync::LazyLock;

mod evidence;
mod interplay;
mod units;

/// A unit that the split gives the control of `hero`, while its cookie says `bold`: so that the two differ.
static UNIT: LazyLock<String> = LazyLock::new(|| {
    let salt = Salt::new("shop/hero/1/variant");
    (0..).map(|n| format!("unit-{n:05}")).find(|unit| salt.bucket(unit).get() < 5_000).unwrap()
});

/// A document of `hero`, with two others for it to depend on and to quarrel with, and a request for it.
struct Scenario {
    document: Value,
    kill: bool,
    sent: Sent,
    url: &'static str,
}

impl Scenario {
    fn new() -> Self {
        let nav = running("nav", json!({"pages": ["/nav"], "variants": variants(&[("control", 1.0), ("new", 0.0)])}));
        let rival = running("rival", json!({"priority": 9, "conflicts": ["area"]}));
        let document = shop(&[running("hero", json!({})), nav, rival]);
        let cookie = format!("sortition_id={}; consent=granted", *UNIT);
        Self { document, kill: false, sent: Sent::by(CHROME).header("cookie", &cookie), url: HOME }
    }

    fn hero(&mut self, more: Value) {
        let hero = &mut self.document["experiments"][0];
        *hero = with(hero.clone(), more);
    }

    fn cookie(&mut self, pair: &str) {
        let all = format!("{}; {pair}", self.sent.headers["cookie"]);
        self.sent.headers.insert("cookie".to_owned(), all);
    }

    fn apply(&mut self, reason: Reason) {
        match reason {
            Reason::Page => self.url = "https://shop.example/elsewhere",
            Reason::Killed => self.kill = true,
            Reason::Draft => self.hero(json!({"status": "draft"})),
            Reason::Scheduled => self.hero(json!({"starts_at": "2026-11-22T00:00:00Z"})),
            Reason::Paused => self.hero(json!({"status": "paused"})),
            Reason::Ended => self.hero(json!({"ends_at": "2026-11-21T12:00:00Z"})),
            Reason::Completed => self.hero(json!({"status": "completed"})),
            Reason::Crawler => self.sent = self.sent.clone().header("user-agent", GOOGLEBOT),
            Reason::NoConsent => {
                self.document["consent"] = json!({"cookie": "consent", "granted": ["granted"]});
                self.sent = self.sent.clone().header("sec-gpc", "1");
            }
            Reason::Forced => {
                self.hero(json!({"overrides": [{"audience": {"cookie.staff": "1"}, "variant": "bold"}]}));
                self.cookie("staff=1");
            }
            Reason::Winner => self.hero(json!({"winner": "bold"})),
            Reason::Requires => self.hero(json!({"requires": [{"experiment": "nav", "variant": "new"}]})),
            Reason::Audience => self.hero(json!({"audience": {"country": "US"}})),
            Reason::Holdout => self.document["holdout"] = json!({"percent": 100}),
            Reason::Layer => {
                self.document["layers"] = json!({"checkout": {}});
                self.hero(json!({"layer": "checkout", "slots": [0, 1]}));
            }
            Reason::Conflict => self.hero(json!({"conflicts": ["area"]})),
            Reason::Sticky => self.cookie("sortition_as=1~hero.1.bold.gu2"),
            Reason::Traffic => self.hero(json!({"traffic": 0})),
            Reason::Split => {}
        }
    }
}

/// What a reason gives: the variant of `hero`, what the origin is told of it, what the client is.
fn given(reason: Reason) -> (Option<&'static str>, &'static str, &'static str) {
    match reason {
        Reason::Forced | Reason::Winner | Reason::Sticky => (Some("bold"), "hero=bold", "hero=bold"),
        Reason::Split => (Some("control"), "hero=control", "hero=control"),
        Reason::Killed | Reason::Crawler | Reason::NoConsent => (Some("control"), "hero=control", ""),
        _ => (None, "", ""),
    }
}

#[track_caller]
fn check(mut scenario: Scenario, reasons: &[Reason], expected: Reason) {
    scenario.hero(json!({"pages": ["/"]}));
    for &reason in reasons {
        scenario.apply(reason);
    }
    let mut plan = compile(&scenario.document);
    if scenario.kill {
        plan.apply(&Kill::parse(r#"{"experiments": ["hero"]}"#).unwrap());
    }
    let page = Page::new(&plan, scenario.url, &scenario.sent);
    let visit = page.visit(|| [7; 16]);
    let (decisions, intent) = (visit.every_decision(&page.request()), visit.into_intent());
    let (variant, mut origin, client) = given(expected);
    if reasons.iter().any(|reason| matches!(reason, Reason::Draft | Reason::Paused | Reason::Completed)) {
        // why: what was not running before it was killed is none of the origin's business
        origin = "";
    }
    assert_eq!(outcome(&plan, &decisions, "hero"), (expected, variant.map(str::to_owned)), "{reasons:?}");
    let of_hero = |list: &str| list.split(", ").find(|member| member.starts_with("hero=")).unwrap_or("").to_owned();
    assert_eq!(of_hero(&intent.told_origin), origin, "{reasons:?}: the origin");
    assert_eq!(of_hero(&intent.told_client), client, "{reasons:?}: the client");
}

#[test]
fn every_rule_decides_where_it_applies_alone() {
    for reason in Reason::ALL {
        check(Scenario::new(), &[reason], reason);
    }
}

/// Of every two rules that apply, in whichever order the document names them. Three pairs are no matter of order: status
/// and schedule are one rule, in which what people set speaks before the clock; and conflicts are settled last, among the
/// experiments that would act, so that one with a winner or a new assignment may lose its surface, but none that is kept.
#[test]
fn of_two_rules_that_apply_the_first_decides() {
    let set = [Reason::Draft, Reason::Paused, Reason::Completed];
    let clock = [Reason::Scheduled, Reason::Ended];
    let mut pairs = 0;
    for (position, &first) in Reason::ALL.iter().enumerate() {
        for &second in &Reason::ALL[position + 1..] {
            let expected = match (first, second) {
                (first, second) if set.contains(&first) && set.contains(&second) => continue,
                (Reason::Scheduled | Reason::Ended, second) if set.contains(&second) => second,
                (first, second) if clock.contains(&first) && clock.contains(&second) => continue,
                (Reason::Winner | Reason::Split, Reason::Conflict) => Reason::Conflict,
                (first, _) => first,
            };
            check(Scenario::new(), &[first, second], expected);
            check(Scenario::new(), &[second, first], expected);
            pairs += 1;
        }
    }
    assert_eq!(pairs, 19 * 18 / 2 - 3 - 1);
}

#[test]
fn the_words_are_those_of_the_contract() {
    let words: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let contract = "page killed draft scheduled paused ended completed crawler no_consent forced winner requires \
                    audience holdout layer conflict sticky traffic split";
    let sorted = |mut words: Vec<&'static str>| {
        words.sort_unstable();
        words
    };
    assert_eq!(sorted(words), sorted(contract.split_whitespace().collect()));
    assert!(Reason::ALL.is_sorted(), "the order of the words is that of the rules");
}

#[test]
fn a_preview_shows_what_is_not_on_yet_and_nothing_that_is_over() {
    let cases = [
        (json!({"status": "draft"}), Reason::Forced),
        (json!({"starts_at": "2027-01-01T00:00:00Z"}), Reason::Forced),
        (json!({}), Reason::Forced),
        (json!({"winner": "control"}), Reason::Forced),
        (json!({"traffic": 0}), Reason::Forced),
        (json!({"audience": {"country": "US"}}), Reason::Forced),
        (json!({"overrides": [{"audience": {}, "variant": "control"}]}), Reason::Forced),
        (json!({"status": "paused"}), Reason::Paused),
        (json!({"status": "completed"}), Reason::Completed),
        (json!({"ends_at": "2026-11-01T00:00:00Z"}), Reason::Ended),
    ];
    for (more, expected) in cases {
        let plan = compile(&shop(&[running("hero", more.clone())]));
        let sent = Sent::by(CHROME);
        let intent = Page { preview: &[(0, 1)], ..Page::new(&plan, HOME, &sent) }.intent(|| [7; 16]);
        let variant = (expected == Reason::Forced).then(|| "bold".to_owned());
        assert_eq!(outcome(&plan, &intent.decisions, "hero"), (expected, variant), "{more}");
    }
    let mut plan = compile(&shop(&[running("hero", json!({}))]));
    plan.apply(&Kill::everything());
    let sent = Sent::by(CHROME);
    let intent = Page { preview: &[(0, 1)], ..Page::new(&plan, HOME, &sent) }.intent(|| [7; 16]);
    assert_eq!(outcome(&plan, &intent.decisions, "hero").0, Reason::Killed, "nothing shows what is killed");
}

#[test]
fn of_overrides_the_first_that_fits_decides() {
    let overrides = json!([
        {"audience": {"cookie.staff": "2"}, "variant": "control"},
        {"audience": "staff", "variant": "bold"},
        {"audience": {}, "variant": "control"},
    ]);
    let document = with(
        shop(&[running("hero", json!({"overrides": overrides, "traffic": 0}))]),
        json!({"audiences": {"staff": {"cookie.staff": "1"}}}),
    );
    let plan = compile(&document);
    for (cookie, expected) in [("staff=1", "bold"), ("staff=2", "control"), ("staff=3", "control")] {
        let sent = Sent::by(CHROME).header("cookie", cookie);
        let intent = Page::new(&plan, HOME, &sent).intent(|| [7; 16]);
        assert_eq!(outcome(&plan, &intent.decisions, "hero"), (Reason::Forced, Some(expected.to_owned())), "{cookie}");
    }
}

/// Forced and shipped variants are shown, and neither assigned nor exposed.
#[test]
fn what_is_forced_or_has_won_leaves_no_trace() {
    for more in [json!({"winner": "bold"}), json!({"overrides": [{"audience": {}, "variant": "bold"}]})] {
        let plan = compile(&shop(&[running("hero", more)]));
        let mut browser = Browser::new(1);
        let (intent, reply) = browser.visit(&plan, HOME);
        assert_eq!(intent.told_client, "hero=bold");
        assert!(reply.exposed.is_empty() && reply.watched().next().is_none());
        assert!(!browser.cookies.contains_key("sortition_as"));
    }
}

#[test]
fn only_an_experiment_exposes() {
    for (kind, exposed) in [("experiment", 1), ("release", 0), ("ops", 0), ("permission", 0)] {
        let plan = compile(&shop(&[running("hero", json!({"kind": kind}))]));
        let (_, reply) = Browser::new(1).visit(&plan, HOME);
        assert_eq!(reply.exposed.len(), exposed, "{kind}");
    }
}

#[test]
fn a_ramp_is_the_traffic_of_its_last_step() {
    let ramp = json!([
        {"at": "2026-11-22T00:00:00Z", "traffic": 25},
        {"at": "2026-11-23T00:00:00Z", "traffic": 50.05},
        {"at": "2026-11-24T00:00:00Z", "traffic": 0},
    ]);
    let plan = compile(&shop(&[running("hero", json!({"traffic": 5, "ramp": ramp}))]));
    for (time, buckets) in [
        ("2020-01-01T00:00:00Z", 500),
        ("2026-11-21T23:59:59.999Z", 500),
        ("2026-11-22T00:00:00Z", 2500),
        ("2026-11-22T23:59:59.999Z", 2500),
        ("2026-11-23T00:00:00Z", 5005),
        ("2026-11-24T00:00:00Z", 0),
        ("2099-01-01T00:00:00Z", 0),
    ] {
        assert_eq!(nth(&plan, 0).traffic_at(at(time)), buckets, "{time}");
    }
}

#[test]
fn a_schedule_includes_its_start_and_not_its_end() {
    let schedule = json!({"starts_at": "2026-11-22T00:00:00Z", "ends_at": "2026-11-23T00:00:00Z"});
    let plan = compile(&shop(&[running("hero", schedule)]));
    for (time, expected) in [
        ("2026-11-21T23:59:59.999Z", Reason::Scheduled),
        ("2026-11-22T00:00:00Z", Reason::Split),
        ("2026-11-22T23:59:59.999Z", Reason::Split),
        ("2026-11-23T00:00:00Z", Reason::Ended),
    ] {
        let asker = Asker::Person(visitor(&UNIT));
        let decisions = decide(&plan, &[experiment_at(0)], &crate::support::NoFacts, asker, at(time));
        assert_eq!(decisions[0].reason, expected, "{time}");
        assert_eq!(nth(&plan, 0).is_live(at(time)), expected == Reason::Split, "{time}");
    }
}

/// A new iteration is a new split of new salts: about half of the units of two even variants change.
#[test]
fn an_iteration_starts_over() {
    let first = compile(&shop(&[running("hero", json!({}))]));
    let second = compile(&shop(&[running("hero", json!({"iteration": 2}))]));
    let mut random = crate::support::Random(11);
    let changed = (0..10_000)
        .filter(|_| {
            let id = random.uuid();
            decide_one(&first, &id) != decide_one(&second, &id)
        })
        .count();
    assert!((4_700..5_300).contains(&changed), "{changed} of 10,000");

    let mut browser = Browser::new(3);
    let before = browser.visit(&first, HOME).0.told_client;
    let after = browser.visit(&second, HOME).0;
    assert_eq!(after.decisions[0].reason, Reason::Split, "what the cookie says belongs to iteration 1");
    assert!(browser.has("hero", 2, "control") || browser.has("hero", 2, "bold"), "{before}");
}

#[test]
fn crawlers_get_what_the_policy_says_whoever_they_are() {
    let agents = [GOOGLEBOT, "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "curl/8.5.0"];
    let hero = running("hero", json!({"baseline": "bold", "variants": variants(&[("control", 50.0), ("bold", 50.0)])}));
    let price = running("price", json!({}));
    let pages: Vec<String> = (0..40).map(|n| format!("https://shop.example/p/{n}?session=x")).collect();
    for (policy, expected) in [
        ("control", Some("hero=control, price=control")),
        ("baseline", Some("hero=bold, price=control")),
        ("mirror", None),
    ] {
        let plan = compile(&with(shop(&[hero.clone(), price.clone()]), json!({"crawlers": {"policy": policy}})));
        let mut seen = std::collections::BTreeSet::new();
        for page in &pages {
            let told: Vec<String> = agents
                .iter()
                .map(|agent| {
                    let sent =
                        Sent::by(agent).header("cookie", "sortition_id=unit-00001; sortition_as=1~hero.1.bold.gu2");
                    let intent = Page::new(&plan, page, &sent).intent(|| [7; 16]);
                    let reply = intent.reply(&plan, &crate::support::html(), None);
                    assert!(crate::support::values(&reply.changes, "Set-Cookie").is_empty());
                    assert!(crate::support::values(&reply.changes, "Sortition-Variants").is_empty());
                    assert!(reply.exposed.is_empty() && reply.watched.is_empty());
                    intent.told_origin
                })
                .collect();
            assert!(told.iter().all(|one| *one == told[0]), "{policy} {page}: {told:?}");
            if let Some(expected) = expected {
                assert_eq!(told[0], expected, "{policy}");
            }
            seen.insert(told[0].clone());
        }
        assert_eq!(seen.len(), if policy == "mirror" { 4 } else { 1 }, "{policy}");
    }
}

#[test]
fn consent_is_asked_of_people_where_the_document_says_so() {
    let consent = |gpc: bool| json!({"consent": {"cookie": "consent", "granted": ["yes", "all"], "honor_gpc": gpc}});
    for (cookie, signal, gpc, expected) in [
        (Some("consent=yes"), None, true, Reason::Split),
        (Some("a=b; consent=\"all\""), None, true, Reason::Split),
        (Some("consent=no"), None, true, Reason::NoConsent),
        (Some("Consent=yes"), None, true, Reason::NoConsent),
        (Some("consent="), None, true, Reason::NoConsent),
        (None, None, true, Reason::NoConsent),
        (Some("consent=yes"), Some("1"), true, Reason::NoConsent),
        (Some("consent=yes"), Some("1"), false, Reason::Split),
        (Some("consent=yes"), Some("0"), true, Reason::Split),
    ] {
        let plan = compile(&with(shop(&[running("hero", json!({}))]), consent(gpc)));
        let mut sent = Sent::by(CHROME);
        if let Some(cookie) = cookie {
            sent = sent.header("cookie", cookie);
        }
        if let Some(signal) = signal {
            sent = sent.header("sec-gpc", signal);
        }
        let intent = Page::new(&plan, HOME, &sent).intent(|| [7; 16]);
        assert_eq!(outcome(&plan, &intent.decisions, "hero").0, expected, "{cookie:?} {signal:?} {gpc}");
        let reply = intent.reply(&plan, &crate::support::html(), None);
        let cookies = crate::support::values(&reply.changes, "Set-Cookie").len();
        assert_eq!(cookies > 0, expected == Reason::Split, "{cookie:?}: no cookie without consent");
    }
}
