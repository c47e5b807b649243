//! The codec of `sortition_as`.

use crate::support::{Browser, HOME, compile, running, shop, with};
use proptest::prelude::*;
use serde_json::{Value, json};
use sortition_engine::visitor::assignments::{Assignments, Entry, MAX_BYTES};

fn id() -> impl Strategy<Value = Box<str>> {
    prop_oneof![4 => "[a-z0-9][a-z0-9_-]{0,11}", 1 => "[a-z0-9][a-z0-9_-]{55,63}"].prop_map(Into::into)
}

fn fingerprint(least: usize) -> impl Strategy<Value = Option<Box<str>>> {
    prop::option::of(prop::string::string_regex(&format!("[A-Za-z0-9_-]{{{least},8}}")).unwrap().prop_map(Into::into))
}

fn entry() -> impl Strategy<Value = Entry> {
    let numbers = (prop_oneof![1..40_u32, any::<u32>()], prop_oneof![20_000..30_000_u32, any::<u32>()]);
    (id(), id(), numbers, any::<bool>(), fingerprint(0), fingerprint(1)).prop_map(
        |(experiment, variant, (iteration, day), exposed, displayed, owner)| Entry {
            experiment,
            iteration,
            variant,
            day,
            exposed,
            displayed,
            owner,
        },
    )
}

fn assignments(most: usize) -> impl Strategy<Value = Assignments> {
    prop::collection::vec(entry(), 0..most).prop_map(|entries| {
        let mut assignments = Assignments::default();
        for entry in entries {
            assignments.set(entry);
        }
        assignments
    })
}

/// Text that is nearly a cookie of ours.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "1",
        "~",
        ".",
        "@",
        "+",
        "*",
        "hero",
        "bold",
        "gu2",
        "",
        "0",
        "zzzzzzz",
        "é",
        "\u{1f3b2}",
        "%",
        "=",
        ";",
        "\0",
        "-",
        "_",
        "+5",
        "A",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| format!("1~{}", pieces.concat()))
}

/// RFC 6265's cookie-octet.
fn is_cookie_octet(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}

fn everything(_: &Entry) -> bool {
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(400), ..ProptestConfig::default() })]

    #[test]
    fn what_fits_comes_back_as_it_was(assignments in assignments(18)) {
        let text = assignments.encode(everything);
        prop_assert_eq!(Assignments::parse(&text), assignments);
    }

    #[test]
    fn any_text_survives(text in prop_oneof![any::<String>(), nearly(), ".{3490,3520}"]) {
        let first = Assignments::parse(&text);
        let written = first.encode(everything);
        prop_assert!(written.len() <= MAX_BYTES);
        prop_assert!(written.bytes().all(is_cookie_octet));
        prop_assert_eq!(Assignments::parse(&written), first, "reading what it wrote is identity");
    }

    /// An entry that cannot be read does not take the others with it.
    #[test]
    fn what_cannot_be_read_is_left_out(assignments in assignments(10), junk in "[^~]{0,20}") {
        let alone = "1~".to_owned() + &junk;
        prop_assume!(Assignments::parse(&alone).is_empty());
        let text = assignments.encode(everything);
        let mixed = text.replace('~', &format!("~{junk}~"));
        prop_assert_eq!(Assignments::parse(&mixed), assignments);
    }

    #[test]
    fn another_version_is_no_assignment(assignments in assignments(10), version in "[02-9][0-9]{0,3}|") {
        let text = assignments.encode(everything);
        let other = version + &text[1..];
        prop_assert!(Assignments::parse(&other).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(60), ..ProptestConfig::default() })]

    #[test]
    fn the_value_is_bounded_and_needs_no_quotes(assignments in assignments(200)) {
        let text = assignments.encode(everything);
        prop_assert!(text.len() <= MAX_BYTES);
        prop_assert!(text.bytes().all(is_cookie_octet), "{}", text);
    }

    /// Nothing is dropped that would fit beside what is kept before it: ended first, then oldest.
    #[test]
    fn the_least_valuable_go_first(assignments in assignments(200), current in any::<u64>()) {
        let is_current = |entry: &Entry| current >> (entry.experiment.len() % 64) & 1 == 1;
        let kept = Assignments::parse(&assignments.encode(is_current));
        let value = |entry: &Entry| (is_current(entry), entry.day);
        let dropped: Vec<&Entry> = assignments.iter().filter(|entry| kept.of(&entry.experiment).is_none()).collect();
        let least = kept.iter().map(value).min();
        for entry in &dropped {
            prop_assert!(least.is_none_or(|least| value(entry) <= least), "{:?} went before {:?}", entry, least);
        }
        for entry in kept.iter() {
            prop_assert_eq!(assignments.of(&entry.experiment), Some(entry), "what is kept is kept as it was");
        }
        let whole = 1 + assignments.iter().map(|entry| one(entry).len() + 1).sum::<usize>();
        prop_assert_eq!(dropped.is_empty(), whole <= MAX_BYTES, "only what is too long is cut");
        if let Some(last) = dropped.iter().map(|entry| value(entry)).max() {
            let rest: usize = kept.iter().map(|entry| one(entry).len() + 1).sum();
            let smallest = dropped.iter().filter(|entry| value(entry) == last).map(|entry| one(entry).len() + 1).max();
            prop_assert!(1 + rest + smallest.unwrap() > MAX_BYTES, "no more than needed is cut");
        }
    }
}

/// How many cases a property is tried on: more where `PROPTEST_CASES` says so.
pub(crate) fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

fn one(entry: &Entry) -> String {
    let mut assignments = Assignments::default();
    assignments.set(entry.clone());
    assignments.encode(everything)[2..].to_owned()
}

/// Visitors carry these for a year, so the form is pinned.
#[test]
fn the_form_is_pinned() {
    let text = "1~hero.1.bold.gu2*~price.3.control.gu0@Ab3d~menu.10.new.0+~cart.1.b.gu2*+s_-9@Zz";
    let read = Assignments::parse(text);
    let entries: Vec<&Entry> = read.iter().collect();
    assert_eq!(entries.len(), 4);
    let entry =
        |experiment: &str, iteration, variant: &str, day, exposed, displayed: Option<&str>, owner: Option<&str>| {
            Entry {
                experiment: experiment.into(),
                iteration,
                variant: variant.into(),
                day,
                exposed,
                displayed: displayed.map(Into::into),
                owner: owner.map(Into::into),
            }
        };
    assert_eq!(*entries[0], entry("hero", 1, "bold", 21_818, true, None, None));
    assert_eq!(*entries[1], entry("price", 3, "control", 21_816, false, None, Some("Ab3d")));
    assert_eq!(*entries[2], entry("menu", 36, "new", 0, false, Some(""), None));
    assert_eq!(*entries[3], entry("cart", 1, "b", 21_818, true, Some("s_-9"), Some("Zz")));
    assert_eq!(read.encode(everything), text);
}

#[test]
fn of_two_entries_of_one_experiment_the_first_counts() {
    let read = Assignments::parse("1~hero.1.bold.gu2~hero.1.control.gu2");
    assert_eq!(read.encode(everything), "1~hero.1.bold.gu2");
}

/// A cookie full of assignments makes room by dropping those of experiments that are gone or over before any other.
#[test]
fn a_full_cookie_drops_what_is_over_first() {
    let long = "x".repeat(50);
    let live: Vec<Value> = (0..20).map(|n| running(&format!("live-{n}-{long}"), json!({"pages": ["/x"]}))).collect();
    let over: Vec<Value> =
        [json!({"status": "completed"}), json!({"ends_at": "2026-11-01T00:00:00Z"}), json!({"iteration": 2})]
            .into_iter()
            .enumerate()
            .map(|(n, more)| running(&format!("over-{n}-{long}"), with(json!({"pages": ["/x"]}), more)))
            .collect();
    let mut experiments = [live, over].concat();
    experiments.push(running("hero", json!({"pages": ["/"]})));
    let plan = compile(&shop(&experiments));
    let old = |name: &str, day: &str| format!("~{name}-{long}.1.control.{day}");
    let mut value = "1".to_owned();
    for n in 0..20 {
        value.push_str(&old(&format!("live-{n}"), "1"));
    }
    for n in 0..3 {
        value.push_str(&old(&format!("over-{n}"), "zzz"));
    }
    let mut gone = 0;
    while value.len() < MAX_BYTES - 70 {
        value.push_str(&old(&format!("gone-{gone}"), "zzz"));
        gone += 1;
    }
    value.push_str(&format!("~pad-{}.1.b.zzz", "y".repeat(MAX_BYTES - 13 - value.len())));
    assert_eq!(value.len(), MAX_BYTES);
    let mut browser = Browser::new(1);
    browser.cookies.insert("sortition_as".to_owned(), value);
    for step in 0..40 {
        let (_, reply) = browser.visit(&plan, HOME);
        assert_eq!(reply.exposed.len(), usize::from(step == 0));
    }
    let kept = Assignments::parse(&browser.cookies["sortition_as"]);
    assert!(kept.of("hero").is_some());
    assert!((0..20).all(|n| kept.of(&format!("live-{n}-{long}")).is_some()), "the old ones of live experiments stay");
}
