//! The gamma function and what is summed from it: chi-square and hypergeometric tails.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

/// `ln |Gamma(x)|`.
pub fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// `ln Gamma(x + 1/2) - ln Gamma(x)` for `x > 0`, by its asymptotic series where the difference of two large
/// logarithms would lose digits.
pub(super) fn ln_gamma_half_step(x: f64) -> f64 {
    if x < 50.0 {
        return libm::lgamma(x + 0.5) - libm::lgamma(x);
    }
    let r = 1.0 / x;
    let s = r * r;
    0.5 * libm::log(x) - r * (1.0 / 8.0 - s * (1.0 / 192.0 - s * (1.0 / 640.0 - s * (17.0 / 14_336.0))))
}

/// What Stirling's formula misses: `ln Gamma(x) - ((x - 1/2) ln x - x + ln(2 pi) / 2)`, `x > 0`.
pub(crate) fn stirling_error(x: f64) -> f64 {
    if x < 16.0 {
        return libm::lgamma(x) - (x - 0.5) * libm::log(x) + x - 0.5 * libm::log(TAU);
    }
    let s = 1.0 / (x * x);
    (1.0 / 12.0 - s * (1.0 / 360.0 - s * (1.0 / 1260.0 - s * (1.0 / 1680.0 - s / 1188.0)))) / x
}

/// `x ln(x / mean) + mean - x` for `x >= 0`, `mean > 0`, without the cancellation near `x = mean`.
///
/// Loader 2000, "Fast and accurate computation of binomial probabilities".
pub(crate) fn deviance(x: f64, mean: f64) -> f64 {
    if x == 0.0 {
        return mean;
    }
    let difference = x - mean;
    let v = difference / (x + mean);
    if v.abs() >= 0.1 {
        return x * libm::log(x / mean) - difference;
    }
    let mut total = difference * v;
    let mut power = 2.0 * x * v;
    for j in 1..50 {
        power *= v * v;
        let next = total + power / f64::from(2 * j + 1);
        if next == total {
            break;
        }
        total = next;
    }
    total
}

/// `P(X > x)` of the chi-square distribution with `df >= 1` degrees of freedom. NaN for a NaN `x` or `df = 0`.
///
/// The finite sum for integer `df`: Poisson terms for even, their half-step kin plus `erfc` for odd `df`. It
/// starts at its largest term, so that nothing overflows however many arms there are.
pub fn chi2_sf(x: f64, df: u32) -> f64 {
    if x.is_nan() || df == 0 {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 1.0;
    }
    if x.is_infinite() {
        return 0.0;
    }
    let h = 0.5 * x;
    let (shift, terms, base) = if df.is_multiple_of(2) {
        (0.0, df / 2, 0.0)
    } else {
        (0.5, (df - 1) / 2, libm::erfc(x.sqrt() * FRAC_1_SQRT_2))
    };
    if terms == 0 {
        return base;
    }
    let last = f64::from(terms - 1);
    let peak = (h - shift).floor().clamp(0.0, last);
    let top = libm::exp((peak + shift) * libm::log(h) - h - libm::lgamma(peak + shift + 1.0));
    let mut total = top;
    let (mut term, mut i) = (top, peak);
    while i > 0.0 && term > total * 1e-18 {
        term *= (i + shift) / h;
        total += term;
        i -= 1.0;
    }
    (term, i) = (top, peak);
    while i < last && term > total * 1e-18 {
        i += 1.0;
        term *= h / (i + shift);
        total += term;
    }
    (base + total).min(1.0)
}

/// Logarithm of the binomial probability of `x` successes in `n` draws, `p + q = 1`, both above 0.
fn ln_binomial_pmf(x: f64, n: f64, p: f64, q: f64) -> f64 {
    let ln = |value: f64, complement: f64| if value > 0.5 { libm::log1p(-complement) } else { libm::log(value) };
    if x <= 0.0 {
        return n * ln(q, p);
    }
    if x >= n {
        return n * ln(p, q);
    }
    stirling_error(n) - stirling_error(x) - stirling_error(n - x) - deviance(x, n * p) - deviance(n - x, n * q)
        + 0.5 * (libm::log(n / x) - libm::log(TAU * (n - x)))
}

/// `P(H >= at_least)` of the hypergeometric distribution: `draws` without replacement from a population of
/// `successes + failures`. All four are whole numbers; `0 < draws < successes + failures`.
///
/// `None` when the sum would need more steps than the bound allows (populations far beyond 1e13).
pub fn hypergeometric_sf(at_least: f64, successes: f64, failures: f64, draws: f64) -> Option<f64> {
    const MAX_TERMS: u32 = 20_000_000;
    let population = successes + failures;
    if at_least <= (draws - failures).max(0.0) {
        return Some(1.0);
    }
    if at_least > successes.min(draws) {
        return Some(0.0);
    }
    let (p, q) = (draws / population, (population - draws) / population);
    let pmf = |x: f64| {
        libm::exp(
            ln_binomial_pmf(x, successes, p, q) + ln_binomial_pmf(draws - x, failures, p, q)
                - ln_binomial_pmf(draws, population, p, q),
        )
    };
    // Sum the tail that does not contain the mode: its terms fall from the first one on.
    let mode = ((draws + 1.0) * (successes + 1.0) / (population + 2.0)).floor();
    let upward = at_least > mode;
    let mut x = if upward { at_least } else { at_least - 1.0 };
    let mut term = pmf(x);
    let mut total = 0.0;
    for _ in 0..MAX_TERMS {
        total += term;
        let ratio = if upward {
            (successes - x) * (draws - x) / ((x + 1.0) * (failures - draws + x + 1.0))
        } else {
            x * (failures - draws + x) / ((successes - x + 1.0) * (draws - x + 1.0))
        };
        term *= ratio;
        if term.is_nan() || term <= total * 1e-19 {
            let total = total.min(1.0);
            return Some(if upward { total } else { 1.0 - total });
        }
        x += if upward { 1.0 } else { -1.0 };
    }
    None
}
