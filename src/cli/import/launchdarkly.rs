//! LaunchDarkly: flags with targets, rules and a fallthrough; segments.
//!
//! A clause on an attribute that is missing is false, whatever `negate` says.

use super::attribute::{Attribute, Type};
use super::cond::Cond;
use super::flag::{Falls, Flag, Outcome, Recipe, Refusal, Requirement, Rule, Split, Variant};
use super::payload::{float, list, says, text, truth};
use super::{Context, Read};
use serde_json::{Value, json};

/// How deep segments may name segments.
const DEEPEST: usize = 8;

pub(super) fn read(payload: &Value, context: &Context) -> Vec<Read> {
    let reader = Reader { payload, context };
    let flags = payload.get("flags").and_then(Value::as_object).into_iter().flatten();
    flags
        .map(|(key, flag)| {
            let path = format!("flags.{key}");
            (key.clone(), path.clone(), reader.flag(key, flag, &path))
        })
        .collect()
}

struct Reader<'a> {
    payload: &'a Value,
    context: &'a Context,
}

impl Reader<'_> {
    fn flag(&self, key: &str, value: &Value, path: &str) -> Result<Flag, Refusal> {
        let mut flag = Flag { key: key.to_owned(), path: path.to_owned(), ..Flag::default() };
        let variations = list(value, "variations");
        flag.variants = variations
            .iter()
            .enumerate()
            .map(|(index, value)| Variant::with_payload(index.to_string(), value))
            .collect();
        flag.fields.insert("status".to_owned(), json!("running"));
        flag.fields.insert("kind".to_owned(), json!("release"));
        if says(value, "migration") {
            return Err(Refusal::new(
                format!("{path}.migration"),
                "it is a migration flag",
                "keep it with the old tool",
            ));
        }
        let off = index(value, "offVariation");
        let constant = |flag: &mut Flag| {
            let outcome = off.map_or(Outcome::Nobody, Outcome::Given);
            flag.rules = vec![Rule::new(path, Cond::Always, outcome)];
        };
        if !truth(value, "on") {
            constant(&mut flag);
            flag.note = "it is off".to_owned();
            return Ok(flag);
        }
        for (place, need) in list(value, "prerequisites").iter().enumerate() {
            let path = format!("{path}.prerequisites[{place}]");
            let parent = self.payload.get("flags").and_then(|flags| flags.get(text(need, "key")));
            if !parent.is_some_and(|parent| truth(parent, "on")) {
                constant(&mut flag);
                flag.note = format!("its prerequisite `{}` is off or missing", text(need, "key"));
                return Ok(flag);
            }
            if off.is_some_and(|off| off != 0) {
                return Err(Refusal::new(
                    path,
                    "who lacks its prerequisite gets a variation that is not its first",
                    "make the off variation the first one, or end the prerequisite",
                ));
            }
            let variant = index(need, "variation").unwrap_or(usize::MAX).to_string();
            flag.requires.push(Requirement { path, flag: text(need, "key").to_owned(), variant });
        }
        self.targets(value, path, &mut flag)?;
        let mut experiment = false;
        for (place, rule) in list(value, "rules").iter().enumerate() {
            let path = format!("{path}.rules[{place}]");
            let clauses = list(rule, "clauses").iter().enumerate();
            let when = clauses
                .map(|(place, clause)| self.clause(clause, &format!("{path}.clauses[{place}]"), 0))
                .collect::<Result<Vec<_>, _>>()?;
            let outcome = self.outcome(key, value, rule, &path, &mut experiment)?;
            flag.rules.push(Rule::new(path, Cond::all(when), outcome));
        }
        if let Some(fallthrough) = value.get("fallthrough") {
            let path = format!("{path}.fallthrough");
            let outcome = self.outcome(key, value, fallthrough, &path, &mut experiment)?;
            flag.rules.push(Rule::new(path, Cond::Always, outcome));
        }
        if experiment {
            flag.fields.insert("kind".to_owned(), json!("experiment"));
        }
        Ok(flag)
    }

    fn targets(&self, value: &Value, path: &str, flag: &mut Flag) -> Result<(), Refusal> {
        let key = self.context.attribute(path, "key")?;
        for (place, target) in list(value, "contextTargets").iter().enumerate() {
            let kind = text(target, "contextKind");
            if !matches!(kind, "" | "user") && says(target, "values") {
                return Err(kinds(&format!("{path}.contextTargets[{place}]"), kind));
            }
        }
        // why: a context target of users has no keys of its own, it stands for the target of the same variation, and its
        // place among the others is what counts
        let all = list(value, "targets");
        let mut ordered: Vec<&Value> = Vec::new();
        let contextual: Vec<&Value> = list(value, "contextTargets")
            .iter()
            .filter(|target| matches!(text(target, "contextKind"), "" | "user"))
            .collect();
        if list(value, "contextTargets").is_empty() {
            ordered.extend(all);
        } else {
            for target in contextual {
                ordered.extend(all.iter().filter(|other| other.get("variation") == target.get("variation")));
            }
        }
        for (place, target) in ordered.into_iter().enumerate() {
            let path = format!("{path}.targets[{place}]");
            let Some(variation) = index(target, "variation") else { continue };
            let when = key.texts(list(target, "values").iter().filter_map(Value::as_str), false);
            flag.rules.push(Rule::new(path, when, Outcome::Given(variation)));
        }
        Ok(())
    }

    fn outcome(
        &self,
        key: &str,
        flag: &Value,
        rule: &Value,
        path: &str,
        experiment: &mut bool,
    ) -> Result<Outcome, Refusal> {
        let known = |variation: usize| {
            (variation < list(flag, "variations").len()).then_some(variation).ok_or_else(|| {
                Refusal::new(path, format!("there is no variation {variation}"), "correct the flag in the old tool")
            })
        };
        if let Some(variation) = index(rule, "variation") {
            return Ok(Outcome::Given(known(variation)?));
        }
        let Some(rollout) = rule.get("rollout") else {
            return Err(Refusal::new(
                path,
                "it has neither a variation nor a rollout",
                "correct the flag in the old tool",
            ));
        };
        let path = format!("{path}.rollout");
        let kind = text(rollout, "contextKind");
        if !matches!(kind, "" | "user") {
            return Err(kinds(&path, kind));
        }
        let is_experiment = text(rollout, "kind") == "experiment";
        *experiment |= is_experiment;
        let by = if is_experiment || !says(rollout, "bucketBy") { "key" } else { text(rollout, "bucketBy") };
        let unit = self.context.unit(&format!("{path}.bucketBy"), by.trim_start_matches('/'))?;
        let seed = rollout.get("seed").and_then(Value::as_i64).filter(|seed| *seed != 0);
        let salt = seed.map_or_else(|| format!("{key}.{}", text(flag, "salt")), |seed| seed.to_string());
        let all = list(rollout, "variations");
        let mut sum = 0.0;
        let mut ranges = Vec::new();
        for (place, weighted) in all.iter().enumerate() {
            let from = f64::min(sum, 1.0);
            sum += float(weighted, "weight").unwrap_or(0.0) / 100_000.0;
            // why: a bucket beyond the last bound is the last variation's
            let to = if place + 1 == all.len() { 1.0 } else { f64::min(sum, 1.0) };
            let variation = known(index(weighted, "variation").unwrap_or(usize::MAX - 1))?;
            ranges.push((variation, vec![(from, to)]));
        }
        if ranges.is_empty() {
            return Err(Refusal::new(path, "the rollout has no variations", "correct the flag in the old tool"));
        }
        ranges.retain(|(_, own)| own.iter().any(|(from, to)| from < to));
        if let [(variation, own)] = ranges.as_slice()
            && own.as_slice() == [(0.0, 1.0)]
        {
            return Ok(Outcome::Given(*variation));
        }
        // why: two entries of one variation are one variant here
        let mut merged: Vec<(usize, Vec<(f64, f64)>)> = Vec::new();
        for (variation, own) in ranges {
            match merged.iter_mut().find(|(known, _)| *known == variation) {
                Some((_, ranges)) => ranges.extend(own),
                None => merged.push((variation, own)),
            }
        }
        merged.sort_by_key(|(variation, _)| *variation);
        let recipe = Recipe::new("launchdarkly", salt, 1);
        Ok(Outcome::Split(Split {
            unit,
            gates: Vec::new(),
            recipe,
            ranges: merged,
            falls: Falls::Nobody,
            coverage: false,
        }))
    }

    fn clause(&self, clause: &Value, path: &str, depth: usize) -> Result<Cond, Refusal> {
        let negate = truth(clause, "negate");
        let values = list(clause, "values");
        let turned = |cond: Cond| if negate { cond.negated() } else { cond };
        if text(clause, "op") == "segmentMatch" {
            let any = values.iter().filter_map(Value::as_str).map(|key| self.segment(key, path, depth + 1));
            return Ok(turned(Cond::any(any.collect::<Result<Vec<_>, _>>()?)));
        }
        let kind = text(clause, "contextKind");
        if !matches!(kind, "" | "user") {
            return Err(kinds(path, kind));
        }
        let name = text(clause, "attribute").trim_start_matches('/');
        if name == "kind" {
            return Err(kinds(path, "kind"));
        }
        let attribute = self.context.attribute(path, name)?;
        let any = values.iter().map(|value| operator(attribute, text(clause, "op"), value, path));
        let any = Cond::any(any.collect::<Result<Vec<_>, _>>()?);
        Ok(if negate { attribute.exists().and(any.negated()) } else { any })
    }

    fn segment(&self, key: &str, path: &str, depth: usize) -> Result<Cond, Refusal> {
        let Some(segment) = self.payload.get("segments").and_then(|segments| segments.get(key)) else {
            return Ok(Cond::Never);
        };
        let path = format!("{path} → segments.{key}");
        if depth > DEEPEST {
            return Err(Refusal::new(path, "its segments name each other in a circle", "break the circle"));
        }
        if truth(segment, "unbounded") {
            return Err(Refusal::new(
                path,
                "it is a big segment, whose members are not in the payload",
                "list its members in a segment, or keep the flag with the old tool",
            ));
        }
        for field in ["includedContexts", "excludedContexts"] {
            let other =
                list(segment, field).iter().find(|kinds| text(kinds, "contextKind") != "user" && says(kinds, "values"));
            if let Some(other) = other {
                return Err(kinds(&format!("{path}.{field}"), text(other, "contextKind")));
            }
        }
        let unit = self.context.attribute(&path, "key")?;
        let members = |field: &str| {
            let contexts = list(segment, &format!("{field}Contexts")).iter().flat_map(|kinds| list(kinds, "values"));
            let all: Vec<&str> = list(segment, field).iter().chain(contexts).filter_map(Value::as_str).collect();
            unit.texts(all, false)
        };
        let mut rules = Vec::new();
        for (place, rule) in list(segment, "rules").iter().enumerate() {
            let path = format!("{path}.rules[{place}]");
            if rule.get("weight").is_some_and(|weight| !weight.is_null()) {
                return Err(Refusal::new(
                    path,
                    "a rule of the segment takes a percentage",
                    "put the percentage into the flag's own rollout",
                ));
            }
            let clauses = list(rule, "clauses").iter().enumerate();
            let clauses =
                clauses.map(|(place, clause)| self.clause(clause, &format!("{path}.clauses[{place}]"), depth));
            rules.push(Cond::all(clauses.collect::<Result<Vec<_>, _>>()?));
        }
        Ok(members("included").or(members("excluded").negated().and(Cond::any(rules))))
    }
}

fn operator(attribute: &Attribute, op: &str, value: &Value, path: &str) -> Result<Cond, Refusal> {
    let is_text = matches!(attribute.kind, Type::String | Type::Semver);
    let relation = match op {
        "lessThan" => "$lt",
        "lessThanOrEqual" => "$lte",
        "greaterThan" => "$gt",
        "greaterThanOrEqual" => "$gte",
        "semVerEqual" => "$veq",
        "semVerLessThan" => "$vlt",
        "semVerGreaterThan" => "$vgt",
        _ => "",
    };
    Ok(match (op, value) {
        ("in", Value::String(value)) if is_text => attribute.texts([value.as_str()], false),
        ("in", Value::Number(value)) if attribute.kind == Type::Number => attribute.numbers(value.as_f64()),
        ("in", Value::Bool(value)) if attribute.kind == Type::Boolean => attribute.truth(*value),
        ("in", Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null) => Cond::Never,
        ("startsWith", Value::String(value)) if is_text => attribute.starts_with(value, false),
        ("endsWith", Value::String(value)) if is_text => attribute.ends_with(value, false),
        ("contains", Value::String(value)) if is_text => attribute.contains(value, false),
        ("matches", Value::String(value)) if is_text => {
            attribute.matches(value).map_err(|reason| Refusal::new(path, reason, "write the pattern without that"))?
        }
        ("startsWith" | "endsWith" | "contains" | "matches", _) => Cond::Never,
        ("lessThan" | "lessThanOrEqual" | "greaterThan" | "greaterThanOrEqual", Value::Number(value))
            if attribute.kind == Type::Number =>
        {
            attribute.compared(relation, value.as_f64().unwrap_or_default())
        }
        ("lessThan" | "lessThanOrEqual" | "greaterThan" | "greaterThanOrEqual", _) => Cond::Never,
        ("semVerEqual" | "semVerLessThan" | "semVerGreaterThan", Value::String(value)) if is_text => attribute
            .version(relation, value)
            .map_err(|reason| Refusal::new(path, reason, "compare with a plain version"))?,
        ("before" | "after", _) => {
            return Err(Refusal::new(
                path,
                "it compares dates",
                "end the rule, or write `starts_at` and `ends_at` by hand",
            ));
        }
        _ => {
            return Err(Refusal::new(
                path,
                format!("the operator `{op}` is not known for this value"),
                "write the rule with another operator",
            ));
        }
    })
}

fn kinds(path: &str, kind: &str) -> Refusal {
    Refusal::new(
        path,
        format!("it is about contexts of the kind `{kind}`, and here a unit is one visitor, user or session"),
        "target users, or keep the flag with the old tool",
    )
}

fn index(value: &Value, name: &str) -> Option<usize> {
    value.get(name)?.as_u64().and_then(|number| usize::try_from(number).ok())
}
