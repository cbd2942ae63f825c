//! Merkle trees as in RFC 6962, section 2.1: leaf = SHA256(0x00 || data), node = SHA256(0x01 || left || right).

use sha2::{Digest, Sha256};

/// Hash of one leaf.
#[must_use]
pub fn leaf(data: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

pub(super) fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// Largest power of two below `n`, for n > 1.
pub(super) fn split(n: usize) -> usize {
    let mut k = 1usize;
    while k.saturating_mul(2) < n {
        k = k.saturating_mul(2);
    }
    k
}

/// Root over hashed leaves; the hash of nothing when there are none.
#[must_use]
pub fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [only] => *only,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node(&root(left), &root(right))
        }
    }
}

/// The paths of all leaves, each from the leaf up.
#[must_use]
pub fn paths(leaves: &[[u8; 32]]) -> Vec<Vec<[u8; 32]>> {
    fn walk(leaves: &[[u8; 32]], paths: &mut [Vec<[u8; 32]>]) -> [u8; 32] {
        match leaves {
            [] | [_] => root(leaves),
            _ => {
                let k = split(leaves.len());
                let ((left, right), (left_paths, right_paths)) = (leaves.split_at(k), paths.split_at_mut(k));
                let (left, right) = (walk(left, left_paths), walk(right, right_paths));
                left_paths.iter_mut().for_each(|path| path.push(right));
                right_paths.iter_mut().for_each(|path| path.push(left));
                node(&left, &right)
            }
        }
    }
    let mut paths = vec![Vec::new(); leaves.len()];
    walk(leaves, &mut paths);
    paths
}

/// Root that `leaf` at `index` of `count` leaves has with this `path`; `None` if the path's length is wrong.
#[must_use]
pub fn root_from_path(leaf: [u8; 32], index: usize, count: usize, path: &[[u8; 32]]) -> Option<[u8; 32]> {
    if index >= count {
        return None;
    }
    if count == 1 {
        return path.is_empty().then_some(leaf);
    }
    let (sibling, rest) = path.split_last()?;
    let k = split(count);
    if index < k {
        Some(node(&root_from_path(leaf, index, k, rest)?, sibling))
    } else {
        let below = root_from_path(leaf, index.checked_sub(k)?, count.checked_sub(k)?, rest)?;
        Some(node(sibling, &below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{from_hex, to_hex};

    /// Test tree of the Certificate Transparency reference implementation (RFC 6962 style, 1 to 8 leaves).
    #[test]
    fn certificate_transparency_vectors() {
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
        let leaves: Vec<_> = data.iter().map(|hex| leaf(&from_hex(hex).unwrap())).collect();
        for (n, expected) in [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ] {
            assert_eq!(to_hex(&root(&leaves[..n])), expected, "{n} leaves");
        }
    }

    #[test]
    fn a_path_proves_one_leaf_at_one_place() {
        for count in 1..20 {
            let leaves: Vec<_> = (0..count).map(|i| leaf(&[u8::try_from(i).unwrap()])).collect();
            let top = root(&leaves);
            for i in 0..count {
                let proof = paths(&leaves)[i].clone();
                assert_eq!(root_from_path(leaves[i], i, count, &proof), Some(top));
                for j in (0..count).filter(|j| *j != i) {
                    assert_ne!(
                        root_from_path(leaves[i], j, count, &proof),
                        Some(top),
                        "{i} as {j} of {count}"
                    );
                }
                let mut longer = proof.clone();
                longer.push([0; 32]);
                assert_ne!(root_from_path(leaves[i], i, count, &longer), Some(top));
            }
        }
    }
}
