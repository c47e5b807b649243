//! A hash table that is packed as it is: a map made anew would cost a start two allocations an entry.

use crate::pack::packed;
use crate::plan::ExperimentAt;
use std::collections::BTreeMap;

/// The experiments that are filed under texts.
#[derive(Clone, Debug, Default)]
pub(super) struct Filed {
    /// The numbers of entries, counted from 1, each at the place of its text's hash or behind it, where the next place that
    /// is 0 ends a search. Their count is a power of two, at least double that of the entries.
    places: Vec<u32>,
    /// Of each entry where its text and its experiments end; they begin where those of the one before it end.
    ends: Vec<[u32; 2]>,
    texts: Box<str>,
    experiments: Vec<ExperimentAt>,
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
        filed.places = vec![0; (2 * lists.len()).next_power_of_two()];
        // why: a plan has at most 25 MiB, which is what KV stores
        let short = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        for (text, list) in lists {
            texts.push_str(text);
            filed.experiments.extend_from_slice(list);
            filed.ends.push([short(texts.len()), short(filed.experiments.len())]);
            let count = filed.places.len();
            for place in Hash::default().on(text.as_bytes()).places(count) {
                if let Some(free @ 0) = filed.places.get_mut(place) {
                    *free = short(filed.ends.len());
                    break;
                }
            }
        }
        filed.texts = texts.into();
        filed
    }

    /// Whether nothing is filed.
    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Appends what is filed under a text of this hash.
    #[inline(never)]
    pub(super) fn find(&self, hash: Hash, text: &[u8], found: &mut Vec<ExperimentAt>) {
        for place in hash.places(self.places.len()) {
            let Some(number) = self.places.get(place).and_then(|number| number.checked_sub(1)) else { return };
            if let Some((its, list)) = self.entry(number as usize)
                && its == text
            {
                found.extend_from_slice(list);
                return;
            }
        }
    }

    fn entry(&self, number: usize) -> Option<(&[u8], &[ExperimentAt])> {
        let [text_end, list_end] = *self.ends.get(number)?;
        let before = number.checked_sub(1).and_then(|before| self.ends.get(before));
        let [text, list] = before.copied().unwrap_or_default();
        let text = self.texts.as_bytes().get(text as usize..text_end as usize)?;
        Some((text, self.experiments.get(list as usize..list_end as usize)?))
    }
}

packed!(struct Filed { places, ends, texts, experiments });
