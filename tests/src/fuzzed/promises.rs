//! What must hold of a [`Play`](super::play::Play), whatever happened to its frames.
//!
//! Claims of the referee (one set of survivors a slot, one START, nothing after a restart) and of its own:
//! one report an attempt, never both secrets of a dealer, nothing said that is not durable, an exact sum or
//! none, nobody blamed who did nothing. It reads frames, records and events; it changes nothing.

use super::play::figure;
use crate::adversary::referee::{Frozen, Referee};
use samensom_protocol::codec::decode;
use samensom_protocol::ids::{AttemptId, GoHash, NodeId, ResultHash, StartHash};
use samensom_protocol::io::{Failure, Record, Sum};
use samensom_protocol::message::{
    Confirm, Freeze, FreezeBody, Go, GoBody, Message, ReportBody, ResultBody, StartBody, VoidBody,
};
use samensom_protocol::rounds::{freeze_hash, go_hash, start_hash};
use std::collections::{BTreeMap, BTreeSet};

/// Keeps book of what was said, and panics at a promise that is broken.
#[derive(Debug, Default)]
pub struct Promises {
    /// Nodes whose key somebody else used.
    pub liars: BTreeSet<NodeId>,
    /// Nodes in whose channel somebody else spoke.
    pub meddled: BTreeSet<NodeId>,
    /// Somebody else used the coordinator's key.
    pub false_orders: bool,
    referee: Referee,
    starts: BTreeSet<(AttemptId, StartHash)>,
    /// GOs that somebody was given, by attempt.
    pub gos: BTreeSet<(AttemptId, GoHash)>,
    /// By attempt, node and part (0: the head).
    reports: BTreeMap<(AttemptId, NodeId, u32), Vec<u8>>,
    /// By attempt, holder and dealer: whether the share of b was given, or that of r.
    given: BTreeMap<(AttemptId, NodeId, NodeId), bool>,
    orders: BTreeMap<(AttemptId, &'static str), Vec<u8>>,
    results: BTreeSet<ResultHash>,
    verified: Vec<(NodeId, ResultHash)>,
}

impl Promises {
    /// A node restarted.
    pub fn restarted(&mut self, node: NodeId) {
        self.referee.restarted(node);
    }

    /// A node took an attempt up.
    pub fn measured(&mut self, node: NodeId, sid: AttemptId, slot: u64) {
        self.referee.measured(node, sid, slot);
    }

    /// A node wrote a record.
    pub fn kept(&mut self, node: NodeId, record: &Record) {
        if let Record::Returned { sid, .. } = record {
            self.referee.returned(node, *sid);
        }
    }

    /// A node sent a frame, with this ledger on its disk.
    pub fn said(&mut self, node: NodeId, bytes: &[u8], ledger: &[Record]) {
        let message = Message::from_frame(bytes).expect("a node sends messages");
        self.referee.sent(node, &message);
        let rests = |held: bool, what: &str| assert!(held, "{node}: {what} leaves before its record");
        match &message {
            Message::Report(report) => {
                let body: ReportBody = decode(&report.body.body).expect("a report's body");
                self.reported(node, body.sid, 0, bytes);
                let spent = |r: &Record| matches!(r, Record::Spent { sid, .. } if *sid == body.sid);
                rests(ledger.iter().any(spent), "a report");
            }
            Message::ReportBlock(block) => self.reported(node, block.sid, block.index + 1, bytes),
            Message::Confirm(sealed) => {
                let body: Confirm = decode(&sealed.body).expect("a confirmation's body");
                let kept = |r: &Record| matches!(r, Record::Confirmed { sid, freeze, .. } if (*sid, *freeze) == (body.sid, body.freeze));
                rests(ledger.iter().any(kept), "a confirmation");
            }
            Message::Void(sealed) => {
                let body: VoidBody = decode(&sealed.body).expect("a promise's body");
                let kept = |r: &Record| matches!(r, Record::Voided { sid } if *sid == body.sid);
                rests(ledger.iter().any(kept), "a promise to void");
            }
            Message::RevealR(reveal) | Message::RevealB(reveal) => {
                let b = matches!(message, Message::RevealB(_));
                let kept = |r: &Record| match r {
                    Record::Released { sid } => *sid == reveal.sid,
                    Record::Certified { bound, .. } => !b && bound.sid == reveal.sid,
                    _ => false,
                };
                rests(ledger.iter().any(kept), "a share");
                for share in reveal.shares.iter() {
                    let first = *self.given.entry((reveal.sid, node, share.dealer)).or_insert(b);
                    assert_eq!(first, b, "{node} gives both secrets of {}", share.dealer);
                }
            }
            _ => {}
        }
    }

    fn reported(&mut self, node: NodeId, sid: AttemptId, part: u32, bytes: &[u8]) {
        let first = self.reports.entry((sid, node, part)).or_insert_with(|| bytes.to_vec());
        assert!(first == bytes, "{node} sends two reports for one attempt");
    }

    /// The coordinator sent a frame: it says one thing to all.
    pub fn ordered(&mut self, bytes: &[u8]) {
        let message = Message::from_frame(bytes).expect("the coordinator sends messages");
        let (what, body) = match &message {
            Message::Start(start) => ("START", &*start.body.body),
            Message::Go(go) => ("GO", &*go.body.body),
            Message::Freeze(freeze) => ("FREEZE", &*freeze.body.body),
            Message::Certificate(certificate) => ("CERT", &*certificate.body.body),
            Message::Outcome(outcome) => ("RESULT", &*outcome.body.body),
            _ => return,
        };
        let sid =
            AttemptId(body.get(..32).and_then(|sid| sid.try_into().ok()).expect("a body begins with sid"));
        let first = self.orders.entry((sid, what)).or_insert_with(|| body.to_vec());
        assert!(*first == body, "the coordinator signs two of {what}");
    }

    /// Somebody was given a frame: what stands behind its hashes.
    pub fn told(&mut self, bytes: &[u8]) {
        match Message::from_frame(bytes) {
            Ok(Message::Start(start)) => {
                let Ok(body) = decode::<StartBody>(&start.body.body) else { return };
                let hash = start_hash(&body.sid, &body.cohort);
                self.starts.insert((body.sid, hash));
                self.referee.starts.insert(hash, body.cohort.iter().map(|dealt| dealt.node).collect());
            }
            Ok(Message::Go(go)) => self.told_go(&go),
            Ok(Message::Freeze(freeze)) => self.told_freeze(&freeze),
            _ => {}
        }
    }

    fn told_go(&mut self, go: &Go) {
        let Ok(body) = decode::<GoBody>(&go.body.body) else { return };
        for (_, start) in self.starts.iter().filter(|(sid, _)| *sid == body.sid) {
            let Ok(hash) = go_hash(start, &go.readies) else { continue };
            self.gos.insert((body.sid, hash));
            self.referee.gos.insert(hash, *start);
        }
    }

    fn told_freeze(&mut self, freeze: &Freeze) {
        let Ok(body) = decode::<FreezeBody>(&freeze.body.body) else { return };
        for (_, go) in self.gos.iter().filter(|(sid, _)| *sid == body.sid) {
            let survivors = freeze.survivors.iter().map(|one| one.node).collect();
            let hash = freeze_hash(go, &freeze.survivors);
            self.referee.freezes.insert(hash, Frozen { go: *go, survivors });
        }
    }

    /// The coordinator has a sum.
    pub fn finished(&mut self, sum: &Sum, slot: u64) {
        let body: ResultBody = decode(&sum.outcome.body.body).expect("a result's body");
        self.results.insert(body.result);
        if sum.survivors.iter().all(|node| !self.liars.contains(node)) {
            let clear: u64 = sum.survivors.iter().map(|node| figure(*node, slot)).sum();
            assert_eq!(sum.lanes, [clear], "the sum is not that of its survivors {:?}", sum.survivors);
        }
    }

    /// The session failed.
    pub fn failed(&self, failure: &Failure) {
        failure.culprits.iter().for_each(|node| self.blamed(*node));
    }

    fn blamed(&self, node: NodeId) {
        let meddled = self.liars.contains(&node) || self.meddled.contains(&node) || self.false_orders;
        assert!(meddled, "{node} is blamed, and did nothing");
    }

    /// A node verified a result.
    pub fn verified(&mut self, node: NodeId, result: ResultHash) {
        self.verified.push((node, result));
    }

    /// What can be seen only at the end.
    pub fn hold(&self, quorum: u16) {
        let breaches = self.referee.breaches(quorum, &self.liars);
        assert!(breaches.is_empty(), "{breaches:?}");
        let false_one = self.verified.iter().find(|(_, result)| !self.results.contains(result));
        assert!(false_one.is_none(), "a result verified that is not the coordinator's: {false_one:?}");
    }
}
