//! The claims: what must never be seen, whatever goes wrong, and what each frame and record rests on.
//!
//! Owns the memory of a run that no machine has: who gave which figures to which attempt, who said what.
//! It reads frames, records and results alone, never a machine's state, and shares no check with the core
//! where it can compute the answer itself.

use super::run::{Run, Violation};
use super::said::Said;
use samensom_protocol::codec::{decode, encode};
use samensom_protocol::crypto::keys::{Signed, verify};
use samensom_protocol::error::{Check, Fault};
use samensom_protocol::ids::{AttemptId, ExtractHash, FreezeHash, NodeId, ResultHash};
use samensom_protocol::io::{Failure, FailureCode, Record, Sum};
use samensom_protocol::message::{Bound, FreezeBody, GoBody, Header, Message, Round, StartBody};
use std::collections::{BTreeMap, BTreeSet};

type Of = (AttemptId, NodeId);

/// What was seen in a run.
#[derive(Debug, Default)]
pub struct Oracle {
    /// GO hashes by attempt.
    pub goes: BTreeMap<AttemptId, [u8; 32]>,
    /// START hashes by attempt.
    pub starts: BTreeMap<AttemptId, [u8; 32]>,
    /// Lies told so far.
    pub lies: u32,
    headers: BTreeMap<AttemptId, Header>,
    pub(super) cohorts: BTreeMap<AttemptId, Vec<NodeId>>,
    figures: BTreeMap<Of, (Vec<i64>, ExtractHash)>,
    extracts: BTreeMap<(NodeId, u64), ExtractHash>,
    pub(super) reports: BTreeMap<(AttemptId, NodeId, u32), Vec<u8>>,
    pub(super) confirmed: BTreeMap<Of, FreezeHash>,
    pub(super) given: BTreeMap<(AttemptId, NodeId, NodeId), bool>,
    sets: BTreeMap<u64, Vec<NodeId>>,
    kept: BTreeMap<(NodeId, ExtractHash), Vec<NodeId>>,
    /// RESULTs of an attempt; a coordinator and its copy may show two, over two certificates of one FREEZE.
    results: BTreeMap<AttemptId, BTreeSet<ResultHash>>,
    verified: BTreeMap<Of, ResultHash>,
    genuine: BTreeSet<[u8; 32]>,
    pub(super) said: BTreeMap<NodeId, Vec<(Said, AttemptId)>>,
    pub(super) sent: BTreeSet<(NodeId, u64)>,
    certified: BTreeSet<AttemptId>,
    voided: BTreeSet<AttemptId>,
    told: BTreeMap<(NodeId, AttemptId, Round), u64>,
}

impl Oracle {
    /// A node answers an attempt's question with these figures, which are those frozen for its slot.
    pub fn expect(&mut self, sid: AttemptId, node: NodeId, figures: Vec<i64>, extract: ExtractHash) {
        self.figures.insert((sid, node), (figures, extract));
    }
}

impl Run {
    pub(super) fn hold(&mut self, held: bool, claim: &'static str, what: impl FnOnce() -> String) {
        if !held && self.violation.is_none() {
            self.violation = Some(Violation { claim, what: what() });
        }
    }

    /// The coordinator's own records: what its attempts were.
    pub fn note_record(&mut self, record: &Record) {
        let Record::Sent { sid, round, bytes, .. } = record else { return };
        let oracle = &mut self.oracle;
        match (round, Message::from_frame(bytes)) {
            (Round::Deposit, Ok(Message::Offer(offer))) => {
                if let Ok(header) = decode::<Header>(&offer.header.body) {
                    oracle.headers.insert(*sid, header);
                }
            }
            (Round::Ready, Ok(Message::Start(start))) => {
                if let Ok(body) = decode::<StartBody>(&start.body.body) {
                    let hash = samensom_protocol::rounds::start_hash(sid, &body.cohort);
                    oracle.starts.insert(*sid, hash.0);
                    oracle.cohorts.insert(*sid, body.cohort.iter().map(|one| one.node).collect());
                }
            }
            (Round::Contribute, Ok(Message::Go(go))) => {
                if let Ok(body) = decode::<GoBody>(&go.body.body) {
                    oracle.goes.insert(*sid, body.go.0);
                }
            }
            (Round::Void, Ok(Message::Voids(voids))) => {
                oracle.voided.insert(*sid);
                let both = oracle.certified.contains(sid);
                let (many, q) = (voids.voids.len(), self.world.warrants[0].1.params().thresholds.quorum);
                self.tally.count("attempt void");
                self.hold(!both, "an attempt is void or certified, never both", || "it is both".to_owned());
                self.hold(many >= usize::from(q), "VOIDS are a quorum's", || format!("{many} of {q}"));
            }
            _ => {}
        }
    }

    /// A frame of the coordinator: its own record is durable, and there is one of each kind.
    pub fn check_centre_send(&mut self, c: usize, to: NodeId, bytes: &[u8]) {
        let Ok(message) = Message::from_frame(bytes) else { return };
        let freeze = |sealed: &samensom_protocol::message::Sealed<128>| {
            decode::<FreezeBody>(&sealed.body).ok().map(|body| body.sid)
        };
        let of = match &message {
            Message::Offer(offer) => {
                Some((samensom_protocol::rounds::offer::attempt_id(&offer.header.body), Round::Deposit))
            }
            Message::Start(start) => {
                decode::<StartBody>(&start.body.body).ok().map(|body| (body.sid, Round::Ready))
            }
            Message::Go(go) => decode::<GoBody>(&go.body.body).ok().map(|body| (body.sid, Round::Contribute)),
            Message::Freeze(one) => freeze(&one.body).map(|sid| (sid, Round::Confirm)),
            Message::Certificate(one) => freeze(&one.body).map(|sid| (sid, Round::Reveal)),
            Message::AskB(one) => freeze(one).map(|sid| (sid, Round::Result)),
            Message::Voids(voids) => Some((voids.sid, Round::Void)),
            _ => return,
        };
        let Some((sid, round)) = of else { return };
        let records = self.centres[c].store.records.get(&sid);
        let there = records.is_some_and(|records| {
            records.iter().any(|record| matches!(record, Record::Sent { round: r, .. } if *r == round))
        });
        self.hold(there, "the coordinator's message is durable before it leaves", || {
            format!("{round:?} left, its record was not durable")
        });
        if c == 0 {
            let word = word_of(bytes);
            let first = *self.oracle.told.entry((to, sid, round)).or_insert(word);
            self.hold(first == word, "the coordinator says one thing of each kind in an attempt", || {
                format!("{to} is told two things in {round:?}")
            });
        }
    }

    /// A node's record, before it is written.
    pub fn check_record(&mut self, i: usize, record: &Record) {
        let (id, rolled) = (self.hospitals[i].id, self.hospitals[i].rolled_back);
        match record {
            Record::Frozen { slot, extract, at, .. } => {
                let last = self.hospitals[i].disk.records.iter().rev().find_map(|record| match record {
                    Record::Frozen { slot, at, .. } => Some((*slot, *at)),
                    _ => None,
                });
                let (before, since) = (last.map(|(slot, _)| slot), last.map(|(_, since)| at.since_ms(since)));
                let least = samensom_protocol::rounds::offer::least_ms(&self.world.lock);
                self.hold(since.is_none_or(|since| since >= least), "freezes keep their distance", || {
                    format!("{id} freezes {since:?} ms after the last")
                });
                let own = self.world.slot_at(self.hospitals[i].clock(self.now));
                let held = *slot == own && before.is_none_or(|before| before < *slot);
                self.hold(held, "a node freezes in the slot of its own clock, later ones only", || {
                    format!("{id} freezes for slot {slot} after {before:?}, its clock says {own}")
                });
                if !rolled {
                    let first = *self.oracle.extracts.entry((id, *slot)).or_insert(*extract);
                    self.hold(first == *extract, "one extract in a slot", || format!("{id} froze another"));
                }
            }
            Record::Confirmed { survivors, .. } => {
                let (many, q) =
                    (survivors.len(), usize::from(self.world.warrants[0].1.params().thresholds.quorum));
                self.hold(many >= q, "q survivors at least", || format!("{id} confirms {many} of {q}"));
            }
            Record::Spent { slot, extract, sid, .. } => self.check_spent(i, *sid, *slot, extract),
            Record::Certified { bound, extract, .. } => {
                self.check_bound(bound);
                if !rolled {
                    self.check_kept(id, *extract, bound);
                }
            }
            _ => {}
        }
    }

    /// A node that contributed to a sum over this extract does so again only over the same survivors.
    fn check_spent(&mut self, i: usize, sid: AttemptId, slot: u64, extract: &ExtractHash) {
        let hospital = &self.hospitals[i];
        let id = hospital.id;
        let Some((_, true_extract)) = self.oracle.figures.get(&(sid, id)).cloned() else { return };
        let frozen = self.oracle.extracts.get(&(id, slot)).copied();
        let header = self.oracle.headers.get(&sid).cloned();
        let mut state: Option<Option<Vec<NodeId>>> = None;
        for record in &hospital.disk.records {
            match record {
                Record::Spent { extract: e, .. } if e == extract && !matches!(state, Some(Some(_))) => {
                    state = Some(None);
                }
                Record::Returned { extract: e, .. } if e == extract && state == Some(None) => state = None,
                Record::Certified { extract: e, bound, .. } if e == extract => {
                    state = Some(Some(bound.survivors.to_vec()));
                }
                _ => {}
            }
        }
        let bound = header.and_then(|header| header.bound).map(|bound| bound.survivors.to_vec());
        let rolled = hospital.rolled_back;
        let held = match &state {
            None => true,
            Some(None) => false,
            Some(known) => *known == bound,
        };
        self.hold(held || rolled, "a spent extract is answered for its own survivors only", || {
            format!("{id} spends it again, knew {state:?}, the header is bound to {bound:?}")
        });
        self.hold(true_extract == *extract, "the extract's hash is that of its rows", || {
            format!("{id} spends another extract than was frozen for the slot")
        });
        self.hold(rolled || frozen.is_none_or(|frozen| frozen == *extract), "one extract in a slot", || {
            format!("{id} spends another than it froze")
        });
    }

    /// A certificate is genuine, and its slot has no other survivors.
    fn check_bound(&mut self, bound: &Bound) {
        let quorum = usize::from(self.world.warrants[0].1.params().thresholds.quorum);
        let slot = self.oracle.headers.get(&bound.sid).map(|header| header.slot);
        if self.plan.liar && self.oracle.genuine.insert(certificate_key(bound)) {
            let raw = encode(&FreezeBody { sid: bound.sid, freeze: bound.freeze }).unwrap_or_default();
            let mut signers = BTreeSet::new();
            for one in bound.certificate.iter() {
                let member =
                    self.world.roster.member(one.node).filter(|_| bound.survivors.contains(&one.node));
                if member.is_some_and(|member| verify(&member.key, Signed::Confirm, &raw, &one.signature)) {
                    signers.insert(one.node);
                }
            }
            let found = signers.len();
            self.hold(found >= quorum, "what a node takes for a certificate is signed by q", || {
                format!("{found} of {quorum}")
            });
        }
        self.oracle.certified.insert(bound.sid);
        let both = self.oracle.voided.contains(&bound.sid);
        self.hold(!both, "an attempt is void or certified, never both", || "it is both".to_owned());
        let many = bound.survivors.len();
        self.hold(many >= quorum, "q survivors at least", || format!("{many} of {quorum}"));
        let Some(slot) = slot else { return };
        self.check_set(slot, &bound.survivors);
    }

    fn check_set(&mut self, slot: u64, survivors: &[NodeId]) {
        let first = self.oracle.sets.entry(slot).or_insert_with(|| survivors.to_vec()).clone();
        self.hold(first == survivors, "one survivor set in a slot", || {
            format!("slot {slot}: {first:?} and {survivors:?}")
        });
    }

    fn check_kept(&mut self, node: NodeId, extract: ExtractHash, bound: &Bound) {
        let survivors = bound.survivors.to_vec();
        let first = self.oracle.kept.entry((node, extract)).or_insert_with(|| survivors.clone()).clone();
        self.hold(first == survivors, "an extract that stays the same keeps its survivors", || {
            format!("{node}: {first:?} and {survivors:?}")
        });
    }

    /// A sum: exactly the figures of those it names, each once.
    pub fn check_sum(&mut self, _c: usize, sum: &Sum) {
        self.tally.count("session finished");
        let Some(header) = self.oracle.headers.get(&sum.sid).cloned() else {
            return self.hold(false, "a sum belongs to an offer", || "no header".to_owned());
        };
        self.sums.push((self.now, sum.sid, sum.survivors.clone()));
        let layout = self.world.warrants[0].1.query().layout();
        let mut clear = vec![0i128; sum.lanes.len()];
        let mut strangers = Vec::new();
        for node in &sum.survivors {
            match self.oracle.figures.get(&(sum.sid, *node)) {
                Some((figures, _)) => {
                    for (cell, figure) in clear.iter_mut().zip(figures) {
                        *cell += i128::from(*figure);
                    }
                }
                None => strangers.push(*node),
            }
        }
        self.hold(strangers.is_empty(), "a survivor contributed", || format!("{strangers:?} did not"));
        let many = u16::try_from(sum.survivors.len()).unwrap_or(0);
        let opened: Vec<i128> = (0u32..)
            .zip(&sum.lanes)
            .map(|(cell, lane)| samensom_protocol::ring::total(*lane, many, layout.bounds(cell).0))
            .collect();
        self.hold(opened == clear, "the sum is that of its survivors, each once", || {
            format!("opened {opened:x?}, their figures give {clear:x?}: a hospital's digit is its own")
        });
        self.check_bound(&sum.bound);
        self.check_set(header.slot, &sum.survivors);
        for node in sum.survivors.clone() {
            let extract = self.oracle.figures.get(&(sum.sid, node)).map(|(_, extract)| *extract);
            let rolled = self.hospitals[usize::from(node.0) - 1].rolled_back;
            if let Some(extract) = extract.filter(|_| !rolled) {
                self.check_kept(node, extract, &sum.bound);
            }
        }
        let body = decode::<samensom_protocol::message::ResultBody>(&sum.outcome.body.body).ok();
        if let Some(body) = body {
            let results = self.oracle.results.entry(sum.sid).or_default();
            results.insert(body.result);
            let one = results.len() == 1 || self.plan.liar;
            self.hold(one, "one result", || "two".to_owned());
        }
    }

    /// A failure has a name; honest machines prove nothing against each other.
    pub fn check_failure(&mut self, failure: &Failure) {
        let honest = !self.plan.liar && failure.code != FailureCode::TooFew;
        self.hold(!honest, "a session of honest parties fails for too few alone", || format!("{failure:?}"));
    }

    /// A node verified a result: it is the one that was opened.
    pub fn check_verified(&mut self, i: usize, sid: AttemptId, result: ResultHash) {
        self.tally.count("node verified");
        let id = self.hospitals[i].id;
        self.oracle.verified.insert((sid, id), result);
        let opened = self.oracle.results.get(&sid).is_some_and(|opened| opened.contains(&result));
        self.hold(opened, "what a node verified was opened", || format!("{id} verified another result"));
        let alike = self.oracle.verified.iter().all(|((s, _), r)| *s != sid || *r == result);
        self.hold(alike || self.plan.liar, "all nodes verify one result", || {
            format!("{id} verified another than others did")
        });
    }

    /// Has this node verified the result of an attempt?
    #[must_use]
    pub fn verified(&self, sid: AttemptId, node: NodeId) -> bool {
        self.oracle.verified.contains_key(&(sid, node))
    }

    /// A node ended its part: with an honest coordinator only for reasons that crashes and delays explain.
    pub fn check_ended(&mut self, i: usize, sid: AttemptId, fault: Option<&Fault>) {
        let Some(fault) = fault else {
            return self.tally.count("node ended: deadline or refusal");
        };
        self.tally.count(format!("node ended: {}", fault.check));
        let explained = match fault.check {
            Check::A03 => !OWN_FAULTS.contains(&fault.what),
            Check::A06 | Check::A15 => true,
            Check::A10 => self.hospitals[i].rolled_back,
            _ => false,
        };
        let known = self.hospitals[i].disk.records.iter().any(|record| match record {
            Record::Certified { extract, .. } => {
                Some(*extract) == self.oracle.figures.get(&(sid, self.hospitals[i].id)).map(|(_, e)| *e)
            }
            _ => false,
        });
        let forgot = known && fault.what == "this extract is spent and its survivors are unknown";
        self.hold(!forgot, "survivors that are known stay known", || fault.to_string());
        let honest = !self.plan.liar && !explained;
        let id = self.hospitals[i].id;
        self.hold(!honest, "no check fails against an honest coordinator", || format!("{id}: {fault}"));
    }
}

/// Reasons of check A03 that only a driver of our own gives.
const OWN_FAULTS: [&str; 4] = [
    "the extract changed inside the slot",
    "the figures are not those of this query",
    "the roster changed inside the slot",
    "the slot is before one that was used",
];

pub(super) fn word_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0u64, |sum, byte| sum.wrapping_mul(0x0100_0000_01b3).wrapping_add(u64::from(*byte) + 1))
}

fn certificate_key(bound: &Bound) -> [u8; 32] {
    samensom_protocol::rounds::certificate_hash(&bound.freeze, &bound.certificate)
}
