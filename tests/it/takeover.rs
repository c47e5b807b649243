//! Other tools' hashes and payloads, against those tools' own vectors. These are not committed here: they are read from
//! the folder that `SORTITION_CONFORMANCE` names, and what needs them is left out where it names none.

use sortition_engine::hash::{Like, Purpose, Recipe, seed_of};

/// A file of the conformance data; none, with a line that says so, where the environment names no folder.
#[track_caller]
pub(crate) fn conformance(file: &str) -> Option<String> {
    let Ok(folder) = std::env::var("SORTITION_CONFORMANCE") else {
        eprintln!("left out: SORTITION_CONFORMANCE names no folder that would hold {file}");
        return None;
    };
    let path = std::path::Path::new(&folder).join(file);
    Some(std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

#[track_caller]
pub(crate) fn conformance_json(file: &str) -> Option<serde_json::Value> {
    conformance(file).map(|text| serde_json::from_str(&text).unwrap())
}

fn split(tool: Like, salt: &str, of: u32) -> Recipe {
    Recipe::new(tool, Purpose::Split, salt, of, None, "")
}

/// The published pairs have a seed of their own, so they test the function rather than the tool's recipe.
#[test]
fn murmur3_is_that_of_amplitudes_pairs() {
    let Some(file) = conformance_json("takeover/amplitude/murmur3.json") else { return };
    let seed = u32::try_from(file["seed"].as_u64().unwrap()).unwrap();
    let pairs = file["pairs"].as_array().unwrap();
    assert!(pairs.len() > 1_900);
    for pair in pairs {
        let text = pair[0].as_str().unwrap();
        let hash = pair[1].as_u64().unwrap();
        // why: of 100 and of what is above it a hash is put together again
        let low = Recipe::new(Like::Split, Purpose::Split, "", 100, Some(seed), "").bucket(text);
        let high = Recipe::new(Like::Split, Purpose::Split, "", 65_536, Some(seed), "").bucket(text);
        assert_eq!((low, high), ((hash % 100) as f64, (hash % 65_536) as f64), "{text:?}");
    }
}

#[test]
fn split_buckets_are_those_of_its_samples() {
    let mut rows = 0;
    for file in ["takeover/split/murmur3-sample-data-v2.csv", "takeover/split/murmur3-sample-v3.csv"] {
        let Some(text) = conformance(file) else { return };
        for line in text.lines().filter(|line| line.starts_with(|c: char| c == '-' || c.is_ascii_digit())) {
            // why: a key may hold a comma, a number cannot
            let (seed, rest) = line.split_once(',').unwrap();
            let (rest, bucket) = rest.rsplit_once(',').unwrap();
            let (key, _) = rest.rsplit_once(',').unwrap();
            assert_eq!(split(Like::Split, seed, 100).bucket(key) + 1.0, bucket.parse::<f64>().unwrap(), "{line}");
            rows += 1;
        }
    }
    assert!(rows > 3_000, "{rows}");
}

#[test]
fn posthog_fractions_give_its_expected_values() {
    let Some(file) = conformance_json("takeover/posthog/consistency.json") else { return };
    let simple = &file["simple"];
    let flag = Recipe::new(Like::PostHog, Purpose::Gate, simple["key"].as_str().unwrap(), 1, None, "");
    let expected = simple["expected"].as_array().unwrap();
    assert!(expected.len() >= 700);
    for (number, expected) in expected.iter().enumerate() {
        assert_eq!(flag.bucket(&format!("distinct_id_{number}")) <= 0.45, expected.as_bool().unwrap(), "{number}");
    }
    let several = &file["multivariate"];
    let key = several["key"].as_str().unwrap();
    let gate = Recipe::new(Like::PostHog, Purpose::Gate, key, 1, None, "");
    let variants = Recipe::new(Like::PostHog, Purpose::Split, key, 1, None, "variant");
    let rollout = several["rollout_percentage"].as_f64().unwrap() / 100.0;
    for (number, expected) in several["expected"].as_array().unwrap().iter().enumerate() {
        let id = format!("distinct_id_{number}");
        let mut from = 0.0;
        let bucket = variants.bucket(&id);
        let variant = several["variants"].as_array().unwrap().iter().find(|variant| {
            let to = from + variant[1].as_f64().unwrap() / 100.0;
            let inside = from <= bucket && bucket < to;
            from = to;
            inside
        });
        let given = (gate.bucket(&id) <= rollout).then(|| variant.unwrap()[0].as_str().unwrap());
        assert_eq!(given, expected.as_str(), "{number}");
    }
}

#[test]
fn growthbook_hashes_are_those_of_its_cases() {
    let Some(file) = conformance_json("growthbook/cases.json") else { return };
    let cases = file["hash"].as_array().unwrap();
    assert_eq!(cases.len(), 15);
    for case in cases {
        let (seed, value, version) = (case[0].as_str().unwrap(), case[1].as_str().unwrap(), case[2].as_u64().unwrap());
        let bucket = match version {
            1 => split(Like::Growthbook1, seed, 1_000).bucket(value) / 1_000.0,
            2 => split(Like::Growthbook2, seed, 10_000).bucket(value) / 10_000.0,
            _ => {
                assert!(case[3].is_null());
                continue;
            }
        };
        assert_eq!(Some(bucket), case[3].as_f64(), "{case}");
    }
}

/// The values that LaunchDarkly's tests print, which are doubles cut to 32 bits.
#[test]
fn launchdarkly_fractions_are_those_of_its_tests() {
    let near = |salt: &str, unit: &str, printed: f64| {
        let bucket = split(Like::LaunchDarkly, salt, 1).bucket(unit);
        assert!((bucket - printed).abs() < 1e-7, "{salt} {unit}: {bucket} is not {printed}");
    };
    near("hashKey.saltyA", "userKeyA", 0.421_575_87);
    near("hashKey.saltyA", "userKeyB", 0.670_848_5);
    near("hashKey.saltyA", "userKeyC", 0.103_431_06);
    near("hashKey.saltyA", "33333", 0.547_714_23);
    near("hashKey.saltyA", "99999", 0.730_965_8);
    near("61", "userKeyA", 0.098_012_07);
    near("61", "userKeyB", 0.144_837_77);
    near("61", "userKeyC", 0.924_264_1);
}

fn sha256_bits(text: &str) -> u64 {
    use sha2::Digest as _;
    u64::from_be_bytes(sha2::Sha256::digest(text)[..8].try_into().unwrap())
}

/// SHA-256 of known texts, by their first 64 bits: the salt's part of the text is its beginning.
#[test]
fn statsig_hashes_are_those_of_its_tests() {
    for (text, bits) in [("unicode 🗻", 0xd460_740c_1295_9d83_u64), ("blargh", 0x0ac3_3512_d18e_20d5)] {
        assert_eq!(sha256_bits(text), bits, "{text}");
    }
    let expected = (sha256_bits("salt.unit") % 1_000) as f64;
    assert_eq!(split(Like::Statsig, "salt", 1_000).bucket("unit"), expected);
}

#[test]
fn optimizely_buckets_are_those_of_its_tests() {
    for (unit, parent, bucket) in [
        ("ppid1", "1886780721", 5254.0),
        ("ppid2", "1886780721", 4299.0),
        ("ppid2", "1886780722", 2434.0),
        ("ppid3", "1886780721", 5439.0),
    ] {
        assert_eq!(split(Like::Optimizely, parent, 10_000).bucket(unit), bucket, "{unit} {parent}");
    }
}

/// The seed stands where others have a salt, and their payloads write it with a sign.
#[test]
fn a_seed_may_be_negative() {
    assert_eq!(seed_of("-1"), Some(u32::MAX));
    assert_eq!(seed_of("467569525"), Some(467_569_525));
    assert_eq!(seed_of("4294967296"), None);
    assert_eq!(seed_of("checkout"), None);
}

/// What is joined with what, for every tool.
#[test]
fn the_hashed_text_is_each_tools_own() {
    let gate = |tool| Recipe::new(tool, Purpose::Gate, "salt", 100, None, "variant").text("unit");
    for (tool, text) in [
        (Like::Growthbook1, "unitsalt"),
        (Like::Growthbook2, "saltunit"),
        (Like::LaunchDarkly, "salt.unit"),
        (Like::PostHog, "salt.unitvariant"),
        (Like::Statsig, "salt.unit"),
        (Like::Optimizely, "unitsalt"),
        (Like::Eppo, "salt-unit"),
        (Like::Convert, "saltunit"),
        (Like::Unleash, "salt:unit"),
        (Like::Split, "unit"),
        (Like::Vwo, "salt_unit"),
        (Like::Flagd, "saltunit"),
        (Like::Amplitude, "salt/unit"),
    ] {
        assert_eq!(gate(tool), text, "{tool:?}");
    }
}

/// Gates, split and ranges through the whole engine: who is where, and that nothing of ours has a say.
#[test]
fn an_experiment_with_another_tools_hash_assigns_as_that_tool_does() {
    let document = serde_json::json!({
        "version": 1, "project": "shop",
        "experiments": [{
            "id": "hero", "status": "running",
            "hash": {
                "like": "growthbook-2",
                "gates": [{"like": "growthbook-1", "salt": "__ns", "of": 1000, "in": [[0, 400], [900, 1000]]}],
                "split": {"salt": "hero", "of": 10000, "ranges": {"control": [[0, 2500]], "bold": [[5000, 7500]]}}
            },
            "variants": [{"id": "control", "weight": 9}, {"id": "bold", "weight": 1}]
        }]
    });
    let document = sortition_engine::document::Document::parse(&document.to_string()).unwrap();
    let plan = sortition_engine::plan::Plan::compile(&document).unwrap();
    let (gate, split) = (split(Like::Growthbook1, "__ns", 1_000), split(Like::Growthbook2, "hero", 10_000));
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..2_000 {
        let id = format!("visitor-{number}");
        let namespace = gate.bucket(&id);
        let bucket = split.bucket(&id);
        let expected = match bucket {
            _ if (400.0..900.0).contains(&namespace) => None,
            b if b < 2500.0 => Some(0),
            b if (5000.0..7500.0).contains(&b) => Some(1),
            _ => None,
        };
        seen.insert(expected);
        let takeover = crate::support::nth(&plan, 0).takeover.as_ref().unwrap();
        assert_eq!(takeover.assign(&id), expected, "{id}");
        let steps = takeover.steps(&id);
        assert_eq!(steps[0].text, format!("{id}__ns"));
        assert_eq!((steps[0].bucket, steps[1].bucket), (namespace, bucket));
        let (reason, variant) = crate::support::decide_one(&plan, &id);
        assert_eq!(variant.filter(|_| reason.acts()), expected, "{id}: {reason:?}");
    }
    assert_eq!(seen.len(), 3);
    // why: ranges split, weights do not; the ratio test expects what the ranges give
    assert_eq!(document.experiments[0].shares(), [2500.0, 2500.0]);
}

/// The id of another tool's cookie is kept as it is and its cookie never written; where there is none, ours is kept beside
/// it; an e-mail address is no id.
#[test]
fn the_id_in_another_tools_cookie_is_kept_and_never_written() {
    use crate::support::{Browser, HOME, compile, running, shop, values};
    let json = || serde_json::json!({"json": "distinct_id"});
    let cases = [
        ("ph_key_posthog", json(), "%7B%22distinct_id%22%3A%22018f%3Aabc%22%7D", Some("018f:abc")),
        ("ph_key_posthog", json(), r#"{"distinct_id":"018f"}"#, Some("018f")),
        ("ph_key_posthog", json(), "%7B%22distinct_id%22%3A%22a%40b.example%22%7D", None),
        ("ph_key_posthog", json(), "%7B%22distinct_id%22%3A%22a%0Ab%22%7D", None),
        ("ph_key_posthog", json(), "%7B", None),
        ("convert_visitor_id", "url".into(), "abc%2Fd", Some("abc/d")),
        ("gbuuid", "plain".into(), "ab", Some("ab")),
    ];
    for (name, read, value, id) in cases {
        let mut document = shop(&[running("hero", serde_json::json!({}))]);
        document["visitor"] = serde_json::json!({"cookie": name, "read": read});
        let plan = compile(&document);
        let mut browser = Browser::new(1);
        browser.cookies.insert(name.to_owned(), value.to_owned());
        let (intent, finish) = browser.visit(&plan, HOME);
        let set = values(&finish.changes, "Set-Cookie");
        assert!(!set.iter().any(|cookie| cookie.starts_with(name)), "{name} was written: {set:?}");
        let own = set.iter().any(|cookie| cookie.starts_with("sortition_id="));
        let first = intent.visitor().unwrap().id.as_str().to_owned();
        assert_eq!(own, id.is_none(), "{value}: {set:?}");
        if let Some(id) = id {
            assert_eq!(first, id);
        }
        // why: the second visit must find who came on the first
        let (again, finish) = browser.visit(&plan, HOME);
        assert_eq!(again.visitor().unwrap().id.as_str(), first, "{value}");
        assert!(!values(&finish.changes, "Set-Cookie").iter().any(|cookie| cookie.starts_with("sortition_id=")));
    }
}

/// Who is assigned by another tool is assigned by nobody here.
#[test]
fn an_experiment_that_another_tool_assigns_assigns_nobody() {
    use crate::support::{compile, decide_one, running, shop};
    let plan = compile(&shop(&[running("hero", serde_json::json!({"assigned_by": "growthbook"}))]));
    for number in 0..200 {
        let (reason, variant) = decide_one(&plan, &format!("visitor-{number}"));
        assert!(!reason.acts() && variant.is_none(), "{reason:?}");
    }
}
