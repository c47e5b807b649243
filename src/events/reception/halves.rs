//! Halves of characters in a body: a script that cuts a text in the middle of an emoji writes `\ud83d` alone.

/// The body with U+FFFD in place of every half of a character that stands alone; `None` where none does.
pub(super) fn without_halves(body: &[u8]) -> Option<Vec<u8>> {
    let mut mended = None;
    let mut at: usize = 0;
    while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
        at += match (unit(rest), rest.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                let mended: &mut Vec<u8> = mended.get_or_insert_with(|| body.to_vec());
                if let Some(escape) = mended.get_mut(at..at + 6) {
                    escape.copy_from_slice(b"\\ufffd");
                }
                6
            }
            (Some(_), _) => 6,
            (None, _) if rest.starts_with(b"\\") => 2,
            _ => 1,
        };
    }
    mended
}

/// What an escape at the beginning of a text stands for: a character, or half of one.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u16::from_str_radix(digits, 16).ok()
}
