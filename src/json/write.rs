//! JSON text written straight from what is there, where a value of serde's would have to be made first.

use crate::ascii;

/// What stands before a member's text, of its name.
// why: every piece that is written costs two calls where nothing is optimised, so whatever is known beforehand is one
macro_rules! member {
    ($name:literal) => {
        concat!(",\"", $name, "\":\"")
    };
}
pub(crate) use member;

/// An object in the making, behind what a text holds already. It must be ended.
pub struct Object<'a> {
    out: &'a mut String,
    is_first: bool,
}

impl<'a> Object<'a> {
    /// Begins an object behind what `out` holds.
    pub fn begin(out: &'a mut String) -> Self {
        Self { out, is_first: true }
    }

    /// A member that is a text; `name` is a [`member!`].
    pub fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        // why: most texts need no escape
        if ascii::needs_no_json_escape(value) {
            *self.out += value;
        } else {
            push_escaped(value, self.out);
        }
        *self.out += "\"";
    }

    /// A member that is a text or `null`.
    pub fn maybe(&mut self, name: &'static str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => self.json(name, "null"),
        }
    }

    /// A member whose value is JSON already.
    pub fn json(&mut self, name: &'static str, value: &str) {
        self.name(name.strip_suffix('"').unwrap_or(name));
        *self.out += value;
    }

    /// A member that is a number.
    pub fn number(&mut self, name: &'static str, value: u64) {
        self.json(name, &value.to_string());
    }

    /// A member that is a list, of which the items are given as JSON with commas between them.
    pub fn list(&mut self, name: &'static str, items: &str) {
        self.json(name, "[");
        *self.out += items;
        *self.out += "]";
    }

    /// Ends it.
    pub fn end(self) {
        *self.out += "}";
    }

    fn name(&mut self, name: &str) {
        if core::mem::take(&mut self.is_first) {
            *self.out += "{";
            *self.out += name.strip_prefix(',').unwrap_or(name);
        } else {
            *self.out += name;
        }
    }
}

/// Appends a text with its quotes.
pub fn push_text(text: &str, out: &mut String) {
    *out += "\"";
    push_escaped(text, out);
    *out += "\"";
}

/// Appends texts with their quotes and commas between them, as a list has them.
pub fn push_texts<'t>(texts: impl IntoIterator<Item = &'t str>, out: &mut String) {
    for (index, text) in texts.into_iter().enumerate() {
        if index > 0 {
            *out += ",";
        }
        push_text(text, out);
    }
}

/// Appends a text as it stands between quotes, as serde writes it.
#[inline(never)]
pub fn push_escaped(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\u{8}' => *out += "\\b",
            '\t' => *out += "\\t",
            '\n' => *out += "\\n",
            '\u{c}' => *out += "\\f",
            '\r' => *out += "\\r",
            '\0'..='\u{1f}' => push_escape(character, out),
            _ => out.push(character),
        }
    }
}

/// Appends a character by its number: `\u00e9`.
pub fn push_escape(character: char, out: &mut String) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        *out += "\\u";
        for shift in [12, 8, 4, 0] {
            let digit = char::from_digit(u32::from(*unit >> shift & 15), 16);
            out.push(digit.unwrap_or('0'));
        }
    }
}
