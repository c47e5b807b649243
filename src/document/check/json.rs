//! Text → JSON, with its own problems: syntax, by line and column, and fields that stand twice.

use super::described::quoted;
use crate::document::Problem;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::RefCell;
use std::fmt;

/// Reads the text. Of a field that stands twice the last is kept, as serde_json would, and it is a problem.
///
/// # Errors
///
/// Where the text is no JSON.
pub(super) fn read(text: &str) -> Result<(Value, Vec<Problem>), Problem> {
    let problems = RefCell::new(Vec::new());
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Node { place: &Place::Root, problems: &problems }.deserialize(&mut json);
    match read.and_then(|value| json.end().map(|()| value)) {
        Ok(value) => Ok((value, problems.into_inner())),
        Err(error) => Err(syntax(text, &error)),
    }
}

fn syntax(text: &str, error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    let message = error.to_string();
    let what = message.split(" at line ").next().unwrap_or(&message);
    if let Some(format) = super::format::named(text) {
        return Problem::error("", format!("not JSON, line {line}, column {column}: {format}"));
    }
    let rest: String = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().chars().collect();
    let after = rest.get(column.saturating_sub(1)..).unwrap_or_default();
    let advice = if ["NaN", "Inf", "-Inf", "nan"].iter().any(|word| after.starts_with(word)) {
        "JSON has no such number: write a finite one".to_owned()
    } else if after.starts_with('\'') {
        "JSON has double quotes alone: write \"…\"".to_owned()
    } else if what.contains("trailing comma") {
        "remove the comma before the closing bracket".to_owned()
    } else if what.contains("recursion limit") {
        "it is nested more than 127 levels deep: flatten it".to_owned()
    } else {
        "correct it there or just before".to_owned()
    };
    Problem::error("", format!("not JSON, line {line}, column {column}: {what}: {advice}"))
}

/// Where a value stands.
enum Place<'a> {
    Root,
    Field(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Place::Root, field) => out.write_str(field),
            Self::Field(parent, field) => write!(out, "{parent}.{field}"),
            Self::Item(parent, index) => write!(out, "{parent}[{index}]"),
        }
    }
}

#[derive(Clone, Copy)]
struct Node<'a> {
    place: &'a Place<'a>,
    problems: &'a RefCell<Vec<Problem>>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) =
            items.next_element_seed(Node { place: &Place::Item(self.place, list.len()), problems: self.problems })?
        {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let place = Place::Field(self.place, &key);
            let value = entries.next_value_seed(Node { place: &place, problems: self.problems })?;
            if object.contains_key(&key) {
                self.problems.borrow_mut().push(Problem::error(
                    place.to_string(),
                    format!("{} stands here twice, and readers would keep one: remove the other", quoted(&key)),
                ));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}
