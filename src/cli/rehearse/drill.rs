//! The drill: load, kill, control, restore; and what is to be said about it.

use super::load::{Given, Load, Seen, Target, unanswered};
use crate::cli::kv::KvArguments;
use crate::cli::switch::{self, KillArguments};
use crate::cli::terminal::{bad, faint, good, strong};
use crate::cli::{Failure, Report, has_errors};
use crate::document::Problem;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the load runs before the kill, and after the kill was ended.
const STEADY: Duration = Duration::from_secs(2);

/// Nobody is given the experiment for this long: it is over.
const QUIET: Duration = Duration::from_secs(3);

/// How long each step may take: longer than any sensible `CONFIG_TTL_SECONDS`.
const PATIENCE: Duration = Duration::from_secs(120);

/// Something that happened, and when.
struct Mark(Duration, &'static str);

/// When the switch was turned: the command was entered, and wrangler had written the key.
struct Turn {
    asked: Duration,
    written: Duration,
}

pub(super) fn run(target: Target, kv: &KvArguments) -> Result<Report, Failure> {
    let load = Load::new(target);
    let (killed, restored) = load.during(|| drill(&load, kv))?;
    Ok(report(&load, &killed, &restored))
}

fn drill(load: &Load, kv: &KvArguments) -> Result<(Turn, Turn), Failure> {
    let acts = |given: &Given| matches!(given, Given::Variant(_));
    load.await_answer(Duration::ZERO, Duration::from_secs(20), acts).ok_or_else(|| unanswered(load))?;
    std::thread::sleep(STEADY);
    let killed = turn(load, kv, Switch::Off)?;
    let stopped = until_quiet(load, killed.written);
    // why: whatever went wrong, the worker is left as it was found
    let restored = turn(load, kv, Switch::On)?;
    if !stopped {
        return Err(Failure::Outside(format!(
            "`{}` was still given {} s after the kill: does this worker read that KV?",
            load.target().experiment,
            PATIENCE.as_secs()
        )));
    }
    load.await_answer(restored.written, PATIENCE, acts).ok_or_else(|| {
        Failure::Outside(format!("`{}` did not come back after the kill was ended", load.target().experiment))
    })?;
    std::thread::sleep(STEADY);
    Ok((killed, restored))
}

/// What is asked of the kill switch.
#[derive(Clone, Copy)]
enum Switch {
    /// The experiment stops.
    Off,
    /// It goes on.
    On,
}

fn turn(load: &Load, kv: &KvArguments, to: Switch) -> Result<Turn, Failure> {
    let asked = load.now();
    let experiment = Some(load.target().experiment.clone());
    let mut written = None;
    let arguments = KillArguments { experiment, all: false, off: matches!(to, Switch::On), yes: true, kv: kv.clone() };
    switch::turn(&arguments, || written = Some(load.now()))?;
    Ok(Turn { asked, written: written.unwrap_or_else(|| load.now()) })
}

/// Waits until nobody is given the experiment any more; `false`: it does not stop.
fn until_quiet(load: &Load, since: Duration) -> bool {
    while load.now() < since + PATIENCE {
        let last = load.seen().iter().rev().find(|seen| matches!(seen.given, Given::Variant(_))).map(|seen| seen.at);
        if load.now() > last.unwrap_or_default().max(since) + QUIET {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

fn report(load: &Load, killed: &Turn, restored: &Turn) -> Report {
    let seen = load.seen();
    let variant = |seen: &&Seen| matches!(seen.given, Given::Variant(_));
    let during = |seen: &&Seen| (killed.asked..restored.asked).contains(&seen.at);
    let first = seen.iter().find(variant).map(|seen| seen.at);
    let stopped = seen.iter().filter(during).find(|seen| seen.given == Given::Nothing).map(|seen| seen.at);
    let last = seen.iter().filter(|seen| seen.at < restored.asked).rev().find(variant).map(|seen| seen.at);
    let again = seen.iter().filter(|seen| seen.at >= restored.asked).find(variant).map(|seen| seen.at);
    let mut marks = vec![
        Mark(Duration::ZERO, "load started"),
        Mark(killed.asked, "kill entered"),
        Mark(killed.written, "kill pushed"),
        Mark(restored.asked, "end of the kill entered"),
        Mark(restored.written, "end of the kill pushed"),
        Mark(load.now(), "load ended"),
    ];
    let found = [
        (first, "first answer with the experiment"),
        (stopped, "first answer with the control"),
        (last, "last answer with the experiment"),
        (again, "first answer with the experiment again"),
    ];
    marks.extend(found.into_iter().filter_map(|(at, what)| Some(Mark(at?, what))));
    marks.sort_by_key(|mark| mark.0);

    let before = variants(seen.iter().filter(|seen| seen.at < killed.asked));
    let after = variants(seen.iter().filter(|seen| seen.at >= restored.asked));
    let both: Vec<usize> = before.keys().filter(|visitor| after.contains_key(visitor)).copied().collect();
    let kept = both.iter().filter(|visitor| before.get(visitor) == after.get(visitor)).count();
    let failed = seen.iter().filter(|seen| matches!(seen.given, Given::Failed(_))).count();
    let mut problems = Vec::new();
    if failed > 0 {
        problems.push(Problem::error("rehearsal", format!("{failed} of {} requests failed", seen.len())));
    }
    if kept < both.len() {
        let moved = both.len() - kept;
        problems.push(Problem::error("rehearsal", format!("{moved} visitors came back with another variant")));
    }
    let since = |turn: Duration| last.map_or(Duration::ZERO, |last| last.saturating_sub(turn));
    let target = load.target();
    let seconds = |time: Duration| format!("{:>7.2} s", time.as_secs_f64());
    let mut text = format!(
        "{}  {} visitors at http://{}{}\n",
        strong(&target.experiment),
        target.visitors.len(),
        target.address,
        target.path
    );
    marks.iter().for_each(|mark| text.push_str(&format!("{}  {}\n", faint(seconds(mark.0)), mark.1)));
    let verdict = if has_errors(&problems) { bad("failed") } else { good("fine") };
    text.push_str(&format!(
        "\ncontrol for everybody {:.2} s after the kill was pushed, {:.2} s after it was entered\n{} answers, {failed} failed; {kept} of {} visitors came back to their variant: {verdict}\n",
        since(killed.written).as_secs_f64(),
        since(killed.asked).as_secs_f64(),
        seen.len(),
        both.len(),
    ));
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let timeline: Vec<Value> = marks.iter().map(|mark| json!({"at_ms": millis(mark.0), "what": mark.1})).collect();
    let json = json!({
        "ok": !has_errors(&problems),
        "experiment": target.experiment,
        "url": format!("http://{}{}", target.address, target.path),
        "timeline": timeline,
        "pushed_to_control_ms": millis(since(killed.written)),
        "entered_to_control_ms": millis(since(killed.asked)),
        "answers": seen.len(),
        "failed": failed,
        "visitors": both.len(),
        "visitors_with_the_same_variant": kept,
    });
    Report { text, json, problems }
}

/// The variant that each visitor was given.
fn variants<'a>(seen: impl Iterator<Item = &'a Seen>) -> BTreeMap<usize, &'a str> {
    seen.filter_map(|seen| match &seen.given {
        Given::Variant(variant) => Some((seen.visitor, variant.as_str())),
        _ => None,
    })
    .collect()
}
