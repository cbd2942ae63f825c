//! Consent: a hospital that asks its people first says so, signed, and deposits, refuses or lets the time pass.

use super::*;
use crate::coordinator::Coordinator;
use crate::io::Refusal;
use crate::message::Answer;

fn asked() -> Held {
    Held::before(5, |message| matches!(message, Message::Offer(_)))
}

/// The node has the offer and has not answered.
fn measuring() -> (Held, crate::ids::AttemptId) {
    let mut held = asked();
    let outputs = held.goes_on();
    let sid = outputs.iter().find_map(|output| match output {
        Output::Measure { sid, .. } => Some(*sid),
        _ => None,
    });
    (held, sid.unwrap())
}

fn said(outputs: &[Output]) -> Vec<Answer> {
    let key = identity(VICTIM).public();
    let of = |message: &Message| match message {
        Message::Answer(sealed) => Answer::open(sealed, &key).map(|(_, answer)| answer),
        other => panic!("{other:?}"),
    };
    messages(outputs).iter().map(|message| of(message).unwrap()).collect()
}

#[test]
fn a_hospital_that_asks_its_people_says_so_and_may_still_deposit() {
    let (mut held, sid) = measuring();
    let victim = NodeId(VICTIM);
    let outputs = held.world.node_step(victim, Input::Waiting { sid });
    assert_eq!(said(&outputs), [Answer::Waiting]);
    assert!(ended(&outputs).is_none() && !is_written(&outputs));
    let warrant = held.world.warrant.clone();
    let contribution = held.world.measured(victim, &warrant);
    let at = held.at.plus_ms(9_000);
    let outputs = held.world.node_step(victim, Input::Measured { sid, contribution, at });
    assert!(matches!(messages(&outputs).as_slice(), [Message::Deposit(_)]), "{outputs:?}");
    let outputs = held.world.node_step(victim, Input::Waiting { sid });
    assert!(outputs.is_empty(), "nobody is asked any more");
}

#[test]
fn a_refusal_and_an_extract_that_cannot_have_one_code() {
    for (why, code) in [
        (Refusal::Policy, Answer::Refused),
        (Refusal::Extract, Answer::Refused),
        (Refusal::Undecided, Answer::Undecided),
    ] {
        let (mut held, sid) = measuring();
        let outputs = held.world.node_step(NodeId(VICTIM), Input::Refused { sid, why });
        assert_eq!(said(&outputs), [code]);
        assert_eq!(ended(&outputs), Some(None));
        assert!(!is_written(&outputs));
        let again = held.give_bytes(held.frame.clone(), held.at);
        assert!(matches!(again.first(), Some(Output::Reject { .. })), "it is not taken up again: {again:?}");
    }
}

/// A coordinator that has offered, and what it makes of an answer.
struct Centre {
    world: World,
    core: Option<Coordinator>,
    sid: crate::ids::AttemptId,
}

impl Centre {
    fn new() -> Centre {
        let mut world = World::new(5, 1);
        let core = Coordinator::new(world.setup());
        let (core, _) = core.step(Input::Start(world.now), &mut world.rng);
        let sid = core.sid().unwrap();
        Centre { world, core: Some(core), sid }
    }

    fn hears(
        &mut self,
        from: u16,
        signed_by: u16,
        sid: crate::ids::AttemptId,
        answer: Answer,
    ) -> Vec<Output> {
        let sealed = answer.seal(&identity(signed_by), sid).unwrap();
        let bytes = Message::Answer(sealed).to_frame().unwrap();
        let input = Input::Frame { from: Peer::Node(NodeId(from)), bytes, at: self.world.now };
        let (core, outputs) = self.core.take().unwrap().step(input, &mut self.world.rng);
        self.core = Some(core);
        outputs
    }
}

#[test]
fn the_coordinator_waits_for_who_asks_and_counts_who_refuses() {
    let mut centre = Centre::new();
    let sid = centre.sid;
    let stands = |outputs: &[Output]| match outputs.first() {
        Some(Output::Notify(Event::Stands { node, answer, .. })) => Some((node.0, *answer)),
        _ => None,
    };
    assert_eq!(stands(&centre.hears(1, 1, sid, Answer::Waiting)), Some((1, Answer::Waiting)));
    assert_eq!(stands(&centre.hears(2, 2, sid, Answer::Refused)), Some((2, Answer::Refused)));
    assert_eq!(stands(&centre.hears(3, 3, sid, Answer::Undecided)), Some((3, Answer::Undecided)));
    assert_eq!(stands(&centre.hears(4, 4, sid, Answer::Refused)), Some((4, Answer::Refused)));
    assert!(!centre.core.as_ref().unwrap().is_over(), "the first and the last are waited for");
    centre.hears(5, 5, sid, Answer::Refused);
    assert!(!centre.core.as_ref().unwrap().is_over(), "the first is waited for");
    let outputs = centre.hears(1, 1, sid, Answer::Undecided);
    assert!(centre.core.as_ref().unwrap().is_over(), "nobody is waited for: {outputs:?}");
}

#[test]
fn nobody_refuses_for_another_or_for_another_attempt() {
    let mut centre = Centre::new();
    let sid = centre.sid;
    let refused = |outputs: Vec<Output>| match outputs.as_slice() {
        [Output::Reject { fault, .. }] => Some(fault.check),
        _ => None,
    };
    assert_eq!(refused(centre.hears(2, 1, sid, Answer::Refused)), Some(Check::A01), "signed by another");
    let other = crate::ids::AttemptId([9; 32]);
    assert_eq!(refused(centre.hears(2, 2, other, Answer::Refused)), Some(Check::A01), "another attempt");
    for node in [1, 2, 3, 4] {
        centre.hears(node, node, sid, Answer::Refused);
    }
    assert!(!centre.core.as_ref().unwrap().is_over(), "the fifth is still waited for");
}
