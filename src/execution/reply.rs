//! What becomes of the origin's answer: the one place that changes headers of a response.

use super::answer::{Answer, NotRewritten};
use super::caching::{self, Storage};
use super::media_type::{self, Charset};
use super::{Besides, EXPOSE, ExposedTo, HeaderChange, Intent, USER, VARIANTS, VERSIONS, VISITOR, chain, sticky};
use crate::decide::Reason;
use crate::document::{Expose, Kind, UnitKind};
use crate::person;
use crate::plan::{Experiment, ExperimentAt, Plan};
use crate::sender::PreviewRequest;
use crate::url::Url;
use crate::visitor::assignments::{self, Assignments};
use crate::visitor::cookies::Jar;
use crate::visitor::handover::{self, joined};
use crate::visitor::{Consented, Marks, SESSION_COOKIE, Visitor, own_cookie, preview};
use std::cell::LazyCell;

/// What to do with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Changes to its headers.
    pub changes: Vec<HeaderChange>,
    /// Whether its body goes through the rewriter.
    pub rewrite: bool,
    /// How text is put into it there.
    pub charset: Charset,
    /// The `Content-Type` that the rewriter is given in place of the page's, which it would read otherwise than browsers
    /// do. The page's own is among the changes.
    pub relabelled: Option<&'static str>,
    /// Why a page leaves as it came although something of it was to be rewritten.
    pub not_rewritten: Option<NotRewritten>,
    /// The decisions that the visitor was exposed to by this answer, by position among the intent's.
    pub exposed: Vec<usize>,
    /// The decisions that are exposed when an element of theirs is met, by position.
    pub watched: Vec<usize>,
    /// Exposures beside those.
    pub besides: Vec<Besides>,
    /// What this answer shows the user for the first time, as [`crate::person::merge`] takes it.
    pub shown_to_user: String,
}

impl Intent {
    /// What to do with the origin's answer. `secret` signs the visitor cookie where the document asks for it.
    #[must_use]
    pub fn reply(&self, plan: &Plan, answer: &Answer<'_>, secret: Option<&[u8]>) -> Reply {
        let storage = if self.is_preview() {
            Storage::Never
        } else if self.depends_on_visitor {
            Storage::Private(answer.cache_control)
        } else {
            Storage::AsOriginSays
        };
        self.reply_stored(plan, answer, secret, storage)
    }

    /// What to do with an answer that caches may keep in this way.
    pub(super) fn reply_stored(
        &self,
        plan: &Plan,
        answer: &Answer<'_>,
        secret: Option<&[u8]>,
        storage: Storage<'_>,
    ) -> Reply {
        let mut reply = Reply::default();
        let page = answer.rewritable();
        let rewritable = &*self.method == "GET" && matches!(page, Some(Ok(_)));
        reply.rewrite = rewritable && self.rewrites(plan);
        if let Some(visitor) = self.visitor().filter(|_| self.depends_on_visitor) {
            let mut assignments = self.assignments.clone();
            chain::join_assignments(plan, answer, visitor, secret, &mut assignments);
            let looks = !self.prefetch && !self.is_preview() && &*self.method != "HEAD";
            if looks && visitor.consent == Consented::All {
                // why: before the page's own, of which some may have waited
                reply.besides = sticky::released(plan, &mut assignments, visitor, self.now);
            }
            self.expose(plan, answer, rewritable, visitor, &mut assignments, &mut reply);
            self.expose_to_holdout(plan, answer, visitor, &mut assignments, &mut reply);
            if visitor.user.is_some() && plan.has_users && visitor.consent == Consented::All {
                let marks = Marks::of(visitor);
                reply.shown_to_user = person::news(plan, &visitor.assignments, &assignments, marks, self.now);
            }
            visitor_cookies(plan, (visitor, &assignments), &self.url, secret, self.now, &mut reply.changes);
        }
        match page {
            Some(Ok(charset)) if reply.rewrite || !reply.watched.is_empty() => {
                reply.charset = charset;
                let own = answer.content_type.unwrap_or("");
                reply.relabelled = media_type::relabelled(own, charset);
                if reply.relabelled.is_some() {
                    reply.changes.push(HeaderChange::Set("Content-Type", own.to_owned()));
                }
            }
            Some(Err(reason)) if self.rewrites(plan) => reply.not_rewritten = Some(reason),
            _ => {}
        }
        self.change_headers(plan, answer, &mut reply);
        caching::last_word(&mut reply.changes, storage);
        reply
    }

    #[inline(never)]
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
            let is_first = sticky::is_first(plan, assignments, decision, visitor, self.now);
            let known = self.exposed_before.contains(&position);
            let watched = e.expose == Expose::Selector && !known;
            if is_first && visitor.consent == Consented::Waits && !watched {
                sticky::wait(plan, assignments, decision, visitor, self.now);
            }
            let exposes = is_first && visitor.consent == Consented::All;
            if exposes && watched {
                reply.watched.push(position);
            } else if exposes && !known {
                reply.exposed.push(position);
            }
            let done = (exposes && !watched, self.is_displayed(plan, decision.experiment));
            sticky::mark(plan, assignments, decision, visitor, done, self.now);
        }
    }

    /// The exposure to a group of the measured holdout, on the first page where an experiment stands: by one rule for both
    /// groups.
    #[inline(never)]
    fn expose_to_holdout(
        &self,
        plan: &Plan,
        answer: &Answer<'_>,
        visitor: &Visitor,
        assignments: &mut Assignments,
        reply: &mut Reply,
    ) {
        if self.prefetch || self.is_preview() || &*self.method == "HEAD" {
            return;
        }
        let Some(holdout) = plan.measured_holdout.as_ref().filter(|_| visitor.consent != Consented::OnlyEssential)
        else {
            return;
        };
        let Some(group) = sticky::holdout_group(plan, assignments, visitor) else { return };
        let stands_here = self.decisions.iter().any(|decision| {
            plan.experiments.get(decision.experiment).is_some_and(|e| {
                let is_shown = if e.redirects {
                    &*self.method == "GET"
                } else {
                    answer.is_success() && (answer.is_html() || e.scope.is_named())
                };
                e.kind == Kind::Experiment && decision.reason != Reason::Killed && is_shown
            })
        });
        if stands_here {
            sticky::expose_to_holdout(holdout, group, assignments, visitor, self.now);
            if visitor.consent == Consented::All {
                let to = ExposedTo::Holdout(group);
                reply.besides.push(Besides { to, unit: UnitKind::Visitor, at: self.now });
            }
        }
    }

    /// Whether the visitor meets the experiment in this answer. The same for control and treatment, so that the groups
    /// stay comparable: a treatment that only a rewritable page shows is met on rewritable pages only.
    fn is_met(&self, experiment: ExperimentAt, e: &Experiment, answer: &Answer<'_>, rewritable: bool) -> bool {
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

    #[inline(never)]
    fn change_headers(&self, plan: &Plan, answer: &Answer<'_>, reply: &mut Reply) {
        let changes = &mut reply.changes;
        if let Some(copy) = answer.copy.filter(|_| plan.headers.to_client && self.visitor().is_some()) {
            changes.push(HeaderChange::Set("Sortition-Cache", copy.to_owned()));
        }
        let tells_client = plan.headers.to_client && !self.told_client.is_empty();
        if !tells_client && !self.told_origin.is_empty() {
            // why: an origin that sends back what it was told would tell crawlers
            changes.push(HeaderChange::Remove(VARIANTS));
        }
        if answer.assignments.is_some() {
            changes.push(HeaderChange::Remove(handover::ASSIGNMENTS));
        }
        if tells_client {
            let told = match answer.variants.filter(|_| self.visitor().is_some()) {
                Some(others) => joined(&self.told_client, others),
                None => self.told_client.clone(),
            };
            changes.push(HeaderChange::Set(VARIANTS, told));
            // why: of the response's headers this is the one that scripts of the page can read
            let told = shortened(&self.told_client).replace('"', "");
            changes.push(HeaderChange::Append("Server-Timing", ["sortition;desc=\"", &told, "\""].concat()));
        }
        if let Some(original) = self.canonical.as_deref().filter(|_| answer.is_success()) {
            let link = format!("<{original}>; rel=\"canonical\"");
            changes.push(HeaderChange::Append("Link", link));
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
        if self.visitor().is_some() && self.depends_on_visitor {
            // why: an origin may send back what it was told, and that is between it and us
            changes.extend([VISITOR, handover::HEADER].map(HeaderChange::Remove));
        }
        for treatment in self.treatments(plan) {
            for (name, value) in &treatment.variant.response_headers {
                changes.push(HeaderChange::SetNamed(name.clone(), value.clone()));
            }
        }
        if let Some(validator) = &self.validator {
            // why: a page fetched ahead exposes nothing; with a validator the navigation after it might be answered by a
            // 304, which exposes nothing either
            let tag = answer.etag.filter(|_| !self.prefetch && !self.is_preview());
            let is_changed =
                self.changes_page(plan) && (answer.status == 304 || matches!(answer.rewritable(), Some(Ok(_))));
            let is_weak = is_changed || answer.finished_coding().is_some();
            match tag.and_then(|tag| caching::scope(tag, validator, is_weak)) {
                Some(tag) => changes.push(HeaderChange::Set("ETag", tag)),
                None if answer.etag.is_some() => changes.push(HeaderChange::Remove("ETag")),
                None => {}
            }
            changes.push(HeaderChange::Remove("Last-Modified"));
        }
        if let Some(coding) = answer.finished_coding() {
            changes.push(HeaderChange::Set("Content-Encoding", coding.to_owned()));
            changes.push(HeaderChange::Append("Vary", "Accept-Encoding".to_owned()));
        }
        if self.is_preview() {
            changes.push(HeaderChange::Set("X-Robots-Tag", "noindex".to_owned()));
        }
        // why: a HEAD is answered as the GET would be
        if reply.rewrite || (self.changes_page(plan) && matches!(answer.rewritable(), Some(Ok(_)))) {
            for name in ["Content-Length", "Accept-Ranges", "Content-MD5", "Digest", "Content-Digest", "Repr-Digest"] {
                changes.push(HeaderChange::Remove(name));
            }
        }
    }
}

/// Headers that are between the origin and us, and what we tell clients of our own.
const INTERNAL: [&str; 7] = [EXPOSE, USER, VERSIONS, VARIANTS, VISITOR, handover::HEADER, handover::ASSIGNMENTS];

/// Sets the cookies of a visitor that are new or changed, by what they are assigned from now on.
#[inline(never)]
pub(super) fn visitor_cookies(
    plan: &Plan,
    (visitor, assigned): (&Visitor, &Assignments),
    url: &str,
    secret: Option<&[u8]>,
    now: i64,
    changes: &mut Vec<HeaderChange>,
) {
    let settings = &plan.visitor;
    // why: most visitors have their cookies, and then nobody asks what kind of page it is
    let jar = LazyCell::new(|| Jar::new(plan, &Url::split(url)));
    let mut set = |cookie| changes.push(HeaderChange::Append("Set-Cookie", cookie));
    // why: in a chain the first worker keeps the visitor's id, and the one cookie of assignments
    let in_chain = visitor.handover.is_some();
    if !visitor.returning && !in_chain {
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
    if assigned.is_news_to(&visitor.assignments) {
        let key = secret.map(assignments::tag_key);
        let value = assigned.encode(visitor.id.as_str(), key.as_ref(), |entry| sticky::is_current(plan, entry, now));
        if in_chain {
            changes.push(HeaderChange::Set(handover::ASSIGNMENTS, value));
        } else {
            changes.push(HeaderChange::Append("Set-Cookie", jar.lasting_http_only(assignments::COOKIE, &value)));
        }
    }
}

/// What becomes of the headers of an answer that could not be finished, whatever was decided: the origin may have rendered
/// it for one visitor, so nobody keeps it, and what is between the origin and us does not leave.
#[must_use]
pub fn unfinished() -> Vec<HeaderChange> {
    let mut changes = INTERNAL.map(HeaderChange::Remove).to_vec();
    // why: the origin's validators do not tell variants apart, and old caches read `Expires` alone
    changes.extend(["ETag", "Last-Modified", "Expires"].map(HeaderChange::Remove));
    caching::last_word(&mut changes, Storage::Never);
    changes
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
