//! Decimals read as numbers. The standard library does the same by a table of 10 KB, a twentieth of what a visit of a page
//! loads; this needs none, and is exact all the same.

use std::cmp::Ordering;

/// How many digits are kept: the exact middle between two numbers has 768 at most, so of what comes behind only whether it is
/// nothing counts.
const MOST_DIGITS: usize = 800;
/// Powers of ten that are numbers exactly.
const EXACT: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// The bits of a number's significand, and the exponent of the last of them in the smallest numbers.
const BITS: i64 = 53;
const SMALLEST: i64 = -1074;

/// The number nearest to a decimal such as `-12.5e3`, of two the even one; `None` for what is no decimal.
#[must_use]
pub fn read(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number = nearest(&Decimal::read(unsigned)?);
    Some(if text.starts_with('-') { -number } else { number })
}

/// Digits, without zeros in front, and the power of ten that the last one counts.
struct Decimal {
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    fn read(text: &str) -> Option<Self> {
        let (significand, exponent) = match text.split_once(['e', 'E']) {
            Some((significand, exponent)) => (significand, written_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = significand.split_once('.').unwrap_or((significand, ""));
        let mut all = whole.bytes().chain(fraction.bytes()).peekable();
        all.peek()?;
        let mut decimal = Self { digits: Vec::new(), exponent };
        let (mut position, mut is_more) = (0_usize, false);
        for digit in all {
            if !digit.is_ascii_digit() {
                return None;
            }
            let is_behind = position >= whole.len();
            position += 1;
            if decimal.digits.len() < MOST_DIGITS {
                decimal.exponent -= i64::from(is_behind);
                if digit != b'0' || !decimal.digits.is_empty() {
                    decimal.digits.push(digit - b'0');
                }
            } else {
                decimal.exponent += i64::from(!is_behind);
                is_more |= digit != b'0';
            }
        }
        if is_more && let Some(last) = decimal.digits.last_mut() {
            // why: it is not in the middle between two numbers, and on which side of it the other digits say
            *last |= 1;
        }
        Some(decimal)
    }
}

/// What stands behind the `e`; one that is beyond all numbers is as good as any other.
fn written_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.bytes().fold(0_i64, |sum, digit| (sum * 10 + i64::from(digit - b'0')).min(1_000_000_000));
    Some(if text.starts_with('-') { -size } else { size })
}

fn nearest(decimal: &Decimal) -> f64 {
    let Decimal { digits, exponent } = decimal;
    let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    if digits.is_empty() || length + exponent < -330 {
        return 0.0;
    }
    if length + exponent > 310 {
        return f64::INFINITY;
    }
    let power = usize::try_from(exponent.unsigned_abs()).unwrap_or(usize::MAX);
    if digits.len() <= 15
        && let Some(power) = EXACT.get(power)
    {
        // why: both are exact, so that the one operation rounds as it should
        let whole = digits.iter().fold(0.0, |sum, digit| sum * 10.0 + f64::from(*digit));
        return if *exponent < 0 { whole / power } else { whole * power };
    }
    let (mut over, mut under) = (Natural(Vec::new()), Natural(vec![1]));
    digits.iter().for_each(|digit| over.times_ten_plus(u32::from(*digit)));
    let scaled = if *exponent < 0 { &mut under } else { &mut over };
    (0..power).for_each(|_| scaled.times_ten_plus(0));
    quotient(over, under)
}

/// The number nearest to `over / under`.
fn quotient(mut over: Natural, mut under: Natural) -> f64 {
    // why: with as many bits more than the other it has 64 or 65 bits in front of the point
    let shift = 64 - (over.bits() - under.bits());
    if shift > 0 {
        over.shift(shift)
    } else {
        under.shift(-shift)
    }
    under.shift(65);
    let mut whole: u128 = 0;
    for _ in 0..=65 {
        whole <<= 1;
        if over.cmp(&under) != Ordering::Less {
            over.minus(&under);
            whole |= 1;
        }
        under.halve();
    }
    let bits = i64::from(128 - whole.leading_zeros());
    let dropped = (bits - BITS).max(SMALLEST + shift);
    if dropped > bits {
        return 0.0;
    }
    let (kept, rest, half) = (whole >> dropped, whole & ((1 << dropped) - 1), 1_u128 << dropped >> 1);
    let is_up = rest > half || (rest == half && (over.bits() > 0 || kept & 1 == 1));
    composed(u64::try_from(kept).unwrap_or(0) + u64::from(is_up), dropped - shift)
}

/// `significand` times two to the power of `exponent`, of which no bit is lost.
fn composed(significand: u64, exponent: i64) -> f64 {
    const HIDDEN: u64 = 1 << (BITS - 1);
    // why: of what was rounded up to another bit the last one is nothing
    let (significand, exponent) =
        if significand == HIDDEN << 1 { (HIDDEN, exponent + 1) } else { (significand, exponent) };
    if significand < HIDDEN {
        return f64::from_bits(significand);
    }
    match u64::try_from(exponent - SMALLEST + 1) {
        Ok(biased) if biased < 2047 => f64::from_bits(biased << (BITS - 1) | (significand - HIDDEN)),
        _ => f64::INFINITY,
    }
}

/// A natural number of any size, its lowest 32 bits first, without zeros behind the highest.
struct Natural(Vec<u32>);

impl Natural {
    fn times_ten_plus(&mut self, digit: u32) {
        let mut carry = u64::from(digit);
        for word in &mut self.0 {
            let sum = u64::from(*word) * 10 + carry;
            *word = low(sum);
            carry = sum >> 32;
        }
        if carry > 0 {
            self.0.push(low(carry));
        }
    }

    fn bits(&self) -> i64 {
        let words = i64::try_from(self.0.len()).unwrap_or(i64::MAX);
        self.0.last().map_or(0, |last| words * 32 - i64::from(last.leading_zeros()))
    }

    fn shift(&mut self, by: i64) {
        let (words, bits) = (usize::try_from(by / 32).unwrap_or(0), by % 32);
        let mut carry = 0;
        for word in &mut self.0 {
            let moved = u64::from(*word) << bits | carry;
            *word = low(moved);
            carry = moved >> 32;
        }
        if carry > 0 {
            self.0.push(low(carry));
        }
        self.0.splice(0..0, core::iter::repeat_n(0, words));
    }

    fn halve(&mut self) {
        let mut carry = 0;
        for word in self.0.iter_mut().rev() {
            let bit = *word & 1;
            *word = *word >> 1 | carry << 31;
            carry = bit;
        }
        self.trim();
    }

    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    /// Less another that is not greater.
    fn minus(&mut self, other: &Self) {
        let mut borrow = 0;
        let rest = core::iter::repeat(&0);
        for (word, less) in self.0.iter_mut().zip(other.0.iter().chain(rest)) {
            let left = (1_u64 << 32) + u64::from(*word) - u64::from(*less) - borrow;
            *word = low(left);
            borrow = u64::from(left < 1 << 32);
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }
}

#[allow(clippy::cast_possible_truncation)]
fn low(word: u64) -> u32 {
    word as u32
}
