//! What of a CSS selector tells which elements it can match: the compound on its right, and the tags on its left.
//!
//! Whether a selector is one at all is for the rewriter's own parser to say. This reader takes every text, and where it
//! does not understand a part it forgets the part, so that the selector seems to match more.

use crate::lower_case;

/// One of the selectors between commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Complex {
    /// The tags that ancestors must have.
    pub(super) ancestors: Vec<String>,
    /// What the element itself must be.
    pub(super) element: Compound,
}

/// What an element must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Compound {
    /// Its tag in lower case; absent: any.
    pub(super) tag: Option<String>,
    /// Whether a class or an id is asked for.
    pub(super) is_named: bool,
    /// Its attributes.
    pub(super) attributes: Vec<Attribute>,
}

/// What an attribute must be; names and values in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) name: String,
    /// The character before `=`, a blank for a plain `=`; absent: the attribute is there.
    pub(super) operator: Option<char>,
    pub(super) value: String,
}

/// Reads a selector list.
pub(super) fn read(text: &str) -> Vec<Complex> {
    let mut reader = Reader { left: text.chars() };
    let (mut list, mut complex, mut is_empty) = (Vec::new(), Complex::default(), true);
    while let Some(letter) = reader.peek() {
        match letter {
            ',' => {
                reader.left.next();
                list.push(std::mem::take(&mut complex));
                is_empty = true;
            }
            c if c.is_whitespace() || c == '>' => {
                reader.left.next();
                reader.skip(|c| c.is_whitespace() || c == '>');
                // why: a blank before a comma or at the end separates no two compounds
                if !is_empty && !matches!(reader.peek(), None | Some(',')) {
                    complex.ancestors.extend(std::mem::take(&mut complex.element).tag);
                }
            }
            '/' if reader.comment() => {}
            _ => {
                is_empty = false;
                reader.simple(&mut complex.element);
            }
        }
    }
    list.push(complex);
    list
}

struct Reader<'a> {
    left: std::str::Chars<'a>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.left.clone().next()
    }

    fn skip(&mut self, mut unwanted: impl FnMut(char) -> bool) {
        while self.peek().is_some_and(&mut unwanted) {
            self.left.next();
        }
    }

    /// Passes over a comment, where one starts here.
    fn comment(&mut self) -> bool {
        let Some(rest) = self.left.as_str().strip_prefix("/*") else { return false };
        self.left = rest.split_once("*/").map_or("", |(_, rest)| rest).chars();
        true
    }

    /// Reads one simple selector: a tag, a class, an id, an attribute, a pseudo-class.
    fn simple(&mut self, element: &mut Compound) {
        match self.peek() {
            Some('.' | '#') => {
                self.left.next();
                self.word();
                element.is_named = true;
            }
            Some('[') => {
                self.left.next();
                element.attributes.extend(self.attribute());
            }
            Some(':') => {
                self.skip(|c| c == ':');
                self.word();
                if self.peek() == Some('(') {
                    self.brackets();
                }
            }
            Some('*') => {
                self.left.next();
            }
            _ => {
                let word = self.word();
                if word.is_empty() {
                    self.left.next();
                } else {
                    element.tag = Some(word.to_ascii_lowercase());
                }
            }
        }
    }

    /// An identifier, its escapes resolved (CSS Syntax, level 3, section 4.3.7).
    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(letter) = self.peek() {
            if letter == '\\' {
                self.left.next();
                word.extend(self.escaped());
            } else if letter.is_alphanumeric() || letter == '-' || letter == '_' || !letter.is_ascii() {
                self.left.next();
                word.push(letter);
            } else {
                break;
            }
        }
        word
    }

    fn escaped(&mut self) -> Option<char> {
        let first = self.left.next()?;
        let Some(mut code) = first.to_digit(16) else { return Some(first) };
        for _ in 0..5 {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(16)) else { break };
            self.left.next();
            code = code * 16 + digit;
        }
        if self.peek().is_some_and(char::is_whitespace) {
            self.left.next();
        }
        Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// What stands between `[` and `]`.
    fn attribute(&mut self) -> Option<Attribute> {
        self.skip(char::is_whitespace);
        let name = self.word().to_ascii_lowercase();
        self.skip(char::is_whitespace);
        let mut operator = None;
        let mut value = String::new();
        if let Some(c) = self.peek().filter(|c| "=~|^$*".contains(*c)) {
            self.left.next();
            operator = Some(if c == '=' { ' ' } else { c });
            self.skip(|c| c == '=' || c.is_whitespace());
            value = match self.peek() {
                Some(quote @ ('"' | '\'')) => {
                    self.left.next();
                    self.quoted(quote)
                }
                _ => self.word(),
            };
        }
        self.skip(|c| c != ']');
        self.left.next();
        (!name.is_empty()).then(|| Attribute { name, operator, value: lower_case::text(&value) })
    }

    fn quoted(&mut self, quote: char) -> String {
        let mut text = String::new();
        while let Some(letter) = self.left.next().filter(|c| *c != quote) {
            text.extend(if letter == '\\' { self.escaped() } else { Some(letter) });
        }
        text
    }

    /// Passes over a pair of brackets and what is in it.
    fn brackets(&mut self) {
        let mut depth = 0_usize;
        while let Some(letter) = self.left.next() {
            match letter {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                '"' | '\'' => drop(self.quoted(letter)),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
}
