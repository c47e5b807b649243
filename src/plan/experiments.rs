//! A plan's experiments. Those of a plan that was packed are read one by one, each when it is asked for first: of
//! thousands, a visit asks for a few.

use super::switches::Switches;
use super::{Experiment, ExperimentAt, Position as _};
use crate::pack::{Pack, Packer, SharedValues, Unpacker, Words};
use std::sync::{Arc, OnceLock};

/// The experiments of a plan, in the document's order.
#[derive(Debug, Default)]
pub struct Experiments {
    read: Vec<OnceLock<Box<Experiment>>>,
    unread: Unread,
    switches: Switches,
    /// How one is copied that was not packed, so that it cannot be read again.
    // why: where all plans were packed, as on the way of a page, nothing names the copying, and it is left out of the wasm
    copied: Option<fn(&Experiment) -> Experiment>,
}

/// What was packed is read again when it is asked for: after a kill, visits ask for few.
impl Clone for Experiments {
    fn clone(&self) -> Self {
        let copied = |place: &OnceLock<Box<Experiment>>| {
            let copy = self.copied.zip(place.get()).map(|(copied, experiment)| Box::new(copied(experiment)));
            copy.map_or_else(OnceLock::new, OnceLock::from)
        };
        Self {
            read: self.read.iter().map(copied).collect(),
            unread: self.unread.clone(),
            switches: self.switches.clone(),
            copied: self.copied,
        }
    }
}

/// The experiments that are not read yet, packed.
#[derive(Clone, Debug, Default)]
struct Unread {
    bytes: Arc<[u8]>,
    /// Where each ends; it begins where the one before it ends.
    ends: Arc<Words>,
    /// What several of them share.
    shared: SharedValues,
}

impl Unread {
    fn bytes_of(&self, at: ExperimentAt) -> Option<&[u8]> {
        let end = |number: usize| self.ends.0.get(number).map(|end| *end as usize);
        let start = at.number().checked_sub(1).map_or(Some(0), end)?;
        self.bytes.get(start..end(at.number())?)
    }
}

impl Experiments {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read.is_empty()
    }

    /// The experiment at a position.
    #[must_use]
    pub fn get(&self, at: ExperimentAt) -> Option<&Experiment> {
        let place = self.read.get(at.number())?;
        match place.get() {
            Some(experiment) => Some(experiment),
            None => self.first_read(at),
        }
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, at: ExperimentAt) -> Option<&mut Experiment> {
        self.get(at)?;
        self.read.get_mut(at.number())?.get_mut().map(Box::as_mut)
    }

    #[inline(never)]
    fn first_read(&self, at: ExperimentAt) -> Option<&Experiment> {
        let mut from = Unpacker::sharing(self.unread.bytes_of(at)?, self.unread.shared.clone());
        let mut experiment = Box::new(Experiment::unpack(&mut from)?);
        self.switches.turn(&mut experiment);
        Some(self.read.get(at.number())?.get_or_init(|| experiment))
    }

    /// The id of the experiment at a position, which need not be read for it.
    #[must_use]
    pub fn id(&self, at: ExperimentAt) -> Option<&str> {
        match self.read.get(at.number())?.get() {
            Some(experiment) => Some(&experiment.id),
            // why: it is what an experiment is packed with first; tests/it/packed.rs holds it to that
            None => Unpacker::new(self.unread.bytes_of(at)?).text(),
        }
    }

    /// All positions, in order.
    pub fn positions(&self) -> impl DoubleEndedIterator<Item = ExperimentAt> + use<> {
        (0..self.read.len()).map(ExperimentAt::from_number)
    }

    /// All experiments with their positions, in order. Reads all of them.
    pub fn positioned(&self) -> impl Iterator<Item = (ExperimentAt, &Experiment)> {
        self.positions().filter_map(|at| Some((at, self.get(at)?)))
    }

    /// All experiments, in order. Reads all of them.
    pub fn iter(&self) -> impl Iterator<Item = &Experiment> {
        self.positions().filter_map(|at| self.get(at))
    }

    /// What KV says beside the document, as it is in force.
    pub(super) fn switches(&self) -> &Switches {
        &self.switches
    }

    /// Puts switches in force.
    pub(super) fn switch(&mut self, switches: Switches) {
        for experiment in self.read.iter_mut().filter_map(OnceLock::get_mut) {
            switches.turn(experiment);
        }
        self.switches = switches;
    }
}

impl From<Vec<Experiment>> for Experiments {
    fn from(experiments: Vec<Experiment>) -> Self {
        let read = experiments.into_iter().map(|experiment| OnceLock::from(Box::new(experiment))).collect();
        Self { read, copied: Some(Experiment::clone), ..Self::default() }
    }
}

impl Pack for Experiments {
    fn pack(&self, out: &mut Packer) {
        let (mut bytes, mut ends) = (Vec::new(), Words::default());
        for experiment in self.iter() {
            bytes.extend(out.beside(experiment));
            // why: a plan has at most 25 MiB, which is what KV stores
            ends.0.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
        ends.pack(out);
        out.bytes.extend(bytes);
    }

    #[inline(never)]
    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        let ends = Words::unpack(from)?;
        let bytes = from.take(ends.0.last().map_or(0, |end| *end as usize))?.into();
        let read = ends.0.iter().map(|_| OnceLock::new()).collect();
        let unread = Unread { bytes, ends: Arc::new(ends), shared: from.shared.clone() };
        Some(Self { read, unread, ..Self::default() })
    }
}
