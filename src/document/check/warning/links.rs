//! Treatments that change the links by which crawlers, and people, get from page to page.

use crate::document::check::selector::{Complex, read};
use crate::document::{Action, Experiment, RewriteStep, Status};

/// Elements that hold a site's navigation.
const NAVIGATION: [&str; 4] = ["nav", "header", "footer", "menu"];

/// Says which steps edit internal links: while a test runs the index would follow other links on pages with the treatment
/// than on those without.
pub(super) fn check(experiment: &Experiment, report: &mut impl FnMut(&str, String)) {
    if experiment.status == Status::Completed {
        return;
    }
    for (number, variant) in experiment.variants.iter().enumerate() {
        for (index, step) in variant.rewrite.iter().enumerate() {
            if edits_links(step) {
                report(
                    &format!("variants[{number}].rewrite[{index}].select"),
                    format!(
                        "{:?} edits internal links, which search engines follow: keep the same links in every variant, or plan for what is crawled meanwhile",
                        step.select
                    ),
                );
            }
        }
    }
}

fn edits_links(step: &RewriteStep) -> bool {
    let selectors = read(&step.select);
    match step.action {
        Action::SetAttribute | Action::RemoveAttribute => {
            let is_target = step.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("href"));
            let leaves = step.action == Action::SetAttribute && step.value.as_deref().is_some_and(is_elsewhere);
            is_target && !leaves && selectors.iter().any(|selector| may_be(selector, "a"))
        }
        Action::Remove | Action::Replace | Action::SetHtml | Action::SetText => {
            let is_link = |selector: &&Complex| may_be(selector, "a") && selector.element.tag.is_some();
            let empties_link = !matches!(step.action, Action::SetHtml | Action::SetText);
            selectors.iter().any(|selector| is_navigation(selector.element.tag.as_deref()))
                || selectors.iter().filter(|_| empties_link).filter(is_link).any(is_in_navigation)
        }
        Action::Before | Action::After | Action::Prepend | Action::Append => {
            let adds_link = step.html && step.value.as_deref().is_some_and(has_link);
            adds_link
                && selectors
                    .iter()
                    .any(|selector| is_in_navigation(selector) || is_navigation(selector.element.tag.as_deref()))
        }
        Action::AddClass | Action::RemoveClass => false,
    }
}

/// Whether a link leads to another site, or to no page: search engines do not take it for one of this site's.
fn is_elsewhere(target: &str) -> bool {
    let lower = target.trim_start().to_ascii_lowercase();
    lower.starts_with('#')
        || lower.starts_with("//")
        || ["http:", "https:", "mailto:", "tel:", "sms:", "javascript:"].iter().any(|scheme| lower.starts_with(scheme))
}

fn has_link(html: &str) -> bool {
    html.to_ascii_lowercase().split("<a").skip(1).any(|rest| rest.starts_with(|c: char| c.is_whitespace()))
}

fn may_be(selector: &Complex, tag: &str) -> bool {
    match selector.element.tag.as_deref() {
        Some(own) => own == tag,
        // why: a class or an id alone may well name a link, and `href` is what links have
        None => true,
    }
}

fn is_in_navigation(selector: &Complex) -> bool {
    selector.ancestors.iter().any(|tag| is_navigation(Some(tag)))
}

fn is_navigation(tag: Option<&str>) -> bool {
    tag.is_some_and(|tag| NAVIGATION.contains(&tag))
}
