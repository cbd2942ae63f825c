//! VOIDs at the coordinator: asked for before a new session in a slot where reports were lost (A24).

use super::{Close, Setup, too_few};
use crate::crypto::keys::{Identity, Signed};
use crate::ids::{AttemptId, NodeId};
use crate::io::{Event, Output, Peer};
use crate::message::{Message, Round, Sealed, VoidAsk, Voids};
use crate::rounds::void::Voiding;
use crate::time::Time;

/// VOID-ASK for each attempt.
pub(crate) fn frames(attempts: Vec<AttemptId>, identity: &Identity) -> Vec<Vec<u8>> {
    let ask = |sid| Sealed::new(identity, Signed::VoidAsk, &VoidAsk { sid }).map(Message::VoidAsk);
    attempts.into_iter().filter_map(|sid| ask(sid).and_then(|ask| ask.to_frame()).ok()).collect()
}

/// Asks everyone who is there.
pub(crate) fn ask(setup: &Setup, at: Time) -> (Voiding, Vec<Output>) {
    let nodes: Vec<NodeId> = setup.invited.iter().map(|invited| invited.node).collect();
    let mut voiding = Voiding::new(&setup.unsettled, &[]);
    let mut outputs = Vec::new();
    for node in &nodes {
        let asked = frames(voiding.again(*node), &setup.identity);
        outputs.extend(asked.into_iter().map(|bytes| Output::Send { to: Peer::Node(*node), bytes }));
    }
    let (round, ms) = (Round::Void, setup.warrant.params().deadlines.confirm_ms);
    if let Some(sid) = voiding.first() {
        let expected = u16::try_from(nodes.len()).unwrap_or(u16::MAX);
        outputs.push(Output::Notify(Event::Opened { sid, attempt: 0, round, expected }));
        outputs.push(Output::Arm { sid, round, at: at.plus_ms(u64::from(ms)) });
    }
    (voiding, outputs)
}

/// VOIDS are durable before they are sent; an attempt of this slot that is not void closes the slot.
pub(crate) fn close(voiding: Voiding, at: Time) -> Close {
    match voiding.close() {
        Err((needed, present)) => Close::Fail(too_few(Round::Void, needed, present), Vec::new()),
        Ok(voids) => {
            let frame =
                |one: &Voids| Message::Voids(one.clone()).to_frame().ok().map(|bytes| (one.sid, bytes));
            let kept = voids.iter().filter_map(frame);
            let kept = kept.map(|(sid, bytes)| super::stages::sent(sid, Round::Void, at, &bytes)).collect();
            Close::Void(voids, kept)
        }
    }
}

/// VOIDS for everyone invited.
pub(crate) fn tell(setup: &Setup) -> Vec<Output> {
    setup.invited.iter().flat_map(|invited| tell_one(setup, invited.node)).collect()
}

/// VOIDS for one node.
pub(crate) fn tell_one(setup: &Setup, node: NodeId) -> Vec<Output> {
    let frames = setup.voided.iter().filter_map(|voids| Message::Voids(voids.clone()).to_frame().ok());
    frames.map(|bytes| Output::Send { to: Peer::Node(node), bytes }).collect()
}
