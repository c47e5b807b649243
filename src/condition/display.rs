//! The verb: a condition as a sentence, for people who ask why.

use std::fmt::{self, Display, Formatter, Write};

use super::Condition;
use super::groups::ValueSet;
use super::operator::Letters;
use super::tree::{Bound, Members, Node, Scalar, Test};

/// How many values of a list are printed before the rest is counted.
const LISTED: usize = 8;

impl<K: Display> Display for Condition<K> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl<K: Display> Display for Node<K> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(nodes) if nodes.is_empty() => f.write_str("always"),
            Self::All(nodes) => joined(f, nodes, " and "),
            Self::Any(nodes) => joined(f, nodes, " or "),
            Self::Not(node) => {
                f.write_str("not ")?;
                nested(f, node)
            }
            Self::Fact(key, test) => Clause { of: key, test }.fmt(f),
            Self::Never => f.write_str("never"),
        }
    }
}

fn joined<K: Display>(f: &mut Formatter<'_>, nodes: &[Node<K>], word: &str) -> fmt::Result {
    for (index, node) in nodes.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        nested(f, node)?;
    }
    Ok(())
}

/// A part of something larger: in brackets where it is made of parts itself.
fn nested<K: Display>(f: &mut Formatter<'_>, node: &Node<K>) -> fmt::Result {
    let composite = match node {
        Node::All(nodes) => !nodes.is_empty(),
        Node::Any(_) | Node::Fact(_, Test::All(_)) => true,
        Node::Not(_) | Node::Fact(..) | Node::Never => false,
    };
    if composite { write!(f, "({node})") } else { node.fmt(f) }
}

/// A test and what it is applied to.
struct Clause<'a, S: ?Sized> {
    of: &'a S,
    test: &'a Test,
}

impl<S: Display + ?Sized> Display for Clause<'_, S> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let of = self.of;
        match self.test {
            Test::All(tests) => series(f, of, tests, " and "),
            Test::Not(test) => negated(f, of, test),
            Test::Never => write!(f, "{of} never fits"),
            Test::Absent => write!(f, "{of} is absent"),
            Test::Text(text) => write!(f, "{of} = {text:?}"),
            Test::TextFolded(text) => write!(f, "{of} = {text:?}i"),
            Test::Number(number) => write!(f, "{of} = {number}"),
            Test::Truth(truth) => write!(f, "{of} = {truth}"),
            Test::Json(json) => write!(f, "{of} = {json}"),
            Test::Same(scalar) => write!(f, "{of} == {scalar}"),
            Test::Order(relation, bound) => write!(f, "{of} {} {bound}", relation.sign()),
            Test::Version(relation, version) => write!(f, "version {of} {} {:?}", relation.sign(), version.written),
            Test::In(members) => write!(f, "{of} in {members}"),
            Test::Kind(kind) => write!(f, "{of} has type {}", kind.name()),
            Test::Matches(pattern) => {
                write!(f, "{of} ~ /{}/{}", pattern.source, if pattern.letters == Letters::Folded { "i" } else { "" })
            }
            Test::Size(test) => Clause { of: &format_args!("size of {of}"), test }.fmt(f),
            Test::Element(test) => write!(f, "some of {of} ({})", Clause { of: "it", test }),
            Test::ElementWhere(node) => write!(f, "some of {of} ({node})"),
            Test::Every(tests) => {
                write!(f, "{of} has all of (")?;
                series(f, "it", tests, ", ")?;
                f.write_char(')')
            }
        }
    }
}

fn series<S: Display + ?Sized>(f: &mut Formatter<'_>, of: &S, tests: &[Test], word: &str) -> fmt::Result {
    for (index, test) in tests.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        Clause { of, test }.fmt(f)?;
    }
    Ok(())
}

/// The opposite of a test, in the shortest words.
fn negated<S: Display + ?Sized>(f: &mut Formatter<'_>, of: &S, test: &Test) -> fmt::Result {
    match test {
        Test::Absent => write!(f, "{of} is present"),
        Test::Same(scalar) => write!(f, "{of} != {scalar}"),
        Test::In(members) => write!(f, "{of} not in {members}"),
        Test::All(_) => write!(f, "not ({})", Clause { of, test }),
        _ => write!(f, "not {}", Clause { of, test }),
    }
}

impl Display for Scalar {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(truth) => truth.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

impl Display for Bound {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text, _) => write!(f, "{text:?}"),
        }
    }
}

impl Display for Members {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listed(set) => set.fmt(f),
            Self::Folded(set) => write!(f, "{set}i"),
            Self::Group(name, _) => write!(f, "group {name:?}"),
        }
    }
}

impl Display for ValueSet {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let texts = self.texts.iter().map(|text| format!("{text:?}"));
        let numbers = self.numbers.iter().map(f64::to_string);
        let truths = self.truths.iter().map(bool::to_string);
        let null = self.null.then(|| "null".to_owned());
        let mut values = texts.chain(numbers).chain(truths).chain(null);
        let listed = values.by_ref().take(LISTED).collect::<Vec<_>>().join(", ");
        match values.count() {
            0 => write!(f, "[{listed}]"),
            more => write!(f, "[{listed}, {more} more]"),
        }
    }
}
