//! Trino.

use super::common::{fill, path};

pub(super) fn call(name: &str, arguments: &[String]) -> Option<String> {
    let json = arguments.first().cloned().unwrap_or_default();
    let value = || format!("json_extract(json_parse({json}), {})", path(arguments.get(1..).unwrap_or_default()));
    // why: a value as it is written in JSON tells its type by its first letter
    let first = || format!("substr(json_format({}), 1, 1)", value());
    Some(match name {
        "materialized" => String::new(),
        "sum" => fill("sum(CAST({0} AS DECIMAL(38, 0)))", arguments),
        "sum_of_products" => fill("sum(CAST({0} AS DECIMAL(38, 0)) * CAST({1} AS DECIMAL(38, 0)))", arguments),
        "millis" => fill("CAST(to_unixtime(from_iso8601_timestamp({0})) * 1000 AS BIGINT)", arguments),
        "lateral" => "CROSS JOIN".to_owned(),
        "versions" => fill("UNNEST(CAST(json_parse({0}) AS MAP(VARCHAR, VARCHAR))) AS {1}(name, part)", arguments),
        "entry_name" => fill("{0}.name", arguments),
        "entry_value" => fill("{0}.part", arguments),
        "spelled" => fill(
            "(CASE WHEN regexp_like({0}, '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$') THEN TRY_CAST({0} AS DOUBLE) END)",
            arguments,
        ),
        "json_text" => format!("(CASE {} WHEN '\"' THEN CAST({} AS VARCHAR) END)", first(), value()),
        "json_number" => format!("(CASE WHEN {} BETWEEN '-' AND '9' THEN CAST({} AS DOUBLE) END)", first(), value()),
        "json_truth" => format!("(CASE {} WHEN 't' THEN 1 WHEN 'f' THEN 0 END)", first()),
        "json_composite" => format!("({} IN ('[', '{{'))", first()),
        "json_absent" => format!("(coalesce({}, 'n') = 'n')", first()),
        _ => return None,
    })
}
