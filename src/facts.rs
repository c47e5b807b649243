//! A request as plain data, read lazily: an experiment that does not ask for the country does not pay for it.

use crate::condition::{Attributes, Fact, FactKey, read_decimal};
use crate::document::UnitKind;
use crate::plan::{ExperimentAt, VariantAt};
use crate::url::Url;
use crate::visitor::agent::{Agent, ClientHints};
use crate::visitor::assignments::Assignments;
use crate::visitor::client::Client;
use crate::visitor::cookies;
use crate::visitor::crawler::Crawlers;
use crate::visitor::{Marks, Visitor};
use std::borrow::Cow;
use std::cell::OnceCell;

/// Where a request's headers and Cloudflare's properties come from. In the worker every call leaves wasm, so each
/// fact is asked for once at most and only where something needs it.
pub trait Source {
    /// The value of a request header, several of one name joined by `, `; the name is in lower case.
    fn header(&self, name: &str) -> Option<String>;
    /// A property of Cloudflare's `request.cf`, as text: `country`, `asn`, `isEUCountry`, …
    fn property(&self, name: &str) -> Option<String>;
    /// What the user agent says, where it was read before by the same document.
    fn recall(&self) -> Option<Client> {
        None
    }
    /// Takes note of what the user agent says.
    fn remember(&self, _reading: Client) {}
}

/// The properties of `request.cf` that are read: facts, and whether a bot is a verified one.
pub const PROPERTIES: [&str; 11] = [
    "country",
    "region",
    "regionCode",
    "city",
    "continent",
    "postalCode",
    "timezone",
    "isEUCountry",
    "asn",
    "colo",
    "verifiedBot",
];

/// A request.
pub struct Request<'a, S> {
    /// The method, in upper case.
    pub method: &'a str,
    /// The URL that the client asked for.
    pub url: Url<'a>,
    source: &'a S,
    cookie: OnceCell<String>,
    crawlers: &'a Crawlers,
    reading: OnceCell<Client>,
}

impl<'a, S: Source> Request<'a, S> {
    /// A request whose headers and properties `source` knows; `crawlers` is the document's rule.
    pub fn new(method: &'a str, url: Url<'a>, source: &'a S, crawlers: &'a Crawlers) -> Self {
        Self { method, url, source, cookie: OnceCell::new(), crawlers, reading: OnceCell::new() }
    }

    /// Whether it only asks for a page, rather than sending something or asking what may be sent.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        matches!(self.method, "GET" | "HEAD")
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        self.source.header(name)
    }

    /// The `Cookie` header; empty where there is none.
    #[must_use]
    pub fn cookie_header(&self) -> &str {
        self.cookie.get_or_init(|| self.source.header("cookie").unwrap_or_default())
    }

    /// The first value of a cookie.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        cookies::values(self.cookie_header(), name).next()
    }

    /// A property of Cloudflare's `request.cf`.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<String> {
        self.source.property(name)
    }

    /// What the user agent says: crawler or not, device, system and browser.
    #[must_use]
    pub fn agent(&self) -> Client {
        *self.reading.get_or_init(|| self.source.recall().unwrap_or_else(|| self.read_agent()))
    }

    #[inline(never)]
    fn read_agent(&self) -> Client {
        let reading = Client::new(&self.user_agent(), self.crawlers);
        self.source.remember(reading);
        reading
    }

    /// The browser's version, digits and dots only; empty where the user agent says none.
    #[must_use]
    pub fn browser_version(&self) -> String {
        Agent::read(&self.user_agent(), ClientHints::default()).browser_version.to_owned()
    }

    fn user_agent(&self) -> String {
        self.header("user-agent").unwrap_or_default()
    }

    /// The host of the page that linked here.
    #[must_use]
    pub fn referrer_host(&self) -> Option<String> {
        self.header("referer").map(|referrer| Url::split(&referrer).host_name().to_owned())
    }
}

/// A person, by the ids under which they may be assigned: whom conditions and decisions are about.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// The visitor id.
    pub visitor: &'a str,
    /// The shop's user id, of a person who is logged in.
    pub user: Option<&'a str>,
    /// The id of the browser session.
    pub session: Option<&'a str>,
    /// Whether the visitor brought the id along, rather than being given one just now.
    pub returning: bool,
    /// What they were assigned before.
    pub assignments: &'a Assignments,
    /// Variants that a preview asks for: (experiment, variant), by position.
    pub preview: &'a [(ExperimentAt, VariantAt)],
}

impl<'a> Person<'a> {
    /// A visitor; `preview`: the variants that a preview asks for.
    #[must_use]
    pub fn of(visitor: &'a Visitor, preview: &'a [(ExperimentAt, VariantAt)]) -> Self {
        Self {
            visitor: visitor.id.as_str(),
            user: visitor.user.as_deref(),
            session: visitor.session.as_ref().map(|(id, _)| id.as_str()),
            returning: visitor.returning,
            assignments: &visitor.assignments,
            preview,
        }
    }

    /// Somebody who is known by one id, whatever kind of unit an experiment asks for: whom the tool's surveys are about.
    #[must_use]
    pub fn with_id(id: &'a str, assignments: &'a Assignments) -> Self {
        Self { visitor: id, user: Some(id), session: Some(id), returning: false, assignments, preview: &[] }
    }

    /// The id by which an experiment of this kind of unit assigns them.
    #[must_use]
    pub fn unit(&self, kind: UnitKind) -> Option<&'a str> {
        match kind {
            // why: a server may ask for a user or a session alone
            UnitKind::Visitor => Some(self.visitor).filter(|id| !id.is_empty()),
            UnitKind::User => self.user,
            UnitKind::Session => self.session,
        }
    }

    /// What tells their entries from those of others who use the browser.
    #[must_use]
    pub fn marks(&self) -> Marks {
        Marks::new(self.user, self.session)
    }
}

/// A request and who sent it: what conditions are evaluated over.
pub struct Facts<'a, S> {
    /// The request.
    pub request: &'a Request<'a, S>,
    /// The person who sent it, where it was one.
    pub person: Option<Person<'a>>,
}

impl<S: Source> Attributes<FactKey> for Facts<'_, S> {
    fn get(&self, key: &FactKey) -> Fact<'_> {
        let request = self.request;
        let property = |name| owned(request.property(name));
        match key {
            FactKey::VisitorId => self.person.map_or(Fact::Absent, |person| Fact::text(person.visitor)),
            FactKey::UserId => self.person.and_then(|person| person.user).map_or(Fact::Absent, Fact::text),
            FactKey::VisitorType => {
                Fact::text(if self.person.is_some_and(|person| person.returning) { "returning" } else { "new" })
            }
            FactKey::Url => Fact::text(request.url.whole),
            FactKey::Host => Fact::text(request.url.host_name()),
            FactKey::Path => Fact::text(request.url.path),
            FactKey::Method => Fact::text(request.method),
            FactKey::Query(name) => owned(request.url.parameter(name)),
            FactKey::Utm(name) => owned(request.url.parameter(&format!("utm_{name}"))),
            FactKey::Cookie(name) => request.cookie(name).map_or(Fact::Absent, Fact::text),
            FactKey::Header(name) => owned(request.header(name)),
            // why: only who calls for decisions says more than a request does
            FactKey::Custom(_) => Fact::Absent,
            FactKey::Referrer => owned(request.header("referer")),
            FactKey::ReferrerHost => owned(request.referrer_host()),
            FactKey::Language => owned(request.header("accept-language").and_then(|value| first_language(&value))),
            FactKey::Device => Fact::text(request.agent().device.as_str()),
            FactKey::Os => Fact::text(request.agent().os.as_str()),
            FactKey::Browser => Fact::text(request.agent().browser.as_str()),
            FactKey::BrowserVersion => Fact::Text(Cow::Owned(request.browser_version())),
            FactKey::Country => property("country"),
            FactKey::Region => property("region"),
            FactKey::RegionCode => property("regionCode"),
            FactKey::City => property("city"),
            FactKey::Continent => property("continent"),
            FactKey::PostalCode => property("postalCode"),
            FactKey::Timezone => property("timezone"),
            FactKey::Colo => property("colo"),
            // why: Cloudflare sends "1" for members of the European Union and nothing for the others
            FactKey::IsEu => Fact::Bool(request.property("isEUCountry").is_some_and(|value| value == "1")),
            FactKey::Asn => {
                request.property("asn").and_then(|asn| read_decimal(&asn)).map_or(Fact::Absent, Fact::Number)
            }
        }
    }
}

fn owned(value: Option<String>) -> Fact<'static> {
    value.map_or(Fact::Absent, |value| Fact::Text(Cow::Owned(value)))
}

/// The first language of an `Accept-Language` header, as browsers spell it: `de-CH` of `de-CH, en;q=0.8`. They send them in
/// the order of preference, so weights need no reading.
fn first_language(header: &str) -> Option<String> {
    let tag = header.split([',', ';']).next()?.trim();
    (!tag.is_empty() && tag != "*").then(|| tag.to_owned())
}
