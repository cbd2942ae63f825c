//! Table `record`: what the coordinator must not forget of an attempt, synced before anything leaves.

use super::{Store, damaged};
use crate::error::Error;
use rusqlite::params;
use samensom_protocol::ids::AttemptId;
use samensom_protocol::io::Record;

impl Store {
    /// Appends a record of an attempt; synced when this returns.
    ///
    /// # Errors
    /// When the database fails: the record may not be on the disk, so nothing after it may leave and the
    /// program must end.
    pub fn append_record(&self, sid: &AttemptId, record: &Record) -> Result<(), Error> {
        self.append_records(sid, core::slice::from_ref(record))
    }

    /// Appends records of an attempt in order, with one sync for all of them.
    ///
    /// # Errors
    /// When the database fails; then none is kept.
    pub fn append_records(&self, sid: &AttemptId, records: &[Record]) -> Result<(), Error> {
        let bodies: Vec<String> = records
            .iter()
            .map(|record| serde_json::to_string(record).map_err(|why| damaged("record", &why)))
            .collect::<Result<_, _>>()?;
        self.write(|tx| {
            let mut insert = tx.prepare_cached(
                "/* append_records */ INSERT INTO record (sid, seq, body)
                 SELECT ?1, coalesce(max(seq) + 1, 0), ?2 FROM record WHERE sid = ?1",
            )?;
            for body in &bodies {
                insert.execute(params![sid.0, body])?;
            }
            Ok(())
        })
    }

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
