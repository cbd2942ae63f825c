//! Four other hospitals and an honest coordinator in memory, over the same core as this program.
//!
//! Carries frames between them and remembers what the coordinator saw, which is what a liar can use. It
//! must not lie itself.

use super::SetUp;
use super::town::{Town, VICTIM, Wish};
use crate::clock::now;
use crate::identity::randomness;
use samensom_protocol::codec::Text;
use samensom_protocol::coordinator::{Coordinator, Setup};
use samensom_protocol::ids::{AttemptId, ExtractHash, FreezeHash, NodeId};
use samensom_protocol::io::{Input, Output, Peer, Record};
use samensom_protocol::ledger::LedgerView;
use samensom_protocol::message::{Bound, Invited, Message, Pass};
use samensom_protocol::node::Node;
use samensom_protocol::ring::Contribution;
use samensom_protocol::rounds::channel::Switchboard;
use samensom_protocol::rounds::offer::slot_at;
use samensom_protocol::rounds::pairs::{History, pair};
use samensom_protocol::warrant::{SignedWarrant, Warrant};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What is prepared before a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scene {
    /// An honest country.
    Plain,
    /// Two colluding hospitals say that they remember a later ledger of this one.
    FalseEcho,
    /// The coordinator keeps this hospital's channel confirmations from hospital 2, and the other way.
    Withheld,
}

/// The hospital whose channel with the victim is cut in [`Scene::Withheld`].
const PARTED: NodeId = NodeId(2);

/// A history in which it had bad pairs with others too.
fn mistrusted() -> History {
    let mut history = History::default();
    history.slot(&[pair(PARTED, NodeId(3)), pair(PARTED, NodeId(4))].into(), &BTreeSet::new());
    history
}

/// Other hospitals, the coordinator, and what it saw.
pub(super) struct Country<'a> {
    pub town: &'a Town,
    pub roster: Arc<samensom_protocol::roster::Roster>,
    scene: Scene,
    signed: SignedWarrant,
    warrant: Arc<Warrant>,
    peers: BTreeMap<NodeId, Option<Node>>,
    switchboard: Switchboard,
    coordinator: Option<Coordinator>,
    spool: BTreeMap<(NodeId, u32), Vec<u8>>,
    /// What follows RESULT: the survivors' commitments, and the total.
    pub published: Arc<Vec<Vec<u8>>>,
    /// Survivors of the session that ended.
    pub bound: Option<Bound>,
    /// What hospitals sent in sessions.
    pub heard: Vec<(NodeId, Message)>,
    /// What the victim was sent in sessions.
    pub sent: Vec<Message>,
}

type Queue = VecDeque<(Option<NodeId>, Output)>;

impl<'a> Country<'a> {
    /// A country whose coordinator asks for `wish` once every channel stands.
    pub(super) fn new(town: &'a Town, scene: Scene, wish: Wish) -> Result<Country<'a>, SetUp> {
        let roster = Arc::new(town.roster.clone());
        let signed = town.warrant(wish)?;
        let warrant = Arc::new(signed.read(&roster)?);
        let mut country = Country {
            town,
            roster,
            scene,
            signed,
            warrant,
            peers: BTreeMap::new(),
            switchboard: Switchboard::default(),
            coordinator: None,
            spool: BTreeMap::new(),
            bound: None,
            published: Arc::default(),
            heard: Vec::new(),
            sent: Vec::new(),
        };
        for (id, identity) in town.identities.iter().filter(|(id, _)| **id != VICTIM) {
            let view = LedgerView::of(country.memory(*id)?.iter());
            let rosters = vec![Arc::clone(&country.roster)];
            let node = Node::new(*id, Arc::clone(identity), town.coordinator.public(), rosters, view);
            country.peers.insert(*id, Some(node));
        }
        Ok(country)
    }

    /// What a hospital's ledger says before the session.
    fn memory(&self, id: NodeId) -> Result<Vec<Record>, SetUp> {
        if self.scene != Scene::FalseEcho || id.0 > 3 {
            return Ok(Vec::new());
        }
        Ok(vec![Record::Confirmed {
            lock: Text::new("goods")?,
            extract: ExtractHash([9; 32]),
            pass: Pass::Value,
            sid: AttemptId([9; 32]),
            freeze: FreezeHash([9; 32]),
            survivors: vec![id, VICTIM],
            seen: vec![(VICTIM, 1_000)],
        }])
    }

    /// The other hospitals announce themselves; frames to the victim come back.
    pub(super) fn begin(&mut self) -> Vec<Vec<u8>> {
        let mut queue = Queue::new();
        for id in self.peers.keys().copied().collect::<Vec<_>>() {
            let outputs = self.peer(id, Input::Start(now()));
            queue.extend(outputs.into_iter().map(|output| (Some(id), output)));
        }
        self.carry(queue)
    }

    /// A frame of the victim came; frames to it come back.
    pub(super) fn hear(&mut self, bytes: Vec<u8>) -> Vec<Vec<u8>> {
        let outputs = self.coordinate(VICTIM, bytes);
        self.carry(outputs.into_iter().map(|output| (None, output)).collect())
    }

    /// True once the honest session has its sum.
    pub(super) fn is_over(&self) -> bool {
        self.coordinator.as_ref().is_some_and(Coordinator::is_over)
    }

    fn carry(&mut self, mut queue: Queue) -> Vec<Vec<u8>> {
        let mut to_victim = Vec::new();
        while let Some((of, output)) = queue.pop_front() {
            let (whose, more) = match (of, output) {
                (Some(id), Output::Send { bytes, .. }) => (None, self.coordinate(id, bytes)),
                (Some(id), Output::Measure { sid, warrant, .. }) => {
                    (Some(id), self.measured(id, sid, &warrant))
                }
                (None, Output::Send { to: Peer::Node(VICTIM), bytes }) => {
                    to_victim.push(bytes);
                    continue;
                }
                (None, Output::Send { to: Peer::Node(id), bytes }) => {
                    (Some(id), self.peer(id, Input::Frame { from: Peer::Coordinator, bytes, at: now() }))
                }
                (None, Output::Spool { node, block, bytes }) => {
                    self.spool.insert((node, block), bytes);
                    continue;
                }
                (None, Output::Recall { node }) => (None, self.recall(node)),
                (None, Output::Publish { frames, to }) => {
                    self.published = Arc::clone(&frames);
                    let sends = to.iter().flat_map(|to| frames.iter().map(|bytes| (*to, bytes.clone())));
                    (None, sends.map(|(to, bytes)| Output::Send { to: Peer::Node(to), bytes }).collect())
                }
                (None, Output::Persist(Record::Bound { bound, .. })) => {
                    self.bound = Some(bound);
                    continue;
                }
                _ => continue,
            };
            queue.extend(more.into_iter().map(|output| (whose, output)));
        }
        to_victim
    }

    fn peer(&mut self, id: NodeId, input: Input) -> Vec<Output> {
        let Some(place) = self.peers.get_mut(&id) else { return Vec::new() };
        let Some(node) = place.take() else { return Vec::new() };
        let (node, outputs) = node.step(input, &mut randomness());
        *place = Some(node);
        outputs
    }

    fn measured(&mut self, id: NodeId, sid: AttemptId, warrant: &Warrant) -> Vec<Output> {
        let layout = warrant.query().layout();
        let extract = ExtractHash([1; 32]);
        let figures = Contribution::new(layout.cells(), |cell| layout.bounds(cell), &[7], extract);
        let Ok(contribution) = figures else { return Vec::new() };
        self.peer(id, Input::Measured { sid, contribution, at: now() })
    }

    /// A hospital's frame reaches the coordinator.
    fn coordinate(&mut self, from: NodeId, bytes: Vec<u8>) -> Vec<Output> {
        let Ok(message) = Message::from_frame(&bytes) else { return Vec::new() };
        if samensom_protocol::message::is_channel(&bytes) {
            return self.relay(from, message);
        }
        self.heard.push((from, message));
        self.step(Input::Frame { from: Peer::Node(from), bytes, at: now() })
    }

    fn relay(&mut self, from: NodeId, message: Message) -> Vec<Output> {
        let confirms = matches!(message, Message::ChannelConfirm(_));
        let relayed = self.switchboard.relay(from, message, &self.roster, now());
        let mut outputs = relayed.unwrap_or_default();
        let parted = |to: NodeId| [(VICTIM, PARTED), (PARTED, VICTIM)].contains(&(from, to));
        if self.scene == Scene::Withheld && confirms {
            outputs
                .retain(|output| !matches!(output, Output::Send { to: Peer::Node(to), .. } if parted(*to)));
        }
        let everybody: Vec<NodeId> = self.town.identities.keys().copied().collect();
        let announced = everybody.iter().all(|node| self.switchboard.announced(*node).is_some());
        if self.coordinator.is_none() && announced && self.switchboard.missing(&everybody) == 0 {
            self.coordinator = self.setup(everybody).map(Coordinator::new);
            outputs.extend(self.step(Input::Start(now())));
        }
        outputs
    }

    fn setup(&self, everybody: Vec<NodeId>) -> Option<Setup> {
        let lock = self.roster.lock_of("stock")?;
        let announced = |node| Some(Invited { node, announce: self.switchboard.announced(node)? });
        Some(Setup {
            identity: Arc::clone(&self.town.coordinator),
            roster: Arc::clone(&self.roster),
            warrant: Arc::clone(&self.warrant),
            signed: self.signed.clone(),
            lock: lock.name.clone(),
            slot: slot_at(lock, now()),
            invited: everybody.into_iter().filter_map(announced).collect(),
            pass: Pass::Value,
            opening: None,
            bound: None,
            whole: false,
            earlier: None,
            // An honest coordinator leaves the other end of the bad pair out, so that this one hears START.
            history: mistrusted(),
            unsettled: Vec::new(),
            voided: Vec::new(),
        })
    }

    fn step(&mut self, input: Input) -> Vec<Output> {
        let Some(coordinator) = self.coordinator.take() else { return Vec::new() };
        let (coordinator, outputs) = coordinator.step(input, &mut randomness());
        self.coordinator = Some(coordinator);
        outputs
    }

    fn recall(&mut self, node: NodeId) -> Vec<Output> {
        let blocks: Vec<(u32, Vec<u8>)> = self
            .spool
            .range((node, 0)..=(node, u32::MAX))
            .map(|((_, at), bytes)| (*at, bytes.clone()))
            .collect();
        let recalled = |(block, bytes)| Input::Recalled { node, block, bytes, at: now() };
        blocks.into_iter().map(recalled).flat_map(|input| self.step(input)).collect()
    }
}
