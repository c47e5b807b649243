//! Metrics: fields that a kind needs, and fields that mean nothing to it.

use crate::condition::{Condition, Groups};
use crate::document::{BUILT_IN_METRICS, Document, Metric, MetricKind, Numerator, Problem};

#[inline(never)]
pub(super) fn check(document: &Document, problems: &mut Vec<Problem>) {
    for (id, metric) in &document.metrics {
        if BUILT_IN_METRICS.contains(&id.as_str()) {
            let message = "it is built in and comes from the origin's answers: choose another name, or remove it";
            problems.push(Problem::error(format!("metrics.{id}"), message));
        }
        one(metric, &mut |field, message| {
            problems.push(Problem::error(format!("metrics.{id}.{field}"), message));
        });
    }
}

/// Conditions over properties, which the record and every engine must be able to evaluate.
fn conditions(metric: &Metric, report: &mut impl FnMut(&str, &str)) {
    for (field, condition) in [("where", &metric.filter), ("where_per", &metric.filter_per)] {
        let Some(condition) = condition else { continue };
        let condition = serde_json::Value::Object(condition.clone());
        match Condition::<Box<str>>::parse(&condition, &Groups::default(), |name| Ok::<_, String>(name.into())) {
            Err(problems) => {
                for problem in problems {
                    report(&format!("{field}.{}", problem.path), &problem.message);
                }
            }
            Ok(condition) => {
                if let Err(what) = condition.plain() {
                    report(field, &format!("`{what}` cannot be asked of a database: compare plain values"));
                }
            }
        }
    }
}

fn one(metric: &Metric, report: &mut impl FnMut(&str, &str)) {
    conditions(metric, report);
    use MetricKind::{Count, Mean, Proportion, Quantile, Ratio, Retention};
    if metric.event.is_empty() {
        report("event", "it is empty: name the conversion event that is counted");
    }
    match (metric.kind, metric.per.as_deref()) {
        (Ratio, None) => report("per", "missing: a ratio needs the event of its denominator, such as \"purchase\""),
        (Ratio, Some("")) => report("per", "it is empty: name the event of the denominator"),
        (Ratio, Some(_)) | (_, None) => {}
        (_, Some(_)) => report("per", "only a ratio has a denominator: remove it, or write the kind \"ratio\""),
    }
    if metric.kind != Ratio && metric.of == Numerator::Count {
        report("of", "only a ratio has a numerator to choose: remove it; the kind \"count\" counts events");
    }
    if metric.kind != Ratio && metric.filter_per.is_some() {
        report("where_per", "only a ratio has a denominator: remove it, or write the kind \"ratio\"");
    }
    match (metric.kind, metric.q) {
        (Quantile, None) => report("q", "missing: a quantile needs its share, such as 0.95"),
        (Quantile, Some(q)) if !(q > 0.0 && q < 1.0) => report("q", "use a number above 0 and below 1, such as 0.95"),
        (Quantile, Some(_)) | (_, None) => {}
        (_, Some(_)) => report("q", "only a quantile has a share: remove it, or write the kind \"quantile\""),
    }
    match (metric.kind, metric.from_days, metric.to_days) {
        (Retention, Some(from), Some(to)) if from >= to => {
            report("to_days", "it is not after `from_days`: retention is from one day until a later one");
        }
        (Retention, Some(_), Some(_)) | (_, None, None) if metric.kind != Retention || metric.from_days.is_some() => {}
        (Retention, _, Some(_)) => {
            report("from_days", "missing: retention counts from so many days after the exposure")
        }
        (Retention, ..) => report("to_days", "missing: retention counts until so many days after the exposure"),
        (_, from, _) => {
            let field = if from.is_some() { "from_days" } else { "to_days" };
            report(field, "only retention has days: remove it, or write the kind \"retention\"");
        }
    }
    if metric.window_hours.is_some_and(|hours| !hours.is_finite() || hours <= 0.0) {
        report("window_hours", "use a number of hours above 0");
    } else if metric.window_hours.is_some() && metric.kind == Retention {
        report("window_hours", "retention has its own window, `from_days` to `to_days`: remove it");
    }
    caps(metric, report);
    if metric.cuped.is_some() && metric.kind == Quantile {
        report("cuped", "a quantile has no covariate: remove it");
    } else if metric.cuped.is_some_and(|cuped| cuped.days == 0) {
        report("cuped.days", "0 days before the exposure tell nothing: use 1 or more, such as 14");
    }
    let is_code = |code: &str| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    if metric.currency.as_deref().is_some_and(|code| !is_code(code)) {
        report("currency", "write its ISO 4217 code, such as \"EUR\"");
    } else if metric.currency.is_some() && matches!(metric.kind, Proportion | Count | Retention) {
        report("currency", "no values are added up here: remove it, or write a kind of values such as \"mean\"");
    }
    let has_money = matches!(metric.kind, Mean | Quantile) || (metric.kind == Ratio && metric.of == Numerator::Value);
    if metric.refunds.is_some() && !has_money {
        report("refunds", "no values are added up here: remove it");
    }
}

fn caps(metric: &Metric, report: &mut impl FnMut(&str, &str)) {
    let has_values = matches!(metric.kind, MetricKind::Mean | MetricKind::Ratio | MetricKind::Count);
    if let Some(cap) = metric.cap {
        if !cap.is_finite() || cap <= 0.0 {
            report("cap", "a cap is a number above 0: values beyond it count as it");
        } else if !has_values {
            report("cap", "a proportion has no values to cap: remove it, or write the kind \"mean\"");
        }
    }
    if let Some(percentile) = metric.cap_percentile {
        if !(percentile > 0.0 && percentile < 100.0) {
            report("cap_percentile", "use a number above 0 and below 100, such as 99");
        } else if !has_values {
            report("cap_percentile", "there are no values to cap: remove it, or write the kind \"mean\"");
        } else if metric.cap.is_some() {
            report("cap_percentile", "there is a `cap` already: remove one of the two");
        }
    }
}
