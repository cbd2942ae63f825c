//! Table `token`: one-use tokens, taken by one atomic statement.

use super::{Store, ms};
use crate::error::Error;
use rusqlite::{OptionalExtension, Transaction, params};
use samensom_protocol::admission::{EnrolRefusal, TokenSecret};
use samensom_protocol::ids::{NodeId, PublicKey};
use samensom_protocol::time::Time;

impl Store {
    /// Keeps the hash of a new token's secret; tokens of this hospital that nobody used are void from now.
    ///
    /// # Errors
    /// When the database fails.
    pub fn put_token(&self, hospital: NodeId, secret: &TokenSecret, expires: Time) -> Result<(), Error> {
        self.write(|tx| {
            tx.execute(
                "/* put_token */ DELETE FROM token WHERE hospital = ?1 AND used_by IS NULL",
                [hospital.0],
            )?;
            tx.execute(
                "/* put_token */ INSERT INTO token (hash, hospital, expires_at) VALUES (?1, ?2, ?3)",
                params![secret.hash(), hospital.0, ms(expires)],
            )?;
            Ok(())
        })
    }

    /// Takes a token for `key` and notes the key as the hospital's. The key that took it before is
    /// answered as the first time, for its answer may have been lost.
    ///
    /// # Errors
    /// When the database fails.
    pub fn take_token(
        &self,
        hospital: NodeId,
        secret: &TokenSecret,
        key: &PublicKey,
        now: Time,
    ) -> Result<Result<(), EnrolRefusal>, Error> {
        let hash = secret.hash();
        self.write(|tx| {
            let taken: Option<u16> = tx
                .query_row(
                    "/* take_token */ UPDATE token SET used_by = ?3, used_at = ?4
                     WHERE hash = ?1 AND hospital = ?2 AND used_by IS NULL AND expires_at > ?4
                       AND NOT EXISTS (SELECT 1 FROM hospital WHERE key = ?3 AND id <> ?2)
                     RETURNING hospital",
                    params![hash, hospital.0, key.0, ms(now)],
                    |row| row.get(0),
                )
                .optional()?;
            if taken.is_none() {
                return why_not(tx, &hash, hospital, key, now);
            }
            tx.execute(
                "/* take_token */ UPDATE hospital SET key = ?2, state = 'keyed' WHERE id = ?1",
                params![hospital.0, key.0],
            )?;
            Ok(Ok(()))
        })
    }
}

fn why_not(
    tx: &Transaction<'_>,
    hash: &[u8; 32],
    hospital: NodeId,
    key: &PublicKey,
    now: Time,
) -> Result<Result<(), EnrolRefusal>, Error> {
    let found: Option<(Option<[u8; 32]>, i64)> = tx
        .query_row(
            "/* take_token */ SELECT used_by, expires_at FROM token WHERE hash = ?1 AND hospital = ?2",
            params![hash, hospital.0],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    Ok(match found {
        Some((Some(by), _)) if by == key.0 => Ok(()),
        Some((Some(_), _)) => Err(EnrolRefusal::UsedToken),
        Some((None, expires)) if expires <= ms(now) => Err(EnrolRefusal::ExpiredToken),
        // No such token, another hospital's, or a key that is another hospital's already.
        _ => Err(EnrolRefusal::UnknownToken),
    })
}
