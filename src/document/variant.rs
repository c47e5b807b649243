//! A variant, and what it does.

use super::{Id, Weight};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A variant: its share of the units, and what it does to the page. One that does nothing is a control.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its id, unique in the experiment; headers, cookies and events carry it.
    pub id: Id,
    /// A name for people.
    #[serde(default)]
    pub name: String,
    /// What it shows or does, for people.
    #[serde(default)]
    pub description: String,
    /// Its name elsewhere: in another tool, or for those who ask for decisions by call.
    #[serde(default)]
    pub key: Option<String>,
    /// Its share of the sum of all weights.
    pub weight: Weight,
    /// Data for scripts of the page, handed over by `bridge`.
    // why: `null` is kept apart from nothing, since a flag of that value cannot be told in a decision by call
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub payload: Option<serde_json::Value>,
    /// Changes to the HTML, in order.
    #[serde(default)]
    pub rewrite: Vec<RewriteStep>,
    /// Another page to send the visitor to.
    #[serde(default)]
    pub redirect: Option<Redirect>,
    /// Another place to fetch the page from.
    #[serde(default)]
    pub origin: Option<OriginChange>,
    /// Headers set on the answer.
    #[serde(default)]
    pub response_headers: BTreeMap<String, String>,
}

fn given<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(value).map(Some)
}

/// One change to the HTML: what to do with every element that a selector matches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RewriteStep {
    /// A CSS selector, as Cloudflare's HTMLRewriter knows them.
    pub select: String,
    /// What is done.
    #[serde(rename = "do")]
    pub action: Action,
    /// The text, HTML, class or attribute value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The attribute's name, for `set_attribute` and `remove_attribute`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether `before`, `after`, `prepend`, `append` and `replace` insert HTML rather than text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub html: bool,
}

/// What is done with an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Its content becomes the text, escaped.
    SetText,
    /// Its content becomes the HTML.
    SetHtml,
    /// The text stands before it.
    Before,
    /// The text stands after it.
    After,
    /// The text stands first in it.
    Prepend,
    /// The text stands last in it.
    Append,
    /// The text stands in its place.
    Replace,
    /// It goes, with its content.
    Remove,
    /// Its attribute `name` becomes the value.
    SetAttribute,
    /// Its attribute `name` goes.
    RemoveAttribute,
    /// Its classes gain the value.
    AddClass,
    /// Its classes lose the value.
    RemoveClass,
}

impl Action {
    /// Its word in `do`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::SetText => "set_text",
            Self::SetHtml => "set_html",
            Self::Before => "before",
            Self::After => "after",
            Self::Prepend => "prepend",
            Self::Append => "append",
            Self::Replace => "replace",
            Self::Remove => "remove",
            Self::SetAttribute => "set_attribute",
            Self::RemoveAttribute => "remove_attribute",
            Self::AddClass => "add_class",
            Self::RemoveClass => "remove_class",
        }
    }
}

/// Another page to send the visitor to.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// A path of this site, or a URL.
    pub to: String,
    /// 302 or 307: never permanent, or browsers and search engines would keep it.
    #[serde(default = "found")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("enum" = [302, 307])))]
    pub status: u16,
}

fn found() -> u16 {
    302
}

/// Another place to fetch the page from. Exactly one of `url` and `path_prefix` is given.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OriginChange {
    /// The base URL of another origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A path that goes before the page's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_prefix: Option<String>,
    /// How long it may take to answer, in milliseconds, before the control origin is asked.
    #[serde(default = "three_seconds")]
    pub timeout_ms: u32,
}

fn three_seconds() -> u32 {
    3000
}

/// Headers that say who may keep an answer, how long, and for whom, in lower case: no variant's to set.
pub const CACHING_HEADERS: [&str; 8] = [
    "cache-control",
    "cdn-cache-control",
    "cloudflare-cdn-cache-control",
    "surrogate-control",
    "expires",
    "age",
    "pragma",
    "vary",
];
