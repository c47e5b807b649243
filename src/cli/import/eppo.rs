//! Eppo: allocations in order, each with rules and splits of shards.
//!
//! A condition on an attribute that is missing is false, also `NOT_ONE_OF` and `NOT_MATCHES`.

use super::attribute::Attribute;
use super::cond::Cond;
use super::flag::{Falls, Flag, Gate, Outcome, Recipe, Refusal, Rule, Split, Variant};
use super::payload::{float, list, text, truth};
use super::{Context, Read, Vendor};
use crate::document::Timestamp;
use serde_json::{Value, json};

pub(super) fn read(payload: &Value, context: &Context) -> Vec<Read> {
    let flags = payload.get("flags").and_then(Value::as_object).into_iter().flatten();
    flags
        .map(|(key, value)| {
            let path = format!("flags.{key}");
            let read = match bandit(payload, key) {
                Some(at) => Err(Refusal::new(
                    at,
                    "a bandit chooses within a variation of it, by weights that follow the results",
                    "end it, or start a new one here",
                )),
                None => flag(key, value, &path, context),
            };
            (key.clone(), path, read)
        })
        .collect()
}

/// Where the payload says that a bandit chooses within a flag's variations: by bandit, in older ones by flag.
fn bandit(payload: &Value, flag: &str) -> Option<String> {
    let all = |field: &str| payload.get(field).and_then(Value::as_object).into_iter().flatten();
    let is_of = |variations: &[Value]| variations.iter().any(|it| text(it, "flagKey") == flag);
    let by_bandit = all("banditReferences").find(|(_, it)| is_of(list(it, "flagVariations")));
    let by_flag = || all("bandits").find(|(_, it)| it.as_array().is_some_and(|it| is_of(it)));
    let named = by_bandit.map(|(key, _)| format!("banditReferences.{key}"));
    named.or_else(|| by_flag().map(|(key, _)| format!("bandits.{key}")))
}

fn flag(key: &str, value: &Value, path: &str, context: &Context) -> Result<Flag, Refusal> {
    let mut flag = Flag { key: key.to_owned(), path: path.to_owned(), ..Flag::default() };
    flag.fields.insert("status".to_owned(), json!("running"));
    let is_json = text(value, "variationType") == "JSON";
    let mut names = Vec::new();
    for (name, variation) in value.get("variations").and_then(Value::as_object).into_iter().flatten() {
        let given = variation.get("value").unwrap_or(&Value::Null);
        let parsed = given.as_str().filter(|_| is_json).and_then(|text| serde_json::from_str(text).ok());
        names.push(name.clone());
        flag.variants.push(Variant::with_payload(name.clone(), parsed.as_ref().unwrap_or(given)));
    }
    // why: the control is the first variant here; where one is called so, it is that one
    if let Some(at) = names.iter().position(|name| matches!(name.as_str(), "control" | "off" | "false" | "disabled")) {
        names.swap(0, at);
        flag.variants.swap(0, at);
    }
    let mut splits = false;
    if !truth(value, "enabled") {
        flag.rules.push(Rule::new(path, Cond::Always, Outcome::Nobody));
        flag.note = "it is disabled".to_owned();
    } else {
        let of = float(value, "totalShards").unwrap_or(10_000.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let of = of as u32;
        let allocations = list(value, "allocations");
        for (index, allocation) in allocations.iter().enumerate() {
            let path = format!("{path}.allocations[{index}]");
            if !scheduled(allocation, allocations.len() == 1, &path, context, &mut flag)? {
                continue;
            }
            let when = rules(allocation, &path, context)?;
            for (index, split) in list(allocation, "splits").iter().enumerate() {
                let path = format!("{path}.splits[{index}]");
                let name = text(split, "variationKey");
                let Some(variant) = names.iter().position(|known| known == name) else {
                    return Err(Refusal::new(
                        path,
                        format!("there is no variation `{name}`"),
                        "correct the flag in the old tool",
                    ));
                };
                let mut gates: Vec<Gate> = list(split, "shards").iter().map(|shard| shards(shard, of)).collect();
                let outcome = match gates.pop() {
                    None => Outcome::Given(variant),
                    Some(last) => {
                        splits |= list(allocation, "splits").len() > 1;
                        let ranges = vec![(variant, last.within)];
                        let unit = context.main_unit(Vendor::Eppo)?;
                        Outcome::Split(Split {
                            unit,
                            gates,
                            recipe: last.recipe,
                            ranges,
                            falls: Falls::All,
                            coverage: false,
                        })
                    }
                };
                flag.rules.push(Rule::new(path, when.clone(), outcome));
            }
        }
    }
    flag.fields.insert("kind".to_owned(), json!(if splits { "experiment" } else { "release" }));
    if flag.rules.is_empty() {
        flag.rules.push(Rule::new(path, Cond::Always, Outcome::Nobody));
        flag.note = "it has no allocations".to_owned();
    }
    if flag.variants.is_empty() {
        flag.variants.push(Variant::new("control"));
    }
    Ok(flag)
}

/// Whether an allocation is on; its dates become the experiment's where it is the only one.
fn scheduled(allocation: &Value, alone: bool, path: &str, context: &Context, flag: &mut Flag) -> Result<bool, Refusal> {
    let time =
        |name: &str| -> Result<Option<Timestamp>, Refusal> {
            match allocation.get(name) {
                None | Some(Value::Null) => Ok(None),
                Some(value) => value.as_str().and_then(|text| text.parse().ok()).map(Some).ok_or_else(|| {
                    Refusal::new(format!("{path}.{name}"), "it is no time", "correct it in the old tool")
                }),
            }
        };
    let (start, end) = (time("startAt")?, time("endAt")?);
    if end.is_some_and(|end| end < context.now) {
        return Ok(false);
    }
    for (name, field, bound) in [("startAt", "starts_at", start), ("endAt", "ends_at", end)] {
        let Some(bound) = bound.filter(|bound| *bound > context.now) else { continue };
        if !alone {
            return Err(Refusal::new(
                format!("{path}.{name}"),
                "it begins or ends later, beside other allocations",
                "import it again then, or say with --at what holds",
            ));
        }
        flag.fields.insert(field.to_owned(), json!(bound.to_string()));
    }
    Ok(true)
}

fn shards(shard: &Value, of: u32) -> Gate {
    let range = |range: &Value| Some((float(range, "start")?, float(range, "end")?.min(f64::from(of))));
    Gate {
        recipe: Recipe::new("eppo", text(shard, "salt"), of),
        within: list(shard, "ranges").iter().filter_map(range).filter(|(from, to)| from < to).collect(),
    }
}

fn rules(allocation: &Value, path: &str, context: &Context) -> Result<Cond, Refusal> {
    let rules = list(allocation, "rules");
    if rules.is_empty() {
        return Ok(Cond::Always);
    }
    let each = rules.iter().enumerate().map(|(index, rule)| {
        let conditions = list(rule, "conditions").iter().enumerate();
        let all = conditions
            .map(|(place, one)| condition(one, &format!("{path}.rules[{index}].conditions[{place}]"), context));
        Ok(Cond::all(all.collect::<Result<Vec<_>, _>>()?))
    });
    Ok(Cond::any(each.collect::<Result<Vec<_>, _>>()?))
}

fn condition(condition: &Value, path: &str, context: &Context) -> Result<Cond, Refusal> {
    let attribute = context.attribute(path, text(condition, "attribute"))?;
    let value = condition.get("value").unwrap_or(&Value::Null);
    let one_of = || {
        let texts: Vec<String> = list(condition, "value")
            .iter()
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            .collect();
        attribute.texts(texts.iter().map(String::as_str), false)
    };
    let matches = || {
        let source = value.as_str().unwrap_or_default();
        attribute.matches(source).map_err(|reason| Refusal::new(path, reason, "write the pattern without that"))
    };
    let known = |cond: Cond| attribute.exists().and(cond.negated());
    Ok(match text(condition, "operator") {
        "ONE_OF" => one_of(),
        "NOT_ONE_OF" => known(one_of()),
        "MATCHES" => matches()?,
        "NOT_MATCHES" => known(matches()?),
        "IS_NULL" if value == &Value::Bool(false) => attribute.exists(),
        "IS_NULL" => attribute.exists().negated(),
        operator @ ("GTE" | "GT" | "LTE" | "LT") => compared(attribute, operator, value, path)?,
        other => {
            return Err(Refusal::new(
                path,
                format!("the operator `{other}` is not known"),
                "write the rule with another operator",
            ));
        }
    })
}

fn compared(attribute: &Attribute, operator: &str, value: &Value, path: &str) -> Result<Cond, Refusal> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    let (relation, version) = match operator {
        "GTE" => ("$gte", "$vgte"),
        "GT" => ("$gt", "$vgt"),
        "LTE" => ("$lte", "$vlte"),
        _ => ("$lt", "$vlt"),
    };
    match number {
        Some(number) => Ok(attribute.compared(relation, number)),
        None => attribute
            .version(version, value.as_str().unwrap_or_default())
            .map_err(|reason| Refusal::new(path, reason, "compare with a plain version")),
    }
}
