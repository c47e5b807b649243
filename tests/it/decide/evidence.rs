//! Each decision can explain itself: which bucket, which range, which experiment turned it away.

use crate::support::{Random, compile, decide_for, nth, running, shop, variant_at, visitor, with};
use serde_json::json;
use sortition_engine::decide::Reason;
use sortition_engine::hash::Salt;

/// The salts of the contract, computed here once more.
#[test]
fn the_buckets_are_those_of_the_documented_salts() {
    let hero = json!({"layer": "checkout", "slots": [0, 5000], "iteration": 3, "traffic": 60});
    let settings = json!({"salt": "acme", "layers": {"checkout": {}}, "holdout": {"percent": 10}});
    let plan = compile(&with(shop(&[running("hero", hero)]), settings));
    let bucket = |salt: &str, id: &str| Salt::new(salt).bucket(id).get();
    let mut random = Random(5);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..2_000 {
        let id = random.uuid();
        let decision = decide_for(&plan, &[0], visitor(&id))[0];
        let expected = if bucket("acme/holdout", &id) < 1_000 {
            (Reason::Holdout, None)
        } else if bucket("acme/layer/checkout", &id) >= 5_000 {
            (Reason::Layer, None)
        } else if bucket("acme/hero/3/traffic", &id) >= 6_000 {
            (Reason::Traffic, None)
        } else {
            (Reason::Split, Some(variant_at(usize::from(bucket("acme/hero/3/variant", &id) >= 5_000))))
        };
        assert_eq!((decision.reason, decision.variant), expected, "{id}");
        seen.insert(decision.reason);
        let evidence = decision.evidence;
        assert_eq!(evidence.holdout.map(|b| b.get()), Some(bucket("acme/holdout", &id)));
        let reached = |at: Reason| decision.reason >= at;
        assert_eq!(evidence.slot.map(|b| b.get()), reached(Reason::Layer).then(|| bucket("acme/layer/checkout", &id)));
        assert_eq!(
            evidence.traffic.map(|b| b.get()),
            reached(Reason::Traffic).then(|| bucket("acme/hero/3/traffic", &id))
        );
        assert_eq!(evidence.split.map(|b| b.get()), reached(Reason::Split).then(|| bucket("acme/hero/3/variant", &id)));
    }
    assert_eq!(seen.len(), 4, "every outcome was met");
}

/// The salt is the project where the document names none.
#[test]
fn the_project_is_the_salt_of_a_document_without_one() {
    let plan = compile(&shop(&[running("hero", json!({}))]));
    let decision = decide_for(&plan, &[0], visitor("unit-00001"))[0];
    assert_eq!(decision.evidence.split, Some(Salt::new("shop/hero/1/variant").bucket("unit-00001")));
}

/// Ranges of weights, in buckets: rounded at the bounds only, and the last positive weight takes what is left.
#[test]
fn ranges_follow_the_weights() {
    let cases: [(&[f64], &[u16]); 9] = [
        (&[50.0, 50.0], &[5_000, 10_000]),
        (&[1.0, 1.0, 1.0], &[3_334, 6_667, 10_000]),
        (&[0.333, 0.667], &[3_330, 10_000]),
        (&[0.0, 1.0], &[0, 10_000]),
        (&[1.0, 0.0], &[10_000, 10_000]),
        (&[0.0, 1.0, 0.0], &[0, 10_000, 10_000]),
        (&[99.99, 0.01], &[9_999, 10_000]),
        (&[1e15, 1e15], &[5_000, 10_000]),
        (&[1e-9, 1e-9, 2e-9], &[2_500, 5_000, 10_000]),
    ];
    for (weights, below) in cases {
        let variants: Vec<_> =
            weights.iter().enumerate().map(|(n, weight)| json!({"id": format!("v{n}"), "weight": weight})).collect();
        let plan = compile(&shop(&[running("hero", json!({"variants": variants}))]));
        let bounds: Vec<u16> = nth(&plan, 0).variants.iter().map(|variant| variant.below).collect();
        assert_eq!(bounds, below, "{weights:?}");
    }
}

/// Ids that start with a digit are no keys and no tokens of RFC 9651.
#[test]
fn the_header_is_a_dictionary_whatever_the_ids() {
    for (experiment, variant, member) in
        [("hero", "bold", "hero=bold"), ("2x", "b", "*2x=b"), ("hero", "2nd", "hero=\"2nd\""), ("2x", "2", "*2x=\"2\"")]
    {
        let variants = json!([{"id": variant, "weight": 1}]);
        let plan = compile(&shop(&[running(experiment, json!({"variants": variants}))]));
        assert_eq!(&*nth(&plan, 0).variants[0].header_member, member);
    }
}
