//! The laws of assignment, over 100,000 random visitors each (always the same ones), and a million for the split.

use crate::support::{
    Browser, HOME, NoFacts, Random, at, compile, compile_text, decide_for, decide_one, decide_one_at, experiment_at,
    nth, running, shop, variant_at, variants, visitor, with,
};
use serde_json::{Value, json};
use sortition_engine::decide::{Asker, Decision, Reason, decide};
use sortition_engine::document::UnitKind;
use sortition_engine::facts::Person;
use sortition_engine::hash::Salt;
use sortition_engine::plan::{Kill, KillGuard, Plan, Position};
use sortition_engine::stats::special::chi2_sf;
use sortition_engine::visitor::assignments::{Assignments, Bearer, Entry, IdProof};

const VISITORS: usize = 100_000;

/// The laws below are no lottery: the visitors are fixed, so each statistic is one number. A fair split exceeds this with
/// a probability of 1 in 10,000; a biased one by orders of magnitude.
const SIGNIFICANT: f64 = 1e-4;

fn visitors(seed: u64) -> impl Iterator<Item = String> {
    let mut random = Random(seed);
    (0..VISITORS).map(move |_| random.uuid())
}

fn one(more: Value) -> Plan {
    compile(&shop(&[running("hero", more)]))
}

fn three(weights: [f64; 3]) -> Value {
    let [a, b, c] = weights;
    json!({"variants": variants(&[("a", a), ("b", b), ("c", c)])})
}

/// The chi-square statistic of counts against expected ones.
fn chi2(observed: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    observed.into_iter().map(|(count, expected)| (count - expected).powi(2) / expected).sum()
}

#[allow(clippy::cast_precision_loss)]
fn number(count: usize) -> f64 {
    count as f64
}

#[test]
fn raising_traffic_only_adds_units() {
    let steps = [0.0, 0.01, 5.0, 12.5, 99.99, 100.0];
    let plans: Vec<Plan> = steps.iter().map(|traffic| one(json!({"traffic": traffic}))).collect();
    let mut inside = [0_usize; 6];
    for id in visitors(1) {
        let mut before: Option<usize> = None;
        for (plan, count) in plans.iter().zip(&mut inside) {
            let (reason, variant) = decide_one(plan, &id);
            assert!(matches!((reason, variant), (Reason::Split, Some(_)) | (Reason::Traffic, None)));
            assert!(before.is_none() || variant == before, "{id} was in and is now {variant:?}");
            before = variant;
            *count += usize::from(variant.is_some());
        }
    }
    for (percent, count) in steps.iter().zip(inside) {
        let (share, n) = (percent / 100.0, number(VISITORS));
        let deviation = (number(count) - share * n).abs();
        assert!(deviation <= 5.0 * (share * (1.0 - share) * n).sqrt(), "{count} are in at {percent} %");
    }
}

#[test]
fn ramp_steps_only_add_units() {
    let plan = one(json!({"traffic": 1, "ramp": [
        {"at": "2026-11-22T00:00:00Z", "traffic": 10},
        {"at": "2026-11-24T00:00:00Z", "traffic": 40.5},
        {"at": "2026-11-25T00:00:00Z", "traffic": 100},
    ]}));
    let days = [21, 22, 23, 24, 25].map(|day| at(&format!("2026-11-{day}T12:00:00Z")));
    for id in visitors(2) {
        let variants = days.map(|now| decide_one_at(&plan, &id, now).1);
        assert!(variants.windows(2).all(|pair| pair[0].is_none() || pair[0] == pair[1]), "{id}: {variants:?}");
        assert!(variants[4].is_some());
    }
}

/// What the cookie of a visitor would say after this decision.
fn remembered(plan: &Plan, decision: Decision) -> Assignments {
    let mut assignments = Assignments::default();
    let e = plan.experiments.get(decision.experiment).unwrap();
    if let Some(variant) = decision.variant {
        let entry =
            Entry::new(e.assignment_key, e.variants.get(variant).unwrap().code, UnitKind::Visitor, None, 20_778);
        assignments.put(Entry { exposed: true, ..entry }, |_| true);
    }
    assignments
}

fn returning<'a>(id: &'a str, assignments: &'a Assignments) -> Person<'a> {
    Person { assignments, ..visitor(id) }
}

/// And less traffic moves nobody out either; those who were left out stay out.
#[test]
fn changing_weights_and_traffic_moves_no_sticky_assignment() {
    let before = one(with(three([1.0, 1.0, 2.0]), json!({"traffic": 60})));
    let after = one(with(three([5.0, 0.0, 0.1]), json!({"traffic": 20})));
    let forgetful = one(with(three([5.0, 0.0, 0.1]), json!({"traffic": 20, "sticky": false})));
    let mut moved = 0;
    for id in visitors(3) {
        let first = decide_for(&before, &[0], visitor(&id))[0];
        let assignments = remembered(&before, first);
        let second = decide_for(&after, &[0], returning(&id, &assignments))[0];
        assert_eq!(second.variant, first.variant, "{id}");
        assert_eq!(second.reason, if first.variant.is_some() { Reason::Sticky } else { Reason::Traffic }, "{id}");
        let third = decide_for(&forgetful, &[0], returning(&id, &assignments))[0];
        moved += usize::from(third.variant != first.variant);
    }
    assert!(moved > VISITORS / 4, "the change was one that matters: {moved}");
}

/// Removing a variant sends its units through the split again, and moves no other.
#[test]
fn a_removed_variant_sends_only_its_own_units_elsewhere() {
    let before = one(three([1.0, 1.0, 1.0]));
    let after = one(json!({"variants": variants(&[("a", 1.0), ("c", 3.0)])}));
    let mut moved = [0_usize; 2];
    for id in visitors(4) {
        let first = decide_for(&before, &[0], visitor(&id))[0];
        let assignments = remembered(&before, first);
        let second = decide_for(&after, &[0], returning(&id, &assignments))[0];
        let variant = second.variant.unwrap();
        match first.variant.unwrap().number() {
            0 => assert_eq!((second.reason, variant), (Reason::Sticky, variant_at(0))),
            2 => assert_eq!((second.reason, variant), (Reason::Sticky, variant_at(1))),
            _ => {
                assert_eq!(second, decide_for(&after, &[0], visitor(&id))[0], "as if they had never been here");
                moved[variant.number()] += 1;
            }
        }
    }
    // why: the split is of the same bucket, so the middle third goes where the new ranges say: up to 0.25 is below it
    assert_eq!(moved[0], 0);
    assert!(moved[1].abs_diff(VISITORS / 3) < 1_000, "{moved:?}");
}

/// JSON text of the same document with the members of every object in another order, and the experiments too.
fn shuffled(value: &Value, random: &mut Random, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            random.shuffle(&mut members);
            out.push('{');
            for (position, (name, value)) in members.into_iter().enumerate() {
                out.push_str(if position == 0 { "" } else { "," });
                out.push_str(&json!(name).to_string());
                out.push(':');
                let mut list = value.clone();
                if let (true, Value::Array(list)) =
                    (matches!(name.as_str(), "experiments" | "requires" | "conflicts"), &mut list)
                {
                    random.shuffle(list);
                }
                shuffled(&list, random, out);
            }
            out.push('}');
        }
        Value::Array(values) => {
            out.push('[');
            for (position, value) in values.iter().enumerate() {
                out.push_str(if position == 0 { "" } else { "," });
                shuffled(value, random, out);
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

/// Everything that experiments have to do with each other, in one document.
fn tangle() -> Value {
    let audience = |name: &str, more: Value| with(json!({"audience": name}), more);
    with(
        shop(&[
            running("hero", json!({"priority": 3, "conflicts": ["area", "head"], "traffic": 70})),
            running("price", audience("all", json!({"layer": "checkout", "slots": [0, 4000]}))),
            running("promo", audience("nobody", json!({"overrides": [{"audience": "nobody", "variant": "bold"}]}))),
            running("cart", json!({"layer": "checkout", "slots": [4000, 9000], "priority": 2, "conflicts": ["area"]})),
            running("badge", json!({"priority": 1, "conflicts": ["head", "foot"]})),
            running(
                "menu",
                json!({"requires": [{"experiment": "hero", "variant": "bold"}, {"experiment": "far", "variant": "control"}]}),
            ),
            running("far", json!({"pages": ["/far"], "traffic": 90})),
        ]),
        json!({
            "layers": {"checkout": {}, "other": {}},
            "holdout": {"percent": 5},
            "audiences": {"all": {"$nor": [{"country": "US"}]}, "nobody": {"country": "US"}, "third": {}},
        }),
    )
}

#[test]
fn the_order_of_a_document_decides_nothing() {
    let document = tangle();
    let plan = compile(&document);
    let mut random = Random(6);
    let others: Vec<(Plan, Vec<usize>)> = (0..3)
        .map(|_| {
            let mut text = String::new();
            shuffled(&document, &mut random, &mut text);
            let other = compile_text(&text);
            let positions = plan.experiments.iter().map(|e| other.experiment(&e.id).unwrap().number()).collect();
            (other, positions)
        })
        .collect();
    assert!(others.iter().any(|(_, positions)| !positions.is_sorted()), "the experiments really are in another order");
    let page: Vec<usize> = (0..6).collect();
    let pages: Vec<Vec<usize>> = others
        .iter()
        .map(|(_, positions)| {
            let mut page: Vec<usize> = page.iter().map(|&at| positions[at]).collect();
            page.sort_unstable();
            page
        })
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    for (number, id) in visitors(5).enumerate() {
        let expected = decide_for(&plan, &page, visitor(&id));
        seen.extend(expected.iter().map(|decision| decision.reason));
        let ((other, positions), page) = (&others[number % 3], &pages[number % 3]);
        let found = decide_for(other, page, visitor(&id));
        for decision in expected {
            let twin =
                found.iter().find(|twin| twin.experiment.number() == positions[decision.experiment.number()]).unwrap();
            let same = (twin.reason, twin.variant) == (decision.reason, decision.variant);
            assert!(
                same,
                "{id}: {} was {decision:?} and is {twin:?}",
                plan.experiments.get(decision.experiment).unwrap().id
            );
        }
    }
    for reason in [
        Reason::Requires,
        Reason::Audience,
        Reason::Holdout,
        Reason::Layer,
        Reason::Conflict,
        Reason::Traffic,
        Reason::Split,
    ] {
        assert!(seen.contains(&reason), "{reason:?} never came up");
    }
}

/// Chi-square of the joint table of two experiments: knowing one variant says nothing about the other. Also of
/// experiments whose ids differ in one letter, and of the iterations of one experiment.
#[test]
fn experiments_are_independent_of_each_other() {
    let weights = [1.0, 2.0, 1.0];
    let hero = |id: &str, more: Value| running(id, with(three(weights), more));
    let plan =
        compile(&shop(&[hero("hero", json!({})), hero("herp", json!({})), hero("price", json!({"iteration": 2}))]));
    let again = one(with(three(weights), json!({"iteration": 2})));
    let mut tables = vec![[[0_usize; 3]; 3]; 4];
    for id in visitors(7) {
        let decisions = decide_for(&plan, &[0, 1, 2], visitor(&id));
        let [a, b, c] = [0, 1, 2].map(|position: usize| decisions[position].variant.unwrap().number());
        let d = decide_one(&again, &id).1.unwrap();
        for (table, (row, column)) in tables.iter_mut().zip([(a, b), (a, c), (b, c), (a, d)]) {
            table[row][column] += 1;
        }
    }
    let total: f64 = weights.iter().sum();
    for table in tables {
        let cells = (0..9).map(|cell| {
            let (row, column) = (cell / 3, cell % 3);
            (number(table[row][column]), number(VISITORS) * weights[row] / total * weights[column] / total)
        });
        let p = chi2_sf(chi2(cells), 8);
        assert!(p > SIGNIFICANT, "p = {p}: {table:?}");
    }
}

/// Who takes part does not depend on which variant they would get: traffic and split are independent too.
#[test]
fn traffic_says_nothing_about_the_split() {
    let plan = one(json!({"traffic": 37}));
    let everybody = one(json!({}));
    let mut table = [[0_usize; 2]; 2];
    for id in visitors(8) {
        let inside = decide_one(&plan, &id).1.is_some();
        table[usize::from(inside)][decide_one(&everybody, &id).1.unwrap()] += 1;
    }
    let cells = (0..4).map(|cell: usize| {
        let share = if cell / 2 == 1 { 0.37 } else { 0.63 };
        (number(table[cell / 2][cell % 2]), number(VISITORS) * share / 2.0)
    });
    let p = chi2_sf(chi2(cells), 3);
    assert!(p > SIGNIFICANT, "p = {p}: {table:?}");
}

/// Chi-square over 1,000 groups of buckets, of a million ids of one form.
#[track_caller]
fn assert_uniform(name: &str, id: impl Fn(u32, &mut Random, &mut String)) {
    const IDS: u32 = 1_000_000;
    let salt = Salt::new("shop/hero/1/variant");
    let mut random = Random(9);
    let mut counts = [0_u32; 1_000];
    let mut text = String::new();
    for number in 0..IDS {
        text.clear();
        id(number, &mut random, &mut text);
        counts[usize::from(salt.bucket(&text).get() / 10)] += 1;
    }
    let p = chi2_sf(chi2(counts.iter().map(|&count| (f64::from(count), f64::from(IDS) / 1_000.0))), 999);
    assert!((SIGNIFICANT..1.0 - SIGNIFICANT).contains(&p), "{name}: p = {p}");
}

fn digits(mut number: u32, base: u32, out: &mut String) {
    loop {
        out.push(char::from_digit(number % base, base).unwrap());
        number /= base;
        if number == 0 {
            return;
        }
    }
}

#[test]
fn the_split_is_uniform_over_uuids() {
    assert_uniform("UUIDs", |_, random, out| out.push_str(&random.uuid()));
}

#[test]
fn the_split_is_uniform_over_consecutive_integers() {
    assert_uniform("integers", |number, _, out| digits(number, 10, out));
}

#[test]
fn the_split_is_uniform_over_addresses() {
    assert_uniform("addresses", |number, random, out| {
        out.push_str(["anna.", "ben.", "carla.", "d."][random.below(4)]);
        digits(number, 10, out);
        out.push_str(["@gmail.com", "@gmx.de", "@shop.example"][random.below(3)]);
    });
}

/// Ids that differ in few bits of one byte, at the end of a long common text: what weak hashes keep together.
#[test]
fn the_split_is_uniform_over_ids_made_to_be_alike() {
    assert_uniform("alike", |number, _, out| {
        out.push_str("00000000-0000-4000-8000-");
        for bit in (0..20).rev() {
            out.push(if number >> bit & 1 == 1 { '1' } else { '0' });
        }
    });
}

#[test]
fn layers_never_overlap_and_cover_exactly() {
    let slot = |id: &str, slots: [u32; 2]| running(id, json!({"layer": "checkout", "slots": slots, "pages": ["/"]}));
    let full = [slot("a", [0, 1]), slot("b", [1, 3_333]), slot("c", [3_333, 9_999]), slot("d", [9_999, 10_000])];
    let gap = [slot("a", [0, 2_500]), slot("b", [7_500, 10_000])];
    let layers = json!({"layers": {"checkout": {}}});
    let [full, gap] = [&full[..], &gap[..]].map(|list| compile(&with(shop(list), layers.clone())));
    let mut counts = [0_usize; 4];
    let mut inside = 0;
    for id in visitors(10) {
        let acting: Vec<usize> = acting(&full, &[0, 1, 2, 3], &id);
        assert_eq!(acting.len(), 1, "{id} is in exactly one: {acting:?}");
        counts[acting[0]] += 1;
        let few = self::acting(&gap, &[0, 1], &id);
        assert!(few.len() <= 1);
        inside += few.len();
    }
    let shares = [0.0001, 0.3332, 0.6666, 0.0001];
    let p =
        chi2_sf(chi2(counts.iter().zip(shares).map(|(&count, share)| (number(count), number(VISITORS) * share))), 3);
    assert!(p > SIGNIFICANT, "p = {p}: {counts:?}");
    assert!(inside.abs_diff(VISITORS / 2) < 800, "{inside}");
}

fn acting(plan: &Plan, page: &[usize], id: &str) -> Vec<usize> {
    let decisions = decide_for(plan, page, visitor(id));
    decisions.iter().filter(|decision| decision.reason.acts()).map(|decision| decision.experiment.number()).collect()
}

#[test]
fn a_holdout_is_the_same_people_in_every_experiment() {
    let experiments: Vec<Value> = (0..4).map(|n| running(&format!("e{n}"), json!({"iteration": n + 1}))).collect();
    let plan = compile(&with(shop(&experiments), json!({"holdout": {"percent": 7.5}})));
    let wider = compile(&with(shop(&experiments), json!({"holdout": {"percent": 9}})));
    let mut held_out = 0;
    for id in visitors(11) {
        let decisions = decide_for(&plan, &[0, 1, 2, 3], visitor(&id));
        let out = decisions[0].reason == Reason::Holdout;
        assert!(decisions.iter().all(|decision| (decision.reason == Reason::Holdout) == out), "{id}");
        assert!(!out || decide_one(&wider, &id).0 == Reason::Holdout, "a wider holdout keeps them");
        held_out += usize::from(out);
    }
    assert!(held_out.abs_diff(VISITORS * 75 / 1_000) < 420, "{held_out}");
}

#[test]
fn what_is_killed_gives_everybody_the_control_at_once() {
    let document = shop(&[running("hero", json!({})), running("price", json!({}))]);
    let mut by_key = compile(&document);
    by_key.apply(&Kill::parse(r#"{"experiments": ["hero"]}"#).unwrap());
    let by_document = compile(&with(document.clone(), json!({"kill": true})));
    let plan = compile(&document);
    let bearer = Bearer { visitor: "visitor-0001", id: IdProof::Unsigned, key: None };
    let mut assignments = Assignments::read("1~hero.1.bold.gu2*~price.1.bold.gu2*", &plan, bearer);
    for (number, id) in visitors(12).enumerate() {
        if number == VISITORS / 2 {
            assignments = Assignments::default();
        }
        let decided = |plan: &Plan| decide_for(plan, &[0, 1], returning(&id, &assignments));
        let killed = (Reason::Killed, Some(variant_at(0)));
        let [hero, price] = [0, 1].map(|position: usize| decided(&by_key)[position]);
        assert_eq!((hero.reason, hero.variant), killed);
        assert_eq!(price, decided(&plan)[1], "the other goes on");
        assert!(decided(&by_document).iter().all(|decision| (decision.reason, decision.variant) == killed));
    }
    let crawler =
        decide(&by_key, &[experiment_at(0)], &NoFacts, Asker::Crawler("shop.example/"), crate::support::now());
    assert_eq!((crawler[0].reason, crawler[0].variant), (Reason::Killed, Some(variant_at(0))));
}

#[test]
fn the_kill_key_is_read_strictly_and_turned_back() {
    for (text, everything, hero) in [
        (r#"{"all": true}"#, true, true),
        (r#"{"experiments": ["hero"]}"#, false, true),
        (r#"{"experiments": ["price"]}"#, false, false),
        (r#"{"experiments": ["unknown"]}"#, false, false),
        ("{}", false, false),
    ] {
        let mut plan = one(json!({}));
        let kill = Kill::parse(text).unwrap();
        plan.apply(&kill);
        assert_eq!((kill.all, nth(&plan, 0).killed), (everything, hero), "{text}");
        assert_eq!(plan.killed(), if hero { vec!["hero"] } else { Vec::new() }, "{text}");
        assert!(!plan.differs_from(&kill, &KillGuard::default()), "{text}");
        plan.apply(&Kill::default());
        assert!(!nth(&plan, 0).killed, "{text}: the switch is turned back");
    }
    for text in [
        "",
        "true",
        "[1]",
        "[]",
        "[true]",
        " [false, []]",
        r#"{"al": true}"#,
        r#"{"experiments": "hero"}"#,
        r#"{"all": "yes"}"#,
    ] {
        assert!(Kill::parse(text).is_err(), "{text}");
    }
    let mut killed = compile(&with(shop(&[running("hero", json!({}))]), json!({"kill": true})));
    killed.apply(&Kill::default());
    assert!(nth(&killed, 0).killed, "the key does not undo what the document says");
}

/// With the cookie that the first decision leaves, written and read again.
#[test]
fn the_first_decision_equals_the_second() {
    let plan = one(with(three([1.0, 2.0, 3.0]), json!({"traffic": 50})));
    for id in visitors(13) {
        let first = decide_for(&plan, &[0], visitor(&id))[0];
        let cookie = remembered(&plan, first).encode(&id, None, |_| true);
        let second = decide_for(
            &plan,
            &[0],
            returning(
                &id,
                &Assignments::read(&cookie, &plan, Bearer { visitor: &id, id: IdProof::Unsigned, key: None }),
            ),
        )[0];
        assert_eq!(first.variant, second.variant, "{id}: {cookie}");
    }
}

/// From the first request on, made without any cookie, to the next with those that it was given: the same variants, the
/// same id, and nothing more to set.
#[test]
fn the_first_visit_equals_the_second() {
    let plan = compile(&with(
        shop(&[running("hero", three([1.0, 2.0, 3.0])), running("price", json!({"unit": "session", "traffic": 50}))]),
        json!({"holdout": {"percent": 3}}),
    ));
    let mut random = Random(13);
    for _ in 0..5_000 {
        let mut browser = Browser::new(random.next());
        let (first, reply) = browser.visit(&plan, HOME);
        let cookies = browser.cookies.clone();
        let (second, after) = browser.visit(&plan, HOME);
        assert_eq!(first.told_origin, second.told_origin);
        assert_eq!(first.told_client, second.told_client);
        assert_eq!(first.visitor().unwrap().id, second.visitor().unwrap().id, "made once, and kept");
        assert_eq!(reply.exposed.len(), first.decisions.iter().filter(|d| d.reason == Reason::Split).count());
        assert!(after.exposed.is_empty(), "who was exposed is not exposed again");
        assert_eq!(browser.cookies, cookies, "the second answer sets no cookie");
        assert!(crate::support::values(&after.changes, "Set-Cookie").is_empty());
    }
}
