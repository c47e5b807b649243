//! The engine for whoever needs no worker to ask: a document in, decisions out, the same as everywhere else.
//!
//! This is the small surface that other programs build on; it keeps its shape between versions of one major number. What
//! stands above it in this crate is how the worker and the tool are made, and changes as they need it.
//!
//! ```
//! use sortition_engine::engine::{Engine, Who};
//!
//! let document = r#"{"version": 1, "project": "acme-shop", "experiments": [{"id": "hero", "status": "running",
//!     "variants": [{"id": "control", "weight": 1}, {"id": "bold", "weight": 1, "payload": {"text": "Tents that stand"}}]}]}"#;
//! let engine = Engine::new(document).map_err(|problems| problems[0].to_string())?;
//! let who = Who::visitor("7c1f8a52-8a0e-4b6c-9d3e-1f2a3b4c5d6e");
//! let now = 1_795_737_600_000;
//! let chosen = engine.decide(&["hero"], &who, now).map_err(|unknown| unknown.message)?;
//! assert_eq!((chosen[0].experiment, chosen[0].variant, chosen[0].payload), ("hero", Some("bold"), Some("{\"text\":\"Tents that stand\"}")));
//! # Ok::<(), String>(())
//! ```

pub use crate::decisions::Units;
pub use crate::document::{Problem, Severity};
pub use crate::plan::KillError;

use crate::decide::Reason;
use crate::decisions::{Ask, Call, CallAnswer, Caller, Route, decide_for_server, text_of, too_long};
use crate::document::{Document, Kind};
use crate::plan::{Kill, Plan};
use crate::visitor::assignments::Assignments;
use serde_json::{Map, Value};

/// A document, checked and compiled. It asks nobody, has no clock, and is shared between threads as it is.
#[derive(Clone, Debug)]
pub struct Engine {
    /// The document as it was written.
    compiled: Plan,
    /// The same with the kill switch.
    plan: Plan,
}

/// Whom decisions are for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Who {
    /// The ids: each experiment is assigned by the one of its own kind.
    pub units: Units,
    /// Facts by their names (`country`, `device`, `cookie.plan`); everything else is asked for as `custom.*`.
    pub attributes: Map<String, Value>,
    /// The page that is meant; without one pages and hosts are not asked.
    pub url: Option<String>,
}

impl Who {
    /// A visitor, by the id of the cookie `sortition_id`, or of the header `Sortition-Visitor`.
    #[must_use]
    pub fn visitor(id: &str) -> Self {
        Self { units: Units { visitor: Some(id.to_owned()), ..Units::default() }, ..Self::default() }
    }

    /// A user, by the shop's id.
    #[must_use]
    pub fn user(id: &str) -> Self {
        Self { units: Units { user: Some(id.to_owned()), ..Units::default() }, ..Self::default() }
    }

    /// The same with a fact.
    #[must_use]
    pub fn with(mut self, fact: &str, value: impl Into<Value>) -> Self {
        self.attributes.insert(fact.to_owned(), value.into());
        self
    }
}

/// What one experiment is for somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen<'a> {
    /// The experiment's id.
    pub experiment: &'a str,
    /// Which start-over it is.
    pub iteration: u32,
    /// The variant's id; none where the unit is not in the experiment: then show what you show without it.
    pub variant: Option<&'a str>,
    /// The variant's payload, as JSON.
    pub payload: Option<&'a str>,
    /// The rule that decided.
    pub reason: Reason,
    /// Whether meeting the variant is an exposure to report.
    pub counts: bool,
}

impl Engine {
    /// Reads, checks and compiles a document.
    ///
    /// # Errors
    ///
    /// Every problem that makes it refused, each with its place: `experiments[2].variants[0].weight: …`.
    pub fn new(document: &str) -> Result<Self, Vec<Problem>> {
        let document = Document::parse(document).map_err(|problem| vec![problem])?;
        let compiled = Plan::compile(&document)?;
        Ok(Self { plan: compiled.clone(), compiled })
    }

    /// Sets the kill switch to what the key `kill` holds: `{"all": true}`, `{"experiments": ["hero"]}`, or `{}` for none.
    ///
    /// # Errors
    ///
    /// Where it cannot be read. Then the switch stays as it was.
    pub fn kill(&mut self, kill: &str) -> Result<(), KillError> {
        let kill = Kill::parse(kill)?;
        let mut plan = self.compiled.clone();
        plan.apply(&kill);
        self.plan = plan;
        Ok(())
    }

    /// The document's revision.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.plan.revision
    }

    /// Decides for the experiments of these names (ids or keys; none: all of them), in the document's order, at a time in
    /// milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// A name that nobody has, with the nearest one.
    pub fn decide(&self, names: &[&str], who: &Who, now: i64) -> Result<Vec<Chosen<'_>>, crate::decisions::Unknown> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let asked = Ask { names, tags: Vec::new() }.find(&self.plan)?;
        let nothing = Assignments::default();
        let about = (&who.units, &who.attributes);
        let decisions = decide_for_server(&self.plan, &asked, about, who.url.as_deref(), &nothing, now);
        let chosen = decisions.into_iter().filter_map(|decision| {
            let e = self.plan.experiments.get(decision.experiment)?;
            let variant = decision.variant.and_then(|variant| e.variants.get(variant));
            Some(Chosen {
                experiment: &e.id,
                iteration: e.iteration,
                variant: variant.map(|variant| &*variant.id),
                payload: variant.and_then(|variant| variant.payload.as_deref()),
                reason: decision.reason,
                counts: e.kind == Kind::Experiment && matches!(decision.reason, Reason::Split | Reason::Sticky),
            })
        });
        Ok(chosen.collect())
    }

    /// The answer to a call, status, headers and body as the worker would give them to a server with the token: `choose`,
    /// or OFREP's `ofrep/v1/evaluate/flags` and `ofrep/v1/evaluate/flags/{key}`. `None` where there is no such path.
    /// Nothing is recorded: report what was met.
    #[must_use]
    pub fn answer(&self, path: &str, body: &[u8], if_none_match: Option<&str>, now: i64) -> Option<CallAnswer> {
        let route = Route::of(path)?;
        if body.len() > route.longest_body() {
            return Some(too_long(&route));
        }
        Some(self.answered(route, body, if_none_match, now).unwrap_or_else(|refused| refused))
    }

    fn answered(
        &self,
        route: Route,
        body: &[u8],
        if_none_match: Option<&str>,
        now: i64,
    ) -> Result<CallAnswer, CallAnswer> {
        let text = text_of(&route, body)?;
        let call = Call::read(&self.plan, route, Caller::Server, text)?;
        let nothing = Assignments::default();
        let decided: Vec<_> = call
            .units()
            .map(|(units, facts)| {
                let about = (units, facts);
                (units.clone(), decide_for_server(&self.plan, call.asked(), about, call.url(), &nothing, now))
            })
            .collect();
        Ok(call.answer(&self.plan, &decided, if_none_match))
    }
}
