//! Plots as inline SVG, each with a text that says the same.

use super::number::{count, lift, lifts};
use super::types::{Comparison, Day, Series, Variant};
use maud::{Markup, PreEscaped, html};
use std::fmt::Write;

/// What a scale shows: from, to.
pub(super) type Domain = [f64; 2];

/// The range that shows intervals and zero. Of intervals that are many times as wide as the narrowest only a part is
/// seen, or one would flatten all others.
pub(super) fn domain(intervals: impl Iterator<Item = [f64; 2]> + Clone) -> Domain {
    let narrowest = intervals.clone().map(|[low, high]| low.abs().max(high.abs())).fold(f64::INFINITY, f64::min);
    if !narrowest.is_finite() {
        return [-1.0, 1.0];
    }
    let most = (narrowest * 6.0).max(0.001);
    let edge = intervals.map(|[low, high]| low.abs().max(high.abs())).fold(0.0, f64::max).min(most) * 1.08;
    // why: nothing falls by more than all of it
    [-edge.min(1.05), edge]
}

/// A place on a scale of `width`, kept inside.
fn place(value: f64, [from, to]: Domain, width: f64) -> f64 {
    ((value - from) / (to - from)).clamp(0.0, 1.0) * width
}

/// A lift with its interval on a scale: a line, a dot, and zero.
pub(super) fn interval(comparison: &Comparison, domain: Domain, series: usize) -> Markup {
    const WIDTH: f64 = 200.0;
    let zero = place(0.0, domain, WIDTH);
    let label = match (comparison.lift, comparison.lift_interval) {
        (Some(value), Some(ends)) => format!("{}: {}, interval {}", comparison.variant, lift(value), lifts(ends)),
        (Some(value), None) => format!("{}: {}, too uncertain for an interval", comparison.variant, lift(value)),
        _ => format!("{}: no estimate yet", comparison.variant),
    };
    html! {
        svg class={"s" (series.min(4))} width="200" height="22" viewBox="0 0 200 22" role="img" aria-label=(label) {
            line class="zero" x1=(coordinate(zero)) x2=(coordinate(zero)) y1="0" y2="22" {}
            @if let Some(ends) = comparison.lift_interval {
                line class="bar" x1=(coordinate(place(ends[0], domain, WIDTH))) x2=(coordinate(place(ends[1], domain, WIDTH))) y1="11" y2="11" {}
            }
            @if let Some(value) = comparison.lift {
                circle class="dot" cx=(coordinate(place(value, domain, WIDTH))) cy="11" r="5" {}
            }
        }
    }
}

fn coordinate(value: f64) -> String {
    format!("{value:.1}")
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 64.0;

/// Where the `index`th of `number` days stands.
fn across(index: usize, number: usize) -> f64 {
    let steps = number.saturating_sub(1).max(1) as f64;
    LEFT + index as f64 / steps * (WIDTH - LEFT - 8.0)
}

/// A frame with labels at three heights, and the first and the last day below.
fn frame(label: &str, heights: [(f64, String); 3], days: (&str, &str), drawn: &str) -> Markup {
    html! {
        svg viewBox="0 0 720 250" width="720" height="250" role="img" aria-label=(label) {
            @for (height, text) in &heights {
                line class="axis" x1="64" x2="712" y1=(coordinate(*height)) y2=(coordinate(*height)) {}
                text x="58" y=(coordinate(height + 4.0)) text-anchor="end" { (text) }
            }
            (PreEscaped(drawn))
            text x="64" y="244" { (days.0) }
            text x="712" y="244" text-anchor="end" { (days.1) }
        }
    }
}

/// The lift of each treatment over time with its confidence sequence.
pub(super) fn cumulative(all: &[Series]) -> Option<Markup> {
    let mut days: Vec<&str> =
        all.iter().flat_map(|series| series.points.iter().map(|point| point.day.as_str())).collect();
    days.sort_unstable();
    days.dedup();
    let (first, last) = (*days.first()?, *days.last()?);
    let range = domain(all.iter().flat_map(|series| series.points.iter().filter_map(|point| point.interval)));
    let up = |value: f64| HEIGHT - place(value, range, HEIGHT - 10.0);
    let mut drawn = String::new();
    let mut label = String::from("Lift over time. ");
    for (position, series) in all.iter().enumerate() {
        let at = |day: &str| across(days.binary_search(&day).unwrap_or(0), days.len());
        let bounds: Vec<(f64, [f64; 2])> =
            series.points.iter().filter_map(|point| Some((at(&point.day), point.interval?))).collect();
        let upper = bounds.iter().map(|(x, ends)| (*x, up(ends[1])));
        let lower = bounds.iter().rev().map(|(x, ends)| (*x, up(ends[0])));
        let middle = series.points.iter().map(|point| (at(&point.day), up(point.lift)));
        let class = (position + 1).min(4);
        let _ = write!(drawn, "<g class=\"s{class}\"><polygon class=\"band\" points=\"");
        points(&mut drawn, upper.chain(lower));
        drawn.push_str("\"/><polyline class=\"trace\" points=\"");
        points(&mut drawn, middle);
        drawn.push_str("\"/></g>");
        if let Some(point) = series.points.last() {
            let ends = point.interval.map_or_else(String::new, |ends| format!(", interval {}", lifts(ends)));
            let _ = write!(label, "{} stands at {}{ends} on {}. ", series.variant, lift(point.lift), point.day);
        }
    }
    let heights = [range[0], 0.0, range[1]].map(|value| (up(value), lift(value)));
    Some(frame(&label, heights, (first, last), &drawn))
}

/// New units a day of each variant.
pub(super) fn exposures(days: &[Day], variants: &[Variant]) -> Option<Markup> {
    let (first, last) = (&days.first()?.day, &days.last()?.day);
    let most = days.iter().flat_map(|day| &day.units).copied().max()?.max(1);
    let up = |units: i64| HEIGHT - units as f64 / most as f64 * (HEIGHT - 10.0);
    let mut drawn = String::new();
    let mut label = String::from("New units a day. ");
    for (position, variant) in variants.iter().enumerate() {
        let class = position.min(4);
        let at = |(index, day): (usize, &Day)| {
            (across(index, days.len()), up(day.units.get(position).copied().unwrap_or(0)))
        };
        let _ = write!(drawn, "<g class=\"s{class}\"><polyline class=\"trace\" points=\"");
        points(&mut drawn, days.iter().enumerate().map(at));
        drawn.push_str("\"/>");
        if days.len() == 1 {
            let _ = write!(
                drawn,
                "<circle class=\"dot\" cx=\"{LEFT:.0}\" cy=\"{:.1}\" r=\"4\"/>",
                up(days.first()?.units.get(position).copied().unwrap_or(0))
            );
        }
        drawn.push_str("</g>");
        let _ = write!(label, "{}: {} units in {} days. ", variant.id, count(variant.units), days.len());
    }
    let heights = [0, most / 2, most].map(|units| (up(units), count(units)));
    Some(frame(&label, heights, (first, last), &drawn))
}

fn points(out: &mut String, all: impl Iterator<Item = (f64, f64)>) {
    for (x, y) in all {
        let _ = write!(out, "{x:.1},{y:.1} ");
    }
}

/// Which colour is whose.
pub(super) fn key(names: impl Iterator<Item = (usize, String)>) -> Markup {
    html! {
        ul class="plain key" {
            @for (position, name) in names { li class={"s" (position.min(4))} { (name) } }
        }
    }
}
