//! Experiments that change the same element of the same page without knowing of each other.

use super::reading::smallest_share;
use crate::document::check::overlap::Reach;
use crate::document::{Document, Experiment, Kind, Problem, Status};
use std::collections::{BTreeMap, BTreeSet};

/// Reports every experiment that shares a selector with one before it, once per selector.
pub(super) fn check(document: &Document, problems: &mut Vec<Problem>) {
    let mut users: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, experiment) in document.experiments.iter().enumerate() {
        for selector in selectors(experiment) {
            users.entry(selector).or_default().push(place);
        }
    }
    let shared: BTreeMap<String, Vec<usize>> = users.into_iter().filter(|(_, places)| places.len() > 1).collect();
    let reaches: BTreeMap<usize, Reach> = shared
        .values()
        .flatten()
        .filter_map(|place| Some((*place, Reach::of(document.experiments.get(*place)?))))
        .collect();
    for (selector, places) in &shared {
        for (nth, later) in places.iter().enumerate() {
            let meets = |earlier: &&usize| may_meet(document, &reaches, **earlier, *later);
            let Some(earlier) = places.iter().take(nth).find(meets) else { continue };
            let id = document.experiments.get(*earlier).map_or("", |experiment| experiment.id.as_str());
            problems.push(Problem::warning(
                format!("experiments[{later}].variants"),
                format!(
                    "it changes {selector:?} on pages where {id:?} does too: put both in one layer, or give both a key in `conflicts`{}",
                    smallest_cell(document, *earlier, *later)
                ),
            ));
        }
    }
}

/// The selectors of a running experiment's steps, with single blanks. Of one with a winner only the winner acts.
fn selectors(experiment: &Experiment) -> BTreeSet<String> {
    let runs = experiment.status == Status::Running;
    let acting = experiment
        .variants
        .iter()
        .filter(|variant| runs && experiment.winner.as_ref().is_none_or(|winner| *winner == variant.id));
    acting
        .flat_map(|variant| &variant.rewrite)
        .map(|step| step.select.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

/// What is left to read how two experiments act on each other: the people of the smallest of their four and more cells.
fn smallest_cell(document: &Document, one: usize, other: usize) -> String {
    let share = |place: usize| {
        let experiment =
            document.experiments.get(place).filter(|e| e.winner.is_none() && e.kind == Kind::Experiment)?;
        smallest_share(document, experiment)
    };
    let (Some(one), Some(other)) = (share(one), share(other)) else { return String::new() };
    let percent = (one * other * 1e4).round() / 1e2;
    format!("; else how they act on each other is read in cells of which the smallest has {percent} % of their units")
}

fn may_meet(document: &Document, reaches: &BTreeMap<usize, Reach>, one: usize, other: usize) -> bool {
    let (Some(a), Some(b)) = (document.experiments.get(one), document.experiments.get(other)) else { return false };
    let apart = (a.layer.is_some() && a.layer == b.layer) || a.conflicts.iter().any(|key| b.conflicts.contains(key));
    let after =
        |x: &Experiment, y: &Experiment| x.starts_at.zip(y.ends_at).is_some_and(|(starts, ends)| starts >= ends);
    !apart
        && !after(a, b)
        && !after(b, a)
        && matches!((reaches.get(&one), reaches.get(&other)), (Some(x), Some(y)) if x.meets(y))
}
