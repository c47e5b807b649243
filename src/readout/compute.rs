//! Answers of the record and the document → results.

use super::answers::{Answers, Known, Scope, metrics};
use super::gate::{self, Gate};
use super::metric::{Rule, Sums, compare, guard, margin};
use super::types::{Comparison, Day, Ending, Metric, MetricRole, Point, Progress, Results, Series, Variant};
use super::verdict::{Grounds, verdict};
use super::{health, segment};
use crate::document::{Document, Experiment, Method, MetricKind, Status, Timestamp};
use crate::ledger::readout::{Row, sum, unit};
use crate::stats::{
    self, Aggregate, Baseline, Direction, Effect, Level, TenureDay, Trend, Tuning, benjamini_hochberg, days_for, holm,
    mde_at, novelty, sample_size, sequential_sample_size,
};

/// Whether a row is of the dimension `day`.
fn is_day(row: &Row) -> bool {
    row.text(unit::DIMENSION) == "day"
}

const DAY_MS: i64 = 86_400_000;

/// Makes an experiment's results of the answers to [`super::questions`] of the same scope.
#[must_use]
pub fn results(
    document: &Document,
    experiment: &Experiment,
    known: &Known,
    answers: &[Option<String>],
    scope: Scope,
    now: Timestamp,
) -> Results {
    let answers = Answers::read(answers);
    let one = One { document, experiment, known, answers, scope, now };
    one.results()
}

/// One experiment and all that is known of it.
struct One<'a> {
    document: &'a Document,
    experiment: &'a Experiment,
    known: &'a Known,
    answers: Answers,
    scope: Scope,
    now: Timestamp,
}

impl One<'_> {
    fn results(&self) -> Results {
        let e = self.experiment;
        let analysis = e.analysis.unwrap_or_default();
        let variants = self.variants();
        let days = self.days();
        let units = variants.iter().map(|variant| variant.units).sum();
        let contaminated = self.units(|dimension, _, _| dimension == "contaminated");
        let is_over = e.status == Status::Completed || e.ends_at.is_some_and(|end| end <= self.now);
        let metrics = self.metrics(&variants);
        let primary = metrics.iter().zip(self.kinds()).find(|(metric, _)| metric.role == MetricRole::Primary);
        let progress = primary.and_then(|(_, kind)| self.progress(kind, &variants, &days));
        let first_day = days.first().map_or("", |first| first.day.as_str());
        let is_ours = |row: &&Row| row.text(0) == e.id.as_str() && row.text(1) >= first_day;
        let ending =
            |row: &Row| Ending { at: row.text(1).to_owned(), reason: row.text(2).to_owned(), variant: row.optional(3) };
        let endings: Vec<Ending> = self.known.endings.iter().filter(is_ours).map(ending).collect();
        let killed = self.known.kill.all || self.known.kill.experiments.contains(&e.id) || self.document.kill;
        let segments =
            primary.map_or_else(Vec::new, |(_, kind)| segment::segments(e, &self.answers, kind, self.rule(kind, 0)));
        let daily: Vec<Vec<f64>> =
            days.iter().map(|day| day.units.iter().map(|units| *units as f64).collect()).collect();
        let overall: Vec<(String, f64, bool)> = primary.map_or_else(Vec::new, |(metric, _)| {
            let told = |c: &Comparison| (c.variant.clone(), c.difference.unwrap_or(0.0), c.significant);
            metric.comparisons.iter().map(told).collect()
        });
        let [sent, lost, crawlers, visits] = self.known.delivery;
        let contradicting = self
            .answers
            .outcomes
            .iter()
            .flatten()
            .filter(|row| row.text(unit::DIMENSION) == "contradicts")
            .map(|row| row.number(sum::CONVERTED))
            .max();
        let gates: Vec<Gate> = vec![
            gate::record(self.answers.failed + self.known.failed),
            gate::ratio(&variants, &daily, is_over),
            gate::units(&variants),
            gate::contamination(units, contaminated),
            gate::loss(sent, lost),
            gate::treatment(contradicting.unwrap_or(0), units),
            gate::ended_early(&endings, killed, analysis.method),
            gate::novelty(&primary.map_or_else(Vec::new, |(_, kind)| self.trends(kind, &variants))),
            gate::simpson(&segments, &overall),
            gate::currency(self.mixed()),
            gate::crawlers(crawlers, visits),
        ];
        let verdict = verdict(&Grounds {
            gates: &gates,
            metrics: &metrics,
            variants: &variants,
            progress,
            units,
            method: analysis.method,
            confidence: analysis.confidence,
            is_over,
            direction: Direction::HigherIsBetter,
            asked: self.answers.asked,
            status: e.status,
        });
        let series = primary.map_or_else(Vec::new, |(_, kind)| self.series(kind, &days));
        Results {
            id: e.id.to_string(),
            name: e.name.clone(),
            hypothesis: e.hypothesis.clone(),
            owner: e.owner.clone(),
            rollback: e.rollback.as_ref().map_or_else(Default::default, |r| [r.owner.clone(), r.when.clone()]),
            status: e.status,
            killed,
            iteration: e.iteration,
            starts_at: e.starts_at.map(|at| at.to_string()),
            ends_at: e.ends_at.map(|at| at.to_string()),
            days_left: e
                .ends_at
                .map(|end| ((end.millis() - self.now.millis()).max(0) as u64).div_ceil(DAY_MS as u64) as i64),
            method: analysis.method,
            confidence: analysis.confidence,
            units,
            contaminated,
            variants,
            verdict,
            gates,
            metrics,
            progress,
            days,
            series,
            segments,
            health: health::of_experiment(self.known, e),
            endings,
            audit: self.known.audit.clone(),
            computed_at: self.now.to_string(),
        }
    }

    fn units(&self, chosen: impl Fn(&str, &str, &str) -> bool) -> i64 {
        let chosen = |row: &&Row| chosen(row.text(unit::DIMENSION), row.text(unit::PART), row.text(unit::VARIANT));
        self.answers.units.iter().filter(chosen).map(|row| row.number(unit::UNITS)).sum()
    }

    fn variants(&self) -> Vec<Variant> {
        let shares = self.experiment.shares();
        let total: f64 = shares.iter().sum();
        let of = |(variant, share): (&crate::document::Variant, &f64)| Variant {
            id: variant.id.to_string(),
            share: share / total,
            units: self.units(|dimension, _, id| dimension == "day" && id == variant.id.as_str()),
        };
        self.experiment.variants.iter().zip(&shares).map(of).collect()
    }

    fn days(&self) -> Vec<Day> {
        let mut days: Vec<String> = self
            .answers
            .units
            .iter()
            .filter(|row| is_day(row) && row.number(unit::UNITS) > 0)
            .map(|row| row.text(unit::PART).to_owned())
            .collect();
        days.sort_unstable();
        days.dedup();
        let of = |day: String| {
            let units =
                |id: &str| self.units(|dimension, part, variant| dimension == "day" && part == day && variant == id);
            Day { units: self.experiment.variants.iter().map(|variant| units(variant.id.as_str())).collect(), day }
        };
        days.into_iter().map(of).collect()
    }

    /// The kinds of the asked metrics, in the order of the answers.
    fn kinds(&self) -> Vec<MetricKind> {
        metrics(self.document, self.experiment, self.scope).into_iter().map(|(_, metric)| metric.kind).collect()
    }

    fn rule(&self, kind: MetricKind, position: usize) -> Rule {
        let analysis = self.experiment.analysis.unwrap_or_default();
        let alpha = Level::new(1.0 - analysis.confidence).unwrap_or(Level::FIVE_PERCENT);
        let event =
            metrics(self.document, self.experiment, self.scope).get(position).map_or("", |(_, metric)| &metric.event);
        Rule {
            method: analysis.method,
            // why: several treatments are several chances to be fooled
            alpha: alpha.shared_among(self.experiment.variants.len().saturating_sub(1)),
            scale: if kind == MetricKind::Proportion { 1.0 } else { self.known.minor_units(event) },
            direction: Direction::HigherIsBetter,
        }
    }

    fn metrics(&self, variants: &[Variant]) -> Vec<Metric> {
        let Some(named) = &self.experiment.metrics else { return Vec::new() };
        let mut shown = Vec::new();
        for (position, (id, metric)) in metrics(self.document, self.experiment, self.scope).into_iter().enumerate() {
            let rows = self.answers.outcomes.get(position).map_or(&[][..], Vec::as_slice);
            let arm = |variant: &Variant| Sums::of(rows, &variant.id, is_day).aggregate(metric.kind, variant.units);
            let arms: Vec<Aggregate> = variants.iter().map(arm).collect();
            let guardrail = named.guardrails.iter().find(|guardrail| guardrail.metric == *id);
            let role = match (named.primary.as_ref() == Some(id), guardrail) {
                (true, _) => MetricRole::Primary,
                (false, Some(_)) if !named.secondary.contains(id) => MetricRole::Guardrail,
                _ => MetricRole::Secondary,
            };
            let mut rule = self.rule(metric.kind, position);
            if let (MetricRole::Guardrail, Some(guardrail)) = (role, guardrail) {
                rule.direction = margin(guardrail).0;
            }
            let (control, treatments) = arms.split_first().map_or((None, &[][..]), |(first, rest)| (Some(first), rest));
            let mut comparisons = Vec::new();
            for (variant, treatment) in variants.iter().skip(1).zip(treatments) {
                let Some(control) = control else { continue };
                let mut comparison = compare(&variant.id, control, treatment, rule);
                if let Some(guardrail) = guardrail {
                    guard(&mut comparison, control, treatment, guardrail, rule.alpha);
                }
                comparisons.push(comparison);
            }
            let currency =
                self.known.currencies_of(&metric.event).first().filter(|_| metric.kind != MetricKind::Proportion);
            shown.push(Metric {
                id: id.to_string(),
                role,
                kind: metric.kind,
                currency: currency.cloned(),
                means: arms.iter().map(|arm| arm.raw_mean().map(|mean| mean / rule.scale)).collect(),
                comparisons,
            });
        }
        self.correct(&mut shown);
        shown
    }

    /// Corrects the p-values of all treatments and goal metrics for each other.
    fn correct(&self, metrics: &mut [Metric]) {
        let analysis = self.experiment.analysis.unwrap_or_default();
        let alpha = Level::new(1.0 - analysis.confidence).unwrap_or(Level::FIVE_PERCENT);
        let goals = || |metric: &&mut Metric| metric.role != MetricRole::Guardrail;
        let family: Vec<Option<f64>> =
            metrics.iter_mut().filter(goals()).flat_map(|metric| metric.comparisons.iter().map(|c| c.p)).collect();
        let corrected = holm(&family, alpha).into_iter().zip(benjamini_hochberg(&family, alpha));
        let comparisons = metrics.iter_mut().filter(goals()).flat_map(|metric| metric.comparisons.iter_mut());
        for (comparison, (holm, bh)) in comparisons.zip(corrected) {
            comparison.p_holm = holm.map(|adjusted| adjusted.p);
            comparison.p_bh = bh.map(|adjusted| adjusted.p);
        }
    }

    fn primary_rows(&self) -> &[Row] {
        self.answers.outcomes.first().map_or(&[], Vec::as_slice)
    }

    /// The lift as it was at the end of each day.
    fn series(&self, kind: MetricKind, days: &[Day]) -> Vec<Series> {
        let mut all: Vec<&str> = days.iter().map(|day| day.day.as_str()).collect();
        all.extend(self.primary_rows().iter().filter(|row| is_day(row)).map(|row| row.text(unit::PART)));
        all.sort_unstable();
        all.dedup();
        let rule = Rule { method: Method::Sequential, ..self.rule(kind, 0) };
        let until = |position: usize, id: &str, day: &str| {
            let units =
                days.iter().filter(|one| one.day.as_str() <= day).filter_map(|one| one.units.get(position)).sum();
            let sums = Sums::of(self.primary_rows(), id, |row| is_day(row) && row.text(unit::PART) <= day);
            sums.aggregate(kind, units)
        };
        let of = |(position, variant): (usize, &crate::document::Variant)| {
            let control = self.experiment.variants.first().map_or("", |variant| variant.id.as_str());
            let point = |day: &&str| {
                let shown = compare(
                    variant.id.as_str(),
                    &until(0, control, day),
                    &until(position, variant.id.as_str(), day),
                    rule,
                );
                Some(Point { day: (*day).to_owned(), lift: shown.lift?, interval: shown.lift_interval })
            };
            Series { variant: variant.id.to_string(), points: all.iter().filter_map(point).collect() }
        };
        self.experiment.variants.iter().enumerate().skip(1).map(of).collect()
    }

    /// Whether effects fade or grow with the days since the exposure.
    fn trends(&self, kind: MetricKind, variants: &[Variant]) -> Vec<(String, Trend)> {
        let today = self.now.to_string();
        let today: Option<Timestamp> = today.get(..10).and_then(|day| format!("{day}T00:00:00Z").parse().ok());
        let Some(today) = today else { return Vec::new() };
        // why: a unit counts on the days since its exposure that are over
        let arm = |id: &str, age: i64| {
            let last = Timestamp::from_millis(today.millis() - (age + 1) * DAY_MS).to_string();
            let last = last.get(..10).unwrap_or_default();
            let units = self.units(|dimension, day, variant| dimension == "day" && variant == id && day <= last);
            let sums = Sums::of(self.primary_rows(), id, |row| {
                row.text(unit::DIMENSION) == "age" && row.number(unit::PART) == age
            });
            sums.aggregate(kind, units)
        };
        let Some((control, treatments)) = variants.split_first() else { return Vec::new() };
        let trend = |variant: &Variant| {
            let day = |age: i64| TenureDay {
                day: age as f64,
                control: arm(&control.id, age),
                treatment: arm(&variant.id, age),
            };
            let days: Vec<TenureDay> = (0..28).map(day).collect();
            Some((variant.id.clone(), novelty(&days, Effect::Absolute, Level::ONE_IN_A_THOUSAND).ok()?.trend))
        };
        treatments.iter().filter_map(trend).collect()
    }

    fn mixed(&self) -> Option<(&str, &[String])> {
        metrics(self.document, self.experiment, self.scope).into_iter().find_map(|(id, metric)| {
            let currencies = self.known.currencies_of(&metric.event);
            (metric.kind != MetricKind::Proportion && currencies.len() > 1).then(|| (id.as_str(), currencies))
        })
    }

    fn progress(&self, kind: MetricKind, variants: &[Variant], days: &[Day]) -> Option<Progress> {
        let analysis = self.experiment.analysis.unwrap_or_default();
        let mde = analysis.mde?;
        let weights: Vec<f64> = variants.iter().map(|variant| variant.share).filter(|share| *share > 0.0).collect();
        let alpha = Level::new(1.0 - analysis.confidence)?.shared_among(weights.len().saturating_sub(1));
        let power = Level::new(analysis.power)?;
        let control = variants.first()?;
        let sums = Sums::of(self.primary_rows(), &control.id, is_day);
        let moments = stats::Moments::of(&sums.aggregate(kind, control.units)).ok()?;
        let baseline = match kind {
            MetricKind::Proportion => Baseline::Proportion { rate: moments.mean },
            _ => Baseline::Mean { variance: moments.variance },
        };
        let effect = moments.mean * mde;
        let smallest = weights.iter().copied().fold(f64::INFINITY, f64::min);
        let needed = match analysis.method {
            Method::Sequential => {
                let pair = sequential_sample_size(baseline, effect, alpha, power, Tuning::DEFAULT).ok()?;
                // why: the variant with the smallest share decides how long it takes
                (pair as f64 / 2.0 / smallest).ceil() as u64
            }
            Method::Fixed | Method::Bayesian => sample_size(baseline, effect, alpha, power, &weights).ok()?.total,
        };
        let units: i64 = variants.iter().map(|variant| variant.units).sum();
        let week: i64 = days.iter().rev().take(7).flat_map(|day| &day.units).sum();
        let pace = week as f64 / days.len().clamp(1, 7) as f64;
        let least = variants.iter().skip(1).map(|variant| variant.units).min().unwrap_or(0);
        let detectable = mde_at(baseline, alpha, power, control.units as f64, least as f64).ok().flatten();
        Some(Progress {
            mde,
            needed,
            days_to_go: days_for(needed.saturating_sub(units.unsigned_abs()), pace),
            detectable: detectable.map(|effect| effect / moments.mean.abs()).filter(|effect| effect.is_finite()),
        })
    }
}
