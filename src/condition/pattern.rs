//! Regular expressions: compiled once, searched in linear time.

use regex_lite::{Regex, RegexBuilder};

use super::operator::Letters;
use super::{MAX_COMPILED_PATTERN, MAX_PATTERN, MAX_SEARCHED};

/// A compiled regular expression.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub(super) source: Box<str>,
    pub(super) letters: Letters,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source && self.letters == other.letters
    }
}

impl Pattern {
    /// # Errors
    ///
    /// What is wrong with the pattern, and what to do.
    pub(super) fn new(source: &str, letters: Letters) -> Result<Self, String> {
        if source.len() > MAX_PATTERN {
            return Err(format!("this regex has {} bytes, of {MAX_PATTERN} at most: split it", source.len()));
        }
        let regex = RegexBuilder::new(source)
            .case_insensitive(letters == Letters::Folded)
            .size_limit(MAX_COMPILED_PATTERN)
            .build()
            .map_err(|error| advice(source, &error.to_string()))?;
        Ok(Self { source: source.into(), letters, regex })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        text.len() <= MAX_SEARCHED && self.regex.is_match(text)
    }
}

fn advice(source: &str, error: &str) -> String {
    if ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|look| source.contains(look)) {
        "this regex looks around, which takes unbounded time: use `$notRegex` or a second clause instead".into()
    } else if error.contains("size limit") || error.contains("exceeds") {
        "this regex is too large once compiled: lower the counts of its repetitions".into()
    } else {
        format!("this regex does not compile: {error}")
    }
}

impl crate::pack::Pack for Pattern {
    fn pack(&self, out: &mut crate::pack::Packer) {
        self.source.pack(out);
        self.letters.pack(out);
    }

    fn unpack(from: &mut crate::pack::Unpacker<'_>) -> Option<Self> {
        let source: Box<str> = crate::pack::Pack::unpack(from)?;
        Self::new(&source, crate::pack::Pack::unpack(from)?).ok()
    }
}
