//! The adversary's hand: any signed message of the coordinator, and the colluders' part of every round.
//!
//! It holds the coordinator's key and the colluders' keys and channels; it uses nothing of an honest node
//! but what that node sent. It must not decide what is sent to whom.

use super::message::{frame, sign};
use super::puppet;
use crate::adversary::referee::Frozen;
use crate::adversary::world::World;
use rand_chacha::rand_core::Rng;
use samensom_protocol::codec::{Bytes, List, decode};
use samensom_protocol::crypto::keys::{Identity, Signed};
use samensom_protocol::ids::{AttemptId, FreezeHash, GoHash, NodeId, ReportHash, StartHash};
use samensom_protocol::message::{
    Bound, Certificate, Confirm, Confirmation, Counted, Dealt, Deposit, EndBody, EndReason, Freeze,
    FreezeBody, Go, GoBody, Header, Invited, Message, Offer, Opening, Pass, Ready, ReadyOf, ReportBody,
    SUITE, Sealed, Start, StartBody, VoidAsk, VoidBody, VoidOf, Voids, WIRE_VERSION,
};
use samensom_protocol::rounds::offer::{Facts, attempt_id};
use samensom_protocol::rounds::ready::Sections;
use samensom_protocol::rounds::{deposit_hash, freeze_hash, go_hash, start_hash};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What goes into a header.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Which warrant.
    pub warrant: usize,
    /// The slot.
    pub slot: u64,
    /// Number of the attempt.
    pub attempt: u16,
    /// U0.
    pub invited: BTreeSet<NodeId>,
    /// Survivors that bind the slot.
    pub bound: Option<Bound>,
}

/// A GO and the reports under it.
#[derive(Debug)]
pub struct MadeGo {
    /// Its hash.
    pub hash: GoHash,
    /// The frame.
    pub frame: Vec<u8>,
    /// Reports under it.
    pub reports: BTreeMap<NodeId, Counted>,
}

/// A START, who is READY for it, and its GOs.
#[derive(Debug)]
pub struct MadeStart {
    /// The cohort.
    pub cohort: Vec<NodeId>,
    /// Its hash.
    pub hash: StartHash,
    body: Sealed<65536>,
    /// READY messages for it.
    pub readies: BTreeMap<NodeId, ReadyOf>,
    /// GOs over it.
    pub gos: Vec<MadeGo>,
}

/// A FREEZE and its confirmations.
#[derive(Debug)]
pub struct MadeFreeze {
    /// The survivors.
    pub survivors: Vec<NodeId>,
    /// Its hash.
    pub hash: FreezeHash,
    /// The frame.
    pub frame: Vec<u8>,
    /// Confirmations of it.
    pub confirmations: BTreeMap<NodeId, Confirmation>,
}

/// One attempt in the adversary's hand.
#[derive(Debug)]
pub struct Try {
    /// What was asked.
    pub ask: Ask,
    /// What it stands on.
    pub facts: Facts,
    /// The offer as it is sent.
    pub offer: Vec<u8>,
    /// Deposits that came, and the colluders'.
    pub deposits: BTreeMap<NodeId, Deposit>,
    /// STARTs made.
    pub starts: Vec<MadeStart>,
    /// FREEZEs made.
    pub freezes: Vec<MadeFreeze>,
    /// VOIDs that came, and the colluders'.
    pub voids: BTreeMap<NodeId, VoidOf>,
}

/// The adversary: the coordinator and the colluders.
#[derive(Debug)]
pub struct Hand {
    /// The colluders.
    pub colluders: BTreeSet<NodeId>,
    /// Attempts so far.
    pub tries: Vec<Try>,
    /// Certificates for survivors, with the slot they were made in.
    pub bounds: Vec<(u64, Bound)>,
    /// What the value passes of a warrant under a floor are said to stand on; none: its count passes are asked for.
    pub opening: Option<Opening>,
}

/// A confirmation as `node` signs it.
fn confirmation(identity: &Identity, node: NodeId, body: &Confirm) -> Confirmation {
    Confirmation { node, signature: sign::<_, 128>(identity, Signed::Confirm, body).signature }
}

impl Hand {
    /// An adversary with these colluders.
    #[must_use]
    pub fn new(colluders: BTreeSet<NodeId>) -> Self {
        Hand { colluders, tries: Vec::new(), bounds: Vec::new(), opening: None }
    }

    /// Makes a header and offer and deals for the colluders; none if nobody could read it.
    pub fn ask(&mut self, world: &mut World, ask: Ask) -> Option<usize> {
        let town = Arc::clone(&world.town);
        let (signed, warrant) = town.warrants.get(ask.warrant)?;
        let announce = |node: &NodeId| Some(Invited { node: *node, announce: *world.announces.get(node)? });
        let invited: Vec<Invited> = ask.invited.iter().filter_map(announce).collect();
        let mut nonce = Bytes([0; 32]);
        world.rng.fill_bytes(&mut nonce.0);
        let (pass, deadlines) = match warrant.count().filter(|_| self.opening.is_none()) {
            Some(count) => (Pass::Count, count.params.deadlines),
            None => (Pass::Value, warrant.params().deadlines),
        };
        let header = Header {
            wire: WIRE_VERSION,
            suite: SUITE,
            coordinator: town.coordinator.public(),
            warrant: warrant.hash(),
            roster: town.roster.hash(),
            lock: town.lock.name.clone(),
            slot: ask.slot,
            pass,
            attempt: ask.attempt,
            nonce,
            deadlines,
            invited: List::new(invited).ok()?,
            bound: ask.bound.clone(),
            opening: self.opening.clone(),
        };
        let header = sign(&town.coordinator, Signed::Header, &header);
        let facts = Facts::new(&header.body, Arc::clone(&town.roster), Arc::clone(warrant)).ok()?;
        debug_assert_eq!(facts.sid, attempt_id(&header.body));
        world.observer.offered(facts.clone());
        let offer = frame(&Message::Offer(Offer { header, warrant: signed.clone() }));
        let deposits = self.deal(world, &facts);
        let voids = self.voids(world, &facts.sid);
        let (starts, freezes) = (Vec::new(), Vec::new());
        self.tries.push(Try { ask, facts, offer, deposits, starts, freezes, voids });
        Some(self.tries.len() - 1)
    }

    fn deal(&self, world: &mut World, facts: &Facts) -> BTreeMap<NodeId, Deposit> {
        let invited: Vec<NodeId> = facts.header.invited.iter().map(|one| one.node).collect();
        let colluders = invited.into_iter().filter(|node| self.colluders.contains(node));
        let deal = |node| Some((node, puppet::deal(world, facts, node, None)?.deposit));
        colluders.filter_map(deal).collect()
    }

    fn voids(&self, world: &World, sid: &AttemptId) -> BTreeMap<NodeId, VoidOf> {
        let ledger_seq = 1_000;
        let void = |node: &NodeId| {
            let identity = &world.town.identities[node];
            let signature =
                sign::<_, 128>(identity, Signed::Void, &VoidBody { sid: *sid, ledger_seq }).signature;
            (*node, VoidOf { node: *node, ledger_seq, signature })
        };
        self.colluders.iter().map(void).collect()
    }

    /// Sends the offer of an attempt.
    pub fn send_offer(&mut self, world: &mut World, t: usize, to: NodeId) {
        if self.tries[t].ask.invited.contains(&to) {
            world.deliver(to, self.tries[t].offer.clone());
            self.collect(world);
        }
    }

    /// Reads what honest nodes sent.
    pub fn collect(&mut self, world: &mut World) {
        for (node, message) in world.inbox.drain(..) {
            self.take(node, message);
        }
    }

    fn of(&mut self, sid: &AttemptId) -> Option<&mut Try> {
        self.tries.iter_mut().find(|one| one.facts.sid == *sid)
    }

    fn take(&mut self, node: NodeId, message: Message) {
        match message {
            Message::Deposit(deposit) => {
                let sid = deposit.head.sid;
                self.of(&sid).map(|one| one.deposits.insert(node, deposit));
            }
            Message::Ready(ready) => {
                let Ok(body) = decode::<Ready>(&ready.body) else { return };
                let starts = self.of(&body.sid).map(|one| &mut one.starts);
                let start = starts.into_iter().flatten().find(|start| start.hash == body.start);
                start.map(|start| start.readies.insert(node, ReadyOf { node, ready }));
            }
            Message::Report(report) => {
                let Ok(body) = decode::<ReportBody>(&report.body.body) else { return };
                let (report, signature) = (body.report, report.body.signature);
                let counted = Counted { node, report, ledger_seq: body.ledger_seq, signature };
                let starts = self.of(&body.sid).map(|one| &mut one.starts);
                let mut gos = starts.into_iter().flatten().flat_map(|start| &mut start.gos);
                gos.find(|go| go.hash == body.go).map(|go| go.reports.insert(node, counted));
            }
            Message::Confirm(confirm) => {
                let Ok(body) = decode::<Confirm>(&confirm.body) else { return };
                let freezes = self.of(&body.sid).map(|one| &mut one.freezes);
                let freeze = freezes.into_iter().flatten().find(|freeze| freeze.hash == body.freeze);
                let given = Confirmation { node, signature: confirm.signature };
                freeze.map(|freeze| freeze.confirmations.insert(node, given));
            }
            Message::Void(void) => {
                let Ok(body) = decode::<VoidBody>(&void.body) else { return };
                let given = VoidOf { node, ledger_seq: body.ledger_seq, signature: void.signature };
                self.of(&body.sid).map(|one| one.voids.insert(node, given));
            }
            _ => {}
        }
    }

    /// Makes a START over those of `cohort` whose deposits are there; the colluders say READY.
    pub fn start(&mut self, world: &mut World, t: usize, cohort: &BTreeSet<NodeId>) -> Option<usize> {
        let one = &mut self.tries[t];
        let sid = one.facts.sid;
        let mut dealt = Vec::new();
        for (node, deposit) in one.deposits.iter().filter(|(node, _)| cohort.contains(node)) {
            dealt.push(Dealt { node: *node, deposit: deposit_hash(deposit).ok()? });
        }
        let cohort: Vec<NodeId> = dealt.iter().map(|dealt| dealt.node).collect();
        let hash = start_hash(&sid, &dealt);
        let body = StartBody { sid, cohort: List::new(dealt).ok()? };
        let body = sign(&world.town.coordinator, Signed::Start, &body);
        world.observer.started(hash, cohort.clone());
        world.referee.starts.insert(hash, cohort.clone());
        let mut readies = BTreeMap::new();
        for node in cohort.iter().filter(|node| self.colluders.contains(node)) {
            let ready = Ready { sid, start: hash, unusable: List::default() };
            let ready = sign(&world.town.identities[node], Signed::Ready, &ready);
            readies.insert(*node, ReadyOf { node: *node, ready });
        }
        one.starts.push(MadeStart { cohort, hash, body, readies, gos: Vec::new() });
        Some(one.starts.len() - 1)
    }

    /// Sends a START to one member.
    pub fn send_start(&mut self, world: &mut World, (t, s): (usize, usize), to: NodeId) {
        let one = &self.tries[t];
        let start = &one.starts[s];
        let members = one.deposits.values().filter(|deposit| start.cohort.contains(&deposit.head.node));
        let (Ok(sections), Some(position)) = (Sections::new(members), one.facts.position(to)) else { return };
        let dealers = List::new(sections.for_holder(position).unwrap_or_default()).unwrap_or_default();
        let bytes = frame(&Message::Start(Start { body: start.body.clone(), dealers }));
        world.deliver(to, bytes);
        self.collect(world);
    }

    /// Makes a GO of the READY messages that are there; `swap` puts those of other STARTs for missing ones,
    /// and `variant` makes the colluders' READY, and so the hash, another.
    pub fn go(
        &mut self,
        world: &mut World,
        (t, s): (usize, usize),
        swap: bool,
        variant: bool,
    ) -> Option<usize> {
        let one = &self.tries[t];
        let (sid, start) = (one.facts.sid, &one.starts[s]);
        let mut readies = start.readies.clone();
        if swap {
            let others = one.starts.iter().flat_map(|other| other.readies.clone());
            others.filter(|(node, _)| start.cohort.contains(node)).for_each(|(node, ready)| {
                readies.entry(node).or_insert(ready);
            });
        }
        if variant {
            for (node, ready) in readies.iter_mut().filter(|(node, _)| self.colluders.contains(node)) {
                let other = Ready { sid, start: start.hash, unusable: List::new(vec![*node]).ok()? };
                ready.ready = sign(&world.town.identities[node], Signed::Ready, &other);
            }
        }
        let readies: Vec<ReadyOf> = readies.into_values().collect();
        let hash = go_hash(&start.hash, &readies).ok()?;
        let body = sign(&world.town.coordinator, Signed::Go, &GoBody { sid, go: hash });
        let frame = frame(&Message::Go(Go { body, readies: List::new(readies).ok()? }));
        world.observer.gone(hash, start.hash);
        world.referee.gos.insert(hash, start.hash);
        let mut reports = BTreeMap::new();
        for node in start.cohort.iter().filter(|node| self.colluders.contains(node)) {
            let body = ReportBody { sid, go: hash, report: ReportHash([7; 32]), ledger_seq: 0 };
            let identity = &world.town.identities[node];
            let (report, signature) =
                (body.report, sign::<_, 128>(identity, Signed::Report, &body).signature);
            reports.insert(*node, Counted { node: *node, report, ledger_seq: 0, signature });
        }
        let start = &mut self.tries[t].starts[s];
        start.gos.push(MadeGo { hash, frame, reports });
        Some(start.gos.len() - 1)
    }

    /// Sends a GO to one member.
    pub fn send_go(&mut self, world: &mut World, (t, s, g): (usize, usize, usize), to: NodeId) {
        world.deliver(to, self.tries[t].starts[s].gos[g].frame.clone());
        self.collect(world);
    }

    /// Makes a FREEZE over `survivors`; reports that are not under this GO are taken from another.
    pub fn freeze(
        &mut self,
        world: &mut World,
        (t, s, g): (usize, usize, usize),
        survivors: &BTreeSet<NodeId>,
    ) -> Option<usize> {
        let one = &mut self.tries[t];
        let (sid, go) = (one.facts.sid, one.starts[s].gos[g].hash);
        let anywhere = |node: &NodeId| {
            let mut gos = one.starts.iter().flat_map(|start| &start.gos);
            let own = one.starts[s].gos[g].reports.get(node);
            own.or_else(|| gos.find_map(|go| go.reports.get(node))).copied()
        };
        let counted: Vec<Counted> = survivors.iter().filter_map(anywhere).collect();
        let survivors: Vec<NodeId> = counted.iter().map(|one| one.node).collect();
        let hash = freeze_hash(&go, &counted);
        let body = FreezeBody { sid, freeze: hash };
        let sealed = sign(&world.town.coordinator, Signed::Freeze, &body);
        let frame = frame(&Message::Freeze(Freeze { body: sealed, survivors: List::new(counted).ok()? }));
        let frozen = Frozen { go, survivors: survivors.clone() };
        world.referee.freezes.insert(hash, frozen);
        let colluders = survivors.iter().filter(|node| self.colluders.contains(node));
        let confirmations =
            colluders.map(|node| (*node, confirmation(&world.town.identities[node], *node, &body))).collect();
        one.freezes.push(MadeFreeze { survivors, hash, frame, confirmations });
        Some(one.freezes.len() - 1)
    }

    /// Sends a FREEZE to one survivor.
    pub fn send_freeze(&mut self, world: &mut World, (t, f): (usize, usize), to: NodeId) {
        world.deliver(to, self.tries[t].freezes[f].frame.clone());
        self.collect(world);
    }

    /// The survivors of a FREEZE with the confirmations that are there.
    #[must_use]
    pub fn bound(&self, (t, f): (usize, usize)) -> Option<Bound> {
        let (one, freeze) = (&self.tries[t], &self.tries[t].freezes[f]);
        let confirmations = freeze.confirmations.values().copied().collect();
        Some(Bound {
            roster: one.facts.header.roster,
            sid: one.facts.sid,
            freeze: freeze.hash,
            survivors: List::new(freeze.survivors.clone()).ok()?,
            certificate: List::new(confirmations).ok()?,
        })
    }

    /// Sends a certificate; `pad` fills it up with signatures that do not belong there.
    pub fn send_certificate(&mut self, world: &mut World, (t, f): (usize, usize), pad: bool, to: NodeId) {
        let (one, freeze) = (&self.tries[t], &self.tries[t].freezes[f]);
        let body = FreezeBody { sid: one.facts.sid, freeze: freeze.hash };
        let mut all = freeze.confirmations.clone();
        if pad {
            let others = one.freezes.iter().flat_map(|other| other.confirmations.clone());
            others.filter(|(node, _)| freeze.survivors.contains(node)).for_each(|(node, given)| {
                all.entry(node).or_insert(given);
            });
            for node in &freeze.survivors {
                all.entry(*node).or_insert(Confirmation { node: *node, signature: Bytes([1; 64]) });
            }
        }
        let body = sign(&world.town.coordinator, Signed::Certificate, &body);
        let Ok(confirmations) = List::new(all.into_values().collect()) else { return };
        world.deliver(to, frame(&Message::Certificate(Certificate { body, confirmations })));
        self.collect(world);
    }

    /// Asks for the shares of b.
    pub fn send_ask(&mut self, world: &mut World, (t, f): (usize, usize), to: NodeId) {
        let body = FreezeBody { sid: self.tries[t].facts.sid, freeze: self.tries[t].freezes[f].hash };
        let sealed = sign(&world.town.coordinator, Signed::AskB, &body);
        world.deliver(to, frame(&Message::AskB(sealed)));
        self.collect(world);
    }

    /// Asks a node for its VOID of an attempt.
    pub fn send_void_ask(&mut self, world: &mut World, t: usize, to: NodeId) {
        let body = VoidAsk { sid: self.tries[t].facts.sid };
        let sealed = sign(&world.town.coordinator, Signed::VoidAsk, &body);
        world.deliver(to, frame(&Message::VoidAsk(sealed)));
        self.collect(world);
    }

    /// Sends the VOIDs that are there; `pad` fills them up with those of other attempts and forged ones.
    pub fn send_voids(&mut self, world: &mut World, t: usize, pad: bool, to: NodeId) {
        let one = &self.tries[t];
        let mut all = one.voids.clone();
        if pad {
            for (node, given) in self.tries.iter().flat_map(|other| other.voids.clone()) {
                all.entry(node).or_insert(given);
            }
            for node in &one.ask.invited {
                let forged = VoidOf { node: *node, ledger_seq: 1_000, signature: Bytes([1; 64]) };
                all.entry(*node).or_insert(forged);
            }
        }
        let Ok(voids) = List::new(all.into_values().collect()) else { return };
        world.deliver(to, frame(&Message::Voids(Voids { sid: one.facts.sid, voids })));
        self.collect(world);
    }

    /// Gives an attempt up.
    pub fn send_end(&mut self, world: &mut World, t: usize, to: NodeId) {
        let body = EndBody { sid: self.tries[t].facts.sid, reason: EndReason::TooFew };
        let sealed = sign(&world.town.coordinator, Signed::End, &body);
        world.deliver(to, frame(&Message::End(sealed)));
        self.collect(world);
    }

    /// Keeps the certificate of a FREEZE that a quorum confirmed, for later headers.
    pub fn keep(&mut self, (t, f): (usize, usize)) {
        let one = &self.tries[t];
        let enough = one.freezes[f].confirmations.len() >= usize::from(one.facts.params().thresholds.quorum);
        let slot = one.ask.slot;
        if let Some(bound) = self.bound((t, f)).filter(|_| enough) {
            self.bounds.push((slot, bound));
        }
    }
}
