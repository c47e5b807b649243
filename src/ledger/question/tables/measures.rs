//! What units come to, for every metric at once: columns of one table instead of a statement a metric. Metrics of the same
//! outcomes share theirs.

use super::super::words::Words;
use super::super::{Extent, Iteration, Place};
use crate::metrics::{Definition, Kind};

/// What a metric asks of a unit, by the names that the steps have for it.
const NAMES: [&str; 5] = ["number", "worth", "d", "number_before", "worth_before"];

const NUMBER: &str = "count(*) FILTER ($number())";
const WORTH: &str = "coalesce(sum($net(hi)) FILTER ($number()), 0)";
const PER: &str = "count(*) FILTER (WHERE hi.name = $per() AND $where_per(hi.properties) AND $rest())";

/// The columns, and which of them each metric has under which of the [`NAMES`].
pub(super) struct Measures {
    columns: Vec<String>,
    by_metric: Vec<[Option<usize>; NAMES.len()]>,
}

/// The columns for these definitions; a quantile has none.
pub(super) fn measures(of: Iteration<'_>, definitions: &[Definition], place: Place<'_>) -> Measures {
    let mut columns: Vec<String> = Vec::new();
    let by_metric = definitions
        .iter()
        .map(|definition| {
            let words = Words::new(of, Some(definition), Extent::Days, place);
            texts(definition).map(|text| {
                let text = words.text(&text?).sql;
                Some(columns.iter().position(|column| *column == text).unwrap_or_else(|| {
                    columns.push(text);
                    columns.len() - 1
                }))
            })
        })
        .collect();
    Measures { columns, by_metric }
}

/// The columns of a metric, before its words are filled in.
fn texts(definition: &Definition) -> [Option<String>; NAMES.len()] {
    let has_worth = match definition.kind {
        Kind::Quantile(_) => return [const { None }; NAMES.len()],
        Kind::Mean | Kind::Ratio { counts: false, .. } => true,
        Kind::Proportion | Kind::Count | Kind::Retention | Kind::Ratio { counts: true, .. } => false,
    };
    let over = "$other(hi) = 0 AND hi.met + $window() <= $now()";
    let mine = "WHERE hi.name = $event() AND $where(hi.properties)";
    let now = |text: &str| {
        text.replace("$number()", &format!("{mine} AND $rest()")).replace("$rest()", &format!("{over} AND $inside(hi)"))
    };
    let before = |text: &str| {
        let earlier = "hi.ms < hi.met AND hi.ms >= hi.met - $lookback()";
        text.replace("$number()", &format!("{mine} AND {over} AND {earlier}"))
    };
    let has_covariate = definition.lookback > 0;
    [
        Some(now(NUMBER)),
        has_worth.then(|| now(WORTH)),
        definition.per().is_some().then(|| now(PER)),
        has_covariate.then(|| before(NUMBER)),
        (has_covariate && has_worth).then(|| before(WORTH)),
    ]
}

impl Measures {
    /// Whether no metric asks for any.
    pub(super) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The columns as they are selected from an experiment's outcomes, `hi`.
    pub(super) fn columns(&self) -> String {
        let all: Vec<String> =
            self.columns.iter().enumerate().map(|(place, column)| format!("{column} AS m{place}")).collect();
        all.join(",\n")
    }

    /// The query that adds up all ages of a unit.
    pub(super) fn by_unit(&self) -> String {
        let sum = |(place, column): (usize, &String)| {
            // why: a number of outcomes has 64 bits, and a row of numbers half the memory then
            let kind = if column.starts_with("count") { "BIGINT" } else { "HUGEINT" };
            format!("CAST(sum(m{place}) AS {kind}) AS m{place}")
        };
        let all: Vec<String> = self.columns.iter().enumerate().map(sum).collect();
        format!("SELECT unit, cell, {} FROM by_age GROUP BY unit, cell", all.join(", "))
    }

    /// A text whose `$column(NAME)` are those of one of the metrics.
    pub(super) fn filled(&self, text: &str, nth: usize) -> String {
        NAMES.iter().enumerate().fold(text.to_owned(), |text, (place, name)| {
            let column = self.by_metric.get(nth).and_then(|columns| columns.get(place).copied().flatten());
            let written = column.map_or("0".to_owned(), |column| format!("m{column}"));
            text.replace(&format!("$column({name})"), &written)
        })
    }
}
