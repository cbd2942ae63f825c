//! Table `result`: which attempt gave a session its sum, and where the bundle lies.

use super::{Store, hex_prefix, ms, only, transparency, unsigned};
use crate::error::Error;
use rusqlite::{OptionalExtension as _, Row, params};
use samensom_protocol::ids::{AttemptId, SessionId};
use samensom_protocol::time::Time;
use samensom_protocol::transparency::{Ending, Entry};
use serde::{Deserialize, Serialize};

/// A finished session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Identity.
    pub session: SessionId,
    /// The attempt that gave the sum.
    pub sid: AttemptId,
    /// Path of the bundle, below the data folder.
    pub bundle: String,
    /// When.
    pub finished_at: Time,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Finished> {
    Ok(Finished {
        session: SessionId(row.get(0)?),
        sid: AttemptId(row.get(1)?),
        bundle: row.get(2)?,
        finished_at: Time(unsigned(row.get(3)?)),
    })
}

impl Store {
    /// Keeps where the result of a session lies, and that the session is done.
    ///
    /// # Errors
    /// When the session never started, has a result already, or the database fails.
    pub fn put_result(&self, finished: &Finished) -> Result<(), Error> {
        self.write(|tx| {
            tx.execute(
                "/* put_result */ INSERT INTO result (session, sid, bundle, finished_at)
                 VALUES (?1, ?2, ?3, ?4)",
                params![finished.session.0, finished.sid.0, finished.bundle, ms(finished.finished_at)],
            )?;
            tx.execute(
                "/* put_result */ UPDATE session SET state = 'done', failure = NULL WHERE session = ?1",
                [finished.session.0],
            )?;
            let ending = Ending::Sum;
            transparency::add(
                tx,
                &Entry::Ended { session: finished.session, attempt: Some(finished.sid), ending },
            )
        })
    }

    /// The result of the session whose id, or the start of whose id, this is.
    ///
    /// # Errors
    /// When none or more than one begins so.
    pub fn result(&self, typed: &str) -> Result<Finished, Error> {
        let prefix = hex_prefix(typed)?;
        let db = self.db();
        let mut rows = db.prepare(
            "/* result */ SELECT session, sid, bundle, finished_at FROM result
             WHERE lower(hex(session)) LIKE ?1 || '%' LIMIT 2",
        )?;
        let found = rows.query_map([&prefix], read)?.collect::<Result<Vec<_>, _>>()?;
        only(found, "result of a session", typed)
    }

    /// The newest result of the same query in an earlier slot, whichever version and parameters it had.
    ///
    /// # Errors
    /// When the database fails.
    pub fn result_before(&self, session: &SessionId) -> Result<Option<Finished>, Error> {
        let db = self.db();
        let mut rows = db.prepare(
            "/* result_before */ SELECT other.session, other.sid, other.bundle, other.finished_at
             FROM session AS own JOIN warrant AS asked ON asked.hash = own.warrant
             JOIN warrant AS earlier ON earlier.query_id = asked.query_id
             JOIN session AS ran ON ran.warrant = earlier.hash AND ran.slot < own.slot
             JOIN result AS other ON other.session = ran.session
             WHERE own.session = ?1 ORDER BY ran.slot DESC, other.finished_at DESC LIMIT 1",
        )?;
        Ok(rows.query_row([session.0], read).optional()?)
    }

    /// Every result, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn results(&self) -> Result<Vec<Finished>, Error> {
        let db = self.db();
        let mut rows = db.prepare(
            "/* results */ SELECT session, sid, bundle, finished_at FROM result
             ORDER BY finished_at DESC, session",
        )?;
        Ok(rows.query_map([], read)?.collect::<Result<_, _>>()?)
    }
}
