//! What to do for one request, complete before the origin is asked.

use super::{HeaderChange, VARIANTS, VISITOR, caching, sticky};
use crate::decide::{Asker, Decision, Reason, decide};
use crate::document::{Bridge, Display, Status};
use crate::facts::{Facts, Person, Request, Source};
use crate::hash;
use crate::person;
use crate::plan::{ExperimentAt, Plan, Variant, VariantAt};
use crate::sender::{PreviewRequest, Sender};
use crate::sort::sort_by_key;
use crate::visitor::assignments::{Assignments, mark_of};
use crate::visitor::{Consented, Marks, Visitor};

/// What to do for one request.
#[derive(Debug)]
pub struct Intent {
    /// What was decided, in the document's order.
    pub decisions: Vec<Decision>,
    /// Who sent the request.
    pub sender: Sender,
    /// Whether the browser only prepares for a visit that may never happen.
    pub prefetch: bool,
    /// What the request says about previews.
    pub preview: PreviewRequest,
    /// The URL of the page that this one stands in for in a redirect experiment.
    pub canonical: Option<String>,
    /// The request's method.
    pub method: Box<str>,
    /// The request's URL.
    pub url: Box<str>,
    /// When the request was decided, in milliseconds since 1970.
    pub now: i64,
    /// The variants as the origin is told them: an RFC 9651 dictionary; empty: it is told nothing.
    pub told_origin: String,
    /// The variants as the client is told them.
    pub told_client: String,
    /// Whether another visitor might get another answer.
    pub depends_on_visitor: bool,
    /// What tells this answer's validators from those of other variants; `None` where the answer is the origin's own.
    pub(super) validator: Option<String>,
    /// The decisions, by position, that this isolate exposed today; see [`Intent::recall`].
    pub(super) exposed_before: Vec<usize>,
    /// The experiments whose variant could not be served, by position in the plan.
    pub(super) fallen_back: Vec<ExperimentAt>,
    /// Whether a redirect led here again and again, and is not carried out for that.
    pub(super) came_back: bool,
    /// The treatments, as experiment and variant by position, those of higher priority first.
    carried_out: Vec<(ExperimentAt, VariantAt)>,
    /// What the visitor is assigned from now on, before anything of this request is exposed.
    pub(super) assignments: Assignments,
}

/// A variant that is carried out.
#[derive(Clone, Copy, Debug)]
pub struct Treatment<'a> {
    /// The experiment's position in the plan.
    pub experiment: ExperimentAt,
    /// The variant's position in the experiment.
    pub variant_at: VariantAt,
    /// The variant.
    pub variant: &'a Variant,
}

impl Intent {
    /// Decides for a request and works out what follows.
    #[inline(never)]
    pub fn new<S: Source>(
        plan: &Plan,
        on_page: &[ExperimentAt],
        request: &Request<'_, S>,
        sender: Sender,
        preview: PreviewRequest,
        now: i64,
    ) -> Self {
        let chosen = chosen(plan, &preview);
        let page;
        let (person, asker) = match &sender {
            Sender::Crawler => {
                page = [request.url.host_name(), request.url.path].concat();
                (None, Asker::Crawler(&page))
            }
            Sender::NoConsent => (None, Asker::NoConsent),
            Sender::Person(visitor) => {
                let person = Person::of(visitor, &chosen);
                let is_essential = visitor.consent == Consented::OnlyEssential;
                (Some(person), if is_essential { Asker::Essential(person) } else { Asker::Person(person) })
            }
        };
        let decisions = decide(plan, on_page, &Facts { request, person }, asker, now);
        let assignments = match &sender {
            Sender::Person(visitor) => sticky::assigned(plan, &decisions, visitor, now),
            _ => Assignments::default(),
        };
        let mut intent = Self {
            depends_on_visitor: decisions.iter().any(|decision| decision.reason.depends_on_visitor()),
            decisions,
            preview,
            canonical: plan.canonical_of(&request.url, now),
            prefetch: crate::sender::is_prefetch(request),
            method: request.method.into(),
            url: request.url.whole.into(),
            now,
            told_origin: String::new(),
            told_client: String::new(),
            validator: None,
            exposed_before: Vec::new(),
            fallen_back: Vec::new(),
            came_back: false,
            carried_out: Vec::new(),
            assignments,
            sender,
        };
        intent.retell(plan);
        intent
    }

    /// Works out again what follows from the decisions.
    pub(super) fn retell(&mut self, plan: &Plan) {
        let served = |decision: &Decision| !self.fell_back(decision.experiment);
        let to_origin = |it: &Decision| served(it) && (it.reason.acts() || it.reason.tells_origin());
        let told_origin = list(plan, &self.decisions, to_origin);
        let told_client = list(plan, &self.decisions, |it| served(it) && it.reason.acts());
        (self.told_origin, self.told_client) = (told_origin, told_client);
        self.carried_out = self.to_carry_out(plan);
        let changed = self.depends_on_visitor || !self.carried_out.is_empty();
        let shown = self.shown(plan);
        self.validator = changed.then(|| {
            let (revision, told) = (&plan.revision, &self.told_origin);
            // why: the origin hears of the control also where there is no consent, or a kill. A 304 on that page, once there
            // is consent, would keep one without a bridge, and expose the treatment's visitors but not the control's
            if self.told_client == *told {
                hash::validator(&[revision, told, &shown])
            } else {
                hash::validator(&[revision, told, &shown, &self.told_client])
            }
        });
    }

    /// Whether the page is shown by a preview.
    #[must_use]
    pub fn is_preview(&self) -> bool {
        matches!(self.preview, PreviewRequest::Active(_))
    }

    /// The person who sent the request, if it was one.
    #[must_use]
    pub fn visitor(&self) -> Option<&Visitor> {
        match &self.sender {
            Sender::Person(visitor) => Some(visitor),
            _ => None,
        }
    }

    /// The variants to carry out, those of higher priority first, so that a later one builds on what they left.
    pub fn treatments<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = Treatment<'a>> {
        self.carried_out.iter().filter_map(|&(experiment, variant_at)| {
            let variant = plan.experiments.get(experiment)?.variants.get(variant_at)?;
            Some(Treatment { experiment, variant_at, variant })
        })
    }

    #[inline(never)]
    fn to_carry_out(&self, plan: &Plan) -> Vec<(ExperimentAt, VariantAt)> {
        let mut found = Vec::new();
        for decision in self.decisions.iter().filter(|decision| !self.fell_back(decision.experiment)) {
            let (true, Some(variant_at), Some(e)) = (
                decision.reason.acts() || decision.reason == Reason::Crawler,
                decision.variant,
                plan.experiments.get(decision.experiment),
            ) else {
                continue;
            };
            if e.variants.get(variant_at).is_some_and(Variant::acts) && self.is_displayed(plan, decision.experiment) {
                found.push((e.priority, decision.experiment, variant_at));
            }
        }
        if found.len() > 1 {
            sort_by_key(&mut found, |(priority, _, _)| core::cmp::Reverse(*priority));
        }
        found.into_iter().map(|(_, experiment, variant_at)| (experiment, variant_at)).collect()
    }

    /// Which treatments that are not displayed always are displayed on this page view: with and without one a page is
    /// another.
    fn shown(&self, plan: &Plan) -> String {
        self.treatments(plan)
            .filter(|treatment| {
                plan.experiments.get(treatment.experiment).is_some_and(|e| e.display != Display::Always)
            })
            .map(|treatment| format!("{} ", treatment.variant.header_member))
            .collect()
    }

    /// Whether this page view is one on which the experiment shows its treatment.
    pub(super) fn is_displayed(&self, plan: &Plan, experiment: ExperimentAt) -> bool {
        self.visitor().is_none_or(|visitor| sticky::is_displayed(plan, experiment, visitor, self.now))
    }

    /// Whether some step changes the HTML, if it can be rewritten.
    #[must_use]
    pub fn rewrites(&self, plan: &Plan) -> bool {
        &*self.method == "GET" && self.changes_page(plan)
    }

    /// Whether the page that a GET is answered by is changed, if it can be rewritten.
    pub(super) fn changes_page(&self, plan: &Plan) -> bool {
        self.treatments(plan).any(|treatment| !treatment.variant.rewrite.is_empty())
            || self.has_bridge(plan)
            || self.is_preview()
    }

    /// Whether the answer might expose the visitor to something for the first time.
    #[must_use]
    pub fn may_expose(&self, plan: &Plan) -> bool {
        let Some(visitor) = self.visitor().filter(|_| !self.prefetch && !self.is_preview()) else { return false };
        if visitor.consent != Consented::All {
            return false;
        }
        let is_first = |it| sticky::is_first(plan, &self.assignments, it, visitor, self.now);
        self.decisions.iter().any(is_first)
            || sticky::has_waiting(&self.assignments)
            || sticky::holdout_group(plan, &self.assignments, visitor).is_some()
    }

    /// Whether there is something that the visitor would meet for the first time by this answer, if it came in full.
    fn has_unmet(&self, plan: &Plan) -> bool {
        let Some(visitor) = self.visitor().filter(|_| !self.prefetch && !self.is_preview()) else { return false };
        if visitor.consent == Consented::OnlyEssential || &*self.method != "GET" {
            return false;
        }
        self.decisions.iter().any(|it| sticky::is_unmet(plan, &self.assignments, it, visitor, self.now))
            || sticky::holdout_group(plan, &self.assignments, visitor).is_some()
    }

    /// Takes in which user the visitor is, by the origin's word, with what they were assigned on other devices;
    /// `answer`: none came in time.
    pub fn join(&mut self, plan: &Plan, user: &str, answer: Option<&str>) {
        let marks = Marks { user: Some(mark_of(user)), ..self.visitor().map(Marks::of).unwrap_or_default() };
        person::join(plan, &mut self.assignments, marks, answer, self.now);
    }

    /// The decision as the page's scripts are told it, as JSON text: `{"variants":{…},"payload":{…}}`.
    #[must_use]
    pub fn bridge(&self, plan: &Plan) -> Option<String> {
        self.has_bridge(plan).then(|| self.bridged(plan))
    }

    fn has_bridge(&self, plan: &Plan) -> bool {
        plan.bridge != Bridge::None && !self.told_client.is_empty() && self.visitor().is_some()
    }

    #[inline(never)]
    fn bridged(&self, plan: &Plan) -> String {
        let (mut variants, mut payloads) = (String::new(), String::new());
        let served = |decision: &&Decision| decision.reason.acts() && !self.fell_back(decision.experiment);
        for decision in self.decisions.iter().filter(served) {
            let Some(e) = plan.experiments.get(decision.experiment) else { continue };
            let Some(variant) = decision.variant.and_then(|index| e.variants.get(index)) else { continue };
            // why: ids have no character that JSON would escape
            let start = if variants.is_empty() { "\"" } else { ",\"" };
            [start, &*e.id, "\":\"", &*variant.id, "\""].iter().for_each(|piece| variants.push_str(piece));
            if let Some(payload) = variant.payload.as_deref().filter(|payload| *payload != "null") {
                let start = if payloads.is_empty() { "\"" } else { ",\"" };
                [start, &*e.id, "\":", payload].iter().for_each(|piece| payloads.push_str(piece));
            }
        }
        ["{\"variants\":{", &variants, "},\"payload\":{", &payloads, "}}"].concat()
    }

    /// How the request to the origin differs from the one that came.
    #[inline(never)]
    pub fn for_origin<S: Source>(&self, plan: &Plan, request: &Request<'_, S>) -> Vec<HeaderChange> {
        let mut changes = Vec::with_capacity(4);
        if plan.headers.to_origin {
            let told = self.told_in_chain(plan);
            if !told.is_empty() {
                changes.push(HeaderChange::Set(VARIANTS, told));
            }
            if let Some(visitor) = self.visitor().filter(|_| self.depends_on_visitor) {
                changes.push(HeaderChange::Set(VISITOR, visitor.id.as_str().to_owned()));
            }
        }
        let rewrites = self.rewrites(plan);
        if let Some(validator) = &self.validator {
            caching::unscope_request(validator, request, rewrites, || self.has_unmet(plan), &mut changes);
        }
        if rewrites {
            caching::ask_for_whole_readable_page(request, &mut changes);
        }
        changes
    }
}

impl Variant {
    /// Whether it does anything that the control would not.
    fn acts(&self) -> bool {
        !self.rewrite.is_empty()
            || self.redirect.is_some()
            || self.origin.is_some()
            || !self.response_headers.is_empty()
    }
}

/// The variants that a preview asks for, by index; what the plan does not have is left out.
fn chosen(plan: &Plan, preview: &PreviewRequest) -> Vec<(ExperimentAt, VariantAt)> {
    let PreviewRequest::Active(token) = preview else { return Vec::new() };
    let position = |experiment: &str, variant: &str| {
        let index = plan.experiment(experiment)?;
        Some((index, plan.experiments.get(index)?.variant(variant)?))
    };
    token.choices.iter().filter_map(|(experiment, variant)| position(experiment.as_str(), variant.as_str())).collect()
}

pub(super) fn list(plan: &Plan, decisions: &[Decision], told: impl Fn(&Decision) -> bool) -> String {
    let mut text = String::new();
    for decision in decisions.iter().filter(|decision| told(decision)) {
        let Some(e) = plan.experiments.get(decision.experiment) else { continue };
        // why: a kill of everything also reaches what was never on, and the origin has no business with that
        if decision.reason == Reason::Killed && e.status != Status::Running {
            continue;
        }
        let Some(variant) = decision.variant.and_then(|index| e.variants.get(index)) else { continue };
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&variant.header_member);
    }
    text
}
