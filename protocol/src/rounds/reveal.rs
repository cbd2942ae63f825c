//! Round reveal: shares of r for dropouts, then shares of b for survivors, never both of one node.
//!
//! The node's half gives shares only for the one certified survivor set it confirmed; giving b consumes
//! the state that holds them. The coordinator's half checks every share against its dealer's leaf, names
//! lying holders, and opens secrets ([`Opening`]).

use super::deposit::{pair_commitment, recovery_key};
use super::offer::Facts;
use super::ready::Cohort;
use crate::ablation::ablated;
use crate::codec::{Bytes, List};
use crate::crypto::seal::open;
use crate::crypto::sharing::{Inverses, Polynomial, interpolate, scalar, scalar_bytes, share_hash};
use crate::crypto::transcript::Label;
use crate::error::{Check, Fault, Malformed};
use crate::ids::{FreezeHash, NodeId};
use crate::message::{Deposit, Reveal, ShareOf};
use crate::secret::Key;
use curve25519_dalek::Scalar;
use std::collections::BTreeMap;

/// What is being revealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// r of a dropout: recovers its pair seeds.
    R,
    /// b of a survivor: removes its own mask.
    B,
}

impl Which {
    fn label(self) -> Label {
        match self {
            Which::R => Label::LeafR,
            Which::B => Label::LeafB,
        }
    }
}

/// This node's shares of `dealers`' secrets, as far as they are usable.
///
/// # Errors
/// Never for a cohort that was checked.
pub fn reveal(
    which: Which,
    dealers: impl Iterator<Item = NodeId>,
    facts: &Facts,
    freeze: &FreezeHash,
    cohort: &Cohort,
) -> Result<Reveal, Malformed> {
    let share = |dealer: NodeId| {
        let shares = cohort.held.get(&dealer)?.shares.as_ref()?.expose();
        let value = match which {
            Which::R => shares.r,
            Which::B => shares.b,
        };
        Some(ShareOf { dealer, share: scalar_bytes(&value) })
    };
    Ok(Reveal { sid: facts.sid, freeze: *freeze, shares: List::new(dealers.filter_map(share).collect())? })
}

/// True if all these holders were committed a share on `f`, and they are enough to fix it.
#[must_use]
pub fn is_dealt(
    which: Which,
    f: &Polynomial,
    deposit: &Deposit,
    holders: impl Iterator<Item = NodeId>,
    facts: &Facts,
) -> bool {
    let dealer = deposit.head.node;
    let committed = |holder: NodeId| {
        let position = facts.position(holder)?;
        let leaf = deposit.sections.get(usize::from(position.checked_sub(1)?))?.leaf;
        let expected = match which {
            Which::R => leaf.r,
            Which::B => leaf.b,
        };
        let hash = share_hash(which.label(), &facts.sid, dealer, position, &f.at(position));
        Some(expected == Bytes(hash))
    };
    let mut count = 0u16;
    for holder in holders {
        if committed(holder) != Some(true) {
            return false;
        }
        count = count.saturating_add(1);
    }
    count >= facts.params().thresholds.shares
}

/// The coordinator's collection of shares of one kind.
pub struct Opening {
    which: Which,
    shares: BTreeMap<NodeId, Vec<(u16, Scalar)>>,
}

impl core::fmt::Debug for Opening {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Opening({:?}, {} dealers)", self.which, self.shares.len())
    }
}

impl Opening {
    /// Waits for shares of these dealers.
    pub fn new(which: Which, dealers: impl Iterator<Item = NodeId>) -> Self {
        Opening { which, shares: dealers.map(|dealer| (dealer, Vec::new())).collect() }
    }

    /// Takes one holder's shares; those that fail against their leaf are left out.
    ///
    /// # Errors
    /// A18, naming the holder, when its message is not one for these survivors, or a share is false. The
    /// good shares of the same message count all the same.
    pub fn take(
        &mut self,
        reveal: &Reveal,
        facts: &Facts,
        freeze: &FreezeHash,
        deposits: &BTreeMap<NodeId, Deposit>,
        from: NodeId,
    ) -> Result<(), Fault> {
        let wrong = |what: &'static str| Fault::of(Check::A18, what, vec![from]);
        let position = facts.position(from).ok_or(wrong("shares of a node that was not invited"))?;
        if reveal.sid != facts.sid || reveal.freeze != *freeze {
            return Err(wrong("shares for other survivors"));
        }
        let mut lied = false;
        for given in reveal.shares.iter() {
            let leaf = deposits.get(&given.dealer).and_then(|deposit| {
                deposit.sections.get(usize::from(position.checked_sub(1)?)).map(|section| section.leaf)
            });
            let expected = leaf.map(|leaf| match self.which {
                Which::R => leaf.r,
                Which::B => leaf.b,
            });
            let share = scalar(&given.share);
            let held = share.filter(|share| {
                let hash = share_hash(self.which.label(), &facts.sid, given.dealer, position, share);
                expected == Some(Bytes(hash))
            });
            match (held, self.shares.get_mut(&given.dealer)) {
                (Some(share), Some(shares)) if shares.iter().all(|(other, _)| *other != position) => {
                    shares.push((position.saturating_add(u16::from(ablated!("position-off"))), share));
                }
                _ => lied = true,
            }
        }
        if lied { Err(wrong("a share does not match its dealer's commitment")) } else { Ok(()) }
    }

    /// True when every secret can be opened.
    #[must_use]
    pub fn is_complete(&self, threshold: u16) -> bool {
        self.shares.values().all(|shares| shares.len() >= usize::from(threshold))
    }
    /// Shares of the dealer with the fewest.
    #[must_use]
    pub fn fewest(&self) -> u16 {
        let fewest = self.shares.values().map(Vec::len).min().unwrap_or(0);
        u16::try_from(fewest).unwrap_or(u16::MAX)
    }

    /// The opened polynomials; `None` if one has too few shares.
    #[must_use]
    pub fn open(&self, threshold: u16, invited: u16) -> Option<BTreeMap<NodeId, Polynomial>> {
        let inverses = Inverses::up_to(invited);
        let open = |(dealer, shares): (&NodeId, &Vec<(u16, Scalar)>)| {
            let points = shares.get(..usize::from(threshold))?;
            Some((*dealer, interpolate(points, &inverses)?))
        };
        self.shares.iter().map(open).collect()
    }
}

/// A dropout's pair seeds from its recovery list, by holder; each must hash to the commitment it signed
/// (`None` where `expected` gives none: not checked here).
///
/// # Errors
/// A18, naming the dealer: its list is garbage.
pub fn recover(
    r: &Scalar,
    recovery: &[u8],
    facts: &Facts,
    dealer: NodeId,
    expected: impl Fn(NodeId) -> Option<Bytes<32>>,
) -> Result<BTreeMap<NodeId, Key>, Fault> {
    let garbage =
        || Fault::of(Check::A18, "a recovery list is not what its dealer committed to", vec![dealer]);
    let list = open(&recovery_key(r, &facts.sid), recovery).ok_or_else(garbage)?;
    let (seeds, rest) = list.expose().as_chunks::<32>();
    if seeds.len() != facts.header.invited.len() || !rest.is_empty() {
        return Err(garbage());
    }
    let mut recovered = BTreeMap::new();
    for (invited, seed) in facts.header.invited.iter().zip(seeds) {
        let holder = invited.node;
        if holder == dealer {
            continue;
        }
        if let Some(commitment) = expected(holder) {
            let own = pair_commitment(seed, dealer, holder, &facts.sid);
            if commitment.0 != [0; 32] && commitment.0 != own {
                return Err(garbage());
            }
        }
        recovered.insert(holder, crate::secret::Secret::new(*seed));
    }
    Ok(recovered)
}
