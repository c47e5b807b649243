//! Sortition: experiments at the CDN edge.
//!
//! The modules stand in the order of a request's life, and each uses only those above it: read the list from top to
//! bottom and you have read the story.
//!
//! For other programs there is [`engine`], the one module whose shape is promised. The others are how the worker, the tool
//! and their tests are made; they change as those need it, so the documentation leaves them out.

mod pack;
#[doc(hidden)]
pub mod sort;
#[doc(hidden)]
pub mod hash;
#[doc(hidden)]
pub mod lower_case;
#[doc(hidden)]
pub mod suggestion;
#[doc(hidden)]
pub mod ascii;
#[doc(hidden)]
pub mod json;
#[doc(hidden)]
pub mod url;
#[doc(hidden)]
pub mod condition;
#[doc(hidden)]
pub mod document;
#[doc(hidden)]
pub mod edit;
#[doc(hidden)]
pub mod changes;
#[doc(hidden)]
pub mod plan;
#[doc(hidden)]
pub mod visitor;
#[doc(hidden)]
pub mod configuration;
#[doc(hidden)]
pub mod person;
#[doc(hidden)]
pub mod facts;
#[doc(hidden)]
pub mod sender;
#[doc(hidden)]
pub mod decide;
#[doc(hidden)]
pub mod execution;
#[doc(hidden)]
pub mod events;
#[doc(hidden)]
pub mod visit;
pub mod shadow;
#[cfg(any(not(target_arch = "wasm32"), feature = "chaos"))]
#[doc(hidden)]
pub mod replay;
#[doc(hidden)]
pub mod decisions;
pub mod engine;
#[doc(hidden)]
pub mod metrics;
#[doc(hidden)]
pub mod ledger;
#[doc(hidden)]
pub mod stats;
#[doc(hidden)]
pub mod operate;
#[doc(hidden)]
pub mod readout;
#[cfg(all(target_arch = "wasm32", not(feature = "engine")))]
mod edge;
#[cfg(all(target_arch = "wasm32", feature = "engine"))]
mod node;
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
pub mod cli;
