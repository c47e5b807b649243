//! The statistics against other libraries' numbers, and the laws they must keep.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};
use sortition_engine::stats::analyze::{analyze_line, operations};
use sortition_engine::stats::{
    self, Aggregate, BayesRule, Comparison, Effect, Interval, Level, Method, Prior, RatioCovariate, Refusal, Tuning,
    special,
};

/// Each file with the number of cases that it must not fall below.
const FILES: [(&str, usize); 3] = [("cases.json", 70), ("more_cases.json", 70), ("wider_cases.json", 19)];

fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/fixtures/stats/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let set: Value = serde_json::from_str(&text).unwrap();
    set["cases"].as_array().unwrap().clone()
}

/// The differences between a result and what is expected of it, within the tolerance `[relative, absolute]`.
fn differences(path: &str, got: &Value, expected: &Value, tolerance: &Value, found: &mut Vec<String>) {
    match (got, expected) {
        (Value::Number(got), Value::Number(expected)) => {
            let (got, expected) = (got.as_f64().unwrap(), expected.as_f64().unwrap());
            let allowed = tolerance[1].as_f64().unwrap() + tolerance[0].as_f64().unwrap() * expected.abs();
            if (got - expected).abs() > allowed {
                found.push(format!("{path}: got {got:e}, expected {expected:e} within {allowed:e}"));
            }
        }
        (Value::Array(got), Value::Array(expected)) if got.len() == expected.len() => {
            for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
                differences(&format!("{path}[{index}]"), got, expected, tolerance, found);
            }
        }
        (Value::Object(got), Value::Object(expected)) => {
            for (name, expected) in expected {
                let got = got.get(name).unwrap_or(&Value::Null);
                differences(&format!("{path}.{name}"), got, expected, tolerance, found);
            }
        }
        (got, expected) if got == expected => {}
        (got, expected) => found.push(format!("{path}: got {got}, expected {expected}")),
    }
}

#[test]
fn every_case_of_the_other_libraries_is_met_within_its_tolerance() {
    let mut found = Vec::new();
    for (file, fewest) in FILES {
        let cases = cases(file);
        assert!(cases.len() >= fewest, "{file} has lost cases: {}", cases.len());
        for case in cases {
            let id = case["id"].as_str().unwrap();
            let line = json!({"id": id, "op": case["op"], "in": case["in"]}).to_string();
            let answer: Value = serde_json::from_str(&analyze_line(&line)).unwrap();
            assert_eq!(answer["id"], id);
            if answer["out"].is_null() {
                found.push(format!("{id}: {}", answer["error"]));
                continue;
            }
            for (field, expected) in case["expect"].as_object().unwrap() {
                let tolerance = case["tol"].get(field).unwrap_or(&case["tol"]["*"]);
                let got = answer["out"].get(field).unwrap_or(&Value::Null);
                differences(&format!("{id} {field}"), got, expected, tolerance, &mut found);
            }
        }
    }
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_operation_has_a_case() {
    let all: Vec<Value> = FILES.iter().flat_map(|(file, _)| cases(file)).collect();
    for operation in operations() {
        assert!(all.iter().any(|case| case["op"] == operation), "no case for {operation}");
    }
}

fn level(value: f64) -> Level {
    Level::new(value).unwrap()
}

/// Unit rows (value, denominator, covariate) of one arm.
type Rows = Vec<(i64, i64, i64)>;

fn rows() -> impl Strategy<Value = Rows> {
    let row = (0_i64..400, 0_i64..4, 0_i64..300).prop_map(|(y, d, x)| (y, d, x + y / 2));
    prop::collection::vec(row, 2..60)
}

fn aggregate(metric: stats::Metric, rows: &[(i64, i64, i64)], scale: i64) -> Aggregate {
    let sum = |value: &dyn Fn(&(i64, i64, i64)) -> i64| rows.iter().map(|row| i128::from(value(row))).sum::<i128>();
    let n = rows.len() as u64;
    let y = (sum(&|r| r.0 * scale), sum(&|r| r.0 * r.0 * scale * scale));
    let x = (sum(&|r| r.2), sum(&|r| r.2 * r.2));
    let ratio = || {
        let d = (sum(&|r| r.1), sum(&|r| r.1 * r.1));
        Aggregate::ratio(n, y, d, sum(&|r| r.0 * r.1 * scale))
    };
    match metric {
        stats::Metric::Proportion => Aggregate::proportion(n, sum(&|r| i64::from(r.0 > 200))),
        stats::Metric::Mean => Aggregate::mean(n, y.0, y.1),
        stats::Metric::Ratio => ratio(),
        stats::Metric::MeanCuped => Aggregate::mean_cuped(n, y, x, sum(&|r| r.0 * r.2 * scale)),
        stats::Metric::RatioCuped => Aggregate::ratio_cuped(
            ratio(),
            RatioCovariate {
                x_sum: x.0.into(),
                x_sum_sq: x.1.into(),
                num_x_sum: sum(&|r| r.0 * r.2 * scale).into(),
                den_x_sum: sum(&|r| r.1 * r.2).into(),
            },
        ),
    }
}

fn metric() -> impl Strategy<Value = stats::Metric> {
    prop::sample::select(stats::Metric::ALL.to_vec())
}

fn effect() -> impl Strategy<Value = Effect> {
    prop::sample::select(vec![Effect::Absolute, Effect::Relative])
}

#[track_caller]
fn close(a: f64, b: f64, allowed: f64) {
    assert!((a - b).abs() <= allowed, "{a:e} and {b:e} differ by more than {allowed:e}");
}

/// Whether the test sits so near its edge that rounding may decide.
fn on_the_edge(interval: Interval, std_error: f64) -> bool {
    interval.low.abs().min(interval.high.abs()) < 1e-9 * std_error
}

proptest! {
    #[test]
    fn swapping_the_arms_negates_the_absolute_effect(metric in metric(), a in rows(), b in rows()) {
        let (a, b) = (aggregate(metric, &a, 1), aggregate(metric, &b, 1));
        let there = Comparison::of(&a, &b);
        let back = Comparison::of(&b, &a);
        prop_assert_eq!(there.err(), back.err());
        if let (Ok(there), Ok(back)) = (there, back) {
            let there = there.estimate(Effect::Absolute).unwrap();
            let back = back.estimate(Effect::Absolute).unwrap();
            close(there.effect, -back.effect, 1e-12 * there.std_error + 1e-12 * there.effect.abs());
            close(there.std_error, back.std_error, 1e-12 * there.std_error);
            close(there.df, back.df, 1e-9 * there.df);
        }
    }

    #[test]
    fn the_unit_of_the_values_changes_no_lift_and_no_p(metric in metric(), a in rows(), b in rows(), scale in 2_i64..1000) {
        let compare = |scale| Comparison::of(&aggregate(metric, &a, scale), &aggregate(metric, &b, scale));
        let (small, large) = (compare(1), compare(scale));
        prop_assert_eq!(small.err(), large.err());
        let (Ok(small), Ok(large)) = (small, large) else { return Ok(()) };
        for effect in [Effect::Relative, Effect::Absolute] {
            let (Ok(one), Ok(two)) = (
                stats::welch(&small, effect, Level::FIVE_PERCENT),
                stats::welch(&large, effect, Level::FIVE_PERCENT),
            ) else { continue };
            close(one.p, two.p, 1e-9 * one.p + 1e-12);
            if effect == Effect::Relative {
                close(one.estimate.effect, two.estimate.effect, 1e-10 * one.estimate.std_error);
                close(one.interval.low, two.interval.low, 1e-9 * one.estimate.std_error);
            }
        }
    }

    #[test]
    fn merging_in_any_partition_and_order_is_the_same_to_the_bit(metric in metric(), all in rows(), cut in 0_usize..60, other in rows()) {
        let cut = cut.min(all.len());
        let (first, second) = all.split_at(cut);
        let whole = aggregate(metric, &all, 1);
        let forward = aggregate(metric, first, 1).plus(&aggregate(metric, second, 1));
        let backward = aggregate(metric, second, 1).plus(&aggregate(metric, first, 1));
        prop_assert_eq!(whole, forward);
        prop_assert_eq!(whole, backward);
        let control = aggregate(metric, &other, 1);
        prop_assert_eq!(Comparison::of(&control, &whole), Comparison::of(&control, &forward));
    }

    #[test]
    fn intervals_p_values_and_methods_agree(
        metric in metric(), effect in effect(), a in rows(), b in rows(), alpha in 0.001_f64..0.5, tuning in 50.0_f64..1e6,
    ) {
        let Ok(comparison) = Comparison::of(&aggregate(metric, &a, 1), &aggregate(metric, &b, 1)) else { return Ok(()) };
        let (alpha, tuning) = (level(alpha), Tuning::new(tuning).unwrap());
        let (Ok(fixed), Ok(always)) = (
            stats::welch(&comparison, effect, alpha),
            stats::sequential(&comparison, effect, alpha, tuning),
        ) else { return Ok(()) };
        for test in [fixed, always] {
            if !on_the_edge(test.interval, test.estimate.std_error) {
                prop_assert_eq!(test.significant, test.interval.excludes_zero());
                prop_assert_eq!(test.significant, test.p < alpha.get());
            }
        }
        // Welch's t may be wider than the normal sequence for a handful of units only.
        let z = special::norm_isf(alpha.get() / 2.0) * fixed.estimate.std_error;
        prop_assert!(always.interval.low < fixed.estimate.effect - z && always.interval.high > fixed.estimate.effect + z);
        if fixed.estimate.df > 30.0 && alpha.get() < 0.2 {
            prop_assert!(always.interval.low < fixed.interval.low && always.interval.high > fixed.interval.high);
        }

        for (method, test) in [
            (Method::Welch, stats::welch(&comparison, Effect::Absolute, alpha)),
            (Method::Sequential(tuning), stats::sequential(&comparison, Effect::Absolute, alpha, tuning)),
        ] {
            let (Ok(lift), Ok(test)) = (stats::fieller(&comparison, alpha, method), test) else { continue };
            if let Some(interval) = lift.interval && !on_the_edge(test.interval, test.estimate.std_error) {
                prop_assert!(interval.contains(lift.lift));
                prop_assert_eq!(interval.excludes_zero(), test.significant);
            }
        }

        let flat = BayesRule { prior: Prior::Flat, ..BayesRule::default() };
        let posterior = stats::bayes(&comparison, effect, &flat).unwrap();
        let z = fixed.estimate.effect / fixed.estimate.std_error;
        close(posterior.chance_to_win, 1.0 - special::norm_sf(z), 1e-14);
        close(posterior.risk_control - posterior.risk_treatment, posterior.mean, 1e-12 * posterior.sd + 1e-12 * posterior.mean.abs());
    }

    #[test]
    fn quantiles_undo_tails(q in 1e-12_f64..0.5, ln_df in 0.0_f64..27.0) {
        let df = ln_df.exp();
        close(special::norm_sf(special::norm_isf(q)), q, 1e-12 * q);
        close(special::t_sf(special::t_isf(q, df), df), q, 1e-9 * q);
    }

    #[test]
    fn tails_fall_and_stay_probabilities(x in 0.0_f64..60.0, step in 0.001_f64..5.0, ln_df in 0.0_f64..30.0, k in 1_u32..2_000) {
        let df = ln_df.exp();
        for (near, far) in [
            (special::t_sf(x, df), special::t_sf(x + step, df)),
            (special::norm_sf(x), special::norm_sf(x + step)),
            (special::chi2_sf(x * 40.0, k), special::chi2_sf((x + step) * 40.0, k)),
        ] {
            prop_assert!((0.0..=1.0).contains(&near) && (0.0..=1.0).contains(&far) && far <= near * (1.0 + 1e-9));
        }
    }

    #[test]
    fn two_beta_posteriors_share_the_probability(na in 1_u64..5_000, nb in 1_u64..5_000, share_a in 0.0_f64..=1.0, share_b in 0.0_f64..=1.0) {
        let arm = |n: u64, share: f64| Aggregate::proportion(n, (n as f64 * share) as u64);
        let (a, b) = (arm(na, share_a), arm(nb, share_b));
        let there = stats::bayes_beta(&a, &b, stats::BetaPrior::UNIFORM).unwrap();
        let back = stats::bayes_beta(&b, &a, stats::BetaPrior::UNIFORM).unwrap();
        close(there.chance_to_win + back.chance_to_win, 1.0, 1e-10);
        close(there.loss_control, back.loss_treatment, 1e-12);
    }
}

/// Numbers that break formulas, as they may be written in a line.
fn awkward_number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<f64>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        any::<i128>().prop_map(|value| json!(value.to_string())),
        (-3_i64..1000).prop_map(|value| json!(value)),
        (0.0_f64..1.0).prop_map(|value| json!(value)),
        prop::sample::select(vec![
            json!(0),
            json!(1),
            json!(2),
            json!(1e-308),
            json!(5e-324),
            json!(1e308),
            json!(-1e308),
            json!(1e100),
            json!(1e-100),
            json!(0.1),
            json!(null),
            json!("nan"),
            json!(4_000_000_000_u64),
            json!(u64::MAX),
        ]),
    ]
}

fn awkward_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        12 => awkward_number(),
        1 => prop::sample::select(vec![json!(true), json!("x"), json!([]), json!({}), json!([[1]])]),
    ]
}

/// A case of the files with some of its numbers replaced.
fn mutated(value: &Value, seeds: &mut impl Iterator<Item = (u8, Value)>) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), mutated(value, seeds))).collect(),
        Value::Array(list) => list.iter().map(|value| mutated(value, seeds)).collect(),
        other => match seeds.next() {
            Some((0, replacement)) => replacement,
            _ => other.clone(),
        },
    }
}

fn has_no_nan(line: &str) -> bool {
    !line.contains("NaN") && !line.contains("inf")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::assignments::cases(3_000), ..ProptestConfig::default() })]

    #[test]
    fn no_input_gives_nan_panic_or_an_endless_loop(
        pick in any::<prop::sample::Index>(),
        seeds in prop::collection::vec((0_u8..3, awkward_value()), 1..24),
    ) {
        static CASES: LazyLock<Vec<Value>> = LazyLock::new(|| cases("cases.json"));
        let case = pick.get(&CASES);
        let mut seeds = seeds.iter().cycle().cloned();
        let line = json!({"id": "x", "op": case["op"], "in": mutated(&case["in"], &mut seeds)}).to_string();
        let answer = analyze_line(&line);
        let parsed: Value = serde_json::from_str(&answer).unwrap();
        prop_assert_eq!(parsed["id"].as_str(), Some("x"));
        prop_assert!(parsed["out"].is_object() != parsed["error"].is_string(), "{} -> {}", line, answer);
        prop_assert!(has_no_nan(&answer), "{} -> {}", line, answer);
        // "OK" means numbers: an estimate that is OK has all its parts.
        if parsed["out"]["status"] == "OK" && ["freq", "sequential", "bayes", "noninf"].contains(&case["op"].as_str().unwrap()) {
            for (name, value) in parsed["out"].as_object().unwrap() {
                prop_assert!(!value.is_null(), "{name} is null: {line} -> {answer}");
            }
        }
    }

    #[test]
    fn no_text_breaks_the_reader(text in ".{0,80}") {
        let answer: Value = serde_json::from_str(&analyze_line(&text)).unwrap();
        prop_assert!(answer["error"].is_string());
    }
}

#[test]
fn errors_name_the_field_and_say_what_to_write() {
    let table = [
        (json!("x"), "the line: must be an object"),
        (json!({"op": "freak"}), "op: unknown operation: write one of moments, "),
        (json!({"in": {}}), "op: missing or not a string"),
        (json!({"op": "freq", "in": 3}), "in: must be an object"),
        (json!({"op": "freq", "in": {"metric": "men"}}), "in.metric: must be one of proportion, mean, ratio"),
        (json!({"op": "freq", "in": {"metric": "mean", "a": {"n": 3}}}), "in.a.sum: missing"),
        (
            json!({"op": "moments", "in": {"metric": "proportion", "agg": {"n": "3x", "sum": 1}}}),
            "in.agg.n: must be a number, or beyond 2^53 a string of digits",
        ),
        (
            json!({"op": "freq", "in": {"metric": "proportion", "a": {"n": 3, "sum": 1}, "b": {"n": 3, "sum": 1}, "effect": "absolute", "alpha": 5}}),
            "in.alpha: must lie strictly between 0 and 1",
        ),
        (json!({"op": "srm", "in": {"counts": [1, 2], "weights": [1]}}), "in.counts: must have 1 entries"),
        (json!({"op": "multiple", "in": {"p": [0.1, 2]}}), "in.p[1]: must be a number from 0 to 1, or null"),
        (
            json!({"op": "winsor", "in": {"a_rows": [1], "b_rows": [1.5], "pct_bp": 99}}),
            "in.b_rows[0]: must be a whole",
        ),
        (
            json!({"op": "power_at", "in": {"metric": "proportion", "p": 0.9, "mde": 0.2, "n_a": 9, "n_b": 9}}),
            "in.mde: ",
        ),
        (json!({"op": "moments_runs", "in": {"runs": [[1]]}}), "in.runs[0]: must be [value, count]"),
        (
            json!({"op": "bayes_beta", "in": {"a": {"n": 3, "sum": 1}, "b": {"n": 3, "sum": 1}, "prior": [0.5, 1]}}),
            "in.prior: ",
        ),
    ];
    for (request, expected) in table {
        let answer: Value = serde_json::from_str(&analyze_line(&request.to_string())).unwrap();
        let error = answer["error"].as_str().unwrap_or_else(|| panic!("{request} gave {answer}"));
        assert!(error.starts_with(expected), "{request}: {error}");
    }
}

#[test]
fn the_order_of_refusals_is_their_precedence() {
    let names = [
        Refusal::InvalidInput,
        Refusal::NoUnits,
        Refusal::TooFewUnits,
        Refusal::ZeroDenominator,
        Refusal::ZeroVariance,
        Refusal::ZeroBaseline,
        Refusal::NumericOverflow,
    ];
    assert!(names.is_sorted());
}

#[test]
fn a_relative_lift_needs_about_44_conversions() {
    let arm = |converted: u64| Aggregate::proportion(10_000_u64, converted);
    let supported = |a, b| Comparison::of(&arm(a), &arm(b)).unwrap().supports_relative();
    assert!(supported(45, 45) && !supported(44, 45) && !supported(45, 44));
}

/// The quantile that two crates get wrong or never return.
#[test]
fn student_quantiles_of_large_samples_return_and_are_right() {
    for df in [1e7, 2e7, 3.3e7, 1e9, 1e12, 1e300] {
        close(special::t_ppf(0.975, df), 1.959_963_984_540_054 + 2.372_27 / df, 1e-12);
    }
    assert!(special::t_ppf(0.975, f64::INFINITY).is_finite());
}

#[test]
fn a_watched_guardrail_passes_harms_or_waits_in_either_direction() {
    use stats::{Direction, Margin, Verdict};
    let verdict = |control: u64, treatment: u64, direction| {
        let arm = |converted: u64| Aggregate::proportion(100_000_u64, converted);
        let comparison = Comparison::of(&arm(control), &arm(treatment)).unwrap();
        let margin = Margin::new(0.003).unwrap();
        let alpha = Level::FIVE_PERCENT;
        let watch = stats::watch_guardrail(&comparison, Effect::Absolute, margin, direction, alpha, Tuning::DEFAULT);
        watch.unwrap().verdict
    };
    let (more, less) = (Direction::HigherIsBetter, Direction::LowerIsBetter);
    for (control, treatment, direction, expected) in [
        (3_000, 3_010, more, Verdict::Pass),
        (3_000, 2_300, more, Verdict::Harm),
        (3_000, 2_850, more, Verdict::Inconclusive),
        (3_000, 2_990, less, Verdict::Pass),
        (3_000, 3_700, less, Verdict::Harm),
        (3_000, 3_150, less, Verdict::Inconclusive),
    ] {
        assert_eq!(verdict(control, treatment, direction), expected, "{control} {treatment} {direction:?}");
    }
}

#[test]
fn cuped_reports_how_much_variance_it_removed() {
    // Outcome and covariate of four units, correlation 0.8 in both arms: 1 - r^2 of the variance stays.
    let arm = || Aggregate::mean_cuped(4_u64, (10_i64, 30_i64), (10_i64, 30_i64), 29_i64);
    let comparison = Comparison::of(&arm(), &arm()).unwrap();
    close(comparison.control.variance_reduction(), 0.64, 1e-12);
    let plain = Comparison::of(&Aggregate::proportion(9_u64, 4_u64), &Aggregate::proportion(9_u64, 5_u64)).unwrap();
    close(plain.control.variance_reduction(), 0.0, 0.0);
}
