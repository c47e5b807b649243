//! Sortition: experiments at the CDN edge.
//!
//! The modules stand in the order of a request's life, and each uses only those above it.

pub mod nearest;
pub mod bucket;
pub mod condition;
pub mod document;
pub mod stats;
