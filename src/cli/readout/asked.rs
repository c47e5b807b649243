//! What is asked about experiments, each question with its name.

use crate::cli::Failure;
use crate::document::{Document, Experiment, Timestamp};
use crate::ledger::question::{self, Extent, Iteration, Place, Table};
use crate::metrics::Definition;
use crate::readout::{self, Depth};

/// What everybody's holdout is measured by: a reserved experiment.
pub(super) const HOLDOUT: &str = "_holdout";

/// What is asked about one experiment.
pub(super) struct Asked {
    pub(super) id: String,
    /// Name and SQL.
    pub(super) questions: Vec<(String, String)>,
    /// A table that they are asked of, where there are tables.
    pub(super) table: Option<Table>,
}

/// The questions about the project as a whole, in the order in which a readout's `Known` reads them. Each row begins with the
/// question's name.
pub(super) fn project_questions(document: &Document, place: Place<'_>, now: Timestamp) -> Vec<(String, String)> {
    let (project, now) = (document.project.as_str(), now.millis());
    let named = |name: &str, question: question::Question| {
        (name.to_owned(), format!("SELECT '{name}' AS what, q.* FROM ({}) q", question.sql))
    };
    vec![
        named("endings", question::endings(project, now, place)),
        named("delivery", question::delivery(project, now, place)),
        named("health", question::health(project, now, place)),
    ]
}

/// The questions about the chosen experiments: the units, each metric, and the interactions of the primary one; and the
/// tables that they share.
pub(super) fn asked(
    document: &Document,
    chosen: Option<&str>,
    place: Place<'_>,
    now: Timestamp,
) -> Result<(Vec<Table>, Vec<Asked>), Failure> {
    let variants: Vec<Vec<&str>> = document.experiments.iter().map(readout::variants).collect();
    let known: Vec<(&Experiment, Iteration<'_>)> = document
        .experiments
        .iter()
        .zip(&variants)
        .map(|(experiment, variants)| (experiment, readout::iteration(document, experiment, variants, now)))
        .collect();
    let mut all = Vec::new();
    for (experiment, of) in &known {
        let others = readout::others(document, experiment);
        let others = others.into_iter().filter_map(|other| known.iter().find(|(one, _)| one.id == other.id));
        let others: Vec<Iteration<'_>> = others.map(|(_, of)| *of).collect();
        all.push((*of, readout::metrics(document, experiment, Depth::Detail), others));
    }
    // why: of the holdout an engine is asked every metric, and the readout shows those that it has
    let holdout = Iteration {
        project: &document.project,
        experiment: HOLDOUT,
        iteration: 1,
        variants: &["held_out", "not_held_out"],
        now: now.millis(),
    };
    all.push((holdout, document.metrics.iter().collect(), Vec::new()));
    let is_chosen = |of: &Iteration<'_>| chosen.map_or(of.experiment != HOLDOUT, |id| id == of.experiment);
    let mut asked = Vec::new();
    let mut met: Vec<Iteration<'_>> = Vec::new();
    for (of, metrics, others) in all.into_iter().filter(|(of, ..)| is_chosen(of)) {
        let mut questions = vec![("units".to_owned(), question::units(of, Extent::Parts, place).sql)];
        let (mut definitions, mut among) = (Vec::new(), None);
        for (id, metric) in metrics {
            let definition =
                Definition::of(metric).map_err(|message| Failure::refused(format!("metrics.{id}"), message))?;
            questions.push((format!("metric {id}"), question::metric(of, &definition, Extent::Parts, place).sql));
            // why: the primary metric is the first
            if definitions.is_empty() && !others.is_empty() {
                let sql = question::interactions(of, &others, &definition, place).sql;
                among = Some((format!("interactions {id}"), sql));
            }
            definitions.push(definition);
        }
        questions.extend(among);
        for (name, sql) in &mut questions {
            // why: an answer that says what it answers can be handed on with others, in any order
            *sql = sql.replace("SELECT 'end', ''", &format!("SELECT 'end', '{} {name}'", of.experiment));
        }
        let table = place.tables.then(|| question::hits(of, &definitions, place));
        met.push(of);
        met.extend(&others);
        asked.push(Asked { id: of.experiment.to_owned(), questions, table });
    }
    if let (Some(id), true) = (chosen, asked.is_empty()) {
        return Err(Failure::Usage(format!("the document has no experiment {id}")));
    }
    met.sort_by_key(|of| (of.experiment, of.iteration));
    met.dedup_by_key(|of| (of.experiment, of.iteration));
    let tables = if place.tables { question::tables(&met, place) } else { Vec::new() };
    Ok((tables, asked))
}
