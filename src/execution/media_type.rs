//! `Content-Type`, read as browsers read it (<https://fetch.spec.whatwg.org/#concept-header-extract-mime-type> and
//! <https://encoding.spec.whatwg.org/#concept-encoding-get>): what a browser takes for a page, and by which encoding.

use crate::ascii;

/// How the text of a page is written, and so how text may be put into it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8, as the header says: text goes in as it is.
    #[default]
    Utf8,
    /// Some encoding whose ASCII is ASCII; which one, the header does not say, or says another. Whatever is put into the
    /// page is ASCII, everything else written as references, and so it is right in all of them.
    Ascii,
    /// An encoding in which `<` is not the byte of `<`, such as UTF-16: nobody can rewrite the page.
    Unreadable,
}

/// The labels of UTF-8 (Encoding Standard, section 4.2).
const UTF_8: [&str; 6] = ["unicode-1-1-utf-8", "unicode11utf8", "unicode20utf8", "utf-8", "utf8", "x-unicode20utf8"];

/// The labels of encodings that do not keep ASCII: UTF-16, ISO-2022-JP, and those that browsers refuse to decode.
const UNREADABLE: [&str; 17] = [
    "csiso2022jp",
    "csiso2022kr",
    "csunicode",
    "hz-gb-2312",
    "iso-10646-ucs-2",
    "iso-2022-cn",
    "iso-2022-cn-ext",
    "iso-2022-jp",
    "iso-2022-kr",
    "replacement",
    "ucs-2",
    "unicode",
    "unicodefeff",
    "unicodefffe",
    "utf-16",
    "utf-16be",
    "utf-16le",
];

/// The charset of an HTML page with this `Content-Type`; `None` for what is no HTML page.
pub(super) fn page_charset(content_type: Option<&str>) -> Option<Charset> {
    let content_type = content_type?;
    // why: nearly every page says one of these, and what follows allocates
    if is_plain_utf_8(content_type) {
        return Some(Charset::Utf8);
    }
    page_charset_of_another(content_type)
}

#[inline(never)]
fn page_charset_of_another(content_type: &str) -> Option<Charset> {
    MediaType::read(content_type).filter(MediaType::is_html).map(|page| page.charset())
}

/// What the rewriter has to be told in place of a page's `Content-Type`, where it would read that otherwise than browsers
/// do, or not at all: it takes the text behind `charset=` as it is, and fails where it does not know it.
///
/// As windows-1252 every byte stands for one character and comes out as it went in, whatever the page is written in.
pub(super) fn relabelled(content_type: &str, charset: Charset) -> Option<&'static str> {
    match charset {
        Charset::Utf8 if is_plain_utf_8(content_type) => None,
        Charset::Utf8 => Some("text/html; charset=utf-8"),
        Charset::Ascii => Some("text/html; charset=windows-1252"),
        Charset::Unreadable => None,
    }
}

fn is_plain_utf_8(content_type: &str) -> bool {
    ["text/html; charset=utf-8", "text/html;charset=utf-8"].iter().any(|plain| content_type.eq_ignore_ascii_case(plain))
}

/// What a `Content-Type` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct MediaType {
    essence: String,
    charset: Option<String>,
}

impl MediaType {
    /// Reads a header, several of them joined by commas; `None` where there is no media type in it.
    fn read(header: &str) -> Option<Self> {
        let mut found: Option<Self> = None;
        for member in ascii::members(header) {
            let Some(mut one) = Self::parse(member).filter(|one| one.essence != "*/*") else { continue };
            // why: of several the last counts, and keeps the charset of one before it that is of the same type
            if let Some(before) = found.filter(|before| before.essence == one.essence) {
                one.charset = one.charset.or(before.charset);
            }
            found = Some(one);
        }
        found
    }

    fn parse(text: &str) -> Option<Self> {
        let essence = ascii::trimmed(ascii::before(text, b';')).to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/')?;
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let charset = parameters(text).into_iter().find_map(|(name, value)| (name == "charset").then_some(value));
        Some(Self { essence, charset })
    }

    fn is_html(&self) -> bool {
        self.essence == "text/html"
    }

    /// How a page of this type is written.
    fn charset(&self) -> Charset {
        let label = self.charset.as_deref().unwrap_or("").trim_ascii().to_ascii_lowercase();
        if UTF_8.contains(&label.as_str()) {
            Charset::Utf8
        } else if UNREADABLE.contains(&label.as_str()) {
            Charset::Unreadable
        } else {
            // why: what is no label counts as absent to a browser, which then looks into the page and finds an encoding
            // that keeps ASCII: it reads `utf-16` in a `<meta>` as UTF-8
            Charset::Ascii
        }
    }
}

/// The parameters, names in lower case. Only those that are well-formed, and of each name the first.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut rest = ascii::split_once(text, b';').map(|(_, rest)| rest);
    while let Some(here) = rest.map(str::trim_ascii_start) {
        let end = here.bytes().position(|byte| matches!(byte, b';' | b'=')).unwrap_or(here.len());
        let (name, after) = here.split_at_checked(end).unwrap_or((here, ""));
        let Some(value) = after.strip_prefix('=') else {
            rest = after.strip_prefix(';');
            continue;
        };
        let (value, after) = if let Some(quoted) = value.strip_prefix('"') {
            let (value, after) = unquoted(quoted);
            (value, ascii::split_once(after, b';').map(|(_, rest)| rest))
        } else {
            let (value, after) =
                ascii::split_once(value, b';').map_or((value, None), |(value, rest)| (value, Some(rest)));
            (value.trim_ascii_end().to_owned(), after)
        };
        rest = after;
        let name = name.to_ascii_lowercase();
        let is_new = found.iter().all(|(known, _)| *known != name);
        if is_token(&name) && !value.is_empty() && is_new {
            found.push((name, value));
        }
    }
    found
}

/// The text up to the next quote, backslashes resolved, and what follows the quote.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, text.get(at + 1..).unwrap_or("")),
            '\\' => value.push(characters.next().map_or('\\', |(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
