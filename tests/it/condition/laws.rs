//! The laws, over conditions and facts that nobody thought of.

use crate::assignments::cases;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sortition_engine::condition::{Condition, Groups, read_decimal};

const NAMES: [&str; 3] = ["a", "b", "c"];

const WORDS: [&str; 36] = [
    "$and",
    "$or",
    "$nor",
    "$not",
    "$eq",
    "$ne",
    "$in",
    "$nin",
    "$ini",
    "$nini",
    "$all",
    "$alli",
    "$lt",
    "$lte",
    "$gt",
    "$gte",
    "$exists",
    "$type",
    "$size",
    "$elemMatch",
    "$regex",
    "$regexi",
    "$notRegex",
    "$notRegexi",
    "$veq",
    "$vne",
    "$vgt",
    "$vgte",
    "$vlt",
    "$vlte",
    "$inGroup",
    "$notInGroup",
    "$other",
    "a",
    "b",
    "c",
];

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i32..12).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "0",
            "8",
            " 8 ",
            "x",
            "X",
            "null",
            "é",
            "É",
            "1.2.3",
            "1.2.3-rc.1",
            "v1",
            "[",
            "^x$",
            "string",
            "group"
        ])
        .prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ]
}

/// JSON of any shape, with words of the language for keys.
fn json() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(WORDS.to_vec()), inner), 0..4).prop_map(|members| {
                Value::from(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
            }),
        ]
    })
}

/// Facts: each of three is absent, plain, or anything.
fn attributes() -> impl Strategy<Value = Value> {
    prop::collection::vec(prop_oneof![Just(None), scalar().prop_map(Some), json().prop_map(Some)], 3).prop_map(
        |values| {
            let known = NAMES.into_iter().zip(values).filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Value::from(known.collect::<Map<_, _>>())
        },
    )
}

/// A test that stands under a fact.
fn test() -> impl Strategy<Value = Value> {
    let operators = WORDS.into_iter().filter(|word| word.starts_with('$')).collect::<Vec<_>>();
    prop_oneof![
        scalar(),
        (prop::sample::select(operators.clone()), scalar()).prop_map(|(operator, operand)| json!({operator: operand})),
        (prop::sample::select(operators), json()).prop_map(|(operator, operand)| json!({operator: operand})),
        (prop::sample::select(vec!["$in", "$nin", "$ini", "$all", "$alli"]), prop::collection::vec(scalar(), 0..4))
            .prop_map(|(operator, operand)| json!({operator: operand})),
    ]
}

fn condition() -> impl Strategy<Value = Value> {
    let clause = (prop::sample::select(NAMES.to_vec()), test()).prop_map(|(name, test)| json!({name: test}));
    clause.prop_recursive(3, 12, 3, |inner| {
        (prop::sample::select(vec!["$and", "$or", "$nor"]), prop::collection::vec(inner, 1..3))
            .prop_map(|(operator, parts)| json!({operator: parts}))
    })
}

fn groups() -> Groups {
    let mut groups = Groups::default();
    groups.insert("group", &[json!("x"), json!(8)]);
    groups
}

fn holds(condition: &Value, attributes: &Value) -> bool {
    Condition::parse_lenient(condition, &groups()).matches(attributes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(1_000), ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(condition in json(), attributes in json()) {
        let lenient = Condition::parse_lenient(&condition, &groups());
        let _ = lenient.matches(&attributes);
        let _ = lenient.to_string();
        if let Ok(strict) = Condition::<Box<str>>::parse(&condition, &groups(), |fact| Ok::<_, String>(fact.into())) {
            prop_assert_eq!(&strict, &lenient);
        }
    }

    #[test]
    fn nothing_panics_where_conditions_make_sense(condition in condition(), attributes in attributes()) {
        let lenient = Condition::parse_lenient(&condition, &groups());
        let _ = lenient.to_string();
        prop_assert_eq!(lenient.matches(&attributes), lenient.clone().matches(&attributes));
    }

    #[test]
    fn de_morgan(left in condition(), right in condition(), attributes in attributes()) {
        let parts = json!([left, right]);
        let negated = json!([{"$not": left}, {"$not": right}]);
        prop_assert_eq!(holds(&json!({"$not": {"$and": parts}}), &attributes), holds(&json!({"$or": negated}), &attributes));
        prop_assert_eq!(holds(&json!({"$not": {"$or": parts}}), &attributes), holds(&json!({"$and": negated}), &attributes));
        prop_assert_eq!(holds(&json!({"$nor": parts}), &attributes), holds(&json!({"$and": negated}), &attributes));
    }

    #[test]
    fn not_undoes_itself(condition in condition(), test in test(), attributes in attributes()) {
        prop_assert_eq!(holds(&json!({"$not": {"$not": condition}}), &attributes), holds(&condition, &attributes));
        prop_assert_ne!(holds(&json!({"$not": condition}), &attributes), holds(&condition, &attributes));
        let doubled = json!({"a": {"$not": {"$not": test}}});
        prop_assert_eq!(holds(&doubled, &attributes), holds(&json!({"a": test}), &attributes));
    }

    /// Over plain values; of a list, `$in` asks for one element and `$eq` for the whole.
    #[test]
    fn in_is_or_of_eq(list in prop::collection::vec(scalar(), 1..12), fact in scalar()) {
        let any: Vec<Value> = list.iter().map(|value| json!({"a": {"$eq": value}})).collect();
        let attributes = json!({"a": fact});
        let within = holds(&json!({"a": {"$in": list}}), &attributes);
        prop_assert_eq!(within, holds(&json!({"$or": any}), &attributes));
        prop_assert_ne!(within, holds(&json!({"a": {"$nin": list}}), &attributes));
        prop_assert!(!within || holds(&json!({"a": {"$ini": list}}), &attributes), "$ini holds wherever $in does");
        let itself = json!({"a": {"$in": [fact, "other"]}});
        prop_assert!(holds(&itself, &attributes));
    }

    /// Of versions that compare at all, exactly one of less, equal and more holds.
    #[test]
    fn versions_are_ordered(left in "v?[0-9a-z.+-]{0,12}", right in "v?[0-9a-z.+-]{0,12}") {
        let one = |operator: &str| usize::from(holds(&json!({"a": {operator: right}}), &json!({"a": left})));
        prop_assert_eq!(one("$vlt") + one("$veq") + one("$vgt"), 1);
        prop_assert_eq!(one("$vlte"), one("$vlt") + one("$veq"));
        prop_assert_eq!(one("$vgte"), one("$vgt") + one("$veq"));
        prop_assert_eq!(one("$vne"), one("$vlt") + one("$vgt"));
    }
}

/// What the standard library reads, to the last bit.
#[track_caller]
fn is_read_as_ever(text: &str) {
    let expected = text.parse::<f64>().ok().map(f64::to_bits);
    assert_eq!(read_decimal(text).map(f64::to_bits), expected, "{text}");
}

#[test]
fn decimals_at_the_edges() {
    for text in
        ["", "+", "-", ".", "-.", "1.", "-.5", "0", "-0", "00", "0.0e9", "1e", "1e+", "e5", "1e5e5", "1.2.3", "+-1"]
    {
        is_read_as_ever(text);
    }
    // beyond the greatest, below the smallest, at the last of full precision, and in the middle between two
    for text in [
        "1e400",
        "-1e400",
        "1e-400",
        "1e99999999999999999999",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "2.2250738585072014e-308",
        "2.225073858507201e-308",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "9007199254740992.5",
        "9007199254740993",
        "9007199254740993.00000000000000000000000000000001",
        "1e22",
        "1e23",
        "8.5e22",
    ] {
        is_read_as_ever(text);
    }
    let digits = "1234567890".repeat(130);
    for text in [format!("0.{digits}"), format!("{digits}e-1200"), format!("0.{}{digits}", "0".repeat(300))] {
        is_read_as_ever(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(500)))]

    #[test]
    fn decimals_are_read_as_the_standard_library_reads_them(
        bits: u64,
        digits in "[0-9]{1,30}",
        exponent in -360..330,
        places in 0_usize..800,
        shift in 0_u32..60,
    ) {
        let number = f64::from_bits(bits);
        if number.is_finite() {
            for text in [format!("{number}"), format!("{number:e}"), format!("{number:.places$e}")] {
                is_read_as_ever(&text);
            }
        }
        is_read_as_ever(&format!("{digits}e{exponent}"));
        let (whole, fraction) = digits.split_at(digits.len() / 2);
        is_read_as_ever(&format!("-{whole}.{fraction}"));
        // the middle between two numbers, exactly, and a little above it
        let middle = (2 * ((1_u128 << 53) + u128::from(bits >> 11)) + 1) << shift;
        is_read_as_ever(&middle.to_string());
        is_read_as_ever(&format!("{middle}.0000001"));
    }
}
