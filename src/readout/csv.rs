//! The download: lines after RFC 4180 of the rows that the record gives.

use serde_json::Value;

/// The download's columns.
pub const HEAD: &str = "unit,variant,contaminated,exposed_at,device,country,visitor_type,event,value_minor,currency,transaction_id,converted_at,channel\r\n";

/// A page of rows as lines, and where the next page starts: the first two fields of the last row, which are not shown.
/// `None`: there are no rows any more.
#[must_use]
pub fn page(rows: &[Vec<Value>]) -> Option<(String, [Value; 2])> {
    let last = rows.last()?;
    let next = [last.first()?.clone(), last.get(1)?.clone()];
    Some((rows.iter().map(|row| line(row.get(2..).unwrap_or_default())).collect(), next))
}

fn line(values: &[Value]) -> String {
    let mut line = values.iter().map(cell).collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

/// A cell. Spreadsheets take what starts with `=`, `+`, `-` or `@` for a formula: an apostrophe before it makes it a text.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => {
            let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
            format!("\"{}{}\"", if is_formula { "'" } else { "" }, text.replace('"', "\"\""))
        }
        other => other.to_string(),
    }
}
