//! `sortition push`, `rollback` and `history`: what is live, and who put it there.
//!
//! A push writes `config:<revision>`, `audit:<time>:<revision>` and `plan:<hash of the document>`, then `config`: whatever
//! fails on the way, the old document stays live. Last it reads `config` back.

use super::diff::{self, Comparison, Options};
use super::kv::{Kv, KvArguments};
use super::terminal::{bad, faint, good, strong};
use super::{Failure, Report, clock, edit, has_errors, input, line};
use crate::document::{Document, Problem, Timestamp, merge_env, policy};
use crate::hash;
use crate::operate::Note;
use crate::plan::KillGuard;
use base64::{Engine, engine::general_purpose::STANDARD};
use clap::Args;
use serde_json::{Value, json};
use std::process::Command;

/// Put a document live: check, compare with what is live, write, verify.
#[derive(Debug, Args)]
#[command(
    after_help = "Workers take it up within CONFIG_TTL_SECONDS after KV has carried it to them, which takes up to a minute.

Examples:
  sortition push experiments.json --local
  sortition push experiments.json --env production --dry-run
  sortition push experiments.json --env production --revision 2026-11-21.3
  sortition push experiments.json --allow iteration
  sortition push experiments.json --full               every change of a long list"
)]
pub(super) struct PushArguments {
    /// The document; `-` reads standard input.
    file: String,
    /// Merge the changes that experiments have for this environment.
    #[arg(long)]
    env: Option<String>,
    /// The revision; absent: what `git describe` says, and the time.
    #[arg(long)]
    revision: Option<String>,
    /// Do everything but write.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    kv: KvArguments,
}

/// Put an earlier revision live again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sortition history
  sortition rollback 2026-11-21.2")]
pub(super) struct RollbackArguments {
    /// The revision, as `sortition history` lists it.
    revision: String,
    /// Do everything but write.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    kv: KvArguments,
}

/// Show who put what live, newest first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sortition history
  sortition history --limit 50 --json")]
pub(super) struct HistoryArguments {
    /// How many entries.
    #[arg(long, default_value_t = 10)]
    limit: usize,
    #[command(flatten)]
    kv: KvArguments,
}

/// The document that is live.
pub(super) struct Live {
    pub(super) text: String,
    /// Absent where it has problems, of which the worker refuses it too.
    pub(super) document: Option<Document>,
}

impl Live {
    /// Reads it; `None`: nothing is live.
    pub(super) fn read(kv: &Kv<'_>) -> Result<Option<Self>, Failure> {
        Ok(kv.get("config")?.map(Self::new))
    }

    /// Reads it and another key.
    pub(super) fn read_with(kv: &Kv<'_>, key: &str) -> Result<(Option<Self>, Option<String>), Failure> {
        let mut values = kv.get_all(&["config", key])?.into_iter();
        let live = values.next().flatten().map(Self::new);
        Ok((live, values.next().flatten()))
    }

    /// Of the key's value, without which there is nothing to work on.
    pub(super) fn required(config: Option<String>) -> Result<Self, Failure> {
        config.map(Self::new).ok_or_else(|| Failure::refused("", "nothing is live: `sortition push` first"))
    }

    /// An experiment: its place in the document, and itself.
    pub(super) fn experiment(&self, id: &str) -> Result<(String, Value), Failure> {
        let value = read_value(&self.text)?;
        let experiments = value.get("experiments").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let at = experiments.iter().position(|e| e.get("id").and_then(Value::as_str) == Some(id));
        let found = at.and_then(|at| Some((format!("experiments[{at}]"), experiments.get(at)?.clone())));
        found.ok_or_else(|| {
            Failure::refused("experiments", format!("no live experiment is `{id}`: see `sortition list`"))
        })
    }

    pub(super) fn new(text: String) -> Self {
        Self { document: input::sound(&text).ok().map(|(document, _)| document), text }
    }

    fn revision(&self) -> Option<String> {
        let value: Value = serde_json::from_str(&self.text).ok()?;
        Some(value.get("revision")?.as_str()?.to_owned())
    }
}

/// What is to become live.
pub(super) struct Change {
    /// The new document, as it is written; its `revision` is set here.
    pub(super) text: String,
    /// The revision, where it was given.
    pub(super) revision: Option<String>,
    /// What was pushed under that revision before.
    pub(super) kept: Option<String>,
    /// What is done, for the audit: `push`, `ramp`, `rollback`.
    pub(super) action: &'static str,
    /// For which environment.
    pub(super) env: Option<String>,
    /// Whether anything is written.
    pub(super) dry_run: bool,
}

pub(super) fn push(arguments: &PushArguments) -> Result<Report, Failure> {
    let text = input::read(&arguments.file)?;
    let (_, warnings) = input::sound(&text)?;
    super::complain_in(&text, &warnings);
    let text = match &arguments.env {
        Some(env) => {
            let value = read_value(&text)?;
            let named = value.get("experiments").and_then(Value::as_array).into_iter().flatten();
            let mut named = named.filter_map(|e| e.get("env")).filter_map(Value::as_object).peekable();
            if named.peek().is_some() && !named.any(|patches| patches.contains_key(env)) {
                super::complain_line(&format!("warning: no experiment has changes for the environment `{env}`"));
            }
            line(&merge_env(value, env))
        }
        None => text,
    };
    let (document, _) = input::sound(&text)?;
    let broken: Vec<Problem> =
        policy(&document).all().map(|problem| Problem::error(problem.path, problem.message)).collect();
    if has_errors(&broken) {
        return Err(Failure::Unsound { problems: broken, text });
    }
    let kv = Kv(&arguments.kv);
    let (live, kept) = match &arguments.revision {
        Some(revision) => Live::read_with(&kv, &copy_of(&checked(revision)?))?,
        None => (Live::read(&kv)?, None),
    };
    let change = Change {
        text,
        revision: arguments.revision.clone(),
        kept,
        action: "push",
        env: arguments.env.clone(),
        dry_run: arguments.dry_run,
    };
    put_live(&kv, live.as_ref(), change, &arguments.options)
}

pub(super) fn rollback(arguments: &RollbackArguments) -> Result<Report, Failure> {
    let kv = Kv(&arguments.kv);
    let revision = &arguments.revision;
    let (live, text) = Live::read_with(&kv, &copy_of(&checked(revision)?))?;
    let text = text.ok_or_else(|| {
        Failure::refused("revision", format!("there is no `config:{revision}` in KV: see `sortition history`"))
    })?;
    let (document, _) = input::sound(&text)?;
    // why: a way back must not be barred by what makes it necessary; it is shown and written down
    let comparison = compare(live.as_ref(), &document, &Options::default())?;
    let told = comparison.as_ref().map_or_else(String::new, Comparison::text);
    let from = live.as_ref().and_then(Live::revision);
    if !arguments.dry_run {
        let (key, entry) = audit("rollback", from.as_deref(), revision, None, comparison.as_ref());
        kv.put(&key, &entry)?;
        kv.put("config", &text)?;
        verify(&kv, &text)?;
    }
    Ok(done("rollback", from, revision, arguments.dry_run, told, comparison.as_ref()))
}

pub(super) fn history(arguments: &HistoryArguments) -> Result<Report, Failure> {
    let kv = Kv(&arguments.kv);
    let mut keys = kv.list("audit:")?;
    keys.sort();
    let keys: Vec<&str> = keys.iter().rev().take(arguments.limit).map(String::as_str).collect();
    let mut values = kv.get_all(&[&["kill", KillGuard::KEY], keys.as_slice()].concat())?.into_iter();
    let mut stopped = |name: &str| {
        let value = values.next().flatten();
        value.map(|text| serde_json::from_str(&text).unwrap_or_else(|_| json!({"unreadable": text, "key": name})))
    };
    let (kill, guard) = (stopped("kill"), stopped(KillGuard::KEY));
    let mut text = String::new();
    let by = [("killed by a person", &kill), ("stopped by the worker's guard", &guard)];
    for (by, value) in by.into_iter().filter_map(|(by, value)| Some((by, value.as_ref()?))) {
        text.push_str(&format!("{}  {value}\n", bad(by)));
    }
    let mut entries = Vec::new();
    for value in values {
        let entry: Value = value.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let field = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or("?");
        text.push_str(&format!("{}  {}  {} by {}\n", field("at"), strong(field("to")), field("action"), field("who")));
        for change in entry.get("summary").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            text.push_str(&format!("    {}\n", faint(change)));
        }
        entries.push(entry);
    }
    if entries.is_empty() {
        text.push_str("nothing was pushed yet\n");
    }
    let json = json!({"kill": kill, KillGuard::KEY: guard, "history": entries});
    Ok(Report { text, json, problems: Vec::new() })
}

/// Checks a change, compares it with what is live, and writes it, unless it is refused.
pub(super) fn put_live(kv: &Kv<'_>, live: Option<&Live>, change: Change, options: &Options) -> Result<Report, Failure> {
    let revision = match &change.revision {
        Some(revision) => checked(revision)?,
        None => described(clock::now()),
    };
    let text = edit::set(change.text.trim(), "", "revision", &revision.clone().into())
        .ok_or_else(|| Failure::refused("", "it is no JSON object"))?;
    let (document, _) = input::sound(&text)?;
    let comparison = compare(live, &document, options)?;
    let problems = comparison.as_ref().map(Comparison::problems).unwrap_or_default();
    if has_errors(&problems) {
        return Err(Failure::Refused(problems));
    }
    let from = live.and_then(Live::revision);
    if live.is_some_and(|live| live.document.is_some() && says_the_same(&live.text, &text)) {
        return Ok(unchanged(change.action, from));
    }
    if change.kept.is_some_and(|kept| kept != text) {
        return Err(Failure::refused(
            "revision",
            format!("`{revision}` was pushed before with another content: choose another --revision"),
        ));
    }
    let told = comparison.as_ref().map_or_else(String::new, Comparison::text);
    if !change.dry_run {
        let (key, entry) = audit(change.action, from.as_deref(), &revision, change.env.as_deref(), comparison.as_ref());
        let (plan_key, plan) = plan_of(&text, &document)?;
        kv.put_all(&[(&copy_of(&revision), &text), (&key, &entry), (&plan_key, &plan)])?;
        kv.put("config", &text)?;
        verify(kv, &text)?;
    }
    let mut report = done(change.action, from, &revision, change.dry_run, told, comparison.as_ref());
    if live.is_some_and(|live| live.document.is_none()) {
        report.problems.push(Problem::warning("", "what was live has errors, so nothing was compared with it"));
    }
    Ok(report)
}

/// Whether two documents differ in nothing but their revision.
fn says_the_same(one: &str, other: &str) -> bool {
    let without = |text: &str| {
        let mut value: Value = serde_json::from_str(text).ok()?;
        value.as_object_mut()?.remove("revision");
        Some(value)
    };
    let one = without(one);
    one.is_some() && one == without(other)
}

fn unchanged(action: &str, from: Option<String>) -> Report {
    let revision = from.clone().unwrap_or_else(|| "a document without a revision".to_owned());
    Report {
        text: format!("{}, so nothing was written: {} stays live\n", good("nothing changes"), strong(revision)),
        json: json!({"ok": true, "action": action, "from": from, "revision": from, "written": false, "unchanged": true}),
        problems: Vec::new(),
    }
}

fn compare(live: Option<&Live>, document: &Document, options: &Options) -> Result<Option<Comparison>, Failure> {
    let before = live.and_then(|live| live.document.as_ref());
    before.map(|before| diff::compare(before, document, options)).transpose()
}

fn done(
    action: &str,
    from: Option<String>,
    to: &str,
    dry_run: bool,
    mut text: String,
    comparison: Option<&Comparison>,
) -> Report {
    let before = from.clone().unwrap_or_else(|| "nothing".to_owned());
    let verdict = if dry_run { "would be live" } else { "live" };
    text.push_str(&format!("{} {} (before: {before})\n", good(verdict), strong(to)));
    Report {
        text,
        json: json!({
            "ok": true,
            "action": action,
            "from": from,
            "revision": to,
            "written": !dry_run,
            "diff": comparison.map(Comparison::json),
        }),
        problems: Vec::new(),
    }
}

/// The key and the value of the plan that workers of this build read in place of the document, so that they need not check
/// it again: signed where there is a secret, as they have it then. Others compile the document as before.
fn plan_of(text: &str, document: &Document) -> Result<(String, String), Failure> {
    let content = hash::content(text);
    let key = format!("plan:{content}");
    let plan = input::compiled(document)?.to_bytes(&content);
    let signed =
        |secret: String| hash::signature::sign(secret.as_bytes(), &[b"plan/", content.as_bytes(), b"/", &plan]);
    let tag = input::secret().map_or([0; 32], signed);
    Ok((key, STANDARD.encode([tag.as_slice(), &plan].concat())))
}

/// The key that keeps what was pushed under a revision.
fn copy_of(revision: &str) -> String {
    format!("config:{revision}")
}

fn audit(
    action: &str,
    from: Option<&str>,
    to: &str,
    env: Option<&str>,
    comparison: Option<&Comparison>,
) -> (String, String) {
    let summary = comparison.map(Comparison::summary).unwrap_or_default();
    let experiments = comparison.map(Comparison::experiments).unwrap_or_default();
    let (at, who) = (clock::now(), who());
    let note = Note { at, who: &who, action, from, to, env, summary: &summary, experiments: &experiments };
    note.entry()
}

/// Reads `config` back. KV answers a reader far away from the writer up to a minute late, so it is asked a few times.
fn verify(kv: &Kv<'_>, text: &str) -> Result<(), Failure> {
    for wait_seconds in [0, 2, 8, 30] {
        std::thread::sleep(std::time::Duration::from_secs(wait_seconds));
        if kv.get("config")?.is_some_and(|kept| kept == text) {
            return Ok(());
        }
    }
    Err(Failure::Outside(
        "`config` was written, but another document is read back: somebody else pushes too, or KV is late; see `sortition history`"
            .to_owned(),
    ))
}

pub(super) fn read_value(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::refused("", format!("it is no JSON: {error}")))
}

fn checked(revision: &str) -> Result<String, Failure> {
    let fits = (1..=64).contains(&revision.len())
        && revision.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if fits {
        Ok(revision.to_owned())
    } else {
        Err(Failure::Usage(format!("--revision `{revision}`: use 1 to 64 letters, digits, `.`, `_` and `-`")))
    }
}

/// What `git describe` says, if there is git, and the time: so no two pushes share a revision.
fn described(now: Timestamp) -> String {
    let time: String = now.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    match git(&["describe", "--always", "--dirty", "--tags"]) {
        Some(commit) => {
            let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            format!("{}.{time}", commit.chars().filter(fits).take(40).collect::<String>())
        }
        None => time,
    }
}

pub(super) fn who() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    variable("GITHUB_ACTOR")
        .or_else(|| git(&["config", "user.email"]))
        .or_else(|| variable("USER"))
        .unwrap_or_else(|| "unknown".to_owned())
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
