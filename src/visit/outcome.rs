//! What is to be done for a request, as data.

use crate::document::TokenAlgorithm;
use crate::events::Batch;
use crate::execution::rewriting::Call;
use crate::execution::{Besides, Charset, HeaderChange, NotRewritten, VariantOrigin};
use crate::plan::{ExperimentAt, VariantAt};

/// What to do next for a request.
#[derive(Clone, Debug)]
pub enum Outcome<'a> {
    /// Answer without asking the origin: a redirect, or the start of a preview.
    Answer(OwnAnswer<'a>),
    /// Ask the origin.
    Forward(Forward<'a>),
    /// Ask a variant's own origin; what came of it goes to `variant_origin_answered` or `variant_origin_failed`.
    VariantOrigin(VariantOriginRequest),
    /// Take a copy that visitors share, if there is one.
    SharedCopy(SharedCopy<'a>),
    /// Ask something first, and begin once more with what came of it.
    Ask(Question),
}

/// What only the runtime can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether a user's token is signed.
    Verify {
        /// The algorithm.
        alg: TokenAlgorithm,
        /// The key as a JSON Web Key; empty: it is in `USER_JWT_SECRET`.
        key: String,
        /// What is signed.
        signed: String,
        /// The signature, as URL-safe base64.
        signature: String,
        /// When the token expires, in milliseconds since 1970.
        expires_at: i64,
    },
    /// What a user was assigned on other devices.
    Join {
        /// The name of the object that keeps it.
        object: String,
        /// What this device has shown, as [`crate::person::merge`] takes it.
        shown: String,
    },
}

/// An answer of our own, without a body.
#[derive(Clone, Debug)]
pub struct OwnAnswer<'a> {
    /// The status.
    pub status: u16,
    /// The exposures that go with it.
    pub events: Batch,
    /// Its headers.
    pub changes: &'a [HeaderChange],
}

/// A request to the origin.
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a> {
    /// How it differs from the one that came.
    pub changes: &'a [HeaderChange],
}

/// A request to a variant's own origin.
#[derive(Clone, Debug)]
pub struct VariantOriginRequest {
    /// Where it is.
    pub origin: VariantOrigin,
    /// How the request differs from the one that came.
    pub changes: Vec<HeaderChange>,
}

/// A page that may come from a copy.
#[derive(Clone, Debug)]
pub struct SharedCopy<'a> {
    /// What tells copies of the page apart: the variants that the origin renders, as it is told them.
    pub variants: &'a str,
    /// What is made of the copy for this visitor, where that may be kept for others.
    pub body: Option<SharedBody>,
    /// What to do where there is none.
    pub otherwise: Forward<'a>,
}

impl SharedCopy<'_> {
    /// Whether a copy may be answered without a body, since the client has it.
    #[must_use]
    pub fn is_conditional(&self) -> bool {
        self.otherwise.changes.iter().any(|change| matches!(change, HeaderChange::Set("If-None-Match", _)))
    }
}

/// What tells a finished body from others of the same copy: everything of the visitor that it depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedBody {
    /// The treatments whose steps change it: experiment and variant, by position in the visit's plan.
    pub steps: Vec<(ExperimentAt, VariantAt)>,
    /// The experiments that may wait until an element is met, by position: whoever keeps the body notes which were.
    pub watchable: Vec<ExperimentAt>,
    /// The variants that the page's scripts are told; empty where they are told nothing.
    pub told: String,
    /// Whether the client reads gzip.
    pub gzip: bool,
}

/// What becomes of the origin's answer.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The decisions that the visitor was exposed to by it, by position among the intent's.
    pub exposed: Vec<usize>,
    /// What its body goes through, if anything.
    pub rewriting: Option<Rewriting>,
    /// Why it leaves as it came although it was to be rewritten.
    pub not_rewritten: Option<NotRewritten>,
    /// Changes to its headers.
    pub changes: Vec<HeaderChange>,
    /// Exposures beside the page's own.
    pub besides: Vec<Besides>,
    /// What it shows the user for the first time, as [`crate::person::merge`] takes it.
    pub shown_to_user: String,
}

impl Finish {
    /// The experiments that are watched for, by position in the visit's plan.
    pub fn watched(&self) -> impl Iterator<Item = ExperimentAt> {
        self.rewriting.iter().flat_map(|rewriting| &rewriting.watched).map(|watched| watched.experiment)
    }
}

/// What a page's body goes through.
#[derive(Clone, Debug, Default)]
pub struct Rewriting {
    /// The treatments whose steps change it: experiment and variant, by position in the visit's plan.
    pub steps: Vec<(ExperimentAt, VariantAt)>,
    /// How text is put into it.
    pub charset: Charset,
    /// The `Content-Type` that the rewriter is given in place of the page's.
    pub relabelled: Option<&'static str>,
    /// The calls that put the decision for the page's scripts and the bar of a preview into it.
    pub additions: Vec<Call<'static>>,
    /// What is to be noticed in it.
    pub watched: Vec<Watched>,
    /// Whether the origin's tag stands for its very bytes: what is known of one page under that tag is true of all.
    pub is_tagged: bool,
}

/// An experiment whose elements are watched for.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The experiment, by position in the visit's plan.
    pub experiment: ExperimentAt,
    /// What the exposure is remembered by.
    pub key: u64,
    /// The exposure, for when one of them is met.
    pub exposure: Batch,
}
