//! A module uses only modules above it in lib.rs.

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

/// The modules that a source names after `crate::`, also in a list: `use crate::{decide, plan::Plan}`.
fn named(text: &str) -> Vec<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let first = |path: &str| path.trim().split(|c| !is_name(c)).next().unwrap_or("").to_owned();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for after in code.split("crate::").skip(1) {
        let Some(list) = after.strip_prefix('{') else {
            found.push(first(after));
            continue;
        };
        let (mut depth, mut member) = (0_u32, String::new());
        for character in list.chars() {
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => found.push(first(&std::mem::take(&mut member))),
                _ => member.push(character),
            }
        }
        found.push(first(&member));
    }
    found.retain(|name| !name.is_empty());
    found
}

#[test]
fn names_are_found_in_paths_and_in_lists() {
    let text = "use crate::plan::Plan;\n// crate::edge\nlet x = crate::hash::hex(b);\nuse crate::{decide::{Asker, decide}, url, facts::Request};";
    assert_eq!(named(text), ["plan", "hash", "decide", "url", "facts"]);
}

#[test]
fn a_module_uses_only_modules_above_it() {
    let modules = modules();
    assert!(modules.len() >= 10, "{modules:?}");
    let mut paths = Vec::new();
    files(Path::new(SOURCE), &mut paths);
    let mut uses = 0;
    let mut wrong = Vec::new();
    for path in paths {
        let relative = path.strip_prefix(SOURCE).unwrap();
        let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let Some(position) = modules.iter().position(|name| *name == module) else {
            assert!(matches!(&*module, "lib" | "main"), "{module} is not in lib.rs");
            continue;
        };
        for other in named(&fs::read_to_string(&path).unwrap()) {
            if let Some(at) = modules.iter().position(|name| *name == other) {
                uses += 1;
                if at > position {
                    wrong.push(format!("{} uses {other}, which is below {module}", relative.display()));
                }
            }
        }
    }
    assert!(uses > 30, "{uses} uses were found");
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
