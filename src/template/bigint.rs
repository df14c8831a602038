//! Integers beyond 128 bits, which Python has without a limit: decimal digits in, decimal digits out.
//!
//! Rare, so plain: numbers are limbs of nine decimal digits, and the methods are those of school.

use std::cmp::Ordering;

const BASE: u64 = 1_000_000_000;
/// Decimal digits of the largest number.
const MAX_DIGITS: usize = 20_000;

/// A number: its sign and limbs, the least first; zero has no limbs and no sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Big {
    negative: bool,
    limbs: Vec<u64>,
}

impl From<i128> for Big {
    fn from(int: i128) -> Self {
        let mut rest = int.unsigned_abs();
        let mut limbs = Vec::new();
        while rest > 0 {
            limbs.push(u64::try_from(rest % u128::from(BASE)).unwrap_or(0));
            rest /= u128::from(BASE);
        }
        Self { negative: int < 0, limbs }
    }
}

impl Big {
    /// From decimal digits with or without a sign.
    pub fn parse(digits: &str) -> Option<Self> {
        let (negative, digits) = digits.strip_prefix('-').map_or((false, digits), |rest| (true, rest));
        if digits.is_empty() || digits.len() > MAX_DIGITS * 2 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let limbs: Option<Vec<u64>> =
            digits.as_bytes().rchunks(9).map(|part| std::str::from_utf8(part).ok()?.parse().ok()).collect();
        Some(Self { negative, limbs: limbs? }.trimmed())
    }

    /// From digits of any base that Python knows, without a sign.
    pub fn of_base(digits: &str, base: u32) -> Option<Self> {
        if digits.is_empty() || digits.len() > MAX_DIGITS {
            return None;
        }
        let mut out = Self::from(0);
        // Four digits of base 36 are less than a limb.
        for part in digits.as_bytes().chunks(4) {
            let part = std::str::from_utf8(part).ok()?;
            let value = u64::from_str_radix(part, base).ok()?;
            let factor = u64::from(base).pow(u32::try_from(part.len()).ok()?);
            out.limbs = sum(&times(&out.limbs, factor), &[value]);
            out = out.trimmed();
        }
        out.fits()
    }

    /// The digits of base 2, 8 or 16, without the sign.
    pub fn in_base(&self, base: u32) -> String {
        let mut out: Vec<u8> = Vec::new();
        let mut rest = self.limbs.clone();
        // As many digits at once as fit into 24 bits.
        let bits = base.ilog2().max(1);
        let each = 24 / bits;
        while !rest.is_empty() {
            let mut carry = 0;
            for limb in rest.iter_mut().rev() {
                let value = carry * BASE + *limb;
                *limb = value >> (each * bits);
                carry = value & ((1 << (each * bits)) - 1);
            }
            while rest.last() == Some(&0) {
                rest.pop();
            }
            for _ in 0..each {
                let digit = u32::try_from(carry % u64::from(base)).unwrap_or(0);
                out.push(char::from_digit(digit, base).map_or(b'0', |digit| u8::try_from(digit).unwrap_or(b'0')));
                carry /= u64::from(base);
            }
        }
        let text: String = out.iter().rev().map(|byte| char::from(*byte)).collect();
        let text = text.trim_start_matches('0');
        if text.is_empty() { "0".to_owned() } else { text.to_owned() }
    }

    /// The whole part of a float, exact; `None` for what has none.
    pub fn truncated(float: f64) -> Option<Self> {
        if !float.is_finite() {
            return None;
        }
        let bits = float.abs().to_bits();
        let power = i32::try_from(bits >> 52).ok()? - 1075;
        let fraction = i128::from(bits & ((1 << 52) - 1) | 1 << 52);
        let size = if power <= 0 {
            Self::from(fraction.checked_shr(power.unsigned_abs()).unwrap_or(0))
        } else {
            Self::from(fraction).mul(&Self::from(2).pow(power.unsigned_abs())?)?
        };
        Some(if float < 0.0 { size.negated() } else { size })
    }

    fn trimmed(mut self) -> Self {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
        self.negative &= !self.limbs.is_empty();
        self
    }

    /// As a machine's integer, if it fits.
    pub fn small(&self) -> Option<i128> {
        self.digits().parse().ok()
    }

    /// Decimal digits with the sign.
    pub fn digits(&self) -> String {
        let Some((top, rest)) = self.limbs.split_last() else { return "0".to_owned() };
        let mut out = format!("{}{top}", if self.negative { "-" } else { "" });
        for limb in rest.iter().rev() {
            out.push_str(&format!("{limb:09}"));
        }
        out
    }

    fn fits(self) -> Option<Self> {
        let out = self.trimmed();
        (out.limbs.len() * 9 <= MAX_DIGITS).then_some(out)
    }

    /// Larger, equal or smaller.
    pub fn order(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => size(&self.limbs, &other.limbs),
            (true, true) => size(&other.limbs, &self.limbs),
        }
    }

    /// `self + other`; `None` if the result is too large.
    pub fn add(&self, other: &Self) -> Option<Self> {
        if self.negative == other.negative {
            return Self { negative: self.negative, limbs: sum(&self.limbs, &other.limbs) }.fits();
        }
        match size(&self.limbs, &other.limbs) {
            Ordering::Less => Self { negative: other.negative, limbs: difference(&other.limbs, &self.limbs) }.fits(),
            _ => Self { negative: self.negative, limbs: difference(&self.limbs, &other.limbs) }.fits(),
        }
    }

    /// `-self`.
    pub fn negated(&self) -> Self {
        Self { negative: !self.negative && !self.limbs.is_empty(), limbs: self.limbs.clone() }
    }

    /// `self * other`; `None` if the result is too large.
    pub fn mul(&self, other: &Self) -> Option<Self> {
        if (self.limbs.len() + other.limbs.len()) * 9 > MAX_DIGITS + 18 {
            return None;
        }
        let mut limbs = vec![0; self.limbs.len() + other.limbs.len() + 1];
        for (i, a) in self.limbs.iter().enumerate() {
            let mut carry = 0;
            for (j, b) in other.limbs.iter().enumerate() {
                let value = limbs[i + j] + a * b + carry;
                limbs[i + j] = value % BASE;
                carry = value / BASE;
            }
            limbs[i + other.limbs.len()] += carry;
        }
        Self { negative: self.negative != other.negative, limbs }.fits()
    }

    /// `self ** power`; `None` if the result is too large.
    pub fn pow(&self, mut power: u32) -> Option<Self> {
        let (mut out, mut square) = (Self::from(1), self.clone());
        loop {
            if power & 1 == 1 {
                out = out.mul(&square)?;
            }
            power >>= 1;
            if power == 0 {
                return Some(out);
            }
            square = square.mul(&square)?;
        }
    }

    /// Quotient, rounded down, and rest, which has the sign of `other`; `None` if `other` is zero.
    pub fn div_floor(&self, other: &Self) -> Option<(Self, Self)> {
        if other.limbs.is_empty() {
            return None;
        }
        let mut quotient = vec![0; self.limbs.len()];
        let mut rest: Vec<u64> = Vec::new();
        for (index, limb) in self.limbs.iter().enumerate().rev() {
            rest.insert(0, *limb);
            while rest.last() == Some(&0) {
                rest.pop();
            }
            // The digit of the quotient, by halving.
            let (mut low, mut high) = (0, BASE - 1);
            while low < high {
                let middle = (low + high).div_ceil(2);
                if size(&times(&other.limbs, middle), &rest) == Ordering::Greater {
                    high = middle - 1;
                } else {
                    low = middle;
                }
            }
            quotient[index] = low;
            rest = difference(&rest, &times(&other.limbs, low));
            while rest.last() == Some(&0) {
                rest.pop();
            }
        }
        let quotient = Self { negative: self.negative != other.negative, limbs: quotient }.trimmed();
        let rest = Self { negative: self.negative, limbs: rest }.trimmed();
        if !rest.limbs.is_empty() && rest.negative != other.negative {
            return Some((quotient.add(&Self::from(-1))?, rest.add(other)?));
        }
        Some((quotient, rest))
    }
}

fn size(a: &[u64], b: &[u64]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

fn sum(a: &[u64], b: &[u64]) -> Vec<u64> {
    let mut out = Vec::with_capacity(a.len().max(b.len()) + 1);
    let mut carry = 0;
    for index in 0..a.len().max(b.len()) {
        let value = a.get(index).unwrap_or(&0) + b.get(index).unwrap_or(&0) + carry;
        out.push(value % BASE);
        carry = value / BASE;
    }
    out.push(carry);
    out
}

/// `a - b` where `a` is not the smaller one.
fn difference(a: &[u64], b: &[u64]) -> Vec<u64> {
    let mut out = Vec::with_capacity(a.len());
    let mut borrow = 0;
    for (index, limb) in a.iter().enumerate() {
        let less = b.get(index).unwrap_or(&0) + borrow;
        borrow = u64::from(*limb < less);
        out.push(limb + borrow * BASE - less);
    }
    out
}

fn times(a: &[u64], factor: u64) -> Vec<u64> {
    let mut out = Vec::with_capacity(a.len() + 1);
    let mut carry = 0;
    for limb in a {
        let value = limb * factor + carry;
        out.push(value % BASE);
        carry = value / BASE;
    }
    out.push(carry);
    while out.last() == Some(&0) {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn big(digits: &str) -> Big {
        Big::parse(digits).unwrap()
    }

    #[test]
    fn large_numbers_are_exact() {
        let a = "123456789012345678901234567890123456789012345678901234567890";
        let check = |found: Option<Big>, expected: &str| assert_eq!(found.unwrap().digits(), expected);
        check(big(a).add(&big("-1")), "123456789012345678901234567890123456789012345678901234567889");
        check(big(a).add(&big(&format!("-{a}"))), "0");
        check(big("-5").add(&big("3")), "-2");
        check(big("999999999").add(&big("1")), "1000000000");
        check(big("-1000000000").mul(&big("1000000000")), "-1000000000000000000");
        check(big("2").pow(200), "1606938044258990275541962092341162602522202993782792835301376");
        check(big("7").pow(0), "1");
        let (quotient, rest) = big(a).div_floor(&big("-1000000007")).unwrap();
        assert_eq!(quotient.mul(&big("-1000000007")).unwrap().add(&rest).unwrap().digits(), a);
        assert!(rest.negative);
        let (quotient, rest) = big("-7").div_floor(&big("2")).unwrap();
        assert_eq!((quotient.digits(), rest.digits()), ("-4".to_owned(), "1".to_owned()));
        assert!(big(a).div_floor(&big("0")).is_none());
        assert_eq!(big("-2").order(&big("-3")), Ordering::Greater);
        assert_eq!(big(a).order(&big("5")), Ordering::Greater);
        assert_eq!(big("-0").digits(), "0");
        assert_eq!(big("170141183460469231731687303715884105727").small(), Some(i128::MAX));
        assert_eq!(big("170141183460469231731687303715884105728").small(), None);
        let hex = "ffeeddccbbaa99887766554433221100ffeeddcc0";
        assert_eq!(Big::of_base(hex, 16).unwrap().in_base(16), hex);
        check(Big::of_base("zzzzzzzzzzzzzzzzzzzzzzzzzzzzz", 36), "1357602166130257152481187563160405662935023615");
        assert_eq!((big("0").in_base(2), big("-8").in_base(8)), ("0".to_owned(), "10".to_owned()));
        check(Big::truncated(-1e30), "-1000000000000000019884624838656");
        check(Big::truncated(2.9), "2");
        check(Big::truncated(-0.5), "0");
        assert!(Big::truncated(f64::INFINITY).is_none() && Big::of_base("g", 16).is_none());
        assert!(big("10").pow(4_000_000).is_none() && Big::parse("1x").is_none() && Big::parse("").is_none());
    }
}
