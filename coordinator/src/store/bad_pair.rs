//! Table `bad_pair`: which hospitals could not be in one cohort, and which of them was left out.

use super::{Store, signed, unsigned};
use crate::error::Error;
use rusqlite::{Transaction, params};
use samensom_protocol::ids::{AttemptId, NodeId};
use samensom_protocol::rounds::pairs::{BEFORE, History, Pair, pair};
use std::collections::{BTreeMap, BTreeSet};

/// One attempt's bad pairs, and who was left out because of them.
pub(super) struct Found<'a> {
    pub(super) sid: &'a AttemptId,
    pub(super) lock: &'a str,
    pub(super) slot: u64,
    pub(super) pairs: &'a BTreeSet<Pair>,
    pub(super) left_out: &'a BTreeSet<NodeId>,
}

/// Adds an attempt's bad pairs. In one attempt a pair is found at most twice, and one end is then out.
pub(super) fn insert(tx: &Transaction<'_>, found: &Found<'_>) -> Result<(), Error> {
    let mut insert = tx.prepare_cached(
        "/* insert */ INSERT INTO bad_pair (sid, lock, slot, node, partner, left_out)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )?;
    for (a, b) in found.pairs.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]) {
        let out = found.left_out.contains(&a);
        insert.execute(params![found.sid.0, found.lock, signed(found.slot), a.0, b.0, out])?;
    }
    Ok(())
}

impl Store {
    /// The bad pairs of the last slots of a lock before this one in which anything ran.
    ///
    /// # Errors
    /// When the database fails.
    pub fn history(&self, lock: &str, slot: u64) -> Result<History, Error> {
        let db = self.db();
        let mut rows = db.prepare_cached(
            "/* history */ SELECT slot, node, partner, left_out FROM bad_pair
             WHERE lock = ?1 AND slot IN (SELECT DISTINCT slot FROM attempt
               WHERE lock = ?1 AND slot < ?2 ORDER BY slot DESC LIMIT ?3)",
        )?;
        let most = i64::try_from(BEFORE).unwrap_or(i64::MAX);
        let found = rows.query_map(params![lock, signed(slot), most], |row| {
            let (node, partner) = (NodeId(row.get(1)?), NodeId(row.get(2)?));
            Ok((unsigned(row.get(0)?), node, partner, row.get::<_, bool>(3)?))
        })?;
        let mut slots: BTreeMap<u64, (BTreeSet<Pair>, BTreeSet<NodeId>)> = BTreeMap::new();
        for row in found {
            let (slot, node, partner, left_out) = row?;
            let (pairs, out) = slots.entry(slot).or_default();
            pairs.insert(pair(node, partner));
            out.extend(left_out.then_some(node));
        }
        let mut history = History::default();
        slots.values().for_each(|(pairs, out)| history.slot(pairs, out));
        Ok(history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{reopen, store};
    use crate::store::{Attempt, Batch};
    use samensom_protocol::codec::Text;
    use samensom_protocol::ids::{RosterHash, SessionId};
    use samensom_protocol::io::Record;
    use samensom_protocol::time::Time;
    use tempfile::TempDir;

    fn found(pairs: &[(u16, u16)], left_out: &[u16]) -> (BTreeSet<Pair>, BTreeSet<NodeId>) {
        let pairs = pairs.iter().map(|(a, b)| pair(NodeId(*a), NodeId(*b))).collect();
        (pairs, left_out.iter().map(|node| NodeId(*node)).collect())
    }

    /// Attempt `id` of a lock and slot, with these bad pairs if there are any.
    fn keep(store: &Store, id: u8, lock: &str, slot: u64, of: &(BTreeSet<Pair>, BTreeSet<NodeId>)) {
        let (sid, session, roster) = (AttemptId([id; 32]), SessionId([id; 32]), RosterHash([1; 32]));
        let warrant = samensom_protocol::ids::WarrantHash([1; 32]);
        store.db().pragma_update(None, "foreign_keys", false).unwrap();
        store.start_session(&session, &warrant, slot, Time(1)).unwrap();
        let attempt = Attempt { sid, session, lock: lock.into(), slot, roster, opened_at: Time(1) };
        let (lock, (pairs, left_out)) = (Text::new(lock).unwrap(), of.clone());
        let record = Record::BadPairs { lock, slot, sid, pairs, left_out };
        let records = (!of.0.is_empty()).then_some((sid, record)).into_iter().collect();
        store.keep(&Batch { attempts: vec![attempt], records, ..Batch::default() }).unwrap();
    }

    fn history(slots: &[(BTreeSet<Pair>, BTreeSet<NodeId>)]) -> History {
        let mut history = History::default();
        slots.iter().for_each(|(pairs, left_out)| history.slot(pairs, left_out));
        history
    }

    /// Of each slot once, of this lock, before this slot, also after a restart.
    #[test]
    fn the_history_of_a_lock_is_that_of_its_slots_before() {
        let folder = TempDir::new().unwrap();
        let store = store(&folder, 0);
        keep(&store, 1, "goods", 5, &found(&[(1, 2), (1, 3)], &[1]));
        keep(&store, 2, "goods", 5, &found(&[(1, 4)], &[1]));
        keep(&store, 3, "goods", 7, &found(&[(2, 1)], &[2]));
        keep(&store, 4, "care", 6, &found(&[(8, 9)], &[8]));
        drop(store);
        let store = reopen(&folder);
        let (five, seven) = (found(&[(1, 2), (1, 3), (1, 4)], &[1]), found(&[(1, 2)], &[2]));
        assert_eq!(store.history("goods", 5).unwrap(), History::default());
        assert_eq!(store.history("goods", 7).unwrap(), history(std::slice::from_ref(&five)));
        assert_eq!(store.history("goods", 8).unwrap(), history(&[five, seven]));
        assert_eq!(store.history("care", 8).unwrap(), history(&[found(&[(8, 9)], &[8])]));
    }

    /// Slots count in which anything ran, with bad pairs or without.
    #[test]
    fn older_slots_are_forgotten() {
        let folder = TempDir::new().unwrap();
        let store = store(&folder, 0);
        keep(&store, 200, "goods", 10, &found(&[(1, 2)], &[1]));
        for id in 1..=u8::try_from(BEFORE).unwrap() {
            let slot = 10 + 3 * u64::from(id);
            let before = store.history("goods", slot).unwrap();
            assert_eq!(before, history(&[found(&[(1, 2)], &[1])]), "{id} slots later");
            keep(&store, id, "goods", slot, &found(&[], &[]));
        }
        assert_eq!(store.history("goods", 1000).unwrap(), History::default());
    }
}
