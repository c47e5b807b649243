//! **wasm32 only**: the one module that speaks to the Workers runtime. It gathers facts, calls the pure modules, and
//! hands what they say to `entry.js`, which carries it out.
//!
//! A page request runs through two synchronous calls, [`visit::begin`] and `Visit::reply`, with the origin's fetch
//! between them in JavaScript. A panic in a synchronous call is an exception there, so the entry answers with the
//! origin's response; a panic in a promise of ours would never settle. It also saves the asynchronous machinery
//! of both worlds: a worker that does nothing costs half as much that way.

// why: wasm_bindgen exports what is `pub`, and nothing here is reachable from Rust
#![allow(unreachable_pub)]

mod config;
mod consume;
mod endpoint;
mod isolate;
mod readout;
mod source;
mod visit;
mod wire;
