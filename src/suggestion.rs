//! The word that was probably meant: suggestions for what a document misspells.

use crate::lower_case;

/// Longest word that is looked at, in characters; a longer one is no slip of the finger, and comparing costs its square.
const LONGEST: usize = 64;

/// The candidate closest to `word`, if one is so close that it was probably meant; of equally close ones the first.
///
/// Close means few edits: a letter more, less, or other, or two neighbours swapped (the "optimal string alignment"
/// distance); upper and lower case count as the same. One edit is allowed for words of up to three characters, two up to
/// seven, three beyond, and never as many as the word is long.
///
/// ```
/// use sortition_engine::suggestion::suggest;
///
/// assert_eq!(suggest("contry", ["city", "country"].into_iter()), Some("country"));
/// assert_eq!(suggest("weather", ["city", "country"].into_iter()), None);
/// ```
pub fn suggest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = letters(word)?;
    let allowed = match word.len() {
        0..=3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    candidates
        .filter_map(|candidate| {
            let other = letters(candidate)?;
            let edits = edits(&word, &other);
            (edits <= allowed && edits < word.len().min(other.len())).then_some((edits, candidate))
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// The characters to compare, or `None` where there are too many.
fn letters(word: &str) -> Option<Vec<char>> {
    let letters: Vec<char> = lower_case::letters(word).take(LONGEST + 1).collect();
    (letters.len() <= LONGEST).then_some(letters)
}

/// The optimal string alignment distance, row by row: `above` is the last row, `before` the one above it.
fn edits(from: &[char], to: &[char]) -> usize {
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    let mut last = None;
    for (line, &letter) in from.iter().enumerate() {
        let mut row = vec![line + 1];
        let mut last_other = None;
        for (column, &other) in to.iter().enumerate() {
            let replaced = at(&above, column) + usize::from(letter != other);
            let mut best = replaced.min(at(&above, column + 1) + 1).min(at(&row, column) + 1);
            if last == Some(other) && last_other == Some(letter) && column > 0 {
                best = best.min(at(&before, column - 1) + 1);
            }
            row.push(best);
            last_other = Some(other);
        }
        last = Some(letter);
        before = std::mem::replace(&mut above, row);
    }
    at(&above, to.len())
}
