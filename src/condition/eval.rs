//! The verb: whether facts fulfil a condition. Total, bounded, and without allocating where facts are texts.

use std::cmp::Ordering;

use super::fact::{Attributes, Fact};
use super::operator::Letters;
use super::text;
use super::tree::{Bound, Members, Node, Scalar, Test};

impl<K> Node<K> {
    pub(super) fn matches(&self, attributes: &impl Attributes<K>) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|node| node.matches(attributes)),
            Self::Any(nodes) => nodes.iter().any(|node| node.matches(attributes)),
            Self::Not(node) => !node.matches(attributes),
            Self::Fact(key, test) => test.holds(&attributes.get(key)),
            Self::Never => false,
        }
    }
}

impl Test {
    pub(super) fn holds(&self, fact: &Fact<'_>) -> bool {
        match self {
            Self::All(tests) => tests.iter().all(|test| test.holds(fact)),
            Self::Not(test) => !test.holds(fact),
            Self::Never => false,
            Self::Absent => matches!(fact, Fact::Absent),
            Self::Text(text) => fact.as_text().is_some_and(|left| *left == **text),
            Self::TextFolded(text) => fact.as_text().is_some_and(|left| text::is_folded(&left, text)),
            Self::Number(number) => !matches!(fact, Fact::Absent) && fact.as_number() == *number,
            Self::Truth(truth) => !matches!(fact, Fact::Absent) && fact.is_truthy() == *truth,
            Self::Json(json) => fact.is_json(json),
            Self::Same(scalar) => scalar.is(fact),
            Self::Order(relation, bound) => bound.compare(fact).is_some_and(|order| relation.holds(order)),
            Self::Version(relation, version) => {
                let text = match fact {
                    Fact::Text(_) | Fact::Number(_) => fact.as_text().unwrap_or_default(),
                    _ => "0".into(),
                };
                relation.holds(version.order_of(&text))
            }
            Self::In(Members::Listed(set) | Members::Group(_, set)) => set.meets(fact, Letters::Exact),
            Self::In(Members::Folded(set)) => set.meets(fact, Letters::Folded),
            Self::Kind(kind) => fact.kind() == *kind,
            Self::Matches(pattern) => fact.as_text().is_some_and(|text| pattern.matches(&text)),
            Self::Size(test) => match fact {
                #[allow(clippy::cast_precision_loss)]
                Fact::List(elements) => test.holds(&Fact::Number(elements.len() as f64)),
                _ => false,
            },
            Self::Element(test) => some_element(fact, |element| test.holds(&Fact::from(element))),
            Self::ElementWhere(node) => some_element(fact, |element| node.matches(element)),
            Self::Every(tests) => match fact {
                Fact::List(elements) => {
                    tests.iter().all(|test| elements.iter().any(|element| test.holds(&Fact::from(element))))
                }
                _ => false,
            },
        }
    }
}

/// Whether the value is a list that has such an element. Null is none, as in GrowthBook's JavaScript SDK.
fn some_element(fact: &Fact<'_>, fulfils: impl Fn(&serde_json::Value) -> bool) -> bool {
    match fact {
        Fact::List(elements) => elements.iter().any(|element| !element.is_null() && fulfils(element)),
        _ => false,
    }
}

impl Scalar {
    fn is(&self, fact: &Fact<'_>) -> bool {
        match (self, fact) {
            (Self::Null, Fact::Absent) => true,
            (Self::Bool(right), Fact::Bool(left)) => left == right,
            (Self::Number(right), Fact::Number(left)) => left == right,
            (Self::Text(right), Fact::Text(left)) => **left == **right,
            _ => false,
        }
    }
}

impl Bound {
    /// How the value stands to the bound; `None` where one of them is no number, so that no relation holds.
    fn compare(&self, fact: &Fact<'_>) -> Option<Ordering> {
        let number = match (self, fact) {
            (Self::Text(right, _), Fact::Text(_) | Fact::List(_) | Fact::Object(_)) => {
                return fact.as_text().map(|left| text::order(left.chars(), right.chars()));
            }
            (Self::Number(number), _) => *number,
            (Self::Text(_, number), _) => (*number)?,
        };
        fact.as_number().partial_cmp(&number)
    }
}
