//! A request made of arguments: what the runtime's request is to the worker.

use super::{Failure, clock, input};
use crate::document::{Document, Timestamp};
use crate::facts::Source;
use crate::visitor::VisitorId;
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
        self.at.as_deref().map_or_else(|| Ok(clock::now()), |at| at.parse().map_err(Failure::Usage))
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
            given.properties.push(pair(property, '=', "--cf", "country=DE")?);
        }
        // why: the worker drops what claims to be its own from outside
        given.headers.retain(|(name, _)| !name.starts_with("sortition-"));
        if given.header("user-agent").is_none() {
            given.headers.push(("user-agent".to_owned(), USER_AGENT.to_owned()));
        }
        Ok(given)
    }
}

impl Given {
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
        let id = VisitorId::accept(visitor).ok_or_else(|| {
            Failure::Usage(format!("`{visitor}` is no visitor id: use 8 to 128 characters of A-Z a-z 0-9 . _ ~ -"))
        })?;
        let secret = input::secret().filter(|_| document.visitor.signed);
        let value = secret.map_or_else(|| id.to_string(), |secret| id.signed(secret.as_bytes()));
        self.headers.push(("cookie".to_owned(), format!("{}={value}", document.visitor.cookie)));
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
