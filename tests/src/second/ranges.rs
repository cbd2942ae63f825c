//! Section 6 of the manual, ranges. Its own blocks, pieces and statements; of the core it shares the group's arithmetic
//! and, with the same generators written down here, the public crate that verifies.

use super::Checked;
use super::commitments::{generator, point};
use super::fields::{Fields, bytes, hex, number};
use super::primitives::*;
use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::ristretto::CompressedRistretto;
use serde_json::Value;
use tari_bulletproofs_plus::generators::pedersen_gens::ExtensionDegree;
use tari_bulletproofs_plus::range_parameters::RangeParameters;
use tari_bulletproofs_plus::range_proof::VerifyAction;
use tari_bulletproofs_plus::range_statement::RangeStatement;
use tari_bulletproofs_plus::ristretto::RistrettoRangeProof;
use tari_bulletproofs_plus::{PedersenGens, Transcript};

/// A checked cell: place, block, greatest value.
type Cell = (u32, usize, u64);

/// One proof: bits, whether of what is left above, and the cells.
struct Piece {
    bits: usize,
    above: bool,
    cells: Vec<Cell>,
}

/// The cells of every block: those without a cap by 1,024, then each of the others alone.
pub fn blocks(caps: &[Option<u64>]) -> Vec<(Vec<usize>, Option<u64>)> {
    let plain: Vec<usize> = (0..caps.len()).filter(|cell| caps[*cell].is_none()).collect();
    let plain = plain.chunks(1024).map(|cells| (cells.to_vec(), None));
    let alone = (0..caps.len()).filter_map(|cell| Some((vec![cell], Some(caps[cell]?))));
    plain.chain(alone).collect()
}

fn bits(cap: u64) -> usize {
    [1, 8, 16, 32].into_iter().find(|bits| cap < 1 << bits).unwrap_or(64)
}

/// B: bits that a node proves, those of both sides where a cap is not exact.
pub fn proven_bits(caps: &[Option<u64>]) -> u64 {
    let exact = |cap: u64| u128::from(cap) + 1 == 1u128 << bits(cap);
    caps.iter().flatten().map(|cap| bits(*cap) as u64 * if exact(*cap) { 1 } else { 2 }).sum()
}

fn pieces(caps: &[Option<u64>]) -> Vec<Piece> {
    let all = blocks(caps);
    let cells = all
        .iter()
        .enumerate()
        .filter_map(|(block, (cells, cap))| Some((u32::try_from(cells[0]).ok()?, block, (*cap)?)));
    let cells: Vec<Cell> = cells.collect();
    let mut pieces = Vec::new();
    for wide in [1, 8, 16, 32, 64] {
        for above in [false, true] {
            let exact = |cap: u64| u128::from(cap) + 1 == 1u128 << wide;
            let of = cells.iter().filter(|(_, _, cap)| bits(*cap) == wide && !(above && exact(*cap)));
            let of: Vec<Cell> = of.copied().collect();
            let most = 64.min(1024 / wide);
            pieces.extend(of.chunks(most).map(|cells| Piece { bits: wide, above, cells: cells.to_vec() }));
        }
    }
    pieces
}

/// SHA-256 over everything a proof is of but its commitments.
fn statement(index: usize, piece: &Piece, (sid, node, root): (&Hash, u16, &Hash)) -> Hash {
    let small = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
    let all = H::new("range").fixed(sid).u16(node).fixed(root).u32(u32::from(small(index)));
    let all = all.u16(small(piece.bits)).u16(u16::from(piece.above)).count(piece.cells.len());
    piece.cells.iter().fold(all, |all, (cell, _, cap)| all.u32(*cell).u64(*cap)).end()
}

/// True if these are the proofs of these commitments' ranges.
pub fn hold(
    caps: &[Option<u64>],
    of: (&Hash, u16, &Hash),
    commitments: &[Hash],
    proofs: &[Vec<u8>],
) -> Checked<bool> {
    let (g, h) = (generator("g", 0), generator("h", 0));
    let pieces = pieces(caps);
    if pieces.len() != proofs.len() || commitments.len() != blocks(caps).len() {
        return Err("not one proof for each piece".to_owned());
    }
    for (index, (piece, proof)) in pieces.iter().zip(proofs).enumerate() {
        let mut points = Vec::new();
        for (_, block, cap) in &piece.cells {
            let own =
                CompressedRistretto(commitments[*block]).decompress().ok_or("a commitment is no point")?;
            points.push(if piece.above { Scalar::from(*cap) * g - own } else { own });
        }
        let values = points.len().next_power_of_two().max(2);
        points.resize(values, RistrettoPoint::default());
        let pair = PedersenGens {
            h_base: g,
            h_base_compressed: g.compress(),
            g_base_vec: vec![h],
            g_base_compressed_vec: vec![h.compress()],
            extension_degree: ExtensionDegree::DefaultPedersen,
        };
        let why = |error: tari_bulletproofs_plus::errors::ProofError| error.to_string();
        let parameters = RangeParameters::init(piece.bits, values, pair).map_err(why)?;
        let told = RangeStatement::init(parameters, points, vec![None; values], None).map_err(why)?;
        let mut transcript = Transcript::new(b"fa/1 range");
        transcript.append_message(b"statement", &statement(index, piece, of));
        let proof = RistrettoRangeProof::from_bytes(proof).map_err(why)?;
        let only = VerifyAction::VerifyOnly;
        if RistrettoRangeProof::verify_batch(&mut [transcript], &[told], &[proof], only).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The vector: commitments recomputed, and every proof verified.
pub fn check(mut file: Fields) -> Checked<()> {
    let (sid, root) = (file.array("sid")?, file.array("root")?);
    let node = u16::try_from(file.number("node")?).map_err(|_| "no node")?;
    let cap = |one: &Value| if one.is_null() { Ok(None) } else { number(one).map(Some) };
    let caps = file.list("caps")?.iter().map(cap).collect::<Checked<Vec<_>>>()?;
    let values = file.list("values")?.iter().map(number).collect::<Checked<Vec<_>>>()?;
    let read = |one: &Value| scalar(&super::fields::array(one)?);
    let blindings = file.list("blindings")?.iter().map(read).collect::<Checked<Vec<Scalar>>>()?;
    let one = |((cells, cap), rho): (&(Vec<usize>, Option<u64>), &Scalar)| -> Hash {
        let own: Vec<u64> = cells.iter().map(|cell| values[*cell]).collect();
        let made = match cap {
            None => point(&own, rho),
            Some(_) => Scalar::from(own[0]) * generator("g", 0) + rho * generator("h", 0),
        };
        made.compress().to_bytes()
    };
    let commitments: Vec<Hash> = blocks(&caps).iter().zip(&blindings).map(one).collect();
    file.is("commitments", commitments.iter().map(hex).collect::<Vec<_>>())?;
    let proofs = file.list("proofs")?.iter().map(bytes).collect::<Checked<Vec<_>>>()?;
    file.done()?;
    if hold(&caps, (&sid, node, &root), &commitments, &proofs)? { Ok(()) } else { Err("no proof".to_owned()) }
}
