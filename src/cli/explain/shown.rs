//! The explanation as JSON.

use super::Explained;
use crate::decide::{Decision, Reason};
use crate::document::{Timestamp, UnitKind};
use crate::execution::HeaderChange;
use crate::hash::Step;
use crate::hash::{BUCKETS, Bucket};
use crate::plan::Experiment;
use crate::sender::Sender;
use crate::visit::{Finish, Lane};
use serde_json::{Value, json};

/// What the worker would do with the page.
pub(super) struct Done {
    /// With a page that the origin answers.
    pub(super) finish: Finish,
}

pub(super) fn json(explained: &Explained<'_>, done: &Done) -> Value {
    let Explained { plan, request, visit, .. } = explained;
    let intent = explained.intent();
    let acts = explained.lane == Lane::Page;
    let experiments: Vec<Value> = explained
        .decisions
        .iter()
        .filter_map(|decision| Some(experiment(explained, decision, plan.experiments.get(decision.experiment)?)))
        .collect();
    let names = |positions: &[usize]| -> Vec<&str> {
        positions
            .iter()
            .filter_map(|&position| plan.experiments.get(intent.decisions.get(position)?.experiment).map(|e| &*e.id))
            .collect()
    };
    let watched: Vec<&str> =
        done.finish.watched().filter_map(|index| plan.experiments.get(index)).map(|e| &*e.id).collect();
    let rewrites: Vec<Value> = intent
        .treatments(plan)
        .filter(|_| acts && visit.early().is_none() && intent.rewrites(plan))
        .flat_map(|treatment| treatment.variant.rewrite.iter().map(move |step| (treatment.experiment, step)))
        .filter_map(|(index, step)| Some(json!({"experiment": plan.experiments.get(index)?.id, "step": step})))
        .collect();
    let early = visit.early().filter(|_| acts);
    let to_origin = if acts && early.is_none() { visit.for_origin() } else { &[] };
    let finish = &done.finish;
    let (to_client, exposed, besides) = match early {
        _ if !acts => (&[][..], Vec::new(), &[][..]),
        Some(early) => (early.changes.as_slice(), names(&early.exposed), early.besides.as_slice()),
        None => (finish.changes.as_slice(), names(&finish.exposed), finish.besides.as_slice()),
    };
    let besides: Vec<Value> = explained
        .besides(besides)
        .iter()
        .map(|(experiment, variant)| json!({"experiment": experiment, "variant": variant}))
        .collect();
    let elsewhere = intent.variant_origin(plan).filter(|_| acts && early.is_none()).map(|elsewhere| {
        let mut besides = Vec::new();
        elsewhere.without_credentials(&mut besides);
        json!({
            "experiment": plan.experiments.get(elsewhere.experiment).map(|e| &e.id),
            "url": elsewhere.base,
            "path_prefix": elsewhere.path_prefix,
            "timeout_ms": elsewhere.timeout_ms,
            "credentials": elsewhere.trusted,
            "headers": changes(&besides),
        })
    });
    json!({
        "project": plan.project,
        "revision": plan.revision,
        "at": Timestamp::from_millis(explained.now).to_string(),
        "request": {"method": request.method, "url": request.url.whole},
        "handling": match explained.lane {
            Lane::Untouched | Lane::Previewable => "untouched",
            Lane::Endpoint => "endpoint",
            Lane::Page => "page",
        },
        "asker": asker(&intent.sender),
        "visitor": intent.visitor().map(|visitor| json!({
            "id": visitor.id.as_str(),
            "returning": visitor.returning,
            "user": visitor.user,
            "session": visitor.session.as_ref().map(|(id, _)| id.as_str()),
        })),
        "variants": {"to_origin": intent.told_origin, "to_client": intent.told_client},
        "experiments": experiments,
        "origin": {"asked": early.is_none() && explained.lane != Lane::Endpoint, "headers": changes(to_origin), "elsewhere": elsewhere},
        "answer": {
            "status": early.map(|early| early.status),
            "headers": changes(to_client),
            "rewrite": rewrites,
            "bridge": intent.bridge(plan).filter(|_| acts && early.is_none() && intent.rewrites(plan)),
            "exposed": exposed,
            "exposed_besides": besides,
            "exposed_when_met": if acts && early.is_none() { watched } else { Vec::new() },
        },
    })
}

fn asker(sender: &Sender) -> &'static str {
    match sender {
        Sender::Crawler => "crawler",
        Sender::NoConsent => "no_consent",
        Sender::Person(_) => "person",
    }
}

fn experiment(explained: &Explained<'_>, decision: &Decision, e: &Experiment) -> Value {
    let evidence = &decision.evidence;
    let bucket = |bucket: Option<Bucket>| bucket.map(Bucket::get);
    let plan = explained.plan;
    let mut shown = json!({
        "experiment": e.id,
        "reason": decision.reason.as_str(),
        "variant": variant(decision, e),
        "unit": evidence.unit.map(UnitKind::as_str),
        "other": evidence.other.and_then(|other| plan.experiments.get(other)).map(|other| &other.id),
        "buckets": {
            "holdout": bucket(evidence.holdout),
            "slot": bucket(evidence.slot),
            "traffic": bucket(evidence.traffic),
            "split": bucket(evidence.split),
        },
        "hashed": steps(explained, decision, e).map(|steps| steps.iter().map(hashed).collect::<Vec<_>>()),
        "ranges": {
            "holdout": [0, plan.holdout.below],
            "slots": e.layer.map(|part| part.slots.bounds()),
            "traffic": [0, e.traffic_at(explained.now)],
            "variants": ranges(e).map(|(id, from, to)| json!({"variant": id, "from": from, "to": to})).collect::<Vec<_>>(),
        },
    });
    if let (Some(anew), Some(members)) = (explained.anew(decision), shown.as_object_mut()) {
        let anew = json!({"reason": anew.reason.as_str(), "variant": variant(anew, e)});
        members.insert("anew".to_owned(), anew);
    }
    if let (Some(compared), Some(members)) = (explained.compared(decision), shown.as_object_mut()) {
        let compared = json!({"reason": compared.reason.as_str(), "variant": variant(compared, e)});
        members.insert("shadow".to_owned(), compared);
    }
    shown
}

/// How another tool's assignment was computed for this unit, gate by gate and then the split; none where it was not asked.
pub(super) fn steps(explained: &Explained<'_>, decision: &Decision, e: &Experiment) -> Option<Vec<Step>> {
    let takeover = e.takeover.as_ref().filter(|_| matches!(decision.reason, Reason::Traffic | Reason::Split))?;
    let visitor = explained.intent().visitor()?;
    let unit = match decision.evidence.unit? {
        UnitKind::Visitor => visitor.id.as_str(),
        UnitKind::User => visitor.user.as_deref()?,
        UnitKind::Session => visitor.session.as_ref()?.0.as_str(),
    };
    Some(takeover.steps(unit))
}

fn hashed(step: &Step) -> Value {
    json!({"text": step.text, "bucket": step.bucket, "range": step.range.map(|(from, to)| [from, to])})
}

/// The id of the variant that was decided for.
pub(super) fn variant<'a>(decision: &Decision, e: &'a Experiment) -> Option<&'a str> {
    e.variants.get(decision.variant?).map(|variant| &*variant.id)
}

/// Each variant's range of buckets, half open.
pub(super) fn ranges(e: &Experiment) -> impl Iterator<Item = (&str, u16, u16)> {
    e.variants.iter().scan(0_u16, |from, variant| {
        let range = (&*variant.id, *from, variant.below.clamp(*from, BUCKETS));
        *from = range.2;
        Some(range)
    })
}

fn changes(changes: &[HeaderChange]) -> Vec<Value> {
    changes
        .iter()
        .map(|change| match change {
            HeaderChange::Set(name, value) => json!({"do": "set", "name": name, "value": value}),
            HeaderChange::SetNamed(name, value) => json!({"do": "set", "name": name, "value": value}),
            HeaderChange::Append(name, value) => json!({"do": "append", "name": name, "value": value}),
            HeaderChange::Remove(name) => json!({"do": "remove", "name": name}),
        })
        .collect()
}
