//! The operator's tool, as people and scripts meet it: the built binary, its exit codes, its lines and its JSON.

mod asked;
mod crowd;
mod edits;
mod import;
mod registry;
mod trust;

use serde_json::{Value, json};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const DEMO: &str = "fixtures/demo/experiments.json";

/// Visitors of whom the golden tests ask.
const VISITORS: [&str; 4] = ["visitor-0001", "visitor-0002", "7c1f8a52-8a0e-4b6c-9d3e-1f2a3b4c5d6e", "a.b_c~d-e-f"];

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("no JSON ({error}): {}\n{}", self.out, self.err))
    }
}

fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn tool() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sortition"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("SORTITION_SECRET").env_remove("FORCE_COLOR");
    command
}

fn run(arguments: &[&str]) -> Ran {
    ran(tool().args(arguments).stdin(Stdio::null()).output().unwrap())
}

fn run_with(arguments: &[&str], input: &str) -> Ran {
    let mut child =
        tool().args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // the tool may refuse before it has read everything
    let _ = writer.join().unwrap();
    ran(output)
}

/// A file of this test's own.
fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

fn document(experiments: &Value) -> Value {
    json!({"version": 1, "project": "shop", "layers": {"l": {}}, "experiments": experiments})
}

fn hero() -> Value {
    json!({"id": "hero", "status": "running", "owner": "o", "hypothesis": "h", "ends_at": "2999-01-01T00:00:00Z",
           "variants": [{"id": "control", "weight": 50}, {"id": "bold", "weight": 50}]})
}

#[test]
fn what_a_command_says_by_exit_code() {
    let cases: &[(&[&str], i32)] = &[
        (&["check", DEMO], 0),
        (&["check", DEMO, "--json"], 0),
        (&["list", DEMO], 0),
        (&["new", "hero"], 0),
        (&["--help"], 0),
        (&["help", "push"], 0),
        (&[], 2),
        (&["chekc", DEMO], 2),
        (&["check"], 2),
        (&["check", "no-such-file.json"], 2),
        (&["check", "Cargo.toml"], 1),
        (&["explain", DEMO, "--url", "/p/1"], 2),
        (&["explain", DEMO, "--url", "https://shop.example/", "--at", "tomorrow"], 2),
        (&["explain", DEMO, "--url", "https://shop.example/", "--visitor", "a b"], 2),
        (&["explain", DEMO, "--url", "https://shop.example/", "--user", "u"], 2),
        (&["explain", DEMO, "--url", "https://shop.example/", "--header", "no-colon"], 2),
        (&["simulate", DEMO, "--visitors", "0"], 2),
        (&["plan", DEMO, "nope", "--baseline", "0.1", "--daily", "10"], 2),
        (&["plan", DEMO, "hero", "--baseline", "1.5", "--daily", "10"], 2),
        (&["plan", DEMO, "hero", "--baseline", "0.03", "--daily", "0"], 2),
        (&["preview", "hero"], 2),
        (&["new", "No Id"], 2),
        (&["analyze", "no-such-file"], 2),
    ];
    for (arguments, code) in cases {
        let ran = run(arguments);
        assert_eq!(ran.code, *code, "{arguments:?}: {}{}", ran.out, ran.err);
        if *code == 2 {
            assert!(ran.out.is_empty() && !ran.err.is_empty(), "{arguments:?}: {}{}", ran.out, ran.err);
        }
    }
}

/// The commands, as `sortition --help` lists them.
fn commands() -> Vec<String> {
    let help = run(&["--help"]).out;
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_explains_itself_with_examples_and_has_its_place_in_the_docs() {
    let page = std::fs::read_to_string("docs/cli.md").unwrap();
    let commands = commands();
    assert!(commands.len() >= 15, "{commands:?}");
    for command in &commands {
        let help = run(&[command, "--help"]);
        assert_eq!(help.code, 0);
        let (_, examples) = help.out.split_once("Examples:\n").unwrap_or_else(|| panic!("{command} has no examples"));
        assert!(examples.contains(&format!("sortition {command}")), "{examples}");
        assert!(help.out.contains("--json") && !help.out.contains('\u{1b}'), "{command}");
        let heading = page.lines().filter(|line| line.starts_with("## "));
        let mut names = heading.flat_map(|line| line.trim_start_matches("## ").split(", "));
        assert!(names.any(|name| name == command), "{command} is not in docs/cli.md");
    }
}

/// Whatever is wrong, `--json` leaves one JSON value on standard output, and people are told on standard error.
#[test]
fn what_is_wrong_is_json_too_where_that_is_asked_for() {
    let binary = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{}-binary", std::process::id()));
    std::fs::write(&binary, b"\xff\xfe").unwrap();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["chekc"], 2, "chekc"),
        (&["check"], 2, "required"),
        (&["check", "no-such-file"], 2, "name a file"),
        (&["check", binary.to_str().unwrap()], 1, "save it as UTF-8"),
        (&["ramp", "hero", "much"], 2, "much"),
        (&["explain", DEMO, "--url", "https://shop.example/", "--method", ""], 2, "GET"),
        (&["diff", "-", "-"], 2, "standard input"),
        (&["rehearse", DEMO, "nobody"], 2, "hero, badge, checkout"),
    ];
    for (arguments, code, said) in cases {
        let ran = run(&[arguments, &["--json"][..]].concat());
        let answer = ran.json();
        assert_eq!((ran.code, &answer["ok"]), (*code, &json!(false)), "{arguments:?}");
        assert!(
            answer["error"].as_str().is_some_and(|error| error.contains(said)) || ran.err.contains(said),
            "{arguments:?}: {}",
            ran.err
        );
        assert!(ran.err.starts_with("error"), "{}", ran.err);
    }
}

#[test]
fn a_reader_that_leaves_is_no_failure_and_a_full_disk_is_one() {
    let mut child = tool().args(["list", DEMO, "--json"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    if let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") {
        let ran = ran(tool().args(["list", DEMO]).stdout(full).output().unwrap());
        assert_eq!(ran.code, 1);
        assert!(ran.err.starts_with("error: standard output cannot be written: "), "{}", ran.err);
    }
}

#[test]
fn every_problem_is_one_line_with_its_path() {
    let mut broken = hero();
    broken["variants"][0]["weight"] = json!(-1);
    broken["trafic"] = json!(5);
    let text = serde_json::to_string_pretty(&document(&json!([hero(), hero(), broken]))).unwrap();
    let ran = run_with(&["check", "-"], &text);
    assert_eq!(ran.code, 1);
    let errors: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("error ")).collect();
    for path in ["experiments[2].variants[0].weight: ", "experiments[2].trafic: "] {
        let found = errors.iter().filter(|line| line.starts_with(&format!("error {path}"))).count();
        assert_eq!(found, 1, "{path} in {}", ran.err);
    }
    assert!(!ran.err.contains('\u{1b}') && !ran.out.contains('\u{1b}'), "no colour where nobody sees it");

    let answer = run_with(&["check", "-", "--json"], &text).json();
    assert_eq!(answer["ok"], false);
    assert_eq!(answer["errors"], errors.len());
    for problem in answer["problems"].as_array().unwrap().iter().filter(|one| one["severity"] == "error") {
        let line = usize::try_from(problem["line"].as_u64().unwrap()).unwrap();
        let field = problem["path"].as_str().unwrap().rsplit(['.', ']']).next().unwrap();
        assert!(text.lines().nth(line - 1).unwrap().contains(field), "{problem}");
    }

    let path = file("broken.json", &text);
    let annotated = run(&["check", path.to_str().unwrap(), "--format", "github"]);
    assert_eq!(annotated.code, 1);
    let weight = 1 + text.lines().position(|line| line.contains("\"weight\": -1")).unwrap();
    let expected = format!("::error file={},line={weight},", path.to_str().unwrap());
    assert!(annotated.out.contains(&expected), "{expected} in {}", annotated.out);
}

#[test]
fn what_is_no_json_names_its_line() {
    let answer = run_with(&["check", "-", "--json"], "{\n  \"version\": 1,\n  oops\n}");
    assert_eq!((answer.code, &answer.json()["problems"][0]["line"]), (1, &json!(3)));
}

#[test]
fn analyze_answers_every_reference_case() {
    let cases: Value = serde_json::from_str(include_str!("../../fixtures/stats/cases.json")).unwrap();
    let cases = cases["cases"].as_array().unwrap();
    let lines: Vec<String> =
        cases.iter().map(|case| json!({"id": case["id"], "op": case["op"], "in": case["in"]}).to_string()).collect();
    let ran = run_with(&["analyze"], &format!("\n{}\n\n", lines.join("\n\n")));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let answers: Vec<&str> = ran.out.lines().collect();
    assert_eq!(answers.len(), cases.len());
    for (line, answer) in lines.iter().zip(answers) {
        assert_eq!(answer, sortition_engine::stats::analyze::analyze_line(line));
    }
    let failed = run_with(&["analyze", "-"], "{\"id\": 1, \"op\": \"nope\"}\n{\"id\": 2");
    assert_eq!((failed.code, failed.out.lines().count()), (1, 2));
}

/// `--visitor` was written plainly into a cookie of JSON, where nobody found it: what was explained was somebody new.
#[test]
fn explain_speaks_of_a_visitor_whose_id_stands_in_another_tools_cookie() {
    let bold = json!({"id": "bold", "weight": 1});
    let hero = json!({"id": "hero", "status": "running", "variants": [{"id": "control", "weight": 1}, bold],
        "overrides": [{"audience": {"visitor_id": "u|1"}, "variant": "bold"}]});
    for read in [json!("plain"), json!("url"), json!({"json": "distinct_id"})] {
        let document = json!({"version": 1, "project": "shop", "visitor": {"cookie": "theirs", "read": read},
            "experiments": [hero]});
        let path = file("foreign.json", &document.to_string());
        let ran =
            run(&["explain", path.to_str().unwrap(), "--url", "https://shop.example/", "--visitor", "u|1", "--json"]);
        assert_eq!(ran.json()["experiments"][0]["reason"], "forced", "{read}: {}{}", ran.out, ran.err);
    }
}

#[test]
fn explain_says_what_the_engine_decides() {
    use sortition_engine::{document::Document, plan::Plan};
    let plan = Plan::compile(&Document::parse(include_str!("../../fixtures/demo/experiments.json")).unwrap()).unwrap();
    for visitor in VISITORS {
        for (page, id) in [("/", "hero"), ("/p/tent", "badge"), ("/checkout", "checkout")] {
            let url = format!("https://Shop.example{page}");
            let arguments =
                ["explain", DEMO, "--url", &url, "--visitor", visitor, "--at", "2026-11-22T00:00:00Z", "--json"];
            let answer = run(&arguments).json();
            let e = plan.experiments.get(plan.experiment(id).unwrap()).unwrap();
            let explained = answer["experiments"].as_array().unwrap();
            assert_eq!(explained.len(), plan.experiments.len());
            for other in explained.iter().filter(|other| other["experiment"] != id) {
                assert_eq!((&other["reason"], &other["variant"]), (&json!("page"), &Value::Null));
            }
            let this = explained.iter().find(|this| this["experiment"] == id).unwrap();
            let slot = e.layer.map(|part| part.slots.contains(part.salt.bucket(visitor).get()));
            if slot == Some(false) {
                assert_eq!(this["reason"], "layer");
                continue;
            }
            let bucket = e.variant_salt.bucket(visitor);
            let variant = &*e.variants.get(e.split(bucket)).unwrap().id;
            assert_eq!(this["reason"], "split");
            assert_eq!(this["variant"], variant);
            assert_eq!(this["buckets"]["split"], bucket.get());
            assert_eq!(answer["variants"]["to_client"], format!("{id}={variant}"));
            assert_eq!(answer["answer"]["exposed"], json!([id]));
            let to_origin = json!({"do": "set", "name": "Sortition-Visitor", "value": visitor});
            assert!(answer["origin"]["headers"].as_array().unwrap().contains(&to_origin), "{answer:#}");
        }
    }
}

/// Each pair is what `new URL(…).href` makes of the text in Node, without the fragment.
#[test]
fn explain_reads_a_url_as_browsers_do() {
    let cases = [
        ("HTTP://Shop.example:80/a/%2E%2e/./b|/x/..?q=\"'ü#f", "http://shop.example/b|/?q=%22%27%C3%BC"),
        ("https://shop.example", "https://shop.example/"),
        ("https://shop.example?", "https://shop.example/?"),
        ("https://shop.example:8443/größe", "https://shop.example:8443/gr%C3%B6%C3%9Fe"),
        ("https://shop.example\\p\\..\\..\\{a}", "https://shop.example/%7Ba%7D"),
        ("https://shop.example//a//../b/.", "https://shop.example//a/b/"),
    ];
    for (text, expected) in cases {
        assert_eq!(run(&["explain", DEMO, "--url", text, "--json"]).json()["request"]["url"], expected, "{text}");
    }
    for text in
        ["shop.example/", "/p/1", "ftp://shop.example/", "https:///p", "https://größe.example/", "https://a/b c"]
    {
        let ran = run(&["explain", DEMO, "--url", text]);
        assert_eq!((ran.code, ran.err.contains("such as https://shop.example/p/1")), (2, true), "{text}: {}", ran.err);
    }
}

#[test]
fn explain_knows_who_asks() {
    let url = ["explain", DEMO, "--url", "https://shop.example/", "--json"];
    let ask = |more: &[&str]| run(&[&url[..], more].concat()).json();
    let reason = |answer: &Value| answer["experiments"][0]["reason"].clone();
    let crawler = ask(&["--header", "User-Agent: Googlebot/2.1 (+http://www.google.com/bot.html)"]);
    assert_eq!((reason(&crawler), &crawler["visitor"]), (json!("crawler"), &Value::Null));
    let kept = ask(&["--visitor", VISITORS[0], "--cookie", "sortition_as=1~hero.1.control.gu2*"]);
    assert_eq!((reason(&kept), &kept["experiments"][0]["variant"]), (json!("sticky"), &json!("control")));
    assert_eq!(kept["answer"]["exposed"], json!([]));
    let killed = ask(&["--kill", "{\"experiments\": [\"hero\"]}"]);
    assert_eq!((reason(&killed), &killed["variants"]["to_client"]), (json!("killed"), &json!("")));
    assert_eq!(reason(&ask(&["--at", "2030-01-01T00:00:00Z"])), "ended");
    let (one, other) = (ask(&[]), ask(&[]));
    assert_ne!(one["visitor"]["id"], other["visitor"]["id"], "a new visitor each time");
    let elsewhere = run(&["explain", DEMO, "--url", "https://shop.example/nowhere", "--json"]).json();
    assert_eq!(elsewhere["handling"], "untouched");
    assert_eq!((&elsewhere["answer"]["headers"], &elsewhere["origin"]["headers"]), (&json!([]), &json!([])));
}

#[test]
fn explain_draws_a_tree() {
    let ran = run(&["explain", DEMO, "--url", "https://shop.example/", "--visitor", VISITORS[0]]);
    assert_eq!(ran.code, 0);
    for part in ["├─ experiments", "split bucket ", "badge not applied  page", "Sortition-Variants: hero="] {
        assert!(ran.out.contains(part), "{part} in {}", ran.out);
    }
}

#[test]
fn a_new_experiment_passes_the_check() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{}-made.json", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let path = path.to_str().unwrap();
    for id in ["hero", "badge"] {
        assert_eq!(run(&["new", id, "--owner", "team", "--into", path]).code, 0);
    }
    assert_eq!(run(&["check", path]).code, 0);
    let listed = run(&["list", path, "--json"]).json();
    assert_eq!(listed["experiments"].as_array().unwrap().len(), 2);
    let again = run(&["new", "hero", "--into", path]);
    assert_eq!(again.code, 1, "an id twice: {}", again.err);
}

#[test]
fn what_init_writes_is_what_this_project_is_tested_with() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{}-init", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    assert_eq!(run(&["init", folder.to_str().unwrap(), "--origin", "https://www.shop.example"]).code, 0);
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
    let json = |path: PathBuf| -> Value { serde_json::from_str(&read(path)).unwrap() };
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let (made, ours) = (json(folder.join("package.json")), json(root.join("package.json")));
    let asked = |name: &str| ours["devDependencies"][name].as_str().unwrap().to_owned();
    assert_eq!(made["devDependencies"]["wrangler"], format!("^{}", asked("wrangler")));
    let date = |text: &str| -> String {
        let line = text.lines().find(|line| line.contains("compatibility_date")).unwrap();
        line.chars().filter(|letter| letter.is_ascii_digit()).collect()
    };
    let dates = [read(folder.join("wrangler.jsonc")), read(root.join("wrangler.toml"))].map(|text| date(&text));
    assert_eq!(dates[0], dates[1]);
    let lock = json(root.join("package-lock.json"));
    let runtime = lock["packages"]["node_modules/wrangler"]["dependencies"]["workerd"].as_str().unwrap().to_owned();
    assert_eq!(runtime, asked("workerd"), "the tests' runtime is wrangler's");
    // why: a runtime's version is 1.YYYYMMDD.n, the newest compatibility date that it knows
    assert!(runtime.split('.').nth(1).unwrap() >= dates[0].as_str(), "{runtime} does not know {}", dates[0]);
}

#[test]
fn a_preview_link_is_signed_and_read_by_the_worker() {
    use sortition_engine::{document::Preview, visitor::preview::Token};
    let arguments = ["preview", "hero:bold", "--hours", "2", "--url", "https://shop.example/?a=1", "--json"];
    let output = tool().args(arguments).env("SORTITION_SECRET", "s3cret").output().unwrap();
    let answer = ran(output).json();
    let token = answer["token"].as_str().unwrap();
    assert_eq!(answer["url"], format!("https://shop.example/?a=1&sortition_preview={token}"));
    let read = Token::read(token, Preview::Signed, Some(b"s3cret"), 0).unwrap();
    let (experiment, variant) = &read.choices[0];
    assert_eq!((experiment.as_str(), variant.as_str()), ("hero", "bold"));
    assert!(Token::read(token, Preview::Signed, Some(b"other"), 0).is_err());
}
