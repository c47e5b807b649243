//! ClickHouse, from 26.3 on: before, a common table could not be kept for its second use.
//!
//! A name within a query is looked for among the aliases of the queries around it, too. So no table is called like a column
//! of an answer (`a` to `m`) there.

use super::common::fill;

fn path(names: &[String]) -> String {
    names.iter().map(|name| format!(", '{}'", name.replace('\\', "\\\\").replace('\'', "\\'"))).collect()
}

pub(super) fn call(name: &str, arguments: &[String]) -> Option<String> {
    let json = arguments.first().cloned().unwrap_or_default();
    let path = || path(arguments.get(1..).unwrap_or_default());
    Some(match name {
        "scanned" => "MATERIALIZED".to_owned(),
        "idiv" => fill("intDiv({0}, {1})", arguments),
        "text" => fill("toString({0})", arguments),
        "double" => fill("toFloat64({0})", arguments),
        "integer" => "Nullable(Int64)".to_owned(),
        "sum" => fill("sum(toInt256({0}))", arguments),
        "sum_of_products" => fill("sum(toInt256({0}) * toInt256({1}))", arguments),
        // why: a branch of CASE is reckoned for every row, and an absent time would be an error
        "millis" => fill(
            "if(isNull({0}), NULL, toUnixTimestamp64Milli(parseDateTime64BestEffort(coalesce({0}, '1970-01-01T00:00:00Z'), 3, 'UTC')))",
            arguments,
        ),
        "abs" => fill("toInt64(abs({0}))", arguments),
        "count_if" => fill("toInt64(countIf({0}))", arguments),
        "number" => fill("toInt256({0})", arguments),
        // why: a name in a query is its own alias first here, what a join does not find is a zero, and a common table is
        // computed anew for each use
        "settings" => {
            " SETTINGS prefer_column_name_to_alias = 1, join_use_nulls = 1, enable_materialized_cte = 1".to_owned()
        }
        "reach" => fill("toInt64(ceil(12 * sqrt(toFloat64({0})) / 1000))", arguments),
        "lateral" => "ARRAY JOIN".to_owned(),
        "versions" => fill("JSONExtractKeysAndValues({0}, 'String') AS {1}", arguments),
        "entry_name" => fill("{0}.1", arguments),
        "entry_value" => fill("{0}.2", arguments),
        "spelled" => fill(
            "(CASE WHEN match({0}, '^-?(0|[1-9][0-9]*)(\\\\.[0-9]+)?([eE][+-]?[0-9]+)?$') THEN toFloat64OrNull({0}) END)",
            arguments,
        ),
        "json_text" => {
            format!("(CASE JSONType({json}{0}) WHEN 'String' THEN JSONExtractString({json}{0}) END)", path())
        }
        "json_number" => format!(
            "(CASE WHEN JSONType({json}{0}) IN ('Int64', 'UInt64', 'Double') THEN JSONExtractFloat({json}{0}) END)",
            path()
        ),
        "json_truth" => {
            format!("(CASE JSONType({json}{0}) WHEN 'Bool' THEN toInt8(JSONExtractBool({json}{0})) END)", path())
        }
        "json_composite" => format!("(JSONType({json}{}) IN ('Array', 'Object'))", path()),
        "json_absent" => format!("(JSONType({json}{}) = 'Null')", path()),
        "row" => {
            let cast = |column: char| format!(", toString({column}) AS {column}");
            format!("what, dimension, part, variant{}", "abcefghijklm".chars().map(cast).collect::<String>())
        }
        "dimensions" => {
            let name = arguments.first()?;
            format!(
                "(SELECT arrayJoin([{}]) AS dimension) AS {name}",
                arguments.get(1..).unwrap_or_default().join(", ")
            )
        }
        _ => return None,
    })
}
