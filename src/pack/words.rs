//! Long lists of numbers.

use super::{Pack, Packer, Unpacker};

/// Numbers of four bytes each, little end first: thousands of them are read much faster so than one by one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words(pub(crate) Vec<u32>);

impl Pack for Words {
    fn pack(&self, out: &mut Packer) {
        self.0.len().pack(out);
        out.bytes.extend(self.0.iter().flat_map(|word| word.to_le_bytes()));
    }

    #[inline(never)]
    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        let count = from.count()?.checked_mul(size_of::<u32>())?;
        let (words, _) = from.take(count)?.as_chunks();
        Some(Self(words.iter().map(|word| u32::from_le_bytes(*word)).collect()))
    }
}
