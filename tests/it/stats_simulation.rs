//! Error rates over simulated experiments: what looking every day does to each method.
//!
//! Every test simulates from a fixed seed, so it gives the same rates on every run and machine.

use sortition_engine::stats::{
    Aggregate, BayesRule, Comparison, Effect, Level, Method, Tuning, bayes, fieller, sequential, srm, srm_sequential,
    welch,
};

const DAYS: usize = 14;

/// SplitMix64: small, seeded, the same everywhere.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in 0..1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Successes among `n` draws of probability `p`, by walking up the distribution function (`n p` steps).
    pub(super) fn binomial(&mut self, n: u32, p: f64) -> u64 {
        let odds = p / (1.0 - p);
        let mut probability = (1.0 - p).powi(i32::try_from(n).unwrap());
        let mut left = self.unit();
        for k in 0..n {
            left -= probability;
            if left < 0.0 {
                return k.into();
            }
            probability *= odds * f64::from(n - k) / f64::from(k + 1);
        }
        n.into()
    }

    /// Heads among `words * 64` fair coins.
    fn coins(&mut self, words: u32) -> u64 {
        (0..words).map(|_| u64::from(self.bits().count_ones())).sum()
    }
}

/// How often something happened, of `runs`.
#[derive(Default)]
struct Rates {
    runs: u32,
    welch_at_the_end: u32,
    welch_ever: u32,
    sequential_ever: u32,
    relative_sequential_gated: u32,
    sequential_missed_ever: u32,
    fieller_missed_ever: u32,
    welch_missed_at_the_end: u32,
    bayes_winner_ever: u32,
    bayes_missed_at_the_end: u32,
}

impl Rates {
    fn of(&self, count: u32) -> f64 {
        f64::from(count) / f64::from(self.runs)
    }
}

/// Experiments of conversion rates `a` and `b`, looked at daily for two weeks.
fn simulate(seed: u64, runs: u32, daily: u32, a: f64, b: f64) -> Rates {
    let mut random = Random(seed);
    let mut rates = Rates { runs, ..Rates::default() };
    let alpha = Level::FIVE_PERCENT;
    let rule = BayesRule::default();
    for _ in 0..runs {
        let (mut control, mut treatment) = (Aggregate::proportion(0_u64, 0_u64), Aggregate::proportion(0_u64, 0_u64));
        let (mut ever, mut always, mut gated, mut missed, mut fieller_missed, mut winner) =
            (false, false, false, false, false, false);
        for day in 1..=DAYS {
            control = control.plus(&Aggregate::proportion(u64::from(daily), random.binomial(daily, a)));
            treatment = treatment.plus(&Aggregate::proportion(u64::from(daily), random.binomial(daily, b)));
            let Ok(comparison) = Comparison::of(&control, &treatment) else { continue };
            let fixed = welch(&comparison, Effect::Absolute, alpha).unwrap();
            let sequence = sequential(&comparison, Effect::Absolute, alpha, Tuning::DEFAULT).unwrap();
            let relative = sequential(&comparison, Effect::Relative, alpha, Tuning::DEFAULT).unwrap();
            let lift = fieller(&comparison, alpha, Method::Sequential(Tuning::DEFAULT)).unwrap();
            let posterior = bayes(&comparison, Effect::Absolute, &rule).unwrap();
            ever |= fixed.significant;
            always |= sequence.significant;
            gated |= comparison.supports_relative() && relative.significant;
            missed |= !sequence.interval.contains(b - a);
            fieller_missed |= lift.interval.is_some_and(|interval| !interval.contains(b / a - 1.0));
            winner |= posterior.decision == sortition_engine::stats::Decision::Winner;
            if day == DAYS {
                rates.welch_at_the_end += u32::from(fixed.significant);
                rates.welch_missed_at_the_end += u32::from(!fixed.interval.contains(b - a));
                rates.bayes_missed_at_the_end += u32::from(!posterior.interval.contains(b - a));
            }
        }
        rates.welch_ever += u32::from(ever);
        rates.sequential_ever += u32::from(always);
        rates.relative_sequential_gated += u32::from(gated);
        rates.sequential_missed_ever += u32::from(missed);
        rates.fieller_missed_ever += u32::from(fieller_missed);
        rates.bayes_winner_ever += u32::from(winner);
    }
    rates
}

#[track_caller]
pub(super) fn within(what: &str, rate: f64, low: f64, high: f64) {
    println!("{what}: {:.1} %", 100.0 * rate);
    assert!((low..=high).contains(&rate), "{what}: {rate} is not within {low}..={high}");
}

/// The reason for the sequential default: the fixed test, looked at daily, calls a fifth of all A/A tests.
#[test]
fn an_aa_test_looked_at_daily_is_called_by_the_fixed_method_and_not_by_the_sequential_one() {
    let rates = simulate(1, 4_000, 1_000, 0.03, 0.03);
    within("Welch once", rates.of(rates.welch_at_the_end), 0.04, 0.065);
    within("Welch on any day", rates.of(rates.welch_ever), 0.17, 0.26);
    within("sequential on any day", rates.of(rates.sequential_ever), 0.001, 0.05);
    within("relative sequential behind the gate", rates.of(rates.relative_sequential_gated), 0.0, 0.05);
    within("sequence misses on any day", rates.of(rates.sequential_missed_ever), 0.0, 0.05);
    within("Fieller misses on any day", rates.of(rates.fieller_missed_ever), 0.0, 0.05);
    within("false Bayesian winner on any day", rates.of(rates.bayes_winner_ever), 0.2, 0.32);
}

/// Few conversions are where relative inference goes wrong; deciding on the absolute scale keeps the promise.
#[test]
fn a_small_aa_test_is_not_called_either() {
    let rates = simulate(2, 2_000, 60, 0.02, 0.02);
    within("sequential on any day", rates.of(rates.sequential_ever), 0.0, 0.05);
    within("relative sequential behind the gate", rates.of(rates.relative_sequential_gated), 0.0, 0.05);
    within("Fieller misses on any day", rates.of(rates.fieller_missed_ever), 0.0, 0.05);
}

#[test]
fn intervals_cover_a_true_lift_as_often_as_they_say() {
    let rates = simulate(3, 2_000, 1_000, 0.03, 0.0345);
    within("Welch misses at the end", rates.of(rates.welch_missed_at_the_end), 0.035, 0.065);
    within("sequence misses on any day", rates.of(rates.sequential_missed_ever), 0.0, 0.05);
    within("Fieller misses on any day", rates.of(rates.fieller_missed_ever), 0.0, 0.05);
    within("credible interval misses at the end", rates.of(rates.bayes_missed_at_the_end), 0.02, 0.08);
    within("sequential finds the lift", rates.of(rates.sequential_ever), 0.15, 0.45);
    within("Welch once finds the lift", rates.of(rates.welch_at_the_end), 0.5, 0.7);
}

#[test]
fn sample_ratio_checks_looked_at_daily_raise_no_false_alarm_and_see_a_real_one() {
    let alarms = |seed: u64, bias: f64| {
        let mut random = Random(seed);
        let runs = 4_000_u32;
        let (mut sequential_alarms, mut daily_chi2_alarms) = (0_u32, 0_u32);
        for _ in 0..runs {
            let days: Vec<Vec<f64>> = (0..DAYS)
                .map(|_| {
                    let first = random.coins(31);
                    // A share of the second arm's units lands in the first.
                    let moved = ((1984 - first) as f64 * bias).round();
                    vec![first as f64 + moved, (1984 - first) as f64 - moved]
                })
                .collect();
            let test = srm_sequential(&days, &[1.0, 1.0], 10_000.0, Level::ONE_IN_A_THOUSAND).unwrap();
            sequential_alarms += u32::from(test.flagged_at.is_some());
            let mut totals = [0.0, 0.0];
            let flagged = days.iter().any(|day| {
                totals = [totals[0] + day[0], totals[1] + day[1]];
                srm(&totals, &[1.0, 1.0], Level::ONE_IN_A_THOUSAND).unwrap().flagged
            });
            daily_chi2_alarms += u32::from(flagged);
        }
        (f64::from(sequential_alarms) / f64::from(runs), f64::from(daily_chi2_alarms) / f64::from(runs))
    };
    let (sequential, chi2) = alarms(4, 0.0);
    within("sequential SRM false alarm", sequential, 0.0, 0.001);
    within("daily chi-square false alarm, more than its level", chi2, 0.0015, 0.02);
    let (sequential, chi2) = alarms(5, 0.04);
    within("sequential SRM sees 52/48", sequential, 0.95, 1.0);
    within("daily chi-square sees 52/48", chi2, 0.95, 1.0);
}
