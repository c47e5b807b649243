//! PostHog: flags of local evaluation, whose groups of conditions share one hash.
//!
//! A property that is missing leaves a group undecided, so no condition on it holds, negated ones neither.

use super::attribute::{Attribute, Type};
use super::cond::Cond;
use super::flag::{Falls, Flag, Gate, Outcome, Ranges, Recipe, Refusal, Requirement, Rule, Split, Variant};
use super::payload::{float, list, says, text, truth};
use super::{Context, Read, Vendor};
use serde_json::{Value, json};

/// How deep cohorts may name cohorts.
const DEEPEST: usize = 8;

pub(super) fn read(payload: &Value, context: &Context) -> Vec<Read> {
    let reader = Reader { payload, context };
    let flags = list(payload, "flags").iter().enumerate();
    flags
        .map(|(index, flag)| {
            let path = format!("flags[{index}]");
            (text(flag, "key").to_owned(), path.clone(), reader.flag(flag, &path))
        })
        .collect()
}

struct Reader<'a> {
    payload: &'a Value,
    context: &'a Context,
}

impl Reader<'_> {
    fn flag(&self, value: &Value, path: &str) -> Result<Flag, Refusal> {
        let key = text(value, "key");
        let mut flag = Flag { key: key.to_owned(), path: path.to_owned(), ..Flag::default() };
        let refuse = |field: &str, reason: &str, todo: &str| Err(Refusal::new(format!("{path}.{field}"), reason, todo));
        let null = Value::Null;
        let filters = value.get("filters").unwrap_or(&null);
        if truth(value, "ensure_experience_continuity") {
            return refuse(
                "ensure_experience_continuity",
                "its assignments are kept on PostHog's server",
                "turn persistence across authentication off",
            );
        }
        if filters.get("aggregation_group_type_index").is_some_and(|index| !index.is_null()) {
            return refuse(
                "filters.aggregation_group_type_index",
                "it assigns groups, and here a unit is one visitor, user or session",
                "keep it with PostHog",
            );
        }
        for field in ["holdout", "holdout_groups", "super_groups"] {
            if says(filters, field) {
                return refuse(&format!("filters.{field}"), "it has a holdout or early access", "end that first");
            }
        }
        if truth(filters, "early_exit") {
            return refuse(
                "filters.early_exit",
                "its groups end early, which is read differently here",
                "turn that off",
            );
        }
        let by = match text(value, "bucketing_identifier") {
            "" | "distinct_id" => Vendor::Posthog.unit(),
            "device_id" => "$device_id",
            other => other,
        };
        let unit = self.context.unit(&format!("{path}.bucketing_identifier"), by)?;
        let variants = filters.get("multivariate").map_or(&[][..], |several| list(several, "variants"));
        let payloads = filters.get("payloads").unwrap_or(&null);
        let payload = |key: &str| match payloads.get(key) {
            Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
            other => other.cloned().unwrap_or(Value::Null),
        };
        let several = !variants.is_empty();
        flag.fields.insert("status".to_owned(), json!("running"));
        flag.fields.insert("kind".to_owned(), json!(if several { "experiment" } else { "release" }));
        if several {
            flag.variants.extend(
                variants
                    .iter()
                    .map(|variant| Variant::with_payload(text(variant, "key"), &payload(text(variant, "key")))),
            );
        } else {
            flag.variants = vec![Variant::new("false"), Variant::with_payload("true", &payload("true"))];
        }
        if !truth(value, "active") {
            flag.rules.push(Rule::new(path, Cond::Always, Outcome::Nobody));
            flag.note = "it is not active".to_owned();
            return Ok(flag);
        }
        let split = shares(variants);
        let left = split.last().is_some_and(|(_, own)| own.last().is_some_and(|(_, to)| *to < 1.0 - 1e-9));
        if left {
            return refuse("filters.multivariate", "its variants do not add up to 100 %", "let them add up");
        }
        for (index, group) in list(filters, "groups").iter().enumerate() {
            let path = format!("{path}.filters.groups[{index}]");
            let mut requires = Vec::new();
            let properties = list(group, "properties").iter().enumerate();
            let when = properties
                .map(|(place, one)| self.property(one, &format!("{path}.properties[{place}]"), 0, &mut requires));
            let when = Cond::all(when.collect::<Result<Vec<_>, _>>()?);
            let rollout = float(group, "rollout_percentage").unwrap_or(100.0) / 100.0;
            let gate = Gate { recipe: Recipe::new("posthog", key, 1), within: upto(rollout) };
            let everybody = rollout >= 1.0;
            let chosen = variants
                .iter()
                .position(|variant| says(group, "variant") && variant.get("key") == group.get("variant"));
            let recipe = Recipe { suffix: "variant", ..Recipe::new("posthog", key, 1) };
            let chosen = if several { chosen } else { Some(1) };
            let outcome = match chosen {
                Some(variant) if everybody => Outcome::Given(variant),
                Some(variant) => Outcome::Split(Split {
                    unit,
                    gates: Vec::new(),
                    recipe: gate.recipe,
                    ranges: vec![(variant, gate.within)],
                    falls: Falls::All,
                    coverage: true,
                }),
                None => {
                    let gates = if everybody { Vec::new() } else { vec![gate] };
                    Outcome::Split(Split {
                        unit,
                        gates,
                        recipe,
                        ranges: split.clone(),
                        falls: Falls::Gates,
                        coverage: true,
                    })
                }
            };
            flag.rules.push(Rule { requires, ..Rule::new(path, when, outcome) });
        }
        let plain = |rule: &Rule| rule.requires.is_empty();
        // why: groups of one outcome and one hash come to the largest share that a unit is in, in whatever order
        if !list(filters, "groups").iter().any(|group| says(group, "variant")) && flag.rules.iter().all(plain) {
            let mut order: Vec<(f64, Rule)> = list(filters, "groups")
                .iter()
                .map(|group| float(group, "rollout_percentage").unwrap_or(100.0))
                .zip(flag.rules.drain(..))
                .collect();
            order.sort_by(|one, other| other.0.total_cmp(&one.0));
            flag.rules.extend(order.into_iter().map(|(_, rule)| rule));
        }
        if flag.rules.is_empty() {
            flag.rules.push(Rule::new(path, Cond::Always, Outcome::Nobody));
        }
        Ok(flag)
    }

    fn property(
        &self,
        property: &Value,
        path: &str,
        depth: usize,
        requires: &mut Vec<Requirement>,
    ) -> Result<Cond, Refusal> {
        let value = property.get("value").unwrap_or(&Value::Null);
        match text(property, "type") {
            "cohort" => {
                let id = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                return self.cohort(&id, truth(property, "negation"), path, depth + 1, requires);
            }
            "flag" => {
                let variant = match value {
                    Value::String(variant) => variant.clone(),
                    Value::Bool(true) => "true".to_owned(),
                    _ => return Err(Refusal::new(path, "it asks that another flag is off", "end that flag first")),
                };
                requires.push(Requirement { path: path.to_owned(), flag: text(property, "key").to_owned(), variant });
                return Ok(Cond::Always);
            }
            "group" => {
                return Err(Refusal::new(path, "it asks for a property of a group", "ask for a person's property"));
            }
            _ => {}
        }
        let attribute = self.context.attribute(path, text(property, "key"))?;
        let cond = operator(attribute, property, value, path)?;
        Ok(if truth(property, "negation") { attribute.exists().and(cond.negated()) } else { cond })
    }

    fn cohort(
        &self,
        id: &str,
        negated: bool,
        path: &str,
        depth: usize,
        requires: &mut Vec<Requirement>,
    ) -> Result<Cond, Refusal> {
        let path = format!("{path} → cohorts.{id}");
        let Some(cohort) = self.payload.get("cohorts").and_then(|cohorts| cohorts.get(id)) else {
            return Err(Refusal::new(
                path,
                "the members of the cohort are not in the payload: it is static or of behaviour",
                "download with send_cohorts, or make it of properties",
            ));
        };
        if depth > DEEPEST {
            return Err(Refusal::new(path, "its cohorts name each other in a circle", "break the circle"));
        }
        if negated {
            return Err(Refusal::new(
                path,
                "it asks for who is not in a cohort, and of whom that is not known PostHog's SDKs decide differently",
                "negate the properties themselves",
            ));
        }
        self.joined(cohort, &path, depth, requires)
    }

    fn joined(
        &self,
        group: &Value,
        path: &str,
        depth: usize,
        requires: &mut Vec<Requirement>,
    ) -> Result<Cond, Refusal> {
        let parts = list(group, "values").iter().enumerate().map(|(index, part)| {
            let path = format!("{path}.values[{index}]");
            if part.get("values").is_some() {
                self.joined(part, &path, depth, requires)
            } else {
                self.property(part, &path, depth, requires)
            }
        });
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        if parts.is_empty() {
            return Ok(Cond::Always);
        }
        Ok(if text(group, "type") == "OR" { Cond::any(parts) } else { Cond::all(parts) })
    }
}

/// The buckets up to a share, its own included.
fn upto(share: f64) -> Ranges {
    if share < 0.0 { Vec::new() } else { vec![(0.0, share.next_up().min(1.0))] }
}

/// The variants' buckets, added up in doubles as the SDKs do.
fn shares(variants: &[Value]) -> Vec<(usize, Ranges)> {
    let mut from = 0.0;
    variants
        .iter()
        .enumerate()
        .map(|(index, variant)| {
            let to = from + float(variant, "rollout_percentage").unwrap_or(0.0) / 100.0;
            let own = (f64::min(from, 1.0), f64::min(to, 1.0));
            from = to;
            (index, if own.0 < own.1 { vec![own] } else { Vec::new() })
        })
        .collect()
}

fn operator(attribute: &Attribute, property: &Value, value: &Value, path: &str) -> Result<Cond, Refusal> {
    let texts: Vec<String> = match value {
        Value::Array(all) => all.iter().map(plain).collect(),
        one => vec![plain(one)],
    };
    let exact = || attribute.texts(texts.iter().map(String::as_str), true);
    let one = texts.first().map_or("", String::as_str);
    let known = |cond: Cond| attribute.exists().and(cond.negated());
    let regex =
        || attribute.matches(one).map_err(|reason| Refusal::new(path, reason, "write the pattern without that"));
    Ok(match text(property, "operator") {
        "" | "exact" => exact(),
        "is_not" => known(exact()),
        "is_set" => attribute.exists(),
        "is_not_set" => {
            return Err(Refusal::new(
                path,
                "it asks for a property that is not set, which PostHog's local evaluation cannot decide",
                "ask for a value",
            ));
        }
        "icontains" => attribute.contains(one, true),
        "not_icontains" => known(attribute.contains(one, true)),
        "regex" => regex()?,
        "not_regex" => known(regex()?),
        relation @ ("gt" | "gte" | "lt" | "lte") => {
            let word = format!("${relation}");
            let number = value.as_f64().or_else(|| one.trim().parse().ok());
            match (attribute.kind, number) {
                (Type::Number, Some(number)) => attribute.compared(&word, number),
                (Type::String | Type::Semver, _) => attribute.ordered(&word, one),
                _ => return Err(Refusal::new(path, "it compares values of two types", "map the property as a number")),
            }
        }
        other => {
            return Err(Refusal::new(
                path,
                format!("the operator `{other}` is not known, or compares dates"),
                "write the group with another operator",
            ));
        }
    })
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
