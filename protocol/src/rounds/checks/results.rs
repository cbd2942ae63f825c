//! A18 at the end: a result that the signed reports do not give is not filed, and says so.

use super::*;
use crate::codec::{Blob, Bytes, List};
use crate::io::Record;
use crate::message::{Opened, Outcome, OutcomeBlock, ResultBody};

fn at_result() -> Held {
    let world = World::new(6, 1);
    Held::within(world, &Silence::from([(6, 2)]), |message| matches!(message, Message::Outcome(_)))
}

fn outcome(held: &Held) -> (ResultBody, Outcome) {
    let Message::Outcome(outcome) = held.message() else { panic!() };
    (crate::codec::decode(&outcome.body.body).unwrap(), outcome)
}

/// Gives RESULT and every block after it; the outputs of all.
fn result(held: &mut Held, outcome: &Outcome, blocks: Vec<Vec<u8>>) -> Vec<Output> {
    let mut outputs = held.give(&Message::Outcome(outcome.clone()));
    for bytes in blocks {
        outputs.extend(held.give_bytes(bytes, held.at));
    }
    outputs
}

#[track_caller]
fn is_alarm(outputs: &[Output]) {
    assert_eq!(ended(outputs), Some(Some(Check::A18)), "{outputs:?}");
    assert!(matches!(messages(outputs).as_slice(), [Message::Alarm(_)]), "{outputs:?}");
    assert!(!is_written(outputs), "a false result is not filed");
}

#[test]
fn a18_every_part_of_the_result() {
    let mut held = at_result();
    let (_, good) = outcome(&held);
    let rest = held.rest.clone();
    let outputs = result(&mut held, &good, rest);
    assert!(outputs.iter().any(|o| matches!(o, Output::Persist(Record::Filed { .. }))), "{outputs:?}");

    for change in [(|body| body.total.0[0] ^= 1) as fn(&mut ResultBody), |body| body.result.0[0] ^= 1] {
        let mut held = at_result();
        let (mut body, good) = outcome(&held);
        change(&mut body);
        let rest = held.rest.clone();
        is_alarm(&result(&mut held, &Outcome { body: sign(Signed::Result, &body), ..good }, rest));
    }
    for change in [(|body| body.sid.0[0] ^= 1) as fn(&mut ResultBody), |body| body.freeze.0[0] ^= 1] {
        let mut held = at_result();
        let (mut body, good) = outcome(&held);
        change(&mut body);
        let lie = Message::Outcome(Outcome { body: sign(Signed::Result, &body), ..good });
        held.rejects(lie.to_frame().unwrap(), Check::A18);
        held.goes_on();
    }
}

#[test]
fn a18_every_opened_secret() {
    fn coefficient(one: &mut Opened) {
        let mut polynomial = one.polynomial.to_vec();
        polynomial[0].0[0] ^= 1;
        one.polynomial = List::new(polynomial).unwrap();
    }
    for change in [
        (|all| coefficient(&mut all[0])) as fn(&mut Vec<Opened>),
        |all| coefficient(&mut all[3]),
        |all| coefficient(&mut all[5]),
        |all| all[2].polynomial = List::default(),
        |all| {
            let mut long = all[2].polynomial.to_vec();
            long.push(Bytes([0; 32]));
            all[2].polynomial = List::new(long).unwrap();
        },
        |all| {
            let mut wide = all[2].polynomial.to_vec();
            wide[1] = Bytes([0xff; 32]);
            all[2].polynomial = List::new(wide).unwrap();
        },
        |all| drop(all.pop()),
        |all| all.clear(),
        |all| all.swap(1, 2),
        |all| all[1].recovery = all[5].recovery.clone(),
        |all| all[1].recovery_path = all[5].recovery_path.clone(),
        |all| all[5].recovery = Blob::default(),
        |all| all[5].recovery_path = List::default(),
        |all| {
            let mut list = all[5].recovery.to_vec();
            list[7] ^= 1;
            all[5].recovery = Blob::new(list).unwrap();
        },
    ] {
        let mut held = at_result();
        let (_, good) = outcome(&held);
        let mut opened = good.opened.to_vec();
        change(&mut opened);
        let lie = Outcome { opened: List::new(opened).unwrap(), ..good };
        is_alarm(&held.give(&Message::Outcome(lie)));
    }
}

#[test]
fn a18_every_report_behind_the_result() {
    let altered = |bytes: &[u8], change: fn(&mut OutcomeBlock)| {
        let Message::OutcomeBlock(mut block) = Message::from_frame(bytes).unwrap() else { panic!() };
        change(&mut block);
        Message::OutcomeBlock(block).to_frame().unwrap()
    };
    for change in [
        (|block| {
            let mut bytes = block.bytes.to_vec();
            bytes[0] ^= 1;
            block.bytes = Blob::new(bytes).unwrap();
        }) as fn(&mut OutcomeBlock),
        |block| block.bytes = Blob::default(),
        |block| block.bytes = Blob::new([&block.bytes[..], &[0]].concat()).unwrap(),
    ] {
        let mut held = at_result();
        let (_, good) = outcome(&held);
        let first = altered(&held.rest[0], change);
        is_alarm(&result(&mut held, &good, vec![first]));
    }
    // One out of order is refused; the right ones are still taken.
    for change in [
        (|block| block.index = 1) as fn(&mut OutcomeBlock),
        |block| block.of = NodeId(2),
        |block| block.of = NodeId(6),
    ] {
        let mut held = at_result();
        held.goes_on();
        let stray = altered(&held.rest[0], change);
        held.rejects(stray, Check::A18);
        let rest = held.rest.clone();
        let outputs: Vec<Output> =
            rest.into_iter().flat_map(|bytes| held.give_bytes(bytes, held.at)).collect();
        assert!(outputs.iter().any(|o| matches!(o, Output::Notify(Event::Verified { .. }))), "{outputs:?}");
    }
    // A block before RESULT, or of another attempt, is refused and changes nothing.
    let mut held = at_result();
    held.rejects(held.rest[0].clone(), Check::A18);
    held.goes_on();
    let other = altered(&held.rest[0].clone(), |block| block.sid.0[0] ^= 1);
    held.rejects(other, Check::A18);
    let rest = held.rest.clone();
    let outputs: Vec<Output> = rest.into_iter().flat_map(|bytes| held.give_bytes(bytes, held.at)).collect();
    assert!(outputs.iter().any(|o| matches!(o, Output::Notify(Event::Verified { .. }))), "{outputs:?}");
}
