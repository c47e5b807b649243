//! Many changes in few lines: what is dangerous one by one, the rest counted by what it is.

use crate::changes::Change;
use crate::cli::count;
use crate::cli::terminal::{faint, strong};
use std::collections::BTreeMap;

/// As many changes as a terminal shows at once.
pub(super) const MOST: usize = 24;

/// The dangerous changes whole, up to [`MOST`] of them; of the others, how often each field changed, with an example.
pub(super) fn folded(changes: &[Change], line: impl Fn(&Change) -> String) -> String {
    let (dangerous, plain): (Vec<&Change>, Vec<&Change>) = changes.iter().partition(|change| change.danger.is_some());
    let mut text: String = dangerous.iter().take(MOST).map(|change| line(change)).collect();
    if dangerous.len() > MOST {
        let more = count(dangerous.len() - MOST, "dangerous change");
        text.push_str(&format!("{}\n", faint(format!("and {more} more: --full shows all"))));
    }
    let mut kinds: BTreeMap<String, Vec<&Change>> = BTreeMap::new();
    for change in plain {
        kinds.entry(kind(change)).or_default().push(change);
    }
    for (kind, alike) in kinds {
        match alike.as_slice() {
            [] => {}
            [one] => text.push_str(&line(one)),
            [first, ..] => {
                let example = faint(format!("such as {}: {}", first.path, first.words));
                text.push_str(&format!("{}  {}  {example}\n", strong(kind), count(alike.len(), "change")));
            }
        }
    }
    text.push_str(&format!("{}\n", faint(format!("{} in all: --full shows each", count(changes.len(), "change")))));
    text
}

/// A path without its numbers; of whole experiments, what becomes of them.
fn kind(change: &Change) -> String {
    let mut kind = String::new();
    let mut parts = change.path.split('[');
    kind.push_str(parts.next().unwrap_or(""));
    for part in parts {
        kind.push_str("[…]");
        kind.push_str(part.split_once(']').map_or("", |(_, rest)| rest));
    }
    if kind == "experiments[…]" {
        let is = if change.words.contains(" is new") { "new" } else { "removed" };
        return format!("experiments {is}");
    }
    kind
}
