//! Real node machines with their ledgers, clocks and extracts; whoever holds the coordinator's key speaks to
//! them through [`World::deliver`].
//!
//! Where a warrant holds a floor, hospitals have rows (`floors.rs`) and answer both passes.
//!
//! It keeps a node's promises to its disk and its clock as the programs do, and shows every frame to the
//! leakage oracle's observer and to the referee. It must not know what is sent to the nodes, nor why.

use super::floors::{self, Rows};
use super::referee::Referee;
use super::town::{LARGEST, NOTHING, Town};
use crate::leak::observer::Observer;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use samensom_protocol::crypto::transcript::sha256;
use samensom_protocol::error::Fault;
use samensom_protocol::ids::{AnnounceHash, AttemptId, ExtractHash, NodeId};
use samensom_protocol::io::{Event, Input, Output, Peer, Record, Refusal};
use samensom_protocol::ledger::LedgerView;
use samensom_protocol::message::{Message, Pass, Round};
use samensom_protocol::node::Node;
use samensom_protocol::query::{Dominance, Open};
use samensom_protocol::ring::Contribution;
use samensom_protocol::roster::Roster;
use samensom_protocol::rounds::offer::{least_ms, slot_at};
use samensom_protocol::secret::Secret;
use samensom_protocol::time::Time;
use samensom_protocol::transparency::SignedTreeHead;
use samensom_protocol::warrant::Warrant;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One hospital: its program, its disk, its clock.
#[derive(Debug)]
struct Hospital {
    machine: Option<Node>,
    rng: ChaCha20Rng,
    ledger: Vec<Record>,
    deadline: Option<(AttemptId, Round, Time)>,
    /// Ahead of the world's clock, in milliseconds.
    ahead_ms: u64,
    /// Version of the rows as they are now.
    live: u32,
    /// Version frozen for each slot.
    frozen: BTreeMap<u64, u32>,
}

/// Hospitals, and everything seen of them.
#[derive(Debug)]
pub struct World {
    /// Keys, roster, warrants.
    pub town: Arc<Town>,
    /// The world's clock.
    pub now: Time,
    /// For whatever is random outside the nodes.
    pub rng: ChaCha20Rng,
    hospitals: BTreeMap<NodeId, Hospital>,
    /// The incarnation of every node, colluders' included.
    pub announces: BTreeMap<NodeId, AnnounceHash>,
    /// Figures that stand in for those of the rows, in range or not.
    pub planted: BTreeMap<NodeId, i64>,
    /// What hospitals give in every cell in place of their figures, whatever the range: theirs is a driver that lies to
    /// an honest core.
    pub boasts: BTreeMap<NodeId, i64>,
    /// Rows of hospitals, for warrants under a floor.
    pub rows: Vec<Rows>,
    /// Every frame that was given to a node, once it is kept.
    pub told: Option<Vec<(NodeId, Vec<u8>)>>,
    /// Pairs that never share a channel.
    apart: BTreeSet<(NodeId, NodeId)>,
    /// What nodes sent and nobody has read yet.
    pub inbox: Vec<(NodeId, Message)>,
    /// Observer and referee see what nodes send; a campaign that is about neither looks away.
    pub watched: bool,
    /// Sees every frame and every key.
    pub observer: Observer,
    /// Checks what nodes sent against the claims.
    pub referee: Referee,
    /// Who ended its part of an attempt, and why.
    pub ended: Vec<(NodeId, Option<Fault>)>,
    /// Frames that nodes refused without ending.
    pub refused: Vec<(NodeId, Fault)>,
    /// Nodes that verified a result.
    pub verified: Vec<NodeId>,
    /// Who is held to have remembered a ledger that never was, by whom.
    pub echoed: Vec<(NodeId, Vec<NodeId>)>,
    /// What nodes learned of the coordinator's log from each other.
    pub heads: Vec<(NodeId, Vec<SignedTreeHead>)>,
}

/// Rows of one version at one hospital.
fn extract(node: NodeId, version: u32) -> ExtractHash {
    ExtractHash(sha256(format!("{node} {version}").as_bytes()))
}

/// The channel key of two incarnations.
#[must_use]
pub fn channel_key(a: &AnnounceHash, b: &AnnounceHash) -> [u8; 32] {
    let (low, high) = (a.min(b), a.max(b));
    sha256(&[low.0, high.0].concat())
}

impl World {
    /// `machines` are the nodes that are real; the others are the adversary's. Pairs in `apart` never share
    /// a channel.
    #[must_use]
    pub fn new(town: Arc<Town>, seed: u64, machines: &[NodeId], apart: BTreeSet<(NodeId, NodeId)>) -> Self {
        let mut world = World {
            now: Time(1_800_000_000_000),
            rng: ChaCha20Rng::seed_from_u64(seed),
            hospitals: BTreeMap::new(),
            announces: BTreeMap::new(),
            planted: BTreeMap::new(),
            boasts: BTreeMap::new(),
            rows: Vec::new(),
            told: None,
            apart,
            inbox: Vec::new(),
            watched: true,
            observer: Observer::default(),
            referee: Referee::default(),
            ended: Vec::new(),
            refused: Vec::new(),
            verified: Vec::new(),
            heads: Vec::new(),
            echoed: Vec::new(),
            town,
        };
        for node in world.town.identities.keys().copied().collect::<Vec<_>>() {
            if machines.contains(&node) {
                let rng = ChaCha20Rng::seed_from_u64(world.rng.next_u64());
                let hospital = Hospital {
                    machine: None,
                    rng,
                    ledger: Vec::new(),
                    deadline: None,
                    ahead_ms: 0,
                    live: 0,
                    frozen: BTreeMap::new(),
                };
                world.hospitals.insert(node, hospital);
                world.restart(node);
            } else {
                let mut announce = [0; 32];
                world.rng.fill_bytes(&mut announce);
                world.announces.insert(node, AnnounceHash(announce));
                world.link(node);
            }
        }
        world
    }

    /// Nodes with a real machine.
    pub fn machines(&self) -> impl Iterator<Item = NodeId> {
        self.hospitals.keys().copied()
    }
    /// The attempt that is open at a node.
    #[must_use]
    pub fn open(&self, node: NodeId) -> Option<AttemptId> {
        let hospital = self.hospitals.get(&node)?;
        let busy = hospital.machine.as_ref().is_some_and(|machine| !machine.is_idle());
        hospital.deadline.filter(|_| busy).map(|(sid, _, _)| sid)
    }
    /// A node's own clock.
    #[must_use]
    pub fn clock(&self, node: NodeId) -> Time {
        self.now.plus_ms(self.hospitals.get(&node).map_or(0, |hospital| hospital.ahead_ms))
    }
    /// The slot at a time.
    #[must_use]
    pub fn slot(&self, at: Time) -> u64 {
        slot_at(&self.town.lock, at)
    }
    /// Sets a node's clock ahead.
    pub fn set_ahead(&mut self, node: NodeId, ms: u64) {
        if let Some(hospital) = self.hospitals.get_mut(&node) {
            hospital.ahead_ms = ms;
        }
    }
    /// A hospital's rows change.
    pub fn change_rows(&mut self, node: NodeId) {
        if let Some(hospital) = self.hospitals.get_mut(&node) {
            hospital.live += 1;
        }
    }
    /// A node's figure as it is frozen for a slot.
    #[must_use]
    pub fn value(&self, node: NodeId, slot: u64) -> u64 {
        let planted = self.planted.get(&node).map(|figure| u64::from_le_bytes(figure.to_le_bytes()));
        planted.unwrap_or_else(|| lane(&self.frozen(node, slot)))
    }
    fn frozen(&self, node: NodeId, slot: u64) -> ExtractHash {
        let version = self.hospitals.get(&node).and_then(|hospital| hospital.frozen.get(&slot)).copied();
        extract(node, version.unwrap_or(0))
    }
    /// A node's figure as it is contributed; none if it is out of range.
    #[must_use]
    pub fn contribution(&self, node: NodeId, slot: u64) -> Option<Contribution> {
        let most = i64::try_from(LARGEST).ok()?;
        let figure = self.planted.get(&node).copied();
        let figure = figure.or_else(|| i64::try_from(self.value(node, slot)).ok())?;
        Contribution::new(1, |_| (0, most), &[figure], self.frozen(node, slot)).ok()
    }
    /// What a node wrote to its disk.
    #[must_use]
    pub fn ledger(&self, node: NodeId) -> &[Record] {
        self.hospitals.get(&node).map_or(&[], |hospital| &hospital.ledger)
    }
    /// A node's disk is as it was after so many records; its program is started from it.
    pub fn restore(&mut self, node: NodeId, records: usize) {
        if let Some(hospital) = self.hospitals.get_mut(&node) {
            hospital.ledger.truncate(records);
        }
        self.restart(node);
    }
    /// A node accepts a newer roster, and has a new incarnation under it; false while an attempt is open.
    pub fn adopt(&mut self, node: NodeId, roster: &Arc<Roster>) -> bool {
        let at = self.clock(node);
        let Some(hospital) = self.hospitals.get_mut(&node) else { return false };
        let Some(machine) = hospital.machine.take() else { return false };
        let (machine, adopted) = match machine.adopt(Arc::clone(roster)) {
            Ok(machine) => (machine.step(Input::Start(at), &mut hospital.rng).0, true),
            Err(machine) => (machine, false),
        };
        self.announces.extend(machine.announced().map(|announce| (node, announce)));
        hospital.machine = Some(machine);
        self.link(node);
        adopted
    }

    /// (Re)starts a node's program from its disk, with a new incarnation and new channels.
    pub fn restart(&mut self, node: NodeId) {
        let at = self.clock(node);
        let Some(hospital) = self.hospitals.get_mut(&node) else { return };
        let view = LedgerView::of(hospital.ledger.iter());
        let identity = Arc::clone(&self.town.identities[&node]);
        let rosters = vec![Arc::clone(&self.town.roster)];
        let machine = Node::new(node, identity, self.town.coordinator.public(), rosters, view);
        let (machine, _) = machine.step(Input::Start(at), &mut hospital.rng);
        self.announces.extend(machine.announced().map(|announce| (node, announce)));
        hospital.machine = Some(machine);
        hospital.deadline = None;
        self.referee.restarted(node);
        self.link(node);
    }

    /// Gives a node its channels with everybody it may have one with.
    fn link(&mut self, node: NodeId) {
        let own = self.announces[&node];
        for (other, announce) in self.announces.clone() {
            let pair = (node.min(other), node.max(other));
            if other == node || self.apart.contains(&pair) {
                continue;
            }
            let key = channel_key(&own, &announce);
            self.observer.linked(own, announce, key);
            for (one, peer, announce) in [(node, other, announce), (other, node, own)] {
                let machine = self.hospitals.get_mut(&one).and_then(|hospital| hospital.machine.as_mut());
                machine
                    .into_iter()
                    .for_each(|machine| machine.deal_channel(peer, announce, Secret::new(key)));
            }
        }
    }

    /// True if two nodes can share a channel.
    #[must_use]
    pub fn are_linked(&self, a: NodeId, b: NodeId) -> bool {
        !self.apart.contains(&(a.min(b), a.max(b)))
    }

    /// Gives a frame to a node, as from the coordinator.
    pub fn deliver(&mut self, node: NodeId, bytes: Vec<u8>) {
        if let Some(told) = &mut self.told {
            told.push((node, bytes.clone()));
        }
        let at = self.clock(node);
        self.step(node, Input::Frame { from: Peer::Coordinator, bytes, at });
    }

    /// A node keeps this head of the coordinator's log.
    pub fn keeps(&mut self, node: NodeId, head: SignedTreeHead) {
        self.step(node, Input::TreeHead(head));
    }

    /// Lets time pass; deadlines that are over are noticed.
    pub fn pass(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        for node in self.machines().collect::<Vec<_>>() {
            let at = self.clock(node);
            let due = self.hospitals.get(&node).and_then(|hospital| hospital.deadline);
            if let Some((sid, round, _)) = due.filter(|(_, _, deadline)| *deadline < at) {
                self.step(node, Input::Deadline { sid, round, at });
            }
        }
    }

    fn step(&mut self, node: NodeId, input: Input) {
        let Some(hospital) = self.hospitals.get_mut(&node) else { return };
        let Some(machine) = hospital.machine.take() else { return };
        let (machine, outputs) = machine.step(input, &mut hospital.rng);
        hospital.machine = Some(machine);
        for output in outputs {
            match output {
                Output::Persist(record) => self.persist(node, record),
                Output::Measure { sid, slot, warrant, pass, open, patients_each, dominance, .. } => {
                    match self.rows.is_empty() {
                        true => self.measure(node, (sid, slot), &warrant, open.as_deref()),
                        false => {
                            let held = (open.as_deref(), patients_each, dominance.as_deref());
                            self.count(node, (sid, slot), (pass, &warrant), held)
                        }
                    }
                }
                Output::Send { bytes, .. } => self.send(node, &bytes),
                Output::Arm { sid, round, at } => self.arm(node, (sid, round, at)),
                Output::Notify(Event::Ended { fault, .. }) => self.ended.push((node, fault)),
                Output::Notify(Event::Verified { .. }) => self.verified.push(node),
                Output::Notify(Event::Echoed { nodes, .. }) => self.echoed.push((node, nodes)),
                Output::Heads(heads) => self.heads.push((node, heads)),
                Output::Reject { fault, .. } => self.refused.push((node, fault)),
                _ => {}
            }
        }
    }

    fn persist(&mut self, node: NodeId, record: Record) {
        match &record {
            Record::Returned { sid, .. } => self.referee.returned(node, *sid),
            Record::Frozen { at, .. } => self.referee.froze(node, *at, least_ms(&self.town.lock)),
            _ => {}
        }
        self.hospitals.entry(node).and_modify(|hospital| hospital.ledger.push(record));
    }

    fn arm(&mut self, node: NodeId, deadline: (AttemptId, Round, Time)) {
        self.hospitals.entry(node).and_modify(|hospital| hospital.deadline = Some(deadline));
    }

    /// The figure of the slot's extract, frozen when it is first asked for.
    fn measure(
        &mut self,
        node: NodeId,
        (sid, slot): (AttemptId, u64),
        warrant: &Warrant,
        open: Option<&Open>,
    ) {
        let at = self.clock(node);
        let true_slot = self.slot(at);
        let Some(hospital) = self.hospitals.get_mut(&node) else { return };
        let version = *hospital.frozen.entry(slot).or_insert(hospital.live);
        let extract = extract(node, version);
        let fork = hospital.rng.clone();
        let nothing = self.town.warrants.get(NOTHING).is_some_and(|(_, one)| one.hash() == warrant.hash());
        let contribution = match nothing {
            _ if warrant.count().is_some() => self.of_class((node, slot), extract, warrant, open),
            true => Contribution::new(1, |_| (0, 1), &[0], extract).ok(),
            false => self.contribution(node, slot),
        };
        let contribution = self.boasted(node, (Pass::Value, warrant), extract).or(contribution);
        let Some(contribution) = contribution else {
            return self.step(node, Input::Refused { sid, why: Refusal::Extract });
        };
        let lane = if nothing { 0 } else { self.value(node, slot) };
        if self.watched {
            self.observer.dealing((node, sid), fork, ((node, extract), lane, true_slot));
        }
        self.referee.measured(node, sid, true_slot);
        self.step(node, Input::Measured { sid, contribution, at });
    }

    /// The figure that it boasts of, in every cell; none for who does not.
    fn boasted(
        &self,
        node: NodeId,
        (pass, warrant): (Pass, &Warrant),
        extract: ExtractHash,
    ) -> Option<Contribution> {
        let count = warrant.count().filter(|_| pass == Pass::Count);
        let cells = count.map_or(warrant.params(), |count| &count.params).cells;
        let figures = vec![*self.boasts.get(&node)?; usize::try_from(cells).ok()?];
        Contribution::new(cells, |_| (0, i64::MAX), &figures, extract).ok()
    }

    /// What the hospital's rows say in a pass of a warrant under a floor. Neither observer nor referee knows passes.
    fn count(
        &mut self,
        node: NodeId,
        (sid, slot): (AttemptId, u64),
        (pass, warrant): (Pass, &Warrant),
        held: (Option<&Open>, u32, Option<&Dominance>),
    ) {
        let at = self.clock(node);
        let Some(hospital) = self.hospitals.get_mut(&node) else { return };
        let extract = extract(node, *hospital.frozen.entry(slot).or_insert(hospital.live));
        let own: Vec<Rows> = self.rows.iter().filter(|rows| rows.node == node).copied().collect();
        let boasted = self.boasted(node, (pass, warrant), extract);
        let input = match boasted.or_else(|| floors::contribution(warrant, pass, &own, held, extract)) {
            Some(contribution) => Input::Measured { sid, contribution, at },
            None => Input::Refused { sid, why: Refusal::Extract },
        };
        self.step(node, input);
    }

    /// In a count pass: there is something in every cell of the own class. In a value pass: the figure, where its
    /// cell opens.
    fn of_class(
        &self,
        (node, slot): (NodeId, u64),
        extract: ExtractHash,
        warrant: &Warrant,
        open: Option<&Open>,
    ) -> Option<Contribution> {
        let (count, class) = (warrant.count()?, warrant.class_of(&self.town.roster, node));
        let Some(open) = open else {
            let lanes = count.counting.lanes().len();
            let said = class.spread(lanes, &vec![1; lanes]);
            return Contribution::new(count.params.cells, |_| (0, 1), &said, extract).ok();
        };
        let layout = warrant.query().layout();
        let figures = class.spread(1, &[i64::try_from(self.value(node, slot)).ok()?]);
        let all = Contribution::new(layout.cells(), |cell| layout.bounds(cell), &figures, extract).ok()?;
        Some(all.only(|cell| open.opens(&layout, cell)))
    }

    /// Writes a record to a node's disk, from which its program is started.
    pub fn record(&mut self, node: NodeId, record: Record) {
        self.hospitals.entry(node).and_modify(|hospital| hospital.ledger.push(record));
        self.restart(node);
    }

    fn send(&mut self, node: NodeId, bytes: &[u8]) {
        let Ok(message) = Message::from_frame(bytes) else { return };
        if self.watched {
            self.observer.sent(node, &message);
            self.referee.sent(node, &message);
        }
        self.inbox.push((node, message));
    }
}

/// A figure that looks random.
fn lane(extract: &ExtractHash) -> u64 {
    let [a, b, c, d, e, ..] = extract.0;
    u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]) % LARGEST
}
