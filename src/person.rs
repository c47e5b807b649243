//! What a user was assigned, joined over their devices: all that the Durable Object `Person` keeps and does.
//!
//! One object a user. It keeps what was exposed of each experiment of users, whichever device it was on. A device says what
//! it has shown, and takes over what was exposed first where it has shown nothing: nobody flips under their own eyes. The
//! object itself only stores the text that [`merge`] returns, so that everything is here and runs natively.

use crate::document::{Status, UnitKind};
use crate::hash::{push_digits, read_digits};
use crate::plan::{Experiment, ExperimentAt, Plan, VariantAt};
use crate::sort::sort_by_key;
use crate::visitor::Marks;
use crate::visitor::assignments::{Assignments, Entry, Join};

/// The most assignments of a user that are kept; of more those that are longest ago go.
pub const MOST: usize = 2_000;

/// The length of one of them as text: 4 characters of the experiment and its iteration, 4 of the variant, 3 of the day.
const WIDTH: usize = 11;

const DAY: i64 = 86_400_000;

/// An assignment that some device has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    key: u32,
    code: u32,
    /// The day of its exposure, since 1970.
    day: u32,
}

fn parse(text: &str) -> impl Iterator<Item = Shown> {
    text.as_bytes().chunks_exact(WIDTH).filter_map(|digits| {
        let number = |digits: &[u8]| read_digits(digits).and_then(|bits| u32::try_from(bits).ok());
        let (key, rest) = digits.split_at_checked(4)?;
        let (code, day) = rest.split_at_checked(4)?;
        Some(Shown { key: number(key)?, code: number(code)?, day: number(day)? })
    })
}

fn write(shown: impl IntoIterator<Item = Shown>) -> String {
    let mut text = String::new();
    for Shown { key, code, day } in shown {
        push_digits(key.into(), 4, &mut text);
        push_digits(code.into(), 4, &mut text);
        push_digits(day.into(), 3, &mut text);
    }
    text
}

/// What is kept of a user after a device said what it has shown: each variant with the day of its first exposure, in the
/// order in which they were told. It is the answer to the device too. All of an experiment's are kept, since of the first one
/// nobody here knows whether the document still has it.
///
/// ```
/// use sortition_engine::person::merge;
///
/// let phone = "AAAABBBBAAB";
/// assert_eq!(merge("", phone), phone);
/// assert_eq!(merge(phone, phone), phone);
/// assert_eq!(merge(phone, "AAAACCCCAAB"), "AAAABBBBAABAAAACCCCAAB", "the laptop's other variant came later");
/// ```
#[must_use]
pub fn merge(kept: &str, shown: &str) -> String {
    let mut all: Vec<Shown> = parse(kept).collect();
    for one in parse(shown) {
        match all.iter_mut().find(|known| (known.key, known.code) == (one.key, one.code)) {
            Some(known) => known.day = known.day.min(one.day),
            None => all.push(one),
        }
    }
    if all.len() > MOST {
        sort_by_key(&mut all, |shown| core::cmp::Reverse(shown.day));
        all.truncate(MOST);
    }
    write(all)
}

/// The name of the object that keeps a user's assignments.
#[must_use]
pub fn object_name(project: &str, user: &str) -> String {
    [project, "/", user].concat()
}

/// Whether a user's devices are to be joined: there are experiments of users, somebody is logged in, and this browser
/// was not answered yet.
#[must_use]
pub fn is_due(plan: &Plan, assignments: &Assignments, marks: Marks) -> bool {
    plan.has_users && marks.user.is_some_and(|user| assignments.join_of(user) != Join::Done)
}

/// Whether one of these experiments is of users, and this browser has nothing of it yet that would be kept.
#[must_use]
pub fn is_due_again(
    plan: &Plan,
    assignments: &Assignments,
    mut assigned: impl Iterator<Item = ExperimentAt>,
    marks: Marks,
    now: i64,
) -> bool {
    let is_of_users = |index| plan.experiments.get(index).is_some_and(|e| e.unit == UnitKind::User && e.sticky);
    assigned.any(|index| is_of_users(index) && marks.kept(plan, index, assignments, now).is_none())
}

/// What this browser has shown its user, as it tells the object.
#[must_use]
pub fn shown(plan: &Plan, assignments: &Assignments, marks: Marks, now: i64) -> String {
    write(shown_entries(plan, assignments, marks, now).map(|entry| to_shown(&entry, now)))
}

/// What it has shown since `before`, and what its user took along from whoever was not logged in: nothing where there is no
/// news.
#[must_use]
#[inline(never)]
pub fn news(plan: &Plan, before: &Assignments, after: &Assignments, marks: Marks, now: i64) -> String {
    let own = shown_entries(plan, before, marks, now).filter(|entry| entry.owner == marks.user);
    let old: Vec<(u32, u32)> = own.map(|entry| (entry.key, entry.code)).collect();
    let new = shown_entries(plan, after, marks, now).filter(|entry| !old.contains(&(entry.key, entry.code)));
    write(new.map(|entry| to_shown(&entry, now)))
}

/// What a call has shown its user, by experiment and variant, as far as it is news to the object.
pub fn news_of_call(
    plan: &Plan,
    known: &Assignments,
    met: impl Iterator<Item = (ExperimentAt, VariantAt)>,
    marks: Marks,
    now: i64,
) -> String {
    let new = met.filter_map(|(experiment, variant)| {
        let e = plan.experiments.get(experiment).filter(|e| e.unit == UnitKind::User && e.sticky)?;
        let code = e.variants.get(variant)?.code;
        let kept = marks.kept(plan, experiment, known, now).and_then(|kept| known.entries().get(kept.position));
        let is_known = kept.is_some_and(|entry| entry.code == code);
        (!is_known).then(|| Shown { key: e.assignment_key, code, day: today(now) })
    });
    write(new)
}

fn to_shown(entry: &Entry, now: i64) -> Shown {
    let today = today(now);
    Shown { key: entry.key, code: entry.code, day: today.saturating_sub(entry.age(today)) }
}

fn today(now: i64) -> u32 {
    u32::try_from(now.div_euclid(DAY)).unwrap_or(0)
}

fn shown_entries(plan: &Plan, assignments: &Assignments, marks: Marks, now: i64) -> impl Iterator<Item = Entry> {
    assignments.entries().iter().enumerate().filter_map(move |(position, entry)| {
        let (index, e) = experiment_of(plan, entry)?;
        let is_theirs = marks.kept(plan, index, assignments, now).is_some_and(|kept| kept.position == position);
        (is_theirs && (entry.exposed || entry.code == e.held_out_code)).then(|| entry.clone())
    })
}

/// The experiment of users that an entry is of.
fn experiment_of<'a>(plan: &'a Plan, entry: &Entry) -> Option<(ExperimentAt, &'a Experiment)> {
    find(plan, entry.key, entry.code)
}

fn find(plan: &Plan, key: u32, code: u32) -> Option<(ExperimentAt, &Experiment)> {
    plan.with_key(key).filter_map(|index| Some((index, plan.experiments.get(index)?))).find(|(_, e)| {
        let knows = code == e.held_out_code || e.variant_of_code(code).is_some();
        e.unit == UnitKind::User && e.sticky && e.status != Status::Completed && knows
    })
}

/// Gives a user what the visitor has of the experiments of users, and puts them before the browser's other users.
pub fn claim(plan: &Plan, assignments: &mut Assignments, marks: Marks, now: i64) {
    let Some(user) = marks.user else { return };
    let claimed: Vec<usize> = assignments
        .entries()
        .iter()
        .filter(|entry| entry.owner.is_none())
        .flat_map(|entry| plan.with_key(entry.key))
        .filter(|&index| plan.experiments.get(index).is_some_and(|e| e.unit == UnitKind::User))
        .filter_map(|index| marks.kept(plan, index, assignments, now))
        .map(|kept| kept.position)
        .collect();
    // why: a user of whom nothing is kept needs no place in the cookie
    let known = assignments.users().iter().any(|it| it.fingerprint == user);
    if known || !claimed.is_empty() {
        assignments.greet(user);
    }
    for position in claimed {
        if let Some(entry) = assignments.entry_mut(position).filter(|entry| entry.owner.is_none()) {
            entry.owner = Some(user);
        }
    }
}

/// Notes what came of asking for a user's assignments, and takes them over where there are any. `None`: no answer came in
/// time.
pub fn join(plan: &Plan, assignments: &mut Assignments, marks: Marks, answer: Option<&str>, now: i64) {
    let Some(user) = marks.user else { return };
    if let Some(answer) = answer {
        take_over(plan, assignments, marks, answer, now);
    }
    assignments.note_join(user, answer.is_some());
}

/// What was exposed first of each experiment, of what the document still has; of one day what was told first.
fn first_shown(plan: &Plan, answer: &str) -> Vec<(ExperimentAt, Shown)> {
    let mut first: Vec<(ExperimentAt, Shown)> = Vec::new();
    for one in parse(answer) {
        let Some((index, _)) = find(plan, one.key, one.code) else { continue };
        match first.iter_mut().find(|(known, _)| *known == index) {
            Some((_, known)) if one.day < known.day => *known = one,
            Some(_) => {}
            None => first.push((index, one)),
        }
    }
    first
}

/// Takes an object's answer over: what this browser has not shown its user. Where that would bring them into a second
/// experiment of a layer, the browser stays with the one it has.
fn take_over(plan: &Plan, assignments: &mut Assignments, marks: Marks, answer: &str, now: i64) {
    let Some(user) = marks.user else { return };
    for (index, Shown { key, code, .. }) in first_shown(plan, answer) {
        let Some(e) = plan.experiments.get(index) else { continue };
        let kept = marks.kept(plan, index, assignments, now);
        let entry = kept.and_then(|kept| assignments.entries().get(kept.position));
        if entry.is_some_and(|entry| entry.exposed || entry.code == e.held_out_code || entry.code == code) {
            continue;
        }
        let is_variant = code != e.held_out_code;
        if is_variant && marks.holds_layer(plan, index, assignments, now).is_some() {
            continue;
        }
        // why: what nobody has met may go, also where it was to be the visitor's
        let own = |code: u32| code == e.held_out_code || e.variant_of_code(code).is_some();
        if let Some(position) = kept.map(|kept| kept.position)
            && let Some(entry) = assignments.entry_mut(position)
        {
            entry.owner = Some(user);
        }
        assignments.greet(user);
        assignments.put(Entry::new(key, code, UnitKind::User, Some(user), today(now)), own);
    }
}
