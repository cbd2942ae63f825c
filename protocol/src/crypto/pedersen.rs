//! Pedersen vector commitments over ristretto255 (RFC 9496): C = x_1 G_1 + .. + x_m G_m + rho H, m <= 1,024.
//!
//! `G_i = from_uniform_bytes(SHA-512("fa/1 gen" || "G" || be16(i)))`, i from 1, and H from `"H" || be16(0)`, so
//! that nobody knows a relation between them. Every block of a vector uses the same ones under its own rho. The
//! values and rho are secret: [`commit`] takes the same time for all of them. Commitments, totals and the
//! sums of rho are public: [`Sums::first_false`] does not. Nothing here knows what a block is the commitment of.

use super::sharing::uniform;
use super::transcript::Label;
use crate::ablation::ablated;
use crate::secret::Secret;
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::traits::{IsIdentity, MultiscalarMul, VartimeMultiscalarMul};
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRng;
use sha2::{Digest, Sha512};
use std::sync::OnceLock;

/// Cells of one block.
pub const CELLS: usize = 1024;

/// Blocks of a vector of so many cells.
#[must_use]
pub fn blocks(cells: u32) -> usize {
    usize::try_from(cells).unwrap_or(usize::MAX).div_ceil(CELLS)
}

struct Generators {
    cells: Vec<RistrettoPoint>,
    blinding: RistrettoPoint,
}

/// Made once a process; they are constants.
fn generators() -> &'static Generators {
    static ALL: OnceLock<Generators> = OnceLock::new();
    ALL.get_or_init(|| Generators {
        cells: (1u16..).take(CELLS).map(|index| generator(b"G", index)).collect(),
        blinding: generator(b"H", 0),
    })
}

fn generator(name: &[u8; 1], index: u16) -> RistrettoPoint {
    let hash = Sha512::new().chain_update(Label::Generator.text()).chain_update(name);
    RistrettoPoint::from_uniform_bytes(&hash.chain_update(index.to_be_bytes()).finalize().into())
}

/// A blinding for each of `blocks` blocks, uniform and independent.
#[must_use]
pub fn blindings(blocks: usize, rng: &mut impl CryptoRng) -> Secret<Vec<Scalar>> {
    let mut drawn = Secret::new(Vec::with_capacity(blocks));
    (0..blocks).for_each(|_| drawn.0.push(uniform(rng)));
    if ablated!("one-blinding") {
        let first = drawn.0.first().copied().unwrap_or_default();
        drawn.0.fill(first);
    }
    drawn
}

/// The commitment to the values of one block, in constant time.
#[must_use]
pub fn commit(values: &[u64], blinding: &Scalar) -> [u8; 32] {
    let all = generators();
    let mut scalars = Secret::new(Vec::with_capacity(CELLS));
    scalars.0.extend(values.iter().take(CELLS).map(|value| Scalar::from(*value)));
    let points = all.cells.iter().take(scalars.expose().len()).chain([&all.blinding]);
    RistrettoPoint::multiscalar_mul(scalars.expose().iter().chain([blinding]), points).compress().to_bytes()
}

/// Sums of commitments, block by block.
#[derive(Debug, Clone)]
pub struct Sums(Vec<RistrettoPoint>);

impl Sums {
    /// Of nobody's commitments to this many blocks.
    #[must_use]
    pub fn new(blocks: usize) -> Self {
        Sums(vec![RistrettoPoint::default(); blocks])
    }
    /// Adds one commitment to each block. False, and nothing is added, when there are more or fewer, or one
    /// is no canonical encoding of a point or that of the identity, which blinds nothing.
    #[must_use]
    pub fn add<'a>(&mut self, commitments: impl ExactSizeIterator<Item = &'a [u8; 32]>) -> bool {
        let right = commitments.len() == self.0.len();
        let point =
            |bytes: &[u8; 32]| CompressedRistretto(*bytes).decompress().filter(|point| !point.is_identity());
        let points: Option<Vec<RistrettoPoint>> = commitments.map(point).collect();
        let Some(points) = points.filter(|_| right) else { return false };
        self.0.iter_mut().zip(points).for_each(|(sum, point)| *sum += point);
        true
    }
    /// Adds sums of the same blocks.
    pub fn merge(&mut self, other: &Sums) {
        self.0.iter_mut().zip(&other.0).for_each(|(sum, point)| *sum += point);
    }
    /// The first block whose sum is not the commitment to these totals under this sum of blindings. A vector
    /// of several blocks is checked at once, each weighted by 128 bits that only `rng` knows.
    #[must_use]
    pub fn first_false(
        &self,
        totals: &[u64],
        blindings: &[Scalar],
        rng: &mut impl CryptoRng,
    ) -> Option<usize> {
        if blindings.len() != self.0.len() || totals.len().div_ceil(CELLS) != self.0.len() {
            return Some(0);
        }
        let one = |(sum, (totals, blinding))| Opening { sum, totals, blinding };
        let each: Vec<Opening> = self.0.iter().zip(totals.chunks(CELLS).zip(blindings)).map(one).collect();
        let mut weights = vec![Scalar::ONE];
        weights.resize_with(each.len(), || Scalar::from(u128::from_le_bytes(drawn(rng))));
        if hold(&each, &weights) {
            return None;
        }
        // One weight of 0 could hide a block; each for itself has the weight 1.
        each.chunks(1).position(|block| !hold(block, &[Scalar::ONE])).or(Some(0))
    }
}

/// Adds blindings block by block.
pub fn add_blindings(sums: &mut [Scalar], blindings: &[Scalar]) {
    sums.iter_mut().zip(blindings).for_each(|(sum, blinding)| *sum += blinding);
}

/// What one block is opened to.
struct Opening<'a> {
    sum: &'a RistrettoPoint,
    totals: &'a [u64],
    blinding: &'a Scalar,
}

/// True if the weighted sum of C - <T, G> - R H over the blocks is the identity.
fn hold(blocks: &[Opening], weights: &[Scalar]) -> bool {
    let all = generators();
    let mut cells = vec![Scalar::ZERO; blocks.first().map_or(0, |block| block.totals.len())];
    let mut blinding = Scalar::ZERO;
    for (block, weight) in blocks.iter().zip(weights) {
        blinding -= weight * block.blinding;
        let values = cells.iter_mut().zip(block.totals);
        values.for_each(|(cell, total)| *cell -= weight * Scalar::from(*total));
    }
    let scalars = cells.iter().chain([&blinding]).chain(weights);
    let sums = blocks.iter().map(|block| block.sum);
    let points = all.cells.iter().take(cells.len()).chain([&all.blinding]).chain(sums);
    RistrettoPoint::vartime_multiscalar_mul(scalars, points).is_identity()
}

/// Every generator as it is encoded: those of the cells, and that of the blinding.
#[cfg(test)]
pub(crate) fn generators_encoded() -> (Vec<[u8; 32]>, [u8; 32]) {
    let all = generators();
    let encoded = |point: &RistrettoPoint| point.compress().to_bytes();
    (all.cells.iter().map(encoded).collect(), encoded(&all.blinding))
}

fn drawn(rng: &mut impl CryptoRng) -> [u8; 16] {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests;
