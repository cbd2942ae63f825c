//! A27: a checked figure without a proof that it lies in its range, at the coordinator, at every node, and in the bundle.

use super::*;
use crate::bundle::tests::{bundle_of, rng};
use crate::codec::{Bytes, List};
use crate::message::{Deposit, Pass, PerBlock, Proofs};
use crate::rounds::committed::{commitments_root, proofs_hash};
use crate::rounds::deposit_hash;
use crate::testing::Forge;
use crate::warrant::tests::{QUERY, approved, body};

const LIAR: u16 = 2;

/// A world whose sums of stock and whose holders are checked, and rows are not.
fn checked() -> World {
    let mut world = World::new(5, 1);
    let query = QUERY
        .replace("range = [-100, 1000]", "range = [-100, 1000]\nchecked = true")
        .replace("hospitals = \"", "checked = true\nhospitals = \"");
    world.signed = approved(&body(&world.roster, &query), &[800, 801]);
    world.warrant = std::sync::Arc::new(world.signed.verify(&world.roster, world.now).unwrap());
    let blocks = world.warrant.blocks(Pass::Value);
    assert_eq!((blocks.len(), blocks.plain_blocks(), blocks.checked_cells()), (3, 1, 2));
    world
}

/// The liar's deposit, changed, made to fit and signed again.
fn deposits(change: impl Fn(&mut Deposit) + 'static) -> Forge {
    Box::new(move |_, from, bytes| match Message::from_frame(&bytes).unwrap() {
        Message::Deposit(mut deposit) if from == NodeId(LIAR) => {
            change(&mut deposit);
            deposit.head.ranges = Bytes(proofs_hash(&deposit.ranges).unwrap());
            let root = deposit_hash(&deposit).unwrap();
            deposit.signature = identity(LIAR).sign(Signed::Deposit, &root.0);
            vec![Message::Deposit(deposit).to_frame().unwrap()]
        }
        _ => vec![bytes],
    })
}

/// The liar is left out by name, and the others have their sum.
#[track_caller]
fn left_out(mut world: World) {
    let sum = world.run(&Silence::new()).unwrap();
    assert_eq!((sum.survivors.len(), world.totals(&sum)), (4, world.clear(&sum.survivors)));
    let named = world.rejected.iter().filter(|(_, fault)| !fault.culprits().is_empty());
    let named: Vec<_> = named.map(|(_, fault)| (fault.check, fault.culprits().to_vec())).collect();
    assert_eq!(named, [(Check::A27, vec![NodeId(LIAR)])]);
    assert_eq!(world.verified.len(), 4, "{:?}", world.faults);
    bundle_of(&world, &sum).verify(&mut rng()).unwrap();
}

#[test]
fn a27_an_honest_session_is_verified_by_everyone() {
    let mut world = checked();
    let sum = world.run(&Silence::new()).unwrap();
    assert_eq!((sum.survivors.len(), world.totals(&sum)), (5, world.clear(&sum.survivors)));
    assert!(world.rejected.is_empty() && world.verified.len() == 5, "{:?}", world.faults);
    let bundle = bundle_of(&world, &sum);
    assert_eq!(bundle.verify(&mut rng()).unwrap().totals(), world.clear(&sum.survivors));
    // Each proof and each commitment is what the bundle stands on.
    let mut reports = bundle.value.reports.to_vec();
    reports[1].ranges = Proofs::default();
    for (of, change) in [(0, 1), (1, 0)] {
        let mut lie = bundle.clone();
        let mut reports = lie.value.reports.to_vec();
        reports[of].ranges = reports[change].ranges.clone();
        lie.value.reports = List::new(reports).unwrap();
        assert_eq!(lie.verify(&mut rng()).unwrap_err().check, Check::A27);
    }
    let mut lie = bundle.clone();
    lie.value.reports = List::new(reports).unwrap();
    assert_eq!(lie.verify(&mut rng()).unwrap_err().check, Check::A27);
}

#[test]
fn a27_proofs_that_do_not_hold_leave_their_hospital_out_by_name() {
    type Lie = fn(&mut Deposit);
    let lies: [Lie; 7] = [
        |deposit| deposit.ranges = Proofs::default(),
        |deposit| deposit.ranges = Proofs::new(deposit.ranges[1..].to_vec()).unwrap(),
        |deposit| {
            let mut proofs = deposit.ranges.to_vec();
            proofs.swap(1, 2);
            deposit.ranges = Proofs::new(proofs).unwrap();
        },
        |deposit| {
            let mut proofs = deposit.ranges.to_vec();
            let mut bytes = proofs[0].to_vec();
            bytes[40] ^= 1;
            proofs[0] = crate::codec::Blob::new(bytes).unwrap();
            deposit.ranges = Proofs::new(proofs).unwrap();
        },
        |deposit| deposit.commitments = PerBlock::default(),
        // The commitments of other cells, under a root of their own.
        |deposit| {
            let mut points = deposit.commitments.to_vec();
            points.swap(1, 2);
            deposit.head.contribution = Bytes(commitments_root(points.iter()));
            deposit.commitments = PerBlock::new(points).unwrap();
        },
        |deposit| {
            let mut points = deposit.commitments.to_vec();
            points[1] = Bytes([0xff; 32]);
            deposit.head.contribution = Bytes(commitments_root(points.iter()));
            deposit.commitments = PerBlock::new(points).unwrap();
        },
    ];
    for lie in lies {
        let mut world = checked();
        world.forge = Some(deposits(lie));
        left_out(world);
    }
}

/// Attack 20, with ranges: what wraps the ring cannot be proven, so the others still have their sum.
#[test]
fn a27_a_figure_that_wraps_the_ring_is_left_out_by_name() {
    let mut world = checked();
    world.wraps = Some(NodeId(LIAR));
    left_out(world);
}

/// Attack 27: the proofs of another hospital, or of oneself in an attempt before, prove nothing here.
#[test]
fn a27_proofs_of_another_hospital_or_attempt_prove_nothing() {
    let deposited = |world: &World, node: u16| {
        world.sent_by(node).into_iter().find_map(|message| match message {
            Message::Deposit(deposit) => Some(deposit),
            _ => None,
        })
    };
    for other in [1, LIAR] {
        // Another seed: the same figures in another attempt.
        let mut before = checked();
        before.rng = World::new(5, if other == 1 { 1 } else { 9 }).rng;
        before.run(&Silence::new()).unwrap();
        let copied = deposited(&before, other).unwrap();
        let mut world = checked();
        world.forge = Some(deposits(move |deposit| {
            deposit.head.contribution = copied.head.contribution;
            deposit.commitments = copied.commitments.clone();
            deposit.ranges = copied.ranges.clone();
        }));
        left_out(world);
    }
}

/// Where nothing is checked, nothing is proven.
#[test]
fn a27_proofs_that_nobody_asked_for_are_refused() {
    let mut world = World::new(5, 1);
    world.forge = Some(deposits(|deposit| {
        deposit.ranges = Proofs::new(vec![crate::codec::Blob::new(vec![1]).unwrap()]).unwrap();
    }));
    left_out(world);
}

/// A coordinator that shows other proofs than those deposited is found by every node.
#[test]
fn a27_every_node_looks_at_the_proofs_behind_the_result() {
    let mut world = checked();
    let sum =
        world.run_with(&Silence::new(), &mut |_, _, bytes| match Message::from_frame(&bytes).unwrap() {
            Message::OutcomeReport(mut report) if report.of == NodeId(3) => {
                report.ranges = Proofs::default();
                vec![Message::OutcomeReport(report).to_frame().unwrap()]
            }
            _ => vec![bytes],
        });
    assert!(sum.is_ok() && world.verified.is_empty());
    assert_eq!(world.ended.len(), 5);
    assert!(
        world.ended.iter().all(|(_, fault)| fault.as_ref().is_some_and(|fault| fault.check == Check::A27))
    );
}
