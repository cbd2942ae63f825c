//! What must hold of a deployment's ledgers after anything: no promise lost, no slot spent twice, no mask
//! used twice.
//!
//! Reads the agents' ledgers and the coordinator's store with the programs' own readers. It must not repair.

use super::{Deployment, figures};
use samensom_coordinator::store::Store;
use samensom_node::ledger::{Entry, Ledger};
use samensom_protocol::ids::{AttemptId, NodeId};
use samensom_protocol::io::Record;
use samensom_protocol::message::Round;
use samensom_protocol::ring::{lane_mask, width};
use std::collections::{BTreeMap, BTreeSet};

/// Lowest figure that the query allows.
const LOW: i64 = -1_000_000;
/// Widest range of a measure.
const WIDEST: u64 = 2_000_000;

/// What was looked at, so that a test can say that it looked at something.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// Contributions in ledgers.
    pub contributions: usize,
    /// Frames of nodes that the coordinator holds.
    pub frames: usize,
    /// Pairs of reports of one hospital.
    pub reports: usize,
}

impl Deployment {
    /// Holds every rule against what lies on the disks.
    ///
    /// # Panics
    /// When a ledger does not verify or a rule is broken.
    #[must_use]
    pub fn promises(&self) -> Looked {
        let mut looked = Looked::default();
        let ledgers: Vec<Vec<Entry>> = (0..self.hospitals)
            .map(|hospital| {
                let ledger = Ledger::open_to_read(&self.state(hospital));
                ledger.and_then(|ledger| ledger.entries()).unwrap_or_else(|why| panic!("h{hospital}: {why}"))
            })
            .collect();
        let store = Store::open_read_only(&self.lcg().join("samensom.db")).expect("the store can be read");
        let mut slots = BTreeMap::new();
        for (hospital, entries) in ledgers.iter().enumerate() {
            looked.contributions += spent_once(hospital, entries, &mut slots);
        }
        for sid in slots.keys() {
            for record in store.records(sid).expect("records") {
                let Record::Received { node, round, .. } = record else { continue };
                let hospital = usize::from(node.0) - 1;
                looked.frames += 1;
                assert!(
                    promised(&ledgers[hospital], sid, round),
                    "LOST PROMISE: the coordinator holds a frame of h{hospital} in round {round:?} of {sid}, \
                     its ledger does not: {:#?}",
                    ledgers[hospital]
                );
            }
        }
        looked.reports = self.masks(&store, &slots);
        looked
    }

    /// The difference of two reports of a hospital is never that of its figures.
    fn masks(&self, store: &Store, slots: &BTreeMap<AttemptId, u64>) -> usize {
        let hospitals = u16::try_from(self.hospitals).expect("few");
        let width = width(hospitals, WIDEST).expect("a width");
        let mut pairs = 0;
        for hospital in 0..hospitals {
            let report = |(sid, slot): (&AttemptId, &u64)| {
                let bytes = store.spooled(sid, NodeId(hospital + 1), 0).expect("a block")?;
                let figures = figures(usize::from(hospital), *slot);
                let clear = figures.map(|figure| u64::try_from(figure - LOW).expect("in range"));
                let lanes = lanes(&bytes, width);
                // The mask itself, as whoever knew the figures would compute it.
                let mask = clear.iter().zip(lanes).map(|(clear, lane)| lane.wrapping_sub(*clear));
                Some(mask.map(|mask| mask & lane_mask(width)).collect::<Vec<u64>>())
            };
            let masks: Vec<Vec<u64>> = slots.iter().filter_map(report).collect();
            let different: BTreeSet<&Vec<u64>> = masks.iter().collect();
            assert_eq!(different.len(), masks.len(), "A MASK WAS USED TWICE by h{hospital}: {masks:?}");
            pairs += masks.len() * masks.len().saturating_sub(1) / 2;
        }
        pairs
    }
}

/// The first lanes of a packed report.
fn lanes(bytes: &[u8], width: u8) -> Vec<u64> {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| u64::from(byte >> (at % 8) & 1));
    let width = usize::from(width);
    let lane = |lane: usize| (0..width).fold(0, |all, at| all | bit(lane * width + at) << at);
    (0..super::template::FIGURES).map(lane).collect()
}

/// Over one extract a second contribution leaves only once the survivors of one are known, which then hold
/// for all that follow, or once the first was given up for ever: by an own VOID, or by a quorum's. Adds the
/// slots of the attempts; how many contributions there were.
fn spent_once(hospital: usize, entries: &[Entry], slots: &mut BTreeMap<AttemptId, u64>) -> usize {
    let mut open: BTreeMap<_, AttemptId> = BTreeMap::new();
    let mut known: BTreeMap<_, Vec<NodeId>> = BTreeMap::new();
    let mut count = 0;
    for entry in entries {
        match &entry.record {
            Record::Spent { extract, slot, sid, .. } => {
                count += 1;
                slots.insert(*sid, *slot);
                if !known.contains_key(extract) {
                    let before = open.insert(*extract, *sid);
                    assert_eq!(before, None, "SPENT TWICE by h{hospital}, then {sid}: {entries:#?}");
                }
            }
            Record::Certified { extract, bound, .. } => {
                open.remove(extract);
                let survivors = known.entry(*extract).or_insert_with(|| bound.survivors.to_vec());
                assert_eq!(*survivors, bound.survivors.to_vec(), "TWO SETS at h{hospital}: {entries:#?}");
            }
            Record::Voided { sid } | Record::Returned { sid, .. } => open.retain(|_, spent| spent != sid),
            _ => {}
        }
    }
    count
}

/// Whether a ledger holds what a frame of this round rests on.
fn promised(entries: &[Entry], sid: &AttemptId, round: Round) -> bool {
    entries.iter().any(|entry| match (&entry.record, round) {
        (Record::Spent { sid: spent, .. }, Round::Contribute) => spent == sid,
        (Record::Confirmed { sid: confirmed, .. }, Round::Confirm) => confirmed == sid,
        (_, Round::Contribute | Round::Confirm) => false,
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use samensom_protocol::codec::{List, Text};
    use samensom_protocol::ids::{ExtractHash, FreezeHash, RosterHash, SessionId, WarrantHash};
    use samensom_protocol::message::{Bound, Pass};
    use samensom_protocol::time::Time;
    use std::panic::catch_unwind;

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
            family: None,
            open: None,
        }
    }

    fn looked(records: Vec<Record>) -> usize {
        let entry = |(seq, record)| Entry { seq, at: Time(seq), record };
        let entries: Vec<Entry> = (1..).zip(records).map(entry).collect();
        spent_once(0, &entries, &mut BTreeMap::new())
    }

    #[test]
    fn a_slot_that_is_spent_twice_is_seen() {
        assert_eq!(looked(vec![spent(1), Record::Voided { sid: AttemptId([1; 32]) }, spent(2)]), 2);
        assert!(catch_unwind(|| looked(vec![spent(1), spent(2)])).is_err());
        let other = Record::Voided { sid: AttemptId([2; 32]) };
        assert!(catch_unwind(|| looked(vec![spent(1), other, spent(2)])).is_err());
    }

    fn certified(sid: u8, survivors: &[u16]) -> Record {
        let bound = Bound {
            roster: RosterHash([1; 32]),
            sid: AttemptId([sid; 32]),
            freeze: FreezeHash([sid; 32]),
            survivors: List::new(survivors.iter().copied().map(NodeId).collect()).unwrap(),
            certificate: List::default(),
        };
        let lock = Text::new("goods").unwrap();
        Record::Certified { lock, extract: ExtractHash([1; 32]), pass: Pass::Value, bound }
    }

    /// A storm of 50 sessions: the second session over known survivors failed, the third had its sum.
    #[test]
    fn repro_known_survivors_may_be_summed_again_after_a_failure() {
        let first = || vec![spent(1), certified(1, &[1, 2])];
        assert_eq!(looked([first(), vec![spent(2), spent(3), certified(3, &[1, 2])]].concat()), 3);
        let other = [first(), vec![spent(2), certified(2, &[1, 3])]].concat();
        assert!(catch_unwind(|| looked(other)).is_err(), "other survivors over one extract");
    }

    #[test]
    fn a_promise_that_is_not_in_the_ledger_is_seen() {
        let entries = [Entry { seq: 1, at: Time(1), record: spent(1) }];
        assert!(promised(&entries, &AttemptId([1; 32]), Round::Contribute));
        assert!(!promised(&entries, &AttemptId([2; 32]), Round::Contribute));
        assert!(!promised(&entries, &AttemptId([1; 32]), Round::Confirm));
    }

    #[test]
    fn lanes_are_read_as_they_were_packed() {
        let words = [5, 0x1f_ffff, 1_234_567];
        let width = width(4, WIDEST).unwrap();
        assert_eq!(lanes(&samensom_protocol::ring::pack(&words, width), width), words);
    }
}
