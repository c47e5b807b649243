//! Which of how many databases one is, and what is wrong with those that are bound.

use serde::Deserialize;

/// What a database says of itself, in an answer to [`PLACEMENT`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Placement {
    /// Of how many it is one.
    pub databases: u8,
    /// Its number.
    pub number: u8,
    /// How far it has been looked through for rows that belong elsewhere; none: it has been, or need not be.
    pub scan: Option<String>,
    /// Whether rows of the tables of before wait there.
    pub is_moving: u8,
    /// Whether it knows where anybody lives.
    pub has_homes: u8,
}

/// Asks a database for its [`Placement`]: one row.
pub const PLACEMENT: &str = "SELECT json_array(databases, number, scan, EXISTS (SELECT 1 FROM exposures_before), \
EXISTS (SELECT 1 FROM homes)) AS r FROM placement";

/// The name of a database's binding.
#[must_use]
pub fn binding(number: u8) -> String {
    if number == 0 { "LEDGER".to_owned() } else { format!("LEDGER_{number}") }
}

/// What is wrong with which, of so many that are bound. `found`: those that answered, each with the number that it is bound
/// under.
#[must_use]
pub fn problems(bound: u8, found: &[(u8, Placement)]) -> Vec<String> {
    let first = found.iter().find(|(at, _)| *at == 0).map_or(1, |(_, it)| it.databases);
    // why: nobody is told where people live before the first database knows how many there are
    let is_first_new = first == 1 && found.iter().any(|(at, it)| *at > 0 && it.has_homes > 0);
    let of = |(at, it): &(u8, Placement)| {
        let name = binding(*at);
        if it.databases > bound {
            let bound = if bound == 1 { "1 is".to_owned() } else { format!("{bound} are") };
            Some(format!("the record lies in {} databases, and {bound} bound", it.databases))
        } else if it.databases > 1 && it.number != *at {
            Some(format!("{name} is bound to what was {}", binding(it.number)))
        } else if (*at == 0 && is_first_new) || (*at < first && it.databases < first) {
            Some(format!("{name} is bound to a new database, and the one that holds its people is not bound"))
        } else {
            None
        }
    };
    let mut wrong: Vec<String> = found.iter().filter_map(of).collect();
    // why: those that are bound may all say that others are missing
    wrong.dedup();
    wrong
}
