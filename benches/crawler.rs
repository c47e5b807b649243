//! What one lookup of a user agent costs: a browser (nothing matches: every place is tried), a bot, the worst text.

use divan::{Bencher, black_box};
use sortition_engine::visitor::agent::{Agent, ClientHints};
use sortition_engine::visitor::crawler::{Crawlers, is_crawler};

const BROWSER: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.6.1 Mobile/15E148 Safari/604.1";
const BOT: &str = "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

fn main() {
    divan::main();
}

#[divan::bench(args = [("browser", BROWSER), ("phone", PHONE), ("bot", BOT), ("lone", "node-fetch/1.0")].map(Named))]
fn crawler(agent: Named) -> bool {
    is_crawler(black_box(agent.0.1))
}

/// Every real browser of the fixtures once; divide by their number.
#[divan::bench]
fn thousand_real_browsers(bencher: Bencher) {
    let visits = include_str!("../fixtures/crawlers/browsers-user-agents.tsv");
    let agents: Vec<_> = visits.lines().filter_map(|line| line.rsplit('\t').next()).collect();
    bencher
        .counter(divan::counter::ItemsCount::new(agents.len()))
        .bench(|| agents.iter().filter(|agent| is_crawler(black_box(agent))).count());
}

/// As long as is looked at, and full of beginnings of literals.
#[divan::bench(args = ["Mozilla/5.0 (", "webweb", "cra", "sitesemcon"])]
fn hostile(bencher: Bencher, part: &str) {
    let agent = format!("Mozilla/5.0 ({}", part.repeat(100_000 / part.len()));
    bencher.bench(|| is_crawler(black_box(&agent)));
}

#[divan::bench]
fn browser_with_a_documents_lists(bencher: Bencher) {
    let list = |text: &str| (0..10).map(|number| format!("{text}{number}")).collect::<Vec<_>>();
    let crawlers = Crawlers::new(&list("AcmeMonitor"), &list("PartnerAgent"));
    bencher.bench(|| crawlers.matches(black_box(BROWSER)));
}

#[divan::bench(args = [("browser", BROWSER), ("phone", PHONE)].map(Named))]
fn agent(agent: Named) -> usize {
    Agent::read(black_box(agent.0.1), ClientHints::default()).browser_version.len()
}

/// A case and the name it is printed under.
#[derive(Clone, Copy)]
struct Named((&'static str, &'static str));

impl std::fmt::Display for Named {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(self.0.0)
    }
}
