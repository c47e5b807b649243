//! What a text is that is no JSON: the formats that people mistake for it, by their looks.

/// Names the format of a text that JSON's reader refuses, and what to do; `None`: it is JSON with a slip.
pub(super) fn named(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        let example = "{\"version\": 1, \"project\": \"shop\", \"experiments\": []}";
        return Some(format!("it is empty: write a document, such as {example}"));
    }
    if text.starts_with('\u{feff}') {
        return Some("it begins with a byte order mark: save it as UTF-8 without one".to_owned());
    }
    if text.contains('\0') {
        return Some("it is a binary file, or UTF-16 text: save it as UTF-8".to_owned());
    }
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines().find(|line| !line.starts_with('#')).unwrap_or("");
    if first.starts_with("//") || first.starts_with("/*") || (first.starts_with(['{', '[']) && has_comments(text)) {
        return Some("it is JSON with comments (JSONC): remove the comments".to_owned());
    }
    if first.starts_with('<') {
        return Some("it is HTML or XML: save the document itself, as JSON".to_owned());
    }
    if first.starts_with(['{', '"']) {
        return None;
    }
    let is_table = |line: &str| line.starts_with('[') && line.ends_with(']') && is_name(line.trim_matches(['[', ']']));
    let assigns = |line: &str| line.split_once('=').is_some_and(|(name, _)| is_name(name));
    if is_table(first) || assigns(first) {
        return Some("it is TOML: the document is JSON; convert it, such as with `yq -p toml -o json`".to_owned());
    }
    let maps = |line: &str| line.split_once(':').is_some_and(|(name, _)| is_name(name));
    if first == "---" || first.starts_with("%YAML") || maps(first) || maps(first.trim_start_matches("- ")) {
        return Some("it is YAML: the document is JSON; convert it, such as with `yq -o json`".to_owned());
    }
    None
}

fn is_name(text: &str) -> bool {
    let text = text.trim().trim_matches('"');
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$'))
}

/// Whether a comment stands outside the texts.
fn has_comments(text: &str) -> bool {
    let mut characters = text.chars().peekable();
    let mut quoted = false;
    while let Some(character) = characters.next() {
        match (character, quoted) {
            ('\\', true) => drop(characters.next()),
            ('"', _) => quoted = !quoted,
            ('/', false) => return matches!(characters.peek(), Some('/' | '*')),
            _ => {}
        }
    }
    false
}
