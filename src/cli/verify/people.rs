//! Visitors whom the engine gives each variant of an experiment on a page.

use super::Checklist;
use crate::cli::request::{Given, RequestArguments};
use crate::cli::{Failure, input};
use crate::document::{Document, Experiment, UnitKind};
use crate::facts::{Request, Source as _};
use crate::plan::Position as _;
use crate::url::Url;
use crate::visit::{Visit, World};
use crate::visitor::SESSION_COOKIE;
use crate::visitor::crawler::Crawlers;
use std::collections::BTreeMap;

/// How many ids are tried: enough for a variant that gets one in a thousand.
const TRIES: u32 = 100_000;

/// A visitor of a variant.
pub(super) struct Person {
    pub(super) visitor: String,
    pub(super) user: Option<String>,
    /// The lines of the request.
    pub(super) headers: BTreeMap<String, String>,
}

/// One of each variant, by its id.
pub(super) struct People {
    pub(super) of: BTreeMap<String, Person>,
}

impl People {
    pub(super) fn find(
        document: &Document,
        e: &Experiment,
        url: &str,
        request: &RequestArguments,
        list: &mut Checklist,
    ) -> Result<Self, Failure> {
        let plan = input::compiled(document)?;
        let now = request.time()?.millis();
        let crawlers = Crawlers::new(&plan.crawler_also, &plan.crawler_except);
        let secret = input::secret();
        let index = plan.experiment(e.id.as_str());
        let knows_users = document.visitor.user_cookie.is_some() || document.visitor.user_header.is_some();
        let mut of = BTreeMap::new();
        let mut why = "page";
        for _ in 0..TRIES {
            if of.len() == e.variants.len() {
                break;
            }
            let visitor = format!("verify-{}", id()?);
            let mut given = request.source()?;
            given.set_visitor(document, &visitor)?;
            let user = (e.unit == UnitKind::User && knows_users).then(|| format!("verify-user-{visitor}"));
            if let Some(user) = &user {
                given.set_user(document, user)?;
            }
            given.add("cookie", &format!("{SESSION_COOKIE}={visitor}"));
            if let Some(consent) = &document.consent
                && let Some(yes) = consent.granted.first()
            {
                given.add("cookie", &format!("{}={yes}", consent.cookie));
            }
            let asked = Request::new("GET", Url::split(url), &given, &crawlers);
            let world = World { now, secret: secret.as_deref().map(str::as_bytes), ..World::default() };
            let visit = Visit::begin(&plan, &asked, world, || [7; 16]);
            let decided = visit.every_decision(&asked);
            let Some(decision) = decided.iter().find(|it| Some(it.experiment) == index) else { break };
            why = decision.reason.as_str();
            let Some(variant) = decision.variant.filter(|_| decision.reason.acts()) else {
                // why: what does not depend on who asks is the same for everybody
                if !decision.reason.depends_on_visitor() {
                    break;
                }
                continue;
            };
            let Some(variant) = e.variants.get(variant.number()) else { continue };
            let headers = lines(&given);
            of.entry(variant.id.to_string()).or_insert(Person { visitor, user, headers });
        }
        for variant in &e.variants {
            if !of.contains_key(variant.id.as_str()) {
                let fine = (variant.weight.get() > 0.0).then_some(false);
                let said = format!(
                    "nobody is given it on this page ({why}): see `sortition explain`, and give --cookie, --header or --cf for its audience"
                );
                list.add("assigned", Some(variant.id.as_str()), fine, said);
            }
        }
        Ok(Self { of })
    }
}

fn lines(given: &Given) -> BTreeMap<String, String> {
    let mut lines: BTreeMap<String, String> = given.lines().into_iter().collect();
    if given.header("accept").is_none() {
        lines.insert("accept".to_owned(), "text/html,application/xhtml+xml".to_owned());
    }
    lines
}

fn id() -> Result<String, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Outside(format!("the system gives no numbers: {error}")))?;
    Ok(crate::hash::hex(&bytes))
}
