//! The kill switch, and what the worker's guard stopped beside it.

use crate::document::Id;
use crate::plan::Kill;
use serde_json::Value;

/// What becomes of the guard's key.
pub struct Guard {
    /// The experiments that it no longer stops.
    pub freed: Vec<String>,
    /// What is left of it; `None`: nothing.
    pub left: Option<Value>,
}

impl Guard {
    /// The key without one experiment, or without all: what the guard ended and what it held. The shares that it moved are
    /// no stop, and stay.
    #[must_use]
    pub fn without(text: &str, id: Option<&Id>) -> Self {
        let Ok(Value::Object(mut fields)) = serde_json::from_str::<Value>(text) else {
            // why: what cannot be read stops everything
            return Self { freed: vec!["everything".to_owned()], left: None };
        };
        let mut freed = std::collections::BTreeSet::new();
        let is_meant = |name: &str| id.is_none_or(|id| id.as_str() == name);
        if id.is_none() && fields.remove("all") == Some(Value::Bool(true)) {
            freed.insert("everything".to_owned());
        }
        if let Some(Value::Array(ended)) = fields.get_mut("experiments") {
            ended.retain(|name| {
                let meant = name.as_str().filter(|name| is_meant(name));
                meant.is_none_or(|name| !freed.insert(name.to_owned()))
            });
        }
        if let Some(Value::Object(held)) = fields.get_mut("hold") {
            held.retain(|name, _| {
                let meant = is_meant(name);
                if meant {
                    freed.insert(name.clone());
                }
                !meant
            });
        }
        let is_empty = |value: &Value| match value {
            Value::Array(list) => list.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        fields.retain(|_, value| !is_empty(value));
        Self { freed: freed.into_iter().collect(), left: (!fields.is_empty()).then_some(Value::Object(fields)) }
    }
}

/// What becomes of the switch, and of what the guard stopped.
pub struct Turned {
    /// The switch.
    pub after: Kill,
    /// The guard's key, where something in it is lifted.
    pub guard: Option<Guard>,
    /// Whether an experiment was meant, and everything stays killed all the same.
    pub stays_killed: bool,
}

/// Kills an experiment, or everything without one; `off` ends that, and lifts what the worker's guard stopped, which would stay
/// stopped for no visible reason.
#[must_use]
pub fn turned(before: &Kill, guard: Option<&str>, id: Option<&Id>, off: bool) -> Turned {
    let mut after = before.clone();
    match id {
        None if off => after = Kill::default(),
        None => after.all = true,
        Some(id) => {
            after.experiments.retain(|killed| killed != id);
            if !off {
                after.experiments.push(id.clone());
            }
        }
    }
    let guard = guard.filter(|_| off).map(|text| Guard::without(text, id)).filter(|guard| !guard.freed.is_empty());
    Turned { stays_killed: off && id.is_some() && after.all, after, guard }
}

/// The switch as the key `kill` holds it.
#[must_use]
pub fn value_of(kill: &Kill) -> Value {
    let mut value = serde_json::Map::new();
    if kill.all {
        value.insert("all".to_owned(), true.into());
    }
    if !kill.experiments.is_empty() {
        value.insert("experiments".to_owned(), kill.experiments.iter().map(Id::as_str).collect());
    }
    Value::Object(value)
}

/// The switch in words.
#[must_use]
pub fn told_of(kill: &Kill) -> String {
    let ids: Vec<&str> = kill.experiments.iter().map(Id::as_str).collect();
    match (kill.all, ids.is_empty()) {
        (true, _) => "killed: everything".to_owned(),
        (false, false) => format!("killed: {}", ids.join(", ")),
        (false, true) => "nothing is killed".to_owned(),
    }
}
