//! Table `hospital`: who was added, with which number, and how far its admission is.

use super::{Store, damaged};
use crate::error::Error;
use rusqlite::{OptionalExtension, Row, params};
use samensom_protocol::ids::{NodeId, PublicKey};
use samensom_protocol::roster::{MAX_NODES, Status};
use serde::{Deserialize, Serialize};

/// How far a hospital's admission is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Known, without a key.
    Added,
    /// Enrolled with a key that nobody has compared yet.
    Keyed,
    /// Its key was compared over the telephone.
    Confirmed,
}

impl State {
    /// The text form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Added => "added",
            State::Keyed => "keyed",
            State::Confirmed => "confirmed",
        }
    }
}

/// What the next roster is to say of a hospital.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// Takes part.
    Active,
    /// Barred for now.
    Suspended,
    /// Gone for good.
    Left,
}

impl Mark {
    /// The text form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mark::Active => "active",
            Mark::Suspended => "suspended",
            Mark::Left => "left",
        }
    }
    fn read(text: &str) -> Option<Mark> {
        [Mark::Active, Mark::Suspended, Mark::Left].into_iter().find(|mark| mark.name() == text)
    }
}

impl From<Mark> for Status {
    fn from(mark: Mark) -> Status {
        match mark {
            Mark::Active => Status::Active,
            Mark::Suspended => Status::Suspended,
            Mark::Left => Status::Left,
        }
    }
}

/// One hospital.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hospital {
    /// Number in every roster.
    pub id: NodeId,
    /// Short name.
    pub institution: String,
    /// Name for people.
    pub name: String,
    /// Purchasing group.
    pub group: String,
    /// Kind of hospital.
    pub kind: String,
    /// Its own floor.
    pub floor: u16,
    /// How far its admission is.
    pub state: State,
    /// The key it enrolled with.
    pub key: Option<PublicKey>,
    /// What the next roster is to say of it; none: what the newest says.
    pub marked: Option<Mark>,
}

const COLUMNS: &str = "id, institution, name, purchasing, kind, floor, state, key, marked";

fn read(row: &Row<'_>) -> rusqlite::Result<Hospital> {
    let state: String = row.get(6)?;
    Ok(Hospital {
        id: NodeId(row.get(0)?),
        institution: row.get(1)?,
        name: row.get(2)?,
        group: row.get(3)?,
        kind: row.get(4)?,
        floor: row.get(5)?,
        state: match state.as_str() {
            "confirmed" => State::Confirmed,
            "keyed" => State::Keyed,
            _ => State::Added,
        },
        key: row.get::<_, Option<[u8; 32]>>(7)?.map(PublicKey),
        marked: row.get::<_, Option<String>>(8)?.as_deref().and_then(Mark::read),
    })
}

impl Store {
    /// Adds a hospital and gives it the next number.
    ///
    /// # Errors
    /// When the short name is taken or every number is given.
    pub fn add_hospital(
        &self,
        institution: &str,
        name: &str,
        group: &str,
        kind: &str,
        floor: u16,
    ) -> Result<Hospital, Error> {
        self.write(|tx| {
            let taken: bool = tx.query_row(
                "/* add_hospital */ SELECT EXISTS (SELECT 1 FROM hospital WHERE institution = ?1)",
                [institution],
                |row| row.get(0),
            )?;
            if taken {
                return Err(Error::asked(format!("there is a hospital `{institution}` already"))
                    .remedy("give another short name with --id, or see `samensom hospital list`"));
            }
            let hospital = tx.query_row(
                &format!(
                    "/* add_hospital */ INSERT INTO hospital (institution, name, purchasing, kind, floor)
                     VALUES (?1, ?2, ?3, ?4, ?5) RETURNING {COLUMNS}"
                ),
                params![institution, name, group, kind, floor],
                read,
            )?;
            if usize::from(hospital.id.0) > MAX_NODES {
                return Err(Error::asked(format!("a roster holds at most {MAX_NODES} hospitals")));
            }
            Ok(hospital)
        })
    }

    /// The hospital with this short name.
    ///
    /// # Errors
    /// When there is none.
    pub fn hospital(&self, institution: &str) -> Result<Hospital, Error> {
        let sql = format!("/* hospital */ SELECT {COLUMNS} FROM hospital WHERE institution = ?1");
        let found = self.db().query_row(&sql, [institution], read).optional()?;
        found.ok_or_else(|| {
            Error::asked(format!("there is no hospital `{institution}`"))
                .expected("the short name that `samensom hospital add` printed")
                .remedy("see `samensom hospital list`")
        })
    }

    /// Every hospital, by number.
    ///
    /// # Errors
    /// When the database fails.
    pub fn hospitals(&self) -> Result<Vec<Hospital>, Error> {
        let db = self.db();
        let mut rows = db.prepare(&format!("/* hospitals */ SELECT {COLUMNS} FROM hospital ORDER BY id"))?;
        let all = rows.query_map([], read)?.collect::<Result<_, _>>();
        all.map_err(|why| damaged("hospital", &why))
    }

    /// Notes what the next roster is to say of a hospital; of one that leaves, unused tokens are void.
    ///
    /// # Errors
    /// When the database fails.
    pub fn mark_hospital(&self, id: NodeId, mark: Option<Mark>) -> Result<(), Error> {
        self.write(|tx| {
            tx.execute(
                "/* mark_hospital */ UPDATE hospital SET marked = ?2 WHERE id = ?1",
                params![id.0, mark.map(Mark::name)],
            )?;
            if mark == Some(Mark::Left) {
                tx.execute(
                    "/* mark_hospital */ DELETE FROM token WHERE hospital = ?1 AND used_by IS NULL",
                    [id.0],
                )?;
            }
            Ok(())
        })
    }

    /// Notes that the key with which a hospital enrolled was compared; false when it has another by now.
    ///
    /// # Errors
    /// When the database fails.
    pub fn confirm_hospital(&self, id: NodeId, key: &PublicKey) -> Result<bool, Error> {
        self.write(|tx| {
            let changed = tx.execute(
                "/* confirm_hospital */ UPDATE hospital SET state = 'confirmed'
                 WHERE id = ?1 AND key = ?2 AND state IN ('keyed', 'confirmed')",
                params![id.0, key.0],
            )?;
            Ok(changed == 1)
        })
    }
}
