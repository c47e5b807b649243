//! FNV-1a of 32 bits (Fowler, Noll, Vo, 1991), over UTF-16 code units as JavaScript's `charCodeAt` gives them.

/// The hash of the texts as if they were one. GrowthBook's browser SDK mixes in a whole code unit at a time, which differs
/// from FNV over bytes outside ASCII; ids that come from its cookie were assigned so.
pub(super) fn fnv1a_32(parts: &[&str]) -> u32 {
    let units = parts.iter().flat_map(|part| part.encode_utf16());
    units.fold(0x811c_9dc5, |hash: u32, unit| (hash ^ u32::from(unit)).wrapping_mul(0x0100_0193))
}
