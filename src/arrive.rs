//! Request → who sent it. The one place that knows which header means what about a visitor.

use crate::document::{Consent, Preview};
use crate::facts::{Request, Source};
use crate::plan::{Experiment, Plan};
use crate::visitor::assignments::{self, Assignments, Bearer, IdProof};
use crate::visitor::cookies;
use crate::visitor::preview::{self, Token};
use crate::visitor::{SESSION_COOKIE, VISITOR_COOKIE, Visitor, VisitorId, foreign, is_foreign};

/// Who sent a request.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// A crawler.
    Crawler,
    /// A person who has not consented; the names of our cookies that are to be deleted.
    NoConsent(Vec<String>),
    /// A person.
    Person(Box<Visitor>),
}

/// The longest user id of a shop that is taken, in bytes.
const MAX_USER: usize = 128;

/// Recognises who sent a request, for the live experiments of its page. `entropy` gives 16 random bytes, and is only
/// asked for an id that the request did not bring along.
pub fn arrive<S: Source>(
    plan: &Plan,
    on_page: &[usize],
    request: &Request<'_, S>,
    secret: Option<&[u8]>,
    mut entropy: impl FnMut() -> [u8; 16],
) -> Arrival {
    if is_crawler(request) {
        return Arrival::Crawler;
    }
    if plan.consent.as_ref().is_some_and(|consent| !has_consented(consent, request)) {
        // why: the cookies rest, and what was assigned comes back with the consent
        return Arrival::NoConsent(Vec::new());
    }
    let brought = brought_id(plan, request, secret);
    let returning = brought.is_some();
    let (id, proof) = brought.unwrap_or_else(|| (VisitorId::from_random(entropy()), IdProof::New));
    // why: what an experiment of this page requires is decided here too, for units of its own kind
    let asked = || plan.with_required(on_page).into_iter().filter_map(|index| plan.experiments.get(index));
    let session = (plan.has_sessions && (asked().any(Experiment::needs_session) || plan.layer_has_sessions(on_page)))
        .then(|| {
            let brought = cookies::values(request.cookie_header(), SESSION_COOKIE).find_map(VisitorId::accept);
            let returning = brought.is_some();
            (brought.unwrap_or_else(|| VisitorId::from_random(entropy())), returning)
        });
    // why: not only experiments of users need to know; conditions may ask for `user_id`, and events carry it
    let user = user_of(plan, request);
    let assignments = request.cookie(assignments::COOKIE).map_or_else(Assignments::default, |value| {
        let key = secret.map(assignments::tag_key);
        Assignments::read(value, plan, Bearer { visitor: id.as_str(), id: proof, key: key.as_ref() })
    });
    Arrival::Person(Box::new(Visitor { id, returning, user, session, assignments }))
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
pub fn preview<S: Source>(plan: &Plan, request: &Request<'_, S>, secret: Option<&[u8]>, now: i64) -> PreviewRequest {
    if plan.preview == Preview::Off {
        return PreviewRequest::None;
    }
    let read = |token: &str| Token::read(token, plan.preview, secret, now);
    match request.url.parameter(preview::NAME) {
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

fn has_consented<S: Source>(consent: &Consent, request: &Request<'_, S>) -> bool {
    if consent.honor_gpc && request.header("sec-gpc").is_some_and(|value| value.trim() == "1") {
        return false;
    }
    cookies::values(request.cookie_header(), &consent.cookie)
        .any(|value| consent.granted.iter().any(|yes| yes == value))
}

/// The id of the first of our cookies that holds one: a browser may send several, of other paths or domains.
fn brought_id<S: Source>(plan: &Plan, request: &Request<'_, S>, secret: Option<&[u8]>) -> Option<(VisitorId, IdProof)> {
    let settings = &plan.visitor;
    let mut values = cookies::values(request.cookie_header(), &settings.cookie);
    if is_foreign(settings) {
        let theirs = values.find_map(|value| foreign::id(&settings.read, value));
        // why: where the other tool has not given one, ours is kept beside it, for its cookie is not ours to write
        let ours = || cookies::values(request.cookie_header(), VISITOR_COOKIE).find_map(VisitorId::accept);
        return theirs.or_else(ours).map(|id| (id, IdProof::Unsigned));
    }
    // why: a cookie of another name may be another tool's, whose ids are kept as they are
    let accept = if settings.cookie == VISITOR_COOKIE { VisitorId::accept } else { VisitorId::accept_foreign };
    match (plan.visitor.signed, secret) {
        (true, Some(secret)) => values.find_map(|value| VisitorId::accept_signed(value, secret)),
        // why: without the secret nothing could be checked, and a new id on every request would be worse than one that
        // is not signed
        _ => values.find_map(accept).map(|id| (id, IdProof::Unsigned)),
    }
}

/// The shop's user id of a person who is logged in, by the header or cookie that the document names for it.
pub fn user_of<S: Source>(plan: &Plan, request: &Request<'_, S>) -> Option<String> {
    let header = plan.visitor.user_header.as_deref().and_then(|name| request.header(&name.to_ascii_lowercase()));
    let cookie = || plan.visitor.user_cookie.as_deref().and_then(|name| request.cookie(name)).map(str::to_owned);
    // why: an e-mail address is no opaque key, and must not reach an event
    header.or_else(cookie).filter(|user| !user.is_empty() && user.len() <= MAX_USER && !user.contains('@'))
}

/// Whether the browser only prepares for a visit that may never happen: prefetch and prerender.
pub fn is_prefetch<S: Source>(request: &Request<'_, S>) -> bool {
    ["sec-purpose", "purpose"]
        .iter()
        .any(|name| request.header(name).is_some_and(|value| value.contains("prefetch") || value.contains("prerender")))
}
