//! The clock, and spans of time as people write them: `72h`, `30d`.
//!
//! Owns the conversion to the protocol's plain `Time`. It must not decide anything by itself.

use crate::error::Error;
use samensom_protocol::query::Date;
use samensom_protocol::time::Time;
use std::time::{SystemTime, UNIX_EPOCH};

/// The time now. Before 1970 it is 1970, so that nothing is valid.
#[must_use]
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A time in UTC for people: `2026-11-21T14:03:00Z`.
#[must_use]
pub fn text(time: Time) -> String {
    let seconds = i64::try_from(time.0 / 1000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "the end of time".to_owned(), |at| at.to_string())
}

/// The day it is, in UTC; the first day of the calendar where the clock is beyond it.
#[must_use]
pub fn today() -> Date {
    Date::at(now()).unwrap_or(Date::EARLIEST)
}

/// Milliseconds of a span such as `10s`, `5m`, `72h` or `30d`.
///
/// # Errors
/// When it is not a whole number above zero and one of these letters, or longer than ten years.
pub fn span_ms(text: &str) -> Result<u64, Error> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let longest: u64 = 3650 * 86_400_000;
    let wrong = || {
        Error::asked(format!("`{text}` is not a span of time"))
            .expected("a whole number and ms, s, m, h or d, such as 10s, 72h or 30d; at most 3650d")
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, letters) = text.split_at(digits);
    let unit = units.iter().find(|(name, _)| *name == letters).map(|(_, ms)| *ms).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).filter(|ms| (1..=longest).contains(ms)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_whole_numbers_with_a_unit() {
        assert_eq!(span_ms("72h").unwrap(), 259_200_000);
        assert_eq!(span_ms("1500ms").unwrap(), 1500);
        for wrong in ["", "72", "h", "1.5h", "0s", "-1h", "99999999999999999999d", "4000d", "3 d", "3D"] {
            assert!(span_ms(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(text(Time(1_700_000_000_123)), "2023-11-14T22:13:20Z");
    }
}
