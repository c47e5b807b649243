//! Texts cut at a byte of ASCII: what headers, cookies and URLs are made of.
//!
//! The standard library cuts at characters, patterns and closures, through layers that an optimising compiler removes. Most
//! of an isolate's requests run before V8 has optimised the wasm, and then every layer is a call: cutting took a tenth of a
//! visit's time.

/// Eight bytes that are all this one.
const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The highest bit of every byte that is zero. A borrow reaches only bytes above one that is found anyway.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(eight(1)) & !word
}

/// The highest bit of every byte that is a control character, below 0x20 or 0x7f; as [`zeros`].
const fn controls(word: u64) -> u64 {
    word.wrapping_sub(eight(b' ')) & !word | zeros(word ^ eight(0x7f))
}

/// Where the byte first stands.
#[must_use]
pub fn position(text: &str, byte: u8) -> Option<usize> {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        // why: eight at a time; the lowest byte that is zero has its highest bit set, and none below it has
        let zero = zeros(u64::from_le_bytes(*word) ^ eight(byte)) & eight(0x80);
        if zero != 0 {
            return Some(index * 8 + zero.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|&here| here == byte).map(|at| words.len() * 8 + at)
}

/// Whether a text has a control character of ASCII: U+0000 to U+001F, or U+007F.
///
/// ```
/// use sortition_engine::ascii;
/// assert!(ascii::has_control("a\tb") && ascii::has_control("a text of nine\u{7f}"));
/// assert!(!ascii::has_control("größe, and all else that is printed"));
/// ```
#[must_use]
pub fn has_control(text: &str) -> bool {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let mut found = 0;
    for word in words {
        found |= controls(u64::from_le_bytes(*word));
    }
    found & eight(0x80) != 0 || rest.iter().any(u8::is_ascii_control)
}

/// Whether a text stands between quotes of JSON as it is: it has no control character, quote or backslash. DEL, which JSON
/// would take, counts as one.
///
/// ```
/// use sortition_engine::ascii;
/// assert!(ascii::needs_no_json_escape("größe, and all else") && !ascii::needs_no_json_escape("a text of \"nine\"") && !ascii::needs_no_json_escape("C:\\"));
/// ```
#[must_use]
pub fn needs_no_json_escape(text: &str) -> bool {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let mut found = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        found |= controls(word) | zeros(word ^ eight(b'"')) | zeros(word ^ eight(b'\\'));
    }
    found & eight(0x80) == 0 && !rest.iter().any(|byte| byte.is_ascii_control() || matches!(byte, b'"' | b'\\'))
}

/// Whether a text has `<`, `>` or `&`, or anything beyond ASCII.
///
/// ```
/// use sortition_engine::ascii;
/// assert!(ascii::has_markup("{\"a\":\"a <b> c\"}") && ascii::has_markup("a&b") && ascii::has_markup("gr\u{f6}\u{df}e"));
/// assert!(!ascii::has_markup("{\"a\": [1, 2, 3]}"));
/// ```
#[must_use]
pub fn has_markup(text: &str) -> bool {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let mut found = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        found |= word | zeros(word ^ eight(b'<')) | zeros(word ^ eight(b'>')) | zeros(word ^ eight(b'&'));
    }
    found & eight(0x80) != 0 || rest.iter().any(|byte| !byte.is_ascii() || matches!(byte, b'<' | b'>' | b'&'))
}

/// What stands before the first such byte, and what behind it; `None` where there is none.
///
/// ```
/// use sortition_engine::ascii;
/// assert_eq!(ascii::split_once("a=b=c", b'='), Some(("a", "b=c")));
/// assert_eq!(ascii::split_once("a", b'='), None);
/// ```
#[must_use]
pub fn split_once(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = position(text, byte)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// What stands before the first such byte; all of it where there is none.
#[must_use]
pub fn before(text: &str, byte: u8) -> &str {
    split_once(text, byte).map_or(text, |(before, _)| before)
}

/// What stands between such bytes: one piece more than there are bytes.
///
/// ```
/// use sortition_engine::ascii;
/// assert_eq!(ascii::pieces("a;b;", b';').collect::<Vec<_>>(), ["a", "b", ""]);
/// ```
#[must_use]
pub fn pieces(text: &str, byte: u8) -> Pieces<'_> {
    Pieces { rest: Some(text), byte }
}

/// The pieces of a text; see [`pieces`].
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    rest: Option<&'a str>,
    byte: u8,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest.take()?;
        let Some((piece, after)) = split_once(rest, self.byte) else { return Some(rest) };
        self.rest = Some(after);
        Some(piece)
    }
}

/// The members of a list in a header, trimmed. Commas between quotes are part of a member: `"a,b"` is one entity tag, and
/// `no-cache="a, b"` one directive.
///
/// ```
/// use sortition_engine::ascii;
/// assert_eq!(ascii::members("a, \"b,c\" ,d=\"e,f\"").collect::<Vec<_>>(), ["a", "\"b,c\"", "d=\"e,f\""]);
/// ```
pub fn members(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let list = rest.take()?;
        let mut quoted = false;
        let end = list.bytes().position(|byte| {
            quoted ^= byte == b'"';
            byte == b',' && !quoted
        });
        let member = end.and_then(|end| list.get(..end)).unwrap_or(list);
        rest = end.and_then(|end| list.get(end + 1..));
        Some(trimmed(member))
    })
}

/// Without the blanks and tabs at both ends: the optional white space of HTTP (RFC 9110, section 5.6.3).
#[must_use]
pub fn trimmed(text: &str) -> &str {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let bytes = text.as_bytes();
    let start = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or(text)
}
