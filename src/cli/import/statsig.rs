//! Statsig: gates and experiments, whose rules have conditions, a bucket of 1,000 and a pass percentage of 10,000.
//!
//! `any` of an attribute that is missing is false, `none` is true.

use super::attribute::{Attribute, Type};
use super::cond::Cond;
use super::flag::{
    Falls, Flag, Gate, NOBODY, Outcome, Ranges, Recipe, Refusal, Rule, Split, Variant, complement, runs,
};
use super::payload::{float, list, text};
use super::{Context, Read};
use serde_json::{Value, json};

/// How deep gates may ask gates.
const DEEPEST: usize = 8;

pub(super) fn read(payload: &Value, context: &Context) -> Vec<Read> {
    let reader = Reader { payload, context };
    let mut all = Vec::new();
    for (field, of) in [("feature_gates", "gate"), ("dynamic_configs", "config")] {
        if payload.get(field).is_some_and(Value::is_object) {
            let refusal = Refusal::new(
                field,
                "it is a payload of version 2, with a map of conditions",
                "download https://statsigapi.net/v1/download_config_specs",
            );
            all.push((field.to_owned(), field.to_owned(), Err(refusal)));
            continue;
        }
        for (index, spec) in list(payload, field).iter().enumerate() {
            // why: segments and holdouts assign nothing, others ask them
            if matches!(text(spec, "entity"), "segment" | "holdout") {
                continue;
            }
            let path = format!("{field}[{index}]");
            let flag = reader.flag(spec, &path, of == "gate");
            all.push((text(spec, "name").to_owned(), path, flag));
        }
    }
    all
}

struct Reader<'a> {
    payload: &'a Value,
    context: &'a Context,
}

/// What a rule's conditions come to.
#[derive(Default)]
struct When {
    conds: Vec<Cond>,
    gates: Vec<Gate>,
}

impl Reader<'_> {
    fn flag(&self, spec: &Value, path: &str, is_gate: bool) -> Result<Flag, Refusal> {
        let mut flag = Flag { key: text(spec, "name").to_owned(), path: path.to_owned(), ..Flag::default() };
        if text(spec, "entity") == "autotune" {
            return Err(Refusal::new(
                path,
                "it is an autotune, whose weights follow the results",
                "end it, or start a new experiment here",
            ));
        }
        let default = spec.get("defaultValue").unwrap_or(&Value::Null);
        flag.fields.insert("status".to_owned(), json!("running"));
        let experiment = text(spec, "entity") == "experiment";
        flag.fields.insert("kind".to_owned(), json!(if experiment { "experiment" } else { "release" }));
        flag.variants.push(if is_gate { Variant::new("false") } else { Variant::with_payload("default", default) });
        if is_gate {
            flag.variants.push(Variant::new("true"));
        }
        if spec.get("enabled") == Some(&Value::Bool(false)) {
            flag.rules.push(Rule::new(path, Cond::Always, Outcome::Nobody));
            flag.note = "it is disabled".to_owned();
            return Ok(flag);
        }
        for (index, rule) in list(spec, "rules").iter().enumerate() {
            let path = format!("{path}.rules[{index}]");
            if rule.get("configDelegate").is_some_and(|delegate| !delegate.is_null()) {
                return Err(Refusal::new(path, "it hands over to another configuration", "import that one"));
            }
            let variant = self.variant(&mut flag, rule, is_gate, experiment, default);
            let unit_type = if text(rule, "idType").is_empty() { text(spec, "idType") } else { text(rule, "idType") };
            let mut when = When::default();
            for (index, condition) in list(rule, "conditions").iter().enumerate() {
                self.condition(condition, &format!("{path}.conditions[{index}]"), 0, &mut when)?;
            }
            flag.rules.extend(self.outcomes(spec, rule, &path, unit_type, variant, when)?);
        }
        Ok(flag)
    }

    /// The variant of a rule's value.
    fn variant(&self, flag: &mut Flag, rule: &Value, is_gate: bool, is_experiment: bool, default: &Value) -> usize {
        let value = rule.get("returnValue").unwrap_or(&Value::Null);
        if is_gate {
            return if value == &Value::Bool(true) { 1 } else { NOBODY };
        }
        let group =
            [text(rule, "groupName"), text(rule, "id"), text(rule, "name")].into_iter().find(|name| !name.is_empty());
        // why: older payloads do not say which rules are groups; those have a bucket below a bound
        let by_bucket = list(rule, "conditions").iter().any(|condition| {
            text(condition, "type").eq_ignore_ascii_case("user_bucket")
                && text(condition, "operator").eq_ignore_ascii_case("lt")
        });
        let is_group = rule.get("isExperimentGroup") == Some(&Value::Bool(true))
            || !text(rule, "groupName").is_empty()
            || by_bucket;
        if !is_group && (value == default || is_experiment) {
            return NOBODY;
        }
        let named = group.unwrap_or("group").to_owned();
        if let Some(known) = flag
            .variants
            .iter()
            .position(|variant| variant.key == named && variant.fields.get("payload") == Some(value))
        {
            return known;
        }
        flag.variants.push(Variant::with_payload(named, value));
        flag.variants.len() - 1
    }

    fn outcomes(
        &self,
        spec: &Value,
        rule: &Value,
        path: &str,
        unit_type: &str,
        variant: usize,
        when: When,
    ) -> Result<Vec<Rule>, Refusal> {
        let cond = Cond::all(when.conds);
        let percentage = float(rule, "passPercentage").unwrap_or(100.0);
        let salt = if text(rule, "salt").is_empty() { text(rule, "id") } else { text(rule, "salt") };
        let pass = Recipe::new("statsig", format!("{}.{salt}", text(spec, "salt")), 10_000);
        let within = runs(10_000, |bucket| f64::from(bucket) < percentage * 100.0);
        let all = within.as_slice() == [(0.0, 10_000.0)];
        let variant = if within.is_empty() { NOBODY } else { variant };
        if when.gates.is_empty() && (all || variant == NOBODY) {
            let outcome = if variant == NOBODY { Outcome::Nobody } else { Outcome::Given(variant) };
            return Ok(vec![Rule::new(path, cond, outcome)]);
        }
        let unit = self.context.unit(&format!("{path}.idType"), unit_name(unit_type))?;
        // why: with a bucket alone the bucket is the split; with a percentage besides the bucket is a gate before it
        let (gates, recipe, ranges, falls) = match when.gates.split_last() {
            Some((last, gates)) if all || variant == NOBODY => {
                (gates.to_vec(), last.recipe.clone(), vec![(variant, last.within.clone())], Falls::All)
            }
            _ => (when.gates, pass, vec![(variant, within)], Falls::Gates),
        };
        let split = Split { unit, gates, recipe, ranges, falls, coverage: variant == NOBODY };
        Ok(vec![Rule::new(path, cond, Outcome::Split(split))])
    }

    fn condition(&self, condition: &Value, path: &str, depth: usize, when: &mut When) -> Result<(), Refusal> {
        let operator = text(condition, "operator").to_ascii_lowercase();
        let target = condition.get("targetValue").unwrap_or(&Value::Null);
        match text(condition, "type").to_ascii_lowercase().as_str() {
            "public" => {}
            "user_bucket" => {
                let salt = condition
                    .pointer("/additionalValues/salt")
                    .map(|salt| salt.as_str().map_or_else(|| salt.to_string(), str::to_owned));
                let within = buckets(&operator, target).ok_or_else(|| {
                    Refusal::new(
                        path,
                        format!("the operator `{operator}` of its bucket is not known"),
                        "keep it with the old tool",
                    )
                })?;
                when.gates.push(Gate { recipe: Recipe::new("statsig", salt.unwrap_or_default(), 1_000), within });
            }
            kind @ ("pass_gate" | "fail_gate") => {
                let name = target.as_str().unwrap_or_default();
                let (cond, gate) = self.gate(name, path, depth + 1)?;
                match (kind == "pass_gate", gate) {
                    (true, gate) => {
                        when.conds.push(cond);
                        when.gates.extend(gate);
                    }
                    (false, None) => when.conds.push(cond.negated()),
                    (false, Some(gate)) if cond == Cond::Always => {
                        let within = complement(&gate.within, gate.recipe.of);
                        when.gates.push(Gate { within, ..gate });
                    }
                    (false, Some(_)) => return Err(nested(path, name)),
                }
            }
            "user_field" | "ip_based" | "environment_field" => {
                let name = text(condition, "field");
                let attribute = self.context.attribute(path, name)?;
                when.conds.push(field(attribute, &operator, target, path)?);
            }
            "unit_id" => {
                let attribute = self.context.attribute(path, unit_name(text(condition, "idType")))?;
                when.conds.push(field(attribute, &operator, target, path)?);
            }
            "ua_based" => {
                return Err(Refusal::new(
                    path,
                    "it asks what the user agent says, as its own parser reads it",
                    "map it to `device`, `os` or `browser` in a rule of your own",
                ));
            }
            "current_time" => {
                return Err(Refusal::new(path, "it asks for the time", "write `starts_at` and `ends_at` by hand"));
            }
            other => {
                return Err(Refusal::new(
                    path,
                    format!("conditions of the type `{other}` are not known"),
                    "keep it with the old tool",
                ));
            }
        }
        Ok(())
    }

    /// When a gate is open: a condition, and perhaps a share of a hash.
    fn gate(&self, name: &str, path: &str, depth: usize) -> Result<(Cond, Option<Gate>), Refusal> {
        let Some(spec) = list(self.payload, "feature_gates").iter().find(|spec| text(spec, "name") == name) else {
            return Ok((Cond::Never, None));
        };
        let path = format!("{path} → {name}");
        if depth > DEEPEST {
            return Err(Refusal::new(path, "its gates ask each other in a circle", "break the circle"));
        }
        if spec.get("enabled") == Some(&Value::Bool(false)) {
            return Ok((Cond::Never, None));
        }
        let rules = list(spec, "rules");
        let (mut open, mut before) = (Vec::new(), Vec::new());
        for (index, rule) in rules.iter().enumerate() {
            let path = format!("{path}.rules[{index}]");
            let mut when = When::default();
            for (index, condition) in list(rule, "conditions").iter().enumerate() {
                self.condition(condition, &format!("{path}.conditions[{index}]"), depth, &mut when)?;
            }
            let cond = Cond::all(when.conds);
            let percentage = float(rule, "passPercentage").unwrap_or(100.0);
            let gives = rule.get("returnValue") == Some(&Value::Bool(true));
            if !when.gates.is_empty() || (gives && percentage > 0.0 && percentage < 100.0) {
                // why: a share can be a gate only where nothing else of the flag opens or closes it
                let unit_type =
                    if text(rule, "idType").is_empty() { text(spec, "idType") } else { text(rule, "idType") };
                let main = self.context.unit(&path, unit_name(unit_type));
                if rules.len() != 1 || !when.gates.is_empty() || main.is_err() {
                    return Err(nested(&path, name));
                }
                let salt = if text(rule, "salt").is_empty() { text(rule, "id") } else { text(rule, "salt") };
                let recipe = Recipe::new("statsig", format!("{}.{salt}", text(spec, "salt")), 10_000);
                let within = runs(10_000, |bucket| f64::from(bucket) < percentage * 100.0);
                return Ok((cond, Some(Gate { recipe, within })));
            }
            if gives && percentage >= 100.0 {
                open.push(Cond::all([cond.clone()].into_iter().chain(before.iter().cloned())));
            }
            before.push(cond.negated());
        }
        Ok((Cond::any(open), None))
    }
}

fn nested(path: &str, name: &str) -> Refusal {
    Refusal::new(
        path,
        format!("a percentage of `{name}` is one of several ways in or out"),
        "put the percentage into this flag's own rules",
    )
}

/// The name of an attribute for a type of ids, which are written in several cases.
fn unit_name(kind: &str) -> &str {
    if kind.is_empty() || kind.eq_ignore_ascii_case("userid") { "userID" } else { kind }
}

fn buckets(operator: &str, target: &Value) -> Option<Ranges> {
    let bound = target.as_f64().or_else(|| target.as_str()?.parse().ok());
    let listed = || -> Vec<f64> {
        let all = target.as_array().into_iter().flatten();
        all.filter_map(|value| value.as_f64().or_else(|| value.as_str()?.parse().ok())).collect()
    };
    Some(match operator {
        "lt" => runs(1_000, |bucket| bound.is_some_and(|bound| f64::from(bucket) < bound)),
        "lte" => runs(1_000, |bucket| bound.is_some_and(|bound| f64::from(bucket) <= bound)),
        "gt" => runs(1_000, |bucket| bound.is_some_and(|bound| f64::from(bucket) > bound)),
        "gte" => runs(1_000, |bucket| bound.is_some_and(|bound| f64::from(bucket) >= bound)),
        "any" => {
            let listed = listed();
            runs(1_000, |bucket| listed.contains(&f64::from(bucket)))
        }
        "none" => {
            let listed = listed();
            runs(1_000, |bucket| !listed.contains(&f64::from(bucket)))
        }
        _ => return None,
    })
}

fn field(attribute: &Attribute, operator: &str, target: &Value, path: &str) -> Result<Cond, Refusal> {
    let texts: Vec<String> = match target {
        Value::Array(all) => all.iter().map(plain).collect(),
        one => vec![plain(one)],
    };
    let any = |folded: bool| attribute.texts(texts.iter().map(String::as_str), folded);
    let each = |make: &dyn Fn(&str) -> Cond| Cond::any(texts.iter().map(|text| make(text)));
    let number = target.as_f64().or_else(|| target.as_str()?.trim().parse().ok());
    let relation = match operator {
        "gt" => "$gt",
        "gte" => "$gte",
        "lt" => "$lt",
        _ => "$lte",
    };
    Ok(match operator {
        "any" => any(true),
        "none" => any(true).negated(),
        "any_case_sensitive" => any(false),
        "none_case_sensitive" => any(false).negated(),
        "str_starts_with_any" => each(&|text| attribute.starts_with(text, true)),
        "str_ends_with_any" => each(&|text| attribute.ends_with(text, true)),
        "str_contains_any" => each(&|text| attribute.contains(text, true)),
        "str_contains_none" => each(&|text| attribute.contains(text, true)).negated(),
        "str_matches" => attribute
            .matches(target.as_str().unwrap_or_default())
            .map_err(|reason| Refusal::new(path, reason, "write the pattern without that"))?,
        "gt" | "gte" | "lt" | "lte" => match number {
            Some(number) => attribute.compared(relation, number),
            None => Cond::Never,
        },
        "eq" | "neq" => {
            let same = match target {
                Value::Null => attribute.exists().negated(),
                Value::Bool(truth) if attribute.kind == Type::Boolean => attribute.truth(*truth),
                Value::Number(number) if attribute.kind == Type::Number => attribute.numbers(number.as_f64()),
                Value::String(text) if matches!(attribute.kind, Type::String | Type::Semver) => {
                    attribute.texts([text.as_str()], false)
                }
                _ => return Err(Refusal::new(path, "it compares values of two types", "write the rule with `any`")),
            };
            if operator == "eq" { same } else { same.negated() }
        }
        "in_segment_list" | "not_in_segment_list" => {
            return Err(Refusal::new(
                path,
                "the members of its ID list are not in the payload",
                "list them in the rule",
            ));
        }
        "before" | "after" | "on" => {
            return Err(Refusal::new(path, "it compares dates", "write `starts_at` and `ends_at` by hand"));
        }
        other => {
            return Err(Refusal::new(
                path,
                format!("the operator `{other}` is read differently here"),
                "write the rule with another operator",
            ));
        }
    })
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
