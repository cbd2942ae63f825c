//! The hospital's state machine: dispatch only. What a round checks and does stands in `rounds/`.
//!
//! One stage is one type and holds only what it may use; a transition consumes it. A frame out of order,
//! malformed or of another attempt is rejected and the stage unchanged; a check that a signed message of
//! the coordinator fails ends the attempt, and its secrets are wiped.

mod ending;
#[cfg(test)]
mod secrets_test;
mod stages;
mod voiding;

use crate::ablation::ablated;
use crate::codec::decode;
use crate::crypto::keys::Identity;
use crate::crypto::transcript::sha256;
use crate::error::{Check, Fault};
use crate::ids::{AnnounceHash, AttemptId, NodeId, PublicKey};
use crate::io::{Event, Input, Output, Peer, Record, Refusal};
use crate::ledger::LedgerView;
use crate::message::{Answer, FreezeBody, GoBody, Message, Round, StartBody};
use crate::roster::Roster;
use crate::rounds::channel::Channels;
use crate::secret::Key;
use crate::time::Time;
use crate::transparency::SignedTreeHead;
use rand_core::CryptoRng;
use stages::Stage;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Time a closing message may take beyond its round's deadline to arrive, in milliseconds.
pub const GRACE_MS: u64 = 5_000;

/// What outlives an attempt: who this node is, what its ledger says, its channels.
#[derive(Debug)]
pub(crate) struct Context {
    pub me: NodeId,
    pub identity: Arc<Identity>,
    pub coordinator: PublicKey,
    /// Accepted rosters, oldest first; the last is the head.
    pub rosters: Vec<Arc<Roster>>,
    pub view: LedgerView,
    pub channels: Option<Channels>,
    /// Attempts that were offered; none is taken up twice.
    pub used: BTreeSet<AttemptId>,
    /// The head of the coordinator's log that the driver keeps.
    pub tree_head: Option<SignedTreeHead>,
}

impl Context {
    pub(crate) fn persist(&mut self, record: Record) -> Output {
        self.view.apply(&record);
        Output::Persist(record)
    }
    pub(crate) fn head(&self) -> Option<&Arc<Roster>> {
        self.rosters.last()
    }
}

/// One hospital's side of the protocol.
#[derive(Debug)]
pub struct Node {
    context: Context,
    stage: Stage,
}

/// What a handler makes of a message.
pub(crate) enum Step {
    /// The next stage, and what to do.
    Next(Stage, Vec<Output>),
    /// Refused; the stage is as it was.
    Reject(Stage, Fault),
    /// The attempt is over.
    Abort(AttemptId, Option<Fault>),
    /// The attempt is over: the coordinator told two stories, and these show it.
    Dispute(AttemptId, Fault, Vec<SignedTreeHead>),
    /// The hospital takes no part in it.
    Decline(AttemptId, Refusal),
}

/// A frame that asks for an answer, by which an equal repeat of it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    len: usize,
    hash: [u8; 32],
}

impl Request {
    fn of(frame: &[u8]) -> Self {
        Request { len: frame.len(), hash: sha256(frame) }
    }
}

impl Node {
    /// A node that knows its ledger and the accepted rosters (oldest first, the last is the head).
    #[must_use]
    pub fn new(
        me: NodeId,
        identity: Arc<Identity>,
        coordinator: PublicKey,
        rosters: Vec<Arc<Roster>>,
        view: LedgerView,
    ) -> Self {
        let (channels, used) = (None, BTreeSet::new());
        let tree_head = None;
        let context = Context { me, identity, coordinator, rosters, view, channels, used, tree_head };
        Node { context, stage: Stage::Idle }
    }

    /// Follows a newer accepted roster; its channels are made anew. `Err` gives the node back while an
    /// attempt is open.
    ///
    /// # Errors
    /// The unchanged node, when an attempt is open.
    #[expect(clippy::result_large_err, reason = "the error is the value itself, given back")]
    pub fn adopt(mut self, roster: Arc<Roster>) -> Result<Self, Self> {
        if !matches!(self.stage, Stage::Idle) {
            return Err(self);
        }
        self.context.rosters.push(roster);
        self.context.channels = None;
        Ok(self)
    }

    /// True while no attempt is open.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Idle)
    }
    /// Peers with a confirmed channel key.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.context.channels.as_ref().map_or(0, Channels::confirmed)
    }

    /// Hash of the own announce, once there is an incarnation.
    #[must_use]
    pub fn announced(&self) -> Option<AnnounceHash> {
        self.context.channels.as_ref().map(Channels::own)
    }
    /// What its ledger says.
    #[must_use]
    pub fn ledger(&self) -> &LedgerView {
        &self.context.view
    }
    /// Deals a channel key ([`Channels::deal`]): for simulations.
    pub fn deal_channel(&mut self, peer: NodeId, announce: AnnounceHash, key: Key) {
        if let Some(channels) = &mut self.context.channels {
            channels.deal(peer, announce, key);
        }
    }

    /// Takes one input; returns the next state and what to do, in order.
    pub fn step(self, input: Input, rng: &mut impl CryptoRng) -> (Node, Vec<Output>) {
        let Node { mut context, stage } = self;
        match input {
            Input::Start(now) => {
                let outputs = announce(&mut context, &stage, now, rng);
                (Node { context, stage }, outputs)
            }
            Input::Frame { from: Peer::Coordinator, bytes, at } => frame(context, stage, &bytes, at, rng),
            Input::TreeHead(head) => {
                context.tree_head = Some(head);
                (Node { context, stage }, Vec::new())
            }
            Input::Measured { sid, contribution, at } => {
                let step = match stage {
                    Stage::Measuring(measuring) if measuring.sid() == sid => {
                        stages::on_measured(&mut context, *measuring, contribution, at, rng)
                    }
                    other => Step::Next(other, Vec::new()),
                };
                settle(context, step)
            }
            Input::Waiting { sid } => {
                let asked = matches!(&stage, Stage::Measuring(measuring) if measuring.sid() == sid);
                let said = answered(&context, sid, Answer::Waiting);
                let outputs = if asked { said } else { Vec::new() };
                (Node { context, stage }, outputs)
            }
            Input::Refused { sid, why } => {
                let step = match stage {
                    Stage::Measuring(measuring) if measuring.sid() == sid => Step::Decline(sid, why),
                    other => Step::Next(other, Vec::new()),
                };
                settle(context, step)
            }
            Input::Deadline { sid, round, .. } => {
                let due = stage.waits_for() == Some((sid, round)) && !ablated!("deadline-kept");
                let step = if due { Step::Abort(sid, None) } else { Step::Next(stage, Vec::new()) };
                settle(context, step)
            }
            // A coordinator's inputs; a node has no use for them.
            Input::Frame { .. } | Input::Recalled { .. } | Input::Lost { .. } | Input::Linked { .. } => {
                (Node { context, stage }, Vec::new())
            }
        }
    }
}

/// Announces this incarnation; a new one when there is none, or it is old and no attempt needs it.
fn announce(context: &mut Context, stage: &Stage, now: Time, rng: &mut impl CryptoRng) -> Vec<Output> {
    let idle = matches!(stage, Stage::Idle);
    let old = context.channels.as_ref().is_none_or(|channels| idle && channels.is_old(now));
    if let (true, Some(roster)) = (old, context.head()) {
        let (me, identity, roster) = (context.me, Arc::clone(&context.identity), Arc::clone(roster));
        context.channels = Channels::new(me, &identity, &roster, now, rng).ok();
        // Headers that name the old incarnation are refused by that (A06).
        context.used.clear();
    }
    context.channels.as_ref().map(|channels| send(&[channels.hello()])).unwrap_or_default()
}

fn send(messages: &[Message]) -> Vec<Output> {
    let frame = |message: &Message| message.to_frame().ok();
    let output = |bytes| Output::Send { to: Peer::Coordinator, bytes };
    messages.iter().filter_map(frame).map(output).collect()
}

/// How it stands with this hospital's part in an attempt, signed.
fn answered(context: &Context, sid: AttemptId, answer: Answer) -> Vec<Output> {
    let sealed = answer.seal(&context.identity, sid).ok();
    sealed.map(|sealed| send(&[Message::Answer(sealed)])).unwrap_or_default()
}

/// Carries a step out; an attempt that ends wipes its stage.
fn settle(mut context: Context, step: Step) -> (Node, Vec<Output>) {
    match step {
        Step::Next(stage, outputs) => (Node { context, stage }, outputs),
        Step::Reject(stage, fault) => {
            (Node { context, stage }, vec![Output::Reject { from: Peer::Coordinator, fault }])
        }
        Step::Decline(sid, why) => {
            context.used.insert(sid);
            let answer = if why == Refusal::Undecided { Answer::Undecided } else { Answer::Refused };
            let mut outputs = answered(&context, sid, answer);
            outputs.push(Output::Notify(Event::Ended { sid, fault: None }));
            (Node { context, stage: Stage::Idle }, outputs)
        }
        Step::Dispute(sid, fault, both) => {
            let (node, mut outputs) = settle(context, Step::Abort(sid, Some(fault)));
            outputs.push(Output::Heads(both));
            (node, outputs)
        }
        Step::Abort(sid, fault) => {
            context.used.insert(sid);
            let mut outputs = Vec::new();
            let found = fault.as_ref().is_some_and(|fault| fault.check == Check::A10);
            if found && !context.view.rolled_back() {
                outputs.push(context.persist(Record::RolledBack { sid }));
            }
            outputs.extend(send(&[Message::Refusal(sid)]));
            outputs.push(Output::Notify(Event::Ended { sid, fault }));
            (Node { context, stage: Stage::Idle }, outputs)
        }
    }
}

fn frame(
    mut context: Context,
    stage: Stage,
    bytes: &[u8],
    at: Time,
    rng: &mut impl CryptoRng,
) -> (Node, Vec<Output>) {
    if let Some(answer) = stage.repeated(bytes) {
        let outputs = answer.iter().map(|bytes| Output::Send { to: Peer::Coordinator, bytes: bytes.clone() });
        let outputs = outputs.collect();
        return (Node { context, stage }, outputs);
    }
    let message = match Message::from_frame(bytes) {
        Ok(message) => message,
        Err(malformed) => return settle(context, Step::Reject(stage, malformed.into())),
    };
    let step = match (message, stage) {
        (Message::Announce(_) | Message::Encapsulation(_) | Message::ChannelConfirm(_), stage) => {
            match channel(&mut context, bytes, at, rng) {
                Ok(outputs) => Step::Next(stage, outputs),
                Err(fault) => Step::Reject(stage, fault),
            }
        }
        (Message::Offer(offer), stage) => {
            stages::on_offer(&mut context, stage, &offer, Request::of(bytes), at)
        }
        (Message::End(end), stage) => ending::on_end(&context, stage, &end),
        (Message::VoidAsk(ask), stage) => voiding::on_void_ask(&mut context, stage, &ask),
        (Message::Voids(voids), stage) => voiding::on_voids(&mut context, stage, &voids),
        (message, stage) if stage.is_late(at) => match stage.waits_for() {
            Some((sid, _)) => Step::Abort(sid, Some(Fault::new(Check::A15, "a message past the deadline"))),
            None => refused(stage, &message),
        },
        (Message::Start(start), Stage::Deposited(stage)) => {
            stages::on_start(&context, stage, &start, Request::of(bytes), at)
        }
        (Message::Go(go), Stage::Following(stage)) => {
            stages::on_go(&mut context, stage, &go, Request::of(bytes), at)
        }
        (Message::Freeze(freeze), Stage::Gone(stage)) => {
            stages::on_freeze(&mut context, stage, freeze, Request::of(bytes), at)
        }
        (Message::Certificate(certificate), Stage::Confirmed(stage)) => {
            stages::on_certificate(&mut context, stage, &certificate, Request::of(bytes), at)
        }
        (Message::AskB(ask), Stage::Revealing(stage)) => {
            stages::on_ask_b(&mut context, stage, &ask, Request::of(bytes), at)
        }
        (Message::Outcome(outcome), Stage::Released(stage)) => ending::on_outcome(&context, stage, &outcome),
        (Message::OutcomeReport(report), Stage::Released(stage)) => {
            ending::on_outcome_report(&context, stage, &report)
        }
        (Message::OutcomeBlock(block), Stage::Released(stage)) => {
            ending::on_outcome_block(&mut context, stage, &block, rng)
        }
        (message, stage) => refused(stage, &message),
    };
    settle(context, step)
}

/// A frame that does not belong to the round that is open. Where it asks something of an attempt that is
/// not open here, as after a restart, the coordinator need not wait for an answer.
fn refused(stage: Stage, message: &Message) -> Step {
    let fault = unexpected(message);
    match asks_for(message) {
        None => Step::Reject(stage, fault),
        Some(sid) => turned_down(stage, sid, fault),
    }
}

/// A refusal of something about attempt `sid`, which the coordinator hears unless that attempt is open.
pub(crate) fn turned_down(stage: Stage, sid: AttemptId, fault: Fault) -> Step {
    if stage.attempt() == Some(sid) {
        return Step::Reject(stage, fault);
    }
    let mut outputs = vec![Output::Reject { from: Peer::Coordinator, fault }];
    outputs.extend(send(&[Message::Refusal(sid)]));
    Step::Next(stage, outputs)
}

/// The attempt of a request, as it says itself.
fn asks_for(message: &Message) -> Option<AttemptId> {
    let of_freeze = |body: &[u8]| decode::<FreezeBody>(body).ok().map(|body| body.sid);
    match message {
        Message::Start(start) => decode::<StartBody>(&start.body.body).ok().map(|body| body.sid),
        Message::Go(go) => decode::<GoBody>(&go.body.body).ok().map(|body| body.sid),
        Message::Freeze(freeze) => of_freeze(&freeze.body.body),
        Message::Certificate(certificate) => of_freeze(&certificate.body.body),
        Message::AskB(ask) => of_freeze(&ask.body),
        _ => None,
    }
}

fn unexpected(message: &Message) -> Fault {
    let what = match message {
        Message::Start(_) => "START, but this node has no deposit open",
        Message::Go(_) => "GO, but this node follows no START",
        Message::Freeze(_) => "FREEZE, but this node has no report out, or confirmed already",
        Message::Certificate(_) => "CERT, but this node has confirmed nothing, or holds a certificate",
        Message::AskB(_) => "ASK-B, but this node holds no certificate, or gave its shares",
        Message::Outcome(_) | Message::OutcomeReport(_) | Message::OutcomeBlock(_) => {
            "RESULT, but this node has given no shares"
        }
        _ => "a message that only a node sends",
    };
    let check = match message {
        Message::Start(_) => Check::A08,
        Message::Go(_) => Check::A19,
        Message::Freeze(_) => Check::A13,
        Message::AskB(_) => Check::A18,
        _ => Check::A01,
    };
    Fault::new(check, what)
}

fn channel(
    context: &mut Context,
    bytes: &[u8],
    now: Time,
    rng: &mut impl CryptoRng,
) -> Result<Vec<Output>, Fault> {
    let none = || Fault::new(Check::A01, "no incarnation is announced");
    let roster = Arc::clone(context.head().ok_or_else(none)?);
    let identity = Arc::clone(&context.identity);
    let channels = context.channels.as_mut().ok_or_else(none)?;
    let messages = match Message::from_frame(bytes)? {
        Message::Announce(announce) => channels.on_announce(&announce, &identity, &roster, now, rng)?,
        Message::Encapsulation(sealed) => channels.on_encapsulation(&sealed, &roster)?,
        Message::ChannelConfirm(confirm) => {
            channels.on_confirm(&confirm)?;
            Vec::new()
        }
        _ => return Err(Fault::new(Check::A01, "no channel message")),
    };
    Ok(send(&messages))
}

impl Stage {
    /// True when the awaited message's deadline is over.
    fn is_late(&self, at: Time) -> bool {
        self.seat().is_some_and(|seat| at > seat.deadline)
    }
    /// The attempt and the round whose closing message is awaited.
    fn waits_for(&self) -> Option<(AttemptId, Round)> {
        match self {
            Stage::Measuring(measuring) => Some((measuring.sid(), Round::Deposit)),
            stage => stage.seat().map(|seat| (seat.facts.sid, seat.round)),
        }
    }
    /// The stored answer to a request that came before, byte for byte.
    fn repeated(&self, frame: &[u8]) -> Option<&[Vec<u8>]> {
        let answered = &self.seat()?.answered;
        // Most frames are reports of others, which need not be hashed to see that they were not answered.
        if answered.iter().all(|answer| answer.request.len != frame.len()) {
            return None;
        }
        let request = Request::of(frame);
        let answer = answered.iter().find(|answer| answer.request == request)?;
        if ablated!("repeat-refused") {
            return None;
        }
        Some(answer.frames.expose().as_slice())
    }
}
