//! A user on several devices, with the object that keeps what they were assigned: the text of it, and the rules.

use crate::support::{Browser, HOME, Random, compile, html, running, shop, values, variants, with};
use proptest::prelude::*;
use serde_json::{Value, json};
use sortition_engine::document::UnitKind;
use sortition_engine::execution::breaker::Breakers;
use sortition_engine::person::{MOST, merge};
use sortition_engine::plan::Plan;
use sortition_engine::visit::{Joined, Outcome, Question};

fn plan(more: Value) -> Plan {
    let hero = with(json!({"unit": "user", "else_unit": "visitor"}), more);
    let all = [running("hero", hero), running("other", json!({"pages": ["/other"], "unit": "user"}))];
    compile(&with(shop(&all), json!({"visitor": {"user_cookie": "user"}})))
}

/// The objects of a world, by name: what they keep.
pub(super) type Objects = std::collections::BTreeMap<String, String>;

/// What became of one page view.
pub(super) struct Viewed {
    /// How often the object was asked.
    asked: usize,
    /// What the client was told.
    pub(super) told: String,
    /// The exposures that were sent, as their events.
    pub(super) exposed: Vec<Value>,
}

/// One page view of a worker that has objects to ask.
pub(super) fn view(browser: &mut Browser, plan: &Plan, url: &str, objects: &mut Objects) -> Viewed {
    let mut asked = 0;
    let mut answer: Option<String> = None;
    loop {
        let joined = answer.as_deref().map_or(Joined::NotYet, Joined::Answer);
        let mut visit = browser.begin(plan, url, joined);
        let question = match visit.next(&mut Breakers::default(), 0.0) {
            Outcome::Ask(Question::Join { object, shown }) => Some((object, shown)),
            _ => None,
        };
        if let Some((object, shown)) = question {
            asked += 1;
            let kept = objects.entry(object).or_default();
            *kept = merge(kept, &shown);
            answer = Some(kept.clone());
            continue;
        }
        let finish = visit.finish(&html());
        if let Some((object, shown)) = visit.news_of_user(Some(&finish)) {
            let kept = objects.entry(object).or_default();
            *kept = merge(kept, &shown);
        }
        browser.take(values(&finish.changes, "Set-Cookie"));
        let visits = visit.exposures_of(&finish, None).visits(None, &[]);
        let events = visits.lines().flat_map(|line| match &serde_json::from_str::<Value>(line).unwrap()["events"] {
            Value::Array(events) => events.clone(),
            other => panic!("{other} are no events"),
        });
        return Viewed { asked, told: visit.intent().told_client.clone(), exposed: events.collect() };
    }
}

/// A view of the home page: how often the object was asked, and what the client was told.
fn visit(browser: &mut Browser, plan: &Plan, objects: &mut Objects) -> (usize, String) {
    let viewed = view(browser, plan, HOME, objects);
    (viewed.asked, viewed.told)
}

fn log_in(browser: &mut Browser, user: &str) {
    browser.cookies.insert("user".to_owned(), user.to_owned());
}

/// The phone shows its visitor something and its owner logs in; the laptop takes it over, whatever it would have given.
#[test]
fn the_laptop_shows_what_the_phone_showed() {
    let before = plan(json!({}));
    // why: by the time of the laptop everybody new would be given the other variant
    let mut carried = 0;
    for seed in 0..60 {
        let mut objects = Objects::new();
        let mut phone = Browser::new(seed);
        let (asked, shown) = visit(&mut phone, &before, &mut objects);
        assert_eq!(asked, 0, "nobody is logged in");
        log_in(&mut phone, "u-1");
        assert_eq!(visit(&mut phone, &before, &mut objects), (1, shown.clone()));
        assert_eq!(visit(&mut phone, &before, &mut objects), (0, shown.clone()), "and never again");
        let other = if shown == "hero=bold" { ("control", "bold") } else { ("bold", "control") };
        let weights =
            [("control", f64::from(u8::from(other.0 == "control"))), ("bold", f64::from(u8::from(other.0 == "bold")))];
        let after = plan(json!({"variants": variants(&weights)}));
        let mut laptop = Browser::new(1_000 + seed);
        log_in(&mut laptop, "u-1");
        assert_eq!(visit(&mut laptop, &after, &mut objects), (1, shown.clone()));
        assert_eq!(visit(&mut laptop, &after, &mut objects), (0, shown));
        let mut stranger = Browser::new(2_000 + seed);
        log_in(&mut stranger, "u-2");
        carried += usize::from(visit(&mut stranger, &after, &mut objects).1 == format!("hero={}", other.0));
    }
    assert_eq!(carried, 60, "another user has their own");
}

/// A laptop in the middle of a checkout keeps what it has shown; the object keeps what was exposed first.
#[test]
fn nobody_flips_under_their_own_eyes() {
    let (bold, control) = (only("bold"), only("control"));
    let mut objects = Objects::new();
    let (mut phone, mut laptop, mut tablet) = (Browser::new(1), Browser::new(2), Browser::new(3));
    assert_eq!(visit(&mut phone, &bold, &mut objects).1, "hero=bold");
    assert_eq!(visit(&mut laptop, &control, &mut objects).1, "hero=control");
    for browser in [&mut phone, &mut laptop, &mut tablet] {
        log_in(browser, "u-1");
    }
    assert_eq!(visit(&mut phone, &control, &mut objects).1, "hero=bold");
    assert_eq!(visit(&mut laptop, &control, &mut objects).1, "hero=control", "what it has shown stays");
    assert_eq!(visit(&mut tablet, &control, &mut objects).1, "hero=bold", "what was exposed first");
}

fn only(variant: &str) -> Plan {
    let weight = |id: &str| f64::from(u8::from(id == variant));
    plan(json!({"variants": variants(&[("control", weight("control")), ("bold", weight("bold"))])}))
}

/// New assignments of a user who is joined reach the object behind the answer, and a browser without an answer asks again
/// at most twice.
#[test]
fn what_is_new_is_told_and_silence_is_not_asked_for_ever() {
    let plan = plan(json!({}));
    let mut objects = Objects::new();
    let mut browser = Browser::new(5);
    log_in(&mut browser, "u-1");
    let (asked, _) = visit(&mut browser, &plan, &mut objects);
    assert_eq!((asked, objects["shop/u-1"].len()), (1, 11), "asked before, told behind");

    let mut silent = Browser::new(6);
    log_in(&mut silent, "u-2");
    let mut asked = 0;
    for _ in 0..6 {
        let mut first = silent.begin(&plan, HOME, Joined::NotYet);
        let asks = matches!(first.next(&mut Breakers::default(), 0.0), Outcome::Ask(_));
        asked += usize::from(asks);
        let joined = if asks { Joined::Late } else { Joined::NotYet };
        let visit = silent.begin(&plan, HOME, joined);
        let finish = visit.finish(&html());
        silent.take(values(&finish.changes, "Set-Cookie"));
    }
    assert_eq!(asked, 3);
}

/// What was joined is the user's: met on the second device it is an exposure of the user.
#[test]
fn what_is_taken_over_is_exposed_as_the_users() {
    let (bold, control) = (only("bold"), only("control"));
    let mut objects = Objects::new();
    let (mut phone, mut laptop) = (Browser::new(1), Browser::new(2));
    visit(&mut phone, &bold, &mut objects);
    log_in(&mut phone, "u-1");
    visit(&mut phone, &bold, &mut objects);
    log_in(&mut laptop, "u-1");
    let answer = objects["shop/u-1"].clone();
    let visit = laptop.begin(&control, HOME, Joined::Answer(&answer));
    assert_eq!(visit.intent().decisions[0].evidence.unit, Some(UnitKind::User));
    assert_eq!(visit.finish(&html()).exposed, [0]);
}

fn shown() -> impl Strategy<Value = String> {
    prop::collection::vec("[A-D]AAA[A-C]BBB[A-C]A", 0..8)
        .prop_map(|records| records.into_iter().map(|it| it + "A").collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::assignments::cases(500), ..ProptestConfig::default() })]

    /// Told twice is told once; the order of devices decides only between those of one day; and nothing is lost.
    #[test]
    fn joining_is_idempotent_and_loses_nothing(first in shown(), second in shown()) {
        let once = merge(&merge("", &first), &second);
        prop_assert_eq!(merge(&once, &first), once.clone());
        prop_assert_eq!(merge(&once, &second), once.clone());
        let keys = |text: &str| text.as_bytes().chunks(11).map(|it| it[..4].to_vec()).collect::<std::collections::BTreeSet<_>>();
        prop_assert_eq!(keys(&once), &keys(&first) | &keys(&second));
    }

    #[test]
    fn any_text_is_taken(kept in any::<String>(), shown in any::<String>()) {
        let merged = merge(&kept, &shown);
        prop_assert_eq!(merge(&merged, ""), merged);
    }
}

#[test]
fn an_object_is_bounded() {
    let mut random = Random(1);
    let many: String = (0..3 * MOST)
        .map(|_| {
            let mut record = String::new();
            sortition_engine::hash::push_digits(random.next() & 0xff_ffff, 4, &mut record);
            record + "AAAAAAA"
        })
        .collect();
    assert_eq!(merge("", &many).len(), 11 * MOST);
}
