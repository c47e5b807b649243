//! What databases say of themselves, and what is wrong with those that are bound.

use serde_json::json;
use sortition_engine::ledger::placement::{Placement, binding, problems};
use sortition_engine::ledger::question::shared::{SharedQuestion, Whole};
use sortition_engine::ledger::union::whole;

/// Databases, each with what it says of itself: of how many it is which, and whether it knows where anybody lives.
fn bound(said: &[(u8, u8, u8)]) -> Vec<(u8, Placement)> {
    let of = |(at, (databases, number, homes)): (usize, &(u8, u8, u8))| {
        let row = json!([databases, number, null, 0, homes]).to_string();
        (u8::try_from(at).unwrap(), serde_json::from_str(&row).unwrap())
    };
    said.iter().enumerate().map(of).collect()
}

/// How many of them a readout takes for those of others.
fn misplaced(said: &[(u8, u8, u8)]) -> String {
    let shared = SharedQuestion { before: None, sql: String::new(), whole: Whole::Delivery };
    let answers: Vec<String> =
        said.iter().map(|(databases, number, _)| json!([[0, 0, 0, 0, 0, databases, 0, number]]).to_string()).collect();
    let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
    let told: Vec<Vec<String>> = serde_json::from_str(&whole(&shared, &[], &answers).unwrap()).unwrap();
    told.first().and_then(|row| row.get(7)).cloned().unwrap()
}

#[test]
fn what_came_to_be_there_is_told_from_what_is_gone() {
    let nothing: [&str; 0] = [];
    let new = |name: &str| format!("{name} is bound to a new database, and the one that holds its people is not bound");
    for (said, wanted, wrong) in [
        (vec![(1, 0, 0)], vec![], "0"),
        (vec![(1, 0, 0), (1, 0, 0), (1, 0, 0)], vec![], "0"),
        (vec![(3, 0, 1), (3, 1, 1), (3, 2, 1)], vec![], "0"),
        // two of before, and two that came to be there
        (vec![(2, 0, 1), (2, 1, 1), (1, 0, 0), (1, 0, 0)], vec![], "0"),
        // they are told one by one, the first one last: until then the readout does not know
        (vec![(2, 0, 1), (4, 1, 1), (4, 2, 0), (4, 3, 0)], vec![], "1"),
        (vec![(3, 0, 1), (1, 0, 0), (3, 2, 1)], vec![new("LEDGER_1")], "1"),
        (vec![(1, 0, 0), (3, 1, 1), (3, 2, 1)], vec![new("LEDGER")], "1"),
        (
            vec![(3, 0, 1), (3, 2, 1), (3, 1, 1)],
            vec![
                "LEDGER_1 is bound to what was LEDGER_2".to_owned(),
                "LEDGER_2 is bound to what was LEDGER_1".to_owned(),
            ],
            "2",
        ),
        (vec![(3, 0, 1)], vec!["the record lies in 3 databases, and 1 is bound".to_owned()], "0"),
        (vec![(3, 0, 1), (3, 1, 1)], vec!["the record lies in 3 databases, and 2 are bound".to_owned()], "0"),
    ] {
        let count = u8::try_from(said.len()).unwrap();
        assert_eq!(problems(count, &bound(&said)), wanted, "{said:?}");
        assert_eq!(misplaced(&said), wrong, "{said:?}");
    }
    assert_eq!(problems(2, &[]), nothing);
    assert_eq!([0, 1, 15].map(binding), ["LEDGER", "LEDGER_1", "LEDGER_15"]);
}
