//! The messages of VOID (A24): the question, a node's promise, and a quorum's promises together.
//!
//! Owns their fields alone; what they mean stands in `rounds/void.rs`.

use super::SignatureBytes;
use crate::codec::List;
use crate::ids::{AttemptId, NodeId};
use crate::roster::MAX_NODES;
use serde::{Deserialize, Serialize};

/// Signed part of VOID-ASK: will these nodes never confirm the attempt?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoidAsk {
    /// The attempt.
    pub sid: AttemptId,
}

/// A node's promise that it has not confirmed an attempt and never will.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoidBody {
    /// The attempt.
    pub sid: AttemptId,
    /// The last SPENT in the node's ledger; in one that was rolled back it is behind its peers' word, and no
    /// promise brings it forward.
    pub ledger_seq: u64,
}

/// One node's VOID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "parts of VoidBody")]
pub struct VoidOf {
    pub node: NodeId,
    pub ledger_seq: u64,
    pub signature: SignatureBytes,
}

/// VOIDs of a quorum: no certificate of the attempt exists, or can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voids {
    /// The attempt.
    pub sid: AttemptId,
    /// At least q of its roster, by ascending id.
    pub voids: List<VoidOf, MAX_NODES>,
}
