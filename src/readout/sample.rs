//! How many units are enough to compare.

/// Units that each variant needs before anything is said.
pub(super) const FEWEST_UNITS: i64 = 100;

/// Whether a treatment of this share and so many units is shown and not compared: nobody new gets it, so it will never have
/// the units that a comparison needs, and the others do not wait for it.
pub(super) fn is_aside(share: f64, units: i64) -> bool {
    share <= 0.0 && units < FEWEST_UNITS
}
