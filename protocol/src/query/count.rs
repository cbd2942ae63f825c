//! What is counted of every cell before a figure of it is opened (protocol.md 3.2), and which figures open.
//!
//! Owns the lanes of the count pass and the rule of opening, a pure function that every party computes for
//! itself. A *box* is one combination of the dimensions' classes. Measures with different filters sum rows that
//! are parts of one another, so what is counted are the *atoms* of a box: the rows that meet exactly these
//! filters. Whatever is opened can be added and subtracted; what comes of it is about unions of atoms, and
//! each of those has no rows, or enough hospitals behind it.

mod dominance;
mod groups;
mod open;
pub mod tree;

pub use dominance::{Dominance, stricter};
pub use open::Open;

use super::expr::Expr;
use super::measure::{Measure, MeasureKind, Per};
use super::{MAX_CELLS, Query};
use groups::Group;

/// Most different filters of the measures of one query under a floor: each doubles what is counted.
pub const MAX_FILTERS: usize = 6;
/// Most figures whose shares are judged: each hospital keeps a total of each.
const MAX_JUDGED: u32 = 65_536;

/// What each hospital says of a box: every lane is 0 or 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counting {
    boxes: u32,
    filters: Vec<Expr>,
    /// Whether some measure is over all rows.
    whole: bool,
    patients: bool,
    matters: Vec<Matter>,
    values: Vec<Placed>,
    /// What one hospital must not make up most of; none where no dominance is judged.
    judged: Vec<Placed>,
    /// Of each measure: its rows, and what it adds.
    measures: Vec<Counted>,
    groups: Vec<Group>,
}

/// A number that is added up row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matter {
    /// The number.
    pub of: Expr,
    /// Decimals of its sum: what is rounded to 0 adds nothing.
    pub scale: u8,
}

/// One of the figures of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Position of the measure.
    pub measure: usize,
    /// Which of its figures.
    pub part: usize,
}

/// What is counted for one measure.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Counted {
    /// Which rows: a filter's place, or all.
    rows: Option<usize>,
    /// Places of the numbers it adds row by row.
    matters: Vec<usize>,
    /// Places among the values of the hospital.
    values: Vec<usize>,
    /// Places among what is judged.
    judged: Vec<usize>,
}

/// What a lane says of the hospital's own rows in a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// There are rows in this atom.
    Rows(usize),
    /// There are enough patients in this atom.
    Patients(usize),
    /// The sum of this matter over this atom is not 0.
    Matter(usize, usize),
    /// This value of the hospital, over the rows of its measure, is not 0.
    Value(usize),
    /// There are rows that meet this filter; all rows for none.
    Set(Option<usize>),
    /// The hospital knows a total of what is judged here to compare its own figure with.
    Compared(usize),
    /// Its own figure is more than its share of that total.
    Dominant(usize),
}

impl Counting {
    /// Of a query whose parameters have values; `None` where there is too much to count. `patients`: whether
    /// a floor of patients is held.
    #[must_use]
    pub fn of(query: &Query, patients: bool) -> Option<Counting> {
        Counting::judging(query, patients, false)
    }

    /// The same; `dominance`: whether no hospital may make up most of a figure.
    #[must_use]
    pub fn judging(query: &Query, patients: bool, dominance: bool) -> Option<Counting> {
        let layout = query.layout();
        let figures = u32::try_from(layout.figures()).ok()?;
        let mut counting = Counting {
            boxes: layout.cells().checked_div(figures)?,
            filters: Vec::new(),
            whole: false,
            patients,
            matters: Vec::new(),
            values: Vec::new(),
            judged: Vec::new(),
            measures: Vec::new(),
            groups: Vec::new(),
        };
        for (place, measure) in query.measures().iter().enumerate() {
            let rows = if measure.filter().is_always() {
                counting.whole = true;
                None
            } else {
                Some(place_of(&mut counting.filters, measure.filter()))
            };
            let (mut matters, mut values, mut judged) = (Vec::new(), Vec::new(), Vec::new());
            for Added { of, per, part } in added(measure) {
                if dominance {
                    judged.push(counting.judged.len());
                    counting.judged.push(Placed { measure: place, part });
                }
                match per {
                    Per::Row => {
                        let matter = Matter { of: of.clone(), scale: measure.scale() };
                        matters.push(place_of(&mut counting.matters, &matter));
                    }
                    Per::Hospital => {
                        values.push(counting.values.len());
                        counting.values.push(Placed { measure: place, part });
                    }
                }
            }
            counting.measures.push(Counted { rows, matters, values, judged });
        }
        counting.groups = groups::of(query, &counting.measures);
        let cells = counting.boxes.checked_mul(u32::try_from(counting.lanes().len()).ok()?)?;
        let judged = counting.boxes.checked_mul(u32::try_from(counting.judged.len()).ok()?)?;
        let few = counting.filters.len() <= MAX_FILTERS && judged <= MAX_JUDGED;
        (few && cells <= MAX_CELLS).then_some(counting)
    }

    /// The number of boxes.
    #[must_use]
    pub fn boxes(&self) -> u32 {
        self.boxes
    }

    /// Cells of the count pass: the lanes of every box.
    #[must_use]
    pub fn cells(&self) -> u32 {
        u32::try_from(self.lanes().len()).unwrap_or(u32::MAX).saturating_mul(self.boxes)
    }

    /// The different filters of the measures: bit i of an atom's number says that its rows meet the i-th.
    #[must_use]
    pub fn filters(&self) -> &[Expr] {
        &self.filters
    }

    /// The numbers whose sums over rows are opened.
    #[must_use]
    pub fn matters(&self) -> &[Matter] {
        &self.matters
    }

    /// The figures that are one value of the hospital.
    #[must_use]
    pub fn values(&self) -> &[Placed] {
        &self.values
    }

    /// Whether there is a floor of patients.
    #[must_use]
    pub fn counts_patients(&self) -> bool {
        self.patients
    }

    /// Numbers of the atoms; rows that no measure counts are in none.
    #[must_use]
    pub fn atoms(&self) -> Vec<usize> {
        let all = 1usize.checked_shl(u32::try_from(self.filters.len()).unwrap_or(u32::MAX)).unwrap_or(0);
        (usize::from(!self.whole)..all).collect()
    }

    /// The lanes of one box, in their order.
    #[must_use]
    pub fn lanes(&self) -> Vec<Lane> {
        let atoms = self.atoms();
        let mut lanes: Vec<Lane> = atoms.iter().map(|atom| Lane::Rows(*atom)).collect();
        if self.patients {
            lanes.extend(atoms.iter().map(|atom| Lane::Patients(*atom)));
        }
        for matter in 0..self.matters.len() {
            lanes.extend(atoms.iter().map(|atom| Lane::Matter(matter, *atom)));
        }
        lanes.extend((0..self.values.len()).map(Lane::Value));
        // One atom is the one set of rows.
        if atoms.len() > 1 {
            lanes.extend(self.sets().into_iter().map(Lane::Set));
        }
        lanes.extend((0..self.judged.len()).map(Lane::Compared));
        lanes.extend((0..self.judged.len()).map(Lane::Dominant));
        lanes
    }

    /// The different sets of rows that measures count.
    fn sets(&self) -> Vec<Option<usize>> {
        let whole = if self.whole { Some(None) } else { None };
        whole.into_iter().chain((0..self.filters.len()).map(Some)).collect()
    }

    /// How many hospitals have rows behind a measure in a box, of these totals of the count pass.
    #[must_use]
    pub fn holders(&self, totals: &[u64], index: u32, measure: usize) -> Option<u64> {
        let lanes = self.lanes();
        let set = self.measures.get(measure)?.rows;
        let one = |lane: &Lane| match lane {
            Lane::Set(of) => *of == set,
            Lane::Rows(_) => self.atoms().len() == 1,
            _ => false,
        };
        let place = lanes.iter().position(one)?;
        let cell = usize::try_from(index).ok()?.checked_mul(lanes.len())?.checked_add(place)?;
        totals.get(cell).copied()
    }
}

fn place_of<T: Clone + PartialEq>(all: &mut Vec<T>, one: &T) -> usize {
    all.iter().position(|other| other == one).unwrap_or_else(|| {
        all.push(one.clone());
        all.len().saturating_sub(1)
    })
}

/// A number that a measure adds up: of what one is taken, and which of its figures is the sum.
pub(super) struct Added<'a> {
    pub(super) of: &'a Expr,
    per: Per,
    part: usize,
}

pub(super) fn added(measure: &Measure) -> Vec<Added<'_>> {
    match measure.kind() {
        MeasureKind::Sum { of, .. } => vec![Added { of, per: Per::Row, part: 0 }],
        MeasureKind::Moments { of, per, .. } => vec![Added { of, per: *per, part: 1 }],
        MeasureKind::Regression { outcome, predictors, per, .. } => {
            // The first row of X'X, then the rows below it; y comes behind them.
            let columns = predictors.len().saturating_add(1);
            let above = (1..=columns).fold(0usize, usize::saturating_add);
            let outcome = Added { of: outcome, per: *per, part: above };
            let sums = (1usize..).zip(predictors.iter());
            sums.map(|(part, of)| Added { of, per: *per, part }).chain([outcome]).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
