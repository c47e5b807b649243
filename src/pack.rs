//! Values as few bytes and back, without names and without text to parse: for what the same build wrote and reads.
//!
//! Not a format for others. Who reads it must have been built from the same source as who wrote it, which
//! [`crate::plan::FORMAT`] makes sure of; damaged bytes give `None`, never a panic and never more memory than they are long
//! times a constant.

mod value;
mod words;

pub(crate) use words::Words;

use core::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;

/// What can be packed.
pub(crate) trait Pack: Sized {
    /// Appends it.
    fn pack(&self, out: &mut Packer);
    /// Takes it off the front; `None` where the bytes are no such thing.
    fn unpack(from: &mut Unpacker<'_>) -> Option<Self>;
}

/// Bytes that grow.
#[derive(Default)]
pub(crate) struct Packer {
    /// What was packed so far.
    pub(crate) bytes: Vec<u8>,
    /// The addresses of shared values, in their order.
    shared: Vec<usize>,
}

/// Bytes that are read from the front.
pub(crate) struct Unpacker<'a> {
    left: &'a [u8],
    /// What was read of what many share, before all that names it.
    pub(crate) shared: SharedValues,
    depth: usize,
}

/// Values that many share, which name them by their number.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedValues(Arc<[Arc<dyn Any + Send + Sync>]>);

impl<T: Any + Send + Sync> FromIterator<Arc<T>> for SharedValues {
    fn from_iter<I: IntoIterator<Item = Arc<T>>>(values: I) -> Self {
        Self(values.into_iter().map(|value| -> Arc<dyn Any + Send + Sync> { value }).collect())
    }
}

/// How deep boxes and lists may stand in each other. The deepest of what is sound are conditions: 32 levels, each of a few.
const MOST_DEPTH: usize = 256;

impl<'a> Unpacker<'a> {
    /// Reads these bytes.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self::sharing(bytes, SharedValues::default())
    }

    /// Reads these bytes, which name shared values.
    pub(crate) fn sharing(bytes: &'a [u8], shared: SharedValues) -> Self {
        Self { left: bytes, shared, depth: 0 }
    }

    /// A text.
    #[inline(never)]
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let count = usize::unpack(self)?;
        core::str::from_utf8(self.take(count)?).ok()
    }

    /// Whether nothing is left.
    pub(crate) fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    /// What is left.
    pub(crate) fn left(&self) -> &'a [u8] {
        self.left
    }

    /// So many bytes.
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.left.split_at_checked(count)?;
        self.left = left;
        Some(taken)
    }

    /// Reads what stands inside something; `None` where that is too deep, which would exhaust the stack.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.depth += 1;
        let read = if self.depth > MOST_DEPTH { None } else { read(self) };
        self.depth -= 1;
        read
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, left) = self.left.split_first()?;
        self.left = left;
        Some(byte)
    }

    /// How many elements follow; each takes a byte at least.
    fn count(&mut self) -> Option<usize> {
        usize::unpack(self).filter(|count| *count <= self.left.len())
    }
}

impl Packer {
    /// Takes note that many share a value: from here on they name it by its number.
    pub(crate) fn share<T>(&mut self, value: &Arc<T>) {
        self.shared.push(Arc::as_ptr(value).addr());
    }

    /// A value's bytes, which are not appended.
    pub(crate) fn beside(&mut self, value: &impl Pack) -> Vec<u8> {
        let before = core::mem::take(&mut self.bytes);
        value.pack(self);
        core::mem::replace(&mut self.bytes, before)
    }

    /// A number of seven bits a byte, the lowest first.
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.bytes.push(number.to_le_bytes()[0]);
    }
}

fn number(from: &mut Unpacker<'_>) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = from.byte()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

macro_rules! numbers {
    ($($type:ty),+) => {$(
        impl Pack for $type {
            fn pack(&self, out: &mut Packer) {
                out.number(u64::try_from(*self).unwrap_or(u64::MAX));
            }

            fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
                number(from)?.try_into().ok()
            }
        }
    )+};
}

numbers!(u8, u16, u32, usize);

macro_rules! fixed {
    ($($type:ty),+) => {$(
        impl Pack for $type {
            fn pack(&self, out: &mut Packer) {
                out.bytes.extend_from_slice(&self.to_le_bytes());
            }

            fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
                Some(Self::from_le_bytes(from.take(size_of::<Self>())?.try_into().ok()?))
            }
        }
    )+};
}

fixed!(i32, i64, f64);

impl Pack for bool {
    fn pack(&self, out: &mut Packer) {
        out.bytes.push(u8::from(*self));
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        match from.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Pack for [u8; 16] {
    fn pack(&self, out: &mut Packer) {
        out.bytes.extend_from_slice(self);
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        from.take(16)?.try_into().ok()
    }
}

impl Pack for [u32; 2] {
    fn pack(&self, out: &mut Packer) {
        self.iter().for_each(|number| number.pack(out));
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        Some([u32::unpack(from)?, u32::unpack(from)?])
    }
}

fn pack_text(text: &str, out: &mut Packer) {
    text.len().pack(out);
    out.bytes.extend_from_slice(text.as_bytes());
}

impl Pack for Box<str> {
    fn pack(&self, out: &mut Packer) {
        pack_text(self, out);
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        from.text().map(Into::into)
    }
}

impl Pack for String {
    fn pack(&self, out: &mut Packer) {
        pack_text(self, out);
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        from.text().map(ToOwned::to_owned)
    }
}

impl<T: Pack> Pack for Option<T> {
    fn pack(&self, out: &mut Packer) {
        self.is_some().pack(out);
        if let Some(value) = self {
            value.pack(out);
        }
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        Some(if bool::unpack(from)? { Some(T::unpack(from)?) } else { None })
    }
}

impl<T: Pack> Pack for Box<T> {
    fn pack(&self, out: &mut Packer) {
        (**self).pack(out);
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        from.nested(T::unpack).map(Self::new)
    }
}

fn pack_list<T: Pack>(list: &[T], out: &mut Packer) {
    list.len().pack(out);
    list.iter().for_each(|one| one.pack(out));
}

impl<T: Pack> Pack for Vec<T> {
    fn pack(&self, out: &mut Packer) {
        pack_list(self, out);
    }

    // why: V8 optimises what loops long together with all that it was inlined into, most of which runs once
    #[inline(never)]
    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        from.nested(|from| {
            let count = from.count()?;
            // why: grown as it is read, for a count that lies
            let mut all = Self::with_capacity(count.min(64));
            for _ in 0..count {
                all.push(T::unpack(from)?);
            }
            Some(all)
        })
    }
}

impl<T: Pack> Pack for Box<[T]> {
    fn pack(&self, out: &mut Packer) {
        pack_list(self, out);
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        Vec::unpack(from).map(Into::into)
    }
}

impl<K: Pack + Eq + Hash + Ord, V: Pack> Pack for HashMap<K, V> {
    fn pack(&self, out: &mut Packer) {
        // why: in an order of their own, so that the same map gives the same bytes
        let sorted: BTreeMap<&K, &V> = self.iter().collect();
        sorted.len().pack(out);
        for (key, value) in sorted {
            key.pack(out);
            value.pack(out);
        }
    }

    #[inline(never)]
    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        let count = from.count()?;
        let mut all = Self::with_capacity(count);
        for _ in 0..count {
            all.insert(K::unpack(from)?, V::unpack(from)?);
        }
        Some(all)
    }
}

impl<K: Pack + Ord, V: Pack> Pack for BTreeMap<K, V> {
    fn pack(&self, out: &mut Packer) {
        self.len().pack(out);
        for (key, value) in self {
            key.pack(out);
            value.pack(out);
        }
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        let count = from.count()?;
        let mut all = Self::new();
        // why: collecting them would sort them first, which is kilobytes of code for each type
        for _ in 0..count {
            all.insert(K::unpack(from)?, V::unpack(from)?);
        }
        Some(all)
    }
}

impl<A: Pack, B: Pack> Pack for (A, B) {
    fn pack(&self, out: &mut Packer) {
        self.0.pack(out);
        self.1.pack(out);
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        Some((A::unpack(from)?, B::unpack(from)?))
    }
}

impl<A: Pack, B: Pack, C: Pack> Pack for (A, B, C) {
    fn pack(&self, out: &mut Packer) {
        self.0.pack(out);
        self.1.pack(out);
        self.2.pack(out);
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        Some((A::unpack(from)?, B::unpack(from)?, C::unpack(from)?))
    }
}

/// Named by its number where it was said to be shared, else written.
impl<T: Pack + Any + Send + Sync> Pack for Arc<T> {
    fn pack(&self, out: &mut Packer) {
        let address = Arc::as_ptr(self).addr();
        match out.shared.iter().position(|shared| *shared == address) {
            Some(at) => (at + 1).pack(out),
            None => {
                0_usize.pack(out);
                (**self).pack(out);
            }
        }
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        match usize::unpack(from)?.checked_sub(1) {
            Some(at) => Arc::clone(from.shared.0.get(at)?).downcast().ok(),
            None => T::unpack(from).map(Self::new),
        }
    }
}

/// Packs a struct by its fields, which must all be named, or an enum by its variants, which must all have a number.
macro_rules! packed {
    (struct $name:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::pack::Pack for $name {
            fn pack(&self, out: &mut $crate::pack::Packer) {
                let Self { $($field),+ } = self;
                $($crate::pack::Pack::pack($field, out);)+
            }

            fn unpack(from: &mut $crate::pack::Unpacker<'_>) -> Option<Self> {
                $(let $field = $crate::pack::Pack::unpack(from)?;)+
                Some(Self { $($field),+ })
            }
        }
    };
    (enum $name:ident { $($variant:ident $(($($field:ident),+))? = $number:literal),+ $(,)? }) => {
        $crate::pack::packed!(enum $name<> { $($variant $(($($field),+))? = $number),+ });
    };
    (enum $name:ident<$($of:ident)?> { $($variant:ident $(($($field:ident),+))? = $number:literal),+ $(,)? }) => {
        impl$(<$of: $crate::pack::Pack>)? $crate::pack::Pack for $name$(<$of>)? {
            fn pack(&self, out: &mut $crate::pack::Packer) {
                match self {
                    $(Self::$variant $(($($field),+))? => {
                        let number: u8 = $number;
                        $crate::pack::Pack::pack(&number, out);
                        $($($crate::pack::Pack::pack($field, out);)+)?
                    })+
                }
            }

            fn unpack(from: &mut $crate::pack::Unpacker<'_>) -> Option<Self> {
                Some(match <u8 as $crate::pack::Pack>::unpack(from)? {
                    $($number => {
                        $($(let $field = $crate::pack::Pack::unpack(from)?;)+)?
                        Self::$variant $(($($field),+))?
                    })+
                    _ => return None,
                })
            }
        }
    };
}

pub(crate) use packed;
