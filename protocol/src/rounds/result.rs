//! Round result: masks come off at the coordinator, and everyone checks the total against the commitments.
//!
//! [`unmask`] is the one place where a masked sum becomes a total. A survivor needs no report to check it:
//! [`Verification`] takes what was opened, each survivor's commitments, and the total.

use super::committed::{Contributed, check_proofs, check_total, proofs_hash};
use super::contribute::pair_sign;
use super::offer::Facts;
use super::ready::{Cohort, mask_seed, self_seed};
use super::{leaf_of, opened_hash, report_hash, result_hash, total_root};
use crate::ablation::ablated;
use crate::codec::Bytes;
use crate::crypto::commit::root_from_path;
use crate::crypto::mask::{Mask, apply, blind};
use crate::crypto::ranges::{Given, Statement};
use crate::crypto::sharing::{Polynomial, scalar, share_hash};
use crate::crypto::transcript::Label;
use crate::error::{Check, Fault};
use crate::ids::{GoHash, NodeId};
use crate::message::{
    Committed, Counted, Opened, Outcome, OutcomeBlock, OutcomeReport, PerBlock, Proofs, ResultBody,
};
use crate::params::BLOCK;
use crate::ring::{self, Unpacker};
use crate::secret::Key;
use curve25519_dalek::Scalar;
use rand_core::CryptoRng;
use std::collections::BTreeMap;

/// All that opens one attempt's sum.
#[derive(Default)]
pub struct Secrets {
    /// b of every survivor.
    pub b: BTreeMap<NodeId, Scalar>,
    /// Pair seeds of every dropout, by dropout and peer.
    pub pairs: BTreeMap<NodeId, BTreeMap<NodeId, Key>>,
}

impl core::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secrets(<redacted>)")
    }
}

/// Takes the survivors' own masks and the dropouts' pair masks off the sums of cells and of blindings, and
/// reduces the cells modulo 2^w.
///
/// # Errors
/// A18 when a seed is missing.
pub fn unmask(
    (lanes, blindings): (&mut [u64], &mut [Scalar]),
    facts: &Facts,
    go: &GoHash,
    survivors: &[NodeId],
    secrets: &Secrets,
) -> Result<(), Fault> {
    let missing = Fault::new(Check::A18, "a secret that opens the sum is missing");
    let mut seeds = Vec::new();
    for survivor in survivors {
        let b = secrets.b.get(survivor).ok_or(missing.clone())?;
        let plus = crate::crypto::mask::Sign::Plus;
        seeds.push((self_seed(b, go, *survivor), plus.flip()));
        for (dropout, opened) in secrets.pairs.iter().filter(|_| !ablated!("dropouts-masked")) {
            let seed = opened.get(survivor).ok_or(missing.clone())?;
            seeds.push((mask_seed(seed.expose(), go), pair_sign(*survivor, *dropout).flip()));
        }
    }
    let mut masks: Vec<Mask> = seeds.iter().map(|(seed, sign)| Mask::new(seed.expose(), *sign)).collect();
    apply(lanes, &mut masks);
    seeds.iter().for_each(|(seed, sign)| blind(blindings, seed.expose(), *sign));
    ring::reduce(lanes, facts.params().width);
    Ok(())
}

/// The polynomial in an opened secret.
///
/// # Errors
/// A18, naming the dealer, when it has another degree or is not canonical.
pub fn polynomial(opened: &Opened, threshold: u16) -> Result<Polynomial, Fault> {
    let wrong =
        || Fault::of(Check::A18, "an opened secret is not a polynomial of this degree", vec![opened.dealer]);
    if opened.polynomial.len() != usize::from(threshold) {
        return Err(wrong());
    }
    let coefficients: Option<Vec<Scalar>> = opened.polynomial.iter().map(scalar).collect();
    Ok(Polynomial::from_coefficients(coefficients.ok_or_else(wrong)?))
}

/// A survivor's check of the total against what all survivors committed to.
#[derive(Debug)]
pub struct Verification {
    body: ResultBody,
    certificate: [u8; 32],
    opened: [u8; 32],
    blindings: PerBlock,
    contributed: Contributed,
    unpacker: Unpacker,
    /// Survivors whose commitments came.
    reports: usize,
    /// Their commitments and proofs, where ranges are proven, until those of all are there.
    proven: Vec<(NodeId, Committed, Proofs)>,
    /// Blocks of the total that came.
    blocks: u32,
    total: Vec<u64>,
}

impl Verification {
    /// Checks the opened secrets against this node's own leaves and the dropouts' signed deposits.
    ///
    /// # Errors
    /// A18 when a secret is not the one that was dealt.
    pub fn new(
        outcome: &Outcome,
        body: ResultBody,
        facts: &Facts,
        (me, cohort, survivors): (NodeId, &Cohort, &[Counted]),
        certificate: [u8; 32],
    ) -> Result<Self, Fault> {
        let a18 = |held: bool, what: &'static str| Fault::unless(held, Check::A18, what);
        a18(
            outcome.opened.iter().map(|one| one.dealer).eq(cohort.members()),
            "RESULT does not open the whole cohort",
        )?;
        let position = facts.position(me).ok_or(Fault::new(Check::A06, "this node is not invited"))?;
        let threshold = facts.params().thresholds.shares;
        for (one, held) in outcome.opened.iter().zip(cohort.held.values()) {
            let dealer = one.dealer;
            let f = polynomial(one, threshold)?;
            let survived = survivors.iter().any(|survivor| survivor.node == dealer);
            let (label, leaf) =
                if survived { (Label::LeafB, held.leaf.b) } else { (Label::LeafR, held.leaf.r) };
            let own = share_hash(label, &facts.sid, dealer, position, &f.at(position));
            a18(!held.usable || own == leaf.0, "an opened secret is not the one that was dealt")?;
            if survived {
                a18(
                    one.recovery.is_empty() && one.recovery_path.is_empty(),
                    "a survivor's recovery list was opened",
                )?;
                continue;
            }
            let n0 = facts.header.invited.len();
            let path: Vec<[u8; 32]> = one.recovery_path.iter().map(|hash| hash.0).collect();
            let place = n0.saturating_add(2);
            let root = root_from_path(leaf_of(&one.recovery)?, place, n0.saturating_add(3), &path);
            a18(root == Some(held.deposit.0), "a recovery list is not the deposited one")?;
        }
        let params = facts.params();
        Ok(Verification {
            body,
            certificate,
            opened: opened_hash(&outcome.opened)?,
            blindings: outcome.blindings.clone(),
            contributed: Contributed::new(facts),
            unpacker: Unpacker::new(params.width),
            reports: 0,
            proven: Vec::new(),
            blocks: 0,
            total: vec![0; usize::try_from(params.cells).unwrap_or(0)],
        })
    }

    /// True for the commitments of the next survivor.
    #[must_use]
    pub fn expects(&self, report: &OutcomeReport, survivors: &[Counted]) -> bool {
        survivors.get(self.reports).is_some_and(|counted| report.of == counted.node)
    }

    /// Takes a survivor's commitments: those its signed report is over, under the root it deposited.
    ///
    /// # Errors
    /// A18 when they are not those of the report that was certified, A25.
    pub fn report(
        &mut self,
        report: &OutcomeReport,
        facts: &Facts,
        go: &GoHash,
        (cohort, survivors): (&Cohort, &[Counted]),
    ) -> Result<(), Fault> {
        let wrong = |what: &'static str| Fault::new(Check::A18, what);
        let counted = survivors.get(self.reports).ok_or(wrong("commitments too many"))?;
        let params = facts.params();
        let hash = report_hash(go, report.of, params.width, params.cells, &report.committed);
        let same = report.of == counted.node && hash == counted.report;
        Fault::unless(same, Check::A18, "a report is not the one its hospital signed")?;
        let held = cohort.held.get(&report.of).ok_or(wrong("a report of a stranger"))?;
        self.contributed.add(&report.committed, &held.contribution, report.of)?;
        let deposited = proofs_hash(&report.ranges)? == held.ranges.0;
        Fault::unless(deposited, Check::A27, "proofs of ranges are not those that were deposited")?;
        self.reports = self.reports.saturating_add(1);
        if facts.blocks().proves() {
            self.proven.push((report.of, report.committed.clone(), report.ranges.clone()));
            if self.reports == survivors.len() {
                return self.check_ranges(facts, cohort);
            }
        }
        Ok(())
    }

    /// A27, of all at once: a quarter of the time that each alone takes.
    fn check_ranges(&mut self, facts: &Facts, cohort: &Cohort) -> Result<(), Fault> {
        let all = std::mem::take(&mut self.proven);
        let mut given = Vec::with_capacity(all.len());
        for (node, committed, proofs) in &all {
            let stranger = Fault::new(Check::A18, "a report of a stranger");
            let root = &cohort.held.get(node).ok_or(stranger)?.contribution.0;
            let of = Statement { sid: &facts.sid, node: *node, root };
            given.push(Given { of, commitments: &committed.commitments, proofs });
        }
        check_proofs(facts, &given)
    }

    /// True for the next block of the total, once every survivor's commitments are there.
    #[must_use]
    pub fn is_next(&self, block: &OutcomeBlock, survivors: &[Counted]) -> bool {
        self.reports == survivors.len() && block.index == self.blocks
    }

    /// Takes the next block of the total; true when it was the last, and all of it is verified.
    ///
    /// # Errors
    /// A18 when the total is not the signed one, A26 when it is not what was committed to.
    pub fn block(
        &mut self,
        block: &OutcomeBlock,
        facts: &Facts,
        rng: &mut impl CryptoRng,
    ) -> Result<bool, Fault> {
        self.unpacker.add(&block.bytes, &mut self.total);
        self.blocks = self.blocks.saturating_add(1);
        let params = facts.params();
        let before = usize::try_from(block.index).unwrap_or(usize::MAX).saturating_mul(BLOCK);
        let right = block.bytes.len() == params.report_len().saturating_sub(before).min(BLOCK);
        Fault::unless(right, Check::A18, "a block of the total of a wrong length")?;
        if self.blocks < params.blocks() {
            return Ok(false);
        }
        let whole = self.unpacker.is_whole(&self.total);
        Fault::unless(whole, Check::A18, "the total is not whole")?;
        let root = total_root(&self.total);
        let hash = result_hash(&self.certificate, &root, &self.blindings, &self.opened);
        let signed = Bytes(root) == self.body.total && hash == self.body.result;
        Fault::unless(signed, Check::A18, "the total is not the one that was signed")?;
        check_total(&self.contributed, &self.total, &self.blindings, rng)?;
        Ok(true)
    }

    /// The total, one integer a cell, offsets still on; verified once the last block was.
    #[must_use]
    pub fn total(&self) -> &[u64] {
        &self.total
    }

    /// What the coordinator signed.
    #[must_use]
    pub fn body(&self) -> &ResultBody {
        &self.body
    }
}
