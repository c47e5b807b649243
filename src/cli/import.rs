//! `sortition import`: another tool's payload → experiments that give every unit the variant that the tool gave it.
//!
//! Each tool is a file beside this one, which reads its payload into [`flag::Flag`]s: variants, and rules of which the
//! first that applies decides. What cannot be exact is refused with its place, and nothing is guessed.

pub(in crate::cli) mod attribute;
mod build;
mod cond;
mod convert;
mod eppo;
mod flag;
mod growthbook;
mod launchdarkly;
mod optimizely;
mod payload;
mod posthog;
mod regex;
mod split;
mod statsig;
mod unleash;
mod vwo;
mod written;

use super::terminal::{bad, good, strong};
use super::{Failure, Report, clock, count, input};
use crate::document::{Problem, Timestamp, check_text};
use attribute::Attributes;
use clap::{Args, ValueEnum};
use flag::{Flag, Refusal};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Bring experiments over from another tool without moving one visitor.
#[derive(Debug, Args)]
#[command(
    after_help = "FILE is the payload that the tool's SDK gets, also the copy that its Cloudflare integration keeps in KV. Every flag has one line: exact, needs (what you must say), or refused (where, why, what to do). With a running flag that cannot come over the exit status is 1 and nothing is written, unless --partial.

Examples:
  sortition import growthbook features.json --into experiments.json
  sortition import launchdarkly all.json --into experiments.json --attributes map.json --only checkout
  sortition import statsig specs.json --into experiments.json --partial --json

The map names our fact for each attribute of the tool, and its type where it is no text:
  {\"id\": \"visitor_id\", \"country\": \"country\", \"age\": {\"fact\": \"cookie.age\", \"type\": \"number\"}}"
)]
pub(super) struct Arguments {
    /// The tool that the payload is of.
    #[arg(value_enum)]
    vendor: Vendor,
    /// The payload; `-` reads standard input.
    file: String,
    /// The document that the experiments are added to; one that does not exist is made.
    #[arg(long, value_name = "DOC")]
    into: String,
    /// The tool's attributes and our facts, as JSON.
    #[arg(long, value_name = "MAP")]
    attributes: Option<String>,
    /// Only the flags with these keys.
    #[arg(long, value_name = "KEY", num_args = 1..)]
    only: Vec<String>,
    /// The time at which schedules are read, such as 2026-12-01T00:00:00Z; absent: now.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Write what comes over, though something does not.
    #[arg(long)]
    partial: bool,
    /// The project of a document that is made.
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
    /// Convert: how your SDK lays out traffic. `packed`: variations one after the other (npm SDK up to 4, and experiences
    /// up to version 11); `anchored`: each at its place.
    #[arg(long, value_enum)]
    layout: Option<Layout>,
    /// Unleash: the seed of variants: 0 for SDKs before autumn 2023, such as Node before 5 and Java before 9.
    #[arg(long, value_name = "SEED", default_value_t = unleash::SEED)]
    variant_seed: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layout {
    Packed,
    Anchored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Vendor {
    Growthbook,
    Launchdarkly,
    Statsig,
    Optimizely,
    Posthog,
    Convert,
    Eppo,
    Unleash,
    Split,
    Vwo,
}

impl Vendor {
    fn word(self) -> &'static str {
        match self {
            Self::Growthbook => "growthbook",
            Self::Launchdarkly => "launchdarkly",
            Self::Statsig => "statsig",
            Self::Optimizely => "optimizely",
            Self::Posthog => "posthog",
            Self::Convert => "convert",
            Self::Eppo => "eppo",
            Self::Unleash => "unleash",
            Self::Split => "split",
            Self::Vwo => "vwo",
        }
    }

    /// The tool's attribute that its units are known by, where the map says nothing of it.
    fn unit(self) -> &'static str {
        match self {
            Self::Growthbook | Self::Eppo => "id",
            Self::Launchdarkly | Self::Split => "key",
            Self::Statsig => "userID",
            Self::Posthog => "distinct_id",
            Self::Optimizely | Self::Unleash | Self::Vwo => "userId",
            Self::Convert => "visitorId",
        }
    }
}

/// A number as the edge would hold it in text.
pub(in crate::cli) fn number_text(number: f64) -> String {
    attribute::number(number).to_string()
}

/// What a reader of payloads may ask.
struct Context {
    attributes: Attributes,
    now: Timestamp,
    layout: Option<Layout>,
    variant_seed: u32,
}

impl Context {
    /// The unit that the tool's main attribute is here.
    fn main_unit(&self, vendor: Vendor) -> Result<&'static str, Refusal> {
        self.unit("", vendor.unit())
    }

    /// The unit that an attribute is here.
    fn unit(&self, path: &str, name: &str) -> Result<&'static str, Refusal> {
        self.attributes.unit(name).ok_or_else(|| match self.attributes.get(name) {
            Some(attribute) => Refusal::new(
                path,
                format!("it assigns by `{name}`, and `{}` is no unit here", attribute.fact),
                "map it to visitor_id, user_id or session_id, or keep the flag with the old tool",
            ),
            None => Refusal::new(
                path,
                format!("it assigns by the attribute `{name}`, which is not mapped to a unit"),
                format!(
                    "map it in --attributes to visitor_id, user_id or session_id, such as {{\"{name}\": \"user_id\"}}"
                ),
            ),
        })
    }

    fn attribute(&self, path: &str, name: &str) -> Result<&attribute::Attribute, Refusal> {
        self.attributes.get(name).ok_or_else(|| Refusal::unmapped(path, name))
    }
}

/// What came of a flag.
struct Outcome {
    key: String,
    path: String,
    refusal: Option<Refusal>,
    note: String,
    experiments: Vec<written::Written>,
}

/// A flag as a reader gives it: what it is, or why it cannot come.
type Read = (String, String, Result<Flag, Refusal>);

pub(super) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let context = context(arguments)?;
    let payload = payload::read(arguments.vendor, &input::read(&arguments.file)?)?;
    let mut read = match arguments.vendor {
        Vendor::Growthbook => growthbook::read(&payload, &context),
        Vendor::Launchdarkly => launchdarkly::read(&payload, &context),
        Vendor::Statsig => statsig::read(&payload, &context),
        Vendor::Optimizely => optimizely::read(&payload, &context),
        Vendor::Posthog => posthog::read(&payload, &context),
        Vendor::Convert => convert::read(&payload, &context),
        Vendor::Eppo => eppo::read(&payload, &context),
        Vendor::Unleash => unleash::read(&payload, &context),
        Vendor::Split => split::read(&payload, &context),
        Vendor::Vwo => vwo::read(&payload, &context),
    };
    if let Some(missing) = arguments.only.iter().find(|key| !read.iter().any(|(known, ..)| known == *key)) {
        return Err(Failure::Usage(format!("the payload has no flag or experiment {missing:?}")));
    }
    if !arguments.only.is_empty() {
        read.retain(|(key, ..)| arguments.only.contains(key));
    }
    let document = Target::open(&arguments.into, arguments.project.as_deref())?;
    let outcomes = settle(read, &context, &document);
    finish(arguments, &document, outcomes)
}

fn context(arguments: &Arguments) -> Result<Context, Failure> {
    let mut attributes = match &arguments.attributes {
        Some(file) => Attributes::parse(&input::read(file)?)
            .map_err(|message| Failure::Usage(format!("the map of attributes {file}: {message}")))?,
        None => Attributes::default(),
    };
    attributes.default_to(arguments.vendor.unit(), "visitor_id");
    let now = match &arguments.at {
        Some(text) => {
            text.parse().map_err(|_| Failure::Usage(format!("--at {text:?} is no time: write 2026-12-01T00:00:00Z")))?
        }
        None => clock::now(),
    };
    Ok(Context { attributes, now, layout: arguments.layout, variant_seed: arguments.variant_seed })
}

/// The document that is added to.
struct Target {
    value: serde_json::Map<String, Value>,
}

impl Target {
    fn open(file: &str, project: Option<&str>) -> Result<Self, Failure> {
        if !std::path::Path::new(file).exists() {
            let project = project.unwrap_or("my-shop");
            let value = serde_json::Map::from_iter([
                ("version".to_owned(), json!(1)),
                ("project".to_owned(), json!(project)),
                ("experiments".to_owned(), json!([])),
            ]);
            return Ok(Self { value });
        }
        let text = input::read(file)?;
        input::sound(&text)?;
        match serde_json::from_str(&text) {
            Ok(Value::Object(value)) => Ok(Self { value }),
            _ => Err(Failure::Usage(format!("`{file}` is no document"))),
        }
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        let experiments = self.value.get("experiments").and_then(Value::as_array);
        experiments.into_iter().flatten().filter_map(|e| e.get("id")?.as_str())
    }

    fn has_key(&self, key: &str) -> bool {
        let experiments = self.value.get("experiments").and_then(Value::as_array);
        experiments
            .into_iter()
            .flatten()
            .any(|e| e.get("key").or_else(|| e.get("id")).and_then(Value::as_str) == Some(key))
    }

    /// The text of the document with these experiments besides.
    fn with(&self, experiments: &[Value]) -> String {
        let mut value = self.value.clone();
        if let Some(list) = value.get_mut("experiments").and_then(Value::as_array_mut) {
            list.extend(experiments.iter().cloned());
        }
        written::pretty(&Value::Object(value))
    }
}

/// Builds the experiments of every flag; a flag whose prerequisite did not come over does not either.
fn settle(read: Vec<Read>, context: &Context, document: &Target) -> Vec<Outcome> {
    let mut names = written::Names::new(document.ids());
    let mut flags: BTreeMap<String, usize> = BTreeMap::new();
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(read.len());
    for (key, path, flag) in read {
        let built = if document.has_key(&key) {
            Err(Refusal::new(
                &path,
                "the document has an experiment of this key already",
                "remove it there to import it again",
            ))
        } else if flags.contains_key(&key) {
            Err(Refusal::new(
                &path,
                "an experiment and a feature have this key",
                "import one of them with --only, or rename one",
            ))
        } else {
            flag.and_then(|flag| Ok((build::build(&flag)?, flag)))
        };
        let mut outcome =
            Outcome { key: key.clone(), path, refusal: None, note: String::new(), experiments: Vec::new() };
        match built {
            Ok((pieces, flag)) => {
                outcome.note.clone_from(&flag.note);
                outcome.experiments = written::experiments(&flag, &pieces, &mut names);
            }
            Err(refusal) => outcome.refusal = Some(refusal),
        }
        flags.entry(key).or_insert(outcomes.len());
        outcomes.push(outcome);
    }
    require(&mut outcomes, &flags);
    sound(&mut outcomes, context);
    outcomes
}

/// Names the experiments and variants that others require.
fn require(outcomes: &mut [Outcome], flags: &BTreeMap<String, usize>) {
    loop {
        let mut refused = Vec::new();
        for (position, outcome) in outcomes.iter().enumerate().filter(|(_, outcome)| outcome.refusal.is_none()) {
            let needs = outcome.experiments.iter().flat_map(|experiment| &experiment.requires);
            for need in needs {
                let parent = flags.get(&need.flag).and_then(|at| outcomes.get(*at));
                let problem = match parent {
                    None => Some("is not in the payload, or not among those of --only"),
                    Some(parent) if parent.refusal.is_some() => Some("cannot come over"),
                    Some(parent)
                        if parent.experiments.iter().filter(|e| e.variant(&need.variant).is_some()).count() != 1 =>
                    {
                        Some("has rules that give that variant in more than one experiment, or in none")
                    }
                    Some(_) => None,
                };
                if let Some(problem) = problem {
                    refused.push((
                        position,
                        Refusal::new(
                            &need.path,
                            format!("its prerequisite `{}` {problem}", need.flag),
                            "bring the prerequisite over first, or end it in the old tool",
                        ),
                    ));
                    break;
                }
            }
        }
        if refused.is_empty() {
            break;
        }
        for (position, refusal) in refused {
            if let Some(outcome) = outcomes.get_mut(position) {
                outcome.refusal = Some(refusal);
            }
        }
    }
    let known: BTreeMap<(String, String), (String, String)> = outcomes
        .iter()
        .filter(|outcome| outcome.refusal.is_none())
        .flat_map(|outcome| {
            outcome.experiments.iter().flat_map(move |e| {
                e.variants.iter().map(move |(key, id)| ((outcome.key.clone(), key.clone()), (e.id.clone(), id.clone())))
            })
        })
        .collect();
    for experiment in outcomes.iter_mut().flat_map(|outcome| &mut outcome.experiments) {
        let required: Vec<Value> = experiment
            .requires
            .iter()
            .filter_map(|need| known.get(&(need.flag.clone(), need.variant.clone())))
            .map(|(id, variant)| json!({"experiment": id, "variant": variant}))
            .collect();
        if !required.is_empty() {
            experiment.value.insert("requires".to_owned(), Value::Array(required));
        }
    }
}

/// Refuses a flag of which the document's own checks refuse something, with what they say.
fn sound(outcomes: &mut [Outcome], context: &Context) {
    for outcome in outcomes.iter_mut().filter(|outcome| outcome.refusal.is_none()) {
        let alone: Vec<Value> = outcome
            .experiments
            .iter()
            .map(|experiment| {
                let mut value = experiment.value.clone();
                // why: what it requires is checked with the whole
                value.remove("requires");
                Value::Object(value)
            })
            .collect();
        let document = json!({"version": 1, "project": "import", "experiments": alone});
        let checked = check_text(&document.to_string(), context.now);
        let problem = checked.problems.into_iter().find(|problem| problem.severity == crate::document::Severity::Error);
        if let Some(Problem { path, message, .. }) = problem {
            let place = path.split_once('.').map_or(path.as_str(), |(_, field)| field);
            outcome.refusal = Some(Refusal::new(
                &outcome.path,
                format!("a document cannot hold it: {place}: {message}"),
                "change it in the old tool, or write it by hand",
            ));
        }
    }
}

fn finish(arguments: &Arguments, document: &Target, outcomes: Vec<Outcome>) -> Result<Report, Failure> {
    let mut report = Report::default();
    let (mut exact, mut needs, mut refused) = (0, 0, 0);
    let mut flags = Vec::new();
    for outcome in &outcomes {
        let key = strong(&outcome.key);
        let (result, path, reason, todo) = match &outcome.refusal {
            None => ("exact", outcome.path.as_str(), "", outcome.note.as_str()),
            Some(refusal) if refusal.asks => {
                ("needs", refusal.path.as_str(), refusal.reason.as_str(), refusal.todo.as_str())
            }
            Some(refusal) => ("refused", refusal.path.as_str(), refusal.reason.as_str(), refusal.todo.as_str()),
        };
        let path = if path.is_empty() { outcome.path.as_str() } else { path };
        match result {
            "exact" => {
                exact += 1;
                let ids: Vec<&str> = outcome.experiments.iter().map(|e| e.id.as_str()).collect();
                let note = if todo.is_empty() { String::new() } else { format!(" ({todo})") };
                report.text.push_str(&format!("{} {key} → {}{note}\n", good("exact"), ids.join(", ")));
            }
            "needs" => {
                needs += 1;
                report.text.push_str(&format!("{} {key} {path}: {reason}: {todo}\n", strong("needs you")));
            }
            _ => {
                refused += 1;
                report.text.push_str(&format!("{} {key} {path}: {reason}: {todo}\n", bad("refused")));
            }
        }
        flags.push(json!({"key": outcome.key, "result": result, "path": path, "reason": reason, "todo": todo}));
    }
    let experiments: Vec<Value> = outcomes
        .into_iter()
        .filter(|outcome| outcome.refusal.is_none())
        .flat_map(|outcome| outcome.experiments)
        .map(|experiment| Value::Object(experiment.value))
        .collect();
    let blocked = needs + refused > 0 && !arguments.partial;
    let text = document.with(&experiments);
    if text.len() > crate::document::MAX_BYTES {
        return Err(Failure::Usage(format!(
            "the document would have {} bytes, of {} at most: import fewer flags with --only",
            text.len(),
            crate::document::MAX_BYTES
        )));
    }
    if !blocked {
        // why: what is written is what the worker would take, or nothing is
        input::sound(&text)?;
        std::fs::write(&arguments.into, &text)
            .map_err(|error| Failure::Outside(format!("`{}` cannot be written: {error}", arguments.into)))?;
    }
    let wrote = if blocked {
        "nothing was written".to_owned()
    } else {
        format!("{} in {}", count(experiments.len(), "experiment"), arguments.into)
    };
    report.text.push_str(&format!("{exact} exact, {needs} need you, {refused} refused: {wrote}\n"));
    report.json = json!({
        "ok": !blocked, "vendor": arguments.vendor.word(), "flags": flags,
        "exact": exact, "needs": needs, "refused": refused, "written": !blocked,
    });
    if blocked {
        report.problems.push(Problem::error(
            "import",
            format!("{} cannot come over, so nothing was written: see above, leave them out with --only, or take the rest with --partial", count(needs + refused, "flag")),
        ));
    }
    Ok(report)
}
