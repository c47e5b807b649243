//! The pages of a readout with everything on them. `SORTITION_PAGES=FOLDER` writes them there, to be looked at.

use super::readout::{Arm, answer, document, known_with, rows, sums, told};
use serde_json::{Value, json};
use sortition_engine::document::{Document, Timestamp};
use sortition_engine::readout::{
    Depth, Known, Results, Sources, State, View, detail_page, holdout, interactions_page, list_page, programme_page,
    questions, results,
};

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn read(document: &Document, known: &Known, answers: &[Option<String>], scope: Depth) -> Results {
    results(document, &document.experiments[0], known, answers, scope, now())
}

fn look(name: &str, page: &str) {
    if let Ok(folder) = std::env::var("SORTITION_PAGES") {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(format!("{folder}/{name}.html"), page).unwrap();
    }
    assert!(page.ends_with("</html>"));
    assert!(!page.contains("NaN") && !page.contains("None") && !page.contains("inf %"), "{name}");
}

/// The experiment with a name, an owner, changes and guardrails.
fn told_well(value: &mut Value) {
    value["metrics"]["pay-p95"] =
        json!({"event": "payment", "kind": "quantile", "q": 0.95, "unit": "ms", "direction": "down"});
    value["experiments"][0].as_object_mut().unwrap().extend(
        json!({
            "name": "A bolder headline on the front page",
            "hypothesis": "A headline that says what we sell makes more visitors buy, since half of them leave before they scroll.",
            "owner": "storefront", "starts_at": "2026-11-01T08:00:00Z", "ends_at": "2026-11-29T08:00:00Z",
            "rollback": {"owner": "on-call", "when": "errors rise or revenue falls", "on": ["guardrail", "errors"]},
            "metrics": {"primary": "buyers", "secondary": ["pay-p95"], "guardrails": [
                {"metric": "revenue", "min_relative": -0.02}, {"metric": "origin_error_rate", "max_relative": 0.1},
                {"metric": "origin_latency_p95", "max_relative": 0.1}]},
            "variants": [{"id": "control", "weight": 50}, {"id": "bold", "weight": 50, "name": "Bold", "description": "Says what we sell.",
                "rewrite": [{"select": "h1", "do": "set_text", "value": "Lamps that last"}, {"select": ".hero img", "do": "add_class", "value": "tall"}]}]
        })
        .as_object()
        .unwrap()
        .clone(),
    );
}

/// The answers with a quantile, delays, parts and somebody who waits, beside those of [`told`].
fn told_all(arms: [Arm; 2]) -> Vec<Option<String>> {
    let mut all = told(14, arms);
    let mut buying = rows(all[1].as_ref());
    for (hours, outcomes) in [(0, 400), (1, 120), (6, 90), (24, 60), (72, 20)] {
        buying.push(json!(["delay", "", "", "", hours, outcomes]));
    }
    for (part, units, buyers) in [("DE", 3000, 310), ("AT", 60, 6), ("", 200, 20)] {
        for variant in ["control", "bold"] {
            buying.push(sums("country", part, variant, [units, buyers, buyers, buyers]));
        }
    }
    all[1] = answer(&buying);
    let mut units = rows(all[0].as_ref());
    for (part, n) in [("DE", 3000), ("AT", 60), ("", 200)] {
        for variant in ["control", "bold"] {
            units.push(sums("country", part, variant, [n, 0, 0, 0]));
        }
    }
    all[0] = answer(&units);
    let mut payments = Vec::new();
    for (variant, slow) in [("control", 41_200), ("bold", 39_800)] {
        // 9,000 values of 6,000 units, 8,550 of them at or below the quantile
        payments.push(json!(["sum", "", "", variant, 6000, 40, 5000, 8550, 16000, 9000, 18000, 16900, 0, 0, 0, 0]));
        for (step, from, to) in [(-2, 8400, 8499), (-1, 8500, 8544), (0, 8545, 8559), (1, 8560, 8619), (2, 8620, 8700)]
        {
            payments.push(json!(["rank", "", "", variant, slow + step * 300, from, to]));
        }
    }
    all.insert(2, answer(&payments));
    all
}

fn with_health() -> Known {
    let row = |variant: &str, errors: i64, late: i64| {
        let clusters = [50, 5000 * 100, errors * 3, errors * 100];
        json!([
            "hero",
            1,
            variant,
            5000,
            errors,
            1000,
            2500,
            1300 - late,
            200 + late,
            0,
            0,
            0,
            0,
            clusters[0],
            clusters[1],
            clusters[2],
            clusters[3]
        ])
    };
    let health = json!([row("control", 20, 0), row("bold", 22, 500)]);
    let known = ["[]".to_owned(), "[[1000,4,30,500]]".to_owned(), health.to_string(), "[]".to_owned()];
    Known::read(&known.map(Some))
}

#[test]
fn a_page_says_the_verdict_first_then_why_it_ran_then_the_numbers_then_the_checks() {
    let document = document(told_well);
    let results = read(&document, &with_health(), &told_all([Arm(500, 50, 1000), Arm(500, 65, 1000)]), Depth::Detail);
    let page = detail_page(&results);
    look("winner", &page);
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
    let order = [
        "Take bold back: it breaks the guardrail origin_latency_p95",
        "Hypothesis",
        "Metrics</h2>",
        "Can the data be trusted?",
        "What visitors see",
        "Parts of the audience",
        "Timeline",
    ];
    let places: Vec<usize> = order.iter().map(|text| at(text)).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(page.contains("Converted") && page.contains("7,000") && page.contains("910"), "converted and totals");
    assert!(
        !page[at("Can the data be trusted?")..at("What visitors see")].contains("<details open"),
        "folded while green"
    );
    assert!(page.contains("h1: the text becomes “Lamps that last”."));
    assert!(page.contains("14 Nov") && page.contains("1 Nov"), "several dates are labelled");
    assert!(page.contains("within 1 h") && page.contains("fewer than 100 in a variant: it says nothing"));
}

#[test]
fn quantiles_and_the_origin_are_metrics_too() {
    let document = document(told_well);
    let results = read(&document, &with_health(), &told_all([Arm(500, 50, 1000), Arm(500, 65, 1000)]), Depth::Detail);
    let of = |id: &str| results.metrics.iter().find(|metric| metric.id == id).unwrap_or_else(|| panic!("no {id}"));
    let slow = of("pay-p95");
    assert_eq!(slow.means, [Some(412.0), Some(398.0)]);
    assert_eq!(slow.waiting, 80);
    let comparison = &slow.comparisons[0];
    assert_eq!((comparison.status, comparison.difference), ("OK", Some(-14.0)));
    assert!(comparison.p_holm.is_none(), "secondary metrics are in no family");
    assert!(of("buyers").comparisons[0].p_holm.is_some() && of("revenue").comparisons[0].p_holm.is_some());
    let (errors, late) = (of("origin_error_rate"), of("origin_latency_p95"));
    assert_eq!((errors.comparisons[0].status, errors.comparisons[0].guardrail), ("OK", Some("inconclusive")));
    assert_eq!(late.means, [Some(200.0), Some(400.0)]);
    assert_eq!(late.comparisons[0].guardrail, Some("harm"), "{:?}", late.comparisons[0]);
}

#[test]
fn errors_that_come_together_are_not_as_many_failures() {
    let of = |squares: i64, clusters: i64| {
        let row = |variant: &str, errors: i64, squares: i64| {
            json!([
                "hero",
                1,
                variant,
                5000,
                errors,
                5000,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                clusters,
                5000 * 100,
                squares,
                errors * 100
            ])
        };
        let health = json!([row("control", 5, 5), row("bold", 100, squares)]);
        let known = ["[]".to_owned(), "[[1000,4,30,500]]".to_owned(), health.to_string(), "[]".to_owned()];
        let known = Known::read(&known.map(Some));
        let all = told_all([Arm(500, 50, 1000), Arm(500, 65, 1000)]);
        let results = read(&document(told_well), &known, &all, Depth::Detail);
        results.metrics.iter().find(|metric| metric.id == "origin_error_rate").unwrap().comparisons[0].clone()
    };
    assert_eq!(of(250, 50).guardrail, Some("harm"), "two in each of 50 hours");
    assert_eq!(of(10_000, 50).guardrail, Some("inconclusive"), "a hundred in one hour are one failure");
    assert_eq!(of(250, 5).status, "TOO_FEW_UNITS");
}

#[test]
fn a_winner_that_breaks_a_guardrail_is_taken_back_first() {
    let harm = told(14, [Arm(500, 50, 9000), Arm(500, 65, 3000)]);
    let known = known_with(json!([]), json!([]));
    let document = document(|_| ());
    let verdict = read(&document, &known, &harm, Depth::Detail).verdict;
    assert_eq!(verdict.state, State::Loser);
    assert!(verdict.text.starts_with("Take bold back: it breaks the guardrail revenue"), "{}", verdict.text);
    assert!(
        verdict.text.ends_with(" That buyers is better by it (+30.0 %) does not make up for it."),
        "{}",
        verdict.text
    );
    let mut killed = known.clone();
    killed.kill = sortition_engine::plan::Kill::everything();
    let verdict = read(&document, &killed, &harm, Depth::Detail).verdict;
    assert!(verdict.next.starts_with("Everybody has the control."), "{}", verdict.next);
}

#[test]
fn p_is_shown_only_where_it_means_something() {
    let with = |method: &'static str, bandit: bool, end: Option<&'static str>| {
        let document = document(move |value| {
            let e = &mut value["experiments"][0];
            e["analysis"] = json!({"method": method, "mde": 0.01});
            e["allocation"] = json!(if bandit { "bandit" } else { "fixed" });
            e["ends_at"] = json!(end);
        });
        let answers = told(14, [Arm(500, 50, 1000), Arm(500, 65, 1000)]);
        let page = detail_page(&read(&document, &known_with(json!([]), json!([])), &answers, Depth::Detail));
        page.contains(">p</th>") && page.contains("p after Holm")
    };
    assert!(with("sequential", false, None));
    assert!(!with("sequential", true, None), "weights that move");
    assert!(!with("bayesian", false, None));
    assert!(!with("fixed", false, None) && with("fixed", false, Some("2026-11-20T00:00:00Z")), "one look, at the end");
}

#[test]
fn who_is_not_known_is_no_part() {
    let document = document(told_well);
    let results = read(&document, &with_health(), &told_all([Arm(500, 50, 1000), Arm(500, 65, 1000)]), Depth::Detail);
    let country = results.segments.iter().find(|segment| segment.dimension == "country").unwrap();
    let unknown = country.parts.iter().find(|part| part.value.is_empty()).unwrap();
    assert!(unknown.unknown && unknown.ratio_p.is_none() && unknown.comparisons.is_empty(), "{unknown:?}");
    assert!(country.parts.iter().find(|part| part.value == "DE").unwrap().ratio_p.is_some());
    assert!(detail_page(&results).contains("no part of its own"));
}

#[test]
fn the_timeline_is_of_this_experiment() {
    let mut known = known_with(json!([]), json!([]));
    let entry = |text: &str, experiments: Value| {
        let entry = json!({"at": "2026-11-10T00:00:00Z", "action": "kill", "who": "ada", "summary": [text], "experiments": experiments});
        serde_json::from_value(entry).unwrap()
    };
    known.audit = vec![entry("mine", json!(["hero"])), entry("others", json!(["price"])), entry("whole", json!([]))];
    let answers = told(14, [Arm(500, 50, 1000), Arm(500, 65, 1000)]);
    let page = detail_page(&read(&document(|_| ()), &known, &answers, Depth::Detail));
    assert!(page.contains(": mine") && page.contains(": whole") && !page.contains(": others"));
}

#[test]
fn less_is_better_where_the_metric_says_so() {
    let down = |value: &mut Value| value["metrics"]["buyers"]["direction"] = json!("down");
    let fewer = told(14, [Arm(500, 65, 1000), Arm(500, 50, 1300)]);
    let verdict =
        |document: Document| read(&document, &known_with(json!([]), json!([])), &fewer, Depth::Detail).verdict;
    assert_eq!(verdict(document(|_| ())).state, State::Loser);
    let won = verdict(document(down));
    assert_eq!((won.state, won.variant.as_deref()), (State::Winner, Some("bold")), "{}", won.text);
}

#[test]
fn the_planned_end_the_excluded_effect_and_the_first_week_have_words_of_their_own() {
    let known = || known_with(json!([]), json!([]));
    let equal = [Arm(500, 50, 1000), Arm(500, 50, 1000)];
    let over = document(|value| {
        value["experiments"][0]["ends_at"] = json!("2026-11-20T00:00:00Z");
        value["experiments"][0]["analysis"] = json!({"mde": 0.02});
    });
    let results = read(&over, &known(), &told(14, equal), Depth::Detail);
    assert_eq!(results.verdict.state, State::Inconclusive, "{}", results.verdict.text);
    assert!(
        results.verdict.next.starts_with("Keep control; or, where +2.0 % matters, extend it"),
        "{}",
        results.verdict.next
    );
    look("inconclusive", &detail_page(&results));
    let large = document(|value| value["experiments"][0]["analysis"] = json!({"mde": 0.2}));
    let results = read(&large, &known(), &told(14, [Arm(5000, 500, 1000), Arm(5000, 500, 1000)]), Depth::Detail);
    assert_eq!(results.verdict.state, State::Futile, "{}", results.verdict.text);
    assert!(results.verdict.text.starts_with("An effect of +20.0 % is excluded"), "{}", results.verdict.text);
    let winning = told(3, [Arm(2000, 200, 1000), Arm(2000, 300, 1000)]);
    let early = results_at(&document(|_| ()), &winning, "2026-11-04T12:00:00Z");
    assert!(early.verdict.text.contains("It has run 3 whole days: wait for 1 week"), "{}", early.verdict.text);
    let later = document(|value| value["experiments"][0]["starts_at"] = json!("2026-12-24T18:30:00Z"));
    let scheduled = read(&later, &known(), &told(0, equal), Depth::Detail);
    assert_eq!(scheduled.verdict.text, "Scheduled: it starts on 24 Dec 2026, 18:30 UTC.");
}

fn results_at(document: &Document, answers: &[Option<String>], at: &str) -> Results {
    let known = known_with(json!([]), json!([]));
    results(document, &document.experiments[0], &known, answers, Depth::Detail, at.parse().unwrap())
}

/// Two experiments on the same people.
fn pair(value: &mut Value) {
    let mut other = value["experiments"][0].clone();
    other["id"] = json!("other");
    other["variants"] = json!([{"id": "old", "weight": 1}, {"id": "new", "weight": 1}]);
    value["experiments"].as_array_mut().unwrap().push(other);
}

#[test]
fn an_interaction_is_found_where_there_is_one() {
    let document = document(pair);
    let cells = |both: i64| {
        let cell = |variant: &str, other: &str, buyers: i64| {
            json!(["pair", "other/1", other, variant, 5000, 0, buyers, buyers, buyers, 0, 0, 0, 0, 0, 0, 0])
        };
        answer(&[
            cell("control", "old", 500),
            cell("bold", "old", 600),
            cell("control", "new", 500),
            cell("bold", "new", both),
        ])
    };
    let of = |both: i64| {
        let mut all = told(14, [Arm(700, 70, 1000), Arm(700, 77, 1000)]);
        all.push(cells(both));
        read(&document, &known_with(json!([]), json!([])), &all, Depth::Detail)
    };
    let (found, none) = (of(300), of(600));
    let test = &found.interactions[0].tests[0];
    assert!(test.found && test.relative.unwrap() < -0.5, "{test:?}");
    assert_eq!(found.interactions[0].units, 20_000);
    let said = "bold of hero and new of other act on each other: where both were met, buyers is 60.0 % below what the two effects add up to";
    assert!(detail_page(&found).contains(said), "{}", detail_page(&found).split("act on").nth(1).unwrap_or_default());
    assert!(!none.interactions[0].tests[0].found);
    assert_eq!(questions(&document, &document.experiments[0], Depth::Pairs, now()).len(), 2, "the units and the pairs");
    let mut twin = read(&document, &known_with(json!([]), json!([])), &[], Depth::Pairs);
    twin.id = "other".to_owned();
    twin.interactions = found.interactions.clone();
    twin.interactions[0].experiment = "hero".to_owned();
    let both = interactions_page("shop", vec![found.clone(), twin]);
    assert_eq!(both.matches("act on each other").count(), 1, "a pair is told once");
    let page = interactions_page("shop", vec![found, none]);
    look("interactions", &page);
    assert!(page.contains("cell-found"));
}

#[test]
fn the_holdout_is_read_as_an_experiment_of_the_records_own_name() {
    assert!(holdout(&document(|_| ())).is_none(), "nobody is held out");
    let all = holdout(&document(|value| value["holdout"] = json!({"percent": 5}))).unwrap();
    let asked = questions(&all, &all.experiments[0], Depth::Detail, now());
    assert!(asked.iter().all(|question| question.sql.contains("_holdout")), "{}", asked[0].sql);
    assert_eq!(all.experiments[0].variants[0].id.as_str(), "held_out");
}

#[test]
fn the_programme_counts_what_was_judged_and_shrinks_what_shipped() {
    let decided = |id: &str, what: &str, lift: f64, red: bool| {
        json!({"id": id, "name": "", "units": 9000, "days": [{"day": "2026-10-01"}],
            "decision": {"what": what, "variant": if what == "ship" { json!("b") } else { Value::Null }, "at": "2026-10-15T00:00:00Z", "by": "ada", "why": "so <it> is"},
            "gates": [{"title": "Sample ratio", "level": if red { "red" } else { "green" }}],
            "metrics": [{"id": "buyers", "role": "primary", "direction": "up", "means": [0.1, 0.1],
                "comparisons": [{"variant": "b", "lift": lift, "std_error": 0.002}]}]})
        .to_string()
    };
    let frozen = [
        decided("one", "ship", 0.08, false),
        decided("two", "ship", 0.05, false),
        decided("three", "keep", -0.02, false),
        decided("four", "inconclusive", 0.0, false),
        decided("five", "abort", 0.3, false),
        decided("six", "ship", 0.5, true),
        "not json".to_owned(),
    ];
    let page = programme_page(&document(told_well), Sources { frozen: &frozen, ..Sources::default() }, now());
    look("programme", &page);
    assert!(page.contains("2 of 4 judged (50.0 %)"), "{page}");
    assert!(page.contains("+13.0 %"), "the plain sum");
    let few = programme_page(&document(told_well), Sources { frozen: &frozen[..1], ..Sources::default() }, now());
    assert!(few.contains("too few judged: 3 are the least") && !few.contains("+8.0 % to +8.0 %"), "{few}");
    let courses =
        json!([["hero", 1, 20_758, 20_760], ["hero", 2, 20_770, 20_772], ["gone", 1, 20_700, 20_710]]).to_string();
    let together = json!({"verdict": {"text": "not_held_out <wins>."}}).to_string();
    let from = Sources { courses: Some(&courses), holdout: Some(&together), ..Sources::default() };
    let ran = programme_page(&document(told_well), from, now());
    assert!(ran.contains("1 Nov – 21 Nov 2026") && ran.contains("4 Sep – 14 Sep 2026"), "{ran}");
    assert!(ran.contains("not_held_out &lt;wins&gt;."), "the holdout is read there, too");
    assert!(page.contains("invalid: Sample ratio") && page.contains("so &lt;it&gt; is"));
    let empty = programme_page(&document(|_| ()), Sources::default(), now());
    assert!(empty.contains("Nothing is decided yet"));
}

#[test]
fn the_board_puts_first_what_needs_a_person() {
    let known = known_with(json!([]), json!([]));
    let winning = told(14, [Arm(500, 50, 1000), Arm(500, 65, 1000)]);
    let equal = told(14, [Arm(500, 50, 1000), Arm(500, 50, 1000)]);
    let winner = read(&document(told_well), &known, &winning, Depth::List);
    let named = |name: &'static str| document(move |value| value["experiments"][0]["id"] = json!(name));
    let quiet = read(&named("quiet"), &known, &equal, Depth::List);
    let draft = document(|value| {
        value["experiments"][0]["id"] = json!("later");
        value["experiments"][0]["status"] = json!("draft");
    });
    let draft = results(&draft, &draft.experiments[0], &known, &[], Depth::List, now());
    let all = [draft, quiet, winner];
    let page = list_page("shop", &all, &View::default());
    look("board", &page);
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(at("Needs you") < at("Running <") && at("experiments/hero") < at("experiments/quiet"));
    let shows = |query: &str| list_page("shop", &all, &View::parse(query));
    assert!(
        !shows("?status=draft").contains("experiments/quiet") && shows("?status=draft").contains("experiments/later")
    );
    assert!(!shows("owner=store").contains("experiments/quiet") && shows("owner=store").contains("experiments/hero"));
    assert!(
        shows("q=%3Cscript%3E").contains("&lt;script&gt;") && shows("q=zzz").contains("No experiment is like that")
    );
}
