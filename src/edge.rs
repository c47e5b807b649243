//! **wasm32 only**: the one module that speaks to the Workers runtime. It gathers facts, calls the pure modules, and
//! hands what they say to `entry.js`, which carries it out.
//!
//! A page request runs through synchronous calls, `visit::begin`, `Visit::next` and `Visit::finish`, with the origin's
//! fetch between them in JavaScript. A panic in a synchronous call is an exception there, so the entry answers with the
//! origin's response; a panic in a promise of ours would never settle. It also saves the asynchronous machinery
//! of both worlds: a worker that does nothing costs half as much that way.
//!
//! There are three builds of it, each a wasm of its own, so that an isolate compiles and keeps only what it uses, and a panic
//! ends only what it is in:
//!
//! - **the page's** (no feature): what a visit of a page needs, and nothing else. Every isolate has it, and every byte of it
//!   delays the first answer of each; what is in it, shoppers wait for. `entry.js` calls it.
//! - **services** (feature `services`): everything else that the worker answers or does: the endpoints, the consumer, the
//!   objects of users. It comes up with the first request for one of them. **A new endpoint goes here**: a file under
//!   `endpoint/` and a line in its `fetch`; what runs on a queue or a schedule, beside `consume.rs`. `services.js` brings it
//!   up and hands it what KV said to the page's. What it wants to know of the page's it asks by `page.rs`.
//! - **the readout** (feature `readout`): `readout.rs` alone. It comes up when somebody looks at results or the schedule
//!   runs: the statistics and the pages are as large as everything else together.

// why: wasm_bindgen exports what is `pub`, and nothing here is reachable from Rust
#![allow(unreachable_pub)]

/// What gives memory out: half the size of the usual allocator, and as fast here (docs/performance.md).
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

#[cfg(not(feature = "readout"))]
mod sender;
#[cfg(not(feature = "readout"))]
mod config;
#[cfg(feature = "services")]
mod databases;
#[cfg(feature = "services")]
mod consume;
#[cfg(not(any(feature = "services", feature = "readout")))]
mod copies;
#[cfg(feature = "services")]
mod endpoint;
#[cfg(not(any(feature = "services", feature = "readout")))]
mod health;
#[cfg(not(feature = "readout"))]
mod isolate;
#[cfg(not(any(feature = "services", feature = "readout")))]
mod loading;
#[cfg(feature = "services")]
mod page;
#[cfg(feature = "services")]
mod person;
#[cfg(feature = "readout")]
mod operate;
#[cfg(feature = "readout")]
mod readout;
#[cfg(not(any(feature = "services", feature = "readout")))]
mod recovery;
#[cfg(feature = "services")]
mod secret;
#[cfg(not(feature = "readout"))]
mod source;
#[cfg(not(any(feature = "services", feature = "readout")))]
mod visit;
