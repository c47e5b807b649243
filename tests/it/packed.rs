//! Plans as bytes: what `push` writes beside a document.

use crate::support::{running, shop, with};
use proptest::prelude::*;
use serde_json::{Value, json};
use sortition_engine::document::Document;
use sortition_engine::plan::{Experiment, ExperimentAt, Kill, KillGuard, Plan, Position as _};

/// A document that uses everything that a plan keeps.
fn everything() -> Value {
    let hero = json!({
        "key": "hero-key", "tags": ["a", "b"], "layer": "l", "slots": [0, 5000], "priority": 3, "conflicts": ["hero"],
        "pages": ["/", "/c/*", {"regex": "^/p/[0-9]+$"}, {"contains": "x=1", "of": "query"}, {"suffix": ".html"}],
        "except_pages": ["/c/private*"], "hosts": ["shop.example", "*.shop.example"], "methods": ["GET", "POST"],
        "audience": {"$or": [
            {"country": {"$in": ["US", "CA"]}}, {"custom.plan": {"$inGroup": "vip"}}, {"user_id": {"$inGroup": "vip"}},
            {"browser_version": {"$vgte": "1.2.3"}}, {"query.a": {"$regex": "^b+$"}}, {"asn": {"$gt": 5}},
            {"custom.list": {"$elemMatch": {"$eq": 4}, "$size": 2}}, {"cookie.a": {"$exists": false}},
            {"custom.object": {"$ne": "b"}}, {"$not": {"path": "/x"}}, {"custom.n": {"$type": "number"}},
        ]},
        "overrides": [{"audience": {"header.x-staff": "1"}, "variant": "bold"}],
        "ramp": [{"at": "2026-11-22T00:00:00Z", "traffic": 10.5}],
        "variants": [
            {"id": "control", "weight": 30},
            {"id": "bold", "weight": 70, "payload": {"a": [1, 2.5, "x"]}, "response_headers": {"x-variant": "bold"},
             "rewrite": [
                {"select": "h1", "do": "set_text", "value": "Größe"},
                {"select": "a", "do": "set_attribute", "name": "rel", "value": "next"},
                {"select": ".x", "do": "before", "value": "<b>", "html": true},
             ]},
        ],
    });
    let split = json!({"pages": ["/old"], "variants": [
        {"id": "control", "weight": 1}, {"id": "new", "weight": 1, "redirect": {"to": "/new", "status": 307}},
    ]});
    let origin = json!({"unit": "user", "else_unit": "session", "display": "once", "expose": "origin",
        "requires": [{"experiment": "hero", "variant": "bold"}], "variants": [
        {"id": "control", "weight": 1},
        {"id": "v2", "weight": 1, "origin": {"url": "https://v2.shop.example", "timeout_ms": 500}},
    ]});
    let taken = json!({"hash": {"like": "growthbook-2",
        "gates": [{"salt": "gate", "of": 10000, "in": [[0, 9000]]}],
        "split": {"salt": "seed", "of": 10000, "ranges": {"control": [[0, 5000]], "bold": [[5000, 10000]]}}},
        "variants": [{"id": "control", "weight": 1}, {"id": "bold", "weight": 1}]});
    with(
        shop(&[running("hero", hero), running("move", split), running("api", origin), running("taken", taken)]),
        json!({
            "revision": "7", "groups": {"vip": ["a", "b", 3, true, null]}, "layers": {"l": {"holdout": 5}},
            "holdout": {"percent": 10}, "cache": {"pages": ["/cached*"]}, "redirect_hosts": ["Other.example"],
            "consent": {"cookie": "consent", "granted": ["yes"], "mode": "hold"}, "bridge": "script", "preview": "open",
            "crawlers": {"policy": "baseline", "also": ["mybot"], "except": ["goodbot"]},
            "headers": {"to_client": false}, "api": {"cors_origins": ["https://app.example"], "max_age_seconds": 5},
            "visitor": {"cookie": "id", "max_age_days": 30, "user_jwt": {"cookie": "jwt", "alg": "HS256",
                "key": {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC0x"}, "iss": "me"},
                "adopt": [{"from": "growthbook", "cookie": "gb*"}]},
        }),
    )
}

fn packed() -> Vec<u8> {
    let document = Document::parse(&everything().to_string()).unwrap();
    Plan::compile(&document).unwrap_or_else(|problems| panic!("{problems:?}")).to_bytes("content")
}

#[test]
fn a_plan_survives_its_bytes_and_has_no_others() {
    let bytes = packed();
    let plan = Plan::from_bytes(&bytes, "content").unwrap();
    assert_eq!(plan.to_bytes("content"), bytes, "what was read is what was written, in the same order");
    assert_eq!(packed(), bytes, "and it is written the same way every time");
    assert_eq!(plan.experiments.len(), 4);
    assert!(Plan::from_bytes(&bytes, "another document").is_none());
}

#[test]
fn an_experiment_is_read_when_it_is_asked_for_and_is_as_it_was_compiled() {
    let compiled = Plan::compile(&Document::parse(&everything().to_string()).unwrap()).unwrap();
    let plan = Plan::from_bytes(&packed(), "content").unwrap();
    let ids: Vec<&str> = plan.experiments.positions().map(|at| plan.experiments.id(at).unwrap()).collect();
    assert_eq!(ids, ["hero", "move", "api", "taken"], "nothing was read for it");
    let as_text = |plan: &Plan, at| format!("{:?}", plan.experiments.get(at).unwrap());
    for at in plan.experiments.positions().rev() {
        assert_eq!(as_text(&plan, at), as_text(&compiled, at));
        assert_eq!(plan.experiments.id(at), compiled.experiments.id(at), "and the same once it was");
        assert_eq!(as_text(&plan.clone(), at), as_text(&compiled, at), "of a copy, too");
    }
    assert!(plan.experiments.get(ExperimentAt::from_number(4)).is_none());
}

#[test]
fn what_kv_says_beside_the_document_holds_for_what_is_read_later_too() {
    let kill = Kill::parse(r#"{"experiments": ["move"]}"#).unwrap();
    let guard = r#"{"experiments": ["api"], "hold": {"hero": 25}, "weights": {"hero": {"control": 10, "bold": 90}}}"#;
    let guard = KillGuard::parse(guard).unwrap();
    let state = |e: &Experiment| (e.killed, e.hold, e.variants.iter().map(|variant| variant.below).collect::<Vec<_>>());
    let mut all = Vec::new();
    for read_first in [0, 2, 4] {
        let mut plan = Plan::from_bytes(&packed(), "content").unwrap();
        assert!(plan.experiments.iter().take(read_first).all(|e| !e.killed));
        assert!(plan.differs_from(&kill, &guard));
        plan.apply(&kill);
        plan.apply_guard(&guard);
        assert!(!plan.differs_from(&kill, &guard));
        assert_eq!(plan.killed(), ["move", "api"]);
        all.push(plan.experiments.iter().map(state).collect::<Vec<_>>());
        let written = |e: &Experiment| (false, 10_000, e.variants.iter().map(|it| it.written_below).collect());
        plan.apply(&Kill::default());
        plan.apply_guard(&KillGuard::default());
        for e in plan.experiments.iter() {
            assert_eq!(state(e), written(e), "{} as the document has it", e.id);
        }
        plan.apply(&Kill::everything());
        assert_eq!(plan.killed().len(), 4);
    }
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0], all[2]);
    assert_eq!(all[0][0], (false, 2500, vec![1000, 10_000]));
    let document = with(everything(), json!({"kill": true}));
    let killed = Plan::compile(&Document::parse(&document.to_string()).unwrap()).unwrap().to_bytes("content");
    let killed = Plan::from_bytes(&killed, "content").unwrap();
    assert_eq!(killed.killed().len(), 4, "the document's own switch");
    assert!(killed.experiments.iter().all(|e| e.killed));
}

/// Requests under way keep their plan while another with other switches takes its place.
#[test]
fn a_copy_has_switches_of_its_own_whether_it_was_packed_or_compiled() {
    let compiled = Plan::compile(&Document::parse(&everything().to_string()).unwrap()).unwrap();
    let read = Plan::from_bytes(&packed(), "content").unwrap();
    assert_eq!(read.experiments.iter().count(), 4);
    for plan in [compiled, read, Plan::from_bytes(&packed(), "content").unwrap()] {
        let mut copy = plan.clone();
        copy.apply(&Kill::parse(r#"{"experiments": ["move"]}"#).unwrap());
        let killed = |plan: &Plan| plan.experiments.iter().map(|e| e.killed).collect::<Vec<_>>();
        assert_eq!(killed(&copy), [false, true, false, false]);
        assert_eq!(killed(&plan), [false; 4]);
        assert_eq!(killed(&copy.clone()), killed(&copy));
        assert_eq!(plan.clone().to_bytes("content"), plan.to_bytes("content"));
    }
}

#[test]
fn a_plan_of_another_build_is_not_read() {
    let mut bytes = packed();
    bytes[3] ^= 1;
    assert!(Plan::from_bytes(&bytes, "content").is_none());
}

#[test]
fn a_plan_that_was_cut_off_or_goes_on_is_not_read() {
    let bytes = packed();
    for end in 0..bytes.len() {
        assert!(Plan::from_bytes(&bytes[..end], "content").is_none(), "{end} bytes of {}", bytes.len());
    }
    assert!(Plan::from_bytes(&[bytes.as_slice(), &[0]].concat(), "content").is_none());
}

/// Of bytes that nest for ever nothing comes, and no exhausted stack either; the deepest condition that a document may have
/// is read.
#[test]
fn how_deep_a_plan_nests_is_bounded() {
    let mut audience = json!({"country": "CH"});
    for level in 0..10 {
        audience = json!({"$not": {"$or": [audience, {"custom.level": level}]}});
    }
    let document = shop(&[running("hero", json!({"audience": audience}))]);
    let plan = Plan::compile(&Document::parse(&document.to_string()).unwrap()).unwrap_or_else(|it| panic!("{it:?}"));
    let bytes = plan.to_bytes("content");
    assert!(Plan::from_bytes(&bytes, "content").is_some());
    // a negation of a list of one: what stands within is a negation of such a list again
    let (not, any) = (2_u8, 1_u8);
    let inside = [not, any, 2];
    let at = bytes.windows(3).position(|three| three == inside).expect("a negation of a list of two");
    // where the experiment ends stands before it, and it begins with its id
    let begin = bytes.windows(5).position(|five| five == b"\x04hero").expect("the experiment");
    let end = u32::from_le_bytes(bytes[begin - 4..begin].try_into().unwrap());
    let deep = |levels: usize| {
        let inserted = [not, any, 1].repeat(levels);
        let end = (end + inserted.len() as u32).to_le_bytes();
        let parts = [&bytes[..begin - 4], &end, &bytes[begin..at], &inserted, &bytes[at..]];
        let plan = Plan::from_bytes(&sealed(parts.concat()), "content").expect("the checksum is right");
        plan.experiments.get(ExperimentAt::from_number(0)).is_some()
    };
    assert!(deep(1), "a level more is read");
    assert!(!deep(500_000), "and without end is not");
}

/// Bytes with the checksum that they have to have: 16 bytes of the format and 8 of the document's hash stand before it.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let (head, plan) = bytes.split_at_mut(32);
    let mut sum = plan.len() as u64;
    let words = plan.len() / 8 + 1;
    for word in 0..words {
        let mut eight = [0; 8];
        for (to, byte) in eight.iter_mut().zip(&plan[word * 8..]) {
            *to = *byte;
        }
        sum = (sum.rotate_left(5) ^ u64::from_le_bytes(eight)).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
    head[24..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

proptest! {
    /// Damaged bytes are no plan.
    #[test]
    fn damaged_bytes_are_not_read(at in 24..4000_usize, with in any::<[u8; 3]>()) {
        let mut bytes = packed();
        let at = at.min(bytes.len() - 3);
        let is_damaged = bytes[at..at + 3] != with;
        bytes[at..at + 3].copy_from_slice(&with);
        prop_assert_eq!(Plan::from_bytes(&bytes, "content").is_none(), is_damaged);
    }

    /// Whatever comes of wrong bytes under the right checksum, it is no panic and no endless memory.
    #[test]
    fn wrong_bytes_harm_nobody(at in 32..4000_usize, with in any::<[u8; 3]>()) {
        let mut bytes = packed();
        let at = at.min(bytes.len() - 3);
        bytes[at..at + 3].copy_from_slice(&with);
        if let Some(plan) = Plan::from_bytes(&sealed(bytes), "content") {
            let read = plan.experiments.iter().count();
            prop_assert!(read <= plan.experiments.len());
            prop_assert!(plan.killed().len() <= plan.experiments.len());
        }
    }
}
