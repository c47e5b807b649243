//! The attributes of a recorded decision as the facts that the worker would see.

use crate::cli::import::attribute::{Attributes, Held};
use crate::condition::{Attributes as Facts, Fact, FactKey};
use crate::url::Url;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// One unit's facts.
pub(super) struct Recorded<'a> {
    facts: Vec<(FactKey, Value)>,
    id: &'a str,
    url: Option<&'a str>,
}

impl<'a> Recorded<'a> {
    /// Reads attributes in the old tool's names. What the edge holds as text is text here, too.
    pub(super) fn new(
        map: &Attributes,
        attributes: Option<&Map<String, Value>>,
        id: &'a str,
        url: Option<&'a str>,
    ) -> Result<Self, String> {
        let mut facts = Vec::new();
        for (name, value) in attributes.into_iter().flatten() {
            let Some(attribute) = map.get(name) else { continue };
            let Ok(key) = FactKey::parse(&attribute.fact) else { continue };
            let value = match (attribute.held, value) {
                (_, Value::Null) => continue,
                (Held::Json, value) => value.clone(),
                (_, Value::Array(_) | Value::Object(_)) => {
                    return Err(format!(
                        "`{name}` is a list or an object, and the fact {} holds one value",
                        attribute.fact
                    ));
                }
                (Held::Text, Value::String(text)) => Value::String(text.clone()),
                (Held::Text, Value::Number(number)) => {
                    let number = number.as_f64().unwrap_or_default();
                    Value::String(crate::cli::import::number_text(number))
                }
                (Held::Text, Value::Bool(truth)) => Value::String(truth.to_string()),
                (_, value) => value.clone(),
            };
            facts.push((key, value));
        }
        Ok(Self { facts, id, url })
    }
}

impl Facts<FactKey> for Recorded<'_> {
    fn get(&self, key: &FactKey) -> Fact<'_> {
        if let Some((_, value)) = self.facts.iter().find(|(known, _)| known == key) {
            return Fact::from(value);
        }
        let url = self.url.map(Url::split);
        match (key, url) {
            (FactKey::VisitorId | FactKey::UserId, _) => Fact::text(self.id),
            (FactKey::Url, Some(url)) => Fact::text(url.whole),
            (FactKey::Path, Some(url)) => Fact::text(url.path),
            (FactKey::Host, Some(url)) => Fact::Text(Cow::Owned(url.host_name().to_owned())),
            (FactKey::Query(name), Some(url)) => {
                url.parameter(name).map_or(Fact::Absent, |value| Fact::Text(Cow::Owned(value)))
            }
            (FactKey::Method, Some(_)) => Fact::text("GET"),
            _ => Fact::Absent,
        }
    }
}
