//! Decisions → what to do, as data: headers to change, steps to rewrite by, cookies, cache and validator rules. Pure.
//!
//! [`Intent`] is complete before the origin is asked. [`Intent::for_origin`] says what the origin is sent, and
//! [`Intent::reply`] what becomes of its answer: every header that the client sees differently is changed there.

mod answer;
pub mod breaker;
mod cache_control;
mod caching;
mod called;
mod chain;
mod early;
mod variant_origin;
mod entity_tag;
mod intent;
mod media_type;
pub mod once;
mod preview_bar;
mod redirect;
mod reply;
pub mod rewriting;
pub mod shared;
mod sticky;

pub use answer::{Answer, NotRewritten};
pub use caching::original_tags_of_any as original_tags;
pub use called::{Called, called};
pub use early::Early;
pub use intent::{Intent, Treatment};
pub use media_type::Charset;
pub use reply::{Reply, unfinished};
pub use sticky::{Besides, ExposedTo, assigned};
pub use variant_origin::VariantOrigin;

/// One change to a list of headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderChange {
    /// Replaces all values of the name.
    Set(&'static str, String),
    /// Replaces all values of a name that the document gives.
    SetNamed(Box<str>, Box<str>),
    /// Adds a value.
    Append(&'static str, String),
    /// Removes all values of the name.
    Remove(&'static str),
}

impl HeaderChange {
    /// The name that it is about, as it was written.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Set(name, _) | Self::Append(name, _) | Self::Remove(name) => name,
            Self::SetNamed(name, _) => name,
        }
    }
}

/// The request and response header that lists the variants.
pub const VARIANTS: &str = "Sortition-Variants";
/// The request header that carries the visitor id.
pub const VISITOR: &str = "Sortition-Visitor";
/// The response header by which the origin says what it rendered.
pub const EXPOSE: &str = "Sortition-Expose";
/// The response header by which the origin says which of its users the visitor is.
pub const USER: &str = "Sortition-User";

/// What the origin says of the models and services that made its page.
pub const VERSIONS: &str = "Sortition-Versions";
