//! The derived data sets: made of others of the same snapshot, by the views of two shipped SQL files.
//!
//! Owns when they are made, and that their rows become rows like any others: sorted, hashed, accounted for. What they
//! mean stands in `position.sql` and `course.sql`. It must not read a file.

use super::accounting::Accounting;
use super::error::ExtractError;
use super::key;
use super::schema;
use super::sort::{Sorted, Sorter};
use super::source::Field;
use super::store::store_error;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, Row};
use samensom_protocol::query::{Column, ColumnType, Dataset, Date, Unit};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::path::Path;

const POSITION: &str = include_str!("../../../deploy/config/position.sql");
const COURSE: &str = include_str!("../../../deploy/config/course.sql");

/// Memory of one sort.
const CACHE_KB: u32 = 6_000;

/// The view that makes a data set, by its file; none for a data set that is read.
fn view(dataset: Dataset) -> Option<(&'static str, &'static str)> {
    match dataset {
        Dataset::Position => Some(("made_position", POSITION)),
        Dataset::Course => Some(("made_course", COURSE)),
        _ => None,
    }
}

/// The data sets that can be made of these.
pub(super) fn of(read: &[Dataset]) -> Vec<Dataset> {
    let can = |dataset: &Dataset| match dataset {
        // Where use or orders are not known, 0 would be a figure that nobody gave.
        Dataset::Position => dataset.made_of().iter().all(|source| read.contains(source)),
        // Admissions and results add to what is known of a course, and there are courses without.
        Dataset::Course => read.contains(&Dataset::Administration),
        _ => false,
    };
    Dataset::ALL.into_iter().filter(can).collect()
}

/// The data sets that need a place where these are read: they, what is made of them, and all that its view names.
pub(super) fn room_for(read: &[Dataset]) -> Vec<Dataset> {
    let made = of(read);
    let named = |dataset: &Dataset| {
        read.contains(dataset) || made.iter().any(|one| one == dataset || one.made_of().contains(dataset))
    };
    Dataset::ALL.into_iter().filter(named).collect()
}

/// What gives the rows their meaning beside their sources: the view.
pub(super) fn meaning(dataset: Dataset) -> String {
    let text = view(dataset).map_or("", |(_, text)| text);
    let hash: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "dataset": dataset.name(), "made_by": hash }).to_string()
}

/// The rows in canonical order, and what is known of them; none where there is no reference date.
pub(super) fn make(
    connection: &Connection,
    dataset: Dataset,
    (folder, db): (&Path, &Path),
) -> Result<Option<(Accounting, Sorted)>, ExtractError> {
    let reading = store_error(db, "making a derived data set");
    let Some((name, text)) = view(dataset) else { return Ok(None) };
    if dataset == Dataset::Position && !has_reference_date(connection).map_err(&reading)? {
        return Ok(None);
    }
    // Each sort on the way takes as much as the cache may before it goes to a file of the draft's folder; several run
    // at once, in a process of little memory.
    connection.execute_batch(&format!("PRAGMA cache_size = -{CACHE_KB}; {text}")).map_err(&reading)?;
    let columns: Vec<String> = dataset.columns().iter().map(|column| schema::quoted(*column)).collect();
    let select = format!("SELECT {} FROM temp.{name}", columns.join(", "));
    let mut accounting = Accounting::new(dataset, format!("{}, which the agent makes", dataset.name()));
    let mut sorter = Sorter::new(folder);
    let too_large = |error| of_sum(error, dataset, &reading);
    let mut statement = connection.prepare(&select).map_err(&reading)?;
    let mut rows = statement.query([]).map_err(&too_large)?;
    let mut number = 0;
    while let Some(row) = rows.next().map_err(&too_large)? {
        number += 1;
        let fields = fields(row, dataset).map_err(&reading)?;
        let word = |column: Option<Column>| {
            let place = dataset.columns().iter().position(|one| Some(*one) == column)?;
            if let Some(Field::Text(text)) = fields.get(place) { Some(text.as_str()) } else { None }
        };
        let (unit, day) = (word(Some(Column::Unit)), word(dataset.day()));
        accounting.count_used(number, unit.and_then(Unit::parse), day.and_then(Date::parse));
        sorter.push(number, |bytes| key::put_row(dataset, &fields, bytes))?;
    }
    Ok(Some((accounting, sorter.finish()?)))
}

fn has_reference_date(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT MAX(as_of) IS NOT NULL FROM stock_row", [], |row| row.get(0))
}

/// SQLite's own word for a sum that leaves 64 bits, or another failure.
fn of_sum(
    error: rusqlite::Error,
    dataset: Dataset,
    reading: &dyn Fn(rusqlite::Error) -> ExtractError,
) -> ExtractError {
    match &error {
        rusqlite::Error::SqliteFailure(failure, Some(message))
            if failure.code == ErrorCode::Unknown && message.contains("overflow") =>
        {
            ExtractError::Overflow { measure: dataset.name().to_owned() }
        }
        _ => reading(error),
    }
}

fn fields(row: &Row<'_>, dataset: Dataset) -> rusqlite::Result<Vec<Field>> {
    let columns = dataset.columns().iter().enumerate();
    let field = |(place, column): (usize, &Column)| {
        Ok(match (row.get_ref(place)?, column.column_type()) {
            (ValueRef::Null, _) => Field::Absent,
            (_, ColumnType::Number) => Field::Quantity(row.get(place)?),
            (_, ColumnType::Text | ColumnType::Date) => Field::Text(row.get(place)?),
        })
    };
    columns.map(field).collect()
}
