//! Round result: masks come off, everyone recomputes the total (profile V0).
//!
//! [`unmask`] is the one place where a masked sum becomes a total; the coordinator, every survivor and
//! every auditor call it with what they verified themselves.

use super::contribute::{Adder, pair_sign};
use super::offer::Facts;
use super::ready::{Cohort, mask_seed, self_seed};
use super::reveal::recover;
use super::{leaf_of, report_hash, result_hash, total_root};
use crate::ablation::ablated;
use crate::codec::Bytes;
use crate::crypto::commit::{self, root_from_path};
use crate::crypto::mask::{Mask, apply};
use crate::crypto::sharing::{Polynomial, scalar, share_hash};
use crate::crypto::transcript::Label;
use crate::error::{Check, Fault};
use crate::ids::{GoHash, NodeId};
use crate::message::{Counted, Opened, Outcome, OutcomeBlock, ResultBody};
use crate::ring;
use crate::secret::Key;
use curve25519_dalek::Scalar;
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

/// Takes the survivors' own masks and the dropouts' pair masks off, and reduces modulo 2^w.
///
/// # Errors
/// A18 when a seed is missing.
pub fn unmask(
    lanes: &mut [u64],
    facts: &Facts,
    go: &GoHash,
    survivors: &[NodeId],
    secrets: &Secrets,
) -> Result<(), Fault> {
    let missing = Fault::new(Check::A18, "a secret that opens the sum is missing");
    let mut masks = Vec::new();
    for survivor in survivors {
        let b = secrets.b.get(survivor).ok_or(missing.clone())?;
        let plus = crate::crypto::mask::Sign::Plus;
        masks.push(Mask::new(self_seed(b, go, *survivor).expose(), plus.flip()));
        for (dropout, seeds) in secrets.pairs.iter().filter(|_| !ablated!("dropouts-masked")) {
            let seed = seeds.get(survivor).ok_or(missing.clone())?;
            masks.push(Mask::new(
                mask_seed(seed.expose(), go).expose(),
                pair_sign(*survivor, *dropout).flip(),
            ));
        }
    }
    apply(lanes, &mut masks);
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

/// A survivor's recomputation of the total from the signed reports.
#[derive(Debug)]
pub struct Recomputation {
    body: ResultBody,
    certificate: [u8; 32],
    opened: Outcome,
    secrets: Secrets,
    adder: Adder,
    leaves: Vec<[u8; 32]>,
    done: usize,
}

impl Recomputation {
    /// Checks the opened secrets against this node's own leaves and the dropouts' signed deposits.
    ///
    /// # Errors
    /// A18 when a secret is not the one that was dealt.
    pub fn new(
        outcome: Outcome,
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
        let mut secrets = Secrets::default();
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
                secrets.b.insert(dealer, f.at_zero());
                continue;
            }
            let n0 = facts.header.invited.len();
            let path: Vec<[u8; 32]> = one.recovery_path.iter().map(|hash| hash.0).collect();
            let place = n0.saturating_add(2);
            let root = root_from_path(leaf_of(&one.recovery)?, place, n0.saturating_add(3), &path);
            a18(root == Some(held.deposit.0), "a recovery list is not the deposited one")?;
            secrets.pairs.insert(dealer, recover(&f.at_zero(), &one.recovery, facts, dealer, |_| None)?);
        }
        let params = facts.params();
        let adder = Adder::new(params.cells, params.width);
        Ok(Recomputation { body, certificate, opened: outcome, secrets, adder, leaves: Vec::new(), done: 0 })
    }

    /// True for the next block, reports in the survivors' order.
    #[must_use]
    pub fn expects(&self, block: &OutcomeBlock, survivors: &[Counted]) -> bool {
        let next = u32::try_from(self.leaves.len()).unwrap_or(u32::MAX);
        survivors.get(self.done).is_some_and(|counted| block.of == counted.node && block.index == next)
    }

    /// Takes the next block, reports in the survivors' order; the verified result when it was the last.
    ///
    /// # Errors
    /// A18 when a block is out of order, a report is not the signed one, or the total is not what the
    /// reports give.
    pub fn block(
        &mut self,
        block: &OutcomeBlock,
        facts: &Facts,
        go: &GoHash,
        survivors: &[Counted],
    ) -> Result<bool, Fault> {
        let wrong = |what: &'static str| Fault::new(Check::A18, what);
        let counted = survivors.get(self.done).ok_or(wrong("a report too many"))?;
        let next = u32::try_from(self.leaves.len()).unwrap_or(u32::MAX);
        if block.of != counted.node || block.index != next {
            return Err(wrong("a report's block is out of order"));
        }
        self.leaves.push(commit::leaf(&block.bytes));
        let whole = self.adder.add(block.index, &block.bytes);
        let params = facts.params();
        if next.saturating_add(1) < params.blocks() {
            return Ok(false);
        }
        let hash = report_hash(go, counted.node, params.width, params.cells, &self.leaves);
        if !whole || hash != counted.report {
            return Err(wrong("a report is not the one its hospital signed"));
        }
        self.leaves.clear();
        self.done = self.done.saturating_add(1);
        if self.done < survivors.len() {
            return Ok(false);
        }
        self.finish(facts, go, survivors)?;
        Ok(true)
    }

    fn finish(&mut self, facts: &Facts, go: &GoHash, survivors: &[Counted]) -> Result<(), Fault> {
        let mut lanes = std::mem::replace(&mut self.adder, Adder::new(0, 1)).into_lanes();
        let nodes: Vec<NodeId> = survivors.iter().map(|one| one.node).collect();
        unmask(&mut lanes, facts, go, &nodes, &self.secrets)?;
        let root = total_root(&lanes);
        let hash = result_hash(&self.certificate, &root, &self.opened.opened)?;
        Fault::unless(
            Bytes(root) == self.body.total && hash == self.body.result,
            Check::A18,
            "the total is not what the signed reports give",
        )
    }

    /// What the coordinator signed.
    #[must_use]
    pub fn body(&self) -> &ResultBody {
        &self.body
    }
}
