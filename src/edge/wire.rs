//! Lists of texts across the boundary: one string, cut at a character that no header, URL or JSON text can hold.

use crate::execution::HeaderChange;

/// ASCII "unit separator". Header values and URLs have no control characters, and JSON escapes them.
const SEPARATOR: &str = "\u{1f}";

/// A list of texts in the making. The first is never empty.
pub(super) struct Wire(String);

impl Wire {
    /// A list that takes so many bytes without asking for more memory.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    pub(super) fn push(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push_str(SEPARATOR);
        }
        self.0.push_str(text);
    }

    /// A change of a header as two texts: the name after `=` (set), `+` (append) or `-` (remove), and the value.
    pub(super) fn push_change(&mut self, change: &HeaderChange) {
        let (sign, name, value) = match change {
            HeaderChange::Set(name, value) => ("=", *name, value.as_str()),
            HeaderChange::SetNamed(name, value) => ("=", &**name, &**value),
            HeaderChange::Append(name, value) => ("+", *name, value.as_str()),
            HeaderChange::Remove(name) => ("-", *name, ""),
        };
        self.0.push_str(SEPARATOR);
        self.0.push_str(sign);
        self.0.push_str(name);
        self.push(value);
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}
