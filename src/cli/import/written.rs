//! Experiments as a document writes them: ids, variants, the order of fields.

use super::build::{Piece, hash};
use super::flag::{Flag, Ranges, Requirement};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// An experiment that is ready to be written.
pub(super) struct Written {
    pub(super) id: String,
    /// Each variant's name in the old tool and its id here.
    pub(super) variants: Vec<(String, String)>,
    pub(super) requires: Vec<Requirement>,
    pub(super) value: Map<String, Value>,
}

impl Written {
    pub(super) fn variant(&self, key: &str) -> Option<&str> {
        self.variants.iter().find(|(known, _)| known == key).map(|(_, id)| id.as_str())
    }
}

/// Ids that are taken.
pub(super) struct Names {
    taken: BTreeSet<String>,
}

impl Names {
    pub(super) fn new<'a>(taken: impl Iterator<Item = &'a str>) -> Self {
        Self { taken: taken.map(str::to_owned).collect() }
    }

    /// An id made of a name, and a number where that is taken.
    fn id(&mut self, name: &str) -> String {
        let base = slug(name);
        let mut id = base.clone();
        let mut number = 2;
        while !self.taken.insert(id.clone()) {
            id = format!("{base}-{number}");
            number += 1;
        }
        id
    }
}

/// A name in the letters of an id.
fn slug(name: &str) -> String {
    let mut out = String::new();
    for character in name.chars().flat_map(char::to_lowercase) {
        let fits = character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_' || character == '-';
        let character = if fits { character } else { '-' };
        if out.is_empty() && matches!(character, '-' | '_') || (character == '-' && out.ends_with('-')) {
            continue;
        }
        out.push(character);
    }
    out.truncate(56);
    let out = out.trim_end_matches(['-', '_']);
    if out.is_empty() { "flag".to_owned() } else { out.to_owned() }
}

/// The experiments of a flag's pieces.
pub(super) fn experiments(flag: &Flag, pieces: &[Piece], names: &mut Names) -> Vec<Written> {
    let shared = pieces.len() > 1;
    pieces.iter().map(|piece| experiment(flag, piece, shared, names)).collect()
}

fn experiment(flag: &Flag, piece: &Piece, shared: bool, names: &mut Names) -> Written {
    let id = names.id(&flag.key);
    let mut own = Names::new([].into_iter());
    let mut variants = Vec::new();
    let mut listed = Vec::new();
    let mut keys = BTreeSet::new();
    let weights = whole(&piece.weights);
    for (position, weight) in piece.variants.iter().zip(&weights) {
        let Some(variant) = flag.variants.get(*position) else { continue };
        let variant_id = own.id(&variant.key);
        let mut value = variant.fields.clone();
        value.insert("id".to_owned(), json!(variant_id));
        value.insert("weight".to_owned(), super::attribute::number(*weight));
        if variant_id != variant.key && !variant.key.is_empty() && keys.insert(variant.key.clone()) {
            value.insert("key".to_owned(), json!(variant.key));
        }
        listed.push(Value::Object(value));
        variants.push((*position, variant.key.clone(), variant_id));
    }
    let id_of = |position: usize| variants.iter().find(|(known, ..)| *known == position).map(|(.., id)| id.clone());
    let mut value = flag.fields.clone();
    value.insert("id".to_owned(), json!(id));
    // why: a key that several share is never one's id alone
    if shared || flag.key != id {
        value.insert("key".to_owned(), json!(flag.key));
    }
    if piece.fixed {
        // why: who is given a fixed value is in no comparison, and must not be exposed as if they were
        value.insert("kind".to_owned(), json!("release"));
    }
    if let Some(unit) = piece.unit.filter(|unit| *unit != "visitor") {
        value.insert("unit".to_owned(), json!(unit));
    }
    if let Some(audience) = piece.audience.written() {
        value.insert("audience".to_owned(), audience);
    }
    let overrides: Vec<Value> = piece
        .overrides
        .iter()
        .filter_map(|(who, variant)| {
            Some(json!({"audience": who.written().unwrap_or_else(|| json!({})), "variant": id_of(*variant)?}))
        })
        .collect();
    if !overrides.is_empty() {
        value.insert("overrides".to_owned(), Value::Array(overrides));
    }
    if let Some(winner) = piece.winner.and_then(id_of) {
        value.insert("winner".to_owned(), json!(winner));
    }
    if piece.nobody {
        value.insert("traffic".to_owned(), json!(0));
    }
    if let Some((gates, recipe, ranges)) = &piece.split {
        let own: Vec<(String, Ranges)> =
            ranges.iter().filter_map(|(variant, ranges)| Some((id_of(*variant)?, ranges.clone()))).collect();
        value.insert("hash".to_owned(), hash(gates, recipe, &own));
    }
    value.insert("variants".to_owned(), Value::Array(listed));
    let variants = variants.into_iter().map(|(_, key, id)| (key, id)).collect();
    Written { id, variants, requires: piece.requires.clone(), value }
}

/// Weights whose sum is above zero, in per cent.
fn whole(weights: &[f64]) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    if sum <= 0.0 {
        return weights.iter().map(|_| 1.0).collect();
    }
    weights.iter().map(|weight| (weight / sum * 1e6).round() / 1e4).collect()
}

/// Fields in the order in which people read them; the others after these, by name.
const ORDER: [&str; 40] = [
    "$schema",
    "version",
    "project",
    "revision",
    "salt",
    "kill",
    "visitor",
    "consent",
    "id",
    "key",
    "kind",
    "name",
    "hypothesis",
    "owner",
    "status",
    "starts_at",
    "ends_at",
    "unit",
    "else_unit",
    "hash",
    "like",
    "gates",
    "split",
    "salt",
    "seed",
    "suffix",
    "of",
    "in",
    "ranges",
    "traffic",
    "pages",
    "except_pages",
    "audience",
    "variant",
    "requires",
    "overrides",
    "winner",
    "weight",
    "payload",
    "variants",
];

/// JSON for people: fields in their order, short values on one line.
pub(super) fn pretty(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out.push('\n');
    out
}

fn write(value: &Value, depth: usize, out: &mut String) {
    let line = value.to_string();
    let indent = "  ".repeat(depth + 1);
    match value {
        Value::Array(items)
            if !items.is_empty() && (line.len() > 100 || items.iter().any(Value::is_object) && depth < 3) =>
        {
            out.push_str("[\n");
            for (position, item) in items.iter().enumerate() {
                out.push_str(&indent);
                write(item, depth + 1, out);
                out.push_str(if position + 1 == items.len() { "\n" } else { ",\n" });
            }
            out.push_str(&"  ".repeat(depth));
            out.push(']');
        }
        Value::Object(members) if !members.is_empty() => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            let rank = |name: &str| ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len() - 1);
            members.sort_by_key(|(name, _)| rank(name));
            let short = line.len() <= 100 && depth > 2;
            let (open, between, close) =
                if short { ("{", ", ", "}".to_owned()) } else { ("{\n", ",\n", format!("\n{}}}", "  ".repeat(depth))) };
            out.push_str(open);
            for (position, (name, member)) in members.iter().enumerate() {
                if !short {
                    out.push_str(&indent);
                }
                out.push_str(&format!("{}: ", Value::String((*name).clone())));
                write(member, depth + 1, out);
                if position + 1 < members.len() {
                    out.push_str(between);
                }
            }
            out.push_str(&close);
        }
        _ => out.push_str(&line),
    }
}
