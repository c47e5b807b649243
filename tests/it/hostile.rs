//! Requests that nobody would send: nothing panics, and everything has an answer.

use crate::assignments::cases;
use crate::support::{CHROME, HOME, Page, Sent, compile, html, running, shop, with};
use proptest::prelude::*;
use serde_json::{Value, json};
use sortition_engine::condition::{Attributes, FactKey};
use sortition_engine::document::Document;
use sortition_engine::execution::Answer;
use sortition_engine::facts::{Facts, Request};
use sortition_engine::plan::{Kill, Plan};
use sortition_engine::url::Url;
use sortition_engine::visitor::cookies;
use sortition_engine::visitor::crawler::Crawlers;

const FACTS: [&str; 32] = [
    "visitor_id",
    "user_id",
    "visitor_type",
    "url",
    "host",
    "path",
    "query.a",
    "referrer",
    "referrer_host",
    "utm.source",
    "country",
    "region",
    "region_code",
    "city",
    "continent",
    "postal_code",
    "timezone",
    "is_eu",
    "asn",
    "colo",
    "language",
    "device",
    "os",
    "browser",
    "browser_version",
    "cookie.a",
    "cookie.sortition_id",
    "header.x-a",
    "method",
    "query.utm_source",
    "header.cookie",
    "header.referer",
];

const HEADERS: [&str; 16] = [
    "user-agent",
    "cookie",
    "referer",
    "accept-language",
    "sec-gpc",
    "sec-purpose",
    "purpose",
    "if-none-match",
    "if-modified-since",
    "range",
    "accept-encoding",
    "x-user",
    "x-a",
    "host",
    "sortition-variants",
    "if-range",
];

const PROPERTIES: [&str; 8] =
    ["country", "asn", "isEUCountry", "verifiedBot", "city", "timezone", "colo", "postalCode"];

/// Bytes of all kinds, as the runtime hands them over, and pieces that the readers look for.
fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "=",
        ";",
        ",",
        "\"",
        " ",
        "%",
        "%4",
        "%zz",
        "%00",
        "+",
        "&",
        "?",
        "#",
        "/",
        "://",
        "@",
        ":",
        "[",
        "]",
        "\\",
        "W/\"",
        "*",
        "--st-",
        "sortition_id",
        "sortition_as",
        "sortition_session",
        "a",
        "1~",
        "hero.1.bold.gu2",
        "~",
        ".",
        "\u{0}",
        "\u{ff}",
        "é",
        "😀",
        "\r\n",
        "Mozilla/5.0 (",
        "Chrome/",
        "Safari/",
        ")",
        "en-US",
        ";q=",
        "-1",
        "NaN",
        "1e999",
        "999999999999999999999",
        "http",
        "x",
    ]);
    prop_oneof![any::<String>(), prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())]
}

fn sent() -> impl Strategy<Value = Sent> {
    let headers =
        prop::collection::btree_map(prop::sample::select(HEADERS.to_vec()).prop_map(str::to_owned), text(), 0..8);
    let properties =
        prop::collection::btree_map(prop::sample::select(PROPERTIES.to_vec()).prop_map(str::to_owned), text(), 0..4);
    (headers, properties).prop_map(|(headers, properties)| Sent { headers, properties })
}

/// A document that reads every fact and does everything.
fn curious() -> Plan {
    let audience: Vec<Value> = FACTS
        .iter()
        .filter(|fact| **fact != "query.utm_source")
        .flat_map(|fact| {
            [json!({*fact: {"$regexi": "x+y"}}), json!({*fact: {"$vgt": "1.2"}}), json!({*fact: {"$gt": 5}})]
        })
        .collect();
    let acting = json!([
        {"id": "control", "weight": 1},
        {"id": "bold", "weight": 1, "payload": {"a": "</script>"}, "response_headers": {"x-shown": "1"},
         "rewrite": [{"select": "h2", "do": "set_text", "value": "x"}]},
    ]);
    compile(&with(
        shop(&[
            running("hero", json!({"variants": acting, "audience": {"$nor": audience}})),
            running(
                "user",
                json!({"unit": "user", "else_unit": "session", "display": "once_per_visit", "variants": acting}),
            ),
            running("origin", json!({"expose": "origin", "pages": [{"regex": "a+", "of": "url"}, {"contains": "/"}]})),
            running(
                "selector",
                json!({"expose": "selector", "variants": acting, "except_pages": [{"suffix": "%", "of": "query"}]}),
            ),
        ]),
        json!({
            "visitor": {"user_header": "X-User", "user_cookie": "a"}, "bridge": "script",
            "crawlers": {"policy": "mirror"}, "consent": {"cookie": "a", "granted": ["", "a", "x"]},
        }),
    ))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(400), ..ProptestConfig::default() })]

    #[test]
    fn every_fact_of_every_request_can_be_read(sent in sent(), url in text(), method in text()) {
        let crawlers = Crawlers::default();
        let request = Request::new(&method, Url::split(&url), &sent, &crawlers);
        let facts = Facts { request: &request, person: None };
        for name in FACTS {
            if let Ok(key) = FactKey::parse(name) {
                let _ = facts.get(&key);
            }
        }
    }

    /// From request to answer: what is set can be sent, and what is told is what was decided.
    #[test]
    fn every_request_is_taken_to_its_end(
        sent in sent(),
        url in prop_oneof![text(), text().prop_map(|rest| format!("{HOME}{rest}"))],
        answer in (any::<u16>(), prop::option::of(text()), prop::option::of(text()), prop::option::of(text()), prop::option::of(text())),
    ) {
        static PLAN: std::sync::LazyLock<Plan> = std::sync::LazyLock::new(curious);
        let page = Page::new(&PLAN, &url, &sent);
        let intent = page.intent(|| [9; 16]);
        let _ = intent.for_origin(&PLAN, &page.request());
        let (status, etag, cache_control, expose, content_encoding) = &answer;
        let answer = Answer {
            status: *status,
            content_type: Some("text/html"),
            content_encoding: content_encoding.as_deref(),
            cache_control: cache_control.as_deref(),
            etag: etag.as_deref(),
            expose: expose.as_deref(),
            user: expose.as_deref(),
            versions: expose.as_deref(),
            variants: expose.as_deref(),
            assignments: etag.as_deref(),
            copy: None,
        };
        let odd = Answer { content_type: etag.as_deref(), ..html() };
        for answer in [answer, odd, html()] {
            let reply = intent.reply(&PLAN, &answer, Some(b"secret"));
            for cookie in crate::support::values(&reply.changes, "Set-Cookie") {
                prop_assert!(cookie.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{}", cookie);
                prop_assert!(cookie.len() <= 4_096);
            }
            for position in reply.exposed.iter().chain(&reply.watched) {
                prop_assert!(intent.decisions[*position].reason.acts());
            }
        }
        prop_assert!(intent.told_origin.is_ascii() && intent.told_client.is_ascii());
    }

    #[test]
    fn cookies_are_found_whatever_stands_around_them(before in text(), value in "[A-Za-z0-9._~-]{0,20}", after in text()) {
        let header = format!("{before};wanted={value};{after}");
        prop_assert!(cookies::values(&header, "wanted").any(|found| found == value));
        let _ = cookies::values(&before, &after).count();
    }

    /// The parts of a URL are parts of it, in their order.
    #[test]
    fn a_url_is_split_without_loss(text in text()) {
        let url = Url::split(&text);
        prop_assert!(text.starts_with(url.whole));
        prop_assert!(!url.whole.contains('#'));
        for part in [url.scheme, url.host, url.query, url.host_name()] {
            prop_assert!(url.whole.contains(part));
        }
        prop_assert!(url.path.starts_with('/'));
        prop_assert!(url.path == "/" || url.whole.contains(url.path));
        prop_assert!(!url.path.contains('?'));
        let _ = (url.parameter("a"), url.is_loopback());
    }

    #[test]
    fn a_query_says_what_was_written(name in "[a-z]{1,3}", value in any::<String>()) {
        let escaped: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let url = format!("https://shop.example/?zzzz=1&{name}={escaped}&{name}=later");
        prop_assert_eq!(Url::split(&url).parameter(&name), Some(value));
    }

    /// Documents cut off or changed anywhere are refused or read, and what is read either compiles or says why not.
    #[test]
    fn any_document_is_read_or_refused(text in text(), cut in 0.0..1.0_f64, put in text()) {
        let _ = Document::parse(&text);
        let _ = Kill::parse(&text);
        let whole = include_str!("../../fixtures/demo/experiments.json");
        let at = (0..whole.len()).find(|&at| {
            #[allow(clippy::cast_precision_loss)]
            let share = at as f64 / whole.len() as f64;
            whole.is_char_boundary(at) && share >= cut
        });
        let (before, after) = whole.split_at(at.unwrap_or(whole.len()));
        for damaged in [before.to_owned(), format!("{before}{put}{after}"), format!("{before}{}", after.get(1..).unwrap_or(""))] {
            match Document::parse(&damaged) {
                Ok(document) => drop(Plan::compile(&document)),
                Err(problem) => prop_assert!(!problem.message.is_empty()),
            }
        }
    }
}

/// The demo's document, so that the damaged copies above are copies of something that works.
#[test]
fn the_undamaged_document_works() {
    let document = Document::parse(include_str!("../../fixtures/demo/experiments.json")).unwrap();
    assert!(!Plan::compile(&document).unwrap().experiments.is_empty());
}

#[test]
fn urls_are_split_as_the_standard_says() {
    for (text, scheme, host, name, path, query) in [
        ("https://shop.example/p?a=1#top", "https", "shop.example", "shop.example", "/p", "a=1"),
        ("https://shop.example", "https", "shop.example", "shop.example", "/", ""),
        ("https://shop.example?x=/y", "https", "shop.example", "shop.example", "/", "x=/y"),
        ("http://127.0.0.1:8787/", "http", "127.0.0.1:8787", "127.0.0.1", "/", ""),
        ("http://[::1]:8787/a", "http", "[::1]:8787", "[::1]", "/a", ""),
        ("http://[::1]/a", "http", "[::1]", "[::1]", "/a", ""),
        ("https://u:p@shop.example/@b", "https", "shop.example", "shop.example", "/@b", ""),
        ("/relative?q", "", "", "", "/relative", "q"),
        ("", "", "", "", "/", ""),
    ] {
        let url = Url::split(text);
        assert_eq!(
            (url.scheme, url.host, url.host_name(), url.path, url.query),
            (scheme, host, name, path, query),
            "{text}"
        );
    }
}

#[test]
fn only_ones_own_machine_is_loopback() {
    for (url, expected) in [
        ("http://localhost/", true),
        ("http://shop.localhost:8787/", true),
        ("http://127.0.0.1:8787/", true),
        ("http://127.8.9.10/", true),
        ("http://[::1]:8787/", true),
        ("http://127.0.0.1.shop.example/", false),
        ("http://127.shop.example/", false),
        ("http://localhost.shop.example/", false),
        ("http://128.0.0.1/", false),
        ("http://shop.example/", false),
    ] {
        assert_eq!(Url::split(url).is_loopback(), expected, "{url}");
    }
}

/// What each fact says, of one request that has them all.
#[test]
fn facts_are_those_of_the_request() {
    let sent = Sent::by(CHROME)
        .header("cookie", "a=1; a=2; b=\"q\"")
        .header("referer", "https://search.example:444/q?x")
        .header("accept-language", "de-CH,de;q=0.9")
        .header("x-a", "A")
        .property("country", "CH")
        .property("region", "Bern")
        .property("regionCode", "BE")
        .property("city", "Thun")
        .property("continent", "EU")
        .property("postalCode", "3600")
        .property("timezone", "Europe/Zurich")
        .property("colo", "ZRH")
        .property("asn", "3303");
    let plan_for = |condition: &Value| compile(&shop(&[running("hero", json!({"audience": condition}))]));
    let url = "https://shop.example:444/p/x?a=%C3%A4+b&utm_source=mail";
    let cases = [
        json!({"visitor_type": "new"}),
        json!({"user_id": {"$exists": false}}),
        json!({"url": url}),
        json!({"host": "shop.example"}),
        json!({"path": "/p/x"}),
        json!({"method": "GET"}),
        json!({"query.a": "ä b"}),
        json!({"query.b": {"$exists": false}}),
        json!({"utm.source": "mail"}),
        json!({"cookie.a": "1"}),
        json!({"cookie.b": "q"}),
        json!({"header.X-A": "A"}),
        json!({"referrer": "https://search.example:444/q?x"}),
        json!({"referrer_host": "search.example"}),
        json!({"language": "de-CH"}),
        json!({"device": "desktop"}),
        json!({"browser_version": {"$vgte": "131"}}),
        json!({"country": "CH"}),
        json!({"region": "Bern"}),
        json!({"region_code": "BE"}),
        json!({"city": "Thun"}),
        json!({"continent": "EU"}),
        json!({"postal_code": "3600"}),
        json!({"timezone": "Europe/Zurich"}),
        json!({"colo": "ZRH"}),
        json!({"asn": 3303}),
        json!({"is_eu": false}),
    ];
    for condition in cases {
        for (condition, expected) in [(condition.clone(), true), (json!({"$not": condition}), false)] {
            let plan = plan_for(&condition);
            let intent = Page::new(&plan, url, &sent).intent(|| [7; 16]);
            assert_eq!(intent.decisions[0].reason.acts(), expected, "{condition}");
        }
    }
}
