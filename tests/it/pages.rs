//! Page rules against a slow matcher, and the page index against asking every experiment.

use crate::assignments::cases;
use crate::support::{compile, now, running, shop, try_compile, with};
use proptest::prelude::*;
use serde_json::{Value, json};
use sortition_engine::document::Page;
use sortition_engine::plan::{PageRule, Pattern, Position, Presence};
use sortition_engine::url::Url;

/// A glob by its definition.
fn fits(glob: &[u8], text: &[u8]) -> bool {
    match (glob.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=text.len()).any(|skipped| fits(rest, &text[skipped..])),
        (Some((b'?', rest)), Some((_, tail))) => fits(rest, tail),
        (Some((this, rest)), Some((that, tail))) => this == that && fits(rest, tail),
        _ => false,
    }
}

/// A page rule by its definition.
fn is_on(rule: &Value, url: &Url<'_>) -> bool {
    let Some(rule) = rule.as_object() else { return fits(rule.as_str().unwrap().as_bytes(), url.path.as_bytes()) };
    let part = match rule.get("of").and_then(Value::as_str) {
        Some("url") => url.whole,
        Some("query") => url.query,
        _ => url.path,
    };
    let (kind, text) = rule.iter().find(|(name, _)| *name != "of").unwrap();
    let text = text.as_str().unwrap();
    match kind.as_str() {
        "exact" => part == text,
        "prefix" => part.starts_with(text),
        "suffix" => part.ends_with(text),
        "contains" => part.contains(text),
        "glob" => fits(text.as_bytes(), part.as_bytes()),
        // why: the regexes below are the literals of a text, so the definition needs no engine
        "regex" => part.contains(text),
        other => panic!("{other}"),
    }
}

/// Paths of few letters, so that rules and URLs meet.
fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "(/[ab]{0,3}){1,4}",
        1 => "/(aaaaaaaa){0,8}[ab]{0,4}",
        1 => "/[ab]{0,2}",
    ]
}

fn rule() -> impl Strategy<Value = Value> {
    let glob = "/?[ab/*?]{0,8}";
    let of = prop::sample::select(vec!["path", "path", "url", "query"]);
    let kind = prop::sample::select(vec!["exact", "prefix", "suffix", "contains", "glob", "regex"]);
    prop_oneof![
        2 => glob.prop_map(Value::from),
        2 => (path(), prop::sample::select(vec!["", "*", "?", "/*", "*/"])).prop_map(|(path, end)| json!(format!("{path}{end}"))),
        3 => (kind, of, prop_oneof!["[ab/]{1,4}", path()]).prop_map(|(kind, of, text)| json!({kind: text, "of": of})),
    ]
    .prop_filter("a rule that the check takes", |rule| try_compile(&shop(&[running("rule", json!({"pages": [rule]}))])).is_some())
}

fn url() -> impl Strategy<Value = String> {
    let host = prop::sample::select(vec!["shop.example", "a.shop.example", "shop.example:8443", "other.example"]);
    (host, path(), prop_oneof![Just(String::new()), "\\?[ab/=&?]{0,6}"])
        .prop_map(|(host, path, query)| format!("https://{host}{path}{query}"))
}

fn scope() -> impl Strategy<Value = Value> {
    let rules = |most| prop::collection::vec(rule(), 0..most);
    let hosts = prop::sample::subsequence(
        vec!["shop.example", "*.example", "other.example:*", "shop.example:8443", "A.shop.example"],
        0..3,
    );
    let methods = prop::sample::subsequence(vec!["GET", "POST", "head"], 0..2);
    (rules(4), prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(rule(), 1..3)], hosts, methods).prop_map(
        |(pages, except, hosts, methods)| json!({"pages": pages, "except_pages": except, "hosts": hosts, "methods": methods}),
    )
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(2_000), ..ProptestConfig::default() })]

    #[test]
    fn globs_match_as_they_are_defined(glob in "[ab*?]{0,10}", text in "[ab]{0,10}") {
        prop_assert_eq!(Pattern::glob(&glob).matches(&text), fits(glob.as_bytes(), text.as_bytes()));
    }

    /// What the index files a rule under: every text that fits starts with it.
    #[test]
    fn what_fits_starts_with_the_literal_prefix(rule in rule(), url in url()) {
        let rule = PageRule::compile(&serde_json::from_value::<Page>(rule).unwrap());
        let url = Url::split(&url);
        if rule.matches(&url) && rule.subject == sortition_engine::document::PageSubject::Path {
            prop_assert!(url.path.starts_with(rule.pattern.literal_prefix()));
        }
        prop_assert!(!rule.is_everything() || rule.matches(&url));
    }

    #[test]
    fn rules_match_as_they_are_defined(rule in rule(), url in url()) {
        let compiled = PageRule::compile(&serde_json::from_value::<Page>(rule.clone()).unwrap());
        let url = Url::split(&url);
        prop_assert_eq!(compiled.matches(&url), is_on(&rule, &url), "{} on {}", rule, url.whole);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(300), ..ProptestConfig::default() })]

    /// The index leaves nothing out, adds nothing, and keeps the document's order.
    #[test]
    fn the_index_finds_what_asking_everybody_finds(
        scopes in prop::collection::vec(scope(), 0..12),
        urls in prop::collection::vec(url(), 1..12),
        method in prop::sample::select(vec!["GET", "POST", "HEAD"]),
    ) {
        let experiments: Vec<Value> = scopes.iter().enumerate().map(|(n, scope)| running(&format!("e{n}"), scope.clone())).collect();
        let plan = compile(&shop(&experiments));
        for url in &urls {
            let url = Url::split(url);
            let expected: Vec<usize> = (0..scopes.len())
                .filter(|&n| {
                    let (hosts, methods) = (strings(&scopes[n]["hosts"]), strings(&scopes[n]["methods"]));
                    let named = |host: &&str| {
                        let host = host.to_ascii_lowercase();
                        [url.host, url.host_name()].iter().any(|this| fits(host.as_bytes(), this.as_bytes()))
                    };
                    let on = |rules: &Value| rules.as_array().unwrap().iter().any(|rule| is_on(rule, &url));
                    (hosts.is_empty() || hosts.iter().any(named))
                        && if methods.is_empty() { method != "POST" } else { methods.iter().any(|name| name.eq_ignore_ascii_case(method) || (method == "HEAD" && name.eq_ignore_ascii_case("GET"))) }
                        && (scopes[n]["pages"].as_array().unwrap().is_empty() || on(&scopes[n]["pages"]))
                        && !on(&scopes[n]["except_pages"])
                })
                .collect();
            prop_assert_eq!(plan.on_page(method, &url).into_iter().map(Position::number).collect::<Vec<_>>(), expected.clone(), "{}", url.whole);
            prop_assert_eq!(plan.presence(method, &url, crate::support::now()) == Presence::Live, !expected.is_empty());
        }
    }
}

/// A hostile glob costs the product of the lengths, not their power: this would not end in a lifetime otherwise.
#[test]
fn a_glob_cannot_be_made_to_run_away() {
    let glob = Pattern::glob(&format!("{}c", "*a".repeat(200)));
    assert!(!glob.matches(&"a".repeat(8_000)));
    assert!(glob.matches(&format!("{}c", "a".repeat(8_000))));
}

/// People write letters, browsers send them escaped.
#[test]
fn patterns_match_paths_as_browsers_spell_them() {
    for (rule, path) in [
        (json!("/größe"), "/gr%C3%B6%C3%9Fe"),
        (json!("/größe/*"), "/gr%C3%B6%C3%9Fe/x"),
        (json!({"contains": "two words"}), "/a/two%20words/b"),
        (json!({"exact": "/日本"}), "/%E6%97%A5%E6%9C%AC"),
        // as `new URL` spells them in browsers and in node
        (json!("/{new}/*"), "/%7Bnew%7D/x"),
        (json!({"exact": "/\"<>`^|[]'"}), "/%22%3C%3E%60^|[]'"),
        (json!({"contains": "'{`}\"<", "of": "query"}), "/x?a=%27{`}%22%3C"),
        (json!({"suffix": "/{a}?b={c}", "of": "url"}), "/%7Ba%7D?b={c}"),
        (json!({"prefix": "/100%25"}), "/100%25/off"),
    ] {
        let compiled = PageRule::compile(&serde_json::from_value::<Page>(rule.clone()).unwrap());
        let url = format!("https://shop.example{path}");
        assert!(compiled.matches(&Url::split(&url)), "{rule}");
    }
}

#[test]
fn what_is_not_live_does_not_apply() {
    let url = Url::split("https://shop.example/");
    for (more, expected) in [
        (json!({}), true),
        (json!({"status": "draft"}), false),
        (json!({"status": "paused"}), false),
        (json!({"status": "completed"}), false),
        (json!({"starts_at": "2026-11-22T00:00:00Z"}), false),
        (json!({"ends_at": "2026-11-21T12:00:00Z"}), false),
        (json!({"pages": ["/other"]}), false),
        (json!({"methods": ["POST"]}), false),
        (json!({"hosts": ["other.example"]}), false),
        (json!({"hosts": ["SHOP.example"]}), true),
    ] {
        let plan = compile(&shop(&[running("hero", more.clone())]));
        let presence = plan.presence("GET", &url, crate::support::now());
        assert_eq!(presence == Presence::Live, expected, "{more}");
    }
}

/// `%c3` and `%C3` are one (RFC 3986, section 6.2.2.1). WordPress writes the one into its links, browsers make the other of
/// what people type, and pages of the first were in no experiment.
#[test]
fn escapes_are_the_same_in_either_case() {
    let rules = [
        json!("/größe"),
        json!("/gr%c3%b6%C3%9fe"),
        json!("/gr%C3%B6*"),
        json!({"suffix": "%9fe"}),
        json!({"contains": "ö", "of": "url"}),
        json!({"regex": "^/gr%c3%b6.*e$"}),
    ];
    for rule in rules {
        let plan =
            compile(&with(shop(&[running("one", json!({"pages": [&rule]}))]), json!({"cache": {"pages": [&rule]}})));
        for path in ["/gr%C3%B6%C3%9Fe", "/gr%c3%b6%c3%9fe", "/gr%C3%b6%c3%9Fe"] {
            let url = format!("https://shop.example{path}?q=%zz%a");
            let url = Url::split(&url);
            assert_eq!(plan.on_page("GET", &url).len(), 1, "{rule} at {path}");
            assert_eq!(plan.presence("GET", &url, now()), Presence::Live, "{rule} at {path}");
            assert!(plan.shares("GET", &url), "{rule} at {path}");
        }
        let other = Url::split("https://shop.example/gr%c3%a4%c3%9fe%");
        assert_eq!(plan.on_page("GET", &other).len(), 0, "{rule}");
    }
    let except = json!({"pages": ["/*"], "except_pages": ["/größe"]});
    let plan = compile(&shop(&[running("one", except)]));
    assert!(plan.on_page("GET", &Url::split("https://shop.example/gr%c3%b6%c3%9fe")).is_empty());
}
