//! Table `session`: runs of a warrant and how they ended.

use super::{Store, damaged, ms, signed, transparency, unsigned};
use crate::error::Error;
use rusqlite::{OptionalExtension, Transaction, params};
use samensom_protocol::ids::{AttemptId, SessionId, WarrantHash};
use samensom_protocol::io::{Failure, FailureCode};
use samensom_protocol::time::Time;
use samensom_protocol::transparency::{Ending, Entry};
use serde::{Deserialize, Serialize};

/// How far a session is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionState {
    /// Not ended, or the program ended before it.
    Running,
    /// There is a result.
    Done,
    /// There is none.
    Failed(Failure),
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Identity.
    pub session: SessionId,
    /// What runs.
    pub warrant: WarrantHash,
    /// Slot of the lock.
    pub slot: u64,
    /// The last start.
    pub started_at: Time,
    /// How far it is.
    pub state: SessionState,
}

/// Enters the end of a session, with its last attempt, into the transparency log.
fn log_end(tx: &Transaction<'_>, session: &SessionId, ending: Ending) -> Result<(), Error> {
    let last: Option<[u8; 32]> = tx
        .query_row(
            "/* log_end */ SELECT sid FROM attempt WHERE session = ?1 ORDER BY opened_at DESC, rowid DESC LIMIT 1",
            [session.0],
            |row| row.get(0),
        )
        .optional()?;
    transparency::add(tx, &Entry::Ended { session: *session, attempt: last.map(AttemptId), ending })
}

impl Store {
    /// Notes the start of a session; one that failed before in the same slot starts again.
    ///
    /// # Errors
    /// When it has a result already.
    pub fn start_session(
        &self,
        session: &SessionId,
        warrant: &WarrantHash,
        slot: u64,
        at: Time,
    ) -> Result<(), Error> {
        self.write(|tx| {
            let started = tx.execute(
                "/* start_session */ INSERT INTO session (session, warrant, slot, started_at, state)
                 VALUES (?1, ?2, ?3, ?4, 'running')
                 ON CONFLICT (session) DO UPDATE SET started_at = ?4, state = 'running', failure = NULL
                 WHERE state <> 'done'",
                params![session.0, warrant.0, signed(slot), ms(at)],
            )?;
            if started == 1 {
                return Ok(());
            }
            Err(Error::session("this warrant has a result in this slot already")
                .place(format!("session {session}"))
                .remedy(format!("see `samensom result show {session}`, or wait for the next slot")))
        })
    }

    /// Notes in one go that a count pass ended with its sum, and that the session that sums its figures begins.
    ///
    /// # Errors
    /// When the database fails.
    pub fn end_count(
        &self,
        (count, value): (&SessionId, &SessionId),
        (warrant, slot): (&WarrantHash, u64),
        at: Time,
    ) -> Result<(), Error> {
        self.write(|tx| {
            tx.execute("/* end_count */ UPDATE session SET state = 'done' WHERE session = ?1", [count.0])?;
            log_end(tx, count, Ending::Sum)?;
            tx.execute(
                "/* end_count */ INSERT INTO session (session, warrant, slot, started_at, state)
                 VALUES (?1, ?2, ?3, ?4, 'running') ON CONFLICT (session) DO NOTHING",
                params![value.0, warrant.0, signed(slot), ms(at)],
            )?;
            Ok(())
        })
    }

    /// Notes that a session ended, with a failure or with the result that `put_result` keeps.
    ///
    /// # Errors
    /// When the database fails.
    pub fn end_session(&self, session: &SessionId, failure: Option<&Failure>) -> Result<(), Error> {
        let json = failure.map(serde_json::to_string).transpose().map_err(|why| damaged("session", &why))?;
        self.write(|tx| {
            tx.execute(
                "/* end_session */ UPDATE session
                 SET state = CASE WHEN ?2 IS NULL THEN 'done' ELSE 'failed' END, failure = ?2
                 WHERE session = ?1",
                params![session.0, json],
            )?;
            // The end with a sum is entered with its result.
            if failure.is_some() {
                log_end(tx, session, Ending::NoSum)?;
            }
            // Reports behind a sum that does not verify are evidence.
            let lost = |failure: &Failure| failure.code != FailureCode::Unverified;
            if failure.is_some_and(lost) { super::report_block::forget(tx, session) } else { Ok(()) }
        })
    }

    /// A session.
    ///
    /// # Errors
    /// When the database fails.
    pub fn session(&self, session: &SessionId) -> Result<Option<SessionRow>, Error> {
        let row = self
            .db()
            .query_row(
                "/* session */ SELECT warrant, slot, started_at, state, failure FROM session
                 WHERE session = ?1",
                [session.0],
                |row| {
                    let state: (String, Option<String>) = (row.get(3)?, row.get(4)?);
                    Ok((WarrantHash(row.get(0)?), row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, state))
                },
            )
            .optional()?;
        let Some((warrant, slot, started_at, (state, failure))) = row else { return Ok(None) };
        let state = match (state.as_str(), failure) {
            ("failed", Some(json)) => {
                SessionState::Failed(serde_json::from_str(&json).map_err(|why| damaged("session", &why))?)
            }
            ("done", _) => SessionState::Done,
            _ => SessionState::Running,
        };
        let started_at = Time(unsigned(started_at));
        Ok(Some(SessionRow { session: *session, warrant, slot: unsigned(slot), started_at, state }))
    }
}
