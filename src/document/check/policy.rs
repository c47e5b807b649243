//! What the team insists on, held against its experiments.
//!
//! Whoever changes what is live asks, the worker that reads it does not: a rule that is broken keeps a document from being
//! pushed and an experiment from being turned on, and nothing that is live from running, being ramped down or ended.

use super::warning::DAY_MILLIS;
use crate::document::{BUILT_IN_METRICS, Document, Experiment, Kind, Method, Problem, Risk, Status};
use crate::lower_case;
use std::collections::BTreeSet;

/// What an experiment lacks of its document's `policy`.
#[derive(Debug, Default)]
pub struct PolicyProblems {
    /// Required guardrails, allowed methods, the least number of days: `check` refuses them.
    pub rules: Vec<Problem>,
    /// Approvals of what is risky: `check --strict` and `push` want them.
    pub approvals: Vec<Problem>,
}

impl PolicyProblems {
    /// All of them.
    pub fn all(self) -> impl Iterator<Item = Problem> {
        self.rules.into_iter().chain(self.approvals)
    }
}

/// Everything in which experiments that run or are about to break the document's `policy`.
#[must_use]
pub fn policy(document: &Document) -> PolicyProblems {
    let mut found = PolicyProblems::default();
    for (place, metric) in document.policy.guardrails.iter().enumerate() {
        if !document.metrics.contains_key(metric) && !BUILT_IN_METRICS.contains(&metric.as_str()) {
            let message = format!("the document has no metric `{metric}`: add it to `metrics`");
            found.rules.push(Problem::error(format!("policy.guardrails[{place}]"), message));
        }
    }
    for (place, e) in document.experiments.iter().enumerate() {
        let at = format!("experiments[{place}]");
        let goes_live = matches!(e.status, Status::Running | Status::Paused) && e.winner.is_none();
        if goes_live && e.kind == Kind::Experiment {
            rules(document, e, &at, &mut found.rules);
        }
        if goes_live && e.risk == Risk::High {
            approvals(document, e, &at, &mut found.approvals);
        }
    }
    found
}

fn rules(document: &Document, e: &Experiment, at: &str, problems: &mut Vec<Problem>) {
    let policy = &document.policy;
    let own = e.metrics.as_ref().map(|metrics| metrics.guardrails.as_slice()).unwrap_or_default();
    for metric in policy.guardrails.iter().filter(|metric| !own.iter().any(|it| it.metric == **metric)) {
        let message = format!("`{metric}` is not among them, and `policy.guardrails` wants it in every experiment");
        problems.push(Problem::error(format!("{at}.metrics.guardrails"), message));
    }
    let method = e.analysis.unwrap_or_default().method;
    if !policy.methods.is_empty() && !policy.methods.contains(&method) {
        let word = |method: &Method| match serde_json::to_value(method) {
            Ok(serde_json::Value::String(word)) => word,
            _ => String::new(),
        };
        let allowed: Vec<String> = policy.methods.iter().map(word).collect();
        let message =
            format!("`{}` is none of those that `policy.methods` allows: {}", word(&method), allowed.join(", "));
        problems.push(Problem::error(format!("{at}.analysis.method"), message));
    }
    if let (Some(least), Some(starts), Some(ends)) = (policy.min_days, e.starts_at, e.ends_at) {
        let days = (ends.millis() - starts.millis()) / DAY_MILLIS;
        if days < i64::from(least) {
            let message = format!("it runs {days} days, and `policy.min_days` wants at least {least}: end it later");
            problems.push(Problem::error(format!("{at}.ends_at"), message));
        }
    }
}

fn approvals(document: &Document, e: &Experiment, at: &str, problems: &mut Vec<Problem>) {
    let wanted = document.policy.approvals;
    // why: the same person twice is one who agrees
    let by: BTreeSet<String> =
        e.approvals.iter().map(|it| lower_case::text(it.by().trim())).filter(|it| !it.is_empty()).collect();
    if by.len() < wanted as usize {
        let message = format!(
            "the risk is high and {} of {wanted} people approved it that `policy.approvals` wants: name who did",
            by.len()
        );
        problems.push(Problem::warning(format!("{at}.approvals"), message));
    }
}
