//! What came out of an experiment until now, from the record or from what another engine published, for the decision on it.

use crate::cli::Failure;
use crate::cli::kv::KvArguments;
use crate::cli::store::Store;
use crate::document::{Document, Experiment, Timestamp};
use crate::ledger::question::Question;
use crate::ledger::question::shared::{SharedQuestion, Whole};
use crate::ledger::union;
use crate::plan::{Kill, KillGuard};
use crate::readout::{self, Depth, Known, Published, Results};
use serde_json::Value;

/// Sums it up.
///
/// # Errors
///
/// Why there is nothing to sum up, or nobody to ask, in a sentence.
pub(super) fn of(
    document: &Document,
    experiment: &Experiment,
    switches: [Option<&str>; 2],
    place: &KvArguments,
    now: Timestamp,
) -> Result<String, String> {
    // why: an answer that was given before would stand in the place of the numbers
    let undecided = Experiment { decision: None, ..experiment.clone() };
    let asking = Asking { document, experiment: &undecided, switches, now };
    let mut store = Store::open(place).map_err(said)?;
    let recorded = match store.databases().map_err(said)? {
        0 => None,
        1 => Some(asking.record(&mut store)?),
        several => Some(asking.records(&mut store, several)?),
    };
    if let Some(results) = recorded.as_ref().filter(|results| results.units > 0) {
        return readout::summary(results);
    }
    match (asking.published(&mut store), recorded) {
        (Some(results), _) => readout::summary(&results),
        (None, Some(results)) => readout::summary(&results),
        (None, None) => Err("there is no record to ask, and no results were published.".to_owned()),
    }
}

fn said(failure: Failure) -> String {
    match failure {
        Failure::Usage(why) | Failure::Outside(why) => format!("{why}."),
        Failure::Refused(problems) | Failure::Unsound { problems, .. } => {
            format!("{}.", problems.first().map_or("it was refused", |problem| problem.message.as_str()))
        }
    }
}

/// The answer of several databases to a question.
fn together(store: &mut Store, shared: &SharedQuestion, question: Question, databases: u8) -> Result<String, String> {
    let asked = if shared.whole == Whole::First { 1 } else { databases };
    let mut every = |sql: &str, values: Vec<Value>| -> Result<Vec<String>, String> {
        let one = |number| Ok(answer(&store.rows_in(number, sql, values.clone().into()).map_err(said)?));
        (0..asked).map(one).collect()
    };
    let befores = match &shared.before {
        Some(sql) => every(sql, Vec::new())?,
        None => Vec::new(),
    };
    let befores: Vec<&str> = befores.iter().map(String::as_str).collect();
    let values = union::parameters(shared, question.values, &befores).map_err(|why| why.to_string())?;
    let answers = every(&shared.sql, values)?;
    let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
    union::whole(shared, &befores, &answers).map_err(|why| why.to_string())
}

/// The rows of an answer as its text: each is one text, whatever its column is called.
fn answer(rows: &[Value]) -> String {
    let texts: Vec<&str> = rows.iter().filter_map(|row| row.as_object()?.values().next()?.as_str()).collect();
    format!("[{}]", texts.join(","))
}

/// Who asks about what, as of when.
struct Asking<'a> {
    document: &'a Document,
    experiment: &'a Experiment,
    /// The keys `kill` and `kill-guard`.
    switches: [Option<&'a str>; 2],
    now: Timestamp,
}

impl Asking<'_> {
    /// What the database says.
    fn record(&self, store: &mut Store) -> Result<Results, String> {
        let mut ask = |questions: Vec<Question>| -> Result<Vec<Option<String>>, String> {
            let mut answers = Vec::new();
            for Question { sql, values } in questions {
                answers.push(Some(answer(&store.rows_in(0, &sql, Value::Array(values)).map_err(said)?)));
            }
            Ok(answers)
        };
        let first = ask(Known::questions(self.document))?;
        let second = ask(readout::questions(self.document, self.experiment, Depth::Detail, self.now))?;
        Ok(self.results(Known::read(&first), &second, self.now))
    }

    /// What several databases say together.
    fn records(&self, store: &mut Store, databases: u8) -> Result<Results, String> {
        let mut ask = |shared: Vec<SharedQuestion>, questions: Vec<Question>| -> Result<Vec<Option<String>>, String> {
            let both = shared.iter().zip(questions);
            both.map(|(shared, question)| together(store, shared, question, databases).map(Some)).collect()
        };
        let (document, e) = (self.document, self.experiment);
        let first = ask(Known::shared(document), Known::questions(document))?;
        let second = ask(
            readout::shared_questions(document, e, Depth::Detail, self.now),
            readout::questions(document, e, Depth::Detail, self.now),
        )?;
        Ok(self.results(Known::read(&first), &second, self.now))
    }

    /// What another engine said, as the archive keeps it.
    fn published(&self, store: &mut Store) -> Option<Results> {
        let key = readout::published_place(&self.document.project, self.experiment);
        let text = store.get(&[key]).ok()?.pop().flatten()?;
        let published: Published = serde_json::from_str(&text).ok()?;
        if published.schema != Published::SCHEMA {
            return None;
        }
        let answered = |questions: Vec<Question>| -> Vec<Option<String>> {
            let key = |question: &Question| readout::published_key(&question.to_json().to_string());
            questions.iter().map(|question| published.answers.get(&key(question)).cloned()).collect()
        };
        // why: what the guard has told is the worker's to know
        let mut first = answered(Known::questions(self.document));
        if let Some(notes) = first.last_mut() {
            *notes = Some("[]".to_owned());
        }
        let mut known = Known::read(&first);
        known.incomplete.extend(published.incomplete.iter().cloned());
        let second = answered(readout::questions(self.document, self.experiment, Depth::Detail, self.now));
        let then = published.computed_at.parse().ok()?;
        let results = self.results(known, &second, then);
        Some(Results { computed_by: Some(published.engine.clone()), ..results })
    }

    fn results(&self, mut known: Known, answers: &[Option<String>], now: Timestamp) -> Results {
        let [kill, guard] = self.switches;
        known.kill = kill.map(|text| Kill::parse(text).unwrap_or_else(|_| Kill::everything())).unwrap_or_default();
        known.guard = guard.and_then(|text| KillGuard::parse(text).ok()).unwrap_or_default();
        readout::results(self.document, self.experiment, &known, answers, Depth::Detail, now)
    }
}
