//! What a decision keeps of the results that it was taken on, and where it is read.

use super::readout::{Arm, document, known_with, told};
use serde_json::{Value, json};
use sortition_engine::document::Document;
use sortition_engine::readout::{Depth, Known, Results, Sources, detail_page, programme_page, results, summary};

const NOW: &str = "2026-11-21T12:00:00Z";

fn read(document: &Document, known: &Known, answers: &[Option<String>]) -> Results {
    results(document, &document.experiments[0], known, answers, Depth::Detail, NOW.parse().unwrap())
}

fn undecided(document: &Document, answers: &[Option<String>]) -> Result<String, String> {
    summary(&read(document, &known_with(json!([]), json!([])), answers))
}

#[test]
fn a_result_is_summed_up_with_its_size_its_lift_its_checks_and_its_time() {
    let winning = undecided(&document(|_| ()), &told(14, [Arm(500, 50, 1000), Arm(500, 65, 1000)])).unwrap();
    assert!(winning.starts_with("bold wins: buyers 13.0 % against 10.0 %, +30.0 % (95 % interval +"), "{winning}");
    assert!(winning.contains(" 14,000 visitors in 20 whole days. "), "{winning}");
    assert_eq!(winning.matches("+30.0 %").count(), 1, "what the verdict says is not said again: {winning}");
    assert!(winning.ends_with(" Computed 21 Nov 2026, 12:00 UTC."), "{winning}");
    let nobody = undecided(&document(|_| ()), &told(0, [Arm(0, 0, 0), Arm(0, 0, 0)])).unwrap();
    assert_eq!(nobody, "Nobody has met it yet. Computed 21 Nov 2026, 12:00 UTC.");
}

#[test]
fn a_red_check_is_named_and_the_lift_is_said_with_its_interval() {
    let lost = undecided(&document(|_| ()), &told(14, [Arm(500, 50, 1000), Arm(300, 50, 1000)])).unwrap();
    assert!(lost.starts_with("No winner is shown: 7,000 / 4,200 visitors"), "{lost}");
    assert!(lost.contains(" buyers: bold +66.7 % (+") && lost.contains(" Checks red: Sample ratio"), "{lost}");
}

#[test]
fn without_answers_there_is_nothing_to_sum_up() {
    let why = undecided(&document(|_| ()), &[None, None, None]).unwrap_err();
    assert!(why.starts_with("3 questions to the record failed"), "{why}");
}

fn decided(change: impl Fn(&mut Value) + Copy) -> Document {
    document(move |value| {
        value["experiments"][0]["decision"] = json!({"what": "ship", "variant": "bold", "by": "ada",
            "at": "2026-11-20T00:00:00Z", "why": "So.", "summary": "bold <won>."});
        change(value);
    })
}

fn programme(document: &Document, frozen: &str) -> String {
    let frozen = [frozen.to_owned()];
    programme_page(document, Sources { frozen: &frozen, ..Sources::default() }, NOW.parse().unwrap())
}

#[test]
fn it_stands_on_the_page_and_in_the_programme() {
    let document = decided(|_| ());
    let answers = told(14, [Arm(500, 50, 1000), Arm(500, 65, 1000)]);
    let one = read(&document, &known_with(json!([]), json!([])), &answers);
    assert!(detail_page(&one).contains("What was known then: bold &lt;won&gt;."));
    let frozen = serde_json::to_string(&one).unwrap();
    let page = programme(&document, &frozen);
    assert!(page.contains("<div class=\"soft\">bold &lt;won&gt;.</div>"), "{page}");
    assert!(page.contains("<dt>Decided</dt><dd>1 experiment</dd>"), "{page}");
    let again = decided(|value| {
        value["experiments"][0]["decision"] =
            json!({"what": "keep", "at": "2026-11-21T00:00:00Z", "why": "After all."});
    });
    let page = programme(&again, &frozen);
    assert!(page.contains("<dt>Decided</dt><dd>1 experiment</dd>"), "what is decided anew counts once: {page}");
    assert!(page.contains("After all.") && !page.contains("bold shipped"), "{page}");
    assert!(!page.contains(">0</td>"), "how many had met it is not known before the archive has it: {page}");
}
