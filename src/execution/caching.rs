//! Caches and validators: no shared cache can mix visitors, and no validator can mistake one variant for another.

use super::HeaderChange;
use super::cache_control::{CacheControl, is_named};
use super::entity_tag::EntityTag;
use crate::ascii;
use crate::document::CACHING_HEADERS;
use crate::facts::{Request, Source};

/// What becomes of an answer in caches. One of these has the last word on every answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage<'a> {
    /// The answer is the same for everybody: as the origin says.
    AsOriginSays,
    /// It depends on the visitor: of the origin's `Cache-Control` what is meant for the visitor's own browser.
    Private(Option<&'a str>),
    /// Nobody keeps it.
    Never,
}

/// Headers that override `Cache-Control` in the caches they are meant for (RFC 9213): of Cloudflare, and of what a shop may have
/// in front of it: Fastly and Varnish, Akamai, Netlify, Vercel, nginx.
const OVERRIDING: [&str; 8] = [
    "CDN-Cache-Control",
    "Cloudflare-CDN-Cache-Control",
    "Surrogate-Control",
    "Akamai-Cache-Control",
    "Edge-Control",
    "Netlify-CDN-Cache-Control",
    "Vercel-CDN-Cache-Control",
    "X-Accel-Expires",
];

/// Says, behind every other change of an answer, what caches may do with it: what a variant's headers say of that is
/// taken out, whoever wrote them.
#[inline(never)]
pub(super) fn last_word(changes: &mut Vec<HeaderChange>, storage: Storage<'_>) {
    let ours = || CACHING_HEADERS.iter().chain(&["etag", "last-modified"]);
    changes.retain(|change| match change {
        HeaderChange::SetNamed(name, _) => !ours().any(|header| name.eq_ignore_ascii_case(header)),
        HeaderChange::Set("Cache-Control", _) => false,
        _ => true,
    });
    let control = match storage {
        Storage::AsOriginSays => return,
        Storage::Private(origin) => private(origin),
        Storage::Never => Some("private, no-store".to_owned()),
    };
    changes.extend(control.map(|control| HeaderChange::Set("Cache-Control", control)));
    changes.push(HeaderChange::Append("Vary", "Cookie".to_owned()));
    changes.extend(OVERRIDING.map(HeaderChange::Remove));
}

/// Turns the conditions of a request that is in an experiment into such as the origin understands: its own tag where what
/// the client holds is of these variants and this revision. `is_whole`: the page is asked for in full, since it is
/// rewritten; `is_unmet`: whether somebody would meet something for the first time by an answer in full.
#[inline(never)]
pub(super) fn unscope_request<S: Source>(
    validator: &str,
    request: &Request<'_, S>,
    is_whole: bool,
    is_unmet: impl FnOnce() -> bool,
    changes: &mut Vec<HeaderChange>,
) {
    if !request.only_reads() {
        for (name, header) in [("if-match", "If-Match"), ("if-none-match", "If-None-Match")] {
            if let Some(own) = request.header(name).and_then(|tags| original_tags(&tags, None)) {
                changes.push(HeaderChange::Set(header, own));
            }
        }
        return;
    }
    if let Some(tags) = request.header("if-none-match") {
        // why: a 304 exposes nobody, and only whoever is given what the browser still has of somebody before (a session, a
        // user, a visitor without cookies) would get one: of nine sessions of a control one was recorded
        let changed = HeaderChange::Remove("If-None-Match");
        changes.push(if is_unmet() { changed } else { unscoped_condition(&tags, validator) });
    }
    // why: dates cannot tell variants apart
    if request.header("if-modified-since").is_some() {
        changes.push(HeaderChange::Remove("If-Modified-Since"));
    }
    if let Some(own) = request.header("if-match").and_then(|tags| original_tags(&tags, Some(validator))) {
        changes.push(HeaderChange::Set("If-Match", own));
    }
    if is_whole || request.header("range").is_none() {
        return;
    }
    if let Some(condition) = request.header("if-range") {
        let tag = EntityTag::parse(&condition).and_then(|tag| tag.original(Some(validator)));
        match tag {
            Some(tag) => changes.push(HeaderChange::Set("If-Range", tag.to_string())),
            // why: a part of one variant's page must not be put to what is left of another's
            None => changes.extend(["Range", "If-Range"].map(HeaderChange::Remove)),
        }
    }
}

/// The condition on the tags of these variants, as the origin knows them.
#[inline(never)]
fn unscoped_condition(tags: &str, validator: &str) -> HeaderChange {
    let own: Vec<String> =
        EntityTag::list(tags).filter_map(|tag| tag.original(Some(validator))).map(|tag| tag.to_string()).collect();
    if own.is_empty() {
        HeaderChange::Remove("If-None-Match")
    } else {
        HeaderChange::Set("If-None-Match", own.join(", "))
    }
}

/// A list of tags with ours turned into the origin's, those of these variants, or of any; `None` where none is ours. A
/// condition on what a client changes is about the state behind the page, which is the same in all variants.
fn original_tags(tags: &str, validator: Option<&str>) -> Option<String> {
    let mut is_ours = false;
    let is_clean = |member: &&str| member.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let all: Vec<String> = ascii::members(tags)
        .filter(is_clean)
        .map(|member| {
            let original = EntityTag::parse(member).and_then(|tag| tag.original(validator));
            is_ours |= original.is_some();
            original.map_or_else(|| member.to_owned(), |tag| tag.to_string())
        })
        .collect();
    is_ours.then(|| all.join(", "))
}

/// A list of tags with ours turned into the origin's, of whatever variants; `None` where none is ours: for requests that
/// no experiment touches, but that are about what one has touched.
#[must_use]
pub fn original_tags_of_any(tags: &str) -> Option<String> {
    original_tags(tags, None)
}

/// Asks for the page in full and in an encoding that the rewriter reads.
#[inline(never)]
pub(super) fn ask_for_whole_readable_page<S: Source>(request: &Request<'_, S>, changes: &mut Vec<HeaderChange>) {
    if request.header("range").is_some() {
        changes.push(HeaderChange::Remove("Range"));
        changes.push(HeaderChange::Remove("If-Range"));
    }
    if let Some(accepted) = request.header("accept-encoding") {
        let readable: Vec<String> = ascii::pieces(&accepted, b',').filter_map(readable).collect();
        let readable = if readable.is_empty() { "identity".to_owned() } else { readable.join(", ") };
        if readable != accepted {
            changes.push(HeaderChange::Set("Accept-Encoding", readable));
        }
    }
}

/// A member of `Accept-Encoding`, written anew from what was read, where the rewriter reads the coding.
fn readable(member: &str) -> Option<String> {
    let (name, weight) = ascii::split_once(member, b';').unwrap_or((member, ""));
    let name = ascii::trimmed(name);
    let weight = ascii::trimmed(weight);
    let is_weight = weight.bytes().all(|byte| byte.is_ascii_digit() || b"qQ=.".contains(&byte));
    (!name.is_empty() && is_readable(name)).then(|| match weight {
        "" => name.to_owned(),
        _ if !is_weight => name.to_owned(),
        weight => format!("{name};{weight}"),
    })
}

/// Whether the rewriter reads a content coding.
pub(super) fn is_readable(name: &str) -> bool {
    let name = ascii::trimmed(name);
    ["gzip", "br", "identity", ""].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// An entity tag that also tells variants and revisions apart, weak where the bytes differ with the visitor even though
/// the page means the same (RFC 9110, section 8.8.1); `None` for what is no entity tag.
pub(super) fn scope(tag: &str, validator: &str, is_weak: bool) -> Option<String> {
    EntityTag::parse(tag).map(|tag| tag.scoped(validator, is_weak))
}

/// The `Cache-Control` of an answer that depends on the visitor: the origin's, with everything that lets shared caches
/// keep it taken out and `private` put in; `None` where it is that strict already.
fn private(cache_control: Option<&str>) -> Option<String> {
    let control = CacheControl::new(cache_control);
    if control.has_whole("no-store") || control.has_whole("private") {
        return None;
    }
    // why: `private="Set-Cookie"` makes one field private and the rest public
    let is_shared = |directive: &&str| {
        ["public", "s-maxage", "proxy-revalidate", "private"].iter().any(|it| is_named(directive, it))
    };
    let kept = control.directives().filter(|directive| !is_shared(directive));
    Some(std::iter::once("private").chain(kept).collect::<Vec<_>>().join(", "))
}

/// Whether the origin forbids intermediaries to change the page (RFC 9111, section 5.2.2.6).
pub(super) fn forbids_transform(cache_control: Option<&str>) -> bool {
    CacheControl::new(cache_control).has("no-transform")
}
