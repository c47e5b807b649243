//! The small types that cannot hold nonsense.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// An enum of plain words, the first or marked one the default.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $word:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$each])* $word),+ }

        impl crate::pack::Pack for $name {
            fn pack(&self, out: &mut crate::pack::Packer) {
                (*self as usize).pack(out);
            }

            fn unpack(from: &mut crate::pack::Unpacker<'_>) -> Option<Self> {
                [$(Self::$word),+].get(usize::unpack(from)?).copied()
            }
        }
    };
}
pub(super) use words;

/// The id of an experiment, a variant, a layer, an audience or a metric: `[a-z0-9][a-z0-9_-]{0,63}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(Box<str>);

impl Id {
    /// The pattern that ids match.
    pub const PATTERN: &str = "^[a-z0-9][a-z0-9_-]{0,63}$";

    /// The id, where the text matches the pattern.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = text.as_bytes();
        let fits = bytes.len() <= 64
            && bytes.first().is_some_and(letter)
            && bytes.iter().all(|byte| letter(byte) || matches!(byte, b'_' | b'-'));
        fits.then(|| Self(text.into()))
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Id {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Id {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::new(&text).ok_or_else(|| {
            format!(
                "{text:?} is not an id: use 1 to 64 lower-case letters, digits, `-` and `_`, starting with a letter or digit"
            )
        })
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0.into()
    }
}

/// A JSON Web Key (RFC 7517), as its text: whoever checks signatures with it reads it there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct JsonWebKey {
    text: Box<str>,
}

impl JsonWebKey {
    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl From<Map<String, Value>> for JsonWebKey {
    fn from(fields: Map<String, Value>) -> Self {
        Self { text: Value::Object(fields).to_string().into() }
    }
}

impl From<JsonWebKey> for Map<String, Value> {
    fn from(key: JsonWebKey) -> Self {
        serde_json::from_str(&key.text).unwrap_or_default()
    }
}

crate::pack::packed!(struct JsonWebKey { text });

/// A share in per cent, 0 to 100, in steps of a hundredth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Percent(u16);

impl Percent {
    /// All of it.
    pub const ALL: Self = Self(10_000);

    /// The share in hundredths of a per cent, 0..=10,000: as many buckets are in it.
    #[must_use]
    pub fn buckets(self) -> u16 {
        self.0
    }

    /// All of it, as the default of `traffic`.
    #[must_use]
    pub fn all() -> Self {
        Self::ALL
    }
}

impl TryFrom<f64> for Percent {
    type Error = String;
    fn try_from(percent: f64) -> Result<Self, String> {
        if !(0.0..=100.0).contains(&percent) {
            return Err(format!("{percent} is not a percentage: use 0 to 100"));
        }
        let buckets = (percent * 100.0).round();
        // why: 0.29 * 100 is 28.999999999999996, so "two decimals" is asked with a tolerance
        if (percent * 100.0 - buckets).abs() > 1e-6 {
            return Err(format!("{percent} has more than two decimals: buckets are a hundredth of a per cent"));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Ok(Self(buckets as u16))
    }
}

impl From<Percent> for f64 {
    fn from(percent: Percent) -> Self {
        f64::from(percent.0) / 100.0
    }
}

/// A variant's weight: finite and not negative. Only its share of the sum matters.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Weight(f64);

impl Weight {
    /// The weight as a number, finite and not negative.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Weight {
    type Error = String;
    fn try_from(weight: f64) -> Result<Self, String> {
        // why: a sum of weights must stay finite too
        if (0.0..=1e15).contains(&weight) {
            Ok(Self(weight))
        } else {
            Err(format!("{weight:?} is not a weight: use a number from 0 to 1e15"))
        }
    }
}

impl From<Weight> for f64 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}

/// A half-open range of a layer's 10,000 slots: `[0, 5000]` is the first half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "[u32; 2]", into = "[u32; 2]")]
pub struct Slots {
    from: u16,
    to: u16,
}

impl Slots {
    /// Whether the range holds the slot.
    #[must_use]
    pub fn contains(self, slot: u16) -> bool {
        (self.from..self.to).contains(&slot)
    }

    /// Whether two ranges share a slot.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.from < other.to && other.from < self.to
    }

    /// The first slot, and the one after the last.
    #[must_use]
    pub fn bounds(self) -> (u16, u16) {
        (self.from, self.to)
    }
}

impl TryFrom<[u32; 2]> for Slots {
    type Error = String;
    fn try_from([from, to]: [u32; 2]) -> Result<Self, String> {
        match (u16::try_from(from), u16::try_from(to)) {
            (Ok(from), Ok(to)) if from < to && to <= crate::hash::BUCKETS => Ok(Self { from, to }),
            _ => {
                Err(format!("[{from}, {to}] is not a range of slots: use two numbers of 0 to 10000, the first smaller"))
            }
        }
    }
}

impl From<Slots> for [u32; 2] {
    fn from(slots: Slots) -> Self {
        [slots.from.into(), slots.to.into()]
    }
}

/// A point in time, written as RFC 3339 (`2026-11-22T00:00:00Z`), kept as milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

impl Timestamp {
    /// A time from milliseconds since 1970 UTC.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970 UTC.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0
    }

    /// RFC 3339 in UTC with milliseconds, as events carry it: `2026-11-21T11:42:09.250Z`.
    #[must_use]
    pub fn text(self) -> String {
        let time = OffsetDateTime::from_unix_timestamp(self.0.div_euclid(1000)).ok();
        // why: RFC 3339 has four digits for the year
        let Some((time, year)) = time.and_then(|time| Some((time, u16::try_from(time.year()).ok()?))) else {
            return "1970-01-01T00:00:00.000Z".to_owned();
        };
        let milliseconds = u16::try_from(self.0.rem_euclid(1000)).unwrap_or(0);
        // why: every exposure says a time, and seven formatted numbers would cost more than deciding does
        let two = |number: u8| [digit(number.into(), 10), digit(number.into(), 1)];
        let [[y1, y2], [m1, m2], [d1, d2]] =
            [[digit(year, 1000), digit(year, 100)], two(time.month().into()), two(time.day())];
        let [[h1, h2], [n1, n2], [s1, s2]] = [two(time.hour()), two(time.minute()), two(time.second())];
        let [y3, y4] = [digit(year, 10), digit(year, 1)];
        let [f1, f2, f3] = [digit(milliseconds, 100), digit(milliseconds, 10), digit(milliseconds, 1)];
        let text = [
            y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, b'.', f1, f2, f3,
            b'Z',
        ];
        str::from_utf8(&text).unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Timestamp {
    /// As [`Timestamp::text`].
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text())
    }
}

/// The decimal digit of a number at a power of ten, as a character of ASCII.
fn digit(number: u16, power: u16) -> u8 {
    let [digit, _] = (number / power % 10).to_le_bytes();
    b'0' + digit
}

impl TryFrom<String> for Timestamp {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl std::str::FromStr for Timestamp {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        OffsetDateTime::parse(text, &Rfc3339)
            .ok()
            .and_then(|t| i64::try_from(t.unix_timestamp_nanos() / 1_000_000).ok())
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a time: write it as RFC 3339, such as \"2026-11-22T00:00:00Z\""))
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod schema {
    //! What an editor and the structural check know of these types.

    use super::{Id, Percent, Slots, Timestamp, Weight};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    macro_rules! schema {
        ($type:ty, $name:literal, $($json:tt)*) => {
            impl JsonSchema for $type {
                fn schema_name() -> Cow<'static, str> {
                    $name.into()
                }
                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!($($json)*)
                }
            }
        };
    }

    schema!(Id, "Id", {
        "description": "1 to 64 lower-case letters, digits, `-` and `_`, starting with a letter or digit.",
        "type": "string", "pattern": Id::PATTERN
    });
    // why no `multipleOf` 0.01: validators divide binary fractions, and refuse 0.29
    schema!(Percent, "Percent", {
        "description": "A share in per cent, 0 to 100, of at most two decimals.",
        "type": "number", "minimum": 0, "maximum": 100
    });
    schema!(Weight, "Weight", {
        "description": "A number from 0 on. Only its share of the sum matters.",
        "type": "number", "minimum": 0, "maximum": 1e15
    });
    schema!(Slots, "Slots", {
        "description": "The first slot, and the one after the last: `[0, 5000]` is the first half of 10,000.",
        "type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 10000}, "minItems": 2, "maxItems": 2
    });
    schema!(Timestamp, "Timestamp", {
        "description": "A point in time as RFC 3339, such as `2026-11-22T00:00:00Z`.",
        "type": "string", "format": "date-time"
    });
}

crate::pack::packed!(struct Slots { from, to });

impl crate::pack::Pack for Id {
    fn pack(&self, out: &mut crate::pack::Packer) {
        self.0.pack(out);
    }

    fn unpack(from: &mut crate::pack::Unpacker<'_>) -> Option<Self> {
        Self::new(&Box::<str>::unpack(from)?)
    }
}
