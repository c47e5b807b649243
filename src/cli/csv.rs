//! CSV (RFC 4180), as engines and other tools print it.

/// What a text holds.
pub(super) struct Csv {
    /// Its records, also those whose fields are all empty.
    pub(super) records: Vec<Vec<String>>,
    /// Whether its last quote is closed.
    pub(super) is_closed: bool,
}

/// Reads a text. A quote opens a field only where it begins it.
pub(super) fn read(text: &str) -> Csv {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                field.push('"');
                letters.next();
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted && matches!(letters.peek(), None | Some('\n')) => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            letter => field.push(letter),
        }
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    Csv { records, is_closed: !quoted }
}
