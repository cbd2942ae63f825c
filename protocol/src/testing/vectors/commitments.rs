//! Generators, commitments, masks of blindings, and a sum of commitments with what it opens to.

use super::hex;
use crate::codec::{Blob, Bytes};
use crate::crypto::blocks::Blocks;
use crate::crypto::mask::{Sign, blind};
use crate::crypto::pedersen::{
    CELLS, Sums, add_blindings, commit, commit_block, generators_encoded, value_generators_encoded,
};
use crate::crypto::ranges::{Given, Statement, pieces, prove, verify};
use crate::crypto::sharing::scalar;
use crate::crypto::transcript::sha256;
use crate::ids::{AttemptId, NodeId};
use curve25519_dalek::Scalar;
use serde_json::{Value, json};

pub(super) fn all() -> Value {
    json!({ "generators": generators(), "commitments": commitments(), "masks": masks(), "sum": sum(), "ranges": ranges() })
}

fn generators() -> Value {
    let (cells, blinding) = generators_encoded();
    let [value, of_value] = value_generators_encoded();
    let at = |index: usize| json!({ "index": index, "point": hex(cells[index - 1]) });
    json!({
        "cells": [at(1), at(2), at(512), at(CELLS)], "blinding": hex(blinding),
        "checked_value": hex(value), "checked_blinding": hex(of_value),
        "all_cells_sha256": hex(sha256(cells.as_flattened())),
    })
}

/// A blinding from one byte, as the vectors name it: 64 of that byte modulo ell.
fn blinding(byte: u8) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&[byte; 64])
}

fn commitments() -> Vec<Value> {
    let least = Scalar::from(0u64);
    let largest = scalar(&Bytes([
        0xec, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ]));
    let ramp: Vec<u64> = (0..1024u64).map(|i| i * i * 1_000_003).collect();
    [
        (vec![1], least),
        (vec![0], Scalar::ONE),
        (vec![u64::MAX], largest.unwrap()),
        (vec![1, 2, 3], blinding(7)),
        (ramp, blinding(8)),
    ]
    .into_iter()
    .map(|(values, rho)| {
        json!({ "values": values, "blinding": hex(rho.to_bytes()), "commitment": hex(commit(&values, &rho)) })
    })
    .collect()
}

fn masks() -> Value {
    let mut blindings = vec![blinding(1), blinding(2), blinding(3)];
    let before: Vec<Value> = blindings.iter().map(|one| hex(one.to_bytes())).collect();
    blind(&mut blindings, &[9; 32], Sign::Plus);
    let plus: Vec<Value> = blindings.iter().map(|one| hex(one.to_bytes())).collect();
    (0..2).for_each(|_| blind(&mut blindings, &[9; 32], Sign::Minus));
    let minus: Vec<Value> = blindings.iter().map(|one| hex(one.to_bytes())).collect();
    json!({ "seed": hex([9; 32]), "blindings": before, "plus": plus, "minus": minus })
}

/// Three contributors, two blocks, the second of two cells; values ascend by one from the first.
fn sum() -> Value {
    let cells = CELLS + 2;
    let blocks = Blocks::plain(u32::try_from(cells).unwrap());
    let (mut sums, mut totals, mut rho) = (Sums::new(2), vec![0u64; cells], vec![Scalar::ZERO; 2]);
    let mut contributors = Vec::new();
    for who in 1..=3u8 {
        let values: Vec<u64> = (0..).take(cells).map(|cell: u64| u64::from(who) * 1_000 + cell).collect();
        let blindings = [blinding(who), blinding(who + 16)];
        let given: Vec<[u8; 32]> =
            values.chunks(CELLS).zip(&blindings).map(|(values, rho)| commit(values, rho)).collect();
        assert!(sums.add(given.iter()));
        totals.iter_mut().zip(&values).for_each(|(total, value)| *total += value);
        add_blindings(&mut rho, &blindings);
        contributors.push(json!({
            "first_value": values[0], "blindings": blindings.map(|one| hex(one.to_bytes())),
            "commitments": given.iter().map(hex).collect::<Vec<_>>(),
        }));
    }
    assert_eq!(sums.first_false(&blocks, (&totals, &rho), &mut crate::bundle::tests::rng()), None);
    json!({
        "cells": cells, "contributors": contributors, "totals": totals,
        "blindings": rho.iter().map(|one| hex(one.to_bytes())).collect::<Vec<_>>(),
    })
}

/// Four cells, of which three are checked: one under a cap of one, two under one that is no power of two. The proofs
/// come from seeded randomness.
fn ranges() -> Value {
    let (caps, lanes) = ([Some(1), None, Some(200), Some(200)], [1u64, 77, 0, 200]);
    let blocks = Blocks::new(4, &caps);
    let blindings: Vec<Scalar> = (1..=4).map(blinding).collect();
    let points: Vec<[u8; 32]> =
        blindings.iter().enumerate().map(|(block, rho)| commit_block(&blocks, block, &lanes, rho)).collect();
    let (sid, root) = (AttemptId([5; 32]), [6; 32]);
    let of = Statement { sid: &sid, node: NodeId(7), root: &root };
    let opening = |block: usize| Some((lanes[blocks.cells_of(block).next()?], blindings.get(block)?));
    let rng = &mut crate::bundle::tests::rng();
    let proofs: Vec<Vec<u8>> =
        pieces(&blocks).iter().map(|piece| prove(piece, &of, &opening, rng).unwrap()).collect();
    let commitments: Vec<Bytes<32>> = points.iter().map(|one| Bytes(*one)).collect();
    let given: Vec<_> = proofs.iter().map(|one| Blob::new(one.clone()).unwrap()).collect();
    assert!(verify(&blocks, &[Given { of, commitments: &commitments, proofs: &given }]));
    json!({
        "sid": hex(sid.0), "node": 7, "root": hex(root), "caps": caps, "values": lanes,
        "blindings": blindings.iter().map(|one| hex(one.to_bytes())).collect::<Vec<_>>(),
        "commitments": points.iter().map(hex).collect::<Vec<_>>(),
        "proofs": proofs.iter().map(hex).collect::<Vec<_>>(),
    })
}
