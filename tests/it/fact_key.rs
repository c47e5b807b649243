//! The names of facts.

use proptest::prelude::*;
use sortition_engine::condition::FactKey;

#[test]
fn reads_and_prints_names() {
    let plain = "visitor_id user_id visitor_type url host path referrer referrer_host country region region_code city \
        continent postal_code timezone is_eu asn colo language device os browser browser_version method \
        query.page query.a.b utm.source cookie.staff cookie.a.b header.accept-language";
    for name in plain.split_whitespace() {
        assert_eq!(FactKey::parse(name).unwrap().to_string(), name);
    }
    assert_eq!(FactKey::parse("header.X-Shop"), Ok(FactKey::Header("x-shop".into())));
    assert_eq!(FactKey::parse("cookie.Staff"), Ok(FactKey::Cookie("Staff".into())));
}

#[test]
fn says_what_was_meant() {
    for (name, message) in [
        ("", "there is no fact ``; write `cookie.`, `query.`, or one of the list of facts"),
        ("Country", "there is no fact `Country`; did you mean `country`?"),
        ("query", "`query` needs a name after a dot, such as `query.page`"),
        ("utm.", "`utm` needs a name after a dot, such as `utm.source`"),
        ("headers.accept", "there is no fact `headers.accept`; did you mean `header.accept`?"),
        ("cookies", "there is no fact `cookies`; did you mean `cookie.plan`?"),
        ("utm.utm_source", "`utm.utm_source` repeats its prefix; write `utm.source`"),
        ("cookie.a;b", "`a;b` cannot be the name of a cookie; use letters, digits, `_` and `-`"),
    ] {
        assert_eq!(FactKey::parse(name).unwrap_err().to_string(), message, "{name}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(name in "(query|utm|cookie|header|country|x)(\\.\\PC{0,12})?") {
        if let Ok(fact) = FactKey::parse(&name) {
            prop_assert_eq!(FactKey::parse(&fact.to_string()), Ok(fact));
        }
    }
}
