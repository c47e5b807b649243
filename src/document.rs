//! What people write: the experiment document, its types, and every check with the path of each problem.
//!
//! A document is text in git and in KV. [`Document::parse`] turns it into these types, which refuse what has no
//! meaning (a percentage of 120, an id with a blank), and [`check`] tells whether its parts fit together. Only a
//! checked document can be compiled into a plan.

mod analysis;
mod check;
#[cfg(not(target_arch = "wasm32"))]
mod env;
mod experiment;
mod governance;
mod metric;
mod packed;
mod page;
mod parse;
mod scalar;
#[cfg(not(target_arch = "wasm32"))]
mod schema;
mod takeover;
mod variant;

pub use analysis::{Analysis, Guardrail, GuardrailAct, Method, Metrics};
#[cfg(not(target_arch = "wasm32"))]
pub use check::{Checked, check_text};
pub use check::{HYPOTHESIS_TEMPLATE, PolicyProblems, check, policy, warnings};
#[cfg(not(target_arch = "wasm32"))]
pub use env::merge_env;
pub use experiment::{
    Allocation, Audience, Display, Experiment, Expose, Kind, Override, Protected, RampCondition, RampStep, Requirement,
    Risk, Rollback, RollbackCause, Seo, Status, UnitKind,
};
pub use governance::{
    ApiSettings, Approval, DatedApproval, DecisionRecord, GitRepository, News, NewsFormat, Notice, Notify, Policy,
    RecordSettings, Verdict,
};
pub use metric::{BUILT_IN_METRICS, Cuped, Direction, Metric, MetricKind, Numerator, Refunds};
pub use page::{Page, PageMatch, PageSubject};
pub use parse::{MAX_BYTES, Problem, Severity};
pub use scalar::{Id, JsonWebKey, Percent, Slots, Timestamp, Weight};
#[cfg(not(target_arch = "wasm32"))]
pub use schema::schema;
pub use takeover::{
    Adopt, AdoptFrom, Compared, CookieForm, CookieJson, CookieText, Hash, HashGate, HashSplit, Like, Mode, OwnHash,
    Shadow, TakenOver,
};
pub use variant::{Action, CACHING_HEADERS, OriginChange, Redirect, RewriteStep, Variant};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The newest document version that this build understands.
pub const VERSION: u32 = 1;

/// The experiment document of a project.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Where the JSON Schema of this document is, for editors.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The version of the document's form: 1. A worker refuses a version newer than it knows.
    pub version: u32,
    /// The project, as it stands in every event and in the salts.
    pub project: String,
    /// The revision, set by `push`; a page that is cached or an event names it.
    #[serde(default)]
    pub revision: Option<String>,
    /// The text before every bucket's salt; the project where absent. Changing it reshuffles everybody.
    #[serde(default)]
    pub salt: Option<String>,
    /// True: the control for everybody, no exposures.
    #[serde(default)]
    pub kill: bool,
    /// How visitors are recognised.
    #[serde(default)]
    pub visitor: VisitorSettings,
    /// Whose consent is needed before anything is assigned; absent: nobody's.
    #[serde(default)]
    pub consent: Option<Consent>,
    /// What crawlers get.
    #[serde(default)]
    pub crawlers: CrawlerSettings,
    /// Who is told the variants in headers.
    #[serde(default)]
    pub headers: HeaderSettings,
    /// How the decision is handed to scripts of the page.
    #[serde(default)]
    pub bridge: Bridge,
    /// Who may look at a variant without being assigned to it.
    #[serde(default)]
    pub preview: Preview,
    /// Other hosts that a redirect may lead to; the page's own host is always allowed.
    #[serde(default)]
    pub redirect_hosts: Vec<String>,
    /// Which pages are kept at the edge as one copy for all visitors; absent: none.
    #[serde(default)]
    pub cache: Option<Cache>,
    /// The share of units that no experiment touches.
    #[serde(default)]
    pub holdout: Holdout,
    /// The layers: experiments of one layer never meet, since each owns its slots.
    #[serde(default)]
    pub layers: BTreeMap<Id, Layer>,
    /// Named conditions, for experiments to share.
    #[serde(default)]
    pub audiences: BTreeMap<Id, serde_json::Value>,
    /// Named lists of values, for `$inGroup` and `$notInGroup`.
    #[serde(default)]
    pub groups: BTreeMap<String, Vec<serde_json::Value>>,
    /// What is measured.
    #[serde(default)]
    pub metrics: BTreeMap<Id, Metric>,
    /// Who is told what becomes of experiments.
    #[serde(default)]
    pub notify: Option<Notify>,
    /// What the team insists on.
    #[serde(default)]
    pub policy: Policy,
    /// Decisions by call.
    #[serde(default)]
    pub api: ApiSettings,
    /// What becomes of the record.
    #[serde(default)]
    pub record: RecordSettings,
    /// The experiments, in the order in which headers list them.
    pub experiments: Vec<Experiment>,
}

/// How visitors are recognised.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct VisitorSettings {
    /// The name of the cookie that holds the visitor id.
    pub cookie: String,
    /// How long the browser keeps it, in days.
    pub max_age_days: u32,
    /// The cookie's `Domain`; absent: the host of the page alone.
    pub domain: Option<String>,
    /// Whether scripts of the page are kept from reading the id.
    pub http_only: bool,
    /// Whether the id carries a tag under `SORTITION_SECRET`, so that nobody can choose one.
    pub signed: bool,
    /// The cookie that holds the shop's user id of a person who is logged in.
    pub user_cookie: Option<String>,
    /// The request header that holds it.
    pub user_header: Option<String>,
    /// Whether the user id carries a tag under `INGEST_SECRET`, so that nobody can choose one.
    pub user_signed: bool,
    /// A signed token that names the user.
    pub user_jwt: Option<UserToken>,
    /// How the visitor id stands in its cookie.
    pub read: CookieForm,
    /// Tools in whose cookies there may be assignments that are taken over on first sight.
    pub adopt: Vec<Adopt>,
}

/// A JSON Web Token (RFC 7519) that names the user. Exactly one of `cookie` and `header` is given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UserToken {
    /// The cookie that holds it.
    #[serde(default)]
    pub cookie: Option<String>,
    /// The request header that holds it, with or without `Bearer` before it.
    #[serde(default)]
    pub header: Option<String>,
    /// The claim that is the user id.
    #[serde(default = "subject")]
    pub claim: String,
    /// The algorithm; no other is accepted.
    pub alg: TokenAlgorithm,
    /// The key as a JSON Web Key (RFC 7517); absent: the secret `USER_JWT_SECRET`.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub key: Option<JsonWebKey>,
    /// The issuer that the token must name.
    #[serde(default)]
    pub iss: Option<String>,
    /// The audience that the token must name.
    #[serde(default)]
    pub aud: Option<String>,
}

fn subject() -> String {
    "sub".to_owned()
}

/// The algorithms that tokens may be signed with (RFC 7518).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub enum TokenAlgorithm {
    /// HMAC with SHA-256.
    HS256,
    /// RSA with SHA-256.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
}

impl Default for VisitorSettings {
    fn default() -> Self {
        Self {
            cookie: "sortition_id".to_owned(),
            max_age_days: 365,
            domain: None,
            http_only: false,
            signed: false,
            user_cookie: None,
            user_header: None,
            user_signed: false,
            user_jwt: None,
            read: CookieForm::default(),
            adopt: Vec::new(),
        }
    }
}

/// Whose consent is needed before anything is assigned.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// The cookie of the shop's consent banner.
    pub cookie: String,
    /// Its values that mean yes.
    pub granted: Vec<String>,
    /// Whether `Sec-GPC: 1` (Global Privacy Control) means no, whatever the cookie says.
    #[serde(default = "yes")]
    pub honor_gpc: bool,
    /// What happens before consent.
    #[serde(default)]
    pub mode: ConsentMode,
}

/// What happens before consent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConsentMode {
    /// Nothing: everybody gets the control, without a cookie.
    #[default]
    Strict,
    /// Visitors are assigned and keep their variant; nothing is sent or recorded until they consent.
    Hold,
}

fn yes() -> bool {
    true
}

/// What crawlers get.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CrawlerSettings {
    /// The variant they get.
    pub policy: CrawlerPolicy,
    /// Substrings of user agents that are crawlers too.
    pub also: Vec<String>,
    /// Substrings of user agents that are none, whatever the list says.
    pub except: Vec<String>,
}

/// The variant that a crawler gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CrawlerPolicy {
    /// The control of every experiment.
    #[default]
    Control,
    /// Each experiment's `baseline`.
    Baseline,
    /// A variant by a hash of the page, the same for all crawlers.
    Mirror,
}

/// Who is told the variants in headers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct HeaderSettings {
    /// `Sortition-Variants` and `Sortition-Visitor` on the request to the origin.
    pub to_origin: bool,
    /// `Sortition-Variants` on the answer to the client.
    pub to_client: bool,
}

impl Default for HeaderSettings {
    fn default() -> Self {
        Self { to_origin: true, to_client: true }
    }
}

/// How the decision is handed to scripts of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Bridge {
    /// Not at all.
    #[default]
    None,
    /// An attribute `data-sortition` of `<html>`.
    Attribute,
    /// A `<script type="application/json" id="sortition">` in `<head>`.
    Script,
}

/// Who may look at a variant without being assigned to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Preview {
    /// Whoever has a link signed with `SORTITION_SECRET`.
    #[default]
    Signed,
    /// Everybody: for local development.
    Open,
    /// Nobody.
    Off,
}

/// Which pages are kept at the edge, as the origin sent them, as one copy for all visitors. What is kept, the origin says:
/// answers of status 200 that are `public`, have a lifetime and set no cookie.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// The pages.
    pub pages: Vec<Page>,
}

/// The share of units that no experiment touches.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Holdout {
    /// In per cent, two decimals.
    pub percent: Percent,
    /// How many times as many units that are not held out are recorded to compare them with.
    pub compare: f64,
}

impl Default for Holdout {
    fn default() -> Self {
        Self { percent: Percent::default(), compare: 4.0 }
    }
}

/// A layer; experiments name it and own some of its 10,000 slots.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Layer {
    /// The share of the layer's units that none of its experiments touches, in per cent.
    pub holdout: Percent,
}
