//! `sortition diff`: what changes between two documents, in words, and for how many visitors.

mod fold;
pub(super) mod impact;

use super::crowd::Crowd;
use super::terminal::{bad, faint, good, strong, table};
use super::{Failure, Report, clock, count, has_errors, input, quantity};
use crate::changes::{self, Change, Danger};
use crate::document::{Document, Problem, merge_env};
use clap::Args;
use impact::Impact;
use serde_json::{Value, json};

/// Say what changes between two documents, and for how many visitors.
#[derive(Debug, Args)]
#[command(
    after_help = "What would give visitors of a running experiment another variant is refused, unless --allow names it.

Examples:
  sortition diff live.json experiments.json
  sortition diff live.json experiments.json --allow iteration
  sortition diff live.json experiments.json --env production
  git show main:experiments.json | sortition diff - experiments.json"
)]
pub(super) struct Arguments {
    /// The document before; `-` reads standard input.
    old: String,
    /// The document after.
    new: String,
    /// Compare what they are in this environment, as `push --env` makes them.
    #[arg(long)]
    env: Option<String>,
    #[command(flatten)]
    options: Options,
}

/// How a comparison is made.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// A dangerous change that is meant; may be repeated.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(super) allow: Vec<Danger>,
    /// How many visitors the impact is measured on.
    #[arg(long, default_value = "20000", value_parser = quantity::count)]
    pub(super) visitors: u64,
    /// Show every change, however many there are.
    #[arg(long)]
    pub(super) full: bool,
}

impl Default for Options {
    /// Nothing dangerous is allowed.
    fn default() -> Self {
        Self { allow: Vec::new(), visitors: 20_000, full: false }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    if arguments.old == "-" && arguments.new == "-" {
        return Err(Failure::Usage("only one of the two can be standard input".to_owned()));
    }
    // why: the old document is what it is; only one that cannot be compiled stands in the way
    let read = |file: &str| {
        let text = input::read(file)?;
        let (document, _) = input::sound(&text)?;
        match (&arguments.env, serde_json::from_str(&text)) {
            (Some(env), Ok(value)) => Ok(input::sound(&merge_env(value, env).to_string())?.0),
            _ => Ok(document),
        }
    };
    let (old, new) = (read(&arguments.old)?, read(&arguments.new)?);
    Ok(compare(&old, &new, &arguments.options)?.report())
}

/// A comparison of two documents.
pub(super) struct Comparison {
    pub(super) changes: Vec<Change>,
    pub(super) impacts: Vec<Impact>,
    allowed: Vec<Danger>,
    full: bool,
}

pub(super) fn compare(old: &Document, new: &Document, options: &Options) -> Result<Comparison, Failure> {
    let changes = changes::changes(old, new, clock::now());
    let crowd = Crowd::Synthetic { visitors: options.visitors.max(1), seed: 1 };
    let impacts = impact::impacts(old, new, &crowd, clock::now().millis())?;
    Ok(Comparison { changes, impacts, allowed: options.allow.clone(), full: options.full })
}

impl Comparison {
    /// The dangerous changes that were not allowed, as errors.
    pub(super) fn problems(&self) -> Vec<Problem> {
        self.changes
            .iter()
            .filter_map(|change| {
                let danger = change.danger.filter(|danger| !self.allowed.contains(danger))?;
                Some(Problem::error(
                    change.path.clone(),
                    format!("{}: {}; if that is meant, --allow {danger}", change.words, danger.consequence()),
                ))
            })
            .collect()
    }

    /// One line a change.
    pub(super) fn summary(&self) -> Vec<String> {
        self.changes.iter().map(|change| format!("{}: {}", change.path, change.words)).collect()
    }

    /// Which experiments changes are about; none where one is about the whole document.
    pub(super) fn experiments(&self) -> Vec<String> {
        changes::experiments_of(&self.changes)
    }

    /// The comparison for people.
    pub(super) fn text(&self) -> String {
        if self.changes.is_empty() {
            return format!("{}\n", good("nothing changes"));
        }
        let mut text = if self.full || self.changes.len() <= fold::MOST {
            self.changes.iter().map(|change| self.line(change)).collect()
        } else {
            fold::folded(&self.changes, |change| self.line(change))
        };
        if !self.impacts.is_empty() {
            let shown = if self.full { self.impacts.len() } else { fold::MOST };
            let head = ["experiment", "in before", "in after", "change variant", "leave", "enter"];
            let mut rows = vec![head.iter().map(ToString::to_string).collect::<Vec<_>>()];
            rows.extend(self.impacts.iter().take(shown).map(|impact| {
                vec![
                    impact.experiment.clone(),
                    percent(impact.share_before()),
                    percent(impact.share_after()),
                    percent(impact.share_changed()),
                    percent(impact.share_left()),
                    percent(impact.share_entered()),
                ]
            }));
            text.push_str(&format!(
                "\nof {} simulated visitors; change and leave: of those in it before\n{}",
                self.impacts.first().map_or(0, |impact| impact.visitors),
                table(&rows)
            ));
            if self.impacts.len() > shown {
                let more = count(self.impacts.len() - shown, "experiment");
                text.push_str(&format!("  {}\n", faint(format!("and {more} more: --full shows all"))));
            }
        }
        text
    }

    /// A change on a line.
    fn line(&self, change: &Change) -> String {
        let mark = match change.danger {
            Some(danger) if self.allowed.contains(&danger) => faint(format!("  allowed: {danger}")),
            Some(danger) => format!("  {}", bad(danger)),
            None => String::new(),
        };
        format!("{}  {}{mark}\n", strong(&change.path), change.words)
    }

    /// The comparison for scripts.
    pub(super) fn json(&self) -> Value {
        let changes: Vec<Value> = self
            .changes
            .iter()
            .map(|change| {
                json!({
                    "path": change.path,
                    "experiment": change.experiment,
                    "change": change.words,
                    "danger": change.danger.map(|danger| danger.to_string()),
                    "allowed": change.danger.is_none_or(|danger| self.allowed.contains(&danger)),
                })
            })
            .collect();
        let impacts: Vec<Value> = self
            .impacts
            .iter()
            .map(|impact| {
                json!({
                    "experiment": impact.experiment,
                    "visitors": impact.visitors,
                    "in_before_percent": impact.share_before() * 100.0,
                    "in_after_percent": impact.share_after() * 100.0,
                    "changed_percent": impact.share_changed() * 100.0,
                    "left_percent": impact.share_left() * 100.0,
                    "entered_percent": impact.share_entered() * 100.0,
                })
            })
            .collect();
        json!({"ok": !has_errors(&self.problems()), "changes": changes, "impact": impacts})
    }

    fn report(&self) -> Report {
        let mut text = self.text();
        if !self.changes.is_empty() {
            let refused = self.problems().len();
            let verdict = if refused == 0 { good("fine") } else { bad(format!("{refused} refused")) };
            text.push_str(&format!("\n{}, {verdict}\n", count(self.changes.len(), "change")));
        }
        Report { text, json: self.json(), problems: self.problems() }
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}
