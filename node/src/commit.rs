//! Commits to the figures of a large query on every core, before they are deposited.
//!
//! The core commits by itself, on one core, to whatever comes without; it must not start threads. Nothing here sees
//! a figure: the core computes each block.

use crate::identity::randomness;
use samensom_protocol::crypto::pedersen::CELLS;
use samensom_protocol::ring::Contribution;
use std::thread::{available_parallelism, scope};

/// Blocks from which on more than one core is worth its while: 10,000 cells.
const MANY: usize = 10_000 / CELLS;

/// The contribution with its commitments.
pub(crate) fn spread(contribution: Contribution) -> Contribution {
    let cores = available_parallelism().map_or(1, std::num::NonZero::get);
    if contribution.blocks() <= MANY || cores < 2 {
        return contribution;
    }
    contribution.committed(&mut randomness(), |blocks, commit| {
        let each = blocks.div_ceil(cores);
        let mut points = vec![[0; 32]; blocks];
        scope(|threads| {
            for (from, piece) in (0..).step_by(each).zip(points.chunks_mut(each)) {
                threads.spawn(move || {
                    piece.iter_mut().zip(from..).for_each(|(point, block)| *point = commit(block));
                });
            }
        });
        points
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use samensom_protocol::ids::ExtractHash;

    fn contribution(blocks: usize) -> Contribution {
        let values: Vec<i64> = (0..).take(blocks * CELLS - 3).collect();
        let cells = u32::try_from(values.len()).unwrap();
        Contribution::new(cells, |_| (0, i64::from(cells)), &values, ExtractHash([0; 32])).unwrap()
    }

    /// However it is spread, each block has the commitment that the core itself computes.
    #[test]
    fn each_block_has_its_own_commitment() {
        for blocks in [MANY + 1, MANY + 4] {
            let all = spread(contribution(blocks));
            let (blindings, points) = all.opening().unwrap();
            assert_eq!(points, all.commitments(blindings));
            assert_eq!(points.len(), blocks);
        }
        assert!(spread(contribution(MANY)).opening().is_none(), "few blocks are left to the core");
    }
}
