//! How an attempt ends at a node: the result is verified, or contradicted, or the coordinator gives it up.

use super::stages::{Released, Stage};
use super::{Context, Step};
use crate::ablation::ablated;
use crate::crypto::keys::Signed;
use crate::error::{Check, Fault};
use crate::io::{Event, Output, Peer, Record};
use crate::message::{AlarmBody, EndBody, Message, Outcome, OutcomeBlock, OutcomeReport, ResultBody, Sealed};
use crate::rounds::offer::Facts;
use crate::rounds::result::Verification;
use rand_core::CryptoRng;

/// Row 12: what was opened, before the commitments.
pub(crate) fn on_outcome(context: &Context, stage: Box<Released>, outcome: &Outcome) -> Step {
    let facts = &stage.confirmed.seat.facts;
    let body: Option<ResultBody> = outcome.body.open(&context.coordinator, Signed::Result);
    let body = body.filter(|body| body.sid == facts.sid && body.freeze == stage.confirmed.freeze);
    // The same RESULT again, over a new link, begins the verification anew; another one is refused.
    let same = |body: &ResultBody| stage.verification.as_ref().is_none_or(|running| running.body() == body);
    let Some(body) = body.filter(same) else {
        let fault = Fault::new(Check::A18, "RESULT is not signed for these survivors, or is a second one");
        return Step::Reject(Stage::Released(stage), fault);
    };
    let own = (context.me, &stage.confirmed.cohort, stage.confirmed.survivors.as_slice());
    match Verification::new(outcome, body, facts, own, stage.certificate) {
        Ok(verification) => {
            let stage = Released { verification: Some(verification), ..*stage };
            Step::Next(Stage::Released(Box::new(stage)), Vec::new())
        }
        Err(fault) => alarm(context, &body, fault),
    }
}

/// Row 12: what a survivor committed to.
pub(crate) fn on_outcome_report(context: &Context, mut stage: Box<Released>, report: &OutcomeReport) -> Step {
    let Released { confirmed, verification, .. } = &mut *stage;
    let survivors = confirmed.survivors.as_slice();
    let of = |running: &&mut Verification| {
        report.sid == confirmed.seat.facts.sid && running.expects(report, survivors)
    };
    let Some(running) = verification.as_mut().filter(of) else {
        let fault = Fault::new(Check::A18, "commitments before RESULT, of another attempt, or out of order");
        return Step::Reject(Stage::Released(stage), fault);
    };
    let body = *running.body();
    match running.report(report, &confirmed.seat.facts, &confirmed.go, (&confirmed.cohort, survivors)) {
        Ok(()) => Step::Next(Stage::Released(stage), Vec::new()),
        Err(fault) => alarm(context, &body, fault),
    }
}

/// Row 12: the total; its last block verifies it.
pub(crate) fn on_outcome_block(
    context: &mut Context,
    mut stage: Box<Released>,
    block: &OutcomeBlock,
    rng: &mut impl CryptoRng,
) -> Step {
    let Released { confirmed, verification, .. } = &mut *stage;
    let of = |running: &&mut Verification| {
        block.sid == confirmed.seat.facts.sid && running.is_next(block, &confirmed.survivors)
    };
    let Some(running) = verification.as_mut().filter(of) else {
        let what = "a block of the total before RESULT and all commitments, or out of order";
        return Step::Reject(Stage::Released(stage), Fault::new(Check::A18, what));
    };
    let body = *running.body();
    match running.block(block, &confirmed.seat.facts, rng) {
        Ok(false) => Step::Next(Stage::Released(stage), Vec::new()),
        Ok(true) => {
            let mut outputs = vec![context.persist(Record::Filed { sid: body.sid, result: body.result })];
            let facts = &confirmed.seat.facts;
            if let Some(open) = facts.opened(running.total()) {
                outputs.push(context.persist(Record::Counted {
                    warrant: facts.header.warrant,
                    slot: facts.header.slot,
                    freeze: confirmed.freeze,
                    result: body.result,
                    survivors: confirmed.survivors.iter().map(|one| one.node).collect(),
                    open: open.to_bytes(),
                    // No total is more than the hospitals of a roster.
                    totals: running.total().iter().filter_map(|lane| u16::try_from(*lane).ok()).collect(),
                }));
            }
            outputs.extend(
                summed(facts, running.total(), confirmed.survivors.len()).map(|one| context.persist(one)),
            );
            outputs.push(Output::Notify(Event::Verified { sid: body.sid, result: body.result }));
            let after = if ablated!("answers-kept") { Stage::Released(stage) } else { Stage::Idle };
            Step::Next(after, outputs)
        }
        Err(fault) => alarm(context, &body, fault),
    }
}

/// The totals that later sums of the query are compared with, where a verified value pass has any.
fn summed(facts: &Facts, lanes: &[u64], survivors: usize) -> Option<Record> {
    let (open, count) = (facts.open.as_deref()?, facts.warrant.count()?);
    let (survivors, layout) = (u16::try_from(survivors).ok()?, facts.warrant.query().layout());
    let totals = count.counting.opened_totals(&layout, open, lanes, survivors);
    let (query, slot) = (facts.warrant.query_hash(), facts.header.slot);
    totals.iter().any(|total| *total > 0).then_some(Record::Summed { query, slot, totals })
}

/// The result does not verify: say so, signed.
fn alarm(context: &Context, body: &ResultBody, fault: Fault) -> Step {
    let alarm = AlarmBody { sid: body.sid, result: body.result };
    let sealed = Sealed::new(&context.identity, Signed::Alarm, &alarm).ok();
    let frame = sealed.and_then(|sealed| Message::Alarm(sealed).to_frame().ok());
    let mut outputs: Vec<Output> =
        frame.into_iter().map(|bytes| Output::Send { to: Peer::Coordinator, bytes }).collect();
    outputs.push(Output::Notify(Event::Ended { sid: body.sid, fault: Some(fault) }));
    Step::Next(Stage::Idle, outputs)
}

/// The coordinator gives the attempt up: secrets are wiped.
pub(crate) fn on_end(context: &Context, stage: Stage, end: &Sealed<128>) -> Step {
    let open = stage.attempt();
    let body: Option<EndBody> = end.open(&context.coordinator, Signed::End);
    match body {
        Some(body) if Some(body.sid) == open => {
            let given_up = Event::GivenUp { sid: body.sid, reason: body.reason };
            Step::Next(Stage::Idle, vec![Output::Notify(given_up)])
        }
        _ => Step::Reject(stage, Fault::new(Check::A01, "END is not signed for the open attempt")),
    }
}
