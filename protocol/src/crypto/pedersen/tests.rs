//! RFC 9496's vectors, and what a commitment may and may not be opened to.

use super::*;
use crate::codec::{from_hex, to_hex};
use crate::crypto::sharing::scalar;
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

fn plain(cells: usize) -> Blocks {
    Blocks::plain(u32::try_from(cells).unwrap())
}

fn bytes(hex: &str) -> [u8; 32] {
    from_hex(hex).unwrap().try_into().unwrap()
}

/// RFC 9496, appendix A.1.
#[test]
fn multiples_of_the_base_point() {
    let known = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76",
        "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919",
        "94741f5d5d52755ece4f23f044ee27d5d1ea1e2bd196b462166b16152a9d0259",
        "da80862773358b466ffadfe0b3293ab3d9fd53c5ea6c955358f568322daf6a57",
    ];
    let mut point = RistrettoPoint::default();
    for known in known {
        assert_eq!(to_hex(point.compress().as_bytes()), known);
        point += RISTRETTO_BASEPOINT_POINT;
    }
}

/// RFC 9496, appendix A.2, and the identity, which RFC 9496 decodes and a commitment must not be.
#[test]
fn a_commitment_that_is_no_canonical_point_is_refused() {
    let refused = [
        "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ed57ffd8c914fb201471d1c3d245ce3c746fcbe63a3679d51b6a516ebebe0e20",
        "c34c4e1826e5d403b78e246e88aa051c36ccf0aafebffe137d148a2bf9104562",
        "c940e5a4404157cfb1628b108db051a8d439e1a421394ec4ebccb9ec92a8ac78",
        "47cfc5497c53dc8e61c91d17fd626ffb1c49e2bca94eed052281b510b1117a24",
        "f1c6165d33367351b0da8f6e4511010c68174a03b6581212c71c0e1d026c3c72",
        "87260f7a2f12495118360f02c26a470f450dadf34a413d21042b43b9d93e1309",
        "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
        "4eac077a713c57b4f4397629a4145982c661f48044dd3f96427d40b147d9742f",
        "de6a7b00deadc788eb6b6c8d20c0ae96c2f2019078fa604fee5b87d6e989ad7b",
        "bcab477be20861e01e4a0e295284146a510150d9817763caf1a6f4b422d67042",
        "2a292df7e32cababbd9de088d1d1abec9fc0440f637ed2fba145094dc14bea08",
        "f4a9e534fc0d216c44b218fa0c42d99635a0127ee2e53c712f70609649fdff22",
        "8268436f8c4126196cf64b3c7ddbda90746a378625f9813dd9b8457077256731",
        "2810e5cbc2cc4d4eece54f61c6f69758e289aa7ab440b3cbeaa21995c2f4232b",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
    ];
    let good = commit(&[1], &Scalar::ONE);
    for refused in refused {
        let mut sums = Sums::new(2);
        assert!(!sums.add([&good, &bytes(refused)].into_iter()), "{refused}");
        assert!(sums.0.iter().all(IsIdentity::is_identity), "and nothing was added");
    }
    assert!(Sums::new(2).add([&good, &good].into_iter()));
    assert!(!Sums::new(2).add([&good].into_iter()) && !Sums::new(1).add([&good, &good].into_iter()));
}

/// RFC 9496, appendix A.3: 64 bytes, SHA-512 of a label, to a point.
#[test]
fn points_from_hashes() {
    for (label, point) in [
        (
            "Ristretto is traditionally a short shot of espresso coffee",
            "3066f82a1a747d45120d1740f14358531a8f04bbffe6a819f86dfe50f44a0a46",
        ),
        (
            "made with the normal amount of ground coffee but extracted with",
            "f26e5b6f7d362d2d2a94c5d0e7602cb4773c95a2e5c31a64f133189fa76ed61b",
        ),
        (
            "about half the amount of water in the same amount of time",
            "006ccd2a9e6867e6a2c5cea83d3302cc9de128dd2a9a57dd8ee7b9d7ffe02826",
        ),
    ] {
        let hash: [u8; 64] = Sha512::digest(label).into();
        assert_eq!(to_hex(RistrettoPoint::from_uniform_bytes(&hash).compress().as_bytes()), point);
    }
}

#[test]
fn no_two_generators_are_equal() {
    let all = generators();
    let checked = value_generators();
    let fixed = [&all.blinding, &checked.value, &checked.blinding, &RISTRETTO_BASEPOINT_POINT];
    let points = all.cells.iter().chain(fixed);
    let different: std::collections::BTreeSet<_> = points.map(|point| point.compress().to_bytes()).collect();
    assert_eq!(different.len(), CELLS + 4);
    assert!(!different.contains(&[0; 32]));
}

/// A commitment is what the formula says, term by term.
#[test]
fn a_commitment_is_its_formula() {
    let (values, rho) = ([0, 1, u64::MAX, 7], uniform(&mut rng()));
    let mut point = rho * generator(b"H", 0);
    for (index, value) in (1u16..).zip(values) {
        point += Scalar::from(value) * generator(b"G", index);
    }
    assert_eq!(commit(&values, &rho), point.compress().to_bytes());
}

/// Three contributors, a vector of `cells` cells: commitments, totals and sums of blindings.
fn three(cells: usize) -> (Sums, Vec<u64>, Vec<Scalar>) {
    let (mut rng, blocks) = (rng(), cells.div_ceil(CELLS));
    let (mut sums, mut totals) = (Sums::new(blocks), vec![0u64; cells]);
    let mut rho = vec![Scalar::ZERO; blocks];
    for who in 1..=3u64 {
        let values: Vec<u64> = (0..).take(cells).map(|cell: u64| who * 1_000_003 + cell).collect();
        let blinding = blindings(blocks, &mut rng);
        let pairs = values.chunks(CELLS).zip(blinding.expose());
        let commitments: Vec<[u8; 32]> = pairs.map(|(values, rho)| commit(values, rho)).collect();
        assert!(sums.add(commitments.iter()));
        totals.iter_mut().zip(&values).for_each(|(total, value)| *total += value);
        rho.iter_mut().zip(blinding.expose()).for_each(|(sum, rho)| *sum += rho);
    }
    (sums, totals, rho)
}

#[test]
fn the_sum_opens_to_the_total_and_to_nothing_else() {
    for cells in [1, 3, CELLS, CELLS + 1, 3 * CELLS - 5] {
        let (sums, totals, rho) = three(cells);
        let false_at =
            |totals: &[u64], rho: &[Scalar]| sums.first_false(&plain(cells), (totals, rho), &mut rng());
        assert_eq!(false_at(&totals, &rho), None, "{cells} cells");
        for cell in [0, cells / 2, cells - 1] {
            for off in [1, u64::MAX, 1 << 16] {
                let mut lie = totals.clone();
                lie[cell] = lie[cell].wrapping_add(off);
                assert_eq!(false_at(&lie, &rho), Some(cell / CELLS));
            }
        }
        let mut lie = rho.clone();
        lie[0] += Scalar::ONE;
        assert_eq!(false_at(&totals, &lie), Some(0));
        assert!(false_at(&totals, &rho[1..]).is_some());
        assert!(false_at(&[&totals[..], &[0; CELLS]].concat(), &rho).is_some());
        if rho.len() > 1 {
            let mut lie = rho.clone();
            lie.swap(0, 1);
            assert_eq!(false_at(&totals, &lie), Some(0), "lanes swapped between blocks");
            let mut lie = rho.clone();
            (lie[0], lie[1]) = (lie[0] + Scalar::ONE, lie[1] - Scalar::ONE);
            assert_eq!(false_at(&totals, &lie), Some(0), "errors that cancel without weights");
        }
    }
}

/// Checked cells beside others: each block opens to its own cells and to nothing else.
#[test]
fn checked_cells_are_blocks_of_their_own() {
    let (mut rng, cells) = (rng(), 2_500u32);
    let blocks = Blocks::new(cells, &[None, Some(9), None, None]);
    assert_eq!((blocks.plain_blocks(), blocks.len()), (2, 2 + 625));
    let (mut sums, mut totals) = (Sums::new(blocks.len()), vec![0u64; 2_500]);
    let mut rho = vec![Scalar::ZERO; blocks.len()];
    for who in 1..=3u64 {
        let lanes: Vec<u64> = (0..2_500).map(|cell| who + cell % 7).collect();
        let blinding = blindings(blocks.len(), &mut rng);
        let each = blinding.expose().iter().enumerate();
        let points: Vec<[u8; 32]> =
            each.map(|(block, rho)| commit_block(&blocks, block, &lanes, rho)).collect();
        assert!(sums.add(points.iter()));
        totals.iter_mut().zip(&lanes).for_each(|(total, lane)| *total += lane);
        add_blindings(&mut rho, blinding.expose());
    }
    assert_eq!(sums.first_false(&blocks, (&totals, &rho), &mut rng), None);
    for (cell, block) in [(0, 0), (1, 2), (5, 3), (2_499, 1), (2_497, 626)] {
        let mut lie = totals.clone();
        lie[cell] += 1;
        assert_eq!(sums.first_false(&blocks, (&lie, &rho), &mut rng), Some(block));
    }
    let mut lie = totals.clone();
    (lie[1], lie[5]) = (lie[1] + 1, lie[5] - 1);
    assert_eq!(
        sums.first_false(&blocks, (&lie, &rho), &mut rng),
        Some(2),
        "errors that cancel without weights"
    );
    assert!(sums.first_false(&Blocks::plain(cells), (&totals, &rho), &mut rng).is_some());
}

/// A total that is 2^w too small, as where a sum wraps the ring, is another integer.
#[test]
fn a_total_that_wrapped_does_not_open() {
    let rho = uniform(&mut rng());
    let mut sums = Sums::new(1);
    for value in [200u64, 56] {
        assert!(sums.add([commit(&[value], &rho)].iter()));
    }
    let both = rho + rho;
    assert_eq!(sums.first_false(&plain(1), (&[256], &[both]), &mut rng()), None);
    assert_eq!(sums.first_false(&plain(1), (&[256 & 0xff], &[both]), &mut rng()), Some(0));
}

/// R has no carry and no other encoding: sums of blindings are canonical scalars (attack 44).
#[test]
fn sums_of_blindings_are_canonical() {
    let mut rng = rng();
    let mut sum = Scalar::ZERO;
    for blinding in blindings(10_000, &mut rng).expose() {
        sum += blinding;
        assert_eq!(scalar(&crate::codec::Bytes(sum.to_bytes())), Some(sum));
    }
}

/// Blindings of blocks are independent: no two are equal, no matter how many are drawn.
#[test]
fn no_two_blindings_are_equal() {
    let drawn = blindings(1_000, &mut rng());
    let different: std::collections::BTreeSet<_> = drawn.expose().iter().map(Scalar::to_bytes).collect();
    assert_eq!(different.len(), 1_000);
}
