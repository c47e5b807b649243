//! `sortition import`: another tool's payload → experiments that give every unit the variant that the tool gave it.
//!
//! Each tool is a file beside this one, which reads its payload into [`flag::Flag`]s: variants, and rules of which the
//! first that applies decides. What cannot be exact is refused with its place, and nothing is guessed.

pub(in crate::cli) mod attribute;
mod build;
pub mod cond;
mod context;
mod convert;
mod eppo;
mod flag;
mod growthbook;
mod launchdarkly;
mod optimizely;
mod payload;
mod posthog;
pub mod regex;
mod report;
mod settle;
mod split;
mod statsig;
mod target;
mod unleash;
mod vwo;
mod written;

use super::{Failure, Report, input};
use clap::{Args, ValueEnum};
use context::Context;
use flag::{Flag, Refusal};
use target::Target;

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

/// A flag as a reader gives it: what it is, or why it cannot come.
type Read = (String, String, Result<Flag, Refusal>);

pub(super) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let context = Context::new(arguments)?;
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
    let outcomes = settle::settle(read, &context, &document);
    report::finish(arguments, &document, outcomes)
}
