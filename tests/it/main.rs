#![cfg(test)]
#![allow(clippy::string_slice, reason = "a test may panic, and clippy has no setting for this one")]
//! The native tests: one binary, one module a subject.

mod adopt;
mod architecture;
mod assignments;
mod bandit;
mod boundary;
mod guard;
mod hash;
mod caching;
mod check;
mod cli;
mod condition;
mod configuration;
mod decide;
mod decisions;
mod decisions_fuzz;
mod documentation;
mod events;
mod fact_key;
mod facts;
mod hostile;
mod http;
mod laws;
mod ledger;
mod ledger_answer;
mod ledger_question;
mod suggestion;
mod operate;
mod origin_health;
mod packed;
mod pages;
mod person;
mod readout;
mod readout_door;
mod readout_pages;
mod reports;
mod rewriting;
mod schema;
mod shadow;
mod stats;
mod stats_simulation;
mod support;
mod takeover;
mod visitor_agent;
mod visitor_crawler;
