//! Results that another engine computed, as the archive keeps them: what it answered to the questions that the record is asked.

use super::Depth;
use super::answers::{Known, questions};
use crate::document::{Document, Experiment, Timestamp};
use crate::hash::hex;
use crate::ledger::question::Question;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is kept of an experiment's iteration.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Published {
    /// The form of what follows: [`Published::SCHEMA`].
    pub schema: u32,
    /// The project.
    pub project: String,
    /// The experiment's id.
    pub experiment: String,
    /// Its iteration.
    pub iteration: u32,
    /// What added it up, as people write its name.
    pub engine: String,
    /// When, RFC 3339.
    pub computed_at: String,
    /// How many events it read, where that is known.
    pub rows_read: Option<u64>,
    /// What is known to be missing, in sentences.
    #[serde(default)]
    pub incomplete: Vec<String>,
    /// Answers by [`published_key`].
    pub answers: BTreeMap<String, String>,
}

/// Who answered, when, and how much they read.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The engine, as people write its name.
    pub engine: &'a str,
    /// When it was asked.
    pub at: Timestamp,
    /// How many events it read, where that is known.
    pub read: Option<u64>,
    /// What is known to be missing, in sentences.
    pub incomplete: &'a [String],
}

impl Published {
    /// The form that this version writes and reads.
    pub const SCHEMA: u32 = 1;
    /// The depths whose answers are kept: the list's and the page's.
    pub const DEPTHS: [Depth; 2] = [Depth::List, Depth::Detail];

    /// What is kept of answers: `first` to the questions about the project, `told` to those about the experiment, for each
    /// of the [`Published::DEPTHS`].
    #[must_use]
    pub fn new(
        document: &Document,
        experiment: &Experiment,
        source: Source<'_>,
        first: &[Option<String>],
        told: [&[Option<String>]; 2],
    ) -> Self {
        let mut answers = BTreeMap::new();
        let mut keep = |questions: Vec<Question>, said: &[Option<String>]| {
            for (question, said) in questions.into_iter().zip(said) {
                if let Some(said) = said {
                    answers.insert(published_key(&question.to_json().to_string()), said.clone());
                }
            }
        };
        keep(Known::questions(document), first);
        for (depth, said) in Self::DEPTHS.into_iter().zip(told) {
            keep(questions(document, experiment, depth, source.at), said);
        }
        Self {
            schema: Self::SCHEMA,
            project: document.project.clone(),
            experiment: experiment.id.to_string(),
            iteration: experiment.iteration,
            engine: source.engine.to_owned(),
            computed_at: source.at.to_string(),
            rows_read: source.read,
            incomplete: source.incomplete.to_vec(),
            answers,
        }
    }
}

/// Whether an experiment was decided so long ago that its exposures are not to be kept any longer.
#[must_use]
pub fn has_outlived(document: &Document, experiment: &Experiment, now: Timestamp) -> bool {
    const DAY_MS: i64 = 86_400_000;
    let days = document.record.keep_days.map(i64::from);
    let decided = experiment.decision.as_ref().map(|decision| decision.at.millis());
    decided.zip(days).is_some_and(|(at, days)| at.saturating_add(days.saturating_mul(DAY_MS)) <= now.millis())
}

/// Where an experiment's iteration is kept in the archive.
#[must_use]
pub fn published_place(project: &str, experiment: &Experiment) -> String {
    format!("results/{project}/{}/{}.json", experiment.id, experiment.iteration)
}

/// The key of a question's answer: a hash of it without the times, since what was computed an hour ago answers it as well.
#[must_use]
pub fn published_key(question: &str) -> String {
    use sha2::Digest as _;
    hex(&sha2::Sha256::digest(timeless(question)))
}

/// A question without its times in quotes and in milliseconds.
fn timeless(question: &str) -> String {
    let mut rest = question;
    let mut kept = String::with_capacity(question.len());
    let mut before = ' ';
    while let Some(letter) = rest.chars().next() {
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let length = match letter {
            '\'' => time(rest).unwrap_or(0),
            '0'..='9' if !is_word(before) => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                let ends = !rest.chars().nth(digits).is_some_and(is_word);
                if digits == 13 && ends { digits } else { 0 }
            }
            _ => 0,
        };
        let (taken, left) = rest.split_at_checked(length.max(letter.len_utf8())).unwrap_or((rest, ""));
        if length == 0 {
            kept.push_str(taken);
        }
        before = taken.chars().next_back().unwrap_or(' ');
        rest = left;
    }
    kept
}

/// The length of a time in quotes that a text begins with.
fn time(text: &str) -> Option<usize> {
    let inside = text.get(1..)?;
    let length = inside.find('\'')?;
    let (date, clock) = inside.get(..length)?.strip_suffix('Z')?.split_once('T')?;
    let is_date = date.len() == 10
        && date
            .bytes()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() });
    let is_clock = !clock.is_empty() && clock.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b':' | b'.'));
    (is_date && is_clock).then_some(length + 2)
}
