//! Facts: the values that conditions look at, and who gives them.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::operator::Kind;
use super::text;

/// How deep a list is followed when it is converted to text.
const MAX_JOIN: usize = 8;

/// What a condition asks for its facts.
pub trait Attributes<K> {
    /// The value of one fact. Called when a clause needs it, so what is costly to find out can wait until then; it may be
    /// called more than once for a key and must then give the same value.
    fn get(&self, key: &K) -> Fact<'_>;
}

/// The value of a fact.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact<'a> {
    /// There is none, or it is null: conditions cannot tell the two apart.
    Absent,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// A list of JSON values.
    List(&'a [Value]),
    /// A JSON object.
    Object(&'a Map<String, Value>),
}

impl<'a> Fact<'a> {
    /// A text that need not be copied, the common case.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Absent => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Number(_) => Kind::Number,
            Self::Text(_) => Kind::Text,
            Self::List(_) => Kind::List,
            Self::Object(_) => Kind::Object,
        }
    }

    /// The value in the `if` of JavaScript.
    pub(super) fn is_truthy(&self) -> bool {
        match self {
            Self::Absent => false,
            Self::Bool(truth) => *truth,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::List(_) | Self::Object(_) => true,
        }
    }

    /// The value as text; `None` where there is no value.
    pub(super) fn as_text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Absent => return None,
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Number(number) => Cow::Owned(text::of_number(*number)),
            Self::Text(text) => Cow::Borrowed(text),
            Self::List(elements) => Cow::Owned(joined(elements, MAX_JOIN)),
            Self::Object(_) => Cow::Borrowed("[object Object]"),
        })
    }

    /// The value as a number, NaN where it is none; an absent one is zero.
    pub(super) fn as_number(&self) -> f64 {
        match self {
            Self::Absent => 0.0,
            Self::Bool(truth) => f64::from(u8::from(*truth)),
            Self::Number(number) => *number,
            Self::Text(text) => text::to_number(text),
            Self::List(elements) => text::to_number(&joined(elements, MAX_JOIN)),
            Self::Object(_) => f64::NAN,
        }
    }

    /// Whether the value is the same JSON. Numbers compare by value, so 1 and 1.0 are the same.
    pub(super) fn is_json(&self, json: &Value) -> bool {
        match (self, json) {
            (Self::List(left), Value::Array(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(left, right)| Fact::from(left).is_json(right))
            }
            (Self::Object(left), Value::Object(right)) => {
                left.len() == right.len()
                    && left
                        .iter()
                        .all(|(key, left)| right.get(key).is_some_and(|right| Fact::from(left).is_json(right)))
            }
            (Self::List(_) | Self::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => false,
            (left, right) => *left == Fact::from(right),
        }
    }
}

impl<'a> From<&'a Value> for Fact<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Absent,
            Value::Bool(truth) => Self::Bool(*truth),
            Value::Number(number) => number.as_f64().map_or(Self::Absent, Self::Number),
            Value::String(text) => Self::text(text),
            Value::Array(elements) => Self::List(elements),
            Value::Object(members) => Self::Object(members),
        }
    }
}

/// A list as text: its elements with commas between them, absent ones empty.
fn joined(elements: &[Value], depth: usize) -> String {
    let text = |element: &Value| match (element, depth) {
        (Value::Array(elements), 1..) => joined(elements, depth - 1),
        (Value::Array(_), 0) => String::new(),
        (element, _) => Fact::from(element).as_text().map(Cow::into_owned).unwrap_or_default(),
    };
    elements.iter().map(text).collect::<Vec<_>>().join(",")
}

/// The members of a JSON object by dotted paths, elements of lists by their index: `pets.0.name`.
impl Attributes<Box<str>> for Value {
    fn get(&self, path: &Box<str>) -> Fact<'_> {
        path.split('.')
            .try_fold(self, |value, name| match value {
                Value::Object(members) => members.get(name),
                Value::Array(elements) => elements.get(index(name)?),
                _ => None,
            })
            .map_or(Fact::Absent, Fact::from)
    }
}

/// A list index as it is written: no sign, no leading zero.
fn index(name: &str) -> Option<usize> {
    let canonical = name == "0" || (!name.starts_with(['0', '+']));
    canonical.then(|| name.parse().ok()).flatten()
}
