//! Where a literal stands in the crawler table. The build script and the lookup share this one file.

/// How many slots the table has; about one per literal, so that most lookups end at an empty slot.
pub(crate) const SLOTS: usize = 1024;

/// The slot of every literal that begins with these three bytes, upper and lower case alike.
///
/// A place in a table and nothing more: it decides no assignment and is stored nowhere.
pub(crate) fn slot(first: u8, second: u8, third: u8) -> usize {
    let [first, second, third] = [first, second, third].map(|byte| usize::from(byte.to_ascii_lowercase()));
    (first * 31 + second * 173 + third * 733) % SLOTS
}
