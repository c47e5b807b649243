//! Which database a row lives in, where there are several.
//!
//! What can be one person, or be told twice, has to lie in one database, for each adds up its own rows alone: a visitor and
//! the users they were, their sessions, their orders and the refunds of those. Events say what belongs together by naming
//! it. A name that stands alone lives where its hash says; names that were seen together have a row each in the directory
//! (`homes` of the first database), with their root and their home. Where two groups turn out to be one, the smaller takes
//! the larger's home, and its rows are carried there (see [`super::carry`]).

use crate::events::{Event, What};
use crate::hash::{event_id, place_of};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The most databases: `LEDGER` and `LEDGER_1` to `LEDGER_15`.
pub const MOST: u8 = 16;

/// Something that an event names: the project, and `v`, `u`, `s` or `t` with the id of a visitor, a user, a session or an
/// order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Name(pub String, pub String);

impl Name {
    fn new(project: &str, kind: char, id: &str) -> Self {
        Self(project.to_owned(), format!("{kind}{id}"))
    }

    /// Where it lives while it stands alone.
    #[must_use]
    pub fn alone(&self, databases: u8) -> u8 {
        place_of(&["home", &self.0, &self.1], databases)
    }
}

/// What an event names. Nothing: it is about no person.
#[must_use]
pub fn names(event: &Event) -> BTreeSet<Name> {
    let mut names: BTreeSet<Name> = BTreeSet::new();
    let mut add = |kind: char, id: Option<&String>| {
        names.extend(id.map(|id| Name::new(&event.project, kind, id)));
    };
    match &event.what {
        // why: it belongs to the experiment
        What::EndedEarly(_) => return names,
        What::Exposed(exposure) => add('s', exposure.session_id.as_ref().filter(|_| exposure.unit == "session")),
        What::Converted(outcome) => {
            add('s', outcome.session_id.as_ref());
            add('t', outcome.transaction_id.as_ref());
            add('t', outcome.refund_of.as_ref());
        }
        What::Identified => {}
    }
    add('v', event.anonymous_id.as_ref());
    add('u', event.user_id.as_ref());
    names
}

/// What the directory says of a name: project, name, root, home, version.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Entry(pub String, pub String, pub String, pub u8, pub u32);

/// What is known of names: those that have none stand alone.
#[derive(Clone, Debug, Default)]
pub struct Directory(BTreeMap<Name, (String, u8, u32)>);

impl Directory {
    /// From the directory's answer.
    #[must_use]
    pub fn new(entries: Vec<Entry>) -> Self {
        let of = |Entry(project, name, root, home, version): Entry| (Name(project, name), (root, home, version));
        Self(entries.into_iter().map(of).collect())
    }

    /// Where a name lives.
    #[must_use]
    pub fn home(&self, name: &Name, databases: u8) -> u8 {
        self.0.get(name).map_or_else(|| name.alone(databases), |(_, home, _)| *home)
    }

    /// What a name has in common with those that it belongs together with.
    #[must_use]
    pub fn root(&self, name: &Name) -> Option<&str> {
        self.0.get(name).map(|(root, ..)| root.as_str())
    }

    fn version(&self, name: &Name) -> u32 {
        self.0.get(name).map_or(0, |(.., version)| *version)
    }

    /// Names as a batch that is written to a database tells them: `[[project, name, version, home], …]`.
    #[must_use]
    pub fn told<'a>(&self, names: impl IntoIterator<Item = &'a Name>, databases: u8) -> String {
        let of = |name: &Name| json!([name.0, name.1, self.version(name), self.home(name, databases)]);
        Value::Array(names.into_iter().map(of).collect()).to_string()
    }
}

/// Names that turn out to belong together, and are not one group in the directory yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// Those that have no entry.
    pub fresh: Vec<Name>,
    /// The roots of those that have one, each with its home.
    pub roots: Vec<(String, u8)>,
    /// What the directory said of all of them: `[project, name, root or empty, version]`.
    read: Vec<Value>,
}

/// What has to be joined, of sets of names that events named together.
#[must_use]
pub fn joins(sets: &[BTreeSet<Name>], known: &Directory) -> Vec<Join> {
    let mut groups = Groups::default();
    for set in sets {
        let mut last = None;
        for name in set {
            let number = groups.of(Key::Name(name));
            if let Some(root) = known.root(name) {
                let root = groups.of(Key::Root(root));
                groups.unite(number, root);
            }
            if let Some(last) = last {
                groups.unite(last, number);
            }
            last = Some(number);
        }
    }
    let mut joins = Vec::new();
    for members in groups.members() {
        let names: Vec<&Name> =
            members.iter().filter_map(|key| if let Key::Name(name) = key { Some(*name) } else { None }).collect();
        let fresh: Vec<Name> =
            names.iter().filter(|name| known.root(name).is_none()).map(|name| (*name).clone()).collect();
        let mut roots: Vec<(String, u8)> =
            names.iter().filter_map(|name| known.0.get(*name)).map(|(root, home, _)| (root.clone(), *home)).collect();
        roots.sort();
        roots.dedup();
        let stands_alone = roots.is_empty() && names.len() < 2;
        let is_known = fresh.is_empty() && roots.len() < 2;
        if stands_alone || is_known {
            continue;
        }
        let read =
            names.iter().map(|name| json!([name.0, name.1, known.root(name).unwrap_or(""), known.version(name)]));
        joins.push(Join { fresh, roots, read: read.collect() });
    }
    joins
}

/// What is changed in the directory, as the parameters of [`super::carry::join`].
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// `[project, name, root or empty, version]`: what has to be still so.
    pub read: Vec<Value>,
    /// `[project, name, root, home]`.
    pub fresh: Vec<Value>,
    /// `[from root, to root, home]`.
    pub moved: Vec<Value>,
    /// `[project, name, source]`: where rows of before may lie.
    pub moves: Vec<Value>,
}

/// Joins. `sizes` says how many names a root has, for the largest stays where it is; `now` makes new roots unlike those of
/// people who were forgotten.
#[must_use]
pub fn changes(joins: &[Join], sizes: &BTreeMap<String, u64>, databases: u8, now: &str) -> Changes {
    let mut changes = Changes::default();
    for join in joins {
        let size = |root: &str| sizes.get(root).copied().unwrap_or(0);
        let largest = join.roots.iter().max_by_key(|(root, _)| (size(root), std::cmp::Reverse(root)));
        let (root, home) = match (largest, person(&join.fresh)) {
            (Some(largest), _) => largest.clone(),
            (None, Some(name)) => (event_id(&["root", &name.0, &name.1, now]), name.alone(databases)),
            (None, None) => continue,
        };
        changes.read.extend(join.read.iter().cloned());
        for name in &join.fresh {
            changes.fresh.push(json!([name.0, name.1, root, home]));
            let alone = name.alone(databases);
            if alone != home {
                changes.moves.push(json!([name.0, name.1, alone]));
            }
        }
        let others = join.roots.iter().filter(|(other, _)| *other != root);
        changes.moved.extend(others.map(|(other, _)| json!([other, root, home])));
    }
    changes
}

/// The name whose hash says where a new group lives: the user's, else the visitor's.
fn person(names: &[Name]) -> Option<&Name> {
    let rank = |name: &&Name| match name.1.chars().next() {
        Some('u') => 0,
        Some('v') => 1,
        _ => 2,
    };
    names.iter().min_by_key(|name| (rank(name), (*name).clone()))
}

/// What is united: a name, or the root of names that are united already.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Name(&'a Name),
    Root(&'a str),
}

/// Union-find.
#[derive(Default)]
struct Groups<'a> {
    numbers: BTreeMap<Key<'a>, usize>,
    parents: Vec<usize>,
}

impl<'a> Groups<'a> {
    fn of(&mut self, key: Key<'a>) -> usize {
        let next = self.parents.len();
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.parents.push(next);
        }
        number
    }

    fn find(&mut self, mut number: usize) -> usize {
        while let Some(&parent) = self.parents.get(number).filter(|parent| **parent != number) {
            let above = self.parents.get(parent).copied().unwrap_or(parent);
            if let Some(place) = self.parents.get_mut(number) {
                *place = above;
            }
            number = parent;
        }
        number
    }

    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        if let Some(place) = self.parents.get_mut(a.max(b)) {
            *place = a.min(b);
        }
    }

    fn members(mut self) -> Vec<Vec<Key<'a>>> {
        let mut groups: BTreeMap<usize, Vec<Key<'a>>> = BTreeMap::new();
        for (key, number) in std::mem::take(&mut self.numbers) {
            let group = self.find(number);
            groups.entry(group).or_default().push(key);
        }
        groups.into_values().collect()
    }
}
