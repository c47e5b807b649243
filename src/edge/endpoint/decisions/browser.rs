//! Decisions for a browser: identity, place and device are its request's.

use crate::decide::{Asker, Decision};
use crate::decisions::{BrowserContext, Call, Caller, Units, decide_call, depends_on_people};
use crate::edge::endpoint::people::{self, News};
use crate::edge::isolate::{self, Loaded, Secrets};
use crate::edge::sender::{entropy, token_holds};
use crate::edge::source::Incoming;
use crate::execution::{Besides, called};
use crate::facts::{Facts, Person, Request as Facted, Source};
use crate::plan::Plan;
use crate::sender::{self, Sender};
use crate::url::Url;
use crate::visit::{self, Joined, Question, World};
use crate::visitor::assignments::Assignments;
use crate::visitor::{Consented, Visitor, named};
use serde_json::{Map, Value};
use worker::{Env, web_sys};

/// What was decided for who is asked about, and what follows of it.
#[derive(Default)]
pub(super) struct Decided {
    /// Whose exposures may be recorded; nobody's without consent.
    pub(super) units: Units,
    /// The decisions that count as met, by position.
    pub(super) met: Vec<usize>,
    /// What was met before, and waited for consent.
    pub(super) besides: Vec<Besides>,
    pub(super) decisions: Vec<Decision>,
    pub(super) cookies: Vec<String>,
    pub(super) news: Option<News>,
    /// Whether it depends on what only somebody else knows, and may change at any time.
    pub(super) is_fleeting: bool,
}

/// Decides for the visitor of a browser.
pub(super) async fn decide_for_browser(
    request: &web_sys::Request,
    env: &Env,
    loaded: &Loaded,
    call: &Call,
    (units, attributes, caller): (&Units, &Map<String, Value>, Caller<'_>),
    now: i64,
) -> Decided {
    let plan: &Plan = &loaded.plan;
    let source = Incoming::unseen(request.as_ref());
    let own = request.url();
    let meant = call.url().map(Url::split);
    let facted = Facted::new("GET", Url::split(&own), &source, &loaded.crawlers);
    let decided = |visitor: &Visitor| {
        let person = Person::of(visitor, &[]);
        let facts = Facts { request: &facted, person: Some(person) };
        let facts = BrowserContext { facts, url: meant, attributes };
        let asker = match visitor.consent {
            Consented::OnlyEssential => Asker::Essential(person),
            Consented::All | Consented::Waits => Asker::Person(person),
        };
        decide_call(plan, call.asked(), meant, &facts, asker, now)
    };
    let (mut sender, is_fleeting) = recognised(plan, call, &facted, (caller, &decided), env, now).await;
    if let (Caller::OtherSite(_), Sender::Person(visitor)) = (caller, &mut sender) {
        // why: cookies do not travel there, so it says itself who is meant
        let Some(id) = units.visitor.as_deref().and_then(|id| named(&plan.visitor, id)) else {
            // why: `Call::read` lets nobody through without
            return Decided::default();
        };
        (visitor.id, visitor.user, visitor.session) = (id, None, None);
        visitor.assignments = Assignments::default();
        visitor.returning = true;
    }
    let visitor = match &sender {
        Sender::Person(visitor) => visitor,
        other => {
            let facts = Facts { request: &facted, person: None };
            let facts = BrowserContext { facts, url: meant, attributes };
            let page = meant.map_or_else(String::new, |url| [url.host, url.path].concat());
            let asker = if matches!(other, Sender::Crawler) { Asker::Crawler(&page) } else { Asker::NoConsent };
            let decisions = decide_call(plan, call.asked(), meant, &facts, asker, now);
            return Decided { decisions, ..Decided::default() };
        }
    };
    let decisions = decided(visitor);
    let consents = visitor.consent == Consented::All;
    // why: a page that is only prepared for may never be seen
    let may_be_met = call.may_expose() && !sender::is_prefetch(&facted);
    let exposes = may_be_met.then_some(|decision: &Decision| call.exposes(plan, decision));
    let followed =
        called(plan, visitor, (&decisions, exposes), &Url::split(&own), Secrets::known().own.as_deref(), now);
    let object = visitor.user.as_deref().map(|user| crate::person::object_name(&plan.project, user));
    let news = object.map(|object| (object, followed.shown_to_user)).filter(|(_, shown)| !shown.is_empty());
    let known = || Units {
        visitor: Some(visitor.id.as_str().to_owned()),
        user: visitor.user.clone(),
        session: visitor.session.as_ref().map(|(id, _)| id.as_str().to_owned()),
    };
    let units = if consents { known() } else { Units::default() };
    let cookies = if caller == Caller::Browser { followed.cookies } else { Vec::new() };
    Decided { units, met: followed.first, besides: followed.besides, decisions, cookies, news, is_fleeting }
}

/// Who sent the call, once the runtime was asked what only it can tell: whether a user's token is signed, and what the
/// user was assigned on other devices. And whether that may change at any time.
async fn recognised<S: Source>(
    plan: &Plan,
    call: &Call,
    request: &Facted<'_, S>,
    (caller, decided): (Caller<'_>, impl Fn(&Visitor) -> Vec<Decision>),
    env: &Env,
    now: i64,
) -> (Sender, bool) {
    let asked = call.asked();
    let secrets = Secrets::known();
    let has_people = isolate::with(|it| it.has_people).unwrap_or(false);
    let is_joined = has_people && caller == Caller::Browser && depends_on_people(plan, asked);
    let joined = if is_joined { Joined::NotYet } else { Joined::Never };
    let mut world = World { joined, ..secrets.world(now) };
    let mut sender = sender::identify(plan, &asked.0, request, world.proof(), entropy);
    if caller != Caller::Browser {
        return (sender, false);
    }
    let mut is_fleeting = false;
    loop {
        let Sender::Person(visitor) = &mut sender else { return (sender, is_fleeting) };
        let question = visit::question(plan, visitor, world);
        // why: what is not met is not kept, so it would be asked with every call
        let asks_of_new = question.is_none() && is_joined && call.may_expose() && visitor.user.is_some();
        let asked_of_new = || visit::question_of_new(plan, visitor, &decided(visitor), world);
        match question.or_else(|| asks_of_new.then(asked_of_new).flatten()) {
            None => return (sender, is_fleeting),
            Some(Question::Join { object, shown }) => {
                let answer = people::join(&[Some((object, shown))], env, now).await.pop().flatten();
                let joined = answer.as_deref().map_or(Joined::Late, Joined::Answer);
                visit::question(plan, visitor, World { joined, ..world });
                return (sender, true);
            }
            Some(question) => {
                is_fleeting = true;
                let unproven = visitor.unproven.take();
                let Some(token) = unproven.filter(|_| world.token_holds.is_none()) else {
                    return (sender, is_fleeting);
                };
                let holds = match token_holds(&token, None, now) {
                    Some(holds) => holds,
                    None => token_holds(&token, Some(people::is_signed(&question, env).await), now) == Some(true),
                };
                world.token_holds = Some(holds);
                sender = sender::identify(plan, &asked.0, request, world.proof(), entropy);
            }
        }
    }
}
