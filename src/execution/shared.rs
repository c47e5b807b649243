//! The shared copy: one answer of the origin for everybody who would be sent the same, kept at the edge before anything
//! of a visitor is added to it. Its rules; where it is kept is somebody else's business.

use super::Intent;
use super::cache_control::CacheControl;
use super::entity_tag::EntityTag;
use super::intent::list;
use crate::ascii;
use crate::decide::Decision;
use crate::facts::{Request, Source};
use crate::plan::Plan;
use crate::visitor::handover::joined;
use std::collections::HashMap;

/// How long a page whose answer may not be shared is asked for as if it were not named, in milliseconds.
const UNSHARED_MS: f64 = 60_000.0;
/// How many such pages are remembered, and of how many it is known that somebody asks for them.
const MOST: usize = 1000;
/// A request for a copy that does not come back in this time has been cut off with the visitor's request behind whose
/// answer it ran.
const LOST_MS: f64 = 30_000.0;

impl Intent {
    /// What tells this visitor's copy from others, where the page may come from a shared one: a page that the document
    /// names under `cache`, asked for by GET, whole, and without credentials. It is the variants that the origin renders
    /// itself, as it is told them; variants that are made of the copy at the edge are none of the origin's business.
    #[must_use]
    #[inline(never)]
    pub fn shared<S: Source>(&self, plan: &Plan, request: &Request<'_, S>) -> Option<String> {
        if !plan.shares(request.method, &request.url)
            || self.is_preview()
            || ["authorization", "range"].iter().any(|name| request.header(name).is_some())
        {
            return None;
        }
        let by_origin = |decision: &&Decision| plan.experiments.get(decision.experiment).is_some_and(|e| e.by_origin);
        let decisions: Vec<Decision> = self.decisions.iter().filter(by_origin).cloned().collect();
        let told = |it: &Decision| plan.headers.to_origin && (it.reason.acts() || it.reason.tells_origin());
        // why: a worker before this one may have the origin render variants of its own
        Some(joined(self.handed_variants(), &list(plan, &decisions, told)))
    }
}

/// The head of an origin's answer that was asked for as nobody's.
#[derive(Clone, Copy, Debug, Default)]
pub struct CopyHead<'a> {
    /// The status.
    pub status: u16,
    /// `Cache-Control`.
    pub cache_control: Option<&'a str>,
    /// `Vary`.
    pub vary: Option<&'a str>,
    /// `Age`.
    pub age: Option<&'a str>,
    /// Whether it has something that is for one visitor, or in a form that not every visitor reads: `Set-Cookie`,
    /// `Sortition-User`, `Content-Encoding`.
    pub is_particular: bool,
}

/// How long a copy may be shown, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// As the origin's own answer.
    pub fresh: u32,
    /// While another is fetched.
    pub stale: u32,
}

impl CopyHead<'_> {
    /// How long the answer may be everybody's; `None` where it is not. Only what says `public` itself is, and only with a
    /// lifetime.
    #[must_use]
    pub fn lifetime(&self) -> Option<Lifetime> {
        let control = CacheControl::new(self.cache_control);
        let forbidden = ["private", "no-store", "no-cache"].iter().any(|name| control.has(name));
        if self.status != 200
            || self.is_particular
            || !control.has_whole("public")
            || forbidden
            || varies(self.vary.unwrap_or(""))
        {
            return None;
        }
        let age = self.age.map_or(0, |age| ascii::trimmed(age).parse().unwrap_or(u64::MAX));
        let fresh = control.seconds("s-maxage").or_else(|| control.seconds("max-age")).unwrap_or(0).saturating_sub(age);
        let must_not = control.has("must-revalidate") || control.has("proxy-revalidate");
        let stale = if must_not { 0 } else { control.seconds("stale-while-revalidate").unwrap_or(0) };
        // why: a year, the longest that caches take
        let bounded = |seconds: u64| u32::try_from(seconds.min(31_536_000)).unwrap_or(0);
        (fresh > 0).then(|| Lifetime { fresh: bounded(fresh), stale: bounded(stale) })
    }
}

/// Whether an answer with this `Vary` is another for requests that differ in more than which coding they read.
#[must_use]
pub fn varies(vary: &str) -> bool {
    ascii::members(vary).any(|name| !name.is_empty() && !name.eq_ignore_ascii_case("accept-encoding"))
}

/// Whether the client reads gzip (RFC 9110, section 12.5.3). Where Cloudflare put an `Accept-Encoding` of its own in place
/// of the client's, the client's counts, which it keeps as a property.
#[must_use]
pub fn reads_gzip<S: Source>(request: &Request<'_, S>) -> bool {
    let of_client = request.property("clientAcceptEncoding").filter(|accepted| !accepted.is_empty());
    let accepted = of_client.or_else(|| request.header("accept-encoding"));
    ascii::pieces(accepted.as_deref().unwrap_or(""), b',').any(|member| {
        let (name, weight) = ascii::split_once(member, b';').unwrap_or((member, ""));
        let weight = ascii::trimmed(weight);
        let is_none =
            matches!(weight.get(..2), Some("q=" | "Q=")) && !weight.bytes().any(|it| matches!(it, b'1'..=b'9'));
        ascii::trimmed(name).eq_ignore_ascii_case("gzip") && !is_none
    })
}

/// Whether the client has the page already: `If-None-Match` names its tag, by the weak comparison. `*` is no tag of it.
#[must_use]
pub fn is_known(etag: Option<&str>, if_none_match: Option<&str>) -> bool {
    let (Some(tag), Some(known)) = (etag.and_then(EntityTag::parse), if_none_match) else { return false };
    EntityTag::list(known).any(|one| one.is_like(tag))
}

/// What to do about a copy that was looked for. `age`: how long ago it was made, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Show it: it is fresh.
    Hit {
        #[allow(missing_docs)]
        age: u32,
    },
    /// Show it although it is over: another request fetches the next one.
    Stale {
        #[allow(missing_docs)]
        age: u32,
    },
    /// Show it although it is over, and fetch the next one behind the answer.
    Refresh {
        #[allow(missing_docs)]
        age: u32,
    },
    /// There is none: fetch one, and show that.
    Fetch,
    /// There is none, and another request of this isolate is fetching it: look again in so many milliseconds.
    Wait {
        #[allow(missing_docs)]
        milliseconds: u32,
    },
    /// It is not for everybody, or takes too long: ask as this visitor.
    Bypass,
}

/// How often a request looks again for a copy that another one fetches; each time it waits twice as long, from
/// [`FIRST_WAIT_MS`] on: five seconds together.
const LOOKS: u32 = 9;
const FIRST_WAIT_MS: u32 = 10;

/// For how long an isolate takes what it remembers of a copy for what the cache has, in milliseconds: as much later it
/// notices that the copy was purged, or that another isolate renewed one that had been evicted.
const REMEMBERED_MS: f64 = 1000.0;

/// What an isolate knows of its shared copies, by their keys.
#[derive(Clone, Debug, Default)]
pub struct Copies {
    /// Until when a page is not looked for.
    unshared: HashMap<Box<str>, f64>,
    /// Since when somebody fetches it.
    fetching: HashMap<Box<str>, f64>,
    /// What came of it.
    pub counts: CopyCounts,
}

/// How many pages came from copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyCounts {
    /// From one that was fresh.
    pub hits: u64,
    /// From one that was over, while another was fetched.
    pub stale: u64,
    /// From one that was fetched for it.
    pub misses: u64,
    /// From none, since the page is not for everybody.
    pub bypassed: u64,
    /// Of the hits, those whose body was finished before.
    pub finished: u64,
}

impl CopyCounts {
    /// Whether a copy was ever looked for.
    #[must_use]
    pub fn is_some(&self) -> bool {
        *self != Self::default()
    }
}

impl Copies {
    /// Whether to look for a copy at all. `now` in milliseconds since 1970, here and below.
    pub fn wanted(&mut self, key: &str, now: f64) -> bool {
        let wanted = self.unshared.get(key).is_none_or(|until| *until <= now);
        self.counts.bypassed += u64::from(!wanted);
        wanted
    }

    /// What to do about a copy that was found, made at `made` and fresh for `fresh` seconds, or about none, by a request
    /// that has looked `looks` times before.
    pub fn found(&mut self, key: &str, copy: Option<(f64, u32)>, looks: u32, now: f64) -> Next {
        if self.unshared.get(key).is_some_and(|until| *until > now) {
            self.counts.bypassed += 1;
            return Next::Bypass;
        }
        let is_fetched = self.fetching.get(key).is_some_and(|since| (now - LOST_MS..=now).contains(since));
        if let Some((made, fresh)) = copy.filter(|(made, _)| made.is_finite()) {
            let age = whole_seconds(now - made);
            if age < fresh {
                self.counts.hits += 1;
                return Next::Hit { age };
            }
            self.counts.stale += 1;
            if is_fetched {
                return Next::Stale { age };
            }
            self.begin(key, now);
            return Next::Refresh { age };
        }
        if !is_fetched {
            self.begin(key, now);
            return Next::Fetch;
        }
        if looks >= LOOKS {
            self.counts.bypassed += 1;
            return Next::Bypass;
        }
        Next::Wait { milliseconds: FIRST_WAIT_MS << looks }
    }

    /// Whether a copy that this isolate saw in the cache at `seen` may be shown without looking for it again, and how old
    /// it is. What is over is looked for, since it may have to be fetched.
    pub fn remembered(&mut self, made: f64, fresh: u32, seen: f64, now: f64) -> Option<u32> {
        let age = whole_seconds(now - made);
        let is_shown = (0.0..REMEMBERED_MS).contains(&(now - seen)) && age < fresh;
        is_shown.then(|| {
            self.counts.hits += 1;
            self.counts.finished += 1;
            age
        })
    }

    /// Takes note of what the origin answered to a request for a copy, and says how long it is everybody's.
    pub fn answered(&mut self, key: &str, head: &CopyHead<'_>, is_refresh: bool, now: f64) -> Option<Lifetime> {
        let lifetime = head.lifetime();
        // why: while the origin is down a stale copy is better than none
        if lifetime.is_none() && !(is_refresh && head.status >= 500) {
            if self.unshared.len() >= MOST {
                self.unshared.clear();
            }
            self.unshared.insert(key.into(), now + UNSHARED_MS);
        }
        if !is_refresh {
            if lifetime.is_some() {
                self.counts.misses += 1;
            } else {
                self.counts.bypassed += 1;
            }
        }
        lifetime
    }

    /// The copy is in its place, or will never be.
    pub fn settled(&mut self, key: &str) {
        self.fetching.remove(key);
    }

    /// There is no place to keep copies in: the page is not looked for again for a while.
    pub fn forgo(&mut self, key: &str, now: f64) {
        self.counts.bypassed += 1;
        if self.unshared.len() >= MOST {
            self.unshared.clear();
        }
        self.unshared.insert(key.into(), now + UNSHARED_MS);
    }

    fn begin(&mut self, key: &str, now: f64) {
        if self.fetching.len() >= MOST {
            self.fetching.clear();
        }
        self.fetching.insert(key.into(), now);
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole_seconds(milliseconds: f64) -> u32 {
    // why: a conversion saturates, and of what is no number it makes zero
    (milliseconds / 1000.0).max(0.0) as u32
}
