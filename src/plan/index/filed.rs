//! A hash table that is packed as it is: a map made anew would cost a start two allocations an entry.

use crate::pack::{Words, packed};
use crate::plan::{ExperimentAt, Position as _};
use std::collections::BTreeMap;

/// The experiments that are filed under texts.
#[derive(Clone, Debug, Default)]
pub(super) struct Filed {
    /// The numbers of entries, counted from 1, each at the place of its text's hash or behind it, where the next place that
    /// is 0 ends a search. Their count is a power of two, at least double that of the entries.
    places: Words,
    /// Of each entry where its text and its experiments end; they begin where those of the one before it end.
    ends: Words,
    texts: Box<str>,
    /// The numbers of experiments.
    experiments: Words,
}

/// FNV-1a of 32 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>): what a text's hash is made of in the order of its bytes.
/// Nobody can choose the texts that are filed but who writes the document.
#[derive(Clone, Copy)]
pub(super) struct Hash(u32);

impl Default for Hash {
    fn default() -> Self {
        Self(0x811c_9dc5)
    }
}

impl Hash {
    /// The hash of a longer text, by that of its beginning.
    #[inline(never)]
    pub(super) fn on(self, more: &[u8]) -> Self {
        Self(more.iter().fold(self.0, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)))
    }

    /// The places of a table of so many, from the one where a search begins.
    fn places(self, count: usize) -> impl Iterator<Item = usize> {
        let first = self.0 as usize;
        (0..count).map(move |step| first.wrapping_add(step) & (count - 1))
    }
}

impl Filed {
    /// Files them.
    pub(super) fn new(lists: &BTreeMap<Box<str>, Vec<ExperimentAt>>) -> Self {
        let mut filed = Self::default();
        if lists.is_empty() {
            return filed;
        }
        let mut texts = String::new();
        let mut places = vec![0; (2 * lists.len()).next_power_of_two()];
        // why: a plan has at most 25 MiB, which is what KV stores
        let short = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        for (entry, (text, list)) in lists.iter().enumerate() {
            texts.push_str(text);
            filed.experiments.0.extend(list.iter().map(|at| short(at.number())));
            filed.ends.0.extend([short(texts.len()), short(filed.experiments.0.len())]);
            for place in Hash::default().on(text.as_bytes()).places(places.len()) {
                if let Some(free @ 0) = places.get_mut(place) {
                    *free = short(entry + 1);
                    break;
                }
            }
        }
        Self { places: Words(places), texts: texts.into(), ..filed }
    }

    /// Whether nothing is filed.
    pub(super) fn is_empty(&self) -> bool {
        self.ends.0.is_empty()
    }

    /// Appends what is filed under a text of this hash.
    #[inline(never)]
    pub(super) fn find(&self, hash: Hash, text: &[u8], found: &mut Vec<ExperimentAt>) {
        for place in hash.places(self.places.0.len()) {
            let Some(number) = self.places.0.get(place).and_then(|number| number.checked_sub(1)) else { return };
            if let Some((its, list)) = self.entry(number as usize)
                && its == text
            {
                found.extend(list.iter().map(|number| ExperimentAt::from_number(*number as usize)));
                return;
            }
        }
    }

    fn entry(&self, number: usize) -> Option<(&[u8], &[u32])> {
        let (ends, _) = self.ends.0.as_chunks();
        let [text_end, list_end] = *ends.get(number)?;
        let [text, list] = number.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or_default();
        let text = self.texts.as_bytes().get(text as usize..text_end as usize)?;
        Some((text, self.experiments.0.get(list as usize..list_end as usize)?))
    }
}

packed!(struct Filed { places, ends, texts, experiments });
