//! Sortition: experiments at the CDN edge.
//!
//! The modules stand in the order of a request's life, and each uses only those above it: read the list from top to
//! bottom and you have read the story.

pub mod hash;
pub mod nearest;
pub mod cut;
pub mod url;
pub mod condition;
pub mod document;
pub mod plan;
pub mod visitor;
pub mod configuration;
pub mod person;
pub mod facts;
pub mod arrive;
pub mod decide;
pub mod execution;
pub mod events;
pub mod visit;
#[cfg(any(not(target_arch = "wasm32"), feature = "chaos"))]
pub mod replay;
pub mod decisions;
pub mod engine;
pub mod metrics;
pub mod ledger;
pub mod stats;
pub mod readout;
#[cfg(all(target_arch = "wasm32", not(feature = "engine")))]
mod edge;
#[cfg(all(target_arch = "wasm32", feature = "engine"))]
mod node;
#[cfg(not(target_arch = "wasm32"))]
pub mod cli;
