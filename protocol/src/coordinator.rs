//! The coordinator's state machine: dispatch only. What a round checks and does stands in `rounds/`.
//!
//! It never fails on a message: it rejects and goes on without that node, or ends in a failure that says
//! which round, how many were needed, how many there were. It holds no figure of a single hospital: every
//! report stays masked, is spooled block by block and added once checked.

mod closing;
mod resume;
mod stages;
mod voiding;

use crate::ablation::ablated;
use crate::codec::Text;
use crate::crypto::keys::{Identity, Signed};
use crate::error::{Check, Fault};
use crate::ids::{AttemptId, NodeId, SessionId};
use crate::io::{Event, Failure, FailureCode, Input, Output, Peer};
use crate::message::{Bound, EndBody, EndReason, Invited, Message, Opening, Pass, Round, Sealed, Voids};
use crate::roster::Roster;
use crate::rounds::offer::Facts;
use crate::rounds::pairs::History;
use crate::rounds::void::Unsettled;
use crate::time::Time;
use crate::warrant::{SignedWarrant, SmallClass, Warrant};
use rand_core::CryptoRng;
use stages::Stage;
use std::sync::Arc;

/// What a session is started with.
#[derive(Debug)]
pub struct Setup {
    /// The coordinator's key.
    pub identity: Arc<Identity>,
    /// The roster.
    pub roster: Arc<Roster>,
    /// The verified warrant.
    pub warrant: Arc<Warrant>,
    /// The warrant as it travels.
    pub signed: SignedWarrant,
    /// Lock of its data set.
    pub lock: Text<32>,
    /// The slot.
    pub slot: u64,
    /// Who is there, with the announced incarnation, ascending.
    pub invited: Vec<Invited>,
    /// Which sum.
    pub pass: Pass,
    /// What a value pass stands on, and who was counted.
    pub opening: Option<(Opening, Vec<NodeId>)>,
    /// Survivors that bind this slot already.
    pub bound: Option<Bound>,
    /// Those invited are the survivors of the warrant's sessions before, and it keeps its hospitals: each of them
    /// must be in the sum.
    pub whole: bool,
    /// Survivors of the newest earlier slot: taken up when an unchanged extract makes nodes refuse.
    pub earlier: Option<Bound>,
    /// Bad pairs of the last slots before.
    pub history: History,
    /// Attempts that left reports behind and have neither certificate nor VOIDs.
    pub unsettled: Vec<Unsettled>,
    /// VOIDs of earlier attempts, for nodes that were not there when they were collected.
    pub voided: Vec<Voids>,
}

impl Setup {
    /// What a header of this session says.
    pub(crate) fn facts(&self, header: &[u8]) -> Result<Facts, Fault> {
        let facts =
            Facts::new(header, Arc::clone(&self.roster), Arc::clone(&self.warrant))?.of_all(self.whole);
        match &self.opening {
            Some((_, counted)) => facts.after(counted),
            None => Ok(facts),
        }
    }
}

/// LCG's side of one session.
#[derive(Debug)]
pub struct Coordinator {
    setup: Setup,
    attempt: u16,
    stage: Stage,
}

/// How a round ended.
pub(crate) enum Close {
    /// The next stage.
    Next(Stage, Vec<Output>),
    /// Attempts are void; the offer follows.
    Void(Vec<Voids>, Vec<Output>),
    /// The next attempt, without these nodes; bound to an earlier slot's survivors if given.
    Again(Vec<NodeId>, Option<Bound>, Vec<Output>),
    /// No sum.
    Fail(Failure, Vec<Output>),
}

impl Coordinator {
    /// A session that has not begun.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Coordinator { setup, attempt: 0, stage: Stage::Created }
    }

    /// The session's id.
    #[must_use]
    pub fn session(&self) -> SessionId {
        crate::rounds::offer::session_id(&self.setup.warrant.hash(), self.setup.slot, self.setup.pass)
    }

    /// Which sum it is.
    #[must_use]
    pub fn pass(&self) -> Pass {
        self.setup.pass
    }

    /// True when it is done or failed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Done(_) | Stage::Failed)
    }

    /// The open attempt.
    #[must_use]
    pub fn sid(&self) -> Option<AttemptId> {
        self.stage.sid()
    }

    /// Takes one input; returns the next state and what to do, in order.
    pub fn step(mut self, input: Input, rng: &mut impl CryptoRng) -> (Coordinator, Vec<Output>) {
        match input {
            Input::Start(at) if matches!(self.stage, Stage::Created) => self.begin(at, rng),
            Input::Frame { from: Peer::Node(from), bytes, at } => {
                let (stage, mut outputs) = frame(self.stage, &self.setup, from, &bytes);
                self.stage = stage;
                self.advance(&mut outputs, false, at, rng);
                (self, outputs)
            }
            Input::Recalled { node, block, bytes, at } => {
                let (stage, mut outputs) = stages::on_recalled(self.stage, node, block, &bytes);
                self.stage = stage;
                self.advance(&mut outputs, false, at, rng);
                (self, outputs)
            }
            Input::Lost { node, at } => {
                self.stage.lost(node);
                let mut outputs = Vec::new();
                self.advance(&mut outputs, false, at, rng);
                (self, outputs)
            }
            Input::Linked { node, .. } => {
                let outputs = self.linked(node);
                (self, outputs)
            }
            Input::Deadline { sid, round, at } => {
                let due = self.stage.sid() == Some(sid) && self.stage.round() == Some(round);
                let mut outputs = Vec::new();
                self.advance(&mut outputs, due, at, rng);
                (self, outputs)
            }
            // A node's inputs; the coordinator has no use for them.
            Input::Start(_)
            | Input::Frame { .. }
            | Input::TreeHead(_)
            | Input::Waiting { .. }
            | Input::Measured { .. }
            | Input::Refused { .. } => (self, Vec::new()),
        }
    }

    fn begin(mut self, at: Time, rng: &mut impl CryptoRng) -> (Coordinator, Vec<Output>) {
        let mut outputs = Vec::new();
        // A slot that has its survivors owes nothing to what was lost in it.
        if self.setup.bound.is_none() && !self.setup.unsettled.is_empty() {
            let (voiding, opening) = voiding::ask(&self.setup, at);
            self.stage = Stage::Voiding(Box::new(voiding));
            outputs.extend(opening);
            self.advance(&mut outputs, false, at, rng);
        } else {
            self.offer(None, &mut outputs, at, rng);
        }
        (self, outputs)
    }

    /// Row 0, after the VOIDs that some of those invited may not have heard of.
    fn offer(
        &mut self,
        sid: Option<AttemptId>,
        outputs: &mut Vec<Output>,
        at: Time,
        rng: &mut impl CryptoRng,
    ) {
        outputs.extend(voiding::tell(&self.setup));
        match stages::offer(&self.setup, self.attempt, at, rng) {
            Ok((stage, opening)) => {
                self.stage = stage;
                outputs.extend(opening);
            }
            Err(failure) => self.fail(failure, sid, outputs),
        }
    }

    /// A node that is there again is asked what it has not answered.
    fn linked(&mut self, node: NodeId) -> Vec<Output> {
        let mut outputs = Vec::new();
        let frames = match &mut self.stage {
            Stage::Voiding(voiding) => voiding::frames(voiding.again(node), &self.setup.identity),
            Stage::Depositing(_) => {
                let invited = self.setup.invited.iter().any(|invited| invited.node == node);
                outputs.extend(voiding::tell_one(&self.setup, node).into_iter().filter(|_| invited));
                self.stage.linked(node)
            }
            stage => stage.linked(node),
        };
        outputs.extend(frames.into_iter().map(|bytes| Output::Send { to: Peer::Node(node), bytes }));
        if let Stage::Done(done) = &self.stage
            && done.survivors.contains(&node)
        {
            outputs.push(Output::Publish { frames: Arc::clone(&done.published), to: vec![node] });
        }
        outputs
    }

    /// Closes the open round if everyone answered or its deadline is over, and opens the next.
    fn advance(&mut self, outputs: &mut Vec<Output>, mut due: bool, at: Time, rng: &mut impl CryptoRng) {
        while due || self.stage.is_answered() {
            due = false;
            let sid = self.stage.sid();
            let stage = std::mem::replace(&mut self.stage, Stage::Created);
            let closed = match stage {
                Stage::Voiding(voiding) => voiding::close(*voiding, at),
                stage => closing::close(stage, &self.setup, at, rng),
            };
            match closed {
                Close::Void(voids, opening) => {
                    self.setup.voided.retain(|old| voids.iter().all(|new| new.sid != old.sid));
                    self.setup.voided.extend(voids);
                    outputs.extend(opening);
                    self.offer(None, outputs, at, rng);
                }
                Close::Next(stage, opening) => {
                    self.stage = stage;
                    outputs.extend(opening);
                }
                Close::Again(without, bound, said) => {
                    outputs.extend(said);
                    outputs.extend(
                        sid.map(|sid| end(&self.setup, sid, &without, EndReason::LeftOut))
                            .unwrap_or_default(),
                    );
                    self.again((&without, bound), sid, outputs, at, rng);
                }
                Close::Fail(failure, said) => {
                    outputs.extend(said);
                    self.fail(failure, sid, outputs);
                }
            }
        }
    }

    /// The next attempt, while nobody has contributed. Each leaves somebody out, or is bound and the last.
    fn again(
        &mut self,
        (without, bound): (&[NodeId], Option<Bound>),
        sid: Option<AttemptId>,
        outputs: &mut Vec<Output>,
        at: Time,
        rng: &mut impl CryptoRng,
    ) {
        self.attempt = self.attempt.saturating_add(1);
        let before = self.setup.invited.len();
        self.setup.invited.retain(|invited| !without.contains(&invited.node) || ablated!("droppers-stay"));
        if let Some(bound) = bound {
            self.setup.invited.retain(|invited| bound.survivors.contains(&invited.node));
            self.setup.bound = Some(bound);
            self.setup.earlier = None;
        }
        let (present, needed) = (self.setup.invited.len(), self.setup.warrant.params().thresholds.quorum);
        let short = self.setup.bound.as_ref().is_some_and(|bound| bound.survivors.len() != present);
        if self.setup.whole && present != before {
            let before = u16::try_from(before).unwrap_or(u16::MAX);
            return self.fail(too_few(Round::Deposit, before, present), sid, outputs);
        }
        if present < usize::from(needed) || short {
            return self.fail(too_few(Round::Deposit, needed, present), sid, outputs);
        }
        self.offer(sid, outputs, at, rng);
    }

    fn fail(&mut self, failure: Failure, sid: Option<AttemptId>, outputs: &mut Vec<Output>) {
        let reason = match failure.code {
            FailureCode::TooFew | FailureCode::SmallClass | FailureCode::Interrupted => EndReason::TooFew,
            FailureCode::Uncommitted => EndReason::Uncommitted(failure.block.unwrap_or(u32::MAX)),
            FailureCode::Fault | FailureCode::Unverified => EndReason::Fault,
        };
        let everyone: Vec<NodeId> = self.setup.invited.iter().map(|invited| invited.node).collect();
        outputs.extend(sid.map(|sid| end(&self.setup, sid, &everyone, reason)).unwrap_or_default());
        self.stage = Stage::Failed;
        outputs.push(Output::Notify(Event::Failed(failure)));
    }
}

/// END to these nodes.
fn end(setup: &Setup, sid: AttemptId, nodes: &[NodeId], reason: EndReason) -> Vec<Output> {
    let sealed = Sealed::new(&setup.identity, Signed::End, &EndBody { sid, reason });
    let Some(bytes) = sealed.ok().and_then(|sealed| Message::End(sealed).to_frame().ok()) else {
        return Vec::new();
    };
    nodes.iter().map(|node| Output::Send { to: Peer::Node(*node), bytes: bytes.clone() }).collect()
}

pub(crate) fn too_few(round: Round, needed: u16, present: usize) -> Failure {
    let present = u16::try_from(present).unwrap_or(u16::MAX);
    Failure { code: FailureCode::TooFew, round, needed, present, culprits: Vec::new(), block: None }
}

/// A21: so many of a class that is a cell are there, and more are needed.
pub(crate) fn small_class(round: Round, small: &SmallClass) -> Failure {
    let needed = u16::try_from(small.needed).unwrap_or(u16::MAX);
    Failure { code: FailureCode::SmallClass, ..too_few(round, needed, small.present) }
}

fn frame(stage: Stage, setup: &Setup, from: NodeId, bytes: &[u8]) -> (Stage, Vec<Output>) {
    let reject = |stage: Stage, fault: Fault| (stage, vec![Output::Reject { from: Peer::Node(from), fault }]);
    let message = match Message::from_frame(bytes) {
        Ok(message) => message,
        Err(malformed) => return reject(stage, malformed.into()),
    };
    match (message, stage) {
        (Message::Refusal(sid), mut stage) => {
            stage.refused(from, sid);
            (stage, Vec::new())
        }
        (Message::Answer(sealed), stage) => stages::on_answer(stage, from, &sealed),
        (Message::Void(void), Stage::Voiding(mut voiding)) => {
            let taken = voiding.take(&void, from);
            let rejected = taken.err().map(|fault| Output::Reject { from: Peer::Node(from), fault });
            (Stage::Voiding(voiding), rejected.into_iter().collect())
        }
        (Message::Deposit(deposit), Stage::Depositing(stage)) => {
            stages::on_deposit(stage, from, deposit, bytes)
        }
        (Message::Ready(ready), Stage::Readying(stage)) => stages::on_ready(stage, from, ready, bytes),
        (Message::Report(report), Stage::Contributing(stage)) => {
            stages::on_report(stage, from, report, bytes)
        }
        (Message::ReportBlock(block), Stage::Contributing(stage)) => stages::on_block(stage, from, block),
        (Message::Confirm(confirm), Stage::Confirming(stage)) => {
            stages::on_confirm(stage, from, &confirm, bytes)
        }
        (Message::RevealR(reveal), Stage::RevealingR(stage)) => stages::on_reveal_r(stage, from, &reveal),
        (Message::RevealB(reveal), Stage::RevealingB(stage)) => stages::on_reveal_b(stage, from, &reveal),
        (Message::Alarm(alarm), Stage::Done(done)) => stages::on_alarm(done, setup, from, (&alarm, bytes)),
        // A survivor that missed FREEZE confirms it late, or again.
        (Message::Confirm(_), stage @ (Stage::RevealingR(_) | Stage::RevealingB(_) | Stage::Done(_))) => {
            (stage, Vec::new())
        }
        // Shares beyond those that were enough.
        (Message::RevealR(late), stage @ Stage::RevealingB(_)) if stage.sid() == Some(late.sid) => {
            (stage, Vec::new())
        }
        (Message::RevealR(late) | Message::RevealB(late), Stage::Done(done)) if late.sid == done.sid => {
            (Stage::Done(done), Vec::new())
        }
        // An answer of a round that is over, or of an attempt that is: late means dropped.
        (_, stage) => {
            // Nobody is named for being late: an honest node's link may be slow.
            reject(stage, Fault::new(Check::A15, "a message of another round or attempt"))
        }
    }
}
