//! The normal distribution.

use std::f64::consts::FRAC_1_SQRT_2;

/// `1 / sqrt(2 pi)`.
const INV_SQRT_2PI: f64 = 0.398_942_280_401_432_7;

/// Density of the standard normal at `x`.
pub fn norm_pdf(x: f64) -> f64 {
    INV_SQRT_2PI * libm::exp(-0.5 * x * x)
}

/// `P(Z <= x)`; small values keep their relative accuracy down to 1e-300.
pub fn norm_cdf(x: f64) -> f64 {
    norm_sf(-x)
}

/// `P(Z > x)`; small values keep their relative accuracy down to 1e-300.
pub fn norm_sf(x: f64) -> f64 {
    0.5 * libm::erfc(x * FRAC_1_SQRT_2)
}

/// The `p` quantile: `norm_cdf(norm_ppf(p)) = p`. Infinite at 0 and 1, NaN outside.
pub fn norm_ppf(p: f64) -> f64 {
    if p < 0.5 { -norm_isf(p) } else { norm_isf(1.0 - p) }
}

/// The upper quantile: `norm_sf(norm_isf(q)) = q`. Infinite at 0 and 1, NaN outside.
///
/// Starts from Abramowitz & Stegun 26.2.23 (absolute error below 5e-4) and takes Halley steps on `erfc`, always
/// on the smaller tail; each step triples the correct digits.
pub fn norm_isf(q: f64) -> f64 {
    if q > 0.5 {
        return -norm_isf(1.0 - q);
    }
    if q == 0.0 {
        return f64::INFINITY;
    }
    if q.is_nan() || q < 0.0 {
        return f64::NAN;
    }
    let t = (-2.0 * libm::log(q)).sqrt();
    let mut x =
        t - (2.515_517 + t * (0.802_853 + t * 0.010_328)) / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)));
    for _ in 0..4 {
        let density = norm_pdf(x);
        if density < f64::MIN_POSITIVE {
            break;
        }
        let u = (norm_sf(x) - q) / density;
        x += u / (1.0 - 0.5 * u * x);
    }
    x
}
