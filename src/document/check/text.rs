//! A text, and all that is wrong with the document in it.

use super::meaning::meaning;
use super::structure::walk;
use super::{environment, json};
use crate::document::{Document, MAX_BYTES, Problem, Severity, Timestamp, VERSION, schema};
use serde_json::Value;

/// What became of a text.
#[derive(Debug)]
pub struct Checked {
    /// The document, where nothing keeps the text from being one. It may still have errors.
    pub document: Option<Document>,
    /// Everything that is wrong, errors and warnings, in the order of the paths.
    pub problems: Vec<Problem>,
}

impl Checked {
    /// Whether the document may be used: it has no errors, though perhaps warnings.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.document.is_some() && self.problems.iter().all(|problem| problem.severity != Severity::Error)
    }
}

/// Finds all problems of a text at once: of its JSON, of each field's form, and of how the parts fit together, the last
/// also where some parts could not be read. What cannot be told because of those is not reported.
///
/// Total: any text has an answer. For the operator's tool; the worker uses [`Document::parse`] and [`super::check`].
#[must_use]
pub fn check_text(text: &str, now: Timestamp) -> Checked {
    let (mut value, mut problems) = match json::read(text) {
        Ok(read) => read,
        Err(problem) => return Checked { document: None, problems: vec![problem] },
    };
    if text.len() > MAX_BYTES {
        problems.push(Problem::error(
            "",
            format!("{} bytes are more than a KV value holds ({MAX_BYTES}): remove what is over", text.len()),
        ));
    }
    if !value.is_object() {
        problems
            .push(Problem::error("", "it is no object: write {\"version\": 1, \"project\": …, \"experiments\": […]}"));
        return Checked { document: None, problems };
    }
    // why: a newer version may have fields this build does not know; its number is the better answer
    if let Some(version) = value.get("version").and_then(Value::as_u64)
        && version > u64::from(VERSION)
    {
        problems.push(Problem::error(
            "version",
            format!("version {version} is newer than this build, which knows {VERSION}: use a newer one"),
        ));
        return Checked { document: None, problems };
    }

    let schema = schema::made();
    let walked = walk(&mut value, schema);
    let meaning = meaning(&value, &walked, &walked.gaps, now);
    problems.extend(environment::check(&value, &walked, schema, &meaning, now));
    let document = if walked.problems.is_empty() { serde_json::from_value(value).ok() } else { None };
    if document.is_none() && walked.problems.is_empty() && problems.is_empty() {
        // the schema let something pass that the types refuse; parsing says what
        problems.extend(Document::parse(text).err());
    }
    problems.extend(meaning);
    problems.extend(walked.problems);
    problems.sort_by(|a, b| order(&a.path).cmp(&order(&b.path)).then_with(|| a.cmp(b)));
    problems.dedup();
    Checked { document, problems }
}

/// A path's parts, with its numbers as numbers: the tenth experiment comes after the ninth.
fn order(path: &str) -> Vec<(Option<usize>, &str)> {
    path.split(['.', '[', ']']).filter(|part| !part.is_empty()).map(|part| (part.parse().ok(), part)).collect()
}
