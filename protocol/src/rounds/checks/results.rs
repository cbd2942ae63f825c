//! A18 at the end: a result that the signed reports do not give is not filed, and says so.

use super::*;
use crate::codec::{Blob, Bytes, List};
use crate::crypto::sharing::{scalar, scalar_bytes};
use crate::io::Record;
use crate::message::{
    Committed, FreezeBody, Opened, Outcome, OutcomeBlock, OutcomeReport, PerBlock, ResultBody,
};
use crate::rounds::{certificate_hash, opened_hash, result_hash, total_root};
use curve25519_dalek::Scalar;

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
    for blindings in [PerBlock::default(), one_more(&good.blindings)] {
        let mut held = at_result();
        let (_, good) = outcome(&held);
        let rest = held.rest.clone();
        is_alarm(&result(&mut held, &Outcome { blindings, ..good }, rest));
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

/// What comes after RESULT: the commitments of five survivors, and the one block of the total.
const REPORTS: usize = 5;

fn report(bytes: &[u8], change: impl FnOnce(&mut OutcomeReport)) -> Vec<u8> {
    let Message::OutcomeReport(mut report) = Message::from_frame(bytes).unwrap() else { panic!() };
    change(&mut report);
    Message::OutcomeReport(report).to_frame().unwrap()
}

fn block(bytes: &[u8], change: impl FnOnce(&mut OutcomeBlock)) -> Vec<u8> {
    let Message::OutcomeBlock(mut block) = Message::from_frame(bytes).unwrap() else { panic!() };
    change(&mut block);
    Message::OutcomeBlock(block).to_frame().unwrap()
}

/// The rest of the result with one frame changed.
fn rest(held: &Held, index: usize, changed: Vec<u8>) -> Vec<Vec<u8>> {
    let mut rest = held.rest.clone();
    assert_eq!(rest.len(), REPORTS + 1);
    rest[index] = changed;
    rest
}

/// Hash of the certificate that the node got.
fn certificate(held: &Held) -> [u8; 32] {
    held.saw(|message| match message {
        Message::Certificate(certificate) => {
            let body: FreezeBody = crate::codec::decode(&certificate.body.body).unwrap();
            Some(certificate_hash(&body.freeze, &certificate.confirmations))
        }
        _ => None,
    })
}

fn one_more(all: &PerBlock) -> PerBlock {
    PerBlock::new([&all[..], &all[..1]].concat()).unwrap()
}

#[test]
fn a18_every_commitment_and_the_total_behind_the_result() {
    for change in [
        (|of| of.root.0[0] ^= 1) as fn(&mut Committed),
        |of| of.blindings.0[0] ^= 1,
        |of| of.commitments = PerBlock::default(),
        |of| of.commitments = one_more(&of.commitments),
        |of| of.commitments = PerBlock::new(vec![Bytes([0; 32])]).unwrap(),
    ] {
        for index in [0, REPORTS - 1] {
            let mut held = at_result();
            let (_, good) = outcome(&held);
            let changed = report(&held.rest[index], |report| change(&mut report.committed));
            let rest = rest(&held, index, changed);
            is_alarm(&result(&mut held, &good, rest));
        }
    }
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
        let changed = block(&held.rest[REPORTS], change);
        let rest = rest(&held, REPORTS, changed);
        is_alarm(&result(&mut held, &good, rest));
    }
}

/// One out of order, before RESULT, or of another attempt is refused; the right ones are still taken.
#[test]
fn a18_what_is_out_of_order_changes_nothing() {
    let verifies = |mut held: Held| {
        let rest = held.rest.clone();
        let outputs: Vec<Output> =
            rest.into_iter().flat_map(|bytes| held.give_bytes(bytes, held.at)).collect();
        assert!(outputs.iter().any(|o| matches!(o, Output::Notify(Event::Verified { .. }))), "{outputs:?}");
    };
    for change in [
        (|report| report.of = NodeId(2)) as fn(&mut OutcomeReport),
        |report| report.of = NodeId(6),
        |report| report.sid.0[0] ^= 1,
    ] {
        let mut held = at_result();
        held.goes_on();
        let stray = report(&held.rest[0], change);
        held.rejects(stray, Check::A18);
        verifies(held);
    }
    for change in [(|_| {}) as fn(&mut OutcomeBlock), |block| block.index = 1, |block| block.sid.0[0] ^= 1] {
        let mut held = at_result();
        held.goes_on();
        let stray = block(&held.rest[REPORTS], change);
        held.rejects(stray, Check::A18);
        verifies(held);
    }
    for index in [0, REPORTS] {
        let mut held = at_result();
        held.rejects(held.rest[index].clone(), Check::A18);
        held.goes_on();
        verifies(held);
    }
}

/// A total, or a sum of blindings, changed by one, and all that needs no hospital made to fit: signed by the
/// coordinator, it is still not what was committed to.
#[test]
fn a26_a_total_that_was_not_committed_to() {
    type Lie = fn(&mut Vec<u64>, &mut Scalar);
    let lies: [Lie; 6] = [
        |total, _| total[0] += 1,
        |total, _| total[2] -= 1,
        |total, _| total.swap(0, 1),
        |total, _| total.fill(0),
        |_, blinding| *blinding += Scalar::ONE,
        |_, blinding| *blinding = Scalar::ZERO,
    ];
    let give = |lie: Lie| {
        let mut held = at_result();
        let (mut body, good) = outcome(&held);
        let width = held.world.warrant.params().width;
        let Message::OutcomeBlock(given) = Message::from_frame(&held.rest[REPORTS]).unwrap() else {
            panic!()
        };
        let mut lanes = vec![0; 3];
        crate::ring::Unpacker::new(width).add(&given.bytes, &mut lanes);
        let mut blinding = scalar(&good.blindings[0]).unwrap();
        lie(&mut lanes, &mut blinding);
        let blindings = PerBlock::new(vec![scalar_bytes(&blinding)]).unwrap();
        let certificate = certificate(&held);
        body.total = Bytes(total_root(&lanes));
        let opened = opened_hash(&good.opened).unwrap();
        body.result = result_hash(&certificate, &body.total.0, &blindings, &opened);
        let changed = block(&held.rest[REPORTS], |block| {
            block.bytes = Blob::new(crate::ring::pack(&lanes, width)).unwrap();
        });
        let rest = rest(&held, REPORTS, changed);
        let outcome = Outcome { body: sign(Signed::Result, &body), blindings, ..good };
        result(&mut held, &outcome, rest)
    };
    let honest = give(|_, _| {});
    assert!(honest.iter().any(|o| matches!(o, Output::Notify(Event::Verified { .. }))), "{honest:?}");
    for lie in lies {
        let outputs = give(lie);
        assert_eq!(ended(&outputs), Some(Some(Check::A26)), "{outputs:?}");
        assert!(matches!(messages(&outputs).as_slice(), [Message::Alarm(_)]), "{outputs:?}");
        assert!(!is_written(&outputs), "a false result is not filed");
    }
}

/// R that is no canonical scalar, or one too many.
#[test]
fn a26_sums_of_blindings_that_are_none() {
    let above = Bytes([0xff; 32]);
    let others = [vec![above], vec![], vec![Bytes([0; 32]); 2]];
    for blindings in others {
        let mut held = at_result();
        let (mut body, good) = outcome(&held);
        let blindings = PerBlock::new(blindings).unwrap();
        let opened = opened_hash(&good.opened).unwrap();
        body.result = result_hash(&certificate(&held), &body.total.0, &blindings, &opened);
        let outcome = Outcome { body: sign(Signed::Result, &body), blindings, ..good };
        let rest = held.rest.clone();
        let outputs = result(&mut held, &outcome, rest);
        assert_eq!(ended(&outputs), Some(Some(Check::A26)), "{outputs:?}");
        assert!(!is_written(&outputs), "a false result is not filed");
    }
}
