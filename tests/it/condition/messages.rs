//! Every kind of problem, with its place and its text.

use serde_json::{Value, json};
use sortition_engine::condition::{Condition, Groups, MAX_CLAUSES, MAX_DEPTH, MAX_VALUES};

const FACTS: [&str; 4] = ["country", "device", "version", "tags"];

fn problems(condition: &Value) -> Vec<(String, String)> {
    let mut groups = Groups::default();
    groups.insert("staff", &[json!("a")]);
    let key_of = |name: &str| {
        FACTS.iter().find(|fact| **fact == name).copied().ok_or_else(|| format!("there is no fact called {name}"))
    };
    let parsed = Condition::<&str>::parse(condition, &groups, key_of);
    parsed.err().unwrap_or_default().into_iter().map(|problem| (problem.path, problem.message)).collect()
}

#[test]
fn every_problem_says_where_what_and_what_to_do() {
    let long_word = format!("${}\n", "x".repeat(200));
    let long_shown = format!("${}…", "x".repeat(63));
    let cases = [
        (json!("US"), "", r#"a condition is an object such as {"country": "US"}, not a text"#),
        (json!({"$not": [1]}), "$not", r#"a condition is an object such as {"country": "US"}, not a list"#),
        (json!({"$and": [{}, 5]}), "$and[1]", r#"a condition is an object such as {"country": "US"}, not a number"#),
        (
            json!({"$or": {"country": "US"}}),
            "$or",
            r#"`$or` takes a list, as in {"$or": [{"country": "US"}, {"device": "mobile"}]}, not an object"#,
        ),
        (
            json!({"$nor": null}),
            "$nor",
            r#"`$nor` takes a list, as in {"$nor": [{"country": "US"}, {"device": "mobile"}]}, not null"#,
        ),
        (json!({"$orr": [{}]}), "$orr", "unknown operator `$orr`; did you mean `$or`?"),
        (
            json!({"$frobnicate": 1}),
            "$frobnicate",
            "unknown operator `$frobnicate`; beside facts can stand `$and`, `$or`, `$nor` and `$not`",
        ),
        (
            json!({"$in": ["US"]}),
            "$in",
            r#"`$in` tests a fact and must stand under one, as in {"country": {"$in": ...}}"#,
        ),
        (json!({"contry": "US"}), "contry", "there is no fact called contry"),
        (json!({"country": {"$inn": ["US"]}}), "country.$inn", "unknown operator `$inn`; did you mean `$in`?"),
        (json!({"country": {"$Regex": "x"}}), "country.$Regex", "unknown operator `$Regex`; did you mean `$regex`?"),
        (
            json!({"country": {"$startswith": "x"}}),
            "country.$startswith",
            "unknown operator `$startswith`; under a fact can stand operators such as `$eq`, `$in`, `$regex` or `$vgte`",
        ),
        (
            json!({"country": {"$or": ["US", "CA"]}}),
            "country.$or",
            r#"`$or` joins conditions and cannot stand under a fact: put the fact inside, as in {"$or": [{"country": ...}]}"#,
        ),
        (
            json!({"country": ["US", "CA"]}),
            "country",
            r#"a list here asks for that very list; for one of several values write {"$in": [...]}"#,
        ),
        (
            json!({"country": {"code": "US"}}),
            "country",
            "only operators such as `$in` can stand under a fact, not `code`; facts inside a fact are written with dots",
        ),
        (
            json!({"country": {"$ne": "US", "device": "mobile"}}),
            "country",
            "only operators such as `$in` can stand under a fact, not `device`; facts inside a fact are written with dots",
        ),
        (json!({"country": {}}), "country", "an empty object tests nothing: write an operator, or leave the fact out"),
        (
            json!({"country": {"$eq": ["US"]}}),
            "country.$eq",
            "`$eq` takes a single value, not a list; for several write `$in`",
        ),
        (
            json!({"country": {"$ne": {"a": 1}}}),
            "country.$ne",
            "`$ne` takes a single value, not an object; for several write `$nin`",
        ),
        (
            json!({"country": {"$in": "US"}}),
            "country.$in",
            r#"`$in` takes a list, as in {"$in": ["a", "b"]}, not a text"#,
        ),
        (
            json!({"country": {"$nini": true}}),
            "country.$nini",
            r#"`$nini` takes a list, as in {"$nini": ["a", "b"]}, not true or false"#,
        ),
        (
            json!({"country": {"$nin": ["US", ["CA"], ["MX"]]}}),
            "country.$nin[1]",
            "`$nin` lists single values; a list never matches",
        ),
        (json!({"tags": {"$all": "a"}}), "tags.$all", r#"`$all` takes a list, as in {"$all": ["a", "b"]}, not a text"#),
        (
            json!({"tags": {"$alli": ["a", {"$gtt": 1}]}}),
            "tags.$alli[1].$gtt",
            "unknown operator `$gtt`; did you mean `$gt`?",
        ),
        (json!({"version": {"$gt": null}}), "version.$gt", "`$gt` compares with a number or a text, not null"),
        (json!({"version": {"$lte": [1]}}), "version.$lte", "`$lte` compares with a number or a text, not a list"),
        (json!({"country": {"$exists": "yes"}}), "country.$exists", "`$exists` takes true or false, not a text"),
        (json!({"country": {"$type": "strings"}}), "country.$type", "unknown type `strings`; did you mean `string`?"),
        (
            json!({"country": {"$type": "date"}}),
            "country.$type",
            "unknown type `date`; the types are string, number, boolean, null, array, object",
        ),
        (
            json!({"country": {"$type": 2}}),
            "country.$type",
            "`$type` takes the name of a type (string, number, boolean, null, array, object), not a number",
        ),
        (
            json!({"tags": {"$size": "2"}}),
            "tags.$size",
            r#"`$size` takes a number or operators, as in {"$gt": 2}, not a text"#,
        ),
        (
            json!({"tags": {"$size": {"$gtee": 2}}}),
            "tags.$size.$gtee",
            "unknown operator `$gtee`; did you mean `$gte`?",
        ),
        (
            json!({"tags": {"$elemMatch": "a"}}),
            "tags.$elemMatch",
            r#"`$elemMatch` takes an object of operators or a condition, as in {"$elemMatch": {"$gt": 10}}, not a text"#,
        ),
        (
            json!({"tags": {"$elemMatch": {"name": {"$regx": "a"}}}}),
            "tags.$elemMatch.name.$regx",
            "unknown operator `$regx`; did you mean `$regex`?",
        ),
        (json!({"country": {"$regex": 5}}), "country.$regex", "`$regex` takes a regex as a text, not a number"),
        (
            json!({"country": {"$regex": "a("}}),
            "country.$regex",
            "this regex does not compile: found open group without closing ')'",
        ),
        (
            json!({"country": {"$notRegexi": "^(?!US)"}}),
            "country.$notRegexi",
            "this regex looks around, which takes unbounded time: use `$notRegex` or a second clause instead",
        ),
        (
            json!({"country": {"$regexi": "(a{99}){99}"}}),
            "country.$regexi",
            "this regex is too large once compiled: lower the counts of its repetitions",
        ),
        (
            json!({"country": {"$regex": "a".repeat(1001)}}),
            "country.$regex",
            "this regex has 1001 bytes, of 1000 at most: split it",
        ),
        (
            json!({"version": {"$vgt": true}}),
            "version.$vgt",
            r#"`$vgt` takes a version in quotes, as in "1.10.0", not true or false"#,
        ),
        (
            json!({"version": {"$vne": 1.1}}),
            "version.$vne",
            r#"`$vne` takes a version in quotes, as in "1.10.0", not a number: as a number, 1.10 is 1.1"#,
        ),
        (json!({"country": {"$inGroup": 5}}), "country.$inGroup", "`$inGroup` takes the name of a group, not a number"),
        (json!({"country": {"$inGroup": "stuff"}}), "country.$inGroup", "unknown group `stuff`; did you mean `staff`?"),
        (
            json!({"country": {"$notInGroup": "customers"}}),
            "country.$notInGroup",
            "unknown group `customers`; define it, or list its members with `$in`",
        ),
        (
            json!({"country": {"$not": {"$not": {"$lt": {}}}}}),
            "country.$not.$not.$lt",
            "`$lt` compares with a number or a text, not an object",
        ),
        (
            json!({"country": {&long_word: 1}}),
            &format!("country.{long_shown}"),
            &format!(
                "unknown operator `{long_shown}`; under a fact can stand operators such as `$eq`, `$in`, `$regex` or `$vgte`"
            ),
        ),
    ];
    for (condition, path, message) in cases {
        let expected = vec![(path.to_owned(), message.to_owned())];
        assert_eq!(problems(&condition), expected, "{condition}");
    }
}

#[test]
fn all_problems_are_found_at_once() {
    let condition = json!({
        "$or": [{"country": {"$inn": ["US"]}}, {"nowhere": {"$gt": []}}],
        "device": {"$regex": "(", "$in": "mobile"},
        "$in": [],
    });
    let places: Vec<String> = problems(&condition).into_iter().map(|(path, _)| path).collect();
    assert_eq!(
        places,
        ["$in", "$or[0].country.$inn", "$or[1].nowhere.$gt", "$or[1].nowhere", "device.$in", "device.$regex"]
    );
}

/// Puts a condition into a larger one.
type Wrap = fn(Value) -> Value;

fn nested(levels: usize, wrap: impl Fn(Value) -> Value) -> Value {
    (0..levels).fold(json!({"country": "US"}), |inner, _| wrap(inner))
}

#[test]
fn depth_bombs_are_refused() {
    // As deep as JSON text can be: serde_json reads no more than 128 levels.
    let bombs: [(&str, Wrap); 5] = [
        ("$not", |inner| json!({"$not": inner})),
        ("$and", |inner| json!({"$and": [inner]})),
        ("value $not", |inner| json!({"country": {"$not": inner}})),
        ("$elemMatch", |inner| json!({"tags": {"$elemMatch": inner}})),
        ("$all", |inner| json!({"tags": {"$all": [inner]}})),
    ];
    for (name, wrap) in bombs {
        let found = problems(&nested(120, wrap));
        assert!(!found.is_empty(), "{name}");
        let deep = Condition::parse_lenient(&nested(120, wrap), &Groups::default());
        let _ = deep.matches(&json!({"country": "US", "tags": [["a"]]}));
    }
    assert_eq!(problems(&nested(MAX_DEPTH - 1, |inner| json!({"$not": inner}))), []);
    let found = problems(&nested(MAX_DEPTH, |inner| json!({"$not": inner})));
    let expected = format!("nested more than {MAX_DEPTH} levels deep: flatten the condition");
    assert_eq!(found, [(format!("{}.country", vec!["$not"; MAX_DEPTH].join(".")), expected)]);
    // A literal that is compared as a whole is bounded too.
    let list = (0..120).fold(json!([]), |inner, _| json!([inner]));
    let literal = Condition::parse_lenient(&json!({"tags": list}), &Groups::default());
    assert!(!literal.matches(&json!({"tags": list})));
}

#[test]
fn size_is_bounded_and_said_once() {
    let many = |count: usize| json!({"$or": vec![json!({}); count]});
    assert_eq!(problems(&many(MAX_CLAUSES - 1)), []);
    let expected = format!("more than {MAX_CLAUSES} clauses in one condition: use `$in` with a list, or split it");
    let found = problems(&many(MAX_CLAUSES + 100));
    assert_eq!(found, [(format!("$or[{}]", MAX_CLAUSES - 1), expected)]);

    let half = vec![json!(1); MAX_VALUES / 2];
    assert_eq!(problems(&json!({"country": {"$in": half}, "device": {"$nin": half}})), []);
    let found = problems(
        &json!({"country": {"$in": half}, "device": {"$nin": half}, "tags": {"$ini": [1]}, "version": {"$in": [1]}}),
    );
    let expected = format!("more than {MAX_VALUES} values in the lists of one condition: use a smaller list");
    assert_eq!(found, [("tags.$ini".to_owned(), expected)]);
}
