//! The verb: from JSON to a condition, with everything that is wrong with it.
//!
//! There is one reading. What is wrong is noted and read as GrowthBook's SDKs would evaluate it, mostly as a clause that
//! never matches; whoever calls decides whether a noted problem refuses the whole.

mod operators;
mod place;

use serde_json::{Map, Value};

use super::operator::{JOINING, Letters, Operator, TESTING};
use super::tree::{Node, Test};
use super::{Groups, MAX_CLAUSES, MAX_DEPTH, MAX_VALUES};
use crate::lower_case;
use crate::suggestion::suggest;
use place::{Place, shown};

/// Something wrong in a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, from the outermost object of the condition: `$or[1].country.$regex`. Empty for the condition itself.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Gives the key of a fact's name, or says why there is none.
type KeyOf<'a, K> = dyn FnMut(&str) -> Result<K, String> + 'a;

/// Reads a condition; it is as meant only where there are no problems.
pub(super) fn parse<K>(value: &Value, groups: &Groups, key_of: &mut KeyOf<'_, K>) -> (Node<K>, Vec<Problem>) {
    let mut parser = Parser { groups, problems: Vec::new(), clauses: 0, values: 0 };
    let root = parser.condition(value, Place::root(), key_of);
    (root, parser.problems)
}

struct Parser<'a> {
    groups: &'a Groups,
    problems: Vec<Problem>,
    clauses: usize,
    values: usize,
}

impl Parser<'_> {
    fn problem(&mut self, place: Place<'_>, message: impl Into<String>) {
        self.problems.push(Problem { path: place.to_string(), message: message.into() });
    }

    /// Counts a clause. False where the limits are reached and what follows must not be read.
    fn enter(&mut self, place: Place<'_>) -> bool {
        self.clauses += 1;
        if self.clauses == MAX_CLAUSES + 1 {
            self.problem(
                place,
                format!("more than {MAX_CLAUSES} clauses in one condition: use `$in` with a list, or split it"),
            );
        }
        if place.depth() > MAX_DEPTH {
            self.problem(place, format!("nested more than {MAX_DEPTH} levels deep: flatten the condition"));
        }
        self.clauses <= MAX_CLAUSES && place.depth() <= MAX_DEPTH
    }

    /// Counts the values of a list, by the same rule.
    fn enter_values(&mut self, count: usize, place: Place<'_>) -> bool {
        let before = self.values;
        self.values = before.saturating_add(count);
        if before <= MAX_VALUES && self.values > MAX_VALUES {
            self.problem(
                place,
                format!("more than {MAX_VALUES} values in the lists of one condition: use a smaller list"),
            );
        }
        self.values <= MAX_VALUES
    }

    fn condition<K>(&mut self, value: &Value, place: Place<'_>, key_of: &mut KeyOf<'_, K>) -> Node<K> {
        if !self.enter(place) {
            return Node::Never;
        }
        let Value::Object(members) = value else {
            let example = r#"{"country": "US"}"#;
            self.problem(place, format!("a condition is an object such as {example}, not {}", called(value)));
            return Node::Never;
        };
        let mut nodes = Vec::with_capacity(members.len());
        for (key, value) in members {
            let place = place.key(key);
            nodes.push(match key.as_str() {
                "$and" => self.conditions(key, value, place, key_of).map_or(Node::Never, all),
                "$or" => self.conditions(key, value, place, key_of).map_or(Node::Never, any),
                "$nor" => {
                    self.conditions(key, value, place, key_of).map_or(Node::Never, |nodes| Node::Not(any(nodes).into()))
                }
                "$not" => Node::Not(self.condition(value, place, key_of).into()),
                _ => self.fact(key, value, place, key_of),
            });
        }
        all(nodes)
    }

    /// The list under `$and`, `$or`, `$nor`.
    fn conditions<K>(
        &mut self,
        operator: &str,
        value: &Value,
        place: Place<'_>,
        key_of: &mut KeyOf<'_, K>,
    ) -> Option<Vec<Node<K>>> {
        let Value::Array(values) = value else {
            let example = format!(r#"{{"{operator}": [{{"country": "US"}}, {{"device": "mobile"}}]}}"#);
            self.problem(place, format!("`{operator}` takes a list, as in {example}, not {}", called(value)));
            return None;
        };
        let mut nodes = Vec::new();
        for (index, value) in values.iter().enumerate() {
            nodes.push(self.condition(value, place.index(index), key_of));
            if self.clauses > MAX_CLAUSES {
                break;
            }
        }
        Some(nodes)
    }

    fn fact<K>(&mut self, name: &str, value: &Value, place: Place<'_>, key_of: &mut KeyOf<'_, K>) -> Node<K> {
        if !self.enter(place) {
            return Node::Never;
        }
        if name.starts_with('$') {
            self.problem(place, not_joining(name));
            // GrowthBook's SDKs take it for a fact's name. What stands under it was written for something else, so what is
            // wrong with that is not worth telling.
            let noted = self.problems.len();
            let test = self.test(value, Letters::Exact, place);
            self.problems.truncate(noted);
            return key_of(name).map_or(Node::Never, |key| Node::Fact(key, test));
        }
        let test = self.test(value, Letters::Exact, place);
        match key_of(name) {
            Ok(key) => Node::Fact(key, test),
            Err(message) => {
                self.problem(place, message);
                Node::Never
            }
        }
    }

    /// What stands under a fact: a plain value, or an object of operators. `letters` is about plain texts.
    fn test(&mut self, value: &Value, letters: Letters, place: Place<'_>) -> Test {
        match value {
            Value::Null => Test::Absent,
            Value::Bool(truth) => Test::Truth(*truth),
            Value::Number(number) => number.as_f64().map_or(Test::Never, Test::Number),
            Value::String(text) if letters == Letters::Folded => Test::TextFolded(lower_case::text(text).into()),
            Value::String(text) => Test::Text(text.as_str().into()),
            Value::Array(_) => {
                let message = r#"a list here asks for that very list; for one of several values write {"$in": [...]}"#;
                self.problem(place, message);
                self.literal(value, place)
            }
            Value::Object(members) if is_operators(members) => self.operators(members, place),
            Value::Object(members) => {
                let stranger = members.keys().find(|key| !key.starts_with('$'));
                self.problem(place, match stranger {
                    Some(key) => format!(
                        "only operators such as `$in` can stand under a fact, not `{}`; facts inside a fact are written with dots",
                        shown(key)
                    ),
                    None => "an empty object tests nothing: write an operator, or leave the fact out".into(),
                });
                self.literal(value, place)
            }
        }
    }

    fn operators(&mut self, members: &Map<String, Value>, place: Place<'_>) -> Test {
        let mut tests = Vec::with_capacity(members.len());
        for (word, operand) in members {
            let place = place.key(word);
            if !self.enter(place) {
                return Test::Never;
            }
            tests.push(match Operator::named(word) {
                Some(operator) => self.operator(operator, word, operand, place),
                None => {
                    self.problem(place, not_testing(word));
                    Test::Never
                }
            });
        }
        match tests.pop() {
            Some(test) if tests.is_empty() => test,
            last => Test::All(tests.into_iter().chain(last).collect()),
        }
    }

    /// A list or object that a value must be equal to.
    fn literal(&mut self, value: &Value, place: Place<'_>) -> Test {
        match size(value, MAX_DEPTH) {
            Some(size) if self.enter_values(size, place) => Test::Json(value.clone()),
            _ => Test::Never,
        }
    }
}

/// How many values a JSON value is made of; `None` where it is nested deeper than that.
fn size(value: &Value, depth: usize) -> Option<usize> {
    let below = depth.checked_sub(1)?;
    match value {
        Value::Array(elements) => elements.iter().try_fold(1, |sum, element| Some(sum + size(element, below)?)),
        Value::Object(members) => members.values().try_fold(1, |sum, member| Some(sum + size(member, below)?)),
        _ => Some(1),
    }
}

fn all<K>(mut nodes: Vec<Node<K>>) -> Node<K> {
    match nodes.pop() {
        Some(node) if nodes.is_empty() => node,
        last => Node::All(nodes.into_iter().chain(last).collect()),
    }
}

/// An empty `$or` holds, as in GrowthBook's SDKs.
fn any<K>(mut nodes: Vec<Node<K>>) -> Node<K> {
    match nodes.pop() {
        None => Node::always(),
        Some(node) if nodes.is_empty() => node,
        last => Node::Any(nodes.into_iter().chain(last).collect()),
    }
}

fn is_operators(members: &Map<String, Value>) -> bool {
    !members.is_empty() && members.keys().all(|key| key.starts_with('$'))
}

/// What a JSON value is called in messages.
pub(crate) fn called(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Why a word that starts with `$` cannot stand beside facts.
fn not_joining(word: &str) -> String {
    if Operator::named(word).is_some() {
        return format!(r#"`{word}` tests a fact and must stand under one, as in {{"country": {{"{word}": ...}}}}"#);
    }
    let near = suggest(word, JOINING.into_iter());
    unknown(word, near, "beside facts can stand `$and`, `$or`, `$nor` and `$not`")
}

/// Why a word that starts with `$` cannot stand under a fact.
fn not_testing(word: &str) -> String {
    if JOINING.contains(&word) {
        return format!(
            r#"`{word}` joins conditions and cannot stand under a fact: put the fact inside, as in {{"{word}": [{{"country": ...}}]}}"#
        );
    }
    let near = suggest(word, TESTING.iter().map(|(name, _)| *name));
    unknown(word, near, "under a fact can stand operators such as `$eq`, `$in`, `$regex` or `$vgte`")
}

fn unknown(word: &str, near: Option<&str>, known: &str) -> String {
    match near {
        Some(near) => format!("unknown operator `{}`; did you mean `{near}`?", shown(word)),
        None => format!("unknown operator `{}`; {known}", shown(word)),
    }
}
