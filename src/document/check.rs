//! Whether the parts of a document fit together, and everything that does not, each with its path.
//!
//! [`check`] is what stands between a document and a plan: the worker runs it too, so it is pure and fast. Its errors
//! refuse a document; what [`warnings`] says is for people. The operator's tool calls `check_text`, which starts from the
//! text and finds all problems at once, where serde would stop at the first.
//!
//! The steps from text to plan are `inline(never)`: V8 optimises what is hot function by function, in time that grows
//! faster than a function's size. As one function of 89 KB they took it 240 ms of a start with 1,000 experiments, as
//! functions of 10 KB and less about 60.

mod audience;
mod cycle;
mod experiment;
mod http;
mod metric;
mod page;
mod protected;
mod overlap;
mod redirect;
mod reference;
mod selector;
mod settings;
mod step;
mod variant;
mod warning;

#[cfg(not(target_arch = "wasm32"))]
mod environment;
#[cfg(not(target_arch = "wasm32"))]
mod format;
#[cfg(not(target_arch = "wasm32"))]
mod described;
#[cfg(not(target_arch = "wasm32"))]
mod json;
#[cfg(not(target_arch = "wasm32"))]
mod meaning;
mod policy;
#[cfg(not(target_arch = "wasm32"))]
mod structure;
mod takeover;
#[cfg(not(target_arch = "wasm32"))]
mod text;

pub use policy::{PolicyProblems, policy};
#[cfg(not(target_arch = "wasm32"))]
pub use text::{Checked, check_text};
pub use warning::HYPOTHESIS_TEMPLATE;

use super::{Document, Problem, Timestamp};
use std::collections::BTreeSet;

/// Names that a document has and that could not be read, so that a reference to them may be right.
#[derive(Debug, Default)]
struct Gaps {
    /// An experiment's id could not be read.
    experiments: bool,
    /// The places of the experiments of which a variant's id could not be read.
    variants: BTreeSet<usize>,
}

#[cfg(not(target_arch = "wasm32"))]
impl Gaps {
    /// These and the others.
    fn with(&self, other: &Self) -> Self {
        Self { experiments: self.experiments || other.experiments, variants: &self.variants | &other.variants }
    }
}

/// Everything that refuses the document: names that do not exist or exist twice, circles, overlaps, values out of range,
/// conditions and regular expressions that cannot be read, rewrites that touch what search engines read.
///
/// The result has errors only, in the document's order within each kind; empty, the document can be compiled. It costs a
/// few microseconds an experiment, and its time grows with the document's size. On `wasm32` selectors are not parsed, for
/// the rewriter that would refuse them is at hand there.
#[must_use]
pub fn check(document: &Document) -> Vec<Problem> {
    check_knowing(document, &Gaps::default())
}

#[inline(never)]
fn check_knowing(document: &Document, gaps: &Gaps) -> Vec<Problem> {
    let mut problems = Vec::new();
    settings::check(document, &mut problems);
    audience::check(document, &mut problems);
    for (place, one) in document.experiments.iter().enumerate() {
        let at = format!("experiments[{place}]");
        experiment::check(one, &at, &mut problems);
        page::check(one, &at, &mut problems);
        variant::check(one, &at, &mut problems);
        takeover::check(one, &at, &mut problems);
    }
    reference::check(document, gaps, &mut problems);
    takeover::keys(document, &mut problems);
    takeover::adopted(document, &mut problems);
    redirect::check(document, &mut problems);
    problems
}

/// Everything that works and that somebody should look at, at a time: missing owners, hypotheses and ends, ends that have
/// passed or are far away, experiments that get in each other's way, effects too small to find.
#[must_use]
pub fn warnings(document: &Document, now: Timestamp) -> Vec<Problem> {
    let mut problems = Vec::new();
    warning::check(document, now, &mut problems);
    problems
}
