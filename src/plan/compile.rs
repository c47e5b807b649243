//! Document → plan.

use super::{
    CookieAttributes, Experiment, ExperimentAt, Experiments, Fixed, Gate, Kill, LayerPart, MeasuredHoldout, PageIndex,
    PageRule, Pattern, Plan, Position, Scope, Variant, VariantAt,
};
use crate::condition::{Condition, FactKey, Groups};
use crate::document::{self, Audience, Compared, Document, Problem, Severity};
use crate::hash::{self, BUCKETS, Salt};
use crate::pack::Words;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

impl Plan {
    /// Compiles a document after checking it.
    ///
    /// # Errors
    ///
    /// Every problem that makes the document refused.
    #[inline(never)]
    pub fn compile(document: &Document) -> Result<Self, Vec<Problem>> {
        let problems: Vec<Problem> =
            document::check(document).into_iter().filter(|problem| problem.severity == Severity::Error).collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let salt = document.salt.as_deref().unwrap_or(&document.project);
        let mut groups = Groups::default();
        for (name, members) in &document.groups {
            groups.insert(name, members);
        }
        let at: HashMap<&str, ExperimentAt> = document
            .experiments
            .iter()
            .enumerate()
            .map(|(number, experiment)| (experiment.id.as_str(), ExperimentAt::from_number(number)))
            .collect();
        let compiler = Compiler { document, salt, groups: &groups, at, conflicts: HashMap::new() };
        let experiments = compiler.experiments()?;
        let any = |holds: fn(&Experiment) -> bool| experiments.iter().any(holds);
        let (has_sessions, assigns_sessions) = (any(Experiment::needs_session), any(Experiment::assigns_sessions));
        let (has_users, has_shadows) = (any(|e| e.unit == document::UnitKind::User), any(|e| e.shadow.is_some()));
        let fixed = Fixed {
            project: document.project.as_str().into(),
            revision: document.revision.as_deref().map_or_else(|| content_revision(document), Into::into),
            index: PageIndex::new(&experiments),
            originals: super::original::of_targets(&experiments),
            cached: document.cache.iter().flat_map(|cache| &cache.pages).map(PageRule::compile).collect(),
            redirect_hosts: document.redirect_hosts.iter().map(|host| host.to_ascii_lowercase().into()).collect(),
            has_sessions,
            assigns_sessions,
            has_users,
            has_shadows,
            measured_holdout: measured_holdout(document),
            layers: layers(document, &experiments),
            keyed: keyed(&experiments),
            groups: groups.shared(),
            cookies: CookieAttributes::new(&document.visitor, true),
            loopback_cookies: CookieAttributes::new(&document.visitor, false),
            visitor: document.visitor.clone(),
            api: document.api.clone(),
            consent: document.consent.clone(),
            crawler_policy: document.crawlers.policy,
            crawler_also: document.crawlers.also.clone(),
            crawler_except: document.crawlers.except.clone(),
            headers: document.headers,
            bridge: document.bridge,
            preview: document.preview,
            holdout: Gate { salt: Salt::new(&format!("{salt}/holdout")), below: document.holdout.percent.buckets() },
            killed_by_document: document.kill,
        };
        let mut plan = Self { experiments, fixed: Arc::new(fixed) };
        plan.apply(&Kill::default());
        Ok(plan)
    }
}

/// A name for a document that was not pushed, so that a change to it is still seen by caches.
#[inline(never)]
fn content_revision(document: &Document) -> Box<str> {
    let text = serde_json::to_string(document).unwrap_or_default();
    format!("unpushed-{}", hash::fingerprint(&text)).into()
}

struct Compiler<'a> {
    document: &'a Document,
    salt: &'a str,
    groups: &'a Groups,
    at: HashMap<&'a str, ExperimentAt>,
    conflicts: HashMap<&'a str, u32>,
}

impl<'a> Compiler<'a> {
    #[inline(never)]
    fn experiments(mut self) -> Result<Experiments, Vec<Problem>> {
        let mut problems = Vec::new();
        let document = self.document;
        let mut experiments = Vec::with_capacity(document.experiments.len());
        for (index, experiment) in document.experiments.iter().enumerate() {
            match self.experiment(experiment) {
                Ok(experiment) => experiments.push(experiment),
                Err(message) => problems.push(Problem::error(format!("experiments[{index}]"), message)),
            }
        }
        if problems.is_empty() { Ok(experiments.into()) } else { Err(problems) }
    }

    #[inline(never)]
    fn experiment(&mut self, e: &'a document::Experiment) -> Result<Experiment, String> {
        let salt = |purpose: &str| Salt::new(&format!("{}/{}/{}/{purpose}", self.salt, e.id, e.iteration));
        let variant = |id: &document::Id| variant_at(e, id);
        let layer = match (&e.layer, e.slots) {
            (Some(layer), Some(slots)) => {
                let place = self.document.layers.keys().position(|other| other == layer);
                let salt = Salt::new(&format!("{}/layer/{layer}", self.salt));
                let percent = self.document.layers.get(layer).map(|layer| layer.holdout).unwrap_or_default();
                let holdout = (percent.buckets() > 0).then(|| Gate {
                    salt: Salt::new(&format!("{}/layer/{layer}/holdout", self.salt)),
                    below: percent.buckets(),
                });
                place.map(|layer| LayerPart { salt, slots, layer, holdout })
            }
            _ => None,
        };
        let requires = e
            .requires
            .iter()
            .map(|requirement| {
                let parent = *self.at.get(requirement.experiment.as_str())?;
                let required = self.document.experiments.get(parent.number())?;
                Some((parent, variant_at(required, &requirement.variant)?))
            })
            .collect::<Option<Vec<_>>>()
            .ok_or("requires a variant that does not exist")?;
        let overrides = e
            .overrides
            .iter()
            .map(|o| {
                Ok((self.condition(&o.audience)?, variant(&o.variant).ok_or("overrides with an unknown variant")?))
            })
            .collect::<Result<Vec<_>, String>>()?;
        let audience = e.audience.as_ref().map(|audience| self.condition(audience)).transpose()?;
        let held_out_code = held_out_code(e.id.as_str(), e.iteration);
        let mut variants = variants(e);
        make_codes_distinct(&mut variants, e.id.as_str(), e.iteration, held_out_code);
        let (traffic_salt, variant_salt) = (salt("traffic"), salt("variant"));
        let conflicts = e.conflicts.iter().map(|key| self.conflict(key)).collect();
        Ok(Experiment {
            id: e.id.as_str().into(),
            key: e.key.as_deref().map(Into::into),
            tags: e.tags.iter().map(|tag| tag.as_str().into()).collect(),
            kind: e.kind,
            status: e.status,
            killed: false,
            starts_at: e.starts_at.map(document::Timestamp::millis),
            ends_at: e.ends_at.map(document::Timestamp::millis),
            unit: e.unit,
            else_unit: e.else_unit,
            iteration: e.iteration,
            assignment_key: assignment_key(e.id.as_str(), e.iteration),
            held_out_code,
            traffic_salt,
            variant_salt,
            takeover: super::takeover::compile(e),
            assigned_elsewhere: e.assigned_by.is_some(),
            shadow: shadow(e),
            traffic: e.traffic.buckets(),
            hold: BUCKETS,
            ramp: e.ramp.iter().map(|step| (step.at.millis(), step.traffic.buckets())).collect(),
            layer,
            priority: e.priority,
            conflicts,
            scope: Scope {
                pages: e.pages.iter().map(PageRule::compile).collect(),
                except: e.except_pages.iter().map(PageRule::compile).collect(),
                hosts: e.hosts.iter().map(|host| Pattern::glob(&host.to_ascii_lowercase())).collect(),
                methods: e.methods.iter().map(|method| method.to_ascii_uppercase().into()).collect(),
            },
            audience,
            requires,
            overrides,
            sticky: e.is_sticky(),
            essential: e.essential,
            display: e.display,
            expose: e.expose,
            winner: e.winner.as_ref().and_then(variant),
            baseline: e.baseline.as_ref().and_then(variant).unwrap_or(VariantAt::CONTROL),
            redirects: e.variants.iter().any(|variant| variant.redirect.is_some()),
            rewrites: e.variants.iter().any(|variant| !variant.rewrite.is_empty()),
            by_origin: e.expose == document::Expose::Origin
                || e.variants.iter().skip(1).any(|variant| !self.acts_at_edge(variant)),
            variants: variants.into(),
        })
    }

    /// Whether a variant is carried out here, so that the origin need not know of it.
    fn acts_at_edge(&self, variant: &document::Variant) -> bool {
        !variant.rewrite.is_empty()
            || variant.redirect.is_some()
            || !variant.response_headers.is_empty()
            || (variant.payload.as_ref().is_some_and(|payload| !payload.is_null())
                && self.document.bridge != document::Bridge::None)
    }

    #[inline(never)]
    fn condition(&self, audience: &Audience) -> Result<Condition<FactKey>, String> {
        let owned;
        let condition = match audience {
            Audience::Named(name) => {
                self.document.audiences.get(name).ok_or_else(|| format!("the audience `{name}` does not exist"))?
            }
            Audience::Condition(condition) => {
                owned = serde_json::Value::Object(condition.clone());
                &owned
            }
        };
        Condition::parse(condition, self.groups, FactKey::parse).map_err(|problems| {
            problems.first().map_or_else(String::new, |problem| format!("{}: {}", problem.path, problem.message))
        })
    }

    fn conflict(&mut self, key: &'a str) -> u32 {
        let next = u32::try_from(self.conflicts.len()).unwrap_or(u32::MAX);
        *self.conflicts.entry(key).or_insert(next)
    }
}

/// With what an experiment in shadow mode is compared.
fn shadow(e: &document::Experiment) -> Option<Compared> {
    match &e.shadow {
        _ if e.mode != document::Mode::Shadow => None,
        None => Some(Compared::Nothing),
        Some(shadow) => Compared::parse(&shadow.compare),
    }
}

#[inline(never)]
fn variants(e: &document::Experiment) -> Vec<Variant> {
    let bounds = bounds(&e.shares()).unwrap_or_default();
    e.variants
        .iter()
        .enumerate()
        .map(|(index, variant)| {
            let below = bounds.get(index).copied().unwrap_or(BUCKETS);
            Variant {
                id: variant.id.as_str().into(),
                key: variant.key.as_deref().map(Into::into),
                below,
                written_below: below,
                code: assignment_code(e.id.as_str(), e.iteration, variant.id.as_str()),
                header_member: member(&e.id, &variant.id).into(),
                rewrite: variant.rewrite.clone(),
                redirect: variant.redirect.clone(),
                origin: variant.origin.clone(),
                response_headers: variant
                    .response_headers
                    .iter()
                    .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
                    .collect(),
                payload: variant.payload.as_ref().map(|payload| payload.to_string().into()),
            }
        })
        .collect()
}

/// The first bucket beyond each weight's cumulative share; `None` where they sum to nothing.
pub(super) fn bounds(weights: &[f64]) -> Option<Vec<u16>> {
    let sum: f64 = weights.iter().sum();
    let last = weights.iter().rposition(|weight| *weight > 0.0)?;
    let mut cumulative = 0.0;
    let of = |(index, weight): (usize, &f64)| {
        cumulative += weight;
        if index >= last { BUCKETS } else { bound(cumulative / sum) }
    };
    Some(weights.iter().enumerate().map(of).collect())
}

/// What stands for an iteration of an experiment in the assignment cookie.
#[must_use]
pub fn assignment_key(experiment: &str, iteration: u32) -> u32 {
    hash::short(&["assignment", experiment, &iteration.to_string()])
}

/// What stands for a variant there. It says the experiment once more, so that two experiments of one key are still told
/// apart.
#[must_use]
pub fn assignment_code(experiment: &str, iteration: u32, variant: &str) -> u32 {
    hash::short(&["variant", experiment, &iteration.to_string(), variant])
}

/// What stands there for having been held out.
#[must_use]
pub fn held_out_code(experiment: &str, iteration: u32) -> u32 {
    // why: no variant's id is empty
    assignment_code(experiment, iteration, "")
}

/// Gives a variant another code where it has that of one before it, by the order of their ids: once in five million
/// experiments of three variants, and whenever there are thousands.
#[inline(never)]
fn make_codes_distinct(variants: &mut [Variant], experiment: &str, iteration: u32, held_out: u32) {
    let mut codes: Vec<u32> = variants.iter().map(|variant| variant.code).chain([held_out]).collect();
    codes.sort_unstable();
    if codes.windows(2).all(|pair| pair.first() != pair.last()) {
        return;
    }
    let mut taken = HashSet::from([held_out]);
    let mut by_id: Vec<&mut Variant> = variants.iter_mut().collect();
    by_id.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    for variant in by_id {
        let mut attempt = 0_u32;
        while !taken.insert(variant.code) && attempt < u32::from(u16::MAX) {
            attempt += 1;
            variant.code = assignment_code(experiment, iteration, &format!("{}/{attempt}", variant.id));
        }
    }
}

fn variant_at(e: &document::Experiment, id: &document::Id) -> Option<VariantAt> {
    e.variants.iter().position(|variant| variant.id == *id).map(VariantAt::from_number)
}

fn measured_holdout(document: &Document) -> Option<MeasuredHoldout> {
    let percent = document.holdout.percent.buckets();
    let compared = f64::from(percent) * (1.0 + document.holdout.compare.max(0.0));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let compared_below = if compared >= f64::from(BUCKETS) { BUCKETS } else { compared.round() as u16 };
    (percent > 0).then(|| MeasuredHoldout {
        assignment_key: assignment_key(MeasuredHoldout::ID, 1),
        codes: MeasuredHoldout::GROUPS.map(|group| assignment_code(MeasuredHoldout::ID, 1, group)),
        compared_below,
    })
}

fn layers(document: &Document, experiments: &Experiments) -> Vec<Vec<ExperimentAt>> {
    let mut layers = vec![Vec::new(); document.layers.len()];
    for (at, e) in experiments.positioned() {
        if let Some(layer) = e.layer.and_then(|part| layers.get_mut(part.layer)) {
            layer.push(at);
        }
    }
    layers
}

fn keyed(experiments: &Experiments) -> Words {
    let number = |at: ExperimentAt| u32::try_from(at.number()).unwrap_or(u32::MAX);
    let mut keyed: Vec<_> = experiments.positioned().map(|(at, e)| [e.assignment_key, number(at)]).collect();
    keyed.sort_unstable();
    Words(keyed.into_flattened())
}

/// The first bucket beyond a cumulative share: bucket b is within it where b / 10,000 < share. The tolerance keeps
/// 0.333 from taking one bucket more because its product with 10,000 is 3330.0000000000005.
fn bound(share: f64) -> u16 {
    let buckets = (share * f64::from(BUCKETS) - 1e-6).ceil();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    if buckets >= f64::from(BUCKETS) { BUCKETS } else { buckets.max(0.0) as u16 }
}

/// A member of the RFC 9651 dictionary: keys start with a letter or `*`, tokens too, so an id that starts with a digit
/// gets a `*` as a key and quotes as a value.
fn member(experiment: &document::Id, variant: &document::Id) -> String {
    let digit = |id: &document::Id| id.as_str().starts_with(|first: char| first.is_ascii_digit());
    let star = if digit(experiment) { "*" } else { "" };
    let quote = if digit(variant) { "\"" } else { "" };
    format!("{star}{experiment}={quote}{variant}{quote}")
}
