//! What search engines read of a page, and which rewrites would touch it.

use super::selector::{Attribute, Complex, Compound, read};
use crate::document::{Action, Protected, RewriteStep};

/// A protected element: its word, its tag, and the attribute that makes it one.
type Element = (Protected, &'static str, Option<(&'static str, &'static str)>);

/// All of them.
const ELEMENTS: [Element; 7] = [
    (Protected::Title, "title", None),
    (Protected::Canonical, "link", Some(("rel", "canonical"))),
    (Protected::Alternate, "link", Some(("rel", "alternate"))),
    (Protected::Robots, "meta", Some(("name", "robots"))),
    (Protected::Description, "meta", Some(("name", "description"))),
    (Protected::StructuredData, "script", Some(("type", "application/ld+json"))),
    (Protected::H1, "h1", None),
];

/// Attributes that none of the protected elements has: an element that must have one is another. A `<meta property>` is
/// for social networks, a `<script src>` has no data of its own.
const FOREIGN: [&str; 6] = ["property", "charset", "http-equiv", "itemprop", "src", "as"];

/// The protected elements that the step may touch, in the order of the list above: those its selector can match, those
/// inside of what it empties, and those in the HTML it inserts.
pub(super) fn touched(step: &RewriteStep) -> Vec<Protected> {
    let selectors = read(&step.select);
    let inserted = inserted(step);
    ELEMENTS
        .iter()
        .filter(|(word, tag, attribute)| {
            selectors.iter().any(|selector| {
                matches_element(selector, *word, tag, *attribute) || empties(step.action, selector, *word)
            }) || inserted.contains(word)
        })
        .map(|(word, ..)| *word)
        .collect()
}

/// Whether the element stands in `<head>` alone.
fn is_of_head(word: Protected) -> bool {
    !matches!(word, Protected::H1 | Protected::StructuredData)
}

fn matches_element(selector: &Complex, word: Protected, tag: &str, own: Option<(&str, &str)>) -> bool {
    let Compound { tag: wanted, is_named, attributes } = &selector.element;
    let in_place = selector.ancestors.iter().all(|ancestor| match ancestor.as_str() {
        "html" => true,
        "head" => word != Protected::H1,
        _ => !is_of_head(word),
    });
    let is_other = attributes.iter().any(|attribute| {
        FOREIGN.contains(&attribute.name.as_str()) || own.is_some_and(|(name, value)| !allows(attribute, name, value))
    });
    if !in_place || is_other {
        return false;
    }
    match wanted {
        Some(wanted) => wanted == tag,
        // why: without a tag, a class, an id or a foreign attribute names something that search engines do not read
        None if *is_named => false,
        None => attributes.is_empty() || own.is_some_and(|(name, _)| attributes.iter().any(|a| a.name == name)),
    }
}

/// Whether the condition leaves an element whose attribute has that value, perhaps among other words.
fn allows(attribute: &Attribute, name: &str, value: &str) -> bool {
    if attribute.name != name {
        return true;
    }
    let asked = attribute.value.as_str();
    match attribute.operator {
        None => true,
        Some(' ') => asked.split_whitespace().any(|part| part == value),
        Some('~') => asked == value,
        Some('|') => asked == value || value.split('-').next() == Some(asked),
        Some(_) => value.contains(asked) || asked.contains(value),
    }
}

/// Whether the action takes away, or replaces, all that the page's outermost elements contain.
fn empties(action: Action, selector: &Complex, word: Protected) -> bool {
    let holds = match selector.element.tag.as_deref() {
        Some("html") => true,
        Some("head") => word != Protected::H1,
        Some("body") => !is_of_head(word),
        _ => false,
    };
    holds && matches!(action, Action::SetText | Action::SetHtml | Action::Replace | Action::Remove)
}

/// The protected elements in the HTML that the step inserts: another canonical link is as bad as a changed one.
fn inserted(step: &RewriteStep) -> Vec<Protected> {
    let html = match &step.value {
        Some(value) if step.html || step.action == Action::SetHtml => value.to_ascii_lowercase(),
        _ => return Vec::new(),
    };
    let mut found = Vec::new();
    let mut in_drawing = false;
    for tag in html.split('<').skip(1) {
        let end = tag.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tag.len());
        let Some((name, rest)) = tag.split_at_checked(end) else { continue };
        let attributes = rest.split('>').next().unwrap_or_default();
        in_drawing |= name == "svg";
        for (word, element, own) in ELEMENTS {
            // why: an inserted `h1` is a heading like another, what replaces the page's matches it by its selector; the
            // `<title>` of a drawing names the drawing
            let adds = word != Protected::H1
                && !(word == Protected::Title && in_drawing)
                && name == element
                && own.is_none_or(|(attribute, value)| has_attribute(attributes, attribute, value));
            if adds && !found.contains(&word) {
                found.push(word);
            }
        }
    }
    found
}

/// Whether the text between a tag's name and its `>` has the attribute with the word in its value.
fn has_attribute(attributes: &str, name: &str, word: &str) -> bool {
    attributes.match_indices(name).any(|(at, _)| {
        let (before, after) = attributes.split_at_checked(at).unwrap_or_default();
        let starts = before.ends_with(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '/'));
        let value = after.strip_prefix(name).and_then(|rest| rest.trim_start().strip_prefix('=')).map(str::trim_start);
        let value = value.and_then(|value| match value.strip_prefix(['"', '\'']) {
            Some(quoted) => quoted.split(['"', '\'']).next(),
            None => value.split_whitespace().next(),
        });
        starts && value.is_some_and(|value| value.split([' ', ',', '\n', '\t']).any(|part| part == word))
    })
}
