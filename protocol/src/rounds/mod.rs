//! The rounds of one attempt. Each file holds the message, the node's half and the coordinator's half.
//!
//! | row | round | who sends | to whom | what it closes |
//! |---|---|---|---|---|
//! | - | channel | node, node | node (relayed) | a channel key for each pair of incarnations |
//! | 0 | deposit | coordinator: OFFER (header, warrant) | invited nodes | the extract is frozen |
//! | 1 | deposit | node: ANSWER while its people are asked, DEPOSIT | coordinator | who can be in the cohort |
//! | 2 | ready | coordinator: START | cohort | the cohort |
//! | 3 | ready | node: READY | coordinator | |
//! | 4 | contribute | coordinator: GO (every READY) | cohort | the masks' seeds |
//! | 5 | contribute | node: CONTRIBUTE, blocks | coordinator | *spent*, durable before |
//! | 6 | confirm | coordinator: FREEZE | survivors | the survivors |
//! | 7 | confirm | node: CONFIRM | coordinator | *confirmed*, durable before |
//! | 8 | reveal | coordinator: CERT | survivors | one survivor set, ever |
//! | 9 | reveal | node: REVEAL-R | coordinator | seeds of the dropouts |
//! | 10 | reveal | coordinator: ASK-B | survivors | |
//! | 11 | reveal | node: REVEAL-B | coordinator | own masks of the survivors |
//! | 12 | result | coordinator: RESULT, commitments, total | survivors | every node checks the total |
//! | - | void | coordinator: VOID-ASK, VOIDS; node: VOID | all who are there | an attempt that was lost |
//!
//! Nothing is buffered: a message of another round or attempt is refused, expected against got.

pub mod beside;
pub mod channel;
pub mod committed;
pub mod confirm;
pub mod contribute;
pub mod deposit;
pub mod offer;
pub mod pairs;
pub mod ready;
pub mod result;
pub mod reveal;
pub mod series;
pub mod void;

use crate::codec::{List, Malformed, encode};
use crate::crypto::commit;
use crate::crypto::transcript::{Label, Transcript};
use crate::ids::{AttemptId, DepositHash, FreezeHash, GoHash, NodeId, ReportHash, ResultHash, StartHash};
use crate::message::{Committed, Confirmation, Counted, Dealt, Deposit, Leaf, Opened, PerBlock, ReadyOf};
use serde::Serialize;

/// A Merkle leaf over a part's encoding.
pub(crate) fn leaf_of<T: Serialize>(part: &T) -> Result<[u8; 32], Malformed> {
    Ok(commit::leaf(&encode(part)?))
}

/// Root over the commitments to all shares, in the order of U0.
///
/// # Errors
/// Never for values that were decoded.
pub fn leaves_root<'a>(leaves: impl Iterator<Item = &'a Leaf>) -> Result<[u8; 32], Malformed> {
    Ok(commit::root(&leaves.map(leaf_of).collect::<Result<Vec<_>, _>>()?))
}

/// Hashed leaves of a deposit's tree: head, z, sections, recovery list.
///
/// # Errors
/// Never for values that were decoded.
pub fn deposit_leaves(deposit: &Deposit) -> Result<Vec<[u8; 32]>, Malformed> {
    let mut leaves = vec![leaf_of(&deposit.head)?, leaf_of(&deposit.z)?];
    for section in deposit.sections.iter() {
        leaves.push(leaf_of(section)?);
    }
    leaves.push(leaf_of(&deposit.recovery)?);
    Ok(leaves)
}

/// `dep_hash_u`: root over all that a node deposited.
///
/// # Errors
/// Never for values that were decoded.
pub fn deposit_hash(deposit: &Deposit) -> Result<DepositHash, Malformed> {
    Ok(DepositHash(commit::root(&deposit_leaves(deposit)?)))
}

/// `start_hash`.
#[must_use]
pub fn start_hash(sid: &AttemptId, cohort: &[Dealt]) -> StartHash {
    let start = Transcript::new(Label::Start).fixed(&sid.0).count(cohort.len());
    StartHash(cohort.iter().fold(start, |t, dealt| t.u16(dealt.node.0).fixed(&dealt.deposit.0)).finish())
}

/// `go_hash`: over START and every READY as it came.
///
/// # Errors
/// Never for values that were decoded.
pub fn go_hash(start: &StartHash, readies: &[ReadyOf]) -> Result<GoHash, Malformed> {
    let mut all = Transcript::new(Label::Readies).count(readies.len());
    for ready in readies {
        all = all.u16(ready.node.0).bytes(&encode(&ready.ready)?);
    }
    Ok(GoHash(Transcript::new(Label::Go).fixed(&start.0).fixed(&all.finish()).finish()))
}

/// `con_hash_u`.
#[must_use]
pub fn report_hash(go: &GoHash, node: NodeId, width: u8, cells: u32, committed: &Committed) -> ReportHash {
    ReportHash(
        Transcript::new(Label::Report)
            .fixed(&go.0)
            .u16(node.0)
            .u16(u16::from(width))
            .u32(cells)
            .fixed(&committed.root.0)
            .fixed(&committed.blindings.0)
            .fixed(&committed::hash_of(&committed.commitments))
            .finish(),
    )
}

/// `frz_hash`.
#[must_use]
pub fn freeze_hash(go: &GoHash, survivors: &[Counted]) -> FreezeHash {
    let freeze = Transcript::new(Label::Freeze).fixed(&go.0).count(survivors.len());
    FreezeHash(survivors.iter().fold(freeze, |t, one| t.u16(one.node.0).fixed(&one.report.0)).finish())
}

/// Hash of a certificate's signatures.
#[must_use]
pub fn certificate_hash(freeze: &FreezeHash, confirmations: &[Confirmation]) -> [u8; 32] {
    let cert = Transcript::new(Label::Certificate).fixed(&freeze.0).count(confirmations.len());
    confirmations.iter().fold(cert, |t, one| t.u16(one.node.0).bytes(&one.signature.0)).finish()
}

/// Hash of all that was opened.
///
/// # Errors
/// Never for values that were decoded.
pub fn opened_hash(opened: &List<Opened, { crate::roster::MAX_NODES }>) -> Result<[u8; 32], Malformed> {
    let mut all = Transcript::new(Label::Opened).count(opened.len());
    for one in opened.iter() {
        all = all.bytes(&encode(one)?);
    }
    Ok(all.finish())
}

/// `res_hash`: certificate, root of T, R, and the hash of all that was opened.
#[must_use]
pub fn result_hash(
    certificate: &[u8; 32],
    total: &[u8; 32],
    blindings: &PerBlock,
    opened: &[u8; 32],
) -> ResultHash {
    let result = Transcript::new(Label::Result).fixed(certificate).fixed(total);
    ResultHash(result.fixed(&committed::hash_of(blindings)).fixed(opened).finish())
}

/// Root of T: 64 KiB leaves of little-endian 64-bit lanes.
#[must_use]
pub fn total_root(lanes: &[u64]) -> [u8; 32] {
    let leaves: Vec<_> = lanes
        .chunks(crate::params::BLOCK / 8)
        .map(|chunk| commit::leaf(&chunk.iter().flat_map(|lane| lane.to_le_bytes()).collect::<Vec<u8>>()))
        .collect();
    commit::root(&leaves)
}

#[cfg(test)]
mod checks;
#[cfg(test)]
mod tests;
