//! One hospital in a simulation: its machine, its disk, its clock, and the driver's contract.
//!
//! Plays `node/src/session.rs`: outputs in order, a record durable before the frame after it, figures from
//! the slot's frozen extract, timers replaced by round. It must not know why it crashes.

use super::bugs::Bug;
use super::oracle::word_of;
use super::run::{Event, Run};
use super::world::{EPOCH, World, mix};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use samensom_protocol::ids::{AttemptId, ExtractHash, NodeId};
use samensom_protocol::io::{Event as Told, Input, Output, Peer, Record, Refusal};
use samensom_protocol::ledger::LedgerView;
use samensom_protocol::message::{Message, Round, is_channel};
use samensom_protocol::node::Node;
use samensom_protocol::ring::Contribution;
use samensom_protocol::rounds::offer::least_ms;
use samensom_protocol::secret::Secret;
use samensom_protocol::time::Time;
use samensom_protocol::warrant::Warrant;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// True for what a node answers and keeps its answer to; a false RESULT is answered once, by an alarm.
fn is_request(bytes: &[u8]) -> bool {
    !is_channel(bytes)
        && !matches!(
            Message::from_frame(bytes),
            Ok(Message::Outcome(_) | Message::OutcomeReport(_) | Message::OutcomeBlock(_))
        )
}

/// What a crash leaves.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// The ledger, as this process wrote it.
    pub records: Vec<Record>,
    /// How much of it is durable.
    pub synced: usize,
    /// By slot, the version of the rows that was frozen.
    pub frozen: BTreeMap<u64, u64>,
}

/// One hospital.
pub struct Hospital {
    /// Its number.
    pub id: NodeId,
    /// The machine, while the process lives.
    pub node: Option<Node>,
    /// Which process it is.
    pub process: u32,
    /// Its disk.
    pub disk: Disk,
    /// Its link, by number.
    pub link: Option<u32>,
    /// Links so far.
    pub links: u32,
    /// Clock error.
    pub skew: i64,
    /// Extra time for everything, until when.
    pub slow: (u64, u64),
    /// Outputs carried out so far.
    pub outputs: u32,
    /// True while it must not be started.
    pub away: bool,
    /// It was given an old disk.
    pub rolled_back: bool,
    /// Times that its rows changed inside a slot.
    pub new_rows: u64,
    /// The last request that was answered, and the answer's frames, as numbers.
    pub answered: Option<(u64, Vec<u64>)>,
    /// Frames sent since the last input, as numbers.
    pub said: Vec<u64>,
    timers: Vec<(AttemptId, Round, Time)>,
    slot: Option<(u64, u64)>,
    rng: ChaCha8Rng,
}

impl Hospital {
    /// A hospital whose process has not begun.
    #[must_use]
    pub fn new(id: NodeId) -> Hospital {
        Hospital {
            id,
            node: None,
            process: 0,
            disk: Disk::default(),
            link: None,
            links: 0,
            skew: 0,
            slow: (0, 0),
            outputs: 0,
            away: false,
            rolled_back: false,
            new_rows: 0,
            answered: None,
            said: Vec::new(),
            timers: Vec::new(),
            slot: None,
            rng: ChaCha8Rng::seed_from_u64(0),
        }
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self, now: u64) -> Time {
        Time(EPOCH.0.saturating_add(now).saturating_add_signed(self.skew))
    }

    /// Its ledger as a crash at this moment would leave it.
    #[must_use]
    pub fn durable(&self) -> &[Record] {
        &self.disk.records[..self.disk.synced.min(self.disk.records.len())]
    }

    /// Takes a deadline that fired; false when another has taken its place.
    pub fn take_timer(&mut self, timer: (AttemptId, Round, Time)) -> bool {
        let before = self.timers.len();
        self.timers.retain(|other| *other != timer);
        self.timers.len() < before
    }

    /// The last deadline that is armed for an attempt.
    #[must_use]
    pub fn deadline(&self, sid: AttemptId) -> Option<Time> {
        self.timers.iter().rev().find(|timer| timer.0 == sid).map(|timer| timer.2)
    }

    fn allows(&mut self, slot: u64, least: u64, now: u64) -> bool {
        match self.slot {
            Some((open, _)) if open == slot => true,
            Some((_, since)) if now.saturating_sub(since) < least => false,
            _ => {
                self.slot = Some((slot, now));
                true
            }
        }
    }
}

/// Set when a process dies in the middle of its outputs.
pub struct Died;

impl Run {
    /// Begins a node's process from its disk.
    pub fn start_node(&mut self, i: usize) {
        let world = std::rc::Rc::clone(&self.world);
        let hospital = &mut self.hospitals[i];
        if hospital.node.is_some() || hospital.away {
            return;
        }
        hospital.process += 1;
        let view = LedgerView::of(hospital.disk.records.iter());
        let node = Node::new(
            hospital.id,
            Arc::clone(&world.identities[i]),
            world.coordinator.public(),
            vec![Arc::clone(&world.roster)],
            view,
        );
        hospital.node = Some(node);
        hospital.timers.clear();
        hospital.slot = None;
        hospital.answered = None;
        let seed = mix(&[self.plan.seed, u64::from(hospital.id.0), u64::from(hospital.process)]);
        hospital.rng = ChaCha8Rng::seed_from_u64(seed);
        let process = hospital.process;
        self.check_reloaded(i);
        self.tell(|run| format!("{} starts, {} records", run.name(i), run.hospitals[i].disk.records.len()));
        self.at(self.now + mix(&[seed, 1]) % 300, Event::LinkUp { i, process });
    }

    /// Gives a node an input and carries out what comes of it.
    pub fn node_step(&mut self, i: usize, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let hospital = &mut self.hospitals[i];
            let Some(node) = hospital.node.take() else { return };
            let (node, outputs) = node.step(input, &mut hospital.rng);
            hospital.node = Some(node);
            for output in self.reordered(outputs) {
                match self.node_output(i, output) {
                    Ok(input) => inputs.extend(input),
                    Err(Died) => return self.kill_node(i),
                }
                if self.violation.is_some() || self.hospitals[i].node.is_none() {
                    return;
                }
            }
            if !self.bug(Bug::NoSync) {
                self.hospitals[i].disk.synced = self.hospitals[i].disk.records.len();
            }
        }
        if self.bug(Bug::NoSync) && self.now.is_multiple_of(7) {
            self.hospitals[i].disk.synced = self.hospitals[i].disk.records.len();
        }
    }

    /// In order, but for a planted bug: records after the frames.
    fn reordered(&self, outputs: Vec<Output>) -> Vec<Output> {
        if !self.bug(Bug::RecordAfterSend) {
            return outputs;
        }
        let (records, mut rest): (Vec<_>, Vec<_>) =
            outputs.into_iter().partition(|output| matches!(output, Output::Persist(_)));
        rest.extend(records);
        rest
    }

    fn node_output(&mut self, i: usize, output: Output) -> Result<Option<Input>, Died> {
        self.hospitals[i].outputs += 1;
        let crash = self.crash_due(i);
        match output {
            Output::Persist(record) => {
                let lost = self.bug(Bug::SpentNotWritten) && matches!(record, Record::Spent { .. })
                    || self.bug(Bug::ConfirmedNotWritten) && matches!(record, Record::Confirmed { .. });
                if crash != Some(false) && !lost {
                    self.check_record(i, &record);
                    let hospital = &mut self.hospitals[i];
                    hospital.disk.records.push(record);
                    if !self.bug(Bug::NoSync) {
                        self.hospitals[i].disk.synced = self.hospitals[i].disk.records.len();
                    }
                }
            }
            Output::Send { bytes, .. } if crash.is_none() => self.send_up(i, bytes),
            Output::Measure { sid, warrant, slot, .. } if crash.is_none() => {
                return Ok(Some(self.measure(i, sid, &warrant, slot)));
            }
            Output::Arm { sid, round, at } if !self.bug(Bug::TimerNeverArmed) => {
                let hospital = &mut self.hospitals[i];
                hospital.timers.retain(|(other, _, _)| *other == sid);
                hospital.timers.retain(|(_, other, _)| *other != round);
                hospital.timers.push((sid, round, at));
                let process = hospital.process;
                let due = at.0.saturating_sub(EPOCH.0).saturating_add_signed(-hospital.skew);
                // A busy machine: its timers fire late.
                let dice = mix(&[due, u64::from(self.hospitals[i].id.0)]);
                let late = if dice.is_multiple_of(2) { dice / 2 % 3_000 } else { dice / 2 % 40 };
                self.at(due.max(self.now) + late, Event::NodeTimer { i, process, timer: (sid, round, at) });
            }
            Output::Notify(event) => self.node_event(i, &event),
            Output::Reject { fault, .. } => {
                self.tally.count(format!("node rejects {}", fault.check));
                self.tell(|run| format!("{} rejects a frame: {fault}", run.name(i)));
            }
            _ => {}
        }
        if crash.is_some() { Err(Died) } else { Ok(None) }
    }

    fn node_event(&mut self, i: usize, event: &Told) {
        match event {
            Told::Verified { sid, result } => self.check_verified(i, *sid, *result),
            Told::Ended { sid, fault } => self.check_ended(i, *sid, fault.as_ref()),
            Told::GivenUp { reason, .. } => {
                self.tally.count(format!("node told: given up, {reason:?}"));
            }
            _ => return,
        }
        self.tell(|run| format!("{} {event:?}", run.name(i)));
        self.hospitals[i].timers.clear();
        self.hospitals[i].answered = None;
    }

    /// The hospital's figures, from what was frozen for the slot at first use.
    fn measure(&mut self, i: usize, sid: AttemptId, warrant: &Warrant, slot: u64) -> Input {
        let least = least_ms(&self.world.lock);
        let (now, version) = (self.now, self.rows_now(i));
        let at = self.hospitals[i].clock(now);
        let hospital = &mut self.hospitals[i];
        if !hospital.allows(slot, least, now) {
            self.tally.count("node refuses by its monotonic clock");
            return Input::Refused { sid, why: Refusal::Policy };
        }
        let id = hospital.id;
        let frozen = *hospital.disk.frozen.entry(slot).or_insert(version);
        let used = if self.bug(Bug::ExtractReadAgain) { version } else { frozen };
        let hash = if self.bug(Bug::HashOfSlotAlone) {
            ExtractHash([u8::try_from(slot % 251).unwrap_or(0); 32])
        } else {
            World::extract(id, used)
        };
        self.hospitals[i].disk.frozen.retain(|other, _| *other >= slot);
        self.oracle.expect(sid, id, self.world.figures(id, frozen, warrant), World::extract(id, frozen));
        let values = self.world.figures(id, used, warrant);
        let layout = warrant.query().layout();
        match Contribution::new(layout.cells(), |cell| layout.bounds(cell), &values, hash) {
            Ok(contribution) => Input::Measured { sid, contribution, at },
            Err(_) => Input::Refused { sid, why: Refusal::Extract },
        }
    }

    /// A process ends; its disk keeps what was durable.
    pub fn kill_node(&mut self, i: usize) {
        let hospital = &mut self.hospitals[i];
        if hospital.node.take().is_none() {
            return;
        }
        hospital.disk.records.truncate(hospital.disk.synced);
        hospital.timers.clear();
        self.tell(|run| format!("{} crashes, {} records", run.name(i), run.hospitals[i].disk.records.len()));
        self.cut_link(i, 30);
        self.plan_restart(i);
    }

    /// The key that a pair of incarnations shares, where keys are dealt.
    pub fn deal(&mut self, i: usize) {
        let announced = |run: &Run, j: usize| {
            run.hospitals[j].node.as_ref().and_then(Node::announced).map(|hash| (j, hash))
        };
        let Some((_, own)) = announced(self, i) else { return };
        for j in (0..self.hospitals.len()).filter(|j| *j != i) {
            let Some((_, other)) = announced(self, j) else { continue };
            let (low, high) = (own.min(other), own.max(other));
            let word = |bytes: &[u8; 32], k: usize| {
                bytes[8 * k..8 * k + 8].iter().fold(0u64, |word, byte| (word << 8) | u64::from(*byte))
            };
            let key = || {
                let mut key = [0; 32];
                for (k, chunk) in key.chunks_mut(8).enumerate() {
                    let words = [word(&low.0, k), word(&high.0, k), word(&low.0, 3 - k), 0x6b];
                    chunk.copy_from_slice(&mix(&words).to_le_bytes());
                }
                Secret::new(key)
            };
            let (id_i, id_j) = (self.hospitals[i].id, self.hospitals[j].id);
            if let Some(node) = &mut self.hospitals[i].node {
                node.deal_channel(id_j, other, key());
            }
            if let Some(node) = &mut self.hospitals[j].node {
                node.deal_channel(id_i, own, key());
            }
        }
    }

    /// Frames that come to a node.
    pub fn node_frame(&mut self, i: usize, bytes: &[u8]) {
        let at = self.hospitals[i].clock(self.now);
        let process = self.hospitals[i].process;
        self.hospitals[i].said.clear();
        self.node_step(i, Input::Frame { from: Peer::Coordinator, bytes: bytes.to_vec(), at });
        let hospital = &mut self.hospitals[i];
        if hospital.node.is_some() && hospital.process == process && is_request(bytes) {
            let said = std::mem::take(&mut hospital.said);
            self.check_repeat(i, word_of(bytes), said);
        }
    }
}
