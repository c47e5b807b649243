//! Convert: experiences of a full-stack configuration, whose audiences are alternatives of conjunctions of alternatives.
//!
//! A rule on an attribute that is missing is false, negated or not.

use super::attribute::{Attribute, Type};
use super::cond::Cond;
use super::flag::{Falls, Flag, Outcome, Ranges, Recipe, Refusal, Rule, Split, Variant};
use super::payload::{float, list, says, text, truth};
use super::{Context, Layout, Read, Vendor};
use serde_json::{Value, json};

pub(super) fn read(payload: &Value, context: &Context) -> Vec<Read> {
    let archived: Vec<String> = list(payload, "archived_experiences").iter().map(id).collect();
    let experiences = list(payload, "experiences").iter().enumerate();
    experiences
        .map(|(index, experience)| {
            let path = format!("experiences[{index}]");
            let is_archived = experience.get("id").is_some_and(|value| archived.contains(&id(value)));
            (text(experience, "key").to_owned(), path.clone(), flag(payload, experience, is_archived, &path, context))
        })
        .collect()
}

fn id(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A variation with its share in per cent.
pub(super) struct Band {
    pub(super) id: String,
    pub(super) share: f64,
    pub(super) running: bool,
}

fn flag(payload: &Value, experience: &Value, archived: bool, path: &str, context: &Context) -> Result<Flag, Refusal> {
    let mut flag = Flag { key: text(experience, "key").to_owned(), path: path.to_owned(), ..Flag::default() };
    flag.fields.insert("status".to_owned(), json!(if archived { "completed" } else { "running" }));
    if says(experience, "name") {
        flag.fields.insert("name".to_owned(), json!(text(experience, "name")));
    }
    let mut bands = Vec::new();
    for (index, variation) in list(experience, "variations").iter().enumerate() {
        let mut variant = Variant::new(if says(variation, "key") {
            text(variation, "key").to_owned()
        } else {
            variation.get("id").map(id).unwrap_or_default()
        });
        for (place, change) in list(variation, "changes").iter().enumerate() {
            let path = format!("{path}.variations[{index}].changes[{place}]");
            match text(change, "type") {
                "fullStackFeature" => {
                    if let Some(data) = change.pointer("/data/variables_data") {
                        variant.fields.insert("payload".to_owned(), data.clone());
                    }
                }
                "defaultCode" | "customCode" | "richStructure" | "defaultCodeMultipage" if says(change, "data") => {
                    return Err(Refusal::new(
                        path,
                        "it runs code of the visual editor",
                        "write the change as steps of `rewrite`",
                    ));
                }
                "defaultRedirect" => {
                    return Err(Refusal::new(path, "it redirects by a pattern", "write `redirect` by hand"));
                }
                _ => {}
            }
        }
        flag.variants.push(variant);
        let status = text(variation, "status");
        bands.push(Band {
            id: variation.get("id").map(id).unwrap_or_default(),
            // why: what has no share of its own takes all
            share: float(variation, "traffic_allocation").unwrap_or(100.0),
            running: matches!(status, "" | "running"),
        });
    }
    let environments: Vec<&str> = list(experience, "environments").iter().filter_map(Value::as_str).collect();
    if !environments.is_empty() {
        // why: which of them an SDK serves, its own settings say
        flag.note = format!("as it is in {}", environments.join(", "));
    }
    let when = audiences(payload, experience, path, context)?;
    let when = when.and(locations(payload, experience, path, context)?);
    let (packed, anchored) = (packed(&bands), anchored(&bands));
    let version = float(experience, "version").unwrap_or(0.0);
    let ranges = match context.layout {
        Some(Layout::Packed) => packed,
        Some(Layout::Anchored) => anchored,
        None if packed == anchored || version <= 11.0 => packed,
        None => {
            return Err(Refusal::question(
                format!("{path}.version"),
                format!(
                    "version {version} is laid out in one of two ways, which depends on your SDK, and here they differ"
                ),
                "say --layout packed (npm SDK up to 4.4) or --layout anchored",
            ));
        }
    };
    let salt = experience.get("id").map(id).unwrap_or_default();
    let recipe = Recipe::new("convert", salt, 10_000);
    let unit = context.main_unit(Vendor::Convert)?;
    flag.rules.push(Rule::new(
        path,
        when,
        Outcome::Split(Split { unit, gates: Vec::new(), recipe, ranges, falls: Falls::Nobody, coverage: false }),
    ));
    Ok(flag)
}

/// One after the other, in the order of a JavaScript object's keys: whole numbers ascending, then the others as they come.
pub(super) fn packed(bands: &[Band]) -> Vec<(usize, Ranges)> {
    let number = |band: &Band| {
        let number: Option<u32> = band.id.parse().ok();
        number.filter(|number| number.to_string() == band.id && *number < u32::MAX)
    };
    let mut order: Vec<(usize, &Band)> =
        bands.iter().enumerate().filter(|(_, band)| band.running && band.share != 0.0).collect();
    order.sort_by_key(|(index, band)| number(band).map_or((1, 0, *index), |number| (0, number, 0)));
    let mut bounds = Vec::new();
    let mut upto = 0.0;
    for (index, band) in order {
        let from = upto;
        upto += band.share * 100.0;
        bounds.push((index, from, upto));
    }
    // why: the first whose bound lies above a bucket has it
    sorted(bounds.into_iter().map(|(index, from, to)| (index, whole(from, to))).collect())
}

/// Each at the place that its share of all has, of which its traffic takes the beginning.
pub(super) fn anchored(bands: &[Band]) -> Vec<(usize, Ranges)> {
    let total: f64 = bands.iter().map(|band| band.share).sum();
    let mut upto = 0.0;
    let mut bounds = Vec::new();
    for (index, band) in bands.iter().enumerate() {
        let from = if total > 0.0 { upto / total * 10_000.0 } else { 0.0 };
        upto += band.share;
        if band.running && band.share > 0.0 {
            bounds.push((index, from, from + band.share * 100.0));
        }
    }
    // why: shares of more than all overlap, and the first in the configuration's order has what they share
    let owner = |bucket: u32| {
        let found = bounds.iter().find(|(_, from, to)| (*from..*to).contains(&f64::from(bucket)));
        found.map(|(index, ..)| *index)
    };
    bounds
        .iter()
        .map(|(index, ..)| (*index, super::flag::runs(10_000, |bucket| owner(bucket) == Some(*index))))
        .collect()
}

fn sorted(mut ranges: Vec<(usize, Ranges)>) -> Vec<(usize, Ranges)> {
    ranges.sort_by_key(|(index, _)| *index);
    ranges
}

/// The whole buckets of `from <= bucket < to`.
fn whole(from: f64, to: f64) -> Ranges {
    let (from, to) = (from.ceil().clamp(0.0, 10_000.0), to.ceil().clamp(0.0, 10_000.0));
    if from < to { vec![(from, to)] } else { Vec::new() }
}

fn named<'a>(payload: &'a Value, field: &str, wanted: &Value) -> Option<&'a Value> {
    list(payload, field).iter().find(|one| one.get("id").is_some_and(|known| id(known) == id(wanted)))
}

fn audiences(payload: &Value, experience: &Value, path: &str, context: &Context) -> Result<Cond, Refusal> {
    let mut all = Vec::new();
    for (index, wanted) in list(experience, "audiences").iter().enumerate() {
        let path = format!("{path}.audiences[{index}]");
        let Some(audience) = named(payload, "audiences", wanted) else {
            return Err(Refusal::new(path, "its audience is not in the configuration", "download it again"));
        };
        if !matches!(text(audience, "type"), "" | "permanent" | "transient") {
            return Err(Refusal::new(
                path,
                format!("its audience is a {}, whose members the configuration does not hold", text(audience, "type")),
                "use an audience of attributes",
            ));
        }
        all.push(rules(audience.get("rules"), &format!("{path} → {}", text(audience, "key")), context)?);
    }
    if all.is_empty() {
        return Ok(Cond::Always);
    }
    let every = experience.pointer("/settings/matching_options/audiences").and_then(Value::as_str) == Some("all");
    Ok(if every { Cond::all(all) } else { Cond::any(all) })
}

fn locations(payload: &Value, experience: &Value, path: &str, context: &Context) -> Result<Cond, Refusal> {
    let mut all = Vec::new();
    for (index, wanted) in list(experience, "locations").iter().enumerate() {
        let path = format!("{path}.locations[{index}]");
        let Some(location) = named(payload, "locations", wanted) else {
            return Err(Refusal::new(path, "its location is not in the configuration", "download it again"));
        };
        all.push(rules(location.get("rules"), &path, context)?);
    }
    if says(experience, "site_area") {
        all.push(rules(experience.get("site_area"), &format!("{path}.site_area"), context)?);
    }
    Ok(if all.is_empty() { Cond::Always } else { Cond::any(all) })
}

/// `OR` of `AND` of `OR_WHEN`.
fn rules(rules: Option<&Value>, path: &str, context: &Context) -> Result<Cond, Refusal> {
    let Some(rules) = rules.filter(|rules| says(rules, "OR")) else { return Ok(Cond::Always) };
    let or = list(rules, "OR").iter().enumerate().map(|(place, and)| {
        let and = list(and, "AND").iter().enumerate().map(|(spot, or)| {
            let or = list(or, "OR_WHEN").iter().enumerate();
            let or =
                or.map(|(index, one)| rule(one, &format!("{path}.OR[{place}].AND[{spot}].OR_WHEN[{index}]"), context));
            Ok(Cond::any(or.collect::<Result<Vec<_>, Refusal>>()?))
        });
        Ok(Cond::all(and.collect::<Result<Vec<_>, Refusal>>()?))
    });
    Ok(Cond::any(or.collect::<Result<Vec<_>, Refusal>>()?))
}

fn rule(rule: &Value, path: &str, context: &Context) -> Result<Cond, Refusal> {
    let kind = text(rule, "rule_type");
    if !kind.starts_with("generic_") {
        return Err(Refusal::new(
            path,
            format!("it asks for `{kind}`, which the edge does not know as that tool does"),
            "use an attribute, or write `pages` and `audience` by hand",
        ));
    }
    let attribute = context.attribute(path, text(rule, "key"))?;
    let matching = rule.get("matching").unwrap_or(&Value::Null);
    let value = rule.get("value").unwrap_or(&Value::Null);
    let word = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let cond = compared(attribute, text(matching, "match_type"), value, &word, path)?;
    Ok(if truth(matching, "negated") { attribute.exists().and(cond.negated()) } else { cond })
}

fn compared(attribute: &Attribute, matching: &str, value: &Value, word: &str, path: &str) -> Result<Cond, Refusal> {
    let number = value.as_f64().or_else(|| word.trim().parse().ok());
    Ok(match matching {
        "equals" | "equalsNumber" | "matches" => match (attribute.kind, number, value) {
            (Type::Number, Some(number), _) => attribute.numbers([number]),
            (Type::Boolean, _, Value::Bool(truth)) => attribute.truth(*truth),
            (Type::String | Type::Semver, ..) => attribute.texts([word], true),
            _ => return Err(Refusal::new(path, "it compares values of two types", "map the attribute with its type")),
        },
        "contains" => attribute.contains(word, true),
        "startsWith" => attribute.starts_with(word, true),
        "endsWith" => attribute.ends_with(word, true),
        "less" | "lessEqual" => match (attribute.kind, number) {
            (Type::Number, Some(number)) => attribute.compared(if matching == "less" { "$lt" } else { "$lte" }, number),
            _ => return Err(Refusal::new(path, "it compares texts by their order", "map the attribute as a number")),
        },
        other => {
            return Err(Refusal::new(
                path,
                format!("the match `{other}` is read differently here"),
                "write the audience with another match",
            ));
        }
    })
}
