//! Pedersen commitments over ristretto255 (RFC 9496): C = x_1 G_1 + .. + x_m G_m + rho H, m <= 1,024, and of a
//! checked cell V = x g + rho h.
//!
//! `G_i = from_uniform_bytes(SHA-512("fa/1 gen" || "G" || be16(i)))`, i from 1, H from `"H" || be16(0)`, g and h
//! likewise, so that nobody knows a relation between them. Every block uses the same ones under its own rho. The
//! values and rho are secret: [`commit`] takes the same time for all of them. Commitments, totals and the
//! sums of rho are public: [`Sums::first_false`] does not. Nothing here knows what a block is the commitment of.

use super::blocks::Blocks;
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

/// Those of a checked cell.
pub(super) struct Generators {
    pub value: RistrettoPoint,
    pub blinding: RistrettoPoint,
}

impl Generators {
    /// The commitment to a value, in constant time.
    pub fn commit(&self, value: u64, blinding: &Scalar) -> RistrettoPoint {
        let value = Secret::new(Scalar::from(value));
        RistrettoPoint::multiscalar_mul([value.expose(), blinding], [&self.value, &self.blinding])
    }
}

/// Made once a process; they are constants.
pub(super) fn value_generators() -> &'static Generators {
    static BOTH: OnceLock<Generators> = OnceLock::new();
    BOTH.get_or_init(|| Generators { value: generator(b"g", 0), blinding: generator(b"h", 0) })
}

struct Vectors {
    cells: Vec<RistrettoPoint>,
    blinding: RistrettoPoint,
}

/// Made once a process; they are constants.
fn generators() -> &'static Vectors {
    static ALL: OnceLock<Vectors> = OnceLock::new();
    ALL.get_or_init(|| Vectors {
        cells: (1u16..).take(CELLS).map(|index| generator(b"G", index)).collect(),
        blinding: generator(b"H", 0),
    })
}

/// Makes the generators, which takes some 10 ms once a process: whoever has another core does it there, before they are
/// needed.
pub fn prepare() {
    let _constants = generators();
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

/// The commitment to one block of these lanes, in constant time.
#[must_use]
pub fn commit_block(blocks: &Blocks, block: usize, lanes: &[u64], blinding: &Scalar) -> [u8; 32] {
    let values = blocks.cells_of(block).map(|cell| lanes.get(cell).copied().unwrap_or(0));
    if block >= blocks.plain_blocks() {
        let value = Secret::new(values.take(1).collect::<Vec<u64>>());
        let value = value.expose().first().copied().unwrap_or(0);
        return value_generators().commit(value, blinding).compress().to_bytes();
    }
    let mut own = Secret::new(Vec::with_capacity(CELLS));
    own.0.extend(values);
    commit(own.expose(), blinding)
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
    /// The first block whose sum is not the commitment to these totals under this sum of blindings. All
    /// blocks are checked at once, each weighted by 128 bits that only `rng` knows.
    #[must_use]
    pub fn first_false(
        &self,
        blocks: &Blocks,
        (totals, blindings): (&[u64], &[Scalar]),
        rng: &mut impl CryptoRng,
    ) -> Option<usize> {
        let right = blocks.len() == self.0.len() && blocks.cells() == totals.len();
        if blindings.len() != self.0.len() || !right {
            return Some(0);
        }
        let one = |(block, (sum, blinding))| Opening { block, sum, blinding };
        let each: Vec<Opening> = self.0.iter().zip(blindings).enumerate().map(one).collect();
        let mut weights = vec![Scalar::ONE];
        weights.resize_with(each.len(), || Scalar::from(u128::from_le_bytes(drawn(rng))));
        if hold(blocks, totals, &each, &weights) {
            return None;
        }
        // One weight of 0 could hide a block; each for itself has the weight 1.
        each.chunks(1).position(|block| !hold(blocks, totals, block, &[Scalar::ONE])).or(Some(0))
    }
}

/// Adds blindings block by block.
pub fn add_blindings(sums: &mut [Scalar], blindings: &[Scalar]) {
    sums.iter_mut().zip(blindings).for_each(|(sum, blinding)| *sum += blinding);
}

/// What one block is opened with.
struct Opening<'a> {
    block: usize,
    sum: &'a RistrettoPoint,
    blinding: &'a Scalar,
}

/// True if the weighted sum of C - <T, G> - R H, and of V - T g - R h, over the blocks is the identity.
fn hold(blocks: &Blocks, totals: &[u64], some: &[Opening], weights: &[Scalar]) -> bool {
    let (all, checked, plain) = (generators(), value_generators(), blocks.plain_blocks());
    let mut cells = vec![Scalar::ZERO; if plain == 0 { 0 } else { CELLS.min(totals.len()) }];
    let [mut blinding, mut value, mut of_value] = [Scalar::ZERO; 3];
    for (one, weight) in some.iter().zip(weights) {
        let own = blocks.cells_of(one.block).map(|cell| totals.get(cell).copied().unwrap_or(0));
        if one.block >= plain {
            own.for_each(|total| value -= weight * Scalar::from(total));
            of_value -= weight * one.blinding;
        } else {
            cells.iter_mut().zip(own).for_each(|(cell, total)| *cell -= weight * Scalar::from(total));
            blinding -= weight * one.blinding;
        }
    }
    let fixed = [&all.blinding, &checked.value, &checked.blinding];
    let scalars = cells.iter().chain([&blinding, &value, &of_value]).chain(weights);
    let sums = some.iter().map(|one| one.sum);
    let points = all.cells.iter().take(cells.len()).chain(fixed).chain(sums);
    RistrettoPoint::vartime_multiscalar_mul(scalars, points).is_identity()
}

/// Every generator as it is encoded: those of the cells, and that of the blinding.
#[cfg(test)]
pub(crate) fn generators_encoded() -> (Vec<[u8; 32]>, [u8; 32]) {
    let all = generators();
    let encoded = |point: &RistrettoPoint| point.compress().to_bytes();
    (all.cells.iter().map(encoded).collect(), encoded(&all.blinding))
}

/// g and h as they are encoded.
#[cfg(test)]
pub(crate) fn value_generators_encoded() -> [[u8; 32]; 2] {
    let both = value_generators();
    [&both.value, &both.blinding].map(|point| point.compress().to_bytes())
}

fn drawn(rng: &mut impl CryptoRng) -> [u8; 16] {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests;
