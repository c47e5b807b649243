//! Reading documents and secrets from outside.

use super::{Failure, clock, has_errors};
use crate::document::{Checked, Document, Problem, check_text};
use crate::plan::Plan;
use std::io::Read as _;
use std::path::Path;

/// The text of a file; `-` is standard input.
pub(super) fn read(file: &str) -> Result<String, Failure> {
    if file == "-" {
        let mut text = String::new();
        return match std::io::stdin().read_to_string(&mut text) {
            Ok(_) => Ok(text),
            Err(error) => Err(Failure::Outside(format!("standard input cannot be read as text: {error}"))),
        };
    }
    std::fs::read_to_string(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => Failure::Usage(format!("`{file}` is no text: save it as UTF-8")),
        _ => Failure::Usage(format!("`{file}` cannot be read: {error}; name a file, or - for standard input")),
    })
}

/// A document without errors, and its warnings.
pub(super) fn sound(text: &str) -> Result<(Document, Vec<Problem>), Failure> {
    match check_text(text, clock::now()) {
        Checked { document: Some(document), problems } if !has_errors(&problems) => Ok((document, problems)),
        Checked { problems, .. } => Err(Failure::Refused(problems)),
    }
}

/// A document's plan.
pub(super) fn compiled(document: &Document) -> Result<Plan, Failure> {
    Plan::compile(document).map_err(Failure::Refused)
}

/// `SORTITION_SECRET`: of the environment, else of `.dev.vars`, which wrangler reads for local runs.
pub(super) fn secret() -> Option<String> {
    let given = std::env::var("SORTITION_SECRET").ok().filter(|secret| !secret.is_empty());
    given.or_else(|| {
        let file = std::fs::read_to_string(Path::new(".dev.vars")).ok()?;
        file.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            let value = value.trim().trim_matches(['"', '\'']);
            (name.trim() == "SORTITION_SECRET" && !value.is_empty()).then(|| value.to_owned())
        })
    })
}
