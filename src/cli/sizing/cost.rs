//! What an experiment's record costs: what a day of a shop took of each thing that Cloudflare bills (`npm run bench -- cost`),
//! by the price list. docs/cost.md says what is in it.

use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a million of each costs, in USD, and the day that the list was read.
#[derive(Deserialize)]
struct Prices {
    read_on: String,
    per_million: BTreeMap<String, f64>,
}

/// What was counted of a day of a shop, with D1 and without.
#[derive(Deserialize)]
struct Measured {
    page_views: f64,
    exposures: f64,
    with_d1: BTreeMap<String, f64>,
    without_d1: BTreeMap<String, f64>,
}

const PRICES: &str = include_str!("prices.json");
const MEASURED: &str = include_str!("measured.json");

/// What grows with page views, whether or not there is an experiment; the rest comes with exposures.
const OF_PAGES: [&str; 3] = ["requests", "cpu_ms", "kv_reads"];

/// What exposures cost, in USD.
#[derive(Debug, PartialEq)]
pub(super) struct Cost {
    /// The price list's day.
    pub(super) prices: String,
    /// Queue, archive and record.
    pub(super) with_d1: f64,
    /// Queue and archive alone.
    pub(super) without_d1: f64,
    /// A million page views through the worker, without the exposures.
    pub(super) million_page_views: f64,
}

/// What so many exposures cost, by what was measured. `None` where the two files do not fit together.
pub(super) fn cost(exposures: f64) -> Option<Cost> {
    let prices: Prices = serde_json::from_str(PRICES).ok()?;
    let measured: Measured = serde_json::from_str(MEASURED).ok()?;
    let sum = |counts: &BTreeMap<String, f64>, of_pages: bool| -> Option<f64> {
        let chosen = counts.iter().filter(|(kind, _)| OF_PAGES.contains(&kind.as_str()) == of_pages);
        chosen.map(|(kind, count)| Some(count * prices.per_million.get(kind)? / 1e6)).sum()
    };
    let share = exposures / measured.exposures;
    Some(Cost {
        with_d1: sum(&measured.with_d1, false)? * share,
        without_d1: sum(&measured.without_d1, false)? * share,
        million_page_views: sum(&measured.without_d1, true)? * 1e6 / measured.page_views,
        prices: prices.read_on,
    })
}

impl Cost {
    pub(super) fn text(&self, exposures: f64) -> String {
        format!(
            "\n{exposures:.0} exposures cost {:.2} USD with D1 and {:.2} USD without it, and a million page views through the worker \
{:.2} USD besides (prices of {}; docs/cost.md).\n",
            self.with_d1, self.without_d1, self.million_page_views, self.prices
        )
    }

    pub(super) fn json(&self, exposures: f64) -> Value {
        json!({
            "currency": "USD",
            "prices": self.prices,
            "exposures": exposures,
            "with_d1": self.with_d1,
            "without_d1": self.without_d1,
            "million_page_views": self.million_page_views,
        })
    }
}
