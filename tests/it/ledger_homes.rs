//! Who lives in which of several databases: laws over random histories.

use proptest::prelude::*;
use serde_json::Value;
use sortition_engine::hash::place_of;
use sortition_engine::ledger::homes::{Directory, Entry, MOST, Name, changes, joins};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn places_are_pinned_for_all_time() {
    let of = |id: &str| [1, 2, 4, 16].map(|places| place_of(&["home", "acme-shop", id], places));
    assert_eq!(
        ["vvisitor-1", "vvisitor-2", "uuser-1", "torder-1"].map(of),
        [[0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 8], [0, 1, 1, 9]]
    );
}

#[test]
fn with_a_database_more_people_stay_or_go_to_the_new_one() {
    for places in 1..MOST {
        let mut counts = vec![0_u32; usize::from(places)];
        let mut moved = 0;
        for number in 0..4_000 {
            let name = format!("v{number}");
            let (before, after) =
                (place_of(&["home", "p", &name], places), place_of(&["home", "p", &name], places + 1));
            assert!(before == after || after == places, "{name} goes from {before} to {after} of {}", places + 1);
            counts[usize::from(before)] += 1;
            moved += u32::from(before != after);
        }
        let even = 4_000 / u32::from(places);
        assert!(counts.iter().all(|count| count.abs_diff(even) < 60 + even / 4), "{counts:?}");
        assert!(moved.abs_diff(4_000 / u32::from(places + 1)) < 120, "{moved} of {places}");
    }
}

/// The directory and the rows, as SQL keeps them: each row says which event it is of.
#[derive(Default)]
struct Record {
    homes: BTreeMap<Name, (String, u8, u32)>,
    moves: BTreeSet<(Name, u8)>,
    rows: BTreeMap<usize, (u8, BTreeSet<Name>)>,
}

const DATABASES: u8 = 5;

impl Record {
    fn known(&self, names: &BTreeSet<Name>) -> Directory {
        let of = |name: &Name| {
            let (root, home, version) = self.homes.get(name)?;
            Some(Entry(name.0.clone(), name.1.clone(), root.clone(), *home, *version))
        };
        Directory::new(names.iter().filter_map(of).collect())
    }

    /// Takes a batch as the consumer does; `carries`: the moves are done at once.
    fn take(&mut self, batch: &[(usize, BTreeSet<Name>)], carries: bool) {
        let sets: Vec<BTreeSet<Name>> = batch.iter().map(|(_, set)| set.clone()).collect();
        let names: BTreeSet<Name> = sets.iter().flatten().cloned().collect();
        let found = joins(&sets, &self.known(&names));
        let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
        for (root, ..) in self.homes.values() {
            *sizes.entry(root.clone()).or_default() += 1;
        }
        self.join(&found, &sizes);
        let directory = self.known(&names);
        assert!(joins(&sets, &directory).is_empty(), "one round joins everything");
        for (event, set) in batch {
            let homes: BTreeSet<u8> = set.iter().map(|name| directory.home(name, DATABASES)).collect();
            assert_eq!(homes.len(), 1, "what an event names lives together");
            self.rows.insert(*event, (*homes.first().unwrap(), set.clone()));
        }
        if carries {
            self.carry();
        }
    }

    fn join(&mut self, found: &[sortition_engine::ledger::homes::Join], sizes: &BTreeMap<String, u64>) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let number = |value: &Value| u8::try_from(value.as_u64().unwrap()).unwrap();
        let name = |row: &Value| Name(text(&row[0]), text(&row[1]));
        let changed = changes(found, sizes, DATABASES, "now");
        for row in &changed.moved {
            let (from, to, home) = (text(&row[0]), text(&row[1]), number(&row[2]));
            let size = |root: &str| sizes.get(root).copied().unwrap_or(0);
            assert!(size(&from) <= size(&to), "the larger stays");
            for (name, (root, at, version)) in self.homes.iter_mut().filter(|(_, (root, ..))| *root == from) {
                if *at != home {
                    self.moves.insert((name.clone(), *at));
                    *version += 1;
                }
                (*root, *at) = (to.clone(), home);
            }
        }
        self.moves.extend(changed.moves.iter().map(|row| (name(row), number(&row[2]))));
        for row in &changed.fresh {
            assert!(self.homes.insert(name(row), (text(&row[2]), number(&row[3]), 1)).is_none());
        }
    }

    /// Carries what the moves say, and nothing else.
    fn carry(&mut self) {
        for (name, source) in std::mem::take(&mut self.moves) {
            let home = self.homes[&name].1;
            for (at, names) in self.rows.values_mut() {
                if *at == source && names.contains(&name) {
                    *at = home;
                }
            }
        }
    }
}

fn name() -> impl Strategy<Value = Name> {
    ("[vust]", 0..12_u8).prop_map(|(kind, id)| Name("p".to_owned(), format!("{kind}{id}")))
}

fn history() -> impl Strategy<Value = Vec<Vec<BTreeSet<Name>>>> {
    let event = prop::collection::btree_set(name(), 1..4);
    prop::collection::vec(prop::collection::vec(event, 1..6), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::assignments::cases(400)))]

    #[test]
    fn what_shares_a_name_lies_in_one_database(history in history(), carries in any::<bool>()) {
        let mut record = Record::default();
        let mut number = 0;
        for batch in history {
            let batch: Vec<(usize, BTreeSet<Name>)> = batch.into_iter().map(|set| { number += 1; (number, set) }).collect();
            record.take(&batch, carries);
            // the queue delivers twice
            record.take(&batch, carries);
        }
        record.carry();
        for (at, names) in record.rows.values() {
            for (other, theirs) in record.rows.values() {
                prop_assert!(at == other || names.is_disjoint(theirs), "{names:?} in {at}, {theirs:?} in {other}");
            }
            for name in names {
                let home = record.known(&BTreeSet::from([name.clone()])).home(name, DATABASES);
                prop_assert_eq!(home, *at);
            }
        }
    }
}
