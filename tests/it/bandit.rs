//! Bandits, quantiles and covariates over simulated shops: what weights that move cost and save, and how often intervals
//! cover. Every test simulates from a fixed seed.

use super::stats_simulation::{Random, within};
use sortition_engine::stats::{
    Aggregate, Comparison, Effect, Level, OptionDay, Tuning, option_means, quantile_of, sequential, thompson_weights,
    welch,
};

/// The reference scenario: five headlines, of which one is a third better than the middle one.
const RATES: [f64; 5] = [0.030, 0.032, 0.034, 0.036, 0.045];
const DAYS: usize = 28;
const DAILY: f64 = 5_000.0;
const FLOOR: f64 = 0.05;

/// What a shop looks like that moves its weights daily.
struct Shop {
    /// Conversions lost against always showing the best, over those that an even split loses.
    regret: f64,
    /// The best option's share on the last day.
    last_share: f64,
    /// The smallest share that any option ever had.
    least: f64,
}

/// `factor` gives what a day makes of an option's rate.
fn run(random: &mut Random, rates: &[f64; 5], factor: impl Fn(usize, usize) -> f64) -> Shop {
    let mut days: Vec<Vec<OptionDay>> = Vec::new();
    let mut shares = vec![0.2; 5];
    let (mut lost, mut lost_evenly, mut least) = (0.0, 0.0, 1.0_f64);
    let best = rates.iter().copied().fold(0.0, f64::max);
    for day in 0..DAYS {
        let today: Vec<OptionDay> = shares
            .iter()
            .enumerate()
            .map(|(option, share)| {
                let n = (share * DAILY).round();
                let sum = random.binomial(n as u32, rates[option] * factor(day, option)) as f64;
                OptionDay { n, sum, sum_sq: sum }
            })
            .collect();
        for (option, one) in today.iter().enumerate() {
            lost += one.n * (best - rates[option]);
            lost_evenly += DAILY / 5.0 * (best - rates[option]);
        }
        days.push(today);
        if let Ok(means) = option_means(&days) {
            shares = thompson_weights(&means, 1.0, FLOOR);
        }
        least = shares.iter().copied().fold(least, f64::min);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }
    let best_at = rates.iter().position(|rate| *rate == best).unwrap();
    Shop { regret: lost / lost_evenly, last_share: shares[best_at], least }
}

#[test]
fn a_bandit_loses_at_most_half_of_what_an_even_split_loses() {
    let mut random = Random(11);
    let shops: Vec<Shop> = (0..80).map(|_| run(&mut random, &RATES, |_, _| 1.0)).collect();
    let mean = shops.iter().map(|shop| shop.regret).sum::<f64>() / 80.0;
    within("regret over that of an even split", mean, 0.25, 0.5);
    assert!(shops.iter().all(|shop| shop.least >= FLOOR - 1e-9), "nobody is starved");
}

#[test]
fn a_weekly_rhythm_makes_no_bandit_collapse() {
    let mut random = Random(12);
    // why: a weekend of half the orders; plain means would then follow whoever had much traffic on good days
    let week = |day: usize, _: usize| if day % 7 >= 5 { 0.5 } else { 1.2 };
    let shops: Vec<Shop> = (0..80).map(|_| run(&mut random, &RATES, week)).collect();
    let collapsed = shops.iter().filter(|shop| shop.last_share < 0.2).count();
    within("best option below its even share at the end", collapsed as f64 / 80.0, 0.0, 0.02);
    let mean = shops.iter().map(|shop| shop.regret).sum::<f64>() / 80.0;
    within("regret over that of an even split, with a rhythm", mean, 0.25, 0.5);
    // Options that differ by day only: each keeps at least its floor, whatever the day.
    let turns = |day: usize, option: usize| if (day % 7 >= 5) == (option == 0) { 1.3 } else { 1.0 };
    let shops: Vec<Shop> = (0..15).map(|_| run(&mut random, &[0.04; 5], turns)).collect();
    assert!(shops.iter().all(|shop| shop.least >= FLOOR - 1e-9));
}

#[test]
fn weights_by_day_remove_what_a_rhythm_adds_to_plain_means() {
    // One option, better by nothing, had most of its traffic on the good day.
    let day = |rate: f64, parts: [f64; 2]| parts.map(|n| OptionDay { n, sum: n * rate, sum_sq: n * rate }).to_vec();
    let means = option_means(&[day(0.10, [9_000.0, 1_000.0]), day(0.05, [1_000.0, 9_000.0])]).unwrap();
    assert!((means[0].plain - 0.095).abs() < 1e-12 && (means[1].plain - 0.055).abs() < 1e-12);
    assert!((means[0].mean - means[1].mean).abs() < 1e-12, "{means:?}");
}

impl Random {
    /// A standard normal, by summing: near enough for rates of error.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

#[test]
fn the_interval_of_a_quantile_of_clustered_values_covers_it() {
    let mut random = Random(13);
    let (runs, q) = (200, 0.9);
    // A unit's values share its own level, so a method that takes them as independent covers far too rarely.
    let mut units = |n: usize| -> Vec<Vec<f64>> {
        let unit = |random: &mut Random| {
            let own = random.normal();
            let count = 1 + (random.unit() * 6.0) as usize;
            (0..count).map(|_| (0.5 * own + 0.3 * random.normal()).exp()).collect()
        };
        (0..n).map(|_| unit(&mut random)).collect()
    };
    let truth = quantile_of(&units(60_000), q).unwrap().value;
    let (mut covered, mut differs) = (0_u32, 0_u32);
    for _ in 0..runs {
        let (a, b) = (quantile_of(&units(800), q).unwrap(), quantile_of(&units(800), q).unwrap());
        covered += u32::from(a.interval().contains(truth));
        let pair = Comparison::of_moments(a.moments(), b.moments()).unwrap();
        differs += u32::from(welch(&pair, Effect::Absolute, Level::FIVE_PERCENT).unwrap().significant);
    }
    within("the interval covers the quantile", f64::from(covered) / f64::from(runs), 0.92, 0.985);
    within("two equal arms are called different", f64::from(differs) / f64::from(runs), 0.01, 0.08);
}

#[test]
fn a_covariate_narrows_the_interval_and_keeps_its_promise() {
    let mut random = Random(14);
    let (runs, days, daily) = (150, 10, 150_usize);
    let (mut missed, mut missed_plain, mut called) = (0_u32, 0_u32, 0_u32);
    let mut saved = 0.0;
    for _ in 0..runs {
        let mut arms = [[0_i64; 6]; 2];
        let (mut outside, mut outside_plain, mut significant) = (false, false, false);
        for _ in 0..days {
            for (arm, sums) in arms.iter_mut().enumerate() {
                for _ in 0..daily {
                    // Two thirds of what somebody spends is what they spent before; the treatment adds nothing.
                    let x = (1000.0 + 400.0 * random.normal()) as i64;
                    let y = (0.8 * x as f64 + 250.0 * random.normal()) as i64 + arm as i64 * 30;
                    let [n, sy, syy, sx, sxx, sxy] = sums;
                    (*n, *sy, *syy) = (*n + 1, *sy + y, *syy + y * y);
                    (*sx, *sxx, *sxy) = (*sx + x, *sxx + x * x, *sxy + x * y);
                }
            }
            let [a, b] = arms.map(|[n, y, yy, x, xx, xy]| Aggregate::mean_cuped(n, (y, yy), (x, xx), xy));
            let [pa, pb] = arms.map(|[n, y, yy, ..]| Aggregate::mean(n, y, yy));
            let pair = Comparison::of(&a, &b).unwrap();
            let plain = Comparison::of(&pa, &pb).unwrap();
            let test = sequential(&pair, Effect::Absolute, Level::FIVE_PERCENT, Tuning::DEFAULT).unwrap();
            let wide = sequential(&plain, Effect::Absolute, Level::FIVE_PERCENT, Tuning::DEFAULT).unwrap();
            outside |= !test.interval.contains(30.0);
            outside_plain |= !wide.interval.contains(30.0);
            significant = test.significant;
            saved = pair.control.variance_reduction();
        }
        missed += u32::from(outside);
        missed_plain += u32::from(outside_plain);
        called += u32::from(significant);
    }
    let share = |count: u32| f64::from(count) / f64::from(runs);
    within("adjusted sequence misses on any day", share(missed), 0.0, 0.05);
    within("plain sequence misses on any day", share(missed_plain), 0.0, 0.05);
    within("share of the variance that the covariate took", saved, 0.55, 0.7);
    within("adjusted sequence finds the effect", share(called), 0.2, 1.0);
}
