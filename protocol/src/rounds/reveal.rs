//! Round reveal: shares of r for dropouts, then shares of b for survivors, never both of one node.
//!
//! The node's half gives shares only for the one certified survivor set it confirmed; giving b consumes
//! the state that holds them. The coordinator's half checks every share against its dealer's commitments:
//! a holder that gives another share is named, a dealer that committed to one off its polynomial is named,
//! and the good ones open the secrets ([`Opening`]). A share opens both of its commitments, the one to
//! f(i) and the one to g(i) = z(i) - d f(i): z and d are public, so nothing else need be given.

use super::deposit::{challenge as challenge_of, pair_commitment, recovery_key, standing};
use super::offer::Facts;
use super::ready::Cohort;
use crate::ablation::ablated;
use crate::codec::{Bytes, List};
use crate::crypto::seal::open;
pub use crate::crypto::sharing::Which;
use crate::crypto::sharing::{Basis, Inverses, Polynomial, Standing, scalar, scalar_bytes};
use crate::error::{Check, Fault, Malformed};
use crate::ids::{FreezeHash, NodeId};
use crate::message::{Deposit, Reveal, Section, ShareOf};
use crate::secret::Key;
use curve25519_dalek::Scalar;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

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

/// True if t_s holders or more were committed a good share on `f`: no other polynomial has as many.
#[must_use]
pub fn is_dealt(which: Which, f: &Polynomial, deposit: &Deposit, facts: &Facts) -> bool {
    let challenge = challenge_of(which, &deposit.head, facts);
    let good = |(position, section): &(u16, &Section)| {
        let of = standing((which, &challenge), &f.at(*position), *position, &deposit.head, section, facts);
        of == Some(Standing::Good)
    };
    let enough = usize::from(facts.params().thresholds.shares);
    (1u16..).zip(deposit.sections.iter()).filter(good).count() >= enough
}

/// The coordinator's collection of shares of one kind.
pub struct Opening {
    which: Which,
    shares: BTreeMap<NodeId, Vec<(u16, Scalar)>>,
    /// What each dealer's shares are checked under.
    challenges: BTreeMap<NodeId, Scalar>,
    /// Dealers that committed to a share off their polynomial.
    crooked: BTreeSet<NodeId>,
    /// Holders that gave another share than the committed one.
    liars: BTreeSet<NodeId>,
}

impl core::fmt::Debug for Opening {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Opening({:?}, {} dealers)", self.which, self.shares.len())
    }
}

impl Opening {
    /// Waits for shares of these dealers.
    pub fn new(which: Which, dealers: impl Iterator<Item = NodeId>) -> Self {
        let shares = dealers.map(|dealer| (dealer, Vec::new())).collect();
        let challenges = BTreeMap::new();
        Opening { which, shares, challenges, crooked: BTreeSet::new(), liars: BTreeSet::new() }
    }

    /// Takes one holder's shares. Those that fail are left out, and whoever is at fault is named: the
    /// holder when its message is not one for these survivors or a share is not the committed one, the
    /// dealer when the committed one is off its polynomial (all A18). The good shares of the same message
    /// count all the same.
    pub fn take(
        &mut self,
        reveal: &Reveal,
        facts: &Facts,
        freeze: &FreezeHash,
        deposits: &BTreeMap<NodeId, Deposit>,
        from: NodeId,
    ) -> Vec<Fault> {
        let wrong = |what: &'static str| vec![Fault::of(Check::A18, what, vec![from])];
        let Some(position) = facts.position(from) else {
            return wrong("shares of a node that was not invited");
        };
        if reveal.sid != facts.sid || reveal.freeze != *freeze {
            return wrong("shares for other survivors");
        }
        let (mut crooked, mut lied) = (Vec::new(), false);
        for given in reveal.shares.iter() {
            match self.weigh(given, position, deposits.get(&given.dealer), facts) {
                Some(Standing::Good) => {}
                Some(Standing::Crooked) => crooked.push(given.dealer),
                Some(Standing::Other) | None => lied = true,
            }
        }
        let mut faults = Vec::new();
        if !crooked.is_empty() {
            self.crooked.extend(crooked.iter().copied());
            let what = "a dealer committed to a share off its polynomial";
            faults.push(Fault::of(Check::A18, what, crooked));
        }
        if lied {
            self.liars.insert(from);
            faults.extend(wrong("a share does not match its dealer's commitment"));
        }
        faults
    }

    /// How one given share stands, kept if it is good; none when it is not asked for, or given twice.
    fn weigh(
        &mut self,
        given: &ShareOf,
        position: u16,
        deposit: Option<&Deposit>,
        facts: &Facts,
    ) -> Option<Standing> {
        let shares = self.shares.get_mut(&given.dealer)?;
        let (deposit, share) = (deposit?, scalar(&given.share)?);
        let section = deposit.sections.get(usize::from(position.checked_sub(1)?))?;
        let challenge = self.challenges.entry(given.dealer);
        let challenge = challenge.or_insert_with(|| challenge_of(self.which, &deposit.head, facts));
        let under = (self.which, &*challenge);
        let standing = standing(under, &share, position, &deposit.head, section, facts)?;
        if standing == Standing::Good {
            if shares.iter().any(|(other, _)| *other == position) {
                return None;
            }
            shares.push((position.saturating_add(u16::from(ablated!("position-off"))), share));
        }
        Some(standing)
    }

    /// Who is at fault where secrets cannot be opened: dealers of those whose committed shares are not all
    /// good, and holders that gave others.
    #[must_use]
    pub fn culprits(&self, threshold: u16) -> Vec<NodeId> {
        let is_short = |dealer: &&NodeId| {
            self.shares.get(dealer).is_some_and(|shares| shares.len() < usize::from(threshold))
        };
        let crooked = self.crooked.iter().filter(is_short);
        crooked.chain(&self.liars).copied().collect::<BTreeSet<_>>().into_iter().collect()
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
        // Most dealers have their shares from the same holders.
        let mut bases: BTreeMap<Vec<u16>, Basis> = BTreeMap::new();
        let mut opened = BTreeMap::new();
        for (dealer, shares) in &self.shares {
            let points = shares.get(..usize::from(threshold))?;
            let (positions, values): (Vec<u16>, Vec<Scalar>) = points.iter().copied().unzip();
            let basis = match bases.entry(positions) {
                Entry::Occupied(basis) => basis.into_mut(),
                Entry::Vacant(place) => {
                    let basis = Basis::new(place.key(), &inverses)?;
                    place.insert(basis)
                }
            };
            opened.insert(*dealer, basis.polynomial(&values));
        }
        Some(opened)
    }
}

/// True if a dropout's signed recovery list is garbage: what anyone can check who holds its deposit, header,
/// roster and warrant, and the polynomial of its r ([`crate::io::Record::Garbage`]). An honest node's is not,
/// whatever polynomial is shown.
#[must_use]
pub fn is_garbage(f: &Polynomial, deposit: &Deposit, facts: &Facts) -> bool {
    let dealer = deposit.head.node;
    // What an honest list fails costs least, so it comes first.
    let list = recover(&f.at_zero(), &deposit.recovery, facts, dealer, |holder| committed(deposit, holder));
    let signed = || super::deposit::read(deposit, facts, dealer).is_ok();
    list.is_err() && signed() && is_dealt(Which::R, f, deposit, facts)
}

/// What a dealer committed to for its pair with `holder`.
#[must_use]
pub fn committed(deposit: &Deposit, holder: NodeId) -> Option<Bytes<32>> {
    deposit.sections.iter().find(|section| section.holder == holder).map(|section| section.pair)
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
            if commitment.0 != [0; 32] && commitment.0 != own && !ablated!("list-off") {
                return Err(garbage());
            }
        }
        recovered.insert(holder, crate::secret::Secret::new(*seed));
    }
    Ok(recovered)
}
