//! The steps of a variant on `lol_html`, the engine that Cloudflare's HTMLRewriter is made of: however a page is cut into
//! chunks, the same bytes come out, and what no step touches comes out as it went in.

use crate::support::{compile, running, shop};
use lol_html::html_content::{ContentType, Element};
use lol_html::{ElementContentHandlers, HtmlRewriter, Selector, Settings};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use sortition_engine::document::{Action, RewriteStep};
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
    compile(&shop(&[experiment])).experiments[0].variants[1].rewrite.to_vec()
}

/// One step on one element, as `src/edge/rewrite.js` does it.
fn act(step: &RewriteStep, element: &mut Element<'_, '_>) {
    let value = step.value.as_deref().unwrap_or_default();
    let name = step.name.as_deref().unwrap_or_default();
    let kind = if step.html { ContentType::Html } else { ContentType::Text };
    match step.action {
        Action::SetText => element.set_inner_content(value, ContentType::Text),
        Action::SetHtml => element.set_inner_content(value, ContentType::Html),
        Action::Before => element.before(value, kind),
        Action::After => element.after(value, kind),
        Action::Prepend => element.prepend(value, kind),
        Action::Append => element.append(value, kind),
        Action::Replace => element.replace(value, kind),
        Action::Remove => element.remove(),
        Action::SetAttribute => element.set_attribute(name, value).unwrap(),
        Action::RemoveAttribute => element.remove_attribute(name),
        Action::AddClass | Action::RemoveClass => {
            let old = element.get_attribute("class").unwrap_or_default();
            let mut classes: Vec<&str> = old.split_ascii_whitespace().filter(|it| *it != value).collect();
            if step.action == Action::AddClass {
                classes.push(value);
            }
            if classes.is_empty() {
                element.remove_attribute("class");
            } else {
                element.set_attribute("class", &classes.join(" ")).unwrap();
            }
        }
    }
}

/// The page after the steps, given to the rewriter in these chunks.
#[track_caller]
fn rewritten<'a>(steps: &[RewriteStep], chunks: impl IntoIterator<Item = &'a [u8]>) -> String {
    let handlers: Vec<_> = steps
        .iter()
        .map(|step| {
            let selector: Selector = step.select.parse().unwrap();
            let handler = ElementContentHandlers::default().element(move |element: &mut Element<'_, '_>| {
                act(step, element);
                Ok(())
            });
            (Cow::Owned(selector), handler)
        })
        .collect();
    let mut out = Vec::new();
    let settings = Settings { element_content_handlers: handlers, ..Settings::new() };
    let mut rewriter = HtmlRewriter::new(settings, |chunk: &[u8]| out.extend_from_slice(chunk));
    for chunk in chunks {
        rewriter.write(chunk).unwrap();
    }
    rewriter.end().unwrap();
    String::from_utf8(out).unwrap()
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
