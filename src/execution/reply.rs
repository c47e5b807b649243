//! What becomes of the origin's answer: the one place that changes headers of a response.

use super::{EXPOSE, HeaderChange, Intent, USER, VARIANTS, VERSIONS, caching, sticky};
use crate::arrive::{Arrival, PreviewRequest};
use crate::cut;
use crate::document::Expose;
use crate::plan::{Experiment, Plan};
use crate::url::Url;
use crate::visitor::assignments::{self, Assignments};
use crate::visitor::cookies::Jar;
use crate::visitor::{SESSION_COOKIE, Visitor, own_cookie, preview};

/// The head of the origin's answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `Content-Encoding`.
    pub content_encoding: Option<&'a str>,
    /// `Cache-Control`.
    pub cache_control: Option<&'a str>,
    /// `ETag`.
    pub etag: Option<&'a str>,
    /// `Sortition-Expose`: the experiments that the origin really rendered.
    pub expose: Option<&'a str>,
    /// `Sortition-User`: which of its users the visitor is.
    pub user: Option<&'a str>,
    /// `Sortition-Versions`: what made the page.
    pub versions: Option<&'a str>,
    /// How the shared copy was come by that it is from: `hit`, `stale` or `miss`; absent: the origin was asked as this
    /// visitor.
    pub copy: Option<&'a str>,
}

/// What to do with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Changes to its headers.
    pub changes: Vec<HeaderChange>,
    /// Whether its body goes through the rewriter.
    pub rewrite: bool,
    /// The decisions that the visitor was exposed to by this answer, by position among the intent's.
    pub exposed: Vec<usize>,
    /// The decisions that are exposed when an element of theirs is met, by position.
    pub watched: Vec<usize>,
}

impl Answer<'_> {
    fn is_html(&self) -> bool {
        let media_type = cut::trimmed(cut::before(self.content_type.unwrap_or(""), b';'));
        media_type.eq_ignore_ascii_case("text/html")
    }

    /// Whether the origin was asked for it just now, so that it tells how the origin fares.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        !matches!(self.copy, Some("hit" | "stale"))
    }

    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the rewriter can work on it, in answer to a GET.
    fn is_rewritable(&self) -> bool {
        self.status == 200
            && self.is_html()
            && cut::pieces(self.content_encoding.unwrap_or(""), b',').all(caching::is_readable)
    }
}

impl Intent {
    /// What to do with the origin's answer. `secret` signs the visitor cookie where the document asks for it.
    #[must_use]
    pub fn reply(&self, plan: &Plan, answer: &Answer<'_>, secret: Option<&[u8]>) -> Reply {
        let mut reply = Reply::default();
        let rewritable = &*self.method == "GET" && answer.is_rewritable();
        reply.rewrite = rewritable && self.rewrites(plan);
        if let Some(visitor) = self.visitor().filter(|_| self.depends_on_visitor) {
            let mut assignments = self.assignments.clone();
            self.expose(plan, answer, rewritable, visitor, &mut assignments, &mut reply);
            self.set_cookies(plan, visitor, &assignments, secret, &mut reply.changes);
        }
        self.change_headers(plan, answer, &mut reply);
        reply
    }

    fn expose(
        &self,
        plan: &Plan,
        answer: &Answer<'_>,
        rewritable: bool,
        visitor: &Visitor,
        assignments: &mut Assignments,
        reply: &mut Reply,
    ) {
        for (position, decision) in self.decisions.iter().enumerate() {
            let Some((_, e, _)) = sticky::decided(plan, std::slice::from_ref(decision)).next() else { continue };
            if !self.is_met(decision.experiment, e, answer, rewritable) {
                continue;
            }
            let exposes = sticky::is_first(plan, assignments, decision, visitor, self.now);
            let watched = e.expose == Expose::Selector;
            if exposes && watched {
                reply.watched.push(position);
            } else if exposes {
                reply.exposed.push(position);
            }
            let done = (exposes && !watched, self.is_displayed(plan, decision.experiment));
            sticky::mark(plan, assignments, decision, visitor, done, self.now);
        }
    }

    /// Whether the visitor meets the experiment in this answer. The same for control and treatment, so that the groups
    /// stay comparable: a treatment that only a rewritable page shows is met on rewritable pages only.
    fn is_met(&self, experiment: usize, e: &Experiment, answer: &Answer<'_>, rewritable: bool) -> bool {
        if self.prefetch || self.is_preview() || &*self.method == "HEAD" {
            return false;
        }
        if e.redirects {
            return &*self.method == "GET";
        }
        if !answer.is_success() {
            return false;
        }
        match e.expose {
            // why: the control's origin does not name what the variant's would have
            Expose::Origin if self.fell_back(experiment) => true,
            Expose::Origin => answer.expose.is_some_and(|list| names(list, &e.id)),
            Expose::Selector => rewritable,
            Expose::Page if e.rewrites => rewritable,
            Expose::Page => answer.is_html() || e.scope.is_named(),
        }
    }

    fn set_cookies(
        &self,
        plan: &Plan,
        visitor: &Visitor,
        assignments: &Assignments,
        secret: Option<&[u8]>,
        changes: &mut Vec<HeaderChange>,
    ) {
        let settings = &plan.visitor;
        let jar = Jar::new(plan, &Url::split(&self.url));
        let mut set = |cookie| changes.push(HeaderChange::Append("Set-Cookie", cookie));
        if !visitor.returning {
            let value = match secret.filter(|_| settings.signed) {
                Some(secret) => visitor.id.signed(secret),
                None => visitor.id.as_str().to_owned(),
            };
            set(if settings.http_only {
                jar.lasting_http_only(own_cookie(settings), &value)
            } else {
                jar.lasting(own_cookie(settings), &value)
            });
        }
        if let Some((session, false)) = &visitor.session {
            set(jar.until_closed(SESSION_COOKIE, session.as_str()));
        }
        if assignments.is_news_to(&visitor.assignments) {
            let key = secret.map(assignments::tag_key);
            let value = assignments
                .encode(visitor.id.as_str(), key.as_ref(), |entry| sticky::is_current(plan, entry, self.now));
            set(jar.lasting_http_only(assignments::COOKIE, &value));
        }
    }

    fn change_headers(&self, plan: &Plan, answer: &Answer<'_>, reply: &mut Reply) {
        let changes = &mut reply.changes;
        if let Some(copy) = answer.copy.filter(|_| plan.headers.to_client && self.visitor().is_some()) {
            changes.push(HeaderChange::Set("Sortition-Cache", copy.to_owned()));
        }
        if plan.headers.to_client && !self.told_client.is_empty() {
            changes.push(HeaderChange::Set(VARIANTS, self.told_client.clone()));
        }
        if plan.headers.to_client && !self.told_client.is_empty() {
            // why: of the response's headers this is the one that scripts of the page can read
            let told = shortened(&self.told_client).replace('"', "");
            changes.push(HeaderChange::Append("Server-Timing", ["sortition;desc=\"", &told, "\""].concat()));
        }
        if let Some(path) = self.canonical.as_deref().filter(|_| answer.is_success()) {
            let here = Url::split(&self.url);
            let link = format!("<{}://{}{path}>; rel=\"canonical\"", here.scheme, here.host);
            changes.push(HeaderChange::Append("Link", link));
        }
        if let Arrival::NoConsent(cookies) = &self.arrival {
            let jar = Jar::new(plan, &Url::split(&self.url));
            changes.extend(cookies.iter().map(|name| HeaderChange::Append("Set-Cookie", jar.delete(name))));
        }
        if let PreviewRequest::Ignored(why) = &self.preview {
            changes.push(HeaderChange::Set(preview::HEADER, why.as_str().to_owned()));
        }
        if answer.expose.is_some() {
            changes.push(HeaderChange::Remove(EXPOSE));
        }
        if answer.user.is_some() {
            changes.push(HeaderChange::Remove(USER));
        }
        if answer.versions.is_some() {
            changes.push(HeaderChange::Remove(VERSIONS));
        }
        for treatment in self.treatments(plan) {
            for (name, value) in &treatment.variant.response_headers {
                changes.push(HeaderChange::SetNamed(name.clone(), value.clone()));
            }
        }
        if let Some(validator) = &self.validator {
            // why: a page fetched ahead exposes nothing; with a validator the navigation after it might be answered by a
            // 304, which exposes nothing either
            let tag = answer.etag.filter(|_| !self.prefetch);
            match tag.and_then(|tag| caching::scope(tag, validator)) {
                Some(tag) => changes.push(HeaderChange::Set("ETag", tag)),
                None if answer.etag.is_some() => changes.push(HeaderChange::Remove("ETag")),
                None => {}
            }
            changes.push(HeaderChange::Remove("Last-Modified"));
        }
        if self.depends_on_visitor {
            if let Some(value) = caching::private(answer.cache_control) {
                changes.push(HeaderChange::Set("Cache-Control", value));
            }
            changes.push(HeaderChange::Append("Vary", "Cookie".to_owned()));
            // why: these override Cache-Control in the caches they are meant for
            for name in ["CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Surrogate-Control"] {
                changes.push(HeaderChange::Remove(name));
            }
        }
        if self.is_preview() {
            changes.retain(|change| !matches!(change, HeaderChange::Set("Cache-Control" | "ETag", _)));
            changes.push(HeaderChange::Set("Cache-Control", "private, no-store".to_owned()));
            changes.push(HeaderChange::Remove("ETag"));
            changes.push(HeaderChange::Set("X-Robots-Tag", "noindex".to_owned()));
        }
        if reply.rewrite {
            for name in ["Content-Length", "Accept-Ranges", "Content-MD5", "Digest", "Content-Digest", "Repr-Digest"] {
                changes.push(HeaderChange::Remove(name));
            }
        } else if &*self.method == "HEAD"
            && answer.is_html()
            && self.treatments(plan).any(|t| !t.variant.rewrite.is_empty())
        {
            changes.push(HeaderChange::Remove("Content-Length"));
        }
    }
}

/// The most of the variants that `Server-Timing` repeats, in bytes. It is for looking at; scripts have the bridge.
const LONGEST_TIMING: usize = 512;

/// As many whole members of a list as fit, and `...` where some do not: with hundreds of experiments on a page the same
/// text twice would outgrow what servers take for headers.
fn shortened(list: &str) -> String {
    if list.len() <= LONGEST_TIMING {
        return list.to_owned();
    }
    let mut kept = String::new();
    for member in list.split(", ") {
        if kept.len() + member.len() + 2 > LONGEST_TIMING {
            break;
        }
        kept.push_str(member);
        kept.push_str(", ");
    }
    kept.push_str("...");
    kept
}

/// Whether an RFC 9651 list of tokens or strings names an experiment.
fn names(list: &str, id: &str) -> bool {
    list.split(',').any(|member| {
        let item = member.split(';').next().unwrap_or("").trim();
        item.trim_matches('"') == id || item.strip_prefix('*') == Some(id)
    })
}
