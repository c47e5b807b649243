//! Commands that write a document leave everything but their change as it was, byte for byte.

use super::{file, run};
use serde_json::Value;

/// Documents as people and tools write them: each with a field order, indentation and line ends of its own.
const STYLES: &[(&str, &str)] = &[
    (
        "two blanks",
        "{\n  \"version\": 1,\n  \"project\": \"shop\",\n  \"experiments\": [\n    { \"variants\": [{\"id\":\"control\",  \"weight\":1}], \"id\": \"old\" }\n  ],\n  \"metrics\": { \"purchase\": {\"kind\":\"proportion\", \"event\":\"purchase\"} }\n}\n",
    ),
    (
        "tabs and CRLF",
        "{\r\n\t\"project\" : \"shop\",\r\n\t\"metrics\": {\"purchase\": {\"event\": \"purchase\", \"kind\": \"proportion\"}},\r\n\t\"experiments\": [\r\n\t\t{\"id\": \"old\", \"variants\": [{\"weight\": 1e0, \"id\": \"control\"}]}\r\n\t],\r\n\t\"version\": 1\r\n}",
    ),
    (
        "one line",
        "{\"version\":1,\"metrics\":{\"purchase\":{\"event\":\"purchase\",\"kind\":\"proportion\"}},\"project\":\"sh\\u006fp\",\"experiments\":[{\"id\":\"old\",\"variants\":[{\"id\":\"control\",\"weight\":1.50}]}]}",
    ),
    (
        "an empty list",
        "{\n    \"version\": 1,\n    \"project\": \"shop\",\n    \"experiments\": [],\n    \"metrics\": {\"purchase\": {\"event\": \"purchase\", \"kind\": \"proportion\"}}\n}\n",
    ),
    (
        "an open list without anything",
        "{\n  \"experiments\": [\n  ],\n  \"metrics\": {\"purchase\": {\"event\": \"purchase\", \"kind\": \"proportion\"}},\n  \"version\": 1, \"project\": \"a ] } \\\" [ {\"\n}\n",
    ),
];

/// What both texts begin and end with.
fn frame<'a>(old: &'a str, new: &str) -> (&'a str, &'a str) {
    let same = |pair: &(u8, u8)| pair.0 == pair.1;
    let start = old.bytes().zip(new.bytes()).take_while(same).count();
    let end = old.bytes().rev().zip(new.bytes().rev()).take_while(same).count().min(old.len() - start);
    (&old[..start], &old[old.len() - end..])
}

#[test]
fn a_new_experiment_leaves_the_rest_byte_for_byte() {
    for (style, old) in STYLES {
        let path = file("style.json", old);
        let ran = run(&["new", "hero", "--into", path.to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{style}: {}", ran.err);
        let new = std::fs::read_to_string(&path).unwrap();
        let (start, end) = frame(old, &new);
        let gone = &old[start.len()..old.len() - end.len()];
        assert!(gone.trim().is_empty(), "{style}: `{gone}` is gone from\n{new}");
        let (before, mut after): (Value, Value) =
            (serde_json::from_str(old).unwrap(), serde_json::from_str(&new).unwrap());
        let added = after["experiments"].as_array_mut().unwrap().pop().unwrap();
        assert_eq!((&added["id"], &after), (&Value::from("hero"), &before), "{style}");
        let lines_end = new.matches('\n').count() == new.matches("\r\n").count();
        assert_eq!(lines_end, old.contains("\r\n") || !old.contains('\n'), "{style}: line ends are mixed");
        if old.contains("\n\t\"") {
            assert!(new.contains("\r\n\t\t{\r\n\t\t\t\"analysis\": {"), "{style}: {new}");
        } else if old.contains('\n') {
            assert!(!new.contains('\t') && new.contains("\"id\": \"hero\",\n"), "{style}: {new}");
        } else {
            assert!(!new.contains('\n') && new.contains(",{\"analysis\":{"), "{style}: {new}");
        }
    }
}

#[test]
fn a_document_that_cannot_be_added_to_stays_as_it_is() {
    for (text, said) in [
        ("{\"version\": 1}", "error experiments: "),
        ("{\"experiments\": {}}", "error experiments: "),
        ("{\"experiments\": [}", "is no JSON"),
        ("{\"version\": 1, \"project\": \"shop\", \"experiments\": [5]}", "error experiments[0]"),
    ] {
        let path = file("refused.json", text);
        let ran = run(&["new", "hero", "--into", path.to_str().unwrap()]);
        assert_eq!((ran.code, std::fs::read_to_string(&path).unwrap().as_str()), (1, text), "{}", ran.err);
        assert!(ran.err.contains(said), "{}", ran.err);
    }
}
