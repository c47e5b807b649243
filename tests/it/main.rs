#![cfg(test)]
//! The native tests: one binary, one module a subject.

mod bucket;
mod check;
mod cli;
mod condition;
mod documentation;
mod fact_key;
mod nearest;
mod schema;
mod stats;
mod stats_simulation;
mod visitor_agent;
mod visitor_crawler;
