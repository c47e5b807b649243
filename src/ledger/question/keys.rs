//! Whole numbers by which DuckDB's tables (`super::tables`) tell first exposures, days and parts of the audience.

/// The number of the last combo that is put behind a time: 41 bits hold the times until 2039, and 22 remain.
const LAST_COMBO: i64 = (1 << 22) - 1;
const LAST_MS: i64 = (1 << 41) - 1;
/// Of a cell, whose days are before the number of its combo.
const CELL: i64 = 1 << 40;

/// A call that only the texts of tables make.
pub(super) fn call(name: &str, arguments: &[String]) -> Option<String> {
    let argument = arguments.first().map_or("", String::as_str);
    Some(match name {
        "last_combo" => LAST_COMBO.to_string(),
        "place" => format!(
            "CASE WHEN ms BETWEEN 0 AND {LAST_MS} AND combo <= {LAST_COMBO} THEN ms * {} + {argument} END",
            LAST_COMBO + 1
        ),
        "cell" => format!("(({argument}) // 86400000) * {CELL} + ({})", arguments.get(1)?),
        "combo" => format!("({argument} & {})", CELL - 1),
        "day" => format!("(({argument} - ({argument} & {})) // {CELL})", CELL - 1),
        // why: most are visitors of whom nothing else is known, and a text that is not made costs nothing
        "person" => format!(
            "CASE WHEN {argument}.user_id IS NOT NULL THEN 'u ' || {argument}.user_id WHEN {owner}.owner IS NOT NULL THEN 'u ' || {owner}.owner \
ELSE 'v ' || {argument}.visitor END",
            owner = arguments.get(1)?
        ),
        _ => return None,
    })
}
