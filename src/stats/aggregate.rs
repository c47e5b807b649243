//! What the ledger sums up per variant, and the (co)variances inside it.

use super::number::{ExactSum, Number};
use super::refusal::Refusal;

/// The kinds of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Share of units that converted.
    Proportion,
    /// Value per unit, such as revenue per visitor in minor units.
    Mean,
    /// Sum over sum, such as revenue per order; the unit stays the visitor.
    Ratio,
    /// [`Metric::Mean`] adjusted by a covariate from before the exposure.
    MeanCuped,
    /// [`Metric::Ratio`] adjusted by a covariate from before the exposure.
    RatioCuped,
}

impl Metric {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Proportion, Self::Mean, Self::Ratio, Self::MeanCuped, Self::RatioCuped];

    /// The name in inputs, such as `ratio_cuped`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proportion => "proportion",
            Self::Mean => "mean",
            Self::Ratio => "ratio",
            Self::MeanCuped => "mean_cuped",
            Self::RatioCuped => "ratio_cuped",
        }
    }

    /// Whether the metric is a sum over a sum.
    pub fn is_ratio(self) -> bool {
        matches!(self, Self::Ratio | Self::RatioCuped)
    }

    /// Whether the metric has a covariate from before the exposure.
    pub fn is_cuped(self) -> bool {
        matches!(self, Self::MeanCuped | Self::RatioCuped)
    }
}

/// The sums of one variant. `y` is the outcome of a unit (of a ratio the numerator), `d` the denominator, `x` the
/// covariate. Sums that the metric does not use are zero. Variants, days and shards add up with
/// [`Aggregate::plus`], in any order, without rounding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Aggregate {
    pub(crate) metric: Metric,
    pub(crate) n: Number,
    pub(crate) y: Number,
    pub(crate) yy: Number,
    pub(crate) d: Number,
    pub(crate) dd: Number,
    pub(crate) yd: Number,
    pub(crate) x: Number,
    pub(crate) xx: Number,
    pub(crate) yx: Number,
    pub(crate) dx: Number,
}

/// The covariate's sums for [`Aggregate::ratio_cuped`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatioCovariate {
    /// Sum of x.
    pub x_sum: Number,
    /// Sum of x².
    pub x_sum_sq: Number,
    /// Sum of numerator · x.
    pub num_x_sum: Number,
    /// Sum of denominator · x.
    pub den_x_sum: Number,
}

impl Aggregate {
    fn empty(metric: Metric) -> Self {
        let zero = Number::ZERO;
        Self { metric, n: zero, y: zero, yy: zero, d: zero, dd: zero, yd: zero, x: zero, xx: zero, yx: zero, dx: zero }
    }

    /// `n` units of which `converted` converted.
    pub fn proportion(n: impl Into<Number>, converted: impl Into<Number>) -> Self {
        let converted = converted.into();
        Self { n: n.into(), y: converted, yy: converted, ..Self::empty(Metric::Proportion) }
    }

    /// `n` units, the sum of their values and of the squares.
    pub fn mean(n: impl Into<Number>, sum: impl Into<Number>, sum_sq: impl Into<Number>) -> Self {
        Self { n: n.into(), y: sum.into(), yy: sum_sq.into(), ..Self::empty(Metric::Mean) }
    }

    /// `n` units, sums and sums of squares of numerators and denominators, and of their products.
    pub fn ratio(
        n: impl Into<Number>,
        (num_sum, num_sum_sq): (impl Into<Number>, impl Into<Number>),
        (den_sum, den_sum_sq): (impl Into<Number>, impl Into<Number>),
        num_den_sum: impl Into<Number>,
    ) -> Self {
        Self {
            n: n.into(),
            y: num_sum.into(),
            yy: num_sum_sq.into(),
            d: den_sum.into(),
            dd: den_sum_sq.into(),
            yd: num_den_sum.into(),
            ..Self::empty(Metric::Ratio)
        }
    }

    /// A mean with a covariate measured strictly before the exposure (0 for new units).
    pub fn mean_cuped(
        n: impl Into<Number>,
        (sum, sum_sq): (impl Into<Number>, impl Into<Number>),
        (x_sum, x_sum_sq): (impl Into<Number>, impl Into<Number>),
        xy_sum: impl Into<Number>,
    ) -> Self {
        Self {
            x: x_sum.into(),
            xx: x_sum_sq.into(),
            yx: xy_sum.into(),
            metric: Metric::MeanCuped,
            ..Self::mean(n, sum, sum_sq)
        }
    }

    /// A ratio with a covariate; `ratio` must come from [`Aggregate::ratio`].
    #[must_use]
    pub fn ratio_cuped(ratio: Self, covariate: RatioCovariate) -> Self {
        let RatioCovariate { x_sum, x_sum_sq, num_x_sum, den_x_sum } = covariate;
        Self { x: x_sum, xx: x_sum_sq, yx: num_x_sum, dx: den_x_sum, metric: Metric::RatioCuped, ..ratio }
    }

    /// The kind of metric.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Number of units.
    pub fn n(&self) -> f64 {
        self.n.to_f64()
    }

    /// Sum of the outcomes: of a proportion the conversions, of a ratio the numerators.
    pub fn sum(&self) -> f64 {
        self.y.to_f64()
    }

    /// Denominators per unit: 1 where the metric is no ratio.
    pub(crate) fn denominators(&self) -> f64 {
        if self.metric.is_ratio() { self.d.to_f64() / self.n.to_f64() } else { 1.0 }
    }

    /// Both together, as if counted at once. The metric is that of `self`.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            metric: self.metric,
            n: self.n.plus(other.n),
            y: self.y.plus(other.y),
            yy: self.yy.plus(other.yy),
            d: self.d.plus(other.d),
            dd: self.dd.plus(other.dd),
            yd: self.yd.plus(other.yd),
            x: self.x.plus(other.x),
            xx: self.xx.plus(other.xx),
            yx: self.yx.plus(other.yx),
            dx: self.dx.plus(other.dx),
        }
    }

    /// The plain mean (of a ratio: sum over sum), unadjusted; shown even where inference is refused.
    pub fn raw_mean(&self) -> Option<f64> {
        let over = if self.metric.is_ratio() { self.d } else { self.n };
        let mean = self.y.to_f64() / over.to_f64();
        (self.n.to_f64() > 0.0 && mean.is_finite()).then_some(mean)
    }

    /// Every sum, for checks that concern all.
    fn sums(&self) -> [Number; 9] {
        [self.y, self.yy, self.d, self.dd, self.yd, self.x, self.xx, self.yx, self.dx]
    }

    /// The first reason against this arm up to [`Refusal::ZeroDenominator`]; variances are judged by the caller.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        self.check_validity()?;
        let n = self.n.to_f64();
        if n == 0.0 {
            return Err(Refusal::NoUnits);
        }
        if n < 2.0 {
            return Err(Refusal::TooFewUnits);
        }
        if self.metric.is_ratio() && self.d.to_f64() == 0.0 {
            return Err(Refusal::ZeroDenominator);
        }
        Ok(())
    }

    /// Whether any data could have given these sums, as far as can be told cheaply.
    fn check_validity(&self) -> Result<(), Refusal> {
        let n = self.n.to_f64();
        if !n.is_finite() || n < 0.0 || n.trunc() != n || self.sums().iter().any(|sum| !sum.to_f64().is_finite()) {
            return Err(Refusal::InvalidInput);
        }
        if n == 0.0 {
            let empty = self.sums().iter().all(|sum| sum.to_f64() == 0.0);
            return if empty { Ok(()) } else { Err(Refusal::InvalidInput) };
        }
        if self.metric == Metric::Proportion {
            let converted = self.y.to_f64();
            return if (0.0..=n).contains(&converted) { Ok(()) } else { Err(Refusal::InvalidInput) };
        }
        for (sum, sum_sq) in [(self.y, self.yy), (self.d, self.dd), (self.x, self.xx)] {
            self.deviations(sum, sum_sq)?;
        }
        Ok(())
    }

    /// Sum of squared deviations, `Q - S²/n`: exact for integers; for floats noise around zero becomes zero.
    ///
    /// # Errors
    /// [`Refusal::InvalidInput`] where it is negative beyond rounding.
    pub(crate) fn deviations(&self, sum: Number, sum_sq: Number) -> Result<f64, Refusal> {
        if let (Some(n), Some(s), Some(q)) = (self.n.to_integer(), sum.to_integer(), sum_sq.to_integer()) {
            let exact = ExactSum::ZERO.add_product(&[n, q]).add_product(&[-1, s, s]);
            if exact.is_negative() {
                return Err(Refusal::InvalidInput);
            }
            return Ok(exact.to_f64() / n as f64);
        }
        let (n, s, q) = (self.n.to_f64(), sum.to_f64(), sum_sq.to_f64());
        without_noise(q - s * (s / n), self.noise(q.abs()))
    }

    /// Sum of products of deviations, `P - S·T/n`.
    pub(crate) fn co_deviations(&self, s: Number, t: Number, product: Number) -> f64 {
        if let (Some(n), Some(s), Some(t), Some(p)) =
            (self.n.to_integer(), s.to_integer(), t.to_integer(), product.to_integer())
        {
            return ExactSum::ZERO.add_product(&[n, p]).add_product(&[-1, s, t]).to_f64() / n as f64;
        }
        product.to_f64() - s.to_f64() * (t.to_f64() / self.n.to_f64())
    }

    /// Delta-method sum of squares of a ratio, `sum (m - R d)²`, which sums of products give without rounding.
    pub(crate) fn ratio_residuals(&self) -> Result<f64, Refusal> {
        if let (Some(m), Some(mm), Some(d), Some(dd), Some(md)) =
            (self.y.to_integer(), self.yy.to_integer(), self.d.to_integer(), self.dd.to_integer(), self.yd.to_integer())
        {
            let exact = ExactSum::ZERO.add_product(&[mm, d, d]).add_product(&[-2, m, d, md]).add_product(&[dd, m, m]);
            if exact.is_negative() {
                return Err(Refusal::InvalidInput);
            }
            return Ok(if exact.is_zero() { 0.0 } else { exact.to_f64() / d as f64 / d as f64 });
        }
        let ratio = self.y.to_f64() / self.d.to_f64();
        let terms = [self.yy.to_f64(), 2.0 * ratio * self.yd.to_f64(), ratio * (ratio * self.dd.to_f64())];
        let [mm, md, dd] = terms;
        without_noise(mm - md + dd, self.noise(mm.abs() + md.abs() + dd.abs()))
    }

    /// `sum (m - R d) (x - mean of x)` of a ratio; the covariate's mean drops out, as the residuals sum to zero.
    pub(crate) fn ratio_co_residuals(&self) -> f64 {
        if let (Some(m), Some(d), Some(mx), Some(dx)) =
            (self.y.to_integer(), self.d.to_integer(), self.yx.to_integer(), self.dx.to_integer())
        {
            return ExactSum::ZERO.add_product(&[d, mx]).add_product(&[-1, m, dx]).to_f64() / d as f64;
        }
        self.yx.to_f64() - self.y.to_f64() / self.d.to_f64() * self.dx.to_f64()
    }

    /// How far rounding may have moved a difference of float sums whose terms are as large as `magnitude`.
    pub(crate) fn noise(&self, magnitude: f64) -> f64 {
        16.0 * f64::EPSILON * self.n.to_f64().sqrt() * magnitude
    }
}

/// `value`, or zero within the noise.
fn without_noise(value: f64, noise: f64) -> Result<f64, Refusal> {
    if value < -noise {
        Err(Refusal::InvalidInput)
    } else if value <= noise {
        Ok(0.0)
    } else {
        Ok(value)
    }
}
