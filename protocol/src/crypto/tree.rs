//! A Merkle tree that only grows, and the proofs about it (RFC 9162, section 2.1; hashes as in `commit.rs`).
//!
//! Owns the kept tree, its inclusion and consistency proofs, and the verification of consistency; inclusion is
//! verified by [`root_from_path`](super::commit::root_from_path). It must not know what a leaf stands for.

use super::commit::{node, root, split};

/// A tree with the hashes of all its complete subtrees: 64 bytes a leaf, proofs without reading the leaves again.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// Hashes of the complete subtrees of 2^h leaves, in order, at place h.
    levels: Vec<Vec<[u8; 32]>>,
}

impl Tree {
    /// How many leaves.
    #[must_use]
    pub fn size(&self) -> usize {
        self.levels.first().map_or(0, Vec::len)
    }

    /// Adds a hashed leaf at the end.
    pub fn push(&mut self, leaf: [u8; 32]) {
        let mut hash = leaf;
        for height in 0.. {
            let Some(level) = self.levels.get_mut(height) else {
                self.levels.push(vec![hash]);
                return;
            };
            level.push(hash);
            // A second one of a pair completes the subtree above.
            let (pairs, alone) = level.as_chunks::<2>();
            match pairs.last() {
                Some([left, right]) if alone.is_empty() => hash = node(left, right),
                _ => return,
            }
        }
    }

    /// Root over the first `size` leaves; none beyond the end.
    #[must_use]
    pub fn root(&self, size: usize) -> Option<[u8; 32]> {
        if size == 0 { Some(root(&[])) } else { self.over(0, size) }
    }

    /// Path of the leaf at `index` (from 0) in the tree of the first `size` leaves, from the leaf up.
    #[must_use]
    pub fn inclusion(&self, index: usize, size: usize) -> Option<Vec<[u8; 32]>> {
        let (mut start, mut count, mut path) = (0usize, size, Vec::new());
        if index >= size || size > self.size() {
            return None;
        }
        while count > 1 {
            let k = split(count);
            let (right, rest) = (start.checked_add(k)?, count.checked_sub(k)?);
            if index < right {
                path.push(self.over(right, rest)?);
                count = k;
            } else {
                path.push(self.over(start, k)?);
                (start, count) = (right, rest);
            }
        }
        path.reverse();
        Some(path)
    }

    /// Proof that the tree of the first `old` leaves is the beginning of that of the first `size`; empty from 0
    /// and for the same size, none beyond the end.
    #[must_use]
    pub fn consistency(&self, old: usize, size: usize) -> Option<Vec<[u8; 32]>> {
        if old > size || size > self.size() {
            return None;
        }
        let (mut start, mut left, mut count, mut proof) = (0usize, old, size, Vec::new());
        // The whole old tree is known to who verifies; a part of it is not.
        while left != count && old != 0 {
            let k = split(count);
            let (right, rest) = (start.checked_add(k)?, count.checked_sub(k)?);
            if left <= k {
                proof.push(self.over(right, rest)?);
                count = k;
            } else {
                proof.push(self.over(start, k)?);
                (start, left, count) = (right, left.checked_sub(k)?, rest);
            }
        }
        if start > 0 {
            proof.push(self.over(start, count)?);
        }
        proof.reverse();
        Some(proof)
    }

    /// Hash over `count` leaves from `start`, a multiple of the largest power of two that is at most `count`.
    fn over(&self, start: usize, count: usize) -> Option<[u8; 32]> {
        if count.is_power_of_two() {
            let height = usize::try_from(count.ilog2()).ok()?;
            return self.levels.get(height)?.get(start.checked_div(count)?).copied();
        }
        let k = split(count);
        Some(node(&self.over(start, k)?, &self.over(start.checked_add(k)?, count.checked_sub(k)?)?))
    }
}

/// Whether the tree of `old.0` leaves and root `old.1` is the beginning of that of `new.0` leaves and root
/// `new.1`, by this proof alone.
#[must_use]
pub fn is_beginning(old: (usize, &[u8; 32]), new: (usize, &[u8; 32]), proof: &[[u8; 32]]) -> bool {
    match old {
        (0, first) => proof.is_empty() && *first == root(&[]),
        (size, _) if size > new.0 => false,
        (size, first) => both(size, new.0, proof, Some(first)) == Some((*first, *new.1)),
    }
}

/// The roots over the first `old` and over all `count` leaves that this proof gives. `whole` is the old root,
/// for a subtree that is the whole old tree: that one stands in no proof.
fn both(
    old: usize,
    count: usize,
    proof: &[[u8; 32]],
    whole: Option<&[u8; 32]>,
) -> Option<([u8; 32], [u8; 32])> {
    if old == count {
        return match (whole, proof) {
            (Some(root), []) => Some((*root, *root)),
            (None, [root]) => Some((*root, *root)),
            _ => None,
        };
    }
    let (last, rest) = proof.split_last()?;
    let k = split(count);
    if old <= k {
        let (before, now) = both(old, k, rest, whole)?;
        Some((before, node(&now, last)))
    } else {
        let (before, now) = both(old.checked_sub(k)?, count.checked_sub(k)?, rest, None)?;
        Some((node(last, &before), node(last, &now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{from_hex, to_hex};
    use crate::crypto::commit::{leaf, paths, root_from_path};

    /// Leaves of the test tree of the Certificate Transparency reference implementation.
    fn reference() -> Tree {
        let data = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let mut tree = Tree::default();
        data.iter().for_each(|hex| tree.push(leaf(&from_hex(hex).unwrap())));
        tree
    }

    fn texts(proof: &[[u8; 32]]) -> Vec<String> {
        proof.iter().map(|hash| to_hex(hash)).collect()
    }

    const A: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
    const B: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
    const C: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
    const D: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
    const E: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
    const F: &str = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7";
    const G: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
    const ONE: &str = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    const TWO: &str = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125";

    /// Audit paths and consistency proofs of the Certificate Transparency reference implementation's tests.
    #[test]
    fn certificate_transparency_proofs() {
        let tree = reference();
        for (index, size, path) in [
            (0, 1, vec![]),
            (0, 8, vec![A, B, C]),
            (5, 8, vec![D, E, F]),
            (2, 3, vec![TWO]),
            (1, 5, vec![ONE, B, D]),
        ] {
            assert_eq!(texts(&tree.inclusion(index, size).unwrap()), path, "leaf {index} of {size}");
        }
        for (old, new, proof) in
            [(1, 1, vec![]), (1, 8, vec![A, B, C]), (6, 8, vec![G, E, F]), (2, 5, vec![B, D])]
        {
            assert_eq!(texts(&tree.consistency(old, new).unwrap()), proof, "{old} to {new}");
        }
    }

    fn leaves(count: usize) -> Vec<[u8; 32]> {
        (0..count).map(|i| leaf(&u32::try_from(i).unwrap().to_be_bytes())).collect()
    }

    /// Every root, path and consistency of trees up to 40 leaves, against the naive tree of `commit.rs`.
    #[test]
    fn is_the_naive_tree() {
        let (all, mut tree) = (leaves(40), Tree::default());
        assert_eq!(tree.root(0), Some(root(&[])));
        all.iter().for_each(|one| tree.push(*one));
        for size in 1..=all.len() {
            let top = root(&all[..size]);
            assert_eq!(tree.root(size), Some(top), "{size}");
            let naive = paths(&all[..size]);
            for (index, path) in naive.iter().enumerate() {
                assert_eq!(tree.inclusion(index, size).as_ref(), Some(path), "{index} of {size}");
                assert_eq!(root_from_path(all[index], index, size, path), Some(top));
            }
            for old in 0..=size {
                let proof = tree.consistency(old, size).unwrap();
                assert!(is_beginning((old, &root(&all[..old])), (size, &top), &proof), "{old} to {size}");
            }
        }
        assert_eq!((tree.root(41), tree.inclusion(40, 40), tree.consistency(3, 41)), (None, None, None));
        assert_eq!((tree.consistency(5, 4), tree.inclusion(0, 41)), (None, None));
    }

    /// No proof, changed, cut, lengthened or of other sizes, makes a past out of what is none.
    #[test]
    fn a_consistency_proof_proves_nothing_else() {
        let (all, mut tree) = (leaves(20), Tree::default());
        all.iter().for_each(|one| tree.push(*one));
        let mut others = all.clone();
        others[0] = leaf(b"another");
        for size in 1..=all.len() {
            let top = root(&all[..size]);
            for old in 1..=size {
                let (first, other) = (root(&all[..old]), root(&others[..old]));
                let proof = tree.consistency(old, size).unwrap();
                assert!(!is_beginning((old, &other), (size, &top), &proof), "another past, {old} to {size}");
                assert!(!is_beginning((old, &first), (size, &other), &proof), "another present");
                assert!(!is_beginning((size + 1, &first), (size, &top), &proof), "shrunken");
                for at in 0..proof.len() {
                    let mut changed = proof.clone();
                    changed[at][31] ^= 1;
                    assert!(!is_beginning((old, &first), (size, &top), &changed), "{old} to {size} at {at}");
                    assert!(!is_beginning((old, &first), (size, &top), &proof[..at]), "cut");
                }
                let longer = [&proof[..], &[first]].concat();
                assert!(!is_beginning((old, &first), (size, &top), &longer), "lengthened");
                for wrong in (1..size).filter(|wrong| *wrong != old) {
                    assert!(
                        !is_beginning((wrong, &first), (size, &top), &proof),
                        "{old} as {wrong} of {size}"
                    );
                }
            }
        }
    }
}
