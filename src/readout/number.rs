//! Numbers as people read them.

/// A number with commas between thousands and `decimals` digits after the point.
pub(super) fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut out = String::with_capacity(text.len() + 8);
    if value < 0.0 && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
        out.push('−');
    }
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A whole number: `12,345`.
pub(super) fn count(value: i64) -> String {
    grouped(value as f64, 0)
}

/// How many digits a share needs to show something.
fn digits(value: f64) -> usize {
    match value.abs() * 100.0 {
        share if share == 0.0 || share >= 10.0 => 1,
        share if share >= 0.1 => 2,
        _ => 3,
    }
}

/// A share: `3.12 %`.
pub(super) fn percent(value: f64) -> String {
    if value > 0.0 && value < 0.00001 {
        return "below 0.001 %".to_owned();
    }
    format!("{} %", grouped(value * 100.0, digits(value)))
}

/// A confidence: `95 %`, `99.5 %`.
pub(super) fn confidence(value: f64) -> String {
    let text = grouped(value * 100.0, 1);
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}

/// A change: `+3.1 %`, `−0.5 %`.
#[must_use]
pub fn lift(value: f64) -> String {
    if value == 0.0 {
        return "0 %".to_owned();
    }
    let text = grouped(value * 100.0, if value.abs() < 0.001 { 2 } else { 1 });
    // why: what is rounded to nothing has no sign
    let is_more = value > 0.0 && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    if is_more { format!("+{text} %") } else { format!("{text} %") }
}

/// From one change to another: `+0.4 % to +3.2 %`.
#[must_use]
pub fn lifts([low, high]: [f64; 2]) -> String {
    format!("{} to {}", lift(low), lift(high))
}

/// A p-value: `0.031`, `below 0.0001`, `1`.
pub(super) fn p_value(p: f64) -> String {
    if p < 0.0001 {
        return "below 0.0001".to_owned();
    }
    let text = format!("{p:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() { "0".to_owned() } else { text.to_owned() }
}

/// The word that goes with a number: `is` or `are`.
pub(super) fn agreed<'w>(value: i64, (one, many): (&'w str, &'w str)) -> &'w str {
    if value == 1 { one } else { many }
}

/// `1 visitor`, `12,345 visitors`.
#[must_use]
pub fn counted(value: i64, words: (&str, &str)) -> String {
    format!("{} {}", count(value), agreed(value, words))
}

/// Days, in whole weeks where they are: `2 weeks`, `10 days`.
pub(super) fn days(value: i64) -> String {
    match value {
        0 => "0 days".to_owned(),
        whole if whole % 7 == 0 => counted(whole / 7, ("week", "weeks")),
        _ => counted(value, ("day", "days")),
    }
}

/// A count of the record as a number that can be added up with others, and that JSON shows as it is.
pub(super) fn clamped(value: i128) -> i64 {
    const MOST: i64 = 1 << 53;
    i64::try_from(value).map_or(if value < 0 { -MOST } else { MOST }, |value| value.clamp(-MOST, MOST))
}
