//! Circuit breakers: an origin that keeps failing is not asked for a while.

use std::collections::HashMap;

/// Failures in a row after which the circuit opens.
pub const FAILURES: u32 = 5;

/// How long it stays open, in milliseconds, before one request tries again.
pub const PAUSE_MS: f64 = 30_000.0;

/// The state of one origin in one isolate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Breaker {
    failures: u32,
    retry_at: f64,
    /// How many requests the control origin answered in its place.
    pub fallbacks: u64,
}

impl Breaker {
    /// Whether a request may try the origin at `now` (milliseconds). After the pause one may; others wait for its
    /// outcome, or for another pause where it never comes.
    pub fn admits(&mut self, now: f64) -> bool {
        if self.failures < FAILURES {
            return true;
        }
        // why: a clock that was turned back would keep the circuit open until it has caught up
        let due = now >= self.retry_at || self.retry_at - now > PAUSE_MS;
        if due {
            self.retry_at = now + PAUSE_MS;
        }
        due
    }

    /// Takes note of how a request went.
    pub fn settle(&mut self, served: bool, now: f64) {
        if served {
            self.failures = 0;
        } else {
            self.failures = self.failures.saturating_add(1);
            self.retry_at = now + PAUSE_MS;
        }
    }
}

/// The breakers of an isolate's variant origins: as many as its documents named.
#[derive(Clone, Debug, Default)]
pub struct Breakers(HashMap<String, Breaker>);

impl Breakers {
    /// What an origin's breaker is found by: base URL and path prefix.
    #[must_use]
    pub fn circuit(base: Option<&str>, prefix: &str) -> String {
        [base.unwrap_or_default(), prefix].concat()
    }

    /// Whether a request may try the origin at `now` (milliseconds since 1970).
    pub fn admits(&mut self, circuit: &str, now: f64) -> bool {
        self.of(circuit).admits(now)
    }

    /// Takes note of how a request that tried it went.
    pub fn settle(&mut self, circuit: &str, served: bool, now: f64) {
        self.of(circuit).settle(served, now);
    }

    /// Takes note that the control origin answers in its place.
    pub fn fell_back(&mut self, circuit: &str) {
        self.of(circuit).fallbacks += 1;
    }

    /// How many requests control origins answered in the place of variant origins, or of redirects that led back.
    #[must_use]
    pub fn fallbacks(&self) -> u64 {
        self.0.values().map(|breaker| breaker.fallbacks).sum()
    }

    fn of(&mut self, circuit: &str) -> &mut Breaker {
        self.0.entry(circuit.to_owned()).or_default()
    }
}
