//! Numbers as the ledger gives them, and sums of their products without rounding.

/// An input number: an exact integer (money in minor units, counts, their sums and squares) or a float.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An exact integer; sums of squares of minor units need more than 64 bits.
    Integer(i128),
    /// A float. Whole values up to 2^53 are exact too and are treated as integers.
    Real(f64),
}

impl Number {
    /// Zero.
    pub const ZERO: Self = Self::Integer(0);

    /// The nearest float.
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Real(value) => value,
        }
    }

    /// The integer, if the number is one that is known exactly.
    pub fn to_integer(self) -> Option<i128> {
        const EXACT_TO: f64 = 9_007_199_254_740_992.0;
        match self {
            Self::Integer(value) => Some(value),
            Self::Real(value) if value.abs() <= EXACT_TO && value.trunc() == value => Some(value as i128),
            Self::Real(_) => None,
        }
    }

    /// The sum; exact while both are integers and it fits an `i128`.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        match (self.to_integer(), other.to_integer()) {
            (Some(a), Some(b)) => match a.checked_add(b) {
                Some(sum) => Self::Integer(sum),
                None => Self::Real(a as f64 + b as f64),
            },
            _ => Self::Real(self.to_f64() + other.to_f64()),
        }
    }
}

impl From<i128> for Number {
    fn from(value: i128) -> Self {
        Self::Integer(value)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::Integer(value.into())
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::Integer(value.into())
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

/// An exact signed sum of products of up to four `i128`, in two's complement, least significant limb first.
///
/// `n * Q - S * S` decides every variance. In 128 bits it overflows for n = 1e9 and Q above 1e29, and the ratio's
/// form has four factors; with limbs it is exact for whatever the inputs hold, in any order of addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExactSum {
    limbs: [u64; Self::LIMBS],
}

impl ExactSum {
    const LIMBS: usize = 9;
    /// More factors than this could overflow the limbs.
    const MAX_FACTORS: usize = 4;

    pub(crate) const ZERO: Self = Self { limbs: [0; Self::LIMBS] };

    /// This plus the product of `factors` (at most four count).
    pub(crate) fn add_product(self, factors: &[i128]) -> Self {
        let mut product = Self::ZERO;
        if let Some(lowest) = product.limbs.first_mut() {
            *lowest = 1;
        }
        let mut negative = false;
        for factor in factors.iter().take(Self::MAX_FACTORS) {
            negative ^= *factor < 0;
            let magnitude = factor.unsigned_abs();
            let high = product.times(u64::try_from(magnitude >> 64).unwrap_or(0));
            product = product.times((magnitude & u128::from(u64::MAX)) as u64).add(high.shifted());
        }
        self.add(if negative { product.negated() } else { product })
    }

    pub(crate) fn is_negative(self) -> bool {
        self.limbs.last().is_some_and(|limb| limb >> 63 == 1)
    }

    pub(crate) fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// The nearest float, to about one unit in the last place. Below 2^576, so never infinite.
    pub(crate) fn to_f64(self) -> f64 {
        if self.is_negative() {
            return -self.negated().to_f64();
        }
        self.limbs.iter().rev().fold(0.0, |value, limb| value * 18_446_744_073_709_551_616.0 + *limb as f64)
    }

    fn times(mut self, word: u64) -> Self {
        let mut carry = 0_u128;
        for limb in &mut self.limbs {
            let wide = u128::from(*limb) * u128::from(word) + carry;
            *limb = wide as u64;
            carry = wide >> 64;
        }
        self
    }

    fn shifted(mut self) -> Self {
        self.limbs.rotate_right(1);
        if let Some(lowest) = self.limbs.first_mut() {
            *lowest = 0;
        }
        self
    }

    fn add(mut self, other: Self) -> Self {
        let mut carry = 0_u128;
        for (limb, addend) in self.limbs.iter_mut().zip(other.limbs) {
            let wide = u128::from(*limb) + u128::from(addend) + carry;
            *limb = wide as u64;
            carry = wide >> 64;
        }
        self
    }

    fn negated(mut self) -> Self {
        for limb in &mut self.limbs {
            *limb = !*limb;
        }
        let mut one = Self::ZERO;
        if let Some(lowest) = one.limbs.first_mut() {
            *lowest = 1;
        }
        self.add(one)
    }
}
