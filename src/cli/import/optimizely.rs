//! Optimizely Feature Experimentation: a datafile's experiments, groups, flags and rollouts.
//!
//! Audiences are of three values: what asks for a missing attribute is unknown, and unknown is not negated.

use super::attribute::{Attribute, Type};
use super::cond::Cond;
use super::flag::{Falls, Flag, Gate, Outcome, Ranges, Recipe, Refusal, Rule, Split, Variant};
use super::payload::{float, list, says, text};
use super::{Context, Read, Vendor};
use serde_json::{Value, json};

pub(super) fn read(payload: &Value, context: &Context) -> Vec<Read> {
    let reader = Reader { payload, context };
    let mut all = Vec::new();
    let flags = list(payload, "featureFlags");
    for (index, flag) in flags.iter().enumerate() {
        let path = format!("featureFlags[{index}]");
        all.push((text(flag, "key").to_owned(), path.clone(), reader.flag(flag, &path)));
    }
    let in_flags: Vec<&str> =
        flags.iter().flat_map(|flag| list(flag, "experimentIds")).filter_map(Value::as_str).collect();
    for (path, experiment, group) in reader.experiments() {
        if !in_flags.contains(&text(experiment, "id")) {
            let flag = reader.experiment(experiment, group, &path);
            all.push((text(experiment, "key").to_owned(), path, flag));
        }
    }
    all
}

struct Reader<'a> {
    payload: &'a Value,
    context: &'a Context,
}

/// What holds, and what is known not to hold.
struct Known {
    yes: Cond,
    no: Cond,
}

impl<'a> Reader<'a> {
    /// Every experiment with its place and its group.
    fn experiments(&self) -> Vec<(String, &'a Value, Option<&'a Value>)> {
        let own = list(self.payload, "experiments").iter().enumerate();
        let own = own.map(|(index, experiment)| (format!("experiments[{index}]"), experiment, None));
        let groups = list(self.payload, "groups").iter().enumerate().flat_map(|(place, group)| {
            let all = list(group, "experiments").iter().enumerate();
            all.map(move |(index, experiment)| {
                (format!("groups[{place}].experiments[{index}]"), experiment, Some(group))
            })
        });
        own.chain(groups).collect()
    }

    fn experiment(&self, value: &Value, group: Option<&Value>, path: &str) -> Result<Flag, Refusal> {
        let mut flag = Flag { key: text(value, "key").to_owned(), path: path.to_owned(), ..Flag::default() };
        let status = if matches!(text(value, "status"), "Running" | "Launched") { "running" } else { "paused" };
        flag.fields.insert("status".to_owned(), json!(status));
        self.holdouts(path)?;
        self.rule(value, group, path, Cond::Always, &mut flag)?;
        Ok(flag)
    }

    fn flag(&self, value: &Value, path: &str) -> Result<Flag, Refusal> {
        let mut flag = Flag { key: text(value, "key").to_owned(), path: path.to_owned(), ..Flag::default() };
        flag.fields.insert("status".to_owned(), json!("running"));
        self.holdouts(path)?;
        let ids = list(value, "experimentIds");
        flag.fields.insert("kind".to_owned(), json!(if ids.is_empty() { "release" } else { "experiment" }));
        let known = self.experiments();
        for id in ids.iter().filter_map(Value::as_str) {
            let Some((path, experiment, group)) = known.iter().find(|(_, experiment, _)| text(experiment, "id") == id)
            else {
                continue;
            };
            if matches!(text(experiment, "status"), "Running" | "Launched") {
                self.rule(experiment, *group, path, Cond::Always, &mut flag)?;
            }
        }
        let mut rollouts = list(self.payload, "rollouts").iter().enumerate();
        let rollout =
            rollouts.find(|(_, rollout)| says(value, "rolloutId") && rollout.get("id") == value.get("rolloutId"));
        if let Some((place, rollout)) = rollout {
            let rules = list(rollout, "experiments");
            // why: who is in an audience and not in its traffic goes to the last rule, past the ones between
            let mut passed = Vec::new();
            for (index, rule) in rules.iter().enumerate() {
                let path = format!("rollouts[{place}].experiments[{index}]");
                let last = index + 1 == rules.len();
                let but = if last { Cond::Always } else { Cond::any(passed.iter().cloned()).negated() };
                self.rule(rule, None, &path, but, &mut flag)?;
                passed.push(self.audience(rule, &path)?);
            }
        }
        if flag.variants.is_empty() {
            flag.variants.push(Variant::new("off"));
            flag.rules.push(Rule::new(path, Cond::Always, Outcome::Nobody));
        }
        Ok(flag)
    }

    fn holdouts(&self, path: &str) -> Result<(), Refusal> {
        let running = list(self.payload, "holdouts").iter().any(|holdout| text(holdout, "status") == "Running");
        if running {
            return Err(Refusal::new(
                path,
                "a holdout is running in the datafile",
                "end the holdout, or use `holdout` here for new experiments",
            ));
        }
        Ok(())
    }

    /// A rule of a flag, or an experiment.
    fn rule(
        &self,
        value: &Value,
        group: Option<&Value>,
        path: &str,
        but: Cond,
        flag: &mut Flag,
    ) -> Result<(), Refusal> {
        if says(value, "cmab") {
            return Err(Refusal::new(path, "it is a contextual bandit", "end it, or start a new one here"));
        }
        let first = flag.variants.len();
        let variations = list(value, "variations");
        for variation in variations {
            let mut variant = Variant::new(text(variation, "key"));
            let variables = list(variation, "variables");
            if !variables.is_empty() {
                let named = variables.iter().map(|one| (self.variable(text(one, "id")), json!(text(one, "value"))));
                variant.fields.insert("payload".to_owned(), Value::Object(named.collect()));
            }
            flag.variants.push(variant);
        }
        let by_id = |id: &str| variations.iter().position(|variation| text(variation, "id") == id).map(|at| first + at);
        let unit = self.context.main_unit(Vendor::Optimizely)?;
        let ids = self.context.attribute(path, Vendor::Optimizely.unit())?;
        let forced = value.get("forcedVariations").and_then(Value::as_object).into_iter().flatten();
        for (id, key) in forced {
            if let Some(at) = variations.iter().position(|variation| Some(text(variation, "key")) == key.as_str()) {
                let path = format!("{path}.forcedVariations");
                flag.rules.push(Rule::new(path, ids.texts([id.as_str()], false), Outcome::Given(first + at)));
            }
        }
        let allocation = list(value, "trafficAllocation");
        let owners = owners(allocation);
        let mut ranges: Vec<(usize, Ranges)> = Vec::new();
        for (id, own) in owners {
            if let Some(variant) = by_id(&id) {
                ranges.push((variant, own));
            }
        }
        ranges.sort_by_key(|(variant, _)| *variant);
        let mut gates = Vec::new();
        if let Some(group) = group.filter(|group| text(group, "policy") == "random") {
            let own = owners_of(list(group, "trafficAllocation"), text(value, "id"));
            gates.push(Gate { recipe: Recipe::new("optimizely", text(group, "id"), 10_000), within: own });
        }
        let when = self.audience(value, path)?.and(but);
        let all: Ranges = vec![(0.0, 10_000.0)];
        let outcome = match ranges.as_slice() {
            [(variant, own)] if gates.is_empty() && *own == all => Outcome::Given(*variant),
            [] => return Ok(()),
            _ => {
                let recipe = Recipe::new("optimizely", text(value, "id"), 10_000);
                Outcome::Split(Split { unit, gates, recipe, ranges, falls: Falls::All, coverage: false })
            }
        };
        flag.rules.push(Rule::new(path, when, outcome));
        Ok(())
    }

    fn variable(&self, id: &str) -> String {
        let all = list(self.payload, "featureFlags").iter().flat_map(|flag| list(flag, "variables"));
        let mut all = all.filter(|variable| text(variable, "id") == id);
        all.next().map_or_else(|| id.to_owned(), |variable| text(variable, "key").to_owned())
    }

    fn audience(&self, value: &Value, path: &str) -> Result<Cond, Refusal> {
        let conditions = value.get("audienceConditions").filter(|_| says(value, "audienceConditions"));
        if let Some(conditions) = conditions {
            return Ok(self.joined(conditions, &format!("{path}.audienceConditions"), true)?.yes);
        }
        let ids = list(value, "audienceIds").iter().filter_map(Value::as_str);
        let each = ids.map(|id| Ok(self.named(id, &format!("{path}.audienceIds"))?.yes));
        let each = each.collect::<Result<Vec<_>, _>>()?;
        Ok(if each.is_empty() { Cond::Always } else { Cond::any(each) })
    }

    fn named(&self, id: &str, path: &str) -> Result<Known, Refusal> {
        let all = list(self.payload, "typedAudiences").iter().chain(list(self.payload, "audiences"));
        let mut all = all.filter(|audience| text(audience, "id") == id);
        let Some(audience) = all.next() else {
            return Ok(Known { yes: Cond::Never, no: Cond::Never });
        };
        let path = format!("{path} → audience {id}");
        match audience.get("conditions") {
            Some(Value::String(text)) => {
                let parsed: Value = serde_json::from_str(text)
                    .map_err(|_| Refusal::new(&path, "its conditions are no JSON", "download the datafile again"))?;
                self.joined(&parsed, &path, false)
            }
            Some(conditions) => self.joined(conditions, &path, false),
            None => Ok(Known { yes: Cond::Never, no: Cond::Never }),
        }
    }

    /// A tree of `["and" | "or" | "not", …]`; at its leaves are ids of audiences, or conditions.
    fn joined(&self, value: &Value, path: &str, of_audiences: bool) -> Result<Known, Refusal> {
        match value {
            Value::Array(parts) => {
                let (word, parts) = match parts.split_first() {
                    Some((Value::String(word), rest)) if matches!(word.as_str(), "and" | "or" | "not") => {
                        (word.as_str(), rest)
                    }
                    _ => ("or", parts.as_slice()),
                };
                let parts =
                    parts.iter().map(|part| self.joined(part, path, of_audiences)).collect::<Result<Vec<_>, _>>()?;
                if word == "not" {
                    let unknown = Known { yes: Cond::Never, no: Cond::Never };
                    return Ok(parts
                        .into_iter()
                        .next()
                        .map_or(unknown, |known| Known { yes: known.no, no: known.yes }));
                }
                let (yes, no): (Vec<Cond>, Vec<Cond>) = parts.into_iter().map(|known| (known.yes, known.no)).unzip();
                Ok(if word == "and" {
                    Known { yes: Cond::all(yes), no: Cond::any(no) }
                } else {
                    Known { yes: Cond::any(yes), no: Cond::all(no) }
                })
            }
            Value::String(id) if of_audiences => self.named(id, path),
            Value::Object(_) => self.leaf(value, path),
            _ => Err(Refusal::new(path, "its conditions cannot be read", "download the datafile again")),
        }
    }

    fn leaf(&self, value: &Value, path: &str) -> Result<Known, Refusal> {
        let kind = text(value, "type");
        if !matches!(kind, "custom_attribute" | "custom_dimension") {
            return Err(Refusal::new(
                path,
                format!("its audience asks for `{kind}`, which the datafile does not hold"),
                "use attributes",
            ));
        }
        let attribute = self.context.attribute(path, text(value, "name"))?;
        let operand = value.get("value").unwrap_or(&Value::Null);
        let unknown = || Known { yes: Cond::Never, no: Cond::Never };
        let known = |yes: Cond| Known { no: attribute.exists().and(yes.clone().negated()), yes };
        Ok(match text(value, "match") {
            "exists" => Known { yes: attribute.exists(), no: attribute.exists().negated() },
            "" | "exact" => exact(attribute, operand).map_or_else(unknown, known),
            "substring" => match operand {
                Value::String(part) if matches!(attribute.kind, Type::String | Type::Semver) => {
                    known(attribute.contains(part, false))
                }
                _ => unknown(),
            },
            relation @ ("gt" | "ge" | "lt" | "le") => {
                let relation = match relation {
                    "gt" => "$gt",
                    "ge" => "$gte",
                    "lt" => "$lt",
                    _ => "$lte",
                };
                match operand.as_f64() {
                    Some(number) if attribute.kind == Type::Number => known(attribute.compared(relation, number)),
                    _ => unknown(),
                }
            }
            other => {
                return Err(Refusal::new(
                    path,
                    format!("the match `{other}` is read differently here"),
                    "write the audience with another match",
                ));
            }
        })
    }
}

fn exact(attribute: &Attribute, operand: &Value) -> Option<Cond> {
    match operand {
        Value::String(value) if matches!(attribute.kind, Type::String | Type::Semver) => {
            Some(attribute.texts([value.as_str()], false))
        }
        Value::Number(value) if attribute.kind == Type::Number => Some(attribute.numbers(value.as_f64())),
        Value::Bool(value) if attribute.kind == Type::Boolean => Some(attribute.truth(*value)),
        _ => None,
    }
}

/// The buckets of each entity: the first entry whose end lies beyond a bucket has it.
fn owners(allocation: &[Value]) -> Vec<(String, Ranges)> {
    let mut owners: Vec<(String, Ranges)> = Vec::new();
    let mut from = 0.0_f64;
    for entry in allocation {
        let to = float(entry, "endOfRange").unwrap_or(0.0).min(10_000.0);
        if to <= from {
            continue;
        }
        let id = text(entry, "entityId").to_owned();
        match owners.iter_mut().find(|(known, _)| *known == id) {
            Some((_, ranges)) => ranges.push((from, to)),
            None => owners.push((id, vec![(from, to)])),
        }
        from = to;
    }
    owners
}

fn owners_of(allocation: &[Value], id: &str) -> Ranges {
    owners(allocation).into_iter().find(|(known, _)| known == id).map(|(_, ranges)| ranges).unwrap_or_default()
}
