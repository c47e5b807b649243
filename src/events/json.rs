//! JSON text written straight from what is there, where a value of serde's would have to be made first.

use crate::ascii;

/// What stands before a member's text, of its name.
// why: every piece that is written costs two calls where nothing is optimised, so whatever is known beforehand is one
macro_rules! member {
    ($name:literal) => {
        concat!(",\"", $name, "\":\"")
    };
}
pub(super) use member;

/// An object in the making, behind what a text holds already. It must be ended.
pub(super) struct Object<'a> {
    out: &'a mut String,
    is_first: bool,
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut String) -> Self {
        Self { out, is_first: true }
    }

    /// A member that is a text; `name` is a [`member!`].
    pub(super) fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        // why: most texts need no escape
        if ascii::needs_no_json_escape(value) {
            *self.out += value;
        } else {
            self.escaped(value);
        }
        *self.out += "\"";
    }

    #[inline(never)]
    fn escaped(&mut self, value: &str) {
        let quoted = serde_json::to_string(value).unwrap_or_default();
        *self.out += quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default();
    }

    /// A member that is a text or `null`.
    pub(super) fn maybe(&mut self, name: &'static str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => self.json(name, "null"),
        }
    }

    /// A member whose value is JSON already.
    pub(super) fn json(&mut self, name: &'static str, value: &str) {
        self.name(name.strip_suffix('"').unwrap_or(name));
        *self.out += value;
    }

    /// A member that is a list, of which the items are given as JSON with commas between them.
    pub(super) fn list(&mut self, name: &'static str, items: &str) {
        self.json(name, "[");
        *self.out += items;
        *self.out += "]";
    }

    pub(super) fn end(self) {
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
