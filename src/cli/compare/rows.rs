//! Recorded decisions, a batch of lines at a time: JSON lines, or CSV with the columns id, key, variant.

use crate::cli::Failure;
use crate::cli::csv::{self, Csv};
use serde_json::{Map, Value};
use std::io::{BufRead, BufReader, Read};

/// A line longer than this is no decision.
const LONGEST: u64 = 1024 * 1024;

/// A field in quotes that goes on over more lines than this one is one whose quote was forgotten.
const LONGEST_QUOTED: usize = 64 * 1024;

/// A line.
pub(super) struct Row {
    pub(super) line: u64,
    text: String,
}

/// What a line says.
pub(super) struct Decision {
    pub(super) id: String,
    pub(super) attributes: Option<Map<String, Value>>,
    pub(super) decisions: Vec<(String, Option<String>)>,
}

pub(super) struct Rows {
    reader: Box<dyn BufRead>,
    line: u64,
}

impl Rows {
    pub(super) fn open(file: &str) -> Result<Self, Failure> {
        let reader: Box<dyn BufRead> = if file == "-" {
            Box::new(BufReader::new(std::io::stdin()))
        } else {
            let opened = std::fs::File::open(file).map_err(|error| {
                Failure::Usage(format!("`{file}` cannot be read: {error}; name a file, or - for standard input"))
            })?;
            Box::new(BufReader::with_capacity(1 << 20, opened))
        };
        Ok(Self { reader, line: 0 })
    }

    /// The next lines; none at the end.
    pub(super) fn batch(&mut self, most: usize) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        while rows.len() < most {
            let mut text = String::new();
            if !self.append_line(&mut text)? {
                break;
            }
            let line = self.line;
            // why: an id is any text, so a field in quotes may go on in the next line
            while text.len() < LONGEST_QUOTED && is_open(&text) && self.append_line(&mut text)? {}
            let trimmed = text.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r']);
            let names_columns = line == 1 && is_header(trimmed);
            if !trimmed.is_empty() && !names_columns {
                rows.push(Row { line, text: trimmed.to_owned() });
            }
        }
        Ok(rows)
    }

    /// Puts the next line behind a text; false where there is none.
    fn append_line(&mut self, text: &mut String) -> Result<bool, Failure> {
        let read = self.reader.by_ref().take(LONGEST).read_line(text);
        self.line += 1;
        match read {
            Ok(_) if text.len() as u64 >= LONGEST => {
                Err(Failure::Usage(format!("line {} is longer than a decision can be", self.line)))
            }
            Ok(length) => Ok(length > 0),
            Err(error) => Err(Failure::Usage(format!("line {} cannot be read as text: {error}", self.line))),
        }
    }
}

/// Whether a text is CSV in which a quote is open yet.
fn is_open(text: &str) -> bool {
    text.contains('"') && !text.trim_start().starts_with('{') && !csv::read(text).is_closed
}

/// Whether a line names the columns, as exports do with quotes and without.
fn is_header(line: &str) -> bool {
    let Csv { records, .. } = csv::read(line);
    let names = records.first().into_iter().flatten().map(|name| name.trim().to_ascii_lowercase());
    names.eq(["id", "key", "variant"])
}

impl Row {
    /// What the line says.
    pub(super) fn read(&self) -> Result<Decision, Failure> {
        let wrong = |message: String| Failure::Usage(format!("line {}: {message}", self.line));
        if self.text.trim_start().starts_with('{') {
            let value: Value =
                serde_json::from_str(&self.text).map_err(|error| wrong(format!("it is no JSON: {error}")))?;
            return decision(value).map_err(wrong);
        }
        let Csv { records, is_closed } = csv::read(&self.text);
        if !is_closed {
            return Err(wrong("a quote is not closed".to_owned()));
        }
        match records.first().map_or(&[][..], Vec::as_slice) {
            [id, key, variant] => {
                let variant = (!matches!(variant.as_str(), "" | "null")).then(|| variant.clone());
                Ok(Decision { id: id.clone(), attributes: None, decisions: vec![(key.clone(), variant)] })
            }
            other => Err(wrong(format!("it has {} columns: write id,key,variant, or JSON lines", other.len()))),
        }
    }
}

fn decision(value: Value) -> Result<Decision, String> {
    let Value::Object(mut members) = value else { return Err("it is no object".to_owned()) };
    let id = match members.remove("id") {
        Some(Value::String(id)) => id,
        Some(Value::Number(id)) => id.to_string(),
        _ => return Err("it has no `id`".to_owned()),
    };
    let attributes = match members.remove("attributes") {
        Some(Value::Object(attributes)) => Some(attributes),
        None | Some(Value::Null) => None,
        Some(_) => return Err("its `attributes` are no object".to_owned()),
    };
    let Some(Value::Object(decisions)) = members.remove("decisions") else {
        return Err("it has no `decisions`, such as {\"checkout\": \"bold\"}".to_owned());
    };
    let text = |value: Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    let decisions = decisions.into_iter().map(|(key, variant)| (key, text(variant))).collect();
    Ok(Decision { id, attributes, decisions })
}
