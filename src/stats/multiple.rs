//! Several comparisons at once: treatments times goal metrics of one readout.

use super::level::Level;

/// A p-value adjusted for its family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adjusted {
    /// The adjusted p-value.
    pub p: f64,
    /// Whether it is below the level (strictly).
    pub rejected: bool,
}

/// Positions of the p-values that count, from the smallest on.
fn ranked(p_values: &[Option<f64>]) -> Vec<(usize, f64)> {
    let mut ranked: Vec<(usize, f64)> = p_values
        .iter()
        .enumerate()
        .filter_map(|(position, p)| p.filter(|p| (0.0..=1.0).contains(p)).map(|p| (position, p)))
        .collect();
    ranked.sort_by(|a, b| a.1.total_cmp(&b.1));
    ranked
}

fn restored(length: usize, adjusted: impl Iterator<Item = (usize, f64)>, alpha: Level) -> Vec<Option<Adjusted>> {
    let mut result = vec![None; length];
    for (position, p) in adjusted {
        if let Some(slot) = result.get_mut(position) {
            *slot = Some(Adjusted { p, rejected: p < alpha.get() });
        }
    }
    result
}

/// Holm 1979: the chance of any false rejection stays below `alpha` under any dependence; also right for
/// always-valid p-values. An absent p-value (or one outside 0..=1) stays absent and does not count.
pub fn holm(p_values: &[Option<f64>], alpha: Level) -> Vec<Option<Adjusted>> {
    let ranked = ranked(p_values);
    let count = ranked.len();
    let mut largest = 0.0_f64;
    let adjusted = ranked.into_iter().enumerate().map(|(rank, (position, p))| {
        largest = largest.max(((count - rank) as f64 * p).min(1.0));
        (position, largest)
    });
    restored(p_values.len(), adjusted, alpha)
}

/// Benjamini & Hochberg 1995: the expected share of false rejections stays below `alpha` for independent or
/// positively dependent tests at one look; no such promise when stopping at will.
pub fn benjamini_hochberg(p_values: &[Option<f64>], alpha: Level) -> Vec<Option<Adjusted>> {
    let ranked = ranked(p_values);
    let count = ranked.len();
    let mut smallest = 1.0_f64;
    let adjusted = ranked.into_iter().enumerate().rev().map(|(rank, (position, p))| {
        smallest = smallest.min(count as f64 * p / (rank + 1) as f64);
        (position, smallest)
    });
    restored(p_values.len(), adjusted, alpha)
}
