//! What stands behind name and value in `Set-Cookie`, prepared for each kind of our cookies.

use crate::document::VisitorSettings;
use cookie::{Cookie, SameSite, time::Duration};

/// The attributes of our cookies, each text from the first `;` on.
#[derive(Clone, Debug)]
pub struct CookieAttributes {
    /// Of one that lives as long as the visitor id and that scripts may read.
    pub lasting: Box<str>,
    /// Of one that lives as long, for the server only.
    pub lasting_http_only: Box<str>,
    /// Of one that ends with the browser session.
    pub until_closed: Box<str>,
    /// Of one that is deleted.
    pub deleted: Box<str>,
}

impl CookieAttributes {
    /// The attributes by a document's settings. `secure` keeps a cookie to https.
    #[must_use]
    #[inline(never)]
    pub fn new(settings: &VisitorSettings, secure: bool) -> Self {
        let long = Some(Duration::days(settings.max_age_days.into()));
        let attributes = |http_only, max_age: Option<Duration>| {
            let mut cookie = Cookie::new("", "");
            cookie.set_path("/");
            cookie.set_same_site(SameSite::Lax);
            if secure {
                cookie.set_secure(true);
            }
            if http_only {
                cookie.set_http_only(true);
            }
            if let Some(domain) = &settings.domain {
                cookie.set_domain(domain);
            }
            cookie.set_max_age(max_age);
            cookie.to_string().trim_start_matches('=').into()
        };
        Self {
            lasting: attributes(false, long),
            lasting_http_only: attributes(true, long),
            until_closed: attributes(true, None),
            deleted: attributes(true, Some(Duration::ZERO)),
        }
    }
}

crate::pack::packed!(struct CookieAttributes { lasting, lasting_http_only, until_closed, deleted });
