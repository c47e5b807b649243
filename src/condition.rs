//! The audience language: parsed once, evaluated over facts.
//!
//! It is the MongoDB-style dialect that GrowthBook's SDKs share: an object whose keys are facts or one of `$and`, `$or`,
//! `$nor`, `$not`, and all of whose entries must hold. What stands under a fact is a plain value or an object of operators.
//! The conversions between types are those of GrowthBook's JavaScript SDK, from which its other SDKs are derived
//! (<https://docs.growthbook.io/lib/build-your-own>), with one exception, in which those SDKs differ among themselves: a fact
//! that is absent equals no text and no number and matches no regex, where JavaScript compares the word `null` or a zero.
//! Regexes are those of `regex-lite`: no look-around, and `$regexi` folds ASCII letters only.
//!
//! ```
//! use serde_json::json;
//! use sortition_engine::condition::{Condition, FactError, Groups};
//!
//! let audience = json!({"country": {"$in": ["US", "CA"]}, "$not": {"device": "mobile"}});
//! let condition = Condition::<Box<str>>::parse(&audience, &Groups::default(), |fact| Ok::<_, FactError>(fact.into())).unwrap();
//! assert!(condition.matches(&json!({"country": "CA", "device": "desktop"})));
//! assert_eq!(condition.to_string(), r#"not device = "mobile" and country in ["CA", "US"]"#);
//! ```

mod decimal;
mod display;
mod eval;
mod fact;
mod fact_key;
mod groups;
mod operator;
mod parse;
mod pattern;
mod plain;
mod text;
mod tree;
mod version;

pub use decimal::read as read_decimal;
pub use fact::{Attributes, Fact};
pub use fact_key::{FactError, FactKey};
pub use groups::{Groups, SharedSets};
pub use parse::Problem;
pub(crate) use parse::called;
pub use plain::{Matter, Plain};

use tree::Node;

/// How deep a condition may be nested, counted in keys and list positions from the outermost object. Ten levels are more
/// than people write; the limit keeps parsing, evaluating and dropping from exhausting the stack.
pub const MAX_DEPTH: usize = 32;

/// How many clauses (operators, plain values, groups of them) one condition may have.
pub const MAX_CLAUSES: usize = 1_000;

/// How many values the lists of one condition (`$in` and its kin) may have in all.
pub const MAX_VALUES: usize = 100_000;

/// Longest regular expression, in bytes.
pub const MAX_PATTERN: usize = 1_000;

/// Most memory a compiled regular expression may take, in bytes. Its size times the length of the text bounds the time of a
/// search, so this also refuses short patterns that unfold, such as `(a{99}){99}`.
pub const MAX_COMPILED_PATTERN: usize = 64 * 1024;

/// Longest text that a regular expression is tried on, in bytes: no regex matches a longer one. Cloudflare takes URLs of up
/// to 16 KB; only a hostile header is longer.
pub const MAX_SEARCHED: usize = 16 * 1024;

/// A parsed condition over facts that are named by keys of type `K`.
///
/// `K` is whatever reads a fact fastest: the parser asks for the key of each name once, and evaluation hands it back to
/// [`Attributes::get`]. Printed, it is a compact sentence for people, with `=` where values are converted before they are
/// compared, `==` where the type counts too, `~` for a regex.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition<K> {
    root: Node<K>,
}

impl<K> Condition<K> {
    /// The condition that holds for everybody, as `{}` does.
    pub fn always() -> Self {
        Self { root: Node::always() }
    }

    /// Reads a condition as people write it, and refuses what cannot have been meant: unknown operators, operands of the
    /// wrong type, regexes that do not compile, unknown groups, and what exceeds the limits of this module.
    ///
    /// `key_of` gives the key of a fact's dotted name, or says why there is none. It is not asked for the names inside an
    /// `$elemMatch`, which belong to the list's elements.
    ///
    /// # Errors
    ///
    /// All problems at once, each with its place: `{"$or": [{"country": {"$inn": ["US"]}}]}` is refused with
    /// ``unknown operator `$inn`; did you mean `$in`?`` at `$or[0].country.$inn`.
    pub fn parse<E: std::fmt::Display>(
        condition: &serde_json::Value,
        groups: &Groups,
        mut key_of: impl FnMut(&str) -> Result<K, E>,
    ) -> Result<Self, Vec<Problem>> {
        let mut key_of = |name: &str| key_of(name).map_err(|error| error.to_string());
        let (root, problems) = parse::parse(condition, groups, &mut key_of);
        if problems.is_empty() { Ok(Self { root }) } else { Err(problems) }
    }

    /// Whether these facts fulfil the condition. Total and bounded; asks for each fact where its clause is reached, so that
    /// a fact is not read when an earlier clause decides.
    pub fn matches(&self, attributes: &impl Attributes<K>) -> bool {
        self.root.matches(attributes)
    }

    /// The facts that the condition may read, in the order of its text, with repetitions.
    pub fn facts(&self) -> impl Iterator<Item = &K> {
        let mut left = vec![&self.root];
        std::iter::from_fn(move || {
            loop {
                match left.pop()? {
                    Node::All(nodes) | Node::Any(nodes) => left.extend(nodes.iter().rev()),
                    Node::Not(node) => left.push(node),
                    Node::Fact(key, _) => return Some(key),
                    Node::Never => {}
                }
            }
        })
    }
}

impl Condition<Box<str>> {
    /// Reads a condition as GrowthBook's SDKs do, which refuse nothing: a clause that makes no sense never matches. For
    /// conditions that come from there; the document's own go through [`Condition::parse`].
    pub fn parse_lenient(condition: &serde_json::Value, groups: &Groups) -> Self {
        Self { root: parse::parse(condition, groups, &mut |name| Ok(name.into())).0 }
    }
}

impl<K: crate::pack::Pack> crate::pack::Pack for Condition<K> {
    fn pack(&self, out: &mut crate::pack::Packer) {
        self.root.pack(out);
    }

    fn unpack(from: &mut crate::pack::Unpacker<'_>) -> Option<Self> {
        Some(Self { root: crate::pack::Pack::unpack(from)? })
    }
}
