//! The audience language: GrowthBook's cases, every message, the laws.

mod laws;
mod messages;

use std::cell::RefCell;

use serde_json::{Value, json};
use sortition_engine::condition::{Attributes, Condition, Fact, Groups};

/// A condition that names its facts by their paths, so that JSON objects can be its facts.
type OverJson = Condition<Box<str>>;

fn parse(condition: &Value) -> OverJson {
    let parsed = OverJson::parse(condition, &Groups::default(), |fact| Ok::<_, String>(fact.into()));
    parsed.unwrap_or_else(|problems| panic!("{condition}: {problems:?}"))
}

#[track_caller]
fn check(condition: Value, attributes: Value, expected: bool) {
    assert_eq!(parse(&condition).matches(&attributes), expected, "{condition} over {attributes}");
}

fn groups_of(case: &[Value]) -> Groups {
    let mut groups = Groups::default();
    for (name, members) in case.get(4).and_then(Value::as_object).into_iter().flatten() {
        groups.insert(name, members.as_array().unwrap());
    }
    groups
}

/// GrowthBook's own cases; none where the environment names no folder that holds them.
fn growthbook_cases() -> Option<Vec<Vec<Value>>> {
    let file = crate::takeover::conformance_json("growthbook/cases.json")?;
    Some(serde_json::from_value(file["evalCondition"].clone()).unwrap())
}

#[test]
fn every_case_of_growthbook_passes() {
    let Some(cases) = growthbook_cases() else { return };
    let failed: Vec<_> = cases
        .iter()
        .filter(|case| {
            let condition = OverJson::parse_lenient(&case[1], &groups_of(case));
            condition.matches(&case[2]) != case[3].as_bool().unwrap()
        })
        .map(|case| case[0].as_str().unwrap())
        .collect();
    assert!(failed.is_empty(), "{} of {} failed: {failed:#?}", failed.len(), cases.len());
    assert_eq!(cases.len(), 185);
}

/// What the strict reading accepts means the same there, and it refuses only what cannot match as written.
#[test]
fn the_strict_reading_agrees_with_the_lenient_one() {
    let Some(cases) = growthbook_cases() else { return };
    let mut refused = Vec::new();
    for case in cases {
        let groups = groups_of(&case);
        match OverJson::parse(&case[1], &groups, |fact| Ok::<_, String>(fact.into())) {
            Ok(condition) => assert_eq!(condition, OverJson::parse_lenient(&case[1], &groups), "{case:?}"),
            Err(_) => refused.push(case[0].as_str().unwrap().to_owned()),
        }
    }
    assert_eq!(
        refused,
        [
            "$groups - match",
            "$in - not array",
            "$regex invalid - pass",
            "$regex invalid - fail",
            "equals array - pass",
            "equals array - fail order",
            "equals array - fail missing item",
            "equals array - fail extra item",
            "equals object - pass",
            "equals object - fail missing property",
            "$inGroup fails for unknown group id",
            "$ini - not array",
        ]
    );
}

/// JavaScript's conversions, where GrowthBook's cases do not reach.
#[test]
fn values_are_converted_as_in_javascript() {
    // A plain text compares with the value's text.
    for (value, text) in [
        (json!(8), "8"),
        (json!(1.5), "1.5"),
        (json!(-0.0), "0"),
        (json!(1e21), "1e+21"),
        (json!(1.234_567_890_123_456_8e20), "123456789012345680000"),
        (json!(1.5e-7), "1.5e-7"),
        (json!(0.000_001), "0.000001"),
        (json!(true), "true"),
        (json!(["a", null, ["b", 1]]), "a,,b,1"),
        (json!({}), "[object Object]"),
    ] {
        check(json!({"x": text}), json!({"x": value}), true);
        check(json!({"x": format!("{text}.")}), json!({"x": value}), false);
    }
    // A plain number compares with the value's number.
    for (value, number) in [
        (json!("8"), json!(8)),
        (json!(" 8\t\n"), json!(8.0)),
        (json!("\u{feff}8"), json!(8)),
        (json!("-1.5e3"), json!(-1500)),
        (json!(".5"), json!(0.5)),
        (json!("0x1F"), json!(31)),
        (json!("0b101"), json!(5)),
        (json!("0o17"), json!(15)),
        (json!(""), json!(0)),
        (json!(true), json!(1)),
        (json!([7]), json!(7)),
    ] {
        check(json!({"x": number}), json!({"x": value}), true);
    }
    for value in
        [json!("8px"), json!("inf"), json!("nan"), json!("0x"), json!("0xg"), json!("1_000"), json!({}), json!("-0x1")]
    {
        for number in [0, 1, 8] {
            check(json!({"x": number}), json!({"x": value}), false);
            check(json!({"x": {"$gte": number}}), json!({"x": value}), false);
            check(json!({"x": {"$lt": number}}), json!({"x": value}), false);
        }
    }
    check(json!({"x": {"$gt": 1e300}}), json!({"x": "Infinity"}), true);
    // A plain truth value compares as in an `if`.
    for (value, truth) in [
        (json!(""), false),
        (json!("0"), true),
        (json!(0), false),
        (json!(0.1), true),
        (json!([]), true),
        (json!({}), true),
    ] {
        check(json!({"x": truth}), json!({"x": value}), true);
        check(json!({"x": !truth}), json!({"x": value}), false);
    }
    // `$eq` and `$in` convert nothing.
    check(json!({"x": {"$eq": 8}}), json!({"x": "8"}), false);
    check(json!({"x": {"$in": [8]}}), json!({"x": "8"}), false);
    check(json!({"x": {"$in": [8]}}), json!({"x": 8.0}), true);
    check(json!({"x": {"$in": [0]}}), json!({"x": -0.0}), true);
    check(json!({"x": {"$in": [null, true]}}), json!({}), true);
    check(json!({"x": {"$in": [null, true]}}), json!({"x": true}), true);
    check(json!({"x": {"$in": [null, true]}}), json!({"x": false}), false);
    // Texts are ordered by UTF-16 code units: an emoji starts with U+D83D and comes before U+FF5E.
    check(json!({"x": {"$lt": "\u{ff5e}"}}), json!({"x": "😀"}), true);
    check(json!({"x": {"$gt": "10"}}), json!({"x": "9"}), true);
    check(json!({"x": {"$gt": "10"}}), json!({"x": 9}), false);
    // Case is folded beyond ASCII too.
    check(json!({"x": {"$ini": ["ÉCOLE", "b"]}}), json!({"x": "École"}), true);
    check(json!({"x": {"$alli": ["ÉCOLE"]}}), json!({"x": ["école", "b"]}), true);
    check(json!({"x": {"$all": ["École"]}}), json!({"x": ["école", "b"]}), false);
}

/// In JavaScript an absent fact is the text "null" and the number 0; GrowthBook's other SDKs do not follow it there, and a
/// shop that aims at cities with an n does not mean the visitors whose city nobody knows.
#[test]
fn an_absent_fact_equals_nothing_and_matches_no_regex() {
    for condition in [
        json!({"x": "null"}),
        json!({"x": 0}),
        json!({"x": false}),
        json!({"x": true}),
        json!({"x": {"$regex": "n"}}),
        json!({"x": {"$regex": "^$"}}),
        json!({"x": {"$regexi": "N"}}),
        json!({"x": {"$eq": ""}}),
        json!({"x": {"$in": ["", 0]}}),
        json!({"x": {"$exists": true}}),
    ] {
        check(condition.clone(), json!({}), false);
        check(condition, json!({"x": null}), false);
    }
    for condition in [
        json!({"x": null}),
        json!({"x": {"$eq": null}}),
        json!({"x": {"$type": "null"}}),
        json!({"x": {"$notRegex": "n"}}),
        json!({"x": {"$nin": ["", 0]}}),
        json!({"x": {"$exists": false}}),
        json!({"x": {"$lt": 1}}),
        json!({"x": {"$vlt": "0.1"}}),
    ] {
        check(condition.clone(), json!({}), true);
        check(condition, json!({"x": null}), true);
    }
}

/// As in GrowthBook's JavaScript SDK 1.8; older ones skipped every element that is false in an `if`.
#[test]
fn of_elements_only_null_never_counts() {
    for element in [json!(0), json!(""), json!(false)] {
        check(json!({"x": {"$elemMatch": {"$eq": element}}}), json!({"x": [null, element]}), true);
    }
    check(json!({"x": {"$elemMatch": {"$eq": null}}}), json!({"x": [null]}), false);
    check(json!({"x": {"$elemMatch": {"name": null}}}), json!({"x": [null]}), false);
    check(json!({"x": {"$elemMatch": {"name": null}}}), json!({"x": [null, {}]}), true);
}

#[test]
fn paths_lead_into_objects_and_lists() {
    let attributes = json!({"a": {"b": [{"c": 1}, {"c": 2}], "": "empty"}, "a.b": "dotted"});
    for (path, found) in [
        ("a.b.1.c", true),
        ("a.b.0.c", false),
        ("a.b.01.c", false),
        ("a.b.+1.c", false),
        ("a.b.2.c", false),
        ("a.x.c", false),
    ] {
        check(json!({path: 2}), attributes.clone(), found);
    }
    check(json!({"a.": "empty"}), attributes, true);
}

#[test]
fn versions_beyond_growthbooks_cases() {
    for (left, operator, right, expected) in [
        (json!(""), "$veq", json!("0"), true),
        (json!(100), "$vgt", json!("99"), true),
        (json!("100"), "$vgte", json!(100), true),
        (json!(true), "$veq", json!("0"), true),
        (json!("1.2"), "$vlt", json!("1.2.0"), true),
        (json!("123456.0.0"), "$vgt", json!("99999.0.0"), false),
        (json!("1.0.0+a\nb"), "$veq", json!("1.0.0"), false),
        (json!("1.0.0+a\n+b"), "$veq", json!("1.0.0+a\n"), true),
        (json!("vv1.0.0"), "$veq", json!("v1.0.0"), false),
        (json!("1.2.3"), "$vne", json!("v1.2.3"), false),
    ] {
        check(json!({"v": {operator: right}}), json!({"v": left}), expected);
    }
}

/// A regex is tried in linear time, on texts of a bounded length.
#[test]
fn a_regex_cannot_run_away() {
    let condition = parse(&json!({"x": {"$regex": "^(a+)+$"}}));
    assert!(condition.matches(&json!({"x": "a".repeat(16 * 1024)})));
    assert!(!condition.matches(&json!({"x": "a".repeat(16 * 1024 - 1) + "b"})));
    assert!(!condition.matches(&json!({"x": "a".repeat(16 * 1024 + 1)})), "longer texts are not searched");
    let negated = parse(&json!({"x": {"$notRegex": "^(a+)+$"}}));
    assert!(negated.matches(&json!({"x": "a".repeat(16 * 1024 + 1)})));
    assert!(negated.matches(&json!({"x": "a".repeat(100) + "b"})));
}

/// Facts that record what was asked for.
struct Recorder(RefCell<Vec<String>>);

impl Attributes<Box<str>> for Recorder {
    fn get(&self, key: &Box<str>) -> Fact<'_> {
        self.0.borrow_mut().push(key.to_string());
        Fact::text("x")
    }
}

#[test]
fn facts_are_read_when_their_clause_is_reached_and_once_a_clause() {
    let condition = parse(&json!({
        "$or": [{"b": "y"}, {"c": "x"}, {"d": "x"}],
        "e": {"$gt": "a", "$lt": "z", "$ne": "q"},
        "f": "y",
        "g": "x",
    }));
    let facts = Recorder(RefCell::default());
    assert!(!condition.matches(&facts));
    assert_eq!(facts.0.into_inner(), ["b", "c", "e", "f"]);
    let all: Vec<&str> = condition.facts().map(Box::as_ref).collect();
    assert_eq!(all, ["b", "c", "d", "e", "f", "g"]);
    let nested = parse(&json!({"$not": {"$nor": [{"b": 1}]}, "list": {"$elemMatch": {"inner": 1}}}));
    assert_eq!(nested.facts().map(Box::as_ref).collect::<Vec<&str>>(), ["b", "list"]);
}

#[test]
fn keys_are_resolved_once_and_never_for_the_members_of_elements() {
    let mut asked = Vec::new();
    let condition = json!({"a": {"$gt": 1, "$lt": 5}, "list": {"$elemMatch": {"name": "x"}}, "$or": [{"b": 1}]});
    let parsed = Condition::<usize>::parse(&condition, &Groups::default(), |fact| {
        asked.push(fact.to_owned());
        Ok::<_, String>(asked.len())
    });
    assert_eq!(parsed.unwrap().facts().copied().collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(asked, ["b", "a", "list"]);
}

#[test]
fn a_condition_prints_as_a_sentence() {
    let mut groups = Groups::default();
    groups.insert("staff", &[json!(1)]);
    for (condition, sentence) in [
        (json!({}), "always"),
        (json!({"$or": []}), "always"),
        (json!({"$nor": []}), "not always"),
        (json!({"country": "US"}), r#"country = "US""#),
        (json!({"a": 1.5, "b": true, "c": null}), "a = 1.5 and b = true and c is absent"),
        (json!({"$or": [{"a": 1, "b": 2}, {"c": 3}], "d": "x"}), r#"((a = 1 and b = 2) or c = 3) and d = "x""#),
        (json!({"$nor": [{"a": 1}, {"b": 2}]}), "not (a = 1 or b = 2)"),
        (json!({"$not": {"a": {"$gt": 1, "$lte": "m"}}}), r#"not (a > 1 and a <= "m")"#),
        (json!({"a": {"$gte": 1, "$lt": 9}}), "a >= 1 and a < 9"),
        (json!({"a": {"$not": {"$gt": 1, "$lt": 9}}}), "not (a > 1 and a < 9)"),
        (json!({"a": {"$eq": "x"}, "b": {"$ne": 5}}), r#"a == "x" and b != 5"#),
        (json!({"a": {"$eq": null}, "b": {"$eq": false}}), "a == null and b == false"),
        (json!({"a": {"$exists": true}, "b": {"$exists": false}}), "a is present and b is absent"),
        (json!({"a": {"$in": ["y", "x", 3, true, null]}}), r#"a in ["x", "y", 3, true, null]"#),
        (json!({"a": {"$nini": ["X"]}}), r#"a not in ["x"]i"#),
        (json!({"a": {"$in": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}}), "a in [1, 2, 3, 4, 5, 6, 7, 8, 2 more]"),
        (json!({"a": {"$regex": "^/p/"}, "b": {"$notRegexi": "x|y"}}), "a ~ /^/p// and not b ~ /x|y/i"),
        (json!({"a": {"$vgte": "1.2"}, "b": {"$vne": "v3"}}), r#"version a >= "1.2" and not version b = "v3""#),
        (json!({"a": {"$type": "array"}}), "a has type array"),
        (json!({"a": {"$size": {"$gt": 2}}, "b": {"$size": 0}}), "size of a > 2 and size of b = 0"),
        (json!({"a": {"$elemMatch": {"$gt": 2}}}), "some of a (it > 2)"),
        (json!({"a": {"$elemMatch": {"b.c": "x"}}}), r#"some of a (b.c = "x")"#),
        (json!({"a": {"$all": ["x", {"$gt": 2}]}}), r#"a has all of (it = "x", it > 2)"#),
        (json!({"a": {"$alli": ["X"]}}), r#"a has all of (it = "x"i)"#),
        (json!({"id": {"$inGroup": "staff"}}), r#"id in group "staff""#),
        (json!({"id": {"$notInGroup": "staff"}}), r#"id not in group "staff""#),
    ] {
        let parsed = OverJson::parse(&condition, &groups, |fact| Ok::<_, String>(fact.into())).unwrap();
        assert_eq!(parsed.to_string(), sentence, "{condition}");
    }
    assert_eq!(OverJson::parse_lenient(&json!({"a": {"$foo": 1}}), &groups).to_string(), "a never fits");
    assert_eq!(OverJson::parse_lenient(&json!([]), &groups).to_string(), "never");
    assert_eq!(OverJson::always().to_string(), "always");
}
