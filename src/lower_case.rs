//! Lower case, character by character, so that what becomes of one does not depend on those around it: what the standard
//! library's `char::to_lowercase` says, by a table of a tenth of its size. That one, of 12 KB, would be the largest of what
//! a visit of a page loads.

// `STARTS`, `LENGTHS`, `SHIFTS`: ranges of capitals, made by build.rs of what the standard library says.
include!(concat!(env!("OUT_DIR"), "/lower_case.rs"));

/// The one capital that two characters stand for in lower case.
const DOTTED_I: char = '\u{130}';

/// A text in lower case.
#[must_use]
pub fn text(text: &str) -> String {
    letters(text).collect()
}

/// The characters of a text in lower case.
pub fn letters(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().flat_map(|character| {
        let dot = (character == DOTTED_I).then_some('\u{307}');
        core::iter::once(letter(character)).chain(dot)
    })
}

fn letter(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    let code = u32::from(character);
    let range = STARTS.partition_point(|start| *start <= code).wrapping_sub(1);
    let (Some(start), Some(length), Some(shift)) = (STARTS.get(range), LENGTHS.get(range), SHIFTS.get(range)) else {
        return character;
    };
    // why: in many ranges capitals and their small letters take turns
    let (is_every_second, length) = (length & 1 == 1, u32::from(length >> 1));
    let offset = code - start;
    if offset >= length || (is_every_second && offset & 1 == 1) {
        return character;
    }
    code.checked_add_signed(*shift).and_then(char::from_u32).unwrap_or(character)
}
