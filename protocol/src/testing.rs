//! A session in memory: real machines, a perfect network, a disk that is a vector. For tests only.

use crate::codec::Text;
use crate::coordinator::{Coordinator, Setup};
use crate::error::{Check, Fault};
use crate::ids::{ExtractHash, NodeId};
use crate::io::{Event, Failure, Input, Output, Peer, Record, Sum};
use crate::ledger::LedgerView;
use crate::message::{Bound, Invited, Message, Round};
use crate::node::Node;
use crate::ring::Contribution;
use crate::roster::tests::{chain, identity};
use crate::roster::{Roster, SignedRoster};
use crate::rounds::channel::Switchboard;
use crate::time::Time;
use crate::warrant::tests::{QUERY, approved, body};
use crate::warrant::{SignedWarrant, Warrant};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub(crate) const COORDINATOR: u16 = 700;

/// What a node is told to do wrong: it stops before it sends its n-th frame of a session.
pub(crate) type Silence = BTreeMap<u16, usize>;

/// A lying coordinator: what each of its frames (to node, frame) becomes, from none to many.
pub(crate) type Tamper<'a> = &'a mut dyn FnMut(&World, NodeId, Vec<u8>) -> Vec<Vec<u8>>;

/// A lying node: what each of its frames becomes.
pub(crate) type Forge = Box<dyn FnMut(&World, NodeId, Vec<u8>) -> Vec<Vec<u8>>>;

pub(crate) struct World {
    pub rng: ChaCha20Rng,
    pub now: Time,
    pub chain: Vec<SignedRoster>,
    pub roster: Arc<Roster>,
    pub signed: SignedWarrant,
    pub warrant: Arc<Warrant>,
    pub nodes: BTreeMap<NodeId, Option<Node>>,
    pub switchboard: Switchboard,
    pub values: BTreeMap<NodeId, Vec<i64>>,
    pub extract: BTreeMap<NodeId, u8>,
    pub records: BTreeMap<NodeId, Vec<Record>>,
    pub written: Vec<Record>,
    pub bound: Option<(u64, Bound)>,
    pub spool: BTreeMap<(NodeId, u32), Vec<u8>>,
    pub frames: Vec<(NodeId, Vec<u8>)>,
    pub faults: Vec<String>,
    /// Who ended its part, and the check that failed.
    pub ended: Vec<(NodeId, Option<Fault>)>,
    /// Who refused a frame (none: the coordinator), and why.
    pub rejected: Vec<(Option<NodeId>, Fault)>,
    pub verified: Vec<NodeId>,
    /// Deadlines that the coordinator armed: the round, when, until when.
    pub armed: Vec<(Round, Time, Time)>,
    /// The links of silent nodes are noticed to be gone so long after all is quiet.
    pub lost_after_ms: Option<u64>,
    pub forge: Option<Forge>,
    /// Frames that a liar sends of its own accord.
    pub injected: RefCell<Vec<(NodeId, Vec<u8>)>>,
    /// Pairs whose channel confirmations the coordinator withholds.
    parted: Vec<(u16, u16)>,
}

impl World {
    pub(crate) fn new(n: u16, seed: u64) -> Self {
        Self::parted(n, seed, &[])
    }

    /// A world in which some pairs never confirm their channel.
    pub(crate) fn parted(n: u16, seed: u64, pairs: &[(u16, u16)]) -> Self {
        let (chain, roster) = chain(n);
        let roster = Arc::new(roster);
        let signed = approved(&body(&roster, QUERY), &[800, 801]);
        let now = Time(1_800_000_000_000);
        let warrant = Arc::new(signed.verify(&roster, now).unwrap());
        let mut world = World {
            rng: ChaCha20Rng::seed_from_u64(seed),
            now,
            chain,
            roster,
            signed,
            warrant,
            nodes: BTreeMap::new(),
            switchboard: Switchboard::default(),
            values: (1..=n).map(|i| (NodeId(i), vec![i64::from(i) * 7 - 50, i64::from(i % 50), 1])).collect(),
            extract: (1..=n).map(|i| (NodeId(i), 1)).collect(),
            records: BTreeMap::new(),
            written: Vec::new(),
            bound: None,
            spool: BTreeMap::new(),
            frames: Vec::new(),
            faults: Vec::new(),
            ended: Vec::new(),
            rejected: Vec::new(),
            verified: Vec::new(),
            armed: Vec::new(),
            lost_after_ms: None,
            forge: None,
            injected: RefCell::default(),
            parted: pairs.to_vec(),
        };
        for i in 1..=n {
            world.start_node(NodeId(i));
        }
        world
    }

    /// (Re)starts a node from its records, with a new incarnation, and sets its channels up.
    pub(crate) fn start_node(&mut self, id: NodeId) {
        let view = LedgerView::of(self.records.entry(id).or_default().iter());
        let node = Node::new(
            id,
            Arc::new(identity(id.0)),
            identity(COORDINATOR).public(),
            vec![Arc::clone(&self.roster)],
            view,
        );
        let (node, outputs) = node.step(Input::Start(self.now), &mut self.rng);
        self.nodes.insert(id, Some(node));
        let mut queue: VecDeque<(NodeId, Output)> = outputs.into_iter().map(|output| (id, output)).collect();
        while let Some((from, output)) = queue.pop_front() {
            let Output::Send { to, bytes } = output else { continue };
            let outputs = match to {
                Peer::Coordinator => {
                    let message = Message::from_frame(&bytes).unwrap();
                    let confirm = matches!(message, Message::ChannelConfirm(_));
                    let mut relayed = self.switchboard.relay(from, message, &self.roster, self.now).unwrap();
                    relayed.retain(|output| match output {
                        Output::Send { to: Peer::Node(to), .. } => !(confirm && self.is_parted(from, *to)),
                        _ => true,
                    });
                    relayed
                }
                Peer::Node(to) => {
                    let outputs =
                        self.node_step(to, Input::Frame { from: Peer::Coordinator, bytes, at: self.now });
                    queue.extend(outputs.into_iter().map(|output| (to, output)));
                    continue;
                }
            };
            queue.extend(outputs.into_iter().map(|output| (from, output)));
        }
    }

    fn is_parted(&self, a: NodeId, b: NodeId) -> bool {
        self.parted.contains(&(a.0, b.0)) || self.parted.contains(&(b.0, a.0))
    }

    /// The checks by which a node ended its part, in order; a deadline or refusal has none.
    pub(crate) fn ends(&self, node: u16) -> Vec<Option<Check>> {
        let of = self.ended.iter().filter(|(id, _)| id.0 == node);
        of.map(|(_, fault)| fault.as_ref().map(|fault| fault.check)).collect()
    }

    /// The checks by which a node (none: the coordinator) refused frames, in order.
    pub(crate) fn rejects(&self, by: Option<u16>) -> Vec<Check> {
        let of = self.rejected.iter().filter(|(who, _)| who.map(|id| id.0) == by);
        of.map(|(_, fault)| fault.check).collect()
    }

    /// What a node sent in sessions, in order.
    pub(crate) fn sent_by(&self, node: u16) -> Vec<Message> {
        let of = self.frames.iter().filter(|(id, _)| id.0 == node);
        of.map(|(_, bytes)| Message::from_frame(bytes).unwrap()).collect()
    }

    pub(crate) fn node_step(&mut self, id: NodeId, input: Input) -> Vec<Output> {
        let Some(node) = self.nodes.get_mut(&id).and_then(Option::take) else { return Vec::new() };
        let (node, outputs) = node.step(input, &mut self.rng);
        self.nodes.insert(id, Some(node));
        outputs
    }

    pub(crate) fn setup(&self) -> Setup {
        let lock = self.roster.lock_of("stock").unwrap();
        let slot = crate::rounds::offer::slot_at(lock, self.now);
        let announced =
            |node: NodeId| self.switchboard.announced(node).map(|announce| Invited { node, announce });
        let in_slot = self.bound.clone().filter(|(at, _)| *at == slot).map(|(_, bound)| bound);
        let earlier = self.bound.clone().filter(|(at, _)| *at < slot).map(|(_, bound)| bound);
        let mut invited: Vec<Invited> = self.nodes.keys().filter_map(|node| announced(*node)).collect();
        if let Some(bound) = &in_slot {
            invited.retain(|invited| bound.survivors.contains(&invited.node));
        }
        Setup {
            identity: Arc::new(identity(COORDINATOR)),
            roster: Arc::clone(&self.roster),
            warrant: Arc::clone(&self.warrant),
            signed: self.signed.clone(),
            lock: Text::new("goods").unwrap(),
            slot,
            invited,
            bound: in_slot,
            earlier,
            history: BTreeMap::new(),
        }
    }

    /// Runs one session; `silence` says which nodes vanish before which of their frames.
    pub(crate) fn run(&mut self, silence: &Silence) -> Result<Sum, Failure> {
        self.run_with(silence, &mut |_, _, bytes| vec![bytes])
    }

    /// Runs one session; `tamper` makes of each frame of the coordinator what the node gets.
    pub(crate) fn run_with(&mut self, silence: &Silence, tamper: Tamper) -> Result<Sum, Failure> {
        let mut forge = self.forge.take().unwrap_or_else(|| Box::new(|_, _, bytes| vec![bytes]));
        let ran = self.drive(silence, tamper, &mut forge);
        self.forge = Some(forge);
        ran
    }

    fn drive(&mut self, silence: &Silence, tamper: Tamper, forge: &mut Forge) -> Result<Sum, Failure> {
        let mut coordinator = Coordinator::new(self.setup());
        let mut sent: BTreeMap<NodeId, usize> = BTreeMap::new();
        let mut deadlines = Vec::new();
        let mut queue: VecDeque<(Option<NodeId>, Output)> = VecDeque::new();
        let mut inputs: VecDeque<Input> = VecDeque::from([Input::Start(self.now)]);
        loop {
            for (id, bytes) in self.injected.take() {
                inputs.push_back(Input::Frame { from: Peer::Node(id), bytes, at: self.now });
            }
            if let Some(input) = inputs.pop_front() {
                let (next, outputs) = coordinator.step(input, &mut self.rng);
                coordinator = next;
                // Spooled blocks come back before anything else is read.
                for output in outputs {
                    match output {
                        Output::Recall { node } => {
                            let blocks = self.spool.range((node, 0)..=(node, u32::MAX));
                            let recalled = blocks.map(|((node, block), bytes)| Input::Recalled {
                                node: *node,
                                block: *block,
                                bytes: bytes.clone(),
                                at: self.now,
                            });
                            recalled.rev().for_each(|input| inputs.push_front(input));
                        }
                        Output::Spool { node, block, bytes } => {
                            self.spool.insert((node, block), bytes);
                        }
                        other => queue.push_back((None, other)),
                    }
                }
                continue;
            }
            let Some((at, output)) = queue.pop_front() else {
                if let Some(ms) = self.lost_after_ms.take() {
                    self.now = self.now.plus_ms(ms);
                    let lost = |node: &u16| Input::Lost { node: NodeId(*node), at: self.now };
                    inputs.extend(silence.keys().map(lost));
                    continue;
                }
                // Nothing is under way: the next deadline of the coordinator passes.
                let Some((sid, round, at)) = deadlines.pop() else { panic!("stuck") };
                self.now = at;
                inputs.push_back(Input::Deadline { sid, round, at });
                continue;
            };
            match (at, output) {
                (Some(id), Output::Persist(record)) => self.records.entry(id).or_default().push(record),
                (None, Output::Persist(record)) => {
                    if let Record::Bound { slot, bound, .. } = &record {
                        self.bound = Some((*slot, bound.clone()));
                    }
                    self.written.push(record);
                }
                (Some(id), Output::Send { bytes, .. }) => {
                    let count = sent.entry(id).or_default();
                    if silence.get(&id.0).is_none_or(|limit| *count < *limit) {
                        *count += 1;
                        self.frames.push((id, bytes.clone()));
                        for bytes in forge(self, id, bytes) {
                            inputs.push_back(Input::Frame { from: Peer::Node(id), bytes, at: self.now });
                        }
                    }
                }
                (None, Output::Send { to: Peer::Node(id), bytes }) => {
                    for bytes in tamper(self, id, bytes) {
                        let outputs =
                            self.node_step(id, Input::Frame { from: Peer::Coordinator, bytes, at: self.now });
                        queue.extend(outputs.into_iter().map(|output| (Some(id), output)));
                    }
                }
                (Some(id), Output::Measure { warrant, .. }) => {
                    let contribution = self.measured(id, &warrant);
                    let outputs = self.node_step(id, Input::Measured { contribution, at: self.now });
                    queue.extend(outputs.into_iter().map(|output| (Some(id), output)));
                }
                (None, Output::Arm { sid, round, at }) => {
                    self.armed.push((round, self.now, at));
                    deadlines.push((sid, round, at));
                }
                (None, Output::Publish { sid, survivors }) => {
                    for to in &survivors {
                        for of in &survivors {
                            let blocks = self.spool.range((*of, 0)..=(*of, u32::MAX));
                            let frames: Vec<_> = blocks
                                .map(|((_, index), bytes)| {
                                    let bytes = crate::codec::Blob::new(bytes.clone()).unwrap();
                                    Message::OutcomeBlock(crate::message::OutcomeBlock {
                                        sid,
                                        of: *of,
                                        index: *index,
                                        bytes,
                                    })
                                })
                                .collect();
                            for frame in frames {
                                let bytes = frame.to_frame().unwrap();
                                queue.push_back((None, Output::Send { to: Peer::Node(*to), bytes }));
                            }
                        }
                    }
                }
                (None, Output::Notify(Event::Finished(sum))) => {
                    while let Some((at, output)) = queue.pop_front() {
                        if let (None, Output::Send { to: Peer::Node(id), bytes }) = (at, output) {
                            for bytes in tamper(self, id, bytes) {
                                self.last_words(id, bytes);
                            }
                        }
                    }
                    return Ok(*sum);
                }
                (None, Output::Notify(Event::Failed(failure))) => {
                    while let Some((_, output)) = queue.pop_front() {
                        if let Output::Send { to: Peer::Node(id), bytes } = output {
                            for bytes in tamper(self, id, bytes) {
                                self.last_words(id, bytes);
                            }
                        }
                    }
                    return Err(failure);
                }
                (Some(id), Output::Notify(Event::Ended { fault, .. })) => {
                    let text = fault.as_ref().map_or("no reason".to_owned(), Fault::to_string);
                    self.faults.push(format!("{id}: {text}"));
                    self.ended.push((id, fault));
                }
                (who, Output::Reject { fault, from }) => {
                    self.faults.push(format!("{from:?} rejected: {fault}"));
                    self.rejected.push((who, fault));
                }
                _ => {}
            }
        }
    }

    /// A node's answer to `Measure`.
    pub(crate) fn measured(&self, id: NodeId, warrant: &Warrant) -> Contribution {
        let layout = warrant.query().layout();
        let extract = ExtractHash([self.extract[&id]; 32]);
        Contribution::new(layout.cells(), |c| layout.bounds(c), &self.values[&id], extract).unwrap()
    }

    /// A frame to a node after the coordinator is done.
    fn last_words(&mut self, id: NodeId, bytes: Vec<u8>) {
        for output in self.node_step(id, Input::Frame { from: Peer::Coordinator, bytes, at: self.now }) {
            match output {
                Output::Persist(record) => self.records.entry(id).or_default().push(record),
                Output::Send { bytes, .. } => self.frames.push((id, bytes)),
                Output::Notify(Event::Verified { .. }) => self.verified.push(id),
                Output::Notify(Event::Ended { fault, .. }) => {
                    self.faults.push(format!("{id}: {fault:?}"));
                    self.ended.push((id, fault));
                }
                Output::Reject { fault, .. } => self.rejected.push((Some(id), fault)),
                _ => {}
            }
        }
    }

    /// The oracle: the clear sum of some nodes' figures.
    pub(crate) fn clear(&self, nodes: &[NodeId]) -> Vec<i128> {
        let mut sums = vec![0i128; 3];
        for node in nodes {
            for (sum, value) in sums.iter_mut().zip(&self.values[node]) {
                *sum += i128::from(*value);
            }
        }
        sums
    }

    /// The opened totals in base units.
    pub(crate) fn totals(&self, sum: &Sum) -> Vec<i128> {
        let layout = self.warrant.query().layout();
        let survivors = u16::try_from(sum.survivors.len()).unwrap();
        let total = |(cell, lane): (u32, &u64)| crate::ring::total(*lane, survivors, layout.bounds(cell).0);
        (0..).zip(&sum.lanes).map(total).collect()
    }
}
