//! `sortition explain`: one visitor, one request: each experiment with its reason, and what the worker would do.

mod shown;
mod tree;

use super::address::normal_url;
use super::request::{Given, RequestArguments};
use super::{Failure, Report, input};
use crate::arrive::{Arrival, PreviewRequest, arrive, preview as preview_of};
use crate::decide::{Asker, Decision, Reason, decide};
use crate::document::Preview;
use crate::execution::{Answer, Intent};
use crate::facts::{Facts, Identity, Request};
use crate::plan::{Kill, Plan, Presence};
use crate::url::Url;
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

/// Which way the request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// Nothing applies: the origin's answer, byte for byte.
    Untouched,
    /// One of the worker's own endpoints.
    Endpoint,
    /// Something applies.
    Page,
}

/// What is explained.
struct Explained<'a> {
    plan: &'a Plan,
    request: &'a Request<'a, Given>,
    lane: Lane,
    intent: Intent,
    /// One for each experiment of the document.
    decisions: Vec<Decision>,
    now: i64,
}

pub(super) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let text = input::read(&arguments.file)?;
    let (document, problems) = input::sound(&text)?;
    let mut plan = input::compiled(&document)?;
    if let Some(kill) = &arguments.kill {
        plan.apply(&Kill::parse(kill).map_err(Failure::Usage)?);
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
    let reply = explained.intent.reply(&plan, &answer, secret);
    let early = explained.intent.early(&plan, secret);
    let done = shown::Done { reply, early };
    // why: warnings are for `check`; here they would hide the answer
    drop(problems);
    Ok(Report { text: tree::text(&explained, &done), json: shown::json(&explained, &done), problems: Vec::new() })
}

/// The steps of the worker's page request, in its order.
fn explain<'a>(
    plan: &'a Plan,
    request: &'a Request<'a, Given>,
    secret: Option<&[u8]>,
    now: i64,
) -> Result<Explained<'a>, Failure> {
    let on_page = plan.on_page(request.method, &request.url);
    let lane = lane(plan, request, now);
    let mut entropy_failed = None;
    let entropy = || {
        let mut bytes = [0; 16];
        entropy_failed = getrandom::fill(&mut bytes).err().or(entropy_failed.take());
        bytes
    };
    let arrival = arrive(plan, &on_page, request, secret, entropy);
    if let Some(error) = entropy_failed {
        return Err(Failure::Outside(format!("the system gives no random numbers: {error}; name a --visitor")));
    }
    let preview = match arrival {
        Arrival::Crawler => PreviewRequest::None,
        _ => preview_of(plan, request, secret, now),
    };
    let mut acting = on_page.clone();
    if !matches!(preview, PreviewRequest::Active(_)) {
        acting.retain(|&index| plan.experiments.get(index).is_some_and(|experiment| experiment.is_live(now)));
    }
    let intent = Intent::new(plan, &acting, request, arrival, preview, now);
    let resting: Vec<usize> = on_page.iter().copied().filter(|index| !acting.contains(index)).collect();
    // why: their status decides before it is asked who they are
    let facts = Facts { request, identity: Identity::default() };
    let rest = decide(plan, &resting, &facts, Asker::NoConsent, now);
    let known = || intent.decisions.iter().chain(&rest);
    let decisions = (0..plan.experiments.len())
        .map(|experiment| {
            let elsewhere = Decision {
                experiment,
                reason: Reason::Page,
                variant: None,
                evidence: crate::decide::Evidence::default(),
            };
            known().find(|decision| decision.experiment == experiment).copied().unwrap_or(elsewhere)
        })
        .collect();
    Ok(Explained { plan, request, lane, intent, decisions, now })
}

fn lane(plan: &Plan, request: &Request<'_, Given>, now: i64) -> Lane {
    let previews = plan.preview != Preview::Off;
    let path = request.url.path;
    if path == "/_sortition" || path.starts_with("/_sortition/") {
        return Lane::Endpoint;
    }
    match plan.presence(request.method, &request.url, now) {
        Presence::Live => Lane::Page,
        _ if previews && request.url.query.contains(preview::NAME) => Lane::Page,
        Presence::Previewable if previews && request.cookie(preview::NAME).is_some() => Lane::Page,
        _ => Lane::Untouched,
    }
}
