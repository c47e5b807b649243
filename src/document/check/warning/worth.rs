//! Whether an experiment can have a result at all.

use crate::document::{Bridge, Document, Experiment, Expose, Kind, Status, Variant};

/// The hypothesis that `sortition new` writes, for somebody to replace.
pub const HYPOTHESIS_TEMPLATE: &str = "If …, then …, because …";

pub(super) fn check(document: &Document, experiment: &Experiment, report: &mut impl FnMut(&str, String)) {
    let decides = experiment.kind == Kind::Experiment && experiment.winner.is_none();
    if decides && experiment.hypothesis.trim() == HYPOTHESIS_TEMPLATE {
        report("hypothesis", "it is the template's: write what should change, and why".to_owned());
    }
    if let Some(mde) = experiment.analysis.and_then(|analysis| analysis.mde).filter(|mde| *mde >= 1.0) {
        let percent = mde * 100.0;
        report("analysis.mde", format!("{mde} looks for a change by {percent} %: write 0.02 for 2 %"));
    }
    if !decides || experiment.status != Status::Running {
        return;
    }
    let metrics = experiment.metrics.as_ref();
    if metrics.is_none_or(|m| m.primary.is_none() && m.secondary.is_empty() && m.guardrails.is_empty()) {
        let advice = "it is running and measures nothing, so it can never have a result: name a `primary` metric";
        report("metrics", advice.to_owned());
    }
    if let [only] = experiment.variants.as_slice() {
        let advice =
            format!("{:?} is the only one, so there is nothing to compare it with: add another", only.id.as_str());
        report("variants", advice);
    }
    equal(document, experiment, report);
}

/// Variants that show the same, as far as the document says.
fn equal(document: &Document, experiment: &Experiment, report: &mut impl FnMut(&str, String)) {
    for (index, variant) in experiment.variants.iter().enumerate().skip(1) {
        let same = experiment.variants.iter().take(index).find(|other| shows_the_same(other, variant));
        let Some(other) = same.map(|other| other.id.as_str()) else { continue };
        let told = document.headers.to_origin || document.bridge != Bridge::None;
        let message = match (is_plain(variant), told) {
            // why: an exposure by a selector that nobody rewrites is a problem of its own
            (true, _) if experiment.expose == Expose::Selector => continue,
            (true, true) if experiment.expose == Expose::Origin => continue,
            (true, true) => format!(
                "it is equal to {other:?} here, so only what reads `Sortition-Variants` makes a difference: write what it changes, or `expose: \"origin\"` where the origin renders it"
            ),
            _ => format!("it is equal to {other:?}: nobody sees a difference"),
        };
        report(&format!("variants[{index}]"), message);
    }
}

fn is_plain(variant: &Variant) -> bool {
    variant.rewrite.is_empty()
        && variant.redirect.is_none()
        && variant.origin.is_none()
        && variant.response_headers.is_empty()
        && variant.payload.is_none()
}

fn shows_the_same(one: &Variant, other: &Variant) -> bool {
    one.rewrite == other.rewrite
        && one.redirect == other.redirect
        && one.origin == other.origin
        && one.response_headers == other.response_headers
        && one.payload == other.payload
}
