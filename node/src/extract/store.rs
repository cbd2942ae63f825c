//! A snapshot that is whole: one SQLite file per lock and slot, written once, never changed.
//!
//! Owns its identity. The content hash covers the normalised rows alone in canonical order, so that it does
//! not depend on the file's order, mapping or dialect; the id covers the content and what was declared of
//! it. Where a row stood in the file is kept beside it for messages and is in neither.

use super::accounting::{Accounting, UnitSeen};
use super::database;
use super::error::ExtractError;
use super::key::{self, Part};
use super::schema;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use samensom_protocol::ids::ExtractHash;
use samensom_protocol::query::{Column, Dataset, Unit};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

const CONTENT_LABEL: &[u8] = b"samensom extract content v2";
const ID_LABEL: &[u8] = b"samensom extract v2";

/// An extract that no longer changes.
#[derive(Debug, Clone)]
pub struct Frozen {
    /// Of its normalised rows and of what was declared of them.
    pub hash: ExtractHash,
    /// Of its normalised rows alone.
    pub content: ExtractHash,
    /// Per file that went in.
    pub accounting: Vec<Accounting>,
    units: Vec<(Dataset, UnitSeen)>,
    /// Data sets whose rows stay in the hospital's database, with the digest of those rows.
    pushed: Vec<(Dataset, String)>,
    path: PathBuf,
}

impl Frozen {
    /// Opens a snapshot that was frozen before, and checks that its rows are the same.
    ///
    /// # Errors
    /// `Damaged` when they are not, `Store` when it cannot be read.
    pub fn open(db: &Path) -> Result<Frozen, ExtractError> {
        let frozen = Frozen::open_unread(db)?;
        let damaged = || ExtractError::Damaged { path: db.to_owned() };
        let connection = frozen.connect()?;
        let mut rows = Vec::new();
        for accounting in &frozen.accounting {
            let found = match frozen.digest_of(accounting.dataset) {
                Some(digest) => database::found(digest, accounting),
                None => rows_hash(&connection, db, accounting)?,
            };
            let units: Vec<UnitSeen> = frozen.units_of(accounting.dataset).collect();
            if found.count != accounting.used || found.units != units {
                return Err(damaged());
            }
            rows.push((accounting, found));
        }
        if content_hash(rows.iter().map(|(accounting, found)| (*accounting, found))) != frozen.content {
            return Err(damaged());
        }
        Ok(frozen)
    }

    /// Opens a snapshot and checks everything but its rows: its tables are these tables, and its id is of
    /// the content hash and the descriptions that stand in it.
    pub(super) fn open_unread(db: &Path) -> Result<Frozen, ExtractError> {
        let connection = open_read_only(db)?;
        let reading = store_error(db, "reading the snapshot");
        let damaged = || ExtractError::Damaged { path: db.to_owned() };
        let format: i64 =
            connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(&reading)?;
        let found = tables(&connection).map_err(&reading)?;
        let holds = |dataset: &Dataset| found.iter().any(|(name, _)| name == schema::rows(*dataset));
        let room: Vec<Dataset> = Dataset::ALL.into_iter().filter(holds).collect();
        if format != schema::FORMAT || found != own_tables(&room) {
            return Err(damaged());
        }
        let (id, content): ([u8; 32], [u8; 32]) = connection
            .query_row("SELECT id, content FROM extract", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(&reading)?;
        let (id, content) = (ExtractHash(id), ExtractHash(content));
        let accounting = read_accounting(&connection).map_err(&reading)?.ok_or_else(damaged)?;
        let described = read_pairs(&connection, "SELECT dataset, declared FROM description ORDER BY dataset")
            .map_err(&reading)?;
        let units = read_units(&connection).map_err(&reading)?.ok_or_else(damaged)?;
        let pushed = read_pushed(&connection).map_err(&reading)?.ok_or_else(damaged)?;
        let is_pushed = |dataset| pushed.iter().any(|(of, _)| *of == dataset);
        let names = accounting.iter().map(|one| one.dataset.name());
        if !accounting.iter().all(|one| room.contains(&one.dataset) || is_pushed(one.dataset))
            || !pushed.iter().all(|(of, _)| accounting.iter().any(|one| one.dataset == *of))
            || !names.eq(described.iter().map(|(name, _)| name.as_str()))
            || id != extract_id(&content, described.iter().map(|(name, text)| (name.as_str(), text.as_str())))
        {
            return Err(damaged());
        }
        Ok(Frozen { hash: id, content, accounting, units, pushed, path: db.to_owned() })
    }

    /// The snapshot's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same under the name it has now.
    pub(super) fn at(mut self, path: &Path) -> Frozen {
        self.path = path.to_owned();
        self
    }

    pub(super) fn connect(&self) -> Result<Connection, ExtractError> {
        open_read_only(&self.path)
    }

    pub(super) fn accounting_of(&self, dataset: Dataset) -> Option<&Accounting> {
        self.accounting.iter().find(|accounting| accounting.dataset == dataset)
    }

    /// The digest of a data set's rows, where they stay in the hospital's database.
    pub(super) fn digest_of(&self, dataset: Dataset) -> Option<&str> {
        self.pushed.iter().find(|(of, _)| *of == dataset).map(|(_, digest)| digest.as_str())
    }

    /// The units of a data set's rows, by name.
    pub(super) fn units_of(&self, dataset: Dataset) -> impl Iterator<Item = UnitSeen> {
        self.units.iter().filter(move |(of, _)| *of == dataset).map(|(_, seen)| *seen)
    }
}

fn open_read_only(db: &Path) -> Result<Connection, ExtractError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opening = store_error(db, "opening the snapshot");
    let connection = Connection::open_with_flags(db, flags).map_err(&opening)?;
    // The file may come from a reader that a hostile extract has taken over.
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON").map_err(&opening)?;
    Ok(connection)
}

/// Makes errors of SQLite on `path` while `doing`.
pub(super) fn store_error(
    path: &Path,
    doing: &'static str,
) -> impl Fn(rusqlite::Error) -> ExtractError + use<> {
    let path = path.to_owned();
    move |source| ExtractError::Store { path: path.clone(), doing, source }
}

/// A count that SQLite kept.
pub(super) fn count(row: &Row<'_>, place: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(place)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(place, number))
}

/// Names and texts of all that a database file defines.
fn tables(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    read_pairs(connection, "SELECT name, COALESCE(sql, '') FROM sqlite_schema ORDER BY name")
}

fn own_tables(room: &[Dataset]) -> Vec<(String, String)> {
    let fresh = Connection::open_in_memory().and_then(|fresh| {
        fresh.execute_batch(&schema::tables(room.iter().copied()))?;
        tables(&fresh)
    });
    fresh.unwrap_or_default()
}

fn read_pairs(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = connection.prepare(sql)?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// The accounting as it was stored; `None` when it says what does not exist.
fn read_accounting(connection: &Connection) -> rusqlite::Result<Option<Vec<Accounting>>> {
    let all = read_pairs(connection, "SELECT dataset, account FROM accounting ORDER BY dataset")?;
    let accounts = all.into_iter().map(|(name, account)| {
        serde_json::from_str(&account).ok().filter(|account: &Accounting| account.dataset.name() == name)
    });
    Ok(accounts.collect())
}

fn read_pushed(connection: &Connection) -> rusqlite::Result<Option<Vec<(Dataset, String)>>> {
    let all = read_pairs(connection, "SELECT dataset, digest FROM pushed ORDER BY dataset")?;
    let known = |(name, digest): (String, String)| Some((Dataset::parse(&name).ok()?, digest));
    Ok(all.into_iter().map(known).collect())
}

fn read_units(connection: &Connection) -> rusqlite::Result<Option<Vec<(Dataset, UnitSeen)>>> {
    let mut statement =
        connection.prepare("SELECT dataset, unit, rows, first_row FROM unit ORDER BY dataset, unit")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let Ok(dataset) = Dataset::parse(row.get_ref(0)?.as_str()?) else { return Ok(None) };
        let Some(unit) = Unit::parse(row.get_ref(1)?.as_str()?) else { return Ok(None) };
        all.push((dataset, UnitSeen { unit, rows: count(row, 2)?, first_row: count(row, 3)? }));
    }
    Ok(Some(all))
}

/// What the rows of one data set say themselves.
pub(super) struct RowsHash {
    /// SHA-256 over the keys of the rows in canonical order.
    pub(super) rows: [u8; 32],
    pub(super) count: u64,
    /// By name.
    pub(super) units: Vec<UnitSeen>,
}

/// Goes through the rows of one data set in canonical order, as the store holds them.
pub(super) fn rows_hash(
    connection: &Connection,
    path: &Path,
    accounting: &Accounting,
) -> Result<RowsHash, ExtractError> {
    let reading = store_error(path, "reading the snapshot");
    let damaged = || ExtractError::Damaged { path: path.to_owned() };
    let dataset = accounting.dataset;
    let columns: Vec<Column> = key::others(dataset).collect();
    let unit_at = columns.iter().position(|column| *column == Column::Unit);
    let mut codes = connection.prepare(&schema::all_codes(dataset)).map_err(&reading)?;
    let mut codes = codes.query([]).map_err(&reading)?;
    let mut statement = connection.prepare(&schema::all_rows(dataset)).map_err(&reading)?;
    let mut rows = statement.query([]).map_err(&reading)?;
    let mut hash = Sha256::new();
    let mut found = RowsHash { rows: [0; 32], count: 0, units: Vec::new() };
    let (mut key, mut before, mut code, mut last) = (Vec::new(), Vec::new(), String::new(), 0);
    while let Some(row) = rows.next().map_err(&reading)? {
        let seq = count(row, 0).map_err(&reading)?;
        if seq > last {
            let next = codes.next().map_err(&reading)?.ok_or_else(damaged)?;
            code = next.get(0).map_err(&reading)?;
            let first = count(next, 1).map_err(&reading)?;
            last = count(next, 2).map_err(&reading)?;
            if !(first..=last).contains(&seq) {
                return Err(damaged());
            }
        }
        key.clear();
        key::put(&mut key, Part::Text(&code));
        for place in 1..=columns.len() {
            key::put(&mut key, part(row, place).map_err(&reading)?);
        }
        if key < before {
            return Err(damaged());
        }
        hash.update(&key);
        std::mem::swap(&mut key, &mut before);
        found.count += 1;
        let line = count(row, columns.len() + 1).map_err(&reading)?;
        if let Some(place) = unit_at {
            let unit = row.get_ref(place + 1).map_err(&reading)?.as_str().ok().and_then(Unit::parse);
            count_unit(&mut found.units, unit.ok_or_else(damaged)?, line);
        }
    }
    if codes.next().map_err(&reading)?.is_some() {
        return Err(damaged());
    }
    found.units.sort_by_key(|seen| seen.unit.name());
    found.rows = hash.finalize().into();
    Ok(found)
}

fn part<'a>(row: &'a Row<'_>, place: usize) -> rusqlite::Result<Part<'a>> {
    Ok(match row.get_ref(place)? {
        ValueRef::Null => Part::Absent,
        ValueRef::Integer(number) => Part::Quantity(number),
        other => Part::Text(other.as_str()?),
    })
}

pub(super) fn count_unit(units: &mut Vec<UnitSeen>, unit: Unit, row: u64) {
    match units.iter_mut().find(|seen| seen.unit == unit) {
        Some(seen) => {
            seen.rows += 1;
            seen.first_row = seen.first_row.min(row);
        }
        None => units.push(UnitSeen { unit, rows: 1, first_row: row }),
    }
}

/// SHA-256 over, per data set in order of name: its name, the number of its rows, and their hash.
pub(super) fn content_hash<'a>(all: impl Iterator<Item = (&'a Accounting, &'a RowsHash)>) -> ExtractHash {
    let mut hash = Sha256::new();
    absorb(&mut hash, CONTENT_LABEL);
    for (accounting, found) in all {
        absorb(&mut hash, accounting.dataset.name().as_bytes());
        hash.update(found.count.to_le_bytes());
        hash.update(found.rows);
    }
    ExtractHash(hash.finalize().into())
}

/// SHA-256 over the content hash and, per data set in order of name, its name and what was declared of it.
pub(super) fn extract_id<'a>(
    content: &ExtractHash,
    described: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> ExtractHash {
    let mut hash = Sha256::new();
    absorb(&mut hash, ID_LABEL);
    hash.update(content.0);
    for (name, declared) in described {
        absorb(&mut hash, name.as_bytes());
        absorb(&mut hash, declared.as_bytes());
    }
    ExtractHash(hash.finalize().into())
}

fn absorb(hash: &mut Sha256, bytes: &[u8]) {
    // No value of a row comes near 2^64 bytes.
    hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
    hash.update(bytes);
}
