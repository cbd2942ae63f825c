//! What this agent has promised, spent and released: a hash-chained list that only grows.
//!
//! Owns the database in the state folder, its migrations and the lock that lets one agent alone use it. A
//! record is durable when `append` returns, and only then may the message that depends on it leave. A
//! write that failed ends the process: what the disk holds is then unknown. It must not know what a record
//! means for the next session. What is pinned besides (`Pins`) lives in the same file.

mod pins;
mod tree_head;

#[cfg(test)]
mod tests;

pub use pins::{Enrolment, Pins, StoredRoster};
pub use tree_head::KeptHead;

use crate::audit::LogError;
use crate::clock::now;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use rustix::fs::{FlockOperation, flock};
use samensom_protocol::crypto::transcript::{Label, Transcript};
use samensom_protocol::io::Record;
use samensom_protocol::time::Time;
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Each brings the database from the version before; the version is the count of those applied.
const MIGRATIONS: [&str; 1] = [include_str!("ledger/0001_start.sql")];
const DATABASE: &str = "node.db";
const LOCK: &str = "run.lock";

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another agent runs over the same folder.
    #[error(
        "{dir}: another samensom-node runs over this state folder\n  expected: one\n  do: stop the other \
         (`systemctl stop samensom-node`), or give this one a state folder of its own"
    )]
    InUse {
        /// The state folder.
        dir: String,
    },
    /// The folder or the file cannot be opened.
    #[error(
        "{path}: cannot be opened: {reason}\n  expected: a folder and file that this user may write\n  \
         do: check owner and rights of the state folder (node.state)"
    )]
    Open {
        /// Which.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// There is no database.
    #[error(
        "{path}: not there\n  expected: the state of an enrolled agent\n  do: run `samensom-node enroll --token-file FILE` \
         first, or name the right state folder (node.state)"
    )]
    Absent {
        /// Where it was looked for.
        path: String,
    },
    /// A later version of this program made it.
    #[error("{path}: made by a newer samensom-node (state version {found}, at most {} known)\n  do: install the newer version; never go \
         back over a state folder", MIGRATIONS.len())]
    Newer {
        /// Which.
        path: String,
        /// Its version.
        found: i64,
    },
    /// A record is not as it was written.
    #[error(
        "{path}: the ledger is broken at record {seq}: {what}\n  expected: every record as this agent wrote it\n  do: do not \
         repair it and do not start anew over it. Keep a copy of the folder and call LCG; a disk that was restored or \
         changed needs a roster signer to resume"
    )]
    BrokenChain {
        /// Which file.
        path: String,
        /// The first record that does not fit.
        seq: u64,
        /// How.
        what: &'static str,
    },
    /// Reading or writing failed.
    #[error(
        "{path}: {doing} failed: {reason}\n  do: check disk space and disk health, then start again; nothing that depends on it has left \
         this machine"
    )]
    Disk {
        /// Which file.
        path: String,
        /// `reading` or `writing`.
        doing: &'static str,
        /// What the system said.
        reason: String,
    },
    /// The audit log failed, so that nothing may be done.
    #[error(transparent)]
    Audit(#[from] LogError),
    /// An earlier write failed, so what the disk holds is unknown.
    #[error("an earlier write to the ledger failed; this process must end")]
    Unknown,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// From 1.
    pub seq: u64,
    /// When it was written.
    pub at: Time,
    /// What.
    pub record: Record,
}

/// The ledger of one agent.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    path: PathBuf,
    seq: u64,
    head: [u8; 32],
    failed: bool,
    /// Held as long as this lives; `None` when it is only read.
    _lock: Option<File>,
}

/// True if an agent runs over this state folder.
#[must_use]
pub fn is_running(dir: &Path) -> bool {
    File::open(dir.join(LOCK)).is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockShared).is_err())
}

/// Makes the state folder, for this user alone, if it is not there.
///
/// # Errors
/// `Open` when it cannot be made.
pub fn make_state_dir(dir: &Path) -> Result<(), LedgerError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| open_error(dir, &error))
}

impl Ledger {
    /// Opens the ledger to write, alone, and verifies it from the first record to the last.
    ///
    /// # Errors
    /// `InUse` when another agent has it, `BrokenChain` when it is not as it was written.
    pub fn open(dir: &Path) -> Result<Ledger, LedgerError> {
        make_state_dir(dir)?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(dir.join(LOCK));
        let lock = lock.map_err(|error| open_error(&dir.join(LOCK), &error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| LedgerError::InUse { dir: dir.display().to_string() })?;
        let path = dir.join(DATABASE);
        Ledger::verified(open_to_write(&path, &MIGRATIONS)?, path, Some(lock))
    }

    /// Opens the ledger to read, beside an agent that may run.
    ///
    /// # Errors
    /// `Absent` when there is none, `BrokenChain` when it is not as it was written.
    pub fn open_to_read(dir: &Path) -> Result<Ledger, LedgerError> {
        let path = dir.join(DATABASE);
        Ledger::verified(open_to_read(&path)?, path, None)
    }

    fn verified(connection: Connection, path: PathBuf, lock: Option<File>) -> Result<Ledger, LedgerError> {
        let mut ledger = Ledger { connection, path, seq: 0, head: [0; 32], failed: false, _lock: lock };
        let mut end = (0, [0; 32]);
        ledger.each(|entry, hash| end = (entry.seq, *hash))?;
        (ledger.seq, ledger.head) = end;
        Ok(ledger)
    }

    /// Adds a record. It is on the disk when this returns its number.
    ///
    /// # Errors
    /// `Disk` when it could not be written; the process must end, and this ledger refuses all further use.
    pub fn append(&mut self, record: &Record) -> Result<u64, LedgerError> {
        if self.failed {
            return Err(LedgerError::Unknown);
        }
        self.failed = true;
        let body =
            serde_json::to_string(record).map_err(|error| disk_error(&self.path, "writing", &error))?;
        let (seq, at) = (self.seq.saturating_add(1), now());
        let hash = chain(&self.head, seq, at, &body);
        let add = "INSERT INTO record (seq, at_ms, body, previous, hash) VALUES (?1, ?2, ?3, ?4, ?5)";
        self.connection
            .execute(add, (signed(seq), signed(at.0), &body, &self.head[..], &hash[..]))
            .map_err(|error| disk_error(&self.path, "writing", &error))?;
        self.failed = false;
        (self.seq, self.head) = (seq, hash);
        Ok(seq)
    }

    /// Number of the last record; 0 when there is none.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Size of the database in bytes, with what waits to be folded into it.
    #[must_use]
    pub fn size(&self) -> u64 {
        let size = |path: &Path| path.metadata().map_or(0, |file| file.len());
        size(&self.path).saturating_add(size(&self.path.with_extension("db-wal")))
    }

    /// Every record, in order.
    ///
    /// # Errors
    /// `BrokenChain` or `Disk`.
    pub fn records(&self) -> Result<Vec<Record>, LedgerError> {
        Ok(self.entries()?.into_iter().map(|entry| entry.record).collect())
    }

    /// Every record with its number and time, in order.
    ///
    /// # Errors
    /// `BrokenChain` or `Disk`.
    pub fn entries(&self) -> Result<Vec<Entry>, LedgerError> {
        let mut entries = Vec::new();
        self.each(|entry, _| entries.push(entry))?;
        Ok(entries)
    }

    /// Verifies the chain and shows every entry and its hash.
    fn each(&self, mut show: impl FnMut(Entry, &[u8; 32])) -> Result<(), LedgerError> {
        let unreadable = |error: rusqlite::Error| disk_error(&self.path, "reading", &error);
        let all = "SELECT seq, at_ms, body, previous, hash FROM record ORDER BY seq";
        let mut statement = self.connection.prepare(all).map_err(unreadable)?;
        let mut rows = statement.query(()).map_err(unreadable)?;
        let (mut expected, mut head) = (1u64, [0u8; 32]);
        while let Some(row) = rows.next().map_err(unreadable)? {
            let broken = |what| LedgerError::BrokenChain {
                path: self.path.display().to_string(),
                seq: expected,
                what,
            };
            let (seq, at): (i64, i64) = (row.get(0).map_err(unreadable)?, row.get(1).map_err(unreadable)?);
            // Text that is no longer UTF-8 is a broken record, not an unreadable disk.
            let body: String = row.get(2).map_err(|_| broken("its text is damaged"))?;
            let previous: [u8; 32] = row.get(3).map_err(unreadable)?;
            let hash: [u8; 32] = row.get(4).map_err(unreadable)?;
            let (seq, at) = (unsigned(seq), Time(unsigned(at)));
            if seq != expected {
                return Err(broken("it is missing"));
            }
            if previous != head {
                return Err(broken("it does not follow the one before it"));
            }
            if chain(&previous, seq, at, &body) != hash {
                return Err(broken("it was changed"));
            }
            let record = serde_json::from_str(&body).map_err(|_| broken("this program cannot read it"))?;
            show(Entry { seq, at, record }, &hash);
            (expected, head) = (expected.saturating_add(1), hash);
        }
        Ok(())
    }
}

fn chain(previous: &[u8; 32], seq: u64, at: Time, body: &str) -> [u8; 32] {
    Transcript::new(Label::Chain).fixed(previous).u64(seq).u64(at.0).bytes(body.as_bytes()).finish()
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn open_to_write(path: &Path, migrations: &[&str]) -> Result<Connection, LedgerError> {
    let mut connection = Connection::open(path).map_err(|error| open_error(path, &error))?;
    set_up(&connection, path)?;
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
        .map_err(|error| open_error(path, &error))?;
    let failed = |error: rusqlite::Error| disk_error(path, "writing", &error);
    // Immediate: two programs that start at once migrate one after the other.
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let have = version(&change, path)?;
    for (number, migration) in (1i64..).zip(migrations) {
        if number > have {
            change.execute_batch(migration).map_err(failed)?;
            change.pragma_update(None, "user_version", number).map_err(failed)?;
        }
    }
    change.commit().map_err(failed)?;
    Ok(connection)
}

fn open_to_read(path: &Path) -> Result<Connection, LedgerError> {
    let absent = || LedgerError::Absent { path: path.display().to_string() };
    if !path.exists() {
        return Err(absent());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| open_error(path, &error))?;
    set_up(&connection, path)?;
    if version(&connection, path)? == 0 { Err(absent()) } else { Ok(connection) }
}

fn set_up(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    let wait = connection.busy_timeout(Duration::from_secs(5));
    // Small caches: the file is small, and so is this program to be.
    let set = "PRAGMA trusted_schema = OFF; PRAGMA cache_size = -256;";
    wait.and_then(|()| connection.execute_batch(set)).map_err(|error| open_error(path, &error))
}

fn version(connection: &Connection, path: &Path) -> Result<i64, LedgerError> {
    let found: i64 = connection
        .query_row("PRAGMA user_version", (), |row| row.get(0))
        .map_err(|error| open_error(path, &error))?;
    if usize::try_from(found).is_ok_and(|found| found <= MIGRATIONS.len()) {
        return Ok(found);
    }
    Err(LedgerError::Newer { path: path.display().to_string(), found })
}

fn open_error(path: &Path, reason: &dyn std::fmt::Display) -> LedgerError {
    LedgerError::Open { path: path.display().to_string(), reason: reason.to_string() }
}

fn disk_error(path: &Path, doing: &'static str, reason: &dyn std::fmt::Display) -> LedgerError {
    LedgerError::Disk { path: path.display().to_string(), doing, reason: reason.to_string() }
}
