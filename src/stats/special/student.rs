//! Student's t with real degrees of freedom.

use super::gamma::ln_gamma_half_step;
use super::normal::{norm_isf, norm_sf};

/// From here on the tail probability is Hill's expansion, below it the continued fraction. Against 40 digits, over
/// tails down to 1e-300: from 200 the expansion is off by up to 8e-8, from 5,000 by up to 3e-11.
const HILL_FROM: f64 = 5_000.0;
/// From here on (and up to `EXPANSION_Z`) the quantile is a series in `1 / df`, below it a root of the tail.
const EXPANSION_FROM: f64 = 1000.0;
/// The series is in powers of `z^2 / df`, so it holds only for a moderate normal quantile.
const EXPANSION_Z: f64 = 6.0;

/// `P(T > t)` for `df > 0` degrees of freedom; small values keep their relative accuracy. NaN for other `df`.
pub fn t_sf(t: f64, df: f64) -> f64 {
    if t.is_nan() || df.is_nan() || df <= 0.0 {
        return f64::NAN;
    }
    if df.is_infinite() {
        return norm_sf(t);
    }
    if t < 0.0 {
        return 1.0 - t_sf(-t, df);
    }
    if t == 0.0 {
        return 0.5;
    }
    if t.is_infinite() {
        return 0.0;
    }
    let log_ratio = log1p_square_ratio(t, df);
    if df >= HILL_FROM && log_ratio < 1.0 { hill_tail(log_ratio, df) } else { beta_tail(t, log_ratio, df) }
}

/// The `p` quantile: `P(T <= t_ppf(p, df)) = p`. Infinite at 0 and 1, NaN outside or for `df <= 0`.
pub fn t_ppf(p: f64, df: f64) -> f64 {
    if p < 0.5 { -t_isf(p, df) } else { t_isf(1.0 - p, df) }
}

/// The upper quantile: `t_sf(t_isf(q, df), df) = q`. Infinite at 0 and 1, NaN outside or for `df <= 0`.
pub fn t_isf(q: f64, df: f64) -> f64 {
    if df.is_nan() || df <= 0.0 || !(0.0..=1.0).contains(&q) {
        return f64::NAN;
    }
    if q > 0.5 {
        return -t_isf(1.0 - q, df);
    }
    if q == 0.5 {
        return 0.0;
    }
    let z = norm_isf(q);
    if z.is_infinite() || df.is_infinite() {
        return z;
    }
    let start = quantile_series(z, df);
    if df >= EXPANSION_FROM && z <= EXPANSION_Z { start } else { tail_root(q, df, start) }
}

/// `ln(1 + t^2 / df)`, also where the square overflows.
fn log1p_square_ratio(t: f64, df: f64) -> f64 {
    let ratio = t / df.sqrt();
    let square = ratio * ratio;
    if square.is_finite() { libm::log1p(square) } else { 2.0 * libm::log(ratio) }
}

/// Hill 1970 (CACM Algorithm 395): the normal deviate with the same tail.
fn hill_tail(log_ratio: f64, df: f64) -> f64 {
    let a = df - 0.5;
    let b = 48.0 * a * a;
    let y = a * log_ratio;
    let correction = ((((-0.4 * y - 3.3) * y - 24.0) * y - 85.5) / (0.8 * y * y + 100.0 + b) + y + 3.0) / b + 1.0;
    norm_sf(correction * y.sqrt())
}

/// Half the regularised incomplete beta function `I_x(df/2, 1/2)` with `x = df / (df + t^2)`.
fn beta_tail(t: f64, log_ratio: f64, df: f64) -> f64 {
    let (a, b) = (0.5 * df, 0.5);
    let (ln_x, ln_y) = (-log_ratio, 2.0 * libm::log(t) - libm::log(df) - log_ratio);
    let ln_beta = 0.5 * libm::log(std::f64::consts::PI) - ln_gamma_half_step(a);
    let ln_front = a * ln_x + b * ln_y - ln_beta;
    let x = libm::exp(ln_x);
    if x < (a + 1.0) / (a + b + 2.0) {
        0.5 * libm::exp(ln_front - libm::log(a)) * beta_fraction(a, b, x)
    } else {
        // The complement is computed from its own logarithm: 1 - x would lose the digits of a small t.
        let y = libm::exp(ln_y);
        0.5 - 0.5 * libm::exp(ln_front - libm::log(b)) * beta_fraction(b, a, y)
    }
}

/// The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let keep_off_zero = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut numerator = 1.0;
    let mut denominator = 1.0 / keep_off_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = denominator;
    for m in 1..=10_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        denominator = 1.0 / keep_off_zero(1.0 + even * denominator);
        numerator = keep_off_zero(1.0 + even / numerator);
        value *= numerator * denominator;
        denominator = 1.0 / keep_off_zero(1.0 + odd * denominator);
        numerator = keep_off_zero(1.0 + odd / numerator);
        let step = numerator * denominator;
        value *= step;
        if (step - 1.0).abs() < 1e-16 {
            break;
        }
    }
    value
}

/// Abramowitz & Stegun 26.7.5: the quantile as a series in `1 / df` around the normal quantile `z`.
fn quantile_series(z: f64, df: f64) -> f64 {
    let s = z * z;
    let g1 = z * (s + 1.0) / 4.0;
    let g2 = z * ((5.0 * s + 16.0) * s + 3.0) / 96.0;
    let g3 = z * (((3.0 * s + 19.0) * s + 17.0) * s - 15.0) / 384.0;
    let g4 = z * ((((79.0 * s + 776.0) * s + 1482.0) * s - 1920.0) * s - 945.0) / 92_160.0;
    z + (g1 + (g2 + (g3 + g4 / df) / df) / df) / df
}

/// The positive root of `t_sf(t, df) = q`, `0 < q < 1/2`: Newton inside a bracket, bisection where it leaves it.
fn tail_root(q: f64, df: f64, start: f64) -> f64 {
    let a = 0.5 * df;
    let ln_density_scale = ln_gamma_half_step(a) - 0.5 * libm::log(std::f64::consts::PI * df);
    let (mut low, mut high) = (0.0_f64, f64::INFINITY);
    let mut t = if start.is_finite() && start > 0.0 { start } else { 1.0 };
    for _ in 0..2_200 {
        let tail = t_sf(t, df);
        if tail > q {
            low = t;
        } else {
            high = t;
        }
        let density = libm::exp(ln_density_scale - (a + 0.5) * log1p_square_ratio(t, df));
        // Near the middle the tail is almost straight in t; far out its logarithm is almost straight in ln t.
        let newton = if q > 0.1 {
            t + (tail - q) / density
        } else {
            t * libm::exp((libm::log(tail) - libm::log(q)) * tail / (density * t))
        };
        let next = if newton > low && newton < high {
            newton
        } else if high.is_finite() {
            if low > 0.0 { low.sqrt() * high.sqrt() } else { 0.5 * high }
        } else {
            2.0 * t
        };
        if !next.is_finite() || (next - t).abs() <= 2e-16 * t {
            return next;
        }
        t = next;
    }
    t
}
