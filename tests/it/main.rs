#![cfg(test)]
//! The native tests: one binary, one module a subject.

mod bucket;
mod condition;
mod events;
mod ledger;
mod nearest;
mod stats;
mod stats_simulation;
mod visitor_agent;
mod visitor_crawler;
mod check;
mod documentation;
mod fact_key;
mod schema;
