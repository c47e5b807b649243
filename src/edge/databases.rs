//! The record's databases: one, or several between which people are divided (`ledger::homes`).

use crate::document::Timestamp;
use crate::events::{Event, Message};
use crate::hash::place_of;
use crate::ledger::carry::{self, Carried};
use crate::ledger::homes::{self, Directory, Entry, MOST, Name};
use crate::ledger::placement::{self, PLACEMENT, Placement, binding};
use crate::ledger::question::Question;
use crate::ledger::{self, Statement};
use js_sys::{Array, Promise, Reflect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use worker::{D1Database, D1PreparedStatement, D1Result, Env, Error, Result};

/// How often a batch is tried anew where names have moved meanwhile.
const TRIES: usize = 5;

/// How many names are carried at once.
const NAMES: usize = 200;

/// How many pages a run of the schedule looks through for rows that are not at home.
const PAGES: usize = 40;

/// A move that is not done: a name, and the database that may still hold rows of it.
type Move = (Name, u8);

/// A row of an answer, a JSON text.
#[derive(Deserialize)]
struct Row {
    r: String,
}

/// The databases that are bound, in the order of their numbers.
pub(super) struct Databases {
    env: Env,
    count: u8,
}

fn is_bound(env: &Env, number: u8) -> bool {
    Reflect::get(env, &binding(number).into()).is_ok_and(|it| it.is_truthy())
}

/// Whether more than one is bound, or one in the wrong place.
pub(super) fn are_several(env: &Env) -> bool {
    (1..MOST).any(|number| is_bound(env, number))
}

fn wrong(text: impl Into<String>) -> Error {
    Error::RustError(text.into())
}

impl Databases {
    /// Those that are bound; `None` without any. Fails where one is missing before another.
    pub(super) fn open(env: &Env) -> Result<Option<Self>> {
        let bound: Vec<u8> = (0..MOST).filter(|number| is_bound(env, *number)).collect();
        if let Some((missing, found)) = (0..).zip(&bound).find(|(number, found)| number != *found) {
            return Err(wrong(format!("{} is bound, and {} is not", binding(*found), binding(missing))));
        }
        let count = u8::try_from(bound.len()).unwrap_or(MOST);
        Ok((count > 0).then(|| Self { env: env.clone(), count }))
    }

    pub(super) fn count(&self) -> u8 {
        self.count
    }

    fn of(&self, number: u8) -> Result<D1Database> {
        self.env.d1(&binding(number))
    }

    /// What is wrong with which.
    pub(super) async fn problems(&self) -> Vec<String> {
        let (mut wrong, mut found) = (Vec::new(), Vec::new());
        for number in 0..self.count() {
            match self.placement(number).await {
                Ok(placement) => found.push((number, placement)),
                Err(reason) => wrong.push(format!("{} does not answer: {}", binding(number), cause(&reason))),
            }
        }
        wrong.extend(placement::problems(self.count(), &found));
        wrong
    }

    /// Fails where something is wrong with one.
    async fn check(&self) -> Result<()> {
        match self.problems().await.into_iter().next() {
            Some(problem) => Err(wrong(problem)),
            None => Ok(()),
        }
    }

    /// Why the databases refuse what is written, where that is for good.
    async fn explained(&self, reason: Error) -> Error {
        if is_refusal(&reason) { self.check().await.err().unwrap_or(reason) } else { reason }
    }

    /// What a database says of itself.
    async fn placement(&self, number: u8) -> Result<Placement> {
        let asked = Question { sql: PLACEMENT.to_owned(), values: Vec::new() };
        let found = rows(self.run(number, vec![asked], Vec::new()).await?.first())?;
        found.into_iter().next().ok_or_else(|| wrong("it does not say which database it is: apply the migrations"))
    }

    /// Puts messages into the record. Repeatable: what is there already is left alone.
    pub(super) async fn record(&self, messages: &[Message], now: Timestamp) -> Result<()> {
        if self.count() == 1 {
            let statements = ledger::statements(messages, &now.to_string());
            return match self.run(0, vec![carry::alone()], statements).await {
                Ok(_) => Ok(()),
                Err(reason) => Err(self.explained(reason).await),
            };
        }
        let mut last = wrong("");
        for _ in 0..TRIES {
            match self.divide(messages, now).await {
                Ok(()) => return Ok(()),
                Err(reason) if is_refusal(&reason) => last = reason,
                Err(reason) => return Err(reason),
            }
        }
        Err(self.explained(last).await)
    }

    /// Puts each event into its home, then what isolates told into the first database.
    async fn divide(&self, messages: &[Message], now: Timestamp) -> Result<()> {
        let events: Vec<&Event> = messages.iter().flat_map(Message::events).collect();
        let sets: Vec<BTreeSet<Name>> = events.iter().map(|event| homes::names(event)).collect();
        let (directory, moves) = self.settle(&sets, now).await?;
        let mut at: BTreeMap<u8, (Vec<&Event>, BTreeSet<&Name>)> = BTreeMap::new();
        for (event, set) in events.iter().zip(&sets) {
            let home = match set.first() {
                Some(name) => directory.home(name, self.count()),
                None => match event.what {
                    crate::events::What::EndedEarly(_) => 0,
                    _ => place_of(&["home", &event.project, &event.id], self.count()),
                },
            };
            let (theirs, names) = at.entry(home).or_default();
            theirs.push(event);
            names.extend(set);
        }
        let (mine, names) = at.remove(&0).unwrap_or_default();
        let elsewhere = at.into_iter().map(|(number, (events, names))| {
            let told = directory.told(names, self.count());
            self.batch(number, carry::fence(&told, self.count(), number), ledger::happened(events))
        });
        all(elsewhere.collect::<Result<Vec<_>>>()?).await?;
        // why: last, so that what did not get in is not counted among what arrived
        let statements = [ledger::happened(mine), ledger::told(messages, &now.to_string())].concat();
        self.run(0, carry::fence(&directory.told(names, self.count()), self.count(), 0), statements).await?;
        if let Err(reason) = self.carry(moves).await {
            // why: the schedule goes on where it ended, and readouts tell that it has not
            worker::console_error!(
                "sortition: rows of the record have not been carried to their database yet: {reason}"
            );
        }
        Ok(())
    }

    /// What the directory says of names that were named together, once it has them together; and their moves that are not
    /// done.
    async fn settle(&self, sets: &[BTreeSet<Name>], now: Timestamp) -> Result<(Directory, Vec<Move>)> {
        let names: BTreeSet<&Name> = sets.iter().flatten().collect();
        let (mut last, mut has_joined) = (wrong("names move too often"), false);
        for _ in 0..TRIES {
            let (directory, mut moves) = self.look_up(&names).await?;
            let joins = homes::joins(sets, &directory);
            if joins.is_empty() {
                if has_joined {
                    // why: with a name move those that it belonged together with
                    let roots: BTreeSet<&str> = names.iter().filter_map(|name| directory.root(name)).collect();
                    let roots = serde_json::to_string(&roots)?.into();
                    let left = Question { sql: carry::MOVES_OF.to_owned(), values: vec![roots] };
                    moves.extend(self.moves(left).await?);
                    moves.sort();
                    moves.dedup();
                }
                return Ok((directory, moves));
            }
            let roots: Vec<&str> = joins
                .iter()
                .filter(|join| join.roots.len() > 1)
                .flat_map(|join| join.roots.iter().map(|(root, _)| root.as_str()))
                .collect();
            let sizes: BTreeMap<String, u64> = if roots.is_empty() {
                BTreeMap::new()
            } else {
                let roots =
                    Question { sql: carry::SIZES.to_owned(), values: vec![serde_json::to_string(&roots)?.into()] };
                rows::<(String, u64)>(self.run(0, vec![roots], Vec::new()).await?.first())?.into_iter().collect()
            };
            let changes = homes::changes(&joins, &sizes, self.count(), &now.to_string());
            // why: where somebody else was faster it fails, and is thought over
            match self.run(0, carry::join(&changes, self.count(), now.millis()), Vec::new()).await {
                Ok(_) => has_joined |= !changes.moved.is_empty(),
                Err(reason) if is_refusal(&reason) => last = reason,
                Err(reason) => return Err(reason),
            }
        }
        Err(last)
    }

    /// What the directory says of names, and their moves that are not done.
    async fn look_up(&self, names: &BTreeSet<&Name>) -> Result<(Directory, Vec<Move>)> {
        let asked: Vec<[&str; 2]> = names.iter().map(|name| [name.0.as_str(), name.1.as_str()]).collect();
        let asked = serde_json::to_string(&asked)?;
        let question = |sql: &str| Question { sql: sql.to_owned(), values: vec![asked.clone().into()] };
        let answers = self.run(0, carry::LOOKUP.map(question).into(), Vec::new()).await?;
        let known = rows::<(u8,)>(answers.get(2))?;
        if known != [(self.count(),)] {
            self.place().await?;
        }
        Ok((Directory::new(rows::<Entry>(answers.first())?), moves(answers.get(1))?))
    }

    /// The moves that the directory answers with.
    async fn moves(&self, question: Question) -> Result<Vec<Move>> {
        moves(self.run(0, vec![question], Vec::new()).await?.first())
    }

    /// Tells every database which of how many it is.
    async fn place(&self) -> Result<()> {
        // why: a new one in the place of one that held people must not pass for one that came to be there
        self.check().await?;
        // why: the first one last, for where it knows, nobody looks at the others
        for number in (0..self.count()).rev() {
            self.run(number, vec![carry::placed(self.count(), number)], Vec::new()).await?;
        }
        self.check().await
    }

    /// Carries rows of names from where they may be to their homes, and strikes the moves off.
    async fn carry(&self, moves: Vec<Move>) -> Result<()> {
        let mut of: BTreeMap<u8, Vec<Name>> = BTreeMap::new();
        for (name, source) in moves {
            of.entry(source).or_default().push(name);
        }
        for (source, names) in of {
            for names in names.chunks(NAMES) {
                while !self.carry_some(source, names).await? {}
                let done: Vec<Value> = names.iter().map(|name| serde_json::json!([name.0, name.1, source])).collect();
                let done =
                    Question { sql: carry::MOVED.to_owned(), values: vec![Value::Array(done).to_string().into()] };
                self.run(0, vec![done], Vec::new()).await?;
            }
        }
        Ok(())
    }

    /// Carries some rows of names away from a database; whether none are left.
    async fn carry_some(&self, source: u8, names: &[Name]) -> Result<bool> {
        let (directory, _) = self.look_up(&names.iter().collect()).await?;
        let away: Vec<&Name> = names.iter().filter(|name| directory.home(name, self.count()) != source).collect();
        if away.is_empty() {
            return Ok(true);
        }
        let told = directory.told(away.iter().copied(), self.count());
        let fence = carry::fence(&told, self.count(), source);
        let asked = [fence.clone(), carry::taken(&told).into()].concat();
        let answers = self.run(source, asked, Vec::new()).await?;
        let answers = answers.get(fence.len()..).unwrap_or_default();
        let (mut of, mut all, mut most): (BTreeMap<u8, (Carried, BTreeSet<Name>)>, _, _) =
            (BTreeMap::new(), Carried::default(), 0);
        let home = |project: String, name: String| {
            let name = Name(project, name);
            (directory.home(&name, self.count()), name)
        };
        let exposed = rows::<(String, String, Vec<Value>, Vec<(String, String)>)>(answers.first())?;
        most = exposed.len().max(most);
        for (project, name, row, others) in exposed {
            let (home, name) = home(project, name);
            let (carried, names) = of.entry(home).or_default();
            names.insert(name);
            carried.exposed.push((row.clone(), others));
            all.exposed.push((row, Vec::new()));
        }
        for (at, pick) in [
            (1, (|one: &mut Carried| &mut one.converted) as fn(&mut Carried) -> &mut Vec<Value>),
            (2, |one| &mut one.identified),
        ] {
            let found = rows::<(String, String, Value)>(answers.get(at))?;
            most = found.len().max(most);
            for (project, name, row) in found {
                let (home, name) = home(project, name);
                let (carried, names) = of.entry(home).or_default();
                names.insert(name);
                pick(carried).push(row.clone());
                pick(&mut all).push(row);
            }
        }
        if all.is_empty() {
            return Ok(true);
        }
        for (number, (carried, names)) in of {
            let told = directory.told(&names, self.count());
            self.run(number, carry::fence(&told, self.count(), number), carried.written()).await?;
        }
        self.run(source, fence, all.deleted()).await?;
        Ok(most < usize::try_from(carry::STEP).unwrap_or(usize::MAX))
    }

    /// What the schedule does: carries what was left, and looks through databases that held rows before they were so many.
    pub(super) async fn tend(&self, now: Timestamp) -> Result<()> {
        if self.count() == 1 {
            return Ok(());
        }
        self.place().await?;
        let left = Question { sql: carry::MOVES.to_owned(), values: Vec::new() };
        self.carry(self.moves(left).await?).await?;
        let mut pages = PAGES;
        for number in 0..self.count() {
            while pages > 0 && self.look_through(number, now).await? {
                pages -= 1;
            }
        }
        Ok(())
    }

    /// Looks through a page of a database for rows that are not at home; whether there is more.
    async fn look_through(&self, number: u8, now: Timestamp) -> Result<bool> {
        let Placement { scan: Some(scan), is_moving: 0, .. } = self.placement(number).await? else { return Ok(false) };
        let page = rows::<Vec<Value>>(self.run(number, vec![carry::page(&scan)], Vec::new()).await?.first())?;
        let name = |value: &Value| serde_json::from_value::<Name>(value.clone()).ok();
        let sets: Vec<BTreeSet<Name>> = page.iter().map(|row| row.iter().skip(1).filter_map(name).collect()).collect();
        let (directory, moves) = self.settle(&sets, now).await?;
        self.carry(moves).await?;
        let names: BTreeSet<&Name> = sets.iter().flatten().collect();
        let strange = names.into_iter().filter(|name| directory.home(name, self.count()) != number);
        self.carry(strange.map(|name| (name.clone(), number)).collect()).await?;
        let last = page.last().and_then(|row| row.first()).map(|place| match place {
            Value::String(place) => place.clone(),
            other => other.to_string(),
        });
        let next = carry::next(&scan, last.as_deref());
        let looked = Question { sql: carry::LOOKED.to_owned(), values: vec![next.clone().into(), scan.into()] };
        self.run(number, vec![looked], Vec::new()).await?;
        Ok(next.is_some())
    }

    /// Runs questions, then statements, in one transaction.
    async fn run(&self, number: u8, asked: Vec<Question>, written: Vec<Statement>) -> Result<Vec<D1Result>> {
        let statements = self.prepared(number, asked, written)?;
        run(&self.of(number)?, statements).await
    }

    /// The same beside others.
    fn batch(&self, number: u8, asked: Vec<Question>, written: Vec<Statement>) -> Result<Promise> {
        let statements = self.prepared(number, asked, written)?;
        let database = self.of(number)?;
        Ok(wasm_bindgen_futures::future_to_promise(async move {
            match run(&database, statements).await {
                Ok(_) => Ok(JsValue::UNDEFINED),
                Err(reason) => Err(reason.to_string().into()),
            }
        }))
    }

    fn prepared(&self, number: u8, asked: Vec<Question>, written: Vec<Statement>) -> Result<Vec<D1PreparedStatement>> {
        let database = self.of(number)?;
        let bound = |question: Question| {
            let values: Vec<JsValue> = question.values.iter().map(value).collect();
            database.prepare(question.sql).bind(&values)
        };
        let statement = |it: Statement| database.prepare(it.sql).bind(&[it.rows.into()]);
        asked.into_iter().map(bound).chain(written.into_iter().map(statement)).collect()
    }
}

/// A parameter.
fn value(value: &Value) -> JsValue {
    match value {
        Value::Null => JsValue::NULL,
        Value::Number(number) => number.as_f64().map_or(JsValue::NULL, JsValue::from_f64),
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    }
}

/// Waits for all.
async fn all(promises: Vec<Promise>) -> Result<()> {
    if promises.is_empty() {
        return Ok(());
    }
    JsFuture::from(Promise::all(&promises.into_iter().collect::<Array>())).await?;
    Ok(())
}

/// One transaction.
async fn run(database: &D1Database, statements: Vec<D1PreparedStatement>) -> Result<Vec<D1Result>> {
    if statements.is_empty() {
        return Ok(Vec::new());
    }
    // why: a statement of a batch may fail without the call being rejected
    let results = database.batch(statements).await?;
    match results.iter().find_map(D1Result::error) {
        Some(reason) => Err(wrong(reason)),
        None => Ok(results),
    }
}

/// The rows of an answer, each a JSON text.
fn rows<T: DeserializeOwned>(answer: Option<&D1Result>) -> Result<Vec<T>> {
    let Some(answer) = answer else { return Err(wrong("a database did not answer")) };
    answer.results::<Row>()?.iter().map(|row| Ok(serde_json::from_str(&row.r)?)).collect()
}

/// Whether a database refused what was thought of names that moved meanwhile: SQLite's words for `json('it moved')`, and
/// those for a name that somebody else has just put into the directory.
fn is_refusal(reason: &Error) -> bool {
    let text = reason.to_string();
    text.contains("malformed JSON") || text.contains("UNIQUE constraint")
}

/// What a database said, of an error that shows all of its insides.
fn cause(reason: &Error) -> String {
    let text = reason.to_string();
    let said = text.lines().find_map(|line| line.split_once("Error: ").map(|(_, said)| said.to_owned()));
    said.unwrap_or(text)
}

/// Moves of an answer.
fn moves(answer: Option<&D1Result>) -> Result<Vec<Move>> {
    let found = rows::<(String, String, u8)>(answer)?;
    Ok(found.into_iter().map(|(project, name, source)| (Name(project, name), source)).collect())
}

/// What the schedule does for a record in several databases.
#[wasm_bindgen]
pub async fn tend_databases(env: Env) -> core::result::Result<(), JsValue> {
    let now = Timestamp::from_millis(worker::Date::now().as_millis().try_into().unwrap_or(0));
    match Databases::open(&env)? {
        Some(databases) => Ok(databases.tend(now).await?),
        None => Ok(()),
    }
}
