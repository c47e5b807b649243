//! Reading documents and secrets from outside.

use super::{Failure, clock, has_errors};
use crate::document::{Checked, Document, Problem, check_text};
use crate::plan::Plan;
use std::io::Read as _;
use std::path::Path;

/// The text of a file; `-` is standard input.
pub(super) fn read(file: &str) -> Result<String, Failure> {
    let bytes = if file == "-" {
        let mut bytes = Vec::new();
        let read = std::io::stdin().read_to_end(&mut bytes);
        read.map_err(|error| Failure::Outside(format!("standard input cannot be read: {error}")))?;
        bytes
    } else {
        std::fs::read(file).map_err(|error| {
            Failure::Usage(format!("`{file}` cannot be read: {error}; name a file, or - for standard input"))
        })?
    };
    String::from_utf8(bytes).map_err(|error| Failure::refused("", encoding(error.as_bytes())))
}

/// What bytes are that are no UTF-8, and what to do.
fn encoding(bytes: &[u8]) -> String {
    let zeros = |parity: usize| bytes.iter().take(1024).skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let half = bytes.len().min(1024) / 4;
    let what = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it is UTF-16 text",
        [0x1f, 0x8b, ..] => "it is compressed with gzip",
        [b'P', b'K', 3, 4, ..] => "it is a zip archive",
        _ if bytes.len() > 3 && (zeros(0) > half || zeros(1) > half) => "it is UTF-16 text",
        _ if bytes.contains(&0) => "it is a binary file",
        _ => "it is text in another encoding, such as Latin-1",
    };
    format!("{what}: save it as UTF-8")
}

/// A document without errors, and its warnings.
pub(super) fn sound(text: &str) -> Result<(Document, Vec<Problem>), Failure> {
    match check_text(text, clock::now()) {
        Checked { document: Some(document), problems } if !has_errors(&problems) => Ok((document, problems)),
        Checked { problems, .. } => Err(Failure::Unsound { problems, text: text.to_owned() }),
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
