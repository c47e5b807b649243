//! The steps of a variant on `lol_html`, the engine that Cloudflare's HTMLRewriter is made of: however a page is cut into
//! chunks, the same bytes come out, and what no step touches comes out as it went in.

use crate::support::{compile, nth, running, shop};
use lol_html::html_content::{ContentType, DocumentEnd, Element};
use lol_html::{
    AsciiCompatibleEncoding, DocumentContentHandlers, ElementContentHandlers, HtmlRewriter, Selector, Settings,
};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use sortition_engine::document::RewriteStep;
use sortition_engine::execution::Charset;
use sortition_engine::execution::rewriting::{Argument, Call, additions, calls, classes, narrowed, to_json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What is tried on a page of `fixtures/pages`, and which pieces of it become what.
#[derive(Deserialize)]
struct Case {
    steps: Value,
    changes: Vec<(String, String)>,
}

impl Case {
    /// The steps as a compiled plan hands them to the rewriter.
    #[track_caller]
    fn prepared(&self) -> Vec<RewriteStep> {
        prepared(&self.steps)
    }

    #[track_caller]
    fn expected(&self, page: &str) -> String {
        self.changes.iter().fold(page.to_owned(), |page, (piece, changed)| {
            assert_eq!(page.matches(piece.as_str()).count(), 1, "{piece}");
            page.replacen(piece.as_str(), changed, 1)
        })
    }
}

fn cases() -> Vec<(String, String, Case)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pages");
    let text = std::fs::read_to_string(format!("{folder}/changes.json")).unwrap();
    let cases: BTreeMap<String, Case> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() >= 3);
    let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}.html")).unwrap();
    cases.into_iter().map(|(name, case)| (name.clone(), read(&name), case)).collect()
}

#[track_caller]
fn prepared(steps: &Value) -> Vec<RewriteStep> {
    let experiment = running(
        "hero",
        json!({"variants": [{"id": "control", "weight": 0}, {"id": "bold", "weight": 1, "rewrite": steps}]}),
    );
    nth(&compile(&shop(&[experiment])), 0).variants[1].rewrite.to_vec()
}

/// A call on one element: the methods of HTMLRewriter on the engine that it is made of. What an action does is in
/// `execution::rewriting` alone; the worker makes the same calls.
fn act(call: &Call<'_>, element: &mut Element<'_, '_>) {
    let text = |position: usize| match call.arguments.get(position) {
        Some(Argument::Text(text)) => text.to_string(),
        other => panic!("{}: {other:?} is no text", call.method),
    };
    let kind = || match call.arguments.get(1) {
        Some(Argument::Content { html: true }) => ContentType::Html,
        Some(Argument::Content { html: false }) => ContentType::Text,
        other => panic!("{}: {other:?} says not what it is", call.method),
    };
    match call.method {
        "setInnerContent" => element.set_inner_content(&text(0), kind()),
        "before" => element.before(&text(0), kind()),
        "after" => element.after(&text(0), kind()),
        "prepend" => element.prepend(&text(0), kind()),
        "append" => element.append(&text(0), kind()),
        "replace" => element.replace(&text(0), kind()),
        "remove" => element.remove(),
        "setAttribute" => element.set_attribute(&text(0), &text(1)).unwrap(),
        "removeAttribute" => element.remove_attribute(&text(0)),
        "addClass" | "removeClass" => {
            let old = element.get_attribute("class").unwrap_or_default();
            match classes(&old, &text(0), call.method == "addClass") {
                Some(all) => element.set_attribute("class", &all).unwrap(),
                None => element.remove_attribute("class"),
            }
        }
        other => panic!("{other} is no method of the rewriter's elements"),
    }
}

/// The page after the steps, given to the rewriter in these chunks.
#[track_caller]
fn rewritten<'a>(steps: &[RewriteStep], chunks: impl IntoIterator<Item = &'a [u8]>) -> String {
    let out = called(&calls(steps, Charset::Utf8), encoding_rs::UTF_8, chunks);
    String::from_utf8(out).unwrap()
}

/// The bytes of a page after the calls.
#[track_caller]
fn called<'a>(
    calls: &[Call<'_>],
    encoding: &'static encoding_rs::Encoding,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<u8> {
    let (of_elements, of_the_end): (Vec<_>, Vec<_>) = calls.iter().partition(|call| !call.select.is_empty());
    let handlers: Vec<_> = of_elements
        .into_iter()
        .map(|call| {
            let selector: Selector = call.select.parse().unwrap();
            let handler = ElementContentHandlers::default().element(move |element: &mut Element<'_, '_>| {
                act(call, element);
                Ok(())
            });
            (Cow::Owned(selector), handler)
        })
        .collect();
    let mut out = Vec::new();
    let encoding = AsciiCompatibleEncoding::new(encoding).unwrap();
    let document_content_handlers = of_the_end.into_iter().map(|call| {
        DocumentContentHandlers::default().end(move |end: &mut DocumentEnd<'_>| {
            match (call.method, &call.arguments[..]) {
                ("append", [Argument::Text(html), Argument::Content { html: true }]) => {
                    end.append(html, ContentType::Html);
                    Ok(())
                }
                other => panic!("{other:?} is nothing for the end of a page"),
            }
        })
    });
    let settings = Settings {
        element_content_handlers: handlers,
        document_content_handlers: document_content_handlers.collect(),
        encoding,
        ..Settings::new()
    };
    let mut rewriter = HtmlRewriter::new(settings, |chunk: &[u8]| out.extend_from_slice(chunk));
    for chunk in chunks {
        rewriter.write(chunk).unwrap();
    }
    rewriter.end().unwrap();
    out
}

#[track_caller]
fn assert_same(got: &str, expected: &str, what: &str) {
    if got != expected {
        let at = got.bytes().zip(expected.bytes()).take_while(|(a, b)| a == b).count();
        let near = |text: &str| {
            String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(60)..(at + 120).min(text.len())]).into_owned()
        };
        panic!("{what}, from byte {at} on:\n got      {}\n expected {}", near(got), near(expected));
    }
}

#[test]
fn a_real_page_changes_where_a_step_meets_it_and_nowhere_else() {
    for (name, page, case) in cases() {
        assert!(page.len() >= 100 * 1024, "{name}");
        let got = rewritten(&case.prepared(), [page.as_bytes()]);
        assert_same(&got, &case.expected(&page), &name);
    }
}

#[test]
fn a_real_page_comes_out_the_same_in_chunks_of_any_length() {
    for (name, page, case) in cases() {
        let (steps, expected) = (case.prepared(), case.expected(&page));
        // why: chunks of one byte are cut at every place there is; the others end tokens at most of them
        for length in [1, 2, 3, 7, 61, 1024, 16 * 1024] {
            let got = rewritten(&steps, page.as_bytes().chunks(length));
            assert_same(&got, &expected, &format!("{name} in chunks of {length}"));
        }
    }
}

/// Around each piece that changes, the page is cut in two at every byte.
#[test]
fn a_real_page_comes_out_the_same_when_it_is_cut_in_two_beside_a_change() {
    for (name, page, case) in cases() {
        let steps = case.prepared();
        for (piece, _) in &case.changes {
            let start = page.find(piece.as_str()).unwrap();
            // why: a cut further away is no different, and each cut costs a run over all of it
            let from = page.floor_char_boundary(start.saturating_sub(500));
            let to = page.ceil_char_boundary(start + piece.len() + 100);
            let part = &page[from..to];
            let whole = rewritten(&steps, [part.as_bytes()]);
            for at in 0..=part.len() {
                let (left, right) = part.as_bytes().split_at(at);
                assert_same(&rewritten(&steps, [left, right]), &whole, &format!("{name} cut at {}", from + at));
            }
        }
    }
}

/// Small pages, each step and what it does, cut in two at every byte and into single bytes.
#[test]
fn every_step_does_the_same_wherever_a_page_is_cut() {
    let page = "<!doctype html><html><head><title>é</title></head><body class=\"a b\"><!-- <p> --><p id=x class='b a' data-v=\"1\">\
                t&amp;<b>ü</b></p><script>'<p id=x>'</script><p>2</p></body></html>";
    let step = |more: Value| {
        let mut step = json!({"select": "#x"});
        step.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        step
    };
    for (action, result) in [
        (json!({"do": "set_text", "value": "<ñ>"}), "<p id=x class='b a' data-v=\"1\">&lt;ñ&gt;</p>"),
        (json!({"do": "set_html", "value": "<i>ñ</i>"}), "<p id=x class='b a' data-v=\"1\"><i>ñ</i></p>"),
        (json!({"do": "before", "value": "<"}), "&lt;<p id=x class='b a' data-v=\"1\">t&amp;<b>ü</b></p>"),
        (
            json!({"do": "after", "value": "<hr>", "html": true}),
            "<p id=x class='b a' data-v=\"1\">t&amp;<b>ü</b></p><hr>",
        ),
        (json!({"do": "prepend", "value": "ñ"}), "<p id=x class='b a' data-v=\"1\">ñt&amp;<b>ü</b></p>"),
        (json!({"do": "append", "value": "ñ"}), "<p id=x class='b a' data-v=\"1\">t&amp;<b>ü</b>ñ</p>"),
        (json!({"do": "replace", "value": "<hr>", "html": true}), "<hr>"),
        (json!({"do": "remove"}), ""),
        (
            json!({"do": "set_attribute", "name": "data-v", "value": "\"2\""}),
            "<p id=x class='b a' data-v=\"&quot;2&quot;\">t&amp;<b>ü</b></p>",
        ),
        (json!({"do": "remove_attribute", "name": "data-v"}), "<p id=x class='b a'>t&amp;<b>ü</b></p>"),
        (json!({"do": "add_class", "value": "c"}), "<p id=x class=\"b a c\" data-v=\"1\">t&amp;<b>ü</b></p>"),
        (json!({"do": "remove_class", "value": "b"}), "<p id=x class=\"a\" data-v=\"1\">t&amp;<b>ü</b></p>"),
    ] {
        let steps = prepared(&json!([step(action.clone())]));
        let expected = page.replace("<p id=x class='b a' data-v=\"1\">t&amp;<b>ü</b></p>", result);
        assert_same(&rewritten(&steps, [page.as_bytes()]), &expected, &action.to_string());
        assert_same(&rewritten(&steps, page.as_bytes().chunks(1)), &expected, &format!("{action}, byte by byte"));
        for at in 0..=page.len() {
            let (left, right) = page.as_bytes().split_at(at);
            assert_same(&rewritten(&steps, [left, right]), &expected, &format!("{action}, cut at {at}"));
        }
    }
}

/// What each step puts into a page, and what a browser makes of it there.
const INSERTED: &str = "é „ñ“ 雪 𝄞 & <b>";

/// A page whose charset the header does not say is written in any of these. What is put into it means the same in all of
/// them, and not a byte of the rest changes. It used to be inserted as UTF-8.
#[test]
fn what_is_inserted_is_right_in_every_charset() {
    let page =
        "<html><head><title>Café</title></head><body><h2 class='größe b' title=x>x</h2><p id=p>Größe</p></body></html>";
    let steps = prepared(&json!([
        {"select": "h2", "do": "set_text", "value": INSERTED},
        {"select": "h2", "do": "set_attribute", "name": "title", "value": "„ñ“"},
        {"select": "h2", "do": "add_class", "value": "c"},
        {"select": "#p", "do": "append", "value": "<i>雪</i>", "html": true},
    ]));
    let calls = calls(&steps, Charset::Ascii);
    let by_serde: Vec<Value> = calls
        .iter()
        .map(|call| {
            let arguments = call.arguments.iter().map(|argument| match argument {
                Argument::Text(text) => json!(text),
                Argument::Content { html } => json!({"html": html}),
            });
            let arguments: Vec<Value> = arguments.collect();
            json!({"select": call.select, "do": call.action, "method": call.method, "arguments": arguments})
        })
        .collect();
    assert_eq!(serde_json::from_str::<Value>(&to_json(&calls)).unwrap(), Value::from(by_serde));
    assert!(to_json(&calls).is_ascii(), "{}", to_json(&calls));
    for encoding in [encoding_rs::UTF_8, encoding_rs::WINDOWS_1252, encoding_rs::ISO_8859_15, encoding_rs::GB18030] {
        let (bytes, ..) = encoding.encode(page);
        for length in [1, 7, 1024] {
            let out = called(&calls, encoding_rs::WINDOWS_1252, bytes.chunks(length));
            let (text, _, malformed) = encoding.decode(&out);
            assert!(!malformed, "{}", encoding.name());
            let expected = "<html><head><title>Café</title></head><body><h2 class=\"größe b c\" title=\"&#x201e;&#xf1;&#x201c;\">\
                            &#xe9; &#x201e;&#xf1;&#x201c; &#x96ea; &#x1d11e; &amp; &lt;b&gt;</h2><p id=p>Größe<i>&#x96ea;</i></p></body></html>";
            assert_same(&text, expected, encoding.name());
        }
    }
    // multi-byte trails that are letters and brackets of ASCII
    let (bytes, ..) = encoding_rs::SHIFT_JIS.encode("<p class=\"表 ソ\">表示ソ能</p><p id=p>予</p>");
    let steps = prepared(
        &json!([{"select": "#p", "do": "set_text", "value": "雪"}, {"select": "p", "do": "add_class", "value": "c"}]),
    );
    let out = called(&self::calls(&steps, Charset::Ascii), encoding_rs::WINDOWS_1252, bytes.chunks(3));
    let (text, _, malformed) = encoding_rs::SHIFT_JIS.decode(&out);
    assert!(!malformed);
    assert_same(&text, "<p class=\"表 ソ c\">表示ソ能</p><p id=p class=\"c\">&#x96ea;</p>", "Shift_JIS");
}

/// Where references mean nothing, in scripts and style sheets, the language's own escapes stand for what is not ASCII.
#[test]
fn scripts_and_style_sheets_have_their_own_escapes() {
    let html = |select: &str, value: &str| {
        // why: as `check` lets them through where `seo.allow` does
        let step = json!({"select": select, "do": "append", "value": value, "html": true});
        let steps: [RewriteStep; 1] = [serde_json::from_value(step).unwrap()];
        match &calls(&steps, Charset::Ascii)[0].arguments[0] {
            Argument::Text(text) => text.to_string(),
            other => panic!("{other:?}"),
        }
    };
    for (select, value, expected) in [
        ("body", "é<script a='é'>'é𝄞'</script>é", "&#xe9;<script a='&#xe9;'>'\\u00e9\\ud834\\udd1e'</script>&#xe9;"),
        ("body", "<STYLE>é::after{}</STYLE>é", "<STYLE>\\e9 ::after{}</STYLE>&#xe9;"),
        ("body", "<script>'<b>é'</script>", "<script>'<b>\\u00e9'</script>"),
        ("body", "<i title='é'>é</i><!-- é -->", "<i title='&#xe9;'>&#xe9;</i><!-- &#xe9; -->"),
        ("script#data", "var a = 'é'", "var a = '\\u00e9'"),
        ("head > style", "/*é*/", "/*\\e9 */"),
        ("scripture", "é", "&#xe9;"),
    ] {
        assert_eq!(html(select, value), expected, "{select} {value}");
    }
}

/// A page with what a visit adds to it: of the calls on elements the first that meets one, as the worker makes them.
#[track_caller]
fn added_to(page: &str, calls: &[Call<'_>]) -> String {
    let on_elements = calls.iter().filter(|call| !call.select.is_empty());
    let met = on_elements.flat_map(|call| {
        let tags = call.select.split(", ").map(move |tag| (tag, call));
        tags.filter_map(|(tag, call)| Some((page.find(&format!("<{tag}"))?, tag, call)))
    });
    let first =
        met.min_by_key(|(at, ..)| *at).map(|(_, tag, call)| Call { select: tag.to_owned().into(), ..call.clone() });
    let at_the_end = calls.iter().filter(|call| call.select.is_empty()).cloned();
    let made: Vec<Call<'_>> = first.into_iter().chain(at_the_end).collect();
    String::from_utf8(called(&made, encoding_rs::UTF_8, [page.as_bytes()])).unwrap()
}

/// The decision for the page's scripts and the bar of a preview, on a page of any charset.
#[test]
fn what_a_visit_adds_is_escaped_where_it_stands() {
    let json = "{\"a\":\"</script>&quot;é\u{2028}\"}";
    for (charset, e) in [(Charset::Utf8, "é"), (Charset::Ascii, "\\u00e9")] {
        let script = additions(Some((json, true)), None, charset);
        let page = added_to("<html><head></head></html>", &script);
        let expected = format!(
            "<html><head><script type=\"application/json\" id=\"sortition\">{{\"a\":\"\\u003c/script\\u003e\\u0026quot;{e}\\u2028\"}}</script></head></html>"
        );
        assert_same(&page, &expected, "script");
        let attribute = additions(Some((json, false)), Some("<i>· é</i>"), charset);
        let u2028 = if charset == Charset::Utf8 { "\u{2028}" } else { "\\u2028" };
        let html = format!("<html data-sortition=\"{{&quot;a&quot;:&quot;</script>&amp;quot;{e}{u2028}&quot;}}\">");
        for (page, expected) in [
            ("<html><body></body></html>", format!("{html}<body></body></html>")),
            ("<title>t</title>", format!("{html}<title>t</title>")),
        ] {
            assert_same(&added_to(page, &attribute), &format!("{expected}<i>&#xb7; &#xe9;</i>"), "attribute and bar");
        }
    }
}

/// Tags of `<html>`, `<head>` and `<body>` may be left out, and `</body>` often is. What stands before the first of the tags
/// that a page has, browsers put where it belongs.
#[test]
fn what_a_visit_adds_finds_its_place_on_a_page_with_few_tags() {
    const BLOCK: &str = "<script type=\"application/json\" id=\"sortition\">{}</script>";
    const HTML: &str = "<html data-sortition=\"{}\">";
    for (page, script, attribute) in [
        ("<html><head><title>", "<html><head>+<title>", "+<head><title>"),
        ("<html><body><p>", "<html>+<body><p>", "+<body><p>"),
        (
            "<!doctype html><title>t</title><p>",
            "<!doctype html>+<title>t</title><p>",
            "<!doctype html>+<title>t</title><p>",
        ),
        ("<head><title>", "<head>+<title>", "+<head><title>"),
        ("<body><svg><title>", "+<body><svg><title>", "+<body><svg><title>"),
    ] {
        let made = added_to(page, &additions(Some(("{}", true)), Some("<i></i>"), Charset::Utf8));
        assert_same(&made, &format!("{}<i></i>", script.replace('+', BLOCK)), page);
        let made = added_to(page, &additions(Some(("{}", false)), Some("<i></i>"), Charset::Utf8));
        assert_same(&made, &format!("{}<i></i>", attribute.replace('+', HTML)), page);
    }
}

/// Classes are apart at white space of ASCII and nowhere else: a no-break space is part of one.
#[test]
fn classes_are_those_of_html() {
    for (old, class, adds, expected) in [
        ("a b", "c", true, Some("a b c")),
        ("a\tb\n c", "b", true, Some("a c b")),
        ("", "c", true, Some("c")),
        ("a b a", "a", false, Some("b")),
        ("a", "a", false, None),
        ("", "a", false, None),
        ("a\u{a0}b c", "c", false, Some("a\u{a0}b")),
    ] {
        assert_eq!(classes(old, class, adds).as_deref(), expected, "{old:?} {class} {adds}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Markup of any quality, cut anywhere: with no step that meets it, nothing of it changes.
    #[test]
    fn what_no_step_meets_comes_out_as_it_went_in(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "<p>", "</p>", "<b", ">", "<!--", "-->", "<![CDATA[", "]]>", "<script>", "</script>", "<svg>", "</svg>", "<template>",
            "</body>", "<textarea>", "</textarea>", " a='", "'", "\"", "&amp;", "&#x", "é", "雪", "<", "</", "/>", "=", "\u{0}", "\r\n",
        ]), 0..40),
        length in 1_usize..9,
    ) {
        let page = pieces.concat();
        let steps = prepared(&json!([{"select": "no-such-element", "do": "remove"}, {"select": ".none", "do": "set_text", "value": "x"}]));
        prop_assert_eq!(rewritten(&steps, page.as_bytes().chunks(length)), page);
    }
}

/// The tags of the elements that a selector meets.
fn met(selector: &str, page: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let handler = ElementContentHandlers::default().element(|element: &mut Element<'_, '_>| {
        tags.push(element.tag_name());
        Ok(())
    });
    let settings = Settings {
        element_content_handlers: vec![(Cow::Owned(selector.parse::<Selector>().unwrap()), handler)],
        ..Settings::new()
    };
    let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| {});
    rewriter.write(page.as_bytes()).unwrap();
    rewriter.end().unwrap();
    tags
}

const UNTAGGED: [&str; 12] = [
    "#a",
    ".a",
    "[a]",
    "[class~='a']",
    ".a.b",
    "#a.b",
    "div .a",
    "div > #b",
    "div .a > [a]",
    ".a:not(.b)",
    ":nth-child(2)",
    "#a :first-child",
];

/// A page of nested elements with few tags, ids and classes, so that selectors meet several.
fn nested() -> impl Strategy<Value = String> {
    let tag = prop::sample::select(vec!["div", "p", "h1", "LI", "my-card", "svg", "linearGradient"]);
    let attributes = prop::sample::select(vec!["", " id=a", " id=b", " class=a", " class='b a'", " a", " ID='a' a=1"]);
    let leaf = (tag.clone(), attributes.clone()).prop_map(|(tag, attributes)| format!("<{tag}{attributes}>t</{tag}>"));
    leaf.prop_recursive(4, 24, 4, move |inner| {
        (tag.clone(), attributes.clone(), prop::collection::vec(inner, 0..4))
            .prop_map(|(tag, attributes, inner)| format!("<{tag}{attributes}>{}</{tag}>", inner.concat()))
    })
}

proptest! {
    /// Selectors that name the tags of what one met on a page change that page as it does.
    #[test]
    fn narrowed_selectors_meet_the_same(page in nested(), selector in prop::sample::select(UNTAGGED.to_vec())) {
        let mut tags = met(selector, &page);
        tags.sort();
        tags.dedup();
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let selectors = narrowed(selector, &tags).unwrap();
        prop_assert_eq!(selectors.len(), tags.len());
        let append = |selector: &str| {
            let arguments = vec![Argument::Text("<i>x</i>".into()), Argument::Content { html: true }];
            Call { select: selector.to_owned().into(), action: "append", method: "append", arguments }
        };
        let wide = called(&[append(selector)], encoding_rs::UTF_8, [page.as_bytes()]);
        let calls: Vec<Call<'_>> = selectors.iter().map(|selector| append(selector)).collect();
        let narrow = called(&calls, encoding_rs::UTF_8, [page.as_bytes()]);
        prop_assert_eq!(narrow, wide);
    }

    /// Whatever the text, it is made narrower only by what the rewriter's own parser takes.
    #[test]
    fn what_is_narrowed_is_a_selector(selector in "[#.a-c \\[\\]()'\">,:*=\\\\n]{1,12}") {
        if selector.parse::<Selector>().is_ok() {
            for one in narrowed(&selector, &["h1"]).into_iter().flatten() {
                prop_assert!(one.parse::<Selector>().is_ok(), "{} of {}", one, selector);
            }
        }
    }
}

#[test]
fn what_names_its_tag_or_is_not_one_part_is_left_alone() {
    for selector in ["h1", "h1#a", "*", "#a, .b", "div #a, h1", ".a h1", "#a/**/", "a|b", "#a + .b", "", " "] {
        assert_eq!(narrowed(selector, &["h1"]), None, "{selector}");
    }
    for tag in ["", "a:b", "é", "1a", "A", "a b", "a\u{1f}"] {
        assert_eq!(narrowed("#a", &["p", tag]), None, "{tag}");
    }
    assert_eq!(narrowed("[a='x y > z, #q'] .b\\,c", &["p"]), Some(vec!["[a='x y > z, #q'] p.b\\,c".to_owned()]));
}
