//! Snowflake.

use super::common::fill;

/// `:"cart":"items"` after a value.
fn path(names: &[String]) -> String {
    names.iter().map(|name| format!(":\"{}\"", name.replace('"', "\"\""))).collect()
}

pub(super) fn call(name: &str, arguments: &[String]) -> Option<String> {
    let value =
        format!("{}{}", arguments.first().map_or("", String::as_str), path(arguments.get(1..).unwrap_or_default()));
    Some(match name {
        "materialized" => String::new(),
        "idiv" => fill("FLOOR(({0}) / ({1}))", arguments),
        "sum" => fill("sum(CAST({0} AS NUMBER(38, 0)))", arguments),
        "sum_of_products" => fill("sum(CAST({0} AS NUMBER(38, 0)) * ({1}))", arguments),
        "integer" => "NUMBER(38, 0)".to_owned(),
        "millis" => fill("DATE_PART(EPOCH_MILLISECOND, TO_TIMESTAMP_TZ({0}))", arguments),
        "reach" => fill("CAST(ceil(12 * sqrt({0}) / 1000) AS NUMBER(38, 0))", arguments),
        "lateral" => ",".to_owned(),
        "versions" => fill("LATERAL FLATTEN(INPUT => PARSE_JSON({0})) {1}", arguments),
        "entry_name" => fill("{0}.key", arguments),
        "entry_value" => fill("CAST({0}.value AS VARCHAR)", arguments),
        "spelled" => fill(
            "(CASE WHEN REGEXP_LIKE({0}, '-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?') THEN TRY_CAST({0} AS DOUBLE) END)",
            arguments,
        ),
        "json_text" => format!("(CASE WHEN TYPEOF({value}) = 'VARCHAR' THEN CAST({value} AS VARCHAR) END)"),
        "json_number" => {
            format!("(CASE WHEN TYPEOF({value}) IN ('INTEGER', 'DECIMAL', 'DOUBLE') THEN CAST({value} AS DOUBLE) END)")
        }
        "json_truth" => format!("(CASE WHEN TYPEOF({value}) = 'BOOLEAN' THEN IFF(CAST({value} AS BOOLEAN), 1, 0) END)"),
        "json_composite" => format!("(TYPEOF({value}) IN ('ARRAY', 'OBJECT'))"),
        "json_absent" => format!("(coalesce(TYPEOF({value}), 'NULL_VALUE') = 'NULL_VALUE')"),
        _ => return None,
    })
}
