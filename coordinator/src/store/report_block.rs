//! Table `report_block`: masked reports, block by block as they come, so that memory never holds them all.

use super::Store;
use crate::error::Error;
use rusqlite::{OptionalExtension, Transaction, params};
use samensom_protocol::ids::{AttemptId, NodeId, SessionId};

/// Keeps blocks; one that comes again takes the place of the first.
pub(super) fn insert(
    tx: &Transaction<'_>,
    blocks: &[(AttemptId, NodeId, u32, Vec<u8>)],
) -> Result<(), Error> {
    let mut insert = tx.prepare_cached(
        "/* insert */ INSERT INTO report_block (sid, node, block, bytes) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET bytes = excluded.bytes",
    )?;
    for (sid, node, block, bytes) in blocks {
        insert.execute(params![sid.0, node.0, block, bytes])?;
    }
    Ok(())
}

/// Drops the blocks of a session that will never be opened.
pub(super) fn forget(tx: &Transaction<'_>, session: &SessionId) -> Result<(), Error> {
    tx.execute(
        "/* forget */ DELETE FROM report_block WHERE sid IN (SELECT sid FROM attempt WHERE session = ?1)",
        [session.0],
    )?;
    Ok(())
}

impl Store {
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
}
