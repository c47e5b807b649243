//! Page rules, compiled: matching is a comparison of texts, a walk over a glob, or a linear-time regex.

use crate::document::{Page, PageMatch, PageSubject};
use crate::url::{Url, upper_escapes};
use regex_lite::Regex;
use std::borrow::Cow;

/// A page rule, compiled.
#[derive(Clone, Debug)]
pub struct PageRule {
    /// The part of the URL that it looks at.
    pub subject: PageSubject,
    /// What that part must be.
    pub pattern: Pattern,
}

/// What a text must be.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// This.
    Exact(Box<str>),
    /// This, then anything.
    Prefix(Box<str>),
    /// Anything, then this.
    Suffix(Box<str>),
    /// Anything with this in it.
    Contains(Box<str>),
    /// Text with wildcards: `*` any run of characters, `?` one.
    Glob(Box<str>),
    /// Text with a match of this.
    Regex(Regex),
    /// Nothing: what a rule without a meaning compiles to.
    Never,
}

/// The most memory a compiled regex may take, in bytes; its matching time is linear in that and in the text.
pub(crate) const REGEX_SIZE: usize = 64 * 1024;

/// Compiles a regular expression of a page rule, within [`REGEX_SIZE`].
///
/// # Errors
///
/// What is wrong with it, as the engine says it.
pub(crate) fn regex(pattern: &str) -> Result<Regex, String> {
    regex_lite::RegexBuilder::new(pattern).size_limit(REGEX_SIZE).build().map_err(|error| error.to_string())
}

impl PageRule {
    /// Compiles a rule of a checked document.
    #[must_use]
    #[inline(never)]
    pub fn compile(page: &Page) -> Self {
        match page {
            Page::Glob(glob) => Self { subject: PageSubject::Path, pattern: Pattern::glob(glob) },
            Page::Rule(rule) => Self { subject: rule.of, pattern: Pattern::of_rule(rule) },
        }
    }

    /// Whether the URL's part fits.
    #[must_use]
    pub fn matches(&self, url: &Url<'_>) -> bool {
        self.pattern.matches(match self.subject {
            PageSubject::Path => url.path,
            PageSubject::Url => url.whole,
            PageSubject::Query => url.query,
        })
    }

    /// Whether every page fits.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        match &self.pattern {
            Pattern::Prefix(prefix) => matches!((&**prefix, self.subject), ("", _) | ("/", PageSubject::Path)),
            Pattern::Suffix(text) | Pattern::Contains(text) => text.is_empty(),
            _ => false,
        }
    }
}

impl Pattern {
    /// A glob, or the plainer pattern that it amounts to.
    #[must_use]
    pub fn glob(glob: &str) -> Self {
        Self::glob_of(glob, PageSubject::Path)
    }

    /// A glob on a part of a URL.
    fn glob_of(glob: &str, subject: PageSubject) -> Self {
        let glob = escape(glob, subject);
        match glob.strip_suffix('*') {
            None if !glob.contains(['*', '?']) => Self::Exact(glob.into()),
            Some(prefix) if !prefix.contains(['*', '?']) => Self::Prefix(prefix.into()),
            _ => Self::Glob(glob.into()),
        }
    }

    fn of_rule(rule: &PageMatch) -> Self {
        let escape = |text: &str| escape(text, rule.of);
        match rule {
            PageMatch { exact: Some(text), .. } => Self::Exact(escape(text).into()),
            PageMatch { prefix: Some(text), .. } => Self::Prefix(escape(text).into()),
            PageMatch { suffix: Some(text), .. } => Self::Suffix(escape(text).into()),
            PageMatch { contains: Some(text), .. } => Self::Contains(escape(text).into()),
            PageMatch { glob: Some(text), .. } => Self::glob_of(text, rule.of),
            PageMatch { regex: Some(text), .. } => {
                let spelled = upper_escapes(text);
                regex(spelled.as_deref().unwrap_or(text)).map_or(Self::Never, Self::Regex)
            }
            _ => Self::Never,
        }
    }

    /// Whether the text fits.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(this) => **this == *text,
            Self::Prefix(this) => text.starts_with(&**this),
            Self::Suffix(this) => text.ends_with(&**this),
            Self::Contains(this) => text.contains(&**this),
            Self::Glob(glob) => fits(glob.as_bytes(), text.as_bytes()),
            Self::Regex(regex) => regex.is_match(text),
            Self::Never => false,
        }
    }

    /// The text that everything that fits starts with.
    #[must_use]
    pub fn literal_prefix(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix(text) => text,
            Self::Glob(glob) => glob.split(['*', '?']).next().unwrap_or(""),
            _ => "",
        }
    }
}

/// A pattern as URLs spell it: people write `/c/größe` or `/{new}`, browsers send what the URL Standard's percent-encode
/// sets leave of it (<https://url.spec.whatwg.org/#percent-encoded-bytes>): beside everything that is no visible ASCII,
/// `"`, `<` and `>` are escaped anywhere, `{`, `}` and a backtick in a path, and `'` in a query. A `%` stays: what is
/// escaped already is meant so, in upper case as [`Plan::on_page`](super::Plan::on_page) looks for it.
fn escape(text: &str, subject: PageSubject) -> String {
    use std::fmt::Write;
    let mut in_query = subject == PageSubject::Query;
    let text = upper_escapes(text).map_or(Cow::Borrowed(text), Cow::Owned);
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        in_query |= subject == PageSubject::Url && byte == b'?';
        let escaped = match byte {
            b'"' | b'<' | b'>' => true,
            b'{' | b'}' | b'`' => !in_query,
            b'\'' => in_query,
            _ => !byte.is_ascii_graphic(),
        };
        if escaped {
            // why: writing to a String cannot fail
            let _ = write!(out, "%{byte:02X}");
        } else {
            out.push(char::from(byte));
        }
        out
    })
}

/// Whether a text fits a glob, in time linear in the product of their lengths at worst: on a mismatch only the last
/// `*` takes one character more.
fn fits(glob: &[u8], text: &[u8]) -> bool {
    let (mut g, mut t) = (0, 0);
    let mut retry = None;
    while t < text.len() {
        match glob.get(g) {
            Some(b'*') => {
                retry = Some((g + 1, t));
                g += 1;
            }
            Some(&byte) if byte == b'?' || text.get(t) == Some(&byte) => {
                g += 1;
                t += 1;
            }
            _ => {
                let Some((after_star, from)) = retry else { return false };
                retry = Some((after_star, from + 1));
                g = after_star;
                t = from + 1;
            }
        }
    }
    glob.get(g..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}

crate::pack::packed!(struct PageRule { subject, pattern });
crate::pack::packed!(
    enum Pattern {
        Exact(text) = 0,
        Prefix(text) = 1,
        Suffix(text) = 2,
        Contains(text) = 3,
        Glob(text) = 4,
        Regex(regex) = 5,
        Never = 6,
    }
);

impl crate::pack::Pack for Regex {
    fn pack(&self, out: &mut crate::pack::Packer) {
        Box::<str>::from(self.as_str()).pack(out);
    }

    fn unpack(from: &mut crate::pack::Unpacker<'_>) -> Option<Self> {
        regex(&Box::<str>::unpack(from)?).ok()
    }
}
