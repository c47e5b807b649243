//! SQLite, as D1 runs it.

use super::common::{fill, path};

/// Products are added up in five limbs of 17 bits: SQLite's integers have 64, and a sum of squares of money has more. The
/// highest limb of a factor may have 29 bits and a sign, so that factors up to 2⁵¹ are exact in sums of 2³⁰ rows; what
/// passes that is an error of SQLite's `sum`, not a wrong number.
const PRODUCTS: &str = "json_array(sum((({0}) >> 34) * (({1}) >> 34)), \
sum((({0}) >> 34) * ((({1}) >> 17) & 131071) + ((({0}) >> 17) & 131071) * (({1}) >> 34)), \
sum((({0}) >> 34) * (({1}) & 131071) + ((({0}) >> 17) & 131071) * ((({1}) >> 17) & 131071) + (({0}) & 131071) * (({1}) >> 34)), \
sum(((({0}) >> 17) & 131071) * (({1}) & 131071) + (({0}) & 131071) * ((({1}) >> 17) & 131071)), \
sum((({0}) & 131071) * (({1}) & 131071)))";

/// Joins nothing, three times, and tells the planner so to expect many rows. Without statistics it expects a handful of
/// every index, and joins two such results row by row with row: quadratic where people and outcomes are many. Expecting
/// many, it makes an index of one of them.
const MANY: &str = "CROSS JOIN (SELECT 1 AS one FROM json_each('[0]')) many_1 CROSS JOIN (SELECT 1 AS one FROM json_each('[0]')) many_2 \
CROSS JOIN (SELECT 1 AS one FROM json_each('[0]')) many_3";

/// A UUID as sixteen bytes; other texts, and null, as they are. D1 bounds the patterns of `LIKE` and `GLOB` to 50 bytes.
const PACKED: &str = "(CASE WHEN {0} LIKE '________-____-____-____-____________' AND {0} NOT GLOB '*[^0-9a-f-]*' \
AND length(replace({0}, '-', '')) = 32 THEN unhex(replace({0}, '-', '')) ELSE {0} END)";

/// What was packed, as it was.
const UNPACKED: &str = "(CASE typeof({0}) WHEN 'blob' THEN lower(substr(hex({0}), 1, 8) || '-' || substr(hex({0}), 9, 4) || '-' \
|| substr(hex({0}), 13, 4) || '-' || substr(hex({0}), 17, 4) || '-' || substr(hex({0}), 21)) ELSE {0} END)";

pub(super) fn call(name: &str, arguments: &[String]) -> Option<String> {
    let json = arguments.first().cloned().unwrap_or_default();
    let path = || path(arguments.get(1..).unwrap_or_default());
    Some(match name {
        "packed" => fill(PACKED, arguments),
        "unpacked" => fill(UNPACKED, arguments),
        "digits" => fill("coalesce(unhex({0}), {0})", arguments),
        "kind" => fill("(CASE {0} WHEN 'visitor' THEN 0 WHEN 'user' THEN 1 ELSE 2 END)", arguments),
        "least" => fill("min({0}, {1})", arguments),
        "text" => fill("CAST({0} AS TEXT)", arguments),
        "double" => fill("CAST({0} AS REAL)", arguments),
        "many" => MANY.to_owned(),
        "integer" => "INTEGER".to_owned(),
        "millis" => fill("(unixepoch({0}) * 1000 + CAST(substr({0}, 21, 3) AS INTEGER))", arguments),
        "written" => {
            fill("(strftime('%Y-%m-%dT%H:%M:%S', {0} / 1000, 'unixepoch') || printf('.%03dZ', {0} % 1000))", arguments)
        }
        "reach" => fill("CAST(ceil(12 * sqrt({0}) / 1000) AS INTEGER)", arguments),
        "sum_of_products" => fill(PRODUCTS, arguments),
        "versions" => fill("json_each({0}) {1}", arguments),
        "entry_name" => fill("{0}.key", arguments),
        "entry_value" => fill("{0}.value", arguments),
        "spelled" => fill(
            "(CASE WHEN json_valid({0}) AND json_type({0}) IN ('integer', 'real') THEN CAST({0} AS REAL) END)",
            arguments,
        ),
        "json_text" => format!("(CASE json_type({json}, {0}) WHEN 'text' THEN {json} ->> {0} END)", path()),
        "json_number" => {
            format!("(CASE WHEN json_type({json}, {0}) IN ('integer', 'real') THEN {json} ->> {0} END)", path())
        }
        "json_truth" => format!("(CASE json_type({json}, {0}) WHEN 'true' THEN 1 WHEN 'false' THEN 0 END)", path()),
        "json_composite" => format!("(json_type({json}, {}) IN ('array', 'object'))", path()),
        "json_absent" => format!("(coalesce(json_type({json}, {}), 'null') = 'null')", path()),
        // why: D1 hands out numbers as doubles, and texts as they are
        "row" => "json_array(what, dimension, part, variant, a, b, c, e, f, g, h, i, j, k, l, m)".to_owned(),
        "dimensions" => {
            let name = arguments.first()?;
            let values = arguments.get(1..).unwrap_or_default().join(", ");
            format!("(SELECT value AS dimension FROM json_each(json_array({values}))) {name}")
        }
        _ => return None,
    })
}
