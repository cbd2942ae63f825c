//! A lying coordinator's frames: changed in one place and signed again.
//!
//! Each lie is one that some check of a node is there for. It must not lie to the claims.

use super::plan::Act;
use super::run::Run;
use samensom_protocol::codec::{Bytes, List};
use samensom_protocol::crypto::keys::Signed;
use samensom_protocol::ids::{GoHash, NodeId, StartHash};
use samensom_protocol::message::{FreezeBody, GoBody, Message, ResultBody, Sealed, StartBody};
use samensom_protocol::rounds;

/// The frame as it leaves: as it was, or forged if the plan says so.
pub fn frame(run: &mut Run, c: usize, to: NodeId, bytes: Vec<u8>) -> Vec<u8> {
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
        let Some(forged) = message.and_then(|message| forge(run, c, to, how, message)) else { continue };
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
    "an altered report",
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

fn forge(run: &Run, c: usize, to: NodeId, how: u8, message: Message) -> Option<Message> {
    let identity = &run.world.coordinator;
    let open = run.centres[c].open.as_ref();
    let quorum = usize::from(run.world.warrants[0].1.params().thresholds.quorum);
    let _ = open;
    match (how, message) {
        (0, Message::Certificate(mut certificate)) => {
            let mut signatures = certificate.confirmations.into_vec();
            signatures.truncate(quorum - 1);
            certificate.confirmations = List::new(signatures).ok()?;
            Some(Message::Certificate(certificate))
        }
        (5, Message::Certificate(certificate)) => {
            let body: FreezeBody = certificate.body.open(&identity.public(), Signed::Certificate)?;
            Some(Message::AskB(Sealed::new(identity, Signed::AskB, &body).ok()?))
        }
        (1 | 2, Message::Freeze(mut freeze)) => {
            let body: FreezeBody = freeze.body.open(&identity.public(), Signed::Freeze)?;
            let keep = if how == 1 { freeze.survivors.len() - 1 } else { quorum - 1 };
            let mut survivors = freeze.survivors.into_vec();
            while survivors.len() > keep {
                let other = survivors.iter().rposition(|one| one.node != to)?;
                survivors.remove(other);
            }
            let go = run.oracle.goes.get(&body.sid)?;
            let freeze_hash = rounds::freeze_hash(&GoHash(*go), &survivors);
            let body = FreezeBody { sid: body.sid, freeze: freeze_hash };
            freeze.body = Sealed::new(identity, Signed::Freeze, &body).ok()?;
            freeze.survivors = List::new(survivors).ok()?;
            Some(Message::Freeze(freeze))
        }
        (3, Message::Go(mut go)) => {
            let body: GoBody = go.body.open(&identity.public(), Signed::Go)?;
            let mut readies = go.readies.into_vec();
            let other = readies.iter().rposition(|one| one.node != to)?;
            readies.remove(other);
            let start = run.oracle.starts.get(&body.sid).map(|start| StartHash(*start))?;
            let hash = rounds::go_hash(&start, &readies).ok()?;
            go.body = Sealed::new(identity, Signed::Go, &GoBody { sid: body.sid, go: hash }).ok()?;
            go.readies = List::new(readies).ok()?;
            Some(Message::Go(go))
        }
        (4, Message::Start(mut start)) => {
            let body: StartBody = start.body.open(&identity.public(), Signed::Start)?;
            let (mut cohort, mut dealers) = (body.cohort.into_vec(), start.dealers.into_vec());
            let other = cohort.iter().rposition(|one| one.node != to)?;
            cohort.remove(other);
            dealers.remove(other);
            let body = StartBody { sid: body.sid, cohort: List::new(cohort).ok()? };
            start.body = Sealed::new(identity, Signed::Start, &body).ok()?;
            start.dealers = List::new(dealers).ok()?;
            Some(Message::Start(start))
        }
        (6, Message::Outcome(mut outcome)) => {
            let mut body: ResultBody = outcome.body.open(&identity.public(), Signed::Result)?;
            body.total = Bytes([7; 32]);
            outcome.body = Sealed::new(identity, Signed::Result, &body).ok()?;
            Some(Message::Outcome(outcome))
        }
        (7, Message::OutcomeBlock(mut block)) => {
            let mut bytes = block.bytes.to_vec();
            *bytes.first_mut()? ^= 1;
            block.bytes = samensom_protocol::codec::Blob::new(bytes).ok()?;
            Some(Message::OutcomeBlock(block))
        }
        _ => None,
    }
}
