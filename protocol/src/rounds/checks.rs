//! Every check A01 to A28 against a liar: a coordinator that signs what it wants, nodes that collude with it.
//!
//! [`Held`] is an honest node in a real session, stopped just before one message of the coordinator; the
//! tests give it another message instead. What may leave it then is a refusal, and nothing is written down.

use crate::crypto::keys::Signed;
use crate::error::Check;
use crate::ids::NodeId;
use crate::io::{Event, Input, Output, Peer};
use crate::message::{Message, Sealed};
use crate::roster::tests::identity;
use crate::testing::{COORDINATOR, Silence, World};
use crate::time::Time;

mod after;
mod answers;
mod before;
mod channels;
mod classes;
mod commitments;
mod counts;
mod dealers;
mod liars;
mod offers;
mod ranges;
mod results;
mod voids;

/// The honest node under attack.
const VICTIM: u16 = 1;

/// What the coordinator signs is what it wants.
fn sign<T: serde::Serialize, const MAX: usize>(what: Signed, value: &T) -> Sealed<MAX> {
    Sealed::new(&identity(COORDINATOR), what, value).unwrap()
}

/// The check by which the node ended its part in these outputs.
fn ended(outputs: &[Output]) -> Option<Option<Check>> {
    outputs.iter().find_map(|output| match output {
        Output::Notify(Event::Ended { fault, .. }) => Some(fault.as_ref().map(|fault| fault.check)),
        _ => None,
    })
}

/// Frames in these outputs.
fn frames(outputs: &[Output]) -> Vec<Vec<u8>> {
    let frame = |output: &Output| match output {
        Output::Send { bytes, .. } => Some(bytes.clone()),
        _ => None,
    };
    outputs.iter().filter_map(frame).collect()
}

/// Messages in these outputs.
fn messages(outputs: &[Output]) -> Vec<Message> {
    frames(outputs).iter().map(|bytes| Message::from_frame(bytes).unwrap()).collect()
}

/// A promise was written down; that a ledger was rolled back is none.
fn is_written(outputs: &[Output]) -> bool {
    let promise = |output: &Output| match output {
        Output::Persist(record) => !matches!(record, crate::io::Record::RolledBack { .. }),
        _ => false,
    };
    outputs.iter().any(promise)
}

struct Held {
    world: World,
    /// The message it was stopped before.
    frame: Vec<u8>,
    /// What came before that.
    seen: Vec<Vec<u8>>,
    /// What would have come after.
    rest: Vec<Vec<u8>>,
    at: Time,
}

impl Held {
    fn before(n: u16, is: fn(&Message) -> bool) -> Held {
        Held::within(World::new(n, 1), &Silence::new(), is)
    }

    fn within(mut world: World, silence: &Silence, is: fn(&Message) -> bool) -> Held {
        let (mut held, mut seen, mut rest) = (None, Vec::new(), Vec::new());
        let _ = world.run_with(silence, &mut |world, to, bytes| {
            if to != NodeId(VICTIM) {
                return vec![bytes];
            }
            if held.is_some() {
                rest.push(bytes);
                return Vec::new();
            }
            if is(&Message::from_frame(&bytes).unwrap()) {
                held = Some((bytes, world.now));
                return Vec::new();
            }
            seen.push(bytes.clone());
            vec![bytes]
        });
        let (frame, at) = held.unwrap();
        Held { world, frame, seen, rest, at }
    }

    fn message(&self) -> Message {
        Message::from_frame(&self.frame).unwrap()
    }

    fn saw<T>(&self, what: impl Fn(Message) -> Option<T>) -> T {
        self.seen.iter().find_map(|bytes| what(Message::from_frame(bytes).unwrap())).unwrap()
    }

    fn give_bytes(&mut self, bytes: Vec<u8>, at: Time) -> Vec<Output> {
        self.world.node_step(NodeId(VICTIM), Input::Frame { from: Peer::Coordinator, bytes, at })
    }

    fn give(&mut self, message: &Message) -> Vec<Output> {
        self.give_bytes(message.to_frame().unwrap(), self.at)
    }

    /// The node ends its part by this check: a refusal leaves it and nothing else, nothing is recorded.
    #[track_caller]
    fn ends(&mut self, message: &Message, check: Check) {
        let outputs = self.give(message);
        assert_eq!(ended(&outputs), Some(Some(check)), "{outputs:?}");
        assert!(messages(&outputs).iter().all(|sent| matches!(sent, Message::Refusal(_))), "{outputs:?}");
        assert!(!is_written(&outputs), "{outputs:?}");
        // Its secrets are gone: the genuine message finds nobody.
        let genuine = self.frame.clone();
        let outputs = self.give_bytes(genuine, self.at);
        assert!(matches!(outputs.first(), Some(Output::Reject { .. })), "{outputs:?}");
        assert!(messages(&outputs).iter().all(|sent| matches!(sent, Message::Refusal(_))), "{outputs:?}");
        assert!(!is_written(&outputs), "{outputs:?}");
    }

    /// The node refuses the bytes by this check and is as it was.
    #[track_caller]
    fn rejects(&mut self, bytes: Vec<u8>, check: Check) {
        let outputs = self.give_bytes(bytes, self.at);
        match outputs.first() {
            Some(Output::Reject { fault, .. }) => assert_eq!(fault.check, check, "{fault}"),
            _ => panic!("{outputs:?}"),
        }
        // Of an attempt that is not open here it says so, and nothing else.
        assert!(messages(&outputs).iter().all(|sent| matches!(sent, Message::Refusal(_))), "{outputs:?}");
        assert!(!is_written(&outputs) && outputs.len() <= 2, "{outputs:?}");
    }

    /// The genuine message is taken.
    #[track_caller]
    fn goes_on(&mut self) -> Vec<Output> {
        let outputs = self.give_bytes(self.frame.clone(), self.at);
        let refused = outputs.iter().any(|output| matches!(output, Output::Reject { .. }));
        assert!(!refused && ended(&outputs).is_none(), "{outputs:?}");
        outputs
    }
}
