//! Names that must exist, and parts of experiments that must not collide.

use super::Gaps;
use super::cycle::cycles;
use crate::document::{BUILT_IN_METRICS, Document, Experiment, Id, Problem, Status};
use crate::suggestion::suggest;
use std::collections::BTreeMap;

/// Experiments by id: the first of each, with its place.
pub(super) type Index<'a> = BTreeMap<&'a str, (usize, &'a Experiment)>;

#[inline(never)]
pub(super) fn check(document: &Document, gaps: &Gaps, problems: &mut Vec<Problem>) {
    let mut index = Index::new();
    for (place, experiment) in document.experiments.iter().enumerate() {
        if let Some((earlier, _)) = index.get(experiment.id.as_str()) {
            problems.push(Problem::error(
                format!("experiments[{place}].id"),
                format!("{:?} is the id of experiments[{earlier}] too: give each its own", experiment.id.as_str()),
            ));
        } else {
            index.insert(experiment.id.as_str(), (place, experiment));
        }
    }
    for (place, experiment) in document.experiments.iter().enumerate() {
        let mut names = Names { document, index: &index, gaps, place, problems };
        names.check(experiment);
    }
    circular(document, &index, problems);
    slots(document, problems);
}

/// The names that one experiment uses.
struct Names<'a> {
    document: &'a Document,
    index: &'a Index<'a>,
    gaps: &'a Gaps,
    place: usize,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Names<'a> {
    #[inline(never)]
    fn check(&mut self, experiment: &Experiment) {
        if let Some(layer) = &experiment.layer
            && !self.document.layers.contains_key(layer)
        {
            self.unknown("layer", "layer", layer, self.document.layers.keys(), "`layers`");
        }
        for (field, variant) in [("winner", &experiment.winner), ("baseline", &experiment.baseline)] {
            if let Some(variant) = variant {
                self.variant(field, variant, self.place, experiment);
            }
        }
        for (n, forced) in experiment.overrides.iter().enumerate() {
            self.variant(&format!("overrides[{n}].variant"), &forced.variant, self.place, experiment);
        }
        for (n, requirement) in experiment.requires.iter().enumerate() {
            if let Some((place, other)) = self.experiment(&format!("requires[{n}].experiment"), &requirement.experiment)
            {
                self.variant(&format!("requires[{n}].variant"), &requirement.variant, place, other);
            }
        }
        for (n, other) in experiment.depends_on.iter().enumerate() {
            self.experiment(&format!("depends_on[{n}]"), other);
        }
        if let Some(metrics) = &experiment.metrics {
            if let Some(id) = &metrics.primary {
                self.metric("metrics.primary", id);
            }
            for (n, id) in metrics.secondary.iter().enumerate() {
                self.metric(&format!("metrics.secondary[{n}]"), id);
            }
            for (n, guardrail) in metrics.guardrails.iter().enumerate() {
                self.metric(&format!("metrics.guardrails[{n}].metric"), &guardrail.metric);
            }
        }
    }

    fn metric(&mut self, field: &str, id: &Id) {
        if !self.document.metrics.contains_key(id) && !BUILT_IN_METRICS.contains(&id.as_str()) {
            self.unknown(field, "metric", id, self.document.metrics.keys(), "`metrics`");
        }
    }

    fn experiment(&mut self, field: &str, id: &Id) -> Option<(usize, &'a Experiment)> {
        let index = self.index;
        let found = index.get(id.as_str()).copied();
        if found.is_none() && !self.gaps.experiments {
            let known = self.document.experiments.iter().map(|experiment| &experiment.id);
            self.unknown(field, "experiment", id, known, "`experiments`");
        }
        found
    }

    fn variant(&mut self, field: &str, id: &Id, place: usize, of: &Experiment) {
        if of.variants.iter().any(|variant| variant.id == *id) || self.gaps.variants.contains(&place) {
            return;
        }
        let list = format!("experiments[{place}].variants");
        self.unknown(field, "variant", id, of.variants.iter().map(|variant| &variant.id), &list);
    }

    fn unknown<'b>(
        &mut self,
        field: &str,
        what: &str,
        id: &Id,
        known: impl Iterator<Item = &'b Id> + Clone,
        list: &str,
    ) {
        let advice = match suggest(id.as_str(), known.clone().map(Id::as_str)) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => {
                let some: Vec<_> = known.take(8).map(Id::as_str).collect();
                if some.is_empty() {
                    format!("{list} has none; add it there")
                } else {
                    format!("{list} has {}", some.join(", "))
                }
            }
        };
        self.problems.push(Problem::error(
            format!("experiments[{}].{field}", self.place),
            format!("there is no {what} {:?}: {advice}", id.as_str()),
        ));
    }
}

/// Circles of `requires` and of `depends_on`, each on its own.
#[inline(never)]
fn circular(document: &Document, index: &Index<'_>, problems: &mut Vec<Problem>) {
    type Targets = fn(&Experiment) -> Vec<&Id>;
    let fields: [(&str, &str, Targets); 2] = [
        ("requires", "nobody could ever be in any of them", |e| e.requires.iter().map(|r| &r.experiment).collect()),
        ("depends_on", "none of them could be the first", |e| e.depends_on.iter().collect()),
    ];
    for (field, consequence, targets) in fields {
        if document.experiments.iter().all(|experiment| targets(experiment).is_empty()) {
            continue;
        }
        let places = |experiment: &Experiment| {
            targets(experiment).into_iter().filter_map(|id| index.get(id.as_str())).map(|(place, _)| *place).collect()
        };
        let edges: Vec<Vec<usize>> = document.experiments.iter().map(places).collect();
        for circle in cycles(&edges) {
            let ids = circle.iter().chain(circle.first()).filter_map(|place| document.experiments.get(*place));
            let chain = ids.map(|experiment| experiment.id.as_str()).collect::<Vec<_>>().join(" → ");
            let (Some(first), second) = (circle.first(), circle.get(1).or(circle.first())) else { continue };
            let at =
                edges.get(*first).and_then(|all| all.iter().position(|target| Some(target) == second)).unwrap_or(0);
            problems.push(Problem::error(
                format!("experiments[{first}].{field}[{at}]"),
                format!("this closes a circle, {chain}, so that {consequence}: remove one of the references"),
            ));
        }
    }
}

/// Slots that two experiments of a layer own. A completed experiment has given its own back.
#[inline(never)]
fn slots(document: &Document, problems: &mut Vec<Problem>) {
    let mut layers: BTreeMap<&Id, Vec<(u16, u16, usize)>> = BTreeMap::new();
    for (place, experiment) in document.experiments.iter().enumerate() {
        if let (Some(layer), Some(slots)) = (&experiment.layer, experiment.slots)
            && experiment.status != Status::Completed
        {
            let (from, to) = slots.bounds();
            layers.entry(layer).or_default().push((from, to, place));
        }
    }
    for (layer, mut owned) in layers {
        owned.sort_unstable();
        // the range so far that reaches furthest: what starts before its end overlaps it
        let mut furthest: Option<(u16, u16, usize)> = None;
        for (from, to, place) in owned {
            if let Some((other_from, other_to, other)) = furthest
                && from < other_to
            {
                let (earlier, later) = (other.min(place), other.max(place));
                let mine =
                    if later == place { [from, to, other_from, other_to] } else { [other_from, other_to, from, to] };
                let [from, to, other_from, other_to] = mine;
                let id = document.experiments.get(earlier).map_or("", |experiment| experiment.id.as_str());
                problems.push(Problem::error(
                    format!("experiments[{later}].slots"),
                    format!(
                        "[{from}, {to}] overlaps [{other_from}, {other_to}] of {id:?} in layer {:?}: give each its own slots",
                        layer.as_str()
                    ),
                ));
            }
            if furthest.is_none_or(|(_, end, _)| to > end) {
                furthest = Some((from, to, place));
            }
        }
    }
}
