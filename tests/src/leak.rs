//! The leakage oracle: which sums of honest figures do the masked reports give away?
//!
//! Every report is a linear form over figures and masks. Masks that the adversary does not hold are unknowns;
//! Gaussian elimination over a prime field removes them, and the rows that are left span exactly the
//! combinations of figures that leak. It knows no message and no state machine: forms are made by
//! [`observer`].

pub mod observer;

use samensom_protocol::ids::{ExtractHash, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// The prime 2^61 - 1.
const P: u64 = (1 << 61) - 1;

/// One node's figure, as long as its extract is the same.
pub type Figure = (NodeId, ExtractHash);

/// What one report is made of: masks that the adversary holds are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The slot, by the clock of the node that sent it.
    pub slot: u64,
    /// Whose figure.
    pub figure: Figure,
    /// Seeds of the masks over it that the adversary does not hold, each added (1) or taken away (-1).
    pub masks: Vec<([u8; 32], i8)>,
}

/// Combinations of figures that leak, in reduced form.
#[derive(Debug, Clone)]
pub struct Space {
    /// The figures.
    pub columns: Vec<Figure>,
    /// Independent combinations, one coefficient for each figure.
    pub basis: Vec<Vec<u64>>,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leak {
    /// Two or more independent sums in one slot; the fewest figures that a combination of them isolates.
    Several {
        /// In which slot.
        slot: u64,
        /// How many.
        sums: usize,
        /// The smallest set of figures found.
        isolated: Vec<NodeId>,
    },
    /// One sum over too few.
    TooFew {
        /// In which slot.
        slot: u64,
        /// Over whom.
        members: Vec<NodeId>,
    },
    /// One combination that is not a plain sum.
    Weighted {
        /// In which slot.
        slot: u64,
    },
    /// Masks shared by several slots give more than the slots' own sums.
    Across,
    /// An unchanged extract is in sums over two sets.
    Moved {
        /// Whose.
        node: NodeId,
    },
}

/// What the oracle says of one run.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Slots in which a sum was opened.
    pub opened: usize,
    /// Broken promises.
    pub leaks: Vec<Leak>,
}

fn mul(a: u64, b: u64) -> u64 {
    u64::try_from(u128::from(a) * u128::from(b) % u128::from(P)).unwrap_or(0)
}

fn sub(a: u64, b: u64) -> u64 {
    (a + P - b) % P
}

fn inverse(a: u64) -> u64 {
    let (mut base, mut power, mut result) = (a, P - 2, 1);
    while power > 0 {
        if power & 1 == 1 {
            result = mul(result, base);
        }
        base = mul(base, base);
        power >>= 1;
    }
    result
}

/// Reduces rows to echelon form, pivots 1 and alone in their column; drops rows of zeros.
fn reduce(mut rows: Vec<Vec<u64>>) -> Vec<Vec<u64>> {
    let width = rows.first().map_or(0, Vec::len);
    let mut done = 0;
    for column in 0..width {
        let Some(found) = (done..rows.len()).find(|row| rows[*row][column] != 0) else { continue };
        rows.swap(done, found);
        let scale = inverse(rows[done][column]);
        rows[done].iter_mut().for_each(|value| *value = mul(*value, scale));
        let pivot = rows[done].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(index, _)| *index != done) {
            let factor = row[column];
            if factor != 0 {
                row.iter_mut()
                    .zip(&pivot)
                    .for_each(|(value, above)| *value = sub(*value, mul(factor, *above)));
            }
        }
        done += 1;
    }
    rows.truncate(done);
    rows
}

/// The combinations of figures in the span of these forms.
#[must_use]
pub fn leaked<'a>(forms: impl Iterator<Item = &'a Form> + Clone) -> Space {
    let columns: Vec<Figure> =
        forms.clone().map(|form| form.figure).collect::<BTreeSet<_>>().into_iter().collect();
    let seeds = forms.clone().flat_map(|form| form.masks.iter().map(|(seed, _)| *seed));
    let seeds: Vec<[u8; 32]> = seeds.collect::<BTreeSet<_>>().into_iter().collect();
    let place: BTreeMap<&[u8; 32], usize> = seeds.iter().enumerate().map(|(i, seed)| (seed, i)).collect();
    let row = |form: &Form| {
        let mut row = vec![0; seeds.len() + columns.len()];
        for (seed, sign) in &form.masks {
            let value = &mut row[place[seed]];
            *value = if *sign > 0 { (*value + 1) % P } else { sub(*value, 1) };
        }
        let at = columns.binary_search(&form.figure).unwrap_or(0);
        row[seeds.len() + at] = 1;
        row
    };
    let rows = reduce(forms.map(row).collect());
    let free = rows.into_iter().filter(|row| row[..seeds.len()].iter().all(|value| *value == 0));
    Space { columns, basis: free.map(|row| row[seeds.len()..].to_vec()).collect() }
}

impl Space {
    /// Independent combinations.
    #[must_use]
    pub fn sums(&self) -> usize {
        self.basis.len()
    }

    fn support(&self, row: &[u64]) -> Vec<Figure> {
        self.columns.iter().zip(row).filter(|(_, value)| **value != 0).map(|(figure, _)| *figure).collect()
    }

    /// The figures of the one sum, if there is exactly one and all coefficients are equal.
    #[must_use]
    pub fn one_sum(&self) -> Option<Vec<Figure>> {
        let [row] = self.basis.as_slice() else { return None };
        row.iter().all(|value| *value <= 1).then(|| self.support(row))
    }

    /// The fewest figures that any combination holds: exactly for up to 12 figures, else among the rows and
    /// pairs of rows.
    #[must_use]
    pub fn isolated(&self) -> Vec<Figure> {
        let mut found: Option<Vec<Figure>> = None;
        let mut see = |row: &[u64]| {
            let support = self.support(row);
            if !support.is_empty() && found.as_ref().is_none_or(|best| support.len() < best.len()) {
                found = Some(support);
            }
        };
        for (i, row) in self.basis.iter().enumerate() {
            see(row);
            for other in &self.basis[i + 1..] {
                for column in (0..row.len()).filter(|column| row[*column] != 0 && other[*column] != 0) {
                    let factor = mul(row[column], inverse(other[column]));
                    see(&row.iter().zip(other).map(|(a, b)| sub(*a, mul(factor, *b))).collect::<Vec<_>>());
                }
            }
        }
        if self.columns.len() <= 12 {
            (1u32..1 << self.columns.len()).for_each(|set| self.within(set).iter().for_each(|row| see(row)));
        }
        found.unwrap_or_default()
    }

    /// A combination that holds only figures of `set` (a bit for each column).
    fn within(&self, set: u32) -> Option<Vec<u64>> {
        let inside = |column: &usize| set >> column & 1 == 1;
        let width = self.columns.len();
        let order: Vec<usize> = (0..width).filter(|c| !inside(c)).chain((0..width).filter(inside)).collect();
        let outside = order.len() - usize::try_from(set.count_ones()).unwrap_or(0);
        let turned = self.basis.iter().map(|row| order.iter().map(|column| row[*column]).collect()).collect();
        let free = reduce(turned).into_iter().find(|row| row[..outside].iter().all(|value| *value == 0))?;
        let mut row = vec![0; width];
        order.iter().zip(free).for_each(|(column, value)| row[*column] = value);
        Some(row)
    }
}

/// Judges what was seen: in each slot at most one sum, over at least `least` honest nodes; nothing more from
/// all slots together; no unchanged extract in sums over two sets.
#[must_use]
pub fn judge(forms: &[Form], least: usize) -> Verdict {
    let mut verdict = Verdict::default();
    let slots: BTreeSet<u64> = forms.iter().map(|form| form.slot).collect();
    let mut sums: Vec<Vec<Figure>> = Vec::new();
    let mut own: Vec<BTreeMap<Figure, u64>> = Vec::new();
    for slot in slots {
        let space = leaked(forms.iter().filter(|form| form.slot == slot));
        own.extend(
            space.basis.iter().map(|row| space.columns.iter().copied().zip(row.iter().copied()).collect()),
        );
        let nodes = |figures: &[Figure]| figures.iter().map(|(node, _)| *node).collect::<Vec<_>>();
        match (space.sums(), space.one_sum()) {
            (0, _) => {}
            (1, None) => verdict.leaks.push(Leak::Weighted { slot }),
            (1, Some(sum)) => {
                verdict.opened += 1;
                if sum.len() < least {
                    verdict.leaks.push(Leak::TooFew { slot, members: nodes(&sum) });
                }
                sums.push(sum);
            }
            (count, _) => {
                let isolated = nodes(&space.isolated());
                verdict.leaks.push(Leak::Several { slot, sums: count, isolated });
            }
        }
    }
    let all = leaked(forms.iter());
    let dense =
        |row: &BTreeMap<Figure, u64>| all.columns.iter().map(|c| row.get(c).copied().unwrap_or(0)).collect();
    if all.sums() > reduce(own.iter().map(dense).collect()).len() {
        verdict.leaks.push(Leak::Across);
    }
    verdict.leaks.extend(moved(&sums).map(|node| Leak::Moved { node }));
    verdict
}

/// A node whose unchanged extract is in two of these sums, over different nodes.
fn moved(sums: &[Vec<Figure>]) -> Option<NodeId> {
    let nodes = |sum: &[Figure]| sum.iter().map(|(node, _)| *node).collect::<BTreeSet<_>>();
    for (i, one) in sums.iter().enumerate() {
        for other in &sums[i + 1..] {
            let shared = one.iter().find(|figure| other.contains(figure));
            if let (Some((node, _)), true) = (shared, nodes(one) != nodes(other)) {
                return Some(*node);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(node: u16) -> Figure {
        (NodeId(node), ExtractHash([1; 32]))
    }

    fn form(node: u16, masks: &[(u8, i8)]) -> Form {
        let masks = masks.iter().map(|(seed, sign)| ([*seed; 32], *sign)).collect();
        Form { slot: 1, figure: figure(node), masks }
    }

    #[test]
    fn pair_masks_cancel_only_in_the_whole_sum() {
        let all =
            [form(1, &[(12, 1), (13, 1)]), form(2, &[(12, -1), (23, 1)]), form(3, &[(13, -1), (23, -1)])];
        let space = leaked(all.iter());
        assert_eq!(space.one_sum(), Some(vec![figure(1), figure(2), figure(3)]));
        assert_eq!(leaked(all[..2].iter()).sums(), 0);
        assert!(judge(&all, 3).leaks.is_empty());
        assert!(matches!(judge(&all, 4).leaks[..], [Leak::TooFew { .. }]));
    }

    #[test]
    fn two_sums_isolate_their_difference() {
        let forms =
            [form(1, &[]), form(2, &[(1, 1)]), form(3, &[(1, -1)]), form(2, &[(2, 1)]), form(1, &[(2, -1)])];
        let space = leaked(forms.iter());
        assert_eq!(space.sums(), 3);
        assert_eq!(space.isolated().len(), 1);
        assert!(matches!(&judge(&forms, 1).leaks[..], [Leak::Several { sums: 3, .. }]));
    }

    #[test]
    fn the_smallest_set_may_need_three_rows() {
        let columns: Vec<Figure> = (1..=5).map(figure).collect();
        let basis = reduce(vec![vec![1, 1, 1, 1, 0], vec![1, 1, 0, 0, 1], vec![0, 0, 1, 1, 2]]);
        let space = Space { columns, basis };
        assert_eq!(space.sums(), 3);
        assert_eq!(space.isolated(), [figure(5)]);
    }

    #[test]
    fn masks_that_two_slots_share_are_found() {
        let later = Form { slot: 2, figure: (NodeId(1), ExtractHash([2; 32])), masks: vec![([9; 32], 1)] };
        let forms = [form(1, &[(9, 1)]), later];
        assert_eq!(judge(&forms, 1).leaks, [Leak::Across]);
    }

    #[test]
    fn an_unchanged_extract_in_two_sets_is_found() {
        let later = |node| Form { slot: 2, ..form(node, &[]) };
        let one = [form(1, &[(1, 1)]), form(2, &[(1, -1)])];
        assert_eq!(
            judge(&[one[0].clone(), one[1].clone(), later(1)], 1).leaks,
            [Leak::Moved { node: NodeId(1) }]
        );
    }
}
