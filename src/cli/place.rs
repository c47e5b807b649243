//! From the path of a problem to the line of the text that it stands on.

/// The line, from 1, of the value that a path names, or of the innermost value around it that is there.
///
/// The text is scanned rather than parsed, since it may not be JSON at all.
pub(super) fn line_of(text: &str, path: &str) -> usize {
    let mut scan = Scan { wanted: path, line: 1, best: (0, 1), open: Vec::new() };
    scan.all(text);
    scan.best.1
}

struct Scan<'a> {
    wanted: &'a str,
    line: usize,
    /// How much of the path was found, and where.
    best: (usize, usize),
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
    fn all(&mut self, text: &str) {
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\n' => self.line += 1,
                '{' | '[' => {
                    let path = self.begin();
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
                    let start = self.line;
                    let string = self.string(&mut characters);
                    match self.open.last_mut() {
                        Some(level) if !level.list && !level.after_colon => {
                            level.key = Some(string);
                            let path = self.begin();
                            self.found(&path, start);
                        }
                        _ => drop(self.begin()),
                    }
                }
                other if other.is_whitespace() => {}
                _ => {
                    self.begin();
                    while characters.next_if(|next| !matches!(next, ',' | ']' | '}' | '\n')).is_some() {}
                }
            }
        }
    }

    fn string(&mut self, characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
        let mut string = String::new();
        while let Some(character) = characters.next() {
            match character {
                '"' => break,
                '\\' => string.extend(characters.next()),
                '\n' => {
                    self.line += 1;
                    string.push('\n');
                }
                other => string.push(other),
            }
        }
        string
    }

    /// The path of the value that begins here.
    fn begin(&mut self) -> String {
        let path = match self.open.last() {
            None => String::new(),
            Some(level) if level.list => format!("{}[{}]", level.path, level.index),
            Some(level) => {
                let key = level.key.as_deref().unwrap_or("");
                if level.path.is_empty() { key.to_owned() } else { format!("{}.{key}", level.path) }
            }
        };
        self.found(&path, self.line);
        path
    }

    fn found(&mut self, path: &str, line: usize) {
        let rest = self.wanted.strip_prefix(path);
        if path.len() > self.best.0 && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])) {
            self.best = (path.len(), line);
        }
    }
}
