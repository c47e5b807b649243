//! The explanation as a tree for people.

use super::Explained;
use super::shown::{Done, ranges, steps, variant};
use crate::cli::terminal::{faint, good, strong};
use crate::decide::{Decision, Reason};
use crate::document::Timestamp;
use crate::execution::HeaderChange;
use crate::plan::{Experiment, ExperimentAt};
use crate::sender::Sender;
use crate::visit::Lane;

/// A line and the lines below it.
struct Node {
    line: String,
    below: Vec<Node>,
}

impl Node {
    fn leaf(line: impl Into<String>) -> Self {
        Self { line: line.into(), below: Vec::new() }
    }

    fn new(line: impl Into<String>, below: Vec<Node>) -> Self {
        Self { line: line.into(), below }
    }

    fn draw(&self, first: &str, rest: &str, text: &mut String) {
        text.push_str(&format!("{first}{}\n", self.line));
        let last = self.below.len().saturating_sub(1);
        for (position, node) in self.below.iter().enumerate() {
            let (branch, trunk) = if position == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            node.draw(&format!("{rest}{branch}"), &format!("{rest}{trunk}"), text);
        }
    }
}

pub(super) fn text(explained: &Explained<'_>, done: &Done) -> String {
    let Explained { plan, request, .. } = explained;
    let experiments = explained
        .decisions
        .iter()
        .filter_map(|decision| Some(experiment(explained, decision, plan.experiments.get(decision.experiment)?)))
        .collect();
    let root = Node::new(
        format!("{} {}", strong(request.method), strong(request.url.whole)),
        vec![
            Node::leaf(format!(
                "at {}, revision {} of {}",
                Timestamp::from_millis(explained.now),
                plan.revision,
                plan.project
            )),
            Node::leaf(who(explained)),
            Node::new("experiments", experiments),
            worker(explained, done),
        ],
    );
    let mut text = String::new();
    root.draw("", "", &mut text);
    text
}

fn who(explained: &Explained<'_>) -> String {
    match &explained.intent().sender {
        Sender::Crawler => "a crawler: one page for all of them, no cookie, no exposure".to_owned(),
        Sender::NoConsent => "a person who has not consented: the control, nothing stored".to_owned(),
        Sender::Person(visitor) => {
            let kind = if visitor.returning { "returning" } else { "new" };
            let user = visitor.user.as_ref().map_or_else(String::new, |user| format!(", user {user}"));
            format!("{kind} visitor {}{user}", strong(visitor.id.as_str()))
        }
    }
}

fn experiment(explained: &Explained<'_>, decision: &Decision, e: &Experiment) -> Node {
    let reason = decision.reason.as_str();
    let line = match variant(decision, e) {
        Some(variant) if decision.reason.acts() => format!("{} = {}  {}", strong(&e.id), good(variant), faint(reason)),
        Some(variant) => format!("{} = {variant}  {}", strong(&e.id), faint(reason)),
        None => format!("{} not applied  {}", strong(&e.id), faint(reason)),
    };
    let mut below = vec![Node::leaf(why(explained, decision, e))];
    if let Some(anew) = explained.anew(decision) {
        let given = variant(anew, e).map_or_else(String::new, |variant| format!(" = {variant}"));
        below.push(Node::leaf(format!("decided anew it would be: {}{given}", anew.reason.as_str())));
    }
    if let Some(compared) = explained.compared(decision) {
        let given = variant(compared, e).map_or_else(String::new, |variant| format!(" = {variant}"));
        below.push(Node::leaf(format!("in shadow mode it is compared: {}{given}", compared.reason.as_str())));
    }
    let evidence = &decision.evidence;
    if let Some(kind) = evidence.unit {
        below.push(Node::leaf(format!("assigned by {}", kind.as_str())));
    }
    if let Some(bucket) = evidence.holdout.filter(|_| explained.plan.holdout.below > 0) {
        below.push(bucketed("holdout", bucket.get(), 0, explained.plan.holdout.below));
    }
    if let (Some(slot), Some(part)) = (evidence.slot, &e.layer) {
        let (from, to) = part.slots.bounds();
        below.push(bucketed("layer slot", slot.get(), from, to));
    }
    let hashed = steps(explained, decision, e).unwrap_or_default();
    for (place, step) in hashed.iter().enumerate() {
        let what = if place + 1 == hashed.len() { "split".to_owned() } else { format!("gate {}", place + 1) };
        let found = match step.range {
            Some((from, to)) => format!("in [{from}, {to})"),
            None => "in no range".to_owned(),
        };
        below.push(Node::leaf(format!("{what}: {:?} has bucket {}, {found}", step.text, step.bucket)));
    }
    if let Some(bucket) = evidence.traffic {
        below.push(bucketed("traffic", bucket.get(), 0, e.traffic_at(explained.now)));
    }
    if let Some(bucket) = evidence.split {
        let shares: Vec<String> = ranges(e).map(|(id, from, to)| format!("{id} [{from}, {to})")).collect();
        below.push(Node::leaf(format!("split bucket {} of {}", bucket.get(), shares.join(", "))));
    }
    Node::new(line, below)
}

fn bucketed(what: &str, bucket: u16, from: u16, to: u16) -> Node {
    let inside = if (from..to).contains(&bucket) { "in" } else { "not in" };
    Node::leaf(format!("{what} bucket {bucket} is {inside} [{from}, {to})"))
}

/// What the reason means here.
fn why(explained: &Explained<'_>, decision: &Decision, e: &Experiment) -> String {
    let other =
        decision.evidence.other.and_then(|other| explained.plan.experiments.get(other)).map_or("another", |e| &e.id);
    let time = |millis: Option<i64>| Timestamp::from_millis(millis.unwrap_or_default());
    match decision.reason {
        Reason::Page => "the request is on none of its pages, hosts and methods".to_owned(),
        Reason::Killed => "the kill switch is on: the control for everybody".to_owned(),
        Reason::Draft => "it is a draft: only a preview shows it".to_owned(),
        Reason::Scheduled => format!("it starts at {}", time(e.starts_at)),
        Reason::Paused => "it is paused".to_owned(),
        Reason::Ended => format!("it ended at {}: ready for review", time(e.ends_at)),
        Reason::Completed => "it is completed".to_owned(),
        Reason::Crawler => "crawlers get what the document's policy says".to_owned(),
        Reason::NoConsent => "without consent everybody gets the control".to_owned(),
        Reason::Forced => "a preview or an override asks for this variant: never exposed".to_owned(),
        Reason::Winner => "it has a winner, which everybody eligible gets".to_owned(),
        Reason::Requires => format!("it requires a variant of `{other}` that this unit does not have"),
        Reason::Audience => match &e.audience {
            Some(audience) => format!("the audience is {audience}, and this request is not in it, or it has no unit"),
            None => "there is no unit of its kind, such as a user who is not logged in".to_owned(),
        },
        Reason::Holdout => "the unit is in the holdout, or was held out before".to_owned(),
        Reason::Layer if decision.evidence.other.is_some() => {
            format!("the person is in `{other}`, and nobody is in two experiments of a layer")
        }
        Reason::Layer => "the unit's slot of the layer belongs to another experiment".to_owned(),
        Reason::Conflict => format!("`{other}` owns a surface that both claim"),
        Reason::Sticky => "the person keeps the variant that the assignment cookie says".to_owned(),
        Reason::Traffic if e.assigned_elsewhere => "another tool assigns it: here it is only measured".to_owned(),
        Reason::Traffic => "the unit is not in its traffic".to_owned(),
        Reason::Split if e.takeover.is_some() => "the unit was split as the tool that it comes from does".to_owned(),
        Reason::Split => "the unit was split by the weights".to_owned(),
    }
}

fn worker(explained: &Explained<'_>, done: &Done) -> Node {
    let Explained { plan, visit, .. } = explained;
    let intent = explained.intent();
    match explained.lane {
        Lane::Untouched | Lane::Previewable => return Node::leaf("the worker passes the request through, untouched"),
        Lane::Endpoint => return Node::leaf("the worker answers itself: an endpoint of its own"),
        Lane::Page => {}
    }
    if let Some(early) = visit.early() {
        return Node::new(format!("the worker answers {} itself", early.status), headers(&early.changes));
    }
    let mut below = Vec::new();
    if let Some(elsewhere) = intent.variant_origin(plan) {
        let base = elsewhere.base.as_deref().unwrap_or("the same origin");
        let mut besides = Vec::new();
        elsewhere.without_credentials(&mut besides);
        let text = format!("fetches from {base}{}, and from the origin should that fail", elsewhere.path_prefix);
        below.push(Node::new(text, headers(&besides)));
    }
    below.push(group("to the origin", headers(visit.for_origin())));
    if intent.rewrites(plan) {
        let steps = intent
            .treatments(plan)
            .flat_map(|treatment| &treatment.variant.rewrite)
            .map(|step| Node::leaf(serde_json::to_string(step).unwrap_or_default()));
        let bridge = intent.bridge(plan).map(|bridge| Node::leaf(format!("hands the page its decision: {bridge}")));
        below.push(group("rewrites", steps.chain(bridge).collect()));
    }
    below.push(group("to the client, where the origin answers 200 text/html", headers(&done.finish.changes)));
    let named = |experiments: &mut dyn Iterator<Item = ExperimentAt>| -> String {
        experiments.filter_map(|index| plan.experiments.get(index)).map(|e| &*e.id).collect::<Vec<_>>().join(", ")
    };
    let exposed = &mut done.finish.exposed.iter().filter_map(|&at| Some(intent.decisions.get(at)?.experiment));
    let exposed = named(exposed);
    if !exposed.is_empty() {
        below.push(Node::leaf(format!("exposes: {exposed}")));
    }
    for (experiment, variant) in explained.besides(&done.finish.besides) {
        below.push(Node::leaf(format!("exposes besides: {experiment} = {variant}")));
    }
    let watched = named(&mut done.finish.watched());
    if !watched.is_empty() {
        below.push(Node::leaf(format!("exposes when an element is met: {watched}")));
    }
    Node::new("the worker", below)
}

fn group(name: &str, below: Vec<Node>) -> Node {
    if below.is_empty() { Node::leaf(format!("{name}: as it is")) } else { Node::new(name, below) }
}

fn headers(changes: &[HeaderChange]) -> Vec<Node> {
    changes
        .iter()
        .map(|change| {
            Node::leaf(match change {
                HeaderChange::Set(name, value) => format!("{name}: {value}"),
                HeaderChange::SetNamed(name, value) => format!("{name}: {value}"),
                HeaderChange::Append(name, value) => format!("+ {name}: {value}"),
                HeaderChange::Remove(name) => faint(format!("- {name}")),
            })
        })
        .collect()
}
