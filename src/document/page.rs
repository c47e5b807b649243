//! Page rules: which pages an experiment is on.

use serde::{Deserialize, Serialize};

/// A page rule: a glob on the path, or one kind of match on a part of the URL.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "expected a glob such as \"/p/*\", or an object with one of exact, prefix, suffix, contains, glob, regex, and `of`: path, url or query"
)]
pub enum Page {
    /// A glob on the path: `*` is any run of characters, `?` one.
    Glob(String),
    /// One kind of match on a part of the URL.
    Rule(PageMatch),
}

/// One kind of match on a part of the URL. Exactly one of the six is given.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PageMatch {
    /// The part is this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
    /// The part starts with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The part ends with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// The part has this in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// The part matches this glob: `*` is any run of characters, `?` one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glob: Option<String>,
    /// The part has a match of this regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// The part of the URL that is looked at.
    #[serde(default)]
    pub of: PageSubject,
}

/// The part of the URL that a page rule looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PageSubject {
    /// The path, from the first `/` on, without the query.
    #[default]
    Path,
    /// The whole URL.
    Url,
    /// The query, without its `?`.
    Query,
}
