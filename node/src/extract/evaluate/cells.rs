//! The figures of a query on their way into the cells of its layout.
//!
//! Owns what is the same wherever the rows lie, in the snapshot or in the hospital's database: which measures
//! are counted together, how figures of a cell become those of a measure, their range and their rounding (once,
//! half to even). It must not know SQL.

use super::functions::expressions;
use super::tally::{Lookup, Tally, Unfit};
use crate::extract::accounting::Accounting;
use crate::extract::cell::SCALE;
use crate::extract::error::ExtractError;
use samensom_protocol::query::{
    Aggregate, Column, Decimal, Expr, Layout, Measure, MeasureKind, Operand, Per, Query, Scalar, Term,
    divide_half_even, pow10,
};

/// A query, its layout, and what is told of its rows.
pub(in crate::extract) struct Cells<'a> {
    pub(super) query: &'a Query,
    pub(super) layout: Layout,
    pub(super) file: String,
    accounting: String,
}

/// How a measure's figures come of a statement's result.
pub(super) enum How {
    /// One column: a quantity to be rounded, or a count.
    Plain,
    /// A column for each figure of the cell that its expressions speak of.
    OfCell(Vec<Aggregate>),
    /// One column with all its figures.
    Tallied,
}

impl How {
    pub(super) fn of(kind: &MeasureKind) -> How {
        match kind {
            MeasureKind::Sum { of, .. } if quantity_alone(of).is_some() => How::Plain,
            MeasureKind::Rows { .. } | MeasureKind::Patients { .. } => How::Plain,
            MeasureKind::Hospitals { .. }
            | MeasureKind::Histogram { per: Per::Hospital, .. }
            | MeasureKind::Moments { per: Per::Hospital, .. }
            | MeasureKind::Regression { per: Per::Hospital, .. } => {
                let mut all: Vec<Aggregate> = Vec::new();
                for aggregate in expressions(kind).into_iter().flat_map(|expr| expr.aggregates()) {
                    if !all.contains(&aggregate) {
                        all.push(aggregate);
                    }
                }
                How::OfCell(all)
            }
            _ => How::Tallied,
        }
    }

    pub(super) fn columns(&self) -> usize {
        match self {
            How::Plain | How::Tallied => 1,
            How::OfCell(aggregates) => aggregates.len(),
        }
    }
}

/// The column, where a number is nothing but a column.
pub(super) fn quantity_alone(expr: &Expr) -> Option<Column> {
    match expr.terms() {
        [Term::Column(column)] => Some(*column),
        _ => None,
    }
}

impl<'a> Cells<'a> {
    /// Of a query without parameters over the rows that these are the counts of.
    pub(super) fn new(query: &'a Query, accounting: &Accounting) -> Cells<'a> {
        Cells {
            query,
            layout: query.layout(),
            file: accounting.file.clone(),
            accounting: accounting.to_string(),
        }
    }

    /// A figure for every cell, all nothing.
    pub(in crate::extract) fn nothing(&self) -> Vec<i64> {
        vec![0; usize::try_from(self.layout.cells()).unwrap_or(0)]
    }

    /// A cell without rows is no group, but the condition of a measure may hold there all the same.
    pub(super) fn put_without_rows(
        &self,
        measures: &[(usize, &Measure)],
        figures: &mut [i64],
    ) -> Result<(), ExtractError> {
        for (place, measure) in measures {
            if let MeasureKind::Hospitals { condition } = measure.kind() {
                let holds = condition.holds(&mut over_no_rows).map_err(|_| overflow(measure))?;
                if holds == Some(true) {
                    self.each_cell(*place, figures, 1);
                }
            }
        }
        Ok(())
    }

    /// Puts the figures of a measure into the cells at these places, each within its range.
    pub(super) fn put(
        &self,
        places: &[usize],
        (place, measure): (usize, &Measure),
        values: Vec<i128>,
        figures: &mut [i64],
    ) -> Result<(), ExtractError> {
        for (figure, value) in self.layout.figures_of(place).zip(values) {
            let Some(cell) = self.layout.cell(places, figure) else { continue };
            let value = self.within_range(cell, places, measure, value)?;
            if let Some(figure) = usize::try_from(cell).ok().and_then(|cell| figures.get_mut(cell)) {
                *figure = value;
            }
        }
        Ok(())
    }

    /// The figures of a measure of the hospital's own figures over the rows of a cell.
    pub(super) fn of_own_figures(
        &self,
        measure: &Measure,
        lookup: Lookup<'_>,
    ) -> Result<Vec<i128>, ExtractError> {
        if let MeasureKind::Hospitals { condition } = measure.kind() {
            let holds = condition.holds(lookup).map_err(|_| overflow(measure))?;
            return Ok(vec![i128::from(holds == Some(true))]);
        }
        let scales = scales(measure);
        let mut tally = Tally::new(scales.len());
        tally
            .add(measure.kind(), lookup)
            .and_then(|()| tally.figures(&scales))
            .map_err(|unfit| self.unfit(unfit, measure))
    }

    pub(super) fn unfit(&self, unfit: Unfit, measure: &Measure) -> ExtractError {
        match unfit {
            Unfit::Overflow => overflow(measure),
            Unfit::Divisors => ExtractError::Divisors { measure: measure.name().to_owned() },
            Unfit::Outside(value, range) => ExtractError::ValueOutOfRange {
                measure: measure.name().to_owned(),
                value,
                range,
                accounting: self.accounting.clone(),
            },
        }
    }

    fn each_cell(&self, measure: usize, figures: &mut [i64], value: i64) {
        let first = self.layout.figures_of(measure).start;
        for figure in figures.iter_mut().skip(first).step_by(self.layout.figures().max(1)) {
            *figure = value;
        }
    }

    fn within_range(
        &self,
        cell: u32,
        places: &[usize],
        measure: &Measure,
        value: i128,
    ) -> Result<i64, ExtractError> {
        let (low, high) = self.layout.bounds(cell);
        if let Some(value) = i64::try_from(value).ok().filter(|value| (low..=high).contains(value)) {
            return Ok(value);
        }
        let parts = measure.parts().unwrap_or_default();
        let figure = self.layout.place(cell).map_or(0, |(_, figure)| figure);
        let of_measure = |part: &usize| {
            let first = self.query.measures().iter().position(|one| one.name() == measure.name());
            first.map(|place| self.layout.figures_of(place).start + part) == Some(figure)
        };
        let part = (0..parts.len()).find(of_measure).and_then(|part| parts.get(part));
        let (scale, unit, name) = part.map_or((0, "", ""), |part| (part.scale, &*part.unit, &*part.name));
        let shown = |mantissa: i128| {
            let decimal = Decimal::new(mantissa, scale);
            decimal.map_or_else(|| mantissa.to_string(), |decimal| decimal.to_string())
        };
        let dimensions = self.query.dimensions().iter().zip(places);
        let mut labels: Vec<String> = dimensions
            .map(|(dimension, place)| {
                format!("{}={}", dimension.column().name(), dimension.label(*place).unwrap_or_default())
            })
            .collect();
        labels.push(format!("measure {} {name}", measure.name()).trim_end().to_owned());
        Err(ExtractError::OutOfRange {
            cell: labels.join(", "),
            value: format!("{} {unit}", shown(value)),
            range: format!("{} to {}", shown(i128::from(low)), shown(i128::from(high))),
            accounting: self.accounting.clone(),
        })
    }
}

/// Measures and their places, those together that count the same rows.
pub(in crate::extract) fn over_the_same_rows(query: &Query) -> Vec<Vec<(usize, &Measure)>> {
    let mut all: Vec<Vec<(usize, &Measure)>> = Vec::new();
    for (place, measure) in query.measures().iter().enumerate() {
        let same = |others: &&mut Vec<(usize, &Measure)>| {
            others.first().is_some_and(|(_, other)| other.filter() == measure.filter())
        };
        match all.iter_mut().find(same) {
            Some(others) => others.push((place, measure)),
            None => all.push(vec![(place, measure)]),
        }
    }
    all
}

pub(super) fn overflow(measure: &Measure) -> ExtractError {
    ExtractError::Overflow { measure: measure.name().to_owned() }
}

pub(super) fn scales(measure: &Measure) -> Vec<u8> {
    measure.parts().unwrap_or_default().iter().map(|part| part.scale).collect()
}

/// The figure at the measure's scale: sums are rounded once, half to even, counts are whole.
pub(super) fn rounded(measure: &Measure, exact: i64) -> Option<i128> {
    match measure.kind() {
        MeasureKind::Sum { limits, .. } => {
            let divisor = pow10(SCALE.checked_sub(limits.scale)?)?;
            divide_half_even(i128::from(exact), divisor, 0)
        }
        _ => Some(i128::from(exact)),
    }
}

fn over_no_rows(operand: Operand) -> Option<Scalar> {
    match operand {
        Operand::Aggregate(Aggregate::Count) => Decimal::new(0, 0).map(Scalar::Number),
        _ => None,
    }
}
