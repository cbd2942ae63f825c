//! VOID at a node: the promise never to confirm an attempt, and what a quorum of them undoes (A24).

use super::{Context, Stage, Step};
use crate::ablation::ablated;
use crate::error::{Check, Fault};
use crate::io::{Event, Output, Peer, Record};
use crate::message::{EndReason, Message, Sealed, Voids};
use crate::rounds::void;

/// The promise is durable before VOID leaves; the open attempt, if it is that one, ends here.
pub(crate) fn on_void_ask(context: &mut Context, stage: Stage, ask: &Sealed<128>) -> Step {
    let sid = match void::open_ask(ask, &context.coordinator) {
        Ok(sid) => sid,
        Err(fault) => return Step::Reject(stage, fault),
    };
    let rolled_back = Fault::unless(
        !context.view.rolled_back(),
        Check::A24,
        "VOID-ASK, but this node's ledger was rolled back: it promises nothing",
    );
    if let Err(fault) = rolled_back.and_then(|()| void::may_void(&sid, &context.view)) {
        let refusal = Message::Refusal(sid).to_frame().ok();
        let send = refusal.map(|bytes| Output::Send { to: Peer::Coordinator, bytes });
        let reject = Output::Reject { from: Peer::Coordinator, fault };
        return Step::Next(stage, std::iter::once(reject).chain(send).collect());
    }
    let mut outputs = Vec::new();
    if context.view.voided(&sid).is_none() {
        let promise = context.persist(Record::Voided { sid });
        outputs.extend(Some(promise).filter(|_| !ablated!("void-not-kept")));
    }
    let ledger_seq = context.view.voided(&sid).unwrap_or(0);
    let signed = void::void(sid, ledger_seq, &context.identity).map(Message::Void);
    match signed.and_then(|void| void.to_frame()) {
        Ok(bytes) => outputs.push(Output::Send { to: Peer::Coordinator, bytes }),
        Err(malformed) => return Step::Reject(stage, malformed.into()),
    }
    context.used.insert(sid);
    end(stage, sid, outputs)
}

/// The record is again what it was before the attempt.
pub(crate) fn on_voids(context: &mut Context, stage: Stage, voids: &Voids) -> Step {
    let sid = voids.sid;
    let Some(attempt) = context.view.attempt(&sid).filter(|attempt| !attempt.returned).cloned() else {
        return Step::Next(stage, Vec::new());
    };
    if let Err(fault) = void::check(voids, &context.view, &context.rosters) {
        return Step::Reject(stage, fault);
    }
    let (lock, extract, pass) = (attempt.lock, attempt.extract, attempt.pass);
    let returned = context.persist(Record::Returned { lock, extract, pass, sid });
    context.used.insert(sid);
    end(stage, sid, vec![returned])
}

/// Wipes the attempt if it is the open one.
fn end(stage: Stage, sid: crate::ids::AttemptId, mut outputs: Vec<Output>) -> Step {
    if stage.attempt() != Some(sid) {
        return Step::Next(stage, outputs);
    }
    outputs.push(Output::Notify(Event::GivenUp { sid, reason: EndReason::TooFew }));
    Step::Next(Stage::Idle, outputs)
}
