//! Another tool's assignment: buckets that exist, ranges that do not overlap, nothing beside it that would move people.

use super::http::is_token;

use crate::document::{
    AdoptFrom, Allocation, Compared, Document, Experiment, Hash, HashGate, Id, Like, Mode, Percent, Problem, TakenOver,
};
use crate::hash::seed_of;
use std::collections::BTreeMap;

#[inline(never)]
pub(super) fn check(experiment: &Experiment, at: &str, problems: &mut Vec<Problem>) {
    if experiment.mode == Mode::Shadow || experiment.shadow.is_some() {
        shadow(experiment, at, problems);
    }
    if let Hash::Like(taken) = &experiment.hash {
        beside(experiment, at, problems);
        let mut report = |field: String, message: String| {
            problems.push(Problem::error(format!("{at}.hash.{field}"), message));
        };
        for (index, gate) in taken.gates.iter().enumerate() {
            self::gate(taken, gate, &format!("gates[{index}]"), &mut report);
        }
        split(experiment, taken, &mut report);
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, variant) in experiment.variants.iter().enumerate() {
        let Some(key) = &variant.key else { continue };
        if let Some(problem) = key_problem(key) {
            problems.push(Problem::error(format!("{at}.variants[{index}].key"), problem));
        } else if let Some(first) = seen.insert(key, index) {
            let message = format!("variants[{first}] has the same key: give each variant its own");
            problems.push(Problem::error(format!("{at}.variants[{index}].key"), message));
        }
    }
    if let Some(problem) = experiment.key.as_deref().and_then(key_problem) {
        problems.push(Problem::error(format!("{at}.key"), problem));
    }
}

/// Keys of experiments: shared ones are rules of one flag, of which at most one assigns a unit.
#[inline(never)]
pub(super) fn keys(document: &Document, problems: &mut Vec<Problem>) {
    let ids: BTreeMap<&str, usize> =
        document.experiments.iter().enumerate().map(|(index, experiment)| (experiment.id.as_str(), index)).collect();
    // why: with neither an audience nor a range of buckets it takes everybody, and a second one of the kind as well
    let everybody = |e: &Experiment| e.audience.is_none() && e.requires.is_empty() && matches!(e.hash, Hash::Own(_));
    let mut takers: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, experiment) in document.experiments.iter().enumerate() {
        let Some(key) = experiment.key.as_deref() else { continue };
        let at = format!("experiments[{index}].key");
        if let Some(other) = ids.get(key).filter(|other| **other != index) {
            let shares = document.experiments.get(*other).is_some_and(|other| other.key.as_deref() == Some(key));
            if !shares {
                let message = format!("experiments[{other}] has this id: who asks for {key:?} would find two");
                problems.push(Problem::error(at, message));
                continue;
            }
        }
        if everybody(experiment)
            && experiment.traffic.buckets() > 0
            && let Some(first) = takers.insert(key, index)
        {
            let message = format!(
                "experiments[{first}] has the same key, and both can assign the same unit: give them audiences that exclude each other"
            );
            problems.push(Problem::error(at, message));
        }
    }
}

/// Which tools' cookies are read, and for what.
#[inline(never)]
pub(super) fn adopted(document: &Document, problems: &mut Vec<Problem>) {
    for (index, adopt) in document.visitor.adopt.iter().enumerate() {
        let at = format!("visitor.adopt[{index}]");
        if let Some(cookie) = &adopt.cookie {
            let stars = cookie.matches('*').count();
            let named = matches!(adopt.from, AdoptFrom::Vwo);
            let fits = !cookie.is_empty() && cookie.len() <= 256 && is_token(&cookie.replace(['|', '%'], ""));
            if !fits || stars > 1 || (named && stars != 1) {
                let message = if named {
                    "write a cookie's name in which one `*` stands for the campaign, such as \"_vis_opt_exp_*_combi\""
                } else {
                    "write a cookie's name, perhaps with one `*` for any run of characters"
                };
                problems.push(Problem::error(format!("{at}.cookie"), message));
            }
        }
        let mut seen: BTreeMap<&str, &Id> = BTreeMap::new();
        for (id, name) in &adopt.names {
            let at = format!("{at}.names.{id}");
            if !document.experiments.iter().any(|experiment| experiment.id == *id) {
                problems.push(Problem::error(at, "there is no such experiment: name one by its id"));
            } else if let Some(problem) = key_problem(name) {
                problems.push(Problem::error(at, problem));
            } else if adopt.from == AdoptFrom::Growthbook && !has_version(name) {
                let message = format!("{name:?} has no bucket version: write \"{name}__0\"");
                problems.push(Problem::error(at, message));
            } else if let Some(other) = seen.insert(name, id) {
                problems.push(Problem::error(at, format!("`{other}` has the same name there: give each its own")));
            }
        }
    }
}

fn has_version(name: &str) -> bool {
    name.rsplit_once("__").is_some_and(|(name, version)| {
        !name.is_empty() && !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// What a shadow is compared with is said in words that mean something.
fn shadow(experiment: &Experiment, at: &str, problems: &mut Vec<Problem>) {
    if experiment.assigned_by.is_some() {
        let message =
            "an experiment that another tool assigns decides nothing that could be compared: leave `assigned_by` out";
        problems.push(Problem::error(format!("{at}.assigned_by"), message));
    }
    if let Some(shadow) = experiment.shadow.as_ref().filter(|it| Compared::parse(&it.compare).is_none()) {
        let message = format!(
            "{:?} is neither `cookie.NAME` nor `header.NAME` nor a tool of `visitor.adopt` (growthbook, vwo, convert, optimizely, abtasty)",
            shadow.compare
        );
        problems.push(Problem::error(format!("{at}.shadow.compare"), message));
    }
}

fn key_problem(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        Some("it is empty: write the name that it has elsewhere, or leave it out")
    } else if key.len() > 256 || key.chars().any(char::is_control) {
        Some("a key is a text of at most 256 bytes without control characters")
    } else {
        None
    }
}

/// What would move people away from where the other tool put them.
fn beside(experiment: &Experiment, at: &str, problems: &mut Vec<Problem>) {
    let mut refuse = |field: &str, wrong: bool, instead: &str| {
        if wrong {
            let message = format!("it would move people whom `hash` puts where another tool had them: {instead}");
            problems.push(Problem::error(format!("{at}.{field}"), message));
        }
    };
    refuse(
        "traffic",
        experiment.traffic != Percent::all(),
        "leave it out, and narrow the ranges of `hash.gates` or `hash.split`",
    );
    refuse("ramp", !experiment.ramp.is_empty(), "leave it out");
    refuse("layer", experiment.layer.is_some(), "leave it out, and write the layer as one of `hash.gates`");
    refuse("iteration", experiment.iteration > 1, "leave it out, or start over with `hash` \"siphash\"");
    refuse(
        "allocation",
        experiment.allocation == Allocation::Bandit,
        "leave it out, or start over with `hash` \"siphash\"",
    );
}

fn gate(taken: &TakenOver, gate: &HashGate, at: &str, report: &mut impl FnMut(String, String)) {
    let like = gate.like.unwrap_or(taken.like);
    recipe(like, &gate.salt, gate.of, gate.seed, gate.suffix.as_deref(), at, report);
    for (index, range) in gate.ranges.iter().enumerate() {
        if let Some(problem) = range_problem(like, *range, gate.of) {
            report(format!("{at}.in[{index}]"), problem);
        }
    }
}

fn split(experiment: &Experiment, taken: &TakenOver, report: &mut impl FnMut(String, String)) {
    let split = &taken.split;
    recipe(taken.like, &split.salt, split.of, split.seed, split.suffix.as_deref(), "split", report);
    let mut all: Vec<(f64, f64, &Id)> = Vec::new();
    for (id, ranges) in &split.ranges {
        if !experiment.variants.iter().any(|variant| variant.id == *id) {
            report(
                format!("split.ranges.{id}"),
                format!("there is no variant {:?}: name one of `variants`", id.as_str()),
            );
        }
        for (index, range) in ranges.iter().enumerate() {
            if let Some(problem) = range_problem(taken.like, *range, split.of) {
                report(format!("split.ranges.{id}[{index}]"), problem);
            }
            let [from, to] = *range;
            if from < to {
                all.push((from, to, id));
            }
        }
    }
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    for pair in all.windows(2) {
        if let [(_, end, one), (start, _, other)] = pair
            && start < end
        {
            let message = format!(
                "the bucket {start} is in a range of `{one}` and in one of `{other}`: a bucket has one variant"
            );
            report("split.ranges".to_owned(), message);
        }
    }
    if split.ranges.is_empty() {
        report(
            "split.ranges".to_owned(),
            "there are none, so nobody is assigned: give each variant its ranges".to_owned(),
        );
    }
}

fn recipe(
    like: Like,
    salt: &str,
    of: f64,
    seed: Option<u32>,
    suffix: Option<&str>,
    at: &str,
    report: &mut impl FnMut(String, String),
) {
    let whole = of.fract() == 0.0 && (1.0..4_294_967_296.0).contains(&of);
    if like.is_fraction() && of != 1.0 {
        report(format!("{at}.of"), "its buckets are numbers from 0 to 1: write 1".to_owned());
    } else if !whole {
        report(format!("{at}.of"), "it is a number of buckets: write a whole number from 1 on".to_owned());
    }
    let murmur = matches!(
        like,
        Like::Optimizely | Like::Convert | Like::Unleash | Like::Split | Like::Vwo | Like::Flagd | Like::Amplitude
    );
    if seed.is_some() && !murmur {
        report(format!("{at}.seed"), "this tool's hash has no seed: leave it out".to_owned());
    }
    if suffix.is_some() && like != Like::PostHog {
        report(format!("{at}.suffix"), "only PostHog puts a text behind the unit: leave it out".to_owned());
    }
    if like == Like::Split && seed.is_none() && seed_of(salt).is_none() {
        report(format!("{at}.salt"), "of this tool it is the seed: write the whole number of its flag".to_owned());
    }
}

fn range_problem(like: Like, [from, to]: [f64; 2], of: f64) -> Option<String> {
    if !(from.is_finite() && to.is_finite() && 0.0 <= from && from <= to && to <= of) {
        return Some(format!("[{from}, {to}] is no half-open range of buckets from 0 to {of}"));
    }
    let whole = from.fract() == 0.0 && to.fract() == 0.0;
    (!like.is_fraction() && !whole).then(|| format!("[{from}, {to}]: buckets are whole numbers"))
}
