//! A file in its declared dialect -> normalised rows, one at a time.
//!
//! Owns the opening of a file, and that what was read is one state of it: whole, with its last line end, and
//! not changed meanwhile. What a row means is `row`'s.

use super::accounting::Accounting;
use super::config::{ExtractConfig, UnitSource};
use super::database;
use super::error::ExtractError;
use super::records::{Record, Records, Stop};
use super::row::Reading;
use super::units::UnitTable;
use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// One row as it is frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NormalRow {
    /// Line in the file.
    pub(super) row: u64,
    /// Values in the order of the data set's columns.
    pub(super) fields: Vec<Field>,
}

/// One normalised value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Absent,
    Text(String),
    /// Whole numbers of 10^-6.
    Quantity(i64),
}

/// Reads the whole file, or the result that was kept in `folder`, once and gives every usable row to `sink`.
/// After an error the rows given are void; after `Changed` the caller may start over.
pub(super) fn read(
    config: &ExtractConfig,
    base_dir: &Path,
    folder: &Path,
    sink: &mut dyn FnMut(NormalRow) -> Result<(), ExtractError>,
) -> Result<Accounting, ExtractError> {
    let path = base_dir.join(&config.file);
    let mut table = match &config.unit {
        UnitSource::Table { file, .. } => Some(UnitTable::read(config, file, base_dir)?),
        UnitSource::Nothing | UnitSource::Every(_) | UnitSource::Column(_) => None,
    };
    let mut reading = None;
    let mut each = |record: &Record| match &mut reading {
        None => {
            reading = Some(Reading::new(config, &path, record, table.take())?);
            Ok(())
        }
        Some(reading) => reading.take(record).map_or(Ok(()), &mut *sink),
    };
    match database::kept(config, folder) {
        Some(kept) => each_of_result(config, (&path, &kept), &mut each)?,
        None => each_record(config, &path, &mut each)?,
    }
    let accounting = reading.map_or_else(|| Accounting::new(config.dataset, String::new()), Reading::finish);
    refuse_nothing(config, &path, &accounting)?;
    Ok(accounting)
}

/// Why an extract without a row is refused, where it is not declared that there can be nothing.
pub(super) fn refuse_nothing(
    config: &ExtractConfig,
    path: &Path,
    accounting: &Accounting,
) -> Result<(), ExtractError> {
    if accounting.total() > 0 || config.may_be_empty {
        return Ok(());
    }
    Err(ExtractError::Unfit {
        file: path.to_owned(),
        row: None,
        reason: format!("a header and no rows, which is no {} of 0", config.dataset.name()),
        remedy: "export it again, or declare may_be_empty = true if there can be nothing".to_owned(),
    })
}

/// Gives every record of a file, the header being the first. The extract and its unit table are read so.
pub(super) fn each_record(
    config: &ExtractConfig,
    path: &Path,
    each: &mut dyn FnMut(&Record) -> Result<(), ExtractError>,
) -> Result<(), ExtractError> {
    let io_error = |doing, source| ExtractError::Io { path: path.to_owned(), doing, source };
    let mut file = File::open(path).map_err(|source| io_error("opening the extract", source))?;
    let before = file.metadata().map_err(|source| io_error("opening the extract", source))?;
    let result = records_of(config, path, &mut file, &mut |record| each(record));
    let after = [file.metadata().ok(), fs::metadata(path).ok()];
    let same = after.iter().all(|after| after.as_ref().is_some_and(|after| state(after) == state(&before)));
    // Whatever was wrong with it may come from the change.
    if same { result } else { Err(ExtractError::Changed { path: path.to_owned() }) }
}

/// Gives every row of a kept result, the header being the first, and removes it. A row has the number that it
/// has in the result, whatever line breaks stand in its texts: whoever wrote them quoted them.
fn each_of_result(
    config: &ExtractConfig,
    (select, kept): (&Path, &Path),
    each: &mut dyn FnMut(&Record) -> Result<(), ExtractError>,
) -> Result<(), ExtractError> {
    let failed =
        |source| ExtractError::Io { path: kept.to_owned(), doing: "reading the kept result", source };
    let mut file = File::open(kept).map_err(failed)?;
    let mut row = 0;
    let mut numbered = |record: &mut Record| {
        (record.row, record.lines) = (row, 1);
        row += 1;
        each(record)
    };
    let read = records_of(config, select, &mut file, &mut numbered);
    read.map_err(|error| match error {
        // Told of a record that was not given.
        ExtractError::Unfit { file, row: Some(_), reason, remedy } => {
            ExtractError::Unfit { file, row: Some(row), reason, remedy }
        }
        other => other,
    })?;
    fs::remove_file(kept).map_err(failed)
}

fn records_of(
    config: &ExtractConfig,
    path: &Path,
    file: &mut File,
    each: &mut dyn FnMut(&mut Record) -> Result<(), ExtractError>,
) -> Result<(), ExtractError> {
    let stop = |stop| match stop {
        Stop::Io(source) => ExtractError::Io { path: path.to_owned(), doing: "reading the extract", source },
        Stop::Unfit { row, bad } => unfit(path, row, &*bad.reason, &*bad.remedy),
    };
    let mut records = Records::open(file, config.encoding, config.separator).map_err(stop)?;
    let (mut record, mut last) = (Record::default(), 0);
    while records.read(&mut record).map_err(stop)? {
        last = record.row;
        each(&mut record)?;
    }
    if last == 0 {
        return Err(unfit(path, Some(1), "no header", "export it again, with the names of its columns"));
    }
    if records.cut() && !config.open_end {
        return Err(unfit(
            path,
            Some(last),
            "the last row has no line end: the file was perhaps cut off",
            "export it again; declare open_end = true if the program that makes it never ends the last row",
        ));
    }
    Ok(())
}

fn unfit(
    path: &Path,
    row: Option<u64>,
    reason: impl Into<String>,
    remedy: impl Into<String>,
) -> ExtractError {
    ExtractError::Unfit { file: PathBuf::from(path), row, reason: reason.into(), remedy: remedy.into() }
}

/// What is another number when a file is written to or replaced.
fn state(metadata: &Metadata) -> (u64, Option<SystemTime>, u64) {
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let inode = 0;
    (metadata.len(), metadata.modified().ok(), inode)
}
