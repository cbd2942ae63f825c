//! Round ready: START fixes the cohort; every node checks every dealer before it says READY.
//!
//! Owns checks A07 to A10 and A28, and the reading of envelopes. A share that cannot be used is listed; nothing is
//! ever opened because of it.

use super::deposit::{Kept, PairKeys, Shares, challenge, pair_commitment, pair_seed, share_key, standing};
use super::offer::Facts;
use super::{deposit_leaves, leaf_of, start_hash};
use crate::ablation::ablated;
use crate::codec::Bytes;
use crate::codec::List;
use crate::crypto::commit::{paths, root_from_path};
use crate::crypto::keys::{Identity, Signed, verify};
use crate::crypto::seal::open;
use crate::crypto::sharing::{Standing, Which, scalar};
use crate::crypto::transcript::Label;
use crate::error::{Check, Fault, Malformed};
use crate::ids::{DepositHash, GoHash, NodeId, PublicKey, StartHash};
use crate::ledger::LedgerView;
use crate::message::{Dealer, Dealt, Deposit, Leaf, Path, Ready, Sealed, Start, StartBody, ascending};
use crate::secret::{Key, Secret};
use crate::transparency::{HEAD_LEN, SignedTreeHead, two_stories};
use std::collections::BTreeMap;

/// What a cohort member holds of one dealer.
#[derive(Debug)]
pub struct Held {
    /// Root of its deposit.
    pub deposit: DepositHash,
    /// Commitments to the shares this node was dealt.
    pub leaf: Leaf,
    /// The shares; none if they could not be used, or were given.
    pub shares: Option<Secret<Shares>>,
    /// False if the shares could not be used.
    pub usable: bool,
    /// The dealer's ledger as it signed it.
    pub ledger_seq: u64,
    /// Root of its commitments to its contribution.
    pub contribution: Bytes<32>,
    /// Hash of its proofs of ranges.
    pub ranges: Bytes<32>,
}

/// A cohort as one of its members verified it.
#[derive(Debug)]
pub struct Cohort {
    /// Hash of START.
    pub start: StartHash,
    /// By dealer.
    pub held: BTreeMap<NodeId, Held>,
    /// Heads of the coordinator's log that members keep, each once; the own first.
    pub heads: Vec<SignedTreeHead>,
    /// Members that remember a ledger of this node that it never had: X at most, so that they are wrong.
    pub echoes: Vec<NodeId>,
}

impl Cohort {
    /// Its members, ascending.
    pub fn members(&self) -> impl Iterator<Item = NodeId> {
        self.held.keys().copied()
    }
    /// Dealers whose share this node cannot use.
    #[must_use]
    pub fn unusable(&self) -> Vec<NodeId> {
        self.held.iter().filter(|(_, held)| !held.usable).map(|(node, _)| *node).collect()
    }
    /// Wipes every share: they are given once.
    pub fn forget(&mut self) {
        self.held.values_mut().for_each(|held| held.shares = None);
    }
}

/// What a holder reads START with.
#[derive(Debug)]
#[expect(missing_docs, reason = "this node's own facts")]
pub struct Holder<'a> {
    pub me: NodeId,
    pub coordinator: &'a PublicKey,
    pub channels: &'a PairKeys,
    pub ledger: &'a LedgerView,
    /// The head of the coordinator's log that this node keeps.
    pub head: Option<&'a SignedTreeHead>,
}

fn path(path: &Path) -> Vec<[u8; 32]> {
    path.iter().map(|hash| hash.0).collect()
}

/// Opens START's signed part.
///
/// # Errors
/// A01 when it is not the coordinator's for this attempt.
pub fn open_start(start: &Start, facts: &Facts, coordinator: &PublicKey) -> Result<StartBody, Fault> {
    let body: Option<StartBody> = start.body.open(coordinator, Signed::Start);
    body.filter(|body| body.sid == facts.sid)
        .ok_or(Fault::new(Check::A01, "START is not signed for this attempt"))
}

/// Checks START (A07, A08, A09, A10) and reads this node's shares. `kept.own` moves into the cohort.
///
/// # Errors
/// The first check that fails; each is the coordinator's fault, except A10, which is a sign of an own
/// disk that was rolled back.
pub fn check(
    start: &Start,
    body: &StartBody,
    facts: &Facts,
    holder: &Holder,
    kept: &Kept,
) -> Result<Cohort, Fault> {
    let own = body.cohort.iter().find(|dealt| dealt.node == holder.me);
    Fault::unless(
        own.is_some_and(|dealt| dealt.deposit == kept.deposit),
        Check::A07,
        "the own deposit is missing from START or altered",
    )?;
    let cohort: Vec<NodeId> = body.cohort.iter().map(|dealt| dealt.node).collect();
    check_cohort(&cohort, facts)?;
    Fault::unless(
        start.dealers.len() == body.cohort.len(),
        Check::A09,
        "START does not hold one section for each dealer",
    )?;
    let position = facts.position(holder.me).ok_or(Fault::new(Check::A06, "this node is not invited"))?;
    let mut held = BTreeMap::new();
    let mut heads: Vec<SignedTreeHead> = holder.head.into_iter().copied().collect();
    let mut echoes = Vec::new();
    for (dealt, dealer) in body.cohort.iter().zip(start.dealers.iter()) {
        check_dealer(dealt, dealer, facts, holder, position)?;
        if !holder.ledger.holds(dealer.section.seen_seq) {
            echoes.push(dealt.node);
        }
        let shares = if dealt.node == holder.me {
            Some(Secret::new(Shares { ..*kept.own.expose() }))
        } else {
            check_pair(dealt.node, dealer, facts, holder, kept)?;
            let envelope = holder
                .channels
                .get(&dealt.node)
                .and_then(|key| read_envelope(dealer, key, facts, holder.me, position));
            envelope.map(|(shares, head)| {
                // One that the coordinator did not sign is no head of its log: it proves nothing, and its dealer
                // can stop nobody with it.
                let new = head.filter(|head| !heads.contains(head) && head.is_of(holder.coordinator));
                heads.extend(new);
                shares
            })
        };
        let one = Held {
            deposit: dealt.deposit,
            leaf: dealer.section.leaf,
            usable: shares.is_some(),
            shares,
            ledger_seq: dealer.head.ledger_seq,
            contribution: dealer.head.contribution,
            ranges: dealer.head.ranges,
        };
        held.insert(dealt.node, one);
    }
    let most = if ablated!("echo-of-one") { 0 } else { usize::from(facts.params().thresholds.x) };
    Fault::unless(
        echoes.len() <= most || ablated!("echo-off"),
        Check::A10,
        "more than X hospitals remember another state of this ledger: it was rolled back",
    )?;
    Ok(Cohort { start: start_hash(&facts.sid, &body.cohort), held, heads, echoes })
}

/// A28: the heads of the coordinator's log that the cohort's members keep are no two stories.
///
/// # Errors
/// A28 with the evidence: two heads that the coordinator signed.
pub fn check_heads(cohort: &Cohort) -> Result<(), (Fault, Vec<SignedTreeHead>)> {
    let what = "the coordinator told hospitals two stories: two transparency logs of one length";
    match two_stories(&cohort.heads) {
        None => Ok(()),
        Some(both) => Fault::unless(false, Check::A28, what).map_err(|fault| (fault, both.to_vec())),
    }
}

/// A08: U1 within U0, at least q, all of U0 where slot or series is bound. A21: its classes are whole.
///
/// # Errors
/// A08, A21 or A22.
pub fn check_cohort(ids: &[NodeId], facts: &Facts) -> Result<(), Fault> {
    let a08 = |held: bool, what: &'static str| Fault::unless(held, Check::A08, what);
    a08(ascending(ids.iter()), "cohort ids do not ascend")?;
    a08(ids.iter().all(|id| facts.position(*id).is_some()), "a cohort member was not invited")?;
    let small = ablated!("a19-ready-of-all", "a20-con-sigs", "q-of-started");
    let quorum = usize::from(facts.params().thresholds.quorum);
    a08(ids.len() >= quorum || small, "the cohort is below q")?;
    facts.misses_few(ids.len())?;
    facts.has_whole_classes(ids)?;
    a08(
        !facts.is_whole() || ids.len() == facts.header.invited.len() || ablated!("a14-equal-survivors"),
        "the slot or the series is bound and the cohort is not everyone invited",
    )
}

/// A09, what everyone can check of a dealer: paths and signature.
fn check_dealer(
    dealt: &Dealt,
    dealer: &Dealer,
    facts: &Facts,
    holder: &Holder,
    position: u16,
) -> Result<(), Fault> {
    let a09 = |held: bool, what: &'static str| Fault::unless(held, Check::A09, what);
    let n0 = facts.header.invited.len();
    let (count, place) = (n0.saturating_add(3), usize::from(position).saturating_add(1));
    let (head, section) = (&dealer.head, &dealer.section);
    a09(
        head.sid == facts.sid && head.node == dealt.node && section.holder == holder.me,
        "a dealer's section is of another attempt, dealer or holder",
    )?;
    let root = Some(dealt.deposit.0);
    a09(
        root_from_path(leaf_of(head)?, 0, count, &path(&dealer.head_path)) == root
            && root_from_path(leaf_of(section)?, place, count, &path(&dealer.section_path)) == root,
        "a dealer's path does not lead to its deposit",
    )?;
    let index = usize::from(position.saturating_sub(1));
    a09(
        root_from_path(leaf_of(&section.leaf)?, index, n0, &path(&dealer.leaf_path)) == Some(head.leaves.0),
        "a dealer's commitments are not under its root",
    )?;
    let signed = facts
        .key(dealt.node)
        .is_some_and(|key| verify(key, Signed::Deposit, &dealt.deposit.0, &dealer.signature));
    a09(signed, "a dealer's signature is not valid")
}

/// A09, the pair: both commitments equal the value computed now, and it is not zero.
fn check_pair(
    peer: NodeId,
    dealer: &Dealer,
    facts: &Facts,
    holder: &Holder,
    kept: &Kept,
) -> Result<(), Fault> {
    let now = holder.channels.get(&peer).map(|key| {
        let seed = pair_seed(key, &facts.sid);
        pair_commitment(seed.expose(), holder.me, peer, &facts.sid)
    });
    let deposited =
        kept.pairs.get(&peer).map(|seed| pair_commitment(seed.expose(), holder.me, peer, &facts.sid));
    if ablated!("a09-non-zero") && now.is_none() && dealer.section.pair.0 == [0; 32] {
        return Ok(());
    }
    let expected = now.filter(|now| Some(*now) == deposited);
    Fault::unless(
        expected.is_some_and(|expected| expected == dealer.section.pair.0 && expected != [0; 32]),
        Check::A09,
        "a pair in the cohort does not share its seed",
    )
}

/// The shares of one dealer and the head that it keeps; none if key commitment, decryption, leaf or relation
/// fails.
fn read_envelope(
    dealer: &Dealer,
    channel: &Key,
    facts: &Facts,
    me: NodeId,
    position: u16,
) -> Option<(Secret<Shares>, Option<SignedTreeHead>)> {
    let (head, section) = (&dealer.head, &dealer.section);
    let (key, commitment) = share_key(channel, &facts.sid, head.node, me, &head.nonce);
    if commitment != section.leaf.key.0 {
        return None;
    }
    let plain = open(&key, &section.sealed)?;
    let (shares, kept) = plain.expose().split_last_chunk::<HEAD_LEN>()?;
    let (parts, rest) = shares.as_chunks::<32>();
    let [r, b] = parts else { return None };
    if !rest.is_empty() {
        return None;
    }
    let read = |bytes: &[u8; 32]| scalar(&Bytes(*bytes));
    let shares = Secret::new(Shares { r: read(r)?, b: read(b)? });
    let given = shares.expose();
    let good = |which, share| {
        let challenge = challenge(which, head, facts);
        standing((which, &challenge), share, position, head, section, facts) == Some(Standing::Good)
    };
    let fits = good(Which::R, &given.r) && good(Which::B, &given.b);
    fits.then_some((shares, SignedTreeHead::from_fixed(kept)))
}

/// READY, signed.
///
/// # Errors
/// Never for a cohort that was checked.
pub fn ready(cohort: &Cohort, facts: &Facts, identity: &Identity) -> Result<Sealed<4096>, Malformed> {
    let body = Ready { sid: facts.sid, start: cohort.start, unusable: List::new(cohort.unusable())? };
    Sealed::new(identity, Signed::Ready, &body)
}

/// The coordinator's half: what every holder needs of every dealer, by holder.
#[derive(Debug)]
pub struct Sections {
    dealers: Vec<DealerTree>,
}

#[derive(Debug)]
struct DealerTree {
    deposit: Deposit,
    paths: Vec<Path>,
    leaf_paths: Vec<Path>,
}

impl Sections {
    /// Of the cohort's deposits, ascending.
    ///
    /// # Errors
    /// Never for deposits that were read.
    pub fn new<'a>(deposits: impl Iterator<Item = &'a Deposit>) -> Result<Self, Malformed> {
        let lists = |all: Vec<Vec<[u8; 32]>>| -> Result<Vec<Path>, Malformed> {
            all.into_iter().map(|path| List::new(path.into_iter().map(Bytes).collect())).collect()
        };
        let mut dealers = Vec::new();
        for deposit in deposits {
            let leaves: Result<Vec<_>, _> = deposit.sections.iter().map(|s| leaf_of(&s.leaf)).collect();
            dealers.push(DealerTree {
                paths: lists(paths(&deposit_leaves(deposit)?))?,
                leaf_paths: lists(paths(&leaves?))?,
                deposit: deposit.clone(),
            });
        }
        Ok(Sections { dealers })
    }

    /// START's part for the holder at `position`; `None` if there is no such position.
    #[must_use]
    pub fn for_holder(&self, position: u16) -> Option<Vec<Dealer>> {
        let index = usize::from(position.checked_sub(1)?);
        let part = |tree: &DealerTree| {
            Some(Dealer {
                head: tree.deposit.head.clone(),
                head_path: tree.paths.first()?.clone(),
                section: tree.deposit.sections.get(index)?.clone(),
                section_path: tree.paths.get(index.checked_add(2)?)?.clone(),
                leaf_path: tree.leaf_paths.get(index)?.clone(),
                signature: tree.deposit.signature,
            })
        };
        self.dealers.iter().map(part).collect()
    }

    /// Path of a dealer's head.
    #[must_use]
    pub fn head_path(&self, dealer: NodeId) -> Option<Path> {
        let tree = self.dealers.iter().find(|tree| tree.deposit.head.node == dealer)?;
        tree.paths.first().cloned()
    }

    /// Path of a dealer's recovery list.
    #[must_use]
    pub fn recovery_path(&self, dealer: NodeId) -> Option<Path> {
        let tree = self.dealers.iter().find(|tree| tree.deposit.head.node == dealer)?;
        tree.paths.last().cloned()
    }
}

/// Reads a READY for this START.
///
/// # Errors
/// A01, naming the sender.
pub fn read_ready(
    sealed: &Sealed<4096>,
    facts: &Facts,
    start: &StartHash,
    from: NodeId,
) -> Result<Ready, Fault> {
    let body: Option<Ready> = facts.key(from).and_then(|key| sealed.open(key, Signed::Ready));
    body.filter(|body| body.sid == facts.sid && body.start == *start && ascending(body.unusable.iter()))
        .ok_or(Fault::of(Check::A01, "READY is not signed for this START", vec![from]))
}

/// `s_uv` as a mask seed, and `beta_u`.
#[must_use]
pub fn mask_seed(seed: &[u8; 32], go: &GoHash) -> Key {
    if ablated!("kdf-without-attempt") {
        return crate::crypto::transcript::derive(seed, Label::PairMask, &[]);
    }
    crate::crypto::transcript::derive(seed, Label::PairMask, &[&go.0])
}

/// Seed of a node's own mask, from its secret b.
#[must_use]
pub fn self_seed(b: &curve25519_dalek::Scalar, go: &GoHash, node: NodeId) -> Key {
    if ablated!("kdf-without-attempt") {
        return crate::crypto::transcript::derive(&b.to_bytes(), Label::SelfMask, &[&node.0.to_be_bytes()]);
    }
    crate::crypto::transcript::derive(&b.to_bytes(), Label::SelfMask, &[&go.0, &node.0.to_be_bytes()])
}
