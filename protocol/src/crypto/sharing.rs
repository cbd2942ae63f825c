//! Shamir sharing over Z_ell (curve25519-dalek's scalars), checked by hashes.
//!
//! Shamir, "How to share a secret" (1979); the check follows protocol.md 1.8: with f_r, f_b the two
//! shared polynomials and g a hiding one, z = g + d1 f_r + d2 f_b is public and d1, d2 are hashed from
//! commitments to all shares, so passing shares lie on polynomials of degree below the threshold except
//! with probability about 2/ell. Coefficients are uniform, zero included. Positions are 1-based places
//! in U0 and are never read from a message.

use super::transcript::{Label, Transcript};
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
fn uniform(rng: &mut impl CryptoRng) -> Scalar {
    let mut wide = Secret::new([0u8; 64]);
    rng.fill_bytes(&mut wide.0);
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

/// The public polynomial z = g + d1 f_r + d2 f_b.
#[must_use]
pub fn combine(r: &Polynomial, b: &Polynomial, g: &Polynomial, d: &(Scalar, Scalar)) -> Polynomial {
    Polynomial(r.0.iter().zip(&b.0).zip(&g.0).map(|((r, b), g)| g + d.0 * r + d.1 * b).collect())
}

/// The challenges (d1, d2) of one dealer, from the root over commitments to all shares.
#[must_use]
pub fn challenges(sid: &AttemptId, dealer: NodeId, threshold: u16, root: &[u8; 32]) -> (Scalar, Scalar) {
    let half = |which: u16| {
        Transcript::new(Label::Challenge)
            .fixed(&sid.0)
            .u16(dealer.0)
            .u16(threshold)
            .fixed(root)
            .u16(which)
            .finish()
    };
    let wide = |first: u16, second: u16| {
        let mut bytes = [0u8; 64];
        let (low, high) = bytes.split_at_mut(32);
        low.copy_from_slice(&half(first));
        high.copy_from_slice(&half(second));
        Scalar::from_bytes_mod_order_wide(&bytes)
    };
    (wide(0, 1), wide(2, 3))
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

/// The polynomial of degree below `points.len()` through `points` (position, value), by Newton's divided
/// differences; `None` if two positions are equal or a position exceeds the table.
#[must_use]
pub fn interpolate(points: &[(u16, Scalar)], inverses: &Inverses) -> Option<Polynomial> {
    let mut table: Vec<Scalar> = points.iter().map(|(_, value)| *value).collect();
    let n = points.len();
    for order in 1..n {
        for i in (order..n).rev() {
            let (high, low) = (points.get(i)?.0, points.get(i.checked_sub(order)?)?.0);
            let slope = (table.get(i)? - table.get(i.checked_sub(1)?)?) * inverses.difference(high, low)?;
            *table.get_mut(i)? = slope;
        }
    }
    // Horner over (x - x_i): coefficients are shifted up and multiplied out one factor at a time.
    let mut coefficients: Vec<Scalar> = Vec::with_capacity(n);
    for i in (0..n).rev() {
        let x = Scalar::from(points.get(i)?.0);
        let mut carry = *table.get(i)?;
        for coefficient in &mut coefficients {
            let old = *coefficient;
            *coefficient = carry - x * old;
            carry = old;
        }
        coefficients.push(carry);
    }
    Some(Polynomial(coefficients))
}

#[cfg(test)]
mod tests;
