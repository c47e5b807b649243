//! Questions that several databases answer together, each about its own people.
//!
//! Nearly all of an answer is sums. What is not is asked first: the values among which a cap of a percentile or a quantile
//! has its rank, and the currency that a cap is in. What follows from all of them together ([`super::super::union`]) goes
//! into the question as `?1`.

use super::words::Words;
use super::{Extent, Iteration, METRIC, PEOPLE, Place, Question, RECORD, RECORD_HITS, RECORD_SLOW};
use crate::events::money::{Currency, DEFAULT_EXPONENT};
use crate::metrics::{Cap, Definition, Kind};
use serde::{Deserialize, Serialize};

/// A question to all databases.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct SharedQuestion {
    /// What is asked first, where something is.
    pub before: Option<String>,
    /// What is asked then, with what came of the first as `?1`.
    pub sql: String,
    /// What the answers together make.
    pub whole: Whole,
}

/// What answers of several databases together make.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub enum Whole {
    /// That of the first database, which alone is asked.
    First,
    /// What arrived of what was sent.
    Delivery,
    /// The first and the last days.
    Courses,
    /// Sums.
    Sums(Between),
}

/// What has to be known of all databases before sums are made.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub enum Between {
    /// Nothing.
    Nothing,
    /// The value at a share (in millionths) of those that are there.
    Percentile(u32),
    /// A cap, in the units of the currency that the values are in.
    Cap {
        /// What counts where no value names a currency.
        named: String,
        /// The cap in minor units, by their number of digits, 0 to 4.
        minor: [i64; 5],
    },
    /// The value of each variant at a share, in millionths.
    Quantile(u32),
}

impl Between {
    fn of(metric: &Definition) -> Self {
        if let Kind::Quantile(share) = metric.kind {
            return Self::Quantile(share.0);
        }
        match metric.cap {
            Cap::None => Self::Nothing,
            Cap::Percentile(share) => Self::Percentile(share.0),
            Cap::Value(cap) => {
                let at = |exponent| super::words::minor(cap, if metric.has_values() { exponent } else { 0 });
                let named = metric.currency.clone().unwrap_or_default();
                Self::Cap { named, minor: [at(0), at(1), at(2), at(3), at(4)] }
            }
        }
    }

    /// The cap in the minor units of a currency.
    #[must_use]
    pub fn cap_in(minor: &[i64; 5], currency: &str) -> Option<i64> {
        let exponent = Currency::new(currency).map_or(DEFAULT_EXPONENT, Currency::exponent);
        minor.get(usize::from(exponent)).copied()
    }
}

/// The units; as [`super::units`].
#[must_use]
pub fn units(of: Iteration<'_>, extent: Extent) -> SharedQuestion {
    SharedQuestion {
        before: None,
        sql: super::units(of, extent, Place::RECORD).sql,
        whole: Whole::Sums(Between::Nothing),
    }
}

/// A metric; as [`super::metric`].
#[must_use]
pub fn metric(of: Iteration<'_>, definition: &Definition, extent: Extent) -> SharedQuestion {
    let words = Words::new(of, Some(definition), extent, Place::RECORD).shared();
    let Question { sql, .. } = super::of_metric(&words, definition, Place::RECORD);
    SharedQuestion { before: before(of, definition), sql, whole: Whole::Sums(Between::of(definition)) }
}

/// A metric among the people of other experiments; as [`super::interactions`].
#[must_use]
pub fn interactions(of: Iteration<'_>, others: &[Iteration<'_>], definition: &Definition) -> SharedQuestion {
    let words = Words::new(of, Some(definition), Extent::Days, Place::RECORD).among(others).shared();
    let Question { sql, .. } = super::of_interactions(&words, definition, Place::RECORD);
    SharedQuestion { before: before(of, definition), sql, whole: Whole::Sums(Between::of(definition)) }
}

/// What is asked before a metric: rows `["value", variant, [[value, how many], …]]`, `["currency", the last by name]`,
/// `["end"]`.
fn before(of: Iteration<'_>, definition: &Definition) -> Option<String> {
    const END: &str = "UNION ALL SELECT json_array('end')";
    // why: a row of a thousand values, for D1 bounds the size of one
    const VALUES: &str =
        "SELECT json_array('value', variant, json_group_array(json_array(y0, n))) FROM kept GROUP BY variant, y0 >> 10";
    let rest = match Between::of(definition) {
        Between::Nothing => return None,
        Between::Cap { .. } if !definition.has_values() => return None,
        Between::Cap { .. } => {
            format!("{METRIC} SELECT json_array('currency', max(currency)) FROM values_found WHERE other = 0 {END}")
        }
        Between::Percentile(_) => format!(
            "{METRIC}, kept AS (SELECT '' AS variant, y0, count(*) AS n FROM (SELECT $y(number, worth) AS y0 FROM sums) s \
WHERE y0 > 0 GROUP BY y0) {VALUES} {END}"
        ),
        Between::Quantile(_) => format!(
            "{METRIC}, kept AS (SELECT variant, net AS y0, count(*) AS n FROM priced WHERE mine = 1 AND other = 0 AND inside = 1 \
AND waits = 0 AND value IS NOT NULL GROUP BY variant, net) {VALUES} {END}"
        ),
    };
    let words = Words::new(of, Some(definition), Extent::Days, Place::RECORD);
    let base = [RECORD_SLOW, RECORD, PEOPLE, RECORD_HITS].concat();
    Some(words.question(&[&base, &rest]).sql)
}
