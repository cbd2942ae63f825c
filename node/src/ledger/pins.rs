//! What is pinned for good: the enrolment, and the chain of rosters with which of them are accepted.
//!
//! Owns two tables of the state database. The running agent and `enroll` may both have it open. It must
//! not verify rosters (`chain.rs` does), only keep them and never lose or replace one.

use super::{DATABASE, LedgerError, MIGRATIONS, disk_error, make_state_dir, open_to_read, open_to_write};
use crate::audit::{Audit, Event};
use rusqlite::{Connection, OptionalExtension};
use samensom_protocol::codec::Blob;
use samensom_protocol::ids::{NodeId, PublicKey, RosterHash};
use samensom_protocol::roster::{Roster, SignedRoster};
use std::path::{Path, PathBuf};

/// What the token pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// HOST:PORT.
    pub coordinator: String,
    /// The coordinator's key.
    pub coordinator_key: PublicKey,
    /// Hash of the first roster.
    pub founding_roster: RosterHash,
    /// This hospital's number.
    pub hospital: NodeId,
    /// Its short name.
    pub institution: String,
}

/// A roster as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRoster {
    /// As received.
    pub signed: SignedRoster,
    /// Whether it may be followed.
    pub accepted: bool,
}

/// The pinned part of the state.
#[derive(Debug)]
pub struct Pins {
    connection: Connection,
    path: PathBuf,
    audit: Audit,
}

impl Pins {
    /// Opens the state to write, making it if it is not there.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(dir: &Path) -> Result<Pins, LedgerError> {
        make_state_dir(dir)?;
        let path = dir.join(DATABASE);
        Ok(Pins { connection: open_to_write(&path, &MIGRATIONS)?, path, audit: Audit::default() })
    }

    /// Opens the state to read.
    ///
    /// # Errors
    /// `Absent` when there is none.
    pub fn open_to_read(dir: &Path) -> Result<Pins, LedgerError> {
        let path = dir.join(DATABASE);
        Ok(Pins { connection: open_to_read(&path)?, path, audit: Audit::default() })
    }

    /// The same, which tells of every change before it makes it.
    #[must_use]
    pub fn audited(self, audit: Audit) -> Pins {
        Pins { audit, ..self }
    }

    /// What the token pinned, once enrolled.
    ///
    /// # Errors
    /// `Disk`.
    pub fn enrolment(&self) -> Result<Option<Enrolment>, LedgerError> {
        let ask =
            "SELECT coordinator, coordinator_key, founding_roster, hospital, institution FROM enrolment";
        let row = self.connection.query_row(ask, (), |row| {
            Ok(Enrolment {
                coordinator: row.get(0)?,
                coordinator_key: PublicKey(row.get(1)?),
                founding_roster: RosterHash(row.get(2)?),
                hospital: NodeId(row.get(3)?),
                institution: row.get(4)?,
            })
        });
        row.optional().map_err(|error| self.unreadable(&error))
    }

    /// Stores what a token pins. The address may change, nothing else ever does; the caller checked that.
    ///
    /// # Errors
    /// `Disk`.
    pub fn enrol(&mut self, what: &Enrolment) -> Result<(), LedgerError> {
        let add = "INSERT INTO enrolment VALUES (1, ?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT (one) DO UPDATE SET coordinator = excluded.coordinator";
        let row = (
            &what.coordinator,
            &what.coordinator_key.0[..],
            &what.founding_roster.0[..],
            what.hospital.0,
            &what.institution,
        );
        self.audit.tell(Event::Enrolled { hospital: what.institution.clone(), node: what.hospital.0 })?;
        self.write(add, row).map(|_| ())
    }

    /// Every roster, by epoch.
    ///
    /// # Errors
    /// `Disk`, also when a stored roster is damaged.
    pub fn rosters(&self) -> Result<Vec<StoredRoster>, LedgerError> {
        let ask = "SELECT body, signatures, accepted FROM roster ORDER BY epoch";
        let mut statement = self.connection.prepare(ask).map_err(|error| self.unreadable(&error))?;
        let mut rows = statement.query(()).map_err(|error| self.unreadable(&error))?;
        let mut rosters = Vec::new();
        while let Some(row) = rows.next().map_err(|error| self.unreadable(&error))? {
            let read = || -> rusqlite::Result<(Vec<u8>, String, bool)> {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            };
            let (body, signatures, accepted) = read().map_err(|error| self.unreadable(&error))?;
            let body = Blob::new(body).map_err(|error| self.unreadable(&error))?;
            let signatures = serde_json::from_str(&signatures).map_err(|error| self.unreadable(&error))?;
            rosters.push(StoredRoster { signed: SignedRoster { body, signatures }, accepted });
        }
        Ok(rosters)
    }

    /// Adds the next roster; one that is there already, since `run` and `enroll` may both fetch it, stays.
    ///
    /// # Errors
    /// `Disk`, also when there is already another one of this epoch.
    pub fn add_roster(&mut self, epoch: u32, roster: &StoredRoster) -> Result<(), LedgerError> {
        let signatures = serde_json::to_string(&roster.signed.signatures)
            .map_err(|error| disk_error(&self.path, "writing", &error))?;
        let add = "INSERT INTO roster (epoch, body, signatures, accepted) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (epoch) DO UPDATE SET accepted = max(accepted, excluded.accepted)
                   WHERE body = excluded.body";
        let row = (epoch, &roster.signed.body[..], signatures, roster.accepted);
        let known = "SELECT max(accepted) >= ?2 FROM roster WHERE epoch = ?1";
        let known: Option<bool> = self
            .connection
            .query_row(known, (epoch, roster.accepted), |row| row.get(0))
            .map_err(|error| self.unreadable(&error))?;
        if known != Some(true) {
            let hash = Roster::hash_of(&roster.signed.body);
            self.audit.tell(Event::Roster { epoch, roster: hash, accepted: roster.accepted })?;
        }
        match self.write(add, row)? {
            0 => Err(disk_error(&self.path, "writing", &"another roster of this number is there")),
            _ => Ok(()),
        }
    }

    /// Number of the newest accepted roster.
    ///
    /// # Errors
    /// `Disk`.
    pub fn accepted_epoch(&self) -> Result<Option<u32>, LedgerError> {
        let ask = "SELECT max(epoch) FROM roster WHERE accepted = 1";
        self.connection.query_row(ask, (), |row| row.get(0)).map_err(|error| self.unreadable(&error))
    }

    /// Accepts every roster up to this epoch.
    ///
    /// # Errors
    /// `Disk`.
    pub fn accept(&mut self, epoch: u32) -> Result<(), LedgerError> {
        self.audit.tell(Event::RosterAccepted { epoch })?;
        self.write("UPDATE roster SET accepted = 1 WHERE epoch <= ?1", [epoch]).map(|_| ())
    }

    fn write(&self, sql: &str, row: impl rusqlite::Params) -> Result<usize, LedgerError> {
        self.connection.execute(sql, row).map_err(|error| disk_error(&self.path, "writing", &error))
    }

    fn unreadable(&self, error: &dyn std::fmt::Display) -> LedgerError {
        disk_error(&self.path, "reading", error)
    }
}
