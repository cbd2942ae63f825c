//! Every domain label, and the only ways to hash and to derive keys.
//!
//! Hashes are SHA-256 over a label and typed, length-prefixed parts: integers big-endian, lists a 32-bit
//! count and their items, byte strings a 32-bit length and their bytes (protocol.md 1.5; none reaches 4 GB). Keys come from
//! HKDF-SHA-256 (RFC 5869), Extract with 32 zero bytes as salt unless given, Expand with the label as info.

use crate::secret::{Key, Secret};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};

/// What a hash or a key is for. No two uses share a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Hash of a roster's body.
    Roster,
    /// Hash of a query's canonical form.
    Query,
    /// Hash of what a query asks, whatever it is called.
    Family,
    /// Hash of a warrant's body.
    Warrant,
    /// SessionId.
    Session,
    /// AttemptId.
    Attempt,
    /// Hash of a signed ANNOUNCE.
    Announce,
    /// Salt of a channel key.
    Channel,
    /// Confirmation of a channel key.
    ChannelConfirm,
    /// Which end of a bad pair goes.
    Tie,
    /// Seed of a pair in one attempt (`sigma_uv`).
    PairSeed,
    /// Public commitment to a pair's seed (`c_uv`).
    PairCommit,
    /// Mask seed of a pair under one GO (`s_uv`).
    PairMask,
    /// Mask seed of a node's own mask under one GO (`beta_u`).
    SelfMask,
    /// Stream key of the masks of the cells.
    Cells,
    /// Stream key of the masks of the blindings.
    Blinding,
    /// Generators of the commitments.
    Generator,
    /// What a proof of ranges is of.
    Range,
    /// Key and key commitment of a share's envelope.
    Share,
    /// Key of the recovery list.
    RecoveryList,
    /// Leaf part: share of the pair secret `r`.
    LeafR,
    /// Leaf part: share of the own-mask secret `b`.
    LeafB,
    /// Leaf part: value of the polynomial that hides `r`.
    LeafHideR,
    /// Leaf part: value of the polynomial that hides `b`.
    LeafHideB,
    /// Key commitment of a share's envelope.
    KeyCommit,
    /// Challenges of the sharing.
    Challenge,
    /// The cohort's START.
    Start,
    /// The cohort's GO.
    Go,
    /// READY messages inside GO.
    Readies,
    /// One report.
    Report,
    /// The survivors.
    Freeze,
    /// A certificate.
    Certificate,
    /// The opened sum.
    Result,
    /// Opened secrets inside the result.
    Opened,
    /// Words to read over the telephone.
    Fingerprint,
    /// Proof of a one-use enrolment token.
    Token,
    /// One entry of a hash-chained log.
    Chain,
    /// Normalised rows of an extract.
    Extract,
    /// One record of an audit log, or the key by which one begins.
    Log,
}

impl Label {
    pub(crate) const fn text(self) -> &'static [u8] {
        match self {
            Label::Roster => b"fa/1 roster",
            Label::Query => b"fa/1 query",
            Label::Family => b"fa/1 family",
            Label::Warrant => b"fa/1 warrant",
            Label::Session => b"fa/1 session",
            Label::Attempt => b"fa/1 sid",
            Label::Announce => b"fa/1 announce",
            Label::Channel => b"fa/1 chan",
            Label::ChannelConfirm => b"fa/1 chan confirm",
            Label::Tie => b"fa/1 tie",
            Label::PairSeed => b"fa/1 sigma",
            Label::PairCommit => b"fa/1 c",
            Label::PairMask => b"fa/1 pair",
            Label::SelfMask => b"fa/1 self",
            Label::Cells => b"fa/1 cells",
            Label::Blinding => b"fa/1 rho",
            Label::Generator => b"fa/1 gen",
            Label::Range => b"fa/1 range",
            Label::Share => b"fa/1 share",
            Label::RecoveryList => b"fa/1 list",
            Label::LeafR => b"fa/1 leaf r",
            Label::LeafB => b"fa/1 leaf b",
            Label::LeafHideR => b"fa/1 leaf g r",
            Label::LeafHideB => b"fa/1 leaf g b",
            Label::KeyCommit => b"fa/1 key commit",
            Label::Challenge => b"fa/1 d",
            Label::Start => b"fa/1 start",
            Label::Go => b"fa/1 go",
            Label::Readies => b"fa/1 readies",
            Label::Report => b"fa/1 con",
            Label::Freeze => b"fa/1 frz",
            Label::Certificate => b"fa/1 cert",
            Label::Result => b"fa/1 res",
            Label::Opened => b"fa/1 opened",
            Label::Fingerprint => b"fa/1 words",
            Label::Token => b"fa/1 token",
            Label::Chain => b"fa/1 chain",
            Label::Extract => b"fa/1 extract",
            Label::Log => b"fa/1 log",
        }
    }
}

/// A hash being built from a label and typed parts.
#[derive(Clone)]
pub struct Transcript(Sha256);

impl Transcript {
    /// A hash for one purpose.
    #[must_use]
    pub fn new(label: Label) -> Self {
        Transcript(Sha256::new()).bytes(label.text())
    }
    /// Adds 32 bytes as they are: a hash, a key, a scalar.
    #[must_use]
    pub fn fixed(mut self, bytes: &[u8; 32]) -> Self {
        self.0.update(bytes);
        self
    }
    /// Adds a 16-bit integer: ids, positions.
    #[must_use]
    pub fn u16(mut self, value: u16) -> Self {
        self.0.update(value.to_be_bytes());
        self
    }
    /// Adds a 32-bit integer.
    #[must_use]
    pub fn u32(mut self, value: u32) -> Self {
        self.0.update(value.to_be_bytes());
        self
    }
    /// Adds a 64-bit integer.
    #[must_use]
    pub fn u64(mut self, value: u64) -> Self {
        self.0.update(value.to_be_bytes());
        self
    }
    /// Adds the count that precedes the items of a list.
    #[must_use]
    pub fn count(self, items: usize) -> Self {
        self.u32(u32::try_from(items).unwrap_or(u32::MAX))
    }
    /// Adds bytes of any length, with their length.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self = self.count(bytes.len());
        self.0.update(bytes);
        self
    }
    /// The hash.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// SHA-256 of one byte string (FIPS 180-4).
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// HKDF-Extract with `salt` over the concatenated `parts`, each of 32 bytes.
#[must_use]
pub fn extract(salt: &[u8; 32], parts: &[&[u8; 32]]) -> Key {
    let mut hkdf = hkdf::HkdfExtract::<Sha256>::new(Some(salt));
    for part in parts {
        hkdf.input_ikm(*part);
    }
    let (mut prk, _) = hkdf.finalize();
    let key = Secret::new(prk.into());
    zeroize::Zeroize::zeroize(&mut prk[..]);
    key
}

/// HKDF-Expand of `key` with `label` and `context` as info, to `N` bytes (N <= 8160).
#[must_use]
pub fn expand<const N: usize>(key: &Key, label: Label, context: &[&[u8]]) -> Secret<[u8; N]> {
    const { assert!(N <= 255 * 32) };
    let mut info = vec![label.text()];
    info.extend_from_slice(context);
    let mut okm = Secret([0u8; N]);
    if let Ok(hkdf) = Hkdf::<Sha256>::from_prk(key.expose()) {
        // Neither call can fail: the key has 32 bytes, and N is at most 255 blocks (asserted above).
        let expanded = hkdf.expand_multi_info(&info, &mut okm.0);
        debug_assert!(expanded.is_ok());
    }
    okm
}

/// HKDF (Extract with a zero salt, then Expand) of `seed` with `label` and `context` as info.
#[must_use]
pub fn derive(seed: &[u8; 32], label: Label, context: &[&[u8]]) -> Key {
    expand(&extract(&[0; 32], &[seed]), label, context)
}

#[cfg(test)]
pub(crate) mod tests;
