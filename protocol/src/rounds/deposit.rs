//! Round deposit: each node deals shares of two secrets and commits to everything before any mask exists.
//!
//! The node's half deals ([`deal`]); the coordinator's half reads ([`read`]); both follow protocol.md
//! 1.8. Who of those that dealt can be in the cohort is said in `pairs.rs`.

use super::committed::{check_proofs, commitments_root, proofs_hash};
use super::offer::Facts;
use super::{deposit_hash, leaves_root};
use crate::ablation::ablated;
use crate::codec::{Blob, Bytes, List, encode};
use crate::crypto::blocks::Blocks;
use crate::crypto::keys::{Identity, Signed, verify};
use crate::crypto::pedersen;
use crate::crypto::ranges::{self, Given};
use crate::crypto::seal::seal;
use crate::crypto::sharing::{Polynomial, Standing, Statement, Which, combine, commit, scalar, scalar_bytes};
use crate::crypto::transcript::{Label, Transcript, derive, expand, sha256};
use crate::error::{Check, Fault};
use crate::ids::{AttemptId, DepositHash, NodeId};
use crate::message::{Deposit, DepositHead, Leaf, PerBlock, Proofs, Public, PublicAt, SEALED_LEN, Section};
use crate::ring::Contribution;
use crate::roster::MAX_NODES;
use crate::secret::{Key, Secret};
use crate::transparency::{HEAD_LEN, SignedTreeHead};
use curve25519_dalek::Scalar;
use rand_core::CryptoRng;
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroize;

/// `sigma_uv`: the pair's seed in one attempt.
#[must_use]
pub fn pair_seed(key: &Key, sid: &AttemptId) -> Key {
    if ablated!("leak-seed-without-sid", "kdf-without-attempt") {
        return expand(key, Label::PairSeed, &[]);
    }
    expand(key, Label::PairSeed, &[&sid.0])
}

/// `c_uv`: the public commitment to a pair's seed.
#[must_use]
pub fn pair_commitment(seed: &[u8; 32], a: NodeId, b: NodeId, sid: &AttemptId) -> [u8; 32] {
    let (low, high) = (a.min(b), a.max(b));
    Transcript::new(Label::PairCommit).fixed(seed).u16(low.0).u16(high.0).fixed(&sid.0).finish()
}

/// Envelope key of the share that `dealer` deals to `holder`, and the commitment to it.
#[must_use]
pub fn share_key(
    channel: &Key,
    sid: &AttemptId,
    dealer: NodeId,
    holder: NodeId,
    nonce: &Bytes<32>,
) -> (Key, [u8; 32]) {
    let context: [&[u8]; 4] = [&sid.0, &dealer.0.to_be_bytes(), &holder.0.to_be_bytes(), &nonce.0];
    let both = expand::<64>(channel, Label::Share, &context);
    let (key, mut commit) = (Secret::new([0u8; 32]), [0u8; 32]);
    let mut key = key;
    let (first, second) = both.expose().split_at(32);
    key.0.copy_from_slice(first);
    commit.copy_from_slice(second);
    let commitment = Transcript::new(Label::KeyCommit).fixed(&commit).fixed(key.expose()).finish();
    commit.zeroize();
    (key, commitment)
}

/// Key of a dealer's recovery list, from the secret r.
#[must_use]
pub fn recovery_key(r: &Scalar, sid: &AttemptId) -> Key {
    derive(&r.to_bytes(), Label::RecoveryList, &[&sid.0])
}

/// What a dealer's shares are checked under.
fn statement<'a>(head: &'a DepositHead, facts: &Facts) -> Statement<'a> {
    let threshold = facts.params().thresholds.shares;
    Statement { sid: &head.sid, dealer: head.node, threshold, root: &head.leaves.0 }
}

/// What a dealer's shares of one secret are checked under, whoever holds them.
#[must_use]
pub fn challenge(which: Which, head: &DepositHead, facts: &Facts) -> Scalar {
    statement(head, facts).challenge(which)
}

/// How a share stands to the section that its dealer deposited for the holder at `position`, under that
/// dealer's [`challenge`]; none if that section's z is not canonical.
#[must_use]
pub fn standing(
    (which, challenge): (Which, &Scalar),
    share: &Scalar,
    position: u16,
    head: &DepositHead,
    section: &Section,
    facts: &Facts,
) -> Option<Standing> {
    let (leaf, z) = (&section.leaf, &section.z);
    let (z, f, g) = match which {
        Which::R => (z.r, leaf.r, leaf.g_r),
        Which::B => (z.b, leaf.b, leaf.g_b),
    };
    Some(statement(head, facts).standing_under(
        (which, challenge),
        position,
        share,
        &scalar(&z)?,
        (&f.0, &g.0),
    ))
}

/// One holder's shares of one dealer.
#[derive(Zeroize)]
#[cfg_attr(test, derive(Clone, Copy))]
#[expect(missing_docs, reason = "values of f_r and f_b at the holder's position")]
pub struct Shares {
    pub r: Scalar,
    pub b: Scalar,
}

/// What a dealer draws: the two polynomials that it shares, and one to hide each.
struct Drawn {
    r: Secret<Polynomial>,
    b: Secret<Polynomial>,
    g_r: Secret<Polynomial>,
    g_b: Secret<Polynomial>,
}

impl Drawn {
    fn new(threshold: u16, rng: &mut impl CryptoRng) -> Self {
        let [r, b, g_r, g_b] = [0; 4].map(|_| Polynomial::random(threshold, rng));
        Drawn { r, b, g_r, g_b }
    }
    fn shares(&self, position: u16) -> Secret<Shares> {
        Secret::new(Shares { r: self.r.expose().at(position), b: self.b.expose().at(position) })
    }
    /// Commitments to the shares of one position and to what hides them.
    fn leaf(
        &self,
        (sid, me): (&AttemptId, NodeId),
        position: u16,
        shares: &Secret<Shares>,
        key: [u8; 32],
    ) -> Leaf {
        let of = |which, f: &Scalar, g: &Secret<Polynomial>| {
            let g = Secret::new(g.expose().at(position));
            commit(which, sid, me, position, (f, g.expose()))
        };
        let shares = shares.expose();
        let ((r, g_r), (b, g_b)) = (of(Which::R, &shares.r, &self.g_r), of(Which::B, &shares.b, &self.g_b));
        Leaf { r: Bytes(r), b: Bytes(b), g_r: Bytes(g_r), g_b: Bytes(g_b), key: Bytes(key) }
    }
    /// z_r and z_b.
    fn public(&self, statement: &Statement) -> [Polynomial; 2] {
        let d = [Which::R, Which::B].map(|which| statement.challenge(which));
        let [d_r, d_b] = &d;
        [combine(self.r.expose(), self.g_r.expose(), d_r), combine(self.b.expose(), self.g_b.expose(), d_b)]
    }
}

/// What a dealer keeps until the attempt is over; memory only.
#[derive(Debug)]
pub struct Kept {
    /// Secret of the own mask.
    pub b: Secret<Scalar>,
    /// Pair seeds as deposited; none where the channel was not confirmed.
    pub pairs: BTreeMap<NodeId, Key>,
    /// Own shares of the own secrets.
    pub own: Secret<Shares>,
    /// The own deposit's root.
    pub deposit: DepositHash,
    /// Blindings of the commitments.
    pub blindings: Secret<Vec<Scalar>>,
    /// Commitments to the contribution.
    pub commitments: PerBlock,
}

/// Channel keys with those invited, for exactly the announces in the header.
pub type PairKeys = BTreeMap<NodeId, Arc<Key>>;

/// What dealing needs of this node.
#[derive(Debug)]
#[expect(missing_docs, reason = "named as in the ledger and the header")]
pub struct Dealer<'a> {
    pub me: NodeId,
    pub identity: &'a Identity,
    pub channels: &'a PairKeys,
    pub ledger_seq: u64,
    pub seen: &'a dyn SeenSeq,
    /// The head of the coordinator's log that this node keeps.
    pub head: Option<&'a SignedTreeHead>,
}

/// Highest verified ledger sequence number of a peer.
pub trait SeenSeq: core::fmt::Debug {
    /// 0 when none was verified.
    fn seen(&self, node: NodeId) -> u64;
}

impl SeenSeq for crate::ledger::LedgerView {
    fn seen(&self, node: NodeId) -> u64 {
        crate::ledger::LedgerView::seen(self, node)
    }
}

/// Deals: uniform polynomials of degree below t_s, a section for each invited node, the recovery list.
///
/// # Errors
/// A06 when this node is not invited.
pub fn deal(
    facts: &Facts,
    dealer: &Dealer,
    contribution: &Contribution,
    rng: &mut impl CryptoRng,
) -> Result<(Deposit, Kept), Fault> {
    let (sid, me) = (&facts.sid, dealer.me);
    let threshold = facts.params().thresholds.shares;
    let drawn = Drawn::new(threshold, rng);
    let mut nonce = Bytes([0u8; 32]);
    rng.fill_bytes(&mut nonce.0);
    let (blindings, commitments) = commitments(contribution, facts.blocks(), rng)?;
    let ranges = ranges(contribution, (&blindings, &commitments), facts, me, rng)?;

    let (mut sections, mut pairs) = (Vec::new(), BTreeMap::new());
    let mut recovery = Secret::new(Vec::with_capacity(facts.header.invited.len().saturating_mul(32)));
    let mut own = None;
    for (position, invited) in (1u16..).zip(facts.header.invited.iter()) {
        let holder = invited.node;
        let shares = drawn.shares(position);
        let channel = dealer.channels.get(&holder).filter(|_| holder != me);
        let (sealed, key_commit, pair) = match channel {
            None => (Vec::new(), [0; 32], None),
            Some(channel) => {
                let (key, commit) = share_key(channel, sid, me, holder, &nonce);
                let sealed = seal(&key, &plain(&shares, dealer.head)).unwrap_or_default();
                (sealed, commit, Some(pair_seed(channel, sid)))
            }
        };
        recovery.0.extend_from_slice(pair.as_ref().map_or(&[0; 32], |seed| seed.expose()));
        let commitment = pair.as_ref().map(|seed| pair_commitment(seed.expose(), me, holder, sid));
        sections.push(Section {
            holder,
            sealed: Blob::new(sealed)?,
            leaf: drawn.leaf((sid, me), position, &shares, key_commit),
            z: PublicAt { r: Bytes([0; 32]), b: Bytes([0; 32]) },
            pair: Bytes(commitment.unwrap_or([0; 32])),
            seen_seq: dealer.seen.seen(holder),
        });
        pairs.extend(pair.map(|seed| (holder, seed)));
        if holder == me {
            own = Some(shares);
        }
    }
    let own = own.ok_or(Fault::new(Check::A06, "this node is not invited"))?;

    let leaves = leaves_root(sections.iter().map(|section| &section.leaf))?;
    let z = drawn.public(&Statement { sid, dealer: me, threshold, root: &leaves });
    for (position, section) in (1u16..).zip(sections.iter_mut()) {
        section.z = at(&z, position);
    }
    let [z_r, z_b] = z.each_ref().map(|z| List::new(z.coefficients().iter().map(scalar_bytes).collect()));
    let z = Public { r: z_r?, b: z_b? };
    let head = DepositHead {
        sid: *sid,
        node: me,
        nonce,
        leaves: Bytes(leaves),
        z: Bytes(sha256(&encode(&z)?)),
        contribution: Bytes(commitments_root(commitments.iter())),
        ranges: Bytes(proofs_hash(&ranges)?),
        ledger_seq: dealer.ledger_seq,
    };
    let recovery =
        seal(&recovery_key(&drawn.r.expose().at_zero(), sid), recovery.expose()).unwrap_or_default();
    let mut deposit = Deposit {
        head,
        z,
        sections: List::new(sections)?,
        recovery: Blob::new(recovery)?,
        commitments: if facts.blocks().proves() { commitments.clone() } else { PerBlock::default() },
        ranges,
        signature: Bytes([0; 64]),
    };
    let hash = deposit_hash(&deposit)?;
    deposit.signature = dealer.identity.sign(Signed::Deposit, &hash.0);
    let b = Secret::new(drawn.b.expose().at_zero());
    Ok((deposit, Kept { b, pairs, own, deposit: hash, blindings, commitments }))
}

/// The commitments that the contribution came with, or new ones, and their blindings.
fn commitments(
    contribution: &Contribution,
    blocks: &Blocks,
    rng: &mut impl CryptoRng,
) -> Result<(Secret<Vec<Scalar>>, PerBlock), Fault> {
    let (blindings, points) = match contribution.opening(blocks) {
        Some((blindings, points)) => (Secret::new(blindings.to_vec()), points.to_vec()),
        None => {
            let blindings = pedersen::blindings(blocks.len(), rng);
            let points = contribution.commitments(blocks, blindings.expose());
            (blindings, points)
        }
    };
    Ok((blindings, PerBlock::new(points.into_iter().map(Bytes).collect())?))
}

/// The proofs that the contribution came with for this attempt, or new ones; none where nothing is checked.
fn ranges(
    contribution: &Contribution,
    (blindings, commitments): (&Secret<Vec<Scalar>>, &PerBlock),
    facts: &Facts,
    me: NodeId,
    rng: &mut impl CryptoRng,
) -> Result<Proofs, Fault> {
    if let Some(proofs) = contribution.proofs(&facts.sid, me) {
        let proofs: Result<Vec<_>, _> = proofs.iter().map(|one| Blob::new(one.clone())).collect();
        return Ok(Proofs::new(proofs?)?);
    }
    let root = commitments_root(commitments.iter());
    let of = ranges::Statement { sid: &facts.sid, node: me, root: &root };
    let (blocks, lanes) = (facts.blocks(), contribution.lanes().expose());
    let opening = |block: usize| {
        let cell = blocks.cells_of(block).next()?;
        Some((lanes.get(cell).copied()?, blindings.expose().get(block)?))
    };
    let mut proofs = Vec::new();
    for piece in ranges::pieces(blocks) {
        let proof = ranges::prove(&piece, &of, &opening, rng);
        // The figures were checked against the same ranges; what cannot be proven is nowhere accepted.
        proofs.push(Blob::new(proof.unwrap_or_default())?);
    }
    Ok(Proofs::new(proofs)?)
}

/// What is sealed for one holder: the shares, and the head that this node keeps, so that hospitals that were
/// told two stories find out. As long whatever is kept.
pub(crate) fn plain(shares: &Secret<Shares>, head: Option<&SignedTreeHead>) -> zeroize::Zeroizing<Vec<u8>> {
    let shares = shares.expose();
    let mut bytes = Vec::with_capacity(SEALED_LEN);
    [&shares.r, &shares.b].iter().for_each(|share| bytes.extend_from_slice(share.as_bytes()));
    bytes.extend_from_slice(&head.map_or([0; HEAD_LEN], SignedTreeHead::to_fixed));
    zeroize::Zeroizing::new(bytes)
}

/// z_r and z_b at one position.
fn at(z: &[Polynomial; 2], position: u16) -> PublicAt {
    let [r, b] = z.each_ref().map(|z| scalar_bytes(&z.at(position)));
    PublicAt { r, b }
}

/// Reads a deposit: shape, signature, and that every z_r(i), z_b(i) lies on a z_r, z_b of degree below t_s.
///
/// # Errors
/// A01, naming the sender.
pub fn read(deposit: &Deposit, facts: &Facts, from: NodeId) -> Result<DepositHash, Fault> {
    let wrong = |what: &'static str| Fault::of(Check::A01, what, vec![from]);
    let need = |held: bool, what: &'static str| if held { Ok(()) } else { Err(wrong(what)) };
    let head = &deposit.head;
    need(head.sid == facts.sid && head.node == from, "a deposit of another attempt or node")?;
    let invited = facts.header.invited.iter().map(|invited| invited.node);
    need(
        deposit.sections.len() == facts.header.invited.len()
            && deposit.sections.iter().map(|section| section.holder).eq(invited),
        "a deposit's sections are not those invited, in order",
    )?;
    let threshold = facts.params().thresholds.shares;
    let degree = |z: &List<_, MAX_NODES>| z.len() == usize::from(threshold);
    need(degree(&deposit.z.r) && degree(&deposit.z.b), "a deposit's z has another degree")?;
    let leaves = leaves_root(deposit.sections.iter().map(|section| &section.leaf))?;
    need(
        head.leaves.0 == leaves && head.z.0 == sha256(&encode(&deposit.z)?),
        "a deposit's head is not its own",
    )?;
    let list = facts.header.invited.len().saturating_mul(32).saturating_add(crate::crypto::seal::TAG_LEN);
    need(deposit.recovery.len() == list, "a deposit's recovery list has another length")?;
    let read = |z: &List<_, MAX_NODES>| {
        let coefficients: Option<Vec<Scalar>> = z.iter().map(scalar).collect();
        coefficients.map(Polynomial::from_coefficients).ok_or(wrong("a deposit's z is not canonical"))
    };
    let z = [read(&deposit.z.r)?, read(&deposit.z.b)?];
    check_ranges(deposit, facts, from)?;
    let on_z = |(position, section): (u16, &Section)| at(&z, position) == section.z;
    need((1u16..).zip(deposit.sections.iter()).all(on_z), "a deposit's z(i) does not lie on z")?;
    let hash = deposit_hash(deposit)?;
    let signed = facts.key(from).is_some_and(|key| verify(key, Signed::Deposit, &hash.0, &deposit.signature));
    need(signed, "a deposit without its node's signature")?;
    Ok(hash)
}

/// A27: where ranges are checked, the commitments under the deposited root, and a proof of each range.
fn check_ranges(deposit: &Deposit, facts: &Facts, from: NodeId) -> Result<(), Fault> {
    let a27 = |held: bool, what: &'static str| Fault::unless_of(held, Check::A27, what, from);
    let head = &deposit.head;
    a27(
        head.ranges.0 == proofs_hash(&deposit.ranges)?,
        "a deposit's head does not hold its proofs of ranges",
    )?;
    if !facts.blocks().proves() {
        let none = deposit.commitments.is_empty() && deposit.ranges.is_empty();
        return a27(none, "a deposit proves ranges that nobody asked for");
    }
    let root = commitments_root(deposit.commitments.iter());
    a27(root == head.contribution.0, "a deposit's commitments are not under its root")?;
    let of = ranges::Statement { sid: &head.sid, node: from, root: &head.contribution.0 };
    check_proofs(facts, &[Given { of, commitments: &deposit.commitments, proofs: &deposit.ranges }])
}
