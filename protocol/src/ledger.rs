//! What a node's ledger says, replayed from its records: promises, survivors, peers' ledgers.
//!
//! Pure: the records' bytes and their durability belong to the driver. The sequence number counts
//! records. A report carries that of its SPENT; peers remember it, and a ledger that has no SPENT there was
//! rolled back, however many records it has had since (check A10).

use crate::codec::Text;
use crate::ids::{AttemptId, ExtractHash, FreezeHash, NodeId, RosterHash, SessionId, WarrantHash};
use crate::io::Record;
use crate::message::{Bound, Pass};
use crate::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// The last freeze of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields of Record::Frozen")]
pub struct Frozen {
    pub slot: u64,
    pub extract: ExtractHash,
    pub roster: RosterHash,
    pub at: Time,
}

/// What is known of one pass over one extract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassState {
    /// A report left, the survivors are unknown: closed.
    Spent,
    /// Confirmed, without a certificate seen.
    #[expect(missing_docs, reason = "fields of Record::Confirmed")]
    Confirmed { sid: AttemptId, freeze: FreezeHash, survivors: Vec<NodeId> },
    /// Survivors known from a verified certificate: answered for exactly those.
    Known(Box<Bound>),
}

/// The ledger as the protocol sees it.
#[derive(Debug, Clone, Default)]
pub struct LedgerView {
    seq: u64,
    frozen: BTreeMap<Text<32>, Frozen>,
    passes: BTreeMap<(Text<32>, ExtractHash, Pass), PassState>,
    seen: BTreeMap<NodeId, u64>,
    sessions: BTreeMap<WarrantHash, BTreeSet<SessionId>>,
    spent: BTreeSet<u64>,
}

impl LedgerView {
    /// Replays records from the first.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut view = LedgerView::default();
        records.into_iter().for_each(|record| view.apply(record));
        view
    }

    /// Takes one more record in.
    pub fn apply(&mut self, record: &Record) {
        self.seq = self.seq.saturating_add(1);
        match record {
            Record::Frozen { lock, slot, extract, roster, at } => {
                let frozen = Frozen { slot: *slot, extract: *extract, roster: *roster, at: *at };
                self.frozen.insert(lock.clone(), frozen);
            }
            Record::Spent { lock, extract, pass, session, warrant, .. } => {
                self.sessions.entry(*warrant).or_default().insert(*session);
                self.spent.insert(self.seq);
                self.advance(lock, extract, *pass, PassState::Spent);
            }
            Record::Confirmed { lock, extract, pass, sid, freeze, survivors, seen } => {
                for (node, seq) in seen {
                    let highest = self.seen.entry(*node).or_default();
                    *highest = (*highest).max(*seq);
                }
                let confirmed =
                    PassState::Confirmed { sid: *sid, freeze: *freeze, survivors: survivors.clone() };
                self.advance(lock, extract, *pass, confirmed);
            }
            Record::Certified { lock, extract, pass, bound } => {
                self.advance(lock, extract, *pass, PassState::Known(Box::new(bound.clone())));
            }
            Record::Released { .. }
            | Record::Filed { .. }
            | Record::Sent { .. }
            | Record::Received { .. }
            | Record::Bound { .. } => {}
        }
    }

    /// A record with survivors keeps them: a later session adds nothing and its failure takes nothing.
    fn advance(&mut self, lock: &Text<32>, extract: &ExtractHash, pass: Pass, state: PassState) {
        let entry = self.passes.entry((lock.clone(), *extract, pass)).or_insert(PassState::Spent);
        if !matches!(entry, PassState::Known(_)) {
            *entry = state;
        }
    }

    /// Records so far.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }
    /// True if what a peer remembers of this ledger is in it: nothing, or the number of a SPENT.
    #[must_use]
    pub fn holds(&self, remembered: u64) -> bool {
        remembered == 0 || self.spent.contains(&remembered)
    }
    /// The last freeze of a lock.
    #[must_use]
    pub fn frozen(&self, lock: &Text<32>) -> Option<&Frozen> {
        self.frozen.get(lock)
    }
    /// What is known of a pass over an extract; none: nothing left yet.
    #[must_use]
    pub fn pass(&self, lock: &Text<32>, extract: &ExtractHash, pass: Pass) -> Option<&PassState> {
        self.passes.get(&(lock.clone(), *extract, pass))
    }
    /// Highest verified sequence number of a peer's ledger.
    #[must_use]
    pub fn seen(&self, node: NodeId) -> u64 {
        self.seen.get(&node).copied().unwrap_or(0)
    }
    /// Sessions of a warrant that were contributed to.
    #[must_use]
    pub fn sessions(&self, warrant: &WarrantHash) -> BTreeSet<SessionId> {
        self.sessions.get(warrant).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::List;

    fn spent(sid: u8) -> Record {
        Record::Spent {
            lock: Text::new("goods").unwrap(),
            slot: 1,
            extract: ExtractHash([1; 32]),
            pass: Pass::Value,
            sid: AttemptId([sid; 32]),
            session: SessionId([sid; 32]),
            warrant: WarrantHash([1; 32]),
            roster: RosterHash([1; 32]),
        }
    }

    #[test]
    fn a_record_with_survivors_keeps_them() {
        let bound = Bound {
            roster: RosterHash([1; 32]),
            sid: AttemptId([1; 32]),
            freeze: FreezeHash([1; 32]),
            survivors: List::default(),
            certificate: List::default(),
        };
        let certified = Record::Certified {
            lock: Text::new("goods").unwrap(),
            extract: ExtractHash([1; 32]),
            pass: Pass::Value,
            bound: bound.clone(),
        };
        let view = LedgerView::of(&[spent(1), certified, spent(2)]);
        let state = view.pass(&Text::new("goods").unwrap(), &ExtractHash([1; 32]), Pass::Value);
        assert_eq!(state, Some(&PassState::Known(Box::new(bound))));
        assert_eq!(view.seq(), 3);
        assert_eq!(view.sessions(&WarrantHash([1; 32])).len(), 2);
        assert_eq!(view.pass(&Text::new("goods").unwrap(), &ExtractHash([2; 32]), Pass::Value), None);
    }
}
