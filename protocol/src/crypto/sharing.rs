//! Shamir sharing over Z_ell (curve25519-dalek's scalars), checked by hashes.
//!
//! Shamir, "How to share a secret" (1979); the check follows protocol.md 1.8, once for each of the two
//! secrets: with f the shared polynomial and g one that hides it, z = g + d f is public and d is hashed
//! from commitments to f(i) and g(i) of every holder. Shares that pass ([`Statement::standing`]) lie on one
//! f of degree below t: more than t points off it pass for one d a choice of t + 1, so with probability
//! C(n, t + 1)/ell at most, 2^-186 for 69. Coefficients are uniform, zero included. Positions are 1-based
//! places in U0 and are never read from a message.

use super::transcript::{Label, Transcript};
use crate::ablation::ablated;
use crate::codec::Bytes;
use crate::ids::{AttemptId, NodeId};
use crate::secret::Secret;
use curve25519_dalek::Scalar;
use rand_core::CryptoRng;
use zeroize::Zeroize;

/// A scalar's canonical 32 bytes.
pub type ScalarBytes = Bytes<32>;

/// Coefficients of a polynomial, lowest first.
#[derive(Zeroize)]
pub struct Polynomial(Vec<Scalar>);

/// A uniform scalar: 64 random bytes reduced modulo ell.
pub(super) fn uniform(rng: &mut impl CryptoRng) -> Scalar {
    let mut wide = Secret::new([0u8; 64]);
    rng.fill_bytes(&mut wide.0);
    if ablated!("narrow-secrets") {
        wide.0.iter_mut().skip(1).for_each(|byte| *byte = 0);
    }
    Scalar::from_bytes_mod_order_wide(wide.expose())
}

/// The scalar of canonical bytes; `None` for any other encoding.
#[must_use]
pub fn scalar(bytes: &ScalarBytes) -> Option<Scalar> {
    Scalar::from_canonical_bytes(bytes.0).into()
}

/// Canonical bytes of a scalar.
#[must_use]
pub fn scalar_bytes(value: &Scalar) -> ScalarBytes {
    Bytes(value.to_bytes())
}

impl Polynomial {
    /// A uniform polynomial of `threshold` coefficients, so of degree below it.
    pub fn random(threshold: u16, rng: &mut impl CryptoRng) -> Secret<Self> {
        Secret::new(Polynomial((0..threshold).map(|_| uniform(rng)).collect()))
    }
    /// The polynomial of these coefficients.
    #[must_use]
    pub fn from_coefficients(coefficients: Vec<Scalar>) -> Self {
        Polynomial(coefficients)
    }
    /// Its coefficients, lowest first.
    #[must_use]
    pub fn coefficients(&self) -> &[Scalar] {
        &self.0
    }
    /// The shared secret: the value at 0.
    #[must_use]
    pub fn at_zero(&self) -> Scalar {
        self.0.first().copied().unwrap_or(Scalar::ZERO)
    }
    /// The share at `position` (from 1).
    #[must_use]
    pub fn at(&self, position: u16) -> Scalar {
        let x = Scalar::from(position);
        self.0.iter().rev().fold(Scalar::ZERO, |sum, coefficient| sum * x + coefficient)
    }
}

/// The public polynomial z = g + d f. Alone it says nothing about f: g is uniform and used once.
#[must_use]
pub fn combine(f: &Polynomial, g: &Polynomial, d: &Scalar) -> Polynomial {
    Polynomial(f.0.iter().zip(&g.0).map(|(f, g)| g + d * f).collect())
}

/// One of a dealer's two secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// r: opened for a dropout, recovers its pair seeds.
    R,
    /// b: opened for a survivor, removes its own mask.
    B,
}

impl Which {
    fn labels(self) -> (Label, Label) {
        match self {
            Which::R => (Label::LeafR, Label::LeafHideR),
            Which::B => (Label::LeafB, Label::LeafHideB),
        }
    }
}

/// How a share stands to what its dealer committed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The committed one, and on the dealer's polynomial.
    Good,
    /// The committed one, and off the polynomial: the dealer's fault, whoever shows it.
    Crooked,
    /// Another than the committed one: the fault of whoever shows it.
    Other,
}

/// What one dealer's shares are checked under.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// The attempt.
    pub sid: &'a AttemptId,
    /// The dealer.
    pub dealer: NodeId,
    /// t_s.
    pub threshold: u16,
    /// Root over the commitments to all shares, of both secrets.
    pub root: &'a [u8; 32],
}

impl Statement<'_> {
    /// d of one secret. Both are hashed over all leaves, so neither secret's can be chosen after the other.
    #[must_use]
    pub fn challenge(&self, which: Which) -> Scalar {
        let half = |index: u16| {
            Transcript::new(Label::Challenge)
                .fixed(&self.sid.0)
                .u16(self.dealer.0)
                .u16(self.threshold)
                .fixed(self.root)
                .u16(index)
                .finish()
        };
        let (first, second) = match which {
            Which::R => (0, 1),
            Which::B => (2, 3),
        };
        let mut wide = [0u8; 64];
        let (low, high) = wide.split_at_mut(32);
        low.copy_from_slice(&half(first));
        high.copy_from_slice(&half(second));
        Scalar::from_bytes_mod_order_wide(&wide)
    }

    /// Checks the share of `position` against its two commitments and z at that position.
    ///
    /// g(i) = z(i) - d f(i) follows from public values once f(i) is known. So nobody need be sent it, and a
    /// revealed share opens both commitments and gives nothing more away than itself.
    #[must_use]
    pub fn standing(
        &self,
        which: Which,
        position: u16,
        share: &Scalar,
        z: &Scalar,
        committed: (&[u8; 32], &[u8; 32]),
    ) -> Standing {
        self.standing_under((which, &self.challenge(which)), position, share, z, committed)
    }

    /// The same, with d at hand, for whoever checks many shares of one dealer.
    #[must_use]
    pub fn standing_under(
        &self,
        (which, d): (Which, &Scalar),
        position: u16,
        share: &Scalar,
        z: &Scalar,
        (f, g): (&[u8; 32], &[u8; 32]),
    ) -> Standing {
        let (of_f, of_g) = which.labels();
        if share_hash(of_f, self.sid, self.dealer, position, share) != *f && !ablated!("leaf-off") {
            return Standing::Other;
        }
        let hiding = z - d * share;
        let fits = share_hash(of_g, self.sid, self.dealer, position, &hiding) == *g;
        if fits || ablated!("relation-off") { Standing::Good } else { Standing::Crooked }
    }
}

/// Commitments to one holder's share of one secret, and to the value that hides it.
#[must_use]
pub fn commit(
    which: Which,
    sid: &AttemptId,
    dealer: NodeId,
    position: u16,
    (f, g): (&Scalar, &Scalar),
) -> ([u8; 32], [u8; 32]) {
    let (of_f, of_g) = which.labels();
    (share_hash(of_f, sid, dealer, position, f), share_hash(of_g, sid, dealer, position, g))
}

/// Commitment to one share: under the attempt, the dealer, the position, and what it is a share of.
#[must_use]
pub fn share_hash(label: Label, sid: &AttemptId, dealer: NodeId, position: u16, share: &Scalar) -> [u8; 32] {
    Transcript::new(label).fixed(&sid.0).u16(dealer.0).u16(position).fixed(&share.to_bytes()).finish()
}

/// Inverses of 1..=n, made once: differences of positions are all that interpolation divides by.
pub struct Inverses(Vec<Scalar>);

impl Inverses {
    /// Inverses of 1..=n.
    #[must_use]
    pub fn up_to(n: u16) -> Self {
        let mut values: Vec<Scalar> = (1..=n).map(Scalar::from).collect();
        Scalar::invert_batch_alloc(&mut values);
        Inverses(values)
    }
    /// 1 / (a - b) for two different positions.
    fn difference(&self, a: u16, b: u16) -> Option<Scalar> {
        let inverse = |d: u16| self.0.get(usize::from(d.checked_sub(1)?)).copied();
        if a > b { inverse(a.checked_sub(b)?) } else { Some(-inverse(b.checked_sub(a)?)?) }
    }
}

/// What opens secrets from the shares of one set of holders, made once for all dealers: row j holds what each
/// share adds to the coefficient of x^j (Lagrange's basis polynomials).
pub struct Basis(Vec<Vec<Scalar>>);

impl Basis {
    /// Of these positions; `None` if two of them are equal or one exceeds the table.
    #[must_use]
    pub fn new(positions: &[u16], inverses: &Inverses) -> Option<Self> {
        let n = positions.len();
        // The product of all (x - x_i), lowest coefficient first.
        let mut product = vec![Scalar::ONE];
        for x in positions {
            product.insert(0, Scalar::ZERO);
            for i in 1..product.len() {
                let above = *product.get(i)?;
                *product.get_mut(i.checked_sub(1)?)? -= above * Scalar::from(*x);
            }
        }
        let mut rows = vec![Vec::with_capacity(n); n];
        for (k, x) in positions.iter().enumerate() {
            let mut weight = Scalar::ONE;
            for (_, other) in positions.iter().enumerate().filter(|(i, _)| *i != k) {
                weight *= inverses.difference(*x, *other)?;
            }
            // The product without (x - x_k): divided from the top, one coefficient after the other.
            let mut carry = Scalar::ZERO;
            for (row, coefficient) in rows.iter_mut().zip(product.iter().skip(1)).rev() {
                carry = carry * Scalar::from(*x) + coefficient;
                row.push(carry * weight);
            }
        }
        Some(Basis(rows))
    }

    /// The polynomial of degree below the number of positions with these shares, in their order.
    #[must_use]
    pub fn polynomial(&self, shares: &[Scalar]) -> Polynomial {
        let coefficient =
            |row: &Vec<Scalar>| row.iter().zip(shares).map(|(part, share)| part * share).sum::<Scalar>();
        Polynomial(self.0.iter().map(coefficient).collect())
    }
}

/// The polynomial of degree below `points.len()` through `points` (position, value); `None` if two positions
/// are equal or a position exceeds the table.
#[must_use]
pub fn interpolate(points: &[(u16, Scalar)], inverses: &Inverses) -> Option<Polynomial> {
    let (positions, shares): (Vec<u16>, Vec<Scalar>) = points.iter().copied().unzip();
    Some(Basis::new(&positions, inverses)?.polynomial(&shares))
}

#[cfg(test)]
mod tests;
