//! Numbers as people write them on a command line: `1000000`, `1_000_000`, `1e6`.

/// A whole number.
pub(super) fn count(text: &str) -> Result<u64, String> {
    let refused = || format!("`{text}` is no whole number: write it as 1000000, 1_000_000 or 1e6");
    let digits = joined(text).ok_or_else(refused)?;
    if let Ok(number) = digits.parse() {
        return Ok(number);
    }
    /// The largest double below which every whole number is one.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: f64 = digits.parse().map_err(|_| refused())?;
    if number.fract() != 0.0 || !(0.0..=EXACT).contains(&number) {
        return Err(refused());
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Ok(number as u64)
}

/// An iteration.
pub(super) fn iteration(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("`{text}` is no iteration: write a whole number from 1 on"))
}

/// Any number that is finite.
pub(super) fn number(text: &str) -> Result<f64, String> {
    let number = joined(text).and_then(|digits| digits.parse::<f64>().ok()).filter(|number| number.is_finite());
    number.ok_or_else(|| format!("`{text}` is no number: write it as 0.031, 40_000 or 4e4"))
}

/// The text without `_` between digits; `None` where one stands elsewhere.
fn joined(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let placed = |at: usize| digit(at.checked_sub(1)) && digit(at.checked_add(1));
    let fits = bytes.iter().enumerate().all(|(at, byte)| *byte != b'_' || placed(at));
    fits.then(|| text.replace('_', ""))
}
