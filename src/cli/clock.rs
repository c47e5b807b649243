//! What time it is. The one place of the native build that asks; everything else takes the time as an argument.

use super::Failure;
use crate::document::Timestamp;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The time now.
// why: the ban is for wasm32, where this would panic; a tool that people run has a clock
#[allow(clippy::disallowed_methods)]
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The time that `--at` names, or now.
pub(super) fn at(given: Option<&str>) -> Result<Timestamp, Failure> {
    given.map_or_else(
        || Ok(now()),
        |text| {
            text.parse().map_err(|_| Failure::Usage(format!("--at {text:?} is no time: write 2026-12-01T00:00:00Z")))
        },
    )
}

/// How long something takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts it.
    // why: as above
    #[allow(clippy::disallowed_methods)]
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since.
    pub(super) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
