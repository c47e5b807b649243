//! What KV said → the plan in force. Pure: reading is the worker's business, and the clock is an argument.
//!
//! Three keys have a say: the document, the kill switch, and what the worker's guard ended. What was last known of each
//! stays in force while it cannot be read. While one was never known no experiment acts, as without a document: a kill
//! that could not be read might be the reason why somebody looks at the shop right now.

#[cfg(any(not(target_arch = "wasm32"), feature = "services"))]
use crate::document::{Document, Problem};
use crate::plan::{Kill, KillGuard, Plan};
use crate::visitor::crawler::Crawlers;
use std::rc::Rc;

/// How long requests of an isolate that has no plan yet wait for it, in milliseconds.
pub const BUDGET_MS: f64 = BUDGET_SECONDS as f64 * 1000.0;
// why: a whole number, since the standard library writes others by 6 KB of code
const BUDGET_SECONDS: u8 = 2;

/// A reading that does not come back is given up after so long, and the next may start.
const PATIENCE_MS: f64 = 10_000.0;

/// A copy of what KV said is made anew after so long, so that it does not grow old while nothing changes.
const COPIED_EVERY_MS: f64 = 3_600_000.0;
/// Of how many places it is remembered what is kept there: a shop has a few hosts.
const MOST_PLACES: usize = 16;

/// The oldest copy that an isolate starts by.
pub const OLDEST_COPY_MS: f64 = 7.0 * 86_400_000.0;

/// The value of a key, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// There is none.
    Absent,
    /// This.
    Text(String),
    /// It could not be read; why.
    Unknown(String),
}

/// The document, as far as it is known.
#[derive(Clone, Debug)]
pub enum DocumentValue {
    /// There is none.
    Absent,
    /// It could not be read; why.
    Unknown(String),
    /// One whose text has this [`crate::hash::content`]. `plan`: what it says, which nobody need tell of a document that is
    /// in use already.
    Is {
        /// The hash.
        content: String,
        /// The plan.
        plan: Option<Box<Plan>>,
    },
    /// One that is refused; why.
    Refused(String),
}

#[cfg(any(not(target_arch = "wasm32"), feature = "services"))]
impl DocumentValue {
    /// A document by its text.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        match compile(text) {
            Ok(plan) => Self::Is { content: crate::hash::content(text), plan: Some(Box::new(plan)) },
            Err(problem) => Self::Refused(problem),
        }
    }
}

/// What was read at one time.
#[derive(Clone, Debug)]
pub struct Values {
    /// The key `config`.
    pub config: DocumentValue,
    /// The key `kill`.
    pub kill: Value,
    /// The key `kill-guard`.
    pub guard: Value,
}

/// A plan and what is worked out once for it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The plan.
    pub plan: Rc<Plan>,
    /// The document's rule for crawlers.
    pub crawlers: Rc<Crawlers>,
    /// A number for the document that the plan is of; positions in it are only good within one.
    pub generation: u32,
}

/// How much of what KV said is to be kept for isolates that start while it fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyDue {
    /// Nothing.
    #[default]
    Nothing,
    /// The switches beside the document that is kept already: the newest is refused, or cannot be read.
    Switches,
    /// All of it.
    Everything,
}

/// What an isolate knows of the three keys.
#[derive(Debug, Default)]
pub struct Configuration {
    /// The plan in force; none: everything passes through.
    loaded: Option<Rc<Loaded>>,
    /// The last good document, without switches.
    compiled: Option<Loaded>,
    /// The hash of the text that it came from, so that an unchanged document is not taken again.
    content: Option<String>,
    kill: Option<Kill>,
    guard: Option<KillGuard>,
    /// The switches that the plan in force has, and of which document.
    applied: Option<(u32, Kill, KillGuard)>,
    /// Whether some reading came to an end, or was given up.
    is_settled: bool,
    confirmed_at: Option<f64>,
    due_at: Option<f64>,
    asked_at: f64,
    failures: u32,
    error: Option<String>,
    /// When the copy was made that the plan came from; none: it came from KV.
    copy_of: Option<f64>,
    /// How much of the newest reading is worth keeping, and a text that differs where that differs.
    worth: (CopyDue, String),
    /// What was kept last, when, and where: each host has a copy of its own.
    kept: Vec<(Box<str>, (CopyDue, String), f64)>,
}

impl Configuration {
    /// The plan in force.
    #[must_use]
    pub fn loaded(&self) -> Option<&Rc<Loaded>> {
        self.loaded.as_ref()
    }

    /// Whether a request should wait for its own reading: nothing was learnt yet, and nothing failed.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        !self.is_settled
    }

    /// When KV last confirmed the document, in milliseconds since 1970.
    #[must_use]
    pub fn confirmed_at(&self) -> Option<f64> {
        self.confirmed_at
    }

    /// Whether the plan is of the data centre's copy, and not of KV.
    #[must_use]
    pub fn is_of_copy(&self) -> bool {
        self.copy_of.is_some()
    }

    /// What is wrong with the document, a switch, or KV.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// What the guard ended and holds.
    #[must_use]
    pub fn guard(&self) -> Option<&KillGuard> {
        self.guard.as_ref()
    }

    /// Whether KV should be asked again: the plan is older than it may be. Of the requests that come while a reading is
    /// under way only the first is told so.
    pub fn is_due(&mut self, now: f64) -> bool {
        // why: a clock that was turned back would put the next reading, and with it a kill, off until it has caught up
        let due = self.due_at.is_none_or(|due| due <= now) || now < self.asked_at;
        if due {
            self.begin(now);
        }
        due
    }

    /// Takes note that a reading begins.
    pub fn begin(&mut self, now: f64) {
        self.asked_at = now;
        self.due_at = Some(now + PATIENCE_MS);
    }

    /// Takes note that nobody waits any longer.
    pub fn give_up(&mut self, now: f64) {
        if self.is_settled {
            return;
        }
        self.is_settled = true;
        self.fail(format!("KV did not answer in {BUDGET_SECONDS} seconds; requests pass through until it does"), now);
    }

    /// Puts what KV said to use, and says what is new to complain about. `ttl` in milliseconds.
    #[inline(never)]
    pub fn settle(&mut self, values: Values, now: f64, ttl: f64) -> Option<String> {
        self.is_settled = true;
        let before = self.error.clone();
        let is_known = !matches!(values.config, DocumentValue::Unknown(_));
        let mut problems = self.take(values);
        if is_known {
            self.confirmed_at = Some(now);
            self.copy_of = None;
        }
        if self.compiled.is_some() && (self.kill.is_none() || self.guard.is_none()) {
            problems.push("no experiment acts until `kill` and `kill-guard` were read once".to_owned());
        }
        if problems.is_empty() {
            self.failures = 0;
            self.error = None;
            self.due_at = Some(now + ttl);
        } else {
            self.fail(problems.join("; "), now);
            self.due_at = self.due_at.map(|due| due.min(now + ttl.max(1000.0)));
        }
        self.error.clone().filter(|error| Some(error) != before.as_ref())
    }

    /// Starts by the data centre's copy of what KV said at `made_at`, where nothing better is known. Whether it did.
    pub fn settle_by_copy(&mut self, values: Values, made_at: f64, now: f64) -> bool {
        let age = now - made_at;
        if self.loaded.is_some() || self.confirmed_at.is_some() || !(-300_000.0..=OLDEST_COPY_MS).contains(&age) {
            return false;
        }
        self.take(values);
        self.worth = Default::default();
        if self.loaded.is_some() {
            self.is_settled = true;
            self.confirmed_at = Some(made_at);
            self.copy_of = Some(made_at);
        }
        self.loaded.is_some()
    }

    /// How much of what KV said should be kept at a place, for isolates that start there while KV fails; it is taken for
    /// kept then.
    pub fn copy_due(&mut self, place: &str, now: f64) -> CopyDue {
        let is_kept = |(at_place, kept, at): &(Box<str>, _, f64)| {
            &**at_place == place && *kept == self.worth && now - at < COPIED_EVERY_MS
        };
        if self.worth.0 == CopyDue::Nothing || self.kept.iter().any(is_kept) {
            return CopyDue::Nothing;
        }
        self.kept.retain(|(at_place, ..)| &**at_place != place);
        if self.kept.len() >= MOST_PLACES {
            self.kept.remove(0);
        }
        self.kept.push((place.into(), self.worth.clone(), now));
        self.worth.0
    }

    /// Takes over what is known, and says what is wrong.
    fn take(&mut self, values: Values) -> Vec<String> {
        let mut problems = Vec::new();
        let Values { config, kill, guard } = values;
        let are_read = [&kill, &guard].iter().all(|value| !matches!(value, Value::Unknown(_)));
        let is_complete = are_read && !matches!(config, DocumentValue::Unknown(_));
        let mut is_guard_sound = true;
        let text = |value: &Value| match value {
            Value::Text(text) => text.clone(),
            _ => String::new(),
        };
        let switches = [text(&kill), text(&guard)].join("\n");
        match config {
            DocumentValue::Unknown(problem) | DocumentValue::Refused(problem) => problems.push(problem),
            DocumentValue::Absent => {
                self.compiled = None;
                self.content = None;
            }
            DocumentValue::Is { content, plan } => problems.extend(self.take_document(content, plan).err()),
        }
        match kill {
            Value::Unknown(problem) => problems.push(problem),
            Value::Absent => self.kill = Some(Kill::default()),
            Value::Text(text) => {
                self.kill = Some(Kill::parse(&text).unwrap_or_else(|problem| {
                    problems.push(problem.to_string());
                    Kill::everything()
                }));
            }
        }
        match guard {
            Value::Unknown(problem) => problems.push(problem),
            Value::Absent => self.guard = Some(KillGuard::default()),
            Value::Text(text) => match KillGuard::parse(&text) {
                Ok(guard) => self.guard = Some(guard),
                Err(problem) => {
                    is_guard_sound = false;
                    problems.push(problem.to_string());
                }
            },
        }
        self.put_in_force();
        // why: what is refused is not worth keeping, but a kill is, whatever becomes of the document
        self.worth = if is_complete && problems.is_empty() {
            (CopyDue::Everything, [self.content.as_deref().unwrap_or(""), &switches].join("\n"))
        } else if are_read && is_guard_sound {
            (CopyDue::Switches, switches)
        } else {
            Default::default()
        };
        problems
    }

    /// Whether it has this document.
    #[must_use]
    pub fn has(&self, content: &str) -> bool {
        self.content.as_deref() == Some(content)
    }

    #[inline(never)]
    fn take_document(&mut self, content: String, plan: Option<Box<Plan>>) -> Result<(), String> {
        if self.has(&content) {
            return Ok(());
        }
        let plan = plan.ok_or("the document was not compiled; it is tried again")?;
        // why: not a count, which a fresh instance would begin anew while JavaScript keeps what it prepared for the old one
        let generation = content.get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0);
        let crawlers = Rc::new(Crawlers::new(&plan.crawler_also, &plan.crawler_except));
        self.compiled = Some(Loaded { plan: Rc::from(plan), crawlers, generation });
        self.content = Some(content);
        Ok(())
    }

    /// The last good document with the switches as they are known. Requests under way keep the plan that they began with.
    #[inline(never)]
    fn put_in_force(&mut self) {
        let (Some(compiled), Some(kill), Some(guard)) = (&self.compiled, &self.kill, &self.guard) else {
            self.loaded = None;
            self.applied = None;
            return;
        };
        let is_applied = |(generation, k, g): &(u32, Kill, KillGuard)| {
            *generation == compiled.generation && k == kill && g == guard && self.loaded.is_some()
        };
        if self.applied.as_ref().is_some_and(is_applied) {
            return;
        }
        let mut loaded = compiled.clone();
        if loaded.plan.differs_from(kill, guard) {
            let mut plan = Plan::clone(&loaded.plan);
            plan.apply(kill);
            plan.apply_guard(guard);
            loaded.plan = Rc::new(plan);
        }
        self.applied = Some((compiled.generation, kill.clone(), guard.clone()));
        self.loaded = Some(Rc::new(loaded));
    }

    /// Notes a failure: KV is asked again soon, but less and less often.
    fn fail(&mut self, problem: String, now: f64) {
        self.failures = self.failures.saturating_add(1);
        self.due_at = Some(now + 1000.0 * f64::from(1_u32 << self.failures.min(6)));
        self.error = Some(problem);
    }
}

/// The plan of a document's text.
///
/// # Errors
///
/// Why the document is refused, as `/health` says it.
#[cfg(any(not(target_arch = "wasm32"), feature = "services"))]
pub fn compile(text: &str) -> Result<Plan, String> {
    let document = Document::parse(text).map_err(|problem| refused(&[problem]))?;
    Plan::compile(&document).map_err(|problems| refused(&problems))
}

#[cfg(any(not(target_arch = "wasm32"), feature = "services"))]
fn refused(problems: &[Problem]) -> String {
    const SHOWN: usize = 5;
    let mut lines: Vec<String> = problems.iter().take(SHOWN).map(ToString::to_string).collect();
    if problems.len() > SHOWN {
        lines.push(format!("and {} more: run `sortition check`", problems.len() - SHOWN));
    }
    format!("the document is refused, the last good one stays: {}", lines.join("; "))
}
