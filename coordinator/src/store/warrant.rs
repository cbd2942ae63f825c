//! Tables `warrant` and `approval`: what was submitted, and who approved it.

use super::{Store, damaged, hex_prefix, ms, only, transparency, unsigned};
use crate::error::Error;
use rusqlite::{Connection, params};
use samensom_protocol::codec::{Blob, Bytes, List};
use samensom_protocol::ids::{PublicKey, WarrantHash};
use samensom_protocol::time::Time;
use samensom_protocol::transparency::Entry;
use samensom_protocol::warrant::{Approval, SignedWarrant};
use serde::{Deserialize, Serialize};

/// A line of the list of warrants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarrantRow {
    /// Identity.
    pub hash: WarrantHash,
    /// Id of its query.
    pub query_id: String,
    /// Dutch title of its query.
    pub title: String,
    /// When it was submitted.
    pub submitted_at: Time,
    /// How many approved it.
    pub approvals: u16,
}

impl Store {
    /// Keeps a warrant; the same one again changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub fn put_warrant(
        &self,
        warrant: &SignedWarrant,
        query_id: &str,
        title: &str,
        at: Time,
    ) -> Result<WarrantHash, Error> {
        let hash = warrant.hash();
        self.write(|tx| {
            tx.execute(
                "/* put_warrant */ INSERT INTO warrant (hash, body, query_id, title, submitted_at, request)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
                params![hash.0, &*warrant.body, query_id, title, ms(at), warrant.request.0],
            )?;
            transparency::add(tx, &Entry::Warrant { warrant: hash })?;
            Ok(hash)
        })
    }

    /// The warrant whose hash, or the start of whose hash, this is; with its approvals.
    ///
    /// # Errors
    /// When none or more than one begins so.
    pub fn warrant(&self, typed: &str) -> Result<SignedWarrant, Error> {
        let prefix = hex_prefix(typed)?;
        let db = self.db();
        let mut rows = db.prepare_cached(
            "/* warrant */ SELECT hash, body, request FROM warrant WHERE lower(hex(hash)) LIKE ?1 || '%' LIMIT 2",
        )?;
        let found = rows.query_map([&prefix], |row| {
            Ok((WarrantHash(row.get(0)?), row.get::<_, Vec<u8>>(1)?, row.get::<_, Option<[u8; 64]>>(2)?))
        })?;
        let (hash, body, request) = only(found.collect::<Result<Vec<_>, _>>()?, "warrant", typed)?;
        let body = Blob::new(body).map_err(|why| damaged("warrant", &why))?;
        // Without a request every check of it fails.
        let request = Bytes(request.unwrap_or([0; 64]));
        Ok(SignedWarrant { body, approvals: approvals(&db, &hash)?, request })
    }

    /// Every warrant, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn warrants(&self) -> Result<Vec<WarrantRow>, Error> {
        let db = self.db();
        let mut rows = db.prepare(
            "/* warrants */ SELECT hash, query_id, title, submitted_at,
                    (SELECT count(*) FROM approval WHERE approval.warrant = warrant.hash)
             FROM warrant ORDER BY submitted_at DESC, hash",
        )?;
        let found = rows.query_map([], |row| {
            Ok(WarrantRow {
                hash: WarrantHash(row.get(0)?),
                query_id: row.get(1)?,
                title: row.get(2)?,
                submitted_at: Time(unsigned(row.get(3)?)),
                approvals: row.get(4)?,
            })
        })?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// Keeps an approval that was verified; the same again changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub fn put_approval(&self, warrant: &WarrantHash, approval: &Approval, at: Time) -> Result<(), Error> {
        self.write(|tx| {
            tx.execute(
                "/* put_approval */ INSERT INTO approval (warrant, key, signature, given_at)
                 VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                params![warrant.0, approval.key.0, approval.signature.0, ms(at)],
            )?;
            Ok(())
        })
    }
}

fn approvals(db: &Connection, warrant: &WarrantHash) -> Result<List<Approval, 16>, Error> {
    let mut rows = db.prepare_cached(
        "/* approvals */ SELECT key, signature FROM approval WHERE warrant = ?1 ORDER BY key LIMIT 16",
    )?;
    let found = rows.query_map([warrant.0], |row| {
        Ok(Approval { key: PublicKey(row.get(0)?), signature: Bytes(row.get(1)?) })
    })?;
    List::new(found.collect::<Result<Vec<_>, _>>()?).map_err(|why| damaged("approval", &why))
}
