//! The stages of one attempt at a node, each with what it may use, and the step out of each.

#[cfg(test)]
mod probe;
#[cfg(test)]
pub(crate) use probe::Secrets;

use super::{Context, GRACE_MS, Request, Step};
use crate::ablation::ablated;
use crate::crypto::keys::Signed;
use crate::error::{Check, Fault};
use crate::ids::{AttemptId, ExtractHash, FreezeHash, GoHash, NodeId, ReportHash};
use crate::io::{Event, Output, Peer, Record};
use crate::ledger::PassState;
use crate::message::{Certificate, Counted, Freeze, Go, Message, Offer, Pass, Round, Sealed, Start};
use crate::ring::Contribution;
use crate::rounds::deposit::{self, Kept, PairKeys};
use crate::rounds::offer::{self, Facts};
use crate::rounds::ready::{Cohort, Holder};
use crate::rounds::result::Verification;
use crate::rounds::reveal::{Which, reveal};
use crate::rounds::{confirm, contribute, ready};
use crate::secret::Secret;
use crate::time::Time;
use crate::transparency::SignedTreeHead;
use rand_core::CryptoRng;
use std::sync::Arc;

/// What every stage of an attempt holds.
#[derive(Debug)]
pub(crate) struct Seat {
    pub facts: Facts,
    pub extract: ExtractHash,
    pub round: Round,
    pub deadline: Time,
    /// The last request answered; from FREEZE on each of them.
    pub answered: Vec<Answer>,
}

/// A request that was answered and the answer's frames; they may hold shares, so they are not
/// printed, and wiped.
#[derive(Debug)]
pub(crate) struct Answer {
    pub request: Request,
    pub frames: Secret<Vec<Vec<u8>>>,
}

/// Where an attempt stands.
#[derive(Debug)]
pub(crate) enum Stage {
    /// No attempt is open.
    Idle,
    /// OFFERED: waits for the figures.
    Measuring(Box<Measuring>),
    /// DEPOSITED: waits for START.
    Deposited(Box<Deposited>),
    /// FOLLOWING one START: waits for GO.
    Following(Box<Following>),
    /// GONE (spent): waits for FREEZE.
    Gone(Box<Gone>),
    /// CONFIRMED: waits for CERT.
    Confirmed(Box<Confirmed>),
    /// Certified, R given where due: waits for ASK-B.
    Revealing(Box<Revealing>),
    /// RELEASED: waits for the result.
    Released(Box<Released>),
}

#[derive(Debug)]
pub(crate) struct Measuring {
    facts: Facts,
    request: Request,
    deadline: Time,
}

impl Measuring {
    pub(crate) fn sid(&self) -> AttemptId {
        self.facts.sid
    }
}

#[derive(Debug)]
pub(crate) struct Deposited {
    seat: Seat,
    contribution: Contribution,
    kept: Kept,
    channels: PairKeys,
}

#[derive(Debug)]
pub(crate) struct Following {
    seat: Seat,
    contribution: Contribution,
    kept: Kept,
    cohort: Cohort,
}

#[derive(Debug)]
pub(crate) struct Gone {
    seat: Seat,
    go: GoHash,
    cohort: Cohort,
    report: ReportHash,
}

#[derive(Debug)]
pub(crate) struct Confirmed {
    pub(super) seat: Seat,
    pub(super) go: GoHash,
    pub(super) cohort: Cohort,
    pub(super) survivors: Vec<Counted>,
    pub(super) freeze: FreezeHash,
}

#[derive(Debug)]
pub(crate) struct Revealing {
    confirmed: Confirmed,
    certificate: [u8; 32],
}

#[derive(Debug)]
pub(crate) struct Released {
    pub(super) confirmed: Confirmed,
    pub(super) certificate: [u8; 32],
    pub(super) verification: Option<Verification>,
}

impl Stage {
    pub(crate) fn seat(&self) -> Option<&Seat> {
        match self {
            Stage::Idle | Stage::Measuring(_) => None,
            Stage::Deposited(stage) => Some(&stage.seat),
            Stage::Following(stage) => Some(&stage.seat),
            Stage::Gone(stage) => Some(&stage.seat),
            Stage::Confirmed(stage) => Some(&stage.seat),
            Stage::Revealing(stage) => Some(&stage.confirmed.seat),
            Stage::Released(stage) => Some(&stage.confirmed.seat),
        }
    }

    /// The open attempt.
    pub(crate) fn attempt(&self) -> Option<AttemptId> {
        match self {
            Stage::Measuring(measuring) => Some(measuring.sid()),
            stage => stage.seat().map(|seat| seat.facts.sid),
        }
    }

    /// The facts of an attempt that has not contributed yet, so that a later attempt may take its place.
    fn before_contribution(&self) -> Option<&Facts> {
        match self {
            Stage::Measuring(stage) => Some(&stage.facts),
            Stage::Deposited(stage) => Some(&stage.seat.facts),
            Stage::Following(stage) => Some(&stage.seat.facts),
            _ => None,
        }
    }
}

impl Seat {
    /// The next wait: for the message that closes `round`, `ms` from now and the grace.
    fn wait(&mut self, round: Round, at: Time, ms: u32) -> Output {
        self.round = round;
        self.deadline = at.plus_ms(u64::from(ms).saturating_add(GRACE_MS));
        Output::Arm { sid: self.facts.sid, round, at: self.deadline }
    }

    /// Sends an answer and keeps it for an equal repeat of the request.
    fn answer(&mut self, request: Request, messages: &[Message]) -> Result<Vec<Output>, Fault> {
        let frames: Result<Vec<Vec<u8>>, _> = messages.iter().map(Message::to_frame).collect();
        let frames = frames?;
        Ok(self.answer_frames(request, frames))
    }

    fn answer_frames(&mut self, request: Request, frames: Vec<Vec<u8>>) -> Vec<Output> {
        let send = |bytes: &Vec<u8>| Output::Send { to: Peer::Coordinator, bytes: bytes.clone() };
        let outputs = frames.iter().map(send).collect();
        // A report is large, and of no use once the survivors are fixed.
        if !matches!(self.round, Round::Reveal | Round::Result) {
            self.answered.clear();
        }
        self.answered.push(Answer { request, frames: Secret::new(frames) });
        outputs
    }
}

/// Row 0. A higher attempt of the same session ends an open one that has not contributed.
pub(crate) fn on_offer(
    context: &mut Context,
    stage: Stage,
    offer: &Offer,
    request: Request,
    at: Time,
) -> Step {
    let sid = offer::attempt_id(&offer.header.body);
    if context.used.contains(&sid) || context.view.voided(&sid).is_some() {
        return super::turned_down(stage, sid, Fault::new(Check::A03, "this attempt was offered before"));
    }
    let Some(roster) = context.head() else {
        return Step::Reject(stage, Fault::new(Check::A01, "no roster is accepted"));
    };
    let asked = offer::Asked { coordinator: &context.coordinator, roster, view: &context.view, now: at };
    let facts = match offer::read(offer, &asked) {
        Ok(facts) => facts,
        Err(fault) if fault.check == Check::A01 || !matches!(stage, Stage::Idle) => {
            return Step::Reject(stage, fault);
        }
        Err(fault) => return Step::Abort(sid, Some(fault)),
    };
    match (&stage, stage.before_contribution()) {
        (Stage::Idle, _) => {}
        (_, Some(open)) if open.session == facts.session && open.header.attempt < facts.header.attempt => {
            context.used.insert(open.sid);
        }
        _ => return Step::Reject(stage, Fault::new(Check::A03, "another attempt is open")),
    }
    if context.view.rolled_back() {
        let fault = Fault::new(Check::A10, "this ledger was rolled back: it takes part in nothing any more");
        return Step::Abort(sid, Some(fault));
    }
    let own = context.channels.as_ref().map(crate::rounds::channel::Channels::own);
    let listed = facts.header.invited.iter().find(|invited| invited.node == context.me);
    let invited = own.is_some() && listed.map(|invited| invited.announce) == own;
    let what = "this node's incarnation is not the one invited";
    if let Err(fault) = Fault::unless(invited, Check::A06, what) {
        return Step::Abort(sid, Some(fault));
    }
    let measure = Output::Measure {
        sid,
        warrant: Box::new((*facts.warrant).clone()),
        lock: facts.header.lock.clone(),
        slot: facts.header.slot,
        pass: facts.header.pass,
        open: facts.open.clone(),
        patients_each: {
            let invited: Vec<NodeId> = facts.header.invited.iter().map(|one| one.node).collect();
            facts.warrant.patients_each(&facts.roster, &invited)
        },
        dominance: {
            let totals = context.view.totals(&facts.warrant.query_hash());
            let counted = facts.header.pass == Pass::Count;
            facts.warrant.dominance(totals).filter(|_| counted).map(Arc::new)
        },
        class: facts.class_of(context.me),
    };
    let deadline = at.plus_ms(u64::from(facts.header.deadlines.deposit_ms));
    let arm = Output::Arm { sid, round: Round::Deposit, at: deadline };
    context.used.insert(sid);
    Step::Next(Stage::Measuring(Box::new(Measuring { facts, request, deadline })), vec![arm, measure])
}

/// Row 1: the extract is frozen and its record allows the pass; deal and deposit.
pub(crate) fn on_measured(
    context: &mut Context,
    measuring: Measuring,
    contribution: Contribution,
    at: Time,
    rng: &mut impl CryptoRng,
) -> Step {
    let sid = measuring.sid();
    if at > measuring.deadline {
        return Step::Abort(sid, None);
    }
    match measured(context, measuring, contribution, at, rng) {
        Ok((stage, outputs)) => Step::Next(Stage::Deposited(Box::new(stage)), outputs),
        Err(fault) => Step::Abort(sid, Some(fault)),
    }
}

fn measured(
    context: &mut Context,
    measuring: Measuring,
    contribution: Contribution,
    at: Time,
    rng: &mut impl CryptoRng,
) -> Result<(Deposited, Vec<Output>), Fault> {
    let Measuring { facts, request, .. } = measuring;
    let extract = contribution.extract();
    let cells = usize::try_from(facts.params().cells).ok();
    let fits = Some(contribution.lanes().expose().len()) == cells;
    Fault::unless(fits, Check::A03, "the figures are not those of this query")?;
    let closed = (0u32..).zip(contribution.lanes().expose()).filter(|(cell, _)| !facts.may_hold(*cell));
    let empty = closed.fold(0u64, |all, (_, lane)| all | lane) == 0;
    Fault::unless(empty, Check::A23, "a figure that stays closed is not 0")?;
    facts.fills_own_cells(context.me, contribution.lanes().expose())?;
    offer::check_record(&facts, &context.view, &extract, &context.rosters)?;
    let mut outputs = Vec::new();
    let (lock, slot, pass) = (facts.header.lock.clone(), facts.header.slot, facts.header.pass);
    if context.view.frozen(&lock).is_none_or(|frozen| frozen.slot != slot) {
        let roster = facts.roster.hash();
        outputs.push(context.persist(Record::Frozen { lock: lock.clone(), slot, extract, roster, at }));
    }
    if let (Some(PassState::Confirmed { .. }), Some(bound)) =
        (context.view.pass(&lock, &extract, pass), &facts.header.bound)
    {
        let bound = bound.clone();
        outputs.push(context.persist(Record::Certified { lock, extract, pass, bound }));
    }
    let channels: PairKeys = facts
        .header
        .invited
        .iter()
        .filter_map(|one| Some((one.node, context.channels.as_ref()?.key(one.node, &one.announce)?)))
        .collect();
    let dealer = deposit::Dealer {
        me: context.me,
        identity: &context.identity,
        channels: &channels,
        ledger_seq: context.view.seq(),
        seen: &context.view,
        head: context.tree_head.as_ref(),
    };
    let (deposit, kept) = deposit::deal(&facts, &dealer, &contribution, rng)?;
    let deadlines = facts.header.deadlines;
    let mut seat = Seat { facts, extract, round: Round::Deposit, deadline: at, answered: Vec::new() };
    outputs.push(seat.wait(Round::Deposit, at, deadlines.deposit_ms));
    outputs.extend(seat.answer(request, &[Message::Deposit(deposit)])?);
    Ok((Deposited { seat, contribution, kept, channels }, outputs))
}

/// Rows 2 and 3.
pub(crate) fn on_start(
    context: &Context,
    stage: Box<Deposited>,
    start: &Start,
    request: Request,
    at: Time,
) -> Step {
    let body = match ready::open_start(start, &stage.seat.facts, &context.coordinator) {
        Ok(body) => body,
        Err(fault) => return Step::Reject(Stage::Deposited(stage), fault),
    };
    let Deposited { mut seat, contribution, kept, channels } = *stage;
    let sid = seat.facts.sid;
    let holder = Holder {
        me: context.me,
        coordinator: &context.coordinator,
        channels: &channels,
        ledger: &context.view,
        head: context.tree_head.as_ref(),
    };
    let cohort = match ready::check(start, &body, &seat.facts, &holder, &kept) {
        Ok(cohort) => cohort,
        Err(fault) => return Step::Abort(sid, Some(fault)),
    };
    if let Err((fault, both)) = ready::check_heads(&cohort) {
        return Step::Dispute(sid, fault, both);
    }
    let others = cohort.heads.iter().filter(|head| Some(*head) != context.tree_head.as_ref());
    let others: Vec<SignedTreeHead> = others.copied().collect();
    let followed =
        ready::ready(&cohort, &seat.facts, &context.identity).map_err(Fault::from).and_then(|ready| {
            let mut outputs = vec![seat.wait(Round::Ready, at, seat.facts.header.deadlines.ready_ms)];
            outputs.extend((!others.is_empty()).then_some(Output::Heads(others)));
            let echoed = Event::Echoed { sid, nodes: cohort.echoes.clone() };
            outputs.extend((!cohort.echoes.is_empty()).then_some(Output::Notify(echoed)));
            outputs.extend(seat.answer(request, &[Message::Ready(ready)])?);
            Ok(outputs)
        });
    match followed {
        Ok(outputs) => {
            Step::Next(Stage::Following(Box::new(Following { seat, contribution, kept, cohort })), outputs)
        }
        Err(fault) => Step::Abort(sid, Some(fault)),
    }
}

/// Rows 4 and 5: spent is durable before the report leaves.
pub(crate) fn on_go(
    context: &mut Context,
    stage: Box<Following>,
    go: &Go,
    request: Request,
    at: Time,
) -> Step {
    let body = match contribute::open_go(go, &stage.seat.facts, &context.coordinator) {
        Ok(body) => body,
        Err(fault) => return Step::Reject(Stage::Following(stage), fault),
    };
    let Following { mut seat, contribution, kept, cohort } = *stage;
    let sid = seat.facts.sid;
    // The report names the ledger as it is once SPENT is in it.
    let own = (context.me, &*context.identity, context.view.seq().saturating_add(1));
    let masked = contribute::check(go, &body, &seat.facts, &cohort).and_then(|hash| {
        Ok((hash, contribute::mask(&seat.facts, &hash, &contribution, &cohort, &kept, own)?))
    });
    let (hash, masked) = match masked {
        Ok(masked) => masked,
        Err(fault) => return Step::Abort(sid, Some(fault)),
    };
    let spent = contribute::spent(&seat.facts, seat.extract, &context.view);
    let contribute_ms = seat.facts.header.deadlines.contribute_ms;
    let mut outputs = vec![context.persist(spent), seat.wait(Round::Contribute, at, contribute_ms)];
    if ablated!("spent-not-kept") {
        outputs.retain(|output| !matches!(output, Output::Persist(_)));
    }
    outputs.extend(seat.answer_frames(request, masked.frames));
    Step::Next(Stage::Gone(Box::new(Gone { seat, go: hash, cohort, report: masked.report })), outputs)
}

/// Rows 6 and 7: confirmed is durable before CONFIRM leaves.
pub(crate) fn on_freeze(
    context: &mut Context,
    stage: Box<Gone>,
    freeze: Freeze,
    request: Request,
    at: Time,
) -> Step {
    let opened = confirm::open_body(&freeze.body, Signed::Freeze, &stage.seat.facts, &context.coordinator);
    let body = match opened {
        Ok(body) => body,
        Err(fault) => return Step::Reject(Stage::Gone(stage), fault),
    };
    let Gone { mut seat, go, cohort, report } = *stage;
    let sid = seat.facts.sid;
    let own = (context.me, &go, &cohort, &report);
    if let Err(fault) = confirm::check(&freeze, &body, &seat.facts, own) {
        return Step::Abort(sid, Some(fault));
    }
    let survivors = freeze.survivors.into_vec();
    let record = Record::Confirmed {
        lock: seat.facts.header.lock.clone(),
        extract: seat.extract,
        pass: seat.facts.header.pass,
        sid,
        freeze: body.freeze,
        survivors: survivors.iter().map(|one| one.node).collect(),
        seen: survivors.iter().map(|one| (one.node, one.ledger_seq)).collect(),
    };
    let mut outputs = vec![context.persist(record)];
    if ablated!("confirmed-not-kept") {
        outputs.clear();
    }
    outputs.push(seat.wait(Round::Confirm, at, seat.facts.header.deadlines.confirm_ms));
    let signed = Sealed::new(&context.identity, Signed::Confirm, &body).map_err(Fault::from);
    match signed.and_then(|confirm| seat.answer(request, &[Message::Confirm(confirm)])) {
        Ok(answer) => outputs.extend(answer),
        Err(fault) => return Step::Abort(sid, Some(fault)),
    }
    if ablated!("second-freeze") {
        return Step::Next(Stage::Gone(Box::new(Gone { seat, go, cohort, report })), outputs);
    }
    let confirmed = Confirmed { seat, go, cohort, survivors, freeze: body.freeze };
    Step::Next(Stage::Confirmed(Box::new(confirmed)), outputs)
}

/// Rows 8 and 9: the set is certified; shares of r for those outside it.
pub(crate) fn on_certificate(
    context: &mut Context,
    stage: Box<Confirmed>,
    certificate: &Certificate,
    request: Request,
    at: Time,
) -> Step {
    let facts = &stage.seat.facts;
    let body = match confirm::open_body(&certificate.body, Signed::Certificate, facts, &context.coordinator) {
        Ok(body) => body,
        Err(fault) => return Step::Reject(Stage::Confirmed(stage), fault),
    };
    let sid = facts.sid;
    let nodes: Vec<NodeId> = stage.survivors.iter().map(|one| one.node).collect();
    let own = (context.me, &stage.freeze, nodes.as_slice());
    let bound = match confirm::check_certificate(certificate, &body, facts, own) {
        Ok(bound) => bound,
        Err(fault) => return Step::Abort(sid, Some(fault)),
    };
    let hash = crate::rounds::certificate_hash(&stage.freeze, &certificate.confirmations);
    let mut confirmed = *stage;
    let header = &confirmed.seat.facts.header;
    let (lock, pass, extract) = (header.lock.clone(), header.pass, confirmed.seat.extract);
    let mut outputs = vec![context.persist(Record::Certified { lock, extract, pass, bound })];
    let reveal_ms = confirmed.seat.facts.header.deadlines.reveal_ms;
    outputs.push(confirmed.seat.wait(Round::Reveal, at, reveal_ms));
    let open_all = ablated!("leak-r-of-survivors");
    let dropouts: Vec<NodeId> =
        confirmed.cohort.members().filter(|node| !nodes.contains(node) || open_all).collect();
    if !dropouts.is_empty() {
        let shares = reveal(
            Which::R,
            dropouts.into_iter(),
            &confirmed.seat.facts,
            &confirmed.freeze,
            &confirmed.cohort,
        );
        let answer = shares
            .map_err(Fault::from)
            .and_then(|shares| confirmed.seat.answer(request, &[Message::RevealR(shares)]));
        match answer {
            Ok(answer) => outputs.extend(answer),
            Err(fault) => return Step::Abort(sid, Some(fault)),
        }
    }
    Step::Next(Stage::Revealing(Box::new(Revealing { confirmed, certificate: hash })), outputs)
}

/// Rows 10 and 11: released is durable before the shares leave; they are given once.
pub(crate) fn on_ask_b(
    context: &mut Context,
    stage: Box<Revealing>,
    ask: &Sealed<128>,
    request: Request,
    at: Time,
) -> Step {
    let facts = &stage.confirmed.seat.facts;
    let body = match confirm::open_body(ask, Signed::AskB, facts, &context.coordinator) {
        Ok(body) => body,
        Err(fault) => return Step::Reject(Stage::Revealing(stage), fault),
    };
    let sid = facts.sid;
    if body.freeze != stage.confirmed.freeze {
        return Step::Abort(sid, Some(Fault::new(Check::A18, "ASK-B is over other survivors")));
    }
    let Revealing { mut confirmed, certificate } = *stage;
    let mut outputs = vec![context.persist(Record::Released { sid })];
    let deadlines = confirmed.seat.facts.header.deadlines;
    let wait_ms = deadlines.reveal_ms.saturating_add(deadlines.contribute_ms);
    outputs.push(confirmed.seat.wait(Round::Result, at, wait_ms));
    let mut nodes: Vec<NodeId> = confirmed.survivors.iter().map(|one| one.node).collect();
    if ablated!("leak-b-of-dropouts") {
        nodes = confirmed.cohort.members().collect();
    }
    let shares =
        reveal(Which::B, nodes.into_iter(), &confirmed.seat.facts, &confirmed.freeze, &confirmed.cohort);
    let answer = shares
        .map_err(Fault::from)
        .and_then(|shares| confirmed.seat.answer(request, &[Message::RevealB(shares)]));
    match answer {
        Ok(answer) => outputs.extend(answer),
        Err(fault) => return Step::Abort(sid, Some(fault)),
    }
    if !ablated!("answers-kept") {
        confirmed.cohort.forget();
    }
    let released = Released { confirmed, certificate, verification: None };
    Step::Next(Stage::Released(Box::new(released)), outputs)
}
