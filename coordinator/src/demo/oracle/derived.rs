//! The rows of any data set in the clear; the derived ones by plain loops over their sources.
//!
//! Owns a second meaning of `position.sql` and `course.sql`, written from their heads without SQL, so that the same
//! mistake would have to be made twice.

use super::rows::{Dialect, Row, Val};
use super::text as key;
use crate::error::Error;
use jiff::{ToSpan as _, civil};
use samensom_protocol::query::{Column, Dataset};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const ONE: i128 = 1_000_000;
/// Days without the drug that a course bears.
const GAP: i64 = 3;
const DUE: [Column; 15] = [
    Column::Due0,
    Column::Due1,
    Column::Due2,
    Column::Due3,
    Column::Due4,
    Column::Due5,
    Column::Due6,
    Column::Due7,
    Column::Due8,
    Column::Due9,
    Column::Due10,
    Column::Due11,
    Column::Due12,
    Column::DueLater,
    Column::DueUnknown,
];

/// Every row of a data set at one hospital.
///
/// # Errors
/// When a row of its extracts cannot be read, or they do not make the data set.
pub(super) fn rows(dataset: Dataset, tables: &[toml::Table], home: &Path) -> Result<Vec<Row>, Error> {
    let read = |dataset: Dataset| -> Result<Option<Vec<Row>>, Error> {
        let mut all = None;
        for table in tables.iter().filter(|table| key(table, "dataset") == dataset.name()) {
            let rows = Dialect::of(dataset, table)?.read(&home.join(key(table, "file")))?;
            all.get_or_insert_with(Vec::new).extend(rows);
        }
        Ok(all)
    };
    let lacks = |source: Dataset| {
        Error::asked(format!("the oracle: no extract of {} for {}", source.name(), dataset.name()))
    };
    let need = |source: Dataset| read(source)?.ok_or_else(|| lacks(source));
    match dataset {
        Dataset::Position => position(&need(Dataset::Stock)?, &need(Dataset::Use)?, &need(Dataset::Orders)?)
            .ok_or_else(|| Error::asked("the oracle: no reference date of a stock")),
        Dataset::Course => {
            let (stays, results) = (read(Dataset::Admission)?, read(Dataset::Result)?);
            let (stays, results) = (stays.unwrap_or_default(), results.unwrap_or_default());
            Ok(courses(&need(Dataset::Administration)?, &stays, &results))
        }
        _ => Ok(read(dataset)?.unwrap_or_default()),
    }
}

fn word(row: &Row, column: Column) -> Option<&str> {
    match row.get(&column)? {
        Val::Text(text) | Val::Date(text) => Some(text),
        Val::Micro(_) => None,
    }
}

fn micro(row: &Row, column: Column) -> Option<i128> {
    if let Val::Micro(micro) = row.get(&column)? { Some(*micro) } else { None }
}

fn date(row: &Row, column: Column) -> Option<civil::Date> {
    word(row, column)?.parse().ok()
}

fn days(from: civil::Date, to: civil::Date) -> i64 {
    from.until(to).map_or(0, |span| i64::from(span.get_days()))
}

/// None without a reference date.
pub(super) fn position(stock: &[Row], used: &[Row], orders: &[Row]) -> Option<Vec<Row>> {
    let reference = stock.iter().filter_map(|row| date(row, Column::AsOf)).max()?;
    let month = reference.first_of_month();
    let mut all: BTreeMap<(String, String), BTreeMap<Column, i128>> = BTreeMap::new();
    let mut add = |row: &Row, column: Column, amount: i128| {
        let of = |column| word(row, column).unwrap_or("").to_owned();
        let cell = all.entry((of(Column::Code), of(Column::Unit))).or_default();
        *cell.entry(column).or_default() += amount;
    };
    for row in stock {
        let quantity = micro(row, Column::Quantity)?;
        match word(row, Column::Kind) {
            Some("regular") => add(row, Column::Stock, quantity),
            Some("ccv") => add(row, Column::CcvStock, quantity),
            _ => add(row, Column::Stock, 0),
        }
    }
    for row in used {
        let (period, quantity) = (date(row, Column::Period)?, micro(row, Column::Quantity)?);
        for (months, column) in [(3.months(), Column::Use3m), (12.months(), Column::Use12m)] {
            if period < month && period >= month.checked_sub(months).ok()? {
                add(row, column, quantity);
            }
        }
    }
    for row in orders {
        let delivered = date(row, Column::Delivered);
        if date(row, Column::Ordered)? > reference || delivered.is_some_and(|day| day <= reference) {
            continue;
        }
        let quantity = micro(row, Column::Quantity)?;
        let come = if delivered.is_none() { micro(row, Column::DeliveredQuantity).unwrap_or(0) } else { 0 };
        let due = if quantity > 0 { (quantity - come).max(0) } else { quantity };
        let due = if delivered.is_some() { quantity } else { due };
        let week = match date(row, Column::Eta) {
            None => 14,
            Some(eta) => days(reference, eta).max(0).div_euclid(7).min(13),
        };
        add(row, *DUE.get(usize::try_from(week).ok()?)?, due);
    }
    let row = |((code, unit), sums): ((String, String), BTreeMap<Column, i128>)| {
        let mut row = Row::from([(Column::Code, Val::Text(code)), (Column::Unit, Val::Text(unit))]);
        for column in Dataset::Position.columns().iter().skip(2) {
            row.insert(*column, Val::Micro(sums.get(column).copied().unwrap_or(0)));
        }
        row
    };
    Some(all.into_iter().map(row).collect())
}

/// What one patient was given of one drug in one stay, by day.
type Given<'a> = BTreeMap<civil::Date, Vec<&'a Row>>;

/// One row per patient, code and stay.
pub(super) fn courses(given: &[Row], stays: &[Row], results: &[Row]) -> Vec<Row> {
    let mut of_stay: BTreeMap<(&str, &str, Option<&str>), Given<'_>> = BTreeMap::new();
    let mut of_drug: BTreeMap<(&str, &str), BTreeSet<civil::Date>> = BTreeMap::new();
    let mut beside: BTreeMap<&str, Vec<(civil::Date, &str)>> = BTreeMap::new();
    let mut until: BTreeMap<&str, civil::Date> = BTreeMap::new();
    let mut see = |person, day: Option<civil::Date>| {
        if let Some(day) = day {
            let last = until.entry(person).or_insert(day);
            *last = day.max(*last);
        }
    };
    for row in given {
        let person = word(row, Column::Person).unwrap_or("");
        let (code, day) = (word(row, Column::Code).unwrap_or(""), date(row, Column::At));
        see(person, day);
        let Some(day) = day else { continue };
        let stay = of_stay.entry((person, code, word(row, Column::Stay))).or_default();
        stay.entry(day).or_default().push(row);
        of_drug.entry((person, code)).or_default().insert(day);
        beside.entry(person).or_default().push((day, code));
    }
    for row in stays {
        let person = word(row, Column::Person).unwrap_or("");
        see(person, date(row, Column::From));
        see(person, date(row, Column::To));
    }
    for row in results {
        see(word(row, Column::Person).unwrap_or(""), date(row, Column::At));
    }
    let mut all = Vec::new();
    for ((person, code, stay), days_of) in of_stay {
        let Some(mut row) = course(&days_of) else { continue };
        let (Some(start), Some(length)) = (date(&row, Column::Start), micro(&row, Column::Days)) else {
            continue;
        };
        let last = start.saturating_add(i64::try_from(length / ONE - 1).unwrap_or(0).days());
        row.insert(Column::Person, Val::Text(person.to_owned()));
        row.insert(Column::Code, Val::Text(code.to_owned()));
        if let Some(stay) = stay {
            row.insert(Column::Stay, Val::Text(stay.to_owned()));
            let bed_days = bed_days(stays, person, stay);
            bed_days.map(|days| row.insert(Column::BedDays, Val::Micro(i128::from(days) * ONE)));
        }
        let again = of_drug.get(&(person, code)).into_iter().flatten().find(|day| days(last, **day) > GAP);
        let end = again.or_else(|| until.get(person)).copied().unwrap_or(last);
        row.insert(Column::Event, Val::Micro(if again.is_some() { ONE } else { 0 }));
        row.insert(Column::EventDay, Val::Micro(i128::from(days(start, end)) * ONE));
        let others = beside.get(person).into_iter().flatten();
        let others = others.filter(|(day, other)| *other != code && (start..=last).contains(day));
        let others: Vec<&str> = others.map(|(_, other)| *other).collect();
        let class = ["M01A", "B01", "H02AB"]
            .into_iter()
            .find(|class| others.iter().any(|one| one.starts_with(class)));
        class.map(|class| row.insert(Column::Indication, Val::Text(class.to_owned())));
        all.push(row);
    }
    all
}

/// The first course of a stay: start, days, route, ward, age and switch.
fn course(given: &Given<'_>) -> Option<Row> {
    let (start, first) = given.first_key_value()?;
    let mut last = *start;
    for day in given.keys() {
        if days(last, *day) > GAP {
            break;
        }
        last = *day;
    }
    let least = |column: Column| first.iter().filter_map(|row| row.get(&column)).min().cloned();
    let routes: BTreeSet<&str> = first.iter().filter_map(|row| word(row, Column::Route)).collect();
    let route = routes.iter().find(|route| **route != "oral").or_else(|| routes.first()).copied();
    let oral = given
        .range(..=last)
        .find(|(_, rows)| rows.iter().any(|row| word(row, Column::Route) == Some("oral")));
    let whole = |days: i64| Val::Micro(i128::from(days) * ONE);
    let mut row = Row::from([
        (Column::Start, Val::Date(start.to_string())),
        (Column::Days, whole(days(*start, last) + 1)),
    ]);
    if let Some(route) = route {
        row.insert(Column::Route, Val::Text(route.to_owned()));
        if let Some((day, _)) = oral.filter(|_| route != "oral") {
            row.insert(Column::SwitchedOnDay, whole(days(*start, *day)));
        }
    }
    for column in [Column::Ward, Column::Age] {
        least(column).map(|value| row.insert(column, value));
    }
    Some(row)
}

/// Days of a stay with both its ends; none where a row of it has no end, or it ends before it begins.
fn bed_days(stays: &[Row], person: &str, stay: &str) -> Option<i64> {
    let of = |row: &&Row| word(row, Column::Person) == Some(person) && word(row, Column::Stay) == Some(stay);
    let own: Vec<&Row> = stays.iter().filter(of).collect();
    let from = own.iter().filter_map(|row| date(row, Column::From)).min()?;
    let ends: Option<Vec<civil::Date>> = own.iter().map(|row| date(row, Column::To)).collect();
    let to = ends?.into_iter().max()?;
    (to >= from).then(|| days(from, to) + 1)
}
