//! What becomes of an iteration's exposures when their time is over: they go, their counts stay.

use super::question::Question;
use serde_json::json;

/// How many exposures go in one statement.
const STEP: u32 = 2_000;

/// The number of an iteration.
const NUMBER: &str = "(SELECT number FROM iterations WHERE project = ?1 AND experiment_id = ?2 AND iteration = ?3)";

/// How exposures are let go of: what the record says of the iteration (`expired`, and whether any are `here`; no row: it was
/// never heard of), the statement that marks it, so that what goes stays counted, and the one that deletes some of them, to be
/// run until nothing changes.
#[must_use]
pub fn letting_go(project: &str, experiment: &str, iteration: u32) -> [Question; 3] {
    let step = format!(
        "DELETE FROM exposed WHERE (iteration_no, kind, unit, id) IN \
(SELECT iteration_no, kind, unit, id FROM exposed WHERE iteration_no = {NUMBER} LIMIT {STEP})"
    );
    let state = "SELECT expired, EXISTS (SELECT 1 FROM exposed WHERE iteration_no = number) AS here FROM iterations \
WHERE project = ?1 AND experiment_id = ?2 AND iteration = ?3";
    let mark = format!("UPDATE iterations SET expired = 1 WHERE number = {NUMBER}");
    [state.to_owned(), mark, step]
        .map(|sql| Question { sql, values: vec![json!(project), json!(experiment), json!(iteration)] })
}
