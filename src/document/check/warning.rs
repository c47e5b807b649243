//! What works, and what somebody should look at.

mod links;
mod moment;
mod reading;
mod surface;
mod worth;

pub use worth::HYPOTHESIS_TEMPLATE;

use super::http::Destination;
use crate::document::{Bridge, Document, Experiment, Expose, Kind, Mode, Problem, Risk, Status, Timestamp, UnitKind};

/// From how far away on an end looks like none.
const FAR_END_DAYS: i64 = 90;

/// The longest a browser keeps a cookie, in days (RFC 6265bis, section 5.6.2; Chrome since 104).
const LONGEST_COOKIE_DAYS: u32 = 400;

pub(super) const DAY_MILLIS: i64 = 86_400_000;

pub(super) fn check(document: &Document, now: Timestamp, problems: &mut Vec<Problem>) {
    if document.visitor.max_age_days > LONGEST_COOKIE_DAYS {
        problems.push(Problem::warning(
            "visitor.max_age_days",
            format!("browsers keep no cookie for more than {LONGEST_COOKIE_DAYS} days: write {LONGEST_COOKIE_DAYS}"),
        ));
    }
    for (place, experiment) in document.experiments.iter().enumerate() {
        let at = format!("experiments[{place}]");
        let mut report =
            |field: &str, message: String| problems.push(Problem::warning(format!("{at}.{field}"), message));
        people(experiment, &mut report);
        times(experiment, now, &mut report);
        effects(document, experiment, &mut report);
        names(experiment, &mut report);
        destinations(document, experiment, &mut report);
        links::check(experiment, &mut report);
        moment::check(document, experiment, &mut report);
        reading::check(document, experiment, now, &mut report);
        worth::check(document, experiment, &mut report);
    }
    surface::check(document, problems);
}

fn people(experiment: &Experiment, report: &mut impl FnMut(&str, String)) {
    if experiment.owner.trim().is_empty() {
        report("owner", "nobody answers for it: name a person or a team".to_owned());
    }
    if experiment.kind == Kind::Experiment && experiment.hypothesis.trim().is_empty() {
        report("hypothesis", "there is none: write what should change, and why, before the numbers come".to_owned());
    }
    let rollback = experiment.rollback.as_ref().map_or("", |rollback| rollback.owner.trim());
    if experiment.risk == Risk::High && rollback.is_empty() {
        report("rollback.owner", "the risk is high and nobody takes it back: name who does".to_owned());
    }
}

/// Whether something of the kind is meant to end: a switch or a permission is not, nor is a winner that ships until the
/// page itself is changed.
fn should_end(experiment: &Experiment) -> bool {
    matches!(experiment.kind, Kind::Experiment | Kind::Release)
        && experiment.status != Status::Completed
        && experiment.winner.is_none()
}

fn times(experiment: &Experiment, now: Timestamp, report: &mut impl FnMut(&str, String)) {
    match experiment.ends_at {
        None if should_end(experiment) => {
            report("ends_at", "it has no end: write when it will be decided".to_owned());
        }
        Some(ends) if ends <= now => {
            let advice = match experiment.status {
                Status::Completed => "remove it from the document",
                _ => "set the status `completed`, ship the winner, or remove it",
            };
            report("ends_at", format!("it ended at {ends} and is still here, control for everybody: {advice}"));
        }
        Some(ends) if ends.millis().saturating_sub(now.millis()) > FAR_END_DAYS * DAY_MILLIS => {
            report("ends_at", format!("{ends} is more than {FAR_END_DAYS} days away: plan a shorter test"));
        }
        _ => {}
    }
    for (index, step) in experiment.ramp.iter().enumerate() {
        if experiment.ends_at.is_some_and(|ends| step.at >= ends) {
            report(&format!("ramp[{index}].at"), format!("{} is not before `ends_at`: it never counts", step.at));
        }
    }
}

/// A redirect to another site is only carried out where the document allows the host, so that a typo cannot send shoppers
/// away.
fn destinations(document: &Document, experiment: &Experiment, report: &mut impl FnMut(&str, String)) {
    for (index, variant) in experiment.variants.iter().enumerate() {
        let to = variant.redirect.as_ref().and_then(|redirect| Destination::parse(&redirect.to).ok());
        let Some(host) = to.and_then(|to| to.host) else { continue };
        let is_one = |host: &String| !host.contains('*');
        let leads_away = document.redirect_hosts.iter().any(|known| known.eq_ignore_ascii_case(&host));
        if leads_away && !experiment.hosts.iter().any(is_one) && !experiment.pages.is_empty() {
            report(
                "hosts",
                format!(
                    "it redirects to {host} and names no host of its own, so that page cannot name its original for search engines: list the host of its pages"
                ),
            );
        }
        let known = document.redirect_hosts.iter().chain(&experiment.hosts);
        if !known.into_iter().any(|known| known.eq_ignore_ascii_case(&host)) {
            report(
                &format!("variants[{index}].redirect.to"),
                format!(
                    "only pages of {host} itself redirect there: add {host:?} to `redirect_hosts` if others should"
                ),
            );
        }
    }
}

fn effects(document: &Document, experiment: &Experiment, report: &mut impl FnMut(&str, String)) {
    if experiment.unit == UnitKind::User
        && document.visitor.user_cookie.is_none()
        && document.visitor.user_header.is_none()
    {
        report("unit", "no user is ever known: set `visitor.user_cookie` or `visitor.user_header`".to_owned());
    }
    if experiment.expose == Expose::Selector && experiment.variants.iter().all(|variant| variant.rewrite.is_empty()) {
        report("expose", "no variant rewrites anything, so nobody is ever exposed: write \"page\"".to_owned());
    }
    if experiment.mode == Mode::Shadow && experiment.shadow.is_none() {
        report(
            "shadow",
            "its decisions are compared with nothing, and only counted: to compare them, write `\"shadow\": {\"compare\": \"cookie.NAME\"}`"
                .to_owned(),
        );
    }
    for (index, variant) in experiment.variants.iter().enumerate() {
        if variant.payload.is_some() && document.bridge == Bridge::None {
            report(
                &format!("variants[{index}].payload"),
                "it never reaches the page: set the document's `bridge` to \"script\" or \"attribute\"".to_owned(),
            );
        }
        if variant.redirect.is_some() && (variant.origin.is_some() || !variant.rewrite.is_empty()) {
            report(
                &format!("variants[{index}].redirect"),
                "it redirects, so its `rewrite` and `origin` are never used: remove them, or the redirect".to_owned(),
            );
        }
    }
}

fn names(experiment: &Experiment, report: &mut impl FnMut(&str, String)) {
    let starts_with_digit = |id: &str| id.starts_with(|c: char| c.is_ascii_digit());
    let id = experiment.id.as_str();
    if starts_with_digit(id) {
        report(
            "id",
            format!(
                "a key of RFC 9651 cannot start with a digit, so `Sortition-Variants` says `*{id}`: start it with a letter"
            ),
        );
    }
    for (index, variant) in experiment.variants.iter().enumerate() {
        let id = variant.id.as_str();
        if starts_with_digit(id) {
            report(
                &format!("variants[{index}].id"),
                format!(
                    "a token of RFC 9651 cannot start with a digit, so `Sortition-Variants` says `\"{id}\"`: start it with a letter"
                ),
            );
        }
    }
    if let Some(first) = experiment.variants.first()
        && experiment.kind == Kind::Experiment
        && first.id.as_str() != "control"
    {
        report(
            "variants[0].id",
            format!(
                "the first variant is the control, whatever its name: call {:?} control, or put the control first",
                first.id.as_str()
            ),
        );
    }
}
