//! Assignments that another tool made or makes.

use super::Id;
use super::scalar::words;
pub use crate::hash::Like;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How units are assigned: by our own hash, or as another tool does it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected \"siphash\", or an object with `like` and `split`")]
pub enum Hash {
    /// One of ours.
    Own(OwnHash),
    /// Another tool's.
    Like(Box<TakenOver>),
}

impl Default for Hash {
    fn default() -> Self {
        Self::Own(OwnHash::Siphash)
    }
}

words! {
    /// The hashes of ours.
    OwnHash {
        /// SipHash-2-4.
        #[default] Siphash,
    }
}

/// Another tool's assignment, in its own buckets: every gate must hold, then the split tells the variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TakenOver {
    /// The tool, and the version of its hash.
    pub like: Like,
    /// What must hold before the split: coverage, namespaces, layers, holdouts.
    #[serde(default)]
    pub gates: Vec<HashGate>,
    /// Which buckets have which variant.
    pub split: HashSplit,
}

/// A range of buckets that a unit must be in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HashGate {
    /// Another tool's hash than the split's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<Like>,
    /// The text before or after the unit, separators included.
    pub salt: String,
    /// How many buckets; 1 where a bucket is a number from 0 to 1.
    pub of: f64,
    /// Half-open ranges of buckets, counted from 0.
    #[serde(rename = "in")]
    pub ranges: Vec<[f64; 2]>,
    /// The seed of a murmur hash; absent: the tool's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u32>,
    /// A text behind the unit, where the tool has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
}

/// Which buckets have which variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HashSplit {
    /// The text before or after the unit, separators included.
    pub salt: String,
    /// How many buckets; 1 where a bucket is a number from 0 to 1.
    pub of: f64,
    /// Half-open ranges of buckets, counted from 0, by variant.
    pub ranges: BTreeMap<Id, Vec<[f64; 2]>>,
    /// The seed of a murmur hash; absent: the tool's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u32>,
    /// A text behind the unit, where the tool has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
}

/// How the visitor id stands in its cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected \"plain\", \"url\" or {\"json\": FIELD}")]
pub enum CookieForm {
    /// As it is, or URL-encoded.
    Text(CookieText),
    /// A field of JSON.
    Json(CookieJson),
}

impl Default for CookieForm {
    fn default() -> Self {
        Self::Text(CookieText::Plain)
    }
}

words! {
    /// How a cookie's text is read.
    CookieText {
        /// As it is.
        #[default] Plain,
        /// URL-decoded.
        Url,
    }
}

/// A field of JSON in a cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CookieJson {
    /// The field's name; the cookie's text may be URL-encoded.
    pub json: String,
}

/// A tool's cookies with assignments, which are taken over on first sight.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Adopt {
    /// The tool, which tells the form of the cookie.
    pub from: AdoptFrom,
    /// The cookie's name, where it is not the tool's usual one; `*` stands for any run of characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// What experiments are called in the cookie, by our ids, where that is not their `key` (else their id). GrowthBook:
    /// with the bucket version, `checkout__2`, where that is not 0.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<Id, String>,
}

words! {
    /// The tools whose cookies with assignments can be read.
    AdoptFrom {
        /// GrowthBook's sticky buckets: `gbStickyBuckets__*`.
        #[default] Growthbook,
        /// VWO's combinations: `_vis_opt_exp_*_combi`, `*` being the campaign.
        Vwo,
        /// Convert's visitor data: `_conv_v`.
        Convert,
        /// A map from Optimizely Web's experiments to variations, as its snippet's API gives them: `optimizelyBuckets`.
        Optimizely,
        /// AB Tasty's campaign history: `ABTasty`.
        Abtasty,
    }
}

impl AdoptFrom {
    /// The usual name of the cookie.
    #[must_use]
    pub fn cookie(self) -> &'static str {
        match self {
            Self::Growthbook => "gbStickyBuckets__*",
            Self::Vwo => "_vis_opt_exp_*_combi",
            Self::Convert => "_conv_v",
            Self::Optimizely => "optimizelyBuckets",
            Self::Abtasty => "ABTasty",
        }
    }
}

words! {
    /// Whether an experiment acts.
    Mode {
        /// It does.
        #[default] Live,
        /// It is decided and compared with another tool, and changes nothing.
        Shadow,
    }
}

/// With what the decisions of an experiment in shadow mode are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Shadow {
    /// Where the old tool's variant stands, by its `key` (else its id): `cookie.NAME`, or `header.NAME` of the request or
    /// else of the origin's answer; or a tool of `visitor.adopt`, whose cookie says it.
    pub compare: String,
}

/// Where the variant of the old tool stands that a shadow is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// In a cookie.
    Cookie(Box<str>),
    /// In a header of the request or else of the origin's answer, in lower case.
    Header(Box<str>),
    /// In a tool's own cookies.
    Tool(AdoptFrom),
    /// Nowhere: it is decided, and counted as if the other tool said nothing.
    Nothing,
}

impl Compared {
    /// Reads what `shadow.compare` says.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let named = |name: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            (1..=256).contains(&name.len()) && name.bytes().all(fits)
        };
        if let Some(name) = text.strip_prefix("cookie.") {
            return named(name).then(|| Self::Cookie(name.into()));
        }
        if let Some(name) = text.strip_prefix("header.") {
            return named(name).then(|| Self::Header(name.to_ascii_lowercase().into()));
        }
        serde_json::from_value(serde_json::Value::String(text.to_owned())).ok().map(Self::Tool)
    }
}
