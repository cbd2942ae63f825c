//! A lying coordinator's frames: changed in one place and signed again.
//!
//! Each lie is one that some check of a node is there for. It must not lie to the claims.

use super::plan::Act;
use super::run::Run;
use crate::forge::message as kit;
use samensom_protocol::codec::{Blob, Bytes};
use samensom_protocol::crypto::keys::Signed;
use samensom_protocol::ids::{GoHash, NodeId, StartHash};
use samensom_protocol::message::{FreezeBody, GoBody, Message, StartBody};

/// The frame as it leaves: as it was, or forged if the plan says so.
pub fn frame(run: &mut Run, to: NodeId, bytes: Vec<u8>) -> Vec<u8> {
    let mut tried = None;
    for how in 0..8u8 {
        if !run
            .acts()
            .any(|(_, act)| matches!(act, Act::Forge { node, how: h, .. } if (*node, *h) == (to.0, how)))
        {
            continue;
        }
        let message = tried.get_or_insert_with(|| Message::from_frame(&bytes).ok()).clone();
        if !message.as_ref().is_some_and(|message| fits(how, message)) {
            continue;
        }
        let count = run.forged.entry((to.0, how)).or_default();
        let nth = *count;
        *count += 1;
        let due = Act::Forge { node: to.0, nth, how };
        if !run.acts().any(|(_, act)| *act == due) {
            continue;
        }
        let Some(forged) = message.and_then(|message| forge(run, to, how, message)) else { continue };
        if let Ok(frame) = forged.to_frame() {
            run.count_act(&due);
            run.oracle.lies += 1;
            run.tell(|_| format!("the coordinator lies to {to}: {}", NAMES[usize::from(how)]));
            return frame;
        }
    }
    bytes
}

const NAMES: [&str; 8] = [
    "CERT with one signature less than q",
    "FREEZE without one survivor",
    "FREEZE with fewer than q",
    "GO without one READY",
    "START without one dealer",
    "ASK-B before CERT",
    "another total in RESULT",
    "an altered block of the total",
];

fn fits(how: u8, message: &Message) -> bool {
    match how {
        0 | 5 => matches!(message, Message::Certificate(_)),
        1 | 2 => matches!(message, Message::Freeze(_)),
        3 => matches!(message, Message::Go(_)),
        4 => matches!(message, Message::Start(_)),
        6 => matches!(message, Message::Outcome(_)),
        _ => matches!(message, Message::OutcomeBlock(_)),
    }
}

/// The last of these that is not the node's own; the node must find itself in every lie.
fn other<T>(items: &[T], to: NodeId, node: impl Fn(&T) -> NodeId) -> Option<usize> {
    items.iter().rposition(|one| node(one) != to)
}

fn forge(run: &Run, to: NodeId, how: u8, message: Message) -> Option<Message> {
    let by = &run.world.coordinator;
    let quorum = usize::from(run.world.warrants[0].1.params().thresholds.quorum);
    match (how, message) {
        (0, Message::Certificate(mut certificate)) => {
            kit::certificate(&mut certificate, |signatures| signatures.truncate(quorum - 1));
            Some(Message::Certificate(certificate))
        }
        (5, Message::Certificate(certificate)) => {
            let body: FreezeBody = certificate.body.open(&by.public(), Signed::Certificate)?;
            Some(Message::AskB(kit::sign(by, Signed::AskB, &body)))
        }
        (1 | 2, Message::Freeze(mut freeze)) => {
            let body: FreezeBody = freeze.body.open(&by.public(), Signed::Freeze)?;
            let keep = if how == 1 { freeze.survivors.len() - 1 } else { quorum - 1 };
            let go = GoHash(*run.oracle.goes.get(&body.sid)?);
            kit::freeze(&mut freeze, by, &go, |survivors| {
                while survivors.len() > keep
                    && let Some(other) = other(survivors, to, |one| one.node)
                {
                    survivors.remove(other);
                }
            });
            Some(Message::Freeze(freeze))
        }
        (3, Message::Go(mut go)) => {
            let body: GoBody = go.body.open(&by.public(), Signed::Go)?;
            let start = run.oracle.starts.get(&body.sid).map(|start| StartHash(*start))?;
            let other = other(&go.readies, to, |one| one.node)?;
            kit::go(&mut go, by, &start, |readies| drop(readies.remove(other)));
            Some(Message::Go(go))
        }
        (4, Message::Start(mut start)) => {
            let body: StartBody = start.body.open(&by.public(), Signed::Start)?;
            let other = other(&body.cohort, to, |one| one.node)?;
            kit::start(&mut start, by, |cohort, dealers| {
                cohort.remove(other);
                dealers.remove(other);
            });
            Some(Message::Start(start))
        }
        (6, Message::Outcome(mut outcome)) => {
            kit::outcome(&mut outcome, by, |body| body.total = Bytes([7; 32]));
            Some(Message::Outcome(outcome))
        }
        (7, Message::OutcomeBlock(mut block)) => {
            let mut bytes = block.bytes.to_vec();
            *bytes.first_mut()? ^= 1;
            block.bytes = Blob::new(bytes).ok()?;
            Some(Message::OutcomeBlock(block))
        }
        _ => None,
    }
}
