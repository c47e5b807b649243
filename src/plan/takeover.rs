//! Another tool's assignment, from the document's form to what the request path asks.

use crate::document::{Experiment, Hash, HashGate, HashSplit, Like};
use crate::hash::{Gate, Purpose, Recipe, Takeover};

/// The experiment's assignment, where it is another tool's.
#[inline(never)]
pub(super) fn compile(experiment: &Experiment) -> Option<Box<Takeover>> {
    let Hash::Like(taken) = &experiment.hash else { return None };
    let gate = |gate: &HashGate| Gate {
        recipe: recipe(gate.like.unwrap_or(taken.like), Purpose::Gate, &gate.salt, gate.of, gate.seed, &gate.suffix),
        ranges: gate.ranges.iter().map(|[from, to]| (*from, *to)).collect(),
    };
    let HashSplit { salt, of, ranges, seed, suffix } = &taken.split;
    let own = experiment.variants.iter().enumerate().filter_map(|(index, variant)| {
        let ranges = ranges.get(&variant.id)?;
        Some(ranges.iter().map(move |[from, to]| (*from, *to, index)))
    });
    Some(Box::new(Takeover {
        gates: taken.gates.iter().map(gate).collect(),
        split: recipe(taken.like, Purpose::Split, salt, *of, *seed, suffix),
        ranges: own.flatten().collect(),
    }))
}

fn recipe(like: Like, purpose: Purpose, salt: &str, of: f64, seed: Option<u32>, suffix: &Option<String>) -> Recipe {
    // why: a checked document has whole numbers of buckets, below 2³²
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let of = of as u32;
    Recipe::new(like, purpose, salt, of, seed, suffix.as_deref().unwrap_or_default())
}
