//! A coordinator's machine and its books, over the same hospitals, with liars among them or without.
//!
//! It keeps what the coordinator's program keeps between sessions (survivors that bind a slot, attempts that
//! were lost, VOIDs), and tells observer and referee what stands behind the hashes that nodes sign.

use super::liar::Liar;
use super::referee::Frozen;
use super::world::World;
use crate::forge::puppet::Puppet;
use samensom_protocol::codec::{Blob, decode};
use samensom_protocol::coordinator::{Coordinator, Setup};
use samensom_protocol::crypto::sharing::{Polynomial, scalar};
use samensom_protocol::error::Fault;
use samensom_protocol::ids::{AttemptId, GoHash, NodeId, StartHash};
use samensom_protocol::io::{Event, Failure, Input, Output, Peer, Record, Sum};
use samensom_protocol::message::{
    Bound, Deposit, FreezeBody, GoBody, Invited, Message, Opening, Pass, ResultBody, Round, StartBody, Voids,
};
use samensom_protocol::rounds::offer::Facts;
use samensom_protocol::rounds::pairs::{BEFORE, History, Pair};
use samensom_protocol::rounds::reveal::is_garbage;
use samensom_protocol::rounds::start_hash;
use samensom_protocol::rounds::void::Unsettled;
use samensom_protocol::time::Time;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What a node still does: it vanishes before it would do the next thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the answer that the node gives no more")]
pub enum Stop {
    Absent,
    Ready,
    Report,
    Confirm,
    Reveal,
    Never,
}

impl Stop {
    /// All, from the earliest.
    pub const ALL: [Stop; 6] =
        [Stop::Absent, Stop::Ready, Stop::Report, Stop::Confirm, Stop::Reveal, Stop::Never];

    /// True if a node that stops here does not answer this frame.
    fn is_before(self, message: &Message) -> bool {
        let asked = match message {
            Message::Start(_) => Stop::Ready,
            Message::Go(_) => Stop::Report,
            Message::Freeze(_) => Stop::Confirm,
            Message::Certificate(_) | Message::AskB(_) => Stop::Reveal,
            _ => return false,
        };
        self <= asked
    }
}

/// What becomes of a node's frame on its way: number of the attempt, sender, message.
pub type Twist<'a> = &'a mut dyn FnMut(u16, NodeId, Message) -> Option<Message>;

/// What becomes of a coordinator's frame on its way to a node.
pub type Tamper<'a> = &'a mut dyn FnMut(&mut World, NodeId, Message) -> Vec<Message>;

/// Everybody in a session who lies.
#[derive(Default)]
pub struct Liars<'a> {
    /// The coordinator.
    pub coordinator: Option<Tamper<'a>>,
    /// Hospitals, each in what it sends; those without a machine too.
    pub node: Option<Twist<'a>>,
    /// Hospitals without a machine.
    pub puppets: BTreeMap<NodeId, Puppet>,
}

impl core::fmt::Debug for Liars<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Liars({:?})", self.puppets)
    }
}

/// The coordinator's books.
#[derive(Debug, Default)]
pub struct Office {
    bound: BTreeMap<Pass, (u64, Bound)>,
    lost: Vec<(u64, Unsettled)>,
    voided: Vec<Voids>,
    spool: BTreeMap<(NodeId, u32), Vec<u8>>,
    starts: BTreeMap<AttemptId, StartHash>,
    gos: BTreeMap<AttemptId, GoHash>,
    /// Which of the town's warrants is run.
    pub warrant: usize,
    /// What the next session opens, and who was counted; none before a count pass.
    pub opening: Option<(Opening, Vec<NodeId>)>,
    /// Bad pairs by slot, and who was left out because of them.
    slots: BTreeMap<u64, (BTreeSet<Pair>, BTreeSet<NodeId>)>,
    /// The attempt that was begun last, and its deposits.
    last: Option<Facts>,
    deposits: BTreeMap<NodeId, Deposit>,
    /// Hospitals whose answers are made by hand.
    pub liars: BTreeMap<NodeId, Liar>,
    /// Nodes that any fault of the last session names.
    pub named: BTreeSet<NodeId>,
    /// Nodes with a garbage recovery list that a third party sees to be one, in the last session.
    pub proven: BTreeSet<NodeId>,
    /// Attempts of the last session.
    pub attempts: u16,
    /// Nodes whose frames were refused in the last session.
    pub refused: BTreeSet<NodeId>,
    /// The faults of those frames, in order.
    pub faults: Vec<Fault>,
    /// Nodes that said a result is wrong.
    pub alarmed: BTreeSet<NodeId>,
}

/// One session under way.
struct Session<'a, 'b> {
    office: &'a mut Office,
    world: &'a mut World,
    stops: &'a BTreeMap<NodeId, Stop>,
    liars: &'a mut Liars<'b>,
    vanished: BTreeSet<NodeId>,
    coordinator: Option<Coordinator>,
    deadlines: Vec<(AttemptId, Round, Time)>,
    inputs: VecDeque<Input>,
    outputs: VecDeque<Output>,
    ended: Option<Result<Sum, Failure>>,
}

impl Office {
    fn setup(&self, world: &World, stops: &BTreeMap<NodeId, Stop>) -> Setup {
        let slot = world.slot(world.now);
        let here = |node: &NodeId| stops.get(node) != Some(&Stop::Absent);
        let announces = world.announces.iter().filter(|(node, _)| here(node));
        let mut invited: Vec<Invited> =
            announces.map(|(node, announce)| Invited { node: *node, announce: *announce }).collect();
        let (signed, warrant) = &world.town.warrants[self.warrant];
        let counts = warrant.count().is_some() && self.opening.is_none();
        let pass = if counts { Pass::Count } else { Pass::Value };
        let of = |wanted: &dyn Fn(u64) -> bool| {
            self.bound.get(&pass).filter(|(at, _)| wanted(*at)).map(|(_, bound)| bound.clone())
        };
        let (bound, earlier) = (of(&|at| at == slot), of(&|at| at < slot));
        if let Some(bound) = &bound {
            invited.retain(|one| bound.survivors.contains(&one.node));
        }
        if let Some((_, counted)) = &self.opening {
            invited.retain(|one| counted.contains(&one.node));
        }
        let unsettled = self.lost.iter().filter(|(at, _)| *at == slot).map(|(_, one)| one.clone());
        Setup {
            pass,
            opening: self.opening.clone(),
            identity: Arc::clone(&world.town.coordinator),
            roster: Arc::clone(&world.town.roster),
            warrant: Arc::clone(warrant),
            signed: signed.clone(),
            lock: world.town.lock.name.clone(),
            slot,
            invited,
            bound,
            whole: false,
            earlier,
            history: self.history(slot),
            unsettled: unsettled.collect(),
            voided: self.voided.clone(),
        }
    }

    fn history(&self, slot: u64) -> History {
        let mut history = History::default();
        let before = self.slots.range(..slot).rev().take(BEFORE);
        before.for_each(|(_, (pairs, left_out))| history.slot(pairs, left_out));
        history
    }

    /// Runs one session; `twist` is what nodes do to their own frames.
    ///
    /// # Errors
    /// The coordinator's failure.
    pub fn session(
        &mut self,
        world: &mut World,
        stops: &BTreeMap<NodeId, Stop>,
        twist: Twist,
    ) -> Result<Sum, Failure> {
        self.among(world, stops, &mut Liars { node: Some(twist), ..Liars::default() })
    }

    /// Runs a warrant's count pass and keeps what opens after it; the next session is its value pass.
    ///
    /// # Errors
    /// The coordinator's failure.
    pub fn count(&mut self, world: &mut World, stops: &BTreeMap<NodeId, Stop>) -> Result<Sum, Failure> {
        self.opening = None;
        let sum = self.among(world, stops, &mut Liars::default())?;
        let warrant = Arc::clone(&world.town.warrants[self.warrant].1);
        let result: ResultBody = decode(&sum.outcome.body.body).unwrap_or_else(|_| unreachable!("its own"));
        let count = warrant.count().unwrap_or_else(|| unreachable!("a warrant under a floor"));
        let least = warrant.least(&world.town.roster, &world.announces.keys().copied().collect::<Vec<_>>());
        let open = count.counting.open(&sum.lanes, least).to_bytes();
        let open = Blob::new(open).unwrap_or_else(|_| unreachable!("of this query"));
        let opening = Opening { freeze: sum.bound.freeze, result: result.result, open };
        self.opening = Some((opening, sum.survivors.clone()));
        Ok(sum)
    }

    /// Runs one session among liars.
    ///
    /// # Errors
    /// The coordinator's failure.
    pub fn among(
        &mut self,
        world: &mut World,
        stops: &BTreeMap<NodeId, Stop>,
        liars: &mut Liars,
    ) -> Result<Sum, Failure> {
        let coordinator = Coordinator::new(self.setup(world, stops));
        let inputs = VecDeque::from([Input::Start(world.now)]);
        self.attempts = 0;
        self.refused.clear();
        self.faults.clear();
        self.alarmed.clear();
        self.named.clear();
        self.proven.clear();
        self.slots.entry(world.slot(world.now)).or_default();
        self.spool.clear();
        let session = Session {
            office: self,
            world,
            stops,
            liars,
            vanished: BTreeSet::new(),
            coordinator: Some(coordinator),
            deadlines: Vec::new(),
            inputs,
            outputs: VecDeque::new(),
            ended: None,
        };
        session.drive()
    }
}

impl Session<'_, '_> {
    fn drive(mut self) -> Result<Sum, Failure> {
        loop {
            if let Some(input) = self.inputs.pop_front() {
                self.step(input);
            } else if let Some(output) = self.outputs.pop_front() {
                self.carry_out(output);
            } else if let Some(ended) = self.ended.take() {
                return ended;
            } else {
                let Some((sid, round, at)) = self.deadlines.pop() else {
                    unreachable!("the session is stuck")
                };
                self.world.pass(at.since_ms(self.world.now));
                self.inputs.push_back(Input::Deadline { sid, round, at: self.world.now });
            }
        }
    }

    /// Steps the coordinator; spooled blocks come back before anything else is read.
    fn step(&mut self, input: Input) {
        let Some(coordinator) = self.coordinator.take() else { return };
        let (coordinator, outputs) = coordinator.step(input, &mut self.world.rng);
        self.coordinator = Some(coordinator);
        let at = self.world.now;
        for output in outputs {
            match output {
                Output::Recall { node } => {
                    let blocks = self.office.spool.range((node, 0)..=(node, u32::MAX));
                    let recalled = blocks.map(|((node, block), bytes)| Input::Recalled {
                        node: *node,
                        block: *block,
                        bytes: bytes.clone(),
                        at,
                    });
                    recalled.rev().for_each(|input| self.inputs.push_front(input));
                }
                Output::Spool { node, block, bytes } => {
                    self.office.spool.insert((node, block), bytes);
                }
                other => self.outputs.push_back(other),
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Persist(record) => self.keep(&record),
            Output::Send { to: Peer::Node(node), bytes } => self.send(node, bytes),
            Output::Arm { sid, round, at } => self.deadlines.push((sid, round, at)),
            Output::Publish { frames, to } => {
                for (node, frame) in to.iter().flat_map(|to| frames.iter().map(move |frame| (*to, frame))) {
                    if let Ok(message) = Message::from_frame(frame) {
                        self.pass_on(node, message);
                    }
                }
            }
            Output::Reject { from: Peer::Node(node), fault } => {
                self.office.refused.insert(node);
                self.office.named.extend(fault.culprits());
                self.office.faults.push(fault);
            }
            Output::Notify(Event::Named { fault, .. }) => self.office.named.extend(fault.culprits()),
            Output::Notify(Event::Finished(sum)) => self.ended = Some(Ok(*sum)),
            Output::Notify(Event::Failed(failure)) => {
                self.office.named.extend(&failure.culprits);
                self.ended = Some(Err(failure));
            }
            _ => {}
        }
    }

    fn keep(&mut self, record: &Record) {
        match record {
            Record::Bound { slot, pass, bound, .. } => {
                self.office.bound.insert(*pass, (*slot, bound.clone()));
                self.office.lost.retain(|(_, one)| one.sid != bound.sid);
            }
            Record::BadPairs { slot, pairs, left_out, .. } => {
                let entry = self.office.slots.entry(*slot).or_default();
                entry.0.extend(pairs);
                entry.1.extend(left_out);
            }
            Record::Received { node, round: Round::Deposit, bytes, .. } => {
                if let Ok(Message::Deposit(deposit)) = Message::from_frame(bytes) {
                    self.office.deposits.insert(*node, deposit);
                }
            }
            Record::Garbage { node, polynomial, .. } => {
                let f: Option<Vec<_>> = polynomial.iter().map(scalar).collect();
                let f = f.map(Polynomial::from_coefficients);
                let (deposit, facts) = (self.office.deposits.get(node), self.office.last.as_ref());
                if let (Some(f), Some(deposit), Some(facts)) = (f, deposit, facts)
                    && is_garbage(&f, deposit, facts)
                {
                    self.office.proven.insert(*node);
                }
            }
            Record::Sent { sid, round: Round::Contribute, .. } => {
                let (roster, slot) = (Arc::clone(&self.world.town.roster), self.world.slot(self.world.now));
                self.office
                    .lost
                    .push((slot, Unsettled { sid: *sid, roster, required: true, voids: Vec::new() }));
            }
            Record::Sent { round: Round::Void, bytes, .. } => {
                if let Ok(Message::Voids(voids)) = Message::from_frame(bytes) {
                    self.office.lost.retain(|(_, one)| one.sid != voids.sid);
                    self.office.voided.push(voids);
                }
            }
            _ => {}
        }
    }

    fn send(&mut self, node: NodeId, bytes: Vec<u8>) {
        let Ok(message) = Message::from_frame(&bytes) else { return };
        self.explain(&message);
        if self.stops.get(&node).is_some_and(|stop| stop.is_before(&message)) {
            self.vanished.insert(node);
        }
        self.pass_on(node, message);
    }

    /// A frame on its way to a node that may be gone.
    fn pass_on(&mut self, node: NodeId, message: Message) {
        if self.vanished.contains(&node) {
            return;
        }
        if let Some(liar) = self.office.liars.get_mut(&node) {
            let said = liar.answer(self.world, &message);
            let at = self.world.now;
            return self.inputs.extend(said.into_iter().map(|bytes| Input::Frame {
                from: Peer::Node(node),
                bytes,
                at,
            }));
        }
        let told = match &mut self.liars.coordinator {
            Some(tamper) => tamper(self.world, node, message),
            None => vec![message],
        };
        for message in told {
            self.tell(node, &message);
        }
    }

    /// Gives a node a message, and takes what it answers.
    fn tell(&mut self, node: NodeId, message: &Message) {
        if let Some(puppet) = self.liars.puppets.get_mut(&node) {
            let answers = puppet.answer(self.world, message);
            self.world.inbox.extend(answers.into_iter().map(|answer| (node, answer)));
        } else if let Ok(bytes) = message.to_frame() {
            self.world.deliver(node, bytes);
        }
        let at = self.world.now;
        for (from, message) in std::mem::take(&mut self.world.inbox) {
            if matches!(message, Message::Alarm(_)) {
                self.office.alarmed.insert(from);
            }
            let sent = match &mut self.liars.node {
                Some(twist) => twist(self.office.attempts, from, message),
                None => Some(message),
            };
            let bytes = sent.and_then(|message| message.to_frame().ok());
            self.inputs.extend(bytes.map(|bytes| Input::Frame { from: Peer::Node(from), bytes, at }));
        }
    }

    /// What stands behind a message's hashes.
    fn explain(&mut self, message: &Message) {
        let (world, office) = (&mut *self.world, &mut *self.office);
        match message {
            Message::Offer(offer) => {
                let (roster, warrant) =
                    (Arc::clone(&world.town.roster), Arc::clone(&world.town.warrants[office.warrant].1));
                let Ok(facts) = Facts::new(&offer.header.body, roster, warrant) else { return };
                office.attempts = facts.header.attempt + 1;
                office.last = Some(facts.clone());
                world.observer.offered(facts);
            }
            Message::Start(start) => {
                let Ok(body) = decode::<StartBody>(&start.body.body) else { return };
                if let Entry::Vacant(new) = office.starts.entry(body.sid) {
                    let hash = start_hash(&body.sid, &body.cohort);
                    let cohort: Vec<NodeId> = body.cohort.iter().map(|dealt| dealt.node).collect();
                    new.insert(hash);
                    world.observer.started(hash, cohort.clone());
                    world.referee.starts.insert(hash, cohort);
                }
            }
            Message::Go(go) => {
                let Ok(body) = decode::<GoBody>(&go.body.body) else { return };
                if let Some(start) = office.starts.get(&body.sid) {
                    office.gos.insert(body.sid, body.go);
                    world.observer.gone(body.go, *start);
                    world.referee.gos.insert(body.go, *start);
                }
            }
            Message::Freeze(freeze) => {
                let Ok(body) = decode::<FreezeBody>(&freeze.body.body) else { return };
                if let Some(go) = office.gos.get(&body.sid) {
                    let survivors = freeze.survivors.iter().map(|one| one.node).collect();
                    world.referee.freezes.insert(body.freeze, Frozen { go: *go, survivors });
                }
            }
            _ => {}
        }
    }
}
