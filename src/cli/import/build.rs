//! A flag's rules → experiments of which at most one assigns a unit.
//!
//! The rules are taken in their order, and what is left for the next ones is kept as regions: a condition and, where a
//! split let units pass, the buckets that it left. A rule that gives a variant to all becomes an override, for overrides
//! come before everything else here; a split becomes an experiment.

use super::cond::Cond;
use super::flag::{
    Falls, Flag, Gate, NOBODY, Outcome, Ranges, Recipe, Refusal, Requirement, Rule, Split, common, complement,
};
use serde_json::{Map, Value, json};

/// More experiments than this of one flag are no document that anybody can read.
const MOST: usize = 24;

/// Gates, the split's hash, and the ranges of each variant.
type Hashing = (Vec<Gate>, Recipe, Vec<(usize, Ranges)>);

/// An experiment to be, of a flag.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// The variants that it has, by their positions in the flag's list; the first is the control.
    pub(super) variants: Vec<usize>,
    /// The share of each, in the same order.
    pub(super) weights: Vec<f64>,
    pub(super) unit: Option<&'static str>,
    pub(super) audience: Cond,
    pub(super) overrides: Vec<(Cond, usize)>,
    pub(super) requires: Vec<Requirement>,
    pub(super) winner: Option<usize>,
    /// None: everybody in the audience gets the only variant with a weight, or nobody anything.
    pub(super) split: Option<Hashing>,
    /// Whether it gives what an earlier split left one fixed variant: nothing that is compared.
    pub(super) fixed: bool,
    /// Whether the audience assigns nobody: the overrides are all there is.
    pub(super) nobody: bool,
}

/// What earlier rules left.
#[derive(Clone, Debug, Default)]
struct Region {
    /// Conditions of earlier rules, which do not hold, and whether those became overrides.
    not: Vec<(Cond, bool)>,
    /// Conditions of splits that let these units pass.
    and: Vec<Cond>,
    /// The buckets that they left.
    gates: Vec<Gate>,
    /// Of these, the first so many take nothing but traffic away, and other splits may follow.
    open: Vec<Recipe>,
    unit: Option<&'static str>,
}

impl Region {
    /// Who is left, among those for whom a condition holds. `after_overrides`: overrides are asked before.
    fn who(&self, when: &Cond, after_overrides: bool) -> Cond {
        let not = self.not.iter().filter(|(_, forced)| !(*forced && after_overrides));
        let not = not.map(|(cond, _)| cond.clone().negated());
        Cond::all(self.and.iter().cloned().chain([when.clone()]).chain(not))
    }
}

/// The experiments of a flag.
pub(super) fn build(flag: &Flag) -> Result<Vec<Piece>, Refusal> {
    let mut builder = Builder { flag, pieces: Vec::new(), overrides: Vec::new(), winner: None };
    let mut regions = vec![Region::default()];
    for (position, rule) in flag.rules.iter().enumerate() {
        let last = position + 1 == flag.rules.len();
        if !rule.requires.is_empty() && !last {
            return Err(Refusal::new(
                &rule.path,
                "rules below this one apply to who lacks its prerequisite, and a document cannot say that",
                "keep this flag with the old tool, or end the prerequisite first",
            ));
        }
        let mut left = Vec::new();
        for region in regions {
            builder.rule(rule, &region, last)?;
            left.extend(rest(rule, region));
        }
        regions = left;
        if regions.len() > MOST || builder.pieces.len() > MOST {
            return Err(Refusal::new(&flag.path, "its rules unfold into too many experiments", "simplify its rules"));
        }
    }
    Ok(builder.finish())
}

struct Builder<'a> {
    flag: &'a Flag,
    /// Each with what its audience is where overrides are asked before it.
    pieces: Vec<(Piece, Cond)>,
    overrides: Vec<(Cond, usize)>,
    winner: Option<usize>,
}

impl Builder<'_> {
    fn rule(&mut self, rule: &Rule, region: &Region, last: bool) -> Result<(), Refusal> {
        let who = region.who(&rule.when, false);
        if who == Cond::Never {
            return Ok(());
        }
        let after = region.who(&rule.when, true);
        match &rule.outcome {
            Outcome::Nobody => {}
            Outcome::Given(variant)
                if region.gates.is_empty() && rule.requires.is_empty() && self.flag.requires.is_empty() =>
            {
                if last && after == Cond::Always && self.pieces.is_empty() {
                    self.winner = Some(*variant);
                } else {
                    self.overrides.push((after, *variant));
                }
            }
            Outcome::Given(variant) => {
                let split = region
                    .gates
                    .split_last()
                    .map(|(gate, gates)| (gates.to_vec(), gate.recipe.clone(), vec![(*variant, gate.within.clone())]));
                self.push(rule, region, who, after, vec![*variant], vec![1.0], split, region.unit);
            }
            Outcome::Split(split) => self.split(rule, split, region, who, after)?,
        }
        Ok(())
    }

    fn split(&mut self, rule: &Rule, split: &Split, region: &Region, who: Cond, after: Cond) -> Result<(), Refusal> {
        let mut ranges = split.ranges.clone();
        let mut gates = split.gates.clone();
        for open in &region.gates {
            if let Some(gate) = gates.iter_mut().find(|gate| gate.recipe == open.recipe) {
                gate.within = common(&gate.within, &open.within);
            } else if region.open.contains(&open.recipe) && split.recipe != open.recipe {
                gates.push(open.clone());
            } else if split.recipe == open.recipe {
                ranges.iter_mut().for_each(|(_, own)| *own = common(own, &open.within));
            } else {
                return Err(Refusal::new(
                    &rule.path,
                    "several splits of one flag are not disjoint: who an earlier one leaves out is split again by another hash",
                    "end one of them, or give them audiences that exclude each other",
                ));
            }
        }
        ranges.retain(|(variant, _)| *variant != NOBODY);
        let empty = |ranges: &Ranges| !ranges.iter().any(|(from, to)| from < to);
        if gates.iter().any(|gate| empty(&gate.within)) || ranges.iter().all(|(_, own)| empty(own)) {
            return Ok(());
        }
        let of = f64::from(split.recipe.of);
        let weights = ranges.iter().map(|(_, own)| own.iter().map(|(from, to)| to - from).sum::<f64>() / of).collect();
        let variants = ranges.iter().map(|(variant, _)| *variant).collect();
        let split = (gates, split.recipe.clone(), ranges, split.unit);
        let unit = Some(split.3);
        self.push(rule, region, who, after, variants, weights, Some((split.0, split.1, split.2)), unit);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn push(
        &mut self,
        rule: &Rule,
        _region: &Region,
        who: Cond,
        after: Cond,
        variants: Vec<usize>,
        weights: Vec<f64>,
        split: Option<Hashing>,
        unit: Option<&'static str>,
    ) {
        let requires = self.flag.requires.iter().chain(&rule.requires).cloned().collect();
        let piece = Piece {
            variants,
            weights,
            unit,
            audience: who,
            overrides: Vec::new(),
            requires,
            winner: None,
            split,
            fixed: matches!(rule.outcome, Outcome::Given(_)),
            nobody: false,
        };
        self.pieces.push((piece, after));
    }

    fn finish(self) -> Vec<Piece> {
        let Self { pieces, overrides, winner, .. } = self;
        let mut pieces = joined(pieces);
        if pieces.is_empty() {
            let piece = Piece {
                variants: vec![winner.unwrap_or(0)],
                weights: vec![1.0],
                unit: None,
                audience: Cond::Always,
                overrides: Vec::new(),
                requires: Vec::new(),
                winner,
                split: None,
                fixed: false,
                nobody: winner.is_none(),
            };
            pieces.push((piece, Cond::Always));
        }
        if let Some((first, after)) = pieces.first_mut() {
            first.audience = after.clone();
            first.overrides = overrides;
        }
        let control_first = |mut piece: Piece| {
            let forced: Vec<usize> = piece.overrides.iter().map(|(_, variant)| *variant).collect();
            for variant in [0].into_iter().chain(forced) {
                if !piece.variants.contains(&variant) && (variant != 0 || piece.variants.len() < 2) {
                    let at = if variant == 0 { 0 } else { piece.variants.len() };
                    piece.variants.insert(at, variant);
                    piece.weights.insert(at, 0.0);
                }
            }
            piece
        };
        pieces.into_iter().map(|(piece, _)| control_first(piece)).collect()
    }
}

/// Pieces of one hash and one audience as one experiment.
fn joined(pieces: Vec<(Piece, Cond)>) -> Vec<(Piece, Cond)> {
    let mut kept: Vec<(Piece, Cond)> = Vec::new();
    for (piece, after) in pieces {
        let fits = |other: &&mut (Piece, Cond)| {
            let other = &other.0;
            let same = match (&other.split, &piece.split) {
                (Some((gates, recipe, _)), Some((own, hash, _))) => gates == own && recipe == hash,
                _ => false,
            };
            same && other.fixed == piece.fixed
                && other.audience == piece.audience
                && other.requires == piece.requires
                && other.unit == piece.unit
        };
        let Some((other, _)) = kept.iter_mut().find(fits) else {
            kept.push((piece, after));
            continue;
        };
        for (variant, weight) in piece.variants.into_iter().zip(piece.weights) {
            match other.variants.iter().position(|known| *known == variant).and_then(|at| other.weights.get_mut(at)) {
                Some(sum) => *sum += weight,
                None => {
                    other.variants.push(variant);
                    other.weights.push(weight);
                }
            }
        }
        if let (Some((.., ranges)), Some((.., more))) = (&mut other.split, piece.split) {
            for (variant, own) in more {
                match ranges.iter_mut().find(|(known, _)| *known == variant) {
                    Some((_, ranges)) => ranges.extend(own),
                    None => ranges.push((variant, own)),
                }
            }
        }
    }
    kept
}

/// What a rule leaves of a region.
fn rest(rule: &Rule, region: Region) -> Vec<Region> {
    let mut left = Vec::new();
    if let Outcome::Split(split) = &rule.outcome
        && split.falls != Falls::Nobody
        && region.who(&rule.when, false) != Cond::Never
    {
        let taken: Ranges = split.ranges.iter().flat_map(|(_, own)| own.iter().copied()).collect();
        let own = (split.falls == Falls::All).then(|| Gate { recipe: split.recipe.clone(), within: taken });
        let all = split.gates.iter().cloned().chain(own);
        let mut before: Vec<Gate> = Vec::new();
        for gate in all {
            let outside = complement(&gate.within, gate.recipe.of);
            if !outside.is_empty() {
                let closed = Gate { recipe: gate.recipe.clone(), within: outside };
                let gates = region.gates.iter().chain(&before).cloned().chain([closed]);
                let gates = merged(gates.collect());
                if gates.iter().all(|gate| !gate.within.is_empty()) {
                    let mut region = region.clone();
                    region.and.push(rule.when.clone());
                    region.gates = gates;
                    if split.coverage {
                        region.open.push(gate.recipe.clone());
                    }
                    region.unit = Some(split.unit);
                    left.push(region);
                }
            }
            before.push(gate);
        }
    }
    if rule.when != Cond::Always {
        let mut region = region;
        let forced = matches!(rule.outcome, Outcome::Given(_)) && region.gates.is_empty() && rule.requires.is_empty();
        region.not.push((rule.when.clone(), forced));
        left.push(region);
    }
    left
}

/// Gates with the same hash as one.
fn merged(gates: Vec<Gate>) -> Vec<Gate> {
    let mut kept: Vec<Gate> = Vec::new();
    for gate in gates {
        match kept.iter_mut().find(|other| other.recipe == gate.recipe) {
            Some(other) => other.within = common(&other.within, &gate.within),
            None => kept.push(gate),
        }
    }
    kept
}

/// The `hash` of a document.
pub(super) fn hash(gates: &[Gate], recipe: &Recipe, ranges: &[(String, Ranges)]) -> Value {
    let written =
        |ranges: &Ranges| -> Value { ranges.iter().map(|(from, to)| json!([bound(*from), bound(*to)])).collect() };
    let salted = |recipe: &Recipe| {
        let mut object = Map::from_iter([("salt".to_owned(), json!(recipe.salt)), ("of".to_owned(), json!(recipe.of))]);
        if let Some(seed) = recipe.seed {
            object.insert("seed".to_owned(), json!(seed));
        }
        if !recipe.suffix.is_empty() {
            object.insert("suffix".to_owned(), json!(recipe.suffix));
        }
        object
    };
    let gates: Vec<Value> = gates
        .iter()
        .map(|gate| {
            let mut object = salted(&gate.recipe);
            object.insert("in".to_owned(), written(&gate.within));
            if gate.recipe.like != recipe.like {
                object.insert("like".to_owned(), json!(gate.recipe.like));
            }
            Value::Object(object)
        })
        .collect();
    let mut split = salted(recipe);
    let own = ranges.iter().map(|(variant, ranges)| (variant.clone(), written(ranges)));
    split.insert("ranges".to_owned(), Value::Object(own.collect()));
    let mut object =
        Map::from_iter([("like".to_owned(), json!(recipe.like)), ("split".to_owned(), Value::Object(split))]);
    if !gates.is_empty() {
        object.insert("gates".to_owned(), Value::Array(gates));
    }
    Value::Object(object)
}

fn bound(value: f64) -> Value {
    super::attribute::number(value)
}
