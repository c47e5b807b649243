//! Questions: every dialect knows every call of the tree, and conditions mean for a database what they mean for a request.
//! That the answers are right is tested on the engines themselves (tests/edge/metrics.test.mjs).

use serde_json::{Value, json};
use sortition_engine::condition::{Condition, Groups, Matter, Plain};
use sortition_engine::document::Metric;
use sortition_engine::ledger::dialect::{DIALECTS, Dialect};
use sortition_engine::ledger::question::{self, Extent, Iteration, Place, Table, tables};
use sortition_engine::metrics::{Definition, Window};

fn metric(value: Value) -> Definition {
    Definition::of(&serde_json::from_value::<Metric>(value).unwrap()).unwrap()
}

fn metrics() -> Vec<Definition> {
    vec![
        metric(json!({"event": "purchase", "kind": "proportion", "window_hours": 72, "cuped": {"days": 14}})),
        metric(json!({"event": "purchase", "kind": "mean", "cap": 99.5, "currency": "EUR"})),
        metric(json!({"event": "purchase", "kind": "mean", "cap_percentile": 99.9, "refunds": "ignore"})),
        metric(
            json!({"event": "payment", "kind": "ratio", "of": "count", "where": {"ok": false, "a.b": {"$in": ["x' $now()", 1, null, true]}},
            "per": "payment", "where_per": {"method": {"$gt": "card"}}}),
        ),
        metric(json!({"event": "payment", "kind": "quantile", "q": 0.95})),
        metric(json!({"event": "visit", "kind": "retention", "from_days": 7, "to_days": 14})),
        metric(json!({"event": "visit", "kind": "count"})),
    ]
}

fn iteration<'a>(experiment: &'a str, variants: &'a [&'a str]) -> Iteration<'a> {
    Iteration { project: "acme-shop", experiment, iteration: 2, variants, now: 1_795_219_200_000 }
}

/// What stands outside of quotes. Backslashes escape in some dialects, and no text here holds one.
fn unquoted(sql: &str) -> String {
    sql.replace("\\'", "").split('\'').step_by(2).collect()
}

#[test]
fn every_dialect_knows_every_call() {
    for (name, dialect) in DIALECTS {
        let place = Place { dialect, events: "events", tables: false };
        let of = iteration("hero", &["control", "bold"]);
        let mut questions = vec![question::units(of, Extent::Parts, place), question::units(of, Extent::Days, place)];
        for metric in &metrics() {
            questions.push(question::metric(of, metric, Extent::Parts, place));
            questions.push(question::interactions(of, &[iteration("nav", &["old"])], metric, place));
        }
        for question in questions {
            let code = unquoted(&question.sql);
            assert!(!code.contains('$'), "{name}: a call that is not known: {}", question.sql);
            assert!(!code.contains("{0}") && !code.contains("{1}"), "{name}: {}", question.sql);
            let depth = code.chars().fold(0_i32, |depth, c| depth + i32::from(c == '(') - i32::from(c == ')'));
            assert_eq!(depth, 0, "{name}: brackets: {}", question.sql);
            assert!(question.sql.len() < 100_000, "{name}: D1 takes statements of 100 KB");
        }
    }
}

#[test]
fn tables_know_every_call() {
    let place = Place { dialect: Dialect::DuckDb, events: "events", tables: true };
    let (of, others) = (iteration("hero", &["control", "bold"]), [iteration("nav", &["old"])]);
    let metrics = metrics();
    let made = tables::tables(&[of, iteration("nav", &["old"])], place).into_iter();
    let mut texts: Vec<String> =
        made.chain(tables::measured(of, &metrics, place)).map(|Table { sql, .. }| sql).collect();
    texts.push(tables::units(of, Extent::Parts, place).sql);
    for (nth, metric) in metrics.iter().enumerate() {
        texts.push(tables::metric(of, &metrics, nth, Extent::Parts, place).sql);
        texts.push(tables::interactions(of, &others, std::slice::from_ref(metric), place).sql);
    }
    for sql in texts {
        let code = unquoted(&sql);
        assert!(
            !code.contains('$') && !code.contains("{0}") && !code.contains("{1}"),
            "a call that is not known: {sql}"
        );
        let depth = code.chars().fold(0_i32, |depth, c| depth + i32::from(c == '(') - i32::from(c == ')'));
        assert_eq!(depth, 0, "brackets: {sql}");
    }
}

#[test]
fn metrics_of_the_same_outcomes_share_their_columns() {
    let place = Place { dialect: Dialect::DuckDb, events: "events", tables: true };
    let of = iteration("hero", &["control", "bold"]);
    let columns = |metrics: &[Definition]| {
        let tables = tables::measured(of, metrics, place);
        tables.iter().find(|table| table.name == "by_age").map(|table| table.sql.matches(" AS m").count())
    };
    let buyers = || metric(json!({"event": "purchase", "kind": "proportion"}));
    assert_eq!(columns(&[buyers()]), Some(1), "how many");
    let revenue = || metric(json!({"event": "purchase", "kind": "mean"}));
    assert_eq!(
        columns(&[buyers(), revenue(), metric(json!({"event": "purchase", "kind": "count"}))]),
        Some(2),
        "and of what worth"
    );
    let windowed = metric(json!({"event": "purchase", "kind": "proportion", "window_hours": 24}));
    assert_eq!(columns(&[buyers(), revenue(), windowed]), Some(3), "and how many within a day");
    let quantile = metric(json!({"event": "purchase", "kind": "quantile", "q": 0.5}));
    assert_eq!(columns(&[quantile]), None, "it needs every single value");
}

#[test]
fn text_from_outside_stays_text() {
    let of = iteration("hero", &["control"]);
    for (name, dialect) in DIALECTS {
        let definition = metric(json!({"event": "a'b\\c", "kind": "proportion", "where": {"x": "1' OR '1'='1"}}));
        let sql =
            question::metric(of, &definition, Extent::Days, Place { dialect, events: "events", tables: false }).sql;
        let doubled = sql.contains("'1'' OR ''1''=''1'") && sql.contains("'a''b\\c'");
        let escaped = sql.contains("'1\\' OR \\'1\\'=\\'1'") && sql.contains("'a\\'b\\\\c'");
        assert!(doubled ^ escaped, "{name}: {sql}");
    }
}

#[test]
fn a_definition_has_everything_decided() {
    let mean = metric(json!({"event": "purchase", "kind": "mean", "cuped": {"days": 2}}));
    assert!(mean.subtracts_refunds && mean.has_values());
    assert_eq!((mean.lookback, mean.window), (172_800_000, Window::Open));
    let back = metric(json!({"event": "visit", "kind": "retention", "from_days": 1, "to_days": 2}));
    assert_eq!(back.window, Window::Between(86_400_000, 172_800_000));
    let failed = metric(json!({"event": "payment", "kind": "ratio", "of": "count", "per": "payment"}));
    assert!(!failed.subtracts_refunds && !failed.has_values());
    let written = json!({"event": "payment", "kind": "count", "where": {"method": {"$regex": "^c"}}});
    let error = Definition::of(&serde_json::from_value::<Metric>(written).unwrap()).unwrap_err();
    assert_eq!(error, "where: `$regex` cannot be asked of a database: compare plain values");
}

#[test]
fn numbers_that_json_does_not_have_are_in_no_question() {
    for (name, dialect) in DIALECTS {
        let all = json!([{"p": "NaN"}, {"p": "Infinity"}, {"p": {"$lt": "Infinity"}}, {"p": {"$gte": "-1e999"}}]);
        let definition = metric(json!({"event": "purchase", "kind": "count", "where": {"$or": all}}));
        let place = Place { dialect, events: "events", tables: false };
        let sql = question::metric(iteration("hero", &["control"]), &definition, Extent::Days, place).sql;
        let mut words = sql.split(|letter: char| !letter.is_alphanumeric() && letter != '\'');
        assert!(words.all(|word| !["nan", "inf"].contains(&word.to_lowercase().as_str())), "{name}: {sql}");
    }
}

#[test]
fn what_databases_write_unlike_one_another_is_refused() {
    let name = "where: `a name that is empty, is *, or has a quote, a backslash or a control character` cannot";
    let text = "where: `a text with a control character` cannot";
    for (condition, said) in [
        (json!({"we\"ird": 1}), name),
        (json!({"a\\b": 1}), name),
        (json!({"a\tb": {"$exists": true}}), name),
        (json!({"*": 1}), name),
        (json!({"cart..items": 1}), name),
        (json!({"$or": [{"ok": true}, {"": 1}]}), name),
        (json!({"note": "two\nlines"}), text),
        (json!({"note": {"$not": {"$eq": "\u{0}"}}}), text),
        (json!({"note": {"$in": ["plain", "tab\tbed"]}}), text),
        (json!({"note": {"$gte": "\u{7}"}}), text),
    ] {
        let written = json!({"event": "payment", "kind": "count", "where": condition});
        let error = Definition::of(&serde_json::from_value::<Metric>(written.clone()).unwrap()).unwrap_err();
        assert!(error.starts_with(said), "{written}: {error}");
    }
    for condition in [json!({"o'x": "it's"}), json!({"a*": "*"}), json!({"nö.$": "ünï\\\"💡"}), json!({"a b": ""})]
    {
        metric(json!({"event": "payment", "kind": "count", "where": condition}));
    }
}

/// What a database makes of a condition, read by its own rules.
fn holds(plain: &Plain, facts: &Value) -> bool {
    match plain {
        Plain::All(parts) => parts.iter().all(|part| holds(part, facts)),
        Plain::Any(parts) => parts.iter().any(|part| holds(part, facts)),
        Plain::Not(part) => !holds(part, facts),
        Plain::Is(path, matter) => {
            let value = path.iter().try_fold(facts, |value, name| value.get(name)).unwrap_or(&Value::Null);
            is(matter, value)
        }
    }
}

fn compare<T: PartialOrd>(left: T, sign: &str, right: T) -> bool {
    match sign {
        "<" => left < right,
        "<=" => left <= right,
        ">" => left > right,
        ">=" => left >= right,
        "=" => left == right,
        other => panic!("{other}"),
    }
}

fn is(matter: &Matter, value: &Value) -> bool {
    match matter {
        Matter::Absent => value.is_null(),
        Matter::Truth(truth) => value.as_bool() == Some(*truth),
        Matter::Text(text) => value.as_str() == Some(text),
        Matter::Number(number) => value.as_f64() == Some(*number),
        Matter::TextOrder(sign, text) => value.as_str().is_some_and(|left| compare(left, sign, text)),
        Matter::NumberOrder(sign, number) => value.as_f64().is_some_and(|left| compare(left, sign, *number)),
        Matter::SpelledOrder(sign, number) => value
            .as_str()
            .and_then(|text| serde_json::from_str::<f64>(text).ok())
            .is_some_and(|left| compare(left, sign, *number)),
        Matter::FilledText => value.as_str().is_some_and(|text| !text.is_empty()),
        Matter::Composite => value.is_array() || value.is_object(),
    }
}

#[test]
fn conditions_mean_the_same_to_databases() {
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(2.5),
        json!(-3),
        json!(""),
        json!("card"),
        json!("2"),
        json!("2.5"),
        json!("0"),
        json!("true"),
        json!("many"),
    ];
    let mut tests: Vec<Value> = values.to_vec();
    for scalar in &values {
        for operator in ["$eq", "$ne", "$lt", "$lte", "$gt", "$gte"] {
            tests.push(json!({operator: scalar}));
            tests.push(json!({"$not": {operator: scalar}}));
        }
        tests.push(json!({"$in": [scalar, "x"]}));
        tests.push(json!({"$nin": [scalar, 7]}));
    }
    tests.push(json!({"$exists": true}));
    tests.push(json!({"$exists": false}));
    for no_number in ["NaN", "Infinity", "-Infinity", "1e999"] {
        tests.push(json!(no_number));
        tests.extend(["$lt", "$lte", "$gt", "$gte"].map(|operator| json!({operator: no_number})));
    }
    let (mut asked, mut read) = (0, 0);
    for test in &tests {
        let conditions = [
            json!({"p": test}),
            json!({"$or": [{"q": 1}, {"p": test}]}),
            json!({"$nor": [{"p": test}]}),
            json!({"$not": {"p": test, "q": {"$exists": false}}}),
            json!({"deep.p": test}),
        ];
        for written in conditions {
            let Ok(condition) =
                Condition::<Box<str>>::parse(&written, &Groups::default(), |name| Ok::<_, String>(name.into()))
            else {
                continue;
            };
            read += 1;
            let plain = condition.plain().unwrap();
            for value in &values {
                for facts in [json!({"p": value, "deep": {"p": value}}), json!({})] {
                    asked += 1;
                    assert_eq!(holds(&plain, &facts), condition.matches(&facts), "{written} of {facts}: {plain:?}");
                }
            }
        }
    }
    assert!(read > 500 && asked > 10_000, "{read} {asked}");
}
