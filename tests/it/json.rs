//! JSON of a visit of a page, held to what serde makes of the same text.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sortition_engine::document::Id;
use sortition_engine::events::health::OriginHealth;
use sortition_engine::events::versions;
use sortition_engine::json::{self, write};
use sortition_engine::plan::{Kill, KillGuard};
use std::collections::BTreeMap;

/// What was read, as serde has it; `None` for numbers that none of its own can be.
fn as_serde(value: json::Value<'_>) -> Option<Value> {
    Some(match value {
        json::Value::Null => Value::Null,
        json::Value::Bool(truth) => truth.into(),
        json::Value::Number((number, _)) => serde_json::from_str(number).ok()?,
        json::Value::String(text) => Value::String(text.into_owned()),
        json::Value::Array(elements) => Value::Array(elements.into_iter().map(as_serde).collect::<Option<_>>()?),
        json::Value::Object(members) => {
            let members = members.into_iter().map(|(name, member)| Some((name.into_owned(), as_serde(member)?)));
            Value::Object(members.collect::<Option<_>>()?)
        }
    })
}

#[track_caller]
fn is_read_as_by_serde(text: &[u8]) {
    let read = json::read(text).ok().and_then(as_serde);
    assert_eq!(read, serde_json::from_slice(text).ok(), "{}", String::from_utf8_lossy(text));
}

#[test]
fn what_is_no_json_is_not_read_and_what_is_at_its_edges_is() {
    for text in [
        "",
        " ",
        "nul",
        "nulll",
        "null null",
        "tru",
        "True",
        "'a'",
        "\u{feff}1",
        "1 ",
        "\n\t\r 1",
        "\u{b}1",
        "\u{a0}1",
        "-",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "1e5",
        "1E-5",
        "-0",
        "-0.0",
        "0e0",
        "1.5.2",
        "0x1",
        "1_0",
        "NaN",
        "1e400",
        "[1e400]",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "[]",
        "[,]",
        "[1,]",
        "[1 2]",
        "[1",
        "]",
        "{}",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1,\"a\":2}",
        "{\"a\" : 1 , \"\" :\t2}",
        "\"",
        "\"\\\"",
        "\"\\a\"",
        "\"\\u12\"",
        "\"\\u12G4\"",
        "\"\\u0000\"",
        "\"\\ud83d\\ude00\"",
        "\"\\uD83D\"",
        "\"\\uD83Dx\"",
        "\"\\uD83D\\n\"",
        "\"\\ude00\"",
        "\"\\ud83d\\ud83d\"",
        "\"\u{1}\"",
        "\"\t\"",
        "\"\u{7f}\"",
        "\"\\/\\b\\f\\n\\r\\t\\\\\"",
        "\"größe 雪\"",
        "/**/1",
        "1//",
    ] {
        is_read_as_by_serde(text.as_bytes());
    }
    for bytes in [&b"\"\xff\""[..], b"\"\xc3\"", b"\xff", b"{\"\xed\xa0\x80\":1}", b"\"\\u00e9\xc3\xa9\""] {
        is_read_as_by_serde(bytes);
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    is_read_as_by_serde(nested(127).as_bytes());
    is_read_as_by_serde(nested(129).as_bytes());
    assert!(json::read("[".repeat(1_000_000).as_bytes()).is_err());
    assert!(json::read("{\"a\":".repeat(1_000_000).as_bytes()).is_err());
}

#[test]
fn a_problem_says_where_it_is() {
    let problem = |text: &str| json::read(text.as_bytes()).unwrap_err();
    assert_eq!(problem("{\"all\": yes}"), "value expected at line 1 column 10");
    assert_eq!(problem("{\n  \"all\" true}"), "colon expected at line 2 column 9");
    assert_eq!(problem(""), "value expected at line 1 column 1");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The keys `kill` and `kill-guard` as serde would read them.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct KillOfSerde {
    all: bool,
    experiments: Vec<Id>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct GuardOfSerde {
    experiments: Vec<Id>,
    hold: BTreeMap<Id, f64>,
    weights: BTreeMap<Id, BTreeMap<Id, f64>>,
}

/// Switches as somebody may write them: with fields that there are, others, the wrong types, and some of them twice.
fn any_switches() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["all", "experiments", "hold", "weights", "al", "Experiments"]);
    let value = prop::sample::select(vec![
        "true",
        "false",
        "null",
        "\"yes\"",
        "0",
        "[]",
        "[\"hero\"]",
        "[\"hero\",\"h\\u0065ro\",\"b\"]",
        "[\"Hero\"]",
        "[1]",
        "\"hero\"",
        "{}",
        "{\"hero\":50}",
        "{\"hero\":1,\"b\":0.5,\"hero\":25e-1}",
        "{\"Hero\":1}",
        "{\"hero\":\"1\"}",
        "{\"hero\":{\"a\":1,\"b\":2.5}}",
        "{\"hero\":{}}",
        "{\"hero\":{\"a\":null}}",
    ]);
    prop::collection::vec((name, value), 0..4).prop_map(|members| {
        let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!(" {{{}}}\n", members.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::assignments::cases(1_000)))]

    #[test]
    fn what_serde_writes_is_read(value in any_json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        is_read_as_by_serde(text.as_bytes());
    }

    #[test]
    fn what_is_nearly_json_is_read_as_by_serde(
        value in any_json(), at: prop::sample::Index, cut in 0_usize..3, put in "[\\[\\]{}\",:\\\\u0-9eE.+-truefalsn \n\u{1}]{0,2}",
    ) {
        let mut text = value.to_string().into_bytes();
        let at = at.index(text.len());
        let end = (at + cut).min(text.len());
        text.splice(at..end, put.bytes());
        is_read_as_by_serde(&text);
    }

    #[test]
    fn what_is_hardly_json_is_read_as_by_serde(text in "([\\[\\]{},:.eE+\\- 0-9]|\"[a\\\\\"]{0,3}\"|\\\\u[dD][8-9a-fA-F]{3}|null|true){0,12}") {
        is_read_as_by_serde(text.as_bytes());
    }

    #[test]
    fn texts_are_written_as_by_serde(text: String, controls in "[\\x00-\\x7f]{0,12}") {
        for text in [text, controls] {
            let mut written = String::new();
            write::push_text(&text, &mut written);
            prop_assert_eq!(written, serde_json::to_string(&text).unwrap());
        }
    }

    #[test]
    fn switches_are_read_as_by_serde(text in any_switches()) {
        let kill = Kill::parse(&text).ok().map(|kill| KillOfSerde { all: kill.all, experiments: kill.experiments });
        prop_assert_eq!(kill, serde_json::from_str(&text).ok(), "{}", text);
        let guard = KillGuard::parse(&text).ok();
        let guard = guard.map(|it| GuardOfSerde { experiments: it.experiments, hold: it.hold, weights: it.weights });
        prop_assert_eq!(guard, serde_json::from_str(&text).ok(), "{}", text);
    }

    #[test]
    fn switches_that_we_write_are_read(all: bool, ids in prop::collection::vec("[a-z0-9][a-z0-9_-]{0,9}", 0..4), percent in 0.0..100.0) {
        let experiments: Vec<Id> = ids.iter().filter_map(|id| Id::new(id)).collect();
        let kill = Kill { all, experiments: experiments.clone() };
        prop_assert_eq!(Kill::parse(&serde_json::to_string(&kill).unwrap()).unwrap(), kill);
        let numbers: BTreeMap<Id, f64> = experiments.iter().map(|id| (id.clone(), percent)).collect();
        let weights = experiments.iter().map(|id| (id.clone(), numbers.clone())).collect();
        let guard = KillGuard { experiments, hold: numbers, weights };
        prop_assert_eq!(KillGuard::parse(&serde_json::to_string(&guard).unwrap()).unwrap(), guard);
    }

    #[test]
    fn what_isolates_tell_is_written_as_by_serde(text: String, numbers: [u32; 11]) {
        let [iteration, requests, errors, latency @ ..] = numbers;
        let health = OriginHealth {
            project: text.clone(),
            experiment_id: text.clone(),
            iteration,
            variant: text.clone(),
            hour: text,
            requests,
            errors,
            latency,
        };
        prop_assert_eq!(health.to_json(), serde_json::to_string(&health).unwrap());
    }

    #[test]
    fn versions_are_written_as_by_serde(header in "([a-z]{1,2}(=\"([ -~]|\\\\\"){0,4}\"|=[0-9]{1,3}|=a)?[,;] ?){0,4}") {
        let versions = versions::parse(&header);
        prop_assert_eq!(versions::to_json(Some(&header)), serde_json::to_string(&versions).unwrap());
    }
}

#[test]
fn a_member_that_is_there_twice_is_the_last() {
    let members = json::object(br#"{"a": "1", "b": 2, "a": "3"}"#).unwrap();
    assert_eq!(
        (json::text(&members, "a"), json::text(&members, "b"), json::text(&members, "c")),
        (Some("3"), None, None)
    );
    let of_serde: Map<String, Value> = serde_json::from_str(r#"{"a": "1", "b": 2, "a": "3"}"#).unwrap();
    assert_eq!(of_serde["a"], json!("3"));
}

#[test]
fn what_is_wrong_with_the_switches_is_said() {
    let why = |text: &str| Kill::parse(text).unwrap_err().to_string();
    for (text, part) in [
        ("[]", "it is no object"),
        ("{\"al\": true}", "unknown field `al`, expected `all` or `experiments`"),
        ("{\"all\": \"yes\"}", "`all` is neither true nor false"),
        ("{\"all\": true, \"all\": false}", "`all` stands there twice"),
        ("{\"experiments\": \"hero\"}", "`experiments` is no list of ids"),
        ("{\"experiments\": [\"Hero\"]}", "\"Hero\" is not an id"),
        ("{\"all\": true", "comma or end of sequence expected at line 1 column 13"),
    ] {
        assert!(why(text).contains(part), "{text}: {}", why(text));
        assert!(why(text).ends_with("everything is killed until it is"), "{text}: {}", why(text));
    }
    let why = KillGuard::parse("{\"hold\": {\"hero\": \"50\"}}").unwrap_err().to_string();
    assert_eq!(why, "the KV key `kill-guard` cannot be read: an id has no number");
}
