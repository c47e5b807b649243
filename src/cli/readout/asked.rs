//! What is asked about experiments, each question with its name.

use crate::cli::Failure;
use crate::document::{Document, Experiment, Id, Metric, Timestamp};
use crate::ledger::question::{self, Extent, Iteration, Place, Table, tables};
use crate::metrics::Definition;
use crate::readout::{self, Depth};

/// What everybody's holdout is measured by: a reserved experiment.
pub(super) const HOLDOUT: &str = "_holdout";

/// What is asked about one experiment.
pub(super) struct Asked {
    pub(super) id: String,
    /// Name and SQL.
    pub(super) questions: Vec<(String, String)>,
    /// The tables that only they are asked of, where there are tables.
    pub(super) tables: Vec<Table>,
}

/// The questions about one experiment, as they are asked of tables or of events.
struct Written<'a> {
    of: Iteration<'a>,
    definitions: &'a [Definition],
    place: Place<'a>,
}

impl Written<'_> {
    fn units(&self) -> String {
        let Self { of, place, .. } = *self;
        if place.tables { tables::units(of, Extent::Parts, place) } else { question::units(of, Extent::Parts, place) }
            .sql
    }

    fn metric(&self, nth: usize) -> String {
        let Self { of, definitions, place } = *self;
        match definitions.get(nth) {
            Some(definition) if !place.tables => question::metric(of, definition, Extent::Parts, place).sql,
            _ => tables::metric(of, definitions, nth, Extent::Parts, place).sql,
        }
    }

    fn interactions(&self, others: &[Iteration<'_>]) -> String {
        let Self { of, definitions, place } = *self;
        match definitions.first() {
            Some(definition) if !place.tables => question::interactions(of, others, definition, place).sql,
            _ => tables::interactions(of, others, definitions, place).sql,
        }
    }
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
        let define = |(id, metric): &(&Id, &Metric)| {
            Definition::of(metric).map_err(|message| Failure::refused(format!("metrics.{id}"), message))
        };
        let definitions = metrics.iter().map(define).collect::<Result<Vec<_>, _>>()?;
        let written = Written { of, definitions: &definitions, place };
        let mut questions = vec![("units".to_owned(), written.units())];
        let metric = |(nth, (id, _)): (usize, &(&Id, &Metric))| (format!("metric {id}"), written.metric(nth));
        questions.extend(metrics.iter().enumerate().map(metric));
        // why: the primary metric is the first
        if let (Some((id, _)), false) = (metrics.first(), others.is_empty()) {
            questions.push((format!("interactions {id}"), written.interactions(&others)));
        }
        for (name, sql) in &mut questions {
            // why: an answer that says what it answers can be handed on with others, in any order
            *sql = sql.replace("SELECT 'end', ''", &format!("SELECT 'end', '{} {name}'", of.experiment));
        }
        let own = if place.tables { tables::measured(of, &definitions, place) } else { Vec::new() };
        met.push(of);
        met.extend(&others);
        asked.push(Asked { id: of.experiment.to_owned(), questions, tables: own });
    }
    if let (Some(id), true) = (chosen, asked.is_empty()) {
        return Err(Failure::Usage(format!("the document has no experiment {id}")));
    }
    met.sort_by_key(|of| (of.experiment, of.iteration));
    met.dedup_by_key(|of| (of.experiment, of.iteration));
    let tables = if place.tables { tables::tables(&met, place) } else { Vec::new() };
    Ok((tables, asked))
}
