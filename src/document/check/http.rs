//! What HTTP allows in names, values and places.

/// Whether the text is a token of RFC 9110, section 5.6.2: a header's, method's or cookie's name.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Whether the text may be a header's value: visible characters, blanks between them, nothing beyond ASCII, since
/// clients disagree on what such bytes mean (RFC 9110, section 5.5).
pub(super) fn is_header_value(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) && text.trim() == text
}

/// Whether the text has a character that no name, key or URL may have.
pub(super) fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// What is wrong with a pattern of host names, if anything.
pub(super) fn host_problem(pattern: &str) -> Option<String> {
    let advice = if pattern.is_empty() {
        "it is empty: remove it, no `hosts` means every host".to_owned()
    } else if pattern.contains("://") || pattern.contains('/') {
        let host = pattern.split("://").last().and_then(|rest| rest.split('/').next()).unwrap_or_default();
        format!("{pattern:?} is more than a host: write {host:?}; paths belong in `pages`")
    } else if pattern.contains(':') {
        let host = pattern.split(':').next().unwrap_or_default();
        format!("{pattern:?} names a port, which is not compared: write {host:?}")
    } else if pattern.bytes().any(|byte| byte.is_ascii_uppercase()) {
        format!("{pattern:?} never matches, hosts are compared in lower case: write {:?}", pattern.to_lowercase())
    } else if !pattern.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_*".contains(&byte)) {
        format!("{pattern:?} is not a host: use letters, digits, dots, hyphens, and `*` for any run of characters")
    } else {
        return None;
    };
    Some(advice)
}

/// Where a redirect leads: a path of the same site, or a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    /// Absent: the host of the page that redirects.
    pub(super) host: Option<String>,
    /// From the first `/` on.
    pub(super) path: String,
    /// What follows the `?`, else empty.
    pub(super) query: String,
}

impl Destination {
    /// # Errors
    ///
    /// What is wrong, and what to do.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("it is empty: write a path such as \"/b\", or a URL".to_owned());
        }
        if has_control(text) || text.contains([' ', '\\']) {
            return Err(format!("{text:?} has characters that no URL has: write blanks as %20 and `/` for `\\`"));
        }
        let (host, rest) = if text.starts_with("//") {
            return Err(format!("{text:?} has no scheme: write \"https:{text}\""));
        } else if text.starts_with('/') {
            (None, text)
        } else {
            let (scheme, rest) = text.split_once("://").ok_or_else(|| {
                format!(
                    "{text:?} is neither a path nor a URL: start it with `/`, or write \"https://{}\"",
                    text.trim_start_matches('/')
                )
            })?;
            if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
                return Err(format!("{text:?} has the scheme {scheme:?}: use http or https"));
            }
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
            if authority.is_empty() {
                return Err(format!("{text:?} names no host: write \"https://host/path\""));
            }
            if authority.contains('@') {
                return Err(format!(
                    "{text:?} has a user name in it, which browsers refuse: remove what is before `@`"
                ));
            }
            let host = authority.split(':').next().unwrap_or(authority);
            (Some(host.to_ascii_lowercase()), rest)
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { host, path: path.to_owned(), query: query.to_owned() })
    }
}
