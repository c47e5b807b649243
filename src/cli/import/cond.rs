//! Conditions while they are brought over: a small tree that can be negated and joined, and is written out as the
//! document's dialect at the end.
//!
//! Every leaf is false where its fact is absent, whatever its operator, so that what a tool does with an attribute that is
//! missing is said in one place, where a clause of that tool is read.

use serde_json::{Map, Value, json};

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Cond {
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
    pub fn leaf(fact: &str, test: Value) -> Self {
        Self::Leaf(Map::from_iter([(fact.to_owned(), test)]))
    }

    /// The fact is there.
    pub fn exists(fact: &str) -> Self {
        Self::leaf(fact, json!({"$exists": true}))
    }

    /// All of the parts hold.
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
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

    /// Some part holds.
    pub fn any(parts: impl IntoIterator<Item = Self>) -> Self {
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

    /// It does not hold.
    pub fn negated(self) -> Self {
        match self {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// Both hold.
    pub fn and(self, other: Self) -> Self {
        Self::all([self, other])
    }

    /// One of the two holds.
    pub fn or(self, other: Self) -> Self {
        Self::any([self, other])
    }

    /// The condition as a document writes it. `None`: everybody, which a document does not write.
    pub fn written(&self) -> Option<Value> {
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
