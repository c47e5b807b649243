//! GrowthBook's conditions: the document's dialect, with other names, and with values that our facts hold as text.

use super::super::attribute::{Attribute, Held, Type};
use super::super::cond::Cond;
use super::super::flag::Refusal;
use super::super::{Context, regex};
use serde_json::{Map, Value, json};

/// A condition in our names.
pub(super) fn read(condition: &Value, context: &Context, groups: Option<&Value>, path: &str) -> Result<Cond, Refusal> {
    let reader = Reader { context, groups };
    match condition {
        Value::Object(members) if members.is_empty() => Ok(Cond::Always),
        Value::Object(members) => reader.members(members, path),
        _ => Err(Refusal::new(path, "it is no condition", "download the payload again")),
    }
}

struct Reader<'a> {
    context: &'a Context,
    groups: Option<&'a Value>,
}

impl Reader<'_> {
    fn members(&self, members: &Map<String, Value>, path: &str) -> Result<Cond, Refusal> {
        let parts = members.iter().map(|(name, value)| {
            let path = format!("{path}.{name}");
            match name.as_str() {
                "$and" => Ok(Cond::all(self.each(value, &path)?)),
                "$or" => {
                    let parts = self.each(value, &path)?;
                    // why: the dialect's empty `$or` holds
                    Ok(if parts.is_empty() { Cond::Always } else { Cond::any(parts) })
                }
                "$nor" => {
                    let parts = self.each(value, &path)?;
                    Ok(if parts.is_empty() { Cond::Never } else { Cond::any(parts).negated() })
                }
                "$not" => Ok(read(value, self.context, self.groups, &path)?.negated()),
                name => self.fact(self.context.attribute(&path, name)?, value, &path),
            }
        });
        Ok(Cond::all(parts.collect::<Result<Vec<_>, _>>()?))
    }

    fn each(&self, value: &Value, path: &str) -> Result<Vec<Cond>, Refusal> {
        let list = value.as_array().map_or(&[][..], Vec::as_slice);
        list.iter()
            .enumerate()
            .map(|(index, value)| read(value, self.context, self.groups, &format!("{path}[{index}]")))
            .collect()
    }

    fn fact(&self, attribute: &Attribute, value: &Value, path: &str) -> Result<Cond, Refusal> {
        let operators =
            value.as_object().filter(|members| !members.is_empty() && members.keys().all(|key| key.starts_with('$')));
        let Some(operators) = operators else {
            return Ok(Cond::leaf(&attribute.fact, plain(attribute, value, path)?));
        };
        let parts =
            operators.iter().map(|(word, operand)| self.operator(attribute, word, operand, &format!("{path}.{word}")));
        Ok(Cond::all(parts.collect::<Result<Vec<_>, _>>()?))
    }

    fn operator(&self, attribute: &Attribute, word: &str, operand: &Value, path: &str) -> Result<Cond, Refusal> {
        let leaf = |test: Value| Ok(Cond::leaf(&attribute.fact, test));
        let json = attribute.held == Held::Json;
        match word {
            "$eq" | "$ne" => {
                let same = match operand {
                    Value::Null => json!({"$exists": false}),
                    _ if json => json!({"$eq": operand}),
                    // why: the fact is text where theirs is a number or a truth value
                    _ if !fits(attribute, operand) => {
                        return Ok(if word == "$eq" { Cond::Never } else { Cond::Always });
                    }
                    Value::Number(_) if attribute.held == Held::Text => operand.clone(),
                    operand => json!({"$eq": held(attribute, operand)}),
                };
                let same = Cond::leaf(&attribute.fact, same);
                Ok(if word == "$eq" { same } else { same.negated() })
            }
            "$in" | "$nin" | "$ini" | "$nini" => leaf(json!({word: self.members_of(attribute, operand, path)?})),
            "$inGroup" | "$notInGroup" => {
                let members = operand.as_str().and_then(|name| self.groups?.get(name)).ok_or_else(|| {
                    Refusal::new(
                        path,
                        "the members of its saved group are not in the payload",
                        "download a payload that has `savedGroups`",
                    )
                })?;
                let word = if word == "$inGroup" { "$in" } else { "$nin" };
                leaf(json!({word: self.members_of(attribute, members, path)?}))
            }
            "$lt" | "$lte" | "$gt" | "$gte" | "$exists" => leaf(json!({word: operand})),
            "$veq" | "$vne" | "$vlt" | "$vlte" | "$vgt" | "$vgte" => leaf(json!({word: operand})),
            "$regex" | "$regexi" | "$notRegex" | "$notRegexi" => {
                let source = operand.as_str().unwrap_or_default();
                let source = regex::from_javascript(source)
                    .map_err(|reason| Refusal::new(path, reason, "write the pattern without that"))?;
                if finds_null(&source) {
                    return Err(Refusal::new(
                        path,
                        "the regex finds the word `null`, which the SDK reads where the attribute is missing",
                        "add {\"$exists\": true} to the rule, and a pattern that does not find `null`",
                    ));
                }
                leaf(json!({word: source}))
            }
            "$not" => Ok(self.fact(attribute, operand, path)?.negated()),
            _ if json && matches!(word, "$all" | "$alli" | "$size" | "$elemMatch" | "$type") => {
                leaf(json!({word: operand}))
            }
            _ => Err(Refusal::new(
                path,
                format!("`{word}` asks for a type that the fact `{}` does not have", attribute.fact),
                "map the attribute to a fact custom.…, or change the rule",
            )),
        }
    }

    fn members_of(&self, attribute: &Attribute, operand: &Value, path: &str) -> Result<Vec<Value>, Refusal> {
        let Some(list) = operand.as_array() else {
            return Err(Refusal::new(path, "it is no list", "give it a list of values"));
        };
        Ok(list.iter().filter(|value| fits(attribute, value)).map(|value| held(attribute, value)).collect())
    }
}

/// Whether a value can be equal to one of the attribute's type.
fn fits(attribute: &Attribute, value: &Value) -> bool {
    match value {
        _ if attribute.held == Held::Json => true,
        Value::String(_) => matches!(attribute.kind, Type::String | Type::Semver),
        Value::Number(_) => attribute.kind == Type::Number,
        Value::Bool(_) => attribute.kind == Type::Boolean,
        Value::Null => true,
        _ => false,
    }
}

/// A value as the fact holds it.
fn held(attribute: &Attribute, value: &Value) -> Value {
    match (attribute.held, value) {
        (Held::Text, Value::Number(number)) => {
            json!(super::super::attribute::number(number.as_f64().unwrap_or_default()).to_string())
        }
        (Held::Text, Value::Bool(truth)) => json!(truth.to_string()),
        _ => value.clone(),
    }
}

/// A plain value, which the SDK converts before it compares.
fn plain(attribute: &Attribute, value: &Value, path: &str) -> Result<Value, Refusal> {
    let missing = match value {
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text == "null",
        _ => false,
    };
    if missing {
        return Err(Refusal::new(
            path,
            format!("the SDK takes a missing attribute for {value}"),
            format!("write {{\"$eq\": {value}}} in the rule"),
        ));
    }
    Ok(match (attribute.held, attribute.kind, value) {
        (Held::Text, Type::Boolean, Value::Bool(truth)) => json!({"$eq": truth.to_string()}),
        // why: of a text every value but the empty one counts as true, which is the fact's own rule as well
        (_, _, Value::Array(_) | Value::Object(_)) => {
            return Err(Refusal::new(path, "it asks for a list or an object", "compare one value"));
        }
        _ => value.clone(),
    })
}

fn finds_null(source: &str) -> bool {
    regex_lite::Regex::new(source).is_ok_and(|regex| regex.is_match("null"))
}
