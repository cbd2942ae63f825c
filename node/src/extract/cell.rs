//! One cell of a file -> one exact value.
//!
//! Owns what a number and a date may look like in a file whose dialect is declared. Anything else is
//! refused with its reason and remedy; nothing is guessed, and there is no binary floating point.

use jiff::civil;
use samensom_protocol::query::{Date, FINEST};

/// Quantities are kept as whole numbers of 10^-6.
pub(super) const SCALE: u8 = FINEST;
const MAX_WHOLE_DIGITS: usize = 12;

/// Why a cell cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadCell {
    pub(super) reason: String,
    pub(super) remedy: String,
}

pub(super) fn bad<T>(reason: impl Into<String>, remedy: impl Into<String>) -> Result<T, BadCell> {
    Err(BadCell { reason: reason.into(), remedy: remedy.into() })
}

/// A quantity in whole numbers of 10^-6.
pub(super) fn quantity(text: &str, mark: char) -> Result<i64, BadCell> {
    if text.is_empty() {
        return bad("the quantity is empty", "fill it in (0 for nothing) or leave the row out");
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let other = if mark == ',' { '.' } else { ',' };
    if unsigned.contains(other) && unsigned.chars().all(|c| c.is_ascii_digit() || c == mark || c == other) {
        return if unsigned.contains(mark) {
            bad("a thousands separator", "export numbers without thousands separators")
        } else {
            bad(
                format!("`{other}` where the declared decimal mark is `{mark}`"),
                format!("export with `{mark}`, or declare decimal = \"{other}\" if that is the decimal mark"),
            )
        };
    }
    let (whole, fraction) = match unsigned.split_once(mark) {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return not_a_number(mark),
        None => (unsigned, ""),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return not_a_number(mark);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > usize::from(SCALE) {
        return bad(format!("more than {SCALE} decimals"), format!("export at most {SCALE} decimals"));
    }
    let whole = whole.trim_start_matches('0');
    if whole.len() > MAX_WHOLE_DIGITS {
        return bad(format!("more than {MAX_WHOLE_DIGITS} digits"), "check the row; is it another column?");
    }
    // At most 18 digits, so this is an i64.
    let width = usize::from(SCALE);
    match format!("{whole}{fraction:0<width$}").parse::<i64>() {
        Ok(size) if text.starts_with('-') => Ok(-size),
        Ok(size) => Ok(size),
        Err(_) => not_a_number(mark),
    }
}

fn not_a_number<T>(mark: char) -> Result<T, BadCell> {
    bad("not a number", format!("expected such as -12{mark}5: digits, at most one `{mark}`, no other signs"))
}

/// A day in the declared format.
pub(super) fn date(text: &str, format: &str) -> Result<Date, BadCell> {
    if text.is_empty() {
        return bad("the date is empty", "fill it in or leave the row out");
    }
    let day = civil::Date::strptime(format, text).ok().and_then(|day| {
        let part = |number: i8| u8::try_from(number).ok();
        Date::new(u16::try_from(day.year()).ok()?, part(day.month())?, part(day.day())?)
    });
    match day {
        Some(day) => Ok(day),
        None => bad(
            format!("not a day between 1900 and 2199 as {format}"),
            format!("export dates as {format}, or declare the format with date = \"...\""),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_exact_or_refused_with_a_reason() {
        for (text, mark, expected) in [
            ("12", '.', 12_000_000),
            ("-0.5", '.', -500_000),
            ("+3,25", ',', 3_250_000),
            ("160396.05", '.', 160_396_050_000),
            ("0.000001", '.', 1),
            ("0.00000100", '.', 1),
            ("000", '.', 0),
            ("999999999999.999999", '.', 999_999_999_999_999_999),
        ] {
            assert_eq!(quantity(text, mark), Ok(expected), "{text}");
        }
        for (text, mark, reason) in [
            ("", ',', "the quantity is empty"),
            ("1.234,56", ',', "a thousands separator"),
            ("1,234.56", '.', "a thousands separator"),
            ("1.234.567", ',', "`.` where the declared decimal mark is `,`"),
            ("1,5", '.', "`,` where the declared decimal mark is `.`"),
            ("0.0000001", '.', "more than 6 decimals"),
            ("1000000000000", '.', "more than 12 digits"),
            ("1e3", '.', "not a number"),
            ("1.2.3", '.', "not a number"),
            ("5.", '.', "not a number"),
            (".5", '.', "not a number"),
            ("-", '.', "not a number"),
            ("--5", '.', "not a number"),
            ("1 000", '.', "not a number"),
            ("12 st", '.', "not a number"),
            ("NaN", '.', "not a number"),
            ("٣", '.', "not a number"),
        ] {
            assert_eq!(quantity(text, mark).unwrap_err().reason, reason, "{text}");
        }
    }

    #[test]
    fn dates_follow_the_declared_format_only() {
        assert_eq!(date("31-12-2025", "%d-%m-%Y").unwrap().to_string(), "2025-12-31");
        assert_eq!(date("2025-12-31 23:59:59", "%Y-%m-%d %H:%M:%S").unwrap().to_string(), "2025-12-31");
        for (text, format) in [
            ("2025-12-31", "%d-%m-%Y"),
            ("31-02-2025", "%d-%m-%Y"),
            ("31-12-2025 x", "%d-%m-%Y"),
            ("01-01-1800", "%d-%m-%Y"),
            ("", "%d-%m-%Y"),
        ] {
            assert!(date(text, format).is_err(), "{text}");
        }
    }
}
