//! Shadow mode: an experiment is decided as if it were live and changes nothing; its decision is compared with what the
//! old tool gave the same visitor, by that tool's cookie or header. The counts say whether it is time to switch.

use crate::decide::decide_compared;
use crate::document::{Compared, UnitKind};
use crate::facts::{Facts, Person, Request, Source};
use crate::json::write::{Object, member};
use crate::plan::{Experiment, ExperimentAt, Plan, VariantAt};
use crate::sender::adoption::{adopt, ids};
use crate::sender::{self, Proof, Sender};
use crate::url::decode_path;
use crate::visit::{RequestKind, on_page};
use crate::visitor::Consented;
use crate::visitor::adopted::{Adopted, Told};
use std::collections::BTreeMap;

/// How many decisions that differ are remembered.
const MOST_SHOWN: usize = 10;

/// The longest text of the old tool's that is shown.
const LONGEST_SHOWN: usize = 64;

/// What a shadow decided for a visitor, with where the old tool's word stands.
#[derive(Clone, Debug)]
pub struct Compare {
    experiment: ExperimentAt,
    /// None: not assigned.
    ours: Option<VariantAt>,
    reason: &'static str,
    /// The visitor or user; none: who the old tool assigned does not reach us.
    unit: Option<Box<str>>,
}

/// What came of one comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Theirs {
    /// The old tool says nothing of this visitor.
    Silent,
    /// It assigned them to nothing, or to a variant by index.
    Assigned(Option<VariantAt>),
    /// It says what is none of the variants.
    Unknown(Box<str>),
}

/// The comparisons of a request, of which some may wait for the answer's headers.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    settled: Vec<(Compare, Theirs)>,
    waiting: Vec<(Compare, Box<str>)>,
}

impl Watch {
    /// Decides and compares for a request; `None` where nothing is to be compared.
    pub fn new<S: Source>(plan: &Plan, request: &Request<'_, S>, proof: Proof<'_>) -> Option<Self> {
        let now = proof.now;
        let mut on_page = on_page(plan, request, RequestKind::of(request));
        on_page.retain(|&at| plan.experiments.get(at).is_some_and(|e| e.is_live(now) || e.is_compared(now)));
        let is_compared = |at: &ExperimentAt| plan.experiments.get(*at).is_some_and(|e| e.is_compared(now));
        if !on_page.iter().any(is_compared) || sender::is_prefetch(request) {
            return None;
        }
        // why: an id that would have to be made is one that the old tool cannot know
        let Sender::Person(mut visitor) = sender::identify(plan, &on_page, request, proof, || [0; 16]) else {
            return None;
        };
        if visitor.consent == Consented::OnlyEssential {
            return None;
        }
        let told = Told::read(&plan.visitor.adopt, request.cookie_header(), ids(&visitor));
        // why: what a tool's cookies say must not be compared with itself
        let by_other = |e: &Experiment| e.is_compared(now) && !matches!(e.shadow, Some(Compared::Tool(_)));
        adopt(plan, &on_page, request, &mut visitor, now, by_other);
        let person = Person::of(&visitor, &[]);
        let facts = Facts { request, person: Some(person) };
        let mut watch = Self::default();
        for decision in decide_compared(plan, &on_page, &facts, person, now) {
            let Some(e) = plan.experiments.get(decision.experiment).filter(|e| e.is_compared(now)) else { continue };
            let Some(shadow) = &e.shadow else { continue };
            let unit = match decision.evidence.unit.unwrap_or(e.unit) {
                UnitKind::Visitor => visitor.returning.then(|| visitor.id.as_str()),
                UnitKind::User => visitor.user.as_deref(),
                UnitKind::Session => {
                    visitor.session.as_ref().filter(|(_, brought)| *brought).map(|(id, _)| id.as_str())
                }
            };
            let compare = Compare {
                experiment: decision.experiment,
                ours: decision.variant.filter(|_| decision.reason.acts()),
                reason: decision.reason.as_str(),
                unit: unit.map(Into::into),
            };
            match shadow {
                Compared::Tool(tool) => watch.settled.push((compare, by_tool(told.of(e, Some(*tool))))),
                Compared::Nothing => watch.settled.push((compare, Theirs::Silent)),
                Compared::Cookie(name) => {
                    let said = request.cookie(name).map_or(Theirs::Silent, |text| read(e, text));
                    watch.settled.push((compare, said));
                }
                Compared::Header(name) => match request.header(name) {
                    Some(text) => watch.settled.push((compare, read(e, &text))),
                    None => watch.waiting.push((compare, name.clone())),
                },
            }
        }
        Some(watch)
    }

    /// The headers of the answer that are waited for, in lower case.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.waiting.iter().map(|(_, name)| &**name)
    }

    /// Takes in what the answer's headers say, in the order of [`Watch::headers`].
    pub fn answered<'t>(&mut self, plan: &Plan, mut values: impl Iterator<Item = Option<&'t str>>) {
        for (compare, _) in self.waiting.drain(..) {
            let e = plan.experiments.get(compare.experiment);
            let said = values.next().flatten().zip(e).map_or(Theirs::Silent, |(text, e)| read(e, text));
            self.settled.push((compare, said));
        }
    }
}

fn by_tool(adopted: Option<Adopted>) -> Theirs {
    match adopted {
        None => Theirs::Silent,
        Some(Adopted::LeftOut) => Theirs::Assigned(None),
        Some(Adopted::Variant(variant)) => Theirs::Assigned(Some(variant)),
    }
}

/// What a text of the old tool's means: nothing and `null` are nobody's variant.
fn read(e: &Experiment, text: &str) -> Theirs {
    let decoded = if text.contains('%') { decode_path(text) } else { text.to_owned() };
    let decoded = decoded.trim();
    if decoded.is_empty() || decoded == "null" {
        return Theirs::Assigned(None);
    }
    match e.variant_named(decoded) {
        Some(variant) => Theirs::Assigned(Some(variant)),
        None => Theirs::Unknown(decoded.chars().filter(|c| !c.is_control()).take(LONGEST_SHOWN).collect()),
    }
}

/// How often a shadow agreed with the old tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Both gave the visitor the same, or nothing.
    pub agree: u64,
    /// They did not.
    pub differ: u64,
    /// The old tool said what is none of the variants.
    pub unknown: u64,
    /// The old tool said nothing: its cookie or header was not there.
    pub silent: u64,
    /// The id that the old tool assigns by did not reach us.
    pub unidentified: u64,
}

impl Counts {
    /// They as JSON.
    #[must_use]
    pub fn to_json(self) -> String {
        let mut text = String::new();
        let mut object = Object::begin(&mut text);
        object.number(member!("agree"), self.agree);
        object.number(member!("differ"), self.differ);
        object.number(member!("unknown"), self.unknown);
        object.number(member!("silent"), self.silent);
        object.number(member!("unidentified"), self.unidentified);
        object.end();
        text
    }
}

/// A decision that differed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    experiment: Box<str>,
    unit: Box<str>,
    /// None: not assigned.
    ours: Option<Box<str>>,
    reason: &'static str,
    theirs: Option<Box<str>>,
}

impl Difference {
    /// It as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = String::new();
        let mut object = Object::begin(&mut text);
        object.text(member!("experiment"), &self.experiment);
        object.text(member!("unit"), &self.unit);
        object.maybe(member!("ours"), self.ours.as_deref());
        object.text(member!("reason"), self.reason);
        object.maybe(member!("theirs"), self.theirs.as_deref());
        object.end();
        text
    }
}

/// What an isolate's comparisons came to, under one document.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    revision: Box<str>,
    counts: BTreeMap<Box<str>, Counts>,
    /// The last that differed, the oldest first.
    differences: Vec<Difference>,
}

impl Tally {
    /// Counts what is settled. Another document's counts are dropped: what they compared is no longer there.
    pub fn count(&mut self, plan: &Plan, watch: &Watch) {
        if self.revision != plan.revision {
            *self = Self { revision: plan.revision.clone(), ..Self::default() };
        }
        for (compare, theirs) in &watch.settled {
            let Some(e) = plan.experiments.get(compare.experiment) else { continue };
            let counts = self.counts.entry(e.id.clone()).or_default();
            let Some(unit) = &compare.unit else {
                counts.unidentified += 1;
                continue;
            };
            let name = |variant: Option<VariantAt>| Some(e.variants.get(variant?)?.id.clone());
            let theirs = match theirs {
                Theirs::Silent => {
                    counts.silent += 1;
                    continue;
                }
                Theirs::Assigned(theirs) if *theirs == compare.ours => {
                    counts.agree += 1;
                    continue;
                }
                Theirs::Assigned(theirs) => {
                    counts.differ += 1;
                    name(*theirs)
                }
                Theirs::Unknown(text) => {
                    counts.unknown += 1;
                    Some(text.clone())
                }
            };
            if self.differences.len() >= MOST_SHOWN {
                self.differences.remove(0);
            }
            self.differences.push(Difference {
                experiment: e.id.clone(),
                unit: unit.chars().take(LONGEST_SHOWN).collect(),
                ours: name(compare.ours),
                reason: compare.reason,
                theirs,
            });
        }
    }

    /// The counts of all shadows together; `None` where there was nothing to compare.
    #[must_use]
    pub fn total(&self) -> Option<Counts> {
        (!self.counts.is_empty()).then(|| {
            self.counts.values().fold(Counts::default(), |sum, one| Counts {
                agree: sum.agree + one.agree,
                differ: sum.differ + one.differ,
                unknown: sum.unknown + one.unknown,
                silent: sum.silent + one.silent,
                unidentified: sum.unidentified + one.unidentified,
            })
        })
    }

    /// The counts by experiment.
    #[must_use]
    pub fn by_experiment(&self) -> &BTreeMap<Box<str>, Counts> {
        &self.counts
    }

    /// The last decisions that differed, the oldest first.
    #[must_use]
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }
}
