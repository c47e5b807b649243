//! What an engine answers: sufficient statistics, exact, whatever engine added them up.
//!
//! An answer is rows of [`WIDTH`] fields: the first says what the row is, the next three where it belongs, the others are
//! numbers. A number is written as JSON writes whole numbers, as decimal digits in a text (engines whose sums pass 64
//! bits), or as a list of limbs of 17 bits, the highest first (SQLite, whose sums may not). Read here, all are the same.

mod row;
mod whole;

pub use row::Unreadable;
pub(super) use row::{Row, rows};
pub use whole::{missing_of_metric, missing_of_units};

use std::ops::AddAssign;

/// How many fields a row has: what it is, dimension, part, variant, and the numbers.
pub const WIDTH: usize = 16;

/// The dimensions of a [`Cell`] that are not parts of the audience.
pub const ALL: &str = "";
/// By day of the counted exposure, `2026-11-21`.
pub const DAY: &str = "day";
/// By whole days since the exposure (calendar days, the exposure's is 0), each for itself, before today only.
pub const AGE: &str = "age";

/// The parts of the audience, by the counted exposure's fields. Besides, each of its versions is a dimension
/// `version.NAME`.
pub const PARTS: [&str; 8] =
    ["device", "country", "region", "browser", "referrer_host", "visitor_type", "logged_in", "fallback"];

/// Sums over the units of one variant, or of a part of them, for one metric.
///
/// `y` is what a unit contributes, `d` its denominator (a ratio's `per` events), `x` its covariate. Money is in minor
/// units. Of a quantile `y` is the number of a unit's values at or below the variant's quantile and `d` the number of its
/// values, so that the share's variance follows as a ratio's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Units whose window is over: `n` of the statistics.
    pub units: i128,
    /// Units whose window is not over, in none of the other sums.
    pub waiting: i128,
    /// Units with an outcome.
    pub converted: i128,
    /// Σy.
    pub y: i128,
    /// Σy².
    pub yy: i128,
    /// Σd.
    pub d: i128,
    /// Σd².
    pub dd: i128,
    /// Σyd.
    pub yd: i128,
    /// Σx.
    pub x: i128,
    /// Σx².
    pub xx: i128,
    /// Σxy.
    pub xy: i128,
    /// Σxd.
    pub xd: i128,
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        let both = [
            (&mut self.units, other.units),
            (&mut self.waiting, other.waiting),
            (&mut self.converted, other.converted),
            (&mut self.y, other.y),
            (&mut self.yy, other.yy),
            (&mut self.d, other.d),
            (&mut self.dd, other.dd),
            (&mut self.yd, other.yd),
            (&mut self.x, other.x),
            (&mut self.xx, other.xx),
            (&mut self.xy, other.xy),
            (&mut self.xd, other.xd),
        ];
        for (sum, more) in both {
            *sum = sum.saturating_add(more);
        }
    }
}

/// The sums of a variant in a part of a dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// [`ALL`], [`DAY`], [`AGE`], one of [`PARTS`], or `version.NAME`.
    pub dimension: String,
    /// The part, such as `mobile`; empty where it is unknown, and of [`ALL`].
    pub part: String,
    /// The variant's id.
    pub variant: String,
    /// Its sums. Of [`AGE`] without units: those of the days that are long enough ago are in [`DAY`].
    pub sums: Sums,
}

/// A value of a variant's outcomes in their order, for quantiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rank {
    /// The variant's id.
    pub variant: String,
    /// The value, in minor units.
    pub value: i128,
    /// The rank of the first outcome with this value, from 1.
    pub from: i128,
    /// The rank of the last one.
    pub to: i128,
}

/// Outcomes of a currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfCurrency {
    /// ISO 4217; `None`: values without one.
    pub currency: Option<String>,
    /// How many outcomes with a value, of the units of the experiment.
    pub outcomes: i128,
    /// Whether they were left out, since the metric names another currency.
    pub left_out: bool,
}

/// The answer about one metric.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The sums, in no order.
    pub cells: Vec<Cell>,
    /// The currencies of the outcomes' values. Several that were not left out: nothing was added up, [`Answer::is_mixed`].
    pub currencies: Vec<OfCurrency>,
    /// The cap on `y` that was applied, in minor units (or counts).
    pub cap: Option<i128>,
    /// Of quantiles: the values around the wanted rank, by variant and value.
    pub ranks: Vec<Rank>,
    /// Outcomes by hours since the exposure: at least so many, and fewer than the next row's.
    pub delays: Vec<(i128, i128)>,
    /// People whose outcome names another variant than the one they are counted in.
    pub contradicting: i128,
}

/// The answer about an iteration's units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// By dimension, part and variant; only [`Sums::units`] is filled.
    pub cells: Vec<Cell>,
    /// Units that met more than one variant: left out.
    pub contaminated: i128,
    /// Units of variants that the document does not have: left out. Variant and number.
    pub unknown: Vec<(String, i128)>,
}

/// One cell of the interaction of two experiments: people who were in both, counted in neither if contaminated in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The other experiment.
    pub experiment: String,
    /// Its iteration.
    pub iteration: u32,
    /// The variant of the experiment that was asked about.
    pub variant: String,
    /// The variant of the other one.
    pub other: String,
    /// The sums of the asked experiment's metric, as its own readout counts them, over these people.
    pub sums: Sums,
}

/// Cells that can be picked and added up.
pub trait Cells {
    /// The cells.
    fn cells(&self) -> &[Cell];

    /// The sums of a variant in a part.
    fn part(&self, dimension: &str, part: &str, variant: &str) -> Sums {
        self.sum(|cell| cell.dimension == dimension && cell.part == part && cell.variant == variant)
    }

    /// The sums of a variant.
    fn total(&self, variant: &str) -> Sums {
        self.part(ALL, "", variant)
    }

    /// The sums of a variant's units whose exposure was on a day or before.
    fn until(&self, day: &str, variant: &str) -> Sums {
        self.sum(|cell| cell.dimension == DAY && cell.part.as_str() <= day && cell.variant == variant)
    }

    /// The sums of the cells that are chosen.
    fn sum(&self, chosen: impl Fn(&Cell) -> bool) -> Sums {
        let mut sums = Sums::default();
        self.cells().iter().filter(|cell| chosen(cell)).for_each(|cell| sums += cell.sums);
        sums
    }

    /// The parts of a dimension and their units (those who wait, too), the largest first.
    fn parts(&self, dimension: &str) -> Vec<(String, i128)> {
        let mut parts: Vec<(String, i128)> = Vec::new();
        for cell in self.cells().iter().filter(|cell| cell.dimension == dimension) {
            let units = cell.sums.units.saturating_add(cell.sums.waiting);
            match parts.iter_mut().find(|(part, _)| *part == cell.part) {
                Some((_, known)) => *known = known.saturating_add(units),
                None => parts.push((cell.part.clone(), units)),
            }
        }
        parts.retain(|(_, units)| *units > 0);
        parts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        parts
    }

    /// The names of the versions that exposures carried.
    fn versions(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.cells().iter().filter_map(|cell| cell.dimension.strip_prefix("version.")).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Cells for Answer {
    fn cells(&self) -> &[Cell] {
        &self.cells
    }
}

impl Cells for Units {
    fn cells(&self) -> &[Cell] {
        &self.cells
    }
}

/// `2026-11-21` of a number of days since 1970; other parts as they are.
fn part(row: &Row) -> Result<String, Unreadable> {
    if row.text(1) != DAY {
        return Ok(row.part(2));
    }
    let days = i64::try_from(row.number(2)?).ok().and_then(|days| days.checked_mul(86_400_000));
    let day = days.map(|millis| crate::document::Timestamp::from_millis(millis).to_string());
    day.and_then(|day| day.get(..10).map(str::to_owned)).ok_or_else(|| Unreadable::new("a day is out of range"))
}

fn cell(row: &Row) -> Result<Cell, Unreadable> {
    Ok(Cell { dimension: row.text(1).to_owned(), part: part(row)?, variant: row.text(3).to_owned(), sums: sums(row)? })
}

fn sums(row: &Row) -> Result<Sums, Unreadable> {
    Ok(Sums {
        units: row.number(4)?,
        waiting: row.number(5)?,
        converted: row.number(6)?,
        y: row.number(7)?,
        yy: row.number(8)?,
        d: row.number(9)?,
        dd: row.number(10)?,
        yd: row.number(11)?,
        x: row.number(12)?,
        xx: row.number(13)?,
        xy: row.number(14)?,
        xd: row.number(15)?,
    })
}

impl Answer {
    /// Reads the rows of an answer to the question about a metric.
    ///
    /// # Errors
    ///
    /// Text for a number, half an answer: the message names it.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        let mut answer = Self::default();
        for row in rows(text)? {
            match row.text(0) {
                "sum" => answer.cells.push(cell(&row)?),
                "currency" => answer.currencies.push(OfCurrency {
                    currency: Some(row.text(2)).filter(|code| !code.is_empty()).map(str::to_owned),
                    outcomes: row.number(4)?,
                    left_out: row.number(5)? != 0,
                }),
                "cap" if !row.is_null(4) => answer.cap = Some(row.number(4)?),
                "rank" => answer.ranks.push(Rank {
                    variant: row.text(3).to_owned(),
                    value: row.number(4)?,
                    from: row.number(5)?,
                    to: row.number(6)?,
                }),
                "delay" => answer.delays.push((row.number(4)?, row.number(5)?)),
                "contradicts" => answer.contradicting = answer.contradicting.saturating_add(row.number(4)?),
                _ => {}
            }
        }
        answer.ranks.sort_by(|a, b| a.variant.cmp(&b.variant).then(a.from.cmp(&b.from)));
        answer.delays.sort_unstable();
        Ok(answer)
    }

    /// Whether values of more than one currency came together: what was added up means nothing.
    #[must_use]
    pub fn is_mixed(&self) -> bool {
        self.currencies.iter().filter(|of| !of.left_out).count() > 1
    }

    /// The one currency of the values that were added up.
    #[must_use]
    pub fn currency(&self) -> Option<&str> {
        let mut counted = self.currencies.iter().filter(|of| !of.left_out);
        let first = counted.next()?;
        if counted.next().is_some() { None } else { first.currency.as_deref() }
    }

    /// The variant's value of a rank (from 1), where the answer holds it: the wanted quantile's and those around it.
    #[must_use]
    pub fn value_at(&self, variant: &str, rank: i128) -> Option<i128> {
        let of = self.ranks.iter().find(|of| of.variant == variant && of.from <= rank && rank <= of.to)?;
        Some(of.value)
    }
}

impl Units {
    /// Reads the rows of an answer to the question about units.
    ///
    /// # Errors
    ///
    /// As [`Answer::read`].
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        let mut units = Self::default();
        for row in rows(text)? {
            match row.text(0) {
                "sum" => units.cells.push(cell(&row)?),
                "contaminated" => units.contaminated = units.contaminated.saturating_add(row.number(4)?),
                "unknown" => units.unknown.push((row.text(3).to_owned(), row.number(4)?)),
                _ => {}
            }
        }
        units.unknown.sort();
        Ok(units)
    }
}

/// Reads the rows of an answer to the question about interactions.
///
/// # Errors
///
/// As [`Answer::read`].
pub fn pairs(text: &str) -> Result<Vec<Pair>, Unreadable> {
    let mut pairs = Vec::new();
    for row in rows(text)?.iter().filter(|row| row.text(0) == "pair") {
        // why: the other experiment stands in the dimension as `id/iteration`, its variant in the part
        let (experiment, iteration) = row.text(1).rsplit_once('/').unwrap_or((row.text(1), "1"));
        pairs.push(Pair {
            experiment: experiment.to_owned(),
            iteration: iteration.parse().unwrap_or(1),
            variant: row.text(3).to_owned(),
            other: row.text(2).to_owned(),
            sums: sums(row)?,
        });
    }
    Ok(pairs)
}
