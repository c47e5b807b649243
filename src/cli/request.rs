//! A request made of arguments: what the runtime's request is to the worker.

use super::{Failure, clock, input};
use crate::document::{CookieForm, CookieJson, CookieText, Document, Timestamp};
use crate::facts::{PROPERTIES, Source};
use crate::suggestion::suggest;
use crate::visitor::{named, no_visitor_id};
use clap::Args;

/// A desktop browser, which no list takes for a crawler.
const USER_AGENT: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36";

/// The request's side of a command.
#[derive(Clone, Debug, Args)]
pub(super) struct RequestArguments {
    /// The method.
    #[arg(long, default_value = "GET")]
    pub(super) method: String,
    /// A request header, `Name: value`; may be repeated. Without a user agent it is a desktop Chrome.
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// A cookie, `name=value`; may be repeated.
    #[arg(long = "cookie", short = 'b', value_name = "NAME=VALUE")]
    cookies: Vec<String>,
    /// A property of Cloudflare's `request.cf`, such as `country=DE`; may be repeated.
    #[arg(long = "cf", value_name = "NAME=VALUE")]
    properties: Vec<String>,
    /// The time, RFC 3339; absent: now.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

/// Headers and properties of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    headers: Vec<(String, String)>,
    properties: Vec<(String, String)>,
}

impl Source for Given {
    fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> =
            self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect();
        let glue = if name == "cookie" { "; " } else { ", " };
        (!values.is_empty()).then(|| values.join(glue))
    }

    fn property(&self, name: &str) -> Option<String> {
        self.properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }
}

impl RequestArguments {
    /// The user agent where none is given.
    pub(super) const USER_AGENT: &str = USER_AGENT;

    /// The method, in upper case.
    pub(super) fn method(&self) -> Result<String, Failure> {
        let is_token =
            !self.method.is_empty() && self.method.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
        if is_token {
            Ok(self.method.to_ascii_uppercase())
        } else {
            Err(Failure::Usage(format!("--method `{}`: write it as GET, HEAD or POST", self.method)))
        }
    }

    /// The time.
    pub(super) fn time(&self) -> Result<Timestamp, Failure> {
        clock::at(self.at.as_deref())
    }

    /// Headers and properties.
    pub(super) fn source(&self) -> Result<Given, Failure> {
        let mut given = Given::default();
        for header in &self.headers {
            given.add_line(header)?;
        }
        for cookie in &self.cookies {
            let (name, value) = pair(cookie, '=', "--cookie", "consent=granted")?;
            given.headers.push(("cookie".to_owned(), format!("{name}={value}")));
        }
        for property in &self.properties {
            let (name, value) = pair(property, '=', "--cf", "country=DE")?;
            known_property(&name)?;
            given.properties.push((name, value));
        }
        // why: the worker drops what claims to be its own from outside
        given.headers.retain(|(name, _)| !name.starts_with("sortition-"));
        if given.header("user-agent").is_none() {
            given.headers.push(("user-agent".to_owned(), USER_AGENT.to_owned()));
        }
        Ok(given)
    }
}

fn known_property(name: &str) -> Result<(), Failure> {
    if PROPERTIES.contains(&name) {
        return Ok(());
    }
    // why: a condition writes `region_code` and `is_eu`, Cloudflare `regionCode` and `isEUCountry`
    let plain = name.replace('_', "");
    let near =
        if plain.eq_ignore_ascii_case("iseu") { Some("isEUCountry") } else { suggest(&plain, PROPERTIES.into_iter()) };
    let advice =
        near.map_or_else(|| format!("there are {}", PROPERTIES.join(", ")), |near| format!("did you mean `{near}`?"));
    Err(Failure::Usage(format!("--cf `{name}`: no fact is read from it; {advice}")))
}

/// Request headers of browsers, proxies and Cloudflare, in lower case.
const HEADERS: &str = "accept accept-charset accept-encoding accept-language authorization cache-control \
    cf-connecting-ip cf-ipcountry cf-ray cf-visitor connection content-length content-type cookie dnt downlink dpr \
    ect expect forwarded from host if-match if-modified-since if-none-match if-range if-unmodified-since \
    max-forwards origin pragma priority purpose range referer rtt save-data sec-ch-prefers-color-scheme sec-ch-ua \
    sec-ch-ua-arch sec-ch-ua-full-version-list sec-ch-ua-mobile sec-ch-ua-model sec-ch-ua-platform \
    sec-ch-ua-platform-version sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user sec-gpc sec-purpose \
    service-worker-navigation-preload signature signature-agent signature-input te traceparent tracestate \
    true-client-ip upgrade upgrade-insecure-requests user-agent via viewport-width width x-forwarded-for \
    x-forwarded-host x-forwarded-proto x-real-ip x-requested-with";

/// Refuses a header that looks like a slip of a known one, unless the document itself names it.
fn known_header(name: &str, document: &str) -> Result<(), Failure> {
    let known = HEADERS.split_ascii_whitespace();
    // why: a shop's own header is read by a condition or for the user, both of which name it in the document
    let own = document.to_ascii_lowercase().contains(name);
    if own || name.starts_with("x-") || known.clone().any(|known| known == name) {
        return Ok(());
    }
    match suggest(name, known) {
        Some(near) => {
            Err(Failure::Usage(format!("--header `{name}`: there is no such header; did you mean `{near}`?")))
        }
        None => Ok(()),
    }
}

impl Given {
    /// Refuses names of headers that are slips; `document`: the text that may name headers of the shop's own.
    pub(super) fn checked(self, document: &str) -> Result<Self, Failure> {
        for (name, _) in &self.headers {
            known_header(name, document)?;
        }
        Ok(self)
    }

    /// Adds a header.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }

    /// Whether it has a header of this lower-case name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(key, _)| key == name)
    }

    /// Adds a header that was given as `Name: value`.
    pub(super) fn add_line(&mut self, line: &str) -> Result<(), Failure> {
        let (name, value) = pair(line, ':', "--header", "Accept-Language: de")?;
        self.add(&name, &value);
        Ok(())
    }

    /// The lines of the request, each name once.
    pub(super) fn lines(&self) -> Vec<(String, String)> {
        let names: std::collections::BTreeSet<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.into_iter().filter_map(|name| Some((name.to_owned(), self.header(name)?))).collect()
    }

    /// Adds the visitor's cookie, as the browser would send it.
    pub(super) fn set_visitor(&mut self, document: &Document, visitor: &str) -> Result<(), Failure> {
        let settings = &document.visitor;
        let id = named(settings, visitor)
            .ok_or_else(|| Failure::Usage(format!("--visitor `{visitor}`: {}", no_visitor_id(settings))))?;
        let secret = settings.signed.then(input::secret).flatten();
        let value = match (&settings.read, secret) {
            (CookieForm::Json(CookieJson { json }), _) => {
                encoded(&serde_json::json!({ json: id.as_str() }).to_string())
            }
            (CookieForm::Text(CookieText::Url), _) => encoded(id.as_str()),
            (CookieForm::Text(CookieText::Plain), Some(secret)) => id.signed(secret.as_bytes()),
            (CookieForm::Text(CookieText::Plain), None) => id.to_string(),
        };
        self.headers.push(("cookie".to_owned(), format!("{}={value}", settings.cookie)));
        Ok(())
    }

    /// Adds the user id where the document says that it stands.
    pub(super) fn set_user(&mut self, document: &Document, user: &str) -> Result<(), Failure> {
        match (&document.visitor.user_header, &document.visitor.user_cookie) {
            (Some(header), _) => self.headers.push((header.to_ascii_lowercase(), user.to_owned())),
            (None, Some(cookie)) => self.headers.push(("cookie".to_owned(), format!("{cookie}={user}"))),
            (None, None) => {
                return Err(Failure::Usage(
                    "--user: the document knows no users; set visitor.user_cookie or visitor.user_header in it"
                        .to_owned(),
                ));
            }
        }
        Ok(())
    }
}

fn pair(text: &str, sign: char, argument: &str, example: &str) -> Result<(String, String), Failure> {
    text.split_once(sign)
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| Failure::Usage(format!("{argument} `{text}`: write it as `{example}`")))
}

/// A text as it stands in a URL: what is no letter or digit of ASCII as `%XX`.
fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(one).collect()
}
