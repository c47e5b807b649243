//! A URL as its parts. The runtime has parsed and normalised it already, so this only splits.

use crate::ascii;

/// The parts of an absolute URL, as they stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Url<'a> {
    /// All of it, without the fragment.
    pub whole: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host name and port: `shop.example`, `127.0.0.1:8787`.
    pub host: &'a str,
    /// From the first `/` on, without the query; `/` where there is none.
    pub path: &'a str,
    /// Without the `?`; empty where there is none.
    pub query: &'a str,
}

impl<'a> Url<'a> {
    /// Splits a URL. Total: what is missing is empty.
    #[must_use]
    pub fn split(url: &'a str) -> Self {
        let whole = ascii::before(url, b'#');
        let (scheme, rest) = cut_scheme(whole).unwrap_or(("", whole));
        let (before_query, query) = ascii::split_once(rest, b'?').unwrap_or((rest, ""));
        let end = ascii::position(before_query, b'/').unwrap_or(before_query.len());
        let (authority, path) = before_query.split_at_checked(end).unwrap_or((before_query, ""));
        let host = authority.bytes().rposition(|byte| byte == b'@').and_then(|at| authority.get(at + 1..));
        Self { whole, scheme, host: host.unwrap_or(authority), path: if path.is_empty() { "/" } else { path }, query }
    }

    /// The host without its port.
    #[must_use]
    pub fn host_name(&self) -> &'a str {
        // why: the colons of an IPv6 address stand inside brackets
        let digits = self.host.bytes().rev().take_while(u8::is_ascii_digit).count();
        let name = self.host.get(..self.host.len() - digits).and_then(|rest| rest.strip_suffix(':'));
        name.unwrap_or(self.host)
    }

    /// The same URL with the digits of its escapes in upper case; `None` where they are so already. `%c3` and `%C3` are one
    /// (RFC 3986, section 6.2.2.1): browsers write the one, and leave the other as shops link to it.
    #[must_use]
    pub fn upper_escapes(&self) -> Option<String> {
        upper_escapes(self.whole)
    }

    /// Whether the browser counts this as its own machine, where cookies need no `Secure`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let name = self.host_name();
        // why: `127.0.0.1.example` is somebody's domain; the runtime writes every IPv4 address as four decimals
        let ipv4 = name.starts_with("127.") && name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        name == "localhost" || name.ends_with(".localhost") || ipv4 || name == "[::1]"
    }

    /// The first value of a query parameter, decoded: `+` and `%20` are blanks, invalid escapes stay as they are.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        ascii::pieces(self.query, b'&').find_map(|pair| {
            let (key, value) = ascii::split_once(pair, b'=').unwrap_or((pair, ""));
            (decode(key) == name).then(|| decode(value))
        })
    }
}

impl Url<'_> {
    /// The path as a reference to a page of the same host. One that starts with two slashes, or with what browsers take for
    /// such, would lead to another.
    #[must_use]
    pub fn own_path(&self) -> String {
        format!("/{}", self.path.trim_start_matches(['/', '\\']))
    }

    /// Path and query without a parameter.
    #[must_use]
    pub fn without(&self, name: &str) -> String {
        let kept = self
            .query
            .split('&')
            .filter(|pair| !pair.is_empty() && decode(pair.split('=').next().unwrap_or("")) != name);
        let kept: Vec<&str> = kept.collect();
        let path = self.own_path();
        if kept.is_empty() { path } else { format!("{path}?{}", kept.join("&")) }
    }
}

/// What stands before the first `://`, and what behind it.
fn cut_scheme(text: &str) -> Option<(&str, &str)> {
    let at = text.as_bytes().windows(3).position(|three| matches!(three, [b':', b'/', b'/']))?;
    Some((text.get(..at)?, text.get(at + 3..)?))
}

/// Decodes a part of a path, where a plus is a plus.
pub(crate) fn decode_path(text: &str) -> String {
    decode(&text.replace('+', "%2B"))
}

/// Decodes a part of a query. Escapes that are none stay as they are; bytes that are no UTF-8 become U+FFFD.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match (first, tail) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high << 4 | low
                }
                _ => b'%',
            },
            (byte, _) => byte,
        });
    }
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Whether a text can be the host of a URL, with or without its port: nothing of it means anything elsewhere.
pub(crate) fn is_plain_host(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    !text.is_empty() && text.bytes().all(is_plain)
}

/// A path as RFC 3986 writes it: what cannot stand in one is escaped, and escapes stay as they are.
pub(crate) fn encode_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~%/:@!$&'()*+,;=".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&crate::hash::hex(&[byte]).to_ascii_uppercase());
        }
    }
    out
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A text with the digits of its escapes in upper case; `None` where they are so already, which copies nothing.
#[must_use]
pub fn upper_escapes(text: &str) -> Option<String> {
    let first = ascii::position(text, b'%')?;
    if !text.as_bytes().get(first..)?.windows(3).any(is_lower_escape) {
        return None;
    }
    let mut bytes = text.as_bytes().to_vec();
    for at in first..bytes.len() {
        if let Some(escape) = bytes.get_mut(at..at + 3).filter(|escape| is_lower_escape(escape)) {
            escape.make_ascii_uppercase();
        }
    }
    String::from_utf8(bytes).ok()
}

/// Whether these three bytes are an escape, a digit of which is in lower case.
// why: no `%` is a digit, so escapes do not overlap
fn is_lower_escape(bytes: &[u8]) -> bool {
    matches!(bytes, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()
        && (high.is_ascii_lowercase() || low.is_ascii_lowercase()))
}
