//! Table `attempt`: which attempt a restart goes on with, and which left reports behind without a
//! certificate. Its state follows the records, in the same transaction.

use super::{Store, bad_pair, damaged, ms, record, report_block, signed, unsigned};
use crate::error::Error;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use samensom_protocol::ids::{AttemptId, NodeId, RosterHash, SessionId, WarrantHash};
use samensom_protocol::io::Record;
use samensom_protocol::message::{Message, Round, VoidOf, Voids};
use samensom_protocol::time::Time;

/// Most attempts of a lock that a session voids, or tells of, at once.
const MOST: u32 = 8;

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Identity.
    pub sid: AttemptId,
    /// Of which session.
    pub session: SessionId,
    /// Lock of its data set.
    pub lock: String,
    /// Slot of the lock.
    pub slot: u64,
    /// The roster it runs under.
    pub roster: RosterHash,
    /// When its header was made.
    pub opened_at: Time,
}

/// What becomes durable together.
#[derive(Debug, Default)]
pub struct Batch {
    /// Attempts that begin.
    pub attempts: Vec<Attempt>,
    /// Records with their attempts, in order.
    pub records: Vec<(AttemptId, Record)>,
    /// Blocks of reports: attempt, node, number, bytes.
    pub blocks: Vec<(AttemptId, NodeId, u32, Vec<u8>)>,
}

/// A session that had not ended when the program did.
#[derive(Debug, Clone)]
pub struct Interrupted {
    /// The session.
    pub session: SessionId,
    /// What ran.
    pub warrant: WarrantHash,
    /// Its last attempt, if one was begun.
    pub attempt: Option<Attempt>,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    Ok(Attempt {
        sid: AttemptId(row.get(0)?),
        session: SessionId(row.get(1)?),
        lock: row.get(2)?,
        slot: unsigned(row.get(3)?),
        roster: RosterHash(row.get(4)?),
        opened_at: Time(unsigned(row.get(5)?)),
    })
}

const COLUMNS: &str = "sid, session, lock, slot, roster, opened_at";

impl Store {
    /// Keeps a batch, with one sync for all of it.
    ///
    /// # Errors
    /// When the database fails: then none is kept, nothing after it may leave, and the program must end.
    pub fn keep(&self, batch: &Batch) -> Result<(), Error> {
        self.write(|tx| {
            for attempt in &batch.attempts {
                tx.execute(
                    "/* keep */ INSERT INTO attempt (sid, session, lock, slot, roster, opened_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
                    params![
                        attempt.sid.0,
                        attempt.session.0,
                        attempt.lock,
                        signed(attempt.slot),
                        attempt.roster.0,
                        ms(attempt.opened_at)
                    ],
                )?;
            }
            report_block::insert(tx, &batch.blocks)?;
            for (sid, record) in &batch.records {
                record::insert(tx, sid, record)?;
                follow(tx, sid, record)?;
            }
            Ok(())
        })
    }

    /// The newest session that had not ended when the program did.
    ///
    /// # Errors
    /// When the database fails.
    pub fn interrupted(&self) -> Result<Option<Interrupted>, Error> {
        let db = self.db();
        let session = db
            .query_row(
                "/* interrupted */ SELECT session, warrant FROM session WHERE state = 'running'
                 ORDER BY started_at DESC LIMIT 1",
                [],
                |row| Ok((SessionId(row.get(0)?), WarrantHash(row.get(1)?))),
            )
            .optional()?;
        let Some((session, warrant)) = session else { return Ok(None) };
        // A session that was run again has attempts of the run before, which ended.
        let last = format!(
            "/* interrupted */ SELECT {COLUMNS} FROM attempt WHERE session = ?1 AND opened_at >=
             (SELECT started_at FROM session WHERE session = ?1) ORDER BY rowid DESC LIMIT 1"
        );
        let attempt = db.query_row(&last, [session.0], read).optional()?;
        Ok(Some(Interrupted { session, warrant, attempt }))
    }

    /// The attempt of a session that gave its sum, if one did.
    ///
    /// # Errors
    /// When the database fails.
    pub fn summed(&self, session: &SessionId) -> Result<Option<AttemptId>, Error> {
        let found = self
            .db()
            .query_row(
                "/* summed */ SELECT sid FROM attempt WHERE session = ?1 AND state = 'certified'
                 ORDER BY rowid DESC LIMIT 1",
                [session.0],
                |row| row.get(0).map(AttemptId),
            )
            .optional()?;
        Ok(found)
    }

    /// Attempts of a lock that left reports behind and have no certificate, the newest first: those without
    /// VOIDs, and those of this slot with them, since not every VOID need count at every node.
    ///
    /// # Errors
    /// When the database fails.
    pub fn unsettled(&self, lock: &str, slot: u64) -> Result<Vec<(Attempt, Vec<VoidOf>)>, Error> {
        let mut unsettled = Vec::new();
        let void = self.attempts("unsettled", lock, "void", slot)?;
        for attempt in void.into_iter().chain(self.attempts("unsettled", lock, "gone", 0)?) {
            let given = self.records(&attempt.sid)?.iter().rev().find_map(voids);
            unsettled.push((attempt, given.map(|given| given.voids.into_vec()).unwrap_or_default()));
        }
        Ok(unsettled)
    }

    /// VOIDs of a lock's attempts since a slot, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn voided(&self, lock: &str, since: u64) -> Result<Vec<Voids>, Error> {
        let mut voided = Vec::new();
        for attempt in self.attempts("voided", lock, "void", since)? {
            voided.extend(self.records(&attempt.sid)?.iter().rev().find_map(voids));
        }
        Ok(voided)
    }

    /// Attempts of a lock in a slot to which hospitals may have contributed, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn contributed(&self, lock: &str, slot: u64) -> Result<Vec<Attempt>, Error> {
        let db = self.db();
        let mut rows = db.prepare_cached(&format!(
            "/* contributed */ SELECT {COLUMNS} FROM attempt WHERE lock = ?1 AND slot >= ?2
             AND state IN ('gone', 'certified') ORDER BY rowid"
        ))?;
        Ok(rows.query_map(params![lock, signed(slot)], read)?.collect::<Result<_, _>>()?)
    }

    /// The slot of an attempt.
    ///
    /// # Errors
    /// When the database fails.
    pub fn slot_of(&self, sid: &AttemptId) -> Result<Option<u64>, Error> {
        let sql = "/* slot_of */ SELECT slot FROM attempt WHERE sid = ?1";
        let found = self.db().query_row(sql, [sid.0], |row| row.get(0)).optional()?;
        Ok(found.map(unsigned))
    }

    /// Warrants and slots of sessions in which figures may have left hospitals, opened after this time, each once.
    ///
    /// # Errors
    /// When the database fails.
    pub fn contributed_since(&self, since: Time) -> Result<Vec<(WarrantHash, u64)>, Error> {
        let db = self.db();
        let mut rows = db.prepare_cached(
            "/* contributed_since */ SELECT DISTINCT session.warrant, session.slot FROM attempt
             JOIN session ON session.session = attempt.session
             WHERE attempt.opened_at > ?1 AND attempt.state IN ('gone', 'certified')",
        )?;
        let read = |row: &Row<'_>| Ok((WarrantHash(row.get(0)?), unsigned(row.get(1)?)));
        Ok(rows.query_map([ms(since)], read)?.collect::<Result<_, _>>()?)
    }

    /// A warrant's newest session that came as far as FREEZE and was not voided, with its survivors: whoever confirmed
    /// them answers a warrant that keeps its hospitals only for exactly those.
    ///
    /// # Errors
    /// When the database fails.
    pub fn series(&self, warrant: &WarrantHash) -> Result<Option<(Attempt, Vec<NodeId>)>, Error> {
        let of: Vec<Attempt> = {
            let db = self.db();
            let mut rows = db.prepare_cached(&format!(
                "/* series */ SELECT {COLUMNS} FROM attempt WHERE state IN ('gone', 'certified')
                 AND session IN (SELECT session FROM session WHERE warrant = ?1) ORDER BY rowid DESC",
            ))?;
            rows.query_map([warrant.0], read)?.collect::<Result<_, _>>()?
        };
        for attempt in of {
            if let Some(found) = self.records(&attempt.sid)?.iter().find_map(frozen) {
                return Ok(Some((attempt, found)));
            }
        }
        Ok(None)
    }

    /// The warrants in whose sessions figures over the rows of a lock may have left hospitals.
    ///
    /// # Errors
    /// When the database fails.
    pub fn contributed_under(&self, lock: &str) -> Result<Vec<WarrantHash>, Error> {
        let db = self.db();
        let mut rows = db.prepare_cached(
            "/* contributed_under */ SELECT DISTINCT warrant FROM session WHERE session IN
             (SELECT session FROM attempt WHERE lock = ?1 AND state IN ('gone', 'certified'))",
        )?;
        Ok(rows.query_map([lock], |row| row.get(0).map(WarrantHash))?.collect::<Result<_, _>>()?)
    }

    fn attempts(&self, name: &str, lock: &str, state: &str, since: u64) -> Result<Vec<Attempt>, Error> {
        let db = self.db();
        let mut rows = db.prepare_cached(&format!(
            "/* {name} */ SELECT {COLUMNS} FROM attempt WHERE lock = ?1 AND state = ?2 AND slot >= ?3
             ORDER BY rowid DESC LIMIT {MOST}"
        ))?;
        Ok(rows.query_map(params![lock, state, signed(since)], read)?.collect::<Result<_, _>>()?)
    }
}

/// The survivors that a FREEZE names.
fn frozen(record: &Record) -> Option<Vec<NodeId>> {
    let Record::Sent { bytes, .. } = record else { return None };
    match Message::from_frame(bytes) {
        Ok(Message::Freeze(freeze)) => Some(freeze.survivors.iter().map(|one| one.node).collect()),
        _ => None,
    }
}

fn voids(record: &Record) -> Option<Voids> {
    match record {
        Record::Sent { round: Round::Void, bytes, .. } => match Message::from_frame(bytes) {
            Ok(Message::Voids(voids)) => Some(voids),
            _ => None,
        },
        _ => None,
    }
}

/// The state that a record brings its attempt to.
fn follow(tx: &Transaction<'_>, sid: &AttemptId, record: &Record) -> Result<(), Error> {
    let state = match record {
        Record::Sent { round: Round::Contribute, .. } => "gone",
        Record::Sent { round: Round::Void, .. } => "void",
        Record::Bound { lock, slot, pass, bound } => {
            let pass = serde_json::to_string(pass).map_err(|why| damaged("bound", &why))?;
            let body = serde_json::to_string(bound).map_err(|why| damaged("bound", &why))?;
            tx.execute(
                "/* follow */ INSERT INTO bound (lock, slot, pass, body) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO NOTHING",
                params![&**lock, signed(*slot), pass, body],
            )?;
            "certified"
        }
        Record::BadPairs { lock, slot, sid, pairs, left_out } => {
            return bad_pair::insert(tx, &bad_pair::Found { sid, lock, slot: *slot, pairs, left_out });
        }
        _ => return Ok(()),
    };
    tx.execute("/* follow */ UPDATE attempt SET state = ?2 WHERE sid = ?1", params![sid.0, state])?;
    Ok(())
}
