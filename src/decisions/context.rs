//! What a call says, as facts that conditions can ask for.

use crate::condition::{Attributes, Fact, FactKey};
use crate::facts::{Facts, Source};
use crate::url::Url;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The ids that decisions are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// The visitor id.
    pub visitor: Option<String>,
    /// The shop's user id.
    pub user: Option<String>,
    /// The id of the browser session.
    pub session: Option<String>,
}

/// What a server says. It is believed: a fact by its name, `host`, `path`, `query.*` and `utm.*` also by the `url`, and
/// everything else as `custom.*`.
#[derive(Clone, Debug)]
pub struct CallContext<'a> {
    /// The ids.
    pub units: &'a Units,
    /// The page that is meant, if one is.
    pub url: Option<Url<'a>>,
    /// The facts, by name.
    pub attributes: &'a Map<String, Value>,
}

impl Attributes<FactKey> for CallContext<'_> {
    fn get(&self, key: &FactKey) -> Fact<'_> {
        let id = |id: &Option<String>| id.as_deref().map(|id| Fact::Text(Cow::Owned(id.to_owned())));
        let known = match key {
            FactKey::VisitorId => id(&self.units.visitor),
            FactKey::UserId => id(&self.units.user),
            FactKey::Custom(name) => return custom(self.attributes, name),
            _ => None,
        };
        let said = || named(self.attributes, key);
        known.or_else(said).or_else(|| of_url(self.url?, key)).unwrap_or(Fact::Absent)
    }
}

/// What a browser's request says, with the page and the `custom.*` facts of the call.
pub struct BrowserContext<'a, S> {
    /// The request, and who sent it.
    pub facts: Facts<'a, S>,
    /// The page that is meant, if one is.
    pub url: Option<Url<'a>>,
    /// What the call says itself.
    pub attributes: &'a Map<String, Value>,
}

impl<S: Source> Attributes<FactKey> for BrowserContext<'_, S> {
    fn get(&self, key: &FactKey) -> Fact<'_> {
        use FactKey::{Custom, Host, Method, Path, Query, Referrer, ReferrerHost, Utm};
        match key {
            Custom(name) => custom(self.attributes, name),
            FactKey::Url | Host | Path | Query(_) | Utm(_) => {
                self.url.and_then(|url| of_url(url, key)).unwrap_or(Fact::Absent)
            }
            // why: of the call, not of the page
            Method | Referrer | ReferrerHost => Fact::Absent,
            _ => self.facts.get(key),
        }
    }
}

/// A fact that is named as it is, `"cookie.plan"`, or inside an object of its family, `"cookie": {"plan": …}`.
fn named<'a>(attributes: &'a Map<String, Value>, key: &FactKey) -> Option<Fact<'a>> {
    let (family, name): (&str, &str) = match key {
        FactKey::Query(name) => ("query", name),
        FactKey::Utm(name) => ("utm", name),
        FactKey::Cookie(name) => ("cookie", name),
        FactKey::Header(name) => ("header", name),
        plain => return attributes.get(plain.name()).map(Fact::from),
    };
    let nested = || attributes.get(family)?.as_object()?.get(name);
    attributes.get(&*[family, ".", name].concat()).or_else(nested).map(Fact::from)
}

/// A fact of the caller's own: in the object `custom`, as `"custom.plan"`, or as plain `"plan"`. A dot leads into objects.
fn custom<'a>(attributes: &'a Map<String, Value>, name: &str) -> Fact<'a> {
    let inside = attributes.get("custom").and_then(Value::as_object).and_then(|custom| along(custom, name));
    let prefixed = || attributes.get(&*["custom.", name].concat());
    inside.or_else(prefixed).or_else(|| along(attributes, name)).map_or(Fact::Absent, Fact::from)
}

fn along<'a>(members: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = members.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    along(members.get(first)?.as_object()?, rest)
}

fn of_url<'a>(url: Url<'a>, key: &FactKey) -> Option<Fact<'a>> {
    let owned = |text: Option<String>| text.map(|text| Fact::Text(Cow::Owned(text)));
    match key {
        FactKey::Url => Some(Fact::text(url.whole)),
        FactKey::Host => Some(Fact::text(url.host_name())),
        FactKey::Path => Some(Fact::text(url.path)),
        FactKey::Query(name) => owned(url.parameter(name)),
        FactKey::Utm(name) => owned(url.parameter(&["utm_", name].concat())),
        _ => None,
    }
}
