//! What went wrong with an extract, for the hospital's own eyes.
//!
//! Owns the texts: what, where (file, row, column, value), what was expected, what to do. Values of the
//! hospital's rows stand in them, so only `code()` may leave the hospital, and `Debug` shows no more.

use super::accounting::{Accounting, DateSeen, Rejected};
use samensom_protocol::query::{Dataset, Date};
use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;

/// Why an extract cannot be used, or a query not be answered from it.
pub enum ExtractError {
    /// The description of the extracts contradicts itself.
    Config {
        /// What is wrong, what was expected.
        problem: &'static str,
        /// Of which data set.
        dataset: &'static str,
    },
    /// A file or folder cannot be read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file's header is not the declared one.
    Header {
        /// The file.
        file: PathBuf,
        /// The column looked for.
        column: String,
        /// How often it is there.
        times: usize,
        /// The columns that are there; none where they are not shown.
        found: Vec<String>,
    },
    /// The file as a whole is not what was declared.
    Unfit {
        /// The file.
        file: PathBuf,
        /// Line in the file.
        row: Option<u64>,
        /// What is wrong.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// The file became another one while it was read.
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A row of the unit table cannot stand.
    UnitTable {
        /// The table.
        file: String,
        /// Its row.
        rejected: Box<Rejected>,
    },
    /// Two reference dates in one stock.
    TwoDates {
        /// The file.
        file: String,
        /// Date and first row of each.
        dates: Vec<DateSeen>,
    },
    /// The newest row is older than allowed, or of a day that has not come.
    Stale {
        /// The file.
        file: String,
        /// The newest day or month; none when there is no row.
        newest: Option<Date>,
        /// Until when it is good, or from when.
        limit: String,
        /// The time now.
        now: String,
    },
    /// More rows were rejected than the declared limit allows.
    Incomplete {
        /// Counts and the first rejected rows.
        accounting: Box<Accounting>,
        /// The declared limit.
        limit: u64,
    },
    /// Two units in one file.
    MixedUnits {
        /// The file.
        file: String,
        /// Unit and first row of each.
        units: Vec<(&'static str, u64)>,
    },
    /// The rows in the database are not those that were frozen.
    Moved {
        /// The SELECT's file.
        path: PathBuf,
    },
    /// A derived data set whose source is large.
    OfLarge {
        /// The data set.
        dataset: &'static str,
        /// The large one.
        source: &'static str,
    },
    /// The frozen extract has no rows of the query's data set.
    NoExtract {
        /// The data set.
        dataset: &'static str,
    },
    /// A row that the query would add has another unit than the query's.
    ForeignUnit {
        /// The file.
        file: String,
        /// Line in the file.
        row: u64,
        /// Its unit.
        unit: String,
        /// The measure.
        measure: String,
        /// The measure's unit.
        expected: &'static str,
    },
    /// A cell outside the query's declared range.
    OutOfRange {
        /// The cell, such as `code=12345678, stock`.
        cell: String,
        /// Its figure.
        value: String,
        /// The declared range.
        range: String,
        /// Rows total, used, rejected.
        accounting: String,
    },
    /// A value outside the limits of its measure.
    ValueOutOfRange {
        /// The measure.
        measure: String,
        /// The value.
        value: String,
        /// The declared limits.
        range: String,
        /// Rows total, used, rejected.
        accounting: String,
    },
    /// Quotients of too many different divisors to be added exactly.
    Divisors {
        /// The measure.
        measure: String,
    },
    /// A query whose parameters have no values.
    Open {
        /// Its id.
        query: String,
    },
    /// Too few patients lie between the query and one that was answered over this extract.
    Overlap {
        /// The ids of both.
        queries: [String; 2],
        /// The floor of patients: the higher of both.
        patients: u32,
    },
    /// The query counts other patients than one that was answered over this extract, and they are not compared where
    /// the rows are.
    NotCompared {
        /// The ids of both.
        queries: [String; 2],
    },
    /// What was answered over this extract cannot be told.
    Forgotten,
    /// A sum too large for any figure.
    Overflow {
        /// The measure.
        measure: String,
    },
    /// The snapshot store failed.
    Store {
        /// Its file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The snapshot is not what was frozen.
    Damaged {
        /// Its file.
        path: PathBuf,
    },
    /// The result of a SELECT cannot be had.
    Database(Box<super::database::Fault>),
    /// What the reading child says, or what is said of it.
    Told(super::child::Told),
    /// This slot has its snapshot already.
    AlreadyFrozen {
        /// Its file.
        path: PathBuf,
    },
}

impl ExtractError {
    /// All that may leave the hospital about it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            ExtractError::Incomplete { .. }
            | ExtractError::Unfit { .. }
            | ExtractError::UnitTable { .. }
            | ExtractError::TwoDates { .. }
            | ExtractError::Stale { .. }
            | ExtractError::MixedUnits { .. }
            | ExtractError::ForeignUnit { .. }
            | ExtractError::OutOfRange { .. }
            | ExtractError::ValueOutOfRange { .. }
            | ExtractError::Open { .. }
            | ExtractError::Divisors { .. }
            | ExtractError::Overlap { .. }
            | ExtractError::NotCompared { .. }
            | ExtractError::Forgotten
            | ExtractError::Overflow { .. } => "refused",
            ExtractError::Config { .. }
            | ExtractError::Io { .. }
            | ExtractError::Header { .. }
            | ExtractError::Changed { .. }
            | ExtractError::NoExtract { .. }
            | ExtractError::OfLarge { .. }
            | ExtractError::Store { .. }
            | ExtractError::Damaged { .. }
            | ExtractError::Database(_)
            | ExtractError::AlreadyFrozen { .. } => "cannot",
            ExtractError::Moved { .. } => "changed",
            ExtractError::Told(told) => told.code(),
        }
    }
}

impl ExtractError {
    /// True where a file, the store or the way to a database failed: its text holds a path and the system's word. Of a row that
    /// cannot be read back SQLite's library names the value, so such a text is none of these.
    #[must_use]
    pub fn is_of_the_disk(&self) -> bool {
        match self {
            // A check would find nothing wrong with the rows as they are now.
            ExtractError::Io { .. } | ExtractError::Moved { .. } => true,
            ExtractError::Store { source, .. } => source.sqlite_error_code().is_some(),
            // Its own words hold no value; what a server said is for the hospital's eyes alone.
            ExtractError::Database(fault) => fault.is_ours(),
            ExtractError::Told(told) => told.is_of_the_disk(),
            _ => false,
        }
    }

    /// True where a rule of the ledger refused, and not the extract: its text holds names of queries and the floor.
    #[must_use]
    pub fn is_of_the_ledger(&self) -> bool {
        matches!(
            self,
            ExtractError::Overlap { .. } | ExtractError::NotCompared { .. } | ExtractError::Forgotten
        )
    }

    /// True where reading it once more may help.
    pub(super) fn is_changed(&self) -> bool {
        match self {
            ExtractError::Changed { .. } => true,
            ExtractError::Told(told) => told.is_changed(),
            _ => false,
        }
    }
}

impl fmt::Debug for ExtractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExtractError({})", self.code())
    }
}

impl std::error::Error for ExtractError {}

impl fmt::Display for ExtractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExtractError::Config { problem, dataset } => {
                write!(f, "[[extract]] of data set {dataset}: {problem}")
            }
            ExtractError::Io { path, doing, source } if source.kind() == std::io::ErrorKind::StorageFull => {
                write!(f, "{}: {doing}: {source}; check free space", path.display())
            }
            ExtractError::Io { path, doing, source } => {
                write!(f, "{}: {doing}: {source}; {}", path.display(), remedy(source.kind()))
            }
            ExtractError::Header { file, column, times, found } => header(f, file, column, *times, found),
            ExtractError::Incomplete { accounting, limit } => incomplete(f, accounting, *limit),
            ExtractError::Unfit { file, row, reason, remedy } => {
                let row = row.map(|row| format!(", row {row}")).unwrap_or_default();
                write!(f, "{}{row}: {reason}; {remedy}", file.display())
            }
            ExtractError::Changed { path } => write!(
                f,
                "{}: changed while it was read, three times; expected a file at rest; write it under another name and \
                 rename it when it is whole",
                path.display()
            ),
            ExtractError::UnitTable { file, rejected } => {
                write!(f, "unit table {}", DisplayRejected(file, rejected))
            }
            ExtractError::TwoDates { file, dates } => two_dates(f, file, dates),
            ExtractError::Stale { file, newest, limit, now } => stale(f, file, *newest, limit, now),
            ExtractError::MixedUnits { file, units } => mixed_units(f, file, units),
            ExtractError::NoExtract { dataset } => no_extract(f, dataset),
            ExtractError::Moved { path } => write!(
                f,
                "{}: the rows are no longer those that were frozen for this slot; expected the same rows; select only \
                 rows that no longer change, such as months that are over",
                path.display()
            ),
            ExtractError::OfLarge { dataset, source } => write!(
                f,
                "data set {dataset} is made of {source}, whose [[extract]] is large: its rows stay in the database; \
                 expected rows that are frozen; declare that extract without `large`, if the store can hold it"
            ),
            ExtractError::Store { path, doing, source } => {
                write!(f, "{}: {doing}: {source}; check free space and access", path.display())
            }
            ExtractError::Damaged { path } => write!(
                f,
                "{}: not the extract that was frozen; expected the same rows; do not use it, freeze again in the next slot",
                path.display()
            ),
            ExtractError::Database(fault) => fault.fmt(f),
            ExtractError::Told(told) => told.fmt(f),
            ExtractError::AlreadyFrozen { path } => write!(
                f,
                "{}: this slot has its frozen extract; expected none; it stays the same for the whole slot",
                path.display()
            ),
            of_query => of_query.fmt_of_query(f),
        }
    }
}

impl ExtractError {
    /// Why a query is not answered from an extract that is sound.
    fn fmt_of_query(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExtractError::ForeignUnit { file, row, unit, measure, expected } => write!(
                f,
                "{file}{}: unit `{unit}` where measure `{measure}` adds `{expected}`; expected `{expected}` \
                 in every row the query counts; convert the quantities where the file is made",
                if *row == 0 { String::new() } else { format!(", row {row}") }
            ),
            ExtractError::OutOfRange { cell, value, range, accounting } => write!(
                f,
                "cell {cell}: {value} is outside the query's range {range}; nothing is clipped, so nothing is sent; \
                 {accounting}; check these rows and their unit, or ask for a wider range"
            ),
            ExtractError::ValueOutOfRange { measure, value, range, accounting } => write!(
                f,
                "measure `{measure}`: a value of {value} is outside the query's range {range}; nothing is clipped, \
                 so nothing is sent; {accounting}; check these rows and their unit, or ask for a wider range"
            ),
            ExtractError::Divisors { measure } => write!(
                f,
                "measure `{measure}`: its rows divide by more than 2,000 different numbers, so that they cannot be added \
                 exactly; expected fewer; ask for a sum above and one below the line, and for their ratio"
            ),
            ExtractError::Open { query } => write!(
                f,
                "the query {query} has parameters without values; expected one value for each; \
                 values are given when the query is submitted"
            ),
            ExtractError::Overlap { queries: [own, other], patients } => write!(
                f,
                "the populations of {own} and {other} differ by fewer than {patients} of this hospital's patients, and \
                 {other} was answered over this extract; expected none between them, or {patients} at least; ask in the \
                 next slot, over another extract"
            ),
            ExtractError::NotCompared { queries: [own, other] } => write!(
                f,
                "{own} counts other patients than {other}, which was answered over this extract, and its rows stay in \
                 the database, where patients are not compared; expected the same populations; ask in a slot with \
                 another extract"
            ),
            ExtractError::Forgotten => f.write_str(
                "what was answered over this extract cannot be told: a query that was offered is gone from the state \
                 folder (consent/), or cannot be read; expected every one; put the folder back as it was, or wait for \
                 another extract",
            ),
            ExtractError::Overflow { measure } => write!(
                f,
                "measure `{measure}`: the sum is too large for any figure; expected less than 9 million million; \
                 check the quantities and their unit"
            ),
            _ => f.write_str(self.code()),
        }
    }
}

fn no_extract(f: &mut fmt::Formatter<'_>, dataset: &str) -> fmt::Result {
    write!(f, "the frozen extract holds no data set {dataset}")?;
    if !Dataset::parse(dataset).is_ok_and(|known| !known.made_of().is_empty()) {
        return write!(f, "; expected one; add an [[extract]] with dataset = \"{dataset}\"");
    }
    f.write_str(if dataset == Dataset::Course.name() {
        ", which the agent makes; expected an [[extract]] of administration, and of admission and result where they are"
    } else {
        ", which the agent makes; expected an [[extract]] of stock, use and orders each, and as_of in a row of stock"
    })
}

/// Where something was first seen; nothing of rows that have no number, for they stay in a database.
pub(super) fn first_in(row: u64) -> Option<String> {
    (row > 0).then(|| format!(" first in row {row}"))
}

fn mixed_units(f: &mut fmt::Formatter<'_>, file: &str, units: &[(&'static str, u64)]) -> fmt::Result {
    write!(f, "{file}: several units in one file:")?;
    for (unit, row) in units {
        write!(f, " `{unit}`{},", first_in(*row).unwrap_or_default())?;
    }
    f.write_str(
        " expected one unit per file; units are never added; export one unit, or declare a `unit_table`",
    )
}

fn two_dates(f: &mut fmt::Formatter<'_>, file: &str, dates: &[DateSeen]) -> fmt::Result {
    write!(f, "{file}: several reference dates in one stock:")?;
    for DateSeen { date, first_row } in dates {
        write!(f, " {date}{},", first_in(*first_row).unwrap_or_default())?;
    }
    f.write_str(" expected one; what lay there on two days is never added; export the stock of one day")
}

fn stale(
    f: &mut fmt::Formatter<'_>,
    file: &str,
    newest: Option<Date>,
    limit: &str,
    now: &str,
) -> fmt::Result {
    match newest {
        Some(newest) => {
            write!(f, "{file}: its newest date is {newest}, good {limit}, and now it is {now} (UTC); ")?;
            f.write_str("export the data again, or see why the nightly export stopped")
        }
        None => write!(
            f,
            "{file}: no row, so no reference date, at {now} (UTC); expected one, for max_age is declared; \
             export the data again, or leave max_age out"
        ),
    }
}

/// What to do about a file that cannot be read or written.
fn remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::PermissionDenied => {
            "let the agent's user read it, such as `chgrp samensom-node FILE` and `chmod 640 FILE`"
        }
        ErrorKind::NotFound => "check the path in node.toml, and whether the file was made",
        _ => "check the path, and that this program's account may do it",
    }
}

fn header(
    f: &mut fmt::Formatter<'_>,
    file: &std::path::Path,
    column: &str,
    times: usize,
    found: &[String],
) -> fmt::Result {
    let file = file.display();
    if times > 1 {
        return write!(
            f,
            "{file}, row 1: column `{column}` is there {times} times; expected once; rename the others"
        );
    }
    let near = samensom_protocol::query::nearest(column, found.iter().map(String::as_str));
    let near = near.map(|near| format!(" (nearest is `{near}`)")).unwrap_or_default();
    // Of a file about patients the names are not kept: without a header they would be a patient's.
    if found.is_empty() {
        return write!(
            f,
            "{file}, row 1: no column `{column}`{near}; correct [extract.columns], or the separator; a file without a \
             header cannot be read"
        );
    }
    write!(
        f,
        "{file}, row 1: no column `{column}`{near}; found {}; correct [extract.columns], or the separator if all \
         stand in one name",
        found.iter().map(|name| format!("`{}`", on_one_line(name))).collect::<Vec<_>>().join(", ")
    )
}

fn incomplete(f: &mut fmt::Formatter<'_>, accounting: &Accounting, limit: u64) -> fmt::Result {
    write!(f, "incomplete: {accounting}; expected at most {limit} rejected (max_rejected)")?;
    for rejected in &accounting.first_rejected {
        write!(f, "\n  {}", DisplayRejected(&accounting.file, rejected))?;
    }
    Ok(())
}

/// A text of a file as it may be shown: a control character would end the line, or steer a terminal.
pub(super) fn on_one_line(text: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

/// One rejected row with its file.
pub(super) struct DisplayRejected<'a>(pub(super) &'a str, pub(super) &'a Rejected);

impl fmt::Display for DisplayRejected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rejected { row, column, value, reason, remedy } = self.1;
        write!(f, "{}, row {row}, column `{column}`, value `{value}`: {reason}; {remedy}", self.0)
    }
}
