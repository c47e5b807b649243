//! JSON text written straight from what is there, where a value of serde's would have to be made first.

/// An object in the making, behind what a text holds already. It must be ended.
pub(super) struct Object<'a> {
    out: &'a mut String,
    /// What stands before the next member.
    before: &'static str,
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut String) -> Self {
        Self { out, before: "{\"" }
    }

    /// A member that is a text. Names are written as they are: they are ours, and need no escape.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        // why: most texts need no escape either
        if value.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
            *self.out += &serde_json::Value::from(value).to_string();
        } else {
            *self.out += "\"";
            *self.out += value;
            *self.out += "\"";
        }
    }

    /// A member that is a text or `null`.
    pub(super) fn maybe(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => self.json(name, "null"),
        }
    }

    /// A member whose value is JSON already.
    pub(super) fn json(&mut self, name: &str, value: &str) {
        self.name(name);
        *self.out += value;
    }

    /// A member that is a list, of which the items are given as JSON with commas between them.
    pub(super) fn list(&mut self, name: &str, items: &str) {
        self.name(name);
        *self.out += "[";
        *self.out += items;
        *self.out += "]";
    }

    pub(super) fn end(self) {
        *self.out += "}";
    }

    fn name(&mut self, name: &str) {
        *self.out += self.before;
        *self.out += name;
        *self.out += "\":";
        self.before = ",\"";
    }
}
