//! Weights that follow what was learned (Thompson sampling), for many options where learning is not the aim.
//!
//! Weights that change from day to day bias plain means: an option that had much traffic on a good day looks good. So each
//! day's units count by the inverse of the share that their option had on that day (inverse propensity weights), which
//! leaves of the rhythm of the week nothing but noise. The probability to be the best is integrated, not drawn: the same
//! record gives the same weights.

use super::refusal::Refusal;
use super::special::{norm_cdf, norm_pdf};

/// The sums of one option on one day, by the day of the units' first exposure.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct OptionDay {
    /// Units.
    pub n: f64,
    /// Sum of their outcomes.
    pub sum: f64,
    /// Sum of the squares.
    pub sum_sq: f64,
}

/// What is known of an option.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptionMean {
    /// Units.
    pub n: f64,
    /// The mean by inverse propensity weights.
    pub mean: f64,
    /// Its standard error.
    pub std_error: f64,
    /// The plain mean, which changing weights bias.
    pub plain: f64,
}

/// Units of an option from which its own variance is believed; below, that of all options together.
const OWN_VARIANCE: f64 = 100.0;

/// The options' means. `days` holds for each day the options in their order; days on which an option had nobody do not
/// count for it.
///
/// # Errors
/// [`Refusal::InvalidInput`] for days of different length or numbers that no data give; [`Refusal::NoUnits`] where an
/// option never had a unit; [`Refusal::ZeroVariance`] where no outcome differs from another.
pub fn option_means(days: &[Vec<OptionDay>]) -> Result<Vec<OptionMean>, Refusal> {
    let options = days.first().map_or(0, Vec::len);
    let sound = |day: &OptionDay| [day.n, day.sum, day.sum_sq].iter().all(|v| v.is_finite()) && day.n >= 0.0;
    if options < 2 || days.iter().any(|day| day.len() != options || !day.iter().all(sound)) {
        return Err(Refusal::InvalidInput);
    }
    let of = |option: usize| days.iter().filter_map(move |day| Some((day.get(option)?, day)));
    let totals: Vec<OptionDay> = (0..options)
        .map(|option| {
            of(option).fold(OptionDay::default(), |sum, (day, _)| OptionDay {
                n: sum.n + day.n,
                sum: sum.sum + day.sum,
                sum_sq: sum.sum_sq + day.sum_sq,
            })
        })
        .collect();
    if totals.iter().any(|total| total.n <= 0.0) {
        return Err(Refusal::NoUnits);
    }
    let variance =
        |total: &OptionDay| (total.sum_sq / total.n - (total.sum / total.n) * (total.sum / total.n)).max(0.0);
    let all = totals.iter().fold(OptionDay::default(), |sum, one| OptionDay {
        n: sum.n + one.n,
        sum: sum.sum + one.sum,
        sum_sq: sum.sum_sq + one.sum_sq,
    });
    let common = variance(&all);
    if common <= 0.0 {
        return Err(Refusal::ZeroVariance);
    }
    let mean = |(option, total): (usize, &OptionDay)| {
        let own = variance(total);
        let spread = if total.n < OWN_VARIANCE || own <= 0.0 { common.max(own) } else { own };
        let (mut weight, mut weighted, mut squares) = (0.0, 0.0, 0.0);
        for (day, everybody) in of(option).filter(|(day, _)| day.n > 0.0) {
            let people: f64 = everybody.iter().map(|one| one.n).sum();
            weight += people;
            weighted += people * (day.sum / day.n);
            squares += people * (people / day.n);
        }
        OptionMean {
            n: total.n,
            mean: weighted / weight,
            std_error: (spread * squares).sqrt() / weight,
            plain: total.sum / total.n,
        }
    };
    Ok(totals.iter().enumerate().map(mean).collect())
}

/// How probable it is of each option that it is the best, if each mean is normal around its estimate. They sum to 1.
/// `sign` is 1 where more is better and -1 where less is.
pub fn chances_to_be_best(options: &[OptionMean], sign: f64) -> Vec<f64> {
    const REACH: f64 = 8.0;
    const STEP: f64 = 1.0 / 16.0;
    let steps = (2.0 * REACH / STEP) as i32;
    let chance = |this: &OptionMean, at: usize| {
        (0..=steps)
            .map(|step| {
                let z = -REACH + f64::from(step) * STEP;
                let value = sign * this.mean + z * this.std_error;
                let below = |(_, other): (usize, &OptionMean)| {
                    norm_cdf((value - sign * other.mean) / other.std_error.max(f64::MIN_POSITIVE))
                };
                let others = options.iter().enumerate().filter(|(position, _)| *position != at);
                norm_pdf(z) * STEP * others.map(below).product::<f64>()
            })
            .sum::<f64>()
    };
    let chances: Vec<f64> = options.iter().enumerate().map(|(at, this)| chance(this, at)).collect();
    let total: f64 = chances.iter().sum();
    let even = 1.0 / options.len().max(1) as f64;
    chances.into_iter().map(|chance| if total > 0.0 { chance / total } else { even }).collect()
}

/// The shares of the next day: each option's chance to be the best, above a floor that all keep, so that none is starved
/// by an unlucky start and a change of the world is seen. They sum to 1.
pub fn thompson_weights(options: &[OptionMean], sign: f64, floor: f64) -> Vec<f64> {
    let number = options.len().max(1) as f64;
    let floor = floor.clamp(0.0, 1.0 / number);
    chances_to_be_best(options, sign).into_iter().map(|chance| floor + (1.0 - number * floor) * chance).collect()
}
