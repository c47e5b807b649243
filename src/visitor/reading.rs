//! What a user agent says of who asks, read once for each and remembered: of all that a request brings along it takes
//! longest to read, and a few hundred different ones make up nearly all traffic.

use super::agent::{Agent, Browser, ClientHints, Device, Os};
use super::crawler::Crawlers;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// What a user agent says of who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Whether it is a crawler's.
    pub crawler: bool,
    /// The kind of device.
    pub device: Device,
    /// The operating system.
    pub os: Os,
    /// The browser.
    pub browser: Browser,
    /// The browser's version; empty where it says none.
    pub browser_version: Box<str>,
}

impl Reading {
    /// Reads a user agent; which of them are crawlers', the document has a say in.
    #[must_use]
    pub fn new(user_agent: &str, crawlers: &Crawlers) -> Self {
        let agent = Agent::read(user_agent, ClientHints::default());
        Self {
            crawler: crawlers.matches(user_agent),
            device: agent.device,
            os: agent.os,
            browser: agent.browser,
            browser_version: agent.browser_version.into(),
        }
    }
}

/// How many user agents are remembered. When it is more, all are forgotten: who makes up new ones only costs what reading
/// them costs anyway.
const REMEMBERED: usize = 256;

/// The longest that is remembered, in bytes. Of the 12,000 agents in `fixtures/crawlers` none has more than 302.
const LONGEST: usize = 400;

/// The user agents of a document's visitors, read by its crawler rule.
///
/// ```
/// use sortition_engine::visitor::reading::Agents;
///
/// let agents = Agents::default();
/// assert!(agents.read("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)").crawler);
/// ```
#[derive(Debug, Default)]
pub struct Agents {
    crawlers: Crawlers,
    known: RefCell<HashMap<Box<str>, Rc<Reading>>>,
}

impl Agents {
    /// Agents by what a document says of crawlers: substrings of agents that are, and of such that are not.
    #[must_use]
    pub fn new(also: &[String], except: &[String]) -> Self {
        Self { crawlers: Crawlers::new(also, except), known: RefCell::default() }
    }

    /// The reading of a user agent.
    #[must_use]
    pub fn read(&self, user_agent: &str) -> Rc<Reading> {
        if let Some(reading) = self.known.try_borrow().ok().and_then(|known| known.get(user_agent).cloned()) {
            return reading;
        }
        let reading = Rc::new(Reading::new(user_agent, &self.crawlers));
        if let Ok(mut known) = self.known.try_borrow_mut()
            && user_agent.len() <= LONGEST
        {
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(user_agent.into(), Rc::clone(&reading));
        }
        reading
    }
}

impl Clone for Agents {
    /// The same rule, with nothing remembered.
    fn clone(&self) -> Self {
        Self { crawlers: self.crawlers.clone(), known: RefCell::default() }
    }
}
