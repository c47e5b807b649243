//! What a readout asks an engine about the project as a whole: as `super::super::readout` asks the record, with the same
//! fields in the same order. An engine answers from the tables `messages` and `origin_health` beside the events.

use super::words::Words;
use super::{Extent, Iteration, Place, Question};

fn question(project: &str, now: i64, place: Place<'_>, text: &str) -> Question {
    let of = Iteration { project, experiment: "", iteration: 1, variants: &[], now };
    Words::new(of, None, Extent::Days, place).text(text)
}

/// What was stopped before its time: `[experiment, ended_at, reason, variant or null]`, in time's order.
#[must_use]
pub fn endings(project: &str, now: i64, place: Place<'_>) -> Question {
    question(
        project,
        now,
        place,
        "SELECT DISTINCT experiment_id AS c01, ended_at AS c02, ended_reason AS c03, variant AS c04 FROM $events() \
WHERE project = $project() AND type = 'experiment_ended_early' AND ended_at <= $now_text() ORDER BY c02",
    )
}

/// What arrived of what was sent, and what was served: `[sent, lost, crawlers, visits]`.
#[must_use]
pub fn delivery(project: &str, now: i64, place: Place<'_>) -> Question {
    question(
        project,
        now,
        place,
        "SELECT $text($sum(highest + 1)) AS c01, $text($sum(highest + 1 - arrived)) AS c02, $text($sum(coalesce(crawlers, 0))) AS c03, \
$text($sum(coalesce(visits, 0))) AS c04 FROM (SELECT source, max(seq) AS highest, count(DISTINCT seq) AS arrived, \
max(crawlers) AS crawlers, max(visits) AS visits FROM messages GROUP BY source) s",
    )
}

/// How the origin answered: see [`super::super::readout::health`].
#[must_use]
pub fn health(project: &str, now: i64, place: Place<'_>) -> Question {
    question(
        project,
        now,
        place,
        "SELECT experiment_id AS c01, $text(iteration) AS c02, variant AS c03, $text($sum(requests)) AS c04, $text($sum(errors)) AS c05, \
$text($sum(le_50)) AS c06, $text($sum(le_100)) AS c07, $text($sum(le_200)) AS c08, $text($sum(le_400)) AS c09, \
$text($sum(le_800)) AS c10, $text($sum(le_1600)) AS c11, $text($sum(le_3200)) AS c12, $text($sum(over_3200)) AS c13, \
$text(count(*)) AS c14, $text($sum_of_products(requests, requests)) AS c15, $text($sum_of_products(errors, errors)) AS c16, \
$text($sum_of_products(requests, errors)) AS c17 FROM (SELECT experiment_id, iteration, variant, hour, source, max(requests) AS requests, \
max(errors) AS errors, max(le_50) AS le_50, max(le_100) AS le_100, max(le_200) AS le_200, max(le_400) AS le_400, max(le_800) AS le_800, \
max(le_1600) AS le_1600, max(le_3200) AS le_3200, max(over_3200) AS over_3200 FROM origin_health WHERE project = $project() \
GROUP BY experiment_id, iteration, variant, hour, source) h GROUP BY experiment_id, iteration, variant",
    )
}
