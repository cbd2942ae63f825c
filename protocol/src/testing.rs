//! A session in memory: real machines, a perfect network, a disk that is a vector. For tests only.

mod run;
mod tape;
pub(crate) mod vectors;
mod wycheproof;

use crate::codec::Text;
use crate::coordinator::Setup;
use crate::error::{Check, Fault};
use crate::ids::{AttemptId, ExtractHash, NodeId};
use crate::io::{Event, Failure, Input, Output, Peer, Record, Sum};
use crate::ledger::LedgerView;
use crate::message::{Bound, Invited, Message, Opening, Pass, Round, Voids};
use crate::node::Node;
use crate::ring::Contribution;
use crate::roster::tests::{chain, identity};
use crate::roster::{Roster, SignedRoster};
use crate::rounds::channel::Switchboard;
use crate::rounds::pairs::History;
use crate::rounds::void::Unsettled;
use crate::time::Time;
use crate::warrant::tests::{QUERY, approved, body};
use crate::warrant::{Series, SignedWarrant, Warrant};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tape::Tape;

pub(crate) const COORDINATOR: u16 = 700;

/// What a node is told to do wrong: it stops before it sends its n-th frame of a session.
pub(crate) type Silence = BTreeMap<u16, usize>;

/// A lying coordinator: what each of its frames (to node, frame) becomes, from none to many.
pub(crate) type Tamper<'a> = &'a mut dyn FnMut(&World, NodeId, Vec<u8>) -> Vec<Vec<u8>>;

/// A lying node: what each of its frames becomes.
pub(crate) type Forge = Box<dyn FnMut(&World, NodeId, Vec<u8>) -> Vec<Vec<u8>>>;

pub(crate) struct World {
    pub rng: Tape,
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
    /// The same of count passes.
    pub count_bound: Option<(u64, Bound)>,
    /// Which sum is run next, and what it stands on.
    pub pass: Pass,
    pub opening: Option<(Opening, Vec<NodeId>)>,
    /// What each node says in a count pass.
    pub counts: BTreeMap<NodeId, Vec<i64>>,
    /// VOIDs that were collected.
    pub voided: Vec<Voids>,
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
    /// Nodes that take a new link.
    pub relinked: RefCell<Vec<NodeId>>,
    /// The coordinator is killed after so many records, once, and resumes from its store.
    pub crash_after: Option<usize>,
    /// What each node was sent.
    pub told: Vec<(NodeId, Vec<u8>)>,
    /// Every frame that was sent, channels included: by whom, to whom.
    pub wire: Vec<(Peer, Peer, Vec<u8>)>,
    /// A node that commits to its first figure plus 2^w.
    pub wraps: Option<NodeId>,
    /// Pairs whose channel confirmations the coordinator withholds.
    parted: Vec<(u16, u16)>,
}

impl World {
    pub(crate) fn new(n: u16, seed: u64) -> Self {
        Self::parted(n, seed, &[])
    }

    /// A world in which some pairs never confirm their channel.
    pub(crate) fn parted(n: u16, seed: u64, pairs: &[(u16, u16)]) -> Self {
        Self::under(chain(n), seed, pairs)
    }

    /// A world under a roster, the last of its chain.
    pub(crate) fn under(
        (chain, roster): (Vec<SignedRoster>, Roster),
        seed: u64,
        pairs: &[(u16, u16)],
    ) -> Self {
        let n = u16::try_from(roster.active().count()).unwrap();
        let roster = Arc::new(roster);
        let signed = approved(&body(&roster, QUERY), &[800, 801]);
        let now = Time(1_800_000_000_000);
        let warrant = Arc::new(signed.verify(&roster, now).unwrap());
        let mut world = World {
            rng: Tape::new(seed),
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
            count_bound: None,
            pass: Pass::Value,
            opening: None,
            counts: BTreeMap::new(),
            voided: Vec::new(),
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
            relinked: RefCell::default(),
            crash_after: None,
            told: Vec::new(),
            wire: Vec::new(),
            wraps: None,
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
        self.rng.by = Peer::Node(id);
        let (node, outputs) = node.step(Input::Start(self.now), &mut self.rng);
        self.nodes.insert(id, Some(node));
        let mut queue: VecDeque<(NodeId, Output)> = outputs.into_iter().map(|output| (id, output)).collect();
        while let Some((from, output)) = queue.pop_front() {
            let Output::Send { to, bytes } = output else { continue };
            let by = if to == Peer::Coordinator { Peer::Node(from) } else { Peer::Coordinator };
            self.wire.push((by, to, bytes.clone()));
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
        self.rng.by = Peer::Node(id);
        let (node, outputs) = node.step(input, &mut self.rng);
        self.nodes.insert(id, Some(node));
        outputs
    }

    pub(crate) fn setup(&self) -> Setup {
        let lock = self.roster.lock_of("stock").unwrap();
        let slot = crate::rounds::offer::slot_at(lock, self.now);
        let announced =
            |node: NodeId| self.switchboard.announced(node).map(|announce| Invited { node, announce });
        let known = if self.pass == Pass::Count { &self.count_bound } else { &self.bound };
        let in_slot = known.clone().filter(|(at, _)| *at == slot).map(|(_, bound)| bound);
        let earlier = known.clone().filter(|(at, _)| *at < slot).map(|(_, bound)| bound);
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
            pass: self.pass,
            opening: self.opening.clone(),
            bound: in_slot,
            whole: self.warrant.body().series == Series::Equal && known.is_some(),
            earlier,
            history: History::default(),
            unsettled: self.unsettled(),
            voided: self.voided.clone(),
        }
    }

    /// Attempts whose GO was sent and that have no certificate, with their VOIDs.
    fn unsettled(&self) -> Vec<Unsettled> {
        let gone = self.written.iter().filter_map(|record| match record {
            Record::Sent { sid, round: Round::Contribute, .. } => Some(*sid),
            _ => None,
        });
        let certified = |sid: &AttemptId| {
            let bound = |record: &Record| matches!(record, Record::Bound { bound, .. } if bound.sid == *sid);
            self.written.iter().any(bound)
        };
        let of = |sid| {
            let given = self.voided.iter().find(|voids| voids.sid == sid);
            let voids = given.map(|voids| voids.voids.to_vec()).unwrap_or_default();
            Unsettled { sid, roster: Arc::clone(&self.roster), required: true, voids }
        };
        gone.filter(|sid| !certified(sid)).map(of).collect()
    }

    /// Runs one session; `silence` says which nodes vanish before which of their frames.
    pub(crate) fn run(&mut self, silence: &Silence) -> Result<Sum, Failure> {
        self.run_with(silence, &mut |_, _, bytes| vec![bytes])
    }

    /// Runs one session; `tamper` makes of each frame of the coordinator what the node gets.
    pub(crate) fn run_with(&mut self, silence: &Silence, tamper: Tamper) -> Result<Sum, Failure> {
        let mut forge = self.forge.take().unwrap_or_else(|| Box::new(|_, _, bytes| vec![bytes]));
        let ran = run::Run::new(self, silence, tamper, &mut forge).drive();
        self.forge = Some(forge);
        ran
    }

    /// A node's answer to `Measure`.
    pub(crate) fn measured(&self, id: NodeId, warrant: &Warrant) -> Contribution {
        let layout = warrant.query().layout();
        let extract = ExtractHash([self.extract[&id]; 32]);
        if let (Pass::Count, Some(count)) = (self.pass, warrant.count()) {
            return Contribution::new(count.params.cells, |_| (0, 1), &self.counts[&id], extract).unwrap();
        }
        let honest =
            Contribution::new(layout.cells(), |c| layout.bounds(c), &self.values[&id], extract).unwrap();
        let mut lanes = honest.lanes().expose().clone();
        if self.wraps == Some(id) {
            lanes[0] += 1 << warrant.params().width;
        }
        Contribution::of_lanes(lanes, extract)
    }

    /// A frame to a node after the coordinator is done.
    fn last_words(&mut self, id: NodeId, bytes: Vec<u8>) {
        self.wire.push((Peer::Coordinator, Peer::Node(id), bytes.clone()));
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

    /// Nodes that were sent two different messages of one kind in one attempt, and the kind.
    pub(crate) fn seen_two(&self) -> Vec<(NodeId, String)> {
        let mut first: BTreeMap<(NodeId, String), Vec<u8>> = BTreeMap::new();
        let mut two = Vec::new();
        for (node, bytes) in &self.told {
            let message = format!("{:?}", Message::from_frame(bytes).unwrap());
            let kind = message.split('(').next().unwrap_or_default().to_owned();
            if kind == "OutcomeBlock" || kind == "End" || kind == "Offer" {
                continue;
            }
            let key = (*node, kind);
            if first.entry(key.clone()).or_insert_with(|| bytes.clone()) != bytes {
                two.push(key);
            }
        }
        two
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
