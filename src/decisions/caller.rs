//! Who may ask for whom: a server that knows the token may ask for everybody, a browser for its own visitor.

use crate::hash::signature;

/// What a call says of who sends it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Credentials<'a> {
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The `X-API-Key` header.
    pub api_key: Option<&'a str>,
    /// The `Origin` header.
    pub origin: Option<&'a str>,
    /// The `Sec-Fetch-Site` header.
    pub fetch_site: Option<&'a str>,
    /// The origin of the URL that was asked: scheme and host.
    pub own_origin: &'a str,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller<'a> {
    /// A server that knows the token: what it says is believed.
    Server,
    /// A browser on a page of this site: its visitor is its cookie's.
    Browser,
    /// A browser on a page of another site that may ask, by its origin. Cookies do not travel there, so it says itself
    /// which visitor is meant, and never a user.
    OtherSite(&'a str),
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 401: it does not say who it is, or the token is another.
    Unauthorized,
    /// 403: a page of a site that may not ask.
    Forbidden,
}

impl Refusal {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn detail(self) -> &'static str {
        match self {
            Self::Unauthorized => {
                "send the API token as `Authorization: Bearer TOKEN` or `X-API-Key`, or ask from a page of this site"
            }
            Self::Forbidden => "this site may not ask: add its origin to `api.cors_origins` of the document",
        }
    }
}

/// Tells who asks. `token` is the secret `API_TOKEN`; `allowed` the document's `api.cors_origins`.
///
/// # Errors
///
/// Where the caller may not ask.
pub fn who_asks<'a>(sent: &Credentials<'a>, token: Option<&str>, allowed: &[String]) -> Result<Caller<'a>, Refusal> {
    let bearer = sent.authorization.and_then(|value| {
        let (scheme, token) = value.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    if let Some(given) = bearer.or(sent.api_key) {
        let known = token.filter(|token| !token.is_empty());
        return match known.is_some_and(|known| signature::same(known, given)) {
            true => Ok(Caller::Server),
            false => Err(Refusal::Unauthorized),
        };
    }
    match (sent.origin, sent.fetch_site) {
        (Some(origin), _) if origin.eq_ignore_ascii_case(sent.own_origin) => Ok(Caller::Browser),
        (Some(origin), _) if allowed.iter().any(|one| one == origin) => Ok(Caller::OtherSite(origin)),
        (_, Some("same-origin")) => Ok(Caller::Browser),
        // why: another host of the same site sends the site's cookies along
        (Some(origin), Some("same-site")) if origin != "null" => Ok(Caller::Browser),
        (Some(_), _) | (None, Some("cross-site")) => Err(Refusal::Forbidden),
        (None, Some("same-site")) => Ok(Caller::Browser),
        (None, _) => Err(Refusal::Unauthorized),
    }
}
