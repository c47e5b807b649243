//! What each operator takes, and makes of it.

use std::sync::Arc;

use serde_json::Value;

use super::place::{Place, shown};
use super::{Parser, called, is_operators};
use crate::condition::fact::Fact;
use crate::condition::groups::ValueSet;
use crate::condition::operator::{KINDS, Kind, Letters, Operator, Relation};
use crate::condition::pattern::Pattern;
use crate::condition::text;
use crate::condition::tree::{Bound, Members, Scalar, Test};
use crate::condition::version::Version;
use crate::suggestion::suggest;

impl Parser<'_> {
    pub(super) fn operator(&mut self, operator: Operator, word: &str, operand: &Value, place: Place<'_>) -> Test {
        match operator {
            Operator::Equal => self.same(word, operand, place),
            Operator::NotEqual => not(self.same(word, operand, place)),
            // With an operand that is no list, GrowthBook's SDKs let neither `$in` nor `$nin` match.
            Operator::In => self.members(word, operand, Letters::Exact, place).unwrap_or(Test::Never),
            Operator::NotIn => self.members(word, operand, Letters::Exact, place).map_or(Test::Never, not),
            Operator::InFolded => self.members(word, operand, Letters::Folded, place).unwrap_or(Test::Never),
            Operator::NotInFolded => self.members(word, operand, Letters::Folded, place).map_or(Test::Never, not),
            Operator::All => self.every(word, operand, Letters::Exact, place),
            Operator::AllFolded => self.every(word, operand, Letters::Folded, place),
            Operator::Order(relation) => self.order(relation, word, operand, place),
            Operator::Exists => self.exists(operand, place),
            Operator::Type => self.kind(operand, place),
            Operator::Size => self.size(operand, place),
            Operator::ElemMatch => self.element(operand, place),
            Operator::Regex => self.pattern(word, operand, Letters::Exact, place).unwrap_or(Test::Never),
            Operator::RegexFolded => self.pattern(word, operand, Letters::Folded, place).unwrap_or(Test::Never),
            Operator::NotRegex => self.pattern(word, operand, Letters::Exact, place).map_or(Test::Never, not),
            Operator::NotRegexFolded => self.pattern(word, operand, Letters::Folded, place).map_or(Test::Never, not),
            Operator::Version(relation) => self.version(relation, word, operand, place),
            Operator::VersionNotEqual => not(self.version(Relation::Equal, word, operand, place)),
            Operator::InGroup => self.group(word, operand, place),
            Operator::NotInGroup => not(self.group(word, operand, place)),
            Operator::Not => not(self.test(operand, Letters::Exact, place)),
        }
    }

    fn same(&mut self, word: &str, operand: &Value, place: Place<'_>) -> Test {
        Test::Same(match operand {
            Value::Null => Scalar::Null,
            Value::Bool(truth) => Scalar::Bool(*truth),
            Value::Number(number) => number.as_f64().map_or(Scalar::Null, Scalar::Number),
            Value::String(text) => Scalar::Text(text.as_str().into()),
            Value::Array(_) | Value::Object(_) => {
                let instead = if word == "$eq" { "$in" } else { "$nin" };
                self.problem(
                    place,
                    format!("`{word}` takes a single value, not {}; for several write `{instead}`", called(operand)),
                );
                return Test::Never;
            }
        })
    }

    fn list<'v>(&mut self, word: &str, operand: &'v Value, place: Place<'_>) -> Option<&'v [Value]> {
        if let Value::Array(values) = operand {
            return self.enter_values(values.len(), place).then_some(values);
        }
        let example = format!(r#"{{"{word}": ["a", "b"]}}"#);
        self.problem(place, format!("`{word}` takes a list, as in {example}, not {}", called(operand)));
        None
    }

    fn members(&mut self, word: &str, operand: &Value, letters: Letters, place: Place<'_>) -> Option<Test> {
        let values = self.list(word, operand, place)?;
        // The first one says enough.
        if let Some((index, value)) = values.iter().enumerate().find(|(_, value)| value.is_array() || value.is_object())
        {
            self.problem(place.index(index), format!("`{word}` lists single values; {} never matches", called(value)));
        }
        let set = Arc::new(ValueSet::new(values, letters));
        Some(Test::In(match letters {
            Letters::Exact => Members::Listed(set),
            Letters::Folded => Members::Folded(set),
        }))
    }

    fn every(&mut self, word: &str, operand: &Value, letters: Letters, place: Place<'_>) -> Test {
        let Some(values) = self.list(word, operand, place) else {
            return Test::Never;
        };
        let mut tests = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let place = place.index(index);
            if !self.enter(place) {
                return Test::Never;
            }
            tests.push(self.test(value, letters, place));
        }
        Test::Every(tests.into())
    }

    fn order(&mut self, relation: Relation, word: &str, operand: &Value, place: Place<'_>) -> Test {
        let bound = match operand {
            Value::Number(_) | Value::Null | Value::Bool(_) => Bound::Number(Fact::from(operand).as_number()),
            Value::String(_) | Value::Array(_) | Value::Object(_) => {
                let text = Fact::from(operand).as_text().unwrap_or_default().into_owned();
                let number = text::to_number(&text);
                Bound::Text(text.into(), (!number.is_nan()).then_some(number))
            }
        };
        if !operand.is_number() && !operand.is_string() {
            self.problem(place, format!("`{word}` compares with a number or a text, not {}", called(operand)));
        }
        Test::Order(relation, bound)
    }

    fn exists(&mut self, operand: &Value, place: Place<'_>) -> Test {
        if !operand.is_boolean() {
            self.problem(place, format!("`$exists` takes true or false, not {}", called(operand)));
        }
        if Fact::from(operand).is_truthy() { not(Test::Absent) } else { Test::Absent }
    }

    fn kind(&mut self, operand: &Value, place: Place<'_>) -> Test {
        let name = operand.as_str().unwrap_or_default();
        if let Some(kind) = Kind::named(name) {
            return Test::Kind(kind);
        }
        let names = || KINDS.iter().map(|(name, _)| *name);
        let known = names().collect::<Vec<_>>().join(", ");
        self.problem(
            place,
            match (operand, suggest(name, names())) {
                (Value::String(_), Some(near)) => format!("unknown type `{}`; did you mean `{near}`?", shown(name)),
                (Value::String(_), None) => format!("unknown type `{}`; the types are {known}", shown(name)),
                _ => format!("`$type` takes the name of a type ({known}), not {}", called(operand)),
            },
        );
        Test::Never
    }

    fn size(&mut self, operand: &Value, place: Place<'_>) -> Test {
        let fits = match operand {
            Value::Object(members) => is_operators(members),
            operand => operand.is_number(),
        };
        if !fits {
            let example = r#"{"$gt": 2}"#;
            self.problem(
                place,
                format!("`$size` takes a number or operators, as in {example}, not {}", called(operand)),
            );
            return Test::Never;
        }
        Test::Size(self.test(operand, Letters::Exact, place).into())
    }

    fn element(&mut self, operand: &Value, place: Place<'_>) -> Test {
        match operand {
            Value::Object(members) if is_operators(members) => Test::Element(self.operators(members, place).into()),
            Value::Object(_) => {
                Test::ElementWhere(self.condition(operand, place, &mut |name: &str| Ok(Box::from(name))).into())
            }
            _ => {
                let example = r#"{"$elemMatch": {"$gt": 10}}"#;
                let got = called(operand);
                self.problem(
                    place,
                    format!("`$elemMatch` takes an object of operators or a condition, as in {example}, not {got}"),
                );
                Test::Never
            }
        }
    }

    fn pattern(&mut self, word: &str, operand: &Value, letters: Letters, place: Place<'_>) -> Option<Test> {
        let Value::String(source) = operand else {
            self.problem(place, format!("`{word}` takes a regex as a text, not {}", called(operand)));
            return None;
        };
        Pattern::new(source, letters).map(Test::Matches).map_err(|message| self.problem(place, message)).ok()
    }

    fn version(&mut self, relation: Relation, word: &str, operand: &Value, place: Place<'_>) -> Test {
        let fits = match operand {
            Value::String(_) => true,
            Value::Number(number) => number.as_f64().is_some_and(|number| number.fract() == 0.0),
            _ => false,
        };
        if !fits {
            let why = if operand.is_number() { ": as a number, 1.10 is 1.1" } else { "" };
            self.problem(
                place,
                format!(r#"`{word}` takes a version in quotes, as in "1.10.0", not {}{why}"#, called(operand)),
            );
        }
        let written = match operand {
            Value::String(_) | Value::Number(_) => Fact::from(operand).as_text().unwrap_or_default().into_owned(),
            _ => String::new(),
        };
        Test::Version(relation, Version::new(&written))
    }

    fn group(&mut self, word: &str, operand: &Value, place: Place<'_>) -> Test {
        let name = operand.as_str().unwrap_or_default();
        let set = self.groups.get(name);
        if !operand.is_string() {
            self.problem(place, format!("`{word}` takes the name of a group, not {}", called(operand)));
        } else if set.is_none() {
            let near = suggest(name, self.groups.names());
            let advice = near
                .map_or("define it, or list its members with `$in`".into(), |near| format!("did you mean `{near}`?"));
            self.problem(place, format!("unknown group `{}`; {advice}", shown(name)));
        }
        Test::In(Members::Group(name.into(), set.unwrap_or_default()))
    }
}

fn not(test: Test) -> Test {
    Test::Not(test.into())
}
