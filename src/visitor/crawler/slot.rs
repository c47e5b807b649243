//! Where a literal stands in the crawler table. The build script and the lookup share this one file.

/// The mark, below 8,192, of every literal that begins with these three bytes, upper and lower case alike. Marks are ten
/// times as many as literals, so that most places of a browser's agent end there; eight neighbours share a slot.
///
/// A place in a table and nothing more: it decides no assignment and is stored nowhere.
pub(crate) fn mark(first: u8, second: u8, third: u8) -> usize {
    let [first, second, third] = [first, second, third].map(|byte| u32::from(byte.to_ascii_lowercase()));
    let bytes = (first << 16) | (second << 8) | third;
    // The golden ratio's multiplier spreads what differs in few bits (Knuth, TAOCP 6.4); 13 bits are a mark.
    (bytes.wrapping_mul(0x9E37_79B1) >> 19) as usize
}
