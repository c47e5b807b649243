//! `sortition simulate`: many visitors through the real engine: shares with the sample-ratio test, overlap, layers,
//! holdout as they came out.

mod tally;
mod report;

use super::address::normal_url;
use super::crowd::{Crowd, survey};
use super::request::RequestArguments;
use super::terminal::Progress;
use super::{Failure, Report, input, quantity};
use crate::document::Status;
use clap::Args;
use tally::{Stage, Tally};

/// Send many visitors through the engine and test the split.
#[derive(Debug, Args)]
#[command(
    after_help = "Without --url each experiment is decided as on a page of its own, so that conflicts, which need a common page, do not show. Visitors are new, and logged in under their visitor id where the unit is a user.

Examples:
  sortition simulate experiments.json
  sortition simulate experiments.json --visitors 1000000 --url https://shop.example/checkout
  sortition simulate experiments.json --ids visitors.csv --json
  cut -f1 visits.tsv | sortition simulate experiments.json --ids -
  sortition simulate experiments.json --assume-running     drafts too, as if they ran"
)]
pub(super) struct Arguments {
    /// The document.
    file: String,
    /// How many synthetic visitors.
    #[arg(long, default_value = "100000", value_parser = quantity::count)]
    visitors: u64,
    /// Other synthetic visitors; the same seed gives the same ones.
    #[arg(long, default_value = "1", value_parser = quantity::count)]
    seed: u64,
    /// Visitor ids in place of synthetic ones: a file with one a line, or a CSV file, whose column `visitor_id`, `anonymous_id`, `visitor` or `id` is taken, else the first; `-` reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["visitors", "seed"])]
    ids: Option<String>,
    /// The page that all of them ask for; absent: each experiment on its own.
    #[arg(long)]
    url: Option<String>,
    /// Take every experiment as running, whatever its status and dates.
    #[arg(long)]
    assume_running: bool,
    #[command(flatten)]
    request: RequestArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let (mut document, _) = input::sound(&input::read(&arguments.file)?)?;
    if arguments.assume_running {
        for experiment in &mut document.experiments {
            experiment.status = Status::Running;
            experiment.starts_at = None;
            experiment.ends_at = None;
        }
    }
    let plan = input::compiled(&document)?;
    let crowd = match &arguments.ids {
        Some(file) => Crowd::read(file)?,
        None => Crowd::Synthetic { visitors: arguments.visitors, seed: arguments.seed },
    };
    if crowd.len() == 0 {
        return Err(Failure::Usage("there is nobody to simulate: give --visitors, or ids".to_owned()));
    }
    let url = arguments.url.as_deref().map(normal_url).transpose()?;
    let stage = Stage {
        plan: &plan,
        source: arguments.request.source()?,
        method: arguments.request.method()?,
        together: url.is_some(),
        url: url.unwrap_or_else(|| "https://simulated.invalid/".to_owned()),
        now: arguments.request.time()?.millis(),
    };
    let progress = Progress::new(crowd.len());
    let step = |tally: &mut Tally, id: &str| tally.add(&stage, id);
    let tally = survey(&crowd, step, Tally::merge, |done| progress.draw(done))?;
    progress.clear();
    Ok(report::report(&document, &stage, &tally, crowd.len()))
}
