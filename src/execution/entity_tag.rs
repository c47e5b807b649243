//! Entity tags (RFC 9110, section 8.8.3): the one place that reads and writes them.
//!
//! What we hand out is the origin's tag with a mark and the validator of the variants behind it, so that it can be turned
//! back: `"v1"` becomes `"v1--st-0123456789abcdef"`. The mark's letter keeps whether the origin's tag was weak.

use crate::ascii;

const STRONG: &str = "--st-";
const WEAK: &str = "--wk-";

/// The length of a validator: 64 bits in hexadecimal digits.
const VALIDATOR: usize = 16;

/// An entity tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntityTag<'a> {
    /// Whether it stands for what means the same rather than for the very bytes.
    pub(super) is_weak: bool,
    /// What is between the quotes.
    pub(super) opaque: &'a str,
}

impl<'a> EntityTag<'a> {
    /// Reads one tag; `None` for what is none.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let text = ascii::trimmed(text);
        let (is_weak, quoted) = text.strip_prefix("W/").map_or((false, text), |quoted| (true, quoted));
        let opaque = quoted.strip_prefix('"')?.strip_suffix('"')?;
        // why: bytes beyond ASCII are read one way and written another by the runtime, and a control character is forged
        let is_opaque = opaque.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"');
        is_opaque.then_some(Self { is_weak, opaque })
    }

    /// The tags of a list; what is none is left out.
    pub(super) fn list(text: &'a str) -> impl Iterator<Item = Self> {
        ascii::members(text).filter_map(Self::parse)
    }

    /// Whether two tags are equal by the weak comparison, which `If-None-Match` asks for.
    pub(super) fn is_like(self, other: Self) -> bool {
        self.opaque == other.opaque
    }

    /// The tag with the validator of some variants in it. `is_weak`: where the bytes differ with the visitor even though
    /// the page means the same.
    pub(super) fn scoped(self, validator: &str, is_weak: bool) -> String {
        let mark = if self.is_weak { WEAK } else { STRONG };
        let prefix = if is_weak || self.is_weak { "W/" } else { "" };
        [prefix, "\"", self.opaque, mark, validator, "\""].concat()
    }

    /// The origin's own tag, where this is one of ours: of these variants, or of any.
    pub(super) fn original(self, validator: Option<&str>) -> Option<EntityTag<'a>> {
        let end = self.opaque.len().checked_sub(VALIDATOR)?;
        let (rest, found) = self.opaque.split_at_checked(end)?;
        if validator.is_some_and(|validator| validator != found) || !found.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            return None;
        }
        let strong = rest.strip_suffix(STRONG).map(|opaque| Self { is_weak: false, opaque });
        strong.or_else(|| rest.strip_suffix(WEAK).map(|opaque| Self { is_weak: true, opaque }))
    }
}

impl core::fmt::Display for EntityTag<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}\"{}\"", if self.is_weak { "W/" } else { "" }, self.opaque)
    }
}
