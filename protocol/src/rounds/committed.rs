//! What binds a report to its deposit, and the total to all of them (profile V1), and the proofs that checked figures
//! lie in their ranges (V3): checks A25 to A27.
//!
//! A node commits to its contribution block by block before any mask exists; the root of the commitments
//! stands in its deposit. Its report carries them, and the blindings under the same masks as the cells. Who
//! has the survivors' commitments, the total and the sums of blindings needs no report to check the total.

use super::offer::Facts;
use crate::ablation::{ablated, unchecked};
use crate::codec::{Bytes, encode};
use crate::crypto::blocks::Blocks;
use crate::crypto::pedersen::{self, Sums};
use crate::crypto::ranges::{self, Given};
use crate::crypto::sharing::scalar;
use crate::crypto::{commit, transcript};
use crate::error::{Check, Fault, Malformed};
use crate::ids::NodeId;
use crate::message::{Committed, Proofs, Report};
use curve25519_dalek::Scalar;
use rand_core::CryptoRng;

/// `x_commitment`: root over a node's commitments.
#[must_use]
pub fn commitments_root<'a>(commitments: impl Iterator<Item = &'a Bytes<32>>) -> [u8; 32] {
    commit::root(&commitments.map(|one| commit::leaf(&one.0)).collect::<Vec<_>>())
}

/// Hash of a node's proofs of ranges.
///
/// # Errors
/// Never for proofs that were decoded.
pub fn proofs_hash(proofs: &Proofs) -> Result<[u8; 32], Malformed> {
    Ok(transcript::sha256(&encode(proofs)?))
}

/// A27: everyone's checked figures are proven to lie in their ranges. Many at once cost less than each alone; only
/// where that fails it is looked who it is.
///
/// # Errors
/// A27, naming everyone whose proofs do not hold.
pub fn check_proofs(facts: &Facts, all: &[Given]) -> Result<(), Fault> {
    let blocks = facts.blocks();
    if !blocks.proves() || ranges::verify(blocks, all) || unchecked!(Check::A27) {
        return Ok(());
    }
    let whose = |one: &&Given| !ranges::verify(blocks, &[**one]);
    let culprits = all.iter().filter(whose).map(|one| one.of.node).collect();
    Err(Fault::of(Check::A27, "a checked figure is not proven to lie in its range", culprits))
}

/// SHA-256 of 32-byte values one after the other.
#[must_use]
pub fn hash_of(values: &[Bytes<32>]) -> [u8; 32] {
    transcript::sha256(&values.iter().flat_map(|one| one.0).collect::<Vec<u8>>())
}

/// What everyone may see of a report.
#[must_use]
pub fn committed(report: &Report) -> Committed {
    let blindings = Bytes(hash_of(&report.blindings));
    Committed { root: report.root, blindings, commitments: report.commitments.clone() }
}

/// What a report carries besides its blocks, as the coordinator read it.
#[derive(Debug)]
pub struct Carried {
    /// What everyone may see.
    pub committed: Committed,
    points: Contributed,
    blindings: Vec<Scalar>,
}

impl Carried {
    /// Reads it: commitments under the root that was deposited, and a canonical scalar for each block.
    ///
    /// # Errors
    /// A25, naming the sender.
    pub fn read(report: &Report, deposited: &Bytes<32>, facts: &Facts, from: NodeId) -> Result<Self, Fault> {
        let (committed, mut points) = (committed(report), Contributed::new(facts));
        points.add(&committed, deposited, from)?;
        let what = "a report's blindings are not one canonical scalar for each block";
        let scalars: Option<Vec<Scalar>> = report.blindings.iter().map(scalar).collect();
        let blindings = scalars.filter(|scalars| scalars.len() == facts.blocks().len());
        let blindings = blindings.ok_or(Fault::of(Check::A25, what, vec![from]))?;
        Ok(Carried { committed, points, blindings })
    }
}

/// Sums of what reports carry: commitments, and blindings that are still masked.
#[must_use]
pub fn sums<'a>(facts: &Facts, all: impl Iterator<Item = &'a Carried>) -> (Contributed, Vec<Scalar>) {
    let (mut contributed, mut sums) = (Contributed::new(facts), Vec::new());
    sums.resize(facts.blocks().len(), Scalar::ZERO);
    for one in all {
        contributed.sums.merge(&one.points.sums);
        pedersen::add_blindings(&mut sums, &one.blindings);
    }
    (contributed, sums)
}

/// Sums of contributors' commitments.
#[derive(Debug)]
pub struct Contributed {
    sums: Sums,
    blocks: Blocks,
}

impl Contributed {
    /// Of nobody yet.
    #[must_use]
    pub fn new(facts: &Facts) -> Self {
        Contributed { sums: Sums::new(facts.blocks().len()), blocks: facts.blocks().clone() }
    }

    /// Adds a contributor's commitments: a canonical point for each block, under the root it deposited.
    ///
    /// # Errors
    /// A25, naming whose they are.
    pub fn add(&mut self, given: &Committed, deposited: &Bytes<32>, of: NodeId) -> Result<(), Fault> {
        let root = commitments_root(given.commitments.iter());
        let what = "a report's commitments are not those of its deposit";
        Fault::unless_of(root == deposited.0, Check::A25, what, of)?;
        let added = self.sums.add(given.commitments.iter().map(|one| &one.0));
        let what = "a report's commitments are not one canonical point for each block";
        if added { Ok(()) } else { Err(Fault::of(Check::A25, what, vec![of])) }
    }

    /// The first block that the total and the sums of blindings do not open. Public: the time it takes tells
    /// what is published anyway.
    #[must_use]
    pub fn first_false(&self, total: &[u64], blindings: &[Scalar], rng: &mut impl CryptoRng) -> Option<u32> {
        let index = self
            .sums
            .first_false(&self.blocks, (total, blindings), rng)
            .filter(|_| !ablated!("total-uncommitted"))?;
        Some(u32::try_from(index).unwrap_or(u32::MAX))
    }
}

/// A26: every block of the total opens the sum of what its contributors committed to.
///
/// # Errors
/// A26.
pub fn check_total(
    contributed: &Contributed,
    total: &[u64],
    blindings: &[Bytes<32>],
    rng: &mut impl CryptoRng,
) -> Result<(), Fault> {
    let a26 = |what: &'static str| Fault::new(Check::A26, what);
    let scalars: Option<Vec<Scalar>> = blindings.iter().map(scalar).collect();
    let scalars = scalars.ok_or(a26("a sum of blindings is not a canonical scalar"))?;
    let opens = contributed.first_false(total, &scalars, rng).is_none();
    Fault::unless(opens, Check::A26, "the total is not the sum of what was committed to at deposit")
}
