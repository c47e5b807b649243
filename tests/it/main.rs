#![cfg(test)]
//! The native tests: one binary, one module a subject.

mod condition;
mod nearest;
mod check;
mod documentation;
mod fact_key;
mod schema;
