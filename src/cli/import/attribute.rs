//! The old tool's attributes as our facts, and the tests that its clauses make of them.

use super::cond::Cond;
use super::regex;
use crate::condition::FactKey;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What an attribute is in the old tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Type {
    String,
    Number,
    Boolean,
    Semver,
}

/// How our fact holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Held {
    /// As text: what stands in a cookie, a header or the URL is nothing else.
    Text,
    /// As a number.
    Number,
    /// As true or false.
    Truth,
    /// As JSON, of whatever type a call gives it.
    Json,
}

/// An attribute of the old tool, found in the map.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct Attribute {
    pub(in crate::cli) fact: String,
    pub(in crate::cli) kind: Type,
    pub(in crate::cli) held: Held,
}

/// The map of `--attributes`.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Attributes {
    named: BTreeMap<String, Attribute>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected the name of a fact, or {\"fact\": NAME, \"type\": \"string\" | \"number\" | \"boolean\" | \"semver\"}"
)]
enum Entry {
    Fact(String),
    Typed {
        fact: String,
        #[serde(rename = "type", default)]
        kind: Option<Type>,
    },
}

/// The facts that an experiment may be assigned by, and the word for each.
const UNITS: [(&str, &str); 3] = [("visitor_id", "visitor"), ("user_id", "user"), ("session_id", "session")];

impl Attributes {
    /// Reads the map.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with the attribute's name.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, String> {
        let entries: BTreeMap<String, Value> = serde_json::from_str(text)
            .map_err(|error| format!("an object of attributes and facts is needed: {error}"))?;
        let mut named = BTreeMap::new();
        for (name, value) in entries {
            let entry: Entry = serde_json::from_value(value).map_err(|error| format!("`{name}`: {error}"))?;
            let (fact, kind) = match entry {
                Entry::Fact(fact) => (fact, None),
                Entry::Typed { fact, kind } => (fact, kind),
            };
            named.insert(name.clone(), attribute(&fact, kind).map_err(|error| format!("`{name}`: {error}"))?);
        }
        Ok(Self { named })
    }

    /// Adds an attribute that the tool has by itself, where the map says nothing of it.
    pub(super) fn default_to(&mut self, name: &str, fact: &str) {
        if let Ok(attribute) = attribute(fact, None) {
            self.named.entry(name.to_owned()).or_insert(attribute);
        }
    }

    pub(in crate::cli) fn get(&self, name: &str) -> Option<&Attribute> {
        self.named.get(name)
    }

    /// The unit that this attribute is here.
    pub(super) fn unit(&self, name: &str) -> Option<&'static str> {
        let fact = &self.get(name)?.fact;
        UNITS.iter().find(|(known, _)| known == fact).map(|(_, unit)| *unit)
    }
}

fn attribute(fact: &str, kind: Option<Type>) -> Result<Attribute, String> {
    // why: a session's id assigns, and is no fact that conditions know
    let fact = match fact {
        "session_id" => fact.to_owned(),
        fact => FactKey::parse(fact).map_err(|error| error.to_string())?.to_string(),
    };
    let held = match fact.as_str() {
        "asn" => Held::Number,
        "is_eu" => Held::Truth,
        fact if fact.starts_with("custom.") => Held::Json,
        _ => Held::Text,
    };
    let by_itself = match (held, fact.as_str()) {
        (Held::Number, _) => Type::Number,
        (Held::Truth, _) => Type::Boolean,
        (_, "browser_version") => Type::Semver,
        _ => Type::String,
    };
    Ok(Attribute { fact, kind: kind.unwrap_or(by_itself), held })
}

impl Attribute {
    pub(super) fn exists(&self) -> Cond {
        Cond::exists(&self.fact)
    }

    fn test(&self, test: Value) -> Cond {
        Cond::leaf(&self.fact, test)
    }

    /// One of these texts. An attribute of another type is none of them.
    pub(super) fn texts<'a>(&self, values: impl IntoIterator<Item = &'a str>, folded: bool) -> Cond {
        let mut values: Vec<&str> = values.into_iter().collect();
        values.dedup();
        match values.as_slice() {
            [] => Cond::Never,
            [one] if !folded => self.test(json!({"$eq": one})),
            values => self.test(json!({ if folded { "$ini" } else { "$in" }: values })),
        }
    }

    /// One of these numbers.
    pub(super) fn numbers(&self, values: impl IntoIterator<Item = f64>) -> Cond {
        Cond::any(values.into_iter().map(|value| self.test(number(value))))
    }

    /// This truth value.
    pub(super) fn truth(&self, value: bool) -> Cond {
        match self.held {
            Held::Truth => self.test(json!({"$eq": value})),
            Held::Json => self.test(json!({"$in": [value, value.to_string()]})),
            _ => self.test(json!({"$eq": value.to_string()})),
        }
    }

    /// A relation to a number: `$lt`, `$lte`, `$gt`, `$gte`.
    pub(super) fn compared(&self, relation: &str, value: f64) -> Cond {
        self.test(json!({"$exists": true, relation: number(value)}))
    }

    /// A relation to a text, by the order of UTF-16 code units.
    pub(super) fn ordered(&self, relation: &str, value: &str) -> Cond {
        self.test(json!({"$exists": true, relation: value}))
    }

    pub(super) fn starts_with(&self, text: &str, folded: bool) -> Cond {
        self.pattern(&format!("^{}", regex::escaped(text)), folded)
    }

    pub(super) fn ends_with(&self, text: &str, folded: bool) -> Cond {
        self.pattern(&format!("{}$", regex::escaped(text)), folded)
    }

    pub(super) fn contains(&self, text: &str, folded: bool) -> Cond {
        self.pattern(&regex::escaped(text), folded)
    }

    /// A regular expression of JavaScript, searched for.
    pub(super) fn matches(&self, source: &str) -> Result<Cond, String> {
        Ok(self.pattern(&regex::from_javascript(source)?, false))
    }

    fn pattern(&self, source: &str, folded: bool) -> Cond {
        self.test(json!({ if folded { "$regexi" } else { "$regex" }: source }))
    }

    /// A relation to a semantic version (2.0.0) whose parts may be left out at the end: `$veq`, `$vlt`, `$vlte`, `$vgt`,
    /// `$vgte`. What is no version stands in no relation.
    ///
    /// # Errors
    ///
    /// Why the version cannot be compared exactly here.
    pub(super) fn version(&self, relation: &str, value: &str) -> Result<Cond, String> {
        let parts: Vec<&str> = value.split('.').collect();
        let plain = |part: &&str| {
            (1..=5).contains(&part.len())
                && part.bytes().all(|b| b.is_ascii_digit())
                && (*part == "0" || !part.starts_with('0'))
        };
        if parts.len() > 3 || !parts.iter().all(plain) {
            return Err(format!("the version {value:?} is more than three plain numbers"));
        }
        let mut full = parts.clone();
        full.resize(3, "0");
        // why: here `1.2` stands before `1.2.0`, there they are the same
        let mut shorter = Vec::new();
        let mut cut = full.clone();
        while cut.len() > 1 && cut.last() == Some(&"0") {
            cut.pop();
            shorter.push(cut.join("."));
        }
        let same = self.texts(shorter.iter().map(String::as_str), false);
        let full = full.join(".");
        let compared = |relation: &str| self.test(json!({"$exists": true, relation: full}));
        let shape = self.test(json!({
            "$regex": r"^(0|[1-9][0-9]{0,4})(\.(0|[1-9][0-9]{0,4})){0,2}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$"
        }));
        let related = match relation {
            "$veq" => compared("$veq").or(same),
            "$vlt" => compared("$vlt").and(same.negated()),
            "$vlte" => compared("$vlte").or(same),
            "$vgt" => compared("$vgt"),
            _ => compared("$vgte").or(same),
        };
        Ok(shape.and(related))
    }
}

/// A number as documents write it: without a point where it is whole.
pub(super) fn number(value: f64) -> Value {
    #[allow(clippy::cast_possible_truncation)]
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}
