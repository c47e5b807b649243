//! Which user agents are crawlers.
//!
//! A crawler gets one page, the same on every visit, and counts nowhere; a person who is taken for one only loses the
//! experiment. So in doubt an agent is a crawler, but what a browser of today sends never is. Three rules, the first
//! that applies decides:
//!
//! 1. **No agent** (absent, empty, blanks): nobody known, so a person. No search engine hides its name, and a proxy that
//!    removes the header for privacy has people behind it.
//! 2. **A lone product** such as `node-fetch/1.0` or `Hexometer`: no platform in parentheses, and neither `Mozilla/` nor
//!    `Opera/` in front, as browsers have. Phones and text browsers of old that look like this are known by name.
//! 3. **A literal of the table**: the maintained list `crawler-user-agents` and our own generic tokens (`bot`, `crawl`,
//!    `http`, …), less what browsers contain (`CUBOT`, a maker of phones), or an e-mail address.
//!
//! The table is made by the build script from `fixtures/crawlers/patterns.txt` and `crawler/tokens.txt`, so that no regex
//! engine is needed here.

mod slot;

include!(concat!(env!("OUT_DIR"), "/crawler_slots.rs"));

/// The literals, slot after slot, each as `length, flags, text`, the text in lower case unless its case counts.
static RECORDS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/crawler_records.bin"));

const AT_START: u8 = 1;
const AT_END: u8 = 2;
const BROWSER: u8 = 4;
const EXACT_CASE: u8 = 8;

/// How many bytes of a user agent are looked at; the rest is ignored, so that nobody can make a lookup expensive.
///
/// The longest of the 12,000 agents in `fixtures/crawlers` has 302 bytes.
pub const LOOKED_AT_BYTES: usize = 1024;

/// Agents without a platform that are people's all the same: feature phones, text browsers, and an app that fetches
/// through the libraries of iOS.
const LONE_BROWSERS: [&[u8]; 8] =
    [b"browser", b"cfnetwork/", b"dillo/", b"libwww-fm", b"lynx/", b"midp", b"ucweb", b"w3m/"];

/// True when this user agent is a crawler's, by the rules of the [module](self).
///
/// Pass the empty string when a request has no `User-Agent`: that is no known crawler.
///
/// ```
/// use sortition_engine::visitor::crawler::is_crawler;
///
/// assert!(is_crawler("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"));
/// assert!(!is_crawler(""));
/// assert!(!is_crawler("Mozilla/5.0 (Linux; Android 8.0.0; CUBOT_P20) AppleWebKit/537.36 Chrome/70.0 Mobile Safari/537.36"));
/// ```
pub fn is_crawler(user_agent: &str) -> bool {
    let agent = looked_at(user_agent);
    !agent.is_empty() && (is_lone_product(agent) || has_known_literal(agent))
}

/// The crawler rule of one document: [`is_crawler`], and what its `crawlers.also` and `crawlers.except` say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crawlers {
    also: Vec<Box<[u8]>>,
    except: Vec<Box<[u8]>>,
}

impl Crawlers {
    /// Takes the document's substrings of user agents. Case does not matter; an empty one would be in every agent and is
    /// ignored.
    pub fn new(also: &[String], except: &[String]) -> Self {
        let prepare = |list: &[String]| {
            let texts = list.iter().filter(|text| !text.is_empty());
            texts.map(|text| text.to_ascii_lowercase().into_bytes().into()).collect()
        };
        Self { also: prepare(also), except: prepare(except) }
    }

    /// True when this user agent is a crawler's for the document. An agent that both lists name is not: `except` is
    /// written to let somebody in.
    pub fn matches(&self, user_agent: &str) -> bool {
        let agent = looked_at(user_agent);
        let names = |list: &[Box<[u8]>]| list.iter().any(|text| contains(agent, text));
        !names(&self.except) && (names(&self.also) || is_crawler(user_agent))
    }
}

fn looked_at(user_agent: &str) -> &[u8] {
    let bytes = user_agent.as_bytes();
    bytes.get(..LOOKED_AT_BYTES).unwrap_or(bytes).trim_ascii()
}

/// `needle`, which is in lower case, is somewhere in `agent`, in any case.
fn contains(agent: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return true };
    let mut places = agent.iter().enumerate().filter(|(_, byte)| byte.to_ascii_lowercase() == *first);
    places.any(|(at, _)| agent.get(at..).is_some_and(|here| starts_with(here, needle)))
}

fn starts_with(agent: &[u8], prefix: &[u8]) -> bool {
    agent.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn is_lone_product(agent: &[u8]) -> bool {
    !starts_with(agent, b"mozilla/")
        && !starts_with(agent, b"opera/")
        && !agent.contains(&b'(')
        && !LONE_BROWSERS.iter().any(|browser| contains(agent, browser))
}

fn has_known_literal(agent: &[u8]) -> bool {
    // Inside a browser's literal (`CUBOT`) nothing counts.
    let mut counts_from = 0;
    for (at, window) in agent.windows(3).enumerate() {
        let &[first, second, third] = window else { continue };
        if at < counts_from {
            continue;
        }
        if first == b'@' && second.is_ascii_alphabetic() && at > 0 {
            return true;
        }
        let mark = slot::mark(first, second, third);
        if MARKED.get(mark / 64).is_none_or(|marks| marks >> (mark % 64) & 1 == 0) {
            continue;
        }
        match literal_at(agent, at, records_of(mark / 8)) {
            Found::Crawler => return true,
            Found::Browser { length } => counts_from = at + length,
            Found::Nothing => {}
        }
    }
    false
}

/// The records of one slot.
fn records_of(slot: usize) -> &'static [u8] {
    match BEGINS.get(slot..).unwrap_or_default() {
        [begin, end, ..] => RECORDS.get(usize::from(*begin)..usize::from(*end)).unwrap_or_default(),
        _ => &[],
    }
}

enum Found {
    Nothing,
    Crawler,
    Browser { length: usize },
}

/// Tries the records of a slot at one place of the agent.
fn literal_at(agent: &[u8], at: usize, mut records: &[u8]) -> Found {
    let here = agent.get(at..).unwrap_or_default();
    while let [length, flags, rest @ ..] = records {
        let length = usize::from(*length);
        let (text, others) = rest.split_at_checked(length).unwrap_or_default();
        records = others;
        let anchored = (flags & AT_START == 0 || at == 0) && (flags & AT_END == 0 || here.len() == length);
        let same = if flags & EXACT_CASE == 0 { starts_with(here, text) } else { here.starts_with(text) };
        if anchored && same {
            return if flags & BROWSER == 0 { Found::Crawler } else { Found::Browser { length } };
        }
    }
    Found::Nothing
}
