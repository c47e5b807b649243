//! What a user agent says of who asks, small enough to be remembered: of all that a request brings along it takes longest
//! to read, and a few hundred different ones make up nearly all traffic.

use super::agent::{Agent, Browser, ClientHints, Device, Os};
use super::crawler::Crawlers;

/// What a user agent says of who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Whether it is a crawler's.
    pub crawler: bool,
    /// The kind of device.
    pub device: Device,
    /// The operating system.
    pub os: Os,
    /// The browser.
    pub browser: Browser,
}

impl Client {
    /// Reads a user agent; which of them are crawlers', the document has a say in.
    ///
    /// ```
    /// use sortition_engine::visitor::{client::Client, crawler::Crawlers};
    ///
    /// let agent = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    /// assert!(Client::new(agent, &Crawlers::default()).crawler);
    /// ```
    #[must_use]
    pub fn new(user_agent: &str, crawlers: &Crawlers) -> Self {
        let Agent { device, os, browser, .. } = Agent::read(user_agent, ClientHints::default());
        Self { crawler: crawlers.matches(user_agent), device, os, browser }
    }

    /// The reading as a number, for whoever remembers it.
    #[must_use]
    pub fn code(self) -> u32 {
        u32::from(self.crawler)
            | u32::from(place(&Device::ALL, self.device)) << 8
            | u32::from(place(&Os::ALL, self.os)) << 16
            | u32::from(place(&Browser::ALL, self.browser)) << 24
    }

    /// The reading of a [`Client::code`]; `None` where the number is none.
    #[must_use]
    pub fn of_code(code: u32) -> Option<Self> {
        let [crawler, device, os, browser] = code.to_le_bytes();
        Some(Self {
            crawler: crawler == 1,
            device: *Device::ALL.get(usize::from(device))?,
            os: *Os::ALL.get(usize::from(os))?,
            browser: *Browser::ALL.get(usize::from(browser))?,
        })
    }
}

fn place<T: PartialEq>(all: &[T], one: T) -> u8 {
    all.iter().position(|it| *it == one).and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
}
