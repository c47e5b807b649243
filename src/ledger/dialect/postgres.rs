//! PostgreSQL. Texts are compared by code points, whatever the database's collation is.

use super::common::fill;

/// The path of a JSON value: `#> ARRAY['cart', 'items']`.
fn path(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("'{}'", name.replace('\'', "''"))).collect();
    format!("ARRAY[{}]", names.join(", "))
}

pub(super) fn call(name: &str, arguments: &[String]) -> Option<String> {
    let json = arguments.first().cloned().unwrap_or_default();
    let path = || path(arguments.get(1..).unwrap_or_default());
    Some(match name {
        "scanned" => "MATERIALIZED".to_owned(),
        "binary" => fill("{0} COLLATE \"C\"", arguments),
        "text" => fill("CAST({0} AS TEXT)", arguments),
        "double" => fill("CAST({0} AS DOUBLE PRECISION)", arguments),
        "sum_of_products" => fill("sum(CAST({0} AS NUMERIC) * ({1}))", arguments),
        "millis" => fill("CAST(extract(epoch FROM CAST({0} AS TIMESTAMPTZ)) * 1000 AS BIGINT)", arguments),
        "lateral" => "CROSS JOIN LATERAL".to_owned(),
        "versions" => fill("jsonb_each_text(CAST({0} AS JSONB)) AS {1}(name, part)", arguments),
        "entry_name" => fill("{0}.name", arguments),
        "entry_value" => fill("{0}.part", arguments),
        "spelled" => fill(
            "(CASE WHEN {0} ~ '^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?$' THEN CAST({0} AS DOUBLE PRECISION) END)",
            arguments,
        ),
        "json_text" => format!("(CASE jsonb_typeof(({json}) #> {0}) WHEN 'string' THEN ({json}) #>> {0} END)", path()),
        "json_number" => format!(
            "(CASE jsonb_typeof(({json}) #> {0}) WHEN 'number' THEN CAST(({json}) #>> {0} AS DOUBLE PRECISION) END)",
            path()
        ),
        "json_truth" => format!(
            "(CASE jsonb_typeof(({json}) #> {0}) WHEN 'boolean' THEN CASE ({json}) #>> {0} WHEN 'true' THEN 1 ELSE 0 END END)",
            path()
        ),
        "json_composite" => format!("(jsonb_typeof(({json}) #> {}) IN ('array', 'object'))", path()),
        "json_absent" => format!("(coalesce(jsonb_typeof(({json}) #> {}), 'null') = 'null')", path()),
        _ => return None,
    })
}
