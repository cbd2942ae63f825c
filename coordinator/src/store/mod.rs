//! LCG's store: one SQLite file, opened, migrated, and used through named functions only.
//!
//! All SQL of this program lives below this module, a file per table; every statement begins with the name
//! of its function. Commits are synced before a function returns. It must not know sessions or commands.

mod attempt;
mod bad_pair;
mod bound;
mod hospital;
mod record;
mod report_block;
mod result;
mod roster;
mod session;
mod token;
mod transparency;
mod warrant;

pub use attempt::{Attempt, Batch, Interrupted};
pub use hospital::{Hospital, Mark, State};
pub use result::Finished;
pub use roster::{Proposal, Signing};
pub use session::{SessionRow, SessionState};
pub use transparency::Grown;
pub use warrant::WarrantRow;

use crate::audit::{Audit, Event};
use crate::error::Error;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use samensom_protocol::crypto::tree::Tree;
use samensom_protocol::roster::Roster;
use samensom_protocol::time::Time;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Steps from an empty file to the present version, in order; never edited, only added to.
const MIGRATIONS: [&str; 6] = [
    include_str!("../../migrations/0001_start.sql"),
    include_str!("../../migrations/0002_attempt.sql"),
    include_str!("../../migrations/0003_bad_pair.sql"),
    include_str!("../../migrations/0004_membership.sql"),
    include_str!("../../migrations/0005_request.sql"),
    include_str!("../../migrations/0006_transparency.sql"),
];
/// A command waits this long for another one's transaction.
const BUSY: Duration = Duration::from_secs(10);

/// The open store.
pub struct Store {
    db: Mutex<Connection>,
    head: watch::Sender<Arc<Roster>>,
    broken: watch::Sender<Option<Error>>,
    audit: OnceLock<Audit>,
    /// Over the transparency log, as far as it was read.
    tree: Mutex<Tree>,
}

impl core::fmt::Debug for Store {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Makes the file of a new data folder, with the founding roster in it.
    ///
    /// # Errors
    /// When the file exists with a roster in it, the roster is none, or the disk fails.
    pub fn create(path: &Path, founding: &samensom_protocol::roster::SignedRoster) -> Result<Store, Error> {
        let mut db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        migrate(&mut db)?;
        let head = roster::found(&mut db, founding)?;
        Ok(Store {
            db: Mutex::new(db),
            head: watch::Sender::new(Arc::new(head)),
            broken: watch::Sender::default(),
            audit: OnceLock::new(),
            tree: Mutex::default(),
        })
    }

    /// Opens the store for reading and writing, bringing it to the present version.
    ///
    /// # Errors
    /// When there is none, it is of a newer program, its roster chain does not verify, or the disk fails.
    pub fn open(path: &Path) -> Result<Store, Error> {
        let mut db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        migrate(&mut db)?;
        roster::log_chain(&mut db)?;
        Store::loaded(db)
    }

    /// Opens the store for reading; a running server is not disturbed.
    ///
    /// # Errors
    /// As [`Store::open`]; and when the file is of an older program.
    pub fn open_read_only(path: &Path) -> Result<Store, Error> {
        let db = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let version = version(&db)?;
        if version != MIGRATIONS.len() {
            return Err(wrong_version(version).remedy("start `samensom serve` once with this program"));
        }
        Store::loaded(db)
    }

    fn loaded(db: Connection) -> Result<Store, Error> {
        let head = roster::load_head(&db)?;
        Ok(Store {
            db: Mutex::new(db),
            head: watch::Sender::new(Arc::new(head)),
            broken: watch::Sender::default(),
            audit: OnceLock::new(),
            tree: Mutex::default(),
        })
    }

    /// Runs `work` on a thread that may block; the way to use the store from async code.
    ///
    /// # Errors
    /// What `work` returns, or that it did not end.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Store) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let store = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&store))
            .await
            .unwrap_or_else(|why| Err(Error::machine(format!("work on the store did not end: {why}"))))
    }

    /// Everything that follows is told in this log before it is done.
    pub fn audited(&self, audit: Audit) {
        // Once, when the server starts.
        let _ = self.audit.set(audit);
    }

    /// Adds records to the audit log; when they cannot be written the program must end.
    ///
    /// # Errors
    /// What the disk says.
    pub fn tell(&self, events: Vec<Event>) -> Result<(), Error> {
        self.logged(|audit| audit.tell_all(events))
    }

    /// Does this with the audit log; when that fails the program must end.
    ///
    /// # Errors
    /// What `work` returns.
    pub fn logged<T: Default>(&self, work: impl FnOnce(&Audit) -> Result<T, Error>) -> Result<T, Error> {
        let done = self.audit.get().map_or_else(|| Ok(T::default()), work);
        if let Err(why) = &done {
            self.broken.send_replace(Some(why.clone()));
        }
        done
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does all of `work` or nothing, and syncs it.
    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let written = || {
            let mut db = self.db();
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&tx)?;
            tx.commit()?;
            Ok(value)
        };
        let written = written();
        if let Err(error @ Error::Disk(_)) = &written {
            self.broken.send_replace(Some(error.clone()));
        }
        written
    }

    /// Says that the program must end: what it was to keep could not be kept.
    pub fn give_up(&self, why: Error) {
        self.broken.send_replace(Some(why));
    }

    /// Resolves once a write failed by the disk. What it holds is then unknown: the program must end.
    pub async fn broken(&self) -> Error {
        let mut broken = self.broken.subscribe();
        let failed = broken.wait_for(Option::is_some).await;
        failed.ok().and_then(|why| why.clone()).unwrap_or_else(|| Error::machine("the store is gone"))
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(|why| {
        Error::asked(format!("cannot open the store: {why}"))
            .place(path.display().to_string())
            .expected("the data folder that `samensom init` made")
            .remedy("run `samensom init`, or name the folder with --data")
    })?;
    db.busy_timeout(BUSY)?;
    db.pragma_update(None, "foreign_keys", true)?;
    if !flags.contains(OpenFlags::SQLITE_OPEN_READ_ONLY) {
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "trusted_schema", false)?;
    }
    Ok(db)
}

fn version(db: &Connection) -> Result<usize, Error> {
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

fn wrong_version(found: usize) -> Error {
    Error::asked(format!("the store has version {found}"))
        .place("samensom.db")
        .expected(format!("version {}", MIGRATIONS.len()))
}

fn migrate(db: &mut Connection) -> Result<(), Error> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&tx)?;
    if found > MIGRATIONS.len() {
        return Err(wrong_version(found).remedy("use the program that wrote it, or a newer one"));
    }
    for step in MIGRATIONS.iter().skip(found) {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "user_version", i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX))?;
    tx.commit()?;
    Ok(())
}

/// SQLite's integers are signed; no time or slot reaches their end.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn ms(time: Time) -> i64 {
    signed(time.0)
}

/// A row of ours that cannot be read back: the file was changed by something else.
fn damaged(table: &str, why: &dyn core::fmt::Display) -> Error {
    Error::machine(format!("a row of `{table}` cannot be read: {why}"))
        .place("samensom.db")
        .remedy("restore a backup of the data folder")
}

/// The lower-case hexadecimal start of an id, as people type it.
fn hex_prefix(typed: &str) -> Result<String, Error> {
    let typed = typed.trim().to_ascii_lowercase();
    if typed.is_empty() || typed.len() > 64 || !typed.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Error::asked(format!("`{typed}` is not the start of an id"))
            .expected("1 to 64 hexadecimal digits"));
    }
    Ok(typed)
}

/// The only row that an id's start names.
fn only<T>(mut found: Vec<T>, what: &str, typed: &str) -> Result<T, Error> {
    match (found.pop(), found.is_empty()) {
        (Some(row), true) => Ok(row),
        (Some(_), false) => {
            Err(Error::asked(format!("more than one {what} begins with `{typed}`")).remedy("type more of it"))
        }
        (None, _) => Err(Error::asked(format!("there is no {what} that begins with `{typed}`"))
            .remedy("check the id; it was printed when it was made")),
    }
}

#[cfg(test)]
pub(crate) mod tests;
