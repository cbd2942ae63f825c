//! What a node's ledger says, replayed from its records: promises, survivors, peers' ledgers.
//!
//! Pure: the records' bytes and their durability belong to the driver. The sequence number counts
//! records. A report carries that of its SPENT; peers remember it, and a ledger that has no SPENT there was
//! rolled back, however many records it has had since (check A10).

use crate::ablation::ablated;
use crate::codec::Text;
use crate::ids::{
    AttemptId, ExtractHash, FamilyHash, FreezeHash, NodeId, QueryHash, ResultHash, RosterHash, SessionId,
    WarrantHash,
};
use crate::io::Record;
use crate::message::{Bound, Pass};
use crate::query::Shape;
use crate::time::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// So long a session counts towards the rate of its family, in milliseconds: 7 days.
pub const WEEK_MS: u64 = 7 * 86_400_000;

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
    #[expect(missing_docs, reason = "field of Record::Spent")]
    Spent { sid: AttemptId },
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
    attempts: BTreeMap<AttemptId, Attempt>,
    confirmed: BTreeSet<AttemptId>,
    voided: BTreeMap<AttemptId, u64>,
    /// VOIDs since the last freeze.
    voids: usize,
    rolled_back: bool,
    spent: BTreeSet<u64>,
    counted: BTreeMap<(WarrantHash, u64), Counted>,
    shapes: BTreeMap<WarrantHash, Arc<Shape>>,
    totals: BTreeMap<QueryHash, Vec<u64>>,
}

/// A count pass whose result was verified here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields of Record::Counted")]
pub struct Counted {
    pub freeze: FreezeHash,
    pub result: ResultHash,
    pub survivors: Vec<NodeId>,
    pub open: Vec<u8>,
    pub totals: Vec<u16>,
}

/// An attempt that was contributed to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields of Record::Spent")]
pub struct Attempt {
    pub lock: Text<32>,
    pub slot: u64,
    /// When the slot's extract was frozen, by this node's clock.
    pub at: Time,
    pub extract: ExtractHash,
    pub pass: Pass,
    pub session: SessionId,
    pub warrant: WarrantHash,
    pub roster: RosterHash,
    /// What was asked, whatever it is called; none where that was not written down yet.
    pub family: Option<FamilyHash>,
    /// What was counted, or summed without a count; none in a value pass after one.
    pub shape: Option<Arc<Shape>>,
    /// What a value pass opens; none where that is everything that could, or was not written down.
    pub open: Option<Vec<u8>>,
    /// The peers' ledgers as known then, until the attempt is settled: a VOID must not be behind them.
    pub seen: BTreeMap<NodeId, u64>,
    /// True once a quorum's VOIDs undid it.
    pub returned: bool,
    /// The survivors that this node confirmed; none where it confirmed none.
    pub survivors: Option<Vec<NodeId>>,
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
                if !ablated!("frozen-forgotten") {
                    self.frozen.insert(lock.clone(), frozen);
                }
                self.voids = 0;
            }
            Record::Spent { .. } => self.spend(record),
            Record::Confirmed { lock, extract, pass, sid, freeze, survivors, seen } => {
                self.confirm(sid, survivors, seen);
                let confirmed =
                    PassState::Confirmed { sid: *sid, freeze: *freeze, survivors: survivors.clone() };
                self.advance(lock, extract, *pass, confirmed);
            }
            Record::Certified { lock, extract, pass, bound } => {
                if let Some(attempt) = self.attempts.get_mut(&bound.sid) {
                    attempt.seen.clear();
                }
                self.advance(lock, extract, *pass, PassState::Known(Box::new(bound.clone())));
            }
            Record::Voided { sid } => {
                self.voided.insert(*sid, self.spent.last().copied().unwrap_or(0));
                self.voids = self.voids.saturating_add(1);
            }
            Record::RolledBack { .. } => self.rolled_back = true,
            Record::Returned { lock, extract, pass, sid } => self.undo(lock, extract, *pass, sid),
            Record::Counted { warrant, slot, freeze, result, survivors, open, totals } => {
                let (survivors, open, totals) = (survivors.clone(), open.clone(), totals.clone());
                let counted = Counted { freeze: *freeze, result: *result, survivors, open, totals };
                self.counted.insert((*warrant, *slot), counted);
            }
            Record::Summed { query, totals, .. } => self.remember(*query, totals),
            Record::Released { .. }
            | Record::Filed { .. }
            | Record::Sent { .. }
            | Record::Received { .. }
            | Record::Bound { .. }
            | Record::BadPairs { .. }
            | Record::Garbage { .. } => {}
        }
    }

    /// A contribution is about to leave.
    fn spend(&mut self, record: &Record) {
        let Record::Spent { lock, slot, extract, pass, sid, session, warrant, roster, shape, family, open } =
            record
        else {
            return;
        };
        if let Some(shape) = shape {
            self.shapes.insert(*warrant, Arc::new(Shape::clone(shape)));
        }
        let attempt = Attempt {
            lock: lock.clone(),
            slot: *slot,
            at: self.frozen.get(lock).map_or(Time(0), |frozen| frozen.at),
            extract: *extract,
            pass: *pass,
            session: *session,
            warrant: *warrant,
            roster: *roster,
            family: *family,
            shape: self
                .shapes
                .get(warrant)
                .filter(|_| !self.is_after_count(*pass, (warrant, *slot)))
                .cloned(),
            open: open.clone(),
            seen: self.seen.clone(),
            returned: false,
            survivors: None,
        };
        self.attempts.insert(*sid, attempt);
        self.spent.insert(self.seq);
        if !ablated!("spent-forgotten") {
            self.advance(lock, extract, *pass, PassState::Spent { sid: *sid });
        }
    }

    /// Whether a pass is one of values that were counted before.
    fn is_after_count(&self, pass: Pass, (warrant, slot): (&WarrantHash, u64)) -> bool {
        pass == Pass::Value && self.counted.contains_key(&(*warrant, slot))
    }

    /// A total that opened takes the place of the one before; one that stayed closed leaves it.
    fn remember(&mut self, query: QueryHash, totals: &[u64]) {
        let known = self.totals.entry(query).or_default();
        known.resize(known.len().max(totals.len()), 0);
        for (known, total) in known.iter_mut().zip(totals).filter(|(_, total)| **total > 0) {
            *known = *total;
        }
    }

    /// What a confirmation says besides the state of its pass.
    fn confirm(&mut self, sid: &AttemptId, survivors: &[NodeId], seen: &[(NodeId, u64)]) {
        for (node, seq) in seen.iter().filter(|_| !ablated!("seen-forgotten")) {
            let highest = self.seen.entry(*node).or_default();
            *highest = (*highest).max(*seq);
        }
        if let Some(attempt) = self.attempts.get_mut(sid) {
            attempt.seen = self.seen.clone();
            attempt.survivors = Some(survivors.to_vec());
        }
        self.confirmed.insert(*sid);
    }

    /// A record with survivors keeps them: a later session adds nothing and its failure takes nothing.
    fn advance(&mut self, lock: &Text<32>, extract: &ExtractHash, pass: Pass, state: PassState) {
        let key = (lock.clone(), *extract, pass);
        if !matches!(self.passes.get(&key), Some(PassState::Known(_))) || ablated!("known-overwritten") {
            self.passes.insert(key, state);
        }
    }

    /// The pass is as it was before the attempt: nothing left, for only that lets an attempt spend it.
    fn undo(&mut self, lock: &Text<32>, extract: &ExtractHash, pass: Pass, sid: &AttemptId) {
        let key = (lock.clone(), *extract, pass);
        let by = match self.passes.get(&key) {
            Some(PassState::Spent { sid } | PassState::Confirmed { sid, .. }) => Some(*sid),
            Some(PassState::Known(_)) | None => None,
        };
        if by == Some(*sid) {
            self.passes.remove(&key);
        }
        if let Some(attempt) = self.attempts.get_mut(sid) {
            attempt.returned = true;
            attempt.seen.clear();
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
    /// The count pass of a warrant in a slot that was verified here.
    #[must_use]
    pub fn counted(&self, warrant: &WarrantHash, slot: u64) -> Option<&Counted> {
        self.counted.get(&(*warrant, slot))
    }
    /// The last totals of a query that opened and were verified here, as its [`Record::Summed`]; empty for none.
    #[must_use]
    pub fn totals(&self, query: &QueryHash) -> &[u64] {
        self.totals.get(query).map_or(&[], Vec::as_slice)
    }
    /// Highest verified sequence number of a peer's ledger.
    #[must_use]
    pub fn seen(&self, node: NodeId) -> u64 {
        self.seen.get(&node).copied().unwrap_or(0)
    }
    /// The slots in which a warrant was contributed to, and when each one's extract was frozen; without what was
    /// undone. Both passes of a slot are one session.
    #[must_use]
    pub fn slots(&self, warrant: &WarrantHash) -> BTreeMap<u64, Time> {
        let of = self.attempts.values().filter(|attempt| attempt.warrant == *warrant && !attempt.returned);
        of.map(|attempt| (attempt.slot, attempt.at)).collect()
    }
    /// The sessions in which a family of queries was contributed to, by warrant and slot, whose extract was frozen less
    /// than 7 days before `now`; without what was undone. A clock that was set back makes none of them older.
    #[must_use]
    pub fn lately(&self, family: &FamilyHash, now: Time) -> BTreeSet<(WarrantHash, u64)> {
        let of = self.attempts.values().filter(|one| one.family.as_ref() == Some(family) && !one.returned);
        of.filter(|one| now.since_ms(one.at) < WEEK_MS).map(|one| (one.warrant, one.slot)).collect()
    }
    /// The survivors of a warrant's sessions as this node confirmed them, without what was undone. Any two
    /// certified sets share an honest node that confirmed both: where each holds to its own, there is one.
    #[must_use]
    pub fn series(&self, warrant: &WarrantHash) -> Option<&[NodeId]> {
        let mut of = self.attempts.values().filter(|one| one.warrant == *warrant && !one.returned);
        of.find_map(|one| one.survivors.as_deref())
    }
    /// The attempts over the rows of a lock whose survivors this node confirmed, without what was undone.
    pub fn confirmed_of(&self, lock: &str) -> impl Iterator<Item = &Attempt> {
        let of = self.attempts.values().filter(move |one| *one.lock == *lock && !one.returned);
        of.filter(|one| one.survivors.is_some())
    }
    /// What the last count pass of a warrant counted.
    #[must_use]
    pub fn shape(&self, warrant: &WarrantHash) -> Option<&Shape> {
        self.shapes.get(warrant).map(Arc::as_ref)
    }
    /// The warrants that were answered over the rows of a lock, each with the extract; without what was undone.
    #[must_use]
    pub fn answered(&self, lock: &str) -> BTreeSet<(ExtractHash, WarrantHash)> {
        let of = self.attempts.values().filter(|one| *one.lock == *lock && !one.returned);
        of.map(|one| (one.extract, one.warrant)).collect()
    }
    /// What was counted over an extract, and what was summed without a count; none in place of what cannot be told.
    pub fn counts<'a>(
        &'a self,
        lock: &'a Text<32>,
        extract: &'a ExtractHash,
    ) -> impl Iterator<Item = Option<&'a Shape>> {
        let over = move |one: &&Attempt| one.lock == *lock && one.extract == *extract && !one.returned;
        let first = |one: &&Attempt| !self.is_after_count(one.pass, (&one.warrant, one.slot));
        self.attempts.values().filter(over).filter(first).map(|one| one.shape.as_deref())
    }
    /// The value passes after a count that were contributed to over an extract; without what was undone.
    pub fn values<'a>(
        &'a self,
        lock: &'a Text<32>,
        extract: &'a ExtractHash,
    ) -> impl Iterator<Item = &'a Attempt> {
        let over = move |one: &&Attempt| one.lock == *lock && one.extract == *extract && !one.returned;
        self.attempts
            .values()
            .filter(over)
            .filter(|one| self.is_after_count(one.pass, (&one.warrant, one.slot)))
    }
    /// What the count pass of a warrant in a slot counted.
    #[must_use]
    pub fn shape_in(&self, warrant: &WarrantHash, slot: u64) -> Option<&Shape> {
        let count = |one: &&Attempt| one.pass == Pass::Count && one.warrant == *warrant && one.slot == slot;
        self.attempts.values().filter(|one| !one.returned).find(count)?.shape.as_deref()
    }
    /// An attempt that was contributed to.
    #[must_use]
    pub fn attempt(&self, sid: &AttemptId) -> Option<&Attempt> {
        self.attempts.get(sid)
    }
    /// True if this node confirmed survivors of the attempt.
    #[must_use]
    pub fn confirmed(&self, sid: &AttemptId) -> bool {
        self.confirmed.contains(sid)
    }
    /// Number of the last SPENT when this node promised never to confirm the attempt; none if it did not.
    #[must_use]
    pub fn voided(&self, sid: &AttemptId) -> Option<u64> {
        self.voided.get(sid).copied()
    }
    /// True once peers remembered what is not in this ledger.
    #[must_use]
    pub fn rolled_back(&self) -> bool {
        self.rolled_back
    }
    /// VOIDs given since the last freeze.
    #[must_use]
    pub fn voids(&self) -> usize {
        self.voids
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
            shape: None,
            family: Some(FamilyHash([1; 32])),
            open: None,
        }
    }

    #[test]
    fn a_total_stays_while_its_figure_is_closed() {
        let of = |query: u8, totals: &[u64]| Record::Summed {
            query: QueryHash([query; 32]),
            slot: 1,
            totals: totals.to_vec(),
        };
        let view = LedgerView::of(&[of(1, &[5, 7]), of(2, &[1]), of(1, &[0, 9]), of(1, &[0, 0])]);
        assert_eq!(view.totals(&QueryHash([1; 32])), [5, 9]);
        assert_eq!(view.totals(&QueryHash([2; 32])), [1]);
        assert!(view.totals(&QueryHash([3; 32])).is_empty());
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
        assert_eq!(view.slots(&WarrantHash([1; 32])).len(), 1, "one slot, whatever ran in it");
        assert_eq!(view.pass(&Text::new("goods").unwrap(), &ExtractHash([2; 32]), Pass::Value), None);
        assert_eq!(view.answered("goods"), [(ExtractHash([1; 32]), WarrantHash([1; 32]))].into());
        assert!(view.answered("care").is_empty());
    }

    #[test]
    fn a_family_is_counted_by_session_for_seven_days() {
        let frozen = |slot| Record::Frozen {
            lock: Text::new("goods").unwrap(),
            slot,
            extract: ExtractHash([1; 32]),
            roster: RosterHash([1; 32]),
            at: Time(slot * 1000),
        };
        let again = |sid, on| match spent(sid) {
            Record::Spent {
                lock, extract, pass, sid, session, warrant, roster, shape, family, open, ..
            } => {
                let slot = on;
                Record::Spent {
                    lock,
                    slot,
                    extract,
                    pass,
                    sid,
                    session,
                    warrant,
                    roster,
                    shape,
                    family,
                    open,
                }
            }
            other => other,
        };
        let returned = Record::Returned {
            lock: Text::new("goods").unwrap(),
            extract: ExtractHash([1; 32]),
            pass: Pass::Value,
            sid: AttemptId([4; 32]),
        };
        let records =
            [frozen(1), again(1, 1), again(2, 1), frozen(2), again(3, 2), frozen(3), again(4, 3), returned];
        let view = LedgerView::of(&records);
        let lately = |family, at| view.lately(&FamilyHash([family; 32]), Time(at)).len();
        assert_eq!(
            lately(1, 3000),
            2,
            "two attempts of one slot are one session, and what was undone is none"
        );
        assert_eq!(lately(2, 3000), 0, "another family");
        assert_eq!(
            [lately(1, WEEK_MS + 999), lately(1, WEEK_MS + 1000), lately(1, WEEK_MS + 2000)],
            [2, 1, 0]
        );
        assert_eq!(lately(1, 0), 2, "a clock set back");
    }
}
