//! JavaScript's conversions between texts and numbers, and its order of texts: what the dialect is specified in.
//!
//! Sections of ECMA-262, 2025: Number::toString 6.1.6.1.20, StringToNumber 7.1.4.1.1, IsLessThan 7.2.12.

use super::decimal;
use crate::lower_case;
use serde_json::Number;
use std::cmp::Ordering;

/// Number::toString: the shortest decimal that reads back as the same number, with an exponent from 10²¹ and below 10⁻⁶.
pub(super) fn of_number(number: f64) -> String {
    if number.is_nan() {
        return "NaN".into();
    }
    let sign = if number < 0.0 { "-" } else { "" };
    // why: of two decimals that are as short and as near JavaScript takes the even one, the standard library the greater
    let Some(json) = Number::from_f64(number.abs()) else { return [sign, "Infinity"].concat() };
    let (digits, point) = significant(&json.to_string());
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let (whole, fraction) = digits.split_at_checked(usize::try_from(point).unwrap_or(0)).unwrap_or((&digits, ""));
    match point {
        _ if digits.is_empty() => "0".into(),
        -5..=0 => [sign, "0.", &zeros(-point), fraction].concat(),
        1..=21 if fraction.is_empty() => [sign, whole, &zeros(point - length(whole))].concat(),
        1..=21 => [sign, whole, ".", fraction].concat(),
        _ => {
            let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
            let dot = if rest.is_empty() { "" } else { "." };
            let plus = if point > 0 { "+" } else { "" };
            [sign, first, dot, rest, "e", plus, &(point - 1).to_string()].concat()
        }
    }
}

/// The digits of a number in JSON, without zeros around them, and in front of which of them the point is.
fn significant(json: &str) -> (String, i32) {
    let (decimal, exponent) = json.split_once('e').unwrap_or((json, "0"));
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let all = [whole, fraction].concat();
    let digits = all.trim_start_matches('0');
    let point = length(whole) - length(&all) + length(digits) + exponent.parse().unwrap_or(0);
    (digits.trim_end_matches('0').to_owned(), point)
}

fn length(text: &str) -> i32 {
    i32::try_from(text.len()).unwrap_or(i32::MAX)
}

/// StringToNumber: surrounding blanks do not count, nothing is zero, what is no number is NaN.
pub(super) fn to_number(text: &str) -> f64 {
    // `trim` and JavaScript differ in two characters: the byte order mark is a blank there, the next-line control is not.
    let text = text.trim_matches(|c: char| c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}'));
    if text.is_empty() {
        return 0.0;
    }
    for (prefixes, radix) in [(["0x", "0X"], 16), (["0o", "0O"], 8), (["0b", "0B"], 2)] {
        if let Some(digits) = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)) {
            return of_digits(digits, radix);
        }
    }
    match text {
        "Infinity" | "+Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        // Rust reads `inf` and `nan` as well, which are no numbers in JavaScript.
        _ if text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => {
            decimal::read(text).unwrap_or(f64::NAN)
        }
        _ => f64::NAN,
    }
}

fn of_digits(digits: &str, radix: u32) -> f64 {
    if digits.is_empty() {
        return f64::NAN;
    }
    digits
        .chars()
        .try_fold(0.0, |sum, c| Some(sum * f64::from(radix) + f64::from(c.to_digit(radix)?)))
        .unwrap_or(f64::NAN)
}

/// The order of texts: by UTF-16 code units, which differs from the order of characters past U+D7FF.
pub(super) fn order(left: impl Iterator<Item = char>, right: impl Iterator<Item = char>) -> Ordering {
    left.map(rank).cmp(right.map(rank))
}

/// A number whose order is that of the character's UTF-16 code units: those of two units start with a surrogate, U+D800 to
/// U+DBFF, and so come before U+E000 to U+FFFF.
fn rank(c: char) -> u32 {
    let code = u32::from(c);
    match code {
        0..0xE000 => code,
        0xE000..0x1_0000 => code + 0x10_0000,
        _ => code - 0x1_0000 + 0xD800,
    }
}

/// Whether `text` without regard to case is `folded_text`, which is folded already.
pub(super) fn is_folded(text: &str, folded_text: &str) -> bool {
    if text.is_ascii() {
        text.eq_ignore_ascii_case(folded_text)
    } else {
        lower_case::letters(text).eq(folded_text.chars())
    }
}
