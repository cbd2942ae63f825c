//! Attacks on what is committed to at deposit: a report of another figure, a commitment made up later, figures
//! that wrap the ring. The coordinator is honest.

use crate::*;
use samensom_protocol::codec::{Bytes, List};
use samensom_protocol::crypto::blocks::Blocks;
use samensom_protocol::crypto::pedersen;
use samensom_protocol::ids::ExtractHash;
use samensom_protocol::io::{Failure, FailureCode, Sum};
use samensom_protocol::message::Round;
use samensom_protocol::ring::Contribution;
use samensom_tests::adversary::drops::{Stops, is_right};
use samensom_tests::adversary::office::{Liars, Office};
use samensom_tests::adversary::town::town;
use samensom_tests::forge::puppet::{Cards, Puppet, Spoil};

/// A session of `n` in which `liar` deals honestly and is then as `spoil` makes it.
fn ran(n: u16, seed: u64, liar: u16, spoil: Spoil) -> (World, Office, Result<Sum, Failure>) {
    let machines: Vec<NodeId> = (1..=n).filter(|id| *id != liar).map(NodeId).collect();
    let mut world = World::new(town(n), seed, &machines, BTreeSet::new());
    let puppets = [(NodeId(liar), Puppet::new(NodeId(liar), spoil))].into();
    let mut office = Office::default();
    let mut liars = Liars { coordinator: None, node: None, puppets };
    let ended = office.among(&mut world, &Stops::new(), &mut liars);
    (world, office, ended)
}

/// A contribution of one figure that no range was asked for.
fn figure(figure: i64) -> Contribution {
    Contribution::new(1, |_| (0, i64::MAX), &[figure], ExtractHash([0; 32])).unwrap()
}

/// The report is of another figure than the deposit.
fn another(of: i64) -> Spoil {
    Box::new(move |_, cards: &mut Cards, _| cards.contribution = figure(of))
}

/// Report and commitments are of another figure than the deposit, and fit each other.
fn later(of: i64) -> Spoil {
    Box::new(move |_, cards: &mut Cards, _| {
        cards.contribution = figure(of);
        let points = cards.contribution.commitments(&Blocks::plain(1), cards.kept.blindings.expose());
        cards.kept.commitments = List::new(points.into_iter().map(Bytes).collect()).unwrap();
    })
}

/// No total, no hospital named, and the block said; nobody was sent a result.
#[track_caller]
fn gives_no_total(n: u16, liar: u16, (world, office, ended): &(World, Office, Result<Sum, Failure>)) {
    let failure = ended.as_ref().map(|sum| &sum.survivors).unwrap_err();
    assert_eq!((failure.code, failure.round), (FailureCode::Uncommitted, Round::Result));
    assert_eq!((failure.block, failure.culprits.as_slice()), (Some(0), &[][..]));
    assert!(office.named.is_empty(), "an honest hospital is named: {:?}", office.named);
    assert!(world.verified.is_empty() && office.alarmed.is_empty());
    assert!(world.ended.iter().all(|(_, fault)| fault.is_none()), "{:?}", world.ended);
    assert!(liar <= n);
}

#[test]
fn attack_21_a_report_that_does_not_fit_its_commitment_a26() {
    for of in [1, 5, 1 << 20, i64::MAX] {
        gives_no_total(9, 9, &ran(9, 3, 9, another(of)));
    }
    // The same hospital, honest.
    let (world, _, ended) = ran(9, 3, 9, Box::new(|_, _, _| {}));
    assert!(ended.is_ok() && world.verified.len() == 8);
}

/// Wins: a total that nobody committed to, and everybody takes it for the true one.
#[cfg(samensom_ablation)]
#[test]
fn control_21_totals_that_nobody_committed_to() {
    let (world, _, ended) = off(None, Some(Check::A26), || ran(9, 3, 9, another(5)));
    let (honest, _, true_sum) = ran(9, 3, 9, Box::new(|_, _, _| {}));
    assert_eq!((world.verified.len(), honest.verified.len()), (8, 8));
    assert_ne!(ended.unwrap().lanes, true_sum.unwrap().lanes);
}

/// One liar among many, whoever it is and whatever it reports: never a total, never an honest one named.
/// `SAMENSOM_LIARS` is how many sessions of 69 hospitals are played besides those of 5 to 12.
#[test]
fn attack_21_one_liar_among_many_a26() {
    let played: u64 = std::env::var("SAMENSOM_LIARS").ok().and_then(|many| many.parse().ok()).unwrap_or(0);
    let (mut sessions, sizes) = (0, [5u16, 7, 9, 12]);
    for (seed, n) in
        (0..40u64).zip(sizes.iter().cycle()).map(|(seed, n)| (seed, *n)).chain((0..played).map(|s| (s, 69)))
    {
        let liar = u16::try_from(seed % u64::from(n)).unwrap() + 1;
        let of = i64::try_from(seed * seed + 1).unwrap();
        gives_no_total(n, liar, &ran(n, seed, liar, another(of)));
        sessions += 1;
    }
    println!("{sessions} sessions with a liar, none with a total");
}

#[test]
fn attack_23_a_commitment_made_after_the_deposit_a25() {
    let (world, office, ended) = ran(9, 3, 9, later(5));
    let sum = ended.unwrap();
    assert!(is_right(&world, &sum));
    assert_eq!(sum.survivors, (1..9).map(NodeId).collect::<Vec<_>>());
    assert_eq!(office.named, set(&[9]));
    assert!(office.faults.iter().any(|fault| fault.check == Check::A25), "{:?}", office.faults);
}

/// Wins: it chose its figure after every deposit was there.
#[cfg(samensom_ablation)]
#[test]
fn control_23_commitments_that_nobody_deposited() {
    let (world, _, ended) = off(None, Some(Check::A25), || ran(9, 3, 9, later(5)));
    assert!(ended.unwrap().survivors.contains(&NodeId(9)));
    assert_eq!(world.verified.len(), 8);
}

/// What a hospital of two blocks commits to, twice the same figures.
fn two_blocks() -> Vec<Bytes<32>> {
    use samensom_tests::adversary::drops::world;
    let mut rng = world(5, 3).rng;
    let values = vec![7i64; 2 * pedersen::CELLS];
    let cells = u32::try_from(values.len()).unwrap();
    let all = Contribution::new(cells, |_| (0, 9), &values, ExtractHash([0; 32])).unwrap();
    let blindings = pedersen::blindings(2, &mut rng);
    all.commitments(&Blocks::plain(cells), blindings.expose()).into_iter().map(Bytes).collect()
}

/// Equal blocks look different: nobody sees that two blocks, or two hospitals, hold the same.
#[test]
fn attack_30_blocks_under_one_blinding_uniform() {
    let points = two_blocks();
    assert_ne!(points[0], points[1]);
}

/// Wins: it is seen that both blocks hold the same.
#[cfg(samensom_ablation)]
#[test]
fn control_30_one_blinding_for_all_blocks() {
    let points = off(Some("one-blinding"), None, two_blocks);
    assert_eq!(points[0], points[1]);
}

/// Every hospital's report, as the coordinator sees it, with the figure it is of: true where the masked blinding
/// is the one that opens the commitment, so that small figures can be tried one by one.
fn bare() -> bool {
    use samensom_protocol::crypto::sharing::scalar;
    let (mut world, mut office) = (samensom_tests::adversary::drops::world(5, 3), Office::default());
    world.planted = (1..=5).map(|node| (NodeId(node), 3)).collect();
    let mut opened = false;
    let mut twist = |_: u16, _: NodeId, message: Message| {
        if let Message::Report(report) = &message {
            let blinding = scalar(&report.blindings[0]).unwrap();
            opened |= (0..10).any(|try_| pedersen::commit(&[try_], &blinding) == report.commitments[0].0);
        }
        Some(message)
    };
    let mut liars = Liars { node: Some(&mut twist), ..Liars::default() };
    let _ = office.among(&mut world, &Stops::new(), &mut liars);
    opened
}

#[test]
fn attack_44_a_figure_tried_against_its_commitment_blinded() {
    assert!(!bare());
}

/// Wins: with bare blindings the coordinator tries figures until one fits.
#[cfg(samensom_ablation)]
#[test]
fn control_44_blindings_without_masks() {
    assert!(off(Some("bare-blindings"), None, bare));
}
