//! Whether what was read may be summed.
//!
//! Owns the rules over a whole file: one unit of goods, one reference date of a stock, few enough rejected rows, young
//! enough. It has no clock: the time is passed in.

use super::accounting::Accounting;
use super::config::{ExtractConfig, UnitSource};
use super::error::ExtractError;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, civil};
use samensom_protocol::query::{Dataset, Date};
use samensom_protocol::time::Time;

/// Why what was read may not be summed.
pub(super) fn refuse(accounting: &Accounting, config: &ExtractConfig) -> Result<(), ExtractError> {
    let file = || accounting.file.clone();
    // A unit table gives each code one unit, so that a query over one code meets one unit. What patients were
    // given, and what was measured of them, has the unit of each row. No query adds two units in any case.
    let by_table = matches!(config.unit, UnitSource::Table { .. });
    if accounting.units.len() > 1 && !by_table && !config.dataset.has_patients() {
        let units = accounting.units.iter().map(|seen| (seen.unit.name(), seen.first_row)).collect();
        return Err(ExtractError::MixedUnits { file: file(), units });
    }
    if accounting.dates.len() > 1 {
        return Err(ExtractError::TwoDates { file: file(), dates: accounting.dates.clone() });
    }
    if accounting.rejected > config.max_rejected {
        let accounting = Box::new(accounting.clone());
        return Err(ExtractError::Incomplete { accounting, limit: config.max_rejected });
    }
    Ok(())
}

const DAY_MS: i64 = 86_400_000;

/// Why what was read is too old, or of a day that has not come, where `max_age` is declared. The age counts
/// from the end of the newest day, of a use from the end of the newest month.
pub(super) fn refuse_stale(
    accounting: &Accounting,
    config: &ExtractConfig,
    now: Time,
) -> Result<(), ExtractError> {
    match config.max_age {
        Some(age) => refuse_older(accounting, i64::try_from(age.as_millis()).unwrap_or(i64::MAX), now),
        None => Ok(()),
    }
}

/// As [`refuse_stale`], for a greatest age in ms.
pub(super) fn refuse_older(accounting: &Accounting, age: i64, now: Time) -> Result<(), ExtractError> {
    let now = i64::try_from(now.0).unwrap_or(i64::MAX);
    let newest = accounting.newest;
    let stale = |limit| {
        let (file, now) = (accounting.file.clone(), shown(now));
        Err(ExtractError::Stale { file, newest, limit, now })
    };
    let Some((start, end)) = newest.and_then(|newest| span(accounting.dataset, newest)) else {
        return stale(String::new());
    };
    // A day begins earlier here than in UTC, and clocks differ; by more than a day they do not.
    let (from, until) = (start - DAY_MS, end.saturating_add(age));
    if now < from {
        return stale(format!("from {}", shown(from)));
    }
    if now > until {
        return stale(format!("until {}", shown(until)));
    }
    Ok(())
}

/// When a stock's day, or a month of use, begins and ends, in ms since 1970.
fn span(dataset: Dataset, date: Date) -> Option<(i64, i64)> {
    let (year, month, day) = date.into();
    let part = |number: u8| i8::try_from(number).ok();
    let first = civil::Date::new(i16::try_from(year).ok()?, part(month)?, part(day)?).ok()?;
    let length = if dataset == Dataset::Use { 1.month() } else { 1.day() };
    let ms = |day: civil::Date| Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond());
    Some((ms(first)?, ms(first.checked_add(length).ok()?)?))
}

fn shown(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map(|time| time.to_string()).unwrap_or_default()
}
