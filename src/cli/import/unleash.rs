//! Unleash: features whose strategies are alternatives, and variants.
//!
//! A constraint on a value that is missing is false, and what is inverted is then true.

use super::attribute::Attribute;
use super::cond::Cond;
use super::flag::{Falls, Flag, Gate, Outcome, Ranges, Recipe, Refusal, Requirement, Rule, Split, Variant};
use super::payload::{float, list, says, text, truth};
use super::{Context, Read};
use serde_json::{Value, json};

/// The seed of variants of SDKs since autumn 2023.
pub(super) const SEED: u32 = 86_028_157;

pub(super) fn read(payload: &Value, context: &Context) -> Vec<Read> {
    let reader = Reader { payload, context };
    let features = list(payload, "features").iter().enumerate();
    features
        .map(|(index, feature)| {
            let path = format!("features[{index}]");
            (text(feature, "name").to_owned(), path.clone(), reader.flag(feature, &path))
        })
        .collect()
}

struct Reader<'a> {
    payload: &'a Value,
    context: &'a Context,
}

impl Reader<'_> {
    fn flag(&self, feature: &Value, path: &str) -> Result<Flag, Refusal> {
        let name = text(feature, "name");
        let mut flag = Flag { key: name.to_owned(), path: path.to_owned(), ..Flag::default() };
        flag.fields.insert("status".to_owned(), json!("running"));
        let strategies = list(feature, "strategies");
        let with_variants = says(feature, "variants") || strategies.iter().any(|strategy| says(strategy, "variants"));
        flag.fields.insert("kind".to_owned(), json!(if with_variants { "experiment" } else { "release" }));
        if !with_variants {
            flag.variants = vec![Variant::new("false"), Variant::new("true")];
        }
        self.dependencies(feature, path, &mut flag)?;
        if !truth(feature, "enabled") {
            flag.rules.push(Rule::new(path, Cond::Always, Outcome::Nobody));
            flag.note = "it is disabled".to_owned();
        } else if strategies.is_empty() {
            self.given(feature, feature, name, &[], Cond::Always, path, &mut flag)?;
        } else {
            for (index, strategy) in strategies.iter().enumerate() {
                let path = format!("{path}.strategies[{index}]");
                let (when, gates) = self.strategy(strategy, name, &path)?;
                if gates.iter().any(|gate| gate.within.is_empty()) {
                    continue;
                }
                let (of, group) = if says(strategy, "variants") {
                    let group =
                        strategy.pointer("/parameters/groupId").and_then(Value::as_str).filter(|id| !id.is_empty());
                    (strategy, group.unwrap_or(name))
                } else {
                    (feature, name)
                };
                self.given(feature, of, group, &gates, when, &path, &mut flag)?;
            }
        }
        if flag.variants.is_empty() {
            flag.variants.push(Variant::new("disabled"));
        }
        if flag.rules.is_empty() {
            flag.rules.push(Rule::new(path, Cond::Always, Outcome::Nobody));
        }
        if with_variants && self.context.variant_seed == SEED {
            flag.note = "for SDKs before autumn 2023 (Node before 5, Java before 9) say --variant-seed 0".to_owned();
        }
        Ok(flag)
    }

    fn dependencies(&self, feature: &Value, path: &str, flag: &mut Flag) -> Result<(), Refusal> {
        for (index, parent) in list(feature, "dependencies").iter().enumerate() {
            let path = format!("{path}.dependencies[{index}]");
            if parent.get("enabled") == Some(&Value::Bool(false)) {
                return Err(Refusal::new(path, "it asks that another feature is disabled", "end that feature first"));
            }
            let name = text(parent, "feature");
            let variants = list(parent, "variants");
            let known = list(self.payload, "features").iter().find(|feature| text(feature, "name") == name);
            let has_variants = known.is_some_and(|known| {
                says(known, "variants") || list(known, "strategies").iter().any(|one| says(one, "variants"))
            });
            let variant = match (variants, has_variants) {
                ([Value::String(one)], _) => one.clone(),
                ([], false) => "true".to_owned(),
                _ => {
                    return Err(Refusal::new(
                        path,
                        "it asks for one of several variants of another feature",
                        "ask for one",
                    ));
                }
            };
            flag.requires.push(Requirement { path, flag: name.to_owned(), variant });
        }
        Ok(())
    }

    /// What a strategy that holds gives: the variants, or that the feature is on.
    #[allow(clippy::too_many_arguments)]
    fn given(
        &self,
        feature: &Value,
        of: &Value,
        group: &str,
        gates: &[Gate],
        when: Cond,
        path: &str,
        flag: &mut Flag,
    ) -> Result<(), Refusal> {
        let variants = list(of, "variants");
        let fixed = |variant: usize| match gates {
            [] => Ok(Outcome::Given(variant)),
            [gate] => {
                let unit = self.stickiness(feature, path, gate_unit(of, feature))?;
                Ok(Outcome::Split(Split {
                    unit,
                    gates: Vec::new(),
                    recipe: gate.recipe.clone(),
                    ranges: vec![(variant, gate.within.clone())],
                    falls: Falls::All,
                    coverage: false,
                }))
            }
            _ => Err(Refusal::new(path, "it has several rollouts", "use one")),
        };
        if variants.is_empty() {
            flag.rules.push(Rule::new(path, when, fixed(1)?));
            return Ok(());
        }
        let first = flag.variants.len();
        for variant in variants {
            let payload = variant.pointer("/payload/value").and_then(Value::as_str);
            let payload = match (payload, variant.pointer("/payload/type").and_then(Value::as_str)) {
                (Some(text), Some("json" | "number")) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
                (Some(text), _) => json!(text),
                (None, _) => Value::Null,
            };
            let payload = if payload.is_array() { Value::Null } else { payload };
            flag.variants.push(Variant::with_payload(text(variant, "name"), &payload));
        }
        for (index, variant) in variants.iter().enumerate() {
            for (place, forced) in list(variant, "overrides").iter().enumerate() {
                let path = format!("{path}.variants[{index}].overrides[{place}]");
                let attribute = self.context.attribute(&path, text(forced, "contextName"))?;
                let who = attribute.texts(list(forced, "values").iter().filter_map(Value::as_str), false);
                flag.rules.push(Rule::new(path, when.clone().and(who), fixed(first + index)?));
            }
        }
        let stickiness = variants.first().map_or("", |variant| text(variant, "stickiness"));
        let unit = self.stickiness(of, path, stickiness)?;
        let weight = |variant: &Value| float(variant, "weight").unwrap_or(0.0).max(0.0);
        let sum: f64 = variants.iter().map(weight).sum();
        if sum <= 0.0 {
            return Err(Refusal::new(path, "its variants have no weight", "give them weights"));
        }
        let mut from = 0.0;
        let ranges: Vec<(usize, Ranges)> = variants
            .iter()
            .enumerate()
            .map(|(index, variant)| {
                let to = from + weight(variant);
                let own = if from < to { vec![(from, to)] } else { Vec::new() };
                from = to;
                (first + index, own)
            })
            .collect();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let recipe =
            Recipe { seed: Some(i64::from(self.context.variant_seed)), ..Recipe::new("unleash", group, sum as u32) };
        if let Some(gate) = gates.first()
            && self.stickiness(of, path, gate_unit(of, feature))? != unit
        {
            return Err(Refusal::new(
                path,
                format!("its rollout ({}) and its variants stick to different units", gate.recipe.salt),
                "let them stick to one",
            ));
        }
        let split = Split { unit, gates: gates.to_vec(), recipe, ranges, falls: Falls::Gates, coverage: false };
        flag.rules.push(Rule::new(path, when, Outcome::Split(split)));
        Ok(())
    }

    /// The unit that a stickiness is.
    fn stickiness(&self, _of: &Value, path: &str, name: &str) -> Result<&'static str, Refusal> {
        match name {
            "random" => {
                Err(Refusal::new(path, "it is random, so nobody has a variant to keep", "choose a stickiness first"))
            }
            "" | "default" => self.context.unit(path, "userId"),
            name => self.context.unit(path, name),
        }
    }

    fn strategy(&self, strategy: &Value, feature: &str, path: &str) -> Result<(Cond, Vec<Gate>), Refusal> {
        let mut conds = Vec::new();
        for (index, constraint) in list(strategy, "constraints").iter().enumerate() {
            conds.push(self.constraint(constraint, &format!("{path}.constraints[{index}]"))?);
        }
        for wanted in list(strategy, "segments") {
            let segment = list(self.payload, "segments").iter().find(|segment| segment.get("id") == Some(wanted));
            match segment {
                None => conds.push(Cond::Never),
                Some(segment) => {
                    for (index, constraint) in list(segment, "constraints").iter().enumerate() {
                        conds.push(
                            self.constraint(constraint, &format!("{path} → segment {wanted}.constraints[{index}]"))?,
                        );
                    }
                }
            }
        }
        let parameter = |name: &str| match strategy.pointer(&format!("/parameters/{name}")) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        let group = || if parameter("groupId").is_empty() { feature.to_owned() } else { parameter("groupId") };
        let rollout = |percentage: String| {
            let percentage: f64 = percentage.trim().parse().unwrap_or(0.0);
            // why: their buckets count from 1, and the percentage is among them
            let within = super::flag::runs(100, |bucket| f64::from(bucket) + 1.0 <= percentage);
            (percentage < 100.0)
                .then(|| Gate { recipe: Recipe { seed: Some(0), ..Recipe::new("unleash", group(), 100) }, within })
        };
        let mut gates = Vec::new();
        match text(strategy, "name") {
            "default" => {}
            "userWithId" => {
                let ids = parameter("userIds");
                let attribute = self.context.attribute(path, "userId")?;
                conds.push(attribute.texts(ids.split(',').map(str::trim).filter(|id| !id.is_empty()), false));
            }
            "flexibleRollout" => {
                self.stickiness(strategy, path, &parameter("stickiness"))?;
                gates.extend(rollout(parameter("rollout")));
            }
            "gradualRolloutUserId" => {
                self.stickiness(strategy, path, "userId")?;
                gates.extend(rollout(parameter("percentage")));
            }
            "gradualRolloutSessionId" => {
                self.stickiness(strategy, path, "sessionId")?;
                gates.extend(rollout(parameter("percentage")));
            }
            "gradualRolloutRandom" => {
                return Err(Refusal::new(
                    path,
                    "it is random, so nobody has a variant to keep",
                    "choose a stickiness first",
                ));
            }
            other => {
                return Err(Refusal::new(
                    path,
                    format!("the strategy `{other}` asks for what the edge does not know"),
                    "use flexibleRollout with constraints",
                ));
            }
        }
        Ok((Cond::all(conds), gates))
    }

    fn constraint(&self, constraint: &Value, path: &str) -> Result<Cond, Refusal> {
        let operator = text(constraint, "operator");
        let refused = match operator {
            "DATE_AFTER" | "DATE_BEFORE" => Some("it compares dates"),
            "IN_CIDR" => Some("it asks for a network of addresses"),
            _ if matches!(text(constraint, "contextName"), "currentTime" | "remoteAddress") => {
                Some("it asks for the time or the address")
            }
            _ => None,
        };
        if let Some(reason) = refused {
            return Err(Refusal::new(path, reason, "end the constraint, or write `starts_at` and `ends_at` by hand"));
        }
        let attribute = self.context.attribute(path, text(constraint, "contextName"))?;
        let cond = operand(attribute, operator, constraint, path)?;
        Ok(if truth(constraint, "inverted") { cond.negated() } else { cond })
    }
}

fn gate_unit<'a>(of: &'a Value, feature: &'a Value) -> &'a str {
    let own = |value: &'a Value| value.pointer("/parameters/stickiness").and_then(Value::as_str);
    own(of).or_else(|| list(feature, "strategies").iter().find_map(own)).unwrap_or_default()
}

fn operand(attribute: &Attribute, operator: &str, constraint: &Value, path: &str) -> Result<Cond, Refusal> {
    let values: Vec<&str> = list(constraint, "values").iter().filter_map(Value::as_str).collect();
    let folded = truth(constraint, "caseInsensitive");
    let each = |make: &dyn Fn(&str) -> Cond| Cond::any(values.iter().map(|value| make(value)));
    let value = text(constraint, "value");
    let number =
        || value.trim().parse::<f64>().map_err(|_| Refusal::new(path, "it compares with no number", "write a number"));
    let version = |relation: &str| {
        attribute.version(relation, value).map_err(|reason| Refusal::new(path, reason, "compare with a plain version"))
    };
    Ok(match operator {
        "IN" => attribute.texts(values.iter().copied(), false),
        "NOT_IN" => attribute.texts(values.iter().copied(), false).negated(),
        "STR_STARTS_WITH" => each(&|value| attribute.starts_with(value, folded)),
        "STR_ENDS_WITH" => each(&|value| attribute.ends_with(value, folded)),
        "STR_CONTAINS" => each(&|value| attribute.contains(value, folded)),
        "NUM_EQ" => attribute.numbers([number()?]),
        "NUM_GT" => attribute.compared("$gt", number()?),
        "NUM_GTE" => attribute.compared("$gte", number()?),
        "NUM_LT" => attribute.compared("$lt", number()?),
        "NUM_LTE" => attribute.compared("$lte", number()?),
        "SEMVER_EQ" => version("$veq")?,
        "SEMVER_GT" => version("$vgt")?,
        "SEMVER_GTE" => version("$vgte")?,
        "SEMVER_LT" => version("$vlt")?,
        "SEMVER_LTE" => version("$vlte")?,
        "REGEX" => {
            attribute.matches(value).map_err(|reason| Refusal::new(path, reason, "write the pattern without that"))?
        }
        other => {
            return Err(Refusal::new(
                path,
                format!("the operator `{other}` is not known"),
                "write the constraint with another operator",
            ));
        }
    })
}
