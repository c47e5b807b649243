//! The statistics against other libraries' numbers, and the laws they must keep.

use proptest::prelude::*;
use serde_json::{Value, json};
use sortition_engine::stats::analyze::{analyze_line, operations};
use sortition_engine::stats::{
    self, Aggregate, BayesRule, Comparison, Effect, Interval, Level, Method, Prior, RatioCovariate, Refusal, Tuning,
    special,
};

const FILES: [&str; 2] = ["cases.json", "more_cases.json"];

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
    for file in FILES {
        let cases = cases(file);
        assert!(cases.len() >= 70, "{file} has lost cases: {}", cases.len());
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
    let all: Vec<Value> = FILES.iter().flat_map(|file| cases(file)).collect();
    for operation in operations() {
        assert!(all.iter().any(|case| case["op"] == operation), "no case for {operation}");
    }
}
