//! The coordinator in a simulation: its machine, its store, its hub of links, and the driver's contract.
//!
//! Plays `coordinator/src/session.rs` and `session/outputs.rs`: records and blocks are durable before the
//! next frame leaves, recalled blocks come before anything else, a later deadline replaces the one before.
//! A copy of it (a fork) is how a lying coordinator is made of honest parts.

use super::bugs::Bug;
use super::run::{Event, Run};
use super::world::EPOCH;
use rand_chacha::ChaCha8Rng;
use samensom_protocol::coordinator::Coordinator;
use samensom_protocol::ids::{AnnounceHash, AttemptId, NodeId};
use samensom_protocol::io::{Event as Told, Input, Output, Peer, Record};
use samensom_protocol::message::{Bound, Invited, Message, Round, Voids};
use samensom_protocol::rounds::channel::{Switchboard, announce_hash};
use samensom_protocol::rounds::void::Unsettled;
use samensom_protocol::time::Time;
use std::collections::{BTreeMap, VecDeque};

/// An ended session still hears alarms for so long.
const ALARMS_MS: u64 = 120_000;

/// What a crash of the coordinator leaves.
#[derive(Debug, Clone, Default)]
pub struct Store {
    /// Survivors by slot.
    pub bounds: BTreeMap<u64, Bound>,
    /// Records by attempt.
    pub records: BTreeMap<AttemptId, Vec<Record>>,
    /// Spooled blocks.
    pub spool: BTreeMap<(AttemptId, NodeId, u32), Vec<u8>>,
    /// Attempts, in the order of their offers, and the slot of each.
    pub attempts: Vec<(AttemptId, u64)>,
    /// The session that is not over, and how many attempts there were before it.
    pub session: Option<(Open, usize)>,
}

/// The session that is open.
#[derive(Debug, Clone)]
pub struct Open {
    /// Which one, from 1.
    pub number: u32,
    /// Its slot.
    pub slot: u64,
    /// Its warrant.
    pub warrant: usize,
    /// Who was invited.
    pub invited: Vec<Invited>,
    /// Survivors that bind the slot.
    pub bound: Option<Bound>,
    /// Survivors of an earlier slot.
    pub earlier: Option<Bound>,
    /// VOIDs that were collected before it, and attempts that have neither those nor a certificate.
    pub voids: (Vec<Voids>, Vec<Unsettled>),
    /// All inputs so far, to make a copy.
    pub log: Vec<Logged>,
    /// It was built again from its records.
    pub resumed: bool,
}

/// An input that can be given again.
#[derive(Debug, Clone)]
pub enum Logged {
    Start(Time),
    Frame { from: Peer, bytes: Vec<u8>, at: Time },
    Recalled { node: NodeId, block: u32, bytes: Vec<u8>, at: Time },
    Lost { node: NodeId, at: Time },
    Linked { node: NodeId, at: Time },
    Deadline { sid: AttemptId, round: Round, at: Time },
}

impl Logged {
    pub(super) fn of(input: &Input) -> Option<Logged> {
        Some(match input {
            Input::Start(at) => Logged::Start(*at),
            Input::Frame { from, bytes, at } => Logged::Frame { from: *from, bytes: bytes.clone(), at: *at },
            Input::Recalled { node, block, bytes, at } => {
                Logged::Recalled { node: *node, block: *block, bytes: bytes.clone(), at: *at }
            }
            Input::Lost { node, at } => Logged::Lost { node: *node, at: *at },
            Input::Linked { node, at } => Logged::Linked { node: *node, at: *at },
            Input::Deadline { sid, round, at } => Logged::Deadline { sid: *sid, round: *round, at: *at },
            _ => return None,
        })
    }

    pub(super) fn input(self) -> Input {
        match self {
            Logged::Start(at) => Input::Start(at),
            Logged::Frame { from, bytes, at } => Input::Frame { from, bytes, at },
            Logged::Recalled { node, block, bytes, at } => Input::Recalled { node, block, bytes, at },
            Logged::Lost { node, at } => Input::Lost { node, at },
            Logged::Linked { node, at } => Input::Linked { node, at },
            Logged::Deadline { sid, round, at } => Input::Deadline { sid, round, at },
        }
    }
}

/// The coordinator's program, or a copy of it.
#[derive(Default)]
pub struct Centre {
    /// True while the process lives.
    pub up: bool,
    /// Which process it is.
    pub process: u32,
    /// Its disk.
    pub store: Store,
    /// The session's machine.
    pub core: Option<Coordinator>,
    /// The session that is open.
    pub open: Option<Open>,
    /// Links that it holds, by the link's number.
    pub links: BTreeMap<NodeId, u32>,
    /// The incarnations that announced over them.
    pub announced: BTreeMap<NodeId, AnnounceHash>,
    /// Channel messages, where the channel round is real.
    pub switchboard: Switchboard,
    /// Outputs carried out so far.
    pub outputs: u32,
    /// The deadline that is armed.
    pub timer: Option<(AttemptId, Round, Time)>,
    /// When the session was over; its machine still hears alarms for a while.
    pub over_at: Option<u64>,
    pub(super) records: Vec<Record>,
    pub(super) blocks: BTreeMap<(NodeId, u32), Vec<u8>>,
    /// Its randomness.
    pub rng: Option<ChaCha8Rng>,
}

/// The process died on the way.
struct Stopped;

impl Run {
    pub(super) fn clock(&self) -> Time {
        EPOCH.plus_ms(self.now)
    }

    /// Gives the core an input and carries out what comes of it.
    pub fn centre_take(&mut self, c: usize, input: Input) {
        if self.centres[c].over_at.is_some_and(|at| self.now > at + ALARMS_MS) {
            self.centres[c].core = None;
        }
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let liar = self.plan.liar;
            let centre = &mut self.centres[c];
            let (Some(core), Some(rng)) = (centre.core.take(), centre.rng.as_mut()) else { return };
            if let (true, Some(open), Some(logged)) = (liar, &mut centre.open, Logged::of(&input)) {
                open.log.push(logged);
            }
            let (core, outputs) = core.step(input, rng);
            self.centres[c].core = Some(core);
            for output in outputs {
                if let Output::Recall { node } = output {
                    let recalled = self.recall(c, node);
                    recalled.into_iter().rev().for_each(|input| inputs.push_front(input));
                } else if self.centre_output(c, output).is_err() {
                    return self.stop_centre(c);
                }
                if self.violation.is_some() {
                    return;
                }
            }
        }
        self.carry_out(c, Vec::new());
    }

    /// Outputs, then everything is durable.
    pub(super) fn carry_out(&mut self, c: usize, outputs: Vec<Output>) {
        for output in outputs {
            if self.centre_output(c, output).is_err() {
                return self.stop_centre(c);
            }
        }
        if self.flush(c).is_err() {
            return self.stop_centre(c);
        }
        let centre = &mut self.centres[c];
        if centre.core.as_ref().is_some_and(Coordinator::is_over) {
            centre.open = None;
            centre.timer = None;
            centre.store.session = None;
            centre.over_at.get_or_insert(self.now);
        }
    }

    fn centre_output(&mut self, c: usize, output: Output) -> Result<(), Stopped> {
        self.centres[c].outputs += 1;
        match output {
            Output::Persist(record) => {
                self.note_record(&record);
                self.centres[c].records.push(record);
            }
            Output::Spool { node, block, bytes } => {
                self.centres[c].blocks.insert((node, block), bytes);
            }
            Output::Send { to: Peer::Node(to), bytes } => {
                if !self.bug(Bug::CentreSendsFirst) {
                    self.flush(c)?;
                }
                if self.stop_due(c).is_some() {
                    return Err(Stopped);
                }
                self.check_centre_send(c, to, &bytes);
                self.send_down(c, to, bytes);
            }
            Output::Arm { sid, round, at } => {
                self.centres[c].timer = Some((sid, round, at));
                let process = self.centres[c].process;
                let due = at.0.saturating_sub(EPOCH.0).max(self.now);
                if !self.bug(Bug::CentreTimerNeverArmed) {
                    self.at(due, Event::CentreTimer { c, process, timer: (sid, round, at) });
                }
            }
            Output::Publish { frames, to } => {
                self.flush(c)?;
                self.publish(c, frames.to_vec(), &to);
            }
            Output::Reject { from, fault } => {
                self.tally.count(format!("coordinator rejects {}", fault.check));
                self.tell(|run| format!("{} rejects a frame of {from:?}: {fault}", run.centre_name(c)));
            }
            Output::Notify(event) => self.centre_event(c, &event),
            _ => {}
        }
        if self.stop_due(c).is_some() { Err(Stopped) } else { Ok(()) }
    }

    fn centre_event(&mut self, c: usize, event: &Told) {
        match event {
            Told::Finished(sum) => {
                self.tell(|run| {
                    let who: Vec<u16> = sum.survivors.iter().map(|node| node.0).collect();
                    format!("{} finishes: {:?} over {who:?}", run.centre_name(c), sum.lanes)
                });
                self.check_sum(c, sum);
            }
            Told::Failed(failure) => {
                self.tell(|run| format!("{} fails: {failure:?}", run.centre_name(c)));
                self.tally.count(format!("session failed: {:?} in {:?}", failure.code, failure.round));
                self.check_failure(failure);
            }
            Told::Opened { round, expected, attempt, .. } => {
                if *attempt > 0 && *round == Round::Deposit {
                    self.tally.count("next attempt");
                }
                self.tell(|run| {
                    format!("{} opens {round:?} of attempt {attempt} to {expected}", run.centre_name(c))
                });
            }
            Told::Alarmed { node, .. } => {
                self.tally.count("alarm heard");
                self.tell(|run| format!("{} hears the alarm of {node}", run.centre_name(c)));
            }
            _ => {}
        }
    }

    /// Makes everything so far durable: blocks, survivors, records, each in one piece.
    fn flush(&mut self, c: usize) -> Result<(), Stopped> {
        let stop = self.stop_due(c);
        let parts = stop.unwrap_or(usize::MAX);
        let keeps = !self.bug(Bug::BoundNotKept);
        let centre = &mut self.centres[c];
        let sid = centre.core.as_ref().and_then(Coordinator::sid);
        let sid = sid.or_else(|| centre.records.iter().find_map(sid_of));
        let Some(sid) = sid else { return Ok(()) };
        let (records, blocks) = (std::mem::take(&mut centre.records), std::mem::take(&mut centre.blocks));
        let written = usize::from(!blocks.is_empty()) + records.len();
        if parts > 0 {
            centre.store.spool.extend(blocks.into_iter().map(|((node, block), b)| ((sid, node, block), b)));
        }
        for (place, record) in records.into_iter().enumerate() {
            if place + 1 >= parts {
                break;
            }
            if let (Record::Bound { slot, bound, .. }, true) = (&record, keeps) {
                centre.store.bounds.insert(*slot, bound.clone());
            }
            let own = sid_of(&record).unwrap_or(sid);
            if let (Record::Sent { round: Round::Deposit, .. }, Some(open)) = (&record, &centre.open) {
                centre.store.attempts.push((own, open.slot));
            }
            centre.store.records.entry(own).or_default().push(record);
        }
        if stop.is_some() && written > 0 { Err(Stopped) } else { Ok(()) }
    }

    fn recall(&mut self, c: usize, node: NodeId) -> Vec<Input> {
        let at = self.clock();
        let centre = &self.centres[c];
        let Some(sid) = centre.core.as_ref().and_then(Coordinator::sid) else { return Vec::new() };
        let mut inputs = Vec::new();
        for block in 0u32.. {
            let waiting = centre.blocks.get(&(node, block));
            let Some(bytes) = waiting.or_else(|| centre.store.spool.get(&(sid, node, block))) else { break };
            inputs.push(Input::Recalled { node, block, bytes: bytes.clone(), at });
        }
        inputs
    }

    fn publish(&mut self, c: usize, mut frames: Vec<Vec<u8>>, to: &[NodeId]) {
        if self.bug(Bug::PublishedOutOfOrder) {
            frames.reverse();
        }
        for to in to {
            for frame in &frames {
                self.send_down(c, *to, frame.clone());
            }
        }
    }

    /// A deadline of the coordinator.
    pub fn centre_timer(&mut self, c: usize, process: u32, timer: (AttemptId, Round, Time)) {
        let Some(centre) = self.centres.get_mut(c) else { return };
        if !centre.up || centre.process != process || centre.timer != Some(timer) {
            return;
        }
        centre.timer = None;
        self.tally.count("coordinator's deadline passed");
        let (sid, round, _) = timer;
        let at = self.clock();
        self.tell(|run| format!("{}: the deadline of {round:?} passes", run.centre_name(c)));
        self.centre_take(c, Input::Deadline { sid, round, at });
    }

    /// A node's frame reaches a coordinator.
    pub fn centre_frame(&mut self, c: usize, i: usize, bytes: &[u8]) {
        let node = self.hospitals[i].id;
        let message = Message::from_frame(bytes);
        match message {
            Ok(Message::Announce(announce)) if !self.plan.real_channels => {
                self.centres[c].announced.insert(node, announce_hash(&announce));
            }
            Ok(message @ (Message::Announce(_) | Message::Encapsulation(_) | Message::ChannelConfirm(_))) => {
                let at = self.clock();
                let (world, centre) = (std::rc::Rc::clone(&self.world), &mut self.centres[c]);
                if let Message::Announce(announce) = &message {
                    centre.announced.insert(node, announce_hash(announce));
                }
                let relayed = centre.switchboard.relay(node, message, &world.roster, at).unwrap_or_default();
                for output in relayed {
                    if let Output::Send { to: Peer::Node(to), bytes } = output {
                        self.send_down(c, to, bytes);
                    }
                }
            }
            _ => {
                let at = self.clock();
                self.centre_take(c, Input::Frame { from: Peer::Node(node), bytes: bytes.to_vec(), at });
            }
        }
    }

    /// The coordinator has a node's new link.
    pub fn centre_linked(&mut self, c: usize, i: usize) {
        let (node, at) = (self.hospitals[i].id, self.clock());
        if self.centres[c].up {
            self.centre_take(c, Input::Linked { node, at });
        }
    }

    /// The coordinator notices that a link ended.
    pub fn centre_lost(&mut self, c: usize, i: usize, link: u32) {
        let node = self.hospitals[i].id;
        let Some(centre) = self.centres.get_mut(c) else { return };
        if !centre.up || centre.links.get(&node) != Some(&link) {
            return;
        }
        centre.links.remove(&node);
        centre.announced.remove(&node);
        centre.switchboard.lost(node);
        let at = self.clock();
        self.centre_take(c, Input::Lost { node, at });
    }

    /// The coordinator's process ends; what was not flushed is lost, and every link ends.
    pub fn stop_centre(&mut self, c: usize) {
        self.tell(|run| format!("{} crashes", run.centre_name(c)));
        let centre = &mut self.centres[c];
        let store = std::mem::take(&mut centre.store);
        let (process, outputs) = (centre.process, centre.outputs);
        *centre = Centre { store, process, outputs, ..Centre::default() };
        if c == 0 {
            for i in 0..self.hospitals.len() {
                self.cut_link(i, 20);
            }
            self.plan_return();
        }
    }

    /// The coordinator's process begins.
    pub fn start_centre(&mut self) {
        if !self.centres[0].up {
            self.centres[0].up = true;
            self.centres[0].process += 1;
            self.tell(|_| "the coordinator starts".to_owned());
            self.resume(0);
        }
    }
}

fn sid_of(record: &Record) -> Option<AttemptId> {
    match record {
        Record::Sent { sid, .. }
        | Record::Received { sid, .. }
        | Record::BadPairs { sid, .. }
        | Record::Garbage { sid, .. } => Some(*sid),
        Record::Bound { bound, .. } => Some(bound.sid),
        _ => None,
    }
}
