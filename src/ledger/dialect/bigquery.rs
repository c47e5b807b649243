//! BigQuery.

use super::common::{fill, path};

pub(super) fn call(name: &str, arguments: &[String]) -> Option<String> {
    let json = arguments.first().cloned().unwrap_or_default();
    let path = || path(arguments.get(1..).unwrap_or_default());
    Some(match name {
        "materialized" => String::new(),
        "idiv" => fill("DIV({0}, {1})", arguments),
        "text" => fill("CAST({0} AS STRING)", arguments),
        "double" => fill("CAST({0} AS FLOAT64)", arguments),
        "integer" => "INT64".to_owned(),
        "sum" => fill("sum(CAST({0} AS BIGNUMERIC))", arguments),
        "sum_of_products" => fill("sum(CAST({0} AS BIGNUMERIC) * ({1}))", arguments),
        "millis" => fill("UNIX_MILLIS(CAST({0} AS TIMESTAMP))", arguments),
        "reach" => fill("CAST(ceil(12 * sqrt({0}) / 1000) AS INT64)", arguments),
        "versions" => fill("UNNEST(JSON_KEYS(PARSE_JSON({0}), 1)) AS {1}", arguments),
        // why: a key with a sign in it comes in quotes
        "entry_name" => fill("TRIM({0}, '\"')", arguments),
        "entry_value" => "LAX_STRING(PARSE_JSON(p.versions)[TRIM(v, '\"')])".to_owned(),
        "spelled" => fill(
            "(CASE WHEN REGEXP_CONTAINS({0}, '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$') THEN SAFE_CAST({0} AS FLOAT64) END)",
            arguments,
        ),
        "json_text" => {
            format!("(CASE JSON_TYPE(JSON_QUERY({json}, {0})) WHEN 'string' THEN JSON_VALUE({json}, {0}) END)", path())
        }
        "json_number" => format!(
            "(CASE JSON_TYPE(JSON_QUERY({json}, {0})) WHEN 'number' THEN SAFE_CAST(JSON_VALUE({json}, {0}) AS FLOAT64) END)",
            path()
        ),
        "json_truth" => format!(
            "(CASE JSON_TYPE(JSON_QUERY({json}, {0})) WHEN 'boolean' THEN CASE JSON_VALUE({json}, {0}) WHEN 'true' THEN 1 ELSE 0 END END)",
            path()
        ),
        "json_composite" => format!("(JSON_TYPE(JSON_QUERY({json}, {})) IN ('array', 'object'))", path()),
        "json_absent" => format!("(coalesce(JSON_TYPE(JSON_QUERY({json}, {})), 'null') = 'null')", path()),
        "row" => {
            let cast = |column: char| format!(", CAST({column} AS STRING) AS {column}");
            format!("what, dimension, part, variant{}", "abcefghijklm".chars().map(cast).collect::<String>())
        }
        "dimensions" => {
            let name = arguments.first()?;
            format!(
                "(SELECT dimension FROM UNNEST([{}]) AS dimension) AS {name}",
                arguments.get(1..).unwrap_or_default().join(", ")
            )
        }
        _ => return None,
    })
}
