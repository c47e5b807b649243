//! `sortition explain`: one visitor, one request: each experiment with its reason, and what the worker would do.

mod shown;
mod tree;

use super::address::normal_url;
use super::request::{Given, RequestArguments};
use super::{Failure, Report, input};
use crate::decide::{Decision, Reason};
use crate::events::HOLDOUT;
use crate::execution::{Answer, Besides, ExposedTo, Intent};
use crate::facts::Request;
use crate::plan::{Kill, MeasuredHoldout, Plan};
use crate::url::Url;
use crate::visit::{self, Lane, Visit, World};
use crate::visitor::crawler::Crawlers;
use crate::visitor::preview;
use clap::Args;

/// Show what happens to one visitor on one request, and why.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sortition explain experiments.json --url https://shop.example/
  sortition explain experiments.json --url https://shop.example/p/1 --visitor visitor-0001
  sortition explain experiments.json --url https://shop.example/ --header 'User-Agent: Googlebot/2.1'
  sortition explain experiments.json --url https://shop.example/ --cf country=US --at 2026-12-01T00:00:00Z
  sortition explain experiments.json --url https://shop.example/ --cookie 'sortition_as=1~hero.1.bold.gu2'")]
pub(super) struct Arguments {
    /// The document; `-` reads standard input.
    file: String,
    /// The URL that is asked for.
    #[arg(long)]
    url: String,
    /// The visitor id; absent: a new visitor with a random one.
    #[arg(long)]
    visitor: Option<String>,
    /// The shop's user id, sent where the document says that it stands.
    #[arg(long)]
    user: Option<String>,
    /// The value of the KV key `kill`, such as '{"all": true}'.
    #[arg(long, value_name = "JSON")]
    kill: Option<String>,
    #[command(flatten)]
    request: RequestArguments,
}

/// What is explained.
struct Explained<'a> {
    plan: &'a Plan,
    request: &'a Request<'a, Given>,
    lane: Lane,
    visit: Visit<&'a Plan>,
    /// One for each experiment of the document.
    decisions: Vec<Decision>,
    /// What would be decided for the same person without a past.
    anew: Vec<Decision>,
    /// What experiments in shadow mode decide.
    compared: Vec<Decision>,
    now: i64,
}

pub(super) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let text = input::read(&arguments.file)?;
    let (document, problems) = input::sound(&text)?;
    let mut plan = input::compiled(&document)?;
    if let Some(kill) = &arguments.kill {
        plan.apply(&Kill::parse(kill).map_err(|error| Failure::Usage(error.to_string()))?);
    }
    let now = arguments.request.time()?.millis();
    let (method, url) = (arguments.request.method()?, normal_url(&arguments.url)?);
    let mut source = arguments.request.source()?.checked(&text)?;
    if let Some(visitor) = &arguments.visitor {
        source.set_visitor(&document, visitor)?;
    }
    if let Some(user) = &arguments.user {
        source.set_user(&document, user)?;
    }
    let crawlers = Crawlers::new(&plan.crawler_also, &plan.crawler_except);
    let request = Request::new(&method, Url::split(&url), &source, &crawlers);
    let secret = input::secret();
    let secret = secret.as_deref().map(str::as_bytes);
    let explained = explain(&plan, &request, secret, now)?;
    // why: what becomes of the answer depends on the answer; a page is what people ask about
    let answer = Answer { status: 200, content_type: Some("text/html; charset=utf-8"), ..Answer::default() };
    let done = shown::Done { finish: explained.visit.finish(&answer) };
    // why: warnings are for `check`; here they would hide the answer
    drop(problems);
    Ok(Report { text: tree::text(&explained, &done), json: shown::json(&explained, &done), problems: Vec::new() })
}

/// The worker's own way, with whatever people want to know about it.
fn explain<'a>(
    plan: &'a Plan,
    request: &'a Request<'a, Given>,
    secret: Option<&[u8]>,
    now: i64,
) -> Result<Explained<'a>, Failure> {
    let lane = match visit::lane(Some(plan), request.method, &request.url, now) {
        Lane::Previewable if request.cookie(preview::NAME).is_some() => Lane::Page,
        Lane::Previewable => Lane::Untouched,
        lane => lane,
    };
    let mut entropy_failed = None;
    let entropy = || {
        let mut bytes = [0; 16];
        entropy_failed = getrandom::fill(&mut bytes).err().or(entropy_failed.take());
        bytes
    };
    let visit = Visit::begin(plan, request, World { now, secret, ..World::default() }, entropy);
    if let Some(error) = entropy_failed {
        return Err(Failure::Outside(format!("the system gives no random numbers: {error}; name a --visitor")));
    }
    let decisions = visit.every_decision(request);
    let anew = visit.decisions_anew(request);
    let compared = visit.decisions_compared(request);
    Ok(Explained { plan, request, lane, visit, decisions, anew, compared, now })
}

impl Explained<'_> {
    /// What would be decided for an experiment of which the person keeps a variant, had they none.
    fn anew(&self, decision: &Decision) -> Option<&Decision> {
        let kept = decision.reason == Reason::Sticky;
        self.anew.iter().find(|anew| kept && anew.experiment == decision.experiment)
    }

    /// What a shadow decides, of which nothing comes.
    fn compared(&self, decision: &Decision) -> Option<&Decision> {
        self.compared.iter().find(|compared| compared.experiment == decision.experiment)
    }

    /// Experiment and variant of exposures beside those of the page's decisions, such as the one that measures a holdout.
    fn besides(&self, besides: &[Besides]) -> Vec<(&str, &str)> {
        let named = |besides: &Besides| match besides.to {
            ExposedTo::Variant(experiment, variant) => {
                let e = self.plan.experiments.get(experiment)?;
                Some((&*e.id, &*e.variants.get(variant)?.id))
            }
            ExposedTo::Holdout(group) => Some((HOLDOUT, *MeasuredHoldout::GROUPS.get(group)?)),
        };
        besides.iter().filter_map(named).collect()
    }

    /// What was decided, and for whom.
    fn intent(&self) -> &Intent {
        self.visit.intent()
    }
}
