//! Targets of the two state machines: the fuzzer's bytes are what happens to the frames of a session.
//!
//! Each act is a byte and its arguments; when they are used up the session is left alone and must come to
//! its end. Targets differ in what the fuzzer may do: only the network's part, foreign inputs, bytes of a
//! channel, the coordinator's key, one node's key. What must hold stands in `promises.rs`.

use super::forged;
use super::play::{Flying, HOSPITALS, Play};
use samensom_protocol::crypto::transcript::sha256;
use samensom_protocol::ids::{AttemptId, NodeId, TreeRoot};
use samensom_protocol::io::{Input, Peer, Refusal};
use samensom_protocol::message::Round;
use samensom_protocol::transparency::{SignedTreeHead, TreeHead};

/// Most acts of one run.
const ACTS: usize = 300;
/// Most frames in the air; beyond, doubling ones are delivered without staying.
const CROWD: usize = 400;
const ROUNDS: [Round; 8] = [
    Round::Channel,
    Round::Deposit,
    Round::Ready,
    Round::Contribute,
    Round::Confirm,
    Round::Reveal,
    Round::Result,
    Round::Void,
];
/// Milliseconds that pass at once.
const PAUSES: [u64; 8] = [1, 400, 5_000, 6_000, 11_000, 60_000, 7_200_000, 72_000_000];

/// What the fuzzer may do beside the network's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    /// Loss, delay, doubling, order, restarts, deadlines.
    Network,
    /// And inputs that no driver gives.
    Inputs,
    /// And other bytes in anybody's channel.
    Tampered,
    /// And orders signed with the coordinator's key.
    Orders,
    /// And answers signed with one node's key.
    Answers,
}

/// The node whose key the fuzzer has in [`lying_node`].
const LIAR: NodeId = NodeId(1);

/// The fuzzer's bytes, read from the front.
pub(super) struct Script<'a>(&'a [u8]);

impl Script<'_> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }
    /// A place in a list of `len`; 0 when the bytes are used up.
    pub(super) fn place(&mut self, len: usize) -> usize {
        let wide = if len > 256 { self.byte() } else { None };
        let at = usize::from(wide.unwrap_or(0)) << 8 | usize::from(self.byte().unwrap_or(0));
        at.checked_rem(len).unwrap_or(0)
    }
    fn node(&mut self) -> NodeId {
        NodeId(1 + u16::from(self.byte().unwrap_or(0)) % HOSPITALS)
    }
}

/// Only what networks and machines do by themselves.
pub fn network(data: &[u8]) {
    run(data, Power::Network);
}

/// Also inputs that no driver would give, in any state.
pub fn inputs(data: &[u8]) {
    run(data, Power::Inputs);
}

/// Also frames with other bytes, or in another's channel.
pub fn tampered(data: &[u8]) {
    run(data, Power::Tampered);
}

/// Also orders that are signed with the coordinator's key.
pub fn lying_coordinator(data: &[u8]) {
    run(data, Power::Orders);
}

/// Also answers of one node that are signed with its key.
pub fn lying_node(data: &[u8]) {
    run(data, Power::Answers);
}

fn run(data: &[u8], power: Power) {
    drop(played(data, power));
}

fn played(data: &[u8], power: Power) -> Play {
    let (mut play, mut script) = (Play::new(), Script(data));
    for _ in 0..ACTS {
        let Some(code) = script.byte() else { break };
        act(&mut play, &mut script, code % 16, power);
    }
    play.finish();
    play
}

/// A session over a network that does this, from its beginning to its end.
#[must_use]
pub fn session(script: &[u8]) -> Play {
    played(script, Power::Network)
}

fn act(play: &mut Play, script: &mut Script, code: u8, power: Power) {
    match code {
        0..=2 => {
            for _ in 0..=script.place(32) {
                take(play, 0).into_iter().for_each(|frame| play.deliver(frame));
            }
        }
        3 => {
            let place = script.place(play.flying.len());
            take(play, place).into_iter().for_each(|frame| again(play, frame));
        }
        4 => drop(take(play, script.place(play.flying.len()))),
        5 => {
            let doubled = play.flying.get(script.place(play.flying.len())).cloned();
            doubled.into_iter().for_each(|frame| again(play, frame));
        }
        6 => {
            let past = play.past.get(script.place(play.past.len())).cloned();
            past.into_iter().for_each(|frame| again(play, frame));
        }
        7 => drop(play.due_at_centre()),
        8 => play.pass(PAUSES[script.place(PAUSES.len())]),
        9 => play.restart(script.node()),
        10 => play.restart_centre(),
        11 => {
            let (node, at) = (script.node(), play.now);
            play.step_centre(Input::Lost { node, at });
        }
        12 => {
            let (node, at) = (script.node(), play.now);
            play.step_centre(Input::Linked { node, at });
        }
        13 => play.begin(),
        _ => match power {
            Power::Network => {}
            Power::Inputs => odd_input(play, script),
            Power::Tampered => tamper(play, script, None),
            Power::Orders if code == 14 => tamper(play, script, Some(Peer::Coordinator)),
            Power::Orders => forge(play, script, Peer::Coordinator),
            Power::Answers if code == 14 => tamper(play, script, Some(Peer::Node(LIAR))),
            Power::Answers => forge(play, script, Peer::Node(LIAR)),
        },
    }
}

fn take(play: &mut Play, place: usize) -> Option<Flying> {
    (place < play.flying.len()).then(|| play.flying.remove(place))
}

/// Delivers a frame again, or before its turn: in a verified channel only its end can do that.
fn again(play: &mut Play, frame: Flying) {
    if let Peer::Node(node) = frame.from {
        play.promises.meddled.insert(node);
    }
    play.deliver(frame);
}

/// An attempt: one that is or was, or one that never was.
fn some_attempt(play: &Play, script: &mut Script) -> AttemptId {
    let mut known: Vec<AttemptId> = play.centre.attempts.iter().map(|(sid, _, _)| *sid).collect();
    known.extend(play.hospitals.values().filter_map(|hospital| hospital.asked));
    known.push(AttemptId(sha256(b"never")));
    known[script.place(known.len())]
}

/// An input that no driver would give now.
fn odd_input(play: &mut Play, script: &mut Script) {
    let (kind, node, at) = (script.place(10), script.node(), play.now);
    let (sid, round) = (some_attempt(play, script), ROUNDS[script.place(ROUNDS.len())]);
    match kind {
        0 => play.step_node(node, Input::Start(at)),
        1 => play.step_node(node, Input::Refused { sid, why: Refusal::Extract }),
        2 => play.step_node(node, Input::Deadline { sid, round, at }),
        3 => play.step_node(node, Input::Lost { node, at }),
        4 => play.measured(node, sid, play.slot()),
        5 => play.step_centre(Input::Deadline { sid, round, at }),
        6 => {
            let bytes = play.centre.spooled(node).into_iter().next().unwrap_or_default();
            play.step_centre(Input::Recalled {
                node,
                block: u32::from(script.byte().unwrap_or(0)),
                bytes,
                at,
            });
        }
        7 => play.step_centre(Input::Start(at)),
        8 => {
            // Few lengths and two stories, so that two nodes may keep one, or both.
            let byte = script.byte().unwrap_or(0);
            let head = TreeHead { size: u64::from(byte & 3), root: TreeRoot([byte & 4; 32]) };
            let signed = SignedTreeHead::new(&play.town.coordinator, head);
            signed.into_iter().for_each(|head| play.step_node(node, Input::TreeHead(head)));
        }
        _ => play.step_centre(Input::Refused { sid, why: Refusal::Policy }),
    }
}

/// A frame with other bytes, cut, longer, out of nothing, or in another's channel; of `from` if given.
fn tamper(play: &mut Play, script: &mut Script, from: Option<Peer>) {
    let (kind, stays) = (script.place(6), script.byte().is_some_and(|byte| byte % 2 == 1));
    let mine: Vec<usize> =
        (0..play.flying.len()).filter(|i| from.is_none_or(|from| play.flying[*i].from == from)).collect();
    let Some(place) = mine.get(script.place(mine.len())).copied() else { return };
    let mut frame = play.flying[place].clone();
    match kind {
        0 | 1 => {
            let at = script.place(frame.bytes.len());
            frame.bytes[at] ^= script.byte().unwrap_or(1).max(1);
        }
        2 => frame.bytes.truncate(script.place(frame.bytes.len())),
        3 => frame.bytes.extend((0..=script.place(16)).map(|_| script.byte().unwrap_or(0))),
        4 => frame.bytes = (0..script.place(64)).map_while(|_| script.byte()).collect(),
        _ if from.is_none() => match (frame.from, frame.to) {
            (Peer::Node(_), _) => frame.from = Peer::Node(script.node()),
            (_, Peer::Node(_)) => frame.to = Peer::Node(script.node()),
            _ => {}
        },
        _ => return,
    }
    if let Peer::Node(node) = frame.from {
        play.promises.meddled.insert(node);
    }
    if !stays || play.flying.len() > CROWD {
        play.flying.remove(place);
    }
    play.deliver(frame);
}

/// A frame of `from` that is signed anew over something else.
fn forge(play: &mut Play, script: &mut Script, from: Peer) {
    let (stays, signer) = (script.byte().is_some_and(|byte| byte % 2 == 1), from);
    let mine: Vec<usize> = (0..play.past.len()).filter(|i| play.past[*i].from == from).collect();
    // The newest first: they are the ones that are asked of the state that is open.
    let Some(place) = mine.iter().rev().nth(script.place(mine.len())).copied() else { return };
    let frame = play.past[place].clone();
    let key = match signer {
        Peer::Coordinator => play.town.coordinator.clone(),
        Peer::Node(node) => play.town.identities[&node].clone(),
    };
    let Some(bytes) = forged::anew(&frame.bytes, &key, &play.promises.gos, script) else { return };
    match signer {
        Peer::Coordinator => play.promises.false_orders = true,
        Peer::Node(node) => drop(play.promises.liars.insert(node)),
    }
    if !stays && let Some(flying) = play.flying.iter().position(|one| *one == frame) {
        play.flying.remove(flying);
    }
    play.deliver(Flying { bytes, ..frame });
}
