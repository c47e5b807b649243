//! Request → who sent it. The one place that knows which header means what about a visitor.

pub(crate) mod adoption;

use crate::document::{Consent, ConsentMode, Preview, UserToken};
use crate::facts::{Request, Source};
use crate::plan::{Experiment, ExperimentAt, Plan};
use crate::visitor::assignments::{self, Assignments, Bearer, IdProof};
use crate::visitor::cookies;
use crate::visitor::handover::Handover;
use crate::visitor::preview::{self, Token};
use crate::visitor::token::{self, UserProof};
use crate::visitor::{Consented, SESSION_COOKIE, VISITOR_COOKIE, Visitor, VisitorId, foreign, is_foreign, named};

/// Who sent a request.
#[derive(Clone, Debug)]
pub enum Sender {
    /// A crawler.
    Crawler,
    /// A person who has not consented. Cookies that they still have rest.
    NoConsent,
    /// A person.
    Person(Box<Visitor>),
}

/// What ids are checked with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proof<'a> {
    /// `SORTITION_SECRET`.
    pub secret: Option<&'a [u8]>,
    /// `INGEST_SECRET`.
    pub ingest: Option<&'a [u8]>,
    /// `USER_JWT_SECRET`.
    pub token: Option<&'a [u8]>,
    /// Whether the signature of the user's token holds, where the runtime was asked.
    pub token_holds: Option<bool>,
    /// The time, in milliseconds since 1970.
    pub now: i64,
}

/// Recognises who sent a request, for the live experiments of its page. `entropy` gives 16 random bytes, and is only
/// asked for an id that the request did not bring along.
pub fn identify<S: Source>(
    plan: &Plan,
    on_page: &[ExperimentAt],
    request: &Request<'_, S>,
    proof: Proof<'_>,
    mut entropy: impl FnMut() -> [u8; 16],
) -> Sender {
    if is_crawler(request) {
        return Sender::Crawler;
    }
    let is_essential = |at: &ExperimentAt| plan.experiments.get(*at).is_some_and(|e| e.essential);
    let consent = match &plan.consent {
        Some(consent) if !has_consented(consent, request) => match consent.mode {
            ConsentMode::Hold => Consented::Waits,
            ConsentMode::Strict if on_page.iter().any(is_essential) => Consented::OnlyEssential,
            // why: the cookies rest, and what was assigned comes back with the consent
            ConsentMode::Strict => return Sender::NoConsent,
        },
        _ => Consented::All,
    };
    let handover = handed_over(request, proof.secret);
    let brought = match &handover {
        Some(handover) => handover.returning.then(|| (handover.visitor.clone(), IdProof::Unsigned)),
        None => brought_id(plan, request, proof.secret),
    };
    let returning = brought.is_some();
    let (id, id_proof) = brought.unwrap_or_else(|| match &handover {
        Some(handover) => (handover.visitor.clone(), IdProof::New),
        None => (VisitorId::from_random(entropy()), IdProof::New),
    });
    // why: what an experiment of this page requires is decided here too, for units of its own kind
    let asked = || {
        let asked = plan.with_required(on_page).into_iter().filter_map(|index| plan.experiments.get(index));
        asked.filter(|e| e.shadow.is_none())
    };
    let session = (plan.has_sessions && (asked().any(Experiment::needs_session) || plan.layer_has_sessions(on_page)))
        .then(|| {
            let brought = brought_session(handover.as_ref(), request);
            let returning = brought.is_some();
            (brought.unwrap_or_else(|| VisitorId::from_random(entropy())), returning)
        });
    // why: not only experiments of users need to know; conditions may ask for `user_id`, and events carry it
    let (user, unproven) = match user_of(plan, request, proof) {
        UserProof::User(user) => (Some(user), None),
        UserProof::IfSigned(token) => (None, Some(token)),
        UserProof::Nobody => (None, None),
    };
    let assignments = brought_assignments(plan, request, &id, id_proof, proof.secret);
    let mut visitor = Visitor { id, returning, user, session, assignments, handover, consent, unproven };
    if !plan.visitor.adopt.is_empty() {
        let is_on = |e: &Experiment| e.is_live(proof.now) && !e.killed;
        adoption::adopt(plan, &plan.with_required(on_page), request, &mut visitor, proof.now, is_on);
    }
    Sender::Person(Box::new(visitor))
}

/// The assignments that a request brings along.
fn brought_assignments<S: Source>(
    plan: &Plan,
    request: &Request<'_, S>,
    id: &VisitorId,
    id_proof: IdProof,
    secret: Option<&[u8]>,
) -> Assignments {
    let mut values = cookies::values(request.cookie_header(), assignments::COOKIE);
    let Some(first) = values.next() else { return Assignments::default() };
    let key = secret.map(assignments::tag_key);
    let bearer = Bearer { visitor: id.as_str(), id: id_proof, key: key.as_ref() };
    let mut assignments = Assignments::read(first, plan, bearer);
    // why: a host and its parents have few domains, and a header of thousands of them must cost nothing
    for later in values.take(3) {
        assignments.take_in(Assignments::read(later, plan, bearer), plan);
    }
    assignments
}

/// The browser session that a request brings along, whichever page it is of: what the outcomes of a page happened in.
pub fn session_of<S: Source>(request: &Request<'_, S>, secret: Option<&[u8]>) -> Option<VisitorId> {
    brought_session(handed_over(request, secret).as_ref(), request)
}

#[inline(never)]
fn brought_session<S: Source>(handover: Option<&Handover>, request: &Request<'_, S>) -> Option<VisitorId> {
    let handed = handover.and_then(|handover| handover.session.clone());
    handed.or_else(|| cookies::values(request.cookie_header(), SESSION_COOKIE).find_map(VisitorId::accept))
}

/// What another Sortition worker before this one says of the visitor. Whoever has not its secret says nothing.
pub fn handed_over<S: Source>(request: &Request<'_, S>, secret: Option<&[u8]>) -> Option<Handover> {
    let secret = secret?;
    let sealed = request.header("sortition-handover")?;
    opened(request, &sealed, secret)
}

#[inline(never)]
fn opened<S: Source>(request: &Request<'_, S>, sealed: &str, secret: &[u8]) -> Option<Handover> {
    let visitor = request.header("sortition-visitor")?;
    let variants = request.header("sortition-variants").unwrap_or_default();
    Handover::open(sealed, &visitor, &variants, secret)
}

/// What a request says about previews.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreviewRequest {
    /// Nothing.
    None,
    /// A good link: keep its token and go to the clean URL.
    Start {
        /// The token.
        token: Token,
        /// The URL without it.
        clean: String,
    },
    /// A link without a token: forget the one that is kept.
    End {
        /// The URL without the parameter.
        clean: String,
    },
    /// A good token is kept: the page is shown by it.
    Active(Token),
    /// A token that does not count.
    Ignored(preview::Ignored),
}

/// What a person's request says about previews. `now` in milliseconds since 1970.
#[inline(never)]
pub fn preview<S: Source>(plan: &Plan, request: &Request<'_, S>, secret: Option<&[u8]>, now: i64) -> PreviewRequest {
    if plan.preview == Preview::Off {
        return PreviewRequest::None;
    }
    let read = |token: &str| Token::read(token, plan.preview, secret, now);
    // why: a link is followed by a GET; whatever else is sent to such a URL is not to be answered by us
    match request.url.parameter(preview::NAME).filter(|_| request.only_reads()) {
        Some(token) if token.is_empty() => PreviewRequest::End { clean: request.url.without(preview::NAME) },
        Some(token) => match read(&token) {
            Ok(token) => PreviewRequest::Start { token, clean: request.url.without(preview::NAME) },
            Err(ignored) => PreviewRequest::Ignored(ignored),
        },
        None => match request.cookie(preview::NAME).map(read) {
            Some(Ok(token)) => PreviewRequest::Active(token),
            Some(Err(ignored)) => PreviewRequest::Ignored(ignored),
            None => PreviewRequest::None,
        },
    }
}

/// Cloudflare's word where the request carries it (bot management, or the category of verified bots), else the user
/// agent.
fn is_crawler<S: Source>(request: &Request<'_, S>) -> bool {
    request.agent().crawler || request.property("verifiedBot").is_some_and(|verified| verified == "true")
}

#[inline(never)]
fn has_consented<S: Source>(consent: &Consent, request: &Request<'_, S>) -> bool {
    if consent.honor_gpc && request.header("sec-gpc").is_some_and(|value| value.trim() == "1") {
        return false;
    }
    cookies::values(request.cookie_header(), &consent.cookie)
        .any(|value| consent.granted.iter().any(|yes| yes == value))
}

/// The id of the first of our cookies that holds one: a browser may send several, of other paths or domains.
#[inline(never)]
fn brought_id<S: Source>(plan: &Plan, request: &Request<'_, S>, secret: Option<&[u8]>) -> Option<(VisitorId, IdProof)> {
    let settings = &plan.visitor;
    let mut values = cookies::values(request.cookie_header(), &settings.cookie);
    if is_foreign(settings) {
        let theirs = values.find_map(|value| foreign::id(&settings.read, value));
        // why: where the other tool has not given one, ours is kept beside it, for its cookie is not ours to write
        let ours = || cookies::values(request.cookie_header(), VISITOR_COOKIE).find_map(VisitorId::accept);
        return theirs.or_else(ours).map(|id| (id, IdProof::Unsigned));
    }
    match (plan.visitor.signed, secret) {
        (true, Some(secret)) => values.find_map(|value| VisitorId::accept_signed(value, secret)),
        // why: without the secret nothing could be checked, and a new id on every request would be worse than one that
        // is not signed
        _ => values.find_map(|value| named(settings, value)).map(|id| (id, IdProof::Unsigned)),
    }
}

/// The shop's user id of a person who is logged in, by the token, header or cookie that the document names for it.
pub fn user_of<S: Source>(plan: &Plan, request: &Request<'_, S>, proof: Proof<'_>) -> UserProof {
    let settings = &plan.visitor;
    if let Some(token) = &settings.user_jwt {
        return user_of_token(token, request, proof);
    }
    if settings.user_header.is_none() && settings.user_cookie.is_none() {
        return UserProof::Nobody;
    }
    user_of_text(plan, request, proof)
}

/// The same by a header or a cookie.
#[inline(never)]
fn user_of_text<S: Source>(plan: &Plan, request: &Request<'_, S>, proof: Proof<'_>) -> UserProof {
    let settings = &plan.visitor;
    let header = |name: &str| request.header(&name.to_ascii_lowercase());
    let of_header = settings.user_header.as_deref().and_then(header);
    let of_cookie = || settings.user_cookie.as_deref().and_then(|name| request.cookie(name)).map(str::to_owned);
    let Some(text) = of_header.or_else(of_cookie) else { return UserProof::Nobody };
    let user = if settings.user_signed {
        // why: without the key nothing can be checked, and whoever cannot be checked is nobody
        proof.ingest.and_then(|key| token::signed_user(&text, key))
    } else {
        token::user(&text)
    };
    user.map_or(UserProof::Nobody, |user| UserProof::User(user.to_owned()))
}

/// The same by a token.
#[inline(never)]
fn user_of_token<S: Source>(token: &UserToken, request: &Request<'_, S>, proof: Proof<'_>) -> UserProof {
    let of_header = token.header.as_deref().and_then(|name| request.header(&name.to_ascii_lowercase()));
    let of_cookie = || token.cookie.as_deref().and_then(|name| request.cookie(name)).map(str::to_owned);
    let Some(text) = of_header.or_else(of_cookie) else { return UserProof::Nobody };
    match (UserProof::read(&text, token, proof.token, proof.now), proof.token_holds) {
        (UserProof::IfSigned(token), Some(true)) => UserProof::User(token.user),
        (UserProof::IfSigned(_), Some(false)) => UserProof::Nobody,
        (read, _) => read,
    }
}

/// Whether the browser only prepares for a visit that may never happen: prefetch and prerender.
pub fn is_prefetch<S: Source>(request: &Request<'_, S>) -> bool {
    ["sec-purpose", "purpose"]
        .iter()
        .any(|name| request.header(name).is_some_and(|value| value.contains("prefetch") || value.contains("prerender")))
}
