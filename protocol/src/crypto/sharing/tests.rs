//! Sharing by hand, thresholds, the public relation, uniformity, canonical scalars.

use super::*;
use crate::codec::to_hex;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::BTreeSet;

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

/// A worked example by hand: f(x) = 5 + 3x + 2x^2 through x = 1, 2, 4.
#[test]
fn interpolation_by_hand() {
    let points: Vec<_> = [(1u16, 10u64), (2, 19), (4, 49)].map(|(x, y)| (x, Scalar::from(y))).to_vec();
    let f = interpolate(&points, &Inverses::up_to(4)).unwrap();
    assert_eq!(f.coefficients(), [5u64, 3, 2].map(Scalar::from));
    assert_eq!(f.at(3), Scalar::from(32u64));
}

#[test]
fn any_threshold_of_shares_gives_the_secret_and_fewer_do_not() {
    let (mut rng, inverses) = (rng(), Inverses::up_to(69));
    let f = Polynomial::random(35, &mut rng);
    let share = |i: u16| (i, f.expose().at(i));
    for positions in [(1..=35).collect::<Vec<_>>(), (35..=69).collect(), (1..=69).rev().step_by(2).collect()]
    {
        let points: Vec<_> = positions.into_iter().map(share).collect();
        assert_eq!(interpolate(&points, &inverses).unwrap().coefficients(), f.expose().coefficients());
    }
    let few: Vec<_> = (1..=34).map(share).collect();
    assert_ne!(interpolate(&few, &inverses).unwrap().at_zero(), f.expose().at_zero());
}

/// Reducing less often changes nothing: Horner's rule with a reduction in every step gives the same.
#[test]
fn a_share_is_the_polynomial_s_value() {
    let mut rng = rng();
    for threshold in [1u16, 2, 15, 16, 17, 35, 64, 513] {
        let f = Polynomial::random(threshold, &mut rng);
        for position in [1u16, 2, 69, 1024, u16::MAX] {
            let x = Scalar::from(position);
            let value = f.expose().coefficients().iter().rev().fold(Scalar::ZERO, |sum, c| sum * x + c);
            assert_eq!(f.expose().at(position), value, "{threshold} coefficients at {position}");
        }
    }
}

/// One basis serves all dealers, also when it takes more shares than one sum of products holds.
#[test]
fn one_basis_opens_every_dealer() {
    let (mut rng, inverses) = (rng(), Inverses::up_to(300));
    for threshold in [1u16, 35, 64, 65, 130] {
        let positions: Vec<u16> = (1..=threshold).map(|i| 2 * i + 3).collect();
        let basis = Basis::new(&positions, &inverses).unwrap();
        for _ in 0..2 {
            let f = Polynomial::random(threshold, &mut rng);
            let shares: Vec<Scalar> = positions.iter().map(|position| f.expose().at(*position)).collect();
            assert_eq!(basis.polynomial(&shares).coefficients(), f.expose().coefficients());
        }
    }
}

#[test]
fn equal_positions_and_positions_outside_are_refused() {
    let inverses = Inverses::up_to(5);
    let s = Scalar::from(1u64);
    assert!(interpolate(&[(1, s), (1, s)], &inverses).is_none());
    assert!(interpolate(&[(1, s), (9, s)], &inverses).is_none());
}

/// A share is good, or its dealer's fault, or that of whoever shows it; under its own secret, dealer,
/// attempt and root only.
#[test]
fn a_share_stands_as_its_dealer_committed_to_it() {
    let mut rng = rng();
    let [f, g] = [0; 2].map(|_| Polynomial::random(4, &mut rng));
    let (sid, dealer, root) = (AttemptId([1; 32]), NodeId(7), [2; 32]);
    let statement = Statement { sid: &sid, dealer, threshold: 4, root: &root };
    for (which, other) in [(Which::R, Which::B), (Which::B, Which::R)] {
        let z = combine(f.expose(), g.expose(), &statement.challenge(which));
        for i in 1..=9 {
            let (share, hiding) = (f.expose().at(i), g.expose().at(i));
            assert_eq!(z.at(i), hiding + statement.challenge(which) * share);
            let standing = |statement: &Statement, which, shown, (f, g): (Scalar, Scalar)| {
                let (f, g) = commit(which, &sid, dealer, i, (&f, &g));
                statement.standing(which, i, &shown, &z.at(i), (&f, &g))
            };
            let (right, one) = ((share, hiding), Scalar::ONE);
            assert_eq!(standing(&statement, which, share, right), Standing::Good);
            assert_eq!(standing(&statement, which, share + one, right), Standing::Other);
            let off = share + one;
            assert_eq!(standing(&statement, which, off, (off, hiding)), Standing::Crooked);
            assert_eq!(standing(&statement, which, share, (share, hiding + one)), Standing::Crooked);
            assert_eq!(standing(&statement, other, share, right), Standing::Crooked);
            let elsewhere = Statement { root: &[3; 32], ..statement };
            assert_eq!(standing(&elsewhere, which, share, right), Standing::Crooked);
            let another = Statement { dealer: NodeId(8), ..statement };
            assert_eq!(standing(&another, which, share, right), Standing::Other);
        }
    }
    assert_ne!(statement.challenge(Which::R), statement.challenge(Which::B));
}

/// Coefficients are uniform and zero is not left out: the top bit of 2^252 + small falls below ell, so
/// each of the low 8 bits is set in half of 4,000 draws.
#[test]
fn coefficients_are_uniform() {
    let f = Polynomial::random(4000, &mut rng());
    for bit in 0..8 {
        let set = f.expose().coefficients().iter().filter(|c| c.to_bytes()[0] >> bit & 1 == 1).count();
        assert!((1850..2150).contains(&set), "bit {bit}: {set}");
    }
}

#[test]
fn only_canonical_scalars_are_read() {
    // ell itself, RFC 8032's group order, little-endian.
    let mut ell = [0u8; 32];
    ell[..16].copy_from_slice(&[
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    ]);
    ell[31] = 0x10;
    assert!(scalar(&Bytes(ell)).is_none());
    ell[0] -= 1;
    assert_eq!(scalar(&Bytes(ell)), Some(-Scalar::ONE), "{}", to_hex(&ell));
}

/// Every field of the statement, by its type: with one bit of any of them changed the challenge is another, and so are
/// those of the same field's other bits.
#[test]
fn every_field_of_the_statement_changes_the_challenge() {
    let (sid, root) = (AttemptId([1; 32]), [2; 32]);
    let one = Statement { sid: &sid, dealer: NodeId(7), threshold: 4, root: &root };
    let Statement { sid, dealer, threshold, root } = one;
    let flipped = |bytes: &[u8; 32], bit: usize| {
        let mut bytes = *bytes;
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    };
    let sids: Vec<AttemptId> = (0..256).map(|bit| AttemptId(flipped(&sid.0, bit))).collect();
    let roots: Vec<[u8; 32]> = (0..256).map(|bit| flipped(root, bit)).collect();
    let numbers = (0..16).flat_map(|bit| {
        [
            Statement { dealer: NodeId(dealer.0 ^ (1 << bit)), ..one },
            Statement { threshold: threshold ^ (1 << bit), ..one },
        ]
    });
    let all = core::iter::once(one)
        .chain(numbers)
        .chain(sids.iter().map(|sid| Statement { sid, ..one }))
        .chain(roots.iter().map(|root| Statement { root, ..one }));
    let challenges: BTreeSet<[u8; 32]> =
        all.flat_map(|one| [Which::R, Which::B].map(|which| one.challenge(which).to_bytes())).collect();
    assert_eq!(challenges.len(), 2 * (1 + 32 + 256 + 256));
}
