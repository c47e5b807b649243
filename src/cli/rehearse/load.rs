//! Visitors who come all the time, and what each of them was given when.

use crate::cli::Failure;
use crate::cli::clock::Stopwatch;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many requests may be under way at once.
const AT_ONCE: u32 = 4;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who asks whom for what.
pub(super) struct Target {
    /// Host and port.
    pub(super) address: String,
    pub(super) path: String,
    pub(super) experiment: String,
    /// The request lines of each visitor.
    pub(super) visitors: Vec<Vec<(String, String)>>,
    /// Requests a second, over all.
    pub(super) rate: u32,
}

/// What an answer said of the experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// The visitor has this variant.
    Variant(String),
    /// Nothing: it does not act.
    Nothing,
    /// There was no answer of the kind 2xx or 3xx.
    Failed(String),
}

/// One answer.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// When it had arrived, since the load began.
    pub(super) at: Duration,
    /// Who asked.
    pub(super) visitor: usize,
    pub(super) given: Given,
}

/// A load under way.
pub(super) struct Load {
    target: Target,
    watch: Stopwatch,
    next: AtomicUsize,
    over: AtomicBool,
    seen: Mutex<Vec<Seen>>,
}

impl Load {
    pub(super) fn new(target: Target) -> Self {
        Self {
            target,
            watch: Stopwatch::start(),
            next: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            seen: Mutex::new(Vec::new()),
        }
    }

    /// What it asks.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// The time since it began.
    pub(super) fn now(&self) -> Duration {
        self.watch.elapsed()
    }

    /// Keeps it running while something else is done, and stops it then.
    pub(super) fn during<T>(&self, act: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            for number in 0..AT_ONCE {
                scope.spawn(move || self.work(number));
            }
            let done = act();
            self.over.store(true, Ordering::Relaxed);
            done
        })
    }

    /// Every answer so far, in the order of their arrival.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        seen.sort_by_key(|seen| seen.at);
        seen
    }

    /// Waits until an answer that arrived after `since` is as wanted.
    pub(super) fn await_answer(
        &self,
        since: Duration,
        within: Duration,
        wanted: impl Fn(&Given) -> bool,
    ) -> Option<Seen> {
        let end = self.now() + within;
        while self.now() < end {
            let found = self.seen().into_iter().find(|seen| seen.at >= since && wanted(&seen.given));
            if found.is_some() {
                return found;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    fn work(&self, number: u32) {
        let between = Duration::from_secs(1) * AT_ONCE / self.target.rate.max(1);
        let mut due = between * number / AT_ONCE;
        while !self.over.load(Ordering::Relaxed) {
            let now = self.now();
            if now < due {
                // why: short, so that the end of a slow load is not waited for
                std::thread::sleep((due - now).min(Duration::from_millis(50)));
                continue;
            }
            // why: what was missed while answers were slow is not made up for
            due = (due + between).max(now);
            let visitor = self.next.fetch_add(1, Ordering::Relaxed) % self.target.visitors.len().max(1);
            let given = self.target.ask(visitor).unwrap_or_else(|error| Given::Failed(error.to_string()));
            let seen = Seen { at: self.now(), visitor, given };
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        }
    }
}

impl Target {
    fn ask(&self, visitor: usize) -> std::io::Result<Given> {
        let (status, head) = get(&self.address, &self.path, self.visitors.get(visitor).map_or(&[], Vec::as_slice))?;
        if !(200..400).contains(&status) {
            return Ok(Given::Failed(format!("status {status}")));
        }
        let listed = head.lines().filter_map(|line| line.split_once(':'));
        let listed = listed.filter(|(name, _)| name.eq_ignore_ascii_case("sortition-variants"));
        let members = listed.flat_map(|(_, list)| list.split(','));
        let variant = members.filter_map(|member| member.trim().split_once('=')).find(|(id, _)| *id == self.experiment);
        Ok(variant.map_or(Given::Nothing, |(_, variant)| Given::Variant(variant.trim_matches('"').to_owned())))
    }
}

/// Status and head of an answer to a GET, over a connection of its own.
pub(super) fn get(address: &str, path: &str, lines: &[(String, String)]) -> std::io::Result<(u16, String)> {
    let nowhere = || std::io::Error::other(format!("{address} is no address"));
    let socket = address.to_socket_addrs()?.next().ok_or_else(nowhere)?;
    let mut stream = TcpStream::connect_timeout(&socket, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/html\r\nConnection: close\r\n");
    lines.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
    stream.write_all(format!("{request}\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    let head = text.split_once("\r\n\r\n").map_or(&*text, |(head, _)| head);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other("that is no HTTP answer"))?;
    Ok((status, head.to_owned()))
}

/// What stands in for the load where nothing can be asked.
pub(super) fn unanswered(load: &Load) -> Failure {
    let seen = load.seen();
    let last = seen.iter().rev().find_map(|seen| match &seen.given {
        Given::Failed(why) => Some(why.clone()),
        _ => None,
    });
    let target = load.target();
    let why = match last {
        Some(why) => format!("the last answer failed: {why}"),
        None => {
            "check --page and, for an audience, --header; `sortition explain` says what stands in the way".to_owned()
        }
    };
    Failure::Outside(format!(
        "nobody was given `{}` at http://{}{}: {why}",
        target.experiment, target.address, target.path
    ))
}
