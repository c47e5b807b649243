//! Operations about the data, and about many results at once.

use serde_json::{Value, json};

use super::answer::{Answer, integer};
use super::fields::{FieldError, Fields};
use crate::stats::{self, Adjusted, BasisPoints, CapOver, CappedSums, Level, TenureDay};

const MAX_ARMS: usize = 1_000;
const MAX_LOOKS: usize = 100_000;
const MAX_FAMILY: usize = 100_000;
const MAX_DAYS: usize = 10_000;

pub(super) fn srm(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let (counts, weights) = (inputs.numbers("counts", MAX_ARMS)?, inputs.numbers("weights", MAX_ARMS)?);
    same_length(inputs, "counts", counts.len(), weights.len())?;
    let test = stats::srm(&counts, &weights, inputs.level_or("threshold", Level::ONE_IN_A_THOUSAND)?);
    let answer = Answer::with_status(&test, &["chi2", "df", "p", "flag"]);
    Ok(match test {
        Ok(test) => {
            answer.optional("chi2", test.chi2).set("df", test.df).optional("p", test.p).set("flag", test.flagged).done()
        }
        Err(_) => answer.done(),
    })
}

pub(super) fn srm_seq(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let weights = inputs.numbers("weights", MAX_ARMS)?;
    let increments = inputs.rows("increments", MAX_LOOKS, MAX_ARMS)?;
    for (look, counts) in increments.iter().enumerate() {
        same_length(inputs, &format!("increments[{look}]"), counts.len(), weights.len())?;
    }
    let concentration = inputs.number_or("concentration", stats::DEFAULT_CONCENTRATION)?;
    let threshold = inputs.level_or("threshold", Level::ONE_IN_A_THOUSAND)?;
    if concentration <= 0.0 {
        return Err(inputs.error("concentration", "must be above 0"));
    }
    let test = stats::srm_sequential(&increments, &weights, concentration, threshold);
    let answer = Answer::with_status(&test, &["log_bf", "p", "flag_at"]);
    Ok(match test {
        Ok(test) => {
            let flag_at = test.flagged_at.map_or(Value::Null, Value::from);
            answer.numbers("log_bf", test.log_bayes_factors).numbers("p", test.p).set("flag_at", flag_at).done()
        }
        Err(_) => answer.done(),
    })
}

fn same_length(inputs: &Fields<'_>, name: &str, length: usize, arms: usize) -> Result<(), FieldError> {
    if length == arms { Ok(()) } else { Err(inputs.error(name, &format!("must have {arms} entries, one a weight"))) }
}

pub(super) fn multiple(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let mut p_values = Vec::new();
    for (index, value) in inputs.list("p", MAX_FAMILY)?.iter().enumerate() {
        p_values.push(match value {
            Value::Null => None,
            value => match value.as_f64() {
                Some(p) if (0.0..=1.0).contains(&p) => Some(p),
                _ => return Err(inputs.error(&format!("p[{index}]"), "must be a number from 0 to 1, or null")),
            },
        });
    }
    let alpha = inputs.alpha()?;
    let (holm, bh) = (stats::holm(&p_values, alpha), stats::benjamini_hochberg(&p_values, alpha));
    let p = |adjusted: &[Option<Adjusted>]| adjusted.iter().map(|entry| entry.map(|a| a.p)).collect::<Vec<_>>();
    let rejected =
        |adjusted: &[Option<Adjusted>]| adjusted.iter().map(|entry| entry.map(|a| a.rejected)).collect::<Vec<_>>();
    Ok(json!({"holm": p(&holm), "bh": p(&bh), "reject_holm": rejected(&holm), "reject_bh": rejected(&bh)}))
}

pub(super) fn novelty(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let (metric, effect, alpha) = (inputs.metric()?, inputs.effect()?, inputs.alpha()?);
    let days: Vec<TenureDay> = inputs
        .objects("days", MAX_DAYS)?
        .iter()
        .map(|day| {
            let (control, treatment) = (day.aggregate("a", metric)?, day.aggregate("b", metric)?);
            Ok(TenureDay { day: day.number("d")?, control, treatment })
        })
        .collect::<Result<_, FieldError>>()?;
    let trend = stats::novelty(&days, effect, alpha);
    let refused = ["slope", "se", "z", "p", "pooled", "pooled_se", "q", "q_p", "verdict"];
    let answer = Answer::with_status(&trend, &refused);
    Ok(match trend {
        Ok(trend) => answer
            .number("slope", trend.slope)
            .number("se", trend.std_error)
            .number("z", trend.z)
            .number("p", trend.p)
            .number("pooled", trend.pooled)
            .number("pooled_se", trend.pooled_std_error)
            .number("q", trend.q)
            .number("q_p", trend.q_p)
            .set("verdict", trend.trend.name())
            .done(),
        Err(_) => answer.done(),
    })
}

pub(super) fn winsor(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let (a, b) = (inputs.integers("a_rows")?, inputs.integers("b_rows")?);
    let share = inputs.number("pct_bp")?;
    let quantile = (share.trunc() == share && (1.0..=10_000.0).contains(&share))
        .then(|| BasisPoints::new(share as u16))
        .flatten()
        .ok_or_else(|| inputs.error("pct_bp", "must be a whole number from 1 to 10000: 9900 is the 99th percentile"))?;
    let over = if inputs.flag("ignore_zeros")? { CapOver::NonZero } else { CapOver::AllUnits };
    let cap = stats::cap(a.iter().chain(&b).copied(), quantile, over);
    let too_large = |name: &str| inputs.error(name, "the sum of squares leaves 128 bits: check the values");
    let sums_a = stats::capped_sums(a, cap).ok_or_else(|| too_large("a_rows"))?;
    let sums_b = stats::capped_sums(b, cap).ok_or_else(|| too_large("b_rows"))?;
    let sums = |sums: CappedSums| {
        Answer::new().set("n", sums.n).set("sum", integer(sums.sum)).set("sum_sq", integer(sums.sum_sq)).done()
    };
    let status = match (sums_a.n + sums_b.n, cap) {
        (0, _) => Err(stats::Refusal::NoUnits),
        (_, 0) => Err(stats::Refusal::ZeroVariance),
        _ => Ok(()),
    };
    Ok(Answer::with_status(&status, &[]).set("cap", integer(cap)).set("a", sums(sums_a)).set("b", sums(sums_b)).done())
}
