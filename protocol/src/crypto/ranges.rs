//! Proofs that checked cells lie in their ranges (profile V3): aggregated Bulletproofs+ of the public crate.
//!
//! A checked cell is committed to as V = x g + rho h. 0 <= x < 2^b is proven, and where the greatest value is not
//! 2^b - 1 the same of cap g - V, so that every cap is exact. Proofs are of at most 64 values and 1,024 bits; what
//! is missing up to a power of two (at least two) is filled with the identity, the commitment to 0 under 0. The
//! whole statement goes into each transcript: attempt, node, which proof, every cell with its cap, the root of
//! all commitments; the crate adds generators, bits, number of values and each commitment.
//!
//! [`prove`] does not take the same time for all values: the crate multiplies secrets in variable time. It runs
//! before the deposit, never while somebody waits for a message that it alone delays. It must not know a message.

use super::blocks::{Blocks, Checked};
use super::pedersen::{Generators as Pair, value_generators};
use super::transcript::{Label, Transcript};
use crate::ablation::ablated;
use crate::codec::{Blob, Bytes};
use crate::ids::{AttemptId, NodeId};
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRng;
use std::sync::OnceLock;
use tari_bulletproofs_plus::commitment_opening::CommitmentOpening;
use tari_bulletproofs_plus::generators::pedersen_gens::ExtensionDegree;
use tari_bulletproofs_plus::range_parameters::RangeParameters;
use tari_bulletproofs_plus::range_proof::VerifyAction;
use tari_bulletproofs_plus::range_statement::RangeStatement;
use tari_bulletproofs_plus::range_witness::RangeWitness;
use tari_bulletproofs_plus::ristretto::RistrettoRangeProof;
use tari_bulletproofs_plus::{PedersenGens, Transcript as Merlin};

/// Longest proof: of 1,024 bits.
pub const MAX_PROOF: usize = 833;
/// Most proofs of one session: 16,384 cells of two sides, and the shorter last ones of each kind.
pub const MAX_PROOFS: usize = 1_024;
/// Bits of one proof, at most.
const PROOF_BITS: usize = 1_024;
/// Values of one proof, at most.
const PROOF_VALUES: usize = 64;
/// Proofs that are verified at once; each copies the crate's generators, some 300 kB.
const AT_ONCE: usize = 64;

/// Whose proofs they are, and of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement<'a> {
    /// The attempt; its hash is over header, warrant, roster, slot and pass.
    pub sid: &'a AttemptId,
    /// Who proves.
    pub node: NodeId,
    /// Root of all commitments, as it stands in the deposit.
    pub root: &'a [u8; 32],
}

/// What one proof is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    index: u32,
    bits: u8,
    /// True for what is left up to the greatest value.
    above: bool,
    cells: Vec<Checked>,
}

impl Piece {
    /// The cells it is of.
    #[must_use]
    pub fn cells(&self) -> &[Checked] {
        &self.cells
    }
    /// Values with those filled in: a power of two, at least two.
    fn values(&self) -> usize {
        self.cells.len().next_power_of_two().max(2)
    }
    /// Bytes of its proof: 1 + 32 (6 + 2 log2(bits x values)).
    #[must_use]
    pub fn proof_len(&self) -> usize {
        let bits = usize::from(self.bits).saturating_mul(self.values());
        let rounds = usize::try_from(bits.checked_ilog2().unwrap_or(0)).unwrap_or(0);
        rounds.saturating_mul(2).saturating_add(6).saturating_mul(32).saturating_add(1)
    }
    fn transcript(&self, of: &Statement) -> Merlin {
        let mut all = Transcript::new(Label::Range);
        if !ablated!("range-without-attempt") {
            all = all.fixed(&of.sid.0);
        }
        if !ablated!("range-without-node") {
            all = all.u16(of.node.0);
        }
        all = all.fixed(of.root).u32(self.index).u16(u16::from(self.bits)).u16(u16::from(self.above));
        all = all.count(self.cells.len());
        let all = self.cells.iter().fold(all, |all, one| all.u32(one.cell).u64(one.cap));
        let mut transcript = Merlin::new(b"fa/1 range");
        transcript.append_message(b"statement", &all.finish());
        transcript
    }
    /// The commitments it is of, from those of all blocks.
    fn points(&self, of_block: impl Fn(usize) -> Option<RistrettoPoint>) -> Option<Vec<RistrettoPoint>> {
        let g = value_generators().value;
        let one = |one: &Checked| {
            let point = of_block(one.block)?;
            Some(if self.above { Scalar::from(one.cap) * g - point } else { point })
        };
        let points: Option<Vec<RistrettoPoint>> = self.cells.iter().map(one).collect();
        let mut points = points?;
        points.resize(self.values(), RistrettoPoint::default());
        Some(points)
    }
}

/// What is proven of these blocks, proof by proof: by bits, then the values themselves before what is left above.
#[must_use]
pub fn pieces(blocks: &Blocks) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for bits in [1u8, 8, 16, 32, 64] {
        let many = PROOF_BITS.checked_div(usize::from(bits)).unwrap_or(1).min(PROOF_VALUES);
        for above in [false, true] {
            let of: Vec<Checked> =
                blocks.checked().filter(|one| one.bits() == bits && (!above || one.is_two_sided())).collect();
            for cells in of.chunks(many) {
                let index = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
                pieces.push(Piece { index, bits, above, cells: cells.to_vec() });
            }
        }
    }
    pieces
}

/// The proof of one piece; none when a value is out of its range. `opening` gives value and blinding of a block.
#[must_use]
pub fn prove<'a>(
    piece: &Piece,
    of: &Statement,
    opening: &dyn Fn(usize) -> Option<(u64, &'a Scalar)>,
    rng: &mut impl CryptoRng,
) -> Option<Vec<u8>> {
    let open = |one: &Checked| {
        let (value, blinding) = opening(one.block)?;
        let (value, blinding) =
            if piece.above { (one.cap.checked_sub(value)?, -blinding) } else { (value, *blinding) };
        Some(CommitmentOpening::new(value, vec![blinding]))
    };
    let openings: Option<Vec<CommitmentOpening>> = piece.cells.iter().map(open).collect();
    let mut openings = openings?;
    openings.resize(piece.values(), CommitmentOpening::new(0, vec![Scalar::ZERO]));
    let points = piece
        .points(|block| opening(block).map(|(value, blinding)| value_generators().commit(value, blinding)));
    let statement = statement(piece, points?)?;
    let witness = RangeWitness::init(openings).ok()?;
    let proof = RistrettoRangeProof::prove_with_rng(&mut piece.transcript(of), &statement, &witness, rng);
    Some(proof.ok()?.to_bytes())
}

/// What one hospital gives: whose proofs, its commitments, one for each block, and its proofs, one for each piece.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// Whose.
    pub of: Statement<'a>,
    /// Commitments.
    pub commitments: &'a [Bytes<32>],
    /// Proofs.
    pub proofs: &'a [Blob<MAX_PROOF>],
}

/// True if everyone gives exactly one proof for each piece, canonical, and all hold. Many at once cost less than
/// each alone. Public: the time it takes tells what everyone may see.
#[must_use]
pub fn verify(blocks: &Blocks, all: &[Given]) -> bool {
    let pieces = pieces(blocks);
    let whole = |one: &Given| one.proofs.len() == pieces.len() && one.commitments.len() == blocks.len();
    if !all.iter().all(whole) {
        return false;
    }
    let each =
        |(at, piece): (usize, _)| all.iter().filter_map(move |one| Some((piece, one, one.proofs.get(at)?)));
    let all: Vec<Proof> = pieces.iter().enumerate().flat_map(each).collect();
    // The crate takes one number of bits at a time.
    all.chunk_by(|(one, ..), (other, ..)| one.bits == other.bits)
        .flat_map(|same| same.chunks(AT_ONCE))
        .all(|some| hold(some).unwrap_or(false))
}

/// One proof, what it is of, and whose.
type Proof<'a> = (&'a Piece, &'a Given<'a>, &'a Blob<MAX_PROOF>);

/// None when a proof or a commitment is not canonical.
fn hold(some: &[Proof]) -> Option<bool> {
    let (mut transcripts, mut statements, mut proofs) = (Vec::new(), Vec::new(), Vec::new());
    for (piece, given, bytes) in some {
        if bytes.len() != piece.proof_len() {
            return None;
        }
        let point = |block: usize| CompressedRistretto(given.commitments.get(block)?.0).decompress();
        proofs.push(RistrettoRangeProof::from_bytes(bytes).ok()?);
        statements.push(statement(piece, piece.points(point)?)?);
        transcripts.push(piece.transcript(&given.of));
    }
    let action = VerifyAction::VerifyOnly;
    Some(RistrettoRangeProof::verify_batch(&mut transcripts, &statements, &proofs, action).is_ok())
}

fn statement(piece: &Piece, points: Vec<RistrettoPoint>) -> Option<RangeStatement<RistrettoPoint>> {
    let promises = vec![None; points.len()];
    RangeStatement::init(parameters(piece.bits)?.clone(), points, promises, None).ok()
}

/// The crate's generators for proofs of so many bits, with ours for the commitments; made once a process.
fn parameters(bits: u8) -> Option<&'static RangeParameters<RistrettoPoint>> {
    static ALL: [OnceLock<Option<RangeParameters<RistrettoPoint>>>; 7] = [const { OnceLock::new() }; 7];
    let place = usize::try_from(bits.checked_ilog2()?).ok()?;
    let bits = usize::from(bits);
    let make = || {
        let Pair { value, blinding } = value_generators();
        let pair = PedersenGens {
            h_base: *value,
            h_base_compressed: value.compress(),
            g_base_vec: vec![*blinding],
            g_base_compressed_vec: vec![blinding.compress()],
            extension_degree: ExtensionDegree::DefaultPedersen,
        };
        let values = PROOF_BITS.checked_div(bits)?.min(PROOF_VALUES);
        RangeParameters::init(bits, values, pair).ok()
    };
    ALL.get(place)?.get_or_init(make).as_ref()
}

#[cfg(test)]
mod tests;
