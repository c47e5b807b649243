//! Reading the `Cookie` header, whatever its bytes, and writing `Set-Cookie`.

use crate::document::VisitorSettings;
use crate::url::Url;
use cookie::{Cookie, SameSite, time::Duration};

/// Every value that a `Cookie` header has for a name, in its order (RFC 6265, section 4.2.1), without the quotes that
/// may stand around it.
pub fn values<'a>(header: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    header.split(';').filter_map(move |pair| {
        let (key, value) = pair.split_once('=')?;
        if key.trim() != name {
            return None;
        }
        let value = value.trim();
        Some(value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(value))
    })
}

/// Where a cookie is valid and how long.
#[derive(Clone, Copy, Debug)]
pub struct Jar<'a> {
    /// The document's settings.
    pub settings: &'a VisitorSettings,
    /// The page; on plain-http loopback cookies go without `Secure`, or browsers would drop them.
    pub url: Url<'a>,
}

impl Jar<'_> {
    /// A `Set-Cookie` value that lives as long as the visitor id.
    #[must_use]
    pub fn lasting(&self, name: &str, value: &str, http_only: bool) -> String {
        let mut cookie = self.session(name, value, http_only);
        cookie.set_max_age(Duration::days(self.settings.max_age_days.into()));
        cookie.to_string()
    }

    /// A `Set-Cookie` value that ends with the browser session.
    #[must_use]
    pub fn until_closed(&self, name: &str, value: &str) -> String {
        self.session(name, value, true).to_string()
    }

    /// A `Set-Cookie` value that deletes the cookie.
    #[must_use]
    pub fn delete(&self, name: &str) -> String {
        let mut cookie = self.session(name, "", true);
        cookie.set_max_age(Duration::ZERO);
        cookie.to_string()
    }

    fn session(&self, name: &str, value: &str, http_only: bool) -> Cookie<'static> {
        let mut cookie = Cookie::new(name.to_owned(), value.to_owned());
        cookie.set_path("/");
        cookie.set_same_site(SameSite::Lax);
        if !(self.url.scheme == "http" && self.url.is_loopback()) {
            cookie.set_secure(true);
        }
        if http_only {
            cookie.set_http_only(true);
        }
        if let Some(domain) = &self.settings.domain {
            cookie.set_domain(domain.clone());
        }
        cookie
    }
}
