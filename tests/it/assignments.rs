//! The codec of `sortition_as`.

use crate::support::{Browser, HOME, Page, Sent, compile, now, nth, outcome, running, shop, variants, with};
use proptest::prelude::*;
use serde_json::{Value, json};
use sortition_engine::decide::Reason;
use sortition_engine::document::UnitKind;
use sortition_engine::hash::TagKey;
use sortition_engine::plan::{Plan, assignment_code, assignment_key};
use sortition_engine::visitor::VisitorId;
use sortition_engine::visitor::assignments::{Assignments, Bearer, Entry, IdProof, MAX_BYTES, tag_key};

const ID: &str = "visitor-0001";
const BITS: u32 = 1 << 24;

fn entry() -> impl Strategy<Value = Entry> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let unit = prop::sample::select(vec![UnitKind::Visitor, UnitKind::User, UnitKind::Session]);
    let waits = prop::option::weighted(0.1, 0..4_000_000_000_000_i64);
    (0..BITS, 0..BITS, unit, prop::option::of(0..5_u32), 0..512_u32, flags, waits).prop_map(
        |(key, code, unit, owner, day, (exposed, shown, shown_in_session), waits_since)| Entry {
            exposed,
            shown,
            shown_in_session,
            waits_since,
            ..Entry::new(key, code, unit, owner, day)
        },
    )
}

fn assignments(most: usize) -> impl Strategy<Value = Assignments> {
    (prop::collection::vec(entry(), 0..most), prop::option::of(0..BITS), 0..4_usize).prop_map(
        |(entries, session, tries)| {
            let mut assignments = Assignments::default();
            if let Some(session) = session {
                assignments.turn_to_session(session);
            }
            for entry in entries {
                entry.owner.iter().for_each(|owner| assignments.greet(*owner));
                assignments.put(entry, |_| false);
            }
            if let Some(user) = assignments.last_user() {
                (0..tries).for_each(|times| assignments.note_join(user, times == 2));
            }
            assignments
        },
    )
}

/// Text that is nearly a cookie of ours, of either edition.
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
        "AAAAAAAAAAA",
        "AbCd3",
        "AAAABBBBA_A",
        "2~~",
        "2~AAAAAAAAAAAAAAAAAAAAAA~",
    ]);
    let start = prop::sample::select(vec!["1~", "2~", "2~~", "2~~AAAAA~"]);
    (start, prop::collection::vec(piece, 0..60)).prop_map(|(start, pieces)| start.to_owned() + &pieces.concat())
}

/// RFC 6265's cookie-octet.
fn is_cookie_octet(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}

fn everything(_: &Entry) -> bool {
    true
}

fn hero() -> Plan {
    compile(&shop(&[running("hero", json!({}))]))
}

fn bearer(key: Option<&TagKey>) -> Bearer<'_> {
    Bearer { visitor: ID, id: IdProof::Unsigned, key }
}

fn parse(text: &str) -> Assignments {
    Assignments::read(text, &hero(), bearer(None))
}

fn write(assignments: &Assignments) -> String {
    assignments.encode(ID, None, everything)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(400), ..ProptestConfig::default() })]

    #[test]
    fn what_fits_comes_back_as_it_was(assignments in assignments(120)) {
        prop_assert_eq!(parse(&write(&assignments)), assignments.clone());
        let key = tag_key(b"secret");
        let tagged = assignments.encode(ID, Some(&key), everything);
        prop_assert_eq!(Assignments::read(&tagged, &hero(), bearer(Some(&key))), assignments);
    }

    #[test]
    fn any_text_survives(text in prop_oneof![any::<String>(), nearly(), ".{3490,3520}"]) {
        let first = parse(&text);
        let written = write(&first);
        prop_assert!(written.len() <= MAX_BYTES);
        prop_assert!(written.bytes().all(is_cookie_octet));
        prop_assert_eq!(parse(&written), first, "reading what it wrote is identity");
    }

    /// Whatever is changed of a value with a tag, of the visitor it is for, or of the secret: it counts no more.
    #[test]
    fn no_change_survives_the_tag(assignments in assignments(20), place in any::<prop::sample::Index>(), flip in 1..64_u8) {
        prop_assume!(!assignments.is_empty());
        let (key, plan) = (tag_key(b"secret"), hero());
        let value = assignments.encode(ID, Some(&key), everything);
        let read = |value: &str, visitor: &str, key: &TagKey| {
            Assignments::read(value, &plan, Bearer { visitor, id: IdProof::Unsigned, key: Some(key) })
        };
        prop_assert!(read(&value, "visitor-0002", &key).is_empty());
        prop_assert!(read(&value, ID, &tag_key(b"Secret")).is_empty());
        let mut bytes = value.clone().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(read(&changed, ID, &key).is_empty(), "{} {}", value, changed);
        }
    }

    #[test]
    fn another_version_is_no_assignment(assignments in assignments(10), version in "[03-9][0-9]{0,3}|") {
        let other = version + &write(&assignments)[1..];
        prop_assert!(parse(&other).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(60), ..ProptestConfig::default() })]

    #[test]
    fn the_value_is_bounded_and_needs_no_quotes(assignments in assignments(800)) {
        let text = assignments.encode(ID, Some(&tag_key(b"secret")), everything);
        prop_assert!(text.len() <= MAX_BYTES);
        prop_assert!(text.bytes().all(is_cookie_octet), "{}", text);
    }

    /// Nothing is dropped that would fit beside what is kept before it: ended first, then oldest.
    #[test]
    fn the_least_valuable_go_first(assignments in assignments(800), current in any::<u64>()) {
        let is_current = |entry: &Entry| current >> (entry.key % 64) & 1 == 1;
        let dropped = assignments.without_room(is_current);
        let kept = parse(&assignments.encode(ID, None, is_current));
        let value = |position: &usize| (is_current(&assignments.entries()[*position]), *position);
        let all: Vec<usize> = (0..assignments.entries().len()).collect();
        let rest: Vec<usize> = all.into_iter().filter(|position| !dropped.contains(position)).collect();
        let least = rest.iter().map(value).min();
        for position in &dropped {
            prop_assert!(least.is_none_or(|least| value(position) < least));
        }
        let expected: Vec<Entry> = rest.iter().map(|position| assignments.entries()[*position].clone()).collect();
        prop_assert_eq!(kept.entries(), &expected[..], "what is kept is kept as it was");
        if !dropped.is_empty() {
            prop_assert!(assignments.encode(ID, None, is_current).len() + 22 + 18 + 6 > MAX_BYTES, "no more than needed");
        }
    }
}

/// How many cases a property is tried on: more where `PROPTEST_CASES` says so.
pub(crate) fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

fn given(experiment: &str, iteration: u32, variant: &str) -> Entry {
    let (key, code) = (assignment_key(experiment, iteration), assignment_code(experiment, iteration, variant));
    Entry::new(key, code, UnitKind::Visitor, None, 20_778)
}

#[test]
fn three_hundred_assignments_fit_with_seven_users_and_a_tag() {
    let mut assignments = Assignments::default();
    assignments.turn_to_session(5);
    (0..7).for_each(|user| assignments.greet(user));
    for number in 0..300 {
        assignments.put(given(&format!("an-experiment-with-a-long-name-{number}"), 1, "treatment"), |_| true);
    }
    let value = assignments.encode(ID, Some(&tag_key(b"secret")), everything);
    assert!(value.len() <= MAX_BYTES, "{}", value.len());
    assert_eq!(parse(&assignments.encode(ID, None, everything)), assignments);
}

/// Visitors carry these for a year, so the form is pinned.
#[test]
fn the_form_is_pinned() {
    let mut assignments = Assignments::default();
    assignments.turn_to_session(0x00ab_cdef);
    assignments.greet(7);
    assignments.note_join(7, true);
    assignments.greet(9);
    assignments.put(Entry { exposed: true, ..given("hero", 1, "bold") }, |_| true);
    let owned = Entry { owner: Some(7), unit: UnitKind::User, ..given("price", 3, "control") };
    assignments.put(Entry { shown: true, waits_since: Some(1_790_000_000_000), ..owned }, |_| true);
    let value = write(&assignments);
    assert_eq!(value, PINNED);
    assert_eq!(parse(&value), assignments);
    let tagged = assignments.encode(ID, Some(&tag_key(b"secret")), everything);
    assert_eq!(tagged, PINNED_TAGGED);
}

const PINNED: &str = "2~~JAAAAHAAA_~v38q~soLwu75dqMA0OxIkWpFqUp~AwGUEDa";
const PINNED_TAGGED: &str = "2~uaKvxR5rHnBfYEF1qB9T8D~JAAAAHAAA_~v38q~soLwu75dqMA0OxIkWpFqUp~AwGUEDa";

/// What the first edition wrote is read as it was meant.
#[test]
fn the_first_edition_is_read() {
    let read =
        parse("1~hero.1.bold.gu2*~price.3.control.gu0@Ab3d~menu.10.new.0+~cart.1.b.gu2*+s_-9@Zzzz~hero.1.control.0");
    let owner = |digits: &str| sortition_engine::hash::read_digits(digits.as_bytes()).map(|bits| bits as u32);
    let expected = [
        Entry { exposed: true, ..given("hero", 1, "bold") },
        Entry { owner: owner("Ab3d"), unit: UnitKind::User, day: 21_816 % 512, ..given("price", 3, "control") },
        Entry { shown: true, day: 0, ..given("menu", 36, "new") },
        Entry {
            owner: owner("Zzzz"),
            unit: UnitKind::User,
            exposed: true,
            shown: true,
            shown_in_session: true,
            ..given("cart", 1, "b")
        },
    ]
    .map(|entry| Entry { day: if entry.day == 20_778 % 512 { 21_818 % 512 } else { entry.day }, ..entry });
    assert_eq!(read.entries(), expected);
    assert_eq!(read.last_user(), owner("Zzzz"), "the user of the later day");
    assert_eq!(read.session(), owner("s_-9"));
}

fn signed(id: &str, secret: &[u8]) -> String {
    VisitorId::accept(id).unwrap().signed(secret)
}

/// What a forger may try where there is a secret, and what a visitor of the first edition brings.
#[test]
fn with_a_secret_nobody_chooses_a_variant() {
    const SECRET: &[u8] = b"a secret";
    let before = {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let tag = sortition_engine::hash::signature::sign(SECRET, &[ID.as_bytes()]);
        format!("{ID}.{}", URL_SAFE_NO_PAD.encode(&tag[..16]))
    };
    let now_signed = signed(ID, SECRET);
    let off = json!({"traffic": 0});
    let unweighted = json!({"variants": variants(&[("control", 1.0), ("bold", 0.0)])});
    // why: of two even variants this visitor is given the control
    let even = json!({});
    let first = "1~hero.1.bold.gu2*";
    let mut untagged = Assignments::default();
    untagged.put(given("hero", 1, "bold"), |_| true);
    let untagged = untagged.encode(ID, None, everything);
    let cases = [
        ("unsigned, traffic 0", false, ID, first, &off, false),
        ("unsigned, weight 0", false, ID, first, &unweighted, false),
        ("unsigned, one that the split gives to somebody", false, ID, first, &even, true),
        ("the same in today's form, without its tag", false, ID, &*untagged, &even, true),
        ("signed today", true, &*now_signed, first, &even, false),
        ("signed today, today's form", true, &*now_signed, &*untagged, &even, false),
        ("signed before", true, &*before, first, &off, true),
        ("signed before, weight 0", true, &*before, first, &unweighted, true),
        ("an id of its own making", true, ID, first, &even, false),
    ];
    for (what, signs, id, value, more, taken) in cases {
        let document = with(shop(&[running("hero", more.clone())]), json!({"visitor": {"signed": signs}}));
        let plan = compile(&document);
        let sent =
            Sent::by(crate::support::CHROME).header("cookie", &format!("sortition_id={id}; sortition_as={value}"));
        let page = Page { secret: Some(SECRET), ..Page::new(&plan, HOME, &sent) };
        let intent = page.intent(|| [7; 16]);
        let (reason, variant) = outcome(&plan, &intent.decisions, "hero");
        let has_bold = reason == Reason::Sticky && variant.as_deref() == Some("bold");
        assert_eq!(has_bold, taken, "{what}: {reason:?}");
        if taken {
            let reply = intent.reply(&plan, &crate::support::html(), Some(SECRET));
            let cookies = crate::support::values(&reply.changes, "Set-Cookie").join("\n");
            assert!(cookies.contains("sortition_as=2~"), "{what}: it is written anew with a tag");
        }
    }
    assert!(now() > 0);
}

/// A cookie full of assignments makes room by dropping those of experiments that are gone or over before any other.
#[test]
fn a_full_cookie_drops_what_is_over_first() {
    let live: Vec<Value> = (0..20).map(|n| running(&format!("live-{n}"), json!({"pages": ["/x"]}))).collect();
    let over: Vec<Value> =
        [json!({"status": "completed"}), json!({"ends_at": "2026-11-01T00:00:00Z"}), json!({"iteration": 2})]
            .into_iter()
            .enumerate()
            .map(|(n, more)| running(&format!("over-{n}"), with(json!({"pages": ["/x"]}), more)))
            .collect();
    let mut experiments = [live, over].concat();
    experiments.push(running("hero", json!({"pages": ["/"]})));
    let plan = compile(&shop(&experiments));
    let mut full = Assignments::default();
    for n in 0..20 {
        full.put(given(&format!("live-{n}"), 1, "control"), |_| true);
    }
    for n in 0..3 {
        full.put(given(&format!("over-{n}"), 1, "control"), |_| true);
    }
    for n in 0..400 {
        full.put(given(&format!("gone-{n}"), 1, "control"), |_| true);
    }
    let value = full.encode(ID, None, everything);
    let mut browser = Browser::new(1);
    browser.cookies.insert("sortition_as".to_owned(), value.clone());
    browser.cookies.insert("sortition_id".to_owned(), ID.to_owned());
    let has_room = |n: usize| value.contains(&write_one(&given(&format!("live-{n}"), 1, "control")));
    let survivors: Vec<usize> = (0..20).filter(|&n| has_room(n)).collect();
    for step in 0..40 {
        let (_, reply) = browser.visit(&plan, HOME);
        assert_eq!(reply.exposed.len(), usize::from(step == 0));
    }
    let kept = parse(&browser.cookies["sortition_as"]);
    let has = |experiment: &str| kept.entries().iter().any(|entry| entry.key == assignment_key(experiment, 1));
    assert!(has("hero"));
    assert!(survivors.iter().all(|n| has(&format!("live-{n}"))), "the old ones of live experiments stay");
}

/// The eight characters of an entry's key and code.
fn write_one(entry: &Entry) -> String {
    let mut text = String::new();
    sortition_engine::hash::push_digits(entry.key.into(), 4, &mut text);
    sortition_engine::hash::push_digits(entry.code.into(), 4, &mut text);
    text
}

/// Of ten thousand variants some would share a code of 24 bits; none does, and a document in another order gives the same.
#[test]
fn variants_have_codes_of_their_own() {
    let mut many: Vec<Value> = (0..10_000).map(|n| json!({"id": format!("v{n}"), "weight": 1})).collect();
    let codes = |variants: &[Value]| {
        let plan = compile(&shop(&[running("hero", json!({"variants": variants}))]));
        let of = |variant: &sortition_engine::plan::Variant| (variant.id.to_string(), variant.code);
        nth(&plan, 0).variants.iter().map(of).collect::<std::collections::BTreeMap<String, u32>>()
    };
    let first = codes(&many);
    assert_eq!(first.values().collect::<std::collections::BTreeSet<_>>().len(), 10_000);
    many.reverse();
    assert_eq!(codes(&many), first);
}

/// A document that names another `visitor.domain` leaves browsers with two cookies of the name, the one that nobody writes
/// any more first. It alone was read: every view was exposed anew, and a change of weights moved people.
#[test]
fn two_cookies_of_one_browser_are_read_as_one() {
    let two = |all: u32| json!([{"id": "control", "weight": 100 - all}, {"id": "bold", "weight": all}]);
    let one = running("one", json!({"variants": two(0)}));
    let both = |all: u32| compile(&shop(&[one.clone(), running("two", json!({"variants": two(all)}))]));
    let mut browser = Browser::new(1);
    browser.visit(&compile(&shop(std::slice::from_ref(&one))), HOME);
    let stale = browser.cookies["sortition_as"].clone();
    browser.visit(&both(0), HOME);
    let fresh = browser.cookies["sortition_as"].clone();
    assert_ne!(stale, fresh);
    for (first, second) in [(&stale, &fresh), (&fresh, &stale), (&fresh, &fresh), (&"broken".to_owned(), &fresh)] {
        let value = format!("{first}; a=b; sortition_as={second}");
        browser.cookies.insert("sortition_as".to_owned(), value.clone());
        let (intent, finish) = browser.visit(&both(100), HOME);
        assert_eq!(intent.told_client, "one=control, two=control", "{value}");
        assert!(finish.exposed.is_empty(), "{value}");
        assert_eq!(browser.cookies["sortition_as"], value, "there is nothing new to write");
    }
    let none = format!("{stale}; sortition_as=broken");
    browser.cookies.insert("sortition_as".to_owned(), none);
    assert_eq!(browser.visit(&both(100), HOME).0.told_client, "one=control, two=bold");
}
