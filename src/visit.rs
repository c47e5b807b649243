//! **The one pipeline**: a request as data → what to do next, and then the origin's answer → what to send, expose and
//! count. Pure: the clock, the secret and the random numbers are arguments, and whatever has to be asked outside is an
//! [`Outcome`] that somebody else carries out. The worker, `sortition explain`, `replay` and the tests all go this way.
//!
//! The way of a request:
//!
//! 1. [`lane`]: by method and URL alone, which way it goes. Most requests end here.
//! 2. [`begin`]: whether it is a page view at all ([`RequestKind`]), and then who asks, what is decided, what follows. The visit holds its plan from here to its last event.
//! 3. [`Visit::next`]: the [`Outcome`] to carry out. Where the outside must be asked first (a variant origin, a copy that
//!    visitors share), a method of the visit takes what came of it, and `next` is asked again.
//! 4. [`Visit::finish`]: the head of the answer → its changes, what rewrites it, what was met ([`Finish`]).
//!
//! Where new things go: an answer that needs something else from outside is a variant of [`Outcome`], a method here that
//! takes what came of it, a line in `codec.rs` and in `edge/decode.js`, and an example in `fixtures/boundary`. A new
//! reason for an answer of our own belongs to `execution::early`, a new header of an answer to `execution::reply`. What
//! is asked of the runtime while carrying an outcome out belongs to `edge/entry.js`, which decides nothing.

mod codec;
mod explained;
mod kind;
mod lane;
mod outcome;
mod question;
mod world;

pub use codec::{encode_finish, encode_outcome, encode_question, encode_reply, is_header_value};
pub use kind::RequestKind;
pub use lane::{ENDPOINTS, Lane, is_reserved, lane};
pub use outcome::{
    Finish, Forward, Outcome, OwnAnswer, Question, Rewriting, SharedBody, SharedCopy, VariantOriginRequest, Watched,
};
use question::join_question;
pub use question::{question, question_of_new};
pub use world::{Joined, World};

use crate::decide::Decision;
use crate::document::{Bridge, Expose, Preview};
use crate::events::{Batch, Shared, page_view, versions};
use crate::execution::breaker::Breakers;
use crate::execution::once::Exposed;
use crate::execution::shared::reads_gzip;
use crate::execution::{Answer, Besides, Charset, Early, HeaderChange, Intent, VARIANTS, rewriting};
use crate::facts::{Request, Source};
use crate::person;
use crate::plan::{ExperimentAt, Plan, VariantAt};
use crate::sender::{PreviewRequest, Sender, identify, preview};
use crate::visitor::preview as preview_token;
use crate::visitor::token::{self, Unverified};
use crate::visitor::{Consented, Marks, Visitor};
use std::ops::Deref;

/// The circuit of the objects that keep what users were assigned.
pub const PEOPLE: &str = "PEOPLE";

/// The circuit of redirects whose target sends visitors back.
const REDIRECTS: &str = "redirects";

/// Response headers that an origin sends for us alone, in lower case.
pub const INTERNAL_HEADERS: [&str; 5] =
    ["sortition-user", "sortition-expose", "sortition-versions", "sortition-visitor", "sortition-handover"];

/// Begins a visit; `None` where nothing applies: the request is forwarded as it came, and answered as the origin answers.
/// That is decided before anybody is given an identity.
pub fn begin<P: Deref<Target = Plan>, S: Source>(
    plan: P,
    request: &Request<'_, S>,
    world: World<'_>,
    entropy: impl FnMut() -> [u8; 16],
) -> Option<Visit<P>> {
    let on_page = applicable(&plan, request, world.now)?;
    Some(Visit::begin_on(plan, on_page, request, world, entropy))
}

/// The experiments of a page where something of ours may apply to the request: one of them, a preview, a page that a
/// redirect leads to, or a copy that visitors share; `None`: nothing may.
fn applicable<S: Source>(plan: &Plan, request: &Request<'_, S>, now: i64) -> Option<Vec<ExperimentAt>> {
    let kind = RequestKind::of(request);
    if kind == RequestKind::Resource {
        return None;
    }
    let on_page = on_page(plan, request, kind);
    let applies = !on_page.is_empty()
        || plan.shares(request.method, &request.url)
        || (kind == RequestKind::Navigation
            // why: a form or a preflight that is sent elsewhere, or answered by us, would be lost
            && request.only_reads()
            && (plan.canonical_of(&request.url, now).is_some()
                || (plan.preview != Preview::Off && asks_preview(request))));
    applies.then_some(on_page)
}

fn asks_preview<S: Source>(request: &Request<'_, S>) -> bool {
    request.url.query.contains(preview_token::NAME) || request.cookie(preview_token::NAME).is_some()
}

/// The experiments that a request of this kind may be in, in the document's order, whatever their state.
pub(crate) fn on_page<S: Source>(plan: &Plan, request: &Request<'_, S>, kind: RequestKind) -> Vec<ExperimentAt> {
    let mut on_page = plan.on_page(request.method, &request.url);
    on_page.retain(|&index| plan.experiments.get(index).is_some_and(|e| kind.may_be_in(&e.scope)));
    on_page
}

/// A page request under way: what was decided, and the plan that it was decided by.
///
/// `P` is how the plan is held: the worker shares one among its visits (`Rc<Plan>`), tools and tests lend one (`&Plan`).
#[derive(Debug)]
pub struct Visit<P> {
    plan: P,
    intent: Intent,
    /// How the request to the origin differs from the one that came.
    for_origin: Vec<HeaderChange>,
    early: Option<Early>,
    /// The variants that tell a shared copy from others, where the page may come from one.
    shared: Option<String>,
    /// Whether the client reads gzip, where there may be a finished body: the copy's, changed for whoever gets the same
    /// variants.
    reads_gzip: Option<bool>,
    /// The page view as JSON, where the answer might expose.
    page_view: String,
    secret: Option<Vec<u8>>,
    /// What has to be asked before this visit can be decided; it begins once more then.
    question: Option<Question>,
}

impl<P: Deref<Target = Plan>> Visit<P> {
    /// Decides for a request, whether or not anything applies to it. `entropy` gives 16 random bytes, and is only asked for an id that the request did not bring.
    pub fn begin<S: Source>(
        plan: P,
        request: &Request<'_, S>,
        world: World<'_>,
        entropy: impl FnMut() -> [u8; 16],
    ) -> Self {
        let on_page = on_page(&plan, request, RequestKind::of(request));
        Self::begin_on(plan, on_page, request, world, entropy)
    }

    /// The same where the experiments of the page are known.
    fn begin_on<S: Source>(
        plan: P,
        on_page: Vec<ExperimentAt>,
        request: &Request<'_, S>,
        world: World<'_>,
        entropy: impl FnMut() -> [u8; 16],
    ) -> Self {
        let world = world.checked();
        let mut sender = identify(&plan, &on_page, request, world.proof(), entropy);
        let question = match &mut sender {
            Sender::Person(visitor) => question(&plan, visitor, world),
            _ => None,
        };
        let visit = Self::of(plan, on_page, request, sender, world);
        let asked_of_new = || question_of_new(&visit.plan, visit.intent.visitor()?, &visit.intent.decisions, world);
        let question = question.or_else(asked_of_new);
        Self { question, ..visit }
    }

    /// The same for a visitor who is recognised already, as those are whom a simulation makes.
    pub fn of_visitor<S: Source>(plan: P, request: &Request<'_, S>, visitor: Visitor, world: World<'_>) -> Self {
        let on_page = on_page(&plan, request, RequestKind::of(request));
        Self::of(plan, on_page, request, Sender::Person(Box::new(visitor)), world.checked())
    }

    fn of<S: Source>(
        plan: P,
        mut on_page: Vec<ExperimentAt>,
        request: &Request<'_, S>,
        sender: Sender,
        world: World<'_>,
    ) -> Self {
        let World { now, exposed, secret, .. } = world;
        let preview = match sender {
            Sender::Crawler => PreviewRequest::None,
            _ => preview(&plan, request, secret, now),
        };
        if !matches!(preview, PreviewRequest::Active(_)) {
            on_page.retain(|&index| plan.experiments.get(index).is_some_and(|experiment| experiment.is_live(now)));
        }
        let mut intent = Intent::new(&plan, &on_page, request, sender, preview, now);
        if let Some(exposed) = exposed {
            intent.recall(&plan, exposed);
        }
        // why: it may withdraw what the origin would be told
        let early = intent.early(&plan, request, secret);
        let mut for_origin = intent.for_origin(&plan, request);
        intent.hand_over(&plan, secret, &mut for_origin);
        let page_view =
            if intent.may_expose(&plan) { page_view(&plan, &intent, request).to_json() } else { String::new() };
        let shared = intent.shared(&plan, request);
        Self {
            early,
            for_origin,
            // why: what is the same for everybody is the copy itself, and a preview is nobody else's
            reads_gzip: (shared.is_some() && intent.depends_on_visitor && !intent.is_preview())
                .then(|| reads_gzip(request)),
            shared,
            page_view,
            secret: secret.map(<[u8]>::to_vec),
            intent,
            plan,
            question: None,
        }
    }

    /// The plan that the visit keeps.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What was decided, and for whom.
    #[must_use]
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// How the request to the origin differs from the one that came.
    #[must_use]
    pub fn for_origin(&self) -> &[HeaderChange] {
        &self.for_origin
    }

    /// The decisions and what follows of them, without the plan.
    #[must_use]
    pub fn into_intent(self) -> Intent {
        self.intent
    }

    /// The user's token of which it has to be asked whether it is signed.
    #[must_use]
    pub fn unproven(&self) -> Option<&Unverified> {
        self.intent.visitor()?.unproven.as_ref().filter(|_| self.question.is_some())
    }

    /// The answer that needs no origin, if there is one.
    #[must_use]
    pub fn early(&self) -> Option<&Early> {
        self.early.as_ref()
    }

    /// What to do next. `breakers` know which variant origins keep failing; `now` in milliseconds since 1970.
    pub fn next(&mut self, breakers: &mut Breakers, now: f64) -> Outcome<'_> {
        match self.question.take() {
            Some(question @ Question::Verify { .. }) => return Outcome::Ask(question),
            // why: an object that does not answer is not waited for by everybody
            Some(question) if breakers.admits(PEOPLE, now) => return Outcome::Ask(question),
            _ => {}
        }
        if self.intent.take_came_back() {
            breakers.fell_back(REDIRECTS);
        }
        if self.early.is_none()
            && let Some(origin) = self.intent.variant_origin(&self.plan)
        {
            let circuit = Breakers::circuit(origin.base.as_deref(), &origin.path_prefix);
            if breakers.admits(&circuit, now) {
                let mut changes = self.for_origin.clone();
                origin.without_credentials(&mut changes);
                return Outcome::VariantOrigin(VariantOriginRequest { origin, changes });
            }
            breakers.fell_back(&circuit);
            self.withdraw(origin.experiment);
        }
        if let Some(early) = &self.early {
            let mut events = self.exposures(&early.exposed, None);
            self.push_besides(&mut events, &early.besides, None);
            return Outcome::Answer(OwnAnswer { status: early.status, events, changes: &early.changes });
        }
        let forward = Forward { changes: &self.for_origin };
        match &self.shared {
            Some(variants) => {
                Outcome::SharedCopy(SharedCopy { variants, body: self.shared_body(), otherwise: forward })
            }
            None => Outcome::Forward(forward),
        }
    }

    /// Takes note of what the variant origin answered; `status`: 0 where no answer came. Returns whether that is the
    /// visitor's answer; else it goes on with [`Visit::variant_origin_failed`].
    pub fn variant_origin_answered(&self, breakers: &mut Breakers, status: u16, now: f64) -> bool {
        if let Some(origin) = self.intent.variant_origin(&self.plan) {
            let circuit = Breakers::circuit(origin.base.as_deref(), &origin.path_prefix);
            breakers.settle(&circuit, (1..500).contains(&status), now);
        }
        self.intent.is_answered(status)
    }

    /// Takes the experiment out whose variant origin did not serve: [`Visit::next`] goes to the control origin then.
    /// `tried`: it was asked, and failed; else the request could not be sent twice. Returns the decisions whose groups
    /// met the failure, for the origin's health.
    pub fn variant_origin_failed(&mut self, breakers: &mut Breakers, tried: bool) -> Vec<Decision> {
        let Some(origin) = self.intent.variant_origin(&self.plan) else { return Vec::new() };
        let circuit = Breakers::circuit(origin.base.as_deref(), &origin.path_prefix);
        let mut met = Vec::new();
        if tried {
            met.extend(self.intent.decisions.iter().filter(|it| it.experiment == origin.experiment).copied());
        }
        breakers.fell_back(&circuit);
        self.withdraw(origin.experiment);
        met
    }

    /// Nothing of the experiment is done or told any more; the unit is exposed as assigned.
    fn withdraw(&mut self, experiment: ExperimentAt) {
        self.intent.withdraw(&self.plan, experiment);
        // why: it was told apart by what was decided before
        self.shared = None;
        self.for_origin.retain(|change| !matches!(change, HeaderChange::Set(name, _) if name == &VARIANTS));
        let told = self.intent.told_in_chain(&self.plan);
        if self.plan.headers.to_origin && !told.is_empty() {
            self.for_origin.push(HeaderChange::Set(VARIANTS, told));
        }
        self.intent.hand_over(&self.plan, self.secret.as_deref(), &mut self.for_origin);
    }

    /// What to do with the origin's answer.
    #[must_use]
    pub fn finish(&self, answer: &Answer<'_>) -> Finish {
        let reply = self.intent.reply(&self.plan, answer, self.secret.as_deref());
        let watched: Vec<Watched> =
            reply.watched.iter().filter_map(|&position| self.watched(position, answer)).collect();
        let rewriting = (reply.rewrite || !watched.is_empty()).then(|| Rewriting {
            charset: reply.charset,
            relabelled: reply.relabelled,
            steps: if reply.rewrite { self.steps() } else { Vec::new() },
            additions: if reply.rewrite { self.additions(reply.charset) } else { Vec::new() },
            watched,
            is_tagged: answer.is_tagged(),
        });
        let (exposed, besides, changes) = (reply.exposed, reply.besides, reply.changes);
        let (not_rewritten, shown_to_user) = (reply.not_rewritten, reply.shown_to_user);
        Finish { exposed, besides, rewriting, not_rewritten, changes, shown_to_user }
    }

    /// The exposures that go with an answer.
    #[must_use]
    pub fn exposures_of(&self, finish: &Finish, told: Option<&str>) -> Batch {
        let mut written = self.exposures(&finish.exposed, told);
        self.push_besides(&mut written, &finish.besides, told);
        written
    }

    fn push_besides(&self, written: &mut Batch, besides: &[Besides], told: Option<&str>) {
        if !besides.is_empty() {
            self.push_some_besides(written, besides, told);
        }
    }

    #[inline(never)]
    fn push_some_besides(&self, written: &mut Batch, besides: &[Besides], told: Option<&str>) {
        let shared = Shared { view: &self.page_view, versions: &versions::to_json(told) };
        written.push_besides(&self.intent, &self.plan, besides, shared);
    }

    /// What to ask where the origin says which user the visitor is, and this browser was not answered yet; the answer, or
    /// that none came in time, goes to [`Visit::join`] before [`Visit::finish`].
    #[must_use]
    pub fn question_of(&self, user: &str, breakers: &mut Breakers, now: f64) -> Option<Question> {
        let visitor = self.intent.visitor().filter(|it| it.user.is_none() && it.consent == Consented::All)?;
        let user = token::user(user)?;
        let marks = Marks::of_user(user);
        let question = join_question(&self.plan, &visitor.assignments, user, marks, self.intent.now)?;
        breakers.admits(PEOPLE, now).then_some(question)
    }

    /// Takes in what came of [`Visit::question_of`]; `None`: no answer came in time.
    pub fn join(&mut self, user: &str, answer: Option<&str>) {
        self.intent.join(&self.plan, user, answer);
    }

    /// The object that keeps the user's assignments, and what this answer shows for the first time, if anything does.
    #[must_use]
    #[inline(never)]
    pub fn news_of_user(&self, finish: Option<&Finish>) -> Option<(String, String)> {
        let shown = finish.map(|it| &it.shown_to_user).or(self.early.as_ref().map(|it| &it.shown_to_user))?;
        let user = self.intent.visitor()?.user.as_deref().filter(|_| !shown.is_empty())?;
        Some((person::object_name(&self.plan.project, user), shown.clone()))
    }

    /// The calls that put the bridge and a preview's bar into the page.
    fn additions(&self, charset: Charset) -> Vec<rewriting::Call<'static>> {
        let bridge = self.intent.bridge(&self.plan);
        let bar = self.intent.preview_bar(&self.plan, self.secret.as_deref());
        if bridge.is_none() && bar.is_none() {
            return Vec::new();
        }
        let is_script = self.plan.bridge == Bridge::Script;
        rewriting::additions(bridge.as_deref().map(|json| (json, is_script)), bar.as_deref(), charset)
    }

    /// What the body that is made of a shared copy depends on; `None` where it is no different for anybody, or not to be
    /// kept.
    fn shared_body(&self) -> Option<SharedBody> {
        let intent = &self.intent;
        let gzip = self.reads_gzip?;
        let waits = |decision: &Decision| {
            self.plan.experiments.get(decision.experiment).is_some_and(|e| e.expose == Expose::Selector)
        };
        let watchable = intent.decisions.iter().filter(|it| waits(it)).map(|it| it.experiment).collect();
        let is_told = self.plan.bridge != Bridge::None && intent.visitor().is_some();
        let told = if is_told { intent.told_client.clone() } else { String::new() };
        Some(SharedBody { steps: self.steps(), watchable, told, gzip })
    }

    /// The treatments whose steps the rewriter takes: experiment and variant, by position in the visit's plan.
    fn steps(&self) -> Vec<(ExperimentAt, VariantAt)> {
        let treatments = self.intent.treatments(&self.plan).filter(|treatment| !treatment.variant.rewrite.is_empty());
        treatments.map(|treatment| (treatment.experiment, treatment.variant_at)).collect()
    }

    fn watched(&self, position: usize, answer: &Answer<'_>) -> Option<Watched> {
        let experiment = self.intent.decisions.get(position)?.experiment;
        let key = self.intent.exposure_key(&self.plan, position)?;
        Some(Watched { experiment, key, exposure: self.exposures(&[position], answer.versions) })
    }

    /// Takes note of what was exposed by an answer, by position among the decisions.
    pub fn note(&self, exposed: &mut Exposed, positions: &[usize]) {
        // why: what the cookie keeps needs no other memory
        if !self.intent.may_overflow() {
            return;
        }
        for key in positions.iter().filter_map(|&position| self.intent.exposure_key(&self.plan, position)) {
            exposed.note(key, self.intent.now);
        }
    }

    /// The exposures of decisions, by their positions among the intent's. `told` is what the origin says of the versions
    /// that made the page.
    #[must_use]
    pub fn exposures(&self, positions: &[usize], told: Option<&str>) -> Batch {
        if positions.is_empty() {
            return Batch::default();
        }
        let shared = Shared { view: &self.page_view, versions: &versions::to_json(told) };
        Batch::exposures(&self.intent, &self.plan, positions, shared)
    }
}
