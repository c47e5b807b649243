//! The nouns: what a condition is once it is parsed.

use std::sync::Arc;

use serde_json::Value;

use super::groups::ValueSet;
use super::operator::{Kind, Relation};
use super::pattern::Pattern;
use super::version::Version;

/// A condition over facts.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node<K> {
    All(Box<[Node<K>]>),
    /// Never empty: an empty `$or` holds for everybody and is parsed to an empty `All`.
    Any(Box<[Node<K>]>),
    Not(Box<Node<K>>),
    Fact(K, Test),
    Never,
}

impl<K> Node<K> {
    pub(super) fn always() -> Self {
        Self::All(Box::default())
    }
}

/// A condition on one value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// Several operators under one fact.
    All(Box<[Test]>),
    Not(Box<Test>),
    Never,
    Absent,
    /// A plain text: the value is converted to text first.
    Text(Box<str>),
    /// The same without regard to case; the operand is folded.
    TextFolded(Box<str>),
    /// A plain number: the value is converted to a number first.
    Number(f64),
    /// A plain `true` or `false`: the value is taken as JavaScript takes it in an `if`.
    Truth(bool),
    /// A plain list or object: the same JSON.
    Json(Value),
    /// `$eq`: the same type and the same value.
    Same(Scalar),
    Order(Relation, Bound),
    Version(Relation, Version),
    In(Members),
    Kind(Kind),
    Matches(Pattern),
    Size(Box<Test>),
    /// `$elemMatch` of operators: one element fulfils the test.
    Element(Box<Test>),
    /// `$elemMatch` of a condition: one element fulfils it, its members being the facts.
    ElementWhere(Box<Node<Box<str>>>),
    /// `$all`: each of these tests is fulfilled by some element.
    Every(Box<[Test]>),
}

/// A value that is not made of others.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Number(f64),
    Text(Box<str>),
}

/// The right side of `$lt` and its kin.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bound {
    Number(f64),
    /// A text compares as text with texts, and as the number it spells, if it spells one, with everything else.
    Text(Box<str>, Option<f64>),
}

/// The right side of `$in` and its kin.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Members {
    Listed(Arc<ValueSet>),
    /// Without regard to case; the set is folded.
    Folded(Arc<ValueSet>),
    Group(Box<str>, Arc<ValueSet>),
}

crate::pack::packed!(
    enum Node<K> {
        All(of) = 0,
        Any(of) = 1,
        Not(of) = 2,
        Fact(key, test) = 3,
        Never = 4,
    }
);
crate::pack::packed!(
    enum Test {
        All(of) = 0,
        Not(of) = 1,
        Never = 2,
        Absent = 3,
        Text(is) = 4,
        TextFolded(is) = 5,
        Number(is) = 6,
        Truth(is) = 7,
        Json(is) = 8,
        Same(is) = 9,
        Order(relation, bound) = 10,
        Version(relation, version) = 11,
        In(members) = 12,
        Kind(is) = 13,
        Matches(pattern) = 14,
        Size(is) = 15,
        Element(is) = 16,
        ElementWhere(is) = 17,
        Every(of) = 18,
    }
);
crate::pack::packed!(
    enum Scalar {
        Null = 0,
        Bool(is) = 1,
        Number(is) = 2,
        Text(is) = 3,
    }
);
crate::pack::packed!(
    enum Bound {
        Number(is) = 0,
        Text(is, number) = 1,
    }
);
crate::pack::packed!(
    enum Members {
        Listed(set) = 0,
        Folded(set) = 1,
        Group(name, set) = 2,
    }
);
