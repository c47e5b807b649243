//! From the path of a problem to the line and column of the text that it stands on.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// A line and a column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Where the values that paths name stand, or the innermost values around them that are there, in the order of the paths.
/// A field stands where its name does.
///
/// The text is scanned rather than parsed, since it may not be JSON at all, and once for all paths: a document of 1,500
/// experiments has thousands of warnings, and a scan for each took minutes.
pub(super) fn places_of<'a>(text: &str, paths: impl Iterator<Item = &'a str> + Clone) -> Vec<Place> {
    let start = Place { line: 1, column: 1 };
    let wanted = paths.clone().flat_map(outwards).map(|path| (path, None)).collect();
    let mut scan = Scan { wanted, rest: text.chars().peekable(), at: start, open: Vec::new() };
    scan.all();
    paths.map(|path| outwards(path).find_map(|path| *scan.wanted.get(path)?).unwrap_or(start)).collect()
}

/// A path and the paths of the values around it, from the innermost on.
fn outwards(path: &str) -> impl Iterator<Item = &str> {
    let whole = Some(path).filter(|path| !path.is_empty());
    std::iter::successors(whole, |path| Some(path.split_at_checked(path.rfind(['.', '['])?)?.0))
}

struct Scan<'a> {
    /// The paths that are asked for, each with where it was found first.
    wanted: BTreeMap<&'a str, Option<Place>>,
    rest: Peekable<Chars<'a>>,
    /// Where the next character stands.
    at: Place,
    open: Vec<Level>,
}

struct Level {
    path: String,
    list: bool,
    index: usize,
    key: Option<String>,
    after_colon: bool,
}

impl Scan<'_> {
    fn next(&mut self) -> Option<char> {
        let character = self.rest.next()?;
        self.at = match character {
            '\n' => Place { line: self.at.line + 1, column: 1 },
            _ => Place { column: self.at.column + 1, ..self.at },
        };
        Some(character)
    }

    fn all(&mut self) {
        loop {
            let here = self.at;
            let Some(character) = self.next() else { return };
            match character {
                '{' | '[' => {
                    let path = self.begin(here);
                    self.open.push(Level { path, list: character == '[', index: 0, key: None, after_colon: false });
                }
                '}' | ']' => drop(self.open.pop()),
                ':' => {
                    if let Some(level) = self.open.last_mut() {
                        level.after_colon = true;
                    }
                }
                ',' => {
                    if let Some(level) = self.open.last_mut() {
                        level.index += 1;
                        level.key = None;
                        level.after_colon = false;
                    }
                }
                '"' => {
                    let string = self.string();
                    match self.open.last_mut() {
                        Some(level) if !level.list && !level.after_colon => level.key = Some(string),
                        _ => {}
                    }
                    self.begin(here);
                }
                other if other.is_whitespace() || other == '\u{feff}' => {}
                _ => {
                    self.begin(here);
                    while self.rest.peek().is_some_and(|next| !matches!(next, ',' | ']' | '}' | '\n')) {
                        self.next();
                    }
                }
            }
        }
    }

    fn string(&mut self) -> String {
        let mut string = String::new();
        while let Some(character) = self.next() {
            match character {
                '"' => break,
                '\\' => string.extend(self.next()),
                other => string.push(other),
            }
        }
        string
    }

    /// The path of the value, or of the field, that begins here.
    fn begin(&mut self, here: Place) -> String {
        let path = match self.open.last() {
            None => String::new(),
            Some(level) if level.list => format!("{}[{}]", level.path, level.index),
            Some(level) => {
                let key = level.key.as_deref().unwrap_or("");
                if level.path.is_empty() { key.to_owned() } else { format!("{}.{key}", level.path) }
            }
        };
        if let Some(place) = self.wanted.get_mut(path.as_str()) {
            place.get_or_insert(here);
        }
        path
    }
}
