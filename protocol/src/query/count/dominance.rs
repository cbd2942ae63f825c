//! Whether one hospital makes up most of a figure: the only rule that no count of hospitals tells.
//!
//! Owns how a hospital compares its own figures with totals that opened before (protocol.md 3.2, (a)). The largest
//! of several figures is no sum, so each hospital judges its own and says 0 or 1. It must not know rows, and it
//! knows no total that is not public.

use super::{Counting, Open, Placed};
use crate::query::Layout;
use crate::ring;

/// What a hospital holds its figures to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dominance {
    percent: u8,
    /// Of each figure that is judged, box by box: the last total that opened, without its sign; 0 where none is known.
    totals: Vec<u64>,
}

impl Dominance {
    /// A share of more than `percent` of a total is dominant. `totals` may be fewer than the figures: there is none
    /// of the others.
    #[must_use]
    pub fn new(percent: u8, totals: Vec<u64>) -> Dominance {
        Dominance { percent, totals }
    }

    /// The same with other totals.
    #[must_use]
    pub fn with(&self, totals: Vec<u64>) -> Dominance {
        Dominance { percent: self.percent, totals }
    }

    /// The totals, box by box.
    #[must_use]
    pub fn totals(&self) -> &[u64] {
        &self.totals
    }

    /// Whether there is a total to compare a figure with. One of 0 says nothing of shares.
    #[must_use]
    pub fn compares(&self, place: usize) -> bool {
        self.totals.get(place).is_some_and(|total| *total > 0)
    }

    /// Whether a hospital's own figure, in base units as the total, is more than its share of it.
    #[must_use]
    pub fn is_dominant(&self, place: usize, own: i64) -> bool {
        let total = self.totals.get(place).copied().unwrap_or(0);
        let (own, total) = (u128::from(own.unsigned_abs()), u128::from(total));
        total > 0 && own.saturating_mul(100) > total.saturating_mul(u128::from(self.percent))
    }
}

/// The stricter of two rules of dominance: the lower share; 0 is no rule.
#[must_use]
pub fn stricter(one: u8, other: u8) -> u8 {
    match (one, other) {
        (0, other) => other,
        (one, 0) => one,
        (one, other) => one.min(other),
    }
}

impl Counting {
    /// The figures whose shares are judged, of each box.
    #[must_use]
    pub fn judged(&self) -> &[Placed] {
        &self.judged
    }

    /// How many hospitals compared their figures of a measure in a box with a total, of these totals of the count
    /// pass; the fewest, where it has several. None where nothing of it is judged.
    #[must_use]
    pub fn compared(&self, totals: &[u64], index: u32, measure: usize) -> Option<u64> {
        let lanes = self.lanes();
        let first = usize::try_from(index).ok()?.checked_mul(lanes.len())?;
        let of = |judged: &usize| {
            let place = lanes.iter().position(|lane| *lane == super::Lane::Compared(*judged))?;
            totals.get(first.checked_add(place)?).copied()
        };
        self.measures.get(measure)?.judged.iter().filter_map(of).min()
    }

    /// What later sums are compared with: the totals of the figures that are judged and opened, without their signs,
    /// box by box; 0 elsewhere. `lanes` are those of the value pass, offsets still on.
    #[must_use]
    pub fn opened_totals(&self, layout: &Layout, open: &Open, lanes: &[u64], survivors: u16) -> Vec<u64> {
        let total = |index: u32, part: &Placed| {
            let figure = layout.figures_of(part.measure).start.checked_add(part.part)?;
            let figures = u32::try_from(layout.figures()).ok()?;
            let cell = index.checked_mul(figures)?.checked_add(u32::try_from(figure).ok()?)?;
            let lane = lanes.get(usize::try_from(cell).ok()?)?;
            let total = ring::total(*lane, survivors, layout.bounds(cell).0);
            u64::try_from(total.unsigned_abs()).ok().filter(|_| open.is_open(index, part.measure))
        };
        let boxes = 0..self.boxes;
        boxes.flat_map(|index| self.judged.iter().map(move |one| total(index, one).unwrap_or(0))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_its_share_of_the_total_is_dominant() {
        let dominance = Dominance::new(80, vec![1000, 0, u64::MAX]);
        for (place, own, dominant) in [
            (0, 800, false),
            (0, 801, true),
            (0, -801, true),
            (0, 0, false),
            (1, 1, false),
            (3, i64::MAX, false),
            (2, i64::MAX, false),
            (0, i64::MIN, true),
        ] {
            assert_eq!(dominance.is_dominant(place, own), dominant, "{own} of total {place}");
        }
        assert_eq!([0, 1, 2, 3].map(|place| dominance.compares(place)), [true, false, true, false]);
    }

    #[test]
    fn the_lower_share_is_stricter_and_0_is_no_rule() {
        for (one, other, both) in [(0, 0, 0), (80, 0, 80), (0, 50, 50), (80, 50, 50)] {
            assert_eq!((stricter(one, other), stricter(other, one)), (both, both));
        }
    }
}
