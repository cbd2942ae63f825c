//! A session in memory whose frames hang in the air: real machines of four hospitals and of the coordinator.
//!
//! It keeps their disks, clocks and channels as the programs do; who delivers what, and when, is decided
//! elsewhere. Left alone ([`Play::finish`]) it comes to an honest end.

use super::centre::Centre;
use super::promises::Promises;
use super::taking;
use crate::adversary::town::{LARGEST, Town, town};
use crate::adversary::world::channel_key;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use samensom_protocol::crypto::transcript::sha256;
use samensom_protocol::ids::{AnnounceHash, AttemptId, ExtractHash, NodeId};
use samensom_protocol::io::{Event, Input, Output, Peer, Record};
use samensom_protocol::ledger::LedgerView;
use samensom_protocol::message::Round;
use samensom_protocol::node::Node;
use samensom_protocol::ring::Contribution;
use samensom_protocol::rounds::offer::slot_at;
use samensom_protocol::secret::Secret;
use samensom_protocol::time::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Hospitals: the fewest of which one may be away and one may lie.
pub const HOSPITALS: u16 = 4;
/// Steps after which a session that was left alone must be over.
const STEPS: usize = 4_000;
/// Frames of the past that are kept.
const PAST: usize = 400;

/// Randomness that a test can have again.
#[must_use]
pub fn seeded(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A frame on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flying {
    /// Whose verified channel it is in.
    pub from: Peer,
    /// To whom.
    pub to: Peer,
    /// The frame.
    pub bytes: Vec<u8>,
}

/// One hospital: its program, its disk, its deadline.
#[derive(Debug)]
pub struct Hospital {
    machine: Option<Node>,
    rng: ChaCha20Rng,
    /// What is durable.
    pub ledger: Vec<Record>,
    due: Option<(AttemptId, Round, Time)>,
    /// The attempt that waits for figures; given at once, and again when the fuzzer says so.
    pub asked: Option<AttemptId>,
}

/// The session, and all that hangs in the air.
#[derive(Debug)]
pub struct Play {
    /// Keys, roster, warrants.
    pub town: Arc<Town>,
    /// Everybody's clock.
    pub now: Time,
    /// The hospitals.
    pub hospitals: BTreeMap<NodeId, Hospital>,
    /// Their incarnations.
    pub announces: BTreeMap<NodeId, AnnounceHash>,
    /// The coordinator's program, disk and deadlines.
    pub centre: Centre,
    /// Frames on their way, oldest first.
    pub flying: Vec<Flying>,
    /// Frames that were sent, oldest first.
    pub past: Vec<Flying>,
    /// What must hold.
    pub promises: Promises,
    /// Bytes of frames that each machine took without refusing them: closing a round works on all of them.
    pub(super) taken: BTreeMap<Peer, usize>,
    pub(super) rng: ChaCha20Rng,
}

/// Rows of one slot at one hospital.
fn extract(node: NodeId, slot: u64) -> ExtractHash {
    ExtractHash(sha256(format!("{node} {slot}").as_bytes()))
}

/// A hospital's figure in a slot.
#[must_use]
pub fn figure(node: NodeId, slot: u64) -> u64 {
    let [a, b, c, d, e, ..] = extract(node, slot).0;
    u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]) % LARGEST
}

pub(super) fn frame_len(input: &Input) -> Option<usize> {
    match input {
        Input::Frame { bytes, .. } => Some(bytes.len()),
        _ => None,
    }
}

pub(super) fn refused(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Reject { .. }))
}

impl Default for Play {
    fn default() -> Self {
        Play::new()
    }
}

impl Play {
    /// Everybody is there; the coordinator has just begun.
    #[must_use]
    pub fn new() -> Self {
        let mut play = Play {
            town: town(HOSPITALS),
            now: Time(1_800_000_000_000),
            hospitals: BTreeMap::new(),
            announces: BTreeMap::new(),
            centre: Centre::default(),
            flying: Vec::new(),
            past: Vec::new(),
            promises: Promises::default(),
            taken: BTreeMap::new(),
            rng: seeded(7),
        };
        for id in (1..=HOSPITALS).map(NodeId) {
            let rng = seeded(u64::from(id.0) + 100);
            let hospital = Hospital { machine: None, rng, ledger: Vec::new(), due: None, asked: None };
            play.hospitals.insert(id, hospital);
            play.restart(id);
        }
        play.begin();
        play
    }

    /// The slot that it is now.
    #[must_use]
    pub fn slot(&self) -> u64 {
        slot_at(&self.town.lock, self.now)
    }

    /// (Re)starts a node's program from its disk, with a new incarnation and channels.
    pub fn restart(&mut self, node: NodeId) {
        let Some(hospital) = self.hospitals.get_mut(&node) else { return };
        let view = LedgerView::of(hospital.ledger.iter());
        let identity = Arc::clone(&self.town.identities[&node]);
        let rosters = vec![Arc::clone(&self.town.roster)];
        let machine = Node::new(node, identity, self.town.coordinator.public(), rosters, view);
        let (machine, _) = machine.step(Input::Start(self.now), &mut hospital.rng);
        self.announces.extend(machine.announced().map(|announce| (node, announce)));
        (hospital.machine, hospital.due, hospital.asked) = (Some(machine), None, None);
        self.promises.restarted(node);
        let own = self.announces[&node];
        for (other, announce) in self.announces.clone().into_iter().filter(|(other, _)| *other != node) {
            let key = channel_key(&own, &announce);
            for (one, peer, announce) in [(node, other, announce), (other, node, own)] {
                let machine = self.hospitals.get_mut(&one).and_then(|hospital| hospital.machine.as_mut());
                if let Some(machine) = machine {
                    machine.deal_channel(peer, announce, Secret::new(key));
                }
            }
        }
    }

    /// Gives a frame to whom it is for.
    pub fn deliver(&mut self, frame: Flying) {
        let Flying { from, to, bytes } = frame;
        self.promises.told(&bytes);
        let at = self.now;
        match to {
            Peer::Coordinator => self.step_centre(Input::Frame { from, bytes, at }),
            Peer::Node(node) => self.step_node(node, Input::Frame { from, bytes, at }),
        }
    }

    /// Steps a node, and carries its outputs out.
    pub fn step_node(&mut self, node: NodeId, input: Input) {
        let Some(hospital) = self.hospitals.get_mut(&node) else { return };
        let Some(machine) = hospital.machine.take() else { return };
        let rng = &mut hospital.rng;
        let own = frame_len(&input);
        let before = self.taken.entry(Peer::Node(node)).or_default();
        let (machine, outputs) = match own {
            Some(own) => taking(own + *before, || machine.step(input, rng)),
            None => machine.step(input, rng),
        };
        *before += own.filter(|_| !refused(&outputs)).unwrap_or(0);
        hospital.machine = Some(machine);
        for output in outputs {
            self.of_node(node, output);
        }
    }

    fn of_node(&mut self, node: NodeId, output: Output) {
        let Some(hospital) = self.hospitals.get_mut(&node) else { return };
        match output {
            Output::Persist(record) => {
                self.promises.kept(node, &record);
                hospital.ledger.push(record);
            }
            Output::Send { bytes, .. } => {
                self.promises.said(node, &bytes, &hospital.ledger);
                self.send(Flying { from: Peer::Node(node), to: Peer::Coordinator, bytes });
            }
            Output::Measure { sid, slot, .. } => {
                hospital.asked = Some(sid);
                self.promises.measured(node, sid, self.slot());
                self.measured(node, sid, slot);
            }
            Output::Arm { sid, round, at } => hospital.due = Some((sid, round, at)),
            Output::Notify(Event::Verified { result, .. }) => self.promises.verified(node, result),
            _ => {}
        }
    }

    /// The answer to MEASURE.
    pub fn measured(&mut self, node: NodeId, sid: AttemptId, slot: u64) {
        let most = i64::try_from(LARGEST).expect("it fits");
        let value = i64::try_from(figure(node, slot)).expect("it is smaller");
        let contribution = Contribution::new(1, |_| (0, most), &[value], extract(node, slot));
        let contribution = contribution.expect("a figure in range");
        self.step_node(node, Input::Measured { sid, contribution, at: self.now });
    }

    pub(super) fn send(&mut self, frame: Flying) {
        if self.past.len() < PAST {
            self.past.push(frame.clone());
        }
        self.flying.push(frame);
    }

    /// Lets time pass; nodes notice their deadlines.
    pub fn pass(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        let over = |hospital: &Hospital| hospital.due.filter(|(_, _, due)| *due < self.now);
        let due: Vec<_> = self.hospitals.iter().filter_map(|(node, one)| Some((*node, over(one)?))).collect();
        for (node, (sid, round, _)) in due {
            self.hospitals.entry(node).and_modify(|hospital| hospital.due = None);
            self.step_node(node, Input::Deadline { sid, round, at: self.now });
        }
    }

    /// Delivers all that hangs in the air, in order, and lets the deadlines pass until nothing is open.
    pub fn finish(&mut self) {
        for _ in 0..STEPS {
            if !self.flying.is_empty() {
                let frame = self.flying.remove(0);
                self.deliver(frame);
            } else if !self.due_at_centre() {
                let last = self.hospitals.values().filter_map(|one| one.due).map(|(_, _, at)| at).max();
                let Some(last) = last else { break };
                self.pass(last.since_ms(self.now) + 1);
            }
        }
        assert!(self.flying.is_empty() && self.centre.is_over(), "the session does not end");
        for (node, hospital) in &self.hospitals {
            let idle = hospital.machine.as_ref().is_some_and(Node::is_idle);
            assert!(idle, "{node} is not idle when all is over");
        }
        self.promises.hold(self.town.warrants[0].1.params().thresholds.quorum);
    }
}
