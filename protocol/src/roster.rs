//! The roster: who takes part, who may approve, and the rules; signed by persons the hospitals appoint.
//!
//! Owns the chain of rosters: each is valid only if `threshold` of the signers of the one before signed
//! it, and the first is pinned by its fingerprint. The coordinator holds none of the signing keys. It must
//! not know queries or sessions.

use crate::ablation::ablated;
use crate::codec::{Blob, Bytes, List, Malformed, Text, decode, encode};
use crate::crypto::keys::{Identity, SignatureBytes, Signed, Verifier, is_usable, verify};
use crate::crypto::transcript::{Label, Transcript};
use crate::ids::{NodeId, PublicKey, RosterHash};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub mod changes;

/// Most members a roster may list.
pub const MAX_NODES: usize = 1024;
/// Longest roster body in bytes.
pub const MAX_ROSTER: usize = 1 << 19;
/// Data sets that share rows, closed under derivation; a roster may not split them over locks.
const SHARED_ROWS: [&[&str]; 2] =
    [&["stock", "use", "orders", "position"], &["administration", "admission", "result", "course"]];

/// Whether a member takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Takes part and counts towards N.
    Active,
    /// Barred for now; keeps its id.
    Suspended,
    /// Gone for good; its id is never given again.
    Left,
}

/// One hospital.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Number in all rosters.
    pub id: NodeId,
    /// Short name, unique: `erasmus-mc`.
    pub institution: Text<64>,
    /// Name for people.
    pub name: Text<160>,
    /// Purchasing group.
    pub group: Text<64>,
    /// Kind of hospital.
    pub kind: Text<32>,
    /// Identity key.
    pub key: PublicKey,
    /// Whether it takes part.
    pub status: Status,
    /// Its own floor: fewest hospitals behind a figure it helps to release.
    pub floor_hospitals: u16,
}

/// A person who may approve warrants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approver {
    /// The person's key.
    pub key: PublicKey,
    /// Name.
    pub person: Text<160>,
    /// Role that the rules ask for.
    pub role: Text<64>,
    /// Short name of the hospital, or of the body, the person belongs to.
    pub organisation: Text<64>,
}

/// A person who signs rosters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// The person's key, kept off-line.
    pub key: PublicKey,
    /// Name.
    pub person: Text<160>,
    /// Who appointed the person.
    pub organisation: Text<64>,
}

/// What a purpose asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurposeRule {
    /// Purpose as queries name it.
    pub purpose: Text<16>,
    /// One distinct approver is needed for each.
    pub roles: List<Text<64>, 8>,
    /// Fewest hospitals behind a released figure; a warrant may only raise it.
    pub floor_hospitals: u16,
    /// Whether X of the hospitals behind a figure are thought to collude, so that X more must stand behind it.
    pub colluding_holders: bool,
    /// The share of a total, in percent, above which no hospital may be; a warrant may only lower it. 0: any.
    pub floor_dominance: u8,
    /// Most sessions of one family of queries that a hospital takes part in within 7 days; 0 for no limit.
    pub family_sessions: u16,
}

/// Data sets that share rows, and how long a slot of theirs is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Name.
    pub name: Text<32>,
    /// Its data sets.
    pub datasets: List<Text<32>, 16>,
    /// Length of a slot in seconds.
    pub spacing_s: u32,
    /// Fewest hospitals behind any figure of its rows; warrants may only raise it.
    pub floor_hospitals: u16,
    /// Fewest patients behind any figure of its rows; warrants may only raise it.
    pub floor_patients: u32,
}

/// Longest time each round may take, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Deposit.
    pub deposit_ms: u32,
    /// Ready.
    pub ready_ms: u32,
    /// Contribute, without the part that grows with the report.
    pub contribute_ms: u32,
    /// Contribute, for each megabyte of a report.
    pub contribute_ms_per_mb: u32,
    /// Confirm.
    pub confirm_ms: u32,
    /// Each of the two reveals.
    pub reveal_ms: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            deposit_ms: 10_000,
            ready_ms: 10_000,
            contribute_ms: 20_000,
            contribute_ms_per_mb: 1_000,
            confirm_ms: 10_000,
            reveal_ms: 10_000,
        }
    }
}

/// What is hashed and signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterBody {
    /// Number in the chain, from 0.
    pub epoch: u32,
    /// Hash of the roster before; zero in the first.
    pub previous: RosterHash,
    /// Hospitals, by ascending id; nobody is ever taken off.
    pub members: List<Member, MAX_NODES>,
    /// Approvers, by ascending key.
    pub approvers: List<Approver, 256>,
    /// Signers of the next roster, by ascending key.
    pub signers: List<Signer, 32>,
    /// How many of them must sign it.
    pub threshold: u16,
    /// Rules for each purpose.
    pub rules: List<PurposeRule, 8>,
    /// Locks.
    pub locks: List<Lock, 8>,
    /// Deadlines.
    pub limits: Limits,
    /// Fewest honest contributors; 0 leaves it to the default, a lower number than that is refused.
    pub honest_min: u16,
    /// Hash of the policy document agreed by the hospitals; zero when there is none.
    pub policy: Bytes<32>,
}

/// A roster's bytes and the signatures over them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRoster {
    /// Encoded [`RosterBody`].
    pub body: Blob<MAX_ROSTER>,
    /// Signatures of the signers of the roster before; none on the first.
    pub signatures: List<RosterSignature, 32>,
}

/// One signer's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterSignature {
    /// Who signed.
    pub key: PublicKey,
    /// Over the body.
    pub signature: SignatureBytes,
}

impl RosterSignature {
    /// Signs an encoded body.
    #[must_use]
    pub fn new(signer: &Identity, body: &[u8]) -> Self {
        RosterSignature { key: signer.public(), signature: signer.sign(Signed::Roster, body) }
    }
}

/// Why a roster is refused (check A01).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RosterFault {
    /// Not a roster at all.
    #[error("roster: {0}")]
    Malformed(#[from] Malformed),
    /// Breaks a rule of its form.
    #[error("roster: {0}")]
    Invalid(&'static str),
    /// Does not follow the roster it should follow.
    #[error("roster: does not follow the one before it: {0}")]
    Chain(&'static str),
    /// Not signed as the roster before demands.
    #[error("roster: {valid} valid signatures of the signers before, {needed} needed, and no other kind")]
    Signatures {
        /// Distinct valid signatures.
        valid: u16,
        /// How many are needed.
        needed: u16,
    },
}

/// A roster whose chain and signatures were verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    body: RosterBody,
    hash: RosterHash,
    /// Decoded keys of the active members.
    keys: BTreeMap<NodeId, Verifier>,
}

impl Roster {
    /// Hash of an encoded body.
    #[must_use]
    pub fn hash_of(body: &[u8]) -> RosterHash {
        RosterHash(Transcript::new(Label::Roster).bytes(body).finish())
    }

    /// The first roster; the caller compares its fingerprint with the one it was told.
    ///
    /// # Errors
    /// When it is malformed, not the first, or carries signatures.
    pub fn founding(signed: &SignedRoster) -> Result<Roster, RosterFault> {
        let roster = Roster::read(signed)?;
        if roster.body.epoch != 0 || roster.body.previous != RosterHash([0; 32]) {
            return Err(RosterFault::Chain("the first roster has epoch 0 and nothing before it"));
        }
        if !signed.signatures.is_empty() {
            return Err(RosterFault::Signatures { valid: 0, needed: 0 });
        }
        Ok(roster)
    }

    /// The roster that follows this one.
    ///
    /// # Errors
    /// When it is malformed, does not follow, or lacks signatures of this roster's signers.
    pub fn next(&self, signed: &SignedRoster) -> Result<Roster, RosterFault> {
        let next = Roster::read(signed)?;
        if Some(next.body.epoch) != self.body.epoch.checked_add(1) || next.body.previous != self.hash {
            return Err(RosterFault::Chain("epoch or previous hash differ"));
        }
        let kept = |old: &Member| {
            next.body.members.iter().any(|new| new.id == old.id && new.institution == old.institution)
        };
        if !self.body.members.iter().all(kept) {
            return Err(RosterFault::Chain("a member's id was dropped or given to another hospital"));
        }
        let back = |old: &Member| {
            let still = |new: &Member| new.id == old.id && new.status == Status::Left;
            old.status == Status::Left && !next.body.members.iter().any(still)
        };
        if self.body.members.iter().any(back) {
            return Err(RosterFault::Chain("a hospital that left for good came back"));
        }
        let mut valid = 0u16;
        for (i, given) in signed.signatures.iter().enumerate() {
            let signer = self.body.signers.iter().any(|signer| signer.key == given.key);
            let first = signed.signatures.iter().take(i).all(|other| other.key != given.key);
            if signer && first && verify(&given.key, Signed::Roster, &signed.body, &given.signature) {
                valid = valid.saturating_add(1);
            }
        }
        let needed = self.body.threshold;
        let unsigned = valid < needed || usize::from(valid) != signed.signatures.len();
        if unsigned && !ablated!("roster-unsigned") {
            return Err(RosterFault::Signatures { valid, needed });
        }
        Ok(next)
    }

    fn read(signed: &SignedRoster) -> Result<Roster, RosterFault> {
        let body: RosterBody = decode(&signed.body)?;
        body.check().map_err(RosterFault::Invalid)?;
        let active = body.members.iter().filter(|member| member.status == Status::Active);
        let keys = active.filter_map(|member| Some((member.id, Verifier::new(&member.key)?))).collect();
        Ok(Roster { hash: Roster::hash_of(&signed.body), keys, body })
    }

    /// What it says.
    #[must_use]
    pub fn body(&self) -> &RosterBody {
        &self.body
    }
    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> RosterHash {
        self.hash
    }
    /// Members that take part, by ascending id.
    pub fn active(&self) -> impl Iterator<Item = &Member> {
        self.body.members.iter().filter(|member| member.status == Status::Active)
    }
    /// N: how many members take part.
    #[must_use]
    pub fn size(&self) -> u16 {
        u16::try_from(self.active().count()).unwrap_or(u16::MAX)
    }
    /// The active member with this id.
    #[must_use]
    pub fn member(&self, id: NodeId) -> Option<&Member> {
        self.active().find(|member| member.id == id)
    }
    /// By whose signatures the active member with this id is known.
    #[must_use]
    pub fn verifier(&self, id: NodeId) -> Option<&Verifier> {
        self.keys.get(&id)
    }
    /// The active member whose key this is.
    #[must_use]
    pub fn member_by_key(&self, key: &PublicKey) -> Option<&Member> {
        self.active().find(|member| member.key == *key)
    }
    /// The lock that a data set belongs to.
    #[must_use]
    pub fn lock_of(&self, dataset: &str) -> Option<&Lock> {
        self.body.locks.iter().find(|lock| lock.datasets.iter().any(|name| &**name == dataset))
    }
    /// The rule for a purpose.
    #[must_use]
    pub fn rule(&self, purpose: &str) -> Option<&PurposeRule> {
        self.body.rules.iter().find(|rule| &*rule.purpose == purpose)
    }
}

impl RosterBody {
    /// Encodes it for signing.
    ///
    /// # Errors
    /// When it is longer than [`MAX_ROSTER`] or breaks a rule of its form.
    pub fn to_signed(&self, signatures: Vec<RosterSignature>) -> Result<SignedRoster, RosterFault> {
        self.check().map_err(RosterFault::Invalid)?;
        Ok(SignedRoster { body: Blob::new(encode(self)?)?, signatures: List::new(signatures)? })
    }

    fn check(&self) -> Result<(), &'static str> {
        fn ascending<T: Ord>(items: impl Iterator<Item = T>) -> bool {
            items.is_sorted_by(|a, b| a < b)
        }
        let require = |held: bool, rule: &'static str| if held { Ok(()) } else { Err(rule) };
        require(ascending(self.members.iter().map(|m| m.id)), "member ids must ascend, each once")?;
        require(ascending(self.approvers.iter().map(|a| a.key)), "approver keys must ascend, each once")?;
        require(ascending(self.signers.iter().map(|s| s.key)), "signer keys must ascend, each once")?;
        let mut keys: Vec<_> = self.members.iter().map(|m| m.key).collect();
        keys.extend(self.approvers.iter().map(|a| a.key));
        keys.extend(self.signers.iter().map(|s| s.key));
        require(keys.iter().all(is_usable), "a key is not a valid Ed25519 key")?;
        keys.sort_unstable();
        require(ascending(keys.iter()), "one key stands for two members or persons")?;
        let mut institutions: Vec<_> = self.members.iter().map(|m| &m.institution).collect();
        institutions.sort_unstable();
        require(ascending(institutions.iter()), "a hospital is listed twice")?;
        let signers = self.signers.len();
        let threshold = usize::from(self.threshold);
        require(
            threshold.saturating_mul(2) > signers && threshold <= signers,
            "threshold must be a majority",
        )?;
        let mut purposes: Vec<_> = self.rules.iter().map(|rule| &rule.purpose).collect();
        purposes.sort_unstable();
        require(ascending(purposes.iter()), "two rules for one purpose")?;
        require(self.rules.iter().all(|rule| !rule.roles.is_empty()), "a purpose must ask for an approver")?;
        let mut datasets: Vec<_> = self.locks.iter().flat_map(|lock| lock.datasets.iter()).collect();
        datasets.sort_unstable();
        require(ascending(datasets.iter()), "a data set stands in two locks")?;
        require(self.locks.iter().all(|lock| lock.spacing_s >= 10), "a slot must last 10 s at least")?;
        for family in SHARED_ROWS {
            let touching = |lock: &&Lock| lock.datasets.iter().any(|name| family.contains(&&**name));
            require(
                self.locks.iter().filter(touching).count() <= 1,
                "a lock splits data sets that share rows",
            )?;
        }
        let n = self.members.iter().filter(|m| m.status == Status::Active).count();
        require(n == 0 || n >= 3, "a sum needs three hospitals at least")
    }
}

#[cfg(test)]
pub(crate) mod tests;
