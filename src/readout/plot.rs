//! Plots as inline SVG, each with a text that says the same. Plots over time come twice: one drawn for a wide page, one for a
//! phone, of which the style shows one.

use super::date;
use super::number::{count, counted, grouped, lift, lifts, percent};
use super::types::{ComparisonResult, Day, Delay, Point, Series, Variant};
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
pub(super) fn interval(comparison: &ComparisonResult, domain: Domain, series: usize) -> Markup {
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

/// A change at an axis, as short as can be.
fn on_axis(value: f64) -> String {
    if value.abs() < 0.1 {
        lift(value)
    } else {
        format!("{}{} %", if value > 0.0 { "+" } else { "" }, grouped(value * 100.0, 0))
    }
}

fn coordinate(value: f64) -> String {
    format!("{value:.1}")
}

/// A frame to draw in.
#[derive(Clone, Copy)]
struct Canvas {
    class: &'static str,
    width: f64,
    height: f64,
    left: f64,
    /// The most dates that are labelled.
    labels: i64,
}

const WIDE: Canvas = Canvas { class: "wide", width: 880.0, height: 230.0, left: 62.0, labels: 9 };
const NARROW: Canvas = Canvas { class: "narrow", width: 340.0, height: 200.0, left: 52.0, labels: 4 };
/// Room above the highest line, and below the lowest for the labels.
const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;
const RIGHT: f64 = 14.0;

/// Days as numbers since 1970, from the first to the last.
#[derive(Clone, Copy)]
struct Span {
    first: i64,
    last: i64,
}

impl Canvas {
    fn across(self, day: i64, span: Span) -> f64 {
        let steps = (span.last - span.first).max(1) as f64;
        self.left + (day - span.first) as f64 / steps * (self.width - self.left - RIGHT)
    }

    fn up(self, value: f64, domain: Domain) -> f64 {
        let room = self.height - TOP - BOTTOM;
        TOP + room - place(value, domain, room)
    }

    /// The frame with labelled heights and dates around what is drawn.
    fn frame(self, label: &str, domain: Domain, heights: &[(f64, String)], span: Span, drawn: &str) -> Markup {
        let Canvas { class, width, height, left, labels } = self;
        let ticks = date::ticks(span.first, span.last, labels);
        html! {
            svg class=(class) viewBox={"0 0 " (width) " " (height)} role="img" aria-label=(label) {
                @for (value, text) in heights {
                    @let y = self.up(*value, domain);
                    line class="axis" x1=(coordinate(left)) x2=(coordinate(width - RIGHT)) y1=(coordinate(y)) y2=(coordinate(y)) {}
                    text x=(coordinate(left - 6.0)) y=(coordinate(y + 4.0)) text-anchor="end" { (text) }
                }
                @for day in ticks {
                    @let x = self.across(day, span);
                    line class="axis" x1=(coordinate(x)) x2=(coordinate(x)) y1=(coordinate(height - BOTTOM)) y2=(coordinate(height - BOTTOM + 5.0)) {}
                    text x=(coordinate(x)) y=(coordinate(height - 6.0)) text-anchor=(if day == span.first { "start" } else { "middle" }) { (date::short(&date::of(day))) }
                }
                (PreEscaped(drawn))
            }
        }
    }
}

/// Both drawings of a plot.
fn twice(draw: impl Fn(Canvas) -> Markup) -> Markup {
    html! { (draw(WIDE)) (draw(NARROW)) }
}

/// The runs of days without a gap between them.
fn runs<T>(points: &[(i64, T)]) -> Vec<&[(i64, T)]> {
    points.chunk_by(|a, b| b.0 - a.0 <= 1).collect()
}

/// The lift of each treatment over time with its confidence sequence.
pub(super) fn cumulative(name: &str, all: &[Series]) -> Option<Markup> {
    let days = || all.iter().flat_map(|series| series.points.iter().filter_map(|point| date::number(&point.day)));
    let span = Span { first: days().min()?, last: days().max()? };
    let range = domain(all.iter().flat_map(|series| series.points.iter().filter_map(|point| point.interval)));
    let mut label = format!("Lift of {name} over time. ");
    for series in all {
        if let Some(point) = series.points.last() {
            let ends = point.interval.map_or_else(String::new, |ends| format!(", interval {}", lifts(ends)));
            let day = date::long(&point.day);
            let _ = write!(label, "{} stands at {}{ends} on {day}. ", series.variant, lift(point.lift));
        }
    }
    let heights = [range[0], 0.0, range[1]].map(|value| (value, on_axis(value)));
    Some(twice(|canvas| {
        let mut drawn = String::new();
        for (position, series) in all.iter().enumerate() {
            let _ = write!(drawn, "<g class=\"s{}\">", (position + 1).min(4));
            let points: Vec<(i64, &Point)> =
                series.points.iter().filter_map(|point| Some((date::number(&point.day)?, point))).collect();
            for run in runs(&points) {
                let bounds: Vec<(f64, [f64; 2])> =
                    run.iter().filter_map(|(day, point)| Some((canvas.across(*day, span), point.interval?))).collect();
                let upper = bounds.iter().map(|(x, ends)| (*x, canvas.up(ends[1], range)));
                let lower = bounds.iter().rev().map(|(x, ends)| (*x, canvas.up(ends[0], range)));
                drawn.push_str("<polygon class=\"band\" points=\"");
                put(&mut drawn, upper.chain(lower));
                drawn.push_str("\"/>");
                let line: Vec<(f64, f64)> =
                    run.iter().map(|(day, point)| (canvas.across(*day, span), canvas.up(point.lift, range))).collect();
                trace(&mut drawn, &line);
            }
            drawn.push_str("</g>");
        }
        canvas.frame(&label, range, &heights, span, &drawn)
    }))
}

/// New units a day of each variant.
pub(super) fn exposures(days: &[Day], variants: &[Variant], many: &str) -> Option<Markup> {
    let numbered: Vec<(i64, &Day)> = days.iter().filter_map(|day| Some((date::number(&day.day)?, day))).collect();
    let span = Span { first: numbered.first()?.0, last: numbered.last()?.0 };
    let most = days.iter().flat_map(|day| &day.units).copied().max()?.max(1);
    let range = [0.0, most as f64 * 1.05];
    let mut label = format!("New {many} a day. ");
    for variant in variants {
        let ran = counted(span.last - span.first + 1, ("day", "days"));
        let _ = write!(label, "{}: {} in {ran}. ", variant.id, count(variant.units));
    }
    let heights = [0, most / 2, most].map(|units| (units as f64, count(units)));
    Some(twice(|canvas| {
        let mut drawn = String::new();
        for (position, _) in variants.iter().enumerate() {
            let _ = write!(drawn, "<g class=\"s{}\">", position.min(4));
            for run in runs(&numbered) {
                let at = |(number, day): &(i64, &Day)| {
                    let units = day.units.get(position).copied().unwrap_or(0);
                    (canvas.across(*number, span), canvas.up(units as f64, range))
                };
                trace(&mut drawn, &run.iter().map(at).collect::<Vec<_>>());
            }
            drawn.push_str("</g>");
        }
        canvas.frame(&label, range, &heights, span, &drawn)
    }))
}

/// Shares of the new units by day, for a bandit's weights.
pub(super) fn shares(history: &[(String, Vec<f64>)], variants: &[Variant]) -> Option<Markup> {
    let numbered: Vec<(i64, &Vec<f64>)> =
        history.iter().filter_map(|(day, shares)| Some((date::number(day)?, shares))).collect();
    let span = Span { first: numbered.first()?.0, last: numbered.last()?.0 };
    let range = [0.0, 1.0];
    let heights = [0.0, 0.5, 1.0].map(|share| (share, percent(share)));
    Some(twice(|canvas| {
        let mut drawn = String::new();
        for (position, _) in variants.iter().enumerate() {
            let _ = write!(drawn, "<g class=\"s{}\">", position.min(4));
            for run in runs(&numbered) {
                let at = |(day, shares): &(i64, &Vec<f64>)| {
                    let share = shares.get(position).copied().unwrap_or(0.0);
                    (canvas.across(*day, span), canvas.up(share, range))
                };
                trace(&mut drawn, &run.iter().map(at).collect::<Vec<_>>());
            }
            drawn.push_str("</g>");
        }
        canvas.frame("The share of the new units that each variant got, by day", range, &heights, span, &drawn)
    }))
}

/// The share of outcomes by hours since the exposure, as bars of which each says its own.
pub(super) fn delays(all: &[Delay]) -> Markup {
    html! {
        ol class="bars" {
            @for (at, delay) in all.iter().enumerate() {
                @let until = all.get(at + 1).map(|next| next.hours);
                li {
                    span class="bar-name" { (hours(delay.hours, until)) }
                    meter min="0" max="1" value=(format!("{:.3}", delay.until)) aria-label={"Outcomes until then: " (percent(delay.until))} {}
                    span { (percent(delay.until)) }
                }
            }
        }
    }
}

fn hours(from: i64, until: Option<i64>) -> String {
    let one = |hours: i64| if hours % 24 == 0 { format!("{} d", hours / 24) } else { format!("{hours} h") };
    match until {
        Some(until) => format!("within {}", one(until)),
        None => format!("{} and later", one(from)),
    }
}

/// A line through points, or a dot where there is one only.
fn trace(drawn: &mut String, line: &[(f64, f64)]) {
    if let [(x, y)] = line {
        let _ = write!(drawn, "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>");
        return;
    }
    drawn.push_str("<polyline class=\"trace\" points=\"");
    put(drawn, line.iter().copied());
    drawn.push_str("\"/>");
}

fn put(out: &mut String, all: impl Iterator<Item = (f64, f64)>) {
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
