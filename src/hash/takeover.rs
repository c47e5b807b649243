//! The assignment of another tool: gates that must all hold, and a split of half-open ranges, in that tool's buckets.

use super::tool::Recipe;

/// Buckets, and the ranges of them that are taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// What makes a bucket of a unit.
    pub recipe: Recipe,
    /// Half-open ranges of buckets.
    pub ranges: Vec<(f64, f64)>,
}

/// The assignment of another tool, compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Takeover {
    /// Traffic, namespaces, layers, holdouts: all must hold.
    pub gates: Vec<Gate>,
    /// What makes the split's bucket.
    pub split: Recipe,
    /// Half-open ranges of its buckets, each with the position of its variant.
    pub ranges: Vec<(f64, f64, usize)>,
}

/// One step of an assignment, for people who ask why.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The text that was hashed.
    pub text: String,
    /// Its bucket.
    pub bucket: f64,
    /// The range that it is in.
    pub range: Option<(f64, f64)>,
}

impl Gate {
    /// Whether the unit's bucket is in a range.
    #[must_use]
    pub fn admits(&self, unit: &str) -> bool {
        within(&self.ranges, self.recipe.bucket(unit)).is_some()
    }
}

impl Takeover {
    /// The position of the variant that the tool gives the unit; none where a gate is closed or no range has its bucket.
    #[must_use]
    pub fn assign(&self, unit: &str) -> Option<usize> {
        if !self.gates.iter().all(|gate| gate.admits(unit)) {
            return None;
        }
        let bucket = self.split.bucket(unit);
        self.ranges.iter().find(|(from, to, _)| *from <= bucket && bucket < *to).map(|(_, _, variant)| *variant)
    }

    /// The same step by step: one for each gate, then the split's.
    #[must_use]
    pub fn steps(&self, unit: &str) -> Vec<Step> {
        let step = |recipe: &Recipe, ranges: &[(f64, f64)]| {
            let bucket = recipe.bucket(unit);
            Step { text: recipe.text(unit), bucket, range: within(ranges, bucket) }
        };
        let split: Vec<(f64, f64)> = self.ranges.iter().map(|(from, to, _)| (*from, *to)).collect();
        self.gates.iter().map(|gate| step(&gate.recipe, &gate.ranges)).chain([step(&self.split, &split)]).collect()
    }

    /// The share of all buckets that each of so many variants has in the split.
    #[must_use]
    pub fn shares(&self, variants: usize) -> Vec<f64> {
        (0..variants)
            .map(|variant| {
                let own = self.ranges.iter().filter(|(_, _, owner)| *owner == variant);
                own.map(|(from, to, _)| (to - from).max(0.0)).sum()
            })
            .collect()
    }
}

fn within(ranges: &[(f64, f64)], bucket: f64) -> Option<(f64, f64)> {
    ranges.iter().find(|(from, to)| *from <= bucket && bucket < *to).copied()
}

crate::pack::packed!(struct Gate { recipe, ranges });
crate::pack::packed!(struct Takeover { gates, split, ranges });
