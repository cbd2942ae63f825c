//! Commits to the figures of a large query on every core, and proves the ranges of those that are checked, before
//! they are deposited.
//!
//! The core does both by itself, on one core, for whatever comes without; it must not start threads. Here it is done
//! beside the session, while nobody waits for a message: proving does not take the same time for all figures.
//! Nothing here sees a figure.

use crate::identity::randomness;
use samensom_protocol::crypto::blocks::Blocks;
use samensom_protocol::crypto::pedersen::CELLS;
use samensom_protocol::ids::{AttemptId, NodeId};
use samensom_protocol::ring::Contribution;
use std::thread::{available_parallelism, scope};

/// Blocks from which on more than one core is worth its while: 10,000 cells.
const MANY: usize = 10_000 / CELLS;

/// The contribution with its commitments, and its proofs for this node in this attempt.
pub(crate) fn spread(contribution: Contribution, blocks: &Blocks, of: (&AttemptId, NodeId)) -> Contribution {
    let cores = available_parallelism().map_or(1, std::num::NonZero::get);
    if !blocks.proves() && (blocks.len() <= MANY || cores < 2) {
        return contribution;
    }
    let committed =
        contribution.committed(blocks, &mut randomness(), &|parts, commit| over(cores, parts, commit));
    if !blocks.proves() {
        return committed;
    }
    committed.proven(of, &randomness, &|parts, prove| over(cores, parts, prove))
}

/// Each of so many parts, on so many threads.
fn over<T: Default + Clone + Send>(cores: usize, parts: usize, one: &(dyn Fn(usize) -> T + Sync)) -> Vec<T> {
    let mut made = vec![T::default(); parts];
    let each = parts.div_ceil(cores.max(1)).max(1);
    scope(|threads| {
        for (from, piece) in (0..).step_by(each).zip(made.chunks_mut(each)) {
            threads.spawn(move || piece.iter_mut().zip(from..).for_each(|(made, part)| *made = one(part)));
        }
    });
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use samensom_protocol::codec::{Blob, Bytes};
    use samensom_protocol::crypto::ranges::{Given, Statement, verify};
    use samensom_protocol::ids::ExtractHash;
    use samensom_protocol::rounds::committed::commitments_root;

    const OF: (&AttemptId, NodeId) = (&AttemptId([3; 32]), NodeId(4));

    fn contribution(cells: u32) -> Contribution {
        let values: Vec<i64> = (0..i64::from(cells)).collect();
        Contribution::new(cells, |_| (0, i64::from(cells)), &values, ExtractHash([0; 32])).unwrap()
    }

    /// However it is spread, each block has the commitment that the core itself computes.
    #[test]
    fn each_block_has_its_own_commitment() {
        let cells = |blocks: usize| u32::try_from(blocks * CELLS - 3).unwrap();
        for many in [MANY + 1, MANY + 4] {
            let blocks = Blocks::plain(cells(many));
            let all = spread(contribution(cells(many)), &blocks, OF);
            let (blindings, points) = all.opening(&blocks).unwrap();
            assert_eq!(points, all.commitments(&blocks, blindings));
            assert_eq!(points.len(), many);
            assert!(
                all.opening(&Blocks::new(cells(many), &[Some(1)])).is_none(),
                "other blocks, others' work"
            );
        }
        let few = Blocks::plain(cells(MANY));
        assert!(spread(contribution(cells(MANY)), &few, OF).opening(&few).is_none(), "left to the core");
    }

    /// Proofs are made wherever a range is checked, for this attempt and node alone.
    #[test]
    fn each_checked_cell_has_its_proof() {
        let blocks = Blocks::new(100, &[Some(200)]);
        let all = spread(contribution(100), &blocks, OF);
        let (_, points) = all.opening(&blocks).unwrap();
        let commitments: Vec<Bytes<32>> = points.iter().map(|one| Bytes(*one)).collect();
        let root = commitments_root(commitments.iter());
        let proofs = all.proofs(OF.0, OF.1).unwrap().iter().map(|one| Blob::new(one.clone()).unwrap());
        let proofs: Vec<_> = proofs.collect();
        let of = Statement { sid: OF.0, node: OF.1, root: &root };
        assert!(verify(&blocks, &[Given { of, commitments: &commitments, proofs: &proofs }]));
        assert!(all.proofs(&AttemptId([9; 32]), OF.1).is_none() && all.proofs(OF.0, NodeId(5)).is_none());
    }
}
