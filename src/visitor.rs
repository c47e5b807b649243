//! Who asks: id cookie, assignment cookie, consent, crawler, prefetch, device.

pub mod agent;
pub mod crawler;
