//! DuckDB.

use super::common::{fill, path};

pub(super) fn call(name: &str, arguments: &[String]) -> Option<String> {
    let json = arguments.first().cloned().unwrap_or_default();
    let path = || path(arguments.get(1..).unwrap_or_default());
    Some(match name {
        // why: each use reads the few columns and kinds of events that it needs, straight from the files
        "scanned" => "NOT MATERIALIZED".to_owned(),
        // why: of what is told alike but for its properties the record keeps the least, too, as they were written
        "then" => fill(", CAST({0} AS VARCHAR)", arguments),
        "idiv" => fill("(({0}) // ({1}))", arguments),
        "sum_of_products" => fill("sum(CAST({0} AS HUGEINT) * ({1}))", arguments),
        "millis" => fill("epoch_ms(CAST({0} AS TIMESTAMP))", arguments),
        "lateral" => "CROSS JOIN LATERAL".to_owned(),
        "versions" => fill("(SELECT e.key AS name, e.value ->> '$' AS part FROM json_each({0}) e) {1}", arguments),
        "entry_name" => fill("{0}.name", arguments),
        "entry_value" => fill("{0}.part", arguments),
        "spelled" => fill(
            "(CASE WHEN regexp_full_match({0}, '-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?') THEN TRY_CAST({0} AS DOUBLE) END)",
            arguments,
        ),
        "json_text" => {
            format!("(CASE json_type({json}, {0}) WHEN 'VARCHAR' THEN json_extract_string({json}, {0}) END)", path())
        }
        "json_number" => format!(
            "(CASE WHEN json_type({json}, {0}) IN ('BIGINT', 'UBIGINT', 'DOUBLE', 'HUGEINT', 'UHUGEINT', 'DECIMAL') \
THEN CAST(json_extract_string({json}, {0}) AS DOUBLE) END)",
            path()
        ),
        "json_truth" => {
            format!(
                "(CASE WHEN json_type({json}, {0}) = 'BOOLEAN' THEN CASE json_extract_string({json}, {0}) WHEN 'true' THEN 1 ELSE 0 END END)",
                path()
            )
        }
        "json_composite" => format!("(json_type({json}, {}) IN ('ARRAY', 'OBJECT'))", path()),
        "json_absent" => format!("(coalesce(json_type({json}, {}), 'NULL') = 'NULL')", path()),
        _ => return None,
    })
}
