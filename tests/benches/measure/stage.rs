//! One whole session in memory, with every step of every machine timed: no network, no disk.
//!
//! Plays the drivers' part between the timed steps (queues, spool, recall, publish) and checks that the sum
//! is the sum: a benchmark of something wrong would be worth nothing. Channel keys are dealt.

#![allow(dead_code, reason = "two benchmarks share this file, and neither uses all of it")]

use super::table::timed;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use samensom_protocol::bundle::{Bundle, assemble};
use samensom_protocol::coordinator::{Coordinator, Setup};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::crypto::transcript::sha256;
use samensom_protocol::ids::{AnnounceHash, ExtractHash, NodeId};
use samensom_protocol::io::{Event, Input, Output, Peer, Record, Sum};
use samensom_protocol::ledger::LedgerView;
use samensom_protocol::message::{Invited, Message, Pass, Round};
use samensom_protocol::node::Node;
use samensom_protocol::ring::{Contribution, total};
use samensom_protocol::rounds::offer::Facts;
use samensom_protocol::rounds::pairs::History;
use samensom_protocol::secret::Secret;
use samensom_protocol::time::Time;
use samensom_protocol::warrant::{SignedWarrant, Warrant};
use samensom_tests::sim::world::{EPOCH, World};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Least and most of a cell.
const RANGE: (i64, i64) = (0, 1_000_000);

/// Where time goes: rounds, in order.
pub const ROUNDS: [&str; 6] = ["deposit", "ready", "contribute", "confirm", "reveal", "result"];

/// Time by round.
pub type Rounds = [Duration; 6];

/// A session's fixed part.
pub struct Stage {
    world: Rc<World>,
    signed: SignedWarrant,
    pub warrant: Arc<Warrant>,
    now: Time,
}

/// What the coordinator was given, so that it can be given again.
#[derive(Clone)]
pub enum Given {
    Start,
    Frame(NodeId, Vec<u8>),
    Recalled(NodeId, u32, Vec<u8>),
    Lost(NodeId),
}

/// What one session cost.
pub struct Ran {
    pub coordinator: Rounds,
    /// Of every survivor that verified the result.
    pub nodes: Vec<Rounds>,
    /// Of everybody, verification by those asked for.
    pub all: Duration,
    /// What the coordinator was given, if it was to be kept.
    pub given: Vec<Given>,
    /// What it wrote down.
    pub records: Vec<Record>,
}

impl Stage {
    /// `n` hospitals over `cells` cells: up to 1,000 codes, and locations for the rest.
    pub fn new(n: u16, cells: u32) -> Stage {
        let codes = cells.min(1_000);
        let list = |name: &str, count: u32| -> String {
            (0..count).map(|i| format!("\"{name}{i:05}\"")).collect::<Vec<_>>().join(", ")
        };
        let locations = match cells / codes {
            1 => String::new(),
            more => format!("[[dimension]]\ncolumn = \"location\"\ncodes = [{}]\n", list("L", more)),
        };
        let query = format!(
            "[query]\nid = \"bench\"\nversion = 1\ntitle = {{ nl = \"Meting\", en = \"Benchmark\" }}\n\
             purpose = \"stock\"\ndataset = \"stock\"\n\n[[dimension]]\ncolumn = \"code\"\ncodes = [{}]\n\n\
             {locations}\n[[measure]]\nname = \"stock\"\nsum = \"quantity\"\nunit = \"piece\"\nscale = 0\n\
             range = [{}, {}]\n",
            list("C", codes),
            RANGE.0,
            RANGE.1
        );
        let world = World::of(n);
        let (signed, warrant) = world.warrant(&query);
        assert_eq!(warrant.params().cells, cells);
        Stage { world, signed, warrant, now: EPOCH }
    }

    fn figure(node: NodeId, cell: u32) -> i64 {
        (i64::from(node.0) * 7_919 + i64::from(cell) * 104_729) % 1_000_000
    }

    pub fn contribution(&self, node: NodeId) -> Contribution {
        let cells = self.warrant.params().cells;
        let figures: Vec<i64> = (0..cells).map(|cell| Self::figure(node, cell)).collect();
        let extract = ExtractHash(sha256(&node.0.to_be_bytes()));
        Contribution::new(cells, |_| RANGE, &figures, extract).expect("figures in range")
    }

    /// Nodes with an incarnation and all their channels.
    fn nodes(&self) -> Vec<(Node, ChaCha20Rng)> {
        let start = |i: u16| {
            let (identity, roster) = (Arc::clone(&self.world.identities[usize::from(i)]), &self.world.roster);
            let mut rng = ChaCha20Rng::seed_from_u64(u64::from(i) + 1);
            let public = self.world.coordinator.public();
            let node =
                Node::new(NodeId(i + 1), identity, public, vec![Arc::clone(roster)], LedgerView::default());
            (node.step(Input::Start(self.now), &mut rng).0, rng)
        };
        let mut nodes: Vec<_> = (0..self.world.n).map(start).collect();
        let announces = announces(&nodes);
        for (i, (node, _)) in nodes.iter_mut().enumerate() {
            for (j, (peer, announce)) in announces.iter().enumerate().filter(|(j, _)| *j != i) {
                let (low, high) = (announces[i.min(j)].1, announces[i.max(j)].1);
                let key = sha256(&[low.0, high.0].concat());
                node.deal_channel(*peer, *announce, Secret::new(key));
            }
        }
        nodes
    }

    /// The session's beginning for the coordinator.
    fn coordinator(&self, announces: &[(NodeId, AnnounceHash)]) -> Coordinator {
        let invited = announces.iter().map(|(node, announce)| Invited { node: *node, announce: *announce });
        Coordinator::new(Setup {
            identity: Arc::clone(&self.world.coordinator),
            roster: Arc::clone(&self.world.roster),
            warrant: Arc::clone(&self.warrant),
            signed: self.signed.clone(),
            lock: self.world.lock.name.clone(),
            slot: self.world.slot_at(self.now),
            invited: invited.collect(),
            pass: Pass::Value,
            opening: None,
            bound: None,
            whole: false,
            earlier: None,
            history: History::default(),
            unsettled: Vec::new(),
            voided: Vec::new(),
        })
    }

    /// Runs a session of which `dropped` hospitals vanish before they contribute; `verifiers` survivors are
    /// sent the reports.
    pub fn run(&self, dropped: u16, verifiers: usize, keep: bool) -> Ran {
        let nodes = self.nodes();
        let announces = announces(&nodes);
        let run = Run {
            stage: self,
            coordinator: Some(self.coordinator(&announces)),
            rng: ChaCha20Rng::seed_from_u64(0),
            spent: vec![Rounds::default(); nodes.len()],
            nodes: nodes.into_iter().map(|(node, rng)| (Some(node), rng)).collect(),
            last: self.world.n - dropped,
            lost: false,
            verifiers,
            verified: Vec::new(),
            coordinated: Rounds::default(),
            inputs: VecDeque::from([Given::Start]),
            queue: VecDeque::new(),
            spool: BTreeMap::new(),
            given: keep.then(Vec::new),
            records: Vec::new(),
        };
        run.drive()
    }

    /// What the first header of a session says, without a session.
    pub fn facts(&self) -> Facts {
        let coordinator = self.coordinator(&announces(&self.nodes()));
        let (_, outputs) = coordinator.step(Input::Start(self.now), &mut ChaCha20Rng::seed_from_u64(0));
        let offer = outputs.iter().find_map(|output| match output {
            Output::Send { bytes, .. } => Some(Message::from_frame(bytes).expect("a message")),
            _ => None,
        });
        let Some(Message::Offer(offer)) = offer else { panic!("a session begins with an offer") };
        let (roster, warrant) = (Arc::clone(&self.world.roster), Arc::clone(&self.warrant));
        Facts::new(&offer.header.body, roster, warrant).expect("an honest header")
    }

    /// The key of a hospital, by its index.
    pub fn identity(&self, index: u16) -> &Arc<Identity> {
        &self.world.identities[usize::from(index)]
    }

    /// The coordinator's key.
    pub fn coordinator_key(&self) -> &Arc<Identity> {
        &self.world.coordinator
    }

    /// The transcript of a session, as anyone may verify it.
    pub fn bundle(&self, ran: &Ran) -> Bundle {
        let sent = |wanted: Round| {
            let of = |record: &Record| match record {
                Record::Sent { round, bytes, .. } if *round == wanted => Some(bytes.to_vec()),
                _ => None,
            };
            ran.records.iter().filter_map(of).collect()
        };
        let mut received = |wanted: Round| {
            let of = |record: &Record| match record {
                Record::Received { round, node, bytes, .. } if *round == wanted => {
                    Some((*node, Message::from_frame(bytes).expect("a message")))
                }
                _ => None,
            };
            ran.records.iter().filter_map(of).collect()
        };
        let (warrant, session) = assemble(&sent, &mut received).expect("a whole session");
        Bundle::new(&self.world.rosters, warrant, None, session).expect("a bundle")
    }

    /// Gives the coordinator its inputs again, and nothing else.
    pub fn again(&self, given: &[Given]) {
        let mut coordinator = self.coordinator(&announces(&self.nodes()));
        let mut rng = ChaCha20Rng::seed_from_u64(0);
        for one in given {
            coordinator = coordinator.step(self.input(one.clone()), &mut rng).0;
        }
        assert!(coordinator.is_over(), "the same inputs give the same sum");
    }

    fn input(&self, given: Given) -> Input {
        let at = self.now;
        match given {
            Given::Start => Input::Start(at),
            Given::Frame(node, bytes) => Input::Frame { from: Peer::Node(node), bytes, at },
            Given::Recalled(node, block, bytes) => Input::Recalled { node, block, bytes, at },
            Given::Lost(node) => Input::Lost { node, at },
        }
    }
}

fn announces(nodes: &[(Node, ChaCha20Rng)]) -> Vec<(NodeId, AnnounceHash)> {
    let announced =
        |(id, (node, _)): (u16, &(Node, _))| (NodeId(id), node.announced().expect("an incarnation"));
    (1u16..).zip(nodes).map(announced).collect()
}

struct Run<'a> {
    stage: &'a Stage,
    coordinator: Option<Coordinator>,
    rng: ChaCha20Rng,
    nodes: Vec<(Option<Node>, ChaCha20Rng)>,
    /// The last id that contributes.
    last: u16,
    lost: bool,
    verifiers: usize,
    verified: Vec<NodeId>,
    coordinated: Rounds,
    spent: Vec<Rounds>,
    inputs: VecDeque<Given>,
    queue: VecDeque<(Option<NodeId>, Output)>,
    spool: BTreeMap<(NodeId, u32), Vec<u8>>,
    given: Option<Vec<Given>>,
    records: Vec<Record>,
}

fn round_of(frame: &[u8]) -> (usize, bool) {
    match Message::from_frame(frame).expect("a message") {
        Message::Offer(_) | Message::Deposit(_) => (0, false),
        Message::Start(_) | Message::Ready(_) => (1, false),
        Message::Go(_) => (2, true),
        Message::Report(_) | Message::ReportBlock(_) => (2, false),
        Message::Freeze(_) | Message::Confirm(_) => (3, false),
        Message::Certificate(_) | Message::AskB(_) | Message::RevealR(_) | Message::RevealB(_) => (4, false),
        _ => (5, false),
    }
}

impl Run<'_> {
    fn drive(mut self) -> Ran {
        loop {
            if let Some(given) = self.inputs.pop_front() {
                self.coordinate(given);
                continue;
            }
            match self.queue.pop_front() {
                None => self.quiet(),
                Some((Some(node), output)) => self.of_node(node, output),
                Some((None, Output::Notify(Event::Finished(sum)))) => return self.end(&sum),
                Some((None, output)) => self.of_coordinator(output),
            }
        }
    }

    fn coordinate(&mut self, given: Given) {
        let round = match &given {
            Given::Start => 0,
            Given::Frame(_, bytes) => round_of(bytes).0,
            Given::Recalled(..) | Given::Lost(_) => 2,
        };
        if let Some(kept) = &mut self.given {
            kept.push(given.clone());
        }
        let coordinator = self.coordinator.take().expect("a coordinator");
        let input = self.stage.input(given);
        let (took, (coordinator, outputs)) = timed(|| coordinator.step(input, &mut self.rng));
        self.coordinated[round] += took;
        self.coordinator = Some(coordinator);
        for output in outputs {
            match output {
                Output::Spool { node, block, bytes } => {
                    self.spool.insert((node, block), bytes);
                }
                Output::Recall { node } => {
                    let blocks = self.spool.range((node, 0)..=(node, u32::MAX)).rev();
                    for ((_, block), bytes) in blocks {
                        self.inputs.push_front(Given::Recalled(node, *block, bytes.clone()));
                    }
                }
                Output::Persist(record) => self.records.push(record),
                Output::Reject { from, fault } => panic!("{from:?}: {fault}"),
                other => self.queue.push_back((None, other)),
            }
        }
    }

    /// Nothing is under way: the links of those that vanished are noticed to be gone.
    fn quiet(&mut self) {
        assert!(!std::mem::replace(&mut self.lost, true), "a session without faults ends");
        let gone = self.last + 1..=self.stage.world.n;
        self.inputs.extend(gone.map(|node| Given::Lost(NodeId(node))));
    }

    fn step(&mut self, node: NodeId, round: usize, input: Input) -> Vec<Output> {
        let index = usize::from(node.0 - 1);
        let (machine, rng) = &mut self.nodes[index];
        let before = machine.take().expect("a node");
        let (took, (after, outputs)) = timed(|| before.step(input, rng));
        *machine = Some(after);
        self.spent[index][round] += took;
        outputs
    }

    fn of_node(&mut self, node: NodeId, output: Output) {
        match output {
            Output::Send { bytes, .. } => self.inputs.push_back(Given::Frame(node, bytes)),
            Output::Measure { sid, .. } => {
                let contribution = self.stage.contribution(node);
                let outputs = self.step(node, 0, Input::Measured { sid, contribution, at: self.stage.now });
                self.queue.extend(outputs.into_iter().map(|output| (Some(node), output)));
            }
            Output::Notify(Event::Ended { fault, .. }) => panic!("{node} ended: {fault:?}"),
            Output::Reject { fault, .. } => panic!("{node} rejected: {fault}"),
            _ => {}
        }
    }

    fn of_coordinator(&mut self, output: Output) {
        match output {
            Output::Send { to: Peer::Node(node), bytes } => {
                let (round, is_go) = round_of(&bytes);
                if is_go && node.0 > self.last {
                    return;
                }
                let input = Input::Frame { from: Peer::Coordinator, bytes, at: self.stage.now };
                let outputs = self.step(node, round, input);
                self.queue.extend(outputs.into_iter().map(|output| (Some(node), output)));
            }
            Output::Publish { frames, to } => self.publish(&frames, &to),
            Output::Notify(Event::Failed(failure)) => panic!("{failure:?}"),
            _ => {}
        }
    }

    fn publish(&mut self, frames: &[Vec<u8>], to: &[NodeId]) {
        for frame in frames {
            for node in to.iter().take(self.verifiers) {
                let at = self.stage.now;
                let input = Input::Frame { from: Peer::Coordinator, bytes: frame.clone(), at };
                let outputs = self.step(*node, 5, input);
                let done = |output: &Output| matches!(output, Output::Notify(Event::Verified { .. }));
                if outputs.iter().any(done) {
                    self.verified.push(*node);
                }
            }
        }
    }

    fn end(self, sum: &Sum) -> Ran {
        let count = u16::try_from(sum.survivors.len()).expect("few survivors");
        assert_eq!(count, self.last, "those that did not vanish are in the sum");
        for (cell, lane) in (0u32..).zip(&sum.lanes).step_by(97) {
            let clear: i64 = sum.survivors.iter().map(|node| Stage::figure(*node, cell)).sum();
            assert_eq!(total(*lane, count, RANGE.0), i128::from(clear), "cell {cell}");
        }
        assert_eq!(
            self.verified.len(),
            self.verifiers.min(usize::from(count)),
            "all that were told verify it"
        );
        let all = self.spent.iter().flatten().chain(&self.coordinated).sum();
        let of = |node: &NodeId| self.spent[usize::from(node.0 - 1)];
        Ran {
            coordinator: self.coordinated,
            nodes: self.verified.iter().map(of).collect(),
            all,
            given: self.given.unwrap_or_default(),
            records: self.records,
        }
    }
}
