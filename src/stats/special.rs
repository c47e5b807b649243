//! Special functions: normal, Student's t, chi-square, hypergeometric.
//!
//! They are written here because the quantile of Student's t in two widely used crates loses its digits from
//! 1e5 degrees of freedom on and does not return at 2e7, which is an ordinary sample for a shop. Elementary
//! functions come from `libm` on every target, so that native and wasm give the same bits. Every loop is bounded.

mod gamma;
mod normal;
mod student;

pub use gamma::{chi2_sf, hypergeometric_sf, ln_gamma};
pub(crate) use gamma::{deviance, stirling_error};
pub use normal::{norm_cdf, norm_isf, norm_pdf, norm_ppf, norm_sf};
pub use student::{t_isf, t_ppf, t_sf};
