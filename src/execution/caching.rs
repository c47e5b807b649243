//! Caches and validators: no shared cache can mix visitors, and no validator can mistake one variant for another.

use super::HeaderChange;
use crate::cut;
use crate::facts::{Request, Source};

/// What stands between the origin's entity tag and our validator. The letter keeps whether the tag was weak.
const STRONG: &str = "--st-";
const WEAK: &str = "--wk-";

/// Turns the conditions of a request into such as the origin understands: its own tag where the cached page is of these
/// variants and this revision, none otherwise. Dates go always, since they cannot tell variants apart.
pub(super) fn unscope_request<S: Source>(validator: &str, request: &Request<'_, S>, changes: &mut Vec<HeaderChange>) {
    if let Some(tags) = request.header("if-none-match") {
        let own: Vec<String> = members(&tags).filter_map(|tag| unscope(tag, validator)).collect();
        changes.push(if own.is_empty() {
            HeaderChange::Remove("If-None-Match")
        } else {
            HeaderChange::Set("If-None-Match", own.join(", "))
        });
    }
    if request.header("if-modified-since").is_some() {
        changes.push(HeaderChange::Remove("If-Modified-Since"));
    }
}

/// Asks for the page in full and in an encoding that the rewriter reads.
pub(super) fn ask_for_whole_readable_page<S: Source>(request: &Request<'_, S>, changes: &mut Vec<HeaderChange>) {
    if request.header("range").is_some() {
        changes.push(HeaderChange::Remove("Range"));
        changes.push(HeaderChange::Remove("If-Range"));
    }
    if let Some(accepted) = request.header("accept-encoding") {
        let readable: Vec<&str> =
            cut::pieces(&accepted, b',').map(cut::trimmed).filter(|coding| is_readable(coding)).collect();
        let readable = if readable.is_empty() { "identity".to_owned() } else { readable.join(", ") };
        if readable != accepted {
            changes.push(HeaderChange::Set("Accept-Encoding", readable));
        }
    }
}

/// Whether the rewriter reads a content coding, with or without a weight behind it.
pub(super) fn is_readable(coding: &str) -> bool {
    let name = cut::trimmed(cut::before(coding, b';'));
    ["gzip", "br", "identity", ""].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// An entity tag that also tells variants and revisions apart. Weak (RFC 9110, section 8.8.1): the bytes differ with the
/// visitor even where the page means the same.
pub(super) fn scope(tag: &str, validator: &str) -> Option<String> {
    let (mark, opaque) = match tag.trim().strip_prefix("W/") {
        Some(opaque) => (WEAK, opaque),
        None => (STRONG, tag.trim()),
    };
    let opaque = opaque.strip_prefix('"')?.strip_suffix('"')?;
    Some(format!("W/\"{opaque}{mark}{validator}\""))
}

fn unscope(tag: &str, validator: &str) -> Option<String> {
    let opaque = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
    let rest = opaque.strip_suffix(validator)?;
    if let Some(original) = rest.strip_suffix(STRONG) {
        Some(format!("\"{original}\""))
    } else {
        rest.strip_suffix(WEAK).map(|original| format!("W/\"{original}\""))
    }
}

/// The members of a list in a header. Commas between quotes are part of a member: `"a,b"` is one entity tag, and
/// `no-cache="a, b"` one directive.
fn members(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let list = rest.take()?;
        let mut quoted = false;
        let end = list.bytes().position(|byte| {
            quoted ^= byte == b'"';
            byte == b',' && !quoted
        });
        let member = end.and_then(|end| list.get(..end)).unwrap_or(list);
        rest = end.and_then(|end| list.get(end + 1..));
        Some(cut::trimmed(member))
    })
}

/// The `Cache-Control` of an answer that depends on the visitor: the origin's, with everything that lets shared caches
/// keep it taken out and `private` put in; `None` where it is that strict already.
pub(super) fn private(cache_control: Option<&str>) -> Option<String> {
    let directives: Vec<&str> =
        members(cache_control.unwrap_or("")).filter(|directive| !directive.is_empty()).collect();
    let is = |directive: &&str, name: &str| directive.eq_ignore_ascii_case(name);
    if directives.iter().any(|directive| is(directive, "no-store") || is(directive, "private")) {
        return None;
    }
    let kept = directives.into_iter().filter(|directive| {
        let name = cut::trimmed(cut::before(directive, b'='));
        // why: `private="Set-Cookie"` makes one field private and the rest public
        !["public", "s-maxage", "proxy-revalidate", "private"].iter().any(|shared| name.eq_ignore_ascii_case(shared))
    });
    Some(std::iter::once("private").chain(kept).collect::<Vec<_>>().join(", "))
}
