//! The readout and its guard, in synchronous calls between the questions that `readout.js` asks the record.

mod door;
mod guard;
mod links;

use crate::document::{Document, Experiment, Kind, Status, Timestamp};
use crate::ledger;
use crate::ledger::question::shared::{SharedQuestion, Whole};
use crate::ledger::question::{self, Iteration, Question};
use crate::ledger::union;
use crate::operate::SignedForm;
use crate::plan::{Kill, KillGuard};
use crate::readout::{self, AuditEntry, Depth, Form, Known, Published, Results, Source, Subject, View};
use links::Links;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

/// How many experiments a list asks the record about.
const MOST_IN_LIST: usize = 100;

/// How many questions it asks about them: D1 answers 1,000 a request, and some are asked about the project. Of several
/// databases each is asked, and some questions are asked twice.
const MOST_QUESTIONS: usize = 900;

/// A readout under way.
#[wasm_bindgen]
pub struct Readout {
    document: Document,
    known: Known,
    now: Timestamp,
    scope: Depth,
    /// Whether it is the guard's, which asks about all that it watches.
    guard: bool,
    /// The experiments that it is about, by position.
    chosen: Vec<usize>,
    /// What its page leads to.
    links: Links,
    /// Whose answers they are, by experiment, where they are not the record's.
    by: Vec<Option<By>>,
    /// Who looks at its page.
    reader: Reader,
    /// How many databases the record lies in.
    databases: usize,
    /// Which of them is missing, in a sentence.
    gap: Option<String>,
}

/// What another engine computed.
#[derive(Clone, Deserialize)]
struct By {
    engine: String,
    computed_at: String,
    #[serde(default)]
    incomplete: Vec<String>,
}

/// Who looks at the page of an experiment.
#[derive(Default)]
enum Reader {
    /// Somebody who may see all.
    #[default]
    Insider,
    /// Somebody who may act, with the secret that forms are signed with.
    Operator(String),
    /// Somebody who was sent a link to this one.
    Guest,
}

/// The questions as a text: `[[sql, value, …], …]`.
fn text(questions: Vec<Question>) -> String {
    Value::Array(questions.iter().map(Question::to_json).collect()).to_string()
}

/// What several databases are asked, as a text: a list.
fn shared_text(asked: &[SharedQuestion]) -> String {
    serde_json::to_string(asked).unwrap_or_default()
}

/// The parameters of a question to several databases, a JSON list; see [`union::parameters`]. `values` are its own.
#[wasm_bindgen]
pub fn shared_parameters(shared: &str, values: &str, befores: &str) -> Result<String, JsValue> {
    let values: Vec<Value> = serde_json::from_str(values).unwrap_or_default();
    let list = |shared: &_, befores: &[&str], _: &[&str]| union::parameters(shared, values.clone(), befores);
    with_shared(shared, befores, "[]", list).map(|values| Value::Array(values).to_string())
}

/// The answer of all databases together; see [`union::whole`].
#[wasm_bindgen]
pub fn shared_whole(shared: &str, befores: &str, answers: &str) -> Result<String, JsValue> {
    with_shared(shared, befores, answers, union::whole)
}

fn with_shared<T, E: ToString>(
    shared: &str,
    befores: &str,
    answers: &str,
    unite: impl Fn(&SharedQuestion, &[&str], &[&str]) -> Result<T, E>,
) -> Result<T, JsValue> {
    let shared: SharedQuestion = serde_json::from_str(shared).map_err(|error| JsValue::from(error.to_string()))?;
    let texts = |list: &str| serde_json::from_str::<Vec<String>>(list).unwrap_or_default();
    let (befores, answers) = (texts(befores), texts(answers));
    let [befores, answers] = [&befores, &answers].map(|list| list.iter().map(String::as_str).collect::<Vec<_>>());
    unite(&shared, &befores, &answers).map_err(|error| JsValue::from(error.to_string()))
}

/// Answers as a text: a list of texts, null where a question failed.
fn answers(text: &str) -> Vec<Option<String>> {
    serde_json::from_str(text).unwrap_or_default()
}

/// The key that the answer to questions is kept under: by what they ask, whatever the time.
#[wasm_bindgen]
pub fn answer_key(questions: &str) -> String {
    readout::published_key(questions)
}

/// What to forget of the record now: `[[sql, value], …]`.
#[wasm_bindgen]
pub fn prune(now: f64) -> String {
    #[allow(clippy::cast_possible_truncation)]
    text(ledger::prune(Timestamp::from_millis(now as i64)))
}

/// Takes a step of the exposures of before along into the small record: `[[sql], …]`, to be run in one transaction while the
/// first answers with a row.
#[wasm_bindgen]
pub fn take_along() -> String {
    text(ledger::take_along())
}

#[wasm_bindgen]
impl Readout {
    /// Starts one of a document: of the experiment with this id; without an id of all; `guard`: of those that may be ended.
    /// Fails where the document cannot be read; the chosen are none where the id is unknown.
    pub fn open(config: &str, id: Option<String>, guard: bool, now: f64) -> Result<Readout, JsValue> {
        let document = Document::parse(config).map_err(|problem| JsValue::from(problem.to_string()))?;
        let is_chosen = |e: &Experiment| match &id {
            Some(id) => e.id.as_str() == id,
            None if guard => readout::is_watched(&document, e),
            None => true,
        };
        let is_ours = |(_, e): &(usize, &Experiment)| e.kind == Kind::Experiment && is_chosen(e);
        let chosen = document.experiments.iter().enumerate().filter(is_ours).map(|(at, _)| at).collect();
        let scope = if id.is_some() { Depth::Detail } else { Depth::List };
        Ok(Self::about(document, chosen, scope, guard, now))
    }

    /// Starts one of the holdout, read as an experiment; fails where nobody is held out.
    pub fn holdout(config: &str, now: f64) -> Result<Readout, JsValue> {
        let document = Document::parse(config).map_err(|problem| JsValue::from(problem.to_string()))?;
        let document = readout::holdout(&document).ok_or_else(|| JsValue::from("nobody is held out"))?;
        Ok(Self::about(document, vec![0], Depth::Detail, false, now))
    }

    fn about(document: Document, chosen: Vec<usize>, scope: Depth, guard: bool, now: f64) -> Self {
        #[allow(clippy::cast_possible_truncation)]
        let now = Timestamp::from_millis(now as i64);
        let (known, links, by, reader) = (Known::default(), Links::default(), Vec::new(), Reader::default());
        Self { document, known, now, scope, guard, chosen, links, by, reader, databases: 1, gap: None }
    }

    /// The record lies in so many databases; `gap` says which is missing.
    pub fn divided(&mut self, databases: usize, gap: Option<String>) {
        self.databases = databases.max(1);
        self.gap = gap;
    }

    /// What several databases are asked first, one for each of [`Readout::first`].
    pub fn first_shared(&self) -> String {
        shared_text(&Known::shared(&self.document))
    }

    /// What they are asked about the chosen, one for each of [`Readout::second`].
    pub fn second_shared(&self) -> String {
        let asked = self.chosen_questions(|e| readout::shared_questions(&self.document, e, self.scope, self.now));
        serde_json::to_string(&asked).unwrap_or_default()
    }

    /// What they are asked for the programme's page.
    pub fn courses_shared(&self) -> String {
        let sql = readout::courses(&self.document).sql;
        shared_text(&[SharedQuestion { before: None, sql, whole: Whole::Courses }])
    }

    /// What they are asked of the one that is read, one for each of [`Readout::lasting`].
    pub fn lasting_shared(&self) -> String {
        let of =
            |depth| self.experiments().next().map(|e| readout::shared_questions(&self.document, e, depth, self.now));
        shared_text(&Published::DEPTHS.into_iter().filter_map(of).flatten().collect::<Vec<_>>())
    }

    /// Asks of all how they meet each other, and nothing else.
    pub fn meet(&mut self) {
        self.scope = Depth::Pairs;
    }

    /// What the page of one leads to: previews under the secret at an origin, the variants that the archive has pictures of
    /// (a list of ids), and what the rewriter's steps met in this isolate, as `/health` tells it.
    pub fn link(&mut self, secret: Option<String>, origin: &str, pictures: &str, hits: &str) {
        self.links = Links {
            secret: secret.filter(|secret| !secret.is_empty()),
            origin: origin.to_owned(),
            pictures: serde_json::from_str(pictures).unwrap_or_default(),
            hits: serde_json::from_str(hits).unwrap_or_default(),
        };
    }

    /// The page has a form to act with, signed with a secret.
    pub fn operate_with(&mut self, secret: String) {
        self.reader = Reader::Operator(secret);
    }

    /// The page is for whoever was sent a link to it.
    pub fn show_to_guest(&mut self) {
        self.reader = Reader::Guest;
    }

    /// What a name stands for in this document: `experiment`, `holdout`, `programme`, `interactions` or `archived`.
    pub fn subject(&self, name: &str, form: &str) -> String {
        let form = match form {
            "json" => Form::Json,
            "csv" => Form::Csv,
            _ => Form::Html,
        };
        Subject::of(&self.document, name, form).as_str().to_owned()
    }

    /// Whether the record was there whole when it was asked: it is not while the tables of before are being moved.
    pub fn is_complete(&self) -> bool {
        self.known.is_complete()
    }

    /// How many experiments it is about.
    pub fn size(&self) -> usize {
        self.chosen.len()
    }

    /// What to ask first.
    pub fn first(&self) -> String {
        text(Known::questions(&self.document))
    }

    /// Takes the answers, the audit trail (a list of texts, the newest first) and the keys `kill` and `kill-guard`.
    pub fn learn(&mut self, first: &str, audit: &str, kill: Option<String>, guard: Option<String>) {
        self.known = Known::read(&answers(first));
        self.known.incomplete.extend(self.gap.clone());
        let entries = answers(audit).into_iter().flatten();
        self.known.audit = entries.filter_map(|entry| serde_json::from_str::<AuditEntry>(&entry).ok()).collect();
        self.known.kill =
            kill.map(|text| Kill::parse(&text).unwrap_or_else(|_| Kill::everything())).unwrap_or_default();
        self.known.guard = guard.and_then(|text| KillGuard::parse(&text).ok()).unwrap_or_default();
    }

    /// Where the archive keeps what another engine computed of the chosen: `[key, project, experiment, iteration]`s.
    pub fn published(&self) -> String {
        let project = &self.document.project;
        let of = |e: &Experiment| json!([readout::published_place(project, e), project, e.id, e.iteration]);
        Value::Array(self.experiments().map(of).collect()).to_string()
    }

    /// Takes whose answers come: for each of the chosen null, or what the archive keeps without the answers.
    pub fn by(&mut self, engines: &str) {
        self.by = serde_json::from_str(engines).unwrap_or_default();
    }

    /// What to ask about the chosen: a list of questions for each. None about drafts, nor in a list about what stands
    /// behind its first experiments.
    pub fn second(&self) -> String {
        let asked = self.chosen_questions(|e| readout::questions(&self.document, e, self.scope, self.now));
        format!("[{}]", asked.into_iter().map(text).collect::<Vec<_>>().join(","))
    }

    fn chosen_questions<T>(&self, of: impl Fn(&Experiment) -> Vec<T>) -> Vec<Vec<T>> {
        let is_bounded = self.scope != Depth::Detail && !self.guard;
        let (mut experiments, mut asked) = (0, 0);
        let most = if self.databases > 1 { MOST_QUESTIONS / 2 / self.databases } else { MOST_QUESTIONS };
        let ask = |e: &Experiment| {
            if self.scope != Depth::Detail && e.status == Status::Draft {
                return Vec::new();
            }
            let questions = of(e);
            if is_bounded && (experiments >= MOST_IN_LIST || asked + questions.len() > most) {
                return Vec::new();
            }
            (experiments, asked) = (experiments + 1, asked + questions.len());
            questions
        };
        self.experiments().map(ask).collect()
    }

    fn experiments(&self) -> impl Iterator<Item = &Experiment> {
        self.chosen.iter().filter_map(|at| self.document.experiments.get(*at))
    }

    /// The answers of each of the chosen, of a time → results.
    fn results(&self, told: &str, asked_at: f64) -> Vec<Results> {
        #[allow(clippy::cast_possible_truncation)]
        let asked_at = Timestamp::from_millis(asked_at as i64).to_string();
        let told: Vec<Vec<Option<String>>> = serde_json::from_str(told).unwrap_or_default();
        let of = |(at, (e, told)): (usize, (&Experiment, Vec<Option<String>>))| {
            let by = self.by.get(at).cloned().flatten();
            // why: elsewhere more may be missing than the record knows of
            let incomplete = by.as_ref().filter(|by| !by.incomplete.is_empty()).map(|by| {
                let mut known = self.known.clone();
                known.incomplete.extend(by.incomplete.iter().cloned());
                known
            });
            let known = incomplete.as_ref().unwrap_or(&self.known);
            // why: what is later than its computation is not in it
            let now = by.as_ref().and_then(|by| by.computed_at.parse().ok()).unwrap_or(self.now);
            let mut results = readout::results(&self.document, e, known, &told, self.scope, now);
            self.links.put(e, self.document.preview, self.now, &mut results);
            match by {
                Some(By { engine, computed_at, .. }) => Results { computed_at, computed_by: Some(engine), ..results },
                None => Results { computed_at: asked_at.clone(), ..results },
            }
        };
        self.experiments().zip(told).enumerate().map(of).collect()
    }

    /// The page as HTML; `query` is the URL's, which filters and sorts a list.
    pub fn html(&self, told: &str, asked_at: f64, query: &str) -> String {
        let results = self.results(told, asked_at);
        match (self.scope, results.first()) {
            (Depth::Detail, Some(one)) => match &self.reader {
                Reader::Insider => readout::detail_page(one),
                Reader::Guest => readout::shared_page(one),
                Reader::Operator(secret) => {
                    let now = self.now.millis().div_euclid(1000);
                    let token = |action: &str| SignedForm { secret, id: &one.id, action, content: "" }.token(now);
                    readout::detail_page_with(one, &readout::forms(one, token))
                }
            },
            _ => readout::list_page(&self.document.project, &results, &View::parse(query)),
        }
    }

    /// What came out of the chosen one, for the decision that is taken on it: `{"summary": …}`, or `{"why": …}` there is none.
    pub fn summary(&mut self, told: &str, asked_at: f64) -> String {
        for at in &self.chosen {
            if let Some(experiment) = self.document.experiments.get_mut(*at) {
                // why: an answer that was given before would stand in the place of the numbers
                experiment.decision = None;
            }
        }
        match self.results(told, asked_at).first().map(readout::summary) {
            Some(Ok(summary)) => json!({"summary": summary}),
            Some(Err(why)) => json!({"why": why}),
            None => json!({"why": "the document has no such experiment"}),
        }
        .to_string()
    }

    /// What to ask the record for the programme's page.
    pub fn courses(&self) -> String {
        text(vec![readout::courses(&self.document)])
    }

    /// The page over all decided experiments; `frozen` is a list of the texts that the archive keeps, `courses` the answer to
    /// what is asked for it, `holdout` the holdout's results as JSON.
    pub fn programme(&self, frozen: &str, courses: Option<String>, holdout: Option<String>) -> String {
        let frozen: Vec<String> = answers(frozen).into_iter().flatten().collect();
        let from = readout::Sources { frozen: &frozen, courses: courses.as_deref(), holdout: holdout.as_deref() };
        readout::programme_page(&self.document, from, self.now)
    }

    /// The page of all pairs of experiments.
    pub fn interactions(&self, told: &str, asked_at: f64) -> String {
        readout::interactions_page(&self.document.project, self.results(told, asked_at))
    }

    /// The experiments with a decision, as `[id, iteration, when]`s: their results are kept in the archive.
    pub fn decided(&self) -> String {
        let of = |e: &Experiment| Some(json!([e.id, e.iteration, e.decision.as_ref()?.at]));
        Value::Array(self.document.experiments.iter().filter_map(of).collect()).to_string()
    }

    /// The experiments whose exposures have outlived `record.keep_days`: `[{id, state, mark, step}, …]`, statements as
    /// [`ledger::letting_go`] says.
    pub fn outlived(&self) -> String {
        let of = |e: &Experiment| {
            let [state, mark, step] = ledger::letting_go(&self.document.project, e.id.as_str(), e.iteration);
            json!({"id": e.id, "state": state.to_json(), "mark": mark.to_json(), "step": step.to_json()})
        };
        let is_due = |e: &&Experiment| readout::has_outlived(&self.document, e, self.now);
        Value::Array(self.experiments().filter(is_due).map(of).collect()).to_string()
    }

    /// What to ask about the one that is read, so that its answers last.
    pub fn lasting(&self) -> String {
        let of = |depth| self.experiments().next().map(|e| readout::questions(&self.document, e, depth, self.now));
        text(Published::DEPTHS.into_iter().filter_map(of).flatten().collect())
    }

    /// The answers to what was asked first and to [`Readout::lasting`], as the archive keeps them.
    pub fn kept(&self, first: &str, told: &str) -> Option<String> {
        let e = self.experiments().next()?;
        let [list, _] = Published::DEPTHS.map(|depth| readout::question_names(&self.document, e, depth).len());
        let (first, told) = (answers(first), answers(told));
        let (list, detail) = told.split_at_checked(list)?;
        let source = Source { engine: "D1", at: self.now, read: None, incomplete: &[] };
        serde_json::to_string(&Published::new(&self.document, e, source, &first, [list, detail])).ok()
    }

    /// The page as data.
    pub fn json(&self, told: &str, asked_at: f64) -> String {
        #[derive(Serialize)]
        struct List<'a> {
            project: &'a str,
            experiments: &'a [Results],
        }
        let results = self.results(told, asked_at);
        let written = match (self.scope, results.first()) {
            (Depth::Detail, Some(one)) => serde_json::to_string(one),
            _ => serde_json::to_string(&List { project: &self.document.project, experiments: &results }),
        };
        written.unwrap_or_default()
    }

    /// The questions of the download: a page of visitors, a page of all others.
    pub fn download(&self) -> String {
        let of = |e: &Experiment| {
            let variants: Vec<&str> = e.variants.iter().map(|variant| variant.id.as_str()).collect();
            let of = Iteration {
                project: &self.document.project,
                experiment: e.id.as_str(),
                iteration: e.iteration,
                variants: &variants,
                now: self.now.millis(),
            };
            text(vec![question::download_visitors(of), question::download_people(of)])
        };
        self.experiments().next().map(of).unwrap_or_default()
    }
}
