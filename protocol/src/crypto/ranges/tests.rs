//! What a proof of ranges holds for, and everything it must not hold for.

use super::*;
use crate::crypto::pedersen::{self, commit_block};
use curve25519_dalek::traits::Identity;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::BTreeSet;

const SID: AttemptId = AttemptId([5; 32]);
const ROOT: [u8; 32] = [6; 32];

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(3)
}

fn of(node: u16) -> Statement<'static> {
    Statement { sid: &SID, node: NodeId(node), root: &ROOT }
}

/// Commitments to these lanes, and proofs of all that is to be proven.
fn made(blocks: &Blocks, lanes: &[u64]) -> (Vec<[u8; 32]>, Vec<Vec<u8>>) {
    let blindings = pedersen::blindings(blocks.len(), &mut rng());
    let rho = blindings.expose();
    let points: Vec<[u8; 32]> =
        (0..blocks.len()).map(|block| commit_block(blocks, block, lanes, &rho[block])).collect();
    let opening = |block: usize| {
        let cell = blocks.cells_of(block).next()?;
        Some((lanes[cell], rho.get(block)?))
    };
    let each = pieces(blocks);
    let proofs = each.iter().map(|piece| prove(piece, &of(1), &opening, &mut rng()).unwrap()).collect();
    (points, proofs)
}

fn holds(blocks: &Blocks, of: &Statement, points: &[[u8; 32]], proofs: &[Vec<u8>]) -> bool {
    let commitments: Vec<Bytes<32>> = points.iter().map(|one| Bytes(*one)).collect();
    // Longer than any proof: refused where it is read.
    let proofs: Result<Vec<_>, _> = proofs.iter().map(|one| Blob::new(one.clone())).collect();
    proofs
        .is_ok_and(|proofs| verify(blocks, &[Given { of: *of, commitments: &commitments, proofs: &proofs }]))
}

/// Every width and both ends of every range, whole pieces and pieces of one value, beside cells without a range.
#[test]
fn what_lies_in_its_range_is_proven() {
    for caps in [
        vec![Some(1)],
        vec![Some(0)],
        vec![Some(200), None, Some(65_535)],
        vec![Some(u64::MAX), Some(1 << 31)],
    ] {
        for cells in [1u32, 2, 3, 67] {
            let blocks = Blocks::new(cells, &caps);
            for greatest in [false, true] {
                let cap = |cell: u32| caps[cell as usize % caps.len()].unwrap_or(9);
                let lanes: Vec<u64> = (0..cells).map(|cell| if greatest { cap(cell) } else { 0 }).collect();
                let (points, proofs) = made(&blocks, &lanes);
                assert!(holds(&blocks, &of(1), &points, &proofs), "{caps:?} x {cells}");
                let pieces = pieces(&blocks);
                assert!(pieces.iter().zip(&proofs).all(|(piece, proof)| piece.proof_len() == proof.len()));
                assert!(proofs.len() <= MAX_PROOFS && proofs.iter().all(|one| one.len() <= MAX_PROOF));
            }
        }
    }
}

#[test]
fn the_largest_session_keeps_the_lists_short() {
    let most = |cells: u32, cap: u64| pieces(&Blocks::new(cells, &[Some(cap)]));
    for all in [most(16_384, 1), most(8_192, 100), most(8_192, 65_535), most(1_024, 1 << 40)] {
        assert!(all.len() <= MAX_PROOFS && all.iter().all(|one| one.proof_len() <= MAX_PROOF));
    }
}

/// No honest program can make one: 30 where 1 is the most, and what only fits the width.
#[test]
fn what_lies_outside_has_no_proof() {
    for (cap, value) in [(1u64, 2), (1, 30), (200, 201), (200, 255), (65_535, 65_536), (0, 1)] {
        let (blocks, rho) = (Blocks::new(1, &[Some(cap)]), Scalar::from(9u8));
        let opening = |_: usize| Some((value, &rho));
        let each = pieces(&blocks);
        let made: Vec<_> = each.iter().map(|piece| prove(piece, &of(1), &opening, &mut rng())).collect();
        assert!(made.iter().any(Option::is_none), "{value} of at most {cap}");
    }
}

/// Attack 20: the commitment to a value outside the range, to one below 0, and to one that wraps the ring, under
/// the proof of one inside.
#[test]
fn attack_20_values_outside_under_a_proof_of_one_inside() {
    let blocks = Blocks::new(2, &[Some(200)]);
    let (points, proofs) = made(&blocks, &[7, 8]);
    let rho = Scalar::from(4u8);
    let both = value_generators();
    for value in [Scalar::from(201u8), -Scalar::ONE, Scalar::from(7u8) + Scalar::from(1u64 << 40)] {
        let lie = (value * both.value + rho * both.blinding).compress().to_bytes();
        assert!(!holds(&blocks, &of(1), &[lie, points[1]], &proofs));
    }
    let shift = CompressedRistretto(points[0]).decompress().unwrap() + Scalar::from(256u64) * both.value;
    assert!(!holds(&blocks, &of(1), &[shift.compress().to_bytes(), points[1]], &proofs));
    assert!(holds(&blocks, &of(1), &points, &proofs));
}

/// Attack 27: every part of the statement is in the proof.
#[test]
fn attack_27_a_proof_holds_for_its_own_statement_only() {
    let caps = [Some(200), Some(1)];
    let blocks = Blocks::new(4, &caps);
    let (points, proofs) = made(&blocks, &[7, 1, 7, 0]);
    assert!(holds(&blocks, &of(1), &points, &proofs));
    assert!(!holds(&blocks, &of(2), &points, &proofs), "another node");
    assert!(!holds(&blocks, &Statement { sid: &AttemptId([7; 32]), ..of(1) }, &points, &proofs), "attempt");
    assert!(!holds(&blocks, &Statement { root: &[7; 32], ..of(1) }, &points, &proofs), "other commitments");
    for other in [[Some(201), Some(1)], [Some(255), Some(1)], [Some(1), Some(200)], [Some(200), None]] {
        assert!(!holds(&Blocks::new(4, &other), &of(1), &points, &proofs), "{other:?}");
    }
    for (one, other) in [(0, 1), (0, 2), (1, 3)] {
        let mut swapped = points.clone();
        swapped.swap(one, other);
        assert!(!holds(&blocks, &of(1), &swapped, &proofs), "the cells' commitments swapped");
    }
    for at in 0..points.len() {
        let mut lie = points.clone();
        lie[at] = RistrettoPoint::identity().compress().to_bytes();
        assert!(!holds(&blocks, &of(1), &lie, &proofs), "a commitment left out");
    }
}

/// Every byte counts, and nothing may be longer, shorter, doubled, left out or out of order.
#[test]
fn a_changed_proof_is_refused() {
    let blocks = Blocks::new(2, &[Some(200)]);
    let (points, good) = made(&blocks, &[7, 8]);
    let refused = |proofs: &[Vec<u8>]| !holds(&blocks, &of(1), &points, proofs);
    assert!(!refused(&good));
    for proof in 0..good.len() {
        for at in 0..good[proof].len() {
            let mut lie = good.clone();
            lie[proof][at] ^= 1 << (at % 8);
            assert!(refused(&lie), "bit of byte {at} of proof {proof}");
        }
        let mut lie = good.clone();
        lie[proof].push(0);
        assert!(refused(&lie));
        for cut in [1, 32, 64, good[proof].len()] {
            let mut lie = good.clone();
            let short = lie[proof].len() - cut;
            lie[proof].truncate(short);
            assert!(refused(&lie), "{cut} bytes less");
        }
        let mut lie = good.clone();
        lie[proof].extend_from_slice(&[0; 64]);
        assert!(refused(&lie), "one round more");
    }
    assert!(refused(&[]) && refused(&good[1..]) && refused(&[&good[..], &good[..1]].concat()));
    assert!(refused(&[good[1].clone(), good[0].clone()]), "out of order");
}

/// A scalar plus ell, a point that is none, and a commitment in another encoding.
#[test]
fn what_is_not_canonical_is_refused() {
    let blocks = Blocks::new(1, &[Some(255)]);
    let (points, good) = made(&blocks, &[7]);
    // d1, A, A1, B, r1, s1, and the first L.
    for place in 0..7 {
        let mut lie = good.clone();
        lie[0][1 + 32 * place..33 + 32 * place].fill(0xff);
        assert!(!holds(&blocks, &of(1), &points, &lie), "element {place}");
    }
    for scalar in [0, 4, 5] {
        let mut lie = good.clone();
        let bytes = &mut lie[0][1 + 32 * scalar..33 + 32 * scalar];
        let ell = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10u8,
        ];
        let mut carry = 0u16;
        for (byte, add) in bytes.iter_mut().zip(ell) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
        }
        assert!(!holds(&blocks, &of(1), &points, &lie), "scalar {scalar} plus ell");
    }
    assert!(!holds(&blocks, &of(1), &[[0xff; 32]], &good) && !holds(&blocks, &of(1), &[], &good));
}

/// Every field of what is proven and of whose it is, by their types: changed in any one of them, the transcript that
/// the proof's challenges come from is another.
#[test]
fn every_field_changes_the_challenges() {
    let cell = Checked { cell: 4, block: 9, cap: 200 };
    let one = Piece { index: 2, bits: 8, above: false, cells: vec![cell, Checked { cell: 6, ..cell }] };
    let statement = of(1);
    let drawn = |piece: &Piece, of: &Statement| {
        let mut challenge = [0; 32];
        piece.transcript(of).challenge_bytes(b"drawn", &mut challenge);
        challenge
    };
    let Statement { sid, node, root } = statement;
    let bytes = |bytes: &[u8; 32]| {
        let flipped = |bit: usize| {
            let mut bytes = *bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        };
        (0..256).map(flipped).collect::<Vec<[u8; 32]>>()
    };
    let (sids, roots): (Vec<_>, _) = (bytes(&sid.0).into_iter().map(AttemptId).collect(), bytes(root));
    let whose = (0..16).map(|bit| Statement { node: NodeId(node.0 ^ (1 << bit)), ..statement });
    let whose = whose.chain(sids.iter().map(|sid| Statement { sid, ..statement }));
    let whose = whose.chain(roots.iter().map(|root| Statement { root, ..statement }));
    let Piece { index, bits, above, cells } = &one;
    let mut pieces: Vec<Piece> =
        (0..32).map(|bit| Piece { index: index ^ (1 << bit), ..one.clone() }).collect();
    pieces.extend((0..8).map(|bit| Piece { bits: bits ^ (1 << bit), ..one.clone() }));
    pieces.extend([
        Piece { above: !above, ..one.clone() },
        Piece { cells: cells[1..].to_vec(), ..one.clone() },
    ]);
    let Checked { cell: at, block: _, cap } = cell;
    let changed = |to: Checked| Piece { cells: vec![to, cells[1]], ..one.clone() };
    pieces.extend((0..32).map(|bit| changed(Checked { cell: at ^ (1 << bit), ..cell })));
    pieces.extend((0..64).map(|bit| changed(Checked { cap: cap ^ (1 << bit), ..cell })));
    let count = 1 + 16 + 256 + 256 + pieces.len();
    let all: BTreeSet<[u8; 32]> = core::iter::once(drawn(&one, &statement))
        .chain(whose.map(|of| drawn(&one, &of)))
        .chain(pieces.iter().map(|piece| drawn(piece, &statement)))
        .collect();
    // The block follows from the cell; its commitment the crate absorbs.
    assert_eq!((all.len(), pieces.len()), (count, 32 + 8 + 2 + 32 + 64));
}
