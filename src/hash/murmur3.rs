//! MurmurHash3 x86 of 32 bits (Appleby, 2011), over the UTF-8 bytes of a text.

/// The hash of the texts as if they were one.
pub(super) fn murmur3_32(parts: &[&str], seed: u32) -> u32 {
    let mut hash = seed;
    let (mut block, mut filled, mut length) = (0_u32, 0_u32, 0_u32);
    for byte in parts.iter().flat_map(|part| part.bytes()) {
        block |= u32::from(byte) << (8 * filled);
        filled += 1;
        length = length.wrapping_add(1);
        if filled == 4 {
            hash = (hash ^ scrambled(block)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
            (block, filled) = (0, 0);
        }
    }
    // why: a block of no bytes scrambles to zero
    hash ^= scrambled(block);
    hash ^= length;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

fn scrambled(block: u32) -> u32 {
    block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
}
