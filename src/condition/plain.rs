//! The part of the language that a database can evaluate: comparisons of plain values, joined.

use serde_json::Value;

use super::Condition;
use super::operator::Relation;
use super::text;
use super::tree::{Bound, Members, Node, Scalar, Test};

/// A condition that says everything in terms which any SQL has. It holds where the [`Condition`] that it is made of does.
#[derive(Clone, Debug, PartialEq)]
pub enum Plain {
    /// Every one holds; none: always.
    All(Vec<Plain>),
    /// At least one holds; none: never.
    Any(Vec<Plain>),
    /// It does not hold.
    Not(Box<Plain>),
    /// The value at a path of names and positions is of this kind. Absent and null are the same.
    Is(Vec<String>, Matter),
}

/// What a value may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Matter {
    /// There is none.
    Absent,
    /// This truth value.
    Truth(bool),
    /// A text, the same.
    Text(String),
    /// A number, the same.
    Number(f64),
    /// A text that stands to this one so: `<`, `<=`, `>` or `>=`, by code points.
    TextOrder(&'static str, String),
    /// A number that stands to this one so.
    NumberOrder(&'static str, f64),
    /// A text that spells a number as JSON does, and stands to this one so; also `=`.
    SpelledOrder(&'static str, f64),
    /// A text that is not empty.
    FilledText,
    /// An object or a list.
    Composite,
}

impl Condition<Box<str>> {
    /// The same condition for a database.
    ///
    /// # Errors
    ///
    /// The operator that databases do not share, such as `$regex`.
    pub fn plain(&self) -> Result<Plain, &'static str> {
        node(&self.root)
    }
}

fn node(of: &Node<Box<str>>) -> Result<Plain, &'static str> {
    Ok(match of {
        Node::All(nodes) => Plain::All(nodes.iter().map(node).collect::<Result<_, _>>()?),
        Node::Any(nodes) => Plain::Any(nodes.iter().map(node).collect::<Result<_, _>>()?),
        Node::Not(inner) => Plain::Not(Box::new(node(inner)?)),
        Node::Never => Plain::Any(Vec::new()),
        Node::Fact(path, test) => {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            if !path.iter().all(|name| is_writable(name)) {
                return Err("a name that is empty, is *, or has a quote, a backslash or a control character");
            }
            tested(&path, test)?
        }
    })
}

/// Whether every database takes the name in a path, and takes it for a name.
fn is_writable(name: &str) -> bool {
    !name.is_empty() && name != "*" && !name.chars().any(|letter| letter.is_control() || matches!(letter, '"' | '\\'))
}

fn tested(path: &[String], test: &Test) -> Result<Plain, &'static str> {
    let is = |matter: Matter| Plain::Is(path.to_vec(), matter);
    let any = |matters: Vec<Matter>| Plain::Any(matters.into_iter().map(is).collect());
    if texts(test).any(|text| text.chars().any(char::is_control)) {
        return Err("a text with a control character");
    }
    Ok(match test {
        Test::All(tests) => Plain::All(tests.iter().map(|test| tested(path, test)).collect::<Result<_, _>>()?),
        Test::Not(test) => Plain::Not(Box::new(tested(path, test)?)),
        Test::Never => Plain::Any(Vec::new()),
        Test::Absent => is(Matter::Absent),
        Test::Truth(truth) => {
            // why: as in an `if` of JavaScript: 0 and the empty text are false
            let zero = || is(Matter::Number(0.0));
            let holds = Plain::Any(vec![
                is(Matter::Truth(true)),
                Plain::All(vec![any_number(path), Plain::Not(Box::new(zero()))]),
                is(Matter::FilledText),
                is(Matter::Composite),
            ]);
            if *truth {
                holds
            } else {
                Plain::All(vec![Plain::Not(Box::new(is(Matter::Absent))), Plain::Not(Box::new(holds))])
            }
        }
        Test::Text(wanted) => {
            let mut matters = vec![Matter::Text(wanted.to_string())];
            match &**wanted {
                "true" => matters.push(Matter::Truth(true)),
                "false" => matters.push(Matter::Truth(false)),
                spelled => {
                    // why: JSON has neither `NaN` nor `Infinity`, and in SQL they would be names
                    let number = spelled
                        .parse::<f64>()
                        .ok()
                        .filter(|number| number.is_finite() && text::of_number(*number) == spelled);
                    matters.extend(number.map(Matter::Number));
                }
            }
            any(matters)
        }
        Test::Number(number) => {
            let mut matters = vec![Matter::Number(*number), Matter::SpelledOrder("=", *number)];
            if *number == 1.0 {
                matters.push(Matter::Truth(true));
            }
            if *number == 0.0 {
                matters.extend([Matter::Truth(false), Matter::Text(String::new())]);
            }
            any(matters)
        }
        Test::Same(scalar) => any(vec![same(scalar)]),
        Test::In(Members::Listed(set) | Members::Group(_, set)) => {
            let mut matters: Vec<Matter> = set.texts.iter().map(|text| Matter::Text(text.to_string())).collect();
            matters.extend(set.numbers.iter().copied().map(Matter::Number));
            matters.extend(set.truths.iter().copied().map(Matter::Truth));
            if set.null {
                matters.push(Matter::Absent);
            }
            any(matters)
        }
        Test::Order(relation, bound) => order(path, *relation, bound),
        Test::TextFolded(_) | Test::In(Members::Folded(_)) => return Err("$ini"),
        Test::Json(Value::Null) => is(Matter::Absent),
        Test::Json(_) => return Err("a list or an object"),
        Test::Version(..) => return Err("$veq"),
        Test::Kind(_) => return Err("$type"),
        Test::Matches(_) => return Err("$regex"),
        Test::Size(_) => return Err("$size"),
        Test::Element(_) | Test::ElementWhere(_) => return Err("$elemMatch"),
        Test::Every(_) => return Err("$all"),
    })
}

/// The texts that a test compares with.
fn texts(test: &Test) -> impl Iterator<Item = &str> {
    let (one, many): (Option<&str>, &[Box<str>]) = match test {
        Test::Text(text) | Test::Same(Scalar::Text(text)) | Test::Order(_, Bound::Text(text, _)) => (Some(text), &[]),
        Test::In(Members::Listed(set) | Members::Group(_, set)) => (None, &set.texts),
        _ => (None, &[]),
    };
    one.into_iter().chain(many.iter().map(|text| &**text))
}

/// Any number: it is at most one, or more.
fn any_number(path: &[String]) -> Plain {
    let is = |matter| Plain::Is(path.to_vec(), matter);
    Plain::Any(vec![is(Matter::NumberOrder("<=", 0.0)), is(Matter::NumberOrder(">", 0.0))])
}

fn same(scalar: &Scalar) -> Matter {
    match scalar {
        Scalar::Null => Matter::Absent,
        Scalar::Bool(truth) => Matter::Truth(*truth),
        Scalar::Number(number) => Matter::Number(*number),
        Scalar::Text(text) => Matter::Text(text.to_string()),
    }
}

fn order(path: &[String], relation: Relation, bound: &Bound) -> Plain {
    let is = |matter: Matter| Plain::Is(path.to_vec(), matter);
    let sign = relation.sign();
    let number = match bound {
        Bound::Number(number) => Some(*number),
        Bound::Text(_, number) => *number,
    };
    // why: no number of JSON is infinite, so that each stands to infinity as it stands to the largest
    let number = number.map(|number| number.clamp(f64::MIN, f64::MAX));
    let mut ways = Vec::new();
    if let Bound::Text(text, _) = bound {
        ways.push(is(Matter::TextOrder(sign, text.to_string())));
    }
    if let Some(number) = number {
        ways.push(is(Matter::NumberOrder(sign, number)));
        if matches!(bound, Bound::Number(_)) {
            ways.push(is(Matter::SpelledOrder(sign, number)));
            if holds(relation, 0.0, number) {
                ways.push(is(Matter::Text(String::new())));
            }
        }
        // why: an absent value is 0 here, true is 1 and false is 0
        if holds(relation, 0.0, number) {
            ways.extend([is(Matter::Absent), is(Matter::Truth(false))]);
        }
        if holds(relation, 1.0, number) {
            ways.push(is(Matter::Truth(true)));
        }
    }
    Plain::Any(ways)
}

fn holds(relation: Relation, left: f64, right: f64) -> bool {
    left.partial_cmp(&right).is_some_and(|order| relation.holds(order))
}
