//! Whether two experiments that ran on the same units change each other's effect.

use super::aggregate::Aggregate;
use super::comparison::Moments;
use super::refusal::{Refusal, finite};
use super::special::norm_sf;

/// The difference of differences of two experiments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interaction {
    /// The effect of one experiment's treatment with the other's, minus that without it.
    pub estimate: f64,
    /// Its standard error, above 0.
    pub std_error: f64,
    /// `estimate / std_error`.
    pub z: f64,
    /// Two-sided p-value of one look.
    pub p: f64,
    /// The estimate over the absolute mean of the units with both controls; absent where that is zero.
    pub relative: Option<f64>,
}

/// The test of the four cells of a treatment and the control of two experiments: `cells[i][j]` are the units with the
/// first's control (0) or treatment (1) and the second's. The units of each cell are independent, so variances add up.
///
/// # Errors
/// The first [`Refusal`] of the cells in the order of precedence; [`Refusal::ZeroVariance`] where no cell varies.
pub fn interaction(cells: [[&Aggregate; 2]; 2]) -> Result<Interaction, Refusal> {
    let [[none, second], [first, both]] = cells.map(|row| row.map(Moments::of));
    let refusal = [&none, &second, &first, &both].into_iter().filter_map(|cell| cell.as_ref().err().copied()).min();
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    let (none, second, first, both) = (none?, second?, first?, both?);
    let estimate = finite((both.mean - second.mean) - (first.mean - none.mean))?;
    let squared: f64 = [none, second, first, both].iter().map(Moments::squared_error).sum();
    let std_error = finite(squared.sqrt())?;
    if std_error <= 0.0 {
        return Err(Refusal::ZeroVariance);
    }
    let z = finite(estimate / std_error)?;
    let relative = estimate / none.mean.abs();
    Ok(Interaction {
        estimate,
        std_error,
        z,
        p: (2.0 * norm_sf(z.abs())).min(1.0),
        relative: relative.is_finite().then_some(relative),
    })
}
