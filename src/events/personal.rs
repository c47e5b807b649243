//! What must not be stored: e-mail addresses, IP addresses, user agents, query strings.
//!
//! Nothing here decides whether a text is personal; it errs towards removing, since a property that reads `[removed]`
//! is noticed and mended, and an address in the archive is not.

use std::borrow::Cow;
use std::net::IpAddr;

/// What stands in place of a removed text.
pub const REMOVED: &str = "[removed]";

/// Why an id is refused that is personal.
pub const NOT_OPAQUE: &str = "it looks like an e-mail address or other personal data: send an opaque key instead";

/// Whether a text holds something like an e-mail address, also percent-encoded: characters, an `@`, and more of them.
#[must_use]
pub fn holds_email(text: &str) -> bool {
    let decoded = if text.contains('%') { Cow::Owned(text.replace("%40", "@")) } else { Cow::Borrowed(text) };
    let part = |c: char| !c.is_whitespace() && c != '@';
    decoded.match_indices('@').any(|(at, _)| {
        let (before, after) = decoded.split_at_checked(at).unwrap_or(("", ""));
        before.ends_with(part) && after.chars().nth(1).is_some_and(part)
    })
}

/// Whether a text holds something that is personal: an e-mail address, an IP address, a user agent or a query string.
#[must_use]
pub fn is_personal(text: &str) -> bool {
    // why: nothing personal does without one of these: an address has digits or colons
    let may_be = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'@' | b'%' | b':' | b'?' | b'/');
    text.bytes().any(may_be) && holds_personal(text)
}

#[inline(never)]
fn holds_personal(text: &str) -> bool {
    holds_email(text) || holds_address(text) || text.contains("Mozilla/") || holds_query(text)
}

fn holds_address(text: &str) -> bool {
    let ends = |c: char| {
        c.is_whitespace() || matches!(c, ',' | ';' | '/' | '=' | '"' | '\'' | '(' | ')' | '[' | ']' | '<' | '>')
    };
    text.split(ends).any(|word| {
        let word = word.trim_end_matches('.');
        let is_address = |word: &str| word.len() > 2 && word.parse::<IpAddr>().is_ok();
        // why: an IPv4 address may carry a port
        is_address(word) || word.rsplit_once(':').is_some_and(|(host, _)| host.contains('.') && is_address(host))
    })
}

fn holds_query(text: &str) -> bool {
    text.split_once('?').is_some_and(|(_, query)| query.contains('='))
}

/// A path with what looks personal taken out, segment by segment.
#[must_use]
pub fn clean_path(path: &str) -> Cow<'_, str> {
    // why: nothing personal does without one of these, and most paths have none
    let may_be = path.bytes().any(|byte| matches!(byte, b'@' | b'%' | b'.' | b':' | b'?'));
    if !may_be || !path.split('/').any(is_personal) {
        return path.into();
    }
    let segments: Vec<&str> =
        path.split('/').map(|segment| if is_personal(segment) { REMOVED } else { segment }).collect();
    segments.join("/").into()
}
