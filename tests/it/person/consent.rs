//! Consent in its two forms, what is essential, and the measured holdout.

use crate::support::{Browser, HOME, Random, compile, html, running, shop, with};
use serde_json::{Value, json};
use sortition_engine::decide::Reason;
use sortition_engine::execution::ExposedTo;
use sortition_engine::hash::Salt;
use sortition_engine::plan::{Plan, Position};
use sortition_engine::visit::Joined;

const HOUR: i64 = 3_600_000;

fn plan(mode: &str, more: Value) -> Plan {
    let consent = json!({"consent": {"cookie": "consent", "granted": ["yes"], "mode": mode}});
    compile(&with(shop(&[running("hero", more), running("ads", json!({"pages": ["/ads"]}))]), consent))
}

/// What a page view exposes: of the page's own decisions, and beside them with their time.
fn exposed(browser: &mut Browser, plan: &Plan, url: &str) -> (String, usize, Vec<i64>) {
    let visit = browser.begin(plan, url, Joined::Never);
    let finish = visit.finish(&html());
    browser.take(crate::support::values(&finish.changes, "Set-Cookie"));
    let written = visit.exposures_of(&finish, None);
    assert_eq!(written.exposures as usize, finish.exposed.len() + finish.besides.len(), "each is an event");
    let times = finish.besides.iter().map(|one| one.at).collect();
    (visit.intent().told_client.clone(), finish.exposed.len(), times)
}

#[test]
fn before_consent_a_visitor_keeps_a_variant_and_nothing_is_sent() {
    let plan = plan("hold", json!({}));
    let mut browser = Browser::new(3);
    let (first, sent, _) = exposed(&mut browser, &plan, HOME);
    assert!(first.starts_with("hero="));
    let met = browser.now;
    for hours in 1..5 {
        browser.now = met + hours * HOUR;
        assert_eq!(exposed(&mut browser, &plan, HOME), (first.clone(), 0, vec![]), "steady, and silent");
    }
    assert_eq!(sent, 0);
    browser.cookies.insert("consent".to_owned(), "yes".to_owned());
    let (told, sent, waited) = exposed(&mut browser, &plan, "https://shop.example/ads");
    assert!(told.contains(&first) && sent == 1, "the page's own now: {told}");
    assert_eq!(waited, [met], "and what waited, with its time");
    assert_eq!(exposed(&mut browser, &plan, HOME), (first, 0, vec![]), "once");
}

#[test]
fn what_waited_for_more_than_a_day_is_dropped() {
    let plan = plan("hold", json!({}));
    for (hours, waited) in [(23, 1), (25, 0)] {
        let mut browser = Browser::new(3);
        exposed(&mut browser, &plan, HOME);
        browser.now += hours * HOUR;
        browser.cookies.insert("consent".to_owned(), "yes".to_owned());
        let (_, sent, besides) = exposed(&mut browser, &plan, HOME);
        assert_eq!((sent, besides.len()), (1 - waited, waited), "{hours}: else it is met anew");
    }
}

/// An element is met while the page streams, when its cookies have left: before consent nothing of it is kept anywhere, and
/// whoever consents is exposed when they meet it next, by the same rule in every variant.
#[test]
fn an_element_met_before_consent_is_met_anew_after_it() {
    let steps = json!([{"select": ".deal", "do": "set_text", "value": "x"}]);
    for bold in [0, 1] {
        let variants = json!([{"id": "control", "weight": 1 - bold}, {"id": "bold", "weight": bold, "rewrite": steps}]);
        let plan = plan("hold", json!({"expose": "selector", "variants": variants}));
        let mut browser = Browser::new(3);
        let look = |browser: &mut Browser| {
            let (intent, finish) = browser.visit(&plan, HOME);
            let watched: Vec<String> = finish
                .rewriting
                .iter()
                .flat_map(|it| &it.watched)
                .map(|watched| watched.exposure.text().to_owned())
                .collect();
            (intent.told_client, finish.exposed.len() + finish.besides.len(), watched)
        };
        let (first, sent, watched) = look(&mut browser);
        assert_eq!((sent, watched.len()), (0, 0), "nothing is watched for, and nothing waits");
        browser.now += HOUR;
        assert_eq!(look(&mut browser), (first.clone(), 0, vec![]), "steady, and silent");
        browser.now += HOUR;
        browser.cookies.insert("consent".to_owned(), "yes".to_owned());
        let (told, sent, watched) = look(&mut browser);
        assert_eq!((told, sent, watched.len()), (first, 0, 1));
        let time = sortition_engine::document::Timestamp::from_millis(browser.now).to_string();
        assert!(watched[0].contains(&format!("\"exposed_at\":\"{time}\"")), "as of now: {}", watched[0]);
    }
}

#[test]
fn strict_consent_means_nothing_before_it_but_what_is_essential() {
    let strict = plan("strict", json!({}));
    let mut browser = Browser::new(3);
    assert_eq!(exposed(&mut browser, &strict, HOME), (String::new(), 0, vec![]));
    assert_eq!(browser.cookies.len(), 0);
    let essential = plan("strict", json!({"essential": true}));
    let (told, sent, _) = exposed(&mut browser, &essential, HOME);
    assert!(told.starts_with("hero="));
    assert_eq!(
        (sent, exposed(&mut browser, &essential, HOME)),
        (0, (told.clone(), 0, vec![])),
        "steady, never recorded"
    );
    let visit = browser.begin(&essential, "https://shop.example/ads", Joined::Never);
    let of_ads = visit.intent().decisions.iter().find(|decision| decision.experiment.number() == 1).unwrap();
    assert_eq!(of_ads.reason, Reason::NoConsent);
    browser.cookies.insert("consent".to_owned(), "yes".to_owned());
    assert_eq!(exposed(&mut browser, &essential, HOME), (told, 1, vec![]), "with consent it is met now");
}

/// Consent withdrawn and given again: the assignment rests, and is there again as it was.
#[test]
fn an_assignment_rests_without_consent() {
    let before = plan("strict", json!({}));
    let after = plan("strict", json!({"variants": [{"id": "control", "weight": 0}, {"id": "bold", "weight": 1}]}));
    for seed in 0..20 {
        let mut browser = Browser::new(seed);
        browser.cookies.insert("consent".to_owned(), "yes".to_owned());
        let (first, _, _) = exposed(&mut browser, &before, HOME);
        browser.cookies.insert("consent".to_owned(), "no".to_owned());
        assert_eq!(exposed(&mut browser, &after, HOME).0, "");
        browser.cookies.insert("consent".to_owned(), "yes".to_owned());
        assert_eq!(exposed(&mut browser, &after, HOME), (first, 0, vec![]));
    }
}

/// Among the held-out and the four times as many beside them everybody is exposed to the holdout once, and nobody else.
#[test]
fn the_holdout_is_measured() {
    for (compare, bound) in [(json!(null), 2_500), (json!(1), 1_000), (json!(0), 500), (json!(100), 10_000)] {
        let mut holdout = json!({"percent": 5});
        if !compare.is_null() {
            holdout["compare"] = compare;
        }
        let plan = compile(&with(shop(&[running("hero", json!({}))]), json!({"holdout": holdout})));
        let salt = Salt::new("shop/holdout");
        let mut random = Random(4);
        let mut seen = [0; 3];
        for _ in 0..1_500 {
            let id = random.uuid();
            let bucket = salt.bucket(&id).get();
            let mut browser = Browser::new(1);
            browser.cookies.insert("sortition_id".to_owned(), id.clone());
            let visit = browser.begin(&plan, HOME, Joined::Never);
            let groups: Vec<ExposedTo> = visit.finish(&html()).besides.iter().map(|one| one.to).collect();
            let expected = match bucket {
                0..500 => vec![ExposedTo::Holdout(0)],
                _ if bucket < bound => vec![ExposedTo::Holdout(1)],
                _ => vec![],
            };
            assert_eq!(groups, expected, "{bucket}");
            seen[groups.first().map_or(2, |group| usize::from(*group == ExposedTo::Holdout(1)))] += 1;
            assert_eq!(exposed(&mut browser, &plan, HOME).2.len(), groups.len());
            assert_eq!(exposed(&mut browser, &plan, HOME).2.len(), 0, "once");
        }
        assert!(seen[0] > 30, "{seen:?}");
    }
}
