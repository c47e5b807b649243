//! Answers of several databases → the answer over all of them.
//!
//! Each person is in one database, so that what an answer counts and adds up is the sum of the databases' answers: units,
//! sums and products, outcomes by currency and by delay, units that contradict. A cap of a percentile and a quantile are
//! ranks among all values; they are found here, in the values and their numbers, before the sums are asked for. The union is
//! associative, and an answer of one database is its own (`tests/it/ledger_union.rs`).

use super::answer::{Row, Unreadable, WIDTH, rows};
use super::question::shared::{Between, SharedQuestion, Whole};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many numbers a row has.
const NUMBERS: usize = WIDTH - 4;

/// Values with how often they occur, by variant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Values(BTreeMap<String, BTreeMap<i128, i128>>);

impl Values {
    /// Of what was asked first.
    fn read(befores: &[&str]) -> Result<Self, Unreadable> {
        let mut values = Self::default();
        for row in befores.iter().map(|text| rows(text)).collect::<Result<Vec<_>, _>>()?.iter().flatten() {
            if row.text(0) != "value" {
                continue;
            }
            let of = values.0.entry(row.text(1).to_owned()).or_default();
            for pair in row.list(2) {
                let pair = Row::of(pair)?;
                let count = of.entry(pair.number(0)?).or_default();
                *count = count.saturating_add(pair.number(1)?);
            }
        }
        Ok(values)
    }

    /// The rank ⌈share · n⌉ among a variant's values.
    fn rank(of: &BTreeMap<i128, i128>, share: u32) -> i128 {
        (of.values().sum::<i128>() * i128::from(share) + 999_999) / 1_000_000
    }

    /// The value of a rank, from 1.
    fn at(of: &BTreeMap<i128, i128>, rank: i128) -> Option<i128> {
        let mut last = 0;
        of.iter().find_map(|(value, count)| {
            last += count;
            (last >= rank && rank > 0).then_some(*value)
        })
    }
}

/// The parameters of a question to all databases: its own, `values`, else what came of what was asked first, where the question
/// has a place for that.
///
/// # Errors
///
/// An answer cannot be read, or was cut off.
pub fn parameters(shared: &SharedQuestion, values: Vec<Value>, befores: &[&str]) -> Result<Vec<Value>, Unreadable> {
    if values.is_empty() && shared.sql.contains("?1") {
        return Ok(vec![between(shared, befores)?.into()]);
    }
    Ok(values)
}

/// What the databases' answers to what is asked first make of the question: its `?1`; `None`: null.
///
/// # Errors
///
/// As [`parameters`].
pub fn between(shared: &SharedQuestion, befores: &[&str]) -> Result<Option<String>, Unreadable> {
    let Whole::Sums(between) = &shared.whole else { return Ok(None) };
    Ok(match between {
        Between::Nothing => None,
        Between::Percentile(share) => {
            let values = Values::read(befores)?;
            let all = values.0.values().next();
            all.and_then(|all| Values::at(all, Values::rank(all, *share))).map(|value| value.to_string())
        }
        Between::Cap { named, minor } => {
            let rows = befores.iter().map(|text| rows(text)).collect::<Result<Vec<_>, _>>()?;
            let currencies = rows.iter().flatten().filter(|row| row.text(0) == "currency" && !row.is_null(1));
            let currency = currencies.map(|row| row.text(1)).max().unwrap_or(named);
            Between::cap_in(minor, currency).map(|cap| cap.to_string())
        }
        Between::Quantile(share) => {
            let values = Values::read(befores)?;
            let of = |(variant, all): (&String, &BTreeMap<i128, i128>)| {
                Values::at(all, Values::rank(all, *share)).map(|value| format!("[{},{value}]", json!(variant)))
            };
            Some(format!("[{}]", values.0.iter().filter_map(of).collect::<Vec<_>>().join(",")))
        }
    })
}

/// The answer over all databases, of each one's.
///
/// # Errors
///
/// As [`parameters`].
pub fn whole(shared: &SharedQuestion, befores: &[&str], answers: &[&str]) -> Result<String, Unreadable> {
    match &shared.whole {
        Whole::First => Ok(answers.first().copied().unwrap_or_default().to_owned()),
        Whole::Delivery => delivery(answers),
        Whole::Courses => courses(answers),
        Whole::Sums(between) => {
            let mut sums = Totals::default();
            for answer in answers {
                sums.add(answer)?;
            }
            if let Between::Quantile(share) = between {
                sums.rank(&Values::read(befores)?, *share);
            }
            Ok(sums.text())
        }
    }
}

/// What a row is about: what, dimension, part, variant, and what else tells it from others.
type Key = [String; 5];

/// The rows of an answer, by what they are about.
#[derive(Default)]
struct Totals {
    rows: BTreeMap<Key, [Option<i128>; NUMBERS]>,
    ranks: Vec<Value>,
}

impl Totals {
    fn add(&mut self, answer: &str) -> Result<(), Unreadable> {
        for row in rows(answer)? {
            let what = row.text(0);
            // why: of these a number says what the row is about
            let told = match what {
                "delay" => Some(4),
                "currency" => Some(5),
                "cap" => Some(4),
                _ => None,
            };
            let more = told.map(|field| row.number(field)).transpose()?.map(|number| number.to_string());
            let part = row.part(2);
            let key = [what.to_owned(), row.text(1).to_owned(), part, row.text(3).to_owned(), more.unwrap_or_default()];
            let sums = self.rows.entry(key).or_default();
            for (field, sum) in (4..).zip(sums.iter_mut()) {
                if row.is_null(field) {
                    continue;
                }
                let number = row.number(field)?;
                let is_told = told == Some(field);
                *sum = Some(if is_told { number } else { sum.unwrap_or(0).saturating_add(number) });
            }
        }
        Ok(())
    }

    /// The values around each variant's quantile, as one database tells them.
    fn rank(&mut self, values: &Values, share: u32) {
        for (variant, all) in &values.0 {
            let key = ["spread".to_owned(), String::new(), String::new(), variant.clone(), String::new()];
            let Some([Some(spread), ..]) = self.rows.get(&key) else { continue };
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
            let reach = 1 + libm::ceil(12.0 * libm::sqrt(*spread as f64) / 1000.0) as i128;
            let place = Values::rank(all, share);
            let mut last = 0_i128;
            for (value, count) in all {
                let (from, to) = ((last + 1).max(place - reach), (last + count).min(place + reach));
                last += count;
                if from <= to {
                    let [value, from, to] = [value, &from, &to].map(ToString::to_string);
                    self.ranks.push(row("rank", ["", "", variant], &[value, from, to]));
                }
            }
        }
        self.rows.retain(|[what, ..], _| what != "spread");
    }

    fn text(self) -> String {
        let of = |([what, dimension, part, variant, _], sums): (Key, [Option<i128>; NUMBERS])| {
            let mut fields = vec![json!(what), json!(dimension), json!(part), json!(variant)];
            fields.extend(sums.map(|sum| sum.map_or(Value::Null, |sum| json!(sum.to_string()))));
            Value::Array(fields)
        };
        let rows: Vec<Value> = self.rows.into_iter().filter(|([what, ..], _)| what != "end").map(of).collect();
        let end = row("end", ["", "", ""], &[]);
        Value::Array(rows.into_iter().chain(self.ranks).chain([end]).collect()).to_string()
    }
}

fn row(what: &str, at: [&str; 3], numbers: &[String]) -> Value {
    let mut fields = vec![json!(what)];
    fields.extend(at.map(|text| json!(text)));
    fields.extend(numbers.iter().map(|number| json!(number)));
    fields.resize(WIDTH, Value::Null);
    Value::Array(fields)
}

/// What arrived: sums; whether rows of before are still waiting anywhere; over how many databases the record is spread, how
/// many of them hold rows that are not at home, which are bound in another's place, and how many were asked.
fn delivery(answers: &[&str]) -> Result<String, Unreadable> {
    let (mut sums, mut counts, mut unsettled, mut wrong) = ([0_i128; 5], Vec::new(), 0_i128, 0_i128);
    for (number, answer) in (0_i128..).zip(answers) {
        let rows = Row::all(answer)?;
        let row = rows.first().ok_or_else(|| Unreadable::new("it has no row"))?;
        for (field, sum) in sums.iter_mut().enumerate() {
            *sum = sum.saturating_add(row.number(field)?);
        }
        let count = row.number(5)?;
        unsettled += row.number(6)?;
        // why: one that was never written to does not know its number yet
        wrong += i128::from(count > 1 && row.number(7)? != number);
        counts.push(count);
    }
    let databases = counts.iter().copied().max().unwrap_or(1).max(1);
    // why: the first is told last of how many there are, so whoever knows less than it, or knows what it does not, is new
    let first = counts.first().copied().unwrap_or(1);
    wrong += i128::from(first < databases);
    wrong += (0..first).zip(&counts).filter(|(_, count)| **count < first).count() as i128;
    let asked = i128::try_from(answers.len()).unwrap_or(1);
    let rest = [databases, unsettled, wrong, asked];
    let told: Vec<String> = sums.iter().chain(&rest).map(ToString::to_string).collect();
    Ok(json!([told]).to_string())
}

/// The first and the last day of each iteration.
fn courses(answers: &[&str]) -> Result<String, Unreadable> {
    let mut of: BTreeMap<(String, i128), [Option<i128>; 2]> = BTreeMap::new();
    for answer in answers {
        for row in Row::all(answer)? {
            let [first, last] = of.entry((row.text(0).to_owned(), row.number(1)?)).or_default();
            if !row.is_null(2) {
                let day = row.number(2)?;
                *first = Some(first.map_or(day, |first| first.min(day)));
            }
            if !row.is_null(3) {
                let day = row.number(3)?;
                *last = Some(last.map_or(day, |last| last.max(day)));
            }
        }
    }
    let whole = |number: i128| i64::try_from(number).unwrap_or(0);
    let row = |((experiment, iteration), days): ((String, i128), [Option<i128>; 2])| {
        let [first, last] = days.map(|day| day.map(whole));
        json!([experiment, whole(iteration), first, last])
    };
    Ok(Value::Array(of.into_iter().map(row).collect()).to_string())
}
