//! What the parts of a document say together, where its text had to be repaired to be read.

use super::structure::Walked;
use super::{Gaps, check_knowing};
use crate::document::{Document, Problem, Timestamp, warnings};
use serde_json::Value;

/// What the parts of a repaired document say, by paths of the text, but for what only the repair makes wrong.
pub(super) fn meaning(value: &Value, walked: &Walked, gaps: &Gaps, now: Timestamp) -> Vec<Problem> {
    let Ok(document) = serde_json::from_value::<Document>(value.clone()) else { return Vec::new() };
    let mut problems = check_knowing(&document, gaps);
    problems.extend(warnings(&document, now));
    for problem in &mut problems {
        problem.path = walked.original(&problem.path);
    }
    problems.retain(|problem| !walked.is_doubtful(&problem.path));
    problems
}
