//! `sortition events`: the record and the archive in operation.

mod compact;
mod discard;
mod forget;
mod replay;

use super::kv::KvArguments;
use super::{Failure, Report};
use clap::{Args, Subcommand};

/// The record (D1) and the archive (R2) in operation.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sortition events replay --dry-run
  sortition events compact
  sortition events forget user-4711
  sortition events drop hero 1 --export hero-1.ndjson")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Bring dead letters and what the queue refused into the archive and the record.
    Replay(ReplayArguments),
    /// Turn the archive's days into Parquet tables.
    Compact(CompactArguments),
    /// Delete a person from the record and the archive.
    Forget(ForgetArguments),
    /// Export an old iteration of an experiment to a file and drop it from the record.
    Drop(DropArguments),
}

/// Bring dead letters and what the queue refused into the archive and the record.
#[derive(Debug, Args)]
#[command(
    after_help = "Messages that this version cannot read stay where they are, each with its reason. What was recorded
before is recorded once all the same.

Examples:
  sortition events replay --dry-run
  sortition events replay"
)]
struct ReplayArguments {
    /// Say what there is, and write nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: KvArguments,
}

/// Turn the archive's days into Parquet tables.
#[derive(Debug, Args)]
#[command(after_help = "Each whole day becomes a file a type under tables/, without exact duplicates and in order, and
tables/manifest.json says what is in it. It may be repeated and interrupted: the manifest is written last, and late objects
of a day make its files anew. Readouts read what is compacted, and the objects that are not.

Examples:
  sortition events compact
  sortition events compact --in archive --until 2026-11-21")]
struct CompactArguments {
    /// A folder that holds the archive, in place of the bucket.
    #[arg(long = "in", value_name = "FOLDER")]
    folder: Option<std::path::PathBuf>,
    /// Only days before this one; default today, in UTC.
    #[arg(long, value_name = "DAY")]
    until: Option<String>,
    /// Remove the objects that were compacted.
    #[arg(long)]
    remove: bool,
    #[command(flatten)]
    place: KvArguments,
}

/// Delete a person from the record and the archive.
#[derive(Debug, Args)]
#[command(
    after_help = "A user is forgotten with all visitor ids that were identified as them, a visitor with their user. The archive is
read whole, and objects that name the person are written anew without those lines. A message that is still in the queue,
or a new visit, brings data back: run it again a few days later, and have the cookie deleted.

Examples:
  sortition events forget user-4711 --dry-run
  sortition events forget 7c1f8a52-8a0e-4b6c-9d3e-1f2a3b4c5d6e"
)]
struct ForgetArguments {
    /// A visitor id or the shop's user id.
    unit: String,
    /// Forget this one id, and not whom it was identified with.
    #[arg(long)]
    only: bool,
    /// The project, where several share the record.
    #[arg(long)]
    project: Option<String>,
    /// Say what there is, and write nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: KvArguments,
}

/// Export an old iteration of an experiment to a file and drop it from the record.
#[derive(Debug, Args)]
#[command(
    after_help = "Exposures, the variants that units met, and the origin's health go; outcomes and identities belong to no
experiment and stay. The archive is left alone. An iteration that is live is refused.

Examples:
  sortition events drop hero 1 --export hero-1.ndjson"
)]
struct DropArguments {
    /// The experiment's id.
    experiment: String,
    /// Its iteration.
    #[arg(value_parser = crate::cli::quantity::iteration)]
    iteration: u32,
    /// Where the rows go, as JSON lines that name their table; a new file.
    #[arg(long, value_name = "FILE")]
    export: std::path::PathBuf,
    /// The project, where several share the record.
    #[arg(long)]
    project: Option<String>,
    #[command(flatten)]
    place: KvArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    match &arguments.action {
        Action::Replay(arguments) => replay::run(arguments),
        Action::Compact(arguments) => compact::run(arguments),
        Action::Forget(arguments) => forget::run(arguments),
        Action::Drop(arguments) => discard::run(arguments),
    }
}
