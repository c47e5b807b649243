//! What makes a tool one trusts: it says where, understands what people type, and refuses what they cannot mean.

use super::{DEMO, document, file, hero, run, run_with, tool};
use serde_json::{Value, json};
use std::process::{Command, Stdio};

#[test]
fn numbers_are_read_as_people_write_them() {
    for (written, visitors) in [("1e3", 1000), ("1_000", 1000), ("2.5e2", 250), ("1000", 1000)] {
        let ran = run(&["simulate", DEMO, "--visitors", written, "--json"]);
        assert_eq!(ran.json()["visitors"], visitors, "{written}: {}", ran.err);
    }
    let planned =
        |daily| run(&["plan", DEMO, "hero", "--baseline", "0.03", "--daily", daily, "--mde", "0.05", "--json"]);
    assert_eq!(planned("4e4").json(), planned("40_000").json());
    for wrong in ["1.5", "-1", "1__0", "_1", "1_", "1e400", "many", "", "NaN"] {
        let ran = run(&["simulate", DEMO, &format!("--visitors={wrong}")]);
        assert_eq!((ran.code, ran.err.contains("1_000_000")), (2, true), "{wrong}: {}", ran.err);
    }
}

#[test]
fn explain_refuses_facts_that_nobody_reads() {
    let explain = |arguments: &[&str]| run(&[&["explain", DEMO, "--url", "https://shop.example/"], arguments].concat());
    for (property, meant) in [
        ("contry=US", "country"),
        ("region_code=TX", "regionCode"),
        ("is_eu=1", "isEUCountry"),
        ("postal_code=1", "postalCode"),
    ] {
        let ran = explain(&["--cf", property]);
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains(&format!("did you mean `{meant}`?")), "{}", ran.err);
    }
    assert!(explain(&["--cf", "weather=rain"]).err.contains("there are country, region,"));
    for (header, meant) in
        [("Acept-Language: de", "accept-language"), ("user_agent: x", "user-agent"), ("Cookies: a=b", "cookie")]
    {
        let ran = explain(&["--header", header]);
        assert_eq!(
            (ran.code, ran.err.contains(&format!("did you mean `{meant}`?"))),
            (2, true),
            "{header}: {}",
            ran.err
        );
    }
    for header in ["Accept-Language: de", "X-Shop: 1", "Shop-Channel: app", "CF-IPCountry: DE"] {
        assert_eq!(explain(&["--header", header, "--cf", "country=DE"]).code, 0, "{header}");
    }
    let mut own = hero();
    own["audience"] = json!({"header.user-agnt": "x"});
    let path = file("own-header.json", &document(&json!([own])).to_string());
    let url = ["--url", "https://shop.example/", "--header", "User-Agnt: x"];
    assert_eq!(run(&[&["explain", path.to_str().unwrap()], &url[..]].concat()).code, 0, "the document names it");
}

#[test]
fn a_file_in_another_format_is_named_for_what_it_is() {
    let utf16: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: &[(&[u8], &str)] = &[
        (b"", "it is empty"),
        (b"version: 1\n", "it is YAML"),
        (b"version = 1\n", "it is TOML"),
        (b"// mine\n{}", "it is JSON with comments"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"\xff\xfe{\0}\0", "it is UTF-16"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PK\x03\x04\xff", "zip"),
        (b"\x7fELF\x00\x00\xff\xfe", "binary"),
        (b"{\"name\": \"Gr\xf6\xdfe\"}", "another encoding"),
    ];
    for (bytes, said) in cases.iter().copied().chain([(utf16.as_slice(), "UTF-16")]) {
        let path = super::file("format", "");
        std::fs::write(&path, bytes).unwrap();
        for command in ["check", "list", "push"] {
            let ran = run(&[command, path.to_str().unwrap()]);
            assert_eq!((ran.code, ran.err.contains(said)), (1, true), "{command} {said}: {}", ran.err);
            assert!(ran.err.starts_with("error document: "), "{}", ran.err);
        }
    }
}

#[test]
fn every_problem_has_its_line_and_column() {
    let text = "{\n  \"version\": 1, \"project\": \"shop\",\n  \"experiments\": [\n    {\"id\": \"hero\",\n     \"trafic\": 5, \"variants\": [{\"id\": \"größe\", \"weight\": -1}]}]}\n";
    let answer = run_with(&["check", "-", "--json"], text).json();
    for problem in answer["problems"].as_array().unwrap() {
        let at = |name: &str| usize::try_from(problem[name].as_u64().unwrap()).unwrap() - 1;
        let path = problem["path"].as_str().unwrap();
        let field = path.rsplit('.').next().unwrap();
        let rest: String = text.lines().nth(at("line")).unwrap().chars().skip(at("column")).collect();
        let expected = if problem["severity"] == "warning" || field.ends_with(']') {
            "{".to_owned()
        } else {
            format!("\"{field}\"")
        };
        assert!(rest.starts_with(&expected), "{path} stands at `{rest}`, not {expected}");
    }
    // a document that another command refuses has them, too
    let refused = run_with(&["list", "-", "--json"], text).json();
    let trafic = refused["problems"].as_array().unwrap().iter().find(|one| one["path"] == "experiments[0].trafic");
    assert_eq!(trafic.map(|one| (&one["line"], &one["column"])), Some((&json!(5), &json!(6))));
}

/// The text was scanned once a problem: a document of 1,500 experiments with four warnings each took minutes.
#[test]
#[allow(clippy::disallowed_methods)]
fn a_large_document_has_its_lines_at_once() {
    let step = json!([{"select": "h1", "do": "set_text", "value": "x".repeat(300)}]);
    let experiment = |n: usize| {
        let variants = json!([{"id": "control", "weight": 1}, {"id": "bold", "weight": 1, "rewrite": step}]);
        json!({"id": format!("e{n}"), "status": "running", "pages": [format!("/p{n}")], "variants": variants})
    };
    let experiments: Vec<Value> = (0..1500).map(experiment).collect();
    let document = json!({"version": 1, "project": "shop", "experiments": experiments});
    let text = serde_json::to_string_pretty(&document).unwrap();
    let started = std::time::Instant::now();
    let answer = run_with(&["check", "-", "--json"], &text).json();
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
    let problems = answer["problems"].as_array().unwrap();
    assert!(problems.len() >= 4 * 1500, "{}", problems.len());
    let lines: Vec<&str> = text.lines().collect();
    for problem in problems {
        let line = usize::try_from(problem["line"].as_u64().unwrap()).unwrap();
        let number = problem["path"].as_str().unwrap()["experiments[".len()..].split_once(']').unwrap().0;
        // the first line of an experiment's object names its id next
        assert!(lines[line].contains(&format!("\"e{number}\"")), "{problem} stands at `{}`", lines[line]);
    }
}

/// A terminal, as util-linux makes one.
fn on_a_terminal(command: &str, input: &str) -> Option<String> {
    let quoted = command.replace("sortition", env!("CARGO_BIN_EXE_sortition"));
    let mut child = Command::new("script")
        .args(["-qec", &quoted, "/dev/null"])
        .env("NO_COLOR", "1")
        .env("TERM", "dumb")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Some(String::from_utf8_lossy(&output.stdout).replace('\r', ""))
}

#[test]
fn a_terminal_shows_where_and_asks_before_everything_is_killed() {
    let path = file("terminal.json", "{\n \"version\": 1, \"project\": \"shop\",\n \"experiment\": []\n}");
    let Some(said) = on_a_terminal(&format!("sortition check {}", path.display()), "") else {
        eprintln!("left out: there is no `script` that makes a terminal");
        return;
    };
    assert!(said.contains("line 3, column 2"), "{said}");
    let asked = on_a_terminal("sortition kill --all", "no\n").unwrap();
    assert!(asked.contains("type `kill` to go on") && asked.contains("nothing was killed"), "{asked}");
}

#[test]
fn kill_wants_to_be_told_what() {
    let ran = run(&["kill"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--all"), "{}", ran.err);
    assert_eq!(run(&["kill", "hero", "--all"]).code, 2);
}

#[test]
fn shells_complete_and_man_explains_every_command() {
    for (shell, sign) in [("bash", "complete -F"), ("zsh", "#compdef sortition"), ("fish", "complete -c sortition")] {
        let ran = run(&["completions", shell]);
        assert_eq!(ran.code, 0);
        assert!(ran.out.contains(sign), "{shell}");
        for command in super::commands() {
            assert!(ran.out.contains(&command), "{shell} does not know {command}");
        }
    }
    assert_eq!(run(&["completions", "tcsh"]).code, 2);
    assert_eq!(run(&["completions", "man"]).code, 2);
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("man-{}", std::process::id()));
    assert_eq!(run(&["completions", "man", "--into", folder.to_str().unwrap()]).code, 0);
    for command in super::commands() {
        let page = std::fs::read_to_string(folder.join(format!("sortition-{command}.1"))).unwrap();
        assert!(page.contains(".TH") && page.contains("Examples"), "{command}");
    }
    let _ = std::fs::remove_dir_all(folder);
}

/// What `diff` says of a change of one running experiment among others.
fn refused(change: impl Fn(&mut Value), allow: &[&str]) -> (i32, String) {
    let treated = |id: &str| {
        let mut e = hero();
        e["id"] = id.into();
        e["variants"][1]["rewrite"] = json!([{"select": "h1", "do": "set_text", "value": "Hello"}]);
        e
    };
    let old = document(&json!([treated("hero"), treated("price"), treated("badge")]));
    let mut new = old.clone();
    change(&mut new);
    let (old, new) = (file("before.json", &old.to_string()), file("after.json", &new.to_string()));
    let mut arguments = vec!["diff", old.to_str().unwrap(), new.to_str().unwrap(), "--visitors", "100"];
    for danger in allow {
        arguments.extend(["--allow", danger]);
    }
    let ran = run(&arguments);
    (ran.code, ran.err)
}

#[test]
fn what_takes_experiments_or_data_away_is_refused_by_name() {
    let experiments = |new: &mut Value, left: usize| new["experiments"].as_array_mut().unwrap().truncate(left);
    type Change<'a> = Box<dyn Fn(&mut Value) + 'a>;
    let cases: Vec<(&str, Change<'_>, &[&str])> = vec![
        ("one of three removed", Box::new(|new| experiments(new, 2)), &["remove"]),
        ("two of three removed", Box::new(|new| experiments(new, 1)), &["remove", "shrink"]),
        ("another project", Box::new(|new| new["project"] = "other".into()), &["project"]),
        (
            "another text in a treatment",
            Box::new(|new| new["experiments"][0]["variants"][1]["rewrite"][0]["value"] = "Hi".into()),
            &["treatment"],
        ),
        (
            "a payload of the control",
            Box::new(|new| new["experiments"][0]["variants"][0]["payload"] = json!({"a": 1})),
            &["treatment"],
        ),
    ];
    for (name, change, dangers) in cases {
        let (code, said) = refused(&change, &[]);
        assert_eq!(code, 1, "{name}");
        for danger in dangers {
            assert!(said.contains(&format!("--allow {danger}")), "{name}: {said}");
        }
        let named: std::collections::BTreeSet<&str> =
            said.lines().filter_map(|line| Some(line.split_once("--allow ")?.1)).collect();
        assert_eq!(named, dangers.iter().copied().collect(), "{name}");
        assert_eq!(refused(&change, dangers).0, 0, "{name}, allowed");
    }
    let fine: Vec<(&str, Change<'_>)> = vec![
        ("a draft removed", Box::new(|new| new["experiments"][2]["status"] = "draft".into())),
        ("another name", Box::new(|new| new["experiments"][0]["name"] = "Hero".into())),
        ("more traffic", Box::new(|new| new["experiments"][0]["traffic"] = 50.into())),
        (
            "a variant more",
            Box::new(|new| {
                let variants = new["experiments"][0]["variants"].as_array_mut().unwrap();
                variants.push(json!({"id": "third", "weight": 0}));
            }),
        ),
    ];
    for (name, change) in fine {
        let (code, said) = refused(&change, &[]);
        assert_eq!(code, 0, "{name}: {said}");
    }
    let (code, said) = refused(
        |new| {
            new["experiments"][0]["variants"][1]["rewrite"][0]["value"] = "Hi".into();
            new["experiments"][0]["iteration"] = 2.into();
        },
        &[],
    );
    assert_eq!((code, said.contains("--allow iteration"), said.contains("treatment")), (1, true, false), "{said}");
}

#[test]
fn long_diffs_are_folded_with_counts() {
    let many = |traffic: u32| {
        let list: Vec<Value> = (0..60)
            .map(|number| {
                let mut e = hero();
                e["id"] = format!("e{number}").into();
                e["traffic"] = traffic.into();
                e
            })
            .collect();
        document(&json!(list)).to_string()
    };
    let (old, new) = (file("many-before.json", &many(5)), file("many-after.json", &many(50)));
    let arguments = ["diff", old.to_str().unwrap(), new.to_str().unwrap(), "--visitors", "50"];
    let folded = run(&arguments).out;
    assert!(folded.contains("60 changes") && folded.contains("--full shows each"), "{folded}");
    assert!(folded.lines().count() < 60, "{folded}");
    let full = run(&[&arguments[..], &["--full"]].concat()).out;
    assert_eq!(full.matches("].traffic  ").count(), 60, "{full}");
}

#[test]
fn the_tool_says_its_version() {
    let output = tool().arg("--version").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("sortition {}\n", env!("CARGO_PKG_VERSION")));
}

/// Who keeps a variant is told what somebody without a past would get: an audience that they have left, another split.
#[test]
fn explain_says_what_would_be_decided_anew() {
    let kept = "sortition_as=1~hero.1.bold.gu2*";
    let ask = |name: &str, more: Value| {
        let path = file(name, &document(&json!([crate::support::with(hero(), more)])).to_string());
        let arguments =
            ["explain", path.to_str().unwrap(), "--url", "https://shop.example/", "--visitor", "visitor-0001"];
        let cookie = ["--cookie", kept];
        let text = run(&[&arguments[..], &cookie].concat()).out;
        (run(&[&arguments[..], &cookie, &["--json"]].concat()).json()["experiments"][0].clone(), text)
    };
    let cases = [
        ("audience", json!({"audience": {"country": "US"}}), json!({"reason": "audience", "variant": null})),
        ("traffic", json!({"traffic": 0}), json!({"reason": "traffic", "variant": null})),
        (
            "split",
            json!({"variants": [{"id": "control", "weight": 1}, {"id": "bold", "weight": 0}]}),
            json!({"reason": "split", "variant": "control"}),
        ),
    ];
    for (name, more, anew) in cases {
        let (told, text) = ask(name, more);
        assert_eq!((&told["reason"], &told["variant"]), (&json!("sticky"), &json!("bold")), "{told}");
        assert_eq!(told["anew"], anew, "{name}");
        let reason = anew["reason"].as_str().unwrap();
        assert!(text.contains(&format!("decided anew it would be: {reason}")), "{text}");
    }
    let path = file("nothing-kept", &document(&json!([hero()])).to_string());
    let none = run(&[
        "explain",
        path.to_str().unwrap(),
        "--url",
        "https://shop.example/",
        "--visitor",
        "visitor-0001",
        "--json",
    ]);
    assert!(none.json()["experiments"][0].get("anew").is_none());
}
