//! The head of the origin's answer, and whether its page can be rewritten.

use super::caching;
use super::entity_tag::EntityTag;
use super::media_type::{self, Charset};
use crate::ascii;

/// The head of the origin's answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `Content-Encoding`. A shared copy is kept without; where an answer from one has it, its finished body is kept so.
    pub content_encoding: Option<&'a str>,
    /// `Cache-Control`.
    pub cache_control: Option<&'a str>,
    /// `ETag`.
    pub etag: Option<&'a str>,
    /// `Sortition-Expose`: the experiments that the origin really rendered.
    pub expose: Option<&'a str>,
    /// `Sortition-User`: which of its users the visitor is.
    pub user: Option<&'a str>,
    /// `Sortition-Versions`: what made the page.
    pub versions: Option<&'a str>,
    /// `Sortition-Variants`, where the origin is another Sortition worker.
    pub variants: Option<&'a str>,
    /// `Sortition-Assignments`: what that worker assigned.
    pub assignments: Option<&'a str>,
    /// How the shared copy was come by that it is from: `hit`, `stale` or `miss`; absent: the origin was asked as this
    /// visitor.
    pub copy: Option<&'a str>,
}

/// Why a page cannot be rewritten. Then nobody is exposed to what a rewrite would have shown, in any variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRewritten {
    /// The origin forbids it, by `Cache-Control: no-transform`.
    Forbidden,
    /// Its charset does not keep ASCII, such as UTF-16.
    Charset,
    /// It is compressed in a way that the rewriter does not read.
    Encoding,
}

impl Answer<'_> {
    pub(super) fn is_html(&self) -> bool {
        media_type::page_charset(self.content_type).is_some()
    }

    /// Whether the origin's entity tag stands for the very bytes of its page (RFC 9110, section 8.8.1). Of a shared copy it
    /// does not count, since it is known otherwise when that one is another.
    #[must_use]
    pub fn is_tagged(&self) -> bool {
        self.copy.is_none() && self.etag.and_then(EntityTag::parse).is_some_and(|tag| !tag.is_weak)
    }

    /// Whether the origin was asked for it just now, so that it tells how the origin fares.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        !matches!(self.copy, Some("hit" | "stale"))
    }

    /// The coding in which the body was put after it was finished.
    pub(super) fn finished_coding(&self) -> Option<&str> {
        self.content_encoding.filter(|_| self.copy.is_some())
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// How the rewriter can work on it, in answer to a GET; `None` for what is no page.
    pub(super) fn rewritable(&self) -> Option<Result<Charset, NotRewritten>> {
        let charset = media_type::page_charset(self.content_type).filter(|_| self.status == 200)?;
        Some(if caching::forbids_transform(self.cache_control) {
            Err(NotRewritten::Forbidden)
        } else if charset == Charset::Unreadable {
            Err(NotRewritten::Charset)
        } else if !ascii::pieces(self.content_encoding.unwrap_or(""), b',').all(caching::is_readable) {
            Err(NotRewritten::Encoding)
        } else {
            Ok(charset)
        })
    }
}
