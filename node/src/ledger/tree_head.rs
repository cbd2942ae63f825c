//! The head of the coordinator's transparency log that was believed last: one row of a database of
//! its own, so that it never waits for the ledger, nor the ledger for it.
//!
//! Durable when `keep` returns. It must not know what makes a head believed (`transparency.rs` does).

use super::{LedgerError, disk_error, make_state_dir, open_to_write, signed, unsigned};
use rusqlite::{Connection, OptionalExtension};
use samensom_protocol::codec::Bytes;
use samensom_protocol::ids::TreeRoot;
use samensom_protocol::transparency::{SignedTreeHead, TreeHead};
use std::path::{Path, PathBuf};

const DATABASE: &str = "tree.db";
const MIGRATIONS: [&str; 1] = [include_str!("tree_head.sql")];

/// The row.
#[derive(Debug)]
pub struct KeptHead {
    connection: Connection,
    path: PathBuf,
}

impl KeptHead {
    /// Opens the state to write, making it if it is not there.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(dir: &Path) -> Result<KeptHead, LedgerError> {
        make_state_dir(dir)?;
        let path = dir.join(DATABASE);
        Ok(KeptHead { connection: open_to_write(&path, &MIGRATIONS)?, path })
    }

    /// What is kept; none before the first contact.
    ///
    /// # Errors
    /// `Disk`.
    pub fn read(&self) -> Result<Option<SignedTreeHead>, LedgerError> {
        let ask = "SELECT size, root, signature FROM tree_head";
        let row = self.connection.query_row(ask, (), |row| {
            let head = TreeHead { size: unsigned(row.get(0)?), root: TreeRoot(row.get(1)?) };
            Ok(SignedTreeHead { head, signature: Bytes(row.get(2)?) })
        });
        row.optional().map_err(|error| disk_error(&self.path, "reading", &error))
    }

    /// Keeps a head in place of the one before.
    ///
    /// # Errors
    /// `Disk`, also for a shorter one.
    pub fn keep(&self, shown: &SignedTreeHead) -> Result<(), LedgerError> {
        let keep = "INSERT INTO tree_head (one, size, root, signature) VALUES (1, ?1, ?2, ?3)
                    ON CONFLICT (one) DO UPDATE SET size = excluded.size, root = excluded.root, signature = excluded.signature";
        let row = (signed(shown.head.size), &shown.head.root.0[..], &shown.signature.0[..]);
        self.connection.execute(keep, row).map_err(|error| disk_error(&self.path, "writing", &error))?;
        Ok(())
    }

    /// Keeps none: the next head that the coordinator shows is the first.
    ///
    /// # Errors
    /// `Disk`.
    pub fn forget(&self) -> Result<(), LedgerError> {
        let forget = self.connection.execute("DELETE FROM tree_head", ());
        forget.map(|_| ()).map_err(|error| disk_error(&self.path, "writing", &error))
    }
}
