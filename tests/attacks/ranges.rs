//! Attacks of a hospital that commits to figures outside their range (profile V3): the proof that it owes does not exist,
//! and another's is none for it. The coordinator is honest.

use crate::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use samensom_protocol::codec::{Blob, Bytes};
use samensom_protocol::crypto::blocks::Blocks;
use samensom_protocol::crypto::pedersen::{self, commit_block};
use samensom_protocol::crypto::ranges::{Given, Statement, pieces, prove, verify};
use samensom_protocol::ids::AttemptId;
use samensom_protocol::io::{Failure, Sum};
use samensom_tests::adversary::drops::Stops;
use samensom_tests::adversary::floors::{self, Rows};
use samensom_tests::adversary::office::{Liars, Office};

const N: u16 = 9;
/// The largest figure: no power of two, so that it is proven from both sides.
const LARGEST: i64 = 1000;

fn query(checked: bool) -> String {
    let checked = if checked { "checked = true\n" } else { "" };
    format!(
        "[query]\nid = \"q\"\nversion = 1\ntitle = {{ nl = \"t\", en = \"t\" }}\npurpose = \"stock\"\n\
         dataset = \"stock\"\n[[measure]]\nname = \"m\"\nsum = \"quantity\"\nunit = \"piece\"\nscale = 0\n\
         range = [0, {LARGEST}]\n{checked}"
    )
}

fn world(checked: bool, floor: u16) -> World {
    let town = floors::town(N, &[&query(checked)], |terms| terms.floor_hospitals = floor);
    let machines: Vec<NodeId> = (1..=N).map(NodeId).collect();
    let mut world = World::new(town, 5, &machines, BTreeSet::new());
    world.watched = false;
    world
}

/// A sum of figures of 10 each, but that of hospital 9.
fn summed(checked: bool, boast: i64) -> (World, Office, Result<Sum, Failure>) {
    let mut world = world(checked, 0);
    world.planted.extend((1..=N).map(|node| (NodeId(node), 10)));
    world.boasts.insert(NodeId(9), boast);
    let mut office = Office::default();
    let ended = office.among(&mut world, &Stops::new(), &mut Liars::default());
    (world, office, ended)
}

/// A count pass in which two hospitals have rows, fewer than the floor; hospital 9 says that it is five.
fn counted(checked: bool) -> (Office, Result<Sum, Failure>) {
    let mut world = world(checked, 3);
    let rows = |node| Rows { node: NodeId(node), cell: 0, atom: 0, sum: 10, patients: 0 };
    world.rows = vec![rows(1), rows(2)];
    world.boasts.insert(NodeId(9), 5);
    let mut office = Office::default();
    let ended = office.count(&mut world, &Stops::new());
    (office, ended)
}

#[test]
fn attack_20_a_figure_outside_its_range_a27() {
    for boast in [LARGEST + 1, 1023, 65_535, 65_536, 1 << 40, i64::MAX] {
        let (world, office, ended) = summed(true, boast);
        let sum = ended.unwrap();
        assert_eq!(sum.lanes, [80], "{boast}: the sum of the others");
        assert_eq!(sum.survivors, (1..9).map(NodeId).collect::<Vec<_>>());
        assert_eq!(office.named, set(&[9]), "{boast}: by name");
        assert!(office.faults.iter().any(|fault| fault.check == Check::A27), "{:?}", office.faults);
        assert_eq!(world.verified.len(), 8);
    }
    // At both ends of its range nobody minds.
    for boast in [0, LARGEST] {
        assert_eq!(summed(true, boast).2.unwrap().survivors.len(), 9);
    }
}

/// Wins: one hospital's figure is as large as it likes, and everybody verifies the sum.
#[cfg(samensom_ablation)]
#[test]
fn control_20_ranges_that_nobody_checks() {
    let (world, _, ended) = off(None, Some(Check::A27), || summed(true, 1 << 10));
    assert_eq!(ended.unwrap().lanes, [80 + (1 << 10)]);
    assert_eq!(world.verified.len(), 9);
}

#[test]
fn attack_40_an_inflated_indicator_a27() {
    let (office, ended) = counted(true);
    let sum = ended.unwrap();
    assert_eq!(sum.survivors, (1..9).map(NodeId).collect::<Vec<_>>());
    assert_eq!(office.named, set(&[9]));
    assert_eq!(office.opening.unwrap().0.open[..], [0], "two hold it: closed");
    // A query that asks for no proofs believes it, and its result says that a hospital can lie about its count.
    let (office, ended) = counted(false);
    assert!(ended.is_ok() && office.opening.unwrap().0.open[..] == [1]);
}

/// Wins: a figure of two hospitals opens.
#[cfg(samensom_ablation)]
#[test]
fn control_40_an_inflated_indicator() {
    let (office, ended) = off(None, Some(Check::A27), || counted(true));
    assert!(ended.is_ok() && office.opening.unwrap().0.open[..] == [1]);
}

const SID: AttemptId = AttemptId([5; 32]);
const ROOT: [u8; 32] = [6; 32];

/// Commitments to three figures, two of them checked, and their proofs by a hospital in an attempt.
fn proven(of: &Statement) -> (Vec<Bytes<32>>, Vec<Blob<{ samensom_protocol::crypto::ranges::MAX_PROOF }>>) {
    let (blocks, lanes) = (blocks(), [7u64, 200, 3]);
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let blindings = pedersen::blindings(blocks.len(), &mut rng);
    let rho = blindings.expose();
    let points = (0..blocks.len()).map(|at| Bytes(commit_block(&blocks, at, &lanes, &rho[at]))).collect();
    let opening = |at: usize| Some((lanes[blocks.cells_of(at).next()?], rho.get(at)?));
    let proof = |piece| Blob::new(prove(piece, of, &opening, &mut rng).unwrap()).unwrap();
    (points, pieces(&blocks).iter().map(proof).collect())
}

fn blocks() -> Blocks {
    Blocks::new(3, &[None, Some(200), Some(255)])
}

/// What a proof made for one statement is taken for.
fn taken(for_it: &Statement, as_it: &Statement) -> bool {
    let (commitments, proofs) = proven(for_it);
    verify(&blocks(), &[Given { of: *as_it, commitments: &commitments, proofs: &proofs }])
}

const OWN: Statement = Statement { sid: &SID, node: NodeId(1), root: &ROOT };
const OTHER_SID: AttemptId = AttemptId([7; 32]);
const OTHER_ROOT: [u8; 32] = [7; 32];

#[test]
fn attack_27_proofs_of_another_statement_a27() {
    assert!(taken(&OWN, &OWN));
    for (name, other) in [
        ("attempt", Statement { sid: &OTHER_SID, ..OWN }),
        ("hospital", Statement { node: NodeId(2), ..OWN }),
        ("commitments", Statement { root: &OTHER_ROOT, ..OWN }),
    ] {
        assert!(!taken(&OWN, &other), "another {name}");
    }
    let (commitments, mut proofs) = proven(&OWN);
    let of = |commitments: &[Bytes<32>], proofs: &[_]| {
        verify(&blocks(), &[Given { of: OWN, commitments, proofs }])
    };
    proofs.swap(0, 1);
    assert!(!of(&commitments, &proofs), "one proof for another");
    proofs.swap(0, 1);
    let mut swapped = commitments.clone();
    swapped.swap(1, 2);
    assert!(!of(&swapped, &proofs), "one cell's commitment for another's");
}

/// Wins: what one hospital proved once proves it in another attempt, or for another hospital.
#[cfg(samensom_ablation)]
#[test]
fn control_27_proofs_that_do_not_say_what_they_are_of() {
    let other = Statement { sid: &OTHER_SID, ..OWN };
    assert!(off(Some("range-without-attempt"), None, || taken(&OWN, &other)));
    let other = Statement { node: NodeId(2), ..OWN };
    assert!(off(Some("range-without-node"), None, || taken(&OWN, &other)));
}
