//! Conditions while they are brought over: a small tree that can be negated and joined, and is written out as the
//! document's dialect at the end.
//!
//! Every leaf is false where its fact is absent, whatever its operator, so that what a tool does with an attribute that is
//! missing is said in one place, where a clause of that tool is read.

use serde_json::{Map, Value, json};

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cond {
    /// Of everybody.
    Always,
    /// Of nobody.
    Never,
    /// All hold.
    All(Vec<Cond>),
    /// One holds.
    Any(Vec<Cond>),
    /// It does not hold.
    Not(Box<Cond>),
    /// A condition of the document's dialect.
    Leaf(Map<String, Value>),
}

impl Cond {
    /// A test of one fact.
    pub(super) fn leaf(fact: &str, test: Value) -> Self {
        Self::Leaf(Map::from_iter([(fact.to_owned(), test)]))
    }

    /// The fact is there.
    pub(super) fn exists(fact: &str) -> Self {
        Self::leaf(fact, json!({"$exists": true}))
    }

    pub(super) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut kept: Vec<Self> = Vec::new();
        for part in parts {
            match part {
                Self::Always => {}
                Self::Never => return Self::Never,
                Self::All(more) => kept.extend(more),
                part if kept.contains(&part) => {}
                part => kept.push(part),
            }
        }
        let contradicts = |part: &Self| match part {
            // why: the parts of a conjunction stand here one by one
            Self::Not(inner) => match &**inner {
                Self::All(parts) => parts.iter().all(|part| kept.contains(part)),
                inner => kept.contains(inner),
            },
            _ => false,
        };
        if kept.iter().any(contradicts) {
            return Self::Never;
        }
        match kept.pop() {
            None => Self::Always,
            Some(part) if kept.is_empty() => part,
            last => Self::All(kept.into_iter().chain(last).collect()),
        }
    }

    pub(super) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut kept: Vec<Self> = Vec::new();
        for part in parts {
            match part {
                Self::Never => {}
                Self::Always => return Self::Always,
                Self::Any(more) => kept.extend(more),
                part if kept.contains(&part) => {}
                part => kept.push(part),
            }
        }
        match kept.pop() {
            None => Self::Never,
            Some(part) if kept.is_empty() => part,
            last => Self::Any(kept.into_iter().chain(last).collect()),
        }
    }

    pub(super) fn negated(self) -> Self {
        match self {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self::all([self, other])
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self::any([self, other])
    }

    /// The condition as a document writes it. `None`: everybody, which a document does not write.
    pub(super) fn written(&self) -> Option<Value> {
        match self {
            Self::Always => None,
            _ => Some(Value::Object(self.object())),
        }
    }

    fn object(&self) -> Map<String, Value> {
        let list = |parts: &[Self]| -> Value { parts.iter().map(|part| Value::Object(part.object())).collect() };
        match self {
            Self::Always => Map::new(),
            Self::Never => Map::from_iter([("$not".to_owned(), json!({}))]),
            Self::All(parts) => {
                // why: facts of their own can stand beside each other, which is what people write
                let mut joined = Map::new();
                for part in parts {
                    for (key, value) in part.object() {
                        if joined.contains_key(&key) {
                            return Map::from_iter([("$and".to_owned(), list(parts))]);
                        }
                        joined.insert(key, value);
                    }
                }
                joined
            }
            Self::Any(parts) => Map::from_iter([("$or".to_owned(), list(parts))]),
            Self::Not(part) => Map::from_iter([("$not".to_owned(), Value::Object(part.object()))]),
            Self::Leaf(leaf) => leaf.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_in_the_shortest_words() {
        let country = Cond::leaf("country", json!("US"));
        let device = Cond::leaf("device", json!("mobile"));
        let both = country.clone().and(device.clone().negated());
        assert_eq!(both.written(), Some(json!({"country": "US", "$not": {"device": "mobile"}})));
        assert_eq!(country.clone().and(country.clone()), country);
        assert_eq!(country.clone().and(country.clone().negated()), Cond::Never);
        assert_eq!(country.clone().and(Cond::Always), country);
        assert_eq!(Cond::any([]), Cond::Never);
        assert_eq!(Cond::Never.written(), Some(json!({"$not": {}})));
        let twice = country.clone().and(Cond::leaf("country", json!("CA")));
        assert_eq!(twice.written(), Some(json!({"$and": [{"country": "US"}, {"country": "CA"}]})));
        assert_eq!(country.or(device).written(), Some(json!({"$or": [{"country": "US"}, {"device": "mobile"}]})));
    }
}
