//! Row 12: what was opened, what every survivor committed to, and the total.
//!
//! It must not know what a round does with them.

use super::{MAX_RECOVERY, Path, PerBlock, Proofs, Sealed};
use crate::codec::{Blob, Bytes, List};
use crate::crypto::sharing::ScalarBytes;
use crate::ids::{AttemptId, FreezeHash, NodeId, ResultHash};
use crate::params::BLOCK;
use crate::roster::MAX_NODES;
use crate::time::Time;
use serde::{Deserialize, Serialize};

/// A secret that was opened: r of a dropout, b of a survivor; prints without it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Whose.
    pub dealer: NodeId,
    /// Coefficients, so that every holder can compare its own leaf.
    pub polynomial: List<ScalarBytes, MAX_NODES>,
    /// A dropout's recovery list.
    pub recovery: Blob<MAX_RECOVERY>,
    /// Its path in the dropout's deposit.
    pub recovery_path: Path,
}

impl core::fmt::Debug for Opened {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Opened({})", self.dealer)
    }
}

/// Signed part of RESULT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultBody {
    /// The attempt.
    pub sid: AttemptId,
    /// The certified survivors.
    pub freeze: FreezeHash,
    /// Merkle root of T.
    pub total: Bytes<32>,
    /// Hash of all that was opened.
    pub result: ResultHash,
    /// When, by the coordinator's clock.
    pub at: Time,
}

/// Row 12, before the survivors' commitments and the total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// [`ResultBody`].
    pub body: Sealed<256>,
    /// R: the sums of the survivors' blindings.
    pub blindings: PerBlock,
    /// By ascending dealer, the whole cohort.
    pub opened: List<Opened, MAX_NODES>,
}

/// Row 12: what a survivor committed to, so that every node checks the total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeReport {
    /// The attempt.
    pub sid: AttemptId,
    /// Whose.
    pub of: NodeId,
    /// Of its report.
    pub committed: Committed,
    /// Proofs of its ranges, as deposited.
    pub ranges: Proofs,
}

/// Row 12: a block of the total, packed as a report is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeBlock {
    /// The attempt.
    pub sid: AttemptId,
    /// From 0.
    pub index: u32,
    /// 64 KiB, the last one less.
    pub bytes: Blob<BLOCK>,
}

/// What everyone may see of a report: all that its signed hash is over, and no masked value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Committed {
    /// Root of the blocks.
    pub root: Bytes<32>,
    /// Hash of the masked blindings.
    pub blindings: Bytes<32>,
    /// Commitments to the contribution.
    pub commitments: PerBlock,
}
