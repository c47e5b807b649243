//! The facts of a request that a document's conditions may ask for.

use std::fmt;

use crate::suggestion::suggest;

macro_rules! facts {
    ($($(#[$doc:meta])* $fact:ident = $name:literal,)+) => {
        /// A fact of a request, as a document's conditions name it. Facts that a request does not have are absent.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FactKey {
            $($(#[$doc])* $fact,)+
            /// `query.<name>`: the first value of a parameter of the URL's query, decoded.
            Query(Box<str>),
            /// `utm.<name>`: the first value of the query's parameter `utm_<name>`, such as `utm.source`.
            Utm(Box<str>),
            /// `cookie.<name>`: the value of a cookie.
            Cookie(Box<str>),
            /// `header.<name>`: the value of a request header; the name is kept in lower case.
            Header(Box<str>),
            /// `custom.<name>`: what a call for decisions says itself; a page's request has none.
            Custom(Box<str>),
        }

        impl FactKey {
            /// The facts that have no parameter, with their names.
            const PLAIN: &[(&'static str, Self)] = &[$(($name, Self::$fact),)+];
        }
    };
}

facts! {
    /// The visitor's id, of the visitor cookie.
    VisitorId = "visitor_id",
    /// The shop's id of a person who is logged in.
    UserId = "user_id",
    /// `new` on a visit that brought no visitor cookie, else `returning`.
    VisitorType = "visitor_type",
    /// The whole URL, with its query.
    Url = "url",
    /// The URL's host, in lower case, without the port.
    Host = "host",
    /// The URL's path, from the first `/` on, without the query.
    Path = "path",
    /// The whole URL of the page that linked here.
    Referrer = "referrer",
    /// Its host, in lower case.
    ReferrerHost = "referrer_host",
    /// The country, as two upper-case letters of ISO 3166-1: `US`.
    Country = "country",
    /// The name of the first-level region: `Texas`.
    Region = "region",
    /// Its code of ISO 3166-2 without the country: `TX`.
    RegionCode = "region_code",
    /// The name of the city.
    City = "city",
    /// The continent, as two upper-case letters: `EU`.
    Continent = "continent",
    /// The postal code, a text.
    PostalCode = "postal_code",
    /// The time zone's name of the IANA database: `America/Chicago`.
    Timezone = "timezone",
    /// Whether the country is in the European Union.
    IsEu = "is_eu",
    /// The number of the autonomous system that the request came from.
    Asn = "asn",
    /// The code of the Cloudflare data centre that answers: `DFW`.
    Colo = "colo",
    /// The first language of `Accept-Language`: `en-US`.
    Language = "language",
    /// `mobile`, `tablet` or `desktop`.
    Device = "device",
    /// The operating system's name.
    Os = "os",
    /// The browser's name.
    Browser = "browser",
    /// The browser's version, to compare with `$vgte` and its kin.
    BrowserVersion = "browser_version",
    /// The request's method, in upper case.
    Method = "method",
}

/// A family's name, and what makes a fact of a name in it.
type Family = (&'static str, fn(Box<str>) -> FactKey);

/// The families of facts, which take a name after the dot.
const FAMILIES: [Family; 5] = [
    ("query", FactKey::Query),
    ("utm", FactKey::Utm),
    ("cookie", FactKey::Cookie),
    ("header", FactKey::Header),
    ("custom", FactKey::Custom),
];

impl FactKey {
    /// The name of a fact that has no parameter; the family's of one that has.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Query(_) => "query",
            Self::Utm(_) => "utm",
            Self::Cookie(_) => "cookie",
            Self::Header(_) => "header",
            Self::Custom(_) => "custom",
            plain => Self::PLAIN.iter().find(|(_, fact)| fact == plain).map_or("", |(name, _)| name),
        }
    }

    /// The fact of a name.
    ///
    /// ```
    /// use sortition_engine::condition::FactKey;
    ///
    /// assert_eq!(FactKey::parse("header.Accept"), Ok(FactKey::Header("accept".into())));
    /// assert_eq!(FactKey::parse("contry").unwrap_err().to_string(), "there is no fact `contry`; did you mean `country`?");
    /// ```
    ///
    /// # Errors
    ///
    /// Why there is none of that name, and what to write.
    pub fn parse(name: &str) -> Result<Self, FactError> {
        if let Some((_, fact)) = Self::PLAIN.iter().find(|(plain, _)| *plain == name) {
            return Ok(fact.clone());
        }
        let (family, parameter) = name.split_once('.').unwrap_or((name, ""));
        if let Some((_, make)) = FAMILIES.iter().find(|(known, _)| *known == family) {
            return match (family, parameter) {
                (_, "") => Err(FactError(Wrong::NoName { family: family.into() })),
                ("utm", _) => match parameter.strip_prefix("utm_") {
                    Some(rest) => Err(FactError(Wrong::Repeats { name: name.into(), rest: rest.into() })),
                    None => Ok(make(parameter.into())),
                },
                ("header" | "cookie", _) if !is_token(parameter) => {
                    Err(FactError(Wrong::NoToken { name: parameter.into(), family: family.into() }))
                }
                ("header", _) => Ok(make(parameter.to_ascii_lowercase().into())),
                _ => Ok(make(parameter.into())),
            };
        }
        let known = Self::PLAIN.iter().map(|(plain, _)| *plain);
        let meant = suggest(family, known.chain(FAMILIES.iter().map(|(family, _)| *family))).map(|near| {
            if !FAMILIES.iter().any(|(family, _)| *family == near) {
                return near.into();
            }
            let parameter = if parameter.is_empty() { example(near) } else { parameter };
            [near, ".", parameter].concat().into()
        });
        Err(FactError(Wrong::Unknown { name: name.into(), meant }))
    }
}

/// Why a name is none of a fact, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactError(Wrong);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    /// A family alone: `cookie`.
    NoName { family: Box<str> },
    /// `utm.utm_source`.
    Repeats { name: Box<str>, rest: Box<str> },
    /// A header or cookie of a name that none can have.
    NoToken { name: Box<str>, family: Box<str> },
    /// There is no such fact; perhaps another was meant.
    Unknown { name: Box<str>, meant: Option<Box<str>> },
}

impl fmt::Display for FactError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Wrong::NoName { family } => {
                write!(out, "`{family}` needs a name after a dot, such as `{family}.{}`", example(family))
            }
            Wrong::Repeats { name, rest } => write!(out, "`{name}` repeats its prefix; write `utm.{rest}`"),
            Wrong::NoToken { name, family } => {
                write!(out, "`{name}` cannot be the name of a {family}; use letters, digits, `_` and `-`")
            }
            Wrong::Unknown { name, meant: Some(meant) } => {
                write!(out, "there is no fact `{name}`; did you mean `{meant}`?")
            }
            Wrong::Unknown { name, meant: None } => write!(
                out,
                "there is no fact `{name}`; write `cookie.{name}`, `query.{name}`, or one of the list of facts"
            ),
        }
    }
}

impl std::error::Error for FactError {}

impl fmt::Display for FactKey {
    /// The name, as [`FactKey::parse`] reads it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(name) => write!(out, "query.{name}"),
            Self::Utm(name) => write!(out, "utm.{name}"),
            Self::Cookie(name) => write!(out, "cookie.{name}"),
            Self::Header(name) => write!(out, "header.{name}"),
            Self::Custom(name) => write!(out, "custom.{name}"),
            plain => out.write_str(plain.name()),
        }
    }
}

impl std::str::FromStr for FactKey {
    type Err = FactError;
    fn from_str(name: &str) -> Result<Self, FactError> {
        Self::parse(name)
    }
}

fn example(family: &str) -> &'static str {
    match family {
        "utm" => "source",
        "header" => "accept",
        "cookie" | "custom" => "plan",
        _ => "page",
    }
}

/// A token of RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

crate::pack::packed!(
    enum FactKey {
        VisitorId = 0,
        UserId = 1,
        VisitorType = 2,
        Url = 3,
        Host = 4,
        Path = 5,
        Referrer = 6,
        ReferrerHost = 7,
        Country = 8,
        Region = 9,
        RegionCode = 10,
        City = 11,
        Continent = 12,
        PostalCode = 13,
        Timezone = 14,
        IsEu = 15,
        Asn = 16,
        Colo = 17,
        Language = 18,
        Device = 19,
        Os = 20,
        Browser = 21,
        BrowserVersion = 22,
        Method = 23,
        Query(name) = 24,
        Utm(name) = 25,
        Cookie(name) = 26,
        Header(name) = 27,
        Custom(name) = 28,
    }
);
