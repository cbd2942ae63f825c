//! Table `record`: what the coordinator must not forget of an attempt, synced before anything leaves.

use super::{Store, damaged};
use crate::error::Error;
use rusqlite::{Transaction, params};
use samensom_protocol::ids::AttemptId;
use samensom_protocol::io::Record;

/// Appends a record of an attempt.
pub(super) fn insert(tx: &Transaction<'_>, sid: &AttemptId, record: &Record) -> Result<(), Error> {
    let body = serde_json::to_string(record).map_err(|why| damaged("record", &why))?;
    let mut insert = tx.prepare_cached(
        "/* insert */ INSERT INTO record (sid, seq, body)
         SELECT ?1, coalesce(max(seq) + 1, 0), ?2 FROM record WHERE sid = ?1",
    )?;
    insert.execute(params![sid.0, body])?;
    Ok(())
}

impl Store {
    /// Every record of an attempt, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn records(&self, sid: &AttemptId) -> Result<Vec<Record>, Error> {
        let db = self.db();
        let mut rows =
            db.prepare_cached("/* records */ SELECT body FROM record WHERE sid = ?1 ORDER BY seq")?;
        let found = rows.query_map([sid.0], |row| row.get::<_, String>(0))?;
        found.map(|body| serde_json::from_str(&body?).map_err(|why| damaged("record", &why))).collect()
    }
}
