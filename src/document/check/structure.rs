//! JSON against the document's schema: every unknown, missing or unsuitable field at its own path.
//!
//! What is wrong is taken out of the JSON or replaced by a stand-in, so that the rest can be read into the types and
//! checked too; what was taken out is kept track of, so that nothing is reported that only its absence causes.

mod value;

use super::Gaps;
use super::described::{described, quoted};
use crate::document::Problem;
use crate::suggestion::suggest;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The outcome of a walk.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// What is wrong, by path of the text.
    pub(super) problems: Vec<Problem>,
    /// The paths of the text that were taken out or replaced.
    pub(super) lost: BTreeSet<String>,
    /// The lists of which items were taken out, by path: the places that the rest had.
    kept: BTreeMap<String, Vec<usize>>,
    /// The names that could not be read.
    pub(super) gaps: Gaps,
}

/// Whether a value can be read, perhaps after repair.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    Good,
    Bad,
}

/// Checks and repairs a document.
pub(super) fn walk(document: &mut Value, schema: &Value) -> Walked {
    let empty = Map::new();
    let types = schema.get("$defs").and_then(Value::as_object).unwrap_or(&empty);
    let mut walker = Walker { types, walked: Walked::default() };
    if walker.value(document, schema, "Document", "") == Fit::Bad {
        *document = json!({"version": 1, "project": "unreadable", "experiments": []});
        walker.walked.lost.insert(String::new());
    }
    walker.walked
}

impl Walked {
    /// The path that a value of the repaired document had in the text.
    pub(super) fn original(&self, path: &str) -> String {
        let mut original = String::new();
        for (n, part) in path.split('[').enumerate() {
            if n == 0 {
                original.push_str(part);
                continue;
            }
            let place = part.split_once(']').and_then(|(index, rest)| Some((index.parse::<usize>().ok()?, rest)));
            let was = place.and_then(|(index, rest)| Some((self.kept.get(&original)?.get(index)?, rest)));
            match was {
                Some((index, rest)) => original.push_str(&format!("[{index}]{rest}")),
                None => {
                    original.push('[');
                    original.push_str(part);
                }
            }
        }
        original
    }

    /// Whether a problem at this path of the text may have come from the repair: it is at something lost or in it, or it
    /// is about an object that lost a field.
    pub(super) fn is_doubtful(&self, path: &str) -> bool {
        let parents = path.match_indices(['.', '[']).map(|(at, _)| path.get(..at).unwrap_or_default());
        parents.chain([path, ""]).any(|part| self.lost.contains(part))
            || self.lost.iter().any(|lost| {
                lost.strip_prefix(path).and_then(|rest| rest.strip_prefix('.')).is_some_and(|rest| !rest.contains('.'))
            })
    }
}

struct Walker<'s> {
    /// The schema's definitions by type name.
    types: &'s Map<String, Value>,
    walked: Walked,
}

impl<'s> Walker<'s> {
    fn problem(&mut self, path: &str, message: impl Into<String>) {
        self.walked.problems.push(Problem::error(path, message));
    }

    /// Follows references: the schema and the name of its type, or that of the type around.
    fn resolve(&self, mut schema: &'s Value, around: &'s str) -> (&'s Value, &'s str) {
        let mut name = around;
        while let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            name = reference.strip_prefix("#/$defs/").unwrap_or_default();
            let Some(target) = self.types.get(name) else { break };
            schema = target;
        }
        (schema, name)
    }

    fn value(&mut self, value: &mut Value, schema: &'s Value, around: &'s str, path: &str) -> Fit {
        let (schema, name) = self.resolve(schema, if schema.get("$ref").is_some() { "" } else { around });
        if let Some(fits) = value::named(name, value) {
            return self.judge(path, fits);
        }
        if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
            return self.any(value, choices, schema, path);
        }
        if let Some(words) = value::words(schema) {
            return self.judge(path, value::one_of(value, &words));
        }
        let Some(types) = value::types(schema) else { return Fit::Good };
        if !types.iter().any(|kind| value::is_of(value, kind)) {
            return self.judge(path, Err(value::unsuitable(value, &types, schema)));
        }
        match value {
            Value::Object(object) => self.object(object, schema, name, path),
            Value::Array(list) => self.list(list, schema, path),
            Value::Number(_) => self.judge(path, value::in_range(value, schema)),
            _ => Fit::Good,
        }
    }

    fn judge(&mut self, path: &str, fits: Result<(), String>) -> Fit {
        match fits {
            Ok(()) => Fit::Good,
            Err(message) => {
                self.problem(path, message);
                Fit::Bad
            }
        }
    }

    /// One of several forms: the one whose kind of JSON it is.
    fn any(&mut self, value: &mut Value, choices: &'s [Value], schema: &'s Value, path: &str) -> Fit {
        let mut kinds = Vec::new();
        // why: a list of words says what is wrong with any value, but an object may be what another form wants
        let mut otherwise = None;
        for choice in choices {
            let (form, _) = self.resolve(choice, "");
            match value::types(form) {
                Some(types) if types.iter().any(|kind| value::is_of(value, kind)) => {
                    return self.value(value, choice, "", path);
                }
                Some(types) => kinds.extend(types),
                None if value::words(form).is_some() && !value.is_string() => otherwise = otherwise.or(Some(choice)),
                None if form.get("anyOf").is_some() || value::words(form).is_some() => {
                    if !value.is_null() {
                        return self.value(value, choice, "", path);
                    }
                }
                // why: a form that says nothing takes everything
                None => return Fit::Good,
            }
        }
        if let Some(choice) = otherwise.filter(|_| !value.is_null()) {
            return self.value(value, choice, "", path);
        }
        self.judge(path, Err(value::unsuitable(value, &kinds, schema)))
    }

    fn list(&mut self, list: &mut Vec<Value>, schema: &'s Value, path: &str) -> Fit {
        let Some(items) = schema.get("items") else { return Fit::Good };
        let (_, name) = self.resolve(items, "");
        let mut kept = Vec::with_capacity(list.len());
        let mut index = 0;
        list.retain_mut(|item| {
            let here = format!("{path}[{index}]");
            let mut fit = self.value(item, items, "", &here);
            if fit == Fit::Bad {
                self.walked.lost.insert(here);
                if let Some(stand_in) = self.stand_in(name, path, index) {
                    *item = stand_in;
                    fit = Fit::Good;
                }
            }
            if fit == Fit::Good {
                kept.push(index);
            }
            index += 1;
            fit == Fit::Good
        });
        if kept.len() < index {
            self.walked.kept.insert(path.to_owned(), kept);
        }
        Fit::Good
    }

    fn object(&mut self, object: &mut Map<String, Value>, schema: &'s Value, name: &'s str, path: &str) -> Fit {
        let properties = schema.get("properties").and_then(Value::as_object);
        let is_map = properties.is_none();
        let entry = schema
            .get("patternProperties")
            .and_then(Value::as_object)
            .and_then(|patterns| patterns.values().next())
            .or_else(|| schema.get("additionalProperties").filter(|value| value.is_object()));
        let is_open = is_map && schema.get("additionalProperties") != Some(&Value::Bool(false));
        let keyed_by_id = schema.get("patternProperties").is_some();

        let mut meant = BTreeSet::new();
        let fields: Vec<String> = object.keys().cloned().collect();
        for field in fields {
            let here = if path.is_empty() { field.clone() } else { format!("{path}.{field}") };
            let schema = match properties.and_then(|known| known.get(&field)) {
                Some(known) => Some(known),
                None if is_map && keyed_by_id => match value::id(&field) {
                    Ok(()) => entry,
                    Err(message) => {
                        self.problem(&here, message);
                        self.lose(object, &field, here);
                        continue;
                    }
                },
                None if is_open => entry,
                None => {
                    self.unknown(&field, properties, &here, &mut meant);
                    self.lose(object, &field, here);
                    continue;
                }
            };
            let (Some(schema), Some(value)) = (schema, object.get_mut(&field)) else { continue };
            if self.value(value, schema, "", &here) == Fit::Bad {
                let entry_type = self.resolve(schema, "").1;
                let stand_in =
                    if is_map { value::stand_in_entry(entry_type) } else { self.field_stand_in(name, &field, path) };
                self.walked.lost.insert(here);
                match stand_in {
                    Some(stand_in) => *value = stand_in,
                    None => drop(object.remove(&field)),
                }
            }
        }
        self.required(object, schema, name, path, &meant)
    }

    fn lose(&mut self, object: &mut Map<String, Value>, field: &str, path: String) {
        object.remove(field);
        self.walked.lost.insert(path);
    }

    fn unknown(
        &mut self,
        field: &str,
        properties: Option<&'s Map<String, Value>>,
        path: &str,
        meant: &mut BTreeSet<String>,
    ) {
        let known = properties.into_iter().flat_map(Map::keys).map(String::as_str);
        let advice = match suggest(field, known.clone()) {
            Some(near) => {
                meant.insert(near.to_owned());
                format!("did you mean `{near}`?")
            }
            None if properties.is_none() => "remove it; nothing is known here yet".to_owned(),
            None => format!("remove it; known here are {}", known.collect::<Vec<_>>().join(", ")),
        };
        self.problem(path, format!("there is no field {}: {advice}", quoted(field)));
    }

    fn required(
        &mut self,
        object: &mut Map<String, Value>,
        schema: &'s Value,
        name: &str,
        path: &str,
        meant: &BTreeSet<String>,
    ) -> Fit {
        let mut fit = Fit::Good;
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for field in required {
            if object.contains_key(field) {
                continue;
            }
            let here = if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
            // what was there was reported where it stood
            if !self.walked.lost.contains(&here) && !meant.contains(field) {
                let what =
                    schema.get("properties").and_then(|all| all.get(field)).and_then(|one| one.get("description"));
                let what = what.and_then(Value::as_str).unwrap_or_default().lines().next().unwrap_or_default();
                self.problem(&here, format!("missing: every {} needs it. {what}", value::called(name)));
            }
            self.walked.lost.insert(here);
            match self.field_stand_in(name, field, path) {
                Some(stand_in) => drop(object.insert(field.to_owned(), stand_in)),
                None => fit = Fit::Bad,
            }
        }
        fit
    }

    /// What stands for an item of a list, so that what refers to others by place or by name stays right.
    fn stand_in(&mut self, name: &str, list: &str, index: usize) -> Option<Value> {
        let here = format!("{list}[{index}]");
        match name {
            "Experiment" => Some(json!({
                "id": self.field_stand_in("Experiment", "id", &here)?,
                "variants": self.field_stand_in("Experiment", "variants", &here)?,
            })),
            "Variant" => Some(json!({"id": self.field_stand_in("Variant", "id", &here)?, "weight": 1})),
            _ => None,
        }
    }

    /// What stands for a field that could not be read and without which nothing around it could be.
    fn field_stand_in(&mut self, name: &str, field: &str, path: &str) -> Option<Value> {
        let indices: Vec<&str> = path.split('[').skip(1).filter_map(|part| part.split(']').next()).collect();
        match (name, field) {
            ("Document", "version") => Some(json!(1)),
            ("Document", "project") => Some(json!("unreadable")),
            ("Document", "experiments") => {
                self.walked.gaps.experiments = true;
                Some(json!([]))
            }
            ("Experiment", "id") => {
                self.walked.gaps.experiments = true;
                Some(json!(format!("unreadable-{}", indices.join("-"))))
            }
            ("Variant", "weight") => Some(json!(1)),
            ("Variant", "id") | ("Experiment", "variants") => {
                self.walked.gaps.variants.extend(indices.first().and_then(|index| index.parse::<usize>().ok()));
                let id = format!("unreadable-{}", indices.join("-"));
                Some(if field == "id" { json!(id) } else { json!([{"id": id, "weight": 1}]) })
            }
            _ => None,
        }
    }
}
