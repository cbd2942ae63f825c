//! The tables of a snapshot, and the statements that fill them.
//!
//! Owns their text. Rows lie in canonical order under a running number, and a second table says which
//! numbers are a code's, so that a query over a list of codes reads those ranges and nothing else. The view
//! with the data set's name shows both as one table to whoever opens the file with `sqlite3`.

use super::key;
use samensom_protocol::query::{Column, ColumnType, Counts, Dataset};

/// Changes with the tables or with what is hashed.
pub(super) const FORMAT: i64 = 4;

/// The tables about all rows together.
const OF_THE_WHOLE: &str = "
CREATE TABLE extract (
    id BLOB NOT NULL,                -- SHA-256 over content and descriptions: the extract's hash in sessions
    content BLOB NOT NULL            -- SHA-256 over the normalised rows in canonical order
) STRICT;
CREATE TABLE description (
    dataset TEXT NOT NULL PRIMARY KEY, -- canonical name
    declared TEXT NOT NULL           -- JSON: the keys of [[extract]] that give the rows their meaning
) STRICT;
CREATE TABLE accounting (
    dataset TEXT NOT NULL PRIMARY KEY, -- canonical name
    account TEXT NOT NULL,           -- JSON: file, counts, units, newest date, first rejected rows
    total INTEGER AS (account ->> 'total'),      -- rows below the header = used + rejected
    used INTEGER AS (account ->> 'used'),        -- rows in the table of the data set
    rejected INTEGER AS (account ->> 'rejected') -- rows that could not be used
) STRICT;
CREATE TABLE unit (
    dataset TEXT NOT NULL,           -- canonical name
    unit TEXT NOT NULL,              -- a unit of its rows; a query looks for foreign units only where one is
    rows INTEGER NOT NULL,           -- how many
    first_row INTEGER NOT NULL,      -- line in the file of the first
    PRIMARY KEY (dataset, unit)
) STRICT, WITHOUT ROWID;
CREATE TABLE pushed (
    dataset TEXT NOT NULL PRIMARY KEY, -- canonical name; its rows stay in the hospital's database
    digest TEXT NOT NULL             -- of all its normalised rows, in any order
) STRICT, WITHOUT ROWID;
";

/// Every table and view of a snapshot with room for these data sets.
pub(super) fn tables(datasets: impl Iterator<Item = Dataset>) -> String {
    let mut text = OF_THE_WHOLE.to_owned();
    datasets.for_each(|dataset| text.push_str(&of_rows(dataset)));
    text
}

/// The two tables of a data set and the view of both.
fn of_rows(dataset: Dataset) -> String {
    let (rows, codes, name) = (rows(dataset), codes(dataset), dataset.name());
    let columns: String = key::others(dataset).map(|column| of_column(dataset, column)).collect();
    let code = if dataset.columns().contains(&Column::Code) { "c.code, t.*" } else { "t.*" };
    format!(
        "
CREATE TABLE {rows} (
    seq INTEGER PRIMARY KEY,         -- place in canonical order, from 1
{columns}    source_row INTEGER NOT NULL      -- line in the file, for messages; not hashed
) STRICT;
CREATE TABLE {codes} (
    code TEXT NOT NULL PRIMARY KEY,  -- as the hospital codes; empty where the data set has no codes
    first INTEGER NOT NULL,          -- its first seq in {rows}
    last INTEGER NOT NULL            -- its last; all between are its own
) STRICT, WITHOUT ROWID;
CREATE VIEW \"{name}\" AS SELECT {code} FROM {codes} AS c
    CROSS JOIN {rows} AS t ON t.seq BETWEEN c.first AND c.last;
"
    )
}

fn of_column(dataset: Dataset, column: Column) -> String {
    let (kind, meaning) = match (column.column_type(), column.counts()) {
        (ColumnType::Date, _) => ("TEXT", "YYYY-MM-DD"),
        (_, Some(Counts::Unit)) => ("INTEGER", "in 10^-6 of the unit"),
        (_, Some(Counts::Days)) => ("INTEGER", "in 10^-6 of a day"),
        (_, Some(Counts::Years)) => ("INTEGER", "in 10^-6 of a year"),
        (_, Some(Counts::Plain)) => ("INTEGER", "in 10^-6"),
        _ if column.closed_values().is_some() => ("TEXT", "a word of the closed list"),
        _ => ("TEXT", "as the hospital names it"),
    };
    let present = if dataset.may_be_absent(column) { "" } else { " NOT NULL" };
    format!("    {} {kind}{present}, -- {meaning}\n", quoted(column))
}

/// A column's name as SQL: `from` and `to` are words of the language.
pub(super) fn quoted(column: Column) -> String {
    format!("\"{}\"", column.name())
}

/// The table of a data set's rows.
pub(super) fn rows(dataset: Dataset) -> &'static str {
    match dataset {
        Dataset::Stock => "stock_row",
        Dataset::Use => "use_row",
        Dataset::Orders => "orders_row",
        Dataset::Administration => "administration_row",
        Dataset::Admission => "admission_row",
        Dataset::Result => "result_row",
        Dataset::Position => "position_row",
        Dataset::Course => "course_row",
    }
}

/// The table of a data set's codes.
pub(super) fn codes(dataset: Dataset) -> &'static str {
    match dataset {
        Dataset::Stock => "stock_code",
        Dataset::Use => "use_code",
        Dataset::Orders => "orders_code",
        Dataset::Administration => "administration_code",
        Dataset::Admission => "admission_code",
        Dataset::Result => "result_code",
        Dataset::Position => "position_code",
        Dataset::Course => "course_code",
    }
}

/// Inserts a row: its place, its values behind the code, its line in the file.
pub(super) fn insert_row(dataset: Dataset) -> String {
    let places: Vec<String> =
        (1..=key::others(dataset).count() + 2).map(|place| format!("?{place}")).collect();
    format!("INSERT INTO {} VALUES ({})", rows(dataset), places.join(", "))
}

/// Inserts a code with its first and last row.
pub(super) fn insert_code(dataset: Dataset) -> String {
    format!("INSERT INTO {} VALUES (?1, ?2, ?3)", codes(dataset))
}

/// Every row in order: its place, its values behind the code, its line in the file.
pub(super) fn all_rows(dataset: Dataset) -> String {
    let columns: Vec<String> = key::others(dataset).map(quoted).collect();
    format!("SELECT seq, {}, source_row FROM {} ORDER BY seq", columns.join(", "), rows(dataset))
}

/// Every code in the order of its rows.
pub(super) fn all_codes(dataset: Dataset) -> String {
    format!("SELECT code, first, last FROM {} ORDER BY first", codes(dataset))
}
