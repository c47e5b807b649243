//! How other tools bucket: what is hashed, with which function, and how a hash becomes a bucket.
//!
//! Each tool is a row here, so that who comes over from it keeps the variant that it gave them.

use super::fnv::fnv1a_32;
use super::murmur3::murmur3_32;
use serde::{Deserialize, Serialize};
use sha2::Digest;

/// The tools whose assignment can be computed, by the way in which they bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Like {
    /// GrowthBook, hash version 1: of 1,000.
    #[serde(rename = "growthbook-1")]
    Growthbook1,
    /// GrowthBook, hash version 2: of 10,000.
    #[serde(rename = "growthbook-2")]
    Growthbook2,
    /// LaunchDarkly: a fraction.
    #[serde(rename = "launchdarkly")]
    LaunchDarkly,
    /// PostHog: a fraction.
    #[serde(rename = "posthog")]
    PostHog,
    /// Statsig: of 10,000 for gates, of 1,000 for experiments and layers.
    Statsig,
    /// Optimizely Feature Experimentation: of 10,000.
    Optimizely,
    /// Eppo: of as many shards as its flag says.
    Eppo,
    /// Convert: of 10,000.
    Convert,
    /// Unleash: of 100 for rollouts, of the sum of weights for variants.
    Unleash,
    /// Split (Harness FME): of 100.
    Split,
    /// VWO Feature Experimentation: of 100 for traffic, of 10,000 for variations.
    Vwo,
    /// flagd, since its core 0.15: of the sum of weights.
    Flagd,
    /// Amplitude Experiment: of 100 for allocations, of 42,949,673 for variants.
    Amplitude,
}

/// What a bucket is of: the experiment's traffic, or its variants. Some tools hash the two with other seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A gate.
    Gate,
    /// The split.
    Split,
}

/// Unleash's seed of variants, since its SDKs' majors of autumn 2023.
const UNLEASH_VARIANTS: u32 = 86_028_157;

impl Like {
    /// Whether its buckets are fractions of 0..=1, so that ranges are in them and `of` is 1.
    #[must_use]
    pub fn is_fraction(self) -> bool {
        matches!(self, Self::LaunchDarkly | Self::PostHog)
    }
}

/// How a tool makes a bucket of a unit: everything but the unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    tool: Like,
    before: Box<str>,
    after: Box<str>,
    seed: u32,
    of: u32,
}

impl Recipe {
    /// The recipe of a tool with its salt, the number of buckets, and what its variants have besides.
    #[must_use]
    pub fn new(tool: Like, purpose: Purpose, salt: &str, of: u32, seed: Option<u32>, suffix: &str) -> Self {
        let joined = |separator: &str| -> Box<str> { [salt, separator].concat().into() };
        let (before, after, default_seed): (Box<str>, Box<str>, u32) = match tool {
            Like::Growthbook1 => ("".into(), salt.into(), 0),
            Like::Growthbook2 | Like::Flagd => (salt.into(), "".into(), 0),
            Like::LaunchDarkly | Like::Statsig => (joined("."), "".into(), 0),
            Like::PostHog => (joined("."), suffix.into(), 0),
            Like::Optimizely => ("".into(), salt.into(), 1),
            Like::Eppo => (joined("-"), "".into(), 0),
            Like::Convert => (salt.into(), "".into(), 9999),
            Like::Unleash => (joined(":"), "".into(), if purpose == Purpose::Split { UNLEASH_VARIANTS } else { 0 }),
            Like::Split => ("".into(), "".into(), seed_of(salt).unwrap_or(0)),
            Like::Vwo => (joined("_"), "".into(), 1),
            Like::Amplitude => (joined("/"), "".into(), 0),
        };
        Self { tool, before, after, seed: seed.unwrap_or(default_seed), of: of.max(1) }
    }

    /// The text that is hashed, for people who ask why.
    #[must_use]
    pub fn text(&self, unit: &str) -> String {
        [&*self.before, unit, &*self.after].concat()
    }

    /// The unit's bucket, from 0 on; a fraction for the tools that have fractions.
    #[must_use]
    pub fn bucket(&self, unit: &str) -> f64 {
        let parts = [&*self.before, unit, &*self.after];
        let hash = || murmur3_32(&parts, self.seed);
        let scaled = |hash: u32| (u64::from(hash) * u64::from(self.of)) >> 32;
        let bucket = match self.tool {
            Like::LaunchDarkly | Like::PostHog => return sixty_bits(&parts),
            Like::Growthbook1 => u64::from(fnv1a_32(&parts) % self.of),
            Like::Growthbook2 => u64::from(fnv1a_32(&[&fnv1a_32(&parts).to_string()]) % self.of),
            Like::Statsig => leading(&digest::<sha2::Sha256>(&parts), 8) % u64::from(self.of),
            Like::Eppo => leading(&digest::<md5::Md5>(&parts), 4) % u64::from(self.of),
            Like::Optimizely | Like::Convert | Like::Vwo | Like::Flagd => scaled(hash()),
            Like::Unleash | Like::Split => u64::from(hash() % self.of),
            // why: it takes the last two decimals of a hash for the traffic, and what is left of it for the variants
            Like::Amplitude if self.of == 100 => u64::from(hash() % 100),
            Like::Amplitude => u64::from(hash() / 100),
        };
        // why: a bucket has at most 32 bits, and a double holds 53
        #[allow(clippy::cast_precision_loss)]
        let bucket = bucket as f64;
        bucket
    }
}

/// A seed of murmur that stands where others have a salt: the 32 bits of a whole number, which may be negative.
#[must_use]
pub fn seed_of(salt: &str) -> Option<u32> {
    let number: i64 = salt.trim().parse().ok()?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let bits = number as u32;
    (i64::from(i32::MIN)..=i64::from(u32::MAX)).contains(&number).then_some(bits)
}

fn digest<D: Digest>(parts: &[&str]) -> Vec<u8> {
    let mut hasher = D::new();
    parts.iter().for_each(|part| hasher.update(part.as_bytes()));
    hasher.finalize().to_vec()
}

/// The number that the first bytes spell, the highest first.
fn leading(bytes: &[u8], count: usize) -> u64 {
    bytes.iter().take(count).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// The first 15 hexadecimal digits of SHA-1 as a fraction of 15 times `F`, in doubles as JavaScript and Python divide: the
/// divisor is 2⁶⁰ there, since a double cannot hold one less.
fn sixty_bits(parts: &[&str]) -> f64 {
    let bits = leading(&digest::<sha1::Sha1>(parts), 8) >> 4;
    #[allow(clippy::cast_precision_loss)]
    let fraction = bits as f64 / (1_u64 << 60) as f64;
    fraction
}

crate::pack::packed!(struct Recipe { tool, before, after, seed, of });
crate::pack::packed!(
    enum Like {
        Growthbook1 = 0,
        Growthbook2 = 1,
        LaunchDarkly = 2,
        PostHog = 3,
        Statsig = 4,
        Optimizely = 5,
        Eppo = 6,
        Convert = 7,
        Unleash = 8,
        Split = 9,
        Vwo = 10,
        Flagd = 11,
        Amplitude = 12,
    }
);
