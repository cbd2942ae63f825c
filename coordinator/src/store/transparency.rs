//! Table `log_entry`: the transparency log, and the tree over it that answers for its heads and proofs.
//!
//! An entry is added in the transaction of the act it tells of, or before it. The tree is memory alone: it is
//! read anew at start and catches up with the table. It must not sign: who keeps the key does.

use super::{Store, damaged, signed, unsigned};
use crate::error::Error;
use rusqlite::{Connection, Transaction, params};
use samensom_protocol::codec::decode;
use samensom_protocol::crypto::commit::leaf;
use samensom_protocol::crypto::tree::Tree;
use samensom_protocol::roster::Roster;
use samensom_protocol::transparency::{Entry, Proof, TreeHead, head_of, proof_of};
use std::sync::PoisonError;

/// How far the log has come, and for each size asked for the proof that it goes on from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grown {
    /// The head now.
    pub head: TreeHead,
    /// Empty where there is nothing to prove or no proof.
    pub proofs: Vec<Proof>,
}

/// Adds an entry; one that is there already stays where it is, as after an act that is done again at a restart.
pub(super) fn add(tx: &Transaction<'_>, entry: &Entry) -> Result<(), Error> {
    let body = entry.to_bytes().map_err(|why| damaged("log_entry", &why))?;
    tx.execute(
        "/* add_entry */ INSERT INTO log_entry (number, body)
         SELECT (SELECT coalesce(max(number) + 1, 0) FROM log_entry), ?1 WHERE NOT EXISTS (SELECT 1 FROM log_entry WHERE body = ?1)",
        [body],
    )?;
    Ok(())
}

/// Adds every roster that has no entry yet: those from before there was a log, and the founding one.
pub(super) fn add_rosters<'a>(
    tx: &Transaction<'_>,
    rosters: impl Iterator<Item = &'a Roster>,
) -> Result<(), Error> {
    for roster in rosters {
        add(tx, &Entry::Roster { epoch: roster.body().epoch, roster: roster.hash() })?;
    }
    Ok(())
}

impl Store {
    /// Adds an entry. It is synced when this returns, and only then may what it tells of be seen.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_entry(&self, entry: &Entry) -> Result<(), Error> {
        self.write(|tx| add(tx, entry))
    }

    /// How far the log has come, with a proof from each of these sizes.
    ///
    /// # Errors
    /// When the database fails.
    pub fn grown_since(&self, sizes: &[u64]) -> Result<Grown, Error> {
        self.with_tree(|tree| {
            let since = |size: &u64| {
                let size = usize::try_from(*size).ok()?;
                proof_of(tree.consistency(size, tree.size()))
            };
            let proofs = sizes.iter().map(|size| since(size).unwrap_or_default()).collect();
            Ok(Grown {
                head: head_of(tree, tree.size()).ok_or_else(|| damaged("log_entry", &"no head"))?,
                proofs,
            })
        })
    }

    /// Every entry, from the first.
    ///
    /// # Errors
    /// When the database fails, or an entry is none.
    pub fn entries(&self) -> Result<Vec<Entry>, Error> {
        let bodies = bodies_from(&self.db(), 0)?;
        let read = |(_, body): &(u64, Vec<u8>)| decode(body).map_err(|why| damaged("log_entry", &why));
        bodies.iter().map(read).collect()
    }

    /// Does this with the tree over the whole table.
    fn with_tree<T>(&self, work: impl FnOnce(&Tree) -> Result<T, Error>) -> Result<T, Error> {
        let mut tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        let have = u64::try_from(tree.size()).unwrap_or(u64::MAX);
        let mut next = have;
        for (number, body) in bodies_from(&self.db(), have)? {
            if number != next {
                return Err(damaged("log_entry", &format!("entry {next} is missing")));
            }
            tree.push(leaf(&body));
            next = next.saturating_add(1);
        }
        work(&tree)
    }
}

fn bodies_from(db: &Connection, number: u64) -> Result<Vec<(u64, Vec<u8>)>, Error> {
    let mut rows = db.prepare_cached(
        "/* bodies_from */ SELECT number, body FROM log_entry WHERE number >= ?1 ORDER BY number",
    )?;
    let found = rows.query_map(params![signed(number)], |row| Ok((unsigned(row.get(0)?), row.get(1)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{advance, identity, reopen, store};
    use samensom_protocol::ids::{AttemptId, BundleHash, ResultHash, SessionId, WarrantHash};
    use samensom_protocol::io::{Failure, FailureCode};
    use samensom_protocol::message::Round;
    use samensom_protocol::time::Time;
    use samensom_protocol::transparency::{Ending, SignedTreeHead, check_extends};
    use tempfile::TempDir;

    fn entries(store: &Store) -> Vec<Entry> {
        store.entries().unwrap()
    }

    fn bundle(number: u8) -> Entry {
        let (attempt, result) = (AttemptId([number; 32]), ResultHash([number; 32]));
        Entry::Bundle { attempt, result, bundle: BundleHash([number; 32]) }
    }

    #[test]
    fn the_log_only_grows_and_every_head_goes_on_also_after_a_restart() {
        let folder = TempDir::new().unwrap();
        let store = store(&folder, 0);
        let (mut heads, key) = (vec![store.grown_since(&[]).unwrap().head], identity(700));
        assert_eq!(heads[0].size, 1, "the founding roster");
        advance(&store, 3);
        heads.push(store.grown_since(&[]).unwrap().head);
        for number in 1..6 {
            store.add_entry(&bundle(number)).unwrap();
            store.add_entry(&bundle(number)).unwrap();
            heads.push(store.grown_since(&[]).unwrap().head);
        }
        assert_eq!(heads.last().unwrap().size, 7, "an act that is done again is entered once");
        drop(store);
        let store = reopen(&folder);
        let sizes: Vec<u64> = heads.iter().map(|head| head.size).chain([8]).collect();
        let grown = store.grown_since(&sizes).unwrap();
        assert_eq!(Some(&grown.head), heads.last(), "rebuilt at start");
        let shown = SignedTreeHead::new(&key, grown.head).unwrap();
        for (kept, proof) in heads.iter().zip(&grown.proofs) {
            assert_eq!(check_extends(&key.public(), kept, &shown, proof), Ok(()));
        }
        assert_eq!(grown.proofs.last(), Some(&Proof::default()), "nothing beyond the end");
    }

    #[test]
    fn an_entry_is_never_changed_or_deleted() {
        let folder = TempDir::new().unwrap();
        let store = store(&folder, 0);
        for sql in ["UPDATE log_entry SET body = x'00'", "DELETE FROM log_entry"] {
            assert!(store.write(|tx| Ok(tx.execute(sql, ())?)).is_err(), "{sql}");
        }
        assert_eq!(entries(&store).len(), 1);
    }

    #[test]
    fn a_session_that_ends_without_a_sum_is_entered_with_its_end() {
        let folder = TempDir::new().unwrap();
        let store = store(&folder, 0);
        let session = SessionId([4; 32]);
        let warrant = WarrantHash([1; 32]);
        let started = store.write(|tx| {
            tx.execute("INSERT INTO warrant (hash, body, query_id, title, submitted_at) VALUES (?1, x'00', 'q', 'q', 1)", [warrant.0])?;
            Ok(())
        });
        started.unwrap();
        store.start_session(&session, &warrant, 3, Time(1)).unwrap();
        let failure = Failure {
            code: FailureCode::Interrupted,
            round: Round::Deposit,
            needed: 2,
            present: 0,
            culprits: Vec::new(),
            block: None,
        };
        store.end_session(&session, Some(&failure)).unwrap();
        let ended = Entry::Ended { session, attempt: None, ending: Ending::NoSum };
        assert_eq!(entries(&store).last(), Some(&ended));
    }

    /// A store of the program before has rosters and no log.
    #[test]
    fn an_older_store_begins_its_log_with_the_rosters_it_has() {
        let folder = TempDir::new().unwrap();
        let store = store(&folder, 3);
        let before = entries(&store);
        store.write(|tx| Ok(tx.execute_batch("DROP TABLE log_entry; PRAGMA user_version = 5")?)).unwrap();
        drop(store);
        assert_eq!(entries(&reopen(&folder)), before);
    }
}
