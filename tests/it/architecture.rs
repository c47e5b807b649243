//! A module uses only modules above it in lib.rs, and nothing goes in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

/// The modules in the order of lib.rs.
fn modules() -> Vec<String> {
    let text = fs::read_to_string(Path::new(SOURCE).join("lib.rs")).unwrap();
    text.lines()
        .filter_map(|line| line.trim().trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// A module, by the names that lead to it: `["plan", "index"]`.
type Place = Vec<String>;

/// The sources without comments, by their module.
fn sources() -> BTreeMap<Place, String> {
    let mut paths = Vec::new();
    files(Path::new(SOURCE), &mut paths);
    let place = |path: &Path| -> Place {
        let relative = path.strip_prefix(SOURCE).unwrap().with_extension("");
        relative.iter().map(|name| name.to_str().unwrap().to_owned()).collect()
    };
    let code = |text: &str| -> String {
        text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
    };
    paths.iter().map(|path| (place(path), code(&fs::read_to_string(path).unwrap()))).collect()
}

/// All paths of a `use` tree: `a::{b, c::{d}}` is `a::b` and `a::c::d`.
fn paths_of(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((before, list)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap_or("").trim().to_owned()];
    };
    let (mut depth, mut member, mut found) = (0_u32, String::new(), Vec::new());
    for character in list.chars() {
        match character {
            '}' if depth == 0 => break,
            ',' if depth == 0 => found.push(std::mem::take(&mut member)),
            _ => {
                depth = depth + u32::from(character == '{') - u32::from(character == '}');
                member.push(character);
            }
        }
    }
    found.push(member);
    let found = found.iter().filter(|member| !member.trim().is_empty());
    found.flat_map(|member| paths_of(member)).map(|path| format!("{before}{path}")).collect()
}

/// The paths that a source names: in `use`, and after `crate::` or `super::` anywhere.
fn named(code: &str) -> Vec<String> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found: Vec<String> = Vec::new();
    for (start, _) in code.match_indices("use ") {
        let begins = code[..start].chars().next_back().is_none_or(|c| c.is_whitespace());
        if let Some((tree, _)) = code[start + 4..].split_once(';').filter(|_| begins) {
            found.extend(paths_of(tree));
        }
    }
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let is_whole = code[..at].chars().next_back().is_none_or(|c| !is_path(c));
            let path: String = code[at..].chars().take_while(|c| is_path(*c)).collect();
            if is_whole {
                found.push(path.trim_end_matches(':').to_owned());
            }
        }
    }
    found
}

/// A path as seen from a module → the names from the crate's root.
fn absolute(from: &Place, path: &str, sources: &BTreeMap<Place, String>) -> Option<Place> {
    let names: Vec<&str> = path.split("::").collect();
    let (first, rest) = names.split_first()?;
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Place>();
    match *first {
        "crate" => Some(own(rest)),
        "self" => Some([from.clone(), own(rest)].concat()),
        "super" => {
            let up = names.iter().take_while(|name| **name == "super").count();
            Some([from.get(..from.len().checked_sub(up)?)?.to_vec(), own(&names[up..])].concat())
        }
        child => {
            let place = [from.clone(), vec![child.to_owned()]].concat();
            sources.contains_key(&place).then(|| [place, own(rest)].concat())
        }
    }
}

/// What a module shows under its own name although it is another's: `pub use child::Thing`.
fn shown(sources: &BTreeMap<Place, String>) -> BTreeMap<Place, Place> {
    let mut shown = BTreeMap::new();
    for (place, code) in sources {
        for path in named(code) {
            if let Some(target) = absolute(place, &path, sources)
                && target.starts_with(place)
                && target.len() > place.len() + 1
                && let Some(name) = target.last()
            {
                shown.insert([place.clone(), vec![name.clone()]].concat(), target.clone());
            }
        }
    }
    shown
}

/// The module whose something is.
fn owner(mut path: Place, sources: &BTreeMap<Place, String>, shown: &BTreeMap<Place, Place>) -> Option<Place> {
    for _ in 0..5 {
        match shown.get(&path) {
            Some(target) => path.clone_from(target),
            None => break,
        }
    }
    while !path.is_empty() && !sources.contains_key(&path) {
        path.pop();
    }
    (!path.is_empty()).then_some(path)
}

/// Which modules a module uses.
fn uses() -> BTreeMap<Place, BTreeSet<Place>> {
    let sources = sources();
    let shown = shown(&sources);
    let of = |(place, code): (&Place, &String)| {
        let targets = named(code).into_iter().filter_map(|path| absolute(place, &path, &sources));
        let targets = targets.filter_map(|target| owner(target, &sources, &shown));
        (place.clone(), targets.filter(|target| target != place).collect())
    };
    sources.iter().map(of).collect()
}

/// A circle in a graph, if it has one.
fn circle<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Option<Vec<&'a str>> {
    fn walk<'a>(
        graph: &BTreeMap<&'a str, BTreeSet<&'a str>>,
        at: &'a str,
        way: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> bool {
        if way.contains(&at) {
            way.push(at);
            return true;
        }
        if !done.insert(at) {
            return false;
        }
        way.push(at);
        if graph.get(at).into_iter().flatten().any(|next| walk(graph, next, way, done)) {
            return true;
        }
        way.pop();
        false
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|start| {
        let mut way = Vec::new();
        walk(graph, start, &mut way, &mut done).then_some(way)
    })
}

#[test]
fn names_are_found_in_paths_and_in_lists() {
    let text = "use crate::plan::Plan;\nlet x = crate::hash::hex(b);\nuse super::{decide::{Asker, decide as d}, url};";
    let mut found = named(text);
    found.sort();
    found.dedup();
    let expected = [
        "crate::hash::hex",
        "crate::plan::Plan",
        "super",
        "super::decide::Asker",
        "super::decide::decide",
        "super::url",
    ];
    assert_eq!(found, expected);
    let graph = |pairs: &[(&'static str, &'static str)]| {
        let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        pairs.iter().for_each(|(from, to)| graph.entry(from).or_default().extend([*to]));
        graph
    };
    assert_eq!(circle(&graph(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    assert_eq!(circle(&graph(&[("a", "b"), ("b", "c"), ("c", "b")])), Some(vec!["a", "b", "c", "b"]));
}

/// Of the modules side by side in another none needs one that needs it: each can be read with those that it uses.
#[test]
fn no_modules_use_each_other_in_a_circle() {
    let uses = uses();
    let mut inside: BTreeMap<&[String], BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for (from, targets) in &uses {
        for to in targets {
            let common = from.iter().zip(to).take_while(|(a, b)| a == b).count();
            if let (Some(one), Some(other)) = (from.get(common), to.get(common)) {
                inside.entry(&from[..common]).or_default().entry(one).or_default().insert(other);
            }
        }
    }
    assert!(inside.len() > 20, "{} modules have modules inside", inside.len());
    let circles: Vec<String> = inside
        .iter()
        .filter_map(|(parent, graph)| Some(format!("in `{}`: {}", parent.join("::"), circle(graph)?.join(" → "))))
        .collect();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

/// The JavaScript: what a file imports never leads back to it.
#[test]
fn no_scripts_import_each_other_in_a_circle() {
    let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let texts: Vec<(String, String)> = fs::read_dir(Path::new(SOURCE).join("edge"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "js"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    for (name, text) in &texts {
        for (at, _) in text.match_indices("from \"./") {
            let other = text[at + 8..].split('"').next().unwrap();
            graph.entry(name).or_default().insert(other);
        }
    }
    assert!(graph.len() >= 5, "{graph:?}");
    assert_eq!(circle(&graph), None);
}

#[test]
fn a_module_uses_only_modules_above_it() {
    let modules = modules();
    assert!(modules.len() >= 10, "{modules:?}");
    let at = |place: &Place| {
        let name = place.first()?;
        let position = modules.iter().position(|module| module == name);
        assert!(position.is_some() || matches!(&**name, "lib" | "main"), "{name} is not in lib.rs");
        position
    };
    let (mut seen, mut wrong) = (0, Vec::new());
    for (from, targets) in uses() {
        for to in targets {
            if let (Some(own), Some(other)) = (at(&from), at(&to)) {
                seen += 1;
                if other > own {
                    wrong.push(format!("{} uses {}, which is below", from.join("::"), to.join("::")));
                }
            }
        }
    }
    assert!(seen > 300, "{seen} uses were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What speaks to the runtime is in `edge`, and what reads the clock or makes random numbers is nowhere else.
#[test]
fn only_the_edge_names_the_runtime() {
    let mut paths = Vec::new();
    files(Path::new(SOURCE), &mut paths);
    for path in paths {
        let relative = path.strip_prefix(SOURCE).unwrap();
        // why: the engine for Node has bindings of its own, and nothing else
        if relative.starts_with("edge") || ["edge.rs", "node.rs"].iter().any(|name| relative == Path::new(name)) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        // why: the tool makes random ids too, natively
        let is_tool = relative.starts_with("cli");
        for name in ["use worker::", "js_sys::", "wasm_bindgen::", "getrandom::"] {
            if is_tool && name == "getrandom::" {
                continue;
            }
            assert!(!text.contains(name), "{} names {name}", relative.display());
        }
    }
}
