//! Answers of the record and the document → results.

use super::answers::{Answers, Depth, Known, metrics, minor_units};
use super::compare::{Measured, Rule, compare, direction, guard, is_scaled, margin};
use super::date::DAY_MS;
use super::gate;
use super::gate_level::Gate;
use super::number::clamped;
use super::types::{
    Arm, ComparisonResult, Day, Delay, Ending, MetricResult, MetricRole, Phase, Results, Segment, Variant, noun,
};
use super::verdict::{Grounds, verdict};
use super::{bandit, built_in, change, course, health, overlap, progress, sample, segment, watch};
use crate::document::{self, Allocation, Document, Experiment, Status, Timestamp};
use crate::ledger::answer::{Answer, Cells, DAY, Sums};
use crate::ledger::readout::Row;
use crate::stats::{Direction, Level, benjamini_hochberg, holm};

/// Makes an experiment's results of the answers to [`super::questions`] of the same scope.
#[must_use]
pub fn results(
    document: &Document,
    experiment: &Experiment,
    known: &Known,
    answers: &[Option<String>],
    scope: Depth,
    now: Timestamp,
) -> Results {
    let answers = Answers::read(document, experiment, scope, answers);
    let one = One { document, experiment, known, answers, scope, now };
    one.results()
}

/// One experiment and all that is known of it.
struct One<'a> {
    document: &'a Document,
    experiment: &'a Experiment,
    known: &'a Known,
    answers: Answers,
    scope: Depth,
    now: Timestamp,
}

impl One<'_> {
    fn results(&self) -> Results {
        let e = self.experiment;
        let analysis = e.analysis.unwrap_or_default();
        let (variants, days) = (self.variants(), self.days());
        let units = variants.iter().map(|variant| variant.units).sum();
        let metrics = self.metrics(&variants);
        let first = self.primary();
        let shown = metrics.first().filter(|metric| metric.role == MetricRole::Primary);
        let rule = self.rule(&variants, first);
        let segments = segment::segments(&variants, &self.answers.units, first, rule);
        let progress = first.zip(shown).and_then(|((metric, answer), shown)| {
            let control = variants.first()?.id.as_str();
            let control = Measured::of_variant(metric, answer, control, answer.total(control));
            let state = (variants.as_slice(), days.as_slice(), self.now, self.is_over());
            progress::progress(e, metric, &control, &shown.comparisons, rule, state)
        });
        let kill = &self.known.kill;
        let killed = kill.all
            || kill.experiments.contains(&e.id)
            || self.document.kill
            || self.known.guard.experiments.contains(&e.id);
        let phase = self.phase(killed);
        let first_day = days.first().map_or("", |first| first.day.as_str());
        let endings = self.endings(first_day);
        let gates = self.gates(&variants, &days, &segments, shown, &endings, killed);
        let starts_at = e.starts_at.map(|at| at.to_string());
        let verdict = verdict(&Grounds {
            id: e.id.as_str(),
            gates: &gates,
            metrics: &metrics,
            variants: &variants,
            progress,
            units,
            noun: noun(e.unit),
            method: analysis.method,
            confidence: analysis.confidence,
            allocation: e.allocation,
            is_over: self.is_over(),
            days_run: progress::days_run(&days, self.now),
            min_days: i64::from(self.document.policy.least_days()),
            direction: rule.direction,
            asked: self.answers.asked,
            phase,
            starts_at: starts_at.as_deref(),
            decision: e.decision.as_ref(),
        });
        let bandit = first
            .filter(|_| e.allocation == Allocation::Bandit)
            .map(|(metric, answer)| bandit::of_answer(e, metric, answer, &self.known.guard, rule, &days));
        let mut results = Results {
            id: e.id.to_string(),
            name: e.name.clone(),
            hypothesis: e.hypothesis.clone(),
            owner: e.owner.clone(),
            owners: e.owners.clone(),
            rollback: e.rollback.as_ref().map_or_else(Default::default, |r| [r.owner.clone(), r.when.clone()]),
            status: e.status,
            phase,
            killed,
            iteration: e.iteration,
            unit: e.unit,
            allocation: e.allocation,
            starts_at,
            ends_at: e.ends_at.map(|at| at.to_string()),
            days_left: e
                .ends_at
                .map(|end| ((end.millis() - self.now.millis()).max(0) as u64).div_ceil(DAY_MS as u64) as i64),
            method: analysis.method,
            confidence: analysis.confidence,
            units,
            contaminated: clamped(self.answers.units.contaminated),
            unknown: self.answers.units.unknown.iter().map(|(_, units)| clamped(*units)).sum(),
            verdict,
            gates,
            metrics,
            progress,
            days,
            segments,
            delays: first.map_or_else(Vec::new, |(_, answer)| delays(answer)),
            interactions: self
                .primary_metric()
                .map_or_else(Vec::new, |metric| overlap::overlaps(self.document, e, metric, &self.answers.pairs)),
            health: health::of_experiment(self.known, e),
            held: None,
            bandit,
            decision: e.decision.clone(),
            endings,
            audit: self.known.audit.clone(),
            computed_at: self.now.to_string(),
            computed_by: None,
            variants,
        };
        results.held = watch::held(e, &results, self.known, self.now);
        results
    }

    fn is_over(&self) -> bool {
        self.experiment.status == Status::Completed || self.experiment.ends_at.is_some_and(|end| end <= self.now)
    }

    fn phase(&self, killed: bool) -> Phase {
        let e = self.experiment;
        match e.status {
            Status::Draft => Phase::Draft,
            Status::Completed => Phase::Completed,
            Status::Paused => Phase::Paused,
            Status::Running if killed => Phase::Killed,
            Status::Running if e.starts_at.is_some_and(|start| start > self.now) => Phase::Scheduled,
            Status::Running if self.is_over() => Phase::ReadyForReview,
            Status::Running => Phase::Running,
        }
    }

    /// The primary metric.
    fn primary_metric(&self) -> Option<&document::Metric> {
        self.document.metrics.get(self.experiment.metrics.as_ref()?.primary.as_ref()?)
    }

    /// The primary metric and what is known of it, where that means something.
    fn primary(&self) -> Option<(&document::Metric, &Answer)> {
        let named = self.experiment.metrics.as_ref()?.primary.as_ref()?;
        let all = metrics(self.document, self.experiment, self.scope);
        let at = all.iter().position(|(id, _)| *id == named)?;
        let (metric, answer) = (all.get(at)?.1, self.answers.outcomes.get(at)?);
        is_usable(metric, answer).then_some((metric, answer))
    }

    fn endings(&self, first_day: &str) -> Vec<Ending> {
        let is_ours = |row: &&Row| row.text(0) == self.experiment.id.as_str() && row.text(1) >= first_day;
        let ending =
            |row: &Row| Ending { at: row.text(1).to_owned(), reason: row.text(2).to_owned(), variant: row.optional(3) };
        self.known.endings.iter().filter(is_ours).map(ending).collect()
    }

    fn gates(
        &self,
        variants: &[Variant],
        days: &[Day],
        segments: &[Segment],
        primary: Option<&MetricResult>,
        endings: &[Ending],
        killed: bool,
    ) -> Vec<Gate> {
        let e = self.experiment;
        let noun = noun(e.unit);
        let units: i64 = variants.iter().map(|variant| variant.units).sum();
        let daily: Vec<Vec<f64>> =
            days.iter().map(|day| day.units.iter().map(|units| *units as f64).collect()).collect();
        let overall: Vec<(String, f64, bool)> = primary.map_or_else(Vec::new, |metric| {
            let told = |c: &ComparisonResult| (c.variant.clone(), c.difference.unwrap_or(0.0), c.significant);
            metric.comparisons.iter().map(told).collect()
        });
        let [sent, lost, crawlers, visits] = self.known.delivery;
        let contradicting = self.answers.outcomes.iter().map(|answer| clamped(answer.contradicting)).max().unwrap_or(0);
        let trends = self
            .primary()
            .map_or_else(Vec::new, |(metric, answer)| course::trends(metric, answer, variants, days, self.now));
        let named = metrics(self.document, e, self.scope);
        let with_values: Vec<(&str, &Answer)> = named
            .iter()
            .zip(&self.answers.outcomes)
            .filter(|((_, metric), _)| is_scaled(metric))
            .map(|((id, _), answer)| (id.as_str(), answer))
            .collect();
        let unknown = self.answers.units.unknown.iter().map(|(_, units)| clamped(*units)).sum();
        let ratio = match e.allocation {
            Allocation::Bandit => gate::ratio_of_bandit(),
            Allocation::Fixed => gate::ratio(variants, &daily, self.is_over(), noun.1),
        };
        let mut gates = vec![
            gate::record(self.answers.failed + self.known.failed, &self.known.incomplete),
            ratio,
            gate::units(variants, noun),
        ];
        gates.extend(gate::without_traffic(variants, noun));
        gates.push(gate::contamination(units, clamped(self.answers.units.contaminated), noun));
        gates.extend(gate::unknown(unknown, units, noun));
        gates.extend([
            gate::loss(sent, lost),
            gate::treatment(contradicting, units, noun),
            gate::ended_early(endings, killed, e.analysis.unwrap_or_default().method),
            gate::novelty(&trends),
            gate::parts(segments),
            gate::simpson(segments, &overall, units),
            gate::currency(&with_values),
            gate::crawlers(crawlers, visits),
        ]);
        gates
    }

    fn variants(&self) -> Vec<Variant> {
        let shares = self.experiment.shares();
        let total: f64 = shares.iter().sum();
        let of = |(variant, share): (&document::Variant, &f64)| Variant {
            id: variant.id.to_string(),
            name: variant.name.clone(),
            description: variant.description.clone(),
            share: share / total,
            units: clamped(self.answers.units.total(variant.id.as_str()).units),
            changes: change::changes(variant),
            preview: None,
            picture: false,
        };
        self.experiment.variants.iter().zip(&shares).map(of).collect()
    }

    fn days(&self) -> Vec<Day> {
        let units = &self.answers.units;
        let mut days: Vec<&str> = units
            .cells
            .iter()
            .filter(|cell| cell.dimension == DAY && cell.sums.units > 0)
            .map(|cell| cell.part.as_str())
            .collect();
        days.sort_unstable();
        days.dedup();
        let of = |day: &str| {
            let of = |variant: &document::Variant| clamped(units.part(DAY, day, variant.id.as_str()).units);
            Day { units: self.experiment.variants.iter().map(of).collect(), day: day.to_owned() }
        };
        days.into_iter().map(of).collect()
    }

    /// How treatments are compared on a metric with its answer.
    fn rule(&self, variants: &[Variant], of: Option<(&document::Metric, &Answer)>) -> Rule {
        // why: what anybody met counts as a chance to be fooled, even if it was dropped since, for it may have been dropped
        // for what was seen; what nobody met or meets is none
        let met = variants.iter().skip(1).filter(|variant| variant.share > 0.0 || variant.units > 0).count();
        let analysis = self.experiment.analysis.unwrap_or_default();
        let alpha = Level::new(1.0 - analysis.confidence).unwrap_or(Level::FIVE_PERCENT);
        Rule {
            method: analysis.method,
            // why: several treatments are several chances to be fooled
            alpha: alpha.shared_among(met),
            scale: match of.filter(|(metric, _)| is_scaled(metric)) {
                Some((metric, answer)) => minor_units(answer.currency().or(metric.currency.as_deref())),
                None => 1.0,
            },
            direction: of.map_or(Direction::HigherIsBetter, |(metric, _)| direction(metric)),
            fewest: sample::FEWEST_UNITS,
        }
    }

    fn metrics(&self, variants: &[Variant]) -> Vec<MetricResult> {
        let Some(named) = &self.experiment.metrics else { return Vec::new() };
        let mut shown = Vec::new();
        let all = metrics(self.document, self.experiment, self.scope);
        for ((id, metric), answer) in all.into_iter().zip(&self.answers.outcomes) {
            let guardrail = named.guardrails.iter().find(|guardrail| guardrail.metric == *id);
            let role = match (named.primary.as_ref() == Some(id), guardrail) {
                (true, _) => MetricRole::Primary,
                (false, Some(_)) if !named.secondary.contains(id) => MetricRole::Guardrail,
                _ => MetricRole::Secondary,
            };
            let mut rule = self.rule(variants, Some((metric, answer)));
            let watched = guardrail.map(|guardrail| margin(guardrail, rule.direction));
            if let (MetricRole::Guardrail, Some((direction, _))) = (role, watched) {
                rule.direction = direction;
            }
            shown.push(self.metric(id.as_str(), role, metric, answer, rule, watched, variants));
        }
        shown.extend(built_in::metrics(
            self.experiment,
            &health::of_experiment(self.known, self.experiment),
            self.known,
        ));
        // why: metrics of one role are one family: the primary over all treatments, the guardrails; the others explain
        for role in [MetricRole::Primary, MetricRole::Guardrail] {
            correct(&mut shown, role, self.experiment.analysis.unwrap_or_default().confidence);
        }
        shown
    }

    #[allow(clippy::too_many_arguments, reason = "each is another thing, and one place calls it")]
    fn metric(
        &self,
        id: &str,
        role: MetricRole,
        metric: &document::Metric,
        answer: &Answer,
        rule: Rule,
        watched: Option<(Direction, f64)>,
        variants: &[Variant],
    ) -> MetricResult {
        let usable = is_usable(metric, answer);
        let total = |variant: &Variant| match (answer.total(&variant.id), usable) {
            (sums, true) => sums,
            // why: who met it and who bought is known, whatever the currency
            (Sums { units, converted, waiting, .. }, false) => Sums { units, converted, waiting, ..Sums::default() },
        };
        let measured: Vec<Measured> =
            variants.iter().map(|variant| Measured::of_variant(metric, answer, &variant.id, total(variant))).collect();
        let mut comparisons = Vec::new();
        let mut saved: Option<f64> = None;
        if let Some((control, treatments)) = measured.split_first() {
            for (variant, treatment) in variants.iter().skip(1).zip(treatments) {
                if !usable {
                    comparisons.push(ComparisonResult::mixed(&variant.id));
                    continue;
                }
                if sample::is_aside(variant.share, variant.units) {
                    comparisons.push(ComparisonResult::without_traffic(&variant.id));
                    continue;
                }
                let (mut comparison, took) = compare(&variant.id, control, treatment, rule);
                if let Some(watched) = watched {
                    guard(&mut comparison, control, treatment, watched, rule.alpha, sample::FEWEST_UNITS);
                }
                saved = saved.or(took);
                comparisons.push(comparison);
            }
        }
        let arms: Vec<Arm> = variants
            .iter()
            .map(|variant| {
                let sums = total(variant);
                Arm {
                    variant: variant.id.clone(),
                    n: clamped(sums.units),
                    converted: clamped(sums.converted),
                    waiting: clamped(sums.waiting),
                    sum: sums.y,
                    sum_sq: sums.yy,
                }
            })
            .collect();
        let scaled = is_scaled(metric);
        MetricResult {
            id: id.to_owned(),
            role,
            kind: metric.kind,
            direction: metric.direction,
            unit: metric.unit.clone(),
            currency: answer.currency().filter(|_| scaled).map(str::to_owned),
            waiting: arms.iter().map(|arm| arm.waiting).sum(),
            other_currency: answer.currencies.iter().filter(|of| of.left_out).map(|of| clamped(of.outcomes)).sum(),
            saved,
            means: measured.iter().map(|arm| arm.mean().filter(|_| usable).map(|mean| mean / rule.scale)).collect(),
            variants: arms,
            comparisons,
            series: if self.scope == Depth::Detail && usable {
                course::series(variants, metric, answer, rule)
            } else {
                Vec::new()
            },
        }
    }
}

/// Whether an answer can be read: sums across currencies mean nothing, so none is shown.
fn is_usable(metric: &document::Metric, answer: &Answer) -> bool {
    !(is_scaled(metric) && answer.is_mixed())
}

/// Corrects the p-values of a family.
fn correct(metrics: &mut [MetricResult], role: MetricRole, confidence: f64) {
    let alpha = Level::new(1.0 - confidence).unwrap_or(Level::FIVE_PERCENT);
    let of_role = |metric: &&mut MetricResult| metric.role == role;
    let family: Vec<Option<f64>> =
        metrics.iter_mut().filter(of_role).flat_map(|metric| metric.comparisons.iter().map(|c| c.p)).collect();
    let corrected = holm(&family, alpha).into_iter().zip(benjamini_hochberg(&family, alpha));
    let comparisons = metrics.iter_mut().filter(of_role).flat_map(|metric| metric.comparisons.iter_mut());
    for (comparison, (holm, bh)) in comparisons.zip(corrected) {
        comparison.p_holm = holm.map(|adjusted| adjusted.p);
        comparison.p_bh = bh.map(|adjusted| adjusted.p);
    }
}

/// Outcomes by hours since the exposure, with their share so far.
fn delays(answer: &Answer) -> Vec<Delay> {
    let total: i64 = answer.delays.iter().map(|(_, outcomes)| clamped(*outcomes)).sum();
    let mut seen = 0;
    let of = |(hours, outcomes): &(i128, i128)| {
        let outcomes = clamped(*outcomes);
        seen += outcomes;
        Delay { hours: clamped(*hours), outcomes, until: seen as f64 / (total as f64).max(1.0) }
    };
    answer.delays.iter().map(of).collect()
}
