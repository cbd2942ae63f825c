//! Table `report_block`: masked reports, block by block as they come, so that memory never holds them all.

use super::Store;
use crate::error::Error;
use rusqlite::{OptionalExtension, params};
use samensom_protocol::ids::{AttemptId, NodeId};

impl Store {
    /// Keeps a block; the same block again changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub fn spool(&self, sid: &AttemptId, node: NodeId, block: u32, bytes: &[u8]) -> Result<(), Error> {
        self.spool_all(sid, &[(node, block, bytes)])
    }

    /// Keeps blocks of several reports with one sync.
    ///
    /// # Errors
    /// When the database fails; then none is kept.
    pub fn spool_all(&self, sid: &AttemptId, blocks: &[(NodeId, u32, &[u8])]) -> Result<(), Error> {
        self.write(|tx| {
            let mut insert = tx.prepare_cached(
                "/* spool_all */ INSERT INTO report_block (sid, node, block, bytes)
                 VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            )?;
            for (node, block, bytes) in blocks {
                insert.execute(params![sid.0, node.0, block, bytes])?;
            }
            Ok(())
        })
    }

    /// A block; none when it never came.
    ///
    /// # Errors
    /// When the database fails.
    pub fn spooled(&self, sid: &AttemptId, node: NodeId, block: u32) -> Result<Option<Vec<u8>>, Error> {
        let db = self.db();
        let mut row = db.prepare_cached(
            "/* spooled */ SELECT bytes FROM report_block WHERE sid = ?1 AND node = ?2 AND block = ?3",
        )?;
        Ok(row.query_row(params![sid.0, node.0, block], |row| row.get(0)).optional()?)
    }

    /// Drops the blocks of an attempt that will never be opened, or whose bundle holds them.
    ///
    /// # Errors
    /// When the database fails.
    pub fn drop_spool(&self, sid: &AttemptId) -> Result<(), Error> {
        self.write(|tx| {
            tx.execute("/* drop_spool */ DELETE FROM report_block WHERE sid = ?1", [sid.0])?;
            Ok(())
        })
    }
}
