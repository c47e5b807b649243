//! What a question fills into its tree: who is asked about, and what the metric's definition says.

use super::condition::condition;
use super::{Extent, Iteration, NO_VALUES, Place, Question};
use crate::document::Timestamp;
use crate::events::money::{Currency, DEFAULT_EXPONENT};
use crate::ledger::answer::{ALL, DAY, PARTS};
use crate::ledger::tree::{Node, parse};
use crate::metrics::{Cap, Definition, Kind, Window};
use std::fmt::Write as _;

/// The words of a question.
pub(super) struct Words<'a> {
    of: Iteration<'a>,
    others: &'a [Iteration<'a>],
    definition: Option<&'a Definition>,
    /// By which definitions a table is to be measured.
    measured_by: &'a [Definition],
    extent: Extent,
    place: Place<'a>,
    /// Whether other databases have to do with the cap, which is `?1` then.
    is_shared: bool,
}

impl<'a> Words<'a> {
    pub(super) fn new(of: Iteration<'a>, definition: Option<&'a Definition>, extent: Extent, place: Place<'a>) -> Self {
        Self { of, others: &[], definition, measured_by: &[], extent, place, is_shared: false }
    }

    /// One of several databases is asked.
    pub(super) fn shared(self) -> Self {
        Self { is_shared: true, ..self }
    }

    /// Whether other databases are asked the same.
    pub(super) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// The rows of a quantile beside its sums: the values around it, or, where other databases have values too, how far
    /// around it they are wanted.
    pub(super) fn ranks(&self) -> &'static str {
        match (self.definition.map(|metric| &metric.kind), self.is_shared) {
            (Some(Kind::Quantile(_)), false) => {
                "UNION ALL SELECT 'rank', '', '', variant, value, first_nth, last_nth, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
NULL, NULL FROM ranks"
            }
            (Some(Kind::Quantile(_)), true) => {
                "UNION ALL SELECT 'spread', '', '', variant, reach, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
NULL FROM spread"
            }
            _ => "",
        }
    }

    /// Also about the people of other experiments.
    pub(super) fn among(self, others: &'a [Iteration<'a>]) -> Self {
        Self { others, ..self }
    }

    /// About what these definitions ask for.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn measured_by(self, definitions: &'a [Definition]) -> Self {
        Self { measured_by: definitions, ..self }
    }

    /// Puts a question's steps together, each of which begins as if another one stood before it.
    pub(super) fn question(&self, steps: &[&str]) -> Question {
        let steps = steps.concat();
        self.text(&format!("WITH {}", steps.strip_prefix(", ").unwrap_or(&steps)))
    }

    /// A question as it is written, filled in.
    pub(super) fn text(&self, text: &str) -> Question {
        Question { sql: self.written(&parse(text)), values: NO_VALUES }
    }

    fn written(&self, nodes: &[Node<'_>]) -> String {
        let mut text = String::new();
        for node in nodes {
            match node {
                Node::Text(sql) => text.push_str(sql),
                Node::Call(name, arguments) => {
                    let arguments: Vec<String> =
                        arguments.iter().map(|argument| self.written(argument).trim().to_owned()).collect();
                    let called = self.word(name, &arguments).or_else(|| self.place.dialect.call(name, &arguments));
                    // why: a call that nobody knows must not pass as SQL; a test asks every question of every dialect
                    text.push_str(&called.unwrap_or_else(|| format!("${name}()")));
                }
            }
        }
        text
    }

    fn quoted(&self, text: &str) -> String {
        self.place.dialect.quoted(text)
    }

    /// What a word of the question stands for.
    fn word(&self, name: &str, arguments: &[String]) -> Option<String> {
        let argument = arguments.first().map_or("", String::as_str);
        Some(match name {
            "events" => self.place.events.to_owned(),
            "project" => self.quoted(self.of.project),
            "experiment" => self.quoted(self.of.experiment),
            "iteration" => self.of.iteration.to_string(),
            "variants" => self.list(self.of.variants),
            "now" => self.of.now.to_string(),
            "now_text" => self.time(self.of.now),
            "window" => self.window().length().to_string(),
            "chosen" => self.chosen(argument),
            "others" => self.known_others(argument),
            "iteration_no" => format!(
                "(SELECT number FROM iterations WHERE project = {} AND experiment_id = {} AND iteration = {})",
                self.quoted(self.of.project),
                self.quoted(self.of.experiment),
                self.of.iteration
            ),
            "seen" if self.others.is_empty() => {
                "iterations n CROSS JOIN slow w CROSS JOIN exposed e ON e.iteration_no = n.number AND e.kind = w.kind AND e.unit = w.unit \
AND e.id = w.id"
                    .to_owned()
            }
            "seen" => "iterations n CROSS JOIN exposed e ON e.iteration_no = n.number".to_owned(),
            "dimensions" => {
                let parts: &[&str] = if self.extent == Extent::Parts { &PARTS } else { &[] };
                let all = [ALL, DAY].iter().chain(parts).map(|one| self.quoted(one));
                return self.place.dialect.call(name, &arguments.iter().cloned().chain(all).collect::<Vec<_>>());
            }
            "product" => return self.product(arguments),
            // why: where there are tables, parts are looked up at the end
            "parts" if self.place.tables && argument.is_empty() => "combo".to_owned(),
            "parts" if self.place.tables => format!("{argument}.combo AS combo"),
            "parts_as" if self.place.tables => format!("{argument}.cell AS cell"),
            "least_parts" if self.place.tables => "min(cell) AS cell".to_owned(),
            "parts" => columns(|name| if argument.is_empty() { name.to_owned() } else { format!("{argument}.{name}") }),
            "parts_as" => columns(|name| format!("{argument}.{name} AS {name}")),
            "least_parts" => columns(|name| format!("min({name}) AS {name}")),
            "part" => self.part()?,
            "asked" => self.known(argument, &self.of),
            "names" => self.names(),
            "properties" if self.measured_by.iter().any(Definition::reads_properties) => format!("{argument}.properties"),
            "properties" => "CAST(NULL AS VARCHAR)".to_owned(),
            // why: what is read once is held nowhere, where there are as many as units
            "held" if self.place.tables => "NOT MATERIALIZED".to_owned(),
            "held" => return self.place.dialect.call("materialized", arguments),
            #[cfg(not(target_arch = "wasm32"))]
            _ if self.place.tables => return super::keys::call(name, arguments).or_else(|| self.measured(name, arguments)),
            _ => return self.measured(name, arguments),
        })
    }

    /// What a word stands for that is about the metric.
    fn measured(&self, name: &str, arguments: &[String]) -> Option<String> {
        let argument = arguments.first().map_or("", String::as_str);
        let dialect = self.place.dialect;
        Some(match (name, self.definition) {
            ("event" | "per", None) => "''".to_owned(),
            ("lookback", None) => {
                self.measured_by.iter().map(|metric| metric.lookback).max().unwrap_or_default().to_string()
            }
            (_, None) => return None,
            ("event", Some(metric)) => self.quoted(&metric.event),
            ("per", Some(metric)) => self.quoted(metric.per().unwrap_or("")),
            ("lookback", Some(metric)) => metric.lookback.to_string(),
            ("where", Some(metric)) => condition(&metric.filter, argument, dialect),
            ("where_per", Some(metric)) => match &metric.kind {
                Kind::Ratio { filter, .. } => condition(filter, argument, dialect),
                _ => "1 = 0".to_owned(),
            },
            ("inside", Some(metric)) => inside(metric.window, argument),
            ("other", Some(metric)) => self.other_currency(metric, argument),
            ("money", Some(metric)) => if metric.has_values() { "1 = 1" } else { "1 = 0" }.to_owned(),
            // why: the table of outcomes has taken off what went back
            ("net", Some(metric)) if self.place.tables && metric.subtracts_refunds => format!("{argument}.remains"),
            ("back", Some(_)) if self.place.tables => String::new(),
            ("net", Some(metric)) => net(
                metric,
                argument,
                dialect.call("least", &[format!("{argument}.value"), "coalesce(back.amount, 0)".to_owned()])?,
            ),
            ("back", Some(metric)) => back(metric),
            ("y" | "x", Some(metric)) => contribution(metric, name == "x", arguments),
            ("cap", Some(metric)) => self.cap(metric)?,
            ("rank", Some(Definition { kind: Kind::Quantile(share), .. })) => {
                rank(share.0, argument, dialect.call("idiv", &["#".to_owned(), "1000000".to_owned()])?)
            }
            ("share", Some(Definition { kind: Kind::Quantile(share), .. })) => ((share.0 + 500) / 1000).to_string(),
            _ => return None,
        })
    }

    /// The part of the audience that a row is of, in the dimension at hand.
    fn part(&self) -> Option<String> {
        let day = self.place.dialect.call("text", &["day".to_owned()])?;
        let texts = PARTS.map(|name| format!("WHEN '{name}' THEN coalesce({name}, '')"));
        Some(format!("CASE di.dimension WHEN 'day' THEN {day} {} ELSE '' END", texts.join(" ")))
    }

    /// The events that are asked about.
    fn names(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for metric in self.measured_by.iter().chain(self.definition) {
            names.extend([metric.event.as_str(), metric.per().unwrap_or("")]);
        }
        names.sort_unstable();
        names.dedup();
        self.list(&names)
    }

    /// The sum of products of what units contribute. The record is spared those that are nothing but zeros: its sums in
    /// limbs are what a question takes longest for.
    fn product(&self, factors: &[String]) -> Option<String> {
        let names =
            |name: char| factors.iter().any(|factor| factor.trim_start_matches("coalesce(co.").starts_with(name));
        let has_denominator =
            self.definition.is_some_and(|metric| metric.per().is_some() || matches!(metric.kind, Kind::Quantile(_)));
        let has_covariate = self.definition.is_some_and(|metric| metric.lookback > 0);
        let is_nothing = self.definition.is_none() || names('d') && !has_denominator || names('x') && !has_covariate;
        if is_nothing && self.place.dialect.is_record() {
            return Some("NULL".to_owned());
        }
        self.place.dialect.call("sum_of_products", factors)
    }

    fn window(&self) -> Window {
        self.definition.map_or(Window::Open, |metric| metric.window)
    }

    fn time(&self, millis: i64) -> String {
        self.quoted(&Timestamp::from_millis(millis).to_string())
    }

    /// Texts in quotes, at least one.
    fn list(&self, texts: &[&str]) -> String {
        let quoted: Vec<String> = texts.iter().map(|text| self.quoted(text)).collect();
        if quoted.is_empty() { "''".to_owned() } else { quoted.join(", ") }
    }

    /// The exposures that are asked about.
    fn chosen(&self, of: &str) -> String {
        let one = |it: &Iteration<'_>| {
            format!("({of}.experiment_id = {} AND {of}.iteration = {})", self.quoted(it.experiment), it.iteration)
        };
        let all: Vec<String> = std::iter::once(&self.of).chain(self.others).map(one).collect();
        format!("({})", all.join(" OR "))
    }

    /// An experiment, and its variants that the document has.
    fn known(&self, of: &str, it: &Iteration<'_>) -> String {
        let (experiment, variants) = (self.quoted(it.experiment), self.list(it.variants));
        format!(
            "({of}.experiment_id = {experiment} AND {of}.iteration = {} AND {of}.variant IN ({variants}))",
            it.iteration
        )
    }

    /// The other experiments, and their variants that the document has.
    fn known_others(&self, of: &str) -> String {
        let all: Vec<String> = self.others.iter().map(|it| self.known(of, it)).collect();
        if all.is_empty() { "1 = 0".to_owned() } else { format!("({})", all.join(" OR ")) }
    }

    /// 1 for an outcome that is left out, since its currency is another than the metric's.
    fn other_currency(&self, metric: &Definition, of: &str) -> String {
        let Some(currency) = &metric.currency else { return "0".to_owned() };
        let (currency, event) = (self.quoted(currency), self.quoted(&metric.event));
        let without = if metric.has_values() {
            format!("{of}.name = {event} AND {of}.value IS NOT NULL")
        } else {
            "1 = 0".to_owned()
        };
        format!(
            "CASE WHEN {of}.currency IS NOT NULL THEN CASE WHEN {of}.currency <> {currency} THEN 1 ELSE 0 END \
WHEN {without} THEN 1 ELSE 0 END"
        )
    }

    /// The query of the cap: one row, null where there is none.
    fn cap(&self, metric: &Definition) -> Option<String> {
        let integer = self.place.dialect.call("integer", &[])?;
        if self.is_shared && metric.cap != Cap::None {
            return Some(format!("SELECT CAST(?1 AS {integer}) AS cap"));
        }
        Some(match metric.cap {
            Cap::None => format!("SELECT CAST(NULL AS {integer}) AS cap"),
            Cap::Value(cap) => {
                let minor = |exponent| minor(cap, exponent);
                if !metric.has_values() {
                    return Some(format!("SELECT CAST({} AS {integer}) AS cap", minor(0)));
                }
                let named = metric.currency.as_deref().map_or("''".to_owned(), |code| self.quoted(code));
                let mut cases = String::new();
                for exponent in [0, 3, 4] {
                    let codes: Vec<String> = Currency::of_exponent(exponent).map(|code| self.quoted(code)).collect();
                    let _ = write!(cases, " WHEN code IN ({}) THEN {}", codes.join(", "), minor(exponent));
                }
                format!(
                    "SELECT CAST(CASE{cases} ELSE {} END AS {integer}) AS cap FROM (SELECT coalesce(max(currency), {named}) AS code \
FROM values_found WHERE other = 0) v",
                    minor(DEFAULT_EXPONENT)
                )
            }
            Cap::Percentile(share) if self.place.tables => {
                let idiv = self.place.dialect.call("idiv", &["#".to_owned(), "1000000".to_owned()])?;
                // why: there are fewer values than units; the same value as by the rank of every single one
                format!(
                    "SELECT min(y0) AS cap FROM (SELECT y0, sum(n) OVER (ORDER BY y0) AS nth, sum(n) OVER () AS n FROM (SELECT y0, count(*) AS n \
FROM raw WHERE y0 > 0 GROUP BY y0) g) o WHERE nth >= {}",
                    rank(share.0, "n", idiv)
                )
            }
            Cap::Percentile(share) => {
                let idiv = self.place.dialect.call("idiv", &["#".to_owned(), "1000000".to_owned()])?;
                format!(
                    "SELECT max(CASE WHEN nth = {} THEN y0 END) AS cap FROM (SELECT y0, row_number() OVER (ORDER BY y0) AS nth, \
count(*) OVER () AS n FROM raw WHERE y0 > 0) o",
                    rank(share.0, "n", idiv)
                )
            }
        })
    }
}

/// The columns of the parts of the audience and of the versions, each written so.
fn columns(written: impl Fn(&str) -> String) -> String {
    PARTS.iter().chain(&["versions"]).map(|name| written(name)).collect::<Vec<_>>().join(", ")
}

/// A cap in units of which so many digits make a major one.
pub(super) fn minor(cap: f64, exponent: u8) -> i64 {
    // why: a float cast saturates, and the check bounds caps
    #[allow(clippy::cast_possible_truncation)]
    {
        (cap * libm::pow(10.0, f64::from(exponent)) + 0.5).floor() as i64
    }
}

/// The rank ⌈share · n⌉ in whole numbers; `idiv` divides `#`.
fn rank(share: u32, n: &str, idiv: String) -> String {
    idiv.replace('#', &format!("{n} * {share} + 999999"))
}

fn inside(window: Window, of: &str) -> String {
    match window {
        Window::Open => format!("{of}.ms >= {of}.met"),
        Window::Until(length) => format!("{of}.ms >= {of}.met AND {of}.ms <= {of}.met + {length}"),
        Window::Between(from, to) => format!("{of}.ms >= {of}.met + {from} AND {of}.ms < {of}.met + {to}"),
    }
}

/// What an outcome is worth, refunds taken off where they are.
fn net(metric: &Definition, of: &str, least: String) -> String {
    if !metric.subtracts_refunds {
        return format!("coalesce({of}.value, 0)");
    }
    format!("CASE WHEN {of}.value > 0 THEN {of}.value - {least} ELSE coalesce({of}.value, 0) END")
}

/// Joins what went back of each order. Before the exposure only what went back by then.
fn back(metric: &Definition) -> String {
    if !metric.subtracts_refunds {
        return String::new();
    }
    "LEFT JOIN (SELECT mk.unit AS unit, mk.id AS id, sum(r.amount) AS amount FROM marks mk JOIN refunds r \
ON r.transaction_id = mk.transaction_id AND r.currency = coalesce(mk.currency, '') WHERE mk.mine = 1 AND (mk.earlier = 0 OR r.ms < mk.met) \
GROUP BY mk.unit, mk.id) back ON back.unit = ma.unit AND back.id = ma.id"
        .to_owned()
}

/// What a unit contributes, of the number of its outcomes and of what they are worth.
fn contribution(metric: &Definition, is_covariate: bool, arguments: &[String]) -> String {
    let [number, worth] = arguments else { return "NULL".to_owned() };
    if is_covariate && metric.lookback == 0 {
        return "0".to_owned();
    }
    match metric.kind {
        Kind::Proportion | Kind::Retention => format!("CASE WHEN {number} > 0 THEN 1 ELSE 0 END"),
        Kind::Count | Kind::Ratio { counts: true, .. } => number.clone(),
        Kind::Mean | Kind::Ratio { .. } => worth.clone(),
        Kind::Quantile(_) => "0".to_owned(),
    }
}
