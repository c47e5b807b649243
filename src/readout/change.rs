//! What a variant changes, in words.

use super::types::Change;
use crate::document::{Action, RewriteStep, Variant};

/// The longest quotation of what a step writes.
const QUOTED: usize = 120;

/// The changes of a variant, a sentence each; one that changes nothing says so.
pub(super) fn changes(variant: &Variant) -> Vec<Change> {
    let mut all: Vec<String> = Vec::new();
    if let Some(redirect) = &variant.redirect {
        all.push(format!("Sends the visitor to {} ({}).", redirect.to, redirect.status));
    }
    if let Some(origin) = &variant.origin {
        let place = origin.url.as_deref().or(origin.path_prefix.as_deref()).unwrap_or("another place");
        all.push(format!("Takes the page from {place}."));
    }
    all.extend(variant.rewrite.iter().map(step));
    all.extend(
        variant.response_headers.iter().map(|(name, value)| format!("Sets the header {name}: {}.", quoted(value))),
    );
    if let Some(payload) = &variant.payload {
        all.push(format!("Hands the page's scripts {}.", short(&payload.to_string())));
    }
    if all.is_empty() {
        all.push("Changes nothing.".to_owned());
    }
    all.into_iter().map(|text| Change { text, hits: None }).collect()
}

fn step(step: &RewriteStep) -> String {
    let RewriteStep { select, action, name, .. } = step;
    let value = step.value.as_deref().map(quoted).unwrap_or_default();
    let name = name.as_deref().unwrap_or_default();
    match action {
        Action::SetText => format!("{select}: the text becomes {value}."),
        Action::SetHtml => format!("{select}: the content becomes {value}."),
        Action::Before => format!("{select}: {value} stands before it."),
        Action::After => format!("{select}: {value} stands after it."),
        Action::Prepend => format!("{select}: {value} stands first in it."),
        Action::Append => format!("{select}: {value} stands last in it."),
        Action::Replace => format!("{select}: {value} stands in its place."),
        Action::Remove => format!("{select}: it goes."),
        Action::SetAttribute => format!("{select}: its attribute {name} becomes {value}."),
        Action::RemoveAttribute => format!("{select}: its attribute {name} goes."),
        Action::AddClass => format!("{select}: gets the class {value}."),
        Action::RemoveClass => format!("{select}: loses the class {value}."),
    }
}

fn quoted(text: &str) -> String {
    format!("“{}”", short(text))
}

fn short(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(QUOTED) {
        Some((at, _)) => format!("{} …", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
