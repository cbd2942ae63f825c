//! The coordinator's stages of one attempt, and what each does with an answer.

use super::{Setup, too_few};
use crate::ablation::ablated;
use crate::codec::{Bytes, List};
use crate::crypto::keys::Signed;
use crate::error::{Check, Fault};
use crate::ids::{AttemptId, DepositHash, FreezeHash, GoHash, NodeId, StartHash};
use crate::io::{Event, Failure, Kept, Output, Peer, Record};
use crate::message::{
    AlarmBody, Answer, Bound, Confirmation, Counted, Dealt, Deposit, Header, Invited, Message, Offer, Pass,
    ReadyOf, Report, ReportBlock, Reveal, Round, SUITE, Sealed, Start, WIRE_VERSION,
};
use crate::rounds::committed::Carried;
use crate::rounds::contribute::{Adder, Upload};
use crate::rounds::offer::Facts;
use crate::rounds::ready::Sections;
use crate::rounds::reveal::Opening;
use crate::rounds::void::Voiding;
use crate::rounds::{confirm, deposit, ready};
use crate::time::Time;
use rand_core::CryptoRng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What every stage of an attempt holds.
#[derive(Debug)]
pub(crate) struct Open {
    pub facts: Facts,
    pub round: Round,
    /// Nodes that were asked.
    pub asked: BTreeSet<NodeId>,
    /// Of those, nodes whose answer is waited for.
    pub waiting: BTreeSet<NodeId>,
    /// Of those, nodes that answered, or never will.
    pub done: BTreeSet<NodeId>,
    /// What a node is sent again when its link comes back; from FREEZE on all since then.
    pub requests: Vec<Vec<u8>>,
}

/// Where a session stands.
#[derive(Debug)]
pub(crate) enum Stage {
    Created,
    Voiding(Box<Voiding>),
    Depositing(Box<Depositing>),
    Readying(Box<Readying>),
    Contributing(Box<Contributing>),
    Confirming(Box<Confirming>),
    RevealingR(Box<Revealing>),
    RevealingB(Box<Revealing>),
    Done(Box<Done>),
    Failed,
}

/// A session that has its sum; survivors whose link was gone still get it.
#[derive(Debug)]
pub(crate) struct Done {
    pub sid: AttemptId,
    pub survivors: Vec<NodeId>,
    pub requests: Vec<Vec<u8>>,
    /// Commitments and total, as frames.
    pub published: Arc<Vec<Vec<u8>>>,
    /// Who said that the result is wrong; once is enough.
    pub alarmed: BTreeSet<NodeId>,
}

#[derive(Debug)]
pub(crate) struct Depositing {
    pub open: Open,
    pub deposits: BTreeMap<NodeId, Deposit>,
    /// Roots of the deposits, as they were read.
    pub roots: BTreeMap<NodeId, DepositHash>,
}

/// The cohort and what it was told.
#[derive(Debug)]
pub(crate) struct Cohort {
    pub deposits: BTreeMap<NodeId, Deposit>,
    pub sections: Sections,
    pub dealt: Vec<Dealt>,
    pub body: Sealed<65536>,
    pub start: StartHash,
    /// By dealer, the holders that said they cannot use its share.
    pub unusable: BTreeMap<NodeId, BTreeSet<NodeId>>,
}

#[derive(Debug)]
pub(crate) struct Readying {
    pub open: Open,
    pub cohort: Cohort,
    pub readies: BTreeMap<NodeId, ReadyOf>,
}

#[derive(Debug)]
pub(crate) struct Contributing {
    pub open: Open,
    pub cohort: Cohort,
    pub go: GoHash,
    pub uploads: BTreeMap<NodeId, Upload>,
    /// Reports that are whole and checked, waiting to be added.
    pub checked: BTreeMap<NodeId, Counted>,
    pub counted: BTreeMap<NodeId, Counted>,
    /// What the checked reports carry besides their blocks.
    pub carried: BTreeMap<NodeId, Carried>,
    pub adder: Adder,
}

#[derive(Debug)]
pub(crate) struct Confirming {
    pub open: Open,
    pub cohort: Cohort,
    pub go: GoHash,
    pub survivors: Vec<Counted>,
    pub freeze: FreezeHash,
    pub lanes: Vec<u64>,
    pub carried: BTreeMap<NodeId, Carried>,
    pub confirmations: BTreeMap<NodeId, Confirmation>,
}

#[derive(Debug)]
pub(crate) struct Revealing {
    pub open: Open,
    pub cohort: Cohort,
    pub go: GoHash,
    pub survivors: Vec<Counted>,
    pub freeze: FreezeHash,
    pub lanes: Vec<u64>,
    pub carried: BTreeMap<NodeId, Carried>,
    /// The certificate, verified.
    pub bound: Bound,
    pub dropouts: Vec<NodeId>,
    pub opening: Opening,
    /// The dropouts' opened r, once round R is closed.
    pub r: Option<Opening>,
}

impl Stage {
    fn open(&self) -> Option<&Open> {
        match self {
            Stage::Created | Stage::Voiding(_) | Stage::Done(_) | Stage::Failed => None,
            Stage::Depositing(stage) => Some(&stage.open),
            Stage::Readying(stage) => Some(&stage.open),
            Stage::Contributing(stage) => Some(&stage.open),
            Stage::Confirming(stage) => Some(&stage.open),
            Stage::RevealingR(stage) | Stage::RevealingB(stage) => Some(&stage.open),
        }
    }
    fn open_mut(&mut self) -> Option<&mut Open> {
        match self {
            Stage::Created | Stage::Voiding(_) | Stage::Done(_) | Stage::Failed => None,
            Stage::Depositing(stage) => Some(&mut stage.open),
            Stage::Readying(stage) => Some(&mut stage.open),
            Stage::Contributing(stage) => Some(&mut stage.open),
            Stage::Confirming(stage) => Some(&mut stage.open),
            Stage::RevealingR(stage) | Stage::RevealingB(stage) => Some(&mut stage.open),
        }
    }
    pub(crate) fn sid(&self) -> Option<AttemptId> {
        match self {
            Stage::Voiding(voiding) => voiding.first(),
            stage => stage.open().map(|open| open.facts.sid),
        }
    }
    pub(crate) fn attempt(&self) -> Option<u16> {
        self.open().map(|open| open.facts.header.attempt)
    }
    pub(crate) fn round(&self) -> Option<Round> {
        match self {
            Stage::Voiding(_) => Some(Round::Void),
            stage => stage.open().map(|open| open.round),
        }
    }
    /// A node's link is gone: it is not waited for. A checked report still counts.
    pub(crate) fn lost(&mut self, node: NodeId) {
        match self {
            Stage::Contributing(stage) if ablated!("lost-report") => {
                stage.checked.remove(&node);
                stage.counted.remove(&node);
            }
            Stage::Contributing(stage) if stage.checked.contains_key(&node) => return,
            Stage::Contributing(stage) => {
                stage.uploads.remove(&node);
            }
            Stage::Voiding(voiding) => voiding.forget(node, None),
            _ => {}
        }
        if let Some(open) = self.open_mut() {
            open.waiting.remove(&node);
        }
    }
    /// A node refused: it is not waited for, nor asked again. A checked report still counts.
    pub(crate) fn refused(&mut self, node: NodeId, sid: AttemptId) {
        if let Stage::Voiding(voiding) = self {
            return voiding.forget(node, Some(sid));
        }
        if self.sid() != Some(sid) {
            return;
        }
        self.lost(node);
        let counts = matches!(self, Stage::Contributing(stage) if stage.checked.contains_key(&node));
        if let Some(open) = self.open_mut().filter(|_| !counts) {
            open.done.insert(node);
        }
    }
    /// A node's link is there again: what it has not answered, and is waited for again.
    pub(crate) fn linked(&mut self, node: NodeId) -> Vec<Vec<u8>> {
        if let Stage::Contributing(stage) = self {
            stage.uploads.remove(&node);
        }
        let personal = match self {
            Stage::Readying(stage) => stage.cohort.start_for(node, &stage.open.facts),
            Stage::Done(done) if done.survivors.contains(&node) => return done.requests.clone(),
            _ => None,
        };
        let Some(open) = self.open_mut() else { return Vec::new() };
        if !open.asked.contains(&node) || open.done.contains(&node) {
            return Vec::new();
        }
        open.waiting.insert(node);
        personal.map_or_else(|| open.requests.clone(), |start| vec![start])
    }
    /// True when nobody is waited for any more, or enough shares are there.
    pub(crate) fn is_answered(&self) -> bool {
        let nobody = self.open().is_some_and(|open| open.waiting.is_empty());
        match self {
            Stage::Voiding(voiding) => voiding.is_answered(),
            Stage::RevealingR(stage) | Stage::RevealingB(stage) => {
                nobody || stage.opening.is_complete(stage.open.facts.params().thresholds.shares)
            }
            _ => nobody,
        }
    }
}

impl Open {
    /// How many were asked.
    pub(crate) fn expected(&self) -> u16 {
        u16::try_from(self.asked.len()).unwrap_or(u16::MAX)
    }

    fn answered(&mut self, node: NodeId) -> Output {
        self.waiting.remove(&node);
        self.done.insert(node);
        let waiting = u16::try_from(self.waiting.len()).unwrap_or(u16::MAX);
        let expected = self.expected();
        let present = expected.saturating_sub(waiting);
        Output::Notify(Event::Answered { round: self.round, present, expected })
    }

    /// Opens a round towards `nodes`: the record, then the frames (unless `bytes` is only for the record),
    /// then the deadline.
    pub(crate) fn next(
        self,
        (round, bytes): (Round, Vec<u8>),
        nodes: &[NodeId],
        (at, ms): (Time, u32),
        send: Vec<Output>,
    ) -> (Open, Vec<Output>) {
        let Open { facts, requests, .. } = self;
        let (sid, attempt) = (facts.sid, facts.header.attempt);
        let mut outputs = vec![sent(sid, round, at, &bytes)];
        outputs.extend(send);
        if ablated!("sent-late") {
            outputs.rotate_left(1);
        }
        // What a survivor missed since FREEZE it can still make good.
        let mut requests = if matches!(round, Round::Reveal | Round::Result) { requests } else { Vec::new() };
        requests.push(bytes);
        let asked: BTreeSet<NodeId> = nodes.iter().copied().collect();
        let open = Open { facts, round, waiting: asked.clone(), asked, done: BTreeSet::new(), requests };
        let expected = open.expected();
        outputs.push(Output::Notify(Event::Opened { sid, attempt, round, expected }));
        outputs.push(Output::Arm { sid, round, at: at.plus_ms(u64::from(ms)) });
        (open, outputs)
    }
}

impl Contributing {
    /// A report is whole and checked; what was counted of it.
    pub(crate) fn check(&mut self, node: NodeId, upload: Upload) -> Counted {
        let (head, signature) = (upload.head, upload.sealed.signature);
        let counted = Counted { node, report: head.report, ledger_seq: head.ledger_seq, signature };
        self.checked.insert(node, counted);
        self.carried.insert(node, upload.carried);
        counted
    }
}

impl Cohort {
    /// START for one holder.
    pub(crate) fn start_for(&self, holder: NodeId, facts: &Facts) -> Option<Vec<u8>> {
        let dealers = List::new(self.sections.for_holder(facts.position(holder)?)?).ok()?;
        Message::Start(Start { body: self.body.clone(), dealers }).to_frame().ok()
    }
}

/// The same frame to all.
pub(crate) fn to_all(nodes: &[NodeId], bytes: &[u8]) -> Vec<Output> {
    nodes.iter().map(|node| Output::Send { to: Peer::Node(*node), bytes: bytes.to_vec() }).collect()
}

/// How it stands with a hospital's part, by its own signature. Whoever waits for its people is waited for as long as the
/// round lasts; whoever takes no part is not.
pub(crate) fn on_answer(mut stage: Stage, from: NodeId, sealed: &Sealed<128>) -> (Stage, Vec<Output>) {
    let said = stage.open().and_then(|open| {
        let (sid, answer) = Answer::open(sealed, open.facts.key(from)?)?;
        (sid == open.facts.sid && open.asked.contains(&from)).then_some((sid, answer))
    });
    let Some((sid, answer)) = said else {
        let fault = Fault::new(Check::A01, "no answer of this node about the attempt that is open");
        return (stage, vec![Output::Reject { from: Peer::Node(from), fault }]);
    };
    if answer != Answer::Waiting {
        stage.refused(from, sid);
    }
    (stage, vec![Output::Notify(Event::Stands { node: from, sid, answer })])
}

/// Row 0: a new header, its record, and an offer to everyone invited.
pub(crate) fn offer(
    setup: &Setup,
    attempt: u16,
    at: Time,
    rng: &mut impl CryptoRng,
) -> Result<(Stage, Vec<Output>), Failure> {
    let params = match (setup.pass, setup.warrant.count()) {
        (Pass::Count, Some(count)) => &count.params,
        _ => setup.warrant.params(),
    };
    let refused = || too_few(Round::Deposit, params.thresholds.quorum, setup.invited.len());
    let mut nonce = Bytes([0; 32]);
    rng.fill_bytes(&mut nonce.0);
    let header = Header {
        wire: WIRE_VERSION,
        suite: SUITE,
        coordinator: setup.identity.public(),
        warrant: setup.warrant.hash(),
        roster: setup.roster.hash(),
        lock: setup.lock.clone(),
        slot: setup.slot,
        pass: setup.pass,
        attempt,
        nonce,
        deadlines: params.deadlines,
        invited: List::new(setup.invited.clone()).map_err(|_| refused())?,
        bound: setup.bound.clone(),
        opening: setup.opening.as_ref().map(|(opening, _)| opening.clone()),
    };
    let header = Sealed::new(&setup.identity, Signed::Header, &header).map_err(|_| refused())?;
    let facts = setup.facts(&header.body).map_err(|_| refused())?;
    let offer = Message::Offer(Offer { header, warrant: setup.signed.clone() });
    let bytes = offer.to_frame().map_err(|_| refused())?;
    Ok(enter_deposit(facts, bytes, at))
}

/// Row 0, once its header is made.
pub(crate) fn enter_deposit(facts: Facts, bytes: Vec<u8>, at: Time) -> (Stage, Vec<Output>) {
    let nodes: Vec<NodeId> = facts.header.invited.iter().map(|invited: &Invited| invited.node).collect();
    let ms = facts.header.deadlines.deposit_ms;
    let (asked, waiting, done) = Default::default();
    let created = Open { facts, round: Round::Deposit, asked, waiting, done, requests: Vec::new() };
    let send = to_all(&nodes, &bytes);
    let (open, outputs) = created.next((Round::Deposit, bytes), &nodes, (at, ms), send);
    (
        Stage::Depositing(Box::new(Depositing { open, deposits: BTreeMap::new(), roots: BTreeMap::new() })),
        outputs,
    )
}

pub(crate) fn sent(sid: AttemptId, round: Round, at: Time, bytes: &[u8]) -> Output {
    Output::Persist(Record::Sent { sid, round, at, bytes: kept(bytes) })
}

/// Every frame was decoded or encoded under this very cap.
fn kept(bytes: &[u8]) -> Kept {
    Kept::new(bytes.to_vec()).unwrap_or_default()
}

fn received(open: &Open, node: NodeId, bytes: &[u8]) -> Output {
    let (sid, round) = (open.facts.sid, open.round);
    Output::Persist(Record::Received { sid, node, round, bytes: kept(bytes) })
}

fn reject(stage: Stage, from: NodeId, fault: Fault) -> (Stage, Vec<Output>) {
    (stage, vec![Output::Reject { from: Peer::Node(from), fault }])
}

/// Nobody is named: an honest node repeats its answers over a new link.
fn not_asked() -> Fault {
    Fault::new(Check::A01, "an answer of a node that was not asked, or that answered")
}

pub(crate) fn on_deposit(
    mut stage: Box<Depositing>,
    from: NodeId,
    deposit: Deposit,
    bytes: &[u8],
) -> (Stage, Vec<Output>) {
    if !stage.open.waiting.contains(&from) {
        return reject(Stage::Depositing(stage), from, not_asked());
    }
    match deposit::read(&deposit, &stage.open.facts, from) {
        Err(fault) => reject(Stage::Depositing(stage), from, fault),
        Ok(root) => {
            let outputs = vec![received(&stage.open, from, bytes), stage.open.answered(from)];
            stage.deposits.insert(from, deposit);
            stage.roots.insert(from, root);
            (Stage::Depositing(stage), outputs)
        }
    }
}

pub(crate) fn on_ready(
    mut stage: Box<Readying>,
    from: NodeId,
    sealed: Sealed<4096>,
    bytes: &[u8],
) -> (Stage, Vec<Output>) {
    if !stage.open.waiting.contains(&from) {
        return reject(Stage::Readying(stage), from, not_asked());
    }
    match ready::read_ready(&sealed, &stage.open.facts, &stage.cohort.start, from) {
        Err(fault) => reject(Stage::Readying(stage), from, fault),
        Ok(body) => {
            let outputs = vec![received(&stage.open, from, bytes), stage.open.answered(from)];
            let cohort = &mut stage.cohort;
            for dealer in body.unusable.iter().filter(|dealer| cohort.deposits.contains_key(dealer)) {
                cohort.unusable.entry(*dealer).or_default().insert(from);
            }
            stage.readies.insert(from, ReadyOf { node: from, ready: sealed });
            (Stage::Readying(stage), outputs)
        }
    }
}

pub(crate) fn on_report(
    mut stage: Box<Contributing>,
    from: NodeId,
    report: Report,
    bytes: &[u8],
) -> (Stage, Vec<Output>) {
    let open = stage.open.waiting.contains(&from);
    if !open || stage.uploads.contains_key(&from) || stage.checked.contains_key(&from) {
        return reject(Stage::Contributing(stage), from, not_asked());
    }
    let Some(deposit) = stage.cohort.deposits.get(&from) else {
        return reject(Stage::Contributing(stage), from, not_asked());
    };
    match Upload::open(report, &stage.open.facts, &stage.go, (from, &deposit.head.contribution)) {
        Err(fault) => reject(Stage::Contributing(stage), from, fault),
        Ok(upload) => {
            let outputs = vec![received(&stage.open, from, bytes)];
            stage.uploads.insert(from, upload);
            (Stage::Contributing(stage), outputs)
        }
    }
}

/// A block is spooled as it comes; the last one of a good report asks for all of them back, to be added.
pub(crate) fn on_block(
    mut stage: Box<Contributing>,
    from: NodeId,
    block: ReportBlock,
) -> (Stage, Vec<Output>) {
    let upload = if block.sid == stage.open.facts.sid { stage.uploads.remove(&from) } else { None };
    let Some(mut upload) = upload else {
        return reject(Stage::Contributing(stage), from, not_asked());
    };
    match upload.block(block.index, &block.bytes, &stage.open.facts, from) {
        Err(fault) => {
            // Its report can never be what it signed: nobody waits for it.
            stage.open.waiting.remove(&from);
            stage.open.done.insert(from);
            reject(Stage::Contributing(stage), from, fault)
        }
        Ok(last) => {
            let mut outputs =
                vec![Output::Spool { node: from, block: block.index, bytes: block.bytes.into_vec() }];
            if last {
                stage.check(from, upload);
                outputs.push(Output::Recall { node: from });
            } else {
                stage.uploads.insert(from, upload);
            }
            (Stage::Contributing(stage), outputs)
        }
    }
}

pub(crate) fn on_recalled(stage: Stage, node: NodeId, block: u32, bytes: &[u8]) -> (Stage, Vec<Output>) {
    let Stage::Contributing(mut stage) = stage else { return (stage, Vec::new()) };
    let Some(counted) = stage.checked.get(&node).copied().filter(|_| !stage.counted.contains_key(&node))
    else {
        return (Stage::Contributing(stage), Vec::new());
    };
    stage.adder.add(block, bytes);
    if ablated!("added-twice") {
        stage.adder.add(block, bytes);
    }
    let last = block.saturating_add(1) >= stage.open.facts.params().blocks();
    let mut outputs = Vec::new();
    if last {
        stage.counted.insert(node, counted);
        outputs.push(stage.open.answered(node));
    }
    (Stage::Contributing(stage), outputs)
}

pub(crate) fn on_confirm(
    mut stage: Box<Confirming>,
    from: NodeId,
    sealed: &Sealed<128>,
    bytes: &[u8],
) -> (Stage, Vec<Output>) {
    if !stage.open.waiting.contains(&from) {
        return reject(Stage::Confirming(stage), from, not_asked());
    }
    match confirm::read(sealed, &stage.open.facts, &stage.freeze, from) {
        Err(fault) => reject(Stage::Confirming(stage), from, fault),
        Ok(confirmation) => {
            let outputs = vec![received(&stage.open, from, bytes), stage.open.answered(from)];
            stage.confirmations.insert(from, confirmation);
            (Stage::Confirming(stage), outputs)
        }
    }
}

fn on_reveal(stage: &mut Revealing, from: NodeId, reveal: &Reveal) -> Vec<Output> {
    if !stage.open.waiting.contains(&from) {
        return vec![Output::Reject { from: Peer::Node(from), fault: not_asked() }];
    }
    let deposits = &stage.cohort.deposits;
    let faults = stage.opening.take(reveal, &stage.open.facts, &stage.freeze, deposits, from);
    let mut outputs = vec![stage.open.answered(from)];
    outputs.extend(faults.into_iter().map(|fault| Output::Reject { from: Peer::Node(from), fault }));
    outputs
}

pub(crate) fn on_reveal_r(mut stage: Box<Revealing>, from: NodeId, reveal: &Reveal) -> (Stage, Vec<Output>) {
    let outputs = on_reveal(&mut stage, from, reveal);
    (Stage::RevealingR(stage), outputs)
}

pub(crate) fn on_reveal_b(mut stage: Box<Revealing>, from: NodeId, reveal: &Reveal) -> (Stage, Vec<Output>) {
    let outputs = on_reveal(&mut stage, from, reveal);
    (Stage::RevealingB(stage), outputs)
}

pub(crate) fn on_alarm(
    mut done: Box<Done>,
    setup: &Setup,
    from: NodeId,
    (alarm, bytes): (&Sealed<128>, &[u8]),
) -> (Stage, Vec<Output>) {
    let sid = done.sid;
    let key = setup.roster.member(from).map(|member| &member.key);
    let body: Option<AlarmBody> = key.and_then(|key| alarm.open(key, Signed::Alarm));
    match body.filter(|body| body.sid == sid) {
        Some(_) if !done.alarmed.insert(from) => (Stage::Done(done), Vec::new()),
        Some(body) => {
            let alarmed = Event::Alarmed { node: from, sid: body.sid };
            let kept = Record::Received { sid, node: from, round: Round::Result, bytes: kept(bytes) };
            (Stage::Done(done), vec![Output::Persist(kept), Output::Notify(alarmed)])
        }
        None => reject(Stage::Done(done), from, not_asked()),
    }
}
