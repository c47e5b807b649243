//! The readout and its guard, in synchronous calls between the questions that `readout.js` asks the record.

use crate::document::{Document, Experiment, Kind, NewsFormat, Notify, Preview, Status, Timestamp};
use crate::events::{Batch, EndedEarly, Event, What};
use crate::hash::{self, signature};
use crate::ledger;
use crate::ledger::question::{self, Iteration, Question};
use crate::operate::SignedForm;
use crate::plan::{Kill, KillGuard};
use crate::readout::{
    self, AuditEntry, Depth, Door, Entry, Form, Known, Published, Results, Route, Source, Subject, View,
};
use crate::visitor::preview::{NAME, Token};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

/// How many experiments a list asks the record about: D1 answers 1,000 questions a request, and each asks a few.
const MOST_IN_LIST: usize = 100;

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

/// What the page of an experiment leads to.
#[derive(Default)]
struct Links {
    secret: Option<String>,
    origin: String,
    pictures: Vec<String>,
    hits: Value,
}

impl Links {
    /// Adds them to an experiment's results.
    fn put(&self, e: &Experiment, preview: Preview, now: Timestamp, results: &mut Results) {
        const GOOD_FOR_SECONDS: i64 = 24 * 3600;
        // why: a page rule without a wildcard is a page
        let page = e.pages.iter().find_map(|page| match serde_json::to_value(page).ok()? {
            Value::String(path) if !path.contains(['*', '?']) => Some(path),
            _ => None,
        });
        let page = page.unwrap_or_else(|| "/".to_owned());
        for (shown, variant) in results.variants.iter_mut().zip(&e.variants) {
            shown.picture = self.pictures.contains(&shown.id);
            if let (Some(secret), false) = (&self.secret, preview == Preview::Off || self.origin.is_empty()) {
                let expires_at = Some(now.millis() / 1000 + GOOD_FOR_SECONDS);
                let token = Token { choices: vec![(e.id.clone(), variant.id.clone())], expires_at };
                let token = token.write(Some(secret.as_bytes()));
                shown.preview = Some(format!("{}{page}?{NAME}={token}", self.origin));
            }
            let name = format!("{}={}", e.id, shown.id);
            let of = |one: &&Value| one.get("variant").and_then(Value::as_str) == Some(&name);
            let steps = self.hits.as_array().into_iter().flatten().find(of).and_then(|one| one.get("steps"));
            for change in &mut shown.changes {
                let met = |step: &&Value| {
                    let select = step.get("select").and_then(Value::as_str).unwrap_or_default();
                    !select.is_empty() && change.text.starts_with(&format!("{select}: "))
                };
                let step = steps.and_then(Value::as_array).into_iter().flatten().find(met);
                change.hits = step.and_then(|step| step.get("hits")).and_then(Value::as_u64);
            }
        }
    }
}

/// The questions as a text: `[[sql, value, …], …]`.
fn text(questions: Vec<Question>) -> String {
    Value::Array(questions.iter().map(Question::to_json).collect()).to_string()
}

/// Answers as a text: a list of texts, null where a question failed.
fn answers(text: &str) -> Vec<Option<String>> {
    serde_json::from_str(text).unwrap_or_default()
}

/// The style's hash for the content security policy.
#[wasm_bindgen]
pub fn readout_policy() -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(readout::STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

/// Which page a request is for, as JSON: `{"page":"list","form":"html"}`, or a problem to answer with.
#[wasm_bindgen]
pub fn readout_route(method: &str, path: &str) -> String {
    serde_json::to_string(&Route::of(method, path)).unwrap_or_default()
}

/// A page of the download's rows (JSON) as `{"lines":"…","next":[…]}`; empty where there are no rows any more.
#[wasm_bindgen]
pub fn readout_lines(rows: &str) -> String {
    let rows: Vec<Vec<Value>> = serde_json::from_str(rows).unwrap_or_default();
    let page = readout::csv::page(&rows);
    page.map(|(lines, next)| json!({"lines": lines, "next": next}).to_string()).unwrap_or_default()
}

/// The first line of the download.
#[wasm_bindgen]
pub fn readout_columns() -> String {
    readout::csv::HEAD.to_owned()
}

/// What this isolate knows of those who tried to get in.
#[derive(Default)]
#[wasm_bindgen]
pub struct ReadoutDoor(Door);

#[wasm_bindgen]
impl ReadoutDoor {
    /// An isolate's own.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at who asks: -1 lets them in, 0 asks for the token, and after a wrong one the answer waits for so many
    /// milliseconds.
    pub fn enter(&mut self, authorization: Option<String>, token: &str, now: f64) -> i32 {
        #[allow(clippy::cast_possible_truncation)]
        match self.0.enter(authorization.as_deref(), token, now as i64) {
            Entry::Welcome => -1,
            Entry::Unknown => 0,
            Entry::Wrong(wait) => i32::try_from(wait).unwrap_or(i32::MAX),
        }
    }
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
        #[allow(clippy::cast_possible_truncation)]
        let now = Timestamp::from_millis(now as i64);
        Ok(Self {
            document,
            known: Known::default(),
            now,
            scope,
            guard,
            chosen,
            links: Links::default(),
            by: Vec::new(),
            reader: Reader::default(),
        })
    }

    /// Starts one of the holdout, read as an experiment; fails where nobody is held out.
    pub fn holdout(config: &str, now: f64) -> Result<Readout, JsValue> {
        let document = Document::parse(config).map_err(|problem| JsValue::from(problem.to_string()))?;
        let document = readout::holdout(&document).ok_or_else(|| JsValue::from("nobody is held out"))?;
        #[allow(clippy::cast_possible_truncation)]
        let now = Timestamp::from_millis(now as i64);
        let (known, links) = (Known::default(), Links::default());
        Ok(Self {
            document,
            known,
            now,
            scope: Depth::Detail,
            guard: false,
            chosen: vec![0],
            links,
            by: Vec::new(),
            reader: Reader::default(),
        })
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
        let mut left = if self.scope != Depth::Detail && !self.guard { MOST_IN_LIST } else { usize::MAX };
        let ask = |e: &Experiment| {
            if self.scope != Depth::Detail && (e.status == Status::Draft || left == 0) {
                return "[]".to_owned();
            }
            left -= 1;
            text(readout::questions(&self.document, e, self.scope, self.now))
        };
        format!("[{}]", self.experiments().map(ask).collect::<Vec<_>>().join(","))
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

    /// The page over all decided experiments; `frozen` is a list of the texts that the archive keeps.
    pub fn programme(&self, frozen: &str) -> String {
        let frozen: Vec<String> = answers(frozen).into_iter().flatten().collect();
        readout::programme_page(&self.document, &frozen, self.now)
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

    /// What the guard does: `guard`, the next value of `kill-guard` (absent: as it is; null: nothing is left of it);
    /// `audit`, `[key, entry]`s; `visits` for the queue, one a line; `notes`, `[name, at]`s to keep; `notify`, `[note, url, body,
    /// signature]`s, signed where there is a secret.
    pub fn act(&self, told: &str, secret: Option<String>) -> String {
        let at = self.now.to_string();
        let revision = self.document.revision.clone().unwrap_or_default();
        let mut guard = self.known.guard.clone();
        let (mut audit, mut events, mut notices, mut notes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (e, results) in self.experiments().zip(self.results(told, self.now.millis() as f64)) {
            let acts = readout::watch(&self.document, e, &results, &self.known, &mut guard, self.now);
            for breach in &acts.ended {
                let event = self.ended(e, breach, &at);
                let entry = json!({"at": at, "who": "sortition", "action": "kill", "from": revision, "to": revision,
                    "summary": [format!("killed: {}", e.id), breach.reason]});
                audit.push(json!([format!("audit:{at}:{revision}:{}", e.id), entry.to_string()]));
                events.push(event);
            }
            for told in &acts.told {
                let wanted = self.document.notify.iter().flat_map(Notify::all).filter(|to| to.on.contains(&told.news));
                for to in wanted {
                    // why: who was told of ends before there was other news reads the event itself
                    let ended = events.iter().find(|event| {
                        matches!(&event.what, What::EndedEarly(what)
                        if what.experiment_id == e.id.as_str() && what.ended_reason == told.text)
                    });
                    let body = match (ended, to.format) {
                        (Some(event), NewsFormat::Json) => serde_json::to_string(event).unwrap_or_default(),
                        _ => readout::body(told, to.format, &self.document, e, &at),
                    };
                    notices.push(json!([told.name, to.url, body, self.signed(&body, secret.as_deref())]));
                }
            }
            notes.extend(acts.notes.iter().map(|name| json!([name, at])));
        }
        readout::tidy(&self.document, &self.known, &mut guard);
        let mut acts = serde_json::Map::new();
        let visits = if events.is_empty() { String::new() } else { Batch::events(&events).visits(None, &[]) };
        for (name, value) in
            [("audit", json!(audit)), ("visits", json!(visits)), ("notify", json!(notices)), ("notes", json!(notes))]
        {
            acts.insert(name.to_owned(), value);
        }
        if guard != self.known.guard {
            acts.insert("guard".to_owned(), if guard.is_empty() { Value::Null } else { json!(guard) });
        }
        Value::Object(acts).to_string()
    }

    /// The event of an end.
    fn ended(&self, e: &Experiment, breach: &readout::Breach, at: &str) -> Event {
        let what = EndedEarly {
            experiment_id: e.id.to_string(),
            variant: breach.variant.clone(),
            ended_reason: breach.reason.clone(),
            ended_at: at.to_owned(),
        };
        let iteration = e.iteration.to_string();
        let id = ["ended", &self.document.project, e.id.as_str(), &iteration, breach.cause.word()];
        Event {
            id: hash::event_id(&id),
            project: self.document.project.clone(),
            config_revision: self.document.revision.clone().unwrap_or_default(),
            at: at.to_owned(),
            anonymous_id: None,
            user_id: None,
            what: What::EndedEarly(what),
        }
    }

    /// The header `Sortition-Signature` of a body; null without a secret.
    fn signed(&self, body: &str, secret: Option<&str>) -> Option<String> {
        let secret = secret.filter(|secret| !secret.is_empty())?.as_bytes();
        let seconds = self.now.millis().div_euclid(1000).to_string();
        let tag = signature::sign(secret, &[seconds.as_bytes(), b".", body.as_bytes()]);
        Some(format!("t={seconds},v1={}", hash::hex(&tag)))
    }
}
