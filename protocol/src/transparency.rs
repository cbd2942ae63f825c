//! The transparency log: an append-only Merkle tree of what the coordinator did, whose heads every hospital keeps.
//!
//! Owns the entries and their leaves, the signed head, and the only two questions: is this head the one kept
//! before or does it go on from it, and is this entry in it. Trees and proofs: `crypto/tree.rs` (RFC 9162). It
//! holds no figure, no file and no clock; whoever keeps the entries is not its business.

use crate::codec::{Bytes, List, Malformed, encode};
use crate::crypto::commit::{leaf, root_from_path};
use crate::crypto::keys::{Author, Identity, SignatureBytes, Signed, verify};
use crate::crypto::transcript::sha256;
use crate::crypto::tree::{Tree, is_beginning};
use crate::ids::{AttemptId, BundleHash, ResultHash, RosterHash, SessionId, TreeRoot, WarrantHash};
use core::fmt;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes of a head that hospitals pass to each other.
pub const HEAD_LEN: usize = 104;
/// Longest proof: the log has fewer than 2^63 entries.
pub const MAX_PROOF: usize = 64;
/// Most heads whose place in the log is asked for at once.
pub const MAX_HEADS: usize = 64;

/// Hashes that prove one thing about a tree, from the leaf up.
pub type Proof = List<Bytes<32>, MAX_PROOF>;

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// With a sum.
    Sum,
    /// Without one.
    NoSum,
}

/// One entry. It names what was done, never a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// A roster became the head.
    Roster {
        /// Its number.
        epoch: u32,
        /// Its hash.
        roster: RosterHash,
    },
    /// A warrant was submitted.
    Warrant {
        /// Its hash, without approvals.
        warrant: WarrantHash,
    },
    /// A session ended.
    Ended {
        /// Which.
        session: SessionId,
        /// Its last attempt; none where none was opened.
        attempt: Option<AttemptId>,
        /// How.
        ending: Ending,
    },
    /// Hospitals refused an attempt; which, and why, is theirs.
    Refusals {
        /// Which attempt.
        attempt: AttemptId,
        /// How many hospitals.
        hospitals: u16,
    },
    /// A result bundle was written.
    Bundle {
        /// The attempt that gave the sum.
        attempt: AttemptId,
        /// The result that its survivors verified.
        result: ResultHash,
        /// Its file.
        bundle: BundleHash,
    },
}

impl Entry {
    /// The bytes of the entry: its wire encoding.
    ///
    /// # Errors
    /// Never for an entry.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Malformed> {
        encode(self)
    }
    /// Its leaf.
    ///
    /// # Errors
    /// Never for an entry.
    pub fn leaf(&self) -> Result<[u8; 32], Malformed> {
        Ok(leaf(&self.to_bytes()?))
    }
}

/// Hash of a bundle's file as it was written.
#[must_use]
pub fn bundle_hash(file: &[u8]) -> BundleHash {
    BundleHash(sha256(file))
}

/// The log up to one of its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeHead {
    /// How many entries.
    pub size: u64,
    /// Root over them (RFC 9162, 2.1.1).
    pub root: TreeRoot,
}

/// A head that the coordinator signed. Two of one size with different roots are evidence against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedTreeHead {
    /// The head.
    pub head: TreeHead,
    /// By the coordinator.
    pub signature: SignatureBytes,
}

impl SignedTreeHead {
    /// Signs a head.
    ///
    /// # Errors
    /// Never for a head.
    pub fn new(identity: &Identity, head: TreeHead) -> Result<SignedTreeHead, Malformed> {
        Ok(SignedTreeHead { head, signature: identity.sign(Signed::TreeHead, &encode(&head)?) })
    }
    /// As it lies in a sealed envelope: be64(size) || root || signature.
    #[must_use]
    pub fn to_fixed(&self) -> [u8; HEAD_LEN] {
        let mut bytes = [0; HEAD_LEN];
        let all = self.head.size.to_be_bytes().into_iter().chain(self.head.root.0).chain(self.signature.0);
        bytes.iter_mut().zip(all).for_each(|(byte, of)| *byte = of);
        bytes
    }
    /// The head in an envelope; none where its dealer keeps none.
    #[must_use]
    pub fn from_fixed(bytes: &[u8; HEAD_LEN]) -> Option<SignedTreeHead> {
        let (size, rest) = bytes.split_first_chunk::<8>()?;
        let (root, signature) = rest.split_first_chunk::<32>()?;
        let head = TreeHead { size: u64::from_be_bytes(*size), root: TreeRoot(*root) };
        let signature = Bytes(*signature.first_chunk::<64>()?);
        (*bytes != [0; HEAD_LEN]).then_some(SignedTreeHead { head, signature })
    }
    /// Whether this key signed it.
    #[must_use]
    pub fn is_of(&self, key: &impl Author) -> bool {
        encode(&self.head).is_ok_and(|raw| verify(key, Signed::TreeHead, &raw, &self.signature))
    }
}

/// Why a head of the transparency log is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inconsistent {
    /// The coordinator's key did not sign it.
    Unsigned,
    /// It is shorter than a head that the coordinator signed before.
    Shrunken {
        /// Entries of the head kept.
        kept: u64,
        /// Entries of the head shown.
        shown: u64,
    },
    /// As long as a head that the coordinator signed before, and another.
    TwoStories {
        /// Entries of both.
        size: u64,
    },
    /// The proof does not show that the head kept is its beginning.
    Unproven {
        /// Entries of the head kept.
        kept: u64,
        /// Entries of the head shown.
        shown: u64,
    },
}

impl Inconsistent {
    /// Whether the coordinator's own signatures show that it told two stories, or that its log lost entries.
    #[must_use]
    pub fn is_evidence(&self) -> bool {
        !matches!(self, Inconsistent::Unsigned)
    }
}

impl fmt::Display for Inconsistent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Inconsistent::Unsigned => {
                f.write_str("a head of the transparency log is not signed by the coordinator")
            }
            Inconsistent::Shrunken { kept, shown } => {
                write!(f, "the transparency log has {shown} entries; it had {kept}")
            }
            Inconsistent::TwoStories { size } => {
                write!(f, "two different transparency logs of {size} entries, both signed by the coordinator")
            }
            Inconsistent::Unproven { kept, shown } => write!(
                f,
                "the transparency log of {shown} entries is not shown to begin with the {kept} entries signed before"
            ),
        }
    }
}

impl core::error::Error for Inconsistent {}

/// Holds two heads that one key signed against each other, without a proof.
///
/// # Errors
/// `TwoStories` when they are as long and differ.
pub fn compare(kept: &TreeHead, other: &TreeHead) -> Result<(), Inconsistent> {
    let differ = kept.size == other.size && kept.root != other.root;
    if differ { Err(Inconsistent::TwoStories { size: kept.size }) } else { Ok(()) }
}

/// The first two of these heads that are as long and differ: two stories.
#[must_use]
pub fn two_stories(heads: &[SignedTreeHead]) -> Option<[SignedTreeHead; 2]> {
    let mut sizes = BTreeMap::new();
    heads.iter().find_map(|head| {
        let first: &SignedTreeHead = sizes.entry(head.head.size).or_insert(head);
        compare(&first.head, &head.head).is_err().then_some([*first, *head])
    })
}

/// Whether the log that this signed head is of begins with the kept one.
///
/// # Errors
/// Why it is not believed; then the kept head stays.
pub fn check_extends(
    coordinator: &impl Author,
    kept: &TreeHead,
    shown: &SignedTreeHead,
    proof: &Proof,
) -> Result<(), Inconsistent> {
    if !shown.is_of(coordinator) {
        return Err(Inconsistent::Unsigned);
    }
    let (old, new) = (kept, &shown.head);
    compare(old, new)?;
    if new.size < old.size {
        return Err(Inconsistent::Shrunken { kept: old.size, shown: new.size });
    }
    let unproven = Inconsistent::Unproven { kept: old.size, shown: new.size };
    let (Ok(before), Ok(now)) = (usize::try_from(old.size), usize::try_from(new.size)) else {
        return Err(unproven);
    };
    let proof: Vec<[u8; 32]> = proof.iter().map(|hash| hash.0).collect();
    if is_beginning((before, &old.root.0), (now, &new.root.0), &proof) { Ok(()) } else { Err(unproven) }
}

/// Whether an entry is in the log of this head, at `index` from 0.
#[must_use]
pub fn is_in(entry: &Entry, index: u64, head: &TreeHead, proof: &Proof) -> bool {
    let proof: Vec<[u8; 32]> = proof.iter().map(|hash| hash.0).collect();
    let found = || {
        let (index, size) = (usize::try_from(index).ok()?, usize::try_from(head.size).ok()?);
        root_from_path(entry.leaf().ok()?, index, size, &proof)
    };
    found() == Some(head.root.0)
}

/// The head over the first `size` entries of a kept tree; none beyond its end.
#[must_use]
pub fn head_of(tree: &Tree, size: usize) -> Option<TreeHead> {
    Some(TreeHead { size: u64::try_from(size).ok()?, root: TreeRoot(tree.root(size)?) })
}

/// A tree's proof as it travels; none where the tree has none.
#[must_use]
pub fn proof_of(hashes: Option<Vec<[u8; 32]>>) -> Option<Proof> {
    List::new(hashes?.into_iter().map(Bytes).collect()).ok()
}

#[cfg(test)]
mod tests;
