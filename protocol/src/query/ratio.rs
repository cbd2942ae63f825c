//! Exact fractions: what arithmetic in an expression computes with.
//!
//! Owns addition, multiplication, division and order of `i128 / i128` in lowest terms. Nothing is rounded
//! before [`Ratio::rounded`]; what leaves `i128` is an [`Overflow`], never another number.

use super::decimal::{Decimal, divide_half_even, pow10};
use core::cmp::Ordering;

/// A figure that does not fit; the query is refused, not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a figure does not fit into 128 bits")]
pub struct Overflow;

/// `top / bottom` in lowest terms, `bottom` above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    top: i128,
    bottom: i128,
}

impl Ratio {
    /// `top / bottom`; `None` for a `bottom` of 0.
    ///
    /// # Errors
    /// `Overflow` where the sign cannot be moved.
    pub fn new(top: i128, bottom: i128) -> Result<Option<Ratio>, Overflow> {
        if bottom == 0 {
            return Ok(None);
        }
        let common = i128::try_from(gcd(top.unsigned_abs(), bottom.unsigned_abs())).map_err(|_| Overflow)?;
        let sign = if bottom < 0 { -1 } else { 1 };
        let part =
            |value: i128| value.checked_div(common).and_then(|part| part.checked_mul(sign)).ok_or(Overflow);
        Ok(Some(Ratio { top: part(top)?, bottom: part(bottom)? }))
    }

    /// A whole number.
    #[must_use]
    pub fn whole(value: i128) -> Ratio {
        Ratio { top: value, bottom: 1 }
    }

    /// The sum.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn plus(self, other: Ratio) -> Result<Ratio, Overflow> {
        let common = i128::try_from(gcd(self.bottom.unsigned_abs(), other.bottom.unsigned_abs()));
        let common = common.map_err(|_| Overflow)?;
        let theirs = other.bottom.checked_div(common).ok_or(Overflow)?;
        let ours = self.bottom.checked_div(common).ok_or(Overflow)?;
        let sum = || self.top.checked_mul(theirs)?.checked_add(other.top.checked_mul(ours)?);
        let bottom = self.bottom.checked_mul(theirs).ok_or(Overflow)?;
        Ratio::new(sum().ok_or(Overflow)?, bottom)?.ok_or(Overflow)
    }

    /// The difference.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn minus(self, other: Ratio) -> Result<Ratio, Overflow> {
        self.plus(Ratio { top: other.top.checked_neg().ok_or(Overflow)?, bottom: other.bottom })
    }

    /// The product.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn times(self, other: Ratio) -> Result<Ratio, Overflow> {
        // Reduced crosswise first, so that only what truly does not fit is refused.
        let (left, right) = (Ratio::new(self.top, other.bottom)?, Ratio::new(other.top, self.bottom)?);
        let (Some(left), Some(right)) = (left, right) else { return Err(Overflow) };
        let product = |one: i128, two: i128| one.checked_mul(two).ok_or(Overflow);
        Ok(Ratio { top: product(left.top, right.top)?, bottom: product(left.bottom, right.bottom)? })
    }

    /// The quotient; `None` where `other` is 0.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn over(self, other: Ratio) -> Result<Option<Ratio>, Overflow> {
        match Ratio::new(other.bottom, other.top)? {
            Some(inverse) => self.times(inverse).map(Some),
            None => Ok(None),
        }
    }

    /// Above and below the line, in lowest terms, the latter above 0.
    #[must_use]
    pub fn parts(self) -> (i128, i128) {
        (self.top, self.bottom)
    }

    /// As a whole number of `10^-scale`; `None` where it is none, or does not fit.
    #[must_use]
    pub fn exact(self, scale: u8) -> Option<i128> {
        let factor = pow10(scale)?.checked_div(self.bottom)?;
        let whole = factor.checked_mul(self.bottom)? == pow10(scale)?;
        if whole { self.top.checked_mul(factor) } else { None }
    }

    /// As a whole number of `10^-scale`, rounded half to even; `None` where it does not fit.
    #[must_use]
    pub fn rounded(self, scale: u8) -> Option<i128> {
        divide_half_even(self.top, self.bottom, scale)
    }
}

impl From<Decimal> for Ratio {
    fn from(decimal: Decimal) -> Ratio {
        let (mantissa, scale) = decimal.into();
        // A decimal has at most 12 decimals, so its power of ten is there and not 0.
        let made = pow10(scale).and_then(|bottom| Ratio::new(mantissa, bottom).ok().flatten());
        made.unwrap_or(Ratio { top: mantissa, bottom: 1 })
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> Ordering {
        // By continued fractions: whole parts first, then the rests upside down. No product, no overflow.
        let (mut left, mut right, mut turned) = (*self, *other, false);
        loop {
            let order = match (split(left), split(right)) {
                (Some((whole, rest)), Some((other_whole, other_rest))) => match whole.cmp(&other_whole) {
                    Ordering::Equal if rest == 0 || other_rest == 0 => rest.cmp(&other_rest),
                    Ordering::Equal => {
                        (left, right) = (
                            Ratio { top: left.bottom, bottom: rest },
                            Ratio { top: right.bottom, bottom: other_rest },
                        );
                        turned = !turned;
                        continue;
                    }
                    order => order,
                },
                // A bottom of 0 is never made.
                _ => Ordering::Equal,
            };
            return if turned { order.reverse() } else { order };
        }
    }
}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The whole part and what is left of it, from 0 to below `bottom`.
fn split(ratio: Ratio) -> Option<(i128, i128)> {
    Some((ratio.top.checked_div_euclid(ratio.bottom)?, ratio.top.checked_rem_euclid(ratio.bottom)?))
}

fn gcd(mut left: u128, mut right: u128) -> u128 {
    while let Some(rest) = left.checked_rem(right) {
        (left, right) = (right, rest);
    }
    left.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(top: i128, bottom: i128) -> Ratio {
        Ratio::new(top, bottom).unwrap().unwrap()
    }

    #[test]
    fn fractions_are_those_of_school() {
        let values: Vec<(i128, i128)> =
            (-6..=6).flat_map(|top| (1..=6).map(move |bottom| (top, bottom))).collect();
        for (a, b) in &values {
            for (c, d) in &values {
                let (left, right) = (ratio(*a, *b), ratio(*c, *d));
                assert_eq!(left.plus(right), Ok(ratio(a * d + c * b, b * d)));
                assert_eq!(left.minus(right), Ok(ratio(a * d - c * b, b * d)));
                assert_eq!(left.times(right), Ok(ratio(a * c, b * d)));
                assert_eq!(left.over(right).unwrap(), Ratio::new(a * d, b * c).unwrap());
                assert_eq!(left.cmp(&right), (a * d).cmp(&(c * b)), "{a}/{b} {c}/{d}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_an_overflow_and_order_never_is() {
        let (most, least) = (ratio(i128::MAX, 1), ratio(1, i128::MAX));
        assert_eq!(most.plus(Ratio::whole(1)), Err(Overflow));
        assert_eq!(most.times(Ratio::whole(2)), Err(Overflow));
        assert_eq!(Ratio::whole(i128::MIN).minus(Ratio::whole(1)), Err(Overflow));
        assert_eq!(Ratio::new(i128::MIN, -1), Err(Overflow));
        assert!(ratio(i128::MAX, 3) < ratio(i128::MAX, 2));
        assert!(ratio(i128::MAX - 1, i128::MAX) < Ratio::whole(1));
        assert!(least > ratio(-1, 7) && least < ratio(1, i128::MAX - 1));
        assert_eq!(most.times(least), Ok(Ratio::whole(1)), "reduced before it is multiplied");
    }

    #[test]
    fn rounding_is_half_to_even() {
        for (top, bottom, scale, expected) in
            [(1, 2, 0, 0), (3, 2, 0, 2), (-3, 2, 0, -2), (1, 3, 3, 333), (2, 3, 3, 667), (7, 1, 2, 700)]
        {
            assert_eq!(ratio(top, bottom).rounded(scale), Some(expected), "{top}/{bottom}");
        }
    }
}
