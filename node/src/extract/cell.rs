//! One cell of a file -> one exact quantity.
//!
//! Owns what a number may look like in a file whose marks are declared. Anything else is refused with its
//! reason and remedy; nothing is guessed, and there is no binary floating point.

use samensom_protocol::query::{FINEST, pow10};
use std::borrow::Cow;

/// Quantities are kept as whole numbers of 10^-6.
pub(super) const SCALE: u8 = FINEST;
const MAX_WHOLE_DIGITS: usize = 12;
const MARKS: [char; 4] = ['.', ',', ' ', '\''];

/// Why a cell cannot be used. Millions of rows may be rejected and few are shown, so that fixed texts are not
/// copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadCell {
    pub(super) reason: Cow<'static, str>,
    pub(super) remedy: Cow<'static, str>,
}

pub(super) fn bad<T>(
    reason: impl Into<Cow<'static, str>>,
    remedy: impl Into<Cow<'static, str>>,
) -> Result<T, BadCell> {
    Err(BadCell { reason: reason.into(), remedy: remedy.into() })
}

/// How numbers are written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// Between whole and decimals.
    pub decimal: char,
    /// Between groups of three digits; a space stands for the unbreakable ones too.
    pub thousands: Option<char>,
}

impl Marks {
    fn groups(self, c: char) -> bool {
        self.thousands == Some(c) || self.thousands == Some(' ') && matches!(c, '\u{a0}' | '\u{202f}')
    }
}

/// Why a text is no quantity.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    Shape,
    Decimals,
    Digits,
}

/// A quantity in whole numbers of 10^-6.
pub(super) fn quantity(text: &str, marks: Marks) -> Result<i64, BadCell> {
    let text = text.trim();
    match exact(text, marks) {
        Ok(size) => Ok(size),
        Err(Fault::Decimals) => {
            bad(format!("more than {SCALE} decimals"), format!("export at most {SCALE} decimals"))
        }
        Err(Fault::Digits) => too_large(),
        Err(Fault::Shape) => {
            let (reason, remedy) =
                of_a_spreadsheet(text).or_else(|| of_marks(text, marks)).unwrap_or_else(|| {
                    let mark = marks.decimal;
                    let expected =
                        format!("expected such as -12{mark}5: digits, at most one `{mark}`, no other signs");
                    ("not a number".into(), expected.into())
                });
            bad(reason, remedy)
        }
    }
}

/// A quantity times a factor, both in whole numbers of 10^-6; only when that is exact.
pub(super) fn product(quantity: i64, factor: i64) -> Result<i64, BadCell> {
    let one = pow10(SCALE).unwrap_or(1);
    let product = i128::from(quantity) * i128::from(factor);
    if product % one != 0 {
        return bad(
            format!("more than {SCALE} decimals after the unit table's factor"),
            "correct the factor, or export fewer decimals; nothing is rounded here",
        );
    }
    let most = pow10(SCALE + 12).unwrap_or(i128::MAX);
    match i64::try_from(product / one) {
        Ok(size) if i128::from(size).abs() < most => Ok(size),
        _ => too_large(),
    }
}

fn too_large<T>() -> Result<T, BadCell> {
    bad(format!("more than {MAX_WHOLE_DIGITS} digits"), "check the row; is it another column?")
}

fn exact(text: &str, marks: Marks) -> Result<i64, Fault> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = match unsigned.split_once(marks.decimal) {
        Some((_, "")) => return Err(Fault::Shape),
        Some(parts) => parts,
        None => (unsigned, ""),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let whole_is_number = !whole.is_empty() && digits(whole) || is_grouped(whole, marks);
    if !whole_is_number || !digits(fraction) {
        return Err(Fault::Shape);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > usize::from(SCALE) {
        return Err(Fault::Decimals);
    }
    let number = |c: char| c.to_digit(10).map(i128::from);
    let mut size: i128 = 0;
    for digit in whole.chars().filter_map(number) {
        size = size * 10 + digit;
        if size >= 10_i128.pow(12) {
            return Err(Fault::Digits);
        }
    }
    let padding = std::iter::repeat_n(0, usize::from(SCALE) - fraction.len());
    for digit in fraction.chars().filter_map(number).chain(padding) {
        size = size * 10 + digit;
    }
    // Below 10^18, so this is an i64.
    i64::try_from(if text.starts_with('-') { -size } else { size }).map_err(|_| Fault::Digits)
}

/// Digits in groups of exactly three, the first of one to three, by the declared mark.
fn is_grouped(whole: &str, marks: Marks) -> bool {
    let mut groups = whole.split(|c| marks.groups(c));
    let digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let first = groups.next().is_some_and(|first| (1..=3).contains(&first.len()) && digits(first));
    let mut more = 0;
    first
        && groups.all(|group| {
            group.len() == 3 && digits(group) && {
                more += 1;
                true
            }
        })
        && more > 0
}

/// What spreadsheets and people write that is no plain number.
fn of_a_spreadsheet(text: &str) -> Option<(Cow<'static, str>, Cow<'static, str>)> {
    let lower = text.to_lowercase();
    let unsigned = lower.trim_start_matches(['+', '-']);
    let (reason, remedy) = if text.is_empty() {
        ("the quantity is empty", "fill it in (0 for nothing) or leave the row out")
    } else if text.starts_with('#') {
        (
            "an error or overflow of a spreadsheet",
            "mend the formula or widen the column there, and export again",
        )
    } else if matches!(unsigned, "waar" | "onwaar" | "true" | "false") {
        ("a truth value", "check that this is the column of the quantities")
    } else if matches!(unsigned, "nan" | "inf" | "infinity" | "oneindig" | "∞" | "nan(ind)") {
        ("no finite number", "mend the calculation that made it, and export again")
    } else if text.contains([
        '\u{2212}', '\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}', '\u{fe63}', '\u{ff0d}',
    ]) {
        ("a minus sign that is no `-`, such as U+2212 or a dash", "export negative numbers with `-`")
    } else if text.contains(['€', '$', '£', '¥']) || lower.starts_with("eur") || lower.ends_with("eur") {
        ("a currency sign: prices are never read", "check that this is the column of the quantities")
    } else if text.contains(['%', '‰']) {
        ("a percentage", "check that this is the column of the quantities")
    } else if text.starts_with('(') && text.ends_with(')') {
        ("brackets for a negative number", "export negative numbers with `-` in front")
    } else if text.len() > 1 && text.ends_with(['-', '+']) {
        ("a sign behind the number", "export negative numbers with `-` in front")
    } else if has_exponent(text) {
        (
            "a number with an exponent: a spreadsheet may have cut off digits",
            "format the column as a plain number, and export again",
        )
    } else {
        return None;
    };
    Some((reason.into(), remedy.into()))
}

/// What marks that are not the declared ones, or not where they belong, make of a number.
fn of_marks(text: &str, marks: Marks) -> Option<(Cow<'static, str>, Cow<'static, str>)> {
    let decimal = marks.decimal;
    let is = |marks: Marks| exact(text, marks) != Err(Fault::Shape);
    let other = if decimal == ',' { '.' } else { ',' };
    let others = MARKS.into_iter().filter(|mark| *mark != decimal && marks.thousands != Some(*mark));
    let thousands = others.clone().find(|mark| is(Marks { decimal, thousands: Some(*mark) }));
    if is(Marks { decimal: other, thousands: None }) {
        let thousands = if thousands == Some(other) && marks.thousands.is_none() {
            format!("; thousands = \"{other}\" if it separates thousands")
        } else {
            String::new()
        };
        let remedy = format!(
            "export with `{decimal}`, or declare decimal = \"{other}\" if that is the decimal mark{thousands}"
        );
        return Some((
            format!("`{other}` where the declared decimal mark is `{decimal}`").into(),
            remedy.into(),
        ));
    }
    if let Some(mark) = thousands {
        let declared = marks.thousands.map_or("none is".to_owned(), |mark| format!("`{mark}` is"));
        return Some((
            format!("`{mark}` between thousands where {declared} declared").into(),
            format!("declare thousands = \"{mark}\", or export without").into(),
        ));
    }
    let digit = |c: char| c.is_ascii_digit();
    if text.chars().any(digit) && text.chars().any(char::is_alphabetic) {
        let remedy =
            "export the number alone; the unit is declared with `unit`, `unit_column` or `unit_table`";
        return Some(("letters beside the number: a unit?".into(), remedy.into()));
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let known = |c: char| digit(c) || c == decimal || marks.groups(c);
    if text.chars().any(digit) && unsigned.chars().any(|c| marks.groups(c)) && unsigned.chars().all(known) {
        let mark = marks.thousands.unwrap_or(' ');
        let remedy = format!("export whole groups of three digits, or none, between `{mark}`");
        return Some(("groups of other than three digits".into(), remedy.into()));
    }
    None
}

/// Whether a text is a number with an exponent: `8,71E+12`, `1e309`.
pub(super) fn has_exponent(text: &str) -> bool {
    let Some((number, exponent)) = text.split_once(['e', 'E']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.strip_prefix(['-', '+']).unwrap_or(number);
    let plain = match number.split_once([',', '.']) {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(number),
    };
    plain && digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(decimal: char, thousands: Option<char>) -> Marks {
        Marks { decimal, thousands }
    }

    #[test]
    fn quantities_are_exact() {
        for (text, decimal, thousands, expected) in [
            ("12", '.', None, 12_000_000),
            ("-0.5", '.', None, -500_000),
            ("-0", '.', None, 0),
            ("+3,25", ',', None, 3_250_000),
            ("160396.05", '.', None, 160_396_050_000),
            ("0.000001", '.', None, 1),
            ("0.00000100", '.', None, 1),
            ("000", '.', None, 0),
            ("999999999999.999999", '.', None, 999_999_999_999_999_999),
            ("1.234,56", ',', Some('.'), 1_234_560_000),
            ("-12.345.678", ',', Some('.'), -12_345_678_000_000),
            ("1234,5", ',', Some('.'), 1_234_500_000),
            ("1 234", ',', Some(' '), 1_234_000_000),
            ("1\u{a0}234\u{202f}567", ',', Some(' '), 1_234_567_000_000),
            ("1'234.5", '.', Some('\''), 1_234_500_000),
            ("000.001,5", ',', Some('.'), 1_500_000),
        ] {
            assert_eq!(quantity(text, marks(decimal, thousands)), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_product_is_exact_or_refused() {
        assert_eq!(product(160_396_050_000, 20_000_000), Ok(3_207_921_000_000));
        assert_eq!(product(-1, 1_000_000), Ok(-1));
        assert_eq!(product(1_500_000, 500_000), Ok(750_000));
        assert!(product(1, 500_000).unwrap_err().reason.contains("more than 6 decimals after"));
        assert_eq!(product(999_999_999_999_999_999, 1_000_000), Ok(999_999_999_999_999_999));
        for factor in [1_000_001, 10_000_000, i64::MAX] {
            assert!(product(1_000_000_000_000_000_000 - 1_000_000, factor).is_err(), "{factor}");
        }
    }
}
