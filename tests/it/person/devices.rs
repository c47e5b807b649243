//! Users on several devices through a document's life, with the objects that keep what they were assigned: where a device has
//! shown nothing yet, it shows what was exposed first. By the words of the contract, not by the engine's.

use super::STEPS;
use super::history::{History, PAGES};
use super::joined::{Objects, view};
use crate::assignments::cases;
use serde_json::json;
use std::collections::BTreeMap;

/// An experiment in one of its iterations.
type Iteration = (String, u64);

#[derive(Default)]
struct Memory {
    /// What a user was exposed to on any device, in the order in which it was told.
    exposed: BTreeMap<(Iteration, String), Vec<String>>,
    /// What a device has shown a user; nobody: whoever was not logged in.
    shown: BTreeMap<(usize, Iteration, Option<String>), String>,
}

/// What a history lacks that ends assignments: a new iteration, a variant that is gone and one that is new.
fn end_assignments(history: &mut History) {
    let number = history.random.below(history.document["experiments"].as_array().unwrap().len());
    let e = &mut history.document["experiments"][number];
    if history.random.below(3) == 0 {
        e["iteration"] = json!(e["iteration"].as_u64().unwrap_or(1) + 1);
        return;
    }
    let place = history.random.below(2);
    // why: another experiment may require it
    if e["id"] == "e3" {
        return;
    }
    let id = if e["variants"][place]["id"] == "dark" { ["control", "bold"][place] } else { "dark" };
    if e["variants"][1 - place]["id"] != id {
        e["variants"][place]["id"] = json!(id);
    }
}

/// Anna turns to one of her devices, more often than people at random do.
fn turn_to_a_device(history: &mut History) {
    history.at = history.random.below(history.browsers.len());
    let cookies = &mut history.browsers[history.at].0.cookies;
    for (name, value) in [("user", "u-anna"), ("consent", "yes")] {
        cookies.insert(name.to_owned(), value.to_owned());
    }
}

#[test]
fn a_device_shows_what_was_exposed_first() {
    let (mut carried, mut told_apart) = (0, 0);
    for seed in 0..u64::from(cases(300)) {
        let mut history = History::new(seed);
        // why: the history looked at its first pages in a world without objects
        for (browser, _) in &mut history.browsers {
            browser.cookies.remove("sortition_as");
        }
        let (mut objects, mut memory) = (Objects::new(), Memory::default());
        for _ in 0..STEPS {
            history.step();
            match history.random.below(12) {
                0 => end_assignments(&mut history),
                1..=6 => turn_to_a_device(&mut history),
                _ => {}
            }
            let (plan, at) = (history.plan(), history.at);
            for url in PAGES {
                let browser = &mut history.browsers[at].0;
                let user = browser.cookies.get("user").cloned();
                let viewed = view(browser, &plan, url, &mut objects);
                history.log.push(format!("{at} {user:?} {url} {}", viewed.told));
                for (id, variant) in viewed.told.split(", ").filter_map(|it| it.split_once('=')) {
                    let e = history.document["experiments"].as_array().unwrap().iter().find(|e| e["id"] == id).unwrap();
                    if e["unit"] != "user" {
                        continue;
                    }
                    let exists =
                        |variant: &&String| e["variants"].as_array().unwrap().iter().any(|v| v["id"] == ***variant);
                    let iteration = (id.to_owned(), e["iteration"].as_u64().unwrap_or(1));
                    let place = |user: Option<String>| (at, iteration.clone(), user);
                    let here = [user.clone(), None].map(|user| memory.shown.get(&place(user)));
                    if let Some(user) = &user {
                        let exposed = memory.exposed.entry((iteration.clone(), user.clone())).or_default();
                        let first = exposed.iter().find(exists);
                        if here.into_iter().flatten().find(exists).is_none()
                            && let Some(first) = first
                        {
                            assert_eq!(variant, first, "seed {seed}: {id} of {user}\n{}", history.log.join("\n"));
                            carried += 1;
                            told_apart += usize::from(exposed.len() > 1);
                        }
                        if !exposed.iter().any(|it| it == variant) {
                            exposed.push(variant.to_owned());
                        }
                    }
                    memory.shown.insert(place(user.clone()), variant.to_owned());
                }
            }
        }
    }
    assert!(carried > 100 && told_apart > 10, "{carried} {told_apart}");
}
