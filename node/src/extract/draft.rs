//! A snapshot while it is made: in a folder of its own, under another name, until it is whole.
//!
//! Owns the order of writing: rows as they are merged, codes, then accounting, descriptions and hashes. It
//! gives nothing its final name; that is done by whoever asked for the snapshot, after looking at it.

use super::accounting::{Accounting, UnitSeen};
use super::config::ExtractConfig;
use super::error::ExtractError;
use super::key::{self, Part};
use super::sort::{Sorted, Sorter};
use super::store::{RowsHash, content_hash, count_unit, extract_id, rows_hash, store_error};
use super::{database, derive, describe, refuse, refuse_stale, schema, source, unique};
use rusqlite::types::Null;
use rusqlite::{Connection, Statement};
use samensom_protocol::query::{Column, Dataset, Unit};
use samensom_protocol::time::Time;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};

/// The snapshot's name in the draft's folder.
pub(super) const NAME: &str = "snapshot.db";
/// Bytes of rows that the merging thread hands over at once.
const BATCH: usize = 1 << 20;

/// An open draft.
pub(super) struct Draft {
    connection: Connection,
    folder: PathBuf,
    path: PathBuf,
}

/// What is known of one data set's rows once they are written.
pub(super) struct Loaded {
    pub(super) accounting: Accounting,
    pub(super) found: RowsHash,
    /// Of rows that are not here.
    digest: Option<String>,
}

/// Makes an empty folder for a draft, in the place of one that was never finished.
pub(super) fn make_folder(folder: &Path) -> Result<(), ExtractError> {
    remove_folder(folder)?;
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    let made = builder.create(folder);
    made.map_err(|source| io_error(folder, "making the folder of the snapshot", source))
}

/// Removes it with all that is in it.
pub(super) fn remove_folder(folder: &Path) -> Result<(), ExtractError> {
    let removed = match fs::symlink_metadata(folder) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(folder),
        Ok(_) => fs::remove_file(folder),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(|source| io_error(folder, "removing an unfinished snapshot", source))
}

fn io_error(path: &Path, doing: &'static str, source: io::Error) -> ExtractError {
    ExtractError::Io { path: path.to_owned(), doing, source }
}

/// Reads the declared extracts and writes their snapshot into `folder`.
pub(super) fn write(
    configs: &[ExtractConfig],
    base_dir: &Path,
    folder: &Path,
    now: Time,
) -> Result<(), ExtractError> {
    let (large, read): (Vec<&ExtractConfig>, Vec<&ExtractConfig>) =
        configs.iter().partition(|config| config.is_large());
    let read: Vec<Dataset> = read.into_iter().map(|config| config.dataset).collect();
    let mut draft = Draft::create(folder, &read)?;
    let mut configs: Vec<&ExtractConfig> = configs.iter().collect();
    configs.sort_by_key(|config| config.dataset.name());
    let mut all = Vec::new();
    for config in &configs {
        let loaded =
            if config.is_large() { survey(config, folder)? } else { draft.load(config, base_dir)? };
        refuse(&loaded.accounting, config)?;
        refuse_stale(&loaded.accounting, config, now)?;
        all.push((describe::meaning(config), loaded));
    }
    // Of rows that are not here nothing is made.
    let can_be_made =
        |dataset: &Dataset| large.iter().all(|config| !dataset.made_of().contains(&config.dataset));
    for dataset in derive::of(&read).into_iter().filter(can_be_made) {
        if let Some(loaded) = draft.derive(dataset)? {
            all.push((derive::meaning(dataset), loaded));
        }
    }
    all.sort_by_key(|(_, loaded)| loaded.accounting.dataset.name());
    draft.finish(&all)
}

/// What is known of a large extract.
pub(super) fn survey(config: &ExtractConfig, folder: &Path) -> Result<Loaded, ExtractError> {
    let kept = database::kept(config, folder).unwrap_or_default();
    let survey = database::Survey::take(&kept, config.dataset)?;
    Ok(Loaded { found: survey.found(), accounting: survey.accounting, digest: Some(survey.digest) })
}

impl Draft {
    /// With room for these data sets and what is made of them.
    pub(super) fn create(folder: &Path, read: &[Dataset]) -> Result<Draft, ExtractError> {
        let path = folder.join(NAME);
        private_file(&path).map_err(|source| io_error(&path, "making the snapshot", source))?;
        let writing = store_error(&path, "making the snapshot");
        let connection = Connection::open(&path).map_err(&writing)?;
        let format = schema::FORMAT;
        // The file is thrown away unless it is finished and synced, so it needs no journal of its own.
        let settings = "PRAGMA page_size = 8192; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; \
                        PRAGMA synchronous = OFF; PRAGMA temp_store = FILE; PRAGMA cache_size = -16000;";
        let tables = schema::tables(derive::room_for(read).into_iter());
        connection
            .execute_batch(&format!("{settings} PRAGMA user_version = {format}; BEGIN; {tables}"))
            .map_err(&writing)?;
        Ok(Draft { connection, folder: folder.to_owned(), path })
    }

    /// Reads one extract, sorts it and writes its rows; rows that share a unique key are rejected again.
    pub(super) fn load(&mut self, config: &ExtractConfig, base_dir: &Path) -> Result<Loaded, ExtractError> {
        let dataset = config.dataset;
        let mut sorter = Sorter::new(&self.folder);
        let mut accounting = source::read(config, base_dir, &self.folder, &mut |row| {
            sorter.push(row.row, |bytes| key::put_row(dataset, &row.fields, bytes))
        })?;
        // What is refused by its rows as read is not written first; a unique key may reject more of them.
        refuse(&accounting, config)?;
        let mut found = self.append(dataset, sorter.finish()?)?;
        if !config.unique.is_empty() {
            let writing = store_error(&self.path, "rejecting rows that share a key");
            let rejected = unique::reject(&self.connection, config, &mut accounting).map_err(&writing)?;
            if rejected {
                found = rows_hash(&self.connection, &self.path, &accounting)?;
                accounting.units.clone_from(&found.units);
                accounting.units.sort_by_key(|seen| seen.first_row);
            }
        }
        Ok(Loaded { accounting, found, digest: None })
    }

    /// Makes a derived data set of the rows that are in; none where that cannot be.
    fn derive(&mut self, dataset: Dataset) -> Result<Option<Loaded>, ExtractError> {
        let made = derive::make(&self.connection, dataset, (&self.folder, &self.path))?;
        let Some((accounting, sorted)) = made else { return Ok(None) };
        let found = self.append(dataset, sorted)?;
        Ok(Some(Loaded { accounting, found, digest: None }))
    }

    /// Writes rows as they are merged; the merge and the hash are made by a second thread.
    fn append(&self, dataset: Dataset, sorted: Sorted) -> Result<RowsHash, ExtractError> {
        let writing = store_error(&self.path, "writing a row");
        std::thread::scope(|scope| {
            let (sender, batches) = sync_channel(2);
            let folder = &self.folder;
            let merging = scope.spawn(move || hand_over(sorted, folder, &sender));
            let mut writer = Writer::new(&self.connection, dataset).map_err(&writing)?;
            for batch in batches {
                writer.write(&batch).map_err(&writing)?;
            }
            writer.end_code().map_err(&writing)?;
            let stopped =
                |_| io_error(&self.folder, "merging the rows", io::Error::other("the thread ended"));
            let rows = merging.join().map_err(stopped)??;
            writer.units.sort_by_key(|seen| seen.unit.name());
            Ok(RowsHash { rows, count: writer.count, units: writer.units })
        })
    }

    /// Removes it, so that another may be made in the folder.
    pub(super) fn discard(self) -> Result<(), ExtractError> {
        let Draft { connection, path, .. } = self;
        drop(connection);
        fs::remove_file(&path).map_err(|source| io_error(&path, "removing an unfinished snapshot", source))
    }

    /// Writes what is known of the whole and closes the file.
    fn finish(self, all: &[(String, Loaded)]) -> Result<(), ExtractError> {
        let Draft { connection, path, .. } = self;
        let writing = store_error(&path, "finishing the snapshot");
        let name = |one: &Loaded| one.accounting.dataset.name();
        let content = content_hash(all.iter().map(|(_, one)| (&one.accounting, &one.found)));
        let id = extract_id(&content, all.iter().map(|(text, one)| (name(one), text.as_str())));
        let write = || -> rusqlite::Result<()> {
            for (text, one) in all {
                connection.execute("INSERT INTO description VALUES (?1, ?2)", (name(one), text))?;
                let account = serde_json::to_string(&one.accounting)
                    .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
                let name = name(one);
                connection
                    .execute("INSERT INTO accounting (dataset, account) VALUES (?1, ?2)", (name, account))?;
                if let Some(digest) = &one.digest {
                    connection.execute("INSERT INTO pushed VALUES (?1, ?2)", (name, digest))?;
                }
                for seen in &one.found.units {
                    let counts =
                        [seen.rows, seen.first_row].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
                    connection.execute(
                        "INSERT INTO unit VALUES (?1, ?2, ?3, ?4)",
                        (name, seen.unit.name(), counts[0], counts[1]),
                    )?;
                }
            }
            connection.execute("INSERT INTO extract VALUES (?1, ?2)", (&id.0[..], &content.0[..]))?;
            connection.execute_batch("COMMIT")
        };
        write().map_err(&writing)?;
        connection.close().map_err(|(_, error)| writing(error))
    }
}

/// Rows that were merged, one behind the other.
#[derive(Default)]
struct Batch {
    keys: Vec<u8>,
    /// Of each row: where its key ends, and its line in the file.
    rows: Vec<(usize, u64)>,
}

/// Merges, hashes and hands over; the hash of all keys in order.
fn hand_over(sorted: Sorted, folder: &Path, batches: &SyncSender<Batch>) -> Result<[u8; 32], ExtractError> {
    // A writer that failed takes no more; its own error is the one that is told.
    let hand = |batch| {
        let refused = |_| io_error(folder, "writing the rows", io::Error::other("the writer ended"));
        batches.send(batch).map_err(refused)
    };
    let mut hash = Sha256::new();
    let mut batch = Batch::default();
    sorted.each(&mut |key, line| {
        hash.update(key);
        batch.keys.extend_from_slice(key);
        batch.rows.push((batch.keys.len(), line));
        if batch.keys.len() >= BATCH { hand(std::mem::take(&mut batch)) } else { Ok(()) }
    })?;
    hand(batch)?;
    Ok(hash.finalize().into())
}

/// Inserts rows that come in order, and each code once its last row is in.
struct Writer<'c> {
    row: Statement<'c>,
    code: Statement<'c>,
    width: usize,
    /// Where the unit stands among the values, in a data set that has one.
    unit_at: Option<usize>,
    count: u64,
    seq: i64,
    current: Option<(String, i64)>,
    units: Vec<UnitSeen>,
}

impl<'c> Writer<'c> {
    fn new(connection: &'c Connection, dataset: Dataset) -> rusqlite::Result<Writer<'c>> {
        Ok(Writer {
            row: connection.prepare(&schema::insert_row(dataset))?,
            code: connection.prepare(&schema::insert_code(dataset))?,
            width: key::others(dataset).count(),
            unit_at: key::others(dataset).position(|column| column == Column::Unit).map(|place| place + 2),
            count: 0,
            seq: 0,
            current: None,
            units: Vec::new(),
        })
    }

    fn write(&mut self, batch: &Batch) -> rusqlite::Result<()> {
        let mut start = 0;
        for (end, line) in &batch.rows {
            let key = batch.keys.get(start..*end).unwrap_or_default();
            start = *end;
            self.write_row(key, *line)?;
        }
        Ok(())
    }

    fn write_row(&mut self, mut key: &[u8], line: u64) -> rusqlite::Result<()> {
        let unreadable = || rusqlite::Error::InvalidQuery;
        let Some(Part::Text(code)) = key::take(&mut key) else { return Err(unreadable()) };
        if self.current.as_ref().is_none_or(|(current, _)| current != code) {
            self.end_code()?;
            self.current = Some((code.to_owned(), self.seq + 1));
        }
        self.seq += 1;
        self.count += 1;
        self.row.raw_bind_parameter(1, self.seq)?;
        for place in 2..self.width + 2 {
            match key::take(&mut key).ok_or_else(unreadable)? {
                Part::Absent => self.row.raw_bind_parameter(place, Null)?,
                Part::Text(text) => {
                    if Some(place) == self.unit_at {
                        count_unit(&mut self.units, Unit::parse(text).ok_or_else(unreadable)?, line);
                    }
                    self.row.raw_bind_parameter(place, text)?;
                }
                Part::Quantity(quantity) => self.row.raw_bind_parameter(place, quantity)?,
            }
        }
        self.row.raw_bind_parameter(self.width + 2, i64::try_from(line).unwrap_or(i64::MAX))?;
        self.row.raw_execute().map(drop)
    }

    fn end_code(&mut self) -> rusqlite::Result<()> {
        match self.current.take() {
            Some((code, first)) => self.code.execute((code, first, self.seq)).map(drop),
            None => Ok(()),
        }
    }
}

/// A new file that only this account can read.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}
