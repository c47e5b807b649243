#![cfg(test)]
//! The native tests: one binary, one module a subject.

mod condition;
mod nearest;
mod visitor_agent;
mod visitor_crawler;
mod stats;
mod stats_simulation;
