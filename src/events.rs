//! Decisions and outcomes → events of the telemetry contract; ids; parsing of what outsiders send.
//!
//! The types here are the contract: `schema/events.schema.json` is generated from them, the archive holds them line by
//! line, and the consumer reads them back with [`Message::parse`], which refuses what the record could not hold.

mod bounds;
mod check;
mod exposure;
pub mod health;
pub mod identity;
pub mod limit;
pub mod money;
pub mod personal;
mod problem;
mod properties;
mod reader;
pub mod reception;
pub mod shopify;
pub mod signature;
pub mod versions;
mod batch;

pub use batch::Batch;
pub(crate) use check::minor_value;
pub use exposure::{
    CalledBy, HOLDOUT, PageViewRef, Shared, called_exposure, exposure, exposure_id, page_view, waited_exposure,
};
pub use problem::Problem;

use health::OriginHealth;
use money::{Currency, Decimal};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The version of the message's form.
pub const SCHEMA: u32 = 2;

/// The most events that one queue message carries.
pub const MAX_EVENTS: usize = 100;

/// The most visits that one queue message carries; some have no events, and only tell how the origin is.
pub const MAX_VISITS: usize = 100;

/// One queue message: what one isolate has to tell of one or several visits.
///
/// Of schema 1, which [`Message::parse`] reads too, a message was one visit, its fields beside `schema` and `source`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Message {
    /// The version of the message's form: 2.
    pub schema: u32,
    /// The random id of the isolate that sent it.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1, max = 64)))]
    pub source: String,
    /// The visits, with at most 100 events together.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 100)))]
    pub visits: Vec<Visit>,
}

/// The events of one request; none where it only tells how the origin is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Visit {
    /// How many visits the isolate told of before it: what never arrives leaves a gap.
    pub seq: u64,
    /// What the isolate served until then, as running totals; where crawlers came since it last told of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<Served>,
    /// How the origin answered each variant's group, at most 64 rows: every now and then, where it is news.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 64)))]
    pub health: Vec<OriginHealth>,
    /// The events, at most 100.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 100)))]
    pub events: Vec<Event>,
}

/// What an isolate served since it started. Totals that only rise, so that of two messages the later says more, in
/// whatever order they arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Served {
    /// Requests of crawlers on pages with experiments.
    pub crawlers: u64,
    /// Requests of people on pages with experiments.
    pub visits: u64,
}

/// Something that happened to a unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Event {
    /// Its id, 128 bits as 32 hexadecimal digits: the same event delivered twice is stored once.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(regex(pattern = "^[0-9a-f]{32}$")))]
    pub id: String,
    /// The project.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 200)))]
    pub project: String,
    /// The document's revision.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 200)))]
    pub config_revision: String,
    /// When the worker saw it, RFC 3339 in UTC with milliseconds.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 24)))]
    pub at: String,
    /// The visitor id.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 256)))]
    pub anonymous_id: Option<String>,
    /// The shop's user id: an opaque key, never an e-mail address.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 256)))]
    pub user_id: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(tag = "type")]
pub enum What {
    /// A unit met a variant.
    #[serde(rename = "experiment_exposed")]
    Exposed(Exposure),
    /// An outcome.
    #[serde(rename = "experiment_converted")]
    Converted(Conversion),
    /// An experiment, or one variant of it, was stopped before its time.
    #[serde(rename = "experiment_ended_early")]
    EndedEarly(EndedEarly),
    /// From here on `anonymous_id` and `user_id` are one person.
    #[serde(rename = "identified")]
    Identified,
}

/// A unit met a variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Exposure {
    /// The experiment's id.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 64)))]
    pub experiment_id: String,
    /// Its iteration.
    pub iteration: u32,
    /// The variant's id.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 64)))]
    pub variant: String,
    /// Who was assigned: `visitor`, `user` or `session`.
    #[serde(default = "visitor")]
    pub unit: String,
    /// The session's id, where that is the unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 256)))]
    pub session_id: Option<String>,
    /// How the unit came by it: `split`, `sticky`, or `reported` by somebody else.
    pub reason: String,
    /// When the unit met it.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 24)))]
    pub exposed_at: String,
    /// The page view.
    pub request: PageView,
    /// Versions of the models and services that made the page, by name: at most 16.
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
    /// Whether the variant's origin failed, so that the unit was shown the control's page: it counts for the variant it was
    /// assigned all the same, since leaving it out would leave out whom the failure met.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fallback: bool,
}

/// What is kept of a page view: no address, no user agent, no query.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct PageView {
    /// The host.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 253)))]
    pub host: String,
    /// The path; a segment that looks personal reads `[removed]`.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 1024)))]
    pub path: String,
    /// The method.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 32)))]
    pub method: String,
    /// The country, ISO 3166-1 alpha-2.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 64)))]
    pub country: Option<String>,
    /// The region within the country, by its name.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 64)))]
    pub region: Option<String>,
    /// `mobile`, `tablet` or `desktop`.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 64)))]
    pub device: Option<String>,
    /// The browser's name.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 64)))]
    pub browser: Option<String>,
    /// The host of the page that linked here.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 253)))]
    pub referrer_host: Option<String>,
    /// `new` or `returning`.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 64)))]
    pub visitor_type: Option<String>,
    /// Whether the visitor was logged in; absent where whoever told of it cannot know.
    #[serde(default)]
    pub logged_in: Option<bool>,
}

/// An outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Conversion {
    /// What happened, as the document's metrics name it: `purchase`.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 64)))]
    pub conversion_event: String,
    /// What it was worth, in the currency's major unit; negative where money went back.
    #[serde(default)]
    pub value: Option<Decimal>,
    /// The currency, ISO 4217. A value without one is kept in hundredths.
    #[serde(default)]
    pub currency: Option<Currency>,
    /// The shop's number of the order: the same one counts once for each `conversion_event`.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 128)))]
    pub transaction_id: Option<String>,
    /// The `transaction_id` of the order whose money goes back: its person is this event's person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 128)))]
    pub refund_of: Option<String>,
    /// The session that it happened in, where the producer knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 256)))]
    pub session_id: Option<String>,
    /// When it happened.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 24)))]
    pub converted_at: String,
    /// The experiment that the shop sees it under; the readout attributes by person and time, and does not need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 64)))]
    pub experiment_id: Option<String>,
    /// See `experiment_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 64)))]
    pub variant: Option<String>,
    /// Who reported it. Of two reports of one id a server's is kept, not a page's.
    pub channel: Channel,
    /// What else the shop wants to know of it; texts that look personal read `[removed]`.
    #[serde(default)]
    pub properties: Map<String, Value>,
}

/// Who reported an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A script of the page: anybody's browser can say so.
    Page,
    /// A server of the shop, with its signature.
    Server,
    /// Shopify, with its signature.
    Shopify,
}

impl Channel {
    /// The word for it in events and in the record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Server => "server",
            Self::Shopify => "shopify",
        }
    }
}

/// An experiment, or one variant of it, was stopped before its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct EndedEarly {
    /// The experiment's id.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 64)))]
    pub experiment_id: String,
    /// The variant that was stopped; absent: all of it.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 64)))]
    pub variant: Option<String>,
    /// Why.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 256)))]
    pub ended_reason: String,
    /// When.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = 24)))]
    pub ended_at: String,
}

fn visitor() -> String {
    "visitor".to_owned()
}

#[allow(clippy::trivially_copy_pass_by_ref)] // why: serde asks with a reference
fn is_false(flag: &bool) -> bool {
    !flag
}

/// A message as it comes, of whichever schema.
#[derive(Deserialize)]
struct Incoming<V> {
    source: String,
    #[serde(flatten)]
    visits: V,
}

/// Of schema 2.
#[derive(Deserialize)]
struct Visits {
    visits: Vec<Visit>,
}

/// Why a message cannot be taken into the record. It names the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageError(Unfit);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Unfit {
    Malformed { schema: u32, why: String },
    Unknown { schema: u32 },
    TooMany { what: &'static str, number: usize, most: usize },
    Field(String),
}

impl std::fmt::Display for MessageError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Unfit::Malformed { schema, why } => write!(out, "not a message of schema {schema}: {why}"),
            Unfit::Unknown { schema } => {
                write!(out, "schema {schema} is not known here (this build knows 1 and {SCHEMA})")
            }
            Unfit::TooMany { what, number, most } => {
                write!(out, "{number} {what} are more than a message carries ({most})")
            }
            Unfit::Field(problem) => out.write_str(problem),
        }
    }
}

impl std::error::Error for MessageError {}

impl Message {
    /// Reads a message as the queue delivers it, of schema 1 or 2.
    ///
    /// # Errors
    ///
    /// Why it cannot be taken into the record: no JSON of this form, another version, too many events, or a field that
    /// holds what no producer writes. It names the field.
    pub fn parse(text: &str) -> Result<Self, MessageError> {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        // why: of another version the number is the better answer than the first field that differs
        let schema = serde_json::from_str(text).map_or(SCHEMA, |Version { schema }| schema);
        let malformed = |error: serde_json::Error| MessageError(Unfit::Malformed { schema, why: error.to_string() });
        let (source, visits) = match schema {
            1 => {
                let Incoming { source, visits } = serde_json::from_str::<Incoming<Visit>>(text).map_err(malformed)?;
                (source, vec![visits])
            }
            SCHEMA => {
                let Incoming { source, visits } = serde_json::from_str::<Incoming<Visits>>(text).map_err(malformed)?;
                (source, visits.visits)
            }
            _ => return Err(MessageError(Unfit::Unknown { schema })),
        };
        let mut message = Self { schema: SCHEMA, source, visits };
        for exposure in message.exposures_mut() {
            // why: producers of before did not bound what they kept of a page view, and an exposure is worth more than that
            exposure.request = std::mem::take(&mut exposure.request).bounded();
        }
        let events = message.events().count();
        if events > MAX_EVENTS {
            return Err(MessageError(Unfit::TooMany { what: "events", number: events, most: MAX_EVENTS }));
        }
        if message.visits.len() > MAX_VISITS {
            let number = message.visits.len();
            return Err(MessageError(Unfit::TooMany { what: "visits", number, most: MAX_VISITS }));
        }
        check::check(&message).map_err(|problem| MessageError(Unfit::Field(problem.to_string())))?;
        Ok(message)
    }

    fn exposures_mut(&mut self) -> impl Iterator<Item = &mut Exposure> {
        self.visits.iter_mut().flat_map(|visit| &mut visit.events).filter_map(|event| match &mut event.what {
            What::Exposed(exposure) => Some(exposure),
            _ => None,
        })
    }

    /// The events of all its visits.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.visits.iter().flat_map(|visit| &visit.events)
    }
}
