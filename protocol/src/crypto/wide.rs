//! Sums of products of scalars that are reduced modulo ell once, not product by product.
//!
//! [`Wide`] is a 512-bit integer: what goes into it is counted by the caller so that it never exceeds that
//! (`sharing.rs` is the only one). No branch and no index depends on a value, so secrets may go in.

use curve25519_dalek::Scalar;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Steps of [`Wide::step`] after which a sum that began below 2^253 is still below 2^512.
pub const STEPS: usize = 16;
/// Products of two reduced scalars that fit: each is below 2^506.
pub const PRODUCTS: usize = 64;

/// A 512-bit integer, lowest 64 bits first.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
pub struct Wide([u64; 8]);

/// A scalar's 64-bit parts, lowest first.
fn parts(scalar: &Scalar) -> [u64; 4] {
    let (words, _) = scalar.as_bytes().as_chunks::<8>();
    let mut parts = [0; 4];
    for (part, word) in parts.iter_mut().zip(words) {
        *part = u64::from_le_bytes(*word);
    }
    parts
}

impl Wide {
    /// Horner's step: this, times `x`, plus `scalar`. Below 2^(253 + 16 m) after m steps from below 2^253:
    /// 2^253 (x^m + ... + 1) < 2^253 (x + 1)^m.
    pub fn step(&mut self, x: u16, scalar: &Scalar) {
        let x = u64::from(x);
        let (low, high) = self.0.split_at_mut(4);
        let mut carry = 0;
        for (word, part) in low.iter_mut().zip(parts(scalar)) {
            (*word, carry) = word.carrying_mul_add(x, part, carry);
        }
        for word in high {
            (*word, carry) = word.carrying_mul(x, carry);
        }
    }

    /// Adds a product.
    pub fn add(&mut self, a: &Scalar, b: &Scalar) {
        let b = parts(b);
        for (place, part) in parts(a).into_iter().enumerate() {
            let (_, words) = self.0.split_at_mut(place);
            let (low, high) = words.split_at_mut(4);
            let mut carry = 0;
            for (word, other) in low.iter_mut().zip(b) {
                (*word, carry) = part.carrying_mul_add(other, *word, carry);
            }
            let mut over = false;
            let mut more = carry;
            for word in high {
                (*word, over) = word.carrying_add(more, over);
                more = 0;
            }
        }
    }

    /// The integer modulo ell.
    #[must_use]
    pub fn reduce(&self) -> Scalar {
        let mut bytes = zeroize::Zeroizing::new([[0u8; 8]; 8]);
        for (bytes, word) in bytes.iter_mut().zip(self.0) {
            *bytes = word.to_le_bytes();
        }
        let mut wide = zeroize::Zeroizing::new([0u8; 64]);
        wide.copy_from_slice(bytes.as_flattened());
        Scalar::from_bytes_mod_order_wide(&wide)
    }
}

impl From<&Scalar> for Wide {
    fn from(scalar: &Scalar) -> Wide {
        let [a, b, c, d] = parts(scalar);
        Wide([a, b, c, d, 0, 0, 0, 0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scalars that fill most bits: ell - 1, and one below.
    fn largest() -> [Scalar; 2] {
        [-Scalar::ONE, -Scalar::from(2u64)]
    }

    #[test]
    fn as_many_steps_as_fit_are_horner_s_rule() {
        for x in [0, 1, 2, 69, 1024, u16::MAX] {
            for scalar in largest().into_iter().chain([Scalar::ZERO, Scalar::ONE]) {
                let mut wide = Wide::from(&largest()[0]);
                let mut expected = largest()[0];
                for _ in 0..STEPS {
                    wide.step(x, &scalar);
                    expected = expected * Scalar::from(x) + scalar;
                }
                assert_eq!(wide.reduce(), expected, "at {x}");
            }
        }
    }

    #[test]
    fn as_many_products_as_fit_are_their_sum() {
        let [a, b] = largest();
        let (mut wide, mut expected) = (Wide::default(), Scalar::ZERO);
        for _ in 0..PRODUCTS {
            wide.add(&a, &b);
            expected += a * b;
            assert_eq!(wide.reduce(), expected);
        }
        let small = [Scalar::ZERO, Scalar::ONE, Scalar::from(u64::MAX), Scalar::from(u128::MAX)];
        for (x, y) in small.iter().flat_map(|x| small.iter().map(move |y| (x, y))) {
            let mut wide = Wide::default();
            wide.add(x, y);
            assert_eq!(wide.reduce(), x * y);
        }
    }
}
