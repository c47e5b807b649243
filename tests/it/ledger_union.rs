//! Answers of several databases together are the answer over all their people.

use proptest::prelude::*;
use serde_json::{Value, json};
use sortition_engine::ledger::answer::{Answer, Units, pairs};
use sortition_engine::ledger::question::shared::{Between, SharedQuestion, Whole};
use sortition_engine::ledger::union::{between, whole};
use std::collections::BTreeMap;

fn shared(whole: Whole) -> SharedQuestion {
    SharedQuestion { before: None, sql: String::new(), whole }
}

fn sums() -> SharedQuestion {
    shared(Whole::Sums(Between::Nothing))
}

fn unite(answers: &[&str]) -> String {
    whole(&sums(), &[], answers).unwrap()
}

/// A person: variant, part, what they contribute, currency, hours until they bought.
type Person = (u8, u8, i64, u8, u8);

/// The answer of a database that holds these people.
fn answer(people: &[Person]) -> String {
    let mut cells: BTreeMap<(String, String, String), [i128; 5]> = BTreeMap::new();
    let (mut currencies, mut delays, mut odd) = (BTreeMap::<(u8, bool), i64>::new(), BTreeMap::<u8, i64>::new(), 0);
    for (variant, part, y, currency, hours) in people {
        for (dimension, part) in
            [("", String::new()), ("device", format!("d{part}")), ("day", format!("{}", 20_778 + i64::from(*part)))]
        {
            let cell = cells.entry((dimension.to_owned(), part, format!("v{variant}"))).or_default();
            let y = i128::from(*y);
            for (sum, more) in cell.iter_mut().zip([1, 0, i128::from(y > 0), y, y * y]) {
                *sum += more;
            }
        }
        *currencies.entry((*currency, *currency > 1)).or_default() += 1;
        *delays.entry(*hours).or_default() += 1;
        odd += i64::from(*hours == 3);
    }
    let mut rows: Vec<Value> = Vec::new();
    for ((dimension, part, variant), [n, waiting, converted, y, yy]) in cells {
        // as SQLite writes products: limbs of 17 bits, here all in the lowest
        let yy = json!([0, 0, 0, i64::try_from(yy >> 17).unwrap(), i64::try_from(yy & 131_071).unwrap()]);
        let [n, waiting, converted, y] = [n, waiting, converted, y].map(|number| i64::try_from(number).unwrap());
        rows.push(json!(["sum", dimension, part, variant, n, waiting, converted, y, yy]));
    }
    rows.extend(
        currencies.iter().map(|((code, out), n)| json!(["currency", "", format!("C{code}"), "", n, i32::from(*out)])),
    );
    rows.extend(delays.iter().map(|(hours, n)| json!(["delay", "", "", "", hours, n])));
    rows.push(json!(["contradicts", "", "", "", odd]));
    rows.push(json!(["cap", "", "", "", 77]));
    rows.push(json!(["contaminated", "", "", "", odd]));
    rows.push(json!(["unknown", "", "", "gone", odd]));
    rows.push(json!(["end"]));
    Value::Array(rows).to_string()
}

/// What an answer says, in an order of its own.
fn said(text: &str) -> (Vec<String>, Answer, Units) {
    let answer = Answer::read(text).unwrap();
    let mut cells: Vec<String> = answer.cells.iter().map(|cell| format!("{cell:?}")).collect();
    cells.sort();
    let mut units = Units::read(text).unwrap();
    units.cells.clear();
    let mut rest = answer;
    rest.cells.clear();
    rest.currencies.sort_by(|a, b| (&a.currency, a.left_out).cmp(&(&b.currency, b.left_out)));
    (cells, rest, units)
}

/// What a database says first: its values and how often they occur.
fn values(of: &[(u8, i64)]) -> String {
    let mut counts: BTreeMap<(u8, i64, i64), i64> = BTreeMap::new();
    for (variant, value) in of {
        *counts.entry((*variant, value >> 10, *value)).or_default() += 1;
    }
    let mut rows: BTreeMap<(u8, i64), Vec<Value>> = BTreeMap::new();
    for ((variant, bucket, value), n) in counts {
        rows.entry((variant, bucket)).or_default().push(json!([value, n]));
    }
    let rows = rows.into_iter().map(|((variant, _), list)| json!(["value", format!("v{variant}"), list]));
    Value::Array(rows.chain([json!(["end"])]).collect()).to_string()
}

fn people() -> impl Strategy<Value = Vec<Person>> {
    prop::collection::vec((0..3_u8, 0..3_u8, -50..1_000_000_i64, 0..4_u8, 0..5_u8), 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::assignments::cases(200)))]

    #[test]
    fn sums_are_those_over_all_people_however_they_are_divided(people in prop::collection::vec(people(), 1..5)) {
        let texts: Vec<String> = people.iter().map(|some| answer(some)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let united = unite(&texts);
        prop_assert_eq!(said(&united), said(&answer(&people.concat())));
        // and in whatever order and grouping they come
        let (left, right) = texts.split_at(texts.len() / 2);
        let halves = [left, right].map(unite);
        prop_assert_eq!(&unite(&halves.each_ref().map(String::as_str)), &united);
        let backwards: Vec<&str> = texts.iter().rev().copied().collect();
        prop_assert_eq!(&unite(&backwards), &united);
    }

    #[test]
    fn a_quantile_has_its_rank_among_the_values_of_all(
        values_of in prop::collection::vec(prop::collection::vec((0..2_u8, -3_000..3_000_i64), 0..40), 1..5),
        share in 1..1_000_000_u32, spread in 0..50_000_000_i64,
    ) {
        let befores: Vec<String> = values_of.iter().map(|some| values(some)).collect();
        let befores: Vec<&str> = befores.iter().map(String::as_str).collect();
        let asked = shared(Whole::Sums(Between::Quantile(share)));
        let wanted: Vec<Value> = serde_json::from_str(&between(&asked, &befores).unwrap().unwrap()).unwrap();
        let spread_row = |variant: u8| json!(["spread", "", "", format!("v{variant}"), spread]);
        let told = Value::Array(vec![spread_row(0), spread_row(1), json!(["end"])]).to_string();
        let ranks = Answer::read(&whole(&asked, &befores, &[&told]).unwrap()).unwrap().ranks;
        for variant in 0..2_u8 {
            let mut all: Vec<i64> = values_of.iter().flatten().filter(|(of, _)| *of == variant).map(|(_, value)| *value).collect();
            all.sort_unstable();
            let name = format!("v{variant}");
            let found = wanted.iter().find(|pair| pair[0] == name.as_str()).and_then(|pair| pair[1].as_i64());
            let place = (all.len() as u64 * u64::from(share)).div_ceil(1_000_000) as usize;
            prop_assert_eq!(found, all.get(place.wrapping_sub(1)).copied());
            // as SQL has them: each value's first and last rank within reach of the quantile's
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
            let reach = 1 + (12.0 * (spread as f64).sqrt() / 1000.0).ceil() as i64;
            let mut right: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
            for (nth, value) in (1_i64..).zip(&all) {
                if (nth - place as i64).abs() <= reach {
                    let (_, to) = right.entry(*value).or_insert((nth, nth));
                    *to = nth;
                }
            }
            let of: Vec<(i128, i128, i128)> =
                ranks.iter().filter(|rank| rank.variant == name).map(|rank| (rank.value, rank.from, rank.to)).collect();
            let right: Vec<(i128, i128, i128)> =
                right.into_iter().map(|(value, (from, to))| (value.into(), from.into(), to.into())).collect();
            prop_assert_eq!(of, right);
        }
    }

    #[test]
    fn a_cap_of_a_percentile_is_that_of_all_units(
        values_of in prop::collection::vec(prop::collection::vec(1..100_000_i64, 0..40), 1..5), share in 1..1_000_000_u32,
    ) {
        let of = |some: &Vec<i64>| values(&some.iter().map(|value| (0, *value)).collect::<Vec<_>>());
        let befores: Vec<String> = values_of.iter().map(of).collect();
        let befores: Vec<&str> = befores.iter().map(String::as_str).collect();
        let cap = between(&shared(Whole::Sums(Between::Percentile(share))), &befores).unwrap();
        let mut all = values_of.concat();
        all.sort_unstable();
        let place = (all.len() as u64 * u64::from(share)).div_ceil(1_000_000) as usize;
        prop_assert_eq!(cap, all.get(place.wrapping_sub(1)).map(ToString::to_string));
    }
}

#[test]
fn a_cap_is_in_the_last_currency_of_all_databases() {
    let asked = shared(Whole::Sums(Between::Cap { named: String::new(), minor: [5, 50, 500, 5_000, 50_000] }));
    let said = |code: Value| json!([["currency", code], ["end"]]).to_string();
    let of = |codes: &[Value]| {
        let befores: Vec<String> = codes.iter().cloned().map(said).collect();
        between(&asked, &befores.iter().map(String::as_str).collect::<Vec<_>>()).unwrap().unwrap()
    };
    assert_eq!(of(&[Value::Null, json!("JPY")]), "5");
    assert_eq!(of(&[json!("EUR"), json!("JPY")]), "5", "several currencies mean nothing, as in one database");
    assert_eq!(of(&[json!("EUR"), Value::Null]), "500");
    assert_eq!(of(&[Value::Null]), "500", "hundredths where nothing says more");
}

#[test]
fn an_answer_that_was_cut_off_makes_no_whole() {
    let whole_one = answer(&[(0, 0, 5, 0, 0)]);
    for cut in ["", "[]", r#"[["sum","","","v0",1]]"#, r#"[["sum","","","v0","many"],["end"]]"#] {
        assert!(whole(&sums(), &[], &[&whole_one, cut]).is_err(), "{cut}");
    }
    let quantile = shared(Whole::Sums(Between::Quantile(500_000)));
    assert!(between(&quantile, &[r#"[["value","v0",[[1,1]]]]"#]).is_err());
    assert!(pairs(&unite(&[&whole_one])).unwrap().is_empty());
}

#[test]
fn deliveries_and_days_are_put_together() {
    let told = |rest: [i64; 3]| {
        let mut row = vec![10, 1, 2, 30, 0];
        row.extend(rest);
        json!([row]).to_string()
    };
    let of = |answers: &[String]| {
        let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
        whole(&shared(Whole::Delivery), &[], &answers).unwrap()
    };
    assert_eq!(of(&[told([2, 0, 0]), told([2, 0, 1])]), r#"[["20","2","4","60","0","2","0","0","2"]]"#);
    // one that is missing, one that is still looked through, one in another's place
    assert_eq!(of(&[told([3, 0, 0]), told([3, 1, 2])]), r#"[["20","2","4","60","0","3","1","1","2"]]"#);
    let courses = [r#"[["b",1,20,null],["a",2,5,9]]"#, r#"[["b",1,18,22],["b",2,null,null]]"#];
    let days = whole(&shared(Whole::Courses), &[], &courses).unwrap();
    assert_eq!(days, r#"[["a",2,5,9],["b",1,18,22],["b",2,null,null]]"#);
}
