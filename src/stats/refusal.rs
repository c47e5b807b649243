//! Why an inference is refused.

use std::fmt;

/// Why there is no estimate, interval or probability. The order is the precedence: of several reasons the first
/// is given. What is refused has no p-value at all, never a "p = 1" that looks like a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The aggregates contradict themselves: a negative or fractional count, more conversions than units, a sum
    /// of squares smaller than any data could have, a number that is not finite.
    InvalidInput,
    /// An arm has no units.
    NoUnits,
    /// An arm has one unit, or a check has too few days.
    TooFewUnits,
    /// The denominators of a ratio sum to zero in an arm.
    ZeroDenominator,
    /// An arm does not vary: no conversions, all converted, one constant value.
    ZeroVariance,
    /// A relative effect over a control mean of exactly zero.
    ZeroBaseline,
    /// An intermediate result left the range of floats.
    NumericOverflow,
}

impl Refusal {
    /// The name in results, such as `ZERO_VARIANCE`.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidInput => "INVALID_INPUT",
            Self::NoUnits => "NO_UNITS",
            Self::TooFewUnits => "TOO_FEW_UNITS",
            Self::ZeroDenominator => "ZERO_DENOMINATOR",
            Self::ZeroVariance => "ZERO_VARIANCE",
            Self::ZeroBaseline => "ZERO_BASELINE",
            Self::NumericOverflow => "NUMERIC_OVERFLOW",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidInput => "the aggregates contradict themselves",
            Self::NoUnits => "a variant has no units yet",
            Self::TooFewUnits => "there are too few units",
            Self::ZeroDenominator => "the denominator of the ratio is zero in a variant",
            Self::ZeroVariance => "all units of a variant have the same value",
            Self::ZeroBaseline => "the control's mean is zero, so there is no relative lift",
            Self::NumericOverflow => "the numbers are too large to compute with",
        })
    }
}

impl std::error::Error for Refusal {}

/// `value` if it is finite.
///
/// # Errors
/// [`Refusal::NumericOverflow`] otherwise.
pub(crate) fn finite(value: f64) -> Result<f64, Refusal> {
    if value.is_finite() { Ok(value) } else { Err(Refusal::NumericOverflow) }
}
