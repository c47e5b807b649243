//! Where the parser is: a path that costs nothing until a problem is reported.

use std::fmt;

/// A place in a condition: a step, and the place it was taken from.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    above: Option<&'a Place<'a>>,
    step: Step<'a>,
    depth: usize,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl Place<'_> {
    pub(super) fn root() -> Self {
        Self { above: None, step: Step::Root, depth: 0 }
    }

    pub(super) fn key<'a>(&'a self, key: &'a str) -> Place<'a> {
        Place { above: Some(self), step: Step::Key(key), depth: self.depth + 1 }
    }

    pub(super) fn index(&self, index: usize) -> Place<'_> {
        Place { above: Some(self), step: Step::Index(index), depth: self.depth + 1 }
    }

    /// How many steps from the condition's outermost object.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            above.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Key(key) if self.depth > 1 => write!(f, ".{}", shown(key)),
            Step::Key(key) => f.write_str(&shown(key)),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A word of the document as messages show it: on one line, and not at any length.
pub(super) fn shown(word: &str) -> String {
    const LONGEST: usize = 64;
    let mut letters = word.chars().filter(|c| !c.is_control());
    let mut text: String = letters.by_ref().take(LONGEST).collect();
    if letters.next().is_some() {
        text.push('…');
    }
    text
}
