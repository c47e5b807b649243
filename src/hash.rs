//! (salt, unit) → a bucket, and every other hash of the project. No other module hashes.
//!
//! Our own assignment uses SipHash-2-4 (Aumasson and Bernstein, 2012) because it is keyed: buckets under two salts are
//! independent, nobody can craft ids that fall into one bucket without knowing the salt, and it is as fast as the
//! unkeyed hashes on inputs as short as an id. `fixtures/buckets.json` pins its results for all time.

mod fnv;
mod murmur3;
mod takeover;
mod tool;

pub use takeover::{Gate, Step, Takeover};
pub use tool::{Like, Purpose, Recipe, seed_of};

use core::hash::Hasher;
use siphasher::{sip::SipHasher24, sip128};

/// How many buckets a salt divides its units into: one is a hundredth of a per cent.
pub const BUCKETS: u16 = 10_000;

/// A bucket below [`BUCKETS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket(u16);

impl Bucket {
    /// The bucket's number, 0..10,000.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}

/// A salt, prepared: the hash key that its text stands for.
///
/// ```
/// use sortition_engine::hash::Salt;
/// let salt = Salt::new("acme-shop/hero/1/variant");
/// assert_eq!(salt.bucket("7c1f8a52-8a0e-4b6c-9d3e-1f2a3b4c5d6e"), salt.bucket("7c1f8a52-8a0e-4b6c-9d3e-1f2a3b4c5d6e"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt {
    key: [u8; 16],
}

impl Salt {
    /// Derives the key: SipHash-2-4-128 of the text under the zero key, as its 16 little-endian bytes.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { key: digest(&[0; 16], text.as_bytes()) }
    }

    /// The bucket of a unit: SipHash-2-4-64 under the salt's key, scaled from 0..2⁶⁴ to 0..10,000 by
    /// multiplication (Lemire, 2019), which keeps the buckets even to one part in 10¹⁵.
    #[must_use]
    pub fn bucket(&self, unit: &str) -> Bucket {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(unit.as_bytes());
        let scaled = (u128::from(hasher.finish()) * u128::from(BUCKETS)) >> 64;
        // why: a 64-bit number times 10,000, shifted by 64, is below 10,000
        Bucket(u16::try_from(scaled).unwrap_or(BUCKETS - 1))
    }
}

fn digest(key: &[u8; 16], bytes: &[u8]) -> [u8; 16] {
    let mut hasher = sip128::SipHasher24::new_with_key(key);
    hasher.write(bytes);
    sip128::Hasher128::finish128(&hasher).as_bytes()
}

/// What a document's text is known by: the first 32 digits of its SHA-256, which runtimes compute fast.
#[must_use]
pub fn content(text: &str) -> String {
    use sha2::Digest as _;
    let digest: [u8; 32] = sha2::Sha256::digest(text).into();
    let (first, _) = digest.split_at(16);
    hex(first)
}

/// A deterministic 128-bit id of a sequence of texts, as 32 hexadecimal digits.
///
/// Each part is hashed with its length before it, so that `["ab", "c"]` and `["a", "bc"]` differ.
#[must_use]
pub fn event_id(parts: &[&str]) -> String {
    hex(&digest_of(parts))
}

/// A 128-bit key of a sequence of texts, for tables in memory.
#[must_use]
pub fn key_of(parts: &[&str]) -> [u8; 16] {
    digest_of(parts)
}

/// One of several places for a sequence of texts, below `places` (at least 1): jump consistent hash (Lamping and Veach,
/// 2014) of their SipHash. With a place more, each either stays or goes to the new one.
#[must_use]
pub fn place_of(parts: &[&str], places: u8) -> u8 {
    let [a, b, c, d, e, f, g, h, ..] = digest_of(parts);
    let mut key = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let (mut place, mut next) = (0_u8, 0.0_f64);
    while next < f64::from(places.max(1)) {
        // why: below `places`, as the loop's condition says
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        {
            place = next as u8;
        }
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        #[allow(clippy::cast_precision_loss)]
        {
            // why: floor, as the paper's conversion to a whole number does
            next = libm::floor((f64::from(place) + 1.0) * (2_147_483_648.0 / ((key >> 33) as f64 + 1.0)));
        }
    }
    place
}

fn digest_of(parts: &[&str]) -> [u8; 16] {
    digest_of_parts(&[0; 16], parts)
}

fn digest_of_parts(key: &[u8; 16], parts: &[&str]) -> [u8; 16] {
    let mut hasher = sip128::SipHasher24::new_with_key(key);
    for part in parts {
        hasher.write(&(part.len() as u64).to_le_bytes());
        hasher.write(part.as_bytes());
    }
    sip128::Hasher128::finish128(&hasher).as_bytes()
}

/// The URL-safe base64 alphabet (RFC 4648, section 5): every character may stand in a cookie as it is.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The lowest bits of a number as characters of the URL-safe base64 alphabet, six bits each, the lowest first.
pub fn push_digits(mut bits: u64, count: usize, text: &mut String) {
    for _ in 0..count {
        if let Some(&digit) = ALPHABET.get((bits & 63) as usize) {
            text.push(char::from(digit));
        }
        bits >>= 6;
    }
}

/// The number that [`push_digits`] wrote; `None` where a byte is none of the alphabet, or where there are more than ten.
#[must_use]
pub fn read_digits(digits: &[u8]) -> Option<u64> {
    if digits.len() > 10 {
        return None;
    }
    digits.iter().rev().try_fold(0_u64, |bits, byte| {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        Some(bits << 6 | u64::from(digit))
    })
}

/// A short fingerprint of a text, 24 bits as four characters of the URL-safe base64 alphabet: enough to notice that
/// a browser changed hands, or that a cached page belongs to another set of variants; never an identity.
#[must_use]
pub fn fingerprint(text: &str) -> String {
    let mut digits = String::with_capacity(4);
    push_digits(fingerprint_bits(text).into(), 4, &mut digits);
    digits
}

/// The [`fingerprint`] as a number below 2²⁴.
#[must_use]
pub fn fingerprint_bits(text: &str) -> u32 {
    low_24(digest(&[0; 16], text.as_bytes()))
}

/// 24 bits that stand for a sequence of texts where a whole id would be too long, hashed as by [`event_id`].
#[must_use]
pub fn short(parts: &[&str]) -> u32 {
    low_24(digest_of(parts))
}

fn low_24([a, b, c, ..]: [u8; 16]) -> u32 {
    u32::from_le_bytes([a, b, c, 0])
}

/// A key for short tags: SipHash-2-4-128 is a message authentication code, and takes nanoseconds where HMAC-SHA256 takes
/// microseconds. Its key comes from a secret by HMAC-SHA256, so that no tag tells anything of the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagKey([u8; 16]);

impl TagKey {
    /// The key for a purpose.
    #[must_use]
    pub fn derive(secret: &[u8], purpose: &str) -> Self {
        let [key @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = signature::sign(secret, &[purpose.as_bytes()]);
        Self(key)
    }

    /// The tag of a sequence of texts, each with its length before it: 22 characters of the URL-safe base64 alphabet.
    #[must_use]
    pub fn tag(&self, parts: &[&str]) -> String {
        let tag = u128::from_le_bytes(digest_of_parts(&self.0, parts));
        let mut text = String::with_capacity(22);
        #[allow(clippy::cast_possible_truncation)]
        for digit in 0..22 {
            push_digits((tag >> (6 * digit)) as u64, 1, &mut text);
        }
        text
    }

    /// Whether a tag is the texts' own, compared in constant time.
    #[must_use]
    pub fn verify(&self, parts: &[&str], tag: &str) -> bool {
        let own = self.tag(parts);
        own.len() == tag.len() && own.bytes().zip(tag.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

/// What tells the validators of one set of variants from those of another: 64 bits as 16 hexadecimal digits.
#[must_use]
pub fn validator(parts: &[&str]) -> String {
    let bytes = digest_of(parts);
    hex(bytes.get(..8).unwrap_or(&bytes))
}

/// Bytes as lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(2 * bytes.len());
    let (fours, rest) = bytes.as_chunks::<4>();
    for four in fours {
        text.extend_from_slice(&hex_digits(u32::from_be_bytes(*four)));
    }
    for byte in rest {
        let [.., high, low] = hex_digits(u32::from(*byte));
        text.extend_from_slice(&[high, low]);
    }
    String::from_utf8(text).unwrap_or_default()
}

/// The eight hexadecimal digits of a number.
// why: all at once, since every visit writes some forty of them before anything is optimised
fn hex_digits(number: u32) -> [u8; 8] {
    let each = |byte: u8| u64::from_be_bytes([byte; 8]);
    let mut halves = u64::from(number);
    halves = (halves | halves << 16) & 0x0000_ffff_0000_ffff;
    halves = (halves | halves << 8) & 0x00ff_00ff_00ff_00ff;
    halves = (halves | halves << 4) & each(0x0f);
    // why: six more than a digit from `a` on is sixteen or above
    let letters = (halves + each(6)) >> 4 & each(1);
    (halves + each(b'0') + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

/// HMAC-SHA256 (RFC 2104): what signs cookies and preview links and checks what servers send.
pub mod signature {
    use hmac::{Hmac, Mac};
    use sha2::Sha256;

    fn mac(key: &[u8], message: &[&[u8]]) -> Option<Hmac<Sha256>> {
        // why: HMAC takes keys of every length; the error exists for other algorithms
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).ok()?;
        for part in message {
            mac.update(part);
        }
        Some(mac)
    }

    /// The 32 bytes of the tag over the concatenated parts of a message.
    #[must_use]
    pub fn sign(key: &[u8], message: &[&[u8]]) -> [u8; 32] {
        mac(key, message).map_or([0; 32], |mac| mac.finalize().into_bytes().into())
    }

    /// Whether two secrets are the same, in a time that tells nothing of where they differ.
    #[must_use]
    pub fn same(known: &str, given: &str) -> bool {
        let message: &[&[u8]] = &[b"the same secret"];
        verify(known.as_bytes(), message, &sign(given.as_bytes(), message))
    }

    /// Whether `tag` is the message's, or its first bytes where it is at least 16 long; compared in constant time.
    #[must_use]
    pub fn verify(key: &[u8], message: &[&[u8]], tag: &[u8]) -> bool {
        tag.len() >= 16 && mac(key, message).is_some_and(|mac| mac.verify_truncated_left(tag).is_ok())
    }
}

crate::pack::packed!(struct Salt { key });
