//! VWO Feature Experimentation: features whose rules are campaigns.

use super::attribute::{Attribute, Type};
use super::cond::Cond;
use super::flag::{Falls, Flag, Gate, Outcome, Ranges, Recipe, Refusal, Rule, Split, Variant, runs};
use super::payload::{float, list, says, text, truth};
use super::{Context, Read, Vendor};
use serde_json::{Map, Value, json};

pub(super) fn read(payload: &Value, context: &Context) -> Vec<Read> {
    let reader = Reader { payload, context };
    let features = list(payload, "features").iter().enumerate();
    features
        .map(|(index, feature)| {
            let path = format!("features[{index}]");
            (text(feature, "key").to_owned(), path.clone(), reader.flag(feature, &path))
        })
        .collect()
}

struct Reader<'a> {
    payload: &'a Value,
    context: &'a Context,
}

fn id(value: Option<&Value>) -> String {
    value.map_or_else(String::new, |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

impl Reader<'_> {
    fn flag(&self, feature: &Value, path: &str) -> Result<Flag, Refusal> {
        let mut flag = Flag { key: text(feature, "key").to_owned(), path: path.to_owned(), ..Flag::default() };
        flag.fields.insert("status".to_owned(), json!("running"));
        if says(self.payload, "holdoutGroups") || says(self.payload, "holdouts") {
            return Err(Refusal::new("holdoutGroups", "a holdout is running in the settings", "end the holdout first"));
        }
        let (mut rollouts, mut tests) = (Vec::new(), Vec::new());
        for (index, rule) in list(feature, "rules").iter().enumerate() {
            let path = format!("{path}.rules[{index}]");
            let wanted = id(rule.get("campaignId"));
            let Some(campaign) =
                list(self.payload, "campaigns").iter().find(|campaign| id(campaign.get("id")) == wanted)
            else {
                return Err(Refusal::new(path, "its campaign is not in the settings", "download them again"));
            };
            if text(rule, "type") == "FLAG_ROLLOUT" {
                rollouts.push((path, rule, campaign))
            } else {
                tests.push((path, rule, campaign))
            }
        }
        flag.fields.insert("kind".to_owned(), json!(if tests.is_empty() { "release" } else { "experiment" }));
        // why: who is in no rollout has the feature off, who is in one and in no test has the rollout's variation: three
        // outcomes, of which gates and one split can say two
        let everybody = |(path, _, campaign): &(String, &Value, &Value)| -> Result<bool, Refusal> {
            let weight =
                list(campaign, "variations").first().and_then(|variation| float(variation, "weight")).unwrap_or(0.0);
            Ok(weight >= 100.0 && self.segments(campaign, path)? == Cond::Always)
        };
        if !rollouts.is_empty() && !tests.is_empty() {
            let all = match rollouts.as_slice() {
                [one] => everybody(one)?,
                _ => false,
            };
            if !all {
                return Err(Refusal::new(
                    path,
                    "it rolls out to some and tests among them: off, rollout and test are three outcomes",
                    "roll out to everybody first, or end the rollout rule",
                ));
            }
        }
        for (path, rule, campaign) in tests {
            self.campaign(&path, rule, campaign, &mut flag, false)?;
        }
        for (path, rule, campaign) in rollouts {
            self.campaign(&path, rule, campaign, &mut flag, true)?;
        }
        if flag.variants.is_empty() {
            flag.variants.push(Variant::new("off"));
            flag.rules.push(Rule::new(path, Cond::Always, Outcome::Nobody));
        }
        Ok(flag)
    }

    fn campaign(
        &self,
        path: &str,
        rule: &Value,
        campaign: &Value,
        flag: &mut Flag,
        rollout: bool,
    ) -> Result<(), Refusal> {
        let number = id(campaign.get("id"));
        if self.payload.get("campaignGroups").is_some_and(|groups| groups.get(&number).is_some()) {
            return Err(Refusal::new(
                path,
                "it is in a mutually exclusive group, which chooses among the campaigns that a visitor is eligible for",
                "take it out of the group",
            ));
        }
        let unit = self.context.main_unit(Vendor::Vwo)?;
        let when = self.segments(campaign, path)?;
        let personal = rollout || text(rule, "type") == "FLAG_PERSONALIZE";
        let mut variations: Vec<&Value> = list(campaign, "variations").iter().collect();
        if text(rule, "type") == "FLAG_PERSONALIZE" {
            variations.retain(|variation| id(variation.get("id")) == id(rule.get("variationId")));
        }
        let first = flag.variants.len();
        for variation in &variations {
            let key = [text(variation, "key"), text(variation, "name")].into_iter().find(|name| !name.is_empty());
            let mut variant = Variant::new(key.map_or_else(|| id(variation.get("id")), str::to_owned));
            let variables = list(variation, "variables");
            if !variables.is_empty() {
                let named = variables
                    .iter()
                    .map(|one| (text(one, "key").to_owned(), one.get("value").cloned().unwrap_or(Value::Null)));
                variant.fields.insert("payload".to_owned(), Value::Object(named.collect::<Map<_, _>>()));
            }
            flag.variants.push(variant);
        }
        if truth(campaign, "isForcedVariationEnabled") {
            return Err(Refusal::new(
                path,
                "it has forced variations, which VWO splits again among who they are for",
                "turn the whitelist off",
            ));
        }
        let salt = |value: Option<&&Value>| {
            value.map(|value| text(value, "salt")).filter(|salt| !salt.is_empty()).map(str::to_owned)
        };
        let own = if personal { salt(variations.first()) } else { salt(Some(&campaign)) };
        let salt = own.unwrap_or_else(|| number.clone());
        let traffic = if personal {
            variations.first().and_then(|variation| float(variation, "weight"))
        } else {
            float(campaign, "percentTraffic")
        };
        let traffic = traffic.unwrap_or(0.0);
        // why: their buckets count from 1, and the percentage is among them
        let within = runs(100, |bucket| f64::from(bucket) + 1.0 <= traffic);
        let gate = Gate { recipe: Recipe::new("vwo", salt.clone(), 100), within };
        let outcome = if personal {
            if traffic >= 100.0 {
                Outcome::Given(first)
            } else {
                Outcome::Split(Split {
                    unit,
                    gates: Vec::new(),
                    recipe: gate.recipe,
                    ranges: vec![(first, gate.within)],
                    falls: Falls::All,
                    coverage: false,
                })
            }
        } else {
            let account = id(self.payload.get("accountId"));
            let recipe = Recipe::new("vwo", format!("{salt}_{account}"), 10_000);
            let gates = if traffic >= 100.0 { Vec::new() } else { vec![gate] };
            let ranges = shares(&variations, first);
            Outcome::Split(Split { unit, gates, recipe, ranges, falls: Falls::All, coverage: false })
        };
        flag.rules.push(Rule::new(path, when, outcome));
        Ok(())
    }

    fn segments(&self, campaign: &Value, path: &str) -> Result<Cond, Refusal> {
        let variations = list(campaign, "variations");
        let own = if matches!(text(campaign, "type"), "FLAG_ROLLOUT" | "FLAG_PERSONALIZE") {
            variations.first().and_then(|variation| variation.get("segments"))
        } else {
            campaign.get("segments")
        };
        match own {
            Some(segments) if segments.as_object().is_some_and(|segments| !segments.is_empty()) => {
                self.segment(segments, &format!("{path}.segments"))
            }
            _ => Ok(Cond::Always),
        }
    }

    fn segment(&self, value: &Value, path: &str) -> Result<Cond, Refusal> {
        let Some((word, operand)) = value.as_object().and_then(|members| members.iter().next()) else {
            return Ok(Cond::Always);
        };
        let path = format!("{path}.{word}");
        let each = || {
            let all = operand.as_array().into_iter().flatten().enumerate();
            all.map(|(index, part)| self.segment(part, &format!("{path}[{index}]"))).collect::<Result<Vec<_>, _>>()
        };
        match word.as_str() {
            "and" => Ok(Cond::all(each()?)),
            "or" => Ok(Cond::any(each()?)),
            "not" => Ok(self.segment(operand, &path)?.negated()),
            "custom_variable" => {
                let Some((name, operand)) = operand.as_object().and_then(|members| members.iter().next()) else {
                    return Ok(Cond::Never);
                };
                let attribute = self.context.attribute(&path, name)?;
                variable(attribute, &id(Some(operand)), &path)
            }
            "user" => {
                let attribute = self.context.attribute(&path, Vendor::Vwo.unit())?;
                let ids = id(Some(operand));
                Ok(attribute.texts(ids.split(',').map(str::trim), false))
            }
            _ => Err(Refusal::new(
                path,
                format!("it asks for `{word}`, which VWO's gateway answers"),
                "use a custom variable",
            )),
        }
    }
}

/// The variations' buckets: each takes as many as its weight in hundredths, rounded up.
fn shares(variations: &[&Value], first: usize) -> Vec<(usize, Ranges)> {
    let mut from = 0.0;
    let each = variations.iter().enumerate().map(|(index, variation)| {
        let step = (float(variation, "weight").unwrap_or(0.0) * 100.0).ceil().min(10_000.0);
        let to = f64::min(from + step, 10_000.0);
        let own = if from < to { vec![(from, to)] } else { Vec::new() };
        from += step;
        (first + index, own)
    });
    each.collect()
}

fn variable(attribute: &Attribute, operand: &str, path: &str) -> Result<Cond, Refusal> {
    let (word, inner) = match operand.split_once('(') {
        Some((word, rest)) if rest.ends_with(')') => (word, rest.strip_suffix(')').unwrap_or(rest)),
        _ => ("", operand),
    };
    let number = inner.trim().parse::<f64>().ok();
    let is_number = attribute.kind == Type::Number;
    let text = matches!(attribute.kind, Type::String);
    let mixed =
        || Refusal::new(path, "it compares a text that VWO reads as a number", "map the attribute with its type");
    Ok(match word {
        "" | "lower" => match number {
            Some(number) if is_number => attribute.numbers([number]),
            Some(_) => return Err(mixed()),
            None if attribute.kind == Type::Boolean && matches!(inner, "true" | "false") => {
                attribute.truth(inner == "true")
            }
            None if text => attribute.texts([inner], word == "lower"),
            None => Cond::Never,
        },
        "wildcard" if text && number.is_none() => {
            let (start, end) = (inner.starts_with('*'), inner.ends_with('*'));
            let part = inner.trim_matches('*');
            match (start, end) {
                (true, true) => attribute.contains(part, false),
                (true, false) => attribute.ends_with(part, false),
                (false, true) => attribute.starts_with(part, false),
                (false, false) => attribute.texts([part], false),
            }
        }
        "regex" if text => {
            attribute.matches(inner).map_err(|reason| Refusal::new(path, reason, "write the pattern without that"))?
        }
        "gt" | "gte" | "lt" | "lte" => match number {
            Some(number) if is_number => attribute.compared(&format!("${word}"), number),
            _ => return Err(mixed()),
        },
        other => {
            return Err(Refusal::new(
                path,
                format!("`{other}(…)` is answered by VWO's gateway, or read differently"),
                "use another condition",
            ));
        }
    })
}
