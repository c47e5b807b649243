//! Sets of values: lists of `$in`, and the named ones that conditions share.

use crate::lower_case;
use crate::pack::{Pack, Packer, Unpacker};
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::fact::Fact;
use super::operator::Letters;

/// The saved groups that `$inGroup` and `$notInGroup` name. Conditions that use a group share its one set.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    named: BTreeMap<Box<str>, Arc<ValueSet>>,
}

impl Groups {
    /// Adds a group, or replaces the one of that name. Only texts, numbers, booleans and null can be members; lists and
    /// objects are never equal to anything and are left out.
    pub fn insert(&mut self, name: &str, members: &[Value]) {
        self.named.insert(name.into(), Arc::new(ValueSet::new(members, Letters::Exact)));
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<ValueSet>> {
        self.named.get(name).cloned()
    }

    /// The sets that conditions share.
    #[must_use]
    pub fn shared(self) -> SharedSets {
        // why: one that no condition names has no other owner
        SharedSets(self.named.into_values().filter(|set| Arc::strong_count(set) > 1).collect())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(Box::as_ref)
    }
}

/// The sets that conditions share. Packed before conditions, which name them by their number.
#[derive(Clone, Debug, Default)]
pub struct SharedSets(Vec<Arc<ValueSet>>);

impl Pack for SharedSets {
    fn pack(&self, out: &mut Packer) {
        self.0.len().pack(out);
        for set in &self.0 {
            set.as_ref().pack(out);
            out.share(set);
        }
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        let sets = Self(Vec::unpack(from)?.into_iter().map(Arc::new).collect());
        from.shared = sets.0.iter().cloned().collect();
        Some(sets)
    }
}

/// A set of plain values, each found in logarithmic time and without allocating.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ValueSet {
    /// Sorted.
    pub(super) texts: Box<[Box<str>]>,
    /// Sorted by `f64::total_cmp`, with one zero.
    pub(super) numbers: Box<[f64]>,
    pub(super) truths: Box<[bool]>,
    pub(super) null: bool,
}

impl ValueSet {
    pub(super) fn new(members: &[Value], letters: Letters) -> Self {
        let mut texts: Vec<Box<str>> = Vec::new();
        let (mut numbers, mut truths, mut null) = (Vec::new(), Vec::new(), false);
        for member in members {
            match member {
                Value::Null => null = true,
                Value::Bool(truth) => truths.push(*truth),
                Value::Number(number) => numbers.extend(number.as_f64().map(one_zero)),
                Value::String(text) if letters == Letters::Folded => {
                    texts.push(lower_case::letters(text).collect::<String>().into());
                }
                Value::String(text) => texts.push(text.as_str().into()),
                Value::Array(_) | Value::Object(_) => {}
            }
        }
        texts.sort_unstable();
        texts.dedup();
        numbers.sort_unstable_by(f64::total_cmp);
        numbers.dedup();
        truths.sort_unstable();
        truths.dedup();
        Self { texts: texts.into(), numbers: numbers.into(), truths: truths.into(), null }
    }

    /// Whether the value is a member or, being a list, has an element that is one.
    pub(super) fn meets(&self, fact: &Fact<'_>, letters: Letters) -> bool {
        match fact {
            Fact::Absent => self.null,
            Fact::Bool(truth) => self.truths.contains(truth),
            Fact::Number(number) => {
                let number = one_zero(*number);
                self.numbers.binary_search_by(|member| member.total_cmp(&number)).is_ok()
            }
            Fact::Text(text) => self.has_text(text, letters),
            // Elements that are lists or objects themselves are equal to nothing, as in JavaScript.
            Fact::List(elements) => elements.iter().any(|element| match Fact::from(element) {
                Fact::List(_) | Fact::Object(_) => false,
                element => self.meets(&element, letters),
            }),
            Fact::Object(_) => false,
        }
    }

    fn has_text(&self, text: &str, letters: Letters) -> bool {
        let found = match letters {
            Letters::Exact => self.texts.binary_search_by(|member| member.as_ref().cmp(text)),
            Letters::Folded => self.texts.binary_search_by(|member| member.chars().cmp(lower_case::letters(text))),
        };
        found.is_ok()
    }
}

/// Zero and minus zero are one member.
fn one_zero(number: f64) -> f64 {
    if number == 0.0 { 0.0 } else { number }
}

crate::pack::packed!(struct ValueSet { texts, numbers, truths, null });
