//! `sortition rehearse`: the rollback drill on a local worker under load. Visitors come all the time, the experiment is
//! killed, everybody gets the control, the kill is ended, everybody has the variant of before; and how long each took.

mod drill;
mod load;
mod stage;

use super::kv::KvArguments;
use super::request::{Given, RequestArguments};
use super::{Failure, Report, input};
use crate::document::{Document, Experiment, Page, PageMatch, Status, UnitKind};
use crate::url::Url;
use clap::Args;
use load::Target;

/// How many different visitors come.
pub(super) const VISITORS: u64 = 64;

/// Practise the kill switch on a local worker under load.
#[derive(Debug, Args)]
#[command(
    after_help = "It starts the worker that `npm run build` built, with a KV, a port and an origin of its own, sends visitors to a page of the experiment, kills the experiment, waits until nobody gets it, ends the kill, and waits until everybody has the variant of before. Whatever it started, it ends. With --url it works on a worker that runs already, such as that of `npm start`, and on its local KV.

Examples:
  sortition rehearse experiments.json hero
  sortition rehearse experiments.json hero --page /p/tent --header 'Accept-Language: de' --assume-running
  sortition rehearse experiments.json hero --ttl 30 --json
  sortition rehearse fixtures/demo/experiments.json hero --url http://127.0.0.1:8787"
)]
pub(super) struct Arguments {
    /// The document; `-` reads standard input.
    file: String,
    /// The experiment.
    experiment: String,
    /// A worker that runs on this machine already, in place of one that is started. Its document stays as it is.
    #[arg(long)]
    url: Option<String>,
    /// The page that visitors ask for; absent: one that the experiment's `pages` name.
    #[arg(long, value_name = "PATH")]
    page: Option<String>,
    /// A request header, `Name: value`, for experiments with an audience; may be repeated.
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Take the experiment as running, whatever its status and dates; only without --url.
    #[arg(long, conflicts_with = "url")]
    assume_running: bool,
    /// CONFIG_TTL_SECONDS of the worker that is started.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, conflicts_with = "url")]
    ttl: u32,
    /// Requests a second.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,
    /// Where the running worker keeps its local KV, if not in wrangler's usual place.
    #[arg(long, value_name = "DIRECTORY", requires = "url")]
    persist_to: Option<std::path::PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let text = input::read(&arguments.file)?;
    let (mut document, _) = input::sound(&text)?;
    let id = arguments.experiment.as_str();
    let Some(experiment) = document.experiments.iter_mut().find(|e| e.id.as_str() == id) else {
        let ids: Vec<&str> = document.experiments.iter().map(|e| e.id.as_str()).collect();
        return Err(Failure::Usage(format!("there is no experiment `{id}`: the document has {}", ids.join(", "))));
    };
    if arguments.assume_running {
        experiment.status = Status::Running;
        experiment.starts_at = None;
        experiment.ends_at = None;
    } else if experiment.status != Status::Running {
        return Err(Failure::Usage(format!("`{id}` does not run: add --assume-running to rehearse it all the same")));
    }
    let experiment = experiment.clone();
    let path = page(&document, &experiment, arguments.page.as_deref())?;
    let visitors = visitors(&document, &experiment, &arguments.headers)?;
    if let Some(url) = &arguments.url {
        let address = loopback(url)?;
        if !document.headers.to_client {
            return Err(Failure::Usage(
                "the document tells the client no variants (headers.to_client): rehearse without --url".to_owned(),
            ));
        }
        let kv = KvArguments::local(arguments.persist_to.clone());
        let target = Target { address, path, experiment: id.to_owned(), visitors, rate: arguments.rate };
        return drill::run(target, &kv);
    }
    // why: what visitors get is read off the answers
    document.headers.to_client = true;
    let stage = stage::Stage::start(&document, arguments.ttl)?;
    let target =
        Target { address: stage.address.clone(), path, experiment: id.to_owned(), visitors, rate: arguments.rate };
    let report = drill::run(target, &stage.kv());
    stage.end();
    report
}

/// A path that the experiment is on.
fn page(document: &Document, experiment: &Experiment, given: Option<&str>) -> Result<String, Failure> {
    let plan = input::compiled(document)?;
    let is_on = |path: &str| {
        let url = format!("http://127.0.0.1{path}");
        let on_page = plan.on_page("GET", &Url::split(&url));
        on_page.iter().any(|&index| plan.experiments.get(index).is_some_and(|e| *e.id == *experiment.id.as_str()))
    };
    let id = &experiment.id;
    if let Some(path) = given {
        return if path.starts_with('/') && !path.contains(char::is_whitespace) && is_on(path) {
            Ok(path.to_owned())
        } else {
            Err(Failure::Usage(format!("`{id}` is not on --page `{path}`: name a path of its `pages`")))
        };
    }
    let candidates = experiment.pages.iter().map(|page| match page {
        Page::Glob(glob) => glob.replace(['*', '?'], "x"),
        Page::Rule(PageMatch { exact: Some(path), .. } | PageMatch { prefix: Some(path), .. }) => path.clone(),
        Page::Rule(PageMatch { glob: Some(glob), .. }) => glob.replace(['*', '?'], "x"),
        Page::Rule(PageMatch { suffix: Some(text), .. } | PageMatch { contains: Some(text), .. }) => format!("/{text}"),
        Page::Rule(_) => String::new(),
    });
    candidates.chain(["/".to_owned()]).find(|path| path.starts_with('/') && is_on(path)).ok_or_else(|| {
        Failure::Usage(format!("no page of `{id}` could be guessed: name one with --page, such as --page /p/tent"))
    })
}

/// The request lines of every visitor.
fn visitors(
    document: &Document,
    experiment: &Experiment,
    headers: &[String],
) -> Result<Vec<Vec<(String, String)>>, Failure> {
    let crowd = super::crowd::Crowd::Synthetic { visitors: VISITORS, seed: 1 };
    let line_of = |number: u64| {
        let id = crowd.id(number);
        let mut given = Given::default();
        given.set_visitor(document, &id)?;
        given.add("cookie", &format!("{}={id}", crate::visitor::SESSION_COOKIE));
        if experiment.unit == UnitKind::User {
            given.set_user(document, &id)?;
        }
        for header in headers {
            given.add_line(header)?;
        }
        if !given.has("user-agent") {
            given.add("user-agent", RequestArguments::USER_AGENT);
        }
        Ok(given.lines())
    };
    (0..VISITORS).map(line_of).collect()
}

/// Host and port of a worker on this machine. Load belongs on no other.
fn loopback(url: &str) -> Result<String, Failure> {
    let url = super::address::normal_url(url)?;
    let url = Url::split(&url);
    if url.scheme != "http" || !url.is_loopback() {
        return Err(Failure::Usage(format!(
            "--url {}: a rehearsal puts load on a worker and kills an experiment, so it must be one on this machine, such as http://127.0.0.1:8787",
            url.whole
        )));
    }
    Ok(if url.host == url.host_name() { format!("{}:80", url.host) } else { url.host.to_owned() })
}
