//! Caches, validators and cookies: what leaves, to the letter.

use crate::assignments::cases;
use crate::support::{
    Browser, CHROME, GOOGLEBOT, HOME, Page, Sent, compile, html, removes, running, shop, values, with,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use sortition_engine::execution::{Answer, HeaderChange, Intent};
use sortition_engine::plan::{Kill, Plan, Position};
use sortition_engine::visitor::VisitorId;

const ENTROPY: [u8; 16] = [7; 16];

fn hero(more: Value) -> Plan {
    compile(&shop(&[running("hero", more)]))
}

fn intent(plan: &Plan, sent: &Sent) -> Intent {
    Page::new(plan, HOME, sent).intent(|| ENTROPY)
}

/// The `Cache-Control` that an answer leaves with, where it is changed.
fn left_with(plan: &Plan, sent: &Sent, cache_control: Option<&str>) -> Option<String> {
    let reply = intent(plan, sent).reply(plan, &Answer { cache_control, ..html() }, None);
    let set = values(&reply.changes, "Cache-Control");
    assert!(set.len() <= 1);
    set.first().map(|value| (*value).to_owned())
}

#[test]
fn what_depends_on_the_visitor_is_private() {
    let plan = hero(json!({}));
    let sent = Sent::by(CHROME);
    for (before, after) in [
        (None, Some("private")),
        (Some(""), Some("private")),
        (Some("public"), Some("private")),
        (Some("public, max-age=60"), Some("private, max-age=60")),
        (Some("PUBLIC,S-MaxAge=60 , max-age=5"), Some("private, max-age=5")),
        (Some("s-maxage=600, stale-while-revalidate=5"), Some("private, stale-while-revalidate=5")),
        (Some("max-age=60, must-revalidate"), Some("private, max-age=60, must-revalidate")),
        (Some("proxy-revalidate"), Some("private")),
        (Some("no-cache"), Some("private, no-cache")),
        (Some("no-cache=\"a, public\", public"), Some("private, no-cache=\"a, public\"")),
        (Some("private=\"set-cookie\""), Some("private")),
        (Some("private=\"set-cookie, x-a\", max-age=1"), Some("private, max-age=1")),
        (Some("immutable, public, max-age=31536000"), Some("private, immutable, max-age=31536000")),
        (Some(",, max-age=1,"), Some("private, max-age=1")),
        (Some("private"), None),
        (Some("Private, max-age=60"), None),
        (Some("no-store"), None),
        (Some("public, no-store"), None),
    ] {
        assert_eq!(left_with(&plan, &sent, before).as_deref(), after, "{before:?}");
    }
}

/// Headers that override `Cache-Control` in some cache go too; and what crawlers get depends on who asks as well.
#[test]
fn no_other_header_makes_it_public() {
    let plan = hero(json!({}));
    for agent in [CHROME, GOOGLEBOT] {
        let reply = intent(&plan, &Sent::by(agent)).reply(&plan, &html(), None);
        for name in ["CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Surrogate-Control", "Edge-Control"] {
            assert!(removes(&reply.changes, name), "{name}");
        }
        assert_eq!(values(&reply.changes, "Cache-Control"), ["private"]);
    }
}

/// What is the same for everybody is left as it is: killed, over, not begun.
#[test]
fn what_is_the_same_for_everybody_stays_as_it_is() {
    for more in [json!({"status": "paused"}), json!({"status": "draft"}), json!({"ends_at": "2026-11-01T00:00:00Z"})] {
        let plan = hero(more.clone());
        let reply = intent(&plan, &Sent::by(CHROME)).reply(&plan, &Answer { etag: Some("\"x\""), ..html() }, None);
        assert_eq!(reply.changes, [], "{more}");
    }
    let killed = compile(&with(shop(&[running("hero", json!({}))]), json!({"kill": true})));
    let sent = Sent::by(CHROME).header("if-none-match", "\"x\"");
    let intent = intent(&killed, &sent);
    let echoed = [HeaderChange::Remove("Sortition-Variants")];
    assert_eq!(intent.reply(&killed, &Answer { etag: Some("\"x\""), ..html() }, None).changes, echoed);
    let page = Page::new(&killed, HOME, &sent);
    let changes = intent.for_origin(&killed, &page.request());
    assert_eq!(values(&changes, "Sortition-Variants"), ["hero=control"], "the origin alone is told");
    assert_eq!(changes.len(), 1);
}

/// The tag that the browser keeps of an answer with this one.
fn scoped(plan: &Plan, sent: &Sent, etag: &str) -> Option<String> {
    let reply = intent(plan, sent).reply(plan, &Answer { etag: Some(etag), ..html() }, None);
    let tag = values(&reply.changes, "ETag").first().map(|tag| (*tag).to_owned());
    assert!(tag.is_some() || removes(&reply.changes, "ETag"));
    tag
}

/// The condition that the origin is sent for that of the browser; `None`: it is taken away.
fn asked(plan: &Plan, sent: &Sent, condition: &str) -> Option<String> {
    let sent = sent.clone().header("if-none-match", condition);
    let page = Page::new(plan, HOME, &sent);
    let changes = intent(plan, &sent).for_origin(plan, &page.request());
    let tag = values(&changes, "If-None-Match").first().map(|tag| (*tag).to_owned());
    assert!(tag.is_some() || removes(&changes, "If-None-Match"), "never passed on as it came");
    tag
}

/// Two visitors of different variants.
fn people(plan: &Plan) -> [Sent; 2] {
    let mut found: [Option<Sent>; 2] = [None, None];
    for n in 0..100 {
        let sent = Sent::by(CHROME).header("cookie", &format!("sortition_id=visitor-{n}"));
        let variant = intent(plan, &sent).decisions[0].variant.unwrap();
        found[variant.number()].get_or_insert(sent);
    }
    found.map(|sent| sent.unwrap().returning(plan))
}

#[test]
fn validators_tell_variants_and_revisions_apart() {
    let plan = hero(json!({}));
    let next = compile(&with(shop(&[running("hero", json!({}))]), json!({"revision": "2"})));
    let [control, bold] = people(&plan);
    for tag in ["\"a\"", "W/\"a\"", "\"\"", "\"a,b\"", "\"--st-\""] {
        let kept = scoped(&plan, &control, tag).unwrap();
        assert_eq!(kept.starts_with("W/"), tag.starts_with("W/"), "{kept}: the body is the origin's");
        assert_ne!(Some(&kept), scoped(&plan, &bold, tag).as_ref());
        assert_eq!(asked(&plan, &control, &kept).as_deref(), Some(tag), "the origin's own comes back");
        assert_eq!(asked(&plan, &bold, &kept), None, "of another variant: none");
        assert_eq!(asked(&next, &control, &kept), None, "of another revision: none");
        assert_eq!(asked(&plan, &control, tag), None, "of the time before the experiment: none");
        let other = scoped(&plan, &bold, tag).unwrap();
        let several = format!("\"x\", {other} ,{kept}, W/\"y\"");
        assert_eq!(asked(&plan, &control, &several).as_deref(), Some(tag));
        let strong = kept.trim_start_matches("W/");
        assert_eq!(asked(&plan, &control, strong).as_deref(), Some(tag), "a proxy that drops the mark of weakness");
    }
    let both = [scoped(&plan, &control, "\"a\"").unwrap(), scoped(&plan, &control, "W/\"b\"").unwrap()].join(", ");
    assert_eq!(asked(&plan, &control, &both).as_deref(), Some("\"a\", W/\"b\""));
    for hostile in ["*", "", "\"", "W/", "a", "\"a", ",,,", "W/\"", "\"\"\""] {
        assert_eq!(asked(&plan, &control, hostile), None, "{hostile}");
    }
    for broken in ["a", "\"a", "", "W/a", "w/\"a\"", "\"é\"", "\"a\u{1f}b\"", "\"a\"b\""] {
        assert_eq!(scoped(&plan, &control, broken), None, "{broken}: no tag is better than one that lies");
    }
}

/// The page of whoever was assigned the control is another than that of whoever was not asked: only one of them has a
/// bridge, and exposes. With one tag for both, a 304 after the consent kept the page without a bridge, and exposed those with
/// the treatment alone, whose page is new.
#[test]
fn validators_tell_the_control_from_no_consent_and_from_a_kill() {
    let control = json!({"variants": [{"id": "control", "weight": 1}, {"id": "bold", "weight": 0}]});
    let asking = Sent::by(CHROME).header("cookie", "sortition_id=visitor-1");
    let given = Sent::by(CHROME).header("cookie", "sortition_id=visitor-1; consent=yes");
    for bridge in ["none", "attribute"] {
        let both = [running("hero", control.clone()), running("price", control.clone())];
        let consent = json!({"cookie": "consent", "granted": ["yes"]});
        let document = with(shop(&both), json!({"bridge": bridge, "consent": consent}));
        let mut plan = compile(&document);
        let given = given.returning(&plan);
        let bare = scoped(&plan, &asking, "\"a\"").unwrap();
        let told = scoped(&plan, &given, "\"a\"").unwrap();
        assert_ne!(bare, told);
        let crawlers = scoped(&plan, &Sent::by(GOOGLEBOT), "\"a\"");
        assert_eq!(crawlers.as_ref(), Some(&bare), "a crawler's page is the same as theirs");
        assert_eq!(asked(&plan, &given, &bare), None, "after the consent the page is a new one");
        assert_eq!(asked(&plan, &asking, &told), None, "and without it again");
        assert_eq!(asked(&plan, &given, &told).as_deref(), Some("\"a\""));
        plan.apply(&Kill::parse("{\"experiments\": [\"hero\"]}").unwrap());
        let killed = scoped(&plan, &given, "\"a\"").unwrap();
        assert!(killed != told && killed != bare, "nobody is told of what is killed");
    }
}

/// A browser keeps a page longer than a session, a login or a cookie. Whoever was given the variant that it still had got a
/// 304, which exposes nobody, and whoever was given another was exposed: of nine sessions of a control one was recorded.
#[test]
fn nobody_is_told_that_nothing_is_new_who_was_not_exposed() {
    for (more, lost) in [
        (json!({}), "sortition_id"),
        (json!({"unit": "session"}), "sortition_session"),
        (json!({"expose": "selector"}), "sortition_id"),
    ] {
        let mut all = more.clone();
        all["variants"] = json!([{"id": "control", "weight": 1}, {"id": "bold", "weight": 0}]);
        let plan = hero(all);
        let mut browser = Browser::new(1);
        browser.visit(&plan, HOME);
        let with_cookies = |browser: &Browser| {
            let pairs: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            Sent::by(CHROME).header("cookie", &pairs.join("; "))
        };
        let known = with_cookies(&browser);
        let kept = scoped(&plan, &known, "\"a\"").unwrap();
        let is_met = more.get("expose").is_none();
        assert_eq!(asked(&plan, &known, &kept).is_some(), is_met, "{more}");
        browser.cookies.remove(lost);
        assert_eq!(asked(&plan, &with_cookies(&browser), &kept), None, "{more}: the page is new to them");
    }
}

#[test]
fn dates_and_ranges_cannot_tell_variants_apart() {
    let steps = json!([{"id": "bold", "weight": 1, "rewrite": [{"select": "h2", "do": "remove"}]}]);
    let plan = hero(json!({"variants": steps}));
    let sent = Sent::by(CHROME)
        .header("sec-fetch-dest", "document")
        .header("if-modified-since", "Sat, 21 Nov 2026 12:00:00 GMT")
        .header("range", "bytes=0-9")
        .header("if-range", "\"a\"")
        .header("accept-encoding", "gzip, deflate, br;q=0.5, zstd");
    let page = Page::new(&plan, HOME, &sent);
    let intent = intent(&plan, &sent);
    let changes = intent.for_origin(&plan, &page.request());
    for name in ["If-Modified-Since", "Range", "If-Range"] {
        assert!(removes(&changes, name), "{name}");
    }
    assert_eq!(values(&changes, "Accept-Encoding"), ["gzip, br;q=0.5"]);
    let reply = intent.reply(&plan, &html(), None);
    assert!(reply.rewrite);
    for name in ["Last-Modified", "Content-Length", "Accept-Ranges", "Digest", "Content-Digest"] {
        assert!(removes(&reply.changes, name), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(500), ..ProptestConfig::default() })]

    /// RFC 9110's entity tags, and several of them.
    #[test]
    fn tags_come_back(tags in prop::collection::vec("(W/)?\"[!#-~]{0,12}\"", 1..5)) {
        let plan = hero(json!({}));
        let sent = Sent::by(CHROME).header("cookie", "sortition_id=visitor-1").returning(&plan);
        let kept: Vec<String> = tags.iter().map(|tag| scoped(&plan, &sent, tag).unwrap()).collect();
        prop_assert_eq!(asked(&plan, &sent, &kept.join(", ")), Some(tags.join(", ")));
    }

    /// Whatever the origin says: what leaves is private or not stored, and no directive for shared caches is left.
    #[test]
    fn nothing_shared_is_left(directives in prop::collection::vec(
        prop::sample::select(vec!["public", "PUBLIC", "s-maxage=5", "max-age=5", "no-cache", "no-cache=\"a\"", "private", "private=\"a, b\"",
            "no-store", "must-revalidate", "proxy-revalidate", "x=\"public\"", "", "s-maxage = 5", "\""]), 0..6)) {
        let header = directives.join(", ");
        let left = left_with(&hero(json!({})), &Sent::by(CHROME), Some(&header)).unwrap_or(header);
        let words: Vec<String> = left.split(',').map(|word| word.trim().to_ascii_lowercase()).collect();
        prop_assert!(words.iter().any(|word| word == "private" || word == "no-store"), "{}", left);
    }
}

fn attributes(cookie: &str) -> Vec<&str> {
    let mut attributes: Vec<&str> = cookie.split("; ").skip(1).collect();
    attributes.sort_unstable();
    attributes
}

fn set_by(settings: Value, url: &str, sent: &Sent, secret: Option<&[u8]>) -> Vec<String> {
    let document = shop(&[running("hero", json!({})), running("visit", json!({"unit": "session"}))]);
    let plan = compile(&with(document, json!({"visitor": settings})));
    let page = Page { secret, ..Page::new(&plan, url, sent) };
    let reply = page.intent(|| ENTROPY).reply(&plan, &html(), secret);
    values(&reply.changes, "Set-Cookie").into_iter().map(str::to_owned).collect()
}

#[test]
fn cookies_are_set_to_the_letter() {
    let sent = Sent::by(CHROME);
    let year = "Max-Age=31536000";
    let https = HOME;
    let local = "http://127.0.0.1:8787/";
    for (settings, url, id, kept) in [
        (
            json!({}),
            https,
            vec![year, "Path=/", "SameSite=Lax", "Secure"],
            vec!["HttpOnly", year, "Path=/", "SameSite=Lax", "Secure"],
        ),
        (json!({}), local, vec![year, "Path=/", "SameSite=Lax"], vec!["HttpOnly", year, "Path=/", "SameSite=Lax"]),
        (
            json!({}),
            "http://shop.example/",
            vec![year, "Path=/", "SameSite=Lax", "Secure"],
            vec!["HttpOnly", year, "Path=/", "SameSite=Lax", "Secure"],
        ),
        (
            json!({}),
            "https://127.0.0.1/",
            vec![year, "Path=/", "SameSite=Lax", "Secure"],
            vec!["HttpOnly", year, "Path=/", "SameSite=Lax", "Secure"],
        ),
        (
            json!({"domain": "shop.example", "http_only": true, "max_age_days": 30}),
            https,
            vec!["Domain=shop.example", "HttpOnly", "Max-Age=2592000", "Path=/", "SameSite=Lax", "Secure"],
            vec!["Domain=shop.example", "HttpOnly", "Max-Age=2592000", "Path=/", "SameSite=Lax", "Secure"],
        ),
    ] {
        let cookies = set_by(settings.clone(), url, &sent, None);
        let named = |name: &str| cookies.iter().find(|cookie| cookie.starts_with(&format!("{name}="))).unwrap();
        assert_eq!(cookies.len(), 3);
        assert_eq!(attributes(named("sortition_id")), id, "{settings} {url}");
        assert_eq!(attributes(named("sortition_as")), kept, "{settings} {url}");
        let session: Vec<&str> = kept.iter().copied().filter(|attribute| !attribute.starts_with("Max-Age")).collect();
        assert_eq!(attributes(named("sortition_session")), session, "{settings} {url}");
        let value = named("sortition_id").split(';').next().unwrap();
        assert_eq!(value, "sortition_id=07070707-0707-4707-8707-070707070707", "a UUID of version 4");
    }
}

#[test]
fn another_cookie_may_hold_the_id() {
    let cookies = set_by(json!({"cookie": "vid"}), HOME, &Sent::by(CHROME), None);
    assert!(cookies.iter().any(|cookie| cookie.starts_with("vid=07070707-")));
    let sent = Sent::by(CHROME).header("cookie", "vid=12345678");
    assert!(!set_by(json!({"cookie": "vid"}), HOME, &sent, None).iter().any(|cookie| cookie.starts_with("vid=")));
}

#[test]
fn an_id_is_taken_where_it_can_be_one() {
    let long = "x".repeat(128);
    let longer = "x".repeat(129);
    for (value, taken) in [
        ("12345678", true),
        ("a.B_c~d-9", true),
        (&*long, true),
        ("1234567", false),
        (&*longer, false),
        ("12345678!", false),
        ("12345 678", false),
        ("1234567é", false),
        ("12345678%20", false),
        ("", false),
    ] {
        assert_eq!(VisitorId::accept(value).is_some(), taken, "{value}");
        let sent = Sent::by(CHROME).header("cookie", &format!("sortition_id={value}"));
        let replaced = set_by(json!({}), HOME, &sent, None).iter().any(|cookie| cookie.starts_with("sortition_id="));
        assert_eq!(replaced, !taken, "{value}");
    }
    let sent = Sent::by(CHROME).header("cookie", "sortition_id=bad; sortition_id=good-one-1");
    let plan = hero(json!({}));
    assert_eq!(intent(&plan, &sent).visitor().unwrap().id.as_str(), "good-one-1", "the first that can be one");
}

#[test]
fn a_signed_id_cannot_be_chosen() {
    let secret: &[u8] = b"secret";
    let signed = |sent: &Sent| {
        let cookies = set_by(json!({"signed": true}), HOME, sent, Some(secret));
        cookies.into_iter().find(|cookie| cookie.starts_with("sortition_id="))
    };
    let cookie = signed(&Sent::by(CHROME)).unwrap();
    let value = cookie.split(';').next().unwrap().strip_prefix("sortition_id=").unwrap().to_owned();
    let (id, tag) = value.rsplit_once('.').unwrap();
    assert_eq!((id.len(), tag.len()), (36, 22), "a UUID, and 128 bits in base64");
    let mut flipped = value.clone().into_bytes();
    flipped[0] ^= 1;
    let flipped = String::from_utf8(flipped).unwrap();
    for (value, accepted) in [
        (&*value, true),
        (id, false),
        (&*flipped, false),
        (&value[..value.len() - 2], false),
        ("chosen-by-me", false),
        ("chosen-by-me.", false),
        ("chosen-by-me.AAAAAAAAAAAAAAAAAAAAAA", false),
    ] {
        let sent = Sent::by(CHROME).header("cookie", &format!("sortition_id={value}"));
        assert_eq!(signed(&sent).is_none(), accepted, "{value}");
    }
    assert!(VisitorId::accept_signed(&value, b"another").is_none());
    assert_eq!(VisitorId::accept_signed(&value, secret).unwrap().0.as_str(), id);
}

/// A 304 for the navigation after it would expose nobody, so a page that is fetched ahead has no validator.
#[test]
fn a_prefetch_has_no_validator() {
    let plan = hero(json!({}));
    let sent = Sent::by(CHROME).header("sec-purpose", "prefetch");
    let tagged = Answer { etag: Some("\"v1\""), ..html() };
    let reply = intent(&plan, &sent).reply(&plan, &tagged, None);
    assert!(removes(&reply.changes, "ETag") && values(&reply.changes, "ETag").is_empty());
    let reply = intent(&plan, &Sent::by(CHROME)).reply(&plan, &tagged, None);
    assert_eq!(values(&reply.changes, "ETag").len(), 1);
}

/// With hundreds of experiments `Server-Timing` does not repeat all of `Sortition-Variants`.
#[test]
fn server_timing_stays_short() {
    for (count, cut) in [(3, false), (300, true)] {
        let experiments: Vec<Value> = (0..count).map(|n| running(&format!("experiment-{n}"), json!({}))).collect();
        let plan = compile(&shop(&experiments));
        let reply = intent(&plan, &Sent::by(CHROME)).reply(&plan, &html(), None);
        let timing = values(&reply.changes, "Server-Timing")[0];
        assert!(timing.len() < 600, "{}", timing.len());
        assert!(timing.starts_with("sortition;desc=\"experiment-0=") && timing.ends_with('"'));
        assert_eq!(timing.ends_with(", ...\""), cut);
        let told = values(&reply.changes, "Sortition-Variants")[0];
        assert_eq!(told.split(", ").count(), count, "which is complete");
        let shown = timing["sortition;desc=\"".len()..].trim_end_matches("...\"").trim_end_matches('"');
        assert!(told.starts_with(shown), "whole members only: {timing}");
    }
}

/// What tells shared copies apart: the variants that the origin renders, and nothing else.
#[test]
fn visitors_share_a_copy_unless_the_origin_renders_their_variant() {
    let only = |more: Value| json!([{"id": "control", "weight": 0}, with(json!({"id": "bold", "weight": 1}), more)]);
    let step = json!({"rewrite": [{"select": "p", "do": "remove"}]});
    let cases = [
        ("rewritten", json!({"variants": only(step.clone())}), false),
        ("elsewhere", json!({"variants": only(json!({"redirect": {"to": "/b"}})), "pages": ["/"]}), false),
        ("headed", json!({"variants": only(json!({"response_headers": {"X-A": "1"}}))}), false),
        ("bridged", json!({"variants": only(json!({"payload": 1}))}), false),
        ("rendered", json!({"variants": only(json!({}))}), true),
        ("reported", json!({"variants": only(step.clone()), "expose": "origin"}), true),
        ("fetched", json!({"variants": only(json!({"origin": {"path_prefix": "/b"}}))}), true),
    ];
    let experiments: Vec<Value> = cases.iter().map(|(id, more, _)| running(id, more.clone())).collect();
    let document = with(shop(&experiments), json!({"cache": {"pages": ["/"]}, "bridge": "attribute"}));
    let shared = |document: &Value, sent: &Sent, method: &'static str, url: &str| {
        let plan = compile(document);
        let page = Page { method, ..Page::new(&plan, url, sent) };
        page.intent(|| ENTROPY).shared(&plan, &page.request())
    };
    // who is told whether there was a copy
    let told = |document: &Value, sent: &Sent, how: Option<&str>| -> Vec<String> {
        let plan = compile(document);
        let intent = Page::new(&plan, HOME, sent).intent(|| ENTROPY);
        let reply = intent.reply(&plan, &Answer { copy: how, ..html() }, None);
        values(&reply.changes, "Sortition-Cache").into_iter().map(ToString::to_string).collect()
    };
    let person = Sent::by(CHROME);
    let copy = shared(&document, &person, "GET", HOME).unwrap();
    assert_eq!(copy, "rendered=bold, reported=bold, fetched=bold");
    assert!(cases.iter().all(|(id, _, by_origin)| copy.contains(id) == *by_origin));
    for how in ["hit", "stale", "miss"] {
        assert_eq!(told(&document, &person, Some(how)), [how]);
        assert_eq!(Answer { copy: Some(how), ..html() }.is_fresh(), how == "miss");
    }
    assert!(told(&document, &person, None).is_empty() && html().is_fresh());
    let crawler = Sent::by(GOOGLEBOT);
    let copy = shared(&document, &crawler, "GET", HOME).unwrap();
    assert_eq!(copy, "rendered=control, reported=control, fetched=control");
    assert!(told(&document, &crawler, Some("hit")).is_empty());

    for (sent, method, url) in [
        (person.clone(), "POST", HOME),
        (person.clone(), "HEAD", HOME),
        (person.clone(), "GET", "https://shop.example/other"),
        (person.clone().header("authorization", "Bearer x"), "GET", HOME),
        (person.clone().header("range", "bytes=0-1"), "GET", HOME),
    ] {
        assert_eq!(shared(&document, &sent, method, url), None, "{method} {url}");
    }
    // without a bridge nobody here does anything with a payload; who is told nothing renders nothing
    let unbridged = with(document.clone(), json!({"bridge": "none"}));
    assert!(shared(&unbridged, &person, "GET", HOME).unwrap().contains("bridged=bold"));
    let untold = with(document.clone(), json!({"headers": {"to_origin": false, "to_client": false}}));
    assert_eq!(shared(&untold, &person, "GET", HOME).unwrap(), "");
    assert!(told(&untold, &person, Some("hit")).is_empty());
    let uncached = with(document, json!({"cache": null}));
    assert_eq!(shared(&uncached, &person, "GET", HOME), None);
}

/// An open circuit does not stay open for as long as a clock was turned back.
#[test]
fn a_circuit_heeds_a_clock_that_was_turned_back() {
    use sortition_engine::execution::breaker::{Breaker, FAILURES, PAUSE_MS};
    let mut breaker = Breaker::default();
    let noon = 1e12;
    for _ in 0..FAILURES {
        assert!(breaker.admits(noon));
        breaker.settle(false, noon);
    }
    assert!(!breaker.admits(noon) && !breaker.admits(noon + PAUSE_MS - 1.0));
    assert!(breaker.admits(noon - 3_600_000.0), "an hour back");
    assert!(!breaker.admits(noon - 3_600_000.0), "one at a time");
    assert!(breaker.admits(noon - 3_600_000.0 + PAUSE_MS));
}

/// Prefetches are assigned, with the cookies that make it last, and not exposed.
#[test]
fn a_prefetch_is_assigned_and_not_exposed() {
    let plan = hero(json!({}));
    for (name, value) in [("sec-purpose", "prefetch"), ("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch")] {
        let sent = Sent::by(CHROME).header(name, value);
        let reply = intent(&plan, &sent).reply(&plan, &html(), None);
        assert!(reply.exposed.is_empty());
        assert_eq!(values(&reply.changes, "Set-Cookie").len(), 2);
        assert!(!values(&reply.changes, "Set-Cookie")[1].contains('*'), "not marked as exposed");
    }
}
