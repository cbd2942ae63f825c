//! Opened cells -> figures: ratios, floors, decimal text.
//!
//! Owns what is shown of a cell below the floor: nothing. It must not know how the cells were opened.

use super::Query;
use super::decimal::{divide_half_even, pow10, write_decimal};
use super::layout::Layout;
use super::measure::{Derive, MeasureKind};
use core::fmt;

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
    /// Fewer hospitals than the floor stand behind this cell.
    Suppressed,
    /// A ratio whose denominator is zero.
    NoUse,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number { mantissa, scale } => write_decimal(f, *mantissa, *scale),
            Value::Suppressed => f.write_str("suppressed"),
            Value::NoUse => f.write_str("no use"),
        }
    }
}

/// One line of the national table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Column name and code of every dimension, in their order.
    pub labels: Vec<(String, String)>,
    /// Name of the measure or derived figure.
    pub measure: String,
    /// The figure.
    pub value: Value,
    /// Its unit, as text; `1` for a ratio of equal units.
    pub unit: String,
}

/// The national table of the opened cells, in the order of the layout, derived figures after the measures
/// of their cell. The query's own floor is applied. Empty when `opened` is not one value per cell.
#[must_use]
pub fn table(query: &Query, opened: &[i128]) -> Vec<Row> {
    table_with_floor(query, opened, query.floor_hospitals())
}

/// As [`table`], with the floor that roster, warrant and members give.
#[must_use]
pub fn table_with_floor(query: &Query, opened: &[i128], floor: u16) -> Vec<Row> {
    let layout = query.layout();
    if usize::try_from(layout.cells()) != Ok(opened.len()) || opened.is_empty() {
        return Vec::new();
    }
    let mut rows = Vec::new();
    for (index, cell) in opened.chunks(layout.measures()).enumerate() {
        let labels = labels(query, &layout, index);
        let suppressed = below_floor(query, cell, floor);
        let shown = |value| if suppressed { Value::Suppressed } else { value };
        for (measure, mantissa) in query.measures().iter().zip(cell) {
            rows.push(Row {
                labels: labels.clone(),
                measure: measure.name().to_owned(),
                value: shown(Value::Number { mantissa: *mantissa, scale: measure.scale() }),
                unit: measure.unit_text().to_owned(),
            });
        }
        for derive in query.derives() {
            rows.push(Row {
                labels: labels.clone(),
                measure: derive.name().to_owned(),
                value: shown(ratio(query, derive, cell)),
                unit: ratio_unit(query, derive),
            });
        }
    }
    rows
}

fn labels(query: &Query, layout: &Layout, index: usize) -> Vec<(String, String)> {
    let first = index.checked_mul(layout.measures()).and_then(|cell| u32::try_from(cell).ok());
    let places = first.and_then(|cell| layout.place(cell)).map(|(places, _)| places).unwrap_or_default();
    query
        .dimensions()
        .iter()
        .zip(places)
        .filter_map(|(dimension, place)| {
            let code = dimension.codes().get(place)?;
            Some((dimension.column().name().to_owned(), code.to_string()))
        })
        .collect()
}

fn below_floor(query: &Query, cell: &[i128], floor: u16) -> bool {
    let floor = i128::from(floor);
    query
        .measures()
        .iter()
        .zip(cell)
        .any(|(measure, count)| matches!(measure.kind(), MeasureKind::Hospitals { .. }) && *count < floor)
}

/// Within the bounds of a layout and 65,535 hospitals nothing here leaves `i128`; figures outside every
/// bound are not shown.
fn ratio(query: &Query, derive: &Derive, cell: &[i128]) -> Value {
    let computed = || {
        let (top, top_scale) = side(query, derive.numerator(), cell)?;
        let (bottom, bottom_scale) = side(query, derive.denominator(), cell)?;
        if bottom == 0 {
            return Some(Value::NoUse);
        }
        let top = top.checked_mul(pow10(bottom_scale)?)?;
        let bottom = bottom.checked_mul(pow10(top_scale)?)?;
        let mantissa = divide_half_even(top, bottom, derive.scale())?;
        Some(Value::Number { mantissa, scale: derive.scale() })
    };
    computed().unwrap_or(Value::Suppressed)
}

/// The sum of one side of a ratio at the finest scale of its measures.
fn side(query: &Query, positions: impl Iterator<Item = usize>, cell: &[i128]) -> Option<(i128, u8)> {
    let parts: Option<Vec<(i128, u8)>> = positions
        .map(|position| Some((*cell.get(position)?, query.measures().get(position)?.scale())))
        .collect();
    let parts = parts?;
    let scale = parts.iter().map(|(_, scale)| *scale).max()?;
    let sum = parts.iter().try_fold(0_i128, |sum, (value, own)| {
        sum.checked_add(value.checked_mul(pow10(scale.checked_sub(*own)?)?)?)
    })?;
    Some((sum, scale))
}

fn ratio_unit(query: &Query, derive: &Derive) -> String {
    let unit = |mut positions: Box<dyn Iterator<Item = usize> + '_>| {
        let first = positions.next().and_then(|position| query.measures().get(position));
        first.map_or("", |measure| measure.unit_text())
    };
    let (top, bottom) = (unit(Box::new(derive.numerator())), unit(Box::new(derive.denominator())));
    if top == bottom { "1".to_owned() } else { format!("{top}/{bottom}") }
}
