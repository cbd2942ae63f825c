//! Proofs that committed cells lie in their ranges (A27), each changed in one way, or shown for something else: none is
//! accepted.
//!
//! What is shown is what everyone sees of one hospital: whose and of which attempt it is, the root of its commitments,
//! which cells are checked and up to where, its commitments, its proofs.

use crate::runs::{all, asked, replay};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use samensom_protocol::codec::{Blob, Bytes};
use samensom_protocol::crypto::blocks::Blocks;
use samensom_protocol::crypto::pedersen::{self, commit_block};
use samensom_protocol::crypto::ranges::{Given, MAX_PROOF, Statement, pieces, prove, verify};
use samensom_protocol::ids::{AttemptId, NodeId};
use samensom_protocol::rounds::committed::commitments_root;

/// What one hospital shows.
#[derive(Debug, Clone, PartialEq)]
struct Shown {
    sid: AttemptId,
    node: NodeId,
    root: [u8; 32],
    cells: u32,
    caps: Vec<Option<u64>>,
    commitments: Vec<Bytes<32>>,
    proofs: Vec<Vec<u8>>,
}

/// Greatest values of the figures side by side: of every width, exact and not, beside cells without a range.
const CAPS: [&[Option<u64>]; 6] = [
    &[Some(1)],
    &[Some(1), None],
    &[Some(200)],
    &[Some(255), Some(1)],
    &[Some(65_535)],
    &[None, Some(40_000)],
];

fn below(rng: &mut ChaCha20Rng, most: usize) -> usize {
    usize::try_from(rng.next_u32()).unwrap_or(0) % most
}

/// A true one; `node` and attempt are the seed's.
fn shown(which: usize, seed: u64) -> Shown {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let caps = CAPS[which % CAPS.len()].to_vec();
    let cells = 1 + rng.next_u32() % 3;
    let blocks = Blocks::new(cells, &caps);
    let within = |at: usize| caps[at % caps.len()].unwrap_or(1 << 20);
    let count = usize::try_from(cells).unwrap();
    let lanes: Vec<u64> = (0..count).map(|at| rng.next_u64() % (within(at) + 1)).collect();
    let blindings = pedersen::blindings(blocks.len(), &mut rng);
    let rho = blindings.expose();
    let commitments: Vec<Bytes<32>> =
        (0..blocks.len()).map(|at| Bytes(commit_block(&blocks, at, &lanes, &rho[at]))).collect();
    let mut sid = AttemptId([0; 32]);
    rng.fill_bytes(&mut sid.0);
    let (node, root) =
        (NodeId(1 + u16::try_from(below(&mut rng, 69)).unwrap()), commitments_root(commitments.iter()));
    let of = Statement { sid: &sid, node, root: &root };
    let opening = |at: usize| Some((lanes[blocks.cells_of(at).next()?], rho.get(at)?));
    let proofs = pieces(&blocks).iter().map(|piece| prove(piece, &of, &opening, &mut rng).unwrap()).collect();
    Shown { sid, node, root, cells, caps, commitments, proofs }
}

fn is_accepted(one: &Shown) -> bool {
    let proofs: Result<Vec<Blob<MAX_PROOF>>, _> =
        one.proofs.iter().map(|proof| Blob::new(proof.clone())).collect();
    let Ok(proofs) = proofs else { return false };
    let of = Statement { sid: &one.sid, node: one.node, root: &one.root };
    verify(
        &Blocks::new(one.cells, &one.caps),
        &[Given { of, commitments: &one.commitments, proofs: &proofs }],
    )
}

fn flip(bytes: &mut [u8], rng: &mut ChaCha20Rng) {
    let at = below(rng, bytes.len());
    bytes[at] ^= 1 << below(rng, 8);
}

fn proof<'a>(one: &'a mut Shown, rng: &mut ChaCha20Rng) -> &'a mut Vec<u8> {
    let at = below(rng, one.proofs.len());
    &mut one.proofs[at]
}

/// A commitment that a proof is of.
fn commitment<'a>(one: &'a mut Shown, rng: &mut ChaCha20Rng) -> &'a mut Bytes<32> {
    let blocks = Blocks::new(one.cells, &one.caps);
    let checked: Vec<usize> = blocks.checked().map(|cell| cell.block).collect();
    &mut one.commitments[checked[below(rng, checked.len())]]
}

type Change = fn(&mut Shown, &Shown, &mut ChaCha20Rng);

/// Ways to change one; the second is another true one over the same cells.
const CHANGES: [(&str, Change); 17] = [
    ("a bit of a proof", |one, _, rng| {
        let mut proof = std::mem::take(proof(one, rng));
        flip(&mut proof, rng);
        let at = one.proofs.iter().position(Vec::is_empty).unwrap();
        one.proofs[at] = proof;
    }),
    ("a proof cut", |one, _, rng| {
        proof(one, rng).pop();
    }),
    ("a proof with a byte more", |one, _, rng| proof(one, rng).push(0)),
    ("a proof of nothing", |one, _, rng| proof(one, rng).clear()),
    ("a proof left out", |one, _, rng| {
        let at = below(rng, one.proofs.len());
        one.proofs.remove(at);
    }),
    ("a proof doubled", |one, _, rng| {
        let again = proof(one, rng).clone();
        one.proofs.push(again);
    }),
    ("two proofs swapped", |one, _, rng| {
        let (from, to) = (below(rng, one.proofs.len()), below(rng, one.proofs.len()));
        one.proofs.swap(from, to);
    }),
    ("a scalar or point beyond its one encoding", |one, _, rng| {
        let of = proof(one, rng);
        let at = 1 + 32 * below(rng, of.len() / 32);
        of[at..(at + 32)].fill(0xff);
    }),
    ("a proof of another hospital", |one, other, rng| {
        let at = below(rng, one.proofs.len());
        one.proofs[at].clone_from(&other.proofs[at]);
    }),
    ("all proofs of another hospital", |one, other, _| one.proofs.clone_from(&other.proofs)),
    ("all of another hospital, under one's own name", |one, other, _| {
        one.commitments.clone_from(&other.commitments);
        one.proofs.clone_from(&other.proofs);
        one.root = other.root;
    }),
    ("a bit of a commitment", |one, _, rng| {
        let mut bytes = commitment(one, rng).0;
        flip(&mut bytes, rng);
        *commitment(one, rng) = Bytes(bytes);
    }),
    ("a bit of the root", |one, _, rng| flip(&mut one.root, rng)),
    ("a bit of the attempt", |one, _, rng| flip(&mut one.sid.0, rng)),
    ("another hospital's name", |one, _, rng| one.node.0 ^= 1 << below(rng, 16)),
    ("a range wider or narrower", |one, _, rng| {
        let at = one.caps.iter().position(Option::is_some).unwrap();
        one.caps[at] = one.caps[at].map(|cap| if rng.next_u32() % 2 == 0 { cap + 1 } else { cap - 1 });
    }),
    ("a cell more", |one, other, _| {
        one.cells += 1;
        one.commitments.push(other.commitments[0]);
    }),
];

/// One changed proof: which change, and whether it is accepted; none where the change changed nothing.
fn changed(seed: u64, pool: &[[Shown; 2]]) -> Option<(usize, bool)> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let [one, other] = &pool[below(&mut rng, pool.len())];
    let which = below(&mut rng, CHANGES.len());
    let mut liar = one.clone();
    (CHANGES[which].1)(&mut liar, other, &mut rng);
    (liar != *one).then(|| (which, is_accepted(&liar)))
}

/// True ones, two of the same cells.
fn pool(pairs: u64) -> Vec<[Shown; 2]> {
    let pair = |seed: u64| {
        let which = usize::try_from(seed).unwrap();
        let one = shown(which, seed);
        let other = (1..).map(|more| shown(which, 1000 * more + seed)).find(|other| other.cells == one.cells);
        [one, other.unwrap()]
    };
    let all: Vec<[Shown; 2]> = (0..pairs).map(pair).collect();
    assert!(all.iter().flatten().all(is_accepted), "a true one is refused");
    all
}

/// The most runs by `SAMENSOM_RUNS=1000000`.
#[test]
#[cfg_attr(samensom_ablation, ignore = "runs with every check on, without the cfg")]
fn no_changed_proof_is_accepted() {
    let pool = pool(24);
    let (seed, count) = asked(12_000);
    let (mut each, mut accepted) = ([0u64; CHANGES.len()], None);
    all(
        (seed, count),
        || {},
        |seed| changed(seed, &pool),
        |seed, told| {
            if let Some((which, is_accepted)) = told {
                each[which] += 1;
                accepted = is_accepted.then_some((seed, CHANGES[which].0)).or(accepted);
            }
            accepted.is_none()
        },
    );
    for ((what, _), count) in CHANGES.iter().zip(each) {
        println!("{count:>9}  {what}");
    }
    println!("{} changed proofs of {count}, {} accepted", each.iter().sum::<u64>(), accepted.iter().count());
    if let Some((seed, what)) = accepted {
        panic!("{what}: accepted\n{}", replay("ranges::no_changed_proof_is_accepted", seed));
    }
    assert!(count < 1000 || each.iter().all(|times| *times > 0), "{each:?}");
}

/// Wins, where the transcript leaves out the attempt or whose proof it is.
#[cfg(samensom_ablation)]
#[test]
fn control_changed_proofs_are_accepted() {
    use samensom_protocol::ablation;
    for name in ["range-without-attempt", "range-without-node"] {
        ablation::only(Some(name));
        let pool = pool(6);
        let accepted = (1..300).filter(|seed| matches!(changed(*seed, &pool), Some((_, true)))).count();
        ablation::only(None);
        assert!(accepted > 5, "{name}: {accepted}");
    }
}

/// Every field of the statement, by its type: with any of them changed the proof is of something else.
#[test]
fn every_field_of_the_statement_is_absorbed() {
    let one = shown(3, 3);
    assert!(is_accepted(&one));
    let Statement { sid, node, root } = Statement { sid: &one.sid, node: one.node, root: &one.root };
    let others = [
        Shown { sid: AttemptId([!sid.0[0]; 32]), ..one.clone() },
        Shown { node: NodeId(node.0 + 1), ..one.clone() },
        Shown { root: [!root[0]; 32], ..one.clone() },
    ];
    assert!(!others.iter().any(is_accepted));
}
