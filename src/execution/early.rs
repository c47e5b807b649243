//! Answers that need no origin: a redirect to a variant's page, and the link that starts or ends a preview.

use super::caching::{self, Storage};
use super::{Answer, Besides, HeaderChange, Intent};
use crate::facts::{Request, Source};
use crate::plan::Plan;
use crate::sender::PreviewRequest;
use crate::url::Url;
use crate::visitor::cookies::Jar;
use crate::visitor::{hops, preview};

/// An answer of our own, without a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Early {
    /// The status.
    pub status: u16,
    /// Its headers.
    pub changes: Vec<HeaderChange>,
    /// The decisions that the visitor was exposed to by it, by position among the intent's.
    pub exposed: Vec<usize>,
    /// Exposures beside those.
    pub besides: Vec<Besides>,
    /// What it shows the user for the first time, as [`crate::person::merge`] takes it.
    pub shown_to_user: String,
}

impl Intent {
    /// The answer, where the origin need not be asked.
    #[must_use]
    #[inline(never)]
    pub fn early<S: Source>(&mut self, plan: &Plan, request: &Request<'_, S>, secret: Option<&[u8]>) -> Option<Early> {
        if matches!(self.preview, PreviewRequest::Start { .. } | PreviewRequest::End { .. }) {
            return self.preview_answer(plan, secret);
        }
        let redirect = self.redirect(plan)?;
        let page = [request.url.host, request.url.path].concat();
        match hops::next(request.cookie(hops::COOKIE).unwrap_or_default(), &page) {
            Some(hops) => Some(self.redirect_answer(plan, secret, redirect, &hops)),
            None => {
                self.stay(plan);
                None
            }
        }
    }

    /// The answer to the link that starts or ends a preview.
    #[inline(never)]
    fn preview_answer(&self, plan: &Plan, secret: Option<&[u8]>) -> Option<Early> {
        let jar = || Jar::new(plan, &Url::split(&self.url));
        let cookie = match &self.preview {
            PreviewRequest::Start { token, .. } => {
                // why: written back from what was understood, so that nothing else of the link reaches the header
                Some(jar().until_closed(preview::NAME, &token.write(secret)))
            }
            PreviewRequest::End { .. } => Some(jar().delete(preview::NAME)),
            _ => None,
        };
        let (PreviewRequest::Start { clean, .. } | PreviewRequest::End { clean }, Some(cookie)) =
            (&self.preview, cookie)
        else {
            return None;
        };
        let mut changes = vec![
            HeaderChange::Set("Location", clean.clone()),
            HeaderChange::Set("X-Robots-Tag", "noindex".to_owned()),
            HeaderChange::Append("Set-Cookie", cookie),
        ];
        caching::last_word(&mut changes, Storage::Never);
        Some(Early { status: 302, changes: of_nothing(changes), ..Early::default() })
    }

    /// The answer that leads to a variant's page.
    #[inline(never)]
    fn redirect_answer(
        &self,
        plan: &Plan,
        secret: Option<&[u8]>,
        (status, location): (u16, String),
        hops: &str,
    ) -> Early {
        let answer = Answer { status, ..Answer::default() };
        let reply = self.reply_stored(plan, &answer, secret, Storage::Never);
        let mut changes = reply.changes;
        changes.push(HeaderChange::Set("Location", location));
        let jar = Jar::new(plan, &Url::split(&self.url));
        changes.push(HeaderChange::Append("Set-Cookie", jar.brief(hops::COOKIE, hops, hops::SECONDS)));
        let (besides, shown_to_user) = (reply.besides, reply.shown_to_user);
        Early { status, changes: of_nothing(changes), exposed: reply.exposed, besides, shown_to_user }
    }
}

/// The changes of an answer that has no headers yet: of which none need be removed but by a change before.
fn of_nothing(changes: Vec<HeaderChange>) -> Vec<HeaderChange> {
    let mut kept: Vec<HeaderChange> = Vec::with_capacity(changes.len());
    for change in changes {
        match change {
            HeaderChange::Remove(name) => kept.retain(|before| !before.name().eq_ignore_ascii_case(name)),
            change => kept.push(change),
        }
    }
    kept
}
