#![cfg(test)]
//! The native tests: one binary, one module a subject.

mod architecture;
mod assignments;
mod bucket;
mod caching;
mod condition;
mod decide;
mod hostile;
mod laws;
mod events;
mod ledger;
mod nearest;
mod pages;
mod stats;
mod stats_simulation;
mod support;
mod visitor_agent;
mod visitor_crawler;
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
