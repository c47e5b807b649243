//! Results in the terminal: the verdict, what speaks against it, and each metric's intervals as a plot.

use crate::cli::terminal::{bad, faint, good, strong};
use crate::readout::{ComparisonResult, GateLevel, MetricResult, Results, State};
use crate::readout::{counted, difference, lift, lift_text, lifts, noun, value};
use std::fmt::Write as _;

/// How many columns a plot has.
const WIDTH: usize = 41;

/// The lines of an experiment.
pub(super) fn summary(results: &Results) -> String {
    let mut text = String::new();
    let verdict = &results.verdict;
    let state = match verdict.state {
        State::Winner => good(&verdict.text),
        State::Loser => bad(&verdict.text),
        _ => verdict.text.clone(),
    };
    let by = results.computed_by.as_deref().map_or(String::new(), |engine| format!(", computed by {engine}"));
    let _ = writeln!(
        text,
        "{} {}\n  {state}",
        strong(&results.id),
        faint(format!("iteration {}, {}{by}", results.iteration, counted(results.units, noun(results.unit))))
    );
    for gate in &results.gates {
        match gate.level {
            GateLevel::Red => drop(writeln!(text, "  {} {}: {}", bad("red"), gate.title, gate.text)),
            GateLevel::Amber => drop(writeln!(text, "  amber {}: {}", gate.title, gate.text)),
            _ => {}
        }
    }
    for metric in &results.metrics {
        let _ = writeln!(text, "  {} {}", strong(&metric.id), faint(format!("{:?}", metric.role).to_lowercase()));
        for (arm, mean) in metric.variants.iter().zip(&metric.means) {
            let mean = mean.map_or("–".to_owned(), |mean| value(metric, mean));
            let waiting = if arm.waiting > 0 {
                format!(" {}", counted(arm.waiting, ("waiting", "waiting")))
            } else {
                String::new()
            };
            let people = counted(arm.n, noun(results.unit));
            let converted = counted(arm.converted, ("converted", "converted"));
            let _ = writeln!(text, "    {:<24} {people:>18} {converted:>20} {mean:>18}{waiting}", arm.variant);
        }
        plot(metric, &mut text);
    }
    text
}

/// Lifts where all comparisons have one, else differences.
fn plot(metric: &MetricResult, text: &mut String) {
    let judged = || metric.comparisons.iter().filter(|one| one.status == "OK");
    let relative = judged().all(|one| one.lift.is_some() && one.lift_interval.is_some());
    let of = |one: &ComparisonResult| {
        let (point, ends) = if relative { (one.lift, one.lift_interval) } else { (one.difference, one.interval) };
        Some((point?, ends?)).filter(|(point, [low, high])| point.is_finite() && low.is_finite() && high.is_finite())
    };
    let all: Vec<_> = metric.comparisons.iter().filter_map(|one| Some((one, of(one)?))).collect();
    let low = all.iter().map(|(_, (_, [low, _]))| *low).fold(0.0, f64::min);
    let high = all.iter().map(|(_, (_, [_, high]))| *high).fold(0.0, f64::max);
    for (one, (point, [from, to])) in all {
        let mut line = vec![' '; WIDTH];
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let place = |value: f64| {
            let share = if high > low { (value - low) / (high - low) } else { 0.5 };
            ((share * (WIDTH - 1) as f64).round() as usize).min(WIDTH - 1)
        };
        line.iter_mut().take(place(to) + 1).skip(place(from)).for_each(|letter| *letter = '─');
        for (at, letter) in [(0.0, '│'), (point, '●')] {
            if let Some(slot) = line.get_mut(place(at)) {
                *slot = letter;
            }
        }
        let line: String = line.into_iter().collect();
        let ends = if relative {
            format!("{} ({})", lift(point), lifts([from, to]))
        } else {
            format!("{} ({} to {})", difference(metric, point), difference(metric, from), difference(metric, to))
        };
        let line = match one.better {
            1 => good(line),
            -1 => bad(line),
            _ => line,
        };
        let _ = writeln!(text, "    {:<24} {line} {ends}", one.variant);
    }
    for one in metric.comparisons.iter().filter(|one| one.status != "OK") {
        let _ = writeln!(text, "    {:<24} {}", one.variant, faint(lift_text(one)));
    }
}
