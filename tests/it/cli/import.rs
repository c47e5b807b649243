//! Conditions and regexes of other tools, as ours write them.

use serde_json::json;
use sortition_engine::cli::import::cond::Cond;
use sortition_engine::cli::import::regex::{escaped, from_javascript};

#[test]
fn parts_are_joined_in_the_shortest_words() {
    let country = Cond::leaf("country", json!("US"));
    let device = Cond::leaf("device", json!("mobile"));
    let both = country.clone().and(device.clone().negated());
    assert_eq!(both.written(), Some(json!({"country": "US", "$not": {"device": "mobile"}})));
    assert_eq!(country.clone().and(country.clone()), country);
    assert_eq!(country.clone().and(country.clone().negated()), Cond::Never);
    assert_eq!(country.clone().and(Cond::Always), country);
    assert_eq!(Cond::any([]), Cond::Never);
    assert_eq!(Cond::Never.written(), Some(json!({"$not": {}})));
    let twice = country.clone().and(Cond::leaf("country", json!("CA")));
    assert_eq!(twice.written(), Some(json!({"$and": [{"country": "US"}, {"country": "CA"}]})));
    assert_eq!(country.or(device).written(), Some(json!({"$or": [{"country": "US"}, {"device": "mobile"}]})));
}

#[test]
fn what_the_engines_read_differently_is_written_out_or_refused() {
    assert_eq!(from_javascript("^a.b$").unwrap(), "^a[^\\n\\r\\u{2028}\\u{2029}]b$");
    assert_eq!(from_javascript(r"^\d+\.x$").unwrap(), r"^\d+\.x$");
    assert_eq!(from_javascript("[a.b]").unwrap(), "[a.b]");
    assert!(from_javascript(r"\s").is_ok());
    for refused in ["(?=a)", "(?<!a)b", r"(a)\1", "(?<n>a)", "a{", r"\p{L}", "[", "(?i)a", "[^]"] {
        assert!(from_javascript(refused).is_err(), "{refused}");
    }
    assert_eq!(escaped("a.b+c/d"), r"a\.b\+c\/d");
}
