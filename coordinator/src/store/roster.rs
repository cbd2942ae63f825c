//! Tables `roster` and `roster_signature`: the verified chain and the one proposal that waits for signers.

use super::{Store, damaged, transparency};
use crate::error::Error;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use samensom_protocol::codec::{Blob, Bytes, List};
use samensom_protocol::crypto::keys::{Signed, verify};
use samensom_protocol::ids::{PublicKey, RosterHash};
use samensom_protocol::roster::{Roster, RosterBody, RosterSignature, SignedRoster};
use std::sync::Arc;
use tokio::sync::watch;

/// A roster that waits for signatures, and the head it is to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The proposal with the signatures given so far.
    pub roster: SignedRoster,
    /// Its hash.
    pub hash: RosterHash,
}

/// What a signature changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// So many signatures of the needed ones are there.
    Waiting {
        /// Signatures.
        have: u16,
        /// Needed.
        needed: u16,
    },
    /// The proposal is the head now.
    Head,
}

impl Store {
    /// The newest roster.
    #[must_use]
    pub fn head_roster(&self) -> Arc<Roster> {
        Arc::clone(&self.head.borrow())
    }

    /// Tells when the newest roster changes.
    #[must_use]
    pub fn watch_head(&self) -> watch::Receiver<Arc<Roster>> {
        self.head.subscribe()
    }

    /// Every roster, from the founding one to the head.
    ///
    /// # Errors
    /// When the database fails.
    pub fn roster_chain(&self) -> Result<Vec<SignedRoster>, Error> {
        chain_after(&self.db(), None)
    }

    /// The rosters after this epoch, in order; none: from the first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn rosters_after(&self, epoch: Option<u32>) -> Result<Vec<SignedRoster>, Error> {
        chain_after(&self.db(), epoch)
    }

    /// Keeps a proposal for the next roster in place of the one before; its signatures are void.
    ///
    /// # Errors
    /// When it does not follow the head or breaks a rule of a roster's form.
    pub fn propose_roster(&self, body: &RosterBody) -> Result<Proposal, Error> {
        let roster = body.to_signed(vec![]).map_err(|why| {
            Error::asked(why.to_string()).place("the proposed roster").remedy("correct it and propose again")
        })?;
        let hash = Roster::hash_of(&roster.body);
        let head = self.head_roster();
        if body.previous != head.hash() || Some(body.epoch) != head.body().epoch.checked_add(1) {
            return Err(Error::asked("the roster changed meanwhile").remedy("propose again"));
        }
        self.write(|tx| {
            tx.execute("/* propose_roster */ DELETE FROM roster WHERE state = 'proposed'", [])?;
            tx.execute(
                "/* propose_roster */ INSERT INTO roster (hash, epoch, body, state)
                 VALUES (?1, ?2, ?3, 'proposed')",
                params![hash.0, body.epoch, &*roster.body],
            )?;
            Ok(())
        })?;
        Ok(Proposal { roster, hash })
    }

    /// The roster that waits for signatures, if one does.
    ///
    /// # Errors
    /// When the database fails.
    pub fn roster_proposal(&self) -> Result<Option<Proposal>, Error> {
        proposal(&self.db())
    }

    /// Adds a signature to the proposal; with enough of them it becomes the head.
    ///
    /// # Errors
    /// When this roster is not proposed, or the signature is not a valid one of a signer of the head.
    pub fn sign_roster(&self, hash: RosterHash, given: &RosterSignature) -> Result<Signing, Error> {
        let head = self.head_roster();
        let next = self.write(|tx| {
            let waiting = proposal(tx)?.filter(|waiting| waiting.hash == hash).ok_or_else(|| {
                Error::asked("this roster does not wait for signatures")
                    .place(hash.to_hex())
                    .remedy("another was proposed meanwhile; run `samensom roster sign` again and read it")
            })?;
            if !head.body().signers.iter().any(|signer| signer.key == given.key) {
                return Err(Error::refused(format!("the key {} is no signer's", given.key))
                    .expected("the key of a signer whom the present roster names"));
            }
            if !verify(&given.key, Signed::Roster, &waiting.roster.body, &given.signature) {
                return Err(Error::mismatch("the signature is not valid for this roster"));
            }
            tx.execute(
                "/* sign_roster */ INSERT OR REPLACE INTO roster_signature (roster, key, signature)
                 VALUES (?1, ?2, ?3)",
                params![hash.0, given.key.0, given.signature.0],
            )?;
            let signatures = signatures(tx, &hash)?;
            let have = u16::try_from(signatures.len()).unwrap_or(u16::MAX);
            let needed = head.body().threshold;
            if have < needed {
                return Ok(Err(Signing::Waiting { have, needed }));
            }
            let signed = SignedRoster { body: waiting.roster.body, signatures };
            let next = head.next(&signed).map_err(|why| Error::refused(why.to_string()))?;
            tx.execute(
                "/* sign_roster */ UPDATE roster SET state = 'signed' WHERE hash = ?1 AND state = 'proposed'",
                [hash.0],
            )?;
            transparency::add_rosters(tx, core::iter::once(&next))?;
            Ok(Ok(next))
        })?;
        Ok(match next {
            Err(waiting) => waiting,
            Ok(next) => {
                self.head.send_replace(Arc::new(next));
                Signing::Head
            }
        })
    }
}

/// Writes the founding roster into an empty store.
pub(super) fn found(db: &mut Connection, founding: &SignedRoster) -> Result<Roster, Error> {
    let roster = Roster::founding(founding).map_err(|why| Error::asked(why.to_string()))?;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute(
        "/* found */ INSERT INTO roster (hash, epoch, body, state) VALUES (?1, 0, ?2, 'signed')",
        params![roster.hash().0, &*founding.body],
    )?;
    transparency::add_rosters(&tx, core::iter::once(&roster))?;
    tx.commit()?;
    Ok(roster)
}

/// Enters the rosters of a store from before there was a transparency log.
pub(super) fn log_chain(db: &mut Connection) -> Result<(), Error> {
    let rosters = verified_chain(db)?;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transparency::add_rosters(&tx, rosters.iter())?;
    Ok(tx.commit()?)
}

/// Every roster, from the founding one to the head, each held against the one before.
fn verified_chain(db: &Connection) -> Result<Vec<Roster>, Error> {
    let mut chain: Vec<Roster> = Vec::new();
    for signed in &chain_after(db, None)? {
        let next = match chain.last() {
            None => Roster::founding(signed),
            Some(head) => head.next(signed),
        };
        chain.push(next.map_err(|why| damaged("roster", &why))?);
    }
    Ok(chain)
}

/// Verifies the chain from the founding roster on; returns its end.
pub(super) fn load_head(db: &Connection) -> Result<Roster, Error> {
    verified_chain(db)?.pop().ok_or_else(|| {
        Error::asked("the store has no founding roster")
            .place("samensom.db")
            .remedy("`samensom init` was interrupted: remove the data folder and run it again")
    })
}

fn chain_after(db: &Connection, epoch: Option<u32>) -> Result<Vec<SignedRoster>, Error> {
    let mut rows = db.prepare_cached(
        "/* chain_after */ SELECT hash, body FROM roster
         WHERE state = 'signed' AND epoch > ?1 ORDER BY epoch",
    )?;
    let after = epoch.map_or(-1, i64::from);
    let found = rows.query_map([after], |row| Ok((RosterHash(row.get(0)?), row.get::<_, Vec<u8>>(1)?)))?;
    found
        .map(|row| {
            let (hash, body) = row?;
            let body = Blob::new(body).map_err(|why| damaged("roster", &why))?;
            Ok(SignedRoster { body, signatures: signatures(db, &hash)? })
        })
        .collect()
}

fn proposal(db: &Connection) -> Result<Option<Proposal>, Error> {
    let found: Option<([u8; 32], Vec<u8>)> = db
        .query_row("/* proposal */ SELECT hash, body FROM roster WHERE state = 'proposed'", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((hash, body)) = found else { return Ok(None) };
    let hash = RosterHash(hash);
    let body = Blob::new(body).map_err(|why| damaged("roster", &why))?;
    Ok(Some(Proposal { roster: SignedRoster { body, signatures: signatures(db, &hash)? }, hash }))
}

fn signatures(db: &Connection, roster: &RosterHash) -> Result<List<RosterSignature, 32>, Error> {
    let mut rows = db.prepare_cached(
        "/* signatures */ SELECT key, signature FROM roster_signature WHERE roster = ?1 ORDER BY key",
    )?;
    let found = rows.query_map([roster.0], |row| {
        Ok(RosterSignature { key: PublicKey(row.get(0)?), signature: Bytes(row.get(1)?) })
    })?;
    let found = found.collect::<Result<Vec<_>, _>>()?;
    List::new(found).map_err(|why| damaged("roster_signature", &why))
}
