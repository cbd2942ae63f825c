//! The tables of a snapshot, and the statements that fill them.
//!
//! Owns their text. Rows lie in canonical order under a running number, and a second table says which
//! numbers are a code's, so that a query over a list of codes reads those ranges and nothing else. The view
//! with the data set's name shows both as one table to whoever opens the file with `sqlite3`.

use super::key;
use samensom_protocol::query::{Column, Dataset};

/// Changes with the tables or with what is hashed.
pub(super) const FORMAT: i64 = 2;

/// Every table and view of a snapshot.
pub(super) const TABLES: &str = "
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
CREATE TABLE stock_row (
    seq INTEGER PRIMARY KEY,         -- place in canonical order, from 1
    as_of TEXT,                      -- reference date, YYYY-MM-DD
    quantity INTEGER NOT NULL,       -- in 10^-6 of the unit
    unit TEXT NOT NULL,              -- canonical name of the unit
    kind TEXT NOT NULL,              -- regular, ccv, import, own, study
    expiry TEXT,                     -- YYYY-MM-DD
    location TEXT,                   -- as the hospital names it
    owner TEXT,                      -- as the hospital names it
    source_row INTEGER NOT NULL      -- line in the file, for messages; not hashed
) STRICT;
CREATE TABLE stock_code (
    code TEXT NOT NULL PRIMARY KEY,  -- product code
    first INTEGER NOT NULL,          -- its first seq in stock_row
    last INTEGER NOT NULL            -- its last; all between are its own
) STRICT, WITHOUT ROWID;
CREATE TABLE use_row (
    seq INTEGER PRIMARY KEY,         -- place in canonical order, from 1
    period TEXT NOT NULL,            -- first day of the month, YYYY-MM-DD
    quantity INTEGER NOT NULL,       -- in 10^-6 of the unit; issues minus returns
    unit TEXT NOT NULL,              -- canonical name of the unit
    source_row INTEGER NOT NULL      -- line in the file, for messages; not hashed
) STRICT;
CREATE TABLE use_code (
    code TEXT NOT NULL PRIMARY KEY,  -- product code
    first INTEGER NOT NULL,          -- its first seq in use_row
    last INTEGER NOT NULL            -- its last; all between are its own
) STRICT, WITHOUT ROWID;
CREATE VIEW stock AS SELECT c.code, t.* FROM stock_code AS c
    CROSS JOIN stock_row AS t ON t.seq BETWEEN c.first AND c.last;
CREATE VIEW use AS SELECT c.code, t.* FROM use_code AS c
    CROSS JOIN use_row AS t ON t.seq BETWEEN c.first AND c.last;
";

/// The table of a data set's rows.
pub(super) fn rows(dataset: Dataset) -> &'static str {
    match dataset {
        Dataset::Stock => "stock_row",
        Dataset::Use => "use_row",
    }
}

/// The table of a data set's codes.
pub(super) fn codes(dataset: Dataset) -> &'static str {
    match dataset {
        Dataset::Stock => "stock_code",
        Dataset::Use => "use_code",
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
    let columns: Vec<&str> = key::others(dataset).map(Column::name).collect();
    format!("SELECT seq, {}, source_row FROM {} ORDER BY seq", columns.join(", "), rows(dataset))
}

/// Every code in the order of its rows.
pub(super) fn all_codes(dataset: Dataset) -> String {
    format!("SELECT code, first, last FROM {} ORDER BY first", codes(dataset))
}
