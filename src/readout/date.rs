//! Days and times as people read them.

use crate::document::Timestamp;

/// A day in milliseconds.
pub(super) const DAY_MS: i64 = 86_400_000;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The number of a day since 1970, of `2026-11-21` or a longer text that starts so.
pub(super) fn number(day: &str) -> Option<i64> {
    let day = day.get(..10)?;
    let at: Timestamp = format!("{day}T00:00:00Z").parse().ok()?;
    Some(at.millis().div_euclid(DAY_MS))
}

/// The day of a number, as `2026-11-21`.
pub(super) fn of(number: i64) -> String {
    let text = Timestamp::from_millis(number.saturating_mul(DAY_MS)).to_string();
    text.get(..10).unwrap_or_default().to_owned()
}

/// `21 Nov` of `2026-11-21…`; as it is where it is no day.
pub(super) fn short(day: &str) -> String {
    parts(day).map_or_else(|| day.to_owned(), |(_, month, date)| format!("{date} {month}"))
}

/// `21 Nov 2026`.
pub(super) fn long(day: &str) -> String {
    parts(day).map_or_else(|| day.to_owned(), |(year, month, date)| format!("{date} {month} {year}"))
}

/// `21 Nov 2026, 14:05 UTC` of an RFC 3339 time in UTC; a day alone where it has no time.
pub(super) fn moment(time: &str) -> String {
    // why: outsiders write other offsets, which would be shown as if they were UTC
    let parsed: Option<Timestamp> = time.parse().ok();
    let text = parsed.map_or_else(|| time.to_owned(), |at| at.to_string());
    match (parsed, text.get(11..16)) {
        (Some(_), Some(clock)) => format!("{}, {clock} UTC", long(&text)),
        _ => long(&text),
    }
}

fn parts(day: &str) -> Option<(&str, &'static str, u32)> {
    number(day)?;
    let month: usize = day.get(5..7)?.parse().ok()?;
    Some((day.get(..4)?, MONTHS.get(month.checked_sub(1)?)?, day.get(8..10)?.parse().ok()?))
}

/// Days to label between two of them, both included: at most `most`, whole weeks apart where the span is that long.
pub(super) fn ticks(first: i64, last: i64, most: i64) -> Vec<i64> {
    let span = (last - first).max(0);
    let fits = |step: &i64| span / step < most;
    let step = [1, 2, 7, 14, 28, 56, 91, 182, 364].into_iter().find(fits).unwrap_or(span / most.max(1) + 1);
    (0..).map(|n| first + n * step).take_while(|day| *day <= last).collect()
}
