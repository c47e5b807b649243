//! Requests as data through the whole of deciding, for comparing builds: the tests run the same requests through the
//! native build and through the wasm, and compare every decision with its evidence. In no deployed worker.

use crate::document::Document;
use crate::execution::Answer;
use crate::execution::breaker::Breakers;
use crate::facts::{Request, Source};
use crate::plan::Plan;
use crate::url::Url;
use crate::visit::{Visit, World, encode_finish, encode_outcome, lane};
use crate::visitor::crawler::Crawlers;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Documents and the requests to answer by them.
#[derive(Deserialize)]
struct Script {
    documents: Vec<serde_json::Value>,
    requests: Vec<Recorded>,
}

#[derive(Deserialize)]
struct Recorded {
    document: usize,
    method: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    properties: BTreeMap<String, String>,
    now: i64,
}

impl Source for Recorded {
    fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).cloned()
    }

    fn property(&self, name: &str) -> Option<String> {
        self.properties.get(name).cloned()
    }
}

/// Answers a script, `{"documents": […], "requests": [{"document", "method", "url", "headers", "properties", "now"}]}`,
/// with one line a request: every decision with its evidence, what the origin is sent, and what becomes of a page.
///
/// # Errors
///
/// What keeps the script from being one, or a document of it from being compiled.
pub fn replay(script: &str) -> Result<String, String> {
    let script: Script = serde_json::from_str(script).map_err(|error| error.to_string())?;
    let compile = |document: &serde_json::Value| {
        let document = Document::parse(&document.to_string()).map_err(|problem| problem.to_string())?;
        let plan = Plan::compile(&document)
            .map_err(|problems| problems.first().map_or_else(String::new, ToString::to_string))?;
        // why: the worker decides by plans that were packed, so that is what the native build is compared with
        if !cfg!(target_arch = "wasm32") {
            return Ok(plan);
        }
        Plan::from_bytes(&plan.to_bytes(""), "").ok_or_else(|| "a plan is not what it was packed from".to_owned())
    };
    let plans = script.documents.iter().map(compile).collect::<Result<Vec<_>, _>>()?;
    let mut lines = String::new();
    for recorded in &script.requests {
        let plan = plans.get(recorded.document).ok_or("a request names a document that is not there")?;
        let crawlers = Crawlers::new(&plan.crawler_also, &plan.crawler_except);
        let request = Request::new(&recorded.method, Url::split(&recorded.url), recorded, &crawlers);
        let way = lane(Some(plan), &recorded.method, &request.url, recorded.now);
        let world = World { now: recorded.now, ..World::default() };
        let mut visit = Visit::begin(plan, &request, world, || [7; 16]);
        let page = Answer { status: 200, content_type: Some("text/html"), etag: Some("\"e\""), ..Answer::default() };
        let finish = encode_finish(&visit.finish(&page), 0, "");
        let decisions = visit.every_decision(&request);
        let outcome = encode_outcome(&visit.next(&mut Breakers::default(), 0.0), 0, "");
        lines.push_str(&format!("{way:?} {decisions:?} {outcome:?} {finish:?}\n"));
    }
    Ok(lines)
}
