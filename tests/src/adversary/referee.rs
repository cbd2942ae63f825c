//! Checks what honest nodes sent against claim C3 and against the steps of the proof of C1.
//!
//! It reads only frames. What a set of survivors or a cohort behind a hash is, it is told by whoever made
//! the hash; hashes that nobody made cannot be followed.

use samensom_protocol::codec::decode;
use samensom_protocol::ids::{AttemptId, FreezeHash, GoHash, NodeId, StartHash};
use samensom_protocol::message::{Confirm, Message, Ready, ReportBody, VoidBody};
use samensom_protocol::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// A claim or a step of its proof that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breach {
    /// C3: a node confirmed two sets of survivors in one slot.
    TwoSets(NodeId),
    /// A24: a node confirmed an attempt and promised never to.
    BothWays(NodeId),
    /// C2: a node froze the extracts of two slots nearer to each other than slots may be.
    TooSoon(NodeId),
    /// C3: two sets of survivors of one slot can both be certified.
    TwoCertificates(u64),
    /// C3: a node follows two STARTs of one attempt.
    TwoStarts(NodeId),
    /// C3: a node answers an attempt after it took up another, or restarted.
    Superseded(NodeId),
    /// C1's proof: a share of b was given for a node that did not report under that GO.
    Unreported(NodeId),
    /// C1's proof: a node reported under a GO that an honest member of its cohort did not follow.
    Unfollowed(NodeId),
}

/// What is behind a freeze.
#[derive(Debug, Clone)]
pub struct Frozen {
    /// Under which GO.
    pub go: GoHash,
    /// The survivors.
    pub survivors: Vec<NodeId>,
}

/// Keeps book of what nodes sent.
#[derive(Debug, Default)]
pub struct Referee {
    /// Cohorts, by START.
    pub starts: BTreeMap<StartHash, Vec<NodeId>>,
    /// STARTs, by GO.
    pub gos: BTreeMap<GoHash, StartHash>,
    /// Survivors, by FREEZE.
    pub freezes: BTreeMap<FreezeHash, Frozen>,
    slots: BTreeMap<(NodeId, AttemptId), u64>,
    open: BTreeMap<NodeId, AttemptId>,
    frozen: BTreeMap<NodeId, Time>,
    followed: BTreeMap<(NodeId, AttemptId), BTreeSet<StartHash>>,
    reported: BTreeSet<(NodeId, GoHash)>,
    confirmed: BTreeMap<(NodeId, u64), BTreeMap<FreezeHash, AttemptId>>,
    voided: BTreeSet<(NodeId, AttemptId)>,
    returned: BTreeSet<(NodeId, AttemptId)>,
    revealed: Vec<(FreezeHash, NodeId)>,
    breaches: BTreeSet<Breach>,
}

impl Referee {
    /// A node took an attempt up, in a slot by its own clock.
    pub fn measured(&mut self, node: NodeId, sid: AttemptId, slot: u64) {
        self.slots.insert((node, sid), slot);
        self.open.insert(node, sid);
    }

    /// A node restarted: its attempts are gone with its memory.
    pub fn restarted(&mut self, node: NodeId) {
        self.open.remove(&node);
    }

    /// A node sent a message.
    pub fn sent(&mut self, node: NodeId, message: &Message) {
        let sid = match message {
            Message::Ready(sealed) => {
                let Ok(ready) = decode::<Ready>(&sealed.body) else { return };
                let starts = self.followed.entry((node, ready.sid)).or_default();
                starts.insert(ready.start);
                if starts.len() > 1 {
                    self.breaches.insert(Breach::TwoStarts(node));
                }
                ready.sid
            }
            Message::Report(report) => {
                let Ok(body) = decode::<ReportBody>(&report.body.body) else { return };
                self.reported.insert((node, body.go));
                body.sid
            }
            Message::Confirm(sealed) => {
                let Ok(confirm) = decode::<Confirm>(&sealed.body) else { return };
                let slot = self.slots.get(&(node, confirm.sid)).copied().unwrap_or(0);
                self.confirm(node, slot, &confirm);
                confirm.sid
            }
            Message::Void(sealed) => {
                let Ok(void) = decode::<VoidBody>(&sealed.body) else { return };
                self.voided.insert((node, void.sid));
                let of = self.confirmed.iter().filter(|((by, _), _)| *by == node);
                if of.flat_map(|(_, freezes)| freezes.values()).any(|sid| *sid == void.sid) {
                    self.breaches.insert(Breach::BothWays(node));
                }
                return;
            }
            Message::RevealB(reveal) => {
                let given = reveal.shares.iter().map(|given| (reveal.freeze, given.dealer));
                self.revealed.extend(given);
                reveal.sid
            }
            Message::Deposit(deposit) => deposit.head.sid,
            _ => return,
        };
        if self.open.get(&node) != Some(&sid) {
            self.breaches.insert(Breach::Superseded(node));
        }
    }

    /// A quorum's VOIDs undid an attempt at a node: what it confirmed there binds it no more.
    pub fn returned(&mut self, node: NodeId, sid: AttemptId) {
        self.returned.insert((node, sid));
    }

    /// A node froze its extract.
    pub fn froze(&mut self, node: NodeId, at: Time, least_ms: u64) {
        let before = self.frozen.insert(node, at);
        if before.is_some_and(|before| at.since_ms(before) < least_ms) {
            self.breaches.insert(Breach::TooSoon(node));
        }
    }

    fn confirm(&mut self, node: NodeId, slot: u64, confirm: &Confirm) {
        if self.voided.contains(&(node, confirm.sid)) {
            self.breaches.insert(Breach::BothWays(node));
        }
        let set = |freeze: &FreezeHash| self.freezes.get(freeze).map(|frozen| &frozen.survivors);
        let freezes = self.confirmed.entry((node, slot)).or_default();
        let binding = |(_, sid): &(&FreezeHash, &AttemptId)| !self.returned.contains(&(node, **sid));
        if freezes.iter().filter(binding).any(|(other, _)| set(other) != set(&confirm.freeze)) {
            self.breaches.insert(Breach::TwoSets(node));
        }
        freezes.insert(confirm.freeze, confirm.sid);
    }

    /// Everything that did not hold; `quorum` and the colluders say what could be certified.
    #[must_use]
    pub fn breaches(&self, quorum: u16, colluders: &BTreeSet<NodeId>) -> BTreeSet<Breach> {
        let mut breaches = self.breaches.clone();
        breaches.extend(self.two_certificates(quorum, colluders));
        for (freeze, dealer) in self.revealed.iter().filter(|(_, dealer)| !colluders.contains(dealer)) {
            let go = self.freezes.get(freeze).map(|frozen| frozen.go);
            if go.is_none_or(|go| !self.reported.contains(&(*dealer, go))) {
                breaches.insert(Breach::Unreported(*dealer));
            }
        }
        for (_, go) in &self.reported {
            let Some(start) = self.gos.get(go) else { continue };
            let cohort = self.starts.get(start).into_iter().flatten();
            let follows = |node: &NodeId| {
                colluders.contains(node)
                    || self.followed.iter().any(|((by, _), starts)| by == node && starts.contains(start))
            };
            breaches.extend(cohort.filter(|node| !follows(node)).map(|node| Breach::Unfollowed(*node)));
        }
        breaches
    }

    /// Slots in which two sets have honest confirmations and colluders enough for a certificate each.
    fn two_certificates(&self, quorum: u16, colluders: &BTreeSet<NodeId>) -> Vec<Breach> {
        let mut sets: BTreeMap<u64, BTreeSet<&Vec<NodeId>>> = BTreeMap::new();
        for (freeze, frozen) in &self.freezes {
            let by = self.confirmed.iter().filter(|(_, freezes)| freezes.contains_key(freeze));
            let slots: BTreeSet<u64> = by.clone().map(|((_, slot), _)| *slot).collect();
            let signers: BTreeSet<NodeId> = by.map(|((node, _), _)| *node).collect();
            let lent = frozen.survivors.iter().filter(|node| colluders.contains(node)).count();
            if signers.len() + lent >= usize::from(quorum) {
                slots.iter().for_each(|slot| {
                    sets.entry(*slot).or_default().insert(&frozen.survivors);
                });
            }
        }
        sets.into_iter()
            .filter(|(_, sets)| sets.len() > 1)
            .map(|(slot, _)| Breach::TwoCertificates(slot))
            .collect()
    }
}
