//! Spark 4 and Databricks.

use super::common::fill;

/// The path of a value in a variant: `'$["cart"]["items"]'`. With `$."cart"` the quotes would be part of the name, which nothing
/// then has.
fn path(names: &[String]) -> String {
    let mut path = String::from("'$");
    for name in names {
        let name = name.chars().filter(|letter| !letter.is_control() && !matches!(letter, '"' | '\\'));
        path.push_str(&format!("[\"{}\"]", name.collect::<String>().replace('\'', "\\'")));
    }
    path.push('\'');
    path
}

pub(super) fn call(name: &str, arguments: &[String]) -> Option<String> {
    let json = arguments.first().cloned().unwrap_or_default();
    let path = || path(arguments.get(1..).unwrap_or_default());
    let kind = || format!("schema_of_variant(try_variant_get(parse_json({json}), {}, 'variant'))", path());
    let value = |of: &str| format!("try_variant_get(parse_json({json}), {}, '{of}')", path());
    Some(match name {
        "materialized" => String::new(),
        "idiv" => fill("(({0}) div ({1}))", arguments),
        "text" => fill("CAST({0} AS STRING)", arguments),
        "sum" => fill("sum(CAST({0} AS DECIMAL(28, 0)))", arguments),
        "sum_of_products" => {
            fill("sum(CAST(CAST({0} AS DECIMAL(19, 0)) * CAST({1} AS DECIMAL(19, 0)) AS DECIMAL(28, 0)))", arguments)
        }
        "millis" => fill("unix_millis(CAST({0} AS TIMESTAMP))", arguments),
        "lateral" => "CROSS JOIN LATERAL".to_owned(),
        "versions" => fill("(SELECT explode(from_json({0}, 'map<string,string>')) AS (name, part)) AS {1}", arguments),
        "entry_name" => fill("{0}.name", arguments),
        "entry_value" => fill("{0}.part", arguments),
        "spelled" => fill(
            "(CASE WHEN {0} RLIKE '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$' THEN CAST({0} AS DOUBLE) END)",
            arguments,
        ),
        "json_text" => format!("(CASE WHEN {} = 'STRING' THEN {} END)", kind(), value("string")),
        "json_number" => format!(
            "(CASE WHEN {0} IN ('BIGINT', 'DOUBLE') OR {0} LIKE 'DECIMAL%' THEN {1} END)",
            kind(),
            value("double")
        ),
        "json_truth" => format!("(CASE WHEN {} = 'BOOLEAN' THEN CAST({} AS INT) END)", kind(), value("boolean")),
        "json_composite" => format!("({0} LIKE 'ARRAY%' OR {0} LIKE 'OBJECT%')", kind()),
        "json_absent" => format!("(coalesce({}, 'VOID') = 'VOID')", kind()),
        "row" => {
            let cast = |column: char| format!(", CAST({column} AS STRING) AS {column}");
            format!("what, dimension, part, variant{}", "abcefghijklm".chars().map(cast).collect::<String>())
        }
        _ => return None,
    })
}
