//! Amounts of money: read as decimals, kept as integers.
//!
//! 19.99 is no number of a computer's floating point, and a sum of such values depends on its order. So a value is read
//! digit by digit and kept in the currency's smallest unit, as an integer.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// The largest amount that an event carries, in minor units: ten thousand thousand million of a currency with hundredths.
/// No genuine order of any currency is above it, a double holds it, and the record adds up its squares exactly, in limbs.
pub const MAX_MINOR: i64 = 1_000_000_000_000_000;

/// The most digits after the point that a value may have.
const MAX_SCALE: u8 = 9;

/// Digits of a JSON number that are taken at their word: twelve, or four behind the point where there are more before it.
/// A double holds 15; what scripts leave behind when they add up prices (0.1 + 0.2 = 0.30000000000000004) lies beyond.
fn significant(number: f64) -> usize {
    let before_the_point = format!("{:.0}", number.abs().floor()).len();
    (before_the_point + 4).clamp(12, 15)
}

/// A decimal number: `digits · 10^-scale`, without trailing zeros after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    digits: i64,
    scale: u8,
}

impl Decimal {
    /// The number that a JSON number stands for.
    ///
    /// # Errors
    ///
    /// What [`Decimal::from_str`] refuses.
    pub fn from_json(number: &serde_json::Number) -> Result<Self, MoneyError> {
        if let Some(whole) = number.as_i64() {
            return Self::normal(whole, 0).ok_or_else(|| too_large(&number.to_string()));
        }
        let double = number.as_f64().filter(|double| double.abs() < 1e15);
        let double = double.ok_or_else(|| too_large(&number.to_string()))?;
        expanded(&format!("{double:.*e}", significant(double) - 1))
            .ok_or_else(|| too_large(&number.to_string()))?
            .parse()
    }

    /// The same amount with the sign turned.
    #[must_use]
    pub fn negated(self) -> Self {
        Self { digits: -self.digits, ..self }
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.digits < 0
    }

    /// The sum; `None` where it is out of range.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let sum = self.at_scale(scale)?.checked_add(other.at_scale(scale)?)?;
        Self::normal(sum, scale)
    }

    /// The amount in units of `10^-exponent`.
    ///
    /// # Errors
    ///
    /// More digits after the point than the unit has, or more than [`MAX_MINOR`].
    pub fn minor(self, exponent: u8) -> Result<i64, MoneyError> {
        if self.scale > exponent {
            return Err(MoneyError(Wrong::TooFine { amount: self.to_string(), exponent }));
        }
        let minor = self.at_scale(exponent).filter(|minor| (-MAX_MINOR..=MAX_MINOR).contains(minor));
        minor.ok_or_else(|| too_large(&self.to_string()))
    }

    fn at_scale(self, scale: u8) -> Option<i64> {
        self.digits.checked_mul(10_i64.checked_pow(u32::from(scale.checked_sub(self.scale)?))?)
    }

    fn normal(mut digits: i64, mut scale: u8) -> Option<Self> {
        // why: bounded so that negating cannot overflow and a double can hold it
        if digits.unsigned_abs() > 1_000_000_000_000_000 {
            return None;
        }
        while scale > 0 && digits % 10 == 0 {
            digits /= 10;
            scale -= 1;
        }
        Some(Self { digits, scale })
    }
}

fn too_large(text: &str) -> MoneyError {
    MoneyError(Wrong::OutOfRange { amount: text.to_owned() })
}

/// Why a number is no amount of money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoneyError(Wrong);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    OutOfRange {
        amount: String,
    },
    /// More digits after the point than the currency has.
    TooFine {
        amount: String,
        exponent: u8,
    },
    NoDecimal {
        text: String,
    },
    TooManyDigits {
        text: String,
    },
}

impl fmt::Display for MoneyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Wrong::OutOfRange { amount } => {
                write!(out, "{amount} is out of range: at most {MAX_MINOR} of the currency's smallest unit")
            }
            Wrong::TooFine { amount, exponent: 0 } => {
                write!(out, "{amount} has digits after the point, and the currency has none")
            }
            Wrong::TooFine { amount, exponent } => {
                write!(out, "{amount} has more than the currency's {exponent} digits after the point")
            }
            Wrong::NoDecimal { text } => write!(out, "{text:?} is not a decimal number: write it as 19.99"),
            Wrong::TooManyDigits { text } => write!(out, "{text} has more than {MAX_SCALE} digits after the point"),
        }
    }
}

impl std::error::Error for MoneyError {}

/// `1.999e1` as `19.99`.
fn expanded(scientific: &str) -> Option<String> {
    let (mantissa, exponent) = scientific.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    if exponent < 0 {
        let zeros = usize::try_from(-exponent - 1).ok().filter(|zeros| *zeros < 32)?;
        return Some(format!("{sign}0.{}{}", "0".repeat(zeros), if digits.is_empty() { "0" } else { digits }));
    }
    let point = usize::try_from(exponent).ok()?.checked_add(1).filter(|point| *point < 32)?;
    let (whole, fraction) = digits.split_at_checked(point).unwrap_or((digits, ""));
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole:0<point$}{dot}{fraction}"))
}

impl FromStr for Decimal {
    type Err = MoneyError;

    /// Reads `19.99`, `-5` or `0.5`: digits, and at most one point between them.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let malformed = || MoneyError(Wrong::NoDecimal { text: text.to_owned() });
        let (sign, unsigned) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, fraction) = unsigned.split_once('.').map_or((unsigned, None), |(whole, f)| (whole, Some(f)));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if text.len() > 32 || !all_digits(whole) || !fraction.is_none_or(all_digits) {
            return Err(malformed());
        }
        let fraction = fraction.unwrap_or("").trim_end_matches('0');
        let scale = u8::try_from(fraction.len()).ok().filter(|scale| *scale <= MAX_SCALE);
        let scale = scale.ok_or_else(|| MoneyError(Wrong::TooManyDigits { text: text.to_owned() }))?;
        let digits: i64 = format!("{whole}{fraction}").parse().map_err(|_| too_large(text))?;
        Self::normal(sign * digits, scale).ok_or_else(|| too_large(text))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_u64.pow(u32::from(self.scale));
        let digits = self.digits.unsigned_abs();
        let sign = if self.digits < 0 { "-" } else { "" };
        write!(out, "{sign}{}", digits / unit)?;
        if self.scale > 0 {
            write!(out, ".{:0width$}", digits % unit, width = usize::from(self.scale))?;
        }
        Ok(())
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.scale == 0 {
            return serializer.serialize_i64(self.digits);
        }
        // why: dividing two exact integers gives the double next to the decimal, and JSON writes that one's shortest
        // digits, which are the decimal's own
        #[allow(clippy::cast_precision_loss)]
        serializer.serialize_f64(self.digits as f64 / 10_f64.powi(i32::from(self.scale)))
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_json(&serde_json::Number::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A currency, as ISO 4217 writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency(&'static str);

/// The currencies in use, and those that left use within the last years, since orders are refunded later; ISO 4217's
/// list one, without metals, testing codes and units of account that no shop sells in. The last six are what shops still
/// send besides.
const CURRENCIES: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN \
BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL \
GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK \
LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK \
PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP \
TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG ZWL \
BYR JEP LTL LVL STD VEF";

/// Those whose smallest unit is not a hundredth.
const EXPONENTS: [(u8, &str); 3] = [
    (0, "BIF BYR CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

/// The digits after the point of a value without a currency.
pub const DEFAULT_EXPONENT: u8 = 2;

impl Currency {
    /// The currency of a code in upper case.
    #[must_use]
    pub fn new(code: &str) -> Option<Self> {
        CURRENCIES.split(' ').find(|known| *known == code).map(Self)
    }

    /// The code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0
    }

    /// The codes of the currencies whose smallest unit has so many digits after the point; none for the usual two.
    pub fn of_exponent(exponent: u8) -> impl Iterator<Item = &'static str> {
        EXPONENTS.iter().filter(move |(of, _)| *of == exponent).flat_map(|(_, codes)| codes.split(' '))
    }

    /// The digits after the point of its smallest unit.
    #[must_use]
    pub fn exponent(self) -> u8 {
        let listed = EXPONENTS.iter().find(|(_, codes)| codes.split(' ').any(|code| code == self.0));
        listed.map_or(DEFAULT_EXPONENT, |(exponent, _)| *exponent)
    }
}

impl TryFrom<String> for Currency {
    type Error = String;
    fn try_from(code: String) -> Result<Self, String> {
        Self::new(&code).ok_or_else(|| {
            let upper = code.to_ascii_uppercase();
            match Self::new(&upper) {
                Some(_) => format!("write the currency in upper case: {upper}"),
                None => format!("{code:?} is not a currency: use the three letters of ISO 4217, such as EUR"),
            }
        })
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod schema {
    //! What a JSON Schema says of these types.

    use super::{Currency, Decimal};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    impl JsonSchema for Decimal {
        fn schema_name() -> Cow<'static, str> {
            "Decimal".into()
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({"type": "number"})
        }
    }

    impl JsonSchema for Currency {
        fn schema_name() -> Cow<'static, str> {
            "Currency".into()
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({"type": "string", "pattern": "^[A-Z]{3}$"})
        }
    }
}
