//! Versions, compared as GrowthBook's `paddedVersionString` makes them comparable.

use std::cmp::Ordering;
use std::iter::repeat_n;

use super::text;

/// The right side of `$veq` and its kin.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Version {
    /// As it was written.
    pub(super) written: Box<str>,
    padded: Box<str>,
}

impl Version {
    pub(super) fn new(written: &str) -> Self {
        Self { written: written.into(), padded: padded(written).collect::<String>().into() }
    }

    /// How another version stands to this one.
    pub(super) fn order_of(&self, other: &str) -> Ordering {
        text::order(padded(other), self.padded.chars())
    }
}

/// The characters whose text order is the order of versions.
///
/// A leading `v` and the build after `+` do not count. What is left is split at dots and hyphens; parts of digits are padded
/// with blanks to five, so that 9 comes before 10; and exactly three parts, a release, get a fourth that comes after any
/// prerelease. No text at all counts as version 0.
fn padded(version: &str) -> impl Iterator<Item = char> + '_ {
    let version = if version.is_empty() { "0" } else { version };
    let parts = without_build(version.strip_prefix('v').unwrap_or(version)).split(['-', '.']);
    let release = (parts.clone().count() == 3).then_some("~");
    parts.chain(release).enumerate().flat_map(|(index, part)| {
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let blanks = if digits { 5_usize.saturating_sub(part.len()) } else { 0 };
        (index > 0).then_some('-').into_iter().chain(repeat_n(' ', blanks)).chain(part.chars())
    })
}

/// The version up to the `+` of its build. A build does not span lines, so a `+` with a line break after it is none.
fn without_build(version: &str) -> &str {
    let last_line = version.rfind(['\n', '\r', '\u{2028}', '\u{2029}']).unwrap_or(0);
    version.match_indices('+').find(|(at, _)| *at >= last_line).and_then(|(at, _)| version.get(..at)).unwrap_or(version)
}

crate::pack::packed!(struct Version { written, padded });
