//! `sortition plan`: how many visitors and days an experiment needs before it can say anything.

mod cost;

use super::terminal::{faint, strong, table};
use super::{Failure, Report, clock, count, input, quantity};
use crate::document::{Experiment, Method};
use crate::stats::{Baseline, Level, PlanError, Tuning, days_for, mde_at, sample_size, sequential_sample_size};
use clap::Args;
use serde_json::{Value, json};

/// How many visitors and days an experiment needs.
#[derive(Debug, Args)]
#[command(
    after_help = "The effect to find, power and confidence are the experiment's `analysis`; options overrule them.

Examples:
  sortition plan experiments.json hero --baseline 0.031 --daily 40000
  sortition plan experiments.json hero --baseline 48.5 --sd 71 --daily 40000     a mean, such as revenue
  sortition plan experiments.json hero --baseline 0.031 --daily 40000 --mde 0.05
  sortition plan experiments.json hero --baseline 0.031 --daily 40000 --cost"
)]
pub(super) struct Arguments {
    /// The document.
    file: String,
    /// The experiment's id.
    experiment: String,
    /// The metric of the control: a conversion rate such as 0.031, or with --sd a mean.
    #[arg(long, value_parser = quantity::number)]
    baseline: f64,
    /// Eligible visitors a day, before traffic, layer and holdout take their share.
    #[arg(long, value_parser = quantity::number)]
    daily: f64,
    /// The standard deviation of a mean, per visitor.
    #[arg(long, value_parser = quantity::number)]
    sd: Option<f64>,
    /// The smallest relative effect worth finding, such as 0.02.
    #[arg(long, value_parser = quantity::number)]
    mde: Option<f64>,
    /// The chance to find it.
    #[arg(long)]
    power: Option<f64>,
    /// The confidence of the intervals.
    #[arg(long)]
    confidence: Option<f64>,
    /// Also say what its exposures cost at Cloudflare, until it can be read.
    #[arg(long)]
    cost: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let (document, _) = input::sound(&input::read(&arguments.file)?)?;
    let id = &arguments.experiment;
    let e = document.experiments.iter().find(|e| e.id.as_str() == id).ok_or_else(|| {
        let ids: Vec<&str> = document.experiments.iter().map(|e| e.id.as_str()).collect();
        Failure::Usage(format!("there is no experiment `{id}`: the document has {}", ids.join(", ")))
    })?;
    let analysis = e.analysis.unwrap_or_default();
    let level = |value: f64, name: &str| {
        Level::new(value).ok_or_else(|| Failure::Usage(format!("{name} {value} must lie between 0 and 1")))
    };
    let mde = arguments.mde.or(analysis.mde).ok_or_else(|| {
        Failure::Usage(format!("`{id}` has no analysis.mde: write it, or give --mde, such as 0.02 for a change by 2 %"))
    })?;
    let confidence = arguments.confidence.unwrap_or(analysis.confidence);
    let power = level(arguments.power.unwrap_or(analysis.power), "--power")?;
    let weights: Vec<f64> = e.shares().into_iter().filter(|weight| *weight > 0.0).collect();
    let treatments = weights.len().saturating_sub(1);
    let alpha = level(1.0 - confidence, "1 - confidence")?.shared_among(treatments);
    let baseline = match arguments.sd {
        Some(sd) => Baseline::Mean { variance: sd * sd },
        None => Baseline::Proportion { rate: arguments.baseline },
    };
    let effect = arguments.baseline * mde;
    if !(arguments.daily > 0.0 && arguments.daily.is_finite()) {
        return Err(Failure::Usage("--daily must be a positive number of visitors".to_owned()));
    }
    let wrong = |error: PlanError| Failure::Usage(error.to_string());
    let fixed = sample_size(baseline, effect, alpha, power, &weights).map_err(wrong)?;
    let pair = sequential_sample_size(baseline, effect, alpha, power, Tuning::DEFAULT).map_err(wrong)?;
    let smallest = weights.iter().copied().fold(f64::INFINITY, f64::min);
    let sum: f64 = weights.iter().sum();
    // why: the arm with the smallest share decides how long it takes
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let sequential = (pair as f64 / 2.0 * sum / smallest).ceil() as u64;
    let daily = arguments.daily * share(e, document.holdout.percent.buckets());
    // why: people buy otherwise on other days of the week, so a reading of part of one is of other people
    let days = |units: u64| days_for(units, daily).map(whole_weeks);
    let chosen = if analysis.method == Method::Sequential { "sequential" } else { "fixed" };

    let mut rows = vec![vec!["look".to_owned(), "visitors".to_owned(), "days".to_owned()]];
    for (name, told, units) in [("sequential", "any day", sequential), ("fixed", "once, at the end", fixed.total)] {
        let mark = if name == chosen { "" } else { "(not its method) " };
        rows.push(vec![
            format!("{told} {}", faint(mark)),
            units.to_string(),
            days(units).map_or_else(
                || "never".to_owned(),
                |d| format!("{d} {}", faint(count(usize::try_from(d / 7).unwrap_or(usize::MAX), "week"))),
            ),
        ]);
    }
    let found: Vec<(u32, Option<f64>)> = [7_u32, 14, 28, 56]
        .into_iter()
        .map(|day| {
            let per = daily * f64::from(day) / sum;
            let control = weights.first().copied().unwrap_or(1.0) * per;
            let effect = mde_at(baseline, alpha, power, control, smallest * per).ok().flatten();
            (day, effect.map(|effect| effect / arguments.baseline))
        })
        .collect();
    let mut text = format!(
        "{}  a relative change of {} % from {}, confidence {} %, power {} %, {} variants\n{}",
        strong(id),
        trim(mde * 100.0),
        arguments.baseline,
        trim(confidence * 100.0),
        trim(power.get() * 100.0),
        weights.len(),
        table(&rows)
    );
    text.push_str(&format!(
        "\n{} visitors a day take part. One look at the end finds a change of at least\n",
        trim(daily)
    ));
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|(day, effect)| {
            vec![
                format!("after {day} days"),
                effect.map_or_else(|| "none".to_owned(), |e| format!("{} %", trim(e * 100.0))),
            ]
        })
        .collect();
    text.push_str(&table(&rows));
    let needed = if chosen == "sequential" { sequential } else { fixed.total };
    let weeks = days(needed);
    // why: who takes part until it is read, which is after whole weeks
    #[allow(clippy::cast_precision_loss)]
    let exposures = weeks.map(|days| days as f64 * daily);
    let cost = exposures.filter(|_| arguments.cost).and_then(|exposures| Some((cost::cost(exposures)?, exposures)));
    if let Some((cost, exposures)) = &cost {
        text.push_str(&cost.text(*exposures));
    }
    if weeks.is_none_or(|days| days > 56) {
        text.push_str(
            "\nThat is longer than eight weeks: raise traffic, test a bolder change, or a metric that varies less.\n",
        );
    }
    let detectable: Vec<Value> = found.iter().map(|(days, effect)| json!({"days": days, "relative": effect})).collect();
    Ok(Report {
        text,
        json: json!({
            "experiment": id,
            "mde": mde,
            "effect": effect,
            "confidence": confidence,
            "power": power.get(),
            "alpha_per_comparison": alpha.get(),
            "daily_in_experiment": daily,
            "method": chosen,
            "fixed": {"visitors": fixed.total, "per_variant": fixed.per_arm, "days": days(fixed.total)},
            "sequential": {"visitors": sequential, "days": days(sequential)},
            "detectable": detectable,
            "cost": cost.map(|(cost, exposures)| cost.json(exposures)),
        }),
        problems: Vec::new(),
    })
}

/// Days rounded up to full weeks.
fn whole_weeks(days: u64) -> u64 {
    days.max(1).next_multiple_of(7)
}

/// The share of eligible visitors that takes part today.
fn share(e: &Experiment, holdout: u16) -> f64 {
    let now = clock::now();
    let traffic = e.ramp.iter().rev().find(|step| step.at <= now).map_or(e.traffic, |step| step.traffic);
    let slots = e.slots.filter(|_| e.layer.is_some()).map_or(10_000, |slots| slots.bounds().1 - slots.bounds().0);
    f64::from(traffic) / 100.0 * f64::from(slots) / 10_000.0 * (1.0 - f64::from(holdout) / 10_000.0)
}

/// A number with two decimals at most.
fn trim(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
