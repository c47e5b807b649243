//! Reading the `Cookie` header, whatever its bytes, and writing `Set-Cookie`.

use crate::ascii;
use crate::plan::{CookieAttributes, Plan};
use crate::url::Url;

/// Every value that a `Cookie` header has for a name, in its order (RFC 6265, section 4.2.1), without the quotes that
/// may stand around it.
pub fn values<'a>(header: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    ascii::pieces(header, b';').filter_map(move |piece| {
        let (key, value) = ascii::split_once(piece, b'=')?;
        if ascii::trimmed(key) != name {
            return None;
        }
        Some(unquoted(value))
    })
}

/// Every name and value of a `Cookie` header, in the same way.
pub fn pairs(header: &str) -> impl Iterator<Item = (&str, &str)> {
    ascii::pieces(header, b';').filter_map(|piece| {
        let (name, value) = ascii::split_once(piece, b'=')?;
        Some((ascii::trimmed(name), unquoted(value)))
    })
}

fn unquoted(value: &str) -> &str {
    let value = ascii::trimmed(value);
    value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(value)
}

/// Writes our cookies for one page.
#[derive(Clone, Copy, Debug)]
pub struct Jar<'a> {
    attributes: &'a CookieAttributes,
}

impl<'a> Jar<'a> {
    /// The jar of a page.
    #[must_use]
    pub fn new(plan: &'a Plan, url: &Url<'_>) -> Self {
        // why: browsers drop a cookie that is `Secure` from plain-http loopback
        let plain = url.scheme == "http" && url.is_loopback();
        Self { attributes: if plain { &plan.loopback_cookies } else { &plan.cookies } }
    }

    /// A `Set-Cookie` value that lives as long as the visitor id, and that scripts may read.
    #[must_use]
    pub fn lasting(&self, name: &str, value: &str) -> String {
        written(name, value, &self.attributes.lasting)
    }

    /// A `Set-Cookie` value that lives as long, for the server only.
    #[must_use]
    pub fn lasting_http_only(&self, name: &str, value: &str) -> String {
        written(name, value, &self.attributes.lasting_http_only)
    }

    /// A `Set-Cookie` value that ends with the browser session.
    #[must_use]
    pub fn until_closed(&self, name: &str, value: &str) -> String {
        written(name, value, &self.attributes.until_closed)
    }

    /// A `Set-Cookie` value that lives for so many seconds, for the server only.
    #[must_use]
    pub fn brief(&self, name: &str, value: &str, seconds: u32) -> String {
        [&written(name, value, &self.attributes.until_closed), "; Max-Age=", &seconds.to_string()].concat()
    }

    /// A `Set-Cookie` value that deletes the cookie.
    #[must_use]
    pub fn delete(&self, name: &str) -> String {
        written(name, "", &self.attributes.deleted)
    }
}

fn written(name: &str, value: &str, attributes: &str) -> String {
    [name, "=", value, attributes].concat()
}
