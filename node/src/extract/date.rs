//! One cell of a file -> one day.
//!
//! Owns the declared forms of a date: a format as in strftime, or the day numbers of spreadsheets. Common
//! formats are read by hand: that is fast, and stricter than the calendar library, which takes space and signs
//! inside a date and guesses which of two parts side by side is the short one. The library has the others.

use super::cell::{BadCell, bad};
use jiff::{ToSpan, civil};
use samensom_protocol::query::Date;
use std::fmt;

/// How dates are written in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateFormat(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// As in strftime, and its parts when all are numbers and signs.
    Written(String, Option<Vec<Part>>),
    /// Days since 1899-12-31, with a 29th of February 1900 that never was.
    Excel1900,
    /// Days since 1904-01-01.
    Excel1904,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// What it is, and whether one digit will do: signs stand on both its sides.
    Number(Number, bool),
    Literal(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

impl Default for DateFormat {
    fn default() -> Self {
        DateFormat::written("%Y-%m-%d")
    }
}

impl fmt::Display for DateFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Written(format, _) => format,
            Kind::Excel1900 => "excel-1900",
            Kind::Excel1904 => "excel-1904",
        })
    }
}

impl DateFormat {
    /// A format is good when it writes and reads back days a century apart: `%y` does not.
    pub(super) fn parse(format: &str) -> Result<DateFormat, String> {
        match format {
            "excel-1900" => return Ok(DateFormat(Kind::Excel1900)),
            "excel-1904" => return Ok(DateFormat(Kind::Excel1904)),
            _ => {}
        }
        let days = [civil::date(1999, 12, 31), civil::date(2099, 12, 31), civil::date(2026, 1, 2)];
        let good = days.into_iter().all(|day| {
            let written = jiff::fmt::strtime::format(format, day.at(0, 0, 0, 0));
            written.is_ok_and(|text| civil::Date::strptime(format, text).is_ok_and(|read| read == day))
        });
        if good {
            return Ok(DateFormat::written(format));
        }
        Err(format!(
            "date format `{format}` does not name one day; expected such as %Y-%m-%d or %d-%m-%Y, with the whole \
             year, or excel-1900 or excel-1904"
        ))
    }

    fn written(format: &str) -> DateFormat {
        DateFormat(Kind::Written(format.to_owned(), parts(format)))
    }

    /// The day that a cell names; `decimal` may stand before the time in a day number.
    pub(super) fn read(&self, text: &str, decimal: char) -> Result<Date, BadCell> {
        let text = text.trim();
        if text.is_empty() {
            return bad("the date is empty", "fill it in or leave the row out");
        }
        let day = match &self.0 {
            Kind::Written(_, Some(parts)) => by_hand(parts, text),
            Kind::Written(format, None) => civil::Date::strptime(format, text).ok().and_then(from_civil),
            Kind::Excel1900 | Kind::Excel1904 => self.serial(text, decimal),
        };
        day.ok_or_else(|| self.why_not(text))
    }

    fn serial(&self, text: &str, decimal: char) -> Option<Date> {
        let (whole, time) = text.split_once(decimal).unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(time) || whole.len() > 6 || (whole.starts_with('0') && whole != "0") {
            return None;
        }
        let number: i64 = whole.parse().ok()?;
        let first = match (&self.0, number) {
            (Kind::Excel1904, _) => civil::date(1904, 1, 1),
            (_, 0 | 60) => return None,
            (_, 1..60) => civil::date(1899, 12, 31),
            _ => civil::date(1899, 12, 30),
        };
        from_civil(first.checked_add(number.days()).ok()?)
    }

    fn why_not(&self, text: &str) -> BadCell {
        let BadCell { mut reason, mut remedy } = BadCell {
            reason: format!("not a day between 1900 and 2199 as {self}").into(),
            remedy: format!("export dates as {self}, or declare the format with date = \"...\"").into(),
        };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match &self.0 {
            Kind::Excel1900 if text == "60" => {
                reason = "day 60 of excel-1900 is a 29 February 1900, which never was".into();
                remedy = "correct the date".into();
            }
            Kind::Written(..) if digits && text.len() == 5 => {
                reason = format!("a spreadsheet's day number, not a day as {self}").into();
                remedy = "format the column as a date, or declare date = \"excel-1900\" (or \"excel-1904\")"
                    .into();
            }
            _ => {}
        }
        BadCell { reason, remedy }
    }
}

/// A day as `YYYY-MM-DD`, as its `Display` writes it and without the formatter's cost in every row.
pub(super) fn iso(day: Date) -> String {
    let (year, month, day) = day.into();
    let digit = |number: u16| char::from(b'0' + u8::try_from(number % 10).unwrap_or(0));
    let (month, day) = (u16::from(month), u16::from(day));
    let mut text = String::with_capacity(10);
    text.extend([digit(year / 1000), digit(year / 100), digit(year / 10), digit(year), '-']);
    text.extend([digit(month / 10), digit(month), '-', digit(day / 10), digit(day)]);
    text
}

fn from_civil(day: civil::Date) -> Option<Date> {
    let part = |number: i8| u8::try_from(number).ok();
    Date::new(u16::try_from(day.year()).ok()?, part(day.month())?, part(day.day())?)
}

/// The parts of a format of numbers and signs; none for any other.
fn parts(format: &str) -> Option<Vec<Part>> {
    let mut bytes = format.bytes();
    let mut parts = Vec::new();
    while let Some(byte) = bytes.next() {
        parts.push(match byte {
            b'%' => {
                let number = number(bytes.next()?)?;
                Part::Number(number, matches!(number, Number::Day | Number::Month | Number::Hour))
            }
            literal if literal.is_ascii() && !literal.is_ascii_digit() => Part::Literal(literal),
            _ => return None,
        });
    }
    // Before another part the next sign is a digit, so that a short one is never taken there.
    let behind_a_number: Vec<bool> = parts.iter().map(|part| matches!(part, Part::Number(..))).collect();
    for (part, before) in parts.iter_mut().skip(1).zip(&behind_a_number) {
        if let Part::Number(_, short) = part {
            *short &= !before;
        }
    }
    Some(parts)
}

fn number(directive: u8) -> Option<Number> {
    match directive {
        b'Y' => Some(Number::Year),
        b'm' => Some(Number::Month),
        b'd' => Some(Number::Day),
        b'H' => Some(Number::Hour),
        b'M' => Some(Number::Minute),
        b'S' => Some(Number::Second),
        _ => None,
    }
}

/// Reads a text part by part; none when it is not written so, or is no day.
fn by_hand(parts: &[Part], text: &str) -> Option<Date> {
    let mut rest = text.as_bytes();
    let (mut year, mut month, mut day) = (0, 0, 0);
    for part in parts {
        match *part {
            Part::Literal(literal) => rest = rest.strip_prefix(&[literal])?,
            Part::Number(number, short) => {
                let one = short && !rest.get(1).is_some_and(u8::is_ascii_digit);
                let width = if number == Number::Year { 4 } else { 2 - usize::from(one) };
                let (digits, later) = rest.split_at_checked(width)?;
                rest = later;
                let mut value = 0_u16;
                for byte in digits {
                    value = value * 10 + u16::from(byte.is_ascii_digit().then(|| byte - b'0')?);
                }
                match number {
                    Number::Year => year = value,
                    Number::Month => month = value,
                    Number::Day => day = value,
                    Number::Hour => (value < 24).then_some(())?,
                    Number::Minute | Number::Second => (value < 60).then_some(())?,
                }
            }
        }
    }
    rest.is_empty().then_some(())?;
    Date::new(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_as_everywhere_else() {
        for (year, month, day) in [(1900, 1, 1), (2026, 11, 2), (2199, 12, 31), (2000, 2, 29), (1999, 10, 30)]
        {
            let day = Date::new(year, month, day).unwrap();
            assert_eq!(iso(day), day.to_string());
        }
    }

    #[test]
    fn dates_follow_the_declared_format_only() {
        for (text, format, expected) in [
            ("31-12-2025", "%d-%m-%Y", Some("2025-12-31")),
            ("1-2-2025", "%d-%m-%Y", Some("2025-02-01")),
            ("2025-12-31 23:59:59", "%Y-%m-%d %H:%M:%S", Some("2025-12-31")),
            ("2025-12-31 24:00:00", "%Y-%m-%d %H:%M:%S", None),
            ("1", "excel-1900", Some("1900-01-01")),
            ("59", "excel-1900", Some("1900-02-28")),
            ("60", "excel-1900", None),
            ("61", "excel-1900", Some("1900-03-01")),
            ("46327", "excel-1900", Some("2026-11-01")),
            ("46327,75", "excel-1900", Some("2026-11-01")),
            ("46327.75", "excel-1900", None),
            ("0", "excel-1900", None),
            ("0", "excel-1904", Some("1904-01-01")),
            ("44865", "excel-1904", Some("2026-11-01")),
            ("2025-12-31", "%d-%m-%Y", None),
            ("31-02-2025", "%d-%m-%Y", None),
            ("31-12-2025 x", "%d-%m-%Y", None),
            ("01-01-1800", "%d-%m-%Y", None),
            ("", "%d-%m-%Y", None),
        ] {
            let read = DateFormat::parse(format).unwrap().read(text, ',');
            assert_eq!(read.ok().map(|day| day.to_string()).as_deref(), expected, "{text} as {format}");
        }
    }
}
