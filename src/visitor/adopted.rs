//! Assignments that another tool wrote into cookies of its own. Read as they are, and never written.
//!
//! Snippets that draw lots in the browser have no hash that could be computed: only their cookies know who has which
//! variant. Whoever sends a cookie chooses what it says, so it counts as far as it names a variant that exists, and for
//! nobody who has an assignment already.

use super::cookies;
use crate::ascii;
use crate::document::{Adopt, AdoptFrom};
use crate::json::{self, Value};
use crate::plan::{Experiment, Position, VariantAt};
use crate::url::decode_path;

/// The longest value that is read: browsers keep about 4 KB of a cookie, and URL-encoding makes three of one byte.
const LONGEST: usize = 12_288;

/// How many cookies of one tool are read.
const MOST_COOKIES: usize = 32;

/// How many assignments are kept of a request.
const MOST_ASSIGNMENTS: usize = 1_000;

/// What another tool did with a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// It gave the variant.
    Variant(VariantAt),
    /// It left the browser out.
    LeftOut,
}

/// By what ids a tool may have assigned.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ids<'a> {
    /// The visitor id, where the request brought one.
    pub visitor: Option<&'a str>,
    /// The user id.
    pub user: Option<&'a str>,
}

/// What the cookies of a request say.
#[derive(Debug, Default)]
pub struct Told<'a> {
    told: Vec<Saying<'a>>,
}

/// One assignment, in the tool's own words.
#[derive(Debug)]
struct Saying<'a> {
    by: &'a Adopt,
    experiment: String,
    /// None: left out.
    variant: Option<String>,
    /// How well the unit of the assignment fits whoever asks: the fitter wins.
    fit: u8,
}

impl<'a> Told<'a> {
    /// Reads the cookies of these tools in a `Cookie` header. Survives any text: what cannot be read says nothing.
    #[must_use]
    pub fn read(tools: &'a [Adopt], header: &str, ids: Ids<'_>) -> Self {
        let mut read = Self::default();
        for by in tools {
            let pattern = by.cookie.as_deref().unwrap_or_else(|| by.from.cookie());
            let named = cookies::pairs(header).filter_map(|(name, value)| {
                let name = if name.contains('%') { decode_path(name) } else { name.to_owned() };
                let star = between(pattern, &name)?.to_owned();
                (value.len() <= LONGEST).then_some((star, value))
            });
            for (star, value) in named.take(MOST_COOKIES) {
                read.cookie(by, star, value, ids);
            }
            // why: VWO says in a cookie beside it whom it left out
            if by.from == AdoptFrom::Vwo
                && let Some(start) = pattern.strip_suffix("_combi")
            {
                let pattern = format!("{start}_exclude");
                let left_out = cookies::pairs(header).filter_map(|(name, _)| between(&pattern, name));
                for campaign in left_out.take(MOST_COOKIES) {
                    read.push(by, campaign.to_owned(), None, 0);
                }
            }
        }
        read
    }

    fn cookie(&mut self, by: &'a Adopt, star: String, value: &str, ids: Ids<'_>) {
        let value = if value.contains('%') { decode_path(value) } else { value.to_owned() };
        match by.from {
            AdoptFrom::Growthbook => {
                let Some((of, assignments)) = sticky_buckets(&value) else { return };
                let fit = match ids {
                    Ids { visitor: Some(id), .. } if id == of => 2,
                    Ids { user: Some(id), .. } if id == of => 3,
                    // why: of a browser whose id reaches the edge, other ids' buckets are other people's
                    Ids { visitor: Some(_), .. } => return,
                    Ids { visitor: None, .. } => 1,
                };
                for (experiment, variant) in assignments {
                    self.push(by, experiment, Some(variant), fit);
                }
            }
            AdoptFrom::Vwo => self.push(by, star, Some(value), 1),
            AdoptFrom::Convert => {
                let list = ascii::pieces(&value, b'*').find_map(|piece| piece.strip_prefix("exp:")).unwrap_or_default();
                for (experiment, variant) in convert(list) {
                    // why: 1 stands for who was left out by the traffic
                    self.push(by, experiment.to_owned(), (variant != "1").then(|| variant.to_owned()), 1);
                }
            }
            AdoptFrom::Optimizely => {
                let Some(map) = json::object(value.as_bytes()) else { return };
                // why: of what is said twice the last counts, and of what is kept the first
                for (experiment, variant) in map.into_iter().rev() {
                    let variant = match variant {
                        Value::String(text) => text.into_owned(),
                        Value::Number((number, _)) => number.to_owned(),
                        _ => continue,
                    };
                    // why: 0 stands for who was left out by the traffic
                    self.push(by, experiment.into_owned(), (variant != "0").then_some(variant), 1);
                }
            }
            AdoptFrom::Abtasty => {
                let list = ascii::pieces(&value, b'&').find_map(|piece| piece.strip_prefix("th=")).unwrap_or_default();
                for campaign in ascii::pieces(list, b'_') {
                    let mut fields = ascii::pieces(campaign, b'.');
                    if let (Some(campaign), Some(variant)) = (fields.next(), fields.next()) {
                        // why: -1 stands for who is not tracked
                        self.push(by, campaign.to_owned(), (variant != "-1").then(|| variant.to_owned()), 1);
                    }
                }
            }
        }
    }

    fn push(&mut self, by: &'a Adopt, experiment: String, variant: Option<String>, fit: u8) {
        if self.told.len() < MOST_ASSIGNMENTS {
            self.told.push(Saying { by, experiment, variant, fit });
        }
    }

    /// What a tool did with the browser in an experiment; by `tool`: that one alone.
    #[must_use]
    pub fn of(&self, e: &Experiment, tool: Option<AdoptFrom>) -> Option<Adopted> {
        let mut best: Option<(u8, Adopted)> = None;
        for saying in self.told.iter().filter(|it| tool.is_none_or(|tool| tool == it.by.from)) {
            if !is_name(saying, e) || best.is_some_and(|(fit, _)| saying.fit <= fit) {
                continue;
            }
            let adopted = match &saying.variant {
                None => Some(Adopted::LeftOut),
                Some(variant) => variant_of(e, saying.by.from, variant).map(Adopted::Variant),
            };
            best = adopted.map(|adopted| (saying.fit, adopted)).or(best);
        }
        best.map(|(_, adopted)| adopted)
    }
}

/// A document of GrowthBook's sticky buckets: whose they are, and which variant of which experiment.
fn sticky_buckets(text: &str) -> Option<(String, Vec<(String, String)>)> {
    let mut of = None;
    let mut assignments = None;
    for (name, value) in json::object(text.as_bytes())? {
        let is_first = match (&*name, value) {
            ("attributeValue", Value::String(text)) => of.replace(text.into_owned()).is_none(),
            ("assignments", Value::Object(members)) => {
                let texts = members.into_iter().rev().map(|(experiment, variant)| match variant {
                    Value::String(variant) => Some((experiment.into_owned(), variant.into_owned())),
                    _ => None,
                });
                assignments.replace(texts.collect::<Option<Vec<_>>>()?).is_none()
            }
            ("attributeValue" | "assignments", _) => false,
            _ => true,
        };
        is_first.then_some(())?;
    }
    Some((of?, assignments?))
}

/// Whether the tool's name in the cookie is that of an experiment.
fn is_name(saying: &Saying<'_>, e: &Experiment) -> bool {
    let written = saying.by.names.iter().find(|(id, _)| id.as_str() == &*e.id);
    if let Some((_, name)) = written {
        return *name == saying.experiment;
    }
    let name = e.key.as_deref().unwrap_or(&e.id);
    match saying.by.from {
        AdoptFrom::Growthbook => saying.experiment.strip_suffix("__0") == Some(name),
        _ => saying.experiment == name,
    }
}

/// The variant that a tool means: by its `key`, by its id, or by its number where the tool counts.
fn variant_of(e: &Experiment, from: AdoptFrom, text: &str) -> Option<VariantAt> {
    let named = e.variant_named(text);
    if named.is_some() {
        return named;
    }
    let number: usize = text.parse().ok().filter(|number| *number <= 1_000)?;
    let position = match from {
        AdoptFrom::Growthbook => number,
        // why: its control is 1
        AdoptFrom::Vwo => number.checked_sub(1)?,
        // why: its original is 0, and the others have ids
        AdoptFrom::Abtasty if number == 0 => 0,
        _ => return None,
    };
    (position < e.variants.len()).then(|| VariantAt::from_number(position))
}

/// What stands for the one `*` of a pattern; empty where there is none and the name is the pattern.
fn between<'n>(pattern: &str, name: &'n str) -> Option<&'n str> {
    match ascii::split_once(pattern, b'*') {
        Some((start, end)) => name.strip_prefix(start)?.strip_suffix(end),
        None => (name == pattern).then_some(""),
    }
}

/// The experiences and variations of Convert's list: `{1001.{v.2001-g.{}}-1002.{v.2002-g.{}}}`.
fn convert(list: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_digit = |byte: u8| byte.is_ascii_digit();
    ascii::pieces(list, b'v').zip(ascii::pieces(list, b'v').skip(1)).filter_map(move |(before, after)| {
        let experience = before.strip_suffix(".{")?;
        let start = experience.bytes().rposition(|byte| !is_digit(byte)).map_or(0, |last| last + 1);
        let experience = experience.get(start..).filter(|digits| !digits.is_empty())?;
        let variation = after.strip_prefix('.')?;
        let end = variation.bytes().position(|byte| !is_digit(byte)).unwrap_or(variation.len());
        Some((experience, variation.get(..end).filter(|digits| !digits.is_empty())?))
    })
}
