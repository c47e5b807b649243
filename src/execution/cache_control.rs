//! `Cache-Control` (RFC 9111, section 5.2): the one place that reads it.

use crate::ascii;

/// The directives of a `Cache-Control` header; several headers are joined by commas before they get here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CacheControl<'a>(&'a str);

impl<'a> CacheControl<'a> {
    /// Reads a header; absent, it has no directive.
    pub(super) fn new(header: Option<&'a str>) -> Self {
        Self(header.unwrap_or(""))
    }

    /// Every directive as it stands there.
    pub(super) fn directives(self) -> impl Iterator<Item = &'a str> {
        ascii::members(self.0).filter(|directive| !directive.is_empty())
    }

    /// Whether a directive is there, with an argument or without.
    pub(super) fn has(self, name: &str) -> bool {
        self.directives().any(|directive| is_named(directive, name))
    }

    /// Whether a directive is there without an argument: `private`, and not `private="Set-Cookie"`, which is about one
    /// header alone.
    pub(super) fn has_whole(self, name: &str) -> bool {
        self.directives().any(|directive| directive.eq_ignore_ascii_case(name))
    }

    /// The seconds of a directive, the fewest where it stands there twice; 0 for what is no number, since what cannot be
    /// read counts as stale (RFC 9111, section 4.2.1).
    pub(super) fn seconds(self, name: &str) -> Option<u64> {
        self.directives()
            .filter(|directive| is_named(directive, name))
            .map(|directive| {
                let (_, argument) = ascii::split_once(directive, b'=').unwrap_or((directive, ""));
                let argument = ascii::trimmed(argument);
                let digits = argument.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(argument);
                let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                if is_number { digits.parse().unwrap_or(u64::MAX) } else { 0 }
            })
            .min()
    }
}

/// Whether a directive has this name.
pub(super) fn is_named(directive: &str, name: &str) -> bool {
    ascii::trimmed(ascii::before(directive, b'=')).eq_ignore_ascii_case(name)
}
