//! What is computed per cell: measures at the hospitals, derived figures after opening.
//!
//! Owns the wire form of both and the bounds of a measure. Checks that need the whole query are in
//! `check.rs`.

use super::decimal::pow10;
use super::expr::Expr;
use super::units::Unit;
use crate::codec::{List, Text};
use serde::{Deserialize, Serialize};

/// Longest name in bytes.
pub const MAX_NAME: usize = 64;
/// Most measures of one query.
pub const MAX_MEASURES: usize = 32;

/// One figure per cell that every hospital contributes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    pub(super) name: Text<MAX_NAME>,
    pub(super) kind: MeasureKind,
    pub(super) filter: Expr,
}

/// What a measure computes of the rows of one cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MeasureKind {
    /// The sum of the quantity.
    Sum {
        /// Of every row that counts; another unit is refused, never converted.
        unit: Unit,
        /// Decimals kept.
        scale: u8,
        /// Least per hospital and cell, in units.
        low: i64,
        /// Most per hospital and cell, in units.
        high: i64,
    },
    /// The number of rows.
    Rows {
        /// Most per hospital and cell.
        max: i64,
    },
    /// 1 when the hospital's own aggregates meet the condition, else 0.
    Hospitals {
        /// Over the aggregates of the cell.
        condition: Expr,
        /// Of the quantity, where the condition speaks of it.
        unit: Option<Unit>,
    },
}

impl Measure {
    /// Its name, which is a column of the output.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it computes.
    #[must_use]
    pub fn kind(&self) -> &MeasureKind {
        &self.kind
    }

    /// Rows that do not meet this do not count for this measure.
    #[must_use]
    pub fn filter(&self) -> &Expr {
        &self.filter
    }

    /// Decimals of its figures.
    #[must_use]
    pub fn scale(&self) -> u8 {
        match self.kind {
            MeasureKind::Sum { scale, .. } => scale,
            MeasureKind::Rows { .. } | MeasureKind::Hospitals { .. } => 0,
        }
    }

    /// The unit every counted row must have; `None` when the quantity is not looked at.
    #[must_use]
    pub fn unit(&self) -> Option<Unit> {
        match self.kind {
            MeasureKind::Sum { unit, .. } => Some(unit),
            MeasureKind::Rows { .. } => None,
            MeasureKind::Hospitals { unit, .. } => unit,
        }
    }

    /// The unit of the opened figure, as text.
    #[must_use]
    pub fn unit_text(&self) -> &'static str {
        match self.kind {
            MeasureKind::Sum { unit, .. } => unit.name(),
            MeasureKind::Rows { .. } => "rows",
            MeasureKind::Hospitals { .. } => "hospitals",
        }
    }

    /// Least and most of one hospital and cell, in base units; `None` when they do not fit.
    pub(super) fn bounds(&self) -> Option<(i64, i64)> {
        match &self.kind {
            MeasureKind::Sum { scale, low, high, .. } => {
                let factor = i64::try_from(pow10(*scale)?).ok()?;
                Some((low.checked_mul(factor)?, high.checked_mul(factor)?))
            }
            MeasureKind::Rows { max } => Some((0, *max)),
            MeasureKind::Hospitals { .. } => Some((0, 1)),
        }
    }
}

/// A ratio of opened sums.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derive {
    pub(super) name: Text<MAX_NAME>,
    pub(super) numerator: List<u8, MAX_MEASURES>,
    pub(super) denominator: List<u8, MAX_MEASURES>,
    pub(super) scale: u8,
}

impl Derive {
    /// Its name, which is a column of the output.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Positions of the measures added above the line.
    pub fn numerator(&self) -> impl Iterator<Item = usize> {
        self.numerator.iter().map(|position| usize::from(*position))
    }

    /// Positions of the measures added below the line.
    pub fn denominator(&self) -> impl Iterator<Item = usize> {
        self.denominator.iter().map(|position| usize::from(*position))
    }

    /// Decimals kept, rounded half to even.
    #[must_use]
    pub fn scale(&self) -> u8 {
        self.scale
    }
}
