//! What the tests of the engine share: documents from JSON, requests from maps, a browser that keeps its cookies, and
//! random numbers that are the same on every run.

use serde_json::{Value, json};
use sortition_engine::condition::{Attributes, Fact, FactKey};
use sortition_engine::decide::{Asker, Decision, Reason, decide};
use sortition_engine::document::{Document, Id, Timestamp};
use sortition_engine::execution::{Answer, HeaderChange, Intent};
use sortition_engine::facts::Person;
use sortition_engine::facts::{Request, Source};
use sortition_engine::hash::push_digits;
use sortition_engine::plan::{Experiment, ExperimentAt, Plan, Position, VariantAt, assignment_code, assignment_key};
use sortition_engine::url::Url;
use sortition_engine::visit::{Finish, Joined, Visit, World};
use sortition_engine::visitor::assignments::Assignments;
use sortition_engine::visitor::crawler::Crawlers;
use sortition_engine::visitor::preview::Token;
use std::collections::BTreeMap;

/// The position of the experiment with this number.
pub(crate) fn experiment_at(number: usize) -> ExperimentAt {
    ExperimentAt::from_number(number)
}

/// The position of the variant with this number.
pub(crate) fn variant_at(number: usize) -> VariantAt {
    VariantAt::from_number(number)
}

/// A browser of today, so that nobody takes the request for a crawler's.
pub(crate) const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
pub(crate) const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
pub(crate) const HOME: &str = "https://shop.example/";

/// The time of every test that does not turn the clock.
pub(crate) fn now() -> i64 {
    at("2026-11-21T12:00:00Z")
}

#[track_caller]
pub(crate) fn at(time: &str) -> i64 {
    time.parse::<Timestamp>().unwrap().millis()
}

/// `base` with the members of `more` put over its own.
pub(crate) fn with(mut base: Value, more: Value) -> Value {
    let members = base.as_object_mut().unwrap();
    for (name, value) in more.as_object().unwrap() {
        members.insert(name.clone(), value.clone());
    }
    base
}

pub(crate) fn shop(experiments: &[Value]) -> Value {
    json!({"version": 1, "project": "shop", "revision": "1", "experiments": experiments})
}

/// A running experiment of two even variants, `control` and `bold`.
pub(crate) fn running(id: &str, more: Value) -> Value {
    let plain = json!({
        "id": id, "status": "running",
        "variants": [{"id": "control", "weight": 50}, {"id": "bold", "weight": 50}],
    });
    with(plain, more)
}

/// Variants that do nothing, of these weights.
pub(crate) fn variants(weights: &[(&str, f64)]) -> Value {
    weights.iter().map(|(id, weight)| json!({"id": id, "weight": weight})).collect()
}

#[track_caller]
pub(crate) fn compile(document: &Value) -> Plan {
    compile_text(&document.to_string())
}

#[track_caller]
pub(crate) fn compile_text(text: &str) -> Plan {
    let document = Document::parse(text).unwrap_or_else(|problem| panic!("{problem}"));
    let plan = Plan::compile(&document).unwrap_or_else(|problems| panic!("{}", problems.first().unwrap()));
    // why: the worker decides by plans that were packed, so every test here does; `tests/edge/parity.test.mjs` compares
    // them with plans that were not
    Plan::from_bytes(&plan.to_bytes("content"), "content").expect("a plan is read as it was packed")
}

/// The experiment of a number, counted from 0.
#[track_caller]
pub(crate) fn nth(plan: &Plan, number: usize) -> &Experiment {
    plan.experiments.get(ExperimentAt::from_number(number)).unwrap()
}

/// The same, to be changed.
#[track_caller]
pub(crate) fn nth_mut(plan: &mut Plan, number: usize) -> &mut Experiment {
    plan.experiments.get_mut(ExperimentAt::from_number(number)).unwrap()
}

/// Facts that nobody knows.
pub(crate) struct NoFacts;

impl Attributes<FactKey> for NoFacts {
    fn get(&self, _: &FactKey) -> Fact<'_> {
        Fact::Absent
    }
}

/// The visitor of an id who brought nothing else.
pub(crate) fn visitor(id: &str) -> Person<'_> {
    static NOTHING: std::sync::LazyLock<Assignments> = std::sync::LazyLock::new(Assignments::default);
    Person { user: None, session: None, ..Person::with_id(id, &NOTHING) }
}

/// What a person gets of all experiments of a page, by position in the plan.
pub(crate) fn decide_for(plan: &Plan, on_page: &[usize], person: Person<'_>) -> Vec<Decision> {
    let on_page: Vec<ExperimentAt> = on_page.iter().copied().map(experiment_at).collect();
    decide(plan, &on_page, &NoFacts, Asker::Person(person), now())
}

/// The reason and variant of the one experiment of a plan, for a visitor without a past.
pub(crate) fn decide_one(plan: &Plan, id: &str) -> (Reason, Option<usize>) {
    decide_one_at(plan, id, now())
}

pub(crate) fn decide_one_at(plan: &Plan, id: &str, now: i64) -> (Reason, Option<usize>) {
    let decisions = decide(plan, &[experiment_at(0)], &NoFacts, Asker::Person(visitor(id)), now);
    (decisions[0].reason, decisions[0].variant.map(Position::number))
}

/// Request headers and properties of Cloudflare's, as maps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) properties: BTreeMap<String, String>,
}

impl Source for Sent {
    fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).cloned()
    }
    fn property(&self, name: &str) -> Option<String> {
        self.properties.get(name).cloned()
    }
}

impl Sent {
    pub(crate) fn by(user_agent: &str) -> Self {
        Self::default().header("user-agent", user_agent)
    }
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }
    /// The next request of the same browser, which has seen the page of [`HOME`].
    pub(crate) fn returning(&self, plan: &Plan) -> Self {
        let finish = Page::new(plan, HOME, self).visit(|| [7; 16]).finish(&html());
        let given = values(&finish.changes, "Set-Cookie");
        let given = given.iter().filter_map(|cookie| cookie.split(';').next());
        let cookies: Vec<&str> = self.headers.get("cookie").map(String::as_str).into_iter().chain(given).collect();
        self.clone().header("cookie", &cookies.join("; "))
    }
    pub(crate) fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// One page request, from its headers to what follows of them.
pub(crate) struct Page<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    pub(crate) sent: &'a Sent,
    pub(crate) crawlers: Crawlers,
    pub(crate) preview: &'a [(usize, usize)],
    pub(crate) secret: Option<&'a [u8]>,
    pub(crate) now: i64,
}

impl<'a> Page<'a> {
    pub(crate) fn new(plan: &'a Plan, url: &'a str, sent: &'a Sent) -> Self {
        let crawlers = Crawlers::new(&plan.crawler_also, &plan.crawler_except);
        Self { plan, method: "GET", url, sent, crawlers, preview: &[], secret: None, now: now() }
    }

    pub(crate) fn request(&self) -> Request<'_, Sent> {
        Request::new(self.method, Url::split(self.url), self.sent, &self.crawlers)
    }

    /// What the pipeline needs of the world.
    pub(crate) fn world(&self) -> World<'a> {
        World { now: self.now, secret: self.secret, ..World::default() }
    }

    /// The pipeline up to the decision in a world of its own.
    pub(crate) fn visit_in(&self, world: World<'_>, entropy: impl FnMut() -> [u8; 16]) -> Visit<&'a Plan> {
        Visit::begin(self.plan, &self.request(), world, entropy)
    }

    /// The pipeline up to the decision, with random bytes for ids that the request did not bring.
    pub(crate) fn visit(&self, entropy: impl FnMut() -> [u8; 16]) -> Visit<&'a Plan> {
        let world = self.world();
        if self.preview.is_empty() {
            return Visit::begin(self.plan, &self.request(), world, entropy);
        }
        let id = |text: &str| Id::new(text).unwrap();
        let choice = |&(experiment, variant): &(usize, usize)| {
            let e = nth(self.plan, experiment);
            (id(&e.id), id(&e.variants[variant].id))
        };
        let token =
            Token { choices: self.preview.iter().map(choice).collect(), expires_at: Some(self.now / 1000 + 3600) };
        let secret = self.secret.unwrap_or(b"the secret of a test");
        let kept = format!("sortition_preview={}", token.write(Some(secret)));
        let cookie = self.sent.headers.get("cookie").map_or(kept.clone(), |cookie| format!("{cookie}; {kept}"));
        let sent = self.sent.clone().header("cookie", &cookie);
        let request = Request::new(self.method, Url::split(self.url), &sent, &self.crawlers);
        Visit::begin(self.plan, &request, World { secret: Some(secret), ..world }, entropy)
    }

    /// What was decided.
    pub(crate) fn intent(&self, entropy: impl FnMut() -> [u8; 16]) -> Intent {
        self.visit(entropy).into_intent()
    }
}

/// The answer that most pages give.
pub(crate) fn html() -> Answer<'static> {
    Answer { status: 200, content_type: Some("text/html; charset=utf-8"), ..Answer::default() }
}

/// The reason and variant of an experiment, by ids; `page` where it is not on the page.
pub(crate) fn outcome(plan: &Plan, decisions: &[Decision], id: &str) -> (Reason, Option<String>) {
    let index = plan.experiment(id).unwrap();
    let decision = decisions.iter().find(|decision| decision.experiment == index);
    decision.map_or((Reason::Page, None), |decision| {
        let e = plan.experiments.get(index).unwrap();
        let variant = decision.variant.map(|variant| e.variants.get(variant).unwrap().id.to_string());
        (decision.reason, variant)
    })
}

/// The values that a reply or request change sets or appends under a name.
pub(crate) fn values<'a>(changes: &'a [HeaderChange], name: &str) -> Vec<&'a str> {
    changes
        .iter()
        .filter_map(|change| match change {
            HeaderChange::Set(key, value) | HeaderChange::Append(key, value) if *key == name => Some(&**value),
            _ => None,
        })
        .collect()
}

pub(crate) fn removes(changes: &[HeaderChange], name: &str) -> bool {
    changes.iter().any(|change| matches!(change, HeaderChange::Remove(key) if *key == name))
}

/// A browser: keeps the cookies that it is sent, and sends them back.
pub(crate) struct Browser {
    pub(crate) sent: Sent,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) random: Random,
    pub(crate) now: i64,
}

impl Browser {
    pub(crate) fn new(seed: u64) -> Self {
        Self { sent: Sent::by(CHROME), cookies: BTreeMap::new(), random: Random(seed), now: now() }
    }

    pub(crate) fn visit(&mut self, plan: &Plan, url: &str) -> (Intent, Finish) {
        self.visit_answered(plan, url, &html())
    }

    pub(crate) fn visit_answered(&mut self, plan: &Plan, url: &str, answer: &Answer<'_>) -> (Intent, Finish) {
        let visit = self.begin(plan, url, Joined::Never);
        let finish = visit.finish(answer);
        self.take(values(&finish.changes, "Set-Cookie"));
        (visit.into_intent(), finish)
    }

    /// The pipeline up to the decision; `joined`: what came of asking for the user's other devices.
    pub(crate) fn begin<'a>(&mut self, plan: &'a Plan, url: &str, joined: Joined<'_>) -> Visit<&'a Plan> {
        let mut sent = self.sent.clone();
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            sent = sent.header("cookie", &pairs.join("; "));
        }
        let crawlers = Crawlers::new(&plan.crawler_also, &plan.crawler_except);
        let request = Request::new("GET", Url::split(url), &sent, &crawlers);
        let world = World { now: self.now, joined, ..World::default() };
        Visit::begin(plan, &request, world, || self.random.bytes())
    }

    /// Keeps the cookies of `Set-Cookie` headers.
    pub(crate) fn take(&mut self, cookies: Vec<&str>) {
        for cookie in cookies {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Whether the assignment cookie says that the browser has this variant.
    pub(crate) fn has(&self, experiment: &str, iteration: u32, variant: &str) -> bool {
        let (key, code) = (assignment_key(experiment, iteration), assignment_code(experiment, iteration, variant));
        let mut text = String::new();
        [key, code].iter().for_each(|number| push_digits((*number).into(), 4, &mut text));
        self.cookies.get("sortition_as").is_some_and(|value| value.contains(&text))
    }

    /// Closes the browser: session cookies go.
    pub(crate) fn restart(&mut self) {
        self.cookies.remove("sortition_session");
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): small, fast, and the same numbers on every run.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next().to_le_bytes());
        bytes[8..].copy_from_slice(&self.next().to_le_bytes());
        bytes
    }

    /// 32 random hexadecimal digits in the groups of a UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
        let (d, e) = (low >> 48, low & 0xffff_ffff_ffff);
        format!("{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last + 1));
        }
    }
}

/// A plan, where the document is one.
pub(crate) fn try_compile(document: &Value) -> Option<Plan> {
    Plan::compile(&Document::parse(&document.to_string()).ok()?).ok()
}
