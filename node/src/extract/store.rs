//! The snapshot store: one SQLite file per lock and slot, written once, never changed.
//!
//! Owns its tables and the extract hash. The hash covers the normalised rows alone, in a canonical order,
//! so that it does not depend on the file's order, mapping or dialect. Where a row stood in the file is
//! kept beside it for messages and is not part of the hash.

use super::accounting::{Accounting, DateSeen, UnitSeen};
use super::error::ExtractError;
use super::source::{Field, NormalRow};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OpenFlags, Row, ToSql, params_from_iter};
use samensom_protocol::ids::ExtractHash;
use samensom_protocol::query::{Column, Dataset, Date, Unit};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

const FORMAT: i64 = 1;
const HASH_LABEL: &[u8] = b"samensom extract v1";

/// An extract that no longer changes.
#[derive(Debug, Clone)]
pub struct Frozen {
    /// Of its normalised rows.
    pub hash: ExtractHash,
    /// Per file that went in.
    pub accounting: Vec<Accounting>,
    path: PathBuf,
}

impl Frozen {
    /// Opens a snapshot that was frozen before, and checks that its rows are the same.
    ///
    /// # Errors
    /// `Damaged` when they are not, `Store` when it cannot be read.
    pub fn open(db: &Path) -> Result<Frozen, ExtractError> {
        let connection = open_read_only(db)?;
        let reading = store_error(db, "reading the snapshot");
        let format: i64 =
            connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(&reading)?;
        let damaged = || ExtractError::Damaged { path: db.to_owned() };
        if format != FORMAT {
            return Err(damaged());
        }
        let stored: [u8; 32] =
            connection.query_row("SELECT hash FROM extract", [], |row| row.get(0)).map_err(&reading)?;
        let accounting = read_accounting(&connection).map_err(&reading)?.ok_or_else(damaged)?;
        let hash = hash_rows(&connection, &accounting).map_err(&reading)?;
        if hash.0 != stored {
            return Err(damaged());
        }
        Ok(Frozen { hash, accounting, path: db.to_owned() })
    }

    /// The snapshot's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn connect(&self) -> Result<Connection, ExtractError> {
        open_read_only(&self.path)
    }

    pub(super) fn accounting_of(&self, dataset: Dataset) -> Option<&Accounting> {
        self.accounting.iter().find(|accounting| accounting.dataset == dataset)
    }
}

fn open_read_only(db: &Path) -> Result<Connection, ExtractError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(db, flags).map_err(store_error(db, "opening the snapshot"))
}

/// Makes errors of SQLite on `path` while `doing`.
pub(super) fn store_error(
    path: &Path,
    doing: &'static str,
) -> impl Fn(rusqlite::Error) -> ExtractError + use<> {
    let path = path.to_owned();
    move |source| ExtractError::Store { path: path.clone(), doing, source }
}

/// The snapshot while it is made: under another name until it is whole.
pub(super) struct Draft {
    connection: Connection,
    temporary: PathBuf,
    path: PathBuf,
}

impl Draft {
    pub(super) fn create(db: &Path) -> Result<Draft, ExtractError> {
        if db.exists() {
            return Err(ExtractError::AlreadyFrozen { path: db.to_owned() });
        }
        let mut name = db.as_os_str().to_owned();
        name.push(".part");
        let temporary = PathBuf::from(name);
        let io_error = |doing| {
            let path = temporary.clone();
            move |source| ExtractError::Io { path, doing, source }
        };
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("removing an unfinished snapshot")(error));
            }
            _ => {}
        }
        private_file(&temporary).map_err(io_error("making the snapshot"))?;
        let writing = store_error(&temporary, "making the snapshot");
        let connection = Connection::open(&temporary).map_err(&writing)?;
        // The file is thrown away unless it is finished and synced, so it needs no journal of its own.
        connection
            .execute_batch(&format!(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA user_version = {FORMAT}; BEGIN; {SCHEMA}"
            ))
            .map_err(&writing)?;
        Ok(Draft { connection, temporary, path: db.to_owned() })
    }

    pub(super) fn insert(&self, dataset: Dataset, row: &NormalRow) -> Result<(), ExtractError> {
        let writing = store_error(&self.temporary, "writing a row");
        let values = row.fields.iter().map(|field| field as &dyn ToSql);
        let place = stored(row.row);
        let values = std::iter::once(&place as &dyn ToSql).chain(values);
        let mut statement = self.connection.prepare_cached(insert_sql(dataset)).map_err(&writing)?;
        statement.execute(params_from_iter(values)).map_err(&writing)?;
        Ok(())
    }

    /// Writes accounting and hash, makes the file durable and gives it its name.
    pub(super) fn finish(self, accounting: Vec<Accounting>) -> Result<Frozen, ExtractError> {
        let Draft { connection, temporary, path } = self;
        let writing = store_error(&temporary, "finishing the snapshot");
        write_accounting(&connection, &accounting).map_err(&writing)?;
        let hash = hash_rows(&connection, &accounting).map_err(&writing)?;
        connection.execute("INSERT INTO extract (hash) VALUES (?1)", [&hash.0[..]]).map_err(&writing)?;
        connection.execute_batch("COMMIT").map_err(&writing)?;
        connection.close().map_err(|(_, error)| writing(error))?;
        let durable = || -> io::Result<()> {
            OpenOptions::new().write(true).open(&temporary)?.sync_all()?;
            fs::rename(&temporary, &path)?;
            sync_folder(&path)
        };
        durable().map_err(|source| ExtractError::Io {
            path: path.clone(),
            doing: "making the snapshot durable",
            source,
        })?;
        Ok(Frozen { hash, accounting, path })
    }

    /// Removes what was written.
    pub(super) fn discard(self) {
        let Draft { connection, temporary, .. } = self;
        drop(connection);
        // What cannot be removed now is removed by the next freeze.
        let _ = fs::remove_file(temporary);
    }
}

const SCHEMA: &str = "
CREATE TABLE extract (
    hash BLOB NOT NULL               -- SHA-256 over the normalised rows; immutable
) STRICT;
CREATE TABLE accounting (
    dataset TEXT NOT NULL PRIMARY KEY, -- canonical name
    file TEXT NOT NULL,              -- where the rows came from
    total INTEGER NOT NULL,          -- rows below the header = used + rejected + objected
    used INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    newest TEXT                      -- newest date of the data, YYYY-MM-DD
) STRICT;
CREATE TABLE stock (
    source_row INTEGER NOT NULL,     -- line in the file, for messages
    as_of TEXT,                      -- reference date, YYYY-MM-DD
    code TEXT NOT NULL,
    quantity INTEGER NOT NULL,       -- in 10^-6 of the unit
    unit TEXT NOT NULL,
    kind TEXT NOT NULL,              -- regular, ccv, import, own, study
    expiry TEXT,                     -- YYYY-MM-DD
    location TEXT,
    owner TEXT,
    PRIMARY KEY (code, source_row)
) STRICT, WITHOUT ROWID;
CREATE TABLE use (
    source_row INTEGER NOT NULL,     -- line in the file, for messages
    period TEXT NOT NULL,            -- first day of the month, YYYY-MM-DD
    code TEXT NOT NULL,
    quantity INTEGER NOT NULL,       -- in 10^-6 of the unit; issues minus returns
    unit TEXT NOT NULL,
    PRIMARY KEY (code, period, source_row)
) STRICT, WITHOUT ROWID;
";

fn insert_sql(dataset: Dataset) -> &'static str {
    match dataset {
        Dataset::Stock => "INSERT INTO stock VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        Dataset::Use => "INSERT INTO use VALUES (?1, ?2, ?3, ?4, ?5)",
    }
}

impl ToSql for Field {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Field::Absent => ToSqlOutput::Owned(Value::Null),
            Field::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Field::Quantity(quantity) => ToSqlOutput::Owned(Value::Integer(*quantity)),
        })
    }
}

/// A count as SQLite keeps it.
fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count that SQLite kept.
pub(super) fn count(row: &Row<'_>, place: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(place)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(place, number))
}

/// A new file that only this account can read.
fn private_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path).map(drop)
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

fn write_accounting(connection: &Connection, accounting: &[Accounting]) -> rusqlite::Result<()> {
    for one in accounting {
        connection.execute(
            "INSERT INTO accounting VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                one.dataset.name(),
                &one.file,
                stored(one.total()),
                stored(one.used),
                stored(one.rejected),
                one.newest.map(|date| date.to_string()),
            ),
        )?;
    }
    Ok(())
}

/// The accounting as it was stored; `None` when it names what does not exist.
fn read_accounting(connection: &Connection) -> rusqlite::Result<Option<Vec<Accounting>>> {
    let mut statement = connection
        .prepare("SELECT dataset, file, total, used, rejected, newest FROM accounting ORDER BY dataset")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let Ok(dataset) = Dataset::parse(row.get_ref(0)?.as_str()?) else { return Ok(None) };
        let Some(units) = units(connection, dataset)? else { return Ok(None) };
        let newest = row.get::<_, Option<String>>(5)?.and_then(|text| Date::parse(&text));
        all.push(Accounting {
            dataset,
            file: row.get(1)?,
            used: count(row, 3)?,
            rejected: count(row, 4)?,
            objected: count(row, 2)?.saturating_sub(count(row, 3)?).saturating_sub(count(row, 4)?),
            dates: one_date(dataset, newest, &units),
            units,
            newest,
            first_rejected: Vec::new(),
        });
    }
    Ok(Some(all))
}

/// A stock that was frozen has one reference date, in every row.
fn one_date(dataset: Dataset, newest: Option<Date>, units: &[UnitSeen]) -> Vec<DateSeen> {
    let first_row = units.iter().map(|seen| seen.first_row).min();
    let date = newest.filter(|_| dataset == Dataset::Stock).zip(first_row);
    date.map(|(date, first_row)| DateSeen { date, first_row }).into_iter().collect()
}

fn units(connection: &Connection, dataset: Dataset) -> rusqlite::Result<Option<Vec<UnitSeen>>> {
    let table = dataset.name();
    let sql =
        format!("SELECT unit, COUNT(*), MIN(source_row) AS first FROM {table} GROUP BY unit ORDER BY first");
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut units = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(unit) = Unit::parse(row.get_ref(0)?.as_str()?) else { return Ok(None) };
        units.push(UnitSeen { unit, rows: count(row, 1)?, first_row: count(row, 2)? });
    }
    Ok(Some(units))
}

/// SHA-256 over, per data set in order of name: its name, the number of its rows, and its rows sorted by all
/// their values, each value as one byte for absent or present, its length and its bytes.
fn hash_rows(connection: &Connection, accounting: &[Accounting]) -> rusqlite::Result<ExtractHash> {
    let mut datasets: Vec<Dataset> = accounting.iter().map(|one| one.dataset).collect();
    datasets.sort_by_key(|dataset| dataset.name());
    let mut hash = Sha256::new();
    absorb(&mut hash, HASH_LABEL);
    for dataset in datasets {
        absorb(&mut hash, dataset.name().as_bytes());
        let table = dataset.name();
        let count: u64 =
            connection.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| count(row, 0))?;
        hash.update(count.to_le_bytes());
        let columns: Vec<&str> = dataset.columns().iter().copied().map(Column::name).collect();
        let columns = columns.join(", ");
        let sql = format!("SELECT {columns} FROM {table} ORDER BY {columns}");
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for place in 0..dataset.columns().len() {
                match row.get_ref(place)? {
                    ValueRef::Null => hash.update([0]),
                    ValueRef::Integer(number) => {
                        hash.update([1]);
                        absorb(&mut hash, &number.to_le_bytes());
                    }
                    other => {
                        hash.update([1]);
                        absorb(&mut hash, other.as_bytes()?);
                    }
                }
            }
        }
    }
    Ok(ExtractHash(hash.finalize().into()))
}

fn absorb(hash: &mut Sha256, bytes: &[u8]) {
    // No value of a row comes near 2^64 bytes.
    hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
    hash.update(bytes);
}
