//! A gate, as the page shows it.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GateLevel {
    /// It cannot be judged yet, or is for information only: neither good nor bad.
    Neutral,
    /// Judged, and nothing to see.
    Green,
    /// Somebody should look; the answer stands.
    Amber,
    /// There is no answer while this lasts.
    Red,
}

/// A gate and what it says.
#[derive(Clone, Debug, Serialize)]
pub struct Gate {
    /// Its name: `record`, `srm`, `units`, `without_traffic`, `contamination`, `unknown`, `loss`, `treatment`, `ended_early`, `novelty`, `parts`,
    /// `simpson`, `currency`, `crawlers`.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// How bad it is.
    pub level: GateLevel,
    /// What was found, with the numbers.
    pub text: String,
}
