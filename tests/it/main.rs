#![cfg(test)]
//! The native tests: one binary, one module a subject.
mod stats;
mod stats_simulation;
