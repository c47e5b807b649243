//! What crosses from Rust to JavaScript. `fixtures/boundary/outcomes.json` holds every kind of text with the object that
//! JavaScript makes of it; here the texts are held against what is written, in `tests/edge/decode.test.mjs` the objects
//! against what is read.

use crate::support::{CHROME, HOME, Page, Sent, compile, experiment_at, html, running, shop, variant_at, with};
use serde_json::{Value, json};
use sortition_engine::document::TokenAlgorithm;
use sortition_engine::events::Batch;
use sortition_engine::execution::breaker::Breakers;
use sortition_engine::execution::rewriting::additions;
use sortition_engine::execution::{self, Answer, Charset, HeaderChange, VariantOrigin};
use sortition_engine::visit::{
    ENDPOINTS, Finish, Forward, Outcome, OwnAnswer, Question, Rewriting, SharedBody, SharedCopy, VariantOriginRequest,
    Watched, encode_finish, encode_outcome, encode_question, encode_reply, is_header_value,
};
use sortition_engine::visitor::{self, assignments, handover, preview};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn changes() -> Vec<HeaderChange> {
    vec![
        HeaderChange::Set("ETag", "W/\"a, b\"".to_owned()),
        HeaderChange::SetNamed("x-named".into(), "größe\tand more".into()),
        HeaderChange::Append("Set-Cookie", "a=1; Path=/".to_owned()),
        HeaderChange::Append("Set-Cookie", "b=".to_owned()),
        HeaderChange::Remove("Last-Modified"),
        HeaderChange::Remove("Expires"),
    ]
}

/// The same, each with a value that would end its field.
fn forged(separator: char) -> Vec<HeaderChange> {
    let value = format!("x{separator}+Set-Cookie{separator}y=1");
    vec![
        HeaderChange::Set("Accept-Encoding", value.clone()),
        HeaderChange::SetNamed("x-named".into(), value.as_str().into()),
        HeaderChange::Append("Set-Cookie", value),
        HeaderChange::Set("ETag", "\"fine\"".to_owned()),
    ]
}

fn examples() -> BTreeMap<&'static str, String> {
    let changes = changes();
    let forward = Forward { changes: &changes };
    let told = "{\"events\":[]}\n{\"events\":[]}";
    let origin = |base: Option<&str>, prefix: &str, trusted| VariantOrigin {
        experiment: experiment_at(3),
        base: base.map(Into::into),
        path_prefix: prefix.into(),
        timeout_ms: Some(500),
        trusted,
    };
    let variant_origin = |origin| Outcome::VariantOrigin(VariantOriginRequest { origin, changes: changes.clone() });
    let own = |told: &str| {
        let answer = OwnAnswer { status: 302, events: Batch::default(), changes: &changes };
        encode_outcome(&Outcome::Answer(answer), 7, told)
    };
    let watched = |experiment, key, text: &str| Watched {
        experiment: experiment_at(experiment),
        key,
        exposure: Batch::exposure(text.to_owned()),
    };
    let finish = |rewriting| Finish {
        exposed: Vec::new(),
        rewriting,
        not_rewritten: None,
        changes: changes.clone(),
        besides: Vec::new(),
        shown_to_user: String::new(),
    };
    let rewriting = Rewriting {
        steps: vec![(experiment_at(3), variant_at(1)), (experiment_at(0), variant_at(2))],
        charset: Charset::Ascii,
        relabelled: Some("text/html; charset=windows-1252"),
        additions: [
            additions(Some(("{}", true)), Some("<i>"), Charset::Ascii),
            additions(Some(("{}", false)), None, Charset::Ascii),
        ]
        .concat(),
        watched: vec![watched(3, 1, "{\"id\":\"1\"}"), watched(0, u64::MAX, "{\"id\":\"2\"}")],
        is_tagged: true,
    };
    let watching = Rewriting { watched: vec![watched(7, 0, "{}")], ..Rewriting::default() };
    let refused = forged('\u{1f}');
    BTreeMap::from([
        ("an answer of our own", own("")),
        ("an answer of our own that exposes", own(told)),
        ("to the origin", encode_outcome(&Outcome::Forward(forward), 7, "")),
        ("to the origin as it came", encode_outcome(&Outcome::Forward(Forward { changes: &[] }), 7, "")),
        ("forged values", encode_outcome(&Outcome::Forward(Forward { changes: &refused }), 7, "")),
        ("to a foreign variant origin", {
            encode_outcome(&variant_origin(origin(Some("https://b.example"), "", false)), 7, "")
        }),
        ("to a variant's own path", encode_outcome(&variant_origin(origin(None, "/b", true)), 7, "")),
        ("a shared copy", {
            let conditional: Vec<HeaderChange> =
                [changes.clone(), vec![HeaderChange::Set("If-None-Match", "\"1\"".to_owned())]].concat();
            let otherwise = Forward { changes: &conditional };
            let body = SharedBody {
                steps: vec![(experiment_at(3), variant_at(1)), (experiment_at(0), variant_at(2))],
                watchable: vec![experiment_at(3), experiment_at(0)],
                told: "hero=bold, \"x y\"=b".to_owned(),
                gzip: true,
            };
            encode_outcome(
                &Outcome::SharedCopy(SharedCopy { variants: "hero=bold", body: Some(body), otherwise }),
                7,
                "",
            )
        }),
        ("a shared copy for all", {
            let otherwise = Forward { changes: &[] };
            encode_outcome(&Outcome::SharedCopy(SharedCopy { variants: "", body: None, otherwise }), 7, "")
        }),
        ("whether a token is signed", {
            let (key, signed) = ("{\"kty\":\"EC\"}".to_owned(), "e30.e30".to_owned());
            let (alg, signature) = (TokenAlgorithm::ES256, "c2ln".to_owned());
            encode_question(&Question::Verify { alg, key, signed, signature, expires_at: 0 })
        }),
        ("what a user has on other devices", {
            encode_question(&Question::Join { object: "shop/u-1".to_owned(), shown: "AAAABBBBAAB".to_owned() })
        }),
        ("an answer to a call", {
            let headers =
                [("etag", "\"1\"".to_owned()), ("set-cookie", "a=1".to_owned()), ("set-cookie", "b=".to_owned())];
            encode_reply(200, "{\"key\":\"größe\"}", &headers)
        }),
        ("an answer to a call without a body", encode_reply(304, "", &[("x-bad", "a\u{1f}b".to_owned())])),
        ("an answer passed on", encode_finish(&finish(None), 7, "")),
        ("an answer rewritten", encode_finish(&finish(Some(rewriting)), 4_000_000_000, told)),
        ("an answer watched", encode_finish(&finish(Some(watching)), 7, told)),
    ])
}

#[test]
fn what_is_written_is_what_the_fixtures_say() {
    let text = include_str!("../../fixtures/boundary/outcomes.json");
    let fixtures: BTreeMap<String, Value> = serde_json::from_str(text).unwrap();
    let written = examples();
    assert_eq!(fixtures.keys().collect::<Vec<_>>(), written.keys().collect::<Vec<_>>());
    for (name, text) in written {
        assert_eq!(fixtures[name]["text"], json!(text), "{name}");
    }
}

/// Every control character, as part of a value, in every place where a visitor or the origin has a say.
#[test]
fn no_control_character_crosses() {
    for code in (0..0x20_u8).chain([0x7f]).filter(|code| *code != b'\t') {
        let text = encode_outcome(&Outcome::Forward(Forward { changes: &forged(char::from(code)) }), 7, "");
        let expected = ["forward", "-Accept-Encoding", "", "-x-named", "", "=ETag", "\"fine\""];
        assert_eq!(text.split('\u{1f}').collect::<Vec<_>>(), expected, "{code:#x}");
    }
    assert!(is_header_value("tab\tand größe"));
}

/// Values that come from outside, through the whole of the pipeline: the header that they would forge is not there.
#[test]
fn what_a_visitor_or_an_origin_sends_forges_no_header() {
    let hero = json!({"variants": [
        {"id": "control", "weight": 0},
        {"id": "bold", "weight": 1, "rewrite": [{"select": "h1", "do": "set_text", "value": "x"}]},
    ]});
    let plan = compile(&with(shop(&[running("hero", hero)]), json!({"preview": "open"})));
    let forgery = "gzip\u{1f}=Sortition-Visitor\u{1f}somebody-else\u{1f}+Set-Cookie\u{1f}x=1";
    let names = ["accept-encoding", "if-none-match", "if-range", "if-match", "cookie", "referer", "sortition_preview"];
    for name in names {
        let choices = "hero:bold.".repeat(32);
        let preview = format!("{HOME}?sortition_preview={choices}x%1f%2BSet-Cookie%1fx=1");
        let url = if name == "sortition_preview" { preview.as_str() } else { HOME };
        let sent = Sent::by(CHROME).header(name, forgery);
        let mut visit = Page::new(&plan, url, &sent).visit(|| [7; 16]);
        let answer = Answer { etag: Some("\"a\u{1f}+Set-Cookie\u{1f}x=1\""), ..html() };
        let finish = encode_finish(&visit.finish(&answer), 0, "");
        let outcome = encode_outcome(&visit.next(&mut Breakers::default(), 0.0), 7, "");
        for text in [&outcome, &finish] {
            let fields: Vec<&str> = text.split('\u{1f}').collect();
            assert!(!fields.contains(&"somebody-else") && !fields.contains(&"x=1"), "{name}: {text:?}");
            assert!(!fields.iter().any(|field| field.starts_with("+Set-Cookie") && field.contains("x=1")), "{name}");
        }
    }
}

/// The names of ours that a script says in quotes, but for those of modules.
fn names_of_ours(script: &str) -> BTreeSet<String> {
    let lines = script.lines().map(str::trim_start).filter(|line| {
        !line.starts_with("//")
            && !line.starts_with('*')
            && !line.starts_with("import ")
            && !line.contains(" from \"")
            && !line.contains("import(\"")
    });
    let quoted = lines.flat_map(|line| line.split(['"', '`', '\'']).skip(1).step_by(2));
    let is_ours = |name: &&str| {
        let name = name.to_ascii_lowercase();
        name.starts_with("/_sortition")
            || name.strip_prefix("sortition").is_some_and(|rest| rest.starts_with(['-', '_']))
    };
    quoted.filter(is_ours).map(|name| name.trim_end_matches('=').to_ascii_lowercase()).collect()
}

/// Scripts carry out what Rust decided, by the names that Rust decided by. A header that is spelled in another way there
/// would be one that nobody takes off an answer.
#[test]
fn scripts_say_the_names_of_headers_cookies_and_paths_as_the_crate_does() {
    let of_the_crate = [
        execution::VARIANTS,
        execution::VISITOR,
        execution::EXPOSE,
        execution::USER,
        execution::VERSIONS,
        handover::HEADER,
        handover::ASSIGNMENTS,
        visitor::VISITOR_COOKIE,
        visitor::SESSION_COOKIE,
        assignments::COOKIE,
        preview::NAME,
    ]
    .map(str::to_ascii_lowercase);
    // what no request and no answer of a shop ever carries
    let of_scripts = [
        ("cache.js", "sortition-made"),
        ("cache.js", "sortition-cache-control"),
        ("client.js", "sortition_waiting"),
        ("readout.js", "sortition-signature"),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/edge");
    let mut seen = BTreeSet::new();
    for folder in [folder.clone(), folder.join("bridge")] {
        for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_none_or(|extension| extension != "js") {
                continue;
            }
            let script = file.file_name().unwrap().to_string_lossy().into_owned();
            for name in names_of_ours(&std::fs::read_to_string(&file).unwrap()) {
                let is_path = name.strip_prefix(ENDPOINTS).is_some_and(|rest| rest.starts_with('/'));
                let known = is_path || of_the_crate.contains(&name) || of_scripts.contains(&(&*script, &*name));
                assert!(known, "{script} says `{name}`, which is no name of the crate");
                seen.insert(name);
            }
        }
    }
    for name in ["sortition-user", "sortition-expose", "sortition_id", "/_sortition/events"] {
        assert!(seen.contains(name), "the test no longer finds `{name}`: {seen:?}");
    }
}
