//! Positions in a plan, as types: what one plan gave cannot be taken for a number, nor an experiment's for a variant's.

use crate::pack::{Pack, Packer, Unpacker};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// A position in a list of a plan. It means something to the plan that gave it, and to no other: a visit holds its plan
/// together with the positions that were decided by it.
pub trait Position: Copy {
    /// The position of the item with this number, counted from 0.
    fn from_number(number: usize) -> Self;
    /// The number of its item, counted from 0: what the boundary to JavaScript carries.
    fn number(self) -> usize;
}

/// An experiment's position in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExperimentAt(usize);

/// A variant's position in its experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariantAt(usize);

impl VariantAt {
    /// The first variant, which is the control.
    pub const CONTROL: Self = Self(0);

    /// The variant before it.
    #[must_use]
    pub fn before(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }
}

impl Position for ExperimentAt {
    fn from_number(number: usize) -> Self {
        Self(number)
    }

    fn number(self) -> usize {
        self.0
    }
}

impl Position for VariantAt {
    fn from_number(number: usize) -> Self {
        Self(number)
    }

    fn number(self) -> usize {
        self.0
    }
}

/// A list whose items are named by positions of one type. Beside that it is a slice.
#[derive(Clone, Debug)]
pub struct Listed<P, T> {
    items: Vec<T>,
    position: PhantomData<P>,
}

impl<P: Position, T> Listed<P, T> {
    /// The item at a position.
    #[must_use]
    pub fn get(&self, at: P) -> Option<&T> {
        self.items.get(at.number())
    }

    /// All positions, in order.
    pub fn positions(&self) -> impl DoubleEndedIterator<Item = P> + use<P, T> {
        (0..self.items.len()).map(P::from_number)
    }

    /// All items with their positions, in order.
    pub fn positioned(&self) -> impl Iterator<Item = (P, &T)> {
        self.items.iter().enumerate().map(|(number, item)| (P::from_number(number), item))
    }

    /// The position of the first item of which something holds.
    pub fn find(&self, holds: impl FnMut(&T) -> bool) -> Option<P> {
        self.items.iter().position(holds).map(P::from_number)
    }
}

impl<P, T> From<Vec<T>> for Listed<P, T> {
    fn from(items: Vec<T>) -> Self {
        Self { items, position: PhantomData }
    }
}

impl<P, T> Deref for Listed<P, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<P, T> DerefMut for Listed<P, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.items
    }
}

impl<'a, P, T> IntoIterator for &'a Listed<P, T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

macro_rules! packed_position {
    ($($position:ty),+) => {$(
        impl Pack for $position {
            fn pack(&self, out: &mut Packer) {
                self.0.pack(out);
            }

            fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
                usize::unpack(from).map(Self)
            }
        }
    )+};
}

packed_position!(ExperimentAt, VariantAt);

impl<P, T: Pack> Pack for Listed<P, T> {
    fn pack(&self, out: &mut Packer) {
        self.items.pack(out);
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        Vec::unpack(from).map(Into::into)
    }
}
