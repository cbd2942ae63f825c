//! Exact decimals and calendar dates as plain values.
//!
//! Owns their text forms, order and half-even rounding. No binary floating point, no clock, no locale.

use crate::time::Time;
use core::cmp::Ordering;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Decimals kept of every quantity; more are refused where they are read.
pub const FINEST: u8 = 6;
const MAX_SCALE: u8 = 12;
const MAX_MANTISSA: u128 = 10_u128.pow(25);

/// An exact decimal number, `mantissa / 10^scale`, without trailing zeros: one number has one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(i128, u8)", into = "(i128, u8)")]
pub struct Decimal {
    mantissa: i128,
    scale: u8,
}

impl Decimal {
    /// `mantissa / 10^scale`; `None` above 12 decimals or 25 digits.
    #[must_use]
    pub fn new(mut mantissa: i128, mut scale: u8) -> Option<Decimal> {
        if scale > MAX_SCALE || mantissa.unsigned_abs() >= MAX_MANTISSA {
            return None;
        }
        while scale > 0 && mantissa.checked_rem(10) == Some(0) {
            mantissa = mantissa.checked_div(10)?;
            scale = scale.checked_sub(1)?;
        }
        Some(Decimal { mantissa, scale })
    }

    /// Reads `-12.5`: an optional minus, digits, and digits after one point. Nothing else is a number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Decimal> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return None,
            Some((whole, fraction)) => (whole, fraction),
            None => (digits, ""),
        };
        if whole.is_empty() || digits.len() > 40 {
            return None;
        }
        let mut mantissa: i128 = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            let digit = byte.is_ascii_digit().then(|| byte.wrapping_sub(b'0'))?;
            mantissa = mantissa.checked_mul(10)?.checked_add(i128::from(digit))?;
        }
        let mantissa = if negative { mantissa.checked_neg()? } else { mantissa };
        Decimal::new(mantissa, u8::try_from(fraction.len()).ok()?)
    }

    /// The number of decimals.
    #[must_use]
    pub fn scale(self) -> u8 {
        self.scale
    }

    /// The number as a whole number of `10^-scale`; `None` when that would need rounding.
    #[must_use]
    pub fn at_scale(self, scale: u8) -> Option<i128> {
        self.mantissa.checked_mul(pow10(scale.checked_sub(self.scale)?)?)
    }
}

impl TryFrom<(i128, u8)> for Decimal {
    type Error = &'static str;
    fn try_from((mantissa, scale): (i128, u8)) -> Result<Self, Self::Error> {
        Decimal::new(mantissa, scale)
            .filter(|made| (made.mantissa, made.scale) == (mantissa, scale))
            .ok_or("not a canonical decimal")
    }
}

impl From<Decimal> for (i128, u8) {
    fn from(decimal: Decimal) -> Self {
        (decimal.mantissa, decimal.scale)
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        // Both mantissas are below 10^25 and scales at most 12, so neither side leaves i128.
        self.at_scale(MAX_SCALE).cmp(&other.at_scale(MAX_SCALE))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, self.mantissa, self.scale)
    }
}

/// Writes `mantissa / 10^scale` exactly, without trailing zeros.
pub(super) fn write_decimal(f: &mut fmt::Formatter<'_>, mantissa: i128, scale: u8) -> fmt::Result {
    let width = usize::from(scale).saturating_add(1);
    let digits = format!("{:0>width$}", mantissa.unsigned_abs());
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(usize::from(scale)));
    let fraction = fraction.trim_end_matches('0');
    let sign = if mantissa < 0 { "-" } else { "" };
    if fraction.is_empty() { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
}

/// `10^exponent`; `None` above 38.
#[must_use]
pub fn pow10(exponent: u8) -> Option<i128> {
    10_i128.checked_pow(u32::from(exponent))
}

/// `numerator / denominator` as a whole number of `10^-scale`, rounded half to even.
/// `None` for a zero denominator or a result outside `i128`.
#[must_use]
pub fn divide_half_even(numerator: i128, denominator: i128, scale: u8) -> Option<i128> {
    let (top, bottom) = (numerator.unsigned_abs(), denominator.unsigned_abs());
    let mut quotient = top.checked_div(bottom)?;
    let mut rest = top.checked_rem(bottom)?;
    for _ in 0..scale {
        let tenfold = rest.checked_mul(10)?;
        quotient = quotient.checked_mul(10)?.checked_add(tenfold.checked_div(bottom)?)?;
        rest = tenfold.checked_rem(bottom)?;
    }
    let odd = quotient & 1 == 1;
    let up = match rest.cmp(&bottom.checked_sub(rest)?) {
        Ordering::Greater => true,
        Ordering::Equal => odd,
        Ordering::Less => false,
    };
    let quotient = i128::try_from(if up { quotient.checked_add(1)? } else { quotient }).ok()?;
    if (numerator < 0) == (denominator < 0) { Some(quotient) } else { quotient.checked_neg() }
}

/// A day in the calendar, years 1900 to 2199.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u16, u8, u8)", into = "(u16, u8, u8)")]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// The first day of the calendar.
    pub const EARLIEST: Date = Date { year: 1900, month: 1, day: 1 };

    /// The day; `None` when there is no such day.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Date> {
        let exists = (1900..=2199).contains(&year) && (1..=last_day(year, month)).contains(&day);
        exists.then_some(Date { year, month, day })
    }

    /// Reads `2019-01-31`, and only that.
    #[must_use]
    pub fn parse(text: &str) -> Option<Date> {
        let number = |part: &str, width: usize| -> Option<u16> {
            (part.len() == width && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?
        };
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let (month, day) = (number(month, 2)?, number(day, 2)?);
        Date::new(number(year, 4)?, u8::try_from(month).ok()?, u8::try_from(day).ok()?)
    }

    /// Days since 1 January 1900.
    #[must_use]
    pub fn number(self) -> u32 {
        // Whole years, the leap days in them, whole months, days; 1900 itself is no leap year.
        let leap_days = |year: u32| (year / 4).saturating_sub(year / 100).saturating_add(year / 400);
        let year = u32::from(self.year);
        let before = year.saturating_sub(1);
        let years = year.saturating_sub(1900).saturating_mul(365);
        let leaps = leap_days(before).saturating_sub(leap_days(1899));
        let months: u32 = (1..self.month).map(|month| u32::from(last_day(self.year, month))).sum();
        years
            .saturating_add(leaps)
            .saturating_add(months)
            .saturating_add(u32::from(self.day))
            .saturating_sub(1)
    }

    /// The day in UTC on which a time lies; `None` outside the calendar.
    #[must_use]
    pub fn at(time: Time) -> Option<Date> {
        // From 1 January 1900 to 1 January 1970.
        let days = i32::try_from(time.0.checked_div(86_400_000)?).ok()?.checked_add(25_567)?;
        Date::EARLIEST.plus_days(days)
    }

    /// The day that lies so many days later; `None` outside the calendar.
    #[must_use]
    pub fn plus_days(self, days: i32) -> Option<Date> {
        let number = i64::from(self.number()).checked_add(i64::from(days))?;
        let from_start =
            |year: u16, month: u8| Date::new(year, month, 1).map(|date| i64::from(date.number()));
        // The last year and month that begin no later.
        let year =
            (1900..=2199).rev().find(|year| from_start(*year, 1).is_some_and(|first| first <= number))?;
        let month =
            (1..=12).rev().find(|month| from_start(year, *month).is_some_and(|first| first <= number))?;
        let day = number.checked_sub(from_start(year, month)?)?.checked_add(1)?;
        Date::new(year, month, u8::try_from(day).ok()?)
    }

    /// The first day of the month that lies so many months later; `None` outside the calendar.
    #[must_use]
    pub fn plus_months(self, months: i32) -> Option<Date> {
        let all = i32::from(self.year).checked_mul(12)?.checked_add(i32::from(self.month))?.checked_sub(1)?;
        let all = all.checked_add(months)?;
        let (year, month) = (all.checked_div_euclid(12)?, all.checked_rem_euclid(12)?.checked_add(1)?);
        Date::new(u16::try_from(year).ok()?, u8::try_from(month).ok()?, 1)
    }

    /// Whether this is the first day of a month.
    #[must_use]
    pub fn is_first_of_month(self) -> bool {
        self.day == 1
    }
}

/// The last day of a month; 0 where there is no such month.
fn last_day(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

impl TryFrom<(u16, u8, u8)> for Date {
    type Error = &'static str;
    fn try_from((year, month, day): (u16, u8, u8)) -> Result<Self, Self::Error> {
        Date::new(year, month, day).ok_or("no such day")
    }
}

impl From<Date> for (u16, u8, u8) {
    fn from(date: Date) -> Self {
        (date.year, date.month, date.day)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_without_a_gap() {
        let mut count = 0;
        for year in 1900..=2199 {
            for month in 1..=12 {
                for day in 1..=31 {
                    let Some(date) = Date::new(year, month, day) else { continue };
                    assert_eq!(date.number(), count, "{date}");
                    count += 1;
                }
            }
        }
        // As the Gregorian calendar has it: 300 years with 73 leap years (1900 and 2100 are none).
        assert_eq!(count, 300 * 365 + 73);
    }

    #[test]
    fn days_and_months_are_added() {
        let day = |text: &str| Date::parse(text).unwrap();
        let mut date = day("1900-01-01");
        for number in 0..400 {
            assert_eq!(day("1900-01-01").plus_days(number), Some(date));
            assert_eq!(date.plus_days(-number), Some(day("1900-01-01")));
            date = date.plus_days(1).unwrap();
        }
        assert_eq!(day("2024-02-28").plus_days(2), Some(day("2024-03-01")));
        assert_eq!(day("2199-12-31").plus_days(1), None);
        assert_eq!(Date::at(Time(0)), Some(day("1970-01-01")));
        assert_eq!(Date::at(Time(1_795_391_999_999)), Some(day("2026-11-22")));
        assert_eq!(Date::at(Time(1_795_392_000_000)), Some(day("2026-11-23")));
        assert_eq!(Date::at(Time(u64::MAX)), None);
        assert_eq!(day("1900-01-01").plus_days(-1), None);
        assert_eq!(day("2026-11-22").plus_months(-12), Some(day("2025-11-01")));
        assert_eq!(day("2026-11-22").plus_months(2), Some(day("2027-01-01")));
        assert_eq!(day("2199-12-31").plus_months(1), None);
    }

    #[test]
    fn decimals_are_exact_and_have_one_form() {
        for (text, shown) in
            [("160396.050", "160396.05"), ("-0.5", "-0.5"), ("007", "7"), ("0.000", "0"), ("-0", "0")]
        {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), shown);
        }
        assert_eq!(Decimal::parse("1.50"), Decimal::parse("1.5"));
        for text in ["", "-", ".5", "5.", "1,5", "1.2.3", "1e3", "+1", " 1", "1 ", "1.234,56", "NaN", "--1"] {
            assert_eq!(Decimal::parse(text), None, "{text:?}");
        }
        assert!(Decimal::parse("-2.5").unwrap() < Decimal::parse("-2.49").unwrap());
        assert!(Decimal::try_from((50, 1)).is_err(), "5 has another form");
    }

    #[test]
    fn division_rounds_half_to_even() {
        let cases = [
            ((1, 2, 0), 0),
            ((3, 2, 0), 2),
            ((5, 2, 0), 2),
            ((-1, 2, 0), 0),
            ((-3, 2, 0), -2),
            ((1, 8, 2), 12),
            ((3, 8, 2), 38),
            ((2, 3, 3), 667),
            ((-2, 3, 3), -667),
            ((2, -3, 3), -667),
            ((125_001, 1_000_000, 2), 13),
        ];
        for ((top, bottom, scale), expected) in cases {
            assert_eq!(divide_half_even(top, bottom, scale), Some(expected), "{top}/{bottom} at {scale}");
        }
        assert_eq!(divide_half_even(1, 0, 0), None);
    }

    #[test]
    fn dates_exist_or_are_refused() {
        assert_eq!(Date::parse("2020-02-29").unwrap().to_string(), "2020-02-29");
        for text in [
            "2019-02-29",
            "2100-02-29",
            "2020-13-01",
            "2020-00-10",
            "2020-1-1",
            "20-01-01",
            "2020-01-01x",
            "",
        ] {
            assert_eq!(Date::parse(text), None, "{text:?}");
        }
    }
}
