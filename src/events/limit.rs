//! How often pages may report: by the visitor whose cookie they send, and by the network they send from.

use crate::hash;
use std::net::IpAddr;

/// How many bodies of one visitor an isolate takes a minute.
pub const OF_VISITOR: u16 = 120;

/// How many from one network: an office, or a mobile carrier's gateway, is many people behind one address.
pub const OF_NETWORK: u16 = 1200;

const MINUTE_MS: i64 = 60_000;
const ROWS: usize = 2;
const SLOTS: usize = 4096;

/// The keys of a request, by which it is counted: the visitor, and the network, each where it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    visitor: Option<String>,
    network: Option<String>,
}

impl Keys {
    /// Of a visitor's cookie and an address. What is too long to be an id counts as one visitor.
    #[must_use]
    pub fn new(visitor: Option<&str>, address: Option<&str>) -> Self {
        let id = |id: &str| if id.len() > 128 { "too long".to_owned() } else { id.to_owned() };
        Self { visitor: visitor.filter(|id| !id.is_empty()).map(id), network: address.and_then(network) }
    }

    /// The keys for a limiter that has one limit for every key. A network has eight, of which a visitor's is one: it may
    /// send eight times what a visitor may, and ids that are made up do not help.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let visitor = self.visitor.as_deref().unwrap_or("");
        let share = hash::event_id(&[visitor]).bytes().next().map_or(0, |digit| digit % 8);
        let network = self.network.as_ref().map(|network| format!("network:{network}:{share}"));
        self.visitor.as_ref().map(|id| format!("visitor:{id}")).into_iter().chain(network).collect()
    }
}

/// The network of an address: the first three numbers of an IPv4 address, the first 48 bits of an IPv6 one.
fn network(address: &str) -> Option<String> {
    match address.trim().parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            Some(format!("{a}.{b}.{c}"))
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            Some(format!("{a:x}:{b:x}:{c:x}"))
        }
    }
}

/// An isolate's counts of this minute.
///
/// A sketch (Cormode and Muthukrishnan, 2005) and not a list: as large for a million visitors as for one. Of two counters
/// the smaller is believed, so that nobody is counted too low, and hardly anybody too high.
#[derive(Clone, Debug)]
pub struct Counts {
    minute: i64,
    counters: Vec<u16>,
}

impl Default for Counts {
    fn default() -> Self {
        Self { minute: 0, counters: vec![0; ROWS * SLOTS] }
    }
}

impl Counts {
    /// Counts a request at `now`, in milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// After how many seconds to come again, where there were too many this minute.
    pub fn admit(&mut self, keys: &Keys, now: i64) -> Result<(), i64> {
        let minute = now.div_euclid(MINUTE_MS);
        if minute != self.minute {
            self.minute = minute;
            self.counters.fill(0);
        }
        let visitor = keys.visitor.as_ref().map(|id| (["visitor", id], OF_VISITOR));
        let network = keys.network.as_ref().map(|id| (["network", id], OF_NETWORK));
        let limited = [visitor, network].into_iter().flatten();
        // why: each is counted, also where the one before it is over
        let over = limited.filter(|(key, most)| self.count(key) > *most).count() > 0;
        // why: rounded up, or whoever keeps to it comes a moment too early
        if over { Err((MINUTE_MS - now.rem_euclid(MINUTE_MS) + 999).div_euclid(1000)) } else { Ok(()) }
    }

    /// Counts a key; how often it was counted this minute, this time included.
    fn count(&mut self, key: &[&str]) -> u16 {
        let digits = hash::event_id(key);
        let mut least = u16::MAX;
        for row in 0..ROWS {
            let slot = digits.get(8 * row..8 * (row + 1)).and_then(|part| usize::from_str_radix(part, 16).ok());
            if let Some(counter) = self.counters.get_mut(row * SLOTS + slot.unwrap_or(0) % SLOTS) {
                *counter = counter.saturating_add(1);
                least = least.min(*counter);
            }
        }
        least
    }
}
