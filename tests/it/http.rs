//! HTTP to the letter: conditions, charsets, `no-transform`, the last word on caching, what stands in for what, previews,
//! and shared copies.

use crate::support::{
    CHROME, GOOGLEBOT, HOME, Page, Sent, at, compile, html, nth, nth_mut, removes, running, shop, values, variant_at,
    with,
};
use serde_json::{Value, json};
use sortition_engine::document::Preview;
use sortition_engine::execution::once::Exposed;
use sortition_engine::execution::shared::{Copies, CopyHead, Next, is_known, reads_gzip};
use sortition_engine::execution::{Answer, Charset, HeaderChange, Intent, NotRewritten, unfinished};
use sortition_engine::plan::Plan;
use sortition_engine::sender::{PreviewRequest, preview};
use sortition_engine::url::Url;
use sortition_engine::visitor::VisitorId;
use sortition_engine::visitor::assignments::{Assignments, Bearer, IdProof, tag_key};
use sortition_engine::visitor::handover::{Handover, joined};
use sortition_engine::visitor::preview::{Ignored, Token};

const ENTROPY: [u8; 16] = [7; 16];

/// Half of the people get a heading rewritten.
fn rewriting() -> Plan {
    compile(&shop(&[running(
        "hero",
        json!({"pages": ["/*"], "variants": [
            {"id": "control", "weight": 1},
            {"id": "bold", "weight": 1, "rewrite": [{"select": "h2", "do": "set_text", "value": "x"}]}]}),
    )]))
}

/// Half of the people get a variant that the origin renders.
fn rendered() -> Plan {
    compile(&shop(&[running("hero", json!({"pages": ["/api/*", "/"]}))]))
}

fn intent(plan: &Plan, method: &str, sent: &Sent) -> Intent {
    Page { method, ..Page::new(plan, HOME, sent) }.intent(|| ENTROPY)
}

/// A visitor who gets the variant at this position.
#[track_caller]
fn person(plan: &Plan, variant: usize) -> Sent {
    let named = |n: usize| Sent::by(CHROME).header("cookie", &format!("sortition_id=visitor-{n}"));
    (0..100)
        .map(named)
        .find(|sent| intent(plan, "GET", sent).decisions[0].variant == Some(variant_at(variant)))
        .unwrap()
}

/// What becomes of a header on its way to the origin: `None`: it stays as it came.
fn asked(plan: &Plan, method: &str, sent: &Sent, name: &str) -> Option<Option<String>> {
    let page = Page { method, ..Page::new(plan, HOME, sent) };
    let changes = page.intent(|| ENTROPY).for_origin(plan, &page.request());
    let set = values(&changes, name).first().map(|value| (*value).to_owned());
    (set.is_some() || removes(&changes, name)).then_some(set)
}

fn tag(plan: &Plan, sent: &Sent, etag: &str) -> String {
    let reply = intent(plan, "GET", sent).reply(plan, &Answer { etag: Some(etag), ..html() }, None);
    values(&reply.changes, "ETag")[0].to_owned()
}

/// A validator that we hand out comes back as the origin's own, in every condition and for every method. `If-Match` used
/// to get a 412, and `If-Range` the whole file.
#[test]
fn every_condition_is_translated_with_the_validator() {
    let plan = rendered();
    let [control, bold] = [0, 1].map(|variant| person(&plan, variant).returning(&plan));
    let kept = tag(&plan, &control, "\"v1\"");
    assert!(!kept.starts_with("W/"), "the body is the origin's, and strong conditions need a strong tag");
    let other = tag(&plan, &bold, "\"v1\"");
    let own = Some(Some("\"v1\"".to_owned()));
    for (method, name, header, value, expected) in [
        ("GET", "if-none-match", "If-None-Match", &kept, own.clone()),
        ("GET", "if-match", "If-Match", &kept, own.clone()),
        ("GET", "if-match", "If-Match", &other, None),
        ("HEAD", "if-none-match", "If-None-Match", &kept, own.clone()),
        ("HEAD", "if-none-match", "If-None-Match", &other, Some(None)),
    ] {
        let sent = control.clone().header(name, value);
        assert_eq!(asked(&plan, method, &sent, header), expected, "{method} {name}: {value}");
    }
    // the origin would not know the tag, and a date is the same for all variants: then the whole page it is
    let date = "Sat, 21 Nov 2026 12:00:00 GMT".to_owned();
    for (condition, expected) in [(&kept, own), (&other, Some(None)), (&date, Some(None))] {
        let sent = control.clone().header("range", "bytes=0-9").header("if-range", condition);
        assert_eq!(asked(&plan, "GET", &sent, "If-Range"), expected, "{condition}");
        let goes = expected == Some(None);
        assert_eq!(asked(&plan, "GET", &sent, "Range"), goes.then_some(None), "{condition}");
    }
    let sent = control.clone().header("range", "bytes=0-9");
    assert_eq!(asked(&plan, "GET", &sent, "Range"), None, "a part of what is not rewritten is a part of it");
}

/// What a client changes is behind the page of every variant: an order put under the control is the treatment's too.
#[test]
fn what_changes_something_is_conditional_on_the_origins_own_state() {
    let plan = compile(&shop(&[running("hero", json!({"pages": ["/"], "methods": ["GET", "PUT"]}))]));
    let (control, bold) = (person(&plan, 0), person(&plan, 1));
    let kept = tag(&plan, &control, "\"v1\"");
    for (sent, value, expected) in [
        (&control, kept.clone(), Some("\"v1\"")),
        (&bold, kept.clone(), Some("\"v1\"")),
        (&control, format!("\"a\", {kept}"), Some("\"a\", \"v1\"")),
        (&control, "*".to_owned(), None),
        (&control, "\"v1\"".to_owned(), None),
        (&control, "\"v1--st-12345678\"".to_owned(), None),
    ] {
        for (name, header) in [("if-match", "If-Match"), ("if-none-match", "If-None-Match")] {
            let expected = expected.map(|value| Some(value.to_owned()));
            assert_eq!(asked(&plan, "PUT", &sent.clone().header(name, &value), header), expected, "{name}: {value}");
        }
    }
}

/// A raw separator in a header once forged others towards the origin. Nothing of a header goes on but what was read.
#[test]
fn no_control_character_of_a_condition_goes_on() {
    let plan = rewriting();
    let bold = person(&plan, 1);
    let kept = tag(&plan, &bold, "\"v1\"");
    for (name, value) in [
        ("if-none-match", format!("{kept}, \"a\u{1f}=Sortition-Visitor\u{1f}b\"")),
        ("if-match", format!("{kept}, a\u{1f}=Sortition-Visitor\u{1f}b")),
        ("accept-encoding", "gzip;\u{1f}=Sortition-Visitor\u{1f}b, br;q=0.5".to_owned()),
        ("accept-encoding", "gzip\u{1f}=Sortition-Visitor\u{1f}b".to_owned()),
    ] {
        let sent = bold.clone().header(name, &value);
        let page = Page::new(&plan, HOME, &sent);
        for change in page.intent(|| ENTROPY).for_origin(&plan, &page.request()) {
            let text = format!("{change:?}");
            assert!(!text.contains("u{1f}") && !text.contains("=Sortition-Visitor"), "{name}: {text}");
        }
    }
}

/// `Cache-Control: no-transform` forbids to change the page, so nobody is exposed to what a change would have shown.
#[test]
fn what_must_not_be_transformed_is_not() {
    let plan = rewriting();
    let bridged = compile(&with(shop(&[running("hero", json!({}))]), json!({"bridge": "script"})));
    for control in ["no-transform", "public, No-Transform , max-age=60"] {
        let answer = Answer { cache_control: Some(control), ..html() };
        for variant in [0, 1] {
            let reply = intent(&plan, "GET", &person(&plan, variant)).reply(&plan, &answer, None);
            assert!(!reply.rewrite && reply.exposed.is_empty() && reply.watched.is_empty(), "{control} {variant}");
            assert_eq!(reply.not_rewritten, (variant == 1).then_some(NotRewritten::Forbidden));
            assert!(!removes(&reply.changes, "Content-Length"));
            assert!(values(&reply.changes, "Cache-Control")[0].starts_with("private"));
        }
        let reply = intent(&bridged, "GET", &person(&bridged, 1)).reply(&bridged, &answer, None);
        assert!(!reply.rewrite && reply.exposed == [0], "what the origin renders is met all the same");
    }
    let answer = Answer { cache_control: Some("x=\"no-transform\""), ..html() };
    assert!(intent(&plan, "GET", &person(&plan, 1)).reply(&plan, &answer, None).rewrite);
}

/// Charsets as browsers read them. On eight of these the rewriter once threw, and the origin's page of one variant left as
/// `public`.
#[test]
fn charsets_are_read_as_browsers_read_them() {
    let plan = rewriting();
    let bold = person(&plan, 1);
    let utf8 = Some(Charset::Utf8);
    let ascii = Some(Charset::Ascii);
    let cases = [
        ("text/html; charset=utf-8", utf8),
        ("text/html;charset=UTF-8", utf8),
        ("Text/HTML ; Charset=utf8", utf8),
        ("text/html; charset=\"utf-8\"", utf8),
        ("text/html; charset=\"UTF\\-8\"", utf8),
        ("text/html; charset= utf-8", utf8),
        ("text/html; charset=utf-8; charset=utf-16", utf8),
        ("text/html; version=1; charset=unicode-1-1-utf-8", utf8),
        ("text/html; charset=utf-8, text/html", utf8),
        ("text/plain; charset=utf-16, text/html; charset=utf-8", utf8),
        ("text/html; charset=utf-16, text/html; charset=utf-8", utf8),
        ("text/html", ascii),
        ("text/html;", ascii),
        ("text/html; charset", ascii),
        ("text/html; charset=", ascii),
        ("text/html; charset='utf-8'", ascii),
        ("text/html; charset=utf_8", ascii),
        ("text/html; charset=none", ascii),
        ("text/html; charset=\u{e9}", ascii),
        ("text/html; charset=iso-8859-1", ascii),
        ("text/html; charset=windows-1251", ascii),
        ("text/html; charset=shift_jis", ascii),
        ("text/html; charset=gb18030", ascii),
        ("text/html; charset=utf-7", ascii),
        ("text/html; charset=utf-16", Some(Charset::Unreadable)),
        ("text/html; charset=UTF-16BE", Some(Charset::Unreadable)),
        ("text/html; charset=unicode", Some(Charset::Unreadable)),
        ("text/html; charset=ucs-2", Some(Charset::Unreadable)),
        ("text/html; charset=iso-2022-jp", Some(Charset::Unreadable)),
        ("text/html; charset=hz-gb-2312", Some(Charset::Unreadable)),
        ("text/html, application/json", None),
        ("text/html+xml", None),
        ("text/htm", None),
        ("text/plain; a=\"text/html\"", None),
        ("html", None),
        ("", None),
        (",", None),
    ];
    for (content_type, expected) in cases {
        let answer = Answer { content_type: Some(content_type), ..html() };
        let reply = intent(&plan, "GET", &bold).reply(&plan, &answer, None);
        let rewritten = matches!(expected, Some(Charset::Utf8 | Charset::Ascii));
        assert_eq!(reply.rewrite, rewritten, "{content_type}");
        assert_eq!(reply.exposed.is_empty(), !rewritten, "{content_type}");
        let unreadable = expected == Some(Charset::Unreadable);
        assert_eq!(reply.not_rewritten, unreadable.then_some(NotRewritten::Charset), "{content_type}");
        if rewritten {
            assert_eq!(Some(reply.charset), expected, "{content_type}");
            // what the rewriter is told instead is its to know, and the page's own header is put back
            let told = match (reply.charset, reply.relabelled) {
                (Charset::Utf8, None) => continue,
                (_, told) => told.unwrap(),
            };
            let carrier = if reply.charset == Charset::Utf8 { "utf-8" } else { "windows-1252" };
            assert_eq!(told, format!("text/html; charset={carrier}"), "{content_type}");
            assert_eq!(values(&reply.changes, "Content-Type"), [content_type]);
        }
    }
}

/// A page of a charset that keeps `<` where it is, and one that does not: as the Encoding Standard's tables say, through
/// the library that browsers and the rewriter share.
#[test]
fn the_labels_are_those_of_the_encoding_standard() {
    let plan = rewriting();
    let bold = person(&plan, 1);
    let labels = "866 ansi_x3.4-1968 arabic ascii asmo-708 big5 big5-hkscs chinese cn-big5 cp1250 cp1251 cp1252 cp1253 \
        cp1254 cp1255 cp1256 cp1257 cp1258 cp819 cp866 csbig5 cseuckr cseucpkdfmtjapanese csgb2312 csibm866 csiso2022jp \
        csiso2022kr csiso58gb231280 csiso88596e csiso88596i csisolatin1 csisolatinarabic cskoi8r csksc56011987 csmacintosh \
        csshiftjis csunicode cyrillic dos-874 ecma-114 elot_928 euc-jp euc-kr gb18030 gb2312 gbk greek greek8 hebrew \
        hz-gb-2312 ibm819 ibm866 iso-10646-ucs-2 iso-2022-cn iso-2022-cn-ext iso-2022-jp iso-2022-kr iso-8859-1 \
        iso-8859-15 iso-8859-2 iso-8859-6 iso-8859-8 iso-8859-8-i iso-ir-100 iso-ir-58 iso8859-1 iso_8859-1 ibm866 koi \
        koi8 koi8-r koi8-ru koi8-u korean ks_c_5601-1987 ksc5601 l1 latin1 latin2 logical mac macintosh ms932 ms_kanji \
        replacement shift-jis shift_jis sjis sun_eu_greek tis-620 ucs-2 unicode unicode-1-1-utf-8 unicode11utf8 \
        unicode20utf8 unicodefeff unicodefffe us-ascii utf-16 utf-16be utf-16le utf-8 utf8 visual windows-1250 \
        windows-1252 windows-31j windows-874 windows-949 x-cp1252 x-euc-jp x-gbk x-mac-cyrillic x-mac-roman x-sjis \
        x-unicode20utf8 x-user-defined x-x-big5 nonsense utf_8 utf-32";
    for label in labels.split_whitespace() {
        let content_type = format!("text/html; charset={label}");
        let answer = Answer { content_type: Some(&content_type), ..html() };
        let reply = intent(&plan, "GET", &bold).reply(&plan, &answer, None);
        let encoding = encoding_rs::Encoding::for_label(label.as_bytes());
        let readable = encoding.is_none_or(|it| it.is_ascii_compatible() && it != encoding_rs::REPLACEMENT);
        assert_eq!(reply.rewrite, readable, "{label}");
        let utf8 = encoding == Some(encoding_rs::UTF_8);
        assert!(!readable || (reply.charset == Charset::Utf8) == utf8, "{label}");
    }
}

/// Headers of variants cannot say anything of caches, whatever got them into a plan; `check` refuses them before.
#[test]
fn the_last_word_on_caching_is_one() {
    let mut plan = compile(&with(shop(&[running("hero", json!({}))]), json!({"preview": "open"})));
    for name in ["Cache-Control", "CDN-Cache-Control", "cloudflare-cdn-cache-control", "EXPIRES", "Age", "Vary", "etag"]
    {
        nth_mut(&mut plan, 0).variants[1].response_headers.push((name.into(), "public, s-maxage=600".into()));
    }
    nth_mut(&mut plan, 0).variants[1].response_headers.push(("X-Shop".into(), "1".into()));
    let bold = person(&plan, 1);
    let named = |changes: &[HeaderChange]| -> Vec<String> {
        let name = |change: &HeaderChange| match change {
            HeaderChange::SetNamed(name, _) => Some(name.to_string()),
            _ => None,
        };
        changes.iter().filter_map(name).collect()
    };
    for (before, after) in [(Some("private"), None), (None, Some("private")), (Some("public"), Some("private"))] {
        let reply = intent(&plan, "GET", &bold).reply(&plan, &Answer { cache_control: before, ..html() }, None);
        assert_eq!(named(&reply.changes), ["X-Shop"]);
        assert_eq!(values(&reply.changes, "Cache-Control").first().copied(), after, "{before:?}");
        assert_eq!(values(&reply.changes, "Vary"), ["Cookie"]);
    }
    let previewed = Page { preview: &[(0, 1)], ..Page::new(&plan, HOME, &bold) }.intent(|| ENTROPY);
    let answer = Answer { cache_control: Some("public"), etag: Some("\"x\""), ..html() };
    let changes = previewed.reply(&plan, &answer, None).changes;
    assert_eq!(values(&changes, "Cache-Control"), ["private, no-store"]);
    assert!(removes(&changes, "ETag") && values(&changes, "ETag").is_empty());
    assert_eq!(named(&changes), ["X-Shop"]);
}

/// Every answer of our own is nobody's to keep, and so is one that could not be finished.
#[test]
fn what_is_not_finished_or_not_the_origins_is_not_kept() {
    let changes = unfinished();
    assert_eq!(values(&changes, "Cache-Control"), ["private, no-store"]);
    for name in ["CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Surrogate-Control"] {
        assert!(removes(&changes, name), "{name}");
    }
    for name in ["Expose", "User", "Versions", "Variants", "Visitor"] {
        assert!(removes(&changes, &format!("Sortition-{name}")), "{name}");
    }
    let variants = json!([{"id": "control", "weight": 0}, {"id": "b", "weight": 1, "redirect": {"to": "/b"}}]);
    let plan = compile(&shop(&[running("moved", json!({"pages": ["/"], "variants": variants}))]));
    let sent = Sent::by(CHROME);
    let page = Page::new(&plan, HOME, &sent);
    let visit = page.visit(|| ENTROPY);
    let early = visit.early().unwrap();
    assert_eq!(values(&early.changes, "Cache-Control"), ["private, no-store"]);
    // why: an answer of our own has no header that could be removed
    assert_eq!(values(&early.changes, "CDN-Cache-Control"), [""; 0]);
}

/// An origin may send the page that a redirect leads to back to where it came from, which no document shows.
#[test]
fn a_redirect_that_leads_back_is_given_up_for_that_page_and_browser() {
    let variants = json!([{"id": "control", "weight": 0}, {"id": "b", "weight": 1, "redirect": {"to": "/b"}}]);
    let plan = compile(&shop(&[running("moved", json!({"pages": ["/sale*"], "variants": variants}))]));
    let hops = |url: &str, cookie: &str| {
        let sent = Sent::by(CHROME).header("cookie", &format!("sortition_hops={cookie}"));
        let page = Page::new(&plan, url, &sent);
        let visit = page.visit(|| ENTROPY);
        let told = &visit.intent().told_origin;
        assert_eq!(told.is_empty(), visit.early().is_none(), "who is not sent away is told the control");
        let cookies = values(&visit.early()?.changes, "Set-Cookie");
        let cookie = cookies.iter().find_map(|it| it.strip_prefix("sortition_hops="))?;
        let (value, attributes) = cookie.split_once(';').unwrap();
        assert_eq!(attributes.trim(), "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=10");
        Some(value.to_owned())
    };
    let sale = |cookie: &str| hops("https://shop.example/sale?a=1", cookie);
    let mut cookie = String::new();
    for _ in 0..4 {
        cookie = sale(&cookie).unwrap();
    }
    assert_eq!(sale(&cookie), None);
    let other = hops("https://shop.example/sale/boots", &cookie).unwrap();
    assert_eq!(sale(&other), None, "two pages that lead to each other");
    for number in 0..40 {
        cookie = hops(&format!("https://shop.example/sale/{number}"), &cookie).unwrap();
        assert!(cookie.len() < 24, "{cookie}");
    }
    for junk in ["", ".", "1", "abcd", "abcd9", "€€€€1", "ab,c1", "\"<b>1", "abcd256", &"abcd1.".repeat(500)] {
        let next = sale(junk).unwrap();
        assert!(
            next.len() < 24 && next.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
            "{next}"
        );
    }
}

/// An origin that sends back what it was told tells crawlers nothing.
#[test]
fn a_crawler_is_told_nothing_by_an_echo() {
    let plan = rendered();
    let reply = intent(&plan, "GET", &Sent::by(GOOGLEBOT)).reply(&plan, &html(), None);
    assert!(removes(&reply.changes, "Sortition-Variants"));
}

#[track_caller]
fn canonical(pages: Value, hosts: Value, to: &str, url: &str) -> Option<String> {
    let variants = json!([{"id": "control", "weight": 1}, {"id": "b", "weight": 1, "redirect": {"to": to}}]);
    let more = json!({"pages": pages, "hosts": hosts, "variants": variants});
    let document = with(shop(&[running("moved", more)]), json!({"redirect_hosts": ["m.shop.example"]}));
    let plan = compile(&document);
    let sent = Sent::by(CHROME);
    let page = Page::new(&plan, url, &sent);
    let reply = page.intent(|| ENTROPY).reply(&plan, &html(), None);
    let link = values(&reply.changes, "Link").first().map(|link| (*link).to_owned());
    let seen = plan.presence("GET", &Url::split(url), crate::support::now());
    assert!(link.is_none() || seen == sortition_engine::plan::Presence::Live, "or the worker does not look");
    link.map(|link| link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"canonical\"").unwrap().to_owned())
}

/// The page that a redirect leads to names its original: on the original's own host, and of a family of pages the one
/// that the family is called by. It was missing for globs, and named the wrong host across hosts.
#[test]
fn the_target_of_a_redirect_names_its_original() {
    let here = "https://shop.example/b";
    let mobile = "https://m.shop.example/b";
    let only = json!(["shop.example"]);
    for (pages, hosts, to, url, expected) in [
        (json!(["/a"]), json!([]), "/b", here, Some("https://shop.example/a")),
        (json!(["/a"]), json!([]), "/b?x=1#y", "https://shop.example/b?x=1&q=2", Some("https://shop.example/a")),
        (json!(["/a"]), json!([]), "/b", "http://127.0.0.1:8787/b", Some("http://127.0.0.1:8787/a")),
        (json!(["/a*"]), json!([]), "/b", here, Some("https://shop.example/a")),
        (json!(["/p/*", "/sale*"]), json!([]), "/b", here, Some("https://shop.example/p/")),
        (json!(["/p/*", "/product"]), json!([]), "/b", here, Some("https://shop.example/product")),
        (json!(["/p/*/x"]), json!([]), "/b", here, Some("https://shop.example/p//x")),
        (json!([{"prefix": "/a"}]), json!([]), "/b", here, Some("https://shop.example/a")),
        (
            json!([{"exact": "https://shop.example/a", "of": "url"}]),
            only.clone(),
            "/b",
            here,
            Some("https://shop.example/a"),
        ),
        (json!(["/a?"]), json!([]), "/b", here, None),
        (json!([{"contains": "a"}]), json!([]), "/b", here, None),
        (json!([{"regex": "^/a"}]), json!([]), "/b", here, None),
        (json!(["/a"]), only.clone(), "https://m.shop.example/b", mobile, Some("https://shop.example/a")),
        (json!(["/a"]), only.clone(), "https://m.shop.example/b", here, None),
        (json!(["/a"]), only.clone(), "/b", mobile, None),
        (json!(["/a"]), only.clone(), "/b", here, Some("https://shop.example/a")),
        (json!(["/a"]), json!(["*.shop.example", "shop.example"]), "/b", mobile, Some("https://m.shop.example/a")),
        (json!(["/a"]), json!([]), "https://m.shop.example/b", mobile, None),
        (json!(["/b"]), only, "https://m.shop.example/b", mobile, Some("https://shop.example/b")),
        (json!(["/a"]), json!([]), "/b", "https://shop.example/c", None),
        (json!(["/a>b \"ö%20"]), json!([]), "/b", here, Some("https://shop.example/a%3Eb%20%22%C3%B6%20")),
        (json!(["/a"]), json!([]), "/b", "http://[::1]:8787/b", Some("http://[::1]:8787/a")),
        // a `Host` header is what its sender wrote: one of these ended the `<…>`, and the header said what they liked
        (json!(["/a"]), json!([]), "/b", "https://evil.example>/b", None),
        (json!(["/a"]), json!([]), "/b", "https://a\"b/b", None),
        (json!(["/a"]), json!([]), "/b", "https://a b/b", None),
        (json!(["/a"]), json!([]), "/b", "https://a\u{1}b/b", None),
        (json!(["/a"]), json!([]), "/b", "https:///b", None),
    ] {
        let found = canonical(pages.clone(), hosts.clone(), to, url);
        assert_eq!(found.as_deref(), expected, "{pages} {hosts} {to} {url}");
    }
}

/// What a link's token starts as a preview is what was read of it, not what it says: a token in an open preview once set
/// any cookie, or redirected anywhere.
#[test]
fn tokens_are_written_anew() {
    let plan = compile(&with(shop(&[running("hero", json!({}))]), json!({"preview": "open"})));
    let start = |query: &str| {
        let url = format!("https://shop.example/?sortition_preview={query}");
        let sent = Sent::by(CHROME);
        let request = Page::new(&plan, &url, &sent);
        preview(&plan, &request.request(), None, crate::support::now())
    };
    let kept = |query: &str| match start(query) {
        PreviewRequest::Start { token, clean } if clean == "/" => token.write(None),
        other => panic!("{query}: {other:?}"),
    };
    assert_eq!(kept("hero:bold"), "hero:bold");
    assert_eq!(kept("hero%3Abold.nav:new"), "hero:bold.nav:new");
    for hostile in [
        "hero:bold%1F=Location%1Fhttps://evil.example/",
        "hero:bold%1f%2BSet-Cookie%1fa=b",
        "hero:bold;%20Domain=evil.example",
        "hero:bold%0d%0aSet-Cookie:%20a=b",
        "hero:bold%00",
        "hero:b%C3%B6ld",
        "%22hero:bold",
    ] {
        assert_eq!(start(hostile), PreviewRequest::Ignored(Ignored::Malformed), "{hostile}");
    }
    let many = |count: usize| (0..count).map(|n| format!("e{n}:v")).collect::<Vec<_>>().join(".");
    let read = |text: &str| Token::read(text, Preview::Open, None, 0);
    assert_eq!(read(&many(32)).unwrap().choices.len(), 32);
    for count in [33, 34, 1000] {
        assert_eq!(read(&many(count)), Err(Ignored::Malformed), "{count}");
    }
    // a signed one keeps its signature, which is over the text that is written
    let secret: &[u8] = b"secret";
    let expires_at = Some(at("2027-01-01T00:00:00Z") / 1000);
    let signed = Token { expires_at, ..read("hero:bold").unwrap() }.write(Some(secret));
    let again = Token::read(&signed, Preview::Signed, Some(secret), crate::support::now()).unwrap();
    assert_eq!(again.write(Some(secret)), signed);
}

/// The links of the bar on a previewed page stay on its host, whatever its path begins with.
#[test]
fn the_links_of_a_previews_bar_stay_on_their_host() {
    let plan = compile(&with(shop(&[running("hero", json!({}))]), json!({"preview": "open"})));
    for (path, expected) in [
        ("/a/b?x=1", "/a/b?x=1&amp;"),
        ("//evil.example/", "/evil.example/?"),
        ("/\\evil.example/", "/evil.example/?"),
        ("/\\/evil.example/", "/evil.example/?"),
    ] {
        let sent = Sent::by(CHROME);
        let url = format!("https://shop.example{path}");
        let page = Page { preview: &[(0, 1)], ..Page::new(&plan, &url, &sent) };
        let bar = page.intent(|| [1; 16]).preview_bar(&plan, None).unwrap();
        let links: Vec<&str> = bar.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        // another variant, and the end of the preview
        assert_eq!(links.len(), 2, "{bar}");
        for link in links {
            assert!(link.starts_with(&format!("{expected}sortition_preview=")), "{path}: {link}");
        }
    }
}

/// The link that ends a preview leads back to the page, and never to another host: `/\evil.example/` did.
#[test]
fn the_end_of_a_preview_stays_on_its_host() {
    let plan = compile(&with(shop(&[running("hero", json!({}))]), json!({"preview": "open"})));
    for (path, expected) in [
        ("/a/b?x=1&sortition_preview=", "/a/b?x=1"),
        ("//evil.example/?sortition_preview=", "/evil.example/"),
        ("/\\evil.example/?sortition_preview=", "/evil.example/"),
        ("/\\/evil.example/?sortition_preview=", "/evil.example/"),
    ] {
        let sent = Sent::by(CHROME);
        let url = format!("https://shop.example{path}");
        let request = Page::new(&plan, &url, &sent);
        match preview(&plan, &request.request(), None, crate::support::now()) {
            PreviewRequest::End { clean } => assert_eq!(clean, expected, "{path}"),
            other => panic!("{path}: {other:?}"),
        }
    }
}

/// Which answers are everybody's, and for how long.
#[test]
fn a_copy_is_kept_where_the_origin_says_public_and_how_long() {
    let lifetime = |head: CopyHead<'_>| head.lifetime().map(|it| (it.fresh, it.stale));
    let plain = CopyHead { status: 200, cache_control: Some("public, max-age=60"), ..CopyHead::default() };
    let control = |text| lifetime(CopyHead { cache_control: Some(text), ..plain });
    for (text, expected) in [
        ("public, max-age=60", Some((60, 0))),
        ("PUBLIC,MAX-AGE=60", Some((60, 0))),
        ("public, s-maxage=60, max-age=0", Some((60, 0))),
        ("public, s-maxage=0, max-age=60", None),
        ("public, max-age=\"60\"", Some((60, 0))),
        ("public, max-age=60, max-age=10", Some((10, 0))),
        ("public, max-age=sixty", None),
        ("public, max-age=-1", None),
        ("public, max-age=60.5", None),
        ("public, max-age=99999999999999999999", Some((31_536_000, 0))),
        ("public, max-age=60, stale-while-revalidate=30", Some((60, 30))),
        ("public, max-age=60, stale-while-revalidate=30, must-revalidate", Some((60, 0))),
        ("public, max-age=60, stale-while-revalidate=30, proxy-revalidate", Some((60, 0))),
        ("public", None),
        ("max-age=60", None),
        ("private, public, max-age=60", None),
        ("public, max-age=60, no-store", None),
        ("public, max-age=60, no-cache", None),
        ("public, max-age=60, no-cache=\"Set-Cookie\"", None),
        ("public, max-age=60, private=\"a, b\"", None),
        ("x=\"public\", max-age=60", None),
        ("x=\"a, public\", max-age=60", None),
        ("", None),
    ] {
        assert_eq!(control(text), expected, "{text}");
    }
    for (head, expected) in [
        (CopyHead { status: 203, ..plain }, None),
        (CopyHead { status: 404, ..plain }, None),
        (CopyHead { is_particular: true, ..plain }, None),
        (CopyHead { vary: Some("Accept-Encoding"), ..plain }, Some((60, 0))),
        (CopyHead { vary: Some("accept-encoding , "), ..plain }, Some((60, 0))),
        (CopyHead { vary: Some("Accept-Encoding, Cookie"), ..plain }, None),
        (CopyHead { vary: Some("*"), ..plain }, None),
        (CopyHead { age: Some("59"), ..plain }, Some((1, 0))),
        (CopyHead { age: Some("61"), ..plain }, None),
        (CopyHead { age: Some("old"), ..plain }, None),
        (CopyHead { cache_control: None, ..plain }, None),
    ] {
        assert_eq!(lifetime(head), expected, "{head:?}");
    }
}

/// The first request of an isolate fetches a copy, the others wait for it; a stale one is shown while one request fetches
/// another; what is not for everybody is not looked for again for a minute.
#[test]
fn copies_are_fetched_once() {
    let now = 1e12;
    let public = CopyHead { status: 200, cache_control: Some("public, max-age=60"), ..CopyHead::default() };
    let mut copies = Copies::default();
    assert!(copies.wanted("a", now));
    assert_eq!(copies.found("a", None, 0, now), Next::Fetch);
    for _ in 0..49 {
        assert_eq!(copies.found("a", None, 0, now), Next::Wait { milliseconds: 10 }, "the origin is asked once");
    }
    let waits: Vec<Next> = (0..10).map(|looks| copies.found("a", None, looks, now)).collect();
    assert_eq!(waits[8], Next::Wait { milliseconds: 2560 });
    assert_eq!(waits[9], Next::Bypass, "nobody waits for ever");
    assert_eq!(copies.found("b", None, 0, now), Next::Fetch, "another page is another's");
    assert!(copies.answered("a", &public, false, now).is_some());
    copies.settled("a");
    assert_eq!(copies.found("a", Some((now, 60)), 3, now), Next::Hit { age: 0 });
    assert_eq!(copies.found("a", Some((now - 59_000.0, 60)), 0, now), Next::Hit { age: 59 });
    assert_eq!(copies.found("a", Some((now - 61_000.0, 60)), 0, now), Next::Refresh { age: 61 });
    assert_eq!(copies.found("a", Some((now - 61_000.0, 60)), 0, now), Next::Stale { age: 61 }, "one refreshes it");
    // the one that refreshed was cut off
    assert_eq!(copies.found("a", Some((now, 1)), 0, now + 31_000.0), Next::Refresh { age: 31 });
    // a clock that was turned back
    assert_eq!(copies.found("a", Some((now, 60)), 0, now - 5000.0), Next::Hit { age: 0 });
    let counts = copies.counts;
    assert_eq!((counts.hits, counts.stale, counts.misses, counts.bypassed), (3, 3, 1, 1));

    let private = CopyHead { cache_control: Some("private"), ..public };
    assert!(copies.answered("c", &private, false, now).is_none());
    assert!(!copies.wanted("c", now + 59_000.0));
    assert_eq!(copies.found("c", None, 3, now), Next::Bypass, "who waited for it too");
    assert!(copies.wanted("c", now + 61_000.0));
    // while the origin is down a stale copy is better than none
    let down = CopyHead { status: 503, ..public };
    assert!(copies.answered("d", &down, true, now).is_none() && copies.wanted("d", now));
    assert!(copies.answered("d", &private, true, now).is_none() && !copies.wanted("d", now));
    // nobody fills the memory
    for n in 0..5000 {
        let key = format!("https://shop.example/?{n}");
        copies.found(&key, None, 0, now);
        copies.answered(&key, &private, false, now);
        copies.forgo(&key, now);
    }
    assert!(format!("{copies:?}").len() < 400_000);
}

/// What an isolate saw of a copy a moment ago it need not look for again; what is over it has to.
#[test]
fn a_copy_is_remembered_for_a_second_while_it_is_fresh() {
    let now = 1e12;
    for (made, fresh, seen, expected) in [
        (now, 60, now, Some(0)),
        (now - 59_000.0, 60, now - 999.0, Some(59)),
        (now - 60_000.0, 60, now, None),
        (now, 60, now - 1000.0, None),
        // a clock that was turned back
        (now, 60, now + 1.0, None),
        (f64::NAN, 60, f64::NAN, None),
    ] {
        let mut copies = Copies::default();
        assert_eq!(copies.remembered(made, fresh, seen, now), expected, "{made} {fresh} {seen}");
        let counted = u64::from(expected.is_some());
        assert_eq!((copies.counts.hits, copies.counts.finished), (counted, counted));
    }
}

#[test]
fn who_reads_gzip_says_so() {
    let plan = compile(&shop(&[]));
    for (accepted, expected) in [
        ("gzip", true),
        ("br, GZIP", true),
        ("gzip;q=0.5", true),
        ("gzip ; q=1.0", true),
        ("gzip;q=0", false),
        ("gzip;q=0.000, br", false),
        ("gzip; Q=0", false),
        ("x-gzip, br", false),
        ("identity", false),
        ("*", false),
        ("", false),
    ] {
        let sent = Sent::by(CHROME).header("accept-encoding", accepted);
        assert_eq!(reads_gzip(&Page::new(&plan, HOME, &sent).request()), expected, "{accepted}");
    }
    assert!(!reads_gzip(&Page::new(&plan, HOME, &Sent::by(CHROME)).request()));
    // as Cloudflare sends it on
    for (client, expected) in [("identity", false), ("gzip", true), ("", true)] {
        let sent = Sent::by(CHROME).header("accept-encoding", "br, gzip").property("clientAcceptEncoding", client);
        assert_eq!(reads_gzip(&Page::new(&plan, HOME, &sent).request()), expected, "{client}");
    }
}

#[test]
fn a_copy_answers_conditions_by_the_weak_comparison() {
    for (etag, condition, known) in [
        (Some("\"v1\""), Some("\"v1\""), true),
        (Some("W/\"v1\""), Some("\"v1\""), true),
        (Some("\"v1\""), Some("W/\"v1\""), true),
        (Some("\"a,b\""), Some("\"x\", \"a,b\""), true),
        (Some("\"v1\""), Some("\"v2\""), false),
        (Some("\"v1\""), Some("*"), false),
        (Some("\"v1\""), Some("v1"), false),
        (Some("v1"), Some("v1"), false),
        (None, Some("\"v1\""), false),
        (Some("\"v1\""), None, false),
    ] {
        assert_eq!(is_known(etag, condition), known, "{etag:?} {condition:?}");
    }
}

/// A document that signs cannot do without its secret, and says so; an empty one is none.
#[test]
fn secrets_that_are_missing_are_named() {
    let visitor = |visitor: Value| compile(&with(shop(&[running("hero", json!({}))]), json!({"visitor": visitor})));
    let missing = |plan: &Plan, set: &[(&str, &str)]| -> Vec<String> {
        let is_set = |name: &str| set.iter().any(|(known, value)| *known == name && !value.is_empty());
        plan.missing_secrets(is_set).iter().map(ToString::to_string).collect()
    };
    assert_eq!(missing(&visitor(json!({})), &[]), [""; 0]);
    let signed = visitor(json!({"signed": true}));
    let message = "visitor.signed: the secret SORTITION_SECRET is missing or empty, so anybody may choose an id: set it by `wrangler secret put SORTITION_SECRET`";
    assert_eq!(missing(&signed, &[]), [message]);
    assert_eq!(missing(&signed, &[("SORTITION_SECRET", "")]), [message]);
    assert_eq!(missing(&signed, &[("SORTITION_SECRET", "s")]), [""; 0]);
    let user = visitor(json!({"user_cookie": "uid", "user_signed": true}));
    assert!(missing(&user, &[("SORTITION_SECRET", "s")])[0].contains("INGEST_SECRET"));
    let token = visitor(json!({"user_jwt": {"cookie": "t", "alg": "HS256"}}));
    assert!(missing(&token, &[])[0].contains("USER_JWT_SECRET"));
}

/// The assignments of the cookie that an answer sets.
#[track_caller]
fn kept(plan: &Plan, changes: &[HeaderChange], bearer: Bearer<'_>) -> Assignments {
    let cookies = values(changes, "Set-Cookie");
    let cookie = cookies.iter().find_map(|cookie| cookie.strip_prefix("sortition_as=")).unwrap();
    Assignments::read(cookie.split(';').next().unwrap(), plan, bearer)
}

#[track_caller]
fn is_kept(plan: &Plan, changes: &[HeaderChange]) -> bool {
    let bearer = Bearer { visitor: "", id: IdProof::Unsigned, key: None };
    kept(plan, changes, bearer).entries()[0].exposed
}

/// A watched page once sent a message on every view: when its element is met the headers are out, and no cookie could say
/// so. Now the isolate remembers, and the next view's cookie says it.
#[test]
fn an_exposure_that_no_cookie_could_keep_is_sent_once_a_day() {
    let plan = compile(&shop(&[running(
        "hero",
        json!({"expose": "selector", "variants": [
            {"id": "control", "weight": 1},
            {"id": "bold", "weight": 1, "rewrite": [{"select": "h2", "do": "remove"}]}]}),
    )]));
    for variant in [0, 1] {
        let sent = person(&plan, variant);
        let mut exposed = Exposed::default();
        let now = crate::support::now();
        let first = intent(&plan, "GET", &sent).reply(&plan, &html(), None);
        assert_eq!((first.watched.as_slice(), first.exposed.len()), (&[0][..], 0));
        assert!(!is_kept(&plan, &first.changes), "not met yet");
        // the element is met
        let key = intent(&plan, "GET", &sent).exposure_key(&plan, 0).unwrap();
        assert!(exposed.note(key, now) && !exposed.note(key, now));
        let mut again = intent(&plan, "GET", &sent);
        again.recall(&plan, &exposed);
        let reply = again.reply(&plan, &html(), None);
        assert!(reply.watched.is_empty() && reply.exposed.is_empty());
        assert!(is_kept(&plan, &reply.changes), "kept from now on");
        // another variant, another person and another day are others
        let mut other = intent(&plan, "GET", &person(&plan, 1 - variant));
        other.recall(&plan, &exposed);
        assert_eq!(other.reply(&plan, &html(), None).watched, [0]);
        assert!(!exposed.knows(key, now + 86_400_000) && !exposed.knows(key + 1, now));
        // nobody fills the memory
        for n in 0..100_000 {
            exposed.note(n, now);
        }
        assert!(!exposed.knows(key, now) && exposed.knows(99_999, now) && !exposed.knows(0, now));
    }
}

/// To a second worker the first one's headers come from outside, unless it proves that it has the secret. The tag is
/// over everything that it says, and of no use for another visitor.
#[test]
fn a_handover_is_believed_with_the_secret_alone() {
    let secret: &[u8] = b"shared";
    let handover = Handover {
        visitor: VisitorId::accept("visitor-1").unwrap(),
        returning: false,
        session: VisitorId::accept("session-1"),
        variants: "first=bold, *9=\"1\"".to_owned(),
    };
    let sealed = handover.seal(secret);
    let open =
        |header: &str, visitor: &str, variants: &str, secret: &[u8]| Handover::open(header, visitor, variants, secret);
    assert_eq!(open(&sealed, "visitor-1", &handover.variants, secret), Some(handover.clone()));
    let state = sealed.rsplit_once(';').unwrap().0;
    for (header, visitor, variants, secret) in [
        (&*sealed, "visitor-2", &*handover.variants, secret),
        (&sealed, "visitor-1", "first=control", secret),
        (&sealed, "visitor-1", "", secret),
        (&sealed, "visitor-1", &handover.variants, b"other"),
        (&sealed.replace("new", "known"), "visitor-1", &handover.variants, secret),
        (&sealed.replace("session-1", "session-2"), "visitor-1", &handover.variants, secret),
        (&sealed[..sealed.len() - 4], "visitor-1", &handover.variants, secret),
        (state, "visitor-1", &handover.variants, secret),
        ("", "visitor-1", &handover.variants, secret),
        ("new;;", "visitor-1", &handover.variants, secret),
        (&format!("{sealed};"), "visitor-1", &handover.variants, secret),
    ] {
        assert_eq!(open(header, visitor, variants, secret), None, "{header} {visitor} {variants}");
    }
    let hostile = Handover { variants: "a=b\u{1f}x".to_owned(), ..handover };
    assert_eq!(open(&hostile.seal(secret), "visitor-1", &hostile.variants, secret), None, "no control character");
    for (first, second, expected) in [
        ("a=b", "c=d", "a=b, c=d"),
        ("", "c=d", "c=d"),
        ("a=b", "", "a=b"),
        ("a=b", "a=c, d=e", "a=b, d=e"),
        ("a=b", "c=\"1d\", *2c=d", "a=b, c=\"1d\", *2c=d"),
        ("a=b", "c=d\u{1f}x, e, f=, =g, h=i;j, <k>=l, m = n", "a=b"),
    ] {
        assert_eq!(joined(first, second), expected);
    }
}

/// Two workers in a row, as pure functions: one id, both lists, one cookie.
#[test]
fn the_second_worker_acts_for_the_visitor_of_the_first() {
    let secret: &[u8] = b"shared";
    let plan = |id: &str| compile(&shop(&[running(id, json!({}))]));
    let (first, second) = (plan("first"), plan("second"));
    let from_browser = Sent::by(CHROME);
    let outer = Page { secret: Some(secret), ..Page::new(&first, HOME, &from_browser) }.visit(|| [1; 16]);
    let mut on_the_way = from_browser.clone();
    for change in outer.for_origin() {
        if let HeaderChange::Set(name, value) = change {
            on_the_way = on_the_way.header(&name.to_lowercase(), value);
        }
    }
    let id = &on_the_way.headers["sortition-visitor"];
    for (secret, believed) in [(Some(secret), true), (None, false), (Some(&b"other"[..]), false)] {
        let inner = Page { secret, ..Page::new(&second, HOME, &on_the_way) }.visit(|| [2; 16]);
        let visitor = inner.intent().visitor().unwrap();
        assert_eq!(visitor.id.as_str() == id, believed);
        let told = values(inner.for_origin(), "Sortition-Variants")[0];
        assert_eq!(told.starts_with("first="), believed, "{told}");
        assert!(told.contains("second="), "{told}");
        let finish = inner.finish(&html());
        let cookies = values(&finish.changes, "Set-Cookie");
        let handed = values(&finish.changes, "Sortition-Assignments");
        assert_eq!((cookies.len(), handed.len()), if believed { (0, 1) } else { (2, 0) });
        if believed {
            let variants = values(&finish.changes, "Sortition-Variants")[0];
            let answer = Answer { variants: Some(variants), assignments: Some(handed[0]), ..html() };
            let finish = outer.finish(&answer);
            let told = values(&finish.changes, "Sortition-Variants")[0];
            assert!(told.starts_with("first=") && told.contains(", second="), "{told}");
            let cookies = values(&finish.changes, "Set-Cookie");
            assert_eq!(cookies.len(), 2);
            let key = tag_key(b"shared");
            let bearer = Bearer { visitor: id, id: IdProof::Signed, key: Some(&key) };
            let assignments = kept(&first, &finish.changes, bearer);
            for plan in [&first, &second] {
                let key = nth(plan, 0).assignment_key;
                assert!(assignments.entries().iter().any(|entry| entry.key == key && entry.exposed));
            }
            assert!(removes(&finish.changes, "Sortition-Assignments"));
        }
    }
}
