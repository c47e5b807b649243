//! `sortition verify`: the page, looked at as a visitor of each variant before the experiment is trusted.
//!
//! The engine finds visitors whom it gives each variant; the script visits the page as them, as a crawler, and follows the
//! steps of a purchase; then the record is asked whether it heard of it. What is not in order refuses, with what to do.

mod page;
mod people;
mod record;

use super::address::normal_url;
use super::kv::{Kv, KvArguments};
use super::push::Live;
use super::request::RequestArguments;
use super::terminal::{bad, faint, good, strong};
use super::{Failure, Report, input, script};
use crate::document::{Document, Experiment, Problem, Protected};
use crate::execution::rewriting::narrowed;
use crate::url::Url;
use clap::Args;
use page::{Answer, Page};
use people::People;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Look at a page as a visitor of each variant, before the experiment is trusted.
#[derive(Debug, Args)]
#[command(
    after_help = "It visits the page once as a visitor of each variant and once as Googlebot. Those visitors are recorded as any others; the list at the end names them. Without --steps a metric's event counts as seen where the record has one of the last day.

--steps names a file with what a visitor does after the page, as JSON:
  [{\"method\": \"POST\", \"path\": \"/_sortition/events\",
    \"json\": {\"events\": [{\"type\": \"experiment_converted\", \"conversion_event\": \"purchase\"}]}}]

Examples:
  sortition verify hero --url http://127.0.0.1:8787/ --local
  sortition verify hero --url https://shop.example/ --steps purchase.json
  sortition verify hero --url https://shop.example/ --cookie consent=granted --json"
)]
pub(super) struct Arguments {
    /// The experiment.
    experiment: String,
    /// The page, through the worker.
    #[arg(long)]
    url: String,
    /// What a visitor does after the page: a JSON file.
    #[arg(long, value_name = "FILE")]
    steps: Option<PathBuf>,
    /// How long the record may take to hear of it, in seconds.
    #[arg(long, default_value_t = 60)]
    patience: u64,
    #[command(flatten)]
    request: RequestArguments,
    #[command(flatten)]
    kv: KvArguments,
}

/// What search engines and their crawlers are compared by.
const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const CRAWLER: &str = "(crawler)";

/// The lines of a checklist.
#[derive(Default)]
struct Checklist(Vec<Check>);

struct Check {
    /// `None`: it could not be told, or does not apply.
    fine: Option<bool>,
    name: &'static str,
    variant: Option<String>,
    said: String,
}

impl Checklist {
    fn add(&mut self, name: &'static str, variant: Option<&str>, fine: Option<bool>, said: impl Into<String>) {
        self.0.push(Check { fine, name, variant: variant.map(str::to_owned), said: said.into() });
    }

    /// A line that is fine, or says what is not.
    fn demand(&mut self, name: &'static str, variant: Option<&str>, found: Result<String, String>) {
        let (fine, said) = found.map_or_else(|wrong| (false, wrong), |said| (true, said));
        self.add(name, variant, Some(fine), said);
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let url = normal_url(&arguments.url)?;
    let kv = Kv(&arguments.kv);
    let live = Live::required(kv.get("config")?)?;
    let (document, _) = input::sound(&live.text)?;
    let id = &arguments.experiment;
    let e = document.experiments.iter().find(|e| e.id.as_str() == id).ok_or_else(|| {
        let ids: Vec<&str> = document.experiments.iter().map(|e| e.id.as_str()).collect();
        Failure::Usage(format!("no live experiment is `{id}`: there are {}", ids.join(", ")))
    })?;
    let steps = steps(arguments.steps.as_deref())?;
    let mut list = Checklist::default();
    let people = People::find(&document, e, &url, &arguments.request, &mut list)?;
    let answers = visit(&people, &url, &steps)?;
    list.demand("worker", None, worker(&document, &answers.health));
    let control = e.variants.first().map_or("", |variant| variant.id.as_str());
    let control_page = answers.page(control);
    for variant in &e.variants {
        let id = variant.id.as_str();
        let Some(answer) = answers.of.get(id) else { continue };
        list.demand("shown", Some(id), shown(&document, e, id, answer));
        if !variant.rewrite.is_empty()
            && let Some(page) = &control_page
        {
            list.demand("selectors", Some(id), selectors(e, page, variant));
        }
        if id != control
            && let (Some(page), Some(control)) = (answers.page(id), &control_page)
        {
            list.demand("seo", Some(id), seo(e, control, &page, "the control's"));
        }
        for step in answer.failed_steps() {
            list.add("steps", Some(id), Some(false), step);
        }
    }
    crawler(&document, &answers, control_page.as_ref(), &mut list);
    record::ask(arguments, &document, e, &people, !steps.is_empty(), &mut list)?;
    Ok(report(id, &url, &list, &people))
}

/// What the script came back with.
struct Answers {
    health: Value,
    of: BTreeMap<String, Answer>,
}

impl Answers {
    fn page(&self, name: &str) -> Option<Page> {
        self.of.get(name)?.heard.as_ref().ok().map(Page::read)
    }
}

fn visit(people: &People, url: &str, steps: &[Value]) -> Result<Answers, Failure> {
    let site = Url::split(url);
    let mut visits: Vec<Value> = people
        .of
        .iter()
        .map(|(variant, person)| json!({"name": variant, "url": url, "headers": person.headers, "steps": steps}))
        .collect();
    let headers = json!({"user-agent": GOOGLEBOT, "accept": "text/html"});
    visits.push(json!({"name": CRAWLER, "url": url, "headers": headers, "steps": []}));
    let health = format!("{}://{}/_sortition/health", site.scheme, site.host);
    let settings = json!({"health": health, "visits": visits});
    let told = script::answer(include_str!("scripts/verify.mjs"), &settings, "visiting the page")?;
    let of = told.get("answers").and_then(Value::as_object).into_iter().flatten();
    Ok(Answers {
        health: told.get("health").cloned().unwrap_or_default(),
        of: of.map(|(name, answer)| (name.clone(), Answer::read(answer))).collect(),
    })
}

fn steps(file: Option<&std::path::Path>) -> Result<Vec<Value>, Failure> {
    let Some(file) = file else { return Ok(Vec::new()) };
    let text = input::read(&file.to_string_lossy())?;
    let wrong = |why: String| Failure::Usage(format!("--steps {}: {why}", file.display()));
    let steps: Vec<Value> = serde_json::from_str(&text).map_err(|error| wrong(format!("a list is needed: {error}")))?;
    match steps.iter().position(|step| step.get("path").and_then(Value::as_str).is_none()) {
        Some(at) => Err(wrong(format!("[{at}] has no `path`, such as \"/checkout\""))),
        None => Ok(steps),
    }
}

fn worker(document: &Document, health: &Value) -> Result<String, String> {
    let Some(told) = health.get("config_revision") else {
        return Err("/_sortition/health does not answer: is the worker before this site?".to_owned());
    };
    let (told, live) = (told.as_str().unwrap_or_default(), document.revision.as_deref().unwrap_or_default());
    if told == live {
        Ok(format!("serves revision {live}"))
    } else {
        Err(format!("serves revision {told}, and {live} is live: wait for CONFIG_TTL_SECONDS, or look at its log"))
    }
}

fn shown(document: &Document, e: &Experiment, variant: &str, answer: &Answer) -> Result<String, String> {
    let heard = answer.heard.as_ref().map_err(|error| format!("the page does not answer: {error}"))?;
    let redirect = e.variants.iter().find(|it| it.id.as_str() == variant).and_then(|it| it.redirect.as_ref());
    if redirect.is_some() && !(300..400).contains(&heard.status) {
        return Err(format!("it answers {}, and this variant redirects", heard.status));
    }
    if redirect.is_none() && heard.status != 200 {
        return Err(format!("it answers {}, not 200", heard.status));
    }
    if !document.headers.to_client {
        return Ok(format!("answers {}; `headers.to_client` is off, so that the record alone can say", heard.status));
    }
    let told = heard.header("sortition-variants").unwrap_or_default();
    let wanted = format!("{}={variant}", e.id);
    if told.split(", ").any(|member| member.replace(['"', '*'], "") == wanted) {
        Ok(match heard.header("location") {
            Some(to) => format!("{wanted}, to {to}"),
            None => wanted,
        })
    } else {
        Err(format!("`Sortition-Variants` says `{told}`, not {wanted}: compare with `sortition explain`"))
    }
}

/// Whether every selector of a variant meets something on the page as the control has it.
fn selectors(e: &Experiment, control: &Page, variant: &crate::document::Variant) -> Result<String, String> {
    let wanted: Vec<&str> = variant.rewrite.iter().map(|step| step.select.as_str()).collect();
    let met = control.met(&wanted)?;
    let missing: Vec<&str> = wanted.iter().zip(&met).filter(|(_, tags)| tags.is_empty()).map(|(it, _)| *it).collect();
    if missing.is_empty() {
        Ok(wanted.iter().zip(&met).map(|(it, tags)| found(e, it, tags)).collect::<Vec<_>>().join(", "))
    } else {
        Err(format!("nothing on the page is {}: mend the selector", missing.join(", nor ")))
    }
}

/// What a selector met, and how it would cost less.
fn found(e: &Experiment, selector: &str, tags: &[String]) -> String {
    let count = tags.len();
    let cheaper = tags.first().filter(|tag| tags.iter().all(|it| it == *tag) && !is_protected(e, tag));
    match cheaper.and_then(|tag| narrowed(selector, &[tag])).as_deref() {
        Some([one]) => format!("{selector} × {count} (`{one}` costs less)"),
        _ => format!("{selector} × {count}"),
    }
}

/// Whether search engines read elements with this tag, so that `check` would ask for a word of `seo.allow`.
fn is_protected(e: &Experiment, tag: &str) -> bool {
    matches!(tag, "title" | "link" | "meta" | "script") || (tag == "h1" && e.seo.protect_h1)
}

/// Whether what search engines read is the same as on another page, but for what `seo.allow` names.
fn seo(e: &Experiment, other: &Page, page: &Page, whose: &str) -> Result<String, String> {
    let allows = |word: Protected| e.seo.allow.contains(&word) || (word == Protected::H1 && !e.seo.protect_h1);
    let differs = |(word, a, b): &(Protected, &Vec<String>, &Vec<String>)| a != b && !allows(*word);
    let all = other.seo.iter().zip(&page.seo).map(|((word, a), (_, b))| (*word, a, b));
    let wrong: Vec<String> = all
        .filter(differs)
        .map(|(word, a, b)| format!("{} is {:?}, {whose} {:?}", word.word(), b.join(" "), a.join(" ")))
        .collect();
    if wrong.is_empty() { Ok(format!("as {whose}")) } else { Err(wrong.join("; ")) }
}

/// The crawler's page beside the control's on this very site, and that it is told nothing.
fn crawler(document: &Document, answers: &Answers, control: Option<&Page>, list: &mut Checklist) {
    let Some(answer) = answers.of.get(CRAWLER) else { return };
    let heard = match &answer.heard {
        Ok(heard) => heard,
        Err(error) => return list.add("crawler", None, Some(false), format!("the page does not answer: {error}")),
    };
    let ours = |(name, _): &&(String, String)| name.starts_with("sortition-") || name == "set-cookie";
    let told: Vec<&str> = heard.headers.iter().filter(ours).map(|(name, _)| name.as_str()).collect();
    // why: the shop's own cookies are its own affair
    let cookies = heard.headers.iter().any(|(name, value)| {
        name == "set-cookie" && (value.starts_with("sortition_") || value.starts_with(&document.visitor.cookie))
    });
    let header = told.iter().any(|name| name.starts_with("sortition-"));
    list.demand(
        "crawler",
        None,
        match (header || cookies, heard.status) {
            (true, _) => Err(format!("it is told {}: it is taken for a person", told.join(", "))),
            (false, 200) => Ok("answered 200, without cookies or headers of ours".to_owned()),
            (false, status) => Err(format!("it is answered {status}")),
        },
    );
    let is_control = document.crawlers.policy == crate::document::CrawlerPolicy::Control;
    if let Some(control) = control.filter(|_| is_control) {
        let page = Page::read(heard);
        let wrong: Vec<String> = control
            .seo
            .iter()
            .zip(&page.seo)
            .filter(|((_, a), (_, b))| a != b)
            .map(|((word, a), (_, b))| format!("{}: people {:?}, crawlers {:?}", word.word(), a.join(" "), b.join(" ")))
            .collect();
        let found = if wrong.is_empty() { Ok("as the control's".to_owned()) } else { Err(wrong.join("; ")) };
        list.demand("seo", Some(CRAWLER), found);
    }
}

fn report(id: &str, url: &str, list: &Checklist, people: &People) -> Report {
    let failed = list.0.iter().filter(|check| check.fine == Some(false)).count();
    let mut text = format!("{}  {url}\n", strong(id));
    let mut problems = Vec::new();
    for Check { fine, name, variant, said } in &list.0 {
        let mark = match fine {
            Some(true) => good("fine  "),
            Some(false) => bad("failed"),
            None => faint("–     "),
        };
        let of = variant.as_deref().unwrap_or_default();
        text.push_str(&format!("  {mark} {name:<10} {of:<12} {said}\n"));
        if *fine == Some(false) {
            let place = variant.as_ref().map_or_else(|| (*name).to_owned(), |variant| format!("{name}.{variant}"));
            problems.push(Problem::error(place, said.clone()));
        }
    }
    let ids: Vec<&str> = people.of.values().map(|person| person.visitor.as_str()).collect();
    text.push_str(&faint(format!("visitors of this: {}\n", ids.join(", "))));
    let checks: Vec<Value> = list
        .0
        .iter()
        .map(|it| json!({"check": it.name, "variant": it.variant, "fine": it.fine, "said": it.said}))
        .collect();
    let json = json!({"ok": failed == 0, "experiment": id, "url": url, "checks": checks, "visitors": ids});
    Report { text, json, problems }
}
