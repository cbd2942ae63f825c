//! A25 and A26 at the coordinator: a report that is not what its hospital committed to at deposit.

use super::*;
use crate::bundle::tests::{bundle_of, rng};
use crate::codec::{Blob, Bytes, decode};
use crate::crypto::pedersen;
use crate::crypto::sharing::{scalar, scalar_bytes};
use crate::io::{Failure, FailureCode, Record};
use crate::message::{EndBody, EndReason, PerBlock, Report, ReportBody};
use crate::rounds::committed::{Carried, commitments_root, committed};
use crate::rounds::offer::Facts;
use crate::rounds::report_hash;
use crate::testing::Forge;
use crate::warrant::tests::{QUERY, approved, body};
use curve25519_dalek::Scalar;

const LIAR: u16 = 2;

/// The liar's report altered, its hash made to fit, and signed again.
fn resigned(world: &World, mut report: Report, change: impl FnOnce(&mut Report)) -> Report {
    change(&mut report);
    let mut body: ReportBody = decode(&report.body.body).unwrap();
    let (params, given) = (world.warrant.params(), committed(&report));
    body.report = report_hash(&body.go, NodeId(LIAR), params.width, params.cells, &given);
    report.body = Sealed::new(&identity(LIAR), Signed::Report, &body).unwrap();
    report
}

/// The liar's report is altered on its way: its head, its block, or both to fit each other.
fn lying(head: Head, block: Block) -> Forge {
    let mut held: Option<Report> = None;
    Box::new(move |world, from, bytes| match Message::from_frame(&bytes).unwrap() {
        Message::Report(report) if from == NodeId(LIAR) => {
            held = Some(report);
            Vec::new()
        }
        Message::ReportBlock(mut given) if from == NodeId(LIAR) => {
            let mut packed = given.bytes.to_vec();
            block(&mut packed);
            let report = resigned(world, held.clone().unwrap(), |report| {
                report.root = Bytes(crate::crypto::commit::leaf(&packed));
                head(report);
            });
            given.bytes = Blob::new(packed).unwrap();
            [Message::Report(report), Message::ReportBlock(given)]
                .map(|message| message.to_frame().unwrap())
                .to_vec()
        }
        _ => vec![bytes],
    })
}

/// What a liar does to the head of its report, and to its block.
type Head = fn(&mut Report);
type Block = fn(&mut Vec<u8>);

fn same(_: &mut Report) {}

fn whole(_: &mut Vec<u8>) {}

fn run(forge: Forge) -> (World, Result<crate::io::Sum, Failure>) {
    let mut world = World::new(5, 1);
    world.forge = Some(forge);
    let ran = world.run(&Silence::new());
    (world, ran)
}

/// No total, and no hospital named: everybody is told in which block, and nothing was written down or sent that
/// the total could be read from.
#[track_caller]
fn publishes_nothing(world: &World, failure: &Failure, first: u32) {
    let (code, block) = (FailureCode::Uncommitted, Some(first));
    assert_eq!((failure.code, failure.block, failure.culprits.as_slice()), (code, block, &[][..]));
    assert!(world.rejected.iter().all(|(_, fault)| fault.culprits().is_empty()), "{:?}", world.rejected);
    let ended = world.told.iter().filter(|(_, bytes)| match Message::from_frame(bytes).unwrap() {
        Message::Outcome(_) | Message::OutcomeReport(_) | Message::OutcomeBlock(_) => panic!("a result"),
        Message::End(end) => {
            let body: EndBody = decode(&end.body).unwrap();
            body.reason == EndReason::Uncommitted(first)
        }
        _ => false,
    });
    assert_eq!(ended.count(), 5, "everybody is told");
    let results = world.written.iter().filter(|record| match record {
        Record::Sent { bytes, .. } => !matches!(Message::from_frame(bytes).unwrap(), Message::Outcome(_)),
        _ => true,
    });
    assert_eq!(results.count(), world.written.len(), "no result is written down");
    assert!(world.verified.is_empty());
}

#[test]
fn a26_a_report_that_does_not_fit_its_commitment_gives_no_total() {
    let lies: [(Head, Block); 5] = [
        (same, |packed| packed[0] ^= 1),
        (same, |packed| packed[5] ^= 0x80),
        (same, |packed| packed.fill(0)),
        (
            |report| {
                let plus = scalar(&report.blindings[0]).unwrap() + Scalar::ONE;
                report.blindings = PerBlock::new(vec![scalar_bytes(&plus)]).unwrap();
            },
            whole,
        ),
        (|report| report.blindings = PerBlock::new(vec![Bytes([0; 32])]).unwrap(), whole),
    ];
    for (head, block) in lies {
        let (world, ran) = run(lying(head, block));
        publishes_nothing(&world, &ran.unwrap_err(), 0);
    }
    let (world, ran) = run(lying(same, whole));
    let sum = ran.unwrap();
    assert_eq!(
        (sum.survivors.len(), world.totals(&sum)),
        (5, world.clear(&sum.survivors)),
        "honest as it is"
    );
}

/// The liar commits to a figure 2^w too large, which the masked cells cannot tell from the true one.
#[test]
fn a26_a_figure_that_wraps_the_ring_gives_no_total() {
    let mut world = World::new(5, 1);
    world.wraps = Some(NodeId(LIAR));
    let failure = world.run(&Silence::new()).unwrap_err();
    publishes_nothing(&world, &failure, 0);
}

/// A session over 1,200 cells: two blocks.
fn wide(forge: Forge) -> (World, Result<crate::io::Sum, Failure>) {
    let mut world = World::new(5, 1);
    let codes: Vec<String> = (0..400).map(|code| format!("\"C{code:03}\"")).collect();
    let query = QUERY.replace("\"A\"", &codes.join(", "));
    world.signed = approved(&body(&world.roster, &query), &[800, 801]);
    world.warrant = std::sync::Arc::new(world.signed.verify(&world.roster, world.now).unwrap());
    for values in world.values.values_mut() {
        *values = values.iter().copied().cycle().take(1_200).collect();
    }
    assert_eq!(world.warrant.blocks(crate::message::Pass::Value).len(), 2);
    world.forge = Some(forge);
    let ran = world.run(&Silence::new());
    (world, ran)
}

#[test]
fn a26_every_block_is_checked_and_the_first_false_one_named() {
    let (world, ran) = wide(lying(same, whole));
    let sum = ran.unwrap();
    let clear: Vec<i128> = world.clear(&sum.survivors).into_iter().cycle().take(1_200).collect();
    assert!(world.totals(&sum) == clear && world.verified.len() == 5, "{:?}", world.faults);
    let verified = bundle_of(&world, &sum).verify(&mut rng()).unwrap();
    assert!(verified.totals() == clear, "blocks weighted by whoever verifies");

    let swapped: Head = |report| {
        let [one, two] = report.blindings[..] else { panic!() };
        report.blindings = PerBlock::new(vec![two, one]).unwrap();
    };
    let (world, ran) = wide(lying(swapped, whole));
    publishes_nothing(&world, &ran.unwrap_err(), 0);
    let (world, ran) = wide(lying(same, |packed| *packed.last_mut().unwrap() ^= 1));
    publishes_nothing(&world, &ran.unwrap_err(), 1);
}

#[test]
fn a25_commitments_other_than_those_deposited_are_dropped_by_name() {
    let lies: [Head; 6] = [
        |report| {
            report.commitments = PerBlock::new(vec![Bytes(pedersen::commit(&[1], &Scalar::ONE))]).unwrap()
        },
        |report| report.commitments = PerBlock::default(),
        |report| report.commitments = PerBlock::new([&report.commitments[..]; 2].concat()).unwrap(),
        |report| report.blindings = PerBlock::default(),
        |report| report.blindings = PerBlock::new([&report.blindings[..]; 2].concat()).unwrap(),
        |report| report.blindings = PerBlock::new(vec![Bytes([0xff; 32])]).unwrap(),
    ];
    for head in lies {
        let (world, ran) = run(lying(head, whole));
        let sum = ran.unwrap();
        assert_eq!((sum.survivors.len(), world.totals(&sum)), (4, world.clear(&sum.survivors)));
        let named = world.rejected.iter().filter(|(_, fault)| !fault.culprits().is_empty());
        let named: Vec<_> = named.map(|(_, fault)| (fault.check, fault.culprits().to_vec())).collect();
        assert_eq!(named, [(Check::A25, vec![NodeId(LIAR)])]);
    }
}

/// What is deposited is what is read: a root over what are no points is no way in.
#[test]
fn a25_points_and_scalars_are_canonical() {
    let mut world = World::new(5, 1);
    world.run(&Silence::new()).unwrap();
    let find = |message: Message| match message {
        Message::Offer(offer) => Some(offer),
        _ => None,
    };
    let offers = world.told.iter().filter_map(|(_, bytes)| find(Message::from_frame(bytes).unwrap()));
    let offer = offers.into_iter().next().unwrap();
    let facts = Facts::new(&offer.header.body, world.roster.clone(), world.warrant.clone()).unwrap();
    let Some(Message::Report(good)) =
        world.sent_by(LIAR).into_iter().find(|message| matches!(message, Message::Report(_)))
    else {
        panic!()
    };
    let read = |report: &Report| {
        let deposited = Bytes(commitments_root(report.commitments.iter()));
        Carried::read(report, &deposited, &facts, NodeId(LIAR)).map(drop).map_err(|fault| fault.check)
    };
    assert_eq!(read(&good), Ok(()));
    let mut wide = good.commitments[0];
    wide.0[31] |= 0x80;
    for point in [Bytes([0; 32]), Bytes([1; 32]), Bytes([0xff; 32]), wide] {
        let commitments = PerBlock::new(vec![point]).unwrap();
        assert_eq!(read(&Report { commitments, ..good.clone() }), Err(Check::A25), "{point:?}");
    }
    // ell, and the same scalar plus ell.
    let ell = Bytes([
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ]);
    let blindings = PerBlock::new(vec![ell]).unwrap();
    assert_eq!(read(&Report { blindings, ..good.clone() }), Err(Check::A25));
}

/// With the check off the liar's false figure is in a total that everybody takes for right.
#[cfg(samensom_ablation)]
#[test]
fn a26_off_a_false_total_is_published() {
    crate::ablation::without(Some(Check::A26));
    let (world, ran) = run(lying(same, |packed| packed[0] ^= 1));
    crate::ablation::without(None);
    let sum = ran.unwrap();
    assert_ne!(world.totals(&sum), world.clear(&sum.survivors));
    // The liar's own machine sent another report (A11).
    assert_eq!(world.verified.len(), 4);
}

/// With the check off a report under other commitments than the deposited ones counts.
#[cfg(samensom_ablation)]
#[test]
fn a25_off_commitments_are_chosen_after_the_deposit() {
    crate::ablation::without(Some(Check::A25));
    let (_, ran) = run(lying(
        |report| {
            report.commitments = PerBlock::new(vec![Bytes(pedersen::commit(&[1], &Scalar::ONE))]).unwrap()
        },
        whole,
    ));
    crate::ablation::without(None);
    assert_eq!(ran.unwrap_err().code, FailureCode::Uncommitted, "it came as far as the total");
}
