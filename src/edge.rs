//! **wasm32 only**: the one module that speaks to the Workers runtime. It gathers facts, calls the pure modules, and
//! hands what they say to `entry.js`, which carries it out.
//!
//! A page request runs through synchronous calls, `visit::begin`, `Visit::next` and `Visit::finish`, with the origin's
//! fetch between them in JavaScript. A panic in a synchronous call is an exception there, so the entry answers with the
//! origin's response; a panic in a promise of ours would never settle. It also saves the asynchronous machinery
//! of both worlds: a worker that does nothing costs half as much that way.
//!
//! There are two builds of it. The one with the feature `readout` is `edge/readout.rs` alone, a wasm of its own that an isolate
//! only instantiates when somebody looks at results or the schedule runs: the statistics and the pages are a quarter of
//! all code, and neither the start nor a panic of theirs may touch what shoppers get.

// why: wasm_bindgen exports what is `pub`, and nothing here is reachable from Rust
#![allow(unreachable_pub)]

#[cfg(not(feature = "readout"))]
mod config;
#[cfg(not(feature = "readout"))]
mod consume;
#[cfg(not(feature = "readout"))]
mod copies;
#[cfg(not(feature = "readout"))]
mod endpoint;
#[cfg(not(feature = "readout"))]
mod isolate;
#[cfg(feature = "readout")]
mod operate;
#[cfg(feature = "readout")]
mod readout;
#[cfg(not(feature = "readout"))]
mod secret;
#[cfg(not(feature = "readout"))]
mod source;
#[cfg(not(feature = "readout"))]
mod visit;
