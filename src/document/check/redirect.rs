//! Redirects that would never end.

use super::cycle::cycles;
use super::http::Destination;
use super::overlap::Reach;
use crate::document::{Document, Experiment, Page, Problem, Status};
use std::collections::BTreeMap;

/// A redirect of the document that can act.
struct Leap<'a> {
    experiment: usize,
    variant: usize,
    to: Destination,
    written: &'a str,
}

#[inline(never)]
pub(super) fn check(document: &Document, problems: &mut Vec<Problem>) {
    let leaps: Vec<Leap<'_>> =
        document.experiments.iter().enumerate().flat_map(|(place, experiment)| acting(place, experiment)).collect();
    if leaps.is_empty() {
        return;
    }
    let mut reaches: BTreeMap<usize, Reach> = BTreeMap::new();
    for leap in &leaps {
        if let Some(experiment) = document.experiments.get(leap.experiment) {
            reaches.entry(leap.experiment).or_insert_with(|| Reach::of(experiment));
        }
    }
    let lookup = Lookup::new(document, &reaches);
    let mut leads: Vec<Vec<usize>> = Vec::with_capacity(leaps.len());
    for leap in &leaps {
        let landed = lookup.experiments_at(&leap.to);
        if landed.contains(&leap.experiment) {
            problems.push(Problem::error(
                format!("experiments[{}].variants[{}].redirect.to", leap.experiment, leap.variant),
                format!(
                    "{:?} is a page of this experiment, which would redirect there again: narrow `pages` or `hosts`, or list it in `except_pages`",
                    leap.written
                ),
            ));
        }
        leads.push(landed.into_iter().filter(|other| can_both_act(document, leap.experiment, *other)).collect());
    }
    // a redirect leads to those of every experiment it lands on
    let mut of_experiment: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (number, leap) in leaps.iter().enumerate() {
        of_experiment.entry(leap.experiment).or_default().push(number);
    }
    let edges: Vec<Vec<usize>> = leads
        .iter()
        .map(|experiments| experiments.iter().filter_map(|place| of_experiment.get(place)).flatten().copied().collect())
        .collect();
    for circle in cycles(&edges) {
        let steps: Vec<&Leap<'_>> = circle.iter().filter_map(|number| leaps.get(*number)).collect();
        let Some(first) = steps.first() else { continue };
        let chain: Vec<String> = steps
            .iter()
            .filter_map(|leap| {
                let id = &document.experiments.get(leap.experiment)?.id;
                Some(format!("{} of {:?}", leap.written, id.as_str()))
            })
            .collect();
        problems.push(Problem::error(
            format!("experiments[{}].variants[{}].redirect.to", first.experiment, first.variant),
            format!(
                "redirects go round in a circle, {}, and back: take one of the pages out of `pages`, or put the experiments in one layer",
                chain.join(", then ")
            ),
        ));
    }
}

/// The redirects of an experiment that is not over; of one with a winner only the winner's.
fn acting(place: usize, experiment: &Experiment) -> impl Iterator<Item = Leap<'_>> {
    let acts = experiment.status != Status::Completed;
    experiment
        .variants
        .iter()
        .enumerate()
        .filter(move |(_, variant)| acts && experiment.winner.as_ref().is_none_or(|winner| *winner == variant.id))
        .filter_map(move |(number, variant)| {
            let written = variant.redirect.as_ref()?.to.as_str();
            let to = Destination::parse(written).ok()?;
            Some(Leap { experiment: place, variant: number, to, written })
        })
}

/// Whether one unit can be in both: not in two experiments of a layer, whose slots are apart. An experiment's own pages
/// are reported on their own.
fn can_both_act(document: &Document, one: usize, other: usize) -> bool {
    let layer = |place: usize| document.experiments.get(place).and_then(|experiment| experiment.layer.as_ref());
    one != other && (layer(one).is_none() || layer(one) != layer(other))
}

/// Finds the experiments on a page. Those that list globs on the path alone are found by the folder that each glob names
/// before its first wildcard, so that a thousand redirects are not each compared with a thousand experiments.
struct Lookup<'a> {
    reaches: &'a BTreeMap<usize, Reach>,
    by_folder: BTreeMap<&'a str, Vec<usize>>,
    others: Vec<usize>,
}

impl<'a> Lookup<'a> {
    fn new(document: &'a Document, reaches: &'a BTreeMap<usize, Reach>) -> Self {
        let mut lookup = Self { reaches, by_folder: BTreeMap::new(), others: Vec::new() };
        for &place in reaches.keys() {
            let Some(experiment) = document.experiments.get(place) else { continue };
            let folders: Option<Vec<&str>> = experiment
                .pages
                .iter()
                .map(|page| match page {
                    Page::Glob(glob) => Some(folder(glob.split(['*', '?']).next().unwrap_or_default())),
                    Page::Rule(_) => None,
                })
                .collect();
            match folders {
                Some(folders) if !folders.is_empty() => {
                    for folder in folders {
                        lookup.by_folder.entry(folder).or_default().push(place);
                    }
                }
                _ => lookup.others.push(place),
            }
        }
        lookup
    }

    fn experiments_at(&self, to: &Destination) -> Vec<usize> {
        let parents = to.path.match_indices('/').map(|(at, _)| to.path.get(..=at).unwrap_or_default());
        let by_folder = parents.chain([""]).filter_map(|folder| self.by_folder.get(folder)).flatten();
        let mut found: Vec<usize> = by_folder
            .chain(&self.others)
            .copied()
            .filter(|place| self.reaches.get(place).is_some_and(|reach| reach.holds(to)))
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// The text up to its last slash.
fn folder(path: &str) -> &str {
    path.rfind('/').and_then(|at| path.get(..=at)).unwrap_or("")
}
