//! Probabilities given as parameters.

/// A probability strictly between 0 and 1: an error level `alpha`, a power, a decision threshold.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Level(f64);

impl Level {
    /// 5 %, the default error level of every interval and test.
    pub const FIVE_PERCENT: Self = Self(0.05);
    /// 0.1 %, the level of the sample ratio checks: they run on every experiment, every day.
    pub const ONE_IN_A_THOUSAND: Self = Self(0.001);
    /// 80 %, the usual power of a plan.
    pub const EIGHTY_PERCENT: Self = Self(0.8);
    /// 90 %, the default threshold of a Bayesian decision.
    pub const NINETY_PERCENT: Self = Self(0.9);

    /// `None` unless `0 < value < 1`.
    pub fn new(value: f64) -> Option<Self> {
        (value > 0.0 && value < 1.0).then_some(Self(value))
    }

    /// The probability.
    pub fn get(self) -> f64 {
        self.0
    }

    /// This level shared evenly among `comparisons` (Bonferroni); none counts as one.
    #[must_use]
    pub fn shared_among(self, comparisons: usize) -> Self {
        Self(self.0 / comparisons.max(1) as f64)
    }
}
