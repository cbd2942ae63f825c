//! The cells of a query: a pure function of it, the same at every party.
//!
//! The index of a cell is its place in the product of the dimensions in their order (last fastest), times
//! the figures of the measures (fastest of all). Every hospital contributes every cell.

use super::Query;

/// Most cells of one query.
pub const MAX_CELLS: u32 = 2_000_000;

/// Cells and their bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    sizes: Vec<u32>,
    bounds: Vec<(i64, i64)>,
    /// Where the figures of each measure begin, and behind them all their number.
    starts: Vec<usize>,
    cells: u32,
}

impl Layout {
    /// The layout of these parts; `None` when there are more than [`MAX_CELLS`] or a bound does not fit.
    pub(super) fn of(query: &Query) -> Option<Layout> {
        let sizes: Option<Vec<u32>> =
            query.dimensions().iter().map(|dimension| u32::try_from(dimension.size()).ok()).collect();
        let sizes = sizes?;
        let (mut bounds, mut starts) = (Vec::new(), vec![0]);
        for measure in query.measures() {
            bounds.extend(measure.parts()?.iter().map(|part| (part.low, part.high)));
            starts.push(bounds.len());
        }
        let figures = u32::try_from(bounds.len()).ok()?;
        let cells = sizes.iter().try_fold(figures, |cells, size| cells.checked_mul(*size))?;
        (cells <= MAX_CELLS).then_some(Layout { sizes, bounds, starts, cells })
    }

    /// A layout without cells, which stands for a query that was never checked.
    pub(super) fn empty() -> Layout {
        Layout { sizes: Vec::new(), bounds: Vec::new(), starts: Vec::new(), cells: 0 }
    }

    /// The number of cells.
    #[must_use]
    pub fn cells(&self) -> u32 {
        self.cells
    }

    /// The number of figures side by side: those of all measures.
    #[must_use]
    pub fn figures(&self) -> usize {
        self.bounds.len()
    }

    /// Where the figures of a measure lie among those side by side.
    #[must_use]
    pub fn figures_of(&self, measure: usize) -> core::ops::Range<usize> {
        let start = |at: usize| self.starts.get(at).copied().unwrap_or(0);
        start(measure)..start(measure.saturating_add(1))
    }

    /// The measure that a figure belongs to.
    #[must_use]
    pub fn measure_of(&self, figure: usize) -> Option<usize> {
        let behind = self.starts.partition_point(|start| *start <= figure);
        behind.checked_sub(1).filter(|_| figure < self.bounds.len())
    }

    /// Least and most one hospital may contribute to this cell, in base units of its figure's scale;
    /// nothing but zero outside the layout.
    #[must_use]
    pub fn bounds(&self, cell: u32) -> (i64, i64) {
        let bounds = self.place(cell).and_then(|(_, figure)| self.bounds.get(figure).copied());
        bounds.unwrap_or((0, 0))
    }

    /// The widest range of all figures, in base units.
    #[must_use]
    pub fn widest(&self) -> u64 {
        self.bounds.iter().map(|(low, high)| high.abs_diff(*low)).max().unwrap_or(0)
    }

    /// The index of a cell from the place in each dimension and the figure.
    #[must_use]
    pub fn cell(&self, dims: &[usize], figure: usize) -> Option<u32> {
        if dims.len() != self.sizes.len() || figure >= self.bounds.len() {
            return None;
        }
        let mut index: u32 = 0;
        for (place, size) in dims.iter().zip(&self.sizes) {
            let place = u32::try_from(*place).ok().filter(|place| place < size)?;
            index = index.checked_mul(*size)?.checked_add(place)?;
        }
        let figures = u32::try_from(self.bounds.len()).ok()?;
        index.checked_mul(figures)?.checked_add(u32::try_from(figure).ok()?)
    }

    /// The place in each dimension and the figure of a cell.
    #[must_use]
    pub fn place(&self, cell: u32) -> Option<(Vec<usize>, usize)> {
        if cell >= self.cells {
            return None;
        }
        let figures = u32::try_from(self.bounds.len()).ok()?;
        let figure = usize::try_from(cell.checked_rem(figures)?).ok()?;
        let mut index = cell.checked_div(figures)?;
        let mut dims = Vec::new();
        for size in self.sizes.iter().rev() {
            dims.push(usize::try_from(index.checked_rem(*size)?).ok()?);
            index = index.checked_div(*size)?;
        }
        dims.reverse();
        Some((dims, figure))
    }
}
