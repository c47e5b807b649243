//! Answers of engines, read exactly, or refused.

use sortition_engine::ledger::answer::{Answer, Cells, Sums, Units, pairs};

#[test]
fn numbers_are_exact_however_an_engine_writes_them() {
    let text = r#"[["sum","","","bold",3,1,2,"170141183460469231731687303715884105727",[1,0,5],"12.000",0,0,0,0,0,0],
        ["sum","day",20778,"bold",3,1,2,7,[0,-1,1],0,0,0,0,0,0,0],
        ["sum","device","mobile","bold",2,0,2,7,"[1,0]",0,0,0,0,0,0,0],
        ["currency","","EUR",null,5,0],["currency","","JPY",null,2,1],["cap","","",null,900],["delay","","","",24,3],["end"]]"#;
    let answer = Answer::read(text).unwrap();
    let total = answer.total("bold");
    assert_eq!((total.units, total.waiting, total.converted, total.y), (3, 1, 2, i128::MAX));
    assert_eq!((total.yy, total.d), ((1 << 34) + 5, 12));
    assert_eq!(answer.part("day", "2026-11-21", "bold").yy, 1 - (1 << 17));
    assert_eq!(answer.part("device", "mobile", "bold").yy, 1 << 17);
    assert_eq!(answer.total("nobody"), Sums::default());
    assert_eq!((answer.cap, answer.currency(), answer.is_mixed()), (Some(900), Some("EUR"), false));
    assert_eq!(answer.delays, [(24, 3)]);
}

#[test]
fn what_is_no_answer_is_never_taken_for_zero() {
    for (text, why) in [
        ("", "no rows"),
        (r#"[["sum","","","bold",3]]"#, "its last row is missing"),
        (r#"[["sum","","","bold","many"],["end"]]"#, "is no whole number"),
        (r#"[["sum","","","bold",1.5],["end"]]"#, "is no whole number"),
        (r#"[["sum","","","bold","12.5"],["end"]]"#, "is no whole number"),
        (r#"[["sum","","","bold",[1,"x"]],["end"]]"#, "is no whole number"),
    ] {
        let error = Answer::read(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
        assert!(Units::read(text).is_err() && pairs(text).is_err() || text.contains("sum"), "{text}");
    }
}

#[test]
fn parts_are_added_up_and_ordered_by_size() {
    let text = r#"[["sum","device","mobile","a",5],["sum","device","mobile","b",5],["sum","device","desktop","a",20],
        ["sum","device","","b",0],["sum","version.recommender","v1","a",2],["contaminated","","","",4],
        ["unknown","","","old",7],["end"]]"#;
    let units = Units::read(text).unwrap();
    assert_eq!(units.parts("device"), [("desktop".to_owned(), 20), ("mobile".to_owned(), 10)]);
    assert_eq!(units.versions(), ["recommender"]);
    assert_eq!((units.contaminated, units.unknown), (4, vec![("old".to_owned(), 7)]));
    let text = r#"[["pair","nav/2","new","bold",10,0,3,30,90],["end"]]"#;
    let pair = &pairs(text).unwrap()[0];
    assert_eq!((pair.experiment.as_str(), pair.iteration, pair.other.as_str(), pair.sums.yy), ("nav", 2, "new", 90));
}
