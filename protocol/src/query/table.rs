//! Opened cells -> the national table.
//!
//! Owns what is shown of a figure that stayed closed: nothing. It must not know why it did.

use super::Query;
use super::count::{Counting, Open};
use super::decimal::{Decimal, write_decimal};
use super::derive::{Derive, DeriveKind};
use super::derived::{Figure, Opened};
use super::layout::Layout;
use core::fmt;
use std::collections::BTreeMap;

/// A figure of the national table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// `mantissa / 10^scale`, exact.
    Number {
        /// All digits.
        mantissa: i128,
        /// How many of them are decimals.
        scale: u8,
    },
    /// Fewer hospitals or patients than the floor stand behind this cell.
    Suppressed,
    /// A figure that divides by zero or has no solution.
    NoUse,
    /// A quantile in the lowest class, which has an upper end only.
    Below(Decimal),
    /// A quantile in the highest class, which has a lower end only.
    AtLeast(Decimal),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number { mantissa, scale } => write_decimal(f, *mantissa, *scale),
            Value::Suppressed => f.write_str("suppressed"),
            Value::NoUse => f.write_str("no use"),
            Value::Below(end) => write!(f, "<{end}"),
            Value::AtLeast(end) => write!(f, ">={end}"),
        }
    }
}

/// One line of the national table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Column name and value of every dimension, in their order.
    pub labels: Vec<(String, String)>,
    /// Name of the measure or derived figure.
    pub measure: String,
    /// What it is within its measure, such as a class of a histogram; empty where it is the only figure.
    pub part: String,
    /// The figure.
    pub value: Value,
    /// Its unit, as text; `1` for a plain number.
    pub unit: String,
    /// How many hospitals have rows behind it; of a derived figure, behind the least of those it is made of.
    /// None where nothing was counted.
    pub hospitals: Option<u64>,
    /// How many hospitals compared their share with the last total; as `hospitals`. None where no dominance is judged.
    pub compared: Option<u64>,
}

/// Which figures are shown.
#[derive(Debug, Clone, Copy)]
pub enum Shown<'a> {
    /// All of them: no floor is held, or a hospital looks at its own.
    All,
    /// Those that opened after a count pass.
    Counted {
        /// What was counted.
        counting: &'a Counting,
        /// What opened because of it.
        open: &'a Open,
        /// The count pass's totals.
        totals: &'a [u64],
    },
}

impl Shown<'_> {
    fn is_hidden(&self, index: usize, measure: usize) -> bool {
        let Shown::Counted { open, .. } = self else { return false };
        u32::try_from(index).map_or(true, |index| !open.is_open(index, measure))
    }

    /// Hospitals with rows behind a measure in a box.
    fn holders(&self, index: usize, measure: usize) -> Option<u64> {
        let Shown::Counted { counting, totals, .. } = self else { return None };
        counting.holders(totals, u32::try_from(index).ok()?, measure)
    }

    /// Hospitals that compared their share of a measure in a box.
    fn compared(&self, index: usize, measure: usize) -> Option<u64> {
        let Shown::Counted { counting, totals, .. } = self else { return None };
        counting.compared(totals, u32::try_from(index).ok()?, measure)
    }
}

/// The table of the opened cells, in the order of the layout, derived figures after the measures of their cell.
/// Empty when `opened` is not one value per cell.
#[must_use]
pub fn table(query: &Query, opened: &[i128], shown: &Shown) -> Vec<Row> {
    let layout = query.layout();
    if usize::try_from(layout.cells()) != Ok(opened.len()) || opened.is_empty() {
        return Vec::new();
    }
    let all: Vec<&[i128]> = opened.chunks(layout.figures()).collect();
    let measures = query.measures().len();
    let hidden: Vec<Vec<bool>> = (0..all.len())
        .map(|index| (0..measures).map(|measure| shown.is_hidden(index, measure)).collect())
        .collect();
    let wholes: Vec<Wholes> =
        query.derives().iter().map(|derive| wholes(derive, &layout, &all, &hidden)).collect();
    let mut rows = Vec::new();
    for (index, cell) in all.iter().enumerate() {
        let places = places(&layout, index);
        let labels = labels(query, &places);
        let hidden = |measure: usize| hidden.get(index).and_then(|all| all.get(measure)) != Some(&false);
        let mut put = |name: &str, figure: Figure, of: &[usize]| {
            let suppressed = of.iter().any(|measure| hidden(*measure));
            rows.push(Row {
                labels: labels.clone(),
                measure: name.to_owned(),
                part: figure.part,
                value: if suppressed { Value::Suppressed } else { figure.value },
                unit: figure.unit,
                hospitals: of.iter().filter_map(|measure| shown.holders(index, *measure)).min(),
                compared: of.iter().filter_map(|measure| shown.compared(index, *measure)).min(),
            });
        };
        for (at, measure) in query.measures().iter().enumerate() {
            let figures = cell.get(layout.figures_of(at)).unwrap_or_default();
            for (part, mantissa) in measure.parts().unwrap_or_default().into_iter().zip(figures) {
                let value = Value::Number { mantissa: *mantissa, scale: part.scale };
                put(measure.name(), Figure { part: part.name, value, unit: part.unit }, &[at]);
            }
        }
        for (derive, wholes) in query.derives().iter().zip(&wholes) {
            let whole = wholes.get(&apart(derive, &places)).copied().flatten();
            for figure in (Opened { query, layout: &layout, cell, whole }).figures(derive) {
                put(derive.name(), figure, &derive.made_of());
            }
        }
    }
    rows
}

/// Sums by the places of their cells but for those that a share goes over; `None` where a cell of the sum is
/// not shown, for the shares of the others would tell it.
type Wholes = BTreeMap<Vec<usize>, Option<i128>>;

fn wholes(derive: &Derive, layout: &Layout, all: &[&[i128]], hidden: &[Vec<bool>]) -> Wholes {
    let mut wholes = Wholes::new();
    let DeriveKind::Share { of, .. } = derive.kind() else { return wholes };
    let first = layout.figures_of(usize::from(*of)).start;
    for (index, (cell, hidden)) in all.iter().zip(hidden).enumerate() {
        let sum = wholes.entry(apart(derive, &places(layout, index))).or_insert(Some(0));
        let shown = hidden.get(usize::from(*of)) == Some(&false);
        let figure = if shown { cell.get(first) } else { None };
        *sum = sum.and_then(|sum| sum.checked_add(*figure?));
    }
    wholes
}

/// The places of a cell, without that of the dimension a share goes over; none where it goes over all.
fn apart(derive: &Derive, places: &[usize]) -> Vec<usize> {
    let DeriveKind::Share { over: Some(over), .. } = derive.kind() else { return Vec::new() };
    let others = places.iter().enumerate().filter(|(at, _)| *at != usize::from(*over));
    others.map(|(_, place)| *place).collect()
}

fn places(layout: &Layout, index: usize) -> Vec<usize> {
    let first = index.checked_mul(layout.figures()).and_then(|cell| u32::try_from(cell).ok());
    first.and_then(|cell| layout.place(cell)).map(|(places, _)| places).unwrap_or_default()
}

fn labels(query: &Query, places: &[usize]) -> Vec<(String, String)> {
    let dimensions = query.dimensions().iter().zip(places);
    dimensions
        .filter_map(|(dimension, place)| {
            Some((dimension.column().name().to_owned(), dimension.label(*place)?))
        })
        .collect()
}
