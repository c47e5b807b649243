//! Reading inputs: every failure names its field and what to write there.

use std::fmt;

use serde_json::{Map, Value};

use crate::stats::{Aggregate, Comparison, Direction, Effect, Level, Metric, Number, RatioCovariate, Refusal, Tuning};

/// Longest list in an input; each operation may ask for less.
pub(super) const MAX_LIST: usize = 2_000_000;

/// What is wrong with a field.
#[derive(Debug)]
pub(super) struct FieldError {
    path: String,
    problem: String,
}

impl FieldError {
    pub(super) fn new(path: &str, problem: &str) -> Self {
        Self { path: path.to_owned(), problem: problem.to_owned() }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

/// An object of inputs with its place in the line.
pub(super) struct Fields<'a> {
    values: &'a Map<String, Value>,
    path: String,
}

impl<'a> Fields<'a> {
    pub(super) fn new(values: &'a Map<String, Value>, path: String) -> Self {
        Self { values, path }
    }

    /// An error about the field `name`.
    pub(super) fn error(&self, name: &str, problem: &str) -> FieldError {
        FieldError { path: format!("{}.{name}", self.path), problem: problem.to_owned() }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    fn value(&self, name: &str) -> Result<&'a Value, FieldError> {
        self.values.get(name).ok_or_else(|| self.error(name, "missing"))
    }

    pub(super) fn object(&self, name: &str) -> Result<Fields<'a>, FieldError> {
        match self.value(name)? {
            Value::Object(values) => Ok(Fields::new(values, format!("{}.{name}", self.path))),
            _ => Err(self.error(name, "must be an object")),
        }
    }

    /// A list of at most `most` values.
    pub(super) fn list(&self, name: &str, most: usize) -> Result<&'a [Value], FieldError> {
        match self.value(name)? {
            Value::Array(list) if list.len() <= most => Ok(list),
            Value::Array(_) => Err(self.error(name, &format!("must have at most {most} entries"))),
            _ => Err(self.error(name, "must be a list")),
        }
    }

    /// A list of objects.
    pub(super) fn objects(&self, name: &str, most: usize) -> Result<Vec<Fields<'a>>, FieldError> {
        let list = self.list(name, most)?.iter().enumerate();
        list.map(|(index, value)| match value {
            Value::Object(values) => Ok(Fields::new(values, format!("{}.{name}[{index}]", self.path))),
            _ => Err(self.error(&format!("{name}[{index}]"), "must be an object")),
        })
        .collect()
    }

    /// A list of numbers.
    pub(super) fn numbers(&self, name: &str, most: usize) -> Result<Vec<f64>, FieldError> {
        let list = self.list(name, most)?.iter().enumerate();
        list.map(|(index, value)| self.float(value, &format!("{name}[{index}]"))).collect()
    }

    /// A list of lists of numbers.
    pub(super) fn rows(&self, name: &str, most: usize, most_each: usize) -> Result<Vec<Vec<f64>>, FieldError> {
        let list = self.list(name, most)?.iter().enumerate();
        list.map(|(index, value)| match value {
            Value::Array(row) if row.len() <= most_each => row
                .iter()
                .enumerate()
                .map(|(column, value)| self.float(value, &format!("{name}[{index}][{column}]")))
                .collect(),
            _ => {
                Err(self.error(&format!("{name}[{index}]"), &format!("must be a list of at most {most_each} numbers")))
            }
        })
        .collect()
    }

    /// A list of whole numbers.
    pub(super) fn integers(&self, name: &str) -> Result<Vec<i128>, FieldError> {
        let list = self.list(name, MAX_LIST)?.iter().enumerate();
        list.map(|(index, value)| {
            let name = format!("{name}[{index}]");
            self.parsed(value, &name)?
                .to_integer()
                .ok_or_else(|| self.error(&name, "must be a whole number; beyond 2^53 as a string of digits"))
        })
        .collect()
    }

    /// A number as it was written.
    pub(super) fn exact(&self, name: &str) -> Result<Number, FieldError> {
        self.parsed(self.value(name)?, name)
    }

    /// A finite number.
    pub(super) fn number(&self, name: &str) -> Result<f64, FieldError> {
        self.float(self.value(name)?, name)
    }

    /// A finite number, `default` where the field is absent.
    pub(super) fn number_or(&self, name: &str, default: f64) -> Result<f64, FieldError> {
        if self.has(name) { self.number(name) } else { Ok(default) }
    }

    fn float(&self, value: &Value, name: &str) -> Result<f64, FieldError> {
        let number = self.parsed(value, name)?.to_f64();
        if number.is_finite() { Ok(number) } else { Err(self.error(name, "must be a finite number")) }
    }

    /// Numbers are JSON numbers or strings of one; `null` and "NaN" stand for what is not finite.
    fn parsed(&self, value: &Value, name: &str) -> Result<Number, FieldError> {
        match value {
            Value::Number(number) => Ok(number
                .as_i64()
                .map(Number::from)
                .or_else(|| number.as_u64().map(Number::from))
                .or_else(|| number.as_f64().map(Number::from))
                .unwrap_or(Number::Real(f64::NAN))),
            Value::String(text) => text
                .parse::<i128>()
                .map(Number::from)
                .or_else(|_| text.parse::<f64>().map(Number::from))
                .map_err(|_| self.error(name, "must be a number, or beyond 2^53 a string of digits")),
            Value::Null => Ok(Number::Real(f64::NAN)),
            _ => Err(self.error(name, "must be a number, or beyond 2^53 a string of digits")),
        }
    }

    /// `true` or `false`; absent means `false`.
    pub(super) fn flag(&self, name: &str) -> Result<bool, FieldError> {
        match self.values.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.error(name, "must be true or false")),
        }
    }

    /// One of the named choices.
    pub(super) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<T, FieldError> {
        let written = self.value(name)?.as_str();
        choices.iter().find(|(choice, _)| written == Some(*choice)).map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            self.error(name, &format!("must be one of {}", names.join(", ")))
        })
    }

    /// A probability strictly between 0 and 1.
    pub(super) fn level_or(&self, name: &str, default: Level) -> Result<Level, FieldError> {
        if !self.has(name) {
            return Ok(default);
        }
        Level::new(self.number(name)?).ok_or_else(|| self.error(name, "must lie strictly between 0 and 1"))
    }

    pub(super) fn alpha(&self) -> Result<Level, FieldError> {
        self.level_or("alpha", Level::FIVE_PERCENT)
    }

    pub(super) fn tuning(&self) -> Result<Tuning, FieldError> {
        if !self.has("tuning") {
            return Ok(Tuning::DEFAULT);
        }
        Tuning::new(self.number("tuning")?).ok_or_else(|| self.error("tuning", "must be a positive number of units"))
    }

    pub(super) fn effect(&self) -> Result<Effect, FieldError> {
        self.choice("effect", &[("relative", Effect::Relative), ("absolute", Effect::Absolute)])
    }

    pub(super) fn direction(&self) -> Result<Direction, FieldError> {
        let choices = [("higher_is_better", Direction::HigherIsBetter), ("lower_is_better", Direction::LowerIsBetter)];
        self.choice("direction", &choices)
    }

    pub(super) fn metric(&self) -> Result<Metric, FieldError> {
        self.choice("metric", &Metric::ALL.map(|metric| (metric.name(), metric)))
    }

    /// The aggregates of one arm.
    pub(super) fn aggregate(&self, name: &str, metric: Metric) -> Result<Aggregate, FieldError> {
        let sums = self.object(name)?;
        let get = |field: &str| sums.exact(field);
        let ratio = || -> Result<Aggregate, FieldError> {
            let num = (get("num_sum")?, get("num_sum_sq")?);
            let den = (get("den_sum")?, get("den_sum_sq")?);
            Ok(Aggregate::ratio(get("n")?, num, den, get("num_den_sum")?))
        };
        Ok(match metric {
            Metric::Proportion => Aggregate::proportion(get("n")?, get("sum")?),
            Metric::Mean => Aggregate::mean(get("n")?, get("sum")?, get("sum_sq")?),
            Metric::Ratio => ratio()?,
            Metric::MeanCuped => {
                let y = (get("sum")?, get("sum_sq")?);
                Aggregate::mean_cuped(get("n")?, y, (get("x_sum")?, get("x_sum_sq")?), get("xy_sum")?)
            }
            Metric::RatioCuped => {
                let covariate = RatioCovariate {
                    x_sum: get("x_sum")?,
                    x_sum_sq: get("x_sum_sq")?,
                    num_x_sum: get("num_x_sum")?,
                    den_x_sum: get("den_x_sum")?,
                };
                Aggregate::ratio_cuped(ratio()?, covariate)
            }
        })
    }

    /// Both arms and their comparison.
    pub(super) fn arms(&self) -> Result<Arms, FieldError> {
        let metric = self.metric()?;
        let (control, treatment) = (self.aggregate("a", metric)?, self.aggregate("b", metric)?);
        Ok(Arms { comparison: Comparison::of(&control, &treatment), control, treatment })
    }
}

/// Both arms as read.
pub(super) struct Arms {
    pub(super) control: Aggregate,
    pub(super) treatment: Aggregate,
    pub(super) comparison: Result<Comparison, Refusal>,
}
