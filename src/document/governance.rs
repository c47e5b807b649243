//! Who is told, who must agree, and what was decided.

use super::scalar::words;
use super::{Id, Method, Timestamp};
use serde::{Deserialize, Serialize};

/// Who is told what: one, or several.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected {\"url\": \"https://…\"} or a list of such")]
pub enum Notify {
    /// One.
    One(Notice),
    /// Several.
    Several(Vec<Notice>),
}

impl Notify {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Notice] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(all) => all,
        }
    }
}

/// Where news of experiments are posted, and which.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// Where the news is posted, signed with `SORTITION_SECRET`: an `https` URL.
    pub url: String,
    /// Which news; absent: an end that nobody ordered.
    #[serde(default = "ended")]
    pub on: Vec<News>,
    /// How it is written.
    #[serde(default)]
    pub format: NewsFormat,
}

fn ended() -> Vec<News> {
    vec![News::Ended]
}

words! {
    /// What can be told of an experiment.
    News {
        /// It was ended without anybody.
        #[default] Ended,
        /// A gate of data quality turned red.
        Gate,
        /// A guardrail is broken.
        Guardrail,
        /// A ramp step waits.
        Held,
        /// A ramp step that waited was taken.
        Released,
        /// The planned number of units is reached.
        Size,
        /// The planned end is reached.
        End,
        /// A variant won.
        Winner,
        /// No exposure arrived for an hour after the start.
        Silent,
        /// An event of a metric was never seen.
        Unseen,
    }
}

words! {
    /// How news is written.
    NewsFormat {
        /// As JSON, for programs.
        #[default] Json,
        /// As a message for Slack.
        Slack,
    }
}

/// What the team insists on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// How many people must approve an experiment of high risk before it is pushed.
    pub approvals: u32,
    /// How many days an experiment runs at least before a verdict; absent: 7, which then binds the readout alone, while
    /// `check` refuses a shorter plan where it is written.
    pub min_days: Option<u32>,
    /// Metrics that every experiment has among its guardrails.
    pub guardrails: Vec<Id>,
    /// The methods of analysis that are allowed; none: all.
    pub methods: Vec<Method>,
    /// The repository that holds this document, for changes from the pages of results.
    pub git: Option<GitRepository>,
}

impl Policy {
    /// The days before a verdict where nothing is written: one whole week, for people buy otherwise on its other days.
    const USUAL_DAYS: u32 = 7;

    /// How many days an experiment runs at least before a verdict.
    #[must_use]
    pub fn least_days(&self) -> u32 {
        self.min_days.unwrap_or(Self::USUAL_DAYS)
    }
}

/// Where the document is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GitRepository {
    /// Owner and name on GitHub: `acme/shop`.
    pub repository: String,
    /// The document's path in it.
    pub path: String,
    /// The branch that pull requests go to.
    #[serde(default = "main_branch")]
    pub branch: String,
    /// The base URL of the API, where it is not GitHub's own.
    #[serde(default)]
    pub api: Option<String>,
}

fn main_branch() -> String {
    "main".to_owned()
}

/// Decisions by call.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ApiSettings {
    /// Origins of other sites whose pages may ask, such as `https://app.example`.
    pub cors_origins: Vec<String>,
    /// How long a client may use an answer without asking, in seconds.
    pub max_age_seconds: u32,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self { cors_origins: Vec::new(), max_age_seconds: 60 }
    }
}

/// What becomes of the record.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RecordSettings {
    /// How many days after its decision an experiment's exposures are kept; absent: for ever.
    pub keep_days: Option<u32>,
}

/// What was decided of an experiment; `sortition decide` writes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DecisionRecord {
    /// What.
    pub what: Verdict,
    /// The variant that ships.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<Id>,
    /// Who decided.
    #[serde(default)]
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: String,
    /// The revision of the document that it was decided by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The result in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

words! {
    /// What can be decided.
    Verdict {
        /// A variant goes to everybody.
        #[default] Ship,
        /// The control stays.
        Keep,
        /// It could not be told.
        Inconclusive,
        /// It was stopped for another reason.
        Abort,
    }
}

/// Somebody's agreement: a name, or a name with a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected a name, or {\"by\": …, \"at\": …}")]
pub enum Approval {
    /// A name.
    Name(String),
    /// A name with a time.
    Dated(DatedApproval),
}

/// A name with a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DatedApproval {
    /// Who.
    pub by: String,
    /// When.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

impl Approval {
    /// Who approved.
    #[must_use]
    pub fn by(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Dated(dated) => &dated.by,
        }
    }
}
