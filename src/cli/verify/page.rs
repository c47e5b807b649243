//! What came back of a visit, and what search engines would read of it.

use crate::document::Protected;
use lol_html::{HtmlRewriter, Settings, element, text};
use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;

/// What was answered to a visit.
pub(super) struct Response {
    pub(super) status: u64,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Response {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A visit: the page's answer, or why there is none, and what its steps were answered.
pub(super) struct Answer {
    pub(super) heard: Result<Response, String>,
    steps: Vec<(String, u64, String)>,
}

impl Answer {
    pub(super) fn read(answer: &Value) -> Self {
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let list = |name: &str| answer.get(name).and_then(Value::as_array).into_iter().flatten();
        let pair = |pair: &Value| Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.as_str()?.to_owned()));
        let status = |value: &Value| value.get("status").and_then(Value::as_u64).unwrap_or_default();
        let heard = match answer.get("error").and_then(Value::as_str) {
            Some(error) => Err(error.to_owned()),
            None => Ok(Response {
                status: status(answer),
                headers: list("headers").filter_map(pair).collect(),
                body: text(answer, "body"),
            }),
        };
        let steps = list("steps").map(|step| (text(step, "path"), status(step), text(step, "said"))).collect();
        Self { heard, steps }
    }

    pub(super) fn failed_steps(&self) -> impl Iterator<Item = String> {
        self.steps
            .iter()
            .filter(|(_, status, _)| *status >= 400)
            .map(|(path, status, said)| format!("{path} is answered {status}: {said}"))
    }
}

/// The elements that search engines read, with the attributes that they read of them.
const READ: [(Protected, &str, &[&str]); 7] = [
    (Protected::Title, "title", &[]),
    (Protected::Canonical, "link[rel=canonical]", &["href"]),
    (Protected::Alternate, "link[rel=alternate]", &["href", "hreflang", "media"]),
    (Protected::Robots, "meta[name=robots]", &["content"]),
    (Protected::Description, "meta[name=description]", &["content"]),
    (Protected::StructuredData, "script[type='application/ld+json']", &[]),
    (Protected::H1, "h1", &[]),
];

/// A page as search engines read it.
pub(super) struct Page {
    body: String,
    /// What each element that they read says, in the order of the page; and the headers beside them.
    pub(super) seo: Vec<(Protected, Vec<String>)>,
}

impl Page {
    pub(super) fn read(heard: &Response) -> Self {
        let found: Vec<Rc<RefCell<Vec<String>>>> = READ.iter().map(|_| Rc::default()).collect();
        let mut handlers = Vec::new();
        for ((_, selector, attributes), found) in READ.iter().zip(&found) {
            let (begun, said) = (Rc::clone(found), Rc::clone(found));
            handlers.push(element!(*selector, move |element| {
                let values: Vec<String> = attributes.iter().filter_map(|name| element.get_attribute(name)).collect();
                begun.borrow_mut().push(values.join(" "));
                Ok(())
            }));
            if attributes.is_empty() {
                handlers.push(text!(*selector, move |chunk| {
                    if let Some(last) = said.borrow_mut().last_mut() {
                        last.push_str(chunk.as_str());
                    }
                    Ok(())
                }));
            }
        }
        rewritten(&heard.body, handlers);
        let mut seo: Vec<(Protected, Vec<String>)> =
            READ.iter().zip(found).map(|((word, ..), found)| (*word, trimmed(&found.borrow()))).collect();
        for (word, name) in [(Protected::XRobotsTag, "x-robots-tag"), (Protected::Link, "link")] {
            seo.push((word, heard.header(name).map(str::to_owned).into_iter().collect()));
        }
        Self { body: heard.body.clone(), seo }
    }

    /// The tags of the elements that each selector meets; or which one no parser reads.
    pub(super) fn met(&self, selectors: &[&str]) -> Result<Vec<Vec<String>>, String> {
        let met: Vec<Rc<RefCell<Vec<String>>>> = selectors.iter().map(|_| Rc::default()).collect();
        let mut handlers = Vec::new();
        for (selector, tags) in selectors.iter().zip(&met) {
            if let Err(error) = selector.parse::<lol_html::Selector>() {
                return Err(format!("{selector}: {error}"));
            }
            let tags = Rc::clone(tags);
            handlers.push(element!(*selector, move |element| {
                tags.borrow_mut().push(element.tag_name());
                Ok(())
            }));
        }
        rewritten(&self.body, handlers);
        Ok(met.iter().map(|tags| tags.take()).collect())
    }
}

/// White space between words is nobody's difference.
fn trimmed(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Sends a page through the handlers; what comes out is of no interest.
fn rewritten<'a>(
    html: &str,
    handlers: Vec<(std::borrow::Cow<'a, lol_html::Selector>, lol_html::ElementContentHandlers<'a>)>,
) {
    let settings = Settings { element_content_handlers: handlers, ..Settings::new() };
    let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| {});
    // why: a page that the parser gives up on has been read up to there
    if rewriter.write(html.as_bytes()).is_ok() {
        let _ = rewriter.end();
    }
}
