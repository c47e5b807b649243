//! Winsorising: an upper cap on the value of a unit.

/// A share in basis points, 1 to 10,000: 9,900 is the 99th percentile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BasisPoints(u16);

impl BasisPoints {
    /// `None` outside 1..=10,000.
    pub fn new(value: u16) -> Option<Self> {
        (1..=10_000).contains(&value).then_some(Self(value))
    }
}

/// Which values the quantile is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapOver {
    /// All units.
    AllUnits,
    /// Only units with a value other than zero. With 3 % buyers, the 95th percentile of all units would be 0.
    NonZero,
}

/// The cap: the nearest-rank quantile (SQL's `PERCENTILE_DISC`) of the values of all arms together. Zero where no
/// value counts. The rank is computed in integers, since `0.07 * 100` is 7.000000000000001 in floats.
pub fn cap(values: impl IntoIterator<Item = i128>, quantile: BasisPoints, over: CapOver) -> i128 {
    let mut counted: Vec<i128> = values.into_iter().filter(|value| over == CapOver::AllUnits || *value != 0).collect();
    let rank = (counted.len() as u128 * u128::from(quantile.0)).div_ceil(10_000);
    let index = usize::try_from(rank).unwrap_or(usize::MAX).saturating_sub(1);
    if index >= counted.len() {
        return 0;
    }
    *counted.select_nth_unstable(index).1
}

/// Count, sum and sum of squares of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CappedSums {
    /// Number of values.
    pub n: u64,
    /// Sum of the capped values.
    pub sum: i128,
    /// Sum of their squares.
    pub sum_sq: i128,
}

/// Sums of `min(value, cap)`; `None` where they leave 128 bits.
pub fn capped_sums(values: impl IntoIterator<Item = i128>, cap: i128) -> Option<CappedSums> {
    let mut sums = CappedSums { n: 0, sum: 0, sum_sq: 0 };
    for value in values {
        let value = value.min(cap);
        sums.n = sums.n.checked_add(1)?;
        sums.sum = sums.sum.checked_add(value)?;
        sums.sum_sq = sums.sum_sq.checked_add(value.checked_mul(value)?)?;
    }
    Some(sums)
}
