//! GrowthBook: features with rules, and experiments that its visual editor made.

mod condition;
mod page;

use super::flag::{Falls, Flag, Gate, Outcome, Recipe, Refusal, Requirement, Rule, Split, Variant, runs};
use super::payload::{float, list, says, text, truth};
use super::{Context, Read};
use crate::cli::import::cond::Cond;
use serde_json::{Map, Value, json};

pub(super) fn read(payload: &Value, context: &Context) -> Vec<Read> {
    let reader = Reader { payload, context };
    let features = payload.get("features").and_then(Value::as_object).into_iter().flatten();
    let features = features.map(|(id, feature)| {
        let path = format!("features.{id}");
        let flag = reader.feature(id, feature, &path);
        (id.clone(), path, flag)
    });
    let experiments = list(payload, "experiments").iter().enumerate().map(|(index, experiment)| {
        let path = format!("experiments[{index}]");
        let key = text(experiment, "key").to_owned();
        let flag = reader.experiment(&key, experiment, &path);
        (key, path, flag)
    });
    features.chain(experiments).collect()
}

struct Reader<'a> {
    payload: &'a Value,
    context: &'a Context,
}

/// The short text of a value, or a name for one that has none.
fn value_key(value: &Value, number: usize) -> String {
    match value {
        Value::String(text) if !text.is_empty() && text.len() <= 40 => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        _ => format!("value-{number}"),
    }
}

impl Reader<'_> {
    fn feature(&self, id: &str, feature: &Value, path: &str) -> Result<Flag, Refusal> {
        let mut flag = Flag { key: id.to_owned(), path: path.to_owned(), ..Flag::default() };
        let default = feature.get("defaultValue").unwrap_or(&Value::Null);
        flag.variants = self.variants(feature);
        let mut splits = false;
        for (index, rule) in list(feature, "rules").iter().enumerate() {
            let path = format!("{path}.rules[{index}]");
            refuse_bandit(rule, &path)?;
            let mut when = self.when(rule, &path)?;
            let (requires, whole) = self.parents(rule, &path)?;
            if whole {
                // why: a rule may be nothing but its gate
                flag.requires.extend(requires.iter().cloned());
            }
            let outcome = if let Some(variations) = rule.get("variations").and_then(Value::as_array) {
                if variations.len() < 2 || rule.get("active") == Some(&Value::Bool(false)) {
                    continue;
                }
                splits = true;
                let first = self.first_variation(feature, index);
                let names = (0..variations.len()).map(|offset| first + offset).collect();
                let seed = [text(rule, "seed"), text(rule, "key"), id].into_iter().find(|seed| !seed.is_empty());
                Outcome::Split(self.split(rule, names, seed.unwrap_or(id), &path)?)
            } else if let Some(value) = rule.get("force") {
                let variant = position_of(&flag.variants, value);
                self.rollout(rule, variant, id, &path)?
            } else {
                continue;
            };
            if let Outcome::Split(split) = &outcome {
                when = when.and(there(split.unit));
            }
            if whole {
                flag.rules.push(Rule::new(path, when, outcome));
            } else {
                flag.rules.push(Rule { requires, ..Rule::new(path, when, outcome) });
            }
        }
        let gate = |rule: &Value| list(rule, "parentConditions").iter().any(|parent| truth(parent, "gate"));
        let rules = list(feature, "rules");
        // why: a gate that fails ends the feature, so rules above it must not be bound by it
        if rules.iter().any(gate) && !rules.first().is_some_and(gate) {
            return Err(Refusal::new(path, "a prerequisite gates it after other rules", "put the prerequisite first"));
        }
        flag.fields.insert("status".to_owned(), json!("running"));
        flag.fields.insert("kind".to_owned(), json!(if splits { "experiment" } else { "release" }));
        if flag.rules.is_empty() {
            flag.note = format!("it has no rules, so everybody has its default value {default}");
            flag.rules.push(Rule::new(path, Cond::Never, Outcome::Nobody));
        }
        Ok(flag)
    }

    /// The default value, then every experiment's variations, then values that are forced and none of these.
    fn variants(&self, feature: &Value) -> Vec<Variant> {
        let default = feature.get("defaultValue").unwrap_or(&Value::Null);
        let mut variants = vec![Variant::with_payload(value_key(default, 0), default)];
        for rule in list(feature, "rules") {
            for (index, value) in list(rule, "variations").iter().enumerate() {
                variants.push(Variant::with_payload(variation_key(rule, index), value));
            }
        }
        for value in list(feature, "rules").iter().filter_map(|rule| rule.get("force")) {
            if !variants.iter().any(|variant| has_value(variant, value)) {
                variants.push(Variant::with_payload(value_key(value, variants.len()), value));
            }
        }
        variants
    }

    /// Where the variations of a rule begin in the feature's list of variants.
    fn first_variation(&self, feature: &Value, rule: usize) -> usize {
        1 + list(feature, "rules").iter().take(rule).map(|rule| list(rule, "variations").len()).sum::<usize>()
    }

    fn experiment(&self, key: &str, experiment: &Value, path: &str) -> Result<Flag, Refusal> {
        refuse_bandit(experiment, path)?;
        if truth(experiment, "manual") {
            return Err(Refusal::new(
                path,
                "it is run by hand, by the page's scripts",
                "write it as an experiment of its own",
            ));
        }
        if experiment.get("force").is_some_and(|force| !force.is_null()) {
            return Err(Refusal::new(
                format!("{path}.force"),
                "it forces one variation on everybody",
                "write that variant as `winner` by hand",
            ));
        }
        let mut flag = Flag { key: key.to_owned(), path: path.to_owned(), ..Flag::default() };
        let status = match (text(experiment, "status"), experiment.get("active")) {
            ("draft", _) | (_, Some(Value::Bool(false))) => "draft",
            ("stopped", _) => "completed",
            _ => "running",
        };
        flag.fields.insert("status".to_owned(), json!(status));
        if says(experiment, "name") {
            flag.fields.insert("name".to_owned(), json!(text(experiment, "name")));
        }
        let variations = list(experiment, "variations");
        if variations.len() < 2 {
            return Err(Refusal::new(
                format!("{path}.variations"),
                "it has fewer than two variations",
                "there is nothing to split",
            ));
        }
        let hosts = page::hosts(experiment);
        for (index, variation) in variations.iter().enumerate() {
            let mut variant = Variant::new(variation_key(experiment, index));
            variant.fields = page::changes(variation, &hosts, &format!("{path}.variations[{index}]"))?;
            flag.variants.push(variant);
        }
        let mut when = self.when(experiment, path)?;
        when = when.and(page::scope(experiment, path, &mut flag.fields)?);
        let (requires, whole) = self.parents(experiment, path)?;
        let seed = if says(experiment, "seed") { text(experiment, "seed") } else { key };
        let split = self.split(experiment, (0..variations.len()).collect(), seed, path)?;
        when = when.and(there(split.unit));
        let rule = Rule::new(path, when, Outcome::Split(split));
        if whole {
            flag.requires = requires
        } else {
            flag.rules.push(Rule { requires, ..rule.clone() })
        }
        if whole {
            flag.rules.push(rule);
        }
        if variations.iter().any(|variation| says(variation, "urlRedirect")) && !truth(experiment, "persistQueryString")
        {
            flag.note = "redirects keep the query here, as with persistQueryString".to_owned();
        }
        Ok(flag)
    }

    /// The conditions of a rule on attributes.
    fn when(&self, rule: &Value, path: &str) -> Result<Cond, Refusal> {
        match rule.get("condition") {
            Some(condition) if !condition.is_null() => {
                condition::read(condition, self.context, self.payload.get("savedGroups"), &format!("{path}.condition"))
            }
            _ => Ok(Cond::Always),
        }
    }

    /// What a rule requires of other features, and whether the whole feature stands and falls with it.
    fn parents(&self, rule: &Value, path: &str) -> Result<(Vec<Requirement>, bool), Refusal> {
        let mut requires = Vec::new();
        let mut whole = false;
        for (index, parent) in list(rule, "parentConditions").iter().enumerate() {
            let path = format!("{path}.parentConditions[{index}]");
            let refuse = |reason: &str| {
                Refusal::new(&path, reason, "end the prerequisite first, or keep the flag with the old tool")
            };
            let id = text(parent, "id");
            let value = match parent.pointer("/condition/value") {
                Some(Value::Object(test)) if test.len() == 1 => test.get("$eq"),
                other => other,
            };
            let one = parent.get("condition").and_then(Value::as_object).is_some_and(|condition| condition.len() == 1);
            let Some(value) = value.filter(|value| one && !value.is_object() && !value.is_array()) else {
                return Err(refuse("its prerequisite asks for more than one value"));
            };
            let Some(feature) = self.payload.pointer("/features").and_then(|features| features.get(id)) else {
                return Err(refuse("its prerequisite is not in the payload"));
            };
            if feature.get("defaultValue") == Some(value) {
                return Err(refuse("its prerequisite asks for the default value, which is nobody's variant here"));
            }
            let variants = self.variants(feature);
            let named: Vec<&Variant> = variants.iter().filter(|variant| has_value(variant, value)).collect();
            let [variant] = named.as_slice() else {
                return Err(refuse("its prerequisite asks for a value that is not exactly one variation's"));
            };
            requires.push(Requirement { path: path.clone(), flag: id.to_owned(), variant: variant.key.clone() });
            whole |= truth(parent, "gate");
        }
        Ok((requires, whole))
    }

    fn unit(&self, rule: &Value, path: &str) -> Result<&'static str, Refusal> {
        let name = if says(rule, "hashAttribute") { text(rule, "hashAttribute") } else { "id" };
        self.context.unit(&format!("{path}.hashAttribute"), name)
    }

    /// A forced value, for all or for a share.
    fn rollout(&self, rule: &Value, variant: usize, id: &str, path: &str) -> Result<Outcome, Refusal> {
        let coverage = float(rule, "coverage");
        let range = rule.get("range").and_then(pair);
        let gates = self.gates(rule, path, false)?;
        if coverage.is_none() && range.is_none() && gates.is_empty() {
            return Ok(Outcome::Given(variant));
        }
        let seed = if says(rule, "seed") { text(rule, "seed") } else { id };
        let recipe = recipe(rule, "hashVersion", 1, seed, path)?;
        let of = f64::from(recipe.of);
        let within = runs(recipe.of, |bucket| {
            let n = f64::from(bucket) / of;
            match (range, coverage) {
                (Some((from, to)), _) => from <= n && n < to,
                (None, Some(coverage)) => coverage != 0.0 && n <= coverage,
                (None, None) => true,
            }
        });
        let unit = self.unit(rule, path)?;
        Ok(Outcome::Split(Split {
            unit,
            gates,
            recipe,
            ranges: vec![(variant, within)],
            falls: Falls::All,
            coverage: false,
        }))
    }

    fn split(&self, rule: &Value, variants: Vec<usize>, seed: &str, path: &str) -> Result<Split, Refusal> {
        if list(rule, "meta").iter().any(|meta| truth(meta, "passthrough")) {
            return Err(Refusal::new(
                format!("{path}.meta"),
                "a variation passes through to the rules below (a holdout)",
                "end the holdout first",
            ));
        }
        if float(rule, "minBucketVersion").is_some_and(|least| least > 0.0) && !truth(rule, "disableStickyBucketing") {
            return Err(Refusal::new(
                format!("{path}.minBucketVersion"),
                "whoever has an older sticky bucket is out of it, which only cookies know",
                "take the minimum out, or start the experiment over here",
            ));
        }
        let unit = self.unit(rule, path)?;
        let recipe = recipe(rule, "hashVersion", 1, seed, path)?;
        let bounds = match rule.get("ranges").and_then(Value::as_array) {
            Some(ranges) => ranges.iter().map(|range| pair(range).unwrap_or((0.0, 0.0))).collect(),
            None => bucket_ranges(variants.len(), float(rule, "coverage"), list(rule, "weights")),
        };
        let of = f64::from(recipe.of);
        // why: the first range that holds a bucket has it
        let owner = |bucket: u32| {
            let n = f64::from(bucket) / of;
            bounds.iter().position(|(from, to)| *from <= n && n < *to)
        };
        let ranges = variants.iter().enumerate();
        let ranges = ranges.map(|(index, variant)| (*variant, runs(recipe.of, |bucket| owner(bucket) == Some(index))));
        let ranges = ranges.collect();
        Ok(Split { unit, gates: self.gates(rule, path, true)?, recipe, ranges, falls: Falls::All, coverage: false })
    }

    /// Filters, or else the namespace.
    fn gates(&self, rule: &Value, path: &str, namespaces: bool) -> Result<Vec<Gate>, Refusal> {
        let mut gates = Vec::new();
        if says(rule, "filters") {
            for (index, filter) in list(rule, "filters").iter().enumerate() {
                let path = format!("{path}.filters[{index}]");
                let by = if says(filter, "attribute") { text(filter, "attribute") } else { "id" };
                if self.context.unit(&path, by)? != self.unit(rule, &path)? {
                    return Err(Refusal::new(
                        path,
                        "it filters by another unit than it splits by",
                        "filter by the hash attribute",
                    ));
                }
                let recipe = recipe(filter, "hashVersion", 2, text(filter, "seed"), &path)?;
                let of = f64::from(recipe.of);
                let ranges: Vec<(f64, f64)> = list(filter, "ranges").iter().filter_map(pair).collect();
                let within = runs(recipe.of, |bucket| {
                    let n = f64::from(bucket) / of;
                    ranges.iter().any(|(from, to)| *from <= n && n < *to)
                });
                gates.push(Gate { recipe, within });
            }
        } else if let Some([Value::String(id), from, to]) =
            rule.get("namespace").and_then(Value::as_array).map(Vec::as_slice)
            && namespaces
        {
            let (from, to) = (from.as_f64().unwrap_or(0.0), to.as_f64().unwrap_or(0.0));
            let within = runs(1_000, |bucket| (from..to).contains(&(f64::from(bucket) / 1_000.0)));
            gates.push(Gate { recipe: Recipe::new("growthbook-1", format!("__{id}"), 1_000), within });
        }
        Ok(gates)
    }
}

/// Whether the unit is known: who has none goes on to the next rule.
fn there(unit: &str) -> Cond {
    if unit == "user" { Cond::exists("user_id") } else { Cond::Always }
}

fn refuse_bandit(rule: &Value, path: &str) -> Result<(), Refusal> {
    let bandit =
        rule.as_object().is_some_and(|rule| rule.keys().any(|key| key.to_ascii_lowercase().contains("bandit")));
    if bandit {
        return Err(Refusal::new(
            path,
            "it is a bandit, whose weights follow the results",
            "end it, or start a new one here",
        ));
    }
    Ok(())
}

fn variation_key(rule: &Value, index: usize) -> String {
    let meta = list(rule, "meta").get(index).map(|meta| text(meta, "key")).filter(|key| !key.is_empty());
    meta.map_or_else(|| index.to_string(), str::to_owned)
}

fn has_value(variant: &Variant, value: &Value) -> bool {
    variant.fields.get("payload").unwrap_or(&Value::Null) == value
}

fn position_of(variants: &[Variant], value: &Value) -> usize {
    variants.iter().position(|variant| has_value(variant, value)).unwrap_or(0)
}

fn recipe(rule: &Value, version: &str, default: u64, seed: &str, path: &str) -> Result<Recipe, Refusal> {
    match rule.get(version).and_then(Value::as_u64).filter(|version| *version > 0).unwrap_or(default) {
        1 => Ok(Recipe::new("growthbook-1", seed, 1_000)),
        2 => Ok(Recipe::new("growthbook-2", seed, 10_000)),
        other => Err(Refusal::new(
            format!("{path}.{version}"),
            format!("hash version {other} assigns nobody"),
            "remove the rule",
        )),
    }
}

fn pair(value: &Value) -> Option<(f64, f64)> {
    match value.as_array()?.as_slice() {
        [from, to] => Some((from.as_f64()?, to.as_f64()?)),
        _ => None,
    }
}

/// The variations' ranges, in doubles as the SDK adds them up: coverage leaves a gap behind each.
fn bucket_ranges(variations: usize, coverage: Option<f64>, weights: &[Value]) -> Vec<(f64, f64)> {
    let coverage = coverage.unwrap_or(1.0).clamp(0.0, 1.0);
    #[allow(clippy::cast_precision_loss)]
    let equal = || vec![1.0 / variations as f64; variations];
    let given: Vec<f64> = weights.iter().filter_map(Value::as_f64).collect();
    let sum: f64 = given.iter().sum();
    let weights = if given.len() == variations && (0.99..=1.01).contains(&sum) { given } else { equal() };
    let mut cumulative = 0.0;
    weights
        .iter()
        .map(|weight| {
            let from = cumulative;
            cumulative += weight;
            (from, from + coverage * weight)
        })
        .collect()
}

/// Fields that a variant may have.
type Fields = Map<String, Value>;
