//! Which cells of a vector are committed to together: a pure function of query and pass, the same at every party.
//!
//! A cell whose measure asks for a proof of its range (profile V3) is a block of its own; the others fill blocks
//! of 1,024 in their order, and come first. Owns the numbering and the limits. It must not see a value's meaning.

use super::pedersen::CELLS;

/// Most checked cells of one session.
pub const MAX_CHECKED: usize = 16_384;
/// Most bits that a node proves in one session: 8,192 cells of 16 bits, or the same work for others.
pub const MAX_CHECKED_BITS: usize = 1 << 17;
/// Bits that a proof of a range may have.
const WIDTHS: [u8; 5] = [1, 8, 16, 32, 64];

/// The blocks of one vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    cells: usize,
    /// How many figures lie side by side; they repeat.
    period: usize,
    /// Places of those that are not checked.
    open: Vec<usize>,
    /// Places of those that are, and the greatest value of each.
    checked: Vec<(usize, u64)>,
}

/// A cell whose range is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Its place in the vector.
    pub cell: u32,
    /// Its block.
    pub block: usize,
    /// The greatest value; the least is 0.
    pub cap: u64,
}

impl Checked {
    /// Bits of its proof: the first of 1, 8, 16, 32, 64 that holds the greatest value.
    #[must_use]
    pub fn bits(&self) -> u8 {
        let needed = 64u32.saturating_sub(self.cap.leading_zeros());
        WIDTHS.into_iter().find(|bits| u32::from(*bits) >= needed).unwrap_or(64)
    }
    /// True where so many bits hold greater values too, so that what is left up to the greatest is proven as well.
    #[must_use]
    pub fn is_two_sided(&self) -> bool {
        let all = u64::MAX.checked_shr(64u32.saturating_sub(u32::from(self.bits()))).unwrap_or(0);
        self.cap != all
    }
}

impl Blocks {
    /// Blocks of a vector of which nothing is checked.
    #[must_use]
    pub fn plain(cells: u32) -> Blocks {
        Blocks::new(cells, &[None])
    }

    /// Blocks of a vector of so many cells; `caps` has the greatest value of each checked one of the figures side
    /// by side, none for the others.
    #[must_use]
    pub fn new(cells: u32, caps: &[Option<u64>]) -> Blocks {
        let places = || caps.iter().enumerate();
        Blocks {
            cells: usize::try_from(cells).unwrap_or(usize::MAX),
            period: caps.len().max(1),
            open: if caps.is_empty() {
                vec![0]
            } else {
                places().filter(|(_, cap)| cap.is_none()).map(|(at, _)| at).collect()
            },
            checked: places().filter_map(|(at, cap)| Some((at, (*cap)?))).collect(),
        }
    }

    /// Cells of the vector.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// Cells that are checked.
    #[must_use]
    pub fn checked_cells(&self) -> usize {
        self.count(self.checked.iter().map(|(at, _)| *at))
    }

    /// Blocks of cells that are not.
    #[must_use]
    pub fn plain_blocks(&self) -> usize {
        self.count(self.open.iter().copied()).div_ceil(CELLS)
    }

    /// All blocks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.plain_blocks().saturating_add(self.checked_cells())
    }

    /// True for a vector without cells.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells == 0
    }

    /// True where a cell's range is proven.
    #[must_use]
    pub fn proves(&self) -> bool {
        !self.checked.is_empty() && self.cells > 0
    }

    /// True where neither limit is exceeded.
    #[must_use]
    pub fn is_affordable(&self) -> bool {
        let cells = self.checked_cells();
        cells <= MAX_CHECKED && self.bits() <= MAX_CHECKED_BITS
    }

    /// Bits that a node proves.
    #[must_use]
    pub fn bits(&self) -> usize {
        // Each place repeats; the cells of one cost the same.
        self.checked.iter().fold(0, |bits: usize, (at, cap)| {
            let one = Checked { cell: 0, block: 0, cap: *cap };
            let sides = if one.is_two_sided() { 2usize } else { 1 };
            let each = usize::from(one.bits()).saturating_mul(sides);
            bits.saturating_add(each.saturating_mul(self.count(core::iter::once(*at))))
        })
    }

    /// The cells of a block, ascending.
    pub fn cells_of(&self, block: usize) -> impl Iterator<Item = usize> + '_ {
        let alone = block.checked_sub(self.plain_blocks());
        let (from, many) = alone.map_or((block.saturating_mul(CELLS), CELLS), |nth| (nth, 1));
        let cell = move |nth: usize| {
            if alone.is_some() {
                self.nth(nth, self.checked.len(), |index| self.checked.get(index).map(|(at, _)| *at))
            } else {
                self.nth(nth, self.open.len(), |index| self.open.get(index).copied())
            }
        };
        (from..from.saturating_add(many)).map_while(cell)
    }

    /// The checked cells, ascending.
    pub fn checked(&self) -> impl Iterator<Item = Checked> + '_ {
        let plain = self.plain_blocks();
        let one = move |nth: usize| {
            let cap = |index: usize| self.checked.get(index).map(|(_, cap)| *cap);
            let cell =
                self.nth(nth, self.checked.len(), |index| self.checked.get(index).map(|(at, _)| *at))?;
            let cap = cap(nth.checked_rem(self.checked.len())?)?;
            Some(Checked { cell: u32::try_from(cell).ok()?, block: plain.saturating_add(nth), cap })
        };
        (0usize..).map_while(one)
    }

    /// The n-th cell at one of so many places of the period.
    fn nth(&self, nth: usize, places: usize, at: impl Fn(usize) -> Option<usize>) -> Option<usize> {
        let whole = nth.checked_div(places)?.checked_mul(self.period)?;
        let cell = whole.checked_add(at(nth.checked_rem(places)?)?)?;
        (cell < self.cells).then_some(cell)
    }

    /// How many cells are at these places of the period.
    fn count(&self, places: impl Iterator<Item = usize>) -> usize {
        let whole = self.cells.checked_div(self.period).unwrap_or(0);
        let rest = self.cells.checked_rem(self.period).unwrap_or(0);
        places.fold(0, |all, at| all.saturating_add(whole).saturating_add(usize::from(at < rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(blocks: &Blocks) -> Vec<Vec<usize>> {
        (0..blocks.len()).map(|block| blocks.cells_of(block).collect()).collect()
    }

    #[test]
    fn every_cell_is_in_exactly_one_block() {
        for caps in [
            vec![None],
            vec![Some(1)],
            vec![None, Some(7), None],
            vec![Some(255), None, Some(3), Some(0)],
            Vec::new(),
        ] {
            for cells in [0u32, 1, 2, 3, 7, 1023, 1024, 1025, 4099] {
                let blocks = Blocks::new(cells, &caps);
                let listed = all(&blocks);
                let mut cover = listed.concat();
                cover.sort_unstable();
                assert_eq!(cover, (0..cells as usize).collect::<Vec<_>>(), "{caps:?} x {cells}");
                assert!(listed.iter().all(|one| !one.is_empty() && one.is_sorted()));
                let alone: Vec<_> = blocks.checked().collect();
                assert_eq!(alone.len(), blocks.checked_cells());
                for one in alone {
                    assert_eq!(listed[one.block], [one.cell as usize]);
                    assert_eq!(caps[one.cell as usize % caps.len()], Some(one.cap));
                }
            }
        }
    }

    /// Without a checked cell nothing is other than it was.
    #[test]
    fn plain_blocks_are_pieces_of_1024() {
        let blocks = Blocks::plain(2050);
        assert_eq!((blocks.len(), blocks.proves()), (3, false));
        assert!(blocks.cells_of(1).eq(1024..2048) && blocks.cells_of(2).eq(2048..2050));
    }

    #[test]
    fn a_greatest_value_is_exact() {
        let of = |cap| Checked { cell: 0, block: 0, cap };
        let known = [(0, 1, true), (1, 1, false), (2, 8, true), (255, 8, false), (256, 16, true)];
        let wide = [(65_535, 16, false), (1 << 31, 32, true), (u64::MAX >> 32, 32, false)];
        for (cap, bits, two) in known.into_iter().chain(wide).chain([(u64::MAX, 64, false)]) {
            assert_eq!((of(cap).bits(), of(cap).is_two_sided()), (bits, two), "{cap}");
        }
    }

    #[test]
    fn both_limits_hold_to_the_cell() {
        assert!(Blocks::new(16_384, &[Some(1)]).is_affordable());
        assert!(!Blocks::new(16_385, &[Some(1)]).is_affordable());
        assert!(Blocks::new(8_192, &[Some(65_535)]).is_affordable());
        assert!(!Blocks::new(8_193, &[Some(65_535)]).is_affordable());
        assert!(Blocks::new(4_096, &[Some(65_534)]).is_affordable());
        assert!(!Blocks::new(4_097, &[Some(65_534)]).is_affordable());
        assert!(Blocks::new(2_000_000, &[None]).is_affordable());
    }
}
