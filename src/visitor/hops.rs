//! How often a browser was sent away from a page just now. Where the page that a redirect leads to sends it back, by an
//! answer of its origin or by a script, nothing else would end the circle.

use crate::hash::{fingerprint, read_digits};

/// The cookie's name.
pub const COOKIE: &str = "sortition_hops";

/// How long a redirect is remembered, in seconds.
pub const SECONDS: u32 = 10;

/// How often a browser is sent away from one page before that has been forgotten. Browsers give up after 20 redirects, of
/// which half are somebody else's here; somebody who opens the page in one tab after the other is hardly faster.
const MOST: u8 = 4;

/// How many pages are remembered, the latest first: as many may lead to each other.
const PAGES: usize = 4;

/// The length of a page's fingerprint.
const PAGE: usize = 4;

/// The cookie's next value, where the browser may be sent away from the page once more; `None`: it came back too often.
/// `before` is what it has, whoever wrote that.
#[must_use]
pub fn next(before: &str, page: &str) -> Option<String> {
    let page = fingerprint(page);
    let known = || before.split('.').take(PAGES).filter_map(entry);
    let count = known().find(|(other, _)| *other == page).map_or(0, |(_, count)| count);
    if count >= MOST {
        return None;
    }
    let mut value = format!("{page}{}", count + 1);
    for (other, count) in known().filter(|(other, _)| *other != page).take(PAGES - 1) {
        value.push_str(&format!(".{other}{count}"));
    }
    Some(value)
}

/// A page and how often the browser was sent away from it.
fn entry(text: &str) -> Option<(&str, u8)> {
    let (page, count) = text.split_at_checked(PAGE)?;
    read_digits(page.as_bytes())?;
    Some((page, count.parse().ok()?))
}
