//! Devices, systems and browsers: a table of real agents, the categories of ten thousand visits, and laws.

use proptest::prelude::*;
use sortition_engine::visitor::agent::{Agent, Browser, ClientHints, Device, Os};
use sortition_engine::visitor::client::Client;
use sortition_engine::visitor::crawler::is_crawler;

/// Device, system, browser, version, agent.
const AGENTS: &str = include_str!("../../fixtures/crawlers/agents-read.tsv");
const VISITS: &str = include_str!("../../fixtures/crawlers/browsers-user-agents.tsv");

fn read(agent: &str) -> Agent<'_> {
    Agent::read(agent, ClientHints::default())
}

fn told(agent: Agent<'_>) -> [&str; 4] {
    [agent.device.as_str(), agent.os.as_str(), agent.browser.as_str(), agent.browser_version]
}

#[test]
fn agents_are_read() {
    let mut count = 0;
    for line in AGENTS.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<_> = line.split('\t').collect();
        let [device, os, browser, version, agent] = columns[..] else { panic!("five columns: `{line}`") };
        assert_eq!(told(read(agent)), [device, os, browser, version], "`{agent}`");
        assert!(!is_crawler(agent), "a person's: `{agent}`");
        count += 1;
    }
    assert!(count >= 50, "only {count} agents");
}

/// The package says what device each visit came from; it knows the screen, the agent does not.
#[test]
fn devices_agree_with_the_visits() {
    let (mut visits, mut agreed, mut wrong) = (0, 0, Vec::new());
    for line in VISITS.lines() {
        let columns: Vec<_> = line.split('\t').collect();
        let [count, device, agent] = columns[..] else { panic!("three columns: `{line}`") };
        let count: u32 = count.parse().unwrap();
        visits += count;
        if read(agent).device.as_str() == device { agreed += count } else { wrong.push(line) }
    }
    println!("{agreed} of {visits} visits agree");
    assert_eq!(visits, 10_000);
    assert_eq!(agreed, visits, "{wrong:#?}");
}

#[test]
fn hints_win() {
    let frozen =
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
    let android =
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
    let ipad =
        "Mozilla/5.0 (iPad; CPU OS 18_7 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1";
    let cases = [
        (frozen, None, None, ["desktop", "linux"]),
        (frozen, Some("?0"), Some("\"Chrome OS\""), ["desktop", "chromeos"]),
        (frozen, Some("?0"), Some("\"Android\""), ["tablet", "android"]),
        (frozen, Some("?1"), Some("\"Android\""), ["mobile", "android"]),
        (frozen, Some("?0"), Some("\"Windows\""), ["desktop", "windows"]),
        (frozen, None, Some("\"macOS\""), ["desktop", "macos"]),
        (frozen, Some("noise"), Some("noise"), ["desktop", "linux"]),
        (frozen, Some(""), Some(""), ["desktop", "linux"]),
        (android, None, None, ["tablet", "android"]),
        (android, Some("?1"), None, ["mobile", "android"]),
        (android, Some("?0"), Some("\"Unknown\""), ["tablet", "android"]),
        (ipad, Some("?1"), Some("\"iOS\""), ["tablet", "ios"]),
        ("", Some("?1"), Some("\"iOS\""), ["mobile", "ios"]),
    ];
    for (agent, mobile, platform, expected) in cases {
        let agent = Agent::read(agent, ClientHints { mobile, platform });
        assert_eq!([agent.device.as_str(), agent.os.as_str()], expected, "{mobile:?} {platform:?}");
    }
}

proptest! {
    #[test]
    fn any_text_has_an_answer(agent in "\\PC*", words in "((Android|Version|Chrome|MSIE|rv:|Opera|FBAV)[ /;(]{0,2}[0-9.é]{0,6} ?){0,9}") {
        for text in [&agent, &words, &format!("{words}{agent}"), &format!("{agent:é<1023}")] {
            let read = read(text);
            prop_assert!(read.browser_version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
            prop_assert!(text.contains(read.browser_version));
        }
    }

    /// Neither the order of a platform's words nor what an app appends changes the device.
    #[test]
    fn what_an_app_appends_does_not_change_the_device(line in proptest::sample::select(VISITS.lines().collect::<Vec<_>>()), name in "[A-Z][a-z]{4,9}", version in 1u32..500) {
        let agent = line.rsplit('\t').next().unwrap();
        let appended = format!("{agent} X{name}/{version}.0");
        prop_assert_eq!(read(&appended).device, read(agent).device);
    }
}

#[test]
fn a_reading_survives_as_a_number() {
    assert!(Device::ALL.iter().enumerate().all(|(at, device)| *device as usize == at));
    assert!(Os::ALL.iter().enumerate().all(|(at, os)| *os as usize == at));
    assert!(Browser::ALL.iter().enumerate().all(|(at, browser)| *browser as usize == at));
    assert_eq!(
        (Device::ALL.len(), Os::ALL.len(), Browser::ALL.len()),
        (Device::Desktop as usize + 1, Os::Other as usize + 1, Browser::Wechat as usize + 1),
    );
    for (device, os) in Device::ALL.iter().flat_map(|device| Os::ALL.iter().map(move |os| (*device, *os))) {
        for (browser, crawler) in Browser::ALL.iter().flat_map(|browser| [(*browser, false), (*browser, true)]) {
            let reading = Client { crawler, device, os, browser };
            assert_eq!(Client::of_code(reading.code()), Some(reading));
        }
    }
    assert_eq!(Client::of_code(u32::MAX), None);
}
