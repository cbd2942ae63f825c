//! One session of the world: a queue of outputs, a queue of inputs, and deadlines when all is quiet.

use super::{Forge, Silence, Tamper, World};
use crate::coordinator::Coordinator;
use crate::error::Fault;
use crate::ids::{AttemptId, NodeId};
use crate::io::{Event, Failure, Input, Output, Peer, Record, Sum};
use crate::message::{Message, Pass, Round};
use crate::time::Time;
use std::collections::{BTreeMap, VecDeque};

pub(super) struct Run<'a, 'b> {
    world: &'a mut World,
    silence: &'a Silence,
    tamper: Tamper<'b>,
    forge: &'a mut Forge,
    coordinator: Option<Coordinator>,
    /// Frames that each node sent.
    sent: BTreeMap<NodeId, usize>,
    deadlines: Vec<(AttemptId, Round, Time)>,
    /// Outputs not carried out yet, of a node or (none) the coordinator.
    queue: VecDeque<(Option<NodeId>, Output)>,
    inputs: VecDeque<Input>,
}

impl<'a, 'b> Run<'a, 'b> {
    pub(super) fn new(
        world: &'a mut World,
        silence: &'a Silence,
        tamper: Tamper<'b>,
        forge: &'a mut Forge,
    ) -> Self {
        let coordinator = Some(Coordinator::new(world.setup()));
        let inputs = VecDeque::from([Input::Start(world.now)]);
        Run {
            world,
            silence,
            tamper,
            forge,
            coordinator,
            sent: BTreeMap::new(),
            deadlines: Vec::new(),
            queue: VecDeque::new(),
            inputs,
        }
    }

    pub(super) fn drive(mut self) -> Result<Sum, Failure> {
        loop {
            for (id, bytes) in self.world.injected.take() {
                self.inputs.push_back(Input::Frame { from: Peer::Node(id), bytes, at: self.world.now });
            }
            for node in self.world.relinked.take() {
                self.inputs.push_back(Input::Linked { node, at: self.world.now });
            }
            if let Some(input) = self.inputs.pop_front() {
                self.coordinate(input);
                continue;
            }
            match self.queue.pop_front() {
                None => self.quiet(),
                Some((Some(id), output)) => self.of_node(id, output),
                Some((None, output)) => {
                    if let Some(end) = self.of_coordinator(output) {
                        self.last_words();
                        return end;
                    }
                }
            }
        }
    }

    /// Steps the coordinator; spooled blocks come back before anything else is read.
    fn coordinate(&mut self, input: Input) {
        let coordinator = self.coordinator.take().unwrap();
        self.world.rng.by = Peer::Coordinator;
        let (coordinator, outputs) = coordinator.step(input, &mut self.world.rng);
        self.coordinator = Some(coordinator);
        for output in outputs {
            match output {
                Output::Recall { node } => {
                    let at = self.world.now;
                    let blocks = self.world.spool.range((node, 0)..=(node, u32::MAX));
                    let recalled = blocks.map(|((node, block), bytes)| Input::Recalled {
                        node: *node,
                        block: *block,
                        bytes: bytes.clone(),
                        at,
                    });
                    recalled.rev().for_each(|input| self.inputs.push_front(input));
                }
                Output::Spool { node, block, bytes } => {
                    self.world.spool.insert((node, block), bytes);
                }
                other => self.queue.push_back((None, other)),
            }
        }
    }

    /// Nothing is under way: silent nodes' links are lost, or the next deadline passes.
    fn quiet(&mut self) {
        if let Some(ms) = self.world.lost_after_ms.take() {
            self.world.now = self.world.now.plus_ms(ms);
            let at = self.world.now;
            let lost = |node: &u16| Input::Lost { node: NodeId(*node), at };
            self.inputs.extend(self.silence.keys().map(lost));
            return;
        }
        let Some((sid, round, at)) = self.deadlines.pop() else { panic!("stuck") };
        self.world.now = at;
        self.inputs.push_back(Input::Deadline { sid, round, at });
    }

    fn of_node(&mut self, id: NodeId, output: Output) {
        match output {
            Output::Persist(record) => self.world.records.entry(id).or_default().push(record),
            Output::Send { bytes, .. } => {
                let count = self.sent.entry(id).or_default();
                let again = self.world.frames.contains(&(id, bytes.clone()));
                if again || self.silence.get(&id.0).is_none_or(|limit| *count < *limit) {
                    *count += usize::from(!again);
                    self.world.frames.push((id, bytes.clone()));
                    self.world.wire.push((Peer::Node(id), Peer::Coordinator, bytes.clone()));
                    let at = self.world.now;
                    for bytes in (self.forge)(self.world, id, bytes) {
                        self.inputs.push_back(Input::Frame { from: Peer::Node(id), bytes, at });
                    }
                }
            }
            Output::Measure { sid, warrant, open, .. } => {
                let layout = warrant.query().layout();
                let opens = |cell| open.as_ref().is_none_or(|open| open.opens(&layout, cell));
                let contribution = self.world.measured(id, &warrant).only(opens);
                let at = self.world.now;
                self.step(id, Input::Measured { sid, contribution, at });
            }
            Output::Notify(Event::Ended { fault, .. }) => {
                let text = fault.as_ref().map_or("no reason".to_owned(), Fault::to_string);
                self.world.faults.push(format!("{id}: {text}"));
                self.world.ended.push((id, fault));
            }
            Output::Reject { fault, from } => self.rejected(Some(id), from, fault),
            _ => {}
        }
    }

    fn step(&mut self, id: NodeId, input: Input) {
        let outputs = self.world.node_step(id, input);
        self.queue.extend(outputs.into_iter().map(|output| (Some(id), output)));
    }

    fn rejected(&mut self, who: Option<NodeId>, from: Peer, fault: Fault) {
        self.world.faults.push(format!("{from:?} rejected: {fault}"));
        self.world.rejected.push((who, fault));
    }

    /// Carries the coordinator's output out; how the session ended, if it did.
    fn of_coordinator(&mut self, output: Output) -> Option<Result<Sum, Failure>> {
        match output {
            Output::Persist(record) => {
                if let Record::Bound { slot, bound, pass, .. } = &record {
                    let bound = Some((*slot, bound.clone()));
                    match pass {
                        Pass::Value => self.world.bound = bound,
                        Pass::Count => self.world.count_bound = bound,
                    }
                }
                if let Record::Sent { round: Round::Void, bytes, .. } = &record
                    && let Message::Voids(voids) = Message::from_frame(bytes).unwrap()
                {
                    self.world.voided.retain(|old| old.sid != voids.sid);
                    self.world.voided.push(voids);
                }
                self.world.written.push(record);
                if self.world.crash_after == Some(self.world.written.len()) {
                    self.world.crash_after = None;
                    self.restart();
                }
            }
            Output::Send { to: Peer::Node(id), bytes } => {
                self.world.told.push((id, bytes.clone()));
                self.world.wire.push((Peer::Coordinator, Peer::Node(id), bytes.clone()));
                for bytes in (self.tamper)(self.world, id, bytes) {
                    let at = self.world.now;
                    self.step(id, Input::Frame { from: Peer::Coordinator, bytes, at });
                }
            }
            Output::Arm { sid, round, at } => {
                self.world.armed.push((round, self.world.now, at));
                self.deadlines.push((sid, round, at));
            }
            Output::Publish { frames, to } => {
                let sends = to.iter().flat_map(|to| frames.iter().map(|bytes| (*to, bytes.clone())));
                let send = |(to, bytes)| (None, Output::Send { to: Peer::Node(to), bytes });
                self.queue.extend(sends.map(send));
            }
            Output::Notify(Event::Finished(sum)) => return Some(Ok(*sum)),
            Output::Notify(Event::Failed(failure)) => return Some(Err(failure)),
            Output::Reject { fault, from } => self.rejected(None, from, fault),
            _ => {}
        }
        None
    }

    /// The coordinator dies with all it did not write down, and what is under way to it is lost.
    fn restart(&mut self) {
        self.inputs.clear();
        self.queue.retain(|(of, _)| of.is_some());
        self.deadlines.clear();
        let world = &mut *self.world;
        // Those of the last attempt, which begin with its header.
        let begins = |record: &Record| matches!(record, Record::Sent { round: Round::Deposit, .. });
        let first = world.written.iter().rposition(begins).unwrap_or(0);
        let records: Vec<Record> = world.written.split_at(first).1.to_vec();
        let spool = world.spool.clone();
        let mut blocks = |node| spool.range((node, 0)..=(node, u32::MAX)).map(|(_, b)| b.clone()).collect();
        let (setup, now) = (world.setup(), world.now);
        world.rng.by = Peer::Coordinator;
        let (coordinator, outputs) =
            Coordinator::resume(setup, &records, &mut blocks, now, &mut world.rng).unwrap();
        self.coordinator = Some(coordinator);
        let there: Vec<NodeId> = self.world.nodes.keys().copied().collect();
        let silent = |id: &NodeId| {
            let limit = self.silence.get(&id.0);
            limit.is_some_and(|limit| self.sent.get(id).is_some_and(|sent| sent >= limit))
        };
        let speaking: Vec<NodeId> = there.into_iter().filter(|id| !silent(id)).collect();
        for node in speaking {
            self.coordinate(Input::Linked { node, at: now });
        }
        self.queue.extend(outputs.into_iter().map(|output| (None, output)));
    }

    /// What the coordinator still sends when the session is over.
    fn last_words(&mut self) {
        while let Some((of, output)) = self.queue.pop_front() {
            if let (None, Output::Send { to: Peer::Node(id), bytes }) = (of, output) {
                for bytes in (self.tamper)(self.world, id, bytes) {
                    self.world.last_words(id, bytes);
                }
            }
        }
    }
}
