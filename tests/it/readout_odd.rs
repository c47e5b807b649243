//! Whatever a document measures and whatever the record answers, every page is written: no panic, nothing that is no number
//! shown as one, nothing of a stranger's as markup.

use super::readout::{answer, document as small, known_with};
use crate::support::Random;
use serde_json::{Value, json};
use sortition_engine::document::{Document, Experiment, Timestamp, check_text};
use sortition_engine::readout::{
    Depth, Known, Results, Sources, View, detail_page, holdout, interactions_page, list_page, programme_page,
    question_names, questions, results, shared_page, summary, watch,
};

const HOSTILE: &str = "<script>alert(1)</script>\" onload='x' &amp; \u{202e}\u{0} ` ${x} {{7*7}}";

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

impl Random {
    fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    fn put(&mut self, value: &mut Value, field: &str, all: &[Value]) {
        if self.below(3) == 0 {
            value[field] = self.pick(all);
        }
    }
}

/// A metric of any kind, with whatever may stand beside it.
fn metric(random: &mut Random) -> Value {
    let kind = random.pick(&["proportion", "mean", "ratio", "count", "quantile", "retention"]);
    let mut metric = json!({"event": random.pick(&["purchase", "view", "pay'ment"]), "kind": kind});
    random.put(&mut metric, "direction", &[json!("up"), json!("down")]);
    random.put(&mut metric, "where", &[json!({"ok": false}), json!({"method": {"$in": ["card", HOSTILE]}}), json!({})]);
    random.put(&mut metric, "currency", &[json!("EUR"), json!("JPY")]);
    random.put(&mut metric, "window_hours", &[json!(0.5), json!(72), json!(9000)]);
    random.put(&mut metric, "cap", &[json!(0.01), json!(1e9)]);
    random.put(&mut metric, "cap_percentile", &[json!(50), json!(99.9)]);
    random.put(&mut metric, "cuped", &[json!({"days": 1}), json!({"days": 400})]);
    random.put(&mut metric, "refunds", &[json!("subtract"), json!("ignore")]);
    random.put(&mut metric, "unit", &[json!("%"), json!("ms"), json!("count"), json!("EUR"), json!(HOSTILE)]);
    match kind {
        "ratio" => {
            metric["per"] = random.pick(&[json!("purchase"), json!("view")]);
            random.put(&mut metric, "of", &[json!("count"), json!("value")]);
            random.put(&mut metric, "where_per", &[json!({"a.b": 1})]);
        }
        "quantile" => metric["q"] = random.pick(&[json!(0.5), json!(0.9), json!(0.95), json!(0.99)]),
        "retention" => {
            metric["from_days"] = random.pick(&[json!(0), json!(1), json!(30)]);
            metric["to_days"] = random.pick(&[json!(31), json!(60)]);
        }
        _ => {}
    }
    metric
}

fn experiment(random: &mut Random, id: &str, metrics: &[&str]) -> Value {
    let ids = ["control", "bold", "third", "fourth"];
    let count = 1 + random.below(4);
    let mut variant =
        |id: &&str| json!({"id": id, "weight": random.pick(&[1, 1, 0]), "name": HOSTILE, "description": HOSTILE});
    let variants: Vec<Value> = ids[..count].iter().map(&mut variant).collect();
    let guardrail = |random: &mut Random| {
        let metric = random.pick(&[metrics[2], metrics[3], "origin_error_rate", "origin_latency_p95"]);
        let mut guardrail = json!({ "metric": metric });
        random.put(&mut guardrail, "min_relative", &[json!(-0.02), json!(0)]);
        random.put(&mut guardrail, "act", &[json!("kill"), json!("hold"), json!("tell")]);
        guardrail
    };
    let mut e = json!({
        "id": id, "name": HOSTILE, "hypothesis": HOSTILE, "owner": HOSTILE, "owners": {HOSTILE: HOSTILE},
        "status": random.pick(&["draft", "running", "running", "running", "paused", "completed"]),
        "metrics": {"primary": metrics[0], "secondary": [metrics[1], "origin_error_rate"], "guardrails": [guardrail(random)]},
        "variants": variants,
    });
    random.put(&mut e, "unit", &[json!("user"), json!("session")]);
    random.put(&mut e, "iteration", &[json!(2), json!(4_000_000_000_u32)]);
    random.put(&mut e, "starts_at", &[json!("2026-11-01T00:00:00Z"), json!("2027-01-01T00:00:00Z")]);
    random.put(&mut e, "ends_at", &[json!("2026-11-20T00:00:00Z"), json!("2027-02-01T00:00:00Z")]);
    random.put(&mut e, "allocation", &[json!("bandit")]);
    let step = |at: &str, traffic: f64| json!({"at": at, "traffic": traffic, "if": "healthy", "min_hours": 24});
    random.put(&mut e, "ramp", &[json!([step("2026-11-02T00:00:00Z", 0.01), step("2026-11-21T11:00:00Z", 100.0)])]);
    random.put(&mut e, "rollback", &[json!({"on": ["guardrail", "srm", "errors"], "owner": HOSTILE, "when": HOSTILE})]);
    let analysis = |method: &str, mde: f64| json!({"method": method, "mde": mde, "confidence": 0.95, "power": 0.8});
    let plans = [analysis("fixed", 0.02), analysis("bayesian", 1e-6), analysis("sequential", 0.5)];
    random.put(&mut e, "analysis", &plans);
    let decided = |what: &str, variant: Value| json!({"what": what, "variant": variant, "at": "2026-11-20T00:00:00Z", "by": HOSTILE, "why": HOSTILE, "summary": HOSTILE});
    random.put(&mut e, "decision", &[decided("ship", json!("control")), decided("abort", Value::Null)]);
    e
}

/// A whole number as an engine may write it, of any size and sign.
fn number(random: &mut Random) -> Value {
    let n = random.next() as i64;
    match random.below(9) {
        0 => json!(0),
        1 => Value::Null,
        2 => json!(-(n.abs() % 1_000)),
        3 => json!(n),
        4 => json!(format!("{n}{}", n.unsigned_abs())),
        5 => json!("170141183460469231731687303715884105727"),
        6 => json!([n.abs() % 131_072, 5, 7]),
        _ => json!(n.unsigned_abs() % 100_000),
    }
}

fn told(random: &mut Random, name: &str) -> Option<String> {
    match random.below(12) {
        0 => return None,
        1 => return Some(random.pick(&["", "[]", "{}", "null", "[[\"sum\"]]", "[1,2]", "[[\"end\"]]"]).to_owned()),
        _ => {}
    }
    let mut rows = Vec::new();
    for variant in ["control", "bold", "third", "gone"] {
        let parts = [
            ("", ""),
            ("day", "20758"),
            ("day", "20770"),
            ("age", "3"),
            ("device", HOSTILE),
            ("country", ""),
            ("fallback", "true"),
            ("version.<b>", "v1"),
        ];
        for (dimension, part) in parts {
            let mut row = vec![json!("sum"), json!(dimension), json!(part), json!(variant)];
            // why: sometimes of plausible people, so that pages have numbers at all
            let plain = random.below(2) == 0;
            let n = random.pick(&[1, 40, 500, 5_000]) + random.below(2) as i64 * random.below(9_000) as i64;
            let y = random.below(400) as i64;
            let sane = [n, 3, y, y, y * y.max(1), n, n * 2, y, y / 2, y, y / 2, y / 3];
            row.extend((0..12).map(|at| if plain { json!(sane[at]) } else { number(random) }));
            rows.push(Value::Array(row));
        }
        for step in 0..3 {
            rows.push(json!(["rank", "", "", variant, number(random), step * 100, step * 100 + 99]));
        }
        rows.push(json!(["unknown", "", "", variant, number(random)]));
    }
    for code in ["EUR", "JPY", ""] {
        if random.below(3) == 0 {
            rows.push(json!(["currency", "", code, "", number(random), random.below(2)]));
        }
    }
    for hours in [0, 1, 24, 336] {
        rows.push(json!(["delay", "", "", "", hours, random.below(100)]));
    }
    rows.push(json!(["contaminated", "", "", "", number(random)]));
    if name.starts_with("interactions") {
        for variant in ["control", "bold"] {
            for other in ["control", "bold"] {
                let mut row = vec![json!("pair"), json!("other/1"), json!(other), json!(variant)];
                row.extend((0..12).map(|_| number(random)));
                rows.push(Value::Array(row));
            }
        }
    }
    answer(&rows)
}

fn known(random: &mut Random) -> Known {
    let row = |random: &mut Random, variant: &str| {
        let mut row = vec![json!("one"), json!(1), json!(variant)];
        row.extend((0..14).map(|_| json!(random.next() as i64 >> 20)));
        Value::Array(row)
    };
    let health = json!([row(random, "control"), row(random, "bold")]);
    let endings = json!([["one", "2026-11-19T00:00:00Z", HOSTILE, null], ["one", "x", "y", HOSTILE]]);
    Known::read(&[
        Some(endings.to_string()),
        Some(json!([[random.below(9), random.below(9), 3, 5, 0]]).to_string()),
        Some(health.to_string()),
        Some("[[\"one/1/begun\",\"2026-11-02T00:00:00Z\"],[\"x\",\"no time\"]]".to_owned()),
    ])
}

#[track_caller]
fn is_sound(page: &str, seed: u64) {
    for wrong in ["<script", "NaN", "inf %", ">inf", " inf ", "onload='x'>", "\"\" onload"] {
        assert!(!page.contains(wrong), "{wrong} of seed {seed}: {}", around(page, wrong));
    }
    // why: a page has numbers of one, and numbers that are rounded to nothing
    for many in
        ["visitors", "users", "sessions", "messages", "requests", "outcomes", "questions", "parts", "days", "weeks"]
    {
        for wrong in [format!(" 1 {many}"), format!(">1 {many}")] {
            // of a list, such as `5,000 / 1 visitors`, the last number is no number of all
            let page = page.replace(&format!("/ 1 {many}"), "");
            assert!(!page.contains(&wrong), "{wrong} of seed {seed}: {}", around(&page, &wrong));
        }
    }
    for wrong in ["+0.0 %", "−0.0 %", "+0.00 %", "−0.00 %", "−0.00 ", ">-0", " -0"] {
        assert!(!page.contains(wrong), "{wrong} of seed {seed}: {}", around(page, wrong));
    }
    for tag in ["table", "section", "details", "svg", "div", "ul", "p"] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "<{tag}> of seed {seed}");
    }
}

fn around(page: &str, text: &str) -> String {
    let letters: Vec<char> = page.chars().collect();
    let at = page.split(text).next().unwrap().chars().count();
    letters[at.saturating_sub(200)..(at + 100).min(letters.len())].iter().collect()
}

fn read(document: &Document, e: &Experiment, known: &Known, random: &mut Random, depth: Depth) -> Results {
    assert_eq!(question_names(document, e, depth).len(), questions(document, e, depth, now()).len());
    let names = question_names(document, e, depth);
    let answers: Vec<Option<String>> = names.iter().map(|name| told(random, name)).collect();
    results(document, e, known, &answers, depth, now())
}

/// The first of what is made that is a valid document.
fn valid(mut make: impl FnMut() -> Value) -> Value {
    let mut problems = Vec::new();
    for _ in 0..500 {
        let made = make();
        let checked = check_text(&made.to_string(), now());
        if checked.is_sound() {
            return made;
        }
        problems = checked.problems;
    }
    panic!("none is valid: {problems:?}");
}

#[test]
fn every_valid_document_has_every_page() {
    for seed in 0..120 {
        let mut random = Random(seed);
        let ids = ["a", "b", "c", "d"];
        let mut whole =
            json!({"version": 1, "project": "shop", "holdout": {"percent": 5}, "metrics": {}, "experiments": []});
        for id in ids {
            whole = valid(|| {
                let mut next = whole.clone();
                next["metrics"][id] = metric(&mut random);
                next
            });
        }
        for id in ["one", "other"] {
            whole = valid(|| {
                let mut next = whole.clone();
                next["experiments"].as_array_mut().unwrap().push(experiment(&mut random, id, &ids));
                next
            });
        }
        let text = whole.to_string();
        let document = Document::parse(&text).unwrap();
        let known = known(&mut random);
        let mut all = Vec::new();
        for e in &document.experiments {
            for depth in [Depth::Detail, Depth::Pairs, Depth::List] {
                let one = read(&document, e, &known, &mut random, depth);
                is_sound(&detail_page(&one), seed);
                is_sound(&shared_page(&one), seed);
                let _ = summary(&one);
                let mut guard = Default::default();
                let _ = watch(&document, e, &one, &known, &mut guard, now());
                all.push(one);
            }
        }
        for query in ["", "status=needs+you&sort=lift", "sort=end&q=%00"] {
            is_sound(&list_page("shop", &all, &View::parse(query)), seed);
        }
        let frozen: Vec<String> = all.iter().map(|one| serde_json::to_string(one).unwrap()).collect();
        let courses =
            json!([["one", 1, 20_758, 20_770], ["<script>gone", 1, 20_700, 20_701], ["x", 1, null, null]]).to_string();
        let from = Sources { frozen: &frozen, courses: Some(&courses), holdout: frozen.first().map(String::as_str) };
        is_sound(&programme_page(&document, from, now()), seed);
        is_sound(&interactions_page("shop", all), seed);
        let apart = holdout(&document).unwrap();
        let one = read(&apart, &apart.experiments[0], &known, &mut random, Depth::Detail);
        is_sound(&detail_page(&one), seed);
    }
}

#[test]
fn money_in_several_currencies_is_shown_nowhere() {
    let document = small(|value| value["experiments"][0]["metrics"]["primary"] = json!("revenue"));
    let sums = |dimension: &str, part: &str, variant: &str| {
        json!(["sum", dimension, part, variant, 900, 0, 300, 700_000, 90_000_000_000_i64, 0, 0, 0, 0, 0, 0, 0])
    };
    let cells = |variant| [sums("", "", variant), sums("day", "20758", variant), sums("device", "mobile", variant)];
    let mut rows = [cells("control"), cells("bold")].concat();
    let units = answer(&rows);
    rows.push(json!(["currency", "", "EUR", "", 100, 0]));
    rows.push(json!(["currency", "", "JPY", "", 100, 0]));
    let known = known_with(json!([]), json!([]));
    let answers = [units, answer(&rows)];
    let one = results(&document, &document.experiments[0], &known, &answers, Depth::Detail, now());
    let lifts = one.segments.iter().flat_map(|segment| &segment.parts).flat_map(|part| &part.comparisons).count();
    assert_eq!((lifts, one.progress.is_none(), one.metrics[0].means[0]), (0, true, None), "nothing is added up");
    let arm = &one.metrics[0].variants[0];
    assert_eq!((arm.n, arm.converted, arm.sum), (900, 300, 0), "who bought is known all the same");
    assert_eq!(one.metrics[0].comparisons[0].status, "MIXED_CURRENCIES");
    let page = detail_page(&one);
    assert!(page.contains("several currencies cannot be added up") && !page.contains("nobody yet"));
}
