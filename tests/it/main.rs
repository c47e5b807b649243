#![cfg(test)]
//! The native tests: one binary, one module a subject.

mod visitor_agent;
mod visitor_crawler;
