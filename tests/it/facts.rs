//! What facts ask of a request.

use sortition_engine::condition::{Attributes, FactKey};
use sortition_engine::facts::{Facts, PROPERTIES, Request, Source};
use sortition_engine::url::Url;
use sortition_engine::visitor::crawler::Crawlers;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Notes which properties are asked for.
#[derive(Default)]
struct Asked(RefCell<BTreeSet<String>>);

impl Source for Asked {
    fn header(&self, _: &str) -> Option<String> {
        None
    }

    fn property(&self, name: &str) -> Option<String> {
        self.0.borrow_mut().insert(name.to_owned());
        None
    }
}

/// What a poll is remembered by holds these properties and no others: one that is not among them would not be noticed.
#[test]
fn the_properties_that_may_be_read_are_all_that_are_read() {
    let (asked, crawlers) = (Asked::default(), Crawlers::default());
    let request = Request::new("GET", Url::split("https://shop.example/?a=1&utm_source=x"), &asked, &crawlers);
    let facts = Facts { request: &request, person: None };
    for name in "visitor_id user_id visitor_type url host path referrer referrer_host country region region_code city \
                 continent postal_code timezone is_eu asn colo language device os browser browser_version method query.a \
                 utm.source cookie.a header.a custom.a"
        .split_whitespace()
    {
        let _ = facts.get(&FactKey::parse(name).unwrap_or_else(|error| panic!("{error}")));
    }
    let mut read = asked.0.into_inner();
    // asked by the look at crawlers, which is no fact
    read.insert("verifiedBot".to_owned());
    assert_eq!(read, PROPERTIES.iter().map(|&name| name.to_owned()).collect());
}
