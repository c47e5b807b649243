//! JSON answers, written straight from decisions.

/// A text as JSON.
pub(super) fn quoted(text: &str, out: &mut String) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        *out += &serde_json::Value::from(text).to_string();
    } else {
        out.push('"');
        *out += text;
        out.push('"');
    }
}

/// A member of an object behind another: `,"name":`, then its value.
pub(super) fn member(name: &str, out: &mut String) {
    if !out.ends_with('{') {
        out.push(',');
    }
    out.push('"');
    *out += name;
    *out += "\":";
}

/// A member that is a text.
pub(super) fn text(name: &str, value: &str, out: &mut String) {
    member(name, out);
    quoted(value, out);
}

/// A member that is JSON already.
pub(super) fn json(name: &str, value: &str, out: &mut String) {
    member(name, out);
    *out += value;
}
