//! Names of things on the wire: fixed-size bytes, never strings.
//!
//! Owns the identifiers and their text forms. It must not know how a hash is computed
//! (`crypto/transcript.rs`) nor what it stands for.

use crate::codec::{Bytes, from_hex, to_hex, write_hex};
use core::fmt;
use serde::{Deserialize, Serialize};

/// A hospital's number in the roster; given once, never given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u16);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {}", self.0)
    }
}

macro_rules! bytes32 {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                Bytes(self.0).serialize(s)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                Ok($name(Bytes::deserialize(d)?.0))
            }
        }


        impl $name {
            /// The id whose lower-case hexadecimal text this is.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<Self> {
                Some($name(from_hex(text)?.try_into().ok()?))
            }
            /// Lower-case hexadecimal text, 64 letters.
            #[must_use]
            pub fn to_hex(&self) -> String {
                to_hex(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }
    )*};
}

bytes32! {
    /// An Ed25519 public key; this is what a hospital, an approver or the coordinator is.
    PublicKey;
    /// Hash of one version of the roster.
    RosterHash;
    /// Hash of a query's canonical form: its identity.
    QueryHash;
    /// Hash of what a query asks, whatever it is called: its family.
    FamilyHash;
    /// Hash of a warrant's body, without the approvals.
    WarrantHash;
    /// One run of a warrant in a slot and pass.
    SessionId;
    /// One try inside a session (`sid` in the protocol's text).
    AttemptId;
    /// Hash of an ANNOUNCE: one incarnation's channel key.
    AnnounceHash;
    /// Hash of a frozen extract: its normalised rows and what was declared of them.
    ExtractHash;
    /// Root over all that one node deposited.
    DepositHash;
    /// The cohort and what its members deposited.
    StartHash;
    /// The cohort and its READY messages.
    GoHash;
    /// One report.
    ReportHash;
    /// The survivors and their reports (`frz_hash`).
    FreezeHash;
    /// The opened sum and what opened it.
    ResultHash;
    /// A record of an audit log, and with it all before it.
    LogHash;
    /// Root of the transparency log up to one of its entries.
    TreeRoot;
    /// SHA-256 of a result bundle's file.
    BundleHash;
}
