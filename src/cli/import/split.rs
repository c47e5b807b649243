//! Split (Harness FME): conditions in order, of which those that roll out share one traffic allocation.
//!
//! A matcher on an attribute that is missing is false, and what is negated is then true.

use super::attribute::{Attribute, Type};
use super::cond::Cond;
use super::flag::{Falls, Flag, Outcome, Ranges, Recipe, Refusal, Rule, Split, Variant};
use super::payload::{float, list, says, text, truth};
use super::{Context, Read, Vendor};
use serde_json::{Value, json};

pub(super) fn read(payload: &Value, context: &Context) -> Vec<Read> {
    let (splits, at) = match payload.pointer("/ff/d").and_then(Value::as_array) {
        Some(splits) => (splits.as_slice(), "ff.d"),
        None => (list(payload, "splits"), "splits"),
    };
    splits
        .iter()
        .enumerate()
        .map(|(index, split)| {
            let path = format!("{at}[{index}]");
            (text(split, "name").to_owned(), path.clone(), flag(split, &path, context))
        })
        .collect()
}

fn flag(split: &Value, path: &str, context: &Context) -> Result<Flag, Refusal> {
    let mut flag = Flag { key: text(split, "name").to_owned(), path: path.to_owned(), ..Flag::default() };
    let status = if text(split, "status") == "ARCHIVED" { "completed" } else { "running" };
    flag.fields.insert("status".to_owned(), json!(status));
    let default = treatment(&mut flag, split, text(split, "defaultTreatment"));
    if truth(split, "killed") {
        flag.rules.push(Rule::new(path, Cond::Always, Outcome::Given(default)));
        flag.fields.insert("kind".to_owned(), json!("ops"));
        flag.note = "it is killed".to_owned();
        return Ok(flag);
    }
    if float(split, "algo") == Some(1.0) {
        return Err(Refusal::question(
            format!("{path}.algo"),
            "it uses the legacy hash of 2016, which some SDKs ignore",
            "save the split anew in Split, so that it uses murmur",
        ));
    }
    let unit = context.main_unit(Vendor::Split)?;
    let seed = |name: &str| split.get(name).and_then(Value::as_i64).unwrap_or(0).to_string();
    let allocation = float(split, "trafficAllocation").unwrap_or(100.0);
    let mut limited = allocation >= 100.0;
    let mut splits = false;
    for (index, condition) in list(split, "conditions").iter().enumerate() {
        let path = format!("{path}.conditions[{index}]");
        if !limited && text(condition, "conditionType") == "ROLLOUT" {
            limited = true;
            // why: their buckets count from 1, and one above the allocation is out
            let outside = super::flag::runs(100, |bucket| f64::from(bucket) + 1.0 > allocation);
            let recipe = Recipe::new("split", seed("trafficAllocationSeed"), 100);
            let rest = Split {
                unit,
                gates: Vec::new(),
                recipe,
                ranges: vec![(default, outside)],
                falls: Falls::All,
                coverage: true,
            };
            flag.rules.push(Rule::new(&path, Cond::Always, Outcome::Split(rest)));
        }
        let matchers =
            condition.pointer("/matcherGroup/matchers").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let each = matchers.iter().enumerate();
        let when = each.map(|(place, one)| matcher(one, &format!("{path}.matcherGroup.matchers[{place}]"), context));
        let when = Cond::all(when.collect::<Result<Vec<_>, _>>()?);
        let mut ranges: Vec<(usize, Ranges)> = Vec::new();
        let mut from = 0.0;
        for partition in list(condition, "partitions") {
            let to = f64::min(from + float(partition, "size").unwrap_or(0.0), 100.0);
            if from < to {
                let variant = treatment(&mut flag, split, text(partition, "treatment"));
                match ranges.iter_mut().find(|(known, _)| *known == variant) {
                    Some((_, own)) => own.push((from.ceil(), to.ceil())),
                    None => ranges.push((variant, vec![(from.ceil(), to.ceil())])),
                }
            }
            from = to;
        }
        let outcome = match ranges.as_slice() {
            [] => Outcome::Given(treatment(&mut flag, split, "control")),
            [(variant, own)] if own.as_slice() == [(0.0, 100.0)] => Outcome::Given(*variant),
            _ => {
                splits = true;
                ranges.sort_by_key(|(variant, _)| *variant);
                let recipe = Recipe::new("split", seed("seed"), 100);
                Outcome::Split(Split { unit, gates: Vec::new(), recipe, ranges, falls: Falls::Nobody, coverage: false })
            }
        };
        flag.rules.push(Rule::new(path, when, outcome));
    }
    flag.rules.push(Rule::new(path, Cond::Always, Outcome::Given(default)));
    flag.fields.insert("kind".to_owned(), json!(if splits { "experiment" } else { "release" }));
    Ok(flag)
}

/// The position of a treatment, which is added where it is new.
fn treatment(flag: &mut Flag, split: &Value, name: &str) -> usize {
    if let Some(known) = flag.variants.iter().position(|variant| variant.key == name) {
        return known;
    }
    let payload = split.get("configurations").and_then(|all| all.get(name)).and_then(Value::as_str);
    let payload = payload.map(|text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)));
    flag.variants.push(Variant::with_payload(name, &payload.unwrap_or(Value::Null)));
    flag.variants.len() - 1
}

fn matcher(matcher: &Value, path: &str, context: &Context) -> Result<Cond, Refusal> {
    let name = matcher.pointer("/keySelector/attribute").and_then(Value::as_str).unwrap_or(Vendor::Split.unit());
    let kind = text(matcher, "matcherType");
    let negated = |cond: Cond| if truth(matcher, "negate") { cond.negated() } else { cond };
    if kind == "ALL_KEYS" {
        return Ok(negated(Cond::Always));
    }
    let refused = match kind {
        "IN_SEGMENT" | "IN_LARGE_SEGMENT" | "IN_RULE_BASED_SEGMENT" => {
            Some(("the members of its segment are not in the file", "list them in the rule"))
        }
        "IN_SPLIT_TREATMENT" => Some((
            "it depends on another split's treatment, and who lacks that has other rules",
            "end the dependency first",
        )),
        _ => None,
    };
    if let Some((reason, todo)) = refused {
        return Err(Refusal::new(path, reason, todo));
    }
    let attribute = context.attribute(path, name)?;
    let whitelist = || -> Vec<&str> {
        let all = matcher.pointer("/whitelistMatcherData/whitelist").and_then(Value::as_array);
        all.into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let each = |make: &dyn Fn(&str) -> Cond| Cond::any(whitelist().into_iter().map(make));
    let word = text(matcher, "stringMatcherData");
    let cond = match kind {
        "WHITELIST" => attribute.texts(whitelist(), false),
        "STARTS_WITH" => each(&|text| attribute.starts_with(text, false)),
        "ENDS_WITH" => each(&|text| attribute.ends_with(text, false)),
        "CONTAINS_STRING" => each(&|text| attribute.contains(text, false)),
        "MATCHES_STRING" => {
            attribute.matches(word).map_err(|reason| Refusal::new(path, reason, "write the pattern without that"))?
        }
        "EQUAL_TO_BOOLEAN" => {
            attribute.truth(matcher.get("booleanMatcherData").and_then(Value::as_bool).unwrap_or(false))
        }
        "EQUAL_TO" | "GREATER_THAN_OR_EQUAL_TO" | "LESS_THAN_OR_EQUAL_TO" | "BETWEEN" => {
            numeric(attribute, kind, matcher, path)?
        }
        "EQUAL_TO_SEMVER" => version(attribute, "$veq", word, path)?,
        "GREATER_THAN_OR_EQUAL_TO_SEMVER" => version(attribute, "$vgte", word, path)?,
        "LESS_THAN_OR_EQUAL_TO_SEMVER" => version(attribute, "$vlte", word, path)?,
        other => {
            return Err(Refusal::new(
                path,
                format!("the matcher `{other}` is read differently here"),
                "write the rule with another matcher",
            ));
        }
    };
    Ok(negated(cond))
}

fn version(attribute: &Attribute, relation: &str, value: &str, path: &str) -> Result<Cond, Refusal> {
    attribute.version(relation, value).map_err(|reason| Refusal::new(path, reason, "compare with a plain version"))
}

fn numeric(attribute: &Attribute, kind: &str, matcher: &Value, path: &str) -> Result<Cond, Refusal> {
    let data = matcher
        .get(if kind == "BETWEEN" { "betweenMatcherData" } else { "unaryNumericMatcherData" })
        .unwrap_or(&Value::Null);
    if says(data, "dataType") && text(data, "dataType") != "NUMBER" {
        return Err(Refusal::new(path, "it compares dates", "write `starts_at` and `ends_at` by hand"));
    }
    if attribute.kind != Type::Number {
        return Err(Refusal::new(
            path,
            "it compares numbers, and the attribute is mapped as something else",
            "map it with {\"type\": \"number\"}",
        ));
    }
    let value = |name: &str| float(data, name).unwrap_or(0.0);
    Ok(match kind {
        "EQUAL_TO" => attribute.numbers([value("value")]),
        "GREATER_THAN_OR_EQUAL_TO" => attribute.compared("$gte", value("value")),
        "LESS_THAN_OR_EQUAL_TO" => attribute.compared("$lte", value("value")),
        _ => attribute.compared("$gte", value("start")).and(attribute.compared("$lte", value("end"))),
    })
}
