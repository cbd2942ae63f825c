//! Arithmetic of the summed vectors: integers modulo 2^w, w so wide that a total never wraps.
//!
//! A node's cell is its value minus the lower bound of the range, so 0 <= x <= hi - lo, and N of them
//! are at most N (hi - lo) < 2^w: the total modulo 2^w is the total. Owns the proof of that bound, the
//! encoding of a contribution and the packing to w bits.

use crate::ablation::ablated;
use crate::crypto::blocks::Blocks;
use crate::crypto::ranges::{self, Statement};
use crate::crypto::{commit, pedersen};
use crate::ids::{AttemptId, ExtractHash, NodeId};
use crate::secret::Secret;
use curve25519_dalek::Scalar;
use rand_core::CryptoRng;

/// w = bitlen(N (hi - lo)), at least 1; `None` when it exceeds 64.
#[must_use]
pub fn width(n: u16, widest: u64) -> Option<u8> {
    let largest = u128::from(n).saturating_mul(u128::from(widest));
    let bits = 128u32.saturating_sub(largest.leading_zeros()).max(1);
    u8::try_from(bits).ok().filter(|bits| *bits <= 64)
}

/// Bits of a lane that count.
#[must_use]
pub fn lane_mask(width: u8) -> u64 {
    u64::MAX.checked_shr(64u32.saturating_sub(u32::from(width))).unwrap_or(0)
}

/// Bytes of `cells` cells packed to `width` bits.
#[must_use]
pub fn packed_len(cells: u32, width: u8) -> usize {
    let bits = u64::from(cells).saturating_mul(u64::from(width));
    usize::try_from(bits.div_ceil(8)).unwrap_or(usize::MAX)
}

/// Packs lanes modulo 2^w, lowest bit first, the last byte padded with zero bits.
#[must_use]
pub fn pack(lanes: &[u64], width: u8) -> Vec<u8> {
    let mask = lane_mask(width);
    let mut bytes = Vec::with_capacity(lanes.len().saturating_mul(usize::from(width)).div_ceil(8));
    let (mut held, mut bits) = (0u128, 0u32);
    for lane in lanes {
        // Fewer than 64 bits are held, so a lane always fits.
        held |= u128::from(lane & mask).wrapping_shl(bits);
        bits = bits.saturating_add(u32::from(width));
        if bits >= 64 {
            bytes.extend_from_slice(&low(held).to_le_bytes());
            held >>= 64;
            bits = bits.saturating_sub(64);
        }
    }
    let rest = usize::try_from(bits.div_ceil(8)).unwrap_or(0);
    bytes.extend(held.to_le_bytes().into_iter().take(rest));
    bytes
}

/// The low 64 bits.
fn low(bits: u128) -> u64 {
    u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0)
}

/// Adds packed reports to a vector as their blocks arrive, so that no report is ever whole in memory.
#[derive(Debug)]
pub struct Unpacker {
    width: u8,
    held: u128,
    bits: u32,
    next: usize,
}

impl Unpacker {
    /// Starts a report packed to `width` bits.
    #[must_use]
    pub fn new(width: u8) -> Self {
        Unpacker { width, held: 0, bits: 0, next: 0 }
    }
    /// Adds the cells that these next bytes complete, modulo 2^64 a lane.
    pub fn add(&mut self, mut bytes: &[u8], lanes: &mut [u64]) {
        loop {
            if self.bits == 0 {
                bytes = self.add_whole(bytes, lanes);
            }
            let Some((byte, rest)) = bytes.split_first() else { return };
            self.add_byte(*byte, lanes);
            bytes = rest;
        }
    }

    /// Adds what one byte completes.
    fn add_byte(&mut self, byte: u8, lanes: &mut [u64]) {
        let mask = lane_mask(self.width);
        self.held |= u128::from(byte).checked_shl(self.bits).unwrap_or(0);
        self.bits = self.bits.saturating_add(8);
        while self.bits >= u32::from(self.width) {
            let Some(lane) = lanes.get_mut(self.next) else { return };
            *lane = lane.wrapping_add(low(self.held) & mask);
            self.held >>= self.width;
            self.bits = self.bits.saturating_sub(u32::from(self.width));
            self.next = self.next.saturating_add(1);
        }
    }

    /// Adds cells that begin where `bytes` begin, each from a window of 16 bytes, while there is one; the
    /// bytes that are left, of which the first may be held in part.
    fn add_whole<'a>(&mut self, bytes: &'a [u8], lanes: &mut [u64]) -> &'a [u8] {
        let (mask, width) = (lane_mask(self.width), usize::from(self.width));
        let (_, open) = lanes.split_at_mut(self.next.min(lanes.len()));
        let mut bit = 0usize;
        let mut done = 0usize;
        for lane in open {
            let Some(window) = bytes.get(bit >> 3..).and_then(<[u8]>::first_chunk::<16>) else { break };
            let from = u128::from_le_bytes(*window) >> (bit & 7);
            *lane = lane.wrapping_add(low(from) & mask);
            bit = bit.saturating_add(width);
            done = done.saturating_add(1);
        }
        self.next = self.next.saturating_add(done);
        let (_, rest) = bytes.split_at((bit >> 3).min(bytes.len()));
        let begun = u32::try_from(bit & 7).unwrap_or(0);
        match rest.split_first() {
            Some((byte, rest)) if begun > 0 => {
                self.held = u128::from(byte >> begun);
                self.bits = 8u32.saturating_sub(begun);
                rest
            }
            _ => rest,
        }
    }
    /// True when every cell came and the padding is zero.
    #[must_use]
    pub fn is_whole(&self, lanes: &[u64]) -> bool {
        self.next == lanes.len() && self.held == 0
    }
}

/// Reduces every lane modulo 2^w.
pub fn reduce(lanes: &mut [u64], width: u8) {
    let mask = lane_mask(width);
    if ablated!("no-modulo") {
        return;
    }
    lanes.iter_mut().for_each(|lane| *lane &= mask);
}

/// A cell outside its range; says which, never how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Not one value for each cell.
    #[error("{found} values for {expected} cells")]
    Length {
        /// Cells of the layout.
        expected: u32,
        /// Values given.
        found: usize,
    },
    /// Out of range: refused, never clipped.
    #[error("cell {0} is outside its range")]
    OutOfRange(u32),
}

/// A node's encoded vector with the hash of the extract behind it; it leaves only masked.
#[derive(Debug)]
pub struct Contribution {
    lanes: Secret<Vec<u64>>,
    extract: ExtractHash,
    committed: Option<Box<Committed>>,
}

/// Commitments to a contribution, with what blinds them.
#[derive(Debug)]
struct Committed {
    blocks: Blocks,
    blindings: Secret<Vec<Scalar>>,
    points: Vec<[u8; 32]>,
    /// Proofs of its ranges, and whose they are in which attempt.
    proven: Option<(AttemptId, NodeId, Vec<Vec<u8>>)>,
}

/// Work of so many independent parts, each of which gives a value; done in any order, on as many threads as one likes.
pub type Spread<'a, T> = dyn Fn(usize, &(dyn Fn(usize) -> T + Sync)) -> Vec<T> + 'a;

impl Contribution {
    /// Encodes `values`, one for each cell, in base units; `bounds` gives each cell's range, both ends
    /// included.
    ///
    /// # Errors
    /// When a value is missing or outside its range.
    pub fn new(
        cells: u32,
        bounds: impl Fn(u32) -> (i64, i64),
        values: &[i64],
        extract: ExtractHash,
    ) -> Result<Self, Unfit> {
        if u32::try_from(values.len()) != Ok(cells) {
            return Err(Unfit::Length { expected: cells, found: values.len() });
        }
        let encode = |(cell, value): (u32, &i64)| {
            let (lo, hi) = bounds(cell);
            if ablated!("range-off") {
                return Ok(u64::from_le_bytes(value.wrapping_sub(lo).to_le_bytes()));
            }
            if *value < lo || *value > hi {
                return Err(Unfit::OutOfRange(cell));
            }
            Ok(value.abs_diff(lo))
        };
        let lanes: Result<Vec<u64>, Unfit> = (0..cells).zip(values).map(encode).collect();
        Ok(Contribution { lanes: Secret::new(lanes?), extract, committed: None })
    }
    /// Of lanes that no range was asked for.
    #[cfg(test)]
    pub(crate) fn of_lanes(lanes: Vec<u64>, extract: ExtractHash) -> Self {
        Contribution { lanes: Secret::new(lanes), extract, committed: None }
    }
    /// With nothing in the cells that stay closed.
    #[must_use]
    pub fn only(self, opens: impl Fn(u32) -> bool) -> Self {
        let kept = |(cell, lane): (u32, &u64)| if opens(cell) { *lane } else { 0 };
        let lanes = (0u32..).zip(self.lanes.expose()).map(kept).collect();
        Contribution { lanes: Secret::new(lanes), extract: self.extract, committed: None }
    }
    /// Its lanes.
    pub(crate) fn lanes(&self) -> &Secret<Vec<u64>> {
        &self.lanes
    }
    /// The extract it was computed from.
    #[must_use]
    pub fn extract(&self) -> ExtractHash {
        self.extract
    }
    /// With its commitments, made before it is deposited. Blindings are drawn anew, so that no two deposits share
    /// any.
    #[must_use]
    pub fn committed(self, blocks: &Blocks, rng: &mut impl CryptoRng, spread: &Spread<[u8; 32]>) -> Self {
        let blindings = pedersen::blindings(blocks.len(), rng);
        let (lanes, blindings_of) = (self.lanes.expose(), blindings.expose());
        let commit = |block: usize| {
            let blinding = blindings_of.get(block);
            blinding.map_or([0; 32], |blinding| pedersen::commit_block(blocks, block, lanes, blinding))
        };
        let points = spread(blocks.len(), &commit);
        let committed = Committed { blocks: blocks.clone(), blindings, points, proven: None };
        Contribution { committed: Some(Box::new(committed)), ..self }
    }
    /// With the proofs of its ranges for one attempt, made before it is deposited; as it was where it has no
    /// commitments, or a proof cannot be. `rng` makes randomness of its own for each part.
    #[must_use]
    pub fn proven<R: CryptoRng>(
        mut self,
        (sid, node): (&AttemptId, NodeId),
        rng: &(dyn Fn() -> R + Sync),
        spread: &Spread<Option<Vec<u8>>>,
    ) -> Self {
        let Some(mut committed) = self.committed.take() else { return self };
        let root = commit::root(&committed.points.iter().map(|one| commit::leaf(one)).collect::<Vec<_>>());
        let (pieces, of) = (ranges::pieces(&committed.blocks), Statement { sid, node, root: &root });
        let (blocks, blindings) = (&committed.blocks, committed.blindings.expose());
        let lanes = self.lanes.expose();
        let opening = |block: usize| {
            let cell = blocks.cells_of(block).next()?;
            Some((lanes.get(cell).copied()?, blindings.get(block)?))
        };
        let prove = |at: usize| ranges::prove(pieces.get(at)?, &of, &opening, &mut rng());
        let proofs: Option<Vec<Vec<u8>>> = spread(pieces.len(), &prove).into_iter().collect();
        committed.proven = proofs.map(|proofs| (*sid, node, proofs));
        self.committed = Some(committed);
        self
    }
    /// What was committed to before in these blocks, with its blindings.
    #[must_use]
    pub fn opening(&self, blocks: &Blocks) -> Option<(&[Scalar], &[[u8; 32]])> {
        let made = self.committed.as_ref().filter(|one| one.blocks == *blocks)?;
        Some((made.blindings.expose().as_slice(), made.points.as_slice()))
    }
    /// The proofs of its ranges, if they were made for this attempt.
    #[must_use]
    pub fn proofs(&self, sid: &AttemptId, node: NodeId) -> Option<&[Vec<u8>]> {
        let (own, by, proofs) = self.committed.as_ref()?.proven.as_ref()?;
        (own == sid && *by == node).then_some(proofs)
    }
    /// The commitments to its blocks, one under each blinding.
    #[must_use]
    pub fn commitments(&self, blocks: &Blocks, blindings: &[Scalar]) -> Vec<[u8; 32]> {
        let each = blindings.iter().enumerate().take(blocks.len());
        each.map(|(block, blinding)| pedersen::commit_block(blocks, block, self.lanes.expose(), blinding))
            .collect()
    }
}

/// A total from its lane: the offset of every survivor taken off again, in base units.
#[must_use]
pub fn total(lane: u64, survivors: u16, lo: i64) -> i128 {
    i128::from(lane).saturating_add(i128::from(survivors).saturating_mul(i128::from(lo)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_holds_every_total_and_not_one_bit_more() {
        for (n, widest) in [(69u16, 1u64), (69, 2_000_000_000), (3, 1), (1024, u64::MAX >> 10), (69, 0)] {
            let w = width(n, widest).unwrap();
            let largest = u128::from(n) * u128::from(widest);
            assert!(largest < 1 << w);
            assert!(w == 1 || largest >= 1 << (w - 1));
        }
        assert_eq!(width(69, 1), Some(7));
        assert_eq!(width(69, u64::MAX), None);
        assert_eq!(width(2, u64::MAX), None);
        assert_eq!(width(1, u64::MAX), Some(64));
    }

    #[test]
    fn packing_is_undone_in_any_cut() {
        for width in 1..=64u8 {
            let lanes: Vec<u64> =
                (0..37u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) & lane_mask(width)).collect();
            let packed = pack(&lanes, width);
            assert_eq!(packed.len(), packed_len(37, width));
            for cut in [0, 1, packed.len() / 2, packed.len()] {
                let mut sum = vec![1u64; 37];
                let mut unpacker = Unpacker::new(width);
                unpacker.add(&packed[..cut], &mut sum);
                unpacker.add(&packed[cut..], &mut sum);
                assert!(unpacker.is_whole(&sum));
                let expected: Vec<u64> = lanes.iter().map(|lane| lane.wrapping_add(1)).collect();
                assert_eq!(sum, expected, "w = {width}, cut at {cut}");
            }
        }
    }

    #[test]
    fn padding_must_be_zero_and_length_exact() {
        let mut sum = [0u64; 1];
        let mut unpacker = Unpacker::new(7);
        unpacker.add(&[0xff], &mut sum);
        assert!(!unpacker.is_whole(&sum));
        assert!(!Unpacker::new(7).is_whole(&[0]));
    }

    #[test]
    fn values_are_refused_not_clipped() {
        let bounds = |_| (-5i64, 10i64);
        let make = |value: i64| Contribution::new(1, bounds, &[value], ExtractHash([0; 32]));
        assert_eq!(make(-5).unwrap().lanes().expose(), &[0]);
        assert_eq!(make(10).unwrap().lanes().expose(), &[15]);
        assert_eq!(make(11).unwrap_err(), Unfit::OutOfRange(0));
        assert_eq!(make(-6).unwrap_err(), Unfit::OutOfRange(0));
        assert_eq!(
            Contribution::new(2, bounds, &[0], ExtractHash([0; 32])).unwrap_err(),
            Unfit::Length { expected: 2, found: 1 }
        );
        let wide = Contribution::new(1, |_| (i64::MIN, i64::MAX), &[i64::MAX], ExtractHash([0; 32])).unwrap();
        assert_eq!(wide.lanes().expose(), &[u64::MAX]);
    }

    #[test]
    fn a_total_takes_every_offset_off() {
        assert_eq!(total(15, 3, -5), 0);
        assert_eq!(total(u64::MAX, 1, i64::MIN), i128::from(i64::MAX));
    }
}
